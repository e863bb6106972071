"""Compiling counts neither against the minutes nor into the measured speed, and charlm can say that it compiles."""

import json
from contextlib import contextmanager

import numba
import pytest
from fresh import homes

from charlm.kernels.compiling import CompileTimer
from charlm.learning import autotune
from charlm.learning.autotune import new_trainer
from charlm.learning.session import TrainingFiles, TrainingSession

# Trains by the clock, and prints when kernels were compiled, and what the clock said.
COLD = """
import json, time
from contextlib import contextmanager
from numba.core import event
from charlm.learning.autotune import new_trainer

shown, outside = [], []

class Watcher(event.Listener):
    def on_start(self, event):
        if not shown or shown[-1] != "open":
            outside.append(str(event.data["dispatcher"]))

    def on_end(self, event):
        pass

@contextmanager
def show():
    shown.append("open")
    start = time.perf_counter()
    yield
    shown.append(time.perf_counter() - start)

start = time.perf_counter()
trainer = new_trainer("text.txt", minutes=0.007, cell="rnn", precision="float32", lines=True, on_compile=lambda: show())
event.register("numba:compile", Watcher())  # from here on
made = time.perf_counter() - start
for step in trainer.run():
    pass
print(json.dumps([shown, made, time.perf_counter() - start, step.seconds, outside]))
"""


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_the_first_run_trains_as_long_as_a_later_one(compiling_starter, tmp_path, tiny_text):
    """A run with an empty cache compiles before anything is measured, and its minutes begin after that."""
    (tmp_path / "text.txt").write_text(tiny_text * 20)
    shown, made, in_all, seconds, outside = json.loads(compiling_starter.run(COLD, tmp_path, **homes(tmp_path)).stdout)
    assert shown[0] == "open" and len(shown) == 2 and not outside
    assert 1 < shown[1] < made  # compiled while the trainer was made
    # on a busy machine the steps between two kernels take time too, which is not that of compiling
    assert seconds == pytest.approx(in_all - shown[1], abs=0.5 + 0.1 * shown[1]) and seconds > 0.3
    again = json.loads(compiling_starter.run(COLD, tmp_path, **homes(tmp_path)).stdout)
    assert again[0] == [] and again[3] == pytest.approx(again[2], abs=0.5)


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_a_timer_counts_compiling_only_and_shows_it_once():
    inner = numba.njit(lambda x: x + 1)
    outer = numba.njit(lambda x: inner(x) * 2)
    events = []

    @contextmanager
    def shown():
        events.append("begins")
        yield
        events.append("ends")

    with CompileTimer(shown) as timer:
        assert not events
        assert outer(1) == 4 and outer(1.5) == 5.0
        assert events == ["begins"] and 0 < timer.seconds < 60
    assert events == ["begins", "ends"]
    with CompileTimer(shown) as timer:
        outer(2)
    assert timer.seconds == 0 and events == ["begins", "ends"]
    with CompileTimer(lambda: events.append("nothing to close")) as timer:
        numba.njit(lambda x: x - 1)(3)
    assert timer.seconds > 0 and events[-1] == "nothing to close"
    before = timer.seconds
    numba.njit(lambda x: x - 2)(3)
    assert timer.seconds == before  # closed: it no longer listens


def test_the_minutes_begin_after_compiling(tmp_path, tiny_text, monkeypatch):
    """Half a minute of compiling leaves the plan as it is."""
    path, ends, asked = tmp_path / "text.txt", [], []
    path.write_text(tiny_text)

    def slow(*arguments, on_compile, **more):
        asked.append(on_compile)
        return 30.0

    def choose(corpus, end, *arguments, **measured):
        ends.append(end)
        return autotune.choose(corpus, 1e9, *arguments[:3])

    monkeypatch.setattr(autotune, "choose_by_the_clock", choose)
    new_trainer(path, minutes=1)
    monkeypatch.setattr(autotune, "prepare", slow)
    with TrainingSession(path, TrainingFiles(), {"minutes": 1}, on_compile=print) as session:
        assert ends[1] - ends[0] == pytest.approx(30, abs=10)
        monkeypatch.setattr("charlm.learning.loop.prepare", slow)
        for report in session.run(stop=lambda: True):
            assert report.seconds < 10 - 30  # the second half minute, at the start of the training, counts neither
    assert asked == [print, print]
