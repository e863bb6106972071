"""A command that shows nothing says what goes on, and is silent while it shows something."""

import time

from charlm.display.scores import sampling_progress
from charlm.display.waiting import Waiting
from charlm.sampling.rules import SamplingCounts


def test_lines_come_while_nothing_is_shown(capsys):
    with Waiting(lambda: "working", first=0.05, every=0.05):
        time.sleep(0.5)
    assert capsys.readouterr().err.count("working\n") >= 3


def test_no_line_comes_where_something_is_shown_often_enough(capsys):
    with Waiting(lambda: "working", first=5) as waiting:
        for _ in range(20):
            with waiting.shows():
                time.sleep(0.01)
    with Waiting(lambda: "working", quiet=True, first=0.01):
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_on_a_terminal_the_line_stands_in_one_place_and_is_taken_away(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "30")
    with Waiting(lambda: "a line that is wider than the terminal", first=0.05, every=0.05):
        time.sleep(0.4)
    written = capsys.readouterr().err
    assert "\n" not in written and written.endswith("\r\x1b[K")
    assert set(written.split("\r\x1b[K")) == {"a line that is wider than th…", ""}


def test_the_line_says_how_much_was_sampled_and_rejected():
    counts = SamplingCounts(asked=5, found=1, sampled=1200)
    counts.rejections.update(copied=1100, held_out=2)
    assert sampling_progress(counts, "line") == (
        "still sampling: found 1 of 5; sampled 1,200 lines, rejected 1,102 (1,100 copied, 2 in the held-out "
        "part); Ctrl-C ends"
    )
