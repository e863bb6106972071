"""Network + choice → the next token of many chains at once.

The chains stand side by side, a row each, in the plain NumPy network, so that nothing has to be compiled or loaded.
A chain draws the same tokens whoever its neighbours are: it has random numbers of its own, and its row is multiplied
in the same order. NumPy sees to that where there are 4 rows or more, but not for one alone, and where the columns are a
multiple of 16, but not always in the last ones of other numbers (OpenBLAS has another order for large products there).
So small networks always have a multiple of 4 rows, and their matrices as many columns as it takes. For large ones that
would take several times as long as one row, and each row is multiplied on its own, which in turn makes many rows up to
twice as slow. So it is with streams too, of which mostly one is drawn. As no row depends on another, several threads
can share them.
"""

import os
from copy import copy

import numpy as np

from ..text.vocabulary import EOS
from .architecture import Architecture
from .reference import columns, log_softmax, reference_of
from .threads import ThreadPool

ROWS, COLUMNS = 4, 16  # multiples of these
PART = 64  # rows of a small network that are worth a thread
MOST = 128  # rows that are taken a step further at a time, so that their gates stay in the cache
SMALL = 1 << 16  # numbers in the largest matrix of a small network


def lstm_step_of_halves(z_x, a_, c_, W_a, b, p):
    """``reference.lstm_step`` with the weights of u, f and o halved, as σ(x) = ½ tanh(½ x) + ½ wants them: the same
    bits in fewer calls, of which at one row the time is made."""
    H = a_.shape[-1]
    z = a_ @ W_a
    z += z_x
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
    return a, c, ()


class FilledUp:
    """A matrix to be multiplied by, with columns of zeros behind its own, which no product shows."""

    __array_ufunc__ = None  # array @ this is left to __rmatmul__

    def __init__(self, matrix: np.ndarray):
        self.columns = matrix.shape[1]
        self.matrix = np.pad(matrix, ((0, 0), (0, -self.columns % COLUMNS)))

    def __rmatmul__(self, rows: np.ndarray) -> np.ndarray:
        return (rows @ self.matrix)[..., : self.columns]


def filled_up(matrix: np.ndarray | None) -> "np.ndarray | FilledUp | None":
    return FilledUp(matrix) if matrix is not None and matrix.shape[1] % COLUMNS else matrix


class Stepper:
    """The network going on from token to token, in many rows at once.

    A place is a list of arrays with a row for each chain: the states of the layers, and last the logits of the next
    token, (N, V). few: mostly there is one row.
    """

    def __init__(self, architecture: Architecture, parameters: np.ndarray, few: bool = False):
        self.network = reference_of(architecture, parameters)
        if architecture.cell == "lstm":
            self._halve_gates(architecture.hidden)
        self.apart = few or max(array.size for array in self.network.named.values()) > SMALL
        if not self.apart:
            self._fill_up_matrices(architecture.embedding)
        self.part = ROWS if self.apart else PART
        self.pool: ThreadPool | None = None  # once there is work for several threads

    def _halve_gates(self, H):
        network = self.network
        halves = np.where(np.arange(4 * H) < 3 * H, 0.5, 1).astype(network.parameters.dtype)
        network.weights = [(W_x * halves, W_a * halves, b * halves, p) for W_x, W_a, b, p in network.weights]
        network.forward_step = lstm_step_of_halves

    def _fill_up_matrices(self, embedding):
        network = self.network
        network.W_ya = filled_up(network.W_ya)
        for layer, (W_x, W_a, *others) in enumerate(network.weights):
            looked_up = layer == 0 and not embedding  # rows are taken from W_x, and nothing is multiplied
            network.weights[layer] = W_x if looked_up else filled_up(W_x), filled_up(W_a), *others

    def rows_for(self, chains: int) -> int:
        """The rows that so many chains take."""
        return max(chains, 1) if self.apart else -(-max(chains, 1) // ROWS) * ROWS

    def begin(self, tokens) -> tuple[list[np.ndarray], list[float]]:
        """Read some tokens from the zero state: the place behind them, one row, and -log ŷ of each."""
        rows = self.rows_for(1)
        self.network.reset(rows)
        if self.apart:
            self.network.state = [(a[:, None], c[:, None]) for a, c in self.network.state]
        place = self._place(self.network, np.full(rows, EOS))
        nats = []
        for token in tokens:
            nats.append(-float(log_softmax(place[-1][0].astype(np.float64))[token]))
            place = self._place(self.network, np.full(rows, token))
        return [array[:1] for array in place], nats

    def step(self, place: list[np.ndarray], tokens: np.ndarray) -> list[np.ndarray]:
        """The place one token (N) further; the one that is given is used up."""
        if len(tokens) < 2 * self.part:
            return self._further(self.network, place, tokens)

        def some(first, last):
            rows = slice(first, last)
            further = self._further(copy(self.network), take_rows(place, rows), tokens[rows])
            for to, of in zip(place, further, strict=True):
                to[rows] = of

        self.pool = self.pool or ThreadPool(None if products_take_one_thread() else 1)
        self.pool.run(self.pool.split(len(tokens), some, self.part, most=MOST))
        return place

    def _further(self, network, place, tokens):
        network.state = [tuple(place[i : i + 2]) for i in range(0, len(place) - 1, 2)]
        return self._place(network, tokens)

    def _place(self, network, tokens):
        logits = network.step(tokens[:, None])[:, 0] if self.apart else network.step(tokens)
        return [*(array for layer in network.state for array in layer), logits]


def products_take_one_thread() -> bool:
    """Whether NumPy's products leave the other processors free; where they do not, threads would wait for each
    other."""
    return os.environ.get("OPENBLAS_NUM_THREADS", os.environ.get("OMP_NUM_THREADS")) == "1"


def take_rows(place: list[np.ndarray], rows) -> list[np.ndarray]:
    """The place that has these rows (a list of numbers, repeated where one goes on in several ways) of another."""
    return [array[rows] for array in place]


def copy_row(source: list[np.ndarray], source_row: int, target: list[np.ndarray], target_row: int | list[int]) -> None:
    """Over one row or several; nothing where the target is no place."""
    for to, of in zip(target, source, strict=bool(target)):
        to[target_row] = of[source_row]
