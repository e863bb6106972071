"""Options → a trainer. It chooses the settings that nobody gave: by the text, the time and the machine.

With ``epochs`` the defaults are FIXED, and one seed gives one model. Otherwise the training goes by the clock: charlm
takes the faster precision of the processor and measures the machine's speed for a moment. It chooses the width and the
dropout that experiments found best for the multiply-adds that fit into the time, on a text of this size
(benchmarks/recipe.md).
"""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Unpack

import numpy as np

from ..errors import CorpusError, UsageError
from ..kernels.compiling import HAS_BFLOAT16, OnCompile
from ..network.architecture import Architecture, initial_parameters
from ..network.cells import CELLS
from ..network.multiply_adds import evaluated_tokens, multiply_adds, recurrent_weights
from ..network.optimizers import Adam
from ..network.products import check_precision
from ..network.sampled_softmax import OutputSampling, output_sampling
from ..network.sharding import Shards
from ..network.stack import Stack, StackWindow
from ..network.threads import ThreadPool
from ..options import Path
from ..portable.functions import log
from ..ranks import Ranks
from ..tasks import Task, task_class
from ..tasks.language import ORDERS, LanguageModel
from ..tasks.summary import number_of
from ..text.corpus import Corpus, CorpusOptions
from .base import Base, also_corpus, check_alone
from .control import MOST_DROPOUT
from .counts import LEAST_MINUTES, best_order
from .level import WIDE, LevelChoice
from .loop import Trainer, check_length
from .options import BY_NAME, TrainingOptions, given_options
from .preparation import prepare
from .settings import Settings

OF_CORPUS = tuple(field.name for field in fields(CorpusOptions))
OF_SETTINGS = tuple(field.name for field in fields(Settings))
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
CHOSEN = ("hidden", "layers", "embedding", "tied", "context", "batch", "steps", "lr", "dropout", "softmax_samples")
MUCH_DROPOUT = 0.6  # with more, or with a rate that rises, training can diverge at the usual learning rate
RATE_DIVISOR = 3  # of the learning rate then
RATE_UPDATES = {"word": 80, "subword": 1000}  # the learning rate falls with the root of the updates beyond these …
MOST_RATE_DIVISOR = 5  # … and is divided by this at most
BASE_DIVISOR = 1.5  # of the learning rate, where a training goes on with a model
WIDTHS = (32, 48, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024)
TOKENS_PER_WEIGHT = 24  # the chosen width leaves at least so many tokens to train each recurrent weight on …
LONG_TOKENS_PER_WEIGHT = 5  # … or so many words or subwords, each of which has several characters
MOST_LOCAL_FACTOR = 2.0  # of the learning rate with local updates, which grows with the root of the number of workers
SMALL = 100_000  # tokens of a small training text
STEPS = 64  # of a window, by the clock
SAMPLES_PER_TARGET = 1  # outputs that an update computes besides those of its targets …
LEAST_OUTPUTS_PER_SAMPLE = 4  # … where the vocabulary is so many times as large
SHARDS = 8  # of a job of several ranks
MOMENT, MOST_OF_TIME = 0.3, 0.01  # seconds in which the machine's speed is measured, and their share of all at most


@dataclass(frozen=True)
class Plan:
    """The options, given and chosen, and the network that they make.

    tokens: how many there seems to be time for. widest: charlm chose the width, as the largest that leaves
    ``tokens_per_weight`` tokens for each weight. speedup: of all ranks together over one; None for one process.
    """

    options: dict
    architecture: Architecture
    tokens: float
    widest: bool
    speedup: float | None = None


def layers_for(cell: str) -> int:
    """How many layers a network of these cells gets if nobody says."""
    return CELLS[cell].layers


def speed(
    architecture: Architecture,
    rows: int,
    steps: int,
    threads: int | None,
    precision="float32",
    ranks: Ranks | None = None,
    shards: int = 1,
    sampling: OutputSampling | None = None,
    *,
    moment: float = MOMENT,
) -> float:
    """Multiply-adds per second of this machine when it trains a network, or of all ranks, which share the rows and
    exchange their gradients. It is the speed of the fastest update in a ``moment``, in seconds, because other programs
    may slow down the rest. shards: how many this process has. sampling: of the outputs, None for all of them."""
    vocabulary_size, ranks = architecture.vocabulary_size, ranks or Ranks()
    parameters = initial_parameters(architecture, np.zeros(vocabulary_size), 1)
    stack = Stack(architecture, parameters, ThreadPool(threads))
    stack.shard(shards)
    rows = Shards(ranks.number * shards).padded(rows) // ranks.number
    window, adam = StackWindow(stack, steps, rows, training=True), Adam(stack, 1.0)
    random = np.random.default_rng(1)
    tokens = random.integers(0, vocabulary_size, (steps, rows)).astype(np.int32)
    if sampling:
        tokens = random.choice(vocabulary_size, (steps, rows), p=sampling.shares).astype(np.int32)

    def update():
        if sampling:
            stack.sample(sampling.sample(adam.updates, tokens))
        stack.pack(for_training=True, precision=precision)
        window.forward_backward(tokens, tokens, 1 / tokens.size)
        ranks.sum_tree(stack.gradient)
        adam.update(1e-3)

    update()  # loads the kernels; ``prepare`` has compiled them
    fastest, begun = math.inf, time.perf_counter()
    while ranks.agree((start := time.perf_counter()) - begun < moment or fastest == math.inf):
        update()
        fastest = min(fastest, time.perf_counter() - start)
    stack.pool.close()
    each = multiply_adds(architecture, sampling and sampling.number)
    return ranks.agree(tokens.size * ranks.number * each / fastest)


def kind_of_network(corpus: Corpus, cell: str, given: dict) -> dict:
    """The given options, and layers and embedding where they are not given: these do not depend on the time."""
    options = {"layers": layers_for(cell), "embedding": 0, "tied": False} | given
    if corpus.vocabulary.level == "word" and not given.keys() & {"embedding", "tied"}:
        options["tied"] = True
    return options


def sizes_of_updates(corpus: Corpus, given: dict) -> dict[str, Any]:
    """The given options, and batch, steps and softmax_samples (None for all outputs) where they are not given."""
    rows = max(16, min(64 if corpus.lines else 32, len(corpus.train) // 2000))
    options = {"batch": rows, "steps": STEPS} | given
    samples = SAMPLES_PER_TARGET * options["batch"] * options["steps"]
    pays = len(corpus.vocabulary) >= LEAST_OUTPUTS_PER_SAMPLE * samples
    return {"softmax_samples": samples if pays else None} | options


def tokens_per_weight(corpus: Corpus) -> int:
    """How many tokens the chosen width leaves at least to train each recurrent weight on."""
    return LONG_TOKENS_PER_WEIGHT if corpus.vocabulary.level in ("subword", "word") else TOKENS_PER_WEIGHT


def choose(corpus: Corpus, budget: float, cell: str, given: dict, mixed: bool = False) -> Plan:
    """Choose the options that are not given, for a training of ``budget`` multiply-adds. mixed: the network will
    predict together with n-grams."""
    text_tokens, options = len(corpus.train), sizes_of_updates(corpus, given) | kind_of_network(corpus, cell, given)

    def architecture(hidden):
        return Architecture(
            vocabulary_size=len(corpus.vocabulary),
            cell=cell,
            hidden=hidden,
            layers=options["layers"],
            embedding=hidden if options["tied"] else options["embedding"],
            tied=options["tied"],
            context=options.get("context"),
        )

    def tokens(hidden):
        return budget / multiply_adds(architecture(hidden), options["softmax_samples"])

    each, of_words = tokens_per_weight(corpus), corpus.vocabulary.level == "word"
    fitting = [width for width in WIDTHS if tokens(width) >= each * learnt_weights(architecture(width))]
    hidden = options.setdefault("hidden", fitting[-1] if fitting else WIDTHS[0])
    if corpus.held_out_at_random and text_tokens < SMALL:
        options.setdefault("dropout", None)
    else:
        dropout = dropout_for(tokens(hidden), multiply_adds(architecture(hidden)) / 3, text_tokens)
        options.setdefault("dropout", dropout_beside_counts(dropout) if mixed and not of_words else dropout)
    much_dropout = options["dropout"] is None or options["dropout"] > MUCH_DROPOUT
    updates = tokens(hidden) / (options["batch"] * options["steps"])
    divisor = max(RATE_DIVISOR if much_dropout else 1.0, rate_divisor(corpus.vocabulary.level, updates))
    options.setdefault("lr", CELLS[cell].learning_rate / divisor)
    return Plan(options, architecture(hidden), tokens(hidden), "hidden" not in given and len(fitting) > 0)


def choose_by_the_clock(corpus: Corpus, end: float, cell: str, given: dict, mixed, **measured: Any) -> Plan:
    """Choose for a training that ends when ``time.perf_counter()`` is ``end``. The speed of a small network gives a
    first plan; the speed of the planned network gives the final one, because a machine is faster on a wide network.
    measured: how ``speed`` measures: threads, precision, ranks, shards and moment."""

    def budget(architecture, rows, steps, sampling=None):
        per_second = speed(architecture, rows, steps, sampling=sampling, **measured)
        return per_second * measured["ranks"].agree(max(1.0, end - time.perf_counter()))

    small = Architecture(66, cell, 128, layers_for(cell), context=given.get("context"))
    first = choose(corpus, budget(small, 32, 32), cell, given, mixed)
    rows, steps = first.options["batch"], first.options["steps"]
    sampling = output_sampling(corpus.frequencies, first.options["softmax_samples"])
    return replace(
        choose(corpus, budget(first.architecture, rows, steps, sampling), cell, given, mixed),
        speedup=_speedup(first.architecture, rows, steps, sampling=sampling, **measured),
    )


def _speedup(architecture: Architecture, rows: int, steps: int, ranks: Ranks, **measured: Any) -> float | None:
    """How many times as fast as one of them all ranks train a network; None for one process. The others wait while rank
    0 measures its own speed."""
    if ranks.number == 1:
        return None
    together = speed(architecture, rows, steps, ranks=ranks, **measured)
    return ranks.agree(together / speed(architecture, rows, steps, **measured) if ranks.is_first else None)


def learnt_weights(architecture: Architecture) -> int:
    """The weights that the width is chosen by: the recurrent ones, and in a feed-forward network also the input
    weights, because they are all that it knows of the past."""
    sizes = architecture
    inputs = (sizes.context or 0) * (sizes.embedding or sizes.vocabulary_size)
    return recurrent_weights(sizes) + inputs * sizes.hidden


def dropout_for(tokens: float, weights: float, text_tokens: int) -> float:
    """The dropout rate for a network of ``weights`` that is trained on ``tokens`` tokens, by repeating a text of
    ``text_tokens``. The formula is fitted to the best rates of experiments (benchmarks/recipe.md). A rate of one half
    is enough, unless the network has many times more weights than the text has tokens."""
    pressure = float(log(max(1.0, tokens / text_tokens * weights / text_tokens)))  # how easily it memorises the text
    enough = 0.5 + 0.1 * float(log(max(1.0, weights / (8 * text_tokens))))
    return round(min(max(0.0, 0.085 * pressure - 0.02), enough, MOST_DROPOUT), 2)


def rate_divisor(level: str, updates: float) -> float:
    """What the learning rate is divided by in a training of so many updates; 1 for characters. Most words are rare, and
    many subwords: at the usual rate, a network learns the few places of each by heart (benchmarks/recipe.md)."""
    enough = RATE_UPDATES.get(level)
    return min(MOST_RATE_DIVISOR, math.sqrt(max(1.0, updates / enough))) if enough else 1.0


def dropout_beside_counts(alone: float) -> float:
    """The dropout rate of a network that predicts together with n-grams, from the rate that is best for it alone. The
    mixture corrects a network that is too sure, so that it needs less; of a small text it needs nearly as much. Words
    get all of it, because their mixture is little better than the network."""
    return round(min(alone, alone * (0.35 + alone)), 2)


def new_trainer(
    paths: Path | Iterable[Path],
    *,
    resumed: Base | None = None,
    on_compile: OnCompile | None = None,
    ranks: Ranks | None = None,
    **options: Unpack[TrainingOptions],
) -> Trainer:
    """A trainer from files and options. Options that are not given, or None, have the command line's defaults. resumed:
    what the checkpoint of a training with a base has of it; then it is not read again.

    Given both ``minutes`` and ``epochs``, the time decides, and ``epochs`` is the first estimate of what there is time
    for. The minutes count from this call on, without the time that compiling takes. on_compile: called when the first
    kernel begins to compile, here or when the training begins; see ``kernels.compiling.CompileTimer``. ranks: those of
    a job that trains the model together; each of them calls this function, with the same arguments.

    Raises UsageError for options that make no sense, CorpusError for a text that cannot be read or is too short.
    """
    begun, ranks = time.perf_counter(), ranks or Ranks()
    options = given_options(options)
    base = resumed or _base_of(options)
    options |= base.options(options) if base else {}
    kind = task_class(options.get("task", "text"), options.get("input", "text"))
    cell = _checked_cell(kind, options)
    minutes, epochs, threads = options.get("minutes"), options.get("epochs"), options.get("threads")
    minutes = MINUTES if minutes is None and epochs is None else minutes
    by_the_clock = minutes is not None and not kind.defaults
    precision = _precision(options, by_the_clock, ranks)
    given = {name: options[name] for name in CHOSEN if name in options and options[name] is not False}
    options |= {"minutes": minutes, "cell": cell, "precision": precision, "shards": _shards(options, ranks)}
    planner = Planner(options, given, begun, ranks, on_compile=on_compile) if by_the_clock else None
    task, corpus, choice = _loaded(kind, paths, options, planner, base)
    check_same_text(corpus, ranks)
    also = also_corpus(base, task, corpus, options) if base and "also_valid" in options else None
    order, plan = _order(kind, corpus, options, by_the_clock and minutes >= LEAST_MINUTES), None
    if not planner:
        chosen, epochs = FIXED | {"lr": CELLS[cell].learning_rate} | kind.defaults | given, epochs or kind.most_epochs
    else:
        check_length(corpus, given.get("steps", STEPS))  # before it takes time to compile
        plan = planner.plan(task, corpus, order)
        begun, chosen, epochs = planner.begun, plan.options, epochs or plan.tokens / len(corpus.train)
        most = evaluated_tokens(minutes, plan.architecture)
        corpus, also = corpus.evaluated_on(most), also and also.evaluated_on(most)
    if "lr" not in given:
        chosen = chosen | {"lr": chosen["lr"] / _rate_divisor(options, base)}
    decided = options | chosen | {"cell": cell, "epochs": float(epochs), "ngrams": order, "noise": corpus.noise}
    return Trainer(
        corpus,
        _architecture(task, corpus, decided),
        Settings(**{name: decided[name] for name in OF_SETTINGS if name in decided}),
        task=task,
        threads=threads,
        begun=begun,
        plan=plan,
        choice=choice,
        base=base,
        also=also,
        on_compile=on_compile,
        ranks=ranks,
    )


def _precision(options: dict[str, Any], by_the_clock: bool, ranks: Ranks) -> str:
    """The precision, given or, by the clock, the faster one of all processors. Raises UsageError where this processor
    does not have it."""
    faster = "bf16" if by_the_clock and all(ranks.gather(HAS_BFLOAT16)) else "float32"
    precision = options.get("precision") or faster
    check_precision(precision)
    return precision


def _shards(options: dict[str, Any], ranks: Ranks) -> int:
    """The number of shards, given or chosen: the same for up to SHARDS ranks, so that their number makes no difference.
    Raises UsageError where the ranks cannot share so many."""
    has_several = ranks.number > 1 or "local_updates" in options
    shards = options.get("shards") or (max(SHARDS, ranks.number) if has_several else 1)
    ranks.part_of(shards)
    return shards


def _rate_divisor(options: dict[str, Any], base: Base | None) -> float:
    """What the learning rate of a new network, trained in step, is divided by for this training."""
    divisor = BASE_DIVISOR if base else 1.0
    return divisor / min(MOST_LOCAL_FACTOR, math.sqrt(options["shards"])) if "local_updates" in options else divisor


def check_same_text(corpus: Corpus, ranks: Ranks) -> None:
    """Raise CorpusError where the ranks have not read the same text."""
    found = ranks.gather((corpus.digest, len(corpus.train), len(corpus.vocabulary), ", ".join(corpus.names)))
    for rank, facts in enumerate(found):
        if facts != found[0]:
            raise CorpusError(
                f"rank {rank} of {ranks.number} reads another text than rank 0: give all ranks the same files "
                f"({found[0][-1]}), in a folder that all machines share or in a copy on each"
            )


def _base_of(options: dict[str, Any]) -> Base | None:
    """The model to go on with, None where none is given. Raises UsageError for options that do not go together."""
    source = options.pop("base", None)
    if source is None:
        check_alone(options)
        return None
    base = Base.read(source)
    layers = base.model.architecture.layers
    if options.get("freeze", 0) > layers:
        raise UsageError(f"--freeze must be at most {layers}, as {base.name} has {number_of(layers, 'layer')}")
    for name in ("min_count", "max_vocabulary"):
        if options.get("keep_vocabulary") and name in options:
            raise UsageError(f"{BY_NAME[name].flag} chooses new symbols, and --keep-vocabulary takes none: give one")
    if "ngrams" not in options and base.order is not None:
        options["ngrams"] = base.order
    return base


class Planner:
    """Measures this machine, and plans a training by the clock.

    options: of the training, with minutes, cell and precision. given: those of CHOSEN that somebody gave. begun: the
    value of ``time.perf_counter()`` from which the minutes count; it grows by the time that compiling takes. ranks:
    those that train together, and plan together.
    """

    def __init__(
        self, options: dict[str, Any], given: dict, begun: float, ranks: Ranks, *, on_compile: OnCompile | None
    ):
        self.options, self.given, self.begun, self._on_compile = options, given, begun, on_compile
        self.cell, self.seconds, self.ranks = options["cell"], 60 * options["minutes"], ranks
        self.shards = ranks.part_of(options["shards"])[1]
        self._measured = {name: options.get(name) for name in ("threads", "precision")}
        self._measured |= {"ranks": ranks, "shards": self.shards, "moment": min(MOMENT, MOST_OF_TIME * self.seconds)}

    def plan(self, task: Task, corpus: Corpus, order: int) -> Plan:
        """Choose what is not given. order: of the n-grams that predict together with the network, 0 for none."""
        if "ngrams" not in self.options and 0 < order < ORDERS[corpus.vocabulary.level]:
            self.given.setdefault("dropout", 0.0)  # a token depends on few others: there is little to memorise
        mixed = self._compile(task, corpus)
        return choose_by_the_clock(corpus, self.begun + self.seconds, self.cell, self.given, mixed, **self._measured)

    def passes(self, corpus: Corpus) -> float:
        """How often there is time to train a network of width WIDE on each token of the training part."""
        check_same_text(corpus, self.ranks)
        self._compile(LanguageModel(), corpus)
        context = self.given.get("context")
        wide = Architecture(len(corpus.vocabulary), self.cell, WIDE, layers_for(self.cell), context=context)
        per_second = speed(wide, 32, STEPS, **self._measured) / multiply_adds(wide)
        return self.seconds * per_second / len(corpus.train)

    def _compile(self, task: Task, corpus: Corpus) -> bool:
        """Compile the kernels of a training, and return whether n-grams predict together with the network."""
        mixed = task.name == "text" and self.options.get("ngrams") != 0
        network = {"hidden": 2} | kind_of_network(corpus, self.cell, self.given)
        self.begun += prepare(
            task,
            _architecture(task, corpus, self.options | network),
            precision=self.options["precision"],
            dropout=self.given.get("dropout"),
            ngrams=mixed,
            new_optimizer=lambda network: Adam(network, 1.0),
            on_compile=self._on_compile,
            ranks=self.ranks,
            shards=self.shards,
            sampled=bool(sizes_of_updates(corpus, self.given)["softmax_samples"]),
        )
        return mixed


def _loaded(
    kind: type[Task], paths, options: dict[str, Any], planner: Planner | None, base: Base | None
) -> tuple[Task, Any, LevelChoice | None]:
    """The task, the corpus, and how the level was chosen, None where it was given. planner: of a training by the
    clock."""
    of_corpus = {name: options[name] for name in OF_CORPUS if name in options}
    if options.get("softmax_samples") and kind.name != "text":
        raise UsageError(f"--softmax-samples goes with --task text; leave it out of --task {kind.name}")
    if options.get("multi_label") and kind.name != "classify":
        raise UsageError(f"--multi-label goes with --task classify; leave it out of --task {kind.name}")
    if options.get("noise") and kind.input != "vectors":
        raise UsageError("--noise goes with --input vectors; leave it out")
    if base:
        known = base.known(grows=not options.get("keep_vocabulary"))
        task, corpus = kind.load(paths, CorpusOptions(**of_corpus), known)
        return task, replace(corpus, novelty=base.novelty(corpus.novelty)), None
    if not planner or of_corpus.keys() & {"level", "max_vocabulary"}:
        return *kind.load(paths, CorpusOptions(**of_corpus)), None
    choice = LevelChoice(options["minutes"], planner.passes)
    return *LanguageModel.load(paths, CorpusOptions(**of_corpus), choose=choice), choice


def _order(kind: type[Task], corpus: Any, options: dict[str, Any], by_text: bool) -> int:
    """The order of the n-grams that predict together with the network, given or by the level; 0 for none. by_text: it
    is by the text too, where that is not small. Raises UsageError where the task has none."""
    order = options.get("ngrams")
    if kind.name != "text":
        if order:
            raise UsageError(f"--ngrams goes with --task text; leave it out of --task {kind.name}")
        return 0
    if order is not None:
        return order
    return best_order(corpus) if by_text and len(corpus.train) >= SMALL else ORDERS[corpus.vocabulary.level]


def _checked_cell(kind: type[Task], options: dict[str, Any]) -> str:
    """The cell, given or the task's default. Raises UsageError where the task cannot have it, or cannot be
    bidirectional."""
    if options.get("bidirectional") and kind.why_not_bidirectional:
        raise UsageError(f"--bidirectional does not go with --task {kind.name}: {kind.why_not_bidirectional}")
    cell = options.get("cell", (FIXED | kind.defaults)["cell"])
    if cell == "feedforward" and kind.reads_whole_line:
        raise UsageError(
            f"--cell feedforward does not go with --task {kind.name}: it sees the last --context tokens only, and this "
            "task needs a cell that remembers the whole line; take rnn, gru or lstm"
        )
    return cell


def _architecture(task: Task, corpus: Corpus, options: dict[str, Any]) -> Architecture:
    hidden, tied = options["hidden"], options.get("tied", False)
    sizes = task.architecture_fields(corpus.vocabulary)
    if options.get("bidirectional", task.both_directions):
        sizes["bidirectional"] = True
    return task.architecture(
        cell=options["cell"],
        hidden=hidden,
        layers=options["layers"],
        embedding=hidden if tied and not options["embedding"] else options["embedding"],
        tied=tied,
        context=options.get("context"),
        **sizes,
    )
