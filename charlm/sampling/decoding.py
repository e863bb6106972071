"""Logits → the next token, for many rows at once: temperature, top-k, top-p, min-p."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..text.vocabulary import UNKNOWN
from .options import BY_NAME
from .settings import SamplingOptions

LEAST = -745  # exp of less is 0


@dataclass(frozen=True)
class Decoding:
    """The distribution that the next token is sampled from.

    The logits are divided by the temperature; temperature 0 takes the most likely token. Then the restrictions apply,
    in this order: top_k keeps that many of the most likely tokens (0 keeps all); top_p keeps the fewest tokens whose
    probabilities reach it in sum (1 keeps all); min_p drops tokens with less than that fraction of the most likely
    token's probability (0 keeps all). mask_unknown sets the probability of <UNK> to 0.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    mask_unknown: bool = False

    def __post_init__(self):
        for name in ("temperature", "top_k", "top_p", "min_p"):
            object.__setattr__(self, name, BY_NAME[name].check(getattr(self, name)))

    @classmethod
    def of(cls, options: SamplingOptions) -> "Decoding":
        """What the options of sampling say about the next token."""
        mask_unknown = options.unknown == "mask"
        return cls(options.temperature, options.top_k, options.top_p, options.min_p, mask_unknown=mask_unknown)

    @property
    def is_certain(self) -> bool:
        """Whether only the most likely token can be sampled."""
        return self.temperature == 0 or self.top_k == 1

    @property
    def remedy(self) -> str:
        """What the user can change so that other tokens can be sampled too; "" where they can."""
        changes = ["raise --temperature"] * (self.temperature == 0) + ["raise --top-k"] * (self.top_k == 1)
        return " and ".join(changes)

    @cached_property
    def is_unrestricted(self) -> bool:
        """Whether tokens are sampled from the model's own distribution."""
        return self == Decoding()

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """The distribution of each row, float64 (N, V). logits: (N, V)."""
        logits = logits.astype(np.float64)
        if self.mask_unknown:
            logits[:, UNKNOWN] = -math.inf
        if self.temperature == 0:
            return np.eye(logits.shape[1])[logits.argmax(1)]
        scaled = (logits - logits.max(1, keepdims=True)) / max(self.temperature, 1e-300)
        powers = np.exp(np.maximum(scaled, LEAST))
        if self.mask_unknown:
            powers[:, UNKNOWN] = 0
        if 0 < self.top_k < logits.shape[1]:
            order = np.argsort(-logits, axis=1, kind="stable")[:, : self.top_k]
            kept = np.zeros_like(powers)
            np.put_along_axis(kept, order, np.take_along_axis(powers, order, 1), 1)
            powers = kept
        powers /= powers.sum(1, keepdims=True)
        if self.top_p < 1:
            order = np.argsort(-powers, axis=1, kind="stable")
            sorted_powers = np.take_along_axis(powers, order, 1)
            before = np.cumsum(sorted_powers, axis=1) - sorted_powers
            np.put_along_axis(powers, order, np.where(before < self.top_p, sorted_powers, 0), 1)
            powers /= powers.sum(1, keepdims=True)
        if self.min_p > 0:
            powers[powers < self.min_p * powers.max(1, keepdims=True)] = 0
            powers /= powers.sum(1, keepdims=True)
        return powers

    def sample(self, logits: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One token for each row, ids (N), and its -log ŷ under the model's own distribution, nats (N).

        logits: (N, V); numbers: random numbers, 0 ≤ number < 1, (N).
        """
        if len(logits) == 1 and self.is_unrestricted:
            return self._sample_one(logits[0], numbers[0])
        shifted = logits.astype(np.float64)
        shifted -= np.maximum.reduce(shifted, 1, keepdims=True)
        powers = np.exp(shifted)
        sums = (powers if self.is_unrestricted else self.probabilities(logits)).cumsum(1)
        points = numbers * sums[:, -1]
        sums[:, -1] = math.inf
        tokens = (sums > points[:, None]).argmax(1)
        return tokens, np.log(np.add.reduce(powers, 1)) - shifted[np.arange(len(tokens)), tokens]

    def _sample_one(self, logits, number):
        """The same for one row, (V), from the model's own distribution: the same bits from fewer and smaller calls."""
        shifted = logits.astype(np.float64)
        shifted -= np.maximum.reduce(shifted)
        powers = np.exp(shifted)
        sums = powers.cumsum()
        token = sums[:-1].searchsorted(number * sums[-1], "right")
        return np.array([token]), np.log(np.add.reduce(powers)) - shifted[token : token + 1]
