"""Whole sequences through a stack: windows of several sizes, so that short sequences do not wait for long ones."""

from collections.abc import Callable

import numpy as np

from ..text.batches import Batch, rows_axis
from .dropout import Dropout
from .stack import Stack, StackWindow


def padded_size(number: int) -> int:
    """``number`` or a little more: a power of two, or a multiple of 8. So few sizes of windows are needed."""
    return 1 << (number - 1).bit_length() if number < 8 else -(-number // 8) * 8


def pad_rows(batch: np.ndarray, rows: int, fill: int) -> np.ndarray:
    """A batch with rows of ``fill`` added: (N) → (rows), (T, N) → (T, rows), vectors (T, N, C) → (T, rows, C)."""
    widths = [(0, 0)] * batch.ndim
    widths[rows_axis(batch)] = (0, rows - batch.shape[rows_axis(batch)])
    return np.ascontiguousarray(np.pad(batch, widths, constant_values=fill))


class Windows:
    """The arrays of a stack for whole sequences (see ``protocols.SequenceWindow``); each window is made when it is
    first needed.

    rows: the most sequences in one batch. Each sequence starts from the zero state, so no state is carried.
    """

    state = ()

    def __init__(self, stack: Stack, rows: int, training: bool = False):
        self.stack, self.rows, self.training = stack, rows, training
        self.made: dict[tuple[int, int], StackWindow] = {}

    def of(self, steps: int, rows: int) -> StackWindow:
        """A window in the zero state, with memory for at least this number of ``steps`` and ``rows``."""
        shards = self.stack.shards if self.training else 1
        of_shard, most = -(-rows // shards), -(-self.rows // shards)  # shards have equally many rows
        size = 1 << (max(1, steps) - 1).bit_length(), shards * max(of_shard, min(most, padded_size(of_shard)))
        if size not in self.made:
            self.made[size] = StackWindow(self.stack, size[0], size[1], self.training)
        self.made[size].reset()
        return self.made[size]

    def _padded(self, batch: Batch):
        """A window for the batch; its inputs, targets and lengths with as many rows as the window has."""
        window = self.of(len(batch.inputs), batch.inputs.shape[1])
        inputs, targets = pad_rows(batch.inputs, window.rows, 0), pad_rows(batch.targets, window.rows, -1)
        return window, inputs, targets, pad_rows(batch.lengths, window.rows, 0)

    def summaries(self, tokens, lengths, drop: Dropout | None = None) -> tuple[np.ndarray, Callable]:
        """The output of the last layer of a stack without a head after it has read the whole of each sequence, (≥ N,
        S), and its backward pass: a function of the gradient with respect to that output, which sets the stack's
        gradient.

        tokens: (T, N), or vectors (T, N, C); lengths: (N).
        """
        window = self.of(len(tokens), tokens.shape[1])
        tokens, lengths = pad_rows(tokens, window.rows, 0), pad_rows(lengths, window.rows, 0)
        ends = np.maximum(lengths - 1, 0), np.arange(window.rows)
        out = window.read(tokens, lengths, drop)

        def backward(gradient):
            d_read = np.zeros(out.shape, out.dtype)
            d_read[ends] = gradient
            window.read_backward(tokens, lengths, d_read)

        return out[ends], backward

    def forward(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        window, inputs, targets, lengths = self._padded(batch)
        nats = window.forward(inputs, targets, lengths)
        steps, rows = batch.targets.shape
        return nats[:, :rows], window.probabilities[:steps, :rows]

    def losses(self, batch: Batch) -> np.ndarray:
        return self.forward(batch)[0]

    def train(self, batch: Batch, scale: float, drop: Dropout | None) -> np.ndarray:
        window, inputs, targets, lengths = self._padded(batch)
        return window.forward_backward(inputs, targets, scale, drop, lengths)[:, : batch.inputs.shape[1]]
