"""What a person sees: lines on stderr, and text made safe for a terminal. The modules say what is said of what.

    training    a training: what it is, how it goes, what it came to
    scores      what was drawn, scored and compared
    colour      a text painted by its surprise
    model       what is in a model file

stdout carries data; everything here that is not sampled text goes to stderr. An error line must not cost the import of
NumPy or rich: what is shown is imported by whoever made it.
"""

import sys

from ..text.visible import visible


def say(line: str) -> None:
    """One line for the person at the keyboard, on stderr."""
    try:
        sys.stderr.write(visible(line) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass  # nobody listens


def write_text(text: str) -> None:
    """Sampled text to stdout as it is drawn: exact into a file or a pipe, made visible on a terminal."""
    write(visible(text) if sys.stdout is not None and sys.stdout.isatty() else text)


def write(text: str) -> None:
    """Text to stdout, exact. Raises OSError where that is closed."""
    if sys.stdout is None:
        raise OSError(None, "it is closed")
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()
