"""What charlm holds in memory at most does not grow with the text beyond what README says."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .workshop import NO_CORE, SMALL, complaint, some_text

MB = 1_000_000
MOST = 400 * MB  # of resident memory, for any text
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
            _write(path, TEXTS[name].encode(), size * MB)
            for lines in LINES[name]:
                epochs = str(20_000 / (size * MB))
                train = ["train", "text.txt", "-o", "m.npz", *SMALL, "--batch", "64", "--epochs", epochs, *lines]
                yield _problem(train, folder, f"{size} MB, {name}")
            _write(path, TEXTS[name].encode(), min(size, 100) * MB)
            yield _problem(["perplexity", "--model", "m.npz", "text.txt"], folder, f"{size} MB, {name}")
    path.unlink()


def _write(path, piece, size):
    with open(path, "wb") as file:
        for _ in range(size // len(piece) + 1):
            file.write(piece)


def _problem(command, folder, where):
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "peak", *command], cwd=folder, env=os.environ | NO_CORE, capture_output=True
    )
    found = complaint(done.returncode, done.stderr.decode(), (0,))
    if not found and (peak := 1024 * int((folder / "peak").read_text())) > MOST:
        found = f"{peak / MB:.0f} MB"
    return f"{where}, {command[0]}: {found}" if found else ""
