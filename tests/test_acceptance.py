"""Copies of the training text are rejected, and the other samples keep their proportions; the fields of a sample."""

import itertools
from collections import Counter

import numpy as np
import pytest
from test_novelty import squeezed_text
from test_sampling import chi_square, probability, random_model, sampler_of

import charlm
from charlm.display.scores import sampling_summary
from charlm.errors import SamplingError, UsageError
from charlm.sampling.acceptance import DEAD_ENDS, PATIENCE, RESTART
from charlm.sampling.candidates import Candidates
from charlm.sampling.rules import SamplingCounts, rules_for
from charlm.sampling.sampler import Sampler
from charlm.sampling.settings import SamplingOptions
from charlm.tasks.summary import facts
from charlm.text.novelty import COPIED_IN_LINES, COPIED_IN_STREAMS, MOST_COPIED, ExactNovelty, Novelty
from charlm.text.reading import read_text
from charlm.text.vocabulary import EOS, code_points


def longest_copied(text, corpus):
    """By looking for every run of the text."""
    best = 0
    for begin in range(len(text)):
        while begin + best < len(text) and text[begin : begin + best + 1] in corpus:
            best += 1
    return best


def filters_of(text, separate):
    return Novelty.of_text(lambda: [code_points(text)], False, separate)


@pytest.fixture(scope="module")
def stream():
    """A model of a stream, and a text that it is likely to copy: its own."""
    model = random_model(lines=False, symbols="ab ", unknown=-9.0, eos=-1.0, seed=8)
    (own,) = charlm.sample(model, 1, 3000, temperature=0.4, seed=1)
    return model, own.text + "\n"


@pytest.mark.parametrize("exact", [True, False])
def test_lines_follow_the_model_given_that_they_are_new(exact):
    model, count = random_model(lines=True, seed=2, eos=0.5, unknown=-3.0), 10_000
    known = ["a", "bb", "aab"]
    text = "".join(line + "\n" for line in known)
    model.novelty = ExactNovelty([text]) if exact else filters_of(text, True)
    lines = [line for n in (1, 2, 3) for line in itertools.product((2, 3), repeat=n)]
    weight = {model.vocabulary.decode(line): probability(model, [*line, EOS]) for line in lines}
    new = {line: value for line, value in weight.items() if line not in known}
    sampler = sampler_of(model, count, max_length=3, seed=1)
    counts = Counter(sample.text for sample in sampler.samples())
    total = sum(new.values())
    assert chi_square(counts, {line: count * value / total for line, value in new.items()})[1] < 4
    assert sampler.counts.rejections["copied"] > 1000 and sampler.counts.sampled == count + sampler.counts.rejected
    copies = Counter(sample.text for sample in charlm.sample(model, count, max_length=3, seed=1, allow_copies=True))
    total = sum(weight.values())
    assert chi_square(copies, {line: count * value / total for line, value in weight.items()})[1] < 4


@pytest.mark.parametrize(
    ("lines", "bias", "options", "reasons"),
    [
        (True, {"unknown": 1.0}, {}, {"unknown"}),
        (False, {"unknown": 1.0}, {}, {"unknown"}),
        (True, {"unknown": -60.0}, {"length": 3}, {"too_long"}),
        (True, {"unknown": -60.0}, {"max_length": 2}, {"too_long"}),
        (True, {"unknown": -60.0, "eos": 1.0}, {"min_length": 2}, {"too_short"}),
        (True, {"unknown": -60.0, "eos": 3.0}, {}, {"empty"}),
        (False, {"unknown": -60.0}, {"stop": "b", "min_length": 2, "max_length": 5}, {"too_short", "too_long"}),
    ],
)
def test_the_reason_for_each_rejection(lines, bias, options, reasons):
    length = options.pop("length", 40)
    sampler = sampler_of(random_model(lines, **bias), 200, length, seed=1, **options)
    assert len(list(sampler.samples())) == 200
    expected = reasons | ({"empty"} if lines else set())  # an empty line is never accepted
    assert reasons <= set(sampler.counts.rejections) <= expected


def test_each_sample_tells_whether_it_is_new():
    model = random_model(lines=True, seed=2, eos=1.0)
    model.novelty = ExactNovelty(["a\nbb\naab\n"])
    for sample in charlm.sample(model, 500, seed=1, allow_copies=True):
        assert sample.novel == (sample.text not in ("a", "bb", "aab"))
    assert all(sample.novel for sample in charlm.sample(model, 100, seed=1))
    model.novelty = None
    assert {sample.novel for sample in charlm.sample(model, 100, seed=1)} == {None}


@pytest.mark.parametrize("exact", [True, False])
def test_no_run_of_a_stream_is_longer_than_allowed(stream, exact):
    """Lines are short here: a run goes over several segments, and none may hide at the joint of two."""
    model, text = stream
    model.novelty = ExactNovelty([text]) if exact else filters_of(text, False)
    options = {"temperature": 0.4, "max_copied": 20, "seed": 2}
    sampler = sampler_of(model, 12, 400, **options)
    samples = list(sampler.samples())
    said = squeezed_text(text)
    runs = [longest_copied(squeezed_text(sample.text), said) for sample in samples]
    assert max(runs) == sampler.counts.longest_copied_run == 20
    assert sampler.counts.rejections["copied"] > 20
    if exact:
        assert [sample.longest_copied_run for sample in samples] == [run if run >= 16 else 0 for run in runs]
    free = list(charlm.sample(model, 12, 400, temperature=0.4, seed=2, allow_copies=True))
    runs = [longest_copied(squeezed_text(sample.text), said) for sample in free]
    assert max(runs) > 22
    assert all(sample.longest_copied_run >= run for sample, run in zip(free, runs, strict=True) if run >= 16)
    (copy,) = charlm.sample(model, 1, 400, temperature=0.4, seed=1, allow_copies=True)
    assert (copy.text, copy.longest_copied_run, copy.novel) == (text[:400], len(squeezed_text(text[:400])), False)
    if exact:
        assert {sample.novel for sample in free} == {True}  # none beyond COPIED_IN_STREAMS


def test_the_given_beginning_belongs_to_the_run(stream):
    model, text = stream
    model.novelty = ExactNovelty([text])
    start = text[100:118]
    for sample in charlm.sample(model, 30, 60, start_with=start, max_copied=18, seed=1):
        assert longest_copied(sample.text, text) == 18
    with pytest.raises(SamplingError, match="0 of 1 .*copied.*--max-copied"):
        list(charlm.sample(model, 1, 60, start_with=start, max_copied=17, max_tries=200, seed=1))


def test_a_corpus_takes_the_place_of_the_record(tmp_path):
    model = random_model(lines=True, seed=2, eos=1.0)
    model.novelty = ExactNovelty(["bb\n"])
    (tmp_path / "list.txt").write_text("a\naab\n", encoding="utf-8")
    texts = {s.text for s in charlm.sample(model, 500, seed=1, corpus=tmp_path / "list.txt")}
    assert "bb" in texts and not {"a", "aab"} & texts


def test_a_corpus_knows_short_runs_too(tmp_path):
    model = random_model(lines=False, symbols="abcdef", unknown=-9.0, seed=8)
    text = "abcdefaabbccddeeffacebdfbadcfe\n" * 3
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    plain = list(charlm.sample(model, 20, 100, seed=1))
    assert max(longest_copied(sample.text, text) for sample in plain) > 3
    for sample in charlm.sample(model, 20, 100, seed=1, corpus=tmp_path / "text.txt", max_copied=3):
        assert longest_copied(sample.text, text) <= 3 and sample.longest_copied_run == 0


def test_a_line_is_looked_for_with_its_prime():
    model = random_model(lines=True, seed=2, eos=1.0)
    model.novelty = ExactNovelty(["aaa\naa\n"])
    texts = {sample.text for sample in charlm.sample(model, 500, seed=1, prime="a")}
    assert not {"a", "aa"} & texts and "aaa" in texts


def test_the_default_limits():
    lines, stream = random_model(lines=True), random_model(lines=False)
    lines.novelty = stream.novelty = ExactNovelty(["ab\n"])
    assert rules_for(lines).max_copied == COPIED_IN_LINES and rules_for(stream).max_copied == COPIED_IN_STREAMS
    thinned = Novelty.of_text(lambda: [code_points("ab" * 9000 + "\n")], False, cap=300)
    assert thinned.shortest_run > COPIED_IN_STREAMS
    assert thinned.usual_run > MOST_COPIED  # lines of two letters
    stream.novelty = thinned
    assert rules_for(stream).max_copied == MOST_COPIED
    thinned.usual_run = 0
    assert rules_for(stream).max_copied == thinned.shortest_run - 1
    with pytest.raises(UsageError, match=f"at least {thinned.shortest_run - 1}"):
        rules_for(stream, SamplingOptions(max_copied=COPIED_IN_STREAMS))
    stream.novelty = None
    with pytest.raises(UsageError, match="--corpus"):
        rules_for(stream, SamplingOptions(max_copied=30))


def test_a_model_that_memorised_its_list(tmp_path):
    """Its training loss is near 0: its samples are still new, or an error says that none is."""
    names = [f"{first}{last}" for first in ("ora", "bel", "tin", "mu") for last in ("lia", "dor", "nette")]
    (tmp_path / "names.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    model = charlm.train(
        tmp_path / "names.txt",
        lines=True,
        holdout=0,
        hidden=32,
        layers=1,
        batch=12,
        epochs=300,
        lr=0.02,
        threads=1,
    )
    known = [sample.text in names for sample in charlm.sample(model, 300, seed=1, allow_copies=True)]
    assert sum(known) > 240
    found = []
    try:
        found.extend(sample.text for sample in charlm.sample(model, 20, seed=1, max_tries=3000))
        assert len(found) == 20
    except SamplingError as error:
        assert "copied" in str(error) and "--dropout" in str(error)
    assert not set(found) & set(names)
    (most_likely,) = charlm.sample(model, 1, temperature=0, allow_copies=True)
    assert most_likely.text in names and most_likely.novel is False
    with pytest.raises(SamplingError, match="only the most likely token.*1 copied.*--temperature"):
        list(charlm.sample(model, 1, temperature=0))


def test_a_corpus_is_read_like_the_training_text(tmp_path):
    """At the level of bytes too, and with a last line that lacks its end."""
    (tmp_path / "list.txt").write_bytes("é\naab".encode())
    model = random_model(lines=True, symbols="abc", eos=0.5)
    model.vocabulary = type(model.vocabulary)("byte", [0xC3, 0xA9, ord("a")])
    assert "é" in {sample.text for sample in charlm.sample(model, 300, seed=1)}
    assert "é" not in {sample.text for sample in charlm.sample(model, 300, seed=1, corpus=tmp_path / "list.txt")}
    assert ExactNovelty(read_text([tmp_path / "list.txt"], "byte")).contains_line("aab")


def test_the_summary_says_how_much_was_rejected():
    counts = SamplingCounts(asked=100, found=100, sampled=1137)
    counts.rejections.update(copied=1023, too_short=2, unknown=12)
    counts.longest_copied_run = 14
    assert sampling_summary(counts, "sample", 16) == (
        "asked 100, sampled 1,137, rejected 1,037 (12 with <UNK>, 2 too short, 1,023 copied); 8.8 % kept; "
        "longest copied run 14 characters"
    )
    line = sampling_summary(SamplingCounts(asked=2, found=1, sampled=1), "line", None)
    assert line.startswith("asked 2 samples, found 1; sampled 1 line, rejected 0; 100 % kept; copies are not checked")
    counts = SamplingCounts(asked=1, found=1, sampled=7, longest_copied_run=0)
    counts.rejections.update(copied=1, unknown=2)
    assert sampling_summary(counts, "line", 16) == (
        "asked 1 sample; sampled 7 lines, rejected 3 of them (2 with <UNK>, 1 copied); 57.1 % kept; "
        "in the samples kept, no copied run of 16 characters or more"
    )
    assert "no copied run of 16" in sampling_summary(
        SamplingCounts(asked=1, found=1, sampled=1, longest_copied_run=0), "line", 16
    )


class Alphabet:
    """Predicts that each of some letters is followed by the next one, with nearly all of the probability."""

    def __init__(self, size):
        self.logits = np.full((size, size), -9.0)
        for token in range(2, size):
            self.logits[token, 2 + (token - 1) % (size - 2)] = 9.0
        self.logits[:, :2] = -60.0
        self.logits[:2, 2] = 9.0

    def begin(self, tokens):
        return [self.logits[[tokens[-1] if tokens else EOS]]], [0.0] * len(tokens)

    def step(self, states, tokens):
        return [self.logits[tokens]]

    def rows_for(self, candidates):
        return candidates


LETTERS = "abcdefghijklmnopqrstuvwxyz"


def alphabet_sampler(count, **options):
    """A sampler whose most likely text is one long copy."""
    model = random_model(False, LETTERS)
    model.novelty = filters_of(LETTERS * 40, False)
    return Sampler(
        model,
        count,
        600,
        SamplingOptions(seed=1, max_copied=50, **options),
        predictor=Alphabet(len(LETTERS) + 2),
    )


def test_a_stream_that_can_only_copy_is_sampled_away_from_the_copy():
    sampler = alphabet_sampler(3, temperature=0.3)
    samples = list(sampler.samples())
    assert len(samples) == 3 and all(sample.novel for sample in samples)
    assert all(longest_copied(sample.text, LETTERS * 40) <= 50 for sample in samples)
    assert sampler.counts.avoided >= 3 and sampler.counts.rejections["copied"] >= PATIENCE * 3
    assert [sample.text for sample in alphabet_sampler(1, temperature=0.3).samples()] == [samples[0].text]
    assert "sampled away from copies" in sampling_summary(sampler.counts, "line", 16)


def test_restrictions_that_leave_no_other_token_are_given_up_where_each_is_a_copy():
    (sample,) = alphabet_sampler(1, top_p=0.5).samples()
    assert longest_copied(sample.text, LETTERS * 40) <= 50


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"temperature": 0}, "raise --temperature or"),
        ({"top_k": 1}, "raise --top-k or"),
        ({"temperature": 0, "top_k": 1}, "raise --temperature and raise --top-k or"),
    ],
)
def test_where_only_the_most_likely_token_is_sampled_the_message_says_what_helps(options, remedy):
    with pytest.raises(SamplingError, match=f"only the most likely token.*1 copied.*: {remedy}"):
        list(alphabet_sampler(1, **options).samples())


def test_what_stands_in_the_held_out_part_is_rejected_and_counted():
    model = random_model(lines=True, seed=2, eos=1.0)

    def text(lines):
        return lambda: [code_points(lines)]

    model.novelty = Novelty.of_text(text("a\nbb\n"), False, True, held_out=text("aab\nba\n"))
    sampler = sampler_of(model, 500, seed=1)
    assert not {sample.text for sample in sampler.samples()} & {"a", "bb", "aab", "ba"}
    assert sampler.counts.rejections["held_out"] > 5 and sampler.counts.rejections["copied"] > 5
    summary = sampling_summary(sampler.counts, "sample", 16)
    assert "in the held-out part" in summary and "what it finds of it, it has learnt and not copied" in summary
    for sample in charlm.sample(model, 300, seed=1, allow_copies=True):
        assert sample.novel == (sample.text not in ("a", "bb", "aab", "ba"))
    assert not model.novelty.contains_line("aab")  # of the training text


def test_hardly_any_new_line_is_counted_as_one_of_the_held_out_part():
    lines = "".join(f"held {number}\n" for number in range(1000))
    record = Novelty.of_text(lambda: [code_points("a\nb\n")], False, True, held_out=lambda: [code_points(lines)])
    assert record.held_out.contains_lines([f"held {number}" for number in range(1000)]).all()
    assert record.held_out.contains_lines([f"new {number}" for number in range(100_000)]).sum() <= 3
    assert record.held_out.line_rate < 1e-5


def test_good_lines_that_wait_to_be_looked_up_end_the_rejections_in_a_row():
    model = random_model(lines=True, seed=2, eos=1.0, unknown=-60.0)
    model.novelty = filters_of("abab\n", True)
    sampler = sampler_of(model, 600, seed=1, max_tries=1500, min_length=4)
    assert len(list(sampler.samples())) == 600


def test_a_character_that_two_segments_share_counts_once(monkeypatch):
    monkeypatch.setattr("charlm.sampling.candidates.SEGMENT", 3)
    model = random_model(lines=False, unknown=-60.0, eos=-60.0)
    model.vocabulary = type(model.vocabulary)("byte", [0xC3, 0xA9])
    (sample,) = charlm.sample(model, 1, 8, stop=("éé",), min_length=2, max_length=2, seed=1, max_tries=400)
    assert sample.text == "éé"


def test_where_every_symbol_makes_a_copy_sampling_ends_soon_and_says_so(stream):
    model, text = stream
    model.novelty = filters_of(text, False)
    sampler = sampler_of(model, 2, 60, start_with=text[100:140], max_copied=30, seed=1)
    with pytest.raises(SamplingError, match="0 of 2 .*copied too much whatever symbol came next: raise --max-copied"):
        list(sampler.samples())
    assert DEAD_ENDS <= sampler.counts.rejected <= 2 * (DEAD_ENDS + DEAD_ENDS // RESTART * PATIENCE)


def test_a_sample_without_a_way_on_begins_again_if_none_of_it_was_shown(monkeypatch):
    """After "ab" every symbol is a copy, and the first segment may not be another one."""
    monkeypatch.setattr("charlm.sampling.candidates.SEGMENT", 2)
    model = random_model(False, "ab", eos=-60.0)
    model.novelty = ExactNovelty(["xxaba\nxxabb\nxxab\n\n"], run=3)
    free = [sample.text for sample in charlm.sample(model, 40, 6, unknown="mask", seed=1, allow_copies=True)]
    assert any(text.startswith("ab") for text in free[1:])
    samples = list(sampler_of(model, 40, 6, max_copied=2, unknown="mask", seed=1, best_of=2).samples())
    assert len(samples) == 40 and not any("aba" in sample.text or "abb" in sample.text for sample in samples)


def test_a_stream_that_was_rejected_looks_for_copies_before_its_segment_ends(monkeypatch):
    """Its segments have 200 tokens, and 51 copied characters are too many."""
    steps = Counter()
    advance = Candidates.advance
    monkeypatch.setattr(Candidates, "advance", lambda self: steps.update(["steps"]) or advance(self))
    sampler = alphabet_sampler(1, temperature=0.3)
    list(sampler.samples())
    rejected = sampler.counts.rejections["copied"]
    assert rejected >= PATIENCE and steps["steps"] < 600 + 200 * 4 + 60 * rejected


def test_info_says_how_much_a_sample_may_copy():
    model = random_model(False, "ab")

    def rows(**changes):
        model.novelty = novelty_with(**changes)
        return dict(facts(model))

    def novelty_with(usual_run=0, held_out=None, squeezed=True):
        novelty = Novelty.of_text(lambda: [code_points("ab ba\n" * 9)], False, held_out=held_out)
        novelty.usual_run, novelty.squeezed = usual_run, squeezed
        return novelty

    assert rows()["may copy"] == (
        "up to 50 characters in a row, unless --max-copied says otherwise; of several spaces or line ends in a row, "
        "and of one symbol in a row, only the first two count"
    )
    assert rows(squeezed=False)["may copy"].endswith("--max-copied says otherwise")
    assert "up to 77 characters" in rows(usual_run=77)["may copy"]
    assert rows(usual_run=77)["may copy"].endswith("nine tenths of the text's own new lines repeat no more")
    assert rows(usual_run=777)["may copy"].endswith("its own new lines repeat up to 777")
    assert rows()["held-out part"] == "no record of it"
    held_out = rows(held_out=lambda: [code_points("aab\n" * 9)])["held-out part"]
    assert held_out.startswith("its lines and runs are known too")
