"""The LSTM cell (Hochreiter and Schmidhuber, 1997; Gers et al., 2000), and the same with peepholes.

    u, f, o = σ(W_{u,f,o} [a', x] + b)      c̃ = tanh(W_c [a', x] + b_c)
    c = u * c̃ + f * c'                      a = m * o * tanh(c)

With peepholes (Gers and Schmidhuber, 2000) the gates see the cell through diagonal weights p:

    u, f: … + p_{u,f} * c'                  o: … + p_o * c

A prime marks the state before the step. z has four columns of width H, in the order u, f, o, c̃. Every recurrent cell
has the same two signatures; the arguments of this one:

    name      shape         forward   backward
    tokens    [T, N]        in                  one-hot input as row numbers of ``table``; [0, N] for dense input
    table     [V, 4H]       in                  W_x, whose rows are only counted for dense input: [D, 4H]
    x         [T, N, ≥ D]   in                  dense input whose product with W_x the kernel makes; without steps where
                                                tokens are given, or where the product stands in ``sums`` already
    W_x       packed        in                  W_x; not read without x
    sums      [S, N, ≥ 4H]  in/out              the sums in the gates: of all steps, or of one step, S = 1
    z         [T, N, ≥ 4H]  out       in/out    forward: u, f, o, c̃; backward: these become dz
    a, c      [T+1, N, H]   in/out    in        the states; slot 0 is read, slots 1 to T are written; backward reads
                                                only the shape of a
    h         [T+1, N, H]   out                 the states that the products read: a, rounded
    da        [T, N, H]               in        the gradient with respect to a from the layer above
    da_next   [1, N, H]               in/out    the gradient with respect to a: on entry, what comes from after the
                                                window; on return, the gradient with respect to slot 0
    dc        [1, N, H]               in/out    the same with respect to c
    W         packed        in        in        W_a [H, 4H]; backward: its transpose
    b         [4H]          in
    p         [3, H]        in        in        peepholes of u, f, o; not read without peepholes
    m         [N, H]        in        in        the dropout mask of a: 1 without dropout

Rows [start, stop) are read and written. No two arrays may overlap, with one exception: for products in float32, z and
h are not arrays of their own, but sums and a. In bf16, z, h and x are bfloat16, the rows of z and h end with a zero if
their products have an odd number of columns, and the forward pass may keep one step of z only. See ``kept``.
"""

from .activations import sigmoid, tanh
from .compiling import compiled, inlined
from .kept import are_apart, first_state, keep, quarters, sums_of
from .prefetch import prefetch
from .sixteen import at, number, parts
from .tile import multiply


@compiled
def lstm_forward(tokens, table, x, W_x, sums, z, a, h, c, W, b, p, m, start, stop):
    H = a.shape[2]
    first_state(a, h, start, stop)
    for t in range(a.shape[0] - 1):
        now = sums_of(tokens, table, x, W_x, sums, t, 4 * H, start, stop)
        multiply(h[t : t + 1], 0, H, W, now, 0, 4 * H, start, stop, True)
        for n in range(start, stop):
            gates, out = quarters(now[0, n], H), a[t + 1, n]
            if are_apart(z):
                _forward(gates, quarters(z[t % z.shape[0], n], H), b, m[n], c[t, n], c[t + 1, n], out, h[t + 1, n])
            else:
                _forward(gates, gates, b, m[n], c[t, n], c[t + 1, n], out, out)


@inlined
def _forward(sums, z, b, m, c_before, c, a, h):
    s_u, s_f, s_o, s_g = sums
    z_u, z_f, z_o, z_g = z
    H = a.size
    b_u, b_f, b_o, b_g = b[:H], b[H : 2 * H], b[2 * H : 3 * H], b[3 * H :]
    for part in range(parts(H, h)):
        i = at(part, H, h)
        u = sigmoid(s_u[i] + b_u[i])
        f = sigmoid(s_f[i] + b_f[i])
        o = sigmoid(s_o[i] + b_o[i])
        g = tanh(s_g[i] + b_g[i])
        c_now = u * g + f * c_before[i]
        out = m[i] * (o * tanh(c_now))
        z_u[i], z_f[i], z_o[i], z_g[i] = u, f, o, g
        c[i], a[i] = c_now, out
        keep(h, i, out)


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
    z_u, z_f, z_o, z_g = z[:H], z[H : 2 * H], z[2 * H : 3 * H], z[3 * H : 4 * H]
    for part in range(parts(H, z)):
        i = at(part, H, z)
        u, f, o, g = z_u[i], z_f[i], z_o[i], z_g[i]
        tanh_c = tanh(c[i])
        d_out = m[i] * (da[i] + da_next[i])  # a = m * out
        o_d_out = o * d_out
        d_c = dc[i] + (o_d_out - o_d_out * (tanh_c * tanh_c))  # out = o * tanh(c)
        d_o = d_out * tanh_c
        d_u, d_f, d_g = d_c * g, d_c * c_before[i], d_c * u  # c = u * c̃ + f * c'
        dc[i] = d_c * f
        z_u[i] = d_u * (u - u * u)
        z_f[i] = d_f * (f - f * f)
        z_o[i] = d_o * (o - o * o)
        z_g[i] = d_g - d_g * (g * g)


@compiled
def peephole_forward(tokens, table, x, W_x, sums, z, a, h, c, W, b, p, m, start, stop):
    H = a.shape[2]
    first_state(a, h, start, stop)
    for t in range(a.shape[0] - 1):
        now = sums_of(tokens, table, x, W_x, sums, t, 4 * H, start, stop)
        multiply(h[t : t + 1], 0, H, W, now, 0, 4 * H, start, stop, True)
        for n in range(start, stop):
            gates, out = quarters(now[0, n], H), a[t + 1, n]
            if are_apart(z):
                _peephole_forward(
                    gates, quarters(z[t % z.shape[0], n], H), b, p, m[n], c[t, n], c[t + 1, n], out, h[t + 1, n]
                )
            else:
                _peephole_forward(gates, gates, b, p, m[n], c[t, n], c[t + 1, n], out, out)


@inlined
def _peephole_forward(sums, z, b, p, m, c_before, c, a, h):
    s_u, s_f, s_o, s_g = sums
    z_u, z_f, z_o, z_g = z
    H = a.size
    b_u, b_f, b_o, b_g = b[:H], b[H : 2 * H], b[2 * H : 3 * H], b[3 * H :]
    p_u, p_f, p_o = p[0], p[1], p[2]
    for part in range(parts(H, h)):
        i = at(part, H, h)
        u = sigmoid(s_u[i] + b_u[i] + p_u[i] * c_before[i])
        f = sigmoid(s_f[i] + b_f[i] + p_f[i] * c_before[i])
        g = tanh(s_g[i] + b_g[i])
        c_now = u * g + f * c_before[i]
        o = sigmoid(s_o[i] + b_o[i] + p_o[i] * c_now)
        out = m[i] * (o * tanh(c_now))
        z_u[i], z_f[i], z_o[i], z_g[i] = u, f, o, g
        c[i], a[i] = c_now, out
        keep(h, i, out)


@compiled
def peephole_backward(z, a, c, da, da_next, dc, W, p, m, start, stop):
    H = a.shape[2]
    for t in range(z.shape[0] - 1, -1, -1):
        for n in range(start, stop):
            if t > 0:
                prefetch(z[t - 1], n, 0, 1, 4 * H)
                prefetch(c[t - 1], n, 0, 1, H)
            _peephole_backward(z[t, n], p, m[n], c[t, n], c[t + 1, n], da[t, n], da_next[0, n], dc[0, n])
        multiply(z[t : t + 1], 0, 4 * H, W, da_next, 0, H, start, stop, False)


@inlined
def _peephole_backward(z, p, m, c_before, c, da, da_next, dc):
    H = da.size
    z_u, z_f, z_o, z_g = z[:H], z[H : 2 * H], z[2 * H : 3 * H], z[3 * H : 4 * H]
    p_u, p_f, p_o = p[0], p[1], p[2]
    for part in range(parts(H, z)):
        i = at(part, H, z)
        u, f, o, g = z_u[i], z_f[i], z_o[i], z_g[i]
        tanh_c = tanh(c[i])
        d_out = m[i] * (da[i] + da_next[i])  # a = m * out
        o_d_out = o * d_out
        dz_o = d_out * tanh_c * (o - o * o)
        d_c = dc[i] + (o_d_out - o_d_out * (tanh_c * tanh_c)) + dz_o * p_o[i]  # out = o * tanh(c); o sees c
        dz_u = d_c * g * (u - u * u)  # c = u * c̃ + f * c'
        dz_f = d_c * c_before[i] * (f - f * f)
        d_g = d_c * u
        dc[i] = d_c * f + dz_u * p_u[i] + dz_f * p_f[i]  # u and f see c'
        z_u[i], z_f[i], z_o[i] = dz_u, dz_f, dz_o
        z_g[i] = d_g - d_g * (g * g)


@compiled
def peephole_gradient(dz, c, dp, first, every, start, stop):
    """The gradient of the peepholes: dp_{u,f} = Σ dz_{u,f} * c' and dp_o = Σ dz_o * c.

    dz  [T, N, ≥ 4H]  in   columns u, f, o are read
    c   [T+1, N, H]   in
    dp  [3, H]        out

    The sums run over all steps and the rows first, first + every, … in order. Units [start, stop) are read and written.
    """
    H = c.shape[2]
    dp_u, dp_f, dp_o = dp[0, start:stop], dp[1, start:stop], dp[2, start:stop]
    dp_u[:], dp_f[:], dp_o[:] = 0, 0, 0
    for t in range(dz.shape[0]):
        for n in range(first, dz.shape[1], every):
            c_before, c_now = c[t, n, start:stop], c[t + 1, n, start:stop]
            dz_u, dz_f = dz[t, n, start:stop], dz[t, n, H + start : H + stop]
            dz_o = dz[t, n, 2 * H + start : 2 * H + stop]
            for i in range(stop - start):
                dp_u[i] += number(dz_u[i]) * c_before[i]
                dp_f[i] += number(dz_f[i]) * c_before[i]
                dp_o[i] += number(dz_o[i]) * c_now[i]
