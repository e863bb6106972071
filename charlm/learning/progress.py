"""Steps of the loop, gathered into the reports that are shown and logged."""

import warnings
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass

from .loop import Step


@dataclass(frozen=True, kw_only=True)
class Report:
    """Several updates together. charlm makes one at each evaluation, sample and rollback, and otherwise about once
    a second.

    step, epoch, seconds, tokens: how far the training has come. tokens_per_second: speed since the last report,
    evaluations not counted. train_loss: mean since the last report, nats per token. valid_loss: the held-out loss where
    this report is an evaluation, else None. sampled_loss: its estimate from a sample of the held-out part, where a
    training with few evaluations makes one between them, else None. also_loss: of the best model on the text of
    ``also_valid``, in the last report only. improved: ``valid_loss`` is the lowest so far.
    rolled_back: the loss diverged, and the training has rolled back to ``step``.
    """

    step: int
    epoch: float
    seconds: float
    tokens: int
    tokens_per_second: float
    train_loss: float
    valid_loss: float | None
    improved: bool
    sampled_loss: float | None = None
    also_loss: float | None = None
    rolled_back: bool = False

    @property
    def went_back(self) -> bool:
        """The old name of ``rolled_back``."""
        warnings.warn("Report.went_back is now Report.rolled_back", DeprecationWarning, stacklevel=2)
        return self.rolled_back

    def as_dict(self) -> dict:
        """The record of a log; it has "sampled_loss", "also_loss" and "rolled_back" only where they have a value.
        "went_back" is the old name of "rolled_back"."""
        record = {name: value for name, value in asdict(self).items() if name not in ("improved", "rolled_back")}
        for name in ("sampled_loss", "also_loss"):
            if record[name] is None:
                record.pop(name)
        return record | ({"rolled_back": True, "went_back": True} if self.rolled_back else {})


def reports(steps: Iterator[Step], every: float) -> Generator[Report, None, None]:
    """Gather steps: a report at each evaluation, sample and rollback, one about every ``every`` seconds, and one at the
    end of the training."""
    nats, counted, last_seconds, last_training = 0.0, 0, 0.0, 0.0
    step = None
    for step in steps:
        nats, counted = nats + step.train_loss * step.window_tokens, counted + step.window_tokens
        is_special = step.valid_loss is not None or step.sampled_loss is not None or step.rolled_back
        if is_special or step.seconds - last_seconds >= every:
            yield _report(step, nats, counted, step.training_seconds - last_training)
            nats, counted, last_seconds, last_training = 0.0, 0, step.seconds, step.training_seconds
    if step is not None and counted:
        yield _report(step, nats, counted, step.training_seconds - last_training)


def _report(step: Step, nats: float, counted: int, seconds: float) -> Report:
    """The report after a step. nats, counted: the loss and the number of the tokens since the last report; seconds:
    spent in their updates."""
    return Report(
        step=step.step,
        epoch=step.epoch,
        seconds=step.seconds,
        tokens=step.tokens,
        tokens_per_second=counted / max(seconds, 1e-9),
        train_loss=nats / counted,
        valid_loss=step.valid_loss,
        improved=step.improved,
        sampled_loss=step.sampled_loss,
        also_loss=step.also_loss,
        rolled_back=step.rolled_back,
    )
