"""The options of sampling: those of ``charlm sample``, with their defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from os import PathLike
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..options import BOTH, COMMAND_LINE, ENCODING, FILES, GIVEN, PYTHON, TRILLION, Option, Path, by_name

if TYPE_CHECKING:
    from ..text.novelty import Novelty

UNKNOWNS = ("reject", "mask")
MOST_TRIES = 10_000
WHAT, HOW, WHICH = "What to sample", "How the next token is sampled", "Which samples are rejected"  # groups

SAMPLING = (
    Option(
        "count",
        int,
        "Number of samples.",
        default_in_words="1, or 10 for a model of lines, unless only the most likely token is sampled",
        least=1,
        most=TRILLION,
        metavar="N",
        group=WHAT,
    ),
    Option(
        "length",
        int,
        "Tokens per sample; for a model of lines, the most that a line may have.",
        default_in_words="500, or 1,000 for lines",
        least=1,
        most=TRILLION,
        metavar="N",
        group=WHAT,
    ),
    Option("start_with", str, "Begin every sample with this text.", default="", metavar="TEXT", group=WHAT),
    Option(
        "fill",
        str,
        "Fill each blank _ of a pattern with a character (a byte at --level byte; at --level word, ____ is a word). "
        "The fillings are sampled given the whole pattern, what comes after a blank included.",
        metavar="PATTERN",
        group=WHAT,
    ),
    Option(
        "stop",
        str,
        "End a sample after this text, which is printed. Give it several times for several texts.",
        default=(),
        several=BOTH,
        metavar="TEXT",
        group=WHAT,
    ),
    Option(
        "prime",
        str,
        "Text that the model reads first. It is not printed, and not part of a sample.",
        default="",
        metavar="TEXT",
        group=WHAT,
    ),
    Option(
        "prime_file",
        PathLike,
        "Like --prime, from a file (- for standard input); the last 2,048 tokens are read.",
        where=COMMAND_LINE,
        metavar="FILE",
        group=WHAT,
    ),
    Option(
        "interactive",
        bool,
        "Read beginnings from standard input, one per line, and continue each of them.",
        default=False,
        where=COMMAND_LINE,
        group=WHAT,
    ),
    Option("given", str, GIVEN.help, metavar=GIVEN.metavar, group=WHAT),
    Option(
        "temperature",
        float,
        "Below 1, the text gets more predictable; above 1, more surprising. 0 takes the most likely token at each "
        "step, and so gives the same text each time.",
        default=1.0,
        least=0,
        metavar="T",
        group=HOW,
    ),
    Option(
        "top_k",
        int,
        "Sample from the K most likely tokens only; 0 means all.",
        default=0,
        least=0,
        metavar="K",
        group=HOW,
    ),
    Option(
        "top_p",
        float,
        "Sample from the fewest tokens whose probabilities reach P in sum.",
        default=1.0,
        least=0,
        above_least=True,
        most=1,
        metavar="P",
        group=HOW,
    ),
    Option(
        "min_p",
        float,
        "Drop tokens whose probability is less than P times that of the most likely token.",
        default=0.0,
        least=0,
        most=1,
        metavar="P",
        group=HOW,
    ),
    Option(
        "best_of",
        int,
        "Sample N candidates for each sample, and print the most likely one.",
        default=1,
        least=1,
        metavar="N",
        group=HOW,
    ),
    Option(
        "seed",
        int,
        "The same seed gives the same samples, for any --count.",
        default_in_words="a new seed",
        least=0,
        several=PYTHON,
        metavar="N",
        group=HOW,
    ),
    Option(
        "unknown",
        str,
        "What to do with <UNK>. reject: reject samples that contain it, which keeps the model's distribution of all "
        "other samples. mask: set its probability to 0 at each step.",
        default="reject",
        choices=UNKNOWNS,
        group=WHICH,
    ),
    Option(
        "min_length",
        int,
        "Reject samples with fewer than N characters.",
        default=0,
        least=0,
        metavar="N",
        group=WHICH,
    ),
    Option(
        "max_length",
        int,
        "Reject samples with more than N characters.",
        default_in_words="no limit",
        least=1,
        metavar="N",
        group=WHICH,
    ),
    Option("unique", bool, "Reject a sample that repeats an earlier one.", default=False, group=WHICH),
    Option(
        "max_copied",
        int,
        "Reject samples with more than N characters in a row from the training text; a model of lines also rejects "
        "every whole line of that text. At least 15 without --corpus.",
        default_in_words="50, or 30 for lines",
        least=1,
        metavar="N",
        group=WHICH,
    ),
    Option("allow_copies", bool, "Print copies of the training text too.", default=False, group=WHICH),
    Option(
        "corpus",
        PathLike,
        "Search this text for copies. The answers are exact; the record in the model file is rarely wrong.",
        several=PYTHON,
        metavar="FILE",
        group=WHICH,
    ),
    Option(
        "max_tries",
        int,
        "Give up after N rejections in a row.",
        default=MOST_TRIES,
        least=1,
        metavar="N",
        group=WHICH,
    ),
    Option(
        "encoding",
        str,
        "The encoding of --prime-file, of --corpus and of the lines that --interactive reads.",
        default=ENCODING.default,
        metavar=ENCODING.metavar,
        group=FILES,
    ),
)
BY_NAME = by_name(SAMPLING)


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How samples are made, and which of them are shown. Raises UsageError where a value cannot be.

    temperature, top_k, top_p, min_p: how the next token is sampled, see ``Decoding``. unknown: "reject" rejects samples
    with <UNK>; "mask" sets its probability to 0 at each step. prime: a text that the model reads before each sample;
    start_with: the text that each sample begins with. stop: a text, or several, after which a sample ends (kept as a
    tuple). min_length, max_length: characters that a sample must have, None for no limit. unique: reject samples that
    were shown before. best_of: so many candidates are sampled for each sample, and the most likely one is shown.
    max_copied: characters of the longest run of the training text that a sample may hold, None for the default;
    allow_copies: show copies too; corpus: text files, or a ``Novelty``, in which copies are searched, instead of the
    model's own record; encoding: of these files. max_tries: rejections in a row after which sampling ends with
    SamplingError. fill: a pattern whose blanks are filled. seed: an integer or several, None for a new one. given: a
    label, for a model of --task generate.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    unknown: str = "reject"
    prime: str = ""
    start_with: str = ""
    stop: str | Sequence[str] = ()
    min_length: int = 0
    max_length: int | None = None
    unique: bool = False
    best_of: int = 1
    max_copied: int | None = None
    allow_copies: bool = False
    corpus: Path | Sequence[Path] | Novelty | None = None
    encoding: str = "utf-8"
    max_tries: int = MOST_TRIES
    fill: str | None = None
    seed: int | Sequence[int] | None = None
    given: str | None = None

    def __post_init__(self):
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if not hasattr(value, "contains_lines"):  # which a Novelty has
                object.__setattr__(self, name, BY_NAME[name].check(value))
        object.__setattr__(self, "stop", (self.stop,) if isinstance(self.stop, str) and self.stop else tuple(self.stop))
        if "" in self.stop:
            raise UsageError("--stop must be a text of at least one character")
        if self.max_length is not None and self.max_length < self.min_length:
            raise UsageError(f"--max-length must be at least {self.min_length} here, not {self.max_length}")
        if self.max_copied is not None and self.allow_copies:
            raise UsageError("--max-copied and --allow-copies do not go together")

    @property
    def limits_length(self) -> bool:
        """Whether samples are rejected for the number of their characters."""
        return self.min_length > 0 or self.max_length is not None
