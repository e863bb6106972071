"""File operations that fail or are killed, one by one (see ``fault``); full disks and little memory."""

import resource
import shutil
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import product
from pathlib import Path

from charlm import load
from charlm.errors import CharlmError

from .kills import CHECKPOINTS, TRAIN, good_model, resume_and_check, undisturbed
from .runs import SMALL, ForkServer, complaint, new_folder

ERRORS = ("ENOSPC", "EIO", "EACCES", "EDQUOT")


# Kinds of charlm export, and what each writes.
EXPORTS = {"export": "w.safetensors", "export a folder": "hub/", "export a page": "w.html"}
if find_spec("onnx"):
    EXPORTS["export a graph"] = "w.onnx"
KINDS = ("first", "again", "over", "over again", "sample", "perplexity", *EXPORTS, "import")


def each_operation(folder: Path, hows=ERRORS, step: int = 1, kinds=KINDS) -> Iterator[str]:
    """Make the N-th file operation fail in each of these ways, for every N (or every ``step``-th) that a run reaches.

    kinds: "first" is a new training, "again" a resumed one, "over" and "over again" are such trainings where a good
    model stands at the output, all others are commands. After each failure the last good files must load, the good
    model must be there, the run must have reported the error in one line, no partial file may remain, and the training
    must resume to the same bytes as one without failures.
    """
    with ForkServer(folder) as server:
        epochs = ["--epochs", "3", "--save-every", "0.02"]
        wanted, _ = undisturbed(folder, server, epochs)
        commands = {
            "first": [*TRAIN, *epochs, "--log", "log.jsonl", "--report", "run.html"],
            "again": [*TRAIN, *epochs, "--resume"],
            "over": [*TRAIN, *epochs],
            "over again": [*TRAIN, *epochs, "--resume"],
            "sample": ["sample", "--model", "m.npz", "--count", "2", "--length", "20"],
            "perplexity": ["perplexity", "--model", "m.npz", "text.txt"],
            **{kind: ["export", "m.npz", out] for kind, out in EXPORTS.items()},
            "import": ["import", "w.safetensors", "-o", "w.npz"],
        }
        for kind in kinds:
            for how in hows:
                number = 1
                while True:
                    workdir, marker = folder / "workdir", folder / "marker"
                    shutil.rmtree(workdir, ignore_errors=True)
                    marker.unlink(missing_ok=True)
                    if kind in ("first", "over"):
                        new_folder(folder, "workdir")
                    else:
                        shutil.copytree(_killed_midway(server, epochs), workdir)
                    if kind == "import":
                        server.run(["export", "m.npz", "w.safetensors"], workdir)
                    good = good_model(folder, server) if "over" in kind else None
                    if good:
                        shutil.copy(good, workdir / "m.npz")
                    code, errors = server.run(
                        commands[kind], workdir, fault={"at": number, "how": how, "marker": str(marker)}
                    )
                    if not marker.exists():
                        break
                    found = _how_it_ended(workdir, marker.read_text(), how, code, errors)
                    found = found or _cannot_be_loaded(workdir / "m.npz")
                    found = found or _wrong_with_exports(server, workdir, commands[kind] if kind in EXPORTS else None)
                    found = found or resume_and_check(server, workdir, epochs, wanted, good=good)
                    yield f"{kind}, operation {number} ({marker.read_text()}), {how}: {found}" if found else ""
                    number += step


def _killed_midway(server, epochs):
    """The folder of a training with these options that was killed within ten operations after it had written a model
    and two checkpoints; a server runs it once."""
    workdir = server.folder / "killed"

    def has_all_files_when_killed_at(number):
        shutil.rmtree(workdir, ignore_errors=True)
        new_folder(server.folder, "killed")
        fault = {"at": number, "how": "before", "marker": str(server.folder / "killed marker")}
        server.run([*TRAIN, *epochs, "--save-every", "0"], workdir, fault=fault)
        for part in workdir.glob(".*"):
            part.unlink()
        return all((workdir / name).exists() for name in ("m.npz", *CHECKPOINTS))

    if workdir.exists():
        return workdir
    for late in filter(has_all_files_when_killed_at, range(20, 2000, 100)):
        if any(map(has_all_files_when_killed_at, range(max(20, late - 90), late + 1, 10))):
            return workdir
    raise AssertionError("no kill left a model and two checkpoints")


def _cannot_be_loaded(path):
    try:
        if path.exists():
            load(path)
    except CharlmError as error:
        return f"the model does not load: {error}"
    return ""


def _wrong_with_exports(server, workdir, again):
    """What is wrong with the files of charlm export and charlm import, which are then deleted; "" for nothing.

    again: the arguments of an export that a fault has disturbed: over what it left, it must succeed, and leave no
    partial file; None for another command.
    """
    names = [name for name in ("w.safetensors", "hub/model.safetensors", "w.npz") if (workdir / name).exists()]
    commands = [["info", name] if name == "w.npz" else ["import", name, "-o", "x.npz"] for name in names]
    failed = [name for name, command in zip(names, commands, strict=True) if server.run(command, workdir)[0]]
    found, page = f"{failed} cannot be read" if failed else "", workdir / "w.html"
    if page.exists() and not page.read_text(encoding="utf-8").endswith("</html>\n"):
        found = "the page of the model is not whole"
    if again and not found:
        code, errors = server.run(again, workdir)
        parts = [path.name for path in (*workdir.glob(".w.*.part"), *workdir.glob("hub/.*.part"))]
        found = f"once more, it fails: {errors[-300:]}" if code else f"left {parts} once more" if parts else ""
    shutil.rmtree(workdir / "hub", ignore_errors=True)
    others = ("w.npz", "w.previous.npz", "x.npz", "x.previous.npz", ".w.npz.lock")
    for name in ("w.safetensors", "w.html", "w.onnx", *others):
        (workdir / name).unlink(missing_ok=True)
    return found


def _how_it_ended(workdir, operation, how, code, errors):
    """What is wrong with the end of a run with a fault, "" for nothing."""
    page = workdir / "run.html"
    if page.exists() and not page.read_text(encoding="utf-8").endswith("</html>\n"):
        return "the page of the training is not whole"
    killed = how in ("before", "after")
    if killed and code != -signal.SIGKILL:
        return f"it should have been killed, and ended with {code}"
    if killed:
        return ""
    found, parts = complaint(code, errors), [path.name for path in workdir.glob(".*.part")]
    is_left = parts and operation not in ("unlink", "scandir")  # otherwise the next run removes it
    return found or (f"left {parts}" if is_left else "")


def full_disks(folder: Path, sizes=(1000, 1500, 2000, 3000, 4000, 5000, 8000, 20000)) -> Iterator[str]:
    """A new training and a resumed one, without and with a good model at the output, while no file may grow beyond a
    size in bytes."""
    with ForkServer(folder) as server:
        epochs = ["--epochs", "3", "--save-every", "0.02"]
        wanted, _ = undisturbed(folder, server, epochs)
        for size, resume, over in product(sizes, (False, True), (False, True)):
            shutil.rmtree(folder / "workdir", ignore_errors=True)
            if resume:
                workdir = Path(shutil.copytree(_killed_midway(server, epochs), folder / "workdir"))
            else:
                workdir = new_folder(folder, "workdir")
            good = good_model(folder, server) if over else None
            if good:
                shutil.copy(good, workdir / "m.npz")
            limits = [(resource.RLIMIT_FSIZE, size)]
            # The limit also holds for the file of the messages: it must have room for the error.
            command = [*TRAIN, *epochs, "--quiet", *["--resume"] * resume]
            code, errors = server.run(command, workdir, limits=limits)
            found = complaint(code, errors)
            parts = [path.name for path in workdir.glob(".*.part")]
            found = found or (f"left {parts}" if parts else "")
            found = found or resume_and_check(server, workdir, epochs, wanted, good=good)
            yield f"files of at most {size} bytes, resume {resume}, over a model {over}: {found}" if found else ""


def little_memory(folder: Path, megabytes=(0, 1, 2, 4, 8, 16, 32, 64)) -> Iterator[str]:
    """Train a large network with only this many megabytes more than charlm occupies before it starts."""
    with ForkServer(folder) as server:
        for number, more in enumerate(megabytes):
            workdir = new_folder(folder, number)
            options = [*SMALL, "--hidden", "700", "--threads", "2", "--epochs", "1"]
            limits = [(resource.RLIMIT_AS, more << 20)]
            code, errors = server.run(["train", "text.txt", "-o", "m.npz", *options], workdir, limits=limits)
            found = complaint(code, errors)
            left = [path.name for path in workdir.iterdir() if path.name not in ("text.txt", "m.npz", *CHECKPOINTS)]
            found = found or (f"left {left}" if left else "")
            yield f"{more} MB more: {found}" if found else ""
