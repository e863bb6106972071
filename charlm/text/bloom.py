"""A Bloom filter: a set of 64-bit hashes in a few bits each, that never forgets one and now and then takes a new one
for its own (Bloom, 1970)."""

import numpy as np

MOST_BYTES = 1 << 29  # places are found with 32 bits
MOST_HASHES = 16
MULTIPLIER = 0xD1342543DE82EF95


class Bloom:
    """bits: uint8 (bytes), the filter's bits, eight to a byte; hashes: how many bits stand for one member.

    Place j = 1, 2, … of a member is that of the upper half of hash · MULTIPLIER^j in the row of all bits. (Sums a + j·b
    of two hashes would do for large filters, but in those of a few bytes they made six times as many mistakes.)
    """

    def __init__(self, bits: np.ndarray, hashes: int):
        self.bits, self.hashes = bits, hashes

    @classmethod
    def of_size(cls, size: int, members: float) -> "Bloom":
        """An empty filter of ``size`` bytes for about so many members.

        The fewest mistakes come with 0.69 hashes for each bit of a member; 0.55 make hardly more and take less time.
        """
        return cls(np.zeros(size, np.uint8), min(MOST_HASHES, max(1, int(0.55 * 8 * size / max(1.0, members)))))

    def _places(self, members):
        """For each hash the byte and the bit in it, as a mask, of every member."""
        for _ in range(self.hashes):
            members = members * MULTIPLIER  # first of all: the lowest of many hashes are not evenly spread
            number = ((members >> 32) * (8 * len(self.bits))) >> 32
            yield (number >> 3).astype(np.intp), np.left_shift(np.uint8(1), (number & 7).astype(np.uint8))

    def add(self, members: np.ndarray) -> None:
        """members: uint64 (n), hashes of which every bit depends on all of what was hashed."""
        if len(self.bits):
            for at, bit in self._places(members):
                while len(at):  # of several members in one byte the last one wins, and the others come again
                    np.put(self.bits, at, np.take(self.bits, at) | bit)
                    lost = np.flatnonzero(np.take(self.bits, at) & bit == 0)
                    at, bit = at[lost], bit[lost]

    def contains(self, members: np.ndarray) -> np.ndarray:
        """bool (n): True for every member that was added, and for few others."""
        found = np.full(len(members), len(self.bits) > 0)
        if len(self.bits):
            for at, bit in self._places(members):
                found &= np.take(self.bits, at) & bit != 0
                if not found.any():
                    break
        return found

    @property
    def false_positive_rate(self) -> float:
        """The share of new hashes that the filter takes for members: all their bits are set by chance."""
        if not len(self.bits):
            return 0.0
        return (int(np.bitwise_count(self.bits).sum(dtype=np.int64)) / (8 * len(self.bits))) ** self.hashes
