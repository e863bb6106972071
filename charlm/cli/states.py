"""charlm states: model file and text → the hidden states at each token, or after each line."""

from os import PathLike

from ..errors import UsageError
from ..options import COMMAND_LINE, ENCODING, GIVEN, JSON, MODEL, THREADS, Option
from .options import command, files_argument, load_model_of
from .signals import end_with_the_reader

OUTPUT = Option(
    "output",
    PathLike,
    "Write the states to this .npz file, instead of printing rows.",
    where=COMMAND_LINE,
    metavar="FILE",
    short="-o",
)
PER_LINE = Option("per_line", bool, "The state after each line, instead of that after each token.", default=False)


@command(
    [MODEL, OUTPUT, PER_LINE, GIVEN, JSON, ENCODING, THREADS],
    arguments=[files_argument()],
    explanation=(
        "The arrays of the .npz file",
        (
            ("states", "the state of the top layer, float32 (rows, units)"),
            ("lines", "the number of each row's line, from 1"),
            ("tokens", "the id of each token; not with --per-line"),
            ("symbols", "the text of each id; not with --per-line"),
        ),
    ),
    examples=(
        "charlm states -m names.npz --per-line names.txt -o states.npz",
        "echo Tyrannosaurus | charlm states -m names.npz",
    ),
)
def states(*, model_path, output, per_line, given, files, as_json, encoding, threads):
    """Give the hidden states of a model: what its network has in mind after each token of a text, or after each line.
    The text is in the files, or comes from standard input (-, or no FILE).

    Similar states stand for similar texts: cluster them, or find the nearest lines. Without --output, rows are printed:
    line, token and numbers, or with --per-line line, numbers and text. A classifier has a state for each line.
    """
    end_with_the_reader()
    from ..display import say, write_text
    from ..files import check_outputs
    from ..scoring.state_rows import as_text, is_states_file, states_of_files, write_states

    if output is not None and as_json:
        raise UsageError("--json and --output do not go together: a file has arrays, and --json prints rows")
    files, model = files or ("-",), load_model_of(model_path, given)
    if output is not None:
        check_outputs((output,), (*files, model_path), is_states_file, "a file of states", "--output")
    found = states_of_files(model, files, per_line, encoding, threads)
    if output is None:
        for rows in as_text(model, found, as_json):
            write_text(rows)
    else:
        number = write_states(output, model, found)
        say(f"wrote {output}: {number:,} states")
