"""The simple recurrent cell (Elman, 1990).

    a = m * tanh(W_aa a' + W_ax x + b_a)

A prime marks the state before the step. Every recurrent cell has the same two signatures; the arguments of this one:

    name      shape         forward   backward
    tokens    [T, N]        in                  one-hot input as row numbers of ``table``; [0, N] for dense input
    table     [V, H]        in                  W_ax; not read for dense input
    x, W_x                                      as in ``lstm``; W_x [D, H]
    sums      [S, N, ≥ H]   in/out              the sums in tanh(…): of all steps, or of one step, S = 1
    z         [T, N, ≥ H]   out       in/out    forward: tanh(…); backward: tanh(…) becomes dz
    a         [T+1, N, H]   in/out    in        slot 0 is read, slots 1 to T are written; backward reads only the shape
    h         [T+1, N, H]   out                 the states that the products read: a, rounded
    c, dc, p                                    not used
    da        [T, N, H]               in        the gradient with respect to a from the layer above
    da_next   [1, N, H]               in/out    the gradient with respect to a: on entry, what comes from after the
                                                window; on return, the gradient with respect to slot 0
    W         packed        in        in        W_aa [H, H]; backward: its transpose
    b         [H]           in
    m         [N, H]        in        in        the dropout mask of a: 1 without dropout

Rows [start, stop) are read and written. Which arrays may overlap: as in ``lstm``.
"""

from .activations import tanh
from .compiling import compiled, inlined
from .kept import are_apart, first_state, keep, sums_of
from .sixteen import at, parts
from .tile import multiply


@compiled
def rnn_forward(tokens, table, x, W_x, sums, z, a, h, c, W, b, p, m, start, stop):
    H = a.shape[2]
    first_state(a, h, start, stop)
    for t in range(a.shape[0] - 1):
        now = sums_of(tokens, table, x, W_x, sums, t, H, start, stop)
        multiply(h[t : t + 1], 0, H, W, now, 0, H, start, stop, True)
        for n in range(start, stop):
            row, out = now[0, n], a[t + 1, n]
            if are_apart(z):
                _forward(row, z[t % z.shape[0], n], b, m[n], out, h[t + 1, n])
            else:
                _forward(row, row, b, m[n], out, out)


@inlined
def _forward(sums, z, b, m, a, h):
    for part in range(parts(a.size, z)):
        i = at(part, a.size, z)
        out = tanh(sums[i] + b[i])
        z[i] = out
        a[i] = m[i] * out
        keep(h, i, m[i] * out)


@compiled
def rnn_backward(z, a, c, da, da_next, dc, W, p, m, start, stop):
    H = a.shape[2]
    for t in range(z.shape[0] - 1, -1, -1):
        for n in range(start, stop):
            _backward(z[t, n], m[n], da[t, n], da_next[0, n])
        multiply(z[t : t + 1], 0, H, W, da_next, 0, H, start, stop, False)


@inlined
def _backward(z, m, da, da_next):
    for part in range(parts(da.size, z)):
        i = at(part, da.size, z)
        out = z[i]
        d_out = m[i] * (da[i] + da_next[i])  # a = m * out
        z[i] = d_out - d_out * (out * out)  # out = tanh(…)
