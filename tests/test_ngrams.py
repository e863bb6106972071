"""Kneser–Ney n-grams: an example by hand, the formula in plain Python, pruning, codes, and steps through a text."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from charlm.text import counting, ngrams
from charlm.text.counting import discounts
from charlm.text.ngrams import BACKOFFS, WEIGHTS, NGrams, array_shapes
from charlm.text.vocabulary import EOS, UNKNOWN


def grams_in(tokens, order, lines):
    """(history, token) for each token, with the longest history it has."""
    history = (EOS,)
    for token in tokens.tolist():
        yield history[-(order - 1) :] if order > 1 else (), token
        history = (EOS,) if lines and token == EOS else (*history, token)


def occurrences_in(tokens, order, lines):
    """How often each n-gram of each order occurs: a list by the length of the history."""
    counts = [Counter() for _ in range(order)]
    for history, token in grams_in(tokens, order, lines):
        for n in range(len(history) + 1):
            counts[n][*history[len(history) - n :], token] += 1
    return counts


def naive(train, text, size, order, lines, singletons):
    """The probabilities from dictionaries, one token at a time."""
    occurrences = occurrences_in(train, order, lines)
    ended = [defaultdict(set) for _ in range(order)]  # n-gram → the tokens that it follows
    begun = [Counter() for _ in range(order)]  # n-grams with nothing before them
    for history, token in grams_in(train, order, lines):
        for n in range(len(history) + 1):
            gram = (*history[len(history) - n :], token)
            if n < len(history):
                ended[n][gram].add(history[len(history) - n - 1])
            elif n < order - 1:
                begun[n][gram] += 1
    counts = [
        Counter({gram: len(ended[n][gram]) + begun[n][gram] for gram in {*ended[n], *begun[n]}})
        for n in range(order - 1)
    ]
    counts.append(occurrences[-1])
    discount = [discounts(np.array(list(count.values()))) for count in counts]

    def own(gram, total):
        n, count = len(gram) - 1, counts[len(gram) - 1][gram]
        if n + 1 > singletons and occurrences[n][gram] < 2:
            return 0
        return max(count - discount[n][min(count, 3)], 0) / total

    def probability(history, token):
        n = len(history)
        below = probability(history[1:], token) if n else 1 / size
        after = {gram: count for gram, count in counts[n].items() if gram[:-1] == history}
        if not after:
            return below
        total = sum(after.values())
        return own((*history, token), total) + (1 - sum(own(gram, total) for gram in after)) * below

    return [probability(history, token) for history, token in grams_in(text, order, lines)]


def random_tokens(count, size=7, seed=0):
    """Ids with some order in them, the last one <EOS>."""
    random = np.random.default_rng(seed)
    tokens = np.append(random.choice(size, count, p=np.arange(size, 0, -1) / (size * (size + 1) / 2)), EOS)
    tokens[count // 2 : count // 2 + 20] = tokens[:20]  # a run that occurs twice
    return tokens.astype(np.uint8)


def count(tokens, size, order, lines, *, singletons=99, **more):
    return NGrams.count(tokens, size, order, lines, singletons=singletons, **more)


def kept_grams(grams):
    """The n-grams of a tree as tuples, by node."""
    found, parents = [()], np.repeat(np.arange(len(grams)), np.diff(grams.first))
    for parent, token in zip(parents.tolist(), grams.tokens[1:].tolist(), strict=True):
        found.append((*found[parent], token))
    return found


def test_discounts_by_hand():
    """n₁…n₄ = 4, 2, 1, 1: Y = 4/8, D₁ = 1 - 2·½·2/4, D₂ = 2 - 3·½·1/2, D₃ = 3 - 4·½·1/1"""
    assert discounts(np.array([1, 1, 1, 1, 2, 2, 3, 4])).tolist() == [0, 0.5, 1.25, 1.0]
    assert discounts(np.array([1, 2, 2, 3, 4]), left_out=3).tolist() == [0, 0.5, 1.25, 1.0]
    assert discounts(np.array([7, 9])).tolist() == [0, *counting.FALLBACK]
    skewed = discounts(np.array([1] * 4 + [2] + [3] * 9))  # Y = 2/3, 2 - 3·⅔·9/1 would be below 0
    assert skewed == pytest.approx([0, 1 - 2 * 2 / 3 / 4, counting.FALLBACK[1], 3])


def test_bigrams_by_hand():
    """The lines ab, ab, b with a = 2, b = 3. Tokens follow 1 (a), 2 (b) and 1 (<EOS>) others, so that Y = ½, D₁ = ½,
    D₂ = 2 and γ = ¾ over ¼ each; bigrams occur 2 (<EOS>a), 2 (ab), 3 (b<EOS>) and 1 (<EOS>b) times, so that Y = 1/5,
    D₁ = 1/5, D₂ = 17/10, D₃ = 3."""
    text = np.array([2, 3, 0, 2, 3, 0, 3, 0])
    grams = count(text, 4, 2, lines=True, exact=True)
    a, b, eos = 0.5 / 4 + 0.75 / 4, 0.75 / 4, 0.5 / 4 + 0.75 / 4
    by_hand = [0.3 / 3 + 1.9 / 3 * a, 0.3 / 2 + 1.7 / 2 * b, 0 + 3 / 3 * eos]
    assert grams.probabilities(np.array([2, 3, 0])) == pytest.approx(by_hand, rel=1e-12)
    assert grams.probabilities(np.array([3])) == pytest.approx([0.8 / 3 + 1.9 / 3 * b], rel=1e-12)
    pruned = count(text, 4, 2, lines=True, singletons=1, exact=True)  # without <EOS>b: its history leaves 2.7 of 3
    assert pruned.probabilities(np.array([3])) == pytest.approx([2.7 / 3 * b], rel=1e-12)
    assert pruned.probabilities(np.array([2])) == pytest.approx([0.3 / 3 + 2.7 / 3 * a], rel=1e-12)


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize(("order", "singletons"), [(1, 1), (2, 2), (3, 3), (5, 5), (2, 1), (3, 2), (5, 1), (6, 3)])
def test_the_formula_in_plain_python(order, singletons, lines):
    train = random_tokens(150, 5, seed=order)
    text = np.append(train[60:90], np.random.default_rng(order).integers(0, 6, 40))  # 5 was never seen
    grams = count(train, 6, order, lines, singletons=singletons, exact=True)
    expected = naive(train, text, 6, order, lines, singletons)
    assert grams.probabilities(text) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("order", [1, 3, 6])
def test_probabilities_sum_to_one(order, lines):
    random = np.random.default_rng(0)
    train, text = np.append(random.integers(0, 7, 500), EOS), random.integers(0, 9, 50)
    for exact, singletons in ((True, 99), (True, 2), (False, 2)):
        grams = count(train, 9, order, lines, singletons=singletons, exact=exact)
        for end in range(len(text)):
            values = [grams.probabilities(np.append(text[:end], token))[-1] for token in range(9)]
            assert sum(values) == pytest.approx(1, abs=1e-12 if exact else 1e-6) and min(values) > 0


def check_tree(grams):
    """Sorted, complete, normalized; the parts of the numbering agree."""
    assert (np.diff(grams.keys) > 0).all()
    assert grams.orders[0] == 0 and grams.orders[1] == 1 and grams.orders[-1] == len(grams)
    parents = np.repeat(np.arange(len(grams)), np.diff(grams.first))
    assert (np.diff(parents) >= 0).all() and grams.keys.tolist() == [
        parent * grams.vocabulary_size + token
        for parent, token in zip(parents.tolist(), grams.tokens[1:].tolist(), strict=True)
    ]
    assert (grams.backoff > 0).all() and (grams.own >= 0).all()
    sums = np.bincount(parents, grams.own[1:], len(grams)) + grams.backoff
    np.testing.assert_allclose(sums, 1, atol=1e-6)


@pytest.mark.parametrize("lines", [True, False])
def test_what_is_kept_occurs_and_its_parts_are_kept(lines):
    text = random_tokens(600)
    occurrences = {gram: n for counts in occurrences_in(text, 6, lines) for gram, n in counts.items()}
    for more in ({}, {"singletons": 3}, {"singletons": 3, "most": 300}, {"most": 200}, {"most": 1}):
        grams = count(text, 8, 6, lines, **more)
        kept = kept_grams(grams)
        check_tree(grams)
        assert {(w,) for w in range(8)} <= set(kept) and len(set(kept)) == len(kept) == len(grams)
        for gram in kept[9:]:
            assert occurrences[gram] > (len(gram) > more.get("singletons", 9))
            assert gram[:-1] in kept and gram[1:] in kept
        for n, start, stop in zip(range(7), grams.orders[:-1], grams.orders[1:], strict=True):
            assert {len(gram) for gram in kept[start:stop]} <= {n}
        if "most" in more:
            assert len(kept) - 1 == max(more["most"], 8)
        else:
            expected = {gram for gram, n in occurrences.items() if n > (len(gram) > more.get("singletons", 9))}
            assert set(kept[9:]) == {gram for gram in expected if len(gram) > 1}


def test_a_limit_leaves_out_what_the_text_gains_least_from():
    text = np.tile(random_tokens(400), 2)
    text[400:] = np.where(np.random.default_rng(1).random(len(text) - 400) < 0.1, 3, text[400:])
    trees = [count(text, 8, 6, False, singletons=3, most=most) for most in (None, 1000, 700, 400, 200, 100)]
    losses = [-np.log(grams.probabilities(text)).mean() for grams in trees]
    assert losses == sorted(losses) and losses[-1] < losses[0] + 1


@pytest.mark.parametrize("lines", [True, False])
def test_steps_find_the_nodes_of_all_histories(lines):
    text = random_tokens(800)
    grams = count(text, 9, 5, lines, singletons=2)
    nodes = {gram: node for node, gram in enumerate(kept_grams(grams))}
    missing = len(grams)
    tokens = np.random.default_rng(2).integers(0, 9, (3, 60))
    tokens[:, :40] = text[:120].reshape(3, 40)
    found = grams.no_history(3)
    assert found.tolist() == 3 * [[0, *[missing] * 4]]
    found = grams.step(found, np.full(3, EOS))
    histories = [(EOS,)] * 3
    assert found.tolist() == 3 * [[0, 1 + EOS, *[missing] * 3]]
    for column in tokens.T:
        alone = [grams.step(found[row : row + 1], column[row : row + 1]) for row in range(3)]
        found = grams.step(found, column)
        assert np.array_equal(found, np.concatenate(alone))
        histories = [(*history, token) for history, token in zip(histories, column.tolist(), strict=True)]
        suffixes = [[history[len(history) - n :] for n in range(min(5, len(history) + 1))] for history in histories]
        expected = [[nodes.get(suffix, missing) for suffix in some] + [missing] * (5 - len(some)) for some in suffixes]
        assert found.tolist() == expected and found.dtype == np.int64


def test_unigrams_have_one_history():
    grams = count(random_tokens(50), 8, 1, True)
    nodes = grams.step(grams.no_history(1), np.array([3]))
    assert nodes.tolist() == [[0]] == grams.no_history(1).tolist()
    check_tree(grams)


def test_the_unknown_token():
    text = random_tokens(300)
    assert count(text, 9, 3, False).has_unknown
    grams = count(np.where(text == UNKNOWN, 2, text), 9, 3, False)
    assert not grams.has_unknown and grams.own[1 + UNKNOWN] == 0


@pytest.mark.parametrize("tokens", [[], [EOS], [3, EOS], [EOS, EOS, EOS]])
@pytest.mark.parametrize("lines", [True, False])
def test_a_text_that_is_shorter_than_the_order(tokens, lines):
    grams = count(np.array(tokens, np.uint8), 5, 4, lines)
    check_tree(grams)
    again = NGrams.from_arrays(grams.fields(), grams.arrays(), 5, lines)
    assert (again.own == grams.own).all() and again.orders.tolist() == grams.orders.tolist()
    assert grams.probabilities(np.array([2, 3, EOS])).min() > 0


def test_codes_are_the_nearest_and_cost_little():
    """Weights are within 3.3 % of the exact ones, and odds of γ within 8 %, less where γ is about a half."""
    text = random_tokens(3000)
    exact, coded = (count(text, 8, 5, False, singletons=3, exact=exact) for exact in (True, False))
    assert coded.own.dtype == coded.backoff.dtype == np.float32 and exact.own.dtype == np.float64
    has = np.diff(exact.first) > 0
    odds = [grams.backoff[has] / (1 - grams.backoff[has]) for grams in (exact, coded)]
    np.testing.assert_allclose(odds[1], odds[0], rtol=0.08)
    half = (odds[0] > 0.25) & (odds[0] < 4)
    assert half.sum() > 50
    np.testing.assert_allclose(odds[1][half], odds[0][half], rtol=0.035)
    new = random_tokens(3000, seed=1)
    losses = [-np.log(grams.probabilities(new)).mean() for grams in (exact, coded)]
    assert losses[1] == pytest.approx(losses[0], abs=5e-4) and losses[0] != losses[1]
    assert len(WEIGHTS) == len(BACKOFFS) == 256 and WEIGHTS[-1] == 0


def test_n_grams_come_back_from_their_arrays():
    for size, lines in ((8, False), (300, True)):
        text = random_tokens(2000).astype(np.uint16) + size - 8
        text[::7] = EOS
        grams = count(text, size, 5, lines, singletons=2)
        fields, arrays = grams.fields(), grams.arrays()
        assert {name: (a.dtype, a.shape) for name, a in arrays.items()} == array_shapes(fields, size)
        again = NGrams.from_arrays(fields, arrays, size, lines)
        for name in ("tokens", "first", "own", "backoff", "keys", "orders"):
            assert (getattr(again, name) == getattr(grams, name)).all(), name
            assert getattr(again, name).dtype == getattr(grams, name).dtype
        assert again.fields() == fields and (again.order, again.lines) == (grams.order, lines)
        assert all((again.arrays()[name] == array).all() for name, array in arrays.items())
    assert len(grams) > 1000 and sum(array.nbytes for array in arrays.values()) < 5 * len(grams)


def test_an_n_gram_without_siblings_has_no_code():
    """After ab comes c, always; after b come a and c."""
    grams = count(np.array([2, 3, 4, 2, 3, 4, 3, 2, 2, EOS]), 5, 3, False)
    children = np.diff(grams.first)
    siblings = sum(number for number in children.tolist() if number > 1)
    assert grams.fields()["siblings"] == len(grams.arrays()["ngrams_own"]) == siblings < len(grams) - 1
    check_tree(grams)


def test_any_codes_are_normalized():
    grams = count(random_tokens(2000), 8, 5, False, singletons=3)
    random, arrays = np.random.default_rng(0), grams.arrays()
    for attempt in range(6):
        codes = [random.integers(0, 256, len(arrays[name]), np.uint8) for name in ("ngrams_own", "ngrams_backoff")]
        if attempt < 4:
            codes = [np.full_like(code, (0, 255)[attempt >> n & 1]) for n, code in enumerate(codes)]
        changed = arrays | dict(zip(("ngrams_own", "ngrams_backoff"), codes, strict=True))
        check_tree(NGrams.from_arrays(grams.fields(), changed, 8, False))


def test_an_order_that_no_file_can_hold():
    assert count(random_tokens(300), 8, ngrams.MOST_ORDER, False, singletons=3).order == ngrams.MOST_ORDER
    with pytest.raises(ValueError, match="order"):
        count(random_tokens(300), 8, ngrams.MOST_ORDER + 1, False)


def test_exact_n_grams_are_in_no_file():
    with pytest.raises(ValueError, match="exact"):
        count(random_tokens(50), 8, 3, False, exact=True).arrays()


@pytest.mark.parametrize(
    "change",
    [
        {"order": 2},
        {"order": 4},
        {"order": True},
        {"order": 10**6},
        {"sizes": None},
        {"sizes": [8, 40, 10**30]},
        {"sizes": [7, 41, 90]},
        {"histories": 10**9},
        {"histories": 0},
        {"histories": -1},
        {"siblings": 3},
        {"siblings": 10**6},
        {"most_children": 300},
        {"most_children": 6},
        {"most_children": 1.0},
        {"has_unknown": 1},
    ],
)
def test_fields_that_do_not_describe_the_arrays(change):
    grams = count(random_tokens(200), 8, 3, False, singletons=2)
    assert grams.fields()["most_children"] == 7
    with pytest.raises(ValueError, match="its (header|array|n-grams)"):
        NGrams.from_arrays(grams.fields() | change, grams.arrays(), 8, False)


@pytest.mark.parametrize("name", ["ngrams_tokens", "ngrams_children"])
def test_arrays_that_are_no_n_grams(name):
    """Each element changed: what still loads is sorted, of this vocabulary, and normalized."""
    grams = count(random_tokens(60), 8, 3, False)
    fields, arrays = grams.fields(), grams.arrays()
    errors = 0
    for index in range(len(arrays[name])):
        for value in (0, 255, arrays[name][index] + 1):
            changed = arrays | {name: arrays[name].copy()}
            changed[name][index] = value
            try:
                found = NGrams.from_arrays(fields, changed, 8, False)
            except ValueError:
                errors += 1
            else:
                check_tree(found)
                assert found.tokens.max() < 8
    assert errors > len(arrays[name])


def test_numbers_too_large_to_be_sorted_with_their_indices():
    values = np.array([5, 1 << 62, 5, 0, 1 << 62])
    for shift in (0, 40):
        found, indices, starts = counting._groups(values >> shift)
        assert found.tolist() == sorted({*(values >> shift).tolist()})
        assert (values >> shift)[indices].tolist() == np.sort(values >> shift).tolist()
        assert ((values >> shift)[indices[starts]] == found).all()


def test_the_codes_are_the_same_bits_everywhere():
    """They are made by products, whose rounding IEEE 754 fixes."""
    assert [float(WEIGHTS[code]).hex() for code in (1, 2, 254)] == [
        (15 / 16).hex(),
        (225 / 256).hex(),
        float(np.multiply.reduce([15 / 16] * 254)).hex(),
    ]
    assert (np.diff(WEIGHTS) < 0).all() and (np.diff(ngrams._ODDS) > 0).all()
