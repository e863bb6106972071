"""A model that adapts learns from the text so far, knows nothing of the text to come, and does not change the model.

``Oracle`` has the equations of ``network/adaptive_mixture.py`` in dictionaries and lists, one token at a time.
"""

import dataclasses
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from test_scoring import model_of, random_text

import charlm
from charlm.cli import program
from charlm.kernels import adaptive as kernels
from charlm.network import adaptive_mixture
from charlm.network.adaptive_mixture import AdaptiveMixture
from charlm.network.mixture import Mixture
from charlm.scoring.adaptive import STEPS, AdaptingScorer
from charlm.scoring.options import RATE
from charlm.scoring.scorer import Scorer
from charlm.text.ngrams import NGrams
from charlm.text.vocabulary import EOS, UNKNOWN

COLUMNS = ("ranks", "entropies", "most_likely")


def tokens_of(length, seed=1):
    tokens = np.random.default_rng(seed).integers(2, 8, length).astype(np.int32)
    tokens[9::10] = EOS
    tokens[-1] = EOS
    return tokens


def nats(model, tokens, rate=0.01, threads=None, cuts=()):
    scorer = AdaptingScorer(model, ("ranks",), rate, threads)
    return np.concatenate([scorer.measure(part).nats for part in np.split(tokens, cuts)])


def mixed(model, order=3, unknown=False):
    """The model together with n-grams of random tokens. unknown: whether <UNK> is among them."""
    counted = tokens_of(500, seed=4)
    counted[5] = UNKNOWN if unknown else counted[5]
    ngrams = NGrams.count(counted, len(model.vocabulary), order, model.lines, singletons=order)
    weights = np.random.default_rng(1).uniform(0.2, 0.9, (order, 2))
    return dataclasses.replace(model, mixture=Mixture(ngrams, weights))


def both_kinds(lines):
    return [model_of(lines), mixed(model_of(lines))]


@pytest.mark.parametrize("lines", [False, True])
def test_later_text_changes_no_earlier_score(lines):
    tokens, other = tokens_of(300), tokens_of(300, seed=2)
    other[:200] = tokens[:200]
    for model in both_kinds(lines):
        one, two = nats(model, tokens), nats(model, other)
        assert np.array_equal(one[:200], two[:200])
        assert not np.allclose(one[200:], two[200:])


@pytest.mark.parametrize("lines", [False, True])
def test_neither_the_parts_of_the_text_nor_the_threads_change_a_score(lines):
    tokens = tokens_of(300)
    for model in both_kinds(lines):
        whole = nats(model, tokens, threads=1)
        assert np.array_equal(whole, nats(model, tokens, threads=2))
        assert np.array_equal(whole, nats(model, tokens, cuts=(10, 40, 50, 190)))


def test_the_model_scores_the_first_window_as_it_is_and_learns_before_the_next():
    model, tokens = model_of(False), tokens_of(3 * STEPS)
    adapting, fixed = nats(model, tokens), Scorer(model, ()).measure(tokens).nats
    assert np.allclose(adapting[:STEPS], fixed[:STEPS], atol=1e-5)
    assert np.abs(adapting[STEPS:] - fixed[STEPS:]).min() > 0


def test_a_tiny_rate_gives_the_columns_of_a_fixed_model():
    model, tokens = model_of(False), tokens_of(100)
    adapting = AdaptingScorer(model, COLUMNS, 1e-30).measure(tokens)
    fixed = Scorer(model, COLUMNS).measure(tokens)
    for column, expected in zip(vars(adapting).values(), vars(fixed).values(), strict=True):
        assert np.allclose(column, expected, atol=1e-4)


@pytest.mark.parametrize("lines", [False, True])
def test_a_text_that_repeats_itself_becomes_less_surprising(lines):
    text = "abcfed\n" * 300
    for model in both_kinds(lines):
        before = model.parameters.copy(), model.mixture and model.mixture.weights.copy()
        fixed = charlm.perplexity(model, text).nats_per_token
        assert charlm.perplexity(model, text, adapt=0.01).nats_per_token < fixed / (10 if model.mixture else 2)
        assert np.array_equal(model.parameters, before[0])
        assert not model.mixture or np.array_equal(model.mixture.weights, before[1])


def test_true_is_the_usual_rate_and_false_is_none():
    model, text = mixed(model_of(False)), random_text(200)
    usual = charlm.perplexity(model, text, adapt=RATE)
    assert charlm.perplexity(model, text, adapt=True) == charlm.perplexity(model, text, adapt=np.True_) == usual
    assert charlm.perplexity(model, text, adapt=False) == charlm.perplexity(model, text) != usual
    by_line = charlm.rows(model, text, adapt=True)
    assert by_line["nats"].sum() == pytest.approx(usual.nats)


def test_the_option_alone_takes_no_file_for_a_rate(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model_of(False).save("m.npz")
    for name in ("text.txt", "--adapt"):
        Path(name).write_text(random_text(50))

    def rate(*arguments):
        done = CliRunner().invoke(program, ["perplexity", "-m", "m.npz", "--json", *arguments], input="abc")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout).get("adapt")

    assert rate("--adapt", "text.txt") == rate("text.txt", "--adapt") == rate("--adapt", "--threads", "1") == RATE
    assert rate("--adapt", "0.01", "text.txt") == rate("text.txt", "--adapt=0.01") == 0.01
    assert rate("--", "--adapt") is None


def test_every_output_adapts_alike(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, text = model_of(False), random_text(200)
    model.save("m.npz")
    Path("text.txt").write_text(text)
    total = charlm.perplexity(model, text, adapt=0.003)
    assert not np.isclose(total.nats, charlm.perplexity(model, text).nats, rtol=1e-3)

    def records(*options):
        arguments = ["perplexity", "--model", "m.npz", "text.txt", "--adapt", "0.003", "--json", *options]
        done = CliRunner().invoke(program, arguments)
        assert done.exit_code == 0, done.output
        return [json.loads(line) for line in done.stdout.splitlines()]

    for options in [], ["--html", "page.html"], ["--baselines", "text.txt"], ["--model", "m.npz"]:
        assert records(*options)[0]["nats"] == total.nats
    rows = records("--per-line")
    assert len(rows) == total.lines and np.isclose(sum(row["nats"] for row in rows), total.nats)
    assert np.isclose(sum(record["log_probability"] for record in records("--per-token")), -total.nats)


# The mixture


class Oracle:
    """The mixture that learns, of one sequence after the other. probabilities(y, before) and read(token) take turns."""

    def __init__(self, mixture, lines):
        self.ngrams, self.fixed, self.unknown, self.lines = mixture.ngrams, mixture.weights, mixture.unknown, lines
        self.V, self.order = mixture.ngrams.vocabulary_size, mixture.ngrams.order
        self.counts = defaultdict(dict)  # history → token → count
        self.weights = defaultdict(lambda: np.zeros(kernels.PARTS))
        self.second = defaultdict(lambda: kernels.RIDGE * np.eye(kernels.PARTS))
        for length, fitted in enumerate(self.fixed):
            self.weights["model", length] = np.array([*fitted, adaptive_mixture.OF_NGRAMS, 0])
        self.text, self.copied, self.repeated, self.different = [], None, 0, 0
        self.begin()

    def begin(self):
        self.past, self.history, self.start, self.copied, self.repeated, self.different = (
            [EOS],
            (EOS,) if EOS in self.counts[()] else (),
            len(self.text),
            None,
            0,
            0,
        )

    def histories(self):
        """Those with children, the longest first."""
        lengths = range(min(len(self.history), self.order - 1), -1, -1)
        found = [self.history[len(self.history) - n :] for n in lengths]
        return [history for history in found if self.counts[history]]

    def probabilities(self, y):
        """p of every token. y: the network's."""
        past = np.array(self.past[1:], np.int64)
        q = np.array([self.ngrams.probabilities(np.append(past, token))[-1] for token in range(self.V)])
        r, rest = np.zeros(self.V), 1.0
        for history in self.histories():
            total = sum(self.counts[history].values())
            left = 0.0
            for token, count in self.counts[history].items():
                discount = kernels.DISCOUNT * min(count, 1)
                r[token] += rest * (count - discount) / total
                left += rest * discount / total
            rest = left
        repeated = np.zeros(self.V)
        if self.copied is not None:
            repeated[self.text[self.copied]] = 1
        x = np.array([np.log(y), np.log(q), np.log((r + rest * q) / (rest * q)), repeated])
        nodes = self.ngrams.no_history(1)
        for token in self.past:
            nodes = self.ngrams.step(nodes, np.array([token]))
        children = np.append(np.diff(self.ngrams.first), 0)[nodes[0]]
        bucket = None if self.copied is None else min(self.repeated // 8, 8)
        self.classes = [
            ("model", int(np.flatnonzero(children)[-1])),
            ("text", len(self.histories())),
            ("before", self.past[-1]),
            ("passage", bucket),
        ]
        known = np.arange(self.V) != self.unknown
        logits = sum(self.weights[c] for c in self.classes) @ x
        p = np.where(known, np.exp(logits - logits[known].max()), 0)
        self.x, self.p = x, p / p.sum()
        if self.unknown < 0:
            return self.p
        return np.where(known, self.p * (1 - y[self.unknown]), y)

    def read(self, token):
        if token != self.unknown:
            g = self.x @ self.p - self.x[:, token]
            for c in self.classes:
                self.second[c] = self.second[c] + np.outer(g, g)
                self.weights[c] = self.weights[c] - kernels.RATE * np.linalg.solve(self.second[c], g)
            self.count(token)
        self.history = () if token == self.unknown else (*self.history, token)[-self.order :]
        self.past.append(token)
        self.remember(token)
        if self.lines and token == EOS:
            self.begin()

    def count(self, token):
        known = False
        for n in range(min(len(self.history), self.order - 1), -1, -1):
            counts = self.counts[self.history[len(self.history) - n :]]
            if not (known and token in counts):
                for other in counts if n else ():
                    counts[other] *= kernels.FADE
                known = known or token in counts
                counts[token] = counts.get(token, 0) + 1

    def remember(self, token):
        least = self.order + 2
        if self.copied is not None:
            same = self.text[self.copied] == token
            self.repeated, self.different = (self.repeated + 1, self.different) if same else (0, self.different + 1)
            self.different = 0 if self.repeated >= kernels.REPEATS else self.different
            self.copied = self.copied + 1 if self.different <= kernels.FORGIVEN else None
        self.text.append(token)
        end = len(self.text)
        if end - self.start < least or (self.copied is not None and self.repeated >= least):
            return
        for place in range(end - 1, least - 1, -1):
            if self.text[place - least : place] == self.text[end - least :]:
                length = least
                while length < min(kernels.LONGEST, place, end - self.start) and (
                    self.text[place - 1 - length] == self.text[end - 1 - length]
                ):
                    length += 1
                self.copied, self.repeated, self.different = place, length, 0
                break


def text_that_repeats(seed, with_unknown):
    """300 tokens: passages of a few words, some of them many times, with differences, and lines of all lengths."""
    random = np.random.default_rng(seed)
    passages = [random.integers(2, 8, length) for length in (3, 9, 25)]
    tokens = []
    while len(tokens) < 300:
        passage = passages[random.integers(3)].copy()
        if random.random() < 0.4:
            passage[random.integers(len(passage))] = random.integers(2, 8)
        tokens += [*passage, *([EOS] if random.random() < 0.2 else []), *([UNKNOWN] if random.random() < 0.1 else [])]
    tokens = np.array(tokens, np.int32)
    return tokens if with_unknown else np.where(tokens == UNKNOWN, 2, tokens)


@pytest.mark.parametrize(("lines", "unknown"), [(False, False), (False, True), (True, False)])
def test_the_mixture_that_learns_is_that_of_its_equations(lines, unknown):
    model = mixed(model_of(lines), unknown=unknown)
    tokens, V = text_that_repeats(1, True), len(model.vocabulary)
    y = np.random.default_rng(2).dirichlet(np.full(V, 0.7), len(tokens)).astype(np.float32)
    oracle, mixture, before = Oracle(model.mixture, lines), AdaptiveMixture(model.mixture, np.float32, lines), EOS
    repeated = 0
    for token, of_network in zip(tokens.tolist(), y, strict=True):
        expected = oracle.probabilities(of_network.astype(np.float64))
        found, target = of_network[None, None].copy(), np.array([[token]], np.int32)
        ranks = np.zeros((1, 1), np.int32)
        of_target = mixture.mix(found, np.array([[before]], np.int32), target, ranks)
        np.testing.assert_allclose(found[0, 0], expected, rtol=2e-3, atol=1e-6)
        assert found.sum() == pytest.approx(1, abs=1e-5)
        assert of_target[0, 0] == pytest.approx(-np.log(found[0, 0, token]), abs=1e-4)
        assert ranks[0, 0] == 1 + np.count_nonzero(found > found[0, 0, token])
        if not unknown:
            assert found[0, 0, UNKNOWN] == of_network[UNKNOWN]
        repeated += oracle.copied is not None
        oracle.read(token)
        before = token
        if lines and token == EOS:
            mixture.reset()
    assert 20 < repeated < 280


def all_nats(model, tokens, most=adaptive_mixture.MOST):
    """-log p of each token, and the mixture after them. The network knows nothing."""
    mixture, V = AdaptiveMixture(model.mixture, np.float32, model.lines, most=most), len(model.vocabulary)
    inputs = np.append(EOS, tokens[:-1]).astype(np.int32)
    y = np.full((len(tokens), 1, V), 1 / V, np.float32)
    pieces = [slice(start, start + 16) for start in range(0, len(tokens), 16)]
    found = [mixture.mix(y[piece], inputs[piece, None], tokens[piece, None]) for piece in pieces]
    return np.concatenate(found)[:, 0], mixture


def test_the_room_for_counts_grows_and_changes_nothing(monkeypatch):
    model, tokens = mixed(model_of(False)), tokens_of(2000)
    expected, mixture = all_nats(model, tokens)
    size = len(mixture.counts.keys)
    monkeypatch.setattr(adaptive_mixture, "ROOM", 16)
    found, mixture = all_nats(model, tokens)
    assert np.array_equal(found, expected)
    assert 16 < mixture.counts.used[0] <= len(mixture.counts.keys) < size


def children(counts):
    """history, as a tuple of tokens → token → how often it came, of all n-grams of a text."""
    found = {}

    def collect(node, history):
        child = counts.child[node]
        while child:
            found.setdefault(history, {})[int(counts.tokens[child])] = float(counts.count[child])
            collect(child, (*history, int(counts.tokens[child])))
            child = counts.sibling[child]

    collect(0, ())
    return found


@pytest.mark.parametrize("lines", [False, True])
def test_when_there_are_too_many_counts_only_those_of_the_latest_tokens_stay(lines):
    model, most, used = mixed(model_of(lines)), 240, [1]
    tokens, V = tokens_of(600), len(model.vocabulary)
    mixture = AdaptiveMixture(model.mixture, np.float32, lines, most=most)
    while used[-1] >= max(used):  # until it forgets
        token = tokens[len(used) - 1 : len(used), None]
        mixture.mix(np.full((1, 1, V), 1 / V, np.float32), token, token)
        used.append(int(mixture.counts.used[0]))
        if lines and token == EOS:
            mixture.reset()
    assert most - model.mixture.ngrams.order < max(used) <= most
    oracle, stop = Oracle(model.mixture, lines), len(used) - 1
    for token in tokens[stop - most // (2 * model.mixture.ngrams.order) : stop].tolist():
        oracle.count(token)
        oracle.history = (EOS,) if lines and token == EOS else (*oracle.history, token)
    assert children(mixture.counts) == {
        history: pytest.approx(counts, rel=1e-6) for history, counts in oracle.counts.items() if counts
    }


def test_a_network_that_forgets_everything_predicts_as_the_model_does(monkeypatch):
    model, tokens = model_of(False), tokens_of(3 * STEPS)
    monkeypatch.setattr("charlm.scoring.adaptive.FORGETTING", 1e6)
    assert np.allclose(nats(model, tokens), Scorer(model, ()).measure(tokens).nats, atol=1e-5)
