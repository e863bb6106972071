"""Options as they are declared: kinds of values, and the options that several commands have."""

import click

AT_LEAST_1 = click.IntRange(1)
TO_A_TRILLION = click.IntRange(1, 10**12)  # of what is drawn: more than a life is long
PRECISIONS = ("float32", "bf16")
MOST = 65536  # of a width, of rows, of steps
ABOVE_0 = click.FloatRange(0, min_open=True)
UP_TO_1 = click.FloatRange(0, 1, min_open=True)
SHARE = click.FloatRange(0, 1, max_open=True)


def setting(name, kind, metavar, text, default=None, **more):
    """An option with a value; its help shows the default, where there is one."""
    return click.option(
        name, type=kind, metavar=metavar, help=text, default=default, show_default=default not in (None, ()), **more
    )


threads = setting(
    "--threads",
    click.IntRange(1, 1024),
    "N",
    "Threads that work; the result is the same for any number.  [default: all]",
)
model_option = click.option("--model", "model_path", required=True, metavar="FILE", help="The model, from train -o.")
given = setting("--given", str, "LABEL", "Of a model of --task generate: the label whose lines are meant.")
beam = setting(
    "--beam", click.IntRange(1, 1000), "K", "Of a translator: search K wide for the likeliest target.  [default: 1]"
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
quiet = click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors (and the data asked for).")
encoding = setting("--encoding", str, "NAME", "How the text is encoded.", "utf-8")
