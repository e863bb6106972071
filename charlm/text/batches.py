"""Token ids → batches for the network: T steps of N rows, each row a sequence or a part of one.

A stream of text is cut into N streams that the network reads in parallel, window after window; lines and other
sequences are grouped by length, so that a batch holds little padding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .corpus import line_starts
from .token_buffer import release
from .vocabulary import EOS

POOL = 32  # batches whose sequences are sorted by length together


@dataclass(frozen=True)
class Batch:
    """One window of a network: at each step the input is the token before the target (<EOS> at the beginning).

    inputs, targets: int32 (T, N); a target is -1 where there is none. Where the input is vectors, inputs are float32
    (T, N, C). fresh: the window starts from the zero state. lengths: of the sequences, (N), if each row is a whole
    sequence and the network must know where it ends; else None.
    """

    inputs: np.ndarray
    targets: np.ndarray
    fresh: bool
    lengths: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class PairBatch(Batch):
    """Sources that the network reads, as whole sequences, before it writes the targets.

    sources: int32 (S, N), or vectors float32 (S, N, C). source_lengths: (N).
    """

    sources: np.ndarray | None = None
    source_lengths: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class WordBatch(Batch):
    """Sentences whose ``inputs`` are indices of distinct words.

    words: the characters of the distinct words, int32 (L, W). word_lengths: (W). known: the number of each distinct
    word in the task's list of known words, from 1 on, or 0 if it is not in the list, int32 (W).
    """

    words: np.ndarray | None = None
    word_lengths: np.ndarray | None = None
    known: np.ndarray | None = None


def rows_axis(values: np.ndarray) -> int:
    """Which axis of an array of a batch is its rows: (N), (T, N) or (T, N, C)."""
    return min(1, values.ndim - 1)


def windows(tokens: np.ndarray, starts: np.ndarray, stops: np.ndarray, steps: int, rows: int) -> Iterator[Batch]:
    """The stretches tokens[starts[n]:stops[n]] in parallel, in windows of at most ``steps``; the first one is fresh.

    starts, stops: (≤ rows). Each batch has ``rows`` rows; a row without a stretch has no targets. A position after the
    last token means one from the first token on, as if the tokens followed themselves.
    """
    number, lengths = len(starts), stops - starts
    longest = int(lengths.max(initial=0))
    shortest = int(lengths.min(initial=longest))
    for step in range(0, longest, steps):
        end = min(step + steps, longest)
        inputs, targets = np.full((end - step, rows), EOS, np.int32), np.full((end - step, rows), -1, np.int32)
        first = starts + step
        if end <= shortest and starts.max() + end <= len(tokens):  # no row ends here
            for row, position in enumerate(first.tolist()):
                targets[:, row] = tokens[position : position + end - step]
            inputs[1:, :number] = targets[:-1, :number]
            inputs[0, :number] = np.where(first > 0, tokens[first - 1], EOS)
        else:
            position = first + np.arange(end - step)[:, None]
            inside = position < stops
            position = position % len(tokens)
            targets[:, :number] = np.where(inside, tokens[np.where(inside, position, 0)].astype(np.int32), -1)
            has_previous = inside & (position > 0)
            inputs[:, :number] = np.where(has_previous, tokens[np.where(has_previous, position - 1, 0)], EOS)
        yield Batch(inputs, targets, fresh=step == 0)


def stream_windows(tokens: np.ndarray, rows: int, steps: int, random: np.random.Generator) -> Iterator[Batch]:
    """One epoch of a text, cut into ``rows`` streams of equal length, each read from its beginning to its end.

    The first stream starts at a random position, and the text before it follows the text's end. So in every epoch the
    windows are cut at other positions, and the streams start with the zero state at other positions.
    """
    n, length = len(tokens), -(-len(tokens) // rows)
    shift = int(random.integers(0, n))
    starts = np.arange(0, n, length)
    stops = np.minimum(starts + length, n)
    return _releasing(tokens, rows, windows(tokens, starts + shift, stops + shift, steps, rows))


def line_windows(tokens: np.ndarray, rows: int, steps: int, random: np.random.Generator) -> Iterator[Batch]:
    """One epoch of shuffled lines, ``rows`` lines of similar length in parallel; a long line takes several windows."""
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
    """The indices of all sequences, shuffled, in groups of similar length.

    The sequences are shuffled, sorted by length within pools of POOL batches, and then the groups are shuffled, so that
    little work is spent on padding. starts: the start of each sequence and the stop of the last one, (sequences + 1).
    rows: sequences in a group, at most. most_tokens: tokens in a group, padding included, at most; a longer sequence
    has a group of its own.
    """
    order = np.arange(len(starts) - 1, dtype=starts.dtype)
    random.shuffle(order)
    cuts = []
    for start in range(0, len(order), rows * POOL):
        pool = order[start : start + rows * POOL]
        pool[:] = pool[np.argsort(starts[pool + 1] - starts[pool], kind="stable")]
        if most_tokens is not None:
            cuts += [start + cut for cut in fitting(starts[pool + 1] - starts[pool], rows, most_tokens)]
    cuts = np.append(cuts if most_tokens is not None else np.arange(0, len(order), rows), len(order))
    for number in random.permutation(len(cuts) - 1):
        yield order[cuts[number] : cuts[number + 1]]


def fitting(lengths: np.ndarray, rows: int, most_tokens: int) -> list[int]:
    """The starts of groups that fit into ``rows`` sequences and ``most_tokens`` tokens, padding included.

    lengths: of the sequences, rising.
    """
    cuts, size = [], 0
    for number, length in enumerate(lengths.tolist()):
        if not cuts or size == rows or (size + 1) * length > most_tokens:
            cuts.append(number)
            size = 0
        size += 1
    return cuts


class Sequences:
    """Sequences of ids, of any lengths, one after the other.

    ids: (n). starts: the start of each sequence and the stop of the last one, (sequences + 1).
    """

    def __init__(self, sequences: list[np.ndarray]):
        self.ids = np.concatenate(sequences) if sequences else np.zeros(0, np.uint8)
        self.starts = np.cumsum([0, *map(len, sequences)])

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.starts)

    def padded(self, chosen: np.ndarray, padding: int) -> np.ndarray:
        """Some of the sequences as columns, with ``padding`` after their ends: int32 (T, N). chosen: indices, (N)."""
        starts, lengths = self.starts[chosen], self.starts[chosen + 1] - self.starts[chosen]
        step = np.arange(int(lengths.max()))[:, None]
        inside = step < lengths
        return np.where(inside, self.ids[np.where(inside, starts + step, 0)].astype(np.int32), np.int32(padding))


def _releasing(tokens, rows, batches):
    """The batches. While they are read, the pages of a mapped text do not pile up in memory."""
    every = max(1, 1024 // rows)  # a row brings in up to 64 kB at once
    for number, batch in enumerate(batches, 1):
        if number % every == 0:
            release(tokens)
        yield batch
