"""The sizes of a network, the names and shapes of its parameters, and their first values."""

import math
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from ..errors import UsageError
from ..options import PRECISIONS
from .cells import CELLS, current_name

OPTIONAL = ("outputs", "bidirectional", "context", "channels")  # fields of an architecture that only some networks have
MOST_CONTEXT = 64
MOST_NUMBERED = 2**24 - 1  # symbols of a feed-forward model, which carries the ids of tokens as float32
MOST_LAYERS = 4
MOST_CHANNELS = 2**17  # numbers of a step of dense input: 65,536 channels, and their slopes
MOST_PARAMETERS = 2**31


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The sizes of a network. ``embedding`` 0 means one-hot input; ``tied`` means W_ya = Eᵀ.

    cell: a name in ``cells.CELLS``; an old name becomes the current one. outputs: how many outputs the head has, None
    for as many as there are inputs, 0 for no head: then the states themselves are the output. bidirectional: each layer
    reads in both directions. context: how many tokens a feed-forward network sees, the latest one included; None for
    the cell's own number, and for the other cells. channels: the input at each step is a vector of so many numbers in
    place of a token, 0 for tokens. It has no embedding: the vectors are multiplied by W_x of the first layer.

    Raises UsageError for sizes that cannot be.
    """

    vocabulary_size: int = field(kw_only=False)
    cell: str = field(default="lstm", kw_only=False)
    hidden: int = field(default=128, kw_only=False)
    layers: int = field(default=2, kw_only=False)
    embedding: int = 0
    tied: bool = False
    outputs: int | None = None
    bidirectional: bool = False
    context: int | None = None
    channels: int = 0

    def __post_init__(self):
        object.__setattr__(self, "cell", current_name(self.cell))
        self._check_context()
        if self.hidden < 1:
            raise UsageError(f"the hidden width must be at least 1, not {self.hidden}")
        if not 1 <= self.layers <= MOST_LAYERS:
            raise UsageError(f"the number of layers must be 1 to {MOST_LAYERS}, not {self.layers}")
        if not 0 <= self.channels <= MOST_CHANNELS:
            raise UsageError(f"a step can have up to {MOST_CHANNELS:,} numbers (channels), not {self.channels:,}")
        self._check_embedding()
        if self.tied and (self.outputs is not None or self.bidirectional):
            raise UsageError("tied weights are for a language model, whose outputs are its inputs: do not give --tied")
        if self.number_of_parameters > MOST_PARAMETERS:
            raise UsageError(
                f"a network of {self.number_of_parameters:,} parameters is too large; choose a smaller --hidden"
            )

    def _check_embedding(self):
        if self.embedding < 0:
            raise UsageError(f"the width of the embedding must be at least 1 (or 0 for one-hot), not {self.embedding}")
        if self.tied and self.embedding != self.hidden:
            raise UsageError(
                "tied weights need an embedding as wide as the hidden layer: "
                f"--embedding {self.hidden}, not {self.embedding}"
            )
        if self.embedding and self.channels:
            raise UsageError("an embedding is for tokens, and the input is vectors: leave --embedding out")

    def _check_context(self):
        if CELLS[self.cell].context is None:
            if self.context is not None:
                raise UsageError(
                    f"--context is for --cell feedforward; a cell that carries a state, like {self.cell}, has no such "
                    "limit"
                )
            return
        if self.context is None:
            object.__setattr__(self, "context", CELLS[self.cell].context)
        if not 1 <= self.context <= MOST_CONTEXT:
            raise UsageError(f"--context must be 1 to {MOST_CONTEXT} tokens, not {self.context}")
        if self.bidirectional:
            raise UsageError("--bidirectional is for cells that carry a state, and --cell feedforward carries none")
        if self.channels:
            raise UsageError("--cell feedforward reads tokens, and the input is vectors: take rnn, gru or lstm")
        if self.vocabulary_size > MOST_NUMBERED:
            raise UsageError(f"--cell feedforward takes at most {MOST_NUMBERED:,} symbols: give --max-vocabulary")

    def as_dict(self) -> dict:
        """The fields as JSON values, without the fields in OPTIONAL that this network does not use."""
        fields = asdict(self)
        return {name: value for name, value in fields.items() if name not in OPTIONAL or value}

    def small(self) -> "Architecture":
        """A network of the same kind with sizes of 2 and 3; it calls the same kernels."""
        return replace(
            self,
            vocabulary_size=3,
            hidden=2,
            embedding=2 if self.embedding else 0,
            outputs=self.outputs and 3,
            channels=2 if self.channels else 0,
        )

    @property
    def output_size(self) -> int:
        """How many outputs the head has, 0 without a head."""
        return self.vocabulary_size if self.outputs is None else self.outputs

    @property
    def state_size(self) -> int:
        """The width of the last layer's output at each step."""
        return self.hidden * (2 if self.bidirectional else 1)

    @property
    def carried(self) -> list[int]:
        """The widths of the states that the network carries from step to step, (rows, width) each: a and c of each
        layer. A feed-forward network carries the tokens before the latest one instead."""
        if self.context:
            return [self.context - 1] if self.context > 1 else []
        return [self.hidden] * (self.layers * (2 if CELLS[self.cell].has_c else 1))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter, in the order in which they stand in the vector.

            E        (V, embedding)               the embedding, if there is one
            W_x      (D, input_columns · H)       of each layer, with the prefix ``layer1.``; D of the first layer is V,
                                                  the width of the embedding, or the number of channels
            W_a      (H, recurrent_columns · H)   of each recurrent layer
            b        (columns · H)                of each layer
            p        (peepholes, H)               of each layer of a cell with peepholes
            W_ya     (state_size, output_size)    absent where tied to E
            b_y      (output_size)

        Rows multiply: z = x W_x + a' W_a + b. A bidirectional layer has its parameters twice, the second time as
        ``layer1.back.W_x``. A feed-forward network has no W_a, and W_x of its first layer is (context · D, H): a matrix
        for each position, one below the other.
        """
        cell, H, V = CELLS[self.cell], self.hidden, self.vocabulary_size
        shapes = {"E": (V, self.embedding)} if self.embedding else {}
        for layer in range(1, self.layers + 1):
            below = self.state_size if layer > 1 else self.channels or (self.embedding or V) * (self.context or 1)
            for direction in ("", "back.") if self.bidirectional else ("",):
                name = f"layer{layer}.{direction}"
                shapes[name + "W_x"] = (below, cell.input_columns * H)
                if cell.recurrent_columns:
                    shapes[name + "W_a"] = (H, cell.recurrent_columns * H)
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
    """The sizes of an encoder and a decoder, the same for both; only the encoder may be bidirectional, and only the
    source may be vectors."""

    def __post_init__(self):
        super().__post_init__()
        if self.context:
            raise UsageError(
                "an encoder and a decoder need a cell that carries a state, and --cell feedforward carries none"
            )

    def _check_embedding(self):
        self.decoder._check_embedding()  # that of the source, if it is vectors, has none

    @property
    def encoder(self) -> Architecture:
        fields = self.as_dict() | {"outputs": 0, "tied": False}
        return Architecture(**fields | ({"embedding": 0} if self.channels else {}))

    @property
    def decoder(self) -> Architecture:
        return Architecture(**self.as_dict() | {"bidirectional": False, "channels": 0})

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The encoder's parameters, without W_ya and b_y; W_s (S, states) and b_s (states), the linear map from the
        encoder's summary to the decoder's first states; the decoder's parameters."""
        states = sum(self.carried)
        return {
            **{f"encoder.{name}": shape for name, shape in self.encoder.shapes().items()},
            "W_s": (self.state_size, states),
            "b_s": (states,),
            **{f"decoder.{name}": shape for name, shape in self.decoder.shapes().items()},
        }


@dataclass(frozen=True, kw_only=True)
class Tagging(Architecture):
    """The sizes of a bidirectional reader of words, character by character, and of a network over their vectors.

    words_size: how many words have an embedding of their own, plus one embedding for all other words.
    """

    words_size: int = 1

    def _part(self, **sizes) -> Architecture:
        return Architecture(**{name: size for name, size in self.as_dict().items() if name != "words_size"} | sizes)

    @property
    def reader(self) -> Architecture:
        """One bidirectional layer; each direction is half as wide as the sentence's layers."""
        return self._part(hidden=-(-self.hidden // 2), layers=1, outputs=0, bidirectional=True)

    @property
    def sentence(self) -> Architecture:
        """Its input at each step is a word's vector: the reader's summary of the word, and the word's embedding."""
        return self._part(vocabulary_size=3 * self.reader.hidden, embedding=0)

    def small(self) -> "Tagging":
        return replace(super().small(), words_size=1)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The reader's parameters, without W_ya and b_y; ``words.E`` (words_size, half of H); the parameters of the
        network over the words."""
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


def frozen_parameters(architecture: Architecture, layers: int) -> set[str]:
    """The names of the parameters that do not learn where the lower ``layers`` layers of each stack are frozen: theirs,
    and those of the input below them, which are the embedding and the reader of a tagger; none for 0."""
    if not layers:
        return set()
    found = set()
    for name in architecture.shapes():
        parts = name.split(".")
        index = next((int(part.removeprefix("layer")) for part in parts if part.startswith("layer")), 0)
        if parts[0] == "reader" or parts[-1] == "E" or 0 < index <= layers:
            found.add(name)
    return found


def initial_parameters(architecture: Architecture, log_frequencies: np.ndarray, seed: int) -> np.ndarray:
    """First values, float32 (P): W_x, W_a and W_ya uniform in ±1/√H, E normal with deviation 0.1, biases 0.

    Two of the biases are not 0: the forget gate's is 1, so that the LSTM starts by remembering (Jozefowicz, Zaremba and
    Sutskever, 2015), and b_y is the logarithm of each symbol's frequency, so that the network starts as a unigram
    model.

    log_frequencies: the natural logarithm of each output's frequency, (V).
    """
    random = np.random.default_rng([seed, 0])
    vector = np.zeros(architecture.number_of_parameters, np.float32)
    H, gates = architecture.hidden, CELLS[architecture.cell].gates.split()
    for name, values in views(architecture, vector).items():
        kind = name.split(".")[-1]
        if kind in ("W_x", "W_a", "W_ya", "W_s"):
            values[:] = random.uniform(-1, 1, values.shape) / math.sqrt(H)
        elif kind == "E":
            values[:] = 0.1 * random.standard_normal(values.shape)
        elif kind == "b_y":
            values[:] = log_frequencies
        elif kind == "b" and "f" in gates:
            values.reshape(len(gates), -1)[gates.index("f")] = 1
    return vector
