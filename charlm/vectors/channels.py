"""What a model knows of its input: the names of its channels, and the mean and the deviation that standardize them."""

import math
from dataclasses import dataclass

import numpy as np

from ..errors import CorpusError
from ..text.columns import beginnings

FARTHEST = 1e6  # deviations from the mean; what is farther counts as this far, so that no sum is infinite
LEAST_DEVIATION = 1e-30
MOST_CHANNELS = 2**16


@dataclass(frozen=True)
class Channels:
    """names: of the channels, "1", "2", … where nobody has named them. mean, deviation: of each channel in the training
    part, rounded to float32; the deviation of a channel that is constant there is 1."""

    names: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def of(cls, values: np.ndarray, names: tuple[str, ...] = ()) -> "Channels":
        """The channels of a training part, float64 (n, C). The sums are exact, so that every machine finds the same
        numbers. names: () for none."""
        means, deviations = [], []
        for channel in values.T:
            mean = float(np.float32(math.fsum(channel.tolist()) / len(channel)))
            deviation = math.sqrt(math.fsum(((channel - mean) ** 2).tolist()) / len(channel))
            constant = bool(channel.min() == channel.max()) or deviation < LEAST_DEVIATION
            means.append(mean)
            deviations.append(1.0 if constant else float(np.float32(deviation)))
        return cls(names or cls.numbered(values.shape[1]), tuple(means), tuple(deviations))

    @staticmethod
    def numbered(count: int) -> tuple[str, ...]:
        """The names of channels that have none."""
        return tuple(map(str, range(1, count + 1)))

    @classmethod
    def from_fields(cls, fields: dict) -> "Channels":
        """The channels that a model file describes. Raises ValueError, KeyError or TypeError where it does not."""
        found = cls(*(tuple(fields[name]) for name in ("names", "mean", "deviation")))
        good = 0 < len(found.names) <= MOST_CHANNELS and len(set(found.names)) == len(found.names)
        good = good and len(found.mean) == len(found.deviation) == len(found.names)
        good = good and all(type(name) is str and name.strip() and "\n" not in name for name in found.names)
        good = good and all(type(number) is float for number in (*found.mean, *found.deviation))
        good = good and all(abs(number) < 1e38 for number in found.mean)
        if not good or not all(LEAST_DEVIATION / 2 < number < 1e38 for number in found.deviation):
            raise ValueError("it does not say what the channels of its input are")
        return found

    def fields(self) -> dict:
        """The values, for JSON."""
        return {"names": list(self.names), "mean": list(self.mean), "deviation": list(self.deviation)}

    def __len__(self):
        return len(self.names)

    def standardized(self, values: np.ndarray) -> np.ndarray:
        """(values - mean) / deviation, at most FARTHEST from 0: float64 (n, C) → float32 (n, C)."""
        scaled = (values - np.array(self.mean)) / np.array(self.deviation)
        return np.clip(scaled, -FARTHEST, FARTHEST).astype(np.float32)

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
        return number if self.names == self.numbered(len(self)) else f"{number}: {', '.join(self.names)}"
