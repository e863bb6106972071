"""Files of columns: what separates the columns, which of them are read, and the fields of each line.

A file has one delimiter and one number of columns. ``find_columns`` looks for them at the beginning of the file; each
further line must have the same number, and an error names the first one that has not.
"""

import csv
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
from typing import Any, NamedTuple

from ..errors import CorpusError, UsageError
from .forms import whole_lines
from .memory import MemoryText
from .reading import name_of, read_text

SPACES, WHITE, JSON = " ", " \t", "json"
DELIMITERS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars", SPACES: "spaces", WHITE: "spaces and tabs"}
CONLLU = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
LOOKED_AT = 1000  # lines at the beginning of a file
LONGEST_ROW = 50  # lines: a quote that is still open after so many is text
MOST_COLUMNS = 1 << 16
Line = tuple[str, str]  # where it is, its text
Value = str | list[str]  # of a field; JSON may have a list


class Row(NamedTuple):
    """The fields of a line (with quotes, of several), the chosen ones. where: its first line. error: why it is no row;
    its value is then all its text."""

    where: str
    values: list[Value]
    error: CorpusError | None = None


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns of a file are read, and what separates them. A model keeps it.

    names: of the columns, in the order in which the task reads them: names of the heading, keys of JSON, or numbers
    from 1. delimiter: a key of DELIMITERS, where SPACES and WHITE stand for a run of any length; or JSON, for an object
    in each line. positions: of the columns in the training file, from 0; () for JSON. width: the number of its columns,
    0 for JSON. heading: a line names the columns. quotes: a field in double quotes may hold delimiters and line feeds.
    conllu: the file is CoNLL-U. comments: of a file with a word on each line, some lines that begin with # are
    comments.
    """

    names: tuple[str, ...]
    delimiter: str
    positions: tuple[int, ...]
    width: int
    heading: bool = False
    quotes: bool = False
    conllu: bool = False
    comments: bool = False

    def fields(self) -> dict:
        """The values, for JSON."""
        return asdict(self)

    @classmethod
    def from_fields(cls, fields: dict) -> "Columns":
        """The columns that a model file describes. Raises ValueError, KeyError or TypeError where it does not."""
        found = cls(**{**fields, "names": tuple(fields["names"]), "positions": tuple(fields["positions"])})
        numbers = (found.width, *found.positions)
        flags = (found.heading, found.quotes, found.conllu, found.comments)
        good = all(type(name) is str and name for name in found.names) and 0 < len(found.names) < 4
        good = good and all(type(number) is int and 0 <= number < MOST_COLUMNS for number in numbers)
        good = good and all(type(flag) is bool for flag in flags) and found.delimiter in (*DELIMITERS, JSON)
        places = 0 if found.delimiter == JSON else len(found.names)
        if not good or len(found.positions) != places or found.width < max(found.positions, default=-1) + bool(places):
            raise ValueError("it does not say which columns it reads")
        return found

    def describe(self) -> str:
        """The columns in words."""
        if self.conllu:
            return f"the columns {_listed(CONLLU[position] for position in self.positions)} of CoNLL-U"
        if self.delimiter == JSON:
            noun = "key" if len(self.names) == 1 else "keys"
            return f"the {noun} {_listed(map(repr, self.names))} of JSON Lines"
        names = _listed(name if name.isdecimal() else repr(name) for name in dict.fromkeys(self.names))
        noun = "column" if len(self.names) == 1 else "columns"
        return f"the {noun} {names} of {self.width}, separated by {DELIMITERS[self.delimiter]}"

    def missing_in(self, name: str) -> str:
        """The words of a warning: an input does not begin as the training file did, and so each line is a text."""
        return f"{name} does not begin with {self.describe()}, as the training file did: each line is taken as a text"

    def begins_so(self, line: str, name: str) -> bool:
        """Whether a file that begins with this line has the column, one of ``names``: its heading names it, or without
        a heading there are as many columns as in the training file."""
        if self.delimiter == JSON:
            return begins_an_object(line)
        try:
            fields = self.split("", line)
        except CorpusError:
            return False
        return positions_in((name,), fields) is not None if self.heading else len(fields) == self.width

    def split(self, where: str, line: str) -> list[str]:
        """The fields of one line; empty ones after the last column are left out. Raises CorpusError for a quote that
        does not end."""
        if self.quotes:
            rows, _ = split_rows(self, [(where, line)], last=True)
            fields = rows[0][1] if rows else []
        else:
            fields = split_fields(line, self.delimiter)
        return without_empty_end(fields, self.width)

    def checked(self, where: str, fields: list[str]) -> list[str]:
        """The fields, if they are as many as the file has columns. Raises CorpusError otherwise."""
        fields = without_empty_end(fields, self.width)
        if self.delimiter == SPACES and "\t" in "".join(fields):
            raise CorpusError(
                f"{where} has a tab, and spaces separate the columns of the lines before it: use one of both"
            )
        if len(fields) != self.width:
            quotes = ", and put a field that holds the delimiter into double quotes" if self.quotes else ""
            raise CorpusError(
                f"{where} has {_number_of_columns(len(fields))} and not {self.width} (separated by "
                f"{DELIMITERS[self.delimiter]}), as the lines before it or the training file have: mend the "
                f"line{quotes}"
            )
        return fields


def parse_names(given: str | Sequence[str], wanted: Sequence[str], task: str) -> tuple[str, ...]:
    """The names or numbers of --columns. wanted: what the task reads, in words. Raises UsageError where they are not so
    many, or cannot be."""
    names = tuple(name.strip() for name in (given.split(",") if isinstance(given, str) else given))
    if len(names) != len(wanted) or not all(names):
        number = {1: "one column", 2: "two columns"}.get(len(wanted), f"{len(wanted)} columns")
        raise UsageError(
            f"--columns must name {number} for --task {task}, {_listed(wanted)}, by name or number: "
            f"{','.join(wanted)}, or {','.join(map(str, range(1, len(wanted) + 1)))}; not {','.join(names)!r:.60}"
        )
    for name in names:
        if name.isdecimal() and not 1 <= int(name[:9]) <= MOST_COLUMNS:
            raise UsageError(f"--columns counts columns from 1 on; there is no column {name:.20}")
    return names


def find_columns(names: tuple[str, ...], lines: list[Line], *, of_words: bool = False) -> Columns:
    """The columns with these names or numbers in a file that begins with these lines.

    of_words: the file has a word on each line (CoNLL), so that spaces may separate its columns, and a quote between
    tabs or spaces is a word. Raises CorpusError where the file has no such columns.
    """
    lines = [line for line in lines if line[1].strip()]
    if of_words:
        lines = [line for line in lines if not line[1].startswith("#")] or lines
    if not lines:
        return Columns(names=names, delimiter="\t", positions=tuple(range(len(names))), width=len(names))
    where, first = lines[0]
    if begins_an_object(first):
        return Columns(names=names, delimiter=JSON, positions=(), width=0)
    if of_words and is_conllu(first):
        headings = {name.lower(): str(number) for number, name in enumerate(CONLLU, 1)}
        names = tuple(headings.get(name.lower(), name) for name in names)
    candidates = [found for delimiter in DELIMITERS for found in _candidates(delimiter, lines, of_words)]
    fitting = [fit for one in candidates if (fit := _fitting(names, one, of_words))]
    if fitting:
        return next((found for found, is_even in fitting if is_even), fitting[0][0])
    best = max(candidates, key=lambda one: len(one.first))
    raise _no_such_column(names, where, best)


def is_conllu(line: str) -> bool:
    """Whether a line looks like the first word of a sentence in CoNLL-U, which has ten columns."""
    fields = line.split("\t")
    return len(fields) == len(CONLLU) and fields[0].partition("-")[0] in ("0.1", "1") and fields[6].strip() != ""


def begins_an_object(line: str) -> bool:
    """Whether a line is an object in JSON."""
    if not line.lstrip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


class _Candidate(NamedTuple):
    """A delimiter, and what it makes of the first lines. is_even: all rows have the same number of fields."""

    delimiter: str
    quotes: bool
    first: list[str]
    is_even: bool


def _candidates(delimiter: str, lines: list[Line], of_words: bool) -> Iterator[_Candidate]:
    """What a delimiter makes of the first lines: with the quotes of CSV, and where quotes may be text, without them."""
    if delimiter in (SPACES, WHITE) and not of_words:
        return
    has_quotes = delimiter in ",;" or any('"' in text for _, text in lines)
    for quotes in (False,) if of_words and delimiter in ("\t", SPACES, WHITE) else (True, False):
        if quotes and not has_quotes:
            continue
        probe = Columns(names=("1",), delimiter=delimiter, positions=(0,), width=1, quotes=quotes)
        try:
            found, rest = split_rows(probe, lines, last=len(lines) < LOOKED_AT // 2)
            is_text = len(rest) >= LONGEST_ROW and delimiter not in ",;"
            rows = [] if is_text else [row for _, row in found]
        except CorpusError:  # the quotes are none of CSV: those of a TSV may be text
            if delimiter not in ",;":
                continue
            rows = [split_fields(lines[0][1], delimiter)]
        if rows:
            first = rows[0]
            while len(first) > 1 and not first[-1].strip():
                first = first[:-1]
            widths = {len(without_empty_end(row, len(first))) for row in rows}
            yield _Candidate(delimiter, quotes, first, len(widths) == 1)


def _fitting(names: tuple[str, ...], one: _Candidate, of_words: bool) -> tuple[Columns, bool] | None:
    """The columns of a candidate that has them all, and whether all its rows are of the same width."""
    positions = positions_in(names, one.first)
    if positions is None:
        return None
    conllu = of_words and is_conllu("\t".join(one.first)) and one.delimiter == "\t"
    found = Columns(
        names=names,
        delimiter=one.delimiter,
        positions=positions,
        width=len(one.first),
        heading=not all(name.isdecimal() for name in names),
        quotes=one.quotes,
        conllu=conllu,
    )
    return found, one.is_even and (len(one.first) > 1 or len(names) == 1)


def positions_in(names: Iterable[str], fields: list[str]) -> tuple[int, ...] | None:
    """Where the columns with these names or numbers are, None where one is missing. fields: of the heading."""
    heading = [field.strip() for field in fields]
    found = []
    for name in names:
        if name.isdecimal():
            found.append(int(name) - 1)
        elif name in heading:
            found.append(heading.index(name))
        else:
            return None
    return tuple(found) if all(position < len(fields) for position in found) else None


def _no_such_column(names: tuple[str, ...], where: str, best: _Candidate) -> CorpusError:
    name = next(name for name in names if positions_in([name], best.first) is None)
    of = f"separated by {DELIMITERS[best.delimiter]}" if len(best.first) > 1 else "with no tab, comma or semicolon"
    return CorpusError(
        f"there is no column {name if name.isdecimal() else repr(name)} at {where}, which has "
        f"{_number_of_columns(len(best.first))} ({of}): {beginnings(best.first)}; --columns takes their names, or "
        "their numbers from 1 on"
    )


def beginnings(fields: Sequence[str], most: int = 8) -> str:
    """The beginnings of some fields, for a message."""
    shown = [repr(field if len(field) <= 16 else f"{field[:15]}…") for field in fields[:most]]
    return ", ".join(shown) + (" …" if len(fields) > most else "")


def split_rows(columns: Columns, lines: list[Line], last: bool) -> tuple[list[tuple[str, list[str]]], list[Line]]:
    """(where a row is, its fields) for some lines of a file, and the lines of an incomplete row at their end: quotes
    may hold line feeds. Blank lines have no row.

    last: the file has no more lines. Raises CorpusError for quotes that are not those of CSV.
    """
    if not columns.quotes:
        rows = [(where, split_fields(line, columns.delimiter)) for where, line in lines]
        return [(where, fields) for where, fields in rows if any(map(str.strip, fields))], []
    found, start = [], 0
    reader = csv.reader((f"{line}\n" for _, line in lines), delimiter=columns.delimiter, strict=True)
    try:
        for fields in reader:
            if any(map(str.strip, fields)):
                found.append((lines[start][0], fields))
            start = reader.line_num
    except csv.Error as error:
        if reader.line_num == len(lines) and not last:
            return found, lines[start:]
        raise CorpusError(
            f"the quotes in {lines[start][0]} are not those of CSV ({error}): put a field with quotes into double "
            "quotes, and double each quote in it"
        ) from None
    return found, []


class ColumnReader:
    """Reads the chosen columns of a file, or of several with the same columns.

    names: those of ``columns.names`` that are read; all if None. A line with these names among its fields is a heading:
    it says where the columns are from there on.
    """

    def __init__(self, columns: Columns, names: Sequence[str] | None = None):
        self.columns = columns
        self.names = columns.names if names is None else tuple(names)
        chosen = [columns.names.index(name) for name in self.names]
        self.width = columns.width
        self.positions = tuple(columns.positions[index] for index in chosen) if columns.positions else ()

    def rows(self, lines: list[Line], last: bool = False) -> tuple[list[Row], list[Line]]:
        """The rows of some lines, and the lines of an incomplete row at their end. Raises CorpusError for a line that
        has not the columns."""
        rows, rest = self.rows_or_errors(lines, last)
        for row in rows:
            if row.error:
                raise row.error
        return rows, rest

    def rows_or_errors(self, lines: list[Line], last: bool = False) -> tuple[list[Row], list[Line]]:
        """The same; a row that has not the columns has an error. Raises CorpusError for quotes that are not those of
        CSV: nobody knows where the next row begins."""
        if self.columns.delimiter == JSON:
            return [self._row(self._of_object, where, line, line) for where, line in lines if line.strip()], []
        found, rest = split_rows(self.columns, lines, last)
        rows = []
        for where, fields in found:
            if self.columns.heading and (positions := positions_in(self.names, fields)) is not None:
                self.positions, self.width = positions, len(fields)
            else:
                rows.append(self._row(self._chosen, where, fields, self.columns.delimiter[0].join(fields)))
        return rows, rest

    def _row(self, values_of: Callable[..., list[Value]], where: str, given: Any, text: str) -> Row:
        try:
            return Row(where, values_of(where, given))
        except CorpusError as error:
            return Row(where, [text], error)

    def _chosen(self, where: str, fields: list[str]) -> list[Value]:
        if len(fields) != self.width:
            fields = replace(self.columns, width=self.width).checked(where, fields)
        return [fields[position].replace("\n", " ") for position in self.positions]

    def _of_object(self, where: str, line: str) -> list[Value]:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise CorpusError(f"{where} is not an object in JSON, as the lines before it are: mend the line")
        for name in self.names:
            if name not in found:
                raise CorpusError(
                    f"{where} has no key {name!r}; its keys are {beginnings(list(found))}: name the keys with --columns"
                )
        return [_text_of(found[name], name, where) for name in self.names]


def _text_of(value: Any, name: str, where: str) -> Value:
    """A value of JSON as a text, or a list of values as a list of texts. Raises CorpusError for any other."""
    if isinstance(value, list) and not any(isinstance(item, list) for item in value):
        return [str(_text_of(item, name, where)) for item in value]
    if not isinstance(value, str | int | float):
        raise CorpusError(f"{where} has {json.dumps(value):.30} for {name!r}; give a text, or leave the line out")
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise CorpusError(f"{where} has half of a character (a lone surrogate) in {name!r}; mend the line") from None
    return text.replace("\n", " ")


def read_rows(reader: ColumnReader, lines: Iterable[Line]) -> Iterator[tuple[str, list[Value]]]:
    """(where it is, its values) for each row of a file. lines: all of it."""
    lines, rest = iter(lines), []
    while some := list(islice(lines, 1000)):
        rows, rest = reader.rows(rest + some)
        yield from (row[:2] for row in rows)
    yield from (row[:2] for row in reader.rows(rest, last=True)[0])


def column_text(path, names: tuple[str, ...], encoding: str) -> tuple[MemoryText, Columns]:
    """One column of a file, as a text with a line for each row, and where it is. Raises CorpusError where the file has
    no such column."""
    lines = _lines_of(path, encoding)
    start = list(islice(lines, LOOKED_AT))
    columns = find_columns(names, start)
    return _column(path, ColumnReader(columns), chain(start, lines)), columns


def text_with_columns(path, columns: Columns, encoding: str) -> MemoryText:
    """The column of the text of a file, as a text with a line for each row. columns: those of a training file, of which
    the last is the text, and a label may be before it; a file that does not begin like it is a text as it is, and a
    warning says so. Raises CorpusError for a line that has not the columns."""
    lines = _lines_of(path, encoding)
    start = list(islice(lines, LOOKED_AT))
    first = next((text for _, text in start if text.strip()), "")
    if columns.begins_so(first, columns.names[-1]):
        return _column(path, ColumnReader(columns, columns.names[-1:]), chain(start, lines))
    warnings.warn(columns.missing_in(name_of(path)), stacklevel=2)
    return MemoryText(name_of(path), (f"{text}\n" for _, text in chain(start, lines)))


def _lines_of(path, encoding: str) -> Iterator[Line]:
    pieces = whole_lines(read_text([path], "char", encoding, quotes=True))
    texts = (text for piece in pieces for text in piece.split("\n")[:-1])
    return ((f"{name_of(path)}, line {number:,}", text) for number, text in enumerate(texts, 1))


def _column(path, reader: ColumnReader, lines: Iterable[Line]) -> MemoryText:
    rows = read_rows(reader, lines)
    some = iter(lambda: list(islice(rows, 500)), [])
    return MemoryText(name_of(path), ("".join(f"{text}\n" for text in _texts(part)) for part in some))


def _texts(rows: list[tuple[str, list[Value]]]) -> Iterator[str]:
    """The text of each row of one column; those of white space only are left out, as blank lines are."""
    for where, (value,) in rows:
        if isinstance(value, list):
            raise CorpusError(f"{where} has a list; give a text, or leave the line out")
        if value.strip():
            yield value


def split_fields(line: str, delimiter: str) -> list[str]:
    """The fields of a line without quotes."""
    if delimiter == WHITE:
        line, delimiter = line.replace("\t", " "), SPACES
    return [field for field in line.split(" ") if field] if delimiter == SPACES else line.split(delimiter)


def without_empty_end(fields: list[str], width: int) -> list[str]:
    """The fields without those after the last column that are empty."""
    while len(fields) > width and not fields[-1].strip():
        fields = fields[:-1]
    return fields


def _number_of_columns(number: int) -> str:
    return "one column" if number == 1 else f"{number} columns"


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
