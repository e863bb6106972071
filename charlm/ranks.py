"""The processes of an MPI job, called ranks, and what they tell each other. The only module that knows MPI.

    ranks = job()                       one process: a Ranks that does nothing; under mpirun or srun: a Job
    ranks.agree(value)                  the value of rank 0, on every rank
    ranks.any(flag)                     whether the flag is set on any rank
    ranks.gather(value)                 the values of all ranks, on every rank; ``collect`` has them on rank 0 only
    ranks.sum_tree(array)               the sum over the ranks, in place, of the same bits whatever their number

All ranks call these functions in the same order. mpi4py is imported only where several processes are announced: the
import alone ends a process that no launcher has started.

A rank that ends with an error tells the others, which then end too. Every wait looks for such notes, and ends with an
error where a rank does not answer for ``patience`` seconds. So a job ends, whatever happens to one of its ranks, and
rank 0 says why in one line.
"""

import atexit
import os
import pickle
import socket
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .errors import CharlmError, RankError, UsageError

if TYPE_CHECKING:
    import numpy as np

# What launchers put into the environment of each process: Open MPI, MVAPICH, and MPICH, Intel MPI and srun --mpi=pmi2.
# Under srun --mpi=pmix there is PMIX_RANK, and Slurm tells the number.
NUMBER = ("OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "PMI_SIZE")
RANK = ("OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK", "PMI_RANK")
OF_SLURM = "SLURM_STEP_NUM_TASKS"

PATIENCE = 300.0  # seconds
SPIN, NAP = 0.005, 0.0001  # seconds: how long a wait asks again at once, and the pause between questions after that
JOINED, SPOKEN = 2.0, 6.0  # seconds that rank 0 waits for the others to end too, and the others for rank 0 to speak
SMALL = 4096  # numbers: more than these are added by halves
FIRST, PIECE = 504, 1 << 28  # bytes of a value in its first message, and in each of the others, at most
NOTE = 4096  # bytes of a note
CONTENTS, FLAGS, SUMS, NOTES = 1, 2, 3, 4  # tags of messages


def announced() -> tuple[int, int]:
    """(rank, number of ranks) as the launcher of this process announces them; (0, 1) where there is none."""
    names = [*zip(RANK, NUMBER, strict=True), ("PMIX_RANK", OF_SLURM)]  # the last one does not hold below mpirun
    found = (pair for pair in names if set(pair) <= os.environ.keys())
    rank, number = map(_number, next(found, (None, None)))
    return (rank, number) if rank < number else (0, 1)


def _number(name: str | None) -> int:
    text = os.environ[name] if name else ""
    return int(text) if text.isascii() and text.isdigit() else 0


class Ranks:
    """One process on its own.

    number: how many ranks there are. rank: which of them this is. is_first_here: whether it is the first one of its
    machine. sharing: how many of them, this one included, run on the same processors of one machine. patience: seconds
    after which a rank that does not answer is given up.
    """

    number, rank, sharing, is_first_here = 1, 0, 1, True
    patience = PATIENCE

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which writes the files and speaks to the user."""
        return self.rank == 0

    def part_of(self, shards: int) -> tuple[int, int]:
        """(first, number) of the shards of this rank, if all ranks share so many equally. Raises UsageError where they
        cannot."""
        if shards % self.number or self.number & (self.number - 1):
            raise UsageError(
                f"{self.number} ranks cannot share {shards} shards equally: start 2, 4, 8, … ranks, and for more than "
                f"{shards} give as many --shards"
            )
        count = shards // self.number
        return self.rank * count, count

    def agree(self, value: Any) -> Any:
        """The value of rank 0, on every rank; the values of the others count for nothing."""
        return value

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank."""
        return bool(flag)

    def collect(self, value: Any) -> list:
        """The values of all ranks in their order, on rank 0; [] on the others."""
        return [value]

    def gather(self, value: Any) -> list:
        """The values of all ranks in their order, on every rank."""
        return [value]

    def sum_tree(self, array: "np.ndarray") -> None:
        """Replace a contiguous array, of the same shape on all ranks, by its sum over the ranks, along a fixed tree of
        pairs: ((0+1)+(2+3))+((4+5)+(6+7)). The number of ranks must be a power of two."""

    def meet(self) -> None:
        """Wait for all ranks, however long one of them works."""

    def tell(self, error: "BaseException | str", code: int = 1) -> None:
        """Tell the other ranks that this one ends with an error, so that they end too. code: its exit code. An empty
        text stands for an end without a word, as after Ctrl-C."""

    def leave(self, say: Callable[[str], None]) -> int:
        """After ``tell``: wait for the others, let one rank say why the job ends, and return the exit code. Where a
        rank does not end by itself, this call ends the whole job and does not return."""
        return 1


class Job(Ranks):
    """The ranks of an MPI job.

    messages, notes: two communicators of the same ranks, as mpi4py has them; notes are errors. Used of them: ``rank``,
    ``size``, ``Isend``, ``Irecv``, ``Iprobe`` and ``Abort``. any_rank: the source that stands for any rank. machine,
    processors: where this rank runs, and on which processors of that machine.
    """

    def __init__(self, messages: Any, notes: Any, *, any_rank: int, machine: str, processors: tuple):
        self.rank, self.number = messages.rank, messages.size
        self._messages, self._notes, self._any_rank = messages, notes, any_rank
        self._has_left = False
        self._heard: dict[int, dict[str, Any]] = {}  # the notes, by rank, this one's too
        self._sent: list[tuple[Any, bytes]] = []  # requests and contents of notes
        self._spare: Any = None  # memory for the numbers of another rank
        places = self.gather((machine, processors))
        self.sharing = places.count((machine, processors))
        self.is_first_here = [name for name, _ in places].index(machine) == self.rank

    def agree(self, value):
        distance = 1 << (self.number - 1).bit_length()  # who knows the value tells the rank at half of the distance
        content = pickle.dumps(value) if self.is_first else None
        while distance > 1:
            distance //= 2
            if content is not None and self.rank + distance < self.number:
                self._send(content, self.rank + distance)
            elif self.rank % (2 * distance) == distance:
                content = self._receive(self.rank - distance)
        return value if self.is_first else pickle.loads(content)

    def collect(self, value):
        if not self.is_first:
            self._send(pickle.dumps(value), 0)
            return []
        return [value, *(pickle.loads(self._receive(rank)) for rank in range(1, self.number))]

    def gather(self, value):
        return self.agree(self.collect(value))

    def any(self, flag):
        if self.number & (self.number - 1):
            return any(self.gather(bool(flag)))
        found, distance = bool(flag), 1
        while distance < self.number:
            other = bytearray(1)
            self._exchange(bytes([found]), other, self.rank ^ distance, FLAGS)
            found, distance = found or bool(other[0]), 2 * distance
        return found

    def meet(self):
        patience, self.patience = self.patience, float("inf")
        self.gather(None)
        self.patience = patience

    def sum_tree(self, array):
        if not array.flags.c_contiguous or self.number & (self.number - 1):
            raise ValueError("the array must be contiguous, and the number of ranks a power of two")
        numbers, levels = array.reshape(-1), self.number.bit_length() - 1
        if self._spare is None or self._spare.dtype != numbers.dtype or self._spare.size < numbers.size:
            self._spare = numbers.copy()
        if numbers.size <= SMALL:
            for level in range(levels):
                self._add(numbers, numbers, self.rank ^ 1 << level)
            return
        parts = [(0, numbers.size)]
        for level in range(levels):  # each adds one half of what both have …
            start, stop = parts[-1]
            halves = [(start, (start + stop) // 2), ((start + stop) // 2, stop)]
            own = self.rank >> level & 1
            parts.append(halves[own])
            self._add(numbers[slice(*halves[own])], numbers[slice(*halves[1 - own])], self.rank ^ 1 << level)
        for level in reversed(range(levels)):  # … and gets the other half from who has added it
            (start, stop), (first, last) = parts[level], parts[level + 1]
            other = (last, stop) if first == start else (start, first)
            self._exchange(numbers[first:last], numbers[slice(*other)], self.rank ^ 1 << level, SUMS)

    def _add(self, own: "np.ndarray", given: "np.ndarray", rank: int) -> None:
        """Add what another rank has to own numbers, and give it the numbers that it adds."""
        other = self._spare[: own.size]
        self._exchange(given, other, rank, SUMS)
        own += other

    def _send(self, content: bytes, rank: int) -> None:
        """Send the length and the first bytes of a content, and then the rest in pieces."""
        parts = [len(content).to_bytes(8, "little") + content[:FIRST].ljust(FIRST)]
        parts += [content[start : start + PIECE] for start in range(FIRST, len(content), PIECE)]
        self._complete([self._messages.Isend(part, rank, CONTENTS) for part in parts], rank)

    def _receive(self, rank: int) -> bytearray:
        first = bytearray(8 + FIRST)
        self._complete([self._messages.Irecv(first, rank, CONTENTS)], rank)
        size = int.from_bytes(first[:8], "little")
        content = first[8 : 8 + size].ljust(size)
        rest = memoryview(content)[FIRST:]
        parts = [rest[start : start + PIECE] for start in range(0, len(rest), PIECE)]
        self._complete([self._messages.Irecv(part, rank, CONTENTS) for part in parts], rank)
        return content

    def _exchange(self, given: Any, found: Any, rank: int, tag: int) -> None:
        """Send one buffer to a rank and fill another one with what it sends."""
        self._complete([self._messages.Irecv(found, rank, tag), self._messages.Isend(given, rank, tag)], rank)

    def _complete(self, requests: list, rank: int) -> None:
        """Wait for requests to or from a rank. Raises RankError where a rank has told of an error, or does not
        answer."""
        begun = time.monotonic()
        while requests := [request for request in requests if not request.Test()]:
            waited = time.monotonic() - begun
            if waited < SPIN:
                os.sched_yield()  # to a rank on the same processor
                continue
            time.sleep(NAP)
            self._hear()
            if not self._heard and waited > self.patience:
                self._note(silent=rank)
            if self._heard:
                raise RankError(self._line(), self._code())

    def tell(self, error, code=1):
        if self.rank in self._heard:
            return
        atexit.register(self._leave_at_exit)  # before MPI, which would wait for all ranks, ends
        if isinstance(error, RankError):
            self._note(code=error.code)
        else:
            is_message = isinstance(error, (CharlmError, str))
            self._note(str(error) if is_message else f"{type(error).__name__}: {error}", code=code)

    def _note(self, words: str = "", *, code: int = 1, silent: int | None = None, is_said: bool = False) -> None:
        """Write a note to all other ranks.

        words: the error of this rank, "" where it ends because of another one. silent: the rank that does not answer.
        is_said: rank 0 has said why the job ends.
        """
        words = " ".join(words.split())[: NOTE // 8]
        note = {"rank": self.rank, "words": words, "code": code, "silent": silent, "is_said": is_said}
        self._heard[self.rank] = note
        content = pickle.dumps(note).ljust(NOTE)
        others = (rank for rank in range(self.number) if rank != self.rank)
        self._sent += [(self._notes.Isend(content, rank, NOTES), content) for rank in others]

    def _hear(self) -> None:
        """Read the notes that have come."""
        while self._notes.Iprobe(self._any_rank, NOTES):
            content = bytearray(NOTE)
            request = self._notes.Irecv(content, self._any_rank, NOTES)
            while not request.Test():
                pass
            note = pickle.loads(content)
            self._heard[note["rank"]] = note

    def _leave_at_exit(self) -> None:
        if not self._has_left:
            self.leave(lambda line: None)  # Python has shown the error

    def leave(self, say):
        self._has_left = True
        if self.is_first:
            self._hear_until(lambda: len(self._heard) == self.number, JOINED)
        elif not self._hear_until(self._is_said, JOINED + SPOKEN) and self.rank > min(self._heard):
            self._hear_until(self._is_said, SPOKEN)  # by that rank, which ends all
        if not self._is_said():
            say(self._line(of_missing=True))
            sys.stderr.flush()
            self._note(self._heard[self.rank]["words"], code=self._code(), is_said=True)
            if len(self._heard) < self.number:
                time.sleep(JOINED / 10)  # so that the launcher passes the line on
                self._notes.Abort(self._code())
        self._hear_until(lambda: all(request.Test() for request, _ in self._sent), JOINED)
        return self._code()

    def _is_said(self) -> bool:
        return any(note["is_said"] for note in self._heard.values())

    def _hear_until(self, is_enough: Callable[[], bool], seconds: float) -> bool:
        """Read notes until they are enough, or for so many seconds; whether they are enough."""
        end = time.monotonic() + seconds
        while not is_enough() and time.monotonic() < end:
            time.sleep(NAP)
            self._hear()
        return is_enough()

    def _line(self, of_missing: bool = False) -> str:
        """Why the job ends. of_missing: the ranks that have not told that they end are those that do not answer."""
        own = {rank: note["words"] for rank, note in sorted(self._heard.items()) if note["words"]}
        if own:
            rank, words = next(iter(own.items()))
            is_of_all = len(own) == self.number and len(set(own.values())) == 1
            return words if rank == 0 or is_of_all else f"rank {rank} of {self.number}: {words}"
        missing = [rank for rank in range(self.number) if rank not in self._heard] if of_missing else []
        silent = [note["silent"] for note in self._heard.values() if note["silent"] is not None]
        if not silent:
            return ""
        missing = missing or silent
        words = f"rank{'s' if len(missing) > 1 else ''} {', '.join(map(str, missing))} of {self.number}"
        has = "has" if len(missing) == 1 else "have"
        return f"{words} {has} not answered for {self.patience:g} seconds (--patience)"

    def _code(self) -> int:
        notes = [note for _, note in sorted(self._heard.items())]
        return next((note["code"] for note in notes if note["words"]), notes[0]["code"])


def processors() -> tuple[int, ...]:
    """The processors that this process may use, by number."""
    try:
        return tuple(sorted(os.sched_getaffinity(0)))
    except AttributeError:  # not on Linux
        return tuple(range(os.cpu_count() or 1))


@lru_cache
def job() -> Ranks:
    """The ranks of the job that this process belongs to; one process on its own where none is announced.

    Raises UsageError where mpi4py is missing, or belongs to another MPI than the launcher.
    """
    _, number = announced()
    if number == 1:
        return Ranks()
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        missing = isinstance(error, ModuleNotFoundError)
        why = "mpi4py, which is not installed" if missing else f"an MPI library, which mpi4py does not find ({error})"
        raise UsageError(
            f"{number} processes were started to work together, and that takes {why}: pip install 'charlm[mpi]', "
            "with the MPI whose mpirun or srun starts them"
        ) from None
    world = MPI.COMM_WORLD
    if world.size != number:
        raise UsageError(
            f"{number} processes were started, but the MPI of mpi4py finds {world.size} ({_name_of(MPI)}): install "
            "mpi4py for the MPI whose mpirun or srun starts them"
        )
    return Job(world.Dup(), world.Dup(), any_rank=MPI.ANY_SOURCE, machine=socket.gethostname(), processors=processors())


def _name_of(mpi: Any) -> str:
    name, version = mpi.get_vendor()
    return f"{name} {'.'.join(map(str, version))}"
