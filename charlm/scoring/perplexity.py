"""Text → its figures as a whole, by line, and by token.

A text is read in blocks, by a thread of its own ahead of need, and each block is measured when it is there: a text of
any size takes the memory of a few blocks (of its longest line, where lines are asked for or the model is one of
lines), and what comes slowly is let out as it comes.

A line's tokens are those of its text and its <EOS>. A model of lines reads each line from the zero state; a blank one
is no item to it and has no tokens. A stream model reads on: what it makes of a line depends on all lines before it.
Either way the sums over the lines are the figures of the text.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import compress

import numpy as np

from ..errors import CorpusError
from ..figures import RANKS, Score
from ..model import Model
from ..network.measuring import TokenScores
from ..text.reading import name_of
from ..text.vocabulary import EOS, UNKNOWN, symbols_in
from .adaptive import AdaptingScorer
from .blocks import blocks, clean, text_blocks
from .scorer import Scorer


@dataclass
class ScoredBlock:
    """A block of a text and what a model makes of it.

    text: whole lines, or any stretch of a stream; lengths: tokens of each of its lines, 0 for one that is left out,
    and of what comes after the last line's end; kept: which of the text's symbols are in no line left out, None for
    all; tokens, measures: of these, (n).
    """

    model: Model
    text: str | bytes
    lengths: np.ndarray
    kept: np.ndarray | None
    tokens: np.ndarray
    measures: TokenScores

    def lines(self) -> list[str | bytes]:
        """The text of each line, without its end."""
        return self.text.split(b"\n" if isinstance(self.text, bytes) else "\n")[: len(self.lengths)]

    def symbols(self) -> list[str]:
        """The text of each token; bytes that are no ASCII as lone surrogates (PEP 383)."""
        level = self.model.vocabulary.level
        symbols = symbols_in(self.text, level)
        symbols = symbols if self.kept is None else compress(symbols, self.kept.tolist())
        return [_BYTES[symbol] for symbol in symbols] if level == "byte" else list(symbols)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Values of the tokens, (n), summed over each line: float64 (lines)."""
        sums = np.zeros(len(self.lengths))
        held = self.lengths > 0
        if len(values):
            starts = np.cumsum(self.lengths) - self.lengths
            sums[held] = np.add.reduceat(values.astype(np.float64), starts[held])
        return sums


_BYTES = [bytes([value]).decode("utf-8", "surrogateescape") for value in range(256)]


def scored_blocks(
    models: list[Model],
    text: Iterable[str | bytes],
    columns: Iterable[str] = (),
    *,
    threads: int | None = None,
    adapt: float | None = None,
    precision: str = "float32",
) -> Iterator[list[ScoredBlock]]:
    """A passage of each block of a text (see ``blocks``) for each of the models; where one of them is of lines, blank
    lines are left out for all.

    adapt: the rate at which they learn from the text, None for not at all; precision: in which they multiply matrices,
    "float32" or "bf16". Raises UsageError where the processor cannot.
    """
    if precision != "float32":
        from ..network.products import check_precision

        check_precision(precision)
    how = threads, precision
    scorers = [
        AdaptingScorer(model, columns, adapt, *how) if adapt else Scorer(model, columns, *how) for model in models
    ]
    blank_lines = not any(model.lines for model in models)
    for block in text:
        yield [_scored_block(scorer, block, blank_lines) for scorer in scorers]


def _scored_block(scorer, text, blank_lines):
    model = scorer.model
    tokens = model.vocabulary.encode(text)
    ends = np.flatnonzero(tokens == EOS) + 1
    lengths = np.diff(ends if len(ends) and ends[-1] == len(tokens) else np.append(ends, len(tokens)), prepend=0)
    kept = None
    if not blank_lines and (lengths == 1).any():
        kept = np.repeat(lengths > 1, lengths)
        lengths = np.where(lengths > 1, lengths, 0)
    if kept is not None and model.lines:
        tokens = tokens[kept]
    measures = scorer.measure(tokens)
    if kept is not None and not model.lines:
        tokens, measures = tokens[kept], measures[kept]
    return ScoredBlock(model, text, lengths, kept, tokens, measures)


class TextCounter:
    """Counts the characters, bytes, lines and words of a text that comes in pieces."""

    def __init__(self):
        self.characters = self.bytes = self.lines = self.words = 0
        self._in_word = False

    def add(self, piece: str | bytes, blank_lines: int = 0):
        """Count a piece; ``blank_lines`` of its lines are left out."""
        data = piece if isinstance(piece, bytes) else piece.encode("utf-8", "surrogatepass")
        newline = b"\n" if isinstance(piece, bytes) else "\n"
        self.bytes += len(data) - blank_lines
        self.lines += piece.count(newline) - blank_lines
        if isinstance(piece, bytes):  # a character is a byte that does not continue one
            self.characters += int(np.count_nonzero((np.frombuffer(piece, np.uint8) & 0xC0) != 0x80)) - blank_lines
        else:
            self.characters += len(piece) - blank_lines
        self.words += len(piece.split()) - (self._in_word and not piece[:1].isspace())
        self._in_word = not piece[-1:].isspace()


class Total:
    """Adds scored_blocks up to one ``Score``; ranks are counted where they were measured."""

    def __init__(self):
        self.counter = TextCounter()
        self.tokens = self.unknown_tokens = 0
        self.nats = self.unknown_nats = 0.0
        self.within = dict.fromkeys(RANKS, 0)

    def add(self, passage: ScoredBlock) -> None:
        self.counter.add(passage.text, int(np.count_nonzero(passage.lengths == 0)))
        unknown, nats, ranks = passage.tokens == UNKNOWN, passage.measures.nats, passage.measures.ranks
        self.tokens += len(nats)
        self.unknown_tokens += int(unknown.sum())
        self.nats += float(nats.sum(dtype=np.float64))
        self.unknown_nats += float(nats[unknown].sum(dtype=np.float64))
        for rank in RANKS if ranks is not None else ():
            self.within[rank] += int(np.count_nonzero(ranks <= rank))

    @property
    def score(self) -> Score:
        counter = self.counter
        return Score(
            self.tokens,
            self.unknown_tokens,
            self.nats,
            self.unknown_nats,
            counter.characters,
            counter.bytes,
            counter.lines,
            counter.words,
            tuple(self.within.values()),
        )


def total(model: Model, text: Iterable[str | bytes], **how) -> Score:
    """The score of a text in blocks. how: see ``scored_blocks``."""
    total = Total()
    for (passage,) in scored_blocks([model], text, ("ranks",), **how):
        total.add(passage)
    return total.score


def perplexity(
    model: Model,
    text: str,
    *,
    threads: int | None = None,
    adapt: float | None = None,
    precision: str = "float32",
) -> Score:
    """How surprising a text is to a model.

    adapt: the rate at which it learns from what it has read (``adapting``); precision: in which matrices are
    multiplied; "bf16" is faster, and the figures are then not exact beyond three digits or so. Raises UsageError where
    the processor has no AVX512-BF16.
    """
    text = blocks(clean(text, model.vocabulary.level), True)
    return total(model, text, threads=threads, adapt=adapt, precision=precision)


def perplexity_of_files(model: Model, paths, *, encoding: str = "utf-8", **how) -> Score:
    """The same for files, one text after the other; "-" is standard input.

    Raises CorpusError where there is no text.
    """
    score = total(model, text_blocks([model], paths, False, encoding), **how)
    if not score.tokens:
        raise CorpusError(f"there is no text in {', '.join(map(name_of, paths))}")
    return score
