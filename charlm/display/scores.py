"""The tables and lines that tell a person about samples and scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..reports.figures import figures_table, perplexity_shown, ranking_notes, ranking_table
from ..score import PER_NAT, Score
from ..tasks.summary import number_of
from ..text.layout import fits, named_values, stacked, wrapped
from ..text.visible import visible
from ..text.vocabulary import UNITS

if TYPE_CHECKING:
    from ..sampling.rules import SamplingCounts
    from ..scoring.comparison import Ranking

MUCH_UNKNOWN = 0.1  # of the tokens: the fraction of <UNK> above which charlm warns


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
        asked = f"asked {number_of(counts.asked, 'sample')}{found}; "
        sampled, of_them = f"sampled {number_of(counts.sampled, unit)}", " of them" if reasons else ""
    line = f"{asked}{sampled}, rejected {counts.rejected:,}{of_them}{reasons}"
    undecided = counts.sampled - counts.rejected - counts.found
    if unit == "sample" and undecided:  # of a run that ended early
        line += f", undecided {undecided:,}"
    line += f"; {100 * kept:.3g} % kept"
    if counts.rejections["held_out"]:
        line += "; the model never saw the held-out part: what it finds of it, it has learnt and not copied"
    if counts.avoided:
        line += f"; {number_of(counts.avoided, unit)} sampled away from copies"
    if counts.longest_copied_run:
        line += f"; longest copied run {number_of(counts.longest_copied_run, 'character')}"
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
        f"still sampling: found {counts.found:,} of {counts.asked:,}; sampled {number_of(counts.sampled, unit)}, "
        f"rejected {rejections.total():,}{reasons}; Ctrl-C ends"
    )


def score_lines(
    score: Score, level: str, adapt: float | None = None, width: int | None = None, unit: str = "nats"
) -> list[str]:
    """The figures of a score as a table. level: of the model's tokens; adapt: the learning rate of a model that kept
    learning from the text; width: of the terminal, None for a pipe; unit: of the surprise of a token, a key of
    ``score.PER_NAT``."""
    unknown, compares = score.unknown_tokens, "   (compares models on the same text)"
    without = f"   (without <UNK>: {perplexity_shown(score.perplexity_without_unknowns)})" if unknown else ""
    accuracies = ", ".join(f"{100 * accuracy:.1f} % top-{rank}" for rank, accuracy in score.accuracies.items())
    mark = "   (adapted)" if adapt else ""
    rows = [
        (
            "text",
            ", ".join(number_of(getattr(score, unit), unit[:-1]) for unit in ("lines", "words", "characters", "bytes")),
        ),
        (
            "tokens",
            f"{score.tokens:,}, of which <UNK> {unknown:,} ({100 * score.unknown_share:.2f} %); each <EOS> counts",
        ),
        *([("adapted", f"the model kept learning from this text, with --adapt {adapt:g}")] if adapt else []),
        (f"{unit} per token", f"{PER_NAT[unit] * score.nats_per_token:.4f}{mark}   (a token is a {UNITS[level]})"),
        ("perplexity", f"{perplexity_shown(score.perplexity)}{mark}{without}"),
        ("most likely token", f"{accuracies}{mark}" if accuracies else "not counted"),
        (
            "perplexity per word",
            f"{perplexity_shown(score.perplexity_per_word)}{mark}   (each line end counts as a word)",
        ),
        ("bits per character", f"{score.bits_per_character:.4f}{mark}"),
        ("bits per byte", f"{score.bits_per_byte:.4f}{mark}{'   (without what <UNK> is)' if unknown else compares}"),
        *([("with <UNK> spelled", f"{score.spelled.bits_per_byte:.4f}{mark}{compares}")] if unknown else []),
    ]
    return named_values(rows, 20, width)


def unknown_warning(name: str, unknown: int, tokens: int, level: str) -> str | None:
    """A line about a model that knows too little of a text; None if it knows enough.

    name: of the model's file; unknown, tokens: how many of how many tokens are <UNK>; level: of the model's tokens.
    """
    if unknown <= MUCH_UNKNOWN * tokens:
        return None
    share = f"{100 * unknown / tokens:.1f} % of the tokens ({unknown:,} of {tokens:,})"
    return (
        f"charlm: warning: to {visible(name)}, {share} are <UNK>, so its figures say little about this text; "
        f"{_LARGER[level]}"
    )


_LARGER = {  # what to do if too many tokens are <UNK>, by level
    "char": "train it on text that has these characters, with a larger --max-vocabulary, or with --level byte",
    "subword": "train it on text that has these characters, or with --level byte",
    "word": "train it with more words (--min-count 1, a larger --max-vocabulary), or with --level subword or byte",
    "byte": "train it on text that has these bytes",
}


def baseline_lines(
    figures: dict, baselines: dict[str, dict], corpus: str, adapt: float | None = None, width: int | None = None
) -> list[str]:
    """The figures of a model, ``Score.as_dict``, and of the n-gram baselines trained on the file ``corpus``, as a
    table."""
    heading = wrapped(f"n-gram baselines trained on {visible(corpus)}", width)
    name = "the model, adapted" if adapt else "the model"
    notes = []
    if figures["unknown_tokens"]:
        notes = wrapped("spelled: bits/byte with each <UNK> spelled, as xz does; compare these", width, 2)
    else:
        figures = {name: value for name, value in figures.items() if name != "bits_per_byte_spelled"}
    return [*heading, *side_by_side({name: figures, **baselines}, width), *notes]


def side_by_side(figures: dict[str, dict], width: int | None = None) -> list[str]:
    """A table with a row for each name in ``figures``, and a column for each of COLUMNS that the first row has. Another
    row may lack some figures. width: of the terminal, None for a pipe."""
    rows = [(f"  {name}" if name else "", *cells) for name, *cells in figures_table(figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["   ".join((row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:]))) for row in rows]
    return table if fits(table, width) else stacked(rows[0], rows[1:], width)


def ranking_lines(
    rankings: list[Ranking], lines_per_unit: int, adapt: float | None = None, width: int | None = None
) -> list[str]:
    """Models compared on one text, as a table with notes, the best model first. lines_per_unit: see ``LineSums``;
    adapt: the learning rate of models that kept learning from the text; width: of the terminal, None for a pipe."""
    table = ranking_table(rankings)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    left = (0, 1, len(widths) - 1)
    lines = []
    for row in table:
        cells = [cell.ljust(widths[i]) if i in left else cell.rjust(widths[i]) for i, cell in enumerate(row)]
        lines.append("  ".join(cells).rstrip())
    if not fits(lines, width):
        lines = stacked(table[0], table[1:], width)
    notes = ranking_notes(rankings, lines_per_unit)
    if adapt:
        notes = [f"all figures are adapted: each model kept learning from this text, with --adapt {adapt:g}", *notes]
    return lines + [line for note in notes for line in wrapped(note, width, 2)]
