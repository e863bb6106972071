"""The command line: one module per command, in the order of use: train, sample, perplexity, predict, evaluate, info.

    options     types, options and examples that several commands share
    signals     what Ctrl-C, SIGTERM and a closed pipe do

No other part of the package imports click. A command imports NumPy and the compiler only if it needs them.

Exit codes: 0 success; 1 an error, reported in one line; 2 a wrong option or argument; 130 Ctrl-C; 143 SIGTERM.
"""

import os
import sys
import warnings

import click

from .._version import __version__
from ..errors import CharlmError, UsageError
from . import evaluate, info, perplexity, predict, sample, train
from .options import examples


class Program(click.Group):
    """The commands, in the order of use. Each error becomes one line on stderr and an exit code."""

    def list_commands(self, context):
        return list(self.commands)

    def main(self, *args, **settings):
        # NumPy's products are small here, and their bits must not depend on threads
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        warnings.showwarning = lambda message, *_: click.echo(f"charlm: warning: {message}", err=True)
        try:
            code = super().main(*args, **settings | {"standalone_mode": False}) or 0  # None is success
            if sys.stdout is not None:
                sys.stdout.flush()
        except click.exceptions.NoArgsIsHelpError:
            code = self._fail(f"name a command: {', '.join(self.commands)} (charlm --help tells more)", 2)
        except click.ClickException as error:
            command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "charlm"
            message = self._message(error, args[0] if args else settings.get("args"))
            code = self._fail(f"{message} ({command} --help lists the options)", 2)
        except UsageError as error:
            code = self._fail(error, 2)
        except CharlmError as error:
            code = self._fail(error, 1)
        except (click.Abort, KeyboardInterrupt):
            code = 130
        except MemoryError:
            code = self._fail("there is not enough memory; choose a smaller --hidden, --batch or --steps", 1)
        except RuntimeError as error:
            if "start new thread" not in str(error):
                raise
            code = self._fail("the system cannot start another thread; choose fewer --threads, or allow more memory", 1)
        except OSError as error:
            code = self._fail(f"{error.filename or 'standard output'}: {error.strerror or error}", 1)
            _drop_stdout()
        sys.exit(code)

    def _message(self, error, arguments):
        """What was wrong with the arguments, and what the user may have meant."""
        if isinstance(error, click.NoSuchOption) and error.ctx:
            name = error.option_name
            if error.ctx.command is self:
                command = self._command_with(name)
                if command:
                    return f"options follow the command: charlm {command} {name} …"
            return f"No such option {name}{_similar(name, _options_of(error.ctx.command))}"
        if isinstance(error, click.MissingParameter) and error.param and "--model" in error.param.opts:
            given = sys.argv[1:] if arguments is None else arguments
            path = next((text for text in given if text.endswith(".npz")), "FILE")
            return f"Missing option --model; write {error.ctx.command_path} --model {path}"
        return error.format_message().rstrip(".")

    def _command_with(self, option):
        """The name of a command that has an option, sample before train; None if no command has it."""
        names = [name for name, command in self.commands.items() if option in _options_of(command)]
        return "sample" if "sample" in names else next(iter(names), None)

    @staticmethod
    def _fail(message, code):
        from ..display import say

        say(f"charlm: error: {' '.join(str(message).split())}")
        return code


def _options_of(command):
    return [name for parameter in command.params if isinstance(parameter, click.Option) for name in parameter.opts]


def _similar(name, options):
    """The option that the user may have meant, as words that end an error; "" if none is similar."""
    from difflib import get_close_matches

    found = get_close_matches(name.lstrip("-"), [option.lstrip("-") for option in options])
    return f"; did you mean --{found[0]}?" if found else ""


def _drop_stdout():
    """Point stdout at nothing, so that the interpreter's last flush does not fail again."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        pass


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
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


for command in (train.train, sample.sample, perplexity.perplexity, predict.predict, evaluate.evaluate, info.info):
    program.add_command(command)
