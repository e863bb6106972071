"""Samples: they follow the model's distribution given that there is no <UNK>, and are rejected whole."""

import itertools
import math
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from click.testing import CliRunner

import charlm
from charlm.cli import program
from charlm.errors import SamplingError, UsageError
from charlm.model import Model
from charlm.network.architecture import Architecture, views
from charlm.network.cells import CELLS
from charlm.network.reference import reference_of, softmax
from charlm.network.threads import ThreadPool
from charlm.sampling.infilling import Filler
from charlm.sampling.sampler import Sampler, new_sampler
from charlm.sampling.segments import SEGMENT
from charlm.sampling.settings import SamplingOptions
from charlm.text.vocabulary import EOS, UNKNOWN, Vocabulary


def random_model(lines, symbols="ab", seed=0, cell="lstm", **bias):
    """A small model of random weights; ``bias`` is added to the output of "unknown" and "eos"."""
    vocabulary = Vocabulary("char", symbols)
    architecture = Architecture(len(vocabulary), cell, 4, 1)
    parameters = np.random.default_rng(seed).normal(0, 1, architecture.number_of_parameters).astype(np.float32)
    model = Model(architecture=architecture, vocabulary=vocabulary, parameters=parameters, lines=lines)
    model.named_parameters["b_y"][:2] += bias.get("eos", 0), bias.get("unknown", 0)
    return model


def sampler_of(model, count=1, length=None, **options):
    return new_sampler(model, count, length, SamplingOptions(**options))


def probability(model, tokens):
    """The probability of a sequence of ids from the zero state, by the oracle's equations."""
    network, product, before = reference_of(model.architecture, model.parameters), 1.0, EOS
    for token in tokens:
        product *= softmax(network.step(np.array([before])))[0, token]
        before = token
    return product


def chi_square(counts, expected):
    """Pearson's statistic and, by Wilson and Hilferty's approximation, how many deviations it lies above its mean."""
    statistic = sum((counts[key] - value) ** 2 / value for key, value in expected.items())
    freedom = len(expected) - 1
    deviation = ((statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))
    return statistic, deviation


def test_lines_follow_the_model_given_that_there_is_no_unknown():
    """All lines of up to three characters are enumerated, as they are sampled by rejecting <UNK> and by masking it."""
    model, sampled = random_model(lines=True, seed=2, eos=0.5, unknown=0.5), 20_000
    lines = [line for n in (1, 2, 3) for line in itertools.product((2, 3), repeat=n)]
    rejecting = {model.vocabulary.decode(line): probability(model, [*line, EOS]) for line in lines}
    masking = {}
    for text in rejecting:  # each step's probability of <UNK> set to 0 and the rest scaled up
        network, before, masking[text] = reference_of(model.architecture, model.parameters), EOS, 1.0
        for token in [*model.vocabulary.encode(text), EOS]:
            step = softmax(network.step(np.array([before])))[0]
            step[UNKNOWN] = 0
            masking[text] *= step[token] / step.sum()
            before = token
    truth = {"reject": rejecting, "mask": masking}
    for unknown, other in (("reject", "mask"), ("mask", "reject")):
        counts = Counter(sample.text for sample in charlm.sample(model, sampled, 4, seed=1, unknown=unknown))
        for rule, limit in ((unknown, None), (other, 10)):
            total = sum(truth[rule].values())
            deviation = chi_square(counts, {text: sampled * p / total for text, p in truth[rule].items()})[1]
            assert deviation < 4 if limit is None else deviation > limit


def test_tokens_follow_the_softmax():
    model = random_model(lines=False, symbols="abcdefgh", seed=1, unknown=-30)
    sampled = 50_000
    counts = Counter(sample.text for sample in charlm.sample(model, sampled, 1, seed=2))
    step = softmax(reference_of(model.architecture, model.parameters).step(np.array([EOS])).astype(float))[0]
    expected = {
        model.vocabulary.decode([token]): sampled * step[token] for token in range(len(step)) if token != UNKNOWN
    }
    assert chi_square(counts, expected)[1] < 4


@pytest.mark.parametrize("lines", [True, False])
def test_no_unknown_and_the_rejections_are_counted(lines):
    model = random_model(lines, unknown=1.0, eos=1.0)
    sampler = sampler_of(model, 200, 30, seed=1)
    samples = list(sampler.samples())
    assert len(samples) == 200 and sampler.counts.rejections["unknown"] > 20
    assert not any("<UNK>" in sample.text for sample in samples)
    if lines:
        assert sampler.counts.sampled == 200 + sampler.counts.rejected
        assert all(sample.text and "\n" not in sample.text for sample in samples)


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("cell", ["lstm", "gru", "feedforward"])
def test_the_log_probability_is_the_oracles(lines, cell):
    model = random_model(lines, unknown=-1.0, cell=cell)
    for sample in charlm.sample(model, 20, 12, seed=4, temperature=0.7, top_k=3, start_with="ab"):
        tokens = [*model.vocabulary.encode(sample.text), *([EOS] if lines else [])]
        assert sample.text.startswith("ab") and sample.tokens == len(tokens)
        assert sample.log_probability == pytest.approx(math.log(probability(model, tokens)), rel=1e-4)


@pytest.mark.parametrize("cell", ["lstm", "feedforward"])
def test_a_score_of_a_sample_is_its_log_probability(cell):
    model = random_model(lines=True, unknown=-1.0, cell=cell)
    for sample in charlm.sample(model, 10, seed=4):
        assert charlm.perplexity(model, sample.text).nats == pytest.approx(-sample.log_probability, rel=1e-5)


def test_a_stream_has_the_length_asked_for_and_comes_in_pieces_without_line_ends():
    model = random_model(lines=False, eos=-40.0, unknown=-7.0)
    sampler = sampler_of(model, 3, 3 * SEGMENT + 17, seed=1)
    pieces = list(sampler.pieces())
    for number in range(3):
        own = [piece for piece in pieces if piece.number == number]
        assert "".join(piece.text for piece in own) == own[-1].sample.text
        assert own[-1].sample.tokens == len(own[-1].sample.text) == 3 * SEGMENT + 17
    assert [piece.number for piece in pieces] == sorted(piece.number for piece in pieces)


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("lines", [True, False])
def test_a_sample_is_the_same_whatever_is_sampled_in_parallel(lines, cell, apart, monkeypatch):
    monkeypatch.setattr("charlm.network.stepper.SMALL", 0 if apart else 1 << 16)
    vocabulary = Vocabulary("char", "abcdefgh")
    architecture = Architecture(len(vocabulary), cell, 67, 2)
    parameters = np.random.default_rng(0).normal(0, 0.3, architecture.number_of_parameters).astype(np.float32)
    model = Model(architecture=architecture, vocabulary=vocabulary, parameters=parameters, lines=lines)
    options = {"length": 60, "seed": 7, "temperature": 0.9 if apart else 1.0}
    many = list(charlm.sample(model, 150, **options))
    for rows in (1, 5, 128):
        monkeypatch.setattr("charlm.sampling.candidates.IN_PARALLEL", rows)
        assert list(charlm.sample(model, 7, **options)) == many[:7]
    assert list(charlm.sample(model, 1, **options)) == many[:1]
    assert len({sample.text for sample in many}) > 20


@pytest.mark.parametrize(
    "cell, hidden, symbols",
    [("lstm", 50, 63), ("lstm", 110, 40), ("gru", 120, 55), ("rnn", 100, 70), ("feedforward", 100, 40)],
)
def test_a_sample_is_the_same_for_matrices_of_any_width(cell, hidden, symbols):
    """The last columns of a large product may be added up in another order than those of a small one."""
    vocabulary = Vocabulary("char", map(chr, range(200, 200 + symbols)))
    architecture = Architecture(len(vocabulary), cell, hidden, 2)
    parameters = np.random.default_rng(0).normal(0, 0.2, architecture.number_of_parameters).astype(np.float32)
    views(architecture, parameters)["b_y"][[EOS, UNKNOWN]] = 1, -100  # what is rejected would take most of the time
    model = Model(architecture=architecture, vocabulary=vocabulary, parameters=parameters, lines=True)
    many, few = (list(charlm.sample(model, number, seed=3, length=80)) for number in (160, 9))
    assert many[:9] == few


def test_a_sample_is_the_same_for_any_number_of_threads(monkeypatch):
    model = random_model(lines=True, unknown=-3.0, eos=-0.5)
    sampled = []
    for threads in (1, 2, 3):
        monkeypatch.setattr("charlm.network.stepper.ThreadPool", lambda threads=threads: ThreadPool(threads))
        monkeypatch.setattr("charlm.network.stepper.products_take_one_thread", lambda: True)
        sampled.append(list(charlm.sample(model, 500, seed=1)))
    assert sampled[0] == sampled[1] == sampled[2]


def test_many_more_samples_than_are_sampled_in_parallel(monkeypatch):
    """No sample is preferred for ending early: the lengths of many are those of one after the other."""
    model = random_model(lines=True, unknown=-3.0, eos=-0.5)
    together = [sample.tokens for sample in charlm.sample(model, 3000, seed=1)]
    monkeypatch.setattr("charlm.sampling.candidates.IN_PARALLEL", 1)
    alone = [sample.tokens for sample in charlm.sample(model, 1000, seed=2)]
    assert np.mean(together) == pytest.approx(np.mean(alone), abs=5 * np.std(alone) / math.sqrt(len(alone)))


def test_a_seed_gives_the_same_in_another_process(tmp_path, as_it_was):
    random_model(lines=False).save(tmp_path / "m.npz")
    arguments = ["sample", "--model", str(tmp_path / "m.npz"), "--count", "3", "--json", "--seed"]
    other = subprocess.run([sys.executable, "-m", "charlm", *arguments, "5"], capture_output=True, check=True).stdout
    here, another_seed = (CliRunner().invoke(program, [*arguments, seed]).stdout_bytes for seed in "56")
    assert here == other != another_seed and here.count(b"\n") == 3


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (True, {"start_with": "aé"}, "'é'"),
        (True, {"start_with": "a\nb"}, "one line"),
        (True, {"prime": "a\nb"}, "one line"),
        (False, {"start_with": "abab", "length": 4}, "--length"),
        (True, {"length": 0}, "length must be"),
        (True, {"count": 0}, "count must be"),
    ],
)
def test_a_sample_that_cannot_be_ends_with_the_reason(lines, options, message):
    with pytest.raises((SamplingError, UsageError), match=message):
        list(charlm.sample(random_model(lines), **options))


@pytest.mark.parametrize(
    ("bias", "reason"),
    [({"unknown": 40.0}, "<UNK>"), ({"eos": 40.0}, "empty"), ({"eos": -60.0, "unknown": -60.0}, "too long")],
)
def test_a_run_that_cannot_succeed_ends_with_the_reason(bias, reason):
    with pytest.raises(SamplingError, match=f"0 of 1 sample was found; then 1,000 were rejected in a row.*{reason}"):
        list(charlm.sample(random_model(lines=True, **bias), length=5, seed=1, max_tries=1000))
    with pytest.raises(SamplingError, match=f"only the most likely token.*{reason}"):
        list(charlm.sample(random_model(lines=True, **bias), length=5, temperature=0))


# Other predictors than a network


class Bigrams:
    """A ``NextToken`` by counts: the distribution depends on the last token alone."""

    def __init__(self, probabilities):
        self.logits = np.log(probabilities)

    def rows_for(self, sequences):
        return max(sequences, 1)

    def begin(self, tokens):
        before = [EOS, *tokens]
        nats = [-self.logits[first, second] for first, second in itertools.pairwise(before)]
        return [self.logits[before[-1:]]], nats

    def step(self, state, tokens):
        assert len(state) == 1 and state[0].shape == (len(tokens), len(self.logits))
        return [self.logits[tokens]]


BIGRAMS = np.array(  # after and of <EOS>, <UNK>, a, b
    [[0.1, 0.1, 0.5, 0.3], [0.2, 0.2, 0.4, 0.2], [0.4, 0.05, 0.15, 0.4], [0.3, 0.1, 0.35, 0.25]]
)


def by_bigrams(tokens):
    return math.prod(BIGRAMS[pair] for pair in itertools.pairwise([EOS, *tokens]))


def test_samples_follow_any_predictor():
    model, count = random_model(lines=True), 10_000
    sampler = Sampler(model, count, 4, SamplingOptions(seed=1, prime="b"), predictor=Bigrams(BIGRAMS))
    lines = [line for n in (1, 2, 3) for line in itertools.product((2, 3), repeat=n)]
    expected = {model.vocabulary.decode(line): by_bigrams([3, *line, EOS]) / by_bigrams([3]) for line in lines}
    samples, total = list(sampler.samples()), sum(expected.values())
    logs = [math.log(expected[sample.text]) for sample in samples]
    assert np.allclose([sample.log_probability for sample in samples], logs, rtol=1e-6, atol=0)
    counts = Counter(sample.text for sample in samples)
    assert chi_square(counts, {text: count * p / total for text, p in expected.items()})[1] < 4


def test_a_pattern_is_filled_by_any_predictor():
    model = random_model(lines=True)
    tokens, nats, weights = Filler(model, "a__", predictor=Bigrams(BIGRAMS)).posterior()
    expected = np.array([by_bigrams([*line, EOS]) for line in itertools.product((2,), (2, 3), (2, 3))])
    assert [model.vocabulary.decode(ids) for ids in tokens] == ["aaa\n", "aab\n", "aba\n", "abb\n"]
    assert np.exp(-nats) == pytest.approx(expected) and weights == pytest.approx(expected / expected.sum())


# The beginning and the end of a sample


@pytest.mark.parametrize("lines", [True, False])
def test_a_prime_is_read_and_is_no_part_of_the_sample(lines):
    model = random_model(lines, unknown=-1.0)
    for sample in charlm.sample(model, 20, 12, seed=4, prime="abba", start_with="b"):
        tokens = [*model.vocabulary.encode(sample.text), *([EOS] if lines else [])]
        prime = model.vocabulary.encode("abba").tolist()
        expected = math.log(probability(model, [*prime, *tokens]) / probability(model, prime))
        assert sample.log_probability == pytest.approx(expected, rel=1e-4)
        assert sample.text.startswith("b") and sample.tokens == len(tokens) <= 12
    plain, primed = (list(charlm.sample(model, 50, 12, seed=4, prime=prime)) for prime in ("", "bbbb"))
    assert plain != primed


def test_the_last_tokens_of_a_long_prime_count():
    model = random_model(lines=False)
    short, long = "ab" * 1024, "b" * 999 + "ab" * 1024
    first, second = (next(charlm.sample(model, 1, 50, seed=4, prime=prime)) for prime in (short, long))
    assert first == second


def test_a_prime_may_hold_unknown_symbols():
    model = random_model(lines=False)
    with pytest.warns(UserWarning, match="'é'.*<UNK>"):
        sample = next(charlm.sample(model, 1, 50, seed=4, prime="aé"))
    tokens = model.vocabulary.encode(sample.text).tolist()
    expected = probability(model, [2, UNKNOWN, *tokens]) / probability(model, [2, UNKNOWN])
    assert sample.log_probability == pytest.approx(math.log(expected), rel=1e-3)


@pytest.mark.parametrize("lines", [True, False])
def test_a_sample_ends_after_the_text_of_stop(lines):
    model = random_model(lines, symbols="abc", unknown=-4.0, eos=-1.0)
    samples = list(charlm.sample(model, 200, 300, seed=1, stop=["ab", "cc"], start_with="ab"))
    stopped = [sample.text for sample in samples if sample.text.endswith(("ab", "cc"))]
    assert len(stopped) > 50
    for sample in samples:
        rest = sample.text[2:]
        assert "ab" not in rest[:-1] and "cc" not in rest[:-1]
        assert lines or sample.tokens == len(sample.text)
    assert any(sample.text.startswith("abb") or sample.text.startswith("aba") for sample in samples)


def test_a_stop_is_found_across_segments():
    model = random_model(lines=False, eos=-40.0, unknown=-40.0)
    model.named_parameters["b_y"][:] = [-40, -40, 0, 0]
    model.parameters[: -len(model.vocabulary)] = 0  # a coin: a or b
    stop = "ab" * 4
    for sample in charlm.sample(model, 30, 4 * SEGMENT, seed=1, stop=stop):
        position = sample.text.find(stop)
        assert position == -1 and len(sample.text) == 4 * SEGMENT or position == len(sample.text) - 8
    lengths = [len(sample.text) for sample in charlm.sample(model, 100, 9 * SEGMENT, seed=1, stop=stop)]
    assert max(lengths) > SEGMENT + 8


@pytest.mark.parametrize("stop", ["", "c"])
def test_samples_have_the_length_asked_for(stop):
    model = random_model(lines=not stop, symbols="abc", unknown=-3.0, eos=-1.0)
    sampler = sampler_of(model, 100, 200, min_length=4, max_length=7, stop=stop or (), seed=1)
    assert {len(sample.text) for sample in sampler.samples()} == {4, 5, 6, 7}
    assert sampler.counts.rejections["too_short"] and sampler.counts.rejections["too_long"]
    if not stop:
        assert sampler.counts.sampled == 100 + sampler.counts.rejected


def test_rejecting_a_length_leaves_the_rest_in_proportion():
    model, sampled = random_model(lines=True, seed=2, eos=0.5, unknown=-3.0), 10_000
    lines = [line for n in (2, 3) for line in itertools.product((2, 3), repeat=n)]
    weight = {model.vocabulary.decode(line): probability(model, [*line, EOS]) for line in lines}
    counts = Counter(sample.text for sample in charlm.sample(model, sampled, min_length=2, max_length=3, seed=1))
    total = sum(weight.values())
    assert chi_square(counts, {text: sampled * value / total for text, value in weight.items()})[1] < 4


@pytest.mark.parametrize("lines", [True, False])
def test_no_sample_comes_twice(lines):
    model = random_model(lines, unknown=-2.0, eos=0.5)
    options = {"max_length": 3} if lines else {"length": 4}
    sampler = sampler_of(model, 14, unique=True, seed=1, **options)
    texts = [sample.text for sample in sampler.samples()]
    assert len(set(texts)) == 14 and sampler.counts.rejections["repeated"]
    if lines:
        assert sampler.counts.sampled == 14 + sampler.counts.rejected
        found = []
        with pytest.raises(SamplingError, match="14 of 15 samples.*repeated.*--unique"):
            samples = charlm.sample(model, 15, unique=True, seed=1, max_tries=3000, **options)
            found.extend(sample.text for sample in samples)


def test_what_was_found_is_given_before_the_reason():
    model, found = random_model(lines=True, unknown=-2.0, eos=1.0), []
    with pytest.raises(SamplingError, match="of 200 samples were found; then 500 were rejected.*repeated") as raised:
        for sample in charlm.sample(model, 200, unique=True, max_length=3, max_tries=500, seed=1):
            found.append(sample.text)
    assert 5 < len(set(found)) == len(found) == int(str(raised.value).split()[0])


def test_the_most_likely_sample_is_not_shown_twice():
    model = random_model(lines=False)
    with pytest.raises(SamplingError, match="1 of 2 samples.*only the most likely token.*repeated"):
        list(charlm.sample(model, 2, 5, unique=True, temperature=0))
    first, second = charlm.sample(model, 2, 5, temperature=0)
    assert first == second


@pytest.mark.parametrize("lines", [True, False])
def test_the_best_of_several_is_the_most_likely_one(lines):
    model = random_model(lines, unknown=-1.0)
    each = list(charlm.sample(model, 40, 20, seed=3))
    sampler = sampler_of(model, 10, 20, best_of=4, seed=3)
    for number, sample in enumerate(sampler.samples()):
        assert sample == max(each[4 * number : 4 * number + 4], key=lambda other: other.log_probability)
    if lines:
        assert sampler.counts.rejections["less_likely"] == 30
        assert sampler.counts.sampled == 10 + sampler.counts.rejected


def test_the_best_that_did_not_come_before():
    model = random_model(lines=True, unknown=-2.0, eos=1.0)
    sampler = sampler_of(model, 14, best_of=3, unique=True, max_length=3, seed=1)
    assert len({sample.text for sample in sampler.samples()}) == 14
    assert sampler.counts.sampled == 14 + sampler.counts.rejected


def test_the_lines_of_a_stream_add_up():
    model = random_model(lines=False, unknown=0.5, eos=1.0)
    sampler = sampler_of(model, 20, 100, seed=1)
    shown = sum(len(re.findall("[^\n]*\n|[^\n]+$", sample.text)) for sample in sampler.samples())
    assert sampler.counts.rejected > 100 and sampler.counts.sampled == shown + sampler.counts.rejected


def test_the_first_stream_is_shown_as_it_grows():
    model = random_model(lines=False, unknown=-3.0, eos=1.0)
    pieces = list(sampler_of(model, 3, 100, seed=1).pieces())
    assert sum(piece.number == 0 for piece in pieces) > 5
    for number in range(3):
        own = [piece for piece in pieces if piece.number == number]
        assert "".join(piece.text for piece in own) == own[-1].sample.text
        assert all(piece.sample is None for piece in own[:-1])


# Levels


def test_at_the_level_of_bytes_the_log_probability_is_the_score():
    model = random_model(lines=True, symbols="abc", unknown=-3.0)
    model.vocabulary = Vocabulary("byte", [0xC3, 0xA9, ord("a")])
    samples = list(charlm.sample(model, 50, seed=4))
    assert any("é" in sample.text for sample in samples) and any("\udcc3" in sample.text for sample in samples)
    for sample in samples:
        score = charlm.perplexity(model, sample.text)
        assert (score.tokens, score.nats) == (sample.tokens, pytest.approx(-sample.log_probability, rel=1e-5))
        assert sample.perplexity == pytest.approx(score.perplexity, rel=1e-5)


@pytest.mark.parametrize("lines", [True, False])
def test_words_do_not_run_together(lines):
    """A sequence of words that no text has (an "a" and a "b" that would be read as "ab") is rejected."""
    model = random_model(lines, symbols="abcdefg", unknown=-3.0, eos=0.5)
    model.vocabulary = Vocabulary("word", ["The", " cat", " dog", ",", ".", " ", "an"])
    sampler = sampler_of(model, 200, 20 if lines else 40, seed=4, stop=() if lines else "\n")
    whole = 0
    for sample in sampler.samples():
        ids = model.vocabulary.encode(sample.text).tolist()
        assert model.vocabulary.decode(ids) == sample.text
        if lines or sample.text.endswith("\n"):
            whole += 1
            score = charlm.perplexity(model, sample.text)
            assert (score.tokens, score.nats) == (sample.tokens, pytest.approx(-sample.log_probability, rel=1e-5))
    assert sampler.counts.rejections["no_text"] > 20 and whole > 100


def test_words_come_out_as_a_person_writes_them(tmp_path):
    text = "\"Well, it's late,\" she said (and left); he didn't.\n    An indented line  with two spaces.\n"
    (tmp_path / "text.txt").write_text(text * 30, encoding="utf-8")
    model = charlm.train(
        tmp_path / "text.txt", level="word", hidden=24, layers=1, batch=4, steps=20, epochs=60, lr=0.02, threads=1
    )
    sample = next(charlm.sample(model, 1, 60, temperature=0, allow_copies=True))
    assert text in sample.text + "\n"


def test_memorised_lines_are_not_shown(tmp_path):
    """A model that memorised its few lines samples something else, or ends with the reason."""
    lines = [chr(97 + number) * 3 + "bcdefgh"[number] * 4 for number in range(7)]
    (tmp_path / "few.txt").write_text("\n".join(lines) + "\n")
    model = charlm.train(
        str(tmp_path / "few.txt"), lines=True, holdout=0, hidden=32, layers=1, batch=7, epochs=300, lr=0.02, ngrams=0
    )
    assert sum(charlm.log_probability(model, line) for line in lines) / len(lines) > -1.1 * np.log(len(lines))
    found, sampler = [], charlm.sample(model, 20, unique=True, max_tries=100, temperature=0.3, seed=1)
    with pytest.raises(SamplingError, match="copied.*--allow-copies"):
        for sample in sampler:
            found.append(sample.text)
    assert not set(found) & set(lines)
    copies = charlm.sample(model, 50, allow_copies=True, temperature=0.3, seed=1)
    assert sum(sample.text in lines and not sample.novel for sample in copies) > 45
