"""The protocol ``NextToken`` for whatever predicts the next token, and a network that follows it, in NumPy.

Sampling and the scoring of short texts start at once, because NumPy has nothing to compile. The equations of the cells
stand in ``kernels/`` and in ``reference.py``; the tests compare the step functions here with them. Notation: a and c
are states, ``a_`` and ``c_`` are the states of the step before, z_x = x W_x.

Each row belongs to a sequence of its own, and must get the same bits whatever stands in the other rows. NumPy adds up
the products of a row in the same order for any matrix of 4 rows or more, but not for one row. It does so in all columns
where their number is a multiple of 16; for other numbers, OpenBLAS orders the last columns of large products
differently. So small networks always step a multiple of 4 rows, and zeros pad their matrices to a multiple of 16
columns. For large networks, 4 rows would take several times as long as one: each row is multiplied apart, which makes
many rows up to twice as slow. Rows of streams are multiplied apart too, because mostly one stream is sampled. As no row
depends on another, several threads can share the rows.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..text.vocabulary import EOS
from .architecture import Architecture, views
from .cells import CELLS
from .mixture import MixedNetwork, Mixture
from .probabilities import log_softmax
from .threads import ThreadPool

ROWS, COLUMNS = 4, 16  # small networks step a multiple of ROWS, and multiply by a multiple of COLUMNS
ROWS_PER_THREAD = 64  # rows of a small network that are worth a thread
MOST_ROWS = 256  # rows that step at a time, so that their gates stay in the cache
SMALL = 1 << 16  # numbers in the largest matrix of a small network

State = list[np.ndarray]


class NextToken(Protocol):
    """Predicts the next token of several sequences at once, given the tokens before it.

    A state is a list of arrays, each with one row per sequence; the last array holds the logits of the next token,
    (N, V), and softmax of a row is its distribution. The other arrays belong to the predictor. ``take_rows`` and
    ``copy_row`` choose rows of any state. A row must get the same bits whatever stands in the other rows: only then is
    a sample the same for any number of samples.

    A network is such a predictor (``Stepper``), alone or mixed with n-grams (``mixture.MixedNetwork``).
    """

    def rows_for(self, sequences: int) -> int:
        """How many rows a state must have for this number of ``sequences``; the other rows may hold anything."""

    def begin(self, tokens: Iterable[int]) -> tuple[State, list[float]]:
        """Read some tokens from the beginning of a text: (the state after them, one row; -log ŷ of each, in nats)."""

    def step(self, state: State, tokens: np.ndarray) -> State:
        """Read the next token of each row, ids (N), and return the new state. The given state may be overwritten; its
        logits are not read.

        N is a number that ``rows_for`` returns.
        """


def take_rows(state: State, rows: "list[int] | np.ndarray | slice") -> State:
    """These rows of a state, in this order; a row that is named twice stands there twice."""
    return [array.take(rows, 0) if isinstance(rows, np.ndarray) else array[rows] for array in state]


def copy_row(source: State, source_row: int, target: State, target_rows: "int | list[int]") -> None:
    """Write a row of one state over one or several rows of another; nothing where the target is empty."""
    for written, read in zip(target, source, strict=bool(target)):
        written[target_rows] = read[source_row]


# The cells


def sigmoid(x: np.ndarray) -> np.ndarray:
    """σ(x) = ½ tanh(½ x) + ½, in few calls: with one row, the calls take most of the time."""
    y = np.multiply(x, 0.5)
    np.tanh(y, out=y)
    y *= 0.5
    y += 0.5
    return y


def columns(z: np.ndarray, number: int) -> list[np.ndarray]:
    """z (…, number · H) as views of H columns each; np.split takes longer."""
    H = z.shape[-1] // number
    return [z[..., part * H : (part + 1) * H] for part in range(number)]


def rnn_step(z_x, a_, c_, W_a, b, p):
    return np.tanh(a_ @ W_a + z_x + b), c_


def gru_step(z_x, a_, c_, W_a, b, p):
    H, h = a_.shape[-1], a_ @ W_a
    u, r = columns(sigmoid(z_x[..., H:] + h[..., : 2 * H] + b[H : 3 * H]), 2)
    q = h[..., 2 * H :] + b[3 * H :]
    g = np.tanh(r * q + z_x[..., :H] + b[:H])
    return u * g + (1 - u) * a_, c_


def lstm_step(z_x, a_, c_, W_a, b, p):
    """The weights of u, f and o are halved, so that one tanh serves σ(x) = ½ tanh(½ x) + ½ and c̃."""
    H = a_.shape[-1]
    z = a_ @ W_a
    z += z_x  # in place: with many rows, new arrays take as long as the arithmetic
    z += b
    np.tanh(z, out=z)
    u_f_o = z[..., : 3 * H]
    u_f_o *= 0.5
    u_f_o += 0.5
    u, f, o, g = columns(z, 4)
    c = f * c_
    c += u * g
    a = np.tanh(c)
    a *= o
    return a, c


def peephole_step(z_x, a_, c_, W_a, b, p):
    z = a_ @ W_a
    z += z_x
    z += b
    z_u, z_f, z_o, z_g = columns(z, 4)
    u, f, g = sigmoid(z_u + p[0] * c_), sigmoid(z_f + p[1] * c_), np.tanh(z_g)
    c = u * g + f * c_
    o = sigmoid(z_o + p[2] * c)
    a = np.tanh(c)
    a *= o
    return a, c


def feedforward_step(z_x, a_, c_, W_a, b, p):
    """Of a cell without a state, only z_x and b are given; the others are None."""
    return np.tanh(z_x + b), None


@dataclass(frozen=True)
class CellStep:
    """One step of a cell. step(z_x, a_, c_, W_a, b, p) → (a, c); halved: the first gates whose weights are halved."""

    step: Callable
    halved: int = 0


STEPS = {
    "rnn": CellStep(rnn_step),
    "gru": CellStep(gru_step),
    "lstm": CellStep(lstm_step, halved=3),
    "peephole": CellStep(peephole_step),
    "feedforward": CellStep(feedforward_step),
}


# The network


class PaddedMatrix:
    """The right factor of products, with columns of zeros after its own, which no product shows."""

    __array_ufunc__ = None  # so that array @ matrix is left to __rmatmul__

    def __init__(self, matrix: np.ndarray):
        self.columns = matrix.shape[1]
        self.matrix = np.pad(matrix, ((0, 0), (0, -self.columns % COLUMNS)))

    def __rmatmul__(self, rows: np.ndarray) -> np.ndarray:
        return (rows @ self.matrix)[..., : self.columns]


def padded(matrix: np.ndarray | None) -> "np.ndarray | PaddedMatrix | None":
    return PaddedMatrix(matrix) if matrix is not None and matrix.shape[1] % COLUMNS else matrix


class NumPyNetwork:
    """A network that steps in plain NumPy; ``numpy_network`` makes the one that an architecture asks for.

    Its weights are prepared once: some gates halved, and without ``apart`` the matrices padded. apart: each row is
    multiplied on its own, and the arrays of states have an axis more, (N, 1, H). The state holds a and c of each layer,
    (N, H), and last the logits, (N, V); c has no columns where the cell has none.
    """

    def __init__(self, architecture: Architecture, parameters: np.ndarray, apart: bool):
        self.architecture, self.dtype, self.apart = architecture, parameters.dtype, apart
        named, cell = views(architecture, parameters), STEPS[architecture.cell]
        self.cell_step = cell.step
        self.E = named.get("E")
        self.W_ya, self.b_y = named["E"].T if architecture.tied else named["W_ya"], named["b_y"]
        self.layers = [self._layer(named, layer, cell.halved) for layer in range(1, architecture.layers + 1)]
        if not apart:
            self.W_ya = padded(self.W_ya)

    def _layer(self, named, layer, halved):
        """W_x, W_a, b and p of a layer, prepared; None where the cell has no such weights."""
        W_x, W_a, b, p = (named.get(f"layer{layer}.{kind}") for kind in ("W_x", "W_a", "b", "p"))
        if halved:
            gates = np.arange(len(b)) < halved * self.architecture.hidden
            halves = np.where(gates, 0.5, 1).astype(self.dtype)
            W_x, W_a, b = W_x * halves, W_a * halves, b * halves
        if not self.apart:
            one_hot = self.E is None and not self.architecture.channels
            looked_up = layer == 1 and one_hot  # rows are taken from W_x, and nothing is multiplied by it
            W_x, W_a = W_x if looked_up else padded(W_x), padded(W_a)
        return W_x, W_a, b, p

    def zero_state(self, rows: int) -> State:
        """The state before the first token, without logits."""
        zero = self._zeros(rows, self.architecture.hidden)
        c = zero if CELLS[self.architecture.cell].has_c else zero[..., :0]
        return [zero, c] * self.architecture.layers

    def _zeros(self, rows, width):
        return np.zeros((rows, 1, width) if self.apart else (rows, width), self.dtype)

    def step(self, state: State, tokens: np.ndarray) -> State:
        """The state after one token more in each row, ids (N). Where the input is vectors, tokens are these, (N, C)."""
        if self.apart:
            tokens = tokens[:, None]
        x = tokens if self.architecture.channels else None if self.E is None else self.E[tokens]
        after: State = []
        for layer, (W_x, W_a, b, p) in enumerate(self.layers):
            z_x = W_x.take(tokens, 0) if x is None else x @ W_x
            x, c = self.cell_step(z_x, state[2 * layer], state[2 * layer + 1], W_a, b, p)
            after += x, c
        after.append(self._logits(x))
        return after

    def _logits(self, x):
        logits = x @ self.W_ya + self.b_y
        return logits[:, 0] if self.apart else logits


class NumPyFeedforward(NumPyNetwork):
    """The feed-forward language model. Its state holds the last n-1 tokens, (N, n-1): 1 + their ids, 0 for nothing."""

    def zero_state(self, rows):
        return [self._zeros(rows, self.architecture.context - 1)]

    def step(self, state, tokens):
        if self.apart:
            tokens = tokens[:, None]
        past = state[0]
        seen = np.concatenate((past, 1 + tokens[..., None]), axis=-1)
        ids = seen[..., ::-1].astype(int) - 1  # of x⟨t⟩, x⟨t-1⟩, …
        x = None if self.E is None else rows_of(self.E, ids).reshape(*tokens.shape, -1)
        for W_x, _, b, _ in self.layers:
            z_x = rows_of(W_x, self._rows_of_W_x(ids)).sum(-2) if x is None else x @ W_x
            x, _ = self.cell_step(z_x, None, None, None, b, None)
        return [seen[..., 1:].astype(past.dtype), self._logits(x)]

    def _rows_of_W_x(self, ids):
        """The first layer's W_x has V rows for each of the n tokens; -1 where there is no token."""
        V, n = self.architecture.vocabulary_size, self.architecture.context
        return np.where(ids < 0, -1, ids + V * np.arange(n))


def rows_of(table: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """The rows of a table that ids name, zeros for -1: (…, columns)."""
    rows = table[ids]
    rows[ids < 0] = 0
    return rows


def numpy_network(
    architecture: Architecture, parameters: np.ndarray, apart: bool, mixture: Mixture | None = None
) -> "NumPyNetwork | MixedNetwork":
    """The network of an architecture in NumPy, mixed with n-grams if there are any. parameters: (P), float32 or
    float64."""
    network = (NumPyFeedforward if architecture.context else NumPyNetwork)(architecture, parameters, apart)
    return MixedNetwork(network, mixture) if mixture else network


class Stepper:
    """A network as a ``NextToken``, mixed with n-grams if there are any. parameters: (P); few_rows: mostly one sequence
    is sampled."""

    def __init__(
        self,
        architecture: Architecture,
        parameters: np.ndarray,
        few_rows: bool = False,
        mixture: Mixture | None = None,
    ):
        largest = max(array.size for array in views(architecture, parameters).values())
        self.apart = few_rows or largest > SMALL
        self._network = numpy_network(architecture, parameters, self.apart, mixture)
        self._rows_per_thread = ROWS if self.apart else ROWS_PER_THREAD
        self._pool: ThreadPool | None = None  # made when there is work for several threads

    def rows_for(self, sequences: int) -> int:
        return max(sequences, 1) if self.apart else -(-max(sequences, 1) // ROWS) * ROWS

    def begin(self, tokens: Iterable[int]) -> tuple[State, list[float]]:
        rows, nats = self.rows_for(1), []
        state = self._network.step(self._network.zero_state(rows), np.full(rows, EOS))
        for token in tokens:
            nats.append(-float(log_softmax(state[-1][0].astype(np.float64))[token]))
            state = self._network.step(state, np.full(rows, token))
        return take_rows(state, slice(1)), nats

    def step(self, state: State, tokens: np.ndarray) -> State:
        if len(tokens) < 2 * self._rows_per_thread:
            return self._network.step(state, tokens)
        self.step_rows(state, tokens)
        return state

    def step_rows(self, state: State, tokens: np.ndarray, rows: np.ndarray | None = None) -> None:
        """Read the next token of some rows of a state, in place. tokens: ids (N), N as for ``step``; rows: indices (N),
        None for all."""

        def step_some(start, stop):
            here = slice(start, stop) if rows is None else rows[start:stop]
            after = self._network.step(take_rows(state, here), tokens[start:stop])
            for written, read in zip(state, after, strict=True):
                written[here] = read

        if len(tokens) < 2 * self._rows_per_thread:
            step_some(0, len(tokens))
            return
        self._pool = self._pool or ThreadPool(None if products_take_one_thread() else 1)
        self._pool.run(self._pool.split(len(tokens), step_some, self._rows_per_thread, most=MOST_ROWS))


def products_take_one_thread() -> bool:
    """Whether NumPy multiplies with one thread; where it takes several, threads of ours would wait for each other."""
    return os.environ.get("OPENBLAS_NUM_THREADS", os.environ.get("OMP_NUM_THREADS")) == "1"
