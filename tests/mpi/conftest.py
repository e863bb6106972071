"""Shared by the tests that run charlm in several processes, under Open MPI and MPICH.

`make test-mpi` runs this folder, in an environment that has mpi4py and Open MPI, and MPICH in a folder of its own,
because both have an mpirun. `make test` does not collect it.
"""

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

PREFIX = Path(sys.prefix)
MPIRUN = {"open": PREFIX / "bin" / "mpirun", "mpich": PREFIX / "mpich" / "bin" / "mpirun"}
ENVIRONMENT = {
    "open": {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"},
    "mpich": {"MPI4PY_LIBMPI": str(PREFIX / "mpich" / "lib" / "libmpi.so.12")},
}
MORE_THAN_CORES = {"open": ["--map-by", ":OVERSUBSCRIBE"], "mpich": []}
WORDS = "the cat dog sat on a mat and ran home blue green sky was very old".split()


class Launcher:
    """Runs programs under one MPI. name: of the MPI."""

    def __init__(self, name, folder):
        self.name, self.folder = name, folder

    def command(self, number, *arguments):
        """The command line of Python with these arguments in so many processes; of one process without mpirun."""
        python = [sys.executable, *map(str, arguments)]
        if number == 1:
            return python
        return [str(MPIRUN[self.name]), *MORE_THAN_CORES[self.name], "-n", str(number), *python]

    def start(self, number, *arguments, folder=None, **environment):
        paths = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
        return subprocess.Popen(
            self.command(number, *arguments),
            cwd=folder or self.folder,
            env=os.environ | ENVIRONMENT[self.name] | {"PYTHONPATH": paths} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, number, *arguments, seconds=300, **more):
        """(exit code, stdout, stderr) of a program that ends in so many seconds."""
        process = self.start(number, *arguments, **more)
        try:
            out, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return process.returncode, out, errors

    def charlm(self, number, *arguments, **more):
        return self.run(number, "-m", "charlm", *arguments, **more)


def said(errors):
    """The lines of charlm among those of mpirun."""
    return [line for line in errors.splitlines() if line.startswith("charlm: ")]


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def some_text(kind):
    choice = random.Random(5)

    def words(most):
        return " ".join(choice.choice(WORDS) for _ in range(choice.randint(1, most)))

    if kind == "stream":
        return " ".join(words(9) for _ in range(400))
    lines = {
        "lines": lambda: words(7),
        "classify": lambda: f"{choice.choice(['ab', 'cd'])}\t{words(6)}",
        "translate": lambda: "\t".join((found := words(2), found[::-1])),
    }
    return "".join(f"{lines[kind]()}\n" for _ in range(300))


@pytest.fixture(scope="session")
def texts(tmp_path_factory):
    """A folder with a text of each kind."""
    folder = tmp_path_factory.mktemp("texts")
    for kind in ("stream", "lines", "classify", "translate"):
        (folder / f"{kind}.txt").write_text(some_text(kind), encoding="utf-8")
    return folder


@pytest.fixture(params=["open", "mpich"])
def launcher(request, tmp_path):
    if not MPIRUN[request.param].exists():
        pytest.skip(f"there is no {MPIRUN[request.param]}: see make test-mpi")
    return Launcher(request.param, tmp_path)
