"""A training while it runs: one block on a terminal or in a notebook, a dozen lines in a pipe or a file.

with shown(session) as show:
    for report in session.run():
        show(report)
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ..learning.description import best_baseline, how_far
from ..learning.options import BY_NAME
from ..learning.preview import Preview
from ..reports.loss_curve import in_characters
from ..text.durations import short
from ..text.layout import first_that_fits, width_of, wrapped
from . import is_ascii_only, say, stderr_width

if TYPE_CHECKING:
    from ..learning.progress import Report
    from ..learning.session import TrainingSession

PARTS = 12  # lines that a whole training writes into a pipe or a file, about
REDRAWN = 0.5  # seconds between two pictures of the block, at least
WIDEST, CURVE = 100, 6  # columns of the block, at most; lines of its curve
COMPILING = (
    "compiling charlm for this processor: about 10 seconds, only this once",
    "compiling for this processor: 10 s, only once",
    "compiling: about 10 seconds",
)


@contextmanager
def shown(session: TrainingSession, show: int | None = None, quiet: bool = False) -> Iterator[Callable[[Report], None]]:
    """Show the reports of a session that is open: yields the function that takes them.

    show: how many lines the model writes while it learns, None for the default of --show; only a terminal or a notebook
    shows them. quiet: show nothing.
    """
    if quiet:
        yield lambda report: None
    elif not can_redraw():
        yield _Milestones(session).show
    else:
        with _Block(session, BY_NAME["show"].default if show is None else show) as block:
            yield block.show


def can_redraw() -> bool:
    """Whether stderr is a terminal on which a block can be drawn again in place, or a notebook."""
    if stderr_width() is not None:
        return os.environ.get("TERM") not in ("dumb", "unknown")
    from importlib.util import find_spec

    return _is_notebook() and find_spec("ipywidgets") is not None  # with which rich shows something that changes


def is_watched() -> bool:
    """Whether a person sees stderr at once: it is a terminal, or a notebook."""
    return stderr_width() is not None or _is_notebook()


def _is_notebook() -> bool:
    if "ipykernel" not in sys.modules:
        return False
    from rich.console import Console

    return Console(stderr=True).is_jupyter


def rollback_line(report: Report) -> str:
    return f"the loss diverged: rolled back to update {report.step:,}, with a lower learning rate"


class _Milestones:
    """A line for each twelfth of a training, for the last report, and for each rollback."""

    def __init__(self, session: TrainingSession):
        self._trainer, self._held_out = session.trainer, None
        self._done = int(session.trainer.state.progress * PARTS)  # a resumed training begins in the middle

    def show(self, report: Report) -> None:
        if report.rolled_back:
            say(rollback_line(report))
            return
        fraction, left = how_far(self._trainer, report)
        if _held_out_loss(report) is not None:
            self._held_out = _held_out_loss(report)
        part = min(int(fraction * PARTS), PARTS - 1)  # the last one is that of the end
        if part > self._done or self._trainer.finished:
            self._done = part
            say(self._line(report, fraction, left))

    def _line(self, report, fraction, left):
        parts = [f"{100 * fraction:3.0f} %", f"training loss {report.train_loss:.4f}"]
        if self._held_out is not None:
            parts.append(f"held-out loss {self._held_out:.4f}")
        if left is not None and not self._trainer.finished:
            parts.append(f"{short(left)} left")
        small = parts if self._held_out is None else [parts[0], *parts[2:]]  # without the training loss
        lines = ("   ".join(parts), "  ".join(parts), "  ".join(small))
        return first_that_fits(lines, stderr_width() or len(lines[0]))


def _held_out_loss(report: Report) -> float | None:
    """The held-out loss of a report, measured or estimated; None where it has none."""
    return report.sampled_loss if report.valid_loss is None else report.valid_loss


class _Block:
    """The block that shows a training on a terminal. rich asks it for its lines whenever it is drawn."""

    def __init__(self, session: TrainingSession, show: int):
        self._session, self._preview = session, Preview(session.trainer, show)
        self._report: Report | None = None
        self._held_out: float | None = None
        self._live: Any = None
        self._drawn, self._ascii_only = -math.inf, is_ascii_only()
        self._width, self._lines = 0, []  # of the last picture

    def __enter__(self) -> _Block:
        return self

    def __exit__(self, *error) -> None:
        self._stop()

    def show(self, report: Report) -> None:
        """Draw the block anew. A terminal that has gone away does not stop the training."""
        self._report = report
        if _held_out_loss(report) is not None:
            self._held_out = _held_out_loss(report)
        self._preview.refresh()
        now = time.monotonic()
        if now - self._drawn < REDRAWN and not report.rolled_back:
            return
        self._drawn = now
        try:
            if self._live is None:
                self._start()
            if report.rolled_back:
                say(rollback_line(report))
            if self._live:
                self._make_room()
                self._live.refresh()
        except (OSError, ValueError):
            self._stop()
            self._live = False

    def _start(self) -> None:
        """Begin to draw: at the first report, because until then a line about compiling may be shown."""
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True)
        self._live = Live(self, console=console, transient=True, auto_refresh=False, redirect_stdout=False)
        self._live.start()
        console.show_cursor(True)  # a second Ctrl-C ends the program at once: the terminal must still have a cursor

    def _make_room(self) -> None:
        """Erase the lines that a terminal has made of the last picture's lines, where it has become narrower: rich will
        erase one line for each that it wrote."""
        from rich.control import Control
        from rich.segment import ControlType

        width = stderr_width()
        if width and width < self._width:
            more = sum(max(0, width_of(line) - 1) // width for line in self._lines)
            self._live.console.control(Control(*((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)) * more))
        self._width = width or self._width

    def _stop(self) -> None:
        if self._live:
            with suppress(OSError, ValueError):
                self._live.stop()

    def __rich_console__(self, console, options) -> Iterator:
        from rich.text import Text

        if self._report is not None:
            width = stderr_width() or options.max_width  # rich would believe a COLUMNS that is not true
            lines = self.lines(min(WIDEST, width), console.size.height)
            self._lines = [line for line, _ in lines]
            yield Text("\n").join(Text(line, style, no_wrap=True, overflow="crop") for line, style in lines)

    def lines(self, width: int, height: int) -> list[tuple[str, str]]:
        """(line, style) of the block in a terminal of so many columns and lines; at least one line stays free."""
        width -= 1  # some terminals begin a new line after the last column
        head = [(self._progress(width), "bold"), *((line, "") for line in self._losses(width))]
        curve = [(line, "dim") for line in in_characters(self._session.losses, width, CURVE, self._ascii_only)]
        written = self._preview.lines(width - 2)
        if self._ascii_only:
            written = [line.encode("ascii", "replace").decode() for line in written]
        sample = [("the model writes now:", ""), *((f"  {line}", "green") for line in written)] if written else []
        free = height - 1 - len(head) - len(sample)
        return [*head, *(curve if len(curve) <= free else []), *sample][: max(1, height - 1)]

    def _progress(self, width: int) -> str:
        fraction, left = how_far(self._session.trainer, self._report)
        percentage = f"{100 * fraction:3.0f} %"
        end = percentage if left is None else f"{percentage}   {short(left)} left"
        columns = width - width_of(end) - 2
        if columns < 8:
            return end.strip()
        full, empty = "#-" if self._ascii_only else "━╌"
        done = round(fraction * columns)
        return f"{full * done}{empty * (columns - done)}  {end}"

    def _losses(self, width: int) -> list[str]:
        """The loss in words, beside that of the n-grams."""
        baseline = best_baseline(self._session)
        others = f"; {baseline[0]} get {baseline[1]:.3f}" if baseline else ""
        if self._held_out is None:
            others = ""
            words = [f"loss {self._report.train_loss:.3f} on the training text"]
        else:
            best = min(self._session.trainer.best_loss, self._held_out)
            words = [
                f"loss {self._held_out:.3f} on the held-out text, best {best:.3f}",
                f"loss {self._held_out:.3f}",
            ]
        texts = [f"{text}{others}; lower is better" for text in words] + [f"{words[-1]}{others}"]
        return wrapped(first_that_fits(texts, width), width, 2)


def compiling() -> AbstractContextManager | None:
    """Say that charlm compiles its kernels; on a terminal, a context manager that shows for how long."""
    if not can_redraw():
        say(COMPILING[0])
        return None
    return _compiling_shown()


@contextmanager
def _compiling_shown() -> Iterator[None]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    class Elapsed(TextColumn):
        def render(self, task):
            return f"{task.elapsed or 0:.0f} s"

    console, begun = Console(stderr=True, width=stderr_width()), time.monotonic()
    text = first_that_fits(COMPILING, console.width - 10)
    spinner = SpinnerColumn("line" if is_ascii_only() else "dots")
    with Progress(spinner, Elapsed(""), TextColumn(text), console=console, transient=True) as progress:
        progress.add_task("")
        console.show_cursor(True)
        yield
    say(f"compiled charlm for this processor in {short(time.monotonic() - begun)}; later runs need not")
