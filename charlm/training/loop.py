"""The training loop: a generator of one ``Step`` per update. It never prints and never saves.

    for step in Trainer(corpus, architecture, Settings(epochs=10)).run():
        ...

What decides the numbers is counted in updates and tokens, nothing in seconds, so that one seed gives one model; only
a training that was given minutes looks at the clock, and changes how many tokens are still to come.

A loss that explodes does not end it: the trainer goes back to the last evaluation at which all was well, and goes on
with a lower learning rate, and with half of the dropout where that follows the losses.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np

from ..errors import CorpusError, DivergedError
from ..model import Model
from ..network.architecture import Architecture, initial_parameters
from ..network.layers import Dropout
from ..network.optimizers import Adam
from ..network.products import check_precision
from ..network.threads import ThreadPool
from ..tasks import Task
from ..tasks.language import LanguageModel
from ..text.corpus import Corpus
from .clock import Pace
from .schedule import rate_at
from .settings import Settings
from .state import MOST_TIMES_LOWER, TrainingState

MOST_EVALUATIONS = 40
EVALUATED = 0.4  # time that scoring a token takes, of that of training it, until the first evaluation has shown it
PATIENCE = 0.3  # share of a training by the clock without a lower held-out loss, after which it comes to its end
TAIL = 0.15  # of the tokens trained until then: what is trained yet, while the learning rate goes to zero
WORSE_BY, WORSE_FOR = 1.0, 20  # an explosion: so many nats above the unigram model, for so many updates on end
GAP, GAIN, MOST_DROPOUT = 0.03, 0.5, 0.8  # nats of held-out loss above that of training: see Trainer._follow
RISE = 0.1  # of the dropout that follows, at once: a network that has learnt without it can explode with it


@dataclass(frozen=True)
class Step:
    """One update, or the evaluation after it. Losses are nats per token; seconds count from the beginning.

    tokens: trained so far; window_tokens, train_loss: of this update's window; valid_loss: of the held-out part where
    it was scored after this update, else None; improved: it was the lowest yet. training_seconds leave evaluation
    out. went_back: the loss exploded, and all this is where the training went back to.
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
    went_back: bool = False


class Trainer:
    """Trains a new model on a corpus. ``best`` is the model with the lowest held-out loss so far, or the latest
    without one.

    begun: when the time of ``settings.minutes`` began, by ``time.perf_counter``; now, if not given.
    """

    def __init__(
        self,
        corpus: Corpus,
        architecture: Architecture,
        settings: Settings,
        *,
        task: Task | None = None,
        threads: int | None = None,
        begun: float | None = None,
    ):
        check_precision(settings.precision)
        self.corpus, self.architecture, self.settings = corpus, architecture, settings
        self.task = task or LanguageModel()
        if len(corpus.train) < settings.steps and not corpus.lines:
            raise CorpusError(
                f"the training text has {len(corpus.train):,} tokens, fewer than one window of {settings.steps}: "
                f"give more text, or --steps {max(1, len(corpus.train) // 2)}"
            )
        # a text too short for so many tracks of at least a window gets fewer
        self.rows = settings.batch if corpus.lines else max(1, min(settings.batch, len(corpus.train) // settings.steps))
        self.parameters = initial_parameters(architecture, corpus.log_frequencies, settings.seed)
        self.pool = ThreadPool(threads)
        self.stack = self.task.network(architecture, self.parameters, self.pool, corpus.unknown_rate)
        self.window = self.task.window(self.stack, settings.steps, self.rows, training=True)
        self.adam = Adam(self.stack, settings.clip)
        self.evaluation = self.task.evaluation(self.stack, corpus)
        self.most_tokens = len(corpus.train) * self.task.most_epochs  # of a training by the clock
        self.place = TrainingState(
            total_tokens=round(len(corpus.train) * settings.epochs), dropout=settings.dropout or 0.0
        )
        self.place.next_evaluation = self._evaluate_every
        self.best_parameters = self.parameters
        self.good = self.state()
        self._begun = begun or time.perf_counter()
        self._evaluation_seconds = None
        self.choice = None  # what planning.py chose

    @property
    def step(self) -> int:
        return self.place.step

    @property
    def best_loss(self) -> float:
        return math.inf if self.place.best_loss is None else self.place.best_loss

    @property
    def total_tokens(self) -> int:
        return self.place.total_tokens

    @property
    def finished(self) -> bool:
        return self.place.tokens >= self.place.total_tokens

    @property
    def learning_rate(self) -> float:
        """That of the next update."""
        return self.settings.lr * self.place.rate_factor * rate_at(self.settings.schedule, self.place.progress)

    @property
    def _evaluate_every(self) -> int:
        """Tokens trained between evaluations: these take some hundredths of the time, and are at most
        MOST_EVALUATIONS."""
        train, evaluated = len(self.corpus.train), self.evaluation.size if self.evaluation else 1
        per_epoch = max(1, int(0.1 * train / evaluated))
        return max(train // per_epoch, self.total_tokens // MOST_EVALUATIONS, 1)

    @property
    def best(self) -> Model:
        settings = asdict(self.settings) | {"rows": self.rows, "dropout": self.place.dropout}
        corpus = {
            "names": list(self.corpus.names),
            "sha256": self.corpus.digest,
            "bytes": self.corpus.size,
            "train_tokens": len(self.corpus.train),
            "held_out_tokens": len(self.corpus.held_out),
            "unknown_share": self.corpus.unknown_rate,
        }
        training = {
            "settings": settings,
            "corpus": corpus,
            "step": self.place.step,
            "tokens": self.place.tokens,
            "valid_loss": self.place.best_loss,
            "history": self.place.history,
        }
        corpus = self.corpus
        return Model(
            architecture=self.architecture,
            vocabulary=corpus.vocabulary,
            parameters=self.best_parameters,
            lines=corpus.lines,
            training=training,
            novelty=corpus.novelty,
            task=self.task,
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """All that the next update depends on besides the place, by name: the arrays themselves and no copies."""
        arrays = {"parameters": self.parameters, "m": self.adam.m, "v": self.adam.v}
        return arrays | {f"state{number}": state for number, state in enumerate(self.window.state)}

    def state(self) -> tuple[TrainingState, dict[str, np.ndarray]]:
        """The place and the arrays, as copies that training does not change."""
        return copy.deepcopy(self.place), {name: array.copy() for name, array in self.arrays().items()}

    def keep_as_good(self, place: TrainingState, arrays: dict[str, np.ndarray]) -> None:
        """Copy a place and the arrays of then, to which training goes back if it explodes, over those of before. The
        best parameters, which nobody changes, are not copied once more."""
        _, kept = self.good
        parameters, best = arrays["parameters"], self.best_parameters
        is_kept = best is not self.parameters and np.array_equal(best, parameters)
        for name in kept.keys() - {"parameters"}:
            kept[name][:] = arrays[name]
        kept["parameters"] = best if is_kept else parameters.copy()
        self.good = copy.deepcopy(place), kept

    def go_on_from(self, place: TrainingState, arrays: dict[str, np.ndarray]) -> None:
        """Take over the place and the arrays of ``state``, of this trainer or of one with the same settings."""
        self.place = copy.deepcopy(place)
        self.adam.updates = place.updates
        for name, array in self.arrays().items():
            array[:] = arrays[name]

    def prepare(self) -> None:
        """Compile the kernels that training calls, or load them from the cache, on a network of the same kind of size
        2."""
        small = self.architecture.small()
        stack = self.task.network(small, np.zeros(small.number_of_parameters, np.float32), self.pool, 0.1)
        window = self.task.window(stack, 1, 1, training=True)
        for precision in {self.settings.precision, "float32"}:  # what is held out is scored in float32
            stack.pack(True, precision)
            window.train(self.task.small_batch(), 1.0, None if self.settings.dropout == 0 else Dropout(0.1, 0))
        Adam(stack, 1.0).update(0.0)

    def _windows(self, epoch):
        random = np.random.default_rng([self.settings.seed, 2, epoch])
        return self.task.batches(self.corpus, self.rows, self.settings.steps, random)

    def held_out_loss(self) -> float:
        """Nats per token of the held-out part, of its beginning if it is long, under the parameters as they are."""
        return self.evaluation.loss()

    def run(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Step]:
        """Train to the end, or until ``stop()`` after an update. What has been trained can be gone on from: see
        checkpoint.py."""
        self.prepare()
        begun = time.perf_counter() - self.place.seconds if self.place.seconds else self._begun
        pace = None
        if self.settings.minutes:
            pace = Pace(self.settings.minutes, time.perf_counter() - begun, self.place.tokens)
        training_seconds, trained = 0.0, 0
        while not self.finished:
            for number, batch in enumerate(self._windows(self.place.epoch)):
                if number < self.place.windows_done:
                    continue
                start = time.perf_counter()
                count, nats = self._update(batch)
                training_seconds, trained = training_seconds + time.perf_counter() - start, trained + count
                went_back = self._is_exploding(batch, count, nats)
                valid_loss, improved = None, False
                self.place.seconds = time.perf_counter() - begun
                if went_back:
                    self._go_back()
                else:
                    self._advance(count, nats)
                    if pace:
                        self._keep_to(pace, training_seconds / trained)
                    valid_loss, improved = self._evaluate_if_due()
                    self.place.seconds = time.perf_counter() - begun
                yield Step(
                    self.place.step,
                    self.place.epoch + self.place.tokens_of_epoch / len(self.corpus.train),
                    self.place.tokens,
                    count,
                    nats / count,
                    valid_loss,
                    improved,
                    self.place.seconds,
                    training_seconds,
                    went_back,
                )
                if self.finished or stop():
                    return
                if went_back:
                    break
            else:
                self.place.epoch += 1
                self.place.windows_done = self.place.tokens_of_epoch = 0

    def _update(self, batch):
        """One window up, down and into the parameters; its tokens and their nats, NaN where the gradient was not
        finite."""
        count = int(np.count_nonzero(batch.targets >= 0))
        share = self.place.dropout
        drop = Dropout(share, self.settings.seed * 1_000_003 + self.place.step + 1) if share else None
        self.stack.pack(True, self.settings.precision)
        nats = self.window.train(batch, 1 / count, drop)
        total = float(nats.sum(dtype=np.float64))
        norm = self.adam.update(self.learning_rate) if math.isfinite(total) else math.nan
        return count, total if math.isfinite(norm) else math.nan

    def _advance(self, count, nats):
        place = self.place
        place.step, place.windows_done, place.updates = place.step + 1, place.windows_done + 1, self.adam.updates
        place.tokens, place.tokens_of_epoch = place.tokens + count, place.tokens_of_epoch + count
        place.nats, place.counted = place.nats + nats, place.counted + count

    def _is_exploding(self, batch, count, nats):
        """Whether the loss is no number, or was far above that of the unigram model for many updates on end."""
        if not math.isfinite(nats):
            return True
        targets = batch.targets[batch.targets >= 0]
        unigram = -float(self.corpus.log_frequencies[targets].sum())
        self.place.worse = self.place.worse + 1 if nats > unigram + WORSE_BY * count else 0
        return self.place.worse >= WORSE_FOR

    def _go_back(self):
        if self.place.times_lower >= MOST_TIMES_LOWER:
            raise DivergedError(
                f"the loss explodes after {self.place.step:,} updates, at any learning rate down to "
                f"{self.settings.lr * self.place.rate_factor:.2g}: train with a lower --lr than {self.settings.lr:g}, "
                f"or a smaller --clip than {self.settings.clip:g}"
            )
        place, arrays = self.good
        self.go_on_from(self.place.went_back_to(place), arrays)
        if self.settings.dropout is None:
            self.place.dropout = round(self.place.dropout / 2**self.place.times_lower, 3)

    def _keep_to(self, pace, seconds_a_token):
        """Change how much is still to come where the time asks for it."""
        place, reserve = self.place, self._evaluation_seconds
        if reserve is None:
            reserve = EVALUATED * self.evaluation.size * seconds_a_token if self.evaluation else 0.0
        total = pace.new_total(place.seconds, place.tokens, place.total_tokens, reserve)
        if total:
            total = min(total, place.total_tokens if place.ending else self.most_tokens)
            place.turn, place.total_tokens = (place.tokens, place.progress), total
        if pace.is_over(place.seconds, reserve):
            place.total_tokens = min(place.total_tokens, place.tokens)

    def _evaluate_if_due(self):
        place = self.place
        if not self.finished and place.tokens < place.next_evaluation:
            return None, False
        place.next_evaluation = place.tokens + self._evaluate_every
        start = time.perf_counter()
        valid_loss = self.held_out_loss() if self.evaluation else None
        self._evaluation_seconds = time.perf_counter() - start
        train_loss = place.nats / place.counted
        place.history.append([place.step, train_loss, valid_loss])
        place.nats, place.counted = 0.0, 0
        if self.settings.dropout is None and valid_loss is not None:
            self._follow(valid_loss - train_loss)
        improved = valid_loss is not None and valid_loss < self.best_loss
        if improved:
            place.best_loss, place.best_progress = valid_loss, place.progress
            self.best_parameters = self.parameters.copy()
        elif valid_loss is not None and self.settings.minutes and place.progress - place.best_progress > PATIENCE:
            self._come_to_the_end()
        if not place.worse:
            place.times_lower = 0
            self.keep_as_good(self.place, self.arrays())
        return valid_loss, improved

    def _come_to_the_end(self):
        """At this learning rate nothing more is to be gained: from the best parameters on, bring it to zero soon."""
        place = self.place
        self.parameters[:] = self.best_parameters
        place.turn, place.best_progress = (place.tokens, place.progress), place.progress
        place.total_tokens, place.ending = min(place.total_tokens, round((1 + TAIL) * place.tokens)), True

    def _follow(self, gap):
        """More dropout where what is held out, of which nothing is left out, is yet harder than what is trained on;
        less where it is not."""
        share = self.place.dropout + min(RISE, GAIN * (gap - GAP))
        self.place.dropout = round(min(MOST_DROPOUT, max(0.0, share)), 3)
