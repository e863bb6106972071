"""What several commands share: types of values, options, and the examples that end a command's help."""

import math

import click

from ..errors import UsageError


class IntegerRange(click.IntRange):
    """``click.IntRange`` with a plainer message for a value that is not an integer."""

    def convert(self, value, param, ctx):
        try:
            int(value)
        except ValueError:
            self.fail(f"{value!r} is not an integer", param, ctx)
        return super().convert(value, param, ctx)


class NumberRange(click.FloatRange):
    """``click.FloatRange`` with a plainer message for a value that is not a number."""

    def convert(self, value, param, ctx):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if math.isnan(number):  # which would pass any range
            self.fail(f"{value!r} is not a number", param, ctx)
        return super().convert(value, param, ctx)


FILE = click.Path(readable=False)  # charlm checks files itself; by this type the shell completes their names
AT_LEAST_1 = IntegerRange(1)
TO_A_TRILLION = IntegerRange(1, 10**12)  # for numbers of samples and tokens: no run lasts that long
PRECISIONS = ("float32", "bf16")
MOST = 65536  # the largest width, number of rows or number of steps
ABOVE_0 = NumberRange(0, min_open=True)
UP_TO_1 = NumberRange(0, 1, min_open=True)
FRACTION = NumberRange(0, 1, max_open=True)


class Setting(click.Option):
    """An option whose help shows its default and its range in words: [default: 0.1; at least 0, below 1]."""

    def get_help_extra(self, context):
        extra = super().get_help_extra(context)
        if "range" in extra:
            extra["range"] = range_in_words(self.type)
        return extra

    def get_help_record(self, context):
        record = super().get_help_record(context)
        return record and (record[0], record[1].replace("]  [", "; "))  # the help may name a default too


def range_in_words(numbers):
    """The range of click's IntRange or FloatRange. A bound that nobody reaches is not named."""
    bounds = numbers.min, numbers.max if numbers.max is None or numbers.max < 10**9 else None
    least, most = (None if bound is None else f"{bound:,}".removesuffix(".0") for bound in bounds)
    if least and most and not numbers.min_open and not numbers.max_open:
        return f"{least} to {most}"
    lower = least and f"{'above' if numbers.min_open else 'at least'} {least}"
    upper = most and f"{'below' if numbers.max_open else 'at most'} {most}"
    return ", ".join(filter(None, (lower, upper)))


def setting(name, kind, metavar, text, default=None, **more):
    """An option with a value; its help shows the default, if there is one. more: further arguments of click.option,
    short names of the option excepted."""
    return click.option(
        name,
        cls=Setting,
        type=kind,
        metavar=metavar,
        help=text,
        default=default,
        show_default=default not in (None, ()),
        **more,
    )


def examples(*lines):
    """The examples at the end of a command's help, one per line: ``@click.command(epilog=examples("charlm …", …))``.
    click keeps their lines as they are."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


def load_language_model(path, label):
    """Load a model that samples or scores text. label: of --given. The errors of the model's task name the file."""
    from ..model import load_model

    model = load_model(path)
    try:
        if label is None and model.task.name == "generate":
            labels = ", ".join(model.task.labels)
            raise UsageError(f"add --given LABEL, the label of the text; the model knows {labels}")
        return model.given(label)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


model_option = click.option(
    "--model",
    "-m",
    "model_path",
    type=FILE,
    required=True,
    metavar="FILE",
    help="The model file, written by charlm train -o.",
)
models_option = click.option(
    "--model",
    "-m",
    "model_paths",
    type=FILE,
    required=True,
    multiple=True,
    metavar="FILE",
    help="The model file, written by charlm train -o. Give several to compare them.",
)
threads = setting(
    "--threads",
    IntegerRange(1, 1024),
    "N",
    "Number of threads. The result does not depend on it.  [default: one per CPU core]",
)
given = setting("--given", str, "LABEL", "For a model trained with --task generate: the label of the text.")
beam = setting(
    "--beam",
    IntegerRange(1, 1000),
    "K",
    "For a translator: the width of the beam search for the most likely target.  [default: 1]",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
quiet = click.option("--quiet", "-q", is_flag=True, help="Do not print progress or a summary. Errors still appear.")
encoding = setting("--encoding", str, "NAME", "The encoding of the text.", "utf-8")
