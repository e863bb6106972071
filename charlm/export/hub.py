"""The form hub: a folder as model hubs have it.

    model.safetensors   the model: see ``weights``
    config.json         what the network is, and what its ids stand for
    README.md           the model card: what the model file knows of the text, the training and the losses, in words,
                        and what n-grams and xz make of the held-out part, where the training text is still there

The card ends with the digest of its text, so that charlm replaces a card that it has written, and never one that
somebody has edited.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from .._version import __version__
from ..errors import CharlmError, UsageError
from ..files import no_place_for, write_text_file
from ..model import SHOWN, Model
from ..tasks.summary import facts, number_of
from ..text.visible import visible
from ..text.vocabulary import EOS, UNITS, UNKNOWN
from . import WEIGHTS, check_places, without_ngrams
from .baselines import losses_beside
from .snippet import program_for
from .weights import is_ours, write_model

CONFIG, CARD = "config.json", "README.md"
KINDS = {  # of models, by task, and what model hubs call the task
    "text": ("A language model", "text-generation"),
    "generate": ("A writer of lines with a label", "text-generation"),
    "classify": ("A classifier", "text-classification"),
    "tag": ("A tagger of words", "token-classification"),
    "translate": ("A translator", "translation"),
    "chords": ("A writer of sequences of sets", "other"),
}
VECTORS = {"classify": "A classifier of vectors", "tag": "A tagger of vectors", "translate": "A writer from vectors"}
SECTIONS = (  # heading, and the facts below it, as ``charlm info`` names them
    ("The model", ("task", "network", "text", "normal form", "vocabulary", "symbols", "n-grams")),
    ("The training", ("trained on", "SHA-256", "trained for", "unfinished", "settings", "imported from")),
    ("How good it is", ("held-out loss", "each alone", "baselines")),
    ("What it tells about its training text", ("known lines", "known runs", "held-out part")),
)
_MARKUP = re.compile(r"[\\`*_\[\]<>#|~$&!@]|:(?=//)")  # what Markdown may take for more than text


def write(model: Model, path, used: Iterable) -> list[str]:
    """Write the folder of a model; see ``export.FORMS``."""
    folder = Path(path)
    if not folder.is_dir():
        if folder.exists() or no_place_for(folder):
            why = no_place_for(folder) or "it is a file; choose another name for OUT"
            raise CharlmError(f"cannot write {folder}: {why}")
        try:
            folder.mkdir()
        except OSError as error:
            raise CharlmError(f"cannot make the folder {folder}: {error.strerror}") from None
    for name, written_by_us, kind in (
        (WEIGHTS, is_ours, "a .safetensors file of charlm"),
        (CONFIG, _is_config, "a config.json of charlm"),
        (CARD, _is_card, "a model card as charlm wrote it"),
    ):
        check_places((folder / name,), used, written_by_us, kind)
    write_model(model, folder / WEIGHTS)
    write_text_file(folder / CONFIG, json.dumps(config(model), indent=2) + "\n")
    write_text_file(folder / CARD, card(model, folder.resolve().name))
    return without_ngrams(model, "PyTorch computes")


def config(model: Model) -> dict:
    """The network and its symbols, as JSON values."""
    return {
        "model_type": "charlm",
        "charlm_version": __version__,
        "task": model.task.name,
        **model.architecture.as_dict(),
        **{name: value for name, value in model.task.fields().items() if name == "vectors"},
        "level": model.vocabulary.level,
        "lines": model.lines,
        "eos_token_id": EOS,
        "unk_token_id": UNKNOWN,
        "symbols": ["<EOS>", "<UNK>", *model.vocabulary.symbols],
    }


def _is_config(path) -> bool:
    with open(path, "rb") as file:
        return b'"model_type": "charlm"' in file.read(100)


def card(model: Model, name: str) -> str:
    """The model card, in Markdown. What the model file does not know is not in it."""
    known, cell, level = dict(facts(model)), model.architecture.cell, model.vocabulary.level
    beside, why_not = losses_beside(model)
    if beside:
        losses = ", ".join(f"{name} {loss:.4f}" for name, loss in beside)
        known["baselines"] = f"{losses} nats per {model.task.unit(level)}"
    kind, pipeline = KINDS[model.task.name]
    of_what, reads = f"{UNITS[level]}s", level
    if model.task.name == "chords":
        of_what = reads = "sets"
    elif model.architecture.channels:
        kind, pipeline, reads = VECTORS[model.task.name], "other", "vectors"
        of_what = number_of(len(model.task.channels), "channel")  # type: ignore[attr-defined]  # of VectorTask
    counts = " and counts of n-grams" if model.mixture else ""
    lines = [
        *("---", "library_name: charlm", f"pipeline_tag: {pipeline}", "tags:"),
        *(f"- {tag}" for tag in ("charlm", cell, reads)),
        *("---", "", f"# {_as_text(visible(name))}", ""),
        f"{kind}: {SHOWN.get(cell, cell)} of {of_what}{counts}, made with charlm {__version__}.",
    ]
    for heading, names in SECTIONS:
        rows = [(name, known[name]) for name in names if name in known]
        if rows:
            lines += ["", f"## {heading}", "", "| | |", "|---|---|"]
            lines += [f"| {name} | {_as_text(value)} |" for name, value in rows]
        if why_not and "held-out loss" in names:
            lines += ["", _as_text(visible(f"The losses of n-grams and xz are missing, because {why_not}."))]
        if heading == SECTIONS[-1][0]:
            lines += _told(model)
    text = "\n".join([*lines, "", *_use(model), ""])
    return f"{text}{_mark(text)}\n"


def _told(model: Model) -> list[str]:
    """What a reader of the file can find out about the training text, as paragraphs."""
    told = []
    if model.novelty:
        told.append(
            "Anyone who has this model can test whether a line or a run of characters was in its training text."
        )
    if model.mixture:
        told.append(
            "Anyone who has this model can read its n-grams, which are runs of tokens of the training text, and put "
            "together passages of it where they overlap."
        )
    return [line for paragraph in told for line in ("", paragraph)]


def _use(model: Model) -> list[str]:
    """How to use the folder, in charlm and in PyTorch."""
    use = "charlm predict -m m.npz"
    if model.task.name == "generate":
        use = f"charlm sample -m m.npz --count 10 --given {shlex.quote(model.task.labels[0])}"
    elif model.task.name == "chords":
        use = "charlm sample -m m.npz"
    elif model.task.name == "text":
        use = f"charlm sample -m m.npz{' --count 10' if model.lines else ''}"
    lines = ["## Use", "", "In this folder:", "", *_fenced("sh", f"charlm import . -o m.npz\n{visible(use)}"), ""]
    try:
        program = program_for(model, WEIGHTS)
    except UsageError:
        return lines
    without = ", of its network alone" if model.mixture else ""
    return [*lines, f"In PyTorch{without}:", "", *_fenced("python", program.rstrip("\n")), ""]


def _fenced(language: str, code: str) -> list[str]:
    """A block of code, in a fence that the code does not have."""
    fence = "`" * max([3, *(1 + len(run) for run in re.findall("`+", code))])
    return [f"{fence}{language}", code, fence]


def _as_text(value: str) -> str:
    """A text on one line of Markdown: nothing in it is markup."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(value.split()))


def _mark(text: str) -> str:
    return f"<!-- charlm {hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()} -->"


def _is_card(path) -> bool:
    with open(path, "rb") as file:
        found = file.read(1 << 24).decode("utf-8", "surrogateescape")
    text = found.rpartition("<!-- charlm ")[0]
    return found == f"{text}{_mark(text)}\n"
