"""A drawn text → shown, or refused and why.

What is refused is refused whole and drawn anew, never mended. So what is shown follows the model's own distribution
given that there was no reason to refuse; setting probabilities to zero step by step would not do that, because it
favours beginnings that lead to what is forbidden.

Copies are refused too: a line that stands whole in the training text, and a run of more than ``max_copied`` of its
characters. Whether a text stands there is known from the model file, whose filters overlook no copy and take a new
text for one at the rate that ``charlm info`` states, or without a mistake from the corpus itself.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from ..errors import SamplingError, UsageError
from ..figures import exp
from ..model import Model
from ..text.vocabulary import as_bytes

COPIED_IN_LINES = 30
COPIED_IN_STREAMS = 50
MOST_TRIES = 10_000


class Known(Protocol):
    """What knows the training text: ``novelty.Novelty`` or ``novelty.ExactNovelty``."""

    shortest_run: int  # shorter runs are not noticed

    def contains_lines(self, texts: Iterable[str]): ...

    def longest_copied_runs(self, texts: Iterable[str]): ...


@dataclass(frozen=True)
class Sample:
    """One sequence. log_probability: log of the probability of its tokens (nats, ≤ 0) under the model itself, at
    temperature 1 and with nothing cut off, <EOS> included, given the prime; tokens: how many these are.
    longest_copied_run: the most characters in a row that stand in the training text, 0 where they are too few to be
    noticed; novel: it is no copy; both None where nothing is known of that text.
    """

    text: str
    log_probability: float
    tokens: int
    longest_copied_run: int | None = None
    novel: bool | None = None

    @property
    def perplexity(self) -> float:
        """exp of the mean of -log ŷ over the tokens."""
        return exp(-self.log_probability / self.tokens)

    def as_dict(self) -> dict:
        """For JSON, where an infinite perplexity is None."""
        return {
            "text": self.text,
            "log_probability": self.log_probability,
            "tokens": self.tokens,
            "perplexity": self.perplexity if math.isfinite(self.perplexity) else None,
            "longest_copied_run": self.longest_copied_run,
            "novel": self.novel,
        }


@dataclass(frozen=True)
class Piece:
    """Some text of sample number ``number`` that will not be taken back, and the whole sample with its last piece."""

    number: int
    text: str
    sample: Sample | None = None


@dataclass(frozen=True)
class Reason:
    """Why something is refused, as it stands behind a number, and what to do about it."""

    words: str
    remedy: str


REASONS = {  # in the order in which they are looked at
    "unknown": Reason(
        "with <UNK>",
        "try --unknown mask, or train with a smaller --min-count, a larger --max-vocabulary or --level byte",
    ),
    "no_text": Reason("with words run together", "lower --temperature, or train for longer"),
    "empty": Reason("empty", "raise --temperature, or give --start-with"),
    "too_short": Reason("too short", "lower --min-length, or raise --temperature"),
    "too_long": Reason("too long", "raise --max-length (or --length), or lower --temperature"),
    "copied": Reason(
        "copied",
        "raise --temperature or --max-copied, train with --dropout or fewer --epochs, or give --allow-copies",
    ),
    "repeated": Reason("repeated", "ask for fewer, raise --temperature, or leave out --unique"),
    "less_likely": Reason("less likely", "lower --best-of"),
}


def in_words(refusals: Counter) -> str:
    """ "12 with <UNK>, 3 too short", in the order of REASONS."""
    return ", ".join(f"{refusals[name]:,} {reason.words}" for name, reason in REASONS.items() if refusals[name])


def remedy_for(refusals: Counter) -> str:
    """What to do about refusals: of the reasons for a tenth of them or more the one that is looked at last counts,
    because whatever got so far had no other fault."""
    return [reason.remedy for name, reason in REASONS.items() if 10 * refusals[name] >= refusals.total()][-1]


@dataclass
class SamplingCounts:
    """What was asked, drawn, found and refused.

    asked and found count samples; drawn and refusals count samples for a model of lines, and lines for a stream. When
    a run is done, what was drawn and not refused is what was found. certain: a second try would bring the same.
    """

    max_tries: int = MOST_TRIES
    certain: bool = False
    asked: int = 0
    found: int = 0
    drawn: int = 0
    refusals: Counter = field(default_factory=Counter)  # by the names of REASONS
    longest_copied_run: int | None = None
    streak: Counter = field(default_factory=Counter)  # the refusals since the last success

    @property
    def refused(self) -> int:
        return self.refusals.total()

    def refuse(self, reason: str, units: int = 1) -> None:
        """Note a refusal. Raises SamplingError where it is one too many in a row."""
        self.refusals[reason] += units
        self.streak[reason] += 1
        if self.certain or self.streak.total() >= self.max_tries:
            raise SamplingError(self.why_given_up())

    def why_given_up(self) -> str:
        remedy = remedy_for(self.streak)
        if self.certain:
            why = f"nothing but the likeliest is drawn, and it was refused ({in_words(self.streak)})"
            remedy = remedy.replace("lower --temperature", "raise --temperature")  # there is nothing below
        else:
            why = f"then {self.streak.total():,} were refused in a row ({in_words(self.streak)})"
        return f"{self.found:,} of {self.asked:,} samples were found; {why}: {remedy}"

    def succeed(self) -> None:
        self.streak.clear()

    def show(self, sample: Sample) -> None:
        """Note that a sample was let out."""
        self.found += 1
        if sample.longest_copied_run is not None:
            self.longest_copied_run = max(self.longest_copied_run or 0, sample.longest_copied_run)

    def add(self, other: SamplingCounts) -> None:
        """Count in what another one counted."""
        self.asked, self.found, self.drawn = (
            self.asked + other.asked,
            self.found + other.found,
            self.drawn + other.drawn,
        )
        self.refusals += other.refusals
        if other.longest_copied_run is not None:
            self.longest_copied_run = max(self.longest_copied_run or 0, other.longest_copied_run)


@dataclass(frozen=True)
class Rules:
    """What a sample must be to be shown.

    min_length, max_length: characters of its text; unique: unlike those before it; known: what knows the training
    text, or None; max_copied: characters of the longest run that is no copy; allow_copies: copies are shown too.
    """

    min_length: int = 0
    max_length: float = math.inf
    unique: bool = False
    known: Known | None = None
    max_copied: int = 0
    allow_copies: bool = False

    @property
    def refuse_copies(self) -> bool:
        return self.known is not None and not self.allow_copies

    @property
    def sized(self) -> bool:
        return self.min_length > 0 or self.max_length < math.inf

    def fault_of_size(self, text: str) -> str | None:
        return "too_short" if len(text) < self.min_length else "too_long" if len(text) > self.max_length else None

    def copies(self, texts: list[str], lines: list[str] | None = None) -> list[tuple[int | None, bool | None]]:
        """(longest copied run, whether it is new) of each text; lines: the whole line that each of them ends."""
        if self.known is None or not texts:
            return [(None, None)] * len(texts)
        runs = [0] * len(texts)
        long = [i for i, text in enumerate(texts) if len(as_bytes(text)) >= self.known.shortest_run]
        for i, run in zip(long, self.known.longest_copied_runs(texts[i] for i in long) if long else (), strict=True):
            runs[i] = int(run)
        copied = self.known.contains_lines(lines) if lines else [False] * len(texts)
        return [(int(run), bool(run <= self.max_copied and not line)) for run, line in zip(runs, copied, strict=True)]


def rules_for(
    model: Model,
    *,
    min_length: int = 0,
    max_length: int | None = None,
    unique: bool = False,
    max_copied: int | None = None,
    allow_copies: bool = False,
    known: Known | None = None,
) -> Rules:
    """The rules for samples of a model. known: what knows the training text, in place of the model itself.

    Raises UsageError where the settings do not go together.
    """
    known = known if known is not None else model.novelty
    if min_length < 0:
        raise UsageError(f"--min-length must be at least 0, not {min_length}")
    if max_length is not None and max_length < max(1, min_length):
        raise UsageError(f"--max-length must be at least {max(1, min_length)} here, not {max_length}")
    if max_copied is not None and allow_copies:
        raise UsageError("--max-copied and --allow-copies do not go together")
    if max_copied is not None and known is None:
        raise UsageError("--max-copied needs --corpus FILE: the model file has no record of its training text")
    if known is not None:
        least = max(1, known.shortest_run - 1)
        if max_copied is None:
            max_copied = max(COPIED_IN_LINES if model.lines else COPIED_IN_STREAMS, least)
        elif max_copied < least:
            raise UsageError(
                f"--max-copied must be at least {least}, not {max_copied}: shorter runs are found with --corpus only"
            )
    return Rules(
        min_length, math.inf if max_length is None else max_length, unique, known, max_copied or 0, allow_copies
    )
