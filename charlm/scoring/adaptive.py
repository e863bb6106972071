"""Dynamic evaluation: a model that goes on learning from the text that it measures.

Each token is predicted by what was learnt before its window of STEPS tokens, and by nothing that comes later; after
the window the parameters take one step along the gradient of its loss (Mikolov et al., Recurrent neural network based
language model, 2010; Krause et al., Dynamic evaluation of neural sequence models, 2018). The step is Adam's without
momentum: each number's gradient by the root of the mean of its squares so far. It happens on a copy: the model stays
as it is.

The text is read in one track, and how it comes makes no difference.
"""

from collections.abc import Iterable
from functools import partial

import numpy as np

from ..errors import UsageError
from ..model import Model
from ..network.measuring import STEPS as MOST
from ..network.measuring import TokenScores, measure
from ..text.corpus import line_starts

STEPS = 32
CLIP = 1.0  # largest norm of a window's mean gradient, so that one odd line does not undo what was learnt


class AdaptingEngine:
    """One row of a network that learns: a ``scoring.Engine``. rate: the learning rate."""

    rows = 1

    def __init__(self, model: Model, rate: float, threads: int | None = None, precision: str = "float32"):
        from ..network.head import softmax_head
        from ..network.optimizers import Adam
        from ..network.stack import Stack, StackWindow
        from ..network.threads import ThreadPool

        unknown = model.training.get("corpus", {}).get("unknown_share", 0.0)
        head = partial(softmax_head, unknown=unknown)
        self.rate, self.precision = rate, precision
        self.stack = Stack(model.architecture, model.parameters.copy(), ThreadPool(threads), head=head)
        self.stack.pack(True, precision)
        self.read = StackWindow(self.stack, STEPS, 1)
        self.learnt = StackWindow(self.stack, STEPS, 1, training=True)
        self.adam = Adam(self.stack, CLIP, beta1=0.0, beta2=0.999)
        self.probabilities = np.zeros((MOST, 1, model.architecture.vocabulary_size), np.float32)
        self.reset()

    def reset(self) -> None:
        """Begin a text anew, from the zero state; what was learnt stays, and what is left of a window is learnt."""
        if hasattr(self, "pending"):
            self._learn()
        self.read.reset()
        self.learnt.reset()
        self.pending = np.zeros((2, 0, 1), np.int32)  # inputs and targets of the window under way

    def forward(self, tokens, targets, *, ranks=None):
        """-log ŷ of every target, (T, 1): each as it was before its window was learnt from."""
        nats, start = np.empty(tokens.shape, np.float32), 0
        while start < len(tokens):
            end = min(len(tokens), start + STEPS - self.pending.shape[1])
            piece = slice(start, end)
            of_piece = None if ranks is None else ranks[piece]
            nats[piece] = self.read.forward(tokens[piece], targets[piece], ranks=of_piece)
            if end <= MOST:  # of a longer call nobody asks for them
                self.probabilities[piece] = self.read.probabilities[: end - start]
            self.pending = np.concatenate((self.pending, np.stack((tokens[piece], targets[piece]))), axis=1)
            if self.pending.shape[1] == STEPS:
                self._learn()
            start = end
        return nats

    def _learn(self):
        """One step along the gradient of the window under way."""
        inputs, targets = self.pending
        self.pending = self.pending[:, :0]
        if len(inputs):
            self.learnt.forward_backward(inputs, targets, 1 / len(inputs))
            self.adam.update(self.rate)
            self.stack.pack(True, self.precision)


class AdaptingScorer:
    """TokenScores a text that comes in parts, as ``scoring.Scorer`` does, and learns from it.

    columns: see ``TokenScores``; rate: the learning rate, above 0 and at most 1. Raises UsageError for another one.
    precision: in which matrices are multiplied.
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
        self.model, self.columns, self.engine = model, tuple(columns), AdaptingEngine(model, rate, threads, precision)
        self._past = np.zeros(0, np.int32)  # of a stream: the token before the next

    def measure(self, tokens: np.ndarray) -> TokenScores:
        """Measure the next tokens, ids (n), and learn from them; for a model of lines they are whole lines."""
        if not self.model.lines:
            past = len(self._past)
            local = np.concatenate((self._past, tokens))
            self._past = local[-1:]
            cuts = np.array([past]), np.array([past]), np.array([len(local)])
            return measure(self.engine, local, *cuts, self.columns, fresh=False)[past:]
        measures, starts = TokenScores.empty(len(tokens), self.columns), line_starts(tokens)
        for begin, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            cuts = np.array([0]), np.array([0]), np.array([end - begin])
            measures.put(begin, measure(self.engine, tokens[begin:end], *cuts, self.columns))
        return measures
