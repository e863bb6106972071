"""A text as a training part and a held-out part of ids, and the options that say how to read and split it.

``load_corpus`` numbers the symbols as they come, splits the numbers, builds the vocabulary from the training part
alone, and then translates the numbers into ids. It goes through the numbers several times, in pieces, because a
``TokenBuffer`` may keep them in a file. Subwords are made last: until then the symbols are characters, so that the
split and the record of the text are those of a model of characters.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from itertools import chain
from typing import ClassVar, NamedTuple, Protocol

import numpy as np

from ..errors import CorpusError, UsageError
from ..options import by_name
from ..portable.functions import log
from .columns import Columns, column_text, parse_names
from .forms import Form, is_separator, whole_lines
from .lists import BEGINNING, is_list
from .merges import learnt_vocabulary
from .novelty import Novelty
from .options import TEXT
from .reading import PIECE, Digest, name_of, names_of, path_list, read_text
from .token_buffer import TokenBuffer, release
from .vocabulary import EOS, UNITS, UNKNOWN, Known, SymbolCounter, Vocabulary, bytes_of_unknown, text_of

EVALUATED_TOKENS = 1 << 19  # held-out tokens, from the first one, that training evaluates the model on: at most
OPTIONS = by_name(TEXT)
DEFAULT_MIN_COUNT = {"char": 1, "subword": 1, "word": 2, "token": 1, "byte": 1}
HOLDOUT = 0.1  # of the text
MOST_RARE = 0.02  # of the tokens of the training part, that charlm makes <UNK> by itself (benchmarks/recipe.md)
MOST_UNKNOWN = 0.1  # of the tokens of a part: beyond that, charlm warns


def _signed_type(largest: int) -> type:
    """The smaller of two signed integer types that hold 0…largest."""
    return np.int32 if largest < 2**31 else np.int64


def _line_stops(tokens: np.ndarray) -> Iterator[np.ndarray]:
    """For each piece of the tokens, in order: the indices after its <EOS>."""
    for start in range(0, len(tokens), PIECE):
        yield np.flatnonzero(tokens[start : start + PIECE] == EOS) + (start + 1)
        release(tokens)


def line_starts(tokens: np.ndarray) -> np.ndarray:
    """The index at which each line starts, and the one at which the last line stops: (lines + 1), signed.

    tokens: ids (n). A line ends with its <EOS>.
    """
    lines = sum(map(len, _line_stops(tokens)))
    if not lines:
        return np.array([0, len(tokens)])
    starts, found = np.zeros(lines + 1, _signed_type(len(tokens))), 1
    for stops in _line_stops(tokens):
        starts[found : found + len(stops)] = stops
        found += len(stops)
    return starts


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """The text that a language model is trained and evaluated on.

    train, held_out: ids (n) in the vocabulary's smallest type. lines: each line is a sequence of its own; blank lines
    are skipped. frequencies: how often each id occurs in the training part, (V). unknown_rate: the probability that
    training gives to <UNK> at each target (see ``vocabulary.unknown_rate``). names, digest, size: of the files as they
    were read, the SHA-256 and the number of their bytes. evaluated_lengths: of each held-out token that training
    evaluates the model on, in characters: (n), the first ones. evaluated_unknown_bytes: how many bytes spell each of
    them that is <UNK>, 0 for all others (see ``bytes_of_unknown``). held_out_at_random: the held-out part is lines
    chosen at random, and so as hard as the training part for a reader who has seen neither. novelty: the record of the
    training part and of the held-out part, None without one. lines_chosen: nobody said whether each line is a sequence
    of its own; charlm chose it by the text. min_count: how often a symbol must occur in the training part to be in the
    vocabulary. columns: the text is this column of the files. notes: what charlm has found in the files, one line each.
    why_no_held_out: why nothing is held out, "" where something is, or where nobody asked for it.
    """

    vocabulary: Vocabulary
    train: np.ndarray
    held_out: np.ndarray
    lines: bool
    frequencies: np.ndarray
    unknown_rate: float
    names: tuple[str, ...]
    digest: str
    size: int
    evaluated_lengths: np.ndarray
    evaluated_unknown_bytes: np.ndarray
    held_out_at_random: bool = False
    novelty: Novelty | None = None
    lines_chosen: bool = False
    min_count: int = 1
    columns: Columns | None = None
    notes: tuple[str, ...] = ()
    why_no_held_out: str = ""
    noise: ClassVar[float] = 0.0  # only vectors have some

    @cached_property
    def unknown_shares(self) -> tuple[float, float]:
        """The fraction of the tokens that are <UNK>, of the training part and of the held-out part; 0 of none."""
        in_train = self.frequencies[UNKNOWN] / max(1, self.frequencies.sum())
        number = 0
        for start in range(0, len(self.held_out), PIECE):
            number += np.count_nonzero(self.held_out[start : start + PIECE] == UNKNOWN)
            release(self.held_out)
        return float(in_train), number / max(1, len(self.held_out))

    @property
    def evaluated(self) -> np.ndarray:
        """The held-out tokens that training evaluates the model on: the first ones."""
        return self.held_out[: len(self.evaluated_lengths)]

    @property
    def evaluated_characters(self) -> int:
        """The characters of the tokens ``evaluated``."""
        return int(self.evaluated_lengths.sum())

    def evaluated_on(self, most: int) -> "Corpus":
        """This corpus, with at most so many tokens ``evaluated``."""
        lengths, unknown = self.evaluated_lengths[:most], self.evaluated_unknown_bytes[:most]
        return replace(self, evaluated_lengths=lengths, evaluated_unknown_bytes=unknown)

    @property
    def evaluated_unknown_share(self) -> float:
        """The fraction of the tokens ``evaluated`` that are <UNK>."""
        return float(np.mean(self.evaluated == UNKNOWN)) if len(self.evaluated) else 0.0

    @property
    def log_frequencies(self) -> np.ndarray:
        """The unigram model: the natural logarithm of each symbol's relative frequency in the training part, (V).

        <UNK> has at least ``unknown_rate``.
        """
        rates = self.frequencies / max(1, self.frequencies.sum())
        rates[UNKNOWN] = max(rates[UNKNOWN], self.unknown_rate)
        return log(np.maximum(rates, 1 / (len(self.train) + 2)))

    @property
    def log_of_targets(self) -> np.ndarray:
        """The logarithm of the probability that the unigram model gives to each target: ``log_frequencies``."""
        return self.log_frequencies


@dataclass(frozen=True, kw_only=True)
class CorpusOptions:
    """How charlm reads and splits files. Raises UsageError for values that are not possible.

    input: the files hold text or vectors. level: the symbols are characters, subwords, words or bytes. lines: each line
    is a sequence of its own (True), or the text is one sequence (False); charlm chooses by the text if it is None.
    columns: names or numbers of the columns that are read of a table, as the task needs them; None where the files are
    no tables. multi_label: an example may have several labels. noise: of vectors in training, None for the task's.
    holdout: the fraction to hold out, 0 ≤ holdout < 1, None for the usual one (see ``held_out``): the end of the text,
    or with ``lines``
    whole lines chosen at random from ``seed``. valid: files to measure on instead. encoding: of the files. min_count,
    max_vocabulary: see ``Vocabulary.build``; ``least_count`` chooses min_count if it is None. normalize, separator: see
    ``forms.Form``; with a separator, an item counts as a line. For subwords min_count is of characters, and charlm
    chooses max_vocabulary if it is None (``merges.chosen_size``). novelty: keep a record of both parts, which tells
    without the text whether a line or a run of characters occurred in them.
    """

    input: str = "text"
    level: str = "char"
    lines: bool | None = None
    columns: str | Sequence[str] | None = None
    multi_label: bool = False
    noise: float | None = None
    holdout: float | None = None
    valid: object = None
    encoding: str = "utf-8"
    normalize: str = "none"
    separator: str | None = None
    min_count: int | None = None
    max_vocabulary: int | None = None
    novelty: bool = True
    seed: int = 1

    def __post_init__(self):
        for field in fields(self):
            if field.name in OPTIONS:
                object.__setattr__(self, field.name, OPTIONS[field.name].check(getattr(self, field.name)))
        if self.level == "byte" and self.normalize != "none":
            raise UsageError("--normalize is for text, and --level byte reads bytes: leave one of them out")
        if self.separator is not None:
            if self.lines is False:
                raise UsageError("--separator makes items of a text, and --stream one text: leave one of them out")
            if not is_separator(self.separator):
                raise UsageError(f"--separator must be one line, not {self.separator!r}")
            object.__setattr__(self, "lines", True)

    @property
    def held_out(self) -> float:
        """The fraction to hold out."""
        return HOLDOUT if self.holdout is None else self.holdout

    @property
    def form(self) -> Form:
        """The form that the text gets."""
        return Form(self.normalize, self.separator)

    def least_count(self, counts: np.ndarray, at_least: int = 1, known: np.ndarray | None = None) -> int:
        """How often a symbol must occur to be kept: ``min_count``, or if it is None the level's default, at least
        ``at_least``; but 1 where more than MOST_RARE of the tokens would be <UNK>. counts: of each symbol, (n). known:
        which of them are kept however rare they are, bool (n)."""
        if self.min_count is not None:
            return self.min_count
        least = max(at_least, DEFAULT_MIN_COUNT[self.level])
        rare = counts < least if known is None else (counts < least) & ~known
        return least if counts[rare].sum() <= MOST_RARE * counts.sum() else 1


DEFAULTS = CorpusOptions()


class ChooseLevel(Protocol):
    """Chooses what the tokens of one long text are."""

    def __call__(self, characters: Corpus, subwords: Callable[[], Corpus]) -> Corpus:
        """One of both: the text in characters, or the same text in subwords, which takes some time to make."""


def load_corpus(
    paths, options: CorpusOptions = DEFAULTS, choose: ChooseLevel | None = None, known: Known | None = None
) -> Corpus:
    """Read files, hold a part out, and build the vocabulary from the training part alone.

    paths: one name of a file or several, "-" for standard input. choose: whether one long text is read in subwords
    instead of characters. known: a model's vocabulary, to which the new symbols of the training part are added. Raises
    CorpusError for files that cannot be read or hold too little text.
    """
    columns = None
    if options.columns is not None:
        paths, options, columns = _columns_of(paths, options)
    text = _read(paths, options)
    corpus = _corpus(text, options, known)
    if columns:
        corpus = replace(corpus, columns=columns, notes=(f"charlm reads {columns.describe()}",))
    if choose and options.level == "char" and not corpus.lines:
        return choose(corpus, lambda: _in_subwords(text, corpus, _learnt(text, corpus, None)))
    if options.level != "subword":
        return corpus
    if known:
        new = corpus.vocabulary.symbols[len(known.vocabulary.of_characters.symbols) :]
        return _in_subwords(text, corpus, known.vocabulary.with_symbols(new))
    return _in_subwords(text, corpus, _learnt(text, corpus, options.max_vocabulary))


def _columns_of(paths, options: CorpusOptions) -> tuple[list, CorpusOptions, Columns]:
    """One column of each file in place of the files, the options for it, and where the column is in the first file.
    Each field is a text of its own, unless somebody said otherwise."""
    if options.separator is not None:
        raise UsageError("--separator and --columns do not go together: each field of the column is a text of its own")
    names = parse_names(options.columns or (), ("text",), "text")
    texts = [column_text(path, names, options.encoding) for path in path_list(paths)]
    valid = [column_text(path, names, options.encoding)[0] for path in path_list(options.valid or [])]
    lines = True if options.lines is None else options.lines
    return [text for text, _ in texts], replace(options, columns=None, valid=valid or None, lines=lines), texts[0][1]


class _Text(NamedTuple):
    """A text as provisional numbers. parts: goes through them, see ``_split``. valid: the held-out part is another
    text."""

    counter: SymbolCounter
    parts: Callable[[], Iterator[tuple]]
    lines: bool
    valid: bool
    names: tuple[str, ...]
    digest: Digest


def _read(paths, options: CorpusOptions) -> _Text:
    """Number the symbols of the files."""
    lines, paths, valid = options.lines, path_list(paths), path_list(options.valid or [])
    level = "char" if options.level == "subword" else options.level
    counter, digest = SymbolCounter(level), Digest()
    pieces = read_text(paths, level, options.encoding, digest, form=options.form, has_level=True)
    if lines is None:
        lines, pieces = _looked_at(pieces)
    numbers, names = _buffered(map(counter.number, pieces), lines), names_of(paths)
    if len(counter) == 1:  # the line feed
        blank = ", only blank lines" if digest.size else ""
        raise CorpusError(f"there is no text in {names}{blank}")
    if options.separator is not None and sum(np.count_nonzero(piece == EOS) for piece in numbers) == 1:
        separator = f"the separator {options.separator!r}" if options.separator.strip() else "blank"
        raise CorpusError(f"there is one item only in {names}: no line is {separator}; check --separator")
    parts = _split(numbers, lines, 0 if valid else options.held_out, options.seed)
    if valid:
        pieces = read_text(valid, level, options.encoding, form=options.form, has_level=True)
        held_out_numbers = _buffered(map(counter.number, pieces), lines)
        if not len(held_out_numbers):
            raise CorpusError(f"there is no text in {names_of(valid)}")
        parts = _two_texts(numbers, held_out_numbers)
    return _Text(counter, parts, lines, bool(valid), tuple(map(name_of, paths)), digest)


def _corpus(text: _Text, options: CorpusOptions, known: Known | None) -> Corpus:
    """The corpus in the symbols that were numbered: of subwords, in characters."""
    counter, parts, lines = text.counter, text.parts, text.lines
    counts = _counts(parts(), len(counter))
    least = options.least_count(counts, known=known and known.vocabulary.knows(counter.symbols))
    counted, most = counter.counted(counts, least), options.max_vocabulary
    if known is None:
        vocabulary = Vocabulary.build(counter.level, counted, least, most, form=options.form)
    else:
        vocabulary = known.with_counted(counted, least, most).of_characters
    novelty = _novelty(counter, parts, lines) if options.novelty else None
    found = _translated(counter, parts, vocabulary, counts)
    if not len(found.train):
        raise CorpusError(
            f"the text is too short to hold out a fraction of {options.held_out:g}; give more text, or --holdout 0"
        )
    check_vocabulary(vocabulary, least)
    return Corpus(
        vocabulary=vocabulary,
        train=found.train,
        held_out=found.held_out,
        lines=lines,
        frequencies=found.frequencies,
        unknown_rate=vocabulary.unknown_rate(found.frequencies),
        names=text.names,
        digest=text.digest.hexdigest(),
        size=text.digest.size,
        evaluated_lengths=found.lengths,
        evaluated_unknown_bytes=found.unknown_bytes,
        held_out_at_random=lines and not text.valid and len(found.held_out) > 0,
        novelty=novelty,
        lines_chosen=options.lines is None,
        min_count=least,
        why_no_held_out=_why_no_held_out(found, lines and not text.valid, options.held_out),
    )


def _why_no_held_out(found: "_Ids", is_split_by_line: bool, holdout: float) -> str:
    """Why no line is held out, in words."""
    if len(found.held_out) or not is_split_by_line or not holdout:
        return ""
    lines = len(line_starts(found.train)) - 1
    return f"{holdout:g} of {lines:,} line{'s' if lines != 1 else ''} is less than one"


def check_vocabulary(vocabulary: Vocabulary, min_count: int) -> None:
    """Raise CorpusError for a vocabulary without symbols, from which nothing can be learnt. min_count: it has the
    symbols that occur so often in the training part."""
    if not vocabulary.symbols:
        unit = UNITS[vocabulary.level]
        why = f"no {unit} occurs {min_count} times there; give --min-count 1" if min_count > 1 else "it is blank"
        raise CorpusError(f"there is nothing to learn from the training part: {why}")


def warn_of_unknown(in_train: float, in_held_out: float = 0.0) -> None:
    """Warn where <UNK> is more than MOST_UNKNOWN of the tokens of a part: a model that knows nothing but <UNK> looks
    good."""
    parts = (("training", in_train), ("held-out", in_held_out))
    found = [f"{100 * share:.2g} % of the tokens of the {name} part" for name, share in parts if share > MOST_UNKNOWN]
    if found:
        warnings.warn(
            f"<UNK> is {' and '.join(found)}, and easy to predict, so that the loss looks better than it is; keep more "
            "symbols (--min-count 1, a larger --max-vocabulary, more text), or choose --level subword or byte",
            stacklevel=2,
        )


def _learnt(text: _Text, corpus: Corpus, size: int | None) -> Vocabulary:
    """The subwords that the training part of a corpus of characters gives. size: of the vocabulary at most, None if
    charlm chooses it."""
    points = text.counter.points(train for train, _ in text.parts())
    return learnt_vocabulary(corpus.vocabulary, points, len(corpus.train), size)


def _in_subwords(text: _Text, corpus: Corpus, vocabulary: Vocabulary) -> Corpus:
    """A corpus of characters in subwords."""
    found = _segmented(text.counter, text.parts, vocabulary)
    return replace(
        corpus,
        vocabulary=vocabulary,
        train=found.train,
        held_out=found.held_out,
        frequencies=found.frequencies,
        unknown_rate=vocabulary.unknown_rate(found.frequencies),
        evaluated_lengths=found.lengths,
        evaluated_unknown_bytes=found.unknown_bytes,
    )


def _looked_at(pieces: Iterator) -> tuple[bool, Iterator]:
    """Whether the pieces of a text begin like a list, and the same pieces: standard input is read only once."""
    beginning, length = [], 0
    for piece in pieces:
        beginning.append(piece)
        length += len(piece)
        if length > BEGINNING:
            break
    empty = beginning[0][:0] if beginning else ""
    return is_list(empty.join(beginning)), chain(beginning, pieces)


def _novelty(counter: SymbolCounter, parts: Callable[[], Iterator[tuple]], lines: bool) -> Novelty:
    """The record of the training part, with that of the held-out part."""

    def points(part):
        return lambda: counter.points(pair[part] for pair in parts())

    has_held_out = any(len(held_out) for _, held_out in parts())
    in_bytes = counter.level == "byte"
    return Novelty.of_text(points(0), in_bytes, lines, held_out=points(1) if has_held_out else None)


def _buffered(pieces: Iterable[np.ndarray], lines: bool) -> TokenBuffer:
    """A buffer with the pieces of a text. With ``lines`` it skips blank lines: each <EOS> that follows another one."""
    buffer, after_end = TokenBuffer(), True
    for piece in pieces:
        if lines:
            ends = piece == EOS
            blank = ends & np.concatenate(([after_end], ends[:-1]))
            piece, after_end = piece[~blank], ends[-1]
        buffer.add(piece)
    return buffer


def _split(numbers: TokenBuffer, lines: bool, holdout: float, seed: int) -> Callable[[], Iterator[tuple]]:
    """A function that goes through the numbers and yields, for each piece, its training part and its held-out part."""
    if not lines:
        return lambda: _split_at(numbers, int(len(numbers) * (1 - holdout)))
    number_of_lines = sum(np.count_nonzero(piece == EOS) for piece in numbers)
    is_held_out = held_out_lines(number_of_lines, holdout, seed)
    return lambda: _split_by_line(numbers, is_held_out)


def held_out_lines(number: int, holdout: float, seed: int) -> np.ndarray:
    """Which of so many lines are held out, chosen at random from the seed: bool (number)."""
    order = np.arange(number, dtype=_signed_type(number))
    np.random.default_rng([seed, 1]).shuffle(order)
    is_held_out = np.zeros(number, bool)
    is_held_out[order[: int(number * holdout)]] = True
    return is_held_out


def _split_at(numbers, cut):
    for piece in numbers:
        yield piece[:cut], piece[cut:]
        cut = max(0, cut - len(piece))


def _split_by_line(numbers, is_held_out):
    line = 0
    for piece in numbers:
        ends = piece == EOS
        held_out = is_held_out[line + np.cumsum(ends) - ends]
        line += np.count_nonzero(ends)
        yield piece[~held_out], piece[held_out]


def _two_texts(train: TokenBuffer, held_out: TokenBuffer) -> Callable[[], Iterator[tuple]]:
    """As ``_split``, for a training text and a held-out text."""
    nothing = np.zeros(0, np.uint8)
    return lambda: chain(((piece, nothing) for piece in train), ((nothing, piece) for piece in held_out))


def _evaluated_numbers(parts) -> np.ndarray:
    """The numbers of the held-out part that training evaluates the model on, (n)."""
    found, remaining = [np.zeros(0, np.uint8)], EVALUATED_TOKENS
    for _, held_out in parts:
        if len(held_out):  # an empty part of a piece would keep the whole piece in memory
            found.append(held_out[:remaining])
            remaining -= len(found[-1])
        if not remaining:
            break
    return np.concatenate(found)


def _counts(parts, symbols: int) -> np.ndarray:
    """How often each number occurs in the training part: (symbols)."""
    counts = np.zeros(symbols, np.int64)
    for train, _ in parts:
        np.add.at(counts, train, 1)
    return counts


class _Ids(NamedTuple):
    """Both parts as ids. frequencies: of each id in the training part, (V). lengths, unknown_bytes: of the held-out
    tokens that training evaluates the model on, as in ``Corpus``."""

    train: np.ndarray
    held_out: np.ndarray
    frequencies: np.ndarray
    lengths: np.ndarray
    unknown_bytes: np.ndarray


def _translated(counter: SymbolCounter, parts, vocabulary: Vocabulary, counts: np.ndarray) -> _Ids:
    """Each number as an id. counts: of each number in the training part, the first ones."""
    ids, buffers = counter.ids(vocabulary), (TokenBuffer(), TokenBuffer())
    for pair in parts():
        for buffer, part in zip(buffers, pair, strict=True):
            buffer.add(ids.take(part, mode="clip"))  # in half the time of ids[part]
    frequencies = np.zeros(len(vocabulary), np.int64)
    np.add.at(frequencies, ids[: len(counts)], counts)
    train, held_out = (buffer.joined(ids.dtype) for buffer in buffers)
    evaluated = _evaluated_numbers(parts())
    lengths = counter.lengths()[evaluated]
    if counter.level == "token" and len(lengths):  # the end of a blank line stands in the place of no space
        ends = held_out[: len(lengths)] == EOS
        lengths = lengths + (ends & np.concatenate(([True], ends[:-1])))
    unknown_bytes = bytes_of_unknown(ids, counter.level, lambda: counter.symbols)
    return _Ids(train, held_out, frequencies, lengths, unknown_bytes[evaluated])


def _segmented(counter: SymbolCounter, parts, vocabulary: Vocabulary) -> _Ids:
    """Both parts as subwords, each on its own: where the text is cut between them, a word may be cut."""
    tokens, frequencies = [], np.zeros(len(vocabulary), np.int64)
    unknown_bytes, evaluated = [np.zeros(0, np.int32)], 0
    for part in (0, 1):
        buffer = TokenBuffer()
        for text in whole_lines(map(text_of, counter.points(pair[part] for pair in parts()))):
            ids = vocabulary.encode(text)
            buffer.add(ids)
            if part == 0:
                frequencies += np.bincount(ids, minlength=len(vocabulary))
            elif evaluated < EVALUATED_TOKENS:
                unknown_bytes.append(bytes_of_unknown(ids, vocabulary.level, partial(vocabulary.split, text)))
                evaluated += len(ids)
        tokens.append(buffer.joined(vocabulary.dtype))
    train, held_out = tokens
    lengths = vocabulary.widths[held_out[:EVALUATED_TOKENS]]
    return _Ids(train, held_out, frequencies, lengths, np.concatenate(unknown_bytes)[: len(lengths)])
