"""Clipping, Adam, and how the learning rate goes."""

import math

from ..errors import UsageError

WARM_UP = 0.02  # share of the training in which the rate rises from 0


def constant(progress: float) -> float:
    return 1.0


def linear(progress: float) -> float:
    return 1.0 - progress


def cosine(progress: float) -> float:
    return 0.5 + 0.5 * math.cos(math.pi * progress)


SCHEDULES = {"cosine": cosine, "linear": linear, "constant": constant}


def rate_at(schedule: str, progress: float) -> float:
    """The factor of the learning rate when the share ``progress`` of the training is done, after a linear warm-up."""
    if schedule not in SCHEDULES:
        raise UsageError(f"there is no schedule {schedule!r}; choose one of {', '.join(SCHEDULES)}")
    if progress < WARM_UP:
        return (progress + 1e-3) / (WARM_UP + 1e-3)
    return SCHEDULES[schedule](min(1.0, (progress - WARM_UP) / (1 - WARM_UP)))
