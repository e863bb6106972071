"""A training in the terminal: an introduction, its progress, and how it ended."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..score import LN2, exp
from ..text.vocabulary import UNITS
from . import say
from .model import network, number_of
from .scores import side_by_side

if TYPE_CHECKING:
    from ..learning.loop import Trainer
    from ..learning.progress import Report
    from ..learning.session import TrainingSession
    from ..reports.loss_curve import LossCurve
    from ..text.corpus import Corpus


def introduction(trainer: Trainer) -> list[str]:
    """The text, the network and the settings; hints where the text looks unsuitable."""
    from ..kernels.compiling import is_cold
    from ..learning.autotune import SMALL

    corpus, a = trainer.corpus, trainer.architecture
    unit = trainer.task.unit(corpus.vocabulary.level)
    batch = trainer.task.batch_description(corpus, trainer.rows, trainer.settings.steps)
    held_out = f", {len(corpus.held_out):,} held out" if len(corpus.held_out) else ""
    lines = [
        f"{', '.join(corpus.names)}: {number_of(len(corpus.train), unit)} for training{held_out}; "
        f"vocabulary of {len(corpus.vocabulary):,}",
        network(a),
        f"{_length(trainer)}; each update reads {batch}{_dropout(trainer.settings.dropout)}",
    ]
    if not held_out:
        lines.append("nothing is held out, so charlm keeps the last model")
    if corpus.lines_chosen and corpus.lines:
        lines.insert(0, _list_line(corpus))
    if trainer.plan and not trainer.step:
        lines.append(_reason(trainer))
    if trainer.plan and len(corpus.train) < SMALL:
        lines.append("the text is small: more text would help more than anything else")
    marked = "; * marks the lowest held-out loss so far, and that model is kept" if trainer.evaluation else ""
    lines.append(f"losses are in nats per {unit}{marked}")
    if trainer.step:
        lines.append(f"resuming after {number_of(trainer.step, 'update')}")
    if is_cold():
        lines.append("compiling the kernels; only the first run on this machine does this …")
    return lines


def _list_line(corpus: Corpus) -> str:
    """That charlm took the text for a list, and how to train on it as one text."""
    from ..text.vocabulary import EOS

    number = int((corpus.train == EOS).sum() + (corpus.held_out == EOS).sum())
    return (
        f"{', '.join(corpus.names)} {'looks' if len(corpus.names) == 1 else 'look'} like a list ({number:,} short "
        "lines), so each line is a text of its own; --stream trains on it as one text"
    )


def _dropout(rate: float | None) -> str:
    if rate is None:
        return "; dropout that follows the held-out loss"
    return f"; dropout {rate:g}" if rate else ""


def _reason(trainer: Trainer) -> str:
    """Why charlm chose these settings."""
    from ..learning.autotune import TOKENS_PER_WEIGHT

    plan, unit = trainer.plan, UNITS[trainer.corpus.vocabulary.level]
    tokens, epochs = plan.tokens, plan.tokens / len(trainer.corpus.train)
    number = f"{tokens / 1e6:.2g} million" if tokens < 1e7 else f"{tokens / 1e6:,.0f} million"
    times = f"{epochs:.2g}" if epochs < 10 else f"{epochs:,.0f}"
    reason = f"chosen for this machine, which has time for about {number} {unit}s (the text {times} times)"
    if plan.widest:
        reason += f": the widest layer whose weights are trained on at least {TOKENS_PER_WEIGHT} {unit}s each"
        reason += ", with dropout because the training repeats the text" if plan.options["dropout"] else ""
    return reason


def _length(trainer: Trainer) -> str:
    """How long the training will take, in minutes or epochs."""
    minutes = trainer.settings.minutes
    if minutes:
        return f"{minutes:g} minute{'s' if minutes != 1 else ''}"
    epochs = f"{trainer.total_tokens / len(trainer.corpus.train):g}"
    return f"{epochs} epoch{'s' if epochs != '1' else ''}"


def _speed(report: Report, unit: str) -> str:
    """The speed of the training, in words."""
    number = report.tokens_per_second
    return f"{number / 1000:.0f} thousand {unit}s" if number >= 10_000 else number_of(round(number), unit)


def report_line(report: Report, unit: str) -> str:
    """One report in one line."""
    if report.rolled_back:
        return f"the loss diverged: rolled back to update {report.step:,}, with a lower learning rate"
    held_out = (
        "" if report.valid_loss is None else f"   held out {report.valid_loss:.4f}{' *' if report.improved else '  '}"
    )
    if report.sampled_loss is not None:  # an estimate from a part of the held-out text
        held_out = f"   held out about {report.sampled_loss:.2f}"
    return f"epoch {report.epoch:7.2f}   training {report.train_loss:.4f}{held_out}   {_speed(report, unit)}/s"


@contextmanager
def progress(trainer: Trainer, quiet: bool) -> Iterator:
    """A function that shows a report. A terminal gets a progress bar, and a line that stays for each evaluation and
    rollback; a file or a pipe gets these lines only."""
    unit = trainer.task.unit(trainer.corpus.vocabulary.level)

    def is_kept(report):
        return report.valid_loss is not None or report.sampled_loss is not None or report.rolled_back

    if quiet:
        yield lambda report: None
        return
    if sys.stderr is None or not sys.stderr.isatty():
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
            loss = f"training {report.train_loss:.3f}   {_speed(report, unit)}/s"
            bar.update(task, completed=report.seconds if minutes else report.tokens, epoch=report.epoch, loss=loss)
            if is_kept(report):
                bar.console.print(report_line(report, unit), markup=False, highlight=False)

        yield show


def stopped_line(session: TrainingSession) -> str:
    """Where a training was stopped, and how to resume it."""
    updates = number_of(session.trainer.step, "update")
    untouched = "" if str(session.best_file) == str(session.files.output) else f"; {session.files.output} is as it was"
    return (
        f"stopped after {updates}; the best model so far is in {session.best_file}{untouched}; "
        "to continue, give the same command with --resume"
    )


def conclusion(session: TrainingSession) -> list[str]:
    """How a training ended: the curve of its losses, the model against the baselines, and the file."""
    trainer = session.trainer
    lines = curve_lines(session.losses)
    if session.baselines:
        lines += comparison_lines(session)
    shows_loss = trainer.evaluation and not session.baselines
    loss = f" (held-out loss {trainer.best_loss:.4f} nats per {session.unit})" if shows_loss else ""
    kept = [f"kept the model that was there as {session.kept}"] if session.kept else []
    return [*lines, *kept, f"wrote {session.files.output}{loss}"]


def comparison_lines(session: TrainingSession) -> list[str]:
    """The model and the baselines on the held-out text, as a table for people; where a baseline does better, what to
    do."""
    trainer, corpus, most = session.trainer, session.trainer.corpus, session.baseline_tokens
    unit, by_text = UNITS[corpus.vocabulary.level], "bits_per_character"
    if corpus.vocabulary.level == "byte":
        by_text = "bits_per_byte"
    tokens, figures = len(corpus.evaluated), {}
    for name, nats in {
        "the model": trainer.best_loss * tokens,
        **{one.name: one.nats for one in session.baselines},
    }.items():
        figures[name] = {by_text: nats / LN2 / corpus.evaluated_characters}
        if name != "xz":
            figures[name] |= {"nats_per_token": nats / tokens, "perplexity": exp(nats / tokens)}
    part = f"{'the first ' if tokens < len(corpus.held_out) else ''}{number_of(tokens, unit)}"
    rest = f"the last {number_of(most, unit)} of the" if most < len(corpus.train) else "the"
    lines = [
        f"held-out text, {part}; n-gram baselines trained on {rest} training text",
        *side_by_side(figures),
    ]
    better = [one.name for one in session.baselines if one.nats < trainer.best_loss * tokens]
    if better:
        remedy = "train longer" if trainer.settings.minutes else "train with --minutes, which chooses the settings"
        names = " and ".join(filter(None, (", ".join(better[:-1]), better[-1])))
        lines.append(f"{names} did better than the model: {remedy}, or give more text")
    return lines


def curve_lines(curve: LossCurve) -> list[str]:
    """The losses of a training, drawn in characters; no lines where stderr is not a terminal."""
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
