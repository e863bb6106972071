"""An LSTM in bfloat16 that only reads: the engine that scores long texts with ``--precision bf16``.

``StackWindow`` reads with the kernels of training, which leave in memory what the backward pass needs. Nobody needs
that here, and ``kernels/lstm_pairs.py`` does without.
"""

import numpy as np

from ..kernels.bfloat16 import pack_pairs, paired
from ..kernels.lstm_pairs import UNITS, lstm_read, pack_rows, panels, read_embeddings, read_head
from ..kernels.tile import packed_size
from .architecture import Architecture, views
from .products import aligned, padded_row
from .threads import ThreadPool

PAIRS = np.dtype(np.uint32)


def can_read(architecture: Architecture) -> bool:
    """Whether an ``LSTMWeights`` can be made of the parameters of such a network."""
    return architecture.cell == "lstm" and not architecture.bidirectional and bool(architecture.output_size)


class _Layer:
    """The weights of a layer as ``lstm_read`` takes them.

    table: what is added to the products, (V or 1, 64 · panels). before: the pairs of the input in each row.
    """

    def __init__(self, hidden: int, W_x: np.ndarray, W_a: np.ndarray, b: np.ndarray, one_hot: bool):
        self.units, self.one_hot = UNITS * panels(hidden), one_hot
        b = _in_panels(b[None], hidden)
        self.table = aligned((len(W_x) if one_hot else 1, b.shape[1]), b.dtype)
        self.table[:] = _in_panels(W_x, hidden) + b if one_hot else b
        self.before = 0 if one_hot else _pairs(len(W_x))
        weights = np.zeros((2 * self.before + self.units, b.shape[1]), b.dtype)
        if not one_hot:
            weights[: len(W_x)] = _in_panels(W_x, hidden)
        weights[2 * self.before : 2 * self.before + hidden] = _in_panels(W_a, hidden)
        self.packed = _packed(weights)
        self.row = padded_row(self.before + self.units // 2, PAIRS)


def _pairs(width: int) -> int:
    """The pairs of a vector, filled up to whole panels."""
    return UNITS // 2 * panels(width)


def _in_panels(columns: np.ndarray, hidden: int) -> np.ndarray:
    """The columns of u, f, o and c̃ in the order of panels, those of the gates halved: (R, 4H) → (R, 64 · panels)."""
    whole = np.zeros((len(columns), 4, UNITS * panels(hidden)), columns.dtype)
    whole[:, :, :hidden] = columns.reshape(len(columns), 4, hidden)
    whole[:, :3] *= 0.5
    return whole.reshape(len(columns), 4, -1, UNITS).swapaxes(1, 2).reshape(len(columns), -1)


def _packed(weights: np.ndarray) -> np.ndarray:
    depth, columns = weights.shape
    packed = aligned((packed_size(weights, paired(depth), columns),), PAIRS)
    pack_pairs(weights, False, packed, 0, columns)
    return packed


class LSTMWeights:
    """The parameters of a network of which ``can_read`` is true, packed for reading. parameters: (P), float32."""

    def __init__(self, architecture: Architecture, parameters: np.ndarray, pool: ThreadPool):
        self.architecture, self.pool, hidden = architecture, pool, architecture.hidden
        named = views(architecture, parameters)
        E, b = named.get("E"), named["b_y"]
        self.b = np.full(-(-b.size // UNITS) * UNITS, -np.inf, b.dtype)  # what fills up vectors has no probability
        self.b[: b.size] = b
        self.embeddings = None
        if E is not None:
            made = np.empty((len(E), -(-E.shape[1] // 32) * UNITS), PAIRS)
            pack_rows(E, made)
            self.embeddings = np.ascontiguousarray(made[:, : _pairs(E.shape[1])])
        self.layers = [
            _Layer(hidden, *(named[f"layer{layer}.{kind}"] for kind in ("W_x", "W_a", "b")), layer == 1 and E is None)
            for layer in range(1, architecture.layers + 1)
        ]
        head = np.zeros((UNITS * panels(hidden), b.size), b.dtype)
        head[:hidden] = E.T if architecture.tied else named["W_ya"]
        self.W_ya = _packed(head)


class LSTMReader:
    """A ``measuring.Engine``: reads N sequences side by side, STEPS steps of a layer at a time."""

    def __init__(self, weights: LSTMWeights, steps: int, rows: int):
        self.weights, self.pool, self.steps, self.rows = weights, weights.pool, steps, rows
        self.inputs = [aligned((steps + 1, rows, layer.row), PAIRS) for layer in weights.layers]
        last = padded_row(weights.layers[-1].units // 2, PAIRS)
        self.inputs.append(aligned((steps, rows, last), PAIRS))  # of the head
        dtype = weights.b.dtype
        self.c = [aligned((rows, layer.units), dtype) for layer in weights.layers]
        self.outputs = aligned((steps, rows, padded_row(weights.b.size, dtype)), dtype)

    def reset(self) -> None:
        """Start all rows again from the zero state."""
        for x, c in zip(self.inputs, self.c, strict=False):
            x[0], c[:] = 0, 0

    @property
    def probabilities(self) -> np.ndarray:
        """Of the last call of ``forward``, if it had at most ``steps`` steps: (≥ T, N, V)."""
        return self.outputs[:, :, : self.weights.architecture.output_size]

    def forward(self, tokens: np.ndarray, targets: np.ndarray, *, ranks: np.ndarray | None = None) -> np.ndarray:
        """See ``measuring.Engine``."""
        nats = np.empty(tokens.shape, self.outputs.dtype)
        ranks = np.empty((0, self.rows), np.int32) if ranks is None else ranks
        keep = len(tokens) <= self.steps

        def some_rows(start, stop):  # the threads need not meet between two pieces
            for begin in range(0, len(tokens), self.steps):
                here = slice(begin, begin + self.steps)
                self._read(tokens[here], start, stop)
                read_head(
                    self.inputs[-1], self.weights.W_ya, self.weights.b, targets[here], keep, self.outputs, nats[here],
                    ranks[here], start, stop,
                )  # fmt: skip

        self.pool.run(self.pool.split(self.rows, some_rows))
        return nats

    def _read(self, tokens, start, stop):
        """Take the rows [start, stop) of all layers through at most ``steps`` steps."""
        steps = len(tokens)
        if self.weights.embeddings is not None:
            read_embeddings(tokens, self.weights.embeddings, self.inputs[0], start, stop)
        for number, layer in enumerate(self.weights.layers):
            x, following = self.inputs[number][: steps + 1], self.inputs[number + 1]
            ids = tokens if layer.one_hot else tokens[:0]
            lstm_read(ids, layer.table, layer.packed, x, layer.before, self.c[number], following, start, stop)
            x[0, start:stop, layer.before :] = x[steps, start:stop, layer.before :]
