"""A mixture that learns from the text as it reads it; ``network/adaptive_mixture.py`` has its equations.

The n-grams of what was read are the nodes of a tree. Node 0 is the empty history; -1 is a history that did not come
before. N is the order: histories have up to N - 1 tokens. M is the number of nodes that there is room for.
"""

from typing import NamedTuple

import numpy as np

from .activations import exponential, logarithm
from .compiling import compiled, internal
from .ngrams import LEAST, ngram_logarithms, normalize, read_token
from .reduce import total

DISCOUNT = np.float32(0.75)  # of each count
FADE = np.float32(0.7)  # what the counts after a history keep when another token follows it
BUCKETS = 10  # classes of the length of a repeated passage
PER_BUCKET = 8  # tokens
FORGIVEN = 8  # differences, after which the text no longer repeats the passage
REPEATS = 16  # tokens that repeat it again forgive the differences before them
LONGEST = 32  # tokens of a repeated passage that are compared when it is found
PARTS = 4  # whose weights are learnt
RATE = 1.5  # of the steps of the weights
RIDGE = 100.0  # how strongly the weights stay where they begin, as the second derivative of a penalty, in nats


class Counts(NamedTuple):
    """The n-grams of what was read.

    table [a power of 2] int32: a hash table of nodes, 0 where there is none. keys [M] int64: history · V + token.
    tokens [M] int32: the last token. count, whole [M] float32: how often it came, and the sum of the counts of its
    children. child, sibling [M] int32: its newest child, and the child of its history that came before it; 0 for none.
    nodes [N] int64: of the histories of 0 … N - 1 tokens. used [1] int64: the number of nodes.
    """

    table: np.ndarray
    keys: np.ndarray
    tokens: np.ndarray
    count: np.ndarray
    whole: np.ndarray
    child: np.ndarray
    sibling: np.ndarray
    nodes: np.ndarray
    used: np.ndarray


class Passages(NamedTuple):
    """The text that was read, and the passage that it repeats now.

    text [a power of 2] int32: the latest tokens, in a ring. places [a power of 2] int64: the position after the latest
    passage with each hash, 0 for none. now [5] int64: POSITION, the number of tokens read; START, where the sequence
    starts; COPIED, the position in the passage, -1 for none; LENGTH, how many tokens repeat it; DIFFERENT, how many did
    not.
    """

    text: np.ndarray
    places: np.ndarray
    now: np.ndarray


POSITION, START, COPIED, LENGTH, DIFFERENT = range(5)


class Weights(NamedTuple):
    """The weights of PARTS by class, and the inverse of the second derivative for each class.

    weights [classes, PARTS] float64; inverse [classes, PARTS, PARTS] float64; classes [4] int64: the classes of the
    token to be predicted; gradient, step [PARTS] float64: scratch.
    """

    weights: np.ndarray
    inverse: np.ndarray
    classes: np.ndarray
    gradient: np.ndarray
    step: np.ndarray


@internal
def slot_of(table, keys, key):
    """Where a key stands in the table, or would stand."""
    mask = table.size - 1
    slot = ((key * np.int64(-7046029254386353131)) >> 20) & mask
    while table[slot] and keys[table[slot]] != key:
        slot = (slot + 1) & mask
    return slot


@compiled
def fill_table(table, keys, used):
    """Enter the nodes 1 … used - 1 in an empty table."""
    for node in range(1, used):
        table[slot_of(table, keys, keys[node])] = node


@compiled
def start_sequence(counts, passages, first):
    """Start a new sequence after the token ``first``."""
    nodes, now = counts.nodes, passages.now
    nodes[:] = -1
    nodes[0] = 0
    if nodes.size > 1:
        node = counts.table[slot_of(counts.table, counts.keys, np.int64(first))]
        nodes[1] = node if node else -1
    now[START], now[COPIED], now[LENGTH], now[DIFFERENT] = now[POSITION], -1, 0, 0


@internal
def count_token(counts, V, token):
    """Count a token after each of its histories, and make ``counts.nodes`` those after it."""
    table, count, whole, child, sibling, nodes = (
        counts.table,
        counts.count,
        counts.whole,
        counts.child,
        counts.sibling,
        counts.nodes,
    )
    known = False
    for n in range(nodes.size - 1, -1, -1):
        history, node = nodes[n], np.int64(-1)
        if history >= 0:
            slot = slot_of(table, counts.keys, history * V + token)
            node = np.int64(table[slot])
            if n and not (node and known):
                sum_of_faded = whole[0] - whole[0]
                other = child[history]
                while other:
                    count[other] *= FADE
                    sum_of_faded += count[other]
                    other = sibling[other]
                whole[history] = sum_of_faded
            if not node:
                node = counts.used[0]
                counts.used[0] += 1
                table[slot], counts.keys[node], counts.tokens[node] = node, history * V + token, token
                count[node], whole[node], child[node] = 1, 0, 0
                sibling[node], child[history] = child[history], node
                whole[history] += 1
            elif not known:
                known = True
                count[node] += 1
                whole[history] += 1
        if n + 1 < nodes.size:
            nodes[n + 1] = node
    nodes[0] = 0


@internal
def count_again(counts, passages, V, recent, line_end, unknown):
    """Forget all n-grams but those of the ``recent`` latest tokens. line_end: that starts a new sequence, or -1."""
    counts.table[:] = 0
    counts.used[0], counts.child[0], counts.whole[0] = 1, 0, 0
    counts.nodes[:] = -1
    counts.nodes[0] = 0
    position, mask = passages.now[POSITION], passages.text.size - 1
    for place in range(max(position - recent, 0), position):
        token = passages.text[place & mask]
        if token != unknown:
            count_token(counts, V, token)
        if token == unknown or token == line_end:
            counts.nodes[1:] = -1
        if token == line_end and counts.nodes.size > 1:
            node = counts.table[slot_of(counts.table, counts.keys, np.int64(token))]
            counts.nodes[1] = node if node else -1


@internal
def remember(passages, least, token):
    """Add a token to the text, and find out which passage the text repeats now: the latest one that ends with the last
    ``least`` tokens, until it differs too often."""
    text, places, now = passages.text, passages.places, passages.now
    mask = text.size - 1
    if now[COPIED] >= 0:
        if text[now[COPIED] & mask] == token:
            now[LENGTH] += 1
            now[DIFFERENT] = 0 if now[LENGTH] >= REPEATS else now[DIFFERENT]
        else:
            now[DIFFERENT] += 1
            now[LENGTH] = 0
        now[COPIED] = now[COPIED] + 1 if now[DIFFERENT] <= FORGIVEN else -1
    text[now[POSITION] & mask] = token
    now[POSITION] += 1
    position = now[POSITION]
    if position - now[START] < least:
        return
    key = np.int64(0)
    for back in range(1, least + 1):
        key = (key + text[(position - back) & mask] + 1) * np.int64(6364136223846793005)
    place = (key >> 20) & (places.size - 1)
    found = places[place]
    places[place] = position
    if (now[COPIED] < 0 or now[LENGTH] < least) and found > max(0, position - text.size + LONGEST):
        length = 0
        while (
            length < min(LONGEST, found, position - now[START])
            and text[(found - 1 - length) & mask] == text[(position - 1 - length) & mask]
        ):
            length += 1
        if length >= least:
            now[COPIED], now[LENGTH], now[DIFFERENT] = found, length, 0


@internal
def read_counts(counts, q, d, touched):
    """d of each token that followed one of the histories. Returns how many histories came before, the empty one
    included, and the number of these tokens.

    q        [V]         in       log q
    d        [V]         in/out   0 for all tokens; becomes log (r / G q) for the tokens ``touched``
    touched  [V] int32   out
    """
    count, whole, child, sibling, nodes = counts.count, counts.whole, counts.child, counts.sibling, counts.nodes
    length = 0
    while length < nodes.size and nodes[length] >= 0 and child[nodes[length]]:
        length += 1
    size, rest = 0, d.dtype.type(1)  # rest: what the longer histories leave for the shorter ones
    for n in range(length - 1, -1, -1):
        history = nodes[n]
        factor, left = rest / whole[history], whole[0] - whole[0]
        node = child[history]
        while node:
            token, discount = counts.tokens[node], DISCOUNT * min(count[node], count.dtype.type(1))
            if d[token] == 0:
                touched[size] = token
                size += 1
            d[token] += max((count[node] - discount) * factor, LEAST)
            left += discount
            node = sibling[node]
        rest = factor * left
    for i in range(size):
        v = touched[i]
        d[v] = logarithm(1 + d[v] / max(rest * exponential(q[v]), LEAST))
    return length, size


@internal
def learn_weights(learnt):
    """One step along the gradient, with what is known about the second derivative, in each class."""
    g, u = learnt.gradient, learnt.step
    for c in learnt.classes:
        inverse = learnt.inverse[c]
        scale = 1.0
        for i in range(PARTS):
            u[i] = 0
            for j in range(PARTS):
                u[i] += inverse[i, j] * g[j]
            scale += u[i] * g[i]
        for i in range(PARTS):
            for j in range(PARTS):
                inverse[i, j] -= u[i] * u[j] / scale
            learnt.weights[c, i] -= RATE * u[i] / scale


@compiled
def adapt(probabilities, inputs, targets, nats, nodes, unigrams, first, tokens, own, backoff, counts, passages, learnt,
          sizes, scratch, touched):  # fmt: skip
    """Turn the network's probabilities into those of the mixture, in place, and learn from each target in turn.

    probabilities  [T, ≥ V]      in/out
    inputs         [T] int32     in       the token before each prediction
    targets        [T] int32     in
    nats           [T]           out
    nodes          [N] int64     in/out   of the n-grams of the model, which with the next five are those of
                                          ``ngram_logarithms``
    counts, passages, learnt     in/out
    sizes          5 integers    in       the id of <UNK>, -1 if it is like any other; that of <EOS> if it starts a new
                                          sequence, else -1; the most n-grams of what was read; how many tokens are
                                          counted again when there are more; the fewest tokens of a repeated passage
    scratch        [3, V]        in/out   the last row is 0 before and after
    touched        [V] int32     out      of no use afterwards
    """
    V, N = unigrams.size, nodes.size
    unknown, line_end, most, recent, least = sizes
    y, q, d = scratch[0], scratch[1], scratch[2]
    classes, weights, gradient = learnt.classes, learnt.weights, learnt.gradient
    for t in range(inputs.size):
        row, target = probabilities[t][:V], targets[t]
        read_token(first, tokens, nodes, inputs[t])
        classes[0] = ngram_logarithms(unigrams, first, tokens, own, backoff, nodes, q)
        known, size = read_counts(counts, q, d, touched)
        copied = passages.now[COPIED]
        repeated = passages.text[copied & (passages.text.size - 1)] if copied >= 0 else -1
        classes[1] = N + known
        classes[2] = 2 * N + 1 + inputs[t]
        classes[3] = 2 * N + 1 + V
        if copied >= 0:
            classes[3] += 1 + min(passages.now[LENGTH] // PER_BUCKET, BUCKETS - 2)
        alpha = beta = gamma = delta = 0.0
        for c in classes:
            alpha += weights[c, 0]
            beta += weights[c, 1]
            gamma += weights[c, 2]
            delta += weights[c, 3]
        of_unknown = row[unknown] if unknown >= 0 else row[0] - row[0]
        a, b, g = row.dtype.type(alpha), row.dtype.type(beta), row.dtype.type(gamma)
        for v in range(V):
            y[v] = logarithm(max(row[v], LEAST))
            row[v] = a * y[v] + b * q[v]
        for i in range(size):
            row[touched[i]] += g * d[touched[i]]
        if repeated >= 0:
            row[repeated] += row.dtype.type(delta)
        normalize(row, unknown)
        if target != unknown:
            gradient[0], gradient[1], gradient[2], gradient[3] = -y[target], -q[target], -d[target], 0
            if repeated >= 0:
                gradient[3] = row[repeated] - (1 if repeated == target else 0)
            for v in range(V):
                y[v] *= row[v]
                q[v] *= row[v]
            gradient[0] += total(y)
            gradient[1] += total(q)
            for i in range(size):
                gradient[2] += row[touched[i]] * d[touched[i]]
            learn_weights(learnt)
        for i in range(size):
            d[touched[i]] = 0
        if unknown >= 0:
            left = row.dtype.type(1) - of_unknown
            for v in range(V):
                row[v] = row[v] * left
            row[unknown] = of_unknown
        nats[t] = -logarithm(max(row[target], LEAST))
        remember(passages, least, target)
        if target == unknown:
            counts.nodes[1:] = -1
        else:
            if counts.used[0] + N > most:
                count_again(counts, passages, V, recent, line_end, unknown)
            else:
                count_token(counts, V, target)
