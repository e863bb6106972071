"""N-gram probabilities with interpolated modified Kneser–Ney smoothing.

The method is that of Chen and Goodman ("An empirical study of smoothing techniques for language modeling", 1999,
section 4.1.6), over the same tokens and sequences as a network's:

    p(w | h) = max(c(hw) - D(c(hw)), 0) / c(h·) + γ(h) p(w | h')      h' is h without its oldest token
    γ(h) = (D₁ N₁(h·) + D₂ N₂(h·) + D₃ N₃₊(h·)) / c(h·)
    Y = n₁ / (n₁ + 2 n₂)    D₁ = 1 - 2 Y n₂/n₁    D₂ = 2 - 3 Y n₃/n₂    D₃ = 3 - 4 Y n₄/n₃

At the highest order c counts how often an n-gram occurs; at lower orders it counts how many different tokens the n-gram
follows. Nᵢ(h·) is the number of tokens that follow h exactly i times, n_i the number of n-grams that occur i times. The
order below single tokens is the uniform distribution 1/V. A sequence starts after an <EOS>; an n-gram that starts with
this <EOS> keeps its plain count, because no token can come before it.

Each n-gram of an order has a number: its index among the sorted pairs (number of its history, last token). So any order
and any vocabulary fit 64 bits, and NumPy sorts and looks up whole arrays.
"""

from dataclasses import dataclass

import numpy as np

from .vocabulary import EOS

ORDERS = {"char": 6, "subword": 6, "word": 5, "byte": 6}  # of the baseline at each level
FALLBACK = (0.5, 1.0, 1.5)  # discounts if too few n-grams occur to estimate one above 0


@dataclass
class _NGramOrder:
    """The n-grams of one order.

    pairs: (number of the history) · V + (last token) of each n-gram, sorted. counts: of each n-gram. totals, backoff:
    of each history, the sum of its counts, and the probability γ that it leaves to the order below. discounts: (4).
    """

    pairs: np.ndarray
    counts: np.ndarray
    totals: np.ndarray
    backoff: np.ndarray
    discounts: np.ndarray

    def find(self, pairs: np.ndarray) -> np.ndarray:
        """The number of the n-gram of each pair, -1 if there is none."""
        indices = np.minimum(np.searchsorted(self.pairs, pairs), len(self.pairs) - 1)
        return np.where(self.pairs[indices] == pairs, indices, -1) if len(self.pairs) else np.full(len(pairs), -1)


def discounts(counts: np.ndarray) -> np.ndarray:
    """The discount D of a count of 0, 1, 2, and 3 or more: (4). counts: of all n-grams of an order."""
    n = np.bincount(np.minimum(counts, 5), minlength=6).tolist()
    found = [0.0]
    for count, fallback in zip((1, 2, 3), FALLBACK, strict=True):
        discount = 0.0
        if n[1] and n[2] and n[count]:
            discount = count - (count + 1) * n[1] / (n[1] + 2 * n[2]) * n[count + 1] / n[count]
        found.append(discount if discount > 0 else fallback)
    return np.array(found)


class NGrams:
    """Probabilities of tokens, given the up to order - 1 tokens before them.

    tokens: ids (n) of the text to count; each line ends with <EOS>. lines: each line is a sequence of its own.
    """

    def __init__(self, tokens: np.ndarray, vocabulary_size: int, order: int, lines: bool):
        self.vocabulary_size, self.order, self.lines = vocabulary_size, order, lines
        tokens = tokens.astype(np.int64)
        before = np.minimum(self._before(tokens), order).astype(np.int16)
        numbers = tokens  # of the n-gram of the current order that ends at each token, -1 if there is none
        pairs, counts = np.arange(vocabulary_size), np.bincount(tokens, minlength=vocabulary_size)
        self.orders, histories = [], 1
        for n in range(2, order + 1):
            valid = np.flatnonzero(before >= n - 1)
            ngrams = np.where(valid > 0, numbers[valid - 1], EOS)  # the histories, from which the pairs are made
            ngrams *= vocabulary_size
            ngrams += tokens[valid]
            longer, index, number = _unique(ngrams)
            followed = np.bincount(numbers[valid[index]], minlength=len(pairs))  # each without its oldest token
            at_start = np.bincount(numbers[before == n - 2], minlength=len(pairs))  # no token can come before these
            self.orders.append(self._smoothed(pairs, followed + at_start, histories))
            histories, pairs, counts = len(pairs), longer, np.bincount(number, minlength=len(longer))
            numbers = np.full(len(tokens), -1)
            numbers[valid] = number
        self.orders.append(self._smoothed(pairs, counts, histories))

    def _before(self, tokens):
        """The number of tokens in the sequence before each token, the <EOS> before the sequence included."""
        before = np.arange(1, len(tokens) + 1)
        if self.lines:
            stops = np.flatnonzero(tokens[:-1] == EOS) + 1
            starts = np.zeros(len(tokens), np.int64)
            starts[stops] = stops
            before -= np.maximum.accumulate(starts)
        return before

    def _smoothed(self, pairs, counts, histories):
        found = discounts(counts)
        history = pairs // self.vocabulary_size
        totals = np.bincount(history, counts, histories)
        discounted = np.bincount(history, found[np.minimum(counts, 3)], histories)
        backoff = np.divide(discounted, totals, out=np.ones(histories), where=totals > 0)
        return _NGramOrder(pairs, counts, totals, backoff, found)

    def probabilities(self, tokens: np.ndarray) -> np.ndarray:
        """The probability of each token of a text, given the tokens before it: (n). The text starts a sequence."""
        tokens = tokens.astype(np.int64)
        before = self._before(tokens)
        values = np.full(len(tokens), 1 / self.vocabulary_size)
        numbers = np.zeros(len(tokens), np.int64)  # of the history: there is one of length 0
        for n, order in enumerate(self.orders, 1):
            histories = numbers
            if n > 1:
                histories = np.append(EOS, numbers[:-1])
                histories[before < n - 1] = -1
            known = np.flatnonzero(histories >= 0)
            history = histories[known]
            found = order.find(history * self.vocabulary_size + tokens[known])
            counts = np.where(found >= 0, order.counts[found], 0)
            totals = np.maximum(order.totals[history], 1)
            own = (counts - order.discounts[np.minimum(counts, 3)]) / totals
            values[known] = own + order.backoff[history] * values[known]
            numbers = np.full(len(tokens), -1)
            numbers[known] = found
        return values


def _unique(values):
    """The sorted distinct values, an index of each in ``values``, and for each value its number among the distinct
    ones. Overwrites ``values``."""
    bits = len(values).bit_length()
    if len(values) and values.max() < 1 << (63 - bits):  # value and index sorted as one number: four times as fast
        ordered = values
        ordered <<= bits
        ordered |= np.arange(len(values))
        ordered.sort()
        order = ordered & ((1 << bits) - 1)
        ordered >>= bits
    else:
        order = np.argsort(values)
        ordered = values[order]
    new = np.ones(len(values), bool)
    new[1:] = ordered[1:] != ordered[:-1]
    numbers = np.empty(len(values), np.int64)
    numbers[order] = np.cumsum(new)
    numbers -= 1
    return ordered[new], order[new], numbers
