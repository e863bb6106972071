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
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..errors import UsageError
from ..model import Model
from ..network.measuring import BURN_IN, CHUNK, ROWS, STEPS, Engine, NumPyEngine, TokenScores, chunks, measure, segments
from ..text.corpus import line_starts

WITHOUT_COMPILER = 5 * CHUNK  # tokens that NumPy reads at most
PLAIN_WORK = 6 * 10**9  # and parameters times tokens: it takes about as long for them as the kernels do to load
PREDICTIONS = 1 << 24  # probabilities held at once: a large vocabulary gets fewer rows


class Engines:
    """The engines for one model, each made when it is first wanted; the first compiled one imports the compiler."""

    def __init__(self, model: Model, threads: int | None = None, precision: str = "float32"):
        self.model, self.threads, self.precision, self.stack, self.made = model, threads, precision, None, {}

    def plain(self, sequences: int) -> Engine:
        rows = min(self._most_rows(), sequences)
        return self._made(("plain", rows), lambda: NumPyEngine(self.model.architecture, self.model.parameters, rows))

    def compiled(self, sequences: int) -> Engine:
        """With as many rows as are of use, or a few more, so that few kinds are made."""
        from ..network.sequences import padded_size

        rows = min(self._most_rows(), padded_size(sequences))
        return self._made(rows, lambda: self._window(rows))

    def _most_rows(self):
        return max(1, min(ROWS, PREDICTIONS // (STEPS * len(self.model.vocabulary))))

    def _made(self, key, make):
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]

    def _window(self, rows):
        from ..network.stack import Stack, StackWindow
        from ..network.threads import ThreadPool

        if self.stack is None:
            self.stack = Stack(self.model.architecture, self.model.parameters, ThreadPool(self.threads))
            self.stack.pack(False, self.precision)
        return StackWindow(self.stack, STEPS, rows)


def kernel_engine(model: Model, rows: int, threads: int | None = None) -> Engine:
    """The compiled network as an engine; this imports the compiler."""
    return Engines(model, threads).compiled(rows)


class Scorer:
    """TokenScores a text that comes in parts, each from where the last one ended.

    columns: what is wanted besides the nats, see ``TokenScores``; precision: in which the kernels multiply matrices.
    """

    def __init__(
        self,
        model: Model,
        columns: Iterable[str] = (),
        threads: int | None = None,
        precision: str = "float32",
    ):
        model.check_task("text")
        self.model, self.columns, self.engines = model, tuple(columns), Engines(model, threads, precision)
        self.position = 0  # tokens measured so far
        self._past = np.zeros(0, model.vocabulary.dtype)  # those before them that the next part may need
        self._stands_at: tuple[int, bool] | None = None  # where the engine of one row stands, and whether it is NumPy

    def measure(self, tokens: np.ndarray) -> TokenScores:
        """Measure the next tokens, ids (n); for a model of lines they are whole lines, each with its <EOS>."""
        measures, cut = TokenScores.empty(len(tokens), self.columns), self._read_plainly(tokens)
        parts = [(first, last) for first, last in ((0, cut), (cut, len(tokens))) if first < last]
        readings = [self._reading(tokens[first:last], plainly=last <= cut) for first, last in parts]
        for (first, _), part in zip(parts, _side_by_side(readings), strict=True):
            measures.put(first, part)
        return measures

    def _read_plainly(self, tokens):
        """How many of the next tokens NumPy reads: whole lines, or whole chunks unless it is less than one."""
        if self.engines.precision != "float32":
            return 0
        reach = min(WITHOUT_COMPILER, PLAIN_WORK // self.model.parameters.size)
        if self.model.lines:
            starts = line_starts(tokens)
            return int(starts[min(np.searchsorted(starts, reach - self.position), len(starts) - 1)])
        reach -= reach % CHUNK if reach > CHUNK else 0
        return min(max(reach - self.position, 0), len(tokens))

    def _reading(self, tokens, plainly):
        """What measures the next tokens when it is called; it may be while those behind them are measured."""
        first, last = self.position, self.position + len(tokens)
        self.position = last
        if self.model.lines:
            begin, scored, end = segments(tokens, True)
            return lambda: measure(self._engine(len(begin), plainly), tokens, begin, scored, end, self.columns)
        local, offset = np.concatenate((self._past, tokens)), first - len(self._past)
        self._past = local[-(CHUNK + BURN_IN + 1) :]
        begin, scored, end = chunks(first, last)
        fresh = True
        if len(begin) == 1:  # the engine of one row reads on
            if self._stands_at == (first, plainly) and first % CHUNK:
                begin, fresh = scored, False
            self._stands_at = last, plainly
        cuts = begin - offset, scored - offset, end - offset
        return lambda: measure(self._engine(len(cuts[0]), plainly), local, *cuts, self.columns, fresh)[-len(tokens) :]

    def _engine(self, sequences, plainly):
        return self.engines.plain(sequences) if plainly else self.engines.compiled(sequences)


def _side_by_side(readings):
    """What they give; the last one in this thread."""
    if len(readings) < 2:
        return [reading() for reading in readings]
    with ThreadPoolExecutor(len(readings) - 1, "charlm") as beside:
        others = [beside.submit(reading) for reading in readings[:-1]]
        last = readings[-1]()
        return [*(other.result() for other in others), last]


def log_probability(model: Model, text: str) -> float:
    """Natural logarithm of the probability that a model gives to a text: Σ log ŷ over its tokens.

    Nothing is added to the text of a stream model; that of a model of lines is one line, whose <EOS> counts. It is
    the figure that ``charlm sample`` gives a sample. Raises UsageError where the text is no single line.
    """
    if model.lines:
        text = text.removesuffix("\n") + "\n"
        if text.count("\n") > 1:
            raise UsageError("a model of lines scores single lines; split the text at its line ends")
    return -float(Scorer(model).measure(model.vocabulary.encode(text)).nats.sum(dtype=np.float64))
