"""The tables and lines that tell a person about samples and scores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..score import Score
from ..text.layout import fits, named_values, stacked, wrapped
from ..text.visible import visible
from ..text.vocabulary import UNITS

if TYPE_CHECKING:
    from ..sampling.rules import SamplingCounts
    from ..scoring.comparison import Ranking

COLUMNS = {
    "nats_per_token": "nats/token",
    "perplexity": "perplexity",
    "bits_per_character": "bits/character",
    "bits_per_byte": "bits/byte",
}


def sampling_summary(counts: SamplingCounts, unit: str, shortest_run: int | None) -> str:
    """How much was asked, sampled and rejected, in a line.

    unit: of what was sampled and rejected, "sample", or "line" for streams; shortest_run: of the copies that charlm
    finds, None if it has no record of the training text.
    """
    from ..sampling.rules import described

    kept = 1 - counts.rejected / max(1, counts.sampled)
    found = f", found {counts.found:,}" if counts.found < counts.asked else ""
    reasons = f" ({described(counts.rejections)})" if counts.rejected else ""
    if unit == "sample":
        asked, sampled, of_them = f"asked {counts.asked:,}{found}, ", f"sampled {counts.sampled:,}", ""
    else:  # a sample has several lines
        asked = f"asked {counts.asked:,} sample{_s(counts.asked)}{found}; "
        sampled, of_them = f"sampled {counts.sampled:,} {unit}{_s(counts.sampled)}", " of them" if reasons else ""
    line = f"{asked}{sampled}, rejected {counts.rejected:,}{of_them}{reasons}"
    undecided = counts.sampled - counts.rejected - counts.found
    if unit == "sample" and undecided:  # of a run that ended early
        line += f", undecided {undecided:,}"
    line += f"; {100 * kept:.3g} % kept"
    if counts.rejections["held_out"]:
        line += "; the model never saw the held-out part: what it finds of it, it has learnt and not copied"
    if counts.avoided:
        line += f"; {counts.avoided:,} {unit}{_s(counts.avoided)} sampled away from copies"
    if counts.longest_copied_run:
        line += f"; longest copied run {counts.longest_copied_run:,} characters"
    elif shortest_run is None:
        line += "; copies are not checked: the model file has no record of its training text"
    elif counts.found:
        where = "in the samples kept, " if counts.rejections["copied"] else ""
        line += f"; {where}no copied run of {shortest_run:,} characters or more"
    return line


def sampling_progress(counts: SamplingCounts, unit: str) -> str:
    """What goes on while a sampler finds nothing to show, in a line. unit: as in ``sampling_summary``."""
    from ..sampling.rules import described

    rejections = counts.rejections.copy()  # another thread counts on
    reasons = f" ({described(rejections)})" if rejections else ""
    return (
        f"still sampling: found {counts.found:,} of {counts.asked:,}; sampled {counts.sampled:,} "
        f"{unit}{_s(counts.sampled)}, rejected {rejections.total():,}{reasons}; Ctrl-C ends"
    )


def _s(number: int) -> str:
    return "" if number == 1 else "s"


def score_lines(score: Score, level: str, adapt: float | None = None, width: int | None = None) -> list[str]:
    """The figures of a score as a table. level: of the model's tokens; adapt: the learning rate of a model that kept
    learning from the text; width: of the terminal, None for a pipe."""
    unknown_rate = f"{100 * score.unknown_tokens / max(1, score.tokens):.2f} %"
    without = f"   (without <UNK>: {_figure(score.perplexity_without_unknowns)})" if score.unknown_tokens else ""
    accuracies = ", ".join(f"{100 * accuracy:.1f} % top-{rank}" for rank, accuracy in score.accuracies.items())
    mark = "   (adapted)" if adapt else ""
    rows = [
        (
            "text",
            f"{score.lines:,} lines, {score.words:,} words, {score.characters:,} characters, {score.bytes:,} bytes",
        ),
        (
            "tokens",
            f"{score.tokens:,}, of which <UNK> {score.unknown_tokens:,} ({unknown_rate}); each <EOS> counts",
        ),
        *([("adapted", f"the model kept learning from this text, with --adapt {adapt:g}")] if adapt else []),
        ("nats per token", f"{score.nats_per_token:.4f}{mark}   (a token is a {UNITS[level]})"),
        ("perplexity", f"{_figure(score.perplexity)}{mark}{without}"),
        ("most likely token", f"{accuracies}{mark}" if accuracies else "not counted"),
        ("perplexity per word", f"{_figure(score.perplexity_per_word)}{mark}   (each line end counts as a word)"),
        ("bits per character", f"{score.bits_per_character:.4f}{mark}"),
        ("bits per byte", f"{score.bits_per_byte:.4f}{mark}   (compares models on the same text)"),
    ]
    return named_values(rows, 20, width)


def baseline_lines(
    score: Score, baselines: dict[str, dict], corpus: str, adapt: float | None = None, width: int | None = None
) -> list[str]:
    """The figures of a model and of the n-gram baselines trained on the file ``corpus``, as a table."""
    heading = wrapped(f"n-gram baselines trained on {visible(corpus)}", width)
    name = "the model, adapted" if adapt else "the model"
    return [*heading, *side_by_side({name: score.as_dict(), **baselines}, width)]


def side_by_side(figures: dict[str, dict], width: int | None = None) -> list[str]:
    """A table with a row for each name in ``figures``, and a column for each of COLUMNS that the first row has. Another
    row may lack some figures. width: of the terminal, None for a pipe."""
    columns = [name for name in COLUMNS if name in next(iter(figures.values()))]
    rows = [("", *map(COLUMNS.get, columns))]
    for name, found in figures.items():
        rows.append((f"  {name}", *(_cell(column, found[column]) if column in found else "" for column in columns)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["   ".join((row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:]))) for row in rows]
    return table if fits(table, width) else stacked(rows[0], rows[1:], width)


def _cell(column: str, value: float | None) -> str:
    return _figure(value) if column == "perplexity" else f"{value:.4f}"


def ranking_lines(
    rankings: list[Ranking], lines_per_unit: int, adapt: float | None = None, width: int | None = None
) -> list[str]:
    """Models compared on one text, as a table with notes, the best model first. A * marks a figure that <UNK> makes too
    good. lines_per_unit: see ``LineSums``; adapt: the learning rate of models that kept learning from the text; width:
    of the terminal, None for a pipe."""
    rows = [("model", "level", "tokens", "<UNK>", "per word", "bits/byte", "difference, 95 %")]
    any_unknown = any(ranking.score.unknown_tokens for ranking in rankings)
    for ranking in rankings:
        score, interval = ranking.score, ranking.interval
        difference = f"{ranking.difference:+.4f}" if ranking is not rankings[0] else "the best"
        if interval and ranking is not rankings[0]:
            difference += f"  {interval[0]:+.4f} to {interval[1]:+.4f}"
        mark = "*" if score.unknown_tokens else " " if any_unknown else ""
        row = (visible(ranking.name), ranking.level, f"{score.tokens:,}", f"{score.unknown_tokens:,}")
        rows.append((*row, _figure(score.perplexity_per_word), f"{score.bits_per_byte:.4f}{mark}", difference))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = []
    for row in rows:
        cells = [
            cell.ljust(width) if i in (0, 1, 6) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        table.append("  ".join(cells).rstrip())
    if not fits(table, width):
        table = stacked(rows[0], rows[1:], width)
    notes = _ranking_notes(rankings, lines_per_unit)
    if adapt:
        notes = [f"all figures are adapted: each model kept learning from this text, with --adapt {adapt:g}", *notes]
    return table + [line for note in notes for line in wrapped(note, width, 2)]


def _ranking_notes(rankings, lines_per_unit):
    score = rankings[0].score
    runs = "" if lines_per_unit == 1 else f", in runs of {lines_per_unit}"
    notes = [
        f"text: {score.lines:,} lines, {score.bytes:,} bytes; per word: perplexity per word",
        "difference: bits per byte above the best model, and its 95 % interval",
        f"(a paired bootstrap over the lines{runs});",
        "if the interval contains 0, this text does not tell the two models apart",
    ]
    for ranking in rankings:
        if ranking.score.unknown_tokens:
            name = visible(ranking.name)
            notes.append(f"* {name}: {ranking.spelled:.4f} bits/byte if it spelled out each <UNK>, byte by byte")
    return notes


def _figure(value: float | None) -> str:
    """A perplexity with four significant digits, all digits from 1,000 on, and 1.77e72 from a million on."""
    if value is None or not math.isfinite(value):
        return "infinite"
    if value < 999.95:
        return f"{value:#.4g}"
    if value < 999_999.5:
        return f"{value:,.0f}"
    digits, _, exponent = f"{value:.2e}".partition("e")
    return f"{digits}e{int(exponent)}"
