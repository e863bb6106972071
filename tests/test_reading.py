"""Files as they come: other line ends and encodings, compressed files, and files that are no text."""

import bz2
import gzip
import hashlib
import io
import lzma
import pickle
import random
import sqlite3
import sys
import tarfile
import warnings
import zipfile
from contextlib import closing
from unittest import mock

import numpy as np
import pytest

import charlm
from charlm.errors import CorpusError, Note
from charlm.text import decompression, formats, reading
from charlm.text.corpus import CorpusOptions, load_corpus
from charlm.text.decoding import advice
from charlm.text.reading import read_text
from torture.corpora import with_large_window

GERMAN = "Früher küßten fünf schöne Männer müde Bären.\n"
COMPRESSORS = {"gzip": gzip.compress, "xz": lzma.compress, "bzip2": bz2.compress}
SIZES = [1, 7, reading.PIECE]


def read(path, level="char", size=reading.PIECE, **options):
    """The text of a file, read in pieces of this size."""
    with mock.patch.object(reading, "PIECE", size), mock.patch.object(decompression, "PIECE", size):
        pieces = list(read_text([path], level, **options))
    return (b"" if level == "byte" else "").join(pieces)


def why(path, **options):
    """The one line that says why a file is no text."""
    with pytest.raises(CorpusError) as caught:
        read(path, **options)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value).removeprefix(str(path))


# Line ends


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("data", "kinds"),
    [
        (b"a\nb\r\n", "LF and CRLF"),
        (b"a\rb\r\n", "CRLF and CR"),
        (b"a\rb\n", "LF and CR"),
        (b"a\n\rb", "LF and CR"),
        (b"a\nb\r\nc\rd", "LF, CRLF and CR"),
        (b"a\r\r\n", "CRLF and CR"),
    ],
)
def test_mixed_line_ends_are_told_once_at_the_end(file, data, kinds, size):
    with pytest.warns(Note, match=f"text.txt has several kinds of line ends .{kinds}.; each of them ends") as told:
        read(file(data), size=size)
    assert len(told) == 1


@pytest.mark.parametrize("data", [b"a\nb\n", b"a\r\nb\r\nc", b"a\rb\r", b"a\r\n", b"\r"])
@pytest.mark.parametrize("size", SIZES)
def test_line_ends_of_one_kind_are_not_told(file, data, size):
    assert "\r" not in read(file(data), size=size)


def test_a_list_of_an_old_mac_is_a_list(file):
    names = [f"name{number}" for number in range(40)]
    found = load_corpus(file("\r".join(names).encode()), CorpusOptions(holdout=0))
    assert found.lines and found.vocabulary.decode(found.train).split() == names


def test_bytes_keep_their_line_ends(file):
    assert read(file(b"a\rb\r\n\rc"), "byte") == b"a\rb\r\n\rc\n"


def test_a_text_in_memory_has_the_same_line_ends(tiny_model):
    model = charlm.load(tiny_model)
    scores = [charlm.perplexity(model, text).nats for text in ("a cab\nan egg\n", "a cab\ran egg\r", "a cab\r\nan egg")]
    assert scores[0] == scores[1] == scores[2]
    with pytest.raises(CorpusError, match=r"lines\[1\] has a carriage return inside"):
        charlm.train(lines=["a\r\n", "b\rc"], epochs=1)
    with pytest.raises(CorpusError, match=r"pairs\[0\]\[1\] has a carriage return inside"):
        charlm.train(pairs=[("a", "b\r")], task="classify", epochs=1)


# Byte order marks, NULs, other encodings


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_byte_order_mark_names_the_encoding(file, encoding, size):
    path = file(f"\ufeff{GERMAN}x".encode(encoding))
    with pytest.warns(Note, match=f"is in {encoding[:6].upper()}, as its byte order mark says"):
        assert read(path, size=size) == f"{GERMAN}x\n"
    assert read(path, size=size, encoding=encoding) == f"{GERMAN}x\n"


def test_a_corpus_in_utf_16_is_known_by_its_bytes(file):
    path = file(GERMAN.encode("utf-16"))
    with pytest.warns(Note):
        found = load_corpus(path, CorpusOptions(holdout=0))
    assert found.vocabulary.decode(found.train) == GERMAN
    assert (found.size, found.digest) == (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize("mark", ["\ufeff".encode(), "\ufeff".encode("utf-16-le")])
def test_an_encoding_that_was_given_counts_more_than_the_mark(file, mark):
    with pytest.warns(UserWarning, match="begins with the byte order mark of UTF-.*, and --encoding latin-1 was given"):
        assert read(file(mark + b"a\n"), encoding="latin-1") == (mark + b"a\n").decode("latin-1")


@pytest.mark.parametrize("size", SIZES)
def test_nuls_are_told_once(file, size):
    with pytest.warns(
        UserWarning, match="has NULs, which no text has, the first at offset 3; if it is no text"
    ) as told:
        assert read(file(b"abc\0d\0\n" * 3), size=size) == "abc\0d\0\n" * 3
    assert len(told) == 1 and read(file("a\0\n".encode("utf-16-le")), encoding="utf-16-le") == "a\0\n"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", ["plain text\n" * 9, GERMAN * 9])
def test_utf_16_without_its_mark_is_named(file, encoding, text):
    path = file(text.encode(encoding))
    if text.isascii():
        with pytest.warns(UserWarning, match=f"looks like a text in {encoding.upper()}: give --encoding {encoding}"):
            read(path)
    else:
        assert why(path).endswith(f"; the text looks like {encoding.upper()}: give --encoding {encoding}")
    assert read(path, encoding=encoding) == text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ((GERMAN * 9).encode("latin-1"), "--encoding latin-1, say"),
        (("„Früher“ – so schrieb er – ’küßten’ Männer …\n" * 9).encode("cp1252"), "--encoding cp1252, say"),
        ((GERMAN * 9).encode("cp850"), "--encoding cp850 or mac-roman"),
        ((GERMAN * 9).encode("mac-roman"), "--encoding cp850 or mac-roman"),
        (("Все счастливые семьи похожи друг на друга\n" * 9).encode("cp1251"), "few letters of ASCII"),
        (("Все счастливые семьи похожи друг на друга\n" * 9).encode("koi8-r"), "few letters of ASCII"),
        (("吾輩は猫である。名前はまだ無い。\n" * 9).encode("shift_jis"), "few letters of ASCII"),
        (("吾輩は猫である。名前はまだ無い。\n" * 9).encode("euc_jp"), "few letters of ASCII"),
        (("天地玄黃宇宙洪荒\n" * 9).encode("big5"), "few letters of ASCII"),
        ((GERMAN * 9).encode() + b"\xe4\n", "most of the text is UTF-8, so it is damaged there: mend it"),
        (random.Random(1).randbytes(4000), "it looks like no text"),
    ],
)
def test_the_advice_leads_to_the_text(file, data, words):
    """Only a text that looks like it is told to be read as Latin-1, which can decode any bytes."""
    assert words in why(file(data)) and ("latin-1" in why(file(data))) == ("latin-1" in words)
    assert why(file(data), has_level=True).endswith(", or read bytes (--level byte)")


def test_advice_about_an_encoding_that_was_given():
    assert advice(GERMAN.encode(), "ascii") == "the text looks like UTF-8: leave --encoding out"


# Compressed files


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", COMPRESSORS)
def test_a_compressed_text_is_the_text(file, kind, size):
    compress = COMPRESSORS[kind]
    whole, text = compress(GERMAN.encode()), GERMAN * 300
    assert read(file(whole), size=size) == GERMAN
    assert read(file(whole * 2 + b"\0" * 8), size=size) == GERMAN * 2
    assert read(file(compress(text.encode())), "word", size) == text
    assert read(file(compress(b"")), size=size) == ""
    pieces = list(decompression.decompressed("x", iter([compress(text.encode())]), kind))
    assert b"".join(pieces) == text.encode() and max(map(len, pieces)) <= decompression.PIECE
    with pytest.warns(Note, match="UTF-16"):
        assert read(file(compress(GERMAN.encode("utf-16"))), size=size) == GERMAN


@pytest.mark.parametrize("kind", COMPRESSORS)
def test_a_compressed_file_that_is_cut_off_or_damaged(file, kind):
    data = COMPRESSORS[kind](random.Random(1).randbytes(3000).hex().encode())
    for length in (11, len(data) // 2, len(data) - 1):
        assert "is cut off" in why(file(data[:length]))
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 0xFF
    assert f"is damaged: its compressed data ({kind}) cannot be decompressed" in why(file(bytes(damaged)))
    assert "is damaged" in why(file(data + b"and more, which is something else"))


@pytest.mark.parametrize("kind", COMPRESSORS)
def test_a_bomb_ends_before_it_fills_the_disk(file, kind, monkeypatch):
    monkeypatch.setattr(decompression, "FREE", 1 << 20)
    assert "grows more than 500 times" in why(file(COMPRESSORS[kind](b"a" * (3 << 20))))


def test_a_window_of_xz_is_limited(file):
    assert "asks for more than 256 MB of memory" in why(file(with_large_window(lzma.compress(b"a text\n"))))


def test_a_file_that_is_compressed_twice_and_one_that_python_cannot_read(file, monkeypatch):
    assert "is compressed (gzip); decompress it: gzip -dc FILE | charlm … -" in why(
        file(gzip.compress(gzip.compress(b"a")))
    )
    assert "is compressed (lz4)" in why(file(b"\x04\x22\x4d\x18" + bytes(20)))
    monkeypatch.setitem(decompression.MODULES, "zstd", "no_such_module")
    assert "zstd), which this Python cannot read; decompress it: zstd -dc FILE |" in why(file(b"\x28\xb5\x2f\xfd" * 9))


def test_standard_input_may_be_compressed(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(GERMAN.encode()))))
    assert "".join(read_text(["-"], "char")) == GERMAN


def test_a_compressed_corpus_is_known_by_its_bytes(file):
    path = file(gzip.compress((GERMAN * 9).encode()))
    found = load_corpus(path, CorpusOptions(holdout=0))
    assert found.vocabulary.decode(found.train) == GERMAN * 9
    assert (found.size, found.digest) == (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


def test_bytes_are_read_as_they_stand_and_that_is_told(file):
    data = gzip.compress(b"a")
    with pytest.warns(Note, match=r"is compressed .gzip., and --level byte reads its bytes as they are; .*gzip -dc"):
        assert read(file(data), "byte") == data + b"\n"
    assert read(file(b"%PDF-1.4\n"), "byte") == b"%PDF-1.4\n"


# Files that are no text


def archive(*names, first=b""):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as members:
        if first:
            members.writestr("mimetype", first)
        for name in names:
            members.writestr(name, b"<xml/>" * 9)
    return made.getvalue()


def tar_archive(mode):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as members:
        members.addfile(tarfile.TarInfo("a.txt"), io.BytesIO())
    return made.getvalue()


def numpy_file(save, *arrays):
    made = io.BytesIO()
    save(made, *arrays)
    return made.getvalue()


def database():
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("create table texts (text)")
        return connection.serialize()


NO_TEXTS = {
    "a PDF document": lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "a document of Microsoft Office": lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99),
    "a document in Rich Text Format": lambda: b"{\\rtf1\\ansi Hello}",
    "a document of Word (.docx)": lambda: archive("[Content_Types].xml", "word/document.xml"),
    "a table of Excel (.xlsx)": lambda: archive("[Content_Types].xml", "xl/workbook.xml"),
    "a presentation (.pptx)": lambda: archive("[Content_Types].xml", "ppt/slides/slide1.xml"),
    "a document (.odt": lambda: archive("content.xml", first=b"application/vnd.oasis.opendocument.text"),
    "a table (.ods)": lambda: archive("content.xml", first=b"application/vnd.oasis.opendocument.spreadsheet"),
    "a book (.epub)": lambda: archive("META-INF/container.xml", first=b"application/epub+zip"),
    "an archive of NumPy (.npz)": lambda: numpy_file(np.savez, np.arange(9)),
    "an array of NumPy (.npy)": lambda: numpy_file(np.save, np.arange(9)),
    "a zip archive": lambda: archive("a.txt"),
    "a file of MATLAB": lambda: b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(99),
    "an empty zip archive": archive,
    "a tar archive": lambda: tar_archive("w"),
    "a pickle of Python": lambda: pickle.dumps(["text"]),
    "an SQLite database": database,
    "a Parquet table": lambda: b"PAR1\x15\x04",
    "a PNG picture": lambda: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "a JPEG picture": lambda: b"\xff\xd8\xff\xe0\0\x10JFIF",
    "a WebP picture": lambda: b"RIFF\x24\0\0\0WEBPVP8 ",
    "sound (WAV)": lambda: b"RIFF\x24\0\0\0WAVEfmt ",
    "a video (MP4)": lambda: b"\0\0\0\x20ftypisom\0\0\2\0",
    "music (MIDI)": lambda: b"MThd\0\0\0\6\0\1\0\2",
    "a program": lambda: b"\x7fELF\2\1\1" + bytes(9),
}


@pytest.mark.parametrize("what", NO_TEXTS)
def test_a_file_that_is_no_text_is_named_for_what_it_is(file, what):
    in_first_bytes = what != "a tar archive" and "(." not in what
    path = file(NO_TEXTS[what]())
    for size in (7, reading.PIECE) if in_first_bytes else (reading.PIECE,):
        found = why(path, size=size)
        assert f" is {what}" in found and "not a text; " in found and "latin-1" not in found
    assert why(path, has_level=True).endswith(", or read its bytes (--level byte)")


def test_what_is_compressed_is_named_for_what_is_in_it(file):
    assert "is a tar archive, not a text; unpack it" in why(file(tar_archive("w:gz")))
    assert "is an SQLite database" in why(file(lzma.compress(database())))


@pytest.mark.parametrize(
    "text", ["PK", "RIFF RAFF", "BZh is a name", "BM", "MZ", "GIF", "II", "%PD", "ID3", "{\\rt", ""]
)
def test_a_text_that_begins_like_something_else_is_a_text(file, text):
    for size in (1, reading.PIECE):
        assert read(file(text.encode()), size=size) == (f"{text}\n" if text else "")


@pytest.mark.parametrize("text", [b"hello", b"\xc3\xa9t\xc3\xa9", b"1 2", b"\n", b"<xml>", b"__label__x"])
def test_a_text_that_comes_slowly_is_not_held_back(text):
    assert not any(formats.needs_more(text[:length]) for length in range(1, len(text) + 1))


def test_a_string_is_a_text_whatever_it_begins_with():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = charlm.train(text="%PDF-1.4 is how a file begins\n" * 9, epochs=0.1, hidden=2)
    assert "%" in model.vocabulary.symbols
