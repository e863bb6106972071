"""A layer of the standard network: the calls of the kernels forward, backward and for the gradients of the weights."""

from dataclasses import dataclass

import numpy as np

from ..kernels import feedforward as window
from ..kernels import gather
from ..kernels.tile import multiply
from .layers import leave_out
from .products import Product, aligned, spread


@dataclass
class FeedForwardArrays:
    """What one layer keeps of one window of text: z (T, N, ≥ H), out, da (T, N, H), mask (N, H)."""

    z: np.ndarray
    out: np.ndarray
    da: np.ndarray
    mask: np.ndarray

    states = d_start = ()

    def first_steps(self, steps, lengths=None):
        return FeedForwardArrays(self.z[:steps], self.out[:steps], self.da[:steps], self.mask)


class FeedForward:
    """Layer number ``index`` (1, 2, …): the first one sees the last tokens, as one-hot input where ``one_hot``, each
    later one what the one below gives at the same place."""

    def __init__(self, index: int, one_hot: bool, parameters: dict, gradients: dict):
        self.index, self.one_hot = index, one_hot
        name = f"layer{index}."
        self.W_x, self.dW_x = parameters[name + "W_x"], gradients[name + "W_x"]
        self.b, self.db = parameters[name + "b"], gradients[name + "b"]
        self.input = None if one_hot else Product(self.W_x, self.dW_x)

    def new_arrays(self, steps, rows, training, below: FeedForwardArrays | None = None) -> FeedForwardArrays:
        """below: as in ``Recurrent``, the arrays of the layer below, which share what one layer needs at a time."""
        H, dtype = self.b.size, self.b.dtype
        z = below.z if below and not training else aligned((steps, rows, spread(H, dtype)), dtype)
        da = below.da if below else aligned((steps if training else 0, rows, H), dtype)
        return FeedForwardArrays(z, aligned((steps, rows, H), dtype), da, np.ones((rows, H), dtype))

    def packing(self, pool, *how):
        return [] if self.one_hot else self.input.packing(pool, *how)

    def forward(self, tokens, x, arrays, drop, first, last):
        """From x (T, N, D), or the tokens (n-1+T, N) it stands for, to ``arrays.out``."""
        s = arrays
        leave_out(drop, s.mask, self.index, first, last)
        if self.one_hot:
            window.sum_of_places(tokens, self.W_x, s.z, first, last)
        else:
            multiply(x, 0, x.shape[2], self.input.forward_packed, s.z, 0, self.b.size, first, last, False)
        window.window_forward(s.z, s.out, self.b, s.mask, first, last)

    def backward(self, arrays, dx, first, last):
        """From the gradient by ``out``, which is in ``arrays.da``, to z's, in ``arrays.z``, and x's, in dx."""
        s = arrays
        window.window_backward(s.z, s.da, s.mask, first, last)
        if not self.one_hot:
            multiply(s.z, 0, self.b.size, self.input.backward_packed, dx, 0, dx.shape[2], first, last, False)

    def gradients(self, pool, tokens, x, arrays):
        """The gradients of the layer's own parameters, in independent parts."""
        dz = arrays.z
        if not self.one_hot:
            return self.input.gradient(pool, x, dz, self.db)

        def all_columns(first, last):
            window.sum_of_places_gradient(tokens, dz, self.dW_x, first, last)
            gather.sum_rows(dz.reshape(-1, dz.shape[2]), self.db, first, last, False)

        return pool.split(self.b.size, all_columns, 16)
