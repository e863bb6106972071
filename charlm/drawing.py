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

import math
import os
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .errors import UsageError
from .model import Model
from .network.team import Team
from .reference import columns, log_softmax, reference_of
from .vocabulary import EOS, UNKNOWN

ROWS, COLUMNS = 4, 16  # multiples of these
PART = 64  # rows of a small network that are worth a thread
MOST = 128  # rows that are taken a step further at a time, so that their gates stay in the cache
SMALL = 1 << 16  # numbers in the largest matrix of a small network
LEAST = -745  # exp of less is 0


@dataclass(frozen=True)
class Choice:
    """How the next token is drawn. temperature 0: the most likely one; top_k 0, top_p 1 and min_p 0: no restriction;
    mask_unknown: <UNK> is never drawn. The restrictions apply one after the other, after the temperature."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    mask_unknown: bool = False

    def __post_init__(self):
        if not (0 <= self.temperature < math.inf):
            raise UsageError(
                f"--temperature must be a number from 0 (the most likely token) up, not {self.temperature}"
            )
        if self.top_k < 0:
            raise UsageError(f"--top-k must be at least 1, or 0 for all tokens, not {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"--top-p must be above 0 and at most 1, not {self.top_p}")
        if not 0 <= self.min_p <= 1:
            raise UsageError(f"--min-p must be from 0 to 1, not {self.min_p}")

    @property
    def is_certain(self) -> bool:
        """Whether only one token can ever be drawn."""
        return self.temperature == 0 or self.top_k == 1

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """float64 (N, V): the distribution that the next token is drawn from."""
        logits = logits.astype(np.float64)
        if self.mask_unknown:
            logits[:, UNKNOWN] = -math.inf
        if self.temperature == 0:
            return np.eye(logits.shape[1])[logits.argmax(1)]
        scaled = (logits - logits.max(1, keepdims=True)) / max(self.temperature, 1e-300)
        powers = np.exp(np.maximum(scaled, LEAST))
        if self.mask_unknown:
            powers[:, UNKNOWN] = 0
        if 0 < self.top_k < logits.shape[1]:
            order = np.argsort(-logits, axis=1, kind="stable")[:, : self.top_k]
            kept = np.zeros_like(powers)
            np.put_along_axis(kept, order, np.take_along_axis(powers, order, 1), 1)
            powers = kept
        powers /= powers.sum(1, keepdims=True)
        if self.top_p < 1:  # the fewest tokens whose probabilities reach top_p
            order = np.argsort(-powers, axis=1, kind="stable")
            sorted_powers = np.take_along_axis(powers, order, 1)
            before = np.cumsum(sorted_powers, axis=1) - sorted_powers
            np.put_along_axis(powers, order, np.where(before < self.top_p, sorted_powers, 0), 1)
            powers /= powers.sum(1, keepdims=True)
        if self.min_p > 0:
            powers[powers < self.min_p * powers.max(1, keepdims=True)] = 0
            powers /= powers.sum(1, keepdims=True)
        return powers

    @cached_property
    def is_plain(self) -> bool:
        """Whether the tokens are drawn from the model's own distribution."""
        return self == Choice()

    def draw(self, logits: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One token for each row, (N), and its -log ŷ under the model itself, (N). points: random numbers, 0 ≤ point <
        1, (N)."""
        if len(logits) == 1 and self.is_plain:
            return self._draw_one(logits[0], points[0])
        shifted = logits.astype(np.float64)
        shifted -= np.maximum.reduce(shifted, 1, keepdims=True)
        powers = np.exp(shifted)
        sums = (powers if self.is_plain else self.probabilities(logits)).cumsum(1)
        points = points * sums[:, -1]
        sums[:, -1] = math.inf
        tokens = (sums > points[:, None]).argmax(1)
        return tokens, np.log(np.add.reduce(powers, 1)) - shifted[np.arange(len(tokens)), tokens]

    def _draw_one(self, logits, point):
        """The same for one row, (V), from the model's own distribution: the same bits from fewer and smaller calls."""
        shifted = logits.astype(np.float64)
        shifted -= np.maximum.reduce(shifted)
        powers = np.exp(shifted)
        sums = powers.cumsum()
        token = sums[:-1].searchsorted(point * sums[-1], "right")
        return np.array([token]), np.log(np.add.reduce(powers)) - shifted[token : token + 1]


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


class Walk:
    """The network going on from token to token, in many rows at once.

    A place is a list of arrays with a row for each chain: the states of the layers, and last the logits of the next
    token, (N, V). few: mostly there is one row.
    """

    def __init__(self, model: Model, few: bool = False):
        self.network = reference_of(model.architecture, model.parameters)
        if model.architecture.cell == "lstm":
            self._halve_gates(model.architecture.hidden)
        self.apart = few or max(array.size for array in self.network.named.values()) > SMALL
        if not self.apart:
            self._fill_up_matrices(model.architecture.embedding)
        self.part = ROWS if self.apart else PART
        self.team: Team | None = None  # once there is work for several threads

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

        self.team = self.team or Team(None if products_take_one_thread() else 1)
        self.team.run(self.team.split(len(tokens), some, self.part, most=MOST))
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
