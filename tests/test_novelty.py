"""Copies of the training text are always found; new text is taken for a copy as rarely as the filters say."""

import hashlib
import itertools
import os
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import charlm
from charlm.learning.autotune import new_trainer
from charlm.text.bloom import Bloom
from charlm.text.corpus import CorpusOptions, load_corpus
from charlm.text.novelty import (
    BASE,
    LINE_BITS,
    RUN,
    SEGMENT,
    ExactNovelty,
    Novelty,
    Trail,
    _count,
    _cuts,
    _Squeezer,
    check_fields,
    from_fields,
)
from charlm.text.reading import read_text
from charlm.text.vocabulary import as_bytes, code_points


def points(text):
    return np.frombuffer(text, np.uint8) if isinstance(text, bytes) else code_points(text)


def novelty_of(text, **options):
    return Novelty.of_text(lambda: [points(text)], isinstance(text, bytes), **options)


def longest_shared(text, corpus):
    """The length of the longest run of ``text`` that ``corpus`` holds, by trying every run."""
    return max(
        (end - begin for begin in range(len(text)) for end in range(begin, len(text) + 1) if text[begin:end] in corpus),
        default=0,
    )


def squeezed_text(text):
    """The characters that count: of white space, and of one repeated symbol, two in a row."""
    return re.sub(r"(\s\s)\s+|((.)\3)\3+", r"\1\2", text)


class ExactFilter:
    """A filter without mistakes."""

    def __init__(self):
        self.members = set()

    def add(self, members):
        self.members.update(members.tolist())

    def contains(self, members):
        return np.array([member in self.members for member in members.tolist()], bool)


def winnowed(text, window, run=RUN, separate=False, pieces=None):
    novelty = Novelty(isinstance(text, bytes), ExactFilter(), ExactFilter(), window, run)
    novelty._add(pieces or [points(text)], separate)
    return novelty


def texts_of(letters, most):
    """Texts of every length up to ``most``; st.text alone makes short ones."""
    return st.integers(0, most).flatmap(lambda size: st.text(letters, min_size=size, max_size=size))


texts = texts_of("ab\né", 120)


@st.composite
def copies(draw):
    """A text, and another that holds some of it."""
    text = draw(texts)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=2)))
    return text, draw(st.text("abc", max_size=12)) + text[slice(*cuts)] + draw(st.text("abc", max_size=12))


# Filters


@pytest.mark.parametrize("bits", [4, 8, 14])
@pytest.mark.parametrize("members", [1, 2, 3, 10, 100, 5000])
def test_a_filter_knows_its_members_and_its_rate(members, bits):
    random = np.random.default_rng(members)
    stated, measured = [], []
    for _ in range(20):
        filter = Bloom.of_size(-(-members * bits // 8), members)
        inside = random.integers(0, 1 << 64, members, np.uint64)
        assert not filter.contains(inside).any() and filter.false_positive_rate == 0
        filter.add(inside[: members // 2])
        filter.add(inside[members // 2 :])
        assert filter.contains(inside).all()
        stated.append(filter.false_positive_rate)
        measured.append(filter.contains(random.integers(0, 1 << 64, 20_000, np.uint64)).mean())
    assert np.mean(measured) == pytest.approx(np.mean(stated), rel=0.15)
    assert np.mean(stated) < {4: 0.25, 8: 0.06, 14: 0.004}[bits]


def test_a_filter_of_no_size_holds_nothing():
    filter = Bloom.of_size(0, 0)
    filter.add(np.arange(5, dtype=np.uint64))
    assert not filter.contains(np.arange(5, dtype=np.uint64)).any()
    assert filter.false_positive_rate == 0


def test_bits_that_meet_in_one_byte_are_all_set():
    """Members of one batch that fall into one byte must not overwrite each other."""
    filter = Bloom(np.zeros(1, np.uint8), 1)
    filter.add(np.arange(8, dtype=np.uint64) << 61)
    assert filter.bits[0] == 255


# Hashes


def stirred(x):
    mask = (1 << 64) - 1
    x ^= x >> 32
    x = x * 0xD6E8FEB86659FD93 & mask
    x ^= x >> 29
    x = x * 0xA24BAED4963EE407 & mask
    return x ^ x >> 32


def hash_of(text):
    """The hash in integers of any size, one character at a time."""
    mask, total = (1 << 64) - 1, 0
    for position, point in enumerate(points(text).tolist()):
        mixed = (point + 1) * 0xC2B2AE3D27D4EB4F & mask
        total += (mixed ^ mixed >> 31) * pow(BASE, position, 1 << 64)
    return stirred(total & mask)


@given(texts, st.integers(1, 9), st.integers(2, 6), st.booleans())
def test_the_hashes_are_those_of_integers_of_any_size(text, window, run, separate):
    novelty = winnowed(text, window, run, separate)
    span = run + window - 1
    assert novelty.lines.members == {hash_of(line) for line in text.split("\n")[:-1]}
    spans = [text[i : i + span] for i in range(len(text) - span + 1)]
    assert novelty.runs.members == {
        min(hash_of(part[i : i + run]) for i in range(window)) for part in spans if not (separate and "\n" in part)
    }


@given(texts, st.lists(st.integers(1, 60), min_size=1, max_size=9), st.integers(1, 9), st.booleans())
def test_the_pieces_of_a_text_do_not_matter(text, lengths, window, separate):
    pieces, rest = [], text
    while rest:
        length = lengths[len(pieces) % len(lengths)]
        pieces.append(points(rest[:length]))
        rest = rest[length:]
    whole = winnowed(text, window, separate=separate)
    parts = winnowed(text, window, separate=separate, pieces=pieces or [points("")])
    assert parts.lines.members == whole.lines.members
    assert parts.runs.members == whole.runs.members
    one, many = novelty_of(text, separate=separate, cap=64), Novelty.of_text(lambda: pieces, False, separate, cap=64)
    assert one.as_dict() == many.as_dict()
    assert one.bits.tobytes() == many.bits.tobytes()


@given(texts_of("abcdefghijklmnopqrs\n", 200), st.integers(1, 40))
def test_lines_and_runs_are_counted(text, length):
    pieces = [points(text[start : start + length]) for start in range(0, len(text), length)]
    lines = text.split("\n")
    said = [squeezed_text(line) for line in lines]
    assert _count(pieces, True) == (len(lines) - 1, sum(max(0, len(line) - RUN + 1) for line in said), len(text))
    assert _count(pieces, False) == (len(lines) - 1, max(0, len(squeezed_text(text)) - RUN + 1), len(text))


def test_bits_mean_tomorrow_what_they_mean_today():
    """A file is read by later versions: whoever changes the hashes must give the file a new format."""
    text = "".join(f"{number} and {number * number} again\n" for number in range(500))
    novelty = novelty_of(text, cap=3000)
    assert novelty.window > 1
    assert hashlib.sha256(novelty.bits.tobytes()).hexdigest()[:16] == "5b102464516f8fea"

    runs = len(text) - RUN + 1  # of all characters, as until format 4
    window = -(-2 * runs // 2125) - 1
    kept = runs * 2 / (window + 1)
    full = Novelty(False, Bloom.of_size(875, 500), Bloom.of_size(min(-(-int(kept * 8) // 8), 2125), kept), window)
    full._add([points(text)], False)
    assert not full.squeezed
    assert hashlib.sha256(full.bits.tobytes()).hexdigest()[:16] == "75942408d904f9da"


# Lines


@given(texts)
def test_every_line_is_found(text):
    lines = text.split("\n")[:-1]
    novelty = novelty_of(text)
    assert novelty.contains_lines(lines).all()
    assert all(map(novelty.contains_line, lines))
    exact = ExactNovelty([text])
    candidates = [*lines, *(line[1:] for line in lines), *(line + "a" for line in lines), text, text.strip("\n")]
    assert exact.contains_lines(candidates).tolist() == [line in lines for line in candidates]


def test_a_line_without_an_end_is_no_line():
    novelty = novelty_of("a whole line\nhalf a li")
    assert novelty.contains_line("a whole line")
    assert not novelty.contains_line("half a li")
    assert not novelty.contains_line("a whole line\n")


def random_lines(count, seed, length=12):
    """Lines of random letters, no two alike."""
    letters = np.random.default_rng(seed).integers(97, 123, (count, length), np.uint8)
    return sorted({row.tobytes().decode() for row in letters})


def test_new_lines_are_taken_for_known_ones_as_rarely_as_stated():
    novelty = novelty_of("\n".join(random_lines(20_000, 1)) + "\n", separate=True)
    measured = novelty.contains_lines(random_lines(100_000, 2)).mean()
    assert 0.0005 < novelty.line_rate < 0.002
    assert novelty.line_rate / 2 < measured < 2 * novelty.line_rate


# Runs


@given(copies(), st.integers(1, 9))
def test_every_run_of_the_promised_length_is_found(pair, window):
    text, other = pair
    novelty = winnowed(text, window, run=4)
    shared = longest_shared(other, text)
    found = novelty.longest_copied_run(other)
    if shared >= novelty.shortest_run:
        assert found >= shared
    if shared < novelty.run:
        assert found == 0
    assert found == 0 or novelty.shortest_run <= found <= len(other)


@given(copies())
def test_the_text_itself_answers_exactly(pair):
    text, other = pair
    exact = ExactNovelty([text])
    said = squeezed_text(text)
    shared = longest_shared(squeezed_text(other), said)
    assert exact.longest_copied_run(other) == (shared if shared >= exact.shortest_run == RUN else 0)
    runs = exact.copied_runs(other)
    assert max((len(squeezed_text(other[begin:end])) for begin, end in runs), default=0) >= exact.longest_copied_run(
        other
    )
    for begin, end in runs:
        assert 0 <= begin < end <= len(other)


@given(copies())
def test_the_text_itself_answers_exactly_whatever_the_filters_say(pair):
    text, other = pair
    exact = ExactNovelty([text])
    exact.lines.bits[:] = exact.runs.bits[:] = 255
    lines = text.split("\n")[:-1]
    candidates = [*lines, *(line[1:] for line in lines), other, text, text.removesuffix("\n")]
    assert exact.contains_lines(candidates).tolist() == [line in lines for line in candidates]
    shared = longest_shared(squeezed_text(other), squeezed_text(text))
    assert exact.longest_copied_run(other) == (shared if shared >= RUN else 0)


def test_a_planted_copy_is_measured():
    text = "".join(random_lines(3000, 3, 40))
    new = "".join(random_lines(100, 4, 40))
    for length in (RUN, 30, 75):
        planted = new[:200] + text[1234 : 1234 + length] + new[200:400]
        assert ExactNovelty([text]).longest_copied_run(planted) == length
        assert length <= novelty_of(text).longest_copied_run(planted) <= length + 2
    assert ExactNovelty([text]).longest_copied_run(new) == 0


def test_a_text_too_large_for_filters_of_every_run_is_asked_exactly(monkeypatch):
    monkeypatch.setattr("charlm.text.novelty.CAP", 0)
    monkeypatch.setattr("charlm.text.novelty.MOST_BYTES", 40_000)
    text = "".join(random_lines(3000, 3, 40))
    exact = ExactNovelty([text])
    assert exact.window > 1
    for length in (exact.shortest_run - 1, exact.shortest_run, 50):
        planted = "(" + text[777 : 777 + length] + ")"
        assert exact.longest_copied_run(planted) == (length if length >= exact.shortest_run else 0)


@pytest.mark.parametrize("cap", [None, 40_000])
def test_new_runs_are_taken_for_copies_as_rarely_as_stated(cap):
    text = "".join(random_lines(3000, 5, 40))
    novelty = novelty_of(text, **({"cap": cap} if cap else {}))
    assert (novelty.window > 1) == (cap is not None)
    new = random_lines(100_000, 6, novelty.shortest_run)
    measured = (novelty.longest_copied_runs(new) > 0).mean()
    assert 0.005 < novelty.run_rate < 0.04
    assert measured == pytest.approx(novelty.run_rate, rel=0.15)  # lowest hashes are not spread evenly: a third more


@pytest.mark.parametrize("cap", [1000, 10_000, 60_000, 500_000])
def test_the_cap_holds_and_so_does_the_promise(cap):
    text = "".join(line + "\n" for line in random_lines(5000, 7, 60))
    novelty = novelty_of(text, cap=cap)
    assert len(novelty.lines.bits) + len(novelty.runs.bits) <= cap
    assert len(novelty.lines.bits) == min(5000 * LINE_BITS // 8, cap // 2)
    assert (novelty.window == 1) == (cap == 500_000)
    assert novelty.run_rate < 0.04
    assert novelty.contains_lines(text.split("\n")[:-1]).all()
    span = novelty.shortest_run
    said = squeezed_text(text)
    copied = [said[start : start + span] for start in range(0, len(said) - span, 997)]
    assert (novelty.longest_copied_runs(copied) == span).all()


def test_lines_of_their_own_share_no_run():
    text = "abcdefghij\nklmnopqrst\n" * 3
    assert novelty_of(text).longest_copied_run("abcdefghij\nklmnopqrst") == 21
    assert novelty_of(text, separate=True).longest_copied_run("abcdefghij\nklmnopqrst") == 0
    assert not len(novelty_of(text, separate=True).runs.bits)


@given(st.lists(st.one_of(texts, st.binary(max_size=40)), max_size=8), st.sampled_from([1, 3]))
def test_many_texts_give_the_answers_of_each(many, window):
    for corpus in ("ab\naé" * 30 + "\n", as_bytes("ab\naé" * 30 + "\n")):
        novelty = winnowed(corpus, window, run=3)
        assert novelty.contains_lines(iter(many)).tolist() == [novelty.contains_line(text) for text in many]
        assert novelty.longest_copied_runs(iter(many)).tolist() == [novelty.longest_copied_run(text) for text in many]


def test_no_texts_and_empty_texts():
    novelty = novelty_of("some text of one line\n")
    assert novelty.contains_lines([]).tolist() == novelty.longest_copied_runs([]).tolist() == []
    assert novelty.longest_copied_runs(["", "", "some text of one"]).tolist() == [0, 0, 16]
    assert not novelty.contains_line("") and novelty_of("a\n\nb\n").contains_line("")


def test_lookups_beyond_one_array(monkeypatch):
    monkeypatch.setattr("charlm.text.novelty.LOOKED_UP", 50)
    lines = random_lines(40, 8, 20)
    novelty = novelty_of("\n".join(lines[::2]) + "\n")
    assert novelty.contains_lines(lines).tolist() == [True, False] * 20
    assert (novelty.longest_copied_runs(lines)[::2] == 20).all()


# What is said


@given(texts_of(" ab\t\n\u3000é", 60), st.lists(st.integers(1, 9), min_size=1, max_size=9))
def test_two_of_a_run_count(text, lengths):
    squeezer, rest, kept = _Squeezer(False), text, []
    for length in itertools.cycle(lengths):
        kept.append(squeezer.kept(points(rest[:length])))
        rest = rest[length:]
        if not rest:
            break
    counted = "".join(itertools.compress(text, np.concatenate(kept)))
    assert counted == squeezed_text(text)
    assert squeezed_text(counted) == counted


def test_bytes_of_a_character_are_no_white_space():
    text = "à\xa0\xa0\xa0".encode()
    assert _Squeezer(True).kept(points(text)).all()


@given(
    texts_of("ab\n -", 120),
    st.lists(st.tuples(st.booleans(), st.integers(0, 100), st.integers(0, 20)), min_size=1, max_size=6),
    st.integers(2, 5),
    st.sampled_from(("filters", "winnowed", "exact")),
    st.booleans(),
)
def test_a_text_that_is_followed_has_the_runs_of_the_whole(text, parts, run, kind, in_bytes):
    text = as_bytes(text) if in_bytes else text
    if kind == "exact":
        novelty = ExactNovelty([text], run)
    else:
        cap = 20 if kind == "winnowed" else None
        novelty = Novelty.of_text(
            lambda: [points(text)], in_bytes, cap=cap, run=run, held_out=lambda: [points(text[: len(text) // 2])]
        )
    trails, whole = [Trail(), Trail()], [text[:0], text[:0]]
    for copied, start, length in parts:
        more = [(text if copied else text[::-1])[start : start + length], text[:length]]
        followed = novelty.follow(trails, more, 10_000)
        whole = [old + new for old, new in zip(whole, more, strict=True)]
        for one, said in zip(followed, whole, strict=True):
            said = points(said)[novelty._kept(points(said))]
            for record, end in ((novelty, one.trail.run), (novelty.held_out, one.trail.held_out_run)):
                runs = record._copied_in(said) if record else []
                assert end == max((stop - begin for begin, stop in runs if stop == len(said)), default=0)
        longest = [novelty.longest_copied_run(said) for said in whole]
        before = [novelty.longest_copied_run(old[: len(old) - len(new)]) for old, new in zip(whole, more, strict=True)]
        for one, now, earlier in zip(followed, longest, before, strict=True):
            assert now == max(one.longest, earlier)
        trails = [one.trail for one in followed]


def test_indentation_and_rulers_are_no_copies_but_prose_is():
    code = "if a:\n" + " " * 20 + "else:\n" + " " * 24 + "b()\n" + "-" * 60 + "\n"
    prose = "".join(line + ", and " for line in random_lines(300, 30, 40))
    novelty = novelty_of(code + prose)
    assert novelty.longest_copied_run("\n" + " " * 20 + "else:\n" + " " * 24) < RUN
    assert novelty.longest_copied_run("-" * 60) == 0
    for start in range(0, len(prose) - 50, 7):
        assert novelty.longest_copied_run("(" + prose[start : start + 50] + ")") >= len(
            squeezed_text(prose[start : start + 50])
        )


def test_copied_runs_are_where_they_stand_in_the_text():
    novelty = ExactNovelty(["the quick brown fox   \n   jumps over the dog\n"])
    text = "xy the quick brown fox" + " " * 30 + "zz"
    ((start, stop),) = novelty.copied_runs(text)
    assert text[start:stop].strip() == "the quick brown fox"
    assert novelty.copied_runs("quick brown fox\t\t\t\t\t\t jumps") == []
    (run,) = novelty.copied_runs("quick brown fox" + " " * 9 + "?")
    assert run == (0, 17)


# How repetitive the author is


def usual_run(known, text, separate):
    """The same by trying every run: nine tenths of the lines of ``text`` end in no longer run of ``known``."""
    lengths, said = [], squeezed_text(known)
    line_start = 0
    for line in text.splitlines(keepends=True):
        longest = 0
        for end in range(line_start + 1, line_start + len(line) + 1):
            before = squeezed_text(line[: end - line_start] if separate else text[:end])
            run = 0  # characters before ``end`` of which every stretch of RUN is known
            while len(before) >= max(RUN, run + 1) and before[-max(RUN, run + 1) :][:RUN] in said:
                run = max(RUN, run + 1)
            longest = max(longest, run)
        lengths.append(longest)
        line_start += len(line)
    return int(np.quantile(lengths, 0.9, method="higher"))


def test_the_usual_run_is_what_nine_tenths_of_the_held_out_lines_repeat():
    random = np.random.default_rng(5)
    words = ["alpha", "beta", "gamma", "delta"]
    lines = [" ".join(random.choice(words, 6)) + "\n" for _ in range(60)]
    known, new = "".join(lines[:40]), "".join(lines[40:])
    for separate in (False, True):
        exact = winnowed(known, 1, separate=separate)
        exact.squeezed = True
        exact._measure([points(new)], separate)
        assert exact.usual_run == usual_run(known, new, separate) > RUN


def test_the_usual_run_of_a_text_is_measured_on_its_last_tenth():
    lines = random_lines(1000, 31, 40)
    assert novelty_of("".join(line + "\n" for line in lines)).usual_run < RUN + 3
    header = "".join(line + "\n" for line in lines[:20])
    assert novelty_of("".join(header + line + "\n" for line in lines[20:200])).usual_run > 500


@given(st.lists(st.integers(0, 500), max_size=20), st.integers(0, 600))
def test_segments_are_lines_or_parts_of_long_lines(lengths, rest):
    ends = np.cumsum(np.array([length + 1 for length in lengths], np.int64))
    size = int(ends[-1] if len(ends) else 0) + rest
    cuts = _cuts(ends, size)
    assert set(ends.tolist()) <= set(cuts.tolist()) and (not size or cuts[-1] == size)
    assert (np.diff(cuts, prepend=0) >= 0).all() and (np.diff(cuts, prepend=0) <= SEGMENT).all()


# The held-out part


def test_the_held_out_part_is_known_apart():
    train, new = random_lines(400, 32, 40)[:200], random_lines(400, 33, 40)[:100]
    novelty = Novelty.of_text(
        lambda: [points("\n".join(train) + "\n")], False, held_out=lambda: [points("\n".join(new) + "\n")]
    )
    assert novelty.contains_lines(train).all() and not novelty.contains_lines(new).any()
    assert novelty.held_out.contains_lines(new).all() and novelty.longest_copied_run(new[0]) < RUN + 3
    assert novelty.held_out.longest_copied_run(new[0]) == 40 and novelty.usual_run < RUN + 3
    again = from_fields(novelty.as_dict(), novelty.bits, False)
    assert again.as_dict() == novelty.as_dict() and len(novelty.bits) == check_fields(novelty.as_dict())
    assert again.held_out.contains_lines(new).all() and again.contains_lines(train).all()
    assert again.longest_copied_runs(train).tolist() == novelty.longest_copied_runs(train).tolist()


# From a corpus to a file


@pytest.mark.parametrize("level", ["char", "word", "byte"])
def test_the_training_part_is_known_and_the_rest_is_not(tmp_path, level):
    lines = [f"{line[:6]} {line[6:]}é" for line in random_lines(300, 9)]
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbf" * (level != "byte") + "\r\n".join(lines).encode())
    corpus = load_corpus(tmp_path / "list.txt", CorpusOptions(level=level, lines=True))
    end = "\r" if level == "byte" else ""
    known = corpus.novelty.contains_lines([line + end for line in lines[:-1]])
    held_out = set(corpus.vocabulary.decode(corpus.held_out).split("\n"))
    if level != "word":  # where rare words are <UNK>
        assert all(found != (line + end in held_out) for found, line in zip(known, lines, strict=False))
    assert 0.88 < known.mean() < 0.92

    stream = load_corpus(tmp_path / "list.txt", CorpusOptions(level=level, lines=False)).novelty
    assert stream.contains_lines([line + end for line in lines[:200]]).all()
    assert not stream.contains_lines([line + end for line in lines[-20:]]).any()
    assert stream.longest_copied_run("x" + f"{end}\n".join(lines[5:8])) >= len(f"{end}\n".join(lines[5:8]))


@pytest.mark.parametrize("lines", [True, False])
def test_the_file_grows_by_little(tmp_path, lines):
    """No more than 2 bytes a line, and 1.5 bytes a character where runs are kept."""
    text = "".join(line + "\n" for line in random_lines(4000, 10, 9 if lines else 50))
    path = tmp_path / "text.txt"
    path.write_text(text)
    sizes = []
    for novelty in (True, False):
        trainer = new_trainer(path, lines=lines, holdout=0, hidden=2, layers=1, epochs=1, ngrams=0, novelty=novelty)
        trainer.best.save(tmp_path / "m.npz")
        assert (charlm.load(tmp_path / "m.npz").novelty is not None) == novelty
        sizes.append(os.path.getsize(tmp_path / "m.npz"))
    assert 0 < sizes[0] - sizes[1] <= (2 * 4000 if lines else 1.5 * len(text))


def test_the_same_text_in_any_level_of_characters_is_the_same_bits(tmp_path):
    (tmp_path / "text.txt").write_text("the cat, the dog; and the other one.\n" * 9)
    bits = [
        load_corpus(tmp_path / "text.txt", CorpusOptions(level=level, holdout=0)).novelty.runs.bits.tobytes()
        for level in ("char", "word", "byte")
    ]
    assert bits[0] == bits[1] == bits[2]


def test_a_file_is_asked_exactly(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"one line of the text\r\nanother line, the last")
    for level in ("char", "byte"):
        exact = ExactNovelty(read_text([path], level))
        assert exact.contains_line("another line, the last")
        assert exact.contains_line(b"one line of the text" + b"\r" * (level == "byte"))
        assert not exact.contains_line("line of the text")
        assert exact.longest_copied_run("one line of the textual") == 20
        assert exact.line_rate == exact.run_rate == 0
    assert not ExactNovelty([]).contains_line("a")
