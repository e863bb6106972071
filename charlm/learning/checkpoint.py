"""Checkpoints: a file next to the model from which a stopped training resumes as if it had never stopped.

A checkpoint holds everything that the next update depends on: the ``TrainingState``, and the arrays, which are the
parameters, the optimizer's moments and the hidden states that the network carries from one window to the next. It also
holds the best parameters so far, and the last good ``TrainingState`` with its arrays, to which a training that diverges
rolls back. The seed and the ``TrainingState`` decide the order of the data and what dropout drops, so no state of a
random generator is stored.

charlm keeps the previous checkpoint too, in case the last one cannot be read. ``charlm.load`` reads the best parameters
of a checkpoint as a model.

    header   that of a model file, and: kind "checkpoint", settings, options (of ``charlm train``), rows, place and good
             (two ``TrainingState``), identity (of the training), optimizer (names of its arrays), record (whether the
             array novelty is there). Older checkpoints lack the last three: the arrays of the optimizer are m and v
    arrays   best, parameters, the optimizer's, state0, state1, …; each of these but the first again as good.NAME; and
             novelty and the n-grams of a mixture, as in a model file
"""

import math
import warnings
from dataclasses import asdict, fields
from pathlib import Path

from ..errors import CharlmError, ModelFileError, UsageError
from ..model import load_model
from ..modelfile import (
    FURTHER_ARRAYS,
    checkpoint_shapes,
    describe,
    further_arrays,
    model_header,
    read_archive,
    write_archive,
)
from ..network.architecture import Architecture
from ..network.products import check_precision
from ..tasks import Task
from ..text.corpus import Corpus
from .base import Base
from .loop import Trainer
from .options import BY_NAME, stored_options
from .settings import Settings
from .state import MOST_LOSSES, TrainingState


def checkpoint_path(model_path) -> Path:
    """m.npz → m.checkpoint.npz"""
    path = Path(model_path)
    return path.parent / f"{path.name.removesuffix('.npz')}.checkpoint.npz"


def previous_checkpoint_path(model_path) -> Path:
    """m.npz → m.checkpoint.before.npz"""
    return checkpoint_path(model_path).with_suffix(".before.npz")


def save_checkpoint(trainer: Trainer, path, options: dict, previous=None) -> None:
    """Write a checkpoint of the trainer after its last update.

    options: what the trainer was made with. previous: where an existing checkpoint at ``path`` is kept. Raises
    ModelFileError where the file cannot be written.
    """
    best = trainer.best_in_float32
    good, good_arrays = trainer.last_good
    header = model_header(best) | {
        "kind": "checkpoint",
        "settings": asdict(trainer.settings),
        "options": options,
        "rows": trainer.rows,
        "place": asdict(trainer.state),  # these two keys are part of the file format
        "good": asdict(good),
        "identity": trainer.identity,
        "optimizer": list(trainer.strategy.state()),
        "record": best.novelty is not None,
    }
    arrays = {"best": best.parameters} | trainer.arrays()
    arrays |= {f"good.{name}": array for name, array in good_arrays.items()}
    write_archive(path, header, arrays | further_arrays(best), previous)


class Checkpoint:
    """A checkpoint that was read. Raises ModelFileError where the file is not one, or is damaged."""

    def __init__(self, path):
        self.path = path
        self.header, self.arrays = read_archive(path, checkpoint_shapes, "checkpoint")
        try:
            self.settings = Settings(**self.header["settings"])
            self.architecture, _, self.task = describe(self.header)
            self.corpus_facts = {
                name: kind(self.header["training"]["corpus"][name]) for name, kind in _CORPUS_FACTS.items()
            }
            # What charlm chose by the text and the processor is none of the given options.
            settings = self.settings
            chosen = {"lines": self.header["lines"], "level": self.header["vocabulary"]["level"]}
            chosen |= {"precision": settings.precision, "ngrams": settings.ngrams}
            self.options = chosen | stored_options(dict(self.header["options"]))
            self.identity, self.ancestry = _read_identity(self.header), _read_ancestry(self.header)
            also = self.header["training"].get("also_valid", {"sha256": None})
            self.also_digest: str | None = also["sha256"]
            self.state, self.good = (_read_state(self.header[name]) for name in ("place", "good"))
        except (TypeError, KeyError, ValueError, OverflowError, UsageError) as error:
            raise ModelFileError(f"{path} is damaged: {error}") from None

    def base(self) -> Base | None:
        """What the training has of the model that it goes on with; None for a new model."""
        if not self.ancestry:
            return None
        return Base(model=load_model(self.path), name=str(self.path), ancestry=self.ancestry, is_resumed=True)

    def check_processor(self) -> None:
        """Raise ModelFileError where this processor cannot multiply in the precision of the training."""
        try:
            check_precision(self.settings.precision)
        except UsageError:
            raise ModelFileError(
                f"cannot resume from {self.path} on this processor, which does not multiply in bfloat16 (AVX512-BF16): "
                "resume it where it began, or begin anew with --restart in place of --resume"
            ) from None

    def differences(self, task: Task, corpus: Corpus, architecture: Architecture, settings: Settings) -> list[str]:
        """What has changed since the checkpoint was written, in words."""
        found = []
        facts = self.corpus_facts
        if corpus.digest != facts["sha256"]:
            sizes = f" ({corpus.size:,} bytes now, {facts['bytes']:,} then)" if corpus.size != facts["bytes"] else ""
            found.append(f"the text differs{sizes}")
        split = {"lines": corpus.lines, "train_tokens": len(corpus.train), "held_out_tokens": len(corpus.held_out)}
        if not found and (corpus.vocabulary.fields(), task, split) != (
            self.header["vocabulary"],
            self.task,
            {"lines": self.header["lines"]} | {name: facts[name] for name in ("train_tokens", "held_out_tokens")},
        ):
            found.append(
                "how the text is read (--task, --level, --lines or --stream, --columns, --holdout, --valid, "
                "--separator, --normalize, --min-count, --max-vocabulary, --keep-vocabulary)"
            )
        # Sizes follow from the text and the task, whose differences are found above.
        now = asdict(architecture) | asdict(settings)
        then = asdict(self.architecture) | asdict(self.settings)
        found += [
            f"{BY_NAME[name].flag} ({_shown(now[name])} now, {_shown(then[name])} then)"
            for name in now
            if now[name] != then.get(name) and not name.endswith(("_size", "outputs"))
        ]
        return found

    def restore(self, trainer: Trainer) -> None:
        """Put a new trainer into the state of the stopped one. Raises ModelFileError where its corpus, architecture,
        settings or optimizer are not the same."""
        found = self.differences(trainer.task, trainer.corpus, trainer.architecture, trainer.settings)
        if trainer.also and trainer.also.digest != self.also_digest:
            found.append("the text of --also-valid differs")
        if self.arrays.keys() - FURTHER_ARRAYS != {
            "best",
            *trainer.arrays(),
            *(f"good.{name}" for name in trainer.arrays()),
        }:
            found = found or ["the optimizer"]
        if found:
            raise ModelFileError(
                f"cannot resume from {self.path}: {'; '.join(found)}; give the same text and options as then, or begin "
                "anew with --restart in place of --resume"
            )
        if self.header["rows"] != trainer.rows:
            raise ModelFileError(f"{self.path} is damaged: its number of rows does not follow from its settings")
        trainer.identity = self.identity or trainer.identity
        trainer.restore(self.state, self.arrays)
        trainer.keep_good(self.good, {name: self.arrays[f"good.{name}"] for name in trainer.arrays()})
        if self.state.best_loss is not None:
            trainer.best_parameters = self.arrays["best"].copy()


def _shown(value):
    return "not given" if value is None else value


_CORPUS_FACTS = {"sha256": str, "bytes": int, "train_tokens": int, "held_out_tokens": int}


def _is_count(value):
    return type(value) is int and 0 <= value < 2**50


def _is_number(value):
    return type(value) in (int, float) and 0 <= value < math.inf


def _is_loss(value):
    return value is None or _is_number(value)


# By the types of the fields of ``TrainingState``: that module must not make its annotations strings.
_KINDS = {
    bool: lambda value: type(value) is bool,
    int: _is_count,
    float: _is_number,
    float | None: _is_loss,
    tuple[int, float]: lambda turn: len(turn) == 2 and _is_count(turn[0]) and _is_number(turn[1]) and turn[1] <= 1,
    list[list]: lambda history: all(
        len(entry) == 3 and _is_count(entry[0]) and all(map(_is_loss, entry[1:])) for entry in history
    ),
    list[tuple[int, int, float]]: lambda losses: (
        len(losses) <= MOST_LOSSES
        and all(
            len(entry) == 3 and all(map(_is_count, entry[:2])) and entry[1] and _is_number(entry[2]) for entry in losses
        )
    ),
    list[float]: lambda weights: all(map(_is_number, weights)),
    list[tuple[int, float]]: lambda sampled: all(
        len(entry) == 2 and _is_count(entry[0]) and _is_number(entry[1]) for entry in sampled
    ),
}


# Which older checkpoints lack:
_NEW = ("returned", "weights", "best_weights", "best_alone", "base_loss", "also_before", "also_after", "first_loss")


def _read_state(values: dict) -> TrainingState:
    state = TrainingState(**values)
    for field in fields(TrainingState):
        if field.name not in (*values, *_NEW) or not _KINDS[field.type](getattr(state, field.name)):
            raise ValueError(f"it does not say how far the training had come ({field.name})")
    if state.dropout >= 1:
        raise ValueError("its dropout rate would drop all units")
    state.turn = tuple(state.turn)
    return state


def _read_identity(header: dict) -> str | None:
    """The identity of the training; None in an older checkpoint whose training is at its end, or that has none."""
    found = [header["training"]["unfinished"]["id"]] if "unfinished" in header["training"] else []
    found += [header["identity"]] if "identity" in header else []
    if not all(isinstance(identity, str) for identity in found):
        raise ValueError("it does not say which training it is of")
    return found[-1] if found else None


def _read_ancestry(header: dict) -> list[dict]:
    """The models that the training goes on with, the last one first; [] for a new model."""
    found = header["training"].get("ancestry", [])
    if not isinstance(found, list) or not all(
        isinstance(one, dict) and isinstance(one.get("name"), str) for one in found
    ):
        raise ValueError("it does not say which model it goes on with")
    return found


def last_checkpoint(model_path) -> Checkpoint:
    """The checkpoint next to a model; with a warning the previous one where the last one cannot be read. Raises
    CharlmError where there is none."""
    path, previous = checkpoint_path(model_path), previous_checkpoint_path(model_path)
    if not path.exists() and not previous.exists():
        raise CharlmError(f"there is nothing to resume: {path} does not exist (a finished training leaves none)")
    try:
        return Checkpoint(path)
    except ModelFileError as error:
        if not previous.exists():
            raise
        checkpoint = Checkpoint(previous)
        warnings.warn(f"{error}; resuming from the previous checkpoint, {previous}", stacklevel=2)
        return checkpoint
