"""Where a training stands: what a checkpoint stores besides the arrays."""

import copy
from dataclasses import dataclass, field

LOWER, MOST_TIMES_LOWER = 0.25, 8  # what an explosion makes of the learning rate, and how often on end


@dataclass
class TrainingState:
    """Where a training stands, besides its arrays.

    windows_done, tokens_of_epoch: of the epoch under way; nats, counted: of training since the last evaluation;
    worse: updates on end that were worse than the unigram model; total_tokens: how many there will be; ending: the
    clock can make no more of them; turn: (tokens, share of the training done) when their number was last changed;
    dropout: of the next update. These and those before are gone back to after an explosion; rate_factor, times_lower
    (on end, without an evaluation between), best_loss and seconds (spent) are not.
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
    ending: bool = False
    turn: tuple[int, float] = (0, 0.0)
    dropout: float = 0.0
    history: list[list] = field(default_factory=list)
    rate_factor: float = 1.0
    times_lower: int = 0
    best_loss: float | None = None
    best_progress: float = 0.0
    seconds: float = 0.0

    def went_back_to(self, good: "TrainingState") -> "TrainingState":
        """The place after an explosion here, with the state of ``good``."""
        place = copy.deepcopy(good)
        place.rate_factor, place.times_lower = self.rate_factor * LOWER, self.times_lower + 1
        place.best_loss, place.best_progress, place.seconds = self.best_loss, self.best_progress, self.seconds
        return place

    @property
    def progress(self) -> float:
        """The share of the training that is done."""
        tokens, share = self.turn
        return min(1.0, share + (1 - share) * (self.tokens - tokens) / max(1, self.total_tokens - tokens))
