"""Sampled characters per second: charlm against PyTorch with the same weights, in interleaved runs.

    python benchmarks/sampling.py [--rounds 5] [--only TEXT] [--json FILE]

One stream: charlm.sample against a loop over nn.LSTM and a loop over LSTMCell, one step at a time, in inference_mode,
with one thread or all. Names: 1,000 and 100,000 from a model of lines in one call, against batched loops over both in
float32 and in bf16, with several batch sizes; a loop drops names that have ended, or runs until all have ended. From
the shell: ``charlm sample`` against
pytorch_sample.py, from start to end. PyTorch's best variant counts in each.
"""

import os
import sys
import tempfile
from functools import partial
from pathlib import Path

from interleaved import WAITING, Command, Contender, choices_of_threads, medians, rate, ratio, run_interleaved, seconds
from report import ROOT, Figure, need_pytorch, run_alone, wanted
from workloads import Workload, charlm_command, untrained_model

TITLE = "Sampling"
COLUMNS = ("what", "charlm", "PyTorch", "ratio")
SIZES = (2, 128), (1, 256), (2, 256), (1, 512)  # layers and width
STREAMS = {f"LSTM {layers}×{hidden}": Workload("lstm", layers, hidden) for layers, hidden in SIZES}
AGAINST_LSTM, AGAINST_CELL = 4.0, 1.5  # targets: times as fast, at least
AGAINST_BATCH = {1000: 1.2, 100_000: 2.5}  # the same for so many names
SHELL_FRACTION, SHELL_SECONDS = 0.3, 0.35  # targets: of PyTorch's time, and seconds, at most
NAMES = 1000  # in a batch
FROM_SHELL = "charlm sample --length 500, whole process"
LONGEST = 1000  # tokens of a name, as in charlm
AS_COMMAND = WAITING | {"OPENBLAS_NUM_THREADS": "1"}  # as charlm's command line sets it for NumPy


def charlm_stream(path, length):
    """Measure characters per second of one stream."""
    import charlm

    model = charlm.load(path)
    return lambda: rate(lambda: list(charlm.sample(model, 1, length, seed=1)), length)


def pytorch_stream(path, kind, threads, length):
    import torch

    from charlm.text.vocabulary import EOS

    network, start = loaded(path, kind, threads)

    @torch.inference_mode()
    def stream():
        token, state, sampled = torch.tensor([EOS]), start(1), []
        for _ in range(length):
            logits, state = network(token, state)
            token = torch.multinomial(torch.softmax(logits, 1), 1)[0]
            sampled.append(token.item())

    return lambda: rate(stream, length)


def charlm_names(path, count):
    """Measure tokens per second, <EOS> included, of names in one call."""
    import charlm

    model = charlm.load(path)
    sampled = []

    def names():
        sampled[:] = charlm.sample(model, count)

    def measure():
        passed = seconds(names)
        return sum(sample.tokens for sample in sampled) / passed

    return measure


def pytorch_names(path, kind, threads, count, batch, dropping, half):
    """The same in PyTorch. dropping: a row leaves the batch when its name ends; else all run until all have ended."""
    import torch

    import charlm
    from charlm.text.vocabulary import EOS

    network, start = loaded(path, kind, threads, half)
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
                rest = (tokens != EOS).nonzero()[:, 0]
                if len(rest) < len(tokens):
                    if not len(rest):
                        break
                    alive, tokens, state = alive[rest], tokens[rest], only_rows(state, rest)
            return names
        ended, columns = torch.zeros(rows, dtype=torch.bool), []
        for _ in range(LONGEST):
            logits, state = network(tokens, state)
            tokens = torch.multinomial(torch.softmax(logits, 1), 1)[:, 0]
            columns.append(tokens)
            ended |= tokens == EOS
            if ended.all():
                break
        sampled = torch.stack(columns, 1).tolist()
        return [row[: row.index(EOS) + 1] if EOS in row else row for row in sampled]

    sampled = []

    def names():
        sampled[:] = [
            (len(name), vocabulary.decode(name))
            for begun in range(0, count, batch)
            for name in some(min(batch, count - begun))
        ]

    def measure():
        passed = seconds(names)
        return sum(length for length, _ in sampled) / passed

    return measure


def only_rows(state, rows):
    """Some rows of a state: of cells, a list of (h, c) (N, H), or of nn.LSTM, (h, c) (L, N, H)."""
    if isinstance(state, list):
        return [(h[rows], c[rows]) for h, c in state]
    return tuple(array[:, rows] for array in state)


def loaded(path, kind, threads, half=False):
    """(network, start): a PyTorch network with the weights of a charlm model, tokens (N) and state → logits (N, V) and
    state; and a function that gives the first state for a number of rows. half: in bf16."""
    import torch
    from baselines import Cells, Network, load

    import charlm

    torch.set_num_threads(threads)
    model = charlm.load(path)
    sizes = model.architecture
    workload = Workload(sizes.cell, sizes.layers, sizes.hidden, vocabulary=sizes.vocabulary_size)
    if kind == "LSTMCell":
        cells, number = load(Cells(workload), model), torch.bfloat16 if half else torch.float32
        cells.to(number)

        def step_cells(tokens, state):
            logits, state = cells(tokens, state)
            return logits.float(), state

        return step_cells, lambda rows: [tuple(array.to(number) for array in pair) for pair in cells.start(rows)]
    network = load(Network(workload), model)
    network.to(torch.bfloat16 if half else torch.float32)

    def step(tokens, state):
        logits, state = network(tokens[None], state)
        return logits[0].float(), state

    return step, lambda rows: None


def variants_of_pytorch(options, **arguments):
    """(arguments, environment) for each kind of network, number of threads and way of waiting, by label."""
    return {
        f"{kind}, {label}": ({"kind": kind, "threads": number, **arguments}, waiting)
        for kind in ("nn.LSTM", "LSTMCell")
        for label, (number, waiting) in choices_of_threads(options).items()
    }


def contenders_of(make, variants, **arguments):
    """A contender for each variant, by label."""
    return {
        label: Contender(make, environment=environment, **own, **arguments)
        for label, (own, environment) in variants.items()
    }


def one_stream(name, workload, folder, options):
    path, length = folder / "stream.npz", 500
    untrained_model(workload).save(path)
    contenders = contenders_of(pytorch_stream, variants_of_pytorch(options, path=path), length=length)
    measured = run_interleaved(
        {"charlm": Contender(charlm_stream, path=path, length=length, environment=AS_COMMAND)} | contenders,
        options.rounds,
    )
    middle = medians(measured)
    for kind, target in (("nn.LSTM", AGAINST_LSTM), ("LSTMCell", AGAINST_CELL)):
        best = max((label for label in contenders if label.startswith(kind)), key=middle.get)
        yield {
            "name": f"one stream, {name}, against {kind}",
            "charlm": middle["charlm"],
            "PyTorch": middle[best],
            "best": best,
            "unit": "microseconds",
            "ratio": Figure(ratio(measured["charlm"], measured[best]), target),
            "medians": middle,
        }


def names(count, target, folder, options):
    """A model trained on names of dinosaurs, so that its samples have realistic lengths."""
    path = folder / "names.npz"
    if not path.exists():
        train = charlm_command("train", ROOT / "corpora/dinosaurs.txt", "--lines", "--batch", 16, "-q", "-o", path)
        # PyTorch has the network alone
        Command([*train, "--ngrams", "0", "--epochs", "1" if options.quick else "15"]).measure()
    best = dict(best_for_names(half, count, path, options) for half in (False, True))
    contenders = {"charlm": Contender(charlm_names, path=path, count=count, environment=AS_COMMAND)}
    contenders |= contenders_of(pytorch_names, best, count=count)
    measured = run_interleaved(contenders, 2 if options.quick else options.rounds)
    middle = medians(measured)
    fastest = max(best, key=middle.get)
    yield {
        "name": in_one_call(count),
        "charlm": middle["charlm"],
        "PyTorch": middle[fastest],
        "best": fastest,
        "unit": "rate",
        "ratio": Figure(ratio(measured["charlm"], measured[fastest]), target),
        "medians": middle,
    }


def best_for_names(half, count, path, options):
    """(label, (arguments, environment)) of PyTorch's fastest variant with a precision, chosen beforehand, because so
    many processes side by side need much memory. half: bf16."""
    batches = ((NAMES, True), (NAMES, False), (NAMES // 4, True))
    if count > NAMES:
        batches = ((NAMES, True), (4 * NAMES, True))
    variants = {}
    for batch, dropping in batches[: 1 if options.quick else None]:
        how = f"batch {batch}, " + ("ended names dropped" if dropping else "until all have ended")
        some = variants_of_pytorch(options, path=path, batch=batch, dropping=dropping, half=half)
        variants |= {f"{'bf16' if half else 'float32'}, {label}, {how}": variant for label, variant in some.items()}
    tried = contenders_of(pytorch_names, variants, count=min(count, 10 * NAMES))
    found = medians(run_interleaved(tried, 2 if options.quick else 3))
    best = max(variants, key=found.get)
    return best, variants[best]


def shell(folder, options):
    """charlm sample against pytorch_sample.py, the whole process; PyTorch's file is a state_dict and the symbols."""
    model = untrained_model(Workload("lstm", 2, 128))
    model.save(folder / "shell.npz")
    convert = "import sys, pytorch_sample; pytorch_sample.save(*sys.argv[1:])"
    Command([sys.executable, "-c", convert, str(folder / "shell.npz"), str(folder / "shell.pt")], here()).measure()
    script = [sys.executable, str(Path(__file__).with_name("pytorch_sample.py")), str(folder / "shell.pt"), "500"]
    measured = run_interleaved(
        {
            "charlm": Command(charlm_command("sample", "--model", folder / "shell.npz", "--length", 500)),
            "PyTorch": Command(script),
        },
        options.rounds,
    )
    middle = medians(measured)
    yield {
        "name": FROM_SHELL,
        "charlm": Figure(middle["charlm"], SHELL_SECONDS, at_most=True),
        "PyTorch": middle["PyTorch"],
        "best": "pytorch_sample.py",
        "unit": "seconds",
        "ratio": Figure(ratio(measured["charlm"], measured["PyTorch"]), SHELL_FRACTION, at_most=True),
    }


def here():
    """The environment for a command that imports the modules of this folder."""
    folders = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, folders))}


def in_one_call(count):
    return f"{count:,} names in one call, LSTM 2×128"


def rows(options):
    streams = list(STREAMS.items())[: 2 if options.quick else None]
    parts = {f"one stream, {name}": partial(one_stream, name, workload) for name, workload in streams}
    parts |= {in_one_call(count): partial(names, count, target) for count, target in AGAINST_BATCH.items()}
    parts[FROM_SHELL] = shell
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
    run_alone(sys.modules[__name__])
