"""Text in which each token has the colour of its surprise, as HTML."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..export.page.frame import as_text
from ..score import LN2
from ..scoring.palette import bands_of, legend
from ..text.vocabulary import EOS, UNITS, UNKNOWN

LINES, STREAM_PASSAGE = 8, 400  # of a list, so many lines; of a stream, one passage of at least so many characters


def painted(symbols: Iterable[str], tokens: np.ndarray, nats: np.ndarray, level: str, line_end: str = "↵") -> str:
    """A ``<b>`` for each token, with the class of its band.

    symbols: the text of each token; tokens: ids (n); nats: -log ŷ of each (n). line_end: what stands for a line feed.
    """
    spans = []
    for symbol, token, band in zip(symbols, tokens.tolist(), bands_of(nats, level).tolist(), strict=True):
        kind = f"s{band} u" if token == UNKNOWN else f"s{band}"
        spans.append(f'<b class="{kind}">{as_text(symbol).replace(chr(10), line_end)}</b>')
    return "".join(spans)


def legend_of(level: str) -> str:
    """What the colours mean, as the content of an element of the class legend."""
    words = "".join(f'<span class="s{band}">{words}</span>' for band, words in enumerate(legend(level)))
    return f'bits per {UNITS[level]}: {words}<span class="u">unknown</span>'


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A part of a text. symbols: the text of each token. tokens: ids (n). nats: -log ŷ of each (n)."""

    symbols: list[str]
    tokens: np.ndarray
    nats: np.ndarray

    @property
    def bits_per_character(self) -> float:
        return float(self.nats.sum(dtype=np.float64)) / LN2 / max(1, sum(map(len, self.symbols)))


def extreme_passages(
    tokens: np.ndarray, nats: np.ndarray, symbol_of: Callable[[int], str], lines: bool
) -> tuple[list[Passage], list[Passage]]:
    """The passages of a text with the fewest and with the most bits per character: lines of a list, or some hundred
    characters of a stream. Each has the most extreme one first, and no passage is in both.

    tokens: ids (n); nats: -log ŷ of each (n); symbol_of: the text of a token.
    """
    symbols = list(map(symbol_of, tokens.tolist()))
    least, number = (2, LINES) if lines else (STREAM_PASSAGE, 1)
    starts, length = [0], 0
    for position, (token, symbol) in enumerate(zip(tokens.tolist(), symbols, strict=True), 1):
        length += len(symbol)
        if (token == EOS and length >= least) or (not lines and length >= 2 * least):
            starts, length = [*starts, position], 0
    found = [
        Passage(symbols=symbols[start:stop], tokens=tokens[start:stop], nats=nats[start:stop])
        for start, stop in pairwise(starts)
    ]
    found.sort(key=lambda passage: passage.bits_per_character)
    number = min(number, len(found) // 2)
    return found[:number], found[len(found) - number :][::-1]
