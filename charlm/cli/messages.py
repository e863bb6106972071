"""What was wrong with the arguments, in one line of ours: click's own words are for who knows click."""

import sys

import click


def message(error: click.ClickException, program: click.Group, arguments) -> str:
    """The message of an error of click. arguments: those of the program, None for those of the process."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context else "charlm"
    more = f" ({path} --help lists the options)"
    if isinstance(error, click.NoSuchOption) and context:
        name = error.option_name
        command = _command_with(program, name) if context.command is program else None
        if command:
            return f"options follow the command: charlm {command} {name} …{more}"
        return f"there is no option {name}{_similar(name, options_of(context.command))}{more}"
    if isinstance(error, click.exceptions.NoSuchCommand):
        names = ", ".join(program.commands)
        return f"there is no command {error.command_name!r}; the commands are {names} (charlm --help explains them)"
    if isinstance(error, click.MissingParameter) and error.param and context:
        return f"{_missing(error.param, path, arguments)}{more}"
    if isinstance(error, click.BadOptionUsage) and context:
        return f"{_wrong_value(error.option_name, context)}{more}"
    return f"{error.format_message().rstrip('.')}{more}"


def options_of(command: click.Command) -> list[str]:
    """The names of a command's options, short ones and those that turn a flag off included."""
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    return [name for option in options for name in (*option.opts, *option.secondary_opts)]


def _missing(parameter, path, arguments):
    """What to give, with a command that gives it."""
    given = sys.argv[1:] if arguments is None else arguments
    if parameter.name == "corpus":
        return f"name the text to train on: {path} CORPUS --output FILE"
    if parameter.name == "weights":
        return f"name the weights, and the model that they become: {path} WEIGHTS --output FILE"
    if isinstance(parameter, click.Argument):
        return f"name the model, and the file that it becomes: {path} MODEL OUT"
    if parameter.name == "output":
        what = "page" if path.endswith("report") else "model"
        return f"name the file that the {what} goes to: --output FILE"
    file = next((word for word in given if word.endswith(".npz")), "FILE")
    return f"name the model: {path} --model {file}"


def _wrong_value(name, context):
    """An option without its value, or a flag with one."""
    option = next(
        one
        for one in context.command.get_params(context)
        if isinstance(one, click.Option) and name in (*one.opts, *one.secondary_opts)
    )
    if option.is_flag or option.count:
        return f"{name} takes no value: give {name} alone, or leave it out"
    return f"{name} needs a value: {name} {option.make_metavar(context)}"


def _command_with(program, option):
    """The name of a command that has an option, sample before train; None if no command has it."""
    names = [name for name, command in program.commands.items() if option in options_of(command)]
    return "sample" if "sample" in names else next(iter(names), None)


def _similar(name, options):
    """The option that the user may have meant, as words that end an error; "" if none is similar."""
    from difflib import get_close_matches

    found = get_close_matches(name.lstrip("-"), [option.lstrip("-") for option in options])
    return f"; did you mean --{found[0]}?" if found else ""
