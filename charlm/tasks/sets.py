"""Files of sequences of sets: each step of a sequence is a set of symbols (the notes of a chord, the tags of an image,
the events of a second).

A text has a line for each step, with its symbols separated by white space; EMPTY alone on a line is the empty set, and
a blank line ends a sequence. Other files are piano rolls (``vectors/rolls.py``).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..errors import CorpusError, UsageError
from ..text.batches import Sequences
from ..text.columns import Line
from ..text.corpus import CorpusOptions
from ..text.reading import Digest, name_of, names_of, path_list
from ..vectors.rolls import PARTS, PIANO, WHOLE, Roll, kind_of_roll, read_rolls
from .examples import LONGEST_TEXT, SplitExamples, lines_of, split_examples

EMPTY = "-"
MOST_SYMBOLS = 1 << 12  # each of them is an input and an output of the network
TRAINING, HELD_OUT, TEST = PARTS  # what a file with several parts is read for


class SetSequence(NamedTuple):
    """where: the sequence begins, for messages. steps: the symbols of each step, each once."""

    where: str
    steps: list[tuple[str, ...]]


class FoundSequences(NamedTuple):
    """What some files hold. symbols: those that the files name, whether or not a step has them; () for texts."""

    sequences: list[SetSequence]
    symbols: tuple[str, ...]


def sequences_in_lines(lines: Iterable[Line]) -> Iterator[SetSequence]:
    """The sequences of a text. lines: (where it is, its text) of each line. Raises CorpusError for one that is too
    long, and for a line with EMPTY and other symbols."""
    where, steps = "", []
    for place, line in lines:
        symbols = line.split()
        if EMPTY in symbols and len(symbols) > 1:
            raise CorpusError(f"{place} has {EMPTY} among other symbols; it stands alone, for the empty set")
        if symbols:
            where = where if steps else place
            steps.append(() if symbols == [EMPTY] else tuple(dict.fromkeys(symbols)))
        elif steps:
            yield _checked(where, steps)
            steps = []
    if steps:
        yield _checked(where, steps)


def _checked(where: str, steps: list[tuple[str, ...]]) -> SetSequence:
    if len(steps) > LONGEST_TEXT:
        raise CorpusError(
            f"the sequence that begins at {where} has {len(steps):,} steps, and charlm can read {LONGEST_TEXT:,} at "
            "most; cut it with blank lines"
        )
    return SetSequence(where, steps)


def lines_of_sequence(steps: Iterable[Iterable[str]]) -> str:
    """A sequence as ``sequences_in_lines`` reads it, without the blank line after it."""
    return "".join(f"{' '.join(symbols) or EMPTY}\n" for symbols in steps)


def sequences_in(paths: Iterable, use: str, encoding: str = "utf-8", digest: Digest | None = None) -> FoundSequences:
    """The sequences of some files, one after the other. use: TRAINING, HELD_OUT or TEST: of a file with parts, the one
    that is read. Raises CorpusError for files that cannot be read, and if there is no sequence."""
    paths, sequences, symbols = list(paths), [], {}
    for path in paths:
        if kind := kind_of_roll(path):
            roll = _part(read_rolls(path, kind, digest), use, name_of(path))
            symbols |= dict.fromkeys(roll.names)
            sequences += _sequences_of(roll, name_of(path))
        else:
            sequences += sequences_in_lines(lines_of([path], "char", encoding, digest))
    if not sequences:
        raise CorpusError(f"there is no sequence in {names_of(paths)}; write the symbols of each step on a line")
    return FoundSequences(sequences, tuple(symbols))


def _part(parts: dict[str, Roll], use: str, name: str) -> Roll:
    """The part of a file of piano rolls that is to be read."""
    if use not in parts and WHOLE not in parts:
        raise CorpusError(f"{name} has no {use}, only {' and '.join(parts)}")
    return parts[use] if use in parts else parts[WHOLE]


def _sequences_of(roll: Roll, name: str) -> Iterator[SetSequence]:
    for number, rows in enumerate(roll.sequences, 1):
        steps = [tuple(map(roll.names.__getitem__, row.nonzero()[0].tolist())) for row in rows]
        yield _checked(f"sequence {number:,} of {name}", steps)


def read_sets(paths: Any, options: CorpusOptions) -> tuple[SplitExamples, tuple[str, ...]]:
    """The sequences of some files, some of them held out: those of ``options.valid``, of the part "validdata", or
    random ones; and the symbols of ``FoundSequences``. Raises CorpusError as ``sequences_in`` does."""
    paths, digest, notes = path_list(paths), Digest(), []
    with_held_out = [] if options.valid else list(filter(_has_held_out, paths))
    train, named = sequences_in(paths, TRAINING, options.encoding, digest)
    held_out = None
    if options.valid:
        held_out = sequences_in(path_list(options.valid), HELD_OUT, options.encoding).sequences
    elif with_held_out:
        held_out = sequences_in(with_held_out, HELD_OUT).sequences
        notes.append(f"the held-out part is {HELD_OUT} of {names_of(with_held_out)}; charlm perplexity reads {TEST}")

    def symbols_in(sequence):  # which must occur in the training part, unless the files name them
        return counted([sequence]).keys() - named

    return split_examples(train, held_out, symbols_in, options, paths, digest, notes=notes), named


def _has_held_out(path: Any) -> bool:
    kind = kind_of_roll(path)
    return bool(kind) and HELD_OUT in read_rolls(path, kind)


def counted(sequences: Iterable[SetSequence]) -> Counter[str]:
    """How many steps have each symbol."""
    return Counter(symbol for sequence in sequences for step in sequence.steps for symbol in step)


def are_keys(symbols: Iterable[str]) -> bool:
    """Whether all symbols are MIDI numbers of the keys of a piano."""
    return all(symbol in KEYS for symbol in symbols)


KEYS = dict.fromkeys(map(str, PIANO))


def known_symbols(counts: Counter[str], named: tuple[str, ...], known: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The symbols of a model: first the ``known`` ones of an earlier model, then those that the files name, then the
    others, the most frequent first. Where all of them are keys of a piano, the model knows all 88, so that it can be
    measured on a text with another one. Raises CorpusError if there is none, or too many."""
    if not counts:
        raise CorpusError("no step has a symbol, so there is nothing to learn")
    if EMPTY in named:
        raise CorpusError(f"a symbol cannot have the name {EMPTY}, which stands for the empty set")
    if not known and are_keys((*counts, *named)):
        return tuple(KEYS)
    others = sorted(counts, key=lambda symbol: (-counts[symbol], symbol))
    symbols = tuple(dict.fromkeys((*known, *named, *others)))
    if len(symbols) > MOST_SYMBOLS:
        raise CorpusError(
            f"there are {len(symbols):,} different symbols, and charlm can tell {MOST_SYMBOLS:,} apart at most; check "
            "that each line holds the symbols of one step"
        )
    return symbols


class SetNumbers:
    """Numbers the sets of steps in the order in which they come; the empty set is 0. symbols: those of the model."""

    def __init__(self, symbols: Iterable[str]):
        self._ids = {symbol: number for number, symbol in enumerate(symbols)}
        self._numbers: dict[tuple[int, ...], int] = {(): 0}

    def of(self, sequence: SetSequence) -> list[int]:
        """The number of the set of each step. Raises CorpusError for a symbol that the model does not know."""
        numbers = []
        for place, step in enumerate(sequence.steps, 1):
            try:
                members = tuple(sorted(map(self._ids.__getitem__, step)))
            except KeyError as error:
                raise CorpusError(
                    f"{sequence.where}: step {place:,} of the sequence has {error.args[0]!r}, which the model has "
                    "never seen; leave it out, or train with it"
                ) from None
            numbers.append(self._numbers.setdefault(members, len(self._numbers)))
        return numbers

    def sets(self) -> Sequences:
        """The members of each set: their ids, rising."""
        return Sequences([np.array(members, np.int32) for members in self._numbers])


def check_options(options: CorpusOptions) -> None:
    """Raise UsageError for an option that is for text."""
    if options.lines is False:
        raise UsageError("--stream is for text, and --task chords reads sets: leave it out")
    for name in ("columns", "min_count", "max_vocabulary"):
        if getattr(options, name) is not None:
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag} is for text, and --task chords reads sets: leave it out")
    if options.normalize != "none" or options.separator is not None:
        flag = "normalize" if options.normalize != "none" else "separator"
        raise UsageError(f"--{flag} is for text, and --task chords reads sets, with a blank line between sequences")
    if options.level not in ("char", "token"):
        raise UsageError(f"--level {options.level} is for text, and --task chords reads sets: leave it out")
