"""The LSTM cell (Hochreiter and Schmidhuber, 1997; Gers et al., 2000), and the same with peepholes.

    u, f, o = σ(W_{u,f,o} [a', x] + b)      c̃ = tanh(W_c [a', x] + b_c)
    c = u * c̃ + f * c'                      a = m * o * tanh(c)

With peepholes (Gers and Schmidhuber, 2000) the gates see the cell through diagonal weights p:

    u, f: … + p_{u,f} * c'                  o: … + p_o * c

A prime marks the state before the step. z has four columns of width H, in the order u, f, o, c̃. Every recurrent cell
has the same two signatures; the arguments of this one:

    name      shape         forward   backward
    tokens    [T, N]        in                  one-hot input as row numbers of ``table``; [0, N] for dense input
    table     [V, 4H]       in                  W_x; not read for dense input
    z         [T, N, ≥ 4H]  in/out    in/out    forward: W_x x (read for dense input only) becomes u, f, o, c̃;
                                                backward: these become dz
    a, c      [T+1, N, H]   in/out    in        the states; slot 0 is read, slots 1 to T are written; backward reads
                                                only the shape of a
    da        [T, N, H]               in        the gradient with respect to a from the layer above
    da_next   [1, N, H]               in/out    the gradient with respect to a: on entry, what comes from after the
                                                window; on return, the gradient with respect to slot 0
    dc        [1, N, H]               in/out    the same with respect to c
    W         packed        in        in        W_a [H, 4H]; backward: its transpose
    b         [4H]          in
    p         [3, H]        in        in        peepholes of u, f, o; not read without peepholes
    m         [N, H]        in        in        the dropout mask of a: 1 without dropout

Rows [start, stop) are read and written. No two arrays may overlap.
"""

from .activations import sigmoid, tanh
from .compiling import compiled, inlined
from .gather import gather
from .prefetch import prefetch
from .tile import multiply


@compiled
def lstm_forward(tokens, table, z, a, c, W, b, p, m, start, stop):
    H = a.shape[2]
    for t in range(z.shape[0]):
        gather(tokens, table, z, t, start, stop)
        multiply(a[t : t + 1], 0, H, W, z[t : t + 1], 0, 4 * H, start, stop, True)
        for n in range(start, stop):
            _forward(z[t, n], b, m[n], c[t, n], c[t + 1, n], a[t + 1, n])


@inlined
def _forward(z, b, m, c_before, c, a):
    H = a.size
    u, f, o, g = z[:H], z[H : 2 * H], z[2 * H : 3 * H], z[3 * H : 4 * H]
    b_u, b_f, b_o, b_g = b[:H], b[H : 2 * H], b[2 * H : 3 * H], b[3 * H :]
    for i in range(H):
        u[i] = sigmoid(u[i] + b_u[i])
        f[i] = sigmoid(f[i] + b_f[i])
        o[i] = sigmoid(o[i] + b_o[i])
        g[i] = tanh(g[i] + b_g[i])
        c[i] = u[i] * g[i] + f[i] * c_before[i]
        a[i] = m[i] * (o[i] * tanh(c[i]))


@compiled
def lstm_backward(z, a, c, da, da_next, dc, W, p, m, start, stop):
    H = a.shape[2]
    for t in range(z.shape[0] - 1, -1, -1):
        for n in range(start, stop):
            if t > 0:
                prefetch(z[t - 1], n, 0, 1, 4 * H)
                prefetch(c[t - 1], n, 0, 1, H)
            _backward(z[t, n], m[n], c[t, n], c[t + 1, n], da[t, n], da_next[0, n], dc[0, n])
        multiply(z[t : t + 1], 0, 4 * H, W, da_next, 0, H, start, stop, False)


@inlined
def _backward(z, m, c_before, c, da, da_next, dc):
    H = da.size
    u, f, o, g = z[:H], z[H : 2 * H], z[2 * H : 3 * H], z[3 * H : 4 * H]
    for i in range(H):
        tanh_c = tanh(c[i])
        d_out = m[i] * (da[i] + da_next[i])  # a = m * out
        o_d_out = o[i] * d_out
        d_c = dc[i] + (o_d_out - o_d_out * (tanh_c * tanh_c))  # out = o * tanh(c)
        d_o = d_out * tanh_c
        d_u, d_f, d_g = d_c * g[i], d_c * c_before[i], d_c * u[i]  # c = u * c̃ + f * c'
        dc[i] = d_c * f[i]
        u[i] = d_u * (u[i] - u[i] * u[i])
        f[i] = d_f * (f[i] - f[i] * f[i])
        o[i] = d_o * (o[i] - o[i] * o[i])
        g[i] = d_g - d_g * (g[i] * g[i])


@compiled
def peephole_forward(tokens, table, z, a, c, W, b, p, m, start, stop):
    H = a.shape[2]
    for t in range(z.shape[0]):
        gather(tokens, table, z, t, start, stop)
        multiply(a[t : t + 1], 0, H, W, z[t : t + 1], 0, 4 * H, start, stop, True)
        for n in range(start, stop):
            _peephole_forward(z[t, n], b, p[0], p[1], p[2], m[n], c[t, n], c[t + 1, n], a[t + 1, n])


@inlined
def _peephole_forward(z, b, p_u, p_f, p_o, m, c_before, c, a):
    H = a.size
    u, f, o, g = z[:H], z[H : 2 * H], z[2 * H : 3 * H], z[3 * H : 4 * H]
    b_u, b_f, b_o, b_g = b[:H], b[H : 2 * H], b[2 * H : 3 * H], b[3 * H :]
    for i in range(H):
        u[i] = sigmoid(u[i] + b_u[i] + p_u[i] * c_before[i])
        f[i] = sigmoid(f[i] + b_f[i] + p_f[i] * c_before[i])
        g[i] = tanh(g[i] + b_g[i])
        c[i] = u[i] * g[i] + f[i] * c_before[i]
        o[i] = sigmoid(o[i] + b_o[i] + p_o[i] * c[i])
        a[i] = m[i] * (o[i] * tanh(c[i]))


@compiled
def peephole_backward(z, a, c, da, da_next, dc, W, p, m, start, stop):
    H = a.shape[2]
    for t in range(z.shape[0] - 1, -1, -1):
        for n in range(start, stop):
            if t > 0:
                prefetch(z[t - 1], n, 0, 1, 4 * H)
                prefetch(c[t - 1], n, 0, 1, H)
            _peephole_backward(z[t, n], p[0], p[1], p[2], m[n], c[t, n], c[t + 1, n], da[t, n], da_next[0, n], dc[0, n])
        multiply(z[t : t + 1], 0, 4 * H, W, da_next, 0, H, start, stop, False)


@inlined
def _peephole_backward(z, p_u, p_f, p_o, m, c_before, c, da, da_next, dc):
    H = da.size
    u, f, o, g = z[:H], z[H : 2 * H], z[2 * H : 3 * H], z[3 * H : 4 * H]
    for i in range(H):
        tanh_c = tanh(c[i])
        d_out = m[i] * (da[i] + da_next[i])  # a = m * out
        o_d_out = o[i] * d_out
        dz_o = d_out * tanh_c * (o[i] - o[i] * o[i])
        d_c = dc[i] + (o_d_out - o_d_out * (tanh_c * tanh_c)) + dz_o * p_o[i]  # out = o * tanh(c); o sees c
        dz_u = d_c * g[i] * (u[i] - u[i] * u[i])  # c = u * c̃ + f * c'
        dz_f = d_c * c_before[i] * (f[i] - f[i] * f[i])
        d_g = d_c * u[i]
        dc[i] = d_c * f[i] + dz_u * p_u[i] + dz_f * p_f[i]  # u and f see c'
        u[i], f[i], o[i] = dz_u, dz_f, dz_o
        g[i] = d_g - d_g * (g[i] * g[i])


@compiled
def peephole_gradient(dz, c, dp, start, stop):
    """The gradient of the peepholes: dp_{u,f} = Σ dz_{u,f} * c' and dp_o = Σ dz_o * c.

    dz  [T, N, ≥ 4H]  in   columns u, f, o are read
    c   [T+1, N, H]   in
    dp  [3, H]        out

    The sums run over all steps and rows in order. Units [start, stop) are read and written.
    """
    H = c.shape[2]
    dp_u, dp_f, dp_o = dp[0, start:stop], dp[1, start:stop], dp[2, start:stop]
    dp_u[:], dp_f[:], dp_o[:] = 0, 0, 0
    for t in range(dz.shape[0]):
        for n in range(dz.shape[1]):
            c_before, c_now = c[t, n, start:stop], c[t + 1, n, start:stop]
            dz_u, dz_f = dz[t, n, start:stop], dz[t, n, H + start : H + stop]
            dz_o = dz[t, n, 2 * H + start : 2 * H + stop]
            for i in range(stop - start):
                dp_u[i] += dz_u[i] * c_before[i]
                dp_f[i] += dz_f[i] * c_before[i]
                dp_o[i] += dz_o[i] * c_now[i]
