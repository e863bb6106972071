"""A recurrent layer, and one that reads both ways: the calls of the kernels forward, backward and for the gradients of
the weights.

A layer's rows are independent of each other in the forward and the backward pass, its columns in the gradients of its
weights; threads share the work along these lines.
"""

import math

import numpy as np

from ..errors import UsageError
from ..kernels import gather
from ..kernels.bfloat16 import pack_pairs, paired
from ..kernels.compiling import HAS_BFLOAT16
from ..kernels.gradients import layer_gradients, layer_gradients_in_pairs
from ..kernels.prefetch import LINE
from ..kernels.tile import LANES, PANEL, pack, packed_size
from .architecture import check_precision_name

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

    def packing(self, pool, for_training, precision):
        self.precision = precision
        W, flip, ways = self.parameter, self.transposed, [(self.transposed, self.forward_packed, self.columns)]
        if for_training:
            ways.append((not flip, self.backward_packed, self.depth))
        into = pack_pairs if precision == "bf16" else pack
        parts = []
        for flipped, packed, columns in ways:
            parts += pool.split(
                columns,
                lambda first, last, flipped=flipped, packed=packed: into(W, flipped, packed, first, last),
                PANEL,
            )
        return parts

    def gradient(self, pool, X, dZ, db):
        """dW = Xᵀ · dZ and db = Σ dZ, for X (…, depth) and dZ (…, ≥ columns), in independent parts."""
        X, dZ, dW = X.reshape(-1, X.shape[-1]), dZ.reshape(-1, dZ.shape[-1]), self.d_parameter
        if self.transposed:
            left, right, sums = dZ, X, np.empty_like(dW[0])  # what X sums up to, nobody asks for
            parts = pool.split(db.size, lambda first, last: gather.sum_rows(dZ, db, first, last, False), LANES)
        else:
            left, right, sums, parts = X, dZ, db, []
        what = left, left[:0], NO_TOKENS, right, 0, dW, dW[:, :0], sums
        return pool.split(sums.size, lambda first, last: self.gradients(*what, first, last), LANES) + parts
