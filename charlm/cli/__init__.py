"""The command line: one module per command, in the order of use: train, sample, perplexity, states, predict,
evaluate, report, export, import, info.

    options     the tables of options as options of the command line
    help        the help of the program and of its commands
    messages    what is wrong with the arguments, in one line
    signals     what Ctrl-C, SIGTERM, a closed terminal and a closed pipe do

No other part of the package imports click. A command imports NumPy and the compiler only if it needs them.

Exit codes: 0 success; 1 an error, reported in one line; 2 a wrong option or argument; 129 SIGHUP; 130 Ctrl-C;
143 SIGTERM.
"""

import os
import sys
import time
import warnings
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from keyword import iskeyword

import click

from .._version import __version__
from ..errors import CharlmError, Note, RankError, UsageError
from ..ranks import ALONE, announced, job
from .help import Helpful
from .messages import message

SUMMARIES = {  # of the commands, in the order of use
    "train": "Train a model on text files and write it to one file.",
    "sample": "Sample new text from a model.",
    "perplexity": "Measure how surprising text is to a model.",
    "states": "Give the hidden states at each token or line.",
    "predict": "Predict labels, tags or translations.",
    "evaluate": "Measure how often a model is right.",
    "report": "Put models side by side on a page.",
    "export": "Write a model as a web page, or for PyTorch.",
    "import": "Make a model of weights from PyTorch.",
    "info": "Show what a model file contains.",
}


class Commands(Mapping):
    """The commands by their names. Each is imported when it is asked for, so that a command does not wait for the
    options of the others."""

    def __iter__(self):
        return iter(SUMMARIES)

    def __len__(self):
        return len(SUMMARIES)

    def __getitem__(self, name):
        if name not in SUMMARIES:
            raise KeyError(name)
        module = f"{name}_" if iskeyword(name) else name
        command = getattr(import_module(f".{module}", __name__), module)
        command.short_help = SUMMARIES[name]
        return command


class Program(Helpful, click.Group):
    """The commands, in the order of use. Each error becomes one line on stderr and an exit code."""

    def list_commands(self, context):
        return list(self.commands)

    def format_commands(self, context, formatter):
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))

    def main(self, *args, **settings):
        # NumPy's products are small here, and their bits must not depend on threads
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        warnings.showwarning = _show_warning
        given = args[0] if args else settings.get("args")
        try:
            run = partial(super().main, *args, **settings | {"standalone_mode": False})
            code = _shared(run, sys.argv[1:] if given is None else given) or 0  # None is success
            if sys.stdout is not None:
                sys.stdout.flush()
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.ctx.get_help())
            code = 0
        except (click.Abort, KeyboardInterrupt) as error:
            code = fail(error, 130, "")
        except click.ClickException as error:
            code = fail(error, 2, message(error, self, given))
        except UsageError as error:
            code = fail(error, 2)
        except CharlmError as error:
            code = fail(error, 1)
        except MemoryError as error:
            code = fail(error, 1, "there is not enough memory; choose a smaller --hidden, --batch or --steps")
        except OSError as error:
            code = fail(error, 1, f"{error.filename or 'standard output'}: {error.strerror or error}")
            _drop_stdout()
        except Exception as error:
            if "start new thread" in str(error):
                words = "the system cannot start another thread; choose fewer --threads, or allow more memory"
                code = fail(error, 1, words)
            elif announced()[1] == 1:
                raise
            else:
                sys.excepthook(*sys.exc_info())
                code = fail(error, 1, f"{type(error).__name__}: {error}")
        sys.exit(code)


def _shared(run, arguments):
    """Run a command, and return its exit code. Of the ranks of an MPI job all run ``train``; any other command is run
    by rank 0, and the other ranks help where it deals out work."""
    ranks = ALONE if announced()[1] == 1 or arguments[:1] == ["train"] else job()
    if ranks.number == 1:
        return run()
    from ..network.dealing import dismiss, help_first

    if not ranks.is_first:
        return help_first(ranks)
    try:
        code = run()
    except click.exceptions.NoArgsIsHelpError:
        dismiss(ranks)
        raise
    dismiss(ranks)
    return code


def fail(error, code, words=None):
    """Say why charlm ends, in one line, and return the exit code. words: those of the error if not given; "" to say
    nothing. The ranks of an MPI job say one line together, and all end."""
    from ..display import say

    def say_error(line):
        if line:
            say(f"charlm: error: {' '.join(line.split())}")

    words = str(error) if words is None else words
    rank, number = announced()
    if number == 1:
        say_error(words)
        return code
    try:
        ranks = job()
    except UsageError as error:  # rank 0 says so, the others only if it can work
        time.sleep(3 if rank else 0)
        say_error(str(error))
        return code
    ranks.tell(error if isinstance(error, RankError) else words, code)
    return ranks.leave(say_error)


def _show_warning(message, category, *_):
    if announced()[0]:
        return  # rank 0 has the same warning
    kind = "" if issubclass(category, Note) else "warning: "
    click.echo(f"charlm: {kind}{message}", err=True)


def _drop_stdout():
    """Point stdout at nothing, so that the interpreter's last flush does not fail again."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        pass


@click.group(
    cls=Program,
    commands=Commands(),
    context_settings={"help_option_names": ["-h", "--help"]},
    examples=(
        "charlm train corpus.txt -o m.npz",
        "charlm sample -m m.npz",
        "charlm perplexity -m m.npz other.txt",
    ),
)
@click.version_option(__version__, message="charlm %(version)s")
def program():
    """Train a language model on your own text, sample new text from it, and measure how surprising other text is to it.

    charlm COMMAND --help lists the options of a command.
    """
