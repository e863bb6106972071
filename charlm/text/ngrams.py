"""N-gram probabilities with interpolated modified Kneser–Ney smoothing.

The method is that of Chen and Goodman ("An empirical study of smoothing techniques for language modeling", 1999,
section 4.1.6), over the same tokens and sequences as a network's:

    p(w | h) = max(c(hw) - D(c(hw)), 0) / c(h·) + γ(h) p(w | h')      h' is h without its oldest token
    γ(h) = (D₁ N₁(h·) + D₂ N₂(h·) + D₃ N₃₊(h·)) / c(h·)
    Y = n₁ / (n₁ + 2 n₂)    D₁ = 1 - 2 Y n₂/n₁    D₂ = 2 - 3 Y n₃/n₂    D₃ = 3 - 4 Y n₄/n₃

At the highest order c counts how often an n-gram occurs; at lower orders it counts how many different tokens the n-gram
follows. Nᵢ(h·) is the number of tokens that follow h exactly i times, n_i the number of n-grams that occur i times. The
order below single tokens is the uniform distribution 1/V. A sequence starts after an <EOS>; an n-gram that starts with
this <EOS> keeps its plain count, because no token can come before it.

Pruning: an n-gram that is left out gives its whole count to the order below, D = c, so that γ(h) is 1 - Σ (c(hw) - D) /
c(h·) over the n-grams that are kept. All counts and discounts are still those of the whole text. The history of an
n-gram that is kept is kept, and so is what remains of the n-gram without its oldest token.

The n-grams of all orders are the *nodes* of one tree. Node 0 is the empty history, node 1 + w the token w; the n-grams
of 2, 3, … tokens follow, each order sorted by (node of the history, last token). So (node of the history) · V + (last
token) is sorted over all nodes, and one search finds n-grams of all orders.

In a model each probability is a code of one byte, in the file and in memory, so that a model predicts the same before
and after it is saved:

    weight of an n-gram among those with its history    WEIGHTS[code], relative to the heaviest; the last code is 0
    γ of a history                                      BACKOFFS[code], finest about ½, where it matters most

The n-grams with a history share 1 - γ in proportion to their weights. An n-gram that is alone there, as half of all
are, has no code. So the probabilities after each history sum to 1 and are above 0, whatever the codes are.
"""

import itertools
from functools import cached_property

import numpy as np

from .counting import count_ngrams, tokens_before
from .vocabulary import EOS, UNKNOWN, smallest_type

BASELINE_ORDERS = {"char": 6, "subword": 6, "word": 5, "token": 5, "byte": 6}
MOST_ORDER = 32  # of n-grams in a file
ARRAYS = ("ngrams_children", "ngrams_tokens", "ngrams_own", "ngrams_backoff")  # of a file
FREQUENCY = 0.3  # how much it counts in ``NGrams.pruned`` that an n-gram is frequent; 1 would be in proportion

# Products, and no exponential functions, so that they are the same bits on every machine.
WEIGHTS = np.append(np.multiply.accumulate(np.append(1.0, np.full(254, 15 / 16))), 0.0)  # from 1 to 10⁻⁷, and 0
_ABOVE = np.multiply.accumulate(np.append(1.015, 1.03 + 0.001 * np.arange(127)))  # factors grow, to both ends
_ODDS = np.append(1 / _ABOVE[::-1], _ABOVE)  # γ/(1 - γ): 3 % apart in the middle, 16 % apart at both ends
BACKOFFS = _ODDS / (1 + _ODDS)  # from 10⁻⁵ to 1 - 10⁻⁵

_ONE_BYTE = [bytes((value,)) for value in range(256)]


class NGrams:
    """Probabilities of tokens, given the up to order - 1 tokens before them: a tree of M nodes.

    tokens: the last token of each node, in the smallest unsigned type (M). first: node i has the children first[i] …
    first[i + 1] - 1: int64 (M + 1). own: what each node has besides what its suffix adds, float32, or float64 where it
    is exact (M). backoff: γ of each node as a history, 1 where it has no children: like own. orders: the node at which
    each order begins, from order 0 on, and M at the end: (order + 2). has_unknown: whether <UNK> was counted. lines:
    each line is a sequence of its own.

    p(w | h) = own(hw) + backoff(h) p(w | h'), and 1/V below the unigrams.
    """

    def __init__(self, vocabulary_size: int, order: int, lines: bool, has_unknown: bool, tree: dict[str, np.ndarray]):
        """tree: tokens, children (how many each node has), own, backoff, and of a model own_codes, backoff_codes."""
        self.vocabulary_size, self.order, self.lines, self.has_unknown = vocabulary_size, order, lines, has_unknown
        self.tokens, self.own, self.backoff = tree["tokens"], tree["own"], tree["backoff"]
        self.first = np.ones(len(self.tokens) + 1, np.int64)
        np.cumsum(tree["children"], out=self.first[1:])
        self.first[1:] += 1
        self.orders = _order_starts(self.first, order)
        self._codes = tree.get("own_codes"), tree.get("backoff_codes")

    def __len__(self):
        return len(self.tokens)

    def __getstate__(self):
        """For another process: without what is computed from the rest when it is needed."""
        computed = {name for name, value in vars(NGrams).items() if isinstance(value, cached_property)}
        return {name: value for name, value in vars(self).items() if name not in computed}

    @classmethod
    def count(
        cls,
        tokens: np.ndarray,
        vocabulary_size: int,
        order: int,
        lines: bool,
        *,
        singletons: int,
        most: int | None = None,
        exact: bool = False,
    ) -> "NGrams":
        """Count the n-grams of a text.

        tokens: ids (n); each line ends with <EOS>. lines: each line is a sequence of its own. singletons: n-grams of
        more tokens than this that occur once are left out. most: keep at most so many n-grams, those that the text
        gains most from, and all single tokens; None is all. exact: probabilities are float64 and not codes; no file
        holds such n-grams. Raises ValueError if the order is not 1 … MOST_ORDER.
        """
        if not 1 <= order <= MOST_ORDER:
            raise ValueError(f"the order of n-grams must be 1 … {MOST_ORDER}, not {order}")
        counted = list(count_ngrams(tokens, vocabulary_size, order, lines, singletons))
        starts = list(itertools.accumulate(map(len, counted), initial=1))
        below = [0, *starts]  # where the order below each begins, from that of the unigrams on
        tree = {
            "tokens": _joined([ngrams.tokens for ngrams in counted]),
            "parents": _joined([ngrams.histories + base for ngrams, base in zip(counted, below, strict=False)]),
            "own": _joined([ngrams.probabilities() for ngrams in counted]),
        }
        if most is not None and most < starts[-1] - 1:
            suffixes = _joined([ngrams.suffixes + base for ngrams, base in zip(counted, below, strict=False)])
            occurrences = _joined([ngrams.occurrences for ngrams in counted])
            tree = pruned(tree, suffixes, occurrences, starts, most)
        del counted  # it takes as much memory as the tree
        return cls(vocabulary_size, order, lines, bool((tokens == UNKNOWN).any()), finished(tree, exact))

    @cached_property
    def keys(self) -> np.ndarray:
        """(node of the history) · V + (last token) of the nodes 1 …, which is sorted: int64 (M - 1)."""
        keys = np.repeat(np.arange(len(self)), np.diff(self.first))
        keys *= self.vocabulary_size
        keys += self.tokens[1:]
        return keys

    def no_history(self, rows: int) -> np.ndarray:
        """The nodes of the histories of 0, 1, … tokens in each row, before any token: M, which is no node, where there
        is none. int64 (rows, order)."""
        nodes = np.full((rows, self.order), len(self))
        nodes[:, 0] = 0
        return nodes

    def step(self, nodes: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """The histories after one more token of each row: int64 (rows, order). A sequence begins with <EOS>.

        nodes: those before it, made by ``no_history`` or ``step`` (rows, order). tokens: ids (rows).
        """
        if len(tokens) == 1 and self._bytes:
            return self._step_one(nodes, tokens.item(0))
        wanted = nodes[:, :-1] * self.vocabulary_size
        wanted += tokens[:, None]
        found = self.keys.searchsorted(wanted)
        missing = self.keys.take(found, mode="clip") != wanted
        found += 1
        found[missing] = len(self)
        after = np.zeros_like(nodes)
        after[:, 1:] = found
        return after

    def _step_one(self, nodes, token):
        """The same for one row. Searching a few bytes for a byte takes a fifth of the time of a search in all keys."""
        missing, first, find, last = len(self), self._first, self._bytes.find, _ONE_BYTE[token]
        after = [0, 1 + token][: self.order]
        for node in nodes[0, 1:-1].tolist():
            if node == missing or (found := find(last, first[node], first[node + 1])) < 0:
                after += [missing] * (self.order - len(after))
                break
            after.append(found)
        return np.array([after])

    @cached_property
    def _bytes(self) -> bytes:
        """The last token of each node; b"" where a token takes more than a byte."""
        return self.tokens.tobytes() if self.tokens.dtype == np.uint8 else b""

    @cached_property
    def _first(self) -> memoryview:
        return memoryview(self.first)

    def _children(self, nodes, tokens):
        """The node of each history with one more token, -1 if it is not kept or if there is no history (node -1)."""
        wanted = nodes * self.vocabulary_size
        wanted += tokens  # below 0 where there is no history, as no key is
        indices = self.keys.searchsorted(wanted)
        return np.where(self.keys.take(indices, mode="clip") == wanted, indices + 1, -1)

    def probabilities(self, tokens: np.ndarray) -> np.ndarray:
        """The probability of each token of a text, given the tokens before it: float64 (n). The text starts a
        sequence."""
        before = tokens_before(tokens, self.lines)
        values = np.full(len(tokens), 1 / self.vocabulary_size)
        known, nodes = np.arange(len(tokens)), np.zeros(len(tokens), np.int64)  # the tokens with a history, its node
        for n in range(1, self.order + 1):
            found = self._children(nodes, tokens[known])
            values[known] *= self.backoff[nodes]
            values[known[found >= 0]] += self.own[found[found >= 0]]
            numbers = np.full(len(tokens) + 1, -1)  # of the n-gram that ends before each token
            numbers[known + 1] = found
            if n == 1:
                numbers[0] = 1 + EOS
            known = np.flatnonzero((numbers[:-1] >= 0) & (before >= n))
            nodes = numbers[known]
        return values

    def pruned(self, most: int) -> "NGrams":
        """At most ``most`` of these n-grams, those that matter most next to a network, and all single tokens;
        themselves where there are no more.

        The n-grams with the highest p(hw)^FREQUENCY · log(p(w | h) / p′(w | h)) are kept, where p′ is the probability
        without the n-gram. With an exponent of 1 that is what a text gains from each (Stolcke, "Entropy-based pruning
        of backoff language models", 1998); but a network predicts together with them, and what is frequent it knows
        as well. The counts of the text, with which ``count`` chooses, are no longer known.
        """
        if len(self) - 1 <= most:
            return self
        V, starts = self.vocabulary_size, self.orders[1:].tolist()
        joint, values, score = np.ones(len(self)), np.full(len(self), 1 / V), np.full(len(self), np.inf)
        for start, stop in itertools.pairwise(starts):
            nodes = slice(start, stop)
            parents, lower = self.parents[nodes], values[self.suffixes[nodes]]
            values[nodes] = self.own[nodes] + self.backoff[parents] * lower
            joint[nodes] = joint[parents] * values[nodes]
            if start > 1:
                without = (self.own[nodes] + self.backoff[parents]) * lower
                score[nodes] = joint[nodes] ** FREQUENCY * np.log(values[nodes] / without)
        tree = {"tokens": self.tokens, "parents": self.parents, "own": self.own.astype(np.float64)}
        tree = _best(tree, score, self.suffixes, starts, most)
        return NGrams(V, self.order, self.lines, self.has_unknown, finished(tree, exact=False))

    def rounded(self, coarseness: int) -> "NGrams":
        """The same n-grams with so many times fewer codes, which pack into fewer bytes."""
        middle = coarseness // 2
        own, backoff = (codes.astype(np.int64) for codes in self._codes)
        own = np.where(own == 255, 255, np.minimum((own + middle) // coarseness * coarseness, 256 - 2 * coarseness))
        backoff = np.minimum(backoff // coarseness * coarseness + middle, 255)
        codes = {"ngrams_own": own.astype(np.uint8), "ngrams_backoff": backoff.astype(np.uint8)}
        return NGrams.from_arrays(self.fields(), self.arrays() | codes, self.vocabulary_size, self.lines)

    @cached_property
    def parents(self) -> np.ndarray:
        """The node of each n-gram without its last token, int64 (M); 0 for the empty history."""
        return np.concatenate(([0], np.repeat(np.arange(len(self)), np.diff(self.first))))

    @cached_property
    def suffixes(self) -> np.ndarray:
        """The node of each n-gram without its oldest token, int64 (M); 0 for the empty history."""
        found = np.zeros(len(self), np.int64)
        for start, stop in itertools.pairwise(self.orders[2:].tolist()):
            wanted = found[self.parents[start:stop]] * self.vocabulary_size + self.tokens[start:stop]
            found[start:stop] = 1 + self.keys.searchsorted(wanted)
        return found

    def with_vocabulary(self, ids: np.ndarray, vocabulary_size: int) -> "NGrams":
        """The same n-grams in a larger vocabulary, whose further tokens were never counted.

        ids: of each token in it, rising (V).
        """
        own_codes, backoff_codes = self._codes
        if own_codes is None:
            raise ValueError("n-grams with exact probabilities are not renumbered")
        children, V = np.diff(self.first), self.vocabulary_size
        of_tokens, codes = np.zeros(vocabulary_size, children.dtype), np.full(vocabulary_size, 255, np.uint8)
        of_tokens[ids], codes[ids] = children[1 : V + 1], own_codes[:V]  # the codes of single tokens come first
        tokens = np.concatenate([[0], np.arange(vocabulary_size), ids[self.tokens[V + 1 :]]])
        tree = {
            "tokens": tokens.astype(smallest_type(vocabulary_size)),
            "children": np.concatenate([[vocabulary_size], of_tokens, children[V + 1 :]]),
            "own_codes": np.concatenate([codes, own_codes[V:]]),
            "backoff_codes": backoff_codes,
        }
        return NGrams(vocabulary_size, self.order, self.lines, self.has_unknown, tree | _decoded(tree))

    def fields(self) -> dict:
        """What a file needs to know besides ``arrays``: order; sizes, the number of n-grams of each order; histories,
        how many nodes have children; siblings, how many n-grams share their history with others; most_children, of a
        node but the empty history; has_unknown."""
        children = np.diff(self.first)
        return {
            "order": self.order,
            "sizes": np.diff(self.orders)[1:].tolist(),
            "histories": int(np.count_nonzero(children)),
            "siblings": int(children[children > 1].sum()),
            "most_children": int(children[1:].max()),
            "has_unknown": self.has_unknown,
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of a file, by name. ``array_shapes`` describes them."""
        own_codes, backoff_codes = self._codes
        if own_codes is None:
            raise ValueError("n-grams with exact probabilities have no place in a file")
        fields = self.fields()
        shapes = array_shapes(fields, self.vocabulary_size)
        children = np.diff(self.first)[1 : self.orders[self.order]]
        return {
            "ngrams_children": children.astype(shapes["ngrams_children"][0]),
            "ngrams_tokens": self.tokens[1 + self.vocabulary_size :].astype(shapes["ngrams_tokens"][0]),
            "ngrams_own": own_codes,
            "ngrams_backoff": backoff_codes,
        }

    @classmethod
    def from_arrays(cls, fields: dict, arrays: dict[str, np.ndarray], vocabulary_size: int, lines: bool) -> "NGrams":
        """The n-grams that a file holds. fields, arrays: see the methods. Raises ValueError if they are not valid."""
        for name, (dtype, shape) in array_shapes(fields, vocabulary_size).items():
            if arrays[name].dtype != dtype or arrays[name].shape != shape:
                raise ValueError(f"its array {name} does not have the size or the type that its n-grams need")
        order, sizes = fields["order"], fields["sizes"]
        children = np.concatenate([[vocabulary_size], arrays["ngrams_children"], np.zeros(sizes[-1], np.int64)])
        tokens = np.concatenate([[0], np.arange(vocabulary_size), arrays["ngrams_tokens"]])
        starts = np.cumsum([0, 1, *sizes])
        totals = [int(children[start:stop].sum()) for start, stop in zip(starts, starts[1:], strict=False)]
        if totals != [*sizes, 0]:
            raise ValueError("its n-grams have other numbers of children than its header says")
        counted = np.count_nonzero(children), children[children > 1].sum(), children[1:].max()
        if counted != (fields["histories"], fields["siblings"], fields["most_children"]):
            raise ValueError("its n-grams have other children than its header says")
        tree = {
            "tokens": tokens.astype(smallest_type(vocabulary_size)),
            "children": children,
            "own_codes": arrays["ngrams_own"],
            "backoff_codes": arrays["ngrams_backoff"],
        }
        found = cls(vocabulary_size, order, lines, fields["has_unknown"], tree | _decoded(tree))
        if found.tokens.max() >= vocabulary_size or (found.keys[1:] <= found.keys[:-1]).any():
            raise ValueError("its n-grams are not sorted, or have tokens that its vocabulary does not have")
        return found


def array_shapes(fields: dict, vocabulary_size: int) -> dict[str, tuple[np.dtype, tuple]]:
    """The dtype and the shape of each array of a file, by name. Raises ValueError if the fields make no sense.

    ngrams_children: how many children each n-gram has, but for those of the highest order, which have none.
    ngrams_tokens: the last token of each n-gram from order 2 on. ngrams_own: the code of each n-gram that has
    siblings. ngrams_backoff: the code of each node that has children, the empty history first.
    """
    if set(fields) != {"order", "sizes", "histories", "siblings", "most_children", "has_unknown"}:
        raise ValueError("its header does not describe its n-grams")
    order, sizes, most, has_unknown = (fields[name] for name in ("order", "sizes", "most_children", "has_unknown"))
    histories, siblings = fields["histories"], fields["siblings"]
    numbers = [order, histories, siblings, most, *sizes] if isinstance(sizes, list) else [None]
    if any(type(number) is not int or not 0 <= number < 2**31 for number in numbers) or type(has_unknown) is not bool:
        raise ValueError("its header does not describe its n-grams")
    if not 1 <= order <= MOST_ORDER or len(sizes) != order or sizes[0] != vocabulary_size or most > vocabulary_size:
        raise ValueError("its header describes n-grams that it cannot have")
    if not 1 <= histories <= 1 + sum(sizes[:-1]) or siblings > sum(sizes):
        raise ValueError("its header describes more histories than n-grams")
    byte = np.dtype("u1")
    return {
        "ngrams_children": (np.dtype(smallest_type(most + 1)).newbyteorder("<"), (sum(sizes[:-1]),)),
        "ngrams_tokens": (np.dtype(smallest_type(vocabulary_size)).newbyteorder("<"), (sum(sizes[1:]),)),
        "ngrams_own": (byte, (siblings,)),
        "ngrams_backoff": (byte, (histories,)),
    }


def _order_starts(first, order):
    """The node at which each order begins, from order 0 on, and the number of nodes: (order + 2)."""
    starts = [0, 1]
    for _ in range(order):
        starts.append(int(first[starts[-1]]))
    return np.array(starts)


def _joined(arrays):
    """One array for all nodes, with a 0 for the empty history."""
    return np.concatenate([np.zeros(1, arrays[0].dtype), *arrays])


def pruned(tree, suffixes, occurrences, starts, most):
    """A tree with at most ``most`` n-grams, or all single tokens if these are more.

    Those with the highest score are kept: occurrences² · (p - p′)/(p + p′) · 0.7ⁿ, where p′ is the probability without
    the n-gram, and n its order. Of the rules that were tried on texts of 0.2 and 1 MB this one lost least at most
    sizes. Others took occurrences alone, or occurrences · log(p / p′) without a factor for the order.
    """
    parents, own = tree["parents"], tree["own"]
    backoff = 1 - np.bincount(parents[1:], own[1:], len(own))
    values = np.full(len(own), 1 / (starts[1] - 1))
    score = np.full(len(own), np.inf)
    factor = 1.0
    for start, stop in itertools.pairwise(starts):
        nodes = slice(start, stop)
        lower = values[suffixes[nodes]]
        values[nodes] = own[nodes] + backoff[parents[nodes]] * lower
        factor *= 0.7
        if start > 1:
            without = (own[nodes] + backoff[parents[nodes]]) * lower
            gain = (values[nodes] - without) / (values[nodes] + without)
            score[nodes] = factor * np.square(occurrences[nodes], dtype=float) * gain
    return _best(tree, score, suffixes, starts, most)


def _best(tree, score, suffixes, starts, most):
    """A tree with the n-grams of the highest scores, at most ``most``, or all single tokens if these are more. An
    n-gram has the score of a longer one that needs it, if that is higher. score: overwritten."""
    parents = tree["parents"]
    for start, stop in reversed(list(itertools.pairwise(starts))):
        nodes = slice(start, stop)
        np.maximum.at(score, parents[nodes], score[nodes])
        np.maximum.at(score, suffixes[nodes], score[nodes])
    best = np.argsort(-score, kind="stable")[: max(most, starts[1] - 1) + 1]
    kept = np.zeros(len(score), bool)
    kept[best] = True
    numbers = np.cumsum(kept) - 1
    return {"tokens": tree["tokens"][kept], "parents": numbers[parents[kept]], "own": tree["own"][kept]}


def finished(tree, exact):
    """A tree with children, and with its probabilities: as codes, or exact."""
    parents, own = tree["parents"], tree["own"]
    children = np.bincount(parents[1:], minlength=len(own))
    mass = np.bincount(parents[1:], own[1:], len(own))
    if exact:
        return {"tokens": tree["tokens"], "children": children, "own": own, "backoff": 1 - mass}
    has = children > 0
    heaviest = np.ones(len(own))  # of the children of each node
    heaviest[has] = np.maximum.reduceat(own, (1 + np.cumsum(children) - children)[has])
    siblings = 1 + np.flatnonzero(children[parents[1:]] > 1)
    relative = own[siblings] / np.maximum(heaviest[parents[siblings]], np.finfo(float).tiny)
    edges = np.sqrt(WEIGHTS[1:255] * WEIGHTS[:254])[::-1]
    own_codes = np.where(relative > 0, 254 - edges.searchsorted(relative), 255).astype(np.uint8)
    odds = np.divide(1 - mass[has], mass[has], out=np.full(np.count_nonzero(has), np.inf), where=mass[has] > 0)
    backoff_codes = np.sqrt(_ODDS[1:] * _ODDS[:-1]).searchsorted(odds).astype(np.uint8)
    coded = {"tokens": tree["tokens"], "children": children, "own_codes": own_codes, "backoff_codes": backoff_codes}
    return coded | _decoded(coded)


def _decoded(tree):
    """The probabilities that the codes of a tree mean: own and backoff, float32 (M)."""
    children = tree["children"]
    parents = np.repeat(np.arange(len(children)), children)
    weights = np.ones(len(parents))
    weights[children[parents] > 1] = WEIGHTS[tree["own_codes"]]
    sums = np.bincount(parents, weights, len(children))
    backoff = np.ones(len(children))
    backoff[children > 0] = BACKOFFS[tree["backoff_codes"]]
    backoff[sums == 0] = 1  # no n-gram with this history has any weight
    own = np.zeros(len(children), np.float32)
    own[1:] = weights * ((1 - backoff) / np.where(sums > 0, sums, 1))[parents]
    return {"own": own, "backoff": backoff.astype(np.float32)}
