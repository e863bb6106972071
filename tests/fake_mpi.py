"""Ranks of an MPI job as threads of one process, with the few methods of a communicator that ``charlm.ranks`` calls."""

import threading
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor

from charlm.ranks.mpi import Job

ANY = -1


class Request:
    def __init__(self, test=lambda: True):
        self._test, self.done = test, False

    def Test(self):
        self.done = self.done or self._test()
        return self.done


class Aborted(BaseException):
    """What ``Abort`` raises here in the thread that calls it."""


class World:
    """Messages on their way: (from, to, tag) → contents. aborted: the exit codes of calls of ``Abort``."""

    def __init__(self, size):
        self.size, self.waiting, self.lock, self.aborted = size, defaultdict(deque), threading.Lock(), []


class Communicator:
    def __init__(self, world, rank):
        self.world, self.rank, self.size = world, rank, world.size

    def Isend(self, content, to, tag):
        with self.world.lock:
            self.world.waiting[self.rank, to, tag].append(bytes(memoryview(content).cast("B")))
        return Request()

    def _source(self, source, tag):
        ranks = range(self.size) if source == ANY else [source]
        return next((rank for rank in ranks if self.world.waiting[rank, self.rank, tag]), None)

    def Irecv(self, buffer, source, tag):
        def test():
            with self.world.lock:
                found = self._source(source, tag)
                if found is not None:
                    memoryview(buffer).cast("B")[:] = self.world.waiting[found, self.rank, tag].popleft()
            return found is not None

        return Request(test)

    def Iprobe(self, source, tag):
        with self.world.lock:
            return self._source(source, tag) is not None

    def Abort(self, code):
        self.world.aborted.append(code)
        raise Aborted


def run(number, work, *, patience=20.0, processors=lambda rank: ("here", (0,))):
    """What ``work(ranks)`` gives or raises on each rank of a job, in order, and the world of its notes."""
    messages, notes = World(number), World(number)

    def one(rank):
        try:
            machine, place = processors(rank)
            both = Communicator(messages, rank), Communicator(notes, rank)
            ranks = Job(*both, any_rank=ANY, machine=machine, processors=place)
            ranks.patience = patience
            return work(ranks)
        except (Exception, Aborted) as error:
            return error

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number))), notes
