"""By the clock: the plan follows the measured speed, and a steady speed leaves it alone."""

import pytest

from charlm.learning.clock import TOLERANCE, Clock


def run(speed_at, minutes=1.0, total=60_000, reserve=0.5, every=0.5):
    """(seconds at the end, totals planned) of a training whose speed in tokens per second depends on the time."""
    clock, seconds, tokens, totals = Clock(minutes, 0.0, 0), 0.0, 0, [total]
    while tokens < totals[-1] and not clock.is_over(seconds, reserve):
        seconds += every
        tokens += round(speed_at(seconds) * every)
        changed = clock.new_total(seconds, tokens, totals[-1], reserve)
        if changed:
            totals.append(changed)
    return seconds + reserve, totals


def test_a_steady_speed_leaves_the_plan_alone():
    end, totals = run(lambda seconds: 1000, total=59_500)
    assert totals == [59_500] and end == pytest.approx(60, abs=1)


@pytest.mark.parametrize("speed", [200, 900, 1100, 7000])
def test_a_wrong_first_estimate_is_corrected(speed):
    end, totals = run(lambda seconds: speed)
    assert end == pytest.approx(60, rel=TOLERANCE) and 2 <= len(totals) <= 3


def test_a_training_on_a_machine_that_slows_down_ends_in_time():
    end, totals = run(lambda seconds: 1000 if seconds < 20 else 400)
    assert end == pytest.approx(60, rel=0.05)
    assert totals[-1] < totals[0]


def test_a_training_ends_in_time_though_the_machine_stops():
    end, _ = run(lambda seconds: 1000 if seconds < 58 else 1)
    assert end <= 60
