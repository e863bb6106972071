"""Bytes → text, piece by piece, with LF for each line end; and what is wrong with bytes that are no text.

A line ends with LF, CRLF, or CR alone. Other characters at which some programs break lines (NEL, U+2028, form feed)
stay what they are.
"""

import codecs
import re
import warnings
from collections.abc import Iterable, Iterator

from ..errors import CorpusError, Note, UsageError

NEED_A_MARK = ("utf-16", "utf-32")  # encodings whose byte order only a byte order mark can tell
SEARCHED = 1 << 24  # bytes in which NULs are looked for, about: to search a long text takes time and tells no more
CONTEXT = 4096  # bytes on each side of a bad byte that say what the text may be
_HIGH = re.compile(rb"[\x80-\xff]")
_WINDOWS = re.compile(rb"[\x80-\x9f]")  # characters in cp1252, and nothing in Latin-1
_IN_A_WORD = re.compile(rb"(?<=[A-Za-z])[\x80-\x91\x93-\x9f](?=[a-z])")
_LETTER = re.compile(rb"[A-Za-z\x80-\xff]")
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")


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


def text_in(
    name: str, pieces: Iterable[bytes], encoding: str, *, has_level: bool, errors: str, quotes: bool = False
) -> Iterator[str]:
    """The text of some bytes without its byte order mark, with LF for each line end. name: of the file, for messages.
    has_level: the command has the option --level, so that an error may advise it. errors, quotes: see
    ``reading.read_text``. Raises CorpusError."""
    decoder, ends = _Decoder(name, encoding, has_level, errors), _LineEnds()
    at_start = True
    for piece in pieces:
        text = decoder.decode(piece)
        if at_start and text:
            at_start, text = False, text.removeprefix("\ufeff")
        yield ends.replaced(text)
    yield ends.replaced(decoder.decode(b"", final=True), final=True)
    if len(ends.found) > 1 and not quotes:
        *others, last = ends.found
        message = f"{name} has several kinds of line ends ({', '.join(others)} and {last}); each of them ends a line"
        warnings.warn(message, Note, stacklevel=2)


class _LineEnds:
    """Makes LF of the line ends of a text in pieces. It keeps which kinds it has found."""

    def __init__(self):
        self._kinds: set[str] = set()
        self._waits = False  # a CR for the LF that may follow

    @property
    def found(self) -> list[str]:
        return [kind for kind in ("LF", "CRLF", "CR") if kind in self._kinds]

    def replaced(self, text: str, final: bool = False) -> str:
        """The next piece. A CR at its end waits for the next one, if this is not the final one."""
        if self._waits:
            text, self._waits = "\r" + text, False
        if "\r" not in text:  # looking for one character is much faster than replacing it
            self._note("LF", "LF" in self._kinds or "\n" in text)
            return text
        if text.endswith("\r") and not final:
            text, self._waits = text[:-1], True
        length, text = len(text), text.replace("\r\n", "\n")
        both = length - len(text)
        self._note("CRLF", both > 0)
        self._note("LF", "LF" in self._kinds or text.count("\n") > both)
        self._note("CR", "\r" in text)
        return text.replace("\r", "\n")

    def _note(self, kind: str, is_there: bool) -> None:
        if is_there:
            self._kinds.add(kind)


class _Decoder:
    """Decodes the bytes of one file, which come in pieces, and raises CorpusError for bytes that it cannot decode.

    The words of Python's own errors differ between its versions; charlm's message uses none of them.
    """

    def __init__(self, name: str, encoding: str, has_level: bool, errors: str):
        self.name, self.encoding, self.has_level, self.errors = name, encoding, has_level, errors
        self.decoder = codecs.getincrementaldecoder(encoding)(errors)
        self.has_nuls = codecs.lookup(encoding).name.startswith(NEED_A_MARK)  # as bytes, they are parts of characters
        self.consumed = 0  # bytes of the earlier pieces
        self.before = b""  # the last piece

    def decode(self, piece: bytes, final: bool = False) -> str:
        pending = len(self.decoder.getstate()[0])
        try:
            text = self.decoder.decode(piece, final)
            if self.encoding != "utf-8":
                text.encode(errors=self.errors)  # some codecs let halves of characters (lone surrogates) through
        except UnicodeError as error:
            raise CorpusError(self._message(error, self.consumed - pending)) from None
        if not self.has_nuls and self.consumed < SEARCHED and b"\0" in piece:
            self.has_nuls = True
            self._warn_of_nuls(piece)
        self.consumed += len(piece)
        self.before = piece
        return text

    def _warn_of_nuls(self, piece: bytes) -> None:
        offset, wide = self.consumed + piece.index(b"\0"), likely_wide(piece)
        what = (
            f"it looks like a text in {wide.upper()}: give --encoding {wide}"
            if wide
            else "if it is no text, name another file"
        )
        message = f"{self.name} has NULs, which no text has, the first at offset {offset:,}; {what}"
        warnings.warn(message, stacklevel=2)

    def _message(self, error: UnicodeError, offset: int) -> str:
        """offset: the position in the file of the first byte that the decoder had in hand."""
        encoding = codecs.lookup(self.encoding).name
        is_bad_byte = isinstance(error, UnicodeDecodeError)
        if encoding in NEED_A_MARK and (not is_bad_byte or error.encoding == encoding):
            return (
                f"{self.name} is not in the encoding {self.encoding}: it does not begin with a byte order mark; "
                f"name the byte order too (--encoding {encoding}-le or {encoding}-be), or another encoding"
            )
        if not is_bad_byte:
            return f"{self.name} is not in the encoding {self.encoding}; name the encoding of the text with --encoding"
        bad, data = len(self.before) + error.start, self.before + error.object
        first = max(0, bad - CONTEXT)
        first += -(offset - len(self.before) + first) % 4  # where a character of UTF-16 or UTF-32 begins
        around = data[first : bad + CONTEXT]
        return (
            f"{self.name}: the byte 0x{data[bad]:02x} at offset {offset + error.start:,} is not "
            f"{self.encoding.upper()}; "
            f"{advice(around, encoding)}{', or read bytes (--level byte)' if self.has_level else ''}"
        )


def advice(data: bytes, encoding: str = "utf-8") -> str:
    """What the user can do about bytes that are not in this encoding (its name in ``codecs``): the encoding that is
    likely, if one is."""
    wide = likely_wide(data)
    if wide:
        return f"the text looks like {wide.upper()}: give --encoding {wide}"
    if len(_CONTROL.findall(data)) > 0.01 * len(data):
        return "it looks like no text; name a text file, or its encoding with --encoding"
    text = data.decode("utf-8", "surrogateescape")
    bad = sum("\udc80" <= character <= "\udcff" for character in text)
    good = sum(character > "\x7f" for character in text) - bad
    if encoding != "utf-8" and not bad:
        return "the text looks like UTF-8: leave --encoding out"
    if good > bad:
        return (
            "most of the text is UTF-8, so it is damaged there: mend it, or, if it is in another encoding, name that "
            "with --encoding"
        )
    if len(_HIGH.findall(data)) > 0.4 * len(_LETTER.findall(data)):
        return (
            "name the encoding of the text, which has few letters of ASCII (--encoding cp1251, koi8-r, shift_jis, "
            "gb18030 or euc-kr, say)"
        )
    windows = len(_WINDOWS.findall(data))
    if not windows:
        return "name the encoding of the text (--encoding latin-1, say)"
    if 2 * len(_IN_A_WORD.findall(data)) > windows:
        return "name the encoding of the text, which looks like one of DOS or old Macs (--encoding cp850 or mac-roman)"
    return "name the encoding of the text (--encoding cp1252, say)"


def likely_wide(data: bytes) -> str | None:
    """The name of UTF-16 or UTF-32 with its byte order, if the NULs in some bytes from the beginning of a text, or
    from a multiple of four on, look like that."""
    nuls = [data[start::4].count(0) / max(1, len(data[start::4])) for start in range(4)]
    high = {  # which of four bytes are NULs in most characters of Latin scripts, and which in none
        "utf-32-le": ((2, 3), (0,)),
        "utf-32-be": ((0, 1), (3,)),
        "utf-16-le": ((1, 3), (0, 2)),
        "utf-16-be": ((0, 2), (1, 3)),
    }
    for name, (often, never) in high.items():
        if len(data) >= 16 and all(nuls[at] > 0.4 for at in often) and all(nuls[at] < 0.05 for at in never):
            return name
    return None
