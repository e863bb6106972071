"""charlm's LSTM and GRU are PyTorch's: nats, states and gradients in float64, as golden/make_pytorch.py wrote them."""

from pathlib import Path

import numpy as np
import pytest

from charlm.network.architecture import Architecture, views
from charlm.network.reference import Reference
from charlm.network.stack import Stack, StackWindow
from charlm.network.threads import ThreadPool

GOLDEN = Path(__file__).parent / "golden" / "pytorch.npz"
MODELS = ["lstm1", "lstm2", "gru1", "gru2"]
TOLERANCE = 1e-10


def error(found, expected):
    """The largest difference, relative to the largest number of the array."""
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def total(b_ih, b_hh):
    """The bias where PyTorch has two that it adds."""
    return b_ih + b_hh


def either(d_b_ih, d_b_hh):
    """The gradient with respect to a sum is the gradient with respect to each of its terms."""
    assert error(d_b_ih, d_b_hh) < TOLERANCE
    return d_b_ih


class Golden:
    """One of the models in the file, in charlm's terms."""

    def __init__(self, model):
        with np.load(GOLDEN) as file:
            self.named = {name.removeprefix(model + "/"): file[name] for name in file if name.startswith(model + "/")}
        self.cell, layers = model[:-1], int(model[-1])
        V, H = self.named["weight"].shape
        self.architecture = Architecture(V, self.cell, H, layers)
        self.inputs, self.targets = self.named["inputs"].astype(np.int32), self.named["targets"].astype(np.int32)
        self.nats, self.scale = self.named["nats"], float(self.named["scale"])
        self.start, self.end = self.states("h0", "c0"), self.states("hn", "cn")
        self.parameters, self.gradient = self.mapped("", total), self.mapped("d_", either)

    def states(self, *names):
        """(a, c) of each layer as one list; only a where the cell has no c."""
        present = [self.named[name] for name in names if name in self.named]
        return [state for layer in zip(*present, strict=True) for state in layer]

    def mapped(self, prefix, bias):
        """The weights (prefix "") or their gradients ("d_") as charlm's flat vector; make_pytorch.py tells how."""
        vector = np.full(self.architecture.number_of_parameters, np.nan)
        charlm = views(self.architecture, vector)
        for layer in range(self.architecture.layers):
            gates = {
                name: np.split(self.named[f"{prefix}{name}_l{layer}"], 4 if self.cell == "lstm" else 3)
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            }
            if self.cell == "lstm":
                order = [0, 1, 3, 2]  # i, f, g, o → u, f, o, c̃
                x, a = ([gates[name][gate] for gate in order] for name in ("weight_ih", "weight_hh"))
                b = [bias(gates["bias_ih"][gate], gates["bias_hh"][gate]) for gate in order]
            else:
                (x_r, x_z, x_n), (a_r, a_z, a_n) = gates["weight_ih"], gates["weight_hh"]
                (ih_r, ih_z, b_in), (hh_r, hh_z, b_hn) = gates["bias_ih"], gates["bias_hh"]
                x, a = [x_n, -x_z, x_r], [-a_z, a_r, a_n]  # z = 1 - u
                b = [b_in, -bias(ih_z, hh_z), bias(ih_r, hh_r), b_hn]
            name = f"layer{layer + 1}."
            charlm[name + "W_x"][:] = np.concatenate(x).T
            charlm[name + "W_a"][:] = np.concatenate(a).T
            charlm[name + "b"][:] = np.concatenate(b)
        charlm["W_ya"][:] = self.named[prefix + "weight"].T
        charlm["b_y"][:] = self.named[prefix + "bias"]
        return vector

    def by_kernels(self):
        """(nats, states, gradient) of network/stack.py, on two threads."""
        pool = ThreadPool(2)
        stack = Stack(self.architecture, self.parameters, pool)
        stack.pack(for_training=True)
        steps, rows = self.inputs.shape
        window = StackWindow(stack, steps, rows, training=True)
        for state, value in zip(window.state, self.start, strict=True):
            state[:] = value
        nats = window.forward_backward(self.inputs, self.targets, self.scale)
        pool.close()
        return nats, window.state, stack.gradient

    def by_reference(self):
        """The same of reference.py."""
        reference = Reference(self.architecture, self.parameters, self.inputs.shape[1])
        states = iter(self.start)
        reference.state = [(next(states), next(states) if c.size else c) for _, c in reference.state]
        nats, gradient = reference.loss_and_gradient(self.inputs, self.targets, self.scale)
        return nats, [state for layer in reference.state for state in layer if state.size], gradient


@pytest.mark.parametrize("engine", ["by_kernels", "by_reference"])
@pytest.mark.parametrize("model", MODELS)
def test_nats_states_and_gradients_equal_pytorch(model, engine):
    golden = Golden(model)
    nats, states, gradient = getattr(golden, engine)()
    assert error(nats, golden.nats) < TOLERANCE
    for state, expected in zip(states, golden.end, strict=True):
        assert error(state, expected) < TOLERANCE
    found, expected = views(golden.architecture, gradient), views(golden.architecture, golden.gradient)
    for name in expected:
        assert error(found[name], expected[name]) < TOLERANCE, name


@pytest.mark.parametrize("engine", ["by_kernels", "by_reference"])
@pytest.mark.parametrize(("model", "wrong"), [("lstm1", np.flip), ("gru1", np.negative)])
def test_a_wrong_mapping_is_caught(model, wrong, engine):
    """The comparison would be worth nothing if it passed with the gates in another order or of the other sign."""
    golden = Golden(model)
    H = golden.architecture.hidden
    b = views(golden.architecture, golden.parameters)["layer1.b"][H : 3 * H]
    b[:] = wrong(b.copy())
    nats, _, gradient = getattr(golden, engine)()
    assert error(nats, golden.nats) > 1e-3
    assert error(gradient, golden.gradient) > 1e-3
