"""The ranks of a job: sums along a tree, values for all, and how all end together.

A rank that ends with an error tells the others, which then end too. Every wait looks for such notes, and ends with an
error where a rank does not answer for ``patience`` seconds. So a job ends, whatever happens to one of its ranks, and
rank 0 says why in one line.
"""

import atexit
import os
import pickle
import sys
import time
from collections.abc import Callable
from typing import Any

from ..errors import CharlmError, RankError
from .alone import Ranks

SPIN, NAP = 0.005, 0.0001  # seconds: how long a wait asks again at once, and the pause between questions after that
JOINED, SPOKEN = 2.0, 6.0  # seconds that rank 0 waits for the others to end too, and the others for rank 0 to speak
MOMENT = 0.001  # seconds: the pause of ``wait``
SMALL = 4096  # numbers: more than these are added by halves
FIRST, PIECE = 504, 1 << 28  # bytes of a value in its first message, and in each of the others, at most
NOTE = 4096  # bytes of a note
give_way = getattr(os, "sched_yield", lambda: time.sleep(0))  # to a rank on the same processor
CONTENTS, FLAGS, SUMS, NOTES = 1, 2, 3, 4  # tags of messages


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
        self._posted: list[tuple[Any, bytes]] = []  # the same of values that were posted
        self._spare: Any = None  # memory for half of the numbers of another rank
        try:
            places = self.gather((machine, processors))
        except RankError:  # a rank has ended already: the next exchange says so again
            places = [(machine, processors)]
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
        if numbers.size <= SMALL:
            other = numbers.copy()
            for level in range(levels):
                self._exchange(numbers, other, self.rank ^ 1 << level, SUMS)
                numbers += other
            return
        half = (numbers.size + 1) // 2
        if self._spare is None or self._spare.dtype != numbers.dtype or self._spare.size < half:
            self._spare = numbers[:half].copy()
        parts = [(0, numbers.size)]
        for level in range(levels):  # each adds one half of what both have …
            start, stop = parts[-1]
            halves = [(start, (start + stop) // 2), ((start + stop) // 2, stop)]
            own = self.rank >> level & 1
            parts.append(halves[own])
            sum_of_both, other = numbers[slice(*halves[own])], self._spare[: halves[own][1] - halves[own][0]]
            self._exchange(numbers[slice(*halves[1 - own])], other, self.rank ^ 1 << level, SUMS)
            sum_of_both += other
        for level in reversed(range(levels)):  # … and gets the other half from who has added it
            (start, stop), (first, last) = parts[level], parts[level + 1]
            other = (last, stop) if first == start else (start, first)
            self._exchange(numbers[first:last], numbers[slice(*other)], self.rank ^ 1 << level, SUMS)

    def post(self, value: Any, rank: int) -> None:
        """Begin to send a value to a rank, which takes it when it likes; return at once."""
        self._posted = [(request, part) for request, part in self._posted if not request.Test()]
        self._posted += self._begin_to_send(pickle.dumps(value), rank)

    def settle(self) -> None:
        """Wait until what was posted has been taken, however long that takes."""
        while not all(request.Test() for request, _ in self._posted):
            self.wait()

    def has_come(self, rank: int) -> bool:
        """Whether a value that a rank has posted is there to be taken."""
        return self._messages.Iprobe(rank, CONTENTS)

    def take(self, rank: int) -> Any:
        """The next value that a rank has posted, when it is there, however long that takes."""
        while not self.has_come(rank):
            self.wait()
        return pickle.loads(self._receive(rank))

    def wait(self) -> None:
        """Wait a moment before looking again for what may have come. Raises RankError where a rank has told of an
        error."""
        time.sleep(MOMENT)
        self._hear()
        if self._heard:
            raise RankError(self._line(), self._code())

    def _send(self, content: bytes, rank: int) -> None:
        self._complete([request for request, _ in self._begin_to_send(content, rank)], rank)

    def _begin_to_send(self, content: bytes, rank: int) -> list[tuple[Any, bytes]]:
        """Requests, and what they send: the length and the first bytes of a content, and then the rest in pieces."""
        parts = [len(content).to_bytes(8, "little") + content[:FIRST].ljust(FIRST)]
        parts += [content[start : start + PIECE] for start in range(FIRST, len(content), PIECE)]
        return [(self._messages.Isend(part, rank, CONTENTS), part) for part in parts]

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
                give_way()
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
