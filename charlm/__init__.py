"""Train recurrent language models on your own text, sample new text from them, and measure how well they predict text.

    import charlm

    model = charlm.train("names.txt", lines=True, minutes=1)
    for sample in charlm.sample(model, count=5):
        print(sample.text)
    print(charlm.perplexity(model, "a new text").bits_per_character)
    model.save("names.npz")

Make a model:

    train            a text → the model that does best on its held-out part
    training         the same, report by report: ``for report in charlm.training(…)``
    load             the file of a model, or a checkpoint → the model

Ask a language model:

    sample           new text
    perplexity       how surprising a text is to it
    log_probability  the logarithm of the probability of a text
    rows             the figures of a text by line, by token or by word, as an array that pandas takes
    next_tokens      the distribution of the next token
    states           the hidden states after each token, or after each line

Ask a model of labels, tags or translations:

    predict          its answers
    evaluate         how often its answers are right (for a language model: the figures of ``perplexity``)

Use it elsewhere:

    export_model     a model → files for other programs (a web page, PyTorch, model hubs)
    import_model     what export_model wrote, or the weights of a language model of PyTorch → the model

Whatever the user can correct raises a ``CharlmError``, whose message says what is wrong and what to do about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Never

from ._version import __version__ as __version__
from .errors import CharlmError as CharlmError
from .errors import CorpusError as CorpusError
from .errors import DivergedError as DivergedError
from .errors import ModelFileError as ModelFileError
from .errors import SamplingError as SamplingError
from .errors import UsageError as UsageError
from .errors import check_option_names

if TYPE_CHECKING:
    import numpy as np

    from .learning.progress import Report as Report
    from .learning.training import Training as Training
    from .model import Model as Model
    from .sampling.samples import Sample as Sample
    from .score import Score as Score
    from .scoring.states import HiddenStates as HiddenStates
    from .text.novelty import Novelty

    Path = str | PathLike[str]
    Pair = tuple[str, str] | Sequence[str]
    Pairs = Iterable[Pair] | Iterable[Sequence[Pair]]
    Arrays = np.ndarray | Iterable[Any]

__all__ = [
    *("train", "training", "load", "sample", "perplexity", "log_probability", "rows", "next_tokens", "states"),
    *("predict", "evaluate", "export_model", "import_model", "Model", "Training", "Report", "Sample", "Score"),
    *("HiddenStates", "CharlmError", "UsageError", "CorpusError", "ModelFileError", "DivergedError", "SamplingError"),
    "__version__",
]

_CLASSES = {  # each is imported when it is asked for: they need NumPy, and ``import charlm`` takes no time
    "Model": "model",
    "Training": "learning.training",
    "Report": "learning.progress",
    "Sample": "sampling.samples",
    "Score": "score",
    "HiddenStates": "scoring.states",
}


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        from importlib import import_module

        return getattr(import_module(f".{_CLASSES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def train(
    paths: Path | Iterable[Path] | None = None,
    *,
    text: str | None = None,
    lines: bool | Iterable[str] | None = None,
    pairs: Pairs | None = None,
    arrays: Arrays | None = None,
    labels: Iterable[Any] | None = None,
    task: str | None = None,
    input: str | None = None,
    level: str | None = None,
    columns: str | Sequence[str] | None = None,
    multi_label: bool | None = None,
    noise: float | None = None,
    holdout: float | None = None,
    valid: Path | Iterable[Path] | Iterable[str] | Pairs | tuple[Arrays, Iterable[Any]] | None = None,
    encoding: str | None = None,
    separator: str | None = None,
    normalize: str | None = None,
    min_count: int | None = None,
    max_vocabulary: int | None = None,
    novelty: bool | None = None,
    minutes: float | None = None,
    epochs: float | None = None,
    cell: str | None = None,
    context: int | None = None,
    hidden: int | None = None,
    layers: int | None = None,
    embedding: int | None = None,
    tied: bool | None = None,
    bidirectional: bool | None = None,
    ngrams: int | None = None,
    max_ngrams: int | None = None,
    batch: int | None = None,
    steps: int | None = None,
    lr: float | None = None,
    schedule: str | None = None,
    clip: float | None = None,
    dropout: float | None = None,
    precision: str | None = None,
    seed: int | None = None,
    shards: int | None = None,
    local_updates: int | None = None,
    base: Path | Model | None = None,
    keep_vocabulary: bool | None = None,
    freeze: int | None = None,
    also_valid: Path | Iterable[Path] | Iterable[str] | Pairs | tuple[Arrays, Iterable[Any]] | None = None,
    store: str | None = None,
    threads: int | None = None,
    output: Path | None = None,
    resume: bool = False,
    restart: bool = False,
    backup: bool = True,
    save_every: float = 60.0,
    patience: float = 300.0,
    log: Path | None = None,
    plot: Path | None = None,
    report: Path | None = None,
    stop: Callable[[], bool] | None = None,
    on_report: Callable[[Report], object] | None = None,
    progress: bool = True,
    **misspelt: Never,
) -> Model:
    """Train a model on a text and return the one that does best on the held-out part.

    Give one text. None stands for the default of each option, which is in brackets; charlm chooses the options that
    have none, by the text, the time and the speed of this machine.

    The text
        paths: the path of a text file, or several; "-" is standard input.
        text: the text itself.
        lines: the lines of a text, one string each: a list, a column of a DataFrame, a generator (it is read once).
            Each line is then a text of its own. With paths or text, True says the same of their lines, and False that
            all lines are one text; None lets charlm choose by the text.
        pairs: examples for a task with answers, in the order of charlm's files: (label, text) for "classify" and
            "generate", (source, target) for "translate"; for "tag" sentences, each a list of (word, tag).
        arrays: sequences of vectors: a list of arrays (steps, channels), or one array (sequences, steps, channels).
        labels: their answers: a label for each ("classify"), a list with a tag for each step ("tag"), or a text for
            each (task "translate"). Without a task, the labels say whether it is "classify" or "tag".
        task: what is learnt: "text" is the next token, "chords" the next set of symbols; or "classify", "generate",
            "tag", "translate" ("text").
        input: what a sequence in the files is made of: "text" or "vectors" ("text"). Arrays are vectors.
        level: what a token is, "char", "subword", "word", "token" or "byte" ("char"). A subword is a frequent word or a
            part of a word; the training text decides which there are. "token" is whatever stands between spaces.
        columns: which columns of a table (TSV, CSV, CoNLL) or keys of JSON Lines the files hold the examples in, by
            name or number: "label,text" (or "1,2"), "word,tag", "source,target", or for task "text" one, each field a
            text of its own.
        multi_label: for "classify", a text may have several labels, or none (False). A label of pairs is then one
            string, in which commas or bars separate the labels; it is empty where there is none.
        noise: of vectors, in training: how much is added to each number at random, in deviations of its channel; half
            as much is added to a channel of a sequence as a whole (0.6 for "classify" with up to 1,000 sequences, less
            for more; 0 for other tasks).
        holdout: the fraction of the text that charlm measures on (0.1; of fewer than 1,000 sequences of vectors, 0).
        valid: measure on this text instead. It is of the same kind: paths with paths, a text with text, …; with arrays
            it is a pair, (arrays, labels).
        encoding: of the files ("utf-8").
        separator: the line between items of several lines (poems, recipes), each a text of its own; "" for blank lines.
        normalize: the normal form of Unicode of all that the model reads, "none", "NFC" or "NFKC" ("none").
        min_count: symbols that occur fewer times become <UNK> (1; for words 2, or 1 where more than 2 % of
            the text would be <UNK>). With subwords, these are characters.
        max_vocabulary: how many symbols the model knows at most; None is all, and with subwords a number that fits the
            text.
        novelty: keep in the model what tells new text from copies (True).

    How long
        minutes: the time for the whole training (5, if epochs is not given either).
        epochs: passes over the text instead.

    The network
        cell: the kind of layer: "lstm", "gru", "rnn", "peephole" or "feedforward" ("lstm"; for "classify" "gru").
        context: how many tokens a feed-forward network sees (8).
        hidden: the width of a layer.
        layers: how many.
        embedding: the width of an embedding of the input; 0 is one-hot input.
        tied: use the embedding as output weights too (False).
        bidirectional: read each text forward and backward; not for task "text" (False). For vectors None is True.
        ngrams: count n-grams of up to so many tokens, which predict together with the network; 0 is the network alone.
            Only for task "text".
        max_ngrams: how many n-grams the model keeps at most.

    The updates
        batch: pieces of the text, or lines, that are trained on in parallel.
        steps: tokens of the windows that gradients are propagated through.
        lr: the highest learning rate; by the clock, the recurrent weights of an LSTM learn at half of it.
        schedule: how the learning rate falls: "cosine", "linear" or "constant" ("cosine").
        clip: gradients are scaled down to this norm; 0 is no limit (0.2).
        dropout: the fraction of each layer's units that are dropped at random.
        precision: of the matrix products, "float32" or "bf16". Where the processor has bf16, charlm chooses it for task
            "text" without epochs, and "float32" otherwise.
        seed: of all random choices (1).
        shards: how many fixed parts share the rows of a batch (1).
        local_updates: each shard trains on ``batch`` rows of its own, and after so many updates all of them meet; None
            is one gradient of all shards for each update.
        threads: how many work; the result does not depend on it.

    Going on with a model (fine-tuning)
        base: a model, or its file, to go on with instead of a new one. The task, the network, the level and the form of
            the text are the model's. Symbols and labels that it lacks are added, and n-grams of both texts are counted.
        keep_vocabulary: symbols that the model lacks become <UNK> (False).
        freeze: so many lower layers do not learn, and neither does the input below them (0).
        also_valid: measure on this text too, before and after the training, to see what the model has forgotten. Of the
            text that the model was trained on, it measures the part that was held out. It is of the same kind as the
            text.

    The files
        output: write the model to this file, and checkpoints next to it.
        resume: continue the unfinished training of ``output``, with its options where none are given. Where it is
            finished, there is nothing to do (False).
        restart: begin anew where ``output`` has an unfinished training, and give that up (False).
        backup: keep a model that is at ``output`` now: when the new one is finished, m.npz becomes m.previous.npz
            (True).
        save_every: seconds between the checkpoints (60.0).
        patience: where the processes of an MPI job train together, end all if one of them does not answer for so many
            seconds (300.0).
        log: write each report to this file, as one line of JSON.
        plot: draw the losses to this file, as a picture (SVG).
        report: write a page of the training to this file (HTML), again and again while it goes on.
        store: the type of the weights in the file, and so of the model that is returned: "float32" or "float16"
            ("float32").

    While it trains
        stop: a function that is called after each update; where it returns True, the training stops. With ``output``,
            it is saved and can be resumed, as it is after Ctrl-C and after an error of ``on_report``.
        on_report: a function that is called with each ``Report``: at each evaluation, and otherwise about once a
            second. Where it returns False (not None), the training stops as with ``stop``.
        progress: show the progress if stderr is a terminal, or in a notebook, which draws it with ipywidgets and
            otherwise gets some lines (True). A line then also says which file keeps the model that was at ``output``,
            or which unfinished training is given up.

    Ctrl-C stops the training after the update: a warning says so, and the best model so far is returned. A second
    Ctrl-C raises KeyboardInterrupt at once.

    Raises CharlmError: UsageError for an option that makes no sense, CorpusError for a text that cannot be read or is
    too short, ModelFileError for a file that cannot be written or resumed, DivergedError for a loss that diverges at
    every learning rate.
    """
    given = _without_misspelt(locals(), "train")
    stop, on_report, progress = (given.pop(name) for name in ("stop", "on_report", "progress"))
    return _trained(given, stop, on_report, progress)


def training(
    paths: Path | Iterable[Path] | None = None,
    *,
    text: str | None = None,
    lines: bool | Iterable[str] | None = None,
    pairs: Pairs | None = None,
    arrays: Arrays | None = None,
    labels: Iterable[Any] | None = None,
    task: str | None = None,
    input: str | None = None,
    level: str | None = None,
    columns: str | Sequence[str] | None = None,
    multi_label: bool | None = None,
    noise: float | None = None,
    holdout: float | None = None,
    valid: Path | Iterable[Path] | Iterable[str] | Pairs | tuple[Arrays, Iterable[Any]] | None = None,
    encoding: str | None = None,
    separator: str | None = None,
    normalize: str | None = None,
    min_count: int | None = None,
    max_vocabulary: int | None = None,
    novelty: bool | None = None,
    minutes: float | None = None,
    epochs: float | None = None,
    cell: str | None = None,
    context: int | None = None,
    hidden: int | None = None,
    layers: int | None = None,
    embedding: int | None = None,
    tied: bool | None = None,
    bidirectional: bool | None = None,
    ngrams: int | None = None,
    max_ngrams: int | None = None,
    batch: int | None = None,
    steps: int | None = None,
    lr: float | None = None,
    schedule: str | None = None,
    clip: float | None = None,
    dropout: float | None = None,
    precision: str | None = None,
    seed: int | None = None,
    shards: int | None = None,
    local_updates: int | None = None,
    base: Path | Model | None = None,
    keep_vocabulary: bool | None = None,
    freeze: int | None = None,
    also_valid: Path | Iterable[Path] | Iterable[str] | Pairs | tuple[Arrays, Iterable[Any]] | None = None,
    store: str | None = None,
    threads: int | None = None,
    output: Path | None = None,
    resume: bool = False,
    restart: bool = False,
    backup: bool = True,
    save_every: float = 60.0,
    patience: float = 300.0,
    log: Path | None = None,
    plot: Path | None = None,
    report: Path | None = None,
    **misspelt: Never,
) -> Training:
    """Return a training that is an iterable of reports: the loop trains, and may end at any time.

        training = charlm.training("text.txt", minutes=5)
        for report in training:
            if report.valid_loss is not None and report.valid_loss < 1.5:
                break
        training.best.save("m.npz")

    ``best`` is the best model so far, at any time after the first report. ``kept`` is the file that keeps the model
    which was at ``output`` before, None where there is none. Leaving the loop early (``break``, an
    exception, Ctrl-C) ends the training as ``stop`` of ``train`` does: with ``output`` it is saved and can be resumed.
    ``with training:`` around the loop ends it in any case.

    The arguments are those of ``train`` without stop, on_report and progress, which the loop takes the place of; the
    errors are the same. ``help(charlm.train)`` explains them.
    """
    return _training(**_without_misspelt(locals(), "training"))


def _without_misspelt(arguments: dict[str, Any], command: str) -> dict[str, Any]:
    """The arguments of a function by name. Raises UsageError where one was given that the function does not have."""
    misspelt = arguments.pop("misspelt")
    check_option_names(misspelt, arguments, command)
    return arguments


def _training(
    *,
    paths: Any,
    text: Any,
    lines: Any,
    pairs: Any,
    arrays: Any,
    labels: Any,
    output: Path | None,
    resume: bool,
    restart: bool,
    backup: bool,
    save_every: float,
    patience: float,
    log: Path | None,
    plot: Path | None,
    report: Path | None,
    on_compile: Any = None,
    **options: Any,
) -> Training:
    """A training from the arguments of ``training``. on_compile: see ``TrainingSession``."""
    from .learning.run import TrainingFiles
    from .learning.session import TrainingSession
    from .learning.training import Training
    from .text.memory import training_text

    if pairs is not None and options["columns"] is not None:
        raise UsageError("columns= names the columns of a table; leave it out: pairs= has two values each")
    given = {"paths": paths, "text": text, "lines": lines, "pairs": pairs}
    measured = {name: options[name] for name in ("valid", "also_valid")}
    if arrays is not None or labels is not None:
        from .vectors.archives import training_vectors

        source, more = training_vectors(given | {"arrays": arrays}, labels, measured, options["task"])
    else:
        goes_on = resume or options["base"] is not None
        source, more = training_text(given, measured, options["task"], goes_on, options["multi_label"])
    files = TrainingFiles(
        output=output,
        log=log,
        plot=plot,
        report=report,
        resume=resume,
        restart=restart,
        backup=backup,
        save_every=save_every,
        patience=patience,
    )
    return Training(TrainingSession(source, files, options | more, on_compile))


def _trained(
    given: dict[str, Any],
    stop: Callable[[], bool] | None,
    on_report: Callable[[Report], object] | None,
    progress: bool,
) -> Model:
    """Go through a training to its end, or until someone stops it: the best model. given: the arguments of
    ``training``."""
    from .display import say
    from .display.closing import kept_lines, nothing_to_do
    from .display.live import compiling, is_watched, shown
    from .learning.training import held_interrupts
    from .ranks import job

    for name, function in (("stop", stop), ("on_report", on_report)):
        if function is not None and not callable(function):
            raise UsageError(f"{name} must be a function, not {function!r:.60}")
    if not isinstance(progress, bool):
        raise UsageError(f"progress must be True or False, not {progress!r:.60}")
    quiet = not (progress and is_watched() and job().is_first)
    training = _training(**given, on_compile=None if quiet else compiling)
    with training, held_interrupts(training.interrupts):
        if training.session.done:
            if not quiet:
                say(nothing_to_do(training.session))
            return training.best
        if not quiet:
            for line in filter(None, [training.session.given_up, *training.session.trainer.corpus.notes]):
                say(line)
            training.session.train_baselines()  # the loss is shown beside that of the n-grams
        with shown(training.session, quiet=quiet) as show:
            for report in training.run(stop or (lambda: False)):
                show(report)
                if on_report and on_report(report) is False:
                    training.stop()
    for line in [] if quiet else kept_lines(training.session):
        say(line)
    if training.interrupted and not training.finished:
        from warnings import warn

        warn("Ctrl-C stopped the training; this is the best model so far", stacklevel=3)
    return training.best


def load(path: Path) -> Model:
    """Read a model from a file. Of a checkpoint, it is the best model so far.

    Raises ModelFileError where the file is not a model, or is damaged.
    """
    from .model import load_model

    return load_model(path)


def sample(
    model: Model,
    count: int = 1,
    length: int | None = None,
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    unknown: str = "reject",
    prime: str = "",
    start_with: str = "",
    stop: str | Sequence[str] = (),
    min_length: int = 0,
    max_length: int | None = None,
    unique: bool = False,
    best_of: int = 1,
    most_likely: int | None = None,
    max_copied: int | None = None,
    allow_copies: bool = False,
    corpus: Path | Sequence[Path] | Novelty | None = None,
    encoding: str = "utf-8",
    max_tries: int = 10_000,
    fill: str | None = None,
    seed: int | Sequence[int] | None = None,
    given: str | None = None,
    **misspelt: Never,
) -> Iterator[Sample]:
    """Return an iterator of samples. Each comes as soon as it is complete. A sample of a model of sets (task "chords")
    has a line for each step; of the options, count, length, prime, start_with, temperature and seed are for it.

    How much
        count: how many samples (1).
        length: tokens of each, for a model of one long text.
        min_length: the fewest characters of a sample (0).
        max_length: the most characters.
        stop: a text, or several, after which a sample ends.

    What the model reads and writes
        prime: a text that the model reads before each sample.
        start_with: the text that each sample begins with.
        fill: a pattern whose blanks (_) are filled: "Tyr____us". A backslash before _ makes it a true underscore.
        given: the label, for a model of task "generate".

    How it chooses
        temperature: below 1 the samples are more ordinary, above 1 more surprising (1.0).
        top_k: choose among the k most likely tokens only; 0 is all (0).
        top_p: choose among the most likely tokens that together have this probability (1.0).
        min_p: leave out tokens that are less likely than this times the most likely one (0.0).
        best_of: sample so many candidates for each sample, and take the most likely one (1).
        most_likely: search for so many of the most likely samples, the most likely first, instead of sampling
            ``count``. ``Sample.certain`` is False for those that the search could not prove to be among them.
        seed: an integer or several; None is a new one each time.

    Which samples are rejected
        unknown: "reject" rejects samples with <UNK>, "mask" never chooses it ("reject").
        unique: reject samples that came before (False).
        max_copied: characters of the longest run of the training text that a sample may hold.
        allow_copies: do not reject copies (False).
        corpus: text files in which copies are searched, instead of the model's own record.
        encoding: of these files ("utf-8").
        max_tries: rejections in a row after which it gives up (10000).

    Raises UsageError for an option that makes no sense, and SamplingError, after the samples that were found, where
    charlm finds no more.
    """
    options = _without_misspelt(locals(), "sample")
    model, count, length = (options.pop(name) for name in ("model", "count", "length"))
    from .sampling.sampler import new_sampler
    from .sampling.settings import SamplingOptions

    _check_model(model)
    return new_sampler(model, 1 if count is None else count, length, SamplingOptions(**options)).samples()


def perplexity(
    model: Model,
    text: str,
    *,
    threads: int | None = None,
    adapt: bool | float | None = None,
    precision: str = "float32",
    **misspelt: Never,
) -> Score:
    """Measure how surprising a text is to a model. A model of subwords reads the text in its standard segmentation;
    other subwords can spell the same text, and the figures leave them out.

    threads: how many work; the figures do not depend on it.
    adapt: True for a model that keeps learning from the text (dynamic evaluation): its network, n-grams of the text,
        and how much each counts; a number for the learning rate of the network; None or False for not at all.
    precision: of the matrix products, "float32" or "bf16".

    Returns a ``Score`` (nats_per_token, perplexity, bits_per_character, bits_per_byte, …), whose ``unknown_share`` says
    how much of it rests on <UNK>, and ``spelled`` what the figures are without that. Raises UsageError for an option
    that makes no sense.
    """
    options = _without_misspelt(locals(), "perplexity")
    from .scoring.perplexity import perplexity as score_text

    _check_model(model, text)
    return score_text(**options)


def log_probability(model: Model, text: str) -> float:
    """Return the natural logarithm of the probability of a text. A model of lines takes it as one line, with its
    end; a model of subwords reads its standard segmentation (see ``perplexity``)."""
    from .scoring.scorer import log_probability as log_probability_of_text

    _check_model(model, text)
    return log_probability_of_text(model, text)


def rows(
    model: Model,
    text: str,
    by: str = "line",
    *,
    unit: str = "nats",
    threads: int | None = None,
    adapt: bool | float | None = None,
    precision: str = "float32",
    **misspelt: Never,
) -> np.ndarray:
    """Return the figures of a text by line, by token or by word, as a structured array, of which
    ``pandas.DataFrame(rows)`` makes a table.

    by "line": the fields line (its number, from 1), tokens, unknown_tokens, nats, bits_per_character, text.
    by "token": token, log_probability, rank (1 is the most likely token), entropy of the distribution, in nats.
    by "word": line, position (in the line, from 1), tokens, unknown_tokens, nats, word. A word is a run of characters
    that are not white space, with the white space before it; a line end is a row of its own. So the nats of all rows
    add up to those of the text.

    unit: "nats", "bits" or "log10", of nats, log_probability and entropy. Their fields are named after it: bits,
        log2_probability, entropy_bits; log10, log10_probability, entropy_log10.

    Strings are Python objects, counts int64, figures float64. threads, adapt, precision: as for ``perplexity``. Raises
    UsageError for an option that makes no sense.
    """
    _without_misspelt(locals(), "rows")
    from .scoring.pipeline import ScoringOptions
    from .scoring.rows import row_array

    _check_model(model, text)
    return row_array(model, text, by, ScoringOptions(threads=threads, adapt=adapt, precision=precision), unit)


def next_tokens(model: Model, text: str) -> dict[str, float]:
    """Return the distribution of the token after a text: symbol → probability, the most likely first. The
    probabilities sum to 1.

    The line end is "<EOS>", a symbol outside the vocabulary "<UNK>"; in a model of bytes, a byte outside ASCII is a
    lone surrogate (PEP 383). A model of lines reads the last line of the text only. A model of subwords reads the text
    in its standard segmentation: after "The k" it gives what follows the token " k", and not " king". The model reads
    the text token by token: some thousand tokens take a second. Raises UsageError for a model of another task.
    """
    from .scoring.states import next_tokens as distribution_after

    _check_model(model, text)
    return distribution_after(model, text)


def states(
    model: Model, text: str, by: str = "token", *, threads: int | None = None, **misspelt: Never
) -> HiddenStates:
    """Return the hidden states after each token of a text, or after each line.

    by "token": ``a``, the hidden states, is float32 (layers, tokens, hidden), and ``c``, the cell states of an LSTM,
    has the same shape; it is None for other cells. In a model of lines, a line feed brings back the state before a
    line. The model reads the text token by token: some thousand tokens take a second.
    by "line": ``a`` is float32 (1, lines, hidden), the top layer after the last token of each line, before its end;
    ``c`` is None. The kernels read the lines, on so many threads. A classifier has these states too, and no others; if
    it is bidirectional, ``a`` is (1, lines, 2 hidden).

    Raises UsageError for a model of another task, and for a feed-forward network, which has no states.
    """
    _without_misspelt(locals(), "states")
    from .scoring.state_rows import states_of_text

    _check_model(model, text)
    return states_of_text(model, text, by, threads)


def predict(
    model: Model, items: Iterable[Any], *, top: int | None = None, beam: int | None = None, **misspelt: Never
) -> list[Any]:
    """Return a list of what the model predicts for each item. A classifier gives label → probability, the most likely
    label first; if a text may have several labels, those with a probability of 0.5 or more. A tagger gives "tags" and
    "probabilities", a list of each, and a translator "target" and "log_probability".

    items: a list of texts, or another iterable; for a tagger each item is a list of words. For a model of vectors, a
        list of arrays (steps, channels), or one array (sequences, steps, channels).
    top: how many labels a classifier gives; None is the most likely one, or those of 0.5 or more.
    beam: the width of a translator's search, 1 if None.

    Raises UsageError for a language model, for items of another form, and for an option that the model's task does not
    have.
    """
    _without_misspelt(locals(), "predict")
    from .predicting import Predictor, checked_items

    _check_model(model)
    return Predictor(model).predict(checked_items(model.task, items), top=top, beam=beam)


def evaluate(
    model: Model,
    paths: Path | Iterable[Path] | None = None,
    *,
    text: str | None = None,
    lines: Iterable[str] | None = None,
    pairs: Pairs | None = None,
    arrays: Arrays | None = None,
    labels: Iterable[Any] | None = None,
    encoding: str = "utf-8",
    beam: int | None = None,
    threads: int | None = None,
    **misspelt: Never,
) -> dict[str, Any]:
    """Measure how often a model is right about examples with their answers: the figures of ``charlm evaluate --json``.

    paths, text, lines, pairs, arrays: the examples; give one of these, as to ``train``.
    labels: the answers of arrays.
    encoding: of the files.
    beam: the width of a translator's search, 1 if None.
    threads: how many work; the figures do not depend on it.

    A classifier gives accuracy, macro F1 and the confusion matrix, or if a text may have several labels, precision,
    recall and F1 at 0.5; a tagger the accuracy of tags and the F1 of entities, a translator exact matches and the
    character error rate, a language model the figures of ``perplexity``, a model of sets the nats per step.
    Raises CorpusError for examples that make no sense to the task, UsageError for an option that makes none.
    """
    _without_misspelt(locals(), "evaluate")
    from .predicting import evaluation_of
    from .text.memory import one_text

    _check_model(model)
    given = {"paths": paths, "text": text, "lines": lines, "pairs": pairs}
    if arrays is not None or labels is not None:
        from .vectors.archives import vectors_to_evaluate

        source: Any = vectors_to_evaluate(model.task, given | {"arrays": arrays}, labels)
    else:
        source = one_text(given, model.task.name, multi_label="multi_label" in model.task.fields())
    return evaluation_of(model, source, encoding, threads=threads, beam=beam).as_dict()


def export_model(
    model: Model, path: Path, *, to: str | None = None, weights: str | None = None, **misspelt: Never
) -> list[str]:
    """Write a model to a file for other programs: ``charlm export``.

    path: where to; its ending says what is written: ".html", ".safetensors", ".onnx", or "/" for the folder of a model
        hub.
    to: what is written, whatever the ending: "html", "safetensors", "onnx" or "hub".
    weights: of a page: "float32", "float16", "int8", "int6" or "int5" (the smallest that costs next to nothing).

    Returns what there is to know about what was written, as lines: what was left out, say. Raises UsageError for a
    path or an option that makes no sense, CharlmError for a file that cannot be written, or that charlm will not
    replace because it has not written it.
    """
    options = _without_misspelt(locals(), "export_model")
    from .export import export_model as export
    from .export.options import EXPORT
    from .options import by_name, checked

    model, path = (options.pop(name) for name in ("model", "path"))
    _check_model(model)
    return export(model, path, **checked(options, by_name(EXPORT), "export_model"))


def import_model(
    path: Path,
    *,
    symbols: Path | None = None,
    level: str | None = None,
    lines: bool | None = None,
    **misspelt: Never,
) -> Model:
    """Read the weights of a language model of PyTorch, or what ``export_model`` wrote: ``charlm import``.

    path: a .safetensors file, or the folder of a model hub with model.safetensors. A model that charlm exported comes
    back whole, and takes no other argument.
    symbols: the file with the symbols that the network knows, in the order of its ids: one per line, or JSON; or a
        model of charlm with the same symbols.
    level: what the symbols are, "char", "word", "token" or "byte". None lets charlm choose by the symbols; "byte"
        needs none.
    lines: each line is a text of its own (False).

    The network is one nn.LSTM, nn.GRU or nn.RNN with tanh, with one-hot input or an embedding, and a linear map of its
    output; charlm knows the tensors by their shapes. A ``Note`` (a warning) tells what charlm inferred. Raises
    UsageError for options that make no sense, ModelFileError for a file that is damaged or a tensor that does not fit,
    CorpusError for symbols that cannot be read.
    """
    options = _without_misspelt(locals(), "import_model")
    from warnings import warn

    from .errors import Note
    from .export.importing import import_model as import_with
    from .export.options import IMPORT
    from .options import by_name, checked

    model, notes = import_with(options.pop("path"), **checked(options, by_name(IMPORT), "import_model"))
    for note in notes:
        warn(note, Note, stacklevel=2)
    return model


def _check_model(model: object, text: object = "") -> None:
    """Raise UsageError for what is no model (the name of its file, say), and for a text that is no string."""
    from .model import Model
    from .text.memory import check_string

    if isinstance(model, (str, PathLike)):
        raise UsageError(f"give a model, not the name of its file: charlm.load({str(model)!r})")
    if not isinstance(model, Model):
        raise UsageError(f"give a model first, from charlm.train or charlm.load, not {type(model).__name__}")
    check_string(text, "the text")
