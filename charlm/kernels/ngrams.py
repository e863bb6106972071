"""The mixture of a network and n-grams, for many rows of a text at once; ``network/mixture.py`` has its equation.

The n-grams stand in the arrays of ``text.ngrams.NGrams``: node 0 is the empty history, node 1 + w the unigram w, and
the children of a node are sorted by their last token. M is the number of nodes, N the order. A row's nodes [N] are
those of its histories of length 0 … N-1, M for one that was not counted.
"""

import numpy as np

from .activations import exponential, logarithm
from .compiling import apart, compiled, inlined
from .prefetch import prefetch_one
from .reduce import largest, total

LEAST = np.float32(1.2e-38)  # the smallest probability whose logarithm is taken
SUMS = 5  # of a half and a length: the gradient (2) and the second derivatives (3) of the loss


@apart
def read_token(first, tokens, nodes, token):
    """Make the nodes [N] of a row those after one token more.

    first   [M + 2] int64   in       the children of node i are first[i] … first[i + 1] - 1; node M has none
    tokens  [M]             in       the last token of each n-gram
    nodes   [N] int64       in/out
    """
    missing = first.size - 2
    for n in range(nodes.size - 1, 0, -1):
        low = first[nodes[n - 1]]
        stop = high = first[nodes[n - 1] + 1]
        while low < high:
            middle = (low + high) >> 1
            if tokens[middle] < token:
                low = middle + 1
            else:
                high = middle
        nodes[n] = low if low < stop and tokens[low] == token else missing


@inlined
def read_tokens(first, tokens, own, backoff, nodes, inputs, start, stop):
    """``read_token`` for the rows [start, stop). The rows lie far apart in the tree: while one is read, the memory of
    the next one is fetched, and what ``ngram_logarithms`` reads first.

    own, backoff    in   see ``ngram_logarithms``
    nodes   [R, N]  in/out
    inputs  [R]     in
    """
    N = nodes.shape[1]
    for r in range(start, stop):
        if r + 1 < stop:
            prefetch_children(first, tokens, own, nodes[r + 1])
        read_token(first, tokens, nodes[r], inputs[r])
        for n in range(1, N):
            prefetch_one(first, nodes[r, n])
            prefetch_one(backoff, nodes[r, n])


@inlined
def prefetch_children(first, tokens, own, nodes):
    """Begin to fetch the first children of each node but the empty history."""
    last = tokens.size - 1
    for n in range(1, nodes.size):
        child = min(first[nodes[n]], last)
        prefetch_one(tokens, child)
        prefetch_one(own, child)


@apart
def ngram_logarithms(unigrams, first, tokens, own, backoff, nodes, q):
    """log q of every token, after the histories ``nodes``. Returns the length of the longest one that has children.

    unigrams  [V]             in    q after the empty history
    own       [M]             in    see ``NGrams``
    backoff   [M + 1]         in
    q         [V]             out
    """
    length, product = 0, own.dtype.type(1)
    for n in range(1, nodes.size):
        if first[nodes[n]] == first[nodes[n] + 1]:
            break
        length, product = n, product * backoff[nodes[n]]
    for v in range(unigrams.size):
        q[v] = unigrams[v] * product
    product = own.dtype.type(1)
    for n in range(length, 0, -1):
        for i in range(first[nodes[n]], first[nodes[n] + 1]):
            q[tokens[i]] += own[i] * product
        product = product * backoff[nodes[n]]
    for v in range(unigrams.size):
        q[v] = logarithm(max(q[v], LEAST))
    return length


@apart
def mixed(y, q, alpha, beta, unknown, out):
    """The probabilities of the mixture, of all tokens but <UNK>: of sum 1, and 0 for <UNK>.

    y, q         [V]   in    log ŷ and log q
    alpha, beta        in    their weights
    unknown            in    the id of <UNK>, -1 if it is like any other token
    out          [V]   out
    """
    for v in range(q.size):
        out[v] = alpha * y[v] + beta * q[v]
    normalize(out, unknown)


@apart
def normalize(out, unknown):
    """Turn logarithms into probabilities of sum 1, in place, of all tokens but <UNK>, which gets 0.

    out  [V]  in/out
    unknown   in       the id of <UNK>, -1 if it is like any other token
    """
    if unknown >= 0:
        out[unknown] = -np.inf
    highest = largest(out)
    for v in range(out.size):
        out[v] = exponential(out[v] - highest)
    if unknown >= 0:
        out[unknown] = 0
    inverse = out.dtype.type(1) / total(out)
    for v in range(out.size):
        out[v] = out[v] * inverse


@compiled
def mix(probabilities, inputs, targets, nats, nodes, unigrams, first, tokens, own, backoff, weights, unknown, scratch,
        start, stop):  # fmt: skip
    """Turn the network's probabilities into those of the mixture, in place, and compute the nats of each target.

    probabilities   [T, R, ≥ V]      in/out
    inputs          [T, R] int32     in       the token before each prediction
    targets         [T, R] int32     in       -1 where there is no target
    nats            [T, R]           out      0 where there is no target
    nodes           [R, N] int64     in/out   before the first input; after the last one
    weights         [N, 2]           in       α and β by the length of the history
    scratch         [R, 2, V]        out      of no use afterwards

    The others are those of ``ngram_logarithms`` and ``mixed``. Rows [start, stop) are read and written.
    """
    V = unigrams.size
    for t in range(inputs.shape[0]):
        read_tokens(first, tokens, own, backoff, nodes, inputs[t], start, stop)
        for r in range(start, stop):
            if r + 1 < stop:
                prefetch_children(first, tokens, own, nodes[r + 1])
            row, y, q = probabilities[t, r][:V], scratch[r, 0], scratch[r, 1]
            length = ngram_logarithms(unigrams, first, tokens, own, backoff, nodes[r], q)
            for v in range(V):
                y[v] = logarithm(max(row[v], LEAST))
            of_unknown = row[unknown] if unknown >= 0 else row[0] - row[0]
            mixed(y, q, weights[length, 0], weights[length, 1], unknown, row)
            if unknown >= 0:
                left = row.dtype.type(1) - of_unknown
                for v in range(V):
                    row[v] = row[v] * left
                row[unknown] = of_unknown
            target = targets[t, r]
            nats[t, r] = -logarithm(max(row[target], LEAST)) if target >= 0 else row[0] - row[0]


@apart
def weighted(x, weights, products):
    """Σ x · weights, arrays [V]; the products [V] are written, and may be x."""
    for v in range(x.size):
        products[v] = x[v] * weights[v]
    return total(products)


@compiled
def fit(probabilities, inputs, targets, halves, losses, sums, nodes, unigrams, first, tokens, own, backoff, weights,
        held, unknown, scratch, start, stop):  # fmt: skip
    """Add up the losses of the mixture and of its parts, and the derivatives of the loss by the weights.

    halves    [T, R] int32             in       of the held-out part, 0 or 1, in which a target stands; else -1
    losses    [R, 3] float64           in/out   nats of the mixture with the weights ``held``, of the network alone,
                                                of the n-grams alone
    sums      [R, 2, N, SUMS] float64  in/out   by half and length, at ``weights``: dα, dβ, dαα, dαβ, dββ of the nats
    held      [2, N, 2]                in       the weights with which each half is measured
    scratch   [R, 5, V]                out      of no use afterwards

    The others are those of ``mix``; the probabilities stay as they are.
    """
    V = unigrams.size
    for t in range(inputs.shape[0]):
        read_tokens(first, tokens, own, backoff, nodes, inputs[t], start, stop)
        for r in range(start, stop):
            if r + 1 < stop:
                prefetch_children(first, tokens, own, nodes[r + 1])
            row, y, q, out = probabilities[t, r][:V], scratch[r, 0], scratch[r, 1], scratch[r, 2]
            of_y, of_q = scratch[r, 3], scratch[r, 4]
            half, target = halves[t, r], targets[t, r]
            if half < 0:
                continue
            length = ngram_logarithms(unigrams, first, tokens, own, backoff, nodes[r], q)
            for v in range(V):
                y[v] = logarithm(max(row[v], LEAST))
            losses[r, 1] -= y[target]
            losses[r, 2] -= q[target]
            if target == unknown:
                losses[r, 0] -= y[target]
                continue
            if unknown >= 0:
                losses[r, 0] -= logarithm(row.dtype.type(1) - row[unknown])
            mixed(y, q, held[half, length, 0], held[half, length, 1], unknown, out)
            losses[r, 0] -= logarithm(max(out[target], LEAST))
            mixed(y, q, weights[length, 0], weights[length, 1], unknown, out)
            mean_q = weighted(out, q, of_q)
            square_q = weighted(of_q, q, of_q)
            mean_y = weighted(out, y, of_y)
            product = weighted(of_y, q, of_q)
            square_y = weighted(of_y, y, of_y)
            here = sums[r, half, length]
            here[0] += mean_y - y[target]
            here[1] += mean_q - q[target]
            here[2] += square_y - mean_y * mean_y
            here[3] += product - mean_y * mean_q
            here[4] += square_q - mean_q * mean_q
