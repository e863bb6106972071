"""What a training says at its end: the best loss and what it means, the n-grams beside it, and what to type next."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from ..reports.loss_curve import in_characters
from ..score import BYTE, LN2, exp
from ..tasks.summary import meaning_of_loss, number_of, rounding_in_words
from ..text.layout import fits, width_of
from ..text.vocabulary import UNITS
from . import is_ascii_only, stderr_width
from .durations import short
from .fine_tuning import after_lines
from .live import best_baseline
from .scores import side_by_side

if TYPE_CHECKING:
    from ..learning.loop import Trainer
    from ..learning.session import TrainingSession

EARLY = 0.95  # of the minutes: a training that ends later took its time


def conclusion(session: TrainingSession) -> list[str]:
    """How a training ended."""
    trainer = session.trainer
    passes = trainer.state.epoch + trainer.state.tokens_of_epoch / len(trainer.corpus.train)
    lines = [
        *curve_lines(session),
        f"ended after {short(trainer.state.seconds)}{why_early(trainer, passes)}: {number_of(trainer.step, 'update')}, "
        f"{passes:.3g} pass{'es' if passes != 1 else ''} over the text",
    ]
    if trainer.evaluation:
        lines.append(_best_loss(session))
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


def why_early(trainer: Trainer, passes: float) -> str:
    """Why a training ended before its minutes were over, as words that follow how long it took; "" if it did not."""
    task, minutes = trainer.task, trainer.settings.minutes
    if not minutes or trainer.state.seconds > EARLY * 60 * minutes:
        return ""
    if round(passes, 2) >= task.most_epochs:
        return f", because --task {task.name} makes at most {task.most_epochs} passes"
    return ", because the held-out loss no longer fell" if trainer.state.ending else ""


def stopped_lines(session: TrainingSession) -> list[str]:
    """Where a training was stopped, what is saved, and how to continue."""
    trainer, files = session.trainer, session.files
    loss = f" (held-out loss {trainer.best_loss:.4f})" if trainer.state.best_loss is not None else ""
    command = ["charlm", "train", *map(_as_argument, session.paths), "-o", _as_argument(files.output), "--resume"]
    lines = [f"stopped after {number_of(trainer.step, 'update')}, at {100 * trainer.state.progress:.0f} %"]
    if session.best_file is not None:
        untouched = "" if str(session.best_file) == str(files.output) else f"; {files.output} is as it was"
        lines = [f"{lines[0]}; the best model so far{loss} is in {session.best_file}{untouched}"]
    return [*lines, *_next(command, "to continue, type")]


def _best_loss(session: TrainingSession) -> str:
    loss, unit = session.trainer.best_loss, session.unit
    meaning = meaning_of_loss(loss, unit, session.trainer.corpus.vocabulary.level)
    the_model = "the model is " if meaning.startswith("as ") else ""
    return f"best held-out loss {loss:.4f} nats per {unit}: {the_model}{meaning}"


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
    trainer, corpus, most = session.trainer, session.trainer.corpus, session.baseline_tokens
    unit, tokens = UNITS[corpus.vocabulary.level], len(corpus.evaluated)
    part = f"{'the first ' if tokens < len(corpus.held_out) else ''}{number_of(tokens, unit)}"
    rest = f"the last {number_of(most, unit)} of the" if most < len(corpus.train) else "the"
    both = f", and in that of {trainer.base.ancestry[0]['name']}" if trainer.base and trainer.base.order else ""
    better = [one.name for one in session.baselines if one.nats < trainer.best_loss * tokens]
    lines = [
        f"held-out text, {part}; n-grams counted in {rest} training text{both}",
        *_table(session),
    ]
    if better:
        longer = "train longer" if trainer.settings.minutes else "train with --minutes, which chooses the settings"
        remedy = (
            "give more text" if trainer.state.ending else f"{longer}, or give more text"
        )  # ending: it learnt enough
        names = " and ".join(filter(None, (", ".join(better[:-1]), better[-1])))
        return [*lines, f"{names} did better than the model: {remedy}"]
    name, loss = best_baseline(session)
    sentence = f"that is better than {name} ({loss:.4f}), which only count which {unit} follows which"
    if trainer.state.best_alone and trainer.state.best_alone[0] > trainer.best_loss:
        sentence += f", and than the network alone ({trainer.state.best_alone[0]:.4f})"
    return [sentence, *lines]


def _table(session: TrainingSession) -> list[str]:
    """The figures of the model and the baselines, with as many columns as the terminal has room for."""
    trainer, corpus = session.trainer, session.trainer.corpus
    by_text = "bits_per_byte" if corpus.vocabulary.level == "byte" else "bits_per_character"
    tokens, figures = len(corpus.evaluated), {}
    for name, nats in {
        "the model": trainer.best_loss * tokens,
        **({"network alone": trainer.state.best_alone[0] * tokens} if trainer.state.best_alone else {}),
        **{one.name: one.nats for one in session.baselines},
    }.items():
        figures[name] = {by_text: nats / LN2 / corpus.evaluated_characters}
        if name != "xz":
            figures[name] |= {"nats_per_token": nats / tokens, "perplexity": exp(nats / tokens)}
    lines, width = side_by_side(figures), stderr_width()
    for column in ("perplexity", by_text):  # a narrow terminal lacks these
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
    model = ["--model", _as_argument(session.files.output)]
    if task.name == "text":
        return _next(["charlm", "sample", *model, *(("--count", "10") if corpus.lines else ())])
    if task.name == "generate":
        return _next(["charlm", "sample", *model, "--given", shlex.quote(task.labels[0]), "--count", "10"])
    valid = session.options.get("valid")
    if isinstance(valid, str | os.PathLike):
        return _next(["charlm", "evaluate", *model, _as_argument(valid)])
    return _next(["charlm", "predict", *model], "next, type this, and then lines to predict for")


def _as_argument(path) -> str:
    """The name of a file as one types it into a shell."""
    name = os.fspath(path)
    return shlex.quote(f"./{name}" if name.startswith("-") and name != "-" else name)


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
