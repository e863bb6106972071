"""Sampled softmax: with a large vocabulary, an update computes a sample of the outputs and not all of them.

The loss needs Z = Σ exp z of all V outputs, most of which are nearly 0. The sample of an update has its targets, and
each other output v with the probability π_v, whatever else it has. A row with the target y then takes

    Z ≈ exp z_y + Σ exp(z_v) / π_v      over the outputs v ≠ y that are in the sample by chance

which is right on average (Horvitz and Thompson, 1952; for softmax: Bengio and Senécal, Quick training of probabilistic
neural nets by importance sampling, 2003; Jean et al., On using very large target vocabulary for neural machine
translation, 2015). So an output that is in the sample by chance has the logit z_v - log π_v in each row but those whose
target it is. One that is there only because it is the target of other rows has no part in the sum. Frequent outputs
have π = 1.

What is learnt is an ordinary softmax: scoring and sampling use all outputs.
"""

from dataclasses import dataclass

import numpy as np

from ..portable.functions import log
from ..text.vocabulary import UNKNOWN

ABSENT = np.float32(-1e30)  # is added to a logit that has no part in the sum


@dataclass(frozen=True)
class OutputSample:
    """The C outputs of one update. ids: int64 (C), ascending. places: int32 (V), the place of each output in ``ids``,
    -1 for none. correction: float32 (C), -log π, or ABSENT for an output that is there only as a target."""

    ids: np.ndarray
    places: np.ndarray
    correction: np.ndarray

    def places_of(self, ids: np.ndarray) -> np.ndarray:
        """The places of outputs that are in the sample, int32 of their shape; -1 stays -1."""
        return np.where(ids < 0, np.int32(-1), self.places[ids])


class OutputSampling:
    """Makes the samples of a training.

    frequencies: how often each output occurs in the training part, (V). number: how many outputs a sample has besides
    targets, on average, below V. seed: of the random numbers. rates: π, float64 (V).
    """

    def __init__(self, frequencies: np.ndarray, number: int, seed: int = 1):
        self.frequencies, self.number, self.seed = frequencies, number, seed
        self.rates = inclusion_rates(frequencies, number)
        self._correction = (-log(self.rates)).astype(np.float32)

    @property
    def shares(self) -> np.ndarray:
        """The relative frequency of each output, float64 (V)."""
        return self.frequencies / self.frequencies.sum()

    def sample(self, update: int, targets: np.ndarray) -> OutputSample:
        """The sample of one update, which its number decides. targets: ids of any shape, -1 for none."""
        by_chance = np.random.default_rng([self.seed, 3, update]).random(self.rates.size) < self.rates
        is_there = by_chance.copy()
        is_there[targets[targets >= 0]] = True
        ids = np.flatnonzero(is_there)
        places = np.full(is_there.size, -1, np.int32)
        places[ids] = np.arange(ids.size)
        return OutputSample(ids, places, np.where(by_chance[ids], self._correction[ids], ABSENT))


def output_sampling(frequencies: np.ndarray, number: int | None, seed: int = 1) -> OutputSampling | None:
    """See ``OutputSampling``; None where all outputs are computed: for None or 0, or where V is not larger."""
    return OutputSampling(frequencies, number, seed) if number and number < frequencies.size else None


def inclusion_rates(frequencies: np.ndarray, number: int) -> np.ndarray:
    """π, float64 (V): min(1, c · (frequency + 1)) with the c for which they add up to ``number``, at most V. <UNK>, to
    which label smoothing gives a part of each target, has π = 1."""
    weights = frequencies + 1.0
    is_certain = np.arange(weights.size) == UNKNOWN
    rates = is_certain.astype(np.float64)
    while not is_certain.all():
        left = max(1.0, number - np.count_nonzero(is_certain))
        rates = np.where(is_certain, 1.0, weights * (left / weights[~is_certain].sum()))
        if not (rates > 1).any():
            break
        is_certain |= rates >= 1
    return rates
