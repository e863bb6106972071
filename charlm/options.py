"""An option: what the command line, Python and a checkpoint must know about it, once.

The tables hold the options: ``text.options.TEXT`` (how a text is read), ``learning.options.TRAINING``,
``sampling.options.SAMPLING`` and ``scoring.options.SCORING``. The options that several commands share are below.
``cli/options.py`` makes the options of the command line from them. No NumPy here: ``--help`` starts at once.
"""

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import isfinite
from os import PathLike, fsencode
from typing import Any

from .errors import UsageError, check_option_names

Path = str | PathLike[str]
INPUTS = ("text", "vectors")  # what a sequence is made of
LEVELS = ("char", "subword", "word", "token", "byte")
PRECISIONS = ("float32", "bf16")  # in which matrices are multiplied
STORED = ("float32", "float16")  # in which a model file holds parameters
MOST_SHARDS = 1024  # parts that the rows of a batch are shared among
MOST = 65536  # the largest width, number of rows or number of steps
TRILLION = 10**12  # for numbers of samples and tokens: no run lasts that long
LARGEST = 2**1024  # bounds the integers that have no bound of their own: Python and JSON read no number of any length
UNNAMED = 10**9  # help does not name an upper bound from here on: nobody reaches it
FILES = "Files and output"  # a group of options
BOTH, COMMAND_LINE, PYTHON = "both", "command line", "Python"


class Option:  # a dataclass would take a millisecond of the start of every command
    """An option of a command, and of the function of the same name.

    name: in Python; on the command line it is --name, with hyphens, or ``flag``. kind: the type of the value: bool,
    int, float, str, or PathLike for the name of a file. help: what it does, as sentences. default: the value if it is
    not given. default_in_words: for the help, where the default is no fixed value.

    least, most: the bounds of a number, included unless ``above_least``, ``below_most``. power_of_two: of an integer
    above 0. choices: the possible values.
    old_names: earlier names of choices → the names of today.

    several: whether the value may also be a sequence: "" no, PYTHON, or BOTH if the option may also be repeated on the
    command line. alone: the value of a number that is given by the name of the option alone, or as True in Python,
    where False is the default; None if it needs a number. where: BOTH, COMMAND_LINE or PYTHON. group: the heading that
    it has in the help. metavar: the name of the value in the help. short: a short name, as -o. negative: the name that
    turns a flag off. required: it has no default and must be given on the command line.
    """

    def __init__(
        self,
        name: str,
        kind: type,
        help: str,
        *,
        default: Any = None,
        default_in_words: str = "",
        least: float | None = None,
        most: float | None = None,
        above_least: bool = False,
        below_most: bool = False,
        power_of_two: bool = False,
        choices: Collection[str] = (),
        old_names: Mapping[str, str] | None = None,
        several: str = "",
        alone: float | None = None,
        where: str = BOTH,
        group: str = "",
        metavar: str | None = None,
        flag: str = "",
        short: str = "",
        negative: str = "",
        required: bool = False,
    ):
        self.name, self.kind, self.help, self.default = name, kind, help, default
        self.default_in_words = default_in_words
        self.least, self.most, self.above_least, self.below_most = least, most, above_least, below_most
        self.power_of_two = power_of_two
        self.choices, self.old_names = choices, old_names or {}  # as they are: a registry may get new names
        self.several, self.alone, self.where, self.group, self.metavar = several, alone, where, group, metavar
        self.flag, self.short, self.negative = flag or f"--{name.replace('_', '-')}", short, negative
        self.required = required

    @property
    def annotation(self) -> Any:
        """The type of the value in Python."""
        one: Any = Path if self.kind is PathLike else self.kind
        found = one | Sequence[one] if self.several else one
        found = bool | found if self.alone is not None else found
        return found | None if self.default is None else found

    def check(self, value: Any, *, by: str = "") -> Any:
        """Return a value of Python, clean: NumPy's numbers as Python's, a sequence as a tuple, the default for None.

        by: what the error calls the option; its name in Python by default. Raises UsageError, one line that says what
        the option must be and what it is.
        """
        if value is None:
            return self.default
        by = by or self.name
        is_one = isinstance(value, (str, bytes, PathLike)) or not isinstance(value, Iterable)
        is_one = is_one or getattr(value, "ndim", None) == 0  # a number of NumPy, which looks iterable
        if self.several and not is_one:
            return tuple(self._checked(item, by) for item in value)
        return self._checked(value, by)

    def read(self, text: str) -> Any:
        """Return the value that a text on the command line stands for. Raises UsageError as ``check`` does."""
        value: Any = text
        try:
            if self.kind in (int, float):
                value = self.kind(text)
        except ValueError:
            pass  # check says what it must be
        return self.check(value, by=self.flag)

    def _checked(self, value: Any, by: str) -> Any:
        if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
            value = value.item()
        if isinstance(value, bool) and self.alone is not None:
            return self.alone if value else self.default
        if isinstance(value, str) and value in self.old_names:
            new = self.old_names[value]
            message = f"the {self.name} {value!r} is now called {new!r}: give that name instead"
            warnings.warn(message, FutureWarning, stacklevel=3)
            value = new
        if not self._fits(value):
            raise UsageError(f"{by} must be {self.words}, not {_shown(value)}")
        return float(value) if self.kind is float else value

    def _fits(self, value: Any) -> bool:
        if self.kind is bool or isinstance(value, bool):  # which Python counts as an integer
            return self.kind is bool and isinstance(value, bool)
        if self.kind is float:
            try:
                return isinstance(value, (int, float)) and isfinite(value) and self._in_range(value)
            except OverflowError:  # an integer that no float can hold
                return False
        if self.kind is int:
            fits = isinstance(value, int) and abs(value) < LARGEST and self._in_range(value)
            return fits and not (self.power_of_two and value & (value - 1))
        if self.choices:
            return isinstance(value, str) and value in self.choices
        if (
            self.kind is PathLike
        ):  # a text from memory (text.memory), which has pieces, stands for a file; so does a model
            return is_file_name(value) or hasattr(value, "pieces") or hasattr(value, "named_parameters")
        return isinstance(value, self.kind)

    def _in_range(self, value: float) -> bool:
        low = self.least is None or (value > self.least if self.above_least else value >= self.least)
        high = self.most is None or (value < self.most if self.below_most else value <= self.most)
        return low and high

    @property
    def words(self) -> str:
        """What a value must be, as the end of a sentence."""
        if self.choices:
            *others, last = self.choices
            return f"{', '.join(others)} or {last}"
        if self.kind in (int, float):
            number = "a power of two" if self.power_of_two else "an integer" if self.kind is int else "a number"
            bounds = self.range_in_words
            joined = f"from {bounds}" if " to " in bounds else f"of {bounds}" if bounds[:2] == "at" else bounds
            return f"{number} {joined}".rstrip()
        word = {bool: "True or False", str: "a text", PathLike: "the name of a file"}[self.kind]
        return f"{word}, or several" if self.several else word

    @property
    def range_in_words(self) -> str:
        """The bounds of a number; an upper bound that nobody reaches is not named."""
        most = self.most if self.most is not None and self.most < UNNAMED else None
        low, high = (None if bound is None else _number(bound) for bound in (self.least, most))
        if low and high and not self.above_least and not self.below_most:
            return f"{low} to {high}"
        lower = low and f"{'above' if self.above_least else 'at least'} {low}"
        upper = high and f"{'below' if self.below_most else 'at most'} {high}"
        return " and ".join(filter(None, (lower, upper)))

    @property
    def extra(self) -> str:
        """Default and range, for the help: "[default: 0.1; at least 0 and below 1]"; "" where there is neither."""
        default = self.default_in_words
        if not default and self.default not in (None, (), "") and self.kind is not bool:
            default = self.default if self.kind is str else _number(self.default)
        bounds = f"one of {', '.join(self.choices)}" if self.choices else self.range_in_words
        parts = (self.required and "required", default and f"default: {default}", bounds)
        return f"[{'; '.join(filter(None, parts))}]" if any(parts) else ""


def is_file_name(value: Any) -> bool:
    """Whether a value can be the name of a file. Python would take a number for a file that is open."""
    try:
        name = fsencode(value) if isinstance(value, (str, PathLike)) else b""
    except (TypeError, UnicodeEncodeError):  # half of a character, which no file system takes
        return False
    return name != b"" and b"\0" not in name


def check_file_name(value: Any) -> None:
    """Raise UsageError where a value cannot be the name of a file."""
    if not is_file_name(value):
        raise UsageError(f"path must be the name of a file, not {value!r:.60}")


def _shown(value: Any) -> str:
    """A value for a message, at most 60 characters."""
    if isinstance(value, int) and value.bit_length() > 2000:  # Python may refuse to write it down
        return f"one of {value.bit_length():,} bits"
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:59]}…"


def _number(number: float) -> str:
    return f"{number:,}".removesuffix(".0")


def by_name(*tables: Iterable[Option]) -> dict[str, Option]:
    """The options of some tables by their names."""
    return {option.name: option for table in tables for option in table}


def checked(given: Mapping[str, Any], table: Mapping[str, Option], command: str) -> dict[str, Any]:
    """The given options that have a value, checked. command: whose --help lists them. Raises UsageError for a name
    that is not in the table (by name), and for a value that cannot be."""
    check_option_names(given, (name for name, option in table.items() if option.where != COMMAND_LINE), command)
    return {name: table[name].check(value) for name, value in given.items() if value is not None}


THREADS = Option(
    "threads",
    int,
    "Number of threads. The result does not depend on it.",
    default_in_words="one per CPU core",
    least=1,
    most=1024,
    metavar="N",
    group=FILES,
)
STORE = Option(
    "store",
    str,
    "The type of the weights in the model file. float16 halves the network's part of the file; charlm says what it "
    "costs.",
    default=STORED[0],
    choices=STORED,
    group=FILES,
)
ENCODING = Option("encoding", str, "The encoding of the text.", default="utf-8", metavar="NAME", group=FILES)
GIVEN = Option("given", str, "For a model trained with --task generate: the label of the text.", metavar="LABEL")
TOP = Option(
    "top",
    int,
    "For a model that predicts labels: print the K most likely ones.",
    default_in_words="1",
    least=1,
    metavar="K",
)
BEAM = Option(
    "beam",
    int,
    "For a translator: the width of the beam search for the most likely target.",
    default_in_words="1",
    least=1,
    most=1000,
    metavar="K",
)
MODEL = Option(
    "model_path",
    PathLike,
    "The model file, written by charlm train -o.",
    where=COMMAND_LINE,
    metavar="FILE",
    flag="--model",
    short="-m",
    required=True,
    group=FILES,
)
JSON = Option(
    "as_json", bool, "Print JSON, for programs.", default=False, where=COMMAND_LINE, flag="--json", group=FILES
)
QUIET = Option(
    "quiet",
    bool,
    "Do not print progress or a summary. Errors still appear.",
    default=False,
    where=COMMAND_LINE,
    short="-q",
    group=FILES,
)
