"""charlm train: text → model file."""

from contextlib import ExitStack, contextmanager

import click
from click.core import ParameterSource

from ..errors import UsageError
from ..learning.options import OF_FILES, TRAINING
from ..ranks import job
from .options import FILE, command
from .signals import caught_signals


@contextmanager
def interruption_reported():
    """Tell a person who presses Ctrl-C before the first update that there is no file to resume."""
    from ..display import say

    try:
        yield
    except KeyboardInterrupt:
        if job().is_first:
            say("stopped before the first update; nothing was written")
        raise click.Abort from None


@command(
    [*OF_FILES[:1], *TRAINING, *OF_FILES[1:]],
    arguments=[click.Argument(["corpus"], type=FILE, nargs=-1, required=True, metavar="CORPUS...")],
    first=("output", "task", "lines", "minutes", "resume", "base"),
    examples=(
        "charlm train book.txt -o book.npz",
        "charlm train names.txt --minutes 1 -o names.npz",
        "charlm train book.txt -o book.npz --resume",
    ),
)
@click.pass_context
def train(click_context, corpus, *, show, explain, quiet, **options):
    """Train a model on text files (- is standard input) and write it to one file.

    The training takes --minutes. It holds out a tenth of the text, and keeps the model that does best on it. Ctrl-C
    stops the training and saves it; --resume continues it.

    charlm chooses the settings that you do not give: by the text, the time, and the speed of this machine. With
    --epochs, and for a --task other than text, it takes the fixed settings of the task.

    A trained model learns another text, or more text, with --from.
    """
    from dataclasses import fields

    from ..display import say
    from ..display.closing import conclusion, nothing_to_do, stopped_lines
    from ..display.live import compiling, shown
    from ..learning.description import opening
    from ..learning.session import TrainingFiles, TrainingSession

    files = TrainingFiles(**{field.name: options.pop(field.name) for field in fields(TrainingFiles)})
    given = {
        name: value
        for name, value in options.items()
        if click_context.get_parameter_source(name) == ParameterSource.COMMANDLINE
    }
    if {"minutes", "epochs"} <= given.keys():
        raise UsageError("--minutes and --epochs do not go together: give the time or the passes over the text")
    if {"holdout", "valid"} <= given.keys():
        raise UsageError("--holdout and --valid do not go together: hold a part out, or name a file to measure on")
    quiet = quiet or not job().is_first
    on_compile = None if quiet else compiling
    with ExitStack() as opened:
        with interruption_reported():
            session = opened.enter_context(TrainingSession(corpus, files, given, on_compile))
            if session.done:
                if not quiet:
                    say(nothing_to_do(session))
                return
            if not quiet:
                for line in opening(session, explain):
                    say(line)
                session.train_baselines()
        with caught_signals() as caught, shown(session, show, quiet) as show_report:
            for report in session.run(stop=lambda: bool(caught)):
                show_report(report)
        is_stopped = caught and not session.finished
        if not quiet:
            for line in stopped_lines(session) if is_stopped else conclusion(session):
                say(line)
        if is_stopped:
            click_context.exit(128 + caught[0])
