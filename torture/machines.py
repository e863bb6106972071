"""The same results on every machine: the bytes of models, and what is sampled, predicted and scored with them.

``python -m torture.machines`` makes small models of every kind and prints what they give, as JSON; ``python -m
torture.machines --against FILE`` compares that with what another machine printed. ``make arm`` does so on an emulated
AArch64, ``make matrix`` with each Python and each NumPy, and the trial ``with_other_vectors`` on one machine.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from charlm.network.cells import CELLS

from .runs import NO_CORE, OF_VECTORS, digest, some_examples, some_text, some_vectors

# Kinds of models by name, and the options that make them; "base" is the name of a model to go on with.
MODELS = {
    **{cell: {"cell": cell, "layers": 2, "dropout": 0.1, "lines": False} for cell in CELLS},
    "list": {"cell": "gru", "lines": True, "hidden": 64, "embedding": 9},
    "bytes": {"level": "byte", "schedule": "linear", "ngrams": 0, "hidden": 128},
    "words": {"level": "word", "tied": True},
    "subwords": {"level": "subword", "max_vocabulary": 60, "lines": True},
    "tokens": {"level": "token", "lines": True, "ngrams": 3, "store": "float16"},
    "going on": {"base": "lstm", "freeze": 1},
    "classify": {"task": "classify", "cell": "peephole", "bidirectional": True},
    "several labels": {"task": "classify", "multi_label": True, "bidirectional": True},
    "tag": {"task": "tag", "cell": "gru", "bidirectional": True},
    "translate": {"task": "translate", "bidirectional": True},
    "generate": {"task": "generate"},
    **{f"{task}, vectors": {"task": task, "input": "vectors"} for task in OF_VECTORS},
}
SMALL = {"hidden": 37, "batch": 7, "steps": 9, "epochs": 2, "lr": 0.02}
TOLERANCE = 1e-5  # of scores, in nats per token


def results(folder: Path, names: tuple[str, ...] = tuple(MODELS)) -> dict[str, dict]:
    """For each kind of model: "model", the SHA-256 of its file; "texts", what was sampled or predicted with it;
    "scores", nats per token."""
    import charlm

    found: dict[str, dict] = {}
    for name in names:
        options = SMALL | MODELS[name]
        text = some_examples(200) if "task" in options else some_text(200)
        text = some_vectors(100) if "input" in options else text
        if "base" in options:
            options = {"epochs": 1, "freeze": 1, "base": charlm.load(folder / f"{options['base']}.npz")}
            text = "A text with other symbols: abba, cab!\n" * 90
        model = charlm.train(text=text, **options)
        model.save(folder / f"{name}.npz")
        found[name] = {"model": digest(folder / f"{name}.npz"), **_results_of(charlm, model, text)}
    return found


def _results_of(charlm, model, text):
    """What is sampled or predicted with a model, and its scores."""
    lines = [line for line in text.splitlines() if line]
    if model.task.input == "vectors":
        arrays = [[[step, channel] for step in range(4)] for channel in range(10)]
        found = charlm.predict(model, arrays, top=2 if model.task.name == "classify" else None)
        return _apart(found)
    if model.task.name not in ("text", "generate"):
        words = [line.split("\t") for line in lines[:20]]
        items = words if model.task.name == "tag" else [line[-1] for line in words]
        return _apart(charlm.predict(model, items, top=2 if model.task.name == "classify" else None))
    given = {"given": model.task.labels[0]} if model.task.name == "generate" else {}
    samples = [
        sample.text
        for options in ({}, {"temperature": 0.7, "top_p": 0.9}, {"temperature": 1.3, "top_k": 5}, {"temperature": 0})
        for sample in charlm.sample(model, count=3, length=120, seed=1, allow_copies=True, **given, **options)
    ]
    scores = [] if given else [charlm.log_probability(model, line) / len(line) for line in lines[:5]]
    return {"texts": samples, "scores": scores}


def _apart(predicted):
    """Predictions, with the numbers in them apart from the rest."""
    scores: list[float] = []
    texts = json.loads(json.dumps(predicted), parse_float=lambda number: scores.append(float(number)))
    return {"texts": texts, "scores": scores}


def differences(found: dict[str, dict], wanted: dict[str, dict]) -> Iterator[str]:
    """For each kind of model what differs between the results of two machines, "" where nothing does."""
    for name in wanted:
        one, other = found[name], wanted[name]
        wrong = [kind for kind in ("model", "texts") if one[kind] != other[kind]]
        pairs = zip(one["scores"], other["scores"], strict=True)
        if any(abs(x - y) > TOLERANCE for x, y in pairs):
            wrong.append("scores")
        yield f"{name}: other {' and '.join(wrong)}" if wrong else ""


def run(names: tuple[str, ...], **settings: str) -> dict[str, dict]:
    """The results in a process of its own. settings: variables of its environment."""
    done = subprocess.run(
        [sys.executable, "-m", "torture.machines", *names],
        env=os.environ | NO_CORE | settings,
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def other_vectors() -> dict[str, dict[str, str]]:
    """Settings with which this processor computes as others do, by what they say: numba's kernels with vectors of
    another length, NumPy with the instructions that every processor has, its BLAS with the products of an old one."""
    import numpy as np

    features = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return {
        "vectors of 4 numbers": {"CHARLM_LANES": "4"},
        "vectors of 8 numbers": {"CHARLM_LANES": "8"},
        "an old processor for NumPy": {"NPY_DISABLE_CPU_FEATURES": " ".join(features), "OPENBLAS_CORETYPE": "PRESCOTT"},
    }


def with_other_vectors(
    folder: Path, names: tuple[str, ...] = tuple(MODELS), kinds: tuple[str, ...] | None = None
) -> Iterator[str]:
    """This machine against itself with ``other_vectors``: one outcome per kind of model and of vectors."""
    wanted = run(names)
    for kind, settings in other_vectors().items():
        if kinds is None or kind in kinds:
            for outcome in differences(run(names, **settings), wanted):
                yield f"{kind}: {outcome}" if outcome else ""


def main(arguments: list[str]) -> int:
    """Print the results for the kinds of models in ``arguments``, or for all of them. --against FILE: print instead
    what differs from the results in that file, and return 1 if anything does."""
    names, file = arguments, None
    if "--against" in arguments:
        at = arguments.index("--against")
        names, file = arguments[:at], Path(arguments[at + 1])
    with tempfile.TemporaryDirectory() as folder:
        found = results(Path(folder), tuple(names) or tuple(MODELS))
    if file is None:
        sys.stdout.write(json.dumps(found))
        return 0
    wrong = [line for line in differences(found, json.loads(file.read_text(encoding="utf-8"))) if line]
    sys.stdout.write("".join(f"{line}\n" for line in wrong or [f"{len(found)} kinds of models: the same results"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
