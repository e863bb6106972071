"""The rules for samples: the reasons to reject one, their counts, and what a copy of the training text is.

``acceptance`` applies the rules. The sample of a line model is rejected whole and sampled again, never repaired. So the
samples shown follow the model's own distribution, given that there is no reason to reject them. Setting probabilities
to zero step by step would not do that: it favours beginnings that lead to what is forbidden. In a stream only the
segment is sampled again (a line, mostly), so the same holds for each segment given the text before it.

A model of subwords gives some probability to tokens that are not the standard segmentation of their text. Such samples
are rejected, so that a sample has the probability that ``perplexity`` measures: about one line in ten to twenty of a
small model of tiny Shakespeare at temperature 1, one in five at 1.5.

Copies of the training text are rejected too: a run of more than ``max_copied`` of its characters and, for a model of
lines, a whole line of it. So are copies of the held-out part: the model never saw it, but the user has it; they are
counted as a reason of their own. The model file has a record of both, whose filters overlook no copy and take new text
for a copy at the rate that ``charlm info`` states; the corpus itself gives exact answers.

How much a sample may copy depends on the text: see ``Novelty.default_limit``.

A stream whose next segment was a copy several times is sampled away from the copies (see ``avoidance``). This segment
does not follow the model's own distribution; its number is in ``SamplingCounts.avoided``.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from dataclasses import dataclass, field

from ..errors import SamplingError, UsageError
from ..model import Model
from ..tasks.summary import number_of
from ..text.novelty import RUN, ExactNovelty, Novelty, Trail
from ..text.reading import read_text
from ..text.vocabulary import as_bytes
from .options import MOST_TRIES
from .samples import Sample
from .settings import SamplingOptions


@dataclass(frozen=True)
class Reason:
    """Why a segment is rejected: words that follow a number, and what the user can do about it."""

    words: str
    remedy: str


REASONS = {  # in the order of the last check for each
    "unknown": Reason(
        "with <UNK>",
        "try --unknown mask, or train with a smaller --min-count, a larger --max-vocabulary or --level byte",
    ),
    "no_text": Reason("with words run together", "lower --temperature, or train for longer"),
    "other_subwords": Reason("spelled in unusual subwords", "lower --temperature, or train for longer"),
    "empty": Reason("empty", "raise --temperature, or give --start-with"),
    "too_short": Reason("too short", "lower --min-length, or raise --temperature"),
    "too_long": Reason("too long", "raise --max-length (or --length), or lower --temperature"),
    "copied": Reason(
        "copied",
        "raise --temperature or --max-copied, train for a shorter time or with --dropout, or give --allow-copies",
    ),
    "held_out": Reason(
        "in the held-out part",
        "ask for fewer, raise --temperature or --max-copied, or give --allow-copies",
    ),
    "repeated": Reason("repeated", "ask for fewer, raise --temperature, or leave out --unique"),
    "less_likely": Reason("less likely", "lower --best-of"),
}


def found_of(found: int, asked: int) -> str:
    """How many samples were found of those that were asked for, as the beginning of a sentence."""
    return f"{found:,} of {number_of(asked, 'sample')} {'was' if asked == 1 else 'were'} found"


def described(rejections: Counter) -> str:
    """ "12 with <UNK>, 3 too short", in the order of REASONS."""
    return ", ".join(f"{rejections[name]:,} {reason.words}" for name, reason in REASONS.items() if rejections[name])


def remedy_for(rejections: Counter) -> str:
    """What the user can do. Of the reasons for at least a tenth of the rejections, the one that is checked last counts:
    samples that got so far gave no other reason."""
    return [reason.remedy for name, reason in REASONS.items() if 10 * rejections[name] >= rejections.total()][-1]


@dataclass(kw_only=True)
class SamplingCounts:
    """How much was asked, sampled, found and rejected.

    ``asked`` and ``found`` count samples; ``sampled`` and ``rejections`` count samples of a line model, and segments
    (lines) of a stream. When sampling is done, sampled - rejected of a line model is found. certain: what the user can
    change where only the most likely token is ever sampled, so that a second try brings the same; "" elsewhere.
    avoided: segments that were sampled away from copies. no_way_on: a stream has often come to places after which each
    symbol makes a copy.
    """

    max_tries: int = MOST_TRIES
    certain: str = ""
    asked: int = 0
    found: int = 0
    sampled: int = 0
    avoided: int = 0
    no_way_on: bool = False
    rejections: Counter = field(default_factory=Counter)  # by the names of REASONS
    longest_copied_run: int | None = None
    streak: Counter = field(default_factory=Counter)  # the rejections since the last success

    @property
    def rejected(self) -> int:
        return self.rejections.total()

    def count_sampled(self, number: int) -> None:
        """Count segments that have ended."""
        self.sampled += number

    def reject(self, reason: str, segments: int = 1) -> None:
        """Count a rejection."""
        self.rejections[reason] += segments
        self.streak[reason] += 1

    @property
    def gives_up(self) -> bool:
        """Whether too many were rejected in a row."""
        rejected = self.streak.total()
        return rejected >= self.max_tries or bool(self.certain and rejected) or self.no_way_on

    def check(self) -> None:
        """Raise SamplingError where too many were rejected in a row."""
        if self.gives_up:
            raise SamplingError(self.why_given_up())

    def drop(self, reason: str, segments: int) -> None:
        """Count segments of a candidate that was accepted, and was not chosen."""
        self.rejections[reason] += segments

    def end_streak(self) -> None:
        """A segment was accepted: the rejections in a row are over."""
        self.streak.clear()

    def count_shown(self, sample: Sample) -> None:
        """Count a sample that is shown."""
        self.found += 1
        if sample.longest_copied_run is not None:
            self.longest_copied_run = max(self.longest_copied_run or 0, sample.longest_copied_run)

    def why_given_up(self) -> str:
        remedy = remedy_for(self.streak)
        if self.certain:
            why = f"only the most likely token is ever sampled, and the result was rejected ({described(self.streak)})"
            for advice in ("lower --temperature", "raise --temperature"):
                remedy = remedy.replace(advice, self.certain)
        elif self.no_way_on:
            why = "then the text had copied too much whatever symbol came next"
            remedy = "raise --max-copied, or give --allow-copies"
        else:
            why = f"then {self.streak.total():,} were rejected in a row ({described(self.streak)})"
        return f"{found_of(self.found, self.asked)}; {why}: {remedy}"

    def add(self, other: SamplingCounts) -> None:
        """Add the counts of another run."""
        self.asked, self.found = self.asked + other.asked, self.found + other.found
        self.avoided += other.avoided
        self.sampled, self.rejections = self.sampled + other.sampled, self.rejections + other.rejections
        if other.longest_copied_run is not None:
            self.longest_copied_run = max(self.longest_copied_run or 0, other.longest_copied_run)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a sample must be to be shown.

    min_length, max_length: characters of its text; unique: no sample before it has the same text; training_text: the
    record of it, or None; max_copied: characters of the longest run that is no copy; allow_copies: copies are
    shown too.
    """

    min_length: int = 0
    max_length: float = math.inf
    unique: bool = False
    training_text: Novelty | None = None
    max_copied: int = 0
    allow_copies: bool = False

    @property
    def rejects_copies(self) -> bool:
        return self.training_text is not None and not self.allow_copies

    @property
    def limits_length(self) -> bool:
        return self.min_length > 0 or self.max_length < math.inf

    def reason_of_length(self, text: str) -> str | None:
        """ "too_short" or "too_long", or None."""
        return "too_short" if len(text) < self.min_length else "too_long" if len(text) > self.max_length else None

    def copies_in(self, texts: list[str], lines: list[str] | None = None) -> list[tuple[int | None, str | None]]:
        """For each text the longest run that it copies from the training text, and the reason to reject it: "copied",
        "held_out", or None. lines: the whole line that each of them ends."""
        record = self.training_text
        if record is None or not texts:
            return [(None, None)] * len(texts)
        runs, copied = self._search(record, texts, lines)
        reasons = ["copied" if copy else None for copy in copied]
        new = [i for i, copy in enumerate(copied) if not copy]
        for other in record.held_outs if new else ():
            new_lines = [lines[i] for i in new] if lines else None
            _, held_out = self._search(other, [texts[i] for i in new], new_lines)
            for i, copy in zip(new, held_out, strict=True):
                reasons[i] = "held_out" if copy else reasons[i]
        return list(zip(runs, reasons, strict=True))

    def _search(self, record, texts, lines):
        """The longest copied run of each text, and whether it is a copy, in one record."""
        runs = [0] * len(texts)
        shortest = min(one.shortest_run for one in record.records)
        long = [i for i, text in enumerate(texts) if len(as_bytes(text)) >= shortest]
        for i, run in zip(long, record.longest_copied_runs(texts[i] for i in long) if long else (), strict=True):
            runs[i] = int(run)
        known = record.contains_lines(lines) if lines else [False] * len(texts)
        return runs, [run > self.max_copied or bool(line) for run, line in zip(runs, known, strict=True)]

    def is_novel(self, reason: str | None) -> bool | None:
        """Whether a text is no copy, by its reason from ``copies_in``; None without a record."""
        return None if self.training_text is None else reason is None

    def follow(self, trails: list[Trail], texts: list[str]) -> list[tuple[Trail, int, str | None]]:
        """For each text that follows a trail: the trail at its end, its longest run that the training text holds, and
        the reason to reject it, as in ``copies_in``."""
        assert self.training_text is not None
        found = []
        for trail, run, held_out_run in self.training_text.follow(trails, texts, self.max_copied):
            reason = "copied" if run > self.max_copied else "held_out" if held_out_run > self.max_copied else None
            found.append((trail, run, reason))
        return found

    def room_after(self, trail: Trail) -> int:
        """How many characters may follow a trail for certain before there is a copy."""
        assert self.training_text is not None
        longest, records = 0, self.training_text.records
        for one, record in zip([trail, *(trail.earlier or [Trail()] * (len(records) - 1))], records, strict=True):
            longest = max(longest, one.run, record.shortest_run - 1)  # a shorter run is not found
            if record.held_out is not None:
                longest = max(longest, one.held_out_run, record.held_out.shortest_run - 1)
        return self.max_copied - longest


def rules_for(model: Model, options: SamplingOptions | None = None) -> Rules:
    """The rules for samples of a model. Raises UsageError where its record of the training text cannot keep them."""
    options = options or SamplingOptions()
    record, max_copied = training_text(model, options), options.max_copied
    if max_copied is not None and record is None:
        raise UsageError("--max-copied needs --corpus FILE: the model file has no record of its training text")
    if record is not None:
        least = max(1, record.surest_run - 1)
        if max_copied is None:
            max_copied = record.default_limit(model.lines)
        elif max_copied < least:
            raise UsageError(
                f"--max-copied must be at least {least}, not {max_copied}: shorter runs are found with --corpus only"
            )
    return Rules(
        min_length=options.min_length,
        max_length=math.inf if options.max_length is None else options.max_length,
        unique=options.unique,
        training_text=record,
        max_copied=max_copied or 0,
        allow_copies=options.allow_copies,
    )


def training_text(model: Model, options: SamplingOptions) -> Novelty | None:
    """The record in which copies are searched: of ``options.corpus``, whose files are read here, or the model's own."""
    corpus = options.corpus
    if corpus is None:
        return model.novelty
    if not isinstance(corpus, (str, os.PathLike, list, tuple)):
        return corpus  # type: ignore[return-value]  # an object with the methods of Novelty
    paths = [corpus] if isinstance(corpus, (str, os.PathLike)) else list(corpus)
    run = RUN if options.max_copied is None else max(1, min(RUN, options.max_copied + 1))
    return ExactNovelty(read_text(paths, model.vocabulary.level, options.encoding, form=model.vocabulary.form), run)
