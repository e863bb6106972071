"""Trained characters per second: charlm against PyTorch, in turn, on this machine.

    python benchmarks/training.py [--rounds 7] [--only NAME] [--json FILE]

Every contender lives in a process of its own and trains for a moment whenever it is asked; they are asked one after
the other, round after round, so that a machine that grows slow grows slow for all. A rate is the median over the
rounds, a ratio the median of the ratios within each round. One update is forward, backward, clipping and Adam, in
both.

PyTorch is given every choice: one-hot or embedding input, one thread or all, float32 or bf16 autocast; what counts is
the best. The share of peak counts the multiply-adds of the mathematics (three products for each weight and token; the
row gather of one-hot input is none) against those that the register tile does alone, from cache, on all cores, in the
same rounds.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import time

WORKLOADS = {  # name: cell, layers, hidden, rows, steps, vocabulary
    "LSTM 2×128, N 50, T 50": ("lstm", 2, 128, 50, 50, 65),
    "LSTM 1×256, N 64, T 64": ("lstm", 1, 256, 64, 64, 65),
    "GRU 1×256, N 64, T 64": ("gru", 1, 256, 64, 64, 65),
    "LSTM 2×512, N 64, T 64": ("lstm", 2, 512, 64, 64, 65),
    "RNN 1×256, N 64, T 64": ("rnn", 1, 256, 64, 64, 65),
    "words: LSTM 2×200, V 10,000, N 20, T 35": ("lstm", 2, 200, 20, 35, 10_000),
}
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
MOMENT = 0.4  # seconds of training for one measurement


def multiply_adds(cell, layers, hidden, vocabulary):
    """Of one token's update: forward, gradient by the input, gradient by the weights."""
    return 3 * (GATES[cell] * hidden * hidden * (2 * layers - 1) + hidden * vocabulary)


def rate(update, tokens):
    """Tokens per second over MOMENT seconds of updates."""
    updates, begun = 0, time.perf_counter()
    while (passed := time.perf_counter() - begun) < MOMENT or not updates:
        update()
        updates += 1
    return updates * tokens / passed


def charlm_contender(workload, threads):
    import numpy as np

    from charlm.network.architecture import Architecture, initial_parameters
    from charlm.network.stack import Stack, Window
    from charlm.network.team import Team
    from charlm.optimizers import Adam

    cell, layers, hidden, rows, steps, vocabulary = workload
    architecture = Architecture(vocabulary, cell, hidden, layers)
    stack = Stack(architecture, initial_parameters(architecture, np.zeros(vocabulary), 1), Team(threads))
    window, adam = Window(stack, steps, rows, training=True), Adam(stack, 5.0)
    tokens = np.random.default_rng(1).integers(0, vocabulary, (steps, rows)).astype(np.int32)
    stack.pack(for_training=True)

    def update():
        window.forward_backward(tokens, tokens, 1 / (rows * steps)).sum()
        adam.update(1e-3)
        stack.pack(for_training=True)

    return lambda: rate(update, rows * steps)


def torch_contender(workload, threads, one_hot, half):
    import torch

    torch.manual_seed(1)
    torch.set_num_threads(threads)
    cell, layers, hidden, rows, steps, vocabulary = workload
    network = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[cell](
        vocabulary if one_hot else hidden, hidden, layers
    )
    output = torch.nn.Linear(hidden, vocabulary)
    table = torch.eye(vocabulary) if one_hot else torch.nn.Parameter(0.1 * torch.randn(vocabulary, hidden))
    parameters = [*network.parameters(), *output.parameters(), *([] if one_hot else [table])]
    adam = torch.optim.Adam(parameters, fused=True)
    tokens = torch.randint(0, vocabulary, (steps, rows))

    def update():
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            states, _ = network(torch.nn.functional.embedding(tokens, table))
            logits = output(states)
        loss = torch.nn.functional.cross_entropy(logits.float().view(-1, vocabulary), tokens.view(-1))
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        adam.step()
        loss.item()

    return lambda: rate(update, rows * steps)


def peak_contender(threads):
    """Multiply-adds per second of the tile alone, its operands in cache, on ``threads`` cores."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from charlm.kernels.compiling import compiled
    from charlm.kernels.tile import DEPTH, LANES, ROWS, VECTORS, tile

    @compiled
    def repeat(A, B, C, times):
        for _ in range(times):
            tile(ROWS, VECTORS, A, 0, B, 0, VECTORS * LANES, C, 0, 0, DEPTH, True, 0)

    operands = [
        [np.zeros(shape, np.float32) for shape in ((ROWS, DEPTH), (DEPTH * VECTORS * LANES,), (ROWS, VECTORS * LANES))]
        for _ in range(threads)
    ]
    pool, times = ThreadPoolExecutor(threads), 20_000
    repeat(*operands[0], 1)

    def all_cores():
        list(pool.map(lambda arrays: repeat(*arrays, times), operands))

    return lambda: rate(all_cores, threads * times * ROWS * DEPTH * VECTORS * LANES)


def serve(pipe, make, arguments):
    """Answer each request with one measurement, until there is none."""
    measure = make(*arguments)
    measure()
    pipe.send("ready")
    while pipe.recv():
        pipe.send(measure())


class Contender:
    """A process that measures when it is asked."""

    def __init__(self, make, *arguments):
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=serve, args=(other, make, arguments), daemon=True)
        self.process.start()
        self.pipe.recv()
        self.rates = []

    def measure(self):
        self.pipe.send(True)
        self.rates.append(self.pipe.recv())

    def close(self):
        self.pipe.send(False)
        self.process.join()


def compare(name, rounds, threads):
    """One workload: the row of the table, as a dictionary."""
    workload = WORKLOADS[name]
    cell, layers, hidden, _, _, vocabulary = workload
    contenders = {"peak": Contender(peak_contender, threads), "charlm": Contender(charlm_contender, workload, threads)}
    for half in (False, True):
        for one_hot in (True, False) if vocabulary < 1000 else (False,):
            for number in sorted({1, threads}):
                label = f"{'bf16' if half else 'float32'}, {'one-hot' if one_hot else 'embedding'}, threads {number}"
                contenders[label] = Contender(torch_contender, workload, number, one_hot, half)
    for _ in range(rounds):
        for contender in contenders.values():
            contender.measure()
    for contender in contenders.values():
        contender.close()
    rates = {label: contender.rates for label, contender in contenders.items()}
    medians = {label: statistics.median(values) for label, values in rates.items()}
    rivals = [label for label in rates if label not in ("peak", "charlm")]
    best32 = max((label for label in rivals if label.startswith("float32")), key=medians.get)
    best = max(rivals, key=medians.get)
    work = multiply_adds(cell, layers, hidden, vocabulary)

    def ratio(label, scale=1.0):
        return statistics.median(
            ours * scale / theirs for ours, theirs in zip(rates["charlm"], rates[label], strict=True)
        )

    return {
        "workload": name,
        "charlm": medians["charlm"],
        "best_float32": best32,
        "float32": medians[best32],
        "best": best,
        "any": medians[best],
        "ratio_float32": ratio(best32),
        "ratio_any": ratio(best),
        "share_of_peak": ratio("peak", work),
        "medians": medians,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", default="", help="part of a workload's name")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    os.environ |= {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}  # who waits must not take time from who measures
    multiprocessing.set_start_method("spawn")
    print(
        "| workload | charlm, 1000/s | PyTorch float32, 1000/s | of any precision | × float32 | × any | share of peak |"
    )
    print("|---|---|---|---|---|---|---|")
    rows = []
    for name in WORKLOADS:
        if arguments.only in name:
            row = compare(name, arguments.rounds, arguments.threads)
            rows.append(row)
            print(
                f"| {name} | {row['charlm'] / 1e3:.1f} | {row['float32'] / 1e3:.1f} ({row['best_float32']}) | "
                f"{row['any'] / 1e3:.1f} ({row['best']}) | {row['ratio_float32']:.2f} | {row['ratio_any']:.2f} | "
                f"{row['share_of_peak']:.2f} |",
                flush=True,
            )
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
