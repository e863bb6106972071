"""One model from any number of processes, to the byte, under each MPI."""

import json
import signal
import time
from pathlib import Path

import pytest
from conftest import digest, said
from five import KINDS

FIVE = Path(__file__).with_name("five.py")
SMALL = ("--hidden", "10", "--batch", "16", "--steps", "16", "--threads", "1")


@pytest.fixture(scope="session")
def alone(texts, tmp_path_factory):
    """The models of one process."""
    from conftest import Launcher

    folder = tmp_path_factory.mktemp("alone")
    code, _, errors = Launcher("open", folder).run(1, FIVE, texts, "1")
    assert not code, errors
    return {kind: digest(folder / f"{kind}-1.npz") for kind in KINDS}


@pytest.mark.parametrize("number", [2, 4, 8])
def test_any_number_of_processes_gives_the_same_bytes(launcher, texts, alone, number):
    code, _, errors = launcher.run(number, FIVE, texts, number)
    assert not code, errors
    assert {kind: digest(launcher.folder / f"{kind}-{number}.npz") for kind in KINDS} == alone


def wait_for(path, seconds=120):
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_killed_and_resumed_with_another_number_it_ends_with_the_same_bytes(launcher, texts, how):
    train = ("train", texts / "stream.txt", "--epochs", "12", *SMALL, "--save-every", "0", "--dropout", "0.1")
    code, _, errors = launcher.charlm(1, *train, "--shards", "8", "-o", "whole.npz")
    assert not code, errors
    process = launcher.start(4, "-m", "charlm", *train, "-o", "m.npz")
    wait_for(launcher.folder / "m.checkpoint.npz")
    process.send_signal(how)
    began = time.monotonic()
    process.communicate(timeout=60)
    assert process.returncode and time.monotonic() - began < 10
    code, _, errors = launcher.charlm(2, "train", texts / "stream.txt", "-o", "m.npz", "--resume", "--threads", "1")
    assert not code, errors
    assert digest(launcher.folder / "m.npz") == digest(launcher.folder / "whole.npz")


def test_rank_0_alone_speaks_and_writes(launcher, texts):
    code, out, errors = launcher.charlm(
        2, "train", texts / "stream.txt", "--epochs", "2", *SMALL, "-o", "m.npz", "--log", "m.jsonl"
    )
    assert not code and not out, errors
    assert errors.count("wrote m.npz") == 1 and errors.count("best held-out loss") == 1
    assert sorted(path.name for path in launcher.folder.iterdir()) == ["m.jsonl", "m.npz"]
    steps = [json.loads(line)["step"] for line in (launcher.folder / "m.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps))


def test_by_the_clock_it_ends_in_time_and_says_what_it_expects(launcher, texts):
    code, _, errors = launcher.charlm(2, "train", texts / "lines.txt", "--minutes", "0.1", "-o", "m.npz")
    assert not code, errors
    assert "2 processes" in errors and "times the speed of one" in errors


def test_local_updates(launcher, texts):
    train = ("train", texts / "stream.txt", "--epochs", "2", *SMALL, "--shards", "4", "--local-updates", "3")
    for number in (1, 2, 4):
        code, _, errors = launcher.charlm(number, *train, "-o", f"m{number}.npz")
        assert not code, errors
    assert len({digest(path) for path in launcher.folder.glob("m?.npz")}) == 1


def test_errors_are_one_line(launcher, texts):
    stream = texts / "stream.txt"
    for arguments, code, words in (
        (("train", "no.txt", "-o", "m.npz"), 1, "there is no file no.txt; check the name"),
        (("train", stream, "-o", "no/m.npz"), 1, "cannot write no/m.npz: there is no folder no; make it first"),
        (("train", stream, "--hidden", "0", "-o", "m.npz"), 2, "--hidden must be an integer from 1 to 65,536, not 0"),
        (
            ("train", "-", "-o", "m.npz"),
            2,
            "standard input does not reach the processes of an MPI job",
        ),
        (("train", stream, "--shards", "1", "-o", "m.npz"), 2, "2 ranks cannot share 1 shards equally"),
    ):
        found, _, errors = launcher.charlm(2, *arguments)
        assert (found, len(said(errors))) == (code, 1), errors
        assert said(errors)[0].startswith(f"charlm: error: {words}")
