"""Vectors from .npz files, and from arrays in Python.

An archive has ``x``, the steps of all sequences, (n, C) or (n); ``lengths``, the steps of each sequence, (sequences);
``y``, the answers: a label or target for each sequence, or a tag for each step; and, if somebody named them,
``channels``, (C). Sequences of equal length may stand in one array x (sequences, steps, C) without lengths. Answers are
strings or integers. charlm reads no objects of Python (pickles).
"""

import io
import math
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import CorpusError, UsageError
from ..text.memory import MemoryText, kind_given
from ..text.reading import Digest, name_of, read_bytes
from .examples import LARGEST, VectorExample, check_steps, missing, too_large

ARRAYS = "x, lengths and y"


def is_archive(path) -> bool:
    """Whether a file is an archive, by its name or by what it begins with."""
    if isinstance(path, MemoryText) or path == "-":
        return False
    if str(path).lower().endswith(".npz"):
        return True
    try:
        with open(path, "rb") as file:
            return file.seekable() and file.read(4) in (b"PK\3\4", b"PK\5\6")
    except OSError:
        return False  # who reads it as a text says why it cannot be read


def read_archive(path, digest: Digest | None, of_steps: bool) -> list[VectorExample]:
    """The examples in an .npz file. digest: gets its bytes. of_steps: each step has an answer. Raises CorpusError."""
    name, data = name_of(path), bytearray()
    for piece in read_bytes(path):
        data += piece
        if digest is not None:
            digest.update(piece)
    arrays = arrays_in(name, data, ("x", "lengths", "y", "channels"))
    return list(examples_in(name, arrays, of_steps))


def arrays_in(name: str, data: bytes | bytearray, wanted: Collection[str]) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by their names; those that are not wanted are empty. name: of the file. data: its
    bytes. Raises CorpusError."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(member, member.filename.removesuffix(".npy")) for member in archive.infolist()]
            return {stem: _array(archive, member, name) if stem in wanted else np.zeros(0) for member, stem in members}
    except CorpusError:
        raise
    except MemoryError:
        raise CorpusError(f"there is not enough memory to read {name}") from None
    except Exception as why:  # zipfile, zlib and NumPy's reader of headers raise many kinds
        raise CorpusError(f"{name} is no .npz archive of NumPy, or it is damaged: {str(why)[:100]}") from None


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> np.ndarray:
    """One array of an archive, as large as its header says."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = header(file)
        if dtype.hasobject:
            raise CorpusError(
                f"{name} has objects of Python in {member.filename}, which charlm does not read: save strings as "
                "np.array(labels, dtype=str), and sequences of different lengths as one x with lengths"
            )
        data = file.read(math.prod(shape) * dtype.itemsize + 1)
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{member.filename} has another size than it claims")
    values = np.frombuffer(data, dtype)
    return values.reshape(shape[::-1]).T if fortran else values.reshape(shape)


def examples_in(name: str, arrays: dict[str, np.ndarray], of_steps: bool) -> Iterator[VectorExample]:
    """The examples in the arrays of an archive. name: of the file. Raises CorpusError where they do not fit."""
    if "x" not in arrays:
        raise CorpusError(f"{name} has no array x; the arrays are {ARRAYS}, and not {', '.join(sorted(arrays))[:60]}")
    x, names = arrays["x"], tuple(map(str, np.atleast_1d(arrays.get("channels", np.zeros(0, str))).tolist()))
    if x.dtype.kind not in "fiub":
        raise CorpusError(f"{name} has an array x of {x.dtype}; give numbers")
    if x.ndim == 3 and "lengths" not in arrays:
        lengths, x = np.full(len(x), x.shape[1]), x.reshape(-1, x.shape[2])
    else:
        x = x[:, None] if x.ndim == 1 else x
        lengths = arrays.get("lengths", np.array([len(x)]))
    if x.ndim != 2 or not x.shape[1]:
        raise CorpusError(f"{name} has an array x of the shape {arrays['x'].shape}; give (steps, channels)")
    if names and (len(names) != x.shape[1] or len(set(names)) < len(names) or not all(map(str.strip, names))):
        raise CorpusError(f"{name} has {len(names)} names in channels for {x.shape[1]} channels; name each once")
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or (lengths < 1).any() or int(lengths.sum()) != len(x):
        raise CorpusError(
            f"the lengths in {name} must be integers from 1 on whose sum is {len(x):,}, the number of rows of x"
        )
    answers = _answers(name, arrays["y"], len(x) if of_steps else len(lengths), of_steps) if "y" in arrays else []
    start = 0
    for number, length in enumerate(lengths.tolist()):
        where, stop = f"{name}, sequence {number + 1:,}", start + length
        values = checked(x[start:stop].astype(np.float64), where, names)
        mine = answers[start:stop] if of_steps else answers[number : number + 1]
        places = [_step(where, step) for step in range(len(mine))] if of_steps else [where] * len(mine)
        yield VectorExample(where=where, values=values, answers=mine, places=places, names=names)
        start = stop


def _step(where: str, step: int) -> str:
    return f"{where} (step {step + 1:,})"


def _answers(name: str, y: np.ndarray, count: int, of_steps: bool) -> list[str]:
    """The answers as strings."""
    if y.shape != (count,):
        what = "step" if of_steps else "sequence"
        raise CorpusError(f"{name} has y of the shape {y.shape}; give one answer for each {what}, ({count:,})")
    if y.dtype.kind not in "Uiub":
        remedy = "strings or integers" if y.dtype.kind != "S" else "strings (np.array(labels, dtype=str))"
        raise CorpusError(f"{name} has y of {y.dtype}; give {remedy}")
    return [str(value).strip() for value in y.tolist()]


def checked(values: np.ndarray, where: str, names: tuple[str, ...] = ()) -> np.ndarray:
    """The values of a sequence, float64 (T, C), if charlm can read them. Raises CorpusError otherwise."""
    check_steps(len(values), where)
    bad = ~(np.abs(values) <= LARGEST)
    if bad.any():
        step, channel = np.argwhere(bad)[0].tolist()
        value, named = values[step, channel], names[channel] if names else str(channel + 1)
        place = _step(where, step)
        raise missing(place, named) if np.isnan(value) else too_large(float(value), place, named)
    return values


class MemoryVectors(MemoryText):
    """Sequences of vectors from memory, and their answers, in place of the name of a file.

    examples: of ``checked_arrays``. Its bytes are those of the numbers and of the answers.
    """

    def __init__(self, name: str, examples: list[VectorExample]):
        super().__init__(name, ())
        self.examples = examples

    def pieces(self) -> Iterator[bytes]:
        for one in self.examples:
            yield np.array(one.values.shape, "<i8").tobytes()
            yield one.values.astype("<f8").tobytes()
            yield "\n".join([*one.answers, ""]).encode("utf-8", "surrogatepass")


def checked_arrays(arrays: Any, name: str) -> list[VectorExample]:
    """The sequences of a call from Python, without answers: arrays (T, C) or (T), or one array (sequences, T, C).
    Raises UsageError for what is none, CorpusError for numbers that cannot be."""
    if isinstance(arrays, (str, bytes)) or not isinstance(arrays, Iterable):
        raise UsageError(f"{name} must be a list of arrays (steps, channels), not {type(arrays).__name__}")
    if isinstance(arrays, np.ndarray) and arrays.ndim not in (1, 3):
        raise UsageError(
            f"{name} is one array of the shape {arrays.shape}: give a list of arrays (steps, channels), or one array "
            "(sequences, steps, channels)"
        )
    found: list[VectorExample] = []
    for number, one in enumerate(arrays):
        where = f"{name}[{number}]"
        try:
            values = np.asarray(one)
        except (ValueError, TypeError):
            values = np.array(None)
        if values.dtype.kind not in "fiub" or values.ndim not in (1, 2) or not values.size:
            shape = "rows of different lengths" if values.ndim == 0 else f"{values.dtype} of the shape {values.shape}"
            raise UsageError(f"{where} is {shape}; give an array (steps, channels) of numbers")
        values = values.reshape(len(values), -1).astype(np.float64)
        if found and values.shape[1] != found[0].values.shape[1]:
            raise UsageError(
                f"{where} has {values.shape[1]} channels and {name}[0] {found[0].values.shape[1]}: all arrays have the "
                "same channels"
            )
        found.append(VectorExample(where=where, values=checked(values, where)))
    if not found:
        raise CorpusError(f"{name} is empty; give something to read (a generator can be read only once)")
    return found


def memory_vectors(arrays: Any, labels: Any, name: str, of_steps: bool) -> MemoryVectors:
    """The sequences and answers of a call from Python. labels: a label or target for each sequence, or a list of tags;
    None for none. Raises UsageError where they do not fit."""
    examples = checked_arrays(arrays, name)
    if labels is None:
        return MemoryVectors(name, examples)
    if isinstance(labels, (str, bytes)) or not isinstance(labels, Iterable):
        raise UsageError(f"labels must be a list, one for each of {name}, not {type(labels).__name__}")
    labels = list(labels)
    if len(labels) != len(examples):
        raise UsageError(f"{name} has {len(examples):,} sequences, and there are {len(labels):,} labels: give one each")
    for number, (one, label) in enumerate(zip(examples, labels, strict=True)):
        where = f"labels[{number}]"
        if of_steps and (isinstance(label, (str, bytes)) or not isinstance(label, Iterable)):
            raise UsageError(f"{where} must be a list with a tag for each step, not {type(label).__name__}")
        given = list(label) if of_steps else [label]
        if of_steps and len(given) != len(one.values):
            raise UsageError(f"{where} has {len(given):,} tags for a sequence of {len(one.values):,} steps")
        one.places = [_step(where, step) for step in range(len(given))] if of_steps else [where]
        one.answers = [_as_answer(value, place) for value, place in zip(given, one.places, strict=True)]
    return MemoryVectors(name, examples)


def _as_answer(value: Any, where: str) -> str:
    if not isinstance(value, (str, int, np.integer)):
        raise UsageError(f"{where} is {type(value).__name__}: {value!r:.40}; give strings or integers")
    return str(value).strip()


def training_vectors(
    given: dict[str, Any], labels: Any, measured: Mapping[str, Any], task: str | None
) -> tuple[MemoryVectors, dict[str, Any]]:
    """The vectors to train on, and the options that follow from them: input, task, valid and also_valid.

    given: arrays and the other kinds of texts, of which there must be none. labels: see ``memory_vectors``. measured:
    pairs (arrays, labels), None where there is none. task: the option, None if nobody said. Raises UsageError, and
    CorpusError for numbers that cannot be.
    """
    _check_alone(given)
    if labels is None:
        raise UsageError("arrays= needs labels=: a label, a list of tags or a target for each sequence")
    labels = list(labels) if isinstance(labels, Iterable) and not isinstance(labels, (str, bytes)) else labels
    if task is None and isinstance(labels, list):
        of_steps = any(isinstance(label, Iterable) and not isinstance(label, (str, bytes)) for label in labels)
        task = "tag" if of_steps else "classify"
    options: dict[str, Any] = {"input": "vectors", "task": task, "lines": True}
    for name, value in measured.items():
        if value is not None:
            if not isinstance(value, (tuple, list)) or len(value) != 2:
                raise UsageError(f"{name} must be a pair (arrays, labels), as arrays= and labels= are")
            options[name] = memory_vectors(*value, name, task == "tag")
    return memory_vectors(given["arrays"], labels, "arrays", task == "tag"), options


def vectors_to_evaluate(task: Any, given: dict[str, Any], labels: Any) -> MemoryVectors:
    """The vectors of a call from Python that evaluates a model of this task. given, labels: see ``training_vectors``.
    Raises UsageError, and CorpusError for numbers that cannot be."""
    _check_alone(given)
    if task.input != "vectors":
        raise UsageError("arrays= is for a model of vectors; give this model texts: paths, text=, lines= or pairs=")
    if labels is None:
        raise UsageError("arrays= needs labels=, the right answers; charlm.predict takes arrays without them")
    return memory_vectors(given["arrays"], labels, "arrays", task.of_steps)


def _check_alone(given: dict[str, Any]) -> None:
    """Raise UsageError where a text stands beside the arrays, or labels alone."""
    if given["arrays"] is None:
        raise UsageError("labels= goes with arrays=; a text brings its labels along: pairs=, or a file")
    kind_given(given | {"arrays": True})
