"""A training run with its files, from Python: what ``charlm train`` can do, ``charlm.train`` can do too."""

import errno
import gzip
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import charlm
from charlm.cli import program
from charlm.errors import CharlmError, ModelFileError, UsageError
from charlm.learning import autotune, loop
from charlm.learning.checkpoint import checkpoint_path, last_checkpoint
from charlm.learning.session import TrainingFiles, TrainingSession, exclusive_training

SMALL = {"hidden": 5, "layers": 1, "epochs": 4, "batch": 4, "steps": 8, "threads": 1}


@pytest.fixture
def text(tmp_path, tiny_text, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(tiny_text, encoding="utf-8")
    return "text.txt"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def after(number):
    """A function that says stop after so many updates."""
    calls = iter(range(1, number + 1))
    return lambda: next(calls) == number


def test_without_an_output_nothing_is_written(text, tmp_path):
    reports = []
    model = charlm.train(text, on_report=reports.append, **SMALL)
    assert names(tmp_path) == ["text.txt"]
    assert model.training["valid_loss"] == min(report.valid_loss for report in reports if report.valid_loss is not None)


def test_python_and_the_command_write_the_same_model(text, tmp_path):
    options = ["--hidden", 5, "--layers", 1, "--epochs", 4, "--batch", 4, "--steps", 8, "--threads", 1]
    command = ["train", text, "-o", "command.npz", "-q", *map(str, options)]
    assert CliRunner().invoke(program, command, catch_exceptions=False).exit_code == 0
    model = charlm.train(text, output="python.npz", **SMALL)
    assert (tmp_path / "command.npz").read_bytes() == (tmp_path / "python.npz").read_bytes()
    assert np.array_equal(charlm.load("python.npz").parameters, model.parameters)
    assert names(tmp_path) == ["command.npz", "python.npz", "text.txt"]


@pytest.mark.parametrize("resumed_by", ["python", "command"])
def test_stopped_and_resumed_it_ends_with_the_same_bytes(text, tmp_path, resumed_by):
    charlm.train(text, output="whole.npz", log="whole.jsonl", **SMALL)
    model = charlm.train(text, output=tmp_path / "m.npz", log="log.jsonl", stop=after(20), valid=None, **SMALL)
    assert model.training["step"] == 20 and charlm.load("m.npz").training["step"] == 20
    assert checkpoint_path(tmp_path / "m.npz").exists()
    if resumed_by == "python":
        charlm.train(text, output="m.npz", resume=True, log="log.jsonl")
    else:
        command = ["train", text, "-o", "m.npz", "--resume", "--log", "log.jsonl"]
        assert "resuming after 20 updates" in CliRunner().invoke(program, command, catch_exceptions=False).stderr
    assert (tmp_path / "m.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()
    assert not checkpoint_path(tmp_path / "m.npz").exists()
    evaluations = [
        [record["valid_loss"] for record in map(json.loads, path.read_text().splitlines()) if record["valid_loss"]]
        for path in (tmp_path / "log.jsonl", tmp_path / "whole.jsonl")
    ]
    assert evaluations[0] == evaluations[1]


def test_a_model_stored_in_float16_says_what_that_costs(text, tmp_path):
    """The checkpoint of the stopped training is in float32, so that the resumed one ends with the same bytes."""
    held = Path(text).read_text()[:400]
    (tmp_path / "held.txt").write_text(held)
    options = SMALL | {"lines": False, "ngrams": 2, "valid": "held.txt"}
    exact = charlm.train(text, **options)
    model = charlm.train(text, output="whole.npz", store="float16", **options)
    assert np.array_equal(model.parameters, exact.parameters.astype(np.float16))
    cost = charlm.perplexity(model, held).nats - charlm.perplexity(exact, held).nats
    found, before = model.training, exact.training
    assert found["unrounded"] == before["valid_loss"] and "unrounded" not in before
    assert found["valid_loss"] - found["unrounded"] == pytest.approx(cost / 400, abs=1e-7) and cost
    alone = charlm.perplexity(replace(model, mixture=None), held).nats_per_token
    assert found["alone"]["network"] == pytest.approx(alone, abs=1e-7) != before["alone"]["network"]
    assert f"{found['unrounded']:.6f} nats per character before" in model.summary()
    charlm.train(text, output="m.npz", stop=after(20), store="float16", **options)
    assert charlm.load("m.npz").store == "float32"
    again = charlm.train(text, output="m.npz", resume=True, **options)
    assert (tmp_path / "m.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()
    assert again.store == charlm.load("m.npz").store == "float16"


def test_a_model_that_float16_cannot_hold_stays_in_float32(text, monkeypatch):
    draw = loop.initial_parameters
    monkeypatch.setattr(loop, "initial_parameters", lambda *sizes: draw(*sizes) + 1e5)
    with pytest.warns(UserWarning, match="stored in float32: float16 holds numbers up to 65,504"):
        model = charlm.train(text, store="float16", **SMALL | {"epochs": 0.1})
    assert model.store == "float32" and "unrounded" not in model.training


def test_resuming_a_finished_training_is_nothing_to_do(text, tmp_path, capsys):
    """One line, and the model stays as it is; with another text or other settings it is an error."""
    Path(text).write_bytes(gzip.compress(Path(text).read_bytes()))
    charlm.train(text, output="m.npz", **SMALL | {"epochs": 1})
    before = (tmp_path / "m.npz").read_bytes()
    command = ["train", text, "-o", "m.npz", "--resume"]
    for more in [], ["--hidden", "5"]:
        result = CliRunner().invoke(program, [*command, *more], catch_exceptions=False)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (0, "", 1)
        assert result.stderr.startswith("nothing to do: the training of m.npz is finished")
    training = charlm.training(text, output="m.npz", resume=True)
    assert list(training) == [] and training.finished and training.kept is None
    model = charlm.train(text, output="m.npz", resume=True, on_report=pytest.fail)
    assert (model.parameters == training.best.parameters).all()
    with pytest.raises(CharlmError, match=r"nothing to resume: .*--epochs \(2.0 now, 1.0 then\); leave out --resume"):
        charlm.train(text, output="m.npz", resume=True, epochs=2)
    with pytest.raises(CharlmError, match="nothing to resume: .*the text differs"):
        charlm.train(text="another text\n" * 9, output="m.npz", resume=True)
    with pytest.raises(CharlmError, match="no file missing.txt"):
        charlm.train("missing.txt", output="m.npz", resume=True)
    assert (tmp_path / "m.npz").read_bytes() == before and names(tmp_path) == ["m.npz", "text.txt"]


def test_a_short_run_without_a_held_out_part_leaves_its_last_row(text, tmp_path):
    charlm.train(text, holdout=0, log="log.jsonl", **SMALL | {"epochs": 1})
    (row,) = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
    assert row["epoch"] == 1 and row["valid_loss"] is None and row["train_loss"] > 0


def test_python_resumes_what_the_command_has_stopped(text, tmp_path):
    """The files of ``valid`` are kept with the other options, and their threads are not."""
    (tmp_path / "valid.txt").write_text("abba cab\n" * 9)
    whole = charlm.train(text, output="whole.npz", valid=["valid.txt", "valid.txt"], **SMALL)
    charlm.train(text, output="m.npz", valid=["valid.txt", "valid.txt"], stop=after(9), **SMALL)
    resumed = charlm.train(text, output="m.npz", resume=True, threads=2)
    assert np.array_equal(whole.parameters, resumed.parameters)
    assert whole.training["history"] == resumed.training["history"]


def test_numbers_of_numpy_are_numbers(text):
    """They are stored as JSON, in the model and in the checkpoint."""
    options = SMALL | {"hidden": np.int64(5), "seed": np.uint8(3), "lr": np.float32(0.01), "lines": np.bool_(True)}
    charlm.train(text, output="m.npz", stop=after(2), **options)
    model = charlm.train(text, output="m.npz", resume=True)
    assert model.training["settings"]["seed"] == 3 and model.lines is True


def test_resuming_needs_an_output_and_the_same_options(text):
    with pytest.raises(UsageError, match="output"):
        charlm.train(text, resume=True, **SMALL)
    with pytest.raises(CharlmError, match="nothing to resume"):
        charlm.train(text, resume=True, output="m.npz", **SMALL)
    charlm.train(text, output="m.npz", stop=after(1), **SMALL)
    with pytest.raises(ModelFileError, match=r"cannot resume .*--hidden \(6 now, 5 then\)"):
        charlm.train(text, output="m.npz", resume=True, hidden=6)


def test_a_resumed_training_keeps_the_precision_that_charlm_chose(text, monkeypatch):
    options = {name: value for name, value in SMALL.items() if name != "epochs"}
    monkeypatch.setattr(autotune, "HAS_BFLOAT16", False)
    charlm.train(text, output="m.npz", minutes=0.02, stop=after(1), **options)
    assert last_checkpoint("m.npz").options["precision"] == "float32"
    monkeypatch.setattr(autotune, "HAS_BFLOAT16", True)
    with TrainingSession(text, TrainingFiles(output="m.npz", resume=True), {}) as resumed:
        assert resumed.trainer.settings.precision == "float32"


def test_a_training_in_bf16_is_not_resumed_on_a_processor_without_it(text, monkeypatch):
    def read(path):
        checkpoint = last_checkpoint(path)
        checkpoint.settings = replace(checkpoint.settings, precision="bf16")
        return checkpoint

    charlm.train(text, output="m.npz", stop=after(1), **SMALL)
    monkeypatch.setattr("charlm.learning.session.last_checkpoint", read)
    monkeypatch.setattr("charlm.network.products.HAS_BFLOAT16", False)
    with pytest.raises(
        ModelFileError, match=r"cannot resume from m\.checkpoint\.npz on this .* with --restart in place"
    ):
        charlm.train(text, output="m.npz", resume=True)


def test_a_picture_shows_the_baselines(text, tmp_path):
    charlm.train(text, plot="loss.svg", **SMALL)
    picture = (tmp_path / "loss.svg").read_text()
    assert picture.startswith("<svg ") and "the losses" in picture and "nats per character" in picture
    assert names(tmp_path) == ["loss.svg", "text.txt"]
    charlm.train(text, plot="stopped.svg", stop=after(1), **SMALL)
    assert names(tmp_path) == ["loss.svg", "text.txt"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"output": "text.txt"}, "text.txt, which this run reads or writes"),
        ({"output": "folder/m.npz"}, "no folder"),
        ({"output": "m.npz", "log": "m.npz"}, "will not overwrite m.npz with the log"),
        ({"log": "text.txt"}, "will not overwrite text.txt with the log"),
        ({"log": "log", "plot": "log"}, "log, which this run reads or writes"),
        ({"output": "m.npz", "plot": "m.checkpoint.npz"}, "m.checkpoint.npz"),
        ({"output": "m.npz", "report": "m.npz"}, "m.npz, which this run reads or writes"),
        ({"report": "text.txt"}, "text.txt, which this run reads or writes"),
    ],
    ids=str,
)
def test_no_file_is_overwritten_that_must_not_be(text, tmp_path, files, words):
    before = (tmp_path / "text.txt").read_bytes()
    with pytest.raises(CharlmError, match=words):
        charlm.train(text, **files, **SMALL)
    assert names(tmp_path) == ["text.txt"] and (tmp_path / "text.txt").read_bytes() == before


@pytest.mark.parametrize("place", ["log", "plot", "report"])
def test_a_resumed_training_does_not_overwrite_the_held_out_file_of_its_checkpoint(text, tmp_path, place):
    """Only the checkpoint names the file; nobody gives ``valid`` again."""
    (tmp_path / "valid.jsonl").write_text("{abba cab\n" * 9)
    charlm.train(text, output="m.npz", valid="valid.jsonl", stop=after(9), **SMALL)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(CharlmError, match="will not overwrite valid.jsonl"):
        charlm.train(text, output="m.npz", resume=True, **{place: "valid.jsonl"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_log_that_cannot_be_written_fails_before_the_text_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.jsonl").write_text("{}\n")
    real_open = open

    def no_writing(path, mode="r", *arguments, **settings):
        if str(path) == "log.jsonl" and "r" not in mode:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real_open(path, mode, *arguments, **settings)

    monkeypatch.setattr("builtins.open", no_writing)
    with pytest.raises(CharlmError, match="cannot write log.jsonl: Permission denied; choose another name for --log"):
        charlm.train("missing.txt", log="log.jsonl", **SMALL)
    with pytest.raises(CharlmError, match="cannot write nodir/l: there is no folder nodir; make it first"):
        charlm.train("missing.txt", log="nodir/l", **SMALL)


def test_the_lock_is_released_after_an_error(text, tmp_path):
    with exclusive_training("m.npz"), pytest.raises(CharlmError, match="another charlm is writing m.npz"):
        charlm.train(text, output="m.npz", **SMALL)
    with pytest.raises(CharlmError):
        charlm.train("missing.txt", output="m.npz", **SMALL)
    with pytest.raises(ZeroDivisionError):
        charlm.train(text, output="m.npz", on_report=lambda report: 1 / 0, **SMALL)
    assert not list(tmp_path.glob(".*.lock"))
    charlm.train(text, output="m.npz", resume=True)


def test_a_session_tells_what_the_command_shows(text):
    with TrainingSession(text, TrainingFiles(), SMALL) as session:
        session.train_baselines()
        steps = [report.step for report in session.run()]
        assert session.finished and steps[-1] == session.trainer.step
        assert session.unit == "character" and session.losses.history[-1][0] == steps[-1]
        assert [one.name for one in session.baselines][:2] == ["unigrams", "10-grams"]
        assert session.baseline_tokens == len(session.trainer.corpus.train)
        assert session.best.training["valid_loss"] == session.trainer.best_loss
