"""Threads that work on one update together.

Kernels release the interpreter's lock, so ordinary threads run side by side. Work comes in phases; within a phase the
parts are independent of each other and each number is computed by exactly one part, in an order that does not depend
on who does it. This, and not a fixed split of the batch, is why any number of threads gives the same bits: nothing is
ever summed over threads.
"""

import os
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def available_threads() -> int:
    """The processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


class ThreadPool:
    """``threads`` workers, the caller being one of them."""

    def __init__(self, threads: int | None = None):
        self.threads = threads or available_threads()
        self._others = ThreadPoolExecutor(self.threads - 1, "charlm") if self.threads > 1 else None

    def run(self, parts: list[Callable[[], None]]) -> None:
        """Run all parts, beginning with the first ones, and wait for them."""
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
        self, number: int, function: Callable[[int, int], None], multiple: int = 1, work=None, most: int = 0
    ) -> list[Callable]:
        """``function(first, last)`` over 0…number in as many parts as there are threads, or a multiple of that where
        a part would be more than about ``most``; cut at multiples of ``multiple``, into parts of equal length or, where
        ``work(n)`` tells how much there is to do for the first n, of equal work."""
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
            lambda first=first, last=last: function(first, last)
            for first, last in zip(ends, ends[1:], strict=False)
            if first < last
        ]

    def close(self) -> None:
        """End the threads; without it they end with the program."""
        if self._others is not None:
            self._others.shutdown()
