"""The options of charlm export and charlm import. No NumPy here: ``--help`` starts at once."""

from os import PathLike

from ..options import COMMAND_LINE, LEVELS, Option
from . import FORMS

TO = Option(
    "to",
    str,
    "What to write.",
    default_in_words="by the ending of OUT",
    choices=[form.name for form in FORMS],
)
SNIPPET = Option(
    "snippet",
    bool,
    "Print a Python program that loads the file in PyTorch and runs it.",
    default=False,
    where=COMMAND_LINE,
)
WEIGHTS = Option(
    "weights",
    str,
    "For a page: how its weights are rounded.",
    default_in_words="int5, int6, int8 or float16, where that costs next to nothing",
    choices=("float32", "float16", "int8", "int6", "int5"),
)
EXPORT = [TO, SNIPPET, WEIGHTS]

SYMBOLS = Option(
    "symbols",
    PathLike,
    "The symbols of the model, in the order of its ids: one per line (\\n is the line feed), or JSON. Or a model of "
    "charlm that has the same ones.",
    metavar="FILE",
)
LEVEL = Option(
    "level",
    str,
    "What the symbols are: see charlm train.",
    default_in_words="as the symbols suit",
    choices=[level for level in LEVELS if level != "subword"],
)
LINES = Option(
    "lines",
    bool,
    "Each line is a text of its own, or with --stream a part of one long text.",
    default_in_words="--stream",
    negative="--stream",
)
OUTPUT = Option(
    "output",
    PathLike,
    "Write the model to this file.",
    where=COMMAND_LINE,
    metavar="FILE",
    short="-o",
    required=True,
)
IMPORT = [SYMBOLS, LEVEL, LINES]
