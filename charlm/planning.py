"""Options → a trainer. What nobody has chosen is chosen here: by the text, the time and the machine.

With ``epochs`` the defaults are FIXED, and one seed gives one model. Else the training goes by the clock: the machine's
speed is measured for a moment, and the network is as large, and dropout as strong, as experiments found best for so
many multiply-adds on a text of this size (benchmarks/recipe.md).
"""

import time
from dataclasses import dataclass

import numpy as np

from .corpus import Corpus
from .errors import UsageError
from .network.architecture import CELLS, Architecture, initial_parameters
from .network.stack import Stack, Window
from .network.team import Team
from .optimizers import Adam
from .settings import Settings
from .tasks import task_class
from .training import Trainer

MINUTES = 5.0
FIXED = {
    "hidden": 128,
    "layers": 2,
    "batch": 50,
    "steps": 50,
    "lr": 0.004,
    "dropout": 0.0,
    "weight_dropout": 0.0,
}
WIDTHS = (32, 64, 96, 128, 192, 256, 320, 384, 448, 512, 640, 768, 896, 1024)
MOMENT = 0.3  # seconds in which the machine's speed is measured


@dataclass(frozen=True)
class Choice:
    """What was chosen, and why, in words. epochs: as many as there seems to be time for."""

    options: dict
    epochs: float
    why: str


def multiply_adds(architecture: Architecture) -> int:
    """Of one token's update: three products (forward, gradient by the input, gradient by the weights) for each weight;
    the row that one-hot input gathers is none."""
    a, cell = architecture, CELLS[architecture.cell]
    layers = a.layers * cell.recurrent * a.hidden**2 + (a.layers - 1) * cell.input * a.hidden**2
    return 3 * (layers + a.embedding * cell.input * a.hidden + a.hidden * a.vocabulary_size)


def speed(cell: str, threads: int | None) -> float:
    """Multiply-adds a second of this machine in the updates of a small network, measured for a MOMENT."""
    architecture = Architecture(66, cell, 128, 1)
    stack = Stack(architecture, initial_parameters(architecture, np.zeros(66), 1), Team(threads))
    window, adam = Window(stack, 32, 32, training=True), Adam(stack, 1.0)
    tokens = np.random.default_rng(1).integers(0, 66, (32, 32)).astype(np.int32)

    def update():
        stack.pack(for_training=True)
        window.forward_backward(tokens, tokens, 1 / tokens.size)
        adam.update(1e-3)

    update()  # loads the kernels
    updates, begun = 0, time.perf_counter()
    while (passed := time.perf_counter() - begun) < MOMENT or not updates:
        update()
        updates += 1
    stack.team.close()
    return updates * tokens.size * multiply_adds(architecture) / passed


def choose(corpus: Corpus, seconds: float, given: dict, cell: str, embedding: int, tied: bool, threads) -> Choice:
    """The options that are not given, for a training that takes so many seconds."""
    budget = max(1.0, seconds) * speed(cell, threads)
    n = len(corpus.train)

    def architecture(hidden):
        layers = given.get("layers", 1)
        return Architecture(len(corpus.vocabulary), cell, hidden, layers, hidden if tied else embedding, tied)

    fitting = [width for width in WIDTHS if budget / multiply_adds(architecture(width)) >= 10e6]
    hidden = given.get("hidden", max(fitting, default=WIDTHS[0]))
    tokens = budget / multiply_adds(architecture(hidden))
    epochs = tokens / n
    chosen = {
        "hidden": hidden,
        "layers": 1,
        "batch": max(4, min(32, n // 2000)),
        "steps": 64,
        "lr": 0.004,
        "dropout": 0.25 if epochs > 3 else 0.0,
        "weight_dropout": 0.0,
    }
    why = f"about {tokens / 1e6:.3g} million tokens in the time, {epochs:.3g} epochs"
    return Choice(chosen | given, epochs, why)


def new_trainer(
    paths,
    *,
    task="text",
    level="char",
    lines=False,
    holdout=0.1,
    valid=None,
    encoding="utf-8",
    min_count=None,
    max_vocabulary=None,
    novelty=True,
    cell="lstm",
    hidden=None,
    layers=None,
    embedding=0,
    tied=False,
    bidirectional=False,
    minutes=None,
    epochs=None,
    batch=None,
    steps=None,
    lr=None,
    dropout=None,
    weight_dropout=None,
    seed=1,
    threads=None,
    **settings,
) -> Trainer:
    """A trainer from files and options; these are the command line's (``charlm train --help``), as are the defaults.

    Given both, ``epochs`` is the first estimate of what there is time for in ``minutes``. Raises UsageError for options
    that cannot be, CorpusError for a text that cannot be read or is too short.
    """
    begun, kind = time.perf_counter(), task_class(task)
    if bidirectional and kind.not_both_ways:
        raise UsageError(f"--bidirectional does not go with --task {task}: {kind.not_both_ways}")
    corpus = kind.load(
        paths,
        level=level,
        lines=lines,
        holdout=holdout,
        valid=valid,
        encoding=encoding,
        min_count=min_count,
        max_vocabulary=max_vocabulary,
        novelty=novelty,
        seed=seed,
    )
    options = {"hidden": hidden, "layers": layers, "batch": batch, "steps": steps, "lr": lr}
    options |= {"dropout": dropout, "weight_dropout": weight_dropout}
    given = {name: value for name, value in options.items() if value is not None}
    if minutes is None and epochs is None:
        minutes = MINUTES
    choice = None
    if minutes is None or kind.defaults:
        options, epochs = FIXED | kind.defaults | given, epochs or kind.most_epochs
    elif len(given) < len(options) or epochs is None:
        choice = choose(corpus, 60 * minutes - (time.perf_counter() - begun), given, cell, embedding, tied, threads)
        options, epochs = choice.options, epochs or choice.epochs
    hidden, layers = options.pop("hidden"), options.pop("layers")
    if tied and not embedding:
        embedding = hidden
    sizes = corpus.task.sizes(corpus.vocabulary) | ({"bidirectional": True} if bidirectional else {})
    architecture = kind.architecture(cell=cell, hidden=hidden, layers=layers, embedding=embedding, tied=tied, **sizes)
    settings = Settings(epochs=float(epochs), minutes=minutes, seed=seed, **options, **settings)
    trainer = Trainer(corpus, architecture, settings, threads, begun)
    trainer.choice = choice
    return trainer
