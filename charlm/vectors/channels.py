"""What a model knows of its input: the names of its channels, and the mean and the deviation that standardize them.

A classifier also reads how fast each channel changes: its slope at step t, which speech recognition calls a delta. It
is the slope of the straight line nearest to x at the steps from t - 2 to t + 2, by the sum of squared differences. As
x before the first step and after the last one, the x of that step counts:

    slope⟨t⟩ = (2 (x⟨t+2⟩ - x⟨t-2⟩) + x⟨t+1⟩ - x⟨t-1⟩) / 10
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from ..errors import CorpusError
from ..text.columns import beginnings

FARTHEST = 1e6  # deviations from the mean; what is farther counts as this far, so that no sum is infinite
LEAST_DEVIATION = 1e-30
MOST_CHANNELS = 2**16


@dataclass(frozen=True)
class Channels:
    """names: of the channels, "1", "2", … where nobody has named them. mean, deviation: of each channel in the training
    part, rounded to float32; the deviation of a channel that is constant there is 1. slopes: the root mean square of
    the slopes of each standardized channel there, likewise; () for a network that does not read slopes."""

    names: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    slopes: tuple[float, ...] = ()

    @classmethod
    def of(cls, sequences: list[np.ndarray], names: tuple[str, ...] = (), *, with_slopes: bool = False) -> "Channels":
        """The channels of a training part, float64 (steps, C) each. The sums are exact, so that every machine finds the
        same numbers. names: () for none."""
        means, deviations = [], []
        for channel in np.concatenate(sequences).T:
            mean = float(np.float32(math.fsum(channel.tolist()) / len(channel)))
            deviation = math.sqrt(math.fsum(((channel - mean) ** 2).tolist()) / len(channel))
            constant = bool(channel.min() == channel.max()) or deviation < LEAST_DEVIATION
            means.append(mean)
            deviations.append(1.0 if constant else float(np.float32(deviation)))
        found = cls(names or cls.numbered(len(means)), tuple(means), tuple(deviations))
        if not with_slopes:
            return found
        slopes = np.concatenate([slopes_of(found._scaled(values)) for values in sequences])
        sizes = [math.sqrt(math.fsum((slope * slope).tolist()) / len(slope)) for slope in slopes.T]
        return replace(found, slopes=tuple(float(np.float32(s)) if s >= LEAST_DEVIATION else 1.0 for s in sizes))

    @staticmethod
    def numbered(count: int) -> tuple[str, ...]:
        """The names of channels that have none."""
        return tuple(map(str, range(1, count + 1)))

    @classmethod
    def from_fields(cls, fields: dict) -> "Channels":
        """The channels that a model file describes. Raises ValueError, KeyError or TypeError where it does not."""
        found = cls(*(tuple(fields[name]) for name in ("names", "mean", "deviation")), tuple(fields.get("slopes", ())))
        good = 0 < len(found.names) <= MOST_CHANNELS and len(set(found.names)) == len(found.names)
        good = good and len(found.mean) == len(found.deviation) == len(found.names)
        good = good and all(type(name) is str and name.strip() and "\n" not in name for name in found.names)
        good = good and len(found.slopes) in (0, len(found.names))
        sizes = (*found.deviation, *found.slopes)
        good = good and all(type(number) is float for number in (*found.mean, *sizes))
        good = good and all(abs(number) < 1e38 for number in found.mean)
        if not good or not all(LEAST_DEVIATION / 2 < number < 1e38 for number in sizes):
            raise ValueError("it does not say what the channels of its input are")
        return found

    def fields(self) -> dict:
        """The values, for JSON."""
        found = {"names": list(self.names), "mean": list(self.mean), "deviation": list(self.deviation)}
        return found | ({"slopes": list(self.slopes)} if self.slopes else {})

    def __len__(self):
        return len(self.names)

    @property
    def width(self) -> int:
        """How many numbers the network reads at each step."""
        return len(self.names) + len(self.slopes)

    def standardized(self, values: np.ndarray) -> np.ndarray:
        """What the network reads of a sequence: (values - mean) / deviation and, if it has them, the slopes of these by
        their root mean squares, each at most FARTHEST from 0: float64 (steps, C) → float32 (steps, width)."""
        found = self._scaled(values)
        if self.slopes:
            found = np.concatenate((found, _clipped(slopes_of(found) / np.array(self.slopes))), axis=1)
        return found.astype(np.float32)

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        return _clipped((values - np.array(self.mean)) / np.array(self.deviation))

    def check(self, count: int, names: tuple[str, ...], where: str) -> None:
        """Raise CorpusError where vectors have other channels than these. count: how many; names: () for none."""
        if count != len(self):
            raise CorpusError(f"{where} has {count:,} channels, and the training file or the model has {len(self):,}")
        if names and names != self.names and self.names != self.numbered(len(self)):
            raise CorpusError(
                f"{where} has the channels {beginnings(names)}, and the training file or the model has "
                f"{beginnings(self.names)}: put the columns into this order"
            )

    def description(self) -> str:
        """The channels in words."""
        number = f"{len(self):,} channel{'' if len(self) == 1 else 's'}"
        number += " and how fast each changes" if self.slopes else ""
        return number if self.names == self.numbered(len(self)) else f"{number}: {', '.join(self.names)}"


def slopes_of(values: np.ndarray) -> np.ndarray:
    """The slope of each channel at each step of a sequence, float64 (steps, C)."""

    def moved(steps: int) -> np.ndarray:
        return values[np.clip(np.arange(len(values)) + steps, 0, len(values) - 1)]

    return (2 * (moved(2) - moved(-2)) + (moved(1) - moved(-1))) / 10


def _clipped(values: np.ndarray) -> np.ndarray:
    return np.clip(values, -FARTHEST, FARTHEST)
