"""Dropout: each number is kept with probability 1 - rate and then divided by it.

Whether a number is kept is a hash of its position and of a key that changes with every update, not a draw from a
stream, so that it does not depend on the order in which threads come by.
"""

import numpy as np

from .compiling import compiled


@compiled
def _hash(x):
    """A 32-bit mix in which every bit of x moves about half of the bits (the finalizer of MurmurHash3)."""
    x = np.uint32(x ^ (x >> np.uint32(16)))
    x = np.uint32(x * np.uint32(0x85EBCA6B))
    x = np.uint32(x ^ (x >> np.uint32(13)))
    x = np.uint32(x * np.uint32(0xC2B2AE35))
    return np.uint32(x ^ (x >> np.uint32(16)))


@compiled
def dropout_mask(m, key, threshold, scale, first, last):
    """m = scale where the hash of the position reaches the threshold, else 0, in the rows first…last-1.

    m: (N, H); key, threshold: uint32, rate = threshold / 2³²; scale = 1 / (1 - rate).
    """
    for n in range(first, last):
        row, position = m[n], np.uint32(n * m.shape[1])
        for i in range(row.size):
            keep = _hash(np.uint32(_hash(np.uint32(position + np.uint32(i))) + key)) >= threshold
            row[i] = scale if keep else scale - scale
