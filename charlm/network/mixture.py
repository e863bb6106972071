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
IN_HEAD = 1 << 20  # probabilities after short histories that are kept in memory, at most
RIDGE = 20.0  # how strongly the weights stay near their mean, as the second derivative of a penalty, in nats


@dataclass(frozen=True, eq=False)
class Mixture:
    """The counts of n-grams, and the weights with which they and a network predict together.

    weights: float64 (N, 2), α and β by the length 0 … N-1 of the longest history that the counts know; N: their order.
    """

    ngrams: NGrams
    weights: np.ndarray

    def __getstate__(self):
        """For another process: without what is computed from these when it is needed."""
        return {"ngrams": self.ngrams, "weights": self.weights}

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

    @cached_property
    def head(self) -> "ShortHistories":
        """The distributions after short histories."""
        return ShortHistories(self.ngrams, self.unigrams)

    def log_ngrams(self, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """log q of every token after the histories of each row, float64 (R, V), and the length of the longest history
        that has children, (R). nodes: (R, N), see ``NGrams.step``."""
        ngrams, head, first = self.ngrams, self.head, self.first
        known = head.longest(nodes)
        q, lengths = head.table.take(known, 0), head.lengths.take(known)
        histories = nodes[:, head.longest_history + 1 :]
        if histories.size:
            starts = first.take(histories)
            counts = first.take(histories + 1)
            counts -= starts
            left = np.multiply.accumulate(self.backoff.take(histories), 1)  # to the shorter histories, down to each
            sizes = counts.ravel()
            starts = starts.ravel()
            starts += sizes
            starts -= np.add.accumulate(sizes)
            indices = starts.repeat(sizes)
            indices += np.arange(len(indices))
            own = (left[:, -1:] / left).ravel().repeat(sizes)
            own *= ngrams.own.take(indices)
            cells = (np.arange(len(nodes)) * ngrams.vocabulary_size).repeat(np.add.reduce(counts, 1))
            cells += ngrams.tokens.take(indices)
            q *= left[:, -1:]
            q += np.bincount(cells, own, q.size).reshape(q.shape)
            lengths = lengths + np.add.reduce(counts > 0, 1)
        return np.log(q, q), lengths

    def _log_ngrams_of_one(self, nodes: list[int]) -> tuple[np.ndarray, int]:
        """``log_ngrams`` for one row, (V): the same bits, without calls of NumPy for each history. nodes: (N)."""
        head, (first, tokens, own, backoff, lengths), missing = self.head, self._of_one, len(self.ngrams)
        shortest = head.longest_history + 1
        longest = head.longest_history
        while nodes[longest] == missing:
            longest -= 1
        known, found, product = nodes[longest], [], 1.0
        for node in nodes[shortest:]:
            if node == missing:
                break
            start, stop = first[node], first[node + 1]
            if start == stop:
                break
            product *= backoff[node]
            found.append((start, stop, product))
        q = head.table[known] * product
        if found:
            sums = np.zeros(len(q))
            more = memoryview(sums)
            for start, stop, left in found:
                left = product / left
                if stop - start == 1:  # as after most long histories
                    more[tokens[start]] += own[start] * left
                    continue
                for token, value in zip(tokens[start:stop].tolist(), own[start:stop].tolist(), strict=True):
                    more[token] += value * left
            q += sums
        return np.log(q, q), lengths[known] + len(found)

    @cached_property
    def _of_one(self):
        """Arrays in the form of which one number is read fastest."""
        return tuple(
            map(memoryview, (self.first, self.ngrams.tokens, self.ngrams.own, self.backoff, self.head.lengths))
        )

    def log_mixed(self, logits: np.ndarray, nodes: np.ndarray) -> np.ndarray:
        """Logits of the mixture, float64 (R, V). logits: of the network, (R, V)."""
        if len(nodes) == 1:
            q, length = self._log_ngrams_of_one(nodes[0].tolist())
            alpha, beta = self._weights[length]
            logits = logits[0]
        else:
            q, lengths = self.log_ngrams(nodes)
            alpha, beta = (self.weights[:, part].take(lengths)[:, None] for part in (0, 1))
        both = np.empty((2, *q.shape))  # one array, because with one row the calls of NumPy take the time
        both[0] = logits
        mixed = np.multiply(both[0], alpha, both[1])
        q *= beta
        mixed += q
        if self.unknown >= 0 and mixed.ndim == 2:
            mixed[:, UNKNOWN] = _as_unknown(both)
        elif self.unknown >= 0:
            mixed[UNKNOWN] = _as_unknown_of_one(both)
        return mixed if mixed.ndim == 2 else both[1:]

    @cached_property
    def _weights(self) -> list[list[float]]:
        return self.weights.tolist()


class ShortHistories:
    """The distributions of n-grams after short histories, where the vocabulary is small enough to hold them.

    longest_history: the most tokens of a history. table: q of every token after each node of so many tokens or fewer,
    float64 (nodes, V). lengths: of the longest history that has children, for each of these nodes.
    """

    def __init__(self, ngrams: NGrams, unigrams: np.ndarray):
        V, orders, n = ngrams.vocabulary_size, ngrams.orders, 0
        while n + 1 < ngrams.order and orders[n + 2] * V <= IN_HEAD:
            n += 1
        self.longest_history, self._missing = n, len(ngrams)
        self.table, self.lengths = np.empty((orders[n + 1], V)), np.zeros(orders[n + 1], np.int64)
        self.table[0] = unigrams
        parents = np.repeat(np.arange(len(ngrams)), np.diff(ngrams.first))
        suffixes = np.zeros(orders[n + 1], np.int64)
        for length in range(1, n + 1):
            here = slice(orders[length], orders[length + 1])
            if length > 1:
                wanted = suffixes[parents[here.start - 1 : here.stop - 1]] * V + ngrams.tokens[here]
                suffixes[here] = 1 + ngrams.keys.searchsorted(wanted)
            below = np.minimum(suffixes[here], here.start - 1)  # of a damaged file, any of them
            self.table[here] = self.table[below] * ngrams.backoff[here, None]
            children = slice(ngrams.first[here.start], ngrams.first[here.stop])
            of_children = parents[children.start - 1 : children.stop - 1]
            self.table[of_children, ngrams.tokens[children]] += ngrams.own[children]
            has_children = ngrams.first[1:][here] > ngrams.first[:-1][here]
            self.lengths[here] = np.where(has_children, length, self.lengths[below])

    def longest(self, nodes: np.ndarray) -> np.ndarray:
        """The node of the longest history of each row, of those in the table: (R). nodes: (R, N)."""
        found = nodes[:, self.longest_history]
        for length in range(self.longest_history - 1, -1, -1):
            found = np.where(found == self._missing, nodes[:, length], found)
        return found


def _as_unknown(both: np.ndarray) -> np.ndarray:
    """The logits of <UNK> with which it has the same probability in the second distributions as in the first: (R).

    both: logits of two distributions, (2, R, V).
    """
    powers = np.exp(both)
    powers[:, :, UNKNOWN] = 0
    logs = np.log(np.add.reduce(powers, 2))
    return both[0, :, UNKNOWN] + (logs[1] - logs[0])


def _as_unknown_of_one(both: np.ndarray) -> float:
    """``_as_unknown`` for one row: the same bits, with arithmetic on numbers. both: (2, V)."""
    powers = np.exp(both)
    powers[:, UNKNOWN] = 0
    first, second = np.log(np.add.reduce(powers, 1)).tolist()
    return both.item(UNKNOWN) + (second - first)


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
