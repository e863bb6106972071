"""Whole sequences of different lengths: gradients of bidirectional networks; padding is never seen."""

import itertools

import numpy as np
import pytest

from charlm.network.architecture import Architecture, Tagging, Translation, views
from charlm.network.cells import CELLS
from charlm.network.dropout import Dropout
from charlm.network.reference import STEPS, softmax
from charlm.network.sequences import Windows
from charlm.network.stack import Stack
from charlm.network.tagger import Tagger, TaggerWindows
from charlm.network.threads import ThreadPool
from charlm.network.translator import Translator, TranslatorWindows
from charlm.text.batches import Batch, PairBatch, Sequences, WordBatch, fitting, groups

RECURRENT = [name for name, cell in CELLS.items() if cell.recurrent_columns]
V, H, OUTPUTS, SCALE = 6, 4, 3, 0.3
DIRECTIONS = 12
LENGTHS = np.array([5, 2, 1, 4])
AT_END = np.where(np.arange(5)[:, None] == LENGTHS - 1, [0, 2, 1, 2], -1).astype(np.int32)
AT_EACH = np.where(np.arange(5)[:, None] < LENGTHS, np.arange(20).reshape(5, 4) % OUTPUTS, -1).astype(np.int32)


def central_differences(parameters, loss, step=1e-5):
    differences = np.zeros_like(parameters)
    for i, value in enumerate(parameters.tolist()):
        parameters[i] = value + step
        above = loss()
        parameters[i] = value - step
        differences[i] = (above - loss()) / (2 * step)
        parameters[i] = value
    return differences


def check_gradient(case, directions=0):
    """Check that a gradient equals central differences: for each parameter, or along random directions, whose slopes
    any wrong number changes."""
    case.loss()
    gradient, parameters = case.stack.gradient.copy(), case.parameters.copy()
    if not directions:
        assert error(gradient, central_differences(case.parameters, case.loss)) < 1e-6
        return
    lines = np.random.default_rng(9).normal(size=(directions, parameters.size))
    slopes = []
    for line in lines:
        case.parameters[:] = parameters + 1e-5 * line
        above = case.loss()
        case.parameters[:] = parameters - 1e-5 * line
        slopes.append((above - case.loss()) / 2e-5)
    assert error(lines @ gradient, np.array(slopes)) < 1e-6


def error(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


class Case:
    def __init__(self, cell, layers, at_end, bidirectional=True, embedding=0, drop=None):
        self.architecture = Architecture(
            V, cell, H, layers, embedding=embedding, outputs=OUTPUTS, bidirectional=bidirectional
        )
        random = np.random.default_rng([layers, len(cell)])
        self.parameters = random.normal(0, 0.5, self.architecture.number_of_parameters)
        self.stack = Stack(self.architecture, self.parameters, ThreadPool(1), at_end=at_end)
        self.windows = Windows(self.stack, 6, training=True)
        tokens = random.integers(0, V, (5, 4)).astype(np.int32)
        self.batch = Batch(tokens, AT_END if at_end else AT_EACH, True, LENGTHS)
        self.drop = drop

    def loss(self):
        self.stack.pack(for_training=True)
        return SCALE * self.windows.train(self.batch, SCALE, self.drop).sum()


@pytest.mark.parametrize(
    ("cell", "layers", "bidirectional"), list(itertools.product(RECURRENT, (1, 2, 3), (True, False)))
)
@pytest.mark.parametrize("at_end", [True, False], ids=["at the end", "at each position"])
def test_gradient_equals_central_differences(cell, layers, bidirectional, at_end):
    check_gradient(Case(cell, layers, at_end, bidirectional), DIRECTIONS if layers > 1 else 0)


@pytest.mark.parametrize(
    "settings",
    [{"embedding": 3}, {"drop": Dropout(0.3, 3)}, {"embedding": 3, "drop": Dropout(0.4, 3)}],
    ids=["embedding", "dropout", "both"],
)
def test_gradient_of_a_bidirectional_network_with_embedding_and_dropout(settings):
    case = Case("lstm", 2, True, **settings)
    check_gradient(case, DIRECTIONS)


class Pairs:
    """A translator with random parameters and a batch of pairs of different lengths."""

    def __init__(self, cell, layers, bidirectional, drop=None, embedding=0):
        self.architecture = Translation(V, cell, H, layers, embedding=embedding, bidirectional=bidirectional)
        random = np.random.default_rng([layers, len(cell)])
        self.parameters = random.normal(0, 0.5, self.architecture.number_of_parameters)
        self.stack, self.drop = Translator(self.architecture, self.parameters, ThreadPool(1)), drop
        self.windows = TranslatorWindows(self.stack, 6, training=True)
        sources, inputs = (random.integers(0, V, (steps, 4)).astype(np.int32) for steps in (5, 3))
        targets = np.where(np.arange(3)[:, None] < [3, 1, 2, 2], random.integers(0, V, (3, 4)), -1).astype(np.int32)
        self.batch = PairBatch(inputs, targets, True, np.array([3, 1, 2, 2]), sources=sources, source_lengths=LENGTHS)

    loss = Case.loss


@pytest.mark.parametrize(("cell", "bidirectional"), list(itertools.product(RECURRENT, (True, False))))
@pytest.mark.parametrize("layers", [1, 2])
def test_gradient_of_an_encoder_and_a_decoder(cell, layers, bidirectional):
    case = Pairs(cell, layers, bidirectional)
    check_gradient(case, DIRECTIONS)


def test_gradient_of_an_encoder_and_a_decoder_with_dropout():
    case = Pairs("lstm", 2, True, Dropout(0.3, 3), embedding=3)
    check_gradient(case, DIRECTIONS)


class Tags:
    """A tagger with random parameters and a batch of sentences of different lengths, of seven words."""

    def __init__(self, cell, layers, bidirectional, drop=None, embedding=0):
        self.architecture = Tagging(
            V,
            cell,
            H,
            layers,
            embedding=embedding,
            outputs=OUTPUTS,
            bidirectional=bidirectional,
            words_size=4,
        )
        random = np.random.default_rng([layers, len(cell)])
        self.parameters = random.normal(0, 0.5, self.architecture.number_of_parameters)
        self.stack, self.drop = Tagger(self.architecture, self.parameters, ThreadPool(1)), drop
        self.windows = TaggerWindows(self.stack, 6, training=True)
        numbers = np.where(AT_EACH >= 0, random.integers(0, 7, (5, 4)), 0).astype(np.int32)
        words, lengths = random.integers(0, V, (6, 7)).astype(np.int32), np.array([3, 1, 6, 2, 5, 1, 4])
        known = np.array([1, 0, 0, 3, 2, 0, 0], np.int32)
        self.batch = WordBatch(numbers, AT_EACH, True, LENGTHS, words=words, word_lengths=lengths, known=known)

    loss = Case.loss


@pytest.mark.parametrize(
    ("cell", "layers", "bidirectional"), list(itertools.product(RECURRENT, (1, 2, 3), (True, False)))
)
def test_gradient_of_a_tagger(cell, layers, bidirectional):
    check_gradient(Tags(cell, layers, bidirectional), DIRECTIONS)


@pytest.mark.parametrize("settings", [{"drop": Dropout(0.3, 3)}, {"embedding": 3}], ids=["dropout", "embedding"])
def test_gradient_of_a_tagger_with_dropout_and_with_embedding(settings):
    check_gradient(Tags("lstm", 2, True, **settings), DIRECTIONS)


def runs_by_hand(architecture, parameters, prefix, x):
    """The outputs (T, H) of the last layer's runs for one sequence x (T, D), one list entry per run, from the
    equations. prefix: of the parameters' names."""
    named, step = views(architecture, parameters), STEPS[architecture.cell][0]
    for layer in range(1, architecture.layers + 1):
        runs = []
        for direction, order in (("", x), ("back.", x[::-1])):
            name = f"{prefix}layer{layer}.{direction}"
            if name + "b" not in named:
                continue
            a = c = np.zeros((1, len(named[name + "W_a"])))
            given = []
            for now in order:
                z_x = (now @ named[name + "W_x"])[None]
                a, c, _ = step(z_x, a, c, named[name + "W_a"], named[name + "b"], named.get(name + "p"))
                given.append(a[0])
            runs.append(np.array(given))
        x = np.concatenate((runs[0], *(run[::-1] for run in runs[1:])), axis=1)
    return runs


@pytest.mark.parametrize(("cell", "layers"), list(itertools.product(RECURRENT, (1, 3))))
@pytest.mark.parametrize("at_end", [True, False], ids=["at the end", "at each position"])
def test_a_bidirectional_layer_is_two_runs_one_of_them_reversed(cell, layers, at_end):
    case = Case(cell, layers, at_end)
    case.loss()
    case.stack.pack(for_training=False)
    _, found = case.windows.forward(case.batch)
    named = views(case.architecture, case.parameters)
    for row, length in enumerate(LENGTHS.tolist()):
        x = np.eye(V)[case.batch.inputs[:length, row]]
        ahead, back = runs_by_hand(case.architecture, case.parameters, "", x)
        back = back if at_end else back[::-1]
        expected = softmax(np.concatenate((ahead, back), axis=1) @ named["W_ya"] + named["b_y"])
        assert np.allclose(found[:length, row], expected, rtol=1e-9)


@pytest.mark.parametrize(("cell", "bidirectional"), list(itertools.product(RECURRENT, (True, False))))
def test_a_tagger_reads_words_and_then_the_sentence(cell, bidirectional):
    """Its probabilities, from the equations: a word's vector is what its two runs end with."""
    case = Tags(cell, 2, bidirectional)
    case.stack.pack(for_training=False)
    _, found = case.windows.forward(case.batch)
    named, batch = views(case.architecture, case.parameters), case.batch
    reader = case.parameters[: case.architecture.reader.number_of_parameters]
    for row, length in enumerate(LENGTHS.tolist()):
        vectors = []
        for word in batch.inputs[:length, row]:
            x = np.eye(V)[batch.words[: batch.word_lengths[word], word]]
            read = [run[-1] for run in runs_by_hand(case.architecture.reader, reader, "", x)]
            vectors.append(np.concatenate([*read, named["words.E"][batch.known[word]]]))
        runs = runs_by_hand(case.architecture, case.parameters, "sentence.", np.array(vectors))
        states = np.concatenate((runs[0], *(run[::-1] for run in runs[1:])), axis=1)
        expected = softmax(states @ named["sentence.W_ya"] + named["sentence.b_y"])
        assert np.allclose(found[:length, row], expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("cell", "bidirectional"), [*itertools.product(RECURRENT, (True, False)), ("feedforward", False)]
)
def test_padding_is_never_seen(cell, bidirectional):
    """In float32: a sequence gives the same bits in a batch with longer ones as alone."""
    random = np.random.default_rng(3)
    architecture = Architecture(9, cell, 21, 2, outputs=5, bidirectional=bidirectional)
    parameters = random.normal(0, 0.4, architecture.number_of_parameters).astype(np.float32)
    stack = Stack(architecture, parameters, ThreadPool(2))
    stack.pack(for_training=False)
    sequences = Sequences([random.integers(0, 9, length) for length in (9, 1, 4, 13, 2, 7, 7)])
    windows, numbers = Windows(stack, 32), np.arange(7)

    def probabilities(chosen, fill):
        tokens = sequences.padded(chosen, fill)
        return windows.forward(Batch(tokens, np.full_like(tokens, -1), True, sequences.lengths[chosen]))[1].copy()

    together, otherwise = probabilities(numbers, 0), probabilities(numbers, 5)
    for number, length in enumerate(sequences.lengths.tolist()):
        alone = probabilities(numbers[number : number + 1], 0)[:, 0]
        assert np.array_equal(alone, together[:length, number])
        assert np.array_equal(alone, otherwise[:length, number])


def test_groups_hold_each_sequence_once_and_keep_to_their_room():
    lengths = np.random.default_rng(1).integers(1, 40, 500)
    starts = np.concatenate(([0], lengths.cumsum()))
    chosen = list(groups(starts, 8, np.random.default_rng(2), most_tokens=120))
    assert sorted(np.concatenate(chosen).tolist()) == list(range(500))
    assert all(len(group) <= 8 and len(group) * lengths[group].max() <= 120 for group in chosen)
    assert sum(len(group) * lengths[group].max() for group in chosen) < 1.3 * lengths.sum()
    assert fitting(np.array([1, 1, 50, 60]), 3, 40) == [0, 2, 3]


def test_a_planted_error_is_caught():
    case = Case("lstm", 2, True)
    case.loss()
    right = case.stack.gradient.copy()
    case.loss = lambda whole=case.loss: (whole(), case.stack.gradient.__setitem__(7, -right[7]))[0]
    with pytest.raises(AssertionError):
        check_gradient(case, DIRECTIONS)
