"""Fixed parts of the rows of a batch, whose gradients are summed along one tree, whoever computes them.

S shards share the N rows of a batch: shard s has the rows s, s + S, s + 2S, … The gradient of an update is the sum of
the shards' gradients in pairs, in pairs of pairs, and so on: ((0+1) + (2+3)) + ((4+5) + (6+7)). A process may have all
of the shards, or some of them next to each other that make up a subtree. So however many processes there are, the same
numbers are added in the same order, and the sum is the same, to the bit.

A process keeps the rows of its L shards in the order of the batch. So the row l of a process belongs to its shard
l mod L, and in an array (T, L·n, …) that is flattened to rows every L-th row is one shard.
"""

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from ..text.batches import Batch, PairBatch, WordBatch, rows_axis
from ..text.vocabulary import EOS

B = TypeVar("B", bound=Batch)


def tree_sum(parts: list) -> Any:
    """The sum along the tree: of each two neighbours, then of each two of these sums, and so on. The number of parts,
    which are numbers or arrays, is a power of two."""
    while len(parts) > 1:
        parts = [parts[i] + parts[i + 1] for i in range(0, len(parts), 2)]
    return parts[0]


@dataclass(frozen=True)
class Shards:
    """The shards of one process. number: of all shards, a power of two. first: the first one that the process has, a
    multiple of ``count``; count: how many it has, a power of two; None for all. Raises ValueError for others."""

    number: int = 1
    first: int = 0
    count: int | None = None

    def __post_init__(self):
        count = self.number if self.count is None else self.count
        object.__setattr__(self, "count", count)
        are_powers = all(number > 0 and not number & (number - 1) for number in (self.number, count))
        if not are_powers or self.first % count or not 0 <= self.first <= self.number - count:
            raise ValueError(f"the shards from {self.first} on, {count} of {self.number}, are no part of the tree")

    @property
    def is_whole(self) -> bool:
        """Whether the process has all of the shards."""
        return self.count == self.number

    def padded(self, rows: int) -> int:
        """``rows``, or a few more: so many that each shard has equally many."""
        return -(-rows // self.number) * self.number

    def local(self, rows: int) -> int:
        """How many rows of a batch of ``rows`` this process has, those included that fill up its shards."""
        return self.padded(rows) // self.number * self.count

    def rows(self, rows: int) -> np.ndarray:
        """The numbers of this process's rows in a batch of ``rows``, in the order in which it keeps them; from ``rows``
        on they are rows that fill up a shard."""
        return self.numbers(np.arange(self.local(rows)))

    def numbers(self, row: np.ndarray) -> np.ndarray:
        """The numbers in the batch of some rows of this process."""
        return row // self.count * self.number + self.first + row % self.count

    def of(self, batch: B) -> B:
        """The batch with this process's rows only. Rows that fill up a shard have no targets."""
        if self.number == 1:
            return batch
        N = batch.inputs.shape[1]
        chosen = self.rows(N)

        def some(values, fill):  # N rows → the local rows
            axis, widths = rows_axis(values), [(0, 0)] * values.ndim
            widths[axis] = (0, self.padded(N) - N)
            return np.ascontiguousarray(np.pad(values, widths, constant_values=fill).take(chosen, axis))

        fields: dict[str, Any] = {"inputs": some(batch.inputs, EOS), "targets": some(batch.targets, -1)}
        if batch.lengths is not None:
            fields["lengths"] = some(batch.lengths, 0)
        if isinstance(batch, PairBatch):
            fields["sources"] = some(batch.sources, EOS)
            fields["source_lengths"] = some(batch.source_lengths, 0)
        if isinstance(batch, WordBatch):
            fields |= self._words(batch)
        return replace(batch, **fields)

    def _words(self, batch: WordBatch) -> dict[str, np.ndarray]:
        """The inputs and the distinct words of this process's rows. Each shard has its own words, equally many, the
        word w of the shard j of this process in row w · L + j; words of length 0 fill them up."""
        inside = np.arange(len(batch.inputs))[:, None] < batch.lengths
        found = [
            np.unique(batch.inputs[:, s :: self.number][inside[:, s :: self.number]], return_inverse=True)
            for s in range(self.number)  # the numbers of words of all shards decide how many rows each has
        ]
        most = max(1, *(len(distinct) for distinct, _ in found))
        rows, columns = most * self.count, self.rows(batch.inputs.shape[1])
        inputs = np.zeros((len(batch.inputs), len(columns)), np.int32)
        words = np.full((len(batch.words), rows), EOS, np.int32)
        lengths, known = np.zeros(rows, batch.word_lengths.dtype), np.zeros(rows, np.int32)
        for j, (distinct, indices) in enumerate(found[self.first : self.first + self.count]):
            of_shard = inside[:, self.first + j :: self.number]
            part = np.full(of_shard.shape, j, np.int32)
            part[of_shard] = indices * self.count + j
            inputs[:, j :: self.count] = j
            inputs[:, j :: self.count][:, : part.shape[1]] = part
            mine = slice(j, j + len(distinct) * self.count, self.count)
            words[:, mine], lengths[mine] = batch.words[:, distinct], batch.word_lengths[distinct]
            known[mine] = batch.known[distinct]
        return {"inputs": inputs, "words": words, "word_lengths": lengths, "known": known}

    def sum(self, nats: np.ndarray) -> float:
        """The sum, in float64, of the losses (T, local rows) of this process's shards, along the tree."""
        parts = [np.ascontiguousarray(nats[:, j :: self.count]) for j in range(self.count)]
        return float(tree_sum([part.sum(dtype=np.float64) for part in parts]))
