"""The trials by their names, and how one runs."""

import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from . import (
    bits,
    caches,
    copies,
    corpora,
    faults,
    kills,
    machines,
    memory,
    modelfiles,
    samples,
    soak,
    terminals,
    weights,
)


def trials(fraction: float) -> dict[str, Callable[[Path], Iterator[str]]]:
    """Each trial by its name, the longest first. fraction: scales the counts that can be reduced."""

    def times(number):
        return max(1, round(number * fraction))

    every = max(1, round(1 / fraction))
    mutations = {
        f"mutations of a model file, part {part}": partial(modelfiles.mutations, times=times(250_000), seed=part)
        for part in range(1, 5)
    }
    return {
        "soak: stopped and resumed": partial(soak.resumes, times=times(100), seconds=3600 * fraction),
        "SIGKILL at random moments": partial(kills.at_random, times=times(200)),
        **mutations,
        "file operations that fail": partial(faults.each_operation, step=every),
        "SIGKILL at each operation of a save": partial(
            faults.each_operation,
            hows=("before", "after"),
            step=every,
            kinds=("first", "again", "over", "over again"),
        ),
        "bytes of a model flipped": partial(modelfiles.flipped, every=every),
        "model files truncated": partial(modelfiles.truncated, every=every),
        "attack model files": modelfiles.attacked,
        "bytes of exported weights flipped": partial(weights.flipped, every=every),
        "exported weights truncated": partial(weights.truncated, every=every),
        "mutations of exported weights": partial(weights.mutations, times=times(100_000)),
        "attack files of weights": weights.attacked,
        "memory, by the size of the text": partial(
            memory.by_size, megabytes=(10, 100, 1000) if fraction == 1 else (10,)
        ),
        "hostile corpora": partial(
            corpora.hostile, kinds=tuple(corpora.OPTIONS) if fraction == 1 else ("char", "byte lines")
        ),
        "broken compiler caches": caches.broken,
        "threads, lanes, cells, levels": bits.of_threads_and_lanes,
        "models, texts and scores as on other machines": machines.with_other_vectors,
        "SIGINT and SIGTERM": partial(kills.by_signals, times=times(10)),
        "SIGINT and SIGTERM twice": partial(kills.by_signals_again, times=times(10)),
        "stopped at odd updates": kills.at_odd_updates,
        "files that may not grow": faults.full_disks,
        "little memory": faults.little_memory,
        "code points to a terminal": terminals.each_code_point,
        "commands in a terminal": terminals.by_commands,
        "trainings in a terminal": terminals.trainings_watched,
        "locales": terminals.in_locales,
        "samples that follow the softmax": partial(samples.like_the_softmax, times=times(1_000_000)),
        "texts that repeat themselves": partial(copies.repetitive, count=times(100)),
        "extreme sampling options": partial(terminals.options_at_edges, longest=times(1_000_000)),
    }


def run_trial(name: str, fraction: float) -> tuple[int, list[str], float]:
    """Run a trial in its own folder. Returns (number of attempts, what went wrong, seconds)."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell starts with SIGINT ignored
    folder, begun = Path(tempfile.mkdtemp(prefix="torture-")), time.monotonic()
    tried, failures = 0, []
    try:
        for outcome in trials(fraction)[name](folder):
            tried += 1
            if outcome:
                failures.append(outcome)
    except Exception as error:
        tried += 1
        failures.append(f"the trial itself failed: {type(error).__name__}: {error}")
    if not failures:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        failures.append(f"(the files are in {folder})")
    return tried, failures, time.monotonic() - begun
