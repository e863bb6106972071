"""charlm from Python: texts from memory, options by name, trainings that are left early, and what a model is asked."""

import builtins
import copy
import importlib.util
import inspect
import io
import json
import math
import os
import pickle
import pydoc
import re
import signal
import subprocess
import sys
import threading
from contextlib import redirect_stdout, suppress
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import get_type_hints

import numpy as np
import pytest
from click.testing import CliRunner
from mypy import api as mypy
from test_rows import TEXT, model_at
from test_scoring import model_of

import charlm
from charlm.cli import program
from charlm.errors import CorpusError, ModelFileError, UsageError
from charlm.learning.options import OF_FILES, TRAINING
from charlm.learning.strategy import InStep
from charlm.options import COMMAND_LINE
from charlm.options import Path as OptionPath
from charlm.sampling.options import SAMPLING
from charlm.text import memory
from charlm.text.memory import text_of_kind
from charlm.text.novelty import Novelty
from charlm.text.vocabulary import UNKNOWN

ROOT = Path(__file__).parent.parent
SMALL = {"hidden": 6, "layers": 1, "batch": 4, "steps": 8, "epochs": 2, "threads": 1, "lr": 0.02}
LINES = [f"{'abba cab dada egg fee'.split()[number % 5]} {number % 7}" for number in range(80)]
PAIRS = [("cab", "abba"), ("egg", "feé")] * 20
SENTENCES = [[("I", "PRON"), ("am", "VERB")], [("you", "PRON"), ("are", "VERB"), ("it", "NOUN")]] * 10


def rows_of(*pairs):
    return "".join(f"{first}\t{second}\n" for first, second in pairs)


def as_file(kind, value):
    """The text that a file with the same contents has."""
    if kind == "text":
        return value
    if kind == "lines":
        return "".join(line + "\n" for line in value)
    return "".join(rows_of(*one) + "\n" for one in value) if isinstance(value[0], list) else rows_of(*value)


KINDS = [
    ("text", "\n".join(LINES) + "\n", {}),
    ("text", "\r\n".join(LINES), {"level": "byte"}),
    ("text", "\r\n".join(LINES), {"lines": True}),
    ("lines", LINES, {}),
    ("lines", ["", *LINES, ""], {"level": "word"}),
    ("pairs", PAIRS, {"task": "classify"}),
    ("pairs", PAIRS, {"task": "generate"}),
    ("pairs", PAIRS, {"task": "translate"}),
    ("pairs", SENTENCES, {"task": "tag"}),
]


@pytest.mark.parametrize(("kind", "value", "options"), KINDS)
def test_a_text_from_memory_makes_the_model_of_a_file_with_it(kind, value, options, tmp_path):
    text = as_file(kind, value)
    (tmp_path / "text.txt").write_bytes(text.encode())
    (tmp_path / "valid.txt").write_bytes(text.encode())
    by_file = {"lines": True} | options if kind == "lines" else options
    expected = charlm.train(tmp_path / "text.txt", valid=tmp_path / "valid.txt", **SMALL, **by_file)
    given = value if kind == "text" else (item for item in value)  # a generator, which can be read only once
    model = charlm.train(**{kind: given}, valid=value, **SMALL, **options)
    assert np.array_equal(model.parameters, expected.parameters)
    assert model.training == expected.training | {"corpus": expected.training["corpus"] | {"names": [kind]}}
    assert (model.vocabulary, model.task, model.lines) == (expected.vocabulary, expected.task, expected.lines)


def test_a_line_may_bring_its_end_along(tmp_path):
    (tmp_path / "lines.txt").write_text(as_file("lines", LINES), encoding="utf-8")
    with open(tmp_path / "lines.txt", encoding="utf-8") as file:
        model = charlm.train(lines=file, **SMALL)
    assert np.array_equal(model.parameters, charlm.train(lines=LINES, **SMALL).parameters)


def test_the_task_of_sentences_is_clear():
    assert charlm.train(pairs=iter(SENTENCES), **SMALL).task.name == "tag"


def test_a_generator_is_read_piece_by_piece(monkeypatch):
    monkeypatch.setattr(memory, "CHARACTERS", 100)
    read = []
    pieces = text_of_kind("lines", (read.append(line) or line for line in LINES), "lines").pieces()
    assert len(next(pieces)) < 120 and len(read) < 20
    assert len(b"".join(pieces)) > 300 and read == LINES


class Frame:
    """What is seen of a DataFrame: it iterates over the names of its columns."""

    columns = ("label", "text")

    def __iter__(self):
        return iter(self.columns)


CLASSIFY = {"task": "classify"}
WRONG = [
    ({}, UsageError, "there is no text; give one: the path of a file"),
    ({"paths": "a.txt", "text": "a"}, UsageError, "paths and text are several texts; give one"),
    ({"lines": ["a"], "pairs": PAIRS}, UsageError, "lines and pairs are several texts"),
    ({"paths": 123}, UsageError, r"paths must be the path of a file or a list of paths, not 123 \(int\)"),
    ({"paths": b"a.txt"}, UsageError, r"paths must be .*, not b'a.txt' \(bytes\)"),
    ({"paths": []}, UsageError, "paths names no file; give the path of a text file"),
    ({"paths": ["a.txt", ("a", "b")]}, UsageError, r"not \('a', 'b'\) \(tuple\); give lines as lines="),
    ({"paths": "To be,\nor not to be"}, UsageError, "is a text, not the path of a file; give a text as text="),
    ({"text": ["a"]}, UsageError, r"text must be a string, not \['a'\] \(list\); give a list of strings as lines="),
    ({"text": " \n"}, CorpusError, "text is empty"),
    ({"text": "a\ud800b"}, CorpusError, r"half of a character \(a lone surrogate\) in 'a\\ud800b'"),
    ({"paths": Frame()}, UsageError, r"paths is a Frame; give its texts as lines=frame\['text'\]"),
    ({"paths": ["Ada", "Bob"]}, UsageError, "paths names 2 files, and none is there, as 'Ada'; give lines as lines="),
    ({"paths": ["Ada", __file__]}, CorpusError, "there is no file Ada; check the name"),
    ({"lines": "abc"}, UsageError, "lines is one string; give a list of strings"),
    ({"lines": 5}, UsageError, "there is no text; give one"),
    ({"lines": 5, "text": "a"}, UsageError, "lines must be True or False, not 5"),
    ({"pairs": 5}, UsageError, "pairs must be a list or another iterable, not 5"),
    ({"lines": []}, CorpusError, "lines is empty; .*a generator can be read only once"),
    ({"lines": iter([])}, CorpusError, "lines is empty"),
    ({"lines": ["", ""]}, CorpusError, "there is no text in lines, only blank lines"),
    ({"lines": Frame()}, UsageError, r"lines is a Frame; .*frame\['text'\]"),
    ({"lines": {"a": 1}}, UsageError, "lines is a dict"),
    ({"lines": ["a", "b\nc"]}, CorpusError, r"lines\[1\] has a line feed inside: 'b\\nc'; give its lines one by one"),
    ({"lines": ["a", math.nan]}, CorpusError, r"lines\[1\] is not a string but nan \(float\).*dropna\(\)"),
    ({"lines": [None, "a"]}, CorpusError, r"lines\[0\] is not a string but None"),
    ({"lines": ["a"] * 50, "valid": "b"}, UsageError, "valid is one string"),
    ({"lines": ["a"] * 50, "valid": [3]}, CorpusError, r"valid\[0\] is not a string but 3"),
    ({"text": "ab" * 50, "valid": ["b"]}, UsageError, r"valid must be a string, not .*; it is a text as text= is"),
    ({"pairs": PAIRS}, UsageError, "pairs need a task: task='classify' or 'generate'"),
    ({"pairs": PAIRS, "task": "text"}, UsageError, "pairs goes with a task that has answers"),
    ({"pairs": PAIRS, "task": "tag"}, UsageError, r"pairs must be sentences, each a list of \(word, tag\)"),
    ({"pairs": SENTENCES, **CLASSIFY}, UsageError, r"pairs must be pairs \(label, text\) for the task 'classify'"),
    ({"pairs": [], **CLASSIFY}, CorpusError, "pairs is empty"),
    ({"pairs": Frame(), **CLASSIFY}, UsageError, r"zip\(frame\['label'\], frame\['text'\]\)"),
    ({"pairs": ["ab"], **CLASSIFY}, CorpusError, r"pairs\[0\] is not a pair but 'ab' \(str\)"),
    ({"pairs": [("a", "b", "c")], **CLASSIFY}, CorpusError, r"pairs\[0\] has 3 values and not two"),
    ({"pairs": [("a", "b"), ("a", math.nan)], **CLASSIFY}, CorpusError, r"pairs\[1\]\[1\] is not a string but nan"),
    ({"pairs": [("a", "b\tc")], **CLASSIFY}, CorpusError, r"pairs\[0\]\[1\] has a tab inside"),
    ({"pairs": [("a", "b\nc")], **CLASSIFY}, CorpusError, r"pairs\[0\]\[1\] has a line feed inside"),
    ({"pairs": PAIRS, "columns": "1,2", **CLASSIFY}, UsageError, "columns= names the columns of a table; leave it out"),
    ({"pairs": [(["a", "b"], "c")], **CLASSIFY}, CorpusError, r"\(list\); join its strings to one .*'\|'.join"),
    ({"pairs": [(" ", "b")], **CLASSIFY}, CorpusError, r"pairs\[0\] has no label"),
    ({"pairs": [("__label__a", "b")], **CLASSIFY}, CorpusError, "a label that begins with __label__; leave that out"),
    ({"pairs": [[("a", "X")], ("b", "c")]}, CorpusError, r"pairs\[1\] is not a list of pairs \(word, tag\)"),
    ({"pairs": [[("a", "X"), ("b", " ")]]}, CorpusError, r"pairs\[0\]\[1\] has no tag"),
]


@pytest.mark.parametrize(("arguments", "kind", "message"), WRONG)
def test_a_text_of_the_wrong_form_is_one_clear_error(arguments, kind, message):
    with pytest.raises(kind, match=message):
        charlm.train(**arguments, **SMALL)


def test_a_misspelt_option_names_the_nearest_one(tiny_model):
    with pytest.raises(UsageError, match="there is no option 'hiden'; did you mean 'hidden'?"):
        charlm.train("a.txt", hiden=32)
    with pytest.raises(UsageError, match="there is no option 'minute'; did you mean 'minutes'?"):
        charlm.training("a.txt", minute=1)
    with pytest.raises(UsageError, match=r"there is no option 'progress'; help\(charlm.training\) lists the options"):
        charlm.training("a.txt", progress=False)  # which only train has
    with pytest.raises(UsageError, match="there is no option 'temprature'; did you mean 'temperature'?"):
        charlm.sample(charlm.load(tiny_model), temprature=1)
    for ask in (charlm.perplexity, charlm.rows, charlm.states, charlm.predict, charlm.evaluate):
        with pytest.raises(UsageError, match=rf"there is no option 'xyz'; help\(charlm.{ask.__name__}\) lists the"):
            ask(charlm.load(tiny_model), "a", xyz=1)


def stops_after(number):
    """A function for ``stop`` that is true when it has been called so often."""
    calls = []
    return lambda: calls.append(1) or len(calls) >= number


def test_a_text_from_memory_resumes_and_another_one_does_not(tmp_path):
    whole = charlm.train(lines=LINES, **SMALL)
    files = {"output": tmp_path / "m.npz"}
    charlm.train(lines=LINES, stop=stops_after(9), **files, **SMALL)
    with pytest.raises(ModelFileError, match="cannot resume .* the text differs"):
        charlm.train(lines=[*LINES, "more"], resume=True, **files)
    resumed = charlm.train(lines=iter(LINES), resume=True, **files)
    assert np.array_equal(resumed.parameters, whole.parameters)


def test_pairs_and_their_held_out_pairs_resume(tmp_path):
    files, pairs = {"output": tmp_path / "m.npz"}, {"pairs": PAIRS, "valid": PAIRS[:4]}
    whole = charlm.train(**pairs, task="classify", **SMALL)
    charlm.train(**pairs, task="classify", stop=stops_after(2), **files, **SMALL)
    with pytest.raises(ModelFileError, match=r"cannot resume .* how the text is read .*--valid"):
        charlm.train(pairs=PAIRS, resume=True, **files)
    resumed = charlm.train(**pairs, resume=True, **files)  # the checkpoint knows the task
    assert np.array_equal(resumed.parameters, whole.parameters)


# Trainings that are left early


def test_a_loop_trains_and_keeps_the_best_model():
    training = charlm.training(lines=LINES, **SMALL)
    with pytest.raises(UsageError, match="the training has no model yet; iterate over it"):
        training.best  # noqa: B018
    reports = list(training)
    assert training.finished and reports[-1].epoch == 2
    assert np.array_equal(training.best.parameters, charlm.train(lines=LINES, **SMALL).parameters)
    with pytest.raises(UsageError, match="this training is over; .* resume=True"):
        next(iter(training))


def leave_by_break(training):
    for _ in training:
        break


def leave_by_with(training):
    with training:
        next(iter(training))


def leave_by_close(training):
    reports = iter(training)
    next(reports)
    training.close()
    training.close()
    assert list(reports) == []


def leave_by_exception(training):
    with pytest.raises(ZeroDivisionError), training:
        for _ in training:
            raise ZeroDivisionError


def leave_by_ctrl_c(training):
    with pytest.raises(KeyboardInterrupt), training:
        for _ in training:
            signal.raise_signal(signal.SIGINT)


def leave_by_stop(training):
    for _ in training:
        training.stop()


WAYS = [leave_by_break, leave_by_with, leave_by_close, leave_by_exception, leave_by_ctrl_c, leave_by_stop]


@pytest.mark.parametrize("leave", WAYS)
def test_a_training_that_is_left_early_can_be_resumed(leave, tmp_path):
    options = SMALL | {"epochs": 6, "output": tmp_path / "m.npz"}
    training = charlm.training(lines=LINES, save_every=0, **options)  # a report after each update
    leave(training)
    assert not training.finished and training.best.training["step"] < 10
    resumed = charlm.train(lines=LINES, resume=True, **options)  # no lock is left
    assert np.array_equal(resumed.parameters, charlm.train(lines=LINES, **SMALL | {"epochs": 6}).parameters)


def interrupt_in_an_update(monkeypatch, times=1):
    """Ctrl-C arrives in the fifth update."""
    make, calls = InStep.make, []

    def interrupted(strategy, updates):
        calls.append(updates)
        for _ in range(times if len(calls) == 5 else 0):
            signal.raise_signal(signal.SIGINT)
        return make(strategy, updates)

    monkeypatch.setattr(InStep, "make", interrupted)
    return calls


def test_ctrl_c_waits_for_the_end_of_the_update(monkeypatch, tmp_path):
    calls = interrupt_in_an_update(monkeypatch)
    training = charlm.training(lines=LINES, output=tmp_path / "m.npz", save_every=0, **SMALL)
    with pytest.raises(KeyboardInterrupt):
        for report in training:
            last = report
    assert len(calls) == training.session.trainer.step == 5 and last.step <= 5
    assert training.best.training["step"] == 5 and training.interrupted and not training.finished
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_train_returns_the_best_model_on_ctrl_c(monkeypatch):
    interrupt_in_an_update(monkeypatch)
    with pytest.warns(UserWarning, match="Ctrl-C stopped the training; this is the best model so far") as caught:
        model = charlm.train(lines=LINES, **SMALL)
    assert model.training["step"] == 5 and caught[0].filename == __file__
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_in_on_report_counts_too():
    with pytest.warns(UserWarning, match="Ctrl-C stopped the training"):
        model = charlm.train(lines=LINES, on_report=lambda _: signal.raise_signal(signal.SIGINT), **SMALL)
    assert 1 <= model.training["step"] < 20


def test_a_second_ctrl_c_ends_at_once(monkeypatch):
    calls = interrupt_in_an_update(monkeypatch, times=2)
    with pytest.raises(KeyboardInterrupt):
        charlm.train(lines=LINES, **SMALL)
    assert len(calls) == 5
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_program_that_handles_ctrl_c_itself_keeps_its_handler(monkeypatch):
    interrupt_in_an_update(monkeypatch)
    came = []
    before = signal.signal(signal.SIGINT, lambda *_: came.append(1))
    try:
        model = charlm.train(lines=LINES, **SMALL)
    finally:
        signal.signal(signal.SIGINT, before)
    assert came == [1] and model.training["step"] > 5


@pytest.mark.parametrize(("answer", "stops"), [(False, True), (None, False), (0, False), (np.bool_(False), False)])
def test_on_report_stops_with_exactly_false(answer, stops, tmp_path):
    reports = []
    options = SMALL | {"output": tmp_path / "m.npz", "save_every": 0}
    model = charlm.train(lines=LINES, on_report=lambda report: reports.append(report) or answer, **options)
    assert (len(reports) == 1) == stops
    assert model.training["step"] == reports[-1].step or not stops


# Progress

PROGRAM = """
import charlm
charlm.train(lines=["abba cab", "dada egg", "cab"] * 40, hidden=6, epochs=30, threads=1{more})
"""


def stderr_of(program, on_terminal):
    """What a program writes to stderr, which is a terminal or a pipe. It must write nothing to stdout."""
    ours, theirs = os.openpty() if on_terminal else os.pipe()
    shown = []

    def read():
        with suppress(OSError):  # Linux ends a terminal that nobody writes to with an error
            while piece := os.read(ours, 4096):
                shown.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as printed:
        patch.setenv("TERM", "xterm")
        patch.setenv("COLUMNS", "80")
        with open(theirs, "w", encoding="utf-8") as stderr:
            patch.setattr(sys, "stderr", stderr)
            exec(program, {"__name__": "__main__"})
    reader.join()
    os.close(ours)
    assert printed.getvalue() == ""
    return b"".join(shown).decode()


def test_progress_is_shown_on_a_terminal_only():
    shown = stderr_of(PROGRAM.format(more=""), on_terminal=True)
    assert "%" in shown and "loss" in shown and "lower is better" in shown
    assert stderr_of(PROGRAM.format(more=", progress=False"), on_terminal=True) == ""
    assert stderr_of(PROGRAM.format(more=""), on_terminal=False) == ""


class Output:
    """As much of an output widget of Jupyter as rich uses."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def clear_output(self, wait=False):
        pass

    def close(self):
        pass


def in_notebook(monkeypatch, *packages):
    """Make this a notebook, which rich finds by ``get_ipython``, with some packages: a list of what is displayed."""
    displayed, shell = [], type("ZMQInteractiveShell", (), {})()
    modules = {name: ModuleType(name) for name in ("IPython", "IPython.display", "ipykernel", *packages)}
    modules["IPython.display"].display = displayed.append
    for name, module in modules.items():
        module.__spec__ = ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(builtins, "get_ipython", lambda: shell, raising=False)
    return displayed


def test_a_notebook_shows_the_progress_too(monkeypatch):
    """rich shows the block in a widget of ipywidgets."""
    displayed = in_notebook(monkeypatch, "ipywidgets")
    sys.modules["ipywidgets"].Output = Output
    charlm.train(lines=LINES, progress=False, **SMALL)
    assert not displayed
    charlm.train(lines=LINES, **SMALL)
    texts = [one._repr_mimebundle_((), ())["text/plain"] for one in displayed if not isinstance(one, Output)]
    assert any(isinstance(one, Output) for one in displayed) and any("lower is better" in text for text in texts)


def test_a_notebook_without_widgets_shows_lines(monkeypatch, capsys):
    displayed, find_spec = in_notebook(monkeypatch), importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "ipywidgets" else find_spec(name, *more)
    )
    charlm.train(lines=LINES, progress=False, **SMALL)
    assert capsys.readouterr().err == ""
    charlm.train(lines=LINES, **SMALL)
    assert "100 %   training loss" in capsys.readouterr().err and not displayed


REPLACING = """
import charlm
options = dict(lines=["abba cab", "dada egg", "cab"] * 40, hidden=6, epochs=2, threads=1, output={output!r})
charlm.train(progress=False, **options)
charlm.train(progress=False, stop=lambda: True, **options)
charlm.train(restart=True, seed=2, {more}, **options)
"""


def test_what_happens_to_files_that_were_there_is_said_on_a_terminal(tmp_path):
    def shown(on_terminal, more="backup=True"):
        folder = tmp_path / f"{on_terminal}{more}"
        folder.mkdir()
        return stderr_of(REPLACING.format(output=str(folder / "m.npz"), more=more), on_terminal).replace("\r\n", " ")

    said = " ".join(shown(True).split())
    assert "gives up the unfinished training in" in said and "kept the model that was there as" in said
    assert "kept the model" not in shown(True, "backup=False")
    assert shown(False) == shown(True, "progress=False") == ""


def test_a_training_knows_which_file_keeps_the_model_that_was_there(tmp_path):
    kept = []
    for seed in range(2):
        training = charlm.training(lines=LINES, output=tmp_path / "m.npz", seed=seed, **SMALL)
        kept += [training.kept, *(training.kept for report in training if not training.finished), training.kept]
    assert set(kept[:-1]) == {None} and kept[-1] == tmp_path / "m.previous.npz"


# What a model is asked


@pytest.mark.parametrize("by", ["line", "token", "word"])
@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("level", ["char", "word", "byte"])
def test_the_rows_of_a_text_add_up(level, lines, by):
    model = model_at(level, lines)
    rows, total = charlm.rows(model, TEXT, by), charlm.perplexity(model, TEXT)
    nats = -rows["log_probability"] if by == "token" else rows["nats"]
    assert math.fsum(nats) == pytest.approx(total.nats, rel=1e-12)
    if by == "token":
        assert len(rows) == total.tokens and rows["rank"].min() >= 1
    else:
        assert rows["tokens"].sum() == total.tokens and rows["unknown_tokens"].sum() == total.unknown_tokens > 0
    if by == "word":
        assert len(rows) == total.words + total.lines and rows["tokens"].min() >= 1
        text = TEXT.replace("\n\n", "\n") if lines else TEXT
        assert list(rows["word"]) == [word for line in text.splitlines() for word in [*line.split(), "\n"]]
        numbers = [number for number, line in enumerate(TEXT.splitlines(), 1) for _ in [*line.split(), "\n"]]
        assert list(rows["line"]) == [number for number in numbers if not (lines and number == 2)]
    assert {name: rows.dtype[name].kind for name in rows.dtype.names} == {
        name: "O" if name in ("text", "token", "word") else rows.dtype[name].kind for name in rows.dtype.names
    }


def test_a_word_has_the_figures_of_its_tokens():
    model = model_at("char")
    words, tokens = charlm.rows(model, " abc  é\n", by="word"), charlm.rows(model, " abc  é\n", by="token")
    nats = -tokens["log_probability"]
    assert [tuple(row) for row in words[["line", "tokens", "unknown_tokens", "word"]]] == [
        (1, 4, 0, "abc"),
        (1, 3, 1, "é"),
        (1, 1, 0, "\n"),
    ]
    assert words["nats"] == pytest.approx([nats[:4].sum(), nats[4:7].sum(), nats[7]])


def test_rows_of_a_long_text_are_numbered_on_over_its_blocks():
    model, text = model_of(symbols="ab ", hidden=2), "ab a\nb\n" * 20_000
    for by, number in (("line", 40_000), ("word", 100_000)):
        rows = charlm.rows(model, text, by)
        assert len(rows) == number and rows["line"][-1] == 40_000 and (np.diff(rows["line"]) >= 0).all()


def test_rows_of_no_text_and_of_an_unknown_kind(tiny_model):
    model = charlm.load(tiny_model)
    assert len(charlm.rows(model, "")) == 0 and charlm.rows(model, "").dtype.names[0] == "line"
    with pytest.raises(UsageError, match="by must be 'line', 'token' or 'word', not 'lines'"):
        charlm.rows(model, "a", by="lines")


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("level", ["char", "word", "byte"])
def test_the_next_tokens_are_the_distribution_that_scores_are_made_of(level, lines):
    model, text = model_at(level, lines), "abc fe"
    log_probability = 0.0
    symbols = {"char": list(text), "word": ["abc", "<UNK>"], "byte": list(text)}[level]
    for number, symbol in enumerate(symbols):
        distribution = charlm.next_tokens(model, "".join(symbols[:number]))
        assert math.fsum(distribution.values()) == pytest.approx(1) and len(distribution) == len(model.vocabulary)
        assert list(distribution.values()) == sorted(distribution.values(), reverse=True)
        log_probability += math.log(distribution[symbol])
    end = math.log(charlm.next_tokens(model, text)["<EOS>"]) if lines else 0
    assert log_probability + end == pytest.approx(charlm.log_probability(model, text), rel=1e-5)


def test_a_model_of_lines_knows_nothing_of_the_lines_before():
    model = model_of(lines=True, symbols="ab")
    assert charlm.next_tokens(model, "ab\na") == charlm.next_tokens(model, "a")
    stream = model_of(symbols="ab")
    assert charlm.next_tokens(stream, "ab\na") != charlm.next_tokens(stream, "a")


@pytest.mark.parametrize(("cell", "has_c"), [("lstm", True), ("gru", False)])
def test_the_states_are_those_that_give_the_next_token(cell, has_c):
    model = model_of(symbols="abc", cell=cell, layers=2, hidden=5)
    states = charlm.states(model, "abcab")
    assert states.a.shape == (2, 5, 5) and states.a.dtype == np.float32
    assert (states.c.shape == (2, 5, 5)) if has_c else states.c is None
    logits = states.a[1, -1] @ model.named_parameters["W_ya"] + model.named_parameters["b_y"]
    probabilities = np.exp(logits - np.logaddexp.reduce(logits))
    distribution = charlm.next_tokens(model, "abcab")
    assert distribution["<UNK>"] == pytest.approx(probabilities[UNKNOWN], rel=1e-4)
    assert distribution["a"] == pytest.approx(probabilities[2], rel=1e-4)
    assert np.array_equal(charlm.states(model, "abc").a, states.a[:, :3])


def test_the_states_of_lines_begin_anew():
    model = model_of(lines=True, symbols="ab")
    assert np.array_equal(charlm.states(model, "ab\na").a[:, 3], charlm.states(model, "a").a[:, 0])
    with pytest.raises(UsageError, match="a feed-forward network has no hidden states"):
        charlm.states(model_of(symbols="ab", cell="feedforward", context=3), "a")


@pytest.fixture(scope="module")
def classifier():
    return charlm.train(pairs=PAIRS, task="classify", **SMALL)


@pytest.fixture(scope="module")
def tagger():
    return charlm.train(pairs=SENTENCES, **SMALL)


def test_only_a_language_model_has_a_next_token(classifier):
    for ask in (charlm.next_tokens, charlm.rows):
        with pytest.raises(UsageError, match="this model was trained with --task classify"):
            ask(classifier, "a")


def test_evaluating_takes_what_training_takes(classifier, tagger, tmp_path):
    (tmp_path / "pairs.tsv").write_text(rows_of(*PAIRS), encoding="utf-8")
    figures = charlm.evaluate(classifier, tmp_path / "pairs.tsv")
    assert figures["lines"] == 40 and figures == charlm.evaluate(classifier, pairs=iter(PAIRS))
    assert figures == charlm.evaluate(classifier, text=rows_of(*PAIRS))
    assert charlm.evaluate(tagger, pairs=SENTENCES)["sentences"] == 20
    model = model_of(lines=True, symbols="ab ")
    expected = charlm.perplexity(model, "ab\nb a").as_dict()
    assert charlm.evaluate(model, lines=["ab", "b a"]) == expected == charlm.evaluate(model, text="ab\nb a")
    with pytest.raises(UsageError, match=r"pairs must be pairs \(label, text\) for the task 'classify'"):
        charlm.evaluate(classifier, pairs=SENTENCES)
    with pytest.raises(UsageError, match="there is no text"):
        charlm.evaluate(classifier)


def test_what_is_no_list_of_items_is_a_clear_error(classifier, tagger):
    one_string = r"predict takes a list of texts, not one string: charlm.predict\(model, \[text\]\)"
    with pytest.raises(UsageError, match=one_string):
        charlm.predict(classifier, "quatre")
    with pytest.raises(UsageError, match=r"predict takes a list of texts; items\[1\] is float: nan"):
        charlm.predict(classifier, ["a", math.nan])
    for one in (3, np.array("a")):
        with pytest.raises(UsageError, match="predict takes a list of texts, not (int|ndarray)"):
            charlm.predict(classifier, one)
    with pytest.raises(UsageError, match=r"a list of sentences, each a list of words; items\[0\] is str: 'I am'"):
        charlm.predict(tagger, ["I am"])
    with pytest.raises(UsageError, match=r"a tag to each word; items\[1\] has one of white space only: leave it out"):
        charlm.predict(tagger, [["I"], ["am", " "]])
    assert len(charlm.predict(tagger, [("I", "am")])[0]["tags"]) == 2


def test_what_is_no_model_and_no_text_is_a_clear_error(tiny_model):
    model = charlm.load(tiny_model)
    for ask in (charlm.perplexity, charlm.log_probability, charlm.rows, charlm.next_tokens, charlm.states):
        with pytest.raises(UsageError, match=r"give a model, not the name of its file: charlm.load\('m.npz'\)"):
            ask("m.npz", "a")
        with pytest.raises(UsageError, match="give a model first, from charlm.train or charlm.load, not NoneType"):
            ask(None, "a")
        with pytest.raises(UsageError, match=r"the text must be a string, not \['a'\] \(list\)"):
            ask(model, ["a"])


@pytest.mark.parametrize("name", [None, 3, 1.5, True, b"m.npz", ["m.npz"], "", "a\0b", "\ud800"], ids=repr)
def test_what_is_no_name_of_a_file_is_a_clear_error(name, tiny_model):
    """Above all an integer: Python takes it for a file that is open, and closes it."""
    model = charlm.load(tiny_model)
    for use in (charlm.load, model.save):
        with pytest.raises(UsageError, match="path must be the name of a file, not "):
            use(name)
    if name is not None:
        with pytest.raises(UsageError, match=r"\b(there is no text|the path of a file|names no file)\b"):
            charlm.train([name])
        with pytest.raises(UsageError, match="output must be the name of a file, not "):
            charlm.train(lines=LINES, output=name, **SMALL)


def test_values_of_numpy_are_no_reason_for_an_error_of_python(tiny_model, classifier):
    model = charlm.load(tiny_model)
    for wrong in (np.array(["lstm", "gru"]), np.array([]), ["lstm"], {}):
        for option in ("cell", "schedule", "level", "precision", "task"):
            with pytest.raises(UsageError, match=f"{option} must be "):
                charlm.train(lines=LINES, **SMALL, **{option: wrong})
        with pytest.raises(UsageError, match="by must be 'line', 'token' or 'word', not "):
            charlm.rows(model, "a", by=wrong)
        with pytest.raises(UsageError, match="progress must be True or False, not "):
            charlm.train(lines=LINES, **SMALL, progress=wrong)
        for option in ("stop", "on_report"):
            with pytest.raises(UsageError, match=f"{option} must be a function, not "):
                charlm.train(lines=LINES, **SMALL, **{option: wrong})
        with pytest.raises(UsageError, match="encoding must be a text, not "):
            charlm.evaluate(classifier, pairs=PAIRS, encoding=wrong)
        with pytest.raises(UsageError, match="--beam does not go with a language model"):
            charlm.evaluate(model, text="a", beam=wrong)
    one, same = (list(charlm.sample(model, length=5, seed=seed)) for seed in (np.array(1), 1))
    assert one == same
    with pytest.raises(UsageError, match="corpus must be the name of a file, or several, not "):
        next(charlm.sample(model, length=5, corpus="a\0b"))


def test_no_count_is_one_sample(tiny_model):
    assert len(list(charlm.sample(charlm.load(tiny_model), count=None, length=5))) == 1


def test_models_can_be_compared_copied_and_be_keys(tiny_model):
    model = charlm.load(tiny_model)
    for other in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert model == model and model != other and len({model, other}) == 2
        assert charlm.log_probability(other, "abba") == charlm.log_probability(model, "abba")


# The module as a person meets it


def test_a_model_shows_itself_in_one_line(tiny_model, classifier):
    model = charlm.load(tiny_model)
    loss = model.training["valid_loss"]
    assert repr(model) == f"<charlm.Model: LSTM 1×6, characters, 10 symbols, held-out loss {loss:.2f}>"
    assert repr(classifier).startswith(
        "<charlm.Model: task classify, GRU 1×6, characters in lines, 7 symbols, held-out"
    )
    assert repr(model_of(cell="peephole")) == "<charlm.Model: peephole 2×6, characters, 10 symbols>"


def test_the_summary_of_a_model_is_what_info_shows(tiny_model, classifier):
    shown = CliRunner().invoke(program, ["info", str(tiny_model)]).output.splitlines()
    assert charlm.load(tiny_model).summary().splitlines() == shown[1:] and shown[0].startswith("file ")
    assert "\ntrained on     pairs: " in classifier.summary()


def test_import_takes_no_numpy_and_shows_the_verbs():
    program = (
        "import sys, charlm\n"
        "assert not {'numpy', 'numba', 'click', 'rich'} & set(sys.modules)\n"
        "assert {'train', 'rows', 'Model', 'CharlmError'} <= set(dir(charlm)) == set(charlm.__all__)\n"
        "assert all(getattr(charlm, name) for name in charlm.__all__)\n"
        "assert charlm.Model.__name__ == 'Model'\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
    with pytest.raises(AttributeError, match="module 'charlm' has no attribute 'trian'"):
        charlm.trian  # noqa: B018


def test_help_begins_with_the_verbs():
    text = pydoc.plain(pydoc.render_doc(charlm))
    for name in ("train", "sample", "next_tokens", "evaluate"):
        assert 0 < text.index(f"        {name} ") < text.index("PACKAGE CONTENTS")
    assert "kernels" not in text[: text.index("PACKAGE CONTENTS")]


def options_of(function):
    return {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }


def explained(function):
    """The arguments that a docstring explains: name → the whole explanation."""
    entries = re.split(r"\n *(?=\w+(?:, \w+)*: )", inspect.getdoc(function))
    return {name: " ".join(entry.split()) for entry in entries[1:] for name in entry.partition(":")[0].split(", ")}


@pytest.mark.parametrize("name", ["train", "sample", "evaluate"])
def test_each_argument_is_explained(name):
    function = getattr(charlm, name)
    assert set(explained(function)) == set(options_of(function)) - {"model"}


@pytest.mark.parametrize(("name", "table"), [("train", (*TRAINING, *OF_FILES)), ("sample", SAMPLING)])
def test_the_signature_and_its_explanation_are_those_of_the_table_of_options(name, table):
    """In ``train``, None stands for every default, because a resumed training takes the options that are not given from
    its checkpoint; the explanation has the default in brackets."""
    function = getattr(charlm, name)
    names = {one: getattr(charlm, one) for one in charlm.__all__} | {"Pair": str, "Pairs": str, "Novelty": Novelty}
    names["Arrays"] = list
    kinds = get_type_hints(function, vars(charlm) | names | {"Path": OptionPath})
    parameters, texts = options_of(function), explained(function)
    expected = {option.name for option in table if option.where != COMMAND_LINE}
    of_train = {"paths", "text", "pairs", "arrays", "labels", "stop", "on_report", "progress"}
    others = {"train": of_train, "sample": {"model"}}[name]
    assert set(parameters) == expected | others
    for option in (option for option in table if option.name in expected - {"count", "lines", "valid", "also_valid"}):
        kind, default = option.annotation, option.default
        if name == "train" and option not in OF_FILES:
            kind, default = kind | None, None
        kind = {"corpus": kind | Novelty, "base": kind | charlm.Model}.get(option.name, kind)
        assert parameters[option.name].default == default, option.name
        assert kinds[option.name] == kind, option.name
        shown = json.dumps(option.default) if isinstance(option.default, str) else str(option.default)
        if option.default not in (None, "", ()):
            assert f"({shown})" in texts[option.name], option.name
        for choice in option.choices:
            assert f'"{choice}"' in texts[option.name] + texts.get("pairs", ""), option.name


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hidden": "32"}, "hidden must be an integer from 1 to 65,536, not '32'"),
        ({"seed": -1}, "seed must be an integer of at least 0, not -1"),
        ({"threads": 0}, "threads must be an integer from 1 to 1,024, not 0"),
        ({"lines": "yes"}, "lines must be True or False, not 'yes'"),
        ({"resume": "yes"}, "resume must be True or False, not 'yes'"),
        ({"valid": 3}, "valid must be the path of a file or a list of paths, not 3"),
    ],
)
def test_a_value_that_an_option_cannot_have_is_found_before_the_text_is_read(options, words):
    with pytest.raises(UsageError, match=words):
        charlm.training("there is no such file", **options)


def test_training_takes_what_train_takes():
    expected = options_of(charlm.train)
    for name in ("stop", "on_report", "progress"):
        expected.pop(name)
    assert options_of(charlm.training) == expected


# Packages of which no function that a user calls takes or returns anything: their files need not be read.
INSIDE = ("rich", "click", "numba", "llvmlite", "platformdirs", "safetensors", "pytest")


def test_a_strict_user_may_use_every_function(tmp_path):
    """mypy --strict accepts a program with all functions, and knows what they return."""
    script, settings = ROOT / "tests" / "test_typed_usage.py", tmp_path / "mypy.ini"
    assert all(f"charlm.{name}(" in script.read_text(encoding="utf-8") for name in options_of_all())
    settings.write_text(f"[mypy]\n[mypy-{','.join(f'{name}.*' for name in INSIDE)}]\nfollow_imports = skip\n")
    options = ["--strict", "--follow-imports=silent", f"--config-file={settings}", f"--cache-dir={os.devnull}"]
    out, error, code = mypy.run([*options, str(script)])
    assert not code, out + error


def options_of_all():
    return [name for name in charlm.__all__ if inspect.isfunction(getattr(charlm, name))]
