"""Subwords: what a text is cut into, which merges it gives, and that nothing of the text is lost.

Two oracles judge them: merges are learnt by counting all pairs again after each merge, and a piece is segmented by one
merge after the other.
"""

import subprocess
import sys
from collections import Counter
from itertools import chain, pairwise
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from test_scoring import model_of

import charlm
from charlm.text import corpus, merges, reading, subwords
from charlm.text.corpus import CorpusOptions, load_corpus
from charlm.text.merges import chosen_size, evenly_spread, with_merges
from charlm.text.subwords import LONGEST
from charlm.text.vocabulary import EOS, SPECIAL, UNKNOWN, Vocabulary, code_points, symbols_in, text_of

FRAGMENTS = ["the", "then", " the", " he", "aaa", "abab", " ", "   ", "\n", "don't", "12", "...", "é", "日本日", "\t"]
texts = st.lists(st.sampled_from(FRAGMENTS)).map("".join) | st.text()
small_texts = st.text(st.sampled_from("aab \n"), max_size=60)


def characters_of(text):
    """The vocabulary of the characters of a text."""
    return Vocabulary.build("char", Counter(text))


def learnt(text, size=40):
    return with_merges(characters_of(text), text, size)


def pieces_of(text):
    return list(chain.from_iterable(subwords.pieces_of(text)))


def merged(tokens, pair, new):
    """The tokens with every pair replaced, from left to right."""
    found, at = [], 0
    while at < len(tokens):
        is_pair = tuple(tokens[at : at + 2]) == pair
        found.append(new if is_pair else tokens[at])
        at += 2 if is_pair else 1
    return found


def oracle_of_merges(characters, text, size):
    names, found = [*SPECIAL, *characters.symbols], []
    pieces = [characters.encode(piece).tolist() for piece in pieces_of(text)]
    while len(names) < size:
        counts = Counter(pair for piece in pieces for pair in pairwise(piece) if min(pair) > UNKNOWN)
        if max(counts.values(), default=0) < 2:
            break
        pair = min(counts, key=lambda pair: (-counts[pair], pair))
        pieces = [merged(piece, pair, len(names)) for piece in pieces]
        names.append(names[pair[0]] + names[pair[1]])
        found.append(pair)
    return tuple(found)


def oracle_of_ids(vocabulary, text):
    characters = Vocabulary("char", vocabulary.symbols[: len(vocabulary.symbols) - len(vocabulary.merges)])
    found = []
    for piece in pieces_of(text):
        tokens = characters.encode(piece).tolist()
        for new, pair in enumerate(vocabulary.merges, len(characters)):
            tokens = merged(tokens, pair, new)
        found += tokens
    return found


@given(texts)
def test_the_pieces_of_a_text_joined_are_the_text(text):
    pieces = pieces_of(text)
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= LONGEST + 1 for piece in pieces)
    assert all(piece == "\n" or "\n" not in piece for piece in pieces)


@given(st.text(st.sampled_from("a1. \t"), min_size=30, max_size=200) | texts, st.integers(40, 90))
@example(" " * 33 + "x" + " " * 32 + "x", 40)
def test_the_pieces_of_a_long_text_are_found_part_by_part(text, size):
    whole = pieces_of(text)
    with mock.patch.object(subwords, "AT_ONCE", size):
        assert pieces_of(text) == whole


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("the cat sat", ["the", " cat", " sat"]),
        ("don't stop, now!\n", ["don", "'", "t", " stop", ",", " now", "!", "\n"]),
        ("    return self._ids[12]\n", ["   ", " return", " self", "._", "ids", "[", "12", "]", "\n"]),
        ("\ta  \n\n", ["\t", "a", "  ", "\n", "\n"]),
        ("हिन्दी में", ["हिन्दी", " में"]),  # vowel signs are no symbols
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),
        ("红楼梦,曹雪芹。", ["红楼梦", ",", "曹雪芹", "。"]),
        ("a" * 70, ["a" * 32, "a" * 32, "a" * 6]),
        ("\t\t x  y", ["\t\t", " x", " ", " y"]),
        ("1½ × 2", ["1", "½", " ×", " 2"]),
    ],
)
def test_the_pieces_of_a_text(text, pieces):
    assert pieces_of(text) == pieces


@pytest.mark.uncompiled
@given(small_texts | texts, st.integers(3, 30))
@example("aaa aaaa aa\naaaaa\n", 12)
@example("abcabc abc bcbc abcbc\n" * 3, 30)
def test_the_merges_of_a_text(text, size):
    characters = characters_of(text)
    vocabulary = with_merges(characters, text, size)
    assert vocabulary.merges == oracle_of_merges(characters, text, size)
    assert len(vocabulary) <= max(size, len(characters))
    assert vocabulary.symbols[: len(characters) - 2] == characters.symbols
    assert len(set(vocabulary.symbols)) == len(vocabulary.symbols)


@given(texts, texts, st.integers(3, 60))
@example("aaaaaaa", "aaaaaa aaa a", 5)
@example("the then", "the\x00n the?", 20)
def test_a_text_is_segmented_by_one_merge_after_the_other(known, text, size):
    vocabulary = learnt(known, size)
    ids = vocabulary.encode(text)
    assert ids.tolist() == oracle_of_ids(vocabulary, text)
    assert ids.dtype == vocabulary.dtype


@given(texts, texts)
def test_only_characters_outside_the_vocabulary_are_lost(known, text):
    vocabulary = learnt(known)
    assert vocabulary.decode(vocabulary.encode(known)) == known
    held = set(vocabulary.symbols) | {"\n"}
    assert vocabulary.decode(vocabulary.encode(text)) == "".join(c if c in held else "<UNK>" for c in text)
    assert vocabulary.unknown_in(text) == list(dict.fromkeys(c for c in text if c not in held))
    assert "".join(vocabulary.split(text)) == text
    assert len(vocabulary.split(text)) == len(vocabulary.encode(text))


@given(texts, texts)
def test_a_text_can_be_cut_at_line_ends(first, second):
    vocabulary = learnt(first + second)
    together = vocabulary.encode(f"{first}\n{second}").tolist()
    assert together == [*vocabulary.encode(f"{first}\n"), *vocabulary.encode(second)]
    assert together.count(EOS) == first.count("\n") + second.count("\n") + 1


def test_every_text_can_be_encoded():
    vocabulary = learnt("ab ab\n")
    assert vocabulary.encode("a\ud800b\U0010ffff").tolist() == [*vocabulary.encode("a"), 1, *vocabulary.encode("b"), 1]
    assert vocabulary.encode("").tolist() == []
    assert Vocabulary("subword", ()).encode("a\n").tolist() == [UNKNOWN, EOS]


def test_a_short_text_becomes_subwords_without_numba():
    words = (
        "import sys; from charlm.text.vocabulary import Vocabulary\n"
        "assert Vocabulary('subword', ['a', 'b', 'ab'], [(2, 3)]).encode('aab').tolist() == [2, 4]\n"
        "assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", words], check=True)


@pytest.mark.parametrize(
    ("symbols", "pairs"),
    [
        (["a", "b", "ab"], [(2, 4)]),  # not of symbols before it
        (["a", "b", "ab"], [(2, 1)]),
        (["a", "b", "ab"], [(0, 3)]),
        (["a", "b", "ba"], [(2, 3)]),
        (["a", "b", "abb"], [(2, 3)]),
        (["a", "b", "ab", "ab"], [(2, 3), (2, 3)]),
        (["ab"], [(2, 3), (2, 3)]),
    ],
)
def test_merges_that_are_not_possible_are_an_error(symbols, pairs):
    with pytest.raises(ValueError, match=r"symbol|merges"):
        Vocabulary("subword", symbols, pairs)


def test_equal_vocabularies_have_equal_merges():
    names = ["a", "b", "c", "ab", "bc", "abc"]
    one, other = (Vocabulary("subword", names, [(2, 3), (3, 4), last]) for last in ((5, 4), (2, 6)))
    assert one != other
    assert one == Vocabulary(**one.fields())
    assert hash(one) == hash(Vocabulary(**one.fields()))


@given(st.text(max_size=200), st.integers(1, 7), st.integers(1, 50))
def test_the_part_of_a_text_that_merges_are_learnt_from_depends_on_the_text_alone(text, size, most):
    points = code_points(text)
    with mock.patch.object(merges, "LEARNT_FROM", most), mock.patch.object(merges, "STRETCH", 8):
        whole = "".join(map(text_of, evenly_spread([points], len(points))))
        cut = (points[start : start + size] for start in range(0, len(points), size))
        assert "".join(map(text_of, evenly_spread(cut, len(points)))) == whole
    if len(text) <= most:
        assert whole == text
    else:
        assert len(whole) <= most * 8 / len(text) * -(-len(text) // 8) + len(text) / 8 + 8
        assert not Counter(whole) - Counter(text + "\n" * 100)


def test_longer_texts_get_more_symbols():
    sizes = [chosen_size(characters, 64) for characters in (1, 10**5, 1_003_854, 2_882_945, 10**7, 10**9)]
    assert sizes == [256, 256, 512, 1024, 2048, 2048]
    assert chosen_size(10**6, 5000) == 5258  # a large alphabet leaves room for merges too


def test_words_of_a_text_have_the_figures_of_their_subwords():
    symbols = [*"abc d", " a", "bc", " abc"]
    model = model_of(symbols=symbols, level="subword", merges=[(5, 2), (3, 4), (7, 8)])
    text = "abc abc  abcd é\n\n dab \n"
    words, tokens = (charlm.rows(model, text, by) for by in ("word", "token"))
    assert words["word"].tolist() == ["abc", "abc", "abcd", "é", "\n", "\n", "dab", "\n"]
    assert words["tokens"].tolist() == [2, 1, 3, 2, 1, 1, 4, 2]
    assert words["unknown_tokens"].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
    assert tokens["token"][:6].tolist() == ["a", "bc", " abc", " ", " abc", "d"]
    assert words["nats"].sum() == pytest.approx(-tokens["log_probability"].sum())
    assert words["nats"].sum() == pytest.approx(charlm.perplexity(model, text).nats)


# In a corpus


@pytest.fixture
def file(tmp_path, tiny_text):
    path = tmp_path / "text.txt"
    path.write_text(tiny_text.replace("egg", "égg"), encoding="utf-8")
    return path


@pytest.mark.parametrize("lines", [False, True])
def test_the_split_is_that_of_characters(file, lines):
    by_character, by_subword = (
        load_corpus(file, CorpusOptions(level=level, lines=lines)) for level in ("char", "subword")
    )
    for part in ("train", "held_out"):
        text = by_character.vocabulary.decode(getattr(by_character, part))
        ids = getattr(by_subword, part)
        assert by_subword.vocabulary.decode(ids) == text
        assert by_subword.vocabulary.encode(text).tolist() == ids.tolist()
    vocabulary = by_subword.vocabulary
    text = by_character.vocabulary.decode(by_character.train)
    assert vocabulary == with_merges(by_character.vocabulary, text, 256)
    assert len(by_subword.train) < len(text) / 2
    assert by_subword.evaluated_characters == by_character.evaluated_characters == len(by_character.held_out)
    assert by_subword.frequencies.tolist() == np.bincount(by_subword.train, minlength=len(vocabulary)).tolist()
    assert (by_subword.digest, by_subword.size) == (by_character.digest, by_character.size)
    assert by_subword.novelty.as_dict() == by_character.novelty.as_dict()
    assert by_subword.novelty.bits.tobytes() == by_character.novelty.bits.tobytes()


def test_the_pieces_in_which_a_text_is_read_change_nothing(file):
    found = []
    for size in (7, reading.PIECE):
        with mock.patch.object(reading, "PIECE", size), mock.patch.object(corpus, "PIECE", size):
            read = load_corpus(file, CorpusOptions(level="subword", lines=False))
        found.append((read.vocabulary, read.train.tolist(), read.held_out.tolist(), read.evaluated_lengths.tolist()))
    assert found[0] == found[1]


def test_the_held_out_part_gives_no_symbols(file, tmp_path):
    held_out = tmp_path / "held-out.txt"
    held_out.write_text("xyzxyzxyz abba\n" * 9, encoding="utf-8")
    alone = load_corpus(file, CorpusOptions(level="subword", lines=True, holdout=0))
    both = load_corpus(file, CorpusOptions(level="subword", lines=True, valid=held_out))
    assert both.vocabulary == alone.vocabulary
    assert np.count_nonzero(both.held_out == UNKNOWN) == 81
    assert both.evaluated_characters == 9 * len("xyzxyzxyz abba\n")


def test_limits_of_the_vocabulary(file):
    def symbols(**limits):
        return load_corpus(file, CorpusOptions(level="subword", lines=True, holdout=0, **limits)).vocabulary

    text = file.read_text(encoding="utf-8")
    letters = len(set(text)) - 1
    assert len(symbols(max_vocabulary=30)) == 30
    assert symbols(max_vocabulary=4).merges == ()
    assert symbols(max_vocabulary=30).symbols == symbols(max_vocabulary=10**12).symbols[:28]
    rare = symbols(min_count=30)
    assert "é" not in rare.symbols and "e" in rare.symbols
    assert len(symbols(min_count=1).symbols) - len(symbols(min_count=1).merges) == letters


def test_the_rate_of_the_unknown_is_that_of_characters_at_fewer_targets(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the then the then the then q\n", encoding="utf-8")
    read = load_corpus(path, CorpusOptions(level="subword", lines=False, holdout=0))
    assert read.vocabulary.split("the then") == ["the", " then"]
    assert read.unknown_rate == pytest.approx((2 + 1) / (len(read.train) + 2))  # q and the line end occur once
    some = load_corpus(path, CorpusOptions(level="subword", lines=False, holdout=0, min_count=2))
    assert some.unknown_rate == 0
    assert some.frequencies[UNKNOWN] == 1


def test_symbols_of_a_text_are_its_characters():
    assert symbols_in("ab\n", "subword") == ["a", "b", "\n"]
