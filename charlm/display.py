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

from .loss import LN2, UNITS, Score, exp

if TYPE_CHECKING:  # what is shown is imported by whoever made it; an error line must not cost the import of NumPy
    from .acceptance import Tally
    from .baselines import Baseline
    from .comparing import Standing
    from .levels import Passage
    from .model import Model
    from .network.architecture import Architecture
    from .plotting import LossCurve
    from .training import Report, Trainer


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
    from .planning import SMALL

    corpus, a = trainer.corpus, trainer.architecture
    unit = trainer.task.unit(corpus.vocabulary.level)
    batch = trainer.task.size_in_words(corpus.vocabulary.level, trainer.rows, trainer.settings.steps)
    held_out = (
        f"{len(corpus.held_out):,} held out" if len(corpus.held_out) else "nothing held out: the last model is kept"
    )
    lines = [
        f"{', '.join(corpus.names)}: {len(corpus.train):,} {unit}s for training, {held_out}; "
        f"vocabulary of {len(corpus.vocabulary):,}",
        f"{network(a)}; {_length(trainer)} of {batch}"
        + (f", dropout {trainer.settings.dropout:g}" if trainer.settings.dropout else ""),
    ]
    if corpus.vocabulary.level == "char" and not corpus.lines and looks_like_a_list(corpus.train):
        lines.append("the text looks like a list: --lines would make each line a text of its own")
    if trainer.choice and not trainer.step:
        lines.append(_reason(trainer))
    if trainer.choice and len(corpus.train) < SMALL:
        lines.append("the text is small; nothing would help as much as more of it")
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
    layers = (
        f"{a.layers} layer{'s' if a.layers > 1 else ''} of {a.hidden}{' reading both ways' if a.bidirectional else ''}"
    )
    entry += f", {a.outputs:,} outputs" if a.outputs else ""
    cell = f"{a.cell} of {a.context} token{'s' if a.context > 1 else ''}" if a.context else a.cell
    return f"{cell}, {layers}, {entry}: {a.number_of_parameters:,} parameters"


def _reason(trainer: Trainer) -> str:
    """Why the settings are as they are."""
    from .planning import TOKENS_A_WEIGHT

    choice, unit = trainer.choice, UNITS[trainer.corpus.vocabulary.level]
    tokens, epochs = choice.tokens, choice.tokens / len(trainer.corpus.train)
    number = f"{tokens / 1e6:.2g} million" if tokens < 1e8 else f"{tokens / 1e6:,.0f} million"
    times = f"{epochs:.2g}" if epochs < 10 else f"{epochs:,.0f}"
    reason = f"chosen for this machine, which has time for {number} {unit}s, the text {times} times"
    if choice.widest:
        reason += f": the widest layer whose weights see {TOKENS_A_WEIGHT} {unit}s each"
        reason += ", and dropout because they see them again" if choice.options["dropout"] else ""
    return reason


def _length(trainer: Trainer) -> str:
    """How long a training is to be."""
    minutes = trainer.settings.minutes
    if minutes:
        return f"{minutes:g} minute{'s' if minutes != 1 else ''}"
    return f"{trainer.total_tokens / len(trainer.corpus.train):g} epochs"


def _speed(report: Report, unit: str) -> str:
    """How many of its units a training takes a second, in words."""
    number = report.tokens_per_second
    return f"{number / 1000:.0f} thousand {unit}s" if number >= 10_000 else f"{number:,.0f} {unit}s"


def report_line(report: Report, unit: str) -> str:
    if report.went_back:
        return f"the loss exploded: back to update {report.step:,}, with a lower learning rate"
    held_out = (
        "" if report.valid_loss is None else f"   held out {report.valid_loss:.4f}{' *' if report.improved else '  '}"
    )
    return f"epoch {report.epoch:7.2f}   training {report.train_loss:.4f}{held_out}   {_speed(report, unit)}/s"


@contextmanager
def progress(trainer: Trainer, quiet: bool) -> Iterator:
    """A function that shows a report: in a moving line on a terminal, and what is worth keeping in a line that
    stays."""
    unit = trainer.task.unit(trainer.corpus.vocabulary.level)

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
            loss = f"training {report.train_loss:.3f}   {_speed(report, unit)} a second"
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
    it and in 256 colours elsewhere, wrapped at its width. level: what the tokens are; light: the terminal's ground is.
    """

    def __init__(self, level: str, light: bool = False):
        from rich.console import Console
        from rich.style import Style

        from .painting import ON_DARK, ON_LIGHT

        true_colour = os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
        self.level, self.page = level, io.StringIO()
        self.console = Console(
            file=self.page, force_terminal=True, color_system="truecolor" if true_colour else "256", highlight=False
        )
        colours = ON_LIGHT if light else ON_DARK
        self.styles = [Style(), *(Style(color=ink, bgcolor=ground) for ground, ink in colours)]
        self.styles[-1] += Style(bold=True)
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


def paint(passages: Iterable[Passage], model: Model, background: str | None = None) -> None:
    """Write a text to stdout, painted by its surprise to the model, under a legend. background: "light" or "dark",
    None for what the terminal says of itself."""
    painter = Painter(model.vocabulary.level, (background or _background()) == "light")
    for number, passage in enumerate(passages):
        if not number:
            painter.write_legend()
        painter.write_passage(passage)


def _background() -> str:
    """The terminal's ground by the variable COLORFGBG, which some of them set ("0;15" is black on white); dark where it
    is not known."""
    number = os.environ.get("COLORFGBG", "").rpartition(";")[2]
    return "light" if number in ("7", *map(str, range(9, 16))) else "dark"


def baseline_lines(score: Score, baselines: dict[str, dict], corpus: str) -> list[str]:
    """What counting makes of the text beside the model, as a table for people."""
    return [f"beside counting on {visible(corpus)}", *_side_by_side({"the model": score.as_dict(), **baselines})]


COLUMNS = {
    "nats_per_token": "nats/token",
    "perplexity": "perplexity",
    "bits_per_character": "bits/character",
    "bits_per_byte": "bits/byte",
}


def _side_by_side(figures: dict[str, dict]) -> list[str]:
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


def judgement_lines(trainer: Trainer, counted: list[Baseline], most: int) -> list[str]:
    """What training came to beside counting on the last ``most`` tokens of its text, as a table for people; and where
    counting does better, what to do."""
    corpus = trainer.corpus
    unit, by_text = UNITS[corpus.vocabulary.level], "bits_per_character"
    if corpus.vocabulary.level == "byte":
        by_text = "bits_per_byte"
    tokens, figures = len(corpus.judged), {}
    for name, nats in {"the model": trainer.best_loss * tokens, **{one.name: one.nats for one in counted}}.items():
        figures[name] = {by_text: nats / LN2 / corpus.judged_characters}
        if name != "xz":
            figures[name] |= {"nats_per_token": nats / tokens, "perplexity": exp(nats / tokens)}
    part = f"the first {tokens:,} {unit}s" if tokens < len(corpus.held_out) else f"{tokens:,} {unit}s"
    rest = f"the last {most:,} {unit}s of the" if most < len(corpus.train) else "the"
    lines = [f"held out, {part}, beside counting on {rest} training text", *_side_by_side(figures)]
    better = [one.name for one in counted if one.nats < trainer.best_loss * tokens]
    if better:
        remedy = "more time" if trainer.settings.minutes else "--minutes, which chooses the settings"
        lines.append(f"{' and '.join(better)} did better than the model; give it {remedy}, or more text")
    return lines


def curve_lines(curve: LossCurve) -> list[str]:
    """The losses of a training, for a terminal; nothing where stderr is none."""
    from .plotting import in_characters

    if sys.stderr is None or not sys.stderr.isatty():
        return []
    try:
        "●".encode(sys.stderr.encoding)
        ascii_only = False
    except UnicodeEncodeError:
        ascii_only = True
    return in_characters(curve, min(76, _width() - 1), 12, ascii_only)


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80


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
        ("task", model.task.in_words()),
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
