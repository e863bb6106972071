"""How often labels are right, and for what they are taken."""

from collections import Counter
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Confusion:
    """labels: those that occur, the most frequent first; counts: how often a label (row) was taken for another
    (column), (labels, labels)."""

    labels: tuple[str, ...]
    counts: np.ndarray

    @classmethod
    def of(cls, true: list[str], found: list[str]) -> "Confusion":
        often = Counter(true)
        labels = tuple(sorted({*true, *found}, key=lambda label: (-often[label], label)))
        number = {label: place for place, label in enumerate(labels)}
        counts = np.zeros((len(labels), len(labels)), np.int64)
        for pair in zip(true, found, strict=True):
            counts[number[pair[0]], number[pair[1]]] += 1
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
            label: {self.labels[place]: int(row[place]) for place in np.flatnonzero(row)}
            for label, row in zip(self.labels, self.counts, strict=True)
        }
        return {
            "lines": int(self.counts.sum()),
            "accuracy": self.accuracy,
            "macro_f1": float(self.f1.mean()),
            "f1": dict(zip(self.labels, self.f1.tolist(), strict=True)),
            "confusion": table,
        }

    def lines(self) -> list[str]:
        """The figures and the table for people: a row for each label, a column for what it was taken for."""
        width = max(map(len, self.labels))
        columns = [max(3, len(f"{count:,}")) for count in self.counts.max(0)]
        rows = [
            f"accuracy   {100 * self.accuracy:.2f} %   ({np.trace(self.counts):,} of {self.counts.sum():,} lines)",
            f"macro F1   {100 * self.f1.mean():.2f} %",
            "",
            f"{'':>{width + 12}}   taken for",
            f"     {'label':<{width}}   F1 %   "
            + " ".join(f"{place:>{column}}" for place, column in enumerate(columns, 1)),
        ]
        for place, (label, f1, counts) in enumerate(zip(self.labels, self.f1, self.counts, strict=True), 1):
            cells = " ".join(f"{count or '.':>{column}}" for count, column in zip(counts, columns, strict=True))
            rows.append(f"{place:>3}  {label:<{width}}  {100 * f1:5.1f}   {cells}")
        return rows
