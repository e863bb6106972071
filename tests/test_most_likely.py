"""The most likely samples: the search finds what an enumeration of all texts finds, and says what is not certain."""

import itertools
import math

import numpy as np
import pytest
from test_sampling import probability, random_model
from test_scoring import model_of

import charlm
from charlm.errors import SamplingError, UsageError
from charlm.model import load_model
from charlm.sampling.most_likely import MostLikely
from charlm.sampling.sampler import new_sampler, prompt_of
from charlm.sampling.settings import SamplingOptions
from charlm.text.novelty import ExactNovelty
from charlm.text.vocabulary import EOS, Vocabulary


def texts_of(symbols, most):
    """All texts of 1 to ``most`` symbols."""
    return ["".join(letters) for n in range(1, most + 1) for letters in itertools.product(symbols, repeat=n)]


def ranked(logs, count):
    return sorted(logs.items(), key=lambda item: -item[1])[:count]


def check(found, logs):
    """The samples are the most likely of these texts, in order and with their log-probabilities, and certain."""
    wanted = ranked(logs, len(found))
    assert [sample.text for sample in found] == [text for text, _ in wanted]
    assert [sample.log_probability for sample in found] == pytest.approx([log for _, log in wanted], rel=1e-5)
    assert all(sample.certain for sample in found)


@pytest.mark.parametrize("cell", ["lstm", "gru", "feedforward"])
def test_an_enumeration_gives_the_same_lines(cell):
    if cell == "feedforward":
        model = model_of(True, cell=cell, context=2, symbols="abc")
    else:
        model = random_model(True, symbols="abc", seed=3, cell=cell)
    logs = {text: charlm.log_probability(model, text) for text in texts_of("abc", 5)}
    found = list(charlm.sample(model, length=6, most_likely=40))
    check(found, logs)
    assert all(sample.tokens == len(sample.text) + 1 for sample in found)
    if cell == "lstm":
        ids = [*model.vocabulary.encode(found[9].text), EOS]
        assert found[9].log_probability == pytest.approx(math.log(probability(model, ids)), rel=1e-5)
        with pytest.raises(SamplingError, match="363 of 364 samples were found; there are no others .*1 empty"):
            list(charlm.sample(model, length=6, most_likely=364))


def test_a_beginning_and_lengths_choose_among_the_lines():
    model = random_model(True, symbols="abc", seed=5)
    logs = {text: charlm.log_probability(model, text) for text in texts_of("abc", 5) if text.startswith("ca")}
    check(list(charlm.sample(model, max_length=5, most_likely=20, start_with="ca")), logs)
    logs = {text: log for text, log in logs.items() if 4 <= len(text)}
    check(list(charlm.sample(model, max_length=5, min_length=4, most_likely=20, start_with="ca")), logs)


def test_a_stream_has_texts_of_a_length_or_up_to_a_stop(tiny_model):
    """With the n-grams of a mixture, of which a trained model has some."""
    model = load_model(tiny_model)
    assert model.mixture is not None
    symbols = ["\n", *model.vocabulary.symbols]
    logs = {
        "".join(pair): charlm.log_probability(model, "".join(pair)) for pair in itertools.product(symbols, repeat=2)
    }
    found = list(charlm.sample(model, length=2, most_likely=30, allow_copies=True))
    check(found, logs)
    assert not any(sample.ended for sample in found)
    stopped = {text[: text.index("a") + 1] if "a" in text else text: log for text, log in logs.items()}
    stopped["a"] = charlm.log_probability(model, "a")
    found = list(charlm.sample(model, length=2, most_likely=30, allow_copies=True, stop="a"))
    check(found, stopped)
    assert all(sample.ended == ("a" in sample.text) for sample in found)


@pytest.mark.parametrize("start", ["", "a", "ca "])
def test_subwords_have_the_probability_of_their_text(start):
    """Only standard segmentations are samples, also where the beginning ends inside a token."""
    model = random_model(True, symbols="abcdefg", seed=7, eos=2)
    model.vocabulary = Vocabulary("subword", ["a", "b", " ", "c", "ab", "ca", " b"], [(2, 3), (5, 2), (4, 3)])
    logs = {text: charlm.log_probability(model, text) for text in texts_of("abc ", 4) if text.startswith(start)}
    count = 4 if len(start) > 1 else 40
    check(list(charlm.sample(model, max_length=4, most_likely=count, start_with=start)), logs)


def test_copies_are_left_out_unless_they_are_allowed():
    model = random_model(True, symbols="abc", seed=3)
    first = [sample.text for sample in charlm.sample(model, most_likely=5)]
    model.novelty = ExactNovelty([f"{first[0]}\n", f"{first[2]}\n"])
    assert [s.text for s in charlm.sample(model, most_likely=3)] == [first[1], first[3], first[4]]
    allowed = list(charlm.sample(model, most_likely=5, allow_copies=True))
    assert [s.text for s in allowed] == first and [s.novel for s in allowed] == [False, True, False, True, True]


def test_the_limit_of_the_search_tells_what_is_certain():
    model = random_model(True, symbols="abc", seed=3)
    options = SamplingOptions(most_likely=20)
    whole = list(new_sampler(model, options=options).samples())
    search = MostLikely(model, prompt_of(model, None, options), options, most_prefixes=40)
    found = []
    with pytest.warns(UserWarning, match="the first [0-9]+ of the 20 samples are the most likely ones for certain"):
        found.extend(search.samples())
    certain = [sample for sample in found if sample.certain]
    assert 0 < len(certain) < len(found) == 20 and found[: len(certain)] == whole[: len(certain)]
    assert [sample.certain for sample in found] == sorted((sample.certain for sample in found), reverse=True)
    assert search.expanded == 40 and search.counts.found == 20
    search = MostLikely(model, prompt_of(model, None, options), options, most_prefixes=2)
    with pytest.raises(SamplingError, match="[0-9] of 20 samples .*, the first [0-9] for certain; the search ended"):
        list(search.samples())


def test_what_it_finds_does_not_depend_on_how_much_is_expanded_at_once(monkeypatch):
    model = random_model(True, symbols="abc", seed=3)
    found = list(charlm.sample(model, most_likely=50))
    monkeypatch.setattr("charlm.sampling.most_likely.AT_ONCE", 3)
    again = list(charlm.sample(model, most_likely=50))
    assert [sample.text for sample in found] == [sample.text for sample in again]
    assert np.array([s.log_probability for s in found]) == pytest.approx([s.log_probability for s in again], rel=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"count": 2}, "--most-likely and --count do not go together"),
        ({"temperature": 0.5}, "--most-likely and --temperature do not"),
        ({"best_of": 2}, "--most-likely and --best-of do not"),
        ({"unknown": "mask"}, "--most-likely and --unknown do not"),
        ({"fill": "a_"}, "--fill and --most-likely do not"),
        ({"lines": False}, "--most-likely needs --length or --stop here"),
    ],
    ids=str,
)
def test_options_that_do_not_go_with_a_search(options, words):
    options = dict(options)
    model = random_model(options.pop("lines", True), symbols="abc")
    with pytest.raises(UsageError, match=words):
        charlm.sample(model, most_likely=3, **options)
