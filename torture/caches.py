"""Caches of compiled kernels that cannot be used: training must give the normal result, with at most one warning."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .kills import TRAIN
from .runs import CHARLM, NO_CORE, complaint, digest, new_folder

DAMAGES = {
    "emptied": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "garbage": lambda path: path.write_bytes(bytes(range(256)) * 8),
    "lost": Path.unlink,
    "folders": lambda path: (path.unlink(), path.mkdir()),
}


def environment(home, **more) -> dict[str, str]:
    """The environment of a user with the home folder ``home``; None: a user without one."""
    names = ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA")
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return kept | NO_CORE | ({} if home is None else {name: str(home) for name in names}) | more


def broken(folder: Path, together: int = 8) -> Iterator[str]:
    """Train with caches that are missing, read-only, damaged in several ways, on a full disk, made for another
    processor, and cold in several processes at once. together: how many processes."""
    home, train = folder / "home", [*CHARLM, *TRAIN, "--epochs", "1"]
    home.mkdir()

    def begin(name, env, **more):
        workdir = new_folder(folder, f"in {name}")
        process = subprocess.Popen(train, cwd=workdir, env=env, stderr=subprocess.PIPE, text=True, **more)
        return name, workdir, process

    def end(name, workdir, process, warnings=1):
        _, errors = process.communicate()
        problem = complaint(process.returncode, errors, (0,))
        if not problem and errors.count("warning") > warnings:
            problem = errors
        if not problem and digest(workdir / "m.npz") != wanted:
            problem = "other bytes"
        left = [path.name for path in workdir.iterdir() if path.name not in ("text.txt", "m.npz")]
        return f"{name}: {problem or left}" if problem or left else ""

    def trained(name, env, **more):
        return end(*begin(name, env, **more))

    whole = begin("order", environment(home))
    errors = whole[2].communicate()[1]
    if whole[2].returncode:
        raise AssertionError(errors)
    wanted = digest(whole[1] / "m.npz")
    for number, (name, harm) in enumerate(DAMAGES.items()):
        damaged = Path(shutil.copytree(home, folder / f"damaged{number}"))
        for path in list(damaged.rglob("*.nbc")):
            harm(path)
        yield trained(name, environment(damaged))
    yield trained("no home", environment(os.devnull + "/home"))
    nobody = {"user": 65_534, "group": 65_534, "extra_groups": []} if os.getuid() == 0 else {}
    if os.access(sys.executable, os.X_OK) and not nobody:
        yield trained("nobody's home", environment(None))
    closed = folder / "closed"
    closed.write_text("a file where a folder should be")
    yield trained("no folder", environment(closed))
    (folder / "full").mkdir()
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # noqa: E731
    yield trained("a full disk", environment(folder / "full"), preexec_fn=limit)
    (folder / "other").mkdir()
    yield trained("another processor's", environment(folder / "other", NUMBA_CPU_NAME="x86-64"))
    yield trained("after another processor's", environment(folder / "other"))
    (folder / "cold").mkdir()
    for begun in [begin(f"cold {number}", environment(folder / "cold")) for number in range(together)]:
        yield end(*begun)
