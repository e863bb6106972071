"""Trainings that are killed or stopped, and resumed: the model must have the bytes of an undisturbed training, and a
good model that stood at its output must be there until then, and next to it afterwards."""

import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from charlm.errors import CharlmError
from charlm.network.cells import CELLS

from .runs import OF_VECTORS, SMALL, TASKS, ForkServer, complaint, digest, new_folder, some_text, wait_for

TRAIN = ["train", "text.txt", "-o", "m.npz", *SMALL, "--stream"]  # without --lines, whatever the text looks like
CHECKPOINTS = ("m.checkpoint.npz", "m.checkpoint.before.npz")
PREVIOUS = "m.previous.npz"
KINDS = (
    ["--dropout", "0.1"],
    ["--lines", "--cell", "gru", "--store", "float16"],
    ["--level", "byte", "--cell", "rnn", "--dropout", "0.1"],
    ["--level", "word", "--cell", "peephole", "--tied"],
    ["--level", "subword", "--max-vocabulary", "40"],
    ["--separator", "", "--level", "token", "--normalize", "NFC"],
    ["--cell", "feedforward", "--context", "4", "--dropout", "0.1"],
    ["--from", "../good/m.npz", "--dropout", "0.1"],
    ["--shards", "4", "--level", "word", "--cell", "peephole", "--tied", "--dropout", "0.1"],
    ["--level", "word", "--tied", "--softmax-samples", "5"],
    ["--shards", "2", "--local-updates", "3", "--dropout", "0.1"],
    *(["--task", task] for task in TASKS),
    *(["--task", task, "--input", "vectors", "--noise", "0.5"] for task in OF_VECTORS),
)


def kinds():
    """The option lists of the models that this processor can train."""
    from charlm.kernels.compiling import HAS_BFLOAT16

    return [*KINDS, ["--precision", "bf16"]] if HAS_BFLOAT16 else KINDS


def undisturbed(folder: Path, server: ForkServer, options) -> tuple[str, float]:
    """SHA-256 of the model of an undisturbed training, which a server runs once, and the seconds that it took."""
    if "--from" in options:
        good_model(folder, server)
    if tuple(options) not in server.undisturbed:
        shutil.rmtree(folder / "undisturbed", ignore_errors=True)
        begun = time.monotonic()
        code, errors = server.run([*TRAIN, *options], new_folder(folder, "undisturbed", options))
        if code:
            raise AssertionError(errors)
        made = digest(folder / "undisturbed" / "m.npz")
        server.undisturbed[tuple(options)] = made, time.monotonic() - begun
    return server.undisturbed[tuple(options)]


def command(workdir: Path, *options: str) -> list[str]:
    """The command of a training with these options; where it has a checkpoint, the one that resumes it. That leaves out
    the model to go on with, which the checkpoint has."""
    if not any((workdir / name).exists() for name in CHECKPOINTS):
        return [*TRAIN, *options]
    at = options.index("--from") if "--from" in options else len(options)
    return [*TRAIN, *options[:at], *options[at + 2 :], "--resume"]


def good_model(folder: Path, server: ForkServer) -> Path:
    """A good model of another training, which must not be lost; a server makes it once."""
    if not (server.folder / "good").exists():
        code, errors = server.run([*TRAIN, "--epochs", "4", "--seed", "2"], new_folder(server.folder, "good"))
        if code:
            raise AssertionError(errors)
    if not (folder / "good").exists():
        shutil.copytree(server.folder / "good", folder / "good")
    return folder / "good" / "m.npz"


def what_is_lost(workdir: Path, good: Path | None) -> str:
    """Whether the good model, if there was one, is neither at the output nor the previous model; "" if it is there."""
    places = [digest(workdir / name) for name in ("m.npz", PREVIOUS)]
    return "the good model is lost" if good and digest(good) not in places else ""


def resume_and_check(server: ForkServer, workdir: Path, options, wanted: str, *more, good: Path | None = None) -> str:
    """Resume a training, or start it again if it has no checkpoint yet. good: the model that stood at its output.
    Returns what went wrong, "" for nothing."""
    if found := what_is_lost(workdir, good):
        return found
    arguments = command(workdir, *options, *more)
    # The unfinished model of a training without a checkpoint:
    stands = "--resume" not in arguments and (workdir / "m.npz").exists()
    code, errors = server.run(arguments, workdir)
    if code:
        return f"it does not resume: {errors[-300:]}"
    known = ("text.txt", "m.npz", "log.jsonl", "run.html", *([PREVIOUS] if good or stands else []))
    left = sorted(path.name for path in workdir.iterdir() if path.name not in known)
    if left:
        return f"left {left}"
    if good and digest(workdir / PREVIOUS) != digest(good):
        return "the good model is not kept as the previous one"
    return "" if digest(workdir / "m.npz") == wanted else "the model has other bytes"


def at_random(folder: Path, times: int, seed: int = 1) -> Iterator[str]:
    """SIGKILL at a random moment of a training that saves often, then once more in the resumed run; in every other one
    over a good model."""
    generator = random.Random(seed)
    with ForkServer(folder) as server:
        trained = []
        for kind in kinds()[:times]:
            options = [*kind, "--epochs", "4"]
            trained.append((options, *undisturbed(folder, server, options + ["--save-every", "0"])))
        for number in range(times):
            options, wanted, seconds = trained[number % len(trained)]
            workdir = new_folder(folder, "workdir", options)
            good = good_model(folder, server) if number % 2 else None
            if good:
                shutil.copy(good, workdir / "m.npz")
            every = ["--save-every", generator.choice(["0", "0.01", "0.05"])]
            for _ in range(2):
                threads = ["--threads", str(generator.randint(1, 3))]
                run = server.start(command(workdir, *options, *every, *threads), workdir)
                time.sleep(generator.random() * seconds)
                run.kill(signal.SIGKILL)
                run.wait()
                lost = what_is_lost(workdir, good)
            threads = ["--threads", str(generator.randint(1, 3))]
            found = lost or resume_and_check(server, workdir, options, wanted, *threads, good=good)
            yield f"kill {number}: {found}" if found else ""
            shutil.rmtree(workdir)


def by_signals(folder: Path, times: int, seed: int = 1) -> Iterator[str]:
    """SIGINT and SIGTERM at random moments: the run must end soon with the right exit code, and resume."""
    generator = random.Random(seed)
    options = ["--epochs", "30"]
    with ForkServer(folder) as server:
        wanted, seconds = undisturbed(folder, server, options)
        for number in [signal.SIGINT, signal.SIGTERM] * times:
            workdir = new_folder(folder, "workdir")
            run = server.start([*TRAIN, *options], workdir)
            time.sleep(generator.random() * seconds)
            run.kill(number)
            begun = time.monotonic()
            code = run.wait()
            found = complaint(code, run.errors, (0, 128 + number, -signal.SIGTERM))
            if time.monotonic() - begun > 2:
                found = found or "it took more than 2 s to stop"
            found = found or resume_and_check(server, workdir, options, wanted)
            yield f"{number.name}: {found}" if found else ""
            shutil.rmtree(workdir)


def by_signals_again(folder: Path, times: int, seed: int = 1) -> Iterator[str]:
    """A second SIGINT or SIGTERM during an update that takes about a second: the run must end at once, with the same
    exit code and readable checkpoints."""
    from charlm.learning.checkpoint import last_checkpoint

    generator = random.Random(seed)
    options = ["--hidden", "512", "--batch", "64", "--steps", "256", "--epochs", "1000", "--save-every", "0"]
    options += ["--holdout", "0"]  # nothing is measured between updates
    with ForkServer(folder) as server:
        for number in [signal.SIGINT, signal.SIGTERM] * times:
            workdir = new_folder(folder, "workdir")
            (workdir / "text.txt").write_text(some_text(10_000), encoding="utf-8")
            run = server.start([*TRAIN, *options], workdir)
            begun = wait_for(lambda workdir=workdir: (workdir / CHECKPOINTS[0]).exists())
            time.sleep(generator.random())
            run.kill(number)
            time.sleep(0.05)
            run.kill(number)
            asked = time.monotonic()
            code = run.wait()
            found = complaint(code, run.errors, (128 + number,)) if begun else f"no checkpoint: {run.errors[-300:]}"
            if time.monotonic() - asked > 0.5:
                found = found or "it took more than half a second to stop"
            try:
                last_checkpoint(workdir / "m.npz")
            except CharlmError as error:
                found = found or str(error)
            yield f"{number.name} twice: {found}" if found else ""
            shutil.rmtree(workdir)


def at_odd_updates(folder: Path, epochs: int = 2) -> Iterator[str]:
    """Stop without a kill before the first update, inside an epoch, at its ends and before the last update, then
    resume; each cell at each level, as a stream or as lines."""
    from charlm.learning.autotune import new_trainer
    from charlm.learning.checkpoint import Checkpoint, save_checkpoint

    text = folder / "text.txt"
    text.write_text(some_text(), encoding="utf-8")
    for number, cell in enumerate(CELLS):
        for level in ("char", "subword", "word", "token", "byte"):
            lines = (number + len(level)) % 2 == 0
            options = {"cell": cell, "level": level, "lines": lines, "hidden": 5, "layers": 2, "batch": 4, "steps": 8}
            options |= {"epochs": epochs, "dropout": 0.1, "holdout": 0.2}
            undisturbed = new_trainer(text, **options, threads=1)
            steps = list(undisturbed.run())
            edge = next(step.step for step in steps if step.epoch >= 1)
            undisturbed.best.save(folder / "undisturbed.npz")
            for update in sorted({0, 1, edge - 1, edge, edge + 1, edge + edge // 2, len(steps) - 1}):
                stopped = new_trainer(text, **options, threads=2)
                if update:
                    list(stopped.run(stop=lambda stopped=stopped, update=update: stopped.step == update))
                save_checkpoint(stopped, folder / "c.npz", {})
                resumed = new_trainer(text, **options, threads=3)
                Checkpoint(folder / "c.npz").restore(resumed)
                list(resumed.run())
                resumed.best.save(folder / "resumed.npz")
                same = digest(folder / "undisturbed.npz") == digest(folder / "resumed.npz")
                yield "" if same else f"{cell}, {level}, lines {lines}, stopped at {update}: other bytes"
