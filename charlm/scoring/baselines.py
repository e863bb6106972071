"""The figures of n-gram baselines and xz on a text, next to the figures of a model."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ..errors import CorpusError
from ..model import Model
from ..score import LN2, Score
from ..text.baselines import baselines, xz_bytes
from ..text.corpus import line_starts
from ..text.reading import names_of, read_text
from .perplexity import Total, check_not_empty
from .pipeline import ScoredBlock

BY_TOKEN = ("nats_per_token", "perplexity")
BY_TEXT = ("bits_per_character", "bits_per_byte", "bits_per_byte_spelled")


class TrainingText:
    """A text for the baselines of a model to learn from: files, read as the model reads text. It is kept in memory.

    Raises CorpusError if the files hold no text.
    """

    def __init__(self, model: Model, paths, encoding: str = "utf-8"):
        self.vocabulary, self.lines = model.vocabulary, model.lines
        self.pieces = list(read_text(paths, self.vocabulary.level, encoding, form=self.vocabulary.form))
        tokens = np.concatenate([self.vocabulary.encode(piece) for piece in self.pieces] or [np.zeros(0, np.uint8)])
        if self.lines:
            lengths = np.diff(line_starts(tokens))
            tokens = tokens[np.repeat(lengths > 1, lengths)]
        if not len(tokens):
            raise CorpusError(f"there is no text in {names_of(paths)}")
        self.tokens = tokens


def score_with_baselines(
    scored: Iterable[list[ScoredBlock]], training: TrainingText, paths
) -> tuple[Score, dict[str, dict[str, float]]]:
    """The score of a model, and for each baseline, by name, its figures (BY_TOKEN, BY_TEXT) on the same text.

    The n-grams have the vocabulary of the model, and so the same <UNK>; xz has none, and spells everything.

    scored: the scored blocks of the model with ``perplexity.COLUMNS``; their text is kept in memory. paths: the names
    of the text, for the CorpusError if it is empty.
    """
    total, tokens, texts = Total(), [], []
    for (block,) in scored:
        total.add(block)
        tokens.append(block.tokens)
        texts.append(block.text)
    score, found = check_not_empty(total.score, paths), {}
    vocabulary, lines = training.vocabulary, training.lines
    for baseline in baselines(training.tokens, np.concatenate(tokens), len(vocabulary), vocabulary.level, lines):
        found[baseline.name] = _figures(score, baseline.nats, BY_TOKEN + BY_TEXT)
    more = xz_bytes(_joined(training.pieces, lines), _joined(texts, lines))
    if more is not None:
        found["xz"] = _figures(replace(score, unknown_bytes=0), 8 * LN2 * more, BY_TEXT)
    return score, found


def _figures(score, nats, names) -> dict[str, float]:
    """Some figures of a text with these nats, which has the counts of ``score``."""
    figures = replace(score, nats=nats).as_dict()
    return {name: figures[name] for name in names}


def _joined(pieces, lines) -> bytes:
    """The pieces of a text as one, in UTF-8; without blank lines if the model is a model of lines."""
    text = b"".join(piece if isinstance(piece, bytes) else piece.encode("utf-8", "surrogatepass") for piece in pieces)
    return b"".join(line + b"\n" for line in text.split(b"\n") if line) if lines else text
