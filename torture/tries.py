"""The tries by their names, and how one is made."""

import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from . import bits, caches, corpora, draws, faults, kills, memory, modelfiles, soak, terminals


def tries(share: float) -> dict[str, Callable[[Path], Iterator[str]]]:
    """Each try by its name, the longest first. share: of the counts that can be made smaller."""

    def times(number):
        return max(1, round(number * share))

    every = max(1, round(1 / share))
    mutations = {
        f"mutations of a model file, part {part}": partial(modelfiles.mutations, times=times(250_000), seed=part)
        for part in range(1, 5)
    }
    return {
        "soak: stopped and gone on with": partial(soak.resumes, times=times(100), seconds=3600 * share),
        "SIGKILL at random moments": partial(kills.at_random, times=times(200)),
        **mutations,
        "operations on files that fail": partial(faults.each_operation, step=every),
        "SIGKILL at each operation of a save": partial(
            faults.each_operation, hows=("before", "after"), step=every, kinds=("first", "again")
        ),
        "bytes of a model flipped": partial(modelfiles.flipped, every=every),
        "model files truncated": partial(modelfiles.truncated, every=every),
        "attack model files": modelfiles.attacked,
        "memory, by the size of the text": partial(memory.by_size, megabytes=(10, 100, 1000) if share == 1 else (10,)),
        "hostile corpora": partial(
            corpora.hostile, kinds=tuple(corpora.OPTIONS) if share == 1 else ("char", "byte lines")
        ),
        "broken compiler caches": caches.broken,
        "threads, lanes, cells, levels": bits.of_threads_and_lanes,
        "SIGINT and SIGTERM": partial(kills.by_signals, times=times(10)),
        "SIGINT and SIGTERM twice": partial(kills.by_signals_again, times=times(10)),
        "stopped at odd places": kills.at_odd_places,
        "files that may not grow": faults.full_disks,
        "little memory": faults.little_memory,
        "code points to a terminal": terminals.each_code_point,
        "commands in a terminal": terminals.by_commands,
        "locales": terminals.in_locales,
        "draws that follow the softmax": partial(draws.like_the_softmax, times=times(1_000_000)),
        "options of sampling": partial(terminals.options_at_edges, longest=times(1_000_000)),
    }


def attempt(name: str, share: float) -> tuple[int, list[str], float]:
    """Run a try in a folder of its own: how often it tried, what was lost, seconds."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job of a shell's background begins with it ignored
    folder, begun = Path(tempfile.mkdtemp(prefix="torture-")), time.monotonic()
    tried, lost = 0, []
    try:
        for outcome in tries(share)[name](folder):
            tried += 1
            if outcome:
                lost.append(outcome)
    except Exception as error:
        tried += 1
        lost.append(f"the try itself failed: {type(error).__name__}: {error}")
    if not lost:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        lost.append(f"(the files are in {folder})")
    return tried, lost, time.monotonic() - begun
