"""The losses of a training, drawn in characters for a terminal, or as an SVG picture."""

from bisect import bisect_left
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from ..files import check_outputs
from ..tasks.summary import number_of
from .chart import BEGINNING, PAPER, Axis, Chart, Label, Line, ticks

HELD_OUT, TRAINING = "#0a5fb4", "#c2571a"


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
    end = number_of(last, "update")
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
    close to it, is drawn as a horizontal line."""
    if not curve.history:
        return f"{BEGINNING}>\n</svg>\n"
    last = max(1, curve.history[-1][0])
    axis = Axis("updates", [(step, f"{step:,.0f}") for step in ticks(0, last)])
    return curve_chart(curve, others, {"held out": HELD_OUT, "training": TRAINING}, [axis], title=title).svg()


def curve_chart(
    curve: LossCurve, others: dict[str, float], colours: dict[str, str], axes: list[Axis], **more: Any
) -> Chart:
    """The picture of a curve that has points. others: see ``as_svg``. colours: of "held out" and "training". axes:
    below the curve, in updates. more: fields of ``Chart``."""
    low, high = curve.span
    others = {name: loss for name, loss in others.items() if low - (high - low) / 2 <= loss <= high + (high - low) / 8}
    low, high = min(low, *others.values(), high), max(high, *others.values(), low)
    margin, theme = 0.06 * (high - low), more.get("theme", PAPER)
    labels = [Label(f"{name} {loss:.4f}", loss, theme.faint) for name, loss in others.items()]
    if curve.best:
        step, loss = curve.best
        labels.append(Label(f"best {loss:.4f}", loss, colours["held out"], step, True))
    lines = {"held out": curve.held_out, "training": curve.training}
    return Chart(
        lines=[Line(name, points, colours[name]) for name, points in reversed(lines.items()) if points],
        labels=labels,
        axes=axes,
        stop=max(1, curve.history[-1][0]),
        low=low - margin,
        high=high + margin,
        levels=tuple(others.values()),
        unit=f"nats per {curve.unit}:",
        **more,
    )
