"""Model + tokens → the scores of each token, for a text that arrives in parts.

``network.measuring`` tells how an engine reads lines and chunks. The scorer remembers the position in the text, the
tokens that the next burn-in needs and where the engine stands, and decides which engine reads which part.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from ..errors import UsageError
from ..model import Model
from ..network.measuring import (
    BURN_IN,
    BURN_IN_OF_BF16,
    CHUNK,
    ROWS,
    STEPS,
    Engine,
    NumPyEngine,
    Spans,
    TokenScores,
    chunks,
    measure,
    spans,
)
from ..network.threads import ThreadPool
from ..text.corpus import line_starts
from ..text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from ..network.lstm_reader import LSTMReader
    from ..network.stack import StackWindow

WITHOUT_COMPILER = 5 * CHUNK  # the most tokens that NumPy reads
NUMPY_WORK = 6 * 10**9  # the most parameters × tokens for NumPy: about as much time as the kernels take to load
PART = 16 * CHUNK  # tokens that ``Scorer.parts`` leaves together, about
PREDICTIONS = 1 << 24  # the most probabilities in memory at once: a large vocabulary gets fewer rows


class TextScorer(Protocol):
    """Predicts each next token of a text, given all tokens before it, and tells how well it did.

    The outputs of perplexity know what predicts the next token only by this protocol. ``Scorer`` asks a network, and
    ``adaptive.AdaptingScorer`` asks a network that learns from the text. N-gram counts, or a mixture of counts and a
    network, fit the same protocol.
    """

    vocabulary: Vocabulary
    """Turns the text into tokens."""
    lines: bool
    """Whether it reads each line on its own, and skips blank lines; else the text is one stream."""

    def measure(self, tokens: np.ndarray) -> TokenScores:
        """Score the next tokens of the text, ids (n), in the order of the text. Each call goes on where the last call
        ended. For a model of lines the tokens are whole lines, each with its <EOS>.

        The scores do not depend on how the text is cut into calls, to the last bit.
        """


class Engines:
    """The engines for one model. Each is made when it is first needed; the first compiled one imports the compiler."""

    def __init__(self, model: Model, threads: int | None = None, precision: str = "float32"):
        self.model, self.threads, self.precision = model, threads, precision
        self._make_window: Callable[[int, int], StackWindow | LSTMReader] | None = None
        self._made: dict[tuple[str, int], Engine] = {}  # by kind and number of rows

    def numpy(self, sequences: int) -> Engine:
        """A NumPy engine with at most one row for each sequence."""
        rows = min(self._most_rows(), sequences)
        return self._engine("numpy", rows, lambda: self._numpy(rows))

    def compiled(self, sequences: int) -> Engine:
        """A compiled engine with a row for each sequence, or with a few more, so that few sizes are made."""
        from ..network.sequences import padded_size

        rows = min(self._most_rows(), padded_size(sequences))
        return self._engine("compiled", rows, lambda: self._window(rows))

    def _most_rows(self):
        return max(1, min(ROWS, PREDICTIONS // (STEPS * len(self.model.vocabulary))))

    def _engine(self, kind, rows, make):
        if (kind, rows) not in self._made:
            self._made[kind, rows] = make()
        return self._made[kind, rows]

    def _numpy(self, rows):
        model = self.model
        return NumPyEngine(model.architecture, model.parameters, rows, model.mixture)

    def _window(self, rows):
        from ..network.mixed_window import MixedWindow

        if self._make_window is None:
            self._make_window = self._window_maker()
        window = self._make_window(STEPS, rows)
        return MixedWindow(window, self.model.mixture) if self.model.mixture else window

    def _window_maker(self):
        """What makes a window of the network for so many steps and rows."""
        from ..network.lstm_reader import LSTMReader, LSTMWeights, can_read
        from ..network.stack import Stack, StackWindow

        model, pool = self.model, ThreadPool(self.threads)
        if self.precision == "bf16" and can_read(model.architecture):
            return partial(LSTMReader, LSTMWeights(model.architecture, model.parameters, pool))
        stack = Stack(model.architecture, model.parameters, pool)
        stack.pack(for_training=False, precision=self.precision)
        return partial(StackWindow, stack)


class Part(NamedTuple):
    """Some tokens of a text, and all that their scores depend on.

    position: of the first of them in the text. past: the tokens before it, as many as a stream may need. tokens: ids
    (n).
    """

    position: int
    past: np.ndarray
    tokens: np.ndarray


class Scorer:
    """A ``TextScorer`` that asks the model as it is.

    columns: see ``TokenScores.empty``; precision: of the matrix products, "float32" or "bf16". Raises UsageError for a
    model of another task.
    """

    def __init__(
        self,
        model: Model,
        columns: Iterable[str] = (),
        threads: int | None = None,
        precision: str = "float32",
    ):
        model.check_task("text")
        self.model, self.vocabulary, self.lines = model, model.vocabulary, model.lines
        self.columns, self.engines = tuple(columns), Engines(model, threads, precision)
        self.burn_in = BURN_IN if precision == "float32" else BURN_IN_OF_BF16
        self.position = 0  # the number of tokens that have come
        self._past = np.zeros(0, model.vocabulary.dtype)  # the tokens before them that the next part may need
        self._stands_at: tuple[int, bool] | None = None  # position of the one-row engine, and whether it is NumPy's

    def measure(self, tokens: np.ndarray) -> TokenScores:
        """Score the next tokens, ids (n); for a model of lines they are whole lines, each with its <EOS>."""
        return self.score(self._part(tokens))

    def parts(self, tokens: np.ndarray) -> list[Part]:
        """The next tokens, as for ``measure``, in parts that any scorer of the same model can ``score``, in any
        order."""
        if self.lines:
            starts = line_starts(tokens)
            cuts = starts[np.searchsorted(starts, np.arange(PART, len(tokens), PART))].tolist()
        else:
            cuts = range(PART - self.position % PART, len(tokens), PART)
        edges = sorted({0, *cuts, len(tokens)})
        return [self._part(tokens[start:stop]) for start, stop in pairwise(edges)] or [self._part(tokens)]

    def _part(self, tokens):
        part = Part(self.position, self._past, tokens)
        self.position += len(tokens)
        if not self.lines:
            self._past = np.concatenate((self._past, tokens))[-(CHUNK + self.burn_in + 1) :]
        return part

    def score(self, part: Part) -> TokenScores:
        """The scores of the tokens of a part."""
        number, cut = len(part.tokens), self._tokens_for_numpy(part)
        scores = TokenScores.empty(number, self.columns)
        shares = [(start, stop) for start, stop in ((0, cut), (cut, number)) if start < stop]
        readings = [self._reading(part, start, stop, by_numpy=stop <= cut) for start, stop in shares]
        for (start, _), scored in zip(shares, _in_parallel(readings), strict=True):
            scores.put(start, scored)
        return scores

    def _tokens_for_numpy(self, part):
        """How many tokens of a part NumPy reads: whole lines, or whole chunks unless there is less than one chunk."""
        if self.engines.precision != "float32":
            return 0
        reach = min(WITHOUT_COMPILER, NUMPY_WORK // self.model.parameters.size)
        if self.lines:
            starts = line_starts(part.tokens)
            return int(starts[min(np.searchsorted(starts, reach - part.position), len(starts) - 1)])
        reach -= reach % CHUNK if reach > CHUNK else 0
        return min(max(reach - part.position, 0), len(part.tokens))

    def _reading(self, part, first, last, by_numpy) -> Callable[[], TokenScores]:
        """A function that scores the tokens first … last - 1 of a part. It may run while another one scores the tokens
        after them."""
        tokens = part.tokens[first:last]
        if self.lines:
            lines = spans(tokens, True)
            return lambda: measure(self._engine(lines, by_numpy), tokens, lines, self.columns)
        start, stop = part.position + first, part.position + last
        local, offset = np.concatenate((part.past, part.tokens[:last])), part.position - len(part.past)
        pieces, fresh = chunks(start, stop, self.burn_in), True
        if len(pieces.start) == 1:  # the engine of one row reads on
            if self._stands_at == (start, by_numpy) and start % CHUNK:
                pieces, fresh = pieces._replace(start=pieces.scored), False
            self._stands_at = stop, by_numpy
        pieces = pieces.shifted(-offset)
        return lambda: measure(self._engine(pieces, by_numpy), local, pieces, self.columns, fresh=fresh)[-len(tokens) :]

    def _engine(self, pieces: Spans, by_numpy: bool) -> Engine:
        return (self.engines.numpy if by_numpy else self.engines.compiled)(len(pieces.start))


def _in_parallel(readings):
    """The results of some functions, in order. The last function runs in this thread."""
    if len(readings) < 2:
        return [reading() for reading in readings]
    with ThreadPoolExecutor(len(readings) - 1, "charlm") as pool:
        others = [pool.submit(reading) for reading in readings[:-1]]
        last = readings[-1]()
        return [*(other.result() for other in others), last]


def log_probability(model: Model, text: str) -> float:
    """Natural logarithm of the probability that a model gives to a text: Σ log ŷ over its tokens.

    A stream model scores the text as it stands. A model of lines scores one line, and its <EOS> counts. ``charlm
    sample`` gives the same figure with each sample. Raises UsageError if a model of lines gets several lines.
    """
    text = model.vocabulary.inside(text.removesuffix("\n") if model.lines else text)
    if model.lines:
        text += "\n"
        if text.count("\n") > 1:
            raise UsageError("a model of lines scores single lines; split the text at its line ends")
    return -float(Scorer(model).measure(model.vocabulary.encode(text)).nats.sum(dtype=np.float64))
