"""Each kernel against NumPy; no split of the work and no vector width changes a bit; the compiler's cache."""

import math
import shutil
from pathlib import Path

import numba
import numpy as np
import pytest
from fresh import homes
from uncompiled import factors, pairs_of, rounded

import charlm
from charlm.kernels import activations, bfloat16, compiling, numba_private
from charlm.kernels.bfloat16 import ACROSS, multiply_transposed_pairs, pack_pairs, paired
from charlm.kernels.compiling import HAS_BFLOAT16
from charlm.kernels.dropout import dropout_mask
from charlm.kernels.feedforward import sum_over_positions, sum_over_positions_gradient
from charlm.kernels.gather import embed, embed_gradient, gather, scatter_add, sum_rows
from charlm.kernels.gradients import layer_gradients, layer_gradients_in_pairs
from charlm.kernels.lstm import peephole_gradient
from charlm.kernels.sharded import (
    COLUMNS_AT_ONCE,
    ROWS_AT_ONCE,
    sharded_gradients,
    sharded_gradients_in_pairs,
    sort_tokens,
    sum_rows_of_shards,
    sum_tokens,
)
from charlm.kernels.sixteen import at, parts
from charlm.kernels.softmax import softmax_both_ways, softmax_cross_entropy, softmax_gradient
from charlm.kernels.tile import DEPTH, LANES, VECTORS, multiply, multiply_transposed, pack, packed_size
from charlm.kernels.updates import CHUNK, adam, squares
from charlm.network.sharding import tree_sum
from torture.caches import DAMAGES

needs_bfloat16 = pytest.mark.skipif(not HAS_BFLOAT16, reason="this processor does not multiply in bfloat16")
float_types = pytest.mark.parametrize("dtype", [np.float32, np.float64])
ROWS = range(1, 14)
DEPTHS = [1, 2, 5, DEPTH - 1, DEPTH, DEPTH + 1, 2 * DEPTH, 300]
GUARD = 67  # numbers before and after an array; odd, so that no array is aligned to its vectors


def random_numbers(random, shape, dtype):
    """float32 of any value; float64 that are small integers, whose products and sums are exact."""
    return (random.standard_normal(shape) if dtype == np.float32 else random.integers(-9, 10, shape)).astype(dtype)


def framed(random, shape, dtype):
    """(buffer, array): an array of random numbers that stands in the middle of a larger buffer of them."""
    buffer = random_numbers(random, math.prod(shape) + 2 * GUARD, dtype)
    return buffer, buffer[GUARD:-GUARD].reshape(shape)


def same_part(array, buffer):
    """The part of another buffer where the array stands in its own: the test writes the expected numbers there."""
    return buffer[GUARD:-GUARD].reshape(array.shape)


def same_bits(found, expected):
    return found.shape == expected.shape and found.tobytes() == expected.tobytes()


def cuts(number, multiple=1):
    """Every way to cut 0…number in two at a multiple, and the cut into the smallest pieces."""
    multiples = range(0, number, multiple)
    yield from ([(0, cut), (cut, number)] for cut in [*multiples, number])
    yield [(start, min(start + multiple, number)) for start in multiples]


# --- tile.py


def widths(dtype):
    """(vector, panel): numbers in a vector register and columns in a panel."""
    vector = LANES * 4 // np.dtype(dtype).itemsize
    return vector, VECTORS * vector


def columns_around(dtype):
    vector, panel = widths(dtype)
    return [1, vector - 1, vector, vector + 1, panel - 1, panel, panel + 1, panel + vector, 2 * panel + vector + 3]


def chain(A, B, before):
    """before + A · B with k in order, rounded once for each k, as a chain of fused multiply-adds is.

    A float32 product is exact in float64, and so are the sums of integers that the float64 tests take.
    """
    C = before.astype(np.float64)
    for k in range(B.shape[0]):
        C = (C + A[..., k, None].astype(np.float64) * B[k].astype(np.float64)).astype(A.dtype).astype(np.float64)
    return C.astype(A.dtype)


def packed_matrix(B, transposed=False):
    """What ``multiply`` reads: B, or Bᵀ, packed all at once, with NaN wherever ``pack`` does not write."""
    depth, columns = B.shape[::-1] if transposed else B.shape
    packed = np.full(packed_size(B, depth, columns) + GUARD, np.nan, B.dtype)
    pack(B, transposed, packed, 0, columns)
    return packed


@float_types
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("depth", [1, 15, 16, 17, 40])
def test_pack_puts_panels_and_slivers_one_after_the_other(depth, transposed, dtype):
    random = np.random.default_rng(depth)
    vector, panel = widths(dtype)
    for columns in columns_around(dtype):
        B = random_numbers(random, (depth, columns), dtype)
        given = np.ascontiguousarray(B.T) if transposed else B
        parts, j = [], 0
        while j < columns:
            width = panel if columns - j >= panel else vector
            part = np.zeros((depth, width), dtype)
            part[:, : columns - j] = B[:, j : j + width]
            parts.append(part.ravel())
            j += width
        expected = np.concatenate([*parts, np.full(GUARD, np.nan, dtype)])
        assert np.array_equal(packed_matrix(given, transposed), expected, equal_nan=True)
        for pieces in cuts(columns, panel):
            packed = np.full_like(expected, np.nan)
            for start, stop in pieces:
                pack(given, transposed, packed, start, stop)
            assert np.array_equal(packed, expected, equal_nan=True)


@float_types
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("rows", ROWS)
def test_multiply_is_the_chain_of_multiply_adds_and_touches_nothing_else(rows, accumulate, dtype):
    random = np.random.default_rng([rows, accumulate])
    start, a_column, c_column = 2, 3, 5
    stop = start + rows
    for i, columns in enumerate(columns_around(dtype)):
        depth = DEPTHS[(rows + i) % len(DEPTHS)]
        A = np.full((2, stop + 1, a_column + depth + 2), np.nan, dtype)
        A[:, start:stop, a_column : a_column + depth] = random_numbers(random, (2, rows, depth), dtype)
        B = random_numbers(random, (depth, columns), dtype)
        buffer, C = framed(random, (2, stop + 1, c_column + columns + 2), dtype)
        expected = buffer.copy()
        wanted = same_part(C, expected)[:, start:stop, c_column : c_column + columns]
        before = wanted if accumulate else np.zeros_like(wanted)
        wanted[:] = chain(A[:, start:stop, a_column : a_column + depth], B, before)
        if not accumulate:
            C[:, start:stop, c_column : c_column + columns] = np.nan  # must not be read
        multiply(A, a_column, depth, packed_matrix(B), C, c_column, columns, start, stop, accumulate)
        assert same_bits(buffer, expected), (depth, columns)


@float_types
def test_multiply_by_the_transposed_matrix(dtype):
    """The backward pass, dz · Wᵀ, reads the same W, packed as its transpose."""
    random = np.random.default_rng(1)
    for columns in columns_around(dtype):
        A, B = random_numbers(random, (1, 7, 20), dtype), random_numbers(random, (columns, 20), dtype)
        C = np.empty((1, 7, columns), dtype)
        multiply(A, 0, 20, packed_matrix(B, True), C, 0, columns, 0, 7, False)
        assert same_bits(C, chain(A, B.T, np.zeros_like(C)))


@float_types
def test_multiply_is_as_exact_as_numpy(dtype):
    """On numbers that are not whole: the error of each sum is within depth · ε of the sum of its terms' magnitudes."""
    random = np.random.default_rng(2)
    A, B = random.standard_normal((1, 11, 300)), random.standard_normal((300, 45))
    A, B = A.astype(dtype), B.astype(dtype)
    C = np.empty((1, 11, 45), dtype)
    multiply(A, 0, 300, packed_matrix(B), C, 0, 45, 0, 11, False)
    terms = np.abs(A.astype(np.longdouble)) @ np.abs(B.astype(np.longdouble))
    error = np.abs(C - A.astype(np.longdouble) @ B.astype(np.longdouble))
    assert (error / terms).max() < 4 * np.finfo(dtype).eps


@float_types
def test_multiply_gives_the_same_bits_however_the_rows_are_cut(dtype):
    random = np.random.default_rng(3)
    N, depth = 13, DEPTH + 5
    for columns in columns_around(dtype):
        shapes = (2, N, depth), (depth, columns), (2, N, columns)
        A, B, whole = (random.standard_normal(shape).astype(dtype) for shape in shapes)
        packed = packed_matrix(B)
        pieces_of = {tuple(pieces): whole.copy() for pieces in cuts(N)}
        multiply(A, 0, depth, packed, whole, 0, columns, 0, N, True)
        for pieces, C in pieces_of.items():
            for start, stop in pieces:
                multiply(A, 0, depth, packed, C, 0, columns, start, stop, True)
            assert same_bits(C, whole), pieces


@float_types
@pytest.mark.parametrize("rows", ROWS)
def test_multiply_transposed_is_the_chain_of_multiply_adds_and_touches_nothing_else(rows, dtype):
    """``rows`` of the result; the sum runs over the depth."""
    random = np.random.default_rng(rows)
    _, panel = widths(dtype)
    for i, columns in enumerate(columns_around(dtype)):
        depth, column = DEPTHS[(rows + i) % len(DEPTHS)], i % 3
        X, dZ = random_numbers(random, (depth, rows), dtype), np.full((depth, column + columns + 2), np.nan, dtype)
        dZ[:, column : column + columns] = random_numbers(random, (depth, columns), dtype)
        product = chain(X.T, dZ[:, column : column + columns], np.zeros((rows, columns), dtype))
        for pieces in ([(0, columns)], *cuts(columns, panel)):
            buffer, dW = framed(random, (rows, columns), dtype)
            expected = buffer.copy()
            for start, stop in pieces:
                same_part(dW, expected)[:, start:stop] = product[:, start:stop]
                multiply_transposed(X, 0, dZ, column, dW, start, stop, False)
                assert same_bits(buffer, expected), (depth, columns, start, stop)


# --- gradients.py


@pytest.mark.uncompiled
@pytest.mark.parametrize("precision", ["float32", pytest.param("bf16", marks=needs_bfloat16)])
@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("a_column, x_columns, columns", [(0, 70, 70), (30, 90, 120), (0, 0, 3)])
def test_layer_gradients_are_the_products_and_sums_however_the_columns_are_cut(
    a_column, x_columns, columns, one_hot, precision
):
    random, R, H, D = np.random.default_rng(columns), 2 * DEPTH + 5, 7, 5
    dz = np.full((R, columns + 2), np.nan, np.float32)
    dz[:, :columns] = random.standard_normal((R, columns))
    a, x = (random.standard_normal((R, width)).astype(np.float32) for width in (H, D))
    tokens, gradients, multiplied = np.empty(0, np.int32), layer_gradients, chain
    if precision == "bf16":
        gradients, multiplied = layer_gradients_in_pairs, chain_of_pairs
    expected = [multiplied(a.T, dz[:, a_column:columns], np.zeros((H, columns - a_column), np.float32))]
    if one_hot:
        tokens, x = random.integers(0, D, R).astype(np.int32), x[:0]
        expected.append(np.zeros((D, x_columns), np.float32))
        scatter_add(tokens, dz, expected[1], 0, x_columns)
    else:
        expected.append(multiplied(x.T, dz[:, :x_columns], np.zeros((D, x_columns), np.float32)))
    expected.append(np.zeros(columns, np.float32))
    sum_rows(dz, expected[2], 0, columns, False)
    for pieces in ([(0, columns)], *cuts(columns, 16)):
        found = [np.full_like(array, np.nan) for array in expected]
        for start, stop in pieces:
            gradients(a, x, tokens, dz, a_column, 0, *found, start, stop)
        assert all(map(same_bits, found, expected)), pieces
    for pieces in cuts(H):  # of the rows of dW_a; nobody wants the sums of these columns again
        found = np.full_like(expected[0], np.nan)
        for start, stop in filter(np.diff, pieces):
            some, none = found[start:stop], np.empty(0, np.float32)
            gradients(a, x[:0], tokens[:0], dz, a_column, start, some, some[:, :0], none, a_column, columns)
        assert same_bits(found, expected[0]), pieces


# --- sharded.py


def alone(gradients, shard, a, x, tokens, dz, a_column, shapes):
    """The gradients of one shard's rows by the kernel that knows of no shards."""
    found = [np.empty(shape, dz.dtype) for shape in shapes]
    a, x, dz = (np.ascontiguousarray(rows[shard]) for rows in (a, x, dz))
    gradients(a, x, np.ascontiguousarray(tokens[shard]), dz, a_column, 0, *found, 0, shapes[2][0])
    return found


SHARDED = pytest.mark.parametrize(
    "H, D, half, shards",
    [
        pytest.param(7, 5, 20, 4, marks=pytest.mark.uncompiled),
        (ROWS_AT_ONCE + 9, 40, COLUMNS_AT_ONCE // 2 + 13, 8),
    ],
    ids=["small", "more than at once"],
)


@SHARDED
@pytest.mark.parametrize("precision", ["float32", pytest.param("bf16", marks=needs_bfloat16)])
@pytest.mark.parametrize("kind", ["dense", "one-hot", "tied"])
def test_sharded_gradients_are_those_of_each_shard_added_along_the_tree(H, D, half, shards, kind, precision):
    random, R, columns = np.random.default_rng(H), 11 * shards, 2 * half
    sharded, gradients = sharded_gradients, layer_gradients
    if precision == "bf16":
        sharded, gradients = sharded_gradients_in_pairs, layer_gradients_in_pairs
    a, x, dz = (random.standard_normal((R, width)).astype(np.float32) for width in (H, D, columns))
    tokens, one_hot = random.integers(0, D, R).astype(np.int32), kind == "one-hot"
    x = x[:0] if kind != "dense" else x
    shapes = [(H, columns - half), (D if kind != "tied" else 0, half + 3), (columns,)]
    starts, offsets, of_shard = np.empty(0, np.int64), np.empty(R, np.int64), np.empty(R, np.int32)
    added = random.standard_normal((R, columns)).astype(np.float32)
    source = added.reshape(-1) if kind == "tied" else np.empty(0, np.float32)
    if kind != "dense":
        starts = np.empty((D if one_hot else H) + 1, np.int64)
        sort_tokens(tokens, 1, columns, 0, shards, starts, offsets, of_shard)
    a_column, parts = half if kind != "tied" else 0, []
    if kind == "tied":
        shapes[0] = H, columns
    for number in range(shards):
        shard = slice(number, None, shards)
        parts.append(alone(gradients, shard, a, x, tokens if one_hot else tokens[:0], dz, a_column, shapes))
        if kind == "tied":
            its_tokens, its_rows = (np.ascontiguousarray(rows[shard]) for rows in (tokens, added))
            scatter_add(its_tokens, its_rows, parts[-1][0], 0, columns)
    expected = [tree_sum(list(of_shards)) for of_shards in zip(*parts, strict=True)]
    slots = np.empty((3, ROWS_AT_ONCE, COLUMNS_AT_ONCE), np.float32)
    side_by_side = [rows.reshape(len(rows) // shards, shards * rows.shape[1]) for rows in (a, x, dz)]
    for pieces in ([(0, columns)], [(0, 16), (16, columns)], [(0, half - 1), (half - 1, columns)]):
        found = [np.full_like(array, np.nan) for array in expected]
        for start, stop in pieces:
            sharded(
                *(*side_by_side, shards, source, starts, offsets, of_shard, kind == "tied"),
                *(a_column, *found, slots, start, stop),
            )
        assert all(map(same_bits, found, expected)), pieces


@pytest.mark.uncompiled
@pytest.mark.parametrize("shards", [1, 2, 16])
def test_sums_of_tokens_run_along_the_tree_and_leave_out_shards_without_them(shards):
    """Rows that see several tokens, some of them none; a token that no row sees has the sum 0."""
    random, each, V, D, R = np.random.default_rng(shards), 3, 7, 5, 6 * shards
    ids = random.integers(-1, V - 1, (R, each)).astype(np.int32)
    source = random.standard_normal((R, each * D + 2)).astype(np.float32)
    parts = []
    for shard in range(shards):
        parts.append(np.zeros((V, D), np.float32))
        for r in range(shard, R, shards):
            for k, token in enumerate(ids[r]):
                if token >= 0:
                    parts[-1][token] += source[r, k * D : (k + 1) * D]
    entries = np.empty(V + 1, np.int64), np.empty(ids.size, np.int64), np.empty(ids.size, np.int32)
    sort_tokens(ids.reshape(-1), each, source.shape[1], D, shards, *entries)
    for pieces in cuts(D):
        table = np.full((V, D), np.nan, np.float32)
        for start, stop in pieces:
            sum_tokens(source.reshape(-1), *entries, table, start, stop)
        assert same_bits(table, tree_sum(parts)), pieces


@pytest.mark.uncompiled
def test_sums_of_rows_run_along_the_tree():
    values, shards = np.random.default_rng(3).standard_normal((40, 21)).astype(np.float32), 8
    parts = [np.empty(21, np.float32) for _ in range(shards)]
    for shard, total in enumerate(parts):
        sum_rows(np.ascontiguousarray(values[shard::shards]), total, 0, 21, False)
    for pieces in cuts(21, 16):
        total = np.full(21, np.nan, np.float32)
        for start, stop in pieces:
            slots = np.empty((3, 1, stop - start), np.float32)
            sum_rows_of_shards(values.reshape(5, -1), shards, slots, total, start, stop)
        assert same_bits(total, tree_sum(parts)), pieces


# --- bfloat16.py


def any_numbers(random, number):
    """float32 of any bits, and 16 that stand out: zero, the largest, denormal ones, infinities, NaN; half of them are
    ties."""
    bits = random.integers(0, 2**32, number // 2, dtype=np.uint32)
    ties = random.integers(0, 2**16, number // 2 - 16, dtype=np.uint32) << 16 | 0x8000
    special = np.array([0, 1, 0x7FFFFF, 0x800000, 0x7F7FFFFF, 0x7F800000, 0x7FC00000, 0x7F800001], np.uint32)
    return np.concatenate([bits, ties, special, special | 0x80000000]).view(np.float32)


def same_pairs(found, expected):
    """Whether all numbers are the same; any NaN is one."""
    found, expected = (np.stack(factors(np.asarray(pairs))) for pairs in (found, expected))
    same = found.view(np.uint32) == expected.view(np.uint32)
    return (same | np.isnan(found) & np.isnan(expected)).all()


def in_order(B, axis=0):
    """The numbers along k in the order in which their products are added: 1, 0, 3, 2, …"""
    order = np.arange(B.shape[axis] + B.shape[axis] % 2).reshape(-1, 2)[:, ::-1].ravel()
    return np.take(B, order[order < B.shape[axis]], axis)


def chain_of_pairs(A, B, before):
    return chain(in_order(rounded(A), -1), in_order(rounded(B)), before)


def packed_pairs(B, transposed=False):
    depth, columns = B.shape[::-1] if transposed else B.shape
    packed = np.full(packed_size(B, paired(depth), columns) + GUARD, 0xFFFFFFFF, np.uint32)
    pack_pairs(B, transposed, packed, 0, columns)
    return packed


@needs_bfloat16
@pytest.mark.uncompiled
@pytest.mark.parametrize("transposed", [False, True])
def test_pairs_are_rounded_to_the_nearest(transposed):
    B = any_numbers(np.random.default_rng(1), 4096).reshape(-1, LANES)
    packed = packed_pairs(np.ascontiguousarray(B.T) if transposed else B, transposed)[:-GUARD]
    assert same_pairs(packed.reshape(-1, LANES), pairs_of(B[::2], B[1::2]))


@needs_bfloat16
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 31, 32, 33, 80])
def test_pack_pairs_puts_panels_and_slivers_one_after_the_other(depth, transposed):
    random = np.random.default_rng(depth)
    vector, panel = widths(np.float32)
    for columns in columns_around(np.float32):
        B = random.standard_normal((depth, columns)).astype(np.float32)
        given = np.ascontiguousarray(B.T) if transposed else B
        rows = np.zeros((2 * paired(depth), columns), np.float32)
        rows[:depth] = B
        pairs, parts, j = pairs_of(rows[::2], rows[1::2]), [], 0
        while j < columns:
            width = panel if columns - j >= panel else vector
            part = np.zeros((len(pairs), width), np.uint32)
            part[:, : columns - j] = pairs[:, j : j + width]
            parts.append(part.ravel())
            j += width
        expected = np.concatenate([*parts, np.full(GUARD, 0xFFFFFFFF, np.uint32)])
        assert np.array_equal(packed_pairs(given, transposed), expected)
        for pieces in cuts(columns, panel):
            packed = np.full_like(expected, 0xFFFFFFFF)
            for start, stop in pieces:
                pack_pairs(given, transposed, packed, start, stop)
            assert np.array_equal(packed, expected)


PAIR_DEPTHS = [1, 2, 5, 31, 2 * bfloat16.DEPTH - 1, 2 * bfloat16.DEPTH, 2 * bfloat16.DEPTH + 1, 600]


@needs_bfloat16
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("rows", [*ROWS, bfloat16.AT_ONCE + 3])
def test_multiply_in_pairs_is_the_chain_of_multiply_adds_and_touches_nothing_else(rows, accumulate):
    random = np.random.default_rng([rows, accumulate])
    start, a_column, c_column = 2, 3, 5
    stop = start + rows
    for i, columns in enumerate(columns_around(np.float32)):
        depth = PAIR_DEPTHS[(rows + i) % len(PAIR_DEPTHS)]
        A = np.full((2, stop + 1, a_column + depth + 2), np.nan, np.float32)
        A[:, start:stop, a_column : a_column + depth] = random.standard_normal((2, rows, depth))
        B = random.standard_normal((depth, columns)).astype(np.float32)
        buffer, C = framed(random, (2, stop + 1, c_column + columns + 2), np.float32)
        expected = buffer.copy()
        wanted = same_part(C, expected)[:, start:stop, c_column : c_column + columns]
        before = wanted if accumulate else np.zeros_like(wanted)
        wanted[:] = chain_of_pairs(A[:, start:stop, a_column : a_column + depth], B, before)
        if not accumulate:
            C[:, start:stop, c_column : c_column + columns] = np.nan  # must not be read
        multiply(A, a_column, depth, packed_pairs(B), C, c_column, columns, start, stop, accumulate)
        assert same_bits(buffer, expected), (depth, columns)


def halves(x):
    """An array rounded to bfloat16, as it is stored."""
    return (rounded(x).view(np.uint32) >> np.uint32(16)).astype(np.uint16)


def widened(x):
    """The float32 that bfloat16 stand for."""
    return (x.astype(np.uint32) << np.uint32(16)).view(np.float32)


@needs_bfloat16
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("rows", [pytest.param(1, marks=pytest.mark.uncompiled), *ROWS[1:], bfloat16.AT_ONCE + 3])
def test_multiply_of_rounded_numbers_is_that_of_the_numbers(rows, accumulate):
    random = np.random.default_rng([rows, accumulate])
    start, a_column, c_column = 2, 3, 5
    stop = start + rows
    for i, columns in enumerate(columns_around(np.float32)):
        depth = PAIR_DEPTHS[(rows + i) % len(PAIR_DEPTHS)]
        A = random.standard_normal((2, stop + 1, a_column + depth + 2)).astype(np.float32)
        B = random.standard_normal((depth, columns)).astype(np.float32)
        C = random.standard_normal((2, 2, stop + 1, c_column + columns + 2)).astype(np.float32)
        C[1] = C[0]
        for operand, result in zip((A, halves(A)), C, strict=True):
            multiply(operand, a_column, depth, packed_pairs(B), result, c_column, columns, start, stop, accumulate)
        assert same_bits(C[1], C[0]), (depth, columns)


@needs_bfloat16
@pytest.mark.parametrize("rows", [pytest.param(1, marks=pytest.mark.uncompiled), 7, ACROSS + 3])
def test_multiply_transposed_of_rounded_numbers_is_that_of_the_numbers(rows):
    random = np.random.default_rng(rows)
    for i, columns in enumerate(columns_around(np.float32)):
        depth = PAIR_DEPTHS[(rows + i) % len(PAIR_DEPTHS)]
        X = random.standard_normal((depth, rows)).astype(np.float32)
        dZ = random.standard_normal((depth, columns + 3)).astype(np.float32)
        dW = np.zeros((2, rows, columns), np.float32)
        multiply_transposed_pairs(X, 0, dZ, 3, dW[0], 0, columns, False)
        multiply_transposed_pairs(halves(X), 0, halves(dZ), 3, dW[1], 0, columns, False)
        assert same_bits(dW[1], dW[0]), (depth, columns)


@needs_bfloat16
@pytest.mark.uncompiled
def test_multiply_in_pairs_gives_the_same_bits_however_the_rows_are_cut():
    random = np.random.default_rng(3)
    N, depth, columns = 13, 2 * bfloat16.DEPTH + 5, widths(np.float32)[1] + 3
    shapes = (1, N, depth), (columns, depth), (1, N, columns)
    A, B, C = (random.standard_normal(shape).astype(np.float32) for shape in shapes)
    packed, whole = packed_pairs(B, transposed=True), chain_of_pairs(A, B.T, C)
    for pieces in cuts(N):
        parts = C.copy()
        for start, stop in pieces:
            multiply(A, 0, depth, packed, parts, 0, columns, start, stop, True)
        assert same_bits(parts, whole), pieces


@needs_bfloat16
@pytest.mark.parametrize("rows", [pytest.param(1, marks=pytest.mark.uncompiled), *ROWS[1:], ACROSS, ACROSS + 3])
def test_multiply_transposed_in_pairs_is_the_chain_of_multiply_adds_and_touches_nothing_else(rows):
    random = np.random.default_rng(rows)
    _, panel = widths(np.float32)
    for i, columns in enumerate(columns_around(np.float32)):
        depth, column = PAIR_DEPTHS[(rows + i) % len(PAIR_DEPTHS)], i % 3
        X = random.standard_normal((depth, rows)).astype(np.float32)
        dZ = np.full((depth, column + columns + 2), np.nan, np.float32)
        dZ[:, column : column + columns] = random.standard_normal((depth, columns))
        product = chain_of_pairs(X.T, dZ[:, column : column + columns], np.zeros((rows, columns), np.float32))
        for pieces in ([(0, columns)], *cuts(columns, panel)):
            buffer, dW = framed(random, (rows, columns), np.float32)
            expected = buffer.copy()
            for start, stop in pieces:
                same_part(dW, expected)[:, start:stop] = product[:, start:stop]
                multiply_transposed_pairs(X, 0, dZ, column, dW, start, stop, False)
                assert same_bits(buffer, expected), (depth, columns, start, stop)


@needs_bfloat16
def test_multiply_in_pairs_lets_infinity_and_nan_through():
    too_large = np.finfo(np.float32).max  # for bfloat16
    for a, b, expected in ((np.inf, 2, np.inf), (-np.inf, 0, np.nan), (np.nan, 0, np.nan), (too_large, 1, np.inf)):
        A, B, C = np.full((1, 1, 1), a, np.float32), np.full((1, 1), b, np.float32), np.zeros((1, 1, 1), np.float32)
        multiply(A, 0, 1, packed_pairs(B), C, 0, 1, 0, 1, True)
        assert np.array_equal(C[0, 0], [expected], equal_nan=True), (a, b)


@needs_bfloat16
def test_multiply_in_pairs_takes_denormal_numbers_for_zero():
    small = np.float32(2.0**-126)
    for a, b, c in ((small / 2, 2.0**100, 0), (2.0**-70, 2.0**-70, 0), (0, 0, small / 2)):
        A, B, C = (np.full((1, 1, 1), x, np.float32) for x in (a, b, c))
        multiply(A, 0, 1, packed_pairs(B[0]), C, 0, 1, 0, 1, True)
        assert C == 0, (a, b, c)


# --- activations.py


@numba.njit(error_model="numpy")
def _apply(x, tanh, sigmoid, exponential):
    for i in range(x.size):
        tanh[i], sigmoid[i] = activations.tanh(x[i]), activations.sigmoid(x[i])
        exponential[i] = activations.exponential(-abs(x[i]))


def apply(x):
    """tanh x, σ(x) and exp(-|x|) of an array."""
    results = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    _apply(x, *results)
    return results


@numba.njit(error_model="numpy")
def _apply_vectors(x, tanh, sigmoid, kept):
    for part in range(parts(x.size, kept)):
        i = at(part, x.size, kept)
        kept[i] = x[i]
        tanh[i], sigmoid[i] = activations.tanh(x[i]), activations.sigmoid(x[i])


@numba.njit(error_model="numpy")
def _exponential_of_vectors(x, exponential, kept):
    for part in range(parts(x.size, kept)):
        i = at(part, x.size, kept)
        exponential[i] = activations.exponential(x[i])


@needs_bfloat16
@pytest.mark.parametrize("size", [1, 15, 16, 17, 40])
def test_vectors_touch_what_a_row_has_and_round_to_the_nearest(size):
    x = np.random.default_rng(size).standard_normal(size).astype(np.float32)
    values, kept = np.zeros((2, size + 16), np.float32), np.zeros(size + 16, np.uint16)
    _apply_vectors(x, values[0, :size], values[1, :size], kept[:size])
    assert np.array_equal(kept[:size], halves(x)) and np.all(values[1, :size] > 0)
    assert not kept[size:].any() and not values[:, size:].any()


@needs_bfloat16
def test_activations_next_to_bfloat16_are_exact_to_12_bits():
    x = np.concatenate([np.linspace(-20, 20, 100_001, dtype=np.float32), all_magnitudes(100_003)])
    tanh, sigmoid = np.empty_like(x), np.empty_like(x)
    _apply_vectors(x, tanh, sigmoid, np.empty(x.size, np.uint16))
    true_tanh, true_sigmoid, _ = exact(x)
    assert np.abs(tanh - true_tanh).max() < 1.5e-4 and np.abs(sigmoid - true_sigmoid).max() < 8e-5
    assert np.abs(tanh).max() < 1 and 0 < sigmoid.min() and sigmoid.max() < 1
    near = (np.abs(x) < 5) & (np.abs(x) > 1e-30)
    assert np.abs(tanh[near] / true_tanh[near] - 1).max() < 5.6e-5


@needs_bfloat16
def test_the_exponential_of_vectors_is_exact_to_17_bits():
    x = -np.abs(np.concatenate([np.linspace(0, 90, 100_001, dtype=np.float32), all_magnitudes(100_003)]))
    exponential = np.empty_like(x)
    _exponential_of_vectors(x, exponential, np.empty(x.size, np.uint16))
    within = x > -87
    assert np.abs(exponential[within] / exact(x[within])[2] - 1).max() < 2**-17
    assert (exponential[x == 0] == 1).all() and exponential.max() == 1
    assert 0 <= exponential[~within].min() and exponential[~within].max() < 2e-38


@needs_bfloat16
@pytest.mark.parametrize("size", [1, 37])
def test_a_nan_in_a_vector_stays_one_and_harms_no_neighbour(size):
    for position in range(size):
        x = np.linspace(-3, 0, size, dtype=np.float32)
        x[position] = np.nan
        found = [np.empty_like(x) for _ in range(3)]
        _apply_vectors(x, found[0], found[1], np.empty(size, np.uint16))
        _exponential_of_vectors(x, found[2], np.empty(size, np.uint16))
        for values in found:
            assert np.flatnonzero(np.isnan(values)).tolist() == [position]


def all_magnitudes(step=1009):
    """Every ``step``-th of all float32 numbers from -∞ to ∞, in order, with both ends and zero."""
    positive = np.arange(0, 0x7F800000, step, dtype=np.uint32).view(np.float32)
    return np.concatenate([[-np.float32(np.inf)], -positive[::-1], positive, [np.float32(np.inf)]])


def exact(x):
    with np.errstate(over="ignore", under="ignore"):
        x = x.astype(np.float64)
        return np.tanh(x), 1 / (1 + np.exp(-x)), np.exp(-np.abs(x))


def test_activations_are_exact_to_a_few_ulps_at_every_magnitude():
    x = all_magnitudes()
    (tanh, sigmoid, exponential), (true_tanh, true_sigmoid, true_exponential) = apply(x), exact(x)
    assert np.abs(tanh - true_tanh).max() < 2.6e-7
    assert np.abs(sigmoid - true_sigmoid).max() < 1.6e-7
    small = (np.abs(x) < 1) & (np.abs(x) > 1e-30)
    assert np.abs(tanh[small] / true_tanh[small] - 1).max() < 3.1e-7
    within = np.abs(x) <= 87
    assert np.abs(exponential[within] / true_exponential[within] - 1).max() < 2.6e-7
    assert 0 <= exponential[~within].min() and exponential[~within].max() < 2e-38


def test_activations_stay_in_their_range_and_saturate():
    x = all_magnitudes()
    tanh, sigmoid, exponential = apply(x)
    assert np.array_equal(tanh, -tanh[::-1])
    assert np.abs(tanh).max() <= 1 and sigmoid.min() >= 0 and sigmoid.max() <= 1 and exponential.max() <= 1
    far = np.abs(x) > 7.91
    assert np.unique(np.abs(tanh[far])).size == 1 and np.abs(tanh[far]).min() > 1 - 1e-6
    assert sigmoid[x > 15.82].min() > 1 - 1e-6 and sigmoid[x < -15.82].max() < 1e-6
    rising = np.linspace(-20, 20, 20001, dtype=np.float32)  # steps above the error, up to where they are flat
    tanh, sigmoid, _ = apply(rising)
    assert np.diff(tanh).min() > -5e-7 and np.diff(sigmoid).min() > -3e-7
    steep = np.abs(rising[1:]) < 5
    assert np.diff(tanh)[steep].min() > 0 and np.diff(sigmoid)[steep].min() > 0


@pytest.mark.uncompiled
@float_types
def test_activations_at_the_special_values(dtype):
    tanh, sigmoid, exponential = apply(np.array([0, -0.0, np.inf, -np.inf], dtype))
    assert tanh[:2].tolist() == [0, 0] and sigmoid[:2].tolist() == [0.5, 0.5] and exponential[:2].tolist() == [1, 1]
    assert np.allclose(tanh[2:], [1, -1], rtol=0, atol=1e-6) and np.allclose(sigmoid[2:], [1, 0], rtol=0, atol=1e-6)
    assert (0 <= exponential[2:]).all() and (exponential[2:] < 2e-38).all()


@float_types
@pytest.mark.parametrize("size", [1, 37])
def test_a_nan_stays_one_and_harms_no_neighbour(size, dtype):
    for position in range(size):
        x = np.linspace(-3, 3, size).astype(dtype)
        x[position] = np.nan
        for values in apply(x):
            assert np.flatnonzero(np.isnan(values)).tolist() == [position]


def test_activations_of_float64_equal_libm():
    x = all_magnitudes(100003).astype(np.float64)
    for found, expected in zip(apply(x), exact(x), strict=True):
        assert np.allclose(found, expected, rtol=1e-14, atol=1e-15)


# --- softmax.py


def softmax_case(V, dtype, spread=3.0):
    """(logits (3, 6, V), b, targets with -1 here and there)."""
    random = np.random.default_rng(V)
    logits, b = random.normal(0, spread, (3, 6, V)).astype(dtype), random.normal(0, 1, V).astype(dtype)
    targets = random.integers(0, V, (3, 6)).astype(np.int32)
    targets[random.random((3, 6)) < 0.3] = -1
    return logits, b, targets


def softmax_in_numpy(logits, b, targets):
    """(probabilities, nats) in float64."""
    x = logits.astype(np.float64) + b
    x -= x.max(-1, keepdims=True)
    log_probabilities = x - np.log(np.exp(x).sum(-1, keepdims=True))
    nats = -np.take_along_axis(log_probabilities, np.maximum(targets, 0)[..., None], axis=-1)[..., 0]
    return np.exp(log_probabilities), np.where(targets < 0, 0, nats)


@pytest.mark.uncompiled
@float_types
@pytest.mark.parametrize("spread", [3.0, 1e4])
def test_softmax_and_cross_entropy_equal_numpy(spread, dtype):
    """Also of logits so large that their powers are not numbers, and only of the rows asked for."""
    eps = np.finfo(dtype).eps
    for V in range(1, 71):
        logits, b, targets = softmax_case(V, dtype, spread)
        expected, expected_nats = softmax_in_numpy(logits, b, targets)
        given, nats = logits.copy(), np.full((3, 6), 7, dtype)
        softmax_cross_entropy(logits, b, targets, nats, 1, 5)
        assert same_bits(logits[:, [0, 5]], given[:, [0, 5]]) and (nats[:, [0, 5]] == 7).all()
        magnitude = np.abs(given).max() + 1  # of the logits, whose sums with b are rounded
        assert np.abs(logits[:, 1:5] - expected[:, 1:5]).max() < eps * magnitude
        assert np.abs(nats[:, 1:5] - expected_nats[:, 1:5]).max() < 2 * eps * magnitude
        assert np.abs(logits[:, 1:5].sum(-1) - 1).max() < 6 * eps
        assert (nats[:, 1:5][targets[:, 1:5] < 0] == 0).all()


@float_types
def test_a_uniform_model_has_exactly_log_v_nats(dtype):
    for V in range(1, 71):
        logits, b = np.full((1, 2, V), 1.5, dtype), np.full(V, 0.25, dtype)
        nats = np.empty((1, 2), dtype)
        softmax_cross_entropy(logits, b, np.array([[0, V - 1]], np.int32), nats, 0, 2)
        assert nats.tolist() == [[dtype(math.log(V))] * 2]
        assert (logits == dtype(1) / dtype(V)).all()


@float_types
@pytest.mark.parametrize("V", [1, 16, 37])
def test_a_nan_among_the_logits_is_seen_in_the_nats(V, dtype):
    for position in range(V):
        logits, nats = np.zeros((1, 2, V), dtype), np.empty((1, 2), dtype)
        logits[0, 1, position] = np.nan
        softmax_cross_entropy(logits, np.zeros(V, dtype), np.array([[0, 0]], np.int32), nats, 0, 2)
        assert np.isnan(nats).tolist() == [[False, True]]


@pytest.mark.uncompiled
@float_types
@pytest.mark.parametrize("unknown", [0.0, 0.125])
def test_softmax_gradient_equals_numpy(unknown, dtype):
    """scale · (ŷ - y), where symbol 1 gets the rate ``unknown`` of y, also where symbol 1 is the target itself."""
    for V in range(2, 71):
        probabilities, _, targets = softmax_case(V, dtype)
        targets[1, 2] = 1
        given, scale = probabilities.copy(), 0.37
        y = (1 - unknown) * np.eye(V)[targets]
        y[..., 1] += unknown
        expected = np.where(targets[..., None] < 0, 0, scale * (given - y))
        softmax_gradient(probabilities, V, targets, dtype(scale), 1, dtype(unknown), 1, 5)
        assert same_bits(probabilities[:, [0, 5]], given[:, [0, 5]])
        assert np.abs(probabilities[:, 1:5] - expected[:, 1:5]).max() < 8 * np.finfo(dtype).eps


def both_ways(a, W, b, targets, unknown, steps, start, stop, scale=0.37):
    """(nats, the gradient with respect to the logits, that with respect to a) of ``softmax_both_ways``; 7, or 7 of
    bfloat16, where it writes nothing."""
    (T, N, H), V = a.shape, b.size
    kept = np.zeros((T, N, H + 1), np.uint16)
    kept[:, :, :H] = halves(a)
    outputs, d_outputs = np.full((steps, N, V + 3), np.nan, np.float32), np.full((T, N, V + 3), 7, np.uint16)
    nats, da = np.full((T, N), 7, np.float32), np.full((T, N, H), 7, np.float32)
    d_outputs[:, :, V] = 0
    packed, back = packed_pairs(W), packed_pairs(W, transposed=True)
    numbers = np.float32(scale), 1, np.float32(unknown)
    softmax_both_ways(kept, packed, back, b, outputs, d_outputs, da, targets, nats, *numbers, start, stop)
    return nats, d_outputs, da


@needs_bfloat16
@pytest.mark.parametrize("unknown", [0.0, 0.125])
@pytest.mark.parametrize("V", [2, 15, 16, 17, 65, 100])
def test_the_softmax_goes_both_ways_in_bf16(V, unknown):
    """Its nats and its gradient are those of NumPy, for any number of steps at a time, and of the rows asked for."""
    random, H, scale = np.random.default_rng(V), 21, 0.37
    _, b, targets = softmax_case(V, np.float32)
    targets[1, 2] = 1
    a, W = (random.standard_normal(shape).astype(np.float32) for shape in ((3, 6, H), (H, V)))
    logits = chain_of_pairs(a.reshape(-1, H), W, np.zeros((18, V), np.float32)).reshape(3, 6, V)
    probabilities, expected_nats = softmax_in_numpy(logits, b, targets)
    y = (1 - unknown) * np.eye(V)[targets]
    y[..., 1] += unknown
    expected = np.where(targets[..., None] < 0, 0, scale * (probabilities - y))
    nats, d_outputs, da = both_ways(a, W, b, targets, unknown, 3, 1, 5)
    found = widened(d_outputs)[:, :, :V]
    assert np.abs(nats - expected_nats)[:, 1:5].max() < 2e-5 and (nats[:, [0, 5]] == 7).all()
    assert (np.abs(found - expected)[:, 1:5] <= 2.0**-8 * np.abs(expected[:, 1:5]) + 1e-6).all()
    assert (d_outputs[:, [0, 5], :V] == 7).all() and (d_outputs[:, :, V + 1 :] == 7).all()
    backward = chain_of_pairs(found.reshape(-1, V), W.T, np.zeros((18, H), np.float32)).reshape(3, 6, H)
    assert same_bits(da[:, 1:5], backward[:, 1:5]) and (da[:, [0, 5]] == 7).all()
    for steps in (1, 2):
        assert all(map(same_bits, both_ways(a, W, b, targets, unknown, steps, 1, 5), (nats, d_outputs, da)))


@needs_bfloat16
@pytest.mark.parametrize("V", [2, 16, 37])
def test_a_nan_among_the_logits_in_bf16_is_seen_in_the_nats(V):
    a, W, targets = np.ones((1, 2, 4), np.float32), np.ones((4, V), np.float32), np.zeros((1, 2), np.int32)
    for position in range(V):
        b = np.zeros(V, np.float32)
        b[position] = np.nan
        assert np.isnan(both_ways(a, W, b, targets, 0.0, 1, 0, 2)[0]).all()
    a[0, 1, 2] = np.nan
    assert np.isnan(both_ways(a, W, np.zeros(V, np.float32), targets, 0.0, 1, 0, 2)[0]).tolist() == [[False, True]]


# --- gather.py, and the gradient of the peepholes


@pytest.mark.uncompiled
@float_types
def test_gather_copies_the_rows_that_tokens_name(dtype):
    random = np.random.default_rng(1)
    tokens, table = random.integers(0, 7, (2, 6)).astype(np.int32), random.standard_normal((7, 19)).astype(dtype)
    out = random.standard_normal((1, 6, 23)).astype(dtype)
    expected = out.copy()
    expected[0, 1:5, :19] = table[tokens[1, 1:5]]
    gather(tokens, table, out, 1, 1, 5)
    assert same_bits(out, expected)
    gather(tokens[:0], table[:0], out, 1, 0, 6)  # a dense layer has no tokens
    assert same_bits(out, expected)


@pytest.mark.uncompiled
@float_types
def test_scatter_add_sums_in_order_however_the_columns_are_cut(dtype):
    random = np.random.default_rng(2)
    tokens, gradient = random.integers(0, 4, 30).astype(np.int32), random.standard_normal((30, 23)).astype(dtype)
    before = random.standard_normal((4, 19)).astype(dtype)
    expected = before.copy()
    for token, row in zip(tokens, gradient, strict=True):
        expected[token] += row[:19]
    for pieces in cuts(19):
        d_table = before.copy()
        for start, stop in pieces:
            scatter_add(tokens, gradient, d_table, start, stop)
        assert same_bits(d_table, expected), pieces


@float_types
def test_sum_rows_sums_in_order_however_rows_and_columns_are_cut(dtype):
    values = np.random.default_rng(3).standard_normal((29, 23)).astype(dtype)
    expected = np.zeros(19, dtype)
    for row in values:
        expected += row[:19]
    for pieces in cuts(19):
        total = np.full(21, 7, dtype)
        for start, stop in pieces:
            sum_rows(values[:11], total, start, stop, False)
            sum_rows(values[11:], total, start, stop, True)
        assert same_bits(total[:19], expected) and total[19:].tolist() == [7, 7], pieces


@float_types
def test_peephole_gradient_sums_in_order_however_the_columns_are_cut(dtype):
    random = np.random.default_rng(4)
    T, N, H = 5, 3, 19
    dz, c = random.standard_normal((T, N, 4 * H)).astype(dtype), random.standard_normal((T + 1, N, H)).astype(dtype)
    expected = np.zeros((3, H), dtype)
    for t, n in np.ndindex(T, N):
        expected += dz[t, n, : 3 * H].reshape(3, H) * [c[t, n], c[t, n], c[t + 1, n]]
    for pieces in cuts(H):
        dp = np.full((3, H), 7, dtype)
        for start, stop in pieces:
            peephole_gradient(dz, c, dp, 0, 1, start, stop)
        assert same_bits(dp, expected), pieces


# --- feedforward.py, and the embedding of several tokens


POSITIONS, SYMBOLS = 4, 5


def seen_tokens(random, steps=6, rows=7):
    """Tokens of the steps and before the first step; some are -1, none."""
    return random.integers(-1, SYMBOLS, (POSITIONS - 1 + steps, rows)).astype(np.int32)


def positions_of(tokens):
    """(t, row, k, token) of each token that a step sees, k = 0 for the step's own, in the order in which they count."""
    for t, row, k in np.ndindex(len(tokens) - POSITIONS + 1, tokens.shape[1], POSITIONS):
        if (token := tokens[t + POSITIONS - 1 - k, row]) >= 0:
            yield t, row, k, token


@pytest.mark.uncompiled
@float_types
def test_one_row_of_weights_is_summed_for_each_position(dtype):
    random = np.random.default_rng(5)
    tokens, table = seen_tokens(random), random.standard_normal((POSITIONS * SYMBOLS, 19)).astype(dtype)
    z = random.standard_normal((6, 7, 23)).astype(dtype)
    expected = z.copy()
    expected[:, 1:5, :19] = 0
    for t, row, k, token in positions_of(tokens):
        if 1 <= row < 5:
            expected[t, row, :19] += table[k * SYMBOLS + token]
    sum_over_positions(tokens, table, z, 1, 5)
    assert same_bits(z, expected)


@pytest.mark.uncompiled
@float_types
def test_embeddings_of_several_tokens_stand_in_one_row(dtype):
    random = np.random.default_rng(6)
    tokens, E = seen_tokens(random), random.standard_normal((SYMBOLS, 19)).astype(dtype)
    x = random.standard_normal((6, 7, POSITIONS * 19)).astype(dtype)
    expected = x.copy()
    expected[:, 1:5] = 0
    for t, row, k, token in positions_of(tokens):
        if 1 <= row < 5:
            expected[t, row, k * 19 : (k + 1) * 19] = E[token]
    embed(tokens, E, x, 1, 5)
    assert same_bits(x, expected)


@pytest.mark.uncompiled
@float_types
def test_gradients_of_several_positions_sum_in_order_however_the_columns_are_cut(dtype):
    random = np.random.default_rng(7)
    tokens = seen_tokens(random)
    dz, dx = (random.standard_normal((6, 7, columns)).astype(dtype) for columns in (23, POSITIONS * 19))
    before = random.standard_normal((SYMBOLS, 19)).astype(dtype)
    of_table, of_E = np.zeros((POSITIONS * SYMBOLS, 19), dtype), before.copy()
    for t, row, k, token in positions_of(tokens):
        of_table[k * SYMBOLS + token] += dz[t, row, :19]
        of_E[token] += dx[t, row, k * 19 : (k + 1) * 19]
    for pieces in cuts(19):
        d_table, dE = np.full_like(of_table, 7), before.copy()
        for start, stop in pieces:
            sum_over_positions_gradient(tokens, dz, d_table, start, stop)
            embed_gradient(tokens, dx, dE, start, stop)
        assert same_bits(d_table, of_table) and same_bits(dE, of_E), pieces


# --- dropout.py


MASKED, UNITS = 500, 128
TRIALS = MASKED * UNITS


def mask(key, rate, pieces=((0, MASKED),), dtype=np.float32):
    m = np.full((MASKED, UNITS), 7, dtype)
    for start, stop in pieces:
        dropout_mask(m, 0, 1, 1, np.uint32(key), np.uint32(rate * 2**32), dtype(1 / (1 - rate)), start, stop)
    return m


def deviations(rate, probability):
    """How many standard deviations a rate observed in TRIALS is from the probability."""
    return abs(rate - probability) / math.sqrt(probability * (1 - probability) / TRIALS)


@float_types
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_at_its_rate_and_scales(rate, dtype):
    m = mask(5, rate, dtype=dtype)
    assert deviations((m != 0).mean(), 1 - rate) < 4
    assert set(np.unique(m)) == {0, dtype(1 / (1 - rate))}
    assert (mask(5, 0.0, dtype=dtype) == 1).all()


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_chooses_by_key_and_position_alone(rate):
    key = 8 * 1_000_004 + 1
    kept = mask(key, rate) != 0
    agreement = rate**2 + (1 - rate) ** 2  # of two choices that know nothing of each other
    for other in (0, key + 1, key + 8, key + 2**31, 2**32 - 1):  # + 1: the next layer, + 8: the next update
        assert deviations((kept == (mask(other, rate) != 0)).mean(), agreement) < 4, other
    for distance in (1, 2, UNITS):  # the next unit, row
        assert deviations((kept.ravel()[distance:] == kept.ravel()[:-distance]).mean(), agreement) < 4, distance


def test_dropout_gives_the_same_in_pieces():
    whole = mask(5, 0.3)
    assert same_bits(mask(5, 0.3, [(9, MASKED), (0, 1), (1, 9)]), whole)
    partly = mask(5, 0.3, [(3, 7)])
    assert same_bits(partly[3:7], whole[3:7]) and (partly[:3] == 7).all() and (partly[7:] == 7).all()


# --- updates.py


@float_types
@pytest.mark.parametrize("size", [1, 15, 16, 17, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 37])
def test_squares_equal_numpy_however_the_chunks_are_cut(size, dtype):
    gradient = np.random.default_rng(size).standard_normal(size).astype(dtype)
    expected = [(chunk.astype(np.float64) ** 2).sum() for chunk in np.split(gradient, range(CHUNK, size, CHUNK))]
    whole = np.full(len(expected) + 1, 7.0)
    squares(gradient, whole, 0, len(expected))
    assert np.allclose(whole[:-1], expected, rtol=1e-14) and whole[-1] == 7
    for pieces in cuts(len(expected)):
        sums = np.full_like(whole, 7)
        for start, stop in pieces:
            squares(gradient, sums, start, stop)
        assert same_bits(sums, whole), pieces


def adam_factors(dtype, step, clip=0.7, beta1=0.9, beta2=0.99, rate=0.01, epsilon=1e-8):
    """What ``adam`` wants, of the paper's constants and the number of the update."""
    return tuple(
        map(
            dtype,
            (
                clip,
                beta1,
                1 - beta1,
                beta2,
                1 - beta2,
                rate / (1 - beta1**step),
                1 / math.sqrt(1 - beta2**step),
                epsilon,
            ),
        )
    )


@pytest.mark.uncompiled
@float_types
def test_adam_is_algorithm_1_of_the_paper(dtype):
    random = np.random.default_rng(1)
    p = random.standard_normal(39).astype(dtype)
    theta, mean, square = p.astype(np.float64), np.zeros(39), np.zeros(39)
    m, v = np.zeros_like(p), np.zeros_like(p)
    for step in (1, 2, 3):
        gradient = random.standard_normal(39).astype(dtype)
        g = 0.7 * gradient.astype(np.float64)
        mean, square = 0.9 * mean + 0.1 * g, 0.99 * square + 0.01 * g * g
        theta -= 0.01 * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-8)
        adam(p, gradient, m, v, adam_factors(dtype, step), 0, 39)
    tolerance = 8 * np.finfo(dtype).eps
    for found, expected in ((p, theta), (m, mean), (v, square)):
        assert np.abs(found - expected).max() < tolerance * np.abs(expected).max()


@float_types
def test_adam_gives_the_same_bits_however_the_parameters_are_cut(dtype):
    random = np.random.default_rng(2)
    p, gradient, m, v = random.standard_normal((4, 39)).astype(dtype)
    before, factors = (p, m, np.abs(v)), adam_factors(dtype, 2)
    whole = [array.copy() for array in before]
    adam(whole[0], gradient, whole[1], whole[2], factors, 0, 39)
    for pieces in cuts(39):
        parts = [array.copy() for array in before]
        for start, stop in pieces:
            adam(parts[0], gradient, parts[1], parts[2], factors, start, stop)
        assert all(map(same_bits, parts, whole)), pieces


# --- compiling.py


SUMS = """
import warnings
warnings.simplefilter("always")
import numpy as np
import charlm
from charlm.kernels.gather import sum_rows
total = np.empty(3)
sum_rows(np.arange(12.0).reshape(4, 3), total, 0, 3, False)
print(charlm.__file__, *total)
"""


@pytest.fixture(scope="module")
def warnings_of(compiling_starter):
    """A function: sum some rows in a fresh process whose user's folders are in ``home``; how often it warned."""

    def sums(home, package=Path(charlm.__file__).parent):
        run = compiling_starter.run(SUMS, package.parent, **homes(home))
        assert (run.returncode, run.stdout) == (0, f"{package / '__init__.py'} 18.0 22.0 26.0\n"), run.stderr
        return run.stderr.count("Warning")

    return sums


@pytest.fixture(scope="module")
def filled_cache(warnings_of, tmp_path_factory):
    """A home in which the kernel has been compiled once."""
    home = tmp_path_factory.mktemp("home")
    assert warnings_of(home) == 0
    assert list(home.rglob("*.nbc"))
    return home


def test_without_a_folder_to_write_to_it_compiles_again_and_warns_once(warnings_of, tmp_path):
    home = tmp_path / "home"
    home.write_text("a file, in which not even root can make a folder")
    assert warnings_of(home) == 1


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_heals_with_one_warning(damage, filled_cache, warnings_of, tmp_path):
    home = shutil.copytree(filled_cache, tmp_path / "home")
    for path in list(home.rglob("*.nbc")):
        DAMAGES[damage](path)
    assert warnings_of(home) == (damage != "lost")  # a file that is not there is an ordinary miss
    assert warnings_of(home) == (damage == "folders")  # which nobody but their owner can clear away


MIXED = """
import numpy as np
from charlm.kernels.ngrams import mixed
y, q, out = np.log(np.array([[0.5, 0.5, 0.25], [0.25, 0.5, 0.25], [1, 1, 1]], np.float32))
mixed(y, q, np.float32(0.5), np.float32(0.5), 0, out)
print(*out)
"""


def test_a_kernel_that_others_call_where_it_is_can_be_lost(starter, tmp_path):
    """Machine code that calls it is loaded after it, also if that has to be compiled again; else LLVM would end the
    process."""
    printed, files = [], []
    for lost in ("nothing", "ngrams.normalize", "ngrams.mixed", "reduce"):
        for path in tmp_path.rglob(f"{lost}*.nbc"):
            path.unlink()
        run = starter.run(MIXED, Path(charlm.__file__).parent.parent, **homes(tmp_path))
        printed.append(run.stdout)
        files.append({path.name for path in tmp_path.rglob("*.nbc") if "reduce" not in path.name})
        assert not run.returncode and not run.stderr, run.stderr
    assert len(set(printed)) == 1 and files == files[:1] * 4
    assert {name.split("-")[0] for name in files[0]} >= {"ngrams.normalize", "ngrams.mixed"}


@pytest.fixture
def package(tmp_path):
    """A copy of charlm, to be changed."""
    without = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(Path(charlm.__file__).parent, tmp_path / "charlm", ignore=without)


LITTLE_TRAINING = """
import sys, zlib
from charlm.learning.autotune import new_trainer
def train(**options):
    trainer = new_trainer("text.txt", hidden=16, epochs=4, batch=4, steps=10, dropout=0.1, **options)
    for _ in trainer.run():
        pass
    print("numba.np.arraymath" in sys.modules, zlib.crc32(trainer.parameters.tobytes()))
"""
KINDS = [{"cell": cell} for cell in ("rnn", "gru", "lstm", "peephole", "feedforward")]
KINDS += [{"layers": 2, "embedding": 8}, {"tied": True}]
KINDS += [{"precision": "bf16"}] if HAS_BFLOAT16 else []


def cache_of_its_own(folder):
    """Copy the kernels that are already compiled. Tests in another process do not write into the copy."""
    for path in compiling._folder.rglob("*.nb?"):
        copy = folder / "charlm" / compiling._folder.name / path.relative_to(compiling._folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return homes(folder)


def test_a_second_process_compiles_nothing(starter, tmp_path, monkeypatch, capsys):
    """numba cannot cache everything that it compiles: a kernel that each process compiles leaves new files. A process
    that loads all its kernels from the cache does not import the declarations that only compiling needs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(40 * "a line of text\n", encoding="utf-8")
    code = LITTLE_TRAINING + "".join(f"train(**{options})\n" for options in KINDS)
    exec(code, {})  # this process compiles what no test has compiled yet, for all tests
    checksums = capsys.readouterr().out.split()[1::2]
    folders = cache_of_its_own(tmp_path / "cache")
    before = {path.name for path in (tmp_path / "cache").rglob("*.nb?")}
    run = starter.run(code, tmp_path, **folders)
    assert not run.returncode, run.stderr
    assert run.stdout.splitlines() == [f"False {checksum}" for checksum in checksums]
    assert before == {path.name for path in (tmp_path / "cache").rglob("*.nb?")}
    assert len(set(checksums)) == len(KINDS) and any("layer_gradients" in name for name in before)


@pytest.mark.parametrize(
    ("version", "tried"), [("0.60.3", False), ("0.61.0", True), ("0.68.1", True), ("0.69.0rc1", False), ("1.0", False)]
)
def test_which_versions_of_numba_were_tried(version, tried):
    lowest, highest = numba_private.TRIED
    assert (lowest <= numba_private._version(version) <= highest) is tried
    assert numba_private._version("unknown") < lowest


@pytest.mark.parametrize(
    "part", ["types.unliteral", "core.registry.cpu_target", "core.dispatcher.Dispatcher.enable_caching"]
)
def test_a_private_part_that_is_missing_is_noticed(part, monkeypatch):
    assert numba_private._are_present()
    monkeypatch.delattr(f"numba.{part}")
    assert not numba_private._are_present()


def test_a_change_in_any_kernel_makes_a_new_cache(package, warnings_of, tmp_path):
    """numba itself looks at one file only, and would take stale code from the others."""
    home = tmp_path / "home"
    assert warnings_of(home, package) == 0
    before = {path.parent.parent for path in home.rglob("*.nbc")}
    with open(package / "kernels" / "activations.py", "a") as file:
        file.write("# changed\n")
    assert warnings_of(home, package) == 0
    assert len({path.parent.parent for path in home.rglob("*.nbc")} - before) == 1


def test_no_cache_is_kept_in_the_package_when_the_users_folder_fails(package, warnings_of, tmp_path):
    """numba's own key would let stale code through there."""
    home = tmp_path / "home"
    assert warnings_of(home, package) == 0
    for folder in {path.parent for path in home.rglob("*.nbc")}:
        shutil.rmtree(folder)
        folder.write_text("a file where numba wants a folder")
    assert warnings_of(home, package) <= 1
    assert not list(package.rglob("*.nb?"))


# --- vectors of any width, and any numba


TRAINING_STEP = """
import hashlib, sys
from functools import partial
import numpy as np
from charlm.kernels.tile import multiply, pack, packed_size
from charlm.network.architecture import Architecture
from charlm.network.head import softmax_head
from charlm.network.stack import Stack, StackWindow
from charlm.network.threads import ThreadPool
from charlm.network.optimizers import Adam

random = np.random.default_rng(1)
A, B, C = (random.standard_normal(shape).astype(np.float32) for shape in ((2, 11, 150), (150, 141), (2, 11, 141)))
packed = np.empty(packed_size(B, *B.shape), B.dtype)
pack(B, False, packed, 0, 141)
multiply(A, 0, 150, packed, C, 0, 141, 0, 11, True)

architecture = Architecture(70, "lstm", 37, 1)
parameters = random.normal(0, 0.3, architecture.number_of_parameters).astype(np.float32)
stack = Stack(architecture, parameters, ThreadPool(1), head=partial(softmax_head, unknown=0.1))
stack.pack(for_training=True)
tokens = random.integers(0, 70, (3, 7)).astype(np.int32)
nats = StackWindow(stack, 3, 7, training=True).forward_backward(tokens, tokens, 0.1)
Adam(stack, 0.1).update(0.01)
assert np.isfinite(nats).all() and stack.gradient.any()
print(*(hashlib.sha256(array.tobytes()).hexdigest() for array in (C, nats, stack.gradient, parameters)))
"""
UNTRIED = "import numba; numba.__version__ = '0.99.0'\n"
KIND = "from charlm.kernels import numba_private, tile\nprint(numba_private.AVAILABLE, tile.LANES)\n"


def test_vectors_of_any_width_and_an_untried_numba_give_the_same_bits(starter, tmp_path):
    """A product, a training step and a training in float32, with vectors of half the width, which are compiled by numba
    as it is into its plain cache. The torture trials have the third width, and each width with a numba that was
    tried."""
    (tmp_path / "text.txt").write_text(40 * "a line of text\n", encoding="utf-8")
    code, kept, printed = KIND + LITTLE_TRAINING + "train(layers=1, ngrams=0)\n" + TRAINING_STEP, [], []
    home = homes(tmp_path / "home") | {"CHARLM_LANES": "8"}
    for before, variables in ((UNTRIED, home), (UNTRIED, home), ("", {"CHARLM_LANES": "16"})):
        run = starter.run(before + code, tmp_path, **variables)
        printed.append(run.stdout.split())
        kept.append({path.name for path in (tmp_path / "home").rglob("*.nb?")})
        assert not run.returncode and not run.stderr, run.stderr
    assert [kind for *kind, _, _, _, _, _, _ in printed] == [["False", "8"]] * 2 + [["True", "16"]]
    digests = [found[3:] for found in printed]  # without whether a process compiled
    assert digests[0] == digests[1] == digests[2] and len(set(digests[0])) == 5
    assert kept[0] == kept[1] and any("lstm_forward" in name for name in kept[0])
