"""The tasks: what a network is trained to do. Each kind of input and output has a module.

In reading order:

language   text: many to many, each output is the next token (a language model)
examples   files of examples, and the code that all tasks with answers share
labels     lines with labels, and predictions of labels
classify   many to one: a label for each line, or several
confusion  accuracy, F1 and the confusion matrix of labels
generate   one to many: lines given a label
entities   entities from the tags of their words
sentences  files of words and tags
tag        many to many of the same length: a tag for each word of a sentence
translate  many to many of another length: a target for each source
vectors    sequences of vectors: their files, and the code that the next three share
classify_vectors, tag_vectors, translate_vectors   the same tasks, whose input is vectors
sets       files of sequences of sets
chords     many to many, each output a set: the next set of symbols
summary    a model in words

The training loop, the model file, the checkpoint and the display use only the methods of ``Task``. Prediction also
uses the methods of ``PredictionTask``. charlm imports the module of a task when a run needs it, and the compiled
kernels only inside the task's methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from ..errors import UsageError
from ..network.growing import Places
from ..network.protocols import Network, Window
from ..ranks import Ranks
from ..text.batches import Batch
from ..text.columns import Columns
from ..text.corpus import CorpusOptions
from ..text.ngrams import NGrams
from ..text.vocabulary import Known

VECTORS = {"classify": "classify_vectors", "tag": "tag_vectors", "translate": "translate_vectors"}
MODULES = {
    "text": "language",
    "classify": "classify",
    "generate": "generate",
    "tag": "tag",
    "translate": "translate",
    "chords": "chords",
}
PREDICTING = ("classify", "generate", "tag", "translate")  # the tasks whose models predict answers


class HeldOutEvaluation(Protocol):
    """Scores the held-out part in the course of training. size: the number of units that it scores. ranks: those that
    share the work, all of which call the methods together; one process at first."""

    size: int
    ranks: Ranks

    def loss(self) -> float:
        """Nats per unit under the network's current parameters."""

    def sample_loss(self, number: int) -> float:
        """The same for about ``number`` of the units, always the same ones, spread evenly over the held-out part."""


class EvaluationResult(Protocol):
    """How good predictions are."""

    def as_dict(self) -> dict:
        """The figures, for JSON."""

    def lines(self, width: int | None = None) -> list[str]:
        """The lines that ``charlm evaluate`` prints for people. width: of the terminal, None for a pipe."""


class Task(Protocol):
    """All that training, the model file and the display ask of a task.

    name: the value of --task. input: that of --input. both_directions: its networks are bidirectional if nobody says
    otherwise. commands: the charlm commands that a model of this task is for, as words for a message. architecture: the
    class of its networks' sizes, ``Architecture`` or a subclass. why_not_bidirectional: the reason why its networks
    cannot be bidirectional, None if they can. reads_whole_line: the network must remember the whole line before it
    answers, so that a feed-forward network cannot learn the task. defaults: of the options of ``charlm train``, where
    they differ from those of a language model. most_epochs: a training run limited by minutes ends after so many
    epochs.

    A corpus is a ``text.corpus.Corpus`` for a language model, ``examples.Examples`` for any other task. A vocabulary is
    a ``text.vocabulary.Vocabulary``.
    """

    name: str
    input: str
    both_directions: bool
    commands: str
    reads_whole_line: bool
    defaults: dict
    most_epochs: float

    # The next two are properties, so that mypy accepts a task that declares a narrower type.

    @property
    def architecture(self) -> type: ...

    @property
    def why_not_bidirectional(self) -> str | None: ...

    @classmethod
    def load(cls, paths, options: CorpusOptions, known: Known | None = None) -> tuple[Task, Any]:
        """Read files and return the task and its corpus. Called when training begins.

        known: what a model of the same task knows, with which the training goes on; its symbols, labels, tags and words
        stay what they are, and new ones are added. Raises CorpusError for files that cannot be read or learnt from,
        UsageError for options that do not go with the task.
        """

    @classmethod
    def from_fields(cls, fields: dict) -> Task:
        """The task that the header of a model file describes.

        Raises ValueError, KeyError or TypeError for fields that do not describe one.
        """

    def fields(self) -> dict:
        """The values, for JSON, that a model file must keep of the task, besides network and vocabulary."""

    def description(self, level: str) -> str:
        """What a model of this level has learnt, in one line. Shown by ``charlm info``."""

    def architecture_fields(self, vocabulary) -> dict:
        """The fields of the architecture that follow from the task and the vocabulary: name → value.

        Training builds the architecture from them; loading a model file checks the file's architecture against them.
        """

    def places(self, before: Task, vocabulary, old) -> Places:
        """Where the inputs and outputs of an earlier network stand in one for this task and this vocabulary.

        before, old: its task and its vocabulary, whose labels and symbols are also here.
        """

    def unit(self, level: str) -> str:
        """The name of the unit of the loss (nats per unit): "character", "line", …"""

    def state_widths(self, architecture) -> list[int]:
        """The widths of the states that training carries from one batch to the next, each an array (rows, width).

        A checkpoint holds these arrays.
        """

    def network(self, architecture, parameters: np.ndarray, pool, unknown: float = 0.0) -> Network:
        """The network. parameters: float32 (P). pool: a ``ThreadPool``. unknown: the corpus's ``unknown_rate``."""

    def window(self, network: Network, steps: int, rows: int, training: bool = False) -> Window:
        """The arrays in which the network computes batches of up to ``steps`` steps of ``rows`` rows.

        training: with the arrays that the backward pass needs.
        """

    def batches(self, corpus, rows: int, steps: int, random: np.random.Generator) -> Iterator[Batch]:
        """The batches of one epoch of the training part, shuffled by ``random``. The training loop calls it for each
        epoch."""

    def batch_description(self, corpus, rows: int, steps: int) -> str:
        """What an update reads, in words: "up to 32 lines with 2,048 characters in all". Shown when training begins."""

    def small_batch(self) -> Batch:
        """A batch for a network of size 2. The training loop runs it once, so that numba compiles all kernels."""

    def ngrams(self, corpus, settings, parameters: int, earlier: NGrams | None = None) -> NGrams | None:
        """The n-grams that predict together with the network, counted on the training part; None where it is alone.

        settings: ``learning.settings.Settings``, with ngrams, max_ngrams and minutes. parameters: of the network.
        earlier: n-grams of another text, in the same vocabulary, that the result also knows.
        """

    def evaluation(self, network: Network, corpus, ngrams: NGrams | None = None) -> HeldOutEvaluation | None:
        """The evaluation on the held-out part, None if nothing is held out. The training loop makes it once. With
        n-grams it is a ``language.MixedEvaluation``."""

    def baselines(self, corpus, minutes: float | None, ngrams: NGrams | None) -> tuple[list, int]:
        """Losses of simple models on the held-out part, to compare the model with, for a run of so many minutes.
        ngrams: those of the model, None if it has none.

        Returns a list of ``text.baselines.Baseline`` and the number of training tokens that they know; ([], 0) for a
        task without baselines.
        """


class PredictionTask(Task, Protocol):
    """All that ``charlm predict`` and ``charlm evaluate`` ask of a task with answers: any task but the language model.

    options: the names of the options of ``predict`` that the task has. columns: of the training files, None where
    nobody has named them. An item is a line, or for tagging a list of words (or lines). A prediction is a dict of JSON
    values.
    """

    options: tuple[str, ...]

    @property
    def columns(self) -> Columns | None: ...

    def items(self, lines: list[str], last: bool = False) -> tuple[list, list[str]]:
        """The items in some lines of a file, and the lines of an incomplete item at their end.

        last: the file has no more lines, so that every item is complete.
        """

    def item_reader(self) -> Callable[..., tuple[list, list[str]]]:
        """A function with the arguments and the result of ``items``, for the lines of one prediction in their order. It
        may remember what the first of them were."""

    def predict(self, window, vocabulary, items: list, **options) -> list[dict]:
        """A prediction for each item. window: of a network that is packed for scoring."""

    def lines_of(self, item) -> list[str]:
        """The lines of an item in its file: as many as ``charlm predict`` prints for it."""

    def row(self, item, prediction: dict) -> str:
        """The line or lines that ``charlm predict`` prints for an item."""

    def record(self, item, prediction: dict) -> dict | None:
        """The JSON record that ``charlm predict --json`` prints for an item, None to print none."""

    def evaluate(self, window, vocabulary, lines: Iterator[tuple[str, str]], **options) -> EvaluationResult:
        """How good the predictions are for lines with answers.

        lines: (where the line is, for messages; its text). Raises CorpusError for a line that is not an example, and
        if there is none.
        """


def task_class(name: str, input: str = "text") -> type:
    """The class of a task by the values of --task and --input. Raises UsageError."""
    if name not in MODULES:
        raise UsageError(f"there is no task {name!r}; choose one of {', '.join(MODULES)}")
    if input == "vectors" and name not in VECTORS:
        raise UsageError(f"--input vectors goes with --task {' or '.join(VECTORS)}, and not with --task {name}")
    return import_module(f".{(VECTORS if input == 'vectors' else MODULES)[name]}", __name__).TASK
