"""charlm train: text → model file."""

import warnings
from contextlib import ExitStack, contextmanager

import click
from click.core import ParameterSource

from ..errors import UsageError
from ..network.cells import CELLS, OLD_NAMES, current_name
from .options import (
    ABOVE_0,
    AT_LEAST_1,
    FILE,
    FRACTION,
    MOST,
    PRECISIONS,
    IntegerRange,
    NumberRange,
    encoding,
    examples,
    setting,
    threads,
)
from .signals import caught_signals

TASKS = ("text", "classify", "generate", "tag", "translate")
LEVELS = ("char", "word", "byte")
SCHEDULES = ("cosine", "linear", "constant")


class CellName(click.Choice):
    """The name of a cell. An old name gives the current one, and a line on stderr says so."""

    def __init__(self):
        super().__init__(list(CELLS))

    def convert(self, value, param, ctx):
        if value in OLD_NAMES:
            with warnings.catch_warnings():
                warnings.simplefilter("always", FutureWarning)
                value = current_name(value, warn=True)
        return super().convert(value, param, ctx)


@contextmanager
def interruption_reported():
    """Tell a person who presses Ctrl-C before the first update that there is no file to resume."""
    from ..display import say

    try:
        yield
    except KeyboardInterrupt:
        say("stopped before the first update; nothing was written")
        raise click.Abort from None


@click.command(
    short_help="Train a model on text files and write it to one file.",
    epilog=examples(
        "charlm train book.txt -o book.npz",
        "charlm train names.txt --lines --minutes 1 -o names.npz",
        "charlm train book.txt -o book.npz --resume",
    ),
)
@click.argument("corpus", type=FILE, nargs=-1, required=True, metavar="CORPUS...")
@click.option("--output", "-o", type=FILE, required=True, metavar="FILE", help="Write the model to this file (.npz).")
@setting(
    "--task",
    click.Choice(TASKS),
    None,
    "What the model learns. text: the next token. classify: the label of a line label<TAB>text (or __label__x text). "
    "generate: the text of such a line, given the label. tag: the tag in each line word<TAB>tag; a blank line ends a "
    "sentence. translate: the target in each line source<TAB>target.",
    "text",
)
@setting("--level", click.Choice(LEVELS), None, "What a token is: a character, a word or a byte.", "char")
@click.option(
    "--lines", is_flag=True, help="Each line is a text of its own (a name, for example), not part of one long text."
)
@setting(
    "--holdout",
    FRACTION,
    "FRACTION",
    "Hold out this fraction of the text to measure on: the end of the text or, with --lines, random lines.",
    0.1,
)
@click.option("--valid", type=FILE, metavar="FILE", help="Measure on this file instead of a held-out part.")
@encoding
@setting(
    "--min-count",
    AT_LEAST_1,
    "N",
    "Replace symbols that occur fewer than N times in the training text by <UNK>.  [default: 1, for words 2]",
)
@setting(
    "--max-vocabulary",
    IntegerRange(3),
    "N",
    "Keep the N most frequent symbols, <EOS> and <UNK> included.  [default: all]",
)
@setting(
    "--minutes",
    NumberRange(0, 1e6, min_open=True),
    "M",
    "Time for the whole training. charlm chooses the settings that you do not give.  [default: 5]",
)
@setting("--epochs", ABOVE_0, "N", "Train for N passes over the text, however long they take.")
@setting(
    "--cell",
    CellName(),
    None,
    "Kind of layer: a recurrent cell, or feedforward for a network without memory.  "
    "[default: lstm; gru for --task classify]",
)
@setting(
    "--context",
    IntegerRange(1, 64),
    "N",
    "With --cell feedforward: the network sees the last N tokens.  [default: 8]",
)
@setting("--hidden", IntegerRange(1, MOST), "H", "Width of a layer.  [default: chosen; with --epochs 128]")
@setting("--layers", IntegerRange(1, 4), "L", "Number of layers.  [default: chosen; with --epochs 2]")
@setting(
    "--embedding",
    IntegerRange(0, MOST),
    "E",
    "Width of an embedding of the input tokens; 0 means one-hot input.  [default: 0; for words, chosen]",
)
@click.option(
    "--tied", is_flag=True, help="Use the embedding as output weights too; it gets the width of the layers then."
)
@click.option("--bidirectional", is_flag=True, help="Read each text forward and backward (not for --task text).")
@setting(
    "--batch",
    IntegerRange(1, MOST),
    "N",
    "Train on N pieces of the text, or N lines, in parallel.  [default: chosen; with --epochs 50]",
)
@setting(
    "--steps",
    IntegerRange(1, MOST),
    "T",
    "Backpropagate through windows of T tokens.  [default: chosen; with --epochs 50]",
)
@setting("--lr", ABOVE_0, "RATE", "Highest learning rate.  [default: depends on the cell]")
@setting("--schedule", click.Choice(SCHEDULES), None, "How the learning rate falls after its highest value.", "cosine")
@setting("--clip", NumberRange(0), "NORM", "Scale a gradient down to this norm; 0 means no limit.", 0.2)
@setting(
    "--dropout",
    FRACTION,
    "RATE",
    "Drop this fraction of each layer's units at random, against overfitting.  [default: chosen; with --epochs 0]",
)
@setting(
    "--precision",
    click.Choice(PRECISIONS),
    None,
    "Number type of the matrix products in training. bf16 is faster, on processors with AVX512-BF16.",
    "float32",
)
@setting(
    "--seed",
    IntegerRange(0),
    "N",
    "Seed of all random choices. With --epochs, the same seed and settings give the same model, to the byte.",
    1,
)
@threads
@click.option(
    "--novelty/--no-novelty",
    default=True,
    help="Store in the model file what charlm sample needs to tell new text from copies. Anyone who has the file can "
    "then test whether a line was in the training text.  [default: novelty]",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue the stopped training of this output. The settings that you do not give keep their values, except "
    "--log, --plot, --save-every and --threads.",
)
@setting("--save-every", NumberRange(0), "SECONDS", "Time between the checkpoints for --resume.", 60.0)
@click.option("--log", type=FILE, metavar="FILE", help="Write each report to this file, as one line of JSON.")
@click.option(
    "--plot",
    type=FILE,
    metavar="FILE",
    help="When the training is finished, draw the losses to this file, as a picture (.svg).",
)
@click.option(
    "--quiet",
    "-q",
    is_flag=True,
    help="Print only warnings and errors. The n-gram baselines are skipped, unless --plot draws them.",
)
@click.pass_context
def train(click_context, corpus, *, output, log, plot, resume, save_every, quiet, **options):
    """Train a model on text files (- is standard input) and write it to one file.

    The training takes --minutes. charlm chooses the settings that you do not give: by the text, the time, and the speed
    of this machine. It holds out a tenth of the text, and keeps the model that does best on it. Ctrl-C stops the
    training and saves it; --resume continues it.
    """
    from ..display import say
    from ..display.training import conclusion, introduction, progress, stopped_line
    from ..learning.session import TrainingFiles, TrainingSession

    given = {
        name: value
        for name, value in options.items()
        if click_context.get_parameter_source(name) == ParameterSource.COMMANDLINE
    }
    if {"minutes", "epochs"} <= given.keys():
        raise UsageError("--minutes and --epochs do not go together: give the time or the passes over the text")
    if {"holdout", "valid"} <= given.keys():
        raise UsageError("--holdout and --valid do not go together: hold a part out, or name a file to measure on")
    files = TrainingFiles(output=output, log=log, plot=plot, resume=resume, save_every=save_every)
    with ExitStack() as opened:
        with interruption_reported():
            session = opened.enter_context(TrainingSession(corpus, files, given))
            if not quiet:
                for line in introduction(session.trainer):
                    say(line)
                session.train_baselines()
        with caught_signals() as caught, progress(session.trainer, quiet) as show:
            for report in session.run(stop=lambda: bool(caught)):
                show(report)
        is_stopped = caught and not session.finished
        if not quiet:
            for line in [stopped_line(session)] if is_stopped else conclusion(session):
                say(line)
        if is_stopped:
            click_context.exit(128 + caught[0])
