"""Options → a trainer. What nobody has chosen is chosen here: by the text, the time and the machine.

With ``epochs`` the defaults are FIXED, and one seed gives one model. Else the training goes by the clock: the machine's
speed is measured for a moment, and the network is as large, and dropout as strong, as experiments found best for so
many multiply-adds on a text of this size (benchmarks/recipe.md).
"""

import math
import time
from dataclasses import dataclass, fields

import numpy as np

from ..errors import UsageError
from ..network.architecture import Architecture, initial_parameters
from ..network.cells import CELLS, current_name
from ..network.optimizers import Adam
from ..network.products import check_precision
from ..network.stack import Stack, StackWindow
from ..network.threads import ThreadPool
from ..tasks import task_class
from ..text.corpus import Corpus, CorpusOptions
from .loop import MOST_DROPOUT, Trainer
from .settings import Settings

MINUTES = 5.0
FIXED = {
    "cell": "lstm",
    "hidden": 128,
    "layers": 2,
    "embedding": 0,
    "batch": 50,
    "steps": 50,
    "dropout": 0.0,
}
MUCH, CALMER = 0.6, 3  # with more dropout than MUCH, or such that rises in training, so much calmer: or it explodes
WIDTHS = (32, 48, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024)
TOKENS_A_WEIGHT = 24  # that a recurrent weight is trained on, at the least
SMALL = 100_000  # tokens of training
MOMENT = 0.3  # seconds in which the machine's speed is measured


@dataclass(frozen=True)
class Plan:
    """The options, chosen and given, and the network that they make. tokens: as many as there seems to be time for;
    widest: whether the width is the greatest whose weights see TOKENS_A_WEIGHT tokens."""

    options: dict
    architecture: Architecture
    tokens: float
    widest: bool


def multiply_adds(architecture: Architecture) -> int:
    """Of one token's update: three products (forward, gradient by the input, gradient by the weights) for each weight;
    the row that one-hot input gathers is none. Those of a window are added up, on both ways."""
    a, cell = architecture, CELLS[architecture.cell]
    places = a.context or 1
    added = 2 * places * a.hidden if a.context and not a.embedding else 0
    dense = a.embedding * places * cell.input * a.hidden + a.hidden * a.vocabulary_size
    return 3 * (recurrent_weights(a) + dense) + added


def layers_for(cell: str) -> int:
    """One wide layer, or what the registry of cells says."""
    return CELLS[cell].layers


def speed(architecture: Architecture, rows: int, steps: int, threads: int | None, precision="float32") -> float:
    """Multiply-adds a second of this machine in updates of a network: the fastest one's of a MOMENT, since the others
    were held up by what else runs here."""
    V = architecture.vocabulary_size
    stack = Stack(architecture, initial_parameters(architecture, np.zeros(V), 1), ThreadPool(threads))
    window, adam = StackWindow(stack, steps, rows, training=True), Adam(stack, 1.0)
    tokens = np.random.default_rng(1).integers(0, V, (steps, rows)).astype(np.int32)

    def update():
        stack.pack(True, precision)
        window.forward_backward(tokens, tokens, 1 / tokens.size)
        adam.update(1e-3)

    update()  # loads the kernels
    fastest, begun = math.inf, time.perf_counter()
    while (start := time.perf_counter()) - begun < MOMENT or fastest == math.inf:
        update()
        fastest = min(fastest, time.perf_counter() - start)
    stack.pool.close()
    return tokens.size * multiply_adds(architecture) / fastest


def choose(corpus: Corpus, budget: float, cell: str, given: dict) -> Plan:
    """The options that are not given, for a training of so many multiply-adds."""
    n = len(corpus.train)
    options = {"layers": layers_for(cell), "embedding": 0, "tied": False, "steps": 64} | given
    if corpus.vocabulary.level == "word" and not given.keys() & {"embedding", "tied"}:
        options["tied"] = True

    def architecture(hidden):
        embedding = hidden if options["tied"] else options["embedding"]
        return Architecture(
            len(corpus.vocabulary),
            cell,
            hidden,
            options["layers"],
            embedding=embedding,
            tied=options["tied"],
            context=options.get("context"),
        )

    def tokens(hidden):
        return budget / multiply_adds(architecture(hidden))

    fitting = [width for width in WIDTHS if tokens(width) >= TOKENS_A_WEIGHT * learnt_weights(architecture(width))]
    hidden = options.setdefault("hidden", fitting[-1] if fitting else WIDTHS[0])
    if corpus.held_out_at_random:
        options.setdefault("dropout", None)
    else:
        options.setdefault("dropout", dropout_for(tokens(hidden), multiply_adds(architecture(hidden)) / 3, n))
    rows = 64 if corpus.lines else 32
    much = options["dropout"] is None or options["dropout"] > MUCH
    options = {
        "batch": max(16, min(rows, n // 2000)),
        "lr": CELLS[cell].learning_rate / (CALMER if much else 1),
    } | options
    return Plan(options, architecture(hidden), tokens(hidden), "hidden" not in given and len(fitting) > 0)


def choose_by_the_clock(corpus: Corpus, end: float, cell: str, given: dict, threads, precision) -> Plan:
    """The same for a training that ends when ``time.perf_counter()`` is ``end``: by the speed of a small network, and
    then by that of the one chosen, as wide ones make more of a machine."""

    def budget(*measured):
        rate = speed(*measured, threads, precision)
        return rate * max(1.0, end - time.perf_counter())

    small = Architecture(66, cell, 128, layers_for(cell), context=given.get("context"))
    first = choose(corpus, budget(small, 32, 32), cell, given)
    rows, steps = first.options["batch"], first.options["steps"]
    return choose(corpus, budget(first.architecture, rows, steps), cell, given)


def recurrent_weights(architecture: Architecture) -> int:
    """All weights of the layers but those of one-hot input, of which a token touches one row."""
    a, cell = architecture, CELLS[architecture.cell]
    return a.layers * cell.recurrent * a.hidden**2 + (a.layers - 1) * cell.input * a.hidden**2


def learnt_weights(architecture: Architecture) -> int:
    """Those that the width is chosen by: the recurrent ones, and of a window also those of its places, which are all
    that it knows of the past."""
    a = architecture
    return recurrent_weights(a) + (a.context or 0) * (a.embedding or a.vocabulary_size) * a.hidden


def dropout_for(tokens: float, weights: float, n: int) -> float:
    """The share of units to leave out where so many weights see so many tokens, those of a text of n again and again:
    fitted to what experiments found best (benchmarks/recipe.md). Half of them is enough, unless there are many times
    more weights than text."""
    pressure = math.log(max(1.0, tokens / n * weights / n))  # to learn the text by heart
    enough = 0.5 + 0.1 * math.log(max(1.0, weights / (8 * n)))
    return round(min(max(0.0, 0.085 * pressure - 0.02), enough, MOST_DROPOUT), 2)


def new_trainer(
    paths,
    *,
    task="text",
    cell=None,
    hidden=None,
    layers=None,
    embedding=None,
    tied=False,
    bidirectional=False,
    context=None,
    minutes=None,
    epochs=None,
    batch=None,
    steps=None,
    lr=None,
    dropout=None,
    precision="float32",
    seed=1,
    threads=None,
    **others,
) -> Trainer:
    """A trainer from files and options; these are the command line's (``charlm train --help``), as are the defaults:
    those named here, and the fields of ``corpus.Reading`` and of ``Settings``.

    Given both, ``epochs`` is the first estimate of what there is time for in ``minutes``. Raises UsageError for options
    that cannot be, CorpusError for a text that cannot be read or is too short.
    """
    begun, kind = time.perf_counter(), task_class(task)
    if bidirectional and kind.why_not_bidirectional:
        raise UsageError(f"--bidirectional does not go with --task {task}: {kind.why_not_bidirectional}")
    cell = current_name(cell or (FIXED | kind.defaults)["cell"], warn=True)
    if cell == "feedforward" and not kind.why_not_bidirectional:  # it reads a whole line before it answers
        raise UsageError(
            f"--cell feedforward does not go with --task {task}: the task needs a cell that remembers a whole line, "
            "and a feed-forward network sees the last --context tokens only; take rnn, gru or lstm"
        )
    check_precision(precision)
    reading = {field.name: others.pop(field.name) for field in fields(CorpusOptions) if field.name in others}
    learnt, corpus = kind.load(paths, CorpusOptions(**reading, seed=seed))
    options = {
        "hidden": hidden,
        "layers": layers,
        "embedding": embedding,
        "tied": tied or None,
        "context": context,
        "batch": batch,
        "steps": steps,
        "lr": lr,
        "dropout": dropout,
    }
    given = {name: value for name, value in options.items() if value is not None}
    if minutes is None and epochs is None:
        minutes = MINUTES
    choice = None
    if minutes is None or kind.defaults:
        options, epochs = FIXED | {"lr": CELLS[cell].learning_rate} | kind.defaults | given, epochs or kind.most_epochs
    else:
        choice = choose_by_the_clock(corpus, begun + 60 * minutes, cell, given, threads, precision)
        options, epochs = choice.options, epochs or choice.tokens / len(corpus.train)
    options.pop("cell", None)
    names = ("hidden", "layers", "embedding", "tied")
    hidden, layers, embedding, tied = (options.pop(name, False) for name in names)
    context = options.pop("context", None)
    sizes = learnt.architecture_fields(corpus.vocabulary) | ({"bidirectional": True} if bidirectional else {})
    embedding = hidden if tied and not embedding else embedding
    architecture = kind.architecture(
        cell=cell, hidden=hidden, layers=layers, embedding=embedding, tied=tied, context=context, **sizes
    )
    settings = Settings(epochs=float(epochs), minutes=minutes, seed=seed, precision=precision, **options, **others)
    trainer = Trainer(corpus, architecture, settings, task=learnt, threads=threads, begun=begun)
    trainer.choice = choice
    return trainer
