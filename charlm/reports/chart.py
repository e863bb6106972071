"""Lines over axes, as an SVG picture. All labels are beside the axes, where no line can be."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"
BEGINNING = "<svg xmlns='http://www.w3.org/2000/svg' class='charlm'"
LEFT, TITLE, AXIS = 64, 60, 48  # room to the left of the axes, for the title and the legend, for each axis below
LABEL_HEIGHT = 15  # of a label beside the axes, with the room to the next one


@dataclass(frozen=True)
class Theme:
    """The colours of a picture: of text, of the axes, of the lines behind the curves, of the background."""

    ink: str
    faint: str
    grid: str
    ground: str


PAPER = Theme("#24292f", "#6e7781", "#eaeef2", "#ffffff")
PAGE = Theme("var(--text)", "var(--soft)", "var(--edge)", "var(--card)")  # see frame.css


@dataclass(frozen=True)
class Line:
    """A curve. points: (x, y), in order of x. dash: how it is broken (``stroke-dasharray``), "" for not at all."""

    name: str
    points: list[tuple[float, float]]
    colour: str
    dash: str = ""


@dataclass(frozen=True)
class Label:
    """A word beside the axes at the height of ``y``. x: where a point marks what it is about, None for no point."""

    words: str
    y: float
    colour: str
    x: float | None = None
    bold: bool = False


@dataclass(frozen=True)
class Axis:
    """An axis below the curves. ticks: (x, its name)."""

    title: str
    ticks: list[tuple[float, str]]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A picture of lines. x goes from 0 to ``stop``, y from ``low`` to ``high``.

    title, unit: above the curves, with the colours of the lines; "" for a page that says it itself. levels: y of
    horizontal lines. right: the room for the labels. description: for people who hear the page.
    """

    lines: list[Line]
    labels: list[Label]
    axes: list[Axis]
    stop: float
    low: float
    high: float
    levels: tuple[float, ...] = ()
    title: str = ""
    unit: str = ""
    description: str = ""
    theme: Theme = PAPER
    width: int = 760
    height: int = 400
    left: int = LEFT
    right: int = 128

    @property
    def _top(self) -> int:
        return 16 + (TITLE if self.title else 0)

    @property
    def _bottom(self) -> int:
        """The height of the lowest points."""
        return self.height - 4 - AXIS * len(self.axes)

    def _across(self, x: float) -> float:
        return self.left + x / self.stop * (self.width - self.right - self.left)

    def _up(self, y: float) -> float:
        return self._top + (self.high - y) / (self.high - self.low) * (self._bottom - self._top)

    def svg(self) -> str:
        """The picture, with the class charlm. Its text is escaped."""
        head = f"{BEGINNING} viewBox='0 0 {self.width} {self.height}' {FONT}"
        if self.description:
            return "\n".join(
                [f"{head} role='img'>", f"<title>{escape(self.description)}</title>", *self._body(), "</svg>\n"]
            )
        return "\n".join([f"{head}>", *self._body(), "</svg>\n"])

    def _body(self) -> Iterator[str]:
        theme, right = self.theme, self.width - self.right
        yield f"<rect width='{self.width}' height='{self.height}' rx='8' fill='{theme.ground}'/>"
        if self.title:
            yield from self._heading()
        for y in ticks(self.low, self.high):
            yield f"<path d='M{self.left} {self._up(y):.1f}H{right}' stroke='{theme.grid}'/>"
            yield self._text(self.left - 8, self._up(y) + 4, f"{y:.10g}", 11, theme.faint, "end")
        for number, axis in enumerate(self.axes):
            yield from self._axis(axis, self._bottom + AXIS * number)
        for y in self.levels:
            yield f"<path d='M{self.left} {self._up(y):.1f}H{right}' stroke='{theme.faint}' stroke-dasharray='4 3'/>"
        for line in self.lines:
            path = "L".join(f"{self._across(x):.1f} {self._up(y):.1f}" for x, y in line.points)
            dash = f" stroke-dasharray='{line.dash}'" if line.dash else ""
            yield (
                f"<path d='M{path}' fill='none' stroke='{line.colour}' stroke-width='2' stroke-linejoin='round'{dash}/>"
            )
        for label in self.labels:
            if label.x is not None:
                yield (
                    f"<circle cx='{self._across(label.x):.1f}' cy='{self._up(label.y):.1f}' r='4' "
                    f"fill='{label.colour}'/>"
                )
        for y, label in self._apart():
            yield self._text(right + 8, y + 4, label.words, 12, label.colour, weight=600 if label.bold else 400)

    def _axis(self, axis: Axis, y: float) -> Iterator[str]:
        faint, right = self.theme.faint, self.width - self.right
        yield f"<path d='M{self.left} {y}H{right}' stroke='{faint}'/>"
        for x, name in axis.ticks:
            yield f"<path d='M{self._across(x):.1f} {y}v4' stroke='{faint}'/>"
            yield self._text(self._across(x), y + 17, name, 11, faint, "middle")
        yield self._text((self.left + right) / 2, y + 33, axis.title, 12, faint, "middle")

    def _heading(self) -> Iterator[str]:
        """The title, and the colours of the lines."""
        yield self._text(20, 32, self.title, 17, self.theme.ink, weight=600)
        yield self._text(20, 54, self.unit, 12, self.theme.faint)
        x = 34 + 7 * len(self.unit)
        for line in self.lines:
            yield f"<path d='M{x} 50h22' stroke='{line.colour}' stroke-width='2'/>"
            yield self._text(x + 28, 54, line.name, 12, self.theme.ink)
            x += 100

    def _apart(self) -> list[tuple[float, Label]]:
        """(height, label) of each label, from top to bottom. Labels that would overlap are moved apart, and stay
        between the axes' ends."""
        labels = sorted(self.labels, key=lambda label: (self._up(label.y), label.words))
        heights = [self._up(label.y) for label in labels]
        for number in range(1, len(heights)):
            heights[number] = max(heights[number], heights[number - 1] + LABEL_HEIGHT)
        limit: float = self._bottom
        for number in reversed(range(len(heights))):
            heights[number] = min(heights[number], limit)
            limit = heights[number] - LABEL_HEIGHT
        return list(zip(heights, labels, strict=True))

    def _text(self, x, y, content, size, colour, anchor="start", weight=400):
        return (
            f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' font-weight='{weight}' fill='{colour}' "
            f"text-anchor='{anchor}' stroke='{self.theme.ground}' stroke-width='3' paint-order='stroke'>"
            f"{escape(content)}</text>"
        )


def ticks(low: float, high: float, most: int = 9) -> list[float]:
    """About half of ``most`` to ``most`` round numbers from ``low`` to ``high``."""
    if not high > low:
        return [low]
    least = (high - low) / ((most - 1) / 2)
    power = 10.0 ** math.floor(math.log10(least))
    step = next(step * power for step in (5, 2, 1) if step * power <= least)
    start, stop = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1
    return [round(number * step, 12) for number in range(start, stop)]
