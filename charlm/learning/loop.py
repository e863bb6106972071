"""The training loop: a generator of one ``Step`` per update, or with local updates per exchange. It never prints and
never writes a file.

    for step in Trainer(corpus, architecture, Settings(epochs=10)).run():
        ...

Without minutes nothing depends on the clock, so one seed gives one model. With minutes the clock changes one thing: how
many tokens are still to be trained. ``control`` has the rules that change the course of a training. A checkpoint stores
the ``state`` and ``Trainer.arrays``.
"""

import copy
import math
import secrets
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from ..errors import CorpusError, UsageError
from ..kernels.compiling import OnCompile
from ..model import Model
from ..network.architecture import Architecture, frozen_parameters, initial_parameters
from ..network.cells import CELLS
from ..network.dropout import Dropout
from ..network.mixture import EVEN, Mixture
from ..network.optimizers import Adam
from ..network.products import check_precision
from ..network.protocols import Network, Optimizer, Window
from ..network.sampled_softmax import OutputSampling, output_sampling
from ..network.sharding import Shards
from ..network.threads import ThreadPool
from ..ranks import Ranks
from ..tasks import Task
from ..tasks.language import LAST_READINGS, LanguageModel
from ..tasks.summary import number_of
from ..text.batches import Batch
from ..text.corpus import Corpus
from ..text.ngrams import NGrams
from .base import Base
from .clock import Clock
from .control import (
    ClockControl,
    followed_dropout,
    held_out_losses,
    lower_or_end,
    note_loss,
    out_of_patience,
    rolled_back,
    sample_size,
)
from .preparation import prepare
from .record import training_record
from .rounding import rounded
from .row_states import RowStates
from .schedule import rate_at
from .settings import Settings
from .state import TrainingState
from .strategy import InStep, LocalUpdates, Strategy, Update

MOST_EVALUATIONS = 40
SAMPLES = 12  # in a training with fewer evaluations, the held-out loss is estimated so many times
EVALUATED_TOKENS_PER_TRAINED = 0.1  # evaluations of the held-out part score at most so many tokens for each trained one
DROPOUT_SEEDS = 1_000_003  # from one seed's dropout to the next one's: they share nothing for a million updates


@dataclass(frozen=True, kw_only=True)
class Step:
    """One update, or the local updates up to an exchange, with the evaluation after it. Losses are nats per token;
    seconds count from the beginning.

    step: updates so far. tokens: trained so far. window_tokens, train_loss: of this update, or of these. valid_loss:
    the held-out loss where it was measured after this update, else None. sampled_loss: its estimate from a sample of
    the held-out part, where only that was measured; it decides nothing. also_loss: of the best model on the text of
    --also-valid, at the end only. improved: ``valid_loss`` is the lowest so far. training_seconds: spent in updates, in
    this run. rolled_back: the loss diverged, and ``step``, ``epoch`` and ``tokens`` are the ones to which the training
    has rolled back.
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
    sampled_loss: float | None = None
    also_loss: float | None = None
    rolled_back: bool = False

    @property
    def went_back(self) -> bool:
        """The old name of ``rolled_back``."""
        warnings.warn("Step.went_back is now Step.rolled_back", DeprecationWarning, stacklevel=2)
        return self.rolled_back


def check_length(corpus: Corpus, steps: int) -> None:
    """Raise CorpusError where the training text of a stream is shorter than one window of ``steps`` tokens."""
    if len(corpus.train) < steps and not corpus.lines:
        half = len(corpus.train) // 2
        remedy = f", or --steps {half}" if half > 1 else ""
        raise CorpusError(
            f"the training text has {number_of(len(corpus.train), 'token')}, fewer than one window of {steps}: "
            f"give more text{remedy}"
        )


def check_shards(shards: int, rows: int) -> None:
    """Raise UsageError where there are more shards than rows to share."""
    if shards > rows:
        raise UsageError(
            f"{shards} shards cannot share a batch, which has {number_of(rows, 'row')} here: give --shards "
            f"{1 << (rows.bit_length() - 1)} at most, or a larger --batch or a longer text"
        )


class Trainer:
    """Trains a new model on a corpus. ``best`` is the model with the lowest held-out loss so far; where nothing is held
    out, the latest one.

    optimizer: makes the optimizer of a network (see ``network.protocols``); Adam if not given. begun: the value of
    ``time.perf_counter()`` from which ``settings.minutes`` count; now if not given. Compiling kernels does not count.
    plan, choice: how ``autotune`` chose the settings and the level, for the display only; None where it chose nothing.
    base: the model to go on with, None for a new one. also: a corpus whose held-out part is measured besides, before
    the first update of a base and at the end. on_compile: see ``kernels.compiling.CompileTimer``. ranks: the job that
    trains the model together; each rank has such a trainer, with the same arguments. Raises CorpusError where the text
    is shorter than one window.
    """

    def __init__(
        self,
        corpus: Corpus,
        architecture: Architecture,
        settings: Settings,
        *,
        task: Task | None = None,
        optimizer: Callable[[Network], Optimizer] | None = None,
        threads: int | None = None,
        begun: float | None = None,
        plan: Any = None,
        choice: Any = None,
        base: Base | None = None,
        also: Any = None,
        on_compile: OnCompile | None = None,
        ranks: Ranks | None = None,
    ):
        check_precision(settings.precision)
        self.ranks = ranks or Ranks()
        self.corpus, self.architecture, self.settings, self.plan = corpus, architecture, settings, plan
        self.choice, self.base, self.also = choice, base, also
        self.task = task or LanguageModel()
        check_length(corpus, settings.steps)
        self.shards = Shards(settings.shards, *self.ranks.part_of(settings.shards))
        self.rows = self._rows()  # of a batch
        self.parameters = self._first_parameters()
        self.pool = ThreadPool(threads)
        self.network = self.task.network(architecture, self.parameters, self.pool, corpus.unknown_rate)
        if settings.freeze:
            self.network.freeze(settings.freeze)
        self.window = self._window()
        self.sampling = self._output_sampling()
        self._new_optimizer = optimizer or self._adam
        self.optimizer = self._new_optimizer(self.network)
        self.strategy = self._strategy()
        self._states = RowStates(self.strategy.carried, self.shards, self.ranks, self.rows)
        self.ngrams = self._counted()
        self.evaluation = self._evaluation_of(corpus, self.ngrams)
        self.state = TrainingState(
            total_tokens=round(len(corpus.train) * settings.epochs), dropout=settings.dropout or 0.0
        )
        self.state.next_evaluation = self._evaluate_every
        self.best_parameters = self.parameters
        self._rounded: Model | None = None  # the best model in float16, of a finished training
        self._alone: list[float] = []  # the last losses of the network and of the n-grams alone
        self.last_good = self.snapshot()
        self.identity = self.ranks.agree(secrets.token_hex(8))  # a resumed training has that of the stopped one
        self.is_updating = False  # then state and arrays do not belong together
        self._collected = 0  # the update after which the hidden states of all ranks were fetched
        self._also_seconds = 0.0  # that an evaluation of the text of ``also`` takes
        self._begun, self._on_compile = begun or time.perf_counter(), on_compile

    def _rows(self) -> int:
        """The rows of a batch; with local updates, each worker has ``settings.batch`` of them. A short text gets fewer:
        each is at least one window long."""
        rows, text = self.settings.batch, len(self.corpus.train)
        workers = self.settings.shards if self.settings.local_updates else 1
        return workers * (rows if self.corpus.lines else max(1, min(rows, text // (workers * self.settings.steps))))

    def _window(self) -> Window:
        """The window of this process's shards, or of one of them where each is a worker."""
        rows = self.shards.local(self.rows)
        if self.settings.local_updates:
            rows //= self.shards.count
        else:
            check_shards(self.shards.number, self.rows)
            self.network.shard(self.shards.count)
        return self.task.window(self.network, self.settings.steps, rows, training=True)

    def _output_sampling(self) -> OutputSampling | None:
        """How updates sample their outputs; None where they compute all of them."""
        if not self.settings.softmax_samples:
            return None
        return output_sampling(self.corpus.frequencies, self.settings.softmax_samples, self.settings.seed)

    def _strategy(self) -> Strategy:
        of_shards = partial(InStep, self.network, self.window, self.optimizer, precision=self.settings.precision)
        shards, local = self.shards, self.settings.local_updates
        if not local:
            return of_shards(shards=shards, ranks=self.ranks)
        workers = [of_shards(shards=Shards(shards.number, shards.first + place, 1)) for place in range(shards.count)]
        return LocalUpdates(workers, local, shards.local(self.rows), self.ranks)

    def _first_parameters(self) -> np.ndarray:
        if self.base:
            return self.base.parameters(self.task, self.architecture, self.corpus, self.settings.seed)
        return initial_parameters(self.architecture, self.corpus.log_frequencies, self.settings.seed)

    def _adam(self, network: Network) -> Adam:
        tuned = self.settings.minutes and not self.task.defaults  # by experiments with texts, by the clock
        slower = {"W_a": CELLS[self.architecture.cell].recurrent_rate} if tuned else {}
        frozen = frozen_parameters(network.architecture, self.settings.freeze)
        return Adam(network, self.settings.clip, rates=slower, frozen=frozen)

    def _counted(self) -> NGrams | None:
        """The n-grams that predict together with the network; they know the text of the base too."""
        if not self.base:
            return self.task.ngrams(self.corpus, self.settings, len(self.parameters))
        mixture = self.base.mixture(self.corpus)
        if self.base.is_resumed:
            return mixture and mixture.ngrams
        return self.task.ngrams(self.corpus, self.settings, len(self.parameters), mixture and mixture.ngrams)

    def _evaluation_of(self, corpus: Any, ngrams: NGrams | None) -> Any:
        """The evaluation on the held-out part of a corpus, shared by all ranks; None where nothing is held out."""
        evaluation = self.task.evaluation(self.network, corpus, ngrams)
        if evaluation:
            evaluation.ranks = self.ranks
        return evaluation

    @property
    def step(self) -> int:
        return self.state.step

    @property
    def best_loss(self) -> float:
        """The lowest held-out loss so far, nats per token; infinite before the first evaluation."""
        return math.inf if self.state.best_loss is None else self.state.best_loss

    @property
    def total_tokens(self) -> int:
        return self.state.total_tokens

    @property
    def finished(self) -> bool:
        return self.state.finished

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next update."""
        return self._rate_at(self.state.tokens)

    def _rate_at(self, tokens: int) -> float:
        """The learning rate of the update before which so many tokens have been trained."""
        progress = self.state.progress_at(tokens)
        return self.settings.lr * self.state.rate_factor * rate_at(self.settings.schedule, progress)

    @property
    def _evaluate_every(self) -> int:
        """Tokens to train between evaluations: these take a few hundredths of the time, and there are at most
        MOST_EVALUATIONS. By the clock, a mixture, which takes longer, may be evaluated in every second epoch."""
        train, evaluated = len(self.corpus.train), self.evaluation.size if self.evaluation else 1
        per_epoch = max(1, int(EVALUATED_TOKENS_PER_TRAINED * train / evaluated))
        rarely = self.settings.minutes and self.ngrams is not None and per_epoch == 1
        return max((2 if rarely else 1) * train // per_epoch, self.total_tokens // MOST_EVALUATIONS, 1)

    @property
    def best(self) -> Model:
        return self._rounded or self.best_in_float32

    @property
    def best_in_float32(self) -> Model:
        """The best model as the training has it; where it is finished, and to be stored in float16, ``best`` is the
        rounded one."""
        return Model(
            architecture=self.architecture,
            vocabulary=self.corpus.vocabulary,
            parameters=self.best_parameters,
            lines=self.corpus.lines,
            training=training_record(self),
            novelty=self.corpus.novelty,
            task=self.task,
            mixture=self._best_mixture,
        )

    @property
    def _best_mixture(self) -> Mixture | None:
        if self.ngrams is None:
            return None
        order, weights = self.ngrams.order, self.state.best_weights
        return Mixture(self.ngrams, np.reshape(weights, (order, 2)) if weights else np.full((order, 2), EVEN))

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays that the next update depends on, by name: not copies."""
        arrays = {"parameters": self.parameters} | self.strategy.state()
        return arrays | {f"state{number}": state for number, state in enumerate(self._states.arrays)}

    def collect_states(self) -> None:
        """Fetch the hidden states of this moment from the other ranks, for a checkpoint. All ranks call it together."""
        self._states.collect()
        self._collected = self.state.step

    @property
    def has_states(self) -> bool:
        """Whether ``arrays`` are those of this moment: not after an update of several ranks, before
        ``collect_states``."""
        return self._states.are_here or self._collected == self.state.step

    def snapshot(self) -> tuple[TrainingState, dict[str, np.ndarray]]:
        """Copies of the state and the arrays, which training does not change."""
        return copy.deepcopy(self.state), {name: array.copy() for name, array in self.arrays().items()}

    def restore(self, state: TrainingState, arrays: dict[str, np.ndarray]) -> None:
        """Continue from a snapshot of this trainer, or of one with the same settings."""
        self.state = copy.deepcopy(state)
        self.optimizer.updates = state.updates
        for name, array in self.arrays().items():
            array[:] = arrays[name]
        self._states.take_own()
        self._collected = self.state.step

    def keep_good(self, state: TrainingState, arrays: dict[str, np.ndarray]) -> None:
        """Copy a state and its arrays, which the next rollback restores. If the parameters are the best ones, it shares
        their array, which nobody changes. Whoever interrupts this finds the state and the arrays of before."""
        parameters, best = arrays["parameters"], self.best_parameters
        is_best = best is not self.parameters and np.array_equal(best, parameters)
        kept = {name: best if array is parameters and is_best else array.copy() for name, array in arrays.items()}
        self.last_good = copy.deepcopy(state), kept

    def back_to_good(self) -> None:
        """Go back to the last good state, from an update that did not end: what is saved now can be resumed. This
        trainer trains no more."""
        self.pool.close()  # waits for the threads: they must not write into the arrays after this
        seconds = self.state.seconds
        self.restore(*self.last_good)
        self.state.seconds, self.is_updating = seconds, False

    def prepare(self) -> None:
        """Compile the kernels that training calls, or load them from the cache. Compiling moves the beginning, so that
        it does not count as time of the training."""
        self._begun += prepare(
            self.task,
            self.architecture,
            precision=self.settings.precision,
            dropout=self.settings.dropout,
            ngrams=self.ngrams is not None,
            new_optimizer=self._new_optimizer,
            on_compile=self._on_compile,
            ranks=self.ranks,
            shards=self.network.shards,
            sampled=self.sampling is not None,
        )

    def measure_base(self) -> None:
        """Measure the model that the training goes on with, and take it, with the n-grams of both texts, for the best
        one so far. A second call does nothing, and neither does one without a base."""
        state = self.state
        if not self.base or state.tokens or state.history or state.also_before is not None:
            return
        self.prepare()
        mixture = self.base.mixture(self.corpus)
        state.base_loss = self._loss_of(self.corpus, mixture)
        begun = time.perf_counter()
        state.also_before = self._loss_of(self.also, mixture)
        self._also_seconds = self.ranks.agree(time.perf_counter() - begun)
        if self.evaluation:
            self._note_evaluation(None, self._evaluate()[0])
            self._sample_if_due(evaluated=True)
            self.keep_good(state, self.arrays())

    def _loss_of(self, corpus: Any, mixture: Mixture | None) -> float | None:
        """Nats per token of the held-out part of a corpus, of the network with its current parameters and, if there is
        one, a mixture. None without a held-out part."""
        evaluation = corpus and self._evaluation_of(corpus, mixture and mixture.ngrams)
        if not evaluation:
            return None
        return evaluation.loss() if mixture is None else evaluation.loss_with(mixture.weights)

    def _measure_best(self) -> float | None:
        """The loss of the best model on the text of ``also``."""
        if not self.also:
            return None
        current = self.parameters.copy()
        self.parameters[:] = self.best_parameters
        loss = self._loss_of(self.also, self._best_mixture)
        self.parameters[:] = current
        return loss

    def held_out_loss(self) -> float:
        """Nats per token of the held-out part (if it is long, of its beginning) under the current parameters, of the
        network alone."""
        return self.evaluation.loss()

    def run(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Step]:
        """Train to the end, or until ``stop()`` is true after an update. A stopped training can be resumed: see
        ``checkpoint``."""
        self.prepare()
        self.measure_base()
        begun = time.perf_counter() - self.state.seconds if self.state.seconds else self._begun

        def seconds_since(*moments: float) -> list[float]:
            return self.ranks.agree([time.perf_counter() - moment for moment in moments])

        clock = self._clock_control(*seconds_since(begun))
        training_seconds, trained = 0.0, 0
        self._round_if_finished()
        while not self.finished:
            batches = islice(self._batches(self.state.epoch), self.state.windows_done, None)
            while updates := self._next_updates(batches):
                self.is_updating = True
                start = time.perf_counter()
                losses = self.strategy.make(updates)
                tokens, nats = sum(update.tokens for update in updates), sum(losses)
                seconds, self.state.seconds = seconds_since(start, begun)
                training_seconds, trained = training_seconds + seconds, trained + tokens
                has_diverged = self._note_updates(updates, losses)
                valid_loss, improved, sampled_loss = None, False, None
                if has_diverged:
                    self._roll_back()
                else:
                    self.state.updates = self.optimizer.updates
                    if clock:
                        clock.follow(self.state, training_seconds / trained)
                    valid_loss, improved = self._evaluate_if_due(clock)
                    sampled_loss = self._sample_if_due() if valid_loss is None else None
                    self.state.also_after = self._measure_best() if self.finished else None
                    self._round_if_finished()
                    if valid_loss is not None or sampled_loss is not None:
                        (self.state.seconds,) = seconds_since(begun)
                self.is_updating = False
                yield Step(
                    step=self.state.step,
                    epoch=self.state.epoch + self.state.tokens_of_epoch / len(self.corpus.train),
                    tokens=self.state.tokens,
                    window_tokens=tokens,
                    train_loss=nats / tokens,
                    valid_loss=valid_loss,
                    sampled_loss=sampled_loss,
                    also_loss=self.state.also_after,
                    improved=improved,
                    seconds=self.state.seconds,
                    training_seconds=training_seconds,
                    rolled_back=has_diverged,
                )
                if self.finished or self.ranks.any(stop()):
                    return
                if has_diverged:
                    break  # begin with the batch that the restored state names
            else:
                self.state.begin_epoch()

    def _batches(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch; seed and epoch decide their order."""
        random = np.random.default_rng([self.settings.seed, 2, epoch])
        return self.task.batches(self.corpus, self.rows, self.settings.steps, random)

    def _clock_control(self, seconds: float) -> ClockControl | None:
        """The control that makes a training of minutes end in time, else None. seconds: spent so far."""
        if not self.settings.minutes:
            return None
        most_tokens = len(self.corpus.train) * self.task.most_epochs
        evaluated = self.evaluation.size if self.evaluation else 0
        return ClockControl(Clock(self.settings.minutes, seconds, self.state.tokens), most_tokens, evaluated)

    def _round_if_finished(self) -> None:
        """At the end of a training that stores its model in float16: round the best model."""
        if self.finished and self.settings.store == "float16":
            self._rounded = rounded(self.best_in_float32, self.state, self.evaluation, self.parameters)

    def _next_updates(self, batches: Iterator[Batch]) -> list[Update]:
        """The next updates, as many as the strategy makes at once, until the training is at its end; [] at the end of
        the epoch."""
        updates: list[Update] = []
        state, dropout, tokens = self.state, self.state.dropout, self.state.tokens
        for batch in islice(batches, self.strategy.at_once):
            number = state.step + len(updates) + 1
            targets = int(np.count_nonzero(batch.targets >= 0))
            drop = Dropout(dropout, self.settings.seed * DROPOUT_SEEDS + number) if dropout else None
            outputs = self.sampling and self.sampling.sample(number, batch.targets)
            updates.append(Update(batch, targets, self._rate_at(tokens), drop, outputs))
            tokens += targets
            if tokens >= state.total_tokens:
                break
        return updates

    def _note_updates(self, updates: list[Update], losses: list[float]) -> bool:
        """Count the updates, and return whether the training diverges."""
        for update, nats in zip(updates, losses, strict=True):
            if note_loss(self.state, update.tokens, nats, self._expected_nats(update.batch, nats)):
                return True
            self.state.advance(update.tokens, nats)
        return False

    def _expected_nats(self, batch: Batch, nats: float) -> float:
        """The summed loss on a batch that is not yet bad: the unigram model's or, where a model goes on with a very
        different text, what it had at first. nats: its loss on the batch."""
        tokens = np.count_nonzero(batch.targets >= 0)
        if self.base and not self.state.first_loss and math.isfinite(nats):
            self.state.first_loss = nats / tokens
        unigrams = -float(self.corpus.log_of_targets[batch.targets[batch.targets >= 0]].sum())
        return max(unigrams, self.state.first_loss * tokens)

    def _roll_back(self) -> None:
        good, arrays = self.last_good
        self.restore(rolled_back(self.state, good, self.settings), arrays)

    def _evaluate_if_due(self, clock: ClockControl | None) -> tuple[float | None, bool]:
        """Where an evaluation is due: the held-out loss, and whether it is the lowest so far."""
        state = self.state
        if not self.finished and state.tokens < state.next_evaluation:
            return None, False
        state.next_evaluation = state.tokens + self._evaluate_every
        start = time.perf_counter()
        valid_loss, network_loss = self._evaluate() if self.evaluation else (None, None)
        if clock:
            seconds = (time.perf_counter() - start) * (1 if self.ngrams is None else LAST_READINGS)
            clock.evaluation_seconds = self.ranks.agree(seconds) + self._also_seconds
        train_loss = state.nats / state.counted
        state.nats, state.counted = 0.0, 0
        improved = self._note_evaluation(train_loss, valid_loss)
        if valid_loss is not None:
            self._sample_if_due(evaluated=True)  # first: the good state has the sample too
            if self.settings.dropout is None:
                state.dropout = followed_dropout(state.dropout, network_loss - train_loss)
            if not improved and out_of_patience(state, self.settings):
                self.parameters[:] = self.best_parameters
                lower_or_end(state)
        if not state.worse:  # never keep parameters whose last losses were bad
            state.times_lower = 0
            self.collect_states()
            self.keep_good(state, self.arrays())
        return valid_loss, improved

    def _note_evaluation(self, train_loss: float | None, valid_loss: float | None) -> bool:
        """Note the losses of an evaluation; whether the held-out loss is the lowest so far, of the best model."""
        state = self.state
        state.history.append([state.step, train_loss, valid_loss])
        if valid_loss is None or valid_loss >= self.best_loss:
            return False
        state.best_loss, state.best_progress = valid_loss, state.progress
        state.best_weights, state.best_alone = state.weights[-len(state.weights) // 3 :], self._alone
        self.best_parameters = self.parameters.copy()
        return True

    def _evaluate(self) -> tuple[float, float]:
        """The held-out loss, with n-grams that of the mixture, and that of the network alone."""
        if self.ngrams is None:
            return 2 * (self.held_out_loss(),)
        fitted = self.evaluation.fit(self.state.weights, LAST_READINGS if self.finished else 1)
        self.state.weights = fitted.weights.ravel().tolist()
        self._alone = [fitted.network, fitted.ngrams]
        return fitted.mixture, fitted.network

    def _sample_if_due(self, evaluated: bool = False) -> float | None:
        """Where the evaluations are too few to show how the training goes, and a sample is due: the held-out loss,
        estimated. evaluated: the whole held-out part was scored just now."""
        state, interval = self.state, max(1, self.total_tokens // SAMPLES)
        intervals = (state.tokens - state.sampled_tokens) // interval
        if not self.evaluation or self._evaluate_every <= interval or not (intervals or evaluated):
            return None
        state.sampled_tokens += interval * intervals
        weights = () if self.ngrams is None else (state.weights,)
        state.sampled.append((state.step, self.evaluation.sample_loss(sample_size(interval), *weights)))
        return held_out_losses(state)[-1][1]
