"""Parameters ⇄ tensors with the names, shapes and gate order of PyTorch's state dicts.

A stack of layers (a language model or a classifier is one) has the tensors

    embedding.weight                    (V, embedding)   the embedding, if there is one
    rnn.weight_ih_l0, rnn.weight_hh_l0  (gates · H, D), (gates · H, H)   of nn.LSTM, nn.GRU or nn.RNN
    rnn.bias_ih_l0, rnn.bias_hh_l0      (gates · H)
    rnn.peephole_l0                     (3, H)           of the cell with peepholes: of i, f, o
    rnn.…_l0_reverse                                     the second direction of a bidirectional layer
    layers.0.weight, layers.0.bias      (H, D), (H)      instead of rnn, of a feed-forward network
    decoder.weight, decoder.bias        (outputs, S), (outputs)   the weight is absent where tied to the embedding

A translator has those of its two stacks with ``encoder.`` and ``decoder.`` before them, and ``bridge.weight``,
``bridge.bias``, the linear map between them. A tagger has those of ``reader.`` and ``sentence.``, and ``words.weight``.

charlm and PyTorch compute the same cells (``kernels/__init__.py`` compares the gates; the GRU is the one whose reset
gate stands after the recurrent product). PyTorch transposes each matrix and has two biases where charlm has one. The
update gate of PyTorch's GRU is 1 - u, so that u's weights change their sign. No number is rounded on either way.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..network.architecture import Architecture, Tagging, Translation, views

Arrays = Mapping[str, np.ndarray]


class Gates(NamedTuple):
    """Where PyTorch's gates, in its order, stand in charlm's arrays.

    x, a: in which column of W_x and of W_a; b has the columns of x. apart: gate → the column of b that is its second
    bias; for the other gates charlm has the sum of both. negative: the gates whose sign changes.
    """

    x: tuple[int, ...]
    a: tuple[int, ...]
    apart: Mapping[int, int] = {}
    negative: tuple[int, ...] = ()

    def sign(self, gate: int, block: np.ndarray) -> np.ndarray:
        return -block if gate in self.negative else block


LSTM = Gates(x=(0, 1, 3, 2), a=(0, 1, 3, 2))  # u, f, o, c̃ → i, f, g, o
GATES = {
    "rnn": Gates(x=(0,), a=(0,)),
    "gru": Gates(x=(2, 1, 0), a=(1, 0, 2), apart={2: 3}, negative=(1,)),  # c̃, u, r and u, r, q → r, z, n
    "lstm": LSTM,
    "peephole": LSTM,
}
BETWEEN = {"W_s": "bridge.weight", "b_s": "bridge.bias", "words.E": "words.weight"}  # what belongs to no stack
AS_IT_IS = ("E", "p", "b_y", "b_s")  # parameters that PyTorch does not transpose


def stacks(architecture: Architecture) -> dict[str, Architecture]:
    """The stacks of a network by the prefix of their parameters, which is that of their tensors too."""
    if isinstance(architecture, Translation):
        return {"encoder.": architecture.encoder, "decoder.": architecture.decoder}
    if isinstance(architecture, Tagging):
        return {"reader.": architecture.reader, "sentence.": architecture.sentence}
    return {"": architecture}


def tensor_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Name and shape of each tensor."""
    shapes = {}
    for prefix, stack in stacks(architecture).items():
        for name, shape in stack.shapes().items():
            if has_gates(stack, name):
                rows = len(GATES[stack.cell].x) * stack.hidden
                shape = (rows, shape[0]) if len(shape) == 2 else (rows,)
            elif kind_of(name) not in AS_IT_IS:
                shape = shape[::-1]
            shapes |= {prefix + to: shape for to in tensor_names(stack, name)}
    for name, shape in architecture.shapes().items():
        if name in BETWEEN:
            shapes[BETWEEN[name]] = shape if kind_of(name) in AS_IT_IS else shape[::-1]
    return shapes


def tensor_names(stack: Architecture, parameter: str) -> list[str]:
    """The names of the tensors that a parameter of a stack becomes: two for a bias of gates, else one."""
    *layer, kind = parameter.split(".")
    if not layer:
        return [{"E": "embedding.weight", "W_ya": "decoder.weight", "b_y": "decoder.bias"}[kind]]
    number = int(layer[0].removeprefix("layer")) - 1
    if stack.context:
        return [f"layers.{number}.{'bias' if kind == 'b' else 'weight'}"]
    names = {"W_x": ["weight_ih"], "W_a": ["weight_hh"], "b": ["bias_ih", "bias_hh"], "p": ["peephole"]}[kind]
    return [f"rnn.{name}_l{number}{'_reverse' if 'back' in layer else ''}" for name in names]


def kind_of(parameter: str) -> str:
    """W_x, W_a, b, …: the last part of a parameter's name."""
    return parameter.split(".")[-1]


def has_gates(stack: Architecture, parameter: str) -> bool:
    """Whether the columns of a parameter are those of gates, in an order of their own."""
    return not stack.context and kind_of(parameter) in ("W_x", "W_a", "b")


def to_tensors(architecture: Architecture, parameters: Arrays) -> dict[str, np.ndarray]:
    """The tensors of some parameters, by name."""
    tensors = {}
    for prefix, stack in stacks(architecture).items():
        for name in stack.shapes():
            made = _to_tensors(stack, name, parameters[prefix + name])
            tensors |= {prefix + to: array for to, array in zip(tensor_names(stack, name), made, strict=True)}
    for name, to in BETWEEN.items():
        if name in parameters:
            tensors[to] = _turned(name, parameters[name])
    return {name: np.ascontiguousarray(array) for name, array in tensors.items()}


def _turned(name: str, array: np.ndarray) -> np.ndarray:
    return array if kind_of(name) in AS_IT_IS else array.T


def _to_tensors(stack: Architecture, name: str, array: np.ndarray) -> list[np.ndarray]:
    if not has_gates(stack, name):
        return [_turned(name, array)]
    gates, kind = GATES[stack.cell], kind_of(name)
    blocks = np.split(array.T, array.shape[-1] // stack.hidden)
    order = gates.a if kind == "W_a" else gates.x
    first = np.concatenate([gates.sign(gate, blocks[column]) for gate, column in enumerate(order)])
    if kind != "b":
        return [first]
    zero = np.zeros_like(blocks[0])
    second = [
        gates.sign(gate, blocks[gates.apart[gate]]) if gate in gates.apart else zero for gate in range(len(order))
    ]
    return [first, np.concatenate(second)]


def from_tensors(architecture: Architecture, tensors: Arrays) -> np.ndarray:
    """The parameters, float32 (P), of tensors with the shapes of ``tensor_shapes``."""
    vector = np.empty(architecture.number_of_parameters, np.float32)
    parameters = views(architecture, vector)
    for prefix, stack in stacks(architecture).items():
        for name in stack.shapes():
            found = [tensors[prefix + to] for to in tensor_names(stack, name)]
            if has_gates(stack, name):
                _fill(parameters[prefix + name], GATES[stack.cell], kind_of(name), found)
            else:
                parameters[prefix + name][:] = _turned(name, found[0])
    for name, to in BETWEEN.items():
        if name in parameters:
            parameters[name][:] = _turned(name, tensors[to])
    return vector


def _fill(array: np.ndarray, gates: Gates, kind: str, tensors: list[np.ndarray]) -> None:
    """Set a parameter whose columns are gates, from its tensor, or a bias from both of its tensors."""
    order = gates.a if kind == "W_a" else gates.x
    columns = np.split(array.T, array.shape[-1] // (len(tensors[0]) // len(order)))  # views
    parts = [np.split(tensor, len(order)) for tensor in tensors]
    for gate, column in enumerate(order):
        first, *second = (gates.sign(gate, blocks[gate]) for blocks in parts)
        columns[column][:] = first
        if second and gate in gates.apart:
            columns[gates.apart[gate]][:] = second[0]
        elif second:  # a sum with 0 is left alone, so that -0 stays -0
            columns[column][:] = np.where(second[0] == 0, first, first + second[0])
