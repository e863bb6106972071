"""The forward pass of an LSTM in bfloat16, for scoring: no backward pass follows, and each number of z is used at once.

The equations are those of ``lstm.py``. Three things make this faster than the forward pass of training:

- The columns of the weights stand in *panels* of 16 units: u, f, o and c̃ of these units side by side. When the tile has
  computed a panel for some rows, the kernel makes their gates of it while it is in the first-level cache.
- The states a are kept as bfloat16, in pairs, as the next product reads them. Each row has the input of its layer and
  then a, so that one product takes both.
- The weights and biases of u, f and o are halved, which is exact, so that σ(z) = ½ + ½ tanh(½ z) needs no product of
  its own. tanh has an error of 2 · 10⁻⁶ at most, 1000 times less than a bfloat16.

A layer of H units has ``panels(H)`` panels. The units that fill up the last one have no weights, and stay at 0.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .activations import exact_logarithm, exponential
from .bfloat16 import _along
from .compiling import compiled, inlined
from .reduce import largest, total
from .tile import PANEL, _element, _Vectors, multiply_rows, tile, workspace

UNITS = 16  # of a panel
AT_ONCE = 48  # rows of which a panel is computed before their gates
OF_SLIVER = 16  # rows of a sliver at a time: the sums of fewer rows wait for each other

# tanh x = x P(x²) / Q(x²), the minimax fit of this form up to ±LIMIT; beyond, it stays as it is there.
LIMIT = 7.0
P = (0.99999569, 0.123022151, 2.27701479e-3, 3.93011305e-6)
Q = (1.0, 0.456340645, 2.10723086e-2, 1.42353416e-4)


def panels(hidden: int) -> int:
    """How many panels hold this many units."""
    return -(-hidden // UNITS)


class _GateVectors(_Vectors):
    """Arithmetic on vectors of 16 float32."""

    def __init__(self, builder):
        super().__init__(builder, ir.FloatType(), 16, 4)

    def constant(self, value):
        return ir.Constant(self.type, [float(np.float32(value))] * self.number)

    def polynomial(self, x, coefficients):
        *rest, value = map(self.constant, coefficients)
        for coefficient in reversed(rest):
            value = self.multiply_add(value, x, coefficient)
        return value

    def tanh(self, x):
        """tanh x as numerator and denominator."""
        limit, below, b = self.constant(LIMIT), self.constant(-LIMIT), self.builder
        x = b.select(b.fcmp_ordered(">", x, limit), limit, x)  # a NaN passes both comparisons unchanged
        x = b.select(b.fcmp_ordered("<", x, below), below, x)
        square = b.fmul(x, x)
        return b.fmul(x, self.polynomial(square, P)), self.polynomial(square, Q)

    def twice_sigmoid(self, x):
        """2 σ(2x) = 1 + tanh x as numerator and denominator."""
        above, below = self.tanh(x)
        return self.builder.fadd(above, below), below

    def inverse(self, x):
        """1/x, to 14 bits."""
        none, all_lanes = ir.Constant(self.type, None), ir.Constant(ir.IntType(16), 0xFFFF)
        return self.call("x86.avx512.rcp14.ps.512", self.type, x, none, all_lanes)

    def quotient(self, x, y):
        """x / y, from ``inverse`` and one step of Newton's method."""
        inverse = self.inverse(y)
        first = self.builder.fmul(x, inverse)
        return self.multiply_add(self.multiply_add(self.builder.fneg(y), first, x), inverse, first)

    def rounded(self, x):
        """<16 x bfloat16>, as integers."""
        return self.call("x86.avx512bf16.cvtneps2bf16.512", ir.VectorType(ir.IntType(16), 16), x)


@intrinsic
def _gates(typing, Z, row, table, t_row, column, c, c_row, unit, a, a_row, a_pair, x, x_row, x_pair):
    """The state of 16 units of one row after a step.

    Z      [rows, 64] float32               in      row ``row``: the product, of u, f, o and c̃ 16 numbers each
    table  [rows, ≥ column + 64] float32    in      row ``t_row``: what is added to it
    c      [rows, ≥ unit + 16] float32      in/out
    a, x   [rows, ≥ pair + 8] uint32        out     the new a in both, as bfloat16
    """

    def generate(context, builder, signature, arguments):
        names = dict(zip(("Z", "table", "c", "a", "x"), (0, 2, 5, 8, 11), strict=True))
        zero = ir.Constant(arguments[1].type, 0)
        places = {"Z": zero, "table": arguments[4], "c": arguments[7], "a": arguments[10], "x": arguments[13]}
        at = {
            name: _element(context, builder, signature.args[i], arguments[i], arguments[i + 1], places[name])[0]
            for name, i in names.items()
        }
        vector = _GateVectors(builder)

        def gate(number):
            distance = zero.type(64 * number)
            product, more = (vector.load(builder.add(at[name], distance)) for name in ("Z", "table"))
            return builder.fadd(product, more)

        # u = ½ u₁ / u₀ and so on: one quotient for c, and one for a, which is rounded to fewer bits than an inverse has
        multiply, half = builder.fmul, vector.constant(0.5)
        (u1, u0), (f1, f0), (o1, o0) = (vector.twice_sigmoid(gate(number)) for number in range(3))
        g1, g0 = vector.tanh(gate(3))
        both = multiply(u0, g0)
        old = multiply(f1, multiply(vector.load(at["c"]), both))
        new = vector.multiply_add(multiply(u1, g1), f0, old)
        new = multiply(half, vector.quotient(new, multiply(both, f0)))
        vector.store(new, at["c"])
        c1, c0 = vector.tanh(new)
        out = multiply(multiply(multiply(o1, c1), half), vector.inverse(multiply(o0, c0)))
        out = vector.rounded(out)
        for name in ("a", "x"):
            builder.store(out, vector.pointer(at[name], out.type), align=4)
        return context.get_dummy_value()

    return types.void(Z, row, table, t_row, column, c, c_row, unit, a, a_row, a_pair, x, x_row, x_pair), generate


@compiled
def lstm_read(tokens, table, W, x, before, c, following, start, stop):
    """The steps of one layer.

    tokens     [T, N] int32                             in      one-hot input as row numbers of ``table``; [0, N] for
                                                                dense input
    table      [V, 64 · panels]                         in      W_x + b in panels, u, f and o halved; [1, …] has b alone
    W          packed pairs [depth, 64 · panels]        in      [W_x, W_a], for one-hot input W_a, in the same order
    x          [T + 1, N, ≥ before + 8 · panels] uint32 in/out  the input, and from pair ``before`` on a: slot 0 of a is
                                                                read, slots 1 to T are written
    c          [N, 16 · panels]                         in/out
    following  [≥ T, N, ≥ 8 · panels] uint32            out     a once more: the input of the next layer, or of the head

    Rows [start, stop) are read and written.
    """
    units = c.shape[1]
    depth = before + units // 2
    Z = workspace(c.dtype, AT_ONCE, PANEL)
    for t in range(x.shape[0] - 1):
        now, then, out = x[t], x[t + 1], following[t]
        for unit in range(0, units, UNITS):
            column, pair = unit // UNITS * PANEL, unit // 2
            for first in range(start, stop, AT_ONCE):
                rows = min(AT_ONCE, stop - first)
                multiply_rows(now, first, depth, W, column * depth, PANEL, Z, 0, 0, rows, False, 0)
                for row in range(rows):
                    n = first + row
                    entry = tokens[t, n] if tokens.size else 0
                    _gates(Z, row, table, entry, column, c, n, unit, then, n, before + pair, out, n, pair)


@compiled
def read_embeddings(tokens, table, x, start, stop):
    """x[t, n] = table[tokens[t, n]] for each step t.

    tokens  [T, N] int32               in
    table   [V, pairs] uint32          in
    x       [≥ T, N, ≥ pairs] uint32   out

    Rows [start, stop) are read and written.
    """
    for t in range(tokens.shape[0]):
        for n in range(start, stop):
            source, target = table[tokens[t, n]], x[t, n]
            for i in range(source.size):
                target[i] = source[i]


@compiled
def pack_rows(values, packed):
    """Rows of numbers as rows of pairs.

    values  [R, columns] float32    in
    packed  [R, 16 · …] uint32      out   room for the pairs of a row; 0 after the last one
    """
    flat = packed.reshape(-1)
    for row in range(values.shape[0]):
        for i in range(0, packed.shape[1], 16):
            _along(values, row, 2 * i, values.shape[1] - 2 * i, flat, row * packed.shape[1] + i)


@compiled
def read_head(x, W, b, targets, keep, outputs, nats, ranks, start, stop):
    """The nats -log ŷ of each target, and its rank by probability.

    x        [≥ T, N, ≥ depth] uint32    in    a of the last layer
    W        packed pairs [2 depth, V]   in
    b        [V, filled up to vectors]   in    b_y, and then -∞
    targets  [T, N] int32                in    -1 where there is no target
    keep                                 in    whether the outputs are to become ŷ
    outputs  [≥ T, N, ≥ size of b]       out   of no use without ``keep``, and of one step then
    nats     [T, N]                      out   0 where there is no target
    ranks    [T, N] int32                out   the same, or [0, N] where nobody wants them

    Rows [start, stop) are read and written.
    """
    depth = W.size // b.size
    for t in range(targets.shape[0]):
        out, wanted = outputs[t if keep else 0], keep
        for n in range(start, stop):
            nats[t, n] = 0
            if ranks.size:
                ranks[t, n] = 0
            wanted = wanted or targets[t, n] >= 0
        if not wanted:
            continue
        _logits(x[t], depth, W, out, b.size, start, stop)
        for n in range(start, stop):
            row, target = out[n][: b.size], targets[t, n]
            if target < 0 and not keep:
                continue
            for v in range(row.size):
                row[v] += b[v]
            highest = largest(row)
            of_target = row[target] - highest if target >= 0 else row[0] - row[0]
            for v in range(row.size):
                row[v] = exponential(row[v] - highest)
            whole = total(row)
            if target >= 0:
                nats[t, n] = exact_logarithm(whole) - of_target
                if ranks.size:
                    power, before = row[target], np.int32(0)
                    for v in range(row.size):
                        before += np.int32(row[v] > power)
                    ranks[t, n] = before + 1
            if keep:
                inverse = row.dtype.type(1) / whole
                for v in range(row.size):
                    row[v] = row[v] * inverse


@inlined
def _logits(x, depth, W, out, columns, start, stop):
    """out = x W for the rows [start, stop)."""
    j = 0
    while j < columns:
        n = start
        width = PANEL if columns - j >= PANEL else UNITS
        if width == UNITS:
            while stop - n >= OF_SLIVER:
                tile(OF_SLIVER, 1, x, n, W, j * depth, UNITS, out, n, j, depth, False, 0)
                n += OF_SLIVER
        if n < stop:
            multiply_rows(x, n, depth, W, j * depth, width, out, n, j, stop - n, False, 0 if width == PANEL else UNITS)
        j += width
