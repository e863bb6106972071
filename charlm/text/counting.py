"""Counts the n-grams of a text, for modified Kneser–Ney smoothing (``ngrams.py`` has the equations).

An n-gram that occurs twice has a history that does, and so does what remains of it without its oldest token. So at each
order only those places in the text are looked at where both are kept, which soon are few, and counting ten orders takes
little longer than counting six. An n-gram is a number among those of its order, and its order is sorted by the pair
(number of its history, last token). So any order and any vocabulary fit 64 bits, and NumPy sorts whole arrays.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .vocabulary import EOS, smallest_type

FALLBACK = (0.5, 1.0, 1.5)  # discounts if too few n-grams occur to estimate one above 0


def discounts(counts: np.ndarray, left_out: int = 0) -> np.ndarray:
    """The discount D of a count of 0, 1, 2, and 3 or more: (4).

    counts: of the n-grams of an order. left_out: how many more n-grams there are that occur once.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6).tolist()
    n[1] += left_out
    found = [0.0]
    for count, fallback in zip((1, 2, 3), FALLBACK, strict=True):
        discount = 0.0
        if n[1] and n[2] and n[count]:
            discount = count - (count + 1) * n[1] / (n[1] + 2 * n[2]) * n[count + 1] / n[count]
        found.append(discount if discount > 0 else fallback)
    return np.array(found)


def count_ngrams(
    tokens: np.ndarray, vocabulary_size: int, order: int, lines: bool, singletons: int
) -> Iterator["CountedOrder"]:
    """Yield the n-grams of 1, 2, …, order tokens, those that are kept.

    tokens: ids (n) of the text. lines: each line is a sequence of its own. singletons: n-grams of more tokens than this
    that occur once are left out.
    """
    counting = _Counting(tokens, vocabulary_size, lines)
    for n in range(2, order + 1):
        last = counting.last
        counting.last = counting.longer(n, 1 if n <= singletons else 2)  # finds the counts of the last order, too
        yield last
    yield counting.last


@dataclass(kw_only=True)
class CountedOrder:
    """The n-grams of one order, sorted by history and last token.

    histories, suffixes: the numbers, in the order below, of each n-gram without its last and without its oldest token.
    tokens: the last token. occurrences: in the text. followers: of each history, how many n-grams with it are left out;
    they occur once. left_out: how many n-grams of this order are left out. counts: c of each n-gram.
    """

    histories: np.ndarray
    suffixes: np.ndarray
    tokens: np.ndarray
    occurrences: np.ndarray
    followers: np.ndarray
    left_out: int
    counts: np.ndarray

    def __len__(self):
        return len(self.tokens)

    def probabilities(self) -> np.ndarray:
        """(c - D(c)) / c(h·) of each n-gram, without what the order below adds."""
        found = discounts(self.counts, self.left_out)
        totals = np.bincount(self.histories, self.counts, len(self.followers)) + self.followers
        own = self.counts - found[np.minimum(self.counts, 3)]
        np.maximum(own, 0, out=own)
        own /= np.maximum(totals, 1)[self.histories]
        return own


class _Counting:
    """Where in a text the n-grams of one order are, and which: what the next order is counted from."""

    def __init__(self, tokens: np.ndarray, vocabulary_size: int, lines: bool):
        self.tokens, self.vocabulary_size = tokens, vocabulary_size
        self.before = tokens_before(tokens, lines)
        self.numbers = tokens.astype(np.int32)  # of the n-gram of the last order that ends here, -1 if it is left out
        self.active = np.arange(len(tokens), dtype=np.int32)  # where there is one
        occurrences = np.bincount(tokens, minlength=vocabulary_size).astype(np.int32)
        self.last = CountedOrder(
            histories=np.zeros(vocabulary_size, np.int32),
            suffixes=np.zeros(vocabulary_size, np.int32),
            tokens=np.arange(vocabulary_size).astype(smallest_type(vocabulary_size)),
            occurrences=occurrences,
            followers=np.zeros(1, np.int32),
            left_out=0,
            counts=occurrences,
        )

    def longer(self, n: int, least: int) -> CountedOrder:
        """The n-grams of n tokens that occur at least ``least`` times. Sets ``last.counts`` to what these follow."""
        last, size = self.last, len(self.last)
        before = self.before[self.active]
        valid = self.active[before >= n - 1]
        histories = self.numbers[valid - 1]
        if n == 2 and len(valid) and valid[0] == 0:
            histories[0] = EOS  # the text starts a sequence
        # At the start of a sequence there is nothing before; a history that is left out occurs once.
        counts = np.bincount(self.numbers[self.active[before == n - 2]], minlength=size)
        counts += np.bincount(self.numbers[valid[histories < 0]], minlength=size)
        known = histories >= 0
        valid, histories = valid[known], histories[known]
        pairs, index, groups = _groups(histories.astype(np.int64) * self.vocabulary_size + self.tokens[valid])
        occurrences = np.diff(np.append(groups, len(index)))
        suffixes = self.numbers[valid[index[groups]]]
        last.counts = (counts + np.bincount(suffixes, minlength=size)).astype(np.int32)
        kept = occurrences >= least
        followers = self._followed(n, size) if least > 1 else np.zeros(size, np.int32)
        places, where = valid[index[np.repeat(kept, occurrences)]], pairs[kept]
        histories = (where // self.vocabulary_size).astype(np.int32)
        if least > 1:
            followers -= np.bincount(histories, occurrences[kept], size).astype(np.int32)
        self.numbers.fill(-1)
        self.numbers[places] = np.repeat(np.arange(len(where), dtype=np.int32), occurrences[kept])
        self.active = np.flatnonzero(self.numbers >= 0).astype(np.int32)
        return CountedOrder(
            histories=histories,
            suffixes=suffixes[kept],
            tokens=(where % self.vocabulary_size).astype(last.tokens.dtype),
            occurrences=occurrences[kept].astype(np.int32),
            followers=followers,
            left_out=int(np.count_nonzero(self.before >= n - 1)) - len(self.active),
            counts=occurrences[kept].astype(np.int32),
        )

    def _followed(self, n: int, size: int) -> np.ndarray:
        """How often each n-gram of the last order is followed by a token in its sequence: (size)."""
        after = self.active[: np.searchsorted(self.active, len(self.tokens) - 1)]
        followed = np.bincount(self.numbers[after[self.before[after + 1] >= n - 1]], minlength=size)
        if n == 2 and len(self.tokens):
            followed[EOS] += 1  # the first token of the text follows it
        return followed.astype(np.int32)


def tokens_before(tokens: np.ndarray, lines: bool) -> np.ndarray:
    """The number of tokens in the sequence before each token, the <EOS> before the sequence included, or 255 if there
    are more: uint8 (n)."""
    before = np.arange(1, len(tokens) + 1, dtype=np.int32)
    if lines:
        stops = np.flatnonzero(tokens[:-1] == EOS).astype(np.int32) + 1
        starts = np.zeros(len(tokens), np.int32)
        starts[stops] = stops
        before -= np.maximum.accumulate(starts)
    return np.minimum(before, 255).astype(np.uint8)


def _groups(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The sorted distinct values, the indices that sort ``values``, and where in these each distinct one starts.
    Overwrites ``values``."""
    bits = len(values).bit_length()
    if len(values) and values.max() < 1 << (63 - bits):  # value and index sorted as one number: four times as fast
        ordered = values
        ordered <<= bits
        ordered |= np.arange(len(values), dtype=np.int32)
        ordered.sort()
        index = (ordered & ((1 << bits) - 1)).astype(np.int32)
        ordered >>= bits
    else:
        index = np.argsort(values, kind="stable").astype(np.int32)
        ordered = values[index]
    new = np.ones(len(values), bool)
    new[1:] = ordered[1:] != ordered[:-1]
    return ordered[new], index, np.flatnonzero(new)
