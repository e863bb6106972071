"""Adam as an ``Optimizer``: its state is all that the next update depends on, besides the gradient; and its rates."""

import itertools

import numpy as np
import pytest

from charlm.network.architecture import Architecture
from charlm.network.optimizers import Adam, parts
from charlm.network.stack import Stack
from charlm.network.threads import ThreadPool


def network():
    architecture = Architecture(7, "rnn", 5, 1)
    parameters = np.random.default_rng(1).standard_normal(architecture.number_of_parameters).astype(np.float32)
    return Stack(architecture, parameters, ThreadPool(1))


def updates(stack, adam, seeds):
    norms = []
    for seed in seeds:
        stack.gradient[:] = np.random.default_rng(seed).standard_normal(stack.gradient.size)
        norms.append(adam.update(0.01))
    return norms


def test_an_optimizer_with_the_state_of_another_goes_on_alike():
    whole, before, after = network(), network(), network()
    adam, first, second = Adam(whole, 0.5), Adam(before, 0.5), Adam(after, 0.5)
    norms = updates(whole, adam, range(5))
    assert norms[:2] == updates(before, first, range(2))
    after.parameters[:] = before.parameters
    for name, array in second.state().items():
        array[:] = first.state()[name]
    second.updates = first.updates
    assert norms[2:] == updates(after, second, range(2, 5))
    assert np.array_equal(after.parameters, whole.parameters) and second.updates == 5
    assert all(np.array_equal(array, adam.state()[name]) for name, array in second.state().items())


@pytest.mark.parametrize("harm", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_changes_nothing(harm):
    stack = network()
    adam, parameters = Adam(stack, 0.5), stack.parameters.copy()
    stack.gradient[3] = harm
    assert not np.isfinite(adam.update(0.01))
    assert adam.updates == 0 and np.array_equal(stack.parameters, parameters) and not adam.state()["m"].any()


def test_some_parameters_learn_at_another_rate():
    together, apart = network(), network()
    rates = {"W_a": 0.5, "b_y": 2.0}
    found = parts(together.architecture, rates)
    assert list(together.architecture.shapes()) == "layer1.W_x layer1.W_a layer1.b W_ya b_y".split()
    assert [factor for *_, factor in found] == [1.0, 0.5, 1.0, 2.0]
    assert found[0][0] == 0 and found[-1][1] == together.parameters.size
    assert all(before[1] == after[0] for before, after in itertools.pairwise(found))
    updates(together, Adam(together, 0.5), [1, 2])
    updates(apart, Adam(apart, 0.5, rates=rates), [1, 2])
    start = network().parameters
    for first, last, factor in found:
        change = together.parameters[first:last] - start[first:last]
        assert np.allclose(apart.parameters[first:last] - start[first:last], factor * change, rtol=1e-3, atol=1e-7)
