"""A small part of each trial in torture/; `make torture` runs the full counts."""

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from torture import (
    bits,
    copies,
    corpora,
    faults,
    kills,
    machines,
    memory,
    modelfiles,
    samples,
    soak,
    terminals,
    weights,
)
from torture.attacks import ATTACKS

TRIALS = {
    "killed at random moments": lambda folder: kills.at_random(folder, times=2),
    "signals at random moments": lambda folder: kills.by_signals(folder, times=1),
    "signals twice": lambda folder: kills.by_signals_again(folder, times=1, seed=123),
    "operations that fail, in a first training": lambda folder: faults.each_operation(
        folder, hows=("EIO",), step=67, kinds=("first", "over")
    ),
    "operations that fail or are killed, resumed": lambda folder: faults.each_operation(
        folder, hows=("ENOSPC", "after"), step=83, kinds=("again", "over again")
    ),
    "files that may not grow": lambda folder: faults.full_disks(folder, sizes=(3000,)),
    "little memory": lambda folder: faults.little_memory(folder, megabytes=(16,)),
    "bytes flipped": lambda folder: modelfiles.flipped(folder, every=61),
    "truncated": lambda folder: modelfiles.truncated(folder, every=97),
    "mutations": lambda folder: modelfiles.mutations(folder, times=400),
    "attacks": lambda folder: modelfiles.attacked(folder, commands=("info",), seconds=20),
    "bytes of weights flipped": lambda folder: weights.flipped(folder, every=307),
    "weights truncated": lambda folder: weights.truncated(folder, every=997),
    "mutations of weights": lambda folder: weights.mutations(folder, times=150),
    "attacks by weights": lambda folder: weights.attacked(
        folder, ("a header of 1e18 bytes", "overlapping tensors", "metadata of depth 100,000"), seconds=20
    ),
    "hostile texts": lambda folder: corpora.hostile(
        folder, ("one line feed", "random bytes", "control characters", "a pipe"), ("char",)
    ),
    "hostile items": lambda folder: corpora.hostile(folder, ("separators", "gzip cut off"), ("items", "tokens")),
    "hostile vectors": lambda folder: corpora.hostile(
        folder, ("random bytes", "one distinct symbol in lines"), ("vectors, classify", "vectors, translate")
    ),
    "threads and lanes": lambda folder: bits.of_threads_and_lanes(
        folder, cells=("gru",), levels=("byte",), lanes=("",)
    ),
    "other vectors": lambda folder: machines.with_other_vectors(
        folder, names=("list",), kinds=("an old processor for NumPy",)
    ),
    "code points": terminals.each_code_point,
    "locales": lambda folder: terminals.in_locales(folder, terminals.LOCALES[:2]),
    "memory": lambda folder: memory.by_size(folder, megabytes=(1,), texts=("one line",)),
    "samples": lambda folder: samples.like_the_softmax(folder, times=20_000, options=samples.OPTIONS[-1:]),
    "repetitive texts": lambda folder: copies.repetitive(
        folder, ("code", "tables", "logs"), size=10_000, epochs=4, count=5, length=200
    ),
    "soak": lambda folder: soak.resumes(folder, times=4, seconds=0.2, most=0.1, lines=300),
}


@pytest.mark.parametrize("name", TRIALS)
def test_nothing_is_lost(name, tmp_path, server, monkeypatch):
    for module in (corpora, faults, kills, modelfiles, terminals, weights):
        monkeypatch.setattr(module, "ForkServer", lambda folder: nullcontext(server))
    outcomes = list(TRIALS[name](tmp_path))
    assert outcomes and not [outcome for outcome in outcomes if outcome]


def test_there_are_as_many_attacks_and_texts_as_documented():
    assert len(ATTACKS) >= 35 and len(corpora.CORPORA | corpora.LARGE) >= 34


def test_samples_that_do_not_follow_the_model_are_noticed(tmp_path, monkeypatch):
    truth = samples.transitions
    monkeypatch.setattr(
        samples, "transitions", lambda model, **options: 0.9 * truth(model) + 0.1 / len(samples.LETTERS)
    )
    assert [outcome for outcome in samples.like_the_softmax(tmp_path, times=20_000, options=({},)) if outcome]


def test_other_results_of_another_machine_are_noticed():
    here = {"model": "12ab", "texts": ["egg", "bag"], "scores": [1.5, 2.5]}
    other = {"bytes": here | {"model": "34cd"}, "a word": here | {"texts": ["egg", "bug"]}, "scores": dict(here)}
    other["scores"] |= {"scores": [1.5, 2.5 + 2 * machines.TOLERANCE]}
    other["none"] = here | {"scores": [1.5, 2.5 + machines.TOLERANCE / 2]}
    assert list(machines.differences(other, dict.fromkeys(other, here))) == [
        "bytes: other model",
        "a word: other texts",
        "scores: other scores",
        "",
    ]


def test_the_table():
    command = [sys.executable, "-m", "torture", "--fraction", "0.002", "--only", "samples"]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True)
    name, figures = "samples that follow the softmax", done.stdout.splitlines()[-1].split()[-4:]
    assert done.returncode == 0 and name in done.stdout and figures[:3] == ["7", "7", "0"], done.stderr
