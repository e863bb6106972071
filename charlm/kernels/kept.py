"""What a cell keeps of each step for the backward pass, and where its products read the states.

    float32    the sums of a step become its gates where they stand: z has them for all steps; the products read a
    bf16       the sums stand in the memory of one step, which stays in the cache; the gates are rounded into z, and
               the states into h, which the products read. Later dz replaces the gates in z. So every product finds its
               pairs made, and half as many bytes go through the memory

Kernels see the difference by the type of z and h.
"""

from numba.extending import overload

from .bfloat16 import round_row
from .compiling import inlined
from .gather import gather
from .sixteen import is_rounded
from .tile import multiply


def first_state(a, h, start, stop):
    """Round the states before the first step: h[0] = a[0], for the rows [start, stop)."""


@overload(first_state)
def _first_state(a, h, start, stop):
    if is_rounded(h):
        return _round_first
    return lambda a, h, start, stop: None


def _round_first(a, h, start, stop):
    for n in range(start, stop):
        round_row(a[0, n], h[0, n])


@inlined
def sums_of(tokens, table, x, W, sums, t, columns, start, stop):
    """The sums of step t, [1, N, ≥ columns], with the part of the input; see the table in ``lstm``."""
    row = t % sums.shape[0]
    now = sums[row : row + 1]
    gather(tokens, table, now, t, start, stop)
    if x.size:
        multiply(x[t : t + 1], 0, table.shape[0], W, now, 0, columns, start, stop, False)
    return now


def are_apart(z):
    """Whether gates and states are kept apart from the sums and from a. A kernel calls a cell in two ways, because LLVM
    must see that arrays are the same before it turns a loop over single numbers into vectors."""


@overload(are_apart)
def _are_apart(z):
    apart = is_rounded(z)
    return lambda z: apart


@inlined
def quarters(row, H):
    """The four columns of width H of a row."""
    return row[:H], row[H : 2 * H], row[2 * H : 3 * H], row[3 * H : 4 * H]


def keep(h, i, x):
    """h[i] = x where the states are rounded; else x stands in a already, and a second store there would keep LLVM from
    making vectors."""


@overload(keep)
def _keep(h, i, x):
    if not is_rounded(h):
        return lambda h, i, x: None

    def implement(h, i, x):
        h[i] = x

    return implement
