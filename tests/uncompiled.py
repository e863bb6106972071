"""The kernels without the compiler (NUMBA_DISABLE_JIT=1): stand-ins in NumPy for what they write in LLVM's language.

With them every other line of the kernels runs as Python: its branches can be counted, and a debugger can walk through.
It is thousands of times slower; tests that train for long are left out (``conftest.py``).
"""

import math

import numpy as np

from charlm.kernels import activations, prefetch, reduce


def multiply_add(x, y, z):
    """x · y + z, rounded once but for rare last bits: in float64 the product of two float32 is exact."""
    return np.float32(np.float64(x) * np.float64(y) + np.float64(z)) if isinstance(x, np.float32) else x * y + z


def reduction(start, prepare, combine, kind=None):
    """The first whole PARTS of a row, reduced in PARTS parts and those in order."""

    def reduced(values):
        rows = prepare(values[: values.size - values.size % reduce.PARTS].astype(kind or values.dtype))
        parts = np.full(reduce.PARTS, start, kind or values.dtype)
        for row in rows.reshape(-1, reduce.PARTS):
            parts = combine(parts, row)
        first, *others = parts
        for other in others:
            first = combine(first, other)
        return first

    return reduced


def lanes(array):
    from charlm.kernels.compiling import LANES

    return LANES * 4 // array.dtype.itemsize


def tile(rows, vectors, A, a_row, B, b_start, b_step, C, c_row, c_column, depth, accumulate, wanted):
    width = wanted or vectors * lanes(A)
    target = C[c_row : c_row + rows, c_column : c_column + width]
    sums = target.copy() if accumulate else np.zeros_like(target)
    for k in range(depth):
        row = B[b_start + k * b_step :][:width].astype(np.float64)
        sums[:] = A[a_row : a_row + rows, k, None].astype(np.float64) * row + sums
    target[:] = sums


def transpose(B, row, column, packed, start, step):
    number = lanes(B)
    for k in range(number):
        packed[start + k * step :][:number] = B[row : row + number, column + k]


def in_float32_or_exact(fast, exact):
    return lambda x: fast(x) if isinstance(x, np.float32) else type(x)(exact(x))


def stand_in() -> None:
    """Put the stand-ins into the kernels, before anything else takes the names from there."""
    activations._multiply_add = multiply_add
    activations._power_of_two = lambda n: np.float32(2.0 ** int(n))
    activations.tanh = in_float32_or_exact(activations._tanh, math.tanh)
    half = np.float32(0.5)
    activations.sigmoid = in_float32_or_exact(
        lambda x: multiply_add(half, activations._tanh(half * x), half), lambda x: 0.5 * math.tanh(0.5 * x) + 0.5
    )
    activations.exponential = in_float32_or_exact(activations._exponential, math.exp)
    prefetch._prefetch = lambda array, row, column: array[row, column]
    reduce._largest = reduction(-np.inf, lambda values: values, np.fmax)
    reduce._total = reduction(0, lambda values: values, np.add)
    reduce._total_square = reduction(0, np.square, np.add, np.float64)

    from charlm.kernels import tile as tiles

    tiles.lanes, tiles.tile, tiles._transpose = lanes, tile, transpose
