"""What classification and generation by label have in common: lines with labels, and predictions of labels."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import CorpusError
from ..network.architecture import Architecture
from .examples import OnExamples, check_names, labelled, numbers_of


@dataclass(frozen=True)
class Labels(OnExamples):
    """The labels of a task, the most frequent first."""

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
