"""What runs once per update over all parameters: the norm of the gradient, and Adam."""

import math

from .compiling import compiled
from .reduce import total_square

CHUNK = 4096  # numbers whose squares are summed together: fixed, so that the norm is the same for any number of threads


@compiled
def squares(gradient, sums, first, last):
    """sums[i] = Σ g² over the i-th chunk of the gradient, for the chunks first…last-1. gradient: (P); sums: float64."""
    for chunk in range(first, last):
        sums[chunk] = total_square(gradient[chunk * CHUNK : (chunk + 1) * CHUNK])


@compiled
def adam(parameters, gradient, m, v, factors, first, last):
    """One update of the parameters first…last-1 (Kingma and Ba, Adam, 2015, algorithm 1).

        m = β₁ m + (1 - β₁) g      v = β₂ v + (1 - β₂) g²      θ = θ - rate · m / (√v · s + ε)

    All arrays: (P). ``factors``, of the same type: the clipping factor of g, β₁, 1 - β₁, β₂, 1 - β₂, the rate with the
    correction of m's bias in it, s = the correction of v's bias, ε.
    """
    clip, beta1, rest1, beta2, rest2, rate, correction, epsilon = factors
    p, d, mean, square = parameters[first:last], gradient[first:last], m[first:last], v[first:last]
    for i in range(p.size):
        g = d[i] * clip
        mean[i] = beta1 * mean[i] + rest1 * g
        square[i] = beta2 * square[i] + rest2 * (g * g)
        p[i] -= rate * mean[i] / (math.sqrt(square[i]) * correction + epsilon)
