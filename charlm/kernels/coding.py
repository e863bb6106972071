"""N-grams in few bits, for the pages of ``charlm export``: arithmetic coding of binary decisions. JavaScript decodes
them: ``export/page/engine/coding.js`` and ``counts.js``.

Each decision has a context, a number. The chance that a decision is 1 is learnt from the earlier decisions in its
context, the latest ones above all. A decision takes about -log₂ of the chance that it had, in bits.

The nodes come in their order (``text/ngrams.py``). What is known of shorter n-grams says much about longer ones. With s
for a history h without its oldest token, the children of h are some of the children of s. Halving finds them: has h any
of the children of s, any of the first half of them, and so on. How likely that is depends on how often h occurs, p(h),
and on how probable these children are after s. Then come γ of h and the weights of its children.

Every number here is exact, or the result of operations that IEEE 754 fixes, so that the decoder computes the same.
"""

import math

from .compiling import compiled, inlined

MEMORY = 60  # earlier decisions that a chance is a mean of, about
CERTAIN = 1 - 1 / 8192  # the highest chance; 1 minus it is the lowest
TINY = 1e-300
DEPTH = 64  # of the stack for halving
# Contexts of a question about children of s: how many they are; what is known of h; octaves of p(h), and of how
# probable they are. Known is how many children h has so far, 0 … LEAST - 1, or with the first question how long h is.
SIZES, KNOWN, OF_HISTORY, OF_CHILDREN = 6, 16, 16, 18
LEAST = 6
LENGTHS, MASSES, RATIOS = 12, 8, 16
# Where the contexts of γ begin: how long h is; 1, 2 or more children; how probable these are after s. Then those of
# weights: how probable the child is after s, relative to the most probable one; 2, 3, 4 or more children; whether this
# is the last one and the heaviest has not come.
BACKOFFS = SIZES * KNOWN * OF_HISTORY * OF_CHILDREN
OF_BACKOFF, OF_OWN = LENGTHS * 3 * MASSES, RATIOS * 4 * 2


@inlined
def half_octaves(x):
    """About 2 log₂ x, a whole number: 2 for 1 ≤ x < 1.5, 3 up to 2, 4 up to 3, …"""
    mantissa, exponent = math.frexp(max(x, TINY))
    return 2 * exponent + (1 if mantissa >= 0.75 else 0)


@inlined
def within(x, stop):
    return min(max(x, 0), stop - 1)


@compiled
def encode(bit, context, chances, seen, coder, out):
    """Write a decision.

    chances  [contexts] float64   in/out   that a decision is 1
    seen     [contexts] uint8     in/out   earlier decisions, up to MEMORY
    coder    [3] int64            in/out   the interval [low, high] of 24 bits; how many bytes there are
    out      [bytes] uint8        out      bytes that it has no room for are counted only
    """
    low, high, chance = coder[0], coder[1], chances[context]
    middle = low + int((high - low) * chance)
    if bit:
        high = middle
    else:
        low = middle + 1
    while (low ^ high) >> 16 == 0:
        if coder[2] < out.size:
            out[coder[2]] = high >> 16
        coder[2] += 1
        low = (low << 8) & 0xFFFFFF
        high = (high << 8) & 0xFFFFFF | 255
    coder[0], coder[1] = low, high
    chances[context] = chance + ((CERTAIN if bit else 1 - CERTAIN) - chance) * (1 / (seen[context] + 1.5))
    seen[context] = min(seen[context] + 1, MEMORY)


@compiled
def encode_number(number, longest, context, chances, seen, coder, out):
    """Write a number from 0 on: how many bits number + 1 has after its first 1, then these (the Elias gamma code).
    longest: the most of these bits. It takes 2^(longest + 1) contexts."""
    length = 0
    while (number + 1) >> (length + 1):
        length += 1
    for shorter in range(length):
        encode(1, context + (1 << shorter), chances, seen, coder, out)
    if length < longest:
        encode(0, context + (1 << length), chances, seen, coder, out)
    read = 1
    for place in range(length - 1, -1, -1):
        bit = ((number + 1) >> place) & 1
        encode(bit, context + (1 << length) + read, chances, seen, coder, out)
        read = 2 * read + bit


@compiled
def encode_ngrams(
    first, suffixes, own, backoff, codes, ranks, longest, orders, learnt, stack, chances, seen, coder, out
):
    """Write n-grams, as far as the vocabulary and the number of n-grams of each order do not tell them.

    first     [M + 1] int64       in       the children of node i are first[i] … first[i + 1] - 1
    suffixes  [M] int64           in       the node of each n-gram without its oldest token
    own       [M] float32         in       see ``NGrams``
    backoff   [M] float32         in
    codes     [2, M] uint8        in       of the weight of each node with siblings, of γ of each with children
    ranks     [2, 256] int64      in       the number that stands for a code, the smaller the more frequent the code is
    longest   [2] int64           in       see ``encode_number``
    orders    [N + 2] int64       in       the node at which each order begins, and M
    learnt    [3, M] float32      out      scratch: p of each n-gram; p of its last token after the others, and the
                                           same of all siblings up to it
    stack     [DEPTH, 3] int64    out      scratch
    chances   [BACKOFFS + (2 * OF_BACKOFF << longest[1]) + (2 * OF_OWN << longest[0])]   in/out   see ``encode``

    These chances begin as ½, seen as 0, and coder as 0, 2²⁴ - 1, 0.
    """
    joint, values, up_to = learnt[0], learnt[1], learnt[2]
    of_backoff, of_own = 2 << longest[1], 2 << longest[0]
    weights = BACKOFFS + OF_BACKOFF * of_backoff
    length = 0
    for h in range(suffixes.size):
        if h == orders[length + 1]:
            length += 1
        s, start, stop = suffixes[h], first[h], first[h + 1]
        if h == 0:
            joint[0] = 1
        elif h < orders[orders.size - 2]:
            of_history = within((half_octaves(float(joint[h])) >> 1) + 23, OF_HISTORY)
            child, top, known = start, 0, LEAST + min(length, KNOWN - LEAST - 1)
            stack[0, 0], stack[0, 1], stack[0, 2] = first[s], first[s + 1], 0
            if first[s] == first[s + 1]:
                top = -1
            while top >= 0:
                low, high, certain = stack[top, 0], stack[top, 1], stack[top, 2]
                top -= 1
                has = child < stop and suffixes[child] < high
                if not certain:
                    mass = float(up_to[high - 1]) - (float(up_to[low - 1]) if low > first[s] else 0.0)
                    of_children = within((half_octaves(mass) >> 1) + 16, OF_CHILDREN)
                    size = min(half_octaves(high - low) >> 1, SIZES) - 1
                    context = ((size * KNOWN + known) * OF_HISTORY + of_history) * OF_CHILDREN + of_children
                    encode(1 if has else 0, context, chances, seen, coder, out)
                if has and high - low > 1:
                    middle = (low + high) >> 1
                    in_half = suffixes[child] < middle
                    stack[top + 1, 0], stack[top + 1, 1], stack[top + 1, 2] = middle, high, 0 if in_half else 1
                    stack[top + 2, 0], stack[top + 2, 1], stack[top + 2, 2] = low, middle, 0
                    top += 2
                elif has:
                    child += 1
                known = min(child - start, LEAST - 1)
        if start == stop:
            continue
        mass = highest = 0.0
        for child in range(start, stop):
            below = float(values[suffixes[child]]) if h else 1 / stop
            mass += below
            highest = max(highest, below)
        children = min(stop - start, 3) - 1
        context = (min(length, LENGTHS - 1) * 3 + children) * MASSES + within(2 - half_octaves(mass), MASSES)
        number = ranks[1, codes[1, h]]
        encode_number(number, longest[1], BACKOFFS + context * of_backoff, chances, seen, coder, out)
        heaviest, sum_up_to = 255, 0.0
        for child in range(start, stop):
            below = float(values[suffixes[child]]) if h else 1 / stop
            if stop - start > 1:
                context = within(2 - half_octaves(below / highest), RATIOS) * 4 + min(stop - start - 2, 3)
                context = 2 * context + (1 if child == stop - 1 and heaviest > 0 else 0)
                code = codes[0, child]
                encode_number(ranks[0, code], longest[0], weights + context * of_own, chances, seen, coder, out)
                heaviest = min(heaviest, code)
            values[child] = float(own[child]) + float(backoff[h]) * below
            joint[child] = float(joint[h]) * float(values[child])
            sum_up_to += float(values[child])
            up_to[child] = sum_up_to
    if coder[2] < out.size:
        out[coder[2]] = coder[1] >> 16
    coder[2] += 1
