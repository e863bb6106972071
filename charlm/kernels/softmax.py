"""The softmax output and its cross-entropy.

    ŷ = softmax(W_ya a + b_y)      loss = -Σ y log ŷ      d(logits) = ŷ - y

y is the one-hot target. In training, <UNK> gets the fraction ``unknown`` of each target's probability instead (label
smoothing towards <UNK>; text/vocabulary.py says why).
"""

import numpy as np

from .activations import exact_logarithm, exponential
from .compiling import compiled, inlined
from .reduce import largest, total
from .sixteen import at, larger, largest_of, parts, put, sum_of, vector, within
from .tile import multiply


@compiled
def softmax_cross_entropy(logits, b, targets, nats, start, stop):
    """Turn the logits into probabilities, in place, and compute the nats -log ŷ of each target.

    logits   [T, N, ≥ V]    in/out   W_ya a, without b_y; becomes ŷ
    b        [V]            in       b_y
    targets  [T, N] int32   in       -1 where there is no target
    nats     [T, N]         out      0 where there is no target

    Rows [start, stop) are read and written.
    """
    for t in range(logits.shape[0]):
        for n in range(start, stop):
            row = logits[t, n][: b.size]
            for v in range(row.size):
                row[v] += b[v]
            nats[t, n] = _cross_entropy(row, targets[t, n])


@inlined
def _cross_entropy(row, target):
    """Turn one row of logits into probabilities, in place. Returns the nats of the target, 0 where there is none."""
    highest = largest(row)
    of_target = row[target] - highest if target >= 0 else row[0] - row[0]
    for v in range(row.size):
        row[v] = exponential(row[v] - highest)
    whole = total(row)
    inverse = row.dtype.type(1) / whole
    for v in range(row.size):
        row[v] = row[v] * inverse
    return exact_logarithm(whole) - of_target if target >= 0 else 0


@compiled
def sampled_cross_entropy(logits, b, correction, targets, nats, start, stop):
    """``softmax_cross_entropy`` over a sample of C outputs (network/sampled_softmax.py).

    logits       [T, N, ≥ C]    in/out   W_ya a, without b_y; becomes the estimate of ŷ
    b            [C]            in       b_y
    correction   [C]            in       is added to the logit of an output, except in a row whose target it is
    targets      [T, N] int32   in       as numbers of the C outputs; -1 where there is no target
    nats         [T, N]         out      0 where there is no target

    Rows [start, stop) are read and written.
    """
    for t in range(logits.shape[0]):
        for n in range(start, stop):
            row, target = logits[t, n][: b.size], targets[t, n]
            of_target = row[target] + b[target] if target >= 0 else row[0]
            for v in range(row.size):
                row[v] += b[v] + correction[v]
            if target >= 0:
                row[target] = of_target
            nats[t, n] = _cross_entropy(row, target)


@compiled
def target_ranks(probabilities, V, targets, ranks, start, stop):
    """The rank of each target among all symbols by probability: 1 for the most likely symbol.

    probabilities  [T, N, ≥ V]    in
    targets        [T, N] int32   in    -1 where there is no target
    ranks          [T, N] int32   out   0 where there is no target

    Rows [start, stop) are read and written.
    """
    for t in range(targets.shape[0]):
        for n in range(start, stop):
            row = probabilities[t, n][:V]
            if targets[t, n] < 0:
                ranks[t, n] = 0
            else:
                of_target, before = row[targets[t, n]], np.int32(0)
                for v in range(row.size):
                    before += np.int32(row[v] > of_target)
                ranks[t, n] = before + 1


@compiled
def softmax_gradient(probabilities, V, targets, scale, unknown_symbol, unknown, start, stop):
    """Turn the probabilities, in place, into the gradient of scale · loss with respect to the logits.

    probabilities   [T, N, ≥ V]     in/out   ŷ; becomes scale · (ŷ - y), 0 where there is no target
    targets         [T, N] int32    in       -1 where there is no target
    scale, unknown  type of the arrays       unknown: the fraction of each target's probability that <UNK> gets instead
    unknown_symbol  int                      the id of <UNK>

    Rows [start, stop) are read and written.
    """
    for t in range(probabilities.shape[0]):
        for n in range(start, stop):
            row, target = probabilities[t, n][:V], targets[t, n]
            if target < 0:
                row[:] = 0
            else:
                for v in range(row.size):
                    row[v] *= scale
                row[target] -= scale - scale * unknown
                row[unknown_symbol] -= scale * unknown


@compiled
def softmax_both_ways(
    a, W, W_back, b, outputs, d_outputs, da, targets, nats, scale, unknown_symbol, unknown, start, stop
):
    """The product with W_ya, ``softmax_cross_entropy``, ``softmax_gradient`` and the product with the transpose in
    bfloat16, for a few steps at a time, so that the outputs stay in the cache.

    a          [T, N, ≥ H]     in     bfloat16
    W, W_back  packed          in     W_ya [H, V], and its transpose
    b          [V]             in     b_y
    outputs    [S, N, ≥ V]            working memory: for as many steps at a time
    d_outputs  [T, N, ≥ V]     out    bfloat16: the gradient with respect to the logits
    da         [T, N, H]       out    the same with respect to a
    targets    [T, N] int32    in     -1 where there is no target
    nats       [T, N]          out    0 where there is no target
    scale, unknown_symbol, unknown    as in ``softmax_gradient``

    Rows [start, stop) are read and written.
    """
    T, steps, V, H = a.shape[0], outputs.shape[0], b.size, da.shape[2]
    for first in range(0, T, steps):
        last = min(first + steps, T)
        multiply(a[first:last], 0, H, W, outputs[: last - first], 0, V, start, stop, False)
        for t in range(first, last):
            for n in range(start, stop):
                target, row, gradient = targets[t, n], outputs[t - first, n], d_outputs[t, n]
                if target < 0:
                    nats[t, n] = 0
                    gradient[:V] = 0
                else:
                    of_target = row[target] + b[target]
                    highest, whole = _exponentials(row, b, gradient)
                    nats[t, n] = exact_logarithm(whole) - (of_target - highest)
                    factor = scale / whole
                    for part in range(parts(V, gradient)):
                        i = at(part, V, gradient)
                        gradient[i] = row[i] * factor
                    of_target = row[target] * factor - (scale - scale * unknown)
                    of_unknown = row[unknown_symbol] * factor - scale * unknown
                    if target == unknown_symbol:
                        of_unknown = of_target - scale * unknown
                    put(gradient, target, of_target)
                    put(gradient, unknown_symbol, of_unknown)
        multiply(d_outputs[first:last], 0, V, W_back, da[first:last], 0, H, start, stop, False)


@inlined
def _exponentials(row, b, kept):
    """row = eˣ of x = row + b, less the largest of them. Returns the largest x, and the sum of the row. kept: see
    ``sixteen.at``."""
    V, lowest = b.size, row.dtype.type(-np.inf)
    highest, whole = vector(lowest), vector(row.dtype.type(0))
    for part in range(parts(V, kept)):
        i = at(part, V, kept)
        highest = larger(highest, within(row[i] + b[i], i, lowest))
    most = largest_of(highest)
    for part in range(parts(V, kept)):
        i = at(part, V, kept)
        x = exponential(row[i] + b[i] - most)
        row[i] = x
        whole = whole + within(x, i, row.dtype.type(0))
    return most, sum_of(whole)
