"""The same networks in PyTorch, as an experienced user would write them. Only contenders import this."""

import numpy as np
import torch

RECURRENT = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}
PYTORCH_GATES = "u", "f", "c", "o"  # PyTorch's i, f, g, o in charlm's letters


class Network(torch.nn.Module):
    """Tokens → one-hot vectors or an embedding as wide as the layers → recurrent layers → logits.

    forward: tokens (T, N) and a state or None → logits (T, N, V), state.
    """

    def __init__(self, workload, one_hot: bool = True):
        super().__init__()
        V, H = workload.vocabulary, workload.hidden
        if one_hot:
            self.register_buffer("table", torch.eye(V))
        else:
            self.table = torch.nn.Parameter(0.1 * torch.randn(V, H))
        self.recurrent = RECURRENT[workload.cell](V if one_hot else H, H, workload.layers)
        self.output = torch.nn.Linear(H, V)

    def forward(self, tokens, state=None):
        states, state = self.recurrent(torch.nn.functional.embedding(tokens, self.table), state)
        return self.output(states), state


class Cells(torch.nn.Module):
    """The same LSTM as cells, one step at a time; its state is a list of (h, c).

    forward: tokens (N) and a state → logits (N, V), state.
    """

    def __init__(self, workload):
        super().__init__()
        V, H = workload.vocabulary, workload.hidden
        self.register_buffer("table", torch.eye(V))
        self.cells = torch.nn.ModuleList(torch.nn.LSTMCell(H if layer else V, H) for layer in range(workload.layers))
        self.output = torch.nn.Linear(H, V)

    def start(self, rows: int):
        zero = torch.zeros(rows, self.output.in_features)
        return [(zero, zero)] * len(self.cells)

    def forward(self, tokens, state):
        x, after = torch.nn.functional.embedding(tokens, self.table), []
        for cell, before in zip(self.cells, state, strict=True):
            after.append(cell(x, before))
            x = after[-1][0]
        return self.output(x), after


def load(network: torch.nn.Module, model) -> torch.nn.Module:
    """Give a ``Network`` with one-hot input, or ``Cells``, the weights of a charlm LSTM of the same sizes."""
    named, values = model.named_parameters, {}
    for layer in range(model.architecture.layers):
        kind = "recurrent.{}_l" + str(layer) if isinstance(network, Network) else f"cells.{layer}." + "{}"
        for ours, theirs in (("W_x", "weight_ih"), ("W_a", "weight_hh"), ("b", "bias_ih")):
            gates = dict(zip("ufoc", np.split(named[f"layer{layer + 1}.{ours}"].T, 4), strict=True))
            values[kind.format(theirs)] = torch.tensor(np.concatenate([gates[gate] for gate in PYTORCH_GATES]))
        values[kind.format("bias_hh")] = torch.zeros_like(values[kind.format("bias_ih")])
    values["output.weight"], values["output.bias"] = torch.tensor(named["W_ya"].T), torch.tensor(named["b_y"])
    network.load_state_dict(values | {"table": network.table})
    return network.eval()


def updater(network: Network, half: bool):
    """A function (inputs, targets (T, N), state or None) → (loss, state) that trains on one window."""
    parameters = list(network.parameters())
    adam = torch.optim.Adam(parameters, fused=True)

    def update(inputs, targets, state=None):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits, state = network(inputs, state)
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        adam.step()
        return loss.item(), state

    return update
