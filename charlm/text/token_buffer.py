"""Ids that come in pieces: in memory, or, where they are many, in a temporary file that is mapped into memory.

The file stands where large temporary files belong: in the folder that TMPDIR names, else in /var/tmp where there is
one (/tmp often is memory itself), else where Python finds room. It has no name, or on Windows loses it with its last
user, so that nothing is left behind however the program ends. It is written by calls that can fail and mapped only to
be read: a full disk is an error in one line and not the end of the process.
"""

import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from ..errors import CorpusError

IN_MEMORY = 1 << 26  # bytes; what takes more goes to a file


class TokenBuffer:
    """Arrays (n), kept in the order in which they are added. ``len`` counts their entries."""

    def __init__(self):
        self._arrays, self._shapes, self._file = [], [], None
        self._length = self._bytes = 0

    def __len__(self):
        return self._length

    def __del__(self):
        if self._file is not None:
            with suppress(OSError):  # what a full disk did not take
                self._file.close()

    def add(self, array: np.ndarray) -> None:
        """Keep an array, which must not change afterwards. Raises CorpusError where there is no room for it."""
        if not len(array):
            return
        self._length += len(array)
        self._bytes += array.nbytes
        self._arrays.append(array)
        self._shapes.append((array.dtype, len(array)))
        if self._bytes > IN_MEMORY:
            self._write()

    def _write(self):
        """Move what is in memory to the end of the file."""
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
                f"the text is too long for memory, and its tokens cannot be kept in {folder}: "
                f"{error.strerror or error}; let TMPDIR name a folder with more room"
            ) from None
        self._arrays.clear()

    def __iter__(self) -> Iterator[np.ndarray]:
        """The arrays as they were added; nothing may be added meanwhile."""
        if self._file is None:
            yield from self._arrays
            return
        self._file.seek(0)
        for kind, length in self._shapes:
            yield np.frombuffer(self._file.read(kind.itemsize * length), kind)

    def joined(self, kind: type) -> np.ndarray:
        """All entries in one array, which can only be read where it is mapped. All arrays must be of this type."""
        if self._file is None:
            return np.concatenate([np.zeros(0, kind), *self._arrays])
        return np.frombuffer(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ), kind)


def _folder() -> str:
    """Where large temporary files go."""
    named = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    return "/var/tmp" if not named and os.access("/var/tmp", os.W_OK) else tempfile.gettempdir()


def release(array: np.ndarray) -> None:
    """Let go of the pages of a mapped array that are in memory; they come back when they are read. Others stay as they
    are."""
    owner = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    mapping = owner.obj if isinstance(owner, memoryview) else None
    if isinstance(mapping, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)
