"""How long charlm takes to start: its help, the kernels compiled for the first time, the kernels from the cache.

    python benchmarks/start.py [--rounds 5] [--only TEXT] [--json FILE]

Every measurement is a process from its start to its end. "First kernels" is one that builds a trainer and gets ready
for the first update (``Trainer.prepare``: every kernel that training with this cell calls), with an empty cache folder;
"from the cache" is the same with what that left behind. The imports are there to compare with.
"""

import sys
import tempfile
from pathlib import Path

from report import Figure, alone, installed, wanted
from turns import WAITING, Command, in_turn, medians
from workloads import charlm_command, write_text

TITLE = "Start"
COLUMNS = ("what", "seconds")
HELP, COMPILED, CACHED = 0.15, 8.0, 1.0  # what is asked, at most
CELLS = "lstm", "gru", "rnn", "peephole", "feedforward"
IMPORTS = "pass", "import numpy", "import charlm", "import charlm.cli", "import numba", "import torch"
READY = """
import sys
from charlm.training.autotune import new_trainer
new_trainer(sys.argv[1], cell=sys.argv[2], hidden=16, epochs=1).prepare()
"""


class FromNothing(Command):
    """A command that finds its cache folder, a new one for each measurement, empty."""

    def __init__(self, arguments, folder):
        super().__init__(arguments)
        self.folder = folder

    def measure(self):
        self.environment = WAITING | {"XDG_CACHE_HOME": tempfile.mkdtemp(dir=self.folder)}
        return super().measure()


class FromCacheOf(Command):
    """The same command with the cache that its last measurement filled."""

    def __init__(self, first: FromNothing):
        super().__init__(first.arguments)
        self.first = first

    def measure(self):
        if not self.first.environment.get("XDG_CACHE_HOME"):
            self.first.measure()
        self.environment = self.first.environment
        return super().measure()


def commands(folder):
    """The command of each row, and the figure that is asked."""
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
            measured = in_turn(timed, 1 if options.quick else options.rounds, warm_up)
            for name, middle in medians(measured).items():
                yield {"name": name, "seconds": Figure(middle, found[name][1], most=True)}


def cells(row):
    return row["name"], row["seconds"]


def add_options(parser):
    pass


if __name__ == "__main__":
    alone(sys.modules[__name__])
