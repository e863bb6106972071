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
from ..network.sampled_softmax import OutputSample
from ..network.sharding import Shards
from ..ranks import Ranks
from ..text.batches import Batch

ALONE = Ranks()  # one process
OUTER_RATE, OUTER_MOMENTUM = 1.0, 0.3  # of the step that follows an exchange (benchmarks/recipe.md)


@dataclass(frozen=True)
class Update:
    """An update to be made. batch: with all rows; tokens: its targets; rate: the learning rate; drop: its dropout, None
    for none; outputs: those that it computes, None for all."""

    batch: Batch
    tokens: int
    rate: float
    drop: Dropout | None
    outputs: OutputSample | None = None


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
    """One gradient of the whole batch for each update.

    shards: those whose rows the window has. ranks: they have the other shards.
    """

    at_once = 1

    def __init__(
        self,
        network: Network,
        window: Window,
        optimizer: Optimizer,
        *,
        precision: str,
        shards: Shards,
        ranks: Ranks = ALONE,
    ):
        self.network, self.window, self.optimizer = network, window, optimizer
        self.precision, self.shards, self.ranks = precision, shards, ranks

    def state(self) -> dict[str, np.ndarray]:
        return self.optimizer.state()

    @property
    def carried(self) -> list[np.ndarray]:
        return list(self.window.state)

    def make(self, updates: list[Update]) -> list[float]:
        return [self.train(update, update.tokens) for update in updates]

    def train(self, update: Update, tokens: int | None = None) -> float:
        """Make one update, from the rows of these shards: see ``make``. tokens: how many the mean loss is of, None for
        those of these rows."""
        batch, drop = self.shards.of(update.batch), update.drop and replace(update.drop, shards=self.shards)
        if tokens is None:
            tokens = max(1, int(np.count_nonzero(batch.targets >= 0)))
        if update.outputs:
            self.network.sample(update.outputs)
        self.network.pack(for_training=True, precision=self.precision)
        total = np.array(self.shards.sum(self.window.train(batch, 1 / tokens, drop)))
        self.ranks.sum_tree(total)
        if not np.isfinite(total):
            return math.nan
        self.ranks.sum_tree(self.network.gradient)
        return float(total) if math.isfinite(self.optimizer.update(update.rate)) else math.nan


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
    summed along the tree of the shards.

    workers: those of this process, each with one shard. They take turns in one network, one window and one optimizer.
    rows: of these shards. ranks: they have the other workers.
    """

    def __init__(self, workers: list[InStep], at_once: int, rows: int, ranks: Ranks = ALONE):
        self.workers, self.at_once, self.ranks, one = workers, at_once, ranks, workers[0]
        self.network, self.optimizer, self.number = one.network, one.optimizer, one.shards.number
        self._outer = np.zeros_like(self.network.parameters)  # m
        self.carried = [np.zeros((rows, state.shape[1]), state.dtype) for state in one.carried]

    def state(self) -> dict[str, np.ndarray]:
        return self.optimizer.state() | {"outer": self._outer}

    def make(self, updates: list[Update]) -> list[float]:
        arrays, count = [self.network.parameters, *self.optimizer.state().values()], self.optimizer.updates
        begun, sums = [array.copy() for array in arrays], PairwiseSum()
        for place, worker in enumerate(self.workers):
            for array, before in zip(arrays, begun, strict=True):
                array[:] = before
            self.optimizer.updates = count
            losses = self._work(worker, place, updates)
            sums.add([losses, begun[0] - arrays[0], *(array.copy() for array in arrays[1:])])
        for array in sums.total:
            self.ranks.sum_tree(array)
        losses, moved, *means = sums.total
        for array, mean in zip(arrays[1:], means, strict=True):
            array[:] = mean / self.number
        self._step(begun[0], moved / self.number)
        return losses.tolist()

    def _work(self, worker: InStep, place: int, updates: list[Update]) -> np.ndarray:
        """The updates of one worker, from the parameters of now: its losses, NaN from the first bad one on. place: of
        its rows, every so many, among those of this process."""
        mine = slice(place, None, len(self.workers))
        for state, all_rows in zip(worker.carried, self.carried, strict=True):
            state[:] = all_rows[mine]
        losses = np.full(len(updates), np.nan)
        for number, update in enumerate(updates):
            losses[number] = worker.train(update)
            if np.isnan(losses[number]):
                break
        for state, all_rows in zip(worker.carried, self.carried, strict=True):
            all_rows[mine] = state
        return losses

    def _step(self, before: np.ndarray, moved: np.ndarray) -> None:
        """The step after an exchange. moved: Δ."""
        self._outer *= OUTER_MOMENTUM
        self._outer += moved
        self.network.parameters[:] = before - OUTER_RATE * (moved + OUTER_MOMENTUM * self._outer)
