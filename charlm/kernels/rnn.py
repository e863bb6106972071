"""The standard recurrent cell.

    a = tanh(W_aa a' + W_ax x + b_a)

Arrays (T steps, N rows, H hidden), states with slot 0 for the start:

    tokens  (T, N)        one-hot input as row numbers of ``table``; empty where z holds W_ax x already
    table   (V, H)        W_ax
    z       (T, N, ≥ H)   forward: from W_ax x to a; backward: from a to dz
    a       (T+1, N, H)
    da      (T, N, H)     the gradient from above
    da_next (1, N, H)     in: the gradient by a from the steps after the last; out: from step 0 on
    W       packed        W_aa: (H, H); in the backward pass its transpose
    b       (H)

Only the rows first…last-1 are read and written. c, dc and p are not used: every cell has the same signature.
"""

from .activations import tanh
from .compiling import compiled
from .gather import gather
from .tile import multiply


@compiled
def rnn_forward(tokens, table, z, a, c, W, b, p, first, last):
    H = a.shape[2]
    for t in range(z.shape[0]):
        gather(tokens, table, z, t, first, last)
        multiply(a[t : t + 1], 0, H, W, z[t : t + 1], 0, H, first, last, True)
        for n in range(first, last):
            _forward(z[t, n], b, a[t + 1, n])


@compiled
def _forward(z, b, a):
    for i in range(a.size):
        a[i] = tanh(z[i] + b[i])


@compiled
def rnn_backward(z, a, c, da, da_next, dc, W, p, first, last):
    H = a.shape[2]
    for t in range(z.shape[0] - 1, -1, -1):
        for n in range(first, last):
            _backward(z[t, n], a[t + 1, n], da[t, n], da_next[0, n])
        multiply(z[t : t + 1], 0, H, W, da_next, 0, H, first, last, False)


@compiled
def _backward(dz, a, da, da_next):
    for i in range(a.size):
        d_a = da[i] + da_next[i]
        dz[i] = d_a - d_a * (a[i] * a[i])  # a = tanh(z)
