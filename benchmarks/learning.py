"""What minutes buy: held-out losses of trainings by the clock, beside what counting makes of the same text.

    python benchmarks/learning.py TEXT [--minutes 1 2 3 5 10] [--seeds 1 2 3] [--adapt RATE] [-- OPTION...]

Options behind -- go to ``charlm train``. A minute is one of a machine on which PyTorch trains an LSTM 1×256 (N 64, T
64, float32, its best choice of input, two threads) at REFERENCE characters a second; this machine is measured first,
and the minutes are scaled by it (``--unscaled`` takes them as they are, and needs no PyTorch).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from turns import SPINNING, Contender, in_turn, medians
from workloads import Workload, charlm_command

REFERENCE = 76_000


def pytorch_rate() -> float:
    """Characters a second, the better of one-hot input and an embedding."""
    from training import pytorch_contender

    workload = Workload("lstm", 1, 256)
    rivals = {
        one_hot: Contender(pytorch_contender, workload, 2, one_hot, False, environment=SPINNING)
        for one_hot in (True, False)
    }
    return max(medians(in_turn(rivals, 5)).values())


def training(text, minutes, seed, adapt, options, folder):
    """The record of one: seconds in all, what was chosen, losses in nats a token of the held-out part."""
    model = folder / "m.npz"
    begun = time.perf_counter()
    command = charlm_command("train", text, "-o", model, "--minutes", minutes, "--seed", seed, *options)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    record = {"seconds": time.perf_counter() - begun, "report": done.stderr}
    header = json.loads(subprocess.run(charlm_command("info", model, "--json"), capture_output=True, check=True).stdout)
    architecture, settings = header["architecture"], header["training"]["settings"]
    record["network"] = f"{architecture['layers']}×{architecture['hidden']}"
    record["epochs"] = header["training"]["tokens"] / header["training"]["corpus"]["train_tokens"]
    record["dropout"] = settings["dropout"]
    record["loss"] = header["training"]["valid_loss"]
    if adapt:
        held_out = folder / "held-out.txt"
        write_held_out(text, held_out, seed, options)
        score = charlm_command("perplexity", "--model", model, held_out, "--adapt", adapt, "--json")
        record["adapted"] = json.loads(subprocess.run(score, capture_output=True, check=True).stdout)["nats_per_token"]
    return record


def write_held_out(text, path, seed, options):
    """The part that a training with these options holds out, as a file."""
    from charlm.text.corpus import CorpusOptions, load_corpus

    level = options[options.index("--level") + 1] if "--level" in options else "char"
    corpus = load_corpus(text, CorpusOptions(level=level, lines="--lines" in options, seed=seed, novelty=False))
    path.write_text(corpus.vocabulary.decode(corpus.held_out), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("text")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 2, 3, 5, 10], metavar="M")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="N")
    parser.add_argument("--adapt", type=float, metavar="RATE", help="measure with dynamic evaluation as well")
    parser.add_argument("--unscaled", action="store_true")
    given = sys.argv[1:]
    cut = given.index("--") if "--" in given else len(given)
    options = parser.parse_args(given[:cut])
    options.options = given[cut + 1 :]
    scale = 1.0
    if not options.unscaled:
        rate = pytorch_rate()
        scale = REFERENCE / rate
        print(f"PyTorch trains {rate:,.0f} characters a second here: a minute is one of {60 * scale:.0f} seconds")
    print("| minutes | seconds asked | taken | network | epochs | dropout | held-out losses | median |")
    print("|---|---|---|---|---|---|---|---|")
    for minutes in options.minutes:
        with tempfile.TemporaryDirectory() as folder:
            records = [
                training(options.text, minutes * scale, seed, options.adapt, options.options, Path(folder))
                for seed in options.seeds
            ]
        losses = [record["loss"] for record in records]
        cells = (
            f"{minutes:g}",
            f"{60 * minutes * scale:.0f}",
            ", ".join(f"{record['seconds']:.0f}" for record in records),
            ", ".join(sorted({record["network"] for record in records})),
            ", ".join(f"{record['epochs']:.3g}" for record in records),
            ", ".join(sorted({f"{record['dropout']:g}" for record in records})),
            ", ".join(f"{loss:.4f}" for loss in losses),
            f"{statistics.median(losses):.4f}",
        )
        if options.adapt:
            adapted = [record["adapted"] for record in records]
            cells += (f"adapted {', '.join(f'{loss:.4f}' for loss in adapted)}; {statistics.median(adapted):.4f}",)
        print(f"| {' | '.join(cells)} |", flush=True)
    report = records[-1]["report"].splitlines()
    print("\n".join(report[next(number for number, line in enumerate(report) if line.startswith("held out, ")) :]))


if __name__ == "__main__":
    main()
