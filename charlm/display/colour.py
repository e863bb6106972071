"""Text painted by its surprise, for a terminal."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from ..text.visible import visible
from ..text.vocabulary import UNITS
from . import write

if TYPE_CHECKING:
    from ..model import Model
    from ..scoring.perplexity import ScoredBlock


class Painter:
    """Writes text to stdout, each token painted by its surprise, in true colour where the terminal says that it has
    it and in 256 colours elsewhere, wrapped at its width. level: what the tokens are; light: the terminal's ground is.
    """

    def __init__(self, level: str, light: bool = False):
        from rich.console import Console
        from rich.style import Style

        from ..reports.palette import ON_DARK, ON_LIGHT

        true_colour = os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
        self.level, self.page = level, io.StringIO()
        self.console = Console(
            file=self.page, force_terminal=True, color_system="truecolor" if true_colour else "256", highlight=False
        )
        colours = ON_LIGHT if light else ON_DARK
        self.styles = [Style(), *(Style(color=ink, bgcolor=ground) for ground, ink in colours)]
        self.styles[-1] += Style(bold=True)
        self.unknown = [style + Style(underline=True) for style in self.styles]

    def write_legend(self) -> None:
        from rich.text import Text

        from ..reports.palette import legend

        line = Text(f"bits a {UNITS[self.level]}: ")
        for style, words in zip(self.styles, legend(self.level), strict=True):
            line.append(f" {words} ", style)
        line.append("  ")
        line.append("unknown", self.unknown[0])
        self._print(line)
        self._print(Text())
        self._let_out()

    def write_passage(self, passage: ScoredBlock) -> None:
        """Each line of it, with a ↵ where its end surprises."""
        from rich.text import Text

        from ..reports.palette import bands_of
        from ..text.vocabulary import UNKNOWN

        symbols = iter(passage.symbols())
        bands = iter(bands_of(passage.measures.nats, self.level).tolist())
        unknown = iter((passage.tokens == UNKNOWN).tolist())
        for length in passage.lengths.tolist():
            line = Text()
            for symbol, band, is_unknown in islice(zip(symbols, bands, unknown, strict=True), length):
                text = visible(symbol) if symbol != "\n" else "↵" if band else ""
                line.append(text, (self.unknown if is_unknown else self.styles)[band])
            self._print(line)
        self._let_out()

    def _print(self, line):
        self.console.print(line, overflow="fold")

    def _let_out(self):
        write(self.page.getvalue())
        self.page.seek(0)
        self.page.truncate()


def paint(passages: Iterable[ScoredBlock], model: Model, background: str | None = None) -> None:
    """Write a text to stdout, painted by its surprise to the model, under a legend. background: "light" or "dark",
    None for what the terminal says of itself."""
    painter = Painter(model.vocabulary.level, (background or _background()) == "light")
    for number, passage in enumerate(passages):
        if not number:
            painter.write_legend()
        painter.write_passage(passage)


def _background() -> str:
    """The terminal's ground by the variable COLORFGBG, which some of them set ("0;15" is black on white); dark where it
    is not known."""
    number = os.environ.get("COLORFGBG", "").rpartition(";")[2]
    return "light" if number in ("7", *map(str, range(9, 16))) else "dark"
