"""Candidates for samples: which candidate stands in which row, and where its segment ends.

The rows step together, one token at a time. Each candidate has a row with its own state and its own random numbers, so
that a sample does not depend on its neighbours. ``acceptance`` decides whether a segment that has ended is accepted.
"""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ..model import Model
from ..network.probabilities import log_softmax
from ..network.stepper import NextToken, copy_row, take_rows
from ..text.vocabulary import EOS, UNKNOWN, Vocabulary, as_bytes
from .avoidance import Avoidance, Course
from .beginning import Beginning, Opening
from .decoding import Decoding
from .prompt import Prompt
from .random_streams import RandomStreams
from .samples import Sample
from .segmentation import last_piece
from .segments import SEGMENT, SEGMENT_OF_SUBWORDS, Segments

IN_PARALLEL = 2048  # candidates at most; a step takes as many calls of NumPy for fewer
LOGITS, FEW = 1 << 18, 512  # of all candidates at most, but of FEW in any case: a large vocabulary has fewer candidates
FULL = 0.8  # of the rows, with as many candidates or fewer the others go
SEGMENT_ENDS, SAMPLE_ENDS = "the segment ends", "the sample ends"
MAY_COPY = "the segment goes on, and may have become a copy"


@dataclass(kw_only=True, slots=True)
class Candidate:
    """One candidate for a sample: accepted tokens, then a segment that may still be rejected.

    number: its number among all candidates; key: the key of its random numbers; taken: how many of these it had taken
    when it last entered or left a row. tokens, nats, characters: the accepted ids, their sum of -log ŷ, and the length
    of their text. line: the accepted tokens of the unfinished line, prime included; of subwords, those of its last
    piece. segment: the tokens of the segment that ``Endings`` has seen; segments: how many segments were accepted;
    shorter: how often the length of the next ones is halved, see ``Endings.latest``. course: the copied runs of a
    stream. sample: the finished sample; restarted: the candidate was rejected whole before; was_shown: some of its text
    was taken. opening: how it began; following: the token that comes next and its -log ŷ, where it is not free.
    """

    number: int
    key: int
    taken: int
    tokens: list[int] = field(default_factory=list)
    nats: float = 0.0
    characters: int = 0
    line: list[int] = field(default_factory=list)
    segment: list[int] = field(default_factory=list)
    segments: int = 0
    shorter: int = 0
    course: Course = field(default_factory=Course)
    longest_copied_run: int | None = None
    sample: Sample | None = None
    restarted: bool = False
    was_shown: bool = False
    opening: Opening | None = None
    following: tuple[int, float] | None = None
    _texts: list[str] = field(default_factory=list)  # of the segments that were accepted since ``take_text``

    def open(self, opening: Opening, characters: int) -> None:
        """Begin, or begin again. characters: the length of the opening's text."""
        self.opening, self.following = opening, opening.following
        self.tokens, self.line = list(opening.tokens), list(opening.line)
        self.nats, self.characters = opening.nats, characters - opening.skipped

    @property
    def skipped(self) -> int:
        """How many characters of the first token belong to the prime."""
        return self.opening.skipped if self.opening else 0

    def sampled(self, number: int) -> tuple[list[int], int]:
        """The last ``number`` tokens that were sampled, or all where there are fewer; and how many characters of the
        first of them were given."""
        opened, known = (len(self.opening.tokens), self.opening.known) if self.opening else (0, 0)
        if len(self.segment) >= number:
            tokens = self.segment[len(self.segment) - number :]
        else:
            tokens = (self.tokens[opened:] + self.segment)[-number:]
        return tokens, known if len(tokens) == len(self.tokens) + len(self.segment) - opened else 0

    def accept(self, text: str, nats: float, characters: int) -> None:
        """Accept the segment: its tokens, its text, and the text's sum of -log ŷ and number of characters."""
        self.tokens += self.segment
        self.shorter = max(0, self.shorter - 1)
        self.nats += nats
        self.characters += characters
        self.segment, self.segments = [], self.segments + 1
        self._texts.append(text)

    def shorten(self) -> None:
        """Halve the length of the next segments, down to one token."""
        self.shorter = min(self.shorter + 1, SEGMENT_OF_SUBWORDS.bit_length() - 1)

    def extend_line(self, vocabulary: Vocabulary) -> None:
        """Add the segment to the unfinished line, or finish the line."""
        self.line = [] if self.segment[-1] == EOS else self.line + self.segment
        if vocabulary.level == "subword":
            self.line = last_piece(vocabulary, self.line)

    def note_run(self, run: int | None) -> None:
        """Remember the longest copied run."""
        if run is not None:
            self.longest_copied_run = max(self.longest_copied_run or 0, run)

    def finish(self, text: str, novel: bool | None, ended: bool = True) -> None:
        """Make the sample from its whole text."""
        self.sample = Sample(
            text=text,
            log_probability=-self.nats,
            tokens=len(self.tokens),
            longest_copied_run=self.longest_copied_run,
            novel=novel,
            ended=ended,
        )

    @property
    def has_text(self) -> bool:
        """Whether ``take_text`` would give any."""
        return bool(self._texts)

    def take_text(self) -> str:
        """The text that was accepted since the last call."""
        text, self._texts, self.was_shown = "".join(self._texts), [], True
        return text

    def withdraw(self) -> None:
        """Let ``take_text`` give nothing: another candidate takes the place of this one."""
        self._texts = []


class Endings:
    """Decides where segments and samples end. max_length: the most characters that a sample may have, see ``Rules``."""

    def __init__(self, model: Model, prompt: Prompt, max_length: float):
        self.lines, self.prompt, self.max_length = model.lines, prompt, max_length
        self.vocabulary, self.widths = model.vocabulary, character_widths(model)
        self.sizes = model.vocabulary.widths.tolist()
        self.stop_tokens = max((len(as_bytes(text)) for text in prompt.stop), default=0)  # the longest stop has no more

    def characters(self, tokens: Iterable[int]) -> int:
        """How many characters some tokens add to a sample; counted only where ``max_length`` is finite."""
        return sum(map(self.widths.__getitem__, tokens)) if self.max_length < math.inf else 0

    def latest(self, candidate: Candidate) -> int:
        """The number of tokens after which the next segment ends at the latest.

        Segments of a stream have SEGMENT tokens at most. Those of subwords have SEGMENT_OF_SUBWORDS, and half as many
        after each one that was rejected because its tokens are not the standard ones: the more often that happens, the
        shorter a segment must be to be accepted.
        """
        left = self.prompt.length - len(candidate.tokens)
        return left if self.lines else min(left, self._most(candidate))

    def _most(self, candidate):
        if self.vocabulary.level == "subword":
            return SEGMENT_OF_SUBWORDS >> candidate.shorter
        return SEGMENT

    def of(self, candidate: Candidate) -> str | None:
        """SEGMENT_ENDS or SAMPLE_ENDS; None while the segment goes on.

        A segment also ends where it can only be rejected: at <UNK>, and with more than ``max_length`` characters. A
        line that reaches the length of the prompt ends as a segment, since it is not whole.
        """
        token = candidate.segment[-1]
        if token == UNKNOWN or self.is_too_long(candidate):
            return SEGMENT_ENDS
        if self.lines and token == EOS or self.prompt.stop and self._stops(candidate):
            return SAMPLE_ENDS
        if len(candidate.tokens) + len(candidate.segment) >= self.prompt.length:
            return SEGMENT_ENDS if self.lines else SAMPLE_ENDS
        if self.lines:
            return None
        return SEGMENT_ENDS if token == EOS or len(candidate.segment) >= self._most(candidate) else None

    def is_whole(self, candidate: Candidate) -> bool:
        """Whether a sample that ends is whole: its line or its ``stop`` ends it, and not its length."""
        return self.lines or bool(self.prompt.stop) and self._stops(candidate)

    def is_too_long(self, candidate: Candidate) -> bool:
        """Whether a candidate has more than ``max_length`` characters."""
        return candidate.characters + self.characters(candidate.segment) > self.max_length

    def _stops(self, candidate):
        tokens, known = candidate.sampled(self.stop_tokens)
        end = self.vocabulary.decode(tokens)[known:]
        return any(text in end for text in self.prompt.stop)


class Candidates:
    """Samples candidates, as many in parallel as there are rows.

    queue: (number, key of its random numbers, how many of these it has taken) of each candidate, in the order in which
    they begin.
    """

    def __init__(
        self,
        predictor: NextToken,
        decoding: Decoding,
        prompt: Prompt,
        endings: Endings,
        queue: Iterable[tuple[int, int, int]],
        *,
        avoidance: Avoidance | None = None,
    ):
        self._avoidance = avoidance
        self._predictor, self._decoding, self._prompt, self._endings = predictor, decoding, prompt, endings
        self._queue, self._resampled = iter(queue), deque()
        self._beginning = Beginning(predictor, endings.vocabulary, decoding, prompt)
        self._opening = self._beginning.opening()
        self._start = self._opening.state
        self._rows: list[Candidate | None] = []  # None where a row is idle
        self.live = 0  # how many rows are not idle
        self._random = RandomStreams()
        self._segments = Segments(endings.widths, endings.max_length, endings.sizes)
        self._states = take_rows(self._start, [])
        # the state of each row where its last segment was accepted; lines start again from the prompt
        self._accepted = [] if endings.lines else take_rows(self._start, [])
        self._some_follow = False  # the next token of some row is not free
        self.none_waits = False  # no candidate is left to begin

    def advance(self) -> list[tuple[int, str]]:
        """Take every candidate one token further: (row, ending) of each segment that has ended, see ``Endings.of``, or
        that must be looked at before it has (MAY_COPY)."""
        self._fill_rows()
        numbers = self._random.next_numbers()
        tokens, nats = self._decoding.sample(self._states[-1], numbers)
        following = self._follow(tokens, nats)
        if near := self._segments.near_copies(tokens):
            near = [row for row in near if self._rows[row].course.avoids and row not in following]
            self._avoid_copies(near, tokens, nats, numbers)
        if self.live < len(self._rows):
            tokens[~self._segments.live] = EOS
        self._states = self._predictor.step(self._states, tokens)
        rows = self._segments.add(tokens, nats)
        if self._prompt.stop:  # a segment may end anywhere
            rows = [row for row, candidate in enumerate(self._rows) if candidate is not None]
        ended = []
        for row in rows:
            candidate = self._see(row)
            if ending := self._endings.of(candidate):
                ended.append((row, ending))
            elif self._segments.room[row] < 0:
                ended.append((row, MAY_COPY))
        return ended

    def _follow(self, tokens, nats):
        """Put the tokens that are not free in their rows, and return these rows."""
        rows = []
        if self._some_follow:
            rows = [row for row, candidate in enumerate(self._rows) if candidate and candidate.following]
            self._some_follow = False
        for row in rows:
            tokens[row], nats[row] = self._rows[row].following
            self._rows[row].following = None
        return rows

    def _see(self, row):
        """The candidate of a row, with all tokens of its segment."""
        candidate = self._rows[row]
        candidate.segment += self._segments.tokens_from(row, len(candidate.segment))
        return candidate

    def __getitem__(self, row: int) -> Candidate:
        return self._rows[row]

    def accept(self, row: int, text: str) -> Candidate:
        """Accept the segment of a row, whose text this is."""
        candidate = self._rows[row]
        characters = self._endings.characters(candidate.segment)
        candidate.accept(text, self._segments.nats_of(row), characters)
        return candidate

    def continue_from(self, row: int) -> None:
        """Begin the next segment of a stream, after an accepted one."""
        self._begin_segment(row)
        copy_row(self._states, row, self._accepted, row)

    def new_text(self, row: int) -> str:
        """The text of a stream's segment after its trail, that which the sample starts with included."""
        candidate, seen = self._rows[row], self._rows[row].course.tokens
        tokens, decode = candidate.segment[seen:], self._endings.vocabulary.decode
        if candidate.segments == 0 and not seen:
            return decode(candidate.tokens + tokens)[candidate.skipped :]
        return decode(tokens)

    def make_room(self, row: int) -> None:
        """A row has looked for copies: its segment goes on."""
        self._segments.set_room(row, self._avoidance.room_of(self._rows[row].course))

    def _avoid_copies(self, rows, tokens, nats, numbers):
        """Replace the tokens of these rows that would be copies, and their -log ŷ."""
        if not rows:
            return
        courses = [self._see(row).course for row in rows]
        logits, texts = self._states[-1][rows], list(map(self.new_text, rows))
        chosen, found = self._avoidance.sample(logits, numbers[rows], tokens[rows], courses, texts)
        for row, course, token, what in zip(rows, courses, chosen, found, strict=True):
            if what is not None:
                trail, run = what
                course.turned = course.turned or token != tokens[row]
                course.go_on(trail, len(self._rows[row].segment) + 1, run)
                self.make_room(row)
                self._segments.room[row] += self._segments.sizes[token]  # which ``add`` will take
        tokens[rows] = chosen
        nats[rows] = -log_softmax(logits.astype(np.float64))[np.arange(len(rows)), chosen]

    def leave(self, row: int) -> None:
        """Make a row idle."""
        self._rows[row].taken = self._random.taken(row)
        self._rows[row] = None
        self.live -= 1
        self._segments.leave(row)

    def resample_segment(self, row: int) -> None:
        """Sample a rejected segment again, from the end of the last accepted one."""
        self._rows[row].segment = []
        self._rows[row].course.go_back()
        if self._endings.lines:
            copy_row(self._start, 0, self._states, row)
        else:
            copy_row(self._accepted, row, self._states, row)
        self._begin_segment(row)

    def restart(self, row: int) -> None:
        """Sample the candidate of a row again from its start, with its next random numbers."""
        old = self._rows[row]
        old.withdraw()
        new = self._new(old.number, old.key, self._random.taken(row), restarted=True)
        new.course.avoided, new.course.dead_ends = old.course.avoided, old.course.dead_ends
        self._place([row], [new])

    def resample(self, candidate: Candidate) -> None:
        """Put a candidate that has left its row back into the queue; it continues its random numbers."""
        self._resampled.append((candidate.number, candidate.key, candidate.taken))

    def _new(self, number, key, taken=0, restarted=False):
        return Candidate(number=number, key=key, taken=taken, restarted=restarted)

    def _fill_rows(self):
        """Begin waiting candidates in idle rows, and change the number of rows to that of the candidates."""
        new, self.none_waits = [], False
        most = min(IN_PARALLEL, max(FEW, LOGITS // self._start[-1].shape[-1]))
        while self.live + len(new) < most and not self.none_waits:
            waiting = self._resampled.popleft() if self._resampled else next(self._queue, None)
            if waiting:
                new.append(self._new(*waiting))
            self.none_waits = waiting is None
        rows = self._predictor.rows_for(self.live + len(new))
        if rows > len(self._rows) or rows <= FULL * len(self._rows):
            self._resize(rows)
        if new:
            self.live += len(new)
            self._place(self._segments.idle(len(new)), new)

    def _resize(self, rows):
        """Change the number of rows. Those that stay remain where they are; those at the end move to idle ones."""
        live = self._segments.live
        moved = rows + np.flatnonzero(live[rows:])
        idle = np.flatnonzero(~live[:rows])[: len(moved)]
        order = np.arange(min(rows, len(self._rows)))
        order[idle] = moved
        for row, other in zip(idle.tolist(), moved.tolist(), strict=True):
            self._rows[row] = self._rows[other]
        more = max(0, rows - len(self._rows))
        self._rows = self._rows[:rows] + [None] * more
        self._random.take_rows(order, rows)
        self._segments.take_rows(order, rows)
        for state in (self._states, self._accepted):
            if more:
                start = take_rows(self._start, [0] * more)
                state[:] = [np.concatenate(arrays) for arrays in zip(state, start, strict=bool(state))]
            else:
                for array in state:
                    array[idle] = array[moved]
                state[:] = take_rows(state, slice(rows))

    def _place(self, rows, candidates):
        """Begin candidates in these rows."""
        copy_row(self._start, 0, self._states, rows)
        copy_row(self._start, 0, self._accepted, rows)
        keys, taken = zip(*((candidate.key, candidate.taken) for candidate in candidates), strict=True)
        self._random.begin(rows, list(keys), list(taken))
        for row, candidate in zip(rows, candidates, strict=True):
            self._rows[row] = candidate
            self._begin_segment(row)

    def _begin_segment(self, row):
        candidate = self._rows[row]
        if candidate.segments == 0:
            self._open(row, candidate)
        room = self._avoidance and self._avoidance.room_of(candidate.course)
        self._segments.begin(row, candidate.characters, self._endings.latest(candidate), room)

    def _open(self, row, candidate):
        opening = self._opening
        if self._beginning.is_free:
            opening = self._beginning.opening(self._random.take(row))
            copy_row(opening.state, 0, self._states, row)
        candidate.open(opening, self._endings.characters(opening.tokens))
        self._some_follow = self._some_follow or opening.following is not None


def character_widths(model: Model) -> list[int]:
    """How many characters each token adds to a sample, at least."""
    symbols = model.vocabulary.symbols
    if model.vocabulary.level == "byte":
        widths = [0 if 0x80 <= byte < 0xC0 else 1 for byte in symbols]  # the later bytes of a character add none
    else:
        widths = [len(symbol) for symbol in symbols]
    return [0 if model.lines else 1, 0, *widths]
