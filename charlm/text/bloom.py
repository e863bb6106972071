"""A Bloom filter: a set of 64-bit hashes in a few bits each. It finds every member, and sometimes takes a new hash for
a member (Bloom, 1970)."""

import numpy as np

MOST_BYTES = 1 << 29  # positions are found with 32 bits
MOST_HASHES = 16
MULTIPLIER = 0xD1342543DE82EF95


class Bloom:
    """A filter. bits: uint8 (bytes), eight bits to a byte; hashes: how many bits each member sets.

    The position of bit j = 1, 2, … of a member is the upper half of hash · MULTIPLIER^j, scaled to the number of bits.
    (Sums a + j·b of two hashes would do for large filters, but filters of a few bytes made six times as many mistakes
    with them.)
    """

    def __init__(self, bits: np.ndarray, hashes: int):
        self.bits, self.hashes = bits, hashes

    @classmethod
    def of_size(cls, size: int, members: float) -> "Bloom":
        """An empty filter of ``size`` bytes for about so many members.

        0.69 hashes for each bit of a member make the fewest mistakes; 0.55 make hardly more, and take less time.
        """
        return cls(np.zeros(size, np.uint8), min(MOST_HASHES, max(1, int(0.55 * 8 * size / max(1.0, members)))))

    def _positions(self, members):
        """For each hash, the byte of every member and the bit in it, as a mask."""
        for _ in range(self.hashes):
            members = members * MULTIPLIER  # before the first bit too: the lowest of many hashes are not evenly spread
            number = ((members >> 32) * (8 * len(self.bits))) >> 32
            yield (number >> 3).astype(np.intp), np.left_shift(np.uint8(1), (number & 7).astype(np.uint8))

    def add(self, members: np.ndarray) -> None:
        """Add members: hashes, uint64 (n), of which every bit depends on the whole text that was hashed."""
        if len(self.bits):
            for at, bit in self._positions(members):
                while len(at):  # of several members in one byte, put keeps the last: add the others again
                    np.put(self.bits, at, np.take(self.bits, at) | bit)
                    lost = np.flatnonzero(np.take(self.bits, at) & bit == 0)
                    at, bit = at[lost], bit[lost]

    def contains(self, members: np.ndarray) -> np.ndarray:
        """True for every member that was added, and for few others: bool (n)."""
        found = np.full(len(members), len(self.bits) > 0)
        if len(self.bits):
            for at, bit in self._positions(members):
                found &= np.take(self.bits, at) & bit != 0
                if not found.any():
                    break
        return found

    @property
    def false_positive_rate(self) -> float:
        """The fraction of new hashes that the filter takes for members, because all their bits happen to be set."""
        if not len(self.bits):
            return 0.0
        return (int(np.bitwise_count(self.bits).sum(dtype=np.int64)) / (8 * len(self.bits))) ** self.hashes
