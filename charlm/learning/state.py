"""How far a training has come. Only this state and the trainer's arrays change, and a checkpoint stores both."""

import copy
from dataclasses import dataclass, field

MOST_LOSSES = 256  # points of the curve of the training loss, at most; a long training has at least half as many
RATE_CUT = 0.25  # a rollback multiplies the learning rate by this, and a return to the best parameters
KEPT = ("best_loss", "best_progress", "best_weights", "best_alone", "base_loss", "also_before", "also_after")
KEPT += ("first_loss", "seconds")  # what a rollback leaves as it is, besides what it changes
MOST_ROLLBACKS = 8  # in a row, without a good evaluation between them


@dataclass(kw_only=True)
class TrainingState:
    """How far a training has come, besides its arrays.

    A rollback restores all fields of the last good state except the last eleven: ``rate_factor`` and ``times_lower``
    change with each rollback, and what the training has found (``best_…``) and spent (``seconds``) stays.

    step: updates so far. epoch: full passes over the training part so far. updates: the optimizer's own count, which it
    needs for its next update. tokens: trained so far. windows_done, tokens_of_epoch: batches and tokens of the current
    epoch. nats, counted: summed training loss and number of tokens since the last evaluation. worse: updates in a row
    whose loss was far above the unigram model's. next_evaluation: evaluate after so many tokens. total_tokens: end
    after so many tokens. returned: for want of a lower held-out loss, the training has gone back to its best parameters
    and to a lower learning rate. ending: an early end has begun, and the clock can no longer lengthen the training.
    turn: (``tokens``, ``progress``) when ``total_tokens`` last changed; the schedule continues from there. dropout: the
    rate of the next update. history: [update, training loss, held-out loss or None] for each evaluation. losses: [last
    update, tokens, nats] of stretches of updates of about the same length, which cover the training. sampled: [update,
    loss on a sample of the held-out part] (see ``control.held_out_losses``); sampled_tokens: ``tokens`` when the last
    sample was due. rate_factor: factor on the learning rate. times_lower: rollbacks in a row, without a good evaluation
    between them. best_loss: the lowest held-out loss, None before the first evaluation. best_progress: ``progress`` at
    that moment. weights, best_weights: of the mixture, flat, after the last evaluation (3 · N · 2, see
    ``mixed_window.fit``) and at the best one (N · 2); [] without n-grams. best_alone: held-out losses of the network
    and of the n-grams alone at the best evaluation; [] without n-grams. base_loss: of the model that the training goes
    on with, on the held-out part before the first update; also_before, also_after: losses on the text of --also-valid,
    before the first update and, of the best model, at the end; None where they were not measured. first_loss: of the
    first update of such a training, nats per token, 0 before it. seconds: time spent.
    """

    step: int = 0
    epoch: int = 0
    windows_done: int = 0
    tokens: int = 0
    tokens_of_epoch: int = 0
    updates: int = 0
    nats: float = 0.0
    counted: int = 0
    worse: int = 0
    next_evaluation: int = 0
    total_tokens: int = 0
    returned: bool = False
    ending: bool = False
    turn: tuple[int, float] = (0, 0.0)
    dropout: float = 0.0
    history: list[list] = field(default_factory=list)
    losses: list[tuple[int, int, float]] = field(default_factory=list)
    sampled: list[tuple[int, float]] = field(default_factory=list)
    sampled_tokens: int = 0
    weights: list[float] = field(default_factory=list)
    rate_factor: float = 1.0
    times_lower: int = 0
    best_loss: float | None = None
    best_progress: float = 0.0
    best_weights: list[float] = field(default_factory=list)
    best_alone: list[float] = field(default_factory=list)
    base_loss: float | None = None
    also_before: float | None = None
    also_after: float | None = None
    first_loss: float = 0.0
    seconds: float = 0.0

    @property
    def finished(self) -> bool:
        return self.tokens >= self.total_tokens

    @property
    def progress(self) -> float:
        """The fraction of the training that is done, 0…1. It never falls when ``total_tokens`` changes."""
        return self.progress_at(self.tokens)

    def progress_at(self, tokens: int) -> float:
        """The progress when so many tokens are trained, if ``total_tokens`` does not change until then."""
        since, done = self.turn
        return min(1.0, done + (1 - done) * (tokens - since) / max(1, self.total_tokens - since))

    def advance(self, tokens: int, nats: float) -> None:
        """Count one update on so many tokens, with their summed loss."""
        self.step, self.windows_done = self.step + 1, self.windows_done + 1
        self.tokens, self.tokens_of_epoch = self.tokens + tokens, self.tokens_of_epoch + tokens
        self.nats, self.counted = self.nats + nats, self.counted + tokens
        self._add_loss(tokens, nats)

    def _add_loss(self, tokens: int, nats: float) -> None:
        """Add the last update to the stretch of ``losses`` that it belongs to. Where there are MOST_LOSSES stretches,
        each two become one, so that the curve does not depend on how long the training will be."""
        stretch = 1 << ((self.step - 1) // MOST_LOSSES).bit_length()  # in updates
        if self.losses and self.losses[-1][0] % stretch:
            _, more_tokens, more_nats = self.losses.pop()
            tokens, nats = tokens + more_tokens, nats + more_nats
        elif len(self.losses) >= MOST_LOSSES:
            pairs = zip(self.losses[::2], self.losses[1::2], strict=True)
            self.losses = [(stop, a + b, x + y) for (_, a, x), (stop, b, y) in pairs]
        self.losses.append((self.step, tokens, nats))

    def begin_epoch(self) -> None:
        self.epoch += 1
        self.windows_done = self.tokens_of_epoch = 0

    def change_total(self, total_tokens: int) -> None:
        """End after ``total_tokens`` instead. The learning rate's schedule continues from its present rate."""
        self.turn, self.total_tokens = (self.tokens, self.progress), total_tokens

    def rolled_back_to(self, good: "TrainingState") -> "TrainingState":
        """The state after a rollback from here to ``good``, with a lower learning rate."""
        state = copy.deepcopy(good)
        state.rate_factor, state.times_lower = self.rate_factor * RATE_CUT, self.times_lower + 1
        for name in KEPT:
            setattr(state, name, getattr(self, name))
        return state
