"""What a person sees of a training: in words before it, as one block or a dozen lines while it runs, and at its end."""

import hashlib
import io
import math
import re
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

import charlm
from charlm.cli import program
from charlm.display import closing, live, say
from charlm.learning import description, preview
from charlm.learning.progress import Report
from charlm.learning.session import TrainingFiles, TrainingSession
from charlm.text import durations, layout
from torture import terminals
from torture.runs import CHARLM, SMALL, some_examples

OPTIONS = {"lines": False, "hidden": 6, "layers": 1, "batch": 4, "steps": 8, "epochs": 3, "lr": 0.02, "threads": 1}


@pytest.fixture
def folder(tmp_path, tiny_text, monkeypatch):
    (tmp_path / "text.txt").write_text(tiny_text, encoding="utf-8")
    (tmp_path / "examples.tsv").write_text(some_examples(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def opened(path="text.txt", **options):
    return TrainingSession(path, TrainingFiles(), OPTIONS | options)


def report(step=10, tokens=100, seconds=1.0, valid_loss=None, **others):
    values = {"step": step, "epoch": 0.5, "seconds": seconds, "tokens": tokens, "tokens_per_second": 100.0}
    return Report(**values, train_loss=2.0, valid_loss=valid_loss, improved=False, **others)


def train(*arguments):
    return CliRunner().invoke(program, ["train", *arguments], catch_exceptions=False)


# --- Columns


def test_columns_are_those_of_a_terminal():
    assert layout.width_of("abc") == 3 and layout.width_of("日本") == 4 and layout.width_of("é") == 1
    assert layout.width_of("e\u0301") == 1
    assert layout.cut("日本語", 5) == "日本…" and layout.cut("abc", 3) == "abc" and layout.cut("abcd", 3) == "ab…"


@pytest.mark.parametrize("width", [10, 17, 40])
def test_a_line_is_broken_at_spaces_only(width):
    text = "  a line of 日本語 words, some-of-which-are-long and   others not"
    lines = layout.wrapped(text, width, 4, breaks_words=False)
    assert " ".join(line.strip() for line in lines).split() == text.split()
    assert all(layout.width_of(line) <= width or " " not in line.strip() for line in lines)
    assert lines[0].startswith("  a") and all(line.startswith("    ") for line in lines[1:])
    assert layout.wrapped("short", width) == ["short"]
    broken = layout.wrapped(text, width, 4)
    assert all(layout.width_of(line) <= width for line in broken)
    assert "".join(broken).replace(" ", "") == text.replace(" ", "")


def test_times_are_said_in_words():
    assert [durations.short(time) for time in (0.4, 59, 60, 83, 3600, 7512)] == [
        *("0 s", "59 s", "1 min", "1 min 23 s", "1 h", "2 h 5 min"),
    ]
    assert [durations.in_words(minutes) for minutes in (1 / 60, 0.5, 1, 2.5, 480)] == [
        *("1 second", "30 seconds", "1 minute", "2.5 minutes", "8 hours"),
    ]


# --- While it runs


@pytest.mark.parametrize(
    ("width", "variables"),
    [
        (80, {"TERM": "xterm"}),
        (40, {"TERM": "xterm"}),
        (40, {"TERM": "xterm", "NO_COLOR": "1"}),
        (60, {"TERM": "dumb"}),
        (40, {"TERM": "dumb"}),
    ],
)
def test_a_training_fits_into_its_terminal(folder, width, variables):
    command = [*CHARLM, "train", "text.txt", "-o", "m.npz", *SMALL[:-2], "--minutes", "0.005", "--lines"]
    shown = terminals.through_a_terminal(command, folder, width, env=variables)
    assert terminals.misfits(shown, width) == ""
    has_block = "the model writes now:" in shown
    assert has_block == (variables["TERM"] == "xterm")
    assert not has_block or " s left" in shown
    assert not has_block or "\x1b[?25l" not in shown.rpartition("\x1b[?25h")[2], "the cursor is left hidden"
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-9]m", shown)) == (has_block and "NO_COLOR" not in variables)


def test_a_line_that_is_too_wide_is_noticed():
    good = " 12 %   3 s left\r\nwrote m.npz\r\nnext, type:\r\n"
    assert terminals.misfits(good, 40) == ""
    assert "too wide" in terminals.misfits(good + "x" * 41, 40)
    assert "how far" in terminals.misfits("wrote m.npz\r\nnext, type:", 40)


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (None, " 50 %   training loss 2.0000   held-out loss 1.5000   50 s left"),
        (60, " 50 %  training loss 2.0000  held-out loss 1.5000  50 s left"),
        (40, " 50 %  held-out loss 1.5000  50 s left"),
    ],
)
def test_a_line_fits_into_a_terminal_that_draws_nothing(monkeypatch, width, line):
    said = []
    monkeypatch.setattr(live, "say", said.append)
    monkeypatch.setattr(live, "stderr_width", lambda: width)
    state = SimpleNamespace(progress=0.0, ending=False)
    trainer = SimpleNamespace(
        total_tokens=1000, settings=SimpleNamespace(minutes=None), state=state, finished=False, best_loss=1.5
    )
    live._Milestones(SimpleNamespace(trainer=trainer)).show(report(tokens=500, seconds=50.0, valid_loss=1.5))
    assert said == [line]


def test_a_closed_stderr_does_not_stop_the_training(folder):
    command = " ".join([*CHARLM, "train", "text.txt", "-o", "m.npz", *SMALL, "--epochs", "2", "2>&-"])
    assert subprocess.run(command, shell=True, cwd=folder, timeout=60).returncode == 0
    assert (folder / "m.npz").exists()


def test_a_pipe_gets_about_a_dozen_lines(monkeypatch):
    said = []
    monkeypatch.setattr(live, "say", said.append)
    state = SimpleNamespace(progress=0.0, ending=False)
    trainer = SimpleNamespace(
        total_tokens=1000, settings=SimpleNamespace(minutes=None), state=state, finished=False, best_loss=1.5
    )
    milestones = live._Milestones(SimpleNamespace(trainer=trainer))
    for tokens in range(0, 1001, 2):
        trainer.finished = tokens == 1000
        milestones.show(report(tokens=tokens, seconds=tokens / 10 + 0.1, valid_loss=1.5 if tokens % 20 == 0 else None))
    assert len(said) == 12 and said[-1].startswith("100 %") and said[0].startswith("  8 %")
    assert all("held-out loss 1.5000" in line and "training loss 2.0000" in line for line in said)
    assert said[0].endswith(" s left") and "left" not in said[-1]
    milestones.show(report(rolled_back=True))
    assert "rolled back to update 10" in said[-1]


def test_the_way_and_the_time_that_are_left():
    state = SimpleNamespace(ending=False)
    settings = SimpleNamespace(minutes=None)
    trainer = SimpleNamespace(total_tokens=1000, settings=settings, state=state, finished=False)
    assert description.how_far(trainer, report(tokens=250, seconds=10)) == (0.25, 30)
    settings.minutes = 1
    assert description.how_far(trainer, report(tokens=250, seconds=15)) == (0.25, 45)
    fraction, left = description.how_far(trainer, report(tokens=800, seconds=20))  # the tokens end before the time does
    assert fraction == 0.8 and left == pytest.approx(5)
    state.ending = True
    assert description.how_far(trainer, report(tokens=500, seconds=20)) == (0.5, 20)
    assert description.how_far(trainer, report(tokens=0, seconds=0)) == (0.0, None)


@pytest.fixture(scope="module")
def block(tiny_text, tmp_path_factory):
    """The block of a training that has just ended."""
    path = tmp_path_factory.mktemp("block") / "text.txt"
    path.write_text(tiny_text, encoding="utf-8")
    with opened(path) as session:
        session.train_baselines()
        block = live._Block(session, 3)
        for found in session.run():
            block._report, block._held_out = found, found.valid_loss or block._held_out
            block._preview._next = 0.0
            block._preview.refresh()
        yield block


@pytest.mark.parametrize("width", [120, 80, 60, 40, 24])
@pytest.mark.parametrize("height", [50, 24, 10, 5, 3])
def test_the_block_fits_and_keeps_the_way_and_the_time(block, width, height):
    lines = [line for line, _ in block.lines(width, height)]
    assert len(lines) < max(2, height) and all(layout.width_of(line) < width for line in lines)
    assert re.search(r"100 %   0 s left$", lines[0])
    text = " ".join(line.strip() for line in lines)
    assert f"loss {block._held_out:.3f}" in text or height < 4
    if height >= 24:
        name, loss = description.best_baseline(block._session)
        assert f"{name} get {loss:.3f}" in text and "the model writes now:" in text
        assert ("●" in text) == (width > 28)
        assert width < 60 or "lower is better" in text


def test_a_terminal_that_goes_away_does_not_stop_the_training(folder, monkeypatch):
    class Gone(io.StringIO):
        def write(self, text):
            raise OSError(5, "Input/output error")

        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Gone())
    monkeypatch.setenv("TERM", "xterm")
    with opened() as session, live.shown(session) as show:
        for found in session.run():
            show(found)
        assert session.finished


def test_a_terminal_that_became_narrower_keeps_little_of_the_old_picture(folder, monkeypatch):
    with opened() as session:
        block = live._Block(session, 0)
        written = io.StringIO()
        block._live = SimpleNamespace(console=Console(file=written, force_terminal=True), stop=lambda: None)
        block._lines = ["x" * 99, "x" * 50, "x" * 51]
        for width, rows in ((100, 0), (50, 2), (90, 0)):
            monkeypatch.setattr(live, "stderr_width", lambda width=width: width)
            block._make_room()
            assert written.getvalue().count("\x1b[1A") == rows
            written.truncate(0)


def test_a_notebook_sees_the_block(folder, monkeypatch):
    """By rich's own support: the block is what rich asks to be drawn."""
    with opened() as session:
        block = live._Block(session, 0)
        for found in session.run():
            block._report = found
        console = Console(file=io.StringIO(), width=70, force_jupyter=False)
        console.print(block)
    assert "100 %" in console.file.getvalue() and "lower is better" in console.file.getvalue()
    monkeypatch.setattr(live, "_is_notebook", lambda: True)
    for has_widgets in (True, False):
        monkeypatch.setattr("importlib.util.find_spec", lambda name, found=has_widgets: found or None)
        assert live.can_redraw() == has_widgets and live.is_watched()


def test_quiet_shows_nothing(folder, capsys):
    with opened() as session, live.shown(session, quiet=True) as show:
        for found in session.run():
            show(found)
    assert capsys.readouterr() == ("", "")


# --- What the model writes


@pytest.mark.parametrize("options", [{}, {"lines": True}, {"level": "word", "min_count": 1}, {"level": "byte"}])
def test_showing_samples_changes_no_bit(folder, options):
    def trained(shows):
        with opened(**options) as session:
            sampled = preview.Preview(session.trainer, 3)
            for _ in session.run():
                sampled._next = 0.0
                if shows:
                    sampled.refresh()
            return hashlib.sha256(session.best.parameters.tobytes()).hexdigest(), sampled.lines(60)

    (with_samples, lines), (without, none) = trained(True), trained(False)
    assert with_samples == without and lines and not none
    assert len(lines) <= 3 and all(layout.width_of(line) <= 60 for line in lines)


def test_the_sample_changes_as_the_model_learns(folder, monkeypatch):
    monkeypatch.setattr(preview, "SLICE", math.inf)  # however slow the machine is, a sample is whole at once
    with opened(lines=True, epochs=30) as session:
        sampled = preview.Preview(session.trainer, 3, every=3600.0)
        sampled.refresh()
        before = sampled.lines(60)
        sampled.refresh()
        assert sampled.lines(60) == before, "it was sampled a moment ago"
        for _ in session.run():
            pass
        sampled._next = 0.0
        sampled.refresh()
        assert sampled.lines(60) != before
        assert sampled._next >= time.perf_counter() + 1800.0


def test_a_large_network_writes_a_piece_at_a_time(folder, monkeypatch):
    monkeypatch.setattr(preview, "SLICE", 0.0)
    with opened() as session:
        sampled = preview.Preview(session.trainer, 2)
        lengths = []
        for _ in range(2 * 80 + 2):
            sampled._next = 0.0
            sampled.refresh()
            lengths.append(len(sampled._written[0][1]))
        assert lengths[:3] == [0, 1, 2] and max(lengths) == 160
        start = time.perf_counter()
        sampled._next = 0.0
        sampled.refresh()
        spent = time.perf_counter() - start
        assert sampled._next - start >= 0.9 * min(spent, sampled._next - start) / preview.PART / 2 or spent < 0.001


def test_only_a_task_that_writes_shows_samples(folder):
    for task, label in (("classify", None), ("tag", None), ("translate", None), ("generate", "abba: ")):
        with opened("examples.tsv", task=task, steps=64, lines=None) as session:
            sampled = preview.Preview(session.trainer, 2)
            sampled.refresh()
            assert bool(sampled.lines(60)) == bool(label)
            assert all(": " in line or line.endswith(":") for line in sampled.lines(60))


def test_samples_cannot_control_the_terminal(folder):
    with opened() as session:
        sampled = preview.Preview(session.trainer, 3)
        sampled.texts = ["a\tb\x1b[2Jc\u202ed\n\n\n日本語日本語"]
        assert sampled.lines(40) == ["a    b␛[2Jc\\u202ed", "日本語日本語"]
        assert all(layout.width_of(line) <= 6 for line in sampled.lines(6))
        sampled._written = [("", [2, 1, 3])]
        assert "<UNK>" not in sampled._decoded()[0] and len(sampled._decoded()[0]) == 2
        session.trainer.parameters[:] = math.nan
        sampled.texts, sampled._next = [], 0.0
        sampled.refresh()
        assert sampled.lines(40) == []


def test_show_says_how_many_lines(folder):
    command = [*CHARLM, "train", "text.txt", "-o", "m.npz", *SMALL[:-2], "--minutes", "0.005"]
    shown = terminals.through_a_terminal([*command, "--show", "0"], folder, 80, env={"TERM": "xterm"})
    assert "the model writes now" not in shown and " s left" in shown
    assert "the model writes now" not in train("text.txt", "-o", "m.npz", *SMALL, "--epochs", "1", "--show", "2").stderr


# --- Before and after


def test_the_opening_says_why_charlm_chose_bf16(folder):
    """In what the training really multiplies, depends on the processor."""
    for options, is_said in ({}, True), ({"precision": "float32"}, False):
        with opened(**options) as session:
            assert "(bf16)" not in "".join(description.opening(session))
            session.trainer.settings = replace(session.trainer.settings, precision="bf16")
            assert (
                "charlm multiplies in numbers of 16 bits (bf16), because this processor is faster with them; "
                "--precision float32 is more exact" in description.opening(session)
            ) is is_said


def test_the_opening_says_how_much_is_unknown(folder):
    """A model that knows little looks good: that is a warning."""
    with opened() as session:
        assert "tokens that the model does not know (<UNK>): none" in description.opening(session)
    with opened(level="word", holdout=0.5) as session:
        shares = session.trainer.corpus.unknown_shares
        (line,) = [line for line in description.opening(session) if "<UNK>" in line]
        assert shares == (0, 0) and line.endswith(
            "words that occur once are among them (--min-count decides otherwise)"
        )
    warning = "<UNK> is 52 % of the tokens of the training part and 50 % of the tokens of the held-out part, and easy"
    with pytest.warns(UserWarning, match=warning), opened(level="word", max_vocabulary=6) as session:
        (line,) = [line for line in description.opening(session) if "<UNK>" in line]
    assert line.startswith("tokens that the model does not know (<UNK>): 52 % of the training part and 50 %")


def test_compiling_is_said_before_it_happens(folder, monkeypatch):
    from charlm.learning import session as module

    def new_trainer(paths, on_compile, **options):
        with on_compile() or nullcontext():
            say("compiles")
        return real(paths, on_compile=None, **options)

    real = module.new_trainer
    monkeypatch.setattr(module, "new_trainer", new_trainer)
    lines = train("text.txt", "-o", "m.npz", *SMALL, "--minutes", "0.005").stderr.splitlines()
    assert lines[:2] == ["compiling charlm for this processor: about 10 seconds, only this once", "compiles"]


@pytest.mark.parametrize("width", [80, 40])
def test_compiling_is_shown_as_it_goes_on(folder, width):
    program = "import time; from charlm.display.live import compiling\nwith compiling(): time.sleep(1.3)"
    shown = terminals.through_a_terminal([sys.executable, "-c", program], folder, width, env={"TERM": "xterm"})
    lines = terminals.pictures(shown)
    assert any(re.search("1 s compiling", line) for line in lines) and "compiled charlm" in shown
    assert all(layout.width_of(line) <= width for line in lines)


def test_the_end_of_a_classifier_says_how_likely_the_right_label_is(folder):
    shown = train("examples.tsv", "-o", "m.npz", *SMALL, "--epochs", "1", "--task", "classify").stderr
    assert re.search(r"\nbest held-out loss [\d.]+ nats per line: the right answer gets [\d.]+ % \(geom", shown)


def test_the_end_says_what_the_loss_means_and_what_to_type(folder):
    (folder / "my text.txt").write_text((folder / "text.txt").read_text(encoding="utf-8"), encoding="utf-8")
    lines = train("my text.txt", "-o", "my model.npz", *SMALL, "--epochs", "2", "--lines").stderr.splitlines()
    best = next(line for line in lines if line.startswith("best held-out loss"))
    loss, choices = re.search(
        r"loss ([\d.]+) nats per character: .* by ([\d.]+) equally likely characters$", best
    ).groups()
    assert float(choices) == pytest.approx(math.exp(float(loss)), rel=0.01)
    assert lines[-3:] == ["wrote my model.npz", "next, type:", "  charlm sample --model 'my model.npz' --count 10"]
    assert any(line.startswith("ended after ") and "2 passes over the text" in line for line in lines)


@pytest.mark.parametrize(
    ("seconds", "ending", "passes", "words"),
    [
        (20, True, 3.0, ", because the held-out loss no longer fell"),
        (59, True, 3.0, ""),  # it took its time
        (20, False, 40.0, ", because --task tag makes at most 40 passes"),
        (20, False, 3.0, ""),
    ],
)
def test_a_training_that_ends_early_says_why(seconds, ending, passes, words):
    trainer = SimpleNamespace(
        state=SimpleNamespace(seconds=seconds, ending=ending),
        settings=SimpleNamespace(minutes=1.0),
        task=SimpleNamespace(name="tag", most_epochs=40),
    )
    assert description.why_early(trainer, passes) == words


def test_a_model_that_was_there_is_named(folder, monkeypatch):
    command = ["text.txt", "-o", "m.npz", *SMALL, "--epochs", "2"]
    assert "kept" not in train(*command).stderr
    assert "\nkept the model that was there as m.previous.npz\nwrote m.npz\n" in train(*command, "--seed", "2").stderr
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["charlm.cli.train"], "caught_signals", lambda: nullcontext([2]))
        stopped = train(*command).stderr.splitlines()
    assert re.fullmatch(
        r"stopped after 1 update, at \d+ %; the best model so far is in m.checkpoint.npz; m.npz is as it was",
        stopped[-3],
    )
    assert stopped[-2:] == ["to continue, type:", "  charlm train text.txt -o m.npz --resume"]
    assert train(*command, "--restart").stderr.startswith("gives up the unfinished training in m.checkpoint.npz")


def test_a_model_that_beats_the_n_grams_is_told_so(folder):
    rng = np.random.default_rng(1)
    text = "".join(f"{''.join(rng.choice(list('abcdefgh'), 6))}\n" for _ in range(300))  # n-grams only memorise it
    (folder / "noise.txt").write_text(text, encoding="utf-8")
    options = [*SMALL, "--hidden", "12", "--epochs", "60", "--lr", "0.01", "--steps", "20"]
    shown = train("noise.txt", "-o", "m.npz", *options, "--lines").stderr
    assert re.search(
        r"\nthat is better than \S+ \(\d\.\d{4}\), which only count which character follows which\n", shown
    )


@pytest.mark.parametrize(
    ("options", "command"),
    [
        (["--task", "classify"], "charlm predict --model m.npz"),
        (["--task", "classify", "--valid", "examples.tsv"], "charlm evaluate --model m.npz examples.tsv"),
        (["--task", "generate"], "charlm sample --model m.npz --given bead --count 10"),
    ],
)
def test_the_next_command_is_that_of_the_task(folder, options, command):
    shown = train("examples.tsv", "-o", "m.npz", *SMALL, "--epochs", "1", *options).stderr.splitlines()
    assert shown[-1] == f"  {command}"
    assert not any("nan" in line or "inf" in line for line in shown)


@pytest.mark.filterwarnings("ignore:<UNK> is")
@pytest.mark.parametrize(("held_out", "share"), [("ab abé\n", "14 %"), ("ab\n", None)])
def test_the_end_says_how_much_of_the_loss_rests_on_unknown_symbols(folder, held_out, share):
    (folder / "valid.txt").write_text(held_out, encoding="utf-8")
    with opened(valid="valid.txt", epochs=0.1, ngrams=0) as session:
        for _ in session.run():
            pass
        lines = [line for line in closing.conclusion(session) if "<UNK>" in line]
    if share is None:
        assert not lines and "<UNK>" not in session.best.summary().partition("held-out loss")[2]
    else:
        bits = charlm.perplexity(session.best, held_out).spelled.bits_per_character
        assert len(lines) == 1 and lines[0].startswith(f"{share} of the held-out tokens are <UNK>: to spell them out")
        assert f"would add {16 / 7:.4f} bits per character to these figures ({bits:.4f} for the model)" in lines[0]
        assert f"{share} of the tokens are <UNK>" in session.best.summary()


def test_a_command_that_is_too_wide_goes_on_after_a_backslash(monkeypatch):
    monkeypatch.setattr(closing, "stderr_width", lambda: 30)
    lines = closing._next(["charlm", "sample", "--model", "dinosaurs.npz", "--count", "10"])
    assert lines == ["next, type:", "  charlm sample \\", "    --model dinosaurs.npz \\", "    --count 10"]


def test_a_file_whose_name_looks_like_an_option_is_no_option():
    assert description.as_argument("-x.npz") == "./-x.npz" and description.as_argument("-") == "-"


def test_the_table_of_a_narrow_terminal_has_fewer_columns(folder, monkeypatch):
    with opened() as session:
        session.train_baselines()
        for _ in session.run():
            pass
        widths = {}
        for width in (80, 45, 30):
            monkeypatch.setattr(closing, "stderr_width", lambda width=width: width)
            table = closing._table(session)
            widths[width] = len(table[0].split())
            assert all(layout.width_of(line) <= width for line in table)
    assert widths == {80: 3, 45: 2, 30: 1}
