"""The logistic output of labels that do not exclude each other, and its cross-entropy.

    ŷ = σ(W_ya a + b_y)      loss = Σ -y log ŷ - (1 - y) log(1 - ŷ)      d(logits) = ŷ - y

y is 1 for each label of the target, which is a set of labels, and 0 for all others. With z the logits, the loss is
Σ log(1 + eᶻ) - Σ y z, in which nothing overflows.
"""

from .activations import exponential, logarithm, sigmoid
from .compiling import compiled


@compiled
def logistic_cross_entropy(logits, b, targets, starts, members, nats, start, stop):
    """Turn the logits into probabilities, in place, and compute the nats of each target.

    logits   [T, N, ≥ V]    in/out   W_ya a, without b_y; becomes ŷ
    b        [V]            in       b_y
    targets  [T, N] int32   in       the number of a set, -1 where there is no target
    starts   [S+1] int64    in       where the labels of each set begin in ``members``, and where the last ones end
    members  [≥ 0] int32    in       the labels of all sets, set after set, below V
    nats     [T, N]         out      0 where there is no target

    Rows [start, stop) are read and written.
    """
    one = b.dtype.type(1)
    for t in range(logits.shape[0]):
        for n in range(start, stop):
            row, target = logits[t, n][: b.size], targets[t, n]
            whole = row[0] - row[0]
            for v in range(row.size):
                row[v] += b[v]
            if target >= 0:
                for v in range(row.size):
                    whole += max(row[v], row.dtype.type(0)) + logarithm(one + exponential(-abs(row[v])))
                for place in range(starts[target], starts[target + 1]):
                    whole -= row[members[place]]
            for v in range(row.size):
                row[v] = sigmoid(row[v])
            nats[t, n] = max(whole, row.dtype.type(0))  # rounding may leave less


@compiled
def logistic_gradient(probabilities, V, targets, starts, members, scale, start, stop):
    """Turn the probabilities into the gradient of scale · loss with respect to the logits, in place.

    probabilities    [T, N, ≥ V]         in/out   ŷ; becomes scale · (ŷ - y), 0 where there is no target
    targets          [T, N] int32        in       the number of a set, -1 where there is no target
    starts, members                      in       the sets, see ``logistic_cross_entropy``
    scale            type of the arrays

    Rows [start, stop) are read and written.
    """
    for t in range(probabilities.shape[0]):
        for n in range(start, stop):
            row, target = probabilities[t, n][:V], targets[t, n]
            if target < 0:
                row[:] = 0
            else:
                for v in range(row.size):
                    row[v] = row[v] * scale
                for place in range(starts[target], starts[target + 1]):
                    row[members[place]] -= scale
