"""By the clock, short n-grams are counted where they predict the held-out text better than long ones."""

import random
from dataclasses import replace

import pytest

from charlm.learning import autotune, counts
from charlm.learning.autotune import new_trainer
from charlm.learning.counts import best_order, bits_per_character
from charlm.learning.description import opening
from charlm.learning.session import TrainingFiles, TrainingSession
from charlm.tasks.language import ORDERS
from charlm.text.corpus import CorpusOptions, load_corpus

SMALL = {"minutes": 0.5, "hidden": 2, "layers": 1}


@pytest.fixture
def of_few(tmp_path):
    """A text in which each letter depends on the one before it and on chance."""
    source, letters, last = random.Random(1), [], 0
    for _ in range(9000):
        last = (last + source.choices(range(4), (64, 16, 4, 1))[0]) % 4
        letters.append("ACGT"[last])
    path = tmp_path / "few.txt"
    path.write_text("\n".join("".join(letters[start : start + 60]) for start in range(0, len(letters), 60)) + "\n")
    return path


@pytest.fixture
def of_many(tmp_path):
    """A text of long words over two letters, of which four letters do not tell the word."""
    source = random.Random(1)
    words = ["".join(source.choices("ab", k=30)) for _ in range(40)]
    path = tmp_path / "many.txt"
    path.write_text(" ".join(source.choices(words, k=300)) + "\n")
    return path


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("level", ["char", "byte"])
def test_the_order_is_that_of_the_better_n_grams(of_few, of_many, lines, level):
    found = {}
    for path in of_few, of_many:
        corpus = load_corpus(path, CorpusOptions(level=level, lines=lines and path == of_few, novelty=False))
        short, long = (bits_per_character(corpus, order, 10**6) for order in (4, 10))
        found[path.stem] = best_order(corpus)
        assert found[path.stem] == (4 if short < long else 10)
    assert found == {"few": 4, "many": 10}


def test_more_of_the_text_decides_where_a_part_of_it_says_short(of_few, monkeypatch):
    corpus, (little, much) = load_corpus(of_few, CorpusOptions(lines=False, novelty=False)), counts.COUNTED
    bits = {(4, little): 1.0, (10, little): 2.0, (4, much): 2.0, (10, much): 1.0}
    monkeypatch.setattr(counts, "bits_per_character", lambda corpus, order, most: bits[order, most])
    assert best_order(corpus) == 10
    bits[4, much] = 0.9
    assert best_order(corpus) == 4


@pytest.mark.parametrize(
    "options", [{"ngrams": 7}, {"ngrams": 0}, {"minutes": None, "epochs": 0.1}, {"minutes": 0.1}, {"level": "word"}]
)
def test_nothing_is_chosen_where_somebody_said_it_or_there_is_no_time(of_few, options, monkeypatch):
    monkeypatch.setattr(autotune, "SMALL", 5000)
    trainer = new_trainer(of_few, **SMALL | {"lines": False} | options)
    level = options.get("level", "char")
    assert trainer.settings.ngrams == options.get("ngrams", ORDERS[level])


def test_a_small_text_or_one_without_a_held_out_part_has_the_order_of_its_level(of_few):
    corpus = load_corpus(of_few, CorpusOptions(lines=False, novelty=False))
    assert best_order(corpus) == 4 and best_order(replace(corpus, held_out=corpus.held_out[:0])) == 10
    assert new_trainer(of_few, **SMALL, lines=False).settings.ngrams == 10


def test_a_network_beside_short_n_grams_has_no_dropout_unless_somebody_said_so(of_few, of_many, monkeypatch):
    monkeypatch.setattr(autotune, "SMALL", 5000)
    monkeypatch.setattr(autotune, "dropout_for", lambda *sizes: 0.3)
    monkeypatch.setattr(autotune, "dropout_beside_counts", lambda alone: alone)
    options = SMALL | {"lines": False}
    for path, more, dropout in [
        (of_few, {}, 0.0),
        (of_few, {"dropout": 0.2}, 0.2),
        (of_few, {"ngrams": 4}, 0.3),
        (of_few, {"ngrams": 0}, 0.3),
        (of_many, {}, 0.3),
    ]:
        assert new_trainer(path, **options | more).settings.dropout == dropout


def test_the_opening_says_why_and_how_to_have_the_others(of_few, of_many, tmp_path, monkeypatch):
    monkeypatch.setattr(autotune, "SMALL", 5000)
    said = {}
    for path in of_few, of_many:
        with TrainingSession(path, TrainingFiles(output=tmp_path / "m.npz"), SMALL | {"lines": False}) as session:
            said[path.stem] = next(line for line in opening(session) if "n-grams (runs" in line)
    assert "(runs of up to 4 characters)" in said["few"] and said["few"].endswith(
        "predict together with it, because longer ones predict the held-out text less well; --ngrams 10 takes these"
    )
    assert "(runs of up to 10 characters)" in said["many"] and said["many"].endswith("predict together with it")
