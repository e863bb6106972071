"""Holds ids that come in pieces: in memory, or, if there are many, in a temporary file that is mapped into memory.

The file is in a folder for large temporary files: the one that TMPDIR names, or else /var/tmp if it exists (/tmp is
often memory itself), or else one that Python finds. The file has no name (on Windows, it goes with the last process
that has it open), so that nothing remains on the disk however the program ends. charlm writes it with calls that can
fail and maps it for reading only: a full disk gives an error message and does not kill the process.
"""

import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from ..errors import CorpusError

IN_MEMORY = 1 << 26  # bytes; the buffer moves larger contents to a file


class TokenBuffer:
    """Arrays (n) in the order in which they were added. ``len`` counts their entries."""

    def __init__(self):
        self._arrays, self._shapes, self._file = [], [], None
        self._length = self._bytes = 0

    def __len__(self):
        return self._length

    def __del__(self):
        if self._file is not None:
            with suppress(OSError):  # closing flushes what a full disk did not take
                self._file.close()

    def add(self, array: np.ndarray) -> None:
        """Append an array, which must not change afterwards. Raises CorpusError if there is no room for it."""
        if not len(array):
            return
        self._length += len(array)
        self._bytes += array.nbytes
        self._arrays.append(array)
        self._shapes.append((array.dtype, len(array)))
        if self._bytes > IN_MEMORY:
            self._write()

    def _write(self):
        """Move the arrays from memory to the end of the file."""
        folder = "any folder"
        try:
            folder = _folder()
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=folder)
            for array in self._arrays:
                self._file.write(array.data)
            self._file.flush()
        except OSError as error:
            raise CorpusError(
                f"the text is too long for memory, and its tokens cannot be written to {folder}: "
                f"{error.strerror or error}; let TMPDIR name a folder with more room"
            ) from None
        self._arrays.clear()

    def __iter__(self) -> Iterator[np.ndarray]:
        """The arrays as they were added. Do not add any while you iterate."""
        if self._file is None:
            yield from self._arrays
            return
        self._file.seek(0)
        for dtype, length in self._shapes:
            yield np.frombuffer(self._file.read(dtype.itemsize * length), dtype)

    def joined(self, dtype: type) -> np.ndarray:
        """All entries in one array (n); it is read-only if it is mapped. All added arrays must have this type."""
        if self._file is None:
            return np.concatenate([np.zeros(0, dtype), *self._arrays])
        return np.frombuffer(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ), dtype)


def _folder() -> str:
    """The folder for large temporary files."""
    named = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    return "/var/tmp" if not named and os.access("/var/tmp", os.W_OK) else tempfile.gettempdir()


def release(array: np.ndarray) -> None:
    """Give the memory of a mapped array back to the system, which reads the pages again when they are needed.

    Arrays that are not mapped stay as they are.
    """
    owner = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    mapping = owner.obj if isinstance(owner, memoryview) else None
    if isinstance(mapping, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)
