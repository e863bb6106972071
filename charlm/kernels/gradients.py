"""The gradients of a layer's weights, all of them in one passage over dz.

    dW_a = Σ a' dz      dW_x = Σ x dz      db = Σ dz      over all steps and rows, in order

dz is far larger than the caches, so each block of it is used for all three before the next one is fetched.
"""

from .bfloat16 import DEPTH as PAIRS
from .bfloat16 import multiply_transposed_pairs
from .compiling import compiled, inlined
from .gather import scatter_add, sum_rows
from .tile import DEPTH, PANEL, multiply_transposed


@inlined
def _in_one_passage(transposed_product, rows, columns, a, x, tokens, dz, a_column, dW_a, dW_x, db, first, last):
    """``layer_gradients`` with such a product. rows, columns: of dz that are used together, what the product takes at
    once."""
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
            for dense in range(2):
                left, dW, column = (a, dW_a, a_column) if dense == 0 else (x, dW_x, 0)
                if column <= j < column + dW.shape[1] and left.size:
                    transposed_product(left[k : k + rows], part, column, dW, j - column, end - column, k > 0)
            if tokens.size and j < x_columns:
                scatter_add(tokens[k : k + rows], part, dW_x, j, end)
            sum_rows(part, db, j, end, k > 0)
            j = end


@compiled
def layer_gradients(a, x, tokens, dz, a_column, dW_a, dW_x, db, first, last):
    """The gradients by what makes the columns first…last-1 of z.

    a: (R, ≥ H), the states before each step; x: (R, D), or empty where ``tokens`` (R) names rows of W_x; dz: (R, ≥
    columns), of which W_x's are the first ones and W_a's those from a_column on; db: (columns).
    """
    _in_one_passage(multiply_transposed, DEPTH, PANEL, a, x, tokens, dz, a_column, dW_a, dW_x, db, first, last)


@compiled
def layer_gradients_in_pairs(a, x, tokens, dz, a_column, dW_a, dW_x, db, first, last):
    """The same in bfloat16."""
    _in_one_passage(
        multiply_transposed_pairs, 2 * PAIRS, 8 * PANEL, a, x, tokens, dz, a_column, dW_a, dW_x, db, first, last
    )
