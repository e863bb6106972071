"""Ids → windows for the network: rows side by side, steps one after the other."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .corpus import line_starts
from .store import release
from .vocabulary import EOS


@dataclass(frozen=True)
class Batch:
    """One window for the network: at each step the input is the token before the target (<EOS> at a beginning).

    inputs, targets: int32 (T, N), targets -1 where there is none. ``fresh``: the window begins from the zero state.
    """

    inputs: np.ndarray
    targets: np.ndarray
    fresh: bool


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
    order = np.arange(len(starts) - 1, dtype=starts.dtype)
    random.shuffle(order)
    for first in range(0, len(order), rows * 32):
        pool = order[first : first + rows * 32]
        pool[:] = pool[np.argsort(starts[pool + 1] - starts[pool], kind="stable")]
    numbers = random.permutation(-(-len(order) // rows))
    chosen = (order[number * rows : (number + 1) * rows] for number in numbers)
    batches = (batch for lines in chosen for batch in windows(tokens, starts[lines], starts[lines + 1], steps, rows))
    return _releasing(tokens, rows, batches)


def _releasing(tokens, rows, batches):
    """The batches; a mapped text does not pile up in memory while they are read."""
    every = max(1, 1024 // rows)  # a row brings in up to 64 kB at once
    for number, batch in enumerate(batches, 1):
        if number % every == 0:
            release(tokens)
        yield batch
