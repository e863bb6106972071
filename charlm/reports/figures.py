"""Figures of models as the cells of tables, for the terminal and for pages."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..score import PER_NAT
from ..tasks.summary import number_of
from ..text.visible import visible

if TYPE_CHECKING:
    from ..scoring.comparison import Ranking

COLUMNS = {
    **{f"{unit}_per_token": f"{unit}/token" for unit in PER_NAT},
    "perplexity": "perplexity",
    "bits_per_character": "bits/character",
    "bits_per_byte": "bits/byte",
    "bits_per_byte_spelled": "spelled",
}


def figures_table(figures: dict[str, dict[str, float | None]]) -> list[tuple[str, ...]]:
    """A table with a row for each name in ``figures`` after its head, and a column for each of COLUMNS that the first
    row has. Another row may lack some figures."""
    columns = [name for name in COLUMNS if name in next(iter(figures.values()))]
    rows = [("", *map(COLUMNS.__getitem__, columns))]
    for name, found in figures.items():
        rows.append((name, *(_cell(column, found[column]) if column in found else "" for column in columns)))
    return rows


def _cell(column: str, value: float | None) -> str:
    return perplexity_shown(value) if column == "perplexity" else f"{value:.4f}"


def perplexity_shown(value: float | None) -> str:
    """A perplexity with four significant digits, all digits from 1,000 on, and 1.77e72 from a million on."""
    if value is None or not math.isfinite(value):
        return "infinite"
    if value < 999.95:
        return f"{value:#.4g}"
    if value < 999_999.5:
        return f"{value:,.0f}"
    digits, _, exponent = f"{value:.2e}".partition("e")
    return f"{digits}e{int(exponent)}"


def ranking_table(rankings: list[Ranking]) -> list[tuple[str, ...]]:
    """Models compared on one text, the best first, after the head of the table."""
    any_unknown = any(ranking.score.unknown_tokens for ranking in rankings)
    head = ("model", "level", "tokens", "<UNK>", "per word", "bits/byte", "plain", "difference, 95 %")
    table = [head, *(_ranking_row(ranking, ranking is rankings[0]) for ranking in rankings)]
    left_out = head.index("tokens" if any_unknown else "plain")
    return [(*row[:left_out], *row[left_out + 1 :]) for row in table]


def _ranking_row(ranking: Ranking, is_first: bool) -> tuple[str, ...]:
    score, interval = ranking.score, ranking.interval
    if is_first:
        difference = "the best" if ranking.best else "no winner"
    else:
        difference = f"{ranking.difference:+.4f}"
        difference += f"  {interval[0]:+.4f} to {interval[1]:+.4f}" if interval else ""
    unknown = f"{100 * score.unknown_share:.1f} %" if score.unknown_tokens else "0"
    figures = (
        perplexity_shown(score.spelled.perplexity_per_word),
        f"{score.spelled.bits_per_byte:.4f}",
        f"{score.bits_per_byte:.4f}",
    )
    return visible(ranking.name), ranking.level, f"{score.tokens:,}", unknown, *figures, difference


def ranking_notes(rankings: list[Ranking], lines_per_unit: int) -> list[str]:
    """What the figures of ``ranking_table`` mean. lines_per_unit: see ``comparison.LineSums``."""
    first, *others = rankings
    score = first.score
    runs = "" if lines_per_unit == 1 else f", in runs of {lines_per_unit}"
    notes = [
        f"text: {number_of(score.lines, 'line')}, {number_of(score.bytes, 'byte')}; per word: perplexity per word",
        f"difference: bits per byte above the {'best' if first.best else 'first'} model, and its 95 % interval",
        f"(a paired bootstrap over the lines{runs});",
        "if the interval contains 0, this text does not tell the two models apart",
    ]
    if any(ranking.score.unknown_tokens for ranking in rankings):
        notes += [
            "bits/byte and per word spell each <UNK>: 8 bits for each byte of its symbol,",
            "and for one more at the end of a word; plain: bits/byte without that",
        ]
    if first.best is None:
        other = min(others, key=lambda ranking: ranking.score.bits_per_byte)
        names = [visible(ranking.name) for ranking in (first, other)]
        shares = [f"{100 * ranking.score.unknown_share:.1f} %" for ranking in (first, other)]
        notes += [
            f"no winner: {names[0]} needs fewest bits if it spells each <UNK>, {names[1]} if not;",
            f"{shares[1]} of the tokens are <UNK> to {names[1]}, {shares[0]} to {names[0]}: compare",
            "models that know the symbols of this text, as those of subwords or bytes do",
        ]
    return notes
