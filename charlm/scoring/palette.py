"""Surprise as colour, in the terminal and on the page.

A token's surprise in bits falls into one of six bands. The first band is not painted. The colours of the others go from
blue over grey to yellow, each lighter than the one before, as in cividis (Nuñez, Anderton & Renslow, 2018): people who
cannot tell red from green see them apart, and so does a grey printer. On a light background the colours go the other
way, so that the most surprising tokens always contrast most with the background.
"""

import numpy as np

from ..score import LN2

BANDS = {
    "char": (2, 4, 6, 8, 10),
    "byte": (2, 4, 6, 8, 10),
    "subword": (3, 6, 9, 12, 15),
    "word": (5, 8, 11, 14, 17),
    "token": (3, 6, 9, 12, 15),
}  # the bits at which each band starts
# (background, text) of each band from the second on; all are among the 256 colours of a terminal
ON_DARK = (("#000087", "#ffffff"), ("#5f5f87", "#ffffff"), ("#87875f", "#000000"), ("#afaf5f", "#000000"))
ON_DARK += (("#ffff5f", "#000000"),)
ON_LIGHT = (("#ffd787", "#000000"), ("#d7af5f", "#000000"), ("#87875f", "#000000"), ("#5f5f87", "#ffffff"))
ON_LIGHT += (("#000087", "#ffffff"),)


def bands_of(nats: np.ndarray, level: str) -> np.ndarray:
    """The band 0…5 of each token, integers (n). nats: -log ŷ of the tokens (n)."""
    return np.searchsorted(BANDS[level], nats / LN2, side="right")


def legend(level: str) -> list[str]:
    """The range of bits of each band, in words."""
    edges = BANDS[level]
    between = [f"{low}–{high}" for low, high in zip((0, *edges), edges, strict=False)]
    return [*between, f"{edges[-1]} and more"]


# (background, text) of the bands of a difference: from blue, for less than the mean of some models, to orange, for
# more. Each side goes from pale to strong, so that the sign shows in the hue and the size in the lightness.
LESS_ON_LIGHT = (("#cfe1f5", "#000000"), ("#7fb2e0", "#000000"), ("#1a5a9e", "#ffffff"))
MORE_ON_LIGHT = (("#fde0c0", "#000000"), ("#f0a347", "#000000"), ("#9a4a00", "#ffffff"))
LESS_ON_DARK = (("#123a5c", "#ffffff"), ("#2b6cb0", "#ffffff"), ("#a6d0fa", "#000000"))
MORE_ON_DARK = (("#4d2c08", "#ffffff"), ("#9c5410", "#ffffff"), ("#ffc78a", "#000000"))
