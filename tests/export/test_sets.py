"""A network of sets and PyTorch's: the same loss and the same gradients, in float64."""

from functools import partial

import numpy as np
import pytest
import torch

from charlm.export.state_dict import to_tensors
from charlm.network.architecture import Architecture, views
from charlm.network.head import logistic_head
from charlm.network.sequences import Windows
from charlm.network.stack import Stack
from charlm.network.threads import ThreadPool
from charlm.tasks.chords import multi_hot
from charlm.text.batches import Batch, Sequences

SYMBOLS, HIDDEN = 7, 6
SETS = ((), (0, 3), (1,), (2, 5, 6), (0, 1, 2, 3, 4, 5, 6), (4,), (6, 0))
LENGTHS = np.array([5, 2, 4])
MODULES = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", MODULES)
def test_loss_and_gradient_are_those_of_pytorch(cell, layers):
    architecture = Architecture(2, cell, HIDDEN, layers, channels=SYMBOLS, outputs=SYMBOLS)
    random = np.random.default_rng(1)
    parameters = random.normal(0, 0.5, architecture.number_of_parameters)
    sets = Sequences([np.array(one, np.int32) for one in SETS])
    targets = random.integers(0, len(SETS), (5, 3)).astype(np.int32)
    inputs = multi_hot(sets, np.concatenate((np.zeros((1, 3), np.int32), targets[:-1])), SYMBOLS).astype(np.float64)
    wanted = torch.tensor(multi_hot(sets, targets, SYMBOLS).astype(np.float64))
    inside = np.arange(5)[:, None] < LENGTHS
    stack = Stack(architecture, parameters, ThreadPool(2), head=partial(logistic_head, sets=sets))
    stack.pack(for_training=True)
    batch = Batch(inputs, np.where(inside, targets, -1).astype(np.int32), True, LENGTHS)
    nats = Windows(stack, 3, training=True).train(batch, 1.0, None)

    rnn, linear = MODULES[cell](SYMBOLS, HIDDEN, layers).double(), torch.nn.Linear(HIDDEN, SYMBOLS).double()
    tensors = {
        name: torch.tensor(array) for name, array in to_tensors(architecture, views(architecture, parameters)).items()
    }
    for module, prefix in ((rnn, "rnn."), (linear, "decoder.")):
        module.load_state_dict(
            {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}
        )
    logits = linear(rnn(torch.tensor(inputs))[0])
    losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none").sum(-1)
    (losses * torch.tensor(inside)).sum().backward()

    assert np.allclose(nats, np.where(inside, losses.detach().numpy(), 0), rtol=1e-10)
    gradients = to_tensors(architecture, views(architecture, stack.gradient))
    for name, gradient in gradients.items():
        if "bias_hh" in name or (cell == "gru" and "bias" in name and "rnn" in name):
            continue  # PyTorch has two biases where charlm has one
        module, prefix = (rnn, "rnn.") if name.startswith("rnn.") else (linear, "decoder.")
        expected = getattr(module, name.removeprefix(prefix)).grad.numpy()
        assert np.abs(gradient - expected).max() < 1e-10 * np.abs(expected).max(), name
