"""Compile what a program is going to call before it calls it: in two processes, which takes little more than half the
time.

numba compiles in one thread at a time. So a second process takes kernels from the same list, and leaves them in the
cache, from which the first one loads them. The second process needs nothing but the cache: whatever happens to it, the
first one compiles what is missing, as it does where there is no second one.
"""

import gc
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from . import compiling, numba_private

ELSEWHERE = (f"{__package__}.merging",)  # learns subwords: no network calls these kernels
FEWEST = 3  # kernels for which it pays to start a process
PATIENCE = 60.0  # seconds to wait for the last kernel of the second process
BEGIN = "import sys; sys.path[:] = sys.argv[2:]; from charlm.kernels import ahead; ahead.serve(sys.argv[1])"


def compile_and_call(work: Callable[[], object], timer: compiling.CompileTimer, processes: int) -> None:
    """Compile the kernels that ``work`` calls, in up to two processes, and then call it.

    work: can be called twice; the first time, kernels do nothing. timer: counts the seconds.
    """
    if processes > 1 and compiling._folder is not None:
        missing = numba_private.rehearse(work, ELSEWHERE)
        if len(missing) >= FEWEST:
            with timer.compiling():
                _share(missing)
    work()


def _share(missing: list) -> None:
    """Compile these kernels, or leave them in the cache.

    This process takes them in order, because what one of them has compiled the next ones often need too. The other
    process takes the largest first, so that none of these is left to the end. Without garbage collection compiling is
    5 % faster.
    """
    collects, second = gc.isenabled(), SecondProcess(missing)
    gc.disable()
    try:
        while True:
            try:
                kernel, signature = missing.pop(0)
            except IndexError:  # the last one has just been taken, here or there
                break
            kernel.compile(signature)
        second.join(PATIENCE)
    finally:
        second.end()
        if collects:
            gc.enable()


def _size(kernel, seen: set | None = None) -> int:
    """Bytes of the bytecode of a kernel and of all kernels that it calls."""
    seen, function = set() if seen is None else seen, kernel.py_func
    seen.add(kernel)
    used = [function.__globals__.get(name) for name in function.__code__.co_names]
    return len(function.__code__.co_code) + sum(
        _size(other, seen) for other in used if hasattr(other, "py_func") and other not in seen
    )


class SecondProcess(threading.Thread):
    """A process that takes kernels from the list ``missing`` and compiles them into the cache, and the thread that
    hands them to it."""

    def __init__(self, missing: list):
        super().__init__(name="charlm compiles", daemon=True)
        self._missing, self._process = missing, None
        if not Path(sys.executable or "").name.startswith("python") or getattr(sys, "frozen", False):
            return  # a program of its own, which would begin once more
        command = [sys.executable, "-c", BEGIN, str(compiling._folder), *sys.path]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError:
            return
        self.start()

    def run(self) -> None:
        pipe, answers = self._process.stdin, self._process.stdout
        try:
            while answers.readline() and self._missing:  # it has begun, or has compiled a kernel
                largest = max(self._missing, key=lambda one: _size(one[0]))
                self._missing.remove(largest)
                kernel, signature = largest
                pickle.dump((kernel.__module__, kernel.__name__, signature), pipe)
                pipe.flush()
        except (OSError, ValueError):
            pass  # the process has ended, or the other one took the same kernel
        try:
            pipe.close()  # tells it to end
        except OSError:
            pass

    def join(self, timeout: float | None = None) -> None:
        if self._process:
            super().join(timeout)

    def end(self) -> None:
        """End the process, whatever it does."""
        if self._process:
            self._process.kill()
            self._process.wait()
            super().join()
            self._process.stdout.close()


def serve(folder: str) -> None:
    """The second process: compile each kernel that comes by stdin, until it closes; after each, and at the beginning,
    write a line. folder: of the cache; with another one it would be of no use."""
    if str(compiling._folder) != folder:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process knows what to do
    gc.disable()
    answers = sys.stdout.buffer
    while True:
        answers.write(b"\n")
        answers.flush()
        try:
            module, name, signature = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        getattr(import_module(module), name).compile(signature)
