"""The softmax output and its cross-entropy.

    ŷ = softmax(W_ya a + b_y)      loss = -Σ y log ŷ      d(logits) = ŷ - y

y is the one-hot target. In training, <UNK> gets the fraction ``unknown`` of each target's probability instead (label
smoothing towards <UNK>; text/vocabulary.py says why).
"""

import numpy as np

from .activations import exact_logarithm, exponential
from .compiling import compiled, inlined
from .kept import rounded
from .reduce import largest, total
from .sixteen import at, parts, put


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
def softmax_gradient(probabilities, d_logits, V, targets, scale, unknown_symbol, unknown, start, stop):
    """The gradient of scale · loss with respect to the logits.

    probabilities   [T, N, ≥ V]     in       ŷ
    d_logits        [T, N, ≥ V]     out      scale · (ŷ - y), 0 where there is no target; bfloat16, or probabilities
                                             itself
    targets         [T, N] int32    in       -1 where there is no target
    scale, unknown  type of the arrays       unknown: the fraction of each target's probability that <UNK> gets instead
    unknown_symbol  int                      the id of <UNK>

    Rows [start, stop) are read and written.
    """
    result = rounded(d_logits, probabilities)
    for t in range(probabilities.shape[0]):
        for n in range(start, stop):
            row, gradient = probabilities[t, n][:V], result[t, n][:V]
            target = targets[t, n]
            if target < 0:
                gradient[:] = 0
            else:
                of_target = row[target] * scale - (scale - scale * unknown)
                of_unknown = (of_target if target == unknown_symbol else row[unknown_symbol] * scale) - scale * unknown
                _scale(row, gradient, scale)
                put(gradient, target, of_target)
                put(gradient, unknown_symbol, of_unknown)


@inlined
def _scale(row, result, scale):
    """result = row · scale."""
    for part in range(parts(row.size, result)):
        i = at(part, row.size, result)
        result[i] = row[i] * scale
