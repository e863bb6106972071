"""Where a training was left: a file beside the model from which it goes on as if nothing had happened.

It holds what the next update depends on: parameters, Adam's moments, the states of the network, the place in the
corpus, the best parameters so far and the history. Order of the data and dropout follow from the seed and the place,
so no random state is kept. The checkpoint before the last one is kept too, for the day on which the last one cannot be
read.
"""

import math
import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from .._version import __version__
from ..errors import CharlmError, DivergedError, ModelFileError, UsageError
from ..files import check_places, is_one_of, only_run_at
from ..modelfile import FORMAT, NEWEST, describe, is_model, model_header, read_archive, save_model, write_archive
from ..network.architecture import Architecture
from ..tasks import Task
from ..text.corpus import Corpus
from .loop import Trainer
from .progress import Report
from .settings import Settings
from .state import TrainingState


def path_beside(model_path) -> Path:
    """m.npz → m.checkpoint.npz"""
    path = Path(model_path)
    return path.parent / f"{path.name.removesuffix('.npz')}.checkpoint.npz"


def path_of_the_one_before(model_path) -> Path:
    """m.npz → m.checkpoint.before.npz"""
    return path_beside(model_path).with_suffix(".before.npz")


def save_checkpoint(trainer: Trainer, path, options: dict, before=None) -> None:
    """Write where the trainer stands after its last update, where it would go back to if the loss exploded, and the
    options it was made with. before: where a checkpoint that stands at ``path`` is kept. Raises ModelFileError where
    that is not possible."""
    best = trainer.best
    good, good_arrays = trainer.good
    header = model_header(best) | {
        "kind": "checkpoint",
        "settings": asdict(trainer.settings),
        "options": options,
        "rows": trainer.rows,
        "place": asdict(trainer.place),
        "good": asdict(good),
    }
    arrays = {"best": best.parameters} | trainer.arrays()
    write_archive(path, header, arrays | {f"good.{name}": array for name, array in good_arrays.items()}, before)


def _shapes(header):
    if header.get("kind") != "checkpoint" or header["format"] not in (FORMAT, NEWEST):
        raise ValueError(f"it is no checkpoint that charlm {__version__} can go on from")
    architecture, _, task = describe(header)
    size, rows = architecture.number_of_parameters, header["rows"]
    if type(rows) is not int or not 0 < rows <= header["settings"]["batch"]:
        raise ValueError("it does not say how many rows there were")
    shapes = dict.fromkeys(("parameters", "m", "v"), (size,))
    shapes |= {f"state{number}": (rows, width) for number, width in enumerate(task.state_widths(architecture))}
    shapes = {"best": (size,)} | shapes | {f"good.{name}": shape for name, shape in shapes.items()}
    return {name: (np.dtype("<f4"), shape) for name, shape in shapes.items()}


class Checkpoint:
    """A checkpoint that was read. Raises ModelFileError where the file is none, or is damaged."""

    def __init__(self, path):
        self.path = path
        self.header, self.arrays = read_archive(path, _shapes)
        try:
            self.settings = Settings(**self.header["settings"])
            self.architecture, _, self.task = describe(self.header)
            self.corpus = {name: kind(self.header["training"]["corpus"][name]) for name, kind in _CORPUS.items()}
            self.options = dict(self.header["options"])
            self.place, self.good = (_place(self.header[name]) for name in ("place", "good"))
        except (TypeError, KeyError, ValueError, OverflowError, UsageError) as error:
            raise ModelFileError(f"{path} is damaged: {error}") from None

    def differences(self, task: Task, corpus: Corpus, architecture: Architecture, settings: Settings) -> list[str]:
        """In words, what is not as it was when the checkpoint was written."""
        found = []
        if corpus.digest != self.corpus["sha256"]:
            found.append(f"the corpus ({corpus.size:,} bytes now, {self.corpus['bytes']:,} then)")
        vocabulary = {"level": corpus.vocabulary.level, "symbols": list(corpus.vocabulary.symbols)}
        split = {"lines": corpus.lines, "train_tokens": len(corpus.train), "held_out_tokens": len(corpus.held_out)}
        if not found and (vocabulary, task, split) != (
            self.header["vocabulary"],
            self.task,
            {"lines": self.header["lines"]} | {name: self.corpus[name] for name in ("train_tokens", "held_out_tokens")},
        ):
            found.append(
                "how the text is read (--task, --level, --lines, --holdout, --valid, --min-count, --max-vocabulary)"
            )
        now = asdict(architecture) | asdict(settings)
        then = asdict(self.architecture) | asdict(self.settings)
        found += [
            f"--{name} ({_told(now[name])} now, {_told(then[name])} then)"
            for name in now
            if now[name] != then.get(name) and not name.endswith(("_size", "outputs"))
        ]
        return found

    def restore(self, trainer: Trainer) -> None:
        """Put a new trainer of the same corpus, architecture and settings where the old one was."""
        found = self.differences(trainer.task, trainer.corpus, trainer.architecture, trainer.settings)
        if found:
            raise ModelFileError(
                f"cannot go on from {self.path}: {'; '.join(found)}; give what was given then, or train anew "
                "without --resume"
            )
        if self.header["rows"] != trainer.rows:
            raise ModelFileError(f"{self.path} is damaged: it has another number of rows than its settings give")
        trainer.go_on_from(self.place, self.arrays)
        trainer.keep_as_good(self.good, {name: self.arrays[f"good.{name}"] for name in trainer.arrays()})
        if self.place.best_loss is not None:
            trainer.best_parameters = self.arrays["best"].copy()


def _told(value):
    return "not given" if value is None else value


_CORPUS = {"sha256": str, "bytes": int, "train_tokens": int, "held_out_tokens": int}


def _is_count(value):
    return type(value) is int and 0 <= value < 2**50


def _is_number(value):
    return type(value) in (int, float) and 0 <= value < math.inf


def _is_loss(value):
    return value is None or _is_number(value)


_KINDS = {
    bool: lambda value: type(value) is bool,
    int: _is_count,
    float: _is_number,
    float | None: _is_loss,
    tuple[int, float]: lambda turn: len(turn) == 2 and _is_count(turn[0]) and _is_number(turn[1]) and turn[1] <= 1,
    list[list]: lambda history: all(
        len(entry) == 3 and _is_count(entry[0]) and all(map(_is_loss, entry[1:])) for entry in history
    ),
}


def _place(values: dict) -> TrainingState:
    place = TrainingState(**values)
    for field in fields(TrainingState):
        if field.name not in values or not _KINDS[field.type](getattr(place, field.name)):
            raise ValueError(f"it does not say where the training stood ({field.name})")
    if place.dropout >= 1:
        raise ValueError("it leaves out all units")
    place.turn = tuple(place.turn)
    return place


def last_checkpoint(model_path) -> Checkpoint:
    """The checkpoint beside a model, or with a warning the one before it where the last one cannot be read. Raises
    CharlmError where there is none."""
    path, before = path_beside(model_path), path_of_the_one_before(model_path)
    if not path.exists() and not before.exists():
        raise CharlmError(f"there is nothing to go on from: {path} is not there (a finished training leaves none)")
    try:
        return Checkpoint(path)
    except ModelFileError as error:
        if not before.exists():
            raise
        checkpoint = Checkpoint(before)
        warnings.warn(f"{error}; going on from the checkpoint before it, {before}", stacklevel=2)
        return checkpoint


CHECKPOINT_SECONDS = 60.0


def saved(
    trainer: Trainer, reports: Iterator[Report], path, options: dict, every: float = CHECKPOINT_SECONDS
) -> Iterator[Report]:
    """Pass the reports of a trainer through and keep its results on disk: each best model in ``path``, a checkpoint
    beside it.

    The checkpoint is written about ``every`` so many seconds and, with the model, when the training is left before its
    end; it is removed when the training is done.
    """
    checkpoint, before, written = path_beside(path), path_of_the_one_before(path), time.monotonic()
    try:
        for report in reports:
            if report.improved:
                save_model(trainer.best, path)
            if time.monotonic() - written >= every:
                save_checkpoint(trainer, checkpoint, options, before)
                written = time.monotonic()
            yield report
    except DivergedError as error:
        kept = f"; the best model so far is in {path}" if trainer.place.best_loss is not None else ""
        raise DivergedError(f"{error}{kept}") from None
    if trainer.finished:
        save_model(trainer.best, path)
        before.unlink(missing_ok=True)  # first: what is left is what would be gone on from
        checkpoint.unlink(missing_ok=True)
    else:
        save_checkpoint(trainer, checkpoint, options, before)
        save_model(trainer.best, path)


def _places(path):
    return path, path_of_the_one_before(path), path_beside(path)


def only_training_at(path) -> AbstractContextManager:
    """Keep other trainings from the same output meanwhile: see ``places.only_run_at``."""
    return only_run_at(_places(path))


def check_place(path, read=()) -> None:
    """Raise CharlmError now if a model cannot be written to ``path`` later, or would overwrite what is not a model.

    read: files that are read, which must not be the same one.
    """
    check_places(_places(path), read, is_model, "a model", "-o")


def check_log(path, read=()) -> None:
    """Raise ModelFileError if ``path`` holds something that is not a log, or is one of the files that are read."""
    if is_one_of(path, read):
        raise ModelFileError(f"will not overwrite {path} with the log; choose another name for --log")
    try:
        if Path(path).is_file():
            with open(path, "rb") as file:
                if file.read(1) not in (b"", b"{"):
                    raise ModelFileError(
                        f"will not overwrite {path}, which is not a log; choose another name for --log"
                    )
        elif Path(path).is_dir() or not Path(path).parent.is_dir():
            raise ModelFileError(f"cannot write {path}: it is a folder, or its folder is not there")
    except OSError as error:
        raise ModelFileError(f"cannot write {path}: {error.strerror}") from None
