"""Model → new text, sample by sample.

A model of lines begins each sample at the zero state and ends it with <EOS>; a stream model samples ``length`` tokens.
Each sample has its own random numbers, so that it is the same however many are asked for. Samples are shown in order;
of a stream, the first sample that is not whole is shown as it grows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import PromptError, SamplingError, UsageError
from ..model import Model
from ..network.prefixes import SharedPrefixes
from ..network.stepper import NextToken, Stepper
from ..tasks.summary import number_of
from .acceptance import Acceptance
from .avoidance import Avoidance
from .beginning import longest_opening
from .candidates import Candidate, Candidates, Endings
from .decoding import Decoding
from .infilling import Filler
from .most_likely import MostLikely
from .options import BY_NAME
from .prompt import Prompt, encode_prompt, seed_of
from .random_streams import bits_at, key_of
from .rules import SamplingCounts, rules_for
from .samples import Piece, Sample
from .settings import SamplingOptions

if TYPE_CHECKING:
    from .chords import SetSampler

LONGEST_LINE = 1000
STREAM_LENGTH = 500
MANY = 64  # candidates for lines, of which some begin alike
KEYS = 256  # of candidates, made at a time


class Sampler:
    """Samples ``count`` texts. ``counts`` says at any time how much was sampled and rejected.

    length: tokens of a sample of a stream, or the most that a line may have (longer ones are rejected); None for
    STREAM_LENGTH or LONGEST_LINE. predictor: what predicts the next token, instead of the model. which: the number of
    each sample among all that the seed makes, and how many of its random numbers are not to be used again; 0, 1, …,
    count - 1 and none if not given. With it, pieces are whole samples.
    """

    def __init__(
        self,
        model: Model,
        count: int = 1,
        length: int | None = None,
        options: SamplingOptions | None = None,
        *,
        predictor: NextToken | None = None,
        which: Sequence[tuple[int, int]] | None = None,
    ):
        options = options or SamplingOptions()
        count, decoding = BY_NAME["count"].check(count), Decoding.of(options)
        prompt, rules = prompt_of(model, length, options), rules_for(model, options)
        predictor = predictor or predictor_of(model, count * options.best_of)
        self.count, self.seed, self._which = count, seed_of(options.seed), which
        self.counts = SamplingCounts(max_tries=options.max_tries, certain=decoding.remedy, asked=count)
        self.max_copied = rules.max_copied  # characters of the longest run that is no copy
        self._outside = model.vocabulary.outside
        self._best_of, self._unique = options.best_of, options.unique
        must_be_whole = model.lines or self._best_of > 1 or self._unique or options.limits_length
        self._grows = not must_be_whole and which is None
        endings = Endings(model, prompt, rules.max_length)
        avoidance = Avoidance(decoding, rules, model.vocabulary)
        self._candidates = Candidates(predictor, decoding, prompt, endings, self._queue(), avoidance=avoidance)
        self._acceptance = Acceptance(self._candidates, endings, model, prompt=prompt, rules=rules, counts=self.counts)
        self._open: dict[int, Candidate] = {}  # the candidates that have begun and were not shown, by number
        self._seen: set[str] = set()  # the texts of all candidates that were whole
        self._shown: set[str] = set()  # the texts of all samples shown

    def _queue(self):
        """(number here, key of its random numbers, how many of them were taken) of each candidate."""
        key, count, best_of = key_of(self.seed), self.count * self._best_of, self._best_of
        for start in range(0, count, KEYS):
            here = numbers = np.arange(start, min(start + KEYS, count))
            taken = [0] * len(here)
            if self._which is not None:
                of_samples, of_taken = np.array([self._which[number // best_of] for number in here.tolist()]).T
                numbers, taken = of_samples * best_of + here % best_of, of_taken.tolist()
            keys = bits_at(key, numbers.astype(np.uint64))
            yield from zip(here.tolist(), keys.tolist(), taken, strict=True)

    def samples(self) -> Iterator[Sample]:
        """The samples, in order, each when it is whole."""
        for piece in self.pieces():
            if piece.sample is not None:
                yield piece.sample

    def pieces(self) -> Iterator[Piece]:
        """The samples as they are accepted, in order: line models give whole samples, streams give lines.

        Raises SamplingError, after the samples that were found, where too many are rejected in a row.
        """
        number = 0
        try:
            while number < self.count:
                accepted = self._acceptance.check(self._candidates.advance())
                for candidate in accepted:
                    self._open[candidate.number] = candidate
                    if candidate.sample is not None and candidate.sample.text not in self._seen:
                        self.counts.end_streak()
                        if self._unique:
                            self._seen.add(candidate.sample.text)
                while accepted and number < self.count and (piece := self._next_piece(number)):
                    yield piece
                    if piece.sample is not None:
                        number += 1
                if number < self.count:
                    self.counts.check()
        except SamplingError:
            yield from self._rest(number)
            raise SamplingError(self.counts.why_given_up()) from None

    def _next_piece(self, number):
        """The text of a sample that can be shown now, or None."""
        candidates = self._candidates_for(number)
        if self._grows:
            (candidate,) = candidates
            return self._piece(number, candidate) if candidate and candidate.has_text else None
        if not are_whole(candidates):
            return None
        new = self._new_ones(candidates)
        for candidate in candidates if not new else ():
            del self._open[candidate.number]
            self._candidates.resample(candidate)
            self.counts.reject("repeated", candidate.segments)
        return self._best(number, candidates, new) if new else None

    def _rest(self, number):
        """The samples that were already whole when one before them failed."""
        for later in range(number, self.count):
            candidates = self._candidates_for(later)
            if are_whole(candidates) and (new := self._new_ones(candidates)):
                yield self._best(later, candidates, new)

    def _candidates_for(self, number):
        return [self._open.get(number * self._best_of + offset) for offset in range(self._best_of)]

    def _new_ones(self, candidates):
        return [candidate for candidate in candidates if candidate.sample.text not in self._shown]

    def _best(self, number, candidates, new):
        best = max(new, key=lambda candidate: candidate.sample.log_probability)
        for candidate in candidates:
            del self._open[candidate.number]
            if candidate is not best:
                self.counts.drop("less_likely" if candidate in new else "repeated", candidate.segments)
        return self._piece(number, best)

    def _piece(self, number, candidate):
        text = candidate.take_text()
        if candidate.sample is not None:
            self._open.pop(candidate.number, None)
            self.counts.count_shown(candidate.sample)
            if self._unique:
                self._shown.add(candidate.sample.text)
        sample = candidate.sample and candidate.sample.with_text(self._outside)
        used = (candidate.segments, candidate.taken) if sample else (0, 0)
        return Piece(number, self._outside(text, sample is not None), sample, *used)


def predictor_of(model: Model, candidates: int) -> NextToken:
    """What predicts the next token of so many candidates."""
    stepper = Stepper(model.architecture, model.parameters, not model.lines, model.mixture)
    return SharedPrefixes(stepper) if model.lines and candidates >= MANY else stepper


def are_whole(candidates: list[Candidate | None]) -> bool:
    return all(candidate is not None and candidate.sample is not None for candidate in candidates)


def prompt_of(model: Model, length: int | None, options: SamplingOptions) -> Prompt:
    """The prompt of a model's samples. Raises UsageError where the model cannot sample so."""
    length = BY_NAME["length"].check(length)
    length = length if length is not None else LONGEST_LINE if model.lines else STREAM_LENGTH
    if options.limits_length and not model.lines and not options.stop:
        raise UsageError(
            "--min-length and --max-length need --stop here: this model samples a stream of --length tokens"
        )
    stop = tuple(map(model.vocabulary.inside, options.stop))
    prompt = encode_prompt(model, options.prime, options.start_with, length=length, stop=stop)
    tokens = longest_opening(model.vocabulary, prompt)
    if tokens >= length:
        raise PromptError(
            f"the beginning (--start-with) has {number_of(tokens, 'token')}; --length must be more than that, not "
            f"{length}"
        )
    return prompt


def new_sampler(
    model: Model, count: int = 1, length: int | None = None, options: SamplingOptions | None = None
) -> "Sampler | Filler | MostLikely | SetSampler":
    """What samples, fills (``options.fill``) or searches (``options.most_likely``, in place of ``count``) for these
    options. Raises UsageError where they conflict."""
    options = options or SamplingOptions()
    if model.task.name == "chords":
        from .chords import SetSampler

        return SetSampler(model, count, length, options)
    model, options = model.given(options.given), replace(options, given=None)
    if options.fill is not None:
        if length is not None:
            raise UsageError("--fill and --length do not go together")
        return Filler(model, options.fill, count, options)
    if options.most_likely is None:
        return Sampler(model, count, length, options)
    if BY_NAME["count"].check(count) != 1:
        raise UsageError("--most-likely and --count do not go together: --most-likely says how many")
    if not model.lines and length is None and not options.stop:
        raise UsageError(
            "--most-likely needs --length or --stop here: this model writes a stream, which has no end of its own"
        )
    return MostLikely(model, prompt_of(model, length, options), options)
