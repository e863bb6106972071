"""How long charlm takes to start: its help, the kernels compiled for the first time, the kernels from the cache.

    python benchmarks/start.py [--rounds 5] [--only TEXT] [--json FILE]

Every measurement is a process from start to end. "First kernels, compiled" builds a trainer and prepares the first
update (``Trainer.prepare`` compiles every kernel that training with this cell calls), with an empty cache folder. "From
the cache" does the same with the cache that this left. The imports are listed for comparison.
"""

import sys
import tempfile
from pathlib import Path

from interleaved import WAITING, Command, medians, run_interleaved
from report import Figure, installed, run_alone, wanted
from workloads import charlm_command, write_text

from charlm.network.cells import CELLS

TITLE = "Start"
COLUMNS = ("what", "seconds")
HELP, COMPILED, CACHED = 0.15, 6.0, 1.0  # targets in seconds, at most
IMPORTS = "pass", "import numpy", "import charlm", "import charlm.cli", "import numba", "import torch"
READY = """
import sys
from charlm.learning.autotune import new_trainer
new_trainer(sys.argv[1], cell=sys.argv[2], hidden=16, epochs=1).prepare()
"""


class FromNothing(Command):
    """A command with a new, empty cache folder for each measurement."""

    def __init__(self, arguments, folder):
        super().__init__(arguments)
        self.folder = folder

    def measure(self):
        self.environment = WAITING | {"XDG_CACHE_HOME": tempfile.mkdtemp(dir=self.folder)}
        return super().measure()


class FromCacheOf(Command):
    """The same command with the cache that the last measurement of the first one filled."""

    def __init__(self, first: FromNothing):
        super().__init__(first.arguments)
        self.first = first

    def measure(self):
        if not self.first.environment.get("XDG_CACHE_HOME"):
            self.first.measure()
        self.environment = self.first.environment
        return super().measure()


def commands(folder):
    """(command, target in seconds) by the name of the row."""
    corpus = write_text(folder / "text.txt", 20_000)
    found = {"charlm --help": (Command(charlm_command("--help")), HELP)}
    for code in IMPORTS if installed("torch") else IMPORTS[:-1]:
        found[f'python -c "{code}"'] = Command([sys.executable, "-c", code]), None
    for cell in CELLS:
        first = FromNothing([sys.executable, "-c", READY, str(corpus), cell], folder)
        found[f"{cell}: first kernels, compiled"] = first, COMPILED
        found[f"{cell}: first kernels, from the cache"] = FromCacheOf(first), CACHED
    return found


def rows(options):
    with tempfile.TemporaryDirectory() as folder:
        found = commands(Path(folder))
        names = wanted(found, options)
        groups = (
            [name for name in names if "kernels" not in name],
            *([name for name in names if name.startswith(cell)] for cell in CELLS),
        )
        for group in filter(None, groups):
            timed = {name: found[name][0] for name in group}
            warm_up = 0 if "kernels" in group[0] else 1
            measured = run_interleaved(timed, 1 if options.quick else options.rounds, warm_up)
            for name, middle in medians(measured).items():
                yield {"name": name, "seconds": Figure(middle, found[name][1], at_most=True)}


def cells(row):
    return row["name"], row["seconds"]


def add_options(parser):
    pass


if __name__ == "__main__":
    run_alone(sys.modules[__name__])
