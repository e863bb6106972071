"""How well n-grams alone predict the held-out text, and the order of n-grams that is best, where nobody says.

Most texts are predicted best with long n-grams. But where a token depends on few others, as in DNA, all longer
histories say the same about it, and each of them was seen less often: short n-grams know more. Such a text has little
that a network could memorise, and without dropout it learns to count positions exactly (benchmarks/recipe.md).
"""

import numpy as np

from ..portable.functions import log
from ..score import LN2
from ..tasks.language import ORDERS, SINGLETONS
from ..text.corpus import Corpus
from ..text.ngrams import NGrams

LEAST_MINUTES = 0.3  # of a training: comparing n-grams takes some seconds
MEASURED = 100_000  # characters of the held-out part
SHORT_ORDERS = {"char": 4, "byte": 4}  # the other order, of levels whose n-grams are long
COUNTED = 200_000, 2_000_000  # characters, first of few, because most texts show there that they need long n-grams


def best_order(corpus: Corpus) -> int:
    """The order of the n-grams that predict the held-out part best, of that of the level and a short one."""
    level = corpus.vocabulary.level
    order, short = ORDERS[level], SHORT_ORDERS.get(level)
    if short and len(corpus.held_out):
        if all(bits_per_character(corpus, short, most) < bits_per_character(corpus, order, most) for most in COUNTED):
            return short
    return order


def bits_per_character(corpus: Corpus, order: int, most: int) -> float:
    """Bits per character of the held-out part's beginning, by n-grams of the training part's end.

    order: of the n-grams. most: characters in which they are counted.
    """
    vocabulary = corpus.vocabulary
    train = _first(corpus.train[: -most - 1 : -1], vocabulary.widths, most)[::-1]
    text = _first(corpus.held_out[:MEASURED], vocabulary.widths, MEASURED)
    singletons = SINGLETONS[vocabulary.level]
    ngrams = NGrams.count(train, len(vocabulary), order, corpus.lines, singletons=singletons, exact=True)
    characters = int(vocabulary.widths[text].sum())
    return -float(log(ngrams.probabilities(text)).sum()) / LN2 / characters


def _first(tokens: np.ndarray, widths: np.ndarray, characters: int) -> np.ndarray:
    """The first tokens, of so many characters at most; at least one."""
    return tokens[: max(1, int(np.searchsorted(np.cumsum(widths[tokens]), characters, "right")))]
