"""Text in which each token has the colour of its surprise, as HTML."""

from collections.abc import Iterable

import numpy as np

from ..export.page.frame import as_text
from ..scoring.palette import bands_of, legend
from ..text.vocabulary import UNITS, UNKNOWN


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
