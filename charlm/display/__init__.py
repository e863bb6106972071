"""What a person sees: tables, lines and colours for the terminal.

    live        a training while it runs: a block on a terminal, a dozen lines in a pipe
    closing     how a training ended, and what to type next
    model       the contents of a model file
    scores      figures of samples, scores and comparisons
    colour      a text painted by its surprise
    waiting     what goes on while a command shows nothing

stdout carries data, and everything else goes to stderr. An error must not cost the import of NumPy or rich: the modules
import them inside functions, or get what they show from their callers.
"""

import os
import sys

from ..text.layout import is_terminal_output, wrapped
from ..text.visible import visible


def say(line: str) -> None:
    """Write one line to stderr, for the person at the keyboard. On a terminal, no word is broken."""
    try:
        line = visible(line)
        lines = wrapped(line, stderr_width(), len(line) - len(line.lstrip(" ")) + 2, breaks_words=False)
        sys.stderr.write("".join(f"{part}\n" for part in lines))
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass  # stderr is closed


def stderr_width() -> int | None:
    """The columns of the terminal that stderr is; None where it is a file or a pipe, or closed."""
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


def write_text(text: str) -> None:
    """Write text to stdout: exactly into a file or a pipe, with control characters made visible on a terminal."""
    write(visible(text) if is_terminal_output() else text)


def write(text: str) -> None:
    """Write text to stdout, exactly. Raises OSError if stdout is closed."""
    if sys.stdout is None:
        raise OSError(None, "it is closed")
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()
