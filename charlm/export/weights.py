"""The form .safetensors: all that a model is, in one file that PyTorch loads.

    tensors       the parameters: see ``state_dict``
    charlm.…      the other arrays of the model file: charlm.novelty, charlm.ngrams_children, …
    metadata      charlm: the header of the model file (see ``modelfile``), JSON. charlm_sha256: of that JSON. format:
                  "pt", as other programs expect it of tensors named by PyTorch

charlm writes the file itself: the library would order the metadata differently in each run, and the same model is to be
the same bytes. The library reads it, and checks sizes and offsets.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping

import numpy as np

from ..errors import ModelFileError
from ..files import atomic_file, check_outputs
from ..model import Model
from ..modelfile import packed
from .state_dict import to_tensors

PREFIX = "charlm."  # of the tensors that are no parameters
DTYPES = {"F32": "<f4", "F16": "<f2", "F64": "<f8", "U8": "|u1", "U16": "<u2", "U32": "<u4"}
NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}


def write(model: Model, path, used: Iterable) -> list[str]:
    """Write a model to a .safetensors file; see ``charlm.export``."""
    check_outputs((path,), used, is_ours, "a .safetensors file of charlm", "OUT")
    header, arrays = packed(model)
    tensors = to_tensors(model.architecture, model.named_parameters)
    tensors |= {PREFIX + name: array for name, array in arrays.items() if name not in model.named_parameters}
    digest = hashlib.sha256(header.encode()).hexdigest()
    write_tensors(path, tensors, {"format": "pt", "charlm": header, "charlm_sha256": digest})
    return []


def write_tensors(path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write a .safetensors file. Raises ModelFileError where it cannot be written."""
    order = sorted(tensors, key=lambda name: -tensors[name].itemsize)  # so that each is aligned; stable
    described: dict = {"__metadata__": dict(metadata)}
    start = 0
    for name in order:
        array = tensors[name]
        described[name] = {
            "dtype": NAMES[array.dtype],
            "shape": array.shape,
            "data_offsets": [start, start + array.nbytes],
        }
        start += array.nbytes
    text = json.dumps(described, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    try:
        with atomic_file(path) as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for name in order:
                file.write(np.ascontiguousarray(tensors[name]).data)
    except OSError as error:
        raise ModelFileError(f"cannot write {path}: {error.strerror}") from None


def is_ours(path) -> bool:
    """Whether a file looks like one that ``write`` wrote."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(100)[8:].startswith(b'{"__metadata__":{"format":"pt","charlm":')
