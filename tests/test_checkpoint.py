"""Checkpoints: the last two are kept, one run writes them, and nothing in one is believed."""

import errno
import json
import os
import shutil

import numpy as np
import pytest

import charlm
from charlm.errors import CharlmError, ModelFileError
from charlm.modelfile import write_archive
from charlm.training import checkpoint as checkpoints
from charlm.training.autotune import new_trainer
from charlm.training.checkpoint import (
    Checkpoint,
    last_checkpoint,
    only_training_at,
    path_beside,
    path_of_the_one_before,
    save_checkpoint,
    saved,
)
from charlm.training.progress import reports

SETTINGS = {"hidden": 5, "layers": 1, "epochs": 3.0, "batch": 4, "steps": 8, "threads": 1}


@pytest.fixture
def text(tmp_path, tiny_text):
    (tmp_path / "text.txt").write_text(tiny_text, encoding="utf-8")
    return tmp_path / "text.txt"


@pytest.fixture
def stopped(text, tmp_path):
    """The path of a model whose training was stopped after nine updates, with a checkpoint after each."""
    trainer = new_trainer(text, **SETTINGS)
    steps = trainer.run(stop=lambda: trainer.step == 9)
    list(saved(trainer, reports(steps, every=0.0), tmp_path / "m.npz", {}, every=0.0))
    return tmp_path / "m.npz"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def final_bytes(text, path, restored=None):
    trainer = new_trainer(text, **SETTINGS)
    if restored:
        restored.restore(trainer)
    list(saved(trainer, reports(trainer.run(), every=0.0), path, {}))
    return path.read_bytes()


@pytest.mark.uncompiled
def test_the_one_before_is_kept_until_the_training_is_done(text, stopped):
    assert names(stopped.parent) == ["m.checkpoint.before.npz", "m.checkpoint.npz", "m.npz", "text.txt"]
    assert Checkpoint(path_beside(stopped)).place.step == 9
    assert Checkpoint(path_of_the_one_before(stopped)).place.step == 9  # at the stop it was written once more
    final_bytes(text, stopped, last_checkpoint(stopped))
    assert names(stopped.parent) == ["m.npz", "text.txt"]


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:900])])
def test_where_the_last_cannot_be_read_it_goes_on_from_the_one_before(text, stopped, tmp_path, harm):
    harm(path_beside(stopped))
    with pytest.warns(UserWarning, match="going on from the checkpoint before it, .*m.checkpoint.before.npz"):
        checkpoint = last_checkpoint(stopped)
    assert final_bytes(text, stopped, checkpoint) == final_bytes(text, tmp_path / "whole.npz")


def test_where_none_can_be_read_the_last_one_is_named(stopped):
    path_of_the_one_before(stopped).write_bytes(b"")
    path_beside(stopped).write_bytes(b"PK")
    with pytest.raises(ModelFileError, match="m.checkpoint"):
        last_checkpoint(stopped)
    path_of_the_one_before(stopped).unlink()
    with pytest.raises(ModelFileError, match="m.checkpoint.npz"):
        last_checkpoint(stopped)
    path_beside(stopped).unlink()
    with pytest.raises(CharlmError, match="nothing to go on from"):
        last_checkpoint(stopped)


def test_on_a_file_system_without_links_the_one_before_is_kept_too(text, stopped, monkeypatch):
    def no_links(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    path_of_the_one_before(stopped).unlink()
    monkeypatch.setattr(os, "link", no_links)
    trainer = new_trainer(text, **SETTINGS)
    list(trainer.run(stop=lambda: True))
    save_checkpoint(trainer, path_beside(stopped), {}, path_of_the_one_before(stopped))
    assert Checkpoint(path_beside(stopped)).place.step == 1
    assert Checkpoint(path_of_the_one_before(stopped)).place.step == 9


def test_the_pace_is_that_of_a_clock(text, tmp_path, monkeypatch):
    clock, steps = iter(range(1000)), []
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(checkpoints, "save_checkpoint", lambda trainer, *_: steps.append(trainer.step))
    trainer = new_trainer(text, **SETTINGS)
    list(saved(trainer, reports(trainer.run(), every=0.0), tmp_path / "m.npz", {}, every=4.0))
    assert len(steps) > 5 and set(np.diff(steps)) == {4}  # four ticks between two savings


# One run at one output


def test_a_second_run_is_refused_while_the_first_is_there(tmp_path):
    path = tmp_path / "m.npz"
    with only_training_at(path):
        with pytest.raises(CharlmError, match="another charlm is writing .*m.npz"), only_training_at(path):
            pass
        with only_training_at(tmp_path / "other.npz"):
            pass
    assert names(tmp_path) == []
    with only_training_at(path):
        pass


def test_what_a_killed_run_left_is_no_hindrance_and_is_removed(tmp_path):
    left = [".m.npz.lock", ".m.npz.abc.part", ".m.checkpoint.npz.abc.part", ".m.npz.folder.part", ".other.npz.abc.part"]
    for name in left:
        (tmp_path / name).mkdir() if "folder" in name else (tmp_path / name).write_bytes(b"half")
    with only_training_at(tmp_path / "m.npz"):
        assert names(tmp_path) == [".m.npz.folder.part", ".m.npz.lock", ".other.npz.abc.part"]


def test_what_another_process_writes_is_left_alone(tmp_path):
    with charlm.files.whole_file(tmp_path / "m.npz") as file, only_training_at(tmp_path / "m.npz"):
        file.write(b"whole")
    assert (tmp_path / "m.npz").read_bytes() == b"whole"


def test_a_lock_that_was_removed_by_its_owner_is_taken_anew(tmp_path, monkeypatch):
    """The file is removed between its opening and its locking."""
    flock, removed = charlm.files.fcntl.flock, []

    def remove_first(descriptor, how):
        if not removed:
            removed.append((tmp_path / ".m.npz.lock").unlink())
        flock(descriptor, how)

    monkeypatch.setattr(charlm.files.fcntl, "flock", remove_first)
    with only_training_at(tmp_path / "m.npz"):
        assert removed and names(tmp_path) == [".m.npz.lock"]


def test_without_locks_there_are_none(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(charlm.files.fcntl, "flock", no_locks)
    with only_training_at(tmp_path / "m.npz"), only_training_at(tmp_path / "m.npz"):
        pass
    monkeypatch.setattr("charlm.files.fcntl", None)
    with only_training_at(tmp_path / "m.npz"), only_training_at(tmp_path / "m.npz"):
        assert names(tmp_path) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(CharlmError, match="cannot write .*m.npz"), only_training_at(tmp_path / "no" / "m.npz"):
        pass


# Nothing is believed


def change(path, *way):
    """Write the checkpoint anew with one value of its header changed."""
    *inner, last, value = way
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(arrays.pop("header").tobytes())
    place = header
    for key in inner:
        place = place[key]
    place[last] = value
    write_archive(path, header, arrays)


@pytest.mark.parametrize(
    "way",
    [
        ("settings", "hidden", 3),
        ("settings", "batch", "4"),
        ("settings", "epochs", -1),
        ("settings", "lr", 1e39),
        ("architecture", "layers", 10**9),
        ("training", "corpus", []),
        ("training", "corpus", "bytes", "many"),
        ("training", "corpus", "train_tokens", 10**400),
        ("options", 7),
        ("place", {}),
        ("place", "step", -1),
        ("place", "step", 2**60),
        ("place", "step", 1.5),
        ("place", "more", 1),
        ("place", "nats", "1"),
        ("place", "dropout", 1),
        ("place", "dropout", None),
        ("place", "turn", [1]),
        ("place", "turn", [1, 2.0]),
        ("place", "turn", None),
        ("place", "history", [[1, 2.0]]),
        ("place", "history", [["1", 2.0, None]]),
        ("good", "best_loss", [1]),
        ("good", None),
        ("rows", 0),
        ("rows", 3),
    ],
    ids=str,
)
def test_a_checkpoint_that_says_what_cannot_be(text, stopped, way):
    shutil.copy(path_of_the_one_before(stopped), path_beside(stopped))
    change(path_beside(stopped), *way)
    with pytest.raises(ModelFileError) as caught:
        Checkpoint(path_beside(stopped)).restore(new_trainer(text, **SETTINGS))
    assert "\n" not in str(caught.value) and "m.checkpoint.npz" in str(caught.value)
