"""Surprise as colour, in the terminal and on the page.

A token's surprise, in bits, falls into one of six bands. The first is not painted; the others go from blue over grey
to yellow with a lightness that rises steadily, as in cividis (Nuñez, Anderton & Renslow, 2018), so that they are told
apart by those who do not see red and green, and in grey. On light ground they go the other way: what surprises most
is always furthest from the ground.
"""

import numpy as np

from ..figures import LN2

BANDS = {"char": (2, 4, 6, 8, 10), "byte": (2, 4, 6, 8, 10), "word": (5, 8, 11, 14, 17)}  # bits where each begins
# (ground, ink) of the bands from the second on; all are among the 256 colours of a terminal as they stand
ON_DARK = (("#000087", "#ffffff"), ("#5f5f87", "#ffffff"), ("#87875f", "#000000"), ("#afaf5f", "#000000"))
ON_DARK += (("#ffff5f", "#000000"),)
ON_LIGHT = (("#ffd787", "#000000"), ("#d7af5f", "#000000"), ("#87875f", "#000000"), ("#5f5f87", "#ffffff"))
ON_LIGHT += (("#000087", "#ffffff"),)


def bands_of(nats: np.ndarray, level: str) -> np.ndarray:
    """The band 0…5 of each of some tokens, (n)."""
    return np.searchsorted(BANDS[level], nats / LN2, side="right")


def legend(level: str) -> list[str]:
    """The bits of each band in words."""
    edges = BANDS[level]
    between = [f"{low}–{high}" for low, high in zip((0, *edges), edges, strict=False)]
    return [*between, f"{edges[-1]} and more"]
