"""What a person sees: tables, lines and colours for the terminal.

    training    how a training starts, goes on and ends
    model       the contents of a model file
    scores      figures of samples, scores and comparisons
    colour      a text painted by its surprise

stdout carries data, and everything else goes to stderr. An error must not cost the import of NumPy or rich: the modules
import them inside functions, or get what they show from their callers.
"""

import sys

from ..text.visible import visible


def say(line: str) -> None:
    """Write one line to stderr, for the person at the keyboard."""
    try:
        sys.stderr.write(visible(line) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass  # stderr is closed


def write_text(text: str) -> None:
    """Write text to stdout: exactly into a file or a pipe, with control characters made visible on a terminal."""
    write(visible(text) if sys.stdout is not None and sys.stdout.isatty() else text)


def write(text: str) -> None:
    """Write text to stdout, exactly. Raises OSError if stdout is closed."""
    if sys.stdout is None:
        raise OSError(None, "it is closed")
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()
