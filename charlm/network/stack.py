"""A stack of layers with a head on top: the whole network, forward, backward and its gradients. Without a head it is a
part of a larger network.

The gradient of one window is made in phases, and the threads meet between them: they pack the weights; each thread
takes some rows of the batch forward and backward; each thread takes some columns of the gradients of the weights; and,
where there is an embedding, of its gradient.
"""

from collections.abc import Callable

import numpy as np

from ..kernels.gather import embed, embed_gradient
from ..kernels.softmax import target_ranks
from ..text.batches import Batch
from .architecture import Architecture, views
from .bidirectional import Bidirectional
from .dropout import Dropout
from .feedforward import FeedForward
from .head import softmax_head
from .layers import Recurrent
from .products import NO_ROWS, SortedTokens, aligned, padded_row, places_of, rounded_rows
from .protocols import Head, Layer
from .sampled_softmax import OutputSample
from .threads import ThreadPool

LEAST_STEPS = 4  # in bf16: of how many steps the outputs are made together, at least, and about how many outputs,
AT_ONCE, CACHED = 1 << 18, 1 << 15  # where head and softmax are kernels of their own, and where one kernel does it all


class Stack:
    """A network of layers and a head; see ``protocols.Network``.

    parameters: (P), float32, or float64 for checks. The caller owns them, and an optimizer changes them in place.

    head: makes the head from the architecture and the named views of the parameters and of their gradient; None where
    there is none. with ``partial(softmax_head, unknown=0.01)`` training gives 0.01 of each target's
    probability to <UNK> instead.
    gradient: where the gradient goes, (P), if this is a part of a larger network. at_end: in the top layer of a
    bidirectional network, pair the final states of both directions, each of which has read the whole row; see
    ``Bidirectional``. vector_input: the input at each step is not a token but a vector, a row of a table;
    ``architecture.vocabulary_size`` is then the width of a vector. Before each use the caller puts the table, (vectors,
    width), into ``E``, and memory for its gradient into ``dE``. Where ``architecture.channels`` says that the input is
    vectors, all ``tokens`` are these vectors, (T, N, C) in the type of the parameters, and no gradient with respect to
    them is computed.
    """

    def __init__(
        self,
        architecture: Architecture,
        parameters: np.ndarray,
        pool: ThreadPool,
        *,
        head: Callable[[Architecture, dict, dict], Head | None] = softmax_head,
        gradient: np.ndarray | None = None,
        at_end: bool = False,
        vector_input: bool = False,
    ):
        self.architecture, self.parameters, self.pool = architecture, parameters, pool
        self.gradient = np.zeros_like(parameters) if gradient is None else gradient
        named, d_named = views(architecture, parameters), views(architecture, self.gradient)
        self.E, self.dE = named.get("E"), d_named.get("E")
        self.embedding_width = architecture.vocabulary_size if vector_input else architecture.embedding  # 0: one-hot
        self.layers = [
            self._layer(index, named, d_named, at_end and index == architecture.layers)
            for index in range(1, architecture.layers + 1)
        ]
        self._make_head = lambda gradients: head(architecture, named, gradients)
        self.head, self._d_named = self._make_head(d_named), d_named
        self.shards, self.precision = 1, "float32"
        self.outputs_sample: OutputSample | None = None
        self.frozen = self.lowest = 0  # layers whose parameters do not learn, and the one where the backward pass ends

    def freeze(self, layers: int, *, is_lowest: bool = True) -> None:
        """See ``protocols.Network.freeze``. is_lowest: the stack does not start from a state that learns."""
        self.frozen, self.lowest = layers, layers if is_lowest else 0
        if layers and self.architecture.tied:  # the head has gradients of the embedding too
            self.head = self._make_head(self._d_named | {"E": np.zeros_like(self.E)})

    def shard(self, shards: int) -> None:
        """See ``protocols.Network.shard``."""
        self.shards = shards

    def sample(self, sample: OutputSample | None) -> None:
        """From the next packing for training on, the softmax and its gradient are of these outputs only; None: of all.
        See ``sampled_softmax``."""
        self.outputs_sample = sample
        self.head.sample(sample)

    def _layer(self, index, named, d_named, at_end) -> Layer:
        cell = self.architecture.cell
        one_hot = index == 1 and not self.embedding_width and not self.architecture.channels
        if self.architecture.context:
            return FeedForward(index, named, d_named, one_hot=one_hot)
        if self.architecture.bidirectional:
            return Bidirectional(cell, index, named, d_named, one_hot=one_hot, at_end=at_end)
        return Recurrent(cell, index, named, d_named, one_hot=one_hot)

    def pack(self, *, for_training: bool, precision: str = "float32") -> None:
        """Copy the weights into the order in which the kernels read them; see ``protocols.Network.pack``."""
        self.precision = precision
        parts = self.head.packing(self.pool, for_training, precision) if self.head else []
        for layer in self.layers:
            parts += layer.packing(self.pool, for_training, precision)
        self.pool.run(parts)


class StackWindow:
    """The arrays of a stack for windows of up to T steps and N rows, and the state that it carries from one to the
    next; see ``protocols.Window``."""

    def __init__(self, stack: Stack, steps: int, rows: int, training: bool = False):
        self.stack, self.steps, self.rows = stack, steps, rows
        dtype, V = stack.parameters.dtype, stack.architecture.output_size
        self.layers = []
        for layer in stack.layers:
            below = self.layers[-1] if self.layers else None
            self.layers.append(layer.new_arrays(steps, rows, training, below))
        self.context = stack.architecture.context or 1
        self.past = np.zeros((rows, self.context - 1), dtype)  # the latest tokens: 1 + their ids, 0 for none
        width = self.context * stack.embedding_width
        self.embedded = aligned((steps, rows, width), dtype)
        self.d_embedded = aligned((steps if training else 0, rows, width), dtype)
        self.outputs = aligned((steps, rows, padded_row(V, dtype)) if V else (0, 0, 0), dtype)
        self.d_rounded = rounded_rows(steps if training else 0, rows, V)

    def reset(self) -> None:
        """Start all rows again from the zero state."""
        for state in self.state:
            state[:] = 0

    @property
    def pool(self) -> ThreadPool:
        return self.stack.pool

    @property
    def state(self) -> list[np.ndarray]:
        """The states before the next window: an array (N, H) for each layer's a and, where it has one, c. A
        feed-forward network has its latest tokens instead, (N, n-1)."""
        states = [state[0] for arrays in self.layers for state in arrays.states if state.shape[1]]
        return [self.past, *states] if self.context > 1 else states

    @property
    def d_state(self) -> list[np.ndarray]:
        """The gradients with respect to ``state`` as it was before the last ``forward_backward``."""
        return [gradient for arrays in self.layers for gradient in arrays.d_start if gradient.size]

    def _carry(self, steps, seen, start, stop):
        """Make the state after the last of ``steps`` the state before the next window. seen: see ``_seen``."""
        for arrays in self.layers:
            for state in arrays.states:
                state[0, start:stop] = state[steps, start:stop]
        if self.context > 1:
            self.past[start:stop] = 1 + seen[steps:, start:stop].T

    def _seen(self, tokens):
        """The tokens that the steps of a window see, those before its first step included, -1 for none: (n-1+T, N)."""
        if self.context == 1:
            return tokens
        known = (self.past >= 1) & (self.past <= self.stack.architecture.vocabulary_size)
        past = np.where(known, self.past - 1, -1).T.astype(np.int32)
        return np.ascontiguousarray(np.concatenate((past, tokens)))

    def _input(self, tokens):
        """The dense input of the first layer, (T, N, D): the vectors, or the place for the embedded tokens."""
        return tokens if self.stack.architecture.channels else self.embedded[: len(tokens) - self.context + 1]

    def _forward(self, arrays_of_layers, tokens, drop, start, stop):
        """The rows [start, stop) through embedding and layers. Returns what the head reads."""
        x = self._input(tokens)
        if self.stack.architecture.channels:
            tokens = NO_ROWS
        elif self.stack.E is not None:
            embed(tokens, self.stack.E, x, start, stop)
        for layer, arrays in zip(self.stack.layers, arrays_of_layers, strict=True):
            layer.forward(tokens, x, arrays, drop, start, stop)
            x = layer.operand(arrays)
        return x

    def _through_head(self, top, outputs, targets, nats, scale, start, stop):
        """The rows [start, stop) through the head and back. In bf16, a few steps at a time, so that the backward pass
        finds the outputs in the cache; in float32 it is faster to use each panel of weights for all steps. top: what
        the last layer gives, and where its gradient stands."""
        head, both_ways, steps = self.stack.head, self.stack.head.both_ways, len(outputs)
        if self.stack.precision == "bf16":
            at_once = CACHED if both_ways else AT_ONCE
            steps = max(LEAST_STEPS, at_once // ((stop - start) * outputs.shape[-1]))
        if both_ways:
            both_ways(top, targets, outputs[:steps], nats, self._d_outputs(outputs), scale, start, stop)
            return
        for begin in range(0, len(outputs), steps):
            here = slice(begin, begin + steps)
            a, da = (array[here] for array in top)
            head.forward(a, targets[here], outputs[here], nats[here], start, stop)
            head.backward(outputs[here], targets[here], da, scale, start, stop)

    def _backward(self, arrays_of_layers, start, stop):
        """The rows [start, stop) back from the last layer to the embedding; vectors have no gradient."""
        lowest, ends = self.stack.lowest, self.stack.frozen or self.stack.architecture.channels
        below = [self.d_embedded[: len(arrays_of_layers[0].out)], *(arrays.da for arrays in arrays_of_layers[:-1])]
        parts = list(zip(self.stack.layers, arrays_of_layers, below, strict=True))[lowest:]
        for number, (layer, arrays, dx) in reversed(list(enumerate(parts))):
            layer.backward(arrays, None if ends and not number else dx, start, stop)

    def _d_outputs(self, outputs):
        """Where the gradient with respect to the outputs stands."""
        return self.d_rounded[: len(outputs)] if self.stack.head.both_ways else outputs

    def _first_steps(self, steps, lengths):
        return [arrays.first_steps(steps, lengths) for arrays in self.layers]

    def forward(
        self,
        tokens: np.ndarray,
        targets: np.ndarray,
        lengths: np.ndarray | None = None,
        ranks: np.ndarray | None = None,
    ) -> np.ndarray:
        """-log ŷ of every target, (T, N), 0 where there is none (-1). The window carries its state on.

        tokens, targets: int32 (T, N); lengths: (N), of each row, for a bidirectional network. ranks: int32 (T, N),
        filled with the rank of each target among all symbols, 1 for the most likely symbol, 0 where there is no target.
        More steps than there is memory for are read in pieces; ``probabilities`` are then those of the last piece.
        """
        seen, nats, most = self._seen(tokens), np.empty(targets.shape, self.outputs.dtype), self.steps
        pieces = [(begin, min(len(tokens), begin + most)) for begin in range(0, len(tokens), most)]

        def some_rows(start, stop):  # the threads need not meet between two pieces
            for begin, end in pieces:
                here, steps = slice(begin, end), end - begin
                seen_here = seen[begin : end + self.context - 1]
                arrays = self._first_steps(steps, lengths)
                x = self._forward(arrays, seen_here, None, start, stop)
                if self.stack.head:
                    self.stack.head.forward(x, targets[here], self.outputs[: len(x)], nats[here], start, stop)
                if ranks is not None:
                    V = self.stack.architecture.output_size
                    target_ranks(self.outputs, V, targets[here], ranks[here], start, stop)
                self._carry(steps, seen_here, start, stop)

        self.stack.pool.run(self.stack.pool.split(self.rows, some_rows))
        return nats

    def read(self, tokens: np.ndarray, lengths: np.ndarray, drop: Dropout | None = None) -> np.ndarray:
        """The output of the last layer of a stack without a head: (T, N, ``state_size``), a view."""
        arrays, pool = self._first_steps(len(tokens), lengths), self.stack.pool

        def some_rows(start, stop):
            self._forward(arrays, tokens, drop, start, stop)

        pool.run(pool.split(self.rows, some_rows))
        return arrays[-1].out

    def read_backward(self, tokens: np.ndarray, lengths: np.ndarray, d_read: np.ndarray) -> None:
        """The backward pass of the last ``read``: sets stack.gradient. d_read: the gradient with respect to the output
        of ``read``."""
        arrays, pool = self._first_steps(len(tokens), lengths), self.stack.pool
        arrays[-1].da[:] = d_read
        pool.run(pool.split(self.rows, lambda start, stop: self._backward(arrays, start, stop)))
        self._gradients(arrays, tokens)

    @property
    def probabilities(self) -> np.ndarray:
        """The outputs of the last call of ``forward``, (≥ T, N, V): a view that the next window overwrites."""
        return self.outputs[:, :, : self.stack.architecture.output_size]

    def forward_backward(self, tokens, targets, scale: float, drop: Dropout | None = None, lengths=None) -> np.ndarray:
        """-log ŷ of every target, (T, N), as ``forward`` gives it. Also sets stack.gradient, (P), to the gradient of
        scale · their sum, through this window's steps only.

        tokens, targets: int32 (T, N), T at most the window's steps; lengths: (N), for a bidirectional network.
        """
        steps, pool, seen = len(tokens), self.stack.pool, self._seen(tokens)
        arrays, nats = self._first_steps(steps, lengths), np.empty(targets.shape, self.outputs.dtype)
        outputs = self._training_outputs(steps)

        def some_rows(start, stop):
            x = self._forward(arrays, seen, drop, start, stop)
            self._through_head((x, arrays[-1].da), outputs, targets, nats, scale, start, stop)
            self._backward(arrays, start, stop)

        pool.run(pool.split(self.rows, some_rows))
        self._gradients(arrays, seen, outputs)
        self._carry(steps, seen, 0, self.rows)
        return nats

    def train(self, batch: Batch, scale: float, drop: Dropout | None) -> np.ndarray:
        """``forward_backward`` of a batch, from the zero state where the batch is fresh."""
        if batch.fresh:
            self.reset()
        return self.forward_backward(batch.inputs, batch.targets, scale, drop)

    def losses(self, batch: Batch) -> np.ndarray:
        """``forward`` of a batch, from the zero state where the batch is fresh."""
        if batch.fresh:
            self.reset()
        return self.forward(batch.inputs, batch.targets)

    def _training_outputs(self, steps):
        """Memory for the outputs that an update computes, (steps, N, ≥ V or ≥ those of a sample)."""
        outputs, sample = self.outputs[:steps], self.stack.outputs_sample
        if sample is None:
            return outputs
        width = min(padded_row(sample.ids.size, outputs.dtype), outputs.shape[-1])
        return outputs.reshape(-1)[: steps * self.rows * width].reshape(steps, self.rows, width)

    def _gradients(self, arrays_of_layers, tokens, outputs=None):
        """The gradients of the weights, from what the backward pass has left in the arrays and in the outputs."""
        stack, pool = self.stack, self.stack.pool
        operands = [layer.operand(arrays) for layer, arrays in zip(stack.layers, arrays_of_layers, strict=True)]
        inputs = [self._input(tokens), *operands]
        learns, tied, shards = stack.E is not None and not stack.frozen, stack.architecture.tied, stack.shards
        seen = self._sorted(tokens) if learns and shards > 1 else None
        parts = []
        if stack.head:
            parts += stack.head.gradients(pool, inputs[-1], self._d_outputs(outputs), shards, seen if tied else None)
        for layer, arrays, x in list(zip(stack.layers, arrays_of_layers, inputs[:-1], strict=True))[stack.frozen :]:
            parts += layer.gradients(pool, tokens, x, arrays, shards)
        if seen and not tied:
            parts += pool.split(stack.embedding_width, lambda start, stop: seen.add_up(stack.dE, start, stop), 16)
        pool.run(parts)
        if learns and not seen:
            pool.run(
                pool.split(stack.embedding_width, lambda start, stop: self._embedding_gradient(tokens, start, stop), 16)
            )

    def _sorted(self, tokens):
        """The tokens that each step sees, and the gradients with respect to their embeddings."""
        places, E = places_of(tokens, len(tokens) - self.context + 1), self.stack.E
        return SortedTokens(places, self.d_embedded, self.stack.shards, len(E), self.stack.embedding_width)

    def _embedding_gradient(self, tokens, start, stop):
        if not self.stack.architecture.tied:  # else the head has put its part there already
            self.stack.dE[:, start:stop] = 0
        embed_gradient(tokens, self.d_embedded[: len(tokens) - self.context + 1], self.stack.dE, start, stop)
