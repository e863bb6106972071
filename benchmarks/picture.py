"""Small panels with lines, both axes logarithmic, as one SVG."""

import math
from dataclasses import dataclass
from html import escape

COLUMNS = 3
WIDTH, HEIGHT = 320, 236  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 42, 12, 52, 34  # between the edge of a panel and its axes
INSET = 20  # between the ends of the axis and the outer points, for the labels
MARGIN, HEAD = 20, 84
INK, FAINT, GRID, MEASURED, LEAST = "#24292f", "#6e7781", "#eaeef2", "#0a5fb4", "#c2571a"
FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"


@dataclass(frozen=True)
class Panel:
    """The measured points (x, y), all above 0, and the points of a line to compare them with (may be empty)."""

    title: str
    subtitle: str
    measured: list[tuple[float, float]]
    least: list[tuple[float, float]]


def draw(title: str, subtitle: str, legend: tuple[str, str], panels: list[Panel]) -> str:
    """The picture. legend: the texts for the measured points and for the other line."""
    columns = min(COLUMNS, max(1, len(panels)))
    width = max(2 * MARGIN + columns * WIDTH, 560)
    height = HEAD + -(-len(panels) // columns) * HEIGHT + MARGIN
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' {FONT}>",
        f"<rect width='{width}' height='{height}' rx='8' fill='#ffffff'/>",
        _text(MARGIN + 8, 34, title, 19, INK, weight=600),
        _text(MARGIN + 8, 54, subtitle, 12, FAINT),
        f"<circle cx='{MARGIN + 14}' cy='70' r='4' fill='{MEASURED}'/>",
        _text(MARGIN + 26, 74, legend[0], 12, INK),
        f"<path d='M{MARGIN + 108} 70h26' stroke='{LEAST}' stroke-width='1.5' stroke-dasharray='4 3'/>",
        _text(MARGIN + 142, 74, legend[1], 12, INK),
    ]
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        parts += [
            f"<g transform='translate({MARGIN + column * WIDTH} {HEAD + row * HEIGHT})'>",
            *_panel(panel),
            "</g>",
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel):
    xs, ys = [x for x, _ in panel.measured], [y for _, y in panel.measured + panel.least]
    low, high = span(min(ys), max(ys))

    def across(x):
        return LEFT + INSET + _fraction(x, min(xs), max(xs)) * (WIDTH - LEFT - RIGHT - 2 * INSET)

    def up(y):
        return HEIGHT - BOTTOM - _fraction(y, low, high) * (HEIGHT - TOP - BOTTOM)

    yield _text(8, 22, panel.title, 13, INK, weight=600)
    yield _text(8, 38, panel.subtitle, 11, FAINT)
    for y in ticks(low, high):
        yield f"<path d='M{LEFT} {up(y):.1f}H{WIDTH - RIGHT}' stroke='{GRID}'/>"
        yield _text(LEFT - 6, up(y) + 4, short(y), 10, FAINT, "end")
    for x in xs:
        yield f"<path d='M{across(x):.1f} {HEIGHT - BOTTOM}v4' stroke='{FAINT}'/>"
        yield _text(across(x), HEIGHT - BOTTOM + 17, short(x), 10, FAINT, "middle")
    yield f"<path d='M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - RIGHT}' stroke='{FAINT}'/>"
    for points, style in (
        (panel.least, f"stroke='{LEAST}' stroke-width='1.5' stroke-dasharray='4 3'"),
        (panel.measured, f"stroke='{MEASURED}' stroke-width='2'"),
    ):
        if points:
            path = "L".join(f"{across(x):.1f} {up(y):.1f}" for x, y in points)
            yield f"<path d='M{path}' fill='none' {style}/>"
    for x, y in panel.measured:
        yield f"<circle cx='{across(x):.1f}' cy='{up(y):.1f}' r='3.5' fill='{MEASURED}'/>"
        yield _text(across(x), up(y) - 8, three_figures(y), 10, INK, "middle", halo=True)


def _text(x, y, content, size, colour, anchor="start", weight=400, halo=False):
    behind = " stroke='#ffffff' stroke-width='3' paint-order='stroke'" if halo else ""
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' font-weight='{weight}' fill='{colour}' "
        f"text-anchor='{anchor}'{behind}>{escape(content)}</text>"
    )


def _fraction(value, low, high):
    """The position of a value between two others, 0…1, on a logarithmic scale; 0.5 if these two are equal."""
    return math.log(value / low) / math.log(high / low) if high > low else 0.5


def span(low: float, high: float) -> tuple[float, float]:
    """The ends of an axis around these values: at least a decade, with space for a label above."""
    low, high = low / 1.15, high * 1.5
    if high < 10 * low:
        middle = math.sqrt(low * high)
        low, high = middle / math.sqrt(10), middle * math.sqrt(10)
    return low, high


def ticks(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, … between two values, or only powers of ten if the range is large."""
    steps = (1, 2, 5) if high / low < 200 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]


def short(value: float) -> str:
    """50,000 as 50k, with only the digits that are needed."""
    return f"{value / 1000:g}k" if value >= 10_000 else f"{value:g}"


def three_figures(value: float) -> str:
    return f"{value:#.3g}".rstrip(".") if value < 1000 else f"{value:,.0f}"
