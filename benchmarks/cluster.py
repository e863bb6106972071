"""Training on many machines, computed: what an update and its exchange cost, from 2 to 1,024 ranks.

    python benchmarks/cluster.py [--cores 16] [--only 2×512] [--json FILE]

A rank is a machine. Its part of an update is measured here on one core, for several numbers of rows, and divided by
``--cores``. Latency and bandwidth are those that others have measured (``NETWORKS``). An exchange adds the gradients by
recursive halving and gathers the sums back: each rank sends, and receives, every number of the gradient twice at most,
however many ranks there are. Efficiency is the time of the update divided by that of update and exchange.

In step, there is one exchange for each update. With local updates there is one for H of them; it carries Adam's two
moments besides the differences of the weights. The table has the efficiency in step, with H 16, and with H 64. The rows
per rank stay the same, so that the batch grows with the ranks; the last columns divide a batch of fixed size instead.
"""

import math
import sys
from typing import NamedTuple

from interleaved import Contender, run_interleaved
from report import at_least_1, run_alone, wanted
from workloads import Workload

TITLE = "Training on many machines, computed"
RANKS = 2, 8, 64, 1024
LOCAL = 16, 64  # updates between two exchanges
ROWS, FIXED = 32, 256  # rows of each rank, and rows of a batch that the ranks divide
STEPS = 64
MEASURED = 4, 16, 64  # rows
# Small messages with each exchange (the loss, the clock three times, whether to go on), and the seconds that charlm
# takes for them in each stage besides the latency, as measured between two processes of one machine.
MESSAGES, CALLS = 5, 40e-6
SHAPES = {f"LSTM {layers}×{hidden}": (layers, hidden) for layers, hidden in ((1, 256), (2, 512), (2, 1024))}
COLUMNS = (
    "network, between the ranks",
    "update, ms",
    "exchange of 64 ranks, ms",
    *(f"{ranks:,} ranks" for ranks in RANKS),
    f"{FIXED} rows in all: fastest with",
    "× one rank",
)


class Link(NamedTuple):
    """Between two ranks. latency: seconds of a short message. bandwidth: bytes per second, each way at the same
    time."""

    latency: float
    bandwidth: float


# 1 GbE: Open MPI over TCP through a switch, www.nw-grid.ac.uk/LivMPI. 10 GbE: the latency of TCP in
# github.com/openucx/ucx/issues/10049, and ten times that bandwidth. HDR100: the latency in
# github.com/open-mpi/ompi/issues/12785, and half of the both ways' bandwidth in github.com/openucx/ucx/issues/7245.
NETWORKS = {"1 GbE": Link(23.6e-6, 118e6), "10 GbE": Link(15e-6, 1.18e9), "InfiniBand HDR100": Link(1.33e-6, 12.3e9)}


class Costs(NamedTuple):
    """Seconds of a rank. fixed: of an update, whatever its rows (packing, Adam). row: of an update, for each row.
    adding: of the sum of two gradients. size: of a gradient, in bytes."""

    fixed: float
    row: float
    adding: float
    size: int

    def update(self, rows: float) -> float:
        return self.fixed + self.row * rows

    def exchange(self, ranks: int, link: Link, arrays: int = 1) -> float:
        """Seconds in which the ranks add ``arrays`` arrays of the gradient's size, and agree to go on."""
        if ranks == 1:
            return 0.0
        stages, size = math.log2(ranks), arrays * self.size
        halved, adding = 1 - 1 / ranks, arrays * self.adding
        by_halves = 2 * stages * link.latency + halved * (2 * size / link.bandwidth + adding)
        whole = stages * (link.latency + size / link.bandwidth + adding)
        return min(by_halves, whole) + stages * (MESSAGES * link.latency + CALLS)

    def efficiency(self, ranks: int, link: Link, local: int = 1) -> float:
        """Of ranks with ROWS rows each. local: updates between exchanges, 1 in step."""
        computing = local * self.update(ROWS)
        return computing / (computing + self.exchange(ranks, link, arrays=1 if local == 1 else 3))

    def divided(self, ranks: int, link: Link) -> float:
        """How many times as fast as one rank so many are, in step, with FIXED rows in all."""
        return self.update(FIXED) / (self.update(FIXED / ranks) + self.exchange(ranks, link))


def costs_contender(shape):
    """Measure the seconds of the fastest update for each number of rows in MEASURED, of the fastest sum of two
    gradients, and the size of one, on one core."""
    import time

    import numpy as np

    from charlm.kernels.compiling import HAS_BFLOAT16
    from charlm.network.architecture import Architecture, initial_parameters
    from charlm.network.optimizers import Adam
    from charlm.network.stack import Stack, StackWindow
    from charlm.network.threads import ThreadPool

    workload = Workload("lstm", *shape)
    sizes = Architecture(workload.vocabulary, workload.cell, workload.hidden, workload.layers)
    stack = Stack(sizes, initial_parameters(sizes, np.zeros(workload.vocabulary), 1), ThreadPool(1))
    windows = {rows: StackWindow(stack, STEPS, rows, training=True) for rows in MEASURED}
    adam, other = Adam(stack, 5.0), np.zeros_like(stack.parameters)
    precision = "bf16" if HAS_BFLOAT16 else "float32"
    random = np.random.default_rng(1)
    tokens = {rows: random.integers(0, workload.vocabulary, (STEPS, rows)).astype(np.int32) for rows in MEASURED}

    def update(rows):
        stack.pack(for_training=True, precision=precision)
        windows[rows].forward_backward(tokens[rows], tokens[rows], 1 / tokens[rows].size)
        adam.update(1e-3)

    def timed(work):
        begun = time.thread_time()  # of this thread alone, whoever else wants the core
        work()
        return time.thread_time() - begun

    def measure():
        updates = [timed(lambda rows=rows: update(rows)) for rows in MEASURED]
        return *updates, timed(lambda: np.add(other, stack.gradient, out=other)), other.nbytes

    return measure


def costs_of(shape, options) -> Costs:
    """The costs of a network, from the fastest of all rounds: other programs may slow down the rest."""
    rounds = 2 if options.quick else 3 * options.rounds
    found = run_interleaved({"": Contender(costs_contender, shape=shape)}, rounds)[""]
    *updates, adding, size = map(min, zip(*found, strict=True))
    mean_rows, mean_seconds = sum(MEASURED) / len(MEASURED), sum(updates) / len(updates)
    products = sum((x - mean_rows) * (y - mean_seconds) for x, y in zip(MEASURED, updates, strict=True))
    row = products / sum((x - mean_rows) ** 2 for x in MEASURED)
    fixed = max(0.0, mean_seconds - row * mean_rows)
    return Costs(fixed / options.cores, row / options.cores, adding, size)


def rows(options):
    names = {f"{shape}, {network}": (shape, network) for shape in SHAPES for network in NETWORKS}
    costs: dict[str, Costs] = {}
    for name in wanted(names, options):
        shape, network = names[name]
        found = costs.setdefault(shape, costs.get(shape) or costs_of(SHAPES[shape], options))
        link = NETWORKS[network]
        best = max((2**power for power in range(FIXED.bit_length())), key=lambda ranks: found.divided(ranks, link))
        yield {
            "name": name,
            "costs": found._asdict(),
            "update": found.update(ROWS),
            "exchange": found.exchange(64, link),
            "efficiency": {ranks: [found.efficiency(ranks, link, local) for local in (1, *LOCAL)] for ranks in RANKS},
            "fastest": best,
            "times": found.divided(best, link),
        }


def cells(row):
    return (
        row["name"],
        f"{1000 * row['update']:.3g}",
        f"{1000 * row['exchange']:.3g}",
        *(", ".join(f"{100 * one:.0f} %" for one in found) for found in row["efficiency"].values()),
        f"{row['fastest']} rank{'s' if row['fastest'] > 1 else ''}",
        f"{row['times']:.1f}",
    )


def add_options(parser):
    parser.add_argument("--cores", type=at_least_1, default=16, help="cores of a rank, for cluster.py")


if __name__ == "__main__":
    run_alone(sys.modules[__name__])
