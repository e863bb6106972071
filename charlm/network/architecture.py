"""What a network is made of: its sizes, the names and shapes of its parameters, and their first values."""

import math
from dataclasses import asdict, dataclass, replace

import numpy as np

from ..errors import UsageError


@dataclass(frozen=True)
class Cell:
    """How a cell lays out the columns of z, each of width H: the input takes part in the first ``input``, the state
    in the last ``recurrent`` of all ``columns``."""

    input: int
    recurrent: int
    columns: int
    gates: str  # in the order of the columns
    peepholes: int = 0
    context: int | None = None  # tokens that it sees if not told otherwise, None where it carries a state

    @property
    def has_c(self) -> bool:
        """Whether there is a state c beside a, with a forget gate before it."""
        return "f" in self.gates.split()


CELLS = {
    "rnn": Cell(1, 1, 1, "a"),
    "gru": Cell(3, 3, 4, "c u r q"),
    "lstm": Cell(4, 4, 4, "u f o c"),
    "peephole": Cell(4, 4, 4, "u f o c", peepholes=3),
    "window": Cell(1, 0, 1, "a", context=8),
}
PRECISIONS = ("float32", "bf16")  # in which matrices are multiplied
OPTIONAL = ("outputs", "bidirectional", "context")  # fields of an architecture that only some networks have
MOST_CONTEXT = 64
MOST_NUMBERED = 2**24 - 1  # the ids of the tokens that a window carries stand in float32
MOST_LAYERS = 4
MOST_PARAMETERS = 2**31


@dataclass(frozen=True)
class Architecture:
    """The sizes of a network. ``embedding`` 0 means one-hot input; ``tied`` means W_ya = Eᵀ.

    outputs: how many the softmax chooses from, None for as many as there are inputs, 0 where the states themselves are
    the output. bidirectional: each layer reads both ways. context: of the window cell, how many tokens it sees, the
    last one included; None for the cell's own number, and for the others.
    """

    vocabulary_size: int
    cell: str = "lstm"
    hidden: int = 128
    layers: int = 2
    embedding: int = 0
    tied: bool = False
    outputs: int | None = None
    bidirectional: bool = False
    context: int | None = None

    def __post_init__(self):
        if self.cell not in CELLS:
            raise UsageError(f"there is no cell {self.cell!r}; choose one of {', '.join(CELLS)}")
        self._check_context()
        if self.hidden < 1:
            raise UsageError(f"the hidden width must be at least 1, not {self.hidden}")
        if not 1 <= self.layers <= MOST_LAYERS:
            raise UsageError(f"the number of layers must be 1 to {MOST_LAYERS}, not {self.layers}")
        if self.embedding < 0:
            raise UsageError(f"the width of the embedding must be at least 1 (or 0 for one-hot), not {self.embedding}")
        if self.tied and self.embedding != self.hidden:
            raise UsageError(
                "tied weights need an embedding as wide as the hidden layer: "
                f"--embedding {self.hidden}, not {self.embedding}"
            )
        if self.tied and (self.outputs is not None or self.bidirectional):
            raise UsageError("tied weights are for a language model, whose outputs are its inputs: leave --tied out")
        if self.number_of_parameters > MOST_PARAMETERS:
            raise UsageError(
                f"a network of {self.number_of_parameters:,} parameters is too large; choose a smaller --hidden"
            )

    def _check_context(self):
        if CELLS[self.cell].context is None:
            if self.context is not None:
                raise UsageError(
                    f"--context is for --cell window; a cell that carries a state, like {self.cell}, has no such limit"
                )
            return
        if self.context is None:
            object.__setattr__(self, "context", CELLS[self.cell].context)
        if not 1 <= self.context <= MOST_CONTEXT:
            raise UsageError(f"--context must be 1 to {MOST_CONTEXT} tokens, not {self.context}")
        if self.bidirectional:
            raise UsageError("--bidirectional is for cells that carry a state: a window carries none, either way")
        if self.vocabulary_size > MOST_NUMBERED:
            raise UsageError(f"a window can tell {MOST_NUMBERED:,} symbols apart: give --max-vocabulary")

    def as_dict(self) -> dict:
        """The fields; those that only some networks have are left out where they are not used."""
        fields = asdict(self)
        return {name: value for name, value in fields.items() if name not in OPTIONAL or value}

    def small(self) -> "Architecture":
        """A network of the same kind, of sizes 2 and 3, which calls the same kernels."""
        return replace(
            self, vocabulary_size=3, hidden=2, embedding=2 if self.embedding else 0, outputs=self.outputs and 3
        )

    @property
    def output_size(self) -> int:
        """The probabilities that each output has."""
        return self.vocabulary_size if self.outputs is None else self.outputs

    @property
    def state_size(self) -> int:
        """The width of what the last layer gives at each step."""
        return self.hidden * (2 if self.bidirectional else 1)

    @property
    def carried(self) -> list[int]:
        """The widths of what is carried from step to step, (rows, width) each: a and c of each layer, or of a window
        the tokens before the last."""
        if self.context:
            return [self.context - 1] if self.context > 1 else []
        return [self.hidden] * (self.layers * (2 if CELLS[self.cell].has_c else 1))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter, in the order in which they stand in the vector.

        E (V, E) the embedding; for each layer W_x (D, input · H), W_a (H, recurrent · H), b (columns · H) and, for
        the peephole cell, p (3, H), where it is bidirectional twice, the second time as ``layer1.back.W_x``; of a
        window there is no W_a, and the first layer's W_x has a matrix for each place, below each other (n · D, H);
        W_ya (H, V), or as many rows as ``state_size`` and columns as ``output_size``, absent when tied; b_y (V).
        Rows multiply: z = x W_x + a' W_a + b.
        """
        cell, H, V = CELLS[self.cell], self.hidden, self.vocabulary_size
        shapes = {"E": (V, self.embedding)} if self.embedding else {}
        for layer in range(1, self.layers + 1):
            below = self.state_size if layer > 1 else (self.embedding or V) * (self.context or 1)
            for direction in ("", "back.") if self.bidirectional else ("",):
                name = f"layer{layer}.{direction}"
                shapes[name + "W_x"] = (below, cell.input * H)
                if cell.recurrent:
                    shapes[name + "W_a"] = (H, cell.recurrent * H)
                shapes[name + "b"] = (cell.columns * H,)
                if cell.peepholes:
                    shapes[name + "p"] = (cell.peepholes, H)
        if self.output_size:
            if not self.tied:
                shapes["W_ya"] = (self.state_size, self.output_size)
            shapes["b_y"] = (self.output_size,)
        return shapes

    @property
    def number_of_parameters(self) -> int:
        return sum(map(math.prod, self.shapes().values()))


class Translation(Architecture):
    """The sizes of an encoder and a decoder, the same for both; only the encoder may read both ways."""

    def __post_init__(self):
        super().__post_init__()
        if self.context:
            raise UsageError("an encoder and a decoder need a cell that carries a state, and a window carries none")

    @property
    def encoder(self) -> Architecture:
        fields = self.as_dict() | {"outputs": 0, "tied": False}
        return Architecture(**fields)

    @property
    def decoder(self) -> Architecture:
        return Architecture(**self.as_dict() | {"bidirectional": False})

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Those of the encoder, without W_ya and b_y; W_s (S, states) and b_s, of the map from what it gives to the
        decoder's states; those of the decoder."""
        states = sum(self.carried)
        return {
            **{f"encoder.{name}": shape for name, shape in self.encoder.shapes().items()},
            "W_s": (self.state_size, states),
            "b_s": (states,),
            **{f"decoder.{name}": shape for name, shape in self.decoder.shapes().items()},
        }


@dataclass(frozen=True)
class Tagging(Architecture):
    """The sizes of a reader of words, character by character and both ways, and of a network over their vectors.

    words_size: the words that have an embedding of their own, and one more for all others.
    """

    words_size: int = 1

    def _part(self, **sizes) -> Architecture:
        return Architecture(**{name: size for name, size in self.as_dict().items() if name != "words_size"} | sizes)

    @property
    def reader(self) -> Architecture:
        """One layer, each way half as wide as the others."""
        return self._part(hidden=-(-self.hidden // 2), layers=1, outputs=0, bidirectional=True)

    @property
    def sentence(self) -> Architecture:
        """Its input is a word's vector where another's is one-hot: what the reader gives, and an embedding."""
        return self._part(vocabulary_size=3 * self.reader.hidden, embedding=0)

    def small(self) -> "Tagging":
        return replace(super().small(), words_size=1)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Those of the reader, without W_ya and b_y; E (words, half of H); those of the network over the words."""
        return {
            **{f"reader.{name}": shape for name, shape in self.reader.shapes().items()},
            "words.E": (self.words_size, self.reader.hidden),
            **{f"sentence.{name}": shape for name, shape in self.sentence.shapes().items()},
        }


def check_precision_name(precision: str) -> None:
    """Raise UsageError where there is no such precision."""
    if precision not in PRECISIONS:
        raise UsageError(f"there is no precision {precision!r}; choose one of {', '.join(PRECISIONS)}")


def views(architecture: Architecture, vector: np.ndarray) -> dict[str, np.ndarray]:
    """The parameters (or their gradients) as named views of one flat vector of ``number_of_parameters`` numbers."""
    named, start = {}, 0
    for name, shape in architecture.shapes().items():
        size = math.prod(shape)
        named[name] = vector[start : start + size].reshape(shape)
        start += size
    return named


def initial_parameters(architecture: Architecture, log_frequencies: np.ndarray, seed: int) -> np.ndarray:
    """First values, float32 (P): W_x, W_a and W_ya uniform in ±1/√H, E normal with deviation 0.1, biases 0.

    Two of the biases are not 0: the forget gate's is 1, so that the LSTM starts by remembering (Jozefowicz, Zaremba and
    Sutskever, 2015), and b_y is the logarithm of each symbol's frequency, so that the network starts as a unigram
    model.

    log_frequencies: of each output, (V), natural logarithms.
    """
    random = np.random.default_rng([seed, 0])
    vector = np.zeros(architecture.number_of_parameters, np.float32)
    H = architecture.hidden
    for name, values in views(architecture, vector).items():
        kind = name.split(".")[-1]
        if kind in ("W_x", "W_a", "W_ya", "W_s"):
            values[:] = random.uniform(-1, 1, values.shape) / math.sqrt(H)
        elif kind == "E":
            values[:] = 0.1 * random.standard_normal(values.shape)
        elif kind == "b_y":
            values[:] = log_frequencies
        elif kind == "b" and CELLS[architecture.cell].has_c:
            gates = values.reshape(CELLS[architecture.cell].columns, -1)
            gates[CELLS[architecture.cell].gates.split().index("f")] = 1
    return vector
