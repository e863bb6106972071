"""A layer that reads in both directions: two recurrent layers, the second of which reads each row from its end."""

from dataclasses import dataclass

import numpy as np

from ..kernels.gather import reverse
from .dropout import Dropout
from .layers import LayerArrays, Recurrent
from .products import aligned


@dataclass(kw_only=True)
class BidirectionalArrays:
    """What a bidirectional layer keeps of one window: the arrays of its two runs; the tokens (T, N) or x (T, N, D) in
    the order in which the second run reads them; the gradient with respect to that x; out and da (T, N, 2H).

    lengths: (N), how many steps each row has; the layer never reads the steps behind them.
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
    def states(self) -> list[np.ndarray]:
        return self.ahead.states + self.back.states

    @property
    def d_start(self) -> list[np.ndarray]:
        return self.ahead.d_start + self.back.d_start

    def first_steps(self, steps: int, lengths=None) -> "BidirectionalArrays":
        """The same memory for a window of fewer steps and rows of these lengths."""
        return BidirectionalArrays(
            ahead=self.ahead.first_steps(steps),
            back=self.back.first_steps(steps),
            tokens_back=self.tokens_back[:steps],
            x_back=self.x_back[:steps],
            dx_back=self.dx_back[:steps],
            out=self.out[:steps],
            da=self.da[:steps],
            lengths=lengths,
        )


class Bidirectional:
    """Layer number ``index`` of a stack (see ``protocols.Layer``): one run reads each row from its first step on, the
    other from its last step back. Their outputs stand next to each other (Schuster and Paliwal, 1997).

    at_end: the layer pairs the outputs of the two runs after equally many steps, not those at the same position of the
    row. So at the last step each of the two has read the whole row.
    """

    def __init__(self, cell: str, index: int, parameters: dict, gradients: dict, *, one_hot: bool, at_end=False):
        self.ahead = Recurrent(cell, index, parameters, gradients, one_hot=one_hot)
        self.back = Recurrent(cell, index, parameters, gradients, one_hot=one_hot, reverse=True)
        self.one_hot, self.at_end, self.hidden = one_hot, at_end, self.ahead.hidden

    def new_arrays(self, steps: int, rows: int, training: bool, below: BidirectionalArrays | None = None):
        dtype, D, trained = self.ahead.b.dtype, 0 if self.one_hot else self.ahead.W_x.shape[0], steps * training
        ahead = self.ahead.new_arrays(steps, rows, training, below and below.ahead)
        return BidirectionalArrays(
            ahead=ahead,
            back=self.back.new_arrays(steps, rows, training, ahead),
            tokens_back=np.zeros((steps, rows), np.int32),
            x_back=aligned((steps, rows, D), dtype),
            dx_back=aligned((trained, rows, D), dtype),
            out=aligned((steps, rows, 2 * self.hidden), dtype),
            da=below.da if below else aligned((trained, rows, 2 * self.hidden), dtype),
        )

    def packing(self, pool, for_training: bool, precision: str) -> list:
        return self.ahead.packing(pool, for_training, precision) + self.back.packing(pool, for_training, precision)

    def _out_lengths(self, lengths):
        """The lengths by which ``reverse`` pairs the second run's outputs with those of the first."""
        return np.zeros_like(lengths) if self.at_end else lengths

    def forward(self, tokens, x, arrays: BidirectionalArrays, drop: Dropout | None, start: int, stop: int) -> None:
        H, lengths = self.hidden, arrays.lengths
        if self.one_hot:
            step = np.arange(len(tokens))[:, None]
            step = np.where(step < lengths[start:stop], lengths[start:stop] - 1 - step, step)
            arrays.tokens_back[:, start:stop] = np.take_along_axis(tokens[:, start:stop], step, 0)
        else:
            reverse(x, 0, lengths, arrays.x_back, 0, x.shape[2], False, start, stop)
        self.ahead.forward(tokens, x, arrays.ahead, drop, start, stop)
        reverse(arrays.ahead.out, 0, np.zeros_like(lengths), arrays.out, 0, H, False, start, stop)
        self.back.forward(arrays.tokens_back, arrays.x_back, arrays.back, drop, start, stop)
        reverse(arrays.back.out, 0, self._out_lengths(lengths), arrays.out, H, H, False, start, stop)

    def operand(self, arrays: BidirectionalArrays) -> np.ndarray:
        return arrays.out

    def backward(self, arrays: BidirectionalArrays, dx, start: int, stop: int) -> None:
        H, lengths, dx_back = self.hidden, arrays.lengths, None if dx is None else arrays.dx_back
        unchanged = np.zeros_like(lengths)
        reverse(arrays.da, 0, unchanged, arrays.ahead.da, 0, H, False, start, stop)
        self.ahead.backward(arrays.ahead, dx_back, start, stop)
        reverse(arrays.da, H, self._out_lengths(lengths), arrays.back.da, 0, H, False, start, stop)
        if not self.one_hot and dx is not None:  # nothing reads da any more, with which dx may share its memory
            reverse(dx_back, 0, unchanged, dx, 0, dx.shape[2], False, start, stop)
        self.back.backward(arrays.back, dx_back, start, stop)
        if not self.one_hot and dx is not None:
            reverse(dx_back, 0, lengths, dx, 0, dx.shape[2], True, start, stop)

    def gradients(self, pool, tokens, x, arrays: BidirectionalArrays, shards: int = 1) -> list:
        ahead = self.ahead.gradients(pool, tokens, x, arrays.ahead, shards)
        return ahead + self.back.gradients(pool, arrays.tokens_back, arrays.x_back, arrays.back, shards)
