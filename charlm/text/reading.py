"""Files → clean text, piece by piece.

charlm decodes each file strictly as UTF-8 (or as ``encoding``), drops a byte order mark at its beginning, and turns
each CRLF into LF. It adds a line feed to a last line that has none, so that every line ends with <EOS>. At byte level
it adds that line feed and changes nothing else. Memory does not grow with the length of the files.
"""

import codecs
import hashlib
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing

from ..errors import CorpusError, UsageError
from .memory import MemoryText

WHOLE_LINES = ("word", "subword")  # levels at which a cut elsewhere would change the tokens
PIECE = 1 << 18  # bytes read at a time: larger pieces cost more memory and are not faster
MODEL_SIGNATURE = b"PK\3\4", b"header.npy"  # of a model file: at its start, and at offset 30 (see modelfile.py)
MOST_NAMES = 3  # of files that are listed one by one
NEED_A_MARK = ("utf-16", "utf-32")  # encodings whose byte order only a byte order mark can tell


def name_of(path) -> str:
    """A file's name as text, the same in every locale; that of a text from memory. The shell's ``<(command)`` is "a
    pipe"."""
    if isinstance(path, MemoryText):
        return path.name
    name = os.fsencode(path).decode("utf-8", "surrogateescape")
    if name in ("-", "/dev/stdin", "/dev/fd/0"):
        return "standard input"
    return "a pipe" if re.fullmatch("/(dev|proc/self)/fd/[0-9]+", name) and _is_pipe(path) else name


def names_of(paths: Iterable) -> str:
    """The names of some files, for a message or a heading; of many, the first one and how many others there are."""
    names = list(map(name_of, paths))
    return ", ".join(names) if len(names) <= MOST_NAMES else f"{names[0]} and {len(names) - 1:,} more files"


def _is_pipe(path) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False


def _read_bytes(path) -> Iterator[bytes]:
    """The bytes of a file, of standard input for "-", or of a text from memory, in pieces. Raises CorpusError."""
    if isinstance(path, MemoryText):
        yield from path.pieces()
        return
    try:
        if path == "-":
            if sys.stdin is None:
                raise CorpusError("standard input is closed")
            source = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)  # raw does not wait for more bytes
        elif os.path.isdir(path):
            raise CorpusError(f"{name_of(path)} is a folder; name the files in it")
        else:
            source = open(path, "rb")
        try:
            before = path == "-" or _size_and_time(source)
            while piece := source.read(PIECE):
                yield piece
            if path != "-" and _size_and_time(source) != before:
                raise CorpusError(f"{name_of(path)} changed while charlm read it; start again when it is complete")
        finally:
            if path != "-":
                source.close()
    except FileNotFoundError:
        raise CorpusError(f"there is no file {name_of(path)}; check the name") from None
    except OSError as error:
        raise CorpusError(f"cannot read {name_of(path)}: {error.strerror}") from None


def begins_like_a_model(beginning: bytes) -> bool:
    """Whether a file with these first bytes, 40 or more, looks like one of charlm's models or checkpoints."""
    start, name = MODEL_SIGNATURE
    return beginning.startswith(start) and beginning[30:].startswith(name)


def _size_and_time(source):
    """The size of an open file and the time of its last change; None for a pipe or a device."""
    about = os.fstat(source.fileno())
    return (about.st_size, about.st_mtime_ns) if stat.S_ISREG(about.st_mode) else None


class _Decoder:
    """Decodes the bytes of one file, which come in pieces, and raises CorpusError for bytes that it cannot decode.

    The words of Python's own errors differ between its versions; charlm's message uses none of them.
    """

    def __init__(self, path, encoding: str, has_level: bool, errors: str):
        self.path, self.encoding, self.has_level, self.errors = path, encoding, has_level, errors
        self.decoder = codecs.getincrementaldecoder(encoding)(errors)
        self.consumed = 0  # bytes of the earlier pieces

    def decode(self, piece: bytes, final: bool = False) -> str:
        pending = len(self.decoder.getstate()[0])
        try:
            text = self.decoder.decode(piece, final)
            if self.encoding != "utf-8":
                text.encode(errors=self.errors)  # some codecs let halves of characters (lone surrogates) through
        except UnicodeError as error:
            raise CorpusError(self._message(error, self.consumed - pending)) from None
        self.consumed += len(piece)
        return text

    def _message(self, error: UnicodeError, offset: int) -> str:
        """offset: the position in the file of the first byte that the decoder had in hand."""
        name, bad_byte = name_of(self.path), isinstance(error, UnicodeDecodeError)
        encoding = codecs.lookup(self.encoding).name
        if encoding in NEED_A_MARK and (not bad_byte or error.encoding == encoding):
            return (
                f"{name} is not in the encoding {self.encoding}: it does not begin with a byte order mark; "
                f"name the byte order too (--encoding {encoding}-le or {encoding}-be), or another encoding"
            )
        if bad_byte:
            return (
                f"{name}: the byte 0x{error.object[error.start]:02x} at offset {offset + error.start:,} "
                f"is not {self.encoding.upper()}; name the encoding of the text (--encoding latin-1, say)"
                f"{', or read bytes (--level byte)' if self.has_level else ''}"
            )
        return f"{name} is not in the encoding {self.encoding}; name the encoding of the text with --encoding"


def _decode(path, pieces: Iterable[bytes], encoding: str, has_level: bool, errors: str) -> Iterator[str]:
    """The text of a file without its byte order mark, with LF for each CRLF. Raises CorpusError for a model file."""
    decoder = _Decoder(path, encoding, has_level, errors)
    at_start, carriage_return = True, ""
    for piece in pieces:
        if not decoder.consumed and begins_like_a_model(piece):
            raise CorpusError(f"{name_of(path)} is a model of charlm, not a text; name a text file")
        text = carriage_return + decoder.decode(piece)
        if at_start and text:
            at_start, text = False, text.removeprefix("\ufeff")
        carriage_return = "\r" if text.endswith("\r") else ""
        text = text[: len(text) - len(carriage_return)]
        yield text.replace("\r\n", "\n") if "\r" in text else text  # looking for one character is much faster
    yield carriage_return + decoder.decode(b"", final=True)


def check_encoding(encoding: str) -> str:
    """The name of an encoding, if Python can decode text from it piece by piece. Raises UsageError otherwise."""
    try:
        codecs.getincrementaldecoder(encoding)
        found = codecs.lookup(encoding)
        if not found._is_text_encoding:
            raise LookupError
        if found.name == "utf-8-sig":
            return "utf-8"  # charlm drops a byte order mark in any case
    except (LookupError, ValueError):
        raise UsageError(f"there is no text encoding {encoding!r}; try utf-8, latin-1 or utf-16") from None
    return encoding


def read_text(
    paths: Iterable,
    level: str,
    encoding: str = "utf-8",
    digest=None,
    *,
    has_level: bool = False,
    errors: str = "strict",
) -> Iterator[str] | Iterator[bytes]:
    """The clean text of some files, one after the other, in pieces.

    paths: names of files, "-" for standard input, or texts from memory, which have no ``encoding``. level: at "byte"
    the pieces are bytes; at "word" and "subword" each piece ends at the end of a line, so that no token is cut. digest:
    an object whose ``update`` gets all bytes as they are read, a ``Digest`` for example. has_level: the command has the
    option --level, so that an error may advise it. errors: "strict", or "surrogateescape": bytes that are not of the
    encoding become lone surrogates (PEP 383). Raises CorpusError if a file cannot be read or decoded, UsageError for an
    unknown encoding.
    """
    encoding = check_encoding(encoding)

    def digested(path):
        with closing(_read_bytes(path)) as pieces:
            for piece in pieces:
                if digest is not None:
                    digest.update(piece)
                yield piece

    def ended(path):
        """The pieces of a file, with the line feed that its last line may lack."""
        end, last = (b"\n", b"") if level == "byte" else ("\n", "")
        with closing(digested(path)) as data:  # an error in decoding closes the file too
            its_encoding = "utf-8" if isinstance(path, MemoryText) else encoding
            for piece in data if level == "byte" else _decode(path, data, its_encoding, has_level, errors):
                if piece:
                    last = piece[-1:]
                    yield piece
        if last and last != end:
            yield end

    for path in paths:
        yield from whole_lines(ended(path)) if level in WHOLE_LINES else ended(path)


def whole_lines(pieces: Iterable[str]) -> Iterator[str]:
    """The same text in pieces that end at line ends, the last one excepted."""
    rest = []
    for piece in pieces:
        end = piece.rfind("\n") + 1
        if end:
            yield "".join([*rest, piece[:end]])
            rest = []
        if end < len(piece):
            rest.append(piece[end:])
    if rest:
        yield "".join(rest)


class Digest:
    """The SHA-256 of the bytes that ``update`` got, and their number."""

    def __init__(self):
        self.size, self._hash = 0, hashlib.sha256()

    def update(self, piece):
        self.size += len(piece)
        self._hash.update(piece)

    def hexdigest(self):
        return self._hash.hexdigest()


def path_list(paths) -> list:
    """A list of the names of files, from one name or several; a text from memory stands in place of a name."""
    return [paths] if isinstance(paths, (str, os.PathLike, MemoryText)) else list(paths)


def files_in(paths) -> list:
    """Those of ``path_list`` that are files, and not texts from memory."""
    return [path for path in path_list(paths) if not isinstance(path, MemoryText)]
