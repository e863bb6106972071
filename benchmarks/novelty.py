"""What it costs to check that sampled text is new: with the filters of the model file, and with a search of the corpus.

    python benchmarks/novelty.py [--rounds 5] [--only TEXT] [--json FILE]

charlm samples the same text with the same seed and checks it in three ways: with the filters in the model file, with
``--corpus`` (filters of the corpus, whose hits are looked up in the corpus), and by a plain search of the corpus for
the line and for its longest copied run. Each ratio is the time of the search divided by the time of the filters,
sampling included. The samples must also be new according to the search.
"""

import sys
import tempfile
from pathlib import Path

from interleaved import WAITING, Command, Contender, Failed, medians, ratio, run_interleaved, seconds
from report import ROOT, Figure, run_alone, wanted
from workloads import Workload, charlm_command, untrained_model, write_text

TITLE = "New text"
COLUMNS = ("what", "filters", "--corpus", "search", "search / filters")
TARGET = 1.0  # at least: the time of the search divided by the time of the filters
NAMES, ROWS, CHARACTERS = 10_000, 20, 1000
AS_COMMAND = WAITING | {"OPENBLAS_NUM_THREADS": "1"}  # as charlm's command line sets it for NumPy
LIST, TEXT = f"{NAMES:,} different names of a list of 17 kB", f"{ROWS * CHARACTERS:,} characters of a text of 1 MB"


class Search:
    """Answers each question about a text by searching it. Has the methods of ``charlm.text.novelty.Novelty``."""

    shortest_run = 16  # as in the filters
    held_out = None

    def __init__(self, path):
        self.text = "\n" + Path(path).read_text(encoding="utf-8")

    def default_limit(self, lines):
        return 30 if lines else 50

    def contains_lines(self, texts):
        return [f"\n{text}\n" in self.text for text in texts]

    def longest_copied_runs(self, texts):
        return list(map(self.longest_copied_run, texts))

    def follow(self, trails, texts, limit):
        return [self._followed(trail, text, limit) for trail, text in zip(trails, texts, strict=True)]

    def _followed(self, trail, text, limit):
        text = text if not len(trail.said) else trail.said + text
        run = 0
        while run < len(text) and text[len(text) - run - 1 :] in self.text:
            run += 1
        end = run if run >= self.shortest_run else 0
        return trail._replace(said=text[max(0, len(text) - limit) :], run=end), self.longest_copied_run(text), 0

    def longest_copied_run(self, text):
        longest = self.shortest_run - 1
        for start in range(len(text)):
            while start + longest < len(text) and text[start : start + longest + 1] in self.text:
                longest += 1
        return longest if longest >= self.shortest_run else 0


def sampling(path, corpus, way, settings):
    """Measure the seconds of sampling and checking. Raises Failed if a sample is a line of the corpus."""
    import charlm

    model, search = charlm.load(path), Search(corpus)
    known = {"filters": None, "--corpus": corpus, "search": search}[way]
    found = []

    def sample():
        found[:] = charlm.sample(model, seed=1, corpus=known, **settings)

    def measure():
        passed = seconds(sample)
        if model.lines and any(search.contains_lines(one.text for one in found)):
            raise Failed("a sample is a line of the corpus")
        return passed

    return measure


def trained_on_names(folder, options):
    corpus, path = ROOT / "corpora/dinosaurs.txt", folder / "names.npz"
    epochs = 1 if options.quick else 15
    train = charlm_command("train", corpus, "--lines", "--epochs", epochs, "--batch", 16, "--dropout", 0.3)
    Command([*train, "--holdout", "0", "-q", "-o", str(path)]).measure()  # so that the model file knows the whole list
    return path, corpus


def untrained_with_a_text(folder, options):
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
    parts = {LIST: (trained_on_names, names), TEXT: (untrained_with_a_text, text)}
    for name in wanted(parts, options):
        make, settings = parts[name]
        with tempfile.TemporaryDirectory() as folder:
            path, corpus = make(Path(folder), options)
            shared = {"path": path, "corpus": corpus, "settings": settings, "environment": AS_COMMAND}
            ways = {way: Contender(sampling, way=way, **shared) for way in ("filters", "--corpus", "search")}
            measured = run_interleaved(ways, options.rounds)
        figure = Figure(ratio(measured["search"], measured["filters"]), TARGET)
        yield {"name": name, "medians": medians(measured), "ratio": figure}


def cells(row):
    return row["name"], *(f"{value:.2f} s" for value in row["medians"].values()), row["ratio"]


def add_options(parser):
    pass


if __name__ == "__main__":
    run_alone(sys.modules[__name__])
