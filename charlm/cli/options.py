"""The tables of options as options of the command line, and what several commands share."""

from os import PathLike

import click

from ..errors import UsageError
from ..options import BOTH, PYTHON, Option
from .help import HelpfulCommand

FILE = click.Path(readable=False)  # charlm checks files itself; by this type the shell completes their names


class OptionValue(click.ParamType):
    """The type of an option's value: the table checks it, and the shell completes its choices and the names of files.

    option: of the table.
    """

    name = "value"

    def __init__(self, option: Option):
        self.option = option

    def convert(self, value, param, ctx):
        return self.option.read(value) if isinstance(value, str) else value

    def shell_complete(self, ctx, param, incomplete):
        from click.shell_completion import CompletionItem

        if self.option.kind is PathLike:
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(choice) for choice in self.option.choices if choice.startswith(incomplete)]


class TableOption(click.Option):
    """An option of the command line, made from one of a table. group: the heading that it stands under in the help."""

    def __init__(self, option: Option, **settings):
        names = [option.name, option.flag + (f"/{option.negative}" if option.negative else "")]
        if option.kind is bool:
            settings |= {"is_flag": True, "default": option.default}  # by itself click takes False for a flag's default
        else:
            settings |= {"type": OptionValue(option), "multiple": option.several == BOTH}
            settings["metavar"] = option.metavar or option.name.upper()
        help = f"{option.help}  {option.extra}".rstrip()
        names += [option.short] if option.short else []
        if option.default not in (None, "", ()):  # click takes None for a value that was given
            settings["default"] = option.default
        super().__init__(names, help=help, required=option.required, **settings)
        self.group, self.option = option.group, option

    def completed(self, args):
        """The arguments of a command, with the value of an option that is given alone. What follows it is its value
        if it is a number, else an argument of its own: a file, say."""
        flag, alone = self.option.flag, self.option.alone
        if alone is None:
            return args
        stop = args.index("--") if "--" in args else len(args)
        followed = enumerate(zip(args, [*args[1:], ""], strict=False))
        return [
            f"{flag}={alone}" if text == flag and position < stop and not _is_number(following) else text
            for position, (text, following) in followed
        ]

    def get_help_extra(self, ctx):
        return {}  # the text of the help has it


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def command(table=(), *, arguments=(), **settings):
    """Make a function a command: its options, in the order of ``table``, its ``arguments``, and the settings of
    ``HelpfulCommand``. Options for Python only are left out."""

    def make(function):
        made = click.command(cls=HelpfulCommand, **settings)(function)
        options = [TableOption(option) for option in table if option.where != PYTHON]
        made.params[:] = [*arguments, *options, *made.params]
        return made

    return make


def load_language_model(path, label, also=()):
    """Load a model that samples or scores text. label: of --given. also: other tasks that the command takes. The errors
    of the model's task name the file."""
    model = load_model_of(path, label)
    try:
        model.check_task("text", *also)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    return model


def load_model_of(path, label):
    """Load a model; of --task generate, the language model of a label. label: of --given."""
    from ..model import load_model

    model = load_model(path)
    try:
        if label is None and model.task.name == "generate":
            labels = ", ".join(model.task.labels)
            raise UsageError(f"add --given LABEL, the label of the text; the model knows {labels}")
        return model if label is None else model.given(label)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def files_argument():
    """The files that a command reads; standard input without any."""
    return click.Argument(["files"], type=FILE, nargs=-1, metavar="[FILE]...")
