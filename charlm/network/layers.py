"""A recurrent layer, and one that reads both ways: the calls of the kernels forward, backward and for the gradients of
the weights.

A layer's rows are independent of each other in the forward and the backward pass, its columns in the gradients of its
weights; threads share the work along these lines.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from ..errors import UsageError
from ..kernels import gather, gru, lstm, rnn
from ..kernels.bfloat16 import pack_pairs, paired
from ..kernels.compiling import HAS_BFLOAT16
from ..kernels.dropout import dropout_mask
from ..kernels.gradients import layer_gradients, layer_gradients_in_pairs
from ..kernels.prefetch import LINE
from ..kernels.tile import LANES, PANEL, multiply, pack, packed_size
from .architecture import CELLS, MOST_LAYERS, check_precision_name

KERNELS = {
    "rnn": (rnn.rnn_forward, rnn.rnn_backward),
    "gru": (gru.gru_forward, gru.gru_backward),
    "lstm": (lstm.lstm_forward, lstm.lstm_backward),
    "peephole": (lstm.peephole_forward, lstm.peephole_backward),
}
FEW = 10  # multiply-adds that would take as long as adding up a number or two
NO_TOKENS = np.empty(0, np.int32)


def aligned(shape, dtype) -> np.ndarray:
    """Zeros that begin at a cache line, so that no vector of a row of whole lines lies across two."""
    number = math.prod(shape)
    memory = np.zeros(number * dtype.itemsize + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + number * dtype.itemsize].view(dtype).reshape(shape)


def spread(columns, dtype) -> int:
    """A row's length, at least ``columns``, such that rows below each other lie in different sets of the cache: an odd
    number of cache lines."""
    in_line = LINE // dtype.itemsize
    return (-(-columns // in_line) | 1) * in_line


def check_precision(precision: str) -> None:
    """Raise UsageError where there is no such precision, or this processor cannot multiply in it."""
    check_precision_name(precision)
    if precision == "bf16" and not HAS_BFLOAT16:
        raise UsageError(
            "--precision bf16 needs a processor that multiplies in bfloat16 (AVX512-BF16), which this one does not; "
            "leave it out"
        )


class Product:
    """A weight matrix W in Z = X W: packed for the way forward and for the way back, and its gradient.

    With ``transposed`` the parameter is Wᵀ (tied weights: W_ya = Eᵀ). What is packed, and how the gradient's product
    is done, is a matter of the precision of the last packing: "float32", meaning the type of the parameter, or "bf16".
    """

    def __init__(self, parameter: np.ndarray, gradient: np.ndarray, transposed: bool = False):
        self.parameter, self.d_parameter, self.transposed = parameter, gradient, transposed
        self.depth, self.columns = parameter.shape[::-1] if transposed else parameter.shape
        self.precision, self.packed = "float32", {}

    def _room(self, way, depth, columns):
        """Where W is packed for a way, in the present precision."""
        if (self.precision, way) not in self.packed:
            bf16 = self.precision == "bf16"
            size = packed_size(self.parameter, paired(depth) if bf16 else depth, columns)
            self.packed[self.precision, way] = aligned((size,), np.dtype(np.uint32) if bf16 else self.parameter.dtype)
        return self.packed[self.precision, way]

    @property
    def forward_packed(self):
        return self._room("forward", self.depth, self.columns)

    @property
    def backward_packed(self):
        return self._room("backward", self.columns, self.depth)

    @property
    def gradients(self):
        """The kernel of the gradient, in the present precision."""
        return layer_gradients_in_pairs if self.precision == "bf16" else layer_gradients

    def packing(self, team, for_training, precision):
        self.precision = precision
        W, flip, ways = self.parameter, self.transposed, [(self.transposed, self.forward_packed, self.columns)]
        if for_training:
            ways.append((not flip, self.backward_packed, self.depth))
        into = pack_pairs if precision == "bf16" else pack
        parts = []
        for flipped, packed, columns in ways:
            parts += team.split(
                columns,
                lambda first, last, flipped=flipped, packed=packed: into(W, flipped, packed, first, last),
                PANEL,
            )
        return parts

    def gradient(self, team, X, dZ, db):
        """dW = Xᵀ · dZ and db = Σ dZ, for X (…, depth) and dZ (…, ≥ columns), in independent parts."""
        X, dZ, dW = X.reshape(-1, X.shape[-1]), dZ.reshape(-1, dZ.shape[-1]), self.d_parameter
        if self.transposed:
            left, right, sums = dZ, X, np.empty_like(dW[0])  # what X sums up to, nobody asks for
            parts = team.split(db.size, lambda first, last: gather.sum_rows(dZ, db, first, last, False), LANES)
        else:
            left, right, sums, parts = X, dZ, db, []
        what = left, left[:0], NO_TOKENS, right, 0, dW, dW[:, :0], sums
        return team.split(sums.size, lambda first, last: self.gradients(*what, first, last), LANES) + parts


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

    def packing(self, team, *how):
        parts = self.recurrent.packing(team, *how)
        return parts if self.one_hot else parts + self.input.packing(team, *how)

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

    def gradients(self, team, tokens, x, arrays):
        """The gradients of the layer's own parameters, in independent parts."""
        s, H = arrays, self.hidden
        a, dz = s.a[:-1].reshape(-1, H), s.z.reshape(-1, s.z.shape[2])
        x, tokens = (a[:0], tokens.reshape(-1)) if self.one_hot else (x.reshape(-1, x.shape[2]), NO_TOKENS)
        of_what = a, x, tokens, dz, self.recurrent_column
        which = self.dW_a, self.dW_x, self.db
        parts = team.split(
            self.db.size, lambda f, l: self.recurrent.gradients(*of_what, *which, f, l), LANES, self.gradient_work
        )
        if self.dp.size:
            parts += team.split(H, lambda first, last: lstm.peephole_gradient(s.z, s.c, self.dp, first, last), 16)
        return parts


@dataclass
class BothArrays:
    """What a layer that reads both ways keeps of one window: the arrays of its two runs, the tokens (T, N) or x (T, N,
    D) as the second run reads them, the gradient by that x, and out, da (T, N, 2H).

    lengths: (N), how many steps of each row there are; the steps behind them are never read.
    """

    ahead: LayerArrays
    back: LayerArrays
    tokens_back: np.ndarray
    x_back: np.ndarray
    dx_back: np.ndarray
    out: np.ndarray
    da: np.ndarray
    lengths: np.ndarray | None = None

    @property
    def states(self):
        return self.ahead.states + self.back.states

    def first_steps(self, steps, lengths):
        arrays = (self.tokens_back, self.x_back, self.dx_back, self.out, self.da)
        runs = self.ahead.first_steps(steps), self.back.first_steps(steps)
        return BothArrays(*runs, *(array[:steps] for array in arrays), lengths)


class Bidirectional:
    """Layer number ``index`` as two runs, one from each row's first step on and one from its last step back, and what
    they give side by side (Schuster and Paliwal, 1997).

    at_end: side by side are not what both give at one place of the row, but what they give after equally many steps:
    at the last step each has read the whole row.
    """

    def __init__(self, cell: str, index: int, one_hot: bool, parameters: dict, gradients: dict, at_end: bool = False):
        self.ahead = Recurrent(cell, index, one_hot, parameters, gradients)
        self.back = Recurrent(cell, index, one_hot, parameters, gradients, back=True)
        self.index, self.one_hot, self.at_end, self.hidden = index, one_hot, at_end, self.ahead.hidden

    def new_arrays(self, steps, rows, training, below: BothArrays | None = None) -> BothArrays:
        dtype, width, trained = self.ahead.b.dtype, 0 if self.one_hot else self.ahead.W_x.shape[0], steps * training
        ahead = self.ahead.new_arrays(steps, rows, training, below and below.ahead)
        back = self.back.new_arrays(steps, rows, training, ahead)
        return BothArrays(
            ahead,
            back,
            np.zeros((steps, rows), np.int32),
            aligned((steps, rows, width), dtype),
            aligned((trained, rows, width), dtype),
            aligned((steps, rows, 2 * self.hidden), dtype),
            below.da if below else aligned((trained, rows, 2 * self.hidden), dtype),
        )

    def packing(self, team, *how):
        return self.ahead.packing(team, *how) + self.back.packing(team, *how)

    def _joined(self, s):
        """The lengths by which the second run's steps are put beside the first one's."""
        return np.zeros_like(s.lengths) if self.at_end else s.lengths

    def forward(self, tokens, x, arrays, drop, first, last):
        s, H = arrays, self.hidden
        if self.one_hot:
            step = np.arange(len(tokens))[:, None]
            step = np.where(step < s.lengths[first:last], s.lengths[first:last] - 1 - step, step)
            s.tokens_back[:, first:last] = np.take_along_axis(tokens[:, first:last], step, 0)
        else:
            gather.reverse(x, 0, s.lengths, s.x_back, 0, x.shape[2], False, first, last)
        self.ahead.forward(tokens, x, s.ahead, drop, first, last)
        gather.reverse(s.ahead.out, 0, np.zeros_like(s.lengths), s.out, 0, H, False, first, last)
        self.back.forward(s.tokens_back, s.x_back, s.back, drop, first, last)
        gather.reverse(s.back.out, 0, self._joined(s), s.out, H, H, False, first, last)

    def backward(self, arrays, dx, first, last):
        s, H = arrays, self.hidden
        as_it_is, dx_back = np.zeros_like(s.lengths), s.dx_back
        gather.reverse(s.da, 0, as_it_is, s.ahead.da, 0, H, False, first, last)
        self.ahead.backward(s.ahead, dx_back, first, last)
        gather.reverse(s.da, H, self._joined(s), s.back.da, 0, H, False, first, last)
        if not self.one_hot:  # da, which dx may share its memory with, has been read
            gather.reverse(dx_back, 0, as_it_is, dx, 0, dx.shape[2], False, first, last)
        self.back.backward(s.back, dx_back, first, last)
        if not self.one_hot:
            gather.reverse(dx_back, 0, s.lengths, dx, 0, dx.shape[2], True, first, last)

    def gradients(self, team, tokens, x, arrays):
        s = arrays
        return self.ahead.gradients(team, tokens, x, s.ahead) + self.back.gradients(
            team, s.tokens_back, s.x_back, s.back
        )
