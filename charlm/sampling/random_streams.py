"""Streams of random numbers: number k of a key is the same whenever it is made, and many are made at once.

SplitMix64's finalizer mixes a key and a position k to 64 bits (Steele, Lea and Flood, Fast splittable pseudorandom
number generators, 2014): mix(key + mix(k · γ)), modulo 2⁶⁴. So a seed gives one key per candidate, and each key gives
a stream of numbers.
"""

import numpy as np

GAMMA = 0x9E3779B97F4A7C15
AHEAD = 16  # numbers of a row that are made at a time, which changes none of them


def mix(bits: np.ndarray) -> np.ndarray:
    """A reversible map of uint64 under which every bit depends on all bits."""
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB
    return bits ^ (bits >> 31)


def bits_at(keys: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """The 64 bits at some positions of some keys: all uint64, of shapes that broadcast."""
    return mix(keys + mix(positions * GAMMA))


def key_of(seed: tuple[int, ...]) -> np.ndarray:
    """The key of a seed of several integers, of any size: uint64 (1)."""
    key = np.array([len(seed)], np.uint64)
    for number in map(int, seed):
        limbs = [number >> shift & (1 << 64) - 1 for shift in range(0, max(1, number.bit_length()), 64)]
        for limb in (len(limbs), *limbs):
            key = bits_at(key, np.array([limb], np.uint64))
    return key


class RandomStreams:
    """One stream of random numbers, 0 ≤ number < 1, for each of N rows.

    keys: the key of each row, uint64 (N); ready: numbers made ahead, (AHEAD, N); used: how many rows of ``ready`` were
    taken; before: how many numbers of its key each row had taken before ``ready`` was made, uint64 (N), modulo 2⁶⁴
    because it may be negative.
    """

    def __init__(self):
        self.keys, self.before = np.zeros((2, 0), np.uint64)
        self.ready, self.used = np.zeros((AHEAD, 0)), 0

    def take_rows(self, rows: np.ndarray, number: int) -> None:
        """Keep these rows, in this order, and add idle ones after them, ``number`` in all."""
        idle = (0, number - len(rows))
        self.keys, self.before = (np.pad(array[rows], idle) for array in (self.keys, self.before))
        self.ready = np.pad(self.ready[:, rows], ((0, 0), idle))

    def begin(self, rows: list[int], keys: list[int], taken: list[int]) -> None:
        """Give each of these rows the stream of a key, after the numbers that were already taken from it."""
        self.keys[rows] = keys
        self.before[rows] = np.array(taken, np.uint64) - np.uint64(self.used)
        self.ready[:, rows] = self._numbers(self.keys[rows], self.before[rows])

    def taken(self, row: int) -> int:
        """How many numbers of its key a row has taken."""
        return (int(self.before[row]) + self.used) % (1 << 64)

    def take(self, row: int) -> float:
        """The next number of one row, which ``next_numbers`` then leaves out."""
        key, position = self.keys[row : row + 1], self.before[row : row + 1]
        number = float(bits_at(key, position + np.uint64(self.used))[0] >> np.uint64(11)) * 2.0**-53
        self.before[row : row + 1] += np.uint64(1)
        self.ready[:, row : row + 1] = self._numbers(key, position)
        return number

    def next_numbers(self) -> np.ndarray:
        """The next number of each row, (N)."""
        if self.used == AHEAD:
            self.before, self.used = self.before + np.uint64(AHEAD), 0
            self.ready = self._numbers(self.keys, self.before)
        self.used += 1
        return self.ready[self.used - 1]

    @staticmethod
    def _numbers(keys, before):
        positions = before + np.arange(AHEAD, dtype=np.uint64)[:, None]
        return (bits_at(keys, positions) >> 11) * 2.0**-53
