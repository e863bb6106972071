"""The simple recurrent cell (Elman, 1990).

    a = m * tanh(W_aa a' + W_ax x + b_a)

A prime marks the state before the step. Every recurrent cell has the same two signatures; the arguments of this one:

    name      shape         forward   backward
    tokens    [T, N]        in                  one-hot input as row numbers of ``table``; [0, N] for dense input
    table     [V, H]        in                  W_ax; not read for dense input
    z         [T, N, ≥ H]   in/out    in/out    forward: W_ax x (read for dense input only) becomes tanh(…);
                                                backward: tanh(…) becomes dz
    a         [T+1, N, H]   in/out    in        slot 0 is read, slots 1 to T are written; backward reads only the shape
    c, dc, p                                    not used
    da        [T, N, H]               in        the gradient with respect to a from the layer above
    da_next   [1, N, H]               in/out    the gradient with respect to a: on entry, what comes from after the
                                                window; on return, the gradient with respect to slot 0
    W         packed        in        in        W_aa [H, H]; backward: its transpose
    b         [H]           in
    m         [N, H]        in        in        the dropout mask of a: 1 without dropout

Rows [start, stop) are read and written. No two arrays may overlap.
"""

from .activations import tanh
from .compiling import compiled
from .gather import gather
from .tile import multiply


@compiled
def rnn_forward(tokens, table, z, a, c, W, b, p, m, start, stop):
    H = a.shape[2]
    for t in range(z.shape[0]):
        gather(tokens, table, z, t, start, stop)
        multiply(a[t : t + 1], 0, H, W, z[t : t + 1], 0, H, start, stop, True)
        for n in range(start, stop):
            _forward(z[t, n], b, m[n], a[t + 1, n])


@compiled
def _forward(z, b, m, a):
    for i in range(a.size):
        z[i] = tanh(z[i] + b[i])
        a[i] = m[i] * z[i]


@compiled
def rnn_backward(z, a, c, da, da_next, dc, W, p, m, start, stop):
    H = a.shape[2]
    for t in range(z.shape[0] - 1, -1, -1):
        for n in range(start, stop):
            _backward(z[t, n], m[n], da[t, n], da_next[0, n])
        multiply(z[t : t + 1], 0, H, W, da_next, 0, H, start, stop, False)


@compiled
def _backward(z, m, da, da_next):
    for i in range(da.size):
        d_out = m[i] * (da[i] + da_next[i])  # a = m * out
        z[i] = d_out - d_out * (z[i] * z[i])  # out = tanh(…)
