"""Ask the processor to fetch memory that will be needed soon, while it computes something else.

The processor does this by itself for memory that is read in a straight line. Rows that lie far apart need these calls.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .compiling import compiled

LINE = 64  # bytes in a cache line
WRITE = 1


@intrinsic
def _prefetch(typing, array, row, column):
    """Begin to fetch the cache line of array[row, column]. array: 2-D."""

    def generate(context, builder, signature, arguments):
        view = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=arguments[0])
        address = cgutils.get_item_pointer(context, builder, signature.args[0], view, arguments[1:], wraparound=False)
        pointer = builder.bitcast(address, ir.IntType(8).as_pointer())
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [pointer, word(WRITE), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp), generate


@compiled
def prefetch(array, row, column, rows, columns):
    """Begin to fetch array[row:+rows, column:+columns], as far as it exists. array: 2-D; nothing is read or written."""
    step = LINE // array.itemsize
    for i in range(row, min(row + rows, array.shape[0])):
        for j in range(column, min(column + columns, array.shape[1]), step):
            _prefetch(array, i, j)
