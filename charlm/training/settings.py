"""How to train: the settings of the loop, checked once."""

import math
from dataclasses import dataclass

from ..errors import UsageError
from ..network.architecture import check_precision_name
from .schedule import SCHEDULES


@dataclass(frozen=True)
class Settings:
    """How to train. batch: rows side by side; steps: tokens in a window, through which the gradient runs; dropout:
    the share of the layers' units that each update leaves out; None for one that follows the gap between the losses,
    from 0 on.

    lr: the learning rate at its highest; network/cells.py has what is best for each cell. minutes: the time by the
    clock that the training is to take, for which ``epochs`` is then a first estimate; None where the epochs decide.
    precision: in which an update multiplies matrices; sums, weights and all else are float32.
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
