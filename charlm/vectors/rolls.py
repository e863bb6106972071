"""Piano rolls: files that hold sequences of sets as arrays, a row for each step and a column for each symbol. Whatever
is not 0 in a row belongs to its set.

    .npz   x (steps, symbols), the steps of all sequences one after the other, and lengths (sequences); without lengths,
           all steps are one sequence. Or in three parts: traindata with traindata_lengths, and the same of validdata
           and testdata. symbols (symbols): their names; without them, see ``column_names``.
    .mat   traindata, validdata and testdata, each a cell array of matrices (steps, symbols), in the format of MATLAB 5
           to 7: so Boulanger-Lewandowski, Bengio and Vincent (2012) published their piano rolls.
"""

import os
import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ..errors import CorpusError
from ..text.formats import begins_like_a_model
from ..text.reading import Digest, name_of, read_bytes
from .archives import arrays_in
from .matlab import read_matlab

PARTS = ("traindata", "validdata", "testdata")
WHOLE = "x"  # of an .npz file that is in one part
PIANO = range(21, 109)  # the MIDI numbers of the keys of a piano
MIDI = range(128)
MATLAB, HDF5 = b"MATLAB 5.0 MAT", (b"MATLAB 7.3 MAT", b"\x89HDF")  # with which files of MATLAB begin


class Roll(NamedTuple):
    """A part of a file: the name of each column, and the sequences, each an array of bool (steps, symbols)."""

    names: tuple[str, ...]
    sequences: list[np.ndarray]


def kind_of_roll(path: Any) -> str:
    """ "npz" or "mat" for a file that can hold piano rolls, by its first bytes, or that is named .mat; "" for any other
    one, and for what is no regular file."""
    if not isinstance(path, (str, os.PathLike)) or path == "-" or not os.path.isfile(path):
        return ""
    try:
        with open(path, "rb") as file:
            beginning = file.read(40)
    except OSError:
        return ""  # whoever reads it says why
    if beginning.startswith((MATLAB, HDF5[0])) or str(path).endswith(".mat"):
        return "mat"
    return "npz" if beginning.startswith(b"PK\3\4") and not begins_like_a_model(beginning) else ""


def read_rolls(path: Any, kind: str, digest: Digest | None = None) -> dict[str, Roll]:
    """The parts of a file of piano rolls, by their names: those of PARTS, or WHOLE. kind: see ``kind_of_roll``. digest:
    gets the bytes of the file. Raises CorpusError for a file that cannot be read, or holds no piano rolls."""
    data = b"".join(read_bytes(path))
    if digest is not None:
        digest.update(data)
    name = name_of(path)
    arrays, columns = _in_npz(name, data) if kind == "npz" else (_in_mat(name, data), None)
    if not arrays:
        wanted = "x and lengths, or traindata, validdata and testdata" if kind == "npz" else "traindata"
        raise CorpusError(f"{name} holds no piano rolls; it needs arrays with the names {wanted}")
    found = {}
    for part, matrices in arrays.items():
        sequences = [_checked(matrix, f"sequence {n:,} of {part} in {name}") for n, matrix in enumerate(matrices, 1)]
        widths = {sequence.shape[1] for sequence in sequences}
        if len(widths) != 1:
            raise CorpusError(f"{part} in {name} {_widths(widths)}; give each step the same columns")
        found[part] = Roll(_names(name, columns, *widths), sequences)
    return found


def _widths(widths: set[int]) -> str:
    """What is wrong with the numbers of columns of the sequences of a part."""
    return f"has sequences of {min(widths):,} and of {max(widths):,} columns" if widths else "has no sequences"


def column_names(number: int) -> tuple[str, ...]:
    """The names of so many columns that have none: 88 are the keys of a piano and 128 the numbers of MIDI, each named
    by its MIDI number; others are numbered from 1 on."""
    return tuple(map(str, {len(PIANO): PIANO, len(MIDI): MIDI}.get(number, range(1, number + 1))))


def _names(name: str, given: np.ndarray | None, number: int) -> tuple[str, ...]:
    """The names of the columns, checked. given: the array ``symbols`` of the file, None without one."""
    if given is None:
        return column_names(number)
    names = tuple(map(str, given.ravel().tolist()))
    if len(set(names)) < len(names) or len(names) != number or any(one.split() != [one] for one in names):
        raise CorpusError(
            f"symbols in {name} must name each of the {number:,} columns with another word; charlm needs no names"
        )
    return names


def _checked(matrix: Any, where: str) -> np.ndarray:
    """What is on in a matrix of a file, bool (steps, symbols)."""
    array = np.asarray(matrix)
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise CorpusError(f"{where} is not a matrix of numbers, with a row for each step and a column for each symbol")
    if not len(array):
        raise CorpusError(f"{where} has no steps; leave it out")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        step, column = (int(place[0]) + 1 for place in np.nonzero(~np.isfinite(array)))
        raise CorpusError(f"{where} has a value in step {step:,}, column {column:,} that is no finite number")
    return array != 0


def _in_npz(name: str, data: bytes) -> tuple[dict[str, list[np.ndarray]], np.ndarray | None]:
    """The matrices of each part of an .npz file, and the array ``symbols``, None without one."""
    wanted = {WHOLE, "lengths", "symbols", *PARTS, *(f"{part}_lengths" for part in PARTS)}
    arrays = arrays_in(name, data, wanted)
    parts = [part for part in (*PARTS, WHOLE) if part in arrays]
    return {part: _cut(name, part, arrays) for part in parts}, arrays.get("symbols")


def _cut(name: str, part: str, arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The array of a part, cut into its sequences."""
    name_of_lengths = "lengths" if part == WHOLE else f"{part}_lengths"
    steps, lengths = arrays[part], arrays.get(name_of_lengths)
    if lengths is None or not steps.ndim:
        return [steps]
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or (lengths < 0).any() or lengths.sum() != len(steps):
        raise CorpusError(
            f"{name_of_lengths} in {name} must be whole numbers, one for each sequence, whose sum is the "
            f"{len(steps):,} steps of {part}"
        )
    return np.split(steps, np.cumsum(lengths)[:-1])


def _in_mat(name: str, data: bytes) -> dict[str, Iterable[Any]]:
    """The matrices of each part of a .mat file."""
    if data.startswith(HDF5):
        raise CorpusError(f"{name} is of MATLAB 7.3 (HDF5); save it again with -v7")
    try:
        found = read_matlab(data, PARTS)
    except (ValueError, MemoryError, zlib.error) as error:
        raise CorpusError(f"cannot read the arrays in {name}: {error}") from None
    return {part: found[part] if isinstance(found[part], list) else [found[part]] for part in PARTS if part in found}
