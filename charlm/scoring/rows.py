"""Scored blocks → one row per line, per token or per word: as TSV or JSON, or as an array."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

import numpy as np

from ..errors import UsageError
from ..model import Model
from ..score import LN2, PER_NAT
from ..text.vocabulary import UNKNOWN
from .blocks import blocks, clean
from .options import UNIT
from .pipeline import DEFAULTS, ScoredBlock, ScoringOptions, scored_blocks

LINE = ("line", "tokens", "unknown_tokens", "nats", "bits_per_character", "text")
TOKEN = ("token", "log_probability", "rank", "entropy")
WORD = ("line", "position", "tokens", "unknown_tokens", "nats", "word")
COLUMNS_BY_TOKEN = ("ranks", "entropies")


def written_rows(
    scored: Iterable[list[ScoredBlock]],
    by: str,
    *,
    as_json: bool = False,
    unit: str = "nats",
    header: bool = False,
) -> Iterator[str]:
    """One row per line, token or word (``by``), from the scored blocks of one model with the columns of KINDS, in whole
    lines. Each string holds many rows, and comes as soon as they are ready: TSV, or JSON objects.

    unit: of the figures, a key of ``score.PER_NAT``. header: begin TSV with a row of the columns' names.
    """
    kind, before = KINDS[by], 0
    names = in_unit(kind.fields, unit)
    if header:
        yield "\t".join(names) + "\n"
    for (block,) in scored:
        rows = kind.rows(block, before, PER_NAT[unit])
        yield from _batches(_json(rows, names) if as_json else _tsv(rows, kind.form))
        before += len(block.lengths)


def in_unit(fields: tuple[str, ...], unit: str) -> tuple[str, ...]:
    """The names of fields whose figures are in a unit: "log2_probability" is the "log_probability" in bits."""
    return tuple(_IN_UNIT.get(unit, {}).get(name, name) for name in fields)


def line_rows(block: ScoredBlock, before: int = 0, per_nat: float = 1.0) -> Iterator[tuple]:
    """The fields LINE of each line of a block of whole lines. before: the number of lines in earlier blocks; per_nat:
    how much of the unit of the figures is a nat."""
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
    columns = (block.lengths, unknown, per_nat * nats, bits)
    return zip(numbers, *(column.tolist() for column in columns), lines, strict=True)


def token_rows(block: ScoredBlock, before: int = 0, per_nat: float = 1.0) -> Iterator[tuple]:
    """The fields TOKEN of each token of a block with COLUMNS_BY_TOKEN. before, per_nat: as for ``line_rows``."""
    scores = block.scores
    probabilities, entropies = (per_nat * column.astype(np.float64) for column in (0 - scores.nats, scores.entropies))
    return zip(block.symbols(), probabilities.tolist(), scores.ranks.tolist(), entropies.tolist(), strict=True)


def word_rows(block: ScoredBlock, before: int = 0, per_nat: float = 1.0) -> Iterator[tuple]:
    """The fields WORD of each word of a block of whole lines, and of each line end. The position is that in the line,
    from 1. before, per_nat: as for ``line_rows``.

    A word is a run of characters that are not white space, with the white space before it. So each token belongs to one
    row, and the rows are as many as ``Score.perplexity_per_word`` counts.
    """
    ends, words, positions = [], [], []  # where each word ends in the scored text, in characters or bytes
    for line in (line for line, length in zip(block.lines(), block.lengths.tolist(), strict=True) if length):
        start = ends[-1] if ends else 0
        pattern, newline = (_BYTE_WORD, b"\n") if isinstance(line, bytes) else (_TEXT_WORD, "\n")
        for position, match in enumerate(pattern.finditer(line + newline), 1):
            ends.append(start + match.end())
            words.append(match[1])
            positions.append(position)
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
    tokens = np.bincount(word_of, minlength=len(words))
    columns = (tokens, unknown, per_nat * nats)
    return zip(lines.tolist(), positions, *(column.tolist() for column in columns), words, strict=True)


class RowKind(NamedTuple):
    """A kind of rows. fields: their names, of figures in nats. columns: of the scored blocks (``TokenScores.empty``).
    rows: a block → the values of the fields. form: a row → its line of TSV, without the end."""

    fields: tuple[str, ...]
    columns: tuple[str, ...]
    rows: Callable[..., Iterator[tuple]]
    form: Callable[[tuple], str]


def _tsv_of_line(row: tuple) -> str:
    line, tokens, unknown, surprisal, bits, text = row
    return f"{line}\t{tokens}\t{unknown}\t{surprisal:.4f}\t{bits:.4f}\t{in_one_line(text)}"


def _tsv_of_token(row: tuple) -> str:
    token, probability, rank, entropy = row
    return f"{escaped(token)}\t{probability:.4f}\t{rank}\t{entropy:.4f}"


def _tsv_of_word(row: tuple) -> str:
    line, position, tokens, unknown, surprisal, word = row
    return f"{line}\t{position}\t{tokens}\t{unknown}\t{surprisal:.4f}\t{escaped(word)}"


KINDS = {
    "line": RowKind(LINE, (), line_rows, _tsv_of_line),
    "token": RowKind(TOKEN, COLUMNS_BY_TOKEN, token_rows, _tsv_of_token),
    "word": RowKind(WORD, (), word_rows, _tsv_of_word),
}
_IN_UNIT = {
    "bits": {"nats": "bits", "log_probability": "log2_probability", "entropy": "entropy_bits"},
    "log10": {"nats": "log10", "log_probability": "log10_probability", "entropy": "entropy_log10"},
}
_TEXT_WORD, _BYTE_WORD = re.compile(r"[^\S\n]*(\n|\S+)"), re.compile(rb"[^\S\n]*(\n|\S+)")
_COUNTS = ("line", "position", "tokens", "unknown_tokens", "rank")
_OBJECTS = ("text", "token", "word")  # Python strings: an array of fixed width would give each the room of the longest


def row_array(
    model: Model, text: str, by: str, options: ScoringOptions = DEFAULTS, unit: str | None = None
) -> np.ndarray:
    """The rows of a text from memory, as a structured array with the fields of KINDS.

    by: "line", "token" or "word". unit: see ``written_rows``. Strings are Python objects, counts are int64, all others
    float64. Raises UsageError for another ``by`` or unit, and for a model of another task.
    """
    if not isinstance(by, str) or by not in KINDS:
        raise UsageError(f"by must be 'line', 'token' or 'word', not {by!r}")
    kind, unit = KINDS[by], UNIT.check(unit)
    types = [object if name in _OBJECTS else np.int64 if name in _COUNTS else np.float64 for name in kind.fields]
    dtype = list(zip(in_unit(kind.fields, unit), types, strict=True))
    parts, before = [], 0
    text_in_blocks = blocks(clean(text, model.vocabulary), True, [model.vocabulary])
    for (block,) in scored_blocks([model], text_in_blocks, columns=kind.columns, options=options):
        parts.append(np.array(list(kind.rows(block, before, PER_NAT[unit])), dtype))
        before += len(block.lengths)
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _tsv(rows: Iterable[tuple], form: Callable[[tuple], str]) -> Iterator[str]:
    """The rows as tab-separated columns; figures have four decimals. In a token or a word, a tab, a line end, a
    backslash and a byte that is not UTF-8 are escaped as in Python. The text of a line is the last column, and stays as
    it is, but for the line feeds inside an item."""
    return (form(row) + "\n" for row in rows)


def in_one_line(text: str) -> str:
    """The text of an item for the last column of a table: as it is, but for the line feeds inside it."""
    return text.replace("\n", "\\n")


@lru_cache(4096)
def escaped(symbol: str) -> str:
    """A token for a column of a table: without tabs, line ends and bytes that are not UTF-8."""
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
