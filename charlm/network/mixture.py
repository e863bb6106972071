"""The mixture: what a network and the counts of n-grams predict together.

    p(w | past) ∝ ŷ_w^α · q_w^β

ŷ is the network's distribution of the next token, q that of the n-grams (``text/ngrams.py``). The weights α and β
depend on the length of the longest history that the counts know. This is a log-linear interpolation (Klakow,
"Log-linear interpolation of language models", 1998). The proportion holds among the tokens that the counts have seen:
where they have never seen <UNK>, they know nothing about it, and it keeps the probability that the network gives it.

The mixture steps as a network does: ``MixedNetwork`` wraps one in NumPy, ``MixedWindow`` a compiled one.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..text.ngrams import NGrams
from ..text.vocabulary import UNKNOWN

EVEN = 0.55  # both weights before any is fitted
MOST_WEIGHT = 4.0
RIDGE = 20.0  # how strongly the weights stay at EVEN, as the second derivative of a penalty, in nats


@dataclass(frozen=True, eq=False)
class Mixture:
    """The counts of n-grams, and the weights with which they and a network predict together.

    weights: float64 (N, 2), α and β by the length 0 … N-1 of the longest history that the counts know; N: their order.
    """

    ngrams: NGrams
    weights: np.ndarray

    @property
    def unknown(self) -> int:
        """The id of <UNK> if the counts know nothing about it, else -1."""
        return -1 if self.ngrams.has_unknown else UNKNOWN

    @cached_property
    def first(self) -> np.ndarray:
        """The first child of each node and of M, which stands for a history that was not counted: int64 (M + 2)."""
        return np.append(self.ngrams.first, len(self.ngrams))

    @cached_property
    def backoff(self) -> np.ndarray:
        """γ of each node and of M: float64 (M + 1)."""
        return np.append(self.ngrams.backoff, 1.0)

    @cached_property
    def unigrams(self) -> np.ndarray:
        """q of each token after the empty history, float64 (V)."""
        V = self.ngrams.vocabulary_size
        return self.ngrams.own[1 : V + 1] + np.float64(self.ngrams.backoff[0]) / V

    def log_ngrams(self, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """log q of every token after the histories of each row, float64 (R, V), and the length of the longest history
        that has children, (R). nodes: (R, N), see ``NGrams.step``."""
        ngrams, V, first = self.ngrams, self.ngrams.vocabulary_size, self.first
        if ngrams.order == 1:
            return np.tile(np.log(self.unigrams), (len(nodes), 1)), np.zeros(len(nodes), np.int64)
        histories = nodes[:, 1:]
        starts = first.take(histories)
        counts = first.take(histories + 1)
        counts -= starts
        left = np.multiply.accumulate(self.backoff.take(histories), 1)  # to the shortest histories, down to each
        sizes = counts.ravel()
        ends = np.add.accumulate(sizes)
        starts = starts.ravel()
        starts -= ends
        starts += sizes
        indices = starts.repeat(sizes)
        indices += np.arange(len(indices))
        own = (left[:, -1:] / left).ravel().repeat(sizes)
        own *= ngrams.own.take(indices)
        cells = ngrams.tokens.take(indices)
        if len(nodes) > 1:
            cells = cells + (np.arange(len(nodes)) * V).repeat(np.add.reduce(counts, 1))
        q = self.unigrams * left[:, -1:]
        q += np.bincount(cells, own, len(nodes) * V).reshape(-1, V)
        return np.log(q, q), np.add.reduce(counts > 0, 1)

    def log_mixed(self, logits: np.ndarray, nodes: np.ndarray) -> np.ndarray:
        """Logits of the mixture, float64 (R, V). logits: of the network, (R, V)."""
        both = np.empty((2, *logits.shape))  # one array, because with one row the calls of NumPy take the time
        plain, mixed = both
        plain[:] = logits
        q, lengths = self.log_ngrams(nodes)
        weights = self.weights.take(lengths, 0)
        q *= weights[:, 1:]
        np.multiply(plain, weights[:, :1], mixed)
        mixed += q
        if self.unknown >= 0:
            of_unknown = plain[:, UNKNOWN].copy()
            both[:, :, UNKNOWN] = -np.inf
            highest = np.maximum.reduce(both, 2)
            known = np.log(np.add.reduce(np.exp(both - highest[:, :, None]), 2))
            known += highest
            mixed[:, UNKNOWN] = of_unknown + known[1] - known[0]
        return mixed


class MixedNetwork:
    """A ``stepper.NumPyNetwork`` together with n-grams: it steps as a network does.

    Its state begins with the nodes of the histories of each row, int64 (R, N).
    """

    def __init__(self, network, mixture: Mixture):
        self.network, self.mixture = network, mixture

    def zero_state(self, rows: int) -> list[np.ndarray]:
        return [self.mixture.ngrams.no_history(rows), *self.network.zero_state(rows)]

    def step(self, state: list[np.ndarray], tokens: np.ndarray) -> list[np.ndarray]:
        nodes = self.mixture.ngrams.step(state[0], tokens)
        *after, logits = self.network.step(state[1:], tokens)
        return [nodes, *after, self.mixture.log_mixed(logits, nodes)]
