"""Scored blocks → the figures of the whole text."""

from collections.abc import Iterable

import numpy as np

from ..errors import CorpusError, UsageError
from ..model import Model
from ..ranks import ALONE, Ranks
from ..score import RANKS, Score
from ..text.reading import names_of
from ..text.vocabulary import UNKNOWN
from .blocks import blocks, clean, needs_whole_lines
from .pipeline import DEFAULTS, ScoredBlock, ScoringOptions, scored_blocks, scored_files

COLUMNS = ("ranks",)  # of the scored blocks from which a ``Score`` is made


class TextCounter:
    """Counts the characters, bytes, lines and words of a text that arrives in pieces."""

    def __init__(self):
        self.characters = self.bytes = self.lines = self.words = 0
        self._in_word = False

    def add(self, piece: str | bytes, skipped_lines: int = 0):
        """Count a piece, without ``skipped_lines`` of its lines, which are blank."""
        data = piece if isinstance(piece, bytes) else piece.encode("utf-8", "surrogatepass")
        newline = b"\n" if isinstance(piece, bytes) else "\n"
        self.bytes += len(data) - skipped_lines
        self.lines += piece.count(newline) - skipped_lines
        if isinstance(piece, bytes):  # a character starts with a byte that does not continue one
            self.characters += int(np.count_nonzero((np.frombuffer(piece, np.uint8) & 0xC0) != 0x80)) - skipped_lines
        else:
            self.characters += len(piece) - skipped_lines
        self.words += len(piece.split()) - (self._in_word and not piece[:1].isspace())
        self._in_word = not piece[-1:].isspace()


class Total:
    """Adds scored blocks up to one ``Score``. It counts ranks if the blocks have the column "ranks"."""

    def __init__(self):
        self.counter = TextCounter()
        self.tokens = self.unknown_tokens = self.unknown_bytes = 0
        self.nats = self.unknown_nats = 0.0
        self.within = dict.fromkeys(RANKS, 0)

    def add(self, block: ScoredBlock) -> None:
        """Add the next block of the text."""
        self.counter.add(block.text, int(np.count_nonzero(block.lengths == 0)))
        unknown, nats, ranks = block.tokens == UNKNOWN, block.scores.nats, block.scores.ranks
        self.tokens += len(nats)
        self.unknown_tokens += int(unknown.sum())
        self.unknown_bytes += int(block.unknown_bytes.sum())
        self.nats += float(nats.sum(dtype=np.float64))
        self.unknown_nats += float(nats[unknown].sum(dtype=np.float64))
        for rank in RANKS if ranks is not None else ():
            self.within[rank] += int(np.count_nonzero(ranks <= rank))

    @property
    def score(self) -> Score:
        """The figures of all blocks so far."""
        return Score(
            tokens=self.tokens,
            unknown_tokens=self.unknown_tokens,
            nats=self.nats,
            unknown_nats=self.unknown_nats,
            unknown_bytes=self.unknown_bytes,
            characters=self.counter.characters,
            bytes=self.counter.bytes,
            lines=self.counter.lines,
            words=self.counter.words,
            within=tuple(self.within.values()),
        )


def total(scored: Iterable[list[ScoredBlock]]) -> Score:
    """The score of one model on a text, from its scored blocks with COLUMNS."""
    sums = Total()
    for (block,) in scored:
        sums.add(block)
    return sums.score


def check_not_empty(score: Score, paths) -> Score:
    """The score. Raises CorpusError if no token of the files was scored, since they hold nothing but blank lines."""
    if not score.tokens:
        raise CorpusError(f"there is no text in {names_of(paths)}")
    return score


def perplexity(
    model: Model,
    text: str,
    *,
    threads: int | None = None,
    adapt: bool | float | None = None,
    precision: str = "float32",
) -> Score:
    """How surprising a text is to a model.

    adapt: the learning rate of a model that keeps learning from the text (see ``adaptive``), True for the usual one;
    precision: of the matrix products; "bf16" is faster, and the figures are then exact to about three digits. Raises
    UsageError if the processor has no AVX512-BF16.
    """
    if model.task.name == "chords":
        raise UsageError("a model of sets is measured by its steps: use charlm.evaluate(model, text=…)")
    options = ScoringOptions(threads=threads, adapt=adapt, precision=precision)
    text = blocks(clean(text, model.vocabulary), needs_whole_lines([model]), [model.vocabulary])
    return total(scored_blocks([model], text, columns=COLUMNS, options=options))


def perplexity_of_files(model: Model, paths, options: ScoringOptions = DEFAULTS, ranks: Ranks = ALONE) -> Score:
    """The same for files, one file after the other; "-" is standard input. ranks: those that share the work; this is
    rank 0. Raises CorpusError if the files hold no text."""
    scored = scored_files([model], paths, columns=COLUMNS, options=options, ranks=ranks)
    return check_not_empty(total(scored), paths)
