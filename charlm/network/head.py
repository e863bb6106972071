"""The heads of a stack: a linear map of every state, softmax, and cross-entropy; where several outputs may be true at
once, the logistic function of each in place of softmax."""

import numpy as np

from ..kernels.logistic import logistic_cross_entropy, logistic_gradient
from ..kernels.softmax import softmax_cross_entropy, softmax_gradient
from ..text.batches import Sequences
from ..text.vocabulary import UNKNOWN
from .architecture import Architecture
from .products import Product, SortedTokens


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

    @property
    def is_rounded(self) -> bool:
        return self.product.precision == "bf16"

    def backward(self, outputs, targets, d_outputs, da, scale: float, start: int, stop: int) -> None:
        scale = self.b.dtype.type(scale)
        softmax_gradient(outputs, d_outputs, self.b.size, targets, scale, UNKNOWN, self.unknown, start, stop)
        self.product.backward(d_outputs, da, start, stop)

    def gradients(self, pool, a, d_outputs, shards: int = 1, tokens: SortedTokens | None = None) -> list:
        return self.product.gradient(pool, a, d_outputs, self.db, shards, tokens)


class LogisticHead:
    """ŷ = σ(W_ya a + b_y), with the loss Σ -y log ŷ - (1 - y) log(1 - ŷ); see ``protocols.Head``.

    b, db: (V). sets: sets of outputs, as int32 ids below V. A target is the number of a set: its outputs are true, all
    others are not.
    """

    def __init__(self, product: Product, b: np.ndarray, db: np.ndarray, sets: Sequences):
        self.product, self.b, self.db = product, b, db
        self.starts, self.members = sets.starts.astype(np.int64), sets.ids.astype(np.int32)

    def packing(self, pool, for_training: bool, precision: str) -> list:
        return self.product.packing(pool, for_training, precision)

    def forward(self, a, targets, outputs, nats, start: int, stop: int) -> None:
        """Outputs become the probabilities ŷ."""
        self.product.forward(a, outputs, start, stop)
        logistic_cross_entropy(outputs, self.b, targets, self.starts, self.members, nats, start, stop)

    is_rounded = False

    def backward(self, outputs, targets, d_outputs, da, scale: float, start: int, stop: int) -> None:
        scale = self.b.dtype.type(scale)
        logistic_gradient(outputs, self.b.size, targets, self.starts, self.members, scale, start, stop)
        self.product.backward(outputs, da, start, stop)

    def gradients(self, pool, a, d_outputs, shards: int = 1, tokens: SortedTokens | None = None) -> list:
        return self.product.gradient(pool, a, d_outputs, self.db, shards, tokens)


def logistic_head(architecture: Architecture, parameters: dict, gradients: dict, sets: Sequences) -> LogisticHead:
    """The head for sets of outputs, of an architecture that has its own output weights. parameters, gradients: named
    views. sets: see ``LogisticHead``."""
    product = Product(parameters["W_ya"], gradients["W_ya"])
    return LogisticHead(product, parameters["b_y"], gradients["b_y"], sets)


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
