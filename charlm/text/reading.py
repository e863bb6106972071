"""Files → clean text → ids: a training part and a held-out part.

A text is read piece by piece: strict UTF-8 (or ``encoding``), without a byte order mark, CRLF as LF, and a last line
that lacks its end gets one, so that every line ends with <EOS>. At byte level nothing but the last line's end is
touched. The ids are kept in a ``Store``, and memory does not grow with the text beyond that.
"""

import codecs
import hashlib
import os
import stat
import sys
from collections.abc import Iterable, Iterator

from ..errors import CorpusError, UsageError

PIECE = 1 << 18  # bytes read at a time: what is made of more takes no less time, and more memory


def name_of(path) -> str:
    """A file's name as text, the same in every locale."""
    return "standard input" if path == "-" else os.fsencode(path).decode("utf-8", "surrogateescape")


def _pieces(path) -> Iterator[bytes]:
    """The bytes of a file, or of standard input for "-"."""
    try:
        if path == "-":
            if sys.stdin is None:
                raise CorpusError("standard input is closed")
            source = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)  # raw: gives what there is, and does not wait
        elif os.path.isdir(path):
            raise CorpusError(f"{path} is a folder; name the files in it")
        else:
            source = open(path, "rb")
        try:
            begun = path == "-" or _written(source)
            while piece := source.read(PIECE):
                yield piece
            if path != "-" and _written(source) != begun:
                raise CorpusError(f"{name_of(path)} was written to while it was read; wait until it is whole")
        finally:
            if path != "-":
                source.close()
    except OSError as error:
        raise CorpusError(f"cannot read {name_of(path)}: {error.strerror}") from None


def _written(source):
    """How large a file is and when it was written last; None for what is no file on a disk."""
    about = os.fstat(source.fileno())
    return (about.st_size, about.st_mtime_ns) if stat.S_ISREG(about.st_mode) else None


def _decoded(path, pieces: Iterable[bytes], encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    before = 0  # bytes consumed by earlier calls

    def decode(piece, final):
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(piece, final)
            if encoding != "utf-8":
                text.encode()  # some codecs let halves of characters (lone surrogates) through
            return text
        except UnicodeDecodeError as error:
            offset = before - pending + error.start
            raise CorpusError(
                f"{name_of(path)}: the byte 0x{error.object[error.start]:02x} at offset {offset:,} "
                f"is not {encoding.upper()}; name the encoding of the text (--encoding latin-1, say), "
                "or read bytes (--level byte)"
            ) from None
        except UnicodeError as error:  # a codec's complaint about the whole
            raise CorpusError(
                f"{name_of(path)} is not in the encoding {encoding} ({error}); "
                "name the encoding of the text with --encoding"
            ) from None

    first, carriage_return = True, ""
    for piece in pieces:
        text = carriage_return + decode(piece, False)
        before += len(piece)
        if first and text:
            first, text = False, text.removeprefix("\ufeff")
        carriage_return = "\r" if text.endswith("\r") else ""
        text = text[: len(text) - len(carriage_return)]
        yield text.replace("\r\n", "\n") if "\r" in text else text  # to look for one character is much faster
    yield carriage_return + decode(b"", True)


def check_encoding(encoding: str) -> str:
    """The encoding's name, where there is one for text and for reading piece by piece. Raises UsageError."""
    try:
        codecs.getincrementaldecoder(encoding)
        found = codecs.lookup(encoding)
        if not found._is_text_encoding:
            raise LookupError
        if found.name == "utf-8-sig":
            return "utf-8"  # a byte order mark is dropped in any case
    except (LookupError, ValueError):
        raise UsageError(f"there is no text encoding {encoding!r}; utf-8, latin-1 and utf-16 are some") from None
    return encoding


def read_text(paths: Iterable, level: str, encoding: str = "utf-8", digest=None) -> Iterator[str] | Iterator[bytes]:
    """The clean text of some files, one after the other, in pieces; at word level a piece ends where a line does.

    paths: names of files, "-" for standard input. At byte level the pieces are bytes. ``digest`` is updated with the
    bytes read. Raises CorpusError where a file cannot be read or decoded.
    """
    encoding = check_encoding(encoding)

    def noted(path):
        for piece in _pieces(path):
            if digest is not None:
                digest.update(piece)
            yield piece

    for path in paths:
        end, last, rest = (b"\n", b"", b"") if level == "byte" else ("\n", "", "")
        for piece in noted(path) if level == "byte" else _decoded(path, noted(path), encoding):
            if not piece:
                continue
            last = piece[-1:]
            if level == "word":
                whole, newline, rest = (rest + piece).rpartition(end)
                piece = whole + newline
            if piece:
                yield piece
        if last and last != end:
            rest += end
        if rest:
            yield rest


class Digest:
    """SHA-256 and the number of bytes."""

    def __init__(self):
        self.size, self._hash = 0, hashlib.sha256()

    def update(self, piece):
        self.size += len(piece)
        self._hash.update(piece)

    def hexdigest(self):
        return self._hash.hexdigest()


def listed(paths) -> list:
    """The names of files, of which there may be a single one."""
    return [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
