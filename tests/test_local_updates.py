"""Local updates: each shard trains on its own between two exchanges, and the result is exact, resumable, and the same
for any number of threads."""

from dataclasses import replace

import fake_mpi
import numpy as np
import pytest

from charlm.errors import DivergedError, ModelFileError, UsageError
from charlm.learning.autotune import new_trainer
from charlm.learning.checkpoint import Checkpoint, save_checkpoint
from charlm.learning.description import reasons
from charlm.learning.strategy import OUTER_MOMENTUM, OUTER_RATE, PairwiseSum
from charlm.network.sharding import Shards, tree_sum
from charlm.ranks import Ranks

LINES = "\n".join(f"{'the cat' if i % 3 else 'a dog'} sees {'nobody' if i % 5 else 'us'} {i % 7}." for i in range(220))
SIZES = {"hidden": 12, "layers": 1, "batch": 3, "steps": 8, "epochs": 2, "holdout": 0.2, "ngrams": 0}
LABELLED = "\n".join(f"{'cat' if i % 2 else 'dog'}\t{'meow' if i % 2 else 'woof'} number {i}" for i in range(120))
TAGGED = "\n\n".join(f"the\tD\n{'cat' if i % 2 else 'dog'}\tN\nruns{i}\tV" for i in range(60))
PAIRS = "\n".join(f"abc{i}\t{i}cba" for i in range(120))


@pytest.fixture
def text(tmp_path):
    (tmp_path / "text.txt").write_text(LINES)
    return tmp_path / "text.txt"


def trainer_of(text, **options):
    local = {"shards": 4, "local_updates": 3, "lines": False, "threads": 1}
    return new_trainer(text, **SIZES | local | options)


@pytest.mark.parametrize("number", [1, 2, 8])
def test_lists_are_summed_along_the_tree(number):
    random = np.random.default_rng(3)
    lists = [[random.normal(size=5).astype(np.float32), random.normal(size=2)] for _ in range(number)]
    total, most = PairwiseSum(), 0
    for one in lists:
        total.add([array.copy() for array in one])
        most = max(most, len(total._parts))
    for found, arrays in zip(total.total, zip(*lists, strict=True), strict=True):
        assert found.tobytes() == tree_sum(list(arrays)).tobytes()
    assert most == max(1, number.bit_length() - 1)  # so much memory


def test_an_exchange_is_what_its_equations_say(text):
    """Each worker is a training in step, with the shard's rows, from the same parameters and moments."""
    trainer = trainer_of(text, dropout=0.2)
    state, carried = trainer.state, None
    outer = np.zeros_like(trainer.parameters)
    batches = trainer._batches(0)
    for _ in range(2):  # the second exchange begins with moments and states
        before, count = {name: array.copy() for name, array in trainer.arrays().items()}, trainer.optimizer.updates
        updates = trainer._next_updates(batches)
        losses, workers = [], []
        for worker in range(4):
            alone = trainer_of(text, shards=1, local_updates=None)
            assert alone.rows == 3
            for name, array in alone.arrays().items():
                array[:] = before[name][worker::4] if name.startswith("state") else before[name]
            alone.optimizer.updates = count
            losses.append([])
            for update in updates:
                batch = Shards(4, worker, 1).of(update.batch)
                alone.network.pack(for_training=True)
                drop = replace(update.drop, shards=Shards(4, worker, 1))
                nats = alone.window.train(batch, 1 / np.count_nonzero(batch.targets >= 0), drop)
                alone.optimizer.update(update.rate)
                losses[-1].append(nats.sum(dtype=np.float64))
            workers.append(alone)
        assert trainer.strategy.make(updates) == [tree_sum(list(of_update)) for of_update in zip(*losses, strict=True)]
        moved = tree_sum([before["parameters"] - one.parameters for one in workers]) / 4
        outer = outer * OUTER_MOMENTUM + moved
        carried = trainer.strategy.carried
        assert np.array_equal(trainer.parameters, before["parameters"] - OUTER_RATE * (moved + OUTER_MOMENTUM * outer))
        assert np.array_equal(trainer.optimizer.m, tree_sum([one.optimizer.m for one in workers]) / 4)
        assert np.array_equal(trainer.optimizer.v, tree_sum([one.optimizer.v for one in workers]) / 4)
        for worker, one in enumerate(workers):
            for found, wanted in zip(carried, one.window.state, strict=True):
                assert np.array_equal(found[worker::4], wanted)
        assert trainer.optimizer.updates == count + 3 and state.tokens == 0


def test_it_learns_and_stops_evaluates_and_reports_at_exchanges_only(text):
    trainer = trainer_of(text, epochs=6, lr=0.02)
    first = trainer.held_out_loss()
    steps = list(trainer.run())
    assert trainer.best_loss < first - 0.8
    assert sum(step.window_tokens for step in steps) == trainer.state.tokens
    made = [step.step for step in steps]
    epoch = next(step.step for step in steps if step.epoch >= 1)  # an exchange ends an epoch too
    assert made[:3] == [3, 6, 9] and epoch in made and trainer.state.updates == made[-1]
    assert trainer.rows == 12 and trainer.best.training["settings"]["local_updates"] == 3


@pytest.mark.parametrize("options", [{}, {"lines": True, "cell": "gru", "dropout": 0.2}, {"cell": "feedforward"}])
def test_resumed_it_ends_with_the_same_bytes_for_any_number_of_threads(text, tmp_path, options):
    whole = trainer_of(text, **options)
    list(whole.run())
    stopped = trainer_of(text, threads=2, **options)
    for step in stopped.run():
        if step.epoch > 1:  # after the first exchange in the second epoch
            break
    save_checkpoint(stopped, tmp_path / "c.npz", {})
    resumed = trainer_of(text, threads=3, **options)
    Checkpoint(tmp_path / "c.npz").restore(resumed)
    assert resumed.state.epoch == 1 and resumed.state.windows_done and resumed.arrays()["outer"].any()
    list(resumed.run())
    assert resumed.best.parameters.tobytes() == whole.best.parameters.tobytes()


@pytest.mark.parametrize(
    ("task", "content"), [("classify", LABELLED), ("generate", LABELLED), ("tag", TAGGED), ("translate", PAIRS)]
)
def test_every_task_has_local_updates(tmp_path, task, content):
    (tmp_path / "examples.txt").write_text(content)
    found = []
    for threads in (1, 2):
        options = {"hidden": 6, "batch": 4, "epochs": 3, "lr": 0.02, "shards": 2, "local_updates": 2}
        trainer = new_trainer(tmp_path / "examples.txt", task=task, threads=threads, layers=1, **options)
        before = trainer.held_out_loss()
        steps = list(trainer.run())
        assert trainer.best_loss < before and sum(step.window_tokens for step in steps) == trainer.state.tokens
        found.append(trainer.best.parameters.tobytes())
    assert found[0] == found[1]


def test_a_short_text_gets_fewer_rows_for_each_worker(tmp_path):
    (tmp_path / "short.txt").write_text("abc def ghi\n" * 20)
    trainer = trainer_of(tmp_path / "short.txt", shards=8, batch=50, steps=10, epochs=1)
    assert trainer.rows == 16 and trainer.window.rows == 2
    tiny = trainer_of(tmp_path / "short.txt", shards=128, epochs=1)  # some workers have no token at all
    assert tiny.rows == 128 and [step.train_loss > 0 for step in tiny.run()]
    assert np.isfinite(tiny.parameters).all()


def test_a_worker_that_diverges_takes_the_training_back(text):
    """One bad loss of one worker is enough; at every rate the training ends in an error."""
    trainer = trainer_of(text)
    good = trainer.optimizer.update
    rounds = iter([0.0] * 7 + [np.nan] + [0.0] * 1000)
    trainer.optimizer.update = lambda rate: good(rate) + next(rounds)
    steps = list(trainer.run())
    assert steps[0].rolled_back and steps[0].step == 0 and not np.isfinite(steps[0].train_loss)
    assert trainer.finished and trainer.state.rate_factor == 0.25 and np.isfinite(trainer.parameters).all()
    with pytest.raises(DivergedError, match="at every learning rate"):
        list(trainer_of(text, lr=1e30).run())


def test_opening_and_summary_say_how_the_workers_meet(text):
    said = dict(reasons(trainer_of(text), "character"))["update"]
    assert said.startswith("each of 4 networks reads 3 pieces of 8 characters") and "after every 3 updates" in said
    model = trainer_of(text).best
    assert "reads 12 pieces of 8 characters" in model.summary()
    assert "; 4 shards; local updates between exchanges: 3; seed 1" in model.summary()
    assert "shards" not in trainer_of(text, shards=1, local_updates=None).best.summary()


@pytest.mark.parametrize(("shards", "workers", "factor"), [(None, 8, 2.0), (2, 2, 2**0.5), (16, 16, 2.0)])
def test_there_are_eight_workers_and_the_rate_grows_with_the_root_of_their_number(text, shards, workers, factor):
    found, in_step = trainer_of(text, shards=shards), trainer_of(text, shards=None, local_updates=None)
    assert found.settings.shards == workers and in_step.settings.shards == 1
    assert found.settings.lr == pytest.approx(factor * in_step.settings.lr)
    assert trainer_of(text, lr=0.003).settings.lr == 0.003


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shards": 1}, "--shards 8"),
        ({"local_updates": 0}, "local_updates must be an integer from 1"),
        ({"shards": 3}, "power of two"),
    ],
)
def test_options_that_make_no_sense_are_one_line(text, options, message):
    with pytest.raises(UsageError, match=message):
        trainer_of(text, **options)


def test_a_checkpoint_resumes_with_the_same_exchanges_only(text, tmp_path):
    trainer = trainer_of(text)
    next(trainer.run())
    save_checkpoint(trainer, tmp_path / "c.npz", {})
    with pytest.raises(ModelFileError, match=r"--local-updates \(4 now, 3 then\)"):
        Checkpoint(tmp_path / "c.npz").restore(trainer_of(text, local_updates=4))


def test_any_number_of_ranks_gives_the_same_bytes(text):
    """A rank has its workers only; a rank that stops, at an exchange, leaves what any other number of ranks resumes."""

    def trained(ranks):
        trainer = trainer_of(text, ranks=ranks, dropout=0.2, epochs=1)
        list(trainer.run(stop=lambda: trainer.step >= 9))
        trainer.collect_states()
        state, arrays = trainer.snapshot()
        return state.losses, {name: array.tobytes() for name, array in arrays.items()}

    alone = trained(Ranks())
    assert alone[1].keys() == {"parameters", "m", "v", "outer", "state0", "state1"}
    for number in (2, 4):
        found, _ = fake_mpi.run(number, trained)
        assert found[0] == alone  # rank 0 has the states of all rows
        for losses, arrays in found[1:]:
            assert losses == alone[0] and arrays["parameters"] == alone[1]["parameters"]
