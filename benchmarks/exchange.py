"""An update and its exchange among the processes of a job, measured, next to what ``cluster.py`` computes for them.

    mpirun -n 4 python benchmarks/exchange.py [--rounds 5] [--only 2×512]

Each rank computes on one thread. Latency and bandwidth between two ranks, and the time that it takes to add two
gradients, are measured too, and given to the formula. A figure is the fastest of all rounds on the slowest rank,
because other programs may slow down the rest. Where several ranks share a processor, an exchange waits for it.
"""

import time

import numpy as np
from cluster import ROWS, SHAPES, STEPS, Costs, Link
from report import parser_for, table_head, table_row, wanted
from workloads import Workload

from charlm.kernels.compiling import HAS_BFLOAT16
from charlm.network.architecture import Architecture, initial_parameters
from charlm.network.optimizers import Adam
from charlm.network.stack import Stack, StackWindow
from charlm.network.threads import ThreadPool
from charlm.ranks import job

EXCHANGES = 20  # for each update
LARGE = 1 << 24  # bytes of a message for the bandwidth
COLUMNS = "network", "update, ms", "exchange, ms: measured", "computed", "efficiency: measured", "computed"


def fastest(work, times: int, clock=time.perf_counter) -> float:
    """The seconds of the fastest call."""
    found = []
    for _ in range(times):
        begun = clock()
        work()
        found.append(clock() - begun)
    return min(found)


def measured_link(ranks, times: int) -> Link:
    """Between neighbours that send and receive at the same time; the slowest pair."""
    from mpi4py import MPI

    world, other = MPI.COMM_WORLD, ranks.rank ^ 1

    def seconds(size):
        given, found = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
        return fastest(lambda: world.Sendrecv(given, other, recvbuf=found, source=other), times)

    latency, large = max(ranks.gather(seconds(1))), max(ranks.gather(seconds(LARGE)))
    return Link(latency, LARGE / (large - latency))


def updater(shape):
    """The gradient of a network, and a function that makes an update but for the exchange."""
    workload = Workload("lstm", *shape)
    sizes = Architecture(workload.vocabulary, workload.cell, workload.hidden, workload.layers)
    stack = Stack(sizes, initial_parameters(sizes, np.zeros(workload.vocabulary), 1), ThreadPool(1))
    window, adam = StackWindow(stack, STEPS, ROWS, training=True), Adam(stack, 5.0)
    precision = "bf16" if HAS_BFLOAT16 else "float32"
    tokens = np.random.default_rng(1).integers(0, workload.vocabulary, (STEPS, ROWS)).astype(np.int32)

    def update():
        stack.pack(for_training=True, precision=precision)
        window.forward_backward(tokens, tokens, 1 / tokens.size)
        adam.update(1e-3)

    return stack.gradient, update


def row(name, ranks, link: Link, rounds: int):
    gradient, update = updater(SHAPES[name])
    update()
    other = np.zeros_like(gradient)
    updating = fastest(update, rounds, time.thread_time)
    adding = fastest(lambda: np.add(other, gradient, out=other), EXCHANGES * rounds)
    gradient[:] = 0  # for sums of sums
    exchange = fastest(lambda: (ranks.any(False), ranks.sum_tree(gradient)), EXCHANGES * rounds)
    updating, adding, exchange = map(max, zip(*ranks.gather((updating, adding, exchange)), strict=True))
    computed = Costs(0.0, updating / ROWS, adding, gradient.nbytes).exchange(ranks.number, link)
    return (
        name,
        f"{1000 * updating:.3g}",
        f"{1000 * exchange:.3g}",
        f"{1000 * computed:.3g}",
        *(f"{100 * updating / (updating + one):.0f} %" for one in (exchange, computed)),
    )


def main():
    options, ranks = parser_for(__doc__.splitlines()[0]).parse_args(), job()
    if ranks.number == 1:
        raise SystemExit("an exchange needs several processes: mpirun -n 2 python benchmarks/exchange.py")
    link = measured_link(ranks, EXCHANGES * options.rounds)
    rows = [row(name, ranks, link, options.rounds) for name in wanted(SHAPES, options)]
    if ranks.is_first:
        print(
            f"{ranks.number} ranks; latency {1e6 * link.latency:.2f} µs, {link.bandwidth / 1e6:,.0f} MB/s each way\n\n"
            + "\n".join([table_head(COLUMNS), *map(table_row, rows)])
        )


if __name__ == "__main__":
    main()
