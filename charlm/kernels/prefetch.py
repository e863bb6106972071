"""Ask the processor to fetch memory that will be needed soon, while it computes something else.

The processor does this by itself for memory that is read in a straight line. Rows that lie far apart need these calls.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .compiling import inlined, internal

LINE = 64  # bytes in a cache line
READ, WRITE = 0, 1


def _instruction(purpose):
    """A function of compiled code: begin to fetch the cache line of array[index]. index: a tuple."""

    @intrinsic
    def fetch(typing, array, index):
        def generate(context, builder, signature, arguments):
            view = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=arguments[0])
            indices = cgutils.unpack_tuple(builder, arguments[1])
            address = cgutils.get_item_pointer(context, builder, signature.args[0], view, indices, wraparound=False)
            pointer = builder.bitcast(address, ir.IntType(8).as_pointer())
            word = ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [pointer.type, word, word, word])
            function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
            builder.call(function, [pointer, word(purpose), word(3), word(1)])
            return context.get_dummy_value()

        return types.void(array, index), generate

    return fetch


_fetch_to_write, _fetch_to_read = _instruction(WRITE), _instruction(READ)


@internal
def prefetch(array, row, column, rows, columns):
    """Begin to fetch array[row:+rows, column:+columns], as far as it exists. array: 2-D; nothing is read or written."""
    step = LINE // array.itemsize
    for i in range(row, min(row + rows, array.shape[0])):
        for j in range(column, min(column + columns, array.shape[1]), step):
            _fetch_to_write(array, (i, j))


@inlined
def prefetch_one(array, i):
    """Begin to fetch array[i], to read it; it must exist. array: 1-D."""
    _fetch_to_read(array, (i,))
