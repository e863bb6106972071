"""The standard network: feed-forward, over the last n tokens, with a matrix for each of their places.

    a⟨t⟩ = m * tanh(W_1 x⟨t⟩ + W_2 x⟨t-1⟩ + … + W_n x⟨t-n+1⟩ + b)

The first x is <EOS>'s; before it there is nothing, x = 0. Nothing is carried from step to step but the tokens
themselves, the last n-1. Layers above have n = 1, and x⟨t⟩ is what the layer below gives. Arrays (T steps, N rows, H
hidden):

    tokens  (n-1+T, N)    with the n-1 before the first step; -1 for nothing. x⟨t-k+1⟩, t from 0, is that of row t+n-k
    table   (n·V, H)      W_1 … W_n below each other: one-hot input takes a row of each. Of a dense input, where x⟨t⟩
                          … x⟨t-n+1⟩ stand side by side, z holds the sum already
    z       (T, N, ≥ H)   forward: from W x to tanh(…); backward: from that to dz
    a       (T, N, H)
    da      (T, N, H)     the gradient from above
    b       (H)
    m       (N, H)        what dropout makes of a, 1 without

Only the rows first…last-1 are read and written; in the gradients all rows, and the columns first…last-1.
"""

from .activations import tanh
from .compiling import compiled


@compiled
def sum_of_places(tokens, table, z, first, last):
    """z = Σ_k W_k x⟨t-k+1⟩ for one-hot x."""
    n, H = tokens.shape[0] - z.shape[0] + 1, table.shape[1]
    V = table.shape[0] // n
    for t in range(z.shape[0]):
        for row in range(first, last):
            total = z[t, row, :H]
            total[:] = 0
            for k in range(n):
                token = tokens[t + n - 1 - k, row]
                if token >= 0:
                    weights = table[k * V + token]
                    for i in range(H):
                        total[i] += weights[i]


@compiled
def sum_of_places_gradient(tokens, dz, d_table, first, last):
    """dW_k x⟨t-k+1⟩ += dz for one-hot x, t in order."""
    n = tokens.shape[0] - dz.shape[0] + 1
    V = d_table.shape[0] // n
    d_table[:, first:last] = 0
    for t in range(dz.shape[0]):
        for row in range(dz.shape[1]):
            d_sum = dz[t, row, first:last]
            for k in range(n):
                token = tokens[t + n - 1 - k, row]
                if token >= 0:
                    d_weights = d_table[k * V + token, first:last]
                    for i in range(d_sum.size):
                        d_weights[i] += d_sum[i]


@compiled
def window_forward(z, a, b, m, first, last):
    for t in range(a.shape[0]):
        for row in range(first, last):
            _forward(z[t, row], b, m[row], a[t, row])


@compiled
def _forward(z, b, m, a):
    for i in range(a.size):
        z[i] = tanh(z[i] + b[i])
        a[i] = m[i] * z[i]


@compiled
def window_backward(z, da, m, first, last):
    for t in range(da.shape[0]):
        for row in range(first, last):
            _backward(z[t, row], m[row], da[t, row])


@compiled
def _backward(z, m, da):
    for i in range(da.size):
        d_a = m[i] * da[i]
        z[i] = d_a - d_a * (z[i] * z[i])  # a = m * tanh(…)
