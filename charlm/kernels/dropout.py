"""Dropout: each number is kept with probability 1 - rate and then divided by it.

Whether a number is kept is a hash of its position and of a key that changes with every update, not a draw from a
stream, so that it does not depend on the order in which threads come by, and the backward pass finds the same again
without a mask in memory.
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
def dropout(values, out, key, threshold, scale, first, last):
    """out = values · scale where the hash of the position reaches the threshold, else 0; the same for its gradient.

    values, out: (T, N, H), possibly the same array; key, threshold: uint32, rate = threshold / 2³²; scale = 1 / (1 -
    rate).
    """
    for t in range(values.shape[0]):
        for n in range(first, last):
            source, target = values[t, n], out[t, n]
            position = np.uint32((t * values.shape[1] + n) * values.shape[2])
            for i in range(source.size):
                keep = _hash(np.uint32(_hash(np.uint32(position + np.uint32(i))) + key)) >= threshold
                target[i] = source[i] * scale if keep else source[i] - source[i]
