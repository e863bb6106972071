"""Lines for people that keep to the width of a terminal. No word is broken that fits into a line.

A file or a pipe has no width (None): its lines are as long as they are, and programs may read them.
"""

import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence

NARROW = 52  # columns of a terminal in which a name and its value no longer fit beside each other


def terminal_width() -> int | None:
    """The columns of the terminal that stdout is, None where it is a file or a pipe."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    return max(20, shutil.get_terminal_size().columns)


def wrapped(line: str, width: int | None, indent: int = 0) -> list[str]:
    """A line, or several where it is wider than ``width``; all but the first begin with ``indent`` blanks."""
    if width is None or len(line) <= width:
        return [line]
    return textwrap.wrap(line, width, subsequent_indent=" " * indent, break_on_hyphens=False) or [""]


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
        if width is not None and len(line) > width and width < NARROW:
            lines += [name, *wrapped(f"  {value}", width, 2)]
        else:
            lines += wrapped(line, width, name_width + 1)
    return lines


def fits(lines: Iterable[str], width: int | None) -> bool:
    """Whether no line is wider than ``width``."""
    return width is None or max(map(len, lines), default=0) <= width


def stacked(head: Sequence[str], rows: Iterable[Sequence[str]], width: int | None) -> list[str]:
    """A table that is too wide for a terminal: each row as its first cell, and below it the others with their names."""
    lines = []
    for row in rows:
        lines += wrapped(f"{head[0]} {row[0].strip()}".strip(), width, 2)
        cells = [f"  {name} {cell.strip()}" for name, cell in zip(head[1:], row[1:], strict=True) if cell.strip()]
        lines += [line for cell in cells for line in wrapped(cell, width, 4)]
    return lines
