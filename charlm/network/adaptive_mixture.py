"""A mixture that learns from the text that it predicts: the n-grams of what was read, and the weights.

    p(w | past) ∝ ŷ_w^α · q_w^β · (r_w / G q_w)^γ · e^(δ [w = v])

ŷ and q are the distributions of the network and of the n-grams of the model, as in ``mixture.py``. The other two know
the text that was read.

r: its n-grams, of the order of those of the model, with absolute discounting (Ney, Essen and Kneser, 1994):

    r(w | h) = (c(hw) - D) / c(h·) + D N(h·) / c(h·) · r(w | h')      h' is h without its oldest token

D is DISCOUNT; a count below 1 is discounted by D times itself. N(h·) is the number of tokens that followed h, and the
order below single tokens is q. G is what the discounts leave of q, so that r = G q for all tokens that followed none of
the histories: only the others have a third factor. A token is counted after its longest history which it followed
before, and after all longer ones, but not after shorter ones (update exclusion: Moffat, Implementing the PPM data
compression scheme, 1990). Where another token follows a history, its older counts fade: c(hw) ← FADE c(hw).

v: the token that comes next in the passage that the text repeats, wherever it stands in the latest TOKENS tokens.

The weights α, β, γ and δ are each a sum over four classes: of the length of the history that the model knows, of the
length of the history in the text that was read, of the token before, and of the length of the repeated passage. With
x_w the logarithms of the four factors, log ŷ_w … [w = v], and the token t, each class takes an online Newton step
(Hazan, Agarwal and Kale, Logarithmic regret algorithms for online convex optimization, 2007) after each token:

    g = Σ p(w) x_w - x_t      A ← A + g gᵀ      weights ← weights - RATE A⁻¹ g      A = RIDGE · I at first

Mixing in the logistic domain with weights that are chosen by contexts and learnt online, and the passage that the text
repeats, are ideas of PAQ (Mahoney, Adaptive weighing of context models for lossless data compression, 2005).

<UNK> is as in ``mixture.py``: if the n-grams of the model know nothing about it, it keeps the network's probability,
the n-grams of the text do not count it, and no history goes back beyond it.
"""

import numpy as np

from ..kernels import adaptive as kernels
from ..kernels.softmax import target_ranks
from ..text.vocabulary import EOS
from .mixed_window import CompiledNGrams
from .mixture import Mixture

MOST = 1 << 22  # n-grams of the text; when there are more, all but those of the latest tokens are forgotten
TOKENS = 1 << 20  # the latest tokens, in which a repeated passage may stand
ROOM = 1 << 12  # n-grams that there is room for at first
OF_NGRAMS = 0.35  # γ before it is learnt


class AdaptiveMixture:
    """Mixes the probabilities of one row of a network, and learns from each token after its prediction.

    dtype: of the probabilities. lines: whether <EOS> starts a new sequence. most: n-grams of the text.
    """

    def __init__(self, mixture: Mixture, dtype, lines: bool, *, most: int = MOST):
        ngrams = mixture.ngrams
        self.V, self.order, self.lines, self.most = ngrams.vocabulary_size, ngrams.order, lines, most
        self.ngrams = CompiledNGrams(mixture, 1, dtype)
        self.sizes = (self.ngrams.unknown, EOS if lines else -1, most, most // (2 * self.order), self.order + 2)
        self.scratch, self.touched = np.zeros((3, self.V), dtype), np.empty(self.V, np.int32)
        self.counts = _counts(self.order, min(ROOM, most), dtype)
        self.passages = kernels.Passages(
            text=np.zeros(TOKENS, np.int32), places=np.zeros(TOKENS, np.int64), now=np.array([0, 0, -1, 0, 0])
        )
        self.learnt = _weights(mixture.weights, self.V)
        self.reset()

    def reset(self) -> None:
        """Start a new sequence. What was learnt stays."""
        self.ngrams.reset()
        kernels.start_sequence(self.counts, self.passages, EOS)

    def mix(
        self, probabilities: np.ndarray, tokens: np.ndarray, targets: np.ndarray, ranks: np.ndarray | None = None
    ) -> np.ndarray:
        """Turn the network's probabilities, (T, 1, V), into those of the mixture, in place. Returns -log p of each
        target, (T, 1).

        tokens, targets, ranks: as in ``measuring.Engine``, but each token has a target.
        """
        nats = np.empty(targets.shape, probabilities.dtype)
        self._make_room(len(tokens) * self.order)
        kernels.adapt(
            probabilities[:, 0], tokens[:, 0], targets[:, 0], nats[:, 0], self.ngrams.nodes[0], *self.ngrams.arrays,
            self.counts, self.passages, self.learnt, self.sizes, self.scratch, self.touched,
        )  # fmt: skip
        if ranks is not None:
            target_ranks(probabilities, self.V, targets, ranks, 0, 1)
        return nats

    def _make_room(self, nodes):
        """Make the arrays of the counts large enough for so many nodes more."""
        old = self.counts
        used, size = int(old.used[0]), len(old.keys)
        if min(used + nodes, self.most) <= size:
            return
        while size < min(used + nodes, self.most):
            size *= 2
        new = _counts(self.order, size, old.count.dtype)
        for name in ("keys", "tokens", "count", "whole", "child", "sibling"):
            getattr(new, name)[:used] = getattr(old, name)[:used]
        new.nodes[:], new.used[0] = old.nodes, used
        kernels.fill_table(new.table, new.keys, used)
        self.counts = new


def _counts(order, size, dtype):
    """Counts with room for ``size`` nodes, without any."""
    table = 1 << (2 * size - 1).bit_length()
    return kernels.Counts(
        table=np.zeros(table, np.int32),
        keys=np.zeros(size, np.int64),
        tokens=np.zeros(size, np.int32),
        count=np.zeros(size, dtype),
        whole=np.zeros(size, dtype),
        child=np.zeros(size, np.int32),
        sibling=np.zeros(size, np.int32),
        nodes=np.append(0, np.full(order - 1, -1)),
        used=np.ones(1, np.int64),
    )


def _weights(fitted, V):
    """The weights before anything is learnt. fitted: (N, 2), by the length of the history that the model knows."""
    order, parts = len(fitted), kernels.PARTS
    classes = 2 * order + 1 + V + kernels.BUCKETS
    weights = np.zeros((classes, parts))
    weights[:order, :2], weights[:order, 2] = fitted, OF_NGRAMS
    return kernels.Weights(
        weights=weights,
        inverse=np.tile(np.eye(parts) / kernels.RIDGE, (classes, 1, 1)),
        classes=np.zeros(4, np.int64),
        gradient=np.zeros(parts),
        step=np.zeros(parts),
    )
