"""Which units of a layer one update drops."""

from dataclasses import dataclass, replace

import numpy as np

from ..kernels.dropout import dropout_mask
from .sharding import Shards


@dataclass(frozen=True)
class Dropout:
    """The dropout of one update: in each row, a fraction ``rate`` of each layer's units is dropped. A row drops the
    same units at all steps, for the layer itself and for the layer above (Gal and Ghahramani, A theoretically grounded
    application of dropout in recurrent neural networks, 2016).

    key: differs from update to update, and so do the masks. shards: which rows of the batch the rows are; what a row
    drops depends on its number in the batch.
    """

    rate: float
    key: int
    shards: Shards = Shards()

    def another(self) -> "Dropout":
        """The dropout of a second stack in the same update."""
        return replace(self, key=self.key + (1 << 24))

    def set_mask(self, mask: np.ndarray, layer: int, start: int, stop: int) -> None:
        """Set the rows [start, stop) of a layer's mask (N, H): 0 for a dropped unit, else 1 / (1 - rate)."""
        scale = mask.dtype.type(1 / (1 - self.rate))
        key = np.uint32((8 * self.key + layer) & 0xFFFFFFFF)
        shards, threshold = self.shards, np.uint32(self.rate * 2**32)
        dropout_mask(mask, shards.first, shards.count, shards.number, key, threshold, scale, start, stop)


def set_dropout_mask(drop: Dropout | None, mask: np.ndarray, layer: int, start: int, stop: int) -> None:
    """Set the rows [start, stop) of a layer's mask (N, H): to all 1 where nothing is dropped."""
    if drop:
        drop.set_mask(mask, layer, start, stop)
    else:
        mask[start:stop] = 1
