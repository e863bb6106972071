"""Models side by side on a page: the right figures, the passages where they differ, and nothing trusted in a file."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from test_scoring import model_of, random_text
from test_surprise_page import contrast
from test_training_page import check

import charlm
from charlm.cli import program
from charlm.learning.record import MOST_POINTS, _curve
from charlm.learning.state import TrainingState
from charlm.reports.model_page import ModelPage, recorded_curve
from charlm.scoring import differences
from charlm.scoring.blocks import blocks
from charlm.scoring.differences import Extremes
from charlm.scoring.palette import LESS_ON_DARK, LESS_ON_LIGHT, MORE_ON_DARK, MORE_ON_LIGHT
from charlm.scoring.pipeline import scored_blocks

HISTORY = {"history": [[10, 3.0, 2.5], [20, 2.0, 1.5]], "valid_loss": 1.5}


def run(*arguments):
    return CliRunner().invoke(program, ["report", *arguments], catch_exceptions=False)


@pytest.fixture
def folder(tmp_path, monkeypatch, tiny_model):
    monkeypatch.chdir(tmp_path)
    model_of(symbols="abcdefg <>/").save("random.npz")
    model_of(lines=True, symbols=list(b"abcdefg "), level="byte").save("bytes.npz")
    charlm.load(tiny_model).save("<b>tiny.npz")
    Path("text.txt").write_text("abba cab dada\n\n<b>egg</b> fee bead\ncage gaff deaf\u202e face é\n", encoding="utf-8")
    return tmp_path


def test_several_models_on_a_text(folder):
    done = run("random.npz", "<b>tiny.npz", "bytes.npz", "text.txt", "-o", "page.html")
    assert (done.exit_code, done.stderr) == (0, "wrote page.html\n")
    page = check("page.html")
    assert not page.scripts and "\u202e" not in page.source and not page.named("img")
    assert "random.npz, <b>tiny.npz and bytes.npz" in page.text and "Where they differ most" in page.text
    ranked = CliRunner().invoke(program, ["perplexity", *"-m random.npz -m <b>tiny.npz -m bytes.npz text.txt".split()])
    for line in ranked.stdout.splitlines()[1:4]:
        assert all(cell in page.text for cell in line.split())
    assert "line 3" in page.text and "line 2\n" not in page.text
    assert page.text.count("abba") == 3 and "<b>egg</b>" in page.text


def test_models_that_do_not_differ_show_no_passages(folder):
    Path("same.npz").write_bytes(Path("random.npz").read_bytes())
    assert run("random.npz", "same.npz", "text.txt", "-o", "page.html").exit_code == 0
    page = check("page.html")
    assert "They differ nowhere" in page.text and "line 3" not in page.text


def test_models_without_a_text(folder):
    assert run("<b>tiny.npz", "random.npz", "-o", "page.html").exit_code == 0
    page = check("page.html")
    assert "How their losses fell" in page.text and "What they are" in page.text and "differ most" not in page.text
    assert run("<b>tiny.npz", "-o", "page.html").exit_code == 0
    page = check("page.html")
    assert "How its loss fell" in page.text and "What it is" in page.text
    assert len([one for one in page.named("svg") if one.get("role") == "img"]) == 2


def test_one_model_on_a_text_has_its_passages(folder):
    assert run("bytes.npz", "text.txt", "-o", "page.html").exit_code == 0
    page = check("page.html")
    assert "Most surprising" in page.text and "bits per word" in page.text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["text.txt", "-o", "p.html"], 2, "none of the files is a model"),
        (["none.npz", "-o", "p.html"], 1, "none.npz"),
        (["random.npz", "random.npz", "-o", "p.html"], 2, "random.npz is given twice"),
        (["random.npz", "none.txt", "-o", "p.html"], 1, "none.txt"),
        (["random.npz", "-o", "text.txt"], 1, "text.txt"),
        (["random.npz", "-o", "random.npz"], 1, "will not overwrite random.npz"),
        (["labels.npz", "text.txt", "-o", "p.html"], 2, "labels.npz: this model was trained with --task classify"),
        (["random.npz"], 2, "--output"),
    ],
    ids=str,
)
def test_a_wrong_use_is_one_line(folder, arguments, code, words):
    if "labels.npz" in arguments:
        Path("labels.txt").write_text("a\tabba\nb\tcab\n" * 9)
        charlm.train("labels.txt", task="classify", hidden=2, epochs=0.1, threads=1, output="labels.npz")
    before = Path("text.txt").read_bytes()
    done = run(*arguments)
    assert done.exit_code == code and words in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert Path("text.txt").read_bytes() == before and not Path("p.html").exists()


@pytest.mark.parametrize(
    ("training", "held_out"),
    [
        (HISTORY, [(10, 2.5), (20, 1.5)]),
        ({"curve": {"training": [[1, 4.0]], "held_out": [[5, 2.0], [9, 1.0]]}}, [(5, 2.0), (9, 1.0)]),
        ({"curve": [], **HISTORY}, [(10, 2.5), (20, 1.5)]),
        ({}, None),
        ([], None),
        ({"history": 5}, None),
        ({"history": [[1, "<b>", 2.0]]}, None),
        ({"history": [[1, float("nan"), 2.0]]}, None),
        ({"history": [[-1, 1.0, 2.0]]}, None),
        ({"history": [[True, 1.0, 2.0]]}, None),
        ({"curve": {"training": [[1]], "held_out": []}}, None),
    ],
    ids=str,
)
def test_the_curve_of_a_file_is_drawn_or_left_out(training, held_out):
    model = dataclasses.replace(model_of(), training=training)
    curve = recorded_curve(model)
    assert (curve and curve.held_out) == held_out
    for models in ([model], [model, model_of()]):
        assert "</html>" in ModelPage(names=["<x>", "b"][: len(models)], models=models).html()


def test_the_curve_of_a_training_has_few_points_and_its_ends():
    state = TrainingState()
    for _ in range(700):
        state.advance(10, 20.0)
    curve = _curve(state)["training"]
    assert len(curve) <= MOST_POINTS and curve[-1] == [700, 2.0] and curve[0][0] < 10
    assert all(loss == 2.0 for _, loss in curve)


def test_the_passages_are_those_that_differ_most(monkeypatch):
    monkeypatch.setattr(differences, "MOST_PASSAGES", 5)
    models = [model_of(), model_of(level="word", symbols=["abc", " de", "f"]), model_of(symbols="abc")]
    text = re.sub(r"\s*\n\s*", "\n", random_text(900)).lstrip()  # blank lines are no passages
    found = Extremes(is_list=False)
    nats = np.zeros(len(models))
    for block in found.following(scored_blocks(models, blocks([text], True))):
        nats += [one.scores.nats.sum() for one in block]
    whole = Extremes(is_list=True)
    monkeypatch.setattr(differences, "MOST_PASSAGES", 10**6)
    list(whole.following(scored_blocks(models, blocks([text], True))))
    everything = whole.most_different()
    assert sum(passage.bits.sum(1) for passage in everything) == pytest.approx(nats / np.log(2), rel=1e-5)
    long = [passage for passage in everything if len(passage.words) >= differences.LEAST_WORDS]
    assert [passage.line for passage in found.most_different()] == [passage.line for passage in long[:5]]
    lines = text.split("\n")
    for passage in everything:
        assert passage.words == [*lines[passage.line - 1].split(), "\n"]
    bits = [passage.bits_per_character[0] for passage in found.most_surprising()]
    assert bits == sorted(bits, reverse=True) and found.least_surprising()[0].bits_per_character[0] < bits[-1]


def test_long_lines_are_cut_into_passages():
    model = model_of()
    found = Extremes(is_list=False)
    list(found.following(scored_blocks([model], blocks(["ab cd " * 50 + "\n"], True))))
    assert {len(passage.words) for passage in found.most_surprising()} == {60, 41}


def test_the_colours_of_differences_can_be_read_and_told_apart():
    for colours in (LESS_ON_LIGHT, MORE_ON_LIGHT, LESS_ON_DARK, MORE_ON_DARK):
        assert min(contrast(ground, ink) for ground, ink in colours) >= 4.5
