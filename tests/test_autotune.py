"""The chosen settings: given options win, more time buys a wider network, and a text read often gets dropout."""

import numpy as np
import pytest

from charlm.learning import autotune
from charlm.learning.autotune import (
    LONG_TOKENS_PER_WEIGHT,
    TOKENS_PER_WEIGHT,
    WIDTHS,
    choose,
    dropout_for,
    new_trainer,
    rate_divisor,
    speed,
)
from charlm.learning.control import MOST_DROPOUT
from charlm.network import multiply_adds as work
from charlm.network.architecture import Architecture
from charlm.network.cells import CELLS
from charlm.network.multiply_adds import evaluated_tokens, multiply_adds, recurrent_weights
from charlm.text.corpus import CorpusOptions, load_corpus

BUDGETS = 10.0 ** np.arange(7, 17)  # multiply-adds


@pytest.fixture
def corpus(tmp_path):
    def of(characters=4000, **options):
        path = tmp_path / "text.txt"
        letters = np.random.default_rng(1).choice(list("abc de\n"), characters)
        path.write_text("".join(letters) + "\n")
        return load_corpus(path, CorpusOptions(**options))

    return of


def architecture(corpus, options, cell="lstm"):
    tied = options["tied"]
    width = options["hidden"] if tied else options["embedding"]
    return Architecture(len(corpus.vocabulary), cell, options["hidden"], options["layers"], embedding=width, tied=tied)


@pytest.mark.parametrize("level", ["char", "word"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_budget_is_spent(corpus, level, cell):
    text = corpus(level=level)
    for budget in BUDGETS:
        choice = choose(text, budget, cell, {})
        assert choice.tokens * multiply_adds(architecture(text, choice.options, cell)) == pytest.approx(budget)


def test_more_time_buys_the_widest_layer_that_sees_enough(corpus):
    text = corpus()
    choices = [choose(text, budget, "lstm", {}) for budget in BUDGETS]
    widths = [choice.options["hidden"] for choice in choices]
    assert widths == sorted(widths) and widths[0] == WIDTHS[0] and widths[-1] == WIDTHS[-1]
    for choice in choices[3:-1]:
        weights = recurrent_weights(architecture(text, choice.options))
        assert choice.widest and choice.tokens >= TOKENS_PER_WEIGHT * weights
    wider = next(width for width in WIDTHS if width > widths[4])
    more = choose(text, BUDGETS[4], "lstm", {"hidden": wider})
    assert more.tokens < TOKENS_PER_WEIGHT * recurrent_weights(architecture(text, more.options))


@pytest.mark.parametrize("layers", [1, 2])
def test_more_time_buys_a_wider_window(corpus, layers):
    """The context is not chosen: without one the cell has its own default. Two layers are, where none are given."""
    text = corpus()
    choices = [choose(text, budget, "feedforward", {"layers": layers, "context": 20}) for budget in BUDGETS]
    widths = [choice.options["hidden"] for choice in choices]
    assert widths == sorted(widths) and widths[0] == WIDTHS[0] and widths[-1] == WIDTHS[-1]
    assert {choice.options["context"] for choice in choices} == {20}
    assert choose(text, 1e12, "feedforward", {}).options["layers"] == 2


def test_given_options_win(corpus):
    given = {
        "hidden": 33,
        "layers": 3,
        "embedding": 9,
        "batch": 7,
        "steps": 11,
        "lr": 0.1,
        "dropout": 0.07,
        "softmax_samples": 50,
    }
    choice = choose(corpus(), 1e12, "gru", given)
    assert choice.options == given | {"tied": False} and not choice.widest


def test_a_text_that_is_read_once_gets_no_dropout(corpus):
    assert dropout_for(1e6, 50_000, 1_000_000) == 0
    assert dropout_for(1e9, 50_000, 10_000) == 0.5
    assert 0.5 < dropout_for(1e9, 200_000, 10_000) < dropout_for(1e9, 10**12, 10_000) == MOST_DROPOUT
    rates = [dropout_for(tokens, 300_000, 1_000_000) for tokens in np.geomspace(1e6, 1e9, 20)]
    assert rates == sorted(rates)
    alone, mixed = (choose(corpus(), 1e10, "lstm", {}, counted).options["dropout"] for counted in (False, True))
    assert 0 < mixed < alone
    small, large = (choose(corpus(size), 1e10, "lstm", {}).options for size in (2000, 1_000_000))
    assert small["dropout"] > large["dropout"] == 0
    assert small["batch"] < large["batch"] == 32


def test_dropout_follows_the_losses_where_lines_of_a_small_list_are_held_out_at_random(corpus, tmp_path):
    """It follows in a small list whose held-out lines are random, and not where the held-out part is another text."""
    following, fixed = (choose(corpus(lines=True), 1e10, "lstm", given).options for given in ({}, {"dropout": 0.2}))
    assert following["dropout"] is None and fixed["dropout"] == 0.2
    assert following["lr"] < fixed["lr"]  # otherwise a network trained without dropout can diverge with it
    much, less = (choose(corpus(), 1e10, "lstm", {"dropout": rate}).options["lr"] for rate in (0.61, 0.6))
    assert following["lr"] == much < less == fixed["lr"]
    large = choose(corpus(120_000, lines=True), 1e12, "lstm", {}).options
    assert large["dropout"] > 0 and large["lr"] == fixed["lr"]
    assert choose(corpus(lines=True, holdout=0), 1e10, "lstm", {}).options["dropout"] > 0
    other = tmp_path / "other.txt"
    other.write_text("abc\n" * 20)
    assert choose(corpus(lines=True, valid=other), 1e10, "lstm", {}).options["dropout"] > 0


def test_words_have_tied_embeddings_unless_told_otherwise(corpus):
    words = corpus(level="word")
    assert choose(words, 1e10, "lstm", {}).options["tied"]
    assert not choose(words, 1e10, "lstm", {"embedding": 12}).options["tied"]
    assert not choose(corpus(), 1e10, "lstm", {}).options["tied"]


def test_words_are_learnt_at_a_lower_rate_in_wider_layers_with_all_dropout(corpus):
    """A mixture leaves words the dropout of a network alone; of characters it needs less."""
    text, words = corpus(), corpus(level="word")
    for budget in BUDGETS[4:]:
        alone, mixed = (choose(words, budget, "lstm", {}, mixed).options for mixed in (False, True))
        assert alone == mixed and mixed["dropout"] > 0
        choice = choose(words, budget, "lstm", {})
        wider = next((width for width in WIDTHS if width > choice.options["hidden"]), None)
        more = wider and choose(words, budget, "lstm", {"hidden": wider})
        assert not more or more.tokens < LONG_TOKENS_PER_WEIGHT * recurrent_weights(architecture(words, more.options))
    rates = [choose(words, budget, "lstm", {}).options["lr"] / CELLS["lstm"].learning_rate for budget in BUDGETS]
    assert rates == sorted(rates, reverse=True) and rates[0] == 1 and rates[-1] == pytest.approx(0.2)
    beside, alone = (choose(text, BUDGETS[5], "lstm", {}, mixed).options["dropout"] for mixed in (True, False))
    assert beside < alone


def test_subwords_are_learnt_at_a_lower_rate_after_more_updates_than_words(corpus):
    at_once, four_times = rate_divisor("subword", 1000), rate_divisor("subword", 4000)
    assert at_once == 1 and four_times == pytest.approx(2) and rate_divisor("subword", 1e9) == rate_divisor("word", 1e9)
    assert 1 < rate_divisor("subword", 1500) < rate_divisor("word", 1500) and rate_divisor("char", 1e9) == 1
    subwords = corpus(20_000, level="subword", lines=False)
    rates = [choose(subwords, budget, "lstm", {}).options["lr"] / CELLS["lstm"].learning_rate for budget in BUDGETS]
    assert rates == sorted(rates, reverse=True) and rates[0] == 1 > rates[-1]


def test_counting_of_multiply_adds():
    """Of an LSTM on one-hot input the recurrent product and the output layer; of the layer above its input too."""
    assert multiply_adds(Architecture(10, "lstm", 8, 1)) == 3 * (4 * 8 * 8 + 8 * 10)
    assert multiply_adds(Architecture(10, "gru", 8, 2, embedding=5)) == 3 * (3 * 5 * 8 + 3 * 3 * 8 * 8 + 8 * 10)
    assert multiply_adds(Architecture(10, "feedforward", 8, 2, context=4)) == 3 * (8 * 8 + 8 * 10) + 2 * 4 * 8
    assert multiply_adds(Architecture(10, "feedforward", 8, 1, embedding=5, context=4)) == 3 * (4 * 5 * 8 + 8 * 10)


def test_the_speed_is_plausible():
    assert 1e7 < speed(Architecture(66, "rnn", 128, 1), 8, 4, 1, moment=0.05) < 1e14


@pytest.mark.parametrize(
    ("has_bf16", "options", "precision", "by_the_clock"),
    [
        (True, {"minutes": 1}, "bf16", True),
        (True, {}, "bf16", True),
        (False, {"minutes": 1}, "float32", True),
        (True, {"minutes": 1, "precision": "float32"}, "float32", True),
        (False, {"minutes": 1, "precision": "bf16"}, "bf16", True),
        (True, {"epochs": 1}, "float32", False),
        (True, {"epochs": 1, "precision": "bf16"}, "bf16", False),
        (True, {"minutes": 1, "task": "classify"}, "float32", False),
    ],
)
def test_by_the_clock_the_precision_is_the_faster_one(
    tmp_path, tiny_text, monkeypatch, has_bf16, options, precision, by_the_clock
):
    """What is checked, compiled and measured is what the training gets."""
    path, checked, prepared, measured = tmp_path / "text.txt", [], [], []
    path.write_text("".join(f"{line[0]}\t{line}\n" for line in tiny_text.splitlines()))
    monkeypatch.setattr(autotune, "HAS_BFLOAT16", has_bf16)
    monkeypatch.setattr(autotune, "check_precision", checked.append)
    monkeypatch.setattr(autotune, "prepare", lambda *_, precision, **others: prepared.append(precision) or 0.0)
    monkeypatch.setattr(autotune, "speed", lambda *_, precision, **others: measured.append(precision) or 1e9)
    monkeypatch.setattr(autotune, "Trainer", lambda corpus, architecture, settings, **others: settings)
    assert new_trainer(path, **options).precision == precision
    assert checked == [precision]
    assert prepared == [precision] * by_the_clock and measured == [precision, precision] * by_the_clock


def test_the_evaluation_of_a_large_vocabulary_leaves_time_for_the_training(tmp_path, monkeypatch):
    """Of 315,000 held-out words with 47,000 symbols, one evaluation took three times the 24 seconds that were given."""
    words = Architecture(47_111, "lstm", 32, 1, embedding=32, tied=True)
    assert work.LEAST_EVALUATED < evaluated_tokens(0.4, words) < 20_000
    assert evaluated_tokens(1, Architecture(66, "lstm", 256, 1)) > 200_000
    path = tmp_path / "text.txt"
    path.write_text("one extraordinary\n" * 400)
    monkeypatch.setattr(work, "LEAST_EVALUATED", 7)
    monkeypatch.setattr(work, "EVALUATED_PER_SECOND", 1)
    found = new_trainer(path, minutes=0.01, level="word", lines=False, hidden=5)
    assert found.evaluation.size == len(found.corpus.evaluated) == 7 < len(found.corpus.held_out)
    assert found.corpus.evaluated_characters == len(found.corpus.vocabulary.decode(found.corpus.evaluated))
    by_text = new_trainer(path, epochs=1, level="word", lines=False, hidden=5)
    assert by_text.evaluation.size == len(by_text.corpus.held_out)


def test_a_short_training_measures_the_machine_in_a_hundredth_of_its_time(tmp_path, tiny_text, monkeypatch):
    (tmp_path / "text.txt").write_text(tiny_text)
    moments = []
    monkeypatch.setattr(autotune, "speed", lambda *sizes, moment, **more: moments.append(moment) or 1e9)
    for minutes in (0.05, 5):
        new_trainer(tmp_path / "text.txt", minutes=minutes, hidden=5)
    assert moments == pytest.approx([0.03, 0.03, 0.3, 0.3])


def test_a_trainer_by_the_clock_and_one_by_the_text(tmp_path, tiny_text):
    path = tmp_path / "text.txt"
    path.write_text(tiny_text)
    by_clock = new_trainer(path, minutes=0.01, hidden=5)
    assert by_clock.plan and by_clock.settings.minutes == 0.01 and by_clock.architecture.hidden == 5
    assert by_clock.architecture.layers == 1
    by_text = new_trainer(path, epochs=3, hidden=5)
    assert by_text.plan is None and by_text.settings.minutes is None and by_text.architecture.layers == 2
    words = new_trainer(path, minutes=0.01, level="word")
    assert words.architecture.tied and words.architecture.embedding == words.architecture.hidden
    assert new_trainer(path, level="word", epochs=1, tied=True, hidden=6).architecture.embedding == 6
