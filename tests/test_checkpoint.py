"""Checkpoints: charlm keeps the last two, only one run writes them, and nothing in one is believed."""

import dataclasses
import errno
import json
import os
import shutil

import numpy as np
import pytest

import charlm
from charlm.errors import CharlmError, ModelFileError
from charlm.learning import results
from charlm.learning.autotune import new_trainer
from charlm.learning.checkpoint import (
    Checkpoint,
    checkpoint_path,
    last_checkpoint,
    previous_checkpoint_path,
    save_checkpoint,
)
from charlm.learning.progress import reports
from charlm.learning.results import Results
from charlm.learning.session import exclusive_training
from charlm.modelfile import write_archive
from charlm.network.mixture import Mixture
from charlm.text.ngrams import NGrams
from torture.modelfiles import parts_of

SETTINGS = {"lines": False, "hidden": 5, "layers": 1, "epochs": 3.0, "batch": 4, "steps": 8, "threads": 1}


@pytest.fixture
def text(tmp_path, tiny_text):
    (tmp_path / "text.txt").write_text(tiny_text, encoding="utf-8")
    return tmp_path / "text.txt"


@pytest.fixture(scope="module")
def stopped_once(tiny_text, tmp_path_factory):
    """A folder with a training that was stopped after nine updates, with a checkpoint after each."""
    folder = tmp_path_factory.mktemp("stopped")
    (folder / "text.txt").write_text(tiny_text, encoding="utf-8")
    trainer = new_trainer(folder / "text.txt", **SETTINGS)
    steps = trainer.run(stop=lambda: trainer.step == 9)
    list(Results(trainer, folder / "m.npz", {}).follow(reports(steps, every=0.0), every=0.0))
    return folder


@pytest.fixture
def stopped(stopped_once, tmp_path):
    """The path of the model of a copy of that training."""
    shutil.copytree(stopped_once, tmp_path, dirs_exist_ok=True)
    return tmp_path / "m.npz"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def final_bytes(text, path, restored=None):
    trainer = new_trainer(text, **SETTINGS)
    if restored:
        restored.restore(trainer)
    list(Results(trainer, path, {}).follow(reports(trainer.run(), every=0.0)))
    return path.read_bytes()


def test_one_without_a_precision_among_its_options_has_that_of_its_settings(stopped):
    """As older checkpoints: charlm must not choose it again."""
    change(checkpoint_path(stopped), "options", {})
    assert Checkpoint(checkpoint_path(stopped)).options == {
        "lines": False,
        "level": "char",
        "precision": "float32",
        "ngrams": 10,
    }


def test_one_of_a_training_at_its_end_knows_which_training_it_is_of(text, tmp_path):
    """The model at the output may be an unfinished one of this training, which is not to be kept as another one's."""
    trainer = new_trainer(text, **SETTINGS)
    list(trainer.run())
    save_checkpoint(trainer, checkpoint_path(tmp_path / "m.npz"), {})
    assert trainer.finished and Checkpoint(checkpoint_path(tmp_path / "m.npz")).identity == trainer.identity


@pytest.mark.uncompiled
def test_the_previous_one_is_kept_until_the_training_is_finished(text, stopped):
    assert names(stopped.parent) == ["m.checkpoint.before.npz", "m.checkpoint.npz", "m.npz", "text.txt"]
    assert Checkpoint(checkpoint_path(stopped)).state.step == 9
    assert Checkpoint(previous_checkpoint_path(stopped)).state.step == 8
    final_bytes(text, stopped, last_checkpoint(stopped))
    assert names(stopped.parent) == ["m.npz", "text.txt"]


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:900])])
def test_where_the_last_cannot_be_read_the_previous_one_is_resumed(text, stopped, tmp_path, harm):
    harm(checkpoint_path(stopped))
    with pytest.warns(UserWarning, match="resuming from the previous checkpoint, .*m.checkpoint.before.npz"):
        checkpoint = last_checkpoint(stopped)
    assert final_bytes(text, stopped, checkpoint) == final_bytes(text, tmp_path / "whole.npz")


def test_where_none_can_be_read_the_last_one_is_named(stopped):
    previous_checkpoint_path(stopped).write_bytes(b"")
    checkpoint_path(stopped).write_bytes(b"PK")
    with pytest.raises(ModelFileError, match="m.checkpoint"):
        last_checkpoint(stopped)
    previous_checkpoint_path(stopped).unlink()
    with pytest.raises(ModelFileError, match="m.checkpoint.npz"):
        last_checkpoint(stopped)
    checkpoint_path(stopped).unlink()
    with pytest.raises(CharlmError, match="nothing to resume"):
        last_checkpoint(stopped)


def test_on_a_file_system_without_links_the_previous_one_is_kept_too(text, stopped, monkeypatch):
    def no_links(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    previous_checkpoint_path(stopped).unlink()
    monkeypatch.setattr(os, "link", no_links)
    trainer = new_trainer(text, **SETTINGS)
    list(trainer.run(stop=lambda: True))
    save_checkpoint(trainer, checkpoint_path(stopped), {}, previous_checkpoint_path(stopped))
    assert Checkpoint(checkpoint_path(stopped)).state.step == 1
    assert Checkpoint(previous_checkpoint_path(stopped)).state.step == 9


def test_a_checkpoint_is_written_every_so_many_seconds(text, tmp_path, monkeypatch):
    clock, steps = iter(range(1000)), []
    monkeypatch.setattr(results.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(results, "save_checkpoint", lambda trainer, *_: steps.append(trainer.step))
    trainer = new_trainer(text, **SETTINGS)
    list(Results(trainer, tmp_path / "m.npz", {}).follow(reports(trainer.run(), every=0.0), every=4.0))
    assert len(steps) > 5 and set(np.diff(steps)) == {4}  # four ticks between two checkpoints


def test_a_checkpoint_holds_the_n_grams_of_the_best_model(text, tmp_path, monkeypatch):
    """They load with it, and a training is resumed from it."""
    trainer = new_trainer(text, **SETTINGS)
    list(trainer.run(stop=lambda: trainer.step == 3))
    size = len(trainer.corpus.vocabulary)
    ngrams = NGrams.count(trainer.corpus.train, size, 4, False, singletons=2)
    best = dataclasses.replace(trainer.best, mixture=Mixture(ngrams, np.full((4, 2), 0.5)))
    with monkeypatch.context() as patched:
        patched.setattr(type(trainer), "best_in_float32", best)
        save_checkpoint(trainer, tmp_path / "c.npz", {})
    assert parts_of(charlm.load(tmp_path / "c.npz")) == parts_of(best)
    other = new_trainer(text, **SETTINGS)
    Checkpoint(tmp_path / "c.npz").restore(other)
    assert other.step == 3 and (other.parameters == trainer.parameters).all()


# Locks


def test_a_second_run_fails_while_the_first_has_the_lock(tmp_path):
    path = tmp_path / "m.npz"
    with exclusive_training(path):
        with pytest.raises(CharlmError, match="another charlm is writing .*m.npz"), exclusive_training(path):
            pass
        with exclusive_training(tmp_path / "other.npz"):
            pass
    assert names(tmp_path) == []
    with exclusive_training(path):
        pass


def test_files_that_a_killed_run_left_are_deleted(tmp_path):
    left = [".m.npz.lock", ".m.npz.abc.part", ".m.checkpoint.npz.abc.part", ".m.npz.folder.part", ".other.npz.abc.part"]
    for name in left:
        (tmp_path / name).mkdir() if "folder" in name else (tmp_path / name).write_bytes(b"half")
    with exclusive_training(tmp_path / "m.npz"):
        assert names(tmp_path) == [".m.npz.folder.part", ".m.npz.lock", ".other.npz.abc.part"]


def test_a_file_that_another_process_is_writing_is_left_alone(tmp_path):
    with charlm.files.atomic_file(tmp_path / "m.npz") as file, exclusive_training(tmp_path / "m.npz"):
        file.write(b"whole")
    assert (tmp_path / "m.npz").read_bytes() == b"whole"


def test_a_lock_file_that_its_owner_deleted_is_made_again(tmp_path, monkeypatch):
    """The file is deleted between its opening and its locking."""
    flock, removed = charlm.files.fcntl.flock, []

    def remove_first(descriptor, how):
        if not removed:
            removed.append((tmp_path / ".m.npz.lock").unlink())
        flock(descriptor, how)

    monkeypatch.setattr(charlm.files.fcntl, "flock", remove_first)
    with exclusive_training(tmp_path / "m.npz"):
        assert removed and names(tmp_path) == [".m.npz.lock"]


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(charlm.files.fcntl, "flock", no_locks)
    with exclusive_training(tmp_path / "m.npz"), exclusive_training(tmp_path / "m.npz"):
        pass
    monkeypatch.setattr("charlm.files.fcntl", None)
    with exclusive_training(tmp_path / "m.npz"), exclusive_training(tmp_path / "m.npz"):
        assert names(tmp_path) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(CharlmError, match="cannot write .*m.npz"), exclusive_training(tmp_path / "no" / "m.npz"):
        pass


def test_a_training_of_subwords_goes_on_with_the_same_merges(text, tmp_path):
    options = SETTINGS | {"level": "subword", "max_vocabulary": 40}
    whole = new_trainer(text, **options)
    list(whole.run())
    stopped = new_trainer(text, **options)
    list(stopped.run(stop=lambda: stopped.step == 9))
    save_checkpoint(stopped, tmp_path / "c.npz", {})
    resumed = new_trainer(text, **options)
    Checkpoint(tmp_path / "c.npz").restore(resumed)
    list(resumed.run())
    assert resumed.best.parameters.tobytes() == whole.best.parameters.tobytes()
    change(tmp_path / "c.npz", "vocabulary", "merges", [*map(list, stopped.corpus.vocabulary.merges[:-1]), [2, 3]])
    with pytest.raises(ModelFileError, match="merge"):
        Checkpoint(tmp_path / "c.npz")


def test_other_merges_are_another_text(text, tmp_path):
    """The same symbols can be made by other merges."""
    trainer = new_trainer(text, **SETTINGS, level="subword")
    list(trainer.run(stop=lambda: True))
    save_checkpoint(trainer, tmp_path / "c.npz", {})
    checkpoint = Checkpoint(tmp_path / "c.npz")
    assert not checkpoint.differences(trainer.task, trainer.corpus, trainer.architecture, trainer.settings)
    merges = checkpoint.header["vocabulary"]["merges"]
    merges[0], merges[1] = merges[1], merges[0]
    (found,) = checkpoint.differences(trainer.task, trainer.corpus, trainer.architecture, trainer.settings)
    assert "--level" in found and "--max-vocabulary" in found


# Damaged and hostile files


def change(path, *keys_and_value):
    """Write the checkpoint again with one value of its header changed."""
    *inner, last, value = keys_and_value
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(arrays.pop("header").tobytes())
    values = header
    for key in inner:
        values = values[key]
    values[last] = value
    write_archive(path, header, arrays)


@pytest.mark.parametrize(
    "change_of_header",
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
        ("place", "losses", [[1, 2.0]]),
        ("place", "losses", [[1, 0, 2.0]]),
        ("place", "losses", [[1, 1, 2.0]] * 257),
        ("place", "sampled", [[1, None]]),
        ("place", "sampled_tokens", -1),
        ("good", "best_loss", [1]),
        ("good", None),
        ("rows", 0),
        ("rows", 3),
        ("optimizer", 5),
        ("optimizer", [5]),
        ("optimizer", ["m"]),
        ("optimizer", ["m", "w"]),
        ("options", "threads", True),
        ("options", "valid", [1]),
    ],
    ids=str,
)
def test_a_checkpoint_with_impossible_values(text, stopped, change_of_header):
    shutil.copy(previous_checkpoint_path(stopped), checkpoint_path(stopped))
    change(checkpoint_path(stopped), *change_of_header)
    with pytest.raises(ModelFileError) as caught:
        Checkpoint(checkpoint_path(stopped)).restore(new_trainer(text, **SETTINGS))
    assert "\n" not in str(caught.value) and "m.checkpoint.npz" in str(caught.value)
