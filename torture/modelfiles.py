"""Model files with each byte flipped, cut at each length, mutated with knowledge of the format, and built to do harm.

charlm must reject a file with one line, or load the same model from it. If a mutation wrote a complete file with other
content, it may load as another model, and that model must work.
"""

import copy
import io
import json
import os
import random
import resource
import signal
import struct
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import charlm
from charlm.display.model import info_lines
from charlm.errors import CharlmError, ModelFileError
from charlm.learning.autotune import new_trainer
from charlm.learning.checkpoint import Checkpoint, save_checkpoint
from charlm.model import load_model
from charlm.modelfile import _digest, model_header

from .attacks import ATTACKS, CANARY, HARMLESS, member_of, npy, read_members, text_of, write_members
from .runs import ForkServer, complaint, new_folder

MEMORY = 150 << 20  # bytes that loading may take, besides three times the file


def small_model(folder: Path) -> Path:
    """A model file of five thousand bytes with every member that a model file can have, and with merges."""
    text = folder / "known.txt"
    text.write_text("abba cab, and dada egg\nfee\n" * 3, encoding="utf-8")
    options = {"cell": "rnn", "hidden": 2, "layers": 1, "batch": 2, "steps": 8, "epochs": 2, "threads": 1}
    model = charlm.train(text, level="subword", max_vocabulary=16, ngrams=3, **options)
    model.save(folder / "small.npz")
    return folder / "small.npz"


def small_tagger(folder: Path) -> Path:
    """A model file of a tagger, with tags, stored in float16."""
    examples = folder / "examples.txt"
    examples.write_text("abba\tB-x\ncab\tI-x\n\negg\tO\n\n" * 4, encoding="utf-8")
    options = {"cell": "rnn", "hidden": 2, "batch": 2, "steps": 8, "epochs": 2, "threads": 1}
    charlm.train(examples, task="tag", store="float16", **options).save(folder / "tagger.npz")
    return folder / "tagger.npz"


def small_classifier(folder: Path) -> Path:
    """A model file of a classifier of vectors."""
    arrays, labels = [np.full((2, 2), number) for number in range(4)], ["low", "low", "high", "high"]
    options = {"cell": "rnn", "hidden": 2, "batch": 2, "steps": 8, "epochs": 2, "threads": 1, "progress": False}
    charlm.train(arrays=arrays, labels=labels, **options).save(folder / "vectors.npz")
    return folder / "vectors.npz"


def small_checkpoint(folder: Path) -> Path:
    """A checkpoint of a very small training."""
    text = folder / "known.txt"
    text.write_text("abba cab, and dada egg\nfee\n" * 3, encoding="utf-8")
    options = {"cell": "rnn", "hidden": 1, "layers": 1, "batch": 2, "steps": 8, "epochs": 2.0}
    trainer = new_trainer(text, **options, threads=1)
    list(trainer.run(stop=lambda: True))
    save_checkpoint(trainer, folder / "small.checkpoint.npz", options)
    return folder / "small.checkpoint.npz"


def parts_of(model) -> tuple:
    """Everything that makes a model, to compare it by."""
    novelty = model.novelty and (model.novelty.in_bytes, model.novelty.as_dict(), model.novelty.bits.tobytes())
    ngrams = model.mixture and model.mixture.ngrams
    values = ngrams and [array.tobytes() for array in (*ngrams.arrays().values(), ngrams.own, ngrams.backoff)]
    mixture = ngrams and (ngrams.fields(), values, model.mixture.weights.tolist())
    parts = model.architecture, model.vocabulary, model.task, model.lines, model.training, novelty, mixture
    return model.parameters.tobytes(), model.store, *parts


def model_facts(path) -> tuple:
    """Everything that makes the model in a file."""
    return parts_of(load_model(path))


def checkpoint_facts(path) -> tuple:
    """The same of a checkpoint, and of its best model so far."""
    checkpoint = Checkpoint(path)
    arrays = {name: array.tobytes() for name, array in checkpoint.arrays.items()}
    return checkpoint.header, arrays, model_facts(path)


KINDS = (
    (small_model, model_facts),
    (small_tagger, model_facts),
    (small_classifier, model_facts),
    (small_checkpoint, checkpoint_facts),
)


def put(path: Path, data: bytes) -> None:
    """Write these bytes to a file. It is not truncated to zero first: some file systems then wait for the disk."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.pwrite(descriptor, data, 0)
    os.ftruncate(descriptor, len(data))
    os.close(descriptor)


def verdict(path: Path, data: bytes, facts: Callable, wanted: tuple) -> str:
    """What went wrong with a file of these bytes: charlm must reject it with one line, or load the same from it."""
    put(path, data)
    try:
        found = facts(path)
    except ModelFileError as error:
        return "" if len(str(error).splitlines()) == 1 else f"more than a line: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "" if found == wanted else "other content"


def _damaged(folder, changes):
    """A verdict on each of ``changes(data)`` for each kind of file."""
    for make, facts in KINDS:
        source = make(folder)
        data, wanted, path = source.read_bytes(), facts(source), folder / "damaged.npz"
        for what, changed in changes(data):
            found = verdict(path, changed, facts, wanted)
            yield f"{source.name}, {what}: {found}" if found else ""


def flipped(folder: Path, every: int = 1, flips=(0x01, 0x80, 0xFF)) -> Iterator[str]:
    """One byte of the file changed: each byte, or every ``every``-th."""

    def changes(data):
        for flip in flips:
            for offset in range(flip % every, len(data), every):
                yield f"byte {offset} ^ {flip}", data[:offset] + bytes([data[offset] ^ flip]) + data[offset + 1 :]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's, about names
        yield from _damaged(folder, changes)


def truncated(folder: Path, every: int = 1) -> Iterator[str]:
    """The file cut at each length, or at every ``every``-th and the last thirty."""

    def changes(data):
        for length in sorted({*range(0, len(data), every), *range(len(data) - 30, len(data))}):
            yield f"{length} bytes", data[:length]

    yield from _damaged(folder, changes)


NUMBERS = (0, 1, 2, 7, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 62, (1 << 64) - 1)
VALUES = (
    *(None, True, False, 0, 1, -1, 2, 3, 2**31, 2**63, 10**30, -(10**400), 0.0, -0.5, 1e308, 1.5),
    *("", "a", "\n", "\ud800", "rnn", "lstm", "char", "word", "byte", "é" * 500, "\x1b[2J"),
    *("model", "checkpoint", "text", "classify", "generate", "tag", "translate"),
    *([], {}, [[]], [1, 2, 3], [[1, 2.5, None]], [[0, 1e300, 1e300]], {"a": 1}, {"names": [], "sha256": 7}),
)
DTYPES = ("<f4", ">f4", "<f8", "<f2", "|u1", "|i1", "<i4", "<U3", "|S4", "|O", "<M8[s]", "|V4", "|b1", "<c8")


class Mutator:
    """Makes files that are almost a model: it changes bytes, zip records, arrays or JSON."""

    def __init__(self, path: Path, generator: random.Random):
        self.data, self.members, self.generator = path.read_bytes(), read_members(path), generator
        self.arrays = {name: np.lib.format.read_array(io.BytesIO(member)) for name, member in self.members.items()}
        self.header = text_of(self.members["header.npy"])
        self.records = [
            offset for mark in (b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7") for offset in self._offsets(mark)
        ]

    def _offsets(self, mark):
        offset = self.data.find(mark)
        while offset >= 0:
            yield offset
            offset = self.data.find(mark, offset + 1)

    def mutant(self) -> tuple[bytes, bool]:
        """(the bytes of a file, whether it must be the same model if it loads)."""
        kind = self.generator.randrange(5)
        if kind == 0:
            return self._of_bytes(), True
        if kind == 1:
            return self._of_records(), True
        return (self._of_array_headers, self._of_arrays, self._of_json)[kind - 2](), False

    def _of_bytes(self):
        data, generator = bytearray(self.data), self.generator
        for _ in range(generator.choice((1, 1, 2, 5, 40))):
            start = generator.randrange(len(data))
            stop = min(len(data), start + generator.choice((1, 2, 4, 16, 200)))
            match generator.randrange(5):
                case 0:
                    data[start] ^= 1 << generator.randrange(8)
                case 1:
                    data[start:stop] = generator.randbytes(stop - start)
                case 2:
                    del data[start:stop]
                case 3:
                    data[start:start] = data[stop : stop + generator.randrange(100)]
                case 4:
                    data[start:stop] = bytes(stop - start)
        return bytes(data)

    def _of_records(self):
        data, generator = bytearray(self.data), self.generator
        for _ in range(generator.choice((1, 1, 2, 4))):
            form = generator.choice("BHIQ")
            offset = generator.choice(self.records) + generator.randrange(4, 46)
            if offset + struct.calcsize(form) <= len(data):
                number = generator.choice((generator.choice(NUMBERS), generator.randrange(len(data))))
                struct.pack_into("<" + form, data, offset, number & ((1 << 8 * struct.calcsize(form)) - 1))
        return bytes(data)

    def _of_array_headers(self):
        name = self.generator.choice(list(self.arrays))
        array, generator = self.arrays[name], self.generator
        shape = [generator.choice((*array.shape, *NUMBERS, -1)) for _ in range(generator.choice((0, 1, 1, 2, 2, 3)))]
        shape = generator.choice((tuple(shape), array.shape))
        header = {
            "descr": generator.choice((array.dtype.str, generator.choice(DTYPES))),
            "fortran_order": generator.choice((False, False, True, 1)),
            "shape": generator.choice((shape, shape, list(shape), str(shape))),
        }
        text = repr(header) if generator.random() < 0.9 else repr(header)[: generator.randrange(80)]
        text = text.encode() + b" " * generator.randrange(64) + b"\n"
        data = b"\x93NUMPY" + generator.choice((b"\1\0", b"\1\0", b"\2\0", b"\3\0"))
        return self._zipped({name: data + struct.pack("<H", len(text)) + text + array.tobytes()})

    def _of_arrays(self):
        name = self.generator.choice([name for name in self.arrays if name != "header.npy"])
        array, generator = self.arrays[name].copy(), self.generator
        match generator.randrange(5):
            case 0:
                array.ravel()[generator.randrange(array.size)] = generator.choice((0, 1, 255))
            case 1 if array.dtype.kind == "f":
                array.ravel()[generator.randrange(array.size)] = generator.choice((np.nan, np.inf, -1e38, 3e38, 1e-45))
            case 2:
                array = array.astype(generator.choice(("f8", "f2", "u1", "i8", "?", ">f4")))
            case 3:
                array = array.reshape(generator.choice(((-1,), (-1, 1), (1, -1), (1, 1, -1))))
            case _:
                array = np.repeat(array, 2, axis=-1) if generator.random() < 0.5 else array[..., :-1]
        return self._zipped({}, {name: array})

    def _of_json(self):
        header = json.loads(json.dumps(self.header))
        for _ in range(self.generator.choice((1, 1, 2, 3))):
            self._change(header)
        return self._zipped({}, {}, header)

    def _change(self, value):
        """Change one value somewhere inside."""
        while isinstance(value, (dict, list)) and value:
            key = self.generator.choice(list(value) if isinstance(value, dict) else range(len(value)))
            inner = value[key]
            if not (isinstance(inner, (dict, list)) and inner) or self.generator.random() < 0.2:
                match self.generator.randrange(4):
                    case 0:
                        del value[key]
                    case 1 if isinstance(value, dict):
                        value[self.generator.choice(("more", "", "sha256", "é"))] = inner
                    case _:
                        value[key] = copy.deepcopy(self.generator.choice(VALUES))  # a later change may modify it
                return
            value = inner

    def _zipped(self, members, arrays=(), header=None):
        """A complete zip file whose digest matches its content."""
        header = dict(header or self.header)
        arrays = {name: array for name, array in (self.arrays | dict(arrays)).items() if name != "header.npy"}
        header["sha256"] = _digest({name.removesuffix(".npy"): array for name, array in arrays.items()})
        file = io.BytesIO()
        files = {"header.npy": member_of(header), **{name: npy(array) for name, array in arrays.items()}}
        write_members(file, files | members)
        return file.getvalue()


def _use(model, generator):
    """Use a model as people do. Raises CharlmError if that is not possible."""
    info_lines(model, "m.npz", 5000)
    json.dumps(model_header(model))
    if generator.random() < 0.05:
        if model.task.input == "vectors":
            charlm.predict(model, np.zeros((2, 3, len(model.task.channels))))
        elif model.task.name == "tag":
            charlm.predict(model, [["abba", "cab"], ["fee"]])
        else:
            charlm.log_probability(model, "abba\n")
            next(charlm.sample(model, 1, None if model.lines else 5, seed=1, max_tries=50))


class _Hang(BaseException):
    pass


def mutations(folder: Path, times: int, seed: int = 1, seconds: int = 5) -> Iterator[str]:
    """Load and use files that are almost models or checkpoints: no traceback, no hang. The last outcome is about
    memory.

    seconds: longer than this is a hang.
    """

    def ring(*_):
        raise _Hang

    generator = random.Random(seed)
    sources = [(make(folder), facts) for make, facts in KINDS]
    mutators = [(Mutator(source, generator), facts, facts(source)) for source, facts in sources]
    path, before = folder / "mutant.npz", signal.signal(signal.SIGALRM, ring)
    memory, largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for number in range(times):
                mutator, facts, wanted = mutators[(0, 1, 0, 3, 2)[number % 5]]
                data, must_be_same = mutator.mutant()
                largest = max(largest, len(data))
                signal.setitimer(signal.ITIMER_REAL, seconds)
                found = _of_mutant(path, data, must_be_same, facts, wanted, generator)
                signal.setitimer(signal.ITIMER_REAL, 0)
                if found:
                    (folder / f"failed-{number}.npz").write_bytes(data)
                yield f"mutant {number}: {found}" if found else ""
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory)
    yield f"memory grew by {grown >> 20} MB" if grown > 3 * largest + MEMORY else ""


def _of_mutant(path, data, must_be_same, facts, wanted, generator):
    try:
        if must_be_same:
            return verdict(path, data, facts, wanted)
        put(path, data)
        if facts is checkpoint_facts and generator.random() < 0.5:
            Checkpoint(path)
        else:
            _use(load_model(path), generator)
    except CharlmError as error:
        return "" if len(str(error).splitlines()) == 1 else f"more than a line: {error}"
    except _Hang:
        return "it hangs"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def attacked(folder: Path, commands=("info", "sample", "perplexity"), seconds: float = 1.0) -> Iterator[str]:
    """Each attack: the commands must end soon, with exit code 1 and one line, and execute nothing from the file."""
    members = read_members(small_model(folder))
    with ForkServer(folder) as server:
        for number, name in enumerate(ATTACKS):
            workdir = new_folder(folder, f"attack{number}")
            ATTACKS[name](workdir / "m.npz", members)
            before = sorted(path.name for path in workdir.iterdir())
            for command in commands:
                arguments = {
                    "info": ["info", "m.npz"],
                    "sample": ["sample", "--model", "m.npz", "--length", "9"],
                    "perplexity": ["perplexity", "--model", "m.npz", "text.txt"],
                }[command]
                begun = time.monotonic()
                code, errors = server.run(arguments, workdir)
                found = complaint(code, errors, (0, 1) if name in HARMLESS else (1,))
                if time.monotonic() - begun > seconds:
                    found = found or f"it took {time.monotonic() - begun:.1f} s"
                if (workdir / CANARY).exists() or sorted(path.name for path in workdir.iterdir()) != before:
                    found = "code was executed, or a file was made"
                yield f"{command}, {name}: {found}" if found else ""
