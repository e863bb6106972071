"""How work is shared by threads."""

import pytest

from charlm.network.threads import ThreadPool


def parts_of(pool, number, multiple, work=None):
    return [part() for part in pool.split(number, lambda start, stop: (start, stop), multiple, work)]


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("number, multiple", [(1, 16), (65, 16), (64, 1), (7, 1), (1024, 64)])
def test_parts_make_up_the_whole_and_are_cut_at_multiples(number, multiple, threads):
    pool = ThreadPool(threads)
    for work in (None, lambda columns: columns, lambda columns: 10 * columns + 256 * max(0, columns - number // 4)):
        parts = parts_of(pool, number, multiple, work)
        assert [start for start, _ in parts] == [0, *(stop for _, stop in parts[:-1])] and parts[-1][1] == number
        assert all(start < stop and start % multiple == 0 for start, stop in parts) and len(parts) <= threads
    pool.close()


def test_parts_are_of_equal_work():
    """Nothing to do for the first hundred, twice as much for each of the last hundred."""
    pool = ThreadPool(3)
    parts = parts_of(pool, 300, 1, lambda number: max(0, number - 100) + max(0, number - 200))
    assert parts == [(0, 200), (200, 250), (250, 300)]
    pool.close()


@pytest.mark.parametrize("thread", [0, 1])
def test_an_error_in_any_part_comes_out(thread):
    def fail(start, stop):
        if bool(start) == bool(thread):
            raise ValueError("here")

    pool = ThreadPool(2)
    with pytest.raises(ValueError, match="here"):
        pool.run(pool.split(10, fail))
    pool.close()
