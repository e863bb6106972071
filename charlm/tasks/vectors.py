"""Sequences of vectors as the input of a task: their files, and the code that the tasks share whose input they are.

Each task is the one of the same name for text, but for what it reads: ``input`` is "vectors", and ``channels`` says
what the model knows of them.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import CorpusError, UsageError
from ..text.corpus import CorpusOptions
from ..text.memory import MemoryText
from ..text.reading import Digest, names_of, path_list
from ..text.vocabulary import Known, Vocabulary
from ..vectors.archives import MemoryVectors, checked_arrays, is_archive, read_archive
from ..vectors.channels import MOST_CHANNELS, Channels
from ..vectors.examples import VectorExample
from ..vectors.reading import LineReader, read_vectors
from ..vectors.sequences import VectorSequences, steps_for
from .examples import TOKENS, SplitExamples, by_length, split_examples
from .summary import number_of

DEFAULTS = {"layers": 1, "batch": 16, "steps": 1024}  # of options; each task adds its own
FEW = 1000  # sequences: of fewer, charlm holds nothing out by itself
OF_TEXT = ("columns", "separator", "multi_label")  # options that no model of vectors has
OF_SYMBOLS = ("level", "normalize", "min_count", "max_vocabulary")  # of the vocabulary, which only a target has


class VectorItems:
    """The sequences in the lines of a file, which a ``Predictor`` hands out; see ``examples.ItemReader``. name: of the
    file."""

    def __init__(self, channels: Channels, of_steps: bool, name: str):
        self._reader, self._next = LineReader(channels, needs_answers=False, of_steps=of_steps), 1
        self.channels, self.name = channels, name
        self.starts: list[int] = []
        self.errors: list[CorpusError | None] = []

    def __call__(self, lines: list[str], last: bool = False) -> tuple[list[VectorExample], list[str]]:
        named = [(f"{self.name}, line {number:,}", line) for number, line in enumerate(lines, self._next)]
        self._next += len(lines)
        items = self._reader.read(named, last)
        self.starts, self.errors = list(range(1, len(items) + 1)), list(map(self.error_of, items))
        return items, []

    def error_of(self, item: VectorExample) -> CorpusError | None:
        """Why the model cannot read an item, None where it can."""
        try:
            if not item.error:
                self.channels.check(item.values.shape[1], item.names, item.where)
        except CorpusError as error:
            return error
        return item.error


class VectorTask:
    """What the tasks have in common whose input is vectors; a class to inherit from besides that of the task.

    channels: what the model knows of its input. of_steps: each step has an answer of its own. with_slopes: a new
    network also reads how fast the channels change. noise: in training, that of up to FEW sequences. writes_text: its
    answers are texts.
    """

    input = "vectors"
    both_directions = True
    of_steps = with_slopes = False
    noise = 0.0  # the usual one, of up to FEW sequences
    writes_text: bool
    channels: Channels

    def item_reader(self, name: str = "the input") -> VectorItems:
        return VectorItems(self.channels, self.of_steps, name)

    def items(self, lines: list[str], last: bool = False) -> tuple[list[VectorExample], list[str]]:
        return self.item_reader()(lines, last)

    def items_without_lines(self, path) -> list[VectorExample] | None:
        """The sequences of a file that is no text, None for a text."""
        if isinstance(path, MemoryVectors):
            return path.examples
        return read_archive(path, None, self.of_steps) if is_archive(path) else None

    def lines_of(self, item: VectorExample) -> list[str]:
        return [""]

    def numbers_of(self, items: list[VectorExample]) -> VectorSequences:
        """The standardized sequences of some items. Raises CorpusError for other channels than the model's."""
        for item in items:
            self.channels.check(item.values.shape[1], item.names, item.where)
        return VectorSequences([self.channels.standardized(item.values) for item in items], self.channels.width)

    def groups_of(self, lengths: np.ndarray, most: int = TOKENS) -> list[np.ndarray]:
        """The indices of sequences in groups that make a batch."""
        return by_length(lengths, steps_for(self.channels.width, most))

    def checked_items(self, items: Iterable[Any]) -> list[VectorExample]:
        """The items of a call from Python."""
        return checked_arrays(items, "items")

    def examples_in(self, paths: Iterable, encoding: str) -> list[VectorExample]:
        """The examples, with their answers, of the files to evaluate a model on. Raises CorpusError."""
        found = []
        for path in paths:
            for one in read_vectors(path, encoding, channels=self.channels, of_steps=self.of_steps):
                self.channels.check(one.values.shape[1], one.names, one.where)
                found.append(one)
        if not found:
            raise CorpusError(f"there is no sequence in {names_of(paths)}")
        return found

    def training_part(self, examples: list[VectorExample], noise: float | None) -> VectorSequences:
        """The sequences to learn from, which get noise: the given one, or that of the task."""
        part = self.numbers_of(examples)
        usual = self.noise * math.sqrt(FEW / max(FEW, len(examples)))
        part.noise = usual if noise is None else noise
        return part

    def width(self) -> dict[str, int]:
        """The field of the architecture that says what the input is."""
        return {"channels": self.channels.width}

    def small_input(self) -> np.ndarray:
        """The input of a batch for a network of size 2: one step of one row."""
        return np.zeros((1, 1, 2), np.float32)


def no_vocabulary() -> Vocabulary:
    """The vocabulary of a model that reads and writes no text: <EOS> and <UNK>."""
    return Vocabulary("char", ())


def read_vector_examples(
    paths, options: CorpusOptions, task: Any, known: Known | None
) -> tuple[SplitExamples, Channels]:
    """The examples of some files (see ``read_examples``), and their channels, which are those of ``known`` or else of
    the training part. task: the class. Raises CorpusError and UsageError."""
    check_options(options, task)
    paths, digest = path_list(paths), Digest()
    channels = known.task.channels if known else None
    train = _read(paths, options.encoding, task, channels, digest)
    first = train[0]
    if first.values.shape[1] > MOST_CHANNELS:
        raise CorpusError(f"{first.where} has {first.values.shape[1]:,} channels; {MOST_CHANNELS:,} is the most")
    valid = path_list(options.valid or [])
    held_out = _read(valid, options.encoding, task, channels) if valid else None
    expected = channels or Channels(first.names or Channels.numbered(first.values.shape[1]), (), ())
    for one in (*train, *(held_out or [])):
        expected.check(one.values.shape[1], one.names, one.where)
    notes: list[str] = []
    if options.holdout is None and held_out is None and len(train) < FEW:
        options = replace(options, holdout=0.0)
        notes.append(
            f"there are fewer than {FEW:,} sequences, and all are needed to learn from; --holdout 0.1 holds a tenth out"
        )
    found = split_examples(train, held_out, _answers_of, options, paths, digest, notes=notes)
    if channels is None:
        sequences = [one.values for one in found.train]
        channels = Channels.of(sequences, first.names, with_slopes=task.with_slopes)
        notes += _notes(np.concatenate(sequences), channels)
    return found, channels


def _read(paths: list, encoding: str, task: Any, channels: Channels | None, digest=None) -> list[VectorExample]:
    found = []
    for path in paths:
        if isinstance(path, MemoryText) and not isinstance(path, MemoryVectors) and path.pairs:
            raise UsageError("--input vectors reads vectors, and pairs= are strings: give arrays= and labels=")
        found += read_vectors(path, encoding, digest, channels=channels, of_steps=task.of_steps)
    if not found:
        raise CorpusError(f"there is no sequence in {names_of(paths)}")
    return found


def _answers_of(example: VectorExample) -> list[str]:
    return example.answers


def _notes(values: np.ndarray, channels: Channels) -> list[str]:
    """What a person should know of the vectors."""
    constant = [
        name for name, low, high in zip(channels.names, values.min(0), values.max(0), strict=True) if low == high
    ]
    notes = [f"charlm reads {channels.description()}; each is standardized by its mean and deviation"]
    if constant:
        shown = ", ".join(constant[:8]) + (" …" if len(constant) > 8 else "")
        notes.append(f"{number_of(len(constant), 'channel')} of these never changes in the training part: {shown}")
    return notes


def check_options(options: CorpusOptions, task: Any) -> None:
    """Raise UsageError for an option that says something of a text, where there is none. task: the class."""
    usual = CorpusOptions()
    names = OF_TEXT if task.writes_text else (*OF_TEXT, *OF_SYMBOLS)
    for name in names:
        if getattr(options, name) != getattr(usual, name):
            raise UsageError(f"--{name.replace('_', '-')} is for texts, and --input vectors has none: leave it out")
