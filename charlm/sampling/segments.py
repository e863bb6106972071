"""The units that are being drawn, in arrays with an entry for each row: a token more costs a few NumPy calls for all
rows together, and a chain is touched only where something may have ended."""

import numpy as np

from ..text.vocabulary import UNKNOWN

CAPACITY = 32  # tokens of a unit for which there is room at first


class Segments:
    """One unit in each of N rows.

    tokens: ids (N, capacity); lengths: how many of them there are, (N); nats: the sums of their -log ŷ, (N);
    characters: of the sample so far, (N), counted only where ``max_length`` is finite; latest: the length with which
    the unit ends at the latest, (N); live: whether somebody draws there, (N). widths: characters of each token.
    """

    def __init__(self, widths: list[int], max_length: float):
        self.widths, self.max_length = np.array(widths), max_length
        self.tokens = np.zeros((0, CAPACITY), np.intp)
        self.lengths, self.characters, self.latest = np.zeros((3, 0), np.intp)
        self.nats, self.live, self.numbers = np.zeros(0), np.zeros(0, bool), np.arange(0)
        self.most = 0  # no unit is longer

    def take(self, rows: list[int], number: int) -> None:
        """Have these rows of those that there are, and idle ones behind them: ``number`` in all."""
        for name in ("tokens", "lengths", "characters", "latest", "nats", "live"):
            kept = getattr(self, name)[rows]
            setattr(self, name, np.concatenate((kept, np.zeros((number - len(rows), *kept.shape[1:]), kept.dtype))))
        self.numbers = np.arange(number)

    def begin(self, row: int, characters: int, latest: int) -> None:
        """A new unit in a row."""
        self.lengths[row], self.nats[row], self.live[row] = 0, 0.0, True
        self.characters[row], self.latest[row] = characters, latest

    def leave(self, row: int) -> None:
        self.lengths[row], self.live[row] = 0, False

    def add(self, tokens: np.ndarray, nats: np.ndarray) -> list[int]:
        """A token more in each row, (N) and (N): the rows in which something may have ended. <EOS> is a possible end,
        and so is <UNK>."""
        if self.most == self.tokens.shape[1]:
            self.most = int(self.lengths.max())
            if self.most == self.tokens.shape[1]:
                self.tokens = np.concatenate((self.tokens, np.zeros_like(self.tokens)), axis=1)
        self.most += 1
        if len(tokens) == 1:
            return self._add_one(tokens.item(0), nats)
        self.tokens[self.numbers, self.lengths] = tokens
        self.lengths += self.live
        self.nats += nats
        ended = tokens <= UNKNOWN
        ended |= self.lengths >= self.latest
        if self.max_length < np.inf:
            self.characters += self.widths[tokens]
            ended |= self.characters > self.max_length
        ended &= self.live
        return ended.nonzero()[0].tolist()

    def _add_one(self, token, nats):
        """The same for one row, with numbers in the place of arrays of one."""
        if not self.live[0]:
            return []
        length = self.lengths.item(0)
        self.tokens[0, length], self.lengths[0] = token, length + 1
        self.nats += nats
        if self.max_length < np.inf:
            self.characters += self.widths[token]
        ended = token <= UNKNOWN or length + 1 >= self.latest.item(0) or self.characters.item(0) > self.max_length
        return [0] if ended else []

    def since(self, row: int, first: int) -> list[int]:
        """The tokens of a unit from number ``first`` on."""
        return self.tokens[row, first : self.lengths[row]].tolist()
