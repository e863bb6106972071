"""The model that a training goes on with (``--from``): what the new training takes from it, and what it adds.

The network, its level and the form of its text stay as they are; an option that says otherwise is an error. New symbols
get ids of their own, and rows of the parameters. The n-grams of both texts become one tree (``text/interpolation.py``),
the records of both texts stand side by side (``Novelty.after``), and ``ancestry`` says where the model comes from.

A training that is resumed takes all this from its checkpoint, so that nobody needs the file of the base any more.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from os import PathLike, fspath
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from ..errors import CorpusError, UsageError
from ..model import Model, load_model
from ..modelfile import saved_digest
from ..network.architecture import Architecture, initial_parameters
from ..network.growing import grown_parameters
from ..network.mixture import Mixture
from ..tasks import Task
from ..text.corpus import EVALUATED_TOKENS, Corpus, CorpusOptions
from ..text.memory import MemoryText
from ..text.novelty import Novelty
from ..text.reading import digest_of, names_of, path_list
from ..text.vocabulary import Known
from .options import BY_NAME

# What the model decides besides its text: fields of its architecture.
SIZES = ("cell", "context", "hidden", "layers", "embedding", "tied", "bidirectional")
IN_MEMORY = "a model from memory"
OF_TEXT = ("input", "level", "columns", "multi_label", "encoding", "separator", "normalize")  # how another text is read
GOES_WITH = ("freeze", "keep_vocabulary", "also_valid")  # options that need --from


@dataclass(frozen=True, kw_only=True)
class Base:
    """A model to go on with. name: in messages, and in the ancestry. ancestry: of the new model, as JSON values, this
    model first. is_resumed: the model is of a checkpoint, and already has what the new text adds."""

    model: Model
    name: str
    ancestry: list[dict]
    is_resumed: bool = False

    @classmethod
    def read(cls, source: Any) -> "Base":
        """The base that --from names. source: a file, or a ``Model``. Raises ModelFileError for a file that is none."""
        if isinstance(source, str | PathLike):
            model, name = load_model(source), fspath(source)
            digest = hashlib.sha256(FilePath(source).read_bytes()).hexdigest()
        else:
            model, name, digest = source, IN_MEMORY, saved_digest(source)
        return cls(model=model, name=name, ancestry=_ancestry(model, name, digest))

    def options(self, given: dict[str, Any]) -> dict[str, Any]:
        """The options that the model decides. Raises UsageError where a given one contradicts it."""
        model = self.model
        form, sizes = model.vocabulary.form, asdict(model.architecture)
        decided: dict[str, Any] = {
            "task": model.task.name,
            "input": model.task.input,
            "level": model.vocabulary.level,
            "normalize": form.normalize,
            "separator": form.separator,
            "multi_label": "multi_label" in model.task.fields(),
            **{name: sizes[name] for name in SIZES},
        }
        if model.task.name == "text":
            decided["lines"] = model.lines
        for name, own in decided.items():
            if given.get(name, own) != own:
                raise UsageError(
                    f"{_written(name, given[name])} contradicts {self.name}, which has {_written(name, own)}; leave it "
                    "out, or train a new model without --from"
                )
        return {name: own for name, own in decided.items() if own is not None}

    def known(self, grows: bool) -> Known:
        """What a corpus must know of the model. grows: new symbols are added."""
        return Known(self.model.vocabulary, self.model.task, grows and not self.is_resumed)

    def parameters(self, task: Task, architecture: Architecture, corpus: Any, seed: int) -> np.ndarray:
        """The first parameters of the new network, (P): see ``grown_parameters``."""
        model = self.model
        if architecture == model.architecture:
            return model.parameters.copy()
        if self.is_resumed:  # with another text: the checkpoint will say so
            return initial_parameters(architecture, corpus.log_frequencies, seed)
        places, then = task.places(model.task, corpus.vocabulary, model.vocabulary), model.training.get("corpus")
        return grown_parameters(
            model.parameters,
            model.architecture,
            architecture,
            places,
            corpus.log_frequencies,
            knows_unknown=isinstance(then, dict) and then.get("unknown_share") == 0,  # the rate of ``Corpus``
        )

    @property
    def order(self) -> int | None:
        """The order of the model's n-grams, None without any."""
        return self.model.mixture.ngrams.order if self.model.mixture else None

    def mixture(self, corpus: Corpus) -> Mixture | None:
        """The model's own n-grams and weights, in the vocabulary of the new corpus."""
        mixture, vocabulary = self.model.mixture, self.model.vocabulary
        if mixture is None or len(corpus.vocabulary) == len(vocabulary):
            return mixture
        ids = corpus.vocabulary.ids_of(vocabulary)
        return replace(mixture, ngrams=mixture.ngrams.with_vocabulary(ids, len(corpus.vocabulary)))

    def novelty(self, new: Novelty | None) -> Novelty | None:
        """The record of the new text with that of the model's; None where the new one has none."""
        if self.is_resumed or new is None or self.model.novelty is None:
            return self.model.novelty if self.is_resumed else new
        return new.after(self.model.novelty)


def also_corpus(base: Base, task: Task, corpus: Any, options: Mapping[str, Any]) -> Any:
    """The text of --also-valid as a corpus, whose held-out part is measured: the whole text or, if it is the one that
    the base was trained on, the part that was held out then. task, corpus, options: of the new training.

    Raises CorpusError where the text has labels or tags that the model does not know.
    """
    paths = path_list(options["also_valid"])
    known = Known(corpus.vocabulary, task, grows=False)
    of_text = {name: options[name] for name in OF_TEXT if name in options}
    if type(task).name == "text":
        of_text["lines"] = corpus.lines
    loaded = _held_out_then(base, type(task), paths, of_text, known)
    note = f"of {names_of(paths)}, the part is measured that was held out when {base.ancestry[0]['name']} was trained"
    if loaded is None:
        found, whole = type(task).load(paths, CorpusOptions(**of_text, holdout=0.0, novelty=False), known)
        loaded = found, _all_held_out(whole)
        note = f"{names_of(paths)} is measured as a whole"
    found, also = loaded
    vocabulary = corpus.vocabulary
    if found.architecture_fields(vocabulary) != task.architecture_fields(vocabulary):
        raise CorpusError(
            f"{names_of(paths)}, the text of --also-valid, has a label or tag that the model does not know; remove it"
        )
    return replace(also, notes=(note,))


def _held_out_then(base: Base, kind: Any, paths: list, of_text: dict, known: Known) -> tuple[Task, Any] | None:
    """The task and the corpus of a text, split as it was when the base was trained on it; None if it was not, or not
    with the usual --holdout."""
    then, seed = base.ancestry[0].get("corpus"), base.ancestry[0].get("seed")
    can_read_twice = not any(isinstance(path, MemoryText) or path == "-" for path in paths)
    if not can_read_twice or not isinstance(then, dict) or type(seed) is not int or seed < 0:
        return None
    if digest_of(paths) != then.get("sha256"):
        return None
    task, corpus = kind.load(paths, CorpusOptions(**of_text, seed=seed, novelty=False), known)
    sizes = len(corpus.train), len(corpus.held_out)
    return (task, corpus) if sizes == (then.get("train_tokens"), then.get("held_out_tokens")) else None


def _all_held_out(corpus: Any) -> Any:
    """A corpus without a held-out part as one that holds all of its text out."""
    if not isinstance(corpus, Corpus):
        return replace(corpus, held_out=corpus.train)
    lengths = corpus.vocabulary.widths[corpus.train[:EVALUATED_TOKENS]]
    return replace(corpus, held_out=corpus.train, evaluated_lengths=lengths)


def check_alone(given: dict[str, Any]) -> None:
    """Raise UsageError for an option that needs a base where there is none."""
    for name in GOES_WITH:
        if given.get(name):
            remedy = "charlm perplexity measures a model on any text" if name == "also_valid" else "leave it out"
            raise UsageError(f"{BY_NAME[name].flag} goes with --from MODEL; {remedy}")


def _written(name: str, value: Any) -> str:
    """An option with its value as one writes it on the command line."""
    option = BY_NAME[name]
    if option.kind is bool:
        return option.flag if value else option.negative or f"no {option.flag}"
    if value is None:
        return f"no {option.flag}"
    return f"{option.flag} {value}" if value != "" else f'{option.flag} ""'


def _ancestry(model: Model, name: str, digest: str) -> list[dict]:
    """What the new model says of this one and of the models before it."""
    training = model.training
    facts = {
        name: training[name] for name in ("corpus", "step", "tokens", "valid_loss", "base_loss") if name in training
    }
    settings, before = training.get("settings"), training.get("ancestry")
    seed = {"seed": settings["seed"]} if isinstance(settings, dict) and "seed" in settings else {}
    before = [one for one in before if isinstance(one, dict)] if isinstance(before, list) else []
    return [{"name": name, "sha256": digest, **seed, **facts}, *before]
