"""The page of a training, written while it goes on (``reports.training_page`` says what it shows).

The training must not wait for its page: samples and writing may take PART of its time each, and the page is written
every EVERY seconds at most. A page that cannot be written costs a warning, and at the end an error; the training goes
on.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext, suppress
from datetime import datetime
from typing import TYPE_CHECKING

from ..errors import CharlmError, DivergedError
from ..export.page import playground
from ..files import remove_parts, write_text_file
from ..network.measuring import score_tokens, spans
from ..reports.machine import machine
from ..reports.passages import Passage, extreme_passages
from ..reports.training_page import PageMemory, TrainingPage, WrittenSample, memory_of
from ..scoring.scorer import Engines
from ..tasks.summary import facts, number_of
from ..text.corpus import line_starts
from ..text.durations import short
from ..text.visible import visible
from ..text.vocabulary import UNITS, Vocabulary
from .before_and_after import after_lines
from .description import (
    as_argument,
    best_baseline,
    best_loss_line,
    command,
    ended,
    held_out_figures,
    held_out_part,
    how_far,
    opening,
    passes_of,
    reasons,
    verdict,
)
from .preview import Preview

if TYPE_CHECKING:
    from ..model import Model
    from .progress import Report
    from .run import Run

EVERY = 5.0  # seconds between two versions of the page, at least
PART = 0.003  # of the time that writing it may take, about
STAGES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75)  # of the progress, at which the model writes a sample
SAMPLE = 5  # lines of a sample
MOST_TIMES = 256  # moments whose time the page knows
MOST_PLAYGROUND = 20_000_000  # bytes of a model that the page holds, about
BYTES_OF_PARAMETER, BYTES_OF_NGRAM = 4, 3  # about
MOST_SCORED = 20_000  # tokens of the held-out part among which the page looks for passages


class RunningPage:
    """The page of a training run. ``with`` writes it for the last time, at the end of the training or where it
    stopped.

    path: of the page.
    """

    def __init__(self, run: Run, path):
        self.run, self.path, trainer = run, path, run.trainer
        with suppress(OSError):
            remove_parts(path)
        self.memory = memory_of(path, trainer.identity) if trainer.step else PageMemory(identity=trainer.identity)
        self._forget_after(trainer.step)
        self.preview = Preview(trainer, SAMPLE, seed=trainer.settings.seed, every=0.0)
        self._begun: tuple[int, float, float | None] = 0, 0.0, None  # update, time and loss of the sample that grows
        self._stage = sum(trainer.state.progress >= stage for stage in STAGES) if trainer.step else 0
        self._report: Report | None = None
        self._due, self._has_failed = 0.0, False
        # the reasons know the plan only before the first update
        self._intro, self._settings = opening(run), reasons(trainer, run.unit)

    def __enter__(self) -> RunningPage:
        return self

    def follow(self, report: Report) -> None:
        """Take a report of the training; sample for a moment, or write the page, where it is time to."""
        self._report = report
        self._forget_after(report.step)
        self._note_time(report)
        self._sample(report)
        start = time.perf_counter()
        if start < self._due or self.run.finished:
            return
        try:
            self._write(self._page(*_running_status(self.run, report)))
        except CharlmError as error:
            if not self._has_failed:
                warnings.warn(f"{error}; the training goes on", stacklevel=2)
            self._has_failed = True
        self._due = start + max(EVERY, (time.perf_counter() - start) / PART)

    def __exit__(self, kind, error, traceback) -> None:
        if self.run.finished and error is None:
            self._write(self._whole())
            return
        with suppress(CharlmError) if error else nullcontext():  # the first error is the one to tell
            self._write(self._stopped(error))

    def _write(self, page: TrainingPage) -> None:
        write_text_file(self.path, page.html())

    def _forget_after(self, step: int) -> None:
        """Forget what was after an update, to which the training has rolled back, or from which it resumes."""
        self.memory.times = [moment for moment in self.memory.times if moment[0] <= step]
        self.memory.samples = [sample for sample in self.memory.samples if sample.step <= step]

    def _note_time(self, report: Report) -> None:
        times = self.memory.times
        if not times or times[-1][0] < report.step:
            times.append((report.step, report.seconds))
        if len(times) > MOST_TIMES:
            del times[1:-1:2]

    def _sample(self, report: Report) -> None:
        """Let the model write a little, where a sample grows or a stage of the training is reached."""
        progress = self.run.trainer.state.progress
        begins = not self.preview.is_growing
        if begins and (self._stage >= len(STAGES) or progress < STAGES[self._stage]):
            return
        is_whole = self.preview.refresh()
        if begins and (is_whole or self.preview.is_growing):
            self._begun = report.step, report.seconds, report.train_loss
            self._stage = sum(progress >= stage for stage in STAGES)
        if is_whole:
            self._keep_sample(*self._begun)

    def _keep_sample(self, step: int, seconds: float, loss: float | None) -> None:
        text = visible("\n".join(self.preview.texts))
        self.memory.samples.append(WrittenSample(step=step, seconds=seconds, loss=loss, text=text))

    def _page(self, status: str, progress: float | None = None) -> TrainingPage:
        """The page as it is now. status, progress: see ``TrainingPage``."""
        run, trainer = self.run, self.run.trainer
        tokens = len(trainer.corpus.evaluated) if run.baselines else 0
        steps, counts = [0], [0]
        for step, more, _ in trainer.state.losses:
            steps.append(step)
            counts.append(counts[-1] + more)
        return TrainingPage(
            name=run.name,
            status=status,
            progress=progress,
            figures=self._figures(),
            curve=run.losses,
            others={one.name: one.nats / tokens for one in run.baselines if one.name != "xz"},
            passes=[(step, count / len(trainer.corpus.train)) for step, count in zip(steps, counts, strict=True)],
            memory=self.memory,
            intro=self._intro,
            settings=self._settings,
            machine=machine(trainer.pool.threads),
            command=command(run),
            level=trainer.corpus.vocabulary.level,
        )

    def _stopped(self, error: BaseException | None) -> TrainingPage:
        """The page of a training that was stopped, or ended by an error."""
        trainer = self.run.trainer
        why = "the loss diverged" if isinstance(error, DivergedError) else "stopped"
        page = self._page(f"{why} after {number_of(trainer.step, 'update')}, at {100 * trainer.state.progress:.0f} %")
        if trainer.step:
            page.model = facts(self.run.best)
        return page

    def _whole(self) -> TrainingPage:
        """The page of a finished training."""
        run, trainer = self.run, self.run.trainer
        best = run.best
        if self.preview.number:
            self.preview.whole(best)
            loss = self._report.train_loss if self._report else None
            self.memory.samples = [sample for sample in self.memory.samples if sample.step < trainer.step]
            self._keep_sample(trainer.step, trainer.state.seconds, loss)
        page = self._page(ended(trainer))
        page.model = facts(best)
        has_engine = not best.architecture.channels  # a page computes with tokens
        if has_engine and _size(best) <= MOST_PLAYGROUND:
            page.playground = playground(best, "float32")  # to round the weights well takes seconds
        elif has_engine:
            page.apart = self._command_for_a_page()
        if trainer.evaluation:
            page.verdict = best_loss_line(run)
            page.extremes = self._extremes(best)
        if run.baselines:
            is_better, words = verdict(run)
            page.verdict += f"; {words}" if is_better else f". {words}"
            page.comparison, page.compared_on = held_out_figures(run), held_out_part(run)
        page.verdict = ". ".join(filter(None, [page.verdict, *after_lines(run)]))
        return page

    def _command_for_a_page(self) -> str:
        """What one types for a page that holds the model; in Python, if no file has it."""
        model = self.run.files.output
        if model is None:
            return 'charlm.export_model(model, "model-page.html")'
        page = os.fspath(model).removesuffix(".npz") + "-page.html"
        return f"charlm export {as_argument(model)} {as_argument(page)}"

    def _figures(self) -> list[tuple[str, str]]:
        """The most important figures of this moment."""
        run, trainer = self.run, self.run.trainer
        held_out = run.losses.held_out
        rows = []
        if trainer.state.best_loss is not None:
            rows.append((f"best held-out loss, nats per {run.unit}", f"{trainer.best_loss:.4f}"))
        elif held_out:
            rows.append((f"held-out loss, nats per {run.unit} (estimate)", f"{held_out[-1][1]:.3f}"))
        if baseline := best_baseline(run):
            rows.append((f"{baseline[0]}, nats per {run.unit}", f"{baseline[1]:.4f}"))
        if trainer.step:
            rows.append(("passes over the text", f"{passes_of(trainer):.3g}"))
            unit = UNITS[trainer.corpus.vocabulary.level]
            speed = trainer.state.tokens / max(trainer.state.seconds, 1e-9)
            rows += [("time", short(trainer.state.seconds)), (f"{unit}s per second, in all", f"{speed:,.0f}")]
        return rows

    def _extremes(self, model: Model) -> tuple[list[Passage], list[Passage]]:
        """The passages of the held-out text that surprise a language model least and most; none for another task."""
        trainer, corpus = self.run.trainer, self.run.trainer.corpus
        if trainer.task.name != "text":
            return [], []
        tokens = corpus.evaluated[:MOST_SCORED]
        if corpus.lines:
            tokens = tokens[: line_starts(tokens)[-1]]
        engine = Engines(model, trainer.pool.threads).compiled(len(spans(tokens, corpus.lines).start))
        nats = score_tokens(engine, tokens, corpus.lines)
        return extreme_passages(tokens, nats, symbol_of(corpus.vocabulary), corpus.lines)


def _size(model: Model) -> int:
    """About how many bytes a page needs for a model."""
    counts = len(model.mixture.ngrams) if model.mixture else 0
    return BYTES_OF_PARAMETER * model.architecture.number_of_parameters + BYTES_OF_NGRAM * counts


def symbol_of(vocabulary: Vocabulary) -> Callable[[int], str]:
    """The text of a token of a vocabulary, by its id."""
    return lambda token: vocabulary.outside(vocabulary.decode([token]))


def _running_status(run: Run, report: Report) -> tuple[str, float]:
    """How far a training is, in words and as a fraction."""
    fraction, left = how_far(run.trainer, report)
    rest = "" if left is None else f", {short(left)} left"
    now = f"{datetime.now():%H:%M:%S}"
    return f"{100 * fraction:.0f} % done{rest} (at {now})", fraction
