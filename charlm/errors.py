"""The errors that charlm raises, as a small tree. The command line turns each into one line and an exit code."""

from collections.abc import Iterable


class CharlmError(Exception):
    """An error that the user can correct. Its message says what is wrong, where, and what to do about it.

    The message is one line, even if the names and files that it quotes have line breaks.
    """

    def __init__(self, message: str):
        super().__init__(" ".join(message.splitlines()))


class UsageError(CharlmError):
    """An option has a value that is not possible, or two options do not go together."""


class PromptError(UsageError):
    """The model cannot begin a sample so: it has never seen a symbol, or the beginning is too long or several lines."""


class CorpusError(CharlmError):
    """A text cannot be read, or it is too short or of the wrong form for the request."""


class ModelFileError(CharlmError):
    """A file is not a model, is damaged, or cannot be written."""


class DivergedError(CharlmError):
    """Training diverged: the loss or a parameter is no longer a finite number."""


class SamplingError(CharlmError):
    """The sampler found fewer samples than requested, because it rejected too many."""


class RankError(CharlmError):
    """Another process of an MPI job has ended with an error, or does not answer. code: the exit code of the job."""

    def __init__(self, message: str, code: int = 1):
        super().__init__(message)
        self.code = code


class Note(UserWarning):
    """What charlm found in a file and goes by. Nothing is wrong, but a person may know better."""


def check_option_names(given: Iterable[str], names: Iterable[str], command: str) -> None:
    """Raise UsageError where a given option is not one of the names. command: the function that has
    them."""
    names = list(names)
    for name in given:
        if name not in names:
            from difflib import get_close_matches

            close = get_close_matches(name, names, 1)
            remedy = f"did you mean {close[0]!r}?" if close else f"help(charlm.{command}) lists the options"
            raise UsageError(f"there is no option {name!r}; {remedy}")
