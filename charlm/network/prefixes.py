"""Sequences that begin alike: the network reads a beginning once for all of them.

Lines of a list often begin with the same symbols. Sampled in parallel, they give the network the same tokens in the
same state, again and again. Here each state has a number, that of its *prefix*: the tokens that were read since
``begin``. Rows with the same prefix and the same next token are one row for the network. The state after a prefix that
comes up a second time is kept, and the network need not read the prefix a third time. A row gets the same bits either
way, because they do not depend on the other rows.
"""

from collections.abc import Iterable

import numpy as np

from ..text.vocabulary import EOS
from .stepper import State, Stepper

MEMORY = 1 << 25  # bytes of the states that are kept, about
MARKS = 16  # bits of the numbers under which it is noted that a prefix came up; some prefixes share one
OTHER = -1  # the number of a prefix that is not kept


class SharedPrefixes:
    """A ``NextToken`` for lines, which asks a ``Stepper``. The state of a row is of no use after <EOS>.

    The first array of its states has the number of each row's prefix, int64 (N).
    """

    def __init__(self, stepper: Stepper):
        self._stepper = stepper
        self._begun: dict[tuple[int, ...], int] = {}  # the numbers of the prefixes that ``begin`` has made
        self._kept: State = []  # the states that are kept, in the order of their numbers
        self._most = self._number = 0  # how many states there is room for, and how many are kept
        self._keys = np.zeros(0, np.int64)  # number of a prefix · V + the next token, rising, where the state is kept
        self._numbers = np.zeros(0, np.int64)  # the number of each of these longer prefixes
        self._marked = np.zeros(1 << MARKS, bool)

    def rows_for(self, sequences: int) -> int:
        return self._stepper.rows_for(sequences)

    def begin(self, tokens: Iterable[int]) -> tuple[State, list[float]]:
        tokens = tuple(tokens)
        state, nats = self._stepper.begin(tokens)
        if not self._kept:
            self._most = max(1, MEMORY // sum(array.nbytes for array in state))
            self._kept = [np.empty((self._most, *array.shape[1:]), array.dtype) for array in state]
        number = self._begun.setdefault(tokens, self._most + len(self._begun))
        return [np.array([number]), *state], nats

    def step(self, state: State, tokens: np.ndarray) -> State:
        prefixes, *own = state
        goes_on = tokens != EOS
        known = (prefixes >= 0) & goes_on
        keys = prefixes * own[-1].shape[1] + tokens
        after, found = self._find(keys, known)
        known &= ~found
        new = known.nonzero()[0]
        distinct, first, alike = np.unique(keys[new], return_index=True, return_inverse=True)
        rows = np.concatenate((new[first], ((prefixes < 0) & goes_on).nonzero()[0]))
        if len(rows):
            rows = np.pad(rows, (0, self._stepper.rows_for(len(rows)) - len(rows)), "edge")
            self._stepper.step_rows(own, tokens[rows], rows)
        after[new] = self._keep(distinct, np.bincount(alike), own, new[first])[alike]
        found = found.nonzero()[0]
        others = np.ones(len(new), bool)
        others[first] = False
        others, same = new[others], new[first[alike[others]]]
        for array, kept in zip(own, self._kept, strict=True):
            array[others] = array[same]
            array[found] = kept[after[found]]
        return [after, *own]

    def _find(self, keys, known):
        """The number of each longer prefix, and whether its state is kept."""
        if not len(self._keys):
            return np.full(len(keys), OTHER), np.zeros(len(keys), bool)
        places = self._keys.searchsorted(keys)
        found = known & (self._keys.take(places, mode="clip") == keys)
        return np.where(found, self._numbers.take(places, mode="clip"), OTHER), found

    def _keep(self, keys, times, states, rows):
        """Keep the states of prefixes that have come up twice, as long as there is room. Their numbers, OTHER for one
        that is not kept.

        keys: distinct and rising (n); times: how often each came up in this step, (n); rows: where its state stands in
        ``states``, (n).
        """
        marks = (keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - MARKS)
        wanted = (times > 1) | self._marked[marks]
        self._marked[marks] = True
        chosen = wanted.nonzero()[0][: self._most - self._number]
        numbers = np.full(len(keys), OTHER)
        if len(chosen):
            numbers[chosen] = np.arange(self._number, self._number + len(chosen))
            here = slice(self._number, self._number + len(chosen))
            for kept, array in zip(self._kept, states, strict=True):
                kept[here] = array[rows[chosen]]
            places = self._keys.searchsorted(keys[chosen])
            self._keys = np.insert(self._keys, places, keys[chosen])
            self._numbers = np.insert(self._numbers, places, numbers[chosen])
            self._number += len(chosen)
        return numbers
