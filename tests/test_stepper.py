"""The NumPy engine of sampling and short scoring: it agrees with the oracle, whatever stands in the other rows."""

import re
from pathlib import Path

import numpy as np
import pytest

from charlm.network import stepper
from charlm.network.architecture import Architecture
from charlm.network.cells import CELLS
from charlm.network.measuring import NumPyEngine
from charlm.network.probabilities import log_softmax
from charlm.network.reference import STEPS, reference_of
from charlm.network.stepper import Stepper, copy_row, numpy_network, take_rows
from charlm.text.vocabulary import EOS

V, ROWS = 23, 8
KINDS = {"one-hot": {}, "embedding": {"embedding": 7}, "tied": {"embedding": 12, "tied": True}}


def network_of(cell, kind="one-hot", hidden=12, dtype=np.float32, layers=2):
    architecture = Architecture(V, cell, hidden, layers, **KINDS[kind])
    parameters = np.random.default_rng(1).normal(0, 0.5, architecture.number_of_parameters).astype(dtype)
    return architecture, parameters


def test_no_module_of_the_package_imports_the_oracle():
    package = Path(stepper.__file__).parents[1]
    users = [
        path for path in package.rglob("*.py") if re.search(r"import.*reference|reference import", path.read_text())
    ]
    assert not users


def test_every_cell_has_its_step():
    assert set(stepper.STEPS) == set(STEPS) == set(CELLS)


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-12), (np.float32, 2e-5)])
@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cell", CELLS)
def test_the_engine_agrees_with_the_oracle(cell, kind, apart, dtype, tolerance):
    architecture, parameters = network_of(cell, kind, dtype=dtype)
    oracle = reference_of(architecture, parameters, ROWS)
    network = numpy_network(architecture, parameters, apart)
    state = network.zero_state(ROWS)
    for tokens in np.random.default_rng(2).integers(0, V, (11, ROWS)):
        state = network.step(state, tokens)
        expected = oracle.step(tokens)
        assert state[-1].dtype == dtype and state[-1].shape == (ROWS, V)
        np.testing.assert_allclose(state[-1], expected, rtol=tolerance, atol=tolerance)
    for found, wanted in zip(state, (array for layer in oracle.state for array in layer), strict=False):
        if found is not state[-1]:
            np.testing.assert_allclose(found.reshape(wanted.shape), wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cell", CELLS)
def test_short_scoring_agrees_with_the_oracle(cell, kind):
    architecture, parameters = network_of(cell, kind)
    tokens = np.random.default_rng(3).integers(0, V, (40, 3)).astype(np.int32)
    targets = np.concatenate((tokens[1:], np.full((1, 3), -1, np.int32)))
    engine, ranks = NumPyEngine(architecture, parameters, 3), np.empty((40, 3), np.int32)
    found = engine.forward(tokens, targets, ranks=ranks)
    np.testing.assert_allclose(found, reference_of(architecture, parameters, 3).forward(tokens, targets), rtol=1e-4)
    assert (found[-1] == 0).all() and (ranks[-1] == 0).all() and (ranks[:-1] >= 1).all()
    alone = NumPyEngine(architecture, parameters, 1)
    for row in range(3):
        alone.reset()
        assert np.array_equal(alone.forward(tokens[:, [row]], targets[:, [row]])[:, 0], found[:, row])


@pytest.mark.parametrize("few_rows", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_a_prompt_is_read_with_its_surprise(cell, few_rows):
    architecture, parameters = network_of(cell)
    oracle, tokens = reference_of(architecture, parameters), [3, 9, 1, 22]
    logits, expected = oracle.step(np.array([EOS])), []
    for token in tokens:
        expected.append(-log_softmax(logits[0].astype(float))[token])
        logits = oracle.step(np.array([token]))
    state, nats = Stepper(architecture, parameters, few_rows).begin(tokens)
    assert nats == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(state[-1], logits, rtol=1e-4, atol=1e-5)
    assert all(len(array) == 1 for array in state)


@pytest.mark.parametrize("few_rows", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_a_row_has_the_same_bits_whatever_stands_in_the_others(cell, few_rows):
    architecture, parameters = network_of(cell, hidden=37)
    network = Stepper(architecture, parameters, few_rows)
    start, _ = network.begin([5])
    many, few = (network.rows_for(number) for number in (300, 1))
    assert few == (1 if few_rows else 4)
    tokens = np.random.default_rng(4).integers(0, V, (9, many))
    together, alone = (take_rows(start, [0] * number) for number in (many, few))
    for now in tokens:
        together = network.step(together, now)
        alone = network.step(alone, now[:few])
    for of_many, of_few in zip(together, alone, strict=True):
        assert np.array_equal(of_many[:few], of_few)


def test_rows_of_a_state_are_taken_and_copied():
    state = [np.arange(6.0).reshape(3, 2), np.arange(3.0)[:, None]]
    taken = take_rows(state, [2, 0, 2])
    assert taken[0].tolist() == [[4, 5], [0, 1], [4, 5]] and taken[1].tolist() == [[2], [0], [2]]
    copy_row(state, 1, taken, [0, 2])
    assert taken[0].tolist() == [[2, 3], [0, 1], [2, 3]] and state[0].tolist() == [[0, 1], [2, 3], [4, 5]]
    copy_row(state, 1, [], 0)


@pytest.mark.parametrize("shape", [(5, 7), (3, 1, 7)])
def test_halved_weights_change_no_bit_of_the_lstm(shape):
    random, H = np.random.default_rng(1), shape[-1]
    a, c, z_x, W_a, b = (
        random.standard_normal(of).astype(np.float32)
        for of in (shape, shape, (*shape[:-1], 4 * H), (H, 4 * H), (4 * H,))
    )
    halves = np.repeat(np.array([0.5, 1], np.float32), [3 * H, H])
    expected = STEPS["lstm"][0](z_x.copy(), a, c, W_a, b, None)[:2]
    found = stepper.STEPS["lstm"].step(z_x * halves, a, c, W_a * halves, b * halves, None)
    assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))
