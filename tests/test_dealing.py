"""Ranks that share the work of a command give what one process gives, in its order and to the bit. The ranks here are
threads (``fake_mpi``); tests/mpi has the same with real processes."""

import random
import threading
import time
import warnings

import fake_mpi
import numpy as np
import pytest

from charlm.errors import CharlmError, CorpusError, Note, RankError, SamplingError, UsageError
from charlm.model import Model, load_model
from charlm.network import dealing
from charlm.network.architecture import Architecture
from charlm.network.dealing import dealt, dealt_groups, dismiss, help_first
from charlm.predicting import Predictor
from charlm.ranks import ALONE
from charlm.sampling import sharing
from charlm.sampling.settings import SamplingOptions
from charlm.sampling.sharing import SharedSampler, shared_sampler
from charlm.scoring import scorer
from charlm.scoring.pipeline import ScoringOptions, scored_blocks
from charlm.text.vocabulary import UNKNOWN, Vocabulary

GOLDEN = "tests/golden/"


def on_rank_0(number, command, patience=300.0):
    """What a command gives that rank 0 runs with the help of others."""

    def work(ranks):
        if not ranks.is_first:
            return help_first(ranks)
        try:
            return command(ranks)
        finally:
            dismiss(ranks)

    found, _ = fake_mpi.run(number, work, patience=patience)
    if isinstance(found[0], BaseException):
        raise found[0]
    assert found[1:] == [None] * (number - 1)
    return found[0]


class Slow:
    """Squares a job, the even ones slowly, and notes who does it. Of "wrong" it makes an error."""

    def __init__(self, seconds=0.01):
        self.seconds, self.threads = seconds, {}

    def __getstate__(self):
        return {"seconds": self.seconds, "threads": {}}

    def __call__(self, job):
        if isinstance(job, Exception):
            raise job
        time.sleep(self.seconds * (job % 2))
        return job**2, threading.get_ident()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_results_come_in_the_order_of_the_jobs_and_all_ranks_work(number):
    def command(ranks):
        return list(dealt(ALONE if number == 1 else ranks, Slow(), iter(range(40))))

    found = on_rank_0(number, command)
    assert [square for square, _ in found] == [job**2 for job in range(40)]
    assert len({worker for _, worker in found}) == number


def test_an_error_comes_after_the_results_before_it():
    shown = []

    def command(ranks, jobs):
        for square, _ in dealt(ranks, Slow(), jobs):
            shown.append(square)

    def broken():
        yield from range(5)
        raise CorpusError("the text ends")

    with pytest.raises(CharlmError, match="no such job"):
        on_rank_0(2, lambda ranks: command(ranks, iter([0, 1, 2, CharlmError("no such job"), 4])))
    assert shown == [0, 1, 4]
    with pytest.raises(CorpusError, match="the text ends"):
        on_rank_0(2, lambda ranks: command(ranks, broken()))
    assert shown[3:] == [0, 1, 4, 9, 16]
    with pytest.raises(CharlmError, match="rank 1 of 2: there is not enough memory|rank 0 of 2: there is"):
        on_rank_0(2, lambda ranks: command(ranks, iter([MemoryError()])))


def test_work_that_nobody_wants_any_more_does_not_disturb_what_comes_later():
    def command(ranks):
        for square, _ in dealt(ranks, Slow(0.05), iter(range(1, 100, 2))):
            if square == 9:
                break
        return [square for square, _ in dealt(ranks, Slow(), iter(range(7)))]

    assert on_rank_0(3, command) == [job**2 for job in range(7)]


def test_a_result_does_not_wait_for_jobs_that_come_later():
    """As with text from a pipe, whose end is written when its beginning was answered."""

    def command(ranks):
        answered = threading.Event()

        def groups():
            yield "first", [3, 4]
            assert answered.wait(10)
            yield "second", [5]

        found = []
        for what, results in dealt_groups(ranks, Slow(), groups()):
            found.append((what, [square for square, _ in results]))
            answered.set()
        return found

    assert on_rank_0(2, command) == [("first", [9, 16]), ("second", [25])]


def test_a_rank_that_does_not_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(dealing, "_done", lambda work, job, ranks: time.sleep(1.5 * ranks.rank) or (job, 0))
    with pytest.raises(CharlmError, match="rank 1 of 2 has not answered for"):
        on_rank_0(2, lambda ranks: list(dealt(ranks, Slow(), iter(range(9)))), patience=0.3)


def test_the_others_end_with_an_error_of_rank_0():
    said = []

    def work(ranks):
        try:
            if ranks.is_first:
                raise CharlmError("the disk is full")
            help_first(ranks)
        except CharlmError as error:
            ranks.tell(error)
            return error, ranks.leave(said.append)

    ((_, code), (error, _)), _ = fake_mpi.run(2, work)
    assert isinstance(error, RankError) and said == ["the disk is full"] and code == 1


def model_of(lines, symbols="abc ", level="char"):
    vocabulary = Vocabulary(level, symbols)
    architecture = Architecture(len(vocabulary), "lstm", 4, 1)
    parameters = np.random.default_rng(1).normal(0, 1, architecture.number_of_parameters).astype(np.float32)
    model = Model(architecture=architecture, vocabulary=vocabulary, parameters=parameters, lines=lines)
    model.named_parameters["b_y"][UNKNOWN] -= 4
    return model


def text_of(size, seed=1):
    choice = random.Random(seed)
    return "".join(choice.choice("abcd \n") for _ in range(size)) + "\n"


@pytest.mark.parametrize("kinds", [(True,), (True, False)])
def test_scores_are_those_of_one_process(kinds, monkeypatch):
    monkeypatch.setattr(scorer, "PART", 3000)
    monkeypatch.setattr(scorer, "WITHOUT_COMPILER", scorer.CHUNK)  # so that both engines have something to read
    models, text = [model_of(lines) for lines in kinds], text_of(9000)
    lines = text.splitlines(keepends=True)
    size = len(lines) // 2
    blocks = ["".join(lines[start : start + size]) for start in range(0, len(lines), size)]
    options, columns = ScoringOptions(threads=1), ("ranks", "entropies", "most_likely")

    def scores(ranks):
        found = scored_blocks(models, blocks, columns=columns, options=options, ranks=ranks)
        return [
            (block.text, *(array.tobytes() for array in (block.tokens, block.lengths, *vars(block.scores).values())))
            for blocks in found
            for block in blocks
        ]

    assert on_rank_0(3, scores) == scores(ALONE)


def test_a_model_that_learns_from_the_text_reads_it_alone_and_says_so():
    text, options = [text_of(300)], ScoringOptions(threads=1, adapt=True)

    def nats(ranks):
        return [block.scores.nats.tolist() for (block,) in scored_blocks([model], text, options=options, ranks=ranks)]

    model = model_of(True)
    with pytest.warns(UserWarning, match="--adapt.* reads it in its order: one of the 2 processes does the work"):
        found = on_rank_0(2, nats)
    assert found == nats(ALONE)


@pytest.mark.parametrize("name", ["format-3-classify", "format-3-tag", "format-3-translate", "format-3-generate"])
def test_predictions_are_those_of_one_process(name, file, monkeypatch):
    monkeypatch.setattr("charlm.predicting.TOGETHER", 3)
    path = file(b"ab c\nabba\n\nbb\nbb \xff a\ncc a\n" * 4)
    predictor = Predictor(load_model(f"{GOLDEN}{name}.npz"), 1)

    def rows(ranks):
        return [(item, str(found)) for part in predictor.rows([path], ranks=ranks) for item, found in part]

    found = rows(ALONE)
    assert on_rank_0(3, rows) == found and len(found) > 3


def sampled(model, count, ranks=ALONE, length=None, **options):
    """The samples, their text as pieces, how many tries there were, and why sampling gave up."""
    options = SamplingOptions(**options)
    sampler = shared_sampler(ranks, model, count, length, options)
    pieces, error = [], None
    try:
        pieces += sampler.pieces()
    except SamplingError as why:
        error = str(why)
    counts, shared = sampler.counts, isinstance(sampler, SharedSampler)
    texts = "".join(piece.text for piece in pieces)
    samples = [(piece.number, piece.sample) for piece in pieces if piece.sample]
    figures = counts.asked, counts.found, counts.sampled, counts.rejections, counts.longest_copied_run
    return (samples, texts, figures, error), shared and sampler.counts is not sampler._alone.counts


@pytest.mark.parametrize(
    "lines, count, options, is_shared",
    [
        (True, 60, {}, True),
        (True, 30, {"unique": True}, True),
        (True, 30, {"best_of": 3, "temperature": 0.8}, True),
        (True, 20, {"min_length": 3, "start_with": "a", "unique": True}, True),
        (True, 60, {"max_tries": 20}, False),  # rejections come too near to this number
        (True, 60, {"max_length": 1, "unique": True, "max_tries": 100}, False),  # there are not so many
        (True, 20, {"best_of": 3, "unique": True}, False),
        (True, 5, {"temperature": 0}, False),
        (True, 3, {}, False),
        (False, 12, {"length": 30}, True),
        (False, 12, {"length": 30, "stop": "b", "unique": True}, True),
    ],
)
def test_samples_are_those_of_one_process(lines, count, options, is_shared, monkeypatch):
    monkeypatch.setattr(sharing, "LINES", 4)
    model, length = model_of(lines), options.get("length")
    options = {"seed": 5} | {name: value for name, value in options.items() if name != "length"}
    alone, _ = sampled(model, count, length=length, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Note)
        found, shared = on_rank_0(3, lambda ranks: sampled(model, count, ranks, length, **options))
    assert found == alone and shared == is_shared


def test_what_has_to_be_done_at_one_place_is():
    model = model_of(True)
    for options in ({"fill": "a_", "seed": 1}, {"most_likely": 2}):
        with pytest.warns(UserWarning, match="one of the 2 processes does the work"):
            found, shared = on_rank_0(2, lambda ranks, options=options: sampled(model, 1, ranks, **options))
        assert not shared and found == sampled(model, 1, **options)[0]


def test_standard_input_is_refused(monkeypatch):
    from charlm.text.reading import read_text

    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "0")
    with pytest.raises(UsageError, match="standard input does not reach .* completely: name a file"):
        list(read_text(["-"], "char", "utf-8"))
