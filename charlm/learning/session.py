"""A training run with its files. ``charlm train`` and ``charlm.train`` both use it.

    with TrainingSession("text.txt", TrainingFiles(output="m.npz"), {"minutes": 5}) as session:
        for report in session.run():
            print(report.valid_loss)

A session checks the places of its files before it reads the text, locks them against other runs, resumes from the last
checkpoint if it is asked to, saves checkpoints and the best model while it trains (see ``results``), and writes the
log, the picture of the losses, and the page of the training.
"""

import json
import os
import warnings
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext, suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path as FilePath
from typing import Any

from ..errors import CharlmError, ModelFileError, UsageError
from ..files import check_outputs, exclusive_output, is_one_of, write_text_file
from ..kernels.compiling import OnCompile
from ..modelfile import check_readable, is_model
from ..options import Path
from ..reports.loss_curve import as_svg, check_picture
from ..reports.training_page import check_report_path
from ..tasks.summary import number_of
from ..text.corpus import Corpus, warn_of_unknown
from ..text.reading import files_in, path_list
from .autotune import new_trainer
from .checkpoint import Checkpoint, checkpoint_path, last_checkpoint, previous_checkpoint_path
from .options import NAMES, given_options
from .page import RunningPage
from .progress import Report, reports
from .results import Results, check_checkpoints, check_output_name, finished_model, result_files
from .run import Run, TrainingFiles

REPORT_SECONDS = 1.0  # between reports, at most
OTHER_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".pdf")  # what a person may expect, and gets no picture of


class TrainingSession(Run):
    """A training run. ``with`` opens the session, which makes its ``trainer``; its end saves a training that was left
    before its end, and releases locks and threads.

    options: the given options by their names (see ``TrainingOptions``). on_compile: called when the first kernel begins
    to compile, on opening or when the training begins; it may return a context manager that is open while charlm
    compiles.

    Raises UsageError for an option that makes no sense. On opening, before it trains or writes anything, a session
    raises CharlmError where the text or the checkpoint cannot be read, or a file cannot be written.
    """

    results: Results | None = None  # with an output only

    def __init__(self, paths, files: TrainingFiles, options: Mapping[str, Any], on_compile: OnCompile | None = None):
        super().__init__(path_list(paths), files, given_options(options))
        self._open, self._on_compile = ExitStack(), on_compile
        self._running: Generator[Report, None, None] | None = None
        if files.resume and files.output is None:
            raise UsageError("a training is resumed from the checkpoint next to its model: name the model as output")
        if files.resume and "base" in self.options:
            raise UsageError(
                "--resume continues a training from its checkpoint, which has what it needs of the model that --from "
                "names: leave out --from"
            )
        if files.resume and files.restart:
            raise UsageError("--resume continues the unfinished training, --restart begins anew: give one of them")
        if files.output is not None:
            check_output_name(files.output)
        if files.plot is not None and FilePath(files.plot).suffix.lower() in OTHER_PICTURES:
            raise UsageError(f"--plot draws an SVG picture: give {files.plot} a name that ends in .svg")

    def __enter__(self) -> "TrainingSession":
        files, checkpoint, base = self.files, None, None
        self._check_places()
        with ExitStack() as opened:
            if files.output is not None:
                opened.enter_context(exclusive_training(files.output))
                check_checkpoints(files.output)
                if not files.resume:
                    self._check_unfinished(files.output)
            if files.resume:
                self.done = finished_model(files.output, self.paths, self.options)
                if self.done:
                    return self
                checkpoint = last_checkpoint(files.output)
                checkpoint.check_processor()
                base = checkpoint.base()
                self.options = given_options(checkpoint.options) | self.options
                self._check_places()  # again: the checkpoint may name held-out files
            self.trainer = new_trainer(self.paths, resumed=base, on_compile=self._on_compile, **self.options)
            opened.enter_context(closing(self.trainer.pool))
            check_readable(self.trainer.best)
            if checkpoint:
                checkpoint.restore(self.trainer)
            elif isinstance(self.trainer.corpus, Corpus):  # the other tasks warn when they read their texts
                warn_of_unknown(*self.trainer.corpus.unknown_shares)
            self.trainer.measure_base()
            if files.output is not None:
                last_is_damaged = checkpoint is not None and checkpoint.path != checkpoint_path(files.output)
                self.results = Results(self.trainer, files.output, self._kept_options(), files.backup, last_is_damaged)
            self._open = opened.pop_all()
        return self

    def __exit__(self, *error) -> None:
        with self._open:
            if self._running is not None:
                self._running.close()

    def _check_unfinished(self, output: Path) -> None:
        """Raise UsageError where the output has an unfinished training, unless this one shall give it up."""
        last, previous = checkpoint_path(output), previous_checkpoint_path(output)
        if not last.exists() and not previous.exists():
            return
        file = last if last.exists() else previous
        how_far, ways = "which cannot be read", "--restart begins anew"
        with suppress(ModelFileError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a last one that cannot be read
            found = last_checkpoint(output)
            file, how_far, ways = found.path, _how_far(found), f"--resume continues it, {ways}"
        if not self.files.restart:
            raise UsageError(f"{output} has an unfinished training in {file}, {how_far}: {ways}")
        self.given_up = f"gives up the unfinished training in {file}, {how_far}"

    def _check_places(self) -> None:
        """Raise CharlmError where a file cannot be written, or would overwrite one that it must not."""
        others = [path for name in ("valid", "also_valid") for path in path_list(self.options.get(name) or [])]
        files, read, base = self.files, files_in([*self.paths, *others]), self.options.get("base")
        taken = [] if files.output is None else result_files(files.output, files.backup)
        if isinstance(base, (str, os.PathLike)):
            read.append(base)
        if taken:
            # The model to go on with may stand at the output: it is in memory, and kept like any model there.
            used = read[:-1] if base and is_one_of(files.output, read[-1:]) else read
            check_outputs(taken, used, is_model, "a model", "--output")
        if files.log is not None:
            check_log(files.log, [*read, *taken])
            taken.append(files.log)
        if files.plot is not None:
            check_picture(files.plot, [*read, *taken])
            taken.append(files.plot)
        if files.report is not None:
            check_report_path(files.report, [*read, *taken])

    @property
    def best_file(self) -> FilePath | None:
        """The file that has ``best``: the output or, while the training is unfinished, the checkpoint. None where no
        file has it yet."""
        return self.results.best_file if self.results else None

    @property
    def kept(self) -> FilePath | None:
        """The file where charlm has kept the model that was at the output before; None where it kept none."""
        return self.results.kept if self.results else None

    def run(self, stop: Callable[[], bool] = lambda: False) -> Generator[Report, None, None]:
        """Train to the end, or until ``stop()`` is true after an update, and write the files. A training that is
        stopped, or left before its end, is saved, and another session can resume it."""
        self._running = self._reports(stop)
        return self._running

    def _reports(self, stop: Callable[[], bool]) -> Generator[Report, None, None]:
        if self.done:
            return
        files, trainer = self.files, self.trainer
        if files.plot is not None or files.report is not None:
            self.train_baselines()
        page = RunningPage(self, files.report) if files.report is not None else None
        found = reports(trainer.run(stop), every=min(REPORT_SECONDS, files.save_every))
        if self.results:
            found = self.results.follow(found, files.save_every)
        with _Log(files.log, append=files.resume) as log, page or nullcontext(), closing(found):
            if trainer.base and not trainer.state.tokens:
                log.write(self._before())
            for report in found:
                log.write(report.as_dict())
                if page:
                    page.follow(report)
                yield report
        if files.plot is not None and self.finished:
            tokens = len(trainer.corpus.evaluated) if self.baselines else 0
            others = {one.name: one.nats / tokens for one in self.baselines if one.name != "xz"}
            title = "the losses" if files.output is None else f"the loss of {files.output}"
            write_text_file(files.plot, as_svg(self.losses, title, others))

    def _before(self) -> dict[str, Any]:
        """The first record of the log of a training that goes on with a model: the losses before the first update."""
        state = self.trainer.state
        losses = {"base_loss": state.base_loss, "valid_loss": state.best_loss, "also_loss": state.also_before}
        found = {name: loss for name, loss in losses.items() if loss is not None}
        return {"step": 0, "epoch": 0.0, "tokens": 0, **found}

    def _kept_options(self) -> dict[str, Any]:
        """The options that a checkpoint keeps: the given ones, and what was chosen for the others."""
        decided = asdict(self.trainer.architecture) | asdict(self.trainer.settings)
        options = self.options | {name: decided[name] for name in NAMES if name in decided}
        for name in ("threads", "base"):  # the checkpoint has what it needs of the base
            options.pop(name, None)
        for name in {"valid", "also_valid"} & options.keys():
            options[name] = list(map(str, files_in(options[name])))  # a text from memory must be given again
        return options


def exclusive_training(model_path) -> AbstractContextManager[None]:
    """Lock a model's files against other trainings: see ``files.exclusive_output``."""
    return exclusive_output(result_files(model_path))


def _how_far(checkpoint: Checkpoint) -> str:
    """How far the training of a checkpoint has come, and when, in words."""
    saved = datetime.fromtimestamp(os.path.getmtime(checkpoint.path))
    return f"{number_of(checkpoint.state.step, 'update')}, saved at {saved:%Y-%m-%d %H:%M}"


def check_log(path, used=()) -> None:
    """Raise CharlmError now if a log could not be written to ``path`` later, or would overwrite a file that is not a
    log, or one of the files ``used``. A pipe or a device is written as it is."""
    if is_one_of(path, used):
        raise ModelFileError(f"will not overwrite {path} with the log; choose another name for --log")
    file = FilePath(path)
    if file.is_file() or file.is_dir() or not file.exists():
        check_outputs((path,), (), _is_log, "a log", "--log")
    if file.is_file():
        try:
            open(path, "ab").close()  # charlm writes into the existing file
        except OSError as error:
            raise ModelFileError(f"cannot write {path}: {error.strerror}; choose another name for --log") from None


def _is_log(path) -> bool:
    with open(path, "rb") as file:
        return file.read(1) in (b"", b"{")


class _Log:
    """Writes records as lines of JSON, to a file or nowhere."""

    def __init__(self, path, append: bool):
        try:
            self.file = open(path, "a" if append else "w", encoding="utf-8") if path is not None else None
        except OSError as error:
            raise CharlmError(f"cannot write {path}: {error.strerror}") from None

    def __enter__(self) -> "_Log":
        return self

    def write(self, record: dict) -> None:
        if self.file:
            try:
                self.file.write(json.dumps(record) + "\n")
                self.file.flush()
            except OSError as error:
                raise CharlmError(f"cannot write {self.file.name}: {error.strerror}") from None

    def __exit__(self, *error) -> None:
        if self.file:
            with suppress(OSError):  # closing writes once more what could not be written before
                self.file.close()
