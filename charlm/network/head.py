"""The usual head of a stack: a linear map of every state, softmax, and cross-entropy."""

import numpy as np

from ..kernels.softmax import softmax_cross_entropy, softmax_gradient
from ..text.vocabulary import UNKNOWN
from .architecture import Architecture
from .products import Product


class SoftmaxHead:
    """ŷ = softmax(W_ya a + b_y), with the loss -Σ y log ŷ; see ``protocols.Head``.

    b, db: (V). unknown: the fraction of each target's probability that training gives to <UNK> instead (label smoothing
    towards <UNK>).
    """

    def __init__(self, product: Product, b: np.ndarray, db: np.ndarray, unknown: float = 0.0):
        self.product, self.b, self.db, self.unknown = product, b, db, b.dtype.type(unknown)

    def packing(self, pool, for_training: bool, precision: str) -> list:
        return self.product.packing(pool, for_training, precision)

    def forward(self, a, targets, outputs, nats, start: int, stop: int) -> None:
        """Outputs become the probabilities ŷ."""
        self.product.forward(a, outputs, start, stop)
        softmax_cross_entropy(outputs, self.b, targets, nats, start, stop)

    def backward(self, outputs, targets, da, scale: float, start: int, stop: int) -> None:
        """Outputs, the probabilities, become the gradient with respect to the logits."""
        scale = self.b.dtype.type(scale)
        softmax_gradient(outputs, self.b.size, targets, scale, UNKNOWN, self.unknown, start, stop)
        self.product.backward(outputs, da, start, stop)

    def gradients(self, pool, a, d_outputs) -> list:
        return self.product.gradient(pool, a, d_outputs, self.db)


def softmax_head(
    architecture: Architecture, parameters: dict, gradients: dict, unknown: float = 0.0
) -> SoftmaxHead | None:
    """The head that an architecture asks for, None where it has no outputs. parameters, gradients: named views."""
    if not architecture.output_size:
        return None
    if architecture.tied:
        product = Product(parameters["E"], gradients["E"], transposed=True)
    else:
        product = Product(parameters["W_ya"], gradients["W_ya"])
    return SoftmaxHead(product, parameters["b_y"], gradients["b_y"], unknown)
