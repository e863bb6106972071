"""The kernels without the compiler (NUMBA_DISABLE_JIT=1): NumPy functions in place of the parts written in LLVM's
language.

With them every other line of the kernels runs as Python: its branches can be counted, and a debugger can walk through.
It is thousands of times slower; only tests marked ``uncompiled`` run with them.
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


def rounded(x):
    """float32 to bfloat16 and back: to the nearest, ties to even, and denormal numbers to zero."""
    bits = np.ascontiguousarray(x).view(np.uint32).astype(np.uint64)
    bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
    near = bits.astype(np.uint32).view(np.float32)
    near = np.where(np.abs(x) < np.finfo(np.float32).tiny, np.copysign(np.float32(0), x), near)
    return np.where(np.isnan(x), np.float32(np.nan), near)


def pairs_of(first, second):
    """Two bfloat16 in 32 bits, the first one in the lower half."""
    first, second = (rounded(x).view(np.uint32) >> np.uint32(16) for x in (first, second))
    return first | second << np.uint32(16)


def number(x):
    """x; of bfloat16 the float32 that they stand for."""
    return (x.astype(np.uint32) << np.uint32(16)).view(np.float32) if x.dtype == np.uint16 else x


def factors(x):
    """The numbers themselves, or both of each pair as float32, in the order in which their products are added."""
    if x.dtype != np.uint32:
        return [x]
    return [half.view(np.float32) for half in (x & np.uint32(0xFFFF0000), x << np.uint32(16))]


def tile(rows, vectors, A, a_row, B, b_start, b_step, C, c_row, c_column, depth, accumulate, wanted):
    width = wanted or vectors * lanes(C)
    target = C[c_row : c_row + rows, c_column : c_column + width]
    sums = target.copy() if accumulate else np.zeros_like(target)
    if A.dtype == np.uint16:  # whose rows are read on beyond an odd number of columns
        A = np.lib.stride_tricks.as_strided(A, (len(A), 2 * depth), A.strides)
        A = A[:, ::2] | A[:, 1::2].astype(np.uint32) << np.uint32(16)
    for k in range(depth):
        column, row = A[a_row : a_row + rows, k, None], B[b_start + k * b_step :][:width]
        for a, b in zip(factors(column), factors(row), strict=True):
            sums[:] = a.astype(np.float64) * b.astype(np.float64) + sums
    target[:] = sums


def product(A, a_column, depth, B, *others):
    from charlm.kernels import bfloat16, tile

    if B.dtype != np.uint32:
        multiply = tile.multiply_floats
    else:
        multiply = bfloat16.multiply_rounded if A.dtype == np.uint16 else bfloat16.multiply_pairs
    multiply(A, a_column, depth, B, *others)


def along(X, row, column, wanted, pairs, start):
    numbers = np.zeros(32, np.float32)
    here = X[row, column : column + max(0, min(wanted, 32))] if wanted > 0 else ()
    numbers[: len(here)] = here
    pairs[start : start + 16] = pairs_of(numbers[::2], numbers[1::2])


def across(X, row, column, wanted, both, pairs, start):
    X = number(X)
    numbers = np.zeros((2, 16), np.float32)
    here = X[row : row + 1 + both, column : column + min(wanted, 16)]
    numbers[: here.shape[0], : here.shape[1]] = here
    pairs[start : start + 16] = pairs_of(*numbers)


def transpose(B, row, column, packed, start, step):
    number = lanes(B)
    for k in range(number):
        packed[start + k * step :][:number] = B[row : row + number, column + k]


def exponent_and_mantissa(x):
    """n and m of x = 2ⁿ m with √½ ≤ m < √2."""
    mantissa, exponent = math.frexp(x)
    is_small = mantissa < math.sqrt(0.5)
    return np.float32(exponent - is_small), np.float32(mantissa * (2 if is_small else 1))


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
    activations._exponent = lambda x: exponent_and_mantissa(x)[0]
    activations._mantissa = lambda x: exponent_and_mantissa(x)[1]
    activations.logarithm = in_float32_or_exact(activations._logarithm, math.log)
    activations.exact_logarithm = in_float32_or_exact(lambda x: np.float32(activations._exact_logarithm(x)), math.log)
    prefetch._fetch_to_write = prefetch._fetch_to_read = lambda array, index: array[index]
    reduce._largest = reduction(-np.inf, lambda values: values, np.fmax)
    reduce._total = reduction(0, lambda values: values, np.add)
    reduce._total_square = reduction(0, np.square, np.add, np.float64)

    from charlm.kernels import sixteen

    sixteen.parts, sixteen.at = lambda n, kept: n, lambda part, n, kept: part
    sixteen.number = number

    from charlm.kernels import tile as tiles

    tiles.lanes, tiles.tile, tiles._transpose, tiles.product = lanes, tile, transpose, product

    from charlm.kernels import bfloat16

    bfloat16._along, bfloat16._across = along, across
    tiles.workspace = bfloat16.workspace = lambda kind, rows, columns: np.empty((rows, columns), kind)
    tiles._once = lambda: None

    from charlm.kernels import kept  # cells run in float32 and float64 here

    kept.first_state, kept.are_apart = lambda a, h, start, stop: None, lambda z: False
    kept.keep = lambda h, i, x: None
