"""Sums and maxima over a row, in PARTS interleaved parts that are then combined in order.

The parts lie side by side in vector registers, and the result is the same on every machine.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .compiling import internal

PARTS = 16


def _reduction(kind, start, prepare, combine):
    """An intrinsic that reduces the first PARTS · ⌊size / PARTS⌋ numbers of a 1-D array to one of ``kind``, or of the
    array's type where that is None."""

    @intrinsic
    def reduce(typing, values):
        result = kind or values.dtype

        def generate(context, builder, signature, arguments):
            view = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=arguments[0])
            numbers = ir.VectorType(context.get_data_type(values.dtype), PARTS)
            vector = ir.VectorType(context.get_data_type(result), PARTS)
            # a single vector, which LLVM keeps in a register; room for arrays comes from ``tile.workspace``
            parts = cgutils.alloca_once_value(builder, ir.Constant(vector, [start] * PARTS))
            size = ir.Constant(view.nitems.type, PARTS)
            with cgutils.for_range(builder, builder.udiv(view.nitems, size)) as loop:
                pointer = builder.gep(view.data, [builder.mul(loop.index, size)])
                run = builder.load(builder.bitcast(pointer, numbers.as_pointer()), align=values.dtype.bitwidth // 8)
                builder.store(combine(builder, builder.load(parts), prepare(builder, run, vector)), parts)
            done = builder.load(parts)
            first, *others = [builder.extract_element(done, ir.IntType(32)(part)) for part in range(PARTS)]
            for other in others:
                first = combine(builder, first, other)
            return first

        return result(values), generate

    return reduce


def _larger(builder, x, y):
    return builder.select(builder.fcmp_ordered(">", y, x), y, x)


def _sum(builder, x, y):
    return builder.fadd(x, y)


def _square(builder, x, vector):
    x = x if x.type == vector else builder.fpext(x, vector)
    return builder.fmul(x, x)


_largest = _reduction(None, float("-inf"), lambda builder, x, vector: x, _larger)
_total = _reduction(None, 0.0, lambda builder, x, vector: x, _sum)
_total_square = _reduction(types.float64, 0.0, _square, _sum)


@internal
def largest(values):
    """The largest number of values [n]; NaN is skipped."""
    result = _largest(values)
    for i in range(values.size - values.size % PARTS, values.size):
        result = values[i] if values[i] > result else result
    return result


@internal
def total(values):
    """Σ x over values [n], in the type of the row."""
    result = _total(values)
    for i in range(values.size - values.size % PARTS, values.size):
        result += values[i]
    return result


@internal
def total_square(values):
    """Σ x² over values [n], in float64."""
    result = _total_square(values)
    for i in range(values.size - values.size % PARTS, values.size):
        result += np.float64(values[i]) * np.float64(values[i])
    return result
