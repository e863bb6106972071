"""The .ts files of the time-series archives: lines that begin with @ say what follows after @data, where each line is a
sequence, channel after channel: numbers with commas between them, a colon after each channel, the label at the end.

A line that begins with # is a comment. Sequences may be of different lengths, the channels of one sequence not.
"""

from functools import partial

import numpy as np

from ..errors import CorpusError
from ..text.columns import Line
from .channels import Channels
from .examples import VectorExample, check_steps, numbers


def begins_ts(line: str) -> bool:
    """Whether a file with this first line, which is not blank, is a .ts file."""
    return line.lstrip().startswith(("@", "#"))


class TsReader:
    """Reads the lines of a .ts file; the arguments are those of ``tables.TableReader``."""

    def __init__(self, channels: Channels | None, *, needs_answers: bool, of_steps: bool):
        self.channels, self.needs_answers, self.of_steps = channels, needs_answers, of_steps
        self.dimensions = len(channels) if channels else 0  # 0 until the first sequence
        self.labels: list[str] = []
        self.has_labels = self.has_begun = False
        self._where = ""

    def read(self, lines: list[Line], last: bool = False) -> list[VectorExample]:
        """The examples in these lines. Raises CorpusError for a file that charlm cannot read."""
        found = []
        for where, line in lines:
            self._where, line = where, line.strip()
            if not line or line.startswith("#"):
                continue
            if not self.has_begun:
                self._header(where, line)
                continue
            try:
                found.append(self._example(where, line))
            except CorpusError as error:
                found.append(VectorExample.unreadable(where, error))
        if last and not self.has_begun:
            raise CorpusError(f"{self._where} ends a .ts file that has no line @data; its sequences follow that line")
        return found

    def _header(self, where: str, line: str) -> None:
        name, *values = line.split()
        name, is_true = name.lower(), [value.lower() for value in values[:1]] == ["true"]
        if not name.startswith("@"):
            raise CorpusError(f"{where} stands before the line @data, and does not begin with @: {line!r:.40}")
        if name == "@classlabel":
            self.has_labels, self.labels = is_true, values[1:]
        elif name == "@targetlabel" and is_true:
            raise CorpusError(f"{where}: charlm learns labels, and not a number for each sequence (@targetLabel true)")
        elif name == "@timestamps" and is_true:
            raise CorpusError(f"{where}: charlm reads no time stamps (@timeStamps true); write the values alone")
        elif name == "@data":
            self.has_begun = True
            self._check_answers(where)

    def _check_answers(self, where: str) -> None:
        if self.of_steps and self.needs_answers:
            raise CorpusError(
                f"{where}: a .ts file has one label for each sequence, and --task tag needs one for each step: write a "
                "table with a step on each line"
            )
        if self.needs_answers and not self.has_labels:
            raise CorpusError(f"{where}: the file has no labels; a line @classLabel true with their names says that")

    def _example(self, where: str, line: str) -> VectorExample:
        *parts, label = line.split(":") if self.has_labels else [*line.split(":"), ""]
        label = label.strip()
        self.dimensions = self.dimensions or len(parts)
        if len(parts) != self.dimensions or not parts:
            raise CorpusError(
                f"{where} has {len(parts)} channels and not {self.dimensions}, as the "
                f"{'model' if self.channels else 'lines before it'} have: a colon stands after each channel"
            )
        if self.has_labels and self.labels and label not in self.labels:
            raise CorpusError(f"{where} has the label {label!r:.40}, which the line @classLabel does not name")
        columns = []
        for channel, part in enumerate(parts, 1):
            fields = part.split(",")
            check_steps(len(fields), where)
            columns.append(numbers(fields, partial(_place, where, channel)))
            if len(columns[-1]) != len(columns[0]):
                raise CorpusError(
                    f"{where} has {len(fields)} numbers for channel {channel} and {len(columns[0])} for channel 1: all "
                    "channels of a sequence have a number for each step"
                )
        answers = [label] if self.has_labels and not self.of_steps else []
        values, places = np.array(columns, np.float64).T, [where] * len(answers)
        return VectorExample(where=where, values=values, answers=answers, places=places)


def _place(where: str, channel: int, index: int) -> tuple[str, str]:
    return f"{where} (step {index + 1:,})", str(channel)
