"""Peak memory grows with the size of the text no further than the documentation says."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .runs import NO_CORE, SMALL, complaint, some_text

MB = 1_000_000
MOST = 400 * MB  # resident memory, for any text
PER_LINE = 8  # more bytes per line with --lines
TEXTS = {"short lines": some_text(10_000), "one line": some_text(10_000).replace("\n", " ")}
LINES = {"short lines": ([], ["--lines"]), "one line": ([],)}  # charlm rejects a list that is one line of 1 GB
MEASURED = """
import sys
from pathlib import Path
from charlm.cli import program
try:
    program.main(sys.argv[2:], prog_name="charlm")
finally:
    Path(sys.argv[1]).write_text(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def by_size(folder: Path, megabytes, texts=tuple(TEXTS)) -> Iterator[str]:
    """The peak of a training of a few updates, and of scoring the first 100 MB, for texts of several sizes."""
    path = folder / "text.txt"
    for size in megabytes:
        for name in texts:
            number = _write(path, TEXTS[name].encode(), size * MB)
            for lines in LINES[name]:
                epochs, most = str(20_000 / (size * MB)), MOST + PER_LINE * number * bool(lines)
                train = ["train", "text.txt", "-o", "m.npz", *SMALL, "--batch", "64", "--epochs", epochs, *lines]
                yield _problem(train, folder, f"{size} MB, {name}", most)
            _write(path, TEXTS[name].encode(), min(size, 100) * MB)
            yield _problem(["perplexity", "--model", "m.npz", "text.txt"], folder, f"{size} MB, {name}", MOST)
    path.unlink()


def _write(path, piece, size):
    """Write a text of about this size. Returns its number of lines."""
    times = size // len(piece) + 1
    with open(path, "wb") as file:
        for _ in range(times):
            file.write(piece)
    return times * piece.count(b"\n")


def _problem(command, folder, where, most):
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "peak", *command], cwd=folder, env=os.environ | NO_CORE, capture_output=True
    )
    found = complaint(done.returncode, done.stderr.decode(), (0,))
    if not found and (peak := 1024 * int((folder / "peak").read_text())) > most:
        found = f"{peak / MB:.0f} MB"
    return f"{where}, {command[0]}: {found}" if found else ""
