"""Several models on one text: which is better, and how surely.

All models score the same text, and are ranked by bits per byte. A paired bootstrap over lines (Efron, 1979; Koehn,
2004) estimates how much a difference would vary from one text of this kind to another: it resamples lines with
replacement, as many as there are, each with the scores of all models. If the interval contains 0, the text does not
tell the two models apart.

An unknown symbol costs a model as much as <UNK>, not as much as the symbol itself, so that a small vocabulary looks
good. charlm invents no penalty for that. It gives a second figure, for a model that spells its unknown symbols out,
byte by byte at 8 bits; the true cost lies between the two.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import compress

import numpy as np

from ..score import LN2, Score
from ..text.vocabulary import UNKNOWN, as_bytes
from .perplexity import Total
from .pipeline import ScoredBlock

MOST_UNITS = 20_000  # lines that the bootstrap resamples one by one; a longer text gets as many runs of 2, 4, 8 … lines
RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """One model in a comparison.

    name: of the model's file
    difference: its bits per byte minus the bits per byte of the best model
    interval: of the difference, at CONFIDENCE; None if there are too few lines to resample
    spelled: its bits per byte if it spelled out each unknown symbol, and an unknown word with one more byte at its end
    """

    name: str
    level: str
    score: Score
    difference: float
    interval: tuple[float, float] | None
    spelled: float

    def as_dict(self) -> dict:
        """All figures, for JSON."""
        own = {"model": self.name, "level": self.level, "difference": self.difference, "interval": self.interval}
        return own | self.score.as_dict() | {"bits_per_byte_spelled": self.spelled}


class LineSums:
    """Sums over lines in constant memory. Each line is a unit; a text of more than MOST_UNITS lines gets units of
    ``size`` lines in a row."""

    def __init__(self, columns: int):
        self.size, self._whole = 1, np.zeros((0, columns))
        self._lines = np.zeros((0, columns))  # too few for another unit so far

    def add(self, lines: np.ndarray) -> None:
        """Add the next lines, (lines, columns)."""
        while len(lines):
            room = (MOST_UNITS - len(self._whole)) * self.size - len(self._lines)
            now, lines = np.concatenate((self._lines, lines[:room])), lines[room:]
            whole = len(now) - len(now) % self.size
            units = now[:whole].reshape(-1, self.size, now.shape[1]).sum(1)
            self._whole, self._lines = np.concatenate((self._whole, units)), now[whole:]
            if len(self._whole) == MOST_UNITS:
                self._whole, self.size = self._whole[0::2] + self._whole[1::2], 2 * self.size

    def sums(self) -> np.ndarray:
        """The sums over each unit, (units, columns)."""
        rest = self._lines.sum(0, keepdims=True)
        return np.concatenate((self._whole, rest)) if len(self._lines) else self._whole


def bootstrap(values: np.ndarray, sizes: np.ndarray, resamples: int = RESAMPLES) -> np.ndarray:
    """Σ values / Σ sizes over units resampled with replacement, (resamples, columns). The random numbers are the same
    for every call.

    values: (units, columns); sizes: (units).
    """
    random, units = np.random.default_rng(1), len(values)
    ratios = np.empty((resamples, values.shape[1]))
    for number in range(resamples):
        times = np.bincount(random.integers(0, units, units), minlength=units)
        ratios[number] = times @ values / (times @ sizes)
    return ratios


def compare(scored: Iterable[list[ScoredBlock]], names: list[str]) -> tuple[list[Ranking], LineSums]:
    """The rankings of some models, the best first, and the sums over lines: bytes, then the nats of each model.

    scored: the scored blocks of all models with ``perplexity.COLUMNS``, in whole lines, at least one; names: of the
    models.
    """
    totals, spelled, lines = [Total() for _ in names], [0] * len(names), LineSums(1 + len(names))
    levels = [""] * len(names)
    for blocks in scored:
        for number, block in enumerate(blocks):
            totals[number].add(block)
            spelled[number] += _bytes_of_unknown(block)
            levels[number] = block.vocabulary.level
        nats = [block.sums(block.scores.nats) for block in blocks]
        lines.add(np.column_stack([_bytes(blocks[0]), *nats]))
    scores = [total.score for total in totals]
    order = sorted(range(len(names)), key=lambda number: scores[number].bits_per_byte)
    best = order[0]
    intervals = _intervals(lines.sums(), best)
    rankings = [
        Ranking(
            name=names[number],
            level=levels[number],
            score=scores[number],
            difference=scores[number].bits_per_byte - scores[best].bits_per_byte,
            interval=intervals[number],
            spelled=scores[number].bits_per_byte + 8 * spelled[number] / max(1, scores[number].bytes),
        )
        for number in order
    ]
    return rankings, lines


def _intervals(sums, best) -> list[tuple[float, float] | None]:
    """The interval of each model's bits per byte minus the best model's. sums: (units, 1 + models), see ``compare``."""
    sums = sums[sums[:, 0] > 0]
    if len(sums) < 2:
        return [None] * (sums.shape[1] - 1)
    ratios = bootstrap((sums[:, 1:] - sums[:, [1 + best]]) / LN2, sums[:, 0])
    tails = np.quantile(ratios, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return [tuple(column) for column in tails.T.tolist()]


def _bytes(block: ScoredBlock) -> np.ndarray:
    """Bytes (UTF-8) of each line of a block, its end included; 0 for a skipped line."""
    text = block.text if isinstance(block.text, bytes) else block.text.encode("utf-8", "surrogatepass")
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == 10) + 1
    return np.where(block.lengths > 0, np.diff(ends, prepend=0), 0)


def _bytes_of_unknown(block: ScoredBlock) -> int:
    """Bytes (UTF-8) of the symbols that are <UNK> to the model, each with an end if the tokens are words."""
    unknown = block.tokens == UNKNOWN
    if not unknown.any():
        return 0
    end = block.vocabulary.level in ("word", "token")
    return sum(len(as_bytes(symbol)) + end for symbol in compress(block.symbols(), unknown.tolist()))
