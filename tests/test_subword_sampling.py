"""Sampling with subwords: a beginning may end inside a token, and every sample has the tokens of its own text."""

import itertools
import math
import warnings
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from test_sampling import chi_square, probability, sampler_of
from test_subwords import learnt

import charlm
from charlm.errors import SamplingError, UsageError
from charlm.model import Model
from charlm.network.architecture import Architecture
from charlm.sampling.beginning import Opening
from charlm.sampling.candidates import Candidate, Endings
from charlm.sampling.infilling import Filler
from charlm.sampling.prompt import LONGEST_PRIME, Prompt
from charlm.sampling.segmentation import are_standard, covers, divided, last_piece
from charlm.sampling.segments import SEGMENT_OF_SUBWORDS
from charlm.sampling.settings import SamplingOptions
from charlm.text.novelty import ExactNovelty
from charlm.text.vocabulary import EOS, UNKNOWN, Vocabulary

FRAGMENTS = ["the", "then", " the", " he", "aaa", "abab", " ", "   ", "\n", "don't", "12", "...", "日本日", "\t", "é"]
texts = st.lists(st.sampled_from(FRAGMENTS)).map("".join)
NAMES = ["a", "b", " ", "ab", " a", "bab", " ab"]
MERGES = [(2, 3), (4, 2), (3, 5), (4, 5)]  # "a" and "b" are joined before " " and "a"
SPACES = Vocabulary("subword", ["a", "b", " ", "  ", "ab", " a", " ab"], [(4, 4), (2, 3), (4, 2), (4, 6)])


def subword_model(lines, seed=0, eos=1.0, unknown=-9.0, vocabulary=None):
    """A small model of random weights, of seven subwords."""
    vocabulary = vocabulary or Vocabulary("subword", NAMES, MERGES)
    architecture = Architecture(len(vocabulary), "lstm", 4, 1)
    parameters = np.random.default_rng(seed).normal(0, 1, architecture.number_of_parameters).astype(np.float32)
    model = Model(architecture=architecture, vocabulary=vocabulary, parameters=parameters, lines=lines)
    model.named_parameters["b_y"][:2] += eos, unknown
    return model


def text_probability(model, text):
    """Of the standard segmentation, by the oracle's equations."""
    return probability(model, [*model.vocabulary.encode(text).tolist(), *([EOS] if model.lines else [])])


def prefix_probability(model, text, most=4):
    """That a standard segmentation begins with a text: the sum over the texts that go on with up to ``most`` more
    characters, of those whose last token reaches beyond the text or ends with it."""
    total = 0.0
    for length in range(most + 1):
        for letters in itertools.product("ab ", repeat=length):
            ids = model.vocabulary.encode(text + "".join(letters)).tolist()
            if len(model.vocabulary.decode(ids[:-1])) < len(text) or not letters:
                total += probability(model, ids)
    return total


@pytest.fixture(scope="module")
def trained(tiny_text):
    """A model of lines and a model of a stream, both of subwords, in a second each."""
    sizes = {"hidden": 16, "layers": 1, "batch": 4, "steps": 8, "epochs": 8, "lr": 0.02, "threads": 1, "seed": 1}
    return [
        charlm.train(text=tiny_text, level="subword", lines=lines, progress=False, **sizes) for lines in (True, False)
    ]


# Segmentations


@given(texts, st.integers(3, 60))
@example("aaa aaaa   aa\n  a", 12)
def test_the_first_tokens_of_a_segmentation_are_the_segmentation_of_their_text(text, size):
    vocabulary = learnt(text, size)
    ids = vocabulary.encode(text).tolist()
    for start, stop in itertools.combinations([0, *(n for n, token in enumerate(ids, 1) if token == EOS), len(ids)], 2):
        line = ids[start:stop]
        if line.count(EOS) == (line[-1:] == [EOS]):
            assert all(are_standard(vocabulary, [line[:length] for length in range(len(line) + 1)]))
            assert are_standard(vocabulary, [line], goes_on=False) == [True]


@given(texts, texts, st.integers(3, 60))
@example("the then the then the house", "the hou", 30)
@example("a  b a  b   b", "a   ", 30)
@example("aéa aéa", "axé", 30)
def test_what_follows_a_text_changes_its_last_piece_only(known, text, size):
    vocabulary = learnt(known, size)
    ids, stay, rest = divided(vocabulary, text)
    assert ids == vocabulary.encode(text).tolist()
    assert text.endswith(rest) and vocabulary.encode(rest).tolist() == ids[stay:]
    found = [(*cover.before, *([] if cover.token is None else [cover.token])) for cover in covers(vocabulary, rest)]
    whole_ones = [cover.token is None for cover in covers(vocabulary, rest)]
    for more in ("", "t", "hen", " ", "  ", " b", "\n", ".", "1", "é"):
        whole = vocabulary.encode(text + more).tolist()
        assert whole[:stay] == ids[:stay]
        if UNKNOWN not in vocabulary.encode(more):
            at = len(text) - len(rest)
            begun = list(itertools.accumulate((len(vocabulary.decode([t])) for t in whole[stay:]), initial=at))
            tokens = tuple(whole[stay : stay + next((i for i, start in enumerate(begun) if start >= len(text)), 0)])
            is_end = begun[len(tokens)] == len(text)
            assert found.count(tokens) == 1
            assert whole_ones[found.index(tokens)] == is_end


@given(texts, st.integers(3, 60), st.integers(1, 5))
def test_a_piece_is_checked_alone(text, size, parts):
    vocabulary = learnt(text, size)
    for line in text.split("\n"):
        ids = vocabulary.encode(line).tolist()
        begun = []
        for start in range(0, len(ids), parts):
            part = [*begun, *ids[start : start + parts]]
            assert are_standard(vocabulary, [part]) == [True]
            begun = last_piece(vocabulary, part)
            assert vocabulary.decode(begun) == divided(vocabulary, vocabulary.decode(ids[: start + parts]))[2]


def test_segmentations_that_are_not_standard():
    vocabulary = Vocabulary("subword", NAMES, MERGES)
    a, b, space, ab, _, bab, space_ab = range(2, 9)
    parts = [[a, b], [ab], [], [space, ab], [space_ab, EOS], [b, ab, EOS], [bab, space, EOS], [EOS], [ab, space, b]]
    assert are_standard(vocabulary, parts) == [False, True, True, False, True, False, True, True, True]
    assert last_piece(vocabulary, [ab, space_ab, a]) == [space_ab, a]
    assert last_piece(vocabulary, [ab, EOS]) == last_piece(vocabulary, []) == []
    double, start = 5, SPACES.encode("a").tolist()
    for parts in ([[*start, space, space]], [[*start, space, space, b]], [[*start, double]]):
        assert are_standard(SPACES, parts) == [True]
        assert are_standard(SPACES, parts, goes_on=False) == [parts[0][-2:] != [space, space]]
    assert [cover.before for cover in covers(SPACES, "  ")[:2]] == [(double,), (space, space)]
    assert [(cover.before, cover.token) for cover in covers(vocabulary, " a")] == [((6,), None), ((), space_ab)]
    assert divided(Vocabulary("char", "ab"), "ab") == ([2, 3], 2, "")
    assert divided(vocabulary, "ab\n") == ([ab, EOS], 2, "")
    assert divided(vocabulary, "ab ☃a") == ([ab, space, UNKNOWN, a], 3, "a")


# Samples


@pytest.mark.parametrize(
    ("prime", "start", "vocabulary"),
    [
        *(("", "a", None), ("", "ab ", None), ("b a", "", None), ("a", "b", None), ("b ", "a", None)),
        *(("a☃ b", "a b", None), ("", "a  ", SPACES)),
    ],
)
def test_lines_follow_the_model_given_their_beginning(prime, start, vocabulary):
    """All lines of up to two more characters are enumerated; no sample is in tokens that are not standard."""
    model, count = subword_model(lines=True, eos=3.0, vocabulary=vocabulary), 1000
    endings = ["".join(letters) for n in (0, 1, 2) for letters in itertools.product("ab ", repeat=n)]
    weights = {start + end: text_probability(model, prime + start + end) for end in endings if start + end}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of ☃
        sampler = sampler_of(model, count, prime=prime, start_with=start, max_length=len(start) + 2, seed=1)
        samples = list(sampler.samples())
    total = sum(weights.values())
    expected = {text: count * weight / total for text, weight in weights.items()}
    counts = Counter(sample.text for sample in samples)
    assert set(counts) <= set(expected)
    assert chi_square(counts, {text: number for text, number in expected.items() if number > 3})[1] < 4
    assert sampler.counts.rejections["other_subwords"] > 0


@pytest.mark.parametrize(("prime", "start"), [("", "ba"), ("b a", ""), ("a", "b"), ("ab\n", "a")])
def test_the_log_probability_is_that_of_the_text_given_the_prime(prime, start):
    model = subword_model(lines=False)
    for sample in charlm.sample(model, 20, 7, prime=prime, start_with=start, seed=4, temperature=0.8):
        ids = model.vocabulary.encode(prime + sample.text).tolist()
        settled = prime.rpartition("\n")[0] + "\n" if "\n" in prime else ""
        rest = prime[len(settled) :]
        before = probability(model, model.vocabulary.encode(settled).tolist())
        if rest:  # the texts that begin with the rest, at the beginning of a text
            before = prefix_probability(model, rest)
        assert sample.log_probability == pytest.approx(math.log(probability(model, ids) / before), rel=1e-4)
        assert sample.text.startswith(start)
        inside = sum(len(model.vocabulary.decode(ids[: n + 1])) <= len(prime) for n in range(len(ids)))
        assert sample.tokens == len(ids) - inside == 7


def test_a_stream_that_ends_with_spaces_has_the_tokens_of_its_text():
    samples = list(charlm.sample(subword_model(lines=False, vocabulary=SPACES), 200, 3, seed=1))
    assert all(len(SPACES.encode(sample.text)) == sample.tokens == 3 for sample in samples)
    assert any(sample.text.endswith("  ") for sample in samples)


@pytest.mark.parametrize("number", [0, 1])
def test_the_score_of_a_sample_is_its_log_probability(trained, number):
    model = trained[number]
    for sample in charlm.sample(model, 10, 30, start_with="ca", seed=2, allow_copies=True):
        scored = charlm.log_probability(model, sample.text)
        assert scored == pytest.approx(sample.log_probability, abs=1e-5 * sample.tokens)
        if model.lines or sample.text.endswith("\n"):
            score = charlm.perplexity(model, sample.text)
            assert score.nats == pytest.approx(-scored) and score.tokens == sample.tokens


@pytest.mark.parametrize("number", [0, 1])
def test_a_sample_is_the_same_for_any_number_of_them_and_of_rows(trained, number, monkeypatch):
    options = {"seed": 5, "prime": "abb", "start_with": "a c", "temperature": 1.3, "allow_copies": True}
    many = list(charlm.sample(trained[number], 60, 12, **options))
    assert len({sample.text for sample in many}) > 3
    for rows in (1, 7):
        monkeypatch.setattr("charlm.sampling.candidates.IN_PARALLEL", rows)
        assert list(charlm.sample(trained[number], 9, 12, **options)) == many[:9]


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0, "allow_copies": True},
        {"top_k": 2},
        {"top_p": 0.5, "allow_copies": True},
        {"min_p": 0.2},
        {"unknown": "mask"},
        {"best_of": 3},
        {"unique": True, "min_length": 8},
        {"max_length": 12},
        {"max_copied": 15},
    ],
    ids=str,
)
def test_options_go_with_a_beginning_that_ends_inside_a_token(trained, options):
    samples = list(charlm.sample(trained[0], 5, start_with="ca", seed=1, **options))
    assert len(samples) == 5
    assert all(sample.text.startswith("ca") for sample in samples)
    if "max_length" in options:
        assert all(len(sample.text) <= 12 for sample in samples)
    if "max_copied" in options:
        assert all(sample.longest_copied_run <= 15 for sample in samples)


def test_the_most_likely_tokens_at_temperature_0():
    model = subword_model(lines=False)
    (sample,) = charlm.sample(model, 1, 5, start_with="b", temperature=0, seed=1)
    likely = max(
        covers(model.vocabulary, "b"), key=lambda c: probability(model, [*c.before, *([c.token] * bool(c.token))])
    )
    assert sample.text.startswith(model.vocabulary.decode([*likely.before, *([likely.token] * bool(likely.token))]))


def test_a_stop_may_end_inside_a_token_and_is_not_found_in_the_beginning():
    model = subword_model(lines=False)
    a, ab, bab, space_ab = 2, 5, 7, 8
    endings = Endings(model, Prompt(length=100, stop=("ba",)), math.inf)

    def ends(tokens, segment, **opening):
        candidate = Candidate(number=0, key=0, taken=0)
        candidate.open(Opening(tokens=(ab,), nats=0.0, state=[], line=[], **opening), 2)
        candidate.tokens += tokens
        candidate.segment = segment
        return endings.of(candidate)

    assert ends([], [space_ab, bab]) and ends([ab], [a]) and not ends([], [ab]) and not ends([], [a])
    assert ends([], [bab]) and ends([], [bab], known=0) and not ends([], [bab], known=1)
    for sample in charlm.sample(model, 40, 60, stop="ba", start_with="ba", seed=1):
        found = sample.text.find("ba", 2)
        assert found == -1 or len(sample.text) <= found + 3  # "bab" has one more character


def test_a_segment_of_a_stream_gets_shorter_until_its_tokens_are_standard():
    """With tokens of equal probability, 50 tokens in a row are hardly ever standard."""
    model = subword_model(lines=False, eos=-9.0)
    model.parameters[:] = 0
    model.named_parameters["b_y"][:2] = -30
    sampler = sampler_of(model, 2, 4 * SEGMENT_OF_SUBWORDS, seed=1, max_tries=60)
    for sample in sampler.samples():
        assert len(model.vocabulary.encode(sample.text)) == sample.tokens == 4 * SEGMENT_OF_SUBWORDS
    assert set(sampler.counts.rejections) == {"other_subwords"}


def test_a_line_that_is_always_in_other_subwords():
    model = subword_model(lines=True, eos=-30.0)
    model.parameters[:] = 0
    model.named_parameters["b_y"][:] = [-9, -60, 0, 0, *[-60] * 5]  # "a" and "b" alone: any "ab" is not standard
    with pytest.raises(SamplingError, match=r"spelled in unusual subwords.*lower --temperature"):
        list(charlm.sample(model, start_with="b", max_tries=20, seed=1))


def test_copies_with_a_prime_that_ends_inside_a_token():
    model = subword_model(lines=True)
    model.novelty = ExactNovelty(["b ab\n"])
    sampler = sampler_of(model, 100, prime="b a", max_length=2, seed=1)
    assert "b" not in {sample.text for sample in sampler.samples()}
    assert sampler.counts.rejections["copied"] > 3


def test_copies_of_a_stream_are_avoided(trained):
    model = replace(trained[1], mixture=None)
    sampler = sampler_of(model, 2, 100, start_with="ca", temperature=0.4, max_copied=15, seed=1)
    for sample in sampler.samples():
        assert sample.longest_copied_run <= 15 and sample.text.startswith("ca")
        assert len(model.vocabulary.encode(sample.text)) == sample.tokens == 100
    assert sampler.counts.avoided > 0


def test_a_beginning_that_cannot_be(trained):
    with pytest.raises(UsageError, match=r"never seen 'x'"):
        charlm.sample(trained[0], start_with="cax")
    with pytest.raises(UsageError, match=r"has \d+ tokens; --length"):
        charlm.sample(trained[1], 1, 3, start_with="abba cab dada egg")
    (sample,) = charlm.sample(trained[1], 1, 1, prime="abba cab dada eg", allow_copies=True)
    assert sample.tokens == 1  # the tokens of the prime do not count


def test_the_last_tokens_of_a_long_prime_count(trained):
    ids = trained[1].vocabulary.encode("abba cab\nface\n" * 500 + "egg ca")
    assert len(ids) > LONGEST_PRIME
    last = trained[1].vocabulary.decode(ids[-LONGEST_PRIME:])
    options = {"seed": 4, "start_with": "g", "allow_copies": True}
    first, second = (list(charlm.sample(trained[1], 2, 9, prime=prime, **options)) for prime in ("abba\n" + last, last))
    assert first == second


def test_a_prime_of_words_may_hold_unknown_words():
    model = subword_model(lines=True)
    model.vocabulary = Vocabulary("word", ["The", " cat", " dog", " sat", ".", " ", "an"])
    with pytest.warns(UserWarning, match="never seen"):
        assert len(list(charlm.sample(model, 3, prime="Zyx", seed=1, max_tries=200))) == 3


# Patterns


def enumerated(model, pattern, prime="", power=1.0):
    """Each filling and its fraction of the probability of all."""
    fractions = {}
    for letters in itertools.product("ab ", repeat=pattern.count("_")):
        rest = iter(letters)
        text = "".join(next(rest) if letter == "_" else letter for letter in pattern)
        fractions[text] = text_probability(model, prime + text) ** power
    total = sum(fractions.values())
    return {text: fraction / total for text, fraction in fractions.items()}


@pytest.mark.parametrize(
    ("lines", "pattern", "prime", "temperature", "vocabulary"),
    [
        (True, "_b_a__", "", 1.0, None),
        (True, "a_b _", "", 0.5, None),
        (False, "_ab_\na_", "", 1.0, None),
        (True, "_b_", "a b", 1.0, None),
        (False, "__a", "b a", 1.0, None),
        (True, "a__b_", "", 1.0, SPACES),
        (False, "__b", "a ", 1.0, SPACES),
        (False, "a__", "", 1.0, SPACES),
    ],
)
def test_few_fillings_are_enumerated(lines, pattern, prime, temperature, vocabulary):
    model = subword_model(lines, seed=3, vocabulary=vocabulary)
    filler = Filler(model, pattern, 1, SamplingOptions(prime=prime, temperature=temperature))
    tokens, _, weights = filler.posterior()
    found = [model.vocabulary.decode(ids)[len(filler.prompt.rest) :].removesuffix("\n" * lines) for ids in tokens]
    assert dict(zip(found, weights, strict=True)) == pytest.approx(
        enumerated(model, pattern, prime, 1 / temperature), rel=1e-4
    )
    assert len(set(found)) == len(found)


def test_the_log_probability_of_a_filling():
    model = subword_model(lines=True, seed=3)
    for sample in charlm.sample(model, 9, fill="a_b _", seed=1):
        assert sample.log_probability == pytest.approx(charlm.log_probability(model, sample.text), rel=1e-4)
        assert sample.tokens == len(model.vocabulary.encode(sample.text)) + 1
    before = prefix_probability(model, "b a")
    for sample in charlm.sample(model, 9, fill="_b", prime="b a", seed=1):
        expected = math.log(text_probability(model, f"b a{sample.text}") / before)
        assert sample.log_probability == pytest.approx(expected, rel=1e-4)


def test_with_few_prefixes_the_estimate_is_right_in_the_mean():
    model, pattern, runs = subword_model(lines=True, seed=3), "__b__a", 100
    exact = Filler(model, pattern)
    tokens, _, weights = exact.posterior()
    truth = dict(zip(tokens, weights * math.exp(exact.log_evidence), strict=True))
    assert sum(truth.values()) == pytest.approx(
        sum(text_probability(model, text) for text in enumerated(model, pattern)),
        rel=1e-4,
    )
    estimates = {ids: np.zeros(runs) for ids in truth}
    for seed in range(runs):
        filler = Filler(model, pattern, 1, SamplingOptions(seed=seed), prefixes=6)
        filler._most = 9  # so that branches are chosen before and after they are checked
        tokens, _, weights = filler.posterior()
        assert len(tokens) <= 6
        for ids, weight in zip(tokens, weights, strict=True):
            estimates[ids][seed] = weight * math.exp(filler.log_evidence)
    totals = sum(estimates.values())
    assert totals.mean() == pytest.approx(sum(truth.values()), abs=4 * totals.std() / math.sqrt(runs))
    for ids, values in estimates.items():
        if np.count_nonzero(values) > 20:
            assert values.mean() == pytest.approx(truth[ids], abs=4.5 * values.std() / math.sqrt(runs) + 1e-12)


def test_a_pattern_of_subwords_that_cannot_be_filled():
    model = subword_model(lines=True)
    for pattern, message in (("ab", "at least one blank"), ("x_", "'x'"), ("a\n_", "line")):
        with pytest.raises(UsageError, match=message):
            charlm.sample(model, fill=pattern)
    model.vocabulary = Vocabulary("subword", [])
    with pytest.raises(SamplingError, match="nothing that could fill a blank"):
        charlm.sample(model, fill="_")


def test_the_next_token_after_a_text_that_ends_inside_a_token():
    model = subword_model(lines=False)
    after = charlm.next_tokens(model, "ba")
    assert after["b"] == pytest.approx(probability(model, [3, 2, 3]) / probability(model, [3, 2]), rel=1e-4)
