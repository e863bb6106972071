"""Two processes compile the kernels of a first training: the same kernels as one, and nothing remains of the second."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numba
import pytest
from fresh import homes

import charlm
from charlm.kernels import ahead, compiling

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")

# Calls four kernels with an empty cache. It prints which kernels each process compiles, and the results.
FIRST = """
import sys
import numpy as np
from charlm.kernels import ahead, compiling, numba_private
from charlm.kernels.gather import embed, scatter_add, sum_rows
from charlm.kernels.updates import squares

class Told(list):
    def remove(self, one):
        super().remove(one)
        print("second", one[0].__name__, second._process.pid, flush=True)

def begin(missing, make=ahead.SecondProcess):
    global second
    second = make(missing)
    second.is_alive() and {before} and second.join()
    return second

def share(missing, share=ahead._share):
    print("missing", *[kernel.__name__ for kernel, _ in missing])
    share(Told(missing))

def work():
    values, table, total, sums = np.ones((4, 3), np.float32), *np.zeros((2, 4, 3), np.float32), np.zeros(1)
    sum_rows(values, total[0], 0, 3, False)
    scatter_add(np.ones(4, np.int32), values, table, 0, 3)
    squares(table[1], sums, 0, 1)
    embed(np.ones((1, 4), np.int32), values, np.zeros((1, 4, 3), np.float32), 0, 4)
    results.append([*map(int, total[0]), *map(int, sums)])

ahead._share, ahead.SecondProcess, results = share, begin, []
{change}
with compiling.CompileTimer() as timer:
    ahead.compile_and_call(work, timer, {processes})
print("results", *results)
print("seconds", timer.seconds > 0)
print("compiled", *sorted(path.name.split("-")[0] for path in compiling._folder.rglob("*.nbc")))
"""


def code_of(change="", before=True, processes=2):
    return FIRST.format(change=change, before=before, processes=processes)


@pytest.fixture
def lines(compiling_starter, tmp_path):
    """A function: the lines that the code prints in a process whose user's folders are in ``tmp_path``."""

    def printed(*arguments):
        run = compiling_starter.run(code_of(*arguments), Path(charlm.__file__).parent.parent, **homes(tmp_path))
        assert not run.returncode and not run.stderr, run.stderr
        return run.stdout.splitlines()

    return printed


COMPILED = "compiled gather.embed gather.scatter_add gather.sum_rows reduce.total_square updates.squares"
RESULTS = "results [0, 0, 0, 0] [4, 4, 4, 48]"  # a rehearsal, and the work
MISSING = "missing sum_rows scatter_add squares embed"


def test_the_second_process_compiles_into_the_cache(lines):
    """Here it compiles everything, before the first one begins: the largest kernel first. The next program finds all
    in the cache, and starts no process."""
    missing, *second, results, seconds, compiled = lines()
    assert (missing, results, seconds, compiled) == (MISSING, RESULTS, "seconds True", COMPILED)
    assert [line.split()[1] for line in second] == ["embed", "squares", "sum_rows", "scatter_add"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(second[0].split()[2]), 0)
    assert lines() == [RESULTS, "seconds False", COMPILED]


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ("ahead.BEGIN = ahead.BEGIN.replace('ahead.serve', 'print(flush=True); input(); sys.exit')", 1),
        ("ahead.BEGIN = ahead.BEGIN.replace('sys.argv[1])', '\"another cache\")')", 0),
    ],
)
def test_what_the_second_process_leaves_undone_the_first_one_compiles(change, taken, lines):
    missing, *second, results, seconds, compiled = lines(change)
    assert (missing, results, seconds, compiled) == (MISSING, RESULTS, "seconds True", COMPILED)
    assert len(second) == taken


def test_one_processor_needs_no_rehearsal(lines):
    """And neither does a program in which a kernel is in memory already: it would run with what others left undone."""
    results = RESULTS.replace(" [0, 0, 0, 0]", "")
    assert lines("", False, 1) == [results, "seconds True", COMPILED]
    assert lines("squares(np.ones(3, np.float32), np.zeros(1), 0, 1)")[0] == results


def test_nothing_remains_when_the_first_process_is_killed(tmp_path):
    environment = os.environ | homes(tmp_path) | {"PYTHONPATH": str(Path(charlm.__file__).parent.parent)}
    command = [sys.executable, "-c", code_of("ahead.PATIENCE = 1000")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline().strip() == MISSING
        second = int(first.stdout.readline().split()[2])
        os.kill(second, 0)
        first.send_signal(signal.SIGKILL)
    end = time.monotonic() + 60
    while time.monotonic() < end and (stat := Path(f"/proc/{second}/stat")).exists() and " Z " not in stat.read_text():
        time.sleep(0.05)
    assert time.monotonic() < end
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix not in (".nbc", ".nbi")]


def test_only_a_python_starts_a_second_process(monkeypatch):
    """A program of its own, as packagers make it, would begin once more."""
    monkeypatch.setattr(sys, "executable", "/usr/bin/true")
    assert ahead.SecondProcess([])._process is None
    monkeypatch.setattr(sys, "executable", "/nowhere/python3")
    assert ahead.SecondProcess([])._process is None
    monkeypatch.undo()
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert ahead.SecondProcess([])._process is None
    ahead.serve(f"not {compiling._folder}")  # and a second process with another cache ends at once
