"""The hidden states of a text: those of the network in NumPy, however the text is cut, as rows and as a file."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from test_scoring import model_of, random_text

import charlm
from charlm.cli import program
from charlm.errors import UsageError
from charlm.scoring import state_rows as states_module
from charlm.scoring.blocks import blocks, clean
from charlm.scoring.state_rows import state_rows


def found(model, text, by_line=False):
    """All rows of a text: lines, tokens or texts, states."""
    parts = list(state_rows(model, blocks(clean(text, model.vocabulary), True), by_line, threads=1))
    kinds = sum((part.texts for part in parts), []) if by_line else np.concatenate([part.tokens for part in parts])
    return np.concatenate([part.lines for part in parts]), kinds, np.concatenate([part.states for part in parts])


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("level", ["char", "subword", "byte"])
def test_the_states_at_the_tokens_are_those_of_the_network_in_numpy(lines, level, monkeypatch):
    merges = [(2, 3), (9, 10)] if level == "subword" else ()
    symbols = [*"abcdefg ", "ab", " ab"] if merges else list(b"abcdefg ") if level == "byte" else "abcdefg "
    model, text = model_of(lines, symbols=symbols, level=level, merges=merges), random_text(600) + "\n\nab x\n"
    numbers, tokens, states = found(model, text)
    assert np.array_equal(tokens, model.vocabulary.encode(text))
    assert np.array_equal(numbers, 1 + np.cumsum(np.append(0, tokens[:-1] == 0)))
    assert np.abs(states - charlm.states(model, text).a[-1]).max() < 1e-5
    monkeypatch.setattr(states_module, "PART", 50)
    assert all(map(np.array_equal, found(model, text), (numbers, tokens, states)))


def test_a_long_stream_is_read_in_chunks_with_their_burn_in(monkeypatch):
    model, text = model_of(cell="gru", layers=1), random_text(9000, symbols="abcdefg      \n")
    whole = found(model, text)
    assert np.abs(whole[2] - charlm.states(model, text).a[-1]).max() < 1e-3
    monkeypatch.setattr(states_module, "PART", 777)
    assert all(map(np.array_equal, found(model, text), whole))


@pytest.mark.parametrize("lines", [True, False])
def test_the_state_of_a_line_is_the_one_before_its_end(lines, monkeypatch):
    model, text = model_of(lines), "abc\n\ndeaf cab\na\n" * 40
    numbers, texts, states = found(model, text, by_line=True)
    assert numbers.tolist() == list(range(1, 161)) and texts == text.splitlines()
    tokens = model.vocabulary.encode(text)
    at_tokens = found(model, "\n" + text)[2]  # which begins with the state before a text
    assert np.abs(states - at_tokens[np.flatnonzero(tokens == 0)]).max() < (1e-6 if lines else 2)
    if lines:
        for row in range(4):
            alone = charlm.states(model, texts[row] or "\n").a[-1, -1]
            assert np.abs(states[row] - alone).max() < 1e-6
    else:
        assert np.abs(states[-1] - charlm.states(model, text[:-1]).a[-1, -1]).max() < 1e-5
    from_python = charlm.states(model, text, by="line")
    assert np.array_equal(from_python.a, states[None]) and from_python.c is None
    monkeypatch.setattr(states_module, "PART", 30)
    assert np.array_equal(found(model, text, by_line=True)[2], states)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_states_of_a_classifier_give_its_prediction(bidirectional):
    pairs = [("x", "abab"), ("y", "bbba"), ("x", "abba"), ("z", "b")] * 8
    sizes = {"hidden": 5, "layers": 1, "epochs": 2, "batch": 4, "threads": 1}
    model = charlm.train(pairs=pairs, task="classify", bidirectional=bidirectional, **sizes)
    texts = ["abab", "", "bbbabbab", "a"]
    states = charlm.states(model, "\n".join(texts), by="line").a
    assert states.shape == (1, 4, 10 if bidirectional else 5)
    logits = states[0] @ model.named_parameters["W_ya"] + model.named_parameters["b_y"]
    for row, predicted in zip(logits, charlm.predict(model, texts, top=3), strict=True):
        exact = np.exp(row - np.logaddexp.reduce(row))
        assert [predicted[label] for label in model.task.labels] == pytest.approx(exact.tolist(), rel=1e-4)
    with pytest.raises(UsageError, match="a state for each line and none for a token: give --per-line"):
        charlm.states(model, "a")


def run(*arguments, **settings):
    return CliRunner().invoke(program, ["states", "-m", "m.npz", *arguments], **settings)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model_of(lines=True).save("m.npz")
    (tmp_path / "text.txt").write_text("abc\n\nfed x\n", encoding="utf-8")
    return tmp_path


def test_a_file_has_the_states_and_what_they_belong_to(folder):
    result = run("text.txt", "-o", "states.npz", catch_exceptions=False)
    assert (result.stdout, result.stderr) == ("", "wrote states.npz: 11 states\n")
    with np.load("states.npz") as file:
        assert list(file) == ["states", "lines", "tokens", "symbols"]
        assert file["states"].shape == (11, 6) and file["states"].dtype == np.float32
        assert file["lines"].tolist() == [1, 1, 1, 1, 2, 3, 3, 3, 3, 3, 3]
        assert "".join(file["symbols"][file["tokens"]]) == "abc<EOS><EOS>fed <UNK><EOS>"
        assert np.abs(file["states"] - charlm.states(charlm.load("m.npz"), "abc\n\nfed x\n").a[-1]).max() < 1e-5
    assert run("text.txt", "-o", "states.npz", "--per-line").exit_code == 0  # over its own
    with np.load("states.npz") as file:
        assert list(file) == ["states", "lines"] and file["lines"].tolist() == [1, 2, 3]
    assert sorted(path.name for path in folder.iterdir()) == ["m.npz", "states.npz", "text.txt"]


def test_rows_of_tokens_and_of_lines(folder):
    at_tokens = [json.loads(line) for line in run("text.txt", "--json").stdout.splitlines()]
    assert [(row["line"], row["token"]) for row in at_tokens[3:6]] == [(1, "<EOS>"), (2, "<EOS>"), (3, "f")]
    by_line = [json.loads(line) for line in run("--per-line", "--json", input="abc\n\nfed\tx").stdout.splitlines()]
    assert [(row["line"], row["text"]) for row in by_line] == [(1, "abc"), (2, ""), (3, "fed\tx")]
    assert by_line[0]["state"] == at_tokens[2]["state"] and len(by_line[0]["state"]) == 6
    columns = [line.split("\t", 7) for line in run("--per-line", input="abc\n\nfed\tx").stdout.splitlines()]
    assert [row[0] for row in columns] == ["1", "2", "3"] and [row[7] for row in columns] == ["abc", "", "fed\tx"]
    assert [float(number) for number in columns[0][1:7]] == by_line[0]["state"]
    first = run("text.txt").stdout.splitlines()[0].split("\t")
    assert first[:2] == ["1", "a"] and [float(number) for number in first[2:]] == at_tokens[0]["state"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["missing.txt"], 1, "no file missing.txt"),
        (["empty.txt"], 1, "no text in empty.txt"),
        (["text.txt", "-o", "m.npz"], 1, "will not overwrite m.npz"),
        (["text.txt", "-o", "text.txt"], 1, "will not overwrite text.txt"),
        (["text.txt", "-o", "no/states.npz"], 1, "there is no folder no"),
        (["text.txt", "-o", "states.npz", "--json"], 2, "--json and --output do not go together"),
        (["text.txt", "--given", "x"], 2, "--given is for a model of --task generate"),
    ],
    ids=str,
)
def test_what_cannot_be_is_said_and_no_file_is_written(folder, arguments, code, words):
    (folder / "empty.txt").touch()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (code, "") and words in result.stderr, result.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_who_has_no_states(folder):
    model_of(cell="feedforward", context=3).save("m.npz")
    assert "a feed-forward network has no hidden states" in run("text.txt").stderr
    with pytest.raises(UsageError, match="by must be 'token' or 'line', not 'word'"):
        charlm.states(model_of(), "a", by="word")
    with pytest.raises(UsageError, match="threads must be an integer"):
        charlm.states(model_of(), "a", by="line", threads=0)
    assert charlm.states(model_of(), "", by="line").a.shape == (1, 0, 6)
