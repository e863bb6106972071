"""Files → clean text, piece by piece.

charlm decompresses what is compressed (see ``decompression``), decodes each file strictly as UTF-8 (or as ``encoding``,
or as a byte order mark says), drops that mark, and turns each line end into LF (see ``decoding``). It names a file that
is no text for what it is (see ``formats``). It adds a line feed to a last line that has none, so that every line ends
with <EOS>. At byte level it adds that line feed and changes nothing else. Memory does not grow with the length of the
files.
"""

import codecs
import hashlib
import os
import re
import stat
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from typing import TypedDict

from ..errors import CorpusError, Note
from ..ranks import check_input
from .decoding import check_encoding, text_in
from .decompression import MODULES, decompressed
from .formats import byte_order_mark, compression_of, needs_more, pipe_of, why_no_text
from .forms import PLAIN, Form, whole_lines
from .memory import MemoryText

WHOLE_LINES = ("word", "token", "subword")  # levels at which a cut elsewhere would change the tokens
PIECE = 1 << 18  # bytes read at a time: larger pieces cost more memory and are not faster
MOST_NAMES = 3  # of files that are listed one by one


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
    """``listed`` for the names of some files."""
    return listed(list(map(name_of, paths)))


def listed(names: Sequence[str]) -> str:
    """The names of files, for a message or a heading; of many, the first one and how many others there are."""
    return ", ".join(names) if len(names) <= MOST_NAMES else f"{names[0]} and {len(names) - 1:,} more files"


def _is_pipe(path) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False


def read_bytes(path) -> Iterator[bytes]:
    """The bytes of a file, of standard input for "-", or of a text from memory, in pieces. Raises CorpusError."""
    if isinstance(path, MemoryText):
        yield from path.pieces()
        return
    try:
        if path == "-":
            check_input()
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


def _size_and_time(source):
    """The size of an open file and the time of its last change; None for a pipe or a device."""
    about = os.fstat(source.fileno())
    return (about.st_size, about.st_mtime_ns) if stat.S_ISREG(about.st_mode) else None


def read_text(
    paths: Iterable,
    level: str,
    encoding: str = "utf-8",
    digest=None,
    *,
    form: Form = PLAIN,
    has_level: bool = False,
    errors: str = "strict",
    quotes: bool = False,
) -> Iterator[str] | Iterator[bytes]:
    """The clean text of some files, one after the other, in pieces.

    paths: names of files, "-" for standard input, or texts from memory, which have no ``encoding``. level: at "byte"
    the pieces are bytes; at WHOLE_LINES each piece ends at the end of a line, so that no token is cut. digest:
    an object whose ``update`` gets all bytes as they stand in the files, a ``Digest`` for example. form: that the text
    gets. has_level: the command has the option --level, so that an error may advise it. errors: "strict", or
    "surrogateescape": bytes that are not of the encoding become lone surrogates (PEP 383). quotes: the files are
    tables, in which quotes may hold line ends of another kind than those of the rows. Raises CorpusError if a file
    cannot be read or decoded, or is no text, UsageError for an unknown encoding.
    """
    encoding = check_encoding(encoding)

    def digested(path):
        with closing(read_bytes(path)) as pieces:
            for piece in pieces:
                if digest is not None:
                    digest.update(piece)
                yield piece

    def ended(path):
        """The pieces of a file, with the line feed that its last line may lack."""
        end, last = (b"\n", b"") if level == "byte" else ("\n", "")
        with closing(digested(path)) as data:  # an error in decoding closes the file too
            options: _Decoding = {"has_level": has_level, "errors": errors, "quotes": quotes}
            for piece in _opened(path, data, level == "byte", encoding, options):
                if piece:
                    last = piece[-1:]
                    yield piece
        if last and last != end:
            yield end

    for path in paths:
        pieces = form.read(ended(path), name_of(path))
        yield from whole_lines(pieces) if level in WHOLE_LINES else pieces


class _Decoding(TypedDict):
    """Arguments of ``text_in``."""

    has_level: bool
    errors: str
    quotes: bool


def _opened(path, pieces: Iterator[bytes], as_bytes: bool, encoding: str, options: _Decoding) -> Iterator:
    """The text of a file, or its bytes as they stand there; what is compressed is decompressed first."""
    name = name_of(path)
    if isinstance(path, MemoryText):
        return pieces if as_bytes else text_in(name, pieces, "utf-8", **options)
    beginning, pieces = _with_beginning(pieces)
    compression = compression_of(beginning)
    if as_bytes:
        if compression:
            what = f"{name} is compressed ({compression}), and --level byte reads its bytes as they are"
            warnings.warn(f"{what}; for the bytes in it: {pipe_of(compression)}", Note, stacklevel=2)
        return pieces
    if compression in MODULES:
        beginning, pieces = _with_beginning(decompressed(name, pieces, compression))
    why = why_no_text(beginning, options["has_level"])
    if why:
        raise CorpusError(f"{name} {why}")
    return text_in(name, pieces, _encoding_of(name, beginning, encoding), **options)


def _with_beginning(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """So many of the first bytes that they tell what a file is, and all its pieces."""
    beginning = b""
    for piece in pieces:
        beginning += piece
        if not needs_more(beginning):
            break
    return beginning, chain([beginning], pieces)


def _encoding_of(name: str, beginning: bytes, given: str) -> str:
    """The encoding of a text: the one that its byte order mark names, unless another than UTF-8 was given."""
    marked, known = byte_order_mark(beginning), codecs.lookup(given).name
    if marked is None or known.startswith(marked):
        return given
    if known == "utf-8":
        warnings.warn(f"{name} is in {marked.upper()}, as its byte order mark says", Note, stacklevel=2)
        return marked
    message = f"{name} begins with the byte order mark of {marked.upper()}, and --encoding {given} was given"
    warnings.warn(message, stacklevel=2)
    return given


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


def digest_of(paths: Iterable) -> str:
    """The SHA-256 of the bytes that stand in some files, in hexadecimal. Raises CorpusError."""
    digest = Digest()
    for path in paths:
        for piece in read_bytes(path):
            digest.update(piece)
    return digest.hexdigest()
