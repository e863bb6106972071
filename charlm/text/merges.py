"""Learns byte-pair merges from a text (see ``subwords``): the pair of tokens that occurs most often becomes a token,
again and again. It is exact, and takes a second for some megabytes.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np

from .subwords import distinct, pieces_of
from .vocabulary import SPECIAL, UNKNOWN, Vocabulary, text_of

LEARNT_FROM = 1 << 22  # characters: of a longer text the merges are learnt from as many, evenly spread
STRETCH = 1 << 16  # characters of a text of which the same fraction is taken from each
FEWEST, MOST = 256, 2048  # symbols, where charlm chooses how many


def chosen_size(characters: int, alphabet: int) -> int:
    """How many symbols, <EOS> and <UNK> included, fit a training text of so many characters.

    alphabet: the number of different characters. A megabyte gets 512, and four times as much text twice as many; a
    large alphabet gets half as many on top of its characters. Measured with n-grams of order 5 (nats per character):
    tiny Shakespeare (1.1 MB) 1.509 with 256 symbols, 1.518 with 512; War and Peace (3.2 MB) 1.266 with 512, 1.265 with
    1,024, 1.267 with 2,048; Python source (3 MB) 1.224, 1.216, 1.217. Networks gain more from longer tokens. Below
    100 kB characters do better: 20 kB of War and Peace 1.97 with characters, 2.07 with 256 symbols.
    """
    number = FEWEST
    while number < MOST and 2 * number**2 * 10**6 < 512**2 * characters:  # √2 · number < 512 · √(megabytes)
        number *= 2
    return max(number, len(SPECIAL) + alphabet + number // 2)


def evenly_spread(pieces: Iterable[np.ndarray], characters: int) -> Iterator[np.ndarray]:
    """The code points of a text, or the beginning of each STRETCH of it, at most about LEARNT_FROM in all.

    pieces: the code points; characters: how many there are. Which ones are taken depends on the text alone, not on
    where its pieces end. A line feed replaces the last one of each beginning.
    """
    kept, start = -(-STRETCH * LEARNT_FROM // max(1, characters)), 0
    for piece in pieces:
        if kept < STRETCH:
            position = np.arange(start, start + len(piece)) % STRETCH
            start += len(piece)
            piece = np.where(position == kept - 1, np.uint32(ord("\n")), piece)[position < kept]
        yield piece


def learnt_vocabulary(
    characters: Vocabulary, pieces: Iterable[np.ndarray], length: int, size: int | None
) -> Vocabulary:
    """The vocabulary of subwords that a training text gives. Of a long text a part is looked at: see ``evenly_spread``.

    characters: the vocabulary of its characters. pieces: the code points of the text; length: how many there are. size:
    of the vocabulary at most, None if charlm chooses it: see ``chosen_size``.
    """
    text = "".join(map(text_of, evenly_spread(pieces, length)))
    return with_merges(characters, text, chosen_size(length, len(characters.symbols)) if size is None else size)


def with_merges(characters: Vocabulary, text: str, size: int) -> Vocabulary:
    """A vocabulary of subwords: the characters, and the merges that the text gives.

    characters: a vocabulary of characters. size: of the new vocabulary at most, <EOS> and <UNK> included; it has fewer
    symbols where no pair is left that occurs twice, and at least the characters. A pair counts wherever it stands, so
    "aaa" has two. Of pairs that occur equally often the one with the smaller ids is merged first, so that the same text
    always gives the same merges. No two of them make the same string: a string that is a token in two places has been
    joined in the same way in both, because each merge is made wherever it can be.
    """
    names, merges = [*SPECIAL, *characters.symbols], []
    learner = _Learner(characters, text, max(size, len(names)))
    while len(names) < size and (pair := learner.most_frequent()) is not None:
        left, right = learner.ids_of(pair)
        learner.merge(pair, len(names))
        names.append(names[left] + names[right])
        merges.append((left, right))
    return Vocabulary("subword", names[len(SPECIAL) :], merges, characters.form)


class _Learner:
    """The tokens of the different pieces of a text, and how often each pair of neighbours occurs in the whole text.

    tokens, pairs: see ``kernels/merging.py``. used: how many pairs there are. size: of the vocabulary at most.
    """

    def __init__(self, characters: Vocabulary, text: str, size: int):
        from ..kernels import merging

        self._kernels, self._tokens = merging, _tokens(characters, text)
        self._size = size = min(size, len(characters) + self._tokens.shape[1])
        first = np.flatnonzero(self._tokens[merging.NEXT] >= 0)
        left, right = self._tokens[merging.ID, first], self._tokens[merging.ID, first + 1]
        codes, found = np.unique(left.astype(np.int64) * size + right, return_inverse=True)
        self._used = len(codes)
        self._pairs = np.zeros((5, self._used), np.int64)
        numbers = np.full(self._tokens.shape[1], -1)
        numbers[first] = found
        merging.link(self._tokens, self._pairs, numbers)
        self._scratch = np.zeros((2, size), np.int64)  # of ``merge``
        # The pairs that occur at least ``floor`` times, and some that did: a look at all of them takes longer.
        self._floor, self._frequent = 1, np.zeros(0, np.intp)

    def most_frequent(self) -> int | None:
        """The number of the most frequent pair, None if no pair occurs twice."""
        counts = self._pairs[self._kernels.COUNT]
        most = counts[self._frequent].max(initial=0)
        if most < self._floor:
            self._floor = max(2, int(counts[: self._used].max(initial=0)) // 2)
            self._frequent = np.flatnonzero(counts[: self._used] >= self._floor)
            most = counts[self._frequent].max(initial=0)
        if most < 2:
            return None
        best = self._frequent[counts[self._frequent] == most]
        left, right = self._pairs[self._kernels.LEFT, best], self._pairs[self._kernels.RIGHT, best]
        return int(best[np.argmin(left * self._size + right)])

    def ids_of(self, pair: int) -> tuple[int, int]:
        """The two ids of a pair."""
        left, right = self._pairs[[self._kernels.LEFT, self._kernels.RIGHT], pair].tolist()
        return left, right

    def merge(self, pair: int, new: int) -> None:
        """Replace a pair by the token ``new``, the next id."""
        room = self._used + 2 * (new + 1) - self._pairs.shape[1]
        if room > 0:
            self._pairs = np.pad(self._pairs, ((0, 0), (0, room + self._used)))
        before = self._used
        self._used = self._kernels.merge(self._tokens, self._pairs, before, pair, new, self._scratch)
        counts = self._pairs[self._kernels.COUNT, before : self._used]
        self._frequent = np.append(self._frequent, before + np.flatnonzero(counts >= self._floor))


def _tokens(characters: Vocabulary, text: str) -> np.ndarray:
    """The array ``tokens`` of ``kernels/merging.py`` for the different pieces of a text: no pairs are counted yet."""
    from ..kernels import merging

    pieces, numbers = distinct(list(chain.from_iterable(pieces_of(text))))
    lengths = np.fromiter(map(len, pieces), np.intp, len(pieces))
    tokens = np.full((7, lengths.sum()), -1, np.int32)
    tokens[merging.ID] = characters.encode("".join(pieces))
    tokens[merging.WEIGHT] = np.repeat(np.bincount(numbers, minlength=len(pieces)), lengths)
    alone = tokens[merging.ID] <= UNKNOWN
    joined = ~(alone[1:] | alone[:-1])  # to the token before
    joined[np.cumsum(lengths)[:-1] - 1] = False
    second = np.flatnonzero(joined) + 1
    tokens[merging.NEXT, second - 1], tokens[merging.PREVIOUS, second] = second, second - 1
    return tokens
