"""The losses of a training, drawn in characters for a terminal, or as an SVG picture."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from ..files import check_outputs

INK, FAINT, GRID, HELD_OUT, TRAINING = "#24292f", "#6e7781", "#eaeef2", "#0a5fb4", "#c2571a"
FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"
BEGINNING = "<svg xmlns='http://www.w3.org/2000/svg' class='charlm'"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 64, 24, 76, 52  # of the picture, and from its edges to the axes


@dataclass(frozen=True)
class LossCurve:
    """Losses in nats per ``unit``: (updates, training loss, held-out loss or None) for each evaluation."""

    history: list[tuple[int, float, float | None]]
    unit: str

    @property
    def training(self) -> list[tuple[float, float]]:
        return [(step, loss) for step, loss, _ in self.history]

    @property
    def held_out(self) -> list[tuple[float, float]]:
        return [(step, loss) for step, _, loss in self.history if loss is not None]

    @property
    def span(self) -> tuple[float, float]:
        """The lowest and the highest loss, at least 0.01 apart."""
        losses = [loss for _, loss in self.training + self.held_out]
        low, high = min(losses), max(losses)
        return (low, high) if high - low >= 0.01 else (low - 0.005, high + 0.005)


def check_picture(path, used) -> None:
    """Raise CharlmError now if the picture could not be written to ``path`` later, or would overwrite a file that is
    not a picture of charlm, or one of the files ``used``."""
    check_outputs((path,), used, _is_picture, "a picture of charlm", "--plot")


def _is_picture(path):
    with open(path, "rb") as file:
        return file.read(len(BEGINNING)) in (b"", BEGINNING.encode())


def in_characters(curve: LossCurve, width: int, height: int, ascii_only: bool = False) -> list[str]:
    """The curve in lines of at most ``width`` characters, ``height`` of them for the plot; no line where there are
    fewer than two evaluations or too little room."""
    columns = width - 8
    if len(curve.history) < 2 or columns < 20 or height < 3:
        return []
    dot, ring, side, corner, floor = ".o|+-" if ascii_only else "·●│└─"
    low, high = curve.span
    last = curve.history[-1][0]
    rows = [[" "] * columns for _ in range(height)]

    def put(step, loss, mark):
        row = round((high - loss) / (high - low) * (height - 1))
        rows[row][round(step / last * (columns - 1))] = mark

    for column in range(columns):
        step = column / (columns - 1) * last
        if step >= curve.history[0][0]:
            put(step, _between(curve.training, step), dot)
    for step, loss in curve.held_out:
        put(step, loss, ring)
    labels = [f"{high - number / (height - 1) * (high - low):6.3f}" for number in range(height)]
    labelled = {0, height - 1, *range(0, height - 2, 3)}
    lines = [
        f"{label if number in labelled else '':>6} {side}{''.join(row).rstrip()}"
        for number, (label, row) in enumerate(zip(labels, rows, strict=True))
    ]
    end = f"{last:,} updates"
    legend = f"{dot} training" + (f"   {ring} held out" if curve.held_out else "")
    return [
        *lines,
        f"{corner}{floor * (columns - len(end) - 1)} {end}".rjust(width),
        f"{'':8}{legend}, nats per {curve.unit}"[:width],
    ]


def _between(points, x):
    """The value at x on the straight lines through the points, which are in order of x."""
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        if x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0) if x1 > x0 else y1
    return points[-1][1]


def as_svg(curve: LossCurve, title: str, others: dict[str, float]) -> str:
    """The curve as a picture. others: losses of other models by name, in nats per unit; a loss in the curve's span, or
    close to it, is drawn as a horizontal line."""
    head = f"{BEGINNING} viewBox='0 0 {WIDTH} {HEIGHT}' {FONT}>"
    if not curve.history:
        return f"{head}\n</svg>\n"
    low, high = curve.span
    others = {name: loss for name, loss in others.items() if low - (high - low) / 2 <= loss <= high + (high - low) / 8}
    low, high = min(low, *others.values(), high), max(high, *others.values(), low)
    margin = 0.06 * (high - low)
    low, high = low - margin, high + margin
    last = max(1, curve.history[-1][0])

    def across(step):
        return LEFT + step / last * (WIDTH - LEFT - RIGHT)

    def up(loss):
        return TOP + (high - loss) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def body() -> Iterator[str]:
        yield f"<rect width='{WIDTH}' height='{HEIGHT}' rx='8' fill='#ffffff'/>"
        yield _text(LEFT - 44, 32, title, 17, INK, weight=600)
        yield _text(LEFT - 44, 54, f"nats per {curve.unit}:", 12, FAINT)
        x = LEFT + 60
        for name, colour in (("held out", HELD_OUT), ("training", TRAINING)):
            yield f"<path d='M{x} 50h22' stroke='{colour}' stroke-width='2'/>"
            yield _text(x + 28, 54, name, 12, INK)
            x += 100
        for loss in ticks(low, high):
            yield f"<path d='M{LEFT} {up(loss):.1f}H{WIDTH - RIGHT}' stroke='{GRID}'/>"
            yield _text(LEFT - 8, up(loss) + 4, f"{loss:.10g}", 11, FAINT, "end")
        for step in ticks(0, last):
            yield f"<path d='M{across(step):.1f} {HEIGHT - BOTTOM}v4' stroke='{FAINT}'/>"
            yield _text(across(step), HEIGHT - BOTTOM + 18, f"{step:,.0f}", 11, FAINT, "middle")
        yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "updates", 12, FAINT, "middle")
        yield f"<path d='M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - RIGHT}' stroke='{FAINT}'/>"
        for name, loss in others.items():
            yield f"<path d='M{LEFT} {up(loss):.1f}H{WIDTH - RIGHT}' stroke='{FAINT}' stroke-dasharray='4 3'/>"
            yield _text(WIDTH - RIGHT - 4, up(loss) - 5, f"{name} {loss:.4f}", 11, FAINT, "end")
        for points, colour in ((curve.training, TRAINING), (curve.held_out, HELD_OUT)):
            if points:
                path = "L".join(f"{across(step):.1f} {up(loss):.1f}" for step, loss in points)
                yield f"<path d='M{path}' fill='none' stroke='{colour}' stroke-width='2' stroke-linejoin='round'/>"
        if curve.held_out:
            step, loss = min(curve.held_out, key=lambda point: point[1])
            yield f"<circle cx='{across(step):.1f}' cy='{up(loss):.1f}' r='4' fill='{HELD_OUT}'/>"
            anchor = "end" if step > 0.8 * last else "middle"
            yield _text(across(step), up(loss) - 10, f"{loss:.4f}", 12, INK, anchor, weight=600)

    return "\n".join([head, *body(), "</svg>"]) + "\n"


def _text(x, y, content, size, colour, anchor="start", weight=400):
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' font-weight='{weight}' fill='{colour}' "
        f"text-anchor='{anchor}' stroke='#ffffff' stroke-width='3' paint-order='stroke'>{escape(content)}</text>"
    )


def ticks(low: float, high: float) -> list[float]:
    """About four to nine round numbers from ``low`` to ``high``."""
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(step * power for step in (5, 2, 1) if step * power <= (high - low) / 4)
    start, stop = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1
    return [round(number * step, 12) for number in range(start, stop)]
