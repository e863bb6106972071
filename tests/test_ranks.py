"""The ranks of an MPI job: sums, agreement, and how a job ends. The ranks here are threads (``fake_mpi``); tests/mpi
has the same with real processes."""

import importlib.util
import operator
import os
import shutil
import subprocess
import sys
import threading
import time
from functools import reduce

import fake_mpi
import numpy as np
import pytest

from charlm import ranks as module
from charlm.errors import CharlmError, RankError, UsageError
from charlm.learning.autotune import new_trainer
from charlm.ranks import Ranks, announced, job, mpi


def summed(parts):
    """The sum along the tree of pairs."""
    while len(parts) > 1:
        parts = [a + b for a, b in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


@pytest.mark.parametrize("size", [1, 7, 5001, 20_000])
@pytest.mark.parametrize("number", [2, 4, 8])
def test_a_sum_has_the_bits_of_the_tree(number, size):
    parts = [np.random.default_rng(rank).standard_normal(size).astype(np.float32) for rank in range(number)]

    def work(ranks):
        own = parts[ranks.rank].copy()
        ranks.sum_tree(own)
        return own

    found, _ = fake_mpi.run(number, work)
    for own in found:
        assert own.tobytes() == summed(parts).tobytes()
    assert number == 2 or size < 5000 or reduce(operator.add, parts).tobytes() != found[0].tobytes()


def test_a_sum_in_two_dimensions_is_in_place():
    def work(ranks):
        own = np.full((3, 4), 1.0 + ranks.rank)
        ranks.sum_tree(own)
        return own

    assert [own.tolist() for own in fake_mpi.run(2, work)[0]] == [np.full((3, 4), 3.0).tolist()] * 2
    assert isinstance(fake_mpi.run(2, lambda ranks: ranks.sum_tree(np.ones((4, 4))[:, ::2]))[0][0], ValueError)


@pytest.mark.parametrize("number", [2, 3, 4, 7])
def test_ranks_agree(number):
    def work(ranks):
        ranks.meet()
        flags = [ranks.any(ranks.rank == one) for one in range(-1, number)]
        return ranks.agree(["of", ranks.rank]), ranks.collect(ranks.rank**2), ranks.gather(ranks.rank**2), flags

    found, _ = fake_mpi.run(number, work)
    squares, flags = [rank**2 for rank in range(number)], [False, *number * [True]]
    assert found == [(["of", 0], [] if rank else squares, squares, flags) for rank in range(number)]


def test_a_long_message_goes_in_pieces(monkeypatch):
    monkeypatch.setattr(mpi, "PIECE", 1000)
    long = np.random.default_rng(1).bytes(5500)
    assert fake_mpi.run(2, lambda ranks: ranks.agree(long))[0] == 2 * [long]


def test_ranks_share_processors():
    places = [("this", (0, 1)), ("this", (0, 1)), ("this", (2, 3)), ("that", (0, 1))]
    found, _ = fake_mpi.run(4, lambda ranks: (ranks.sharing, ranks.is_first_here), processors=places.__getitem__)
    assert found == [(2, True), (2, False), (1, False), (1, True)]


def test_one_process_on_its_own():
    alone, array = Ranks(), np.ones(3)
    alone.sum_tree(array)
    alone.meet()
    assert (alone.agree(5), alone.gather(5), alone.any(True), alone.any(False)) == (5, [5], True, False)
    assert array.tolist() == [1, 1, 1] and alone.is_first and alone.sharing == 1


def ending(work):
    """What a rank says, and its exit code, where ``work(ranks)`` may raise."""

    def whole(ranks):
        said = []
        try:
            work(ranks)
        except (CharlmError, ValueError, KeyboardInterrupt) as error:
            ranks.tell(error, 2 if isinstance(error, UsageError) else 1)
            return said, ranks.leave(said.append)
        return said, 0

    return whole


def raised(error):
    raise error


def wait(ranks):
    ranks.sum_tree(np.ones(3))


def test_an_error_of_all_ranks_is_said_once_with_its_exit_code():
    found, notes = fake_mpi.run(4, ending(lambda ranks: raised(UsageError("there is no such file"))))
    assert found == [(["there is no such file"], 2), *3 * [([], 2)]] and not notes.aborted


@pytest.mark.parametrize("error", [CharlmError("no memory"), ValueError("no memory")])
def test_an_error_of_one_rank_names_it_and_ends_the_others(error):
    found, notes = fake_mpi.run(4, ending(lambda ranks: raised(error) if ranks.rank == 2 else wait(ranks)))
    words = "no memory" if isinstance(error, CharlmError) else "ValueError: no memory"
    assert found == [([f"rank 2 of 4: {words}"], 1), *3 * [([], 1)]] and not notes.aborted


def test_an_error_of_rank_0_reads_as_that_of_one_process():
    found, _ = fake_mpi.run(2, ending(lambda ranks: raised(UsageError("disk full")) if ranks.is_first else wait(ranks)))
    assert found == [(["disk full"], 2), ([], 2)]


def test_errors_of_all_ranks_that_differ():
    found, _ = fake_mpi.run(2, ending(lambda ranks: raised(CharlmError(f"text {ranks.rank}"))))
    assert found == [(["text 0"], 1), ([], 1)]


@pytest.mark.parametrize("hanging", [0, 2])
def test_a_rank_that_hangs_is_named_and_all_end(monkeypatch, hanging):
    monkeypatch.setattr(mpi, "JOINED", 0.2)
    monkeypatch.setattr(mpi, "SPOKEN", 0.2)

    said, is_over = [], threading.Event()

    def whole(ranks):
        try:
            is_over.wait(20) if ranks.rank == hanging else wait(ranks)
        except RankError as error:
            ranks.tell(error)
            try:
                ranks.leave(said.append)
            finally:
                is_over.set()

    found, notes = fake_mpi.run(4, whole, patience=0.1)
    assert said == [f"rank {hanging} of 4 has not answered for 0.1 seconds (--patience)"]
    assert notes.aborted == [1]


def test_a_rank_that_works_long_is_waited_for_where_all_meet():
    found, _ = fake_mpi.run(2, lambda ranks: (time.sleep(0.3 * ranks.rank), ranks.meet(), ranks.patience), patience=0.1)
    assert found == [(None, None, 0.1), (None, None, 0.1)]


OF_LAUNCHERS = (
    {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3", "PMIX_RANK": "3", "SLURM_STEP_NUM_TASKS": "2"},
    {"PMI_SIZE": "4", "PMI_RANK": "3"},
    {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "3", "PMIX_RANK": "3"},
)


@pytest.fixture
def launcher(monkeypatch):
    """A function that sets the environment of a process as a launcher does."""
    for name in (*module.NUMBER, *module.RANK, "PMIX_RANK", module.OF_SLURM):
        monkeypatch.delenv(name, raising=False)
    job.cache_clear()
    yield lambda variables: [monkeypatch.setenv(name, value) for name, value in variables.items()]
    job.cache_clear()


@pytest.mark.parametrize("variables", OF_LAUNCHERS)
def test_launchers_announce_ranks(launcher, variables):
    launcher(variables)
    assert announced() == (3, 4)


@pytest.mark.parametrize(
    "variables",
    [{}, {"PMI_SIZE": "1", "PMI_RANK": "0"}, {"SLURM_STEP_NUM_TASKS": "4"}, {"PMI_SIZE": "a few", "PMI_RANK": "0"}],
)
def test_a_process_on_its_own_is_no_job(launcher, variables):
    launcher(variables)
    assert announced() == (0, 1) and type(job()) is Ranks


def test_several_ranks_without_mpi4py(launcher, monkeypatch):
    launcher(OF_LAUNCHERS[1])
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(UsageError, match=r"4 processes .* pip install 'charlm\[mpi\]'"):
        job()


OF_TRAININGS = {
    "stream": {"steps": 8, "ngrams": 3},
    "lines": {"lines": True, "ngrams": 3, "dropout": 0.2},
    "classify": {"task": "classify"},
    "local updates": {"steps": 8, "local_updates": 2, "batch": 2},
}


@pytest.mark.parametrize("kind", OF_TRAININGS)
def test_any_number_of_ranks_trains_the_same_model(tiny_text, file, kind):
    if kind == "classify":
        tiny_text = "".join(f"{'ab'[line.count('a') > 1]}\t{line}\n" for line in tiny_text.splitlines())
    options = {"hidden": 5, "layers": 1, "batch": 8, "epochs": 2, "shards": 4, "threads": 1}
    path, options = file(tiny_text), options | OF_TRAININGS[kind]

    def trained(ranks):
        trainer = new_trainer([path], ranks=ranks, **options)
        losses = [(step.valid_loss, step.train_loss) for step in trainer.run()]
        trainer.collect_states()
        trainer.pool.close()
        return losses, {name: array.tobytes() for name, array in trainer.arrays().items()}, trainer.best.mixture

    losses, arrays, mixture = trained(Ranks())
    for number in (2, 4):
        for rank, (others, found, of_rank) in enumerate(fake_mpi.run(number, trained)[0]):
            assert others == losses and found["parameters"] == arrays["parameters"]
            assert found == arrays or rank
            assert mixture is None or np.array_equal(of_rank.weights, mixture.weights)


@pytest.mark.skipif(
    not (shutil.which("mpirun") and importlib.util.find_spec("mpi4py")),
    reason="needs mpi4py and mpirun (make test-mpi)",
)
def test_two_processes_say_one_line(tmp_path):
    command = ["mpirun", "-n", "2", sys.executable, "-m", "charlm", "train", "no.txt", "-o", "m.npz"]
    as_root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | as_root, capture_output=True, text=True)
    lines = [line for line in done.stderr.splitlines() if line.startswith("charlm: ")]
    assert done.returncode == 1 and lines == ["charlm: error: there is no file no.txt; check the name"]
