"""The training loop: a generator of one ``Step`` per update. It never prints and never saves.

    for step in Trainer(corpus, architecture, Settings(epochs=10)).run():
        ...

Everything that decides the numbers is counted in updates and tokens, nothing in seconds, so that one seed gives one
model.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np

from .batches import line_windows, stream_windows
from .corpus import Corpus, load_corpus
from .errors import CorpusError, DivergedError, UsageError
from .model import Model
from .network.architecture import Architecture, initial_parameters
from .network.layers import Dropout
from .network.stack import Stack, Window
from .network.team import Team
from .optimizers import SCHEDULES, Adam, rate_at
from .scoring import STEPS, rows_for, score_tokens

EVALUATED = 1 << 19  # tokens of the held-out part, from its beginning, that are scored in the course of training
MOST_EVALUATIONS = 40


@dataclass(frozen=True)
class Settings:
    """How to train. batch: rows side by side; steps: tokens in a window, through which the gradient runs."""

    epochs: float = 10.0
    batch: int = 50
    steps: int = 50
    lr: float = 0.004
    clip: float = 5.0
    dropout: float = 0.0
    schedule: str = "cosine"
    seed: int = 1

    def __post_init__(self):
        for name, least in (("batch", 1), ("steps", 1), ("clip", 0), ("seed", 0)):
            if not least <= getattr(self, name) < math.inf:
                raise UsageError(f"--{name} must be at least {least}, not {getattr(self, name)}")
        for name in ("epochs", "lr"):
            if not 0 < getattr(self, name) <= 1e38:
                raise UsageError(f"--{name} must be a number above 0, not {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"--dropout must be at least 0 and below 1, not {self.dropout}")
        if self.schedule not in SCHEDULES:
            raise UsageError(f"there is no schedule {self.schedule!r}; choose one of {', '.join(SCHEDULES)}")


@dataclass(frozen=True)
class Step:
    """One update, or the evaluation after it. Losses are nats per token; seconds count from the first update.

    tokens: trained so far; window_tokens, train_loss: of this update's window; valid_loss: of the held-out part where
    it was scored after this update, else None; improved: it was the lowest yet. training_seconds leave evaluation
    out.
    """

    step: int
    epoch: float
    tokens: int
    window_tokens: int
    train_loss: float
    valid_loss: float | None
    improved: bool
    seconds: float
    training_seconds: float


class Trainer:
    """Trains a new model on a corpus. ``best`` is the model with the lowest held-out loss so far, or the latest
    without one."""

    def __init__(self, corpus: Corpus, architecture: Architecture, settings: Settings, threads: int | None = None):
        self.corpus, self.architecture, self.settings = corpus, architecture, settings
        if len(corpus.train) < settings.steps and not corpus.lines:
            raise CorpusError(
                f"the training text has {len(corpus.train):,} tokens, fewer than one window of {settings.steps}: "
                f"give more text, or --steps {max(1, len(corpus.train) // 2)}"
            )
        # a text too short for so many tracks of at least a window gets fewer
        self.rows = settings.batch if corpus.lines else max(1, min(settings.batch, len(corpus.train) // settings.steps))
        self.parameters = initial_parameters(architecture, corpus.log_frequencies, settings.seed)
        self.team = Team(threads)
        self.stack = Stack(architecture, self.parameters, self.team, corpus.unknown)
        self.window = Window(self.stack, settings.steps, self.rows, training=True, dropped=settings.dropout > 0)
        self.adam = Adam(self.stack, settings.clip)
        self.evaluated = corpus.held_out[:EVALUATED]
        self.evaluation = None
        if len(self.evaluated):
            self.evaluation = Window(self.stack, STEPS, rows_for(self.evaluated, corpus.lines))
        self.step = self.epoch = self.windows_done = 0
        self.tokens = self.tokens_of_epoch = 0
        self.best_loss, self.best_parameters = math.inf, self.parameters
        self.history: list[list[float]] = []
        self._nats = self._counted = 0.0  # of the training since the last evaluation
        self._next_evaluation = self._evaluate_every

    @property
    def total_tokens(self) -> int:
        return round(len(self.corpus.train) * self.settings.epochs)

    @property
    def finished(self) -> bool:
        return self.tokens >= self.total_tokens

    @property
    def _evaluate_every(self) -> int:
        """Tokens trained between evaluations: these take about a tenth of the time, and are at most
        MOST_EVALUATIONS."""
        train, evaluated = len(self.corpus.train), max(1, len(self.evaluated))
        per_epoch = max(1, int(0.3 * train / evaluated))
        return max(train // per_epoch, self.total_tokens // MOST_EVALUATIONS, 1)

    @property
    def best(self) -> Model:
        settings = asdict(self.settings) | {"rows": self.rows}
        corpus = {
            "names": list(self.corpus.names),
            "sha256": self.corpus.digest,
            "bytes": self.corpus.size,
            "train_tokens": len(self.corpus.train),
            "held_out_tokens": len(self.corpus.held_out),
            "unknown_share": self.corpus.unknown,
        }
        loss = self.best_loss if math.isfinite(self.best_loss) else None
        training = {
            "settings": settings,
            "corpus": corpus,
            "step": self.step,
            "tokens": self.tokens,
            "valid_loss": loss,
            "history": self.history,
        }
        corpus = self.corpus
        return Model(self.architecture, corpus.vocabulary, self.best_parameters, corpus.lines, training, corpus.novelty)

    def prepare(self) -> None:
        """Compile the kernels that training calls, or load them from the cache, on a network of the same kind of size
        2."""
        small = Architecture(
            3,
            self.architecture.cell,
            2,
            self.architecture.layers,
            2 if self.architecture.embedding else 0,
            self.architecture.tied,
        )
        stack = Stack(small, np.zeros(small.number_of_parameters, np.float32), self.team, 0.1)
        stack.pack(for_training=True)
        tokens = np.zeros((1, 1), np.int32)
        window = Window(stack, 1, 1, training=True, dropped=self.settings.dropout > 0)
        window.forward_backward(tokens, tokens, 1.0, self._dropout(0))
        Adam(stack, 1.0).update(0.0)

    def _dropout(self, step):
        return Dropout(self.settings.dropout, self.settings.seed * 1_000_003 + step) if self.settings.dropout else None

    def _windows(self, epoch):
        if self.corpus.lines:
            random = np.random.default_rng([self.settings.seed, 2, epoch])
            return line_windows(self.corpus.train, self.rows, self.settings.steps, random)
        return stream_windows(self.corpus.train, self.rows, self.settings.steps)

    def held_out_loss(self) -> float:
        """Nats per token of the held-out part, of its first EVALUATED tokens if it is longer, under the parameters as
        they are."""
        self.stack.pack(for_training=True)
        return float(score_tokens(self.evaluation, self.evaluated, self.corpus.lines).mean(dtype=np.float64))

    def _update(self, batch):
        """One window up, down and into the parameters; its tokens and their nats. Raises DivergedError."""
        count = int(np.count_nonzero(batch.targets >= 0))
        rate = self.settings.lr * rate_at(self.settings.schedule, min(1.0, self.tokens / self.total_tokens))
        if batch.fresh:
            self.window.reset()
        nats = self.window.forward_backward(batch.inputs, batch.targets, 1 / count, self._dropout(self.step + 1))
        total = float(nats.sum(dtype=np.float64))
        norm = self.adam.update(rate) if math.isfinite(total) else math.nan
        if not math.isfinite(norm):
            raise DivergedError(
                f"the loss is not a finite number after {self.step:,} updates (learning rate {rate:.2g}): "
                f"train with --lr {self.settings.lr / 4:.2g}, or a smaller --clip than {self.settings.clip:g}"
            )
        self.stack.pack(for_training=True)
        return count, total

    def run(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Step]:
        """Train to the end, or until ``stop()`` after an update. What has been trained can be gone on from: see
        checkpoint.py."""
        self.prepare()
        self.stack.pack(for_training=True)
        begun, training_seconds = time.perf_counter(), 0.0
        while not self.finished:
            for number, batch in enumerate(self._windows(self.epoch)):
                if number < self.windows_done:
                    continue
                start = time.perf_counter()
                count, nats = self._update(batch)
                training_seconds += time.perf_counter() - start
                self.step, self.windows_done = self.step + 1, self.windows_done + 1
                self.tokens, self.tokens_of_epoch = self.tokens + count, self.tokens_of_epoch + count
                self._nats, self._counted = self._nats + nats, self._counted + count
                valid_loss, improved = self._evaluate_if_due()
                yield Step(
                    self.step,
                    self.epoch + self.tokens_of_epoch / len(self.corpus.train),
                    self.tokens,
                    count,
                    nats / count,
                    valid_loss,
                    improved,
                    time.perf_counter() - begun,
                    training_seconds,
                )
                if self.finished or stop():
                    return
            self.epoch, self.windows_done, self.tokens_of_epoch = self.epoch + 1, 0, 0

    def _evaluate_if_due(self):
        if not self.finished and self.tokens < self._next_evaluation:
            return None, False
        self._next_evaluation = self.tokens + self._evaluate_every
        valid_loss = self.held_out_loss() if self.evaluation else None
        self.history.append([self.step, self._nats / self._counted, valid_loss])
        self._nats = self._counted = 0.0
        improved = valid_loss is not None and valid_loss < self.best_loss
        if improved:
            self.best_loss, self.best_parameters = valid_loss, self.parameters.copy()
        return valid_loss, improved


def default_epochs(train_tokens: int) -> int:
    """10, and more for a text of under 100,000 tokens, but never so many more that it is only learnt by heart: at
    most 100."""
    return min(100, round(10 * max(1.0, 100_000 / max(1, train_tokens)) ** 0.5))


def new_trainer(
    paths,
    *,
    level="char",
    lines=False,
    holdout=0.1,
    valid=None,
    encoding="utf-8",
    min_count=None,
    max_vocabulary=None,
    novelty=True,
    cell="lstm",
    hidden=128,
    layers=2,
    embedding=0,
    tied=False,
    epochs=None,
    seed=1,
    threads=None,
    **settings,
) -> Trainer:
    """A trainer from files and options; these are the command line's (``charlm train --help``), as are the defaults.

    Raises UsageError for options that cannot be, CorpusError for a text that cannot be read or is too short.
    """
    corpus = load_corpus(
        paths,
        level=level,
        lines=lines,
        holdout=holdout,
        valid=valid,
        encoding=encoding,
        min_count=min_count,
        max_vocabulary=max_vocabulary,
        novelty=novelty,
        seed=seed,
    )
    if tied and not embedding:
        embedding = hidden
    architecture = Architecture(len(corpus.vocabulary), cell, hidden, layers, embedding, tied)
    if epochs is None:
        epochs = default_epochs(len(corpus.train))
    return Trainer(corpus, architecture, Settings(epochs=float(epochs), seed=seed, **settings), threads)


@dataclass(frozen=True)
class Report:
    """What is shown and logged: some steps together, at a steady pace and wherever the held-out loss was taken."""

    step: int
    epoch: float
    seconds: float
    tokens: int
    tokens_per_second: float
    train_loss: float
    valid_loss: float | None
    improved: bool

    def as_dict(self) -> dict:
        """The record of a log."""
        return {name: value for name, value in asdict(self).items() if name != "improved"}


def reports(steps: Iterator[Step], every: float) -> Iterator[Report]:
    """Put steps together: a report at each evaluation, and at least one about every ``every`` seconds."""
    nats, counted, last_seconds, last_training = 0.0, 0, 0.0, 0.0
    for step in steps:
        nats, counted = nats + step.train_loss * step.window_tokens, counted + step.window_tokens
        if step.valid_loss is None and step.seconds - last_seconds < every:
            continue
        speed = counted / max(step.training_seconds - last_training, 1e-9)
        yield Report(
            step.step, step.epoch, step.seconds, step.tokens, speed, nats / counted, step.valid_loss, step.improved
        )
        nats, counted, last_seconds, last_training = 0.0, 0, step.seconds, step.training_seconds
