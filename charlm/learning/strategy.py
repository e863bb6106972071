"""How an update is made of the shards of a batch: in step, from the gradient of all of them, or locally, where each
shard is a worker that trains on its own for some updates before an exchange.

A trainer asks its strategy to make ``at_once`` updates. In between, nothing can be measured, saved or stopped.
"""

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ..network.dropout import Dropout
from ..network.protocols import Network, Optimizer, Window
from ..network.sharding import Shards
from ..ranks import Ranks
from ..text.batches import Batch

OUTER_RATE, OUTER_MOMENTUM = 0.7, 0.9  # of the step that follows an exchange


@dataclass(frozen=True)
class Update:
    """An update to be made. batch: with all rows; tokens: its targets; rate: the learning rate; drop: its dropout, None
    for none."""

    batch: Batch
    tokens: int
    rate: float
    drop: Dropout | None


class Strategy(Protocol):
    """What makes updates. at_once: how many at most, before they can be measured."""

    at_once: int

    def state(self) -> dict[str, np.ndarray]:
        """The arrays besides the parameters that the next update depends on, (P) each, by name, and no copies."""

    @property
    def carried(self) -> list[np.ndarray]:
        """The states that the network carries from batch to batch, (rows, width) each: no copies."""

    def make(self, updates: list[Update]) -> list[float]:
        """Make up to ``at_once`` updates: the summed loss of each, NaN where a loss or a gradient was not finite. The
        parameters mean nothing after a NaN, which may be the last loss."""


class InStep:
    """One gradient of the whole batch for each update. shards: those of this process, whose rows the window has; ranks:
    where the other shards are."""

    at_once = 1

    def __init__(
        self,
        network: Network,
        window: Window,
        optimizer: Optimizer,
        precision: str,
        *,
        shards: Shards | None = None,
        ranks: Ranks | None = None,
    ):
        self.network, self.window, self.optimizer, self.precision = network, window, optimizer, precision
        self.shards, self.ranks = shards or Shards(), ranks or Ranks()

    def state(self) -> dict[str, np.ndarray]:
        return self.optimizer.state()

    @property
    def carried(self) -> list[np.ndarray]:
        return list(self.window.state)

    def make(self, updates: list[Update]) -> list[float]:
        return [self._make(update) for update in updates]

    def _make(self, update: Update) -> float:
        self.network.pack(for_training=True, precision=self.precision)
        nats = self.window.train(self.shards.of(update.batch), 1 / max(1, update.tokens), update.drop)
        total = np.array(self.shards.sum(nats))
        self.ranks.sum_tree(total)
        if not math.isfinite(total):
            return math.nan
        self.ranks.sum_tree(self.network.gradient)
        norm = self.optimizer.update(update.rate)
        return float(total) if math.isfinite(norm) else math.nan


class PairwiseSum:
    """Sums lists of arrays, given one after the other, along the tree of the shards. It holds log₂ of their number at a
    time, and adds in place."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, list[np.ndarray]]] = []  # each the sum of 2 ** height lists

    def add(self, arrays: list[np.ndarray]) -> None:
        height = 0
        while self._parts and self._parts[-1][0] == height:
            _, before = self._parts.pop()
            for one, other in zip(before, arrays, strict=True):
                one += other
            arrays, height = before, height + 1
        self._parts.append((height, arrays))

    @property
    def total(self) -> list[np.ndarray]:
        """The sum of a power of two of lists."""
        ((_, arrays),) = self._parts
        return arrays


class LocalUpdates:
    """Each shard is a worker, which makes ``at_once`` updates from its own rows of the batches. Then all workers go on
    from one place (Douillard et al., DiLoCo, 2023, arXiv 2311.08105):

        Δ = mean of (θ before - θ of the worker)      m = μ m + Δ      θ = θ before - η (Δ + μ m)

    with η = OUTER_RATE, μ = OUTER_MOMENTUM. The arrays of the optimizer become their mean over the workers. Means are
    summed along the tree of the shards. The workers of this process take turns in one network.

    one: the strategy of a worker, whose window has its rows only. shards: those of this process. rows: of a batch.
    ranks: where the other workers are.
    """

    def __init__(self, one: InStep, shards: Shards, at_once: int, rows: int, ranks: Ranks):
        self.one, self.shards, self.at_once, self.ranks = one, shards, at_once, ranks
        self._outer = np.zeros_like(one.network.parameters)  # m
        self.carried = [np.zeros((shards.local(rows), state.shape[1]), state.dtype) for state in one.carried]

    def state(self) -> dict[str, np.ndarray]:
        return self.one.state() | {"outer": self._outer}

    def make(self, updates: list[Update]) -> list[float]:
        optimizer, arrays = self.one.optimizer, [self.one.network.parameters, *self.one.state().values()]
        begun, count, sums = [array.copy() for array in arrays], optimizer.updates, PairwiseSum()
        for worker in range(self.shards.count):
            for array, before in zip(arrays, begun, strict=True):
                array[:] = before
            optimizer.updates = count
            losses = self._work(worker, updates)
            sums.add([losses, begun[0] - arrays[0], *(array.copy() for array in arrays[1:])])
        for array in sums.total:
            self.ranks.sum_tree(array)
        losses, moved, *means = sums.total
        for array, mean in zip(arrays[1:], means, strict=True):
            array[:] = mean / self.shards.number
        self._step(begun[0], moved / self.shards.number)
        return losses.tolist()

    def _step(self, before: np.ndarray, moved: np.ndarray) -> None:
        """The step after an exchange. moved: Δ; in float32, like all of this."""
        self._outer *= OUTER_MOMENTUM
        self._outer += moved
        self.one.network.parameters[:] = before - OUTER_RATE * (moved + OUTER_MOMENTUM * self._outer)

    def _work(self, worker: int, updates: list[Update]) -> np.ndarray:
        """The updates of one worker, from the parameters of now: its losses, NaN from the first bad one on."""
        shard = Shards(self.shards.number, self.shards.first + worker, 1)
        mine = slice(worker, None, self.shards.count)
        for state, all_rows in zip(self.one.carried, self.carried, strict=True):
            state[:] = all_rows[mine]
        losses = np.full(len(updates), np.nan)
        for number, update in enumerate(updates):
            batch = shard.of(update.batch)
            tokens = int(np.count_nonzero(batch.targets >= 0))
            drop = update.drop and replace(update.drop, shards=shard)
            (losses[number],) = self.one.make([Update(batch, tokens, update.rate, drop)])
            if np.isnan(losses[number]):
                break
        for state, all_rows in zip(self.one.carried, self.carried, strict=True):
            all_rows[mine] = state
        return losses
