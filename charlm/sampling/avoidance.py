"""Away from copies: the next token of a stream where sampling again and again only finds copies.

At a low temperature a stream can reach a text after which nearly every continuation is a copy. ``acceptance`` then
samples the segment away from the copy: as long as the copied run may grow, nothing changes; where the next token would
make it longer than a sample may copy, this token is excluded, and the next one is sampled from the others. If top-k,
top-p and min-p leave no other, every token but <UNK> may come. Only where each symbol that the model knows would
continue a copy, there is no way on: see ``acceptance``.

A copied run grows by one character for each character of the text. So after a look at the records, some characters
may follow for certain (``Rules.room_after``), and only after these a row must look again.
"""

from dataclasses import dataclass

import numpy as np

from ..text.novelty import Trail
from ..text.vocabulary import UNKNOWN, Vocabulary
from .decoding import Decoding
from .rules import Rules

NOTHING = Trail()  # before the first character


@dataclass(kw_only=True, slots=True)
class Course:
    """What is known of the copied runs of one candidate of a stream.

    accepted: the trail at the end of the accepted text; trail: that after the first ``tokens`` tokens of the segment,
    whose longest copied run is ``run``. copies: how many copies were rejected since the last accepted segment; avoids:
    the segment is sampled away from copies; turned: it was, so far, at least once; avoided: how many accepted segments
    were; dead_ends: how often there was no way on.
    """

    accepted: Trail = NOTHING
    trail: Trail = NOTHING
    tokens: int = 0
    run: int = 0
    copies: int = 0
    avoids: bool = False
    turned: bool = False
    avoided: int = 0
    dead_ends: int = 0

    def go_on(self, trail: Trail, tokens: int, run: int) -> None:
        """The first ``tokens`` tokens of the segment were looked at, and are no copy."""
        self.trail, self.tokens, self.run = trail, tokens, max(self.run, run)

    def go_back(self) -> None:
        """The segment begins again."""
        self.trail, self.tokens, self.run, self.turned = self.accepted, 0, 0, False

    def accept(self) -> None:
        """The segment is accepted as far as it was looked at."""
        self.avoided += self.turned
        self.accepted, self.copies, self.avoids = self.trail, 0, False
        self.go_back()


class Avoidance:
    """Samples tokens that do not lengthen a copied run beyond what ``rules`` allow."""

    def __init__(self, decoding: Decoding, rules: Rules, vocabulary: Vocabulary):
        self._decoding, self._rules, self._vocabulary = decoding, rules, vocabulary
        self._unrestricted = Decoding(decoding.temperature)

    def room_of(self, course: Course) -> int | None:
        """How many characters may follow before a candidate must look for copies; None where it looks when its segment
        has ended, as most do."""
        return self._rules.room_after(course.trail) if course.copies or course.avoids else None

    def sample(
        self, logits: np.ndarray, numbers: np.ndarray, tokens: np.ndarray, courses: list[Course], texts: list[str]
    ) -> tuple[np.ndarray, list[tuple[Trail, int] | None]]:
        """For each row a token that is no copy, (N), and the trail and the longest run with it; None where each token
        would be a copy.

        logits: (N, V); numbers: random numbers, 0 ≤ number < 1, (N); tokens: what they would sample, (N); texts: what
        stands between the trail of each course and the token. Where a token is excluded, the rest of its random number
        chooses the next one: the position within the token's part of the interval is as random as the number was.
        """
        tokens, found = tokens.copy(), [None] * len(tokens)
        others: dict[int, _Others] = {}
        pending = list(range(len(tokens)))
        while pending:
            trails = [courses[row].trail for row in pending]
            longer = [texts[row] + self._vocabulary.decode([int(tokens[row])]) for row in pending]
            copies = []
            for row, (trail, run, reason) in zip(pending, self._rules.follow(trails, longer), strict=True):
                if reason:
                    copies.append(row)
                else:
                    found[row] = trail, run
            pending = []
            for row in copies:
                if row not in others:
                    others[row] = _Others(logits[row : row + 1], numbers[row], self._decoding, self._unrestricted)
                token = others[row].than(int(tokens[row]))
                if token is not None:
                    tokens[row] = token
                    pending.append(row)
        return tokens, found


class _Others:
    """The tokens of one row that were not excluded. logits: (1, V); number: the row's random number."""

    def __init__(self, logits, number, *decodings):
        self._logits, self._number = logits, number
        self._decodings, self._excluded = iter(decodings), [UNKNOWN]
        self._rates = next(self._decodings).probabilities(logits)[0]

    def than(self, token: int) -> int | None:
        """Exclude a token, and choose another one; None if there is none."""
        rates, rate = self._rates, self._rates[token]
        if rate > 0:  # the token was chosen by the number: the position within its part is a new number
            sums = rates.cumsum()
            self._number = min(max((self._number * sums[-1] - (sums[token] - rate)) / rate, 0.0), 1 - 2**-53)
        self._excluded.append(token)
        rates[self._excluded] = 0
        while not rates.any():
            decoding = next(self._decodings, None)
            if decoding is None:
                return None
            rates = self._rates = decoding.probabilities(self._logits)[0]
            rates[self._excluded] = 0
        sums = rates.cumsum()
        return min(int(sums.searchsorted(self._number * sums[-1], "right")), int(rates.nonzero()[0][-1]))
