"""Matrices and cell arrays of matrices from files of MATLAB 5 to 7 (.mat), by "MAT-File Format" (The MathWorks, 2023).

After a header of 128 bytes, a file is a row of elements, each with a type, a size and data. An element of type MATRIX
is a variable: its data are elements again, for class, shape, name and numbers, or for a cell array its cells. charlm
does not use SciPy's reader, which ends the process on some damaged files.
"""

import math
import struct
import zlib
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

import numpy as np

HEADER = 128  # bytes
MATRIX, COMPRESSED = 14, 15
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}  # by type
CELL, NUMERIC = 1, range(6, 16)  # classes of arrays: those of NUMERIC hold real numbers
LARGEST = 1 << 30  # bytes that a compressed element may have


def read_matlab(data: bytes, names: Collection[str]) -> dict[str, Any]:
    """The variables of a file that have one of the names: a matrix as an array, a cell array as a list of these, and
    None for what is neither. Raises ValueError, with the reason, for a file that is damaged or of another format."""
    mark = data[HEADER - 2 : HEADER]
    if mark not in (b"IM", b"MI"):
        raise ValueError("it is no file of MATLAB 5 to 7")
    order = "<" if mark == b"IM" else ">"
    found = {}
    for kind, part in _elements(memoryview(data)[HEADER:], order):
        if kind == COMPRESSED:
            unpacked = zlib.decompressobj().decompress(part, LARGEST)
            kind, part = next(_elements(memoryview(unpacked), order), (0, part))
        if kind == MATRIX:
            name, value = _variable(part, order, names)
            found |= {name: value} if name in names else {}
    return found


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """The type and the data of each element. order: of the bytes of numbers, "<" or ">"."""
    place = 0
    while place < len(data):
        if len(data) < place + 8:
            raise ValueError("it ends inside an element")
        kind, size = struct.unpack_from(order + "II", data, place)
        start = place + 8
        place = start + (size if kind == COMPRESSED else -(-size // 8) * 8)
        if kind >> 16:  # a small one, whose data stand in place of its size
            kind, size, start, place = kind & 0xFFFF, kind >> 16, start - 4, start
            if size > 4:
                raise ValueError("one of its elements has a size that cannot be")
        if start + size > len(data):
            raise ValueError("it ends inside an element")
        yield kind, data[start : start + size]


def _variable(data: memoryview, order: str, names: Collection[str], inside: bool = False) -> tuple[str, Any]:
    """The name of a variable and, if it is one of the names, its value. inside: it is a cell, and has no name."""
    if inside and not data:
        return "", np.zeros((0, 0))
    parts = _elements(data, order)
    first = [_numbers(*part, order) for part in islice(parts, 3)]
    if len(first) < 3:
        raise ValueError("one of its variables has no shape or no name")
    flags, shape, name = first
    if {array.dtype.kind for array in (flags, shape, name)} - {"i", "u"} or not len(flags) or (shape < 0).any():
        raise ValueError("one of its variables has a class, a shape or a name that cannot be")
    kind, size, text = int(flags[0]) & 255, math.prod(shape.tolist()), name.astype("u1").tobytes().decode("latin-1")
    if not inside and text not in names:
        return text, None
    if kind == CELL and not inside:
        cells = [_variable(part, order, names, inside=True)[1] for _, part in parts]
        if len(cells) != size:
            raise ValueError(f"{text} has {len(cells):,} cells, and should have {size:,}")
        return text, cells
    if kind not in NUMERIC:
        return text, None
    numbers = _numbers(*next(parts, (0, data)), order)
    if len(numbers) != size:
        raise ValueError(f"a matrix has {len(numbers):,} numbers, and should have {size:,}")
    return text, numbers.reshape(shape.tolist(), order="F")


def _numbers(kind: int, data: memoryview, order: str) -> np.ndarray:
    """The numbers of an element: (n)."""
    if kind not in NUMBERS or len(data) % np.dtype(NUMBERS[kind]).itemsize:
        raise ValueError("one of its elements holds no numbers")
    return np.frombuffer(data, order + NUMBERS[kind])
