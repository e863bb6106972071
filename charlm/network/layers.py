"""A recurrent layer, and one that reads both ways: the calls of the kernels forward, backward and for the gradients of
the weights.

A layer's rows are independent of each other in the forward and the backward pass, its columns in the gradients of its
weights; threads share the work along these lines.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..kernels import gru, lstm, rnn
from ..kernels.dropout import dropout_mask
from ..kernels.tile import LANES, multiply
from .architecture import CELLS, MOST_LAYERS
from .products import NO_TOKENS, Product, aligned, spread

KERNELS = {
    "rnn": (rnn.rnn_forward, rnn.rnn_backward),
    "gru": (gru.gru_forward, gru.gru_backward),
    "lstm": (lstm.lstm_forward, lstm.lstm_backward),
    "peephole": (lstm.peephole_forward, lstm.peephole_backward),
}
FEW = 10  # multiply-adds that would take as long as adding up a number or two


@dataclass
class LayerArrays:
    """What one layer keeps of one window: z (T, N, ≥ columns), a, c (T+1, N, H), da (T, N, H),
    da_next, dc (1, N, H), mask (N, H).

    c and dc are empty where a cell has none; da, da_next and dc are when only the forward pass is wanted.
    """

    z: np.ndarray
    a: np.ndarray
    c: np.ndarray
    da: np.ndarray
    da_next: np.ndarray
    dc: np.ndarray
    mask: np.ndarray

    @property
    def out(self) -> np.ndarray:
        """What the next layer reads: a from slot 1 on, (T, N, H)."""
        return self.a[1:]

    @property
    def states(self):
        """Those that are carried from one window to the next."""
        return [self.a, self.c]

    @property
    def d_start(self):
        """The gradient by the states before the first step, after the backward pass: (N, H) each."""
        return [self.da_next[0], self.dc[0]]

    def first_steps(self, steps, lengths=None):
        states = self.a[: steps + 1], self.c[: steps + 1]
        return LayerArrays(self.z[:steps], *states, self.da[:steps], self.da_next, self.dc, self.mask)


@dataclass(frozen=True)
class Dropout:
    """What is left out of one update: of each row a share ``rate`` of each layer's units, the same ones at all steps,
    for the layer itself and for the one above (Gal and Ghahramani, A theoretically grounded application of dropout in
    recurrent neural networks, 2016).

    key: makes the choice differ from update to update.
    """

    rate: float
    key: int

    def another(self) -> "Dropout":
        """The choice of a second stack beside the first."""
        return replace(self, key=self.key + (1 << 24))

    def choose(self, mask, layer, first, last):
        """Set the rows first…last-1 of a layer's mask."""
        scale = mask.dtype.type(1 / (1 - self.rate))
        key = np.uint32((8 * self.key + layer) & 0xFFFFFFFF)
        dropout_mask(mask, key, np.uint32(self.rate * 2**32), scale, first, last)


def leave_out(drop: Dropout | None, mask, layer, first, last):
    """Set the rows first…last-1 of a layer's mask: to all 1 where nothing is dropped."""
    if drop:
        drop.choose(mask, layer, first, last)
    else:
        mask[first:last] = 1


class Recurrent:
    """Layer number ``index`` (1, 2, …); its input is one-hot where ``one_hot``, else dense. ``back``: it is the second
    run of a layer that reads both ways."""

    def __init__(self, cell: str, index: int, one_hot: bool, parameters: dict, gradients: dict, back: bool = False):
        self.cell, self.one_hot = CELLS[cell], one_hot
        self.index = index + MOST_LAYERS * back  # what dropout knows it by
        self.forward_kernel, self.backward_kernel = KERNELS[cell]
        name = f"layer{index}." + ("back." if back else "")
        self.W_x, self.dW_x = parameters[name + "W_x"], gradients[name + "W_x"]
        self.b, self.db = parameters[name + "b"], gradients[name + "b"]
        self.dW_a = gradients[name + "W_a"]
        self.recurrent = Product(parameters[name + "W_a"], self.dW_a)
        self.input = None if one_hot else Product(self.W_x, self.dW_x)
        self.hidden, dtype = self.recurrent.depth, self.b.dtype
        self.p = parameters.get(name + "p", np.empty((0, 0), dtype))
        self.dp = gradients.get(name + "p", np.empty((0, 0), dtype))
        self.no_table = np.empty((0, 0), dtype)
        self.recurrent_column = (self.cell.columns - self.cell.recurrent) * self.hidden
        self.input_columns, self.input_depth = self.W_x.shape[1], 0 if one_hot else self.W_x.shape[0]

    def gradient_work(self, columns: int) -> int:
        """How many multiply-adds, or what takes as long, the gradients by the first columns of z are."""
        recurrent = max(0, columns - self.recurrent_column)
        return FEW * columns + self.hidden * recurrent + self.input_depth * min(columns, self.input_columns)

    def new_arrays(self, steps, rows, training, below: LayerArrays | None = None) -> LayerArrays:
        """below: the arrays of the layer below, which share what only one layer needs at a time: da, and z where no
        gradient is wanted."""
        H, dtype = self.hidden, self.b.dtype
        a = aligned((steps + 1, rows, H), dtype)
        has_c = self.cell.has_c
        c = aligned((steps + 1, rows, H) if has_c else (steps + 1, 0, 0), dtype)
        da = below.da if below else aligned((steps if training else 0, rows, H), dtype)
        da_next = aligned((1, rows if training else 0, H), dtype)
        dc = aligned((1, rows if training and has_c else 0, H), dtype)
        shared = below and not training
        z = below.z if shared else aligned((steps, rows, spread(self.cell.columns * H, dtype)), dtype)
        return LayerArrays(z, a, c, da, da_next, dc, np.ones((rows, H), dtype))

    def packing(self, pool, *how):
        parts = self.recurrent.packing(pool, *how)
        return parts if self.one_hot else parts + self.input.packing(pool, *how)

    def forward(self, tokens, x, arrays, drop, first, last):
        """From x (T, N, D), or the tokens (T, N) it stands for, to ``arrays.out``."""
        s = arrays
        leave_out(drop, s.mask, self.index, first, last)
        if self.one_hot:
            table = self.W_x
        else:
            tokens, table = tokens[:0], self.no_table
            multiply(x, 0, x.shape[2], self.input.forward_packed, s.z, 0, self.W_x.shape[1], first, last, False)
        W = self.recurrent.forward_packed
        self.forward_kernel(tokens, table, s.z, s.a, s.c, W, self.b, self.p, s.mask, first, last)

    def backward(self, arrays, dx, first, last):
        """From the gradient by ``out``, which is in ``arrays.da``, to z's, in ``arrays.z``, and x's, in dx."""
        s = arrays
        s.da_next[:, first:last], s.dc[:, first:last] = 0, 0
        W = self.recurrent.backward_packed
        self.backward_kernel(s.z, s.a, s.c, s.da, s.da_next, s.dc, W, self.p, s.mask, first, last)
        if not self.one_hot:
            multiply(s.z, 0, self.W_x.shape[1], self.input.backward_packed, dx, 0, dx.shape[2], first, last, False)

    def gradients(self, pool, tokens, x, arrays):
        """The gradients of the layer's own parameters, in independent parts."""
        s, H = arrays, self.hidden
        a, dz = s.a[:-1].reshape(-1, H), s.z.reshape(-1, s.z.shape[2])
        x, tokens = (a[:0], tokens.reshape(-1)) if self.one_hot else (x.reshape(-1, x.shape[2]), NO_TOKENS)
        of_what = a, x, tokens, dz, self.recurrent_column
        which = self.dW_a, self.dW_x, self.db
        parts = pool.split(
            self.db.size, lambda f, l: self.recurrent.gradients(*of_what, *which, f, l), LANES, self.gradient_work
        )
        if self.dp.size:
            parts += pool.split(H, lambda first, last: lstm.peephole_gradient(s.z, s.c, self.dp, first, last), 16)
        return parts
