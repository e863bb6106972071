"""Merges a pair of tokens wherever it occurs, and keeps count of how often each pair occurs.

Each token knows its neighbours, and the next and the previous place where the same pair begins, so that a merge takes
time for its own places only (Larsson and Moffat, "Offline dictionary-based compression", 1999).
"""

from .compiling import compiled, inlined

# Rows of ``tokens``: the id of a token, the positions of its neighbours, the number of the pair that it begins, the
# positions where that pair begins next and before, and how often its piece of text occurs. -1 stands for none.
ID, NEXT, PREVIOUS, PAIR, LATER, EARLIER, WEIGHT = range(7)
# Rows of ``pairs``: how often a pair occurs, its ids, and the positions where it begins first and last.
COUNT, LEFT, RIGHT, HEAD, TAIL = range(5)


@inlined
def remove(tokens, pairs, at):
    """The token at position ``at``, -1 for none, no longer begins a pair."""
    if at >= 0:
        pair = tokens[PAIR, at]
        if pair >= 0:
            later, earlier = tokens[LATER, at], tokens[EARLIER, at]
            if earlier >= 0:
                tokens[LATER, earlier] = later
            else:
                pairs[HEAD, pair] = later
            if later >= 0:
                tokens[EARLIER, later] = earlier
            else:
                pairs[TAIL, pair] = earlier
            pairs[COUNT, pair] -= tokens[WEIGHT, at]
            tokens[PAIR, at] = -1


@inlined
def add(tokens, pairs, at, pair, left, right):
    """The token at position ``at``, behind all others that begin this pair, begins it too."""
    if pairs[COUNT, pair] == 0:
        pairs[LEFT, pair], pairs[RIGHT, pair] = left, right
        pairs[HEAD, pair], pairs[TAIL, pair] = -1, -1
    last = pairs[TAIL, pair]
    tokens[PAIR, at], tokens[EARLIER, at], tokens[LATER, at] = pair, last, -1
    if last >= 0:
        tokens[LATER, last] = at
    else:
        pairs[HEAD, pair] = at
    pairs[TAIL, pair] = at
    pairs[COUNT, pair] += tokens[WEIGHT, at]


@compiled
def link(tokens, pairs, numbers):
    """Let each token begin its pair.

    tokens    [7, n] int32      in/out   see the rows above; no token begins a pair yet
    pairs     [5, P] int64      in/out   see the rows above; zeros
    numbers   [n] int64         in       the number of the pair that each token begins, -1 for none
    """
    for at in range(numbers.size):
        if numbers[at] >= 0:
            add(tokens, pairs, at, numbers[at], tokens[ID, at], tokens[ID, tokens[NEXT, at]])


@compiled
def merge(tokens, pairs, used, pair, new, numbers):
    """Replace the pair everywhere by a token, from left to right, and return the number of pairs used afterwards.

    tokens    [7, n] int32        in/out   see the rows above
    pairs     [5, ≥ used + 2 (new + 1)] int64   in/out   see the rows above
    used      the number of pairs that have a number
    pair      the number of the pair that is merged
    new       the id of the token that it becomes, greater than all before
    numbers   [2, ≥ new + 1] int64   in/out   the numbers of the pairs of the new token with each token before and after
                             it; those below ``used`` are of earlier calls
    """
    start, at = used, pairs[HEAD, pair]
    while at >= 0:
        second, before = tokens[NEXT, at], tokens[PREVIOUS, at]
        after = tokens[NEXT, second]
        remove(tokens, pairs, before)
        remove(tokens, pairs, at)
        remove(tokens, pairs, second)
        tokens[ID, at], tokens[NEXT, at] = new, after
        if before >= 0:
            left = tokens[ID, before]
            row = 1 if left == new else 0  # the new token twice is one pair, whichever comes first
            if numbers[row, left] < start:
                numbers[row, left] = used
                used += 1
            add(tokens, pairs, before, numbers[row, left], left, new)
        if after >= 0:
            tokens[PREVIOUS, after] = at
            right = tokens[ID, after]
            if numbers[1, right] < start:
                numbers[1, right] = used
                used += 1
            add(tokens, pairs, at, numbers[1, right], new, right)
        at = pairs[HEAD, pair]
    return used
