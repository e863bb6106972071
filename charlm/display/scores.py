"""What is said of samples and scores: refusals in a line, figures in tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..figures import Score
from ..text.visible import visible
from ..text.vocabulary import UNITS

if TYPE_CHECKING:
    from ..sampling.acceptance import SamplingCounts
    from ..scoring.comparison import Ranking

COLUMNS = {
    "nats_per_token": "nats/token",
    "perplexity": "perplexity",
    "bits_per_character": "bits/character",
    "bits_per_byte": "bits/byte",
}


def sampling_summary(counts: SamplingCounts, unit: str, shortest_run: int | None) -> str:
    """How much was asked, sampled and rejected, in a line. unit: "sample", or "line" for streams; shortest_run: of the
    copies that are found, None where the training text is not known."""
    from ..sampling.acceptance import described

    kept = 1 - counts.rejected / max(1, counts.sampled)
    units = "" if unit == "sample" else f" {unit}{'s' if counts.sampled != 1 else ''}"
    parts = [
        f"asked {counts.asked:,}" + (f", found {counts.found:,}" if counts.found < counts.asked else ""),
        f"sampled {counts.sampled:,}{units}",
        f"rejected {counts.rejected:,}" + (f" ({described(counts.rejections)})" if counts.rejected else ""),
    ]
    undecided = counts.sampled - counts.rejected - counts.found
    if unit == "sample" and undecided:  # of a run that ended early
        parts.append(f"undecided {undecided:,}")
    line = f"{', '.join(parts)}; {100 * kept:.3g} % kept"
    if counts.longest_copied_run:
        line += f"; longest copied run {counts.longest_copied_run:,} characters"
    elif shortest_run is None:
        line += "; copies are not checked: the model file has no record of its training text"
    elif counts.found:
        line += f"; no copied run of {shortest_run:,} characters or more"
    return line


def score_lines(score: Score, level: str) -> list[str]:
    """The figures of a score as a small table, for people."""
    unknown_share = f"{100 * score.unknown_tokens / max(1, score.tokens):.2f} %"
    without = f"   (without <UNK>: {_figure(score.perplexity_without_unknowns)})" if score.unknown_tokens else ""
    accuracies = ", ".join(
        f"{100 * share:.1f} % {'up to ' if rank > 1 else ''}rank {rank}" for rank, share in score.accuracies.items()
    )
    rows = [
        (
            "text",
            f"{score.lines:,} lines, {score.words:,} words, {score.characters:,} characters, {score.bytes:,} bytes",
        ),
        (
            "tokens",
            f"{score.tokens:,}, of which <UNK> {score.unknown_tokens:,} ({unknown_share}); each <EOS> counts",
        ),
        ("nats per token", f"{score.nats_per_token:.4f}   (a token is a {UNITS[level]})"),
        ("perplexity", f"{_figure(score.perplexity)}{without}"),
        ("likeliest tokens", accuracies or "not counted"),
        ("perplexity per word", f"{_figure(score.perplexity_per_word)}   (a line's end is a word)"),
        ("bits per character", f"{score.bits_per_character:.4f}"),
        ("bits per byte", f"{score.bits_per_byte:.4f}   (the figure to compare models by, on one text)"),
    ]
    return [f"{name:<20} {value}" for name, value in rows]


def baseline_lines(score: Score, baselines: dict[str, dict], corpus: str) -> list[str]:
    """What counting makes of the text beside the model, as a table for people."""
    return [f"beside counting on {visible(corpus)}", *side_by_side({"the model": score.as_dict(), **baselines})]


def side_by_side(figures: dict[str, dict]) -> list[str]:
    """The COLUMNS that the first has; what another lacks stays empty."""
    columns = [name for name in COLUMNS if name in next(iter(figures.values()))]
    rows = [("", *map(COLUMNS.get, columns))]
    for name, found in figures.items():
        cells = (f"{found[column]:.4f}" if column in found else "" for column in columns)
        cells = (
            _figure(found[column]) if column == "perplexity" and column in found else cell
            for column, cell in zip(columns, cells, strict=True)
        )
        rows.append((f"  {name}", *cells))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["   ".join((row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:]))) for row in rows]


def standing_lines(standings: list[Ranking], lines_a_unit: int) -> list[str]:
    """Models compared, as a table for people, the best first."""
    rows = [("model", "level", "tokens", "<UNK>", "per word", "bits/byte", "difference, 95 %")]
    for standing in standings:
        score, interval = standing.score, standing.interval
        difference = f"{standing.difference:+.4f}" if standing is not standings[0] else "the best"
        if interval and standing is not standings[0]:
            difference += f"  {interval[0]:+.4f} to {interval[1]:+.4f}"
        row = (visible(standing.name), standing.level, f"{score.tokens:,}", f"{score.unknown_tokens:,}")
        rows.append((*row, _figure(score.perplexity_per_word), f"{score.bits_per_byte:.4f}", difference))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = []
    for row in rows:
        cells = [
            cell.ljust(width) if i in (0, 1, 6) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        table.append("  ".join(cells).rstrip())
    score = standings[0].score
    runs = "" if lines_a_unit == 1 else f", in runs of {lines_a_unit}"
    notes = [
        f"on {score.lines:,} lines, {score.bytes:,} bytes; difference: bits per byte above the best, and the",
        f"interval of a paired bootstrap over the lines{runs}:",
        "where it holds 0, this text does not tell the two apart",
    ]
    for standing in standings:
        if standing.score.unknown_tokens:
            notes.append(
                f"{visible(standing.name)} need not spell its <UNK>: in plain bytes they would bring it to "
                f"{standing.spelled:.4f}"
            )
    return [*table, *notes]


def _figure(value: float | None) -> str:
    value = math.inf if value is None else value
    return f"{value:,.4g}" if value < 1000 else f"{value:,.0f}" if math.isfinite(value) else "infinite"
