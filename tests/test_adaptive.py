"""Dynamic evaluation learns from the text so far, knows nothing of the text to come, and does not change the model."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from test_scoring import model_of, random_text

import charlm
from charlm.cli import program
from charlm.scoring.adaptive import STEPS, AdaptingScorer
from charlm.scoring.scorer import Scorer
from charlm.text.vocabulary import EOS

COLUMNS = ("ranks", "entropies", "most_likely")


def tokens_of(length, seed=1):
    tokens = np.random.default_rng(seed).integers(2, 8, length).astype(np.int32)
    tokens[9::10] = EOS
    tokens[-1] = EOS
    return tokens


def nats(model, tokens, rate=0.01, threads=None, cuts=()):
    scorer = AdaptingScorer(model, ("ranks",), rate, threads)
    return np.concatenate([scorer.measure(part).nats for part in np.split(tokens, cuts)])


@pytest.mark.parametrize("lines", [False, True])
def test_later_text_changes_no_earlier_score(lines):
    model = model_of(lines)
    tokens, other = tokens_of(300), tokens_of(300, seed=2)
    other[:200] = tokens[:200]
    one, two = nats(model, tokens), nats(model, other)
    assert np.array_equal(one[:200], two[:200])
    assert not np.allclose(one[200:], two[200:])


@pytest.mark.parametrize("lines", [False, True])
def test_neither_the_parts_of_the_text_nor_the_threads_change_a_score(lines):
    model, tokens = model_of(lines), tokens_of(300)
    whole = nats(model, tokens, threads=1)
    assert np.array_equal(whole, nats(model, tokens, threads=2))
    assert np.array_equal(whole, nats(model, tokens, cuts=(10, 40, 50, 190)))


def test_the_model_scores_the_first_window_as_it_is_and_learns_before_the_next():
    model, tokens = model_of(False), tokens_of(3 * STEPS)
    adapting, fixed = nats(model, tokens), Scorer(model, ()).measure(tokens).nats
    assert np.allclose(adapting[:STEPS], fixed[:STEPS], atol=1e-5)
    assert np.abs(adapting[STEPS:] - fixed[STEPS:]).min() > 0


def test_a_tiny_rate_gives_the_columns_of_a_fixed_model():
    model, tokens = model_of(False), tokens_of(100)
    adapting = AdaptingScorer(model, COLUMNS, 1e-30).measure(tokens)
    fixed = Scorer(model, COLUMNS).measure(tokens)
    for column, expected in zip(vars(adapting).values(), vars(fixed).values(), strict=True):
        assert np.allclose(column, expected, atol=1e-4)


@pytest.mark.parametrize("lines", [False, True])
def test_a_text_that_repeats_itself_becomes_less_surprising(lines):
    model, text = model_of(lines), "abcfed\n" * 600
    before = model.parameters.copy()
    fixed = charlm.perplexity(model, text).nats_per_token
    assert charlm.perplexity(model, text, adapt=0.01).nats_per_token < fixed / 2
    assert np.array_equal(model.parameters, before)


def test_every_output_adapts_alike(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, text = model_of(False), random_text(200)
    model.save("m.npz")
    Path("text.txt").write_text(text)
    total = charlm.perplexity(model, text, adapt=0.003)
    assert not np.isclose(total.nats, charlm.perplexity(model, text).nats, rtol=1e-3)

    def records(*options):
        arguments = ["perplexity", "--model", "m.npz", "text.txt", "--adapt", "0.003", "--json", *options]
        done = CliRunner().invoke(program, arguments)
        assert done.exit_code == 0, done.output
        return [json.loads(line) for line in done.stdout.splitlines()]

    for options in [], ["--html", "page.html"], ["--baselines", "text.txt"], ["--model", "m.npz"]:
        assert records(*options)[0]["nats"] == total.nats
    rows = records("--per-line")
    assert len(rows) == total.lines and np.isclose(sum(row["nats"] for row in rows), total.nats)
    assert np.isclose(sum(record["log_probability"] for record in records("--per-token")), -total.nats)
