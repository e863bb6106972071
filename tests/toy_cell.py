"""Two cells that charlm does not have, written as CONTRIBUTING says; test_cells.py registers them.

The first one has only a state a:

    a = ½ a' + ½ m * tanh(W_a a' + W_x x + b)

As in the GRU, dropout leaves the state whole: scaled up at every step, it would grow without end. The second one has a
state c besides a, and one peephole:

    g = tanh(W_a a' + W_x x + b + p * c')      c = ½ c' + ½ g      a = m * tanh(c)

The arguments of the kernels are those of ``charlm/kernels/rnn.py`` and ``charlm/kernels/lstm.py``.
"""

import numpy as np
from numba.extending import overload

from charlm.kernels.activations import tanh
from charlm.kernels.compiling import compiled
from charlm.kernels.kept import first_state, sums_of
from charlm.kernels.sixteen import VECTOR, at, is_rounded, number, parts, vector
from charlm.kernels.tile import multiply


def halved(x):
    """½ x of a number or a vector."""


@overload(halved)
def _halved(x):
    half = np.float32(0.5)
    if x == VECTOR:
        return lambda x: vector(half) * x
    return lambda x: x * half


def kept(z, now):
    """The array that keeps the gates: z, or ``now`` where they stay there."""


@overload(kept)
def _kept(z, now):
    if is_rounded(z):
        return lambda z, now: z
    return lambda z, now: now


def step_in(z, t):
    """Where the gates of step t stand in what ``kept`` gives."""


@overload(step_in)
def _step_in(z, t):
    if is_rounded(z):
        return lambda z, t: t % z.shape[0]
    return lambda z, t: 0


def rounded(h, a):
    """The array that a product reads: h, or a where it is not rounded."""


@overload(rounded)
def _rounded(h, a):
    if is_rounded(h):
        return lambda h, a: h
    return lambda h, a: a


@compiled
def leaky_forward(tokens, table, x, W_x, sums, z, a, h, c, W, b, p, m, start, stop):
    H = a.shape[2]
    first_state(a, h, start, stop)
    for t in range(a.shape[0] - 1):
        now = sums_of(tokens, table, x, W_x, sums, t, H, start, stop)
        multiply(h[t : t + 1], 0, H, W, now, 0, H, start, stop, True)
        gates, step, states = kept(z, now), step_in(z, t), rounded(h, a)
        for n in range(start, stop):
            for part in range(parts(H, z)):
                i = at(part, H, z)
                g = tanh(now[0, n][i] + b[i])
                gates[step, n][i] = g
                a[t + 1, n][i] = halved(a[t, n][i]) + halved(m[n][i] * g)
                states[t + 1, n][i] = a[t + 1, n][i]


@compiled
def leaky_backward(z, a, c, da, da_next, dc, W, p, m, start, stop):
    H = a.shape[2]
    for t in range(z.shape[0] - 1, -1, -1):
        for n in range(start, stop):
            for part in range(parts(H, z)):
                i, row = at(part, H, z), z[t, n]
                d_half = halved(da[t, n][i] + da_next[0, n][i])  # a = ½ a' + ½ m * tanh(…)
                da_next[0, n][i] = d_half
                d_tanh, g = m[n][i] * d_half, row[i]
                row[i] = d_tanh - d_tanh * (g * g)
        multiply(z[t : t + 1], 0, H, W, da_next, 0, H, start, stop, True)


@compiled
def remembering_forward(tokens, table, x, W_x, sums, z, a, h, c, W, b, p, m, start, stop):
    H = a.shape[2]
    first_state(a, h, start, stop)
    for t in range(a.shape[0] - 1):
        now = sums_of(tokens, table, x, W_x, sums, t, H, start, stop)
        multiply(h[t : t + 1], 0, H, W, now, 0, H, start, stop, True)
        gates, step, states = kept(z, now), step_in(z, t), rounded(h, a)
        for n in range(start, stop):
            for part in range(parts(H, z)):
                i = at(part, H, z)
                g = tanh(now[0, n][i] + b[i] + p[0][i] * c[t, n][i])
                gates[step, n][i] = g
                c_now = halved(c[t, n][i]) + halved(g)
                out = m[n][i] * tanh(c_now)
                c[t + 1, n][i], a[t + 1, n][i], states[t + 1, n][i] = c_now, out, out


@compiled
def remembering_backward(z, a, c, da, da_next, dc, W, p, m, start, stop):
    H = a.shape[2]
    for t in range(z.shape[0] - 1, -1, -1):
        for n in range(start, stop):
            for part in range(parts(H, z)):
                i, row = at(part, H, z), z[t, n]
                tanh_c, g = tanh(c[t + 1, n][i]), row[i]
                d_out = m[n][i] * (da[t, n][i] + da_next[0, n][i])  # a = m * tanh(c)
                d_half = halved(dc[0, n][i] + d_out - d_out * (tanh_c * tanh_c))  # c = ½ c' + ½ g
                dz = d_half - d_half * (g * g)  # g = tanh(… + p * c')
                row[i] = dz
                dc[0, n][i] = d_half + dz * p[0][i]
        multiply(z[t : t + 1], 0, H, W, da_next, 0, H, start, stop, False)


@compiled
def remembering_gradient(dz, c, dp, first, every, start, stop):
    dp[:, start:stop] = 0
    for t in range(dz.shape[0]):
        for n in range(first, dz.shape[1], every):
            for i in range(start, stop):
                dp[0, i] += number(dz[t, n, i]) * c[t, n, i]


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
