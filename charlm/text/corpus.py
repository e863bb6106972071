"""Files → clean text → ids: a training part and a held-out part.

A text is read piece by piece: strict UTF-8 (or ``encoding``), without a byte order mark, CRLF as LF, and a last line
that lacks its end gets one, so that every line ends with <EOS>. At byte level nothing but the last line's end is
touched. The ids are kept in a ``Store``, and memory does not grow with the text beyond that.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from ..errors import CorpusError, UsageError
from .novelty import Novelty
from .reading import PIECE, Digest, listed, name_of, read_text
from .token_buffer import TokenBuffer, release
from .vocabulary import EOS, LEVELS, UNKNOWN, SymbolCounter, Vocabulary, unknown_share

EVALUATED_TOKENS = 1 << 19  # tokens of the held-out part, from its beginning, that a training is judged by
DEFAULT_MIN_COUNT = {"char": 1, "word": 2, "byte": 1}


def _signed_type(number: int) -> type:
    """The smaller signed integer type for places 0…number."""
    return np.int32 if number < 2**31 else np.int64


def _line_ends(tokens: np.ndarray) -> Iterator[np.ndarray]:
    """The places after each <EOS>, for one piece of the tokens after the other."""
    for start in range(0, len(tokens), PIECE):
        yield np.flatnonzero(tokens[start : start + PIECE] == EOS) + (start + 1)
        release(tokens)


def line_starts(tokens: np.ndarray) -> np.ndarray:
    """Where each line begins, and where the last one ends: (lines + 1), signed. Each line ends with its <EOS>."""
    lines = sum(map(len, _line_ends(tokens)))
    if not lines:
        return np.array([0, len(tokens)])
    starts, found = np.zeros(lines + 1, _signed_type(len(tokens))), 1
    for ends in _line_ends(tokens):
        starts[found : found + len(ends)] = ends
        found += len(ends)
    return starts


@dataclass(frozen=True)
class Corpus:
    """What a model is trained on and judged by.

    train, held_out: ids in the vocabulary's smallest type; with ``lines`` each line is a sequence of its own, and
    blank ones are left out. unknown: the share of each target given to <UNK> (see ``unknown_share``). frequencies:
    (V), of the training part. evaluated_characters: in the tokens ``evaluated``.
    """

    vocabulary: Vocabulary
    train: np.ndarray
    held_out: np.ndarray
    lines: bool
    frequencies: np.ndarray
    unknown: float
    names: tuple[str, ...]
    digest: str  # SHA-256 of the files as they were read
    size: int  # their bytes
    evaluated_characters: int
    drawn: bool = False  # what is held out: at random, so that it is as hard as the rest to who has seen neither
    novelty: Novelty | None = None  # of the training part

    @property
    def evaluated(self) -> np.ndarray:
        """The held-out tokens that a training is judged by: the first EVALUATED_TOKENS."""
        return self.held_out[:EVALUATED_TOKENS]

    @property
    def log_frequencies(self) -> np.ndarray:
        """Natural logarithm of each symbol's share of the training part, <UNK> with its estimate: the unigram model,
        (V)."""
        shares = self.frequencies / max(1, self.frequencies.sum())
        shares[UNKNOWN] = max(shares[UNKNOWN], self.unknown)
        return np.log(np.maximum(shares, 1 / (len(self.train) + 2)))


@dataclass(frozen=True)
class CorpusOptions:
    """How files are read and divided. Raises UsageError where that cannot be.

    holdout: the share held out, 0 ≤ holdout < 1: the end of the text, or with ``lines`` whole lines drawn by ``seed``.
    valid: files that are held out instead. min_count: see ``Vocabulary.build``; 2 for words and 1 otherwise if not
    given. novelty: take down what makes it known, without the text, whether a line or a run stood in it.
    """

    level: str = "char"
    lines: bool = False
    holdout: float = 0.1
    valid: object = None
    encoding: str = "utf-8"
    min_count: int | None = None
    max_vocabulary: int | None = None
    novelty: bool = True
    seed: int = 1

    def __post_init__(self):
        if not 0 <= self.holdout < 1:
            raise UsageError(f"the held-out share must be at least 0 and below 1, not {self.holdout}")
        if self.level not in LEVELS:
            raise UsageError(f"there is no level {self.level!r}; choose one of {', '.join(LEVELS)}")
        if self.max_vocabulary is not None and self.max_vocabulary < 3:
            raise UsageError(
                f"a vocabulary needs room for <EOS>, <UNK> and a symbol: at least 3, not {self.max_vocabulary}"
            )

    def least_count(self, otherwise: int = 1) -> int:
        """How often a symbol must occur; where ``min_count`` is not given, the level's default, at least
        ``otherwise``."""
        return max(otherwise, DEFAULT_MIN_COUNT[self.level]) if self.min_count is None else self.min_count


def load_corpus(paths, **reading) -> Corpus:
    """Read the files, split off the held-out part, and build the vocabulary from the training part alone. reading: the
    fields of ``CorpusOptions``."""
    reading = CorpusOptions(**reading)
    level, lines, encoding, least = reading.level, reading.lines, reading.encoding, reading.least_count()
    paths, valid = listed(paths), listed(reading.valid or [])
    tally, digest = SymbolCounter(level), Digest()
    numbers = _stored(map(tally.number, read_text(paths, level, encoding, digest)), lines)
    if not len(numbers):
        blank = "no line that is not blank" if digest.size and lines else "no text"
        raise CorpusError(f"there is {blank} in {', '.join(map(name_of, paths))}")

    divided = _division(numbers, lines, 0 if valid else reading.holdout, reading.seed)
    counts = _counts(divided(), len(tally))
    vocabulary = Vocabulary.build(level, tally.counted(counts, least), least, reading.max_vocabulary)
    known = _known(tally, divided, lines) if reading.novelty else None
    if valid:
        judges = _stored(map(tally.number, read_text(valid, level, encoding)), lines)
        if not len(judges):
            raise CorpusError(f"there is no text in {', '.join(map(name_of, valid))}")
        divided = _side_by_side(numbers, judges)
    renumbering, lengths = tally.renumbering(vocabulary), tally.lengths()
    del tally  # many words take more room than their ids
    train, held_out = _renumbered(divided(), renumbering)
    if not len(train):
        share = reading.holdout
        raise CorpusError(f"the text is too short to hold out a share of {share}; give more text or --holdout 0")
    evaluated_characters = _characters(divided(), lengths)
    del numbers, divided
    frequencies = np.zeros(len(vocabulary), np.int64)
    np.add.at(frequencies, renumbering[: len(counts)], counts)
    return Corpus(
        vocabulary,
        train,
        held_out,
        lines,
        frequencies,
        unknown_share(counts[counts > 0], bool(frequencies[UNKNOWN])),
        tuple(map(name_of, paths)),
        digest.hexdigest(),
        digest.size,
        evaluated_characters,
        lines and not valid and len(held_out) > 0,
        known,
    )


def _known(tally: SymbolCounter, divided: Callable[[], Iterator[tuple]], lines: bool) -> Novelty:
    """What is taken down of the training part."""
    return Novelty.of_text(lambda: tally.points(train for train, _ in divided()), tally.level == "byte", lines)


def _stored(pieces: Iterable[np.ndarray], lines: bool) -> TokenBuffer:
    """The pieces of a text as they come; with ``lines`` blank lines are left out: each <EOS> that follows another."""
    store, after_end = TokenBuffer(), True
    for piece in pieces:
        if lines:
            ends = piece == EOS
            blank = ends & np.concatenate(([after_end], ends[:-1]))
            piece, after_end = piece[~blank], ends[-1]
        store.add(piece)
    return store


def _division(numbers: TokenBuffer, lines: bool, holdout: float, seed: int) -> Callable[[], Iterator[tuple]]:
    """A function that goes through the numbers and yields pieces: (those of the training part, those held out)."""
    if not lines:
        return lambda: _divided_at(numbers, int(len(numbers) * (1 - holdout)))
    number_of_lines = sum(np.count_nonzero(piece == EOS) for piece in numbers)
    is_held_out = held_out_lines(number_of_lines, holdout, seed)
    return lambda: _divided_by_line(numbers, is_held_out)


def held_out_lines(number: int, holdout: float, seed: int) -> np.ndarray:
    """Which of so many lines are held out, drawn by the seed: bool (number)."""
    order = np.arange(number, dtype=_signed_type(number))
    np.random.default_rng([seed, 1]).shuffle(order)
    is_held_out = np.zeros(number, bool)
    is_held_out[order[: int(number * holdout)]] = True
    return is_held_out


def _divided_at(numbers, cut):
    for piece in numbers:
        yield piece[:cut], piece[cut:]
        cut = max(0, cut - len(piece))


def _divided_by_line(numbers, is_held_out):
    line = 0
    for piece in numbers:
        ends = piece == EOS
        held_out = is_held_out[line + np.cumsum(ends) - ends]
        line += np.count_nonzero(ends)
        yield piece[~held_out], piece[held_out]


def _side_by_side(train: TokenBuffer, held_out: TokenBuffer) -> Callable[[], Iterator[tuple]]:
    """As ``_division``, for two texts."""
    nothing = np.zeros(0, np.uint8)
    return lambda: chain(((piece, nothing) for piece in train), ((nothing, piece) for piece in held_out))


def _characters(divided, lengths: np.ndarray) -> int:
    """How many there are in the tokens that a training is judged by. lengths: characters of each number."""
    characters, left = 0, EVALUATED_TOKENS
    for _, held_out in divided:
        characters, left = characters + int(lengths[held_out[:left]].sum()), max(0, left - len(held_out))
    return characters


def _counts(divided, symbols: int) -> np.ndarray:
    """How often each number stands in the training part: (symbols)."""
    counts = np.zeros(symbols, np.int64)
    for train, _ in divided:
        np.add.at(counts, train, 1)
    return counts


def _renumbered(divided, renumbering: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The training part and the part held out, by their ids."""
    stores = TokenBuffer(), TokenBuffer()
    for parts in divided:
        for store, part in zip(stores, parts, strict=True):
            store.add(renumbering.take(part, mode="clip"))  # in half the time of renumbering[part]
    return stores[0].joined(renumbering.dtype), stores[1].joined(renumbering.dtype)


def looks_like_a_list(tokens: np.ndarray) -> bool:
    """Many short lines: probably items, each a text of its own, rather than one long text."""
    starts = line_starts(tokens[:100_000])
    lengths = np.diff(starts)
    return len(lengths) >= 50 and bool(np.mean((lengths > 1) & (lengths <= 40)) > 0.98)
