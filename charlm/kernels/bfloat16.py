"""The matrix product in bfloat16: twice as many multiply-adds at a time; the sums stay in float32.

A bfloat16 is the upper half of a float32: its range, with 8 significant bits. The processor's ``vdpbf16ps`` takes 16
*pairs* of them from each operand, 32 bits a pair, and adds both products of each to a float32:

    c = c + a₁ b₁      c = c + a₀ b₀

(a product of two bfloat16 is exact in float32, so these are fused multiply-adds). A pair is two numbers that are
neighbours along k, the index of the sum; if their number is odd, the last pair holds a zero. The tile of tile.py
computes this product too, with pairs instead of numbers and half as deep: each number of C is one chain in the order
k = 1, 0, 3, 2, …, whatever the blocks and threads.

    C = A · B       pairs along the rows of A, as they stand there or, where A is float32, made for some rows at a time;
                    across two rows of B, by ``pack_pairs``
    C = Xᵀ · dZ     pairs across two rows of X and of dZ, made for some of each at a time

An array of bfloat16 is one of uint16. ``vcvtne2ps2bf16`` and ``vcvtneps2bf16`` round float32 to the nearest, ties to
even. They and the product treat denormal numbers (below 2⁻¹²⁶) as zero, in their operands and their sums; NaN and
infinity behave as in float32.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from .compiling import LANES, apart, compiled, inlined
from .prefetch import prefetch
from .sixteen import at, parts
from .tile import PANEL, ROWS, _element, _transpose, _Vectors, few_columns, multiply_rows, product, workspace

DEPTH = 128  # pairs of a panel used together: 32 KB, about a first-level cache
DEEP = 256  # the same for gradients, whose sums are longer than those of the other products
AT_ONCE = 64  # rows of A whose pairs are made together: no more than that either
ACROSS = 272  # columns of X whose pairs are made together: an odd number of cache lines, to lie in different sets


def _rounded(builder, vector, first, second):
    """<32 x bfloat16>, as integers: 16 numbers and 16 more behind them."""
    halves = ir.VectorType(ir.IntType(16), 32)
    kind = ir.FunctionType(halves, [vector.type, vector.type])
    name = "llvm.x86.avx512bf16.cvtne2ps2bf16.512"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [second, first])


def _store(context, builder, array_type, array, start, halves):
    """array[start:+16] = 32 halves, two by two."""
    view = cgutils.create_struct_proxy(array_type)(context, builder, value=array)
    pointer = builder.gep(view.data, [start])
    builder.store(halves, builder.bitcast(pointer, halves.type.as_pointer()), align=4)


def _mask(builder, vector, wanted):
    """Which lanes of a vector are below ``wanted``."""
    numbers = ir.Constant(ir.VectorType(wanted.type, vector.number), list(range(vector.number)))
    return builder.icmp_signed("<", numbers, vector.splat(wanted))


@intrinsic
def _along(typing, X, row, column, wanted, pairs, start):
    """pairs[start + i] = X[row, column + 2i] and X[row, column + 2i + 1] for i < 16; 0 from ``wanted`` numbers on.

    X      [rows, columns] float32   in    adjacent columns
    pairs  [numbers] uint32          out
    """

    def generate(context, builder, signature, arguments):
        x, row, column, wanted, pairs, start = arguments
        vector = _Vectors(builder, ir.FloatType(), 16, 4)
        address, _, _ = _element(context, builder, X, x, row, column)
        first = vector.load(address, _mask(builder, vector, wanted))
        behind = builder.sub(wanted, wanted.type(16))
        second = vector.load(builder.add(address, address.type(64)), _mask(builder, vector, behind))
        _store(context, builder, signature.args[4], pairs, start, _rounded(builder, vector, first, second))
        return context.get_dummy_value()

    return types.void(X, types.intp, types.intp, types.intp, pairs, types.intp), generate


@intrinsic
def _across(typing, X, row, column, wanted, both, pairs, start):
    """pairs[start + i] = X[row, column + i] and, with ``both``, X[row + 1, column + i], for i < 16; 0 from ``wanted``
    numbers on.

    X      [rows, columns]    in    float32 or bfloat16, adjacent columns
    pairs  [numbers] uint32   out
    """
    is_rounded = X.dtype == types.uint16

    def generate(context, builder, signature, arguments):
        x, row, column, wanted, both, pairs, start = arguments
        scalar, size = (ir.IntType(16), 2) if is_rounded else (ir.FloatType(), 4)
        vector = _Vectors(builder, scalar, 16, size)
        address, stride, _ = _element(context, builder, X, x, row, column)
        first = vector.load(address, _mask(builder, vector, wanted))
        below = builder.select(both, wanted, wanted.type(0))
        second = vector.load(builder.add(address, stride), _mask(builder, vector, below))
        order = [number for i in range(16) for number in (i, 16 + i)]
        if is_rounded:
            mixed = vector.choose(first, second, order)
        else:
            halves = _rounded(builder, vector, first, second)
            mixed = vector.choose(halves, halves, order)
        _store(context, builder, signature.args[5], pairs, start, mixed)
        return context.get_dummy_value()

    return types.void(X, types.intp, types.intp, types.intp, types.boolean, pairs, types.intp), generate


def paired(number):
    """How many pairs ``number`` numbers make."""
    return (number + 1) // 2


@compiled
def round_rows(source, target, start, stop):
    """target[t, n] = source[t, n], rounded to bfloat16, for every t.

    source  [T, N, W] float32      in
    target  [T, N, ≥ W] bfloat16   out

    Rows [start, stop) of each step are read and written.
    """
    for t in range(source.shape[0]):
        for n in range(start, stop):
            round_row(source[t, n], target[t, n])


@inlined
def round_row(source, target):
    """target[i] = source[i], rounded to bfloat16."""
    for part in range(parts(source.size, target)):
        i = at(part, source.size, target)
        target[i] = source[i]


@compiled
def pack_pairs(B, transposed, packed, start, stop):
    """``tile.pack`` for pairs: pack columns of B, or of Bᵀ, into the panels that ``multiply`` reads.

    B       [K, columns], or [columns, K] if ``transposed``, float32      in
    packed  [≥ ``packed_size(B, paired(K), columns)``] uint32             out

    Columns [start, stop) are packed, start a multiple of PANEL.
    """
    depth = B.shape[1] if transposed else B.shape[0]
    pairs = (depth + 1) // 2
    square = workspace(np.uint32, LANES, LANES)
    flat = square.reshape(-1)
    j = start
    while j < stop:
        width = PANEL if stop - j >= PANEL else LANES
        panel = packed[j * pairs : (j + width) * pairs]
        for i in range(0, width, LANES):
            present = min(LANES, stop - j - i)
            if not transposed:
                for k in range(pairs):
                    _across(B, 2 * k, j + i, present, 2 * k + 1 < depth, panel, k * width + i)
                continue
            for k in range(0, pairs, LANES):
                for row in range(LANES):
                    _along(B, j + i + row, 2 * k, depth - 2 * k if row < present else 0, flat, row * LANES)
                if k + LANES <= pairs:
                    _transpose(square, 0, 0, panel, k * width + i, width)
                else:
                    for rest in range(k, pairs):
                        for row in range(LANES):
                            panel[rest * width + i + row] = square[row, rest - k]
        j += width


def multiply_pairs(A, a_column, depth, B, C, c_column, columns, start, stop, accumulate):
    """``multiply`` in bfloat16: it makes the pairs of some rows of A, and uses them for all panels. It wears no
    decorator, because ``@overload`` makes it a part of ``multiply``."""
    pairs = (depth + 1) // 2
    made = workspace(np.uint32, AT_ONCE, DEPTH)
    flat = made.reshape(-1)
    for k in range(0, pairs, DEPTH):
        present = min(DEPTH, pairs - k)
        for t in range(C.shape[0]):
            for n in range(start, stop, AT_ONCE):
                rows = min(AT_ONCE, stop - n)
                for row in range(rows):
                    for i in range(0, present, LANES):
                        column = 2 * (k + i)
                        _along(A[t], n + row, a_column + column, depth - column, flat, row * DEPTH + i)
                j = 0
                while j < columns:
                    whole = columns - j >= PANEL
                    width = PANEL if whole else LANES
                    multiply_rows(
                        made,
                        0,
                        present,
                        B,
                        j * pairs + k * width,
                        width,
                        C[t],
                        n,
                        c_column + j,
                        rows,
                        accumulate or k > 0,
                        0 if whole else min(width, columns - j),
                    )
                    j += width


def multiply_rounded(A, a_column, depth, B, C, c_column, columns, start, stop, accumulate):
    """``multiply`` of a bfloat16 A. Where ``depth`` is odd, a finite number follows each row of A."""
    pairs = (depth + 1) // 2
    for k in range(0, pairs, DEPTH):
        present = min(DEPTH, pairs - k)
        for t in range(C.shape[0]):
            j = 0
            while j < columns:
                whole = columns - j >= PANEL
                width = PANEL if whole else LANES
                multiply_rows(
                    A[t][:, a_column + 2 * k :],
                    start,
                    present,
                    B,
                    j * pairs + k * width,
                    width,
                    C[t],
                    start,
                    c_column + j,
                    stop - start,
                    accumulate or k > 0,
                    0 if whole else min(width, columns - j),
                )
                j += width


@overload(product)
def _product_of_pairs(A, a_column, depth, B, C, c_column, columns, start, stop, accumulate):
    if B.dtype == types.uint32:
        return multiply_rounded if A.dtype == types.uint16 else multiply_pairs


@apart
def _pairs_across(X, row, rows, column, columns, pairs, step):
    """pairs[p · step + i] = X[row + 2p, column + i] and X[row + 2p + 1, column + i] for each two of the rows and
    i < columns.

    Zeros fill the last vector, and stand in place of a row where ``rows`` is odd.

    X      [≥ row + rows, ≥ column + columns]   in    float32 or bfloat16
    pairs  [numbers] uint32                     out
    """
    for k in range(0, rows, 2):
        for i in range(0, columns, LANES):
            _across(X, row + k, column + i, columns - i, k + 1 < rows, pairs, k // 2 * step + i)


@apart
def multiply_transposed_pairs(X, x_column, dZ, dz_column, dW, start, stop, accumulate):
    """``tile.multiply_transposed`` in bfloat16: it makes the pairs of a part of X and uses them for all columns of dZ.

    X and dZ are float32 or bfloat16, dW is float32; the contract is the same.
    """
    left = workspace(np.uint32, DEEP, ACROSS)
    flat, panel = left.reshape(-1), workspace(np.uint32, DEEP, PANEL).reshape(-1)
    parts = (dW.shape[0] + ACROSS - 1) // ACROSS
    for part in range(parts):
        begin, end = dW.shape[0] * part // parts, dW.shape[0] * (part + 1) // parts
        for k in range(0, X.shape[0], 2 * DEEP):
            depth = min(2 * DEEP, X.shape[0] - k)
            pairs = (depth + 1) // 2
            _pairs_across(X, k, depth, x_column + begin, end - begin, flat, ACROSS)
            j = start
            while j < stop:
                whole = stop - j >= PANEL
                width = PANEL if whole else LANES
                prefetch(dZ[k : k + depth], 0, dz_column + j + width, depth, PANEL)
                _pairs_across(dZ, k, depth, dz_column + j, min(width, stop - j), panel, width)
                wanted = 0 if whole else min(width, stop - j)
                more = accumulate or k > 0
                if 0 < wanted <= ROWS:
                    above = panel[: pairs * width].reshape(pairs, width).T
                    few_columns(above, 0, wanted, pairs, flat, 0, ACROSS, dW[:end], begin, j, more)
                else:
                    multiply_rows(left.T, 0, pairs, panel, 0, width, dW, begin, j, end - begin, more, wanted)
                j += width
