"""Compressed bytes → the bytes in them, piece by piece.

Memory stays bounded whatever a file claims: no piece is longer than PIECE, the window of xz is limited, and a file that
grows as no text does is rejected. Several compressed files in a row (``cat a.gz b.gz``) are one text.
"""

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any

from ..errors import CorpusError
from .formats import pipe_of

PIECE = 1 << 18  # bytes that come out at a time
MOST_MEMORY = 1 << 28  # bytes that xz may ask for; its own presets need 65 MB at most
MOST_GROWTH, FREE = 500, 1 << 26  # no text grows so many times; so many bytes are free
MODULES = {"gzip": "zlib", "xz": "lzma", "bzip2": "bz2", "zstd": "compression.zstd"}  # zstd: from Python 3.14 on


def decompressed(name: str, pieces: Iterable[bytes], kind: str) -> Iterator[bytes]:
    """The bytes in a compressed file, in pieces. name: of the file, for messages. kind: a name of COMPRESSED.

    Raises CorpusError where this Python cannot decompress it, and where the file is damaged or cut off.
    """
    make = _decompressors(kind)
    if make is None:
        raise CorpusError(
            f"{name} is compressed ({kind}), which this Python cannot read; decompress it: {pipe_of(kind)}"
        )
    decompressor, taken, given = make(), 0, 0
    for rest in pieces:
        taken += len(rest)
        while rest or not (decompressor.eof or decompressor.needs_input):
            if decompressor.eof:
                rest = rest.lstrip(b"\0")  # which pads the end
                if not rest:
                    break
                decompressor = make()
            try:
                found = decompressor.decompress(rest, PIECE)
            except Exception as error:  # the modules raise errors of their own for hostile bytes
                raise CorpusError(_why(name, kind, error)) from None
            rest = decompressor.unused_data if decompressor.eof else b""
            given += len(found)
            if given > FREE and given > MOST_GROWTH * taken:
                raise CorpusError(
                    f"{name} grows more than {MOST_GROWTH} times when it is decompressed, as no text does; if that is "
                    f"meant, decompress it: {pipe_of(kind)}"
                )
            if found:
                yield found
    if not decompressor.eof:
        raise CorpusError(f"{name} is cut off: its compressed data ({kind}) have no end; copy or download it again")


def _decompressors(kind: str) -> Callable[[], Any] | None:
    """What makes a decompressor, with the methods of those in ``bz2``; None if this Python has none."""
    try:
        module = import_module(MODULES[kind])
    except (KeyError, ImportError):
        return None
    if kind == "gzip":
        return lambda: _Gzip(module.decompressobj(16 + module.MAX_WBITS))
    if kind == "xz":
        return lambda: module.LZMADecompressor(module.FORMAT_XZ, MOST_MEMORY)
    return module.BZ2Decompressor if kind == "bzip2" else module.ZstdDecompressor


class _Gzip:
    """The decompressor of ``zlib`` with the methods of those in ``bz2``."""

    def __init__(self, decompressor):
        self._decompressor, self.needs_input = decompressor, True

    @property
    def eof(self) -> bool:
        return self._decompressor.eof

    @property
    def unused_data(self) -> bytes:
        return self._decompressor.unused_data

    def decompress(self, data: bytes, most: int) -> bytes:
        found = self._decompressor.decompress(self._decompressor.unconsumed_tail + data, most)
        self.needs_input = len(found) < most and not self._decompressor.unconsumed_tail
        return found


def _why(name: str, kind: str, error: Exception) -> str:
    """The message for an error of a decompressor."""
    if isinstance(error, MemoryError) or "limit" in str(error):
        return f"{name} asks for more than {MOST_MEMORY >> 20} MB of memory to be decompressed; compress it anew"
    return f"{name} is damaged: its compressed data ({kind}) cannot be decompressed; copy or download it again"
