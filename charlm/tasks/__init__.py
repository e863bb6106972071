"""What a network is trained to do: the shapes of sequence, a module for each.

    text        many to many, each output the next token: a language model
    classify    many to one: a label for each line
    generate    one to many: lines given a label
    tag         many to many of the same length: a tag for each word of a sentence
    translate   many to many of another length: a target for each source

The training loop, the model file, the checkpoint and the display know a task by the methods of ``Task`` only. Its
module is imported when it is wanted, and the kernels by its methods.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from ..errors import UsageError
from ..text.batches import Batch

MODULES = {"text": "language", "classify": "classify", "generate": "generate", "tag": "tag", "translate": "translate"}


class Task(Protocol):
    """What the rest of the house asks of a task. A corpus is a ``corpus.Corpus`` or ``examples.Examples``.

    name: the word after --task; commands: of charlm, that its models are for; architecture: the class of its networks'
    sizes; why_not_bidirectional: why these cannot be bidirectional, None where they can; defaults: settings of ``charlm
    train`` that are not a language model's; most_epochs: after which a training by the clock has nothing more to gain.
    """

    name: str
    commands: str
    architecture: type
    why_not_bidirectional: str | None
    defaults: dict
    most_epochs: float

    @classmethod
    def load(cls, paths, **reading) -> tuple[Task, Any]:
        """Files → the task and its corpus. reading: the fields of ``text.corpus.CorpusOptions``."""

    @classmethod
    def from_fields(cls, fields: dict) -> Task:
        """The task that a model file tells of. Raises ValueError, KeyError or TypeError where that makes no sense."""

    def fields(self) -> dict:
        """What a model file must say of it, besides network and vocabulary, in JSON."""

    def in_words(self) -> str:
        """What is learnt."""

    def sizes(self, vocabulary) -> dict:
        """The fields of the architecture that follow from task and vocabulary."""

    def unit(self, level: str) -> str:
        """What the loss is counted in."""

    def states(self, architecture) -> list[int]:
        """The widths of the arrays that are carried from one batch to the next, (rows, width) each."""

    def network(self, architecture, parameters: np.ndarray, pool, unknown: float = 0.0) -> Any:
        """The network: ``parameters``, ``gradient``, ``pool``, ``pack``."""

    def window(self, network, steps: int, rows: int, training: bool = False) -> Any:
        """Its arrays: ``train(batch, scale, drop)`` → nats, and ``state``, what is carried on to the next batch."""

    def batches(self, corpus, rows: int, steps: int, random: np.random.Generator) -> Iterator[Batch]:
        """One epoch of the training part."""

    def size_in_words(self, level: str, rows: int, steps: int) -> str:
        """How large a batch is."""

    def small_batch(self) -> Batch:
        """A batch for a network of size 2, which calls all kernels."""

    def evaluation(self, network, corpus) -> Any:
        """What scores the held-out part in the course of training: ``size`` in units, and ``loss()``, nats a unit; None
        where nothing is held out."""

    def baselines(self, corpus, minutes: float | None) -> tuple[list, int]:
        """What counting makes of the held-out part, as ``baselines.Baseline``, and how many tokens of the training part
        were counted, for a training that takes so long; nothing where that says nothing."""


def task_class(name: str) -> type:
    """The class of a task by its name. Raises UsageError."""
    if name not in MODULES:
        raise UsageError(f"there is no task {name!r}; choose one of {', '.join(MODULES)}")
    return import_module(f".{MODULES[name]}", __name__).TASK
