"""Two trees of n-grams → one that interpolates them (see ``ngrams``): a training that goes on with a model counts the
new text, and keeps what the model counted before.

    q(w | h) = λ q_new(w | h) + (1 - λ) q_earlier(w | h)

λ is fitted to a text that neither of them counted (Jelinek and Mercer, 1980). The new tree has the n-grams of both. For
each of them it holds the interpolated probability; for all other tokens after a history it backs off to the shorter
history, so that the probabilities after each history sum to 1. (Over several orders that is not quite q, and on tiny
Shakespeare after War and Peace it is better by 0.003 nats per character.)
"""

import numpy as np

from .ngrams import NGrams, finished, pruned

EM_STEPS = 30  # after which λ no longer changes
EVEN = 0.5  # λ without a text to fit it to


def fitted_share(new: NGrams, earlier: NGrams, text: np.ndarray) -> float:
    """λ, 0…1, with which both together give a text the highest probability, rounded, so that it is the same on every
    machine. text: ids (n), a beginning of a sequence; EVEN if it is empty."""
    share = EVEN
    if len(text):
        q, p = new.probabilities(text), earlier.probabilities(text)
        for _ in range(EM_STEPS):
            share = float((share * q / (share * q + (1 - share) * p)).mean())
    return round(share, 4)


class _Side:
    """One of the two trees, looked at in the nodes of the joined one.

    place: the joined node of each of its nodes, (M). values: its probability of each joined n-gram, filled order by
    order. backoff: its γ of each joined node as a history, 1 where it does not know it.
    """

    def __init__(self, ngrams: NGrams, size: int, place: np.ndarray):
        self.ngrams, self.place = ngrams, place
        self.own, self.backoff, self.values = np.zeros(size), np.ones(size), np.empty(size)
        self.own[place], self.backoff[place] = ngrams.own[: len(place)], ngrams.backoff[: len(place)]
        self.values[0] = 1 / ngrams.vocabulary_size

    def fill(self, nodes: slice, parents: np.ndarray, suffixes: np.ndarray) -> np.ndarray:
        """The probabilities of the n-grams of one order."""
        self.values[nodes] = self.own[nodes] + self.backoff[parents[nodes]] * self.values[suffixes[nodes]]
        return self.values[nodes]


def interpolated(new: NGrams, earlier: NGrams, share: float, most: int | None = None) -> NGrams:
    """One tree for both, of the order of the new one. Both have the same vocabulary.

    share: λ. most: keep at most so many n-grams, and all single tokens; None is all.
    """
    V, order = new.vocabulary_size, new.order
    starts, parents, tokens, places = _joined(new, earlier)
    suffixes = _suffixes(starts, parents, tokens, V)
    sides = [_Side(ngrams, len(tokens), place) for ngrams, place in zip((new, earlier), places, strict=True)]
    shares, values, joint, own = (share, 1 - share), np.empty(len(tokens)), np.ones(len(tokens)), np.zeros(len(tokens))
    values[0] = 1 / V
    for n in range(1, order + 1):
        nodes = slice(starts[n], starts[n + 1])
        if nodes.start == nodes.stop:  # the texts are too short for so long n-grams
            break
        parts = (part * side.fill(nodes, parents, suffixes) for part, side in zip(shares, sides, strict=True))
        values[nodes] = sum(parts)
        joint[nodes] = joint[parents[nodes]] * values[nodes]
        lower, first, histories = values[suffixes[nodes]], parents[nodes.start], parents[nodes] - parents[nodes.start]
        left = 1 - np.bincount(histories, values[nodes])
        left_below = 1 - np.bincount(histories, lower)
        mixed = sum(part * side.backoff[first : first + len(left)] for part, side in zip(shares, sides, strict=True))
        backoff = np.where(left_below > 1e-9, left / np.maximum(left_below, 1e-9), mixed)  # else every token follows
        own[nodes] = np.maximum(0, values[nodes] - np.clip(backoff, 0, 1)[histories] * lower)
    tree = {"tokens": tokens.astype(new.tokens.dtype), "parents": parents, "own": own}
    if most is not None and most < len(tokens) - 1:
        tree = pruned(tree, suffixes, np.sqrt(np.sqrt(joint)), starts[1:], most)  # this root lost least
    return NGrams(V, order, new.lines, new.has_unknown or earlier.has_unknown, finished(tree, False))


def _joined(new: NGrams, earlier: NGrams) -> tuple[list[int], np.ndarray, np.ndarray, list[np.ndarray]]:
    """The nodes of both trees up to the order of the new one: where each order begins, from order 0 on, and their
    number; the history and the last token of each node; and where the nodes of each tree stand."""
    V, trees = new.vocabulary_size, (new, earlier)
    sizes = [tree.orders[min(new.order, tree.order) + 1] for tree in trees]
    histories = [
        np.repeat(np.arange(size), np.diff(tree.first)[:size]) for size, tree in zip(sizes, trees, strict=True)
    ]
    places = [np.zeros(size, np.int64) for size in sizes]
    starts, parents, tokens = [0, 1], [np.zeros(1, np.int64)], [np.zeros(1, np.int64)]
    for n in range(1, new.order + 1):
        found = []
        for tree, size, place, history in zip(trees, sizes, places, histories, strict=True):
            nodes = slice(*(min(int(tree.orders[min(k, tree.order + 1)]), size) for k in (n, n + 1)))
            keys = place[history[nodes.start - 1 : nodes.stop - 1]] * V + tree.tokens[nodes]
            found.append((place, nodes, keys))
        keys = np.sort(np.concatenate([its for *_, its in found]), kind="stable")  # which merges what is sorted already
        keys = keys[np.flatnonzero(np.diff(keys, prepend=-1))]
        for place, nodes, its in found:
            place[nodes] = starts[-1] + keys.searchsorted(its)
        parents.append(keys // V)
        tokens.append(keys % V)
        starts.append(starts[-1] + len(keys))
    return starts, np.concatenate(parents), np.concatenate(tokens), places


def _suffixes(starts: list[int], parents: np.ndarray, tokens: np.ndarray, vocabulary_size: int) -> np.ndarray:
    """The node of each n-gram without its oldest token: (M)."""
    suffixes, keys = np.zeros(len(parents), np.int64), parents * vocabulary_size + tokens
    for n in range(2, len(starts) - 1):
        nodes, below = slice(starts[n], starts[n + 1]), keys[starts[n - 1] : starts[n]]
        wanted = suffixes[parents[nodes]] * vocabulary_size + tokens[nodes]
        found = below.searchsorted(wanted)
        suffixes[nodes] = starts[n - 1] + np.minimum(found, len(below) - 1)  # of a damaged file, any of them
    return suffixes
