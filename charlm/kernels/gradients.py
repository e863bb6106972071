"""The gradients of a layer's weights: dz is read once for all of them.

    dW_a = Σ a' dz      dW_x = Σ x dz      db = Σ dz      over all steps and rows, in order

dz is far larger than the caches, so the kernel uses each block of it for all three sums before it fetches the next.
"""

from .bfloat16 import DEEP, multiply_transposed_pairs
from .compiling import compiled, inlined
from .gather import scatter_add, sum_rows
from .tile import DEPTH, PANEL, multiply_transposed

AT_ONCE = 1 << 18  # numbers of the gradients that are summed together in bfloat16: 1 MB


@inlined
def _in_one_pass(transposed_product, rows, columns, a, x, tokens, dz, a_column, row, dW_a, dW_x, db, start, stop):
    """``layer_gradients`` with the given transposed product. rows, columns: the size of the block of dz that is used
    for all sums together; the product takes so much at once."""
    x_columns = dW_x.shape[1]
    if tokens.size:
        dW_x[:, start : min(stop, x_columns)] = 0
    for k in range(0, dz.shape[0], rows):
        part = dz[k : k + rows]
        j = start
        while j < stop:
            end = min(j + columns, stop)
            if j < a_column:
                end = min(end, a_column)
            if j < x_columns:
                end = min(end, x_columns)
            for dense in range(2):
                left, dW, column = (a, dW_a, a_column) if dense == 0 else (x, dW_x, 0)
                if column <= j < column + dW.shape[1] and left.size:
                    transposed_product(left[k : k + rows], row, part, column, dW, j - column, end - column, k > 0)
            if tokens.size and j < x_columns:
                scatter_add(tokens[k : k + rows], part, dW_x, j, end)
            if db.size:
                sum_rows(part, db, j, end, k > 0)
            j = end


@compiled
def layer_gradients(a, x, tokens, dz, a_column, row, dW_a, dW_x, db, start, stop):
    """The gradients of the weights and biases that make the columns [start, stop) of z. R = T · N.

    a         [R, ≥ H]          in    the states before each step
    x         [R, D]            in    dense input; no rows for one-hot input
    tokens    [R]               in    one-hot input as row numbers of dW_x; [0] for dense input
    dz        [R, ≥ columns]    in
    a_column                          the first column of dz that belongs to W_a; W_x has the columns from 0 on
    row                               where the rows of dW_a begin, if it is only a part of the gradient; no x then
    dW_a      [H, a_columns]    out
    dW_x      [D, x_columns]    out   for one-hot input D = V
    db        [columns]         out   [0] where nobody wants it

    Columns [start, stop) are read and written. The inputs may overlap each other, the outputs nothing.
    """
    _in_one_pass(multiply_transposed, DEPTH, PANEL, a, x, tokens, dz, a_column, row, dW_a, dW_x, db, start, stop)


@compiled
def layer_gradients_in_pairs(a, x, tokens, dz, a_column, row, dW_a, dW_x, db, start, stop):
    """The same contract; the operands of the products are rounded to bfloat16, or are bfloat16: a, x and dz.

    It takes so few columns at a time that their part of the gradients stays in the second-level cache until it is
    complete.
    """
    depth = dW_a.shape[0] + (dW_x.shape[0] if x.size else 0)
    width = max(2 * PANEL, min(16 * PANEL, AT_ONCE // depth // PANEL * PANEL))
    for j in range(start, stop, width):
        end = min(j + width, stop)
        _in_one_pass(
            multiply_transposed_pairs, 2 * DEEP, width, a, x, tokens, dz, a_column, row, dW_a, dW_x, db, j, end
        )
