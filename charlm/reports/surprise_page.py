"""The most surprising lines of a text as one web page that needs nothing else.

Each token is painted by its surprise; pointed at, touched, or reached with the arrow keys, it shows its probability
and the LIKELIEST tokens in its place. The page holds the lines with the most bits a character, MOST_LINES of them and
about MOST_TOKENS tokens at most, so that a browser can show it whatever the size of the text; of a blank line there is
nothing to see. Its frame is page.html.
"""

import heapq
import html
import json
import os
import re
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from .._version import __version__
from ..errors import CorpusError
from ..figures import LN2, Score
from ..files import check_places, write_text_file
from ..model import Model
from ..network.measuring import TokenScores
from ..scoring.blocks import text_blocks
from ..scoring.perplexity import ScoredBlock, Total, scored_blocks
from ..text.reading import name_of
from ..text.visible import visible
from ..text.vocabulary import SPECIAL, UNITS, UNKNOWN, Vocabulary
from .palette import ON_DARK, ON_LIGHT, bands_of, legend

MOST_LINES = 400
MOST_TOKENS = 60_000
LONGEST = 2000  # tokens of a line that are shown
MARK = '<meta name="generator" content="charlm'


def check_place(path, read=()) -> None:
    """Raise CharlmError now if a page cannot be written to ``path`` later, or would overwrite what is no such page.

    read: files that are read, which must not be the same one.
    """
    check_places((path,), read, _is_page, "a page of charlm", "--html")


def _is_page(path):
    with open(path, "rb") as file:
        return MARK.encode() in file.read(1000)


@dataclass
class _Line:
    number: int
    bits: float
    symbols: list[str]
    tokens: np.ndarray
    measures: TokenScores
    left_out: int  # tokens at its end


class Page:
    """Collects the lines of a text, passage by passage (with the column "likeliest"), and writes the page."""

    def __init__(self, vocabulary: Vocabulary):
        self.vocabulary, self.lines_seen = vocabulary, 0
        self._worst: list[tuple[float, int, _Line]] = []  # a heap, the least surprising of them first

    def add(self, passage: ScoredBlock) -> None:
        """Add the lines of a passage."""
        nats, lines = passage.sums(passage.measures.nats), passage.lines()
        symbols, ends = None, np.cumsum(passage.lengths)
        bits = np.where(passage.lengths > 1, nats / LN2 / [1 + len(line) for line in lines], 0.0)
        for place in np.argsort(-bits, kind="stable")[:MOST_LINES].tolist():
            length, least = int(passage.lengths[place]), self._worst[0][0] if self._worst else 0.0
            if not bits[place] or (len(self._worst) == MOST_LINES and bits[place] <= least):
                continue
            symbols = symbols or passage.symbols()
            first, last = int(ends[place]) - length, min(int(ends[place]), int(ends[place]) - length + LONGEST)
            number = self.lines_seen + place + 1
            measures = TokenScores(
                *(None if x is None else x[first:last].copy() for x in vars(passage.measures).values())
            )
            line = _Line(
                number,
                float(bits[place]),
                symbols[first:last],
                passage.tokens[first:last].copy(),
                measures,
                length - (last - first),
            )
            (heapq.heappush if len(self._worst) < MOST_LINES else heapq.heapreplace)(
                self._worst, (line.bits, -number, line)
            )
        self.lines_seen += len(lines)

    def write(self, path, score: Score, model_name: str, text_name: str) -> None:
        """Write the page, whole or not at all. Raises CharlmError where that is not possible."""
        write_text_file(path, self._text(score, model_name, text_name))

    def _text(self, score, model_name, text_name):
        lines, tokens = [], 0
        for *_, line in sorted(self._worst, key=lambda entry: (-entry[0], -entry[1])):
            tokens += len(line.tokens)
            if lines and tokens > MOST_TOKENS:
                break
            lines.append(line)
        names, data = {}, []
        for line in lines:
            data.append([self._alternatives(line.measures, place, names) for place in range(len(line.tokens))])
        level = self.vocabulary.level
        shown = f"All {len(lines):,}" if len(lines) == score.lines else f"{len(lines):,} of {score.lines:,}"
        unit = UNITS[level]
        figures = (
            ("bits per character", f"{score.bits_per_character:.3f}"),
            (
                f"perplexity per {unit}",
                f"{score.perplexity:.3g}" if score.perplexity < 1000 else f"{score.perplexity:,.0f}",
            ),
            (f"likeliest {unit} was right", f"{100 * score.accuracies.get(1, 0):.0f} %"),
            ("unknown", f"{score.unknown_tokens:,} of {score.tokens:,}"),
        )
        parts = {
            "VERSION": html.escape(__version__),
            "TITLE": html.escape(visible(text_name)),
            "MODEL": html.escape(visible(model_name)),
            "SHOWN": f"{shown} line{'s' if score.lines != 1 else ''}",
            "UNIT": unit,
            "FIGURES": "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures),
            "LEGEND": "".join(f'<span class="s{band}">{words}</span>' for band, words in enumerate(legend(level)))
            + '<span class="u">unknown</span>',
            "LIGHT": _colours(ON_LIGHT),
            "DARK": _colours(ON_DARK),
            "LINES": "\n".join(_line_item(line, level) for line in lines),
            "DATA": _script({"names": list(map(self._name, names)), "lines": data}),
        }
        template = files(__package__).joinpath("surprise_page.html").read_text(encoding="utf-8")
        return re.sub("@([A-Z]+)@", lambda match: parts[match[1]], template)

    def _alternatives(self, measures, place, names):
        """[probability of the token, then name and probability of each alternative]; names are numbered as they
        come."""
        found = [_short(np.exp(-float(measures.nats[place])))]
        for symbol, chance in zip(measures.likeliest[place].tolist(), measures.chances[place].tolist(), strict=True):
            if chance > 0:
                found += [names.setdefault(symbol, len(names)), _short(chance)]
        return found

    def _name(self, symbol):
        if symbol < len(SPECIAL):
            return "end of the line" if symbol != UNKNOWN else "an unknown " + UNITS[self.vocabulary.level]
        return _shown(self.vocabulary.decode([symbol]))


def score_with_page(model: Model, paths, page_path, model_name: str, *, encoding: str = "utf-8", **how) -> Score:
    """The score of some files, whose lines go to a page at ``page_path``. how: see ``levels.passages``. Raises
    CorpusError where there is no text."""
    total, page = Total(), Page(model.vocabulary)
    text = text_blocks([model], paths, True, encoding)
    for (passage,) in scored_blocks([model], text, ("ranks", "likeliest"), **how):
        total.add(passage)
        page.add(passage)
    score, names = total.score, ", ".join(map(name_of, paths))
    if not score.tokens:
        raise CorpusError(f"there is no text in {names}")
    page.write(page_path, score, os.path.basename(model_name), names)
    return score


def _short(number: float) -> float:
    return float(f"{number:.4g}")


def _shown(symbol: str) -> str:
    """A token as it is named in a list, where white space alone could not be seen."""
    return {" ": "␣", "\t": "⇥"}.get(symbol, visible(symbol).replace(" ", "␣"))


def _colours(pairs) -> str:
    return "".join(f"--g{band}:{ground};--i{band}:{ink};" for band, (ground, ink) in enumerate(pairs, 1))


def _script(value) -> str:
    """JSON that may stand in a script element."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _line_item(line: _Line, level: str) -> str:
    bands = bands_of(line.measures.nats, level).tolist()
    spans = []
    for symbol, token, band in zip(line.symbols, line.tokens.tolist(), bands, strict=True):
        kind = f"s{band} u" if token == UNKNOWN else f"s{band}"
        text = "↵" if symbol == "\n" else html.escape(visible(symbol))
        spans.append(f'<b class="{kind}">{text}</b>')
    rest = f"<small> … and {line.left_out:,} more</small>" if line.left_out else ""
    return (
        f'<li data-line="{line.number}"><div class="of"><span>line {line.number:,}</span> '
        f"<span>{line.bits:.2f} bits/{'byte' if level == 'byte' else 'char'}</span></div>"
        f'<p tabindex="0">{"".join(spans)}{rest}</p></li>'
    )
