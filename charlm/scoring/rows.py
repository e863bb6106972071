"""Text → its figures as a whole, by line, and by token.

A text is read in blocks, by a thread of its own ahead of need, and each block is measured when it is there: a text of
any size takes the memory of a few blocks (of its longest line, where lines are asked for or the model is one of
lines), and what comes slowly is let out as it comes.

A line's tokens are those of its text and its <EOS>. A model of lines reads each line from the zero state; a blank one
is no item to it and has no tokens. A stream model reads on: what it makes of a line depends on all lines before it.
Either way the sums over the lines are the figures of the text.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from ..figures import LN2
from ..model import Model
from ..text.vocabulary import UNKNOWN
from .blocks import text_blocks
from .perplexity import ScoredBlock, scored_blocks

LINE = ("line", "tokens", "unknown_tokens", "nats", "bits_per_character", "text")
TOKEN = ("token", "log_probability", "rank", "entropy")


def line_rows(passage: ScoredBlock, before: int) -> Iterator[tuple]:
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


def token_rows(passage: ScoredBlock) -> Iterator[tuple]:
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


def rows_of_files(
    model: Model, paths, *, level: str, as_json: bool = False, encoding: str = "utf-8", **how
) -> Iterator[str]:
    """The lines (level "line") or tokens (level "token") of some files in rows of text, many at a time, in order and
    as they are ready: TSV, or objects of JSON with the fields LINE or TOKEN. how: see ``scored_blocks``.

    Raises CorpusError where there is no text.
    """
    form, before = _json if as_json else _tsv, 0
    columns = () if level == "line" else ("ranks", "entropies")
    text = text_blocks([model], paths, level == "line", encoding)
    for (passage,) in scored_blocks([model], text, columns, **how):
        if level == "line":
            yield from _batches(form(line_rows(passage, before), LINE))
            before += len(passage.lengths)
        else:
            yield from _batches(form(token_rows(passage), TOKEN))
