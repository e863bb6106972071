"""Files → clean text → a training part and a held-out part → batches of ids.

A text is read piece by piece: strict UTF-8 (or ``encoding``), without a byte order mark, CRLF as LF, and a last line
that lacks its end gets one, so that every line ends with <EOS>. At byte level nothing but the last line's end is
touched.
"""

import codecs
import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from .errors import CorpusError, UsageError
from .novelty import Novelty
from .vocabulary import EOS, LEVELS, UNKNOWN, Tally, Vocabulary, unknown_share

PIECE = 1 << 20  # bytes read at a time
DEFAULT_MIN_COUNT = {"char": 1, "word": 2, "byte": 1}


def name_of(path) -> str:
    return "standard input" if path == "-" else str(path)


def _pieces(path) -> Iterator[bytes]:
    """The bytes of a file, or of standard input for "-"."""
    try:
        if path == "-":
            if sys.stdin is None:
                raise CorpusError("standard input is closed")
            source = getattr(
                sys.stdin.buffer, "raw", sys.stdin.buffer
            )  # gives what there is, and does not wait for more
        elif os.path.isdir(path):
            raise CorpusError(f"{path} is a folder; name the files in it")
        else:
            source = open(path, "rb")
        try:
            while piece := source.read(PIECE):
                yield piece
        finally:
            if path != "-":
                source.close()
    except OSError as error:
        raise CorpusError(f"cannot read {name_of(path)}: {error.strerror}") from None


def _decoded(path, pieces: Iterable[bytes], encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    before = 0  # bytes consumed by earlier calls

    def decode(piece, final):
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(piece, final)
            if encoding != "utf-8":
                text.encode()  # some codecs let halves of characters (lone surrogates) through
            return text
        except UnicodeDecodeError as error:
            offset = before - pending + error.start
            raise CorpusError(
                f"{name_of(path)}: the byte 0x{error.object[error.start]:02x} at offset {offset:,} "
                f"is not {encoding.upper()}; name the encoding of the text (--encoding latin-1, say), "
                "or read bytes (--level byte)"
            ) from None
        except UnicodeError as error:  # a codec's complaint about the whole
            raise CorpusError(
                f"{name_of(path)} is not in the encoding {encoding} ({error}); "
                "name the encoding of the text with --encoding"
            ) from None

    first, carriage_return = True, ""
    for piece in pieces:
        text = carriage_return + decode(piece, False)
        before += len(piece)
        if first and text:
            first, text = False, text.removeprefix("\ufeff")
        carriage_return = "\r" if text.endswith("\r") else ""
        yield text[: len(text) - len(carriage_return)].replace("\r\n", "\n")
    yield carriage_return + decode(b"", True)


def check_encoding(encoding: str) -> str:
    """The encoding's name, where there is one for text and for reading piece by piece. Raises UsageError."""
    try:
        codecs.getincrementaldecoder(encoding)
        found = codecs.lookup(encoding)
        if not found._is_text_encoding:
            raise LookupError
        if found.name == "utf-8-sig":
            return "utf-8"  # a byte order mark is dropped in any case
    except (LookupError, ValueError):
        raise UsageError(f"there is no text encoding {encoding!r}; utf-8, latin-1 and utf-16 are some") from None
    return encoding


def read_text(paths: Iterable, level: str, encoding: str = "utf-8", digest=None) -> Iterator[str] | Iterator[bytes]:
    """The clean text of some files, one after the other, in pieces; at word level a piece ends where a line does.

    paths: names of files, "-" for standard input. At byte level the pieces are bytes. ``digest`` is updated with the
    bytes read. Raises CorpusError where a file cannot be read or decoded.
    """
    encoding = check_encoding(encoding)

    def noted(path):
        for piece in _pieces(path):
            if digest is not None:
                digest.update(piece)
            yield piece

    for path in paths:
        end, last, rest = (b"\n", b"", b"") if level == "byte" else ("\n", "", "")
        for piece in noted(path) if level == "byte" else _decoded(path, noted(path), encoding):
            if not piece:
                continue
            last = piece[-1:]
            if level == "word":
                whole, newline, rest = (rest + piece).rpartition(end)
                piece = whole + newline
            if piece:
                yield piece
        if last and last != end:
            rest += end
        if rest:
            yield rest


def line_starts(tokens: np.ndarray) -> np.ndarray:
    """Where each line begins, and where the last one ends: (lines + 1), int64. Each line ends with its <EOS>."""
    ends = np.flatnonzero(tokens == EOS) + 1
    return np.concatenate(([0], ends)) if len(ends) else np.array([0, len(tokens)])


@dataclass(frozen=True)
class Corpus:
    """What a model is trained on and judged by.

    train, held_out: ids in the vocabulary's smallest type; with ``lines`` each line is a sequence of its own, and
    blank ones are left out. unknown: the share of each target given to <UNK> (see ``unknown_share``). frequencies:
    (V), of the training part.
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
    novelty: Novelty | None = None  # of the training part

    @property
    def log_frequencies(self) -> np.ndarray:
        """Natural logarithm of each symbol's share of the training part, <UNK> with its estimate: the unigram model,
        (V)."""
        shares = self.frequencies / max(1, self.frequencies.sum())
        shares[UNKNOWN] = max(shares[UNKNOWN], self.unknown)
        return np.log(np.maximum(shares, 1 / (len(self.train) + 2)))


class _Digest:
    """SHA-256 and the number of bytes."""

    def __init__(self):
        self.size, self._hash = 0, hashlib.sha256()

    def update(self, piece):
        self.size += len(piece)
        self._hash.update(piece)

    def hexdigest(self):
        return self._hash.hexdigest()


def load_corpus(
    paths,
    *,
    level: str = "char",
    lines: bool = False,
    holdout: float = 0.1,
    valid=None,
    encoding: str = "utf-8",
    min_count: int | None = None,
    max_vocabulary: int | None = None,
    novelty: bool = True,
    seed: int = 1,
) -> Corpus:
    """Read the files, split off the held-out part, and build the vocabulary from the training part alone.

    holdout: the share held out, 0 ≤ holdout < 1: the end of the text, or with ``lines`` whole lines drawn by ``seed``.
    valid: files that are held out instead. min_count: see ``Vocabulary.build``; 2 for words and 1 otherwise if not
    given. novelty: take down what makes it known, without the text, whether a line or a run stood in it.
    """
    if not 0 <= holdout < 1:
        raise UsageError(f"the held-out share must be at least 0 and below 1, not {holdout}")
    if level not in LEVELS:
        raise UsageError(f"there is no level {level!r}; choose one of {', '.join(LEVELS)}")
    if min_count is None:
        min_count = DEFAULT_MIN_COUNT[level]
    if max_vocabulary is not None and max_vocabulary < 3:
        raise UsageError(f"a vocabulary needs room for <EOS>, <UNK> and a symbol: at least 3, not {max_vocabulary}")
    paths = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    tally, digest = Tally(level), _Digest()
    blocks = [tally.number(piece) for piece in read_text(paths, level, encoding, digest)]
    numbers = np.concatenate(blocks) if blocks else np.zeros(0, np.uint8)
    del blocks
    if not len(numbers):
        raise CorpusError(f"there is no text in {', '.join(map(name_of, paths))}")

    is_held_out = None
    if lines:
        numbers, is_held_out = _split_lines(numbers, 0 if valid else holdout, seed)
        train = numbers[~is_held_out]
    else:
        cut = len(numbers) if valid else int(len(numbers) * (1 - holdout))
        train = numbers[:cut]
    counts = np.bincount(train, minlength=len(tally.symbols))
    seen = {symbol: int(count) for symbol, count in zip(tally.symbols, counts, strict=True) if count}
    vocabulary = Vocabulary.build(level, seen, min_count, max_vocabulary)
    renumbering = tally.renumbering(vocabulary)
    known = Novelty.of_text(lambda: tally.points(train), level == "byte", lines) if novelty else None
    del train

    ids = np.empty(len(numbers), vocabulary.dtype)
    for start in range(0, len(numbers), PIECE):
        ids[start : start + PIECE] = renumbering[numbers[start : start + PIECE]]
    if valid:
        held_out = encode_files(
            vocabulary, [valid] if isinstance(valid, (str, os.PathLike)) else valid, encoding, lines
        )
        if not len(held_out):
            raise CorpusError(f"there is no text in {valid}")
        train = ids
    elif lines:
        train, held_out = ids[~is_held_out], ids[is_held_out]
    else:
        train, held_out = ids[:cut], ids[cut:]
    if not len(train):
        raise CorpusError(f"the text is too short to hold out a share of {holdout}; give more text or --holdout 0")
    frequencies = np.bincount(train, minlength=len(vocabulary))
    holds_unknown = bool(frequencies[UNKNOWN])
    return Corpus(
        vocabulary,
        train,
        held_out,
        lines,
        frequencies,
        unknown_share(counts[counts > 0], holds_unknown),
        tuple(map(name_of, paths)),
        digest.hexdigest(),
        digest.size,
        known,
    )


def _split_lines(numbers, holdout, seed):
    """The numbers without blank lines, and for each whether its line is held out."""
    starts = line_starts(numbers)
    lengths = np.diff(starts)
    keep = lengths > 1
    numbers, lengths = numbers[np.repeat(keep, lengths)], lengths[keep]
    if not len(lengths):
        raise CorpusError("there is no line in the text that is not blank")
    drawn = np.zeros(len(lengths), bool)
    drawn[np.random.default_rng([seed, 1]).permutation(len(lengths))[: int(len(lengths) * holdout)]] = True
    return numbers, np.repeat(drawn, lengths)


def encode_files(vocabulary: Vocabulary, paths, encoding: str = "utf-8", lines: bool = False) -> np.ndarray:
    """The ids of some files in a vocabulary that exists already; with ``lines`` blank lines are left out."""
    pieces = [vocabulary.encode(piece) for piece in read_text(paths, vocabulary.level, encoding)]
    ids = np.concatenate(pieces) if pieces else np.zeros(0, vocabulary.dtype)
    if lines:
        lengths = np.diff(line_starts(ids))
        ids = ids[np.repeat(lengths > 1, lengths)]
    return ids


def looks_like_a_list(tokens: np.ndarray) -> bool:
    """Many short lines: probably items, each a text of its own, rather than one long text."""
    starts = line_starts(tokens[:100_000])
    lengths = np.diff(starts)
    return len(lengths) >= 50 and bool(np.mean((lengths > 1) & (lengths <= 40)) > 0.98)


@dataclass(frozen=True)
class Batch:
    """One window for the network: at each step the input is the token before the target (<EOS> at a beginning).

    inputs, targets: int32 (T, N), targets -1 where there is none. ``fresh``: the window begins from the zero state.
    """

    inputs: np.ndarray
    targets: np.ndarray
    fresh: bool


def windows(tokens: np.ndarray, begin: np.ndarray, end: np.ndarray, steps: int, rows: int) -> Iterator[Batch]:
    """Stretches of the tokens, begin[n]…end[n]-1, side by side in windows of at most ``steps``; the first one is fresh.

    begin, end: (≤ rows). Each batch has ``rows`` rows; those without a stretch have no targets.
    """
    begin, end = (np.pad(cuts, (0, rows - len(cuts))) for cuts in (begin, end))
    longest = int((end - begin).max())
    for start in range(0, longest, steps):
        position = begin + np.arange(start, min(start + steps, longest))[:, None]
        inside = position < end
        targets = np.where(inside, tokens[np.where(inside, position, 0)].astype(np.int32), -1)
        before = inside & (position > 0)
        inputs = np.where(before, tokens[np.where(before, position - 1, 0)].astype(np.int32), EOS)
        yield Batch(inputs, targets, start == 0)


def stream_windows(tokens: np.ndarray, rows: int, steps: int) -> Iterator[Batch]:
    """The text in ``rows`` tracks of equal length, each read from its beginning to its end."""
    length = -(-len(tokens) // rows)
    begin = np.arange(0, len(tokens), length)
    return windows(tokens, begin, np.minimum(begin + length, len(tokens)), steps, rows)


def line_windows(tokens: np.ndarray, rows: int, steps: int, random: np.random.Generator) -> Iterator[Batch]:
    """The lines in an order of chance, ``rows`` of about one length at a time; a long line takes several windows.

    Lines are shuffled, put in order of length within pools of 32 batches, and the batches shuffled again, so that
    little is spent on filling short lines up.
    """
    starts = line_starts(tokens)
    order = random.permutation(len(starts) - 1)
    lengths = np.diff(starts)
    batches = []
    for start in range(0, len(order), rows * 32):
        pool = order[start : start + rows * 32]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[i : i + rows] for i in range(0, len(pool), rows)]
    for number in random.permutation(len(batches)):
        chosen = batches[number]
        yield from windows(tokens, starts[chosen], starts[chosen] + lengths[chosen], steps, rows)
