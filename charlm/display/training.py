"""What is said of a training: what is trained on what, how it goes, and what it came to."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..figures import LN2, exp
from ..text.vocabulary import UNITS
from . import say
from .model import network
from .scores import side_by_side

if TYPE_CHECKING:
    from ..reports.loss_curve import LossCurve
    from ..text.baselines import Baseline
    from ..training.loop import Trainer
    from ..training.progress import Report


def introduction(trainer: Trainer) -> list[str]:
    """What is trained on what, and what may be wrong with it."""
    from ..kernels.compiling import is_cold
    from ..text.corpus import looks_like_a_list
    from ..training.autotune import SMALL

    corpus, a = trainer.corpus, trainer.architecture
    unit = trainer.task.unit(corpus.vocabulary.level)
    batch = trainer.task.batch_description(corpus.vocabulary.level, trainer.rows, trainer.settings.steps)
    held_out = (
        f"{len(corpus.held_out):,} held out" if len(corpus.held_out) else "nothing held out: the last model is kept"
    )
    lines = [
        f"{', '.join(corpus.names)}: {len(corpus.train):,} {unit}s for training, {held_out}; "
        f"vocabulary of {len(corpus.vocabulary):,}",
        f"{network(a)}; {_length(trainer)} of {batch}{_dropout(trainer.settings.dropout)}",
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


def _dropout(share: float | None) -> str:
    if share is None:
        return ", dropout as the held-out loss asks for"
    return f", dropout {share:g}" if share else ""


def _reason(trainer: Trainer) -> str:
    """Why the settings are as they are."""
    from ..training.autotune import TOKENS_A_WEIGHT

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


def judgement_lines(trainer: Trainer, counted: list[Baseline], most: int) -> list[str]:
    """What training came to beside counting on the last ``most`` tokens of its text, as a table for people; and where
    counting does better, what to do."""
    corpus = trainer.corpus
    unit, by_text = UNITS[corpus.vocabulary.level], "bits_per_character"
    if corpus.vocabulary.level == "byte":
        by_text = "bits_per_byte"
    tokens, figures = len(corpus.evaluated), {}
    for name, nats in {"the model": trainer.best_loss * tokens, **{one.name: one.nats for one in counted}}.items():
        figures[name] = {by_text: nats / LN2 / corpus.evaluated_characters}
        if name != "xz":
            figures[name] |= {"nats_per_token": nats / tokens, "perplexity": exp(nats / tokens)}
    part = f"the first {tokens:,} {unit}s" if tokens < len(corpus.held_out) else f"{tokens:,} {unit}s"
    rest = f"the last {most:,} {unit}s of the" if most < len(corpus.train) else "the"
    lines = [f"held out, {part}, beside counting on {rest} training text", *side_by_side(figures)]
    better = [one.name for one in counted if one.nats < trainer.best_loss * tokens]
    if better:
        remedy = "more time" if trainer.settings.minutes else "--minutes, which chooses the settings"
        lines.append(f"{' and '.join(better)} did better than the model; give it {remedy}, or more text")
    return lines


def curve_lines(curve: LossCurve) -> list[str]:
    """The losses of a training, for a terminal; nothing where stderr is none."""
    from ..reports.loss_curve import in_characters

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
