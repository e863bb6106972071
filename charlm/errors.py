"""What can go wrong, as a small tree. The command line turns it into one line and an exit code (see cli/)."""


class CharlmError(Exception):
    """Something that the person at the keyboard can mend; the message says what, where, and the way out, in one line,
    whatever stands in the names and files that it quotes."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.splitlines()))


class UsageError(CharlmError):
    """A setting that cannot be, or two that do not go together."""


class CorpusError(CharlmError):
    """A text that cannot be read, or that is too short for what is asked of it."""


class ModelFileError(CharlmError):
    """A file that is not a model, is damaged, or cannot be written."""


class DivergedError(CharlmError):
    """The loss is no longer a finite number."""


class SamplingError(CharlmError):
    """No sequence that may be shown could be drawn."""
