"""Ids → windows for the network: rows side by side, steps one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .corpus import line_starts
from .token_buffer import release
from .vocabulary import EOS


@dataclass(frozen=True)
class Batch:
    """One window for the network: at each step the input is the token before the target (<EOS> at a beginning).

    inputs, targets: int32 (T, N), targets -1 where there is none. ``fresh``: the window begins from the zero state.
    lengths: (N), of whole sequences that are shorter than the window, None where that makes no difference.
    """

    inputs: np.ndarray
    targets: np.ndarray
    fresh: bool
    lengths: np.ndarray | None = None


@dataclass(frozen=True)
class PairBatch(Batch):
    """Whole sequences that are read before those of ``inputs`` and ``targets`` are written. sources: int32 (S, N);
    source_lengths: (N)."""

    sources: np.ndarray | None = None
    source_lengths: np.ndarray | None = None


@dataclass(frozen=True)
class WordBatch(Batch):
    """Sentences whose ``inputs`` are numbers of distinct words. words: the characters of these, int32 (L, W);
    word_lengths: (W); known: what each of them is among the words that are known, int32 (W)."""

    words: np.ndarray | None = None
    word_lengths: np.ndarray | None = None
    known: np.ndarray | None = None


def windows(tokens: np.ndarray, begin: np.ndarray, end: np.ndarray, steps: int, rows: int) -> Iterator[Batch]:
    """Stretches of the tokens, begin[n]…end[n]-1, side by side in windows of at most ``steps``; the first one is fresh.

    begin, end: (≤ rows). Each batch has ``rows`` rows; those without a stretch have no targets. Places beyond the end
    of the tokens are those from their beginning on.
    """
    begin, end = (np.pad(cuts, (0, rows - len(cuts))) for cuts in (begin, end))
    longest = int((end - begin).max())
    for start in range(0, longest, steps):
        position = begin + np.arange(start, min(start + steps, longest))[:, None]
        inside = position < end
        position = position % len(tokens)
        targets = np.where(inside, tokens[np.where(inside, position, 0)].astype(np.int32), -1)
        before = inside & (position > 0)
        inputs = np.where(before, tokens[np.where(before, position - 1, 0)].astype(np.int32), EOS)
        yield Batch(inputs, targets, start == 0)


def stream_windows(tokens: np.ndarray, rows: int, steps: int, random: np.random.Generator) -> Iterator[Batch]:
    """The text in ``rows`` tracks of equal length, each read from its beginning to its end.

    Where the first begins is drawn, and what comes before follows the text's end: so the windows are cut at other
    places, and tracks begin with the zero state at other places, in every epoch.
    """
    n, length = len(tokens), -(-len(tokens) // rows)
    shift = int(random.integers(0, n))
    begin = np.arange(0, n, length)
    ends = np.minimum(begin + length, n)
    return _releasing(tokens, rows, windows(tokens, begin + shift, ends + shift, steps, rows))


def line_windows(tokens: np.ndarray, rows: int, steps: int, random: np.random.Generator) -> Iterator[Batch]:
    """The lines in an order of chance, ``rows`` of about one length at a time; a long line takes several windows.

    Lines are shuffled, put in order of length within pools of 32 batches, and the batches shuffled again, so that
    little is spent on filling short lines up.
    """
    starts = line_starts(tokens)
    batches = (
        batch
        for lines in groups(starts, rows, random)
        for batch in windows(tokens, starts[lines], starts[lines + 1], steps, rows)
    )
    return _releasing(tokens, rows, batches)


def groups(
    starts: np.ndarray, rows: int, random: np.random.Generator, most_tokens: int | None = None
) -> Iterator[np.ndarray]:
    """The numbers of all sequences, in groups of about one length, as ``line_windows`` has them.

    starts: (sequences + 1), where each begins and the last one ends. most_tokens: of a group, all as long as its
    longest; a longer one stands alone.
    """
    order = np.arange(len(starts) - 1, dtype=starts.dtype)
    random.shuffle(order)
    cuts = []
    for first in range(0, len(order), rows * 32):
        pool = order[first : first + rows * 32]
        pool[:] = pool[np.argsort(starts[pool + 1] - starts[pool], kind="stable")]
        if most_tokens is not None:
            cuts += [first + cut for cut in fitting(starts[pool + 1] - starts[pool], rows, most_tokens)]
    cuts = np.append(cuts if most_tokens is not None else np.arange(0, len(order), rows), len(order))
    for number in random.permutation(len(cuts) - 1):
        yield order[cuts[number] : cuts[number + 1]]


def fitting(lengths: np.ndarray, rows: int, most_tokens: int) -> list[int]:
    """Where groups of sequences begin that have at most so many rows, and tokens if all were as long as the longest.
    lengths: rising."""
    cuts, size = [], 0
    for number, length in enumerate(lengths.tolist()):
        if not cuts or size == rows or (size + 1) * length > most_tokens:
            cuts.append(number)
            size = 0
        size += 1
    return cuts


class Sequences:
    """Sequences of ids, of any lengths, one behind the other: ids (n), starts (sequences + 1)."""

    def __init__(self, sequences: list[np.ndarray]):
        self.ids = np.concatenate(sequences) if sequences else np.zeros(0, np.uint8)
        self.starts = np.cumsum([0, *map(len, sequences)])

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.starts)

    def side_by_side(self, chosen, fill: int) -> np.ndarray:
        """Some of them as columns, by their numbers: int32 (T, N), ``fill`` behind the ends."""
        begin, lengths = self.starts[chosen], self.starts[chosen + 1] - self.starts[chosen]
        step = np.arange(int(lengths.max()))[:, None]
        inside = step < lengths
        return np.where(inside, self.ids[np.where(inside, begin + step, 0)].astype(np.int32), np.int32(fill))


def _releasing(tokens, rows, batches):
    """The batches; a mapped text does not pile up in memory while they are read."""
    every = max(1, 1024 // rows)  # a row brings in up to 64 kB at once
    for number, batch in enumerate(batches, 1):
        if number % every == 0:
            release(tokens)
        yield batch
