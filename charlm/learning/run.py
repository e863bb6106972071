"""A training run as those see it who describe it, show it or write about it: its text, its options, its trainer, and
the baselines beside it. ``session.TrainingSession`` makes it and goes through it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path as FilePath
from typing import Any

from ..model import Model
from ..options import Path
from ..ranks import PATIENCE
from ..reports.loss_curve import LossCurve
from ..text.baselines import Baseline
from ..text.reading import names_of
from .control import held_out_losses
from .loop import Trainer
from .options import BY_NAME, CHECKPOINT_SECONDS


@dataclass(frozen=True, kw_only=True)
class TrainingFiles:
    """The files that a session writes, None for a file that it does not write, and how it treats them.

    output: the model. charlm writes a checkpoint next to it about every ``save_every`` seconds. log: each report as a
    line of JSON. plot: a picture of the losses (SVG). report: a page of the training (HTML). resume: continue the
    unfinished training of ``output``, and append to ``log``. restart: begin anew where ``output`` has an unfinished
    training, and give that up. backup: keep a model that is at ``output`` now, next to the new one. patience: seconds
    after which the ranks of an MPI job give up one that does not answer.
    """

    output: Path | None = None
    log: Path | None = None
    plot: Path | None = None
    report: Path | None = None
    resume: bool = False
    restart: bool = False
    backup: bool = True
    save_every: float = CHECKPOINT_SECONDS
    patience: float = PATIENCE

    def __post_init__(self):
        for field in fields(self):
            object.__setattr__(self, field.name, BY_NAME[field.name].check(getattr(self, field.name)))


class Run:
    """A training run.

    paths: the text files, or a ``MemoryText``. given: the options that somebody gave, by their names; options: these,
    and for a resumed training all others from its checkpoint. trainer: there is none before the session is open, or
    where the training is finished. baselines: of ``train_baselines``; baseline_tokens: how many tokens, the last ones
    of the training part, they were trained on. given_up: a line about the unfinished training that this one gives up,
    None where there is none. done: the model at the output where its training is finished, so that there is nothing to
    resume: then the session has no trainer and no reports; None otherwise.
    """

    trainer: Trainer

    def __init__(self, paths: list, files: TrainingFiles, given: Mapping[str, Any]):
        self.paths, self.files, self.given = paths, files, dict(given)
        self.options = dict(given)
        self.baselines: list[Baseline] = []
        self.baseline_tokens = 0
        self.given_up: str | None = None
        self.done: Model | None = None

    @property
    def name(self) -> str:
        """What this training is called: the name of its model, else of its texts."""
        return FilePath(self.files.output).name if self.files.output is not None else names_of(self.paths)

    @property
    def unit(self) -> str:
        """What the losses are counted in: character, word, byte, line, …"""
        return self.trainer.task.unit(self.trainer.corpus.vocabulary.level)

    @property
    def finished(self) -> bool:
        return self.done is not None or self.trainer.finished

    @property
    def best(self) -> Model:
        """The model with the lowest held-out loss so far; the latest one where nothing is held out."""
        return self.done or self.trainer.best

    @property
    def losses(self) -> LossCurve:
        """The losses so far: the training loss at up to a few hundred points, the held-out loss wherever it was
        measured or estimated."""
        state = self.trainer.state
        points: list[tuple[int, float | None, float | None]] = [
            *((step, nats / tokens, None) for step, tokens, nats in state.losses),
            *((step, None, loss) for step, loss in held_out_losses(state)),
        ]
        evaluated = [(loss, step) for step, _, loss in state.history if loss is not None]
        kept = min(evaluated)[::-1] if evaluated else None
        return LossCurve(sorted(points, key=lambda point: point[0]), self.unit, kept)

    def train_baselines(self) -> None:
        """Train the n-gram baselines on the training part and score the held-out part with them. It takes a few
        hundredths of the training's time, and counts as a part of it. A second call does nothing."""
        trainer = self.trainer
        if trainer.evaluation and not self.baselines:
            self.baselines, self.baseline_tokens = trainer.task.baselines(
                trainer.corpus, trainer.settings.minutes, trainer.ngrams
            )
