"""Trained characters per second: charlm against PyTorch in interleaved runs on this machine.

    python benchmarks/training.py [--rounds 7] [--only NAME] [--lanes 8] [--precision bf16] [--json FILE]

One update is forward, backward, clipping and Adam in both. PyTorch gets every choice: one-hot or embedding input (for
words only an embedding, as in charlm), one thread or all (waiting passively, or spinning, its default), float32 or bf16
autocast; the best counts. The fraction of peak is the rate of multiply-adds of the mathematics divided by the rate of
the register tile alone, from cache, on all cores, in the same rounds. With --precision bf16 charlm and the tile
multiply in bfloat16, and charlm in float32 is another contender.
"""

import os
import sys

from interleaved import Contender, Failed, choices_of_threads, medians, rate, ratio, run_interleaved
from report import Figure, need_pytorch, run_alone, wanted
from workloads import Workload

TITLE = "Training"
COLUMNS = (
    "workload",
    "charlm, 1000/s",
    "PyTorch float32, 1000/s",
    "PyTorch any, 1000/s",
    "× float32",
    "× any",
    "fraction of peak",
)
OWN = "× charlm float32"
WORDS = Workload("lstm", 2, 200, 20, 35, 10_000, embedding=200)
WORKLOADS = {  # name: workload, and the targets: × float32, × any, fraction of peak
    "LSTM 2×128, N 50, T 50": (Workload("lstm", 2, 128, 50, 50), 3.0, 2.3, 0.75),
    "LSTM 1×256, N 64, T 64": (Workload("lstm", 1, 256), 2.9, 2.0, 0.80),
    "GRU 1×256, N 64, T 64": (Workload("gru", 1, 256), 3.6, 2.7, 0.75),
    "LSTM 2×512, N 64, T 64": (Workload("lstm", 2, 512), 1.7, 1.1, 0.85),
    "RNN 1×256, N 64, T 64": (Workload("rnn", 1, 256), 2.5, 2.0, None),
    "subwords: LSTM 1×256, V 1,024, N 32, T 64": (Workload("lstm", 1, 256, 32, vocabulary=1024), None, 2.0, None),
    "subwords: LSTM 1×256, V 4,096, N 32, T 64": (Workload("lstm", 1, 256, 32, vocabulary=4096), None, 2.0, None),
    "words: LSTM 2×200, V 10,000, N 20, T 35": (
        WORDS,
        1.6,
        None,
        0.70,
    ),
}


def charlm_contender(workload, threads, precision="float32", shards=1):
    """Measure tokens per second."""
    import numpy as np

    from charlm.network.architecture import Architecture, initial_parameters
    from charlm.network.optimizers import Adam
    from charlm.network.stack import Stack, StackWindow
    from charlm.network.threads import ThreadPool

    cell, layers, hidden, rows, steps, vocabulary, embedding = workload
    architecture = Architecture(vocabulary, cell, hidden, layers, embedding=embedding)
    stack = Stack(architecture, initial_parameters(architecture, np.zeros(vocabulary), 1), ThreadPool(threads))
    stack.shard(shards)
    window, adam = StackWindow(stack, steps, rows, training=True), Adam(stack, 5.0)
    tokens = np.random.default_rng(1).integers(0, vocabulary, (steps, rows)).astype(np.int32)
    stack.pack(for_training=True, precision=precision)

    def update():
        window.forward_backward(tokens, tokens, 1 / (rows * steps)).sum()
        adam.update(1e-3)
        stack.pack(for_training=True, precision=precision)

    return lambda: rate(update, workload.tokens)


def pytorch_contender(workload, threads, one_hot, half):
    """Measure tokens per second."""
    import torch
    from baselines import Network, updater

    torch.manual_seed(1)
    torch.set_num_threads(threads)
    update = updater(Network(workload, one_hot), half)
    tokens = torch.randint(0, workload.vocabulary, (workload.steps, workload.rows))
    return lambda: rate(lambda: update(tokens, tokens), workload.tokens)


def peak_contender(threads, precision="float32"):
    """Measure multiply-adds per second of the tile alone, with operands in cache, on ``threads`` cores."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from charlm.kernels.compiling import compiled
    from charlm.kernels.tile import DEPTH, LANES, ROWS, VECTORS, tile

    @compiled
    def repeat(A, B, C, times):
        for _ in range(times):
            tile(ROWS, VECTORS, A, 0, B, 0, VECTORS * LANES, C, 0, 0, DEPTH, True, 0)

    number = np.uint32 if precision == "bf16" else np.float32  # pairs of bfloat16
    operands = [
        (
            np.zeros((ROWS, DEPTH), number),
            np.zeros(DEPTH * VECTORS * LANES, number),
            np.zeros((ROWS, VECTORS * LANES), np.float32),
        )
        for _ in range(threads)
    ]
    each = ROWS * DEPTH * VECTORS * LANES * (2 if precision == "bf16" else 1)
    pool, times = ThreadPoolExecutor(threads), 20_000
    repeat(*operands[0], 1)

    def all_cores():
        list(pool.map(lambda arrays: repeat(*arrays, times), operands))

    return lambda: rate(all_cores, threads * times * each)


def pytorch_contenders(workload, options) -> dict[str, Contender]:
    """A contender for each combination of PyTorch's choices, by label."""
    inputs = {"one-hot": True, "embedding": False}
    if workload.embedding:
        del inputs["one-hot"]
    elif options.quick:
        del inputs["embedding"]
    return {
        f"{precision}, {way}, {label}": Contender(
            pytorch_contender,
            workload=workload,
            threads=number,
            one_hot=one_hot,
            half=precision == "bf16",
            environment=waiting,
        )
        for precision in ("float32", "bf16")
        for way, one_hot in inputs.items()
        for label, (number, waiting) in choices_of_threads(options).items()
    }


def compare(name, options):
    workload, *targets = WORKLOADS[name]
    shared = {"workload": workload, "threads": options.threads}
    own = {} if options.precision == "float32" else {"charlm float32": Contender(charlm_contender, **shared)}
    pytorch = pytorch_contenders(workload, options)
    measured = run_interleaved(
        {
            "peak": Contender(peak_contender, threads=options.threads, precision=options.precision),
            "charlm": Contender(charlm_contender, precision=options.precision, **shared),
            **own,
            **pytorch,
        },
        2 if options.quick else options.rounds,
    )
    middle = medians(measured)
    best32 = max((label for label in pytorch if label.startswith("float32")), key=middle.get)
    best = max(pytorch, key=middle.get)
    ours = measured["charlm"]
    return {
        "name": name,
        "charlm": middle["charlm"],
        "best float32": best32,
        "float32": middle[best32],
        "best": best,
        "any": middle[best],
        "× float32": Figure(ratio(ours, measured[best32]), targets[0]),
        "× any": Figure(ratio(ours, measured[best]), targets[1]),
        "fraction of peak": Figure(ratio(ours, measured["peak"]) * workload.multiply_adds, targets[2]),
        **({OWN: ratio(ours, measured["charlm float32"])} if own else {}),
        "medians": middle,
    }


def rows(options):
    names = wanted(WORKLOADS, options)
    need_pytorch()
    if options.lanes:
        os.environ["CHARLM_LANES"] = str(options.lanes)
    if options.precision == "bf16":
        from charlm.errors import UsageError
        from charlm.network.products import check_precision

        try:
            check_precision(options.precision)
        except UsageError as error:
            raise Failed(error) from None
    for name in names:
        yield compare(name, options)


def cells(row):
    return (
        row["name"],
        f"{row['charlm'] / 1e3:.1f}" + (f" (bf16, {own:.2f} × its float32)" if (own := row.get(OWN)) else ""),
        f"{row['float32'] / 1e3:.1f} ({row['best float32']})",
        f"{row['any'] / 1e3:.1f} ({row['best']})",
        *(row[column] for column in COLUMNS[-3:]),
    )


def add_options(parser):
    parser.add_argument("--lanes", type=int, choices=(4, 8, 16), help="number of float32 lanes per vector in charlm")
    parser.add_argument(
        "--precision", choices=("float32", "bf16"), default="float32", help="precision of charlm's products"
    )


if __name__ == "__main__":
    run_alone(sys.modules[__name__])
