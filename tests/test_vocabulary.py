"""Text to ids and back: only symbols outside the vocabulary are lost, and no text is mistaken for a special token."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charlm.errors import UsageError
from charlm.text.vocabulary import (
    EOS,
    UNKNOWN,
    SymbolCounter,
    Vocabulary,
    as_bytes,
    smallest_type,
    symbols_in,
    unknown_rate,
)

LEVELS = ("char", "word", "byte")  # test_subwords.py has the fourth
levels = st.sampled_from(LEVELS)
fragments = ["the", "The", " ", "  ", "\n", "\t", "don't", "it’s", ",", "...", "é", "日本", "_", "1.5", "\r", "😀"]
texts = st.text() | st.lists(st.sampled_from(fragments)).map("".join)
any_texts = texts | st.text(st.characters(exclude_categories=()))  # lone surrogates too


def vocabulary_of(text, level, **limits):
    """The vocabulary that training on ``text`` would build."""
    symbols = symbols_in(text, level)
    return Vocabulary.build(level, {symbol: symbols.count(symbol) for symbol in symbols}, **limits)


@given(texts, levels)
def test_a_text_of_known_symbols_comes_back(text, level):
    vocabulary = vocabulary_of(text, level)
    ids = vocabulary.encode(text)
    assert vocabulary.decode(ids) == text
    assert len(ids) == len(symbols_in(text, level))
    assert not np.any(ids == UNKNOWN)


@given(texts, texts, levels)
def test_only_symbols_outside_the_vocabulary_become_unknown(known, text, level):
    vocabulary = vocabulary_of(known, level)
    held = set(vocabulary.symbols) | {"\n", 10}
    symbols = symbols_in(text, level)
    ids = vocabulary.encode(text)
    assert [number == UNKNOWN for number in ids] == [symbol not in held for symbol in symbols]
    if level == "byte":
        expected = b"".join(bytes([s]) if s in held else b"<UNK>" for s in symbols).decode("utf-8", "surrogateescape")
    else:
        expected = "".join(s if s in held else "<UNK>" for s in symbols)
    assert vocabulary.decode(ids) == expected
    assert vocabulary.unknown_in(text) == list(dict.fromkeys(symbol for symbol in symbols if symbol not in held))


@given(any_texts, any_texts, levels)
@example("a", "\ud800", "byte")
@example("a", "\udcff", "byte")
@example("\udcff", "\udcff\U0010ffff", "char")
def test_every_text_can_be_encoded(known, text, level):
    vocabulary = vocabulary_of("".join(c for c in known if not "\ud800" <= c <= "\udfff"), level)
    ids = vocabulary.encode(text)
    assert np.all(ids < len(vocabulary))
    assert isinstance(vocabulary.decode(ids), str)


@given(st.binary())
@example(bytes(range(256)))
def test_any_bytes_come_back(data):
    for given_as in (data, data.decode("utf-8", "surrogateescape")):
        vocabulary = vocabulary_of(given_as, "byte")
        ids = vocabulary.encode(given_as)
        assert len(ids) == len(data)
        assert as_bytes(vocabulary.decode(ids)) == data


@pytest.mark.parametrize("level", LEVELS)
def test_the_names_of_the_tokens_are_text(level):
    text = "<EOS> and <UNK>\n"
    vocabulary = vocabulary_of(text, level)
    ids = vocabulary.encode(text)
    assert np.flatnonzero(ids == EOS).tolist() == [len(ids) - 1]
    assert not np.any(ids == UNKNOWN)
    assert vocabulary.decode(ids) == text
    strangers = Vocabulary(level, [120 if level == "byte" else "x"])
    assert np.all(strangers.encode("<UNK>") == UNKNOWN)
    assert not np.any(strangers.encode("<EOS>") == EOS)


@pytest.mark.parametrize("level", LEVELS)
def test_the_line_feed_is_the_end_of_a_line_in_every_vocabulary(level):
    assert Vocabulary(level, ()).encode("\n\n").tolist() == [EOS, EOS]
    assert Vocabulary(level, ()).decode([EOS, UNKNOWN]) == "\n<UNK>"


@pytest.mark.parametrize(
    ("limits", "symbols"),
    [
        ({}, "bacdé"),  # by frequency, then by symbol
        ({"min_count": 2}, "bac"),
        ({"min_count": 3}, "b"),
        ({"min_count": 4}, ""),
        ({"max_vocabulary": 4}, "ba"),
        ({"max_vocabulary": 3}, "b"),
        ({"max_vocabulary": 2}, ""),
        ({"max_vocabulary": 100}, "bacdé"),
        ({"min_count": 2, "max_vocabulary": 6}, "bac"),
    ],
)
def test_which_symbols_are_kept_and_in_which_order(limits, symbols):
    counts = {"é": 1, "d": 1, "\n": 9, "c": 2, "a": 2, "b": 3}
    vocabulary = Vocabulary.build("char", counts, **limits)
    assert "".join(vocabulary.symbols) == symbols
    assert len(vocabulary) == len(symbols) + 2
    ids = [symbols.index(symbol) + 2 if symbol in symbols else UNKNOWN for symbol in "ba"]
    assert vocabulary.encode("ba\n").tolist() == [*ids, EOS]


def test_bytes_are_ordered_as_numbers():
    assert Vocabulary.build("byte", {200: 1, 9: 1, 10: 5, 100: 1, 65: 2}).symbols == (65, 9, 100, 200)


def test_one_hot_is_one_at_the_id():
    vocabulary = Vocabulary("char", "abc")
    ids = vocabulary.encode("cab?\na")
    vectors = vocabulary.one_hot(ids.reshape(2, 3))
    assert vectors.shape == (2, 3, 5)
    assert vectors.dtype == np.float32
    assert vectors.argmax(-1).ravel().tolist() == ids.tolist()
    assert np.array_equal(np.sort(vectors, axis=-1), np.tile(np.float32([0, 0, 0, 0, 1]), (2, 3, 1)))


@pytest.mark.parametrize(
    ("size", "type_"),
    [
        (3, np.uint8),
        (256, np.uint8),
        (257, np.uint16),
        (65536, np.uint16),
        (65537, np.uint32),
    ],
)
def test_ids_have_the_smallest_type_that_holds_them(size, type_):
    vocabulary = Vocabulary("char", map(chr, [*range(11, 0xD800), *range(0xE000, 0x110000)][: size - 2]))
    ids = vocabulary.encode(vocabulary.symbols[-1] + "\n\0\U0010ffff")
    assert smallest_type(size) is type_
    assert ids.dtype == vocabulary.dtype == type_
    assert ids.tolist() == [size - 1, EOS, UNKNOWN, UNKNOWN]


@given(st.lists(texts), levels, st.integers(1, 3), st.none() | st.integers(3, 8))
def test_the_ids_of_counted_symbols_are_the_encoding(pieces, level, min_count, max_vocabulary):
    counter = SymbolCounter(level)
    numbers = np.concatenate([np.zeros(0, int), *[counter.number(piece) for piece in pieces]]).astype(int)
    symbols = [symbol for piece in pieces for symbol in symbols_in(piece, level)]
    assert [counter.symbols[number] for number in numbers] == symbols
    vocabulary = Vocabulary.build(level, {s: symbols.count(s) for s in symbols}, min_count, max_vocabulary)
    encoded = np.concatenate([np.zeros(0, int), *[vocabulary.encode(piece) for piece in pieces]])
    assert counter.ids(vocabulary)[numbers].tolist() == encoded.tolist()


def test_a_counter_takes_a_wider_type_when_it_must():
    counter = SymbolCounter("char")
    assert counter.number("abc").dtype == np.uint8
    many = "".join(map(chr, range(100, 500)))
    numbers = counter.number(many)
    assert numbers.dtype == np.uint16
    assert "".join(counter.symbols[number] for number in numbers) == many


@given(any_texts)
def test_the_words_of_a_text_joined_are_the_text(text):
    pieces = symbols_in(text, "word")
    assert "".join(pieces) == text
    assert all(pieces)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("the cat sat", ["the", " cat", " sat"]),
        ("don't stop, now!\n", ["don't", " stop", ",", " now", "!", "\n"]),
        ("a (b) – c", ["a", " (", "b", ")", " –", " c"]),
        ("it’s 3.5", ["it’s", " 3", ".", "5"]),
        ("a  b   c ", ["a", " ", " b", "  ", " c", " "]),
        ("\t(x) \n\n", ["\t", "(", "x", ")", " ", "\n", "\n"]),
        ("über naïve 日本", ["über", " naïve", " 日本"]),
    ],
)
def test_the_words_of_a_text(text, words):
    assert symbols_in(text, "word") == words


@pytest.mark.parametrize(
    ("counts", "has_unknown", "rate"),
    [
        ([1, 1, 3], False, 3 / 7),
        ([5, 5], False, 1 / 12),  # no symbol occurs just once, yet the rate is not 0
        ([1], False, 2 / 3),
        ([1, 1, 3], True, 0.0),
    ],
)
def test_the_rate_of_the_unknown(counts, has_unknown, rate):
    assert unknown_rate(np.array(counts), has_unknown) == pytest.approx(rate)


def test_equal_vocabularies_are_equal():
    assert Vocabulary("char", "ab") == Vocabulary("char", ["a", "b"])
    assert hash(Vocabulary("char", "ab")) == hash(Vocabulary("char", ["a", "b"]))
    assert Vocabulary("char", "ab") != Vocabulary("char", "ba")
    assert Vocabulary("char", "ab") != Vocabulary("word", "ab")
    assert Vocabulary("char", "ab") != "ab"


def test_a_vocabulary_that_is_not_possible_is_an_error():
    with pytest.raises(UsageError, match="letters.*char, subword, word, token, byte"):
        Vocabulary("letters", "ab")
    with pytest.raises(ValueError, match="distinct"):
        Vocabulary("char", "aba")
