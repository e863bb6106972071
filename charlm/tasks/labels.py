"""What classification and generation by label have in common: lines with labels, and predictions of labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

import numpy as np

from ..errors import CorpusError
from ..network.architecture import Architecture
from .examples import OnExamples, check_names, labelled, numbers_of

WEIGHED = 1 << 16  # texts times labels at a time


@dataclass(frozen=True)
class Labels(OnExamples):
    """The labels of a task, the most frequent first.

    Each of these tasks has ``probabilities(window, vocabulary, texts)``: of each label for each text, (texts, labels).
    """

    labels: tuple[str, ...]

    architecture: ClassVar[type] = Architecture
    options: ClassVar[tuple] = ("top",)
    most_epochs: ClassVar[float] = 30

    @classmethod
    def from_fields(cls, fields):
        return cls(check_names(fields["labels"], "label"))

    def fields(self):
        return {"labels": list(self.labels)}

    def in_words(self):
        return f"{self.name}, {len(self.labels):,} labels: {', '.join(self.labels)}"

    def window(self, network, steps, rows, training=False):
        from ..network.sequences import Windows

        return Windows(network, rows, training)

    def items(self, lines, last=False):
        return lines, []

    def some_of(self, texts: list[str]) -> Iterator[list[str]]:
        """The texts, as many at a time as may be weighed against all labels at once."""
        number = max(1, WEIGHED // len(self.labels))
        return (texts[first : first + number] for first in range(0, len(texts), number))

    def predict(self, window, vocabulary, texts: list[str], top=1) -> list[dict]:
        """For each text the ``top`` likeliest labels and their probabilities, falling."""
        found = (self.likeliest(self.probabilities(window, vocabulary, some), top) for some in self.some_of(texts))
        return list(chain.from_iterable(found))

    def likeliest(self, chances: np.ndarray, top: int) -> list[dict]:
        """For each row the ``top`` likeliest labels and their probabilities, falling. chances: (rows, labels)."""
        order = np.argsort(-chances, axis=1, kind="stable")[:, :top]
        falling = np.take_along_axis(chances, order, 1).tolist()
        names = [[self.labels[number] for number in row] for row in order.tolist()]
        return [dict(zip(*pair, strict=True)) for pair in zip(names, falling, strict=True)]

    def row(self, text, prediction):
        return "\t".join(f"{label}\t{chance:.4f}" for label, chance in prediction.items())

    def record(self, text, prediction):
        label, chance = next(iter(prediction.items()))
        return {"label": label, "probability": chance, "labels": prediction, "text": text}

    def answered(self, lines) -> tuple[list[str], list[str]]:
        """The labels and the texts of lines (where, line), blank ones left out. Raises CorpusError where a label is
        unknown, or there is no line."""
        labels, texts = [], []
        for where, line in lines:
            if line.strip():
                label, text = labelled(where, line)
                numbers_of([label], self.labels, where)
                labels.append(label)
                texts.append(text)
        if not texts:
            raise CorpusError("there is no line that is not blank to evaluate")
        return labels, texts
