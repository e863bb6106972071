"""An example: a sequence of vectors, and what stands beside it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..errors import CorpusError

LONGEST = 1 << 16  # steps of a sequence: the network keeps all of them in memory
LARGEST = 1e30  # of a number in a file, positive or negative: float32 holds its distance from a mean
MISSING = (
    "",
    "?",
    "nan",
    "na",
    "n/a",
    "null",
    "none",
    "-nan",
    "+nan",
)  # what stands for a missing value, in lower case
FILL = "fill it in (with the value before it, or the mean of its channel), or leave the sequence out"


@dataclass(kw_only=True)
class VectorExample:
    """where: its first step, for messages. values: float64 (T, C). answers: what stands in the last column of each
    step, "" for nothing; of files with one answer for each sequence, a list of one; [] where there is none. places:
    where each answer is. lines: those of a table to predict for, else []. names: of the channels, () where the file has
    none. error: why it cannot be read, None where it can."""

    where: str
    values: np.ndarray
    answers: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    names: tuple[str, ...] = ()
    error: CorpusError | None = None

    @classmethod
    def unreadable(cls, where: str, error: CorpusError, lines: list[str] | None = None) -> "VectorExample":
        """An example that cannot be read, and why."""
        return cls(where=where, values=np.zeros((1, 0)), lines=lines or [], error=error)


def numbers(fields: list[str], place: Callable[[int], tuple[str, str]]) -> list[float]:
    """The numbers in some fields. place: index → where the field is and the name of its channel, for the CorpusError of
    a number that is missing, infinite or none."""
    try:
        found = list(map(float, fields))
    except ValueError:
        found = [math.nan]
    if all(-LARGEST <= value <= LARGEST for value in found) and not any("_" in text for text in fields):
        return found
    return [_number(text.strip(), *place(index)) for index, text in enumerate(fields)]


def _number(text: str, where: str, channel: str) -> float:
    """The number in a field. channel: its name."""
    if text.lower() in MISSING:
        raise missing(where, channel)
    try:
        value = float(text) if "_" not in text else None  # Python takes 1_000 for a number
    except ValueError:
        value = None
    if value is None:
        raise CorpusError(f"{where} has {text!r:.40} for channel {channel}, which is no number; mend it")
    if not -LARGEST <= value <= LARGEST:
        raise too_large(value, where, channel)
    return value


def missing(where: str, channel: str) -> CorpusError:
    """The error for a value that is missing."""
    return CorpusError(f"{where} has no value for channel {channel}; {FILL}")


def too_large(value: float, where: str, channel: str) -> CorpusError:
    """The error for a number that is infinite or too large."""
    what = "an infinite number" if math.isinf(value) else f"{value:g}, and charlm reads numbers up to {LARGEST:g},"
    return CorpusError(f"{where} has {what} for channel {channel}; scale the channel, or leave the sequence out")


def check_steps(steps: int, where: str) -> None:
    """Raise CorpusError where a sequence is too long."""
    if steps > LONGEST:
        raise CorpusError(
            f"the sequence at {where} has more than {LONGEST:,} steps; put a blank line after each sequence, or cut it"
        )
