"""A stack of layers with a softmax on top: the whole network, forward, backward and its gradients. Without
the softmax it is a part of a larger network.

The way back is the way forward reversed. The gradient of one window is made in phases, with the threads meeting
between them: the weights are packed; each thread takes some rows of the batch all the way up and down; each thread
takes some columns of the weights' gradients; and, where there is an embedding, of its gradient.
"""

import numpy as np

from ..kernels.gather import embed, embed_gradient
from ..kernels.softmax import target_ranks
from ..text.batches import Batch
from .architecture import Architecture, views
from .bidirectional import Bidirectional
from .feedforward import FeedForward
from .head import SoftmaxHead
from .layers import Dropout, Recurrent
from .products import Product, aligned, spread
from .threads import ThreadPool


class Stack:
    """The network's parameters, their gradient (both flat vectors, (P)), its layers and its head.

    parameters: (P), float32, or float64 for checks; they stay the caller's and are changed in place by whoever trains.
    unknown: the share of each target given to <UNK> in training. at_end: of a bidirectional network, whether its states
    are read where both runs have read the whole row, and not at each place. gradient: where it goes, if it is part of
    a larger one. of_vectors: its input are vectors of its width ``vocabulary_size``, rows of a table that stands in
    ``E``, with its gradient in ``dE``, whenever it is used.
    """

    def __init__(
        self,
        architecture: Architecture,
        parameters: np.ndarray,
        pool: ThreadPool,
        unknown: float = 0.0,
        at_end: bool = False,
        gradient: np.ndarray | None = None,
        of_vectors: bool = False,
    ):
        self.architecture, self.parameters, self.pool = architecture, parameters, pool
        self.gradient = np.zeros_like(parameters) if gradient is None else gradient
        named, d_named = views(architecture, parameters), views(architecture, self.gradient)
        self.E, self.dE = named.get("E"), d_named.get("E")
        self.width = architecture.vocabulary_size if of_vectors else architecture.embedding  # 0: one-hot
        self.layers = [
            self._layer(index, at_end and index == architecture.layers, named, d_named)
            for index in range(1, architecture.layers + 1)
        ]
        self.head = None
        if architecture.output_size:
            if architecture.tied:
                output = Product(self.E, self.dE, transposed=True)
            else:
                output = Product(named["W_ya"], d_named["W_ya"])
            self.head = SoftmaxHead(output, named["b_y"], d_named["b_y"], unknown)

    def _layer(self, index, at_end, named, d_named):
        kind = index, index == 1 and not self.width, named, d_named
        if self.architecture.context:
            return FeedForward(*kind)
        kind = self.architecture.cell, *kind
        return Bidirectional(*kind, at_end) if self.architecture.bidirectional else Recurrent(*kind)

    def pack(self, for_training: bool, precision: str = "float32") -> None:
        """Bring the weights into the kernels' order; to be called after every change of the parameters.

        precision: in which the products are done from here on: "float32", meaning the type of the parameters, or
        "bf16".
        """
        parts = self.head.product.packing(self.pool, for_training, precision) if self.head else []
        for layer in self.layers:
            parts += layer.packing(self.pool, for_training, precision)
        self.pool.run(parts)


class Window:
    """The arrays of a stack for windows of up to T steps and N rows, and the state that is carried from one to the
    next."""

    def __init__(self, stack: Stack, steps: int, rows: int, training: bool = False):
        self.stack, self.steps, self.rows = stack, steps, rows
        dtype, V = stack.parameters.dtype, stack.architecture.output_size
        self.layers = []
        for layer in stack.layers:
            self.layers.append(layer.new_arrays(steps, rows, training, *self.layers[-1:]))
        self.context = stack.architecture.context or 1
        self.past = np.zeros((rows, self.context - 1), dtype)  # tokens before the next: 1 + their ids, 0 for nothing
        width = self.context * stack.width
        self.embedded = aligned((steps, rows, width), dtype)
        self.d_embedded = aligned((steps if training else 0, rows, width), dtype)
        self.logits = aligned((steps, rows, spread(V, dtype)) if V else (0, 0, 0), dtype)

    def reset(self) -> None:
        """Begin all rows anew, from the zero state."""
        for state in self.state:
            state[:] = 0

    @property
    def state(self) -> list[np.ndarray]:
        """The states before the next window, one array (N, H) for each layer's a and, where it has one, c; of a network
        that sees several tokens those before the next, (N, n-1)."""
        states = [state[0] for arrays in self.layers for state in arrays.states if state.shape[1]]
        return [self.past, *states] if self.context > 1 else states

    @property
    def d_state(self) -> list[np.ndarray]:
        """The gradient by ``state`` as it was before the last ``forward_backward``."""
        return [gradient for arrays in self.layers for gradient in arrays.d_start if gradient.size]

    def _carry(self, steps, seen, first, last):
        """The state after the last of ``steps`` becomes the one before the next window. seen: see ``_seen``."""
        for arrays in self.layers:
            for state in arrays.states:
                state[0, first:last] = state[steps, first:last]
        if self.context > 1:
            self.past[first:last] = 1 + seen[steps:, first:last].T

    def _seen(self, tokens):
        """The tokens that a window's steps see: those before the first too, -1 for nothing. (n-1+T, N)"""
        if self.context == 1:
            return tokens
        known = (self.past >= 1) & (self.past <= self.stack.architecture.vocabulary_size)
        return np.concatenate((np.where(known, self.past - 1, -1).T.astype(np.int32), tokens))

    def _up(self, cut, tokens, targets, nats, drop, first, last):
        x = self.embedded[: len(cut[0].out)]
        if self.stack.E is not None:
            embed(tokens, self.stack.E, x, first, last)
        for layer, arrays in zip(self.stack.layers, cut, strict=True):
            layer.forward(tokens, x, arrays, drop, first, last)
            x = arrays.out
        if self.stack.head:
            self.stack.head.forward(x, targets, self.logits[: len(x)], nats, first, last)

    def _down(self, cut, targets, scale, first, last):
        if self.stack.head:
            self.stack.head.backward(self.logits[: len(targets)], targets, cut[-1].da, scale, first, last)
        below = [self.d_embedded[: len(cut[-1].da)], *(arrays.da for arrays in cut[:-1])]
        for layer, arrays, dx in reversed(list(zip(self.stack.layers, cut, below, strict=True))):
            layer.backward(arrays, dx, first, last)

    def _cut(self, steps, lengths):
        return [arrays.first_steps(steps, lengths) for arrays in self.layers]

    def forward(
        self,
        tokens: np.ndarray,
        targets: np.ndarray,
        lengths: np.ndarray | None = None,
        ranks: np.ndarray | None = None,
    ) -> np.ndarray:
        """-log ŷ of every target, (T, N), 0 where there is none (-1); the state is carried on.

        tokens, targets: int32 (T, N); lengths: (N), of each row, for a bidirectional network. ranks: int32 (T, N), for
        the place of each target among all symbols, 1 for the likeliest, 0 where there is no target. More steps than the
        window has room for are read in pieces; ``probabilities`` are those of the last.
        """
        seen, nats, room = self._seen(tokens), np.empty(tokens.shape, self.logits.dtype), self.steps
        pieces = [(start, min(len(tokens), start + room)) for start in range(0, len(tokens), room)]

        def up(first, last):  # the threads need not meet between two pieces
            for start, end in pieces:
                here, steps = slice(start, end), end - start
                seen_here = seen[start : end + self.context - 1]
                self._up(self._cut(steps, lengths), seen_here, targets[here], nats[here], None, first, last)
                if ranks is not None:
                    V = self.stack.architecture.output_size
                    target_ranks(self.logits, V, targets[here], ranks[here], first, last)
                self._carry(steps, seen_here, first, last)

        self.stack.pool.run(self.stack.pool.split(self.rows, up))
        return nats

    def read(self, tokens: np.ndarray, lengths: np.ndarray, drop: Dropout | None = None) -> np.ndarray:
        """Of a network without a head, what its last layer gives: (T, N, ``state_size``), a view."""
        cut, pool = self._cut(len(tokens), lengths), self.stack.pool
        pool.run(pool.split(self.rows, lambda first, last: self._up(cut, tokens, None, None, drop, first, last)))
        return cut[-1].out

    def read_back(self, tokens, lengths, d_read: np.ndarray) -> None:
        """The way back of the last ``read``: sets stack.gradient. d_read: the gradient by what it gave."""
        cut, pool = self._cut(len(tokens), lengths), self.stack.pool
        cut[-1].da[:] = d_read
        pool.run(pool.split(self.rows, lambda first, last: self._down(cut, None, None, first, last)))
        self._gradients(cut, tokens)

    @property
    def probabilities(self) -> np.ndarray:
        """Those of the last call of ``forward``, (≥ T, N, V): a view that the next window overwrites."""
        return self.logits[:, :, : self.stack.architecture.output_size]

    def forward_backward(self, tokens, targets, scale: float, drop: Dropout | None = None, lengths=None) -> np.ndarray:
        """As ``forward``, and stack.gradient is set to that of scale · Σ -log ŷ, through this window's steps only."""
        steps, pool, seen = len(tokens), self.stack.pool, self._seen(tokens)
        cut, nats = self._cut(steps, lengths), np.empty(tokens.shape, self.logits.dtype)

        def up_and_down(first, last):
            self._up(cut, seen, targets, nats, drop, first, last)
            self._down(cut, targets, scale, first, last)

        pool.run(pool.split(self.rows, up_and_down))
        self._gradients(cut, seen)
        self._carry(steps, seen, 0, self.rows)
        return nats

    def train(self, batch: Batch, scale: float, drop: Dropout | None) -> np.ndarray:
        """``forward_backward`` of a batch, from the zero state where it is fresh."""
        if batch.fresh:
            self.reset()
        return self.forward_backward(batch.inputs, batch.targets, scale, drop)

    def _gradients(self, cut, tokens):
        """The gradients of the weights, from what the way down has left."""
        steps, stack, pool = len(cut[0].out), self.stack, self.stack.pool
        inputs = [self.embedded[:steps], *(arrays.out for arrays in cut)]
        parts = stack.head.gradients(pool, inputs[-1], self.logits[:steps]) if stack.head else []
        for layer, arrays, x in zip(stack.layers, cut, inputs[:-1], strict=True):
            parts += layer.gradients(pool, tokens, x, arrays)
        pool.run(parts)
        if stack.E is not None:
            pool.run(pool.split(stack.width, lambda first, last: self._embedding_gradient(tokens, first, last), 16))

    def _embedding_gradient(self, tokens, first, last):
        if not self.stack.architecture.tied:  # else the head has put its part there already
            self.stack.dE[:, first:last] = 0
        embed_gradient(tokens, self.d_embedded[: len(tokens) - self.context + 1], self.stack.dE, first, last)
