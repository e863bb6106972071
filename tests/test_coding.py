"""The bytes of the counts on a page: a reader written after the docstrings of ``kernels/coding.py`` gets the same
n-grams. tests/export/test_engine.py tries the one in JavaScript."""

import math
import zlib
from pathlib import Path

import numpy as np
import pytest

from charlm.errors import ModelFileError
from charlm.export.page.counts import coded
from charlm.text.ngrams import BACKOFFS, WEIGHTS, NGrams
from charlm.text.vocabulary import EOS

CORPORA = Path(__file__).parent.parent / "corpora"


def half_octaves(x):
    mantissa, exponent = math.frexp(max(x, 1e-300))
    return 2 * exponent + (mantissa >= 0.75)


def within(x, stop):
    return min(max(x, 0), stop - 1)


class Reader:
    """N-grams from their bytes, one decision after the other. Contexts are tuples."""

    def __init__(self, fields, data, V):
        self.fields, self.data, self.V, self.contexts = fields, iter(data.tobytes()), V, {}
        self.low = self.high = self.code = 0
        for _ in range(3):
            self.shift()
        size = 1 + sum(fields["sizes"])
        self.tokens, self.first, self.suffixes = [0], [], [0] * size
        self.own, self.backoff = np.zeros(size, np.float32), np.ones(size, np.float32)
        self.joint, self.values, self.up_to = np.ones((3, size), np.float32).tolist()
        self.read()

    def shift(self):
        self.low, self.high = self.low << 8 & 0xFFFFFF, self.high << 8 & 0xFFFFFF | 255
        self.code = self.code << 8 & 0xFFFFFF | next(self.data, 0)

    def bit(self, *context):
        chance, seen = self.contexts.get(context, (0.5, 0))
        middle = self.low + int((self.high - self.low) * chance)
        bit = int(self.code <= middle)
        self.low, self.high = (self.low, middle) if bit else (middle + 1, self.high)
        while self.low >> 16 == self.high >> 16:
            self.shift()
        self.contexts[context] = (
            chance + ((1 - 1 / 8192 if bit else 1 / 8192) - chance) * (1 / (seen + 1.5)),
            min(seen + 1, 60),
        )
        return bit

    def number(self, levels, *context):
        length, read = 0, 1
        while length < max(len(levels).bit_length() - 1, 0) and self.bit(*context, "length", length):
            length += 1
        for _ in range(length):
            read = 2 * read + self.bit(*context, length, read)
        return read - 1

    def read(self):
        sizes, length, longer = self.fields["sizes"], 0, 1
        for h in range(len(self.own)):
            if h == longer:
                longer, length = longer + sizes[length], length + 1
            self.first.append(len(self.tokens))
            if h == 0:
                self.tokens += range(self.V)
            elif length < len(sizes):
                self.read_children(h, length)
            if self.first[h] < len(self.tokens):
                self.read_probabilities(h, length)
        self.first.append(len(self.tokens))

    def read_children(self, h, length):
        low, high = self.first[self.suffixes[h]], self.first[self.suffixes[h] + 1]
        self.of_history = within((half_octaves(self.joint[h]) >> 1) + 23, 16)
        self.start, self.known, self.begin = len(self.tokens), ("length", min(length, 9)), low
        if low < high:
            self.find(low, high, False)

    def find(self, low, high, certain):
        if not certain:
            mass = self.up_to[high - 1] - (self.up_to[low - 1] if low > self.begin else 0.0)
            of_children = within((half_octaves(mass) >> 1) + 16, 18)
            known, self.known = self.known, ("found", min(len(self.tokens) - self.start, 5))
            size = min((high - low).bit_length(), 6)
            if not self.bit("children", size, known, self.of_history, of_children):
                return False
        if high - low == 1:
            self.suffixes[len(self.tokens)] = low
            self.tokens.append(self.tokens[low])
            self.known = ("found", min(len(self.tokens) - self.start, 5))
            return True
        middle = (low + high) >> 1
        self.find(middle, high, not self.find(low, middle, False))
        return True

    def read_probabilities(self, h, length):
        start, stop = self.first[h], len(self.tokens)
        number = stop - start
        lower = [self.values[self.suffixes[child]] if h else 1 / stop for child in range(start, stop)]
        of_mass = within(2 - half_octaves(sum(lower)), 8)
        code = self.fields["backoff"][
            self.number(self.fields["backoff"], "backoff", min(length, 11), min(number, 3), of_mass)
        ]
        left, weights, heaviest = float(BACKOFFS[code]), [1.0], 255
        if number > 1:
            weights = []
            for below in lower:
                ratio = within(2 - half_octaves(below / max(lower)), 16)
                is_last = len(weights) == number - 1 and heaviest > 0
                code = self.fields["own"][self.number(self.fields["own"], "own", ratio, min(number - 2, 3), is_last)]
                heaviest = min(heaviest, code)
                weights.append(float(WEIGHTS[code]))
        total, up_to = sum(weights), 0.0
        self.backoff[h] = 1 if total == 0 else left
        for child, weight, below in zip(range(start, stop), weights, lower, strict=True):
            self.own[child] = weight * ((1 - left) / (total if total > 0 else 1)) if total else 0
            value = float(np.float32(float(self.own[child]) + float(self.backoff[h]) * below))
            up_to += value
            self.values[child], self.up_to[child] = value, float(np.float32(up_to))
            self.joint[child] = float(np.float32(self.joint[h] * value))


def names():
    return np.frombuffer((CORPORA / "dinosaurs.txt").read_bytes()[:4000], np.uint8).astype(int)


def zipf(V, size):
    return np.random.default_rng(1).zipf(1.3, size) % (V - 2) + 2


TEXTS = {
    "names": lambda: NGrams.count(np.where(names() == 10, EOS, names() % 64 + 2), 66, 6, True, singletons=6),
    "names pruned": lambda: (
        NGrams.count(np.where(names() == 10, EOS, names() % 64 + 2), 66, 6, True, singletons=6).pruned(1500).rounded(8)
    ),
    "many words": lambda: NGrams.count(zipf(900, 2500), 900, 3, False, singletons=3).rounded(8),
    "single tokens": lambda: NGrams.count(zipf(40, 50), 40, 1, False, singletons=3),
    "one token again and again": lambda: NGrams.count(np.full(50, 2), 3, 4, False, singletons=4),
    "two tokens": lambda: NGrams.count(np.array([1, 0]), 2, 2, False, singletons=2),
}


@pytest.mark.uncompiled
@pytest.mark.parametrize("name", TEXTS)
def test_the_bytes_are_the_n_grams(name):
    ngrams = TEXTS[name]()
    fields, data = coded(ngrams)
    found = Reader(fields, data, ngrams.vocabulary_size)
    assert found.tokens == ngrams.tokens.tolist() and found.first == ngrams.first.tolist()
    assert np.array_equal(found.own, ngrams.own) and np.array_equal(found.backoff, ngrams.backoff)
    assert found.suffixes == ngrams.suffixes.tolist()


def test_the_bytes_are_fewer_than_those_of_arrays():
    ngrams = TEXTS["names"]().rounded(8)
    assert len(coded(ngrams)[1]) < 0.6 * sum(
        len(zlib.compress(array.tobytes(), 9)) for array in ngrams.arrays().values()
    )


def test_n_grams_without_the_shorter_ones_that_they_end_with_are_refused():
    tree = {
        "tokens": np.array([0, 0, 1, 2, 2, 0], np.uint8),  # of three tokens, 1 2, and 1 2 0 but not 2 0
        "children": np.array([3, 0, 1, 0, 1, 0]),
        "own": np.full(6, 0.2, np.float32),
        "backoff": np.full(6, 0.4, np.float32),
        "own_codes": np.zeros(3, np.uint8),
        "backoff_codes": np.zeros(3, np.uint8),
    }
    with pytest.raises(ModelFileError, match="n-grams without the shorter ones"):
        coded(NGrams(3, 3, False, True, tree))
