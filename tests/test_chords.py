"""Sequences of sets: their files, the network that learns them, its figures, samples and MIDI files."""

import itertools
import json
import os
import struct
import zipfile
import zlib
from functools import partial
from io import BytesIO

import numpy as np
import pytest
from test_corpora import chords as generator
from test_corpora import sample as some_texts
from test_sequences import DIRECTIONS, check_gradient
from test_tasks import GOLDEN, SMALL, check_error, digest, run

import charlm
from charlm.errors import CharlmError, CorpusError, ModelFileError, PromptError, UsageError
from charlm.learning.autotune import new_trainer
from charlm.learning.checkpoint import Checkpoint, save_checkpoint
from charlm.model import load_model
from charlm.modelfile import write_archive
from charlm.network.architecture import Architecture, views
from charlm.network.cells import CELLS
from charlm.network.dropout import Dropout
from charlm.network.head import LogisticHead, logistic_head
from charlm.network.sequences import Windows
from charlm.network.stack import Stack
from charlm.network.stepper import numpy_network
from charlm.network.threads import ThreadPool
from charlm.sampling.midi import midi_file, pitch_of
from charlm.tasks.chords import multi_hot
from charlm.tasks.sets import SetNumbers, SetSequence, sequences_in_lines
from charlm.text.batches import Batch, Sequences
from charlm.vectors.matlab import read_matlab
from charlm.vectors.rolls import column_names, read_rolls
from torture.modelfiles import parts_of as facts

C, SCALE = 5, 0.3
SETS = ((), (0, 3), (1,), (2, 4), (0, 1, 2, 3, 4), (4, 0))
LENGTHS = np.array([4, 1, 3])
RECURRENT = [name for name, cell in CELLS.items() if cell.recurrent_columns]


def sequences_of(sets):
    return Sequences([np.array(some, np.int32) for some in sets])


# The network


class Case:
    """A network in float64 whose inputs are multi-hot rows and whose targets are sets, and a batch of sequences of
    LENGTHS."""

    def __init__(self, cell, layers, drop=None):
        self.architecture = Architecture(2, cell, 4, layers, channels=C, outputs=C)
        random = np.random.default_rng([layers, len(cell)])
        self.parameters = random.normal(0, 0.5, self.architecture.number_of_parameters)
        head = partial(logistic_head, sets=sequences_of(SETS))
        self.stack = Stack(self.architecture, self.parameters, ThreadPool(2), head=head)
        self.window, self.drop = Windows(self.stack, 4, training=True), drop
        targets = random.integers(0, len(SETS), (4, 3)).astype(np.int32)
        before = np.concatenate((np.zeros((1, 3), np.int32), targets[:-1]))
        inputs = multi_hot(sequences_of(SETS), before, C).astype(np.float64)
        targets[np.arange(4)[:, None] >= LENGTHS] = -1
        self.batch = Batch(inputs, targets, True, LENGTHS)

    def loss(self):
        self.stack.pack(for_training=True)
        return SCALE * self.window.train(self.batch, SCALE, self.drop).sum()

    def gradient(self):
        self.loss()
        return self.stack.gradient.copy()

    def central_differences(self, step=1e-5):
        differences = np.zeros_like(self.parameters)
        for i, value in enumerate(self.parameters.tolist()):
            self.parameters[i] = value + step
            above = self.loss()
            self.parameters[i] = value - step
            differences[i] = (above - self.loss()) / (2 * step)
            self.parameters[i] = value
        return differences


def error(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize(("cell", "layers"), list(itertools.product(RECURRENT, (1, 2, 3))))
def test_gradient_equals_central_differences(cell, layers):
    case = Case(cell, layers)
    assert isinstance(case.stack.head, LogisticHead)
    check_gradient(case, DIRECTIONS if layers > 1 else 0)


def test_gradient_with_dropout():
    case = Case("gru", 2, Dropout(0.4, 3))
    assert error(case.gradient(), case.central_differences()) < 1e-6


def test_a_planted_sign_error_is_caught():
    case = Case("lstm", 1)
    right, expected = case.gradient(), case.central_differences()
    for name in ("layer1.W_x", "layer1.W_a", "layer1.b", "W_ya", "b_y"):
        gradient = right.copy()
        wrong = views(case.architecture, gradient)[name]
        wrong.flat[np.abs(wrong).argmax()] *= -1
        assert error(gradient, expected) > 1e-3, name


@pytest.mark.parametrize("cell", RECURRENT)
def test_the_loss_is_that_of_the_equations(cell):
    """-y log ŷ - (1 - y) log(1 - ŷ), summed over all symbols, by the network in NumPy; padding has none."""
    case = Case(cell, 2)
    case.loss()
    nats = case.window.losses(case.batch)
    network = numpy_network(case.architecture, case.parameters, apart=True)
    for row, length in enumerate(LENGTHS):
        state = network.zero_state(1)
        for step in range(length):
            state = network.step(state, case.batch.inputs[step, row : row + 1])
            y_hat = 1 / (1 + np.exp(-state[-1][0]))
            y = np.isin(np.arange(C), SETS[case.batch.targets[step, row]])
            wanted = -(np.log(y_hat[y]).sum() + np.log(1 - y_hat[~y]).sum())
            assert nats[step, row] == pytest.approx(wanted, rel=1e-10)
        assert not nats[length:, row].any()


def test_a_multi_hot_row_has_a_1_for_each_member():
    numbers = np.array([[1, 0, 4], [3, 3, 5]])
    rows = multi_hot(sequences_of(SETS), numbers, C)
    assert rows.dtype == np.float32 and rows.shape == (2, 3, C)
    found = [[tuple(np.flatnonzero(row)) for row in step] for step in rows]
    assert found == [[tuple(sorted(SETS[number])) for number in step] for step in numbers]
    assert set(np.unique(rows)) == {0, 1}


# Files


def sequences(text):
    lines = ((f"line {number}", line) for number, line in enumerate(text.split("\n"), 1))
    return [(where, steps) for where, steps in sequences_in_lines(lines)]


def test_a_line_is_a_step_and_a_blank_line_ends_a_sequence():
    assert sequences("a b\n-\n  b\tc b  \n\n\n \nd e\n") == [
        ("line 1", [("a", "b"), (), ("b", "c")]),
        ("line 7", [("d", "e")]),
    ]
    assert sequences("\n \n") == []
    with pytest.raises(CorpusError, match="^line 2 has - among other symbols"):
        sequences("a\n- b\n")


def test_a_symbol_that_the_model_does_not_know_is_named():
    numbers = SetNumbers("ab")
    assert numbers.of(SetSequence("x", [("b", "a"), (), ("a", "b")])) == [1, 0, 1]
    with pytest.raises(CorpusError, match="^file, line 3: step 2 of the sequence has 'c', which the model has never"):
        numbers.of(SetSequence("file, line 3", [("a",), ("b", "c")]))


def chorales(number=24, seed=1):
    """Chorales of the generator: lists of steps, each a list of MIDI numbers."""
    texts = some_texts(generator.chorales, number, seed)
    return [[[int(note) for note in line.split() if note != "-"] for line in text.split("\n")] for text in texts]


def as_text(sequences):
    return "\n\n".join("\n".join(" ".join(map(str, step)) or "-" for step in steps) for steps in sequences) + "\n"


def as_rolls(sequences):
    """A matrix (steps, 88) of each sequence."""
    return [np.array([np.isin(np.arange(21, 109), step) for step in steps], float) for steps in sequences]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chords")
    (folder / "train.txt").write_text(as_text(chorales()))
    (folder / "test.txt").write_text(as_text(chorales(6, 2)))
    rolls = as_rolls(chorales())
    lengths = np.array([len(roll) for roll in rolls])
    np.savez_compressed(folder / "train.npz", x=np.concatenate(rolls), lengths=lengths)
    return folder


OPTIONS = {"task": "chords", "epochs": 25} | SMALL | {"hidden": 32}


@pytest.fixture(scope="module")
def model(folder):
    model = charlm.train(folder / "train.txt", **OPTIONS)
    model.save(folder / "m.npz")
    return load_model(folder / "m.npz")


def test_it_learns_what_may_come_next(folder, model):
    """The loss is far below that of the frequencies alone."""
    corpus = new_trainer(folder / "train.txt", **OPTIONS).corpus
    assert len(corpus.train) + len(corpus.held_out) == sum(map(len, chorales()))
    found = charlm.evaluate(model, folder / "test.txt")
    steps = np.concatenate(as_rolls(chorales(6, 2)))
    rates = 1 / (1 + np.exp(-corpus.log_frequencies))
    unigrams = -(steps * np.log(rates) + (1 - steps) * np.log(1 - rates)).sum(1).mean()
    assert found["nats_per_step"] < 0.9 * unigrams
    assert (found["sequences"], found["steps"], found["symbols"]) == (6, len(steps), steps.sum())
    assert found["nats"] == pytest.approx(found["nats_per_step"] * found["steps"])


def test_the_network_starts_with_the_rates_of_the_symbols(folder):
    """The loss of the unigram model is that of the biases alone."""
    corpus = new_trainer(folder / "train.txt", **OPTIONS).corpus
    rates = 1 / (1 + np.exp(-corpus.log_frequencies))
    counts = np.concatenate(as_rolls(chorales())).sum(0)
    assert rates.argmax() == counts.argmax() and rates.min() == pytest.approx(0.5 / (len(corpus.train) + 1))
    assert corpus.log_of_targets[0] == pytest.approx(np.log(1 - rates).sum())  # of the empty set


def test_keys_of_a_piano_are_all_known(model):
    assert model.vocabulary.symbols == tuple(map(str, range(21, 109))) == column_names(88)
    assert model.architecture.channels == model.architecture.outputs == 88
    assert charlm.evaluate(model, text="21 108\n-\n")["steps"] == 2


def test_other_symbols_are_those_of_the_training_part(tmp_path):
    (tmp_path / "tags.txt").write_text("sea sun\nsea\n\nsea dog\ndog\n\nsun\n")
    model = charlm.train(tmp_path / "tags.txt", **OPTIONS | {"epochs": 1, "holdout": 0})
    assert model.vocabulary.symbols == ("sea", "dog", "sun")
    with pytest.raises(CorpusError, match="^text, line 2: step 1 of the sequence has 'cat'"):
        charlm.evaluate(model, text="\ncat\n")
    assert charlm.evaluate(model, text="sea dog\n\n-\n")["sequences"] == 2


def test_a_roll_is_the_same_as_its_text(folder, model):
    of_roll = charlm.train(folder / "train.npz", **OPTIONS)
    assert np.array_equal(of_roll.parameters, model.parameters)
    assert charlm.evaluate(of_roll, folder / "train.npz") == charlm.evaluate(model, folder / "train.txt")


def with_parts(path, **more):
    arrays = {}
    for number, part in enumerate(("traindata", "validdata", "testdata"), 1):
        rolls = as_rolls(chorales(4 * number, number))
        arrays |= {part: np.concatenate(rolls), f"{part}_lengths": [len(roll) for roll in rolls]}
    np.savez(path, **arrays | more)
    return path


def test_a_file_with_parts_trains_holds_out_and_measures(folder, tmp_path):
    path = with_parts(tmp_path / "parts.npz")
    trainer = new_trainer(path, **OPTIONS)
    parts = [sum(map(len, chorales(4 * number, number))) for number in (1, 2, 3)]
    assert [len(trainer.corpus.train), len(trainer.corpus.held_out)] == parts[:2]
    assert any("validdata" in note for note in trainer.corpus.notes)
    model = charlm.train(path, **OPTIONS | {"epochs": 1})
    assert charlm.evaluate(model, path)["steps"] == parts[2]
    assert model.training["corpus"]["bytes"] == os.path.getsize(path)
    trainer = new_trainer(path, **OPTIONS, valid=folder / "test.txt")
    assert len(trainer.corpus.held_out) == sum(map(len, chorales(6, 2)))


def mat_element(kind, data, order="<"):
    return struct.pack(order + "II", kind, len(data)) + data + bytes(-len(data) % 8)


def mat_matrix(name, value, order="<"):
    """A variable of a .mat file: a matrix of doubles, or a list of matrices as a cell array of one row."""
    is_cell = isinstance(value, list)
    shape = (1, len(value)) if is_cell else value.shape
    data = mat_element(6, struct.pack(order + "II", 1 if is_cell else 6, 0), order)
    data += mat_element(5, struct.pack(order + "ii", *shape), order)
    if 0 < len(name) <= 4:  # stands in place of its size
        data += struct.pack(order + "I", 1 | len(name) << 16) + name.encode().ljust(4, b"\0")
    else:
        data += mat_element(1, name.encode(), order)
    if is_cell:
        return mat_element(14, data + b"".join(mat_matrix("", one, order) for one in value), order)
    return mat_element(14, data + mat_element(9, value.astype(order + "f8").tobytes("F"), order), order)


def mat_file(variables, order="<", compressed=False):
    """A file as MATLAB 5 writes it, or 7 where it is compressed."""
    data = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(order + "H", 0x100) + (b"IM" if order == "<" else b"MI")
    for name, value in variables.items():
        variable = mat_matrix(name, value, order)
        packed = zlib.compress(variable)
        data += struct.pack(order + "II", 15, len(packed)) + packed if compressed else variable
    return data


def parts_of_a_paper():
    return {
        part: as_rolls(chorales(4 * number, number))
        for number, part in enumerate(("traindata", "validdata", "testdata"), 1)
    }


@pytest.mark.parametrize(("order", "compressed"), [("<", False), (">", False), ("<", True)])
def test_matlab(tmp_path, order, compressed):
    """Files of the same structure as those of Boulanger-Lewandowski, Bengio and Vincent (2012)."""
    path, of_npz = tmp_path / "m.mat", new_trainer(with_parts(tmp_path / "m.npz"), **OPTIONS).corpus
    path.write_bytes(mat_file({"hi": np.eye(2)} | parts_of_a_paper(), order, compressed))
    of_mat = new_trainer(path, **OPTIONS).corpus
    for part in ("train", "held_out"):
        assert np.array_equal(getattr(of_mat, part).steps.ids, getattr(of_npz, part).steps.ids)
        assert np.array_equal(getattr(of_mat, part).steps.starts, getattr(of_npz, part).steps.starts)
    if not compressed:
        model = charlm.train(path, **OPTIONS | {"epochs": 1})
        assert charlm.evaluate(model, path) == charlm.evaluate(model, tmp_path / "m.npz")


def test_matlab_is_read_as_scipy_reads_it(tmp_path):
    scipy_io = pytest.importorskip("scipy.io")
    cells = {name: np.empty((1, len(rolls)), object) for name, rolls in parts_of_a_paper().items()}
    for name, rolls in parts_of_a_paper().items():
        cells[name][0] = rolls
    for compressed in (False, True):
        scipy_io.savemat(tmp_path / "m.mat", cells, do_compression=compressed)
        found = read_matlab((tmp_path / "m.mat").read_bytes(), tuple(cells))
        assert all(np.array_equal(*pair) for name in cells for pair in zip(found[name], cells[name][0], strict=True))
    (tmp_path / "m.mat").write_bytes(mat_file(parts_of_a_paper()))
    found = scipy_io.loadmat(tmp_path / "m.mat")
    assert all(np.array_equal(*pair) for name in cells for pair in zip(found[name][0], cells[name][0], strict=True))


def test_a_matrix_is_one_sequence():
    variables = {"x": np.arange(6).reshape(2, 3), "y": [np.eye(2)]}
    found = read_matlab(mat_file(variables), ("x", "z"))
    assert list(found) == ["x"] and np.array_equal(found["x"], variables["x"])


def test_a_damaged_file_of_matlab_is_an_error_of_one_line(tmp_path):
    path, data = tmp_path / "m.mat", mat_file({"traindata": [np.eye(3), np.ones((2, 3))]})
    path.write_bytes(mat_file({"y": [np.eye(3)]}))
    with pytest.raises(CorpusError, match="holds no piano rolls"):
        charlm.train(path, **OPTIONS)
    for beginning in (b"\x89HDF\r\n\x1a\n", b"MATLAB 7.3 MAT-file"):
        path.write_bytes(beginning + bytes(200))
        with pytest.raises(CorpusError, match="save it again with -v7"):
            charlm.train(path, **OPTIONS)
    for other in (data[:5], b"<html>not found</html>"):  # of a download
        path.write_bytes(other)
        with pytest.raises(CorpusError, match="cannot read the arrays in .*: it is no file of MATLAB 5 to 7"):
            charlm.train(path, **OPTIONS)
    for cut in range(20, len(data) - 8, 9):
        path.write_bytes(data[:cut])
        with pytest.raises(CorpusError, match="cannot read the arrays in|holds no piano rolls"):
            read_rolls(path, "mat")
    for place, value in itertools.product(range(128, len(data)), (0, 255, 127, 7)):
        path.write_bytes(data[:place] + bytes([value]) + data[place + 1 :])
        try:
            read_rolls(path, "mat")
        except CorpusError as error:
            assert "\n" not in str(error)


ROLL = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 0, 1]])


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"y": ROLL}, "holds no piano rolls; it needs arrays with the names x and lengths"),
        ({"x": ROLL, "lengths": [2, 1]}, "lengths in .* whose sum is the 4 steps of x"),
        ({"x": ROLL, "lengths": [5, -1]}, "lengths in .* whose sum is"),
        ({"x": ROLL, "lengths": [2.0, 2.0]}, "lengths in .* must be whole numbers"),
        ({"x": ROLL, "lengths": [[4]]}, "lengths in .* must be whole numbers"),
        ({"x": ROLL, "lengths": [4, 0]}, "sequence 2 of x in .* has no steps"),
        ({"x": ROLL, "lengths": np.zeros(0, int)}, "lengths in .* whose sum is"),
        ({"x": ROLL[0]}, "sequence 1 of x in .* is not a matrix"),
        ({"x": np.array(1.0)}, "sequence 1 of x in .* is not a matrix"),
        ({"x": ROLL.astype(str)}, "is not a matrix of numbers"),
        ({"x": np.where(ROLL, np.nan, 0.0)}, "step 1, column 1 that is no finite number"),
        ({"x": ROLL, "symbols": ["a", "b"]}, "must name each of the 3 columns"),
        ({"x": ROLL, "symbols": ["a", "b", "a"]}, "must name each of the 3 columns with another word"),
        ({"x": ROLL, "symbols": ["a", "-", "d"]}, "cannot have the name -"),
        ({"x": ROLL, "symbols": ["a", "b c", "d"]}, "must name each of the 3 columns with another word"),
        ({"validdata": ROLL}, "has no traindata, only validdata"),
        ({"x": np.array([ROLL, None], object)}, "has objects of Python in x.npy"),
        ({"x": np.zeros((4, 3))}, "no step has a symbol"),
        ({"x": np.ones((4, 5000))}, "5,000 different symbols"),
    ],
)
def test_rolls_that_cannot_be(tmp_path, arrays, words):
    path = tmp_path / "roll.npz"
    np.savez(path, **arrays)
    with pytest.raises(CorpusError, match=words):
        charlm.train(path, **OPTIONS)


def test_columns_may_have_names(tmp_path):
    np.savez(tmp_path / "roll.npz", x=5 * ROLL, lengths=[3, 1], symbols=["C4", "E4", "G4"])  # 5: a velocity
    model = charlm.train(tmp_path / "roll.npz", **OPTIONS | {"epochs": 1})
    assert model.vocabulary.symbols == ("C4", "E4", "G4")
    assert charlm.evaluate(model, text="C4\nE4 G4\n-\n\nC4 G4\n") == charlm.evaluate(model, tmp_path / "roll.npz")
    assert column_names(3) == ("1", "2", "3") and column_names(128)[60] == "60"


def test_a_damaged_archive_is_an_error_of_one_line(tmp_path, folder):
    data = (folder / "train.npz").read_bytes()
    path = tmp_path / "roll.npz"
    for place in range(0, len(data), 53):
        path.write_bytes(data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :])
        try:
            new_trainer(path, **OPTIONS)
        except CharlmError as error:
            assert "\n" not in str(error)
    buffer = BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"shape": (1 << 40, 88), "fortran_order": False, "descr": "<f8"})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", buffer.getvalue())
    with pytest.raises(CorpusError, match="is no .npz archive of NumPy, or it is damaged"):
        charlm.train(path, **OPTIONS)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bidirectional": True}, "--bidirectional does not go with --task chords: .*would read the answer"),
        ({"cell": "feedforward"}, "--cell feedforward reads tokens"),
        ({"embedding": 3}, "leave --embedding out"),
        ({"ngrams": 3}, "--ngrams goes with --task text"),
        ({"level": "word"}, "--level word is for text"),
        ({"lines": False}, "--stream is for text"),
        ({"columns": "1"}, "--columns is for text"),
        ({"min_count": 2}, "--min-count is for text"),
        ({"max_vocabulary": 9}, "--max-vocabulary is for text"),
        ({"normalize": "NFC"}, "--normalize is for text"),
        ({"separator": "%"}, "--separator is for text"),
        ({"multi_label": True}, "--multi-label goes with --task classify"),
    ],
)
def test_options_that_are_for_text(folder, options, words):
    with pytest.raises(UsageError, match=words):
        charlm.train(folder / "train.txt", **OPTIONS | options)


def test_pairs_are_no_sequences_of_sets():
    with pytest.raises(UsageError, match="pairs goes with a task that has answers"):
        charlm.train(pairs=[("a", "b")], **OPTIONS)
    with pytest.raises(CorpusError, match="there is no sequence in lines"):
        charlm.train(lines=["", " "], **OPTIONS)


# Training: bytes, resume, more symbols


def test_same_seed_same_bytes_for_any_number_of_threads(folder, tmp_path):
    options = OPTIONS | {"epochs": 2, "dropout": 0.2, "shards": 4}
    found = {digest(charlm.train(folder / "train.txt", threads=n, **options), tmp_path / "m.npz") for n in (1, 2, 3)}
    assert len(found) == 1


def test_a_resumed_training_gives_the_same_bytes(folder, tmp_path):
    options = OPTIONS | {"epochs": 3, "dropout": 0.2}
    whole = new_trainer(folder / "train.txt", **options)
    list(whole.run())
    part = new_trainer(folder / "train.txt", **options)
    steps = iter(range(4))
    list(part.run(stop=lambda: next(steps) == 2))
    save_checkpoint(part, tmp_path / "m.checkpoint.npz", options)
    again = new_trainer(folder / "train.txt", **options)
    Checkpoint(tmp_path / "m.checkpoint.npz").restore(again)
    list(again.run())
    assert part.step < whole.step and digest(again.best, tmp_path / "a.npz") == digest(whole.best, tmp_path / "b.npz")


def test_a_model_goes_on_with_more_symbols(tmp_path):
    """What it knew does not change; a new symbol begins as the mean of the others."""
    (tmp_path / "old.txt").write_text("b a\nb\n\na b\n\nb\na\n")
    (tmp_path / "new.txt").write_text("b c\na c\n\nc\nb\n")
    old = charlm.train(tmp_path / "old.txt", **OPTIONS | {"epochs": 1, "holdout": 0})
    trainer = new_trainer(tmp_path / "new.txt", base=old, epochs=1, holdout=0.0)
    assert trainer.corpus.vocabulary.symbols == ("b", "a", "c")
    named, before = views(trainer.architecture, trainer.parameters), old.named_parameters
    assert np.array_equal(named["W_ya"][:, :2], before["W_ya"])
    assert np.array_equal(named["layer1.W_x"][:2], before["layer1.W_x"])
    assert np.allclose(named["layer1.W_x"][2], before["layer1.W_x"].mean(0))
    model = charlm.train(tmp_path / "new.txt", base=old, epochs=1, holdout=0)
    assert charlm.evaluate(model, tmp_path / "new.txt")["steps"] == 4
    with pytest.raises(CorpusError, match="has 'c', which the model has never seen"):
        charlm.train(tmp_path / "new.txt", base=old, epochs=1, keep_vocabulary=True)


def test_another_text_is_measured_by_its_own_sets(folder, model, tmp_path):
    """The figures of --also-valid are those of evaluate; its sets have other numbers than those of the training."""
    (tmp_path / "other.txt").write_text("21 108\n60\n-\n60 61 62 63\n")
    trained = charlm.train(
        folder / "test.txt", base=model, also_valid=tmp_path / "other.txt", epochs=1, lr=1e-9, threads=1
    )
    found = trained.training["also_valid"]
    wanted = charlm.evaluate(model, tmp_path / "other.txt")["nats_per_step"]
    assert found["before"] == pytest.approx(wanted, rel=1e-6) and found["held_out_tokens"] == 4
    assert found["after"] == pytest.approx(wanted, rel=1e-4)


# Samples


def test_samples_have_a_length_and_a_probability(model):
    (sample,) = charlm.sample(model, length=12, seed=5)
    steps = [line.split() for line in sample.text.split("\n")[:-1]]
    assert len(steps) == sample.tokens == 12
    assert all(step == ["-"] or all(21 <= int(symbol) <= 108 for symbol in step) for step in steps)
    assert charlm.evaluate(model, text=sample.text)["nats"] == pytest.approx(-sample.log_probability, rel=1e-5)
    (usual,) = charlm.sample(model, seed=5)
    assert usual.tokens == model.task.length == np.median([len(steps) for steps in chorales()]) or usual.tokens > 12
    assert usual.text.startswith(sample.text)


def test_a_seed_gives_the_same_samples_for_any_count(model):
    three = [sample.text for sample in charlm.sample(model, 3, length=8, seed=2)]
    assert three[:2] == [sample.text for sample in charlm.sample(model, 2, length=8, seed=2)] and len(set(three)) == 3
    assert three[0] != next(charlm.sample(model, length=8, seed=3)).text


def test_symbols_are_sampled_with_their_probabilities(model):
    """At the first step the probabilities are the same in all samples."""
    network = numpy_network(model.architecture, model.parameters, apart=True)
    chances = 1 / (1 + np.exp(-network.step(network.zero_state(1), np.zeros((1, 88), np.float32))[-1][0]))
    texts = [sample.text for sample in charlm.sample(model, 2000, length=1, seed=1)]
    rates = np.mean([np.isin(list(map(str, range(21, 109))), text.split()) for text in texts], 0)
    assert np.abs(rates - chances).max() < 5 * 0.5 / np.sqrt(2000)
    assert chances.max() > 0.1


def test_temperature(model):
    (certain,), (again,) = (charlm.sample(model, length=9, seed=seed, temperature=0) for seed in (1, 2))
    assert certain.text == again.text
    assert next(charlm.sample(model, length=9, seed=1, temperature=5e-324)).tokens == 9
    calm, wild = (
        np.mean([sample.log_probability for sample in charlm.sample(model, 9, length=9, seed=1, temperature=value)])
        for value in (0.5, 2)
    )
    assert wild < calm


def test_beginnings(model):
    (sample,) = charlm.sample(model, length=6, seed=4, start_with="60 64\n-\n")
    assert sample.text.startswith("60 64\n-\n") and sample.tokens == 6
    assert charlm.evaluate(model, text=sample.text)["nats"] == pytest.approx(-sample.log_probability, rel=1e-5)
    (primed,) = charlm.sample(model, length=4, seed=4, prime="60 64\n-\n")
    whole = charlm.evaluate(model, text="60 64\n-\n" + primed.text)["nats"]
    assert whole - charlm.evaluate(model, text="60 64\n-\n")["nats"] == pytest.approx(-primed.log_probability, rel=1e-4)
    for text, words in (
        ("60\n\n64", "must be one sequence, and it has 2"),
        ("60 x", "the model has never seen 'x' in the beginning"),
        ("60\n60\n", "has 2 steps; --length must be more than that, not 2"),
    ):
        with pytest.raises(PromptError, match=words):
            charlm.sample(model, length=2, start_with=text)


@pytest.mark.parametrize(
    "option",
    [{"top_k": 3}, {"best_of": 2}, {"unique": True}, {"fill": "_"}, {"most_likely": 2}, {"stop": "a"}, {"min_p": 0.1}],
)
def test_options_of_sampling_that_are_for_text(model, option):
    (name,) = option
    with pytest.raises(UsageError, match=f"^--{name.replace('_', '-')} does not go with a model of --task chords"):
        charlm.sample(model, **option)


# The commands


def test_the_commands(folder, model, tmp_path):
    of_model = ["--model", folder / "m.npz"]
    record = json.loads(run("perplexity", *of_model, folder / "test.txt", "--json").stdout)
    assert record == charlm.evaluate(model, folder / "test.txt")
    bits = json.loads(run("perplexity", *of_model, folder / "test.txt", "--json", "--unit", "bits").stdout)
    assert bits["bits_per_step"] == pytest.approx(record["nats_per_step"] / np.log(2))
    assert (
        f"nats per step        {record['nats_per_step']:.4f}"
        in run("perplexity", *of_model, folder / "test.txt").stdout
    )
    assert (
        run("evaluate", *of_model, folder / "test.txt").stdout
        == run("perplexity", *of_model, folder / "test.txt").stdout
    )
    assert json.loads(run("perplexity", *of_model, "--json", input="60 64\n").stdout)["steps"] == 1
    shown = run("info", folder / "m.npz").stdout
    assert "the next set of symbols" in shown and "88: 21 22 23" in shown and "<EOS>" not in shown
    samples = run("sample", *of_model, "--count", "2", "--length", "5", "--seed", "1")
    assert samples.stdout == "\n".join(sample.text for sample in charlm.sample(model, 2, 5, seed=1))
    assert "sampled 2 sequences of 5 steps; seed 1" in samples.stderr
    rows = run("sample", *of_model, "--count", "2", "--length", "5", "--seed", "1", "--json", "--quiet")
    assert [json.loads(row)["tokens"] for row in rows.stdout.splitlines()] == [5, 5] and not rows.stderr
    (tmp_path / "prime.txt").write_text("60 64\n62\n")
    assert run("sample", *of_model, "--prime-file", tmp_path / "prime.txt", "--length", "3").stdout.count("\n") == 3


def test_commands_that_are_for_other_models(folder, model, tmp_path):
    of_model = ["--model", folder / "m.npz"]
    check_error("--task chords charlm sample perplexity", "predict", *of_model, folder / "test.txt", code=2)
    for option in (["--per-line"], ["--color"], ["--adapt"], ["--html", tmp_path / "page.html"]):
        check_error(f"{option[0]} --task chords", "perplexity", *of_model, folder / "test.txt", *option, code=2)
    check_error("--task chords", "perplexity", *of_model, *of_model, folder / "test.txt", code=2)
    check_error("--interactive", "sample", *of_model, "--interactive", code=2)
    check_error("--beam chords", "evaluate", *of_model, "--beam", "2", folder / "test.txt", code=2)
    with pytest.raises(UsageError, match="charlm.evaluate"):
        charlm.perplexity(model, "60\n")
    for form in ("html", "onnx"):
        check_error("--task chords .safetensors", "export", folder / "m.npz", tmp_path / f"m.{form}", code=2)


def test_export_and_import(folder, model, tmp_path):
    run("export", folder / "m.npz", tmp_path / "m.safetensors")
    again = charlm.import_model(tmp_path / "m.safetensors")
    assert again.task == model.task and np.array_equal(again.parameters, model.parameters)
    run("export", folder / "m.npz", f"{tmp_path}/hub/")
    card = (tmp_path / "hub" / "README.md").read_text()
    assert "A writer of sequences of sets" in card and "charlm sample -m m.npz" in card and "of tokens" not in card


# MIDI


def read_midi(data):
    """(ticks of a quarter, [(ticks since the beginning, pitch, velocity)]) of a file of format 0, after its form."""
    assert data[:8] == b"MThd\0\0\0\6" and data[8:12] == b"\0\0\0\1" and data[14:18] == b"MTrk"
    track = data[22:]
    assert len(track) == int.from_bytes(data[18:22])
    place = now = 0
    events = []
    while place < len(track):
        ticks = 0
        while True:
            byte, place = track[place], place + 1
            ticks = ticks << 7 | byte & 127
            if byte < 128:
                break
        now += ticks
        if track[place] == 0xFF:
            place += 3 + track[place + 2]
        else:
            assert track[place] == 0x90
            events.append((now, track[place + 1], track[place + 2]))
            place += 3
    assert track.endswith(b"\0\xff\x2f\0")
    return int.from_bytes(data[12:14]), events


def test_a_midi_file_holds_notes_and_ends_them():
    quarter, events = read_midi(midi_file([[{60, 64}, {60}, set(), {60}], [{72}]]))
    assert quarter == 480
    assert [(ticks // quarter, pitch, velocity > 0) for ticks, pitch, velocity in events] == [
        *((0, 60, True), (0, 64, True), (1, 64, False), (2, 60, False), (3, 60, True), (4, 60, False)),
        *((6, 72, True), (7, 72, False)),
    ]
    _, events = read_midi(midi_file([[set()] * 300 + [{0, 127}]]))
    assert [event[0] for event in events] == [144_000] * 2 + [144_480] * 2


def test_pitches():
    names = {"60": 60, "0": 0, "127": 127, "C4": 60, "A4": 69, "C#4": 61, "Db4": 61, "B3": 59, "Cb4": 59, "C-1": 0}
    names |= {"G9": 127, "F♯3": 54, "B♭5": 82}
    assert {name: pitch_of(name) for name in names} == names
    for name in ("128", "060", "-1", "H4", "c4", "C", "G#9", "Cb-1", "sea", "", "²", "99999999999"):
        assert pitch_of(name) is None, name


def test_samples_can_be_heard(folder, model, tmp_path):
    path = tmp_path / "a.mid"
    text = run("sample", "-m", folder / "m.npz", "--length", "8", "--seed", "2", "--count", "2", "--midi", path).stdout
    sets = [
        [{int(symbol) for symbol in line.split() if symbol != "-"} for line in one.split("\n") if line]
        for one in text.split("\n\n")
    ]
    assert path.read_bytes() == midi_file(sets)
    run("sample", "-m", folder / "m.npz", "--length", "2", "--midi", path)  # a MIDI file is replaced
    other = tmp_path / "notes.txt"
    other.write_text("mine")
    check_error("will not overwrite --midi", "sample", "-m", folder / "m.npz", "--midi", other)
    assert other.read_text() == "mine"
    (tmp_path / "tags.txt").write_text("sea sun\nsea\n\nsun\n")
    charlm.train(tmp_path / "tags.txt", **OPTIONS | {"epochs": 1, "holdout": 0}).save(tmp_path / "tags.npz")
    check_error("--midi 'sea' C4", "sample", "-m", tmp_path / "tags.npz", "--midi", path, code=2)


# Model files


def test_a_file_of_format_9_still_loads(tmp_path):
    """The figures are those of the model when its file was written."""
    model = load_model(GOLDEN / "format-9-chords.npz")
    found = charlm.evaluate(model, text="c e g\nc e\n-\nd f\n\nf a\n")
    assert found["nats_per_step"] == pytest.approx(3.294152092933655, rel=1e-6)
    assert next(charlm.sample(model, seed=3, length=4)).text == "c e\ng f\ne g\nc\n"
    model.save(tmp_path / "m.npz")
    assert facts(load_model(tmp_path / "m.npz")) == facts(model)


def test_a_file_that_cannot_be(folder, tmp_path):
    with np.load(folder / "m.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(arrays.pop("header").tobytes())
    assert header["format"] == 9 and header["architecture"]["channels"] == 88
    task, sizes, vocabulary = header["task"], header["architecture"], header["vocabulary"]
    for change in (
        {"task": task | {"length": 0}},
        {"task": task | {"length": True}},
        {"task": {"name": "chords"}},
        {"architecture": sizes | {"channels": 87}},
        {"architecture": sizes | {"bidirectional": True}},
        {"vocabulary": {"level": "byte", "symbols": [n for n in range(90) if n != 10][:88]}},
        {"vocabulary": vocabulary | {"symbols": vocabulary["symbols"][:-1]}},
    ):
        write_archive(tmp_path / "m.npz", header | change, arrays)
        with pytest.raises(ModelFileError):
            load_model(tmp_path / "m.npz")
