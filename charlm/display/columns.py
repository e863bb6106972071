"""Text in the columns of a terminal: how wide it is, and how it is broken or cut to fit."""

import os
import sys
import unicodedata
from collections.abc import Iterable


def width_of(text: str) -> int:
    """The columns that a terminal needs for a text: 2 for a wide character, 0 for a mark on the character before it."""
    return len(text) if text.isascii() else sum(map(_width_of_character, text))


def _width_of_character(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most ``width`` columns, broken at spaces only: a word that is longer keeps its line. A
    line after the first one is indented by two more."""
    if width_of(text) <= width:
        return [text]
    indent = text[: len(text) - len(text.lstrip(" "))]
    lines, line = [], indent
    for word in text.lstrip(" ").split(" "):
        longer = f"{line} {word}" if line.strip() else line + word
        if line.strip() and width_of(longer) > width:
            lines.append(line.rstrip())
            line = f"{indent}  {word}"
        else:
            line = longer
    return [*lines, line.rstrip()]


def cut(text: str, width: int) -> str:
    """The text, or its beginning and … where it needs more than ``width`` columns."""
    if width_of(text) <= width:
        return text
    used, kept = 0, ""
    for character in text:
        used += _width_of_character(character)
        if used > width - 1:
            break
        kept += character
    return f"{kept}…"


def first_that_fits(texts: Iterable[str], width: int) -> str:
    """The first of some texts that needs at most ``width`` columns; else the last one."""
    text = ""
    for text in texts:
        if width_of(text) <= width:
            break
    return text


def terminal_width() -> int | None:
    """The columns of the terminal that shows stderr; None where stderr is not shown on a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def is_ascii_only() -> bool:
    """Whether stderr cannot show other characters than those of ASCII."""
    try:
        "●━".encode(getattr(sys.stderr, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return True
    return False
