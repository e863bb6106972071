"""Scored blocks → one row per line or one row per token, as TSV or JSON."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from ..score import LN2
from ..text.vocabulary import UNKNOWN
from .pipeline import ScoredBlock

LINE = ("line", "tokens", "unknown_tokens", "nats", "bits_per_character", "text")
TOKEN = ("token", "log_probability", "rank", "entropy")
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
    nats = block.sums(block.scores.nats)
    unknown = block.sums(block.tokens == UNKNOWN).astype(np.int64)
    bits = nats / LN2 / np.array(characters)
    numbers = range(before + 1, before + 1 + len(lines))
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


def _tsv(rows: Iterable[tuple], names: tuple[str, ...]) -> Iterator[str]:
    """The rows as tab-separated columns; figures have four decimals. In a token, a tab, a line end, a backslash and a
    byte that is not UTF-8 are escaped as in Python. The text of a line is the last column, and stays as it is."""
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
    """The rows as JSON objects, one per line."""
    return (json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)


def _batches(lines: Iterable[str], number: int = 4096) -> Iterator[str]:
    """The lines joined in batches, each of which is written in one go."""
    lines = iter(lines)
    while batch := "".join(islice(lines, number)):
        yield batch
