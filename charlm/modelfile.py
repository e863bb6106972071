"""Model ⇄ one .npz file.

The file is what ``numpy.load`` opens without pickles: ``header`` holds JSON as bytes, ``novelty`` the bits of two
filters, every other member is a float32 array named as in the equations (``Architecture.shapes``). It is stored
uncompressed with fixed dates, so that one model is one sequence of bytes.

    header    format, kind, charlm, architecture, vocabulary {level, symbols}, lines, training, sha256 (of the arrays
              in order), novelty {run, window, line_bytes, line_hashes, run_bytes, run_hashes}, task {name, labels or
              what else the task must know}
    novelty   line_bytes of the filter of the training text's lines, run_bytes of that of its runs: see novelty.py

Header and member ``novelty`` are missing where nothing was kept, and in format 1. A language model has no ``task``;
a model that has one, or sees a window, is of format 3.

It is written beside its place and moved there when it is whole and read back. Nothing in a file is believed, and no
array is allocated, before its names, types, shapes and sizes have been checked against each other.
"""

import dataclasses
import hashlib
import io
import json
import math
import os
import textwrap
import zipfile

import numpy as np

from ._version import __version__
from .errors import ModelFileError
from .files import whole_file
from .network.architecture import OPTIONAL, Architecture
from .tasks import Task, task_class
from .text.novelty import check_fields, from_fields
from .text.vocabulary import Vocabulary

FORMAT = 2  # of a language model with a recurrent cell; 1 has no novelty
NEWEST = 3  # of a model with a task, or with a context
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can hold


def _digest(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(name.encode() + b"\0")
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def write_archive(path, header: dict, arrays: dict[str, np.ndarray], before=None) -> None:
    """Write JSON and arrays to ``path``, whole or not at all. before: see ``places.whole_file``. Raises ModelFileError
    where the place cannot be written."""
    header = header | {"sha256": _digest(arrays)}
    text = json.dumps(header, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()
    try:
        with whole_file(path, _check_whole, before) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, array in {"header": np.frombuffer(text, np.uint8), **arrays}.items():
                array = np.ascontiguousarray(array)
                with archive.open(zipfile.ZipInfo(f"{name}.npy", _DATE), "w", force_zip64=True) as member:
                    kind = np.lib.format.header_data_from_array_1_0(array)
                    np.lib.format.write_array_header_1_0(member, kind)
                    member.write(array.reshape(-1).view(np.uint8))  # as it stands: write_array would copy it
    except (OSError, zipfile.BadZipFile) as error:
        raise ModelFileError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from None


def is_model(path) -> bool:
    """Whether a file looks like one that ``write_archive`` wrote, whole or damaged."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        beginning = file.read(40)
    return beginning[:4] == b"PK\3\4" and beginning[30:] == b"header.npy"  # the first member's signature and name


def _check_whole(path):
    """Read back what was written, so that a model in its place is never replaced by a damaged one."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged:
        raise OSError(None, f"{damaged} came back from the disk other than it was written")


class _Refused(Exception):
    """Why an archive is not what it should be."""


DIRECTORY = 1 << 20  # bytes that the directory of an archive may take


class _File(io.BufferedReader):
    """A file of which no more than ``most`` bytes are read at a time."""

    most = 0

    def read(self, size=-1):
        if size is not None and size > self.most:
            raise _Refused("it says that a part of it is larger than can be")
        return super().read(size)


def read_archive(path, shapes_of) -> tuple[dict, dict[str, np.ndarray]]:
    """The header and the arrays of a file that ``write_archive`` wrote.

    ``shapes_of(header)`` gives the dtype and shape of each array that the file must hold. Raises ModelFileError.
    """
    try:
        if not os.path.isfile(path) and os.path.exists(path) and not os.path.isdir(path):
            raise _Refused("it is not a regular file")  # opening a pipe would wait for its other end
        with _File(io.FileIO(path)) as file:
            size = os.fstat(file.fileno()).st_size
            file.most = DIRECTORY
            with zipfile.ZipFile(file) as archive:
                file.most = size
                members = {member.filename: member for member in archive.infolist()}
                if len(members) != len(archive.infolist()):
                    raise _Refused("two of its members have one name")
                for member in members.values():
                    if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
                        raise _Refused("it is compressed")
                if sum(member.file_size for member in members.values()) > size:
                    raise _Refused("its members overlap")
                header = _read_header(archive, members, size)
                expected = shapes_of(header)
                if set(members) != {f"{name}.npy" for name in expected} | {"header.npy"}:
                    raise _Refused("it does not hold the arrays that it should")
                arrays = {
                    name: _read_array(archive, members[f"{name}.npy"], name, *kind) for name, kind in expected.items()
                }
        if _digest(arrays) != header.get("sha256"):
            raise _Refused("its numbers do not agree with their digest")
        return header, arrays
    except ModelFileError:
        raise
    except FileNotFoundError:
        raise ModelFileError(f"there is no file {path}") from None
    except IsADirectoryError:
        raise ModelFileError(f"{path} is a folder, not a model") from None
    except PermissionError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror}") from None
    except MemoryError:
        raise ModelFileError(f"there is not enough memory to load {path}") from None
    except Exception as error:  # whatever zipfile, json and NumPy make of hostile bytes
        reason = textwrap.shorten(str(error) or type(error).__name__, 150, placeholder=" …")
        raise ModelFileError(f"{path} is not a charlm model, or it is damaged: {reason}") from None


def _open_array(archive, member):
    """An open member with its array header read: (file, shape, dtype); what remains in the file is the data."""
    file = archive.open(member)
    if np.lib.format.read_magic(file) != (1, 0):
        raise _Refused("it holds an array of an unknown kind")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if fortran and len(shape) > 1:
        raise _Refused("it holds an array in column order")
    return file, shape, dtype


def _read_data(file, member, shape, dtype):
    wanted = math.prod(shape) * dtype.itemsize
    if wanted > member.file_size:
        raise _Refused("it holds an array larger than the file")
    data = file.read()
    if len(data) != wanted:
        raise _Refused("it holds an array of another size than it says")
    return np.frombuffer(data, dtype).reshape(shape)


def _read_header(archive, members, size) -> dict:
    if "header.npy" not in members:
        raise _Refused("it has no header")
    file, shape, dtype = _open_array(archive, members["header.npy"])
    if dtype != np.uint8 or len(shape) != 1:
        raise _Refused("its header is not text")
    text = str(_read_data(file, members["header.npy"], shape, dtype), "utf-8")
    if sum(map(text.count, ",[{")) > 1_000_000 + size // 64:  # each takes far more memory than in the file
        raise _Refused("its header holds too many values")
    header = json.loads(text, parse_float=_finite, parse_constant=_finite)
    if not isinstance(header, dict) or type(header.get("format")) is not int or header["format"] < 1:
        raise _Refused("its header does not say which format it has")
    if header["format"] > NEWEST:
        writer = textwrap.shorten(f"{header.get('charlm')}, format {header['format']}", 60, placeholder=" …")
        raise ModelFileError(
            f"{archive.fp.name} was written by a later charlm ({writer}); this is {__version__}, which reads up to "
            f"format {NEWEST}: upgrade charlm"
        )
    return header


def _finite(text):
    number = float(text)
    if not math.isfinite(number):
        raise _Refused("its header holds a number that is not finite")
    return number


def _read_array(archive, member, name, dtype, shape):
    file, found_shape, found_dtype = _open_array(archive, member)
    if found_dtype != dtype or found_shape != tuple(shape):
        raise _Refused(f"its array {name} is {found_dtype} {found_shape} and should be {dtype} {tuple(shape)}")
    return _read_data(file, member, shape, dtype)


def save_model(model, path) -> None:
    """Write a ``Model`` to one file. Raises ModelFileError where that is not possible, DivergedError where it is not
    finite."""
    model.check_finite()
    arrays = model.named_parameters
    if model.novelty:
        arrays = arrays | {"novelty": model.novelty.bits}
    write_archive(path, model_header(model), arrays)


def model_header(model) -> dict:
    vocabulary = {"level": model.vocabulary.level, "symbols": list(model.vocabulary.symbols)}
    novelty = {"novelty": model.novelty.as_dict()} if model.novelty else {}
    fields = model.task.fields()
    task = {"task": {"name": model.task.name} | fields} if fields else {}
    return (
        novelty
        | task
        | {
            "format": NEWEST if task or model.architecture.context else FORMAT,
            "kind": "model",
            "charlm": __version__,
            "architecture": model.architecture.as_dict(),
            "vocabulary": vocabulary,
            "lines": model.lines,
            "training": model.training,
        }
    )


def describe(header: dict) -> tuple[Architecture, Vocabulary, Task]:
    """The architecture, the vocabulary and the task that a header tells of, checked. Raises where it does not make
    sense."""
    fields, task_fields = header["architecture"], header.get("task", {"name": "text"})
    task = task_class(task_fields["name"]).from_fields(task_fields)
    kinds = {field.name: field.type for field in dataclasses.fields(task.architecture)}
    if not set(fields) <= set(kinds) or not set(kinds) - set(OPTIONAL) <= set(fields):
        raise _Refused("its architecture is not described")
    for name, value in fields.items():
        if not isinstance(value, kinds[name]) or isinstance(value, bool) != (kinds[name] is bool):
            raise _Refused(f"its architecture has {value!r} for {name}")
    if type(header["lines"]) is not bool:
        raise _Refused("its header does not say whether its text is lines")
    level, symbols = header["vocabulary"]["level"], header["vocabulary"]["symbols"]
    if not isinstance(symbols, list) or not isinstance(header["training"], dict):
        raise _Refused("its header is incomplete")
    for symbol in symbols:
        if level == "byte":
            good = type(symbol) is int and 0 <= symbol < 256 and symbol != 10
        else:
            good = type(symbol) is str and symbol not in ("", "\n") and (level == "word" or len(symbol) == 1)
            symbol.encode()  # a lone surrogate is no character
        if not good:
            raise _Refused("its vocabulary holds what is no symbol")
    vocabulary = Vocabulary(level, symbols)
    given = {name: getattr(task.architecture, name) for name in OPTIONAL} | fields
    if any(given[name] != size for name, size in task.sizes(vocabulary).items()):
        raise _Refused("its vocabulary has another size than its network")
    return task.architecture(**fields), vocabulary, task


def _model_shapes(header):
    if header.get("kind") != "model":
        raise _Refused(f"it is a {header.get('kind')}, not a model")
    architecture, _, _ = describe(header)
    shapes = {name: (np.dtype("<f4"), shape) for name, shape in architecture.shapes().items()}
    if "novelty" in header:
        shapes["novelty"] = np.dtype("u1"), (check_fields(header["novelty"]),)
    return shapes


def read_model(path) -> dict:
    """The fields of the ``Model`` in a file. Raises ModelFileError where there is none that is whole and of a known
    version."""
    header, arrays = read_archive(path, _model_shapes)
    architecture, vocabulary, task = describe(header)
    novelty = None
    if "novelty" in header:
        novelty = from_fields(header["novelty"], arrays.pop("novelty"), vocabulary.level == "byte")
    parameters = np.concatenate([array.ravel() for array in arrays.values()])
    if not np.isfinite(parameters).all():
        raise ModelFileError(f"{path} is damaged: it holds numbers that are not finite")
    fields = {"lines": header["lines"], "training": header["training"], "novelty": novelty, "task": task}
    return {"architecture": architecture, "vocabulary": vocabulary, "parameters": parameters, **fields}
