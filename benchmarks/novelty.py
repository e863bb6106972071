"""New text: what it costs to know that it is new, by the model file's filters and by a search of the corpus.

    python benchmarks/novelty.py [--rounds 5] [--only TEXT] [--json FILE]

The same text is drawn, with the same seed, and looked up in three ways: in the filters that travel in the model file,
with ``--corpus`` (filters of the corpus, and what they find is looked up in it), and by plain search of the corpus for
the line and for its longest copied run. Each ratio is the time of the search over that of the filters, drawing
included. What was drawn must be new by the search as well.
"""

import sys
import tempfile
from functools import partial
from pathlib import Path

from report import ROOT, Figure, alone, wanted
from turns import WAITING, Command, Contender, Failed, in_turn, medians, ratio, seconds
from workloads import Workload, charlm_command, untrained_model, write_text

TITLE = "New text"
COLUMNS = ("what", "filters", "--corpus", "search", "search over filters")
ASKED = 1.0  # times
NAMES, ROWS, CHARACTERS = 10_000, 20, 1000
AS_COMMAND = WAITING | {"OPENBLAS_NUM_THREADS": "1"}  # as charlm's command line has it for NumPy
LIST, TEXT = f"{NAMES:,} names, none twice, of a list of 17 kB", f"{ROWS * CHARACTERS:,} characters of a text of 1 MB"


class Search:
    """Knows a text by searching it for each question: what takes the place of ``charlm.novelty.Novelty``."""

    shortest_run = 16  # as in the filters

    def __init__(self, path):
        self.text = "\n" + Path(path).read_text(encoding="utf-8")

    def contains_lines(self, texts):
        return [f"\n{text}\n" in self.text for text in texts]

    def longest_copied_runs(self, texts):
        return list(map(self.longest_copied_run, texts))

    def longest_copied_run(self, text):
        longest = self.shortest_run - 1
        for first in range(len(text)):
            while first + longest < len(text) and text[first : first + longest + 1] in self.text:
                longest += 1
        return longest if longest >= self.shortest_run else 0


def drawn(path, corpus, way, settings):
    """Seconds of drawing and looking up. Raises Failed where a whole line of the corpus is among what was drawn."""
    import charlm

    model, search = charlm.load(path), Search(corpus)
    known = {"filters": None, "--corpus": corpus, "search": search}[way]
    found = []

    def draw():
        found[:] = charlm.sample(model, seed=1, corpus=known, **settings)

    def measure():
        passed = seconds(draw)
        if model.lines and any(search.contains_lines(sample.text for sample in found)):
            raise Failed("a line of the corpus was drawn")
        return passed

    return measure


def trained_on_names(folder, options):
    corpus, path = ROOT / "corpora/dinosaurs.txt", folder / "names.npz"
    epochs = 1 if options.quick else 15
    train = charlm_command("train", corpus, "--lines", "--epochs", epochs, "--batch", 16, "--dropout", 0.3)
    Command([*train, "--holdout", "0", "-q", "-o", str(path)]).measure()  # so that all of the list is known
    return path, corpus


def untrained_beside_a_text(folder, options):
    from charlm.text.novelty import Novelty
    from charlm.text.vocabulary import code_points

    corpus, path = write_text(folder / "text.txt", 100_000 if options.quick else 1_000_000), folder / "text.npz"
    model, points = untrained_model(Workload("lstm", 2, 128)), code_points(corpus.read_text())
    model.novelty = Novelty.of_text(lambda: [points], in_bytes=False)
    model.save(path)
    return path, corpus


def rows(options):
    names = {"count": 500 if options.quick else NAMES, "unique": True}
    text = {"count": 2 if options.quick else ROWS, "length": CHARACTERS}
    parts = {LIST: (trained_on_names, names), TEXT: (untrained_beside_a_text, text)}
    for name in wanted(parts, options):
        make, settings = parts[name]
        with tempfile.TemporaryDirectory() as folder:
            contender = partial(Contender, drawn, *make(Path(folder), options), environment=AS_COMMAND)
            ways = {way: contender(way, settings) for way in ("filters", "--corpus", "search")}
            measured = in_turn(ways, options.rounds)
        figure = Figure(ratio(measured["search"], measured["filters"]), ASKED)
        yield {"name": name, "medians": medians(measured), "ratio": figure}


def cells(row):
    return row["name"], *(f"{value:.2f} s" for value in row["medians"].values()), row["ratio"]


def add_options(parser):
    pass


if __name__ == "__main__":
    alone(sys.modules[__name__])
