"""Sampled characters per second: charlm against PyTorch, with the same weights, in turn.

    python benchmarks/sampling.py [--rounds 5] [--only TEXT] [--json FILE]

One stream: charlm.sample against a loop over nn.LSTM and one over LSTMCell, one step at a time, in inference_mode, with
one thread or all. Names: 1,000 of a model of lines in one call, against a batched loop with either and several batch
sizes, which drops names that have ended or goes on until the last one has. From the shell: ``charlm sample`` against
pytorch_sample.py, from start to end. In all of them PyTorch's best counts.
"""

import os
import sys
import tempfile
from functools import partial
from pathlib import Path

from report import ROOT, Figure, alone, need_pytorch, wanted
from turns import WAITING, Command, Contender, choices_of_threads, in_turn, medians, rate, ratio, seconds
from workloads import Workload, charlm_command, untrained_model

TITLE = "Sampling"
COLUMNS = ("what", "charlm", "PyTorch", "ratio")
STREAMS = {"LSTM 2×128": (2, 128), "LSTM 1×256": (1, 256), "LSTM 2×256": (2, 256), "LSTM 1×512": (1, 512)}
AGAINST_LSTM, AGAINST_CELL, AGAINST_BATCH = 4.0, 1.5, 2.0  # what is asked, times
SHELL_SHARE, SHELL_SECONDS = 0.3, 0.35  # and at most
NAMES = 1000
MANY, FROM_SHELL = f"{NAMES:,} names in one call, LSTM 2×128", "charlm sample --length 500, in all"
LONGEST = 1000  # tokens of a name, as in charlm
AS_COMMAND = WAITING | {"OPENBLAS_NUM_THREADS": "1"}  # as charlm's command line has it for NumPy


def charlm_stream(path, length):
    """Characters per second of one stream."""
    import charlm

    model = charlm.load(path)
    return lambda: rate(lambda: list(charlm.sample(model, 1, length, seed=1)), length)


def pytorch_stream(path, kind, threads, length):
    import torch

    from charlm.text.vocabulary import EOS

    network, start = loaded(path, kind, threads)

    @torch.inference_mode()
    def stream():
        token, state, drawn = torch.tensor([EOS]), start(1), []
        for _ in range(length):
            logits, state = network(token, state)
            token = torch.multinomial(torch.softmax(logits, 1), 1)[0]
            drawn.append(token.item())

    return lambda: rate(stream, length)


def charlm_names(path, count):
    """Tokens per second, <EOS> included, of names in one call."""
    import charlm

    model = charlm.load(path)
    drawn = []

    def names():
        drawn[:] = charlm.sample(model, count)

    def measure():
        passed = seconds(names)
        return sum(sample.tokens for sample in drawn) / passed

    return measure


def pytorch_names(path, kind, threads, count, batch, dropping):
    """The same. dropping: rows whose name has ended are taken out of the batch; else all go on until the last has."""
    import torch

    import charlm
    from charlm.text.vocabulary import EOS

    network, start = loaded(path, kind, threads)
    vocabulary = charlm.load(path).vocabulary

    @torch.inference_mode()
    def some(rows):
        tokens, state, names = torch.full((rows,), EOS), start(rows), [[] for _ in range(rows)]
        if dropping:
            alive = torch.arange(rows)
            for _ in range(LONGEST):
                logits, state = network(tokens, state)
                tokens = torch.multinomial(torch.softmax(logits, 1), 1)[:, 0]
                for number, token in zip(alive.tolist(), tokens.tolist(), strict=True):
                    names[number].append(token)
                going = (tokens != EOS).nonzero()[:, 0]
                if len(going) < len(tokens):
                    if not len(going):
                        break
                    alive, tokens, state = alive[going], tokens[going], only_rows(state, going)
            return names
        ended, columns = torch.zeros(rows, dtype=torch.bool), []
        for _ in range(LONGEST):
            logits, state = network(tokens, state)
            tokens = torch.multinomial(torch.softmax(logits, 1), 1)[:, 0]
            columns.append(tokens)
            ended |= tokens == EOS
            if ended.all():
                break
        drawn = torch.stack(columns, 1).tolist()
        return [row[: row.index(EOS) + 1] if EOS in row else row for row in drawn]

    drawn = []

    def names():
        drawn[:] = [
            (len(name), vocabulary.decode(name))
            for begun in range(0, count, batch)
            for name in some(min(batch, count - begun))
        ]

    def measure():
        passed = seconds(names)
        return sum(length for length, _ in drawn) / passed

    return measure


def only_rows(state, rows):
    """A state with some of its rows: that of cells, a list of (h, c) (N, H), or of nn.LSTM, (h, c) (L, N, H)."""
    if isinstance(state, list):
        return [(h[rows], c[rows]) for h, c in state]
    return tuple(array[:, rows] for array in state)


def loaded(path, kind, threads):
    """A PyTorch network with a charlm model's weights, tokens (N) and state → logits (N, V) and state; and a function
    that gives the first state of so many rows."""
    import torch
    from rivals import Cells, Network, load

    import charlm

    torch.set_num_threads(threads)
    model = charlm.load(path)
    sizes = model.architecture
    workload = Workload(sizes.cell, sizes.layers, sizes.hidden, vocabulary=sizes.vocabulary_size)
    if kind == "LSTMCell":
        network = load(Cells(workload), model)
        return network, network.start
    network = load(Network(workload), model)

    def step(tokens, state):
        logits, state = network(tokens[None], state)
        return logits[0], state

    return step, lambda rows: None


def pytorch_variants(make, path, options, *more):
    """A contender for each kind of network and each number of threads and way to wait, by label."""
    return {
        f"{kind}, {label}": Contender(make, path, kind, number, *more, environment=waiting)
        for kind in ("nn.LSTM", "LSTMCell")
        for label, (number, waiting) in choices_of_threads(options).items()
    }


def one_stream(name, sizes, folder, options):
    path, length = folder / "stream.npz", 500
    untrained_model(Workload("lstm", *sizes)).save(path)
    contenders = pytorch_variants(pytorch_stream, path, options, length)
    measured = in_turn(
        {"charlm": Contender(charlm_stream, path, length, environment=AS_COMMAND)} | contenders, options.rounds
    )
    middle = medians(measured)
    for kind, asked in (("nn.LSTM", AGAINST_LSTM), ("LSTMCell", AGAINST_CELL)):
        best = max((label for label in contenders if label.startswith(kind)), key=middle.get)
        yield {
            "name": f"one stream, {name}, against {kind}",
            "charlm": middle["charlm"],
            "PyTorch": middle[best],
            "best": best,
            "unit": "microseconds",
            "ratio": Figure(ratio(measured["charlm"], measured[best]), asked),
            "medians": middle,
        }


def names(folder, options):
    """A model that has learnt the names of dinosaurs, so that they have the lengths of names."""
    path = folder / "names.npz"
    epochs, rounds = (1, 2) if options.quick else (15, options.rounds)
    train = charlm_command("train", ROOT / "corpora/dinosaurs.txt", "--lines", "--epochs", epochs, "--batch", 16)
    Command([*train, "-q", "-o", str(path)]).measure()
    contenders = {}
    for batch, dropping in ((NAMES, True), (NAMES, False), (NAMES // 4, True))[: 1 if options.quick else None]:
        how = f"batch {batch}, " + ("ended names dropped" if dropping else "until all have ended")
        variants = pytorch_variants(pytorch_names, path, options, NAMES, batch, dropping)
        contenders |= {f"{label}, {how}": contender for label, contender in variants.items()}
    measured = in_turn({"charlm": Contender(charlm_names, path, NAMES, environment=AS_COMMAND)} | contenders, rounds)
    middle = medians(measured)
    best = max(contenders, key=middle.get)
    yield {
        "name": MANY,
        "charlm": middle["charlm"],
        "PyTorch": middle[best],
        "best": best,
        "unit": "rate",
        "ratio": Figure(ratio(measured["charlm"], measured[best]), AGAINST_BATCH),
        "medians": middle,
    }


def shell(folder, options):
    """charlm sample against pytorch_sample.py, in all; PyTorch's file is a state_dict and the symbols."""
    model = untrained_model(Workload("lstm", 2, 128))
    model.save(folder / "shell.npz")
    convert = "import sys, pytorch_sample; pytorch_sample.save(*sys.argv[1:])"
    Command([sys.executable, "-c", convert, str(folder / "shell.npz"), str(folder / "shell.pt")], here()).measure()
    script = [sys.executable, str(Path(__file__).with_name("pytorch_sample.py")), str(folder / "shell.pt"), "500"]
    measured = in_turn(
        {
            "charlm": Command(charlm_command("sample", "--model", folder / "shell.npz", "--length", 500)),
            "PyTorch": Command(script),
        },
        options.rounds,
    )
    middle = medians(measured)
    yield {
        "name": FROM_SHELL,
        "charlm": Figure(middle["charlm"], SHELL_SECONDS, most=True),
        "PyTorch": middle["PyTorch"],
        "best": "pytorch_sample.py",
        "unit": "seconds",
        "ratio": Figure(ratio(measured["charlm"], measured["PyTorch"]), SHELL_SHARE, most=True),
    }


def here():
    """The environment of a command that imports this folder's modules."""
    folders = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, folders))}


def rows(options):
    streams = list(STREAMS.items())[: 2 if options.quick else None]
    parts = {f"one stream, {name}": partial(one_stream, name, sizes) for name, sizes in streams}
    parts |= {MANY: names, FROM_SHELL: shell}
    chosen = wanted(parts, options)
    need_pytorch()
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen:
            yield from parts[name](Path(folder), options)


def cells(row):
    def shown(value):
        if row["unit"] == "seconds":
            return f"{value} s" if isinstance(value, Figure) else f"{value:.2f} s"
        return f"{1e6 / value:.1f} µs a character" if row["unit"] == "microseconds" else f"{value / 1e3:.0f} thousand/s"

    return row["name"], shown(row["charlm"]), f"{shown(row['PyTorch'])} ({row['best']})", row["ratio"]


def add_options(parser):
    pass


if __name__ == "__main__":
    alone(sys.modules[__name__])
