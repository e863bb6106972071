"""What a signal does to a command."""

import os
import signal


def note_signals(caught: list) -> None:
    """Note the first SIGINT or SIGTERM, so that the update under way can end; the second ends the program at once."""

    def note(number, frame):
        if caught:
            os._exit(128 + number)
        caught.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            signal.signal(number, note)
        except ValueError:
            pass  # not in the main thread


def end_with_the_reader():
    """Let ``charlm … | head`` end as other filters do, when nobody reads any more."""
    if hasattr(signal, "SIGPIPE"):
        try:
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        except ValueError:
            pass  # not in the main thread
