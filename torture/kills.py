"""Killed, stopped, and gone on from: the model must have the bytes of the one whose training was let alone."""

import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from charlm.errors import CharlmError

from .bits import CELLS
from .workshop import SMALL, TASKS, Nursery, complaint, digest, new_folder, some_text, wait_for

TRAIN = ["train", "text.txt", "-o", "m.npz", *SMALL]
CHECKPOINTS = ("m.checkpoint.npz", "m.checkpoint.before.npz")
KINDS = (
    ["--dropout", "0.1"],
    ["--lines", "--cell", "gru"],
    ["--level", "byte", "--cell", "rnn", "--dropout", "0.1"],
    ["--level", "word", "--cell", "peephole", "--tied"],
    ["--cell", "feedforward", "--context", "4", "--dropout", "0.1"],
    *(["--task", task] for task in TASKS),
)


def kinds():
    """Those that this processor can train."""
    from charlm.kernels.compiling import HAS_BFLOAT16

    return [*KINDS, ["--precision", "bf16"]] if HAS_BFLOAT16 else KINDS


def whole_digest(folder: Path, nursery: Nursery, options) -> str:
    """SHA-256 of the model of a training that nothing happens to."""
    shutil.rmtree(folder / "whole", ignore_errors=True)
    code, errors = nursery.run([*TRAIN, *options], new_folder(folder, "whole", options))
    if code:
        raise AssertionError(errors)
    return digest(folder / "whole" / "m.npz")


def go_on(nursery: Nursery, place: Path, options, wanted: str, *more) -> str:
    """Go on with a training, or begin again where it had left no checkpoint yet; what is wrong in the end."""
    resume = ["--resume"] if any((place / name).exists() for name in CHECKPOINTS) else []
    code, errors = nursery.run([*TRAIN, *options, *more, *resume], place)
    if code:
        return f"it does not go on: {errors[-300:]}"
    left = sorted(path.name for path in place.iterdir() if path.name not in ("text.txt", "m.npz", "log.jsonl"))
    if left:
        return f"left {left}"
    return "" if digest(place / "m.npz") == wanted else "the model has other bytes"


def at_random(folder: Path, times: int, seed: int = 1) -> Iterator[str]:
    """SIGKILL at a random moment of a training that saves all the time, and once more in the run that goes on."""
    chance = random.Random(seed)
    with Nursery(folder) as nursery:
        wholes = []
        for kind in kinds():
            options = [*kind, "--epochs", "4"]
            begun = time.monotonic()
            wanted = whole_digest(folder, nursery, options + ["--save-every", "0"])
            wholes.append((options, wanted, time.monotonic() - begun))
        for number in range(times):
            options, wanted, seconds = wholes[number % len(wholes)]
            place = new_folder(folder, "place", options)
            every = ["--save-every", chance.choice(["0", "0.01", "0.05"])]
            resume = []
            for _ in range(2):
                threads = ["--threads", str(chance.randint(1, 3))]
                run = nursery.begin([*TRAIN, *options, *every, *threads, *resume], place)
                time.sleep(chance.random() * seconds)
                run.kill(signal.SIGKILL)
                run.wait()
                resume = ["--resume"] if any((place / name).exists() for name in CHECKPOINTS) else []
            found = go_on(nursery, place, options, wanted, "--threads", str(chance.randint(1, 3)))
            yield f"kill {number}: {found}" if found else ""
            shutil.rmtree(place)


def by_signals(folder: Path, times: int, seed: int = 1) -> Iterator[str]:
    """SIGINT and SIGTERM at random moments: out soon, with their exit codes, and gone on from."""
    chance = random.Random(seed)
    options = ["--epochs", "30"]
    with Nursery(folder) as nursery:
        begun = time.monotonic()
        wanted = whole_digest(folder, nursery, options)
        seconds = time.monotonic() - begun
        for number in [signal.SIGINT, signal.SIGTERM] * times:
            place = new_folder(folder, "place")
            run = nursery.begin([*TRAIN, *options], place)
            time.sleep(chance.random() * seconds)
            run.kill(number)
            begun = time.monotonic()
            code = run.wait()
            found = complaint(code, run.errors, (0, 128 + number, -signal.SIGTERM))
            if time.monotonic() - begun > 2:
                found = found or "it took more than 2 s to stop"
            found = found or go_on(nursery, place, options, wanted)
            yield f"{number.name}: {found}" if found else ""
            shutil.rmtree(place)


def by_signals_again(folder: Path, times: int, seed: int = 1) -> Iterator[str]:
    """A second SIGINT or SIGTERM, while an update of a second or so is under way: out at once, with the same exit code
    and checkpoints that can be read."""
    from charlm.training.checkpoint import last_checkpoint

    chance = random.Random(seed)
    options = ["--hidden", "512", "--batch", "64", "--steps", "256", "--epochs", "1000", "--save-every", "0"]
    with Nursery(folder) as nursery:
        for number in [signal.SIGINT, signal.SIGTERM] * times:
            place = new_folder(folder, "place")
            (place / "text.txt").write_text(some_text(10_000), encoding="utf-8")
            run = nursery.begin([*TRAIN, *options], place)
            begun = wait_for(lambda place=place: (place / CHECKPOINTS[0]).exists())
            time.sleep(chance.random())
            run.kill(number)
            time.sleep(0.05)
            run.kill(number)
            asked = time.monotonic()
            code = run.wait()
            found = complaint(code, run.errors, (128 + number,)) if begun else f"no checkpoint: {run.errors[-300:]}"
            if time.monotonic() - asked > 0.5:
                found = found or "it took more than half a second to stop"
            try:
                last_checkpoint(place / "m.npz")
            except CharlmError as error:
                found = found or str(error)
            yield f"{number.name} twice: {found}" if found else ""
            shutil.rmtree(place)


def at_odd_places(folder: Path, epochs: int = 2) -> Iterator[str]:
    """Stopped without a kill before the first update, amid an epoch, at its edges, before the last update; each cell at
    each level, as a stream and as lines."""
    from charlm.training.autotune import new_trainer
    from charlm.training.checkpoint import Checkpoint, save_checkpoint

    text = folder / "text.txt"
    text.write_text(some_text(), encoding="utf-8")
    for number, cell in enumerate(CELLS):
        for level in ("char", "word", "byte"):
            lines = (number + len(level)) % 2 == 0
            options = {"cell": cell, "level": level, "lines": lines, "hidden": 5, "layers": 2, "batch": 4, "steps": 8}
            options |= {"epochs": epochs, "dropout": 0.1, "holdout": 0.2}
            whole = new_trainer(text, **options, threads=1)
            steps = list(whole.run())
            edge = next(step.step for step in steps if step.epoch >= 1)
            whole.best.save(folder / "whole.npz")
            for place in sorted({0, 1, edge - 1, edge, edge + 1, edge + edge // 2, len(steps) - 1}):
                stopped = new_trainer(text, **options, threads=2)
                if place:
                    list(stopped.run(stop=lambda stopped=stopped, place=place: stopped.step == place))
                save_checkpoint(stopped, folder / "c.npz", {})
                resumed = new_trainer(text, **options, threads=3)
                Checkpoint(folder / "c.npz").restore(resumed)
                list(resumed.run())
                resumed.best.save(folder / "resumed.npz")
                same = digest(folder / "whole.npz") == digest(folder / "resumed.npz")
                yield "" if same else f"{cell}, {level}, lines {lines}, stopped at {place}: other bytes"
