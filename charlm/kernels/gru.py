"""The GRU cell with its reset gate after the recurrent product (Cho et al., 2014; the variant of cuDNN and PyTorch).

    u = σ(W_u [c', x] + b_u)      r = σ(W_r [c', x] + b_r)
    c̃ = tanh(r * q + W_cx x + b_cx)      q = W_ch c' + b_ch
    c = u * m * c̃ + (1 - u) * c'         a = c

A prime marks the state before the step. z has four columns of width H, in the order c̃, u, r, q: the first three take
part in the product with x, the last three in the product with c'. So each product has one run of columns. Every
recurrent cell has the same two signatures; the arguments of this one:

    name      shape         forward   backward
    tokens    [T, N]        in                  one-hot input as row numbers of ``table``; [0, N] for dense input
    table     [V, 3H]       in                  W_x, columns c̃, u, r; not read for dense input
    z         [T, N, ≥ 4H]  in/out    in/out    forward: W_x x (read for dense input only) becomes c̃, u, r, q;
                                                backward: these become dz
    a         [T+1, N, H]   in/out    in        the state c; slot 0 is read, slots 1 to T are written
    c, dc, p                                    not used
    da        [T, N, H]               in        the gradient with respect to a from the layer above
    da_next   [1, N, H]               in/out    the gradient with respect to a: on entry, what comes from after the
                                                window; on return, the gradient with respect to slot 0
    W         packed        in        in        W_a [H, 3H], columns u, r, q; backward: its transpose
    b         [4H]          in                  b_cx, b_u, b_r, b_ch
    m         [N, H]        in        in        the dropout mask of c̃, 1 without dropout. Dropout leaves the state
                                                itself whole (Semeniuta et al., 2016)

Rows [start, stop) are read and written. No two arrays may overlap.
"""

from .activations import sigmoid, tanh
from .compiling import compiled, inlined
from .gather import gather
from .prefetch import prefetch
from .tile import multiply


@compiled
def gru_forward(tokens, table, z, a, c, W, b, p, m, start, stop):
    H = a.shape[2]
    for t in range(z.shape[0]):
        gather(tokens, table, z, t, start, stop)
        for n in range(start, stop):
            z[t, n, 3 * H : 4 * H] = 0
        multiply(a[t : t + 1], 0, H, W, z[t : t + 1], H, 3 * H, start, stop, True)
        for n in range(start, stop):
            _forward(z[t, n], b, m[n], a[t, n], a[t + 1, n])


@inlined
def _forward(z, b, m, a_before, a):
    H = a.size
    g, u, r, q = z[:H], z[H : 2 * H], z[2 * H : 3 * H], z[3 * H : 4 * H]
    b_g, b_u, b_r, b_q = b[:H], b[H : 2 * H], b[2 * H : 3 * H], b[3 * H :]
    for i in range(H):
        u[i] = sigmoid(u[i] + b_u[i])
        r[i] = sigmoid(r[i] + b_r[i])
        q[i] = q[i] + b_q[i]
        g[i] = tanh(r[i] * q[i] + g[i] + b_g[i])
        a[i] = u[i] * (m[i] * g[i]) + (a_before[i] - u[i] * a_before[i])


@compiled
def gru_backward(z, a, c, da, da_next, dc, W, p, m, start, stop):
    H = a.shape[2]
    for t in range(z.shape[0] - 1, -1, -1):
        for n in range(start, stop):
            if t > 0:
                prefetch(z[t - 1], n, 0, 1, 4 * H)
                prefetch(a[t - 1], n, 0, 1, H)
            _backward(z[t, n], m[n], a[t, n], da[t, n], da_next[0, n])
        multiply(z[t : t + 1], H, 3 * H, W, da_next, 0, H, start, stop, True)


@inlined
def _backward(z, m, a_before, da, da_next):
    H = da.size
    g, u, r, q = z[:H], z[H : 2 * H], z[2 * H : 3 * H], z[3 * H : 4 * H]
    for i in range(H):
        d_out = da[i] + da_next[i]
        u_d_out = u[i] * d_out
        d_u = d_out * (m[i] * g[i] - a_before[i])  # a = u * m * c̃ + (1 - u) * c'
        da_next[i] = d_out - u_d_out
        d_g = m[i] * u_d_out
        dz_g = d_g - d_g * (g[i] * g[i])  # c̃ = tanh(r * q + …)
        d_r = dz_g * q[i]
        g[i] = dz_g
        q[i] = dz_g * r[i]
        r[i] = d_r * (r[i] - r[i] * r[i])
        u[i] = d_u * (u[i] - u[i] * u[i])
