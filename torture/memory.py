"""What charlm holds in memory at most does not grow with the text beyond what README says."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .workshop import NO_CORE, SMALL, complaint, some_text

MB = 1_000_000
MOST = 400 * MB  # of resident memory, for any text
PER_LINE = 8  # bytes more for each line of a list
TEXTS = {"short lines": some_text(10_000), "one line": some_text(10_000).replace("\n", " ")}
LINES = {"short lines": ([], ["--lines"]), "one line": ([],)}  # a row that is one sequence of 1 GB is refused
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
    """The peak of a training of a few updates, and of a scoring of the first 100 MB, on texts of several sizes."""
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
    """A text of about that size; how many lines it has."""
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
