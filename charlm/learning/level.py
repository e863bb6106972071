"""What a token is, where nobody says: a character, or of a long text a subword.

charlm counts n-grams of both kinds of tokens in the last COUNTED characters of the training part, and takes the tokens
with which they predict the held-out text in fewer bits per character. What the counts say is true of networks too, and
these gain even more from subwords (benchmarks/recipe.md). But a network of subwords soon memorises its text: where a
wide one can read all characters ENOUGH_PASSES times, it learns more from these.
"""

from collections.abc import Callable

from ..tasks.language import ORDERS
from ..text.corpus import Corpus
from ..text.vocabulary import UNKNOWN
from .counts import LEAST_MINUTES, bits_per_character

COUNTED = 1_000_000  # characters of the training part
SHORT = 1_000_000  # characters: a training part that is shorter is not worth the comparison
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
                self.bits = _bits(characters), _bits(other)
                chosen = other if self.bits[1] <= self.bits[0] else characters
        self.level = chosen.vocabulary.level
        return chosen


def _bits(corpus: Corpus) -> float:
    return bits_per_character(corpus, ORDERS[corpus.vocabulary.level], COUNTED)
