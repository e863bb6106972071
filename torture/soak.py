"""An hour of training that is stopped and resumed again and again in one process: nothing may leak."""

import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from .runs import NO_CORE, digest, some_text


def resumes(folder: Path, times: int, seconds: float, most: float = 0.01, lines: int = 2000) -> Iterator[str]:
    """Stop and resume a training.

    times: how often in all; seconds: about how long it takes in all; most: the fraction by which memory may grow after
    the first tenth; lines: of the text. No file may stay open, no thread may stay alive, and the model must have the
    bytes of an undisturbed training.
    """
    (folder / "text.txt").write_text(some_text(lines), encoding="utf-8")
    order = {"folder": str(folder), "times": times, "seconds": seconds, "most": most}
    process = subprocess.run(
        [sys.executable, "-m", "torture.soak", json.dumps(order)],
        env=os.environ | NO_CORE,
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
    )
    if process.returncode:
        yield process.stderr[-500:]
    else:
        (folder / "soak.json").write_text(process.stdout)
        yield from json.loads(process.stdout)["failures"]


def _resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _open_files():
    return len(os.listdir("/proc/self/fd"))


def _soak(folder, times, seconds, most):
    from charlm.learning.autotune import new_trainer
    from charlm.learning.checkpoint import last_checkpoint
    from charlm.learning.progress import reports
    from charlm.learning.results import Results
    from charlm.learning.session import exclusive_training

    path = Path(folder) / "m.npz"
    options = {"hidden": 24, "layers": 2, "batch": 8, "steps": 16, "dropout": 0.1, "threads": 2, "lines": False}

    def train(epochs, updates, resume):
        """Train for this many updates, or to the end. Returns the trainer."""
        with exclusive_training(path):
            trainer = new_trainer(Path(folder) / "text.txt", **options, epochs=epochs)
            if resume:
                last_checkpoint(path).restore(trainer)
            last = trainer.step + updates
            steps = trainer.run(stop=lambda: trainer.step >= last)
            for _ in Results(trainer, path, {}).follow(reports(steps, every=0.5), every=5.0):
                pass
            trainer.pool.close()
            return trainer

    in_epoch = train(1, 1e9, False).step  # compiles if the cache is cold
    begun = time.monotonic()
    train(1000, 5 * in_epoch, False)
    epochs = max(2, round(seconds / 2 * 5 / (time.monotonic() - begun)))
    updates = -(-train(epochs, 1e9, False).step // (times + 1))
    wanted, begun = digest(path), time.monotonic()
    records, done = [], False
    while not done:
        done = train(epochs, updates, bool(records)).finished
        records.append((_resident(), _open_files(), threading.active_count()))
    settled = records[max(1, len(records) // 10)]
    grown = (records[-1][0] - settled[0]) / settled[0]
    failures = [
        f"memory grew by {grown:.2%}" if grown > most else "",
        f"{records[-1][1] - records[0][1]} files stay open" if records[-1][1] > records[0][1] else "",
        f"{records[-1][2]} threads are left" if records[-1][2] > 1 else "",
        "" if digest(path) == wanted else "the model has other bytes",
        "" if len(records) == times + 1 else f"{len(records) - 1} resumes",
    ]
    return {"failures": failures, "grown": grown, "resident": records[-1][0], "seconds": time.monotonic() - begun}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_soak(**json.loads(sys.argv[1]))))
