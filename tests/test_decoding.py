"""The next token: temperature, top-k, top-p and min-p, and the token that a random number chooses."""

import math

import numpy as np
import pytest

from charlm.errors import UsageError
from charlm.network.probabilities import softmax
from charlm.sampling.decoding import Decoding


@pytest.mark.parametrize("V", [2, 3, 65, 1000])
def test_one_row_is_sampled_with_the_bits_of_many(V):
    random = np.random.default_rng(V)
    logits, points = random.normal(0, 3, (40, V)).astype(np.float32), random.random(40)
    points[:2] = 0, np.nextafter(1, 0)
    many = Decoding().sample(logits, points)
    alone = [Decoding().sample(logits[row : row + 1], points[row : row + 1]) for row in range(40)]
    for whole, parts in zip(many, zip(*alone, strict=True), strict=True):
        assert np.concatenate(parts).tobytes() == whole.tobytes()


def distribution(decoding, logits):
    return decoding.probabilities(np.array([logits], np.float32))[0]


LOGITS = [2.0, 1.0, 0.0, -1.0]


def test_temperature():
    plain = softmax(np.array(LOGITS))
    assert distribution(Decoding(), LOGITS) == pytest.approx(plain)
    assert distribution(Decoding(0.5), LOGITS) == pytest.approx(softmax(2 * np.array(LOGITS)))
    assert distribution(Decoding(1e9), LOGITS) == pytest.approx([0.25] * 4)
    for coldest in (0, 1e-9, 1e-320):
        assert distribution(Decoding(coldest), LOGITS) == pytest.approx([1, 0, 0, 0])


def test_top_k_and_top_p():
    plain = softmax(np.array(LOGITS))
    assert distribution(Decoding(top_k=2), LOGITS) == pytest.approx([*plain[:2] / plain[:2].sum(), 0, 0])
    assert distribution(Decoding(top_k=1), LOGITS) == pytest.approx([1, 0, 0, 0])
    assert distribution(Decoding(top_k=99), LOGITS) == pytest.approx(plain)
    # 0.644, 0.237, …: the first reaches 0.6, two are needed for 0.65
    assert distribution(Decoding(top_p=0.6), LOGITS) == pytest.approx([1, 0, 0, 0])
    assert distribution(Decoding(top_p=0.65), LOGITS) == pytest.approx([*plain[:2] / plain[:2].sum(), 0, 0])
    assert distribution(Decoding(top_k=2), [0.0] * 4) == pytest.approx([0.5, 0.5, 0, 0])  # ties: exactly k are kept


def test_min_p():
    plain = softmax(np.array(LOGITS))  # each is 0.368 times the one before
    assert distribution(Decoding(min_p=0.36), LOGITS) == pytest.approx([*plain[:2] / plain[:2].sum(), 0, 0])
    assert distribution(Decoding(min_p=0.37), LOGITS) == pytest.approx([1, 0, 0, 0])
    assert distribution(Decoding(min_p=1), [0.0, 0.0, -1.0, -1.0]) == pytest.approx([0.5, 0.5, 0, 0])
    assert distribution(Decoding(2, min_p=0.6), LOGITS)[1] > 0  # the temperature comes first: 0.607


def test_a_masked_unknown_takes_no_place():
    plain = softmax(np.array([2.0, 0.0, -1.0]))
    assert distribution(Decoding(mask_unknown=True), LOGITS) == pytest.approx([plain[0], 0, *plain[1:]])
    assert distribution(Decoding(mask_unknown=True, top_k=2), LOGITS)[[1, 3]].tolist() == [0, 0]
    assert distribution(Decoding(0, mask_unknown=True), [1.0, 2.0, 0.0, 0.0]) == pytest.approx([1, 0, 0, 0])


@pytest.mark.parametrize(
    "setting",
    [
        {"min_p": -0.1},
        {"min_p": 1.1},
        {"temperature": -1},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"top_k": -1},
        {"top_p": 0},
        {"top_p": 1.1},
    ],
)
def test_decoding_options_that_cannot_be(setting):
    with pytest.raises(UsageError, match=f"^{next(iter(setting))} must be"):
        Decoding(**setting)
