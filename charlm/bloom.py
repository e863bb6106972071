"""A Bloom filter: a set of 64-bit hashes in a few bits each, that never forgets one and now and then takes a new one
for its own (Bloom, 1970)."""

import math

import numpy as np

MOST_BYTES = 1 << 29  # places are found with 32 bits


class Bloom:
    """bits: uint8 (bytes), the filter's bits, eight to a byte; hashes: how many bits stand for one member.

    The places of a member are a + j·b, from the two halves a and b of its hash (Kirsch and Mitzenmacher, 2006).
    """

    def __init__(self, bits: np.ndarray, hashes: int):
        self.bits, self.hashes = bits, hashes

    @classmethod
    def of_size(cls, size: int, members: float) -> "Bloom":
        """An empty filter of ``size`` bytes with the number of hashes that serves so many members best."""
        return cls(np.zeros(size, np.uint8), max(1, int(8 * size / max(1.0, members) * math.log(2))))

    def _places(self, members):
        """One array of bit numbers for each hash."""
        place, step = members >> 32, members & 0xFFFFFFFF | 1
        for _ in range(self.hashes):
            yield (place * (8 * len(self.bits))) >> 32
            place = (place + step) & 0xFFFFFFFF

    def add(self, members: np.ndarray) -> None:
        """members: uint64 (n), hashes that are spread evenly over their type."""
        if len(self.bits):
            for places in self._places(members):
                bits = np.left_shift(1, places & 7, dtype=np.uint64).astype(np.uint8)
                np.bitwise_or.at(self.bits, (places >> 3).astype(np.intp), bits)

    def contains(self, members: np.ndarray) -> np.ndarray:
        """bool (n): True for every member that was added, and for few others."""
        found = np.full(len(members), len(self.bits) > 0)
        if len(self.bits):
            for places in self._places(members):
                found &= (self.bits[(places >> 3).astype(np.intp)] >> (places & 7).astype(np.uint8)) & 1 == 1
        return found

    @property
    def false_positive_rate(self) -> float:
        """The share of new hashes that the filter takes for members: all their bits are set by chance."""
        if not len(self.bits):
            return 0.0
        return (int(np.bitwise_count(self.bits).sum(dtype=np.int64)) / (8 * len(self.bits))) ** self.hashes
