"""Model + tokens → how surprising each token is.

A model of lines scores each line on its own, from the zero state. A stream model splits the tokens into chunks of
CHUNK tokens, so that an engine can read many of them side by side. Each chunk but the first starts with a burn-in: the
engine first reads the BURN_IN tokens before the chunk, to warm up the state, and does not score them. A text of up to
CHUNK tokens is one chunk, which is exact. The benchmarks measured how much the older past would change: less than 10⁻⁸
nats per character.

The result never depends on how the text arrives, or on the number of chunks or threads at work. So the position of a
token and the size of the network alone decide which engine reads it, NumPy or the kernels. NumPy, which needs no
compiler, reads the beginning of every text, however long the text turns out to be.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from ..text.batches import windows
from ..text.corpus import line_starts
from .architecture import Architecture
from .mixture import Mixture
from .probabilities import log_softmax
from .stepper import numpy_network

CHUNK = 4096
BURN_IN = 512
BURN_IN_OF_BF16 = 256  # the tokens before it change a score less than the rounding does
ROWS = 66  # the most chunks or lines that an engine reads side by side
STEPS = 16  # time steps of one pass: the next layer still finds the output of the one below in the cache
AT_ONCE = (CHUNK + BURN_IN) // 2  # time steps that one call gives to an engine
PIECE, BURN_IN_OF_PIECE = 512, 128  # tokens of a piece of a sample of a stream, and tokens read before it
TOP = 5  # how many of the most likely tokens are kept for each token


class Engine(Protocol):
    """Reads ``rows`` sequences side by side: ``stack.StackWindow``, mixed with n-grams ``mixed_window.MixedWindow``, or
    ``NumPyEngine`` without a compiler.

    probabilities: (≥ T, rows, V), of the last call of ``forward``, if it had at most STEPS steps.
    """

    rows: int
    probabilities: np.ndarray

    def reset(self) -> None:
        """Set the state of all rows to zero."""

    def forward(self, tokens: np.ndarray, targets: np.ndarray, *, ranks: np.ndarray | None = None) -> np.ndarray:
        """-log ŷ of each target, float32 (T, rows), 0 where there is no target; the state moves on by T steps.

        tokens, targets: ids (T, rows), a target of -1 where there is none. ranks: int32 (T, rows), into which
        ``forward`` writes the rank of each target by probability, 1 for the most likely token.
        """


class NumPyEngine:
    """The NumPy network of ``stepper.py`` as an engine. Each row is multiplied apart, so that its bits do not depend on
    the other rows; with few rows this takes no longer."""

    def __init__(self, architecture: Architecture, parameters: np.ndarray, rows: int, mixture: Mixture | None = None):
        self.rows = rows
        self.network = numpy_network(architecture, parameters, True, mixture)
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
                ranks[here] = ranks_by_probability(self.log_probabilities, targets[here])
        return nats

    @property
    def probabilities(self):
        return np.exp(self.log_probabilities)


def ranks_by_probability(values: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The rank of each target by probability, 1 for the most likely token, 0 where there is no target: (T, N).

    values: probabilities or their logarithms, (T, N, V); targets: (T, N), -1 where there is none.
    """
    of_target = np.take_along_axis(values, np.maximum(targets, 0)[..., None], 2)
    return np.where(targets >= 0, 1 + np.count_nonzero(values > of_target, axis=2), 0)


class Spans(NamedTuple):
    """The sequences that an engine reads on their own, by positions of tokens: three integer arrays (sequences).

    start: the first token that is read; scored: the first one that is scored, after the burn-in; stop: the end of both.
    """

    start: np.ndarray
    scored: np.ndarray
    stop: np.ndarray

    @classmethod
    def one(cls, start: int, scored: int, stop: int) -> "Spans":
        """A single sequence."""
        return cls(np.array([start]), np.array([scored]), np.array([stop]))

    def shifted(self, by: int) -> "Spans":
        """The same sequences, with all positions moved."""
        return Spans(self.start + by, self.scored + by, self.stop + by)


def spans(tokens: np.ndarray, lines: bool) -> Spans:
    """The lines of the tokens, ids (n), for a model of lines; else the chunks of a stream."""
    if lines:
        starts = line_starts(tokens)
        return Spans(starts[:-1], starts[:-1], starts[1:])
    return chunks(0, len(tokens))


def chunks(start: int, stop: int, burn_in: int | None = None) -> Spans:
    """The chunks that hold the tokens start…stop-1 of a stream, by positions in the whole stream. burn_in: BURN_IN if
    not given."""
    starts, burn_in = np.arange(start - start % CHUNK, stop, CHUNK), BURN_IN if burn_in is None else burn_in
    return Spans(np.maximum(starts - burn_in, 0), np.maximum(starts, start), np.minimum(starts + CHUNK, stop))


def sampled_spans(tokens: np.ndarray, lines: bool, number: int) -> Spans:
    """About ``number`` of the tokens, ids (n), spread evenly over them: whole lines, or pieces of a stream."""
    if lines:
        every = max(1, len(tokens) // max(1, number))
        return Spans(*(positions[::every] for positions in spans(tokens, True)))
    starts = np.linspace(0, max(0, len(tokens) - PIECE), max(1, number // PIECE)).astype(np.int64)
    return Spans(np.maximum(starts - BURN_IN_OF_PIECE, 0), starts, np.minimum(starts + PIECE, len(tokens)))


def rows_for(spans: Spans) -> int:
    """The number of rows that an engine needs for these sequences, at most ROWS."""
    return max(1, min(ROWS, len(spans.start)))


@dataclass
class TokenScores:
    """How well a model predicts each of n tokens, given the tokens before it. Columns that nobody asked for are None.

    nats: -log ŷ of the token, float32 (n)
    ranks: its rank by probability, 1 for the most likely token, int32 (n)
    entropies: of the prediction, in nats, float32 (n)
    most_likely: ids of the TOP most likely tokens, the most likely first, int32 (n, TOP)
    probabilities: of these, float32 (n, TOP); 0 in the last columns if the vocabulary is smaller than TOP
    """

    nats: np.ndarray
    ranks: np.ndarray | None = None
    entropies: np.ndarray | None = None
    most_likely: np.ndarray | None = None
    probabilities: np.ndarray | None = None

    @classmethod
    def empty(cls, number: int, columns: Iterable[str] = ()) -> "TokenScores":
        """Zeros for ``number`` tokens. columns: "ranks", "entropies", "most_likely"; the nats are always there."""
        scores = cls(np.zeros(number, np.float32))
        if "ranks" in columns:
            scores.ranks = np.zeros(number, np.int32)
        if "entropies" in columns:
            scores.entropies = np.zeros(number, np.float32)
        if "most_likely" in columns:
            scores.most_likely = np.zeros((number, TOP), np.int32)
            scores.probabilities = np.zeros((number, TOP), np.float32)
        return scores

    @classmethod
    def joined(cls, parts: "list[TokenScores]") -> "TokenScores":
        """The scores of the tokens of some parts, one part after the other."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return cls(*(None if column[0] is None else np.concatenate(column) for column in columns))

    def __getitem__(self, chosen) -> "TokenScores":
        """The scores of some tokens, chosen by a slice or a mask."""
        return TokenScores(*(None if column is None else column[chosen] for column in vars(self).values()))

    def copy(self) -> "TokenScores":
        """The same scores in arrays of their own."""
        return TokenScores(*(None if column is None else column.copy() for column in vars(self).values()))

    def put(self, start: int, part: "TokenScores") -> None:
        """Write the scores of some tokens, from position ``start`` on."""
        for column, values in zip(vars(self).values(), vars(part).values(), strict=True):
            if column is not None:
                column[start : start + len(values)] = values


def measure(
    engine: Engine, tokens: np.ndarray, spans: Spans, columns: Iterable[str] = (), *, fresh: bool = True
) -> TokenScores:
    """Score the tokens scored[n]…stop[n]-1 of each sequence n, which the engine reads from start[n] on. The scores of
    all other tokens stay 0.

    tokens: ids (n); columns: see ``TokenScores.empty``; fresh: the engine starts each sequence from the zero state,
    otherwise from the state that it has.
    """
    scores = TokenScores.empty(len(tokens), columns)
    predictions = scores.entropies is not None or scores.most_likely is not None
    order = np.argsort(spans.start - spans.stop, kind="stable")  # the longest first, so that rows end about together
    for position in range(0, len(order), engine.rows):
        chosen = order[position : position + engine.rows]
        starts, stops, scored = spans.start[chosen], spans.stop[chosen], spans.scored[chosen]
        step = 0
        if fresh:
            engine.reset()
        for window in windows(tokens, starts, stops, STEPS if predictions else AT_ONCE, engine.rows):
            targets = window.targets
            begin, end = (np.clip(edges - starts - step, 0, len(targets)) for edges in (scored, stops))
            for row in begin.nonzero()[0].tolist():  # burn-in
                targets[: begin[row], row] = -1
            ranks = None if scores.ranks is None else np.empty(targets.shape, np.int32)
            nats = engine.forward(window.inputs, targets, ranks=ranks)
            _put(scores.nats, nats, starts + step, begin, end)
            if ranks is not None:
                _put(scores.ranks, ranks, starts + step, begin, end)
            if predictions:
                probabilities = engine.probabilities
                for number in range(len(targets)):
                    rows = ((begin <= number) & (number < end)).nonzero()[0]
                    _add_predictions(scores, starts[rows] + step + number, probabilities[number, rows])
            step += len(nats)
    return scores


def _put(column, values, starts, begin, end):
    """column[starts[n] + t] = values[t, n] for the steps begin[n] ≤ t < end[n] of each row n."""
    if len(values) > 4 * len(starts):
        for row, (position, first, last) in enumerate(zip(starts.tolist(), begin.tolist(), end.tolist(), strict=True)):
            column[position + first : position + last] = values[first:last, row]
        return
    steps = np.arange(len(values))[:, None]
    wanted = (steps >= begin) & (steps < end)
    column[(starts + steps)[wanted]] = values[:, : len(starts)][wanted]


def _add_predictions(scores, positions, probabilities):
    """Write entropies and most likely tokens. probabilities: (m, V), of the tokens at ``positions`` (m)."""
    if scores.entropies is not None:
        logarithms = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
        scores.entropies[positions] = -np.einsum("mv,mv->m", probabilities, logarithms)
    if scores.most_likely is not None:
        width = min(TOP, probabilities.shape[1])
        found = np.argpartition(-probabilities, width - 1, axis=1)[:, :width]
        of_found = np.take_along_axis(probabilities, found, 1)
        order = np.argsort(-of_found, axis=1, kind="stable")
        scores.most_likely[positions, :width] = np.take_along_axis(found, order, 1)
        scores.probabilities[positions, :width] = np.take_along_axis(of_found, order, 1)


def score_tokens(engine: Engine, tokens: np.ndarray, lines: bool) -> np.ndarray:
    """-log ŷ of each token given the tokens before it, float32 (n). tokens: ids (n)."""
    return measure(engine, tokens, spans(tokens, lines)).nats
