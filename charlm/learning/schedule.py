"""The learning rate over a training: a linear warm-up, then one of three schedules."""

from ..errors import UsageError
from ..portable.numbers import cos_pi

WARM_UP = 0.02  # fraction of the training in which the rate rises from almost 0


def constant(progress: float) -> float:
    return 1.0


def linear(progress: float) -> float:
    return 1.0 - progress


def cosine(progress: float) -> float:
    return 0.5 + 0.5 * cos_pi(progress)


SCHEDULES = {"cosine": cosine, "linear": linear, "constant": constant}


def rate_at(schedule: str, progress: float) -> float:
    """The factor of the learning rate, 0…1, when the fraction ``progress`` of the training is done. Raises UsageError
    for an unknown schedule."""
    if schedule not in SCHEDULES:
        raise UsageError(f"there is no schedule {schedule!r}; choose one of {', '.join(SCHEDULES)}")
    if progress < WARM_UP:
        return (progress + 1e-3) / (WARM_UP + 1e-3)
    return SCHEDULES[schedule](min(1.0, (progress - WARM_UP) / (1 - WARM_UP)))
