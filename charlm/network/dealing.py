"""Ranks that share the work of one command: rank 0 runs it and deals out jobs, the other ranks help.

    for result in dealt(ranks, work, jobs): …       on rank 0: work(job) of each job, in their order
    help_first(ranks)                               on the others, until rank 0 calls ``dismiss(ranks)``

Each rank gets its next job when it is through with one, so that a slow rank does less. On rank 0 a thread does jobs,
while the thread that calls ``dealt`` sends, receives and uses what is ready. So rank 0 reads and writes alone, and
nothing of the result depends on how many ranks there are.

Work is an object that can be pickled, and called with a job. Each rank has its own copy, which it may keep warm.
"""

import queue
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..errors import CharlmError, Note, RankError
from ..ranks import Ranks

AT_HAND = 2  # jobs that a rank has at most: one that it does, and one that it need not wait for
SLOWER = 10  # times as long as rank 0 a rank may take for a job, and ``Ranks.patience`` longer
AHEAD = 4  # jobs for each rank that are dealt out before the first of their results is used
WORK, JOB, END = "work", "job", "end"  # what rank 0 posts to the others

if TYPE_CHECKING:
    from ..ranks.mpi import Job

What = TypeVar("What")
_sessions = count()


class _Failure(NamedTuple):
    """What a job has in place of a result."""

    error: Exception


class _Helper:
    """Another rank, as rank 0 sees it."""

    def __init__(self, ranks: "Job", rank: int, session: int):
        self._ranks, self._rank, self._session = ranks, rank, session
        self.jobs: deque[int] = deque()  # the numbers of those that it has
        self._heard = time.monotonic()  # when it had nothing to do, or gave its last result

    def give(self, number: int, job: Any) -> None:
        if not self.jobs:
            self._heard = time.monotonic()
        self._ranks.post((JOB, (self._session, job)), self._rank)
        self.jobs.append(number)

    def results(self) -> Iterator[tuple[int, Any]]:
        """(number, result) of each job that is done."""
        while self._ranks.has_come(self._rank):
            session, result = self._ranks.take(self._rank)
            if session == self._session:  # and not of a ``dealt`` that nobody has read to its end
                self._heard = time.monotonic()
                yield self.jobs.popleft(), result

    def check(self, longest: float) -> None:
        """Raise CharlmError where it does not answer. longest: seconds that a job took rank 0."""
        silent = time.monotonic() - self._heard
        if self.jobs and silent > self._ranks.patience + SLOWER * longest:
            raise CharlmError(f"rank {self._rank} of {self._ranks.number} has not answered for {silent:.0f} seconds")


class _Thread:
    """A thread of rank 0 that does jobs. longest: the seconds that one of them took, infinite before the first."""

    def __init__(self, work: Callable[[Any], Any], ranks: "Job"):
        self._work, self._ranks = work, ranks
        self._given: queue.SimpleQueue = queue.SimpleQueue()
        self._done: queue.SimpleQueue = queue.SimpleQueue()
        self.jobs: deque[int] = deque()
        self.longest = float("inf")
        threading.Thread(target=self._do_all, name="charlm works", daemon=True).start()

    def _do_all(self):
        longest = 0.0
        while (given := self._given.get()) is not None:
            began = time.monotonic()
            try:
                result = _done(self._work, given[0], self._ranks)
            except Exception as error:  # raised by ``dealt``
                result = _Failure(error)
            self.longest = longest = max(longest, time.monotonic() - began)
            self._done.put(result)

    def give(self, number: int, job: Any) -> None:
        self._given.put((job,))
        self.jobs.append(number)

    def results(self) -> Iterator[tuple[int, Any]]:
        while not self._done.empty():
            yield self.jobs.popleft(), self._done.get()

    def end(self) -> None:
        self._given.put(None)


def _done(work, job, ranks):
    """The result of a job, or the error of a user who can correct it."""
    try:
        return work(job)
    except MemoryError:
        return _Failure(CharlmError(f"rank {ranks.rank} of {ranks.number}: there is not enough memory"))
    except RankError:
        raise
    except CharlmError as error:
        return _Failure(error)


def dealt(ranks: Ranks, work: Callable[[Any], Any], jobs: Iterable) -> Iterator[Any]:
    """work(job) of each job, in the order of the jobs and as soon as it is ready.

    jobs: a None among them says that there is no job yet; it is asked again after a moment. Raises what reading
    the jobs or a job itself raises, after the results before it.
    """
    if ranks.number == 1:
        yield from (work(job) for job in jobs if job is not None)
        return
    session, thread = next(_sessions), _Thread(work, ranks)
    for rank in range(1, ranks.number):
        ranks.post((WORK, None), rank)
    ranks.agree(work)
    helpers = [_Helper(ranks, rank, session) for rank in range(1, ranks.number)]
    try:
        for result in _in_order(ranks, helpers, thread, iter(jobs)):
            if isinstance(result, _Failure):
                raise result.error
            yield result
    finally:
        thread.end()


def _in_order(ranks, helpers, thread, jobs):
    """Deal jobs to helpers and to a thread, and give the results in the order of the jobs."""
    results: dict[int, Any] = {}
    workers = [thread, *helpers]  # of those with as many jobs, the first one gets the next job
    number, shown, has_more = 0, 0, True
    while has_more or shown < number:
        waits = True
        worker = min(workers, key=lambda worker: len(worker.jobs))
        if has_more and len(worker.jobs) < AT_HAND and number - shown < AHEAD * ranks.number:
            try:
                job = next(jobs)
            except StopIteration:
                has_more = False
            except Exception as error:
                results[number], number, has_more = _Failure(error), number + 1, False
            else:
                if job is not None:
                    worker.give(number, job)
                    number, waits = number + 1, False
        for worker in workers:
            results.update(worker.results())
        while shown in results:
            yield results.pop(shown)
            shown, waits = shown + 1, False
        if waits:
            ranks.wait()
            for helper in helpers:
                helper.check(thread.longest)


def dealt_groups(
    ranks: Ranks, work: Callable[[Any], Any], groups: Iterable[tuple[What, list]]
) -> Iterator[tuple[What, list]]:
    """(what, the results of its jobs) for each (what, its jobs, at least one), in their order and as soon as they are
    ready. ``what`` stays on rank 0. A thread reads the groups where there are several ranks."""
    open_groups: deque[tuple[What, int]] = deque()

    def jobs():
        for group in _read_apart(groups) if ranks.number > 1 else groups:
            if group is None:
                yield None
                continue
            what, of_group = group
            open_groups.append((what, len(of_group)))
            yield from of_group

    results: list = []
    for result in dealt(ranks, work, jobs()):
        results.append(result)
        if len(results) == open_groups[0][1]:
            yield open_groups.popleft()[0], results
            results = []


def _read_apart(values: Iterable[What]) -> Iterator[What | None]:
    """The values, which a thread reads, and a None each time that the next one is not there yet."""
    ready: queue.Queue = queue.Queue(1)

    def read():
        try:
            for value in values:
                ready.put((value,))
            ready.put(())
        except BaseException as error:  # raised below
            ready.put(_Failure(error))

    threading.Thread(target=read, name="charlm prepares", daemon=True).start()
    while True:
        try:
            found = ready.get_nowait()
        except queue.Empty:
            yield None
            continue
        if isinstance(found, _Failure):
            raise found.error
        if not found:
            return
        yield found[0]


def help_first(ranks: "Job") -> None:
    """Do the jobs that rank 0 deals out, until it dismisses this rank."""
    work: Any = None
    while True:
        what, given = ranks.take(0)
        if what == WORK:
            work = ranks.agree(None)
        elif what == JOB:
            session, job = given
            ranks.post((session, _done(work, job, ranks)), 0)
        else:
            ranks.post((END, None), 0)
            ranks.settle()
            return


def dismiss(ranks: Ranks) -> None:
    """Let the other ranks end, since the command has ended."""
    if ranks.number == 1:
        return
    for rank in range(1, ranks.number):
        ranks.post((END, None), rank)
    for rank in range(1, ranks.number):
        while ranks.take(rank)[0] != END:
            pass


def tell_alone(ranks: Ranks, why: str) -> None:
    """Tell that one of the ranks does the work, where there are several. why: the beginning of a sentence."""
    if ranks.number > 1:
        warnings.warn(f"{why}: one of the {ranks.number} processes does the work", Note, stacklevel=2)
