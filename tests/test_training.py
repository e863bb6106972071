"""The training loop: it learns, it is exact, it stops when it is told to, and resumes as if it had never stopped."""

import hashlib
import json
import math
from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest

import charlm
from charlm.errors import CorpusError, DivergedError, ModelFileError, UsageError
from charlm.kernels.compiling import HAS_BFLOAT16
from charlm.learning.autotune import new_trainer
from charlm.learning.checkpoint import Checkpoint, checkpoint_path, save_checkpoint
from charlm.learning.clock import Clock
from charlm.learning.control import (
    GAIN,
    GAP,
    MOST_DROPOUT,
    RISE,
    TAIL,
    WORSE_FOR,
    followed_dropout,
    held_out_losses,
    lower_or_end,
    note_loss,
    rolled_back,
)
from charlm.learning.loop import Trainer
from charlm.learning.options import NAMES
from charlm.learning.progress import reports
from charlm.learning.results import Results
from charlm.learning.schedule import SCHEDULES, WARM_UP, rate_at
from charlm.learning.settings import Settings
from charlm.learning.state import MOST_LOSSES, MOST_ROLLBACKS, RATE_CUT, TrainingState
from charlm.network import products
from charlm.network.architecture import Architecture
from charlm.network.cells import CELLS
from charlm.text.corpus import CorpusOptions, load_corpus

needs_bfloat16 = pytest.mark.skipif(not HAS_BFLOAT16, reason="this processor does not multiply in bfloat16")
SENTENCE = "the quick brown fox jumps over the lazy dog and runs away.\n"


@pytest.fixture(scope="module")
def sentences():
    """Lines of a small grammar, enough for some windows. They look like a list."""
    random = np.random.default_rng(5)
    subjects, verbs = ("the cat", "a dog", "the old man", "my sister"), ("sees", "hears", "likes", "draws")
    lines = [f"{random.choice(subjects)} {random.choice(verbs)} {random.choice(subjects)}." for _ in range(150)]
    return "\n".join(lines) + "\n"


@pytest.fixture
def text(tmp_path, sentences):
    path = tmp_path / "text.txt"
    path.write_text(sentences)
    return path


def digest(model, path):
    model.save(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("cell", CELLS)
def test_it_memorises_a_sentence(tmp_path, cell):
    path = tmp_path / "sentence.txt"
    path.write_text(SENTENCE * 20)
    sizes = {"hidden": 48, "layers": 1, "epochs": 30, "batch": 4, "steps": 30, "lr": 0.02}
    model = charlm.train(path, cell=cell, **sizes, holdout=0.05, ngrams=0)  # n-grams would memorise it alone
    assert charlm.perplexity(model, SENTENCE * 3).perplexity < 1.1
    options = {"temperature": 0, "start_with": "the quick", "allow_copies": True}
    assert next(charlm.sample(model, length=len(SENTENCE), **options)).text == SENTENCE


def test_it_beats_the_unigram_model_it_starts_as(text):
    trainer = new_trainer(text, lines=False, hidden=24, layers=2, epochs=12, batch=8, steps=20, ngrams=0)
    first = trainer.held_out_loss()
    rates = np.bincount(trainer.corpus.train) / len(trainer.corpus.train)
    assert first == pytest.approx(-sum(rate * math.log(rate) for rate in rates if rate), abs=0.15)
    records = list(reports(trainer.run(), every=0.0))
    assert trainer.best_loss < first - 1
    assert trainer.best_loss == min(record.valid_loss for record in records if record.valid_loss is not None)


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "lstm"},
        {"cell": "gru", "lines": True},
        {"cell": "peephole", "dropout": 0.3},
        {"cell": "rnn", "level": "byte"},
        {"cell": "rnn", "level": "subword", "hidden": 5},
        {"cell": "lstm", "level": "word", "tied": True, "hidden": 20},
        {"cell": "feedforward", "context": 5, "dropout": 0.2},
        {"cell": "feedforward", "level": "word", "tied": True, "hidden": 20, "lines": True},
        pytest.param({"precision": "bf16", "dropout": 0.2}, marks=needs_bfloat16),
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_same_seed_same_bytes_for_any_number_of_threads(text, tmp_path, options):
    settings = {"lines": False, "hidden": 21, "layers": 2, "epochs": 1, "batch": 7, "steps": 15} | options
    digests = {digest(charlm.train(text, threads=threads, **settings), tmp_path / "m.npz") for threads in (1, 2, 3)}
    assert len(digests) == 1
    assert digest(charlm.train(text, seed=2, **settings), tmp_path / "m.npz") not in digests


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "lstm", "dropout": 0.2},
        {"cell": "gru", "lines": True},
        {"cell": "feedforward", "embedding": 3},
        pytest.param({"precision": "bf16"}, marks=needs_bfloat16),
    ],
    ids=["stream", "lines", "feedforward", "bf16"],
)
def test_stopped_and_resumed_it_ends_with_the_same_bytes(text, tmp_path, options):
    settings = {"lines": False, "hidden": 12, "layers": 2, "epochs": 2, "batch": 8, "steps": 16} | options
    whole = new_trainer(text, **settings)
    list(whole.run())
    assert whole.step > 49
    expected, found = digest(whole.best, tmp_path / "w.npz"), {}
    for stop_at in (1, 7, 24, 25, 26, 49):
        stopped = new_trainer(text, **settings)
        list(stopped.run(stop=lambda stopped=stopped, stop_at=stop_at: stopped.step == stop_at))
        assert stopped.step == stop_at
        save_checkpoint(stopped, tmp_path / "c.npz", {})
        resumed = new_trainer(text, **settings, threads=1)
        Checkpoint(tmp_path / "c.npz").restore(resumed)
        list(resumed.run())
        found[stop_at] = digest(resumed.best, tmp_path / "r.npz")
    assert found == dict.fromkeys(found, expected)


def test_dropout_that_follows_the_losses_rises_where_a_text_is_memorised(tmp_path):
    """Noise can only be memorised; the same line again and again needs no dropout."""
    letters = np.random.default_rng(1).choice(list("abcdefgh"), (60, 20))
    path = tmp_path / "noise.txt"
    path.write_text("".join(f"{''.join(line)}\n" for line in letters))
    corpus = load_corpus(path, CorpusOptions(lines=True))
    sizes = Architecture(len(corpus.vocabulary), "lstm", 32, 1)
    settings = Settings(epochs=40, batch=8, steps=16, lr=0.01, dropout=None)

    whole = Trainer(corpus, sizes, settings)
    rates = []
    for step in whole.run():
        if step.valid_loss is not None:
            rates.append(whole.state.dropout)
            if len(rates) == 30:
                save_checkpoint(whole, tmp_path / "c.npz", {})
    assert rates[0] == 0 and rates[-1] > 0.1 and max(rates) <= MOST_DROPOUT
    assert whole.best.training["settings"]["dropout"] == rates[-1]

    resumed = Trainer(corpus, sizes, settings, threads=1)
    Checkpoint(tmp_path / "c.npz").restore(resumed)
    assert resumed.state.dropout == rates[29] > 0
    list(resumed.run())
    assert digest(resumed.best, tmp_path / "r.npz") == digest(whole.best, tmp_path / "w.npz")

    path.write_text("abcdefgh\n" * 60)
    corpus = load_corpus(path, CorpusOptions(lines=True))
    trainer = Trainer(corpus, Architecture(len(corpus.vocabulary), "lstm", 32, 1), settings)
    trainer.state.dropout = 0.5
    list(trainer.run())
    assert trainer.state.dropout < 0.1


def test_resuming_with_another_corpus_or_setting_fails_and_names_it(text, tmp_path):
    trainer = new_trainer(text, hidden=8, epochs=1, steps=20)
    list(trainer.run(stop=lambda: True))
    save_checkpoint(trainer, tmp_path / "c.npz", {})
    checkpoint = Checkpoint(tmp_path / "c.npz")
    other = text.with_name("other.txt")
    other.write_text(text.read_text() + "more\n")
    for options, name in (
        ({"hidden": 9}, "--hidden"),
        ({"lr": 0.1}, "--lr"),
        ({"cell": "gru"}, "--cell"),
        ({"holdout": 0.2}, "--holdout"),
        ({"level": "byte"}, "--level"),
        *([({"precision": "bf16"}, "--precision")] if HAS_BFLOAT16 else []),
    ):
        with pytest.raises(ModelFileError, match=name):
            checkpoint.restore(new_trainer(text, **{"hidden": 8, "epochs": 1, "steps": 20} | options))
    by_clock = Trainer(trainer.corpus, trainer.architecture, replace(trainer.settings, minutes=1.0))
    with pytest.raises(ModelFileError, match=r"--minutes \(1.0 now, not given then\)"):
        checkpoint.restore(by_clock)
    with pytest.raises(ModelFileError, match="the text differs"):
        checkpoint.restore(new_trainer(other, hidden=8, epochs=1, steps=20))


def test_results_are_kept_on_disk(text, tmp_path):
    """The model is saved at the first held-out loss; a stop leaves a checkpoint; the end deletes it."""
    path = tmp_path / "m.npz"
    trainer = new_trainer(text, hidden=8, epochs=2, batch=8, steps=20)
    for report in Results(trainer, path, {}).follow(reports(trainer.run(lambda: trainer.step == 40), every=0.0)):
        if report.improved:
            assert charlm.load(path).training["valid_loss"] == report.valid_loss
    assert checkpoint_path(path).exists()
    resumed = new_trainer(text, hidden=8, epochs=2, batch=8, steps=20)
    Checkpoint(checkpoint_path(path)).restore(resumed)
    list(Results(resumed, path, {}).follow(reports(resumed.run(), every=0.0)))
    assert not checkpoint_path(path).exists()
    assert charlm.load(path).training["valid_loss"] == resumed.best_loss


@pytest.mark.parametrize("precision", ["float32", pytest.param("bf16", marks=needs_bfloat16)])
def test_the_loss_in_the_log_is_the_perplexity_of_the_held_out_text(text, precision):
    trainer = new_trainer(text, lines=False, hidden=12, epochs=3, steps=20, precision=precision, ngrams=0)
    list(trainer.run())
    assert trainer.best.training["settings"]["precision"] == precision
    corpus = trainer.corpus
    held_out = corpus.vocabulary.decode(corpus.held_out)
    score = charlm.perplexity(trainer.best, held_out)
    assert score.tokens == len(corpus.held_out)
    assert score.nats_per_token == pytest.approx(trainer.best_loss, rel=1e-5)


@needs_bfloat16
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "peephole"])
def test_it_learns_in_bf16_what_it_learns_in_float32(text, cell):
    options = {"cell": cell, "hidden": 24, "layers": 2, "epochs": 6, "batch": 8, "steps": 20, "lr": 0.02, "ngrams": 0}
    exact, rounded = (charlm.train(text, precision=precision, **options) for precision in ("float32", "bf16"))
    assert not np.array_equal(exact.parameters, rounded.parameters)
    assert rounded.training["valid_loss"] == pytest.approx(exact.training["valid_loss"], abs=0.05)


def test_a_processor_without_bfloat16_says_so_before_anything_is_read(text, monkeypatch):
    monkeypatch.setattr(products, "HAS_BFLOAT16", False)
    for paths in (text, "not there"):
        with pytest.raises(UsageError, match="--precision bf16 needs .* leave it out"):
            new_trainer(paths, precision="bf16", epochs=1)
    corpus = load_corpus(text)
    with pytest.raises(UsageError, match="--precision bf16"):
        Trainer(corpus, Architecture(len(corpus.vocabulary), "gru", 10, 1), Settings(precision="bf16"))


def test_without_a_held_out_part_the_last_model_is_kept(text):
    trainer = new_trainer(text, hidden=8, epochs=1, steps=20, holdout=0)
    records = list(reports(trainer.run(), every=0.0))
    assert all(record.valid_loss is None for record in records)
    assert np.array_equal(trainer.best.parameters, trainer.parameters)


def test_a_loss_that_diverges_at_every_rate_is_an_error_with_a_remedy(text):
    trainer = new_trainer(text, cell="rnn", hidden=16, epochs=5, lr=1e30, clip=0, steps=20)
    with pytest.raises(DivergedError, match="--lr below 1e.30, or a --clip, such as 0.2"):
        list(trainer.run())


@pytest.mark.parametrize("factor", [1e6, math.nan], ids=["far-off", "no-number"])
def test_a_loss_that_diverges_is_rolled_back(text, monkeypatch, factor):
    """One update in the middle of the training goes wrong, and only the first time."""
    trainer = new_trainer(text, lines=False, hidden=16, epochs=12, lr=0.02, batch=8, steps=20)
    update_well, rates = trainer.optimizer.update, []

    def update(rate):
        if trainer.step == 100:
            rates.append(rate)
        return update_well(rate * factor if trainer.step == 100 and len(rates) == 1 else rate)

    monkeypatch.setattr(trainer.optimizer, "update", update)
    steps = list(trainer.run())
    (number,) = [number for number, step in enumerate(steps) if step.rolled_back]
    assert 100 - 25 < steps[number].step <= 100 and steps[number + 1].step == steps[number].step + 1
    assert rates[1] == pytest.approx(rates[0] / 4) and trainer.state.rate_factor == 0.25
    assert trainer.state.times_lower == 0 and trainer.finished
    assert trainer.best_loss < 1.0 and np.isfinite(trainer.parameters).all()


def test_after_a_rollback_it_ends_with_the_same_bytes_wherever_it_is_stopped(text, tmp_path):
    settings = {"lines": False, "hidden": 16, "epochs": 2, "lr": 4.0, "batch": 8, "steps": 20, "dropout": 0.1}
    whole = new_trainer(text, **settings)
    rollbacks = [number for number, step in enumerate(whole.run()) if step.rolled_back]
    assert rollbacks
    for stop_at in (1, rollbacks[0] - 1, rollbacks[0], rollbacks[-1] + 2):
        number, stopped = -1, new_trainer(text, **settings)
        for number, _ in enumerate(stopped.run()):
            if number == stop_at:
                break
        assert number == stop_at
        save_checkpoint(stopped, tmp_path / "c.npz", {})
        resumed = new_trainer(text, **settings)
        Checkpoint(tmp_path / "c.npz").restore(resumed)
        list(resumed.run())
        assert digest(resumed.best, tmp_path / "r.npz") == digest(whole.best, tmp_path / "w.npz")


def test_a_rollback_halves_the_dropout_that_follows():
    """And halves it again with each rollback on end; a given dropout stays."""
    good, following = TrainingState(dropout=0.4, total_tokens=100), Settings(dropout=None)
    state, rates = good, []
    for _ in range(3):
        state = rolled_back(state, good, following)
        rates.append(state.dropout)
    assert rates == [0.2, 0.1, 0.05]
    assert state.rate_factor == 0.25**3 and state.times_lower == 3
    assert rolled_back(good, good, Settings(dropout=0.4)).dropout == 0.4
    with pytest.raises(DivergedError, match="--lr below 0.01, or a --clip below 0.2"):
        rolled_back(TrainingState(times_lower=MOST_ROLLBACKS), good, following)


def test_a_rollback_keeps_what_was_found_and_spent():
    good = TrainingState(step=5, tokens=50, best_loss=2.0, seconds=1.0)
    now = TrainingState(step=9, tokens=90, best_loss=1.5, best_progress=0.2, seconds=2.0)
    state = rolled_back(now, good, Settings())
    assert (state.step, state.tokens) == (5, 50)
    assert (state.best_loss, state.best_progress, state.seconds) == (1.5, 0.2, 2.0)


def test_dropout_follows_the_gap_between_the_losses():
    """It rises slowly: a network that has learnt without dropout can diverge with much of it."""
    assert followed_dropout(0.0, 5.0) == RISE
    assert followed_dropout(0.2, GAP) == 0.2
    assert followed_dropout(0.2, GAP + 0.1) == pytest.approx(0.2 + 0.1 * GAIN)
    assert followed_dropout(0.2, -5.0) == 0.0 and followed_dropout(0.79, 5.0) == MOST_DROPOUT


def test_a_loss_diverges_when_it_is_not_a_number_or_stays_high():
    state = TrainingState()
    assert note_loss(state, 10, math.nan, 20.0) and note_loss(state, 10, math.inf, 20.0)
    assert not any(note_loss(state, 10, 31.0, 20.0) for _ in range(WORSE_FOR - 1))
    assert not note_loss(state, 10, 30.0, 20.0) and state.worse == 0
    assert [note_loss(state, 10, 31.0, 20.0) for _ in range(WORSE_FOR)] == [*[False] * (WORSE_FOR - 1), True]


class Momentum:
    """Gradient descent with momentum: another optimizer than charlm's own."""

    def __init__(self, network):
        self.network, self.updates, self.velocity = network, 0, np.zeros_like(network.parameters)

    def state(self):
        return {"velocity": self.velocity}

    def update(self, rate):
        self.updates += 1
        self.velocity *= 0.9
        self.velocity += self.network.gradient
        self.network.parameters -= np.float32(rate) * self.velocity
        return float(np.linalg.norm(self.network.gradient))


def test_training_is_handed_its_optimizer(text, tmp_path):
    """It learns with any optimizer, and resumes to the same bytes; but not with another one."""
    corpus = load_corpus(text)
    sizes, settings = Architecture(len(corpus.vocabulary), "gru", 12, 1), Settings(epochs=3, batch=8, steps=16, lr=0.3)

    def new():
        return Trainer(corpus, sizes, settings, optimizer=Momentum, threads=1)

    whole, stopped, resumed = new(), new(), new()
    first = whole.held_out_loss()
    list(whole.run())
    assert whole.best_loss < first - 0.3
    list(stopped.run(stop=lambda: stopped.step == 40))
    save_checkpoint(stopped, tmp_path / "c.npz", {})
    Checkpoint(tmp_path / "c.npz").restore(resumed)
    assert resumed.optimizer.updates == 40 and resumed.optimizer.velocity.any()
    list(resumed.run())
    assert digest(resumed.best, tmp_path / "r.npz") == digest(whole.best, tmp_path / "w.npz")
    with pytest.raises(ModelFileError, match="cannot resume .*optimizer"):
        Checkpoint(tmp_path / "c.npz").restore(Trainer(corpus, sizes, settings, threads=1))


def test_the_old_name_of_a_rollback_warns(text):
    step = next(new_trainer(text, hidden=4, epochs=1, steps=8).run())
    (report,) = reports(iter([replace(step, rolled_back=True)]), every=0.0)
    for of in (step, report):
        with pytest.warns(DeprecationWarning, match="rolled_back"):
            assert of.went_back is of.rolled_back
    record = report.as_dict()
    assert record["rolled_back"] is True and record["went_back"] is True
    assert json.loads(json.dumps(record)) == record


def test_an_unknown_option_is_named(text):
    with pytest.raises(UsageError, match="no option 'hiden'; did you mean 'hidden'"):
        new_trainer(text, hiden=3)
    with pytest.raises(UsageError, match=r"no option 'qqq'; help\(charlm.train\)"):
        charlm.train(text, qqq=3)
    assert set(NAMES) == {field.name for kind in (CorpusOptions, Settings) for field in fields(kind)} | {
        *("task", "cell", "hidden", "layers", "embedding", "tied", "bidirectional", "context", "threads"),
        *("base", "keep_vocabulary", "also_valid"),
    }


def test_time_is_reserved_for_the_first_evaluation(text, monkeypatch):
    reserves = []

    class RecordingClock(Clock):
        def is_over(self, seconds, reserve):
            reserves.append(reserve)
            return super().is_over(seconds, reserve)

    monkeypatch.setattr("charlm.learning.loop.Clock", RecordingClock)
    trainer = new_trainer(text, minutes=0.01, hidden=8)
    list(trainer.run())
    assert min(reserves) > 0


def test_by_the_clock_it_ends_in_time_with_what_it_chose(text):
    trainer = new_trainer(text, minutes=0.03, lr=0.01)
    steps = list(trainer.run())
    assert steps[-1].seconds < 4.5  # without compiling; other programs may take the processor at the end
    assert steps[-1].valid_loss is not None and trainer.finished
    assert trainer.settings.lr == 0.01 and trainer.settings.minutes == 0.03
    assert trainer.best_loss < 1.5


def test_by_the_clock_it_ends_early_when_the_loss_no_longer_falls(text, monkeypatch):
    """A network this large soon memorises 60 lines. It then continues from its best parameters, the first time at a
    lower rate, the second time at a falling one."""
    monkeypatch.setattr("charlm.learning.autotune.speed", lambda *_, **__: 1e9)  # nothing is chosen by it here
    text.write_text("".join(text.read_text().splitlines(keepends=True)[:60]))
    options = {"hidden": 64, "layers": 1, "batch": 8, "steps": 20, "lr": 0.01, "dropout": 0.0}
    trainer = new_trainer(text, minutes=1000, epochs=200, **options)
    steps, rates, turns = [], [], {}
    for step in trainer.run():
        for name in ("returned", "ending"):
            if getattr(trainer.state, name) and name not in turns:
                turns[name] = len(steps)
                assert np.array_equal(trainer.parameters, trainer.best_parameters)
        steps.append(step)
        rates.append(trainer.learning_rate)
    lower, end = turns["returned"], turns["ending"]
    assert lower < end and rates[lower] == pytest.approx(RATE_CUT * rates[lower - 1], rel=0.02)
    assert steps[-1].epoch < 150 and trainer.finished
    assert steps[-1].tokens == pytest.approx((1 + TAIL) * steps[end].tokens, rel=0.02)
    assert rates[lower - 1] > 0.3 * 0.01 and rates[end] > 0.1 * 0.01 * RATE_CUT and rates[-1] < 0.02 * 0.01 * RATE_CUT


def test_near_its_end_a_training_does_not_go_back_but_ends():
    state = TrainingState(tokens=900, total_tokens=1000)
    lower_or_end(state)
    assert state.ending and not state.returned and state.total_tokens == 1000 and state.rate_factor == 1


def test_a_text_shorter_than_a_window_is_an_error(tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("only this")
    with pytest.raises(CorpusError, match="--steps"):
        new_trainer(path)


def test_a_short_text_gets_fewer_rows(tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("abc def ghi\n" * 20)
    trainer = new_trainer(path, hidden=4, epochs=2, batch=50, steps=50)
    assert trainer.rows == 4
    assert all(step.train_loss > 0 for step in trainer.run())


def test_reports_add_up(text):
    trainer = new_trainer(text, hidden=8, epochs=2, batch=8, steps=20)
    steps = list(trainer.run())
    records = list(reports(iter(steps), every=1e9))
    assert records[-1].tokens == sum(step.window_tokens for step in steps) == trainer.total_tokens
    stopped = list(reports(iter(steps[:-1]), every=1e9))  # before its last evaluation
    assert stopped[-1].step == len(steps) - 1 and stopped[-1].valid_loss is None
    measured = [step.step for step in steps if step.valid_loss is not None or step.sampled_loss is not None]
    assert [record.step for record in records] == measured
    total = sum(step.train_loss * step.window_tokens for step in steps[: records[0].step])
    assert records[0].train_loss == pytest.approx(total / records[0].tokens)
    assert (
        {"sampled_loss"} | set(records[-1].as_dict())
        == set(records[0].as_dict())
        == {
            "sampled_loss",
            "step",
            "epoch",
            "seconds",
            "tokens",
            "tokens_per_second",
            "train_loss",
            "valid_loss",
        }
    )


def test_the_curve_has_a_few_hundred_points_however_long_the_training():
    state = TrainingState()
    for step in range(1, 5000):
        state.advance(10, 10.0 * step)
        least = min(step, MOST_LOSSES // 2)
        assert least <= len(state.losses) <= MOST_LOSSES and state.losses[-1][0] == step
    assert sum(tokens for _, tokens, _ in state.losses) == state.tokens
    assert sum(nats for *_, nats in state.losses) == state.nats
    stops = [0, *(stop for stop, *_ in state.losses)]
    assert {stop - start for start, stop in pairwise(stops[:-1])} == {32}
    start, (stop, tokens, nats) = stops[7], state.losses[7]
    assert nats / tokens == (start + 1 + stop) / 2  # the mean loss of its updates


@pytest.mark.parametrize("options", [{}, {"lines": True}, {"epochs": 0.6}, {"epochs": 6, "batch": 8}], ids=str)
def test_the_held_out_loss_is_known_ten_times_whatever_the_length(text, tmp_path, monkeypatch, options):
    """The samples between the evaluations decide nothing: without them the model is the same, to the byte, except for
    the curve that its file keeps."""
    settings = {"hidden": 8, "epochs": 2, "batch": 2, "steps": 12} | options
    trainer = new_trainer(text, **settings)
    steps = list(trainer.run())
    evaluations = [step.step for step in steps if step.valid_loss is not None]
    samples = [step.step for step in steps if step.sampled_loss is not None]
    assert len(evaluations) < 10 <= len(evaluations) + len(samples) <= 20 and not set(evaluations) & set(samples)
    assert [step for step, _ in held_out_losses(trainer.state)] == sorted(evaluations + samples)
    assert not any(step.improved for step in steps if step.sampled_loss is not None)
    monkeypatch.setattr("charlm.learning.loop.SAMPLES", 1)
    plain = new_trainer(text, **settings)
    assert [step.step for step in plain.run() if step.valid_loss is not None or step.sampled_loss] == evaluations
    models = plain.best, trainer.best
    curves = [model.training.pop("curve") for model in models]
    assert curves[0]["training"] == curves[1]["training"] and len(curves[1]["held_out"]) > len(curves[0]["held_out"])
    assert digest(models[0], tmp_path / "p.npz") == digest(models[1], tmp_path / "m.npz")


def test_a_training_with_many_evaluations_takes_no_samples(text):
    trainer = new_trainer(text, hidden=4, epochs=15, batch=16, steps=40)
    steps = list(trainer.run())
    assert sum(step.valid_loss is not None for step in steps) == 15
    assert not trainer.state.sampled and all(step.sampled_loss is None for step in steps)


@pytest.mark.parametrize("stop_at", [5, 33, 70])
def test_a_resumed_training_has_the_same_curve(text, tmp_path, stop_at):
    settings = {"hidden": 4, "epochs": 1, "batch": 2, "steps": 16, "seed": 3}
    whole, stopped, resumed = (new_trainer(text, **settings) for _ in range(3))
    list(whole.run())
    list(stopped.run(stop=lambda: stopped.step == stop_at))
    save_checkpoint(stopped, tmp_path / "c.npz", {})
    Checkpoint(tmp_path / "c.npz").restore(resumed)
    list(resumed.run())
    assert whole.state.sampled and whole.step > 70
    for name in ("losses", "sampled", "history"):
        assert np.array_equal(getattr(resumed.state, name), getattr(whole.state, name)), name


def test_a_sample_is_corrected_by_what_the_evaluations_know():
    """At update 4 the sample was easier by 0.2, at update 8 by 0.4."""
    history = [[4, 9.0, 2.2], [8, 9.0, 1.4]]
    sampled = [(2, 3.0), (4, 2.0), (6, 1.5), (8, 1.0), (9, 0.9)]
    found = held_out_losses(TrainingState(history=history, sampled=sampled))
    assert [step for step, _ in found] == [2, 4, 6, 8, 9]
    assert [loss for _, loss in found] == pytest.approx([3.2, 2.2, 1.8, 1.4, 1.3])
    assert held_out_losses(TrainingState(history=[[4, 9.0, None]], sampled=[(2, 3.0)])) == [(2, 3.0)]


@pytest.mark.filterwarnings("ignore:<UNK> is")
@pytest.mark.parametrize("options", [{}, {"lines": True}, {"level": "word", "min_count": 2}], ids=str)
def test_a_sample_stands_for_the_whole_held_out_part(tmp_path, options):
    letters = np.random.default_rng(1).choice(list("abcdefgh \n"), 40_000)
    path = tmp_path / "noise.txt"
    path.write_text("".join(letters) + "\n")
    trainer = new_trainer(path, hidden=8, epochs=1, holdout=0.5, ngrams=0, **options)
    evaluation = trainer.evaluation
    assert evaluation.sample_loss(evaluation.size) == evaluation.loss()
    for number in (1, evaluation.size // 4):
        assert evaluation.sample_loss(number) != evaluation.loss()
    assert evaluation.sample_loss(evaluation.size // 4) == pytest.approx(evaluation.loss(), abs=0.1)


def test_part_of_an_epoch(text):
    trainer = new_trainer(text, hidden=4, epochs=0.5, batch=8, steps=10)
    last = list(trainer.run())[-1]
    assert last.epoch == pytest.approx(0.5, abs=0.05) and last.valid_loss is not None


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_rise_and_end(name):
    assert rate_at(name, 0.0) < 0.1 and rate_at(name, WARM_UP) == pytest.approx(1.0)
    assert rate_at(name, 1.0) == pytest.approx(1.0 if name == "constant" else 0.0, abs=1e-9)
    rates = [rate_at(name, progress) for progress in np.linspace(WARM_UP, 1, 50)]
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize(
    "setting",
    [
        {"epochs": 0},
        {"batch": 0},
        {"steps": 0},
        {"lr": -1},
        {"clip": -1},
        {"dropout": 1.0},
        {"schedule": "up"},
        {"precision": "bf8"},
        {"epochs": math.nan},
        {"minutes": 0.0},
        {"minutes": math.inf},
    ],
)
def test_impossible_settings(setting):
    with pytest.raises(UsageError, match=next(iter(setting))):
        Settings(**setting)


@pytest.mark.parametrize(
    "setting",
    [
        {"cell": "cnn"},
        {"hidden": 0},
        {"layers": 5},
        {"tied": True, "embedding": 3},
        {"embedding": -1},
        {"hidden": 10**6},
    ],
)
def test_impossible_architectures(setting):
    with pytest.raises(UsageError):
        Architecture(**{"vocabulary_size": 5} | setting)


def test_a_trainer_without_files(text):
    """The parts fit together without files: corpus, architecture, settings."""
    corpus = load_corpus(text, CorpusOptions(lines=True, holdout=0.2))
    trainer = Trainer(corpus, Architecture(len(corpus.vocabulary), "gru", 10, 1), Settings(epochs=1, batch=16))
    assert sum(step.window_tokens for step in trainer.run()) == len(corpus.train)
