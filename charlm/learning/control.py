"""What changes the course of a training: rollback, dropout that follows the losses, early end, the clock.

The functions remember nothing: what must last is in ``TrainingState``. So a resumed training decides as an
uninterrupted one does. (``ClockControl`` remembers the machine's speed, which a resumed training measures again.)

    rollback    The loss diverges: it is not a number, or it stays far above the unigram model's. The trainer rolls
                back to the last good evaluation, with a lower learning rate.
    dropout     Of a small list by the clock, without --dropout: where the held-out lines were chosen at random, the
                rate rises while the held-out loss is above the training loss.
    early end   By the clock only: no lower held-out loss for a while. The trainer continues from the best parameters,
                the first time at a lower learning rate; the second time, that falls to zero, and the training ends.
    clock       The number of tokens to train follows the measured speed.
"""

import math
from bisect import bisect_right
from operator import itemgetter

from ..errors import DivergedError
from .clock import Clock
from .settings import Settings
from .state import MOST_ROLLBACKS, RATE_CUT, TrainingState

WORSE_BY = 1.0  # nats per token: a loss so far above the unigram model's is bad
WORSE_FOR = 20  # bad losses in a row: the training diverges
GAP, GAIN = 0.03, 0.5  # an evaluation changes the dropout rate by (held-out loss - training loss - GAP) · GAIN
RISE = 0.1  # the most that an evaluation adds: a network that has learnt without dropout can diverge with it
MOST_DROPOUT = 0.8
PATIENCE = 0.3  # fraction of a training by the clock without a lower held-out loss, after which it goes back …
LAST_PATIENCE = 0.15  # … and, where it has gone back before, ends early
TAIL = 0.15  # of the tokens trained by then: how many more are trained while the learning rate falls to zero
SAMPLED_TOKENS_PER_TRAINED = 0.05  # a sample of the held-out part has so many tokens for each token trained since
SMALL_SAMPLE = 4096  # tokens; a smaller sample is taken only where few tokens are trained between samples
EVALUATED = 0.4  # time to score a token / time to train it, assumed until the first evaluation has measured it


def note_loss(state: TrainingState, tokens: int, nats: float, unigram_nats: float) -> bool:
    """Count a bad loss in ``state.worse``, and return whether the training diverges.

    nats: the summed loss of an update on ``tokens`` tokens, NaN where loss or gradient were not finite. unigram_nats:
    the unigram model's loss on the same tokens.
    """
    if not math.isfinite(nats):
        return True
    state.worse = state.worse + 1 if nats > unigram_nats + WORSE_BY * tokens else 0
    return state.worse >= WORSE_FOR


def rolled_back(state: TrainingState, good: TrainingState, settings: Settings) -> TrainingState:
    """The state to continue from when the training diverges at ``state``: ``good`` with a lower learning rate, and with
    less dropout where that follows the losses.

    Raises DivergedError after MOST_ROLLBACKS in a row.
    """
    if state.times_lower >= MOST_ROLLBACKS:
        clip = f"--clip below {settings.clip:g}" if settings.clip else "--clip, such as 0.2"
        raise DivergedError(
            f"the loss diverges after update {state.step:,}, at every learning rate down to "
            f"{settings.lr * state.rate_factor:.2g}: train with an --lr below {settings.lr:g}, or a {clip}"
        )
    state = state.rolled_back_to(good)
    if settings.dropout is None:
        state.dropout = round(state.dropout / 2**state.times_lower, 3)
    return state


def followed_dropout(dropout: float, gap: float) -> float:
    """The next dropout rate. gap: held-out loss minus training loss, nats per token.

    The held-out part is scored without dropout. If its loss is still higher, the network memorises the training text,
    and the rate rises.
    """
    return round(min(MOST_DROPOUT, max(0.0, dropout + min(RISE, GAIN * (gap - GAP)))), 3)


def out_of_patience(state: TrainingState, settings: Settings) -> bool:
    """Whether a training by the clock has gone long enough without a lower held-out loss."""
    patience = LAST_PATIENCE if state.returned else PATIENCE
    return bool(settings.minutes) and state.progress - state.best_progress > patience


def sample_size(trained: int) -> int:
    """How many held-out tokens to sample after ``trained`` tokens of training: it takes a few hundredths of the time,
    in a short training at most a tenth."""
    return round(max(SAMPLED_TOKENS_PER_TRAINED * trained, min(SMALL_SAMPLE, trained / 4), 1))


def held_out_losses(state: TrainingState) -> list[tuple[int, float]]:
    """(update, held-out loss) of each evaluation and, between evaluations, of each sample.

    A sample may be easier than the whole held-out part. How much easier is known at each evaluation, which has a loss
    for both; the loss of a sample is corrected by that, interpolated between the evaluations.
    """
    evaluated = {step: loss for step, _, loss in state.history if loss is not None}
    known = [(step, evaluated[step] - loss) for step, loss in state.sampled if step in evaluated]
    estimated = {step: max(0.0, loss + _between(known or [(0, 0.0)], step)) for step, loss in state.sampled}
    return sorted((estimated | evaluated).items())


def _between(points: list[tuple[int, float]], x: int) -> float:
    """The value at x of the straight lines through some points, (x, y) by rising x; outside, that of the nearest one.
    ``numpy.interp`` rounds in another way where a processor multiplies and adds at once."""
    right = bisect_right(points, x, key=itemgetter(0))
    if right in (0, len(points)):
        return points[min(right, len(points) - 1)][1]
    (x1, y1), (x2, y2) = points[right - 1 : right + 1]
    return y1 + (x - x1) * ((y2 - y1) / (x2 - x1))


def lower_or_end(state: TrainingState) -> None:
    """Continue from the best parameters at a lower learning rate. The second time, or where little time is left, end
    early: train some more tokens, over which the rate falls to zero."""
    soon = round((1 + TAIL) * state.tokens)
    if state.returned or soon >= state.total_tokens:
        state.change_total(min(state.total_tokens, soon))
        state.ending = True
    else:
        state.rate_factor *= RATE_CUT
        state.returned = True
    state.best_progress = state.progress


class ClockControl:
    """Makes a training of ``minutes`` end in time: it changes how many tokens are still to come.

    most_tokens: train no more tokens than this, whatever the time. evaluated_tokens: how many tokens an evaluation
    scores. evaluation_seconds: how long the last evaluation took, None before the first.
    """

    def __init__(self, clock: Clock, most_tokens: float, evaluated_tokens: int):
        self.clock, self.most_tokens, self.evaluated_tokens = clock, most_tokens, evaluated_tokens
        self.evaluation_seconds = None

    def follow(self, state: TrainingState, seconds_per_token: float) -> None:
        """Change the number of tokens to train where the time asks for it."""
        reserve = self.evaluation_seconds
        if reserve is None:
            reserve = EVALUATED * self.evaluated_tokens * seconds_per_token
        total = self.clock.new_total(state.seconds, state.tokens, state.total_tokens, reserve)
        if total:
            state.change_total(min(total, state.total_tokens if state.ending else self.most_tokens))
        if self.clock.is_over(state.seconds, reserve):
            state.total_tokens = min(state.total_tokens, state.tokens)
