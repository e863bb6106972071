"""A layer of the feed-forward language model: which kernels it calls forward, backward and for its gradients."""

from dataclasses import dataclass

import numpy as np

from ..kernels.feedforward import (
    feedforward_backward,
    feedforward_forward,
    sum_over_positions,
    sum_over_positions_gradient,
)
from .dropout import Dropout, set_dropout_mask
from .products import Product, SortedTokens, aligned, bias_gradient, padded_row, places_of


@dataclass
class FeedForwardArrays:
    """What a layer keeps of one window of text: z (T, N, ≥ H), out, da (T, N, H), mask (N, H)."""

    z: np.ndarray
    out: np.ndarray
    da: np.ndarray
    mask: np.ndarray

    states = d_start = ()

    def first_steps(self, steps: int, lengths=None) -> "FeedForwardArrays":
        """The same memory for a window of fewer steps."""
        return FeedForwardArrays(self.z[:steps], self.out[:steps], self.da[:steps], self.mask)


class FeedForward:
    """Layer number ``index`` (1, 2, …) of a stack; see ``protocols.Layer``.

    The first layer sees the last n tokens, as one-hot input where ``one_hot``; each higher layer sees the output of the
    layer below at the same step. parameters, gradients: the named views of the whole network.
    """

    def __init__(self, index: int, parameters: dict, gradients: dict, *, one_hot: bool):
        self.index, self.one_hot = index, one_hot
        name = f"layer{index}."
        self.W_x, self.dW_x = parameters[name + "W_x"], gradients[name + "W_x"]
        self.b, self.db = parameters[name + "b"], gradients[name + "b"]
        self.input = None if one_hot else Product(self.W_x, self.dW_x)

    def new_arrays(self, steps: int, rows: int, training: bool, below: FeedForwardArrays | None = None):
        """below: as in ``Recurrent``, the arrays of the layer below, with which this layer shares z and da."""
        H, dtype = self.b.size, self.b.dtype
        z = below.z if below and not training else aligned((steps, rows, padded_row(H, dtype)), dtype)
        da = below.da if below else aligned((steps if training else 0, rows, H), dtype)
        return FeedForwardArrays(z, aligned((steps, rows, H), dtype), da, np.ones((rows, H), dtype))

    def packing(self, pool, for_training: bool, precision: str) -> list:
        return [] if self.one_hot else self.input.packing(pool, for_training, precision)

    def forward(self, tokens, x, arrays: FeedForwardArrays, drop: Dropout | None, start: int, stop: int) -> None:
        """tokens: (n-1+T, N), the n-1 before the first step included."""
        set_dropout_mask(drop, arrays.mask, self.index, start, stop)
        if self.one_hot:
            sum_over_positions(tokens, self.W_x, arrays.z, start, stop)
        else:
            self.input.forward(x, arrays.z, start, stop)
        feedforward_forward(arrays.z, arrays.out, self.b, arrays.mask, start, stop)

    def operand(self, arrays: FeedForwardArrays) -> np.ndarray:
        return arrays.out

    def backward(self, arrays: FeedForwardArrays, dx, start: int, stop: int) -> None:
        feedforward_backward(arrays.z, arrays.da, arrays.mask, start, stop)
        if not self.one_hot and dx is not None:
            self.input.backward(arrays.z, dx, start, stop)

    def gradients(self, pool, tokens, x, arrays: FeedForwardArrays, shards: int = 1) -> list:
        dz = arrays.z
        if not self.one_hot:
            return self.input.gradient(pool, x, dz, self.db, shards)
        seen = self._sorted(tokens, dz, shards) if shards > 1 else None

        def columns(start, stop):
            if seen:
                seen.add_up(self.dW_x, start, stop)
            else:
                sum_over_positions_gradient(tokens, dz, self.dW_x, start, stop)
            bias_gradient(dz, self.db, shards, start, stop)

        return pool.split(self.b.size, columns, 16)

    def _sorted(self, tokens, dz, shards):
        """The rows of W_x that each step adds up, one for each place: the matrix of place k begins at row k · V."""
        places = places_of(tokens, len(dz))
        first = np.arange(places.shape[1], dtype=np.int32) * (len(self.W_x) // places.shape[1])
        return SortedTokens(np.where(places < 0, -1, places + first), dz, shards, len(self.W_x))
