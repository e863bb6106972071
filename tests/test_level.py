"""Characters or subwords: by the clock n-grams of both decide, for one long text of which nobody said the level."""

import math

import pytest

from charlm.learning import level
from charlm.learning.autotune import new_trainer
from charlm.learning.checkpoint import Checkpoint, checkpoint_path, save_checkpoint
from charlm.learning.description import opening
from charlm.learning.level import LevelChoice
from charlm.learning.session import TrainingFiles, TrainingSession
from charlm.text.corpus import CorpusOptions, load_corpus
from charlm.text.vocabulary import EOS

WORDS = "whatever something nevertheless between understanding everybody continued possible thousand general".split()
NUMBERS = [(7 * number * number + 3 * number) % 10 for number in range(1500)]


@pytest.fixture
def words(tmp_path, monkeypatch):
    """A file in which whole words follow each other, about as often one as another."""
    monkeypatch.setattr(level, "SHORT", 1000)
    monkeypatch.setattr(level, "ENOUGH_PASSES", math.inf)  # a short text is read often
    path = tmp_path / "words.txt"
    path.write_text("".join(WORDS[number] + (" " if place % 9 else "\n") for place, number in enumerate(NUMBERS)))
    return path


@pytest.fixture
def soon(words, monkeypatch):
    """The same, where a short training is long enough for the choice."""
    monkeypatch.setattr(level, "LEAST_MINUTES", 0.01)
    return words


def few_passes(corpus):
    return 1.0


def letters(path):
    """Write letters of which each depends on the one before it, without words."""
    text, state = [], 1
    for _ in range(20_000):
        state = (1103515245 * state + 12345) % (1 << 31)
        text.append("abcd"[(state >> 16) % 3] if state >> 20 & 1 else "\n" if not text else text[-1])
    path.write_text("".join(text) + "\n")
    return path


def test_the_tokens_that_need_fewer_bits_are_taken(words, tmp_path):
    found = {}
    for path in (words, letters(tmp_path / "letters.txt")):
        choice = LevelChoice(1.0, few_passes)
        corpus = load_corpus(path, CorpusOptions(lines=False, novelty=False), choice)
        assert choice.level == corpus.vocabulary.level == ("subword" if choice.bits[1] <= choice.bits[0] else "char")
        found[path.stem] = choice.level
    assert found == {"words": "subword", "letters": "char"}


def test_the_chosen_corpus_is_that_of_its_level(words):
    options = {"lines": False, "novelty": True}
    chosen = load_corpus(words, CorpusOptions(**options), lambda characters, subwords: subwords())
    given = load_corpus(words, CorpusOptions(level="subword", **options))
    assert chosen.vocabulary == given.vocabulary and chosen.novelty.bits.tobytes() == given.novelty.bits.tobytes()
    for name in ("train", "held_out", "frequencies", "evaluated_lengths", "evaluated_unknown_bytes"):
        assert (getattr(chosen, name) == getattr(given, name)).all()
    assert chosen.unknown_rate == given.unknown_rate


@pytest.mark.parametrize("options", [{"lines": True}, {"level": "char"}, {"max_vocabulary": 40}, {"epochs": 0.1}])
def test_nothing_is_chosen_for_lists_or_where_somebody_said_it(soon, options):
    options = {"lines": False, "minutes": None if "epochs" in options else 0.05, "hidden": 2, "layers": 1} | options
    trainer = new_trainer(soon, **options)
    assert trainer.corpus.vocabulary.level == "char" and not (trainer.choice and trainer.choice.level)


def test_a_short_text_or_time_is_read_in_characters(words, monkeypatch):
    short = LevelChoice(0.1, few_passes)
    assert load_corpus(words, CorpusOptions(lines=False), short).vocabulary.level == short.level == "char"
    monkeypatch.setattr(level, "SHORT", 10**6)
    small = LevelChoice(9.0, few_passes)
    assert load_corpus(words, CorpusOptions(lines=False), small).vocabulary.level == small.level == "char"
    assert small.bits is short.bits is None


def test_whoever_has_time_to_read_all_characters_often_learns_more_from_them(words):
    choice = LevelChoice(1.0, lambda corpus: level.ENOUGH_PASSES)
    assert load_corpus(words, CorpusOptions(lines=False), choice).vocabulary.level == choice.level == "char"
    assert choice.bits is None


def test_the_opening_says_which_why_and_how_to_have_the_other(soon, tmp_path):
    options = {"lines": False, "minutes": 0.05, "hidden": 2, "layers": 1}
    with TrainingSession(soon, TrainingFiles(output=tmp_path / "m.npz"), options) as session:
        line = next(line for line in opening(session) if line.startswith("a token is"))
        assert line.startswith("a token is a subword: n-grams of subwords need ")
        assert line.endswith("--level char takes characters") and " bits per character of the held-out text" in line


def test_a_resumed_training_has_the_level_of_its_checkpoint(soon, tmp_path):
    """Also where it would choose another one now."""
    trainer = new_trainer(soon, lines=False, minutes=0.05, hidden=2, layers=1)
    list(trainer.run(stop=lambda: True))
    path = tmp_path / "m.npz"
    save_checkpoint(trainer, checkpoint_path(path), {"minutes": 0.05, "hidden": 2, "layers": 1})
    options = Checkpoint(checkpoint_path(path)).options
    assert options["level"] == "subword" == trainer.best.vocabulary.level
    resumed = new_trainer(soon, **options)
    assert (resumed.corpus.train == trainer.corpus.train).all() and resumed.choice is None
    assert (resumed.corpus.train == EOS).any()
