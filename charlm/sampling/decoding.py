"""Network + choice → the next token of many chains at once.

The chains stand side by side, a row each, in the plain NumPy network, so that nothing has to be compiled or loaded.
A chain draws the same tokens whoever its neighbours are: it has random numbers of its own, and its row is multiplied
in the same order. NumPy sees to that where there are 4 rows or more, but not for one alone, and where the columns are a
multiple of 16, but not always in the last ones of other numbers (OpenBLAS has another order for large products there).
So small networks always have a multiple of 4 rows, and their matrices as many columns as it takes. For large ones that
would take several times as long as one row, and each row is multiplied on its own, which in turn makes many rows up to
twice as slow. So it is with streams too, of which mostly one is drawn. As no row depends on another, several threads
can share them.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import UsageError
from ..text.vocabulary import UNKNOWN

LEAST = -745  # exp of less is 0


@dataclass(frozen=True)
class Decoding:
    """How the next token is drawn. temperature 0: the most likely one; top_k 0, top_p 1 and min_p 0: no restriction;
    mask_unknown: <UNK> is never drawn. The restrictions apply one after the other, after the temperature."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    mask_unknown: bool = False

    def __post_init__(self):
        if not (0 <= self.temperature < math.inf):
            raise UsageError(
                f"--temperature must be a number from 0 (the most likely token) up, not {self.temperature}"
            )
        if self.top_k < 0:
            raise UsageError(f"--top-k must be at least 1, or 0 for all tokens, not {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"--top-p must be above 0 and at most 1, not {self.top_p}")
        if not 0 <= self.min_p <= 1:
            raise UsageError(f"--min-p must be from 0 to 1, not {self.min_p}")

    @property
    def is_certain(self) -> bool:
        """Whether only one token can ever be drawn."""
        return self.temperature == 0 or self.top_k == 1

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """float64 (N, V): the distribution that the next token is drawn from."""
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
        if self.top_p < 1:  # the fewest tokens whose probabilities reach top_p
            order = np.argsort(-powers, axis=1, kind="stable")
            sorted_powers = np.take_along_axis(powers, order, 1)
            before = np.cumsum(sorted_powers, axis=1) - sorted_powers
            np.put_along_axis(powers, order, np.where(before < self.top_p, sorted_powers, 0), 1)
            powers /= powers.sum(1, keepdims=True)
        if self.min_p > 0:
            powers[powers < self.min_p * powers.max(1, keepdims=True)] = 0
            powers /= powers.sum(1, keepdims=True)
        return powers

    @cached_property
    def is_plain(self) -> bool:
        """Whether the tokens are drawn from the model's own distribution."""
        return self == Decoding()

    def draw(self, logits: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One token for each row, (N), and its -log ŷ under the model itself, (N). points: random numbers, 0 ≤ point <
        1, (N)."""
        if len(logits) == 1 and self.is_plain:
            return self._draw_one(logits[0], points[0])
        shifted = logits.astype(np.float64)
        shifted -= np.maximum.reduce(shifted, 1, keepdims=True)
        powers = np.exp(shifted)
        sums = (powers if self.is_plain else self.probabilities(logits)).cumsum(1)
        points = points * sums[:, -1]
        sums[:, -1] = math.inf
        tokens = (sums > points[:, None]).argmax(1)
        return tokens, np.log(np.add.reduce(powers, 1)) - shifted[np.arange(len(tokens)), tokens]

    def _draw_one(self, logits, point):
        """The same for one row, (V), from the model's own distribution: the same bits from fewer and smaller calls."""
        shifted = logits.astype(np.float64)
        shifted -= np.maximum.reduce(shifted)
        powers = np.exp(shifted)
        sums = powers.cumsum()
        token = sums[:-1].searchsorted(point * sums[-1], "right")
        return np.array([token]), np.log(np.add.reduce(powers)) - shifted[token : token + 1]
