"""The rows of a batch in shards, and gradients that are the same however processes share the shards."""

import hashlib
from itertools import islice

import numpy as np
import pytest

import charlm
from charlm.errors import UsageError
from charlm.kernels.compiling import HAS_BFLOAT16
from charlm.learning.autotune import new_trainer
from charlm.learning.checkpoint import Checkpoint, save_checkpoint
from charlm.network.cells import CELLS
from charlm.network.dropout import Dropout
from charlm.network.sharding import Shards, tree_sum
from charlm.network.threads import ThreadPool
from charlm.text.batches import Batch, PairBatch, WordBatch

PRECISIONS = ["float32", "bf16"] if HAS_BFLOAT16 else ["float32"]
SIZES = {"hidden": 11, "layers": 2, "batch": 10, "steps": 6, "epochs": 1, "holdout": 0.2, "threads": 1}
TEXT = "\n".join(f"{'the cat' if i % 3 else 'a dog'} sees {'nobody' if i % 5 else 'us'} {i % 7}." for i in range(90))
LABELLED = "\n".join(f"{'cat' if i % 2 else 'dog'}\t{'meow' if i % 2 else 'woof'} number {i}" for i in range(60))
LABELS = "\n".join(f"{('cat', 'dog', 'cat,dog', '')[i % 4]}\tmeow and woof {i}" for i in range(60))
TAGGED = "\n\n".join(f"the\tD\n{'cat' if i % 2 else 'dog'}\tN\nruns{i}\tV" for i in range(60))
PAIRS = "\n".join(f"{'ab' * (i % 3)}c{i}\t{i}cb{'a' * (i % 4)}" for i in range(60))
KINDS = {  # a text, and how it is learnt
    **{cell: (TEXT, {"cell": cell, "lines": False}) for cell in CELLS},
    "lines, embedding": (TEXT, {"lines": True, "embedding": 5}),
    "subwords": (TEXT, {"level": "subword", "max_vocabulary": 60, "lines": False, "cell": "gru"}),
    "words, tied": (TEXT, {"level": "word", "tied": True, "lines": False}),
    "words, tied, sampled": (TEXT, {"level": "word", "tied": True, "lines": False, "softmax_samples": 5}),
    "words, sampled": (TEXT, {"level": "word", "embedding": 5, "lines": True, "softmax_samples": 5}),
    "feedforward, sampled": (
        TEXT,
        {"level": "word", "cell": "feedforward", "tied": True, "lines": False, "softmax_samples": 5},
    ),
    "feedforward, tied": (TEXT, {"level": "word", "cell": "feedforward", "context": 3, "tied": True, "lines": True}),
    "feedforward, embedding": (TEXT, {"cell": "feedforward", "context": 3, "embedding": 4, "lines": False}),
    "classify": (LABELLED, {"task": "classify"}),
    "classify, bidirectional": (LABELLED, {"task": "classify", "bidirectional": True, "cell": "lstm"}),
    "several labels": (LABELS, {"task": "classify", "multi_label": True}),
    "generate": (LABELLED, {"task": "generate"}),
    "tag": (TAGGED, {"task": "tag", "bidirectional": True}),
    "translate": (PAIRS, {"task": "translate", "bidirectional": True, "embedding": 3}),
}


def split(number, processes):
    count = number // processes
    return [Shards(number, process * count, count) for process in range(processes)]


@pytest.mark.parametrize("rows", [8, 9, 16, 3])
@pytest.mark.parametrize("processes", [1, 2, 4, 8])
def test_processes_share_the_rows_and_every_kth_row_is_a_shard(rows, processes):
    parts = split(8, processes)
    found = [shards.rows(rows) for shards in parts]
    assert sorted(np.concatenate(found).tolist()) == list(range(parts[0].padded(rows)))
    for shards, chosen in zip(parts, found, strict=True):
        assert len(chosen) == shards.local(rows)
        for j in range(shards.count):
            assert chosen[j :: shards.count].tolist() == list(range(shards.first + j, shards.padded(rows), 8))


def test_a_part_of_a_batch_has_its_rows_and_rows_without_targets():
    numbers = np.arange(2 * 5, dtype=np.int32).reshape(2, 5)
    part = Shards(4, 2, 2).of(Batch(numbers, numbers + 10, True, np.array([1, 2, 1, 2, 1])))
    assert part.inputs.tolist() == [[2, 3, 0, 0], [7, 8, 0, 0]]
    assert part.targets.tolist() == [[12, 13, -1, -1], [17, 18, -1, -1]] and part.lengths.tolist() == [1, 2, 0, 0]
    pairs = PairBatch(numbers, numbers, True, sources=numbers[:1], source_lengths=np.ones(5, int))
    part = Shards(4, 0, 1).of(pairs)
    assert part.sources.tolist() == [[0, 4]] and part.source_lengths.tolist() == [1, 1] and part.lengths is None
    assert Shards().of(pairs) is pairs


def test_each_shard_of_a_batch_of_sentences_has_its_own_words():
    """Row by row, the words are those of the whole batch; a word of two shards is there twice."""
    inputs = np.array([[0, 1, 2, 0], [2, 0, 1, 1], [0, 0, 3, 1]], np.int32)
    lengths = np.array([2, 1, 3, 3])
    words = np.array([[10, 11, 12, 13], [20, 21, 22, 0]], np.int32)
    batch = WordBatch(
        inputs, inputs, True, lengths, words=words, word_lengths=np.array([2, 2, 2, 1]), known=np.arange(4)
    )
    for shards in (Shards(2), Shards(2, 0, 1), Shards(2, 1, 1), Shards(4, 2, 2)):
        part = shards.of(batch)
        assert len(part.known) % shards.count == 0
        for row, number in enumerate(shards.rows(4)):
            for step in range(lengths[number]):
                word, wanted = part.inputs[step, row], inputs[step, number]
                assert word % shards.count == row % shards.count
                assert part.words[:, word].tolist() == words[:, wanted].tolist()
                assert part.word_lengths[word] == batch.word_lengths[wanted] and part.known[word] == wanted
    assert len({len(shards.of(batch).known) for shards in split(4, 4)}) == 1


@pytest.mark.parametrize("processes", [1, 2, 4, 8])
def test_the_summed_loss_is_the_same_for_any_number_of_processes(processes):
    nats = np.random.default_rng(1).exponential(size=(5, 24)).astype(np.float32)
    parts = [shards.sum(nats[:, shards.rows(24)]) for shards in split(8, processes)]
    assert tree_sum(parts) == Shards(8).sum(nats) != 0
    assert Shards().sum(nats) == float(nats.sum(dtype=np.float64))


@pytest.mark.parametrize("shards", [(0,), (3,), (12,), (-1,), (8, 1, 2), (8, 8, 1), (8, 0, 3), (8, -2, 2)])
def test_shards_are_a_part_of_the_tree(shards):
    with pytest.raises(ValueError, match="are no part of the tree"):
        Shards(*shards)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A function: the trainer and two batches of a kind of training, made once."""
    folder, made = tmp_path_factory.mktemp("kinds"), {}

    def of(kind):
        if kind not in made:
            text, options = KINDS[kind]
            (folder / "text.txt").write_text(text)
            trainer = new_trainer(folder / "text.txt", **SIZES | options)
            made[kind] = trainer, list(islice(trainer._batches(0), 2))
        return made[kind]

    return of


def sums_of(trainer, batches, shards, precision="float32", dtype=np.float32):
    """The summed loss and the gradient of each batch, one after the other, of a process that has these shards."""
    size = trainer.architecture.number_of_parameters
    parameters = np.random.default_rng(2).normal(0, 0.3, size).astype(dtype)
    network = trainer.task.network(trainer.architecture, parameters, ThreadPool(1), 0.01)
    network.shard(shards.count)
    window = trainer.task.window(network, trainer.settings.steps, shards.local(trainer.rows), training=True)
    found = []
    for number, batch in enumerate(batches):
        if trainer.sampling:
            network.sample(trainer.sampling.sample(number, batch.targets))
        network.pack(for_training=True, precision=precision)
        nats = window.train(shards.of(batch), 0.1, Dropout(0.3, number, shards))
        found.append((shards.sum(nats), network.gradient.copy()))
    return found


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_losses_and_gradients_are_the_same_however_processes_share_the_shards(prepared, kind, precision):
    trainer, batches = prepared(kind)
    wanted = sums_of(trainer, batches, Shards(8), precision)
    for processes in (2, 4, 8):
        parts = [sums_of(trainer, batches, shards, precision) for shards in split(8, processes)]
        for (loss, gradient), found in zip(wanted, zip(*parts, strict=True), strict=True):
            assert tree_sum([one for one, _ in found]) == loss != 0
            assert np.array_equal(tree_sum([one for _, one in found]).view(np.int32), gradient.view(np.int32))
    assert all(gradient.any() for _, gradient in wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_of_shards_is_that_of_the_whole_batch(prepared, kind):
    """In float64, dropout included: what a row drops depends on its number in the batch. A tagger drops units of the
    words that it reads, of which each shard has its own."""
    trainer, batches = prepared(kind)
    if kind == "tag":
        batches = [Shards(4).of(batch) for batch in batches]  # the words that four shards have
    one, four = (sums_of(trainer, batches, shards, dtype=np.float64) for shards in (Shards(), Shards(4)))
    for (loss, gradient), (loss_of_shards, of_shards) in zip(one, four, strict=True):
        assert loss_of_shards == pytest.approx(loss, rel=1e-12)
        assert np.abs(of_shards - gradient).max() < 1e-12 * np.abs(gradient).max()


@pytest.mark.parametrize("kind", ["lstm", "words, tied", "words, tied, sampled", "tag"])
def test_a_training_with_shards_ends_with_the_same_bytes_for_any_threads_and_after_a_stop(tmp_path, kind):
    text, options = KINDS[kind]
    (tmp_path / "text.txt").write_text(text)
    options = SIZES | {"dropout": 0.2, "shards": 4, "epochs": 2} | options
    stopped, resumed, threads = (new_trainer(tmp_path / "text.txt", **options | {"threads": n}) for n in (1, 2, 3))
    list(stopped.run(stop=lambda: stopped.step == 3))
    save_checkpoint(stopped, tmp_path / "c.npz", {})
    Checkpoint(tmp_path / "c.npz").restore(resumed)
    for trainer in (stopped, resumed, threads):
        list(trainer.run())
    wanted = hashlib.sha256(stopped.best.parameters.tobytes()).hexdigest()
    assert {hashlib.sha256(one.best.parameters.tobytes()).hexdigest() for one in (resumed, threads)} == {wanted}
    other = new_trainer(tmp_path / "text.txt", **options | {"shards": 2})
    with pytest.raises(charlm.ModelFileError, match=r"--shards \(2 now, 4 then\)"):
        Checkpoint(tmp_path / "c.npz").restore(other)


def test_a_number_of_shards_that_cannot_be(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT)
    with pytest.raises(UsageError, match="shards must be a power of two from 1 to 1,024, not 12"):
        new_trainer(tmp_path / "text.txt", shards=12)
    with pytest.raises(UsageError, match=r"which has 10 rows here: give --shards 8 at most, or a larger --batch"):
        new_trainer(tmp_path / "text.txt", **SIZES, shards=16)
