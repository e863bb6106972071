"""The gradients of a layer's weights, all of them in one passage over dz.

    dW_a = Σ a' dz      dW_x = Σ x dz      db = Σ dz      over all steps and rows, in order

dz is far larger than the caches, so each block of it is used for all three before the next one is fetched.
"""

from numba import types
from numba.extending import overload

from .bfloat16 import DEPTH as PAIRS
from .bfloat16 import multiply_transposed_pairs
from .compiling import compiled
from .gather import scatter_add, sum_rows
from .tile import DEPTH, PANEL, multiply_transposed


def transposed_product(packed, X, dZ, dz_column, dW, first, last, accumulate):
    """``multiply_transposed``, in the precision in which the weights are packed."""


@overload(transposed_product)
def _transposed_product(packed, X, dZ, dz_column, dW, first, last, accumulate):
    if packed.dtype == types.uint32:
        return lambda packed, X, dZ, dz_column, dW, first, last, accumulate: multiply_transposed_pairs(
            X, dZ, dz_column, dW, first, last, accumulate
        )
    return lambda packed, X, dZ, dz_column, dW, first, last, accumulate: multiply_transposed(
        X, dZ, dz_column, dW, first, last, accumulate
    )


def block(packed):
    """Rows and columns of dz that are used together: what the product takes at once, and in bfloat16, where a part of
    a is made ready for it first, as many columns as lie in the second-level cache."""


@overload(block)
def _block(packed):
    if packed.dtype == types.uint32:
        return lambda packed: (2 * PAIRS, 8 * PANEL)
    return lambda packed: (DEPTH, PANEL)


@compiled
def layer_gradients(packed, a, x, tokens, dz, a_column, dW_a, dW_x, db, first, last):
    """The gradients by what makes the columns first…last-1 of z.

    packed: the weights, whose type says the precision; a: (R, H), the states before each step; x: (R, D), or empty
    where ``tokens`` (R) names rows of W_x; dz: (R, ≥ columns), of which W_x's are the first ones and W_a's those from
    a_column on; db: (columns).
    """
    rows, columns = block(packed)
    x_columns = dW_x.shape[1]
    if tokens.size:
        dW_x[:, first : min(last, x_columns)] = 0
    for k in range(0, dz.shape[0], rows):
        part = dz[k : k + rows]
        j = first
        while j < last:
            end = min(j + columns, last)
            if j < a_column:
                end = min(end, a_column)
            if j < x_columns:
                end = min(end, x_columns)
            if j >= a_column:
                transposed_product(packed, a[k : k + rows], part, a_column, dW_a, j - a_column, end - a_column, k > 0)
            if j < x_columns:
                if tokens.size:
                    scatter_add(tokens[k : k + rows], part, dW_x, j, end)
                else:
                    transposed_product(packed, x[k : k + rows], part, 0, dW_x, j, end, k > 0)
            sum_rows(part, db, j, end, k > 0)
            j = end
