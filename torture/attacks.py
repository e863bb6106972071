"""Files that pretend to be models: some are built to do harm, some are files of another kind. ``ATTACKS``, by name.

An attack is a function of a path, where it writes its file, and of the members of a valid model file by name.
"""

import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from functools import partial

import numpy as np

CANARY = "code-was-executed"  # the folder that the pickle makes when it is loaded
ARRAY = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }"


class Harm:
    """A class whose pickle makes a folder when it is loaded."""

    def __reduce__(self):
        return os.mkdir, (CANARY,)


def npy(array, **options) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


def npy_header(text: str, version: bytes = b"\x01\x00") -> bytes:
    """The header of an array with any content, then a few zero bytes as data."""
    text = text.encode() + b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2 if version == b"\x01\x00" else 4, "little") + text + bytes(24)


def read_members(path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(path, members: dict[str, bytes], compression=zipfile.ZIP_STORED) -> None:
    """path: a path or a writable binary file."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, compression)


def text_of(member: bytes) -> dict:
    """The header of a model file."""
    return json.loads(np.lib.format.read_array(io.BytesIO(member)).tobytes())


def member_of(header) -> bytes:
    """JSON as a member of the file: a value, or text as it stands."""
    text = header if isinstance(header, str) else json.dumps(header, separators=(",", ":"))
    return npy(np.frombuffer(text.encode(), np.uint8))


def _with(path, members, more=(), **changed):
    """Write the file with other members: ``more`` by their full names, ``changed`` by the names of their arrays."""
    write_members(path, members | dict(more) | {f"{name}.npy": data for name, data in changed.items()})


def _with_header(path, members, change):
    header = text_of(members["header.npy"])
    changed = change(header)
    _with(path, members, header=member_of(header if changed is None else changed))


def _header(name, value):
    """An attack that changes one value of the header. name: the path of keys, with dots."""

    def change(header):
        *inner, last = name.split(".")
        for key in inner:
            header = header[key]
        header[last] = value

    return partial(_with_header, change=change)


def _text(text):
    return partial(_with_header, change=lambda header: text)


def _bytes(data):
    return lambda path, members: path.write_bytes(data)


def _whole(members):
    file = io.BytesIO()
    write_members(file, members)
    return bytearray(file.getvalue())


def _changed(change):
    """An attack on the bytes of the whole file."""

    def attack(path, members):
        data = _whole(members)
        path.write_bytes(change(data) or data)

    return attack


def _entries(data):
    """The offsets of the entries in the zip directory."""
    offset = data.find(b"PK\1\2")
    while offset >= 0:
        yield offset
        offset = data.find(b"PK\1\2", offset + 4)


def _overlapping(data):
    first, *others = _entries(data)
    for entry in others:
        data[entry + 42 : entry + 46] = data[first + 42 : first + 46]


def _in_entries(offset, form, *values):
    def change(data):
        for entry in _entries(data):
            struct.pack_into(form, data, entry + offset, *values)

    return _changed(change)


def _bomb(name, size):
    """A member that is small in the file and large when it is unpacked."""

    def attack(path, members):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for other, data in members.items():
                if other != name:
                    archive.writestr(other, data)
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(npy_header(ARRAY % f"({size // 4},)"))
                for _ in range(size >> 20):
                    member.write(bytes(1 << 20))

    return attack


def _many_members(number):
    def attack(path, members):
        write_members(path, members | {f"{name}.npy": b"" for name in range(number)})

    return attack


def _long_directory(number):
    """A directory with many entries for the first member."""

    def change(data):
        end = data.rfind(b"PK\5\6")
        first, second, *_ = [*_entries(data), end]
        directory = bytes(data[first:second]) * number
        tail = bytearray(data[end:])
        struct.pack_into("<HHII", tail, 8, 0xFFFF, 0xFFFF, len(directory), first)
        return bytes(data[:first]) + directory + bytes(tail)

    return _changed(change)


def _weights(number):
    def attack(path, members):
        array = np.lib.format.read_array(io.BytesIO(members["b_y.npy"])).copy()
        array[0] = number
        _with(path, members, b_y=npy(array))

    return attack


def _tar(path, members):
    with tarfile.open(path, "w") as archive:
        archive.add(__file__, "header.npy")


def _png():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + size + chunk(b"IDAT", zlib.compress(bytes(20))) + chunk(b"IEND", b"")


def _sparse(path, members):
    with open(path, "wb") as file:
        file.truncate(1 << 40)


def _many_symbols(header):
    header["vocabulary"]["symbols"] = list(map(chr, range(0x100, 0xD800)))


def _of_columns(**changes):
    """The header of a language model's task that reads a column of a table."""
    columns = {"names": ["1"], "delimiter": "\t", "positions": [0], "width": 1}
    return {"name": "text", "columns": columns | changes}


ATTACKS = {
    "a pickle": _bytes(pickle.dumps(Harm())),
    "a pickle as an array": lambda path, members: path.write_bytes(npy(np.array([Harm()]), allow_pickle=True)),
    "pickled weights": lambda path, members: _with(path, members, b_y=npy(np.array([Harm()] * 6), allow_pickle=True)),
    "a pickled header": lambda path, members: _with(path, members, header=npy(np.array(Harm()), allow_pickle=True)),
    "a pickle among the members": lambda path, members: _with(path, members, {"data.pkl": pickle.dumps(Harm())}),
    "a header that is code": lambda path, members: _with(path, members, b_y=npy_header("__import__('os').mkdir('x')")),
    "a bomb as header": _bomb("header.npy", 1 << 27),
    "a bomb as weights": _bomb("b_y.npy", 1 << 27),
    "overlapping members": _changed(_overlapping),
    "two members of one name": lambda path, members: path.write_bytes(
        bytes(_whole(members | {"b_y.npZ": members["b_y.npy"]})).replace(b"b_y.npZ", b"b_y.npy")
    ),
    "a header of 1e18 bytes": lambda path, members: _with(
        path, members, header=npy_header(ARRAY.replace("<f4", "|u1") % "(1000000000000000000,)")
    ),
    "weights of 1e18 numbers": lambda path, members: _with(
        path, members, b_y=npy_header(ARRAY % "(1000000000000000000,)")
    ),
    "weights of negative shape": lambda path, members: _with(path, members, b_y=npy_header(ARRAY % "(-6,)")),
    "weights with a product of 0": lambda path, members: _with(
        path, members, b_y=npy_header(ARRAY % "(4294967296, 4294967296, 16)")
    ),
    "structured weights": lambda path, members: _with(path, members, b_y=npy(np.zeros(6, "f4,i4"))),
    "big-endian weights": lambda path, members: _with(path, members, b_y=npy(np.zeros(6, ">f4"))),
    "weights that are dates": lambda path, members: _with(path, members, b_y=npy(np.zeros(6, "M8[s]"))),
    "weights in column order": lambda path, members: _with(
        path, members, W_ya=npy(np.asfortranarray(np.zeros((2, 6), "f4")))
    ),
    "junk behind the weights": lambda path, members: _with(path, members, b_y=members["b_y.npy"] + b"junk"),
    "junk behind the file": _changed(lambda data: bytes(data) + b"junk" * 100_000),
    "junk before the file": _changed(lambda data: b"#!/bin/sh\nmkdir x\n" + bytes(data)),
    "65,536 members": _many_members(65_536),
    "a directory of a million": _long_directory(1_000_000),
    "a path upwards": lambda path, members: _with(path, members, {"../../upwards.npy": members["b_y.npy"]}),
    "a path from the root": lambda path, members: _with(path, members, {"/tmp/rooted.npy": members["b_y.npy"]}),
    "a name with a NUL": lambda path, members: path.write_bytes(
        bytes(_whole(members | {"b_y.npy?.txt": b""})).replace(b"b_y.npy?", b"b_y.npy\0")
    ),
    "JSON of depth 100,000": _text("[" * 100_000),
    "JSON of depth 100,000, closed": _text('{"format": 2, "x": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    "JSON of depth 900": _text('{"format": 2, "x": ' + '{"a":' * 900 + "1" + "}" * 900 + "}"),
    "JSON of ten million lists": _text('{"format": 2, "x": [' + "[]," * 10_000_000 + "[]]}"),
    "JSON with a number of 100,000 digits": _text('{"format": ' + "9" * 100_000 + "}"),
    "JSON that is not a number": _text('{"format": 2, "kind": "model", "training": NaN}'),
    "JSON beyond all numbers": _text('{"format": 2, "kind": "model", "training": 1e999}'),
    "JSON that ends early": _text('{"format": 2, "kind": "mod'),
    "weights that are not numbers": _weights(np.nan),
    "infinite weights": _weights(np.inf),
    "a symbol twice": _header("vocabulary.symbols", ["a", "b", "a", "c"]),
    "a separator of two lines": _header("vocabulary.separator", "a\nb"),
    "a separator that is a number": _header("vocabulary.separator", 1e9),
    "a normal form of another kind": _header("vocabulary.normalize", {"NFC": 1}),
    "tokens with spaces": _header("vocabulary.level", "token"),
    "a column far away": _header("task", _of_columns(positions=[10**18], width=10**18)),
    "a column without a name": _header("task", _of_columns(names=[])),
    "columns separated by a list": _header("task", _of_columns(delimiter=["\t"])),
    "columns that are a number": _header("task", {"name": "text", "columns": 7}),
    "half a character": _header("vocabulary.symbols", ["a", "b", "c", "\ud800"]),
    "fifty thousand symbols": partial(_with_header, change=_many_symbols),
    "width 0": _header("architecture.hidden", 0),
    "width 1e9": _header("architecture.hidden", 10**9),
    "layers 1e9": _header("architecture.layers", 10**9),
    "context 1e9": _header("architecture.context", 10**9),
    "layers of 1e400": _header("architecture.layers", 10**400),
    "a later version": _header("format", 99),
    "a version below 1": _header("format", 0),
    "novelty of 1e18 bytes": _header("novelty.run_bytes", 10**18),
    "an earlier text of 1e18 bytes": _header("novelty.earlier", [{"run_bytes": 10**18}]),
    "earlier texts before earlier texts": _header("novelty.earlier", [{"earlier": [{}]}]),
    "earlier texts that are no list": _header("novelty.earlier", 10**9),
    "an encrypted member": _in_entries(8, "<H", 1),
    "an unknown compression": _in_entries(10, "<H", 99),
    "members of 4 GB": _in_entries(20, "<II", (1 << 32) - 2, (1 << 32) - 2),
    "members beyond the end": _in_entries(42, "<I", (1 << 31) - 1),
    "an empty file": _bytes(b""),
    "one byte": _bytes(b"P"),
    "the end of a zip alone": _bytes(b"PK\5\6" + bytes(18)),
    "a picture": _bytes(_png()),
    "a page": _bytes(b"<!doctype html><title>404</title>\n" * 50),
    "a tar": _tar,
    "a terabyte of nothing": _sparse,
    "a folder": lambda path, members: path.mkdir(),
    "a pipe": lambda path, members: os.mkfifo(path),
    "a device without end": lambda path, members: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path, members: path.symlink_to(path.name),
    "no file": lambda path, members: None,
}
HARMLESS = {"junk before the file"}  # a zip may follow other bytes; it is the same model
