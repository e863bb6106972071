"""Model + tokens → how surprising each token is.

Tokens of a model of lines are scored line by line, each from the zero state. Those of a stream model are read in
tracks of TRACK tokens, so that many can be read side by side; each track but the first starts from the state that the
LEAD tokens before it leave behind, and its first input is the token before it. A text of up to TRACK tokens is thus
read exactly as it stands. What the rest of the past would have changed was measured (README): less than 10⁻⁸ nats a
character.

The result never depends on how the text comes or on how many tracks or threads run at once. So what reads a token,
NumPy or the kernels, is a matter of its place and of the network's size alone: the beginning of every text, however
long it will be, is read by NumPy, which is there at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..text.batches import windows
from ..text.corpus import line_starts
from .architecture import Architecture
from .probabilities import log_softmax
from .stepper import numpy_network

CHUNK = 4096
BURN_IN = 512
ROWS = 64  # chunks or lines side by side, at most
STEPS = 16  # of them at a time, so that what a layer writes is still in the cache when the next one reads it
AT_ONCE = 32 * STEPS  # steps that an engine is given at a time
LIKELIEST = 5


class Engine(Protocol):
    """What reads ``rows`` sequences side by side: ``network.stack.Window``, or ``NumPyEngine`` without a compiler.

    ranks: int32 (T, rows), where ``forward`` is to put the place of each target among all symbols. probabilities: (≥ T,
    rows, V), of its last call, if that was of at most STEPS steps.
    """

    rows: int
    probabilities: np.ndarray

    def reset(self) -> None: ...

    def forward(self, tokens: np.ndarray, targets: np.ndarray, *, ranks: np.ndarray | None = None) -> np.ndarray: ...


class NumPyEngine:
    """The plain NumPy network as an engine. Each row is multiplied on its own, so that its bits do not depend on the
    others; so few rows take no longer for it."""

    def __init__(self, architecture: Architecture, parameters: np.ndarray, rows: int):
        self.rows = rows
        self.network = numpy_network(architecture, parameters, apart=True)
        self.reset()

    def reset(self):
        self.state = self.network.zero_state(self.rows)

    def forward(self, tokens, targets, *, ranks=None):
        nats = np.empty(tokens.shape, np.float32)
        for start in range(0, len(tokens), STEPS):
            here = slice(start, start + STEPS)
            logits = []
            for now in tokens[here]:
                self.state = self.network.step(self.state, now)
                logits.append(self.state[-1])
            self.log_probabilities = log_softmax(np.stack(logits))
            of_target = np.take_along_axis(self.log_probabilities, np.maximum(targets[here], 0)[..., None], 2)[..., 0]
            nats[here] = np.where(targets[here] >= 0, -of_target, 0)
            if ranks is not None:
                ranks[here] = places_by_probability(self.log_probabilities, targets[here])
        return nats

    @property
    def probabilities(self):
        return np.exp(self.log_probabilities)


def places_by_probability(values: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The place of each target among all symbols, 1 for the likeliest, 0 where there is no target: (T, N).

    values: probabilities or their logarithms, (T, N, V); targets: (T, N), -1 where there is none.
    """
    of_target = np.take_along_axis(values, np.maximum(targets, 0)[..., None], 2)
    return np.where(targets >= 0, 1 + np.count_nonzero(values > of_target, axis=2), 0)


def segments(tokens: np.ndarray, lines: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each sequence that is read on its own begins, from where it is scored, and where it ends."""
    if lines:
        starts = line_starts(tokens)
        return starts[:-1], starts[:-1], starts[1:]
    return chunks(0, len(tokens))


def chunks(first: int, last: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same for the tokens first…last-1 of a stream, by their places in the whole of it."""
    starts = np.arange(first - first % CHUNK, last, CHUNK)
    return np.maximum(starts - BURN_IN, 0), np.maximum(starts, first), np.minimum(starts + CHUNK, last)


def rows_for(tokens: np.ndarray, lines: bool) -> int:
    """How many rows are worth having for these tokens."""
    return max(1, min(ROWS, len(segments(tokens, lines)[0])))


@dataclass
class TokenScores:
    """What a model makes of each of n tokens, given those before it; the columns that were not asked for are None.

    nats: -log ŷ of the token, (n); ranks: its place among all by probability, 1 for the likeliest, (n); entropies: of
    the prediction, in nats, (n); likeliest, chances: the ids of the LIKELIEST tokens and their probabilities, falling,
    (n, LIKELIEST), with chances of 0 where the vocabulary has fewer.
    """

    nats: np.ndarray
    ranks: np.ndarray | None = None
    entropies: np.ndarray | None = None
    likeliest: np.ndarray | None = None
    chances: np.ndarray | None = None

    @classmethod
    def empty(cls, number: int, columns: Iterable[str] = ()) -> "TokenScores":
        """Room for ``number`` tokens. columns: "ranks", "entropies", "likeliest"; nats are always there."""
        measures = cls(np.zeros(number, np.float32))
        if "ranks" in columns:
            measures.ranks = np.zeros(number, np.int32)
        if "entropies" in columns:
            measures.entropies = np.zeros(number, np.float32)
        if "likeliest" in columns:
            measures.likeliest = np.zeros((number, LIKELIEST), np.int32)
            measures.chances = np.zeros((number, LIKELIEST), np.float32)
        return measures

    def __getitem__(self, chosen) -> "TokenScores":
        """Those of some tokens, by a slice or a mask."""
        return TokenScores(*(None if column is None else column[chosen] for column in vars(self).values()))

    def put(self, first: int, part: "TokenScores") -> None:
        """Set those of the tokens from ``first`` on."""
        for column, values in zip(vars(self).values(), vars(part).values(), strict=True):
            if column is not None:
                column[first : first + len(values)] = values


def measure(
    engine: Engine, tokens: np.ndarray, begin, scored, end, columns: Iterable[str] = (), fresh: bool = True
) -> TokenScores:
    """Measure the tokens scored[n]…end[n]-1 of each sequence n, read from begin[n] on; all others stay 0.

    tokens: ids; begin, scored, end: (sequences). The sequences start from the zero state, or, if not ``fresh``, where
    the engine stands.
    """
    measures = TokenScores.empty(len(tokens), columns)
    predictions = measures.entropies is not None or measures.likeliest is not None
    order = np.argsort(begin - end, kind="stable")  # the longest first, so that rows end about together
    for start in range(0, len(order), engine.rows):
        chosen = order[start : start + engine.rows]
        position = 0
        if fresh:
            engine.reset()
        for window in windows(tokens, begin[chosen], end[chosen], STEPS if predictions else AT_ONCE, engine.rows):
            ranks = None if measures.ranks is None else np.empty(window.targets.shape, np.int32)
            values = engine.forward(window.inputs, window.targets, ranks=ranks)
            here = (slice(len(values)), slice(len(chosen)))
            places = begin[chosen] + position + np.arange(len(values))[:, None]
            wanted = (places >= scored[chosen]) & (places < end[chosen])
            places = places[wanted]
            measures.nats[places] = values[here][wanted]
            if ranks is not None:
                measures.ranks[places] = ranks[here][wanted]
            if predictions:
                probabilities, of_step = engine.probabilities, np.split(places, np.cumsum(wanted.sum(1))[:-1])
                for step, chosen_rows in enumerate(wanted):
                    _add_predictions(measures, of_step[step], probabilities[step, : len(chosen)][chosen_rows])
            position += len(values)
    return measures


def _add_predictions(measures, places, probabilities):
    """probabilities: (m, V), of the tokens at ``places`` (m)."""
    if measures.entropies is not None:
        logarithms = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
        measures.entropies[places] = -np.einsum("mv,mv->m", probabilities, logarithms)
    if measures.likeliest is not None:
        width = min(LIKELIEST, probabilities.shape[1])
        first = np.argpartition(-probabilities, width - 1, axis=1)[:, :width]
        chances = np.take_along_axis(probabilities, first, 1)
        order = np.argsort(-chances, axis=1, kind="stable")
        measures.likeliest[places, :width] = np.take_along_axis(first, order, 1)
        measures.chances[places, :width] = np.take_along_axis(chances, order, 1)


def score_tokens(engine: Engine, tokens: np.ndarray, lines: bool) -> np.ndarray:
    """-log ŷ of each token given those before it, (n). tokens: ids (n)."""
    return measure(engine, tokens, *segments(tokens, lines)).nats
