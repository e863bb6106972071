"""An hour of training that is stopped and gone on with again and again, in one process: nothing may pile up."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from .workshop import NO_CORE, digest, some_text


def resumes(folder: Path, times: int, seconds: float) -> Iterator[str]:
    """Stop a training and go on with it so many times in all, so many seconds in all. Memory may grow by 1 % after the
    first tenth, no file may stay open, no thread running; and the model must have the bytes of one that was let alone.
    """
    (folder / "text.txt").write_text(some_text(2000), encoding="utf-8")
    process = subprocess.run(
        [sys.executable, "-m", "torture.soak", json.dumps({"folder": str(folder), "times": times, "seconds": seconds})],
        env=os.environ | NO_CORE,
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
    )
    if process.returncode:
        yield process.stderr[-500:]
    else:
        (folder / "soak.json").write_text(process.stdout)
        yield from json.loads(process.stdout)["lost"]


def _resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _open_files():
    return sorted(os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if int(name) > 2)[:-1]


def _soak(folder, times, seconds):
    import threading

    from charlm.checkpoint import last_checkpoint, only_training_at, saved
    from charlm.planning import new_trainer
    from charlm.training import reports

    path = Path(folder) / "m.npz"
    options = {"hidden": 24, "layers": 2, "batch": 8, "steps": 16, "dropout": 0.1, "threads": 2}

    def train(epochs, pause, resume):
        """Train for ``pause`` seconds, or to the end; whether it came to it."""
        with only_training_at(path):
            trainer = new_trainer(Path(folder) / "text.txt", **options, epochs=epochs)
            if resume:
                last_checkpoint(path).restore(trainer)
            until = time.monotonic() + pause
            steps = trainer.run(stop=lambda: time.monotonic() > until)
            for _ in saved(trainer, reports(steps, every=0.5), path, {}, every=max(0.1, pause / 4)):
                pass
            trainer.team.close()
            return trainer.finished

    begun = time.monotonic()
    train(1, 1e9, False)
    epochs = max(2, round(0.9 * seconds / 2 / (time.monotonic() - begun)))
    begun = time.monotonic()
    train(epochs, 1e9, False)
    wanted = digest(path)
    pause = (time.monotonic() - begun) / times
    records, done, number = [], False, 0
    while not done:
        done = train(epochs, pause, number > 0)
        number += 1
        records.append((_resident(), len(_open_files()), threading.active_count()))
    settled = records[max(1, len(records) // 10)]
    lost = []
    grown = (records[-1][0] - settled[0]) / settled[0]
    lost.append(f"memory grew by {grown:.2%}" if grown > 0.01 else "")
    lost.append(f"{records[-1][1] - records[0][1]} files stay open" if records[-1][1] > records[0][1] else "")
    lost.append(f"{records[-1][2]} threads are left" if records[-1][2] > 1 else "")
    lost.append("" if digest(path) == wanted else "the model has other bytes")
    lost.append("" if number >= 0.7 * times else f"only {number} resumes")
    facts = {"resumes": number, "grown": grown, "resident": records[-1][0], "seconds": time.monotonic() - begun}
    return {"lost": lost} | facts


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_soak(**json.loads(sys.argv[1]))))
