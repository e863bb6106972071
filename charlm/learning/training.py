"""A training that a Python program goes through report by report, and may leave at any time with the best model so far.

training = Training(TrainingSession("text.txt", TrainingFiles(), {"minutes": 5}))
for report in training:
    if report.valid_loss is not None and report.valid_loss < 1.5:
        break
training.best.save("m.npz")
"""

import signal
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..model import Model
from .progress import Report
from .session import TrainingSession


class Training:
    """An iterable of ``Report``: the iteration trains. ``best`` is the best model so far, at any time after the first
    report. interrupts: the Ctrl-C that wait for the end of an update (``held_interrupts``).

    However the iteration ends, the training is closed: its locks and threads are released and, with ``output``, its
    checkpoint is saved, so that another training can resume it. After ``break``, Python ends the iteration at once.
    After an exception in the body of the loop, it may keep the iteration alive for its traceback: ``with training:``
    around the loop closes it in any case.

    Ctrl-C during an update waits until the update is complete, and then raises KeyboardInterrupt; pressed twice, it
    raises at once.

    Raises the errors of ``TrainingSession`` when the training is opened: by ``with``, or by the first report.
    """

    def __init__(self, session: TrainingSession):
        self.session = session
        self.interrupts: list[int] = []
        self._reports: Any = None  # the generator of the session
        self._is_open = self._is_over = self._is_stopping = False

    @property
    def best(self) -> Model:
        """The model with the lowest held-out loss so far; the latest one where nothing is held out or measured yet.

        Raises UsageError before the first report.
        """
        if not self.session.done and (self._reports is None or not self.session.trainer.step):
            raise UsageError("the training has no model yet; iterate over it (for report in training: …)")
        return self.session.best

    @property
    def finished(self) -> bool:
        """Whether the training came to its end, and was not stopped or left."""
        return self._reports is not None and self.session.finished

    @property
    def kept(self) -> Path | None:
        """The file that keeps the model which was at the output before, from the end of the training on; None where
        there is none."""
        return self.session.kept

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C has stopped the training."""
        return bool(self.interrupts)

    def __enter__(self) -> "Training":
        if self._is_over:
            raise UsageError("this training is over; begin another one, or continue it with resume=True")
        if not self._is_open:
            with self._told():
                self.session.__enter__()
            self._is_open = True
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell the other ranks of a job about an error, so that they end too."""
        try:
            yield
        except BaseException as error:
            self.session.ranks.tell(error)
            raise

    def stop(self) -> None:
        """End the training before its next update; the iteration is then over."""
        self._is_stopping = True

    def close(self) -> None:
        """End the training where it is, as leaving its loop does. A second call does nothing."""
        if self._is_open:
            self._is_open, self._is_over = False, True
            try:
                if self._reports is not None:
                    self._reports.close()
            finally:
                self.session.__exit__(None, None, None)

    def __iter__(self) -> Generator[Report, None, None]:
        with closing(self.run()) as found:
            yield from found
        if self.interrupted:
            raise KeyboardInterrupt

    def run(self, stop: Callable[[], bool] = lambda: False) -> Generator[Report, None, None]:
        """The reports to the end of the training, or until ``stop()`` is true after an update, or Ctrl-C stops it."""
        with self:
            self._reports = self.session.run(lambda: self.interrupted or self._is_stopping or stop())
            with closing(self._reports):
                while True:
                    with held_interrupts(self.interrupts), self._told():
                        report: Report | None = next(self._reports, None)
                    if report is None:
                        return
                    yield report


@contextmanager
def held_interrupts(came: list[int]) -> Iterator[None]:
    """Let Ctrl-C append to ``came`` instead of raising KeyboardInterrupt; if one has come before, it raises.

    It does nothing outside the main thread, or where the program handles Ctrl-C itself.
    """
    is_ours = threading.current_thread() is threading.main_thread()
    if not is_ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def hold(number: int, frame: object) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
