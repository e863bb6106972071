"""The options of a training by their names, as ``charlm train`` and ``charlm.train`` take them."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, TypedDict

from ..errors import UsageError
from ..network.cells import CELLS, OLD_NAMES
from ..options import (
    COMMAND_LINE,
    FILES,
    MOST,
    MOST_SHARDS,
    PRECISIONS,
    PYTHON,
    STORE,
    THREADS,
    Option,
    Path,
    by_name,
    checked,
)
from ..ranks import PATIENCE
from ..text.options import TEXT, WHAT
from .schedule import SCHEDULES

TASKS = ("text", "classify", "generate", "tag", "translate", "chords")
CHECKPOINT_SECONDS = 60.0
MOST_ORDER = 24  # of n-grams
HOW_LONG, NETWORK, UPDATES, GO_ON = "How long", "The network", "The updates", "Going on with a model"
CHOSEN = "chosen"  # in the place of a default that depends on the text, the time, the task and the machine

TRAINING = (
    Option(
        "task",
        str,
        "What the model learns. text: the next token. classify: the label of a line label<TAB>text (or __label__x "
        "text). generate: the text of such a line, given the label. tag: the tag in each line word<TAB>tag; a blank "
        "line ends a sentence. translate: the target in each line source<TAB>target. chords: the next set of symbols, "
        "one set on each line (or a piano roll, .npz or .mat).",
        default="text",
        choices=TASKS,
        group=WHAT,
    ),
    *TEXT,
    Option(
        "minutes",
        float,
        "Time for the whole training. charlm chooses the settings that you do not give.",
        default_in_words="5, without --epochs",
        least=0,
        above_least=True,
        most=1e6,
        metavar="M",
        group=HOW_LONG,
    ),
    Option(
        "epochs",
        float,
        "Train for N passes over the text, however long they take.",
        least=0,
        above_least=True,
        most=1e38,
        metavar="N",
        group=HOW_LONG,
    ),
    Option(
        "cell",
        str,
        "Kind of layer: a recurrent cell, or feedforward for a network without memory.",
        default_in_words="lstm, or gru for --task classify",
        choices=CELLS,
        old_names=OLD_NAMES,
        group=NETWORK,
    ),
    Option(
        "context",
        int,
        "With --cell feedforward: the network sees the last N tokens.",
        default_in_words="8",
        least=1,
        most=64,
        metavar="N",
        group=NETWORK,
    ),
    Option(
        "hidden",
        int,
        "Width of a layer.",
        default_in_words=CHOSEN,
        least=1,
        most=MOST,
        metavar="H",
        group=NETWORK,
    ),
    Option(
        "layers",
        int,
        "Number of layers.",
        default_in_words=CHOSEN,
        least=1,
        most=4,
        metavar="L",
        group=NETWORK,
    ),
    Option(
        "embedding",
        int,
        "Width of an embedding of the input tokens; 0 means one-hot input.",
        default_in_words=CHOSEN,
        least=0,
        most=MOST,
        metavar="E",
        group=NETWORK,
    ),
    Option(
        "tied",
        bool,
        "Use the embedding as output weights too; it gets the width of the layers then.",
        default=False,
        group=NETWORK,
    ),
    Option(
        "bidirectional",
        bool,
        "Read each text forward and backward (not for --task text, generate or chords).",
        default=False,
        default_in_words="only with --input vectors",
        negative="--no-bidirectional",
        group=NETWORK,
    ),
    Option(
        "ngrams",
        int,
        "Count n-grams of up to N tokens, which predict together with the network; 0: the network alone.",
        default_in_words=CHOSEN,
        least=0,
        most=MOST_ORDER,
        metavar="N",
        group=NETWORK,
    ),
    Option(
        "max_ngrams",
        int,
        "Keep the counts of N n-grams at most.",
        default_in_words="three for each of the network's parameters, at least 1,000,000",
        least=1,
        metavar="N",
        group=NETWORK,
    ),
    Option(
        "batch",
        int,
        "Train on N pieces of the text, or N lines, in parallel.",
        default_in_words=CHOSEN,
        least=1,
        most=MOST,
        metavar="N",
        group=UPDATES,
    ),
    Option(
        "steps",
        int,
        "Backpropagate through windows of T tokens.",
        default_in_words=CHOSEN,
        least=1,
        most=MOST,
        metavar="T",
        group=UPDATES,
    ),
    Option(
        "lr",
        float,
        "Highest learning rate. By the clock, the recurrent weights of an LSTM learn at half of it.",
        default_in_words=CHOSEN,
        least=0,
        above_least=True,
        most=1e38,
        metavar="RATE",
        group=UPDATES,
    ),
    Option(
        "schedule",
        str,
        "How the learning rate falls after its highest value.",
        default="cosine",
        choices=SCHEDULES,
        group=UPDATES,
    ),
    Option(
        "clip",
        float,
        "Scale a gradient down to this norm; 0 means no limit.",
        default=0.2,
        least=0,
        metavar="NORM",
        group=UPDATES,
    ),
    Option(
        "dropout",
        float,
        "Drop this fraction of each layer's units at random, against overfitting.",
        default_in_words=CHOSEN,
        least=0,
        most=1,
        below_most=True,
        metavar="RATE",
        group=UPDATES,
    ),
    Option(
        "precision",
        str,
        "Number type of the matrix products in training. bf16 is faster, on processors with AVX512-BF16: there charlm "
        "chooses it for --task text without --epochs, and float32 otherwise.",
        default_in_words=CHOSEN,
        choices=PRECISIONS,
        group=UPDATES,
    ),
    Option(
        "seed",
        int,
        "Seed of all random choices. With --epochs, the same seed and settings give the same model, to the byte.",
        default=1,
        least=0,
        metavar="N",
        group=UPDATES,
    ),
    Option(
        "shards",
        int,
        "Share the rows of a batch among S fixed parts, whose gradients are summed along a tree. The model depends on "
        "S, and not on how many processes share the parts.",
        default=1,
        default_in_words="1; 8 for several processes, and for --local-updates",
        least=1,
        most=MOST_SHARDS,
        power_of_two=True,
        metavar="S",
        group=UPDATES,
    ),
    Option(
        "local_updates",
        int,
        "Each of --shards trains on --batch rows of its own, and after every H updates all of them meet: for several "
        "machines with a slow network between them.",
        default_in_words="one gradient of all shards for each update",
        least=1,
        most=MOST,
        metavar="H",
        group=UPDATES,
    ),
    Option(
        "base",
        PathLike,
        "Go on with this model instead of a new one (fine-tuning). The network, the level and the form of the text are "
        "the model's. Symbols and labels that it lacks are added, and the n-grams of both texts are counted.",
        metavar="MODEL",
        flag="--from",
        group=GO_ON,
    ),
    Option(
        "keep_vocabulary",
        bool,
        "With --from: symbols that the model lacks become <UNK>.",
        default=False,
        group=GO_ON,
    ),
    Option(
        "freeze",
        int,
        "With --from: the lower N layers do not learn, and neither does the input below them.",
        default=0,
        least=0,
        most=4,
        metavar="N",
        group=GO_ON,
    ),
    Option(
        "also_valid",
        PathLike,
        "With --from: measure on this file too, before and after the training, to see what the model has forgotten. Of "
        "the text that the model was trained on, it measures the part that was held out.",
        several=PYTHON,
        metavar="FILE",
        group=GO_ON,
    ),
    STORE,
    THREADS,
)
OF_FILES = (
    Option(
        "output",
        PathLike,
        "Write the model to this file (.npz).",
        metavar="FILE",
        short="-o",
        required=True,
        group=FILES,
    ),
    Option(
        "resume",
        bool,
        "Continue the unfinished training of this output. The settings that you do not give keep their values, except "
        "--log, --plot, --report, --save-every, --patience and --threads. If it is finished, there is nothing to do.",
        default=False,
        group=HOW_LONG,
    ),
    Option(
        "restart",
        bool,
        "Begin anew where this output has an unfinished training, and give that up.",
        default=False,
        group=HOW_LONG,
    ),
    Option(
        "backup",
        bool,
        "When the model is finished, keep one that was there before: m.npz as m.previous.npz.",
        default=True,
        default_in_words="--backup",
        negative="--no-backup",
        group=FILES,
    ),
    Option(
        "save_every",
        float,
        "Time between the checkpoints for --resume.",
        default=CHECKPOINT_SECONDS,
        least=0,
        metavar="SECONDS",
        group=FILES,
    ),
    Option(
        "patience",
        float,
        "Where mpirun or srun has started several processes: end all if one of them does not answer for so many "
        "seconds.",
        default=PATIENCE,
        least=1,
        most=1e6,
        metavar="S",
        group=FILES,
    ),
    Option(
        "log",
        PathLike,
        "Write each report to this file, as one line of JSON.",
        metavar="FILE",
        group=FILES,
    ),
    Option(
        "plot",
        PathLike,
        "When the training is finished, draw the losses to this file, as a picture (.svg).",
        metavar="FILE",
        group=FILES,
    ),
    Option(
        "report",
        PathLike,
        "Write a page of the training to this file (.html), again and again while it goes on: its losses, what the "
        "model writes as it learns, its settings and why, and at the end what came of it.",
        metavar="FILE",
        group=FILES,
    ),
    Option(
        "show",
        int,
        "On a terminal: show N lines that the model writes while it learns; 0 shows none.",
        default=3,
        where=COMMAND_LINE,
        least=0,
        most=100,
        metavar="N",
        group=FILES,
    ),
    Option(
        "explain",
        bool,
        "Say what each setting means, and why charlm chose it.",
        default=False,
        where=COMMAND_LINE,
        group=FILES,
    ),
    Option(
        "quiet",
        bool,
        "Print only warnings and errors. The n-gram baselines are skipped, unless --plot or --report shows them.",
        default=False,
        where=COMMAND_LINE,
        short="-q",
        group=FILES,
    ),
)
BY_NAME = by_name(TRAINING, OF_FILES)


class TrainingOptions(TypedDict, total=False):
    """Each option has the name and the default of ``charlm train``; None stands for the default.

    task: what is learnt: "text", "classify", "generate", "tag", "translate" or "chords".

    The text. input: what a sequence is made of, "text" or "vectors". level: what a token is: "char", "subword", "word",
    "token" or "byte". lines: each line is a sequence of its own (True) or part of one text (False); charlm chooses by
    the text if it is None. columns: of a table, by name or number: "label,text". multi_label: an example of "classify"
    may have several labels. holdout: fraction of the text to measure on. valid: files to measure on instead. encoding:
    of the files. separator: the line between items of several lines. normalize: the normal form of Unicode. min_count:
    symbols seen fewer times become <UNK>. max_vocabulary: how many symbols to keep. novelty: keep in the model what
    tells new text from copies.

    The time. minutes: how long the training may take, 5 if neither is given. epochs: passes over the text instead.

    The network. cell: kind of layer. context: tokens that a feed-forward network sees. hidden: width of a layer.
    layers: how many. embedding: width of an embedding of the input, 0 for one-hot input. tied: use the embedding as
    output weights too. bidirectional: read in both directions (not for task "text"). ngrams: the order of the n-grams
    that predict together with the network, 0 for none (only for task "text"). max_ngrams: how many to keep.

    The updates. batch, steps, lr, schedule, clip, dropout, precision, shards, local_updates: see ``Settings``. seed: of
    everything random. threads: how many work; the result does not depend on it. store: the type of the weights in the
    model file, "float32" or "float16".

    Going on with a model. base: its file, or a ``Model``. keep_vocabulary: symbols that it lacks are <UNK>. freeze: how
    many lower layers do not learn. also_valid: files to measure on besides, before and after.
    """

    task: str
    input: str
    level: str | None
    lines: bool | None
    columns: str | Sequence[str] | None
    multi_label: bool
    noise: float | None
    holdout: float | None
    valid: Path | Sequence[Path] | None
    encoding: str
    separator: str | None
    normalize: str
    min_count: int | None
    max_vocabulary: int | None
    novelty: bool
    minutes: float | None
    epochs: float | None
    cell: str | None
    context: int | None
    hidden: int | None
    layers: int | None
    embedding: int | None
    tied: bool
    bidirectional: bool
    ngrams: int | None
    max_ngrams: int | None
    batch: int | None
    steps: int | None
    lr: float | None
    schedule: str
    clip: float
    dropout: float | None
    precision: str | None
    seed: int
    shards: int
    local_updates: int | None
    base: Path | None
    keep_vocabulary: bool
    freeze: int
    also_valid: Path | Sequence[Path] | None
    store: str
    threads: int | None


NAMES = tuple(option.name for option in TRAINING)


def given_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that have a value, checked: NumPy's numbers become Python's, which JSON can hold. Raises UsageError
    where one is not an option of a training, or has a value that cannot be."""
    return checked(options, by_name(TRAINING), "train")


def stored_options(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The options in a checkpoint, checked. Raises ValueError for a name or a value that no training can have."""
    if stored.get("cell") in tuple(OLD_NAMES):
        stored = {**stored, "cell": OLD_NAMES[stored["cell"]]}
    try:
        given_options(stored)
    except UsageError as error:
        raise ValueError(f"it cannot have been made with these options: {error}") from None
    return dict(stored)
