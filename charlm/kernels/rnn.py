"""The standard recurrent cell.

    a = m * tanh(W_aa a' + W_ax x + b_a)

Arrays (T steps, N rows, H hidden), states with slot 0 for the start:

    tokens  (T, N)        one-hot input as row numbers of ``table``; empty where z holds W_ax x already
    table   (V, H)        W_ax
    z       (T, N, ≥ H)   forward: from W_ax x to tanh(…); backward: from that to dz
    a       (T+1, N, H)
    da      (T, N, H)     the gradient from above
    da_next (1, N, H)     in: the gradient by a from the steps after the last; out: from step 0 on
    W       packed        W_aa: (H, H); in the backward pass its transpose
    b       (H)
    m       (N, H)        what dropout makes of a, 1 without

Only the rows first…last-1 are read and written. c, dc and p are not used: every cell has the same signature.
"""

from .activations import tanh
from .compiling import compiled
from .gather import gather
from .tile import multiply


@compiled
def rnn_forward(tokens, table, z, a, c, W, b, p, m, first, last):
    H = a.shape[2]
    for t in range(z.shape[0]):
        gather(tokens, table, z, t, first, last)
        multiply(a[t : t + 1], 0, H, W, z[t : t + 1], 0, H, first, last, True)
        for n in range(first, last):
            _forward(z[t, n], b, m[n], a[t + 1, n])


@compiled
def _forward(z, b, m, a):
    for i in range(a.size):
        z[i] = tanh(z[i] + b[i])
        a[i] = m[i] * z[i]


@compiled
def rnn_backward(z, a, c, da, da_next, dc, W, p, m, first, last):
    H = a.shape[2]
    for t in range(z.shape[0] - 1, -1, -1):
        for n in range(first, last):
            _backward(z[t, n], m[n], da[t, n], da_next[0, n])
        multiply(z[t : t + 1], 0, H, W, da_next, 0, H, first, last, False)


@compiled
def _backward(z, m, da, da_next):
    for i in range(da.size):
        d_a = m[i] * (da[i] + da_next[i])
        z[i] = d_a - d_a * (z[i] * z[i])  # a = m * tanh(…)
