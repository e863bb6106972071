"""Steps of a training put together to what is shown and logged."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from .loop import Step


@dataclass(frozen=True)
class Report:
    """What is shown and logged: some steps together, at a steady pace and wherever the held-out loss was taken."""

    step: int
    epoch: float
    seconds: float
    tokens: int
    tokens_per_second: float
    train_loss: float
    valid_loss: float | None
    improved: bool
    went_back: bool = False

    def as_dict(self) -> dict:
        """The record of a log."""
        record = {name: value for name, value in asdict(self).items() if name not in ("improved", "went_back")}
        return record | ({"went_back": True} if self.went_back else {})


def reports(steps: Iterator[Step], every: float) -> Iterator[Report]:
    """Put steps together: a report at each evaluation and explosion, and at least one about every ``every``
    seconds."""
    nats, counted, last_seconds, last_training = 0.0, 0, 0.0, 0.0
    for step in steps:
        nats, counted = nats + step.train_loss * step.window_tokens, counted + step.window_tokens
        if step.valid_loss is None and step.seconds - last_seconds < every and not step.went_back:
            continue
        speed = counted / max(step.training_seconds - last_training, 1e-9)
        yield Report(
            step.step,
            step.epoch,
            step.seconds,
            step.tokens,
            speed,
            nats / counted,
            step.valid_loss,
            step.improved,
            step.went_back,
        )
        nats, counted, last_seconds, last_training = 0.0, 0, step.seconds, step.training_seconds
