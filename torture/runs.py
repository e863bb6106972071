"""Shared by the trials: a small text, runs of charlm in their own processes, and how a run must end."""

import gc
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from charlm.tasks import MODULES, VECTORS

CHARLM = [sys.executable, "-m", "charlm"]
SMALL = "--hidden 6 --layers 1 --batch 4 --steps 8 --lr 0.02 --threads 1".split()
TASKS = tuple(task for task in MODULES if task != "text")
OF_VECTORS = tuple(VECTORS)  # the tasks that read vectors too
NO_CORE = {"OPENBLAS_NUM_THREADS": "1"}


def some_text(lines: int = 60) -> str:
    """Short lines of seven letters."""
    words = ("abba", "cab", "dada", "egg", "fee", "bead", "cage", "gaff", "deaf", "face")
    return "".join(f"{words[number % 10]} {words[number * 7 % 9]}\n" for number in range(lines))


def some_examples(lines: int = 60) -> str:
    """Lines of two words with a tab between them, and a blank line after every fifth: examples for every task with
    labels, tags or targets."""
    examples = some_text(lines).replace(" ", "\t").splitlines(keepends=True)
    return "".join(line + "\n" * (number % 5 == 4) for number, line in enumerate(examples))


def some_vectors(sequences: int = 20) -> str:
    """A table of sequences of two channels with a label on each line: examples for every task that reads vectors."""
    rows = []
    for number in range(sequences):
        steps = 1 + number % 4
        rows += (
            f"{(number * 7 + step) % 5},{(number + step * 3) % 11 / 10},{'ab'[number % 2]}\n" for step in range(steps)
        )
        rows.append("\n")
    return "".join(rows)


def new_folder(folder: Path, name: object, options=()) -> Path:
    """Make a folder with a text for a training with these options."""
    workdir = folder / str(name)
    workdir.mkdir(parents=True)
    text = some_vectors() if "vectors" in options else some_examples() if "--task" in options else some_text()
    (workdir / "text.txt").write_text(text, encoding="utf-8")
    return workdir


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "no file"


def run(*arguments, program=CHARLM, **settings) -> subprocess.CompletedProcess:
    """Run charlm in its own process; stdout and stderr as text, with their line ends unchanged."""
    done = subprocess.run([*program, *map(str, arguments)], capture_output=True, timeout=600, **settings)
    done.stdout, done.stderr = (data.decode("utf-8", "surrogateescape") for data in (done.stdout, done.stderr))
    return done


def complaint(code: int, errors: str, codes=(0, 1, 2)) -> str:
    """What is wrong with the end of a run, "" for nothing. A run must succeed, or report in one line why it failed.

    codes: the exit codes that are allowed.
    """
    lines = errors.splitlines()
    if code not in codes:
        return f"exit code {code}: {errors[-300:]}"
    if "Traceback" in errors:
        return f"a traceback: {errors[-300:]}"
    told = [line for line in lines if line.startswith("charlm: error: ")]
    if code in (1, 2) and (len(told) != 1 or lines[-1:] != told):
        return f"no error in one line: {errors[-300:]}"
    return ""


class Run:
    """A run of charlm that a fork server has started."""

    def __init__(self, server, pid, errors):
        self.server, self.pid, self._errors = server, pid, errors

    def kill(self, number: int) -> None:
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    def wait(self) -> int:
        """The exit code, or minus the number of the signal that ended the run."""
        return int(self.server.process.stdout.readline())

    @property
    def errors(self) -> str:
        return self._errors.read_text(encoding="utf-8", errors="surrogateescape")


class ForkServer:
    """A process that has loaded the kernels and forks runs of charlm, one at a time.

    Each run is its own process, and starts without the second that the imports take.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.undisturbed = {}  # what trainings gave, by their options
        command = [sys.executable, "-m", "torture.runs"]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | NO_CORE,
            cwd=Path(__file__).parent.parent,
        )
        self.process.stdout.readline()  # wait until it is ready

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.__exit__(*error)

    def start(self, arguments, cwd: Path, fault=None, limits=(), before: str = "") -> Run:
        """Start a run. fault: the arguments of the ``fault.Fault`` in it; limits: pairs for ``resource.setrlimit``, a
        limit of memory counts from the memory in use at the start; before: Python that runs before charlm does."""
        errors = self.folder / "errors.txt"
        order = {"arguments": [*map(str, arguments)], "cwd": str(cwd), "errors": str(errors), "fault": fault}
        self.process.stdin.write(json.dumps(order | {"limits": list(limits), "before": before}) + "\n")
        self.process.stdin.flush()
        return Run(self, int(self.process.stdout.readline()), errors)

    def run(self, arguments, cwd: Path, **more) -> tuple[int, str]:
        """Exit code and stderr of a run."""
        begun = self.start(arguments, cwd, **more)
        return begun.wait(), begun.errors


def _serve():
    """The server process: it reads a line of JSON per run, and writes the pid and later the exit code."""
    import numpy  # noqa: F401

    import charlm.display.closing  # imports the rest of the display too
    from charlm.cli import SUMMARIES, program
    from charlm.learning import checkpoint  # noqa: F401
    from charlm.network.cells import CELLS
    from charlm.sampling import sampler as sampling  # noqa: F401
    from charlm.scoring import perplexity as levels  # noqa: F401

    options = {"hidden": 2, "layers": 1, "steps": 8, "threads": 1, "epochs": 0.1, "dropout": 0.1}
    with tempfile.TemporaryDirectory() as folder:
        text, examples = Path(folder) / "text.txt", Path(folder) / "examples.txt"
        text.write_text(some_text())
        examples.write_text(some_examples())
        for cell in CELLS:
            model = charlm.train(text, cell=cell, **options, lines=False, tied=True)
            charlm.train(text, cell=cell, **options, lines=True)
        charlm.perplexity(model, "a text")
        for task in TASKS:
            charlm.train(examples, task=task, **options)
    for command in SUMMARIES:
        program.get_command(None, command)  # imports it
    gc.disable()  # what a run does not touch need not be copied for it
    gc.freeze()
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        sys.stdout.flush()
        pid = os.fork()
        if not pid:
            _be_charlm(program, **order)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _be_charlm(program, arguments, cwd, errors, fault, limits, before):
    code = 70
    try:
        os.chdir(cwd)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(0, 1)
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # which nohup or a shell may have ignored
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        for kind, limit in limits:
            if kind == resource.RLIMIT_AS:
                limit += int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(kind, (limit, limit))
        if fault:
            from .fault import Fault

            Fault(**fault).plant()
        exec(before, {})
        program.main(arguments, prog_name="charlm")
    except SystemExit as error:
        code = error.code or 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def wait_for(condition, seconds: float = 60) -> bool:
    """Whether the condition became true in time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.002)
    return True


if __name__ == "__main__":
    _serve()
