"""Networks whose input is vectors: the sums of kernels against central differences and against one-hot input, for whole
sequences of different lengths; threads, shards and bfloat16."""

import itertools

import numpy as np
import pytest

from charlm.errors import UsageError
from charlm.kernels.compiling import HAS_BFLOAT16
from charlm.network.architecture import Architecture, Translation, views
from charlm.network.cells import CELLS
from charlm.network.dropout import Dropout
from charlm.network.sequences import Windows
from charlm.network.sharding import Shards
from charlm.network.stack import Stack
from charlm.network.threads import ThreadPool
from charlm.network.translator import Translator, TranslatorWindows
from charlm.text.batches import Batch, PairBatch

RECURRENT = [name for name, cell in CELLS.items() if cell.recurrent_columns]
V, H, OUTPUTS, CHANNELS, SCALE = 6, 4, 5, 3, 0.3
LENGTHS = np.array([5, 2, 1, 4])
INSIDE = np.arange(5)[:, None] < LENGTHS
AT_END = np.where(np.arange(5)[:, None] == LENGTHS - 1, [0, 2, 1, 2], -1).astype(np.int32)
AT_EACH = np.where(INSIDE, np.arange(20).reshape(5, 4) % OUTPUTS, -1).astype(np.int32)
DIRECTIONS = 12
everything = pytest.mark.parametrize(
    ("cell", "layers", "bidirectional"), list(itertools.product(RECURRENT, (1, 2, 3), (True, False)))
)


def vectors(random, dtype=np.float64, channels=CHANNELS):
    """A batch of sequences of LENGTHS; whatever stands after their ends must not matter."""
    return random.normal(0, 1, (5, 4, channels)).astype(dtype)


class Answers:
    """A network with random parameters that answers at the end of each sequence (classify) or at each step (tag)."""

    def __init__(self, cell, layers, bidirectional, at_end, drop=None):
        self.architecture = Architecture(
            2, cell, H, layers, outputs=OUTPUTS, bidirectional=bidirectional, channels=CHANNELS
        )
        random = np.random.default_rng([layers, len(cell)])
        self.parameters = random.normal(0, 0.5, self.architecture.number_of_parameters)
        self.network = Stack(self.architecture, self.parameters, ThreadPool(1), at_end=at_end)
        self.windows = Windows(self.network, 6, training=True)
        self.batch, self.drop = Batch(vectors(random), AT_END if at_end else AT_EACH, True, LENGTHS), drop

    def loss(self):
        self.network.pack(for_training=True)
        return SCALE * self.windows.train(self.batch, SCALE, self.drop).sum()


class Targets:
    """A translator with random parameters, whose source is vectors."""

    def __init__(self, cell, layers, bidirectional, drop=None, embedding=0):
        self.architecture = Translation(
            V, cell, H, layers, embedding=embedding, bidirectional=bidirectional, channels=CHANNELS
        )
        random = np.random.default_rng([layers, len(cell)])
        self.parameters = random.normal(0, 0.5, self.architecture.number_of_parameters)
        self.network = Translator(self.architecture, self.parameters, ThreadPool(1))
        self.windows, self.drop = TranslatorWindows(self.network, 6, training=True), drop
        targets = np.where(np.arange(3)[:, None] < [3, 1, 2, 2], random.integers(0, V, (3, 4)), -1).astype(np.int32)
        inputs, lengths = random.integers(0, V, (3, 4)).astype(np.int32), np.array([3, 1, 2, 2])
        self.batch = PairBatch(inputs, targets, True, lengths, sources=vectors(random), source_lengths=LENGTHS)

    loss = Answers.loss


def error(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


def slope_error(case, gradient=None):
    """How far a gradient is from central differences along random directions, whose slopes any wrong number changes.
    gradient: that of the case if it is not given."""
    case.loss()
    gradient = case.network.gradient.copy() if gradient is None else gradient
    parameters = case.parameters.copy()
    lines, slopes = np.random.default_rng(9).normal(size=(DIRECTIONS, parameters.size)), []
    for line in lines:
        case.parameters[:] = parameters + 1e-5 * line
        above = case.loss()
        case.parameters[:] = parameters - 1e-5 * line
        slopes.append((above - case.loss()) / 2e-5)
    case.parameters[:] = parameters
    return error(lines @ gradient, np.array(slopes))


@everything
@pytest.mark.parametrize("at_end", [True, False], ids=["classify", "tag"])
def test_gradient_of_answers(cell, layers, bidirectional, at_end):
    assert slope_error(Answers(cell, layers, bidirectional, at_end)) < 1e-6


@everything
def test_gradient_of_a_translator(cell, layers, bidirectional):
    assert slope_error(Targets(cell, layers, bidirectional)) < 1e-6


def test_gradient_with_dropout_and_with_an_embedding_of_the_target():
    assert slope_error(Answers("gru", 2, True, True, Dropout(0.3, 3))) < 1e-6
    assert slope_error(Targets("lstm", 2, True, Dropout(0.3, 3), embedding=3)) < 1e-6


@pytest.mark.parametrize("make", [lambda: Answers("lstm", 2, True, True), lambda: Targets("gru", 1, True)])
def test_a_planted_error_is_caught(make):
    case = make()
    case.loss()
    wrong = case.network.gradient.copy()
    number = np.abs(wrong[: CHANNELS * H]).argmax()  # in W_x of the first layer, which reads the vectors
    wrong[number] *= -1
    assert slope_error(case, wrong) > 1e-4


@pytest.mark.parametrize(("cell", "bidirectional"), list(itertools.product(RECURRENT, (True, False))))
def test_vectors_with_a_single_one_are_one_hot_tokens(cell, bidirectional):
    """Nats and gradient are those of the network that reads the tokens."""
    random = np.random.default_rng(5)
    sizes = {"outputs": OUTPUTS, "bidirectional": bidirectional}
    tokens = random.integers(0, V, (5, 4)).astype(np.int32)
    of_tokens, of_vectors = Architecture(V, cell, H, 2, **sizes), Architecture(2, cell, H, 2, channels=V, **sizes)
    parameters = random.normal(0, 0.5, of_tokens.number_of_parameters)
    results = []
    for architecture, inputs in ((of_tokens, tokens), (of_vectors, np.eye(V)[tokens])):
        stack = Stack(architecture, parameters, ThreadPool(2), at_end=True)
        stack.pack(for_training=True)
        nats = Windows(stack, 4, training=True).train(Batch(inputs, AT_END, True, LENGTHS), SCALE, None)
        results.append((nats, stack.gradient))
    for found, expected in zip(*results, strict=True):
        assert np.allclose(found, expected, rtol=1e-12, atol=1e-14)


precisions = pytest.mark.parametrize(
    "precision",
    [
        "float32",
        pytest.param("bf16", marks=pytest.mark.skipif(not HAS_BFLOAT16, reason="this processor has no bfloat16")),
    ],
)


def float32_results(threads, shards, precision):
    """Nats and gradient of a batch in float32, with sizes that no panel, vector or thread divides."""
    architecture = Architecture(2, "lstm", 37, 2, outputs=OUTPUTS, bidirectional=True, channels=19)
    random = np.random.default_rng(2)
    parameters = random.normal(0, 0.3, architecture.number_of_parameters).astype(np.float32)
    stack = Stack(architecture, parameters, ThreadPool(threads), at_end=True)
    stack.shard(shards)
    batch = Batch(vectors(random, np.float32, 19), AT_END, True, LENGTHS)
    stack.pack(for_training=True, precision=precision)
    batch = Shards(shards).of(batch)
    nats = Windows(stack, batch.targets.shape[1], training=True).train(batch, SCALE, Dropout(0.2, 5))
    return nats, stack.gradient


@precisions
@pytest.mark.parametrize("shards", [1, 8])
def test_any_number_of_threads_gives_the_same_bits(precision, shards):
    found = [float32_results(threads, shards, precision) for threads in (1, 2, 3)]
    assert len({nats.tobytes() + gradient.tobytes() for nats, gradient in found}) == 1


@precisions
def test_shards_differ_by_rounding_only(precision):
    """Eight shards of four rows: rows without targets fill them up."""
    (nats, gradient), (of_shards, theirs) = (float32_results(2, shards, precision) for shards in (1, 8))
    assert np.array_equal(nats, of_shards[:, : len(LENGTHS)]) and not of_shards[:, len(LENGTHS) :].any()
    assert 0 < error(theirs, gradient) < (1e-5 if precision == "float32" else 0.02)


def test_padding_is_never_seen():
    random = np.random.default_rng(3)
    architecture = Architecture(2, "gru", 21, 2, outputs=OUTPUTS, bidirectional=True, channels=CHANNELS)
    parameters = random.normal(0, 0.4, architecture.number_of_parameters).astype(np.float32)
    stack = Stack(architecture, parameters, ThreadPool(2), at_end=True)
    stack.pack(for_training=False)
    inputs = vectors(random, np.float32)
    otherwise = np.where(INSIDE[:, :, None], inputs, np.float32(1e4))
    results = []
    for these in (inputs, otherwise):
        found = Windows(stack, 8).forward(Batch(these, AT_END, True, LENGTHS))[1]
        results.append(found[LENGTHS - 1, np.arange(4)].copy())
    assert np.array_equal(*results)


def test_sizes_that_cannot_be():
    for sizes, words in (
        ({"cell": "feedforward"}, "--cell feedforward reads tokens"),
        ({"embedding": 3}, "leave --embedding out"),
        ({"channels": -1}, "channels"),
        ({"channels": 1 << 20}, "channels"),
    ):
        with pytest.raises(UsageError, match=words):
            Architecture(2, **{"channels": CHANNELS} | sizes)
    named = views(
        a := Translation(V, hidden=H, layers=1, embedding=3, channels=CHANNELS), np.zeros(a.number_of_parameters)
    )
    assert named["encoder.layer1.W_x"].shape[0] == CHANNELS and named["decoder.layer1.W_x"].shape[0] == 3
    assert "encoder.E" not in named and "decoder.E" in named
