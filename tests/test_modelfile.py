"""The model file: the same model is the same bytes, a complete file loads, and any other is an error of one line."""

import errno
import io
import json
import os
import pickle
import stat
import threading
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import charlm
from charlm.errors import DivergedError, ModelFileError, UsageError
from charlm.model import Model, load_model
from charlm.modelfile import (
    FORMAT,
    MIXTURE_FORMAT,
    NEWEST,
    STORED_FORMAT,
    VECTOR_FORMAT,
    is_saved,
    save_model,
    write_archive,
)
from charlm.network.architecture import Architecture
from charlm.network.cells import CELLS
from charlm.network.mixture import MOST_WEIGHT, Mixture
from charlm.tasks import MODULES, VECTORS
from charlm.tasks.sentences import SentenceLines
from charlm.text.ngrams import NGrams
from charlm.text.novelty import Novelty
from charlm.text.vocabulary import Vocabulary, code_points
from charlm.vectors.archives import checked_arrays
from torture.attacks import ARRAY, npy, npy_header, read_members, write_members
from torture.modelfiles import parts_of as facts

SYMBOLS = {"char": ("a", "é", "😀", "\0"), "word": (" the", "x", "."), "byte": (97, 255, 0)}
SYMBOLS["subword"] = ("a", "é", " ", "aé", " aé")
MERGES = {"subword": [(2, 3), (4, 5)]}


def new_model(level="char", cell="lstm", embedding=0, tied=False, lines=False, hidden=3, layers=2, seed=0):
    """A small model with random parameters."""
    vocabulary = Vocabulary(level, SYMBOLS[level], MERGES.get(level, ()))
    architecture = Architecture(len(vocabulary), cell, hidden, layers, embedding=embedding, tied=tied)
    parameters = np.random.default_rng(seed).standard_normal(architecture.number_of_parameters).astype(np.float32)
    training = {"seed": 7, "history": [[1, 2.5, None]], "corpus": {"names": ["é.txt"], "sha256": "0" * 64}}
    return Model(
        architecture=architecture, vocabulary=vocabulary, parameters=parameters, lines=lines, training=training
    )


KNOWN = "abba cab, and dada egg\nfee\n"


def new_mixture(model, order=3):
    """N-grams of the known text, and weights."""
    tokens = model.vocabulary.encode(KNOWN)
    ngrams = NGrams.count(tokens, len(model.vocabulary), order, model.lines, singletons=2)
    return Mixture(ngrams, np.linspace(0.25, 1, 2 * order).reshape(order, 2))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.npz"


@pytest.fixture
def whole(path):
    """The file of a tiny model with a record of its text and n-grams."""
    model = new_model(cell="rnn", hidden=1, layers=1)
    model.novelty = Novelty.of_text(lambda: [code_points(KNOWN)], in_bytes=False)
    model.mixture = new_mixture(model)
    save_model(model, path)
    return path


def contents(folder):
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


def check_error(path, *words):
    """Check that loading the file is an error of one line with these words."""
    with pytest.raises(ModelFileError) as caught:
        load_model(path)
    message = str(caught.value)
    assert caught.type is ModelFileError
    assert message == " ".join(message.split()), "more than one line"
    assert len(message) < 400 + len(str(path))
    assert path.name in message
    for word in words:
        assert word in message


# Round trips


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("level", list(SYMBOLS))
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("embedding", "tied"), [(0, False), (2, False), (3, True)])
def test_every_kind_of_model_comes_back(path, cell, level, embedding, tied, lines):
    model = new_model(level, cell, embedding, tied, lines)
    save_model(model, path)
    again = load_model(path)
    assert facts(again) == facts(model)
    assert again.parameters.dtype == np.float32
    save_model(again, path.with_name("again.npz"))
    assert path.with_name("again.npz").read_bytes() == path.read_bytes()


def test_one_model_is_one_sequence_of_bytes(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    save_model(new_model(), tmp_path / "a.npz")
    monkeypatch.chdir(tmp_path / "elsewhere")
    save_model(new_model(), "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "elsewhere" / "b.npz").read_bytes()
    save_model(new_model(seed=1), "b.npz")
    assert (tmp_path / "a.npz").read_bytes() != (tmp_path / "elsewhere" / "b.npz").read_bytes()


def test_the_verbs_of_the_package_are_the_same(path):
    model = new_model()
    model.save(path)
    assert facts(charlm.load(path)) == facts(charlm.load(str(path))) == facts(model)


@pytest.mark.parametrize(("embedding", "tied"), [(0, False), (3, True)])
def test_numpy_opens_it_without_pickles(path, embedding, tied):
    model = new_model("word", "peephole", embedding, tied)
    save_model(model, path)
    with np.load(path, allow_pickle=False) as archive:
        header = json.loads(archive["header"].tobytes())
        arrays = {name: archive[name] for name in archive.files if name != "header"}
    assert {name: array.shape for name, array in arrays.items()} == model.architecture.shapes()
    assert all(array.dtype == np.float32 for array in arrays.values())
    assert np.concatenate([array.ravel() for array in arrays.values()]).tobytes() == model.parameters.tobytes()
    assert header["format"] == FORMAT
    assert header["charlm"] == charlm.__version__
    assert header["vocabulary"] == {"level": "word", "symbols": [" the", "x", "."]}
    assert header["architecture"] == model.architecture.as_dict()


def test_it_is_not_compressed(whole):
    with zipfile.ZipFile(whole) as archive:
        members = archive.infolist()
    assert members[0].filename == "header.npy"
    assert {member.compress_type for member in members} == {zipfile.ZIP_STORED}
    assert {member.date_time for member in members} == {(1980, 1, 1, 0, 0, 0)}


def test_it_has_the_permissions_of_any_new_file(path):
    path.with_name("other").touch()
    save_model(new_model(), path)
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(path.with_name("other").stat().st_mode)


def test_the_record_of_the_text_comes_back(whole):
    novelty = load_model(whole).novelty
    assert novelty.contains_line("fee") and novelty.contains_line("abba cab, and dada egg")
    assert not novelty.contains_line("egg")
    assert novelty.longest_copied_run("abba cab, and dada egg") == 22
    with np.load(whole, allow_pickle=False) as archive:
        header = json.loads(archive["header"].tobytes())
        assert archive["novelty"].dtype == np.uint8
    assert len(novelty.bits) == header["novelty"]["line_bytes"] + header["novelty"]["run_bytes"]


@pytest.mark.parametrize("level", list(SYMBOLS))
@pytest.mark.parametrize(("order", "lines"), [(1, False), (2, True), (7, True)])
def test_n_grams_come_back(path, level, order, lines):
    """A model predicts the same before and after it is saved: what n-grams have is what the file has."""
    model = new_model(level, lines=lines)
    save_model(model, path)
    without = path.stat().st_size
    model.mixture = new_mixture(model, order)
    assert not is_saved(model, path)
    save_model(model, path)
    assert is_saved(model, path) and path.stat().st_size > without
    again = load_model(path)
    assert facts(again) == facts(model)
    tokens = model.vocabulary.encode(KNOWN)
    found, expected = again.mixture.ngrams.probabilities(tokens), model.mixture.ngrams.probabilities(tokens)
    assert found.tobytes() == expected.tobytes()
    assert again.mixture.weights.dtype == np.float64 and again.mixture.ngrams.lines == lines
    with np.load(path, allow_pickle=False) as archive:
        assert json.loads(archive["header"].tobytes())["format"] == MIXTURE_FORMAT
    model.mixture.weights[0, 1] = 3
    assert not is_saved(model, path)


GOLDEN_FILES = Path(__file__).parent / "golden"
GOLDEN = {  # format: nats per token of a text when the file was written
    1: 1.8669294834136962,
    2: 2.0019561767578127,
    3: 1.8467944860458374,
    4: 1.8467944860458374,
    5: 1.373019766807556,
    6: 0.9265838086605072,
    "6-subword": 1.0737267136573792,
    7: 1.4895411211997271,
    "7-columns": 1.6891672134399414,
    "8-earlier": 1.6956628270447254,
    "8-float16": 1.5114285212010146,
}
GOLDEN_NGRAMS = [0.10703162, 0.87189764, 0.74767146, 0.94064046, 0.47720388]  # in format 6, of abba


@pytest.mark.parametrize("number", GOLDEN)
def test_a_file_of_each_format_still_loads(path, number):
    """Format 1 is from before charlm kept novelty; the models of formats 3 and 4 have a limited context, and format 3
    calls their cell window. From format 5 on, novelty counts what is said and has a held-out part. Format 6 has
    n-grams, or subwords. Format 7 has items of several lines, normalised, or columns. Format 8 has records of earlier
    texts, or parameters in float16."""
    model, format = load_model(GOLDEN_FILES / f"format-{number}.npz"), int(str(number)[0])
    assert (model.novelty is None) == (format == 1) and (model.architecture.context is None) == (format not in (3, 4))
    assert (model.novelty is not None and model.novelty.held_out is not None) == (format > 4)
    assert (model.mixture is not None) == (number in (6, 7, "8-earlier"))
    assert bool(model.novelty and model.novelty.earlier) == (number == "8-earlier")
    assert (model.vocabulary.level == "subword") == (number == "6-subword")
    assert model.store == ("float16" if number == "8-float16" else "float32")
    assert model.vocabulary.form == (("NFC", "%") if number == 7 else ("none", None))
    assert charlm.perplexity(model, "abba").nats_per_token == pytest.approx(GOLDEN[number], rel=1e-6)
    save_model(model, path)
    assert facts(load_model(path)) == facts(model)


def test_the_n_grams_of_a_file_still_say_the_same():
    model = load_model(GOLDEN_FILES / "format-6.npz")
    found = model.mixture.ngrams.probabilities(model.vocabulary.encode("abba\n"))
    assert found == pytest.approx(GOLDEN_NGRAMS, rel=1e-7)


GOLDEN_TASKS = {  # task: an item, and the output of charlm predict for it when the file was written
    "classify": ("bcaa", "y\t1.0000"),
    "generate": ("cab", "z\t0.9923"),
    "tag": (["ab", "cc", "b", "a"], "ab\tB-x\ncc\tI-x\nb\tO\na\tB-x"),
    "translate": ("abca", "aa"),
}
GOLDEN_OF_7 = {
    "classify": ("bb", "y\t0.9995"),
    "several": ("ab", "a\t0.9992\tb\t0.9991"),
    "tag": (["a", "c", "d", "b"], "a\tS-x\nc\tB-x\nd\tE-x\nb\tO"),
}


@pytest.mark.parametrize(
    ("format", "task"), [*((3, task) for task in GOLDEN_TASKS), *((7, task) for task in GOLDEN_OF_7)]
)
def test_a_file_of_each_task_still_loads(path, format, task):
    """Format 7 has columns (classify), or another scheme of tags than BIO."""
    model = load_model(GOLDEN_FILES / f"format-{format}-{task}.npz")
    item, row = (GOLDEN_TASKS if format == 3 else GOLDEN_OF_7)[task]
    assert (model.task.columns is not None) == (format == 7 and task == "classify")
    lines = SentenceLines(item) if task == "tag" else item
    assert model.task.row(lines, *charlm.predict(model, [item])) == row
    save_model(model, path)
    assert facts(load_model(path)) == facts(model)


@pytest.mark.parametrize("task", [*VECTORS, "slopes"])
def test_a_file_of_vectors_still_loads(path, task):
    """The first classifiers of vectors read no slopes."""
    model = load_model(GOLDEN_FILES / f"format-9-{task}.npz")
    assert model.task.channels.names == ("rise", "noise") and model.architecture.channels == 2 * (
        1 + (task == "slopes")
    )
    answers = {"classify": "up\t", "slopes": "up\t", "tag": "up\n", "translate": "up"}
    (prediction,) = charlm.predict(model, [[[-1.0, 3], [0, 3], [1, 3]]])
    item = checked_arrays([[[-1.0, 3], [0, 3], [1, 3]]], "items")[0]
    assert model.task.row(item, prediction).startswith(answers[task])
    save_model(model, path)
    assert facts(load_model(path)) == facts(model)


def test_each_format_and_task_has_its_golden_file():
    assert {int(str(number)[0]) for number in GOLDEN} | {VECTOR_FORMAT} == set(range(1, NEWEST + 1))
    assert {"text", "chords", *GOLDEN_TASKS} == set(MODULES)  # tests/test_chords.py has the file of "chords"


# Parameters in float16


def test_a_model_in_float16_is_half_as_large_and_comes_back_rounded(path, tmp_path):
    model = new_model(hidden=60)
    model.save(path, store="float16")
    assert model.store == "float32"
    again, half = load_model(path), model.parameters.astype(np.float16)
    assert again.store == "float16" and again.parameters.dtype == np.float32
    assert np.array_equal(again.parameters, half) and not np.array_equal(again.parameters, model.parameters)
    assert is_saved(again, path) and not is_saved(model, path)
    again.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()
    with np.load(path, allow_pickle=False) as archive:
        assert json.loads(archive["header"].tobytes())["format"] == STORED_FORMAT
        assert all(archive[name].dtype == "<f2" for name in model.named_parameters)
    again.save(tmp_path / "wide.npz", store="float32")
    wide = load_model(tmp_path / "wide.npz")
    assert wide.store == "float32" and np.array_equal(wide.parameters, half)
    sizes = [file.stat().st_size for file in (path, tmp_path / "wide.npz")]
    assert sizes[1] - sizes[0] == pytest.approx(2 * model.parameters.size, abs=100)


def test_a_number_that_float16_cannot_hold_is_an_error(path):
    model = new_model()
    model.parameters[:3] = 65504, 65519, -3e-8  # the largest, one rounded to it, one rounded to nearly 0
    model.save(path, store="float16")
    model.parameters[:2] = 65520, -1e9
    before = path.read_bytes()
    with pytest.raises(ModelFileError, match="float16 holds numbers up to 65,504, and 2 of the weights are larger"):
        model.save(path, store="float16")
    assert path.read_bytes() == before
    with pytest.raises(UsageError, match="store must be float32 or float16, not 'int8'"):
        model.save(path, store="int8")


# Damaged files


def test_a_file_that_was_cut_short(whole):
    data = whole.read_bytes()
    for length in {*range(0, len(data), 29), *range(len(data) - 30, len(data))}:
        whole.write_bytes(data[:length])
        check_error(whole)


@pytest.mark.parametrize("flip", [0xFF, 0x01])
def test_a_file_with_one_wrong_byte(whole, flip):
    """It is an error, or the byte does not matter (in a date, say) and the model is the same."""
    data, wanted = whole.read_bytes(), facts(load_model(whole))
    errors = 0
    with open(whole, "r+b", buffering=0) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for place, byte in enumerate(data):
            os.pwrite(file.fileno(), bytes([byte ^ flip]), place)
            try:
                assert facts(load_model(whole)) == wanted, f"byte {place} changed the model"
            except ModelFileError as error:
                assert type(error) is ModelFileError and "\n" not in str(error), f"byte {place}"
                errors += 1
            os.pwrite(file.fileno(), bytes([byte]), place)
    assert len(data) < 8000
    assert errors > 0.6 * len(data)
    assert facts(load_model(whole)) == wanted


CUT = st.tuples(
    st.integers(0, 6000), st.integers(0, 200), st.binary(max_size=40)
)  # position, bytes to delete, bytes to insert


@given(st.lists(CUT, min_size=1, max_size=4))
def test_a_file_with_stretches_replaced(tmp_path_factory, cuts):
    """It is an error, or the bytes do not matter."""
    path = tmp_path_factory.mktemp("cut") / "m.npz"
    save_model(new_model(cell="rnn", hidden=1, layers=1), path)
    data, model = path.read_bytes(), load_model(path)
    for position, deleted, inserted in cuts:
        data = data[:position] + inserted + data[position + deleted :]
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            assert facts(load_model(path)) == facts(model)
        except ModelFileError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"Call me Ishmael.\n" * 50,
        b"PK\x03\x04",
        b"PK\x05\x06" + bytes(18),
        b"\x93NUMPY\x01\x00",
        bytes(range(256)) * 12,
        pickle.dumps({"weights": [1.0]}),
        b"[" * 100_000,
    ],
    ids=lambda data: repr(data[:8]),
)
def test_a_file_that_is_something_else(path, data):
    path.write_bytes(data)
    check_error(path)


def test_a_path_that_is_not_a_file(tmp_path):
    (tmp_path / "folder").mkdir()
    check_error(tmp_path / "missing.npz", "there is no file")
    check_error(tmp_path / "folder", "folder")
    check_error(tmp_path / "folder" / "missing" / "m.npz", "there is no file")
    (tmp_path / "null.npz").symlink_to(os.devnull)
    check_error(tmp_path / "null.npz")


def test_a_pipe_does_not_hang(tmp_path):
    pipe, found = tmp_path / "pipe.npz", []
    os.mkfifo(pipe)

    def load():
        try:
            load_model(pipe)
        except ModelFileError as error:
            found.append(error)

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    thread.join(3)
    hung = thread.is_alive()
    if hung:  # let the thread go
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        thread.join(3)
    assert not hung
    assert "pipe.npz" in str(found[0])


def rewrite(path, change):
    """Write the file again with the right digest, after ``change(header, arrays)``."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(arrays.pop("header").tobytes())
    change(header, arrays)
    write_archive(path, header, arrays)


def setting(*keys):
    """A change that sets one value in the header. keys: the keys that lead to it, and the value."""
    *inner, last, value = keys

    def change(header, arrays):
        for key in inner:
            header = header[key]
        header[last] = value

    change.__name__ = "=".join((".".join([*inner, last]), repr(value)[:20]))  # names the test
    return change


def removing(*keys):
    *inner, last = keys

    def change(header, arrays):
        for key in inner:
            header = header[key]
        del header[last]

    change.__name__ = f"no {'.'.join(keys)}"
    return change


def array_change(name, function):
    def change(header, arrays):
        arrays[name] = function(arrays[name])

    change.__name__ = name
    return change


def of_a_later_charlm(header, arrays):
    header |= {"format": 10**2000, "charlm": "\n9\u2028" * 1000}


def put(name, number):
    """A change that puts a number into an array."""
    return array_change(name, lambda array: np.append(array.ravel()[:-1], np.float32(number)).reshape(array.shape))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (setting("format", NEWEST + 1), "later charlm"),
        (setting("format", 10**30), "later charlm"),
        (of_a_later_charlm, "later charlm"),
        (setting("format", 0), "format"),
        (setting("format", -1), "format"),
        (setting("format", "1"), "format"),
        (removing("format"), "format"),
        (setting("kind", "checkpoint"), "checkpoint"),
        (removing("kind"), "not a model"),
        (removing("architecture"), ""),
        (removing("architecture", "tied"), ""),
        (setting("architecture", []), ""),
        (setting("architecture", "more", 1), ""),
        (setting("architecture", "hidden", 0), ""),
        (setting("architecture", "hidden", -1), ""),
        (setting("architecture", "hidden", 2), ""),
        (setting("architecture", "hidden", 1.0), ""),
        (setting("architecture", "hidden", True), ""),
        (setting("architecture", "hidden", "1"), ""),
        (setting("architecture", "hidden", 10**7), ""),
        (setting("architecture", "hidden", 10**400), ""),
        (setting("architecture", "layers", 0), ""),
        (setting("architecture", "layers", 2), ""),
        (setting("architecture", "layers", 10**9), ""),
        (setting("architecture", "layers", 1e9), ""),
        (setting("architecture", "embedding", -1), ""),
        (setting("architecture", "embedding", 1), ""),
        (setting("architecture", "tied", True), ""),
        (setting("architecture", "tied", 0), ""),
        (setting("architecture", "cell", "gru"), ""),
        (setting("architecture", "cell", "window"), ""),
        (setting("architecture", "context", 8), "--context"),
        (setting("architecture", "context", "8"), ""),
        (setting("architecture", "cell", "elman"), ""),
        (setting("architecture", "cell", None), ""),
        (setting("architecture", "vocabulary_size", 5), "size"),
        (setting("architecture", "vocabulary_size", 10**12), "size"),
        (removing("vocabulary"), ""),
        (setting("vocabulary", "level", "letters"), ""),
        (setting("vocabulary", "level", "byte"), "symbol"),
        (setting("vocabulary", "level", ["char"]), ""),
        (setting("vocabulary", "symbols", ["a", "b", "c", "a"]), "distinct"),
        (setting("vocabulary", "symbols", ["a", "b", "c", "\n"]), "symbol"),
        (setting("vocabulary", "symbols", ["a", "b", "c", ""]), "symbol"),
        (setting("vocabulary", "symbols", ["a", "b", "c", "de"]), "symbol"),
        (setting("vocabulary", "symbols", ["a", "b", "c", "\ud800"]), ""),
        (setting("vocabulary", "symbols", ["a", "b", "c", 4]), ""),
        (setting("vocabulary", "symbols", ["a", "b", "c", None]), ""),
        (setting("vocabulary", "symbols", "abcd"), ""),
        (setting("vocabulary", "symbols", ["a", "b", "c"]), "size"),
        (setting("lines", 1), ""),
        (removing("lines"), ""),
        (setting("training", []), ""),
        (removing("training"), ""),
        (put("b_y", np.nan), "not finite"),
        (put("layer1.W_x", np.inf), "not finite"),
        (array_change("W_ya", lambda array: array.T), "W_ya"),
        (array_change("W_ya", lambda array: array[:, :-1]), "W_ya"),
        (array_change("b_y", lambda array: array.astype(np.float64)), "b_y"),
        (array_change("b_y", lambda array: array.astype(">f4")), "b_y"),
        (array_change("b_y", lambda array: array.astype(np.int32)), "b_y"),
        (array_change("b_y", lambda array: array[0]), "b_y"),
        (lambda header, arrays: arrays.pop("b_y"), "arrays"),
        (lambda header, arrays: arrays.update(more=arrays["b_y"]), "arrays"),
        (setting("novelty", None), "training text"),
        (setting("novelty", {}), "training text"),
        (setting("novelty", [1]), "training text"),
        (setting("novelty", "more", 1), "training text"),
        (removing("novelty"), "arrays"),
        (removing("novelty", "window"), "training text"),
        (setting("novelty", "window", 0), "window"),
        (setting("novelty", "window", 10**9), "window"),
        (setting("novelty", "window", 1.0), "window"),
        (setting("novelty", "window", True), "window"),
        (setting("novelty", "run", 0), "run"),
        (setting("novelty", "run", "16"), "run"),
        (setting("novelty", "line_hashes", 0), "line_hashes"),
        (setting("novelty", "run_hashes", 10**6), "run_hashes"),
        (setting("novelty", "line_bytes", -1), "line_bytes"),
        (setting("novelty", "line_bytes", 3), "novelty"),
        (setting("novelty", "line_bytes", 10**30), "line_bytes"),
        (setting("novelty", "run_bytes", 1 << 28), "novelty"),
        (setting("novelty", "usual_run", -1), "usual_run"),
        (setting("novelty", "usual_run", 10**9), "usual_run"),
        (setting("novelty", "held_out", {}), "held-out part"),
        (setting("novelty", "held_out", [1]), "held-out part"),
        (removing("novelty", "held_out"), "held-out part"),
        (array_change("novelty", lambda array: array[:-1]), "novelty"),
        (array_change("novelty", lambda array: array.astype(np.float32)), "novelty"),
        (array_change("novelty", lambda array: array.astype(np.int8)), "novelty"),
        (array_change("novelty", lambda array: array[:, None]), "novelty"),
        (lambda header, arrays: arrays.pop("novelty"), "arrays"),
        (removing("ngrams"), "arrays"),
        (setting("ngrams", None), ""),
        (setting("ngrams", {}), "n-grams"),
        (setting("ngrams", [1]), ""),
        (setting("ngrams", "more", 1), "n-grams"),
        (removing("ngrams", "order"), "n-grams"),
        (setting("ngrams", "order", 4), "n-grams"),
        (setting("ngrams", "order", 10**9), "n-grams"),
        (setting("ngrams", "sizes", [6, 1 << 30, 1 << 30]), "ngrams_children"),
        (setting("ngrams", "sizes", {"6": 1}), "n-grams"),
        (setting("ngrams", "histories", 10**6), "n-grams"),
        (setting("ngrams", "siblings", 2), "ngrams_own"),
        (setting("ngrams", "most_children", 10**6), "n-grams"),
        (setting("ngrams", "has_unknown", None), "n-grams"),
        (removing("ngrams", "weights"), "weights"),
        (setting("ngrams", "weights", [[1.0, 1.0]] * 2), "weights"),
        (setting("ngrams", "weights", [[1.0, 1.0]] * 4), "weights"),
        (setting("ngrams", "weights", [[1.0, 1.0, 1.0]] * 3), "weights"),
        (setting("ngrams", "weights", [[1.0, 1]] * 3), "weights"),
        (setting("ngrams", "weights", [["1", 1.0]] * 3), "weights"),
        (setting("ngrams", "weights", [1.0] * 3), "weights"),
        (setting("ngrams", "weights", [[1.0, -0.1]] * 3), "weight"),
        (setting("ngrams", "weights", [[MOST_WEIGHT + 0.1, 1.0]] * 3), "weight"),
        (setting("ngrams", "weights", [[1e300, 1.0]] * 3), "weight"),
        (setting("task", {"name": "classify", "labels": ["x", "y"]}), ""),
        (array_change("ngrams_tokens", lambda array: array[::-1]), "n-grams"),
        (array_change("ngrams_tokens", lambda array: array + np.uint8(6)), "n-grams"),
        (array_change("ngrams_tokens", lambda array: array.astype(np.uint16)), "ngrams_tokens"),
        (array_change("ngrams_children", lambda array: array + np.uint8(1)), "n-grams"),
        (array_change("ngrams_children", lambda array: array[::-1]), "n-grams"),
        (array_change("ngrams_own", lambda array: array[:-1]), "ngrams_own"),
        (array_change("ngrams_backoff", lambda array: array.astype(np.float32)), "ngrams_backoff"),
        (lambda header, arrays: arrays.pop("ngrams_backoff"), "arrays"),
    ],
)
def test_a_file_with_an_impossible_header_or_array(whole, change, word):
    rewrite(whole, change)
    check_error(whole, word)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (setting("vocabulary", "merges", None), "incomplete"),
        (removing("vocabulary", "merges"), "incomplete"),
        (setting("vocabulary", "merges", {}), "incomplete"),
        (setting("vocabulary", "merges", []), "symbol"),
        (setting("vocabulary", "merges", [[2, 3]]), "symbol"),
        (setting("vocabulary", "merges", [[2, 3], [4, 6]]), "before"),
        (setting("vocabulary", "merges", [[2, 3], [4, -1]]), "before"),
        (setting("vocabulary", "merges", [[2, 3], [4, 10**30]]), "before"),
        (setting("vocabulary", "merges", [[2, 3], [1, 5]]), "before"),
        (setting("vocabulary", "merges", [[2, 3], [3, 5]]), "does not make"),
        (setting("vocabulary", "merges", [[2, 3], [4, 5, 2]]), "two ids"),
        (setting("vocabulary", "merges", [[2, 3], [4, True]]), "two ids"),
        (setting("vocabulary", "merges", [[2, 3], [4, 5.0]]), "two ids"),
        (setting("vocabulary", "merges", [[2, 3], "45"]), "two ids"),
        (setting("vocabulary", "merges", [[2, 3]] * 9), ""),
        (setting("vocabulary", "symbols", ["a", "\n", " ", "a\n", " a\n"]), "symbol"),
        (setting("vocabulary", "symbols", ["a", "é", "aé", "aé", " aé"]), ""),
        (setting("vocabulary", "more", 1), ""),
        (setting("vocabulary", "level", "char"), "incomplete"),
    ],
)
def test_a_file_with_impossible_merges(path, change, word):
    model = new_model("subword", cell="rnn", hidden=1, layers=1)
    save_model(model, path)
    rewrite(path, change)
    check_error(path, word)


def test_arrays_that_do_not_match_their_digest(whole):
    members = read_members(whole)
    members["b_y.npy"] = npy(np.zeros(6, np.float32))
    write_members(whole, members)
    check_error(whole, "digest")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("b_y.npy", b""),
        ("b_y.npy", b"no array"),
        ("b_y.npy", npy(np.array([{}] * 6), allow_pickle=True)),
        ("header.npy", npy(np.array([{}] * 6), allow_pickle=True)),
        ("b_y.npy", npy(np.zeros(6, np.float32), version=(2, 0))),
        ("W_ya.npy", npy(np.zeros((6, 6), np.float32, order="F"))),
        ("b_y.npy", npy_header(ARRAY % "(10000000000000,)")),
        ("b_y.npy", npy_header(ARRAY % "(4294967296, 4294967296, 16)")),
        ("b_y.npy", npy_header(ARRAY % "(-6,)")),
        ("b_y.npy", npy_header(ARRAY % "(7,)")),
        ("b_y.npy", npy_header(ARRAY % "(5,)")),
        ("b_y.npy", npy_header(ARRAY % "(6.0,)")),
        ("b_y.npy", npy_header(ARRAY % f"({'6,' * 4990})")),
        ("b_y.npy", npy_header(ARRAY % "(6,)" + " " * 60_000)),  # NumPy's own message has two lines
        ("b_y.npy", npy_header("(" * 5000)),
        ("b_y.npy", npy_header("__import__('os')")),
        ("b_y.npy", npy_header(ARRAY % "(6,)", b"\x09\x00")),
        ("header.npy", npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (100000000000000,), }")),
        ("header.npy", npy(np.frombuffer(b"{}", np.uint8))),
        ("header.npy", npy(np.frombuffer(b"[1]", np.uint8))),
        ("header.npy", npy(np.frombuffer(b"\xff\xfe", np.uint8))),
        ("header.npy", npy(np.frombuffer(b"[" * 200_000, np.uint8))),
        ("header.npy", npy(np.frombuffer(b'{"format": ' + b"1" * 5000 + b"}", np.uint8))),
        ("header.npy", npy(np.frombuffer(b'{"format": 1}', np.uint8).reshape(1, 13))),
        ("more.npy", npy(np.zeros(6, np.float32))),
        ("../more.txt", b"text"),
    ],
)
def test_a_file_with_a_hostile_member(whole, name, data):
    write_members(whole, read_members(whole) | {name: data})
    check_error(whole)


@pytest.mark.parametrize("name", ["header.npy", "b_y.npy", "novelty.npy", "ngrams_own.npy"])
def test_a_file_without_a_member(whole, name):
    members = read_members(whole)
    del members[name]
    write_members(whole, members)
    check_error(whole)


def test_a_header_of_more_values_than_a_model_can_have(whole):
    """Each value takes far more memory than bytes in the file."""
    text = b'{"format": 2, "x": [' + b"[]," * 600_000 + b"[]]}"
    write_members(whole, read_members(whole) | {"header.npy": npy(np.frombuffer(text, np.uint8))})
    check_error(whole, "too many values")


def test_a_directory_of_more_members_than_a_model_can_have(whole):
    write_members(whole, read_members(whole) | {f"{number}.npy": b"" for number in range(20_000)})
    check_error(whole, "larger than the file allows")


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "1e999"])
def test_a_header_with_a_number_that_is_not_finite(whole, text):
    members = read_members(whole)
    header = (
        np.lib.format.read_array(io.BytesIO(members["header.npy"]))
        .tobytes()
        .replace(b'"seed":7', f'"seed":{text}'.encode())
    )
    write_members(whole, members | {"header.npy": npy(np.frombuffer(header, np.uint8))})
    check_error(whole, "not finite")


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compressed_file(whole, compression):
    write_members(whole, read_members(whole), compression)
    check_error(whole, "compressed")


def test_two_members_of_one_name(whole):
    with zipfile.ZipFile(whole, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("b_y.npy", npy(np.zeros(6, np.float32)))
    check_error(whole, "the same name")


def test_another_program_may_write_the_file_again(whole):
    """The order of the members, their dates and the program that made the zip do not matter."""
    model = load_model(whole)
    write_members(whole, dict(reversed(read_members(whole).items())))
    assert facts(load_model(whole)) == facts(model)


# Writing


def no_space(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("name", ["replace", "fsync", "chmod"])
@pytest.mark.parametrize("old", [b"the old file", None])
def test_a_failure_leaves_the_old_file(path, monkeypatch, name, old):
    if old:
        path.write_bytes(old)
    monkeypatch.setattr(os, name, no_space)
    with pytest.raises(ModelFileError, match=r"cannot write .*m\.npz: No space left on device$"):
        save_model(new_model(), path)
    assert contents(path.parent) == ({"m.npz": old} if old else {})


def test_an_interruption_leaves_the_old_file(path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    path.write_bytes(b"the old file")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_model(new_model(), path)
    assert contents(path.parent) == {"m.npz": b"the old file"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda descriptor: os.pwrite(descriptor, b"\xff", 900),
        lambda descriptor: os.ftruncate(descriptor, 900),
        lambda descriptor: os.ftruncate(descriptor, 0),
    ],
)
def test_a_file_that_the_disk_damaged_replaces_nothing(path, monkeypatch, damage):
    path.write_bytes(b"the old file")
    monkeypatch.setattr(os, "fsync", damage)
    with pytest.raises(ModelFileError, match=r"cannot write .*m\.npz"):
        save_model(new_model(), path)
    assert contents(path.parent) == {"m.npz": b"the old file"}


def test_a_folder_that_cannot_be_synchronised_is_no_failure(path, monkeypatch):
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: no_space() if stat.S_ISDIR(os.fstat(fd).st_mode) else fsync(fd))
    save_model(new_model(), path)
    assert facts(load_model(path)) == facts(new_model())


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("missing/m.npz", "there is no folder .*missing; make it first"),
        (".", "it is a folder; name a file in it"),
        ("file/m.npz", "there is no folder .*file; make it first"),
        ("n" * 300 + ".npz", "File name too long"),
    ],
)
def test_a_path_that_cannot_be_written(tmp_path, place, why):
    (tmp_path / "file").write_bytes(b"file")
    with pytest.raises(ModelFileError, match=f"cannot write .*: {why}") as caught:
        save_model(new_model(), tmp_path / place)
    assert "\n" not in str(caught.value)
    assert contents(tmp_path) == {"file": b"file"}


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_model_that_is_not_finite_is_not_written(path, number):
    save_model(new_model(), path)
    model = new_model()
    model.parameters[3] = number
    with pytest.raises(DivergedError):
        save_model(model, path)
    assert facts(load_model(path)) == facts(new_model())
    assert list(contents(path.parent)) == ["m.npz"]
