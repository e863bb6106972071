"""A rank that fails, hangs or dies ends the whole job within ten seconds, one line says which one it was, and the
training can be resumed, with another number of ranks, to the same bytes."""

import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from conftest import digest, said

FAULT = Path(__file__).with_name("fault.py")
TRAIN = ("train", "stream.txt", "--epochs", "6", "--hidden", "10", "--batch", "16", "--steps", "16", "--threads", "1")
WITHIN = 10  # seconds


@pytest.fixture
def folder(launcher, texts):
    shutil.copy(texts / "stream.txt", launcher.folder)
    return launcher.folder


@pytest.fixture(scope="session")
def undisturbed(texts, tmp_path_factory):
    """The bytes of the model of one process."""
    from conftest import Launcher

    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copy(texts / "stream.txt", folder)
    code, _, errors = Launcher("open", folder).charlm(1, *TRAIN, "--shards", "8", "-o", "m.npz")
    assert not code, errors
    return digest(folder / "m.npz")


def check_resumed(launcher, undisturbed):
    code, _, errors = launcher.charlm(2, "train", "stream.txt", "-o", "m.npz", "--resume", "--threads", "1")
    assert not code, errors
    assert digest(launcher.folder / "m.npz") == undisturbed


@pytest.mark.parametrize(
    "kind, rank, words",
    [
        ("error", 1, "rank 1 of 4: ValueError: a fault"),
        ("memory", 2, "rank 2 of 4: there is not enough memory; choose a smaller --hidden, --batch or --steps"),
        ("error", 0, "ValueError: a fault"),
        ("hang", 3, "rank 3 of 4 has not answered for 2 seconds (--patience)"),
        ("hang", 0, "rank 0 of 4 has not answered for 2 seconds (--patience)"),
    ],
)
def test_a_fault_in_one_rank(launcher, folder, undisturbed, kind, rank, words):
    began = time.monotonic()
    code, _, errors = launcher.run(
        4, FAULT, kind, rank, 100, *TRAIN, "-q", "-o", "m.npz", "--save-every", "0", "--patience", "2"
    )
    assert code and time.monotonic() - began < 60
    assert said(errors) == [f"charlm: error: {words}"], errors
    check_resumed(launcher, undisturbed)


def test_a_rank_that_is_killed(launcher, folder, undisturbed):
    code, _, errors = launcher.run(4, FAULT, "kill", 2, 100, *TRAIN, "-q", "-o", "m.npz", "--save-every", "0")
    assert code, errors
    check_resumed(launcher, undisturbed)


def test_a_text_that_differs_on_one_rank(launcher, folder):
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "stream.txt").write_text((folder / "stream.txt").read_text() + "more")
    code, _, errors = launcher.run(4, FAULT, "elsewhere", 2, 0, *TRAIN, "-q", "-o", "m.npz")
    assert code == 1
    assert len(said(errors)) == 1 and "rank 2 of 4 reads another text than rank 0" in errors
    shutil.rmtree(folder / "elsewhere")
    (folder / "elsewhere").mkdir()
    code, _, errors = launcher.run(4, FAULT, "elsewhere", 2, 0, *TRAIN, "-q", "-o", "m.npz")
    assert code == 1
    assert said(errors) == ["charlm: error: rank 2 of 4: there is no file stream.txt; check the name"]
    assert not (folder / "m.npz").exists()


def test_a_full_disk(launcher, folder):
    code, _, errors = launcher.run(4, FAULT, "full", 0, 4000, *TRAIN, "-q", "-o", "m.npz", "--save-every", "0")
    assert code == 1, errors
    assert len(said(errors)) == 1 and "cannot write" in errors and "File too large" in errors
    assert sorted(path.name for path in folder.iterdir()) == ["stream.txt"]


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_a_random_moment(launcher, folder, undisturbed, seed):
    """Half of the kills hit one rank, half of them mpirun."""
    moment = random.Random(f"{launcher.name} {seed}").uniform(1, 8)
    if seed % 2:
        code = launcher.run(
            4, FAULT, "kill", seed % 4, int(20 * moment), *TRAIN, "-q", "-o", "m.npz", "--save-every", "0"
        )[0]
    else:
        process = launcher.start(4, "-m", "charlm", *TRAIN, "-q", "-o", "m.npz", "--save-every", "0")
        time.sleep(moment)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WITHIN)
        code = process.returncode
    if not code:
        return
    resumable = any(folder.glob("m.checkpoint*.npz"))
    if resumable:
        check_resumed(launcher, undisturbed)
