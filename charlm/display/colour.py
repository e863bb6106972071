"""A text painted by its surprise, for a terminal."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..text.visible import visible
from ..text.vocabulary import UNITS
from . import write

if TYPE_CHECKING:
    from ..scoring.pipeline import ScoredBlock


class Painter:
    """Writes a text to stdout, wrapped at the width of the terminal, and paints each token by its surprise. The colours
    are true colours if the terminal says that it has them, else among the 256 colours.

    level: of the tokens; light: whether the terminal's background is light.
    """

    def __init__(self, level: str, light: bool = False):
        from rich.console import Console
        from rich.style import Style

        from ..scoring.palette import ON_DARK, ON_LIGHT

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
        """The colour of each band."""
        from rich.text import Text

        from ..scoring.palette import legend

        line = Text(f"bits per {UNITS[self.level]}: ")
        for style, words in zip(self.styles, legend(self.level), strict=True):
            line.append(f" {words} ", style)
        line.append("  ")
        line.append("unknown", self.unknown[0])
        self._print(line)
        self._print(Text())
        self._flush()

    def write_block(self, block: ScoredBlock) -> None:
        """Each line of a block of whole lines, with a ↵ at a line end that is surprising."""
        from rich.text import Text

        from ..scoring.palette import bands_of
        from ..text.vocabulary import UNKNOWN

        symbols = iter(block.symbols())
        bands = iter(bands_of(block.scores.nats, self.level).tolist())
        unknown = iter((block.tokens == UNKNOWN).tolist())
        for length in block.lengths.tolist():
            line = Text()
            for left, symbol, band, is_unknown in zip(range(length, 0, -1), symbols, bands, unknown, strict=False):
                text = visible(symbol) if symbol != "\n" else "↵" if band else ""
                text += "\n" if symbol == "\n" and left > 1 else ""  # inside an item of several lines
                line.append(text, (self.unknown if is_unknown else self.styles)[band])
            self._print(line)
        self._flush()

    def _print(self, line):
        self.console.print(line, overflow="fold")

    def _flush(self):
        write(self.page.getvalue())
        self.page.seek(0)
        self.page.truncate()


def paint(scored: Iterable[list[ScoredBlock]], level: str, background: str | None = None) -> None:
    """Write a text to stdout, under a legend, painted by its surprise to a model. scored: the scored blocks of the
    model, in whole lines; background: of the terminal, "light" or "dark", None to believe COLORFGBG."""
    painter = Painter(level, (background or _background()) == "light")
    for number, (block,) in enumerate(scored):
        if not number:
            painter.write_legend()
        painter.write_block(block)


def _background() -> str:
    """The background of the terminal by the variable COLORFGBG, which some terminals set ("0;15" is black on white);
    dark if it is not set."""
    number = os.environ.get("COLORFGBG", "").rpartition(";")[2]
    return "light" if number in ("7", *map(str, range(9, 16))) else "dark"
