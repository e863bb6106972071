"""How candidates begin: after the prompt, which may end inside a token.

The tokens at the end of a prompt depend on what follows (see ``segmentation``), and so the model must not read them as
if nothing followed: after " h", "ou" it expects all but "se". Instead the last piece of the prompt is given back, and
each candidate samples anew which tokens stand there: one of its covers, with the probability that the model gives it,
relative to all covers. What follows is then distributed as it is in the model's own texts that begin with the prompt.
Giving back only the last token would not be enough, because "hou" may be two tokens and "house" one; and to sample
token by token among those that fit would prefer tokens after which the rest hardly fits.

A cover is one choice: temperature, top-k, top-p and min-p apply to the probabilities of the covers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..network.probabilities import log_softmax
from ..network.stepper import NextToken, State, take_rows
from ..text.vocabulary import Vocabulary
from .decoding import Decoding
from .prompt import Prompt
from .segmentation import Cover, covers, tokens_after


def continued(predictor: NextToken, state: State, parents: np.ndarray, tokens: np.ndarray) -> State:
    """The state of each of N sequences: that of its parent, a row of ``state``, after one more token.

    parents: rows (N); tokens: ids (N).
    """
    padding = (0, predictor.rows_for(len(tokens)) - len(tokens))
    state = predictor.step(take_rows(state, np.pad(parents, padding)), np.pad(tokens, padding))
    return take_rows(state, slice(len(tokens)))


def read(predictor: NextToken, state: State, tokens: Iterable[int]) -> tuple[State, list[float]]:
    """The state of one sequence after some tokens, and -log ŷ of each in nats. state: one row."""
    nats = []
    for token in tokens:
        nats.append(-float(log_softmax(state[-1][0].astype(np.float64))[token]))
        state = continued(predictor, state, np.zeros(1, np.intp), np.array([token]))
    return state, nats


class Ends:
    """The covers of the end of a text, with their probabilities.

    state: after the tokens before them, one row; rest: the characters that they cover. nats: -log of the probability of
    each cover, (covers); nats_of_rest: the same for all together, which is the probability that a text goes on with
    these characters. A cover begins like the segmentation of a part of ``rest``, so that there are few states: at most
    one for each character.
    """

    def __init__(self, predictor: NextToken, vocabulary: Vocabulary, state: State, rest: str):
        self.covers = covers(vocabulary, rest)
        self._predictor = predictor
        self._read: dict[tuple[int, ...], tuple[State, float, np.ndarray]] = {(): self._node(state, 0.0)}
        self.nats = np.array([self._nats_of(cover) for cover in self.covers])
        self.nats_of_rest = -float(np.logaddexp.reduce(-self.nats)) if rest else 0.0

    @staticmethod
    def _node(state, nats):
        return state, nats, -log_softmax(state[-1][0].astype(np.float64))

    def _nats_of(self, cover):
        _, nats, following = self.after(cover.before)
        return nats if cover.token is None else nats + following[cover.token]

    def after(self, tokens: tuple[int, ...]) -> tuple[State, float, np.ndarray]:
        """After some of the tokens of a cover: the state, their -log ŷ, and that of each token that may follow, (V)."""
        if tokens not in self._read:
            state, nats, following = self.after(tokens[:-1])
            state = continued(self._predictor, state, np.zeros(1, np.intp), np.array(tokens[-1:]))
            self._read[tokens] = self._node(state, nats + float(following[tokens[-1]]))
        return self._read[tokens]


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How a candidate begins.

    tokens: the ids that its sample begins with; nats: their sum of -log ŷ; state: after them, one row; line: the tokens
    that what follows may change. following: the token that comes next and its -log ŷ, where it is not free. skipped: so
    many characters of the first of all tokens belong to the prime; known: so many of the one that follows, to prime or
    beginning.
    """

    tokens: tuple[int, ...]
    nats: float
    state: State
    line: list[int]
    following: tuple[int, float] | None = None
    skipped: int = 0
    known: int = 0


class Beginning:
    """Reads the prompt once, and gives each candidate its opening.

    The nats of an opening are those of the sample's text given the prime: the probability of prime and sample divided
    by that of a text which begins with the prime.
    """

    def __init__(self, predictor: NextToken, vocabulary: Vocabulary, decoding: Decoding, prompt: Prompt):
        self._vocabulary, self._prompt = vocabulary, prompt
        self._widths = vocabulary.widths.tolist()
        self._decoding = replace(decoding, mask_unknown=False)  # which would mask a cover
        state, _ = predictor.begin(prompt.prime[: prompt.settled])
        before = Ends(predictor, vocabulary, state, prompt.prime_rest).nats_of_rest
        state, nats = read(predictor, state, [*prompt.prime[prompt.settled :], *prompt.start])
        self._nats = sum(nats) - before
        self._ends = Ends(predictor, vocabulary, state, prompt.rest)

    @property
    def is_free(self) -> bool:
        """Whether a random number chooses the opening."""
        return len(self._ends.covers) > 1

    def opening(self, number: float = 0.0) -> Opening:
        """The opening that a random number, 0 ≤ number < 1, chooses."""
        chosen = 0
        if self.is_free:
            chosen = int(self._decoding.sample(-self._ends.nats[None], np.array([number]))[0][0])
        return self._opening(self._ends.covers[chosen])

    def openings(self) -> list[Opening]:
        """All openings that a candidate may have."""
        return [self._opening(cover) for cover in self._ends.covers]

    def _opening(self, cover: Cover) -> Opening:
        state, nats, following = self._ends.after(cover.before)
        tokens, skipped = tokens_after(self._widths, [*self._prompt.start, *cover.before], self._prompt.skipped)
        return Opening(
            tokens=tuple(tokens),
            nats=self._nats + nats,
            state=state,
            line=list(cover.before) if self._prompt.rest else self._prompt.line,
            following=None if cover.token is None else (cover.token, float(following[cover.token])),
            skipped=skipped,
            known=0 if cover.token is None else len(self._prompt.rest) - self._characters(cover.before),
        )

    def _characters(self, tokens: Sequence[int]) -> int:
        return sum(self._widths[token] for token in tokens)


def longest_opening(vocabulary: Vocabulary, prompt: Prompt) -> int:
    """The most tokens that a sample may have when it begins."""
    widths = vocabulary.widths.tolist()
    begun = ([*prompt.start, *cover.before] for cover in covers(vocabulary, prompt.rest))
    return max(len(tokens_after(widths, tokens, prompt.skipped)[0]) for tokens in begun)
