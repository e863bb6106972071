"""A model → files for other programs, and the weights of other programs → a model.

    options      the options of charlm export and charlm import
    state_dict   parameters ⇄ the names, shapes and gate order of PyTorch
    weights      .safetensors: everything that a model is, in one file; read and written
    onnx         .onnx: the network as a graph; its layers are in onnx_graph
    snippet      the program that runs such a file in PyTorch
    baselines    the losses of n-grams and xz beside that of a model, where its training text is still there
    hub          a folder as model hubs have it, with a model card
    symbols      the vocabulary of another program, from a file
    importing    the weights of another program → a model

``FORMS`` is the table of what charlm can export to. Each form has a module here, loaded when it is asked for, with the
function

    write(model, path, used, **options) -> list[str]

which checks its outputs (``check_places``; ``used``: files that the run reads), writes them, and returns what a
person must know of what it wrote, as lines: what was left out, what was rounded.
"""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import UsageError
from ..files import check_outputs, remove_parts
from ..options import Path, check_file_name

if TYPE_CHECKING:
    from ..model import Model


class ExportForm(NamedTuple):
    """What a model can be exported to.

    name: the value of --to. ending: of the file's name; "/" for a folder. module: which has ``write``. options: the
    names of the options that ``write`` takes.
    """

    name: str
    ending: str
    module: str
    options: tuple[str, ...] = ()


FORMS = (
    ExportForm("safetensors", ".safetensors", "weights"),
    ExportForm("html", ".html", "page", ("weights",)),
    ExportForm("onnx", ".onnx", "onnx"),
    ExportForm("hub", "/", "hub"),
)
WEIGHTS = "model.safetensors"  # the name of the weights in the folder of a model hub
PICKLES = (".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth")  # files that run code when they are loaded


def form_of(path: Path, to: str | None = None) -> ExportForm:
    """The form that ``to`` names or, without it, the ending of the path; an existing folder is one of a hub. Raises
    UsageError."""
    check_file_name(path)
    name = os.fspath(path).lower()
    if to is not None:
        return next(form for form in FORMS if form.name == to)
    for form in FORMS:
        if name.endswith(form.ending) or form.ending == "/" and os.path.isdir(path):
            return form
    if name.endswith(PICKLES):
        raise UsageError(f"charlm writes no pickles, as {path} would be; PyTorch reads .safetensors")
    endings = ", ".join(form.ending for form in FORMS if form.ending != "/")
    raise UsageError(f"charlm cannot tell what {path} should be; end it in {endings} or / (a folder), or give --to")


def weights_in(path: Path, to: str | None = None) -> str:
    """The .safetensors file that is written where a model is exported to a path. Raises UsageError where none is."""
    form = form_of(path, to)
    if form.name == "hub":
        return os.path.join(path, WEIGHTS)
    if form.name != "safetensors":
        raise UsageError("--snippet is for .safetensors; leave it out")
    return os.fspath(path)


def export_model(model: "Model", path: Path, to: str | None = None, used: tuple = (), **options: Any) -> list[str]:
    """Write a model to a file or a folder for other programs; see ``charlm.export_model``. used: files that this run
    reads. Returns what a person must know of what was written, as lines."""
    form = form_of(path, to)
    for name in options:
        if name not in form.options:
            others = " or ".join(other.name for other in FORMS if name in other.options)
            raise UsageError(f"--{name.replace('_', '-')} is for {others}; leave it out")
    model.check_finite()
    return import_module(f".{form.module}", __name__).write(model, path, used, **options)


def check_places(paths: Iterable[Path], used: Iterable, is_ours: Callable[[Any], bool], kind: str) -> None:
    """``files.check_outputs`` for OUT; and delete half-written files that a killed run has left."""
    paths = list(paths)
    check_outputs(paths, used, is_ours, kind, "OUT")
    for path in paths:
        with suppress(OSError):
            remove_parts(path)


def without_ngrams(model: "Model", who: str) -> list[str]:
    """What a model is without its n-grams, as a line; no line where it has none. who: of the sentence: "PyTorch
    computes"."""
    if not model.mixture:
        return []
    line = f"{who} the network alone, without the n-grams"
    try:
        alone, both = model.training["alone"]["network"], model.training["valid_loss"]
        unit = model.task.unit(model.vocabulary.level)
        return [f"{line}: its held-out loss is {alone:.4f} nats per {unit}, with them {both:.4f}"]
    except (KeyError, TypeError, ValueError):  # nothing was held out, or another program wrote the file
        return [line]
