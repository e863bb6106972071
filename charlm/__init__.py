"""charlm trains recurrent language models on your own text, samples new text from them, and measures perplexity.

The folders, in the order in which a text goes through the program:

    text/       files → token ids; n-gram counts; the record that tells copies from new text
    kernels/    the compiled arithmetic
    network/    parameters, layers, optimizers, and the order in which they call the kernels
    tasks/      what a network learns: the next token, a label, tags, a translation
    model       what training makes and everything else uses; modelfile: the model as a file
    learning/   a text → a model: the loop, its settings, checkpoints, a run with its files
    scoring/    a model and a text → perplexity (score: the figures of a text)
    predicting  a model and examples → labels, tags, targets
    sampling/   a model → new text
    reports/    pictures and pages
    display/    what a person sees in the terminal
    cli/        the commands
    files       files written completely or not at all; errors: what can go wrong

An export of the model, for other programs, has its place in a folder export/, which does not exist yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from typing import TYPE_CHECKING, Any

from ._version import __version__ as __version__
from .errors import UsageError, check_option_names

if TYPE_CHECKING:
    from typing import Unpack

    from .learning.options import TrainingOptions
    from .learning.progress import Report
    from .model import Model
    from .sampling.samples import Sample
    from .score import Score

    Path = str | PathLike[str]


def train(
    paths: Path | Iterable[Path],
    *,
    output: Path | None = None,
    resume: bool = False,
    restart: bool = False,
    backup: bool = True,
    save_every: float = 60.0,
    log: Path | None = None,
    plot: Path | None = None,
    stop: Callable[[], bool] | None = None,
    on_report: Callable[[Report], object] | None = None,
    **options: Unpack[TrainingOptions],
) -> Model:
    """Train a model on text files and return the one that does best on the held-out part.

    paths: the name of a file, or several; "-" is standard input.
    output: write the model to this file, and a checkpoint next to it about every ``save_every`` seconds. Without it,
        nothing is saved.
    resume: continue the unfinished training of ``output``, with its options where none are given.
    restart: begin anew where ``output`` has an unfinished training, and give that up.
    backup: keep a model that is at ``output`` now: when the new one is finished, m.npz becomes m.previous.npz.
    log: write each report to this file, as one line of JSON.
    plot: draw the losses to this file, as a picture (SVG).
    stop: a function that is called after each update; when it returns True, the training stops. With ``output``, it is
        saved and can be resumed, as it is after a KeyboardInterrupt or an error of ``on_report``.
    on_report: a function that is called with each ``learning.progress.Report``: at each evaluation, and otherwise about
        once a second.
    options: those of ``charlm train``, with underscores: minutes=1, hidden=256, lines=True, max_vocabulary=10000, …
        ``learning.options.TrainingOptions`` lists them.

    Raises CharlmError: UsageError for an option that makes no sense, CorpusError for a text that cannot be read or is
    too short, ModelFileError for a file that cannot be written or resumed, DivergedError for a loss that diverges at
    every learning rate.
    """
    from .learning.session import TrainingFiles, TrainingSession

    files = TrainingFiles(
        output=output, log=log, plot=plot, resume=resume, restart=restart, backup=backup, save_every=save_every
    )
    with TrainingSession(paths, files, options) as session:
        for report in session.run(stop or (lambda: False)):
            if on_report:
                on_report(report)
        return session.best


def load(path: Path) -> Model:
    """Read a model from a file. Raises ModelFileError where the file is not a model, or is damaged."""
    from .model import load_model

    return load_model(path)


def sample(model: Model, count: int = 1, length: int | None = None, **options: Any) -> Iterator[Sample]:
    """Return an iterator of samples (text, log_probability, tokens, perplexity, longest_copied_run, novel). Each comes
    as soon as it is complete.

    count: how many; length: tokens of each, for a model of one long text. options: those of ``charlm sample``, with
    underscores (temperature=0.8, start_with="Tyr", fill="Tyr____us"). Raises UsageError for an option that does not
    exist or makes no sense, and SamplingError, after the samples that were found, where charlm finds no more.
    """
    from dataclasses import fields

    from .sampling.sampler import new_sampler
    from .sampling.settings import SamplingOptions

    _check_model(model)
    check_option_names(options, ["count", "length", *(field.name for field in fields(SamplingOptions))], "sample")
    return new_sampler(model, count, length, SamplingOptions(**options)).samples()


def perplexity(
    model: Model,
    text: str,
    *,
    threads: int | None = None,
    adapt: float | None = None,
    precision: str = "float32",
) -> Score:
    """Measure how surprising a text is to a model.

    threads: how many work; the figures do not depend on it.
    adapt: a learning rate at which the model keeps learning from the text (dynamic evaluation), None for not at all.
    precision: of the matrix products, "float32" or "bf16".

    Returns a ``score.Score`` (nats_per_token, perplexity, bits_per_character, bits_per_byte, …). Raises UsageError for
    an option that makes no sense.
    """
    from .scoring.perplexity import perplexity as score_text

    _check_model(model)
    return score_text(model, text, threads=threads, adapt=adapt, precision=precision)


def log_probability(model: Model, text: str) -> float:
    """Return the natural logarithm of the probability of a text. A model of lines takes it as one line, with its
    end."""
    from .scoring.scorer import log_probability as log_probability_of_text

    _check_model(model)
    return log_probability_of_text(model, text)


def predict(model: Model, items: Iterable[Any], *, top: int | None = None, beam: int | None = None) -> list[Any]:
    """Return a list of what the model predicts for each item. A classifier gives label → probability, the most likely
    label first.

    items: texts; for a tagger lists of words.
    top: how many labels a classifier gives, the most likely one if None.
    beam: the width of a translator's search, 1 if None.

    Raises UsageError for a language model, and for an option that the model's task does not have.
    """
    from .predicting import Predictor

    _check_model(model)
    return Predictor(model).predict(list(items), top=top, beam=beam)


def _check_model(model: object) -> None:
    """Raise UsageError for the name of a file in place of a model."""
    if isinstance(model, (str, PathLike)):
        raise UsageError(f"give a model, not the name of its file: charlm.load({str(model)!r})")
