"""Whole sequences through a network: windows of several sizes, so that short ones do not wait for long ones."""

from collections.abc import Callable

import numpy as np

from ..text.batches import Batch
from .layers import Dropout
from .stack import Stack, Window


def roomy(number: int) -> int:
    """``number`` or somewhat more, one of few sizes: a power of two, or a multiple of 8."""
    return 1 << (number - 1).bit_length() if number < 8 else -(-number // 8) * 8


def widened(batch: np.ndarray, rows: int, fill: int) -> np.ndarray:
    """A batch with ``fill`` in rows that it does not have: (…, N) → (…, rows)."""
    return np.ascontiguousarray(
        np.pad(batch, [(0, 0)] * (batch.ndim - 1) + [(0, rows - batch.shape[-1])], constant_values=fill)
    )


class Windows:
    """The arrays of a stack for whole sequences; each window is made when it is first wanted.

    rows: the most that stand side by side. A sequence begins from the zero state, so that nothing is carried.
    """

    state = ()

    def __init__(self, stack: Stack, rows: int, training: bool = False):
        self.stack, self.rows, self.training = stack, rows, training
        self.made: dict[tuple[int, int], Window] = {}

    def of(self, steps: int, rows: int) -> Window:
        """A window, begun anew, that has room for so many."""
        size = 1 << (max(1, steps) - 1).bit_length(), max(rows, min(self.rows, roomy(rows)))
        if size not in self.made:
            self.made[size] = Window(self.stack, *size, self.training)
        self.made[size].reset()
        return self.made[size]

    def _wide(self, batch: Batch):
        window = self.of(*batch.inputs.shape)
        inputs, targets = widened(batch.inputs, window.rows, 0), widened(batch.targets, window.rows, -1)
        return window, inputs, targets, widened(batch.lengths, window.rows, 0)

    def summaries(self, tokens, lengths, drop: Dropout | None = None) -> tuple[np.ndarray, Callable]:
        """Of a stack without a head, what its last layer gives once it has read the whole of each sequence, (≥ N, S),
        and the way back: a function of the gradient by that, which sets the stack's.

        tokens: (T, N); lengths: (N).
        """
        window = self.of(*tokens.shape)
        tokens, lengths = widened(tokens, window.rows, 0), widened(lengths, window.rows, 0)
        ends = np.maximum(lengths - 1, 0), np.arange(window.rows)
        out = window.read(tokens, lengths, drop)

        def back(gradient):
            d_read = np.zeros(out.shape, out.dtype)
            d_read[ends] = gradient
            window.read_back(tokens, lengths, d_read)

        return out[ends], back

    def forward(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """-log ŷ of every target (T, N), and all probabilities (T, N, V): views that the next batch overwrites."""
        window, inputs, targets, lengths = self._wide(batch)
        nats = window.forward(inputs, targets, lengths)
        steps, rows = batch.inputs.shape
        return nats[:, :rows], window.probabilities[:steps, :rows]

    def train(self, batch: Batch, scale: float, drop: Dropout | None) -> np.ndarray:
        """-log ŷ of every target (T, N), and the gradient of scale · their sum."""
        window, inputs, targets, lengths = self._wide(batch)
        return window.forward_backward(inputs, targets, scale, drop, lengths)[:, : batch.inputs.shape[1]]
