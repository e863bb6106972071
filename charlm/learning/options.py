"""The options of a training by their names, as ``charlm train`` and ``charlm.train`` take them."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from os import PathLike
from typing import Any, TypedDict, get_type_hints

import numpy as np

from ..errors import check_option_names
from ..network.architecture import PRECISIONS
from ..network.cells import CELLS, OLD_NAMES
from ..tasks import MODULES
from ..text.corpus import CorpusOptions
from ..text.vocabulary import LEVELS
from .schedule import SCHEDULES
from .settings import Settings

Path = str | PathLike[str]


class TrainingOptions(TypedDict, total=False):
    """Each option has the name and the default of ``charlm train``; None stands for the default.

    task: what is learnt: "text", "classify", "generate", "tag" or "translate".

    The text. level: what a token is: "char", "word" or "byte". lines: each line is a sequence of its own. holdout:
    fraction of the text to measure on. valid: files to measure on instead. encoding: of the files. min_count: symbols
    seen fewer times become <UNK>. max_vocabulary: how many symbols to keep. novelty: keep in the model what tells new
    text from copies.

    The time. minutes: how long the training may take, 5 if neither is given. epochs: passes over the text instead.

    The network. cell: kind of layer. context: tokens that a feed-forward network sees. hidden: width of a layer.
    layers: how many. embedding: width of an embedding of the input, 0 for one-hot input. tied: use the embedding as
    output weights too. bidirectional: read in both directions (not for task "text").

    The updates. batch, steps, lr, schedule, clip, dropout, precision: see ``Settings``. seed: of everything random.
    threads: how many work; the result does not depend on it.
    """

    task: str
    level: str
    lines: bool
    holdout: float
    valid: Path | Sequence[Path] | None
    encoding: str
    min_count: int | None
    max_vocabulary: int | None
    novelty: bool
    minutes: float | None
    epochs: float | None
    cell: str | None
    context: int | None
    hidden: int | None
    layers: int | None
    embedding: int | None
    tied: bool
    bidirectional: bool
    batch: int | None
    steps: int | None
    lr: float | None
    schedule: str
    clip: float
    dropout: float | None
    precision: str
    seed: int
    threads: int | None


NAMES = tuple(TrainingOptions.__annotations__)
OF_CORPUS = tuple(field.name for field in fields(CorpusOptions))
OF_SETTINGS = tuple(field.name for field in fields(Settings))
CHOICES = {"task": MODULES, "level": LEVELS, "cell": CELLS, "schedule": SCHEDULES, "precision": PRECISIONS}


def given_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that have a value, NumPy's numbers as Python's, which JSON can hold. Raises UsageError where one is
    not an option of a training."""
    check_option_names(options, NAMES, "train")
    given = {name: value for name, value in options.items() if value is not None}
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in given.items()}


def stored_options(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The options in a checkpoint, checked. Raises ValueError for a name or a value that no training can have."""
    kinds = get_type_hints(TrainingOptions) | {"valid": str | list | None}
    if stored.get("cell") in tuple(OLD_NAMES):
        stored = {**stored, "cell": OLD_NAMES[stored["cell"]]}
    for name, value in stored.items():
        choices = CHOICES.get(name)
        if name not in kinds or not _fits(value, kinds[name]) or (choices and value and value not in choices):
            raise ValueError(f"it cannot have been made with the option {name} = {value!r}")
    return dict(stored)


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):  # which Python counts as an integer
        return kind is bool
    if isinstance(value, list):
        return isinstance(value, kind) and all(isinstance(path, str) for path in value)
    return isinstance(value, kind) or (isinstance(value, int) and isinstance(float(value), kind))
