"""The losses of a training, drawn in characters for a terminal, or as an SVG picture."""

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from operator import itemgetter

from ..files import check_outputs

INK, FAINT, GRID, HELD_OUT, TRAINING = "#24292f", "#6e7781", "#eaeef2", "#0a5fb4", "#c2571a"
FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"
BEGINNING = "<svg xmlns='http://www.w3.org/2000/svg' class='charlm'"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 400, 64, 128, 76, 52  # of the picture, and from its edges to the axes
LABEL_HEIGHT = 15  # of a label beside the axes, with the room to the next one


@dataclass(frozen=True)
class LossCurve:
    """Losses in nats per ``unit``.

    history: (update, training loss or None, held-out loss or None), in order; each has at least one loss. kept:
    (update, held-out loss) of the best model; the lowest held-out loss if not given.
    """

    history: list[tuple[int, float | None, float | None]]
    unit: str
    kept: tuple[int, float] | None = None

    @property
    def training(self) -> list[tuple[int, float]]:
        return [(step, loss) for step, loss, _ in self.history if loss is not None]

    @property
    def held_out(self) -> list[tuple[int, float]]:
        return [(step, loss) for step, _, loss in self.history if loss is not None]

    @property
    def best(self) -> tuple[int, float] | None:
        """(update, held-out loss) of the best model, None where nothing is held out."""
        return self.kept or min(self.held_out, key=lambda point: point[1], default=None)

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
    fewer than two points or too little room."""
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

    training = curve.training
    for column in range(columns) if training else ():
        step = column / (columns - 1) * last
        if step >= training[0][0]:
            put(step, _near(training, step, last / columns), dot)
    for step, loss in curve.held_out:
        put(step, loss, ring)
    labels = [f"{high - number / (height - 1) * (high - low):6.3f}" for number in range(height)]
    labelled = {0, height - 1, *range(0, height - 2, 3)}
    lines = [
        f"{label if number in labelled else '':>6} {side}{''.join(row).rstrip()}"
        for number, (label, row) in enumerate(zip(labels, rows, strict=True))
    ]
    end = f"{last:,} updates"
    legend = f"{'':8}{dot} training" + (f"   {ring} held out" if curve.held_out else "")
    unit = f", nats per {curve.unit}"
    return [
        *lines,
        f"{corner}{floor * (columns - len(end) - 1)} {end}".rjust(width),
        legend + (unit if len(legend + unit) <= width else ""),
    ]


def _near(points, x, reach):
    """The mean of the points that are at most ``reach`` from x, so that a curve of many points is not torn; where these
    are one or two, the value at x on the straight lines through the points, which are in order of x."""
    start, stop = (bisect_left(points, at, key=itemgetter(0)) for at in (x - reach, x + reach))
    near = [y for _, y in points[start:stop]]
    if len(near) > 2:
        return sum(near) / len(near)
    after = bisect_left(points, x, key=itemgetter(0))
    if not 0 < after < len(points):
        return points[min(after, len(points) - 1)][1]
    (x0, y0), (x1, y1) = points[after - 1 : after + 1]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def as_svg(curve: LossCurve, title: str, others: dict[str, float]) -> str:
    """The curve as a picture. others: losses of other models by name, in nats per unit; a loss in the curve's span, or
    close to it, is drawn as a horizontal line.

    The labels are beside the axes, where no curve can be.
    """
    head = f"{BEGINNING} viewBox='0 0 {WIDTH} {HEIGHT}' {FONT}>"
    if not curve.history:
        return f"{head}\n</svg>\n"
    low, high = curve.span
    others = {name: loss for name, loss in others.items() if low - (high - low) / 2 <= loss <= high + (high - low) / 8}
    low, high = min(low, *others.values(), high), max(high, *others.values(), low)
    margin = 0.06 * (high - low)
    low, high = low - margin, high + margin
    last, right = max(1, curve.history[-1][0]), WIDTH - RIGHT

    def across(step):
        return LEFT + step / last * (right - LEFT)

    def up(loss):
        return TOP + (high - loss) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def body() -> Iterator[str]:
        yield f"<rect width='{WIDTH}' height='{HEIGHT}' rx='8' fill='#ffffff'/>"
        yield from _heading(title, curve.unit)
        for loss in ticks(low, high):
            yield f"<path d='M{LEFT} {up(loss):.1f}H{right}' stroke='{GRID}'/>"
            yield _text(LEFT - 8, up(loss) + 4, f"{loss:.10g}", 11, FAINT, "end")
        for step in ticks(0, last):
            yield f"<path d='M{across(step):.1f} {HEIGHT - BOTTOM}v4' stroke='{FAINT}'/>"
            yield _text(across(step), HEIGHT - BOTTOM + 18, f"{step:,.0f}", 11, FAINT, "middle")
        yield _text((LEFT + right) / 2, HEIGHT - 10, "updates", 12, FAINT, "middle")
        yield f"<path d='M{LEFT} {HEIGHT - BOTTOM}H{right}' stroke='{FAINT}'/>"
        for loss in others.values():
            yield f"<path d='M{LEFT} {up(loss):.1f}H{right}' stroke='{FAINT}' stroke-dasharray='4 3'/>"
        for points, colour in ((curve.training, TRAINING), (curve.held_out, HELD_OUT)):
            if points:
                path = "L".join(f"{across(step):.1f} {up(loss):.1f}" for step, loss in points)
                yield f"<path d='M{path}' fill='none' stroke='{colour}' stroke-width='2' stroke-linejoin='round'/>"
        labels = [(up(loss), f"{name} {loss:.4f}", FAINT, 400) for name, loss in others.items()]
        if curve.best:
            step, loss = curve.best
            yield f"<circle cx='{across(step):.1f}' cy='{up(loss):.1f}' r='4' fill='{HELD_OUT}'/>"
            labels.append((up(loss), f"best {loss:.4f}", HELD_OUT, 600))
        for y, (_, content, colour, weight) in _apart(labels):
            yield _text(right + 8, y + 4, content, 12, colour, weight=weight)

    return "\n".join([head, *body(), "</svg>"]) + "\n"


def _heading(title: str, unit: str) -> Iterator[str]:
    """The title, and the colours of the curves."""
    yield _text(LEFT - 44, 32, title, 17, INK, weight=600)
    losses_in = f"nats per {unit}:"
    yield _text(LEFT - 44, 54, losses_in, 12, FAINT)
    x = LEFT - 30 + 7 * len(losses_in)
    for name, colour in (("held out", HELD_OUT), ("training", TRAINING)):
        yield f"<path d='M{x} 50h22' stroke='{colour}' stroke-width='2'/>"
        yield _text(x + 28, 54, name, 12, INK)
        x += 100


def _apart(labels: list[tuple]) -> Iterator[tuple[float, tuple]]:
    """(height, label) of each label, from top to bottom. Labels begin with the height where they belong; those that
    would overlap are moved apart, and stay between the axes' ends."""
    labels = sorted(labels)
    heights = [label[0] for label in labels]
    for number in range(1, len(heights)):
        heights[number] = max(heights[number], heights[number - 1] + LABEL_HEIGHT)
    limit = HEIGHT - BOTTOM
    for number in reversed(range(len(heights))):
        heights[number] = min(heights[number], limit)
        limit = heights[number] - LABEL_HEIGHT
    return zip(heights, labels, strict=True)


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
