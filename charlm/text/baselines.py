"""Baselines for a model's loss: unigrams, n-grams and xz, with the same training text and the same held-out text."""

from dataclasses import dataclass

import numpy as np

from ..score import LN2
from .corpus import Corpus
from .ngrams import BASELINE_ORDERS, NGrams
from .vocabulary import as_bytes

MOST_COUNTED = 10_000_000  # tokens of a training text: this takes some ten seconds
COUNTED_PER_SECOND = 60_000  # tokens for each second of a training run, so that counting takes a few hundredths of it
MOST_COMPRESSED = 2_000_000  # tokens of a training text that xz knows
MOST_DICTIONARY = 1 << 26  # bytes of earlier text in which xz searches, at most


@dataclass(frozen=True)
class Baseline:
    """The loss of a simple model, to compare a network with. nats: -log p summed over the text."""

    name: str
    nats: float


def baselines(train: np.ndarray, text: np.ndarray, vocabulary_size: int, level: str, lines: bool) -> list[Baseline]:
    """Unigrams and n-grams counted on ``train`` and measured on ``text``.

    train, text: ids (n); each line ends with <EOS>. level: decides the order, see ``ngrams.BASELINE_ORDERS``.
    """
    orders = 1, BASELINE_ORDERS[level]
    counted = (NGrams.count(train, vocabulary_size, order, lines, singletons=order, exact=True) for order in orders)
    return [_baseline(ngrams, text) for ngrams in counted]


def _baseline(ngrams: NGrams, text: np.ndarray) -> Baseline:
    name = "unigrams" if ngrams.order == 1 else f"{ngrams.order}-grams"
    return Baseline(name, -float(np.log(ngrams.probabilities(text)).sum()))


def counted_tokens(corpus: Corpus, minutes: float | None) -> int:
    """How many tokens of the training part to count for a training run of so many minutes (None: no limit)."""
    most = MOST_COUNTED if minutes is None else min(MOST_COUNTED, round(60 * minutes * COUNTED_PER_SECOND))
    return min(len(corpus.train), most)


def corpus_baselines(corpus: Corpus, most_tokens: int, ngrams: NGrams | None = None) -> list[Baseline]:
    """Unigrams, n-grams and, if this Python has it, xz, measured on the tokens that training evaluates the model on.

    They know the last ``most_tokens`` tokens of the training part, xz at most MOST_COMPRESSED. For xz <UNK> is written
    as these five characters.
    ngrams: those of the model, which are then no other ones.
    """
    train, text, vocabulary = corpus.train[-most_tokens:], corpus.evaluated, corpus.vocabulary
    if ngrams:
        unigrams = NGrams.count(train, len(vocabulary), 1, corpus.lines, singletons=1, exact=True)
        found = [_baseline(unigrams, text), _baseline(ngrams, text)]
    else:
        found = baselines(train, text, len(vocabulary), vocabulary.level, corpus.lines)
    known, new = (vocabulary.decode(part) for part in (train[-MOST_COMPRESSED:], text))
    if vocabulary.level == "token":
        known, new = vocabulary.outside(known), vocabulary.outside(new)
    extra = xz_bytes(as_bytes(known), as_bytes(new))
    return found if extra is None else [*found, Baseline("xz", 8 * LN2 * extra)]


def xz_bytes(corpus: bytes, text: bytes) -> int | None:
    """How many more bytes xz needs for the corpus with the text after it than for the corpus alone.

    None if this Python has no xz.
    """
    try:
        import lzma
    except ImportError:
        return None
    size = min(MOST_DICTIONARY, 1 << max(12, (len(corpus) + len(text)).bit_length()))
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": size}]
    alone, both = (len(lzma.compress(data, lzma.FORMAT_RAW, filters=filters)) for data in (corpus, corpus + text))
    return both - alone
