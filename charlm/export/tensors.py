"""A .safetensors file: its tensors and its metadata, whatever they mean.

The file begins with the size of a JSON header, which gives the type, the shape and the place of each tensor; the data
follow. charlm writes the file itself, because the library orders the metadata differently in each run, and the same
model is to be the same bytes. The library reads it, and checks types, sizes and places against each other and the file.
"""

import json
import math
import os
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from ..errors import CharlmError, ModelFileError
from ..files import atomic_file

DTYPES = {"F64": "<f8", "F32": "<f4", "U32": "<u4", "F16": "<f2", "U16": "<u2", "U8": "|u1"}
NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
BFLOAT16 = "BF16"  # which NumPy lacks
FLOATS = ("F64", "F32", "F16", BFLOAT16)
MOST_TENSORS = 10_000


def write_tensors(path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write a .safetensors file, whole or not at all. Raises ModelFileError where it cannot be written."""
    order = sorted(tensors, key=lambda name: -tensors[name].itemsize)  # so that each tensor is aligned
    described: dict = {"__metadata__": dict(metadata)}
    start = 0
    for name in order:
        array = tensors[name]
        stop = start + array.nbytes
        described[name] = {"dtype": NAMES[array.dtype], "shape": array.shape, "data_offsets": [start, stop]}
        start = stop
    text = json.dumps(described, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    try:
        with atomic_file(path) as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for name in order:
                file.write(np.ascontiguousarray(tensors[name]).data)
    except OSError as error:
        raise ModelFileError(f"cannot write {path}: {error.strerror}") from None


class Tensors(Mapping):
    """The tensors of a file by name. Each is read when it is asked for: floating-point numbers as float32, others as
    they are.

    kinds: the dtype, by its name in the file, and the shape of each. metadata: texts by name.
    """

    def __init__(self, path, opened):
        self.path, self._opened = path, opened
        self.metadata: dict[str, str] = opened.metadata() or {}
        slices = {name: opened.get_slice(name) for name in opened.keys()}
        self.kinds = {name: (one.get_dtype(), tuple(one.get_shape())) for name, one in slices.items()}

    def __iter__(self):
        return iter(self.kinds)

    def __len__(self):
        return len(self.kinds)

    def __getitem__(self, name):
        dtype, shape = self.kinds[name]
        if dtype == BFLOAT16:
            array = (self._halves(name, math.prod(shape)).astype(np.uint32) << 16).view(np.float32).reshape(shape)
        else:
            array = self._opened.get_tensor(name)
        return array.astype(np.float32, copy=False) if dtype in FLOATS else array

    def _halves(self, name: str, count: int) -> np.ndarray:
        """The numbers of a tensor in bfloat16 as they stand in the file: uint16 (count)."""
        with open(self.path, "rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            file.seek(header[name]["data_offsets"][0], os.SEEK_CUR)
            return np.frombuffer(file.read(2 * count), "<u2")


@contextmanager
def opened_tensors(path) -> Iterator[Tensors]:
    """Open a .safetensors file. Raises ModelFileError where it is none or damaged, and for whatever is found wrong
    inside the block; CharlmError without the package safetensors."""
    try:
        from safetensors import safe_open
    except ModuleNotFoundError:
        raise CharlmError(
            "the package safetensors, which reads .safetensors files, is missing: pip install safetensors"
        ) from None
    try:
        if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
            raise ValueError("it is not a regular file")  # opening a pipe would wait for its other end
        with open(path, "rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size <= os.fstat(file.fileno()).st_size and file.read(size).count(b'"data_offsets"') > MOST_TENSORS:
                raise ValueError(f"it has more than {MOST_TENSORS:,} tensors")
        with safe_open(path, framework="np") as opened:
            yield Tensors(path, opened)
    except CharlmError:
        raise
    except FileNotFoundError:
        raise ModelFileError(f"there is no file {path}; check the name") from None
    except IsADirectoryError:
        raise ModelFileError(f"{path} is a folder; name a .safetensors file in it") from None
    except PermissionError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror}") from None
    except MemoryError:
        raise ModelFileError(f"there is not enough memory to load {path}") from None
    except Exception as error:  # the library, json and NumPy raise many kinds for hostile bytes
        reason = textwrap.shorten(str(error) or type(error).__name__, 150, placeholder=" …")
        raise ModelFileError(f"{path} is not a .safetensors file, or it is damaged: {reason}") from None
