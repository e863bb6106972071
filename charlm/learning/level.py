"""What a token is, where nobody says: a character, or of a long text a subword.

charlm counts n-grams of both kinds of tokens in the last COUNTED characters of the training part, and takes the tokens
with which they predict the held-out text in fewer bits per character. What the counts say is true of networks too, and
these gain even more from subwords (benchmarks/recipe.md). But a network of subwords soon memorises its text: where a
wide one can read all characters ENOUGH_PASSES times, it learns more from these.
"""

from collections.abc import Callable

import numpy as np

from ..portable.functions import log
from ..score import LN2
from ..tasks.language import ORDERS, SINGLETONS
from ..text.corpus import Corpus
from ..text.ngrams import NGrams
from ..text.vocabulary import UNKNOWN

COUNTED, MEASURED = 1_000_000, 100_000  # characters of the training part and of the held-out part
SHORT = 1_000_000  # characters: a training part that is shorter is not worth the comparison
LEAST_MINUTES = 0.3  # the comparison takes some seconds
WIDE = 512  # width of the network whose passes through the characters are counted
ENOUGH_PASSES = 10.0


class LevelChoice:
    """A ``text.corpus.ChooseLevel`` that remembers what it found.

    minutes: of the training. count_passes: how often a network of width WIDE can read the characters of a corpus in
    them. level: the one that it chose, None where it was not asked. passes: so many, None where it did not count them.
    bits: per character of the held-out text, by n-grams of characters and of subwords; None where it did not compare
    them.
    """

    def __init__(self, minutes: float, count_passes: Callable[[Corpus], float]):
        self.minutes, self._count_passes = minutes, count_passes
        self.level: str | None = None
        self.passes: float | None = None
        self.bits: tuple[float, float] | None = None

    def __call__(self, characters: Corpus, subwords: Callable[[], Corpus]) -> Corpus:
        chosen, is_complete = characters, not characters.frequencies[UNKNOWN]
        if (
            len(characters.train) >= SHORT
            and len(characters.held_out)
            and is_complete
            and self.minutes >= LEAST_MINUTES
        ):
            self.passes = self._count_passes(characters)
            if self.passes < ENOUGH_PASSES:
                other = subwords()
                self.bits = _bits_per_character(characters), _bits_per_character(other)
                chosen = other if self.bits[1] <= self.bits[0] else characters
        self.level = chosen.vocabulary.level
        return chosen


def _bits_per_character(corpus: Corpus) -> float:
    """Bits per character of the held-out part's beginning, by n-grams of the training part's end."""
    vocabulary = corpus.vocabulary
    train = _first(corpus.train[: -COUNTED - 1 : -1], vocabulary.widths, COUNTED)[::-1]
    text = _first(corpus.held_out[:MEASURED], vocabulary.widths, MEASURED)
    order, singletons = ORDERS[vocabulary.level], SINGLETONS[vocabulary.level]
    ngrams = NGrams.count(train, len(vocabulary), order, False, singletons=singletons, exact=True)
    characters = int(vocabulary.widths[text].sum())
    return -float(log(ngrams.probabilities(text)).sum()) / LN2 / characters


def _first(tokens: np.ndarray, widths: np.ndarray, characters: int) -> np.ndarray:
    """The first tokens, of so many characters at most; at least one."""
    return tokens[: max(1, int(np.searchsorted(np.cumsum(widths[tokens]), characters, "right")))]
