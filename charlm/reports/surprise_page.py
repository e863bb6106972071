"""The most surprising lines of a text as one web page, in one file that loads nothing else.

The page paints each token by its surprise. Point at a token, touch it, or reach it with the arrow keys: it then shows
its probability and the most likely tokens in its place. The page holds the lines with the most bits per character, at
most MOST_LINES of them and about MOST_TOKENS tokens, so that a browser can show it, whatever the size of the text.
Blank lines are not shown.
"""

import heapq
import os
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..export.page.frame import SURPRISE, as_json, as_text, filled, is_page, page, part
from ..files import check_outputs, write_text_file
from ..network.measuring import TokenScores
from ..score import LN2, Score
from ..scoring.perplexity import Total, check_not_empty
from ..scoring.pipeline import ScoredBlock
from ..text.reading import names_of
from ..text.visible import visible
from ..text.vocabulary import SPECIAL, UNITS, UNKNOWN, Vocabulary
from .passages import legend_of, painted

COLUMNS = ("ranks", "most_likely")
MOST_LINES = 400
MOST_TOKENS = 60_000
LONGEST = 2000  # the most tokens of a line that the page shows


def check_page_path(path, read=()) -> None:
    """Raise CharlmError now if charlm will not be able to write a page to ``path``, or would overwrite another kind of
    file. read: the files that the command reads; the page must not be one of them."""
    check_outputs((path,), read, _is_surprise_page, "a surprise page of charlm", "--html")


def _is_surprise_page(path):
    return is_page(path, SURPRISE)


@dataclass(kw_only=True)
class _Line:
    number: int
    bits: float  # per character
    symbols: list[str]
    tokens: np.ndarray
    scores: TokenScores
    not_shown: int  # tokens after the last one that is shown


class Page:
    """Collects the most surprising lines of a text, block by block, and writes the page."""

    def __init__(self, vocabulary: Vocabulary):
        self.vocabulary, self.lines_seen = vocabulary, 0
        self._worst: list[tuple[float, int, _Line]] = []  # a heap, the least surprising line first

    def add(self, block: ScoredBlock) -> None:
        """Add the lines of the next block, which has COLUMNS and whole lines."""
        nats, lines = block.sums(block.scores.nats), block.lines()
        symbols, ends = None, np.cumsum(block.lengths)
        bits = np.where(block.lengths > 1, nats / LN2 / [1 + len(line) for line in lines], 0.0)
        for index in np.argsort(-bits, kind="stable")[:MOST_LINES].tolist():
            length, least = int(block.lengths[index]), self._worst[0][0] if self._worst else 0.0
            full = len(self._worst) == MOST_LINES
            if not bits[index] or (full and bits[index] <= least):
                continue
            symbols = symbols or block.symbols()
            start = int(ends[index]) - length
            shown = slice(start, start + min(length, LONGEST))
            line = _Line(
                number=self.lines_seen + index + 1,
                bits=float(bits[index]),
                symbols=symbols[shown],
                tokens=block.tokens[shown].copy(),
                scores=block.scores[shown].copy(),
                not_shown=max(0, length - LONGEST),
            )
            (heapq.heapreplace if full else heapq.heappush)(self._worst, (line.bits, -line.number, line))
        self.lines_seen += len(lines)

    def write(self, path, score: Score, model_name: str, text_name: str, adapt: float | None = None) -> None:
        """Write the whole page, or nothing. adapt: the learning rate of a model that kept learning from the text.
        Raises CharlmError if that fails."""
        write_text_file(path, self._text(score, model_name, text_name, adapt))

    def _text(self, score, model_name, text_name, adapt):
        lines = self._shown_lines()
        names, data = {}, []  # ids of tokens → numbers in the page's list of names
        for line in lines:
            data.append([self._alternatives(line.scores, index, names) for index in range(len(line.tokens))])
        level = self.vocabulary.level
        rows = [(f"{name}, adapted" if adapt else name, value) for name, value in _rows(score, level)]
        shown = f"All {len(lines):,}" if len(lines) == score.lines else f"{len(lines):,} of {score.lines:,}"
        parts = {
            "TITLE": as_text(text_name),
            "MODEL": as_text(model_name),
            "ADAPTED": f" The model kept learning from the text, with --adapt {adapt:g}." if adapt else "",
            "SHOWN": f"{shown} line{'s' if score.lines != 1 else ''}",
            "UNIT": UNITS[level],
            "FIGURES": "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows),
            "LEGEND": legend_of(level),
            "LINES": "\n".join(_line_item(line, level) for line in lines),
            "DATA": as_json({"names": list(map(self._name, names)), "lines": data}),
        }
        body = filled(part(__package__, "surprise_page.html"), parts)
        styles, script = (part(__package__, f"surprise_page.{ending}") for ending in ("css", "js"))
        return page(text_name, body, SURPRISE, styles=styles, script=script)

    def _shown_lines(self) -> list[_Line]:
        """The most surprising lines, the most surprising first, with at most MOST_TOKENS tokens after the first."""
        lines, tokens = [], 0
        for *_, line in sorted(self._worst, key=lambda entry: (-entry[0], -entry[1])):
            tokens += len(line.tokens)
            if lines and tokens > MOST_TOKENS:
                break
            lines.append(line)
        return lines

    def _alternatives(self, scores, index, names):
        """[probability of the token, then name and probability of each alternative]. A name is a number, which
        ``names`` gives to each id in the order of appearance."""
        found = [_short(np.exp(-float(scores.nats[index])))]
        alternatives = scores.most_likely[index].tolist(), scores.probabilities[index].tolist()
        for token, probability in zip(*alternatives, strict=True):
            if probability > 0:
                found += [names.setdefault(token, len(names)), _short(probability)]
        return found

    def _name(self, token):
        if token < len(SPECIAL):
            return "end of the line" if token != UNKNOWN else "an unknown " + UNITS[self.vocabulary.level]
        return _shown(self.vocabulary.decode([token]))


def score_with_page(
    scored: Iterable[list[ScoredBlock]],
    vocabulary: Vocabulary,
    page_path,
    *,
    model_path,
    paths,
    adapt: float | None = None,
) -> Score:
    """The score of a model on a text, whose most surprising lines go to a page at ``page_path``.

    scored: the scored blocks of the model with COLUMNS, in whole lines; paths: the files of the text; adapt: the
    learning rate of a model that kept learning from the text. Raises CorpusError if they hold no text, and CharlmError
    if the page cannot be written.
    """
    total, page = Total(), Page(vocabulary)
    for (block,) in scored:
        total.add(block)
        page.add(block)
    score = check_not_empty(total.score, paths)
    page.write(page_path, score, os.path.basename(model_path), names_of(paths), adapt)
    return score


def _rows(score: Score, level: str) -> tuple[tuple[str, str], ...]:
    """(name, figure) of each figure at the top of the page."""
    unit = UNITS[level]
    perplexity = f"{score.perplexity:.3g}" if score.perplexity < 1000 else f"{score.perplexity:,.0f}"
    spelled = [("the same with unknown ones spelled", f"{score.spelled.bits_per_character:.3f}")]
    return (
        ("bits per character", f"{score.bits_per_character:.3f}"),
        *(spelled if score.unknown_tokens else ()),
        (f"perplexity per {unit}", perplexity),
        (f"most likely {unit} was right", f"{100 * score.accuracies.get(1, 0):.0f} %"),
        ("unknown", f"{score.unknown_tokens:,} of {score.tokens:,}"),
    )


def _short(number: float) -> float:
    return float(f"{number:.4g}")


def _shown(symbol: str) -> str:
    """The name of a token in a list, with white space made visible."""
    return {" ": "␣", "\t": "⇥"}.get(symbol, visible(symbol).replace(" ", "␣"))


def _line_item(line: _Line, level: str) -> str:
    rest = f"<small> … and {line.not_shown:,} more</small>" if line.not_shown else ""
    return (
        f'<li data-line="{line.number}"><div class="of"><span>line {line.number:,}</span> '
        f"<span>{line.bits:.2f} bits/{'byte' if level == 'byte' else 'char'}</span></div>"
        f'<p class="text" tabindex="0">{painted(line.symbols, line.tokens, line.scores.nats, level)}{rest}</p></li>'
    )
