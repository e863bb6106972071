"""Models + text → scored blocks: the one pipeline behind every output of perplexity.

``scored_files`` yields, for each block of the text, a ``ScoredBlock`` of each model. The outputs consume these blocks:
the total, rows, painted text, the surprise page, the comparison and the baselines.

A line has the tokens of its text and its <EOS>. A model of lines reads each line from the zero state, and skips blank
lines, which then have no tokens. A stream model reads on, so that its prediction of a line depends on all lines before.
Either way the sums over the lines are the figures of the text.

A model of subwords scores the standard segmentation of a text. Other subwords can spell the same text, so that the
probability of the text is a little higher than that of its tokens.
"""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import compress, islice
from typing import NamedTuple

import numpy as np

from ..model import Model
from ..network.dealing import dealt_groups, tell_alone
from ..network.measuring import TokenScores
from ..ranks import ALONE, Ranks
from ..text.forms import known_form
from ..text.vocabulary import EOS, UNKNOWN, Vocabulary, bytes_of_unknown
from .adaptive import AdaptingScorer
from .blocks import text_blocks
from .options import BY_NAME
from .scorer import Part, Scorer, TextScorer


@dataclass(frozen=True)
class ScoringOptions:
    """How a text is read and scored.

    encoding: of the files
    threads: the number of threads, None for one per CPU core
    adapt: the learning rate of models that keep learning from the text, None for models that stay as they are; given
        as True, it becomes the usual rate, and given as False, None
    precision: of the matrix products, "float32" or "bf16"
    """

    encoding: str = "utf-8"
    threads: int | None = None
    adapt: float | None = None
    precision: str = "float32"

    def __post_init__(self):
        for field in fields(self):
            object.__setattr__(self, field.name, BY_NAME[field.name].check(getattr(self, field.name)))


DEFAULTS = ScoringOptions()


@dataclass(kw_only=True)
class ScoredBlock:
    """A block of a text and how well a scorer predicts its tokens.

    vocabulary: turns the text into tokens
    text: whole lines, or any part of a stream
    lengths: the number of tokens of each line, and of the text after the last line end; 0 for a skipped line: (lines)
    kept: whether each token of the text is in a scored line, bool (tokens); None if no line is skipped
    tokens: ids of the kept tokens (n)
    scores: of these tokens (n)
    """

    vocabulary: Vocabulary
    text: str | bytes
    lengths: np.ndarray
    kept: np.ndarray | None
    tokens: np.ndarray
    scores: TokenScores

    def lines(self) -> list[str | bytes]:
        """The text of each line, without its end."""
        return self.text.split(b"\n" if isinstance(self.text, bytes) else "\n")[: len(self.lengths)]

    def symbols(self) -> list[str]:
        """The text of each token; bytes outside ASCII are lone surrogates (PEP 383)."""
        symbols = self.vocabulary.split(self.text)
        symbols = symbols if self.kept is None else compress(symbols, self.kept.tolist())
        found = [_BYTES[symbol] for symbol in symbols] if self.vocabulary.level == "byte" else list(symbols)
        return found if self.vocabulary.form.separator is None else list(map(self.vocabulary.form.outside, found))

    @cached_property
    def unknown_bytes(self) -> np.ndarray:
        """How many bytes spell each token that is <UNK> (see ``bytes_of_unknown``), 0 for all others: int32 (n)."""
        return bytes_of_unknown(self.tokens, self.vocabulary.level, self.symbols)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Values of the tokens, (n), summed over each line: float64 (lines)."""
        sums = np.zeros(len(self.lengths))
        scored = self.lengths > 0
        if len(values):
            starts = np.cumsum(self.lengths) - self.lengths
            sums[scored] = np.add.reduceat(values.astype(np.float64), starts[scored])
        return sums


class UnknownCounts:
    """Counts the tokens of scored blocks, and the <UNK> among them, for each model.

    tokens, unknown: the numbers so far, one for each model.
    """

    def __init__(self, models: int):
        self.tokens, self.unknown = [0] * models, [0] * models

    def following(self, scored: Iterable[list[ScoredBlock]]) -> Iterator[list[ScoredBlock]]:
        """The same blocks, counted as they pass."""
        for blocks in scored:
            for number, block in enumerate(blocks):
                self.tokens[number] += len(block.tokens)
                self.unknown[number] += int(np.count_nonzero(block.tokens == UNKNOWN))
            yield blocks


_BYTES = [bytes([value]).decode("utf-8", "surrogateescape") for value in range(256)]


def scored_files(
    models: list[Model],
    paths,
    *,
    columns: Iterable[str] = (),
    whole_lines: bool = False,
    options: ScoringOptions = DEFAULTS,
    ranks: Ranks = ALONE,
) -> Iterator[list[ScoredBlock]]:
    """The scored blocks of some files, one file after the other; "-" is standard input. See ``scored_blocks``.

    whole_lines: each block ends at the end of a line. Raises CorpusError if the files hold no text.
    """
    text = text_blocks(models, paths, whole_lines, options.encoding)
    return scored_blocks(models, text, columns=columns, options=options, ranks=ranks)


def scored_blocks(
    models: list[Model],
    text: Iterable[str | bytes],
    *,
    columns: Iterable[str] = (),
    options: ScoringOptions = DEFAULTS,
    ranks: Ranks = ALONE,
) -> Iterator[list[ScoredBlock]]:
    """For each block of a text (see ``blocks``) a scored block of each model. If one of the models is a model of lines,
    blank lines are skipped for all models.

    columns: see ``TokenScores.empty``. ranks: those that share the work; this is rank 0. Raises UsageError if a model
    has another task or the processor cannot multiply in the precision of the options.
    """
    return blocks_by_scorers([scorer_of(model, columns, options) for model in models], text, ranks)


def blocks_by_scorers(
    scorers: list[TextScorer], text: Iterable[str | bytes], ranks: Ranks = ALONE
) -> Iterator[list[ScoredBlock]]:
    """For each block of a text a scored block of each scorer; see ``scored_blocks``."""
    skip_blank_lines, is_told = any(scorer.lines for scorer in scorers), False
    unscored = ([_UnscoredBlock.of(scorer, block, skip_blank_lines) for scorer in scorers] for block in text)
    for blocks, scores in _with_scores(scorers, unscored, ranks):
        scored = [block.scored(of_block) for block, of_block in zip(blocks, scores, strict=True)]
        is_told = is_told or any(map(_has_another_form, scored))
        yield scored


def _with_scores(scorers, unscored, ranks):
    """(blocks, their scores) of the unscored blocks of some scorers."""
    deal = [scorer for scorer in scorers if isinstance(scorer, Scorer)]
    if ranks.number == 1 or len(deal) < len(scorers):
        tell_alone(ranks, "a model that learns from the text (--adapt) reads it in its order")
        for blocks in unscored:
            yield blocks, [scorer.measure(block.tokens) for scorer, block in zip(scorers, blocks, strict=True)]
        return

    def group(blocks):
        parts = [scorer.parts(block.tokens) for scorer, block in zip(deal, blocks, strict=True)]
        jobs = [(number, part) for number, of_scorer in enumerate(parts) for part in of_scorer]
        return (blocks, list(map(len, parts))), jobs

    for (blocks, numbers), found in dealt_groups(ranks, _Scoring(deal), map(group, unscored)):
        scores = iter(found)
        yield blocks, [TokenScores.joined(list(islice(scores, number))) for number in numbers]


class _Scoring:
    """Scores parts of texts: work that ranks share.

    A job is the number of a scorer, and a part of the text that it reads.
    """

    def __init__(self, scorers: list[Scorer]):
        self.scorers = scorers

    def __call__(self, job: tuple[int, Part]) -> TokenScores:
        number, part = job
        return self.scorers[number].score(part)


def _has_another_form(block: ScoredBlock) -> bool:
    """Whether the model knows more of a text in another normal form, and a warning about it."""
    if isinstance(block.text, bytes) or block.text.isascii() or not (block.tokens == UNKNOWN).any():
        return False
    form = known_form(block.text, block.vocabulary.unknown_in)
    if form is None:
        return False
    warnings.warn(
        f"symbols of the text are <UNK>, and the model knows them in {form}, another normal form of Unicode: normalise "
        "the text, or train with --normalize NFC, which then holds for each text that the model reads",
        stacklevel=2,
    )
    return True


def scorer_of(model: Model, columns: Iterable[str] = (), options: ScoringOptions = DEFAULTS) -> TextScorer:
    """A scorer of the model, which learns from the text if the options have a learning rate for that."""
    if options.precision != "float32":
        from ..network.products import check_precision

        check_precision(options.precision)
    if options.adapt:
        return AdaptingScorer(
            model, columns=columns, rate=options.adapt, threads=options.threads, precision=options.precision
        )
    return Scorer(model, columns=columns, threads=options.threads, precision=options.precision)


class _UnscoredBlock(NamedTuple):
    """A block of a text as a scorer reads it, with the fields of ``ScoredBlock``.

    tokens: those that the scorer reads. reads_all: these are all tokens of the text, those of skipped lines included.
    """

    vocabulary: Vocabulary
    text: str | bytes
    lengths: np.ndarray
    kept: np.ndarray | None
    tokens: np.ndarray
    reads_all: bool

    @classmethod
    def of(cls, scorer: TextScorer, text: str | bytes, skip_blank_lines: bool) -> "_UnscoredBlock":
        tokens = scorer.vocabulary.encode(text)
        ends = np.flatnonzero(tokens == EOS) + 1
        lengths = np.diff(ends if len(ends) and ends[-1] == len(tokens) else np.append(ends, len(tokens)), prepend=0)
        kept = None
        if skip_blank_lines and (lengths == 1).any():
            kept = np.repeat(lengths > 1, lengths)
            lengths = np.where(lengths > 1, lengths, 0)
        if kept is not None and scorer.lines:
            tokens = tokens[kept]
        return cls(scorer.vocabulary, text, lengths, kept, tokens, reads_all=not scorer.lines)

    def scored(self, scores: TokenScores) -> ScoredBlock:
        """The block with the scores of its ``tokens``."""
        tokens = self.tokens
        if self.kept is not None and self.reads_all:  # a stream model reads blank lines, but their scores do not count
            tokens, scores = tokens[self.kept], scores[self.kept]
        return ScoredBlock(
            vocabulary=self.vocabulary,
            text=self.text,
            lengths=self.lengths,
            kept=self.kept,
            tokens=tokens,
            scores=scores,
        )
