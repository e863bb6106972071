"""Operations on files that fail, or in which the process is killed, one by one; full disks and little memory.

``Fault`` stands between charlm and the system: it counts each open, read, write, flush to the disk, replacing, linking,
removing, look at a file, and lets the one of a given number go wrong.
"""

import builtins
import errno
import io
import os
import resource
import shutil
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from .kills import CHECKPOINTS, TRAIN, go_on, whole_digest
from .workshop import SMALL, Nursery, complaint, new_folder

ERRORS = ("ENOSPC", "EIO", "EACCES", "EDQUOT")
CALLS = ("open", "fsync", "replace", "link", "unlink", "chmod", "stat", "fstat", "mkdir", "scandir")
FILE_CALLS = ("read", "readinto", "readall", "write", "close")


class Fault:
    """Lets the ``at``-th operation fail with the error of this name, or kills the process before it, or after it
    ("before", "after"; a write is then half done). marker: a file that is made when it comes to that, and holds the
    operation's name."""

    def __init__(self, at: int, how: str, marker: str):
        self.at, self.how, self.marker, self.count = at, how, marker, 0
        self._open, self._write, self._close = os.open, os.write, os.close

    def plant(self) -> None:
        """Take the place of the system's calls in this process."""
        for name in CALLS:
            setattr(os, name, partial(self._call, name, getattr(os, name)))
        fault = self

        class File(io.FileIO):
            def __init__(self, *arguments, **more):
                fault._call("open", super().__init__, *arguments, **more)

        for name in FILE_CALLS:
            setattr(File, name, self._method(name, getattr(io.FileIO, name)))
        io.FileIO = File
        builtins.open = io.open = partial(_open, File)

    def _method(self, name, original):
        def method(file, *arguments):
            if name == "close" and file.closed:
                return None
            return self._call(name, partial(original, file), *arguments)

        return method

    def _call(self, name, original, *arguments, **more):
        self.count += 1
        if self.count != self.at:
            return original(*arguments, **more)
        descriptor = self._open(self.marker, os.O_WRONLY | os.O_CREAT, 0o600)
        self._write(descriptor, name.encode())
        self._close(descriptor)
        if self.how in ("before", "after"):
            try:
                if self.how == "after":
                    original(arguments[0][: len(arguments[0]) // 2]) if name == "write" else original(
                        *arguments, **more
                    )
            finally:
                os.kill(os.getpid(), signal.SIGKILL)
        if name == "close":
            original()  # it is closed all the same
        number = getattr(errno, self.how)
        raise OSError(number, os.strerror(number), *[a for a in arguments[:1] if isinstance(a, (str, Path))])


def _open(kind, file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
    raw = kind(file, mode.replace("b", "").replace("t", ""), closefd, opener)
    if buffering == 0:
        return raw
    buffered = io.BufferedReader(raw) if mode[0] == "r" else io.BufferedWriter(raw)
    return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding or "utf-8", errors, newline)


def each_operation(
    folder: Path, hows=ERRORS, step: int = 1, kinds=("first", "again", "sample", "perplexity")
) -> Iterator[str]:
    """Let the N-th operation on a file go wrong in each of these ways, for every N (or each ``step``-th) until a run
    has fewer: a first training, one that is gone on with, drawing, measuring.

    Then the last good files must load, the run must have said in one line what went wrong, no half written file may be
    left, and the training must go on to the very bytes of one that was let alone.
    """
    with Nursery(folder) as nursery:
        epochs = ["--epochs", "3", "--save-every", "0.02"]
        whole = whole_digest(folder, nursery, epochs)
        _stopped_short(folder, nursery, epochs)
        commands = {
            "first": [*TRAIN, *epochs, "--log", "log.jsonl"],
            "again": [*TRAIN, *epochs, "--resume"],
            "sample": ["sample", "--model", "m.npz", "--count", "2", "--length", "20"],
            "perplexity": ["perplexity", "--model", "m.npz", "text.txt"],
        }
        for kind in kinds:
            for how in hows:
                number = 1
                while True:
                    place, marker = folder / "place", folder / "marker"
                    shutil.rmtree(place, ignore_errors=True)
                    marker.unlink(missing_ok=True)
                    if kind == "first":
                        new_folder(folder, "place")
                    else:
                        shutil.copytree(folder / "short", place)
                    code, errors = nursery.run(
                        commands[kind], place, fault={"at": number, "how": how, "marker": str(marker)}
                    )
                    if not marker.exists():
                        break
                    found = _what_was_lost(nursery, place, marker.read_text(), how, code, errors, epochs, whole)
                    yield f"{kind}, operation {number} ({marker.read_text()}), {how}: {found}" if found else ""
                    number += step


def _stopped_short(folder, nursery, epochs):
    """A training of these epochs that was killed when it had left a model and two checkpoints."""
    for number in range(20, 2000, 10):
        place = folder / "short"
        shutil.rmtree(place, ignore_errors=True)
        new_folder(folder, "short")
        fault = {"at": number, "how": "before", "marker": str(folder / "marker")}
        nursery.run([*TRAIN, *epochs, "--save-every", "0"], place, fault=fault)
        if all((place / name).exists() for name in ("m.npz", *CHECKPOINTS)):
            for part in place.glob(".*"):
                part.unlink()
            return
    raise AssertionError("no such training was to be had")


def _what_was_lost(nursery, place, operation, how, code, errors, epochs, whole):
    killed = how in ("before", "after")
    if killed and code != -signal.SIGKILL:
        return f"it was to be killed, and ended with {code}"
    if not killed:
        found = complaint(code, errors)
        parts = [path.name for path in place.glob(".*.part")]
        if found or (parts and operation not in ("unlink", "scandir")):  # else the next run removes it
            return found or f"left {parts}"
    if (place / "m.npz").exists() and nursery.run(["info", "m.npz"], place)[0]:
        return "the model does not load"
    return go_on(nursery, place, epochs, whole)


def full_disks(folder: Path, sizes=(1000, 1500, 2000, 3000, 4000, 5000, 8000, 20000)) -> Iterator[str]:
    """No file may grow beyond a size: a first training, and one that goes on."""
    with Nursery(folder) as nursery:
        epochs = ["--epochs", "3", "--save-every", "0.02"]
        whole = whole_digest(folder, nursery, epochs)
        _stopped_short(folder, nursery, epochs)
        for size in sizes:
            for resume in (False, True):
                shutil.rmtree(folder / "place", ignore_errors=True)
                if resume:
                    place = Path(shutil.copytree(folder / "short", folder / "place"))
                else:
                    place = new_folder(folder, "place")
                limits = [(resource.RLIMIT_FSIZE, size)]
                code, errors = nursery.run([*TRAIN, *epochs, *["--resume"] * resume], place, limits=limits)
                found = complaint(code, errors)
                parts = [path.name for path in place.glob(".*.part")]
                found = found or (f"left {parts}" if parts else "") or go_on(nursery, place, epochs, whole)
                yield f"files of at most {size} bytes, resume {resume}: {found}" if found else ""


def little_memory(folder: Path, megabytes=(0, 1, 2, 4, 8, 16, 32, 64)) -> Iterator[str]:
    """A large network, and so many megabytes more than charlm takes before it begins."""
    with Nursery(folder) as nursery:
        for number, more in enumerate(megabytes):
            place = new_folder(folder, number)
            options = [*SMALL, "--hidden", "700", "--threads", "2", "--epochs", "1"]
            limits = [(resource.RLIMIT_AS, more << 20)]
            code, errors = nursery.run(["train", "text.txt", "-o", "m.npz", *options], place, limits=limits)
            found = complaint(code, errors)
            left = [path.name for path in place.iterdir() if path.name not in ("text.txt", "m.npz")]
            found = found or (f"left {left}" if left else "")
            yield f"{more} MB more: {found}" if found else ""
