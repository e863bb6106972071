"""Kneser–Ney n-grams: a small example by hand, the formula in plain Python, and probabilities that sum to one."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from charlm.text import ngrams
from charlm.text.ngrams import NGrams, discounts
from charlm.text.vocabulary import EOS


def naive(train, text, size, order, lines):
    """The probabilities from dictionaries, one token at a time."""

    def grams(tokens):
        """(history, token) for each token, with the longest history it has."""
        history = (EOS,)
        for token in tokens:
            yield history[-(order - 1) :] if order > 1 else (), token
            history = (EOS,) if lines and token == EOS else (*history, token)

    counts = [Counter() for _ in range(order)]  # by the length of the history
    ended = [defaultdict(set) for _ in range(order)]  # n-gram → the tokens that it follows
    begun = [Counter() for _ in range(order)]  # n-grams with nothing before them
    for history, token in grams(train.tolist()):
        for n in range(len(history) + 1):
            gram = (*history[len(history) - n :], token)
            counts[n][gram] += 1
            if n < len(history):
                ended[n][gram].add(history[len(history) - n - 1])
            elif n < order - 1:
                begun[n][gram] += 1
    for n in range(order - 1):
        counts[n] = Counter({gram: len(ended[n][gram]) + begun[n][gram] for gram in {*ended[n], *begun[n]}})
    discount = [discounts(np.array(list(count.values()))) for count in counts]

    def probability(history, token):
        n = len(history)
        below = probability(history[1:], token) if n else 1 / size
        after = [count for gram, count in counts[n].items() if gram[:-1] == history]
        if not after:
            return below
        count = counts[n][(*history, token)]
        left = sum(discount[n][min(c, 3)] for c in after) / sum(after)
        return (count - discount[n][min(count, 3)]) / sum(after) + left * below

    return [probability(history, token) for history, token in grams(text.tolist())]


def test_discounts_by_hand():
    """n₁…n₄ = 4, 2, 1, 1: Y = 4/8, D₁ = 1 - 2·½·2/4, D₂ = 2 - 3·½·1/2, D₃ = 3 - 4·½·1/1"""
    assert discounts(np.array([1, 1, 1, 1, 2, 2, 3, 4])).tolist() == [0, 0.5, 1.25, 1.0]
    assert discounts(np.array([7, 9])).tolist() == [0, *ngrams.FALLBACK]
    skewed = discounts(np.array([1] * 4 + [2] + [3] * 9))  # Y = 2/3, 2 - 3·⅔·9/1 would be below 0
    assert skewed == pytest.approx([0, 1 - 2 * 2 / 3 / 4, ngrams.FALLBACK[1], 3])


def test_bigrams_by_hand():
    """The lines ab, ab, b with a = 2, b = 3. Tokens follow 1 (a), 2 (b) and 1 (<EOS>) others, so that Y = ½, D₁ = ½,
    D₂ = 2 and γ = ¾ over ¼ each; bigrams occur 2 (<EOS>a), 2 (ab), 3 (b<EOS>) and 1 (<EOS>b) times, so that Y = 1/5,
    D₁ = 1/5, D₂ = 17/10, D₃ = 3."""
    grams = NGrams(np.array([2, 3, 0, 2, 3, 0, 3, 0]), 4, 2, lines=True)
    a, b, eos = 0.5 / 4 + 0.75 / 4, 0.75 / 4, 0.5 / 4 + 0.75 / 4
    by_hand = [0.3 / 3 + 1.9 / 3 * a, 0.3 / 2 + 1.7 / 2 * b, 0 + 3 / 3 * eos]
    assert grams.probabilities(np.array([2, 3, 0])) == pytest.approx(by_hand, rel=1e-12)
    assert grams.probabilities(np.array([3])) == pytest.approx([0.8 / 3 + 1.9 / 3 * b], rel=1e-12)


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_the_formula_in_plain_python(order, lines):
    random = np.random.default_rng(order)
    train = np.append(random.choice(5, 150, p=(0.2, 0.05, 0.4, 0.25, 0.1)), EOS)
    text = random.integers(0, 6, 60)  # 5 was never seen
    assert NGrams(train, 6, order, lines).probabilities(text) == pytest.approx(
        naive(train, text, 6, order, lines), rel=1e-12
    )


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("order", [1, 3, 6])
def test_probabilities_sum_to_one(order, lines):
    random = np.random.default_rng(0)
    grams = NGrams(np.append(random.integers(0, 7, 500), EOS), 9, order, lines)
    text = random.integers(0, 9, 50)
    for end in range(len(text)):
        values = [grams.probabilities(np.append(text[:end], token))[-1] for token in range(9)]
        assert sum(values) == pytest.approx(1, abs=1e-12) and min(values) > 0


def test_numbers_too_large_to_be_sorted_with_their_indices():
    values = np.array([5, 1 << 62, 5, 0, 1 << 62])
    for shift in (0, 40):
        unique, indices, numbers = ngrams._unique(values >> shift)
        assert (unique[numbers] == values >> shift).all() and ((values >> shift)[indices] == unique).all()
