"""The code that classification and generation share: lines with labels, and predictions of labels."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, ClassVar

import numpy as np

from ..errors import CorpusError
from ..network.architecture import Architecture
from ..text.columns import (
    ColumnReader,
    Columns,
    Line,
    find_columns,
    parse_names,
    read_rows,
)
from .examples import (
    TABBED,
    ExampleForm,
    ExampleTask,
    TextItems,
    check_names,
    check_two_columns,
    label_numbers,
    not_blank,
    rarity_note,
)
from .summary import number_of

MOST_COMPARED = 1 << 16  # (text, label) pairs at a time
FASTTEXT = "__label__"
WRITE = f"write label<TAB>text or {FASTTEXT}x text"
OF_FASTTEXT = Columns(names=("1", "2"), delimiter=FASTTEXT, positions=(0, 1), width=2)


def clean_label(label: str) -> str:
    """A label without the white space around it, and with one space for each run of white space in it."""
    return " ".join(label.split())


def find_labelled(lines: list[Line], given: Any, task: str) -> Columns:
    """The columns of a file of labels and texts; OF_FASTTEXT or TABBED where nobody named them. task: for messages."""
    where, first = next(not_blank(iter(lines)), ("", ""))
    if given is not None:
        return find_columns(parse_names(given, ("label", "text"), task), lines)
    if first.startswith(FASTTEXT):
        return OF_FASTTEXT
    check_two_columns(where, first, "label,text")
    return TABBED


def read_labelled(lines: Iterator[Line], columns: Columns) -> Iterator[tuple[str, tuple[str, str]]]:
    """(where it is, (label, text)) for each example. Raises CorpusError for a line that is none."""
    if columns.delimiter == FASTTEXT:
        examples = ((where, *_of_fasttext(where, line)) for where, line in not_blank(lines))
    elif columns == TABBED:
        examples = ((where, *_of_tabs(where, line)) for where, line in not_blank(lines))
    else:
        examples = ((where, *values) for where, values in read_rows(ColumnReader(columns), lines))
    for where, label, text in examples:
        if isinstance(label, list) or isinstance(text, list):
            raise CorpusError(f"{where} has a list in place of a label or a text; give one of each")
        label = clean_label(label)
        if not label:
            raise CorpusError(f"{where} has no label before its text; {WRITE}")
        yield where, (label, text)


def _of_fasttext(where: str, line: str) -> tuple[str, str]:
    """The label, which ends at any white space, and the text of a line ``__label__x text``."""
    if not line.startswith(FASTTEXT):
        raise CorpusError(
            f"{where} does not begin with {FASTTEXT}, as the lines before it do; write {FASTTEXT}x text in each line"
        )
    label, text = _first_label(line)
    if text.startswith(FASTTEXT) or f" {FASTTEXT}" in text:
        raise CorpusError(f"{where} has two labels; give each line one, or --multi-label to charlm train")
    return label, text


def _first_label(line: str) -> tuple[str, str]:
    """The label at the beginning of a line of fastText, and the rest after its white space."""
    label, *rest = re.split(r"\s+", line.removeprefix(FASTTEXT), maxsplit=1)
    return label, "".join(rest)


def read_several(lines: Iterator[Line], columns: Columns) -> Iterator[tuple[str, tuple[tuple[str, ...], str]]]:
    """(where it is, (labels, text)) for each example, which may have several labels, or none. Raises CorpusError for a
    line that is no example."""
    if columns.delimiter == FASTTEXT:
        for where, line in not_blank(lines):
            labels = []
            while line.startswith(FASTTEXT):
                label, line = _first_label(line)
                labels.append(label)
            if f" {FASTTEXT}" in line:  # labels may stand anywhere
                labels += (word.removeprefix(FASTTEXT) for word in line.split() if word.startswith(FASTTEXT))
                line = " ".join(word for word in line.split() if not word.startswith(FASTTEXT))
            yield where, (_distinct(labels), line)
        return
    if columns == TABBED:
        examples = ((where, *_of_tabs(where, line)) for where, line in not_blank(lines))
    else:
        examples = ((where, *values) for where, values in read_rows(ColumnReader(columns), lines))
    for where, labels, text in examples:
        if isinstance(text, list):
            raise CorpusError(f"{where} has a list in place of a text; give a text")
        yield where, (_distinct(labels if isinstance(labels, list) else re.split("[,|]", labels)), text)


def _distinct(labels: list[str]) -> tuple[str, ...]:
    """The labels that are not empty, each once."""
    return tuple(dict.fromkeys(filter(None, map(clean_label, labels))))


def _of_tabs(where: str, line: str) -> tuple[str, str]:
    """The label and the text of a line ``label<TAB>text``."""
    if line.startswith(FASTTEXT):
        raise CorpusError(f"{where} begins with {FASTTEXT}, and the lines before it do not: {WRITE} in all lines")
    label, tab, text = line.partition("\t")
    if not tab:
        raise CorpusError(
            f"{where} has no tab between its label and its text; {WRITE}, or name two columns of another file for "
            "charlm train: --columns label,text; for sequences of numbers: --input vectors"
        )
    if "\t" in text:
        text, *more = TABBED.checked(where, [label, *text.split("\t")])[1:]
    return label, text


def notes_of_labels(examples: list[tuple[str, str]], columns: Columns) -> list[str]:
    """What is suspicious about the labels of a file's examples."""
    labels = [label for label, _ in examples]
    counts, notes = Counter(labels), rarity_note(labels)
    with_mark = [label for label in counts if re.search("[,;]", label)]
    if columns.delimiter == FASTTEXT and 2 * len(with_mark) > len(counts):
        notes.append(
            f"{len(with_mark):,} of {len(counts):,} labels hold a comma or semicolon, as {with_mark[0]!r:.40} does; a "
            f"label ends at white space: if it should end there, put a space after it"
        )
    elif not columns.heading and counts[labels[0]] == 1 and len(counts) > 2 and not notes:
        notes.append(
            f"the label of the first line, {labels[0]!r:.40}, occurs nowhere else: if that line is a heading, name its "
            "columns with --columns"
        )
    return notes


@dataclass(frozen=True)
class LabelTask(ExampleTask):
    """A task with labels, the most frequent first.

    Each subclass has ``probabilities(window, vocabulary, texts)``: of each label for each text, (texts, labels); and
    ``learns``, what the network learns, in words.
    """

    labels: tuple[str, ...]
    columns: Columns | None = None  # of the files, where somebody has named them

    architecture: ClassVar[type] = Architecture
    options: ClassVar[tuple] = ("top",)
    most_epochs: ClassVar[float] = 30

    @classmethod
    def form(cls) -> ExampleForm:
        """How its files hold labels and texts."""
        return ExampleForm(
            find=partial(find_labelled, task=cls.name),
            read=read_labelled,
            labels_in=lambda example: example[:1],
            notes=notes_of_labels,
        )

    @classmethod
    def from_fields(cls, fields):
        columns = Columns.from_fields(fields["columns"]) if "columns" in fields else None
        return cls(check_names(fields["labels"], "label"), columns)

    def fields(self):
        columns = {"columns": self.columns.fields()} if self.columns else {}
        return {"labels": list(self.labels)} | columns

    def description(self, level):
        return f"{self.name}: {self.learns}; {number_of(len(self.labels), 'label')}: {', '.join(self.labels)}"

    def window(self, network, steps, rows, training=False):
        from ..network.sequences import Windows

        return Windows(network, rows, training)

    def items(self, lines, last=False):
        return lines, []

    def item_reader(self):
        return TextItems(self.columns, 1)

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
        for where, (label, text) in self.form().examples(lines, self.columns):
            label_numbers([label], self.labels, where)
            labels.append(label)
            texts.append(text)
        if not texts:
            raise CorpusError("there is no example to evaluate: all lines are blank, or name columns")
        return labels, texts
