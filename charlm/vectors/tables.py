"""Tables of vectors: a step on each line, its numbers in columns, a blank line after each sequence.

The last column has the answers. Of a file with one answer for each sequence it is that of the first step; later steps
repeat it, or leave the column empty. A file without answers, to predict for, lacks the column. The first line may be a
heading. Tabs, commas, semicolons or spaces separate the columns; double quotes may enclose a field.
"""

import csv

import numpy as np

from ..errors import CorpusError
from ..text.columns import DELIMITERS, SPACES, Line, beginnings, split_fields
from .channels import Channels
from .examples import MISSING, VectorExample, check_steps, numbers

NO_CHANNELS = "write the numbers of a step and then its label or tag on each line, separated by tabs, commas or spaces"


class TableReader:
    """Cuts the lines of a table into examples.

    channels: those of a model, None where a file of examples says how many there are. needs_answers: an example without
    answers is an error. of_steps: each step has an answer of its own.
    """

    def __init__(self, channels: Channels | None, *, needs_answers: bool, of_steps: bool):
        self.channels, self.needs_answers, self.of_steps = channels, needs_answers, of_steps
        self.delimiter = ""  # until the first line is read
        self.width = 0
        self.names: tuple[str, ...] = ()
        self._sequence: list[Line] = []

    def read(self, lines: list[Line], last: bool = False) -> list[VectorExample]:
        """The examples that end in these lines. last: the file ends with them. Raises CorpusError where the columns
        cannot be."""
        found = []
        for where, line in lines:
            if not line.strip():
                found += self._ended()
            elif not self.delimiter and self._begin(where, line):
                continue
            else:
                self._sequence.append((where, line))
                check_steps(len(self._sequence), self._sequence[0][0])
        return found + (self._ended() if last else [])

    def _begin(self, where: str, line: str) -> bool:
        """Find the columns in the first line. Returns whether it is a heading."""
        self.delimiter = next((delimiter for delimiter in "\t,;" if delimiter in line), SPACES)
        fields = self._fields(where, line)
        self.width = len(fields)
        is_heading = not any(map(_may_be_number, fields[:-1] or fields))
        self._check_width(where, fields)
        if is_heading:
            self.names = tuple(field.strip() for field in fields[: self._count])
            if not all(self.names) or len(set(self.names)) < len(self.names):
                raise CorpusError(f"{where} is a heading with an empty name, or one name twice: name each channel")
        return is_heading

    @property
    def _count(self) -> int:
        """The number of channels."""
        return len(self.channels) if self.channels else self.width - 1

    def _check_width(self, where: str, fields: list[str]) -> None:
        separated = f"separated by {DELIMITERS[self.delimiter]}" if self.width > 1 else "with no tab, comma or space"
        if self.channels is None:
            if self.width < 2:
                raise CorpusError(f"{where} has one column ({separated}): {beginnings(fields)}; {NO_CHANNELS}")
            return
        C = len(self.channels)
        if self.width == C and self.needs_answers:
            raise CorpusError(f"{where} has {C} columns ({separated}), those of the model's channels, and no answer")
        if self.width not in (C, C + 1):
            raise CorpusError(
                f"{where} has {self.width if self.width > 1 else 'one'} column{'s' if self.width > 1 else ''} "
                f"({separated}), and the model reads {C} channels, with or without one more column at the end"
            )

    def _fields(self, where: str, line: str) -> list[str]:
        if '"' not in line:
            return split_fields(line, self.delimiter)
        try:
            reader = csv.reader(
                [line], delimiter=self.delimiter, skipinitialspace=self.delimiter == SPACES, strict=True
            )
            return next(reader)
        except (csv.Error, StopIteration):
            raise CorpusError(f"the quotes in {where} are not those of CSV; mend the line") from None

    def _ended(self) -> list[VectorExample]:
        """The example that the lines of a sequence are; none where there are no lines."""
        lines, self._sequence = self._sequence, []
        if not lines:
            return []
        where = lines[0][0]
        try:
            return [self._example(where, lines)]
        except CorpusError as error:
            return [VectorExample.unreadable(where, error, [line for _, line in lines])]

    def _example(self, where: str, lines: list[Line]) -> VectorExample:
        count, rows, answers = self._count, [], []
        for place, line in lines:
            fields = self._fields(place, line)
            if len(fields) != self.width:
                raise CorpusError(
                    f"{place} has {len(fields)} columns and not {self.width} (separated by "
                    f"{DELIMITERS[self.delimiter]}), as the lines before it have; mend the line"
                )
            rows.append(self._numbers(place, fields[:count]))
            answers += [field.strip() for field in fields[count:]]
        values, places = np.array(rows, np.float64).reshape(len(rows), count), [place for place, _ in lines]
        if not self.of_steps:
            answers, places = self._one_answer(answers, places), places[:1]
        return VectorExample(
            where=where,
            values=values,
            answers=answers,
            places=places,
            lines=[] if self.needs_answers else [line for _, line in lines],
            names=self.names,
        )

    def _numbers(self, place: str, fields: list[str]) -> list[float]:
        return numbers(fields, lambda index: (place, self.names[index] if self.names else str(index + 1)))

    def _one_answer(self, answers: list[str], places: list[str]) -> list[str]:
        """The answer of a sequence, from those of its steps."""
        for answer, place in zip(answers, places, strict=False):
            if answer not in ("", answers[0]):
                raise CorpusError(
                    f"{place} has {answer!r:.40} in its last column, and {places[0]}, the first step of its sequence, "
                    f"{answers[0]!r:.40}: repeat what stands there, or put a blank line between two sequences"
                )
        return answers[:1]


def _may_be_number(field: str) -> bool:
    """Whether a field is a number, or stands for a missing one, and so is no name in a heading."""
    try:
        float(field)
    except ValueError:
        return field.strip().lower() in MISSING
    return True
