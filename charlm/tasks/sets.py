"""Files of sequences of sets: each step of a sequence is a set of symbols (the notes of a chord, the tags of an image,
the events of a second).

A text has a line for each step, with its symbols separated by white space; EMPTY alone on a line is the empty set, and
a blank line ends a sequence. Other files are piano rolls (``text/rolls.py``).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..errors import CorpusError, UsageError
from ..text.batches import Sequences
from ..text.columns import Line
from ..text.corpus import CorpusOptions, held_out_lines
from ..text.reading import Digest, name_of, names_of, path_list
from ..text.rolls import PARTS, PIANO, WHOLE, Roll, kind_of_roll, read_rolls
from .examples import LONGEST_TEXT, lines_of

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


@dataclass(kw_only=True)
class SplitSequences:
    """The sequences of some files. names, digest, size: of the files with the training part, as in ``Corpus``. symbols:
    as in ``FoundSequences``. has_own_held_out: the held-out part is a part of the files. why_no_held_out: as in
    ``Examples``."""

    train: list[SetSequence]
    held_out: list[SetSequence]
    symbols: tuple[str, ...]
    names: tuple[str, ...]
    digest: str
    size: int
    has_own_held_out: bool
    why_no_held_out: str


def sequences_in_lines(lines: Iterable[Line]) -> Iterator[SetSequence]:
    """The sequences of a text. lines: (where it is, its text) of each line. Raises CorpusError for one that is too
    long."""
    where, steps = "", []
    for place, line in lines:
        symbols = line.split()
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


def read_sets(paths: Any, options: CorpusOptions) -> SplitSequences:
    """Read the sequences of some files, and hold some of them out: those of ``options.valid``, of the part "validdata",
    or random ones. A sequence with a symbol that no training sequence has goes to the training part, if chance chose
    it. Raises CorpusError as ``sequences_in`` does."""
    paths, digest, why = path_list(paths), Digest(), ""
    with_held_out = [] if options.valid else list(filter(_has_held_out, paths))
    found = sequences_in(paths, TRAINING, options.encoding, digest)
    train, held_out = found.sequences, []
    if options.valid:
        held_out = sequences_in(path_list(options.valid), HELD_OUT, options.encoding).sequences
    elif with_held_out:
        held_out = sequences_in(with_held_out, HELD_OUT).sequences
    else:
        train, held_out = _split(train, found.symbols, options)
        if options.holdout and not held_out:
            few = f"{options.holdout:g} of {len(train):,} sequences is less than one"
            why = few if int(len(train) * options.holdout) == 0 else "each of them has a symbol that no other has"
    return SplitSequences(
        train=train,
        held_out=held_out,
        symbols=found.symbols,
        names=tuple(map(name_of, paths)),
        digest=digest.hexdigest(),
        size=digest.size,
        has_own_held_out=len(with_held_out) > 0,
        why_no_held_out=why,
    )


def _has_held_out(path: Any) -> bool:
    kind = kind_of_roll(path)
    return bool(kind) and HELD_OUT in read_rolls(path, kind)


def _split(
    sequences: list[SetSequence], named: tuple[str, ...], options: CorpusOptions
) -> tuple[list[SetSequence], list[SetSequence]]:
    """The training sequences and the held-out ones, whose symbols are named or occur in the training part."""
    train, chosen = [], []
    is_held_out = held_out_lines(len(sequences), options.holdout, options.seed).tolist()
    for sequence, held_out in zip(sequences, is_held_out, strict=True):
        (chosen if held_out else train).append(sequence)
    known = {*named, *counted(train)}
    kept = [known.issuperset(counted([sequence])) for sequence in chosen]
    more = [sequence for sequence, is_kept in zip(chosen, kept, strict=True) if not is_kept]
    return train + more, [sequence for sequence, is_kept in zip(chosen, kept, strict=True) if is_kept]


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
