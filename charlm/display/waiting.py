"""What a command says while it works and shows nothing."""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from . import say

FIRST, EVERY = 3.0, 10.0  # seconds of silence before the first line and between two lines


class Waiting:
    """Within a ``with`` block, says on stderr what goes on while nothing is shown: after FIRST seconds, and then every
    EVERY seconds. On a terminal each line takes the place of the one before.

    describe: returns the line; it is called in another thread. quiet: say nothing.
    """

    def __init__(self, describe: Callable[[], str], quiet: bool = False, first: float = FIRST, every: float = EVERY):
        self._describe, self._quiet, self._first, self._every = describe, quiet, first, every
        self._lock, self._ended, self._line_stands = threading.Lock(), threading.Event(), False
        self._next = time.monotonic() + first
        self._in_place = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Waiting":
        if not self._quiet:
            self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._ended.set()
        if not self._quiet:
            self._thread.join()
        self._clear()

    @contextmanager
    def shows(self) -> Iterator[None]:
        """Within this block something is shown: no line comes between, and the silence begins again after it."""
        with self._lock:
            self._clear()
            try:
                yield
            finally:
                self._next = time.monotonic() + self._first

    def _watch(self):
        while not self._ended.wait(max(0.01, self._next - time.monotonic())):
            with self._lock:
                if time.monotonic() >= self._next and not self._ended.is_set():
                    self._say(self._describe())
                    self._next = time.monotonic() + self._every

    def _say(self, line):
        if not self._in_place:
            say(line)
            return
        self._clear()
        width = max(20, shutil.get_terminal_size().columns)
        _write(line if len(line) < width else line[: width - 2] + "…")
        self._line_stands = True

    def _clear(self):
        if self._line_stands:
            _write("\r\x1b[K")
            self._line_stands = False


def _write(text):
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass  # stderr is closed
