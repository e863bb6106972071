"""Files of weights (.safetensors) with each byte flipped, cut at each length, with headers changed, and built to do
harm, and files of symbols.

charlm import must reject a file with one line, or load the same model from it. A file of another program has no digest:
there a change may give another model, and that model must work.
"""

import copy
import json
import pickle
import random
import resource
import struct
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from charlm.errors import CharlmError
from charlm.export import export_model
from charlm.export.importing import import_model
from charlm.export.tensors import opened_tensors, write_tensors
from charlm.model import load_model

from .attacks import CANARY, Harm
from .modelfiles import MEMORY, VALUES, _use, model_facts, parts_of, put, small_model, small_tagger
from .runs import ForkServer, complaint, new_folder


def exported(folder: Path, make) -> tuple[Path, tuple]:
    """A file that charlm export wrote, and the parts of its model."""
    source = make(folder)
    path = source.with_suffix(".safetensors")
    export_model(load_model(source), path)
    return path, model_facts(source)


def foreign(path: Path) -> Path:
    """The weights in a file of charlm, as another program may have written them."""
    with opened_tensors(path) as file:
        tensors = {name: file[name].copy() for name in file if not name.startswith("charlm.")}
    write_tensors(path.with_name("foreign.safetensors"), tensors, {})
    return path.with_name("foreign.safetensors")


def _outcome(path: Path, data: bytes, wanted: "tuple | random.Random", symbols: Path | None = None) -> str:
    """What went wrong with a file of these bytes. wanted: the parts of its model; where it may be any model, random
    numbers that decide whether it is used. symbols: a model that has those of the file."""
    put(path, data)
    try:
        model, _ = import_model(path, symbols)
        if isinstance(wanted, random.Random):
            _use(model, wanted)
        elif parts_of(model) != wanted:
            return "other content"
    except CharlmError as error:
        return "" if len(str(error).splitlines()) == 1 else f"more than a line: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _each(folder: Path, changes) -> Iterator[str]:
    """The outcome of each of ``changes(data)``, for files of charlm and for one of another program."""
    small, tagger = (exported(folder, make) for make in (small_model, small_tagger))
    sources = [(*small, None), (*tagger, None), (foreign(small[0]), random.Random(1), folder / "small.npz")]
    for path, wanted, symbols in sources:
        for what, data in changes(path.read_bytes()):
            found = _outcome(folder / "damaged.safetensors", data, wanted, symbols)
            yield f"{path.name}, {what}: {found}" if found else ""


def flipped(folder: Path, every: int = 1, flips=(0x01, 0x80, 0xFF)) -> Iterator[str]:
    """One byte of the file changed: each byte, or every ``every``-th."""

    def changes(data):
        for flip in flips:
            for offset in range(flip % every, len(data), every):
                yield f"byte {offset} ^ {flip}", data[:offset] + bytes([data[offset] ^ flip]) + data[offset + 1 :]

    yield from _each(folder, changes)


def truncated(folder: Path, every: int = 1) -> Iterator[str]:
    """The file cut at each length, or at every ``every``-th and the last ten."""

    def changes(data):
        for length in sorted({*range(0, len(data), every), *range(len(data) - 10, len(data))}):
            yield f"{length} bytes", data[:length]

    yield from _each(folder, changes)


def split(data: bytes) -> tuple[dict, bytes]:
    """The header of a file, and its data."""
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def joined(header, data: bytes, size: int | None = None) -> bytes:
    """The bytes of a file. header: JSON values, or bytes as they stand. size: what the file says of the header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


TYPES = ("F64", "F32", "F16", "BF16", "U8", "I64", "BOOL", "F8_E4M3", [2**63, 2**63], [10**18], [-1], [2, 2])


def _change(header: dict, generator: random.Random) -> None:
    """Change the entry of one tensor, or its name."""
    names = [name for name in header if name != "__metadata__"]
    name = generator.choice(names)
    entry = header[name]
    match generator.randrange(4) if isinstance(entry, dict) and entry else 3:
        case 0:
            entry[generator.choice(list(entry))] = copy.deepcopy(generator.choice((*VALUES, *TYPES)))
        case 1:
            places = entry.get(generator.choice(("shape", "data_offsets")))
            if isinstance(places, list) and places:
                places[generator.randrange(len(places))] = generator.choice((0, 1, 2, 4, 24, 2**31, 2**63))
        case 2:
            header[generator.choice(("rnn.weight_hh_l0", "x", "rnn.weight_ih_l7", name + "\n"))] = entry
        case 3 if len(names) > 1:
            del header[name]


def mutations(folder: Path, times: int, seed: int = 1) -> Iterator[str]:
    """Files whose headers have changed values: types, shapes, places, names. The last outcome is about memory."""
    generator, path = random.Random(seed), folder / "mutant.safetensors"
    whole, wanted = exported(folder, small_model)
    sources = [(whole, wanted, None), (foreign(whole), generator, folder / "small.npz")]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(times):
            source, model, symbols = sources[number % 2]
            header, data = split(source.read_bytes())
            for _ in range(generator.choice((1, 1, 2))):
                _change(header, generator)
            found = _outcome(path, joined(header, data), model, symbols)
            yield f"mutant {number}: {found}" if found else ""
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory)
    yield f"memory grew by {grown >> 20} MB" if grown > MEMORY else ""


def _tensor(shape, start, stop, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


def _metadata(**changes):
    """An attack that changes the metadata of a whole file."""

    def attack(data):
        header, rest = split(data)
        header["__metadata__"] |= changes
        return joined(header, rest)

    return attack


def _many(number, shape):
    """Many tensors without a number in them."""
    entry = json.dumps(_tensor(shape, 0, 0))
    entries = ",".join(f'"{name}":{entry}' for name in range(number))
    return lambda data: joined(f"{{{entries}}}".encode(), b"")


# Each is a function of the bytes of a whole file.
ATTACKS = {
    "a header of 1e18 bytes": lambda data: joined({}, b"", 10**18),
    "a header as long as the file says it is not": lambda data: joined({}, b"", 3),
    "a tensor of 1e18 numbers": lambda data: joined({"rnn.weight_hh_l0": _tensor([10**18], 0, 4 * 10**18)}, bytes(24)),
    "a tensor of 2^128 numbers": lambda data: joined({"a": _tensor([2**62, 2**62, 16], 0, 0)}, b""),
    "a tensor of 1e400 numbers": lambda data: joined({"a": _tensor([10**400], 0, 4)}, bytes(4)),
    "a tensor of negative shape": lambda data: joined({"a": _tensor([-1], 0, 4)}, bytes(4)),
    "overlapping tensors": lambda data: joined({"a": _tensor([2], 0, 8), "b": _tensor([2], 4, 12)}, bytes(12)),
    "the same data twice": lambda data: joined({"a": _tensor([2], 0, 8), "b": _tensor([2], 0, 8)}, bytes(8)),
    "tensors beyond the end": lambda data: joined({"a": _tensor([4], 0, 16)}, bytes(8)),
    "a tensor that ends before it begins": lambda data: joined({"a": _tensor([1], 8, 4)}, bytes(8)),
    "junk behind the tensors": lambda data: data + b"junk",
    "two tensors of one name": lambda data: joined(
        b'{"a":%(one)s,"a":%(one)s}' % {b"one": json.dumps(_tensor([1], 0, 4)).encode()}, bytes(4)
    ),
    "99,999 tensors": _many(99_999, [0]),
    "shapes of a thousand axes": _many(900, [0] * 1000),
    "an unknown type": lambda data: joined({"a": _tensor([1], 0, 4, "F33")}, bytes(4)),
    "JSON of depth 100,000": lambda data: joined(b'{"a":' * 100_000, b""),
    "JSON of a hundred megabytes": lambda data: joined(b"{" + b" " * 100_000_001 + b"}", b""),
    "a header that is a list": lambda data: joined([1, 2], b""),
    "metadata that are numbers": _metadata(charlm=7),
    "metadata of depth 100,000": _metadata(charlm="[" * 100_000),
    "metadata of another model": _metadata(charlm='{"format":2,"kind":"model"}', charlm_sha256=""),
    "metadata of a later version": _metadata(charlm='{"format":99}'),
    "metadata without a digest": _metadata(charlm_sha256="0" * 64),
    "a pickle": lambda data: pickle.dumps(Harm()),
    "an empty file": lambda data: b"",
    "seven bytes": lambda data: b"\xff" * 7,
    "no tensors": lambda data: joined({}, b""),
    "a terabyte of nothing": None,  # of which the file system keeps a byte
}


DESCRIBED = {name for name in ATTACKS if name.startswith("metadata")} - {"metadata that are numbers"}


def attacked(folder: Path, names=tuple(ATTACKS), seconds: float = 1.0) -> Iterator[str]:
    """Some attacks: charlm import must end soon, with one line, and execute and write nothing. (Those in DESCRIBED are
    whole files but for charlm's own metadata, which --symbols takes the place of.)"""
    whole = exported(folder, small_model)[0].read_bytes()
    with ForkServer(folder) as server:
        for number, name in enumerate(names):
            attack, workdir = ATTACKS[name], new_folder(folder, f"attack{number}")
            if attack is None:
                with open(workdir / "w.safetensors", "wb") as file:
                    file.truncate(1 << 40)
            else:
                (workdir / "w.safetensors").write_bytes(attack(whole))
            before = sorted(path.name for path in workdir.iterdir())
            for more in ([], ["--symbols", "../small.npz"]):
                begun = time.monotonic()
                limits = [(resource.RLIMIT_AS, 1 << 30)]
                code, errors = server.run(["import", "w.safetensors", "-o", "m.npz", *more], workdir, limits=limits)
                found = complaint(code, errors, (0,) if more and name in DESCRIBED else (1, 2))
                if time.monotonic() - begun > seconds:
                    found = found or f"it took {time.monotonic() - begun:.1f} s"
                (workdir / "m.npz").unlink(missing_ok=True)
                if (workdir / CANARY).exists() or sorted(path.name for path in workdir.iterdir()) != before:
                    found = found or "code was executed, or a file was made"
                yield f"{name}: {found}" if found else ""
