"""Arrays → an uncompressed .npz file, a zip archive, whose bytes depend on nothing but the arrays and their names.

``numpy.load`` and ``zipfile`` read these files. They do not write them here, because their versions fill some fields
in different ways: the version of zip that a reader needs, the system, the length of an array's header. Here every field
is fixed, so that the same arrays give the same bytes with every Python, every NumPy and every system.

The layout is that of PKWARE's APPNOTE.TXT, 4.3: the members, each a header and its data; then the directory, which has
an entry for each member; then the end of the directory, which also has a 64-bit form for large files.
"""

import struct
import zlib
from collections.abc import Iterable
from itertools import chain
from typing import BinaryIO

import numpy as np

NEEDED = 45  # the version of zip that a reader needs, times ten: the first one with sizes of 64 bits
UNIX = 3  # the system that the permissions of a member belong to
PERMISSIONS = 0o600
MIDNIGHT, DAY = 0, 1 << 5 | 1  # 1980-01-01, the first date that a zip file can have
BITS_32, BITS_16 = 0xFFFFFFFF, 0xFFFF  # in a field whose number is too large for it, and stands in the 64-bit form
SIZES = 1  # the kind of the extra field that has numbers of 64 bits
ALIGNMENT = 64  # the data of an array begin at a multiple of it, counted from the beginning of the member


class ArrayArchive:
    """Writes arrays into a file, one after the other. The directory follows when the context ends without an error.

    file: empty, open for writing bytes, seekable. The methods raise OSError.
    """

    def __init__(self, file: BinaryIO):
        self._file = file
        self._entries: list[bytes] = []  # of the directory

    def __enter__(self) -> "ArrayArchive":
        return self

    def __exit__(self, kind, error, trace) -> None:
        if kind is None:
            self._write_directory()

    def add(self, name: str, array: np.ndarray) -> None:
        """Write an array of one or more axes, and of any type but objects."""
        array = np.ascontiguousarray(array)
        self.add_pieces(name, array.dtype, array.shape, [array.reshape(-1).view(np.uint8).data])

    def add_pieces(self, name: str, dtype: np.dtype, shape: tuple[int, ...], data: Iterable) -> None:
        """Write an array whose numbers come in pieces, in C order: buffers of bytes."""
        file, member, size, check = self._file, f"{name}.npy".encode("ascii"), 0, 0
        start = file.tell()
        file.write(_member_header(member, check, size))  # of the right length; the numbers are known at the end
        for piece in chain([array_header(dtype, shape)], data):
            file.write(piece)
            size, check = size + len(piece), zlib.crc32(piece, check)
        stop = file.tell()
        file.seek(start)
        file.write(_member_header(member, check, size))
        file.seek(stop)
        self._entries.append(_entry(member, check, size, start))

    def _write_directory(self):
        start = self._file.tell()
        self._file.writelines(self._entries)
        self._file.write(_end(len(self._entries), start, self._file.tell() - start))


def array_header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """What stands before the numbers of an array in NumPy's .npy format 1.0. Raises ValueError for a type that the
    format writes in another way: of fields, or of objects."""
    if dtype.hasobject or dtype.names or dtype.subdtype:
        raise ValueError(f"an archive has no arrays of the type {dtype}")
    numbers = "".join(f"{int(number)}, " for number in shape)
    axes = numbers.rstrip(" ") if len(shape) == 1 else numbers.removesuffix(", ")
    text = f"{{'descr': '{dtype.str}', 'fortran_order': False, 'shape': ({axes}), }}"
    length = -(-(10 + len(text) + 1) // ALIGNMENT) * ALIGNMENT - 10
    return b"\x93NUMPY\1\0" + struct.pack("<H", length) + text.ljust(length - 1).encode("ascii") + b"\n"


def _member_header(member: bytes, check: int, size: int) -> bytes:
    """What stands before a member, always with sizes of 64 bits, because its length must not depend on them."""
    fields = NEEDED, 0, 0, MIDNIGHT, DAY, check, BITS_32, BITS_32, len(member), 20
    return struct.pack("<4s5H3I2H", b"PK\3\4", *fields) + member + struct.pack("<2H2Q", SIZES, 16, size, size)


def _entry(member: bytes, check: int, size: int, start: int) -> bytes:
    """The entry of a member in the directory. start: where the header of the member begins."""
    large = [number for number in (size, size, start) if number >= BITS_32]
    extra = struct.pack(f"<2H{len(large)}Q", SIZES, 8 * len(large), *large) if large else b""
    size, start = min(size, BITS_32), min(start, BITS_32)
    made_by, first_disk, is_text = NEEDED | UNIX << 8, 0, 0
    fields = made_by, NEEDED, 0, 0, MIDNIGHT, DAY, check, size, size, len(member), len(extra), 0, first_disk, is_text
    return struct.pack("<4s6H3I5H2I", b"PK\1\2", *fields, PERMISSIONS << 16, start) + member + extra


def _end(members: int, start: int, size: int) -> bytes:
    """The end of an archive. start, size: of the directory."""
    large = b""
    if members >= BITS_16 or start >= BITS_32 or size >= BITS_32:
        fields = 44, NEEDED | UNIX << 8, NEEDED, 0, 0, members, members, size, start
        large = struct.pack("<4sQ2H2I4Q", b"PK\6\6", *fields) + struct.pack("<4sIQI", b"PK\6\7", 0, start + size, 1)
    members, start, size = min(members, BITS_16), min(start, BITS_32), min(size, BITS_32)
    return large + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, members, members, size, start, 0)
