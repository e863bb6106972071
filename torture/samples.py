"""A million samples against the distribution that they must follow."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import charlm
from charlm.model import Model
from charlm.network.architecture import Architecture, views
from charlm.text.vocabulary import UNKNOWN, Vocabulary

LETTERS = "abcdefghijklmnopqrstuvwxyz"
OPTIONS = (
    {},
    {"temperature": 0.6},
    {"temperature": 1.7},
    {"top_k": 5},
    {"top_p": 0.8},
    {"min_p": 0.1},
    {"temperature": 1.3, "top_k": 9, "top_p": 0.9},
)


def forgetful_model(seed: int = 1) -> Model:
    """A model whose next symbol depends only on the last one (W_aa is 0), and which never samples <UNK>."""
    vocabulary = Vocabulary("char", list(LETTERS))
    architecture = Architecture(len(vocabulary), "rnn", 8, 1)
    parameters = np.zeros(architecture.number_of_parameters, np.float32)
    named, random = views(architecture, parameters), np.random.default_rng(seed)
    for name in ("layer1.W_x", "W_ya"):
        named[name][:] = random.normal(0, 1, named[name].shape)
    named["b_y"][UNKNOWN] = -100
    return Model(architecture=architecture, vocabulary=vocabulary, parameters=parameters, lines=False)


def transitions(model: Model, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0) -> np.ndarray:
    """P(next | last), float64 (V, V): the softmax at a temperature, then top-k, top-p and min-p one after the other."""
    named = {name: values.astype(np.float64) for name, values in model.named_parameters.items()}
    logits = np.tanh(named["layer1.W_x"] + named["layer1.b"]) @ named["W_ya"] + named["b_y"]
    return np.array([_restricted(row, temperature, top_k, top_p, min_p) for row in logits])


def _restricted(logits, temperature, top_k, top_p, min_p):
    order = np.argsort(-logits)
    falling = np.exp((logits[order] - logits.max()) / temperature)
    falling[top_k or falling.size :] = 0
    falling /= falling.sum()
    falling[falling.cumsum() - falling >= top_p] = 0
    falling[falling < min_p * falling[0]] = 0
    probabilities = np.empty_like(falling)
    probabilities[order] = falling / falling.sum()
    return probabilities


def like_the_softmax(folder: Path, times: int, options=OPTIONS) -> Iterator[str]:
    """Sample ``times`` symbols in a hundred streams with each of the options, and count which symbol follows which.

    Pearson's chi-squared statistic of the counts must lie at most four standard deviations above its mean (Wilson and
    Hilferty's approximation).
    """
    model, streams = forgetful_model(), 100
    for number, chosen in enumerate(options):
        length = max(1, times // streams)
        counts = np.zeros((len(model.vocabulary),) * 2)
        for sample in charlm.sample(model, streams, length, seed=number, **chosen):
            ids = model.vocabulary.encode(sample.text)
            np.add.at(counts, (ids[:-1], ids[1:]), 1)
        wanted = transitions(model, **chosen)
        if counts[wanted == 0].any():
            yield f"{chosen}: it sampled a symbol of probability 0"
            continue
        expected = wanted * counts.sum(1, keepdims=True)
        frequent = expected >= 5
        rest = [
            (counts * ~frequent).sum(),
            (expected * ~frequent).sum(),
        ]  # rare pairs, together
        statistic = ((counts - expected)[frequent] ** 2 / expected[frequent]).sum()
        statistic += (rest[0] - rest[1]) ** 2 / rest[1] if rest[1] >= 5 else 0
        freedom = int(frequent.sum()) - len(counts[counts.sum(1) > 0]) + int(rest[1] >= 5)
        deviation = ((statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))
        yield f"{chosen}: {deviation:.1f} deviations off" if deviation > 4 else ""
