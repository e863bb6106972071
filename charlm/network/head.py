"""The heads of a stack: a linear map of every state, softmax, and cross-entropy; where several outputs may be true at
once, the logistic function of each in place of softmax."""

from collections.abc import Callable

import numpy as np

from ..kernels.logistic import logistic_cross_entropy, logistic_gradient
from ..kernels.softmax import sampled_cross_entropy, softmax_both_ways, softmax_cross_entropy, softmax_gradient
from ..kernels.tile import LANES
from ..text.batches import Sequences
from ..text.vocabulary import UNKNOWN
from .architecture import Architecture
from .products import Product, SortedTokens, bias_gradient
from .sampled_softmax import OutputSample


class SoftmaxHead:
    """ŷ = softmax(W_ya a + b_y), with the loss -Σ y log ŷ; see ``protocols.Head``.

    b, db: (V). unknown: the fraction of each target's probability that training gives to <UNK> instead (label smoothing
    towards <UNK>).
    """

    def __init__(self, product: Product, b: np.ndarray, db: np.ndarray, unknown: float = 0.0):
        self.product, self.b, self.db, self.unknown = product, b, db, b.dtype.type(unknown)
        self._sampled: SampledOutputs | None = None
        self._trains_sample = False

    def sample(self, sample: OutputSample | None) -> None:
        """From the next ``packing`` for training on, compute these outputs only; None for all."""
        self._sampled = sample and SampledOutputs(self.product, self.b, self.db, sample)

    def packing(self, pool, for_training: bool, precision: str) -> list:
        self._trains_sample = for_training and self._sampled is not None
        if self._trains_sample:
            return self._sampled.packing(pool, precision)
        return self.product.packing(pool, for_training, precision)

    def forward(self, a, targets, outputs, nats, start: int, stop: int) -> None:
        """Outputs become the probabilities ŷ."""
        if self._trains_sample:
            self._sampled.forward(a, targets, outputs, nats, start, stop)
            return
        self.product.forward(a, outputs, start, stop)
        softmax_cross_entropy(outputs, self.b, targets, nats, start, stop)

    def backward(self, outputs, targets, da, scale: float, start: int, stop: int) -> None:
        scale = self.b.dtype.type(scale)
        if self._trains_sample:
            self._sampled.backward(outputs, targets, da, scale, self.unknown, start, stop)
            return
        softmax_gradient(outputs, self.b.size, targets, scale, UNKNOWN, self.unknown, start, stop)
        self.product.backward(outputs, da, start, stop)

    @property
    def both_ways(self) -> Callable[..., None] | None:
        is_rounded = self.product.precision == "bf16" and not self._trains_sample
        return self._both_ways if is_rounded else None

    def _both_ways(self, top, targets, outputs, nats, d_outputs, scale: float, start: int, stop: int) -> None:
        a, da = top
        W, W_back, scale = self.product.forward_packed, self.product.backward_packed, self.b.dtype.type(scale)
        softmax_both_ways(
            a, W, W_back, self.b, outputs, d_outputs, da, targets, nats, scale, UNKNOWN, self.unknown, start, stop
        )

    def gradients(self, pool, a, d_outputs, shards: int = 1, tokens: SortedTokens | None = None) -> list:
        if self._trains_sample:
            return self._sampled.gradients(pool, a, d_outputs, shards, tokens)
        return self.product.gradient(pool, a, d_outputs, self.db, shards, tokens)


class SampledOutputs:
    """What a ``SoftmaxHead`` computes of a sample of its outputs. product, b, db: of the head.

    The weights of the C outputs stand next to each other, (H, C), or below each other, (C, H), where they are those of
    an embedding.
    """

    def __init__(self, product: Product, b: np.ndarray, db: np.ndarray, sample: OutputSample):
        self.whole, self.db, self.sample = product, db, sample
        self.weights = product.of_outputs(sample.ids)
        self.b, self.d_sample = b[sample.ids], np.empty(sample.ids.size, b.dtype)
        self.correction = sample.correction.astype(b.dtype)

    def packing(self, pool, precision: str) -> list:
        return self.weights.packing(pool, True, precision)

    def forward(self, a, targets, outputs, nats, start: int, stop: int) -> None:
        targets = self.sample.places_of(targets)
        self.weights.forward(a, outputs, start, stop)
        sampled_cross_entropy(outputs, self.b, self.correction, targets, nats, start, stop)

    def backward(self, outputs, targets, da, scale, unknown, start: int, stop: int) -> None:
        targets, symbol = self.sample.places_of(targets), int(self.sample.places[UNKNOWN])
        softmax_gradient(outputs, self.b.size, targets, scale, symbol, unknown, start, stop)
        self.weights.backward(outputs, da, start, stop)

    def gradients(self, pool, a, d_outputs, shards: int, tokens: SortedTokens | None) -> list:
        """The gradients of all outputs: 0 for those that are not in the sample, except for what ``tokens`` adds."""
        ids, dW, d_weights = self.sample.ids, self.whole.d_parameter, self.weights.d_parameter
        of_sample = tokens and tokens.of_places(self.sample.places, ids.size)
        sums = np.empty_like(dW[0]) if self.whole.transposed else self.d_sample  # nobody needs the sums of a
        columns = self.weights.gradient_columns(a, d_outputs, sums, shards, of_sample)

        def outputs(start, stop):
            columns(start, stop)
            self._spread(d_weights, dW, start, stop)
            self._spread(self.d_sample, self.db, start, stop)

        def states(start, stop):
            columns(start, stop)
            if tokens:
                tokens.add_up(dW, start, stop)
            else:
                dW[:, start:stop] = 0
            dW[ids, start:stop] = d_weights[:, start:stop]

        def biases(start, stop):
            bias_gradient(d_outputs, self.d_sample, shards, start, stop)
            self._spread(self.d_sample, self.db, start, stop)

        if not self.whole.transposed:
            return pool.split(ids.size, outputs, LANES)
        return pool.split(dW.shape[1], states, LANES) + pool.split(ids.size, biases, LANES)

    def _spread(self, values: np.ndarray, target: np.ndarray, start: int, stop: int) -> None:
        """Put the columns [start, stop) of the sample, values (…, C), where they belong in target (…, V), and 0 between
        them."""
        ids = self.sample.ids
        begin, end = ids[start] if start else 0, ids[stop] if stop < ids.size else target.shape[-1]
        target[..., begin:end] = 0
        target[..., ids[start:stop]] = values[..., start:stop]


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

    both_ways = None

    def backward(self, outputs, targets, da, scale: float, start: int, stop: int) -> None:
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
