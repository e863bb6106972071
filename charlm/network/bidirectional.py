"""A recurrent layer, and one that reads both ways: the calls of the kernels forward, backward and for the gradients of
the weights.

A layer's rows are independent of each other in the forward and the backward pass, its columns in the gradients of its
weights; threads share the work along these lines.
"""

from dataclasses import dataclass

import numpy as np

from ..kernels import gather
from .layers import LayerArrays, Recurrent
from .products import aligned


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

    def packing(self, pool, *how):
        return self.ahead.packing(pool, *how) + self.back.packing(pool, *how)

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

    def gradients(self, pool, tokens, x, arrays):
        s = arrays
        return self.ahead.gradients(pool, tokens, x, s.ahead) + self.back.gradients(
            pool, s.tokens_back, s.x_back, s.back
        )
