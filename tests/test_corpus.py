"""Files to clean text, to a training part and a held-out part, to batches: nothing is lost, and errors are clear."""

import errno
import hashlib
import io
import os
import sys
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charlm.errors import CharlmError, CorpusError, UsageError
from charlm.text import corpus, reading
from charlm.text.batches import line_windows, stream_windows, windows
from charlm.text.corpus import CorpusOptions, load_corpus
from charlm.text.reading import name_of, read_text
from charlm.text.vocabulary import EOS, UNKNOWN

BOM = "\ufeff".encode()
BIG = reading.PIECE
SIZES = (1, 2, 3, BIG)


@contextmanager
def in_pieces_of(size):
    with mock.patch.object(reading, "PIECE", size), mock.patch.object(corpus, "PIECE", size):
        yield


# Clean text


@pytest.mark.filterwarnings("ignore:.*(line ends|NULs)")  # tests/test_reading.py has them
@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"a\nb\n", "a\nb\n"),
        (b"a\nb", "a\nb\n"),
        (b"\n\n", "\n\n"),
        (b"a\r\nb\r\n", "a\nb\n"),
        (b"a\r\nb\r\nc", "a\nb\nc\n"),
        (b"a\rb\n", "a\nb\n"),
        (b"a\rb\rc", "a\nb\nc\n"),
        (b"a\r", "a\n"),
        (b"a\r\r", "a\n\n"),
        (b"a\r\r\n", "a\n\n"),
        ("a\x85b\u2028c\u2029d\f\v\n".encode(), "a\x85b\u2028c\u2029d\f\v\n"),  # which end no line
        (b"\r\n", "\n"),
        (BOM, ""),
        (BOM + b"a\n", "a\n"),
        (BOM + BOM + b"a\n", "\ufeffa\n"),
        (b"a" + BOM + b"\n", "a\ufeff\n"),
        (b"a\0b\x1b\n", "a\0b\x1b\n"),
        ("é日😀\n".encode(), "é日😀\n"),
    ],
)
def test_the_text_of_a_file(file, data, text):
    path, found = file(data), {}
    for size in SIZES:
        with in_pieces_of(size):
            found |= {(size, level): "".join(read_text([path], level)) for level in ("char", "word")}
    assert found == dict.fromkeys(found, text)


@pytest.mark.filterwarnings("ignore:.*line ends")
@given(st.text(st.sampled_from("ab\r\n\ufeffé 😀")), st.sampled_from(["char", "word"]), st.integers(1, 9))
def test_the_text_does_not_depend_on_the_pieces(tmp_path_factory, text, level, size):
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(text.encode())
    clean = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    with in_pieces_of(size):
        pieces = list(read_text([path], level))
    assert "".join(pieces) == (clean if clean.endswith("\n") or not clean else clean + "\n")
    if level == "word":
        assert all(piece.endswith("\n") for piece in pieces)


def test_a_line_end_across_the_border_of_two_pieces(file):
    path = file(b"a" * (BIG - 1) + b"\r\n" + b"b" * (BIG - 2) + b"\r\nc")
    assert "".join(read_text([path], "char")) == "a" * (BIG - 1) + "\n" + "b" * (BIG - 2) + "\nc\n"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", b""),
        (b"a", b"a\n"),
        (b"\n", b"\n"),
        (BOM + b"a\r\n\xff\0", BOM + b"a\r\n\xff\0\n"),
    ],
)
def test_bytes_are_left_as_they_are(file, data, text):
    assert b"".join(read_text([file(data)], "byte")) == text


@pytest.mark.parametrize("level", ["char", "word"])
def test_files_follow_each_other(file, level):
    paths = [file(b"one", "1"), file(BOM + b"two\r\n", "2"), file(b"", "3"), file(b"three", "4")]
    assert "".join(read_text(paths, level)) == "one\ntwo\nthree\n"


def test_standard_input_is_a_file(file, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BOM + b"in\r\nput")))
    assert "".join(read_text([file(b"file"), "-"], "char")) == "file\nin\nput\n"
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(CorpusError, match="standard input"):
        list(read_text(["-"], "char"))


@pytest.mark.parametrize(
    ("data", "encoding", "text"),
    [
        (b"caf\xe9\r\n", "latin-1", "café\n"),
        (b"\x80\n", "cp1252", "€\n"),
        ("é😀\r\nb".encode("utf-16"), "utf-16", "é😀\nb\n"),
        ("é😀\r\nb".encode("utf-16-be"), "utf-16-be", "é😀\nb\n"),
        ("\ufeffé".encode("utf-16-le"), "utf-16-le", "é\n"),
        (BOM + b"a", "utf-8-sig", "a\n"),
        ("日本\n".encode("shift_jis"), "shift_jis", "日本\n"),
    ],
)
def test_other_encodings(file, data, encoding, text):
    for size in (1, 3, BIG):
        with in_pieces_of(size):
            assert "".join(read_text([file(data)], "char", encoding)) == text, size


# Files that cannot be read


@pytest.mark.parametrize(
    ("data", "encoding", "byte", "offset"),
    [
        (b"abc\xffdef\n", "utf-8", "ff", 3),
        (b"caf\xe9\n", "utf-8", "e9", 3),  # Latin-1
        (b"abc\xc3", "utf-8", "c3", 3),  # the end of the file within a character
        (b"ab\xe2\x82", "utf-8", "e2", 2),
        (b"\xf0\x9f\x98", "utf-8", "f0", 0),
        (b"a\xc0\x80\n", "utf-8", "c0", 1),  # too long a form of NUL
        (b"a\xed\xa0\x80\n", "utf-8", "ed", 1),  # a surrogate
        (b"\r\n\r\n\x80", "utf-8", "80", 4),
        (BOM + b"a\xff\n", "utf-8", "ff", 4),
        (BOM + b"a\xff\n", "utf-8-sig", "ff", 4),
        (b"ab\xe9\n", "ascii", "e9", 2),
        (b"a\x00b", "utf-16-le", "62", 2),
        (b"a\x00\x00\xd8b\x00", "utf-16-le", "00", 2),
        (b"abcd\n", "utf-32", "61", 0),
    ],
)
def test_a_bad_byte_is_named_with_its_offset(file, data, encoding, byte, offset):
    path = file(data)
    for size in SIZES:
        with in_pieces_of(size), pytest.raises(CorpusError) as caught:
            list(read_text([path], "char", encoding, has_level=True))
        assert f"{path}: the byte 0x{byte} at offset {offset} " in str(caught.value), size
        assert "--encoding" in str(caught.value)
        assert "--level byte" in str(caught.value)


@pytest.mark.parametrize(
    ("before", "bad"),
    [
        (BIG + 4, b"\xff"),
        (2 * BIG - 1, b"\xc3\xff"),
        (BIG - 2, b"\xe2\x82"),
        (3 * BIG, b"\x80"),
    ],
)
def test_a_bad_byte_beyond_the_first_piece(file, before, bad):
    with pytest.raises(CorpusError, match=f"0x{bad[0]:02x} at offset {before:,} ") as caught:
        list(read_text([file(b"a" * before + bad)], "char"))
    assert "--level" not in str(caught.value)  # only charlm train has this option


def test_bad_bytes_of_a_second_file_are_counted_in_it(file):
    with pytest.raises(CorpusError, match="second: the byte 0xff at offset 1 "):
        list(read_text([file(b"long enough", "first"), file(b"a\xff", "second")], "word"))


@pytest.mark.parametrize("size", [1, 2, 3, BIG])
@pytest.mark.parametrize(
    ("data", "encoding", "named"),
    [
        (b"no byte order mark\n", "utf-16", "utf-16"),
        (b"no byte order mark\n", "UTF16", "utf-16"),
        (b"a\0\0\0b\0\0\0", "utf-32", "utf-32"),
    ],
)
def test_a_text_without_the_byte_order_mark_that_its_encoding_needs(file, data, encoding, named, size):
    """The message is charlm's own: Python's differs from version to version."""
    path = file(data)
    with in_pieces_of(size), pytest.raises(CorpusError) as caught:
        list(read_text([path], "char", encoding))
    assert str(caught.value) == (
        f"{path} is not in the encoding {encoding}: it does not begin with a byte order mark; "
        f"name the byte order too (--encoding {named}-le or {named}-be), or another encoding"
    )


def test_a_file_that_cannot_be_decoded_is_closed_at_once(file, monkeypatch):
    """The error, which a caller may keep, keeps no file open."""
    opened = []
    monkeypatch.setattr(
        reading, "open", lambda *arguments: opened.append(open(*arguments)) or opened[-1], raising=False
    )
    with pytest.raises(CorpusError, match="is not UTF-8") as caught:
        list(read_text([file(b"\xff" * 10)], "char"))
    assert [source.closed for source in opened] == [True] and caught.value


@pytest.mark.parametrize(("data", "encoding"), [(b"a\n", "undefined"), (rb"a\ud800" + b"\n", "unicode_escape")])
def test_a_text_that_its_encoding_cannot_decode(file, data, encoding):
    path = file(data)
    with pytest.raises(CharlmError) as caught:
        list(read_text([path], "char", encoding))
    message = f"{path} is not in the encoding {encoding}; name the encoding of the text with --encoding"
    assert str(caught.value) == message


def test_a_bad_byte_after_a_byte_order_mark_is_named(file):
    path = file("ab".encode("utf-16") + b"\0\xdc")
    with pytest.raises(CorpusError, match="the byte 0x00 at offset 6 is not UTF-16"):
        list(read_text([path], "char", "utf-16"))


@pytest.mark.parametrize("encoding", ["nope", "", "rot13", "base64", "hex", "utf-8\0", "../utf-8"])
def test_there_is_no_such_encoding(file, encoding):
    with pytest.raises(UsageError, match="encoding"):
        list(read_text([file(b"a\n")], "char", encoding))


@pytest.mark.parametrize(
    ("name", "words"), [("missing.txt", "there is no file .*missing.txt; check the name"), (".", "is a folder")]
)
def test_a_path_that_is_not_a_file(tmp_path, name, words):
    with pytest.raises(CorpusError, match=words):
        list(read_text([tmp_path / name], "char"))


@pytest.mark.parametrize(
    ("contents", "options"),
    [
        ([b""], {}),
        ([b"", b""], {}),
        ([BOM], {}),
        ([b""], {"level": "byte"}),
        ([b""], {"level": "word"}),
        ([b""], {"lines": True}),
        ([b"\n\n\n"], {"lines": True}),
        ([b"\r\r"], {"lines": True}),
        ([b"ab\n"], {"holdout": 0.9}),
    ],
)
def test_a_text_that_is_empty_or_too_short(file, contents, options):
    with pytest.raises(CorpusError, match=r"there is no (text|line)|too short") as caught:
        load_corpus([file(content, str(number)) for number, content in enumerate(contents)], CorpusOptions(**options))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"holdout": -0.1},
        {"holdout": 1},
        {"holdout": float("nan")},
        {"max_vocabulary": 2},
        {"encoding": "nope"},
        {"level": "letters"},
    ],
    ids=str,
)
def test_options_that_are_not_possible(file, options):
    with pytest.raises(UsageError):
        load_corpus(file(b"abc\n"), CorpusOptions(**options))


# Training part, held-out part, vocabulary


@given(st.text("abcdé\n", min_size=12, max_size=60), st.sampled_from([0, 0.1, 0.25, 0.5]), st.sampled_from([1, 5, BIG]))
def test_the_end_of_a_stream_is_held_out(tmp_path_factory, text, holdout, size):
    path = tmp_path_factory.getbasetemp() / "stream.txt"
    path.write_text(text, encoding="utf-8", newline="")
    with in_pieces_of(size):
        found = load_corpus(path, CorpusOptions(holdout=holdout))
    text = text if text.endswith("\n") else text + "\n"
    cut = int(len(text) * (1 - holdout))
    assert found.vocabulary.decode(found.train) == text[:cut]
    assert found.held_out.tolist() == found.vocabulary.encode(text[cut:]).tolist()
    assert set(found.vocabulary.symbols) == set(text[:cut]) - {"\n"}
    assert found.train.dtype == found.held_out.dtype == found.vocabulary.dtype
    assert found.frequencies.tolist() == np.bincount(found.train, minlength=len(found.vocabulary)).tolist()


def test_a_symbol_of_the_held_out_part_alone_is_unknown(file):
    found = load_corpus(file("ab" * 45 + "xyxyxyxyx"))
    assert found.vocabulary.symbols == ("a", "b")
    assert not np.any(found.train == UNKNOWN)
    assert found.vocabulary.decode(found.held_out) == "<UNK>" * 9 + "\n"


@pytest.mark.parametrize(
    ("options", "symbols", "train"),
    [
        ({}, "abcd", "aaaabbbccd\n"),
        ({"min_count": 2}, "abc", "aaaabbbcc<UNK>\n"),
        ({"max_vocabulary": 4}, "ab", "aaaabbb<UNK><UNK><UNK>\n"),
        ({"level": "word"}, ("aaaabbbccd",), "aaaabbbccd\n"),
        ({"level": "byte"}, b"abcd", "aaaabbbccd\n"),
    ],
)
def test_limits_of_the_vocabulary(file, options, symbols, train):
    found = load_corpus(file("aaaabbbccd\n"), CorpusOptions(holdout=0, **options))
    assert found.vocabulary.symbols == tuple(symbols)
    assert found.vocabulary.decode(found.train) == train
    assert len(found.held_out) == 0


@pytest.mark.parametrize(("rare", "min_count", "share"), [(3, 2, 4 / 205), (4, 1, 0), (100, 1, 0)])
def test_words_that_occur_once_are_unknown_unless_they_are_many(file, rare, min_count, share):
    path = file("one two\n" * 40 + "one\n" * 40 + "".join(f"a{n} " for n in range(rare)))  # and a space at the end
    words = load_corpus(path, CorpusOptions(level="word", holdout=0))
    assert (words.min_count, words.unknown_shares) == (min_count, (share, 0))
    given = load_corpus(path, CorpusOptions(level="word", holdout=0, min_count=2))
    assert (given.min_count, given.unknown_shares) == (2, ((rare + 1) / (rare + 202), 0))


def test_the_shares_of_the_unknown_in_both_parts(file):
    options = CorpusOptions(min_count=2, valid=file("axcx\n", "valid.txt"), lines=False)
    assert load_corpus(file("aabbc" * 9 + "x\n"), options).unknown_shares == (1 / 47, 2 / 5)


@pytest.mark.parametrize(
    ("text", "options", "why"),
    [
        (
            "one two\nthree four\n",
            {"level": "word", "min_count": 2},
            "no word occurs 2 times there; give --min-count 1",
        ),
        ("ab\n", {"min_count": 3, "holdout": 0}, "no character occurs 3 times there; give --min-count 1"),
        ("\n" * 90 + "abc", {}, "it is blank"),
    ],
)
def test_a_vocabulary_without_symbols_is_an_error(file, text, options, why):
    with pytest.raises(CorpusError, match=f"there is nothing to learn from the training part: {why}"):
        load_corpus(file(text), CorpusOptions(lines=False, **options))


@pytest.mark.parametrize(("text", "min_count", "rate"), [("aab\n", 1, 3 / 6), ("aabb\n", 1, 2 / 7), ("aab\n", 2, 0)])
def test_the_rate_of_the_unknown_in_training(file, text, min_count, rate):
    assert load_corpus(file(text), CorpusOptions(holdout=0, min_count=min_count)).unknown_rate == pytest.approx(rate)


def split_lines(found):
    return [found.vocabulary.decode(part).splitlines(keepends=True) for part in (found.train, found.held_out)]


@pytest.mark.parametrize("level", ["char", "word", "byte"])
def test_whole_lines_are_held_out_at_random(file, level):
    lines = [f"{number:03}\n" for number in range(100)]
    path = file("\n".join(lines))  # a blank line between all lines
    options = CorpusOptions(level=level, min_count=1, lines=True, holdout=0.25, seed=3)
    train, held_out = split_lines(load_corpus(path, options))
    if level == "word":  # a word that is not in the training part is unknown
        assert held_out == ["<UNK>\n"] * 25
        assert set(train) < set(lines)
    else:
        assert sorted(train + held_out) == lines
        assert held_out not in (lines[75:], lines[:25])
    assert len(held_out) == 25
    assert train == sorted(train)  # the order stays


def test_the_seed_decides_which_lines_are_held_out(file):
    path = file("".join(f"{number:03}\n" for number in range(100)))
    parts = [split_lines(load_corpus(path, CorpusOptions(lines=True, seed=seed)))[1] for seed in (1, 1, 2)]
    assert parts[0] == parts[1] != parts[2]
    assert len(parts[2]) == 10


@given(st.lists(st.text("ab ", max_size=3), min_size=1, max_size=20), st.sampled_from([0, 0.3, 0.7]), st.integers(0, 5))
def test_blank_lines_are_skipped_and_nothing_else_is_lost(tmp_path_factory, lines, holdout, seed):
    path = tmp_path_factory.getbasetemp() / "lines.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    kept = sorted(line + "\n" for line in lines if line)
    if not kept:
        with pytest.raises(CorpusError):
            load_corpus(path, CorpusOptions(lines=True, holdout=holdout))
        return
    found = load_corpus(path, CorpusOptions(lines=True, holdout=holdout, seed=seed))
    train, held_out = split_lines(found)
    assert len(held_out) == int(len(kept) * holdout)
    known = set("".join(train)) | {"\n"}
    assert sorted(train + held_out) == sorted("".join(c if c in known else "<UNK>" for c in line) for line in kept)


@pytest.mark.parametrize(("lines", "held_out"), [(False, "ab\n\n<UNK>a\n"), (True, "ab\n<UNK>a\n")])
def test_a_file_of_its_own_is_held_out(file, lines, held_out):
    options = CorpusOptions(valid=file("ab\r\n\r\nca", "valid.txt"), lines=lines, holdout=0.5)
    found = load_corpus(file("aab\nbb"), options)
    assert found.vocabulary.symbols == ("b", "a")
    assert found.vocabulary.decode(found.train) == "aab\nbb\n"
    assert found.vocabulary.decode(found.held_out) == held_out


def test_a_held_out_file_without_text_is_an_error(file):
    with pytest.raises(CorpusError, match="valid.txt"):
        load_corpus(file("ab\n"), CorpusOptions(valid=file("", "valid.txt")))


def test_a_corpus_knows_what_it_was_read_from(file):
    contents = [BOM + b"one\r\n", b"two"]
    found = load_corpus([file(contents[0], "1.txt"), file(contents[1], "2.txt")])
    assert found.digest == hashlib.sha256(b"".join(contents)).hexdigest()
    assert found.size == 11
    assert [Path(name).name for name in found.names] == ["1.txt", "2.txt"]


@pytest.mark.parametrize(("lines", "text"), [(False, "ab\n\n<UNK>\n"), (True, "ab\n<UNK>\n")])
def test_held_out_files_are_read_in_the_vocabulary_of_the_training_text(file, lines, text):
    options = CorpusOptions(valid=[file("ab\n\n", "1"), file("x", "2")], lines=lines)
    found = load_corpus(file("ab\nba\n"), options)
    assert set(found.vocabulary.symbols) == {"a", "b"}
    assert found.vocabulary.decode(found.held_out) == text
    assert found.vocabulary.decode(found.train) == "ab\nba\n"
    assert found.frequencies.tolist() == [2, 0, 2, 2]
    assert found.evaluated_characters == len(found.held_out)


@pytest.mark.parametrize("given", [True, False])
def test_characters_of_the_evaluated_tokens_are_those_of_the_text(file, monkeypatch, given):
    """A word that is not in the vocabulary counts with its own letters."""
    train, held_out = "one two one two one two\n" * 9, "one three two, extraordinary\n"
    split = {"valid": file(held_out, "valid.txt")} if given else {"holdout": 5.5 / (9 * 7 + 6)}
    options = CorpusOptions(level="word", min_count=1, **split)
    path = file(train if given else train + held_out)
    found = load_corpus(path, options)
    assert found.vocabulary.decode(found.held_out) == "one<UNK> two<UNK><UNK>\n"
    assert found.evaluated_characters == len(held_out)
    unknown = [len(word) + 1 for word in (" three", ",", " extraordinary")]  # and the end of each
    assert found.evaluated_unknown_bytes.tolist() == [0, unknown[0], 0, *unknown[1:], 0]
    assert found.evaluated_unknown_share == 3 / 6
    monkeypatch.setattr("charlm.text.corpus.EVALUATED_TOKENS", 2)
    found = load_corpus(path, options)
    assert len(found.evaluated) == 2
    assert found.evaluated_characters == len("one three")
    assert found.evaluated_unknown_bytes.tolist() == [0, unknown[0]]
    assert found.evaluated_on(1).evaluated_unknown_bytes.tolist() == [0]


@pytest.mark.parametrize(("level", "expected"), [("char", [2, 1, 3]), ("subword", [2, 1, 3]), ("byte", [1] * 6)])
def test_an_unknown_character_is_spelled_by_its_bytes(file, level, expected):
    options = CorpusOptions(level=level, valid=file("ab é ab\nz ab…\n", "valid.txt"))
    found = load_corpus(file("ab ab ab\nab ab\n" * 9), options)
    assert found.evaluated_unknown_bytes[found.held_out == UNKNOWN].tolist() == expected
    assert not found.evaluated_unknown_bytes[found.held_out != UNKNOWN].any()


# Windows


def rows_of(batches):
    """For each row, the inputs and the targets of the steps with a target, over all windows."""
    inputs, targets = (np.concatenate([getattr(batch, name) for batch in batches]) for name in ("inputs", "targets"))
    assert np.all(inputs[targets < 0] == EOS)  # the padding is an id that every vocabulary has
    return [
        (inputs[inside, row].tolist(), targets[inside, row].tolist()) for row, inside in enumerate((targets >= 0).T)
    ]


def check_shapes(batches, steps, rows):
    for batch in batches:
        assert batch.inputs.shape == batch.targets.shape
        assert batch.inputs.shape[1] == rows
        assert batch.inputs.dtype == batch.targets.dtype == np.int32
    assert all(len(batch.inputs) == steps for batch in batches[:-1])
    assert 0 < len(batches[-1].inputs) <= steps
    assert [batch.fresh for batch in batches] == [True] + [False] * (len(batches) - 1)


sizes = st.integers(1, 7)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.data(), sizes, st.integers(0, 2))
def test_windows_show_each_token_once_after_the_one_before_it(tokens, data, steps, spare):
    tokens = np.array(tokens, np.uint8)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(tokens)), min_size=2, max_size=6)))
    if cuts[0] == cuts[-1]:
        cuts = [0, len(tokens)]
    begin, end = np.array(cuts[:-1]), np.array(cuts[1:])
    rows = len(begin) + spare
    batches = list(windows(tokens, begin, end, steps, rows))
    check_shapes(batches, steps, rows)
    assert len(batches) == -(-(end - begin).max() // steps)
    before = [EOS, *tokens.tolist()]
    expected = [(before[a:b], tokens[a:b].tolist()) for a, b in zip(begin, end, strict=True)]
    assert rows_of(batches) == expected + [([], [])] * spare


@given(st.integers(1, 80), sizes, sizes, st.integers(0, 9))
def test_stream_windows_read_the_text_in_parallel_streams(length, rows, steps, seed):
    """From a random position to the end of the text, and then from its beginning to that position."""
    tokens = np.arange(2, length + 2, dtype=np.uint16)  # each token tells its position
    batches = list(stream_windows(tokens, rows, steps, np.random.default_rng(seed)))
    check_shapes(batches, steps, rows)
    streams = rows_of(batches)
    shift = streams[0][1][0] - 2
    assert [target for _, targets in streams for target in targets] == np.roll(tokens, -shift).tolist()
    assert [number for inputs, _ in streams for number in inputs] == np.roll([EOS, *tokens[:-1]], -shift).tolist()
    lengths = [len(targets) for _, targets in streams]
    assert all(one >= other for one, other in pairwise(lengths))
    assert lengths[0] == -(-length // rows)


def test_each_epoch_of_a_stream_begins_elsewhere():
    tokens, random = np.arange(2, 102, dtype=np.uint16), np.random.default_rng(1)
    firsts = {next(stream_windows(tokens, 4, 5, random)).targets[0, 0] for _ in range(200)}
    assert len(firsts) > 60


@given(st.lists(st.integers(1, 12), min_size=1, max_size=90), sizes, sizes, st.integers(0, 9))
@example([1] * 70, 1, 1, 0)
def test_line_windows_show_each_line_once_from_its_beginning(lengths, rows, steps, seed):
    names = iter(range(2, 2000))
    lines = [[*(next(names) for _ in range(length)), EOS] for length in lengths]
    batches = list(line_windows(np.concatenate(lines).astype(np.uint16), rows, steps, np.random.default_rng(seed)))
    fresh = [number for number, batch in enumerate(batches) if batch.fresh]
    assert fresh[0] == 0
    found = []
    for start, end in pairwise([*fresh, len(batches)]):
        check_shapes(batches[start:end], steps, rows)
        for inputs, targets in rows_of(batches[start:end]):
            if targets:
                found.append(targets)
                assert inputs == [EOS, *targets[:-1]]
    assert sorted(found) == sorted(lines)
    assert len(fresh) == -(-len(lines) // rows)


def test_lines_are_shuffled():
    tokens = np.array([token for name in range(2, 102) for token in (name, EOS)], np.uint8)

    def order(seed):
        return [batch.targets[0].tolist() for batch in line_windows(tokens, 5, 4, np.random.default_rng(seed))]

    assert order(1) == order(1) != order(2)
    assert order(1) != sorted(order(1))


def test_a_batch_has_lines_of_similar_length():
    """So a window has little padding."""
    random = np.random.default_rng(1)
    tokens = np.concatenate([[2] * length + [EOS] for length in random.integers(1, 40, 640)]).astype(np.uint8)
    filled = np.concatenate([batch.targets.ravel() >= 0 for batch in line_windows(tokens, 20, 40, random)])
    assert filled.mean() > 0.9


def test_files_that_cannot_be_opened_are_named(tmp_path):
    path = tmp_path / ("x" * 300)
    with pytest.raises(CorpusError, match=f"cannot read .*: {os.strerror(errno.ENAMETOOLONG)}"):
        list(read_text([path], "char"))


@pytest.mark.parametrize(
    "change",
    [lambda file: file.write(b"more\n"), lambda file: file.truncate(1), lambda file: os.utime(file.name, (1, 1))],
)
def test_a_file_that_changes_while_it_is_read_is_noticed(file, change):
    path = file(b"a line\n" * 10)
    with in_pieces_of(20), pytest.raises(CorpusError, match="changed while charlm read it"):
        for number, _ in enumerate(read_text([path], "char")):
            if number == 1:
                with open(path, "ab") as other:
                    change(other)


def test_the_name_of_a_file_is_the_same_in_every_locale(tmp_path):
    path = tmp_path / "t\udce9xt.txt"
    path.write_text("ab\n" * 9)
    assert name_of(path).endswith("t\udce9xt.txt") and name_of(tmp_path / "é").endswith("é")


@pytest.mark.filterwarnings("ignore")
@given(
    st.binary(max_size=60),
    st.sampled_from(
        ["utf-8", "utf-16", "utf-16-le", "utf-32", "utf-7", "latin-1", "cp1252", "shift_jis", "gb18030", "idna"]
    ),
    st.sampled_from([1, 2, 3, BIG]),
)
def test_bytes_are_text_or_an_error_of_one_line(tmp_path_factory, data, encoding, size):
    path = tmp_path_factory.mktemp("bytes") / "text.txt"
    path.write_bytes(data)
    with in_pieces_of(size):
        try:
            text = "".join(read_text([path], "char", encoding))
        except CorpusError as error:
            assert "\n" not in str(error) and "text.txt" in str(error)
        else:
            text.encode()  # no halves of characters
            assert text.endswith("\n") or not text
