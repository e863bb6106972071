"""What a command does when it gets a signal."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread, current_thread, main_thread

AT_ONCE = (signal.SIGINT, signal.SIGTERM)  # a second one of these ends the program at once


@contextmanager
def caught_signals() -> Iterator[list[int]]:
    """A list that gets the first SIGINT, SIGTERM or SIGHUP (somebody closed the terminal), so that the program can
    finish its update and save. A second signal ends the program at once, but for SIGHUP, which system and shell both
    send. A signal that is ignored, as under ``nohup``, stays so.

    A thread reads the signals. Python would tell the main thread only after the kernel that it is running.
    """
    caught = []
    if current_thread() is not main_thread():  # only the main thread may handle signals
        yield caught
        return
    ending = [*AT_ONCE, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    numbers = [number for number in ending if signal.getsignal(number) is not signal.SIG_IGN]
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def read_signals():
        while came := os.read(reading, 1):
            if came[0] in numbers:
                if not caught:
                    caught.append(came[0])
                elif came[0] in AT_ONCE:
                    os._exit(128 + came[0])

    reader = Thread(target=read_signals, daemon=True)
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
    """Let ``charlm … | head`` end quietly when ``head`` has closed the pipe, as other filters do."""
    if hasattr(signal, "SIGPIPE"):
        try:
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        except ValueError:
            pass  # not in the main thread
