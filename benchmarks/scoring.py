"""Scored characters per second of held-out text: charlm against PyTorch with the same weights, in interleaved runs.

    python benchmarks/scoring.py [--size 10] [--only NAME] [--json FILE]

The text is scored in portions. One round is one portion, scored by all contenders one after the other. charlm gets the
text and does all that ``charlm perplexity`` does, encoding and the burn-in of its chunks included. PyTorch gets the
ids, as parallel chunks whose state is carried along, in inference_mode. Its best number of chunks, steps and threads,
and its best precision (float32, or the whole network in bf16), is chosen beforehand on a part of a portion. On a
processor with AVX512-BF16 charlm also scores with ``--precision bf16``.
"""

import math
import sys
import tempfile
from pathlib import Path

from interleaved import Contender, Failed, choices_of_threads, medians, ratio, run_interleaved, seconds
from report import Figure, at_least_1, need_pytorch, run_alone, wanted
from workloads import Workload, untrained_model, write_text

from charlm.kernels.compiling import HAS_BFLOAT16

TITLE = "Scoring"
COLUMNS = (
    "model",
    "charlm, 1000/s",
    "its bf16, 1000/s",
    "PyTorch float32, 1000/s",
    "PyTorch bf16, 1000/s",
    "× float32",
    "× any",
    "its bf16 × any",
)
WORKLOADS = {  # name: workload, and the target against PyTorch's best
    "LSTM 2×128": (Workload("lstm", 2, 128), 1.6),
    "LSTM 1×256": (Workload("lstm", 1, 256), 2.2),
    "LSTM 2×512": (Workload("lstm", 2, 512), 1.0),
}
SHAPES = (64, 64), (128, 64), (256, 64), (256, 256)  # chunks and steps that PyTorch chooses from
ALIKE = 0.02  # nats per character by which the two may differ: because of bf16, and at the starts of chunks


def portions_of(path, size):
    """The portions of an ASCII text, again and again without end."""
    while True:
        with open(path, "rb") as file:
            while portion := file.read(size):
                yield portion


def charlm_contender(model_path, text_path, size, threads, precision):
    """Measure (characters per second, nats per character) of the next portion."""
    import charlm

    model, portions = charlm.load(model_path), portions_of(text_path, size)
    charlm.perplexity(
        model, next(portions_of(text_path, 30_000)).decode(), threads=threads, precision=precision
    )  # loads the kernels

    def measure():
        text, scores = next(portions).decode(), []
        passed = seconds(lambda: scores.append(charlm.perplexity(model, text, threads=threads, precision=precision)))
        return len(text) / passed, scores[0].nats_per_token

    return measure


def pytorch_contender(model_path, text_path, size, threads, half, chunks, steps):
    """The same in PyTorch."""
    import torch
    from baselines import Network, load

    import charlm

    torch.set_num_threads(threads)
    model = charlm.load(model_path)
    sizes, vocabulary = model.architecture, model.vocabulary
    network = Network(Workload(sizes.cell, sizes.layers, sizes.hidden, vocabulary=sizes.vocabulary_size))
    load(network, model)
    if half:
        network.bfloat16()
    portions = portions_of(text_path, size)

    @torch.inference_mode()
    def nats(ids):
        targets = torch.from_numpy(ids)[: len(ids) // chunks * chunks].view(chunks, -1).T.long()
        inputs = torch.cat([torch.zeros(1, chunks, dtype=torch.long), targets[:-1]])
        state, total = None, 0.0
        for now, next_ones in zip(inputs.split(steps), targets.split(steps), strict=True):
            logits, state = network(now, state)
            total += torch.nn.functional.cross_entropy(
                logits.float().flatten(0, 1), next_ones.flatten(), reduction="sum"
            )
        return float(total) / targets.numel()

    def measure():
        ids, means = vocabulary.encode(next(portions).decode()), []
        passed = seconds(lambda: means.append(nats(ids)))
        return len(ids) / passed, means[0]

    return measure


def best_of_pytorch(precision, model_path, text_path, portion, options):
    """(label, arguments, environment) of the fastest contender with this precision."""
    part = min(portion, 1 << (16 if options.quick else 17))
    variants = {}
    for label, (threads, waiting) in choices_of_threads(options).items():
        for chunks, steps in SHAPES[1:2] if options.quick else SHAPES:
            arguments = {"threads": threads, "half": precision == "bf16", "chunks": chunks, "steps": steps}
            variants[f"{label}, {chunks} chunks, {steps} steps"] = arguments, waiting
    contenders = {
        label: Contender(
            pytorch_contender,
            model_path=model_path,
            text_path=text_path,
            size=part,
            environment=waiting,
            **arguments,
        )
        for label, (arguments, waiting) in variants.items()
    }
    measured = run_interleaved(contenders, 2 if options.quick else 3)
    best = max(variants, key=lambda label: max(measured[label]))
    return best, *variants[best]


def compare(name, folder, text_path, portion, rounds, options):
    workload, target = WORKLOADS[name]
    model_path = folder / "model.npz"
    untrained_model(workload).save(model_path)
    best_arguments, how = {}, {}
    for precision in ("float32", "bf16"):
        how[precision], arguments, waiting = best_of_pytorch(precision, model_path, text_path, portion, options)
        best_arguments[precision] = arguments | {"environment": waiting}
    shared = {"model_path": model_path, "text_path": text_path, "size": portion}
    own = {"charlm": "float32"} | ({"charlm bf16": "bf16"} if HAS_BFLOAT16 else {})
    contenders = {
        label: Contender(charlm_contender, threads=options.threads, precision=precision, **shared)
        for label, precision in own.items()
    }
    contenders |= {
        precision: Contender(pytorch_contender, **shared, **arguments)
        for precision, arguments in best_arguments.items()
    }
    measured = run_interleaved(contenders, rounds, warm_up=0)
    nats = {label: sum(mean for _, mean in values) / rounds for label, values in measured.items()}
    rates = {label: [rate for rate, _ in values] for label, values in measured.items()}
    if not all(math.isclose(mean, nats["charlm"], abs_tol=ALIKE) for mean in nats.values()):
        raise Failed(f"{name}: charlm and PyTorch give different nats per character: {nats}")
    middle = medians(rates)
    best = max(("float32", "bf16"), key=middle.get)
    return {
        "name": name,
        **middle,
        "how": how,
        "nats": nats,
        "× float32": Figure(ratio(rates["charlm"], rates["float32"])),
        "× any": Figure(ratio(rates["charlm"], rates[best]), target),
        "bf16 × any": Figure(ratio(rates["charlm bf16"], rates[best])) if HAS_BFLOAT16 else "–",
    }


def rows(options):
    names = wanted(WORKLOADS, options)
    need_pytorch()
    portion = options.portion << 20 if not options.quick else 1 << 18
    rounds = 2 if options.quick else max(1, round(options.size / options.portion))
    with tempfile.TemporaryDirectory() as folder:
        text_path = write_text(Path(folder) / "text.txt", portion * rounds)
        for name in names:
            yield compare(name, Path(folder), text_path, portion, rounds, options)


def cells(row):
    return (
        row["name"],
        f"{row['charlm'] / 1e3:.0f}",
        f"{row['charlm bf16'] / 1e3:.0f}" if "charlm bf16" in row else "–",
        *(f"{row[precision] / 1e3:.0f} ({row['how'][precision]})" for precision in ("float32", "bf16")),
        row["× float32"],
        row["× any"],
        row["bf16 × any"],
    )


def add_options(parser):
    parser.add_argument(
        "--size", type=at_least_1, default=10, metavar="MB", help="size of the text, in units of 2^20 characters"
    )
    parser.add_argument(
        "--portion", type=at_least_1, default=1, metavar="MB", help="size of a portion, scored in one call"
    )


if __name__ == "__main__":
    run_alone(sys.modules[__name__])
