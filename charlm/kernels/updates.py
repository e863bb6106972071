"""The two kernels that run over all parameters once per update: the norm of the gradient, and Adam."""

import math

from .compiling import compiled
from .reduce import total_square

CHUNK = 4096  # numbers whose squares are summed together: fixed, so that the norm is the same for any number of threads


@compiled
def squares(gradient, sums, start, stop):
    """sums[i] = Σ g² over the i-th chunk of CHUNK numbers of the gradient.

    gradient  [P]                 in
    sums      [chunks] float64    out

    Chunks [start, stop) are read and written.
    """
    for chunk in range(start, stop):
        sums[chunk] = total_square(gradient[chunk * CHUNK : (chunk + 1) * CHUNK])


@compiled
def adam(parameters, gradient, m, v, factors, start, stop):
    """One update of Adam (Kingma and Ba, Adam, 2015, algorithm 1).

        m = β₁ m + (1 - β₁) g      v = β₂ v + (1 - β₂) g²      θ = θ - rate · m / (√v · s + ε)

    parameters  [P]   in/out   θ
    gradient    [P]   in       g, before clipping
    m, v        [P]   in/out   the moments
    factors     8 numbers of the arrays' type: the factor that clips g, β₁, 1 - β₁, β₂, 1 - β₂, the rate times the
                correction of m's bias, s = the correction of v's bias, ε

    Parameters [start, stop) are read and written.
    """
    clip, beta1, rest1, beta2, rest2, rate, correction, epsilon = factors
    p, d, mean, square = parameters[start:stop], gradient[start:stop], m[start:stop], v[start:stop]
    for i in range(p.size):
        g = d[i] * clip
        mean[i] = beta1 * mean[i] + rest1 * g
        square[i] = beta2 * square[i] + rest2 * (g * g)
        p[i] -= rate * mean[i] / (math.sqrt(square[i]) * correction + epsilon)
