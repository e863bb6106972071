"""Clipping, Adam, and how the learning rate goes."""

import math

import numpy as np

from ..kernels.updates import CHUNK, adam, squares
from .stack import Stack

FOR_A_THREAD = 128  # chunks whose squares take longer than to wake a thread for them


class Adam:
    """Adam (Kingma and Ba, 2015) after clipping of the gradient by its global norm (Pascanu, Mikolov and Bengio,
    2013)."""

    def __init__(self, stack: Stack, clip: float, beta1: float = 0.9, beta2: float = 0.99, epsilon: float = 1e-8):
        self.stack, self.clip, self.beta1, self.beta2, self.epsilon = stack, clip, beta1, beta2, epsilon
        self.updates = 0
        self.m, self.v = np.zeros_like(stack.parameters), np.zeros_like(stack.parameters)
        self._sums = np.zeros(-(-stack.parameters.size // CHUNK))

    def update(self, rate: float) -> float:
        """Change the stack's parameters by its gradient; the norm that the gradient had. Infinite or NaN changes
        nothing."""
        stack, pool = self.stack, self.stack.pool
        sums = self._sums
        pool.run(pool.split(sums.size, lambda first, last: squares(stack.gradient, sums, first, last), FOR_A_THREAD))
        norm = math.sqrt(self._sums.sum())
        if not math.isfinite(norm):
            return norm
        self.updates += 1
        factor = self.clip / norm if self.clip and norm > self.clip else 1.0
        corrected = rate / (1 - self.beta1**self.updates)
        second = 1 / math.sqrt(1 - self.beta2**self.updates)
        kind = stack.parameters.dtype.type
        factors = tuple(
            map(kind, (factor, self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2, corrected, second, self.epsilon))
        )
        pool.run(
            pool.split(
                stack.parameters.size,
                lambda first, last: adam(stack.parameters, stack.gradient, self.m, self.v, factors, first, last),
                16,
            )
        )
        return norm
