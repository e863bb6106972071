"""The code that classification and generation share: lines with labels, and predictions of labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

import numpy as np

from ..errors import CorpusError
from ..network.architecture import Architecture
from .examples import ExampleTask, check_names, label_numbers, parse_labelled

MOST_COMPARED = 1 << 16  # (text, label) pairs at a time


@dataclass(frozen=True)
class LabelTask(ExampleTask):
    """A task with labels, the most frequent first.

    Each subclass has ``probabilities(window, vocabulary, texts)``: of each label for each text, (texts, labels); and
    ``learns``, what the network learns, in words.
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

    def description(self, level):
        labels = f"{len(self.labels):,} label{'s' if len(self.labels) != 1 else ''}"
        return f"{self.name}: {self.learns}; {labels}: {', '.join(self.labels)}"

    def window(self, network, steps, rows, training=False):
        from ..network.sequences import Windows

        return Windows(network, rows, training)

    def items(self, lines, last=False):
        return lines, []

    def text_groups(self, texts: list[str]) -> Iterator[list[str]]:
        """The texts in groups that the network can compare with all labels at once."""
        number = max(1, MOST_COMPARED // len(self.labels))
        return (texts[start : start + number] for start in range(0, len(texts), number))

    def predict(self, window, vocabulary, texts: list[str], top=1) -> list[dict]:
        """For each text its ``top`` most likely labels: label → probability, falling."""
        groups = self.text_groups(texts)
        found = (self.most_likely(self.probabilities(window, vocabulary, group), top) for group in groups)
        return list(chain.from_iterable(found))

    def most_likely(self, probabilities: np.ndarray, top: int) -> list[dict]:
        """For each row the ``top`` most likely labels: label → probability, falling. probabilities: (rows, labels)."""
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
        falling = np.take_along_axis(probabilities, order, 1).tolist()
        labels = [[self.labels[number] for number in row] for row in order.tolist()]
        return [dict(zip(names, values, strict=True)) for names, values in zip(labels, falling, strict=True)]

    def row(self, text, prediction):
        return "\t".join(f"{label}\t{probability:.4f}" for label, probability in prediction.items())

    def record(self, text, prediction):
        label, probability = next(iter(prediction.items()))
        return {"label": label, "probability": probability, "labels": prediction, "text": text}

    def labelled_texts(self, lines) -> tuple[list[str], list[str]]:
        """The labels and the texts of the lines (where, line) that are not blank.

        Raises CorpusError for a label that the model does not know, and if all lines are blank.
        """
        labels, texts = [], []
        for where, line in lines:
            if line.strip():
                label, text = parse_labelled(where, line)
                label_numbers([label], self.labels, where)
                labels.append(label)
                texts.append(text)
        if not texts:
            raise CorpusError("there is no line to evaluate: all lines are blank")
        return labels, texts
