"""How the time per character grows with hidden width, layers, rows, steps, vocabulary, threads and size of the text.

    python benchmarks/growth.py [--only TEXT] [--corpus 1000] [--json FILE] [--picture FILE]

One size changes at a time, and all its values are measured in interleaved runs. The table also says how much the
number of multiply-adds grows: if both grow alike, the time is linear in the work. "Fraction of peak" is the time that
the multiply-adds would take at the speed of the register tile alone, on the same number of cores, divided by the time
measured.

The size of the text has two rows. Training: one update after the other through the text. Reading: everything before
(decoding, building the vocabulary, splitting).
"""

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from interleaved import MOMENT, Contender, medians, ratio, run_interleaved, seconds
from picture import Panel, draw
from report import Figure, machine, run_alone, wanted
from training import charlm_contender, peak_contender
from workloads import Workload, write_text

TITLE = "Growth"
COLUMNS = (
    "with",
    "value",
    "µs a character",
    "× the first",
    "multiply-adds × the first",
    "quotient",
    "fraction of peak",
)
TWO_THREADS = 1.85  # target for two threads, × one thread
BASE = Workload("lstm", 1, 256)
DEFAULT = Workload("lstm", 2, 128, 50, 50)
WORDS = Workload("lstm", 1, 128, 20, 35)


@dataclass(frozen=True)
class Axis:
    """One size and its values; ``base`` holds the other sizes."""

    field: str
    base: Workload
    values: tuple[int, ...]

    def at(self, value) -> Workload:
        return self.base if self.field == "threads" else self.base._replace(**{self.field: value})


AXES = {
    "hidden width H": Axis("hidden", BASE, (64, 128, 256, 512, 1024)),
    "layers L": Axis("layers", BASE, (1, 2, 3, 4)),
    "rows N": Axis("rows", BASE, (1, 4, 16, 64, 256)),
    "steps T": Axis("steps", BASE, (8, 16, 32, 64, 128, 256)),
    "vocabulary V": Axis("vocabulary", WORDS, (30, 100, 1000, 10_000, 50_000)),
    "threads": Axis("threads", BASE, ()),
    "threads, LSTM 2×128": Axis("threads", DEFAULT, ()),
}
TEXTS = {"size of the text, MB: training": "training", "size of the text, MB: reading": "reading"}
SIZES = (1, 10, 100, 1000)


def text_contender(path, workload, threads):
    """Measure (tokens trained per second, characters read per second) on this text, which is read once."""
    from charlm.learning.autotune import new_trainer

    trainers = []
    sizes = {"hidden": workload.hidden, "layers": workload.layers, "batch": workload.rows, "steps": workload.steps}
    took = seconds(lambda: trainers.append(new_trainer(path, threads=threads, holdout=0, epochs=1000, **sizes)))
    reading = path.stat().st_size / took
    steps = trainers[0].run()

    def measure():
        tokens, begun = 0, time.perf_counter()
        while (passed := time.perf_counter() - begun) < MOMENT or not tokens:
            tokens += next(steps).window_tokens
        return tokens / passed, reading

    return measure


def threads_up_to(most) -> tuple[int, ...]:
    """1, 2, 4, … and ``most``."""
    return tuple(sorted({*(2**power for power in range(most.bit_length()) if 2**power <= most), most}))


def measured_axis(name, options):
    """For each value: (value, workload, threads, rates of the rounds, rates of the tile)."""
    axis = AXES[name]
    values = axis.values or threads_up_to(options.threads)
    if options.quick:
        values = values[:3]
    threads = {value: value if axis.field == "threads" else options.threads for value in values}
    contenders = {
        value: Contender(charlm_contender, workload=axis.at(value), threads=threads[value]) for value in values
    }
    contenders |= {("peak", number): Contender(peak_contender, threads=number) for number in set(threads.values())}
    measured = run_interleaved(contenders, 2 if options.quick else options.rounds)
    return [
        (value, axis.at(value), threads[value], measured[value], measured["peak", threads[value]]) for value in values
    ]


def points(name, options):
    first = None
    for value, workload, threads, rates, peaks in measured_axis(name, options):
        first = first or (rates, workload)
        work = workload.multiply_adds / first[1].multiply_adds
        grown = ratio(first[0], rates)
        scaling = AXES[name].field == "threads"
        point = {
            "name": f"{name} = {value:,}",
            "with": name,
            "value": value,
            "seconds": 1 / medians({value: rates})[value],
            "least": workload.multiply_adds / medians({value: peaks})[value],
            "grown": grown,
            "work": work / threads if scaling else work,
            "fraction of peak": ratio(rates, peaks) * workload.multiply_adds,
        }
        if scaling and threads == 2:
            point["two threads × one"] = Figure(1 / grown, TWO_THREADS)
        yield point


def text_points(names, folder, options):
    """The rows of the text's size. The same processes measure reading and training."""
    sizes = [size for size in SIZES if size <= (10 if options.quick else options.corpus)]
    contenders = {}
    for size in sizes:
        path = write_text(folder / f"{size}.txt", size * 1_000_000)
        contenders[size] = Contender(text_contender, path=path, workload=DEFAULT, threads=options.threads)
        path.unlink()
    measured = run_interleaved(contenders, 2 if options.quick else options.rounds)
    for name in names:
        which = ("training", "reading").index(TEXTS[name])
        rates = {size: [pair[which] for pair in pairs] for size, pairs in measured.items()}
        for size in sizes:
            yield {
                "name": f"{name} = {size:,}",
                "with": name,
                "value": size,
                "seconds": 1 / medians(rates)[size],
                "grown": ratio(rates[sizes[0]], rates[size]),
                "work": 1.0,
            }


def rows(options):
    names = wanted([*AXES, *TEXTS], options)
    found = []
    for name in names:
        if name in AXES:
            for point in points(name, options):
                found.append(point)
                yield point
    texts = [name for name in names if name in TEXTS]
    if texts:
        with tempfile.TemporaryDirectory() as folder:
            for point in text_points(texts, Path(folder), options):
                found.append(point)
                yield point
    if options.picture:
        Path(options.picture).write_text(picture_of(found), encoding="utf-8")


def picture_of(found) -> str:
    """An SVG with one panel per size."""
    facts = machine()
    return draw(
        "Time per character, µs",
        f"{facts['processor']}; {facts['cores']} cores; {facts['date']}",
        ("measured", "time of the multiply-adds alone, at the speed of the register tile"),
        [
            panel(name, [point for point in found if point["with"] == name])
            for name in dict.fromkeys(p["with"] for p in found)
        ],
    )


def panel(name, points) -> Panel:
    measured = [(point["value"], point["seconds"] * 1e6) for point in points]
    least = [(point["value"], point["least"] * 1e6) for point in points if "least" in point]
    return Panel(name, around(name), measured, least)


def around(name) -> str:
    """The sizes that stay constant."""
    if name in TEXTS:
        return (
            f"{DEFAULT}, N {DEFAULT.rows}, T {DEFAULT.steps}"
            if TEXTS[name] == "training"
            else "charlm train, before training"
        )
    field, base = AXES[name].field, AXES[name].base
    layers = base.layers if field != "layers" else "L"
    hidden = base.hidden if field != "hidden" else "H"
    rest = {"rows": f"N {base.rows}", "steps": f"T {base.steps}", "vocabulary": f"V {base.vocabulary:,}"}
    rest.pop(field, None)
    return ", ".join([f"{base.cell.upper()} {layers}×{hidden}", *rest.values()])


def cells(row):
    scaling = f" ({row['two threads × one']})" if "two threads × one" in row else ""
    return (
        row["with"],
        f"{row['value']:,}",
        f"{row['seconds'] * 1e6:.3g}",
        f"{row['grown']:.2f}{scaling}",
        f"{row['work']:.2f}",
        f"{row['grown'] / row['work']:.2f}",
        f"{row['fraction of peak']:.2f}" if "fraction of peak" in row else "–",
    )


def add_options(parser):
    parser.add_argument("--picture", metavar="FILE", help="write the picture of the growth there, as SVG")


if __name__ == "__main__":
    run_alone(sys.modules[__name__])
