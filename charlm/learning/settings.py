"""The settings of the training loop, checked once."""

import math
from dataclasses import dataclass

from ..errors import UsageError
from ..network.architecture import check_precision_name
from .schedule import SCHEDULES


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to train. Raises UsageError for values that make no sense.

    epochs: passes over the training part; with ``minutes`` a first estimate. batch: rows (pieces of the stream, or
    lines) that are trained in parallel. steps: tokens of a row in one window, over which the gradient is computed.
    lr: the highest learning rate. clip: largest norm of the gradient of the mean loss, 0 for no limit. dropout: the
    rate at which each update drops units of the layers; None for a rate that starts at 0 and follows the losses (see
    ``control.followed_dropout``). schedule: how the learning rate falls. seed: of everything random. minutes: the time
    that the training may take, None where ``epochs`` decides. precision: float32 or bf16, in which an update multiplies
    matrices; all else is float32.
    """

    epochs: float = 10.0
    batch: int = 50
    steps: int = 50
    lr: float = 0.01
    clip: float = 0.2
    dropout: float | None = 0.0
    schedule: str = "cosine"
    seed: int = 1
    minutes: float | None = None
    precision: str = "float32"

    def __post_init__(self):
        for name, least in (("batch", 1), ("steps", 1), ("clip", 0), ("seed", 0)):
            if not least <= getattr(self, name) < math.inf:
                raise UsageError(f"--{name} must be at least {least}, not {getattr(self, name)}")
        for name in ("epochs", "lr"):
            if not 0 < getattr(self, name) <= 1e38:
                raise UsageError(f"--{name} must be a number above 0, not {getattr(self, name)}")
        if self.minutes is not None and not 0 < self.minutes <= 1e6:
            raise UsageError(f"--minutes must be a number above 0 and at most a million, not {self.minutes}")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise UsageError(f"--dropout must be at least 0 and below 1, not {self.dropout}")
        if self.schedule not in SCHEDULES:
            raise UsageError(f"there is no schedule {self.schedule!r}; choose one of {', '.join(SCHEDULES)}")
        check_precision_name(self.precision)
