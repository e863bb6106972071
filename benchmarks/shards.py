"""What it costs to sum the gradients of shards along a tree: one process with and without --shards 8.

    python benchmarks/shards.py [--rounds 7] [--only NAME] [--json FILE]

Both contenders do the same updates (forward, backward, clipping and Adam) of 32 rows in all, in interleaved runs.
"""

import sys

from interleaved import Contender, medians, ratio, run_interleaved
from report import Figure, run_alone, wanted
from training import charlm_contender
from workloads import Workload

TITLE = "Shards"
COLUMNS = "workload", "without, 1000/s", "with --shards 8, 1000/s", "ratio"
TARGET = 0.93
SHAPES = {"LSTM 1×256, N 32, T 64": (1, 256), "LSTM 2×512, N 32, T 64": (2, 512)}
ROWS = {
    f"{name}, {precision}": (*shape, precision) for name, shape in SHAPES.items() for precision in ("float32", "bf16")
}


def compare(name, options):
    layers, hidden, precision = ROWS[name]
    shared = {"workload": Workload("lstm", layers, hidden, rows=32), "threads": options.threads, "precision": precision}
    contenders = {shards: Contender(charlm_contender, shards=shards, **shared) for shards in (1, 8)}
    measured = run_interleaved(contenders, 2 if options.quick else options.rounds)
    middle = medians(measured)
    return {
        "name": name,
        "without": middle[1],
        "with": middle[8],
        "ratio": Figure(ratio(measured[8], measured[1]), TARGET),
    }


def rows(options):
    from charlm.kernels.compiling import HAS_BFLOAT16

    for name in wanted(ROWS, options):
        if HAS_BFLOAT16 or not name.endswith("bf16"):
            yield compare(name, options)


def cells(row):
    return row["name"], f"{row['without'] / 1e3:.1f}", f"{row['with'] / 1e3:.1f}", row["ratio"]


def add_options(parser):
    pass


if __name__ == "__main__":
    run_alone(sys.modules[__name__])
