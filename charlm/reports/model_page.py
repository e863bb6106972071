"""Models side by side on one page: what each is, how its training went, and on one text which is better, and where.

Nothing in a model file's record of its training is trusted: another program may have written it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import zip_longest

import numpy as np

from ..export.page.frame import REPORT, as_text, page, part
from ..files import write_text_file
from ..model import Model
from ..scoring.comparison import Ranking
from ..scoring.differences import WordPassage
from ..scoring.palette import BANDS, LESS_ON_DARK, LESS_ON_LIGHT, MORE_ON_DARK, MORE_ON_LIGHT, legend
from ..tasks.summary import facts, number_of
from ..text.layout import cut
from ..text.visible import visible
from .chart import PAGE, Axis, Chart, Label, Line, ticks
from .figures import ranking_notes, ranking_table
from .loss_curve import LossCurve, curve_chart
from .training_page import COLOURS, SIZES, named, section, table

# of the curves: each has another brightness and another dash, for people who cannot tell colours apart
CURVES = (
    ("#0072b2", ""),
    ("#d55e00", "7 3"),
    ("#009e73", "2 3"),
    ("#cc79a7", "10 3 2 3"),
    ("#7a7a7a", "4 6"),
)
DIFFERENCE_BITS = (0.75, 2.0, 4.0)  # at which a word that costs a model more or less than the mean gets another colour


@dataclass(kw_only=True)
class OnText:
    """What some models say of one text. name: of the text. rankings: the best model first; lines_per_unit: see
    ``comparison.LineSums``. different, least, most: passages, see ``differences.Extremes``, whose bits are in the order
    of the models of the page."""

    name: str
    rankings: list[Ranking]
    lines_per_unit: int
    different: list[WordPassage]
    least: list[WordPassage]
    most: list[WordPassage]


@dataclass(kw_only=True)
class ModelPage:
    """Some models: their names and themselves, in one order. on_text: None without a text."""

    names: list[str]
    models: list[Model]
    on_text: OnText | None = None
    notes: list[str] = field(default_factory=list)

    def write(self, path) -> None:
        """Write the whole page, or nothing. Raises CharlmError if that fails."""
        write_text_file(path, self.html())

    def html(self) -> str:
        """The whole page."""
        title = " and ".join(filter(None, (", ".join(self.names[:-1]), self.names[-1])))
        parts = (f"<h1>{as_text(title)}</h1>", self._ranking(), self._passages(), self._curves(), self._facts())
        content = "\n".join(filter(None, parts))
        return page(title, f"<main>\n{content}\n</main>\n", REPORT, styles=_colours() + part(__package__, "report.css"))

    def _facts(self) -> str:
        found = [dict(facts(model)) for model in self.models]
        if len(found) == 1:
            return section("What it is", named(found[0].items()))
        names = list(dict.fromkeys(name for rows in found for name in rows))
        rows = [(name, *(rows.get(name, "–") for rows in found)) for name in names]
        words = table("What each model is, as charlm info says it", ["", *self.names], rows)
        return section("What they are", f'<div class="prose">{words}</div>')

    def _curves(self) -> str:
        curves = [recorded_curve(model) for model in self.models]
        if len(curves) == 1:
            return self._one_curve(curves[0])
        pictures, units = "", dict.fromkeys(curve.unit for curve in curves if curve)
        for unit in units:
            chosen = [
                (name, curve, *style)
                for name, curve, style in zip(self.names, curves, _styles(len(curves)), strict=True)
                if curve and curve.unit == unit and curve.held_out
            ]
            if chosen:
                pictures += _curves_picture(unit, chosen)
        if not pictures:
            return ""
        words = "The loss on the held-out text of each training: compare them only where the texts are the same."
        return section("How their losses fell", f'<p class="soft">{words}</p>{pictures}')

    def _one_curve(self, curve: LossCurve | None) -> str:
        if curve is None or not curve.history:
            return ""
        unit = as_text(curve.unit)
        words = (
            f'nats per {unit}: <i class="held-out"></i> held out <i class="training"></i> training. Lower is better.'
        )
        title = f"The losses of the training, in nats per {curve.unit}"
        pictures = ""
        for name, size in SIZES.items():
            axis = _updates(curve.history[-1][0], 3 if name == "narrow" else 9)
            chart = curve_chart(curve, {}, COLOURS, [axis], theme=PAGE, description=title, **size)
            pictures += f'<div class="{name}">{chart.svg()}</div>'
        return section("How its loss fell", f"<figure><figcaption>{words}</figcaption>{pictures}</figure>")

    def _ranking(self) -> str:
        on_text = self.on_text
        if on_text is None:
            return ""
        head, *rows = ranking_table(on_text.rankings)
        lines = "<br>".join(map(as_text, self._notes(on_text)))
        notes = f'<p class="soft">{lines}</p>'
        return section(f"On {as_text(on_text.name)}", table(f"The models on {on_text.name}", head, rows) + notes)

    def _notes(self, on_text: OnText) -> list[str]:
        """What the table means, in sentences."""
        if len(self.models) > 1:
            return [*ranking_notes(on_text.rankings, on_text.lines_per_unit), *self.notes]
        score = on_text.rankings[0].score
        return [f"text: {number_of(score.lines, 'line')}, {number_of(score.bytes, 'byte')}", *self.notes]

    def _passages(self) -> str:
        if self.on_text is None:
            return ""
        if len(self.models) == 1:
            return self._surprise(self.on_text)
        edges = [f"{bits:g}" for bits in DIFFERENCE_BITS]
        ranges = [*(f"{low}–{high}" for low, high in zip(edges, edges[1:], strict=False)), f"{edges[-1]} and more"]
        less = "".join(f'<span class="l{band}">{words}</span>' for band, words in enumerate(ranges, 1))
        more = "".join(f'<span class="m{band}">{words}</span>' for band, words in enumerate(ranges, 1))
        key = f'<div class="legend">bits fewer than the mean of the models: {less} bits more: {more}</div>'
        least = DIFFERENCE_BITS[0]  # below it, no word has a colour, or hardly one
        items = "".join(self._difference(passage) for passage in self.on_text.different if passage.spread >= least)
        words = "The passages that cost one model the most bits more than another. Each word of each model is coloured."
        found = f'<p class="soft">{words}</p>{key}<div class="passages">{items}</div>'
        none = f"<p>They differ nowhere: no passage costs one model {least:g} bits more than another.</p>"
        return section("Where they differ most", found if items else none)

    def _difference(self, passage: WordPassage) -> str:
        apart = passage.bits - passage.bits.mean(0)
        rows = "".join(
            f'<div><dt><bdi>{as_text(name)}</bdi><br>{bits.sum():.1f} bits</dt><dd class="text" dir="auto">'
            f"{_words(passage.words, _apart_bands(row))}</dd></div>"
            for name, bits, row in zip(self.names, passage.bits, apart, strict=True)
        )
        return f'<div class="of">line {passage.line:,}</div><dl class="rows">{rows}</dl>'

    def _surprise(self, on_text: OnText) -> str:
        def block(title: str, passages: Sequence[WordPassage]) -> str:
            found = "".join(
                f'<div class="of">line {passage.line:,}: {passage.bits_per_character[0]:.2f} bits per character</div>'
                f'<div class="text" dir="auto">{_words(passage.words, _surprise_bands(passage.bits[0]))}</div>'
                for passage in passages
            )
            return f"<div><h3>{title}</h3>{found}</div>"

        words = "".join(f'<span class="s{band}">{words}</span>' for band, words in enumerate(legend("word")))
        key = f'<div class="legend">bits per word: {words}</div>'
        pair = block("Least surprising", on_text.least[:5]) + block("Most surprising", on_text.most[:5])
        return section("Where it does best, and worst", f'{key}<div class="pair">{pair}</div>')


def recorded_curve(model: Model) -> LossCurve | None:
    """The losses that a model file keeps, by updates; None where it keeps none, or what makes no sense."""
    training = model.training if isinstance(model.training, dict) else {}
    points: list[tuple[int, float | None, float | None]] = []
    curve = training.get("curve")
    found = curve if isinstance(curve, dict) else {"training": [], "held_out": []}
    try:
        for name, place in (("training", 1), ("held_out", 2)):
            for step, loss in found[name]:
                points.append((_step(step), *((_loss(loss), None) if place == 1 else (None, _loss(loss)))))
        if not points:
            points = [
                (_step(step), _loss(train), None if held_out is None else _loss(held_out))
                for step, train, held_out in training.get("history", [])
            ]
    except (TypeError, ValueError, KeyError):
        return None
    best = training.get("valid_loss")
    unit = model.task.unit(model.vocabulary.level)
    held_out = [(loss, step) for step, _, loss in points if loss is not None]
    kept = None
    if held_out and type(best) is float and math.isfinite(best):
        kept = min(held_out, key=lambda point: abs(point[0] - best))[1], best
    return LossCurve(sorted(points, key=lambda point: point[0]), unit, kept) if points else None


def _step(value) -> int:
    if type(value) is not int or not 0 <= value < 2**50:
        raise ValueError("no number of updates")
    return value


def _loss(value) -> float:
    if type(value) not in (int, float) or not 0 <= value < 1e6:
        raise ValueError("no loss")
    return float(value)


def _styles(number: int) -> list[tuple[str, str]]:
    return [CURVES[place % len(CURVES)] for place in range(number)]


def _updates(last: int, most: int) -> Axis:
    return Axis("updates", [(step, f"{step:,.0f}") for step in ticks(0, max(1, last), most)])


def _curves_picture(unit: str, chosen: list[tuple[str, LossCurve, str, str]]) -> str:
    """The held-out losses of models with one unit. chosen: (name, curve, colour, dash)."""
    losses = [loss for _, curve, *_ in chosen for _, loss in curve.held_out]
    low, high = min(losses), max(losses)
    margin = max(0.06 * (high - low), 0.005)
    last = max(curve.history[-1][0] for _, curve, *_ in chosen)
    key = " ".join(
        f'<span class="key"><svg viewBox="0 0 24 8" aria-hidden="true"><path d="M0 4H24" stroke="{colour}" '
        f'stroke-width="2" stroke-dasharray="{dash}"/></svg> <bdi>{as_text(name)}</bdi></span>'
        for name, _, colour, dash in chosen
    )
    title = f"The held-out losses of {', '.join(name for name, *_ in chosen)}, in nats per {unit}"
    pictures = ""
    for size_name, size in SIZES.items():
        chart = Chart(
            lines=[Line(name, curve.held_out, colour, dash) for name, curve, colour, dash in chosen],
            labels=[
                Label(f"{cut(visible(name), 11)} {curve.best[1]:.4f}", curve.best[1], "var(--text)", curve.best[0])
                for name, curve, *_ in chosen
                if curve.best
            ],
            axes=[_updates(last, 3 if size_name == "narrow" else 9)],
            stop=max(1, last),
            low=low - margin,
            high=high + margin,
            theme=PAGE,
            description=title,
            **size | {"right": 144},  # for names
        )
        pictures += f'<div class="{size_name}">{chart.svg()}</div>'
    return f"<figure><figcaption>nats per {as_text(unit)}: {key}</figcaption>{pictures}</figure>"


def _words(words: Sequence[str], classes: Sequence[str]) -> str:
    """Words, each painted by its class."""
    return " ".join(
        f'<b class="{escape(kind)}">{"↵" if word == chr(10) else as_text(word)}</b>' if kind else as_text(word)
        for word, kind in zip_longest(words, classes)
    )


def _apart_bands(bits: np.ndarray) -> list[str]:
    """The class of each word that costs so many bits more (or, below 0, fewer) than the mean of the models."""
    bands = np.searchsorted(DIFFERENCE_BITS, np.abs(bits), side="right")
    return [f"{'l' if value < 0 else 'm'}{band}" if band else "" for value, band in zip(bits, bands, strict=True)]


def _surprise_bands(bits: np.ndarray) -> list[str]:
    return [f"s{band}" for band in np.searchsorted(BANDS["word"], bits, side="right")]


def _colours() -> str:
    """The colours of differences, light and dark."""

    def variables(less, more):
        return "".join(
            f"--{kind}g{band}:{ground};--{kind}i{band}:{ink};"
            for kind, pairs in (("l", less), ("m", more))
            for band, (ground, ink) in enumerate(pairs, 1)
        )

    dark = variables(LESS_ON_DARK, MORE_ON_DARK)
    return (
        f":root {{ {variables(LESS_ON_LIGHT, MORE_ON_LIGHT)} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
    )
