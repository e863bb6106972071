"""What is drawn: the model's own distribution given that there is no <UNK>, whole sequences refused, restrictions."""

import itertools
import math
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

import charlm
from charlm.chains import UNIT
from charlm.drawing import Choice
from charlm.errors import SamplingError, UsageError
from charlm.model import Model
from charlm.network.architecture import Architecture
from charlm.reference import Reference, softmax
from charlm.sampling import Sampler
from charlm.vocabulary import EOS, UNKNOWN, Vocabulary


def random_model(lines, symbols="ab", seed=0, cell="lstm", **bias):
    """A small model of random weights; ``bias`` is added to the output of "unknown" and "eos"."""
    vocabulary = Vocabulary("char", symbols)
    architecture = Architecture(len(vocabulary), cell, 4, 1)
    parameters = np.random.default_rng(seed).normal(0, 1, architecture.number_of_parameters).astype(np.float32)
    model = Model(architecture, vocabulary, parameters, lines)
    model.named_parameters["b_y"][:2] += bias.get("eos", 0), bias.get("unknown", 0)
    return model


def probability(model, tokens):
    """Of a sequence of ids from the zero state, by the plain equations."""
    network, product, before = Reference(model.architecture, model.parameters), 1.0, EOS
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
    """All lines of up to three characters are enumerated; masking <UNK> at each step would differ from them."""
    model, drawn = random_model(lines=True, seed=2, eos=1.0, unknown=0.5), 20_000
    lines = [line for n in (1, 2, 3) for line in itertools.product((2, 3), repeat=n)]
    weight = {model.vocabulary.decode(line): probability(model, [*line, EOS]) for line in lines}
    total = sum(weight.values())
    counts = Counter(sample.text for sample in charlm.sample(model, drawn, 4, seed=1))
    expected = {text: drawn * value / total for text, value in weight.items()}
    assert chi_square(counts, expected)[1] < 4
    masked = {}
    for text in expected:  # each step's probability of <UNK> set to 0 and the rest scaled up
        network, before, masked[text] = Reference(model.architecture, model.parameters), EOS, 1.0
        for position, token in enumerate([*model.vocabulary.encode(text), EOS]):
            step = softmax(network.step(np.array([before])))[0]
            step[[UNKNOWN] if position else [UNKNOWN, EOS]] = 0
            masked[text] *= step[token] / step.sum()
            before = token
    share = sum(masked.values())
    assert chi_square(counts, {text: drawn * value / share for text, value in masked.items()})[1] > 10


def test_draws_follow_the_softmax():
    model = random_model(lines=False, symbols="abcdefgh", seed=1, unknown=-30)
    drawn = 50_000
    counts = Counter(sample.text for sample in charlm.sample(model, drawn, 1, seed=2))
    step = softmax(Reference(model.architecture, model.parameters).step(np.array([EOS])).astype(float))[0]
    expected = {model.vocabulary.decode([token]): drawn * step[token] for token in range(len(step)) if token != UNKNOWN}
    assert chi_square(counts, expected)[1] < 4


@pytest.mark.parametrize("lines", [True, False])
def test_no_unknown_and_the_refusals_are_counted(lines):
    model = random_model(lines, unknown=1.0, eos=1.0)
    sampler = Sampler(model, 200, 30, seed=1)
    samples = list(sampler.samples())
    assert len(samples) == 200 and sampler.tally.refusals["unknown"] > 20
    assert not any("<UNK>" in sample.text for sample in samples)
    settled = 200 if lines else None
    assert settled is None or sampler.tally.drawn == settled + sampler.tally.refused
    if lines:
        assert all(sample.text and "\n" not in sample.text for sample in samples)


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_log_probability_is_that_of_the_equations(lines, cell):
    model = random_model(lines, unknown=-1.0, cell=cell)
    for sample in charlm.sample(model, 20, 12, seed=4, temperature=0.7, top_k=3, start_with="ab"):
        tokens = [*model.vocabulary.encode(sample.text), *([EOS] if lines else [])]
        assert sample.text.startswith("ab") and sample.tokens == len(tokens)
        assert sample.log_probability == pytest.approx(math.log(probability(model, tokens)), rel=1e-4)


def test_a_score_of_a_sample_is_its_log_probability():
    model = random_model(lines=True, unknown=-1.0)
    for sample in charlm.sample(model, 10, seed=4):
        assert charlm.perplexity(model, sample.text).nats == pytest.approx(-sample.log_probability, rel=1e-5)


def test_a_stream_has_the_length_asked_and_settles_without_line_ends():
    model = random_model(lines=False, eos=-40.0, unknown=-7.0)
    sampler = Sampler(model, 3, 3 * UNIT + 17, seed=1)
    pieces = list(sampler.pieces())
    for number in range(3):
        own = [piece for piece in pieces if piece.number == number]
        assert "".join(piece.text for piece in own) == own[-1].sample.text
        assert own[-1].sample.tokens == len(own[-1].sample.text) == 3 * UNIT + 17
    assert [piece.number for piece in pieces] == sorted(piece.number for piece in pieces)


def test_many_more_samples_than_are_drawn_side_by_side():
    """No sample is preferred for ending early: the lengths of many are those of one after the other."""
    model = random_model(lines=True, unknown=-3.0, eos=-0.5)
    together = [sample.tokens for sample in charlm.sample(model, 3000, seed=1)]
    alone = [next(charlm.sample(model, 1, seed=seed)).tokens for seed in range(1000)]
    assert np.mean(together) == pytest.approx(np.mean(alone), abs=5 * np.std(alone) / math.sqrt(len(alone)))


def test_a_seed_gives_the_same_in_another_process(tmp_path):
    model = random_model(lines=False)
    model.save(tmp_path / "m.npz")
    command = [
        sys.executable,
        "-m",
        "charlm",
        "sample",
        "--model",
        str(tmp_path / "m.npz"),
        "--seed",
        "5",
        "--count",
        "3",
        "--json",
    ]
    first, second = (subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2))
    assert first == second and first.count(b"\n") == 3
    assert first != subprocess.run([*command, "--seed", "6"], capture_output=True, check=True).stdout


def distribution(choice, logits):
    return choice.probabilities(np.array([logits], np.float32))[0]


LOGITS = [2.0, 1.0, 0.0, -1.0]


def test_temperature():
    plain = softmax(np.array(LOGITS))
    assert distribution(Choice(), LOGITS) == pytest.approx(plain)
    assert distribution(Choice(0.5), LOGITS) == pytest.approx(softmax(2 * np.array(LOGITS)))
    assert distribution(Choice(1e9), LOGITS) == pytest.approx([0.25] * 4)
    for coldest in (0, 1e-9, 1e-320):
        assert distribution(Choice(coldest), LOGITS) == pytest.approx([1, 0, 0, 0])


def test_top_k_and_top_p():
    plain = softmax(np.array(LOGITS))
    assert distribution(Choice(top_k=2), LOGITS) == pytest.approx([*plain[:2] / plain[:2].sum(), 0, 0])
    assert distribution(Choice(top_k=1), LOGITS) == pytest.approx([1, 0, 0, 0])
    assert distribution(Choice(top_k=99), LOGITS) == pytest.approx(plain)
    # 0.644, 0.237, …: the first reaches 0.6, two are needed for 0.65
    assert distribution(Choice(top_p=0.6), LOGITS) == pytest.approx([1, 0, 0, 0])
    assert distribution(Choice(top_p=0.65), LOGITS) == pytest.approx([*plain[:2] / plain[:2].sum(), 0, 0])
    assert distribution(Choice(top_k=2), [0.0] * 4) == pytest.approx([0.5, 0.5, 0, 0])  # ties: exactly k are kept


@pytest.mark.parametrize(
    "setting",
    [
        {"temperature": -1},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"top_k": -1},
        {"top_p": 0},
        {"top_p": 1.1},
    ],
)
def test_choices_that_cannot_be(setting):
    with pytest.raises(UsageError, match=next(iter(setting)).replace("_", "-")):
        Choice(**setting)


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (True, {"start_with": "aé"}, "'é'"),
        (True, {"start_with": "a\nb"}, "one line"),
        (True, {"prime": "a\nb"}, "one line"),
        (False, {"start_with": "abab", "length": 4}, "--length"),
        (True, {"length": 0}, "--length"),
        (True, {"count": 0}, "--count"),
    ],
)
def test_what_cannot_be_drawn_is_said(lines, options, message):
    with pytest.raises((SamplingError, UsageError), match=message):
        list(charlm.sample(random_model(lines), **options))


@pytest.mark.parametrize(
    ("bias", "reason"),
    [({"unknown": 40.0}, "<UNK>"), ({"eos": 40.0}, "empty"), ({"eos": -60.0, "unknown": -60.0}, "too long")],
)
def test_a_run_that_cannot_succeed_ends_with_the_reason(bias, reason):
    with pytest.raises(SamplingError, match=f"0 of 1 samples.*10,000 were refused in a row.*{reason}"):
        list(charlm.sample(random_model(lines=True, **bias), length=5, seed=1))
    with pytest.raises(SamplingError, match=f"nothing but the likeliest.*{reason}"):
        list(charlm.sample(random_model(lines=True, **bias), length=5, temperature=0))
