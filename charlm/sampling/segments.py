"""The segments of all rows, in arrays. A segment is the part of a candidate that may still be rejected.

A segment of a line model is the whole sample; of a stream it is a line, or SEGMENT tokens of a text without line ends
(SEGMENT_OF_SUBWORDS or fewer, if they are subwords). With the arrays, a new token costs a few NumPy calls for all rows
together, and a candidate is looked at only where its segment may have ended.
"""

import numpy as np

from ..text.vocabulary import UNKNOWN

SEGMENT = 200  # tokens of a stream after which a segment ends even though the line goes on
SEGMENT_OF_SUBWORDS = 50  # the same for subwords: about as many characters
AMPLE = 1 << 40  # characters: more than any segment has
CAPACITY = 32  # tokens of a segment that the arrays hold at first; they grow


class Segments:
    """One segment in each of N rows.

    tokens: ids (N, capacity); lengths: the number of tokens, (N); nats: the sum of their -log ŷ, (N); characters: the
    length of the sample's text so far, (N), counted only where ``max_length`` is finite; latest: the most tokens that
    the segment may have, (N); live: whether a candidate stands in the row, (N); widths: the characters of each id.
    room: how many characters may follow before the row must look for copies, (N), AMPLE where it need not; counted only
    while ``looks``; sizes: the most characters of each id, as the record of the training text counts them.
    """

    def __init__(self, widths: list[int], max_length: float, sizes: list[int]):
        self.widths, self.max_length, self.sizes = np.array(widths), max_length, np.array(sizes)
        self.tokens = np.zeros((0, CAPACITY), np.intp)
        self.lengths, self.characters, self.latest, self.room = np.zeros((4, 0), np.intp)
        self.looks = False  # some row must look for copies before its segment ends
        self.nats, self.live, self.rows = np.zeros(0), np.zeros(0, bool), np.arange(0)
        self.longest = 0  # no segment is longer

    def take_rows(self, rows: np.ndarray, number: int) -> None:
        """Keep these rows, in this order, and add idle ones after them, ``number`` in all."""
        for name in ("tokens", "lengths", "characters", "latest", "room", "nats", "live"):
            kept = getattr(self, name)[rows]
            setattr(self, name, np.concatenate((kept, np.zeros((number - len(rows), *kept.shape[1:]), kept.dtype))))
        self.rows = np.arange(number)

    def begin(self, row: int, characters: int, latest: int, room: int | None) -> None:
        """Begin a segment in a row. room: None for AMPLE."""
        self.lengths[row], self.nats[row], self.live[row] = 0, 0.0, True
        self.characters[row], self.latest[row] = characters, latest
        self.set_room(row, room)

    def set_room(self, row: int, room: int | None) -> None:
        """Say how many characters may follow in a row before it must look for copies."""
        self.room[row] = AMPLE if room is None else room
        self.looks = self.looks or room is not None

    def idle(self, number: int) -> list[int]:
        """So many rows that are idle."""
        return np.flatnonzero(~self.live)[:number].tolist()

    def leave(self, row: int) -> None:
        """Leave a row idle."""
        self.lengths[row], self.live[row], self.room[row] = 0, False, AMPLE

    def add(self, tokens: np.ndarray, nats: np.ndarray) -> list[int]:
        """Add a token to each row, and return the rows in which a segment may have ended.

        tokens: ids (N); nats: their -log ŷ, (N). A segment may end with <EOS> and with <UNK>.
        """
        if self.longest == self.tokens.shape[1]:
            self.longest = int(self.lengths.max())
            if self.longest == self.tokens.shape[1]:
                self.tokens = np.concatenate((self.tokens, np.zeros_like(self.tokens)), axis=1)
        self.longest += 1
        if len(tokens) == 1:
            return self._add_one(tokens.item(0), nats)
        self.tokens[self.rows, self.lengths] = tokens
        self.lengths += self.live
        self.nats += nats
        ended = tokens <= UNKNOWN
        ended |= self.lengths >= self.latest
        if self.looks:
            self.room -= self.sizes[tokens]
            ended |= self.room < 0
        if self.max_length < np.inf:
            self.characters += self.widths[tokens]
            ended |= self.characters > self.max_length
        ended &= self.live
        return ended.nonzero()[0].tolist()

    def _add_one(self, token, nats):
        """The same for one row, with numbers instead of arrays."""
        if not self.live[0]:
            return []
        length = self.lengths.item(0)
        self.tokens[0, length], self.lengths[0] = token, length + 1
        self.nats += nats
        if self.max_length < np.inf:
            self.characters += self.widths[token]
        ended = token <= UNKNOWN or length + 1 >= self.latest.item(0) or self.characters.item(0) > self.max_length
        if self.looks:
            self.room -= self.sizes[token]
            ended = ended or self.room.item(0) < 0
        return [0] if ended else []

    def near_copies(self, tokens: np.ndarray) -> list[int]:
        """The rows in which these tokens, ids (N), would take more room than there is."""
        if not self.looks:
            return []
        self.looks = bool((self.room < AMPLE >> 1).any())
        return (self.room < self.sizes[tokens]).nonzero()[0].tolist()

    def tokens_from(self, row: int, start: int) -> list[int]:
        """The tokens of a segment from number ``start`` on."""
        return self.tokens[row, start : self.lengths[row]].tolist()

    def nats_of(self, row: int) -> float:
        """The sum of -log ŷ of a segment's tokens."""
        return float(self.nats[row])
