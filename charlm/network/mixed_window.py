"""The mixture in compiled kernels: scoring of long texts, and fitting of the weights to the held-out part."""

from collections.abc import Iterable

import numpy as np

from ..kernels import ngrams as kernels
from ..kernels.softmax import target_ranks
from ..ranks import Ranks
from ..text.batches import windows
from ..text.ngrams import NGrams
from ..text.vocabulary import EOS
from .lstm_reader import LSTMReader
from .measuring import Spans
from .mixture import EVEN, MOST_WEIGHT, RIDGE, Mixture
from .stack import StackWindow


class CompiledNGrams:
    """The arrays of n-grams as the kernels take them, and the nodes of R rows.

    dtype: of the network's probabilities.
    """

    def __init__(self, mixture: Mixture, rows: int, dtype):
        ngrams = mixture.ngrams
        self.unknown = mixture.unknown
        self.arrays = (
            mixture.unigrams.astype(dtype),
            mixture.first,
            ngrams.tokens.astype(np.int32),  # one type, so that numba compiles the kernels once
            ngrams.own.astype(dtype),
            mixture.backoff.astype(dtype),
        )
        self.start = ngrams.no_history(rows)
        self.nodes = self.start.copy()

    def reset(self) -> None:
        """Forget the histories of all rows."""
        self.nodes[:] = self.start


class MixedWindow:
    """A ``measuring.Engine``: a window of a network whose probabilities are mixed with those of n-grams."""

    def __init__(self, window: StackWindow | LSTMReader, mixture: Mixture):
        self.window, self.rows, self.pool = window, window.rows, window.pool
        dtype = window.outputs.dtype
        self.ngrams = CompiledNGrams(mixture, self.rows, dtype)
        self.weights = mixture.weights.astype(dtype)
        self.scratch = np.empty((self.rows, 2, window.probabilities.shape[2]), dtype)

    def reset(self) -> None:
        """Start all rows again from the zero state, without a history."""
        self.window.reset()
        self.ngrams.reset()

    @property
    def probabilities(self) -> np.ndarray:
        """Of the last call of ``forward``, or of its last piece: (≥ T, N, V)."""
        return self.window.probabilities

    def forward(self, tokens: np.ndarray, targets: np.ndarray, *, ranks: np.ndarray | None = None) -> np.ndarray:
        """See ``measuring.Engine``."""
        nats = np.empty(tokens.shape, self.scratch.dtype)
        for start in range(0, len(tokens), self.window.steps):
            here = slice(start, start + self.window.steps)
            self._piece(tokens[here], targets[here], nats[here], None if ranks is None else ranks[here])
        return nats

    def _piece(self, tokens, targets, nats, ranks):
        self.window.forward(tokens, targets)
        found, grams = self.window.outputs, self.ngrams  # with padding: of one memory layout, whatever V is

        def some_rows(start, stop):
            kernels.mix(
                found, tokens, targets, nats, grams.nodes, *grams.arrays, self.weights, grams.unknown, self.scratch,
                start, stop,
            )  # fmt: skip
            if ranks is not None:
                target_ranks(found, self.scratch.shape[2], targets, ranks, start, stop)

        self.pool.run(self.pool.split(self.rows, some_rows))


class Fitted:
    """What one reading of the held-out part gave: losses in nats per token, and new weights.

    mixture: each half measured with weights that were fitted to the other half; network, ngrams: each part alone.
    weights: (3, N, 2), fitted to the first half, to the second half, and to both. sums: (2, N, SUMS), the derivatives
    by half and length.
    """

    def __init__(self, losses: np.ndarray, sums: np.ndarray, tokens: int, weights: np.ndarray):
        self.mixture, self.network, self.ngrams = (losses / tokens).tolist()
        self.sums = sums
        self.weights = np.stack([newton(weights, part) for part in (sums[0], sums[1], sums[0] + sums[1])])


def even_weights(order: int) -> np.ndarray:
    """The weights before any is fitted: (3, N, 2), see ``Fitted``."""
    return np.full((3, order, 2), EVEN)


def newton(weights: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """The weights (N, 2) after one step of Newton's method.

    A penalty RIDGE/2 · (weight - mean)² keeps the weights of lengths that are rare near the mean, which is fitted as if
    all lengths had the same weights, and is itself kept near EVEN. sums: (N, SUMS), the derivatives at ``weights``.
    """
    aa, ab, bb = sums[:, 2], sums[:, 3], sums[:, 4]
    wanted = (
        np.stack((aa * weights[:, 0] + ab * weights[:, 1], ab * weights[:, 0] + bb * weights[:, 1])) - sums[:, :2].T
    )
    mean = _solved(*(part.sum() for part in (aa, ab, bb)), *(wanted.sum(1) + RIDGE * EVEN))
    found = _solved(aa, ab, bb, *(wanted + RIDGE * mean[:, None]))
    return np.ascontiguousarray(np.clip(found.T, 0, MOST_WEIGHT))  # of one memory layout, as the kernels take it


def _solved(aa, ab, bb, a, b):
    """The solution of two linear equations with RIDGE added to their diagonal. Where one number would be negative, it
    is 0, and the other one is the best beside 0: the best beside a negative one would be too large."""
    aa, bb = aa + RIDGE, bb + RIDGE
    one, other = np.stack((bb * a - ab * b, aa * b - ab * a)) / (aa * bb - ab * ab)
    return np.stack(
        (np.where(other < 0, a / aa, np.maximum(one, 0)), np.where(other < 0, 0, np.where(one < 0, b / bb, other)))
    )


def fit(
    window: StackWindow,
    mixture: Mixture,
    weights: np.ndarray,
    tokens: np.ndarray,
    lines: bool,
    spans: Spans,
    share: tuple[int, Ranks] | None = None,
) -> Fitted:
    """Read the held-out part, and improve the weights by one step of Newton's method.

    window: of the network, packed, with the STEPS and rows for the text. weights: (3, N, 2), of the reading before, or
    ``even_weights``. tokens: ids (n); lines: each line is a sequence of its own; spans: what of them is read.
    share: (rows, ranks) where several ranks read so many rows together, each of them every ``ranks.number``-th row.
    """
    rows, dtype = window.rows, window.outputs.dtype
    all_rows, ranks = share or (rows, Ranks())
    grams, pool = CompiledNGrams(mixture, rows, dtype), window.stack.pool
    losses, sums = np.zeros((rows, 3)), np.zeros((rows, 2, mixture.ngrams.order, kernels.SUMS))
    scratch = np.empty((rows, 5, window.probabilities.shape[2]), dtype)
    held, both = weights[[1, 0]].astype(dtype), weights[2].astype(dtype)
    for inputs, targets, halves, fresh in _pieces(tokens, halves_of(tokens, lines), spans, window, all_rows, ranks):
        if fresh:
            window.reset()
            grams.reset()
        window.forward(inputs, targets)
        found = window.outputs

        def some_rows(start, stop, inputs=inputs, targets=targets, halves=halves, found=found):
            kernels.fit(
                found, inputs, targets, halves, losses, sums, grams.nodes, *grams.arrays, both, held, grams.unknown,
                scratch, start, stop,
            )  # fmt: skip

        pool.run(pool.split(rows, some_rows))
    losses, sums = (_of_all(part, all_rows, ranks) for part in (losses, sums))
    return Fitted(losses.sum(0), sums.sum(0), int((spans.stop - spans.scored).sum()), weights[2])


def _of_all(own: np.ndarray, rows: int, ranks: Ranks) -> np.ndarray:
    """The rows of all ranks. own: (≥ n, …), of which this rank's rows are the first n."""
    found = np.zeros((rows, *own.shape[1:]), own.dtype)
    mine = found[ranks.rank :: ranks.number]
    mine[:] = own[: len(mine)]
    ranks.sum_tree(found)  # adds zeros only
    return found


def halves_of(tokens: np.ndarray, lines: bool) -> np.ndarray:
    """To which half of a held-out part each token belongs, 0 or 1: (n). The halves of a stream are its beginning and
    its end. Those of a list are every other line, because a list may be sorted.

    tokens: ids (n); lines: each line is a sequence of its own.
    """
    if not lines:
        return np.arange(len(tokens)) >= len(tokens) // 2
    ends = tokens == EOS
    return (np.cumsum(ends) - ends) % 2


def _pieces(tokens, half, spans, window, all_rows, ranks) -> Iterable[tuple]:
    """(inputs, targets, half of each target or -1, whether all rows start anew) of each window of this rank, (T, R)
    each."""
    order = np.argsort(spans.start - spans.stop, kind="stable")  # the longest first, so that rows end about together
    for position in range(0, len(order), all_rows):
        chosen = order[position : position + all_rows][ranks.rank :: ranks.number]
        if not len(chosen):
            return
        starts, stops, scored = spans.start[chosen], spans.stop[chosen], spans.scored[chosen]
        step = 0
        for batch in windows(tokens, starts, stops, window.steps, window.rows):
            positions = starts + step + np.arange(len(batch.inputs))[:, None]
            halves = np.full(batch.inputs.shape, -1, np.int32)
            wanted = (positions >= scored) & (positions < stops)
            halves[:, : len(chosen)] = np.where(wanted, half.take(positions, mode="clip"), -1)
            yield batch.inputs, batch.targets, halves, step == 0
            step += len(batch.inputs)


def read_once(network) -> None:
    """Call every kernel of the mixture once, with a network of width 2, so that numba compiles them."""
    V = network.architecture.output_size
    ngrams = NGrams.count(np.zeros(2, np.uint8), V, 2, False, singletons=2, most=None)
    mixture, token = Mixture(ngrams, np.full((2, 2), EVEN)), np.zeros((1, 1), np.int32)
    window = StackWindow(network, 1, 1)
    MixedWindow(window, mixture).forward(token, token, ranks=np.zeros((1, 1), np.int32))
    fit(window, mixture, even_weights(2), token[0], False, Spans.one(0, 0, 1))
