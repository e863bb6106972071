"""What a file is, by its first bytes: compressed, in UTF-16 or UTF-32, or no text at all.

A text has none of the signatures below: each has a byte that no text begins with, or words that only programs write. So
charlm waits for more bytes only as long as those that it has could be the beginning of a signature, and a text that
arrives slowly is passed on as it arrives.
"""

import codecs
import re
from typing import NamedTuple

MODEL_SIGNATURE = b"PK\3\4", b"header.npy"  # of a model file: at its start, and at offset 30 (see modelfile.py)
AS_TEXT = "save it as plain text, and name that file"
AS_TABLE = "export it as plain text (TSV or CSV), and name that file"
UNPACK = "unpack it, and name the text files in it"
EXPORT = "write the texts in it to a text file, and name that"
NAME_A_TEXT = "name a text file"


class Format(NamedTuple):
    """A kind of file that is no text. marks: (offset, bytes), all of which such a file has. remedy: what the user can
    do."""

    what: str
    remedy: str
    marks: tuple[tuple[int, bytes], ...]


def _format(what: str, remedy: str, *marks: bytes | tuple[int, bytes]) -> Format:
    return Format(what, remedy, tuple(mark if isinstance(mark, tuple) else (0, mark) for mark in marks))


COMPRESSED = {  # name → the first bytes, and the command that writes what is in it to standard output
    "gzip": (b"\x1f\x8b\x08", "gzip -dc"),
    "xz": (b"\xfd7zXZ\0", "xz -dc"),
    "bzip2": (b"BZh", "bzip2 -dc"),
    "zstd": (b"\x28\xb5\x2f\xfd", "zstd -dc"),
    "lz4": (b"\x04\x22\x4d\x18", "lz4 -dc"),
    "lzip": (b"LZIP\1", "lzip -dc"),
    "compress": (b"\x1f\x9d", "gzip -dc"),
}
_BZIP2 = re.compile(rb"BZh[1-9](1AY&SY|\x17\x72\x45\x38\x50\x90)")  # a block follows, or the end of an empty file
BYTE_ORDER_MARKS = {  # the longer one first: UTF-32 begins like UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8",
}
FORMATS = (
    _format("a PDF document", "take its text out (pdftotext FILE - | charlm … -)", b"%PDF-"),
    _format("a document of Microsoft Office (.doc, .xls, .ppt)", AS_TEXT, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    _format("a document in Rich Text Format", AS_TEXT, b"{\\rtf1"),
    _format("a zip archive", UNPACK, b"PK\3\4"),
    _format("an empty zip archive", UNPACK, b"PK\5\6"),
    _format("a 7z archive", UNPACK, b"7z\xbc\xaf\x27\x1c"),
    _format("a RAR archive", UNPACK, b"Rar!\x1a\7"),
    _format("a tar archive", UNPACK, (257, b"ustar")),
    _format("an array of NumPy (.npy)", EXPORT, b"\x93NUMPY"),
    *(_format("a pickle of Python", EXPORT, bytes([0x80, protocol])) for protocol in range(2, 6)),
    _format("an SQLite database", EXPORT, b"SQLite format 3\0"),
    _format("a Parquet table", EXPORT, b"PAR1"),
    _format("an Arrow table", EXPORT, b"ARROW1\0"),
    _format("an HDF5 file", EXPORT, b"\x89HDF\r\n\x1a\n"),
    _format(
        "a file of MATLAB", "--task chords reads piano rolls in it; of others, write a text file", b"MATLAB 5.0 MAT"
    ),
    _format("a PNG picture", NAME_A_TEXT, b"\x89PNG\r\n\x1a\n"),
    _format("a JPEG picture", NAME_A_TEXT, b"\xff\xd8\xff"),
    _format("a GIF picture", NAME_A_TEXT, b"GIF87a"),
    _format("a GIF picture", NAME_A_TEXT, b"GIF89a"),
    _format("a TIFF picture", NAME_A_TEXT, b"II*\0"),
    _format("a TIFF picture", NAME_A_TEXT, b"MM\0*"),
    _format("a BMP picture", NAME_A_TEXT, b"BM", (6, b"\0\0\0\0")),
    _format("a WebP picture", NAME_A_TEXT, b"RIFF", (8, b"WEBP")),
    _format("sound (WAV)", NAME_A_TEXT, b"RIFF", (8, b"WAVE")),
    _format("a video (AVI)", NAME_A_TEXT, b"RIFF", (8, b"AVI ")),
    _format("sound (MP3)", NAME_A_TEXT, b"ID3\2"),
    _format("sound (MP3)", NAME_A_TEXT, b"ID3\3"),
    _format("sound (MP3)", NAME_A_TEXT, b"ID3\4"),
    _format("sound (Ogg)", NAME_A_TEXT, b"OggS\0"),
    _format("sound (FLAC)", NAME_A_TEXT, b"fLaC\0"),
    _format("music (MIDI)", "turn its notes into words, and name that file", b"MThd\0\0"),
    _format("a video (MP4)", NAME_A_TEXT, b"\0\0\0", (4, b"ftyp")),
    _format("a video (Matroska)", NAME_A_TEXT, b"\x1aE\xdf\xa3"),
    _format("a program", NAME_A_TEXT, b"\x7fELF"),
    _format("a program", NAME_A_TEXT, b"MZ\x90\0"),
    _format("a program", NAME_A_TEXT, b"\xcf\xfa\xed\xfe"),
    _format("a program (WebAssembly)", NAME_A_TEXT, b"\0asm"),
    _format("a class of Java", NAME_A_TEXT, b"\xca\xfe\xba\xbe"),
)
IN_ZIP = (  # what the names in a zip archive, or its first file, say that it is
    (b"word/", "a document of Word (.docx)", AS_TEXT),
    (b"xl/", "a table of Excel (.xlsx)", AS_TABLE),
    (b"ppt/", "a presentation (.pptx)", AS_TEXT),
    (b"opendocument.spreadsheet", "a table (.ods)", AS_TABLE),
    (b"opendocument.", "a document (.odt or the like)", AS_TEXT),
    (b"application/epub", "a book (.epub)", AS_TEXT),
    (b"/data.pkl", "a file of PyTorch", EXPORT),
    (b".npy", "an archive of NumPy (.npz)", EXPORT),
)
_SIGNATURES = [
    *(form.marks for form in FORMATS if form.marks[0][0] == 0),
    *(((0, start),) for start, _ in COMPRESSED.values()),
    *(((0, mark),) for mark in BYTE_ORDER_MARKS),
]
_LENGTHS = {b"BZh": 10, b"PK\3\4": 40}  # bytes that are needed to be sure, where the first ones do not do


def begins_like_a_model(beginning: bytes) -> bool:
    """Whether a file with these first bytes, 40 or more, looks like one of charlm's models or checkpoints."""
    start, name = MODEL_SIGNATURE
    return beginning.startswith(start) and beginning[30:].startswith(name)


def needs_more(beginning: bytes) -> bool:
    """Whether more bytes may tell what a file with these first ones is."""
    return any(_may_become(beginning, marks) for marks in _SIGNATURES)


def _may_become(beginning: bytes, marks: tuple[tuple[int, bytes], ...]) -> bool:
    needed = max(offset + len(mark) for offset, mark in marks)
    needed = max(needed, _LENGTHS.get(marks[0][1], 0))
    if len(beginning) >= needed:
        return False
    found = ((beginning[offset : offset + len(mark)], mark) for offset, mark in marks)
    return all(mark.startswith(part) for part, mark in found)


def compression_of(beginning: bytes) -> str | None:
    """How a file with these first bytes is compressed, a name of COMPRESSED; None if it is not."""
    for name, (start, _) in COMPRESSED.items():
        if beginning.startswith(start) and (name != "bzip2" or _BZIP2.match(beginning)):
            return name
    return None


def byte_order_mark(beginning: bytes) -> str | None:
    """The encoding that the byte order mark at the beginning of a text names, None without one."""
    return next((name for mark, name in BYTE_ORDER_MARKS.items() if beginning.startswith(mark)), None)


def pipe_of(compression: str) -> str:
    """The command that decompresses a file for charlm. compression: a name of COMPRESSED."""
    return f"{COMPRESSED[compression][1]} FILE | charlm … -"


def why_no_text(beginning: bytes, has_level: bool) -> str | None:
    """What a file with these first bytes is, and what the user can do, if it is no text: the end of a sentence that
    begins with its name. has_level: the user can read bytes."""
    if begins_like_a_model(beginning):
        return "is a model of charlm, not a text; name a text file"
    compression = compression_of(beginning)
    if compression:
        return f"is compressed ({compression}); decompress it: {pipe_of(compression)}"
    for form in FORMATS:
        if all(beginning.startswith(mark, offset) for offset, mark in form.marks):
            what, remedy = form.what, form.remedy
            if what == "a zip archive":
                what, remedy = _in_zip(beginning) or (what, remedy)
            return f"is {what}, not a text; {remedy}{', or read its bytes (--level byte)' if has_level else ''}"
    return None


def _in_zip(beginning: bytes) -> tuple[str, str] | None:
    return next(((what, remedy) for name, what, remedy in IN_ZIP if name in beginning), None)
