"""The sequences of vectors of a part of a corpus."""

import numpy as np

MOST_NUMBERS = 1 << 24  # in the input of a batch


class VectorSequences:
    """Sequences of vectors, one after the other.

    values: float32 (n, C). starts: the start of each sequence and the stop of the last one, (sequences + 1).
    """

    def __init__(self, sequences: list[np.ndarray], channels: int):
        self.values = np.concatenate(sequences) if sequences else np.zeros((0, channels), np.float32)
        self.starts = np.cumsum([0, *map(len, sequences)])

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


def steps_for(channels: int, most: int) -> int:
    """The most steps of a batch, so that its input has at most MOST_NUMBERS numbers. most: a limit besides."""
    return max(1, min(most, MOST_NUMBERS // channels))
