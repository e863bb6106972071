"""The page of a training: how its losses fell, what it wrote as it learnt, and what came of it.

``learning.page`` writes it again and again while the training goes on, and until the end the browser reads it again
every SECONDS. It also holds what a resumed training must find again (``PageMemory``), because no other file has that.
"""

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from html import escape

import numpy as np

from ..export.page import Playground
from ..export.page.frame import REPORT, as_json, as_text, is_page, page, part
from ..files import check_outputs
from ..tasks.summary import number_of
from ..text.durations import short
from ..text.visible import visible
from .chart import PAGE, Axis, ticks
from .figures import figures_table
from .loss_curve import LossCurve, curve_chart
from .passages import Passage, legend_of, painted

SECONDS = 10  # after which a browser reads the page of a running training again
MOST_READ = 1 << 26  # bytes of a page from which a resumed training takes what was there
COLOURS = {"held out": "var(--held-out)", "training": "var(--training)"}
SIZES = {"wide": {}, "narrow": {"width": 344, "height": 320, "left": 40, "right": 112}}  # of pictures, see report.css


@dataclass(frozen=True, kw_only=True)
class WrittenSample:
    """What the model wrote at one moment. loss: the training loss then, nats per unit; None before the first update."""

    step: int
    seconds: float
    loss: float | None
    text: str


@dataclass(kw_only=True)
class PageMemory:
    """What a page knows that neither model nor checkpoint has.

    identity: of the training. times: (update, seconds) at some moments, in order. samples: in order.
    """

    identity: str
    times: list[tuple[int, float]] = field(default_factory=list)
    samples: list[WrittenSample] = field(default_factory=list)


@dataclass(kw_only=True)
class TrainingPage:
    """What the page shows.

    name: of the training. status: how far it is, or how it ended, in words. progress: 0…1, None where it no longer
    runs. figures: (name, value) of the most important ones. curve: the losses; others: those of the baselines, nats per
    unit. passes: (update, passes over the text) at some moments. verdict: what the losses mean. comparison: the figures
    of the model and of the baselines, name → figure → value; compared_on: on which text. level, extremes: of the
    held-out passages, the least and the most surprising ones. intro: what the training does, in lines. settings, model,
    machine: (name, words). command: what began the training. playground: the part of the page in which one
    tries the model; apart: the command that makes a page of it, where the model is too large for this one.
    """

    name: str
    status: str
    progress: float | None
    figures: list[tuple[str, str]]
    curve: LossCurve
    others: dict[str, float]
    passes: list[tuple[int, float]]
    memory: PageMemory
    intro: list[str]
    settings: list[tuple[str, str]]
    machine: list[tuple[str, str]]
    command: str
    level: str
    model: list[tuple[str, str]] = field(default_factory=list)
    verdict: str = ""
    compared_on: str = ""
    comparison: dict[str, dict[str, float]] = field(default_factory=dict)
    extremes: tuple[list[Passage], list[Passage]] = field(default_factory=lambda: ([], []))
    playground: Playground | None = None
    apart: str = ""

    def html(self) -> str:
        """The whole page."""
        body = "\n".join(filter(None, self._parts()))
        return page(
            f"{self.name}: the training",
            f"<main>\n{body}\n</main>\n",
            REPORT,
            styles=(self.playground.styles if self.playground else "") + part(__package__, "report.css"),
            script=self._script(),
            seconds=0 if self.progress is None else SECONDS,
        )

    def _script(self) -> str:
        if self.progress is not None:
            return part(__package__, "again.js")
        return self.playground.script if self.playground else ""

    def _parts(self) -> Iterable[str]:
        yield f"<h1>The training of {as_text(self.name)}</h1>"
        yield f'<p class="status">{as_text(self.status)}</p>'
        if self.progress is not None:
            yield f'<progress max="1" value="{self.progress:.3f}" aria-label="how much is done"></progress>'
            yield f'<label class="soft"><input type="checkbox" id="again" value="{SECONDS}" checked disabled> '
            yield f"read this page again every {SECONDS} seconds, until the training ends</label>"
        yield key_figures(self.figures)
        yield self._curve()
        yield self._samples()
        yield section("Try it", self.playground.html if self.playground else self._apart())
        yield self._passages()
        yield self._comparison()
        lines = "".join(f"<p>{as_text(line)}</p>" for line in self.intro)
        yield section("The settings, and why", lines + named(self.settings))
        yield section("The model", named(self.model) if self.model else "")
        yield section("Machine and command", named(self.machine) + command_line(self.command))
        yield f'<script type="application/json" id="memory">{as_json(asdict(self.memory))}</script>'

    def _apart(self) -> str:
        words = "The model is too large for this page. This writes a page of its own, in which one tries it:"
        return f"<p>{words}</p>{command_line(self.apart)}" if self.apart else ""

    def _curve(self) -> str:
        if not self.curve.history:
            return ""
        title = f"The losses of the training, in nats per {self.curve.unit}"
        pictures = ""
        for name, size in SIZES.items():
            axes = self._axes(3 if name == "narrow" else 9)
            chart = curve_chart(self.curve, self.others, COLOURS, axes, theme=PAGE, description=title, **size)
            pictures += f'<div class="{name}">{chart.svg()}</div>'
        others = " Dashed lines: n-grams." if self.others else ""
        words = (
            f'nats per {as_text(self.curve.unit)}: <i class="held-out"></i> held out <i class="training"></i> training.'
            f"{others} Lower is better."
        )
        head = ("update", "passes", "training loss", "held-out loss")
        rows = [
            (f"{step:,}", f"{_at(self.passes, step):.3g}", _loss(_until(self.curve.training, step)), _loss(loss))
            for step, loss in self.curve.held_out
        ]
        figures = f"<details><summary>The same in figures</summary>{table('The held-out losses', head, rows)}</details>"
        verdict = f"<p>{as_text(self.verdict)}</p>" if self.verdict else ""
        return section(
            "How the loss fell",
            f"<figure><figcaption>{words}</figcaption>{pictures}</figure>{verdict}{figures if rows else ''}",
        )

    def _axes(self, most: int) -> list[Axis]:
        """The axes of passes and of minutes, whose ticks stand at their updates."""
        axes = [_axis("passes over the text", self.passes, 1.0, most)]
        seconds = [(0, 0.0), *self.memory.times]
        unit, name = (60.0, "minutes") if seconds[-1][1] >= 120 else (1.0, "seconds")
        return [*axes, _axis(name, seconds, unit, most)]

    def _samples(self) -> str:
        items = []
        for sample in self.memory.samples:
            loss = "" if sample.loss is None else f", training loss {sample.loss:.3f}"
            when = f"after {short(sample.seconds)}: {number_of(sample.step, 'update')}{loss}"
            items.append(
                f'<li><div class="of">{when}</div><div class="text" dir="auto">{as_text(sample.text)}</div></li>'
            )
        words = (
            "Each time by the same random numbers, and nothing is rejected: <code>charlm sample</code> rejects copies "
            "of the training text. The network writes alone; the finished model, at the end, with its counts."
        )
        found = f'<p class="soft">{words}</p><ol class="samples">{"".join(items)}</ol>' if items else ""
        return section("What it wrote as it learnt", found)

    def _passages(self) -> str:
        best, worst = self.extremes
        if not best:
            return ""
        unit = "byte" if self.level == "byte" else "character"

        def block(title, passages):
            found = "".join(
                f'<div class="of">{passage.bits_per_character:.2f} bits per {unit}</div>'
                f'<div class="text" dir="auto">'
                f"{painted(passage.symbols, passage.tokens, passage.nats, self.level, '↵' + chr(10))}</div>"
                for passage in passages
            )
            return f"<h3>{title}</h3>{found}"

        words = "Of the text that the model has never learnt from, coloured by what surprised it."
        legend = f'<div class="legend">{legend_of(self.level)}</div>'
        return section(
            "Where it does best, and worst",
            f'<p class="soft">{words}</p>{legend}<div class="pair"><div>{block("Least surprising", best)}</div>'
            f"<div>{block('Most surprising', worst)}</div></div>",
        )

    def _comparison(self) -> str:
        if not self.comparison:
            return ""
        head, *rows = figures_table(self.comparison)
        return section("Beside simpler models", table(self.compared_on, head, rows))


def check_report_path(path, used, option: str = "--report") -> None:
    """Raise CharlmError now if charlm could not write a report to ``path`` later, or would overwrite a file that is not
    a report of charlm, or one of the files ``used``."""
    check_outputs((path,), used, _is_report, "a report of charlm", option)


def _is_report(path) -> bool:
    return is_page(path, REPORT)


def memory_of(path, identity: str) -> PageMemory:
    """What the page at ``path`` knows of the training with this identity; nothing where it is of another training, is
    damaged, or is not there."""
    fresh = PageMemory(identity=identity)
    try:
        with open(path, "rb") as file:
            text = file.read(MOST_READ).decode("utf-8")
        found = re.findall('<script type="application/json" id="memory">(.*?)</script>', text)
        values = json.loads(found[-1])
        if values["identity"] != identity:
            return fresh
        times = [(_count(step), _number(seconds)) for step, seconds in values["times"]]
        samples = [
            WrittenSample(
                step=_count(one["step"]),
                seconds=_number(one["seconds"]),
                loss=None if one["loss"] is None else _number(one["loss"]),
                text=visible(one["text"]),
            )
            for one in values["samples"]
        ]
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return fresh
    return PageMemory(identity=identity, times=times, samples=samples)


def _count(value) -> int:
    if type(value) is not int or not 0 <= value < 2**50:
        raise ValueError("no count")
    return value


def _number(value) -> float:
    if type(value) not in (int, float) or not 0 <= value < 1e18:
        raise ValueError("no number")
    return float(value)


# What reports of other kinds show in the same way.


def section(title: str, content: str) -> str:
    """A part of a page, "" without content. title: HTML."""
    return f"<section>\n<h2>{title}</h2>\n{content}\n</section>" if content else ""


def key_figures(rows: Iterable[tuple[str, str]]) -> str:
    return (
        f"<dl>{''.join(f'<div><dt>{as_text(name)}</dt><dd>{as_text(value)}</dd></div>' for name, value in rows)}</dl>"
    )


def named(rows: Iterable[tuple[str, str]]) -> str:
    """Names and what they are, below each other."""
    found = "".join(f"<div><dt>{as_text(name)}</dt><dd>{as_text(words)}</dd></div>" for name, words in rows)
    return f'<dl class="rows">{found}</dl>' if found else ""


def command_line(command: str) -> str:
    return f'<pre class="command">{as_text(command)}</pre>' if command else ""


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the first cell of each row is its name."""
    heads = "".join(f'<th scope="col">{as_text(cell)}</th>' if cell else "<td></td>" for cell in head)
    body = "".join(
        f'<tr><th scope="row">{as_text(first)}</th>{"".join(f"<td>{as_text(cell)}</td>" for cell in cells)}</tr>'
        for first, *cells in rows
    )
    return (
        f'<div class="table" tabindex="0" role="region" aria-label="{escape(visible(caption))}"><table>'
        f"<caption>{as_text(caption)}</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _axis(title: str, points: Sequence[tuple[int, float]], unit: float, most: int) -> Axis:
    """An axis with round values, at the updates where they were reached. points: (update, value), both rising."""
    steps, values = zip(*points, strict=True)
    found = ticks(0, values[-1] / unit, most)
    kept: list[tuple[float, str]] = []
    for value in found:
        step = float(np.interp(value * unit, values, steps))
        if not kept or step - kept[-1][0] > steps[-1] / (4 * most):  # their names do not overlap
            kept.append((step, f"{value:,.10g}"))
    return Axis(title, kept)


def _at(points: Sequence[tuple[int, float]], step: int) -> float:
    steps, values = zip(*points, strict=True)
    return float(np.interp(step, steps, values))


def _until(points: Sequence[tuple[int, float]], step: int) -> float | None:
    """The value of the last point up to a step."""
    return next((value for at, value in reversed(points) if at <= step), None)


def _loss(loss: float | None) -> str:
    return "" if loss is None or not math.isfinite(loss) else f"{loss:.4f}"
