"""Filling a pattern: the posterior by enumeration, and its estimate by resampling where fillings are too many."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from test_sampling import chi_square, probability, random_model

import charlm
from charlm.errors import SamplingError, UsageError
from charlm.sampling.infilling import Filler, read_pattern, resample
from charlm.sampling.settings import SamplingOptions
from charlm.text.novelty import ExactNovelty
from charlm.text.vocabulary import EOS, Vocabulary


def enumerated(model, pattern, symbols, power=1.0):
    """Each filling and its fraction of the probability of all, each computed on its own by the oracle's equations."""
    fractions = {}
    for letters in itertools.product(symbols, repeat=pattern.count("_")):
        rest = iter(letters)
        text = "".join(next(rest) if letter == "_" else letter for letter in pattern)
        ids = [*model.vocabulary.encode(text), *([EOS] if model.lines else [])]
        fractions[text] = probability(model, ids) ** power
    total = sum(fractions.values())
    return {text: fraction / total for text, fraction in fractions.items()}


def found(filler):
    tokens, nats, weights = filler.posterior()
    texts = [filler.model.vocabulary.decode(ids).removesuffix("\n") for ids in tokens]
    assert len(set(texts)) == len(texts) and weights.sum() == pytest.approx(1)
    return dict(zip(texts, weights, strict=True)), dict(zip(texts, nats, strict=True))


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_few_fillings_are_enumerated(lines, temperature):
    model = random_model(lines, symbols="abc", seed=3)
    expected = enumerated(model, "_b_a_c", "abc", 1 / temperature)
    weights, nats = found(Filler(model, "_b_a_c", 1, SamplingOptions(temperature=temperature)))
    assert weights == pytest.approx(expected, rel=1e-4)
    for text in expected:
        ids = [*model.vocabulary.encode(text), *([EOS] if lines else [])]
        assert nats[text] == pytest.approx(-math.log(probability(model, ids)), rel=1e-4)


def test_fillings_follow_the_posterior_and_not_the_model_at_the_blank():
    """What comes after a blank counts: sampling each blank from the past alone would differ."""
    model, count = random_model(lines=True, symbols="abc", seed=5), 20_000
    expected = {text: count * fraction for text, fraction in enumerated(model, "a_b_", "abc").items()}
    counts = Counter(sample.text for sample in charlm.sample(model, count, fill="a_b_", seed=1))
    assert chi_square(counts, expected)[1] < 4
    ahead = {}
    for text in expected:
        ids = model.vocabulary.encode(text).tolist()
        product = 1.0
        for blank in (1, 3):
            others = {other: probability(model, [*ids[:blank], other]) for other in (2, 3, 4)}
            product *= others[ids[blank]] / sum(others.values())
        ahead[text] = count * product
    assert chi_square(counts, ahead)[1] > 10


def test_with_few_prefixes_the_estimate_is_right_in_the_mean():
    model, pattern, runs = random_model(lines=True, symbols="abc", seed=3), "__b___", 400
    exact = Filler(model, pattern)
    truth = {text: weight * math.exp(exact.log_evidence) for text, weight in found(exact)[0].items()}
    estimates = {text: np.zeros(runs) for text in truth}
    for seed in range(runs):
        filler = Filler(model, pattern, 1, SamplingOptions(seed=seed), prefixes=24)
        weights, _ = found(filler)
        assert len(weights) <= 24
        for text, weight in weights.items():
            estimates[text][seed] = weight * math.exp(filler.log_evidence)
    assert sum(np.count_nonzero(values) > 0 for values in estimates.values()) > 100  # of 243: they are sampled
    for text, values in estimates.items():
        if np.count_nonzero(values) > 20:
            assert values.mean() == pytest.approx(truth[text], abs=4.5 * values.std() / math.sqrt(runs) + 1e-12), text
    totals = sum(estimates.values())
    assert totals.mean() == pytest.approx(sum(truth.values()), abs=4 * totals.std() / math.sqrt(runs))


@pytest.mark.parametrize("count", [1, 2, 7, 39])
def test_resampling_keeps_every_mean(count):
    random = np.random.default_rng(1)
    logs = random.normal(0, 2, 40) - 300
    sums, runs = np.zeros(40), 4000
    for _ in range(runs):
        chosen, weights = resample(logs, count, random)
        assert len(set(chosen.tolist())) == len(chosen) <= count and (np.diff(chosen) > 0).all()
        sums[chosen] += np.exp(weights + 300)
    truth = np.exp(logs + 300)
    deviation = np.sqrt(truth * truth.sum() / runs)
    assert (np.abs(sums / runs - truth) < 5 * deviation + 1e-9).all()


def test_resampling_leaves_heavy_weights_alone():
    logs = np.log([0.5, 0.3, 0.05, 0.05, 0.05, 0.05])
    chosen, weights = resample(logs, 4, np.random.default_rng(1))
    assert chosen.tolist()[:2] == [0, 1] and len(chosen) == 4
    assert np.exp(weights) == pytest.approx([0.5, 0.3, 0.1, 0.1])


def test_the_most_likely_filling_and_then_the_next():
    model = random_model(lines=True, symbols="abc", seed=3)
    ranked = sorted(enumerated(model, "_b__", "abc").items(), key=lambda item: -item[1])
    options = {"fill": "_b__", "temperature": 0}
    assert [sample.text for sample in charlm.sample(model, 2, **options)] == [ranked[0][0]] * 2
    assert [sample.text for sample in charlm.sample(model, 5, unique=True, **options)] == [t for t, _ in ranked[:5]]
    with pytest.raises(SamplingError, match="27 of 28 fillings.*--unique"):
        list(charlm.sample(model, 28, unique=True, **options))


def test_a_prime_is_read_before_the_pattern():
    model = random_model(lines=False, symbols="abc", seed=3)
    with_prime = enumerated(model, "caca_b_", "abc")
    weights, _ = found(Filler(model, "_b_", 1, SamplingOptions(prime="caca")))
    assert weights == pytest.approx({text[4:]: fraction for text, fraction in with_prime.items()}, rel=1e-4)


def test_copies_are_no_fillings():
    model = random_model(lines=True, symbols="abc", seed=3)
    model.novelty = ExactNovelty(["abaa\n", "bbba\n", "caca\n"])
    filler = Filler(model, "___a", 24, SamplingOptions(unique=True, seed=1))
    texts = [sample.text for sample in filler.samples()]
    assert len(set(texts)) == 24 and not {"abaa", "bbba", "caca"} & set(texts)
    assert filler.counts.rejections["copied"] == filler.counts.sampled - 24 <= 3
    with pytest.raises(SamplingError, match="24 of 25 fillings.*3 copied"):
        list(charlm.sample(model, 25, fill="___a", unique=True))
    assert len(list(charlm.sample(model, 27, fill="___a", unique=True, allow_copies=True))) == 27


def test_a_blank_of_words_is_a_word():
    model = random_model(lines=True, symbols="abcdefg", seed=3)
    model.vocabulary = Vocabulary("word", ["The", " cat", " dog", " sat", ".", " ", "an"])
    weights, _ = found(Filler(model, "The ____ sat."))
    assert set(weights) == {"The cat sat.", "The dog sat.", "The sat sat."}
    assert set(found(Filler(model, "___ cat"))[0]) == {"The cat", "an cat"}
    with pytest.raises(UsageError, match="whole word"):
        Filler(model, "The d__ sat.")
    with pytest.raises(UsageError, match="never seen 'cat' in .*; it knows ' cat': write it so"):
        charlm.sample(model, start_with="cat")
    with pytest.raises(UsageError, match="never seen ' The' in --fill; it knows 'The': write it so"):
        Filler(model, "____ The")
    with pytest.raises(UsageError, match="never seen 'cow' in .*; leave it out"):
        charlm.sample(model, start_with="cow")


@pytest.mark.parametrize(
    ("pattern", "text", "blanks"),
    [
        ("a_b", "a_b", [1]),
        (r"a\__", "a__", [2]),
        (r"\\_", r"\_", [1]),
        (r"\\\__", r"\__", [2]),
        (r"C:\new\\x_", r"C:\new\\x_", [9]),
        ("__", "__", [0, 1]),
    ],
)
def test_a_backslash_makes_a_true_underscore(pattern, text, blanks):
    found, is_blank = read_pattern(pattern)
    assert found == text and np.flatnonzero(is_blank).tolist() == blanks


@pytest.mark.parametrize("level", ["char", "byte", "word", "subword"])
def test_a_true_underscore_stays_in_a_filling(level):
    model = random_model(lines=True, symbols="abcd", seed=3)
    symbols = {"word": ["_", " _", " a", " b"], "byte": [*b"_ab\\"], "subword": ["_", "a", "b", "a_"]}
    merges = [(3, 2)] if level == "subword" else ()
    model.vocabulary = Vocabulary(level, symbols.get(level, "_ab\\"), merges)
    pattern, texts = (r"\_ ____", {"_ a", "_ b"}) if level == "word" else (r"\__\_", {"_a_", "_b_", "___"})
    assert texts <= set(found(Filler(model, pattern))[0]) <= {*texts, "_\\_"}
    with pytest.raises(UsageError, match="at least one blank"):
        Filler(model, r"a\_")


def test_a_blank_of_bytes_is_a_byte():
    model = random_model(lines=False, symbols="abc", seed=3)
    model.vocabulary = Vocabulary("byte", [0xC3, 0xA9, ord("a")])
    weights, _ = found(Filler(model, "a_\udca9"))
    assert set(weights) == {"aé", "aa\udca9", "a\udca9\udca9"}


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("", "at least one blank"), ("abc", "at least one blank"), ("ax_", "'x'"), ("a\n_", "line")],
)
def test_a_pattern_that_cannot_be_filled(pattern, message):
    with pytest.raises((UsageError, SamplingError), match=message):
        charlm.sample(random_model(lines=True, symbols="abc"), fill=pattern)


@pytest.mark.parametrize(
    "option",
    [
        {"length": 5},
        {"top_k": 2},
        {"top_p": 0.5},
        {"min_p": 0.5},
        {"unknown": "mask"},
        {"start_with": "a"},
        {"stop": "a"},
        {"min_length": 1},
        {"max_length": 9},
        {"best_of": 2},
    ],
    ids=str,
)
def test_options_that_do_not_go_with_a_pattern(option):
    (name,) = option
    with pytest.raises(UsageError, match=f"--fill and --{name.replace('_', '-')} do not"):
        charlm.sample(random_model(lines=True, symbols="abc"), fill="a_", **option)
