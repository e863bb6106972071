"""Acceptance: a segment that has ended is accepted, or rejected and sampled again.

Here a segment with <UNK> is rejected, one whose text is read as other tokens, and one that copies the training text or
breaks another of the ``rules``. A segment is rejected whole: the sample of a line model, and a line of a stream, so
that a long text does not fail for one word.

Where several copies were rejected at one place of a stream, it is sampled away from them (``avoidance``). If that finds
no way on, the segment is tried again, then the whole sample if none of it was shown; after DEAD_ENDS sampling ends.
"""

from ..model import Model
from ..text.vocabulary import UNKNOWN
from .candidates import MAY_COPY, SAMPLE_ENDS, Candidate, Candidates, Endings
from .prompt import Prompt
from .rules import Rules, SamplingCounts
from .segmentation import are_standard, reads_back

LINES_AT_ONCE = 256  # lines that are searched for copies at a time
PATIENCE = 8  # copies that are rejected at one place of a stream before it is sampled away from them; half as many
# after each place where this was needed
DEAD_ENDS = 64  # of one candidate; after each RESTART of them it begins again, if nothing of it was shown
RESTART = 8


class Acceptance:
    """Accepts or rejects the segments of ``candidates``, and counts both in ``counts``."""

    def __init__(
        self,
        candidates: Candidates,
        endings: Endings,
        model: Model,
        *,
        prompt: Prompt,
        rules: Rules,
        counts: SamplingCounts,
    ):
        self._candidates, self._endings, self._rules, self._counts = candidates, endings, rules, counts
        self._lines, self._vocabulary = model.lines, model.vocabulary
        self._prime = prompt.text_before(model.vocabulary)  # the beginning of a sample's line
        self._parked: list[tuple[Candidate, str]] = []  # lines to accept if they are no copies

    def check(self, ended: list[tuple[int, str]]) -> list[Candidate]:
        """Accept or reject the segments that have ended, and return the candidates of which something was accepted.

        ended: (row, ending) of each segment, see ``Endings.of``.
        """
        if not ended and not self._parked:
            return []
        segments = []
        for row, ending in ended:
            candidate = self._candidates[row]
            if ending == MAY_COPY:
                segments.append((row, ending, ""))
                continue
            self._counts.count_sampled(1)
            text = self._text(candidate)
            reason = self._reason(candidate, text, ending)
            if reason:
                self._reject(row, reason)
            elif self._lines:
                self._candidates.accept(row, text)
                self._candidates.leave(row)
                self._parked.append((candidate, text))
            else:
                segments.append((row, ending, text))
        return self._check_lines() if self._lines else self._check_segments(segments)

    def _check_lines(self):
        """Search for copies among lines. Many lines are searched at once, because that takes less time for each; fewer
        when no candidate waits for a row, and before charlm gives up."""
        enough = LINES_AT_ONCE
        if self._candidates.none_waits:  # a copy is sampled again next to the rows that are left
            enough = min(enough, self._candidates.live // 4)
        if len(self._parked) < enough and not self._counts.gives_up:
            return []
        parked, self._parked = self._parked, []
        texts = [text for _, text in parked]
        copies = self._rules.copies_in(texts, [self._prime + text for text in texts])
        accepted = []
        for (candidate, text), (run, reason) in zip(parked, copies, strict=True):
            if reason and not self._rules.allow_copies:
                self._counts.reject(reason)
                self._candidates.resample(candidate)
            else:
                candidate.note_run(run)
                candidate.finish(text, self._rules.is_novel(reason))
                accepted.append(candidate)
        return accepted

    def _check_segments(self, segments):
        """Search for copies among segments of streams."""
        if self._rules.rejects_copies and segments:
            courses = [self._candidates[row].course for row, _, _ in segments]
            texts = [self._candidates.new_text(row) for row, _, _ in segments]
            followed = self._rules.follow([course.trail for course in courses], texts)
            segments = [
                segment
                for segment, course, what in zip(segments, courses, followed, strict=True)
                if self._looks(segment, course, *what)
            ]
        # where copies are allowed, a run may have any length, and is searched when the sample is whole
        return [self._accept(*segment) for segment in segments]

    def _looks(self, segment, course, trail, run, reason):
        """Note what a look at the records says about a segment. True if the segment has ended and is no copy."""
        row, ending, _ = segment
        if reason:
            self._counts.count_sampled(ending == MAY_COPY)
            self._reject_copy(row, reason)
            return False
        course.go_on(trail, len(self._candidates[row].segment), run)
        if ending == MAY_COPY:
            self._candidates.make_room(row)
        return ending != MAY_COPY

    def _reject_copy(self, row, reason):
        """Reject a copy. After several of them in one place, sample away from them."""
        candidate = self._candidates[row]
        course, whole = candidate.course, False
        if course.avoids:  # each symbol that the model knows would make it a copy
            course.dead_ends += 1
            self._counts.no_way_on = course.dead_ends >= DEAD_ENDS
            self._counts.is_stuck |= course.dead_ends >= RESTART
            whole = course.dead_ends % RESTART == 0 and not candidate.was_shown
        course.copies += 1
        course.avoids = course.copies >= PATIENCE >> course.avoided
        self._reject(row, reason, whole)

    def _accept(self, row, ending, text):
        candidate = self._candidates[row]
        course = candidate.course
        if self._rules.rejects_copies:
            candidate.note_run(course.run)
            self._counts.avoided += course.turned
            course.accept()
        if self._vocabulary.level in ("word", "subword"):
            candidate.extend_line(self._vocabulary)
        self._candidates.accept(row, text)
        if ending == SAMPLE_ENDS:
            self._candidates.leave(row)
            self._finish(candidate, text)
            return candidate
        self._candidates.continue_from(row)
        if not candidate.restarted:
            self._counts.end_streak()
        return candidate

    def _finish(self, candidate, text):
        whole, reason = text, None
        if candidate.segments > 1:
            whole = self._vocabulary.decode(candidate.tokens)[candidate.skipped :]
        if self._rules.allow_copies:
            ((run, reason),) = self._rules.copies_in([whole])
            candidate.note_run(run)
        candidate.finish(whole, self._rules.is_novel(reason), self._endings.is_whole(candidate))

    def _reject(self, row, reason, whole=False):
        """Reject the segment, or the whole sample if its length is the reason."""
        whole = whole or not self._lines and reason in ("too_short", "too_long")
        self._counts.reject(reason, self._candidates[row].segments + 1 if whole else 1)
        if reason == "other_subwords":
            self._candidates[row].shorten()
        if whole:
            self._candidates.restart(row)
        else:
            self._candidates.resample_segment(row)

    def _text(self, candidate):
        """What the segment adds to the text of its sample."""
        if candidate.segments == 0:  # then the text that the sample starts with belongs to it
            text = self._vocabulary.decode(candidate.tokens + candidate.segment)[candidate.skipped :]
        else:
            text = self._vocabulary.decode(candidate.segment)
        return text.removesuffix("\n") if self._lines else text

    def _reason(self, candidate, text, ending):
        """The reason to reject a segment, a name of REASONS, copies excepted; None if there is none."""
        if candidate.segment[-1] == UNKNOWN:  # a segment ends at its first <UNK>
            return "unknown"
        if self._endings.is_too_long(candidate) or self._lines and ending != SAMPLE_ENDS:
            return "too_long"
        if self._vocabulary.level == "word" and not reads_back(self._vocabulary, [*candidate.line, *candidate.segment]):
            return "no_text"
        if self._vocabulary.level == "subword" and not self._is_standard(candidate, ending):
            return "other_subwords"
        if self._lines and not text:
            return "empty"
        if ending == SAMPLE_ENDS and self._rules.limits_length:
            if candidate.segments:  # decoded as one text: two segments may share a character of several bytes
                text = self._vocabulary.decode([*candidate.tokens, *candidate.segment])[candidate.skipped :]
            return self._rules.reason_of_length(text)
        return None

    def _is_standard(self, candidate, ending):
        line = [*candidate.line, *candidate.segment]
        return are_standard(self._vocabulary, [line], goes_on=ending != SAMPLE_ENDS)[0]
