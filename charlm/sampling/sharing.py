"""Samples that ranks share: each rank makes some of them, and rank 0 hands them out in order.

A sample follows from the seed and its number, so that each rank can make any of them. Two things depend on all samples
together:

With ``unique``, of the samples with one text the first one keeps it, and the others are sampled again. It does not
matter which of them comes first: whenever two hold the same text, the one with the lower number keeps it. In the end
each has the first of its texts that no sample before it has, as in one process.

Sampling gives up after ``max_tries`` rejections in a row, and what is a row depends on the order in which one process
samples. Where a rank comes near that, rank 0 samples alone what was not shown yet, as one process would. Near is one
SAFEth of the tries: the chance that one process gives up, and no rank comes so near, is below one in a million for
twenty samples, and smaller for more.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ..errors import SamplingError
from ..model import Model
from ..network.dealing import dealt, tell_alone
from ..network.stepper import NextToken
from ..ranks import Ranks
from .infilling import Filler
from .most_likely import MostLikely
from .rules import SamplingCounts
from .sampler import Sampler, new_sampler, predictor_of
from .samples import Piece, Sample
from .settings import SamplingOptions

if TYPE_CHECKING:
    from .chords import SetSampler

SAFE = 8
LINES, MOST = 32, 2048  # candidates for lines that are worth a job, and candidates of a job at most
JOBS = 4  # for each rank, if there are enough samples

Which = list[tuple[int, int]]  # the number of each sample, and how many of its random numbers are not to be used again


def shared_sampler(
    ranks: Ranks, model: Model, count: int, length: int | None, options: SamplingOptions
) -> "Sampler | SharedSampler | Filler | MostLikely | SetSampler":
    """What samples for these options with the help of other ranks, where there are any; see ``new_sampler``."""
    sampler = new_sampler(model, count, length, options)
    if ranks.number == 1:
        return sampler
    if isinstance(sampler, Sampler):
        work = _Sampling(model.given(options.given), length, replace(options, given=None, unique=False))
        return SharedSampler(ranks, sampler, work, options)
    why = "a pattern is filled as a whole" if options.fill else "the most likely samples need one search"
    tell_alone(ranks, "sets are sampled by one process" if model.task.name == "chords" else why)
    return sampler


class SharedSampler:
    """Samples as a ``Sampler`` does, with the help of other ranks. alone: that sampler; work: of the ranks."""

    def __init__(self, ranks: Ranks, alone: Sampler, work: "_Sampling", options: SamplingOptions):
        self._ranks, self._alone, self._work, self._unique = ranks, alone, work, options.unique
        self.counts, count = alone.counts, alone.count
        least = max(1, LINES // options.best_of) if work.model.lines else 1
        most = max(1, MOST // options.best_of)
        self._together = min(max(-(-count // (JOBS * ranks.number)), least), most)
        self._why_alone = ""
        if count <= self._together:
            self._why_alone = "so few samples take no less time on several processes"
        elif self.counts.certain:
            self._why_alone = "only the most likely token is sampled, and all samples are the same"
        elif options.unique and options.best_of > 1:
            self._why_alone = "--unique and --best-of together compare all samples"

    def samples(self) -> Iterator[Sample]:
        """The samples, in order."""
        return (piece.sample for piece in self.pieces() if piece.sample is not None)

    def pieces(self) -> Iterator[Piece]:
        """The samples in order, as pieces of whole samples. Raises SamplingError, after the samples that were found,
        where too many are rejected in a row."""
        shown = 0
        if self._why_alone:
            tell_alone(self._ranks, self._why_alone)
        else:
            sharing = _Sharing(self._alone.count, self._together, self._unique, self.counts.max_tries)
            self.counts = sharing.counts
            for results in dealt(self._ranks, self._work, sharing.jobs()):
                for piece in sharing.settled(results):
                    yield piece
                    shown = piece.number + 1
                if sharing.is_near_the_end_of_tries:
                    break
            else:
                return
            self.counts = self._alone.counts
        yield from (piece for piece in self._alone.pieces() if piece.number >= shown)


class _Result(NamedTuple):
    """What a job has found. pieces: whole samples, by their numbers among all; counts: of the job. fails: the job has
    come to where it depends on other jobs how sampling goes on."""

    pieces: list[Piece]
    counts: SamplingCounts
    fails: bool


class _Sampling:
    """Samples: work that ranks share. A job is a ``Which``."""

    def __init__(self, model: Model, length: int | None, options: SamplingOptions):
        self.model, self._length, self._options = model, length, options
        self._predictor: NextToken | None = None

    def __getstate__(self):
        return vars(self) | {"_predictor": None}

    def __call__(self, which: Which) -> _Result:
        model = self.model
        if self._predictor is None:
            self._predictor = predictor_of(model, MOST)
        sampler = Sampler(model, len(which), self._length, self._options, predictor=self._predictor, which=which)
        pieces: list[Piece] = []
        try:
            pieces += (replace(piece, number=which[piece.number][0]) for piece in sampler.pieces())
        except SamplingError:
            return _Result([], sampler.counts, True)
        return _Result(pieces, sampler.counts, sampler.counts.is_stuck)


class _Sharing:
    """Jobs, and the samples that they give, in order. counts: of all jobs so far."""

    def __init__(self, count: int, together: int, unique: bool, max_tries: int):
        self.counts = SamplingCounts(max_tries=max_tries, asked=count)
        self.is_near_the_end_of_tries = False
        self._count, self._together, self._unique = count, together, unique
        self._at_work = 0  # jobs
        self._again: Which = []  # samples that repeat an earlier one
        self._found: dict[int, Piece] = {}  # samples that were not shown
        self._holders: dict[str, int] = {}  # the number of the sample that has a text
        self._next = 0  # the number of the next sample to show
        self._tries_in_a_row = 0.0  # that have found no new text

    def jobs(self) -> Iterator[Which | None]:
        """The jobs, and None while only those that are at work can tell whether there will be another one."""
        fresh = deque(range(0, self._count, self._together))
        while fresh or self._again or self._at_work:
            which: Which | None = None
            if self._again:
                which, self._again = self._again, []
            elif fresh:
                start = fresh.popleft()
                which = [(number, 0) for number in range(start, min(start + self._together, self._count))]
            self._at_work += which is not None
            yield which

    def settled(self, result: _Result) -> Iterator[Piece]:
        """The samples that can be shown with this result of a job."""
        self._at_work -= 1
        counts = result.counts
        if result.fails or SAFE * counts.longest_streak > self.counts.max_tries:
            self.is_near_the_end_of_tries = True
            return
        self.counts.add(replace(counts, asked=0, found=0, longest_copied_run=None))
        tries = 1 + counts.rejected / len(result.pieces)
        for piece in result.pieces:
            is_new = self._place(piece)
            self._tries_in_a_row = 0 if is_new else self._tries_in_a_row + tries
            self.is_near_the_end_of_tries |= SAFE * self._tries_in_a_row > self.counts.max_tries
        while not self.is_near_the_end_of_tries and (piece := self._found.pop(self._next, None)):
            self._next += 1
            self.counts.count_shown(piece.sample)
            yield piece

    def _place(self, piece: Piece) -> bool:
        """Keep a sample, unless one before it has its text: then it is sampled again. Whether its text was new."""
        holder = self._holders.get(piece.sample.text) if self._unique else None
        later = piece
        if holder is None or piece.number < holder:
            later = None if holder is None else self._found.pop(holder)
            self._found[piece.number] = piece
            self._holders[piece.sample.text] = piece.number
        if later is not None:
            self._again.append((later.number, later.taken))
            self.counts.reject("repeated", later.segments)
        return holder is None
