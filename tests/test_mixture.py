"""The mixture of a network and n-grams: one distribution wherever it is asked, and weights that fit held-out text."""

import dataclasses
import itertools

import numpy as np
import pytest

import charlm
from charlm.learning.autotune import new_trainer
from charlm.network.measuring import Spans, measure, spans
from charlm.network.mixed_window import Fitted, even_weights, fit, halves_of, newton
from charlm.network.mixture import EVEN, MOST_WEIGHT, RIDGE, MixedNetwork, Mixture
from charlm.network.probabilities import log_softmax
from charlm.network.stack import Stack, StackWindow
from charlm.network.stepper import Stepper, numpy_network, take_rows
from charlm.network.threads import ThreadPool
from charlm.sampling.sampler import Sampler
from charlm.sampling.settings import SamplingOptions
from charlm.scoring.scorer import Engines, Scorer
from charlm.text.ngrams import NGrams
from charlm.text.vocabulary import EOS, UNKNOWN

LINES = ["cab a face", "bead a cage", "deaf gaff", "egg a fee", "dada cab", "abba bead egg"]


@pytest.fixture(scope="module", params=[True, False], ids=["lines", "stream"])
def trainer(request, tmp_path_factory):
    """A trained network with n-grams of up to four characters."""
    random = np.random.default_rng(5)
    text = "".join(f"{LINES[number]} {LINES[other]}\n" for number, other in random.integers(0, 6, (400, 2)))
    path = tmp_path_factory.mktemp("mixture") / "text.txt"
    path.write_text(text)
    trainer = new_trainer(path, lines=request.param, hidden=8, layers=1, epochs=2, batch=8, steps=16, ngrams=4)
    list(trainer.run())
    return trainer


@pytest.fixture
def model(trainer):
    """The model, with weights that differ from length to length."""
    weights = np.random.default_rng(1).uniform(0.2, 0.9, (4, 2))
    return dataclasses.replace(trainer.best, mixture=Mixture(trainer.ngrams, weights))


def network_logits(model, ids):
    """log ŷ of every token before each of some tokens, and after the last one, by the network alone: (n + 1, V)."""
    network = numpy_network(model.architecture, model.parameters, apart=True)
    state = network.step(network.zero_state(1), np.array([EOS]))
    found = [state[-1][0]]
    for token in ids:
        state = network.step(state, np.array([token]))
        found.append(state[-1][0])
    return log_softmax(np.array(found, np.float64))


def counted(ngrams, past, vocabulary_size):
    """q of every token after some tokens, one token after another by ``NGrams.probabilities``."""
    return np.array([ngrams.probabilities(np.array([*past, token]))[-1] for token in range(vocabulary_size)])


def known_length(ngrams, past):
    """The length of the longest history that some n-gram continues."""
    nodes = ngrams.no_history(1)
    for token in [EOS, *past]:
        nodes = ngrams.step(nodes, np.array([token]))
    children = np.append(np.diff(ngrams.first), 0)[nodes[0]]
    return int(np.flatnonzero(children)[-1])


def test_the_mixture_is_that_of_its_equation(model):
    ids = model.vocabulary.encode("a cage bad").tolist()
    y, V = network_logits(model, ids), len(model.vocabulary)
    predictor = Stepper(model.architecture, model.parameters, True, model.mixture)
    state, nats = predictor.begin(ids)
    for length in (0, 1, 4, len(ids)):
        past = ids[:length]
        alpha, beta = model.mixture.weights[known_length(model.mixture.ngrams, past)]
        expected = np.exp(alpha * y[length] + beta * np.log(counted(model.mixture.ngrams, past, V)))
        expected[UNKNOWN] = 0
        of_unknown = np.exp(y[length, UNKNOWN])  # the counts have not seen it: it keeps the network's estimate
        expected *= (1 - of_unknown) / expected.sum()
        expected[UNKNOWN] = of_unknown
        found = np.exp(log_softmax(predictor.begin(past)[0][-1][0]))
        assert found == pytest.approx(expected, rel=1e-5)
    assert known_length(model.mixture.ngrams, ids) >= 1 and len(nats) == len(ids)


def test_numpy_and_the_kernels_agree(model):
    tokens = model.vocabulary.encode("".join(f"{line}\n" for line in [*LINES, "acdc ?é gag", *LINES[::-1]]))
    lines, engines = spans(tokens, model.lines), Engines(model, threads=2)
    columns = ("ranks", "entropies", "most_likely")
    some, others = (
        measure(make(len(lines.start)), tokens, lines, columns) for make in (engines.numpy, engines.compiled)
    )
    assert some.nats == pytest.approx(others.nats, abs=2e-6, rel=2e-6)
    assert np.array_equal(some.ranks, others.ranks) and np.array_equal(some.most_likely[:, 0], others.most_likely[:, 0])
    assert some.entropies == pytest.approx(others.entropies, abs=5e-6)
    assert engines.compiled(len(lines.start)).probabilities.sum(2)[0] == pytest.approx(1, abs=1e-5)
    alone = dataclasses.replace(model, mixture=None)
    network = measure(Engines(alone).numpy(len(lines.start)), tokens, lines)
    unknown = tokens == UNKNOWN
    assert unknown.any() and some.nats[unknown] == pytest.approx(network.nats[unknown], rel=1e-5)
    assert not np.allclose(some.nats[~unknown], network.nats[~unknown], rtol=0.01)


@pytest.mark.parametrize("has_unknown", [True, False])
def test_unknown_tokens_that_were_counted_are_like_others(model, has_unknown):
    text = np.array([EOS, 2, 3, UNKNOWN if has_unknown else 2, 4] * 30)
    V = len(model.vocabulary)
    ngrams = NGrams.count(text, V, 4, model.lines, singletons=4)
    mixture = Mixture(ngrams, np.full((4, 2), 0.5))
    mixed = MixedNetwork(numpy_network(model.architecture, model.parameters, True), mixture)
    state = mixed.step(mixed.zero_state(1), np.array([EOS]))
    for token in (2, 3):
        state = mixed.step(state, np.array([token]))
    plain = network_logits(model, [2, 3])[-1]
    found = np.exp(log_softmax(state[-1][0]))
    assert (found[UNKNOWN] > 3 * np.exp(plain[UNKNOWN])) == has_unknown
    if not has_unknown:
        assert found[UNKNOWN] == pytest.approx(np.exp(plain[UNKNOWN]), rel=1e-6)


def test_a_row_has_the_same_bits_whatever_stands_in_the_others(model):
    predictor = Stepper(model.architecture, model.parameters, False, model.mixture)
    state, _ = predictor.begin(model.vocabulary.encode("a ca").tolist())
    tokens = np.random.default_rng(2).integers(0, len(model.vocabulary), (9, 12))
    many, one = take_rows(state, [0] * 12), take_rows(state, [0] * 4)
    for step in tokens:
        many = predictor.step(many, step)
        one = predictor.step(one, np.concatenate((step[5:6], step[:3])))
        assert all(np.array_equal(a[5], b[0]) for a, b in zip(many, one, strict=True))
    network = numpy_network(model.architecture, model.parameters, True, model.mixture)
    alone, rows = network.zero_state(1), network.zero_state(12)
    for step in tokens:
        alone, rows = network.step(alone, step[5:6]), network.step(rows, step)
        assert all(np.array_equal(a[5], b[0]) for a, b in zip(rows, alone, strict=True))


def held_out(trainer, threads=1):
    """(window, tokens, spans) of the held-out part."""
    stack = Stack(trainer.architecture, trainer.best_parameters, ThreadPool(threads))
    stack.pack(for_training=False)
    tokens = trainer.corpus.held_out
    parts = spans(tokens, trainer.corpus.lines)
    return StackWindow(stack, 8, len(parts.start)), tokens, parts


def loss_with(trainer, weights, tokens, parts):
    """Nats per token of the mixture with these weights, by the NumPy engine."""
    model = dataclasses.replace(trainer.best, mixture=Mixture(trainer.ngrams, weights))
    return float(measure(Engines(model).numpy(len(parts.start)), tokens, parts).nats.mean(dtype=np.float64))


def test_fitting_finds_weights_with_a_lower_loss_than_others(trainer):
    window, tokens, parts = held_out(trainer)
    weights = even_weights(4)
    for _ in range(8):
        fitted = fit(window, Mixture(trainer.ngrams, weights[2]), weights, tokens, trainer.corpus.lines, parts)
        weights = fitted.weights
    best, random = loss_with(trainer, weights[2], tokens, parts), np.random.default_rng(3)
    for _ in range(5):
        other = np.clip(weights[2] * random.uniform(0.6, 1.5, (4, 2)), 0, None)
        assert loss_with(trainer, other, tokens, parts) > best
    assert best < min(fitted.network, fitted.ngrams)


def test_weights_of_rare_lengths_stay_near_those_of_all():
    """Of a loss that is quadratic, one step finds the weights with the lowest loss and penalty."""
    best = np.array([0.9, 0.3])
    second = np.array([[400.0, 100.0], [100.0, 300.0]])
    now = np.full((3, 2), 0.5)
    parts = [second, 1e-3 * second, 0 * second]
    sums = np.array([[*(part @ (now[0] - best)), part[0, 0], part[0, 1], part[1, 1]] for part in parts])
    found = newton(now, sums)
    assert found[0] == pytest.approx(best, abs=0.05)
    mean = np.linalg.solve(sum(parts) + RIDGE * np.eye(2), sum(parts) @ best + RIDGE * EVEN)
    assert found[2] == pytest.approx(mean) and found[1] == pytest.approx(mean, abs=0.02)
    assert newton(now, np.zeros((3, 5))) == pytest.approx(EVEN)
    assert newton(now, sums * [-50, -50, 1, 1, 1]).max() <= MOST_WEIGHT


def test_each_half_is_measured_with_the_weights_of_the_other(trainer):
    window, tokens, parts = held_out(trainer)
    weights = np.random.default_rng(4).uniform(0.2, 0.9, (3, 4, 2))
    fitted = fit(window, Mixture(trainer.ngrams, weights[2]), weights, tokens, trainer.corpus.lines, parts)
    by_half = [
        measure(
            Engines(dataclasses.replace(trainer.best, mixture=Mixture(trainer.ngrams, weights[other]))).numpy(
                len(parts.start)
            ),
            tokens,
            parts,
        ).nats
        for other in (1, 0)
    ]
    half = halves_of(tokens, trainer.corpus.lines)
    expected = np.where(half, by_half[1], by_half[0]).mean(dtype=np.float64)
    assert fitted.mixture == pytest.approx(expected, rel=1e-5)
    changed = tokens.copy()
    if trainer.corpus.lines:
        ends = np.append(-1, np.flatnonzero(tokens == EOS))
        for start, end in itertools.pairwise(ends[: len(ends) // 2 * 2]):
            first = changed[start + 1 : end]
            first[:] = first[::-1] if half[end] == 0 else first
    else:
        changed[: len(tokens) // 2] = changed[: len(tokens) // 2][::-1]
    again = fit(window, Mixture(trainer.ngrams, weights[2]), weights, changed, trainer.corpus.lines, parts)
    if trainer.corpus.lines:
        assert np.array_equal(again.weights[1], fitted.weights[1])  # the second half alone decides them
    assert not np.array_equal(again.weights[0], fitted.weights[0])


def test_a_second_reading_has_the_weights_of_the_first(trainer):
    evaluation = trainer.evaluation
    once = evaluation.fit([])
    again, twice = evaluation.fit(once.weights.ravel().tolist()), evaluation.fit([], 2)
    assert again.mixture == twice.mixture != once.mixture and np.array_equal(again.weights, twice.weights)


def test_where_the_counts_only_harm_the_network_gets_the_weight_that_is_best_alone():
    """A step of Newton's method towards (1.6, -0.5) ends at the smallest loss of all that are not negative."""
    curvature, goal = np.array([[9.0, 7.0], [7.0, 8.0]]), np.array([1.6, -0.5])
    for order in (slice(None), slice(None, None, -1)):
        H, best, start = curvature[order, order], goal[order], np.full(2, EVEN)
        slope = H @ (start - best)
        sums = np.tile([*slope, H[0, 0], H[0, 1], H[1, 1]], (3, 1)) * 1e6  # the penalty is nothing beside it
        found = newton(np.tile(start, (3, 1)), sums)
        kept = int(np.argmax(best))
        expected = np.zeros(2)
        expected[kept] = (H @ best)[kept] / H[kept, kept]
        assert found == pytest.approx(np.tile(expected, (3, 1)), abs=1e-4)


def test_halves_of_a_list_are_every_other_line():
    tokens = np.array([5, 3, EOS, EOS, 4, EOS, 2, 2, EOS])
    assert halves_of(tokens, True).tolist() == [0, 0, 0, 1, 0, 0, 1, 1, 1]
    assert halves_of(tokens, False).tolist() == 4 * [False] + 5 * [True]


def test_the_fit_is_the_same_for_any_number_of_threads(trainer):
    found = []
    for threads in (1, 2, 5):
        window, tokens, parts = held_out(trainer, threads)
        even = even_weights(4)
        weights = fit(window, Mixture(trainer.ngrams, even[2]), even, tokens, trainer.corpus.lines, parts)
        found.append((weights.mixture, weights.network, weights.ngrams, weights.weights.tolist()))
    assert found[0] == found[1] == found[2]


def test_the_derivatives_are_those_of_the_loss(trainer):
    window, tokens, parts = held_out(trainer)
    even, length, width = even_weights(4), 3, 0.01
    found = fit(window, Mixture(trainer.ngrams, even[2]), even, tokens, trainer.corpus.lines, parts).sums.sum(0)[length]
    at = {}
    for a in (-1, 0, 1):
        for b in (-1, 0, 1):
            weights = even[2].copy()
            weights[length] += width * np.array([a, b])
            at[a, b] = loss_with(trainer, weights, tokens, parts) * len(tokens)
    expected = [
        (at[1, 0] - at[-1, 0]) / (2 * width),
        (at[0, 1] - at[0, -1]) / (2 * width),
        (at[1, 0] - 2 * at[0, 0] + at[-1, 0]) / width**2,
        (at[1, 1] - at[1, -1] - at[-1, 1] + at[-1, -1]) / (4 * width**2),
        (at[0, 1] - 2 * at[0, 0] + at[0, -1]) / width**2,
    ]
    assert found == pytest.approx(np.array(expected), rel=0.02, abs=1)


def test_the_told_loss_is_not_that_of_weights_fitted_to_the_same_text(trainer):
    """It is a little above the loss of the model that was kept, whose weights know the whole held-out part."""
    corpus = trainer.corpus
    kept = Scorer(trainer.best).measure(corpus.held_out).nats.mean(dtype=np.float64)
    alone = trainer.best.training["alone"]
    assert kept - 1e-6 < trainer.best_loss < kept + 0.05
    assert trainer.best_loss < min(alone["network"], alone["ngrams"])


def test_a_sample_of_the_held_out_part_is_measured_with_the_mixture(trainer):
    weights = trainer.state.weights
    expected = loss_with(trainer, np.reshape(weights, (3, 4, 2))[2], *held_out(trainer)[1:])
    assert trainer.evaluation.sample_loss(trainer.evaluation.size, weights) == pytest.approx(expected, abs=0.02)
    assert trainer.evaluation.sample_loss(500, weights) == pytest.approx(expected, abs=0.2)


def test_sampled_text_has_the_log_probability_of_the_sampler(model):
    samples = Sampler(model, 5, 60, SamplingOptions(seed=3, allow_copies=True, unknown="mask")).samples()
    for sample in samples:
        expected = charlm.log_probability(model, sample.text)
        assert sample.log_probability == pytest.approx(expected, abs=1e-5 * sample.tokens)


def test_draws_follow_the_mixture(model):
    """The first characters of many samples: χ² with V - 1 degrees of freedom."""
    count = 4000
    decoding = SamplingOptions(seed=8, allow_copies=True)
    found = [sample.text[:1] for sample in Sampler(model, count, 1 if not model.lines else None, decoding).samples()]
    probabilities = charlm.next_tokens(model, "")
    probabilities.pop("<UNK>")
    names = [name for name, value in probabilities.items() if value * count > 5]
    expected = np.array([probabilities[name] for name in names]) * count
    observed = np.array(
        [found.count("" if name == "<EOS>" and model.lines else name.replace("<EOS>", "\n")) for name in names]
    )
    assert ((observed - expected) ** 2 / expected).sum() < len(names) + 5 * np.sqrt(2 * len(names))


def test_without_ngrams_the_network_is_alone(trainer, tmp_path):
    (tmp_path / "text.txt").write_text("abba cab\nface\n" * 20)
    model = charlm.train(tmp_path / "text.txt", hidden=3, layers=1, epochs=1, ngrams=0)
    assert model.mixture is None and "alone" not in model.training
    with pytest.raises(charlm.UsageError, match="--ngrams goes with --task text"):
        charlm.train(pairs=[("x", "abba"), ("y", "cab")] * 9, task="classify", ngrams=3)


@pytest.mark.parametrize("order", [1, 2])
def test_small_orders(trainer, order):
    text = trainer.corpus.train
    mixture = Mixture(
        NGrams.count(text, len(trainer.corpus.vocabulary), order, False, singletons=2), even_weights(order)[2]
    )
    model = dataclasses.replace(trainer.best, mixture=mixture)
    tokens, one = trainer.corpus.held_out[:50], Spans.one(0, 0, 50)
    engines = Engines(model)
    some, others = (measure(make(1), tokens, one).nats for make in (engines.numpy, engines.compiled))
    assert some == pytest.approx(others, abs=2e-6, rel=2e-6)


def test_losses_are_means(trainer):
    assert Fitted(np.array([6.0, 4.0, 2.0]), np.zeros((2, 4, 5)), 2, even_weights(4)[2]).ngrams == 1.0
