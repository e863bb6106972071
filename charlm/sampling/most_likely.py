"""Model → its most likely samples, by best-first search (uniform-cost search).

A prefix costs its -log ŷ, and no longer text costs less. The search always expands the cheapest prefixes, some of them
at once. A sample is one of the most likely for certain when no prefix that is left costs less; expanding some prefixes
too early changes nothing about that. A prefix gives its next tokens one by one, the most likely first, so that there
are never more prefixes left than were expanded.

<UNK> is never a token. Samples that the rules reject (copies, wrong lengths) are left out, and the next ones take their
places. Of subwords, only prefixes of standard segmentations are expanded.
"""

import heapq
import itertools
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..errors import SamplingError, UsageError
from ..model import Model
from ..network.probabilities import log_softmax
from ..network.stepper import NextToken, State, Stepper
from ..text.vocabulary import UNKNOWN, smallest_type
from .beginning import Beginning, Opening, continued
from .candidates import SAMPLE_ENDS, Candidate, Endings
from .decoding import Decoding
from .prompt import Prompt, line_of
from .rules import SamplingCounts, described, found_of, remedy_for, rules_for
from .samples import Piece, Sample
from .segmentation import are_standard, reads_back
from .settings import SamplingOptions

AT_ONCE = 128  # prefixes that are expanded at a time
MOST_PREFIXES = 1_000_000  # that are expanded in all …
MOST_BYTES = 1 << 30  # … and the most memory for them
NODE_BYTES = 700  # of the Python objects of one prefix
CONFLICTING_OPTIONS = "temperature top_k top_p min_p best_of unknown max_tries".split()


@dataclass(slots=True, kw_only=True, eq=False)
class _Prefix:
    """A prefix that was expanded.

    opening: how it began; tokens: the ids after it; state, row: after these, the logits left out. costs, order: the
    -log ŷ of the prefix with each token that may follow, rising, float64 (V), and these tokens (V).
    """

    opening: Opening
    tokens: tuple[int, ...]
    state: State
    row: int
    costs: np.ndarray
    order: np.ndarray


class MostLikely:
    """Finds the ``options.most_likely`` most likely samples. ``counts`` says at any time how much was found and
    rejected, ``expanded`` how many prefixes were expanded.

    prompt: what a sample begins with, and the most tokens that it has; a sample of a stream has so many, or ends with a
    text of ``stop``. predictor: what predicts the next token, instead of the model; most_prefixes: expanded at most.
    """

    def __init__(
        self,
        model: Model,
        prompt: Prompt,
        options: SamplingOptions,
        *,
        predictor: NextToken | None = None,
        most_prefixes: int = MOST_PREFIXES,
    ):
        check_goes_with_most_likely(options)
        self.count, self.expanded = options.most_likely or 1, 0
        self.counts = SamplingCounts(asked=self.count)
        self._lines, self._vocabulary, self._prompt = model.lines, model.vocabulary, prompt
        self._rules, self._prime = rules_for(model, options), prompt.text_before(model.vocabulary)
        self._endings = Endings(model, prompt, self._rules.max_length)
        self._predictor = predictor or Stepper(model.architecture, model.parameters, mixture=model.mixture)
        self._most_prefixes = most_prefixes
        self._numbers = itertools.count()  # of what costs the same, the first one comes first
        self._left: list[tuple[float, int, _Prefix, int]] = []  # a heap: cost, number, prefix, rank of its next token
        self._whole: list[tuple[float, int, Opening, tuple[int, ...]]] = []  # a heap of samples

    def pieces(self) -> Iterator[Piece]:
        """The samples, as ``Sampler`` gives them."""
        for number, sample in enumerate(self.samples()):
            yield Piece(number, sample.text, sample)

    def samples(self) -> Iterator[Sample]:
        """The samples, the most likely first, each as soon as it is certain.

        Where the limit ends the search, those that were found until then follow, not certain, with a warning. Raises
        SamplingError where there are too few.
        """
        self._begin()
        while self._left and self.expanded < self._most_prefixes:
            yield from self._certain_ones()
            if self.counts.found == self.count:
                return
            if batch := self._next_batch():
                self._expand(batch)
        certain, is_complete = self.counts.found, not self._left
        while self._whole and self.counts.found < self.count:
            yield from self._accepted(heapq.heappop(self._whole), certain=is_complete)
        self._end(self.counts.found if is_complete else certain, is_complete)

    def _begin(self):
        beginning = Beginning(self._predictor, self._vocabulary, Decoding(), self._prompt)
        for opening in beginning.openings():
            costs = -log_softmax(opening.state[-1].astype(np.float64))
            if opening.following is not None:
                token, nats = opening.following
                costs[:], costs[0, token] = math.inf, nats
            self._add([opening], [()], opening.state, costs + opening.nats)
        (_, _, prefix, _), *_ = self._left
        size = sum(array[:1].nbytes for array in (*prefix.state, prefix.costs[None], prefix.order[None]))
        self._most_prefixes = max(1, min(self._most_prefixes, MOST_BYTES // (size + NODE_BYTES)))

    def _add(self, openings, tokens, state, costs):
        """Note that some prefixes were expanded. state: after them, (N); costs: of what may follow, (N, V)."""
        costs[:, UNKNOWN] = math.inf
        order = np.argsort(costs, axis=1, kind="stable")
        costs = np.take_along_axis(costs, order, 1)
        order = order.astype(smallest_type(costs.shape[1]))
        for row, (opening, ids) in enumerate(zip(openings, tokens, strict=True)):
            prefix = _Prefix(opening=opening, tokens=ids, state=state[:-1], row=row, costs=costs[row], order=order[row])
            self._leave(prefix, 0)

    def _leave(self, prefix, rank):
        """Put the prefix with its next token on the heap, if it has another one."""
        if rank < len(prefix.costs) and prefix.costs[rank] < math.inf:
            heapq.heappush(self._left, (float(prefix.costs[rank]), next(self._numbers), prefix, rank))

    def _certain_ones(self):
        while self._whole and self.counts.found < self.count and not self._is_cheaper_left():
            yield from self._accepted(heapq.heappop(self._whole), certain=True)

    def _is_cheaper_left(self):
        return bool(self._left) and self._left[0][0] < self._whole[0][0]

    def _next_batch(self):
        """(cost, prefix, token) of the cheapest prefixes with one token more. Those that are whole samples go to their
        heap."""
        wanted, batch = self.count - self.counts.found, []
        costs = heapq.nsmallest(wanted, (cost for cost, *_ in self._whole))
        bound = costs[-1] if len(costs) == wanted else math.inf  # what costs more is probably not needed
        room = min(AT_ONCE, self._most_prefixes - self.expanded)
        while self._left and len(batch) < room and self._left[0][0] <= bound:
            cost, number, prefix, rank = heapq.heappop(self._left)
            self._leave(prefix, rank + 1)
            tokens = (*prefix.tokens, int(prefix.order[rank]))
            candidate = self._candidate(prefix.opening, tokens)
            ending = self._endings.of(candidate)
            if ending == SAMPLE_ENDS:
                heapq.heappush(self._whole, (cost, number, prefix.opening, tokens))
            elif not self._endings.is_too_long(candidate) and not (self._lines and ending):
                batch.append((cost, prefix, tokens))
        return batch

    def _candidate(self, opening, tokens):
        candidate = Candidate(number=0, key=0, taken=0, segment=list(tokens))
        candidate.open(opening, self._endings.characters(opening.tokens))
        return candidate

    def _expand(self, batch):
        if self._vocabulary.level == "subword":
            lines = [self._line(prefix.opening, tokens) for _, prefix, tokens in batch]
            batch = list(itertools.compress(batch, are_standard(self._vocabulary, lines)))
        if not batch:
            return
        self.expanded += len(batch)
        costs, prefixes, tokens = zip(*batch, strict=True)
        state = [
            np.stack([prefix.state[number][prefix.row] for prefix in prefixes])
            for number in range(len(prefixes[0].state))
        ]
        state.append(np.empty((len(batch), len(self._vocabulary)), np.float64))
        last = np.array([ids[-1] for ids in tokens])
        state = continued(self._predictor, state, np.arange(len(batch)), last)
        following = np.array(costs)[:, None] - log_softmax(state[-1].astype(np.float64))
        self._add([prefix.opening for prefix in prefixes], tokens, state, following)

    @staticmethod
    def _line(opening, tokens):
        """The last line, also if it has just ended."""
        return [*line_of([*opening.line, *tokens[:-1]]), *tokens[-1:]]

    def _accepted(self, whole, certain):
        """The sample of a candidate that is whole, unless there is a reason to reject it."""
        cost, _, opening, tokens = whole
        ids = [*opening.tokens, *tokens]
        text = self._vocabulary.decode(ids)[opening.skipped :]
        text = text.removesuffix("\n") if self._lines else text
        self.counts.count_sampled(1)
        reason = self._reason(opening, tokens, text)
        copied, run = None, None
        if not reason:
            ((run, copied),) = self._rules.copies_in([text], [self._prime + text] if self._lines else None)
            reason = None if self._rules.allow_copies else copied
        if reason:
            self.counts.reject(reason)
            return
        sample = Sample(
            text=text,
            log_probability=-cost,
            tokens=len(ids),
            longest_copied_run=run,
            novel=self._rules.is_novel(copied),
            ended=self._endings.is_whole(self._candidate(opening, tokens)),
            certain=certain,
        )
        self.counts.count_shown(sample)
        yield sample

    def _reason(self, opening, tokens, text):
        """The reason to reject a sample, a name of REASONS, copies excepted; None if there is none."""
        line = self._line(opening, tokens)
        if self._vocabulary.level == "word" and not reads_back(self._vocabulary, line):
            return "no_text"
        if self._vocabulary.level == "subword" and not are_standard(self._vocabulary, [line], goes_on=False)[0]:
            return "other_subwords"
        return "empty" if self._lines and not text else self._rules.reason_of_length(text)

    def _end(self, certain, is_complete):
        """Say what is wrong with the samples that were found, if there is anything."""
        found, why = self.counts.found, described(self.counts.rejections)
        limit = f"the search ended after {self.expanded:,} beginnings of texts, its limit"
        if found == self.count and certain < found:
            warnings.warn(
                f"the first {certain:,} of the {found:,} samples are the most likely ones for certain; {limit}, and "
                "others may belong among the rest",
                stacklevel=2,
            )
        if found == self.count:
            return
        if is_complete:
            remedy = remedy_for(self.counts.rejections) if why else "ask for fewer, or raise --length"
            rejected = f" ({why})" if why else ""
            raise SamplingError(f"{found_of(found, self.count)}; there are no others{rejected}: {remedy}")
        shorter = "" if self._lines else ", lower --length"
        raise SamplingError(
            f"{found_of(found, self.count)}{f' ({why})' if why else ''}, the first {certain:,} for "
            f"certain; {limit}: ask for fewer{shorter}, or give more of the text with --start-with"
        )


def check_goes_with_most_likely(options: SamplingOptions) -> None:
    """Raise UsageError where an option has no meaning for the most likely samples."""
    defaults = SamplingOptions()
    for name in CONFLICTING_OPTIONS:
        if getattr(options, name) != getattr(defaults, name):
            raise UsageError(f"--most-likely and --{name.replace('_', '-')} do not go together")
