"""Adam, after clipping of the gradient."""

import math
from collections.abc import Collection, Mapping

import numpy as np

from ..kernels.updates import CHUNK, adam, squares
from ..portable.numbers import power
from .architecture import Architecture
from .protocols import Network

EPSILON = 1e-8
CHUNKS_PER_THREAD = 128  # chunks whose squares take longer than it takes to wake a thread for them


class Adam:
    """Adam (Kingma and Ba, 2015) after clipping of the gradient by its global norm (Pascanu, Mikolov and Bengio,
    2013); see ``protocols.Optimizer``.

    clip: the largest norm of the gradient, 0 for no limit. rates: factors of the learning rate, by the kind of a
    parameter, such as "W_a", in any layer; 1 for the other kinds. frozen: names of parameters that do not change; their
    gradients are 0.
    """

    def __init__(
        self,
        network: Network,
        clip: float,
        *,
        beta1: float = 0.9,
        beta2: float = 0.99,
        rates: Mapping[str, float] | None = None,
        frozen: Collection[str] = (),
    ):
        self.network, self.clip, self.beta1, self.beta2 = network, clip, beta1, beta2
        self._parts = parts(network.architecture, rates or {}, frozen)
        self.updates = 0
        self.m, self.v = np.zeros_like(network.parameters), np.zeros_like(network.parameters)
        self._sums = np.zeros(-(-network.parameters.size // CHUNK))

    def state(self) -> dict[str, np.ndarray]:
        """The moments m and v, (P) each."""
        return {"m": self.m, "v": self.v}

    def update(self, rate: float) -> float:
        parameters, gradient, pool, sums = self.network.parameters, self.network.gradient, self.network.pool, self._sums
        some_chunks = pool.split(sums.size, lambda start, stop: squares(gradient, sums, start, stop), CHUNKS_PER_THREAD)
        pool.run(some_chunks)
        norm = math.sqrt(sums.sum())
        if not math.isfinite(norm):
            return norm
        self.updates += 1
        clipping = self.clip / norm if self.clip and norm > self.clip else 1.0
        corrected_rate = rate / (1 - power(self.beta1, self.updates))
        correction = 1 / math.sqrt(1 - power(self.beta2, self.updates))
        for first, last, factor in self._parts:
            numbers = (
                *(clipping, self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2),
                *(factor * corrected_rate, correction, EPSILON),
            )
            factors = tuple(map(parameters.dtype.type, numbers))

            def some_parameters(start, stop, first=first, factors=factors):
                adam(parameters, gradient, self.m, self.v, factors, first + start, first + stop)

            pool.run(pool.split(last - first, some_parameters, 16))
        return norm


def parts(
    architecture: Architecture, rates: Mapping[str, float], frozen: Collection[str] = ()
) -> list[tuple[int, int, float]]:
    """The parameters in parts that learn at the same rate: (start, stop, factor of the rate), in order. frozen: names
    of parameters that are in none."""
    found: list[tuple[int, int, float]] = []
    start = 0
    for name, shape in architecture.shapes().items():
        begin, stop, factor = start, start + math.prod(shape), rates.get(name.split(".")[-1], 1.0)
        start = stop
        if name in frozen:
            continue
        if found and found[-1][1:] == (begin, factor):
            begin = found.pop()[0]
        found.append((begin, stop, factor))
    return found
