"""A graph of ONNX's operators, and the layers of a network in one.

How charlm's cells become ONNX's operators:

    RNN    the same equations
    LSTM   gates i, o, f, c in place of u, f, o, c̃; the peepholes p are the input P
    GRU    gates z, r, h in place of u, r, c̃, with linear_before_reset. z is 1 - u: as 1 - σ(x) = σ(-x), all that adds
           up to it is negated

The operators multiply their input by W, and cannot take a row of it. So one-hot input is a vector of V numbers where V
is small; for a larger vocabulary the input is the row of W_x itself, and W is the identity.
"""

from typing import Any, NamedTuple

import numpy as np

from ..network.architecture import Architecture
from ..network.cells import CELLS

OPSET, IR_VERSION = 14, 7  # of 2021: runtimes of many years read them
FLOAT, INT32 = 1, 6  # ONNX's numbers of the types
END = 2**63 - 1  # of a slice up to the end of the array

Named = dict[str, np.ndarray]  # parameters by name


class Graph:
    """A graph of ONNX under construction. A value is known by its name; ``node`` and ``constant`` return new ones."""

    def __init__(self) -> None:
        self.nodes: list[tuple[str, tuple[str, ...], list[str], dict[str, Any]]] = []
        self.constants: Named = {}
        self.inputs: list[tuple[str, type, tuple]] = []
        self.outputs: list[tuple[str, type, tuple]] = []

    def input(self, name: str, kind: type, *shape: int | str) -> str:
        """An input of the graph. shape: sizes; a word stands for one that varies."""
        self.inputs.append((name, kind, shape))
        return name

    def output(self, value: str, name: str, kind: type, *shape: int | str) -> None:
        """Make a value an output of the graph."""
        self.outputs.append((name, kind, shape))
        self.nodes.append(("Identity", (value,), [name], {}))

    def constant(self, values: Any) -> str:
        name = f"constant{len(self.constants)}"
        self.constants[name] = np.ascontiguousarray(values)
        return name

    def integers(self, *values: int) -> str:
        """A constant, int64 (number of values)."""
        return self.constant(np.array(values, np.int64))

    def scalar(self, value: np.generic) -> str:
        """A constant without axes."""
        return self.node("Squeeze", self.constant(value))

    def outputs_of(self, number: int, operator: str, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node with several outputs. An input of "" is left out."""
        made = [f"value{len(self.nodes)}.{output}" for output in range(number)]
        self.nodes.append((operator, inputs, made, attributes))
        return made

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        return self.outputs_of(1, operator, *inputs, **attributes)[0]

    def message(self, metadata: dict[str, str], version: str):
        """The graph as a message of protobuf, the content of an .onnx file. version: of charlm."""
        from onnx import helper

        def described(values):
            kinds = [(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), shape) for name, kind, shape in values]
            return [helper.make_tensor_value_info(*kind) for kind in kinds]

        def tensor(name, array):
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            return helper.make_tensor(name, kind, array.shape, array.tobytes(), raw=True)

        nodes = [helper.make_node(operator, read, made, **others) for operator, read, made, others in self.nodes]
        constants = [tensor(name, array) for name, array in self.constants.items()]
        graph = helper.make_graph(nodes, "charlm", described(self.inputs), described(self.outputs), constants)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="charlm")
        model.producer_version = version
        helper.set_model_props(model, metadata)
        return model


# The cells: the weights of a direction in the order of ONNX's operator, W (D, columns · H) and R (H, columns · H), the
# biases that belong to them, and the peepholes, None where there are none.


class OperatorWeights(NamedTuple):
    W: np.ndarray
    R: np.ndarray
    W_bias: np.ndarray
    R_bias: np.ndarray
    P: np.ndarray | None = None


def rnn_weights(W_x, W_a, b, p) -> OperatorWeights:
    return OperatorWeights(W_x, W_a, b, np.zeros_like(b))


def gru_weights(W_x, W_a, b, p) -> OperatorWeights:
    (x_g, x_u, x_r), (a_u, a_r, a_q) = (np.split(array, 3, axis=1) for array in (W_x, W_a))
    b_g, b_u, b_r, b_q = np.split(b, 4)
    none = np.zeros_like(b_g)
    W, R = np.hstack((-x_u, x_r, x_g)), np.hstack((-a_u, a_r, a_q))
    return OperatorWeights(W, R, np.hstack((-b_u, b_r, b_g)), np.hstack((none, none, b_q)))


def lstm_weights(W_x, W_a, b, p) -> OperatorWeights:
    def ordered(array):
        u, f, o, g = np.split(array, 4, axis=-1)
        return np.concatenate((u, o, f, g), axis=-1)

    P = None if p is None else p[[0, 2, 1]].ravel()
    return OperatorWeights(ordered(W_x), ordered(W_a), ordered(b), np.zeros_like(b), P)


OPERATORS = {
    "rnn": ("RNN", rnn_weights, {}),
    "gru": ("GRU", gru_weights, {"linear_before_reset": 1}),
    "lstm": ("LSTM", lstm_weights, {}),
    "peephole": ("LSTM", lstm_weights, {}),
}


# The layers


class Read(NamedTuple):
    """What recurrent layers have read: the outputs of the last layer at each step, (T, N, state_size), and after the
    whole of each sequence, (N, state_size); the states of all layers after the last step, (N, H) each."""

    steps: str
    whole: str
    states: list[str]


def recurrent(
    graph: Graph,
    a: Architecture,
    named: Named,
    x: str,
    *,
    one_hot: bool,
    states: list[str] | None = None,
    lengths: str = "",
) -> Read:
    """The recurrent layers of a network.

    x: the input, (T, N, D); with one_hot ids, (T, N). states: before the first step, (N, H) each, None for zeros.
    lengths: of the sequences, (N), "" where all have T steps.
    """
    operator, weights_of, attributes = OPERATORS[a.cell]
    attributes = attributes | {"hidden_size": a.hidden, "direction": "bidirectional" if a.bidirectional else "forward"}
    kept, after, whole = 2 if CELLS[a.cell].has_c else 1, [], x
    sequence_lens = graph.node("Cast", lengths, to=INT32) if lengths else ""
    before = [graph.node("Unsqueeze", state, graph.integers(0)) for state in states or []]
    for layer in range(a.layers):
        names = [f"layer{layer + 1}.{direction}" for direction in ("", "back.")[: 1 + a.bidirectional]]
        weights = [weights_of(*(named.get(name + kind) for kind in ("W_x", "W_a", "b", "p"))) for name in names]
        if one_hot and layer == 0:
            x, W = _looked_up(graph, x, [one.W for one in weights])
        else:
            W = graph.constant(np.stack([one.W.T for one in weights]))
        R = graph.constant(np.stack([one.R.T for one in weights]))
        B = graph.constant(np.stack([np.hstack((one.W_bias, one.R_bias)) for one in weights]))
        P = [] if weights[0].P is None else [graph.constant(np.stack([one.P for one in weights]))]
        start = before[layer * kept : (layer + 1) * kept] or [""] * kept
        inputs = [x, W, R, B, sequence_lens, *start, *P]
        steps, *ends = graph.outputs_of(1 + kept, operator, *inputs, **attributes)
        x = _side_by_side(graph, steps, 0, 2, 1, 3)
        after += [_side_by_side(graph, end, 1, 0, 2) for end in ends]
        whole = after[-kept]
    return Read(x, whole, after)


def _looked_up(graph: Graph, ids: str, W: list[np.ndarray]) -> tuple[str, str]:
    """The input and the weights W of a layer that reads ids (T, N) as one-hot vectors. W: (V, columns) for each
    direction."""
    (V, columns), directions = W[0].shape, len(W)
    if V <= columns * directions:
        x = graph.node("OneHot", ids, graph.integers(V), graph.constant(np.array([0, 1], np.float32)), axis=-1)
        return x, graph.constant(np.stack([one.T for one in W]))
    x = graph.node("Gather", graph.constant(np.hstack(W)), ids)
    zeros = graph.node("ConstantOfShape", graph.integers(columns * directions, columns * directions))
    return x, graph.node("Reshape", graph.node("EyeLike", zeros), graph.integers(directions, columns, -1))


def _side_by_side(graph: Graph, value: str, *order: int) -> str:
    """An array (…, directions, N, H) as (…, N, directions · H). order: of its axes."""
    transposed = graph.node("Transpose", value, perm=list(order))
    return graph.node("Reshape", transposed, graph.integers(*[0] * (len(order) - 2), -1))


def feedforward(
    graph: Graph, a: Architecture, named: Named, tokens: str, E: str, before: list[str]
) -> tuple[str, list[str]]:
    """The layers of a feed-forward network: the output of the last one, (T, N, H), and the states after the last step.

    tokens: ids (T, N). E: the embedding, "" where there is none. before: the states before the first step: for a
    context of several tokens those before, 1 + their ids, 0 for none, (N, context - 1).
    """
    n, after = a.context or 1, []
    seen = graph.node("Add", tokens, graph.integers(1))
    for past in before:
        seen = graph.node("Concat", graph.node("Transpose", past, perm=[1, 0]), seen, axis=0)
        kept = graph.node("Slice", seen, graph.integers(1 - n), graph.integers(END), graph.integers(0))
        after.append(graph.node("Transpose", kept, perm=[1, 0]))
    ids = []  # of x⟨t⟩, x⟨t-1⟩, …
    for back in range(n):
        start, stop = graph.integers(n - 1 - back), graph.integers(-back if back else END)
        ids.append(graph.node("Slice", seen, start, stop, graph.integers(0)))
    if E:
        table = _with_none(graph, E, a.embedding)
        x = graph.node("Concat", *(graph.node("Gather", table, some) for some in ids), axis=-1)
    else:
        parts = np.split(named["layer1.W_x"], n)  # for x⟨t⟩, x⟨t-1⟩, …
        tables = [_with_none(graph, graph.constant(part), a.hidden) for part in parts]
        x, *others = (graph.node("Gather", table, some) for table, some in zip(tables, ids, strict=True))
        for other in others:
            x = graph.node("Add", x, other)
    for layer in range(1, a.layers + 1):
        if layer > 1 or E:
            x = graph.node("MatMul", x, graph.constant(named[f"layer{layer}.W_x"]))
        x = graph.node("Tanh", graph.node("Add", x, graph.constant(named[f"layer{layer}.b"])))
    return x, after


def _with_none(graph: Graph, table: str, width: int) -> str:
    """A table with a row of zeros before its own, for no token."""
    return graph.node("Concat", graph.constant(np.zeros((1, width), np.float32)), table, axis=0)


def logits(graph: Graph, named: Named, x: str, E: str = "") -> str:
    """The head: (…, state_size) → (…, output_size). E: the embedding, which is its weights where it has none."""
    W_ya = graph.constant(named["W_ya"]) if "W_ya" in named else graph.node("Transpose", E)
    return graph.node("Add", graph.node("MatMul", x, W_ya), graph.constant(named["b_y"]))
