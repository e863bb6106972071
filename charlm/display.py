"""What a person sees: progress, reports, errors, and text made safe for a terminal. The only importer of rich.

stdout carries data; everything here that is not sampled text goes to stderr.
"""

from __future__ import annotations

import io
import math
import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from .loss import Score, exp

if TYPE_CHECKING:  # what is shown is imported by whoever made it; an error line must not cost the import of NumPy
    from .acceptance import Tally
    from .comparing import Standing
    from .levels import Passage
    from .model import Model
    from .network.architecture import Architecture
    from .training import Report, Trainer


UNITS = {"char": "character", "word": "word", "byte": "byte"}


def say(line: str) -> None:
    """One line for the person at the keyboard, on stderr."""
    try:
        sys.stderr.write(visible(line) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass  # nobody listens


def visible(text: str) -> str:
    """The text with everything that could steer a terminal made visible: only line feeds and tabs stay as they are.

    Control characters become their pictures (␛ for escape), those of format (which turn the direction of writing,
    among others) and bytes that are no UTF-8 become escapes such as \\u202e.
    """
    return "".join(map(_visible_character, text)) if not text.isascii() or not text.isprintable() else text


def _visible_character(character: str) -> str:
    code = ord(character)
    if character in "\n\t" or character.isprintable():
        return character
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if unicodedata.category(character) == "Zs":
        return character
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def write_text(text: str) -> None:
    """Sampled text to stdout as it is drawn: exact into a file or a pipe, made visible on a terminal."""
    _write(visible(text) if sys.stdout is not None and sys.stdout.isatty() else text)


def _write(text: str) -> None:
    if sys.stdout is None:
        raise OSError(None, "it is closed")
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def introduction(trainer: Trainer) -> list[str]:
    """What is trained on what, and what may be wrong with it."""
    from .corpus import looks_like_a_list
    from .kernels.compiling import is_cold

    corpus, a = trainer.corpus, trainer.architecture
    unit = UNITS[corpus.vocabulary.level]
    held_out = (
        f"{len(corpus.held_out):,} held out" if len(corpus.held_out) else "nothing held out: the last model is kept"
    )
    lines = [
        f"{', '.join(corpus.names)}: {len(corpus.train):,} {unit}s for training, {held_out}; "
        f"vocabulary of {len(corpus.vocabulary):,}",
        f"{network(a)}; {_length(trainer)} of {trainer.rows} × {trainer.settings.steps} {unit}s a window",
    ]
    if corpus.vocabulary.level == "char" and not corpus.lines and looks_like_a_list(corpus.train):
        lines.append("the text looks like a list: --lines would make each line a text of its own")
    if trainer.choice:
        lines.append(f"chosen by the text, the time and the machine: {trainer.choice.why}")
    lines.append(
        f"losses are in nats a {unit}"
        + ("; * marks the lowest yet, and that model is kept" if trainer.evaluation else "")
    )
    if trainer.step:
        lines.append(f"going on after {trainer.step:,} updates")
    if is_cold():
        lines.append("compiling the kernels, for the first run on this machine only …")
    return lines


def network(a: Architecture) -> str:
    """An architecture in words."""
    entry = f"embedding of {a.embedding}{', tied' if a.tied else ''}" if a.embedding else "one-hot input"
    layers = f"{a.layers} layer{'s' if a.layers > 1 else ''} of {a.hidden}"
    return f"{a.cell}, {layers}, {entry}: {a.number_of_parameters:,} parameters"


def _length(trainer: Trainer) -> str:
    """How long a training is to be."""
    epochs = trainer.total_tokens / len(trainer.corpus.train)
    minutes = trainer.settings.minutes
    return f"{minutes:g} minutes, about {epochs:.3g} epochs" if minutes else f"{epochs:g} epochs"


def report_line(report: Report, unit: str) -> str:
    if report.went_back:
        return f"the loss exploded: back to update {report.step:,}, with a lower learning rate"
    held_out = (
        "" if report.valid_loss is None else f"   held out {report.valid_loss:.4f}{' *' if report.improved else '  '}"
    )
    return (
        f"epoch {report.epoch:7.2f}   training {report.train_loss:.4f}{held_out}   "
        f"{report.tokens_per_second / 1000:.0f} thousand {unit}s/s"
    )


@contextmanager
def progress(trainer: Trainer, quiet: bool) -> Iterator:
    """A function that shows a report: in a moving line on a terminal, and what is worth keeping in a line that
    stays."""
    unit = UNITS[trainer.corpus.vocabulary.level]

    def is_kept(report):
        return report.valid_loss is not None or report.went_back

    if quiet:
        yield lambda report: None
        return
    if not sys.stderr.isatty():
        yield lambda report: is_kept(report) and say(report_line(report, unit))
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("epoch {task.fields[epoch]:.2f}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
        console=Console(stderr=True),
        transient=True,
    )
    minutes = trainer.settings.minutes
    with bar:
        task = bar.add_task("", total=60 * minutes if minutes else trainer.total_tokens, epoch=0.0, loss="")

        def show(report: Report):
            loss = f"training {report.train_loss:.3f}   {report.tokens_per_second / 1000:.0f} thousand {unit}s a second"
            bar.update(task, completed=report.seconds if minutes else report.tokens, epoch=report.epoch, loss=loss)
            if is_kept(report):
                bar.console.print(report_line(report, unit), markup=False, highlight=False)

        yield show


def refusals(tally: Tally, unit: str, shortest_run: int | None) -> str:
    """What was asked, drawn and refused, in a line. shortest_run: of the copies that are noticed, None for none."""
    from .acceptance import in_words

    kept = 1 - tally.refused / max(1, tally.drawn)
    units = "" if unit == "sample" else f" {unit}{'s' if tally.drawn != 1 else ''}"
    parts = [
        f"asked {tally.asked:,}" + (f", found {tally.found:,}" if tally.found < tally.asked else ""),
        f"drawn {tally.drawn:,}{units}",
        f"refused {tally.refused:,}" + (f" ({in_words(tally.refusals)})" if tally.refused else ""),
    ]
    undecided = tally.drawn - tally.refused - tally.found
    if unit == "sample" and undecided:  # a run that ended before its time
        parts.append(f"undecided {undecided:,}")
    line = f"{', '.join(parts)}; {100 * kept:.3g} % kept"
    if tally.longest_copied_run:
        line += f"; longest copied run {tally.longest_copied_run:,} characters"
    elif shortest_run is None:
        line += "; copies are not known: the model file has no record of its training text"
    elif tally.found:
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


class Painter:
    """Writes text to stdout, each token painted by its surprise, in true colour where the terminal says that it has
    it and in 256 colours elsewhere, wrapped at its width. level: what the tokens are."""

    def __init__(self, level: str):
        from rich.console import Console
        from rich.style import Style

        from .painting import ON_DARK

        true_colour = os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
        self.level, self.page = level, io.StringIO()
        self.console = Console(
            file=self.page, force_terminal=True, color_system="truecolor" if true_colour else "256", highlight=False
        )
        last = len(ON_DARK)
        self.styles = [Style()]
        self.styles += [
            Style(color=ink, bgcolor=ground, bold=number == last) for number, (ground, ink) in enumerate(ON_DARK, 1)
        ]
        self.unknown = [style + Style(underline=True) for style in self.styles]

    def write_legend(self) -> None:
        from rich.text import Text

        from .painting import legend

        line = Text(f"bits a {UNITS[self.level]}: ")
        for style, words in zip(self.styles, legend(self.level), strict=True):
            line.append(f" {words} ", style)
        line.append("  ")
        line.append("unknown", self.unknown[0])
        self._print(line)
        self._print(Text())
        self._let_out()

    def write_passage(self, passage: Passage) -> None:
        """Each line of it, with a ↵ where its end surprises."""
        from rich.text import Text

        from .painting import bands_of
        from .vocabulary import UNKNOWN

        symbols = iter(passage.symbols())
        bands = iter(bands_of(passage.measures.nats, self.level).tolist())
        unknown = iter((passage.tokens == UNKNOWN).tolist())
        for length in passage.lengths.tolist():
            line = Text()
            for symbol, band, is_unknown in islice(zip(symbols, bands, unknown, strict=True), length):
                text = visible(symbol) if symbol != "\n" else "↵" if band else ""
                line.append(text, (self.unknown if is_unknown else self.styles)[band])
            self._print(line)
        self._let_out()

    def _print(self, line):
        self.console.print(line, overflow="fold")

    def _let_out(self):
        _write(self.page.getvalue())
        self.page.seek(0)
        self.page.truncate()


def paint(passages: Iterable[Passage], model: Model) -> None:
    """Write a text to stdout, painted by its surprise to the model, under a legend."""
    painter = Painter(model.vocabulary.level)
    for number, passage in enumerate(passages):
        if not number:
            painter.write_legend()
        painter.write_passage(passage)


def baseline_lines(score: Score, baselines: dict[str, dict], corpus: str) -> list[str]:
    """What counting makes of the text beside the model, as a table for people."""
    rows = [("", "nats/token", "perplexity", "bits/character", "bits/byte")]
    for name, found in {"the model": score.as_dict(), **baselines}.items():
        by_token = ("", "")
        if "perplexity" in found:
            by_token = (f"{found['nats_per_token']:.4f}", _figure(found["perplexity"]))
        rows.append((f"  {name}", *by_token, f"{found['bits_per_character']:.4f}", f"{found['bits_per_byte']:.4f}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        f"beside counting on {visible(corpus)}",
        *("   ".join((row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:]))) for row in rows),
    ]


def standing_lines(standings: list[Standing], lines_a_unit: int) -> list[str]:
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


def info_lines(model: Model, path, size: int) -> list[str]:
    """What is in a model file, for people."""
    a, v = model.architecture, model.vocabulary
    symbols = "".join(map(str, v.symbols[:60])) if v.level == "char" else " ".join(map(repr, v.symbols[:8]))
    rows = [
        ("file", f"{path}, {size:,} bytes"),
        ("network", network(a)),
        ("text", "lines, each a sequence of its own" if model.lines else "one stream"),
        (
            "vocabulary",
            f"{len(v):,} {UNITS[v.level]}s with <EOS> and <UNK>: {symbols}{'…' if len(v.symbols) > 8 else ''}",
        ),
    ]
    try:
        rows += _training_rows(model.training)
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError):  # a file by another hand
        rows += [("training", "the record of it cannot be read")]
    rows += _novelty_rows(model)
    return [f"{name:<14} {visible(value)}" for name, value in rows]


def _novelty_rows(model: Model) -> list[tuple[str, str]]:
    """What of the training text can be told from new text, and how often new text is taken for it."""
    novelty = model.novelty
    if not novelty:
        return [("known lines", "none: the file does not hold what tells copies from new text")]
    unit = "bytes" if novelty.in_bytes else "characters"
    lines = f"every line of the training text; false positives {_percent(novelty.line_rate)}"
    runs = f"every run of {novelty.shortest_run:,} {unit} or more; false positives {_percent(novelty.run_rate)}"
    if novelty.window > 1:
        runs += (
            f"; a large text: one in {novelty.window:,} neighbouring runs of {novelty.run} is kept, "
            f"and a copied run may look up to {2 * (novelty.window - 1):,} {unit} longer than it is"
        )
    if not len(novelty.runs.bits):
        runs = f"none: there is none of {novelty.run} {unit} in the training text"
    return [
        ("known lines", f"{lines} ({len(novelty.lines.bits):,} bytes)"),
        ("known runs", f"{runs} ({len(novelty.runs.bits):,} bytes)"),
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _training_rows(training: dict) -> list[tuple[str, str]]:
    rows = []
    corpus, settings = training.get("corpus"), training.get("settings")
    if corpus:
        rows += [
            (
                "trained on",
                f"{', '.join(corpus['names'])}: {corpus['bytes']:,} bytes, {corpus['train_tokens']:,} tokens for "
                f"training, {corpus['held_out_tokens']:,} held out",
            ),
            ("SHA-256", f"{corpus['sha256']}"),
        ]
    if settings:
        rows += [
            (
                "settings",
                ", ".join(
                    f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
                    for name, value in settings.items()
                ),
            )
        ]
    if training.get("step"):
        rows += [("trained for", f"{training['step']:,} updates, {training['tokens']:,} tokens")]
    if training.get("valid_loss") is not None:
        rows += [
            (
                "held-out loss",
                f"{training['valid_loss']:.4f} nats a token, perplexity {exp(training['valid_loss']):.3f}",
            )
        ]
    return rows
