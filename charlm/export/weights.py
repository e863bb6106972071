"""The form .safetensors: all that a model is, in one file that PyTorch loads.

tensors       the parameters: see ``state_dict``
charlm.…      the other arrays of the model file: charlm.novelty, charlm.ngrams_children, …
metadata      charlm: the header of the model file (see ``modelfile``), JSON. charlm_sha256: of that JSON. format:
              "pt", which other programs expect where tensors have PyTorch's names
"""

import hashlib
import os
from collections.abc import Iterable, Mapping

from ..errors import ModelFileError
from ..model import Model
from ..modelfile import describe, described, packed, unpacked
from ..network.architecture import views
from . import check_places, without_ngrams
from .state_dict import from_tensors, tensor_shapes, to_tensors
from .tensors import NAMES, Tensors, write_tensors

PREFIX = "charlm."  # of the tensors that are no parameters


def write(model: Model, path, used: Iterable) -> list[str]:
    """Write a model to a .safetensors file; see ``export.FORMS``."""
    check_places((path,), used, is_ours, "a .safetensors file of charlm")
    write_model(model, path)
    return without_ngrams(model, "PyTorch computes")


def write_model(model: Model, path) -> None:
    """Write a model to a .safetensors file, in the type in which its own file holds the parameters."""
    header, arrays = packed(model)
    tensors = to_tensors(model.architecture, {name: arrays[name] for name in model.named_parameters})
    tensors |= {PREFIX + name: array for name, array in arrays.items() if name not in model.named_parameters}
    write_tensors(path, tensors, {"format": "pt", "charlm": header, "charlm_sha256": _sha256(header)})


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def is_ours(path) -> bool:
    """Whether a file looks like one that ``write`` wrote."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(100)[8:].startswith(b'{"__metadata__":{"format":"pt","charlm":')


def read_model(file: Tensors) -> Model:
    """The model in a file that ``write`` wrote. Raises an exception of some kind where it is damaged; see
    ``tensors.opened_tensors``."""
    text = file.metadata["charlm"]
    if _sha256(text) != file.metadata.get("charlm_sha256"):
        raise ValueError("its metadata do not match their digest")
    header, kinds = described(file.path, text)
    architecture, _, _ = describe(header)
    stored = kinds[next(iter(architecture.shapes()))][0]
    wanted = {name: (NAMES[stored], shape) for name, shape in tensor_shapes(architecture).items()}
    others = {name: kind for name, kind in kinds.items() if name not in architecture.shapes()}
    check_tensors(file, wanted | {PREFIX + name: (NAMES[dtype], (*shape,)) for name, (dtype, shape) in others.items()})
    parameters = views(architecture, from_tensors(architecture, file))
    arrays = {name: values.astype(stored, copy=False) for name, values in parameters.items()}
    return Model(**unpacked(file.path, header, arrays | {name: file[PREFIX + name] for name in others}))


def check_tensors(file: Tensors, wanted: Mapping[str, tuple]) -> None:
    """Raise ModelFileError where a file has other tensors than these. wanted: the dtype and the shape of each."""
    for name in {**wanted, **file.kinds}:
        if name not in file.kinds:
            raise ModelFileError(f"{file.path} lacks the tensor {name}, {in_words(wanted[name])}")
        if name not in wanted:
            raise ModelFileError(f"{file.path} has a tensor {name!r:.100} that belongs to no part of its model")
        if file.kinds[name] != wanted[name]:
            raise ModelFileError(
                f"{file.path} has the tensor {name} as {in_words(file.kinds[name])}; it should be "
                f"{in_words(wanted[name])}"
            )


def in_words(kind: tuple) -> str:
    """A dtype and a shape: F32 (128, 64)."""
    dtype, shape = kind
    return f"{dtype} ({', '.join(map(str, shape))})"
