"""charlm train: text → model file."""

import json
import warnings
from contextlib import suppress
from dataclasses import asdict

import click

from ..errors import CharlmError, UsageError
from ..network.cells import CELLS, OLD_NAMES, current_name
from .options import ABOVE_0, AT_LEAST_1, MOST, PRECISIONS, SHARE, encoding, quiet, setting, threads
from .signals import noted_signals

TASKS = ("text", "classify", "generate", "tag", "translate")
LEVELS = ("char", "word", "byte")
SCHEDULES = ("cosine", "linear", "constant")


class CellName(click.Choice):
    """The name of a cell; an old name gives the current one, and a line on stderr that says so."""

    def __init__(self):
        super().__init__(list(CELLS))

    def convert(self, value, param, ctx):
        if value in OLD_NAMES:
            with warnings.catch_warnings():
                warnings.simplefilter("always", DeprecationWarning)
                value = current_name(value, warn=True)
        return super().convert(value, param, ctx)


@click.command(short_help="Train a model on text files and write it to one file.")
@click.argument("corpus", nargs=-1, required=True, metavar="CORPUS...")
@click.option("--output", "-o", required=True, metavar="FILE", help="Where the model goes: an .npz file.")
@setting(
    "--task",
    click.Choice(TASKS),
    None,
    "What is learnt: text (the next token); of lines label<TAB>text (or __label__x text) classify (the label), or "
    "generate (the text, given the label); of lines word<TAB>tag, blank ones between sentences, tag; of lines "
    "source<TAB>target translate (the target).",
    "text",
)
@setting("--level", click.Choice(LEVELS), None, "What a token is: a character, a word or a byte.", "char")
@click.option(
    "--lines", is_flag=True, help="Each line is a text of its own (a list of names, say), not part of a stream."
)
@setting("--holdout", SHARE, "SHARE", "Share of the text to measure on: its end or, with --lines, random lines.", 0.1)
@click.option("--valid", metavar="FILE", help="Measure on this file instead of holding out a share.")
@encoding
@setting(
    "--min-count", AT_LEAST_1, "N", "Symbols seen fewer times in training become <UNK>.  [default: 1, for words 2]"
)
@setting(
    "--max-vocabulary", click.IntRange(3), "N", "Keep the N most frequent, <EOS> and <UNK> included.  [default: all]"
)
@setting("--minutes", click.FloatRange(0, 1e6, min_open=True), "M", "How long it may take, all in all.  [default: 5]")
@setting("--epochs", ABOVE_0, "N", "Train by the text and not by the clock: so many times through it.")
@setting(
    "--cell",
    CellName(),
    None,
    "The recurrent cell; or feedforward, a feed-forward network.  [default: lstm; to classify gru]",
)
@setting(
    "--context", click.IntRange(1, 64), "N", "Tokens that --cell feedforward sees, the last one included.  [default: 8]"
)
@setting("--hidden", click.IntRange(1, MOST), "H", "Width of a layer.  [default: chosen; with --epochs 128]")
@setting("--layers", click.IntRange(1, 4), "L", "Layers on top of each other.  [default: chosen; with --epochs 2]")
@setting(
    "--embedding",
    click.IntRange(0, MOST),
    "E",
    "Width of an embedding of the input, 0: one-hot.  [default: 0; words chosen]",
)
@click.option("--tied", is_flag=True, help="Use the embedding as output weights too; it is as wide as the layer then.")
@click.option("--bidirectional", is_flag=True, help="Read both ways (not for --task text).")
@setting(
    "--batch",
    click.IntRange(1, MOST),
    "N",
    "Pieces of the text, or lines, that are trained side by side.  [default: chosen; with --epochs 50]",
)
@setting(
    "--steps",
    click.IntRange(1, MOST),
    "T",
    "Tokens in a window, through which the gradient runs.  [default: chosen; with --epochs 50]",
)
@setting("--lr", ABOVE_0, "RATE", "Learning rate at its highest.  [default: by the cell]")
@setting("--schedule", click.Choice(SCHEDULES), None, "How the learning rate goes to its end.", "cosine")
@setting("--clip", click.FloatRange(0), "NORM", "Largest norm of the gradient of the mean loss; 0 for no limit.", 0.2)
@setting(
    "--dropout",
    SHARE,
    "SHARE",
    "Share of each layer's units left out at random, against overfitting.  [default: chosen; with --epochs 0]",
)
@setting(
    "--precision",
    click.Choice(PRECISIONS),
    None,
    "In which training multiplies matrices: bf16 is faster, where the processor has AVX512-BF16; all else is float32.",
    "float32",
)
@setting("--seed", click.IntRange(0), "N", "Same seed, same settings: same model, to the byte.", 1)
@threads
@click.option(
    "--novelty/--no-novelty",
    default=True,
    help="Keep in the model file what tells new text from copies; it can also tell whether a line was trained on.",
)
@click.option("--resume", is_flag=True, help="Go on with a stopped training; settings not given are those of then.")
@setting("--save-every", click.FloatRange(0), "SECONDS", "Between the checkpoints that --resume goes on from.", 60.0)
@click.option("--log", metavar="FILE", help="Write each report as a line of JSON.")
@click.option("--plot", metavar="FILE", help="Draw the losses as a picture: an .svg file.")
@quiet
@click.pass_context
def train(run, corpus, output, resume, save_every, log, plot, quiet, **options):
    """Train a model on text files (- is standard input) and write it to one file.

    It takes --minutes, and what is not given is chosen: by the text, the time, and how fast this machine is. A tenth
    of the text is held out, and the model that does best on it is kept. Ctrl-C stops and saves; --resume goes on.
    """
    from ..display import say
    from ..display.training import curve_lines, introduction, judgement_lines, progress
    from ..files import write_text_file
    from ..reports.loss_curve import LossCurve, as_svg, check_picture
    from ..training.autotune import new_trainer
    from ..training.checkpoint import check_log, check_place, last_checkpoint, only_training_at, path_beside, saved
    from ..training.progress import reports

    tell = (lambda line: None) if quiet else say
    read = [*corpus, *([options["valid"]] if options["valid"] else [])]
    check_place(output, read)
    if log:
        check_log(log, [*read, output, path_beside(output)])
    if plot:
        check_picture(plot, [*read, output, path_beside(output), *([log] if log else [])])
    run.with_resource(only_training_at(output))
    checkpoint = None
    given = {name for name in options if run.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE}
    if {"minutes", "epochs"} <= given:
        raise UsageError("--minutes and --epochs do not go together: the training ends by the one or by the other")
    if resume:
        checkpoint = last_checkpoint(output)
        options |= {name: value for name, value in _options_in(checkpoint, run).items() if name not in given}
    trainer = new_trainer(corpus, **options)
    decided = asdict(trainer.architecture) | asdict(trainer.settings)
    kept = {name: decided.get(name, value) for name, value in options.items() if name != "threads"}
    if checkpoint:
        checkpoint.restore(trainer)
    for line in introduction(trainer):
        tell(line)
    unit = trainer.task.unit(options["level"])
    counted, most = [], 0
    if trainer.evaluation and (plot or not quiet):
        counted, most = trainer.task.baselines(trainer.corpus, trainer.settings.minutes)
    caught = run.with_resource(noted_signals())
    with (
        _log_file(log, append=resume) as write,
        progress(trainer, quiet) as show,
    ):
        steps = trainer.run(stop=lambda: bool(caught))
        for report in saved(trainer, reports(steps, every=min(1.0, save_every)), output, kept, save_every):
            write(report.as_dict())
            show(report)
    if caught and not trainer.finished:
        tell(
            f"stopped after {trainer.step:,} updates; the best model so far is in {output}; "
            "go on with the same command and --resume"
        )
        run.exit(128 + caught[0])
    curve = LossCurve(trainer.place.history, unit)
    if plot:
        others = {one.name: one.nats / len(trainer.corpus.evaluated) for one in counted if one.name != "xz"}
        write_text_file(plot, as_svg(curve, f"the loss of {output}", others))
    for line in curve_lines(curve):
        tell(line)
    if counted:
        for line in judgement_lines(trainer, counted, most):
            tell(line)
    known = trainer.evaluation and not counted
    tell(f"wrote {output}" + (f" (held-out loss {trainer.best_loss:.4f} nats a {unit})" if known else ""))


def _options_in(checkpoint, run):
    """The options that a checkpoint was made with, of the types that they have here."""
    kinds = {parameter.name: parameter for parameter in run.command.params}
    try:
        return {name: kinds[name].type_cast_value(run, value) for name, value in checkpoint.options.items()}
    except (KeyError, TypeError, click.BadParameter) as error:
        raise CharlmError(f"{checkpoint.path} is damaged: it was not made with such options ({error})") from None


class _log_file:
    """A function that writes a record as a line of JSON, to a file or nowhere."""

    def __init__(self, path, append):
        try:
            self.file = open(path, "a" if append else "w", encoding="utf-8") if path else None
        except OSError as error:
            raise CharlmError(f"cannot write {path}: {error.strerror}") from None

    def __enter__(self):
        return self._write

    def _write(self, record):
        if self.file:
            try:
                self.file.write(json.dumps(record) + "\n")
                self.file.flush()
            except OSError as error:
                raise CharlmError(f"cannot write {self.file.name}: {error.strerror}") from None

    def __exit__(self, *error):
        if self.file:
            with suppress(OSError):  # what could not be written
                self.file.close()
