"""The losses of unigrams, n-grams and xz beside that of a model, measured once more where its training text still is.

A model file does not have them: whether a training measures them depends on --quiet, and one seed gives one file.
"""

import os
import stat
import warnings
from typing import Any

from ..errors import CharlmError
from ..model import Model
from ..network.multiply_adds import evaluated_tokens
from ..text.baselines import Baseline
from ..text.corpus import Corpus, CorpusOptions
from ..text.reading import digest_of, listed
from ..text.vocabulary import Known


class _Missing(Exception):
    """Why the text of a training is not there, in words that follow "because"."""


def losses_beside(model: Model) -> tuple[list[tuple[str, float]], str]:
    """(name, nats per token on the held-out part) of each baseline, as the training tells them at its end; and why
    there is none, "" where there are some or where nobody expects any: nothing was held out, the file knows no text, or
    the task has no baselines."""
    try:
        training = model.training
        if model.task.name != "text" or training["valid_loss"] is None:
            return [], ""
        record, settings = training["corpus"], training["settings"]
        names, minutes, seed = list(map(os.fspath, record["names"])), settings["minutes"], settings["seed"]
        train, held_out = record["train_tokens"], record["held_out_tokens"]
        facts = (train, held_out, record["bytes"], seed)
        if not all(type(number) is int and 0 <= number < 2**50 for number in facts) or train * held_out == 0:
            return [], ""
        if minutes is not None and not 0 < minutes <= 1e6:
            return [], ""
    except (TypeError, KeyError, ValueError):  # another program wrote the file, or it was imported
        return [], ""
    try:
        corpus = _corpus_of(model, names, record, seed)
    except _Missing as missing:
        return [], str(missing)
    if minutes is not None:
        corpus = corpus.evaluated_on(evaluated_tokens(minutes, model.architecture))
    found: list[Baseline] = model.task.baselines(corpus, minutes, model.mixture and model.mixture.ngrams)[0]
    return [(one.name, one.nats / len(corpus.evaluated)) for one in found], ""


def _corpus_of(model: Model, names: list[str], record: dict[str, Any], seed: int) -> Corpus:
    """The text of a training, split as it was then. Raises _Missing."""
    vocabulary, columns = model.vocabulary, getattr(model.task, "columns", None)
    title, train, held_out = listed(names), record["train_tokens"], record["held_out_tokens"]
    _check_files(names, title, record, columns is not None)
    options = {"normalize": vocabulary.form.normalize, "separator": vocabulary.form.separator, "seed": seed}
    if not model.lines and vocabulary.level != "subword":  # these are cut at a token, wherever --holdout says
        options["holdout"] = (held_out - 0.5) / (train + held_out)
    if columns:
        options["columns"] = list(columns.names)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the training has told them
            chosen = CorpusOptions(level=vocabulary.level, lines=model.lines, novelty=False, **options)
            corpus = type(model.task).load(names, chosen, Known(vocabulary, model.task, grows=False))[1]
    except CharlmError:
        raise _Missing(f"charlm cannot read {title} as it did in the training (--encoding)") from None
    if corpus.digest != record["sha256"]:
        raise _Missing(f"{title} is now another text than the one that the model was trained on")
    sizes = len(corpus.train), len(corpus.held_out)
    if sum(sizes) == train:
        raise _Missing("another file was held out (--valid), and the model file does not say which")
    if sizes != (train, held_out):
        raise _Missing("charlm cannot split the text as in the training (--holdout, --encoding)")
    return corpus


def _check_files(names: list[str], title: str, record: dict[str, Any], are_tables: bool) -> None:
    """Raise _Missing where the files are not those of a training. are_tables: the record is of one column of theirs."""
    try:
        found = list(map(os.stat, names))
    except (OSError, ValueError):
        found = []
    if not found or "-" in names or not all(stat.S_ISREG(one.st_mode) for one in found):  # "-" is standard input
        raise _Missing(f"the training text ({title}) is not there")
    if are_tables:
        return
    changed = sum(one.st_size for one in found) != record["bytes"]
    try:
        if not changed and digest_of(names) == record["sha256"]:
            return
    except CharlmError:
        raise _Missing(f"charlm cannot read the training text ({title})") from None
    raise _Missing(f"{title} is now another text than the one that the model was trained on")
