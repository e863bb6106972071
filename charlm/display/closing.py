"""What a training says at its end: the best loss and what it means, the n-grams beside it, and what to type next."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from ..learning.before_and_after import after_lines
from ..learning.description import as_argument, best_loss_line, ended, held_out_figures, held_out_part, verdict
from ..reports.loss_curve import in_characters
from ..score import BYTE, LN2
from ..tasks.summary import number_of, rounding_in_words
from ..text.layout import fits, width_of
from . import is_ascii_only, stderr_width
from .scores import side_by_side

if TYPE_CHECKING:
    from ..learning.session import TrainingSession


def conclusion(session: TrainingSession) -> list[str]:
    """How a training ended."""
    trainer = session.trainer
    lines = [*curve_lines(session), ended(trainer)]
    if trainer.evaluation:
        lines.append(best_loss_line(session))
        lines += _rounding_lines(session)
    if session.baselines:
        lines += comparison_lines(session)
    if trainer.evaluation:
        lines += _unknown_lines(session)
    lines += after_lines(session)
    if session.files.output is None:
        return lines
    return [*lines, *kept_lines(session), f"wrote {session.files.output}", *_first_use(session)]


def nothing_to_do(session: TrainingSession) -> str:
    """What to say where a training is resumed that is finished."""
    return f"nothing to do: the training of {session.files.output} is finished; without --resume, a new one begins"


def kept_lines(session: TrainingSession) -> list[str]:
    """Where the model is now that was at the output before: a line, or none."""
    return [f"kept the model that was there as {session.kept}"] if session.kept else []


def stopped_lines(session: TrainingSession) -> list[str]:
    """Where a training was stopped, what is saved, and how to continue."""
    trainer, files = session.trainer, session.files
    loss = f" (held-out loss {trainer.best_loss:.4f})" if trainer.state.best_loss is not None else ""
    command = ["charlm", "train", *map(as_argument, session.paths), "-o", as_argument(files.output), "--resume"]
    also = {"--log": files.log, "--plot": files.plot, "--report": files.report}  # which a resumed training forgets
    command += [word for name, path in also.items() if path is not None for word in (name, as_argument(path))]
    lines = [f"stopped after {number_of(trainer.step, 'update')}, at {100 * trainer.state.progress:.0f} %"]
    if session.best_file is not None:
        untouched = "" if str(session.best_file) == str(files.output) else f"; {files.output} is as it was"
        lines = [f"{lines[0]}; the best model so far{loss} is in {session.best_file}{untouched}"]
    return [*lines, *_next(command, "to continue, type")]


def _rounding_lines(session: TrainingSession) -> list[str]:
    """What it costs that the model is stored in float16: a line, or none."""
    training = session.best.training
    if "unrounded" not in training:
        return []
    return [f"stored in float16: {rounding_in_words(training, session.unit)}"]


def _unknown_lines(session: TrainingSession) -> list[str]:
    """How much of the loss rests on <UNK>: a line, or none where no held-out token is unknown."""
    from ..text.corpus import Corpus

    corpus = session.trainer.corpus
    if not isinstance(corpus, Corpus) or not corpus.evaluated_unknown_share:
        return []
    unit = "byte" if corpus.vocabulary.level == "byte" else "character"
    nats = session.trainer.best_loss * len(corpus.evaluated), BYTE * int(corpus.evaluated_unknown_bytes.sum())
    own, more = (part / LN2 / corpus.evaluated_characters for part in nats)
    return [
        f"{100 * corpus.evaluated_unknown_share:.2g} % of the held-out tokens are <UNK>: to spell them out, at 8 bits "
        f"a byte, would add {more:.4f} bits per {unit} to these figures ({own + more:.4f} for the model)"
    ]


def comparison_lines(session: TrainingSession) -> list[str]:
    """The model and the baselines on the held-out text: a sentence, a table, and where a baseline does better, what to
    do."""
    table = [held_out_part(session), *_table(session)]
    is_better, sentence = verdict(session)
    return [sentence, *table] if is_better else [*table, sentence]


def _table(session: TrainingSession) -> list[str]:
    """The figures of the model and the baselines, with as many columns as the terminal has room for."""
    figures = held_out_figures(session)
    lines, width = side_by_side(figures), stderr_width()
    for column in ("perplexity", "bits_per_byte", "bits_per_character"):  # a narrow terminal lacks these
        if fits(lines, width):
            break
        figures = {name: {key: row[key] for key in row if key != column} for name, row in figures.items()}
        lines = side_by_side({name: row for name, row in figures.items() if row})
    return lines


def curve_lines(session: TrainingSession) -> list[str]:
    """The losses of a training, drawn in characters; no lines where stderr is not a terminal."""
    width = stderr_width()
    return [] if width is None else in_characters(session.losses, min(76, width - 1), 12, is_ascii_only())


def _first_use(session: TrainingSession) -> list[str]:
    """The command that shows what the model has learnt."""
    task, corpus = session.trainer.task, session.trainer.corpus
    model = ["--model", as_argument(session.files.output)]
    if task.name == "text":
        return _next(["charlm", "sample", *model, *(("--count", "10") if corpus.lines else ())])
    if task.name == "chords":
        return _next(["charlm", "sample", *model])
    if task.name == "generate":
        return _next(["charlm", "sample", *model, "--given", shlex.quote(task.labels[0]), "--count", "10"])
    valid = session.options.get("valid")
    if isinstance(valid, str | os.PathLike):
        return _next(["charlm", "evaluate", *model, as_argument(valid)])
    if task.input == "vectors":
        return _next(["charlm", "predict", *model, "FILE"], "next, type this, with a file of sequences to predict for")
    return _next(["charlm", "predict", *model], "next, type this, and then lines to predict for")


def _next(words: list[str], what: str = "next, type") -> list[str]:
    """A command to type; where it is too wide for the terminal, a backslash continues it."""
    width = stderr_width() or 10_000
    pieces: list[str] = []
    for word in words:  # an option and its value stay together
        if pieces and pieces[-1].startswith("-") and " " not in pieces[-1]:
            pieces[-1] += f" {word}"
        else:
            pieces.append(word)
    line, lines = "  ", [f"{what}:"]
    for number, piece in enumerate(pieces, 1):
        longer = f"{line} {piece}" if line.strip() else line + piece
        if line.strip() and width_of(longer) + (2 if number < len(pieces) else 0) > width:
            lines.append(f"{line} \\")
            longer = f"    {piece}"
        line = longer
    return [*lines, line]
