"""Text → its figures as a whole, by line, and by token.

A text is read in blocks, by a thread of its own ahead of need, and each block is measured when it is there: a text of
any size takes the memory of a few blocks (of its longest line, where lines are asked for or the model is one of
lines), and what comes slowly is let out as it comes.

A line's tokens are those of its text and its <EOS>. A model of lines reads each line from the zero state; a blank one
is no item to it and has no tokens. A stream model reads on: what it makes of a line depends on all lines before it.
Either way the sums over the lines are the figures of the text.
"""

import json
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import compress, islice

import numpy as np

from .adapting import AdaptingScorer
from .corpus import name_of, read_text
from .errors import CorpusError
from .loss import LN2, RANKS, Score
from .model import Model
from .scoring import ROWS, TRACK, Measures, Scorer
from .vocabulary import EOS, UNKNOWN, as_bytes, symbols_in

BLOCK = (ROWS - 2) * TRACK  # characters (or bytes) that are measured together: at most ROWS tracks
AHEAD = 4  # pieces read before they are wanted
PATIENCE = 0.2  # seconds that text waits for more of it


def as_they_come(pieces: Iterable) -> Iterator:
    """The pieces, read ahead by a thread, and None where text has waited PATIENCE seconds for more of it."""
    ahead: queue.Queue = queue.Queue(AHEAD)

    def read():
        try:
            for piece in pieces:
                ahead.put(piece)
            ahead.put(StopIteration())
        except BaseException as error:  # it is for the reader to raise
            ahead.put(error)

    threading.Thread(target=read, name="charlm reads", daemon=True).start()
    deadline = None
    while True:
        try:
            piece = ahead.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            deadline = None
            yield None
            continue
        if isinstance(piece, StopIteration):
            return
        if isinstance(piece, BaseException):
            raise piece
        yield piece
        if deadline is None:
            deadline = time.monotonic() + PATIENCE


def blocks(pieces: Iterable[str | bytes | None], whole_lines: bool) -> Iterator[str | bytes]:
    """The text of some pieces in blocks of at least BLOCK characters, the last one excepted; None lets out what there
    is. With ``whole_lines`` each block ends where a line does."""
    ready, rest, size = [], [], 0
    for piece in _cut(pieces):
        if piece:
            newline = b"\n" if isinstance(piece, bytes) else "\n"
            end = piece.rfind(newline) + 1 if whole_lines else len(piece)
            if end:
                ready += [*rest, piece[:end]]
                size += sum(map(len, rest)) + end
                rest = []
            if end < len(piece):
                rest.append(piece[end:])
        if ready and (piece is None or size >= BLOCK):
            yield ready[0][:0].join(ready)
            ready, size = [], 0
    if ready or rest:
        yield (ready or rest)[0][:0].join(ready + rest)


def _cut(pieces):
    """The pieces in parts of at most a track, so that no block has more tracks than there are rows."""
    for piece in pieces:
        if piece is None:
            yield None
        else:
            yield from (piece[start : start + TRACK] for start in range(0, len(piece), TRACK))


@dataclass
class Passage:
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
    measures: Measures

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


def passages(
    models: list[Model],
    text: Iterable[str | bytes],
    columns: Iterable[str] = (),
    *,
    threads: int | None = None,
    adapt: float | None = None,
    precision: str = "float32",
) -> Iterator[list[Passage]]:
    """A passage of each block of a text (see ``blocks``) for each of the models; where one of them is of lines, blank
    lines are left out for all.

    adapt: the rate at which they learn from the text, None for not at all; precision: in which they multiply matrices,
    "float32" or "bf16". Raises UsageError where the processor cannot.
    """
    if precision != "float32":
        from .network.layers import check_precision

        check_precision(precision)
    how = threads, precision
    scorers = [
        AdaptingScorer(model, columns, adapt, *how) if adapt else Scorer(model, columns, *how) for model in models
    ]
    blank_lines = not any(model.lines for model in models)
    for block in text:
        yield [_passage(scorer, block, blank_lines) for scorer in scorers]


def _passage(scorer, text, blank_lines):
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
    return Passage(model, text, lengths, kept, tokens, measures)


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
    """Adds passages up to one ``Score``; ranks are counted where they were measured."""

    def __init__(self):
        self.counter = TextCounter()
        self.tokens = self.unknown_tokens = 0
        self.nats = self.unknown_nats = 0.0
        self.within = dict.fromkeys(RANKS, 0)

    def add(self, passage: Passage) -> None:
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


LINE = ("line", "tokens", "unknown_tokens", "nats", "bits_per_character", "text")
TOKEN = ("token", "log_probability", "rank", "entropy")


def line_rows(passage: Passage, before: int) -> Iterator[tuple]:
    """One row for each line of a passage of whole lines: the fields LINE. before: how many lines came earlier."""
    lines = passage.lines()
    if isinstance(passage.text, bytes):
        characters = [1 + sum((byte & 0xC0) != 0x80 for byte in line) for line in lines]
        lines = [line.decode("utf-8", "surrogateescape") for line in lines]
    else:
        characters = [1 + len(line) for line in lines]
    nats = passage.sums(passage.measures.nats)
    unknown = passage.sums(passage.tokens == UNKNOWN).astype(np.int64)
    bits = nats / LN2 / np.array(characters)
    numbers = range(before + 1, before + 1 + len(lines))
    columns = (passage.lengths, unknown, nats, bits)
    return zip(numbers, *(column.tolist() for column in columns), lines, strict=True)


def token_rows(passage: Passage) -> Iterator[tuple]:
    """One row for each token of a passage whose ranks and entropies were measured: the fields TOKEN, in nats."""
    measures = passage.measures
    return zip(
        passage.symbols(),
        (0 - measures.nats).tolist(),
        measures.ranks.tolist(),
        measures.entropies.tolist(),
        strict=True,
    )


def _tsv(rows: Iterable[tuple], names: tuple[str, ...]) -> Iterator[str]:
    """The rows in columns, a tab between them; figures have four decimals. A token's tab, line end, backslash and
    byte that is no text are written as in Python; a line's text stands last and as it is."""
    if names == LINE:
        form = "%d\t%d\t%d\t%.4f\t%.4f\t%s\n"
        return (form % row for row in rows)
    form = "%s\t%.4f\t%d\t%.4f\n"
    return (form % (_escaped(row[0]), *row[1:]) for row in rows)


def _escaped(symbol):
    symbol = symbol.translate(_ESCAPES)
    return symbol if symbol.isprintable() else "".join(map(_escaped_byte, symbol))


def _escaped_byte(character):
    return f"\\x{ord(character) - 0xDC00:02x}" if "\udc80" <= character <= "\udcff" else character


_ESCAPES = str.maketrans({"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"})


def _json(rows: Iterable[tuple], names: tuple[str, ...]) -> Iterator[str]:
    """The rows as objects of JSON, one a line."""
    return (json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)


def _batches(lines: Iterable[str], number: int = 4096) -> Iterator[str]:
    """Many lines put together, so that they are written in one go."""
    lines = iter(lines)
    while batch := "".join(islice(lines, number)):
        yield batch


def clean(text: str | bytes, level: str) -> Iterator[str | bytes]:
    """A text from memory as ``corpus.read_text`` gives one from a file."""
    if level == "byte":
        text = as_bytes(text)
        yield text if text.endswith(b"\n") or not text else text + b"\n"
    else:
        text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        yield text if text.endswith("\n") or not text else text + "\n"


def reading_level(models: list[Model]) -> str:
    """How a text must be read for all of them: as bytes where all are of bytes, else as text."""
    levels = {model.vocabulary.level for model in models}
    return "word" if "word" in levels else "char" if "char" in levels else "byte"


def text_blocks(models: list[Model], paths, whole_lines: bool, encoding: str = "utf-8") -> Iterator[str | bytes]:
    """The blocks of some files, one after the other, for these models; "-" is standard input.

    Raises CorpusError where there is no text.
    """
    empty = True
    level = reading_level(models)
    whole_lines = whole_lines or level == "word" or any(model.lines for model in models)
    for block in blocks(as_they_come(read_text(paths, level, encoding)), whole_lines):
        empty = False
        yield block
    if empty:
        raise CorpusError(f"there is no text in {', '.join(map(name_of, paths))}")


def total(model: Model, text: Iterable[str | bytes], **how) -> Score:
    """The score of a text in blocks. how: see ``passages``."""
    total = Total()
    for (passage,) in passages([model], text, ("ranks",), **how):
        total.add(passage)
    return total.score


def rows_of_files(
    model: Model, paths, *, level: str, as_json: bool = False, encoding: str = "utf-8", **how
) -> Iterator[str]:
    """The lines (level "line") or tokens (level "token") of some files in rows of text, many at a time, in order and
    as they are ready: TSV, or objects of JSON with the fields LINE or TOKEN. how: see ``passages``.

    Raises CorpusError where there is no text.
    """
    form, before = _json if as_json else _tsv, 0
    columns = () if level == "line" else ("ranks", "entropies")
    text = text_blocks([model], paths, level == "line", encoding)
    for (passage,) in passages([model], text, columns, **how):
        if level == "line":
            yield from _batches(form(line_rows(passage, before), LINE))
            before += len(passage.lengths)
        else:
            yield from _batches(form(token_rows(passage), TOKEN))


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
