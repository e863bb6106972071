"""Model + text → how surprising the text is.

A text of a model of lines is scored line by line, each from the zero state. A text of a stream model is read in
tracks of TRACK tokens, so that many can be read side by side; each track but the first starts from the state that the
LEAD tokens before it leave behind, and its first input is the token before it. A text of up to TRACK tokens is thus
read exactly as it stands, and the result never depends on how many tracks or threads run at once. What the rest of
the past would have changed was measured (README): less than 10⁻⁸ nats a character.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from .corpus import line_starts, name_of, read_text, windows
from .errors import CorpusError
from .loss import Score
from .model import Model
from .reference import Reference
from .vocabulary import UNKNOWN, as_bytes

TRACK = 4096
LEAD = 512
ROWS = 64  # tracks or lines side by side, at most
STEPS = 64
WITHOUT_COMPILER = 20_000  # tokens that NumPy scores sooner than the kernels are loaded


class Engine(Protocol):
    """What reads ``rows`` sequences side by side: ``network.stack.Window``, or ``ReferenceEngine`` without a
    compiler."""

    rows: int

    def reset(self) -> None: ...

    def forward(self, tokens: np.ndarray, targets: np.ndarray) -> np.ndarray: ...


class ReferenceEngine:
    """The plain NumPy network as an engine."""

    def __init__(self, model: Model, rows: int):
        self.rows, self.reference = rows, Reference(model.architecture, model.parameters, rows)

    def reset(self):
        self.reference.reset(self.rows)

    def forward(self, tokens, targets):
        return self.reference.forward(tokens, targets)


def kernel_engine(model: Model, rows: int, threads: int | None = None) -> Engine:
    """The compiled network as an engine; this imports the compiler."""
    from .network.stack import Stack, Window
    from .network.team import Team

    stack = Stack(model.architecture, model.parameters, Team(threads))
    stack.pack(for_training=False)
    return Window(stack, STEPS, rows)


def segments(tokens: np.ndarray, lines: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each sequence that is read on its own begins, from where it is scored, and where it ends."""
    if lines:
        starts = line_starts(tokens)
        return starts[:-1], starts[:-1], starts[1:]
    scored = np.arange(0, len(tokens), TRACK)
    return np.maximum(scored - LEAD, 0), scored, np.minimum(scored + TRACK, len(tokens))


def rows_for(tokens: np.ndarray, lines: bool) -> int:
    """How many rows are worth having for these tokens."""
    return max(1, min(ROWS, len(segments(tokens, lines)[0])))


def score_tokens(engine: Engine, tokens: np.ndarray, lines: bool) -> np.ndarray:
    """-log ŷ of each token given those before it, (n). tokens: ids (n)."""
    nats = np.zeros(len(tokens), np.float32)
    begin, scored, end = segments(tokens, lines)
    order = np.argsort(begin - end, kind="stable")  # the longest first, so that rows end about together
    for start in range(0, len(order), engine.rows):
        chosen = order[start : start + engine.rows]
        position = 0
        engine.reset()
        for window in windows(tokens, begin[chosen], end[chosen], STEPS, engine.rows):
            values = engine.forward(window.inputs, window.targets)
            places = begin[chosen] + position + np.arange(len(values))[:, None]
            wanted = (places >= scored[chosen]) & (places < end[chosen])
            nats[places[wanted]] = values[:, : len(chosen)][wanted]
            position += len(values)
    return nats


class TextCounter:
    """Counts the characters, bytes, lines and words of a text that comes in pieces."""

    def __init__(self):
        self.characters = self.bytes = self.lines = self.words = 0
        self._in_word = False

    def add(self, piece: str | bytes):
        data = piece if isinstance(piece, bytes) else piece.encode("utf-8", "surrogatepass")
        newline = b"\n" if isinstance(piece, bytes) else "\n"
        self.bytes += len(data)
        self.lines += piece.count(newline)
        if isinstance(piece, bytes):  # a character is a byte that does not continue one
            self.characters += int(np.count_nonzero((np.frombuffer(piece, np.uint8) & 0xC0) != 0x80))
        else:
            self.characters += len(piece)
        self.words += len(piece.split()) - (self._in_word and not piece[:1].isspace())
        self._in_word = not piece[-1:].isspace()


def score_pieces(model: Model, pieces: Iterable[str | bytes], threads: int | None = None) -> Score:
    """The score of a clean text in pieces (see ``corpus.read_text``)."""
    counter, ids = TextCounter(), [np.zeros(0, model.vocabulary.dtype)]
    for piece in pieces:
        counter.add(piece)
        ids.append(model.vocabulary.encode(piece))
    tokens = np.concatenate(ids)
    if model.lines:  # a blank line is no item of a list, in training as here
        lengths = np.diff(line_starts(tokens))
        blank = int(np.count_nonzero(lengths == 1))
        tokens = tokens[np.repeat(lengths > 1, lengths)]
        counter.characters, counter.bytes, counter.lines = (
            counter.characters - blank,
            counter.bytes - blank,
            counter.lines - blank,
        )
    rows = rows_for(tokens, model.lines)
    engine = ReferenceEngine(model, rows) if len(tokens) <= WITHOUT_COMPILER else kernel_engine(model, rows, threads)
    nats = score_tokens(engine, tokens, model.lines)
    unknown = tokens == UNKNOWN
    return Score(
        len(tokens),
        int(unknown.sum()),
        float(nats.sum(dtype=np.float64)),
        float(nats[unknown].sum(dtype=np.float64)),
        counter.characters,
        counter.bytes,
        counter.lines,
        counter.words,
    )


def clean(text: str | bytes, level: str) -> Iterator[str | bytes]:
    """A text from memory as ``corpus.read_text`` gives one from a file."""
    if level == "byte":
        text = as_bytes(text)
        yield text if text.endswith(b"\n") or not text else text + b"\n"
    else:
        text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        yield text if text.endswith("\n") or not text else text + "\n"


def perplexity(model: Model, text: str, *, threads: int | None = None) -> Score:
    """How surprising a text is to a model."""
    return score_pieces(model, clean(text, model.vocabulary.level), threads)


def perplexity_of_files(model: Model, paths, *, encoding: str = "utf-8", threads: int | None = None) -> Score:
    """The same for files, one text after the other; "-" is standard input.

    Raises CorpusError where there is no text.
    """
    score = score_pieces(model, read_text(paths, model.vocabulary.level, encoding), threads)
    if not score.tokens:
        raise CorpusError(f"there is no text in {', '.join(map(name_of, paths))}")
    return score
