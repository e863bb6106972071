"""No way to lose a model: a good one stands at the output, and something goes wrong with the training of the next."""

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import charlm
from charlm.cli import program
from charlm.errors import CharlmError, DivergedError, ModelFileError, UsageError
from charlm.learning.autotune import new_trainer
from charlm.learning.checkpoint import Checkpoint
from charlm.learning.results import previous_path
from charlm.learning.session import TrainingFiles, TrainingSession, exclusive_training
from charlm.learning.strategy import InStep
from charlm.modelfile import write_archive
from torture.runs import wait_for

SMALL = {"lines": False, "hidden": 5, "layers": 1, "batch": 4, "steps": 8, "threads": 1}
TRAIN = (
    "train text.txt -o prec.npz --stream --hidden 5 --layers 1 --batch 4 --steps 8 --threads 1 --save-every 0".split()
)
ENDS = [*TRAIN, "--quiet", "--epochs", "4"]
ENDLESS = [*TRAIN, "--epochs", "5000"]
HARM = """
import errno, os, re, signal
function = getattr(os, name)
def harmed(*arguments, **more):
    paths = [value for value in arguments if isinstance(value, (str, os.PathLike))]
    if not paths or not re.search(pattern, os.path.basename(paths[-1])):
        return function(*arguments, **more)
    if how == "after":
        function(*arguments, **more)
    if how in ("before", "after"):
        os.kill(os.getpid(), signal.SIGKILL)
    raise OSError(getattr(errno, how), os.strerror(getattr(errno, how)))
setattr(os, name, harmed)
"""


def harmed(name, pattern, how):
    """Python that makes a file operation go wrong. name: of a function of os. pattern: matches the last path that it is
    called with. how: the name of an error, or "before" or "after" for a kill at this moment."""
    return f"name, pattern, how = {name!r}, {pattern!r}, {how!r}\n{HARM}"


@pytest.fixture(scope="module")
def good(tiny_text, tmp_path_factory):
    """A folder with two texts, and a good model of one of them at the output."""
    folder = tmp_path_factory.mktemp("good")
    (folder / "text.txt").write_text(tiny_text, encoding="utf-8")
    (folder / "other.txt").write_text(tiny_text[::-1], encoding="utf-8")
    charlm.train(folder / "other.txt", output=folder / "prec.npz", epochs=3, **SMALL)
    return folder


@pytest.fixture
def folder(good, tmp_path, monkeypatch, as_it_was):
    shutil.copytree(good, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".txt")


def check_is_kept(folder, good):
    places = (folder / "prec.npz", folder / "prec.previous.npz")
    assert (good / "prec.npz").read_bytes() in [path.read_bytes() for path in places if path.exists()]


def run(arguments, code=0):
    """stderr of a command, within this process."""
    done = CliRunner().invoke(program, arguments, prog_name="charlm")
    assert done.exit_code == code and isinstance(done.exception, (SystemExit, type(None))), done.stderr
    return done.stderr


def printed_by(*arguments):
    """stdout of a command, within this process."""
    done = CliRunner().invoke(program, arguments, prog_name="charlm")
    assert done.exit_code == 0, done.stderr
    return done.stdout


def run_of_its_own(server, arguments, code, **settings):
    """stderr of a command in a process of its own."""
    found, errors = server.run(arguments, Path.cwd(), **settings)
    assert found == code and "Traceback" not in errors, errors
    return errors


def killed(server, *harm):
    run_of_its_own(server, ENDS, -9, before=harmed(*harm))


def failed(server, name, *harm):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, name, getattr(os, name))  # gives it back
        exec(harmed(name, *harm), {})
        assert os.strerror(getattr(errno, harm[-1])) in run(ENDS, 1)


def ended_by(server, number, code, *more, when="prec.checkpoint.npz"):
    """stderr of a training that got a signal when there was a file with this name."""
    training = server.start([*ENDLESS, *more], Path.cwd())
    try:
        assert wait_for(Path(when).exists)
    finally:
        training.kill(number)
        found = training.wait()
    assert found == code and "Traceback" not in training.errors, training.errors
    return training.errors


def after(updates):
    """A function that says stop after so many updates."""
    calls = iter(range(1, updates + 1))
    return lambda: next(calls) == updates


def train(paths="text.txt", **options):
    return charlm.train(paths, **{"output": "prec.npz", "epochs": 4, **SMALL, **options})


def cut_short(path):
    Path(path).write_bytes(Path(path).read_bytes()[:900])


# From the shell


def interrupted(server):
    errors = ended_by(server, signal.SIGINT, 130)
    assert "the best model so far is in prec.checkpoint.npz; prec.npz is as it was\nto continue, type:\n" in errors


def terminal_closed(server):
    errors = ended_by(server, signal.SIGHUP, 129)
    assert "the best model so far is in prec.checkpoint.npz; prec.npz is as it was\n" in errors


def killed_twice(server):
    ended_by(server, signal.SIGKILL, -9)
    ended_by(server, signal.SIGKILL, -9, "--resume", when="prec.checkpoint.before.npz")


def two_at_once(server):
    first = server.start(ENDLESS, Path.cwd())
    try:
        assert wait_for(Path("prec.checkpoint.npz").exists)
        assert "another charlm is writing prec.npz" in run(ENDS, 1)
        with pytest.raises(CharlmError, match="another charlm is writing prec.npz"):
            train()
    finally:
        first.kill(signal.SIGTERM)
        assert first.wait() == 143


def repeated(server):
    train(stop=after(20))
    errors = run(ENDS, 2)
    assert "prec.npz has an unfinished training in prec.checkpoint.npz, 20 updates, saved at 20" in errors
    assert "--resume continues it, --restart begins anew" in errors
    command = [word for word in ENDS if word != "--quiet"]
    errors = run([*command, "--restart"])
    assert errors.startswith("gives up the unfinished training in prec.checkpoint.npz, 20 updates")
    assert "kept the model that was there as prec.previous.npz" in errors.splitlines()


def without_a_backup(server):
    train(stop=after(20))
    run([*ENDS, "--restart", "--no-backup", "--hidden", "0"], 2)
    ended_by(server, signal.SIGINT, 130, "--restart", "--no-backup", when="prec.checkpoint.before.npz")


def resumed_with_another_text(server):
    train(stop=after(20))
    command = ["other.txt" if word == "text.txt" else word for word in ENDS]
    errors = run([*command, "--resume"], 1)
    assert "the text differs" in errors and "or begin anew with --restart in place of --resume" in errors


def full_disk(server):
    """No file may become larger than the good model."""
    size = Path("prec.npz").stat().st_size
    limits = [(resource.RLIMIT_FSIZE, size)]
    assert "File too large" in run_of_its_own(server, ENDLESS, 1, limits=limits)


SHELL = {
    "Ctrl-C before the first update": lambda server: ended_by(server, signal.SIGINT, 130, when=".prec.npz.lock"),
    "Ctrl-C": interrupted,
    "SIGTERM": lambda server: ended_by(server, signal.SIGTERM, 143),
    "the terminal is closed": terminal_closed,
    "kill -9, and once more after --resume": killed_twice,
    "two trainings at once": two_at_once,
    "a wrong option": lambda server: run([*ENDS, "--hidden", "0"], 2),
    "stopped, and the same command again": repeated,
    "given up, without a backup, and stopped": without_a_backup,
    "resumed with another text": resumed_with_another_text,
    "a full disk": full_disk,
    "a read-only folder": lambda server: failed(server, "open", "part$", "EROFS"),
    "killed before a checkpoint appears": lambda server: killed(server, "replace", "checkpoint.npz$", "before"),
    "killed before the good one is linked": lambda server: killed(server, "link", "previous.*part$", "before"),
    "killed when the good one is linked": lambda server: killed(server, "link", "previous.*part$", "after"),
    "killed when the good one is kept": lambda server: killed(server, "replace", "previous.npz$", "after"),
    "killed before the new one appears": lambda server: killed(server, "replace", "^prec.npz$", "before"),
    "killed when the new one has appeared": lambda server: killed(server, "replace", "^prec.npz$", "after"),
    "the good one cannot be kept": lambda server: failed(server, "replace", "previous.npz$", "EIO"),
    "the new one cannot be moved": lambda server: failed(server, "replace", "^prec.npz$", "EACCES"),
    "the log has the name of the model": lambda server: run([*ENDS, "-o", "m.npz", "--log", "prec.npz"], 1),
    "the plot has the name of the model": lambda server: run([*ENDS, "-o", "m.npz", "--plot", "prec.npz"], 1),
    "the model is the text": lambda server: run(["train", "prec.npz", "-o", "prec.npz"], 1),
    "a training that diverges": lambda server: run([*ENDS, "--lr", "1e30", "--clip", "0"], 1),
}


@pytest.mark.parametrize("way", SHELL)
def test_no_way_from_the_shell_loses_the_model(folder, good, way, server):
    SHELL[way](server)
    check_is_kept(folder, good)
    if Path("prec.checkpoint.npz").exists():  # nor what was trained
        stopped = Checkpoint("prec.checkpoint.npz")
        charlm.load("prec.checkpoint.npz")
        if stopped.settings.epochs == 4 and "diverges" not in way:
            train(resume=True)
            check_is_kept(folder, good)
            assert names(folder) == ["prec.npz", "prec.previous.npz"]


# From Python


def error_of_the_reader():
    with pytest.raises(ZeroDivisionError):
        train(on_report=lambda report: 1 / 0)


def the_reader_leaves():
    with TrainingSession("text.txt", TrainingFiles(output="prec.npz"), {"epochs": 4, **SMALL}) as session:
        for _ in session.run():
            break


def the_generator_is_closed():
    with TrainingSession("text.txt", TrainingFiles(output="prec.npz"), {"epochs": 4, **SMALL}) as session:
        running = session.run()
        next(running)
        running.close()
        assert Checkpoint("prec.checkpoint.npz").state.step == session.trainer.step


def in_an_update(error, at=30):
    """Training raises an error while an update is half done."""

    def run_with(patch):
        make, made = InStep.make, []

        def make_badly(strategy, updates):
            if len(made) == at:
                strategy.network.parameters[:] = np.nan
                raise error
            made.append(updates)
            return make(strategy, updates)

        patch.setattr(InStep, "make", make_badly)
        with pytest.raises(type(error)):
            train(save_every=1e9)

    with pytest.MonkeyPatch.context() as patch:
        run_with(patch)
    assert 0 < Checkpoint("prec.checkpoint.npz").state.step <= at
    assert np.isfinite(charlm.load("prec.checkpoint.npz").parameters).all()


def diverging():
    """It diverges when it has a best model, which is in the checkpoint then."""
    in_an_update(DivergedError("it diverges"))


def unfinished_is_a_usage_error():
    train(stop=after(20))
    with pytest.raises(UsageError, match="--resume continues it, --restart begins anew"):
        train("not there")  # said before the text is read


STRIKE = "import signal\ndef strike(*_): raise KeyboardInterrupt\nsignal.signal(signal.SIGINT, strike)\n"


def interrupted_in_python(handler="", code=0, last="Ctrl-C stopped the training; this is the best model so far"):
    """By a real signal; no checkpoint was written before. With a handler of the program's own, it strikes anywhere."""
    program = handler + (
        "import charlm, pathlib; charlm.train('text.txt', output='prec.npz', epochs=40, batch=64, steps=64, hidden=96, "
        "save_every=1e9, threads=2, on_report=lambda report: report.valid_loss and pathlib.Path('begun').touch())"
    )
    Path("text.txt").write_text(Path("text.txt").read_text() * 40)
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert wait_for(Path("begun").exists)
            process.send_signal(signal.SIGINT)
            errors = process.communicate(timeout=30)[1]
        finally:
            process.kill()
    assert process.returncode == code and ("Traceback" in errors) == (code == -signal.SIGINT), errors
    assert any(last in line for line in errors.splitlines()[-2:])  # from Python 3.13 on, a warning quotes the program
    assert Checkpoint("prec.checkpoint.npz").state.step > 0
    Path("prec.checkpoint.npz").rename("checked.npz")  # it would train for ever


def given_up():
    train(stop=after(20))
    before = Path("prec.checkpoint.npz").read_bytes()
    with pytest.raises(CharlmError, match="not there"):
        train("not there", restart=True)
    assert Path("prec.checkpoint.npz").read_bytes() == before
    train(restart=True, stop=after(5))
    assert Checkpoint("prec.checkpoint.npz").state.step == 5


def a_name_of_another_file(name):
    train(stop=after(20))
    with pytest.raises(UsageError, match=f"will not write a model to {name}, .*; choose another name"):
        charlm.train("text.txt", output=name, epochs=4, **SMALL)


def previous_is_no_model():
    Path("prec.previous.npz").write_text("my notes")
    with pytest.raises(CharlmError, match="will not overwrite prec.previous.npz, which is not a model"):
        train("not there")
    assert Path("prec.previous.npz").read_text() == "my notes"


def a_failing_save():
    model = charlm.train("text.txt", epochs=4, **SMALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", no_access)
        with pytest.raises(ModelFileError, match="cannot write prec.npz"):
            model.save("prec.npz")


def no_access(*_):
    raise PermissionError(13, "Permission denied")


def no_links_and_no_moving(patch):
    """On a file system without links, where the new model cannot be moved to its name."""
    patch.setattr(os, "link", no_access)
    replace = os.replace

    def harmed(source, target):
        if Path(target).name == "prec.npz" and ".part" in str(source):
            no_access()
        replace(source, target)

    patch.setattr(os, "replace", harmed)
    with pytest.raises(ModelFileError, match="cannot write prec.npz: Permission denied"):
        train()
    assert Path("prec.npz").exists()


PYTHON = {
    "KeyboardInterrupt in an update": lambda: in_an_update(KeyboardInterrupt()),
    "Ctrl-C": interrupted_in_python,
    "KeyboardInterrupt by a signal": lambda: interrupted_in_python(STRIKE, -signal.SIGINT, "KeyboardInterrupt"),
    "an error in an update": lambda: in_an_update(MemoryError()),
    "a training that diverges": diverging,
    "an error of on_report": error_of_the_reader,
    "the reader leaves the reports": the_reader_leaves,
    "the generator is closed": the_generator_is_closed,
    "an unfinished training is there": unfinished_is_a_usage_error,
    "an unfinished training is given up": given_up,
    "the output is a checkpoint": lambda: a_name_of_another_file("prec.checkpoint.npz"),
    "the output is the checkpoint before": lambda: a_name_of_another_file("prec.checkpoint.before.npz"),
    "the output is the previous model": lambda: a_name_of_another_file("prec.previous.npz"),
    "the previous model is none": previous_is_no_model,
    "Model.save fails": a_failing_save,
}


@pytest.mark.parametrize("way", PYTHON)
def test_no_way_from_python_loses_the_model(folder, good, way):
    PYTHON[way]()
    check_is_kept(folder, good)
    assert not list(folder.glob(".*"))
    if Path("prec.checkpoint.npz").exists() and Checkpoint("prec.checkpoint.npz").state.step:
        whole = charlm.train("text.txt", output="whole.npz", epochs=4, **SMALL)
        assert np.array_equal(train(resume=True).parameters, whole.parameters)
        assert Path("prec.npz").read_bytes() == Path("whole.npz").read_bytes()
        check_is_kept(folder, good)


def test_where_the_file_system_has_no_links_a_failed_move_puts_the_model_back(folder, good, monkeypatch):
    no_links_and_no_moving(monkeypatch)
    check_is_kept(folder, good)
    assert Path("prec.npz").read_bytes() == (good / "prec.npz").read_bytes()


# What is where


def test_a_finished_model_is_kept_beside_the_next_one(folder, good):
    old = Path("prec.npz").read_bytes()
    with TrainingSession("text.txt", TrainingFiles(output="prec.npz"), {"epochs": 4, **SMALL}) as session:
        for _ in session.run():
            assert Path("prec.npz").read_bytes() == old
        assert str(session.kept) == "prec.previous.npz" and str(session.best_file) == "prec.npz"
    assert names(folder) == ["prec.npz", "prec.previous.npz"]
    assert Path("prec.previous.npz").read_bytes() == old
    first = Path("prec.npz").read_bytes()
    train()  # ends with the bytes that are there: nothing is replaced
    assert (Path("prec.previous.npz").read_bytes(), Path("prec.npz").read_bytes()) == (old, first)
    train(seed=2)  # one generation is kept
    assert Path("prec.previous.npz").read_bytes() == first


def test_without_a_backup_nothing_is_kept_and_nothing_replaced_before_the_end(folder):
    old = Path("prec.npz").read_bytes()
    Path("prec.previous.npz").write_text("my notes")
    train(backup=False, stop=after(20))
    assert Path("prec.npz").read_bytes() == old
    train(backup=False, resume=True)
    assert Path("prec.npz").read_bytes() != old and Path("prec.previous.npz").read_text() == "my notes"


@pytest.mark.parametrize("stands", [False, True])
def test_backup_resume_and_what_stood_there_do_not_change_the_model(folder, stands):
    charlm.train("text.txt", output="whole.npz", epochs=4, **SMALL)
    if not stands:
        Path("prec.npz").unlink()
    train(stop=after(20))
    train(resume=True, stop=after(20))
    train(resume=True)
    assert Path("prec.npz").read_bytes() == Path("whole.npz").read_bytes()
    assert "unfinished" not in charlm.load("prec.npz").training
    assert Path("prec.previous.npz").exists() == stands


def test_where_nothing_stood_the_best_so_far_is_at_the_output(folder):
    Path("prec.npz").unlink()
    with TrainingSession("text.txt", TrainingFiles(output="prec.npz"), {"epochs": 4, **SMALL}) as session:
        for report in session.run(after(40)):
            if report.improved:
                assert charlm.load("prec.npz").training["valid_loss"] == report.valid_loss
        assert str(session.best_file) == "prec.npz" and session.kept is None
    first = charlm.load("prec.npz").training["unfinished"]
    assert 0 < first["progress"] < 1 and first["id"] == session.trainer.identity
    train(resume=True, stop=after(20))  # it goes on writing there
    assert charlm.load("prec.npz").training["unfinished"]["progress"] > first["progress"]
    train(resume=True)
    assert names(folder) == ["prec.npz"]


def test_the_unfinished_model_of_another_training_is_kept(folder):
    Path("prec.npz").unlink()
    train(stop=after(40))
    other = Path("prec.npz").read_bytes()
    train(restart=True, stop=after(30))
    assert Path("prec.npz").read_bytes() == other
    train(resume=True)
    assert Path("prec.previous.npz").read_bytes() == other


def test_a_model_that_comes_to_the_output_during_the_training_is_kept(folder, good):
    Path("prec.npz").unlink()

    def copy_once(report):
        if report.improved and not copied:
            copied.append(shutil.copy(good / "prec.npz", "prec.npz"))

    copied = []
    train(on_report=copy_once)
    assert copied and Path("prec.previous.npz").read_bytes() == (good / "prec.npz").read_bytes()


def test_a_training_that_was_killed_when_it_was_finished_does_not_take_its_model_for_the_one_to_keep(folder, good):
    """By the clock, it would not end with the same bytes if it trained once more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "unlink", lambda path, **_: no_access() if "checkpoint" in path.name else None)
        with pytest.raises(PermissionError):
            train(epochs=None, minutes=0.005)
    finished = Path("prec.npz").read_bytes()
    check_is_kept(folder, good)
    train(epochs=None, resume=True)
    assert Path("prec.npz").read_bytes() == finished and names(folder) == ["prec.npz", "prec.previous.npz"]
    check_is_kept(folder, good)


def test_resumed_from_the_checkpoint_before_it_does_not_put_the_damaged_one_there(folder):
    train(stop=after(20), save_every=0)
    cut_short("prec.checkpoint.npz")
    with pytest.warns(UserWarning, match="previous checkpoint"):
        train(resume=True, save_every=0, stop=after(1))
    assert Checkpoint("prec.checkpoint.before.npz").state.step == 19
    assert Checkpoint("prec.checkpoint.npz").state.step == 20


@pytest.mark.parametrize("name", ["m.checkpoint.npz", "m.checkpoint.before.npz"])
@pytest.mark.parametrize("how", [{}, {"restart": True}, {"resume": True}])
def test_a_finished_model_with_the_name_of_a_checkpoint_is_kept(folder, good, name, how):
    Path("prec.npz").rename(name)
    with pytest.raises(CharlmError, match=f"will not overwrite {name}, which is a finished model and no checkpoint"):
        train(output="m.npz", **how)
    assert Path(name).read_bytes() == (good / "prec.npz").read_bytes()


@pytest.mark.parametrize("damaged", ["prec.checkpoint.npz", "both"])
def test_an_unfinished_training_that_cannot_be_read_is_named_too(folder, damaged):
    train(stop=after(20), save_every=0)
    cut_short("prec.checkpoint.npz")
    ways = "in prec.checkpoint.before.npz, 19 updates, .*: --resume continues it, --restart begins anew"
    if damaged == "both":
        cut_short("prec.checkpoint.before.npz")
        ways = "in prec.checkpoint.npz, which cannot be read: --restart begins anew"
    with pytest.raises(CharlmError, match=ways):
        train("not there")


def test_resume_and_restart_do_not_go_together(folder):
    with pytest.raises(UsageError, match="--resume continues .* --restart begins anew: give one of them"):
        train(resume=True, restart=True)


def test_a_session_says_what_it_gives_up(folder):
    train(stop=after(20))
    files = TrainingFiles(output="prec.npz", restart=True)
    with TrainingSession("text.txt", files, {"epochs": 4, **SMALL}) as session:
        assert session.given_up.startswith("gives up the unfinished training in prec.checkpoint.npz, 20 updates")
    Path("prec.checkpoint.npz").unlink()
    with TrainingSession("text.txt", files, {"epochs": 4, **SMALL}) as session:
        assert session.given_up is None


def test_after_an_interrupted_update_no_thread_still_writes_into_what_is_saved(folder):
    trainer = new_trainer("text.txt", epochs=4, **SMALL | {"threads": 2})
    good, late = trainer.parameters.copy(), threading.Timer(0.3, lambda: None)
    late.start()
    trainer.pool._others.submit(lambda: (late.join(), trainer.parameters.fill(np.nan)))
    trainer.back_to_good()
    trainer.pool.close()  # whatever a thread writes is written now
    assert np.array_equal(trainer.parameters, good)


def test_where_nothing_was_trained_nothing_is_saved(folder):
    with TrainingSession("text.txt", TrainingFiles(output="prec.npz"), {"epochs": 4, **SMALL}) as session:
        session.run()
        assert session.best_file is None
    assert names(folder) == ["prec.npz"]


def test_m_and_m_npz_have_their_own_previous_models_and_share_their_checkpoints():
    assert [str(previous_path(name)) for name in ("m.npz", "a/m")] == ["m.previous.npz", "a/m.previous"]


def test_m_and_m_npz_are_not_trained_at_once(folder):
    with exclusive_training("prec"), pytest.raises(CharlmError, match="another charlm is writing prec.npz"):
        train()


def test_where_nothing_is_held_out_the_latest_model_is_at_the_output_when_the_reader_leaves(folder):
    Path("prec.npz").unlink()
    files = TrainingFiles(output="prec.npz", save_every=0)  # the checkpoint is saved before the reader leaves
    with TrainingSession("text.txt", files, {"epochs": 4, "holdout": 0, **SMALL}) as session:
        next(session.run())
    assert np.array_equal(charlm.load("prec.npz").parameters, session.best.parameters)


# A checkpoint as a model


def test_a_checkpoint_is_the_best_model_so_far(folder, tiny_text):
    best = train(stop=after(40))
    model = charlm.load("prec.checkpoint.npz")
    assert np.array_equal(model.parameters, best.parameters)
    assert model.training == charlm.load("prec.checkpoint.npz").training == best.training
    assert model.novelty.contains_lines(tiny_text.split("\n")[:3]).all()
    model.save("m.npz")
    assert charlm.load("m.npz").novelty.bits.tobytes() == model.novelty.bits.tobytes()
    assert model.novelty.held_out.bits.any() and model.novelty.as_dict() == best.novelty.as_dict()
    sampled = [
        printed_by("sample", "--model", path, "--length", "40", "--seed", "1")
        for path in ("prec.checkpoint.npz", "m.npz")
    ]
    assert sampled[0] == sampled[1] != ""


def test_before_the_first_evaluation_a_checkpoint_is_the_latest_model(folder):
    latest = train(stop=after(1))
    assert latest.training["valid_loss"] is None
    assert np.array_equal(charlm.load("prec.checkpoint.npz").parameters, latest.parameters)


def test_a_checkpoint_without_the_record_of_the_text_is_resumed_and_loaded(folder):
    """As charlm wrote them before."""
    charlm.train("text.txt", output="whole.npz", epochs=4, **SMALL)
    train(stop=after(40))
    kept = Checkpoint("prec.checkpoint.npz")
    header = {name: value for name, value in kept.header.items() if name not in ("record", "sha256")}
    header["training"].pop("unfinished")
    write_archive("prec.checkpoint.npz", header, {name: kept.arrays[name] for name in kept.arrays if name != "novelty"})
    assert charlm.load("prec.checkpoint.npz").novelty is None
    train(resume=True)
    assert Path("prec.npz").read_bytes() == Path("whole.npz").read_bytes()


def test_without_novelty_a_checkpoint_has_no_record(folder):
    train(stop=after(40), novelty=False)
    assert charlm.load("prec.checkpoint.npz").novelty is None


def test_info_says_that_a_file_is_a_checkpoint_and_how_far_it_came(folder):
    Path("prec.npz").unlink()
    train(stop=after(40))
    shown = printed_by("info", "prec.checkpoint.npz")
    assert "the checkpoint of an unfinished training, with its best model so far" in shown.splitlines()[0]
    assert "trained for    40 updates" in shown and "% of the training was done" in shown
    shown = printed_by("info", "prec.npz")
    assert "checkpoint" not in shown and "% of the training was done" in shown
    shown = printed_by("info", "--json", "prec.checkpoint.npz")
    assert '"kind": "checkpoint"' in shown


@pytest.mark.parametrize("unfinished", [5, {}, {"id": 5}], ids=str)
def test_a_checkpoint_with_a_strange_identity_is_damaged(folder, unfinished):
    train(stop=after(40))
    kept = Checkpoint("prec.checkpoint.npz")
    kept.header["training"]["unfinished"] = unfinished
    write_archive("prec.checkpoint.npz", kept.header, kept.arrays)
    with pytest.raises(ModelFileError, match="damaged"):
        Checkpoint("prec.checkpoint.npz")
    del kept.header["training"]["unfinished"]
    write_archive("prec.checkpoint.npz", kept.header | {"identity": unfinished}, kept.arrays)
    with pytest.raises(ModelFileError, match="does not say which training"):
        Checkpoint("prec.checkpoint.npz")


def test_the_shell_and_the_system_both_say_that_the_terminal_is_closed():
    """A second SIGHUP does not end the program before it has saved, and ``nohup`` lets it train on."""
    program = (
        "import os, signal, sys, time\nfrom charlm.cli.signals import caught_signals\n"
        "with caught_signals() as caught:\n    for _ in range(2):\n        os.kill(os.getpid(), signal.SIGHUP)\n"
        "        time.sleep(0.2)\n    print(caught)\n"
    )
    command = [sys.executable, "-c", program]
    for found, caught in ((signal.SIG_DFL, "[1]\n"), (signal.SIG_IGN, "[]\n")):
        before = partial(signal.signal, signal.SIGHUP, found)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, preexec_fn=before)
        assert (done.returncode, done.stdout, done.stderr) == (0, caught, "")
