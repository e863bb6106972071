"""How the held-out loss falls with the minutes of training, with n-gram baselines on the same text.

    python benchmarks/learning.py TEXT [--minutes 1 2 3 5 10] [--seeds 1 2 3] [--adapt] [-- OPTION...]

Options after -- go to ``charlm train``. A minute is a minute of a machine on which PyTorch trains an LSTM 1×256 (N 64,
T 64, float32, the faster kind of input, two threads) at REFERENCE characters per second. The script measures this
machine first and scales the minutes (``--unscaled`` does not scale them, and needs no PyTorch).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from interleaved import SPINNING, Contender, medians, run_interleaved
from workloads import Workload, charlm_command

REFERENCE = 76_000


def pytorch_rate() -> float:
    """Characters per second of PyTorch, with one-hot input or an embedding, whichever is faster."""
    from training import pytorch_contender

    workload = Workload("lstm", 1, 256)
    contenders = {
        one_hot: Contender(
            pytorch_contender, workload=workload, threads=2, one_hot=one_hot, half=False, environment=SPINNING
        )
        for one_hot in (True, False)
    }
    return max(medians(run_interleaved(contenders, 5)).values())


def training(text, minutes, seed, adapt, options, folder):
    """Train once. Returns a record: seconds in all, the chosen settings, held-out losses in nats per character.

    The losses are those of the finished model, whose mixture is fitted to the held-out part, on all of that part; with
    a large vocabulary, a training evaluates on its beginning. They are in nats per character, or per word where
    ``--level word`` is among the options, whatever a token is. told: the one that the training told, in nats per token.
    """
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
    record["level"] = header["vocabulary"]["level"]
    record["told"] = header["training"]["valid_loss"]
    corpus, path = corpus_of(text, seed, options), folder / "held-out.txt"
    held_out = corpus.vocabulary.decode(corpus.held_out).replace("<UNK>", "\ufffd")  # one character, also unknown
    path.write_text(held_out, encoding="utf-8")
    for name, more in [("loss", []), *([("adapted", ["--adapt"])] if adapt else [])]:
        score = charlm_command("perplexity", "--model", model, path, "--json", *more)
        nats = json.loads(subprocess.run(score, capture_output=True, check=True).stdout)["nats"]
        record[name] = nats / len(corpus.held_out)
    return record


def corpus_of(text, seed, options):
    """Return the corpus of a training with these options, in characters unless they say ``--level word``."""
    from charlm.text.corpus import CorpusOptions, load_corpus

    level = options[options.index("--level") + 1] if "--level" in options else "char"
    level = "char" if level == "subword" else level
    return load_corpus(text, CorpusOptions(level=level, lines="--lines" in options or None, seed=seed, novelty=False))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("text")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 2, 3, 5, 10], metavar="M")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="N")
    parser.add_argument("--adapt", action="store_true", help="measure a model that keeps learning as well")
    parser.add_argument("--unscaled", action="store_true")
    given = sys.argv[1:]
    cut = given.index("--") if "--" in given else len(given)
    options = parser.parse_args(given[:cut])
    options.options = given[cut + 1 :]
    scale = 1.0
    if not options.unscaled:
        rate = pytorch_rate()
        scale = REFERENCE / rate
        print(f"PyTorch trains {rate:,.0f} characters per second here: one minute is {60 * scale:.0f} seconds")
    print("| minutes | seconds asked | taken | tokens | network | epochs | dropout | told | held-out losses | median |")
    print("|---|---|---|---|---|---|---|---|---|---|")
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
            ", ".join(sorted({record["level"] for record in records})),
            ", ".join(sorted({record["network"] for record in records})),
            ", ".join(f"{record['epochs']:.3g}" for record in records),
            ", ".join(sorted({f"{record['dropout']:g}" for record in records})),
            ", ".join(f"{record['told']:.4f}" for record in records),
            ", ".join(f"{loss:.4f}" for loss in losses),
            f"{statistics.median(losses):.4f}",
        )
        if options.adapt:
            adapted = [record["adapted"] for record in records]
            cells += (f"adapted {', '.join(f'{loss:.4f}' for loss in adapted)}; {statistics.median(adapted):.4f}",)
        print(f"| {' | '.join(cells)} |", flush=True)
    report = records[-1]["report"].splitlines()
    print("\n".join(report[next(number for number, line in enumerate(report) if line.startswith("held-out text, ")) :]))


if __name__ == "__main__":
    main()
