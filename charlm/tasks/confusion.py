"""How often predicted labels are right, and which labels are predicted in place of which."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..text.layout import fits, named_values, stacked, wrapped
from .summary import number_of


@dataclass(frozen=True)
class ConfusionMatrix:
    """labels: the labels that occur, the most frequent first. counts: the lines of each true label (row) that got each
    predicted label (column), (labels, labels). unit: what has a label."""

    labels: tuple[str, ...]
    counts: np.ndarray
    unit: str = "line"

    @classmethod
    def of(cls, true: list[str], predicted: list[str], unit: str = "line") -> "ConfusionMatrix":
        often = Counter(true)
        labels = tuple(sorted({*true, *predicted}, key=lambda label: (-often[label], label)))
        number = {label: index for index, label in enumerate(labels)}
        counts = np.zeros((len(labels), len(labels)), np.int64)
        for true_label, predicted_label in zip(true, predicted, strict=True):
            counts[number[true_label], number[predicted_label]] += 1
        return cls(labels, counts, unit)

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
            f"{self.unit}s": int(self.counts.sum()),
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
        of = f"{np.trace(self.counts):,} of {number_of(self.counts.sum(), self.unit)}"
        figures = [
            ("accuracy", f"{100 * self.accuracy:.2f} %   ({of})"),
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
            yield f"{label}: F1 {100 * f1:.1f} %, {counts[number]:,} of {number_of(counts.sum(), self.unit)} right"
            order = np.argsort(-counts, kind="stable")
            wrong = [
                f"{counts[other]:,} as {self.labels[other]}" for other in order if other != number and counts[other]
            ]
            if wrong:
                yield f"  predicted {', '.join(wrong)}"


@dataclass(frozen=True, kw_only=True)
class LabelSetsResult:
    """How often predicted sets of labels are right.

    labels: all that the model knows. lines_read, whole: how many lines there are, and how many have exactly the
    predicted labels. true, predicted, correct: of each label, in how many lines it is, is predicted, and both,
    (labels). threshold: of the probability from which on a label is predicted. best: the threshold with the highest
    micro F1 on these lines, and that F1.
    """

    labels: tuple[str, ...]
    lines_read: int
    whole: int
    true: np.ndarray
    predicted: np.ndarray
    correct: np.ndarray
    threshold: float
    best: tuple[float, float]

    @classmethod
    def of(
        cls, labels: tuple[str, ...], true: np.ndarray, probabilities: np.ndarray, threshold: float
    ) -> "LabelSetsResult":
        """Compare true labels, bool (lines, labels), with the probabilities of each, (lines, labels)."""
        predicted = probabilities >= threshold
        order = np.argsort(-probabilities, axis=None, kind="stable")
        falling, hits = probabilities.ravel()[order], np.cumsum(true.ravel()[order])
        f1 = 2 * hits / (np.arange(1, len(order) + 1) + max(1, true.sum()))
        is_last = np.append(falling[1:] < falling[:-1], True)  # of equal probabilities all are predicted or none
        found = np.where(is_last, f1, -1).argmax()
        return cls(
            labels=labels,
            lines_read=len(true),
            whole=int((predicted == true).all(1).sum()),
            true=true.sum(0),
            predicted=predicted.sum(0),
            correct=(predicted & true).sum(0),
            threshold=threshold,
            best=(float(falling[found]), float(f1[found])),
        )

    def figures(self, chosen) -> dict:
        """Precision, recall and F1 of some labels together. chosen: indices."""
        true, predicted, correct = (int(some[chosen].sum()) for some in (self.true, self.predicted, self.correct))
        return {
            "lines": true,
            "precision": correct / max(1, predicted),
            "recall": correct / max(1, true),
            "f1": 2 * correct / max(1, true + predicted),
        }

    def as_dict(self) -> dict:
        each = {label: self.figures([number]) for number, label in enumerate(self.labels)}
        micro = self.figures(slice(None))
        return {
            "lines": self.lines_read,
            "exact_match": self.whole / self.lines_read,
            "threshold": self.threshold,
            **{f"micro_{name}": micro[name] for name in ("precision", "recall", "f1")},
            **{
                f"macro_{name}": float(np.mean([one[name] for one in each.values()]))
                for name in ("precision", "recall", "f1")
            },
            "best_threshold": self.best[0],
            "best_micro_f1": self.best[1],
            "labels": each,
        }

    def lines(self, width: int | None = None) -> list[str]:
        """The figures and a table of the labels, for people. width: of the terminal, None for a pipe."""
        found = self.as_dict()
        rows = [
            (
                "exact match",
                f"{100 * found['exact_match']:.2f} %   ({self.whole:,} of {number_of(self.lines_read, 'line')})",
            ),
            *((f"{kind} F1", self._in_words(found, kind)) for kind in ("micro", "macro")),
            ("threshold", f"{self.threshold:g}; the best micro F1, {100 * self.best[1]:.2f} %, at {self.best[0]:.3f}"),
        ]
        return [*named_values(rows, 13, width), "", *f1_table(("label", "lines"), found["labels"], width)]

    def _in_words(self, found: dict, kind: str) -> str:
        precision, recall, f1 = (100 * found[f"{kind}_{name}"] for name in ("precision", "recall", "f1"))
        return f"{f1:.2f} %   (precision {precision:.2f} %, recall {recall:.2f} %)"


def f1_table(head: tuple[str, str], figures: dict[str, dict], width: int | None) -> list[str]:
    """A table of precision, recall and F1. head: what has a row, and the key of its number. figures: of each row.
    width: of the terminal, None for a pipe."""
    what, counted = head
    longest, cells = max(map(len, (what, *figures))), []
    for name, one in figures.items():
        percents = (f"{100 * one[key]:.2f}" for key in ("precision", "recall", "f1"))
        cells.append((name, f"{one[counted]:,}", *percents))
    room = max(7, 1 + len(counted))
    table = [f"{what:<{longest}}  {counted:>{room}}   precision %   recall %    F1 %"]
    for name, number, precision, recall, f1 in cells:
        table.append(f"{name:<{longest}}  {number:>{room}}   {precision:>11}   {recall:>8}  {f1:>6}")
    return table if fits(table, width) else stacked((*head, "precision %", "recall %", "F1 %"), cells, width)
