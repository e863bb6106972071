"""Dropout: each number is kept with probability 1 - rate and then divided by 1 - rate; the others are dropped.

A hash decides whether a number is kept: a hash of its position and of a key that changes with every update. There is no
stream of random numbers, so the decision does not depend on the order in which threads run.
"""

import numpy as np

from .compiling import compiled, internal


@internal
def _hash(x):
    """A 32-bit mix in which every bit of x moves about half of the bits (the finalizer of MurmurHash3)."""
    x = np.uint32(x ^ (x >> np.uint32(16)))
    x = np.uint32(x * np.uint32(0x85EBCA6B))
    x = np.uint32(x ^ (x >> np.uint32(13)))
    x = np.uint32(x * np.uint32(0xC2B2AE35))
    return np.uint32(x ^ (x >> np.uint32(16)))


@compiled
def dropout_mask(m, first, count, shards, key, threshold, scale, start, stop):
    """m = scale where the hash of the position reaches the threshold, else 0.

    m          [N, H]   out
    first, count, shards      row n of m is the row n // count · shards + first + n mod count of the batch, whose
                              position counts
    key        uint32         another key gives another mask
    threshold  uint32         rate · 2³²
    scale      type of m      1 / (1 - rate)

    Rows [start, stop) are written.
    """
    for n in range(start, stop):
        row, position = m[n], np.uint32((n // count * shards + first + n % count) * m.shape[1])
        for i in range(row.size):
            keep = _hash(np.uint32(_hash(np.uint32(position + np.uint32(i))) + key)) >= threshold
            row[i] = scale if keep else scale - scale
