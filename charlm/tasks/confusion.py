"""How often predicted labels are right, and which labels are predicted in place of which."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..text.layout import fits, named_values, wrapped


@dataclass(frozen=True)
class ConfusionMatrix:
    """labels: the labels that occur, the most frequent first. counts: the lines of each true label (row) that got each
    predicted label (column), (labels, labels)."""

    labels: tuple[str, ...]
    counts: np.ndarray

    @classmethod
    def of(cls, true: list[str], predicted: list[str]) -> "ConfusionMatrix":
        often = Counter(true)
        labels = tuple(sorted({*true, *predicted}, key=lambda label: (-often[label], label)))
        number = {label: index for index, label in enumerate(labels)}
        counts = np.zeros((len(labels), len(labels)), np.int64)
        for true_label, predicted_label in zip(true, predicted, strict=True):
            counts[number[true_label], number[predicted_label]] += 1
        return cls(labels, counts)

    @property
    def accuracy(self) -> float:
        return float(np.trace(self.counts) / self.counts.sum())

    @property
    def f1(self) -> np.ndarray:
        """The harmonic mean of precision and recall of each label, (labels)."""
        return 2 * np.diag(self.counts) / np.maximum(1, self.counts.sum(0) + self.counts.sum(1))

    def as_dict(self) -> dict:
        table = {
            label: {self.labels[column]: int(row[column]) for column in np.flatnonzero(row)}
            for label, row in zip(self.labels, self.counts, strict=True)
        }
        return {
            "lines": int(self.counts.sum()),
            "accuracy": self.accuracy,
            "macro_f1": float(self.f1.mean()),
            "f1": dict(zip(self.labels, self.f1.tolist(), strict=True)),
            "confusion": table,
        }

    def lines(self, width: int | None = None) -> list[str]:
        """The figures and the matrix for people: one row per label, one column per predicted label, by its number.
        width: of the terminal, None for a pipe; where it is too narrow for the matrix, its rows are told in words."""
        longest = max(map(len, self.labels))
        columns = [max(3, len(f"{count:,}")) for count in self.counts.max(0)]
        figures = [
            (
                "accuracy",
                f"{100 * self.accuracy:.2f} %   ({np.trace(self.counts):,} of {self.counts.sum():,} lines)",
            ),
            ("macro F1", f"{100 * self.f1.mean():.2f} %"),
        ]
        table = [
            f"{'':>{longest + 12}}   predicted label, by its number",
            f"     {'label':<{longest}}   F1 %   "
            + " ".join(f"{number:>{column}}" for number, column in enumerate(columns, 1)),
        ]
        for number, (label, f1, counts) in enumerate(zip(self.labels, self.f1, self.counts, strict=True), 1):
            cells = " ".join(f"{count or '.':>{column}}" for count, column in zip(counts, columns, strict=True))
            table.append(f"{number:>3}  {label:<{longest}}  {100 * f1:5.1f}   {cells}")
        if not fits(table, width):
            table = [line for row in self._rows_in_words() for line in wrapped(row, width, 2)]
        return [*named_values(figures, 10, width), "", *table]

    def _rows_in_words(self) -> Iterator[str]:
        """For each label its F1, and the labels that its lines got."""
        for number, (label, f1, counts) in enumerate(zip(self.labels, self.f1, self.counts, strict=True)):
            yield f"{label}: F1 {100 * f1:.1f} %, {counts[number]:,} of {counts.sum():,} lines right"
            order = np.argsort(-counts, kind="stable")
            wrong = [
                f"{counts[other]:,} as {self.labels[other]}" for other in order if other != number and counts[other]
            ]
            if wrong:
                yield f"  predicted {', '.join(wrong)}"
