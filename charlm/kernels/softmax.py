"""The softmax output and its cross-entropy.

    ŷ = softmax(W_ya a + b_y)      loss = -Σ y log ŷ      d(logits) = ŷ - y

y is the one-hot target, of which the share ``unknown`` is given to <UNK> (vocabulary.py says why).
"""

import math

from .activations import exponential
from .compiling import compiled
from .reduce import largest, total


@compiled
def softmax_cross_entropy(logits, b, targets, nats, first, last):
    """Turn the logits into probabilities, in place, and give the nats -log ŷ of each target.

    logits: (T, N, ≥ V), b_y not yet added; b: (V); targets: (T, N), -1 where there is none; nats: (T, N), 0 there.
    Only the rows first…last-1 are read and written.
    """
    for t in range(logits.shape[0]):
        for n in range(first, last):
            row = logits[t, n][: b.size]
            for v in range(row.size):
                row[v] += b[v]
            highest = largest(row)
            target = targets[t, n]
            of_target = row[target] - highest if target >= 0 else row[0] - row[0]
            for v in range(row.size):
                row[v] = exponential(row[v] - highest)
            whole = total(row)
            nats[t, n] = math.log(whole) - of_target if target >= 0 else 0
            share = row.dtype.type(1) / whole
            for v in range(row.size):
                row[v] = row[v] * share


@compiled
def softmax_gradient(probabilities, V, targets, scale, unknown_symbol, unknown, first, last):
    """Turn the probabilities into the gradient of scale · loss by the logits, in place; 0 where there is no target.

    probabilities: (T, N, ≥ V); targets: (T, N); scale, unknown: of the arrays' type; unknown_symbol: the number of
    <UNK>.
    """
    for t in range(probabilities.shape[0]):
        for n in range(first, last):
            row = probabilities[t, n][:V]
            target = targets[t, n]
            if target < 0:
                row[:] = 0
            else:
                for v in range(row.size):
                    row[v] = row[v] * scale
                row[target] -= scale - scale * unknown
                row[unknown_symbol] -= scale * unknown
