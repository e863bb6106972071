"""The registry of cells: it is complete, a new cell needs nothing else, and old names still work."""

import json
import subprocess
import sys
import warnings
import zipfile

import numpy as np
import pytest
import toy_cell
from click.testing import CliRunner
from test_gradients import Case, error
from test_sequences import Case as SequenceCase
from test_sequences import check_gradient

import charlm
from charlm.cli import program
from charlm.errors import UsageError
from charlm.learning.autotune import new_trainer
from charlm.learning.checkpoint import Checkpoint, save_checkpoint
from charlm.network import reference, stepper
from charlm.network.architecture import Architecture
from charlm.network.cells import CELLS, OLD_NAMES, Cell, current_name
from charlm.network.dropout import Dropout
from charlm.network.layers import kernels_of

OPTIONS = {"hidden": 12, "layers": 2, "batch": 4, "steps": 8, "threads": 1, "seed": 1}


@pytest.fixture
def text(tmp_path, tiny_text):
    path = tmp_path / "text.txt"
    path.write_text(tiny_text, encoding="utf-8")
    return path


TOY_CELLS = {
    "leaky": Cell(gates="a", input_columns=1, recurrent_columns=1, kernels="toy_cell", learning_rate=0.008),
    "remembering": Cell(
        gates="g",
        input_columns=1,
        recurrent_columns=1,
        has_c=True,
        peepholes=1,
        kernels="toy_cell",
        learning_rate=0.008,
    ),
}


@pytest.fixture(params=TOY_CELLS)
def toy(request, monkeypatch):
    """A toy cell, registered: its entry, its step in the oracle, and the same step in the NumPy engine."""
    name = request.param
    step, step_backward = getattr(toy_cell, f"{name}_step"), getattr(toy_cell, f"{name}_step_backward")
    monkeypatch.setitem(CELLS, name, TOY_CELLS[name])
    monkeypatch.setitem(reference.STEPS, name, (step, step_backward))
    monkeypatch.setitem(stepper.STEPS, name, stepper.CellStep(lambda *arguments: step(*arguments)[:2]))
    return name


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_has_its_kernels_and_its_steps_in_numpy(name):
    forward, backward, gradient = kernels_of(name)
    assert callable(forward) and callable(backward) and callable(gradient) == bool(CELLS[name].peepholes)
    assert CELLS[name].has_c or not CELLS[name].peepholes  # peepholes see c
    assert all(map(callable, reference.STEPS[name]))
    assert callable(stepper.STEPS[name].step)


def test_nothing_is_registered_elsewhere():
    assert set(reference.STEPS) == set(stepper.STEPS) == set(CELLS)
    assert set(OLD_NAMES.values()) <= set(CELLS) and not set(OLD_NAMES) & set(CELLS)


def test_the_registry_imports_neither_numpy_nor_numba():
    """``charlm train --help`` lists the cells."""
    code = "import sys, charlm.cli.train; print({'numpy', 'numba'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.parametrize(("layers", "mode"), [(1, "lines"), (3, "stream")])
def test_a_new_cell_has_the_right_gradient(toy, layers, mode):
    case = Case(toy, layers, mode)
    gradient = case.gradient()
    nats, expected, _ = case.reference()
    assert np.allclose(case.nats, nats, rtol=1e-10) and error(gradient, expected) < 1e-10
    assert error(gradient, case.central_differences()) < 1e-6
    dropped = Case(toy, layers, mode, drop=Dropout(0.4, 3))
    assert error(dropped.gradient(), dropped.central_differences()) < 1e-6
    check_gradient(SequenceCase(toy, 2, at_end=True), directions=12)


def test_a_new_cell_trains_scores_samples_and_is_saved(toy, text, tmp_path):
    model = charlm.train(text, lines=False, cell=toy, epochs=6, lr=0.02, dropout=0.1, **OPTIONS)
    history = model.training["history"]
    assert history[-1][2] < history[0][2]
    model.save(tmp_path / "m.npz")
    again = charlm.load(tmp_path / "m.npz")
    assert again.architecture.cell == toy and np.array_equal(again.parameters, model.parameters)
    samples = list(charlm.sample(again, 3, length=20, start_with="c", seed=1))
    assert [sample.text for sample in samples] == [
        sample.text for sample in charlm.sample(model, 3, length=20, start_with="c", seed=1)
    ]
    assert charlm.log_probability(again, samples[0].text) == pytest.approx(samples[0].log_probability, rel=1e-5)
    assert charlm.perplexity(again, "abba cab\n").nats > 0


def test_a_new_cell_trains_by_the_clock(toy, text):
    model = charlm.train(text, cell=toy, minutes=0.002, hidden=8, threads=1)
    assert model.architecture.cell == toy and model.training["settings"]["lr"] <= CELLS[toy].learning_rate


def test_a_name_that_does_not_exist_is_told(text):
    for make in (current_name, lambda name: Architecture(7, name)):
        with pytest.raises(UsageError, match="there is no cell 'elman'; choose one of rnn, .*feedforward"):
            make("elman")
    with pytest.raises(UsageError, match="cell must be rnn, .* or feedforward, not 'elman'"):
        new_trainer(text, cell="elman")


def test_an_old_name_works_and_says_which_is_new(text):
    with pytest.warns(FutureWarning, match="'window' is now called 'feedforward'"):
        old = charlm.train(text, cell="window", epochs=1, **OPTIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        new = charlm.train(text, cell="feedforward", epochs=1, **OPTIONS)
    assert old.architecture == new.architecture and np.array_equal(old.parameters, new.parameters)


def test_the_command_takes_an_old_name_with_one_line_on_stderr(starter, text, tmp_path):
    options = "--epochs 1 --hidden 4 --layers 1 --threads 1 --quiet".split()
    found = {}
    for name in ("window", "feedforward"):
        command = ["charlm", "train", str(text), "-o", f"{name}.npz", "--cell", name, *options]
        process = starter.run(
            f"import runpy, sys; sys.argv = {command}; runpy.run_module('charlm', {{}}, '__main__')", tmp_path
        )
        assert not process.returncode
        found[name] = process.stderr.splitlines()
    assert found["window"] == ["charlm: warning: the cell 'window' is now called 'feedforward': give that name instead"]
    assert found["feedforward"] == []
    assert (tmp_path / "window.npz").read_bytes() == (tmp_path / "feedforward.npz").read_bytes()


def test_the_help_shows_current_names_only():
    words = CliRunner().invoke(program, ["train", "--help"]).output
    assert f"one of {', '.join(CELLS)}]" in " ".join(words.split())


def with_cell(path, name):
    """Rewrite the header of a file so that it has another name of its cell, as an older charlm wrote it."""
    with zipfile.ZipFile(path) as archive:
        members = {member.filename: archive.read(member) for member in archive.infolist()}
    with np.load(path) as file:
        header = json.loads(bytes(file["header"]))
    header["architecture"]["cell"] = name
    header["options"]["cell"] = name
    text = json.dumps(header, separators=(",", ":")).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for member, content in members.items():
            if member == "header.npy":
                with archive.open(member, "w") as file:
                    np.lib.format.write_array(file, np.frombuffer(text, np.uint8), version=(1, 0))
            else:
                archive.writestr(member, content)


def test_a_checkpoint_with_an_old_name_is_resumed(text, tmp_path):
    trainer = new_trainer(text, cell="feedforward", epochs=1, **OPTIONS)
    list(trainer.run(stop=lambda: True))
    path = tmp_path / "c.npz"
    save_checkpoint(trainer, path, {"cell": "feedforward"})
    with_cell(path, "window")
    checkpoint = Checkpoint(path)
    assert checkpoint.header["architecture"]["cell"] == "window"
    assert checkpoint.architecture == trainer.architecture
    resumed = new_trainer(text, cell="feedforward", epochs=1, **OPTIONS)
    checkpoint.restore(resumed)
    assert np.array_equal(resumed.parameters, trainer.parameters)
