"""Where a text is easy or hard, and where several models differ about it: passages with the nats of each word.

A passage is a line, or a piece of WORDS words of a longer line. All models have the same words, whatever their tokens
are (see ``rows.word_rows``).
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..score import LN2
from .pipeline import ScoredBlock
from .rows import word_rows

WORDS = 60
LEAST_WORDS = 4  # of a passage of a stream: fewer say little
MOST_PASSAGES = 10


@dataclass(frozen=True, kw_only=True)
class WordPassage:
    """A part of a text. line: its number, from 1. words: in order. bits: of each word by each model (models, words)."""

    line: int
    words: list[str]
    bits: np.ndarray

    @property
    def bits_per_character(self) -> np.ndarray:
        """By each model (models)."""
        return self.bits.sum(1) / max(1, sum(len(word) + 1 for word in self.words))

    @property
    def spread(self) -> float:
        """How many bits more than the best model the worst one needs."""
        sums = self.bits.sum(1)
        return float(sums.max() - sums.min())


class _Ranked(NamedTuple):
    value: float
    number: int  # so that of equal passages the first ones are kept
    passage: WordPassage


class Extremes:
    """Collects the passages in which the models differ most and, for the first model, those with the fewest and with
    the most bits per character. is_list: each line is a text of its own, and counts however short it is."""

    def __init__(self, is_list: bool):
        self.is_list, self.lines_seen, self._seen = is_list, 0, 0
        self._heaps: dict[str, list[_Ranked]] = {"spread": [], "least": [], "most": []}

    def following(self, scored: Iterable[list[ScoredBlock]]) -> Iterator[list[ScoredBlock]]:
        """The same blocks, which have whole lines, looked at as they pass."""
        for blocks in scored:
            for passage in _passages(blocks, self.lines_seen):
                if self.is_list or len(passage.words) >= LEAST_WORDS:
                    self._add(passage)
            self.lines_seen += len(blocks[0].lengths)
            yield blocks

    def most_different(self) -> list[WordPassage]:
        """The passages with the largest spread, the largest first."""
        return self._kept("spread")

    def least_surprising(self) -> list[WordPassage]:
        return self._kept("least")

    def most_surprising(self) -> list[WordPassage]:
        return self._kept("most")

    def _add(self, passage: WordPassage) -> None:
        bits, self._seen = float(passage.bits_per_character[0]), self._seen + 1
        for name, value in (("spread", passage.spread), ("least", -bits), ("most", bits)):
            heap, entry = self._heaps[name], _Ranked(value, -self._seen, passage)
            if len(heap) < MOST_PASSAGES:
                heapq.heappush(heap, entry)
            elif entry[:2] > heap[0][:2]:
                heapq.heapreplace(heap, entry)

    def _kept(self, name: str) -> list[WordPassage]:
        return [entry.passage for entry in sorted(self._heaps[name], key=lambda entry: entry[:2], reverse=True)]


def _passages(blocks: list[ScoredBlock], before: int) -> Iterator[WordPassage]:
    """The passages of a block, by all models. before: the lines before the block."""
    rows = [list(word_rows(_as_read(block), before)) for block in blocks]
    bits = np.array([[row[4] for row in found] for found in rows]) / LN2
    start = 0
    for stop, (line, _, _, _, _, word) in enumerate(rows[0], 1):
        is_end = stop == len(rows[0]) or rows[0][stop][0] != line
        if is_end or stop - start == WORDS:
            words = [row[5] for row in rows[0][start:stop]]
            if any(word != "\n" for word in words):
                yield WordPassage(line=line, words=words, bits=bits[:, start:stop])
            start = stop


def _as_read(block: ScoredBlock) -> ScoredBlock:
    """A block whose text is bytes where the model's tokens are bytes."""
    if block.vocabulary.level == "byte" and isinstance(block.text, str):
        return replace(block, text=block.text.encode("utf-8", "surrogatepass"))
    return block
