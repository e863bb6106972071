"""Scored blocks → one row per line, per token or per word: as TSV or JSON, or as an array."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from ..errors import UsageError
from ..model import Model
from ..score import LN2
from ..text.vocabulary import UNKNOWN
from .blocks import blocks, clean
from .pipeline import DEFAULTS, ScoredBlock, ScoringOptions, scored_blocks

LINE = ("line", "tokens", "unknown_tokens", "nats", "bits_per_character", "text")
TOKEN = ("token", "log_probability", "rank", "entropy")
WORD = ("line", "tokens", "unknown_tokens", "nats", "word")
COLUMNS_BY_TOKEN = ("ranks", "entropies")


def rows_by_line(scored: Iterable[list[ScoredBlock]], as_json: bool = False) -> Iterator[str]:
    """One row per line with the fields LINE, from the scored blocks of one model in whole lines. Each string holds many
    rows, and comes as soon as they are ready: TSV, or JSON objects."""
    form, before = _json if as_json else _tsv, 0
    for (block,) in scored:
        yield from _batches(form(line_rows(block, before), LINE))
        before += len(block.lengths)


def rows_by_token(scored: Iterable[list[ScoredBlock]], as_json: bool = False) -> Iterator[str]:
    """One row per token with the fields TOKEN, from the scored blocks of one model with COLUMNS_BY_TOKEN; else as
    ``rows_by_line``."""
    form = _json if as_json else _tsv
    for (block,) in scored:
        yield from _batches(form(token_rows(block), TOKEN))


def line_rows(block: ScoredBlock, before: int) -> Iterator[tuple]:
    """The fields LINE of each line of a block of whole lines. before: the number of lines in earlier blocks."""
    lines = block.lines()
    if isinstance(block.text, bytes):
        characters = [1 + sum((byte & 0xC0) != 0x80 for byte in line) for line in lines]
        lines = [line.decode("utf-8", "surrogateescape") for line in lines]
    else:
        characters = [1 + len(line) for line in lines]
    lines = map(block.vocabulary.form.outside, lines)
    nats = block.sums(block.scores.nats)
    unknown = block.sums(block.tokens == UNKNOWN).astype(np.int64)
    bits = nats / LN2 / np.array(characters)
    numbers = range(before + 1, before + 1 + len(characters))
    columns = (block.lengths, unknown, nats, bits)
    return zip(numbers, *(column.tolist() for column in columns), lines, strict=True)


def token_rows(block: ScoredBlock) -> Iterator[tuple]:
    """The fields TOKEN of each token of a block with COLUMNS_BY_TOKEN; log-probability and entropy in nats."""
    scores = block.scores
    return zip(
        block.symbols(),
        (0 - scores.nats).tolist(),
        scores.ranks.tolist(),
        scores.entropies.tolist(),
        strict=True,
    )


def word_rows(block: ScoredBlock, before: int) -> Iterator[tuple]:
    """The fields WORD of each word of a block of whole lines, and of each line end. before: as for ``line_rows``.

    A word is a run of characters that are not white space, with the white space before it. So each token belongs to one
    row, and the rows are as many as ``Score.perplexity_per_word`` counts.
    """
    ends, words = [], []  # where each word ends in the scored text, in characters or bytes
    for line in (line for line, length in zip(block.lines(), block.lengths.tolist(), strict=True) if length):
        start = ends[-1] if ends else 0
        pattern, newline = (_BYTE_WORD, b"\n") if isinstance(line, bytes) else (_TEXT_WORD, "\n")
        for match in pattern.finditer(line + newline):
            ends.append(start + match.end())
            words.append(match[1])
    words = [word.decode("utf-8", "surrogateescape") if isinstance(word, bytes) else word for word in words]
    is_longer = block.vocabulary.level in ("word", "token", "subword")  # than one character or byte, its symbol may be
    sizes = np.array(list(map(len, block.symbols())), np.int64) if is_longer else 1
    stops = np.cumsum(np.broadcast_to(sizes, len(block.tokens)))  # where each token ends
    word_of = np.searchsorted(ends, stops)
    line_of = np.repeat(np.arange(before + 1, before + 1 + len(block.lengths)), block.lengths)
    lines = np.zeros(len(words), np.int64)
    lines[word_of] = line_of
    unknown = np.bincount(word_of, block.tokens == UNKNOWN, len(words)).astype(np.int64)
    nats = np.bincount(word_of, block.scores.nats, len(words))
    columns = (lines, np.bincount(word_of, minlength=len(words)), unknown, nats)
    return zip(*(column.tolist() for column in columns), words, strict=True)


_TEXT_WORD, _BYTE_WORD = re.compile(r"[^\S\n]*(\n|\S+)"), re.compile(rb"[^\S\n]*(\n|\S+)")
_TYPES = {"log_probability": float, "nats": float, "bits_per_character": float, "entropy": float}
_OBJECTS = ("text", "token", "word")  # Python strings: an array of fixed width would give each the room of the longest


def row_array(model: Model, text: str, by: str, options: ScoringOptions = DEFAULTS) -> np.ndarray:
    """The rows of a text from memory, as a structured array with the fields LINE, TOKEN or WORD.

    by: "line", "token" or "word". Strings are Python objects, counts are int64, all others float64. Raises UsageError
    for another ``by``, and for a model of another task.
    """
    if not isinstance(by, str) or by not in ("line", "token", "word"):
        raise UsageError(f"by must be 'line', 'token' or 'word', not {by!r}")
    names = {"line": LINE, "token": TOKEN, "word": WORD}[by]
    kinds = [(name, object if name in _OBJECTS else _TYPES.get(name, np.int64)) for name in names]
    columns = COLUMNS_BY_TOKEN if by == "token" else ()
    parts, before = [], 0
    for (block,) in scored_blocks(
        [model], blocks(clean(text, model.vocabulary), True), columns=columns, options=options
    ):
        if by == "token":
            rows = token_rows(block)
        else:
            rows = (line_rows if by == "line" else word_rows)(block, before)
        parts.append(np.array(list(rows), kinds))
        before += len(block.lengths)
    return np.concatenate(parts) if parts else np.empty(0, kinds)


def _tsv(rows: Iterable[tuple], names: tuple[str, ...]) -> Iterator[str]:
    """The rows as tab-separated columns; figures have four decimals. In a token, a tab, a line end, a backslash and a
    byte that is not UTF-8 are escaped as in Python. The text of a line is the last column, and stays as it is, but for
    the line feeds inside an item."""
    if names == LINE:
        form = "%d\t%d\t%d\t%.4f\t%.4f\t%s\n"
        return (form % (*row[:-1], row[-1].replace("\n", "\\n")) for row in rows)
    form = "%s\t%.4f\t%d\t%.4f\n"
    return (form % (_escaped(row[0]), *row[1:]) for row in rows)


def _escaped(symbol):
    symbol = symbol.translate(_ESCAPES)
    return symbol if symbol.isprintable() else "".join(map(_escaped_byte, symbol))


def _escaped_byte(character):
    return f"\\x{ord(character) - 0xDC00:02x}" if "\udc80" <= character <= "\udcff" else character


_ESCAPES = str.maketrans({"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"})


def _json(rows: Iterable[tuple], names: tuple[str, ...]) -> Iterator[str]:
    """The rows as JSON objects, one per line."""
    return (json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)


def _batches(lines: Iterable[str], number: int = 4096) -> Iterator[str]:
    """The lines joined in batches, each of which is written in one go."""
    lines = iter(lines)
    while batch := "".join(islice(lines, number)):
        yield batch
