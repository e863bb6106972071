"""What sampling the outputs gains where the vocabulary is large: one update with --softmax-samples, and without.

    python benchmarks/vocabulary.py [--rounds 7] [--only NAME] [--json FILE]

Both contenders do the same updates (choice of the sample, packing, forward, backward, clipping and Adam) in interleaved
runs. The frequencies of the tokens follow Zipf's law. The sample has as many outputs as charlm chooses: two for each
target of the update. How well the two learn: recipe.md.
"""

import sys

from interleaved import Contender, medians, rate, ratio, run_interleaved
from report import Figure, run_alone, wanted
from workloads import Workload

TITLE = "A large vocabulary"
COLUMNS = "workload", "all outputs, 1000/s", "sample, 1000/s", "ratio"
TARGET = 4.0
SHAPE = Workload("lstm", 1, 256, rows=32, steps=64, vocabulary=50_000)
INPUTS = {"tied": {"embedding": 256, "tied": True}, "embedding of 256": {"embedding": 256}, "one-hot": {}}
ROWS = {
    f"LSTM 1×256, V 50,000, N 32, T 64, {inputs}, {precision}": (inputs, precision)
    for inputs in INPUTS
    for precision in ("float32", "bf16")
}


def contender(inputs, precision, threads, samples):
    """Measure tokens per second. samples: outputs that an update computes besides its targets, 0 for all."""
    import numpy as np

    from charlm.network.architecture import Architecture, initial_parameters
    from charlm.network.optimizers import Adam
    from charlm.network.sampled_softmax import output_sampling
    from charlm.network.stack import Stack, StackWindow
    from charlm.network.threads import ThreadPool

    V, rows, steps = SHAPE.vocabulary, SHAPE.rows, SHAPE.steps
    architecture = Architecture(V, SHAPE.cell, SHAPE.hidden, SHAPE.layers, **INPUTS[inputs])
    stack = Stack(architecture, initial_parameters(architecture, np.zeros(V), 1), ThreadPool(threads))
    window, adam = StackWindow(stack, steps, rows, training=True), Adam(stack, 5.0)
    frequencies = 1e7 / np.arange(1, V + 1)
    shares, sampling = frequencies / frequencies.sum(), output_sampling(frequencies, samples)
    tokens = np.random.default_rng(1).choice(V, (steps, rows), p=shares).astype(np.int32)

    def update():
        if sampling:
            stack.sample(sampling.sample(adam.updates, tokens))
        stack.pack(for_training=True, precision=precision)
        window.forward_backward(tokens, tokens, 1 / tokens.size).sum()
        adam.update(1e-3)

    return lambda: rate(update, tokens.size)


def compare(name, options):
    inputs, precision = ROWS[name]
    shared = {"inputs": inputs, "precision": precision, "threads": options.threads}
    contenders = {samples: Contender(contender, samples=samples, **shared) for samples in (0, 2 * SHAPE.tokens)}
    measured = run_interleaved(contenders, 2 if options.quick else options.rounds)
    whole, sampled = medians(measured).values()
    return {"name": name, "all": whole, "sample": sampled, "ratio": Figure(ratio(*reversed(measured.values())), TARGET)}


def rows(options):
    from charlm.kernels.compiling import HAS_BFLOAT16

    for name in wanted(ROWS, options):
        if HAS_BFLOAT16 or not name.endswith("bf16"):
            yield compare(name, options)


def cells(row):
    return row["name"], f"{row['all'] / 1e3:.2f}", f"{row['sample'] / 1e3:.1f}", row["ratio"]


def add_options(parser):
    pass


if __name__ == "__main__":
    run_alone(sys.modules[__name__])
