"""Forward and backward of the whole network in float64, against central differences and against the oracle; and
a test that these checks would notice a mistake."""

import itertools
from functools import partial

import numpy as np
import pytest
from test_sequences import DIRECTIONS, check_gradient

from charlm.kernels.compiling import HAS_BFLOAT16
from charlm.network.architecture import Architecture, views
from charlm.network.cells import CELLS
from charlm.network.dropout import Dropout
from charlm.network.head import softmax_head
from charlm.network.measuring import ranks_by_probability
from charlm.network.reference import reference_of
from charlm.network.stack import Stack, StackWindow
from charlm.network.threads import ThreadPool
from charlm.text.batches import line_windows, stream_windows
from charlm.text.vocabulary import EOS

V, H, STEPS, ROWS, SCALE = 7, 5, 4, 3, 0.3
TEXT = np.array([2, 3, 4, EOS, 5, 6, EOS, 3, 2, 6, 5, 4, 3, EOS, 2, EOS, 6, 6, 4, 2, EOS], np.uint8)


def first_window(mode):
    if mode == "stream":
        return next(stream_windows(TEXT, ROWS, STEPS, np.random.default_rng(3)))
    return next(line_windows(TEXT, ROWS, STEPS, np.random.default_rng(3)))


def some_state(architecture, random, state):
    """Numbers that a state could hold; a feed-forward network holds ids, and 0 for none."""
    if architecture.context:
        return random.integers(0, V + 1, state.shape)
    return random.normal(0, 0.5, state.shape)


class Case:
    """A small network with random parameters and states, and one window of text."""

    def __init__(
        self, cell, layers, mode="stream", *, embedding=0, tied=False, drop=None, unknown=0.0, threads=1, V=V, head=None
    ):
        self.architecture = Architecture(V, cell, H, layers, embedding=embedding, tied=tied)
        random = np.random.default_rng([layers, len(cell), embedding])
        self.parameters = random.normal(0, 0.5, self.architecture.number_of_parameters)
        head = head or partial(softmax_head, unknown=unknown)
        self.stack = Stack(self.architecture, self.parameters, ThreadPool(threads), head=head)
        self.window = StackWindow(self.stack, STEPS + 1, ROWS, training=True)
        self.batch, self.drop, self.unknown = first_window(mode), drop, unknown
        self.start = [some_state(self.architecture, random, state) * (mode == "stream") for state in self.window.state]

    def set_state(self):
        for state, value in zip(self.window.state, self.start, strict=True):
            state[:] = value

    def loss(self):
        self.stack.pack(for_training=True)
        self.set_state()
        self.nats = self.window.forward_backward(self.batch.inputs, self.batch.targets, SCALE, self.drop)
        return SCALE * self.nats.sum()

    def gradient(self):
        self.loss()
        return self.stack.gradient.copy()

    def central_differences(self, step=1e-5):
        differences = np.zeros_like(self.parameters)
        for i, value in enumerate(self.parameters.tolist()):
            self.parameters[i] = value + step
            above = self.loss()
            self.parameters[i] = value - step
            differences[i] = (above - self.loss()) / (2 * step)
            self.parameters[i] = value
        return differences

    def reference(self):
        """(nats, gradient, states) of the NumPy oracle."""
        oracle = reference_of(self.architecture, self.parameters, ROWS)
        states = iter(self.start)
        oracle.state = [(next(states), next(states) if c.size else c) for _, c in oracle.state]
        nats, gradient = oracle.loss_and_gradient(self.batch.inputs, self.batch.targets, SCALE, self.unknown)
        return nats, gradient, [array for state in oracle.state for array in state if array.size]


def error(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize(("cell", "layers", "mode"), list(itertools.product(CELLS, (1, 2, 3), ("stream", "lines"))))
def test_gradient_equals_central_differences(cell, layers, mode):
    check_gradient(Case(cell, layers, mode), DIRECTIONS if layers > 1 else 0)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "settings",
    [{"embedding": 3}, {"embedding": H, "tied": True}, {"drop": Dropout(0.4, 3)}, {"V": STEPS * ROWS + 1}],
    ids=["embedding", "tied", "dropout", "more symbols than tokens"],
)
def test_gradient_with_every_input_and_output(cell, settings):
    check_gradient(Case(cell, 2, **settings), DIRECTIONS)


@pytest.mark.parametrize("cell", CELLS)
def test_dropout_drops_the_same_units_at_all_steps(cell):
    """It drops other units in each row, in each layer and with each key; without dropout it drops none."""
    case = Case(cell, 2, drop=Dropout(0.4, 3))
    case.gradient()
    first, second = (arrays.mask.copy() for arrays in case.window.layers)
    assert set(np.unique(first)) == {0, 1 / 0.6} and not np.array_equal(first, second)
    assert len(np.unique(first, axis=0)) > 1
    for arrays, mask in zip(case.window.layers, (first, second), strict=True):
        states = arrays.out[: len(case.batch.inputs)]
        if cell == "gru":  # dropout drops the candidate of a GRU: the state fades
            assert (np.abs(states[1:]) <= np.abs(states[:-1]))[:, mask == 0].all()
        else:
            assert np.array_equal((states != 0).all(axis=0), mask > 0) and (states[:, mask == 0] == 0).all()
    case.drop = Dropout(0.4, 4)
    case.gradient()
    assert not np.array_equal(case.window.layers[0].mask, first)
    case.drop = None
    assert np.array_equal(case.gradient(), Case(cell, 2).gradient())


def test_a_planted_sign_error_is_caught():
    """The check would be worth nothing if a wrong gradient passed it."""
    case = Case("peephole", 1)
    right, expected = case.gradient(), case.central_differences()
    for name in ("layer1.W_x", "layer1.W_a", "layer1.b", "layer1.p", "W_ya", "b_y"):
        gradient = right.copy()
        wrong = views(case.architecture, gradient)[name]
        wrong.flat[np.abs(wrong).argmax()] *= -1
        assert error(gradient, expected) > 1e-3, name


class LeastSquares:
    """A head that is not a softmax, in NumPy: the loss is ½ |W_ya a + b_y - y|², y the one-hot target."""

    def __init__(self, architecture, parameters, gradients):
        self.W, self.b = parameters["W_ya"], parameters["b_y"]
        self.dW, self.db = gradients["W_ya"], gradients["b_y"]

    def packing(self, pool, for_training, precision):
        return []

    def forward(self, a, targets, outputs, nats, start, stop):
        wanted = targets[:, start:stop, None]
        off = np.where(wanted < 0, 0, a[:, start:stop] @ self.W + self.b - np.eye(V)[np.maximum(wanted[..., 0], 0)])
        outputs[:, start:stop, :V], nats[:, start:stop] = off, (off**2).sum(-1) / 2

    both_ways = None

    def backward(self, outputs, targets, da, scale, start, stop):
        outputs[:, start:stop] *= scale
        da[:, start:stop] = outputs[:, start:stop, :V] @ self.W.T

    def gradients(self, pool, a, d_outputs, shards, tokens):
        def weights():
            self.dW[:] = np.einsum("tnh,tnv->hv", a, d_outputs[..., :V])

        def biases():
            self.db[:] = d_outputs[..., :V].sum((0, 1))

        return [weights, biases]


@pytest.mark.parametrize("mode", ["stream", "lines"])
def test_a_stack_works_with_any_head(mode):
    """The stack is handed what makes its head, and knows its methods only."""
    case = Case("lstm", 2, mode, head=LeastSquares, threads=2)
    assert isinstance(case.stack.head, LeastSquares) and case.gradient().any()
    check_gradient(case, DIRECTIONS)


@pytest.mark.uncompiled
@pytest.mark.parametrize(("cell", "layers", "mode"), list(itertools.product(CELLS, (1, 3), ("stream", "lines"))))
@pytest.mark.parametrize("settings", [{}, {"embedding": H, "tied": True, "unknown": 0.1}], ids=["one-hot", "tied"])
def test_kernels_agree_with_the_oracle(cell, layers, mode, settings):
    case = Case(cell, layers, mode, **settings)
    gradient = case.gradient()
    states = [state.copy() for state in case.window.state]
    nats, expected, expected_states = case.reference()
    assert np.allclose(case.nats, nats, rtol=1e-10, atol=1e-12)
    assert error(gradient, expected) < 1e-10
    for state, wanted in zip(states, expected_states, strict=True):
        assert np.allclose(state, wanted, rtol=1e-10)


@pytest.mark.parametrize("cell", CELLS)
def test_one_hot_product_is_the_row_gather(cell):
    """A dense layer that is fed one-hot vectors gives what the gather gives, gradient included."""
    one_hot = Case(cell, 1)
    dense = Case(cell, 1, embedding=V)
    named, wide = views(one_hot.architecture, one_hot.parameters), views(dense.architecture, dense.parameters)
    wide["E"][:] = np.eye(V)
    for name, values in named.items():
        wide[name][:] = values
    dense.start = one_hot.start
    gradient, expected = dense.gradient(), one_hot.gradient()
    for name, values in views(one_hot.architecture, expected).items():
        assert np.allclose(views(dense.architecture, gradient)[name], values, rtol=1e-12, atol=1e-14), name


@pytest.mark.parametrize(("cell", "layers"), list(itertools.product(CELLS, (1, 3))))
def test_a_long_window_equals_its_pieces_to_the_last_bit(cell, layers):
    """In float32: twelve steps at once, and as 5 + 4 + 3 with the state carried, one call each or all in one."""
    random = np.random.default_rng(1)
    architecture = Architecture(V, cell, 33, layers)
    parameters = random.normal(0, 0.3, architecture.number_of_parameters).astype(np.float32)
    stack = Stack(architecture, parameters, ThreadPool(1))
    stack.pack(for_training=False)
    tokens = random.integers(0, V, (12, ROWS)).astype(np.int32)
    targets = random.integers(0, V, (12, ROWS)).astype(np.int32)
    window, pieces, ranks = (
        StackWindow(stack, 12, ROWS),
        StackWindow(stack, 5, ROWS),
        np.zeros((2, *tokens.shape), np.int32),
    )
    whole = window.forward(tokens, targets, ranks=ranks[0])
    parts = [pieces.forward(tokens[a:b], targets[a:b]) for a, b in ((0, 5), (5, 9), (9, 12))]
    assert np.array_equal(whole, np.concatenate(parts))
    pieces.reset()
    assert np.array_equal(whole, pieces.forward(tokens, targets, ranks=ranks[1]))
    assert np.array_equal(ranks[0], ranks_by_probability(window.probabilities, targets))
    assert np.array_equal(ranks[0], ranks[1])
    assert all(np.array_equal(*states) for states in zip(window.state, pieces.state, strict=True))


def nats_and_gradient(architecture, threads, precision):
    """The nats and the gradient of one window, in float32 or bf16. No panel, vector or thread divides the sizes."""
    random = np.random.default_rng(2)
    parameters = random.normal(0, 0.3, architecture.number_of_parameters).astype(np.float32)
    tokens = random.integers(0, 70, (6, 13)).astype(np.int32)
    stack = Stack(architecture, parameters, ThreadPool(threads))
    stack.pack(for_training=True, precision=precision)
    nats = StackWindow(stack, 6, 13, training=True).forward_backward(tokens, tokens, 0.01, Dropout(0.3, 7))
    return nats, stack.gradient


precisions = pytest.mark.parametrize(
    "precision",
    [
        "float32",
        pytest.param(
            "bf16",
            marks=pytest.mark.skipif(not HAS_BFLOAT16, reason="this processor does not multiply in bfloat16"),
        ),
    ],
)


@precisions
@pytest.mark.parametrize(("cell", "layers"), list(itertools.product(CELLS, (1, 2))))
def test_any_number_of_threads_gives_the_same_bits(cell, layers, precision):
    results = set()
    for threads in (1, 2, 3, 5):
        nats, gradient = nats_and_gradient(Architecture(70, cell, 37, layers), threads, precision)
        results.add((nats.tobytes(), gradient.tobytes()))
    assert len(results) == 1


@pytest.mark.skipif(not HAS_BFLOAT16, reason="this processor does not multiply in bfloat16")
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("embedding", "tied"), [(0, False), (37, True)], ids=["one-hot", "tied"])
def test_the_gradient_in_bf16_differs_from_float32_by_rounding_only(cell, embedding, tied):
    """Each factor is off by up to 2⁻⁹ of itself. An RNN with weights as large as these amplifies that with each
    step."""
    architecture = Architecture(70, cell, 37, 2, embedding=embedding, tied=tied)
    (nats, gradient), (exact_nats, exact) = (nats_and_gradient(architecture, 2, of) for of in ("bf16", "float32"))
    assert 1e-5 < error(nats, exact_nats) < 0.02
    for name, values in views(architecture, gradient).items():
        expected = views(architecture, exact)[name]
        off = np.linalg.norm(values - expected) / np.linalg.norm(expected)
        assert 1e-4 < off < (0.08 if cell == "rnn" else 0.02), name


def test_rows_do_not_depend_on_their_neighbours():
    """The same sequence in another batch, at another row, gives the same bits."""
    random = np.random.default_rng(4)
    architecture = Architecture(V, "lstm", 20, 2)
    parameters = random.normal(0, 0.3, architecture.number_of_parameters).astype(np.float32)
    stack = Stack(architecture, parameters, ThreadPool(2))
    stack.pack(for_training=False)
    tokens = random.integers(0, V, (9, 11)).astype(np.int32)
    batch = StackWindow(stack, 9, 11).forward(tokens, tokens)
    for row in range(11):
        alone = StackWindow(stack, 9, 1).forward(tokens[:, row : row + 1].copy(), tokens[:, row : row + 1].copy())
        assert np.array_equal(alone[:, 0], batch[:, row])
