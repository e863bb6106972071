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
    x, W_x                                      as in ``lstm``; W_x [D, 3H]
    sums      [S, N, ≥ 4H]  in/out              the sums in the gates: of all steps, or of one step, S = 1
    z         [T, N, ≥ 4H]  out       in/out    forward: c̃, u, r, q; backward: these become dz
    a         [T+1, N, H]   in/out    in        the state c; slot 0 is read, slots 1 to T are written
    h         [T+1, N, H]   out                 the states that the products read: a, rounded
    c, dc, p                                    not used
    da        [T, N, H]               in        the gradient with respect to a from the layer above
    da_next   [1, N, H]               in/out    the gradient with respect to a: on entry, what comes from after the
                                                window; on return, the gradient with respect to slot 0
    W         packed        in        in        W_a [H, 3H], columns u, r, q; backward: its transpose
    b         [4H]          in                  b_cx, b_u, b_r, b_ch
    m         [N, H]        in        in        the dropout mask of c̃, 1 without dropout. Dropout leaves the state
                                                itself whole (Semeniuta et al., 2016)

Rows [start, stop) are read and written. Which arrays may overlap: as in ``lstm``.
"""

from .activations import sigmoid, tanh
from .compiling import compiled, inlined
from .kept import are_apart, first_state, keep, quarters, sums_of
from .prefetch import prefetch
from .sixteen import at, parts
from .tile import multiply


@compiled
def gru_forward(tokens, table, x, W_x, sums, z, a, h, c, W, b, p, m, start, stop):
    H = a.shape[2]
    first_state(a, h, start, stop)
    for t in range(a.shape[0] - 1):
        now = sums_of(tokens, table, x, W_x, sums, t, 3 * H, start, stop)
        for n in range(start, stop):
            now[0, n, 3 * H : 4 * H] = 0
        multiply(h[t : t + 1], 0, H, W, now, H, 3 * H, start, stop, True)
        for n in range(start, stop):
            gates, out = quarters(now[0, n], H), a[t + 1, n]
            if are_apart(z):
                _forward(gates, quarters(z[t % z.shape[0], n], H), b, m[n], a[t, n], out, h[t + 1, n])
            else:
                _forward(gates, gates, b, m[n], a[t, n], out, out)


@inlined
def _forward(sums, z, b, m, a_before, a, h):
    s_g, s_u, s_r, s_q = sums
    z_g, z_u, z_r, z_q = z
    H = a.size
    b_g, b_u, b_r, b_q = b[:H], b[H : 2 * H], b[2 * H : 3 * H], b[3 * H :]
    for part in range(parts(H, h)):
        i = at(part, H, h)
        u = sigmoid(s_u[i] + b_u[i])
        r = sigmoid(s_r[i] + b_r[i])
        q = s_q[i] + b_q[i]
        g = tanh(r * q + s_g[i] + b_g[i])
        out = u * (m[i] * g) + (a_before[i] - u * a_before[i])
        z_g[i], z_u[i], z_r[i], z_q[i] = g, u, r, q
        a[i] = out
        keep(h, i, out)


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
    z_g, z_u, z_r, z_q = z[:H], z[H : 2 * H], z[2 * H : 3 * H], z[3 * H : 4 * H]
    for part in range(parts(H, z)):
        i = at(part, H, z)
        g, u, r, q = z_g[i], z_u[i], z_r[i], z_q[i]
        d_out = da[i] + da_next[i]
        u_d_out = u * d_out
        d_u = d_out * (m[i] * g - a_before[i])  # a = u * m * c̃ + (1 - u) * c'
        da_next[i] = d_out - u_d_out
        d_g = m[i] * u_d_out
        dz_g = d_g - d_g * (g * g)  # c̃ = tanh(r * q + …)
        d_r = dz_g * q
        z_g[i] = dz_g
        z_q[i] = dz_g * r
        z_r[i] = d_r * (r - r * r)
        z_u[i] = d_u * (u - u * u)
