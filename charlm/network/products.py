"""A weight matrix and its products: forward, backward, and the gradient of the weights, in float32 or in bfloat16."""

import math
from collections.abc import Callable

import numpy as np

from ..errors import UsageError
from ..kernels.bfloat16 import pack_pairs, paired
from ..kernels.compiling import HAS_BFLOAT16
from ..kernels.gather import sum_rows
from ..kernels.gradients import layer_gradients, layer_gradients_in_pairs
from ..kernels.prefetch import LINE
from ..kernels.sharded import (
    COLUMNS_AT_ONCE,
    ROWS_AT_ONCE,
    sharded_gradients,
    sharded_gradients_in_pairs,
    sort_tokens,
    sum_rows_of_shards,
    sum_tokens,
)
from ..kernels.tile import LANES, PANEL, multiply, pack, packed_size
from .architecture import check_precision_name

NO_TOKENS = np.empty(0, np.int32)  # where the kernels want tokens and the input is dense
NO_ROWS = np.empty((0, 0), np.int32)  # the same for (T, N) tokens
ROUNDED = np.dtype(np.uint16)  # how a bfloat16 is stored
NO_ENTRIES = np.empty(0, np.int64), np.empty(0, np.int64), NO_TOKENS  # the same for tokens that are sorted


def aligned(shape, dtype) -> np.ndarray:
    """Zeros that begin at a cache line, so that no vector of a row of whole lines lies across two lines."""
    number = math.prod(shape)
    memory = np.zeros(number * dtype.itemsize + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + number * dtype.itemsize].view(dtype).reshape(shape)


def padded_row(columns: int, dtype) -> int:
    """The length of a row with room for ``columns``: an odd number of cache lines, so that neighbouring rows lie in
    different sets of the cache."""
    in_line = LINE // dtype.itemsize
    return (-(-columns // in_line) | 1) * in_line


def rounded_rows(steps: int, rows: int, columns: int) -> np.ndarray:
    """Zeros (steps, rows, ≥ columns) in bfloat16. The last number of a row is 0 where ``columns`` is odd."""
    return aligned((steps, rows, padded_row(columns, ROUNDED)), ROUNDED)


def check_precision(precision: str) -> None:
    """Raise UsageError where there is no such precision, or this processor cannot multiply in it."""
    check_precision_name(precision)
    if precision == "bf16" and not HAS_BFLOAT16:
        raise UsageError(
            "--precision bf16 needs a processor that multiplies in bfloat16 (AVX512-BF16), which this one does not; "
            "leave it out"
        )


def side_by_side(values: np.ndarray, shards: int) -> np.ndarray:
    """(…, W) → (rows / shards, shards · W): a column of width W for each shard. Row r belongs to shard r mod
    ``shards``."""
    return values.reshape(-1, shards * values.shape[-1])


class SortedTokens:
    """The tokens that rows see, in the order in which ``sum_tokens`` adds up what belongs to each of them.

    ids: int32 (R, places), the tokens in each place of a row, -1 for none. source: (…, W), R rows, the gradients; the
    part for place k begins at column k · step. size: how many tokens there are.
    """

    def __init__(self, ids: np.ndarray, source: np.ndarray, shards: int, size: int, step: int = 0):
        self.ids, self.source, self._layout = ids, source.reshape(-1), (source, shards, step)
        self.starts = np.empty(size + 1, np.int64)
        self.offsets, self.of_shard = np.empty(ids.size, np.int64), np.empty(ids.size, np.int32)
        places, width = ids.shape[1], source.shape[-1]
        sort_tokens(ids.reshape(-1), places, width, step, shards, *self.entries)

    @property
    def entries(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Starts, offsets and shards: see ``kernels.sharded.sort_tokens``."""
        return self.starts, self.offsets, self.of_shard

    def of_places(self, places: np.ndarray, size: int) -> "SortedTokens":
        """The same for those tokens that have a place in another table. places: int32 (tokens), -1 for none; size: of
        that table."""
        source, shards, step = self._layout
        return SortedTokens(np.where(self.ids < 0, -1, places[self.ids]), source, shards, size, step)

    def add_up(self, table: np.ndarray, start: int, stop: int) -> None:
        """Make each row of the table (size, columns) the sum of what belongs to its token, in the columns [start,
        stop)."""
        sum_tokens(self.source, *self.entries, table, start, stop)


def places_of(tokens: np.ndarray, steps: int) -> np.ndarray:
    """The tokens that each row sees, the latest first: (n-1+T, N) → int32 (T · N, n). tokens: the n-1 before the first
    step come first."""
    n = len(tokens) - steps + 1
    return np.stack([tokens[n - 1 - k : n - 1 - k + steps] for k in range(n)], axis=-1).reshape(-1, n)


def slots_for(shards: int, dtype) -> np.ndarray:
    """Working memory of the sums over so many shards."""
    return np.empty((shards.bit_length() - 1, ROWS_AT_ONCE, COLUMNS_AT_ONCE), dtype)


def bias_gradient(dz: np.ndarray, db: np.ndarray, shards: int, start: int, stop: int) -> None:
    """db = Σ dz in the columns [start, stop). dz: (…, ≥ columns)."""
    if shards == 1:
        sum_rows(dz.reshape(-1, dz.shape[-1]), db, start, stop, False)
    else:
        slots = np.empty((shards.bit_length() - 1, 1, stop - start), db.dtype)
        sum_rows_of_shards(side_by_side(dz, shards), shards, slots, db, start, stop)


class Product:
    """A weight matrix W (depth, columns) in Z = X W, packed for the forward and the backward pass, and its gradient.

    With ``transposed`` the parameter is Wᵀ (tied weights: W_ya = Eᵀ). The last call of ``packing`` decides the
    precision: "float32", meaning the type of the parameter, or "bf16".
    """

    def __init__(self, parameter: np.ndarray, gradient: np.ndarray, transposed: bool = False):
        self.parameter, self.d_parameter, self.transposed = parameter, gradient, transposed
        self.depth, self.columns = parameter.shape[::-1] if transposed else parameter.shape
        self.precision, self._packed = "float32", {}

    def of_outputs(self, ids: np.ndarray) -> "Product":
        """The same with a copy of some of the columns of W only."""
        W = self.parameter.take(ids, axis=0 if self.transposed else 1)  # in rows that lie one after the other
        return Product(W, np.empty_like(W), self.transposed)

    def _memory(self, direction, depth, columns):
        """Where W is packed for "forward" or "backward", in the present precision."""
        if (self.precision, direction) not in self._packed:
            bf16 = self.precision == "bf16"
            size = packed_size(self.parameter, paired(depth) if bf16 else depth, columns)
            kind = np.dtype(np.uint32) if bf16 else self.parameter.dtype
            self._packed[self.precision, direction] = aligned((size,), kind)
        return self._packed[self.precision, direction]

    @property
    def forward_packed(self) -> np.ndarray:
        """W as ``multiply`` reads it."""
        return self._memory("forward", self.depth, self.columns)

    @property
    def backward_packed(self) -> np.ndarray:
        """Wᵀ as ``multiply`` reads it."""
        return self._memory("backward", self.columns, self.depth)

    @property
    def gradients_kernel(self):
        """The kernel of the gradients, in the present precision."""
        return layer_gradients_in_pairs if self.precision == "bf16" else layer_gradients

    @property
    def sharded_kernel(self):
        """The same where the rows are those of several shards."""
        return sharded_gradients_in_pairs if self.precision == "bf16" else sharded_gradients

    def packing(self, pool, for_training: bool, precision: str) -> list:
        """The work of packing W, and with ``for_training`` Wᵀ too, in independent parts."""
        self.precision = precision
        parts = self._packing(pool, self.transposed, self.forward_packed, self.columns)
        if for_training:
            parts += self._packing(pool, not self.transposed, self.backward_packed, self.depth)
        return parts

    def _packing(self, pool, transposed, packed, columns):
        W, kernel = self.parameter, pack_pairs if self.precision == "bf16" else pack
        return pool.split(columns, lambda start, stop: kernel(W, transposed, packed, start, stop), PANEL)

    def forward(self, x: np.ndarray, z: np.ndarray, start: int, stop: int) -> None:
        """z = x W for the rows [start, stop) of all steps. x: (T, N, ≥ depth); z: (T, N, ≥ columns)."""
        multiply(x, 0, self.depth, self.forward_packed, z, 0, self.columns, start, stop, False)

    def backward(self, dz: np.ndarray, dx: np.ndarray, start: int, stop: int) -> None:
        """dx = dz Wᵀ for the rows [start, stop) of all steps. dz: (T, N, ≥ columns); dx: (T, N, ≥ depth)."""
        multiply(dz, 0, self.columns, self.backward_packed, dx, 0, self.depth, start, stop, False)

    def gradient(
        self, pool, x: np.ndarray, dz: np.ndarray, db: np.ndarray, shards: int = 1, tokens: SortedTokens | None = None
    ) -> list:
        """The work of dW = Xᵀ dZ and db = Σ dZ, in independent parts. x: (…, depth); dz: (…, ≥ columns); db: (columns).

        shards: how many share the rows. tokens: for each shard, what belongs to a token is added to its row of Wᵀ, the
        parameter of a transposed product.
        """
        if not self.transposed and shards == 1 and self.columns < pool.threads * PANEL:
            return self._gradient_by_rows(pool, x, dz, db)
        if self.transposed:
            sums = np.empty_like(self.d_parameter[0])  # of x, which nobody needs
            parts = pool.split(db.size, lambda start, stop: bias_gradient(dz, db, shards, start, stop), LANES)
        else:
            sums, parts = db, []
        return pool.split(sums.size, self.gradient_columns(x, dz, sums, shards, tokens), LANES) + parts

    def _gradient_by_rows(self, pool, x, dz, db):
        """The same where the columns are too few to split them: a thread would have less than a panel."""
        x, dz, dW = side_by_side(x, 1), side_by_side(dz, 1), self.d_parameter

        def rows(start, stop):
            some, sums = dW[start:stop], db[:0] if start else db
            self.gradients_kernel(x, x[:0], NO_TOKENS, dz, 0, start, some, some[:, :0], sums, 0, self.columns)

        return pool.split(self.depth, rows, LANES)

    def gradient_columns(
        self, x: np.ndarray, dz: np.ndarray, sums: np.ndarray, shards: int, tokens: SortedTokens | None
    ) -> Callable[[int, int], None]:
        """A function of (start, stop) that computes these columns of the gradient of the parameter, and those of
        ``sums``: db, or if the product is transposed Σ x. The arguments are those of ``gradient``."""
        dW = self.d_parameter
        left, right = (side_by_side(values, shards) for values in ((dz, x) if self.transposed else (x, dz)))
        none, no_dW = left[:0], dW[:, :0]
        added = (tokens.source, *tokens.entries, True) if tokens else (sums[:0], *NO_ENTRIES, False)

        def columns(start, stop):
            if shards == 1:
                self.gradients_kernel(left, none, NO_TOKENS, right, 0, 0, dW, no_dW, sums, start, stop)
            else:
                slots = slots_for(shards, sums.dtype)
                self.sharded_kernel(left, none, right, shards, *added, 0, dW, no_dW, sums, slots, start, stop)

        return columns
