"""Lines for people that keep to the width of a terminal. No word is broken that fits into a line.

A file or a pipe has no width (None): its lines are as long as they are, and programs may read them.
"""

import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence

from ..ranks import announced

NARROW = 52  # columns of a terminal in which a name and its value no longer fit beside each other


def is_terminal_output() -> bool:
    """Whether stdout is a terminal that a person reads. What a process of an MPI job writes, its launcher passes on: a
    terminal between the two says nothing."""
    return sys.stdout is not None and sys.stdout.isatty() and announced()[1] == 1


def terminal_width() -> int | None:
    """The columns of the terminal that stdout is, None where it is a file or a pipe."""
    if not is_terminal_output():
        return None
    return max(20, shutil.get_terminal_size().columns)


def width_of(text: str) -> int:
    """The columns that a terminal needs for a text: 2 for a wide character, 0 for a mark on the character before it."""
    return len(text) if text.isascii() else sum(map(_width_of_character, text))


def _width_of_character(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrapped(line: str, width: int | None, indent: int = 0, *, breaks_words: bool = True) -> list[str]:
    """A line, or several where it is wider than ``width``; all but the first begin with ``indent`` blanks. It is broken
    at spaces. breaks_words: break a word too that does not fit into a line; otherwise it keeps a line of its own, from
    which a person can copy it whole."""
    if width is None or width_of(line) <= width:
        return [line]
    lines, part = [], line[: len(line) - len(line.lstrip(" "))]
    for word in line.lstrip(" ").split(" "):
        longer = f"{part} {word}" if part.strip() else part + word
        if part.strip() and width_of(longer) > width:
            lines.append(part.rstrip())
            longer = " " * indent + word
        while breaks_words and width_of(longer) > width:
            begun = _beginning(longer, width)
            lines.append(begun)
            longer = " " * indent + longer[len(begun) :]
        part = longer
    return [*lines, part.rstrip()]


def _beginning(text: str, width: int) -> str:
    """As much of the text as fits into ``width`` columns, at least one character after its indent."""
    used, least = 0, len(text) - len(text.lstrip(" ")) + 1
    for number, character in enumerate(text):
        used += _width_of_character(character)
        if used > width and number >= least:
            return text[:number]
    return text


def cut(text: str, width: int) -> str:
    """The text, or its beginning and … where it needs more than ``width`` columns."""
    return text if width_of(text) <= width else f"{_beginning(text, width - 1)}…"


def first_that_fits(texts: Iterable[str], width: int) -> str:
    """The first of some texts that needs at most ``width`` columns; else the last one."""
    text = ""
    for text in texts:
        if width_of(text) <= width:
            break
    return text


def wrapped_text(text: str, width: int | None) -> str:
    """A text of whole lines, each of them wrapped."""
    if width is None:
        return text
    return "".join(part + "\n" for line in text.split("\n")[:-1] for part in wrapped(line, width, 2))


def named_values(rows: Iterable[tuple[str, str]], name_width: int, width: int | None = None) -> list[str]:
    """Names and their values, the values below each other. In a narrow terminal a value is below its name."""
    lines = []
    for name, value in rows:
        line = f"{name:<{name_width}} {value}"
        if width is not None and width_of(line) > width and width < NARROW:
            lines += [name, *wrapped(f"  {value}", width, 2)]
        else:
            lines += wrapped(line, width, name_width + 1)
    return lines


def fits(lines: Iterable[str], width: int | None) -> bool:
    """Whether no line is wider than ``width``."""
    return width is None or max(map(width_of, lines), default=0) <= width


def stacked(head: Sequence[str], rows: Iterable[Sequence[str]], width: int | None) -> list[str]:
    """A table that is too wide for a terminal: each row as its first cell, and below it the others with their names."""
    lines = []
    for row in rows:
        lines += wrapped(f"{head[0]} {row[0].strip()}".strip(), width, 2)
        cells = [f"  {name} {cell.strip()}" for name, cell in zip(head[1:], row[1:], strict=True) if cell.strip()]
        lines += [line for cell in cells for line in wrapped(cell, width, 4)]
    return lines
