"""Several models on one text: they are in order, and the intervals mean what they say."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from test_scoring import model_of, random_text

import charlm
from charlm.cli import program
from charlm.display.scores import ranking_lines
from charlm.scoring import comparison
from charlm.scoring.blocks import blocks
from charlm.scoring.comparison import RESAMPLES, LineSums, bootstrap, compare
from charlm.scoring.perplexity import COLUMNS
from charlm.scoring.pipeline import ScoringOptions, scored_blocks

LEVELS = {"char": "abcdefg é", "word": ["abc", " de", "f"], "byte": list(b"abcdefg \xc3\xa9")}
LEVELS["subword"] = [*"abcdefg é", "ab", " ab"]
MERGES = {"subword": [(2, 3), (9, 11)]}


def compared(models, text, threads=None):
    names = [f"{number}.npz" for number in range(len(models))]
    options = ScoringOptions(threads=threads)
    return compare(scored_blocks(models, blocks([text], True), columns=COLUMNS, options=options), names)


def test_the_best_comes_first_and_totals_are_those_of_each_alone():
    models = [model_of(symbols=symbols, level=level, merges=MERGES.get(level, ())) for level, symbols in LEVELS.items()]
    text = random_text(600, symbols="abcdefg é\n")
    rankings, _ = compared(models, text)
    bits = [ranking.score.spelled.bits_per_byte for ranking in rankings]
    assert bits == sorted(bits)
    for ranking in rankings:
        model = models[int(ranking.name[0])]
        assert ranking.level == model.vocabulary.level
        assert ranking.score == charlm.perplexity(model, text)
        assert ranking.difference == ranking.score.spelled.bits_per_byte - bits[0]
        low, high = ranking.interval
        assert low <= ranking.difference <= high


def test_models_that_are_the_same_do_not_differ():
    rankings, _ = compared([model_of(), model_of()], random_text(300))
    assert [ranking.interval for ranking in rankings] == [(0, 0), (0, 0)]
    assert [ranking.difference for ranking in rankings] == [0, 0]


def test_one_line_has_no_interval():
    rankings, _ = compared([model_of(), model_of(cell="gru")], "abc\n")
    assert [ranking.interval for ranking in rankings] == [None, None]


def test_blank_lines_count_for_no_model_if_one_is_a_model_of_lines():
    """The stream model reads them, but their scores are skipped, so that both models are measured on the same text."""
    models = [model_of(lines=True), model_of(cell="gru")]
    text = "abc\n\n\ndef\n\n"
    rankings, units = compared(models, text)
    assert all(ranking.score.tokens == ranking.score.characters == 8 for ranking in rankings)
    assert units.sums()[:, 0].tolist() == [4, 0, 0, 4, 0]
    alone, _ = compared(models[:1], text)
    assert alone[0].score == charlm.perplexity(models[0], text)
    stream = next(ranking.score for ranking in rankings if ranking.name == "1.npz")
    assert stream.nats < charlm.perplexity(models[1], text).nats


def test_the_model_that_knows_least_is_not_the_best():
    """A model that knows nothing but the line end needs least, and most if it spells what it does not know."""
    text, known, unknown = random_text(600), model_of(uniform=True), model_of(symbols="", uniform=True)
    rankings, _ = compared([unknown, known], text)
    assert [ranking.name for ranking in rankings] == ["1.npz", "0.npz"]
    assert [ranking.score.bits_per_byte for ranking in rankings] == pytest.approx([math.log2(10), 1])
    assert [ranking.best for ranking in rankings] == [None, None]
    assert rankings[1].difference > 4 and rankings[1].interval[0] > 4
    notes = " ".join(ranking_lines(rankings, 1))
    assert "the best" not in notes.replace("the best model", "")
    assert "no winner: 1.npz needs fewest bits if it spells each <UNK>, 0.npz if not; " in notes


def test_a_model_that_is_the_best_by_both_readings_wins():
    models = [model_of(symbols=symbols, uniform=True) for symbols in ("abcdefg ", "abc")]
    rankings, _ = compared(models, "abcé\n" * 3)  # <UNK> once a line to both
    assert [(ranking.name, ranking.best) for ranking in rankings] == [("1.npz", True), ("0.npz", False)]
    assert "no winner" not in " ".join(ranking_lines(rankings, 1))


def test_the_interval_is_that_of_a_mean():
    """For 400 normal numbers it is about ±1.96 standard errors."""
    values = np.random.default_rng(0).normal(0.3, 1, (400, 1))
    ratios = bootstrap(values, np.ones(400))
    low, high = np.quantile(ratios, [0.025, 0.975])
    error = values.std() / 20
    assert len(ratios) == RESAMPLES
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.3 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.3 * error)


def test_the_interval_is_paired():
    """The lines differ much in size, and one model is a tenth worse in each: hard lines do not widen the interval."""
    sizes = np.random.default_rng(0).uniform(1, 1000, 50)
    ratios = bootstrap((0.1 * sizes)[:, None], sizes)
    assert ratios == pytest.approx(0.1)


def test_sums_over_many_lines_take_constant_memory(monkeypatch):
    monkeypatch.setattr(comparison, "MOST_UNITS", 8)
    lines = np.random.default_rng(0).integers(0, 9, (103, 2)).astype(float)
    for cuts in ([], [1, 2, 50], range(1, 103)):
        units = LineSums(2)
        for part in np.split(lines, cuts):
            units.add(part)
        assert units.size == 16
        wanted = [lines[start : start + 16].sum(0) for start in range(0, 103, 16)]
        assert np.array_equal(units.sums(), wanted)


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, symbols in enumerate(("abcdefg ", "abcde")):
        model_of(symbols=symbols).save(f"{number}.npz")
    (tmp_path / "text.txt").write_text(random_text(400))


def test_the_command(files):
    command = ["perplexity", "--model", "0.npz", "--model", "1.npz"]
    done = CliRunner().invoke(program, [*command, "text.txt", "--json"])
    assert done.exit_code == 0, done.output
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["difference"] > 0 for record in records] == [False, True]
    assert records[0].keys() >= {"model", "level", "bits_per_byte", "interval", "bits_per_byte_spelled", "tokens"}
    people = CliRunner().invoke(program, command, input=Path("text.txt").read_text()).stdout.splitlines()
    assert [line.split()[0] for line in people[1:3]] == [record["model"] for record in records]
    assert f"{records[1]['difference']:+.4f}" in people[2] and f"{records[1]['interval'][0]:+.4f}" in people[2]
    for record, row in zip(records, people[1:3], strict=True):
        assert f"{record['bits_per_byte_spelled']:.4f}  {record['bits_per_byte']:.4f}" in row
