"""The command line as a user and a shell see it: data, errors in one line, exit codes, pipes, signals, terminals."""

import hashlib
import json
import math
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import charlm
from charlm.cli import program
from charlm.learning.session import exclusive_training
from charlm.model import Model, load_model
from charlm.modelfile import save_model, write_archive
from charlm.network.architecture import Architecture
from charlm.network.reference import Reference
from charlm.text.novelty import Novelty
from charlm.text.reading import name_of
from charlm.text.visible import visible
from charlm.text.vocabulary import EOS, UNKNOWN, Vocabulary

COMMAND = [sys.executable, "-m", "charlm"]
SMALL = ["--hidden", "4", "--layers", "1", "--batch", "4", "--steps", "8", "--threads", "1"]
TRAIN = ["train", "text.txt", "-o", "new.npz", *SMALL, "--stream", "--epochs", "2"]  # the text looks like a list
FULL = Path(os.devnull).with_name("full")
SAMPLE = ["text", "log_probability", "tokens", "perplexity", "longest_copied_run", "novel", "ended"]
RECORD = {"step", "epoch", "seconds", "tokens", "tokens_per_second", "train_loss", "valid_loss"}

pytestmark = pytest.mark.usefixtures("as_it_was")


@pytest.fixture
def folder(tmp_path, tiny_text, tiny_model, monkeypatch):
    """The working folder: a text, a model, and files that are neither."""
    (tmp_path / "text.txt").write_text(tiny_text, encoding="utf-8")
    shutil.copy(tiny_model, tmp_path / "tiny.npz")
    shutil.copy(tiny_model, tmp_path / "model.npz")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "blank.txt").write_text("\n" * 30)
    (tmp_path / "short.txt").write_text("a cab\n", encoding="utf-8")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n" * 40)
    (tmp_path / "folder").mkdir()
    np.savez(tmp_path / "table.npz", table=np.arange(3))
    (tmp_path / "notes.zip").write_bytes(b"notes PK\5\6\0\0\0\0\1\0\1\0\x2e" + bytes(9))  # ends like a zip file
    (tmp_path / "other.checkpoint.npz").write_text(tiny_text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def run(*arguments, **settings):
    """The program within this process."""
    return CliRunner().invoke(program, [str(argument) for argument in arguments], prog_name="charlm", **settings)


def shell(*arguments, redirection="", **settings):
    """The program as a process of its own, started by a shell."""
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, *map(str, arguments)]
    return subprocess.run(command, **{"capture_output": True, "text": True, "timeout": 60} | settings)


def done(*arguments, **settings):
    """Run a command that succeeds, and return what it did."""
    result = run(*arguments, **settings)
    assert (result.exit_code, result.exception) == (0, None), result.output
    return result


def check_error(stderr, words=""):
    assert stderr.startswith("charlm: error: ")
    assert stderr.endswith("\n") and stderr.count("\n") == 1
    assert len(stderr) < 400
    for word in words.split():
        assert word in stderr


def check_failure(folder, arguments, code, words="", **settings):
    """Check that a command fails in one line, prints no data, and leaves every file as it was."""
    before = contents(folder)
    result = run(*arguments, **settings)
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.stdout == ""
    check_error(result.stderr, words)
    assert contents(folder) == before


# Errors


@pytest.mark.parametrize(
    ("corpus", "words"),
    [
        (["missing.txt"], "no file missing.txt"),
        (["blank.txt"], "no text blank.txt, only blank lines"),
        (["blank.txt", "--lines"], "no text blank.txt, only blank lines"),
        (["model.npz"], "model.npz is a model of charlm, not a text"),
        (["text.txt", "missing.txt"], "missing.txt"),
        (["empty.txt"], "no text empty.txt"),
        (["short.txt"], "5 tokens window of 8 --steps"),
        (["latin.txt"], "latin.txt 0xe9 offset 3 --encoding --level byte"),
        (["folder"], "folder; name the files in it"),
        (["text.txt", "--valid", "missing.txt"], "missing.txt"),
        (["text.txt", "--valid", "empty.txt"], "empty.txt"),
        (["text.txt", "--valid", "latin.txt"], "latin.txt 0xe9 offset 3"),
        (["text.txt", "--encoding", "utf-16"], "text.txt utf-16"),
        (["-"], "no text standard input"),
        (["text.txt", "--stream", "--holdout", "0.999999"], "too short --holdout"),
    ],
)
def test_an_unusable_corpus(folder, corpus, words):
    check_failure(folder, ["train", *corpus, "-o", "tiny.npz", *SMALL], 1, words)


@pytest.mark.parametrize(
    "option",
    [
        "--level letters",
        "--holdout 1",
        "--holdout -0.1",
        "--holdout nan",
        "--holdout 0.2 --valid text.txt",
        "--plot loss.png",
        "--holdout x",
        "--encoding nope",
        "--encoding hex",
        "--min-count 0",
        "--min-count 1.5",
        "--max-vocabulary 2",
        "--cell elman",
        "--context 4",
        "--context 0 --cell window",
        "--context 65 --cell window",
        "--bidirectional --cell feedforward",
        "--hidden 0",
        "--hidden x",
        "--hidden 65537",
        "--hidden 65536 --layers 2",
        "--layers 0",
        "--layers 5",
        "--embedding -1",
        "--embedding 3 --tied",
        "--epochs 0",
        "--epochs -1",
        "--epochs nan",
        "--epochs inf",
        "--epochs 1e307",
        "--batch 0",
        "--steps 0",
        "--lr 0",
        "--lr -1",
        "--lr nan",
        "--save-every nan",
        "--lr inf",
        "--schedule step",
        "--precision float64",
        "--clip -1",
        "--clip nan",
        "--clip inf",
        "--dropout 1",
        "--dropout -0.1",
        "--dropout nan",
        "--seed -1",
        "--seed x",
        "--threads 0",
        "--nope",
        "--lines=1",
        "--log",
        "--hidden",
    ],
)
def test_a_wrong_option_of_train(folder, option):
    name = option.replace("=", " ").split()[0]
    words = {"--holdout nan": "--holdout nan number", "--encoding nope": "encoding", "--encoding hex": "encoding"}
    check_failure(folder, [*TRAIN, *option.split()], 2, words.get(option, name))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nope"], "nope --help"),
        (["--nope"], "--nope --help"),
        (["train"], "CORPUS train --help"),
        (["train", "text.txt"], "--output train --help"),
        (["sample"], "--model sample --help"),
        (["sample", "--model", "tiny.npz", "more"], "more"),
        (["sample", "--model", "tiny.npz", "--count", "0"], "--count"),
        (["sample", "--model", "tiny.npz", "--length", "0"], "--length"),
        (["sample", "--model", "tiny.npz", "--length", "9" * 20], "--length"),
        (["sample", "--model", "tiny.npz", "--temperature", "-1"], "--temperature"),
        (["sample", "--model", "tiny.npz", "--temperature", "nan"], "--temperature"),
        (["sample", "--model", "tiny.npz", "--temperature", "inf"], "--temperature"),
        (["sample", "--model", "tiny.npz", "--top-k", "-1"], "--top-k"),
        (["sample", "--model", "tiny.npz", "--top-p", "0"], "--top-p"),
        (["sample", "--model", "tiny.npz", "--top-p", "1.1"], "--top-p"),
        (["sample", "--model", "tiny.npz", "--top-p", "nan"], "--top-p"),
        (["sample", "--model", "tiny.npz", "--min-p", "1.1"], "--min-p"),
        (["sample", "--model", "tiny.npz", "--unknown", "drop"], "--unknown reject mask"),
        (["sample", "--model", "tiny.npz", "--stop", ""], "--stop"),
        (["sample", "--model", "tiny.npz", "--min-length", "-1"], "--min-length"),
        (["sample", "--model", "tiny.npz", "--min-length", "9"], "--min-length --stop"),
        (["sample", "--model", "tiny.npz", "--max-length", "0"], "--max-length"),
        (["sample", "--model", "tiny.npz", "--min-length", "9", "--max-length", "8"], "--max-length 9 8"),
        (["sample", "--model", "tiny.npz", "--best-of", "0"], "--best-of"),
        (["sample", "--model", "tiny.npz", "--max-tries", "0"], "--max-tries"),
        (["sample", "--model", "tiny.npz", "--max-copied", "0"], "--max-copied"),
        (["sample", "--model", "tiny.npz", "--max-copied", "3"], "--max-copied 15 3"),
        (["sample", "--model", "tiny.npz", "--max-copied", "40", "--allow-copies"], "--max-copied --allow-copies"),
        (["sample", "--model", "tiny.npz", "--prime", "a", "--prime-file", "short.txt"], "--prime --prime-file"),
        (["sample", "--model", "tiny.npz", "--corpus", "text.txt", "--encoding", "nope"], "encoding nope"),
        (["sample", "--model", "tiny.npz", "--corpus", "-", "--interactive"], "--corpus --interactive"),
        (["sample", "--model", "tiny.npz", "--fill", "abba"], "--fill blank abba"),
        (["sample", "--model", "tiny.npz", "--fill", "a_", "--top-k", "3"], "--fill --top-k"),
        (["sample", "--model", "tiny.npz", "--fill", "a_", "--interactive"], "--interactive --fill"),
        (["sample", "--model", "tiny.npz", "--start-with", "a", "--interactive"], "--interactive --start-with"),
        (["sample", "--model", "tiny.npz", "--seed", "-1"], "--seed"),
        (["sample", "--model", "tiny.npz", "--seed", "1.5"], "--seed integer not '1.5'"),
        (["sample", "--model", "tiny.npz", "--temperature", "hot"], "--temperature number not 'hot'"),
        (["sample", "tiny.npz"], "charlm sample --model tiny.npz"),
        (["sample", "--model", "tiny.npz", "--temprature", "2"], "--temprature; did you mean --temperature?"),
        (["--model", "tiny.npz"], "options follow the command: charlm sample --model"),
        (["perplexity", "text.txt"], "--model"),
        (["perplexity", "--model", "tiny.npz", "text.txt", "--threads", "0"], "--threads"),
        (["perplexity", "--model", "tiny.npz", "text.txt", "--encoding", "nope"], "encoding nope"),
        (["perplexity", "--model", "tiny.npz", "text.txt", "--adapt", "0"], "--adapt"),
        (["perplexity", "--model", "tiny.npz", "text.txt", "--adapt", "1.1"], "--adapt"),
        (["perplexity", "--model", "tiny.npz", "text.txt", "--adapt", "nan"], "--adapt nan number"),
        (["perplexity", "--model", "tiny.npz", "text.txt", "--color", "--background", "red"], "--background light"),
        (["info"], "MODEL"),
        (["info", "tiny.npz", "--model", "tiny.npz"], "one MODEL"),
        (["evaluate", "text.txt"], "--model evaluate --help"),
        (["predict", "text.txt"], "--model predict --help"),
        (["info", "tiny.npz", "--nope"], "--nope"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_use(folder, arguments, words):
    check_failure(folder, arguments, 2, words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-o", "missing/m.npz"], "missing folder"),
        (["-o", "folder"], "folder"),
        (["-o", "text.txt"], "text.txt overwrite"),
        (["-o", "latin.txt"], "latin.txt overwrite"),
        (["-o", "table.npz"], "table.npz overwrite"),
        (["-o", "notes.zip"], "notes.zip overwrite"),
        (["-o", "other.npz"], "other.checkpoint.npz overwrite"),
        (["-o", "other.npz", "--valid", "other.checkpoint.npz"], "other.checkpoint.npz overwrite"),
        (["-o", "new.npz", "--log", "new.checkpoint.npz"], "new.checkpoint.npz"),
        (["-o", os.devnull], "overwrite"),
        (["-o", "tiny.npz", "--valid", "tiny.npz"], "tiny.npz overwrite"),
        (["-o", "n" * 243], "name too long"),
        (["-o", "n" * 300], "name too long"),
        (["-o", ""], "name file"),
        (["-o", "new.npz", "--log", "new.npz"], "new.npz"),
        (["-o", "new.npz", "--log", "text.txt"], "text.txt"),
        (["-o", "new.npz", "--log", "./text.txt"], "text.txt"),
        (["-o", "new.npz", "--log", "short.txt", "--valid", "short.txt"], "short.txt"),
        (["-o", "new.npz", "--log", "tiny.npz"], "tiny.npz"),
        (["-o", "new.npz", "--log", "missing/log"], "missing/log"),
        (["-o", "new.npz", "--log", "folder"], "folder"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_file_that_is_not_a_model_is_not_overwritten(folder, options, words):
    """Nor does a log overwrite a file that is read, or the model."""
    before = contents(folder)
    result = run("train", "text.txt", *SMALL, "--epochs", "1", *options)
    assert result.exit_code in (1, 2), result.output
    check_error(result.stderr, words)
    assert contents(folder) == before


def damaged(path, make):
    """A file that is no model, made from one that is."""
    if make == "text":
        path.write_text("Call me Ishmael.\n", encoding="utf-8")
    elif make == "empty":
        path.write_bytes(b"")
    elif make == "cut short":
        path.write_bytes(path.read_bytes()[:-100])
    elif make == "table":
        np.savez(path, table=np.arange(3))
    elif make == "missing":
        path.unlink()
    elif make == "folder":
        path.unlink()
        path.mkdir()
    else:
        with np.load(path) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays.pop("header").tobytes())
        change = {
            "future": {"format": 99, "charlm": "9.9"},
            "checkpoint": {"kind": "checkpoint"},
            "no network": {"architecture": header["architecture"] | {"hidden": 0}},
        }[make]
        write_archive(path, header | change, arrays)


@pytest.mark.parametrize("command", ["sample --model", "perplexity text.txt --model", "info"])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        ("text", "not a model of charlm; name a file that charlm train -o wrote"),
        ("empty", "is empty"),
        ("cut short", "damaged"),
        ("table", "not a model of charlm, or damaged"),
        ("missing", "no file"),
        ("folder", "folder, not a model; name the model file in it"),
        ("future", "later charlm 9.9 upgrade"),
        ("checkpoint", "checkpoint"),
        ("no network", "damaged"),
    ],
)
def test_a_file_that_is_not_a_model(folder, command, make, words):
    damaged(folder / "tiny.npz", make)
    check_failure(folder, [*command.split(), "tiny.npz"], 1, f"tiny.npz {words}")


@pytest.mark.parametrize(
    "training",
    [
        {},
        {"corpus": 5},
        {"corpus": []},
        {"corpus": {"names": 3}},
        {"settings": 5},
        {"settings": {"lr": [1]}},
        {"step": "x"},
        {"step": 3},
        {"valid_loss": "x"},
        {"valid_loss": 10**400},
        {"corpus": {"names": [], "sha256": 7, "bytes": 1, "train_tokens": 1, "held_out_tokens": 1}},
        {"valid_loss": 1e308},
        {"history": 5},
        {"ancestry": 5},
        {"ancestry": [3]},
        {"ancestry": [{"name": "a", "sha256": "b", "corpus": 1}]},
        {"imported": 1},
        {"also_valid": {}},
        {"alone": 3},
        {"curve": 5},
    ],
    ids=str,
)
def test_info_does_not_trust_the_record_of_a_training(folder, training):
    """It shows what makes sense of a file by another program, or rejects the file."""
    model = load_model("tiny.npz")
    model.training = training
    save_model(model, "tiny.npz")
    result = run("info", "tiny.npz")
    assert result.exit_code in (0, 1), result.exception
    if result.exit_code:
        check_error(result.stderr, "tiny.npz")
    else:
        assert "1 layer of 6" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--prime-file", "missing.txt"], "missing.txt"),
        (["--prime-file", "latin.txt"], "latin.txt 0xe9 --encoding"),
        (["--corpus", "missing.txt"], "missing.txt"),
        (["--corpus", "folder"], "folder"),
    ],
)
def test_a_sample_that_cannot_be(folder, arguments, words):
    check_failure(folder, ["sample", "--model", "tiny.npz", "--quiet", *arguments], 1, words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--start-with", "Zebra\x1b"], "'Z' 'r' '\\x1b' --start-with"),
        (["--start-with", "abba", "--length", "4"], "--start-with --length"),
        (["--fill", "abZa_"], "'Z' --fill"),
        (["--given", "abba"], "--given --task generate"),
    ],
)
def test_a_value_that_the_model_does_not_know_is_a_wrong_argument(folder, arguments, words):
    """The exit code is 2 for each of them, as for an unknown option."""
    check_failure(folder, ["sample", "--model", "tiny.npz", "--quiet", *arguments], 2, words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.txt"], "no file missing.txt"),
        (["tiny.npz"], "tiny.npz is a model of charlm, not a text"),
        (["text.txt", "folder"], "folder"),
        (["latin.txt"], "0xe9 offset 3"),
        (["empty.txt"], "no text empty.txt"),
        (["-"], "no text standard input"),
    ],
)
def test_a_text_that_cannot_be_scored(folder, arguments, words):
    check_failure(folder, ["perplexity", "--model", "tiny.npz", *arguments], 1, words)


def test_a_loss_that_diverges(folder):
    result = run(*TRAIN, "--lr", "1e30", "--quiet")
    assert result.exit_code == 1
    check_error(result.stderr, "diverges --lr")


# What the commands print


def test_ctrl_c_before_the_first_update_says_that_nothing_was_written(folder, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    before = contents(folder)
    monkeypatch.setattr("charlm.learning.session.new_trainer", interrupted)
    result = run(*TRAIN)
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr == "stopped before the first update; nothing was written\n"
    assert contents(folder) == before


def test_train_prints_no_data(folder):
    result = done(*TRAIN, "--log", "log.jsonl")
    assert result.stdout == ""
    assert result.stderr.splitlines()[-3:] == ["wrote new.npz", "next, type:", "  charlm sample --model new.npz"]
    assert "list" not in result.stderr  # nobody asks what --stream has answered
    model = load_model("new.npz")
    assert model.architecture.hidden == 4
    assert re.search(rf"  the model +{model.training['valid_loss']:.4f} ", result.stderr)
    assert not (folder / "new.checkpoint.npz").exists()
    records = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert all(set(record) - {"sampled_loss"} == RECORD for record in records)
    assert [record["step"] for record in records] == sorted({record["step"] for record in records})
    assert records[-1]["tokens"] == 2 * model.training["corpus"]["train_tokens"]
    assert records[-1]["epoch"] == 2
    assert min(record["valid_loss"] for record in records if record["valid_loss"]) == model.training["valid_loss"]
    assert all(record["tokens_per_second"] > 0 and record["train_loss"] > 0 for record in records)


@pytest.mark.parametrize("level", ["char", "subword", "word", "token", "byte"])
def test_training_ends_with_a_comparison_with_n_gram_baselines(folder, tiny_text, level):
    """The same that ``perplexity --baselines`` gives for the held-out file."""
    (folder / "held-out.txt").write_text("abba cab\n\negg dada\n")
    result = done(*TRAIN, "--level", level, "--min-count", "1", "--valid", "held-out.txt", "--ngrams", "0")
    score = done("perplexity", "--model", "new.npz", "held-out.txt", "--baselines", "text.txt", "--json")
    figures = json.loads(score.stdout)
    by_text = "bits_per_byte" if level == "byte" else "bits_per_character"
    for name, found in {"the model": figures, **figures["baselines"]}.items():
        row = next(line for line in result.stderr.splitlines() if line.startswith(f"  {name} ")).split()
        shown = [float(cell) for cell in row if re.fullmatch(r"[\d.]+", cell)]
        columns = [by_text] if name == "xz" else ["nats_per_token", "perplexity", by_text]
        assert shown == pytest.approx([found[column] for column in columns], rel=1e-3)
    assert " did better than the model: train with --minutes" in result.stderr


def test_whoever_trained_until_nothing_more_was_learnt_is_not_told_to_train_longer(folder, monkeypatch):
    for patience in "PATIENCE", "LAST_PATIENCE":  # an evaluation ends it, whatever fell in the last digits
        monkeypatch.setattr(f"charlm.learning.control.{patience}", -1)
    options = ["--minutes", "0.1", "--stream", *SMALL, "--lr", "1e-9", "--ngrams", "0"]
    errors = done("train", "text.txt", "-o", "new.npz", *options).stderr
    assert "because the held-out loss no longer fell" in errors
    assert errors.count("did better than the model: give more text\n") == 1


@pytest.mark.parametrize("level", ["char", "word", "byte"])
def test_training_takes_a_list_for_a_list_and_says_so_first(folder, level):
    (folder / "names.txt").write_text("ada\nbob\neve\n" * 400)
    train = ["train", "names.txt", "-o", "new.npz", *SMALL, "--batch", "64", "--level", level, "--epochs", "1"]
    lines = done(*train).stderr.splitlines()
    assert lines[0].startswith(
        "charlm learns from names.txt (a list: 1,080 lines, and 120 held out to test it) in 1 pass "
    )
    assert lines[1] == "each line is a text of its own; if this is no list, --stream takes it as one long text"
    assert load_model("new.npz").lines
    for option, lines in ("--lines", True), ("--stream", False):
        assert "list" not in done(*train, option).stderr
        assert load_model("new.npz").lines is lines
    two = done("train", "names.txt", *train[1:]).stderr
    assert two.startswith("charlm learns from names.txt and names.txt (a list: 2,160 lines, ")


def test_training_by_the_clock_says_what_it_chose_and_why(folder):
    clock = ["train", "text.txt", "-o", "new.npz", "--stream", "--minutes", "0.002"]
    result = done(*clock, "--explain").stderr
    width = load_model("new.npz").architecture.hidden
    assert result.startswith(
        "charlm learns from text.txt (505 characters, and 57 held out to test it) for 0.12 seconds, "
    )
    assert f"the network: recurrent (LSTM), 1 layer of {width} units; " in result
    assert "\nthe text is small: " in result
    assert "\ninput: one-hot: " in result and "\nupdate: the network reads " in result
    given = done(*clock, "--hidden", "7", "--dropout", "0.25", "--explain").stderr
    assert "1 layer of 7 units" in given and "\ndropout: 0.25: " in given and "\nwidth: " not in given
    assert "dropout" not in done(*clock, "--hidden", "7").stderr, "reasons are given to those who ask"
    fixed = done(*TRAIN, "--explain").stderr
    assert "in 0.0198 passes over the text" in done(*TRAIN[:-1], "0.02", "--restart").stderr
    assert "in 2 passes over the text" in fixed and "update: the network reads 4 pieces of 8 characters," in fixed
    one = done(*TRAIN[:-1], "1", "--lines", "--holdout", "0", "--explain").stderr
    assert "in 1 pass over the text; nothing is held out, so charlm keeps the last model\n" in one
    assert "update: the network reads 4 lines of up to 8 characters," in one


def test_training_plots_its_losses(folder):
    done(*TRAIN, "--quiet", "--plot", "loss.svg")
    picture = (folder / "loss.svg").read_text()
    assert picture.startswith("<svg ") and "the loss of new.npz" in picture and "2 " in picture
    assert f"{load_model('new.npz').training['valid_loss']:.4f}" in picture
    done(*TRAIN, "--quiet", "--plot", "loss.svg")  # an old picture may be replaced
    check_failure(folder, [*TRAIN, "--plot", "text.txt"], 1, "text.txt --plot")
    check_failure(folder, [*TRAIN, "--plot", "empty.txt/loss.svg"], 1, "cannot write")


@pytest.mark.parametrize("arguments", [TRAIN, [*TRAIN, "--lines", "--holdout", "0"]], ids=["stream", "lines"])
def test_quiet_training_prints_nothing(folder, arguments):
    assert done(*arguments, "--quiet").output == ""
    assert load_model("new.npz").lines is ("--lines" in arguments)


def test_train_reads_standard_input(folder, tiny_text):
    done(*TRAIN, "--quiet")
    done("train", "-", "-o", "stdin.npz", *TRAIN[4:], "--quiet", input=tiny_text.encode())
    assert load_model("stdin.npz").parameters.tobytes() == load_model("new.npz").parameters.tobytes()
    assert load_model("stdin.npz").training["corpus"]["names"] == ["standard input"]


def test_a_model_is_replaced_by_a_new_one(folder):
    shutil.copy("tiny.npz", "new.npz")
    done(*TRAIN, "--quiet")
    assert load_model("new.npz").architecture.hidden == 4


@pytest.mark.parametrize(
    "options",
    [
        ["--level", "byte"],
        ["--level", "word", "--min-count", "1"],
        ["--level", "subword", "--max-vocabulary", "40", "--lines"],
        ["--cell", "gru", "--embedding", "3"],
        ["--cell", "peephole", "--tied"],
        ["--cell", "rnn", "--layers", "2", "--dropout", "0.2", "--seed", str(2**63)],
        ["--cell", "feedforward", "--context", "3", "--layers", "2"],
        ["--cell", "feedforward", "--level", "word", "--min-count", "1", "--tied", "--lines"],
        ["--clip", "0", "--schedule", "linear"],
        ["--valid", "short.txt", "--schedule", "constant"],
        ["--precision", "float32"],
    ],
    ids=" ".join,
)
def test_options_of_train_go_together(folder, options):
    done(*TRAIN, "--quiet", *options)
    result = done("perplexity", "--model", "new.npz", "text.txt", "--json")
    assert 0 < json.loads(result.stdout)["bits_per_byte"] < 8


def test_samples(folder):
    options = ["sample", "--model", "tiny.npz", "--count", "3", "--length", "30", "--seed", "5"]
    first, again, other = done(*options), done(*options), done(*options[:-1], "6")
    assert first.stdout == again.stdout != other.stdout
    assert first.stderr.count("\n") == 1
    assert first.stderr.startswith("asked 3 samples; sampled ") and first.stderr.endswith("; seed 5\n")
    quiet = done(*options, "--quiet")
    assert (quiet.stdout, quiet.stderr) == (first.stdout, "")
    records = [json.loads(line) for line in done(*options, "--json").stdout.splitlines()]
    assert len(records) == 3
    assert all(list(record) == SAMPLE for record in records)
    assert all(record["tokens"] == len(record["text"]) == 30 and record["log_probability"] < 0 for record in records)
    assert first.stdout == "".join(record["text"] + "\n" * (not record["text"].endswith("\n")) for record in records)


def test_samples_of_lines(folder):
    done(*TRAIN, "--quiet", "--lines")
    options = ["sample", "--model", "new.npz", "--seed", "5", "--start-with", "ca"]
    lines = done(*options).stdout.splitlines()
    records = [json.loads(line) for line in done(*options, "--json").stdout.splitlines()]
    assert len(lines) == 10
    assert [record["text"] for record in records] == lines
    assert all(record["text"].startswith("ca") for record in records)
    assert all(record["tokens"] == len(record["text"]) + 1 and record["log_probability"] < 0 for record in records)


def test_the_most_likely_sample_comes_once_unless_more_are_asked_for(folder):
    done(*TRAIN, "--quiet", "--lines", "--epochs", "20", "--lr", "0.02")
    for certain in ("--temperature", "0"), ("--top-k", "1"):
        command = ["sample", "--model", "new.npz", "--allow-copies", *certain]
        one, three = done(*command), done(*command, "--count", "3")
        assert one.stdout.count("\n") == 1 and three.stdout == 3 * one.stdout
        assert "all samples are the same" in three.stderr and "the same" not in one.stderr
        assert one.stderr.count("\n") == three.stderr.count("\n") == 1
    unique = run(*command, "--count", "3", "--unique")
    assert unique.exit_code == 1 and unique.stdout == one.stdout
    assert "only the most likely token is ever sampled" in unique.stderr.splitlines()[-1]
    too_long = run("sample", "--model", "new.npz", "--temperature", "0", "--max-length", "1")
    check_error(too_long.stderr.splitlines(keepends=True)[-1], "most likely too long --max-length raise --temperature")
    assert "lower" not in too_long.stderr


def test_each_run_has_a_new_seed(folder):
    first, other = (done("sample", "--model", "tiny.npz", "--length", "100") for _ in range(2))
    assert first.stdout != other.stdout
    seed = first.stderr.rstrip().rpartition("; seed ")[2]
    assert done("sample", "--model", "tiny.npz", "--length", "100", "--seed", seed).stdout == first.stdout


def records(*arguments):
    return [json.loads(line) for line in done("sample", "--model", *arguments, "--json").stdout.splitlines()]


@pytest.mark.parametrize(
    "option",
    [
        "--temperature 0",
        "--top-k 1",
        "--top-p 0.3",
        "--min-p 0.9",
        "--unknown mask",
        "--prime abba",
        "--prime-file short.txt",
        "--start-with ca",
        "--stop a",
        "--best-of 5",
        "--length 31",
        "--count 2",
    ],
)
def test_options_of_sample_change_the_samples(folder, option):
    """Each option reaches the sampler, whose tests say what it means."""
    model = load_model("tiny.npz")
    model.named_parameters["b_y"][UNKNOWN] += 2.5  # <UNK> is sampled often
    save_model(model, "tiny.npz")
    plain = ["sample", "--model", "tiny.npz", "--count", "3", "--length", "30", "--seed", "5", "--quiet"]
    assert done(*plain).stdout != done(*plain, *option.split(" ")).stdout


def test_the_log_probability_of_a_sample_is_its_score(folder):
    """From the model's file to both figures, whatever restricts the decoding."""
    arguments = "--stop \n --top-k 4 --temperature 0.7 --seed 3 --count 5".split(" ")
    arguments[1] = "\n"
    for record in records("tiny.npz", *arguments):
        Path("one.txt").write_text(record["text"], encoding="utf-8")
        score = json.loads(done("perplexity", "--model", "tiny.npz", "one.txt", "--json").stdout)
        assert score["tokens"] == record["tokens"]
        assert score["perplexity"] == pytest.approx(record["perplexity"], rel=1e-5)
        assert score["nats_per_token"] * score["tokens"] == pytest.approx(-record["log_probability"], rel=1e-5)


def test_samples_of_a_length_and_none_twice(folder):
    done(*TRAIN, "--quiet", "--lines")
    arguments = ["new.npz", "--count", "30", "--seed", "5", "--min-length", "5", "--max-length", "7"]
    assert {len(record["text"]) for record in records(*arguments)} == {5, 6, 7}
    result = done("sample", "--model", *arguments)
    counts = [int(number) for number in re.findall(r"(\d+) (?:with|empty|too|copied|rep)", result.stderr)]
    sampled, rejected = map(int, re.search(r"sampled (\d+), rejected (\d+)", result.stderr).groups())
    assert sampled == 30 + rejected and rejected == sum(counts) > 0
    texts = [record["text"] for record in records("new.npz", "--count", "20", "--max-length", "2", "--seed", "5")]
    again = [r["text"] for r in records("new.npz", "--count", "20", "--max-length", "2", "--seed", "5", "--unique")]
    assert len(set(texts)) < 20 == len(set(again))


def test_copies_are_rejected_unless_they_are_allowed(folder):
    """A model that can only write the one line of its text."""
    Path("one.txt").write_text("a line that is there\n" * 40, encoding="utf-8")
    options = "--hidden 24 --layers 1 --batch 4 --epochs 150 --lr 0.02 --threads 1 --holdout 0 --lines --quiet"
    done("train", "one.txt", "-o", "one.npz", *options.split())
    cold = ["one.npz", "--temperature", "0.1", "--count", "2", "--seed", "1"]
    found = records(*cold, "--allow-copies")
    assert [(r["text"], r["novel"], r["longest_copied_run"]) for r in found] == [
        ("a line that is there", False, 20)
    ] * 2
    result = run("sample", "--model", *cold, "--max-tries", "30")
    assert result.exit_code == 1 and result.stdout == ""
    report, error = result.stderr.splitlines()
    assert report.startswith("asked 2, found 0, sampled 3") and "copied" in report
    assert "then 30 were rejected in a row (30 copied)" in error and "--allow-copies" in error
    Path("other.txt").write_text("and another\n", encoding="utf-8")
    assert [record["novel"] for record in records(*cold, "--corpus", "other.txt")] == [True, True]
    run_of_17 = ["--start-with", "a line that is th", "--temperature", "9", "--seed", "1"]
    assert records("one.npz", "--count", "9", *run_of_17, "--max-copied", "17")
    assert run("sample", "--model", "one.npz", *run_of_17, "--max-copied", "16", "--max-tries", "50").exit_code == 1


def test_what_was_found_is_printed_before_the_reason(folder):
    done(*TRAIN, "--quiet", "--lines", "--ngrams", "0")
    arguments = "sample --model new.npz --count 500 --max-length 2 --unique --seed 1 --max-tries 300".split()
    result = run(*arguments)
    assert result.exit_code == 1
    letters = result.stdout.splitlines()
    assert len(set(letters)) == len(letters) > 3
    report, error = result.stderr.splitlines()
    assert report.startswith(f"asked 500, found {len(letters)}, sampled ")
    check_error(error + "\n", "500 samples repeated --unique")


def test_a_pattern_is_filled(folder):
    done(*TRAIN, "--quiet", "--lines")
    lines = done("sample", "--model", "new.npz", "--fill", "c_b _a_", "--count", "5", "--seed", "1").stdout.splitlines()
    assert len(lines) == 5 and all(re.fullmatch("c.b .a.", line) for line in lines)
    (best,) = {r["text"] for r in records("new.npz", "--fill", "c_b _a_", "--temperature", "0")}
    assert best in {r["text"] for r in records("new.npz", "--fill", "c_b _a_", "--count", "300", "--seed", "1")}


def test_beginnings_from_a_pipe(folder):
    done(*TRAIN, "--quiet", "--lines")
    command = ["sample", "--model", "new.npz", "--interactive", "--count", "2", "--seed", "5"]
    result = done(*command, input="ca\r\nab\n\nda")
    lines = result.stdout.splitlines()
    assert [line[:2] for line in lines[:4]] == ["ca", "ca", "ab", "ab"]
    assert [line[:2] for line in lines[6:]] == ["da", "da"] and len(lines) == 8
    assert result.stderr.count("\n") == 1 and result.stderr.startswith("asked 8, sampled ")
    failing = run(*command, input="ca\nZ\nab\n")
    assert failing.exit_code == 1
    assert [line[:2] for line in failing.stdout.splitlines()] == ["ca", "ca", "", "ab", "ab"]
    assert "'Z'" in failing.stderr
    rows = list(map(json.loads, run(*command, "--json", input=b"\xef\xbb\xbfca\nZ\ncaf\xe9\n\n").stdout.splitlines()))
    assert [row["start_with"] for row in rows] == ["ca", "ca", "Z", "caf\\xe9", "", ""]
    assert [list(row) for row in rows[1:4]] == [[*SAMPLE, "start_with"], *2 * [["error", "start_with"]]]
    assert "never seen 'Z' in this beginning" in rows[2]["error"] and "not UTF-8" in rows[3]["error"]
    short = run(*command, "--json", "--max-length", "2", "--unique", "--max-tries", "50", input="ca\nab\n")
    assert [list(json.loads(line))[0] for line in short.stdout.splitlines()] == ["text", "error"] * 2
    check_failure(folder, [*command, "--encoding", "utf-16"], 2, "--interactive utf-16", input=b"ca\n")
    check_failure(folder, [*command, "--encoding", "none"], 2, "no text encoding 'none'", input=b"ca\n")


def test_a_program_gets_its_rows_before_it_writes_the_next_line(folder):
    """Also where there is no sample: else it would wait forever."""
    options = ["--interactive", "--count", "2", "--length", "9", "--json", "-q"]
    command = [*COMMAND, "sample", "--model", "tiny.npz", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as client:
        guard = threading.Timer(50, client.kill)
        guard.start()
        for beginning, fields in (("ab", "text"), ("Z", "error"), ("", "text")):
            client.stdin.write(beginning.encode() + b"\n")
            client.stdin.flush()
            for _ in range(1 if fields == "error" else 2):
                row = json.loads(client.stdout.readline())
                assert row["start_with"] == beginning and fields in row
        rest, errors = client.communicate()
        guard.cancel()
    assert (client.returncode, rest) == (1, b"")
    check_error(errors.decode(), "beginning the rows with an error say why")


def test_a_person_types_beginnings_until_the_end(folder):
    """At a terminal: a prompt, the samples, an error that ends nothing, and the end with Ctrl-D."""
    done(*TRAIN, "--quiet", "--lines")
    master, terminal = os.openpty()
    command = [*COMMAND, "sample", "--model", "new.npz", "--interactive", "--count", "2", "--seed", "5"]
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        shown = ""
        for prompts, typed in enumerate(("ca\n", "Z\n", "ab\n", "\x04"), 1):
            while len(re.findall("^> ", shown, re.M)) < prompts:
                shown += os.read(master, 1000).decode()
            os.write(master, typed.encode())
        assert process.wait(30) == 0
    try:
        while more := os.read(master, 1000).decode():
            shown += more
    except OSError:
        pass
    os.close(master)
    assert len(re.findall("^ca.+", shown, re.M)) >= 2 and len(re.findall("^ab.+", shown, re.M)) >= 2
    assert "charlm: the model has never seen 'Z' in this beginning;" in shown and "asked 4, sampled" in shown
    assert shown.startswith("type the beginning of a sample") and "Ctrl-D" in shown.splitlines()[0]


def test_two_streams_are_two_lines_at_least(folder):
    text = done("sample", "--model", "tiny.npz", "--count", "4", "--length", "3", "--seed", "5").stdout
    texts = [record["text"] for record in records("tiny.npz", "--count", "4", "--length", "3", "--seed", "5")]
    assert text == "".join(part + "\n" * (not part.endswith("\n")) for part in texts)


def test_a_terminal_shows_where_a_sample_of_a_stream_ends_and_json_says_it(folder):
    options = ["--model", "tiny.npz", "--count", "5", "--length", "4", "--stop", "g", "--seed", "1"]
    found = records(*options[1:])
    assert {record["ended"] for record in found} == {True, False}
    assert all(record["ended"] == ("g" in record["text"]) for record in found)
    assert "--json prints one object per sample" in done("sample", *options).stderr
    texts = [record["text"] + ("" if record["ended"] else "[…]") for record in found]
    between = "────────\n"
    shown = between.join(text + "\n" * (not text.endswith("\n")) for text in texts)
    assert in_a_terminal(80, "sample", *options, "-q") == shown.splitlines()


def test_perplexity_for_programs_and_for_people(folder):
    """Here the network is alone, as its reference is."""
    replace(load_model("tiny.npz"), mixture=None).save("alone.npz")
    text = "a cab, é\nabba\n"
    Path("other.txt").write_text(text, encoding="utf-8")
    figures = json.loads(done("perplexity", "--model", "alone.npz", "other.txt", "--json").stdout)
    assert figures.keys() >= {
        "tokens",
        "unknown_tokens",
        "nats_per_token",
        "perplexity",
        "perplexity_without_unknowns",
        "bits_per_character",
        "bits_per_byte",
        "characters",
        "bytes",
        "lines",
    }
    counts = {"tokens": 14, "unknown_tokens": 2, "characters": 14, "bytes": 15, "lines": 2}
    assert {name: figures[name] for name in counts} == counts
    assert figures["perplexity"] == pytest.approx(math.exp(figures["nats_per_token"]))
    assert figures["bits_per_character"] == pytest.approx(figures["nats_per_token"] / math.log(2))
    assert figures["bits_per_byte"] == pytest.approx(figures["bits_per_character"] * 14 / 15)
    model = load_model("alone.npz")
    ids = model.vocabulary.encode(text)
    nats = Reference(model.architecture, model.parameters).forward(np.r_[EOS, ids[:-1]][:, None], ids[:, None])[:, 0]
    assert figures["nats_per_token"] == pytest.approx(nats.mean(), rel=1e-5)
    assert figures["perplexity_without_unknowns"] == pytest.approx(np.exp(nats[ids != UNKNOWN].mean()), rel=1e-5)
    people = done("perplexity", "--model", "alone.npz", "other.txt").stdout
    assert f"{figures['bits_per_byte']:.4f}" in people
    assert "<UNK> 2 (14.29 %)" in people
    halves = ["a cab, é\r\n".encode(), b"abba"]
    Path("half.txt").write_bytes(halves[0])
    both = done("perplexity", "--model", "alone.npz", "half.txt", "-", "--json", input=halves[1])
    assert json.loads(both.stdout) == figures


def test_text_in_another_encoding(folder, tiny_text):
    Path("wide.txt").write_text(tiny_text, encoding="utf-16-le")
    wide = ["wide.txt", "--encoding", "utf-16-le"]
    score = ["perplexity", "--model", "tiny.npz", "--json"]
    assert done(*score, *wide).stdout == done(*score, "text.txt").stdout
    sample = ["sample", "--model", "tiny.npz", "--length", "9", "--seed", "1", "--quiet"]
    for option in "--prime-file", "--corpus":
        assert done(*sample, option, *wide).stdout == done(*sample, option, "text.txt").stdout
    typed = done(*sample, "--interactive", "--encoding", "latin-1", input=b"ca\nda\n")
    assert typed.stdout == done(*sample, "--interactive", input="ca\nda\n").stdout
    assert "'é'" in run(*sample, "--interactive", "--encoding", "latin-1", input=b"\xe9\n").stderr


def test_perplexity_starts_the_threads_that_are_asked_for(folder, monkeypatch):
    from charlm.network.threads import ThreadPool

    begun, begin = [], ThreadPool.__init__
    monkeypatch.setattr("charlm.scoring.scorer.WITHOUT_COMPILER", 0)
    monkeypatch.setattr(
        ThreadPool, "__init__", lambda pool, threads=None: begun.append(threads) or begin(pool, threads)
    )
    done("perplexity", "--model", "tiny.npz", "text.txt", "--threads", "3")
    assert begun == [3]


def test_info_shows_the_contents_of_a_model(folder, tiny_text):
    header = json.loads(done("info", "tiny.npz", "--json").stdout)
    model = load_model("tiny.npz")
    assert header["architecture"] == model.architecture.as_dict()
    assert header["parameters"] == len(model.parameters)
    assert header["vocabulary"]["symbols"] == list(model.vocabulary.symbols)
    assert header["training"]["corpus"]["sha256"] == hashlib.sha256(tiny_text.encode()).hexdigest()
    novelty = model.novelty
    assert header["novelty"] == novelty.as_dict() | {
        "shortest_run": 16,
        "line_false_positive_rate": novelty.line_rate,
        "run_false_positive_rate": novelty.run_rate,
    }
    people = done("info", "tiny.npz").stdout
    for words in (
        "lstm, 1 layer of 6",
        f"{len(model.parameters):,} parameters",
        "one stream",
        header["training"]["corpus"]["sha256"],
        f"{model.training['valid_loss']:.4f} nats",
        "known lines    every line",
        f"false positives {100 * novelty.line_rate:.2g} %",
        "every run of 16 characters or more",
        f"false positives {100 * novelty.run_rate:.2g} %",
    ):
        assert words in people


def test_info_has_the_unit_of_the_task_and_the_settings_that_were_given(folder):
    (folder / "labels.txt").write_text("x\tabba\ny\tcab\n" * 30)
    done("train", "labels.txt", "-o", "labels.npz", "--task", "classify", "--hidden", "3", "--minutes", "0.02")
    lines = {line[:14].strip(): line[15:] for line in done("info", "labels.npz").stdout.splitlines()}
    assert lines["trained on"] == "labels.txt: 390 bytes, 54 lines for training, 6 held out"
    assert re.fullmatch(r"[\d.]+ nats per line: the right answer gets [\d.]+ % \(.*\)", lines["held-out loss"])
    assert re.fullmatch(r"[\d,]+ updates?, [\d,]+ lines, [\d.]+ epochs?", lines["trained for"])
    assert lines["settings"].startswith("0.02 minutes; each update reads up to 32 lines with 2,048 characters in all; ")
    assert lines["task"] == "classify: a label for each line; 2 labels: y, x" or lines["task"].endswith(": x, y")
    people = done("info", "tiny.npz").stdout
    assert "None" not in people and "planned" not in people and "6 epochs; each update reads 4 pieces of 8" in people
    assert re.search(r"nats per character, perplexity ([\d.]+): as surprised as by [\d.]+ equally likely char", people)


TASKS = {
    "text": ("abba cab\nsome more\n" * 30, "character", "text: the next token"),
    "classify": ("p\tcab\np\tabba\nq\tegg\n" * 40, "line", "classify: a label for each line; 2 labels: p, q"),
    "generate": ("p\tcab\np\tabba\nq\tegg\n" * 40, "character", "generate: lines given their label; 2 labels: p, q"),
    "tag": ("cab\tp\negg\tq\n\n" * 40, "word", "tag: a tag for each word of a sentence; 2 tags: p, q; 2 words known"),
    "translate": ("ab\tba\n" * 40, "character", "translate: a target for each source; targets of up to 2 characters"),
    "chords": ("a b\nb\n\n" * 40, "step", "chords: the next set of symbols; a usual sequence has 2 steps"),
}


@pytest.mark.parametrize("length", [["--epochs", "1"], ["--minutes", "0.001"]], ids=["epochs", "minutes"])
@pytest.mark.parametrize(
    ("task", "more"),
    [
        *((task, []) for task in TASKS),
        ("text", ["--lines"]),
        ("text", ["--level", "word"]),
        ("text", ["--level", "subword"]),
        ("text", ["--level", "byte", "--holdout", "0"]),
        ("text", ["--cell", "feedforward", "--embedding", "2", "--lines"]),
        ("classify", ["--bidirectional", "--level", "word"]),
        ("translate", ["--bidirectional", "--level", "byte"]),
        ("tag", ["--bidirectional"]),
    ],
    ids=str,
)
def test_info_makes_sense_for_each_task_level_and_mode(folder, task, more, length):
    text, unit, description = TASKS[task]
    level = more[more.index("--level") + 1] if "--level" in more else None
    unit = level if level and unit == "character" else unit
    (folder / "examples.txt").write_text(text)
    done("train", "examples.txt", "-o", "task.npz", "-q", "--task", task, *SMALL, *length, *more)
    printed = done("info", "task.npz").stdout
    assert not re.search(r"None|nan|inf\b|'[a-z]+':|(?<![\d.,])1 \w+s\b(?! held)|planned", printed)
    rows = {line[:14].strip(): line[15:] for line in printed.splitlines()}
    assert rows["task"] == description.replace("2 characters", f"2 {unit}s")
    assert re.match(
        rf"examples.txt: \d+ bytes, [\d,]+ {unit}s for training, (\d+|nothing) held out", rows["trained on"]
    )
    assert re.match(rf"[\d,]+ updates?, [\d,]+ {unit}s?, [\d.,]+ epochs?$", rows["trained for"])
    assert rows["settings"].startswith("1 epoch; " if "--epochs" in length else "0.001 minutes; ")
    assert ("text" in rows) == (task == "text") and ("known lines" in rows) == (task in ("text", "generate"))
    if "--holdout" in more:
        assert "held-out loss" not in rows
    elif task in ("classify", "tag", "chords"):
        assert "the right answer gets" in rows["held-out loss"] and "perplexity" not in printed
    else:
        assert f"nats per {unit}, perplexity " in rows["held-out loss"]
        assert rows["held-out loss"].endswith(f" equally likely {unit}s")


def test_a_model_without_a_record_of_its_training_text(folder):
    done("train", "text.txt", "-o", "plain.npz", *SMALL, "--epochs", "1", "--no-novelty")
    done("train", "text.txt", "-o", "known.npz", *SMALL, "--epochs", "1")
    assert load_model("plain.npz").novelty is None and load_model("known.npz").novelty is not None
    assert json.loads(done("info", "plain.npz", "--json").stdout)["novelty"] is None
    assert "known lines    none" in done("info", "plain.npz").stdout
    assert done("sample", "--model", "plain.npz", "--seed", "1").stdout


def test_a_large_text_is_thinned_and_info_says_so(folder, monkeypatch):
    monkeypatch.setattr(Novelty, "of_text", partial(Novelty.of_text, cap=250))
    done("train", "text.txt", "-o", "thin.npz", *SMALL, "--stream", "--epochs", "1")
    novelty = load_model("thin.npz").novelty
    assert novelty.window > 1
    people = done("info", "thin.npz").stdout
    assert f"every run of {15 + novelty.window} characters or more" in people
    assert f"one in {novelty.window} neighbouring runs of 16 is kept" in people


@pytest.mark.parametrize("arguments", [[], *([name] for name in program.commands)], ids=" ".join)
def test_help_gives_ranges_in_words(arguments):
    text = " ".join(done(*arguments, "--help").stdout.split())
    assert not re.search(r"[<>]=?x|x[<>]|\]  \[", text)
    if arguments == ["train"]:
        for words in ("at least 0 and below 1]", "[default: chosen; 1 to 4]", "[above 0]"):
            assert words in text


@pytest.mark.parametrize("arguments", [[], *([name] for name in program.commands)], ids=" ".join)
def test_help_names_every_option(arguments):
    command = program.commands[arguments[0]] if arguments else program
    result = done(*arguments, "--help")
    assert result.stderr == ""
    assert result.stdout == done(*arguments, "-h").stdout
    assert result.stdout.startswith(f"Usage: charlm {' '.join(arguments)}")
    assert max(map(len, result.stdout.splitlines())) <= 80
    options = [name for option in command.params if isinstance(option, click.Option) for name in option.opts]
    for name in [*options, *getattr(command, "commands", ())]:
        assert name in result.stdout


@pytest.mark.parametrize("name", ["", *program.commands])
def test_help_ends_with_examples_whose_options_exist(name):
    _, _, examples = done(*name.split(), "--help").stdout.partition("Examples:\n")
    commands = [part.split() for part in re.split(r"[|\n]", examples) if part.split()[:1] == ["charlm"]]
    assert 2 <= len(commands) <= 3
    for _, command, *words in commands:
        assert not name or command == name
        options = {option for parameter in program.commands[command].params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= options


@pytest.mark.parametrize(
    "command", ["sample", "perplexity text.txt", "states text.txt", "predict text.txt", "evaluate text.txt", "info"]
)
def test_every_command_takes_the_model_by_a_short_name(folder, command):
    short, long = (run(*command.split(), option, "tiny.npz") for option in ("-m", "--model"))
    assert short.exit_code == long.exit_code and short.stderr.count("\n") == long.stderr.count("\n")
    assert "tiny.npz" in short.stdout or command != "info"
    assert "--model" not in short.stderr


def test_the_shell_completes_commands_options_and_choices(folder):
    """As bash asks for it; charlm answers without NumPy."""
    code = "from charlm.cli import program; program(prog_name='charlm')"
    for words, wanted in (
        ("charlm pe", "plain,perplexity"),
        ("charlm sample --temp", "plain,--temperature"),
        ("charlm train --cell g", "plain,gru"),
        ("charlm perplexity -m ti", "file,ti"),
        ("charlm info ti", "file,ti"),
    ):
        env = os.environ | {
            "_CHARLM_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": f"{words.count(' ')}",
        }
        command = [sys.executable, "-X", "importtime", "-c", code]
        result = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert result.stdout.splitlines() == [wanted]
        assert "numpy" not in result.stderr


def test_version():
    assert done("--version").output == f"charlm {charlm.__version__}\n"


# Pipes, terminals, imports


def imported(*arguments):
    """The packages that a command imports, and its exit code."""
    command = [sys.executable, "-X", "importtime", *COMMAND[1:], *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    lines = [line for line in result.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}, result.returncode


@pytest.mark.parametrize(
    ("arguments", "code", "packages"),
    [
        (["--help"], 0, {"numba", "numpy", "rich", "dataclasses"}),
        (["sample", "--help"], 0, {"numba", "numpy", "rich", "dataclasses"}),
        (["train", "--help"], 0, {"numba", "numpy", "rich"}),
        (["sample", "--nope"], 2, {"numba", "numpy", "rich"}),
        (["sample", "--model", "tiny.npz", "--length", "20"], 0, {"numba", "llvmlite", "rich"}),
        (["perplexity", "--model", "tiny.npz", "text.txt"], 0, {"numba", "llvmlite", "rich"}),
        (["info", "tiny.npz"], 0, {"numba", "llvmlite", "rich"}),
        (["train", "missing.txt", "-o", "new.npz"], 1, {"rich"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_imports_only_what_it_needs(folder, arguments, code, packages):
    found, returned = imported(*arguments)
    assert returned == code
    assert {"charlm", "click"} <= found
    assert not found & packages


@pytest.mark.parametrize("redirection", [f">'{FULL}'", ">&-"], ids=["full", "closed"])
@pytest.mark.parametrize(
    "arguments",
    [
        "sample --model tiny.npz --length 20 --quiet",
        "perplexity --model tiny.npz text.txt",
        "info tiny.npz",
    ],
)
def test_standard_output_that_takes_nothing(folder, arguments, redirection):
    result = shell(*arguments.split(), redirection=redirection)
    assert result.returncode == 1
    check_error(result.stderr, "standard output")


def test_help_for_a_full_disk(folder):
    result = shell("--help", redirection=f">'{FULL}'")
    assert result.returncode == 1
    check_error(result.stderr, "standard output")


def test_standard_input_that_is_closed(folder):
    result = shell("perplexity", "--model", "tiny.npz", "-", redirection="<&-")
    assert result.returncode == 1
    check_error(result.stderr, "standard input")


def test_standard_error_that_is_closed(folder):
    assert shell("sample", "--model", "tiny.npz", "--seed", "1", redirection="2>&-").returncode == 0
    assert shell("sample", "--model", "text.txt", redirection="2>&-").returncode == 1
    assert shell(*TRAIN, redirection="2>&-").returncode == 0


def test_the_reader_goes_away(folder):
    """As in ``charlm sample … | head -1``: it ends as other filters do, and says nothing."""
    command = [*COMMAND, "sample", "--model", "tiny.npz", "--length", "10000000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        line = process.stdout.readline()
        process.stdout.close()
        assert process.wait(20) == -signal.SIGPIPE
        assert process.stderr.read() == b""
    assert line.endswith(b"\n")


def test_samples_come_as_they_are_sampled(folder):
    """Each line of a text that takes hours to draw is there at once."""
    command = [*COMMAND, "sample", "--model", "tiny.npz", "--length", "100000000", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        lines = [process.stdout.readline() for _ in range(20)]
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    assert all(line.endswith(b"\n") for line in lines)


def hostile_model(path):
    """A model of characters that steer a terminal, which begins with what it is primed with."""
    vocabulary = Vocabulary("char", "\x1b[31m\u202e\x9b")
    architecture = Architecture(len(vocabulary), "rnn", 2, 1)
    parameters = np.zeros(architecture.number_of_parameters, np.float32)
    model = Model(architecture=architecture, vocabulary=vocabulary, parameters=parameters, lines=False)
    model.named_parameters["b_y"][:2] = -50
    save_model(model, path)
    return ["sample", "--model", str(path), "--start-with", "\x1b[31m\u202e\x9b", "--length", "9", "--quiet"]


def test_a_terminal_is_not_steered_by_a_sample(folder):
    arguments = hostile_model(folder / "hostile.npz")
    master, terminal = os.openpty()
    result = subprocess.run([*COMMAND, *arguments], stdout=terminal, stderr=subprocess.PIPE, timeout=60)
    os.close(terminal)
    shown = os.read(master, 10_000).decode()
    os.close(master)
    assert (result.returncode, result.stderr) == (0, b"")
    assert shown.startswith("␛[31m\\u202e\\x9b")
    assert not set(shown) & set("\x1b\u202e\x9b")
    assert done(*arguments).stdout.startswith("\x1b[31m\u202e\x9b")  # but nothing is changed in a file


def test_a_terminal_is_not_steered_by_an_error_or_a_name(folder):
    result = run("info", "evil\x1b[31m.npz")
    assert "\x1b" not in result.stderr and "evil␛[31m" in result.stderr
    hostile_model(folder / "evil\x1b[31m.npz")
    shown = done("info", "evil\x1b[31m.npz").stdout
    assert "evil␛[31m" in shown
    assert not set(shown) & set("\x1b\u202e\x9b")


@pytest.mark.parametrize("code", range(0xA0))
def test_control_characters_are_made_visible(code):
    shown = visible(f"a{chr(code)}b")
    if chr(code) in "\n\t" or 0x20 <= code < 0x7F:
        expected = chr(code)
    elif code < 0x20:
        expected = chr(0x2400 + code)
    else:
        expected = "␡" if code == 0x7F else f"\\x{code:02x}"
    assert shown == f"a{expected}b"


def test_names_read_in_another_encoding_are_shown_as_what_they_are():
    assert visible("\udcc3\udca9.npz \udcff \udcc2\udc9b \udcc3") == "é.npz \\udcff \\x9b \\udcc3"


def test_where_no_thread_can_be_started_it_says_so(folder, monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    result = run("train", "text.txt", "-o", "new.npz", "--epochs", "1", "--threads", "2")
    assert result.exit_code == 1
    check_error(result.stderr.splitlines(keepends=True)[-1], "thread --threads")


@pytest.mark.parametrize(
    "code",
    [
        0xAD,
        0x61C,
        *range(0x200B, 0x2010),
        *range(0x2028, 0x202F),
        *range(0x2060, 0x2070),
        0xFEFF,
        0xFFF9,
        0xE0001,
        0xE0041,
        0xD800,
        0xDC80,
        0xDFFF,
        0xFFFE,
    ],
    ids=hex,
)
def test_what_turns_the_direction_or_is_no_character_is_made_visible(code):
    expected = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    assert visible(f"é{chr(code)}b") == f"é{expected}b"


@pytest.mark.parametrize("text", ["", "plain text\twith a tab\n", "Füße, 日本語, 😀, a\u00a0b", "na\u0308ive"])
def test_text_is_shown_as_it_is(text):
    assert visible(text) == text


@given(st.text(st.characters(exclude_categories=())))
def test_whatever_is_shown_can_be_written(text):
    shown = visible(text)
    shown.encode()
    assert all(character in "\n\t" or character.isprintable() or character.isspace() for character in shown)
    assert not set(shown) & {chr(code) for code in (*range(9), *range(11, 32), *range(0x7F, 0xA0), 0x2028, 0x2029)}


# Stop and resume


LONG = "--hidden 8 --layers 1 --batch 2 --steps 6 --epochs 50 --threads 1 --dropout 0.1".split()
STOPS = {"stream": (signal.SIGINT, ["--stream"]), "lines": (signal.SIGTERM, ["--lines", "--cell", "gru"])}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def long_training(tiny_text, tmp_path_factory):
    """A function that makes a folder with the text, and the options of a training that takes a while in it."""

    def prepare(kind):
        place = tmp_path_factory.mktemp(kind)
        (place / "text.txt").write_text(tiny_text, encoding="utf-8")
        return place, [*COMMAND, "train", "text.txt", "-o", "m.npz", "--log", "log.jsonl", *LONG, *STOPS[kind][1]]

    return prepare


@pytest.fixture(scope="module", params=list(STOPS))
def stopped(request, long_training):
    """A training that a signal stopped after its first report."""
    place, command = long_training(request.param)
    log, number = place / "log.jsonl", STOPS[request.param][0]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 60
        while not (log.exists() and log.stat().st_size):
            assert process.poll() is None and time.monotonic() < until, process.stderr.read()
            time.sleep(0.005)
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    until_signal = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return {
        "kind": request.param,
        "place": place,
        "command": command,
        "signal": number,
        "code": process.returncode,
        "output": output,
        "errors": errors,
        "seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime - until_signal,
    }


def copy_of(stopped, tmp_path):
    return Path(shutil.copytree(stopped["place"], tmp_path / "copy"))


def test_a_signal_stops_and_saves(stopped):
    assert stopped["code"] == 128 + stopped["signal"]
    assert stopped["seconds"] < 2  # of the processor: a busy machine does not lengthen them
    assert stopped["output"] == ""
    assert "Traceback" not in stopped["errors"]
    assert stopped["errors"].splitlines()[-2:] == [
        "to continue, type:",
        "  charlm train text.txt -o m.npz --resume --log log.jsonl",
    ]
    assert {path.name for path in stopped["place"].iterdir()} == {"log.jsonl", "m.checkpoint.npz", "m.npz", "text.txt"}
    training = load_model(stopped["place"] / "m.npz").training
    assert 0 < training["tokens"] < 33 * training["corpus"]["train_tokens"]  # it was stopped early


def test_a_resumed_training_ends_with_the_same_bytes(stopped, long_training, tmp_path, monkeypatch):
    place, command = copy_of(stopped, tmp_path), stopped["command"]
    records = len((place / "log.jsonl").read_text(encoding="utf-8").splitlines())
    monkeypatch.chdir(place)
    result = done("train", "text.txt", "-o", "m.npz", "--resume", "--log", "log.jsonl")
    assert "resuming after" in result.stderr
    whole, _ = long_training(stopped["kind"])
    monkeypatch.chdir(whole)
    done(*command[len(COMMAND) :], "--quiet")
    assert digest(place / "m.npz") == digest(whole / "m.npz")
    assert not (place / "m.checkpoint.npz").exists()
    lines = [json.loads(line) for line in (place / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) > records
    assert [line["step"] for line in lines] == sorted(line["step"] for line in lines)
    steps = {line["step"]: line["valid_loss"] for line in lines if line["valid_loss"]}
    logged = map(json.loads, (whole / "log.jsonl").read_text(encoding="utf-8").splitlines())
    assert steps == {line["step"]: line["valid_loss"] for line in logged if line["valid_loss"]}


def test_a_resumed_feed_forward_network_has_its_context(folder, monkeypatch):
    """Options that are not given come from the checkpoint, here ``--cell`` and ``--context``."""
    options = [*TRAIN, "--cell", "feedforward", "--context", "3"]
    done(*options)
    whole = digest(folder / "new.npz")
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["charlm.cli.train"], "caught_signals", lambda: nullcontext([signal.SIGTERM]))
        assert run(*options).exit_code == 128 + signal.SIGTERM
    assert "sees the last 3 tokens" in done("train", "text.txt", "-o", "new.npz", "--resume").stderr
    assert digest(folder / "new.npz") == whole
    assert "feedforward of 3 tokens" in done("info", "new.npz").stdout


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--hidden", "9"], "--hidden (9 now, 8 then)"),
        (["--lr", "0.5", "--dropout", "0"], "--lr (0.5 now, then) --dropout (0.0 now, 0.1 then)"),
        (["--cell", "rnn"], "--cell (rnn now,"),
        (["--epochs", "51"], "--epochs (51.0 now, 50.0 then)"),
        (["--max-vocabulary", "4"], "--max-vocabulary"),
        (["--holdout", "0.5"], "--holdout"),
        (["--level", "byte"], "--level"),
        (["--valid", "text.txt"], "--valid"),
        (["--encoding", "nope"], "encoding"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_resuming_with_other_settings_names_them(stopped, tmp_path, monkeypatch, change, words):
    place = copy_of(stopped, tmp_path)
    monkeypatch.chdir(place)
    code = 2 if change[0] == "--encoding" else 1
    check_failure(place, ["train", "text.txt", "-o", "m.npz", "--resume", *change], code, words)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        ("other corpus", "the text differs bytes now"),
        ("no corpus", "text.txt"),
        ("missing", "nothing to resume"),
        ("empty", "m.checkpoint.npz"),
        ("cut short", "m.checkpoint.npz"),
        ("text", "m.checkpoint.npz"),
        ("table", "m.checkpoint.npz"),
        ("future", "m.checkpoint.npz"),
        ("a model", "m.checkpoint.npz"),
    ],
)
def test_resuming_without_what_it_needs(stopped, tmp_path, monkeypatch, make, words):
    place = copy_of(stopped, tmp_path)
    monkeypatch.chdir(place)
    if make == "other corpus":
        (place / "text.txt").write_text("another text\n" * 90, encoding="utf-8")
    elif make == "no corpus":
        (place / "text.txt").unlink()
    elif make == "a model":
        shutil.copy("m.npz", "m.checkpoint.npz")
    else:
        damaged(place / "m.checkpoint.npz", make)
    check_failure(place, ["train", "text.txt", "-o", "m.npz", "--resume"], 1, words)


@pytest.mark.parametrize("options", [{"more": 1}, {"hidden": "many"}, {"level": "letters"}, {"holdout": [1]}])
def test_a_checkpoint_with_impossible_options(stopped, tmp_path, monkeypatch, options):
    place = copy_of(stopped, tmp_path)
    monkeypatch.chdir(place)
    with np.load("m.checkpoint.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(arrays.pop("header").tobytes())
    write_archive("m.checkpoint.npz", header | {"options": header["options"] | options}, arrays)
    check_failure(place, ["train", "text.txt", "-o", "m.npz", "--resume"], 1, "m.checkpoint.npz damaged")


def test_one_run_per_output(folder):
    with exclusive_training("new.npz"):
        result = run(*TRAIN)
    assert result.exit_code == 1
    check_error(result.stderr, "another charlm new.npz")
    done(*TRAIN)
    assert not Path(".new.npz.lock").exists()


def test_a_log_that_cannot_be_written_is_named(folder):
    Path("log").symlink_to(FULL)
    result = run(*TRAIN, "--log", "log")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "charlm: error: cannot write log: No space left on device"


def test_a_percent_sign_is_a_token_like_others(folder):
    Path("percent.txt").write_text("5 % of %d and %s\n" * 30, encoding="utf-8")
    done("train", "percent.txt", "-o", "percent.npz", *SMALL, "--epochs", "1")
    rows = done("perplexity", "--model", "percent.npz", "--per-token", "percent.txt").stdout.splitlines()
    assert len(rows) == 17 * 30 and sum(row.startswith("%\t") for row in rows) == 3 * 30


def test_commands_are_named_in_the_order_of_their_use():
    shown = done("--help").stdout.split("Commands:")[1].split("Examples:")[0]
    assert [line.split()[0] for line in shown.splitlines() if line.strip()] == [
        *("train", "sample", "perplexity", "states", "predict", "evaluate", "report", "export", "import", "info")
    ]
    assert "..." not in shown


def test_no_option_is_suggested_when_none_is_similar(folder):
    shown = run("train", "text.txt", "--foo").stderr
    assert "--foo" in shown and "mean" not in shown


@pytest.mark.parametrize("command", [["perplexity", "--model", "tiny.npz"], ["sample"]])
def test_a_model_of_another_task_is_named(folder, command):
    Path("labelled.tsv").write_text("p\tcab\nq\tegg\n" * 20, encoding="utf-8")
    for task in ("classify", "generate"):
        done("train", "labelled.tsv", "-o", f"{task}.npz", "--task", task, *SMALL, "--epochs", "1", "--quiet")
    files = ["text.txt"] if command[0] == "perplexity" else []
    check_failure(folder, [*command, "--model", "classify.npz", *files], 2, "classify.npz: --task predict evaluate")
    check_failure(folder, [*command, "--model", "generate.npz", *files], 2, "generate.npz: --given LABEL q, p")


@pytest.mark.parametrize(
    ("task", "example"),
    [("classify", "p\tcab\nq\tegg\n"), ("tag", "cab\tp\n\negg\tq\n\n"), ("translate", "a\tb\n")],
)
def test_a_file_without_text_has_no_predictions_and_cannot_be_evaluated(folder, task, example):
    Path("examples.tsv").write_text(example * 40, encoding="utf-8")
    done("train", "examples.tsv", "-o", "task.npz", "--task", task, *SMALL, "--epochs", "1", "--quiet")
    nothing = done("predict", "--model", "task.npz", "empty.txt")  # of nothing, as other filters
    assert (nothing.stdout, nothing.stderr) == ("", "there is no text in empty.txt, so there is nothing to predict\n")
    check_failure(folder, ["evaluate", "--model", "task.npz", "empty.txt"], 1, "there is no text in empty.txt")


def test_perplexity_says_that_the_model_adapts(folder):
    plain, adapting = (
        done("perplexity", "--model", "tiny.npz", *more, "text.txt").stdout for more in ([], ["--adapt", "0.0008"])
    )
    assert "adapt" not in plain and "with --adapt 0.0008" in adapting
    figures = adapting.splitlines()[3:]
    assert len(figures) == 6 and all("(adapted)" in line for line in figures)
    options = ["perplexity", "--model", "tiny.npz", "text.txt", "--adapt", "0.0008"]
    assert json.loads(done(*options, "--json").stdout)["adapt"] == 0.0008
    assert "adapt" not in json.loads(done(*options[:-2], "--json").stdout)
    assert "the model, adapted   " in done(*options, "--baselines", "text.txt").stdout
    both = done(*options, "--model", "tiny.npz").stdout
    assert "all figures are adapted: each model kept learning from this text, with --adapt 0.0008" in both
    rows = json.loads(f"[{','.join(done(*options, '--model', 'tiny.npz', '--json').stdout.splitlines())}]")
    assert [row["adapt"] for row in rows] == [0.0008, 0.0008]
    done(*options, "--html", "adapted.html")
    page = Path("adapted.html").read_text(encoding="utf-8")
    assert page.count(", adapted</dt>") == 4 and "kept learning from the text, with --adapt 0.0008." in page
    done(*options[:-2], "--html", "plain.html")
    assert "adapt" not in Path("plain.html").read_text(encoding="utf-8")


def test_a_run_that_ends_early_tells_what_was_undecided(folder):
    """There are fewer letters than the samples of one letter that are asked for: some are whole when it gives up, and
    wait for the others of their three."""
    failing = run("sample", "--model", "tiny.npz", "--temperature", "0", "--unique", "--count", "3", "--length", "9")
    lines = run("train", "text.txt", *SMALL, "--lines", "--epochs", "1", "--ngrams", "0", "-o", "lines.npz")
    assert lines.exit_code == 0 and failing.exit_code == 1
    letters = ["--min-length", "1", "--max-length", "1", "--unique", "--best-of", "3"]
    ended = run("sample", "--model", "lines.npz", *letters, "--count", "20", "--max-tries", "100", "--seed", "1")
    report = ended.stderr
    assert ended.exit_code == 1
    found, sampled, rejected = (
        int(re.search(rf"{word} (\d+)", report)[1]) for word in ("found", "sampled", "rejected")
    )
    assert found + rejected < sampled and f"undecided {sampled - found - rejected}" in report


def test_tables_of_perplexity_fit_a_terminal(folder):
    Path("other.txt").write_text("a cab, abba\n" * 90, encoding="utf-8")
    shown = done("perplexity", "--model", "tiny.npz", "other.txt", "--baselines", "text.txt").stdout
    shown += done("perplexity", "--model", "tiny.npz", "--model", "tiny.npz", "other.txt").stdout
    assert max(map(len, shown.splitlines())) <= 80


def in_a_terminal(columns, *arguments):
    """What a command prints on a terminal of so many columns, as its lines."""
    master, terminal = os.openpty()
    printed = []

    def read():
        with suppress(OSError), open(master, "rb", buffering=0) as reading:  # its end is an error on Linux
            while part := reading.read(4096):
                printed.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setenv("COLUMNS", str(columns))
        with open(terminal, "w", encoding="utf-8") as stdout:
            patch.setattr(sys, "stdout", stdout)
            program(list(arguments), prog_name="charlm")
    reader.join()
    assert ended.value.code == 0
    return b"".join(printed).decode().replace("\r\n", "\n").splitlines()


@pytest.mark.parametrize(
    "command",
    [
        "perplexity -m tiny.npz text.txt",
        "perplexity -m tiny.npz text.txt --adapt 0.001",
        "perplexity -m tiny.npz text.txt --baselines text.txt",
        "perplexity -m tiny.npz -m other-model-with-a-name.npz text.txt",
        "info tiny.npz",
    ],
)
def test_a_narrow_terminal_breaks_no_word(folder, command):
    """All that the pipe has is there, in lines that fit; a wide terminal has the lines of the pipe."""
    shutil.copy("tiny.npz", "other-model-with-a-name.npz")
    piped = done(*command.split()).stdout
    assert "\n".join(in_a_terminal(300, *command.split())) + "\n" == piped
    words = [word for word in piped.split() if len(word) <= 36]
    for columns in (60, 40):
        lines = in_a_terminal(columns, *command.split())
        assert max(map(len, lines)) <= columns
        shown = " ".join(lines).split()
        assert not set(words) - set(shown), "a word was lost or broken"


def test_the_name_of_a_pipe_is_a_pipe(folder):
    text = Path("text.txt").read_bytes()
    reading, writing = os.pipe()
    os.write(writing, text[:1000])
    os.close(writing)
    try:
        done("perplexity", "-m", "tiny.npz", f"/dev/fd/{reading}", "--html", "pipe.html")
    finally:
        os.close(reading)
    page = Path("pipe.html").read_text(encoding="utf-8")
    assert "<title>a pipe</title>" in page and "/dev/fd" not in page
    assert name_of("/dev/stdin") == name_of("-") == "standard input"
    assert name_of("/dev/fd/99999") == "/dev/fd/99999" and name_of("text.txt") == "text.txt"
