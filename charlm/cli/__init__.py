"""The command line, a module for each command. The only importer of click; NumPy and the compiler are imported by the
commands that need them.

Exit codes: 0 done; 1 an error, told in one line; 2 a wrong option or argument; 130 Ctrl-C; 143 SIGTERM.
"""

import os
import sys
import warnings

import click

from .._version import __version__
from ..errors import CharlmError, UsageError
from . import evaluate, info, perplexity, predict, sample, train


class Program(click.Group):
    """The commands, in the order of their use, with every error as one line on stderr and its exit code."""

    def list_commands(self, context):
        return list(self.commands)

    def main(self, *args, **settings):
        # NumPy's products here are small, and bits must not depend on threads
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        warnings.showwarning = lambda message, *_: click.echo(f"charlm: warning: {message}", err=True)
        try:
            code = super().main(*args, **settings | {"standalone_mode": False}) or 0  # an exit code, or nothing
            if sys.stdout is not None:
                sys.stdout.flush()
        except click.exceptions.NoArgsIsHelpError:
            code = self._fail(f"name a command: {', '.join(self.commands)} (charlm --help tells more)", 2)
        except click.ClickException as error:
            command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "charlm"
            code = self._fail(f"{error.format_message().rstrip('.')} ({command} --help lists the options)", 2)
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
            code = self._fail("there is no room for another thread; choose fewer --threads, or allow more memory", 1)
        except OSError as error:
            code = self._fail(f"{error.filename or 'standard output'}: {error.strerror or error}", 1)
            _drop_stdout()
        sys.exit(code)

    @staticmethod
    def _fail(message, code):
        from ..display import say

        say(f"charlm: error: {' '.join(str(message).split())}")
        return code


def _drop_stdout():
    """Let the interpreter's last flush of an unwritable stdout go nowhere."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        pass


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="charlm %(version)s")
def program():
    """Train a language model on text of your own, draw new text from it, measure how surprising other text is.

    \b
    charlm train corpus.txt -o m.npz
    charlm sample --model m.npz
    charlm perplexity --model m.npz other.txt
    """


for command in (train.train, sample.sample, perplexity.perplexity, predict.predict, evaluate.evaluate, info.info):
    program.add_command(command)
