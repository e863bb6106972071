"""A recurrent layer: which kernels it calls forward, backward and for the gradients of its weights.

The rows of a batch are independent of each other in the forward and the backward pass, and so are the columns in the
gradients of the weights. Threads share the work along these lines.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import NamedTuple

import numpy as np

from ..kernels.bfloat16 import round_rows
from ..kernels.tile import LANES
from .architecture import MOST_LAYERS
from .cells import CELLS
from .dropout import Dropout, set_dropout_mask
from .products import (
    NO_ENTRIES,
    NO_TOKENS,
    ROUNDED,
    Product,
    SortedTokens,
    aligned,
    padded_row,
    rounded_rows,
    side_by_side,
    slots_for,
)
from .sharding import tree_sum

SUM_WORK = 10  # multiply-adds that take as long as adding one number of dz to db


class CellKernels(NamedTuple):
    """The kernels of a cell. gradient: of its peepholes p, None where it has none."""

    forward: Callable
    backward: Callable
    gradient: Callable | None


def kernels_of(cell: str) -> CellKernels:
    """The kernels of a cell, by their names in the module that the registry gives."""
    module = import_module(CELLS[cell].kernels)
    gradient = getattr(module, f"{cell}_gradient") if CELLS[cell].peepholes else None
    return CellKernels(getattr(module, f"{cell}_forward"), getattr(module, f"{cell}_backward"), gradient)


@dataclass(kw_only=True)
class LayerArrays:
    """What a recurrent layer keeps of one window: z (T, N, ≥ columns), a, c (T+1, N, H), da (T, N, H), da_next, dc (1,
    N, H), mask (N, H).

    z_rounded, h (T+1, N, ≥ H), x_rounded (T, N, ≥ D): in bf16, z and the operands of the products; of z the first step
    alone is then used. ``kernels.kept`` explains them.

    c and dc are empty where a cell has no c; da, da_next and dc are empty where only the forward pass runs.
    """

    z: np.ndarray
    a: np.ndarray
    c: np.ndarray
    da: np.ndarray
    da_next: np.ndarray
    dc: np.ndarray
    mask: np.ndarray
    z_rounded: np.ndarray
    h: np.ndarray
    x_rounded: np.ndarray

    @property
    def out(self) -> np.ndarray:
        """What the layer above reads: a from slot 1 on, (T, N, H)."""
        return self.a[1:]

    @property
    def states(self) -> list[np.ndarray]:
        """The arrays whose last slot the next window starts from."""
        return [self.a, self.c]

    @property
    def d_start(self) -> list[np.ndarray]:
        """After the backward pass, the gradients with respect to the states before the first step: (N, H) each."""
        return [self.da_next[0], self.dc[0]]

    def first_steps(self, steps: int, lengths=None) -> "LayerArrays":
        """The same memory for a window of fewer steps. lengths: only bidirectional layers read them."""
        return replace(
            self,
            z=self.z[:steps],
            a=self.a[: steps + 1],
            c=self.c[: steps + 1],
            da=self.da[:steps],
            z_rounded=self.z_rounded[:steps],
            h=self.h[: steps + 1],
            x_rounded=self.x_rounded[:steps],
        )


class Recurrent:
    """Layer number ``index`` (1, 2, …) of a stack; see ``protocols.Layer``.

    parameters, gradients: the named views of the whole network. one_hot: whether the input is one-hot, else dense.
    reverse: whether this is the second run of a bidirectional layer, whose parameters have names of their own.
    """

    def __init__(self, cell: str, index: int, parameters: dict, gradients: dict, *, one_hot: bool, reverse=False):
        self.cell, self.one_hot = CELLS[cell], one_hot
        self.mask_number = index + MOST_LAYERS * reverse  # each run has a dropout mask of its own
        self.forward_kernel, self.backward_kernel, self.peephole_kernel = kernels_of(cell)
        name = f"layer{index}." + ("back." if reverse else "")
        self.W_x, self.dW_x = parameters[name + "W_x"], gradients[name + "W_x"]
        self.b, self.db = parameters[name + "b"], gradients[name + "b"]
        self.dW_a = gradients[name + "W_a"]
        self.recurrent = Product(parameters[name + "W_a"], self.dW_a)
        self.input = None if one_hot else Product(self.W_x, self.dW_x)
        self.hidden, dtype = self.recurrent.depth, self.b.dtype
        self.p = parameters.get(name + "p", np.empty((0, 0), dtype))
        self.dp = gradients.get(name + "p", np.empty((0, 0), dtype))
        self.recurrent_column = (self.cell.columns - self.cell.recurrent_columns) * self.hidden
        self.W_x_columns, self.input_depth = self.W_x.shape[1], 0 if one_hot else self.W_x.shape[0]

    def gradient_work(self, columns: int) -> int:
        """How many multiply-adds, or what takes as long, the gradients of the first ``columns`` columns take."""
        recurrent = max(0, columns - self.recurrent_column)
        return SUM_WORK * columns + self.hidden * recurrent + self.input_depth * min(columns, self.W_x_columns)

    def new_arrays(self, steps: int, rows: int, training: bool, below: LayerArrays | None = None) -> LayerArrays:
        """The arrays of this layer for windows of up to T ``steps`` and N ``rows``; without ``training`` those of the
        backward pass are empty.

        below: the arrays of the layer below. Both layers use the same memory for da, and for z where no gradient is
        wanted, because only one of them needs it at a time.
        """
        H, dtype, has_c = self.hidden, self.b.dtype, self.cell.has_c
        shares_z, columns = below and not training, self.cell.columns * H
        return LayerArrays(
            z=below.z if shares_z else aligned((steps, rows, padded_row(columns, dtype)), dtype),
            a=aligned((steps + 1, rows, H), dtype),
            c=aligned((steps + 1, rows, H) if has_c else (steps + 1, 0, 0), dtype),
            da=below.da if below else aligned((steps if training else 0, rows, H), dtype),
            da_next=aligned((1, rows if training else 0, H), dtype),
            dc=aligned((1, rows if training and has_c else 0, H), dtype),
            mask=np.ones((rows, H), dtype),
            z_rounded=below.z_rounded if shares_z else rounded_rows(steps if training else 1, rows, columns),
            h=rounded_rows(steps + 1, rows, H),
            x_rounded=rounded_rows(steps, rows, self.input_depth),
        )

    def packing(self, pool, for_training: bool, precision: str) -> list:
        parts = self.recurrent.packing(pool, for_training, precision)
        return parts if self.one_hot else parts + self.input.packing(pool, for_training, precision)

    def forward(self, tokens, x, arrays: LayerArrays, drop: Dropout | None, start: int, stop: int) -> None:
        set_dropout_mask(drop, arrays.mask, self.mask_number, start, stop)
        a, c, m, W = arrays.a, arrays.c, arrays.mask, self.recurrent.forward_packed
        sums, W_x = arrays.z, W
        z, h, no_input = sums, a, a[:0]
        if self.is_rounded:
            sums, z, h, no_input = sums[:1], arrays.z_rounded, arrays.h, arrays.h[:0]
        if self.one_hot:
            x = no_input
        elif self.is_rounded:
            tokens, W_x, x = tokens[:0], self.input.forward_packed, self._rounded(x, arrays, start, stop)
        else:
            self.input.forward(x, sums, start, stop)
            tokens, x = tokens[:0], no_input
        self.forward_kernel(tokens, self.W_x, x, W_x, sums, z, a, h, c, W, self.b, self.p, m, start, stop)

    @property
    def is_rounded(self) -> bool:
        """Whether the layer multiplies in bf16."""
        return self.recurrent.precision == "bf16"

    def operand(self, arrays: LayerArrays) -> np.ndarray:
        return arrays.h[1:] if self.is_rounded else arrays.out

    def _rounded(self, x, arrays, start, stop):
        """The input in bf16, rounded here where the layer below has not done so."""
        if x.dtype == ROUNDED:
            return x
        round_rows(x, arrays.x_rounded, start, stop)
        return arrays.x_rounded

    def backward(self, arrays: LayerArrays, dx, start: int, stop: int) -> None:
        a, c, m, W = arrays.a, arrays.c, arrays.mask, self.recurrent.backward_packed
        z = arrays.z_rounded if self.is_rounded else arrays.z
        da, da_next, dc = arrays.da, arrays.da_next, arrays.dc
        da_next[:, start:stop], dc[:, start:stop] = 0, 0
        self.backward_kernel(z, a, c, da, da_next, dc, W, self.p, m, start, stop)
        if not self.one_hot and dx is not None:
            self.input.backward(z, dx, start, stop)

    def gradients(self, pool, tokens, x, arrays: LayerArrays, shards: int = 1) -> list:
        z, h, c, column = arrays.z, arrays.a, arrays.c, self.recurrent_column
        if self.is_rounded:
            z, h, x = arrays.z_rounded, arrays.h, x if x.dtype == ROUNDED else arrays.x_rounded
        a, dz = side_by_side(h[:-1], shards), side_by_side(z, shards)
        x = a[:0] if self.one_hot else side_by_side(x, shards)
        sums = self.dW_a, self.dW_x, self.db
        if shards == 1:
            kernel, tokens = self.recurrent.gradients_kernel, tokens.reshape(-1) if self.one_hot else NO_TOKENS

            def columns(start, stop):
                kernel(a, x, tokens, dz, column, 0, *sums, start, stop)

        else:
            kernel, entries = self.recurrent.sharded_kernel, NO_ENTRIES
            if self.one_hot:
                entries = SortedTokens(tokens.reshape(-1, 1), z, shards, len(self.W_x)).entries

            def columns(start, stop):
                slots = slots_for(shards, self.db.dtype)
                kernel(a, x, dz, shards, self.db[:0], *entries, False, column, *sums, slots, start, stop)

        parts = pool.split(self.db.size, columns, LANES, self.gradient_work)
        return parts + self._peephole_gradient(pool, z, c, shards) if self.peephole_kernel else parts

    def _peephole_gradient(self, pool, dz, c, shards):
        def units(start, stop):
            parts = [np.empty_like(self.dp) for _ in range(shards)]
            for shard, dp in enumerate(parts):
                self.peephole_kernel(dz, c, dp, shard, shards, start, stop)
            self.dp[:, start:stop] = tree_sum([dp[:, start:stop] for dp in parts])

        return pool.split(self.hidden, units, 16)
