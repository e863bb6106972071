"""Several models on one text: which is better, and how surely.

All read the same text in one go, and are ranked by bits per byte. How far a difference would move on another text of
the kind is estimated by a paired bootstrap over lines (Efron, 1979; Koehn, 2004): lines are drawn again and again,
with replacement, as many as there are, each with what all models made of it. An interval that holds 0 says that the
text does not tell the two apart.

A symbol that a model does not know costs it <UNK> and not the symbol itself, so that a small vocabulary looks good.
No penalty is invented for that; beside the figure stands the one of a model that spells its unknown symbols out, byte
by byte at 8 bits: the truth lies between the two.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np

from ..errors import CorpusError
from ..figures import LN2, Score
from ..model import Model
from ..text.baselines import baselines, xz_bytes
from ..text.corpus import line_starts
from ..text.reading import name_of, read_text
from ..text.vocabulary import UNKNOWN, as_bytes
from .blocks import text_blocks
from .perplexity import Total, scored_blocks

MOST_UNITS = 20_000  # lines that are drawn one by one; in a longer text, as many runs of 2, 4, 8 … lines at most
RESAMPLES = 2000
CONFIDENCE = 0.95
BY_TOKEN = ("nats_per_token", "perplexity")
BY_TEXT = ("bits_per_character", "bits_per_byte")


@dataclass(frozen=True)
class Ranking:
    """One model's place. name: of its file; difference: its bits per byte minus those of the best; interval: of the
    difference, at CONFIDENCE, None where there are too few lines to draw from; spelled: bits per byte where each
    unknown symbol is spelled out, and a word ended by a byte more."""

    name: str
    level: str
    score: Score
    difference: float
    interval: tuple[float, float] | None
    spelled: float

    def as_dict(self) -> dict:
        """All figures, for JSON."""
        own = {"model": self.name, "level": self.level, "difference": self.difference, "interval": self.interval}
        return own | self.score.as_dict() | {"bits_per_byte_spelled": self.spelled}


class LineSums:
    """Sums over lines in constant memory: over each line, and from MOST_UNITS lines on over runs of ``size`` lines."""

    def __init__(self, columns: int):
        self.size, self._whole = 1, np.zeros((0, columns))
        self._lines = np.zeros((0, columns))  # those that make no whole unit yet

    def add(self, lines: np.ndarray) -> None:
        """lines: (lines, columns)."""
        while len(lines):
            room = (MOST_UNITS - len(self._whole)) * self.size - len(self._lines)
            now, lines = np.concatenate((self._lines, lines[:room])), lines[room:]
            whole = len(now) - len(now) % self.size
            units = now[:whole].reshape(-1, self.size, now.shape[1]).sum(1)
            self._whole, self._lines = np.concatenate((self._whole, units)), now[whole:]
            if len(self._whole) == MOST_UNITS:
                self._whole, self.size = self._whole[0::2] + self._whole[1::2], 2 * self.size

    def sums(self) -> np.ndarray:
        """(units, columns)"""
        rest = self._lines.sum(0, keepdims=True)
        return np.concatenate((self._whole, rest)) if len(self._lines) else self._whole


def bootstrap(values: np.ndarray, sizes: np.ndarray, resamples: int = RESAMPLES) -> np.ndarray:
    """Σ values / Σ sizes over units drawn with replacement, (resamples, columns); the same for every call.

    values: (units, columns); sizes: (units).
    """
    random, units = np.random.default_rng(1), len(values)
    ratios = np.empty((resamples, values.shape[1]))
    for number in range(resamples):
        times = np.bincount(random.integers(0, units, units), minlength=units)
        ratios[number] = times @ values / (times @ sizes)
    return ratios


def compare(
    models: list[Model], names: list[str], text: Iterable[str | bytes], **how
) -> tuple[list[Ranking], LineSums]:
    """The models' standings, the best first, on a text in blocks of whole lines, and the lines' sums: bytes, then the
    nats of each model. Where one of the models is of lines, blank lines count for none. how: see ``levels.passages``.
    """
    totals, spelled, units = [Total() for _ in models], [0] * len(models), LineSums(1 + len(models))
    for block in scored_blocks(models, text, ("ranks",), **how):
        for number, passage in enumerate(block):
            totals[number].add(passage)
            spelled[number] += _bytes_of_unknown(passage)
        nats = [passage.sums(passage.measures.nats) for passage in block]
        units.add(np.column_stack([_bytes(block[0]), *nats]))
    scores, sums = [total.score for total in totals], units.sums()
    order = sorted(range(len(models)), key=lambda number: scores[number].bits_per_byte)
    best = order[0]
    intervals = [None] * len(models)
    if np.count_nonzero(sums[:, 0]) > 1:
        sums = sums[sums[:, 0] > 0]
        ratios = bootstrap((sums[:, 1:] - sums[:, [1 + best]]) / LN2, sums[:, 0])
        tails = np.quantile(ratios, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
        intervals = [tuple(column) for column in tails.T.tolist()]
    standings = [
        Ranking(
            names[number],
            models[number].vocabulary.level,
            scores[number],
            scores[number].bits_per_byte - scores[best].bits_per_byte,
            intervals[number],
            scores[number].bits_per_byte + 8 * spelled[number] / max(1, scores[number].bytes),
        )
        for number in order
    ]
    return standings, units


def compare_files(
    models: list[Model], names: list[str], paths, *, encoding: str = "utf-8", **how
) -> tuple[list[Ranking], LineSums]:
    """The same for files, one text after the other; "-" is standard input. Raises CorpusError where there is no
    text."""
    standings, units = compare(models, names, text_blocks(models, paths, True, encoding), **how)
    if not any(standing.score.tokens for standing in standings):
        raise CorpusError(f"there is no text in {', '.join(map(name_of, paths))}")
    return standings, units


def score_with_baselines(
    model: Model, paths, corpus, *, encoding: str = "utf-8", **how
) -> tuple[Score, dict[str, dict[str, float]]]:
    """The score of some files, and by name the figures (BY_TOKEN, BY_TEXT) of what counting on the files ``corpus``
    makes of them; the text is held in memory. Raises CorpusError where there is no text."""
    level, lines = model.vocabulary.level, model.lines
    pieces = list(read_text(corpus, level, encoding))
    train = np.concatenate([model.vocabulary.encode(piece) for piece in pieces] or [np.zeros(0, np.uint8)])
    if lines:
        lengths = np.diff(line_starts(train))
        train = train[np.repeat(lengths > 1, lengths)]
    if not len(train):
        raise CorpusError(f"there is no text in {', '.join(map(name_of, corpus))}")
    total, tokens, texts = Total(), [], []
    text = text_blocks([model], paths, False, encoding)
    for (passage,) in scored_blocks([model], text, ("ranks",), **how):
        total.add(passage)
        tokens.append(passage.tokens)
        texts.append(passage.text)
    score, found = total.score, {}
    if not score.tokens:
        raise CorpusError(f"there is no text in {', '.join(map(name_of, paths))}")
    for baseline in baselines(train, np.concatenate(tokens), len(model.vocabulary), level, lines):
        found[baseline.name] = _figures(score, baseline.nats, BY_TOKEN + BY_TEXT)
    more = xz_bytes(_without_blanks(pieces, lines), _without_blanks(texts, lines))
    if more is not None:
        found["xz"] = _figures(score, 8 * LN2 * more, BY_TEXT)
    return score, found


def _figures(score, nats, names) -> dict[str, float]:
    figures = replace(score, nats=nats).as_dict()
    return {name: figures[name] for name in names}


def _without_blanks(pieces, lines) -> bytes:
    text = b"".join(piece if isinstance(piece, bytes) else piece.encode("utf-8", "surrogatepass") for piece in pieces)
    return b"".join(line + b"\n" for line in text.split(b"\n") if line) if lines else text


def _bytes(passage) -> np.ndarray:
    """Bytes (UTF-8) of each line of a passage, its end included; 0 for a line that is left out."""
    text = passage.text if isinstance(passage.text, bytes) else passage.text.encode("utf-8", "surrogatepass")
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == 10) + 1
    return np.where(passage.lengths > 0, np.diff(ends, prepend=0), 0)


def _bytes_of_unknown(passage) -> int:
    unknown = passage.tokens == UNKNOWN
    if not unknown.any():
        return 0
    end = passage.model.vocabulary.level == "word"
    return sum(len(as_bytes(symbol)) + end for symbol in compress(passage.symbols(), unknown.tolist()))
