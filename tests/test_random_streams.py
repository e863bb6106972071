"""A stream of random numbers does not depend on its neighbours, and its numbers are uniform and independent."""

import numpy as np
import pytest

from charlm.sampling.random_streams import AHEAD, GAMMA, RandomStreams, bits_at, key_of, mix


def row_by_row(keys, number):
    """So many numbers of each key, made one at a time: (number, keys)."""
    random = RandomStreams()
    random.take_rows([], len(keys))
    random.begin(list(range(len(keys))), keys, [0] * len(keys))
    return np.array([random.next_numbers() for _ in range(number)])


def test_the_mixing_is_splitmix64():
    """Its first numbers from the seeds 0 and 1234567, as they are published."""
    positions = np.arange(1, 4, dtype=np.uint64) * GAMMA
    assert [hex(word) for word in mix(positions).tolist()] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]
    assert mix(positions + 1234567).tolist()[:2] == [6457827717110365317, 3203168211198807973]


def test_a_row_begins_and_goes_on_at_any_time():
    keys, number = [3, (1 << 63) + 12345, (1 << 64) - 1], 3 * AHEAD + 5  # of which float64 holds one
    wanted = row_by_row(keys, number)
    assert len({*wanted.ravel().tolist()}) == wanted.size
    for begun in (0, 1, AHEAD - 1, AHEAD, AHEAD + 3):
        random = RandomStreams()
        random.take_rows([], 2)
        for _ in range(begun):
            random.next_numbers()
        random.begin([1], keys[:1], [0])
        first = [random.next_numbers()[1] for _ in range(7)]
        assert random.taken(1) == 7
        random.take_rows([1], 3)
        random.begin([1, 2], keys[1:], [2, AHEAD])
        later = np.array([random.next_numbers() for _ in range(2 * AHEAD)])
        assert random.taken(0) == 7 + 2 * AHEAD and random.taken(2) == 3 * AHEAD
        assert np.array_equal([*first, *later[:, 0]], wanted[: 7 + 2 * AHEAD, 0])
        assert np.array_equal(later[:, 1], wanted[2 : 2 + 2 * AHEAD, 1])
        assert np.array_equal(later[:, 2], wanted[AHEAD : 3 * AHEAD, 2])


def test_seeds_that_differ_have_keys_that_differ():
    seeds = [(n,) for n in range(300)] + [(n, m) for n in range(20) for m in range(20)]
    seeds += [(0, 0, 0), (1 << 64,), (1 << 64, 0), (1 << 200,), (5, 1 << 64)]
    keys = {int(key_of(seed)[0]) for seed in seeds}
    keys |= {int(key) for seed in seeds[:50] for key in bits_at(key_of(seed), np.arange(50, dtype=np.uint64))}
    assert len(keys) == len(seeds) + 50 * 50


@pytest.mark.parametrize("along", ["numbers of a sample", "samples of a seed", "seeds"])
def test_the_numbers_are_uniform_and_neighbours_independent(along):
    """Pearson's statistic of pairs of neighbours in 16 × 16 boxes, which has 255 degrees of freedom."""
    many = 1 << 16
    if along == "seeds":
        keys = np.concatenate([key_of((seed,)) for seed in range(1, many // 8 + 1)])
    else:
        keys = bits_at(key_of((1,)), np.arange(1 << 8, dtype=np.uint64))
    numbers = row_by_row(keys.tolist(), 8 if along == "seeds" else many // len(keys))
    numbers = (numbers.T if along == "numbers of a sample" else numbers).ravel()
    assert numbers.min() >= 0 and numbers.max() < 1
    boxes = (16 * numbers).astype(int)
    counts = np.bincount(16 * boxes[:-1] + boxes[1:], minlength=256)
    statistic = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
    assert 160 < statistic < 370, statistic  # four standard deviations and more


def test_one_row_takes_a_number_of_its_own():
    """The numbers of a row follow each other, whoever takes them, also where the next ones must be made first."""
    alone, streams = RandomStreams(), RandomStreams()
    for either in (alone, streams):
        either.take_rows([], 2)
        either.begin([0, 1], [11, 12], [0, 0])
    expected = [alone.next_numbers().tolist() for _ in range(3 * AHEAD)]
    first, taken = [], 0
    for step in range(2 * AHEAD):
        if step % 5 == 0 or step == AHEAD:
            first.append(streams.take(0))
            taken += 1
        numbers = streams.next_numbers()
        first.append(numbers[0])
        assert numbers[1] == expected[step][1]
    assert first == [row[0] for row in expected[: len(first)]]
    assert (streams.taken(0), streams.taken(1)) == (2 * AHEAD + taken, 2 * AHEAD)
