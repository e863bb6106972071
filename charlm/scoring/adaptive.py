"""Dynamic evaluation: a model that keeps learning from the text that it scores.

The network reads the text in windows of STEPS tokens. It predicts the tokens of a window with the parameters that it
has before the window, so nothing that comes later can help. After the window the parameters θ take one step along the
gradient of its loss, and go back a little to those of the model, θ₀ (Mikolov et al., Recurrent neural network based
language model, 2010; Krause et al., Dynamic evaluation of neural sequence models, 2018):

    θ ← θ - rate · g / √v      θ ← θ + min(1, FORGETTING · rate) · (θ₀ - θ)

g is the gradient and v the mean of its squares so far: Adam without momentum. The weights of the output learn at OUTPUT
times the rate. A copy of the model learns; the model itself stays as it is.

A model with n-grams also counts the n-grams of the text, and learns how much each part of the mixture counts, after
each token (``network/adaptive_mixture.py``). A model without n-grams has no mixture: its network learns alone.

The text is one sequence, without chunks, and the result does not depend on how it arrives.
"""

from collections.abc import Iterable
from functools import partial

import numpy as np

from ..errors import UsageError
from ..model import Model
from ..network.measuring import STEPS as MOST
from ..network.measuring import Spans, TokenScores, measure
from ..network.threads import ThreadPool
from ..text.corpus import line_starts

STEPS = 16
OUTPUT = 4.0
FORGETTING = 1.5
CLIP = 1.0  # the largest norm of a window's mean gradient, so that one odd line does not undo what was learnt


class AdaptingEngine:
    """A ``measuring.Engine`` of one row whose network and mixture learn. rate: the learning rate of the network."""

    rows = 1

    def __init__(self, model: Model, rate: float, threads: int | None = None, precision: str = "float32"):
        from ..network.adaptive_mixture import AdaptiveMixture
        from ..network.head import softmax_head
        from ..network.optimizers import Adam
        from ..network.stack import Stack, StackWindow

        unknown = model.training.get("corpus", {}).get("unknown_share", 0.0)
        head = partial(softmax_head, unknown=unknown)
        self.rate, self.precision = rate, precision
        self.stack = Stack(model.architecture, model.parameters.copy(), ThreadPool(threads), head=head)
        self.stack.pack(for_training=True, precision=precision)
        self.read = StackWindow(self.stack, STEPS, 1)
        self.learnt = StackWindow(self.stack, STEPS, 1, training=True)
        self.adam = Adam(self.stack, CLIP, beta1=0.0, beta2=0.999, rates={"W_ya": OUTPUT})
        self.before, self.forgotten = model.parameters, np.float32(min(1.0, FORGETTING * rate))
        self.mixture = AdaptiveMixture(model.mixture, np.float32, model.lines) if model.mixture else None
        self.probabilities = np.zeros((MOST, 1, model.architecture.vocabulary_size), np.float32)
        self.reset()

    def reset(self) -> None:
        """Start a new sequence from the zero state. The network learns from the unfinished window first. What was
        learnt stays."""
        if hasattr(self, "pending"):
            self._learn()
        self.read.reset()
        self.learnt.reset()
        if self.mixture:
            self.mixture.reset()
        self.pending = np.zeros((2, 0, 1), np.int32)  # inputs and targets of the unfinished window

    def forward(self, tokens, targets, *, ranks=None):
        """-log p of every target, (T, 1), by the parameters before the network learns from the target's window."""
        nats, start = np.empty(tokens.shape, np.float32), 0
        while start < len(tokens):
            stop = min(len(tokens), start + STEPS - self.pending.shape[1])
            piece = slice(start, stop)
            of_piece = None if ranks is None else ranks[piece]
            nats[piece] = self._read(tokens[piece], targets[piece], of_piece)
            if stop <= MOST:  # nobody asks for the probabilities of a longer call
                self.probabilities[piece] = self.read.probabilities[: stop - start]
            self.pending = np.concatenate((self.pending, np.stack((tokens[piece], targets[piece]))), axis=1)
            if self.pending.shape[1] == STEPS:
                self._learn()
            start = stop
        return nats

    def _read(self, tokens, targets, ranks):
        if not self.mixture:
            return self.read.forward(tokens, targets, ranks=ranks)
        self.read.forward(tokens, targets)
        return self.mixture.mix(self.read.probabilities[: len(tokens)], tokens, targets, ranks)

    def _learn(self):
        """One step along the gradient of the unfinished window."""
        inputs, targets = self.pending
        self.pending = self.pending[:, :0]
        if len(inputs):
            self.learnt.forward_backward(inputs, targets, 1 / len(inputs))
            self.adam.update(self.rate)
            self.stack.parameters += self.forgotten * (self.before - self.stack.parameters)
            self.stack.pack(for_training=True, precision=self.precision)


class AdaptingScorer:
    """A ``scorer.TextScorer`` whose model learns from each part of the text after scoring it.

    columns: see ``TokenScores.empty``; rate: the learning rate of the network, above 0 and at most 1; precision: of the
    matrix products, "float32" or "bf16". Raises UsageError for another rate or a model of another task.
    """

    def __init__(
        self,
        model: Model,
        columns: Iterable[str],
        rate: float,
        threads: int | None = None,
        precision: str = "float32",
    ):
        model.check_task("text")
        if not 0 < rate <= 1:
            raise UsageError(f"--adapt must be a learning rate above 0 and at most 1, not {rate}")
        self.vocabulary, self.lines = model.vocabulary, model.lines
        self.columns = tuple(columns)
        self.engine = AdaptingEngine(model, rate=rate, threads=threads, precision=precision)
        self._past = np.zeros(0, np.int32)  # the last token of a stream, which is the next input

    def measure(self, tokens: np.ndarray) -> TokenScores:
        """Score the next tokens, ids (n), and learn from them; for a model of lines they are whole lines."""
        if not self.lines:
            past = len(self._past)
            local = np.concatenate((self._past, tokens))
            self._past = local[-1:]
            return measure(self.engine, local, Spans.one(past, past, len(local)), self.columns, fresh=False)[past:]
        scores, starts = TokenScores.empty(len(tokens), self.columns), line_starts(tokens)
        for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            line = Spans.one(0, 0, stop - start)
            scores.put(start, measure(self.engine, tokens[start:stop], line, self.columns))
        return scores
