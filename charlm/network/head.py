"""The output of a language model: a linear map of every state, and softmax with cross-entropy over the vocabulary."""

import numpy as np

from ..kernels.softmax import softmax_cross_entropy, softmax_gradient
from ..kernels.tile import multiply
from ..text.vocabulary import UNKNOWN
from .products import Product


class SoftmaxHead:
    """ŷ = softmax(W_ya a + b_y). ``unknown`` is the share of each target that is given to <UNK>."""

    def __init__(self, product: Product, b: np.ndarray, db: np.ndarray, unknown: float):
        self.product, self.b, self.db, self.unknown = product, b, db, b.dtype.type(unknown)

    def forward(self, a, targets, probabilities, nats, first, last):
        """a: (T, N, H); targets: (T, N), -1 for none; probabilities: (T, N, ≥ V); nats: (T, N), 0 where there is no
        target."""
        multiply(a, 0, a.shape[2], self.product.forward_packed, probabilities, 0, self.b.size, first, last, False)
        softmax_cross_entropy(probabilities, self.b, targets, nats, first, last)

    def backward(self, probabilities, targets, da, scale, first, last):
        """Turns ``probabilities`` into the gradient by the logits, and gives the gradient by a."""
        softmax_gradient(
            probabilities, self.b.size, targets, self.b.dtype.type(scale), UNKNOWN, self.unknown, first, last
        )
        multiply(probabilities, 0, self.b.size, self.product.backward_packed, da, 0, da.shape[2], first, last, False)

    def gradients(self, pool, a, d_logits):
        return self.product.gradient(pool, a, d_logits, self.db)
