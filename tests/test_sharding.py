"""The rows of a batch in shards, and gradients that are the same however processes share the shards."""

import numpy as np
import pytest

from charlm.network.sharding import Shards, tree_sum
from charlm.text.batches import Batch, PairBatch, WordBatch


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
