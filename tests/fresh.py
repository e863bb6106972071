"""Processes that have never seen charlm's kernels. They are forked from one that has imported numba, which takes half a
second each time."""

import gc
import json
import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path


class Starter:
    """A process that forks others, one at a time. compiles: it has compiled something, for which numba loads more."""

    def __init__(self, compiles: bool):
        self.process = subprocess.Popen(
            [sys.executable, __file__, *["compiles"] * compiles],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # a fork has one thread
        )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.__exit__(*error)

    def run(self, code: str, folder: Path, **variables: str) -> subprocess.CompletedProcess:
        """Run code in a process of its own, which imports what is in the folder first. variables: of its environment,
        in addition to those of this process."""
        order = {"code": code, "folder": str(folder), "environment": dict(os.environ) | variables}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return subprocess.CompletedProcess(code, *json.loads(self.process.stdout.readline()))


def homes(folder: Path) -> dict[str, str]:
    """The variables of a user whose folders, also that of the compiled kernels, are in a folder."""
    return dict.fromkeys(("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"), str(folder))


def _serve():
    """Read a line of JSON for each process, and write its exit code, stdout and stderr."""
    import numba

    if "compiles" in sys.argv:
        numba.njit(lambda x: x + 1)(1)
    assert "charlm" not in sys.modules
    gc.disable()
    gc.freeze()
    for line in sys.stdin:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            pid = os.fork()
            if not pid:
                _run(out, errors, **json.loads(line))
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            texts = [file.seek(0) or file.read().decode() for file in (out, errors)]
        print(json.dumps([code, *texts]), flush=True)


def _run(out, errors, code, folder, environment):
    status = 1
    try:
        for number, file in ((0, open(os.devnull)), (1, out), (2, errors)):
            os.dup2(file.fileno(), number)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        sys.path[0] = folder
        gc.enable()
        exec(code, {"__name__": "__main__"})
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
