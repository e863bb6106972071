"""Threads that share the work of one update.

Kernels release the interpreter's lock, so ordinary threads run in parallel. The work comes in phases. The parts of one
phase are independent of each other, and exactly one part computes each number, in an order that does not depend on the
thread. So any number of threads gives the same bits: nothing is ever summed over threads, and the batch is not split
in a fixed way.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ..ranks import job, processors


def available_threads() -> int:
    """The processors that this process may use, or its part of them where other ranks of its job use them too."""
    return max(1, len(processors()) // job().sharing)


class ThreadPool:
    """``threads`` workers, the caller being one of them."""

    def __init__(self, threads: int | None = None):
        self.threads = threads or available_threads()
        self._others = ThreadPoolExecutor(self.threads - 1, "charlm") if self.threads > 1 else None

    def run(self, parts: list[Callable[[], None]]) -> None:
        """Run all parts, in their order as far as threads are free, and wait for them. An exception of a part is raised
        here."""
        if self._others is None:
            for part in parts:
                part()
            return
        waiting = deque(parts)

        def work():
            while True:
                try:
                    part = waiting.popleft()
                except IndexError:
                    return
                part()

        others = [self._others.submit(work) for _ in range(min(self.threads, len(parts)) - 1)]
        try:
            work()
        finally:
            waiting.clear()
            for other in others:
                other.result()

    def split(
        self,
        number: int,
        function: Callable[[int, int], None],
        multiple: int = 1,
        work: Callable[[int], float] | None = None,
        most: int = 0,
    ) -> list[Callable[[], None]]:
        """Calls of ``function(start, stop)`` that together cover [0, number), as parts for ``run``.

        There are as many parts as threads, or a multiple of that where a part would be longer than about ``most``. The
        cuts are at multiples of ``multiple``. The parts are of equal length or, where ``work(n)`` tells how much work
        the first n are, of equal work.
        """
        units = -(-number // multiple)
        parts = min(self.threads, units)
        if most:
            parts *= -(-number // (parts * most))
        if work is None:
            cuts = [units * part // parts for part in range(1, parts)]
        else:
            whole, begins = work(number), range(units)
            cuts = [
                bisect_left(begins, whole * part, key=lambda unit: parts * work(unit * multiple))
                for part in range(1, parts)
            ]
        ends = [0, *(cut * multiple for cut in cuts), number]
        return [
            lambda start=start, stop=stop: function(start, stop)
            for start, stop in zip(ends, ends[1:], strict=False)
            if start < stop
        ]

    def close(self) -> None:
        """End the threads. Without this call they end with the program."""
        if self._others is not None:
            self._others.shutdown()
