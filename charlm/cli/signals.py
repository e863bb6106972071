"""What a signal does to a command."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread, current_thread, main_thread


@contextmanager
def noted_signals() -> Iterator[list[int]]:
    """A list for the first SIGINT or SIGTERM, so that the update under way can end; the second ends the program at
    once.

    A thread of its own reads them: the main thread would be told only when the kernel under way has ended.
    """
    caught = []
    if current_thread() is not main_thread():  # which alone may handle signals
        yield caught
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def note():
        while came := os.read(reading, 1):
            if came[0] in numbers:
                if caught:
                    os._exit(128 + came[0])
                caught.append(came[0])

    reader = Thread(target=note, daemon=True)
    reader.start()
    before = signal.set_wakeup_fd(writing)
    handlers = [signal.signal(number, lambda *_: None) for number in numbers]
    try:
        yield caught
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler or signal.SIG_DFL)
        signal.set_wakeup_fd(before)
        os.close(writing)
        reader.join()
        os.close(reading)


def end_with_the_reader():
    """Let ``charlm … | head`` end as other filters do, when nobody reads any more."""
    if hasattr(signal, "SIGPIPE"):
        try:
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        except ValueError:
            pass  # not in the main thread
