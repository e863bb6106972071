"""The feed-forward language model (Bengio et al., 2003): it sees the last n tokens, and has a matrix for each position.

    a⟨t⟩ = m * tanh(W_1 x⟨t⟩ + W_2 x⟨t-1⟩ + … + W_n x⟨t-n+1⟩ + b)

The first x is the one of <EOS>. Nothing comes before it: there x = 0. The network carries nothing from step to step
but the last n-1 tokens. Higher layers have n = 1, and x⟨t⟩ is the output of the layer below. The arguments:

    name      shape         forward   backward
    z         [T, N, ≥ H]   in/out    in/out    forward: Σ W x becomes tanh(…); backward: tanh(…) becomes dz
    a         [T, N, H]     out
    da        [T, N, H]               in        the gradient with respect to a from the layer above
    b         [H]           in
    m         [N, H]        in        in        the dropout mask of a: 1 without dropout

Rows [start, stop) are read and written. No two arrays may overlap. For dense input x⟨t⟩ … x⟨t-n+1⟩ stand in one row,
and one matrix product gives Σ W x. For one-hot input ``sum_over_positions`` gives it.
"""

from .activations import tanh
from .compiling import compiled


@compiled
def sum_over_positions(tokens, table, z, start, stop):
    """z = Σ_k W_k x⟨t-k+1⟩ for one-hot x.

    tokens  [n-1+T, N]   in   the n-1 tokens before the first step come first; -1 for none. Step t, counted from 0,
                              sees x⟨t-k+1⟩ in row t+n-k
    table   [n·V, H]     in   W_1 … W_n, one below the other
    z       [T, N, ≥ H]  out

    Rows [start, stop) are read and written.
    """
    n, H = tokens.shape[0] - z.shape[0] + 1, table.shape[1]
    V = table.shape[0] // n
    for t in range(z.shape[0]):
        for row in range(start, stop):
            total = z[t, row, :H]
            total[:] = 0
            for k in range(n):
                token = tokens[t + n - 1 - k, row]
                if token >= 0:
                    weights = table[k * V + token]
                    for i in range(H):
                        total[i] += weights[i]


@compiled
def sum_over_positions_gradient(tokens, dz, d_table, start, stop):
    """dW_k x⟨t-k+1⟩ = Σ_t dz for one-hot x; the sum runs over t in order.

    tokens   [n-1+T, N]   in   as in ``sum_over_positions``
    dz       [T, N, ≥ H]  in
    d_table  [n·V, H]     out

    All rows and the columns [start, stop) are read and written.
    """
    n = tokens.shape[0] - dz.shape[0] + 1
    V = d_table.shape[0] // n
    d_table[:, start:stop] = 0
    for t in range(dz.shape[0]):
        for row in range(dz.shape[1]):
            d_sum = dz[t, row, start:stop]
            for k in range(n):
                token = tokens[t + n - 1 - k, row]
                if token >= 0:
                    d_weights = d_table[k * V + token, start:stop]
                    for i in range(d_sum.size):
                        d_weights[i] += d_sum[i]


@compiled
def feedforward_forward(z, a, b, m, start, stop):
    for t in range(a.shape[0]):
        for row in range(start, stop):
            _forward(z[t, row], b, m[row], a[t, row])


@compiled
def _forward(z, b, m, a):
    for i in range(a.size):
        z[i] = tanh(z[i] + b[i])
        a[i] = m[i] * z[i]


@compiled
def feedforward_backward(z, da, m, start, stop):
    for t in range(da.shape[0]):
        for row in range(start, stop):
            _backward(z[t, row], m[row], da[t, row])


@compiled
def _backward(z, m, da):
    for i in range(da.size):
        d_out = m[i] * da[i]  # a = m * out
        z[i] = d_out - d_out * (z[i] * z[i])  # out = tanh(…)
