"""Two cells that charlm does not have, written as CONTRIBUTING says; test_cells.py registers them.

The first one has only a state a:

    a = ½ a' + ½ m * tanh(W_a a' + W_x x + b)

As in the GRU, dropout leaves the state whole: scaled up at every step, it would grow without end. The second one has a
state c besides a, and one peephole:

    g = tanh(W_a a' + W_x x + b + p * c')      c = ½ c' + ½ g      a = m * tanh(c)

The arguments of the kernels are those of ``charlm/kernels/rnn.py`` and ``charlm/kernels/lstm.py``.
"""

import numpy as np

from charlm.kernels.activations import tanh
from charlm.kernels.compiling import compiled
from charlm.kernels.gather import gather
from charlm.kernels.tile import multiply


@compiled
def leaky_forward(tokens, table, z, a, c, W, b, p, m, start, stop):
    H, half = a.shape[2], z.dtype.type(0.5)
    for t in range(z.shape[0]):
        gather(tokens, table, z, t, start, stop)
        multiply(a[t : t + 1], 0, H, W, z[t : t + 1], 0, H, start, stop, True)
        for n in range(start, stop):
            for i in range(H):
                z[t, n, i] = tanh(z[t, n, i] + b[i])
                a[t + 1, n, i] = half * a[t, n, i] + half * (m[n, i] * z[t, n, i])


@compiled
def leaky_backward(z, a, c, da, da_next, dc, W, p, m, start, stop):
    H, half = a.shape[2], z.dtype.type(0.5)
    for t in range(z.shape[0] - 1, -1, -1):
        for n in range(start, stop):
            for i in range(H):
                d_half = half * (da[t, n, i] + da_next[0, n, i])  # a = ½ a' + ½ m * tanh(…)
                da_next[0, n, i] = d_half
                d_tanh = m[n, i] * d_half
                z[t, n, i] = d_tanh - d_tanh * (z[t, n, i] * z[t, n, i])
        multiply(z[t : t + 1], 0, H, W, da_next, 0, H, start, stop, True)


@compiled
def remembering_forward(tokens, table, z, a, c, W, b, p, m, start, stop):
    H, half = a.shape[2], z.dtype.type(0.5)
    for t in range(z.shape[0]):
        gather(tokens, table, z, t, start, stop)
        multiply(a[t : t + 1], 0, H, W, z[t : t + 1], 0, H, start, stop, True)
        for n in range(start, stop):
            for i in range(H):
                z[t, n, i] = tanh(z[t, n, i] + b[i] + p[0, i] * c[t, n, i])
                c[t + 1, n, i] = half * c[t, n, i] + half * z[t, n, i]
                a[t + 1, n, i] = m[n, i] * tanh(c[t + 1, n, i])


@compiled
def remembering_backward(z, a, c, da, da_next, dc, W, p, m, start, stop):
    H, half = a.shape[2], z.dtype.type(0.5)
    for t in range(z.shape[0] - 1, -1, -1):
        for n in range(start, stop):
            for i in range(H):
                tanh_c = tanh(c[t + 1, n, i])
                d_out = m[n, i] * (da[t, n, i] + da_next[0, n, i])  # a = m * tanh(c)
                d_half = half * (dc[0, n, i] + d_out - d_out * (tanh_c * tanh_c))  # c = ½ c' + ½ g
                z[t, n, i] = d_half - d_half * (z[t, n, i] * z[t, n, i])  # g = tanh(… + p * c')
                dc[0, n, i] = d_half + z[t, n, i] * p[0, i]
        multiply(z[t : t + 1], 0, H, W, da_next, 0, H, start, stop, False)


@compiled
def remembering_gradient(dz, c, dp, start, stop):
    dp[:, start:stop] = 0
    for t in range(dz.shape[0]):
        for n in range(dz.shape[1]):
            for i in range(start, stop):
                dp[0, i] += dz[t, n, i] * c[t, n, i]


def leaky_step(z_x, a_, c_, W_a, b, p):
    """One step in NumPy, as in ``charlm/network/reference.py``."""
    g = np.tanh(a_ @ W_a + z_x + b)
    return 0.5 * a_ + 0.5 * g, c_, (g,)


def leaky_step_backward(da, dc, a_, c_, gates, W_a, p):
    (g,) = gates
    dz = 0.5 * da * (1 - g * g)
    return dz, dz, dz, dz @ W_a.T + 0.5 * da, dc, None


def remembering_step(z_x, a_, c_, W_a, b, p):
    g = np.tanh(a_ @ W_a + z_x + b + p[0] * c_)
    c = 0.5 * c_ + 0.5 * g
    return np.tanh(c), c, (g, c)


def remembering_step_backward(da, dc, a_, c_, gates, W_a, p):
    g, c = gates
    dc = dc + da * (1 - np.tanh(c) ** 2)
    dz = 0.5 * dc * (1 - g * g)
    return dz, dz, dz, dz @ W_a.T, 0.5 * dc + dz * p[0], (dz * c_).sum(0)[None]
