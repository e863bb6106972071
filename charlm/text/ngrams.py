"""What counting alone makes of a text: unigrams, n-grams with Kneser–Ney smoothing, and xz.

The n-grams are interpolated modified Kneser–Ney (Chen & Goodman, "An empirical study of smoothing techniques for
language modeling", 1999, section 4.1.6), over the same tokens and sequences as a network's:

    p(w | h) = max(c(hw) - D(c(hw)), 0) / c(h·) + γ(h) p(w | h')      h' is h without its oldest token
    γ(h) = (D₁ N₁(h·) + D₂ N₂(h·) + D₃ N₃₊(h·)) / c(h·)
    Y = n₁ / (n₁ + 2 n₂)    D₁ = 1 - 2 Y n₂/n₁    D₂ = 2 - 3 Y n₃/n₂    D₃ = 3 - 4 Y n₄/n₃

c is how often an n-gram occurs for the highest order, and for lower ones how many tokens it follows; Nᵢ(h·) is how
many tokens follow h i times, n_i how many n-grams occur i times. Below the single tokens stands 1/V. A sequence
begins after an <EOS>, and the n-grams that begin with it keep their plain counts, as nothing can come before it.

An n-gram is known by a number: its place among the sorted pairs of the number of its tokens but the last, and the
last. So any order and any vocabulary fit 64 bits, and all is done by sorting and looking up whole arrays.
"""

from dataclasses import dataclass

import numpy as np

from .vocabulary import EOS

ORDERS = {"char": 6, "word": 5, "byte": 6}
FALLBACK = (0.5, 1.0, 1.5)  # discounts where too few n-grams occur to estimate one above 0


@dataclass
class _Order:
    """The n-grams of one order, sorted: pairs (number of the tokens before) · V + last token; counts of each; and for
    each history, by its number among those of the order below, Σ of its counts and the share γ left to that order."""

    pairs: np.ndarray
    counts: np.ndarray
    totals: np.ndarray
    left: np.ndarray
    discounts: np.ndarray

    def find(self, pairs: np.ndarray) -> np.ndarray:
        """The number of each pair, -1 where it has none."""
        places = np.minimum(np.searchsorted(self.pairs, pairs), len(self.pairs) - 1)
        return np.where(self.pairs[places] == pairs, places, -1) if len(self.pairs) else np.full(len(pairs), -1)


def discounts(counts: np.ndarray) -> np.ndarray:
    """What is taken from a count of 0, 1, 2, and 3 or more: (4)."""
    n = np.bincount(np.minimum(counts, 5), minlength=6).tolist()
    taken = [0.0]
    for number, fallback in zip((1, 2, 3), FALLBACK, strict=True):
        found = 0.0
        if n[1] and n[2] and n[number]:
            found = number - (number + 1) * n[1] / (n[1] + 2 * n[2]) * n[number + 1] / n[number]
        taken.append(found if found > 0 else fallback)
    return np.array(taken)


class NGrams:
    """Probabilities of tokens by the up to order - 1 tokens before them.

    tokens: ids (n) of the text to count, each line ended by <EOS>; with ``lines`` each line is a sequence of its own.
    """

    def __init__(self, tokens: np.ndarray, vocabulary_size: int, order: int, lines: bool):
        self.vocabulary_size, self.order, self.lines = vocabulary_size, order, lines
        tokens = tokens.astype(np.int64)
        before = np.minimum(self._before(tokens), order).astype(np.int16)
        numbers = tokens  # of the n-gram of one order that ends at each token, -1 where none does
        pairs, counts = np.arange(vocabulary_size), np.bincount(tokens, minlength=vocabulary_size)
        self.orders, histories = [], 1
        for n in range(2, order + 1):
            valid = np.flatnonzero(before >= n - 1)
            ngrams = np.where(valid > 0, numbers[valid - 1], EOS)  # first their histories
            ngrams *= vocabulary_size
            ngrams += tokens[valid]
            longer, place, number = _unique(ngrams)
            followed = np.bincount(numbers[valid[place]], minlength=len(pairs))  # each without its oldest token
            whole = np.bincount(numbers[before == n - 2], minlength=len(pairs))  # nothing can come before these
            self.orders.append(self._smoothed(pairs, followed + whole, histories))
            histories, pairs, counts = len(pairs), longer, np.bincount(number, minlength=len(longer))
            numbers = np.full(len(tokens), -1)
            numbers[valid] = number
        self.orders.append(self._smoothed(pairs, counts, histories))

    def _before(self, tokens):
        """How many tokens stand before each that may predict it, the <EOS> before a sequence included."""
        places = np.arange(1, len(tokens) + 1)
        if self.lines:
            ends = np.flatnonzero(tokens[:-1] == EOS) + 1
            starts = np.zeros(len(tokens), np.int64)
            starts[ends] = ends
            places -= np.maximum.accumulate(starts)
        return places

    def _smoothed(self, pairs, counts, histories):
        taken = discounts(counts)
        history = pairs // self.vocabulary_size
        totals = np.bincount(history, counts, histories)
        removed = np.bincount(history, taken[np.minimum(counts, 3)], histories)
        left = np.divide(removed, totals, out=np.ones(histories), where=totals > 0)
        return _Order(pairs, counts, totals, left, taken)

    def probabilities(self, tokens: np.ndarray) -> np.ndarray:
        """p of each of some tokens given those before it, (n): a text that begins a sequence."""
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
            places = histories[known]
            found = order.find(places * self.vocabulary_size + tokens[known])
            counts = np.where(found >= 0, order.counts[found], 0)
            totals = np.maximum(order.totals[places], 1)
            own = (counts - order.discounts[np.minimum(counts, 3)]) / totals
            values[known] = own + order.left[places] * values[known]
            numbers = np.full(len(tokens), -1)
            numbers[known] = found
        return values


def _unique(values):
    """Sorted distinct values, a place of each, and for each value its number among them; ``values`` is written over."""
    bits = len(values).bit_length()
    if len(values) and values.max() < 1 << (63 - bits):  # values and places sorted as one: four times as fast
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
