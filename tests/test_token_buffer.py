"""Ids that do not fit memory: they come back unchanged from a file without a name, and a full disk is a clear error."""

import errno
import io
import os
import subprocess
import sys
import tempfile

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import charlm
from charlm.errors import CorpusError
from charlm.learning.autotune import new_trainer
from charlm.learning.progress import reports
from charlm.learning.results import Results
from charlm.text import corpus, reading, token_buffer
from charlm.text.corpus import CorpusOptions, load_corpus
from charlm.text.token_buffer import TokenBuffer, release

TYPES = (np.uint8, np.uint16, np.uint32)


@pytest.fixture
def mapped(monkeypatch):
    """Buffers move everything to a file."""
    monkeypatch.setattr(token_buffer, "IN_MEMORY", 0)


@given(st.lists(st.tuples(st.sampled_from(TYPES), st.lists(st.integers(0, 255), max_size=9))), st.integers(0, 40))
@example([(np.uint8, [1, 2, 3]), (np.uint16, []), (np.uint16, [4])], 3)
def test_added_arrays_come_back(pieces, limit):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_buffer, "IN_MEMORY", limit)
        buffer = TokenBuffer()
        for kind, values in pieces:
            buffer.add(np.array(values, kind))
        for _ in range(2):
            found = list(buffer)
            assert [array.tolist() for array in found] == [values for _, values in pieces if values]
            assert [array.dtype for array in found] == [kind for kind, values in pieces if values]
        assert len(buffer) == sum(len(values) for _, values in pieces)


@pytest.mark.parametrize("limit", [0, 11, 12, 100])
@pytest.mark.parametrize("kind", TYPES)
def test_the_arrays_joined_are_one_array(monkeypatch, kind, limit):
    monkeypatch.setattr(token_buffer, "IN_MEMORY", limit)
    buffer = TokenBuffer()
    assert buffer.joined(kind).tolist() == []
    for start in (0, 5):
        buffer.add(np.arange(start, start + 5, dtype=kind))
    size = 10 * np.dtype(kind).itemsize
    array = buffer.joined(kind)
    del buffer
    assert array.tolist() == list(range(10))
    assert array.dtype == kind
    assert array.flags.writeable == (size <= limit)  # it is mapped, to be read only
    release(array[3:])
    assert array.tolist() == list(range(10))


def test_a_small_buffer_stays_in_memory(monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", None)
    buffer = TokenBuffer()
    buffer.add(np.zeros(token_buffer.IN_MEMORY, np.uint8))
    with pytest.raises(TypeError):
        buffer.add(np.zeros(1, np.uint8))


def test_the_file_is_in_the_folder_of_TMPDIR_and_has_no_name(mapped, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    buffer = TokenBuffer()
    buffer.add(np.arange(100))
    assert os.fstat(buffer._file.fileno()).st_size == 800
    if os.name == "posix":
        assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.access("/var/tmp", os.W_OK), reason="there is no /var/tmp")
def test_large_files_go_to_var_tmp_by_default(monkeypatch):
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    assert token_buffer._folder() == "/var/tmp"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("call", ["open", "write", "flush"])
def test_a_full_disk_is_an_error_of_one_line(mapped, tmp_path, monkeypatch, call, number):
    class Full(io.BytesIO):
        pass

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    if call != "open":
        setattr(Full, call, fail)
    monkeypatch.setattr(tempfile, "TemporaryFile", fail if call == "open" else lambda dir: Full())
    (tmp_path / "text.txt").write_text("some text\n")
    with pytest.raises(CorpusError, match=f"{os.strerror(number)}; let TMPDIR name") as caught:
        load_corpus(tmp_path / "text.txt")
    assert "\n" not in str(caught.value)


def test_without_any_folder_for_temporary_files(mapped, monkeypatch):
    def none():
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setenv("TMPDIR", "there is none")
    monkeypatch.setattr(tempfile, "gettempdir", none)
    with pytest.raises(CorpusError, match="to any folder: No usable temporary directory"):
        TokenBuffer().add(np.zeros(1, np.uint8))


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the size of files")
def test_a_full_disk_ends_the_command_with_a_line(tmp_path, tiny_text):
    """A limit of 1 byte on files is in place of a full disk; charlm never comes to the model."""
    program = (
        "import resource, signal, sys; from charlm.text import token_buffer; from charlm.cli import program; "
        "token_buffer.IN_MEMORY = 0; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1)); program(sys.argv[1:])"
    )
    (tmp_path / "text.txt").write_text(tiny_text)
    arguments = ["train", str(tmp_path / "text.txt"), "-o", str(tmp_path / "m.npz")]
    unwatched = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}  # writes files
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, env=unwatched)
    assert done.returncode == 1
    assert done.stderr.startswith("charlm: error: the text is too long for memory")
    assert done.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.txt"]


TEXT = "".join(
    f"{'é' * (number % 7)}line {number * 37 % 101}\n{'' if number % 3 else chr(10)}" for number in range(150)
)


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("level", ["char", "word", "byte"])
@pytest.mark.parametrize("valid", [False, True])
def test_a_mapped_corpus_is_the_corpus(monkeypatch, tmp_path, level, lines, valid):
    path, other = tmp_path / "text.txt", tmp_path / "valid.txt"
    path.write_text(TEXT, encoding="utf-8")
    other.write_text(TEXT[500:900], encoding="utf-8")
    options = CorpusOptions(level=level, lines=lines, seed=4, valid=other if valid else None)
    expected = load_corpus(path, options)
    monkeypatch.setattr(token_buffer, "IN_MEMORY", 0)
    for piece in (7, 100, reading.PIECE):
        for module in corpus, reading:
            monkeypatch.setattr(module, "PIECE", piece)
        found = load_corpus(path, options)
        assert not found.train.flags.writeable
        for name in ("train", "held_out", "frequencies"):
            one, other = getattr(expected, name), getattr(found, name)
            assert one.dtype == other.dtype
            assert one.tolist() == other.tolist(), piece
        for name in ("vocabulary", "unknown_rate", "digest"):
            assert getattr(expected, name) == getattr(found, name)


@pytest.mark.parametrize("lines", [False, True])
def test_a_mapped_corpus_gives_the_same_model(monkeypatch, tmp_path, lines):
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    options = {"lines": lines, "hidden": 5, "layers": 1, "epochs": 2, "batch": 7, "steps": 9}
    charlm.train(tmp_path / "text.txt", **options).save(tmp_path / "memory.npz")
    monkeypatch.setattr(token_buffer, "IN_MEMORY", 0)
    trainer = new_trainer(tmp_path / "text.txt", **options)
    assert not trainer.corpus.train.flags.writeable
    for _ in Results(trainer, tmp_path / "mapped.npz", options).follow(reports(trainer.run(), every=0.0)):
        pass
    assert (tmp_path / "mapped.npz").read_bytes() == (tmp_path / "memory.npz").read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from the system")
def test_memory_does_not_grow_with_the_corpus(tmp_path):
    """16 MB of text: charlm needs 12 MB more than for a short one, of any length, with little room for all that has a
    limit. The peak is that of the process: what getrusage gives begins with the memory of the process before it."""
    program = (
        "import sys; from charlm.text import corpus, novelty, token_buffer\n"
        "token_buffer.IN_MEMORY, novelty.CAP, novelty.MEASURED = 1 << 18, 1 << 20, 1 << 16\n"
        "def load(path, kind):\n"
        "    found = corpus.load_corpus(path, corpus.CorpusOptions(lines=kind == 'lines'))\n"
        "    for start in range(0, len(found.train), 1 << 20):\n"
        "        found.train[start:start + (1 << 20)].max()\n"
        "        token_buffer.release(found.train)\n"
        "    return int(next(row for row in open('/proc/self/status') if row.startswith('VmHWM')).split()[1]) / 1024\n"
        "before = max(load(sys.argv[1], kind) for kind in ('stream', 'lines'))\n"
        "print(*(load(sys.argv[2], kind) - before for kind in ('stream', 'lines')))"
    )
    line = "some words that fill a line, and then some more of them\n"
    paths = tmp_path / "short.txt", tmp_path / "long.txt"
    for path, lines in zip(paths, (100, 2**24 // len(line)), strict=True):
        path.write_text(line * lines)
    arguments = [sys.executable, "-c", program, *map(str, paths)]
    grown = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.split()
    assert [float(megabytes) for megabytes in grown if float(megabytes) >= 15] == [] and len(grown) == 2
