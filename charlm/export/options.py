"""The options of charlm export and charlm import. No NumPy here: ``--help`` starts at once."""

from ..options import COMMAND_LINE, Option
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
    default_in_words="int8 or float16, where that costs next to nothing",
    choices=("float32", "float16", "int8"),
)
EXPORT = [TO, SNIPPET, WEIGHTS]
