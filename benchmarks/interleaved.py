"""Interleaved runs: in each round every contender measures once, one after the other.

When a machine becomes slower for a while, it does so for all contenders. A figure is the median over the rounds; a
ratio is the median of the ratios within the rounds. A contender is a process of its own (``Contender``), so that the
threads and the memory of one library do not disturb another, or a command timed from start to end (``Command``).
"""

import multiprocessing
import os
import statistics
import subprocess
import time
import traceback
from collections.abc import Callable

MOMENT = 0.4  # seconds of work for one measurement of a rate
REST = 0.3  # seconds before each, in which the threads of the previous contender stop spinning
# A waiting contender must not take time from the one that measures. PyTorch's default, to spin first, is SPINNING.
WAITING = {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}
SPINNING = {}


class Failed(Exception):
    """A contender failed; the message is for the person who runs the benchmark."""


def rate(work: Callable[[], object], amount: float) -> float:
    """Call ``work`` for MOMENT seconds. Returns the amount per second; each call does ``amount``."""
    calls, begun = 0, time.perf_counter()
    while (passed := time.perf_counter() - begun) < MOMENT or not calls:
        work()
        calls += 1
    return calls * amount / passed


def seconds(work: Callable[[], object]) -> float:
    """The seconds that one call takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _serve(pipe, make, arguments):
    """The loop of the contender's process: answer each request with one measurement, until the request to stop."""
    try:
        measure = make(**arguments)
        pipe.send(("ready", None))
        while pipe.recv():
            pipe.send(("measured", measure()))
    except Exception:
        pipe.send(("failed", traceback.format_exc(limit=-3)))


class Contender:
    """A process that measures on request. It calls ``make(**arguments)`` once, which returns the measuring function.

    environment: variables that are added to the environment of the process. Raises Failed if the process fails.
    """

    def __init__(self, make: Callable, *, environment: dict = WAITING, **arguments):
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, make, arguments), daemon=True)
        before = dict(os.environ)
        os.environ |= environment
        try:
            self.process.start()
        finally:
            os.environ.clear()
            os.environ |= before
        other.close()
        self._answer()

    def _answer(self):
        try:
            kind, value = self.pipe.recv()
        except EOFError:
            raise Failed(f"a contender ended by itself (exit code {self.process.exitcode})") from None
        if kind == "failed":
            raise Failed(f"a contender failed:\n{value}")
        return value

    def measure(self):
        """One measurement: the return value of the contender's function."""
        time.sleep(REST)
        self.pipe.send(True)
        return self._answer()

    def close(self) -> None:
        if self.process.is_alive():
            self.pipe.send(False)
            self.process.join()


class Command:
    """A command, timed from start to end in seconds. Raises Failed if it fails."""

    def __init__(self, arguments: list[str], environment: dict = WAITING):
        self.arguments, self.environment = arguments, environment

    def measure(self) -> float:
        begun = time.perf_counter()
        done = subprocess.run(self.arguments, env=os.environ | self.environment, capture_output=True, text=True)
        passed = time.perf_counter() - begun
        if done.returncode:
            raise Failed(f"{' '.join(self.arguments)} failed:\n{done.stderr}")
        return passed

    def close(self) -> None:
        pass


def choices_of_threads(options) -> dict[str, tuple[int, dict]]:
    """(threads, environment) by label: one thread, and all threads with both ways of waiting."""
    choices = {"threads 1": (1, WAITING)}
    if options.threads > 1:
        choices[f"threads {options.threads}"] = options.threads, WAITING
        if not options.quick:
            choices[f"threads {options.threads}, spinning"] = options.threads, SPINNING
    return choices


def run_interleaved(contenders: dict, rounds: int, warm_up: int = 1) -> dict[str, list]:
    """Measure every contender once per round, after ``warm_up`` rounds that do not count, then close all.

    Returns the list of measurements by label.
    """
    try:
        for _ in range(warm_up):
            for contender in contenders.values():
                contender.measure()
        measured = {label: [] for label in contenders}
        for _ in range(rounds):
            for label, contender in contenders.items():
                measured[label].append(contender.measure())
    finally:
        for contender in contenders.values():
            contender.close()
    return measured


def medians(measured: dict[str, list[float]]) -> dict[str, float]:
    return {label: statistics.median(values) for label, values in measured.items()}


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of the ratios within each round."""
    return statistics.median(our / their for our, their in zip(ours, theirs, strict=True))
