"""Where the results of a training are, so that no model is lost.

A model that stands at the output stays there until the new training is finished. Then charlm keeps it as the previous
model, under a name of its own next to the new one. Until then the best model so far is in the checkpoint only. Where
nothing stands at the output, the best model so far is there too, and its file says that its training is unfinished.

    m.npz                      the model
    m.previous.npz             the model that was there before
    m.checkpoint.npz           of an unfinished training: all that it needs to continue, and the best model so far
    m.checkpoint.before.npz    the checkpoint before that one
"""

import os
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import CharlmError, DivergedError, ModelFileError, UsageError
from ..model import Model, load_model
from ..modelfile import file_kind, is_saved, read_model, save_model
from ..text.reading import digest_of
from .checkpoint import checkpoint_path, previous_checkpoint_path, save_checkpoint
from .loop import Trainer
from .options import BY_NAME, CHECKPOINT_SECONDS
from .progress import Report

OWN_NAMES = {".checkpoint": "a checkpoint", ".checkpoint.before": "a checkpoint", ".previous": "the previous model"}


def previous_path(model_path) -> Path:
    """m.npz → m.previous.npz"""
    path = Path(model_path)
    name = path.name.removesuffix(".npz")
    return path.parent / f"{name}.previous{path.name.removeprefix(name)}"


def result_files(model_path, backup: bool = True) -> list:
    """All files that a training with this output writes."""
    kept = [previous_path(model_path)] if backup else []
    return [model_path, *kept, previous_checkpoint_path(model_path), checkpoint_path(model_path)]


def check_output_name(path) -> None:
    """Raise UsageError for a name that charlm itself gives to a file next to a model."""
    for end, what in OWN_NAMES.items():
        if Path(path).name.removesuffix(".npz").endswith(end):
            raise UsageError(
                f"will not write a model to {path}, which is a name of {what}; choose another name for --output"
            )


def check_checkpoints(model_path) -> None:
    """Raise ModelFileError where a model has the name of a checkpoint of this one: a training would delete it."""
    for path in (checkpoint_path(model_path), previous_checkpoint_path(model_path)):
        with suppress(ModelFileError):
            if file_kind(path) == "model":
                break
    else:
        return
    raise ModelFileError(
        f"will not overwrite {path}, which is a finished model and no checkpoint; give it another name, or choose "
        "another one for --output"
    )


def finished_model(path, paths: list, options: Mapping[str, Any]) -> Model | None:
    """The model at an output whose training is finished, so that nothing is left to resume; None where there is none.

    paths, options: the text and the given options of the training that shall be resumed. Raises ModelFileError where
    they are not those of the model.
    """
    if checkpoint_path(path).exists() or previous_checkpoint_path(path).exists():
        return None
    try:
        model = load_model(path)
        if "unfinished" in model.training:
            return None
        then, sha256 = dict(model.training["settings"]), model.training["corpus"]["sha256"]
    except (ModelFileError, TypeError, KeyError, ValueError):  # another program wrote the file
        return None
    found = ["the text differs"] if digest_of(paths) != sha256 else []
    then.pop("dropout", None)  # it may have followed the losses
    then |= asdict(model.architecture)
    found += [
        f"{BY_NAME[name].flag} ({now} now, {then[name]} then)"
        for name, now in options.items()
        if then.get(name, now) != now
    ]
    if found:
        raise ModelFileError(
            f"there is nothing to resume: the training of {path} is finished, and it was another one: "
            f"{'; '.join(found)}; leave out --resume to train a new model"
        )
    return model


class Results:
    """The files of a training. ``follow`` writes them while the trainer trains.

    path: of the model. options: what the trainer was made with. backup: keep a model that is there now as the previous
    one. last_is_damaged: the last checkpoint cannot be read, and the trainer was restored from the one before. kept:
    where charlm has kept the model that was there before, None where there was none.

    Make it when the trainer is in the state from which it will train.
    """

    def __init__(
        self, trainer: Trainer, path, options: Mapping[str, Any], backup: bool = True, last_is_damaged: bool = False
    ):
        self.trainer, self.path, self.options, self.backup = trainer, Path(path), dict(options), backup
        self.checkpoint, self.checkpoint_before = checkpoint_path(path), previous_checkpoint_path(path)
        self.kept: Path | None = None
        self._saved_tokens = trainer.state.tokens  # of the last checkpoint
        self._own = _signature(self.path) if _is_of(self.path, trainer.identity) else None
        self._has_checkpoint, self._last_is_damaged = trainer.state.tokens > 0, last_is_damaged

    @property
    def best_file(self) -> Path | None:
        """The file that has the best model so far, None where none has it."""
        if self._own is not None and _signature(self.path) == self._own:
            return self.path
        return self.checkpoint if self._has_checkpoint else None

    def follow(self, reports: Iterator[Report], every: float = CHECKPOINT_SECONDS) -> Generator[Report, None, None]:
        """Pass on the reports of the trainer, and save its results.

        charlm writes a checkpoint about every ``every`` seconds, and when the training stops before its end: because
        the reports end, because somebody closes this generator, or by an exception. It deletes the checkpoints when the
        training is finished.
        """
        written = time.monotonic()
        try:
            for report in reports:
                if report.improved and self._is_own():
                    self._save_model()
                if self.trainer.ranks.agree(time.monotonic() - written >= every):
                    self.trainer.collect_states()
                    self._save_checkpoint()
                    written = time.monotonic()
                yield report
            self.trainer.collect_states()
            if self.trainer.finished:
                self._finish()
            else:
                self._save_unfinished()
        except DivergedError as error:
            self._save_what_was_good()
            is_somewhere = self.trainer.state.best_loss is not None and self.best_file
            kept = f"; the best model so far is in {self.best_file}" if is_somewhere else ""
            raise DivergedError(f"{error}{kept}") from None
        except CharlmError:
            with suppress(CharlmError):  # the first error is the one to tell
                self._leave()
            raise
        except BaseException:
            self._leave()
            raise

    def _is_own(self) -> bool:
        """Whether the file at the output is one that this training has written, or there is none."""
        return _signature(self.path) in (None, self._own)

    def _save_model(self, previous: Path | None = None) -> None:
        save_model(self.trainer.best, self.path, previous)
        self._own = _signature(self.path)

    def _save_checkpoint(self) -> None:
        kept = None if self._last_is_damaged else self.checkpoint_before
        save_checkpoint(self.trainer, self.checkpoint, self.options, kept)
        self._saved_tokens, self._has_checkpoint, self._last_is_damaged = self.trainer.state.tokens, True, False

    def _save_unfinished(self) -> None:
        if self.trainer.state.tokens != self._saved_tokens:
            self._save_checkpoint()
        if self._is_own():
            self._save_model()

    def _finish(self) -> None:
        """Put the finished model at the output, and delete the checkpoints."""
        if self._is_own():
            self._save_model()
        elif not is_saved(self.trainer.best, self.path):
            # If charlm is killed between the next two lines and the last one, a resumed training has this same model,
            # finds it at the output, and does not take it for the one to keep.
            self._save_checkpoint()
            self._save_model(previous_path(self.path) if self.backup else None)
            self.kept = previous_path(self.path) if self.backup else None
        self._own, self._saved_tokens = _signature(self.path), self.trainer.state.tokens
        self.checkpoint_before.unlink(missing_ok=True)  # first: a run that is killed now resumes from the last one
        self.checkpoint.unlink(missing_ok=True)

    def _leave(self) -> None:
        """Save what can be resumed, at any moment of the training."""
        if self.trainer.is_updating or not self.trainer.has_states:
            self._save_good()
        elif self.trainer.state.tokens:
            self._save_unfinished()

    def _save_what_was_good(self) -> None:
        """Save the last good state of a training that diverged, where its best model is in no other file."""
        if self.best_file != self.path:
            with suppress(CharlmError):  # that it diverged is what to tell
                self._save_good()

    def _save_good(self) -> None:
        """Save the last good state, if it is newer than that of the last checkpoint."""
        if self.trainer.last_good[0].tokens > self._saved_tokens:
            self.trainer.back_to_good()
            self._save_unfinished()


def followed(reports: Iterator[Report], trainer: Trainer) -> Generator[Report, None, None]:
    """What the other ranks of a job do while ``Results.follow`` runs on rank 0: they send their hidden states for each
    checkpoint."""
    for report in reports:
        if trainer.ranks.agree(None):
            trainer.collect_states()
        yield report
    trainer.collect_states()


def _is_of(path, identity: str) -> bool:
    """Whether a file has the best model so far of the training with this identity."""
    try:
        unfinished = read_model(path)["training"].get("unfinished")
    except ModelFileError:
        return False
    return isinstance(unfinished, dict) and unfinished.get("id") == identity


def _signature(path) -> tuple | None:
    """What changes when somebody else writes the file; None where there is none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelFileError(f"cannot write {path}: {error.strerror}") from None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
