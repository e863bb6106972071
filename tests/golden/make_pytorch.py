"""Write pytorch.npz: what PyTorch computes for small language models. test_pytorch.py compares charlm with it.

    python tests/golden/make_pytorch.py        # with a Python that has torch; the tests need only the file

Four models in float64: "lstm1", "lstm2", "gru1" and "gru2" (cell, number of layers), each nn.LSTM or nn.GRU on one-hot
input, nn.Linear and cross-entropy. Of each, under "model/name":

    every weight by PyTorch's name ("weight_ih_l0", …, and "weight", "bias" of nn.Linear), and "d_" + that: its gradient
    inputs, targets (T, N)      targets -1 where there is none
    h0, hn (layers, N, H)       the states before and after; c0, cn too for the LSTM
    nats (T, N)                 the loss of each token; the gradient is that of scale · their sum
    scale

How PyTorch's weights become charlm's:

- Transposes: PyTorch has z = W x with W (gates · H, D), charlm z = x W with W (D, gates · H). So weight_ih.T is W_x,
  weight_hh.T is W_a, and nn.Linear's weight.T is W_ya.
- LSTM: PyTorch's gates are i, f, g, o; charlm's columns are u, f, o, c̃, that is i, f, o, g. PyTorch adds two biases,
  b_ih and b_hh, and charlm has their sum. The gradients with respect to the two are equal, and equal the gradient with
  respect to the sum.
- GRU: PyTorch's gates are r, z, n, and its state is z · h' + (1 - z) · n, so z = 1 - u. As 1 - σ(x) = σ(-x), the
  weights and biases of z are negated, and so are their gradients. charlm's columns: W_x: c̃, u, r, that is n, -z, r;
  W_a: u, r, q, that is -z, r, n; b: c̃, u, r, q. The two biases of r, and those of z, are summed as in the LSTM. The
  two biases of n stay apart, because the reset gate stands between them: b_in is b_cx (of c̃), b_hn is b_ch (of q).
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

V, H, T, N, SCALE = 7, 5, 6, 3, 0.37


def golden(cell: str, layers: int, seed: int) -> dict[str, np.ndarray]:
    """One model's arrays, by name."""
    torch.manual_seed(seed)
    network = {"lstm": nn.LSTM, "gru": nn.GRU}[cell](V, H, layers).double()
    output = nn.Linear(H, V).double()
    weights = dict(network.named_parameters()) | dict(output.named_parameters())
    with torch.no_grad():
        for weight in weights.values():
            weight.normal_(0, 0.6)
    inputs, targets = torch.randint(0, V, (T, N)), torch.randint(0, V, (T, N))
    targets[2, 1] = targets[T - 1, 0] = -1
    start = [0.5 * torch.randn(layers, N, H, dtype=torch.float64) for _ in ("h", "c")[: 1 + (cell == "lstm")]]
    states, end = network(nn.functional.one_hot(inputs, V).double(), tuple(start) if cell == "lstm" else start[0])
    logits = output(states).flatten(0, 1)
    nats = nn.functional.cross_entropy(logits, targets.flatten(), ignore_index=-1, reduction="none")
    (SCALE * nats.sum()).backward()
    arrays = {"inputs": inputs, "targets": targets, "nats": nats.reshape(T, N)}
    arrays["scale"] = torch.tensor(SCALE, dtype=torch.float64)
    arrays |= dict(zip(("h0", "c0"), start, strict=False))
    arrays |= dict(zip(("hn", "cn"), end if cell == "lstm" else [end], strict=False))
    arrays |= weights | {"d_" + name: weight.grad for name, weight in weights.items()}
    return {name: array.detach().numpy() for name, array in arrays.items()}


def main() -> None:
    named = {}
    for seed, (cell, layers) in enumerate((("lstm", 1), ("lstm", 2), ("gru", 1), ("gru", 2))):
        for name, array in golden(cell, layers, seed).items():
            small = array.astype(np.int8) if array.dtype == np.int64 else array
            named[f"{cell}{layers}/{name}"] = small
    np.savez_compressed(Path(__file__).with_name("pytorch.npz"), **named)


if __name__ == "__main__":
    main()
