"""What the n-grams of a model cost, and whether the held-out loss that charlm tells is honest.

    python benchmarks/mixture.py TEXT [--rounds 7] [-- OPTION...]

Options after -- go to ``charlm train``. The held-out part is cut in two: the first half is held out in training, so
that the weights of the mixture are fitted to it, and nothing ever learns from the second half. If the told loss is
honest, the two halves differ for the mixture as they do for the network alone. Then the same model is timed with its
n-grams and without them, in interleaved runs: one stream, 1,000 samples in one call (of a list), scoring, and
``charlm sample`` from start to end.
"""

import argparse
import dataclasses
import subprocess
import sys
import tempfile
from itertools import chain
from pathlib import Path

import numpy as np
from interleaved import WAITING, Command, Contender, medians, rate, ratio, run_interleaved, seconds
from workloads import charlm_command

from charlm.model import load_model
from charlm.scoring.scorer import Scorer
from charlm.text.corpus import CorpusOptions, load_corpus

STREAM, NAMES, SCORED = 2000, 1000, 1_000_000  # tokens, samples, characters
BARS = {"one stream": 1.6, "1,000 samples": 1.5, "scoring": 1.4}  # times the network alone, at most
AS_COMMAND = WAITING | {"OPENBLAS_NUM_THREADS": "1"}


def stream(path):
    """Measure tokens per second of one stream, or of lines one after the other."""
    import charlm

    model = charlm.load(path)
    if model.lines:
        return lambda: rate(lambda: list(charlm.sample(model, 1, seed=1, unique=False)), 1)
    return lambda: rate(lambda: list(charlm.sample(model, 1, STREAM, seed=1, allow_copies=True)), STREAM)


def samples(path):
    """Measure tokens per second of NAMES samples in one call."""
    import charlm

    model, found = charlm.load(path), []

    def measure():
        passed = seconds(lambda: found.extend(charlm.sample(model, NAMES, seed=1, allow_copies=True)))
        tokens = sum(sample.tokens for sample in found)
        found.clear()
        return tokens / passed

    return measure


def scoring(path, text_path):
    """Measure characters per second of a text."""
    import charlm

    model, text = charlm.load(path), Path(text_path).read_text(encoding="utf-8")
    text = (text * (SCORED // len(text) + 1))[:SCORED]
    charlm.perplexity(model, text[:100_000])  # loads the kernels
    return lambda: len(text) / seconds(lambda: charlm.perplexity(model, text))


def cut_text(text, folder, options):
    """Write the training part and both halves of the held-out part to files."""
    lines = {"--lines": True, "--stream": False}
    given = next((lines[word] for word in options if word in lines), None)
    corpus = load_corpus(text, CorpusOptions(novelty=False, lines=given))
    decode, held_out, middle = corpus.vocabulary.decode, corpus.held_out, len(corpus.held_out) // 2
    middle += int(np.argmax(held_out[middle:] == 0)) + 1  # after the end of a line
    paths = [folder / f"{name}.txt" for name in ("train", "first", "second")]
    for path, part in zip(paths, (corpus.train, held_out[:middle], held_out[middle:]), strict=True):
        path.write_text(decode(part), encoding="utf-8")
    return paths, corpus.lines


def loss(model, path):
    """Nats per character of a text."""
    text = path.read_text(encoding="utf-8")
    return float(Scorer(model).measure(model.vocabulary.encode(text)).nats.sum(dtype=np.float64)) / len(text)


def loss_of_ngrams(model, path):
    """The same by the n-grams alone."""
    text = path.read_text(encoding="utf-8")
    return -float(np.log(model.mixture.ngrams.probabilities(model.vocabulary.encode(text))).sum()) / len(text)


def honesty(model, first, second):
    """A table: both halves by the mixture and by its parts."""
    text = first.read_text(encoding="utf-8")
    alone, tokens = dataclasses.replace(model, mixture=None), len(model.vocabulary.encode(text))
    yield "| nats per character | first half | second half | difference |"
    yield "|---|---|---|---|"
    for name, here, there in (
        ("the mixture, as told", model.training["valid_loss"] * tokens / len(text), loss(model, second)),
        ("the network alone", loss(alone, first), loss(alone, second)),
        ("the n-grams alone", loss_of_ngrams(model, first), loss_of_ngrams(model, second)),
    ):
        yield f"| {name} | {here:.4f} | {there:.4f} | {there - here:+.4f} |"


def costs(model, path, text, lines, rounds):
    """A table: sizes and times with and without n-grams."""
    alone = path.with_name("alone.npz")
    dataclasses.replace(model, mixture=None).save(alone)
    sizes = path.stat().st_size, alone.stat().st_size
    yield "| what | with n-grams | the network alone | ratio |"
    yield "|---|---|---|---|"
    yield f"| model file, bytes | {sizes[0]:,} | {sizes[1]:,} | {sizes[0] / sizes[1]:.2f} |"
    for name, make, more in (
        ("one stream", stream, {}),
        *([("1,000 samples", samples, {})] if lines else []),
        ("scoring", scoring, {"text_path": text}),
    ):
        contenders = {
            which: Contender(make, path=file, environment=AS_COMMAND, **more)
            for which, file in (("with", path), ("alone", alone))
        }
        runs = run_interleaved(contenders, rounds)
        found, times = medians(runs), ratio(runs["alone"], runs["with"])
        yield (
            f"| {name}, µs per token | {1e6 / found['with']:.1f} | {1e6 / found['alone']:.1f} | {times:.2f} (at most "
            f"{BARS[name]}) |"
        )
    commands = {
        which: Command(charlm_command("sample", "--model", file, "--seed", 1, *([] if lines else ["--length", 500])))
        for which, file in (("with", path), ("alone", alone))
    }
    found = medians(run_interleaved(commands, rounds))
    times = found["with"] / found["alone"]
    yield f"| charlm sample, seconds | {found['with']:.3f} | {found['alone']:.3f} | {times:.2f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("text")
    parser.add_argument("--rounds", type=int, default=7, metavar="N")
    given = sys.argv[1:]
    cut = given.index("--") if "--" in given else len(given)
    options = parser.parse_args(given[:cut])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (train, first, second), lines = cut_text(options.text, folder, given[cut + 1 :])
        path = folder / "m.npz"
        kind = ["--lines"] if lines else ["--stream"]
        command = charlm_command("train", train, "--valid", first, "-o", path, "-q", *kind, *given[cut + 1 :])
        subprocess.run(command, check=True)
        model = load_model(path)
        print(f"{model!r}")
        for line in chain(honesty(model, first, second), [""], costs(model, path, second, lines, options.rounds)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
