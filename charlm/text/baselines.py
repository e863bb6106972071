"""What counting alone makes of a text: unigrams, n-grams with Kneser–Ney smoothing, and xz.

The n-grams are interpolated modified Kneser–Ney (Chen & Goodman, "An empirical study of smoothing techniques for
language modeling", 1999, section 4.1.6), over the same tokens and sequences as a network's:

    p(w | h) = max(c(hw) - D(c(hw)), 0) / c(h·) + γ(h) p(w | h')      h' is h without its oldest token
    γ(h) = (D₁ N₁(h·) + D₂ N₂(h·) + D₃ N₃₊(h·)) / c(h·)
    Y = n₁ / (n₁ + 2 n₂)    D₁ = 1 - 2 Y n₂/n₁    D₂ = 2 - 3 Y n₃/n₂    D₃ = 3 - 4 Y n₄/n₃

c is how often an n-gram occurs for the highest order, and for lower ones how many tokens it follows; Nᵢ(h·) is how
many tokens follow h i times, n_i how many n-grams occur i times. Below the single tokens stands 1/V. A sequence
begins after an <EOS>, and the n-grams that begin with it keep their plain counts, as nothing can come before it.

An n-gram is known by a number: its place among the sorted pairs of the number of its tokens but the last, and the
last. So any order and any vocabulary fit 64 bits, and all is done by sorting and looking up whole arrays.
"""

from dataclasses import dataclass

import numpy as np

from ..figures import LN2
from .corpus import Corpus
from .ngrams import ORDERS, NGrams
from .vocabulary import as_bytes

MOST_COUNTED = 2_000_000  # tokens of a training text: seconds of work, a hundred or two of megabytes
COUNTED = 20_000  # tokens for each second that a training is given: it takes some hundredths of the time
MOST_DICTIONARY = 1 << 26  # bytes that xz looks back, at most


@dataclass(frozen=True)
class Baseline:
    """A figure to hold a network's against. nats: -log p summed over the text."""

    name: str
    nats: float


def baselines(train: np.ndarray, text: np.ndarray, vocabulary_size: int, level: str, lines: bool) -> list[Baseline]:
    """Unigrams and n-grams counted in ``train`` and measured on ``text``: ids, each line ended by <EOS>."""
    found = []
    for name, order in (("unigrams", 1), (f"{ORDERS[level]}-grams", ORDERS[level])):
        probabilities = NGrams(train, vocabulary_size, order, lines).probabilities(text)
        found.append(Baseline(name, -float(np.log(probabilities).sum())))
    return found


def counted_tokens(corpus: Corpus, minutes: float | None) -> int:
    """How many of the last tokens of the training part are counted beside a training that takes so long."""
    return min(len(corpus.train), MOST_COUNTED if minutes is None else min(MOST_COUNTED, round(60 * minutes * COUNTED)))


def beside_training(corpus: Corpus, most: int) -> list[Baseline]:
    """What counting makes of the tokens that a training is judged by, given the last ``most`` tokens of the training
    part: unigrams, n-grams and, where this Python has it, xz. <UNK> is spelled so for xz."""
    train, text, vocabulary = corpus.train[-most:], corpus.evaluated, corpus.vocabulary
    found = baselines(train, text, len(vocabulary), vocabulary.level, corpus.lines)
    more = xz_bytes(*(as_bytes(vocabulary.decode(tokens)) for tokens in (train, text)))
    return found if more is None else [*found, Baseline("xz", 8 * LN2 * more)]


def xz_bytes(corpus: bytes, text: bytes) -> int | None:
    """How many bytes more xz takes for the corpus with the text after it than for the corpus alone; None where this
    Python has no xz."""
    try:
        import lzma
    except ImportError:
        return None
    size = min(MOST_DICTIONARY, 1 << max(12, (len(corpus) + len(text)).bit_length()))
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": size}]
    alone, both = (len(lzma.compress(data, lzma.FORMAT_RAW, filters=filters)) for data in (corpus, corpus + text))
    return both - alone
