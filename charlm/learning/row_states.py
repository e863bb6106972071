"""The hidden states of all rows of a batch, of which each rank of a job has its own rows only."""

import numpy as np

from ..network.sharding import Shards
from ..ranks import Ranks


class RowStates:
    """The hidden states of a training as a checkpoint has them: ``arrays``, each (rows, width).

    carried: the states of this rank's rows, which its network carries on from window to window. rows: of a batch.
    """

    def __init__(self, carried: list[np.ndarray], shards: Shards, ranks: Ranks, rows: int):
        self._carried, self._shards, self._ranks, self._rows = carried, shards, ranks, rows
        self.arrays = carried
        if not self.are_here:
            self.arrays = [np.zeros((shards.padded(rows), *own.shape[1:]), own.dtype) for own in carried]

    @property
    def are_here(self) -> bool:
        """Whether this process carries the states of all rows, and ``arrays`` are these."""
        return self._shards.is_whole or not self._carried

    def collect(self) -> None:
        """Bring the arrays up to date: on rank 0 all rows, on each other rank its own, which are all that it needs to
        go on from them. All ranks call it together."""
        if self.are_here:
            return
        own = self._shards, self._carried
        for shards, states in self._ranks.collect(own) or [own]:
            for whole, part in zip(self.arrays, states, strict=True):
                whole[shards.rows(self._rows)] = part

    def take_own(self) -> None:
        """Carry on from this rank's rows of the arrays."""
        if not self.are_here:
            for part, whole in zip(self._carried, self.arrays, strict=True):
                part[:] = whole[self._shards.rows(self._rows)]
