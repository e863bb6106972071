"""The sequences of vectors of a part of a corpus."""

import math
from functools import cached_property

import numpy as np

MOST_NUMBERS = 1 << 24  # in the input of a batch


class VectorSequences:
    """Sequences of vectors, one after the other.

    values: float32 (n, C). starts: the start of each sequence and the stop of the last one, (sequences + 1). noise: see
    ``noisy``; for training only.
    """

    noise = 0.0

    def __init__(self, sequences: list[np.ndarray], channels: int):
        self.values = np.concatenate(sequences) if sequences else np.zeros((0, channels), np.float32)
        self.starts = np.cumsum([0, *map(len, sequences)])

    @cached_property
    def within(self) -> np.ndarray:
        """The deviation of each channel within a sequence, from the sequence's own mean: float32 (C). The sums are
        exact, so that every machine finds the same numbers."""
        found = []
        for channel in self.values.astype(np.float64).T:
            parts = [channel[start:stop] for start, stop in zip(self.starts[:-1], self.starts[1:], strict=True)]
            squares = [(part - math.fsum(part.tolist()) / len(part)) ** 2 for part in parts]
            found.append(math.sqrt(math.fsum(np.concatenate(squares).tolist()) / len(channel)))
        return np.array(found, np.float32)

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.starts)

    def padded(self, chosen: np.ndarray) -> np.ndarray:
        """Some of the sequences as columns, with zeros after their ends: float32 (T, N, C). chosen: indices, (N)."""
        starts, lengths = self.starts[chosen], self.lengths[chosen]
        found = np.zeros((int(lengths.max()), len(chosen), self.values.shape[1]), np.float32)
        for column, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist(), strict=True)):
            found[:length, column] = self.values[start : start + length]
        return found


class VectorPart:
    """A part of a corpus of vectors. vectors: its sequences."""

    vectors: VectorSequences


def noisy(inputs: np.ndarray, part: VectorSequences, random: np.random.Generator) -> np.ndarray:
    """Vectors of a training part with random numbers added, float32 (T, N, C). Each number gets one of the deviation
    noise · (that of its channel within a sequence), and each channel of a row one of the deviation noise / 2. Sums of
    three uniform numbers are as good as normal ones, and the same on every machine."""
    if not part.noise:
        return inputs
    at_steps, of_rows = (_random_numbers((steps, *inputs.shape[1:]), random) for steps in (len(inputs), 1))
    return inputs + np.float32(part.noise) * (at_steps * part.within + np.float32(0.5) * of_rows)


def _random_numbers(shape: tuple, random: np.random.Generator) -> np.ndarray:
    """Numbers of mean 0 and deviation 1, float32."""
    one, other, third = random.random((3, *shape), np.float32)
    return np.float32(2) * (one + other + third) - np.float32(3)


def steps_for(channels: int, most: int) -> int:
    """The most steps of a batch, so that its input has at most MOST_NUMBERS numbers. most: a limit besides."""
    return max(1, min(most, MOST_NUMBERS // channels))
