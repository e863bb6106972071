"""The form .onnx: the network as a graph of ONNX's operators, which onnxruntime runs in many languages.

    language model   tokens (steps, rows) and the states before → logits (steps, rows, V) and the states after
    classify         tokens and lengths (rows) → logits (rows, labels)
    tag              words (characters, words), word_lengths (words), known (words), tokens and lengths → logits (steps,
                     rows, tags). Each column of words is a word; known is its number among the words that the model
                     has a vector for, from 1 on, or 0; tokens are columns of words
    translate        two graphs in two files: tokens and lengths → the states before of the other, a language model

    Where the input is vectors, classify, tag and the source of translate have vectors (steps, rows, channels) in place
    of tokens (and of words), as they stand in a file: the graph standardizes them.

All ids and lengths are int64, all else is float32. A state is (rows, H), zero before the first token: layer1.a and, of
a cell that has one, layer1.c. A feed-forward network has past (rows, context - 1) in its place, int64: 1 + the ids of
the tokens before, 0 for none. The states after have these names with .after. The metadata say which task and level it
is, and, as JSON, the vocabulary in the order of the ids (null for <UNK>), the ids of <EOS> and <UNK>, whether each line
is a text, and what else the model file has of the vocabulary and the task.
"""

import json
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .._version import __version__
from ..errors import CharlmError, UsageError
from ..files import atomic_file
from ..model import Model
from ..network.architecture import Architecture, Tagging, Translation
from ..network.cells import CELLS
from ..text.vocabulary import EOS, UNKNOWN
from ..vectors.channels import FARTHEST
from . import check_places, without_ngrams
from .onnx_graph import FLOAT, IR_VERSION, OPERATORS, Graph, Named, Read, feedforward, logits, recurrent

BEGINNING = bytes((8, IR_VERSION, 18, 6)) + b"charlm"  # of a file: ir_version, producer_name
MOST_NUMBERS = 2**29 - 2**20  # in a graph: protobuf holds less than 2 GiB


def write(model: Model, path, used: Iterable) -> list[str]:
    """Write a model to an .onnx file, a translator to two; see ``export.FORMS``."""
    _check(model)
    a, named, path = model.architecture, _named(model), Path(path)
    graphs, notes = {}, without_ngrams(model, "an .onnx file has")
    if model.task.name == "translate":
        of_encoder = path.parent / f"{path.stem}.encoder{path.suffix}"
        graphs = {path: language_model(a.decoder, _part(named, "decoder.")), of_encoder: encoder(a, named)}
        notes.append(f"{of_encoder} has the encoder, {path} the decoder")
    else:
        tags = step_tagger if a.channels else tagger
        labels = vector_classifier if a.channels else classifier
        graphs[path] = {"classify": labels, "tag": tags}.get(model.task.name, language_model)(a, named)
    check_places(graphs, used, is_ours, "an .onnx file of charlm")
    metadata = _metadata(model)
    for place, graph in graphs.items():
        _write_file(place, graph.message(metadata, __version__).SerializeToString())
    return notes


def _named(model: Model) -> Named:
    """The parameters by name and, where the input is vectors, what standardizes them."""
    if not model.architecture.channels:
        return model.named_parameters
    channels = model.task.channels  # type: ignore[attr-defined]  # of VectorTask
    scales = {"mean": channels.mean, "deviation": channels.deviation}
    scales |= {"slopes": channels.slopes} if channels.slopes else {}
    return model.named_parameters | {name: np.array(values, np.float32) for name, values in scales.items()}


def _check(model: Model) -> None:
    """Raise CharlmError where charlm cannot write an .onnx file of the model here."""
    cell = model.architecture.cell
    if model.task.name == "chords":
        raise UsageError("charlm cannot write a model of --task chords to an .onnx file; write .safetensors")
    if cell not in (*OPERATORS, "feedforward"):
        raise UsageError(f"charlm cannot write --cell {cell} to an .onnx file; write .safetensors")
    if model.architecture.number_of_parameters > MOST_NUMBERS:
        raise UsageError("the network is too large for an .onnx file, which holds less than 2 GiB; write .safetensors")
    if find_spec("onnx") is None:
        raise CharlmError("the package onnx, which writes .onnx files, is missing: pip install 'charlm[onnx]'")


def _write_file(path: Path, content: bytes) -> None:
    try:
        with atomic_file(path) as file:
            file.write(content)
    except OSError as error:
        raise CharlmError(f"cannot write {path}: {error.strerror}") from None


def is_ours(path) -> bool:
    """Whether a file looks like one that ``write`` wrote."""
    if not Path(path).is_file():
        return False
    with open(path, "rb") as file:
        return file.read(len(BEGINNING)) == BEGINNING


def _metadata(model: Model) -> dict[str, str]:
    """What a program must know to use the graph: charlm (the version), task and level; all else as JSON."""
    fields = model.vocabulary.fields()
    level, symbols = fields.pop("level"), fields.pop("symbols")
    values = {
        "vocabulary": [ord("\n") if level == "byte" else "\n", None, *symbols],  # by id
        "end_of_sequence_id": EOS,
        "unknown_id": UNKNOWN,
        "lines": model.lines,
        **fields,
        **model.task.fields(),
    }
    words = {"charlm": __version__, "task": model.task.name, "level": level}
    return words | {name: json.dumps(value) for name, value in values.items()}


# The graphs


def language_model(a: Architecture, named: Named) -> Graph:
    """Tokens and the states before → logits and the states after."""
    graph = Graph()
    tokens = graph.input("tokens", np.int64, "steps", "rows")
    states = [(name, np.int64 if name == "past" else np.float32, width) for name, width in _states(a)]
    before = [graph.input(name, kind, "rows", width) for name, kind, width in states]
    E = graph.constant(named["E"]) if a.embedding else ""
    if a.context:
        x, after = feedforward(graph, a, named, tokens, E, before)
    else:
        x = graph.node("Gather", E, tokens) if E else tokens
        x, _, after = recurrent(graph, a, named, x, one_hot=not E, states=before)
    graph.output(logits(graph, named, x, E), "logits", np.float32, "steps", "rows", a.output_size)
    for value, (name, kind, width) in zip(after, states, strict=True):
        graph.output(value, f"{name}.after", kind, "rows", width)
    return graph


def _states(a: Architecture) -> list[tuple[str, int]]:
    """Name and width of each state that a network carries, in the order of ``Architecture.carried``."""
    kinds = ("a", "c") if CELLS[a.cell].has_c else ("a",)
    names = ["past"] if a.context else [f"layer{layer}.{kind}" for layer in range(1, a.layers + 1) for kind in kinds]
    return list(zip(names, a.carried, strict=False))  # a context of one token carries none


def classifier(a: Architecture, named: Named) -> Graph:
    """Tokens and lengths → the logits of the labels after each text."""
    graph = Graph()
    whole = _whole(graph, a, named)
    graph.output(logits(graph, named, whole), "logits", np.float32, "rows", a.output_size)
    return graph


def encoder(a: Translation, named: Named) -> Graph:
    """Tokens and lengths of sources → the states from which the decoder starts."""
    graph = Graph()
    scales = {name: named[name] for name in ("mean", "deviation", "slopes") if name in named}
    whole = _whole(graph, a.encoder, _part(named, "encoder.") | scales)
    states = graph.node("Add", graph.node("MatMul", whole, graph.constant(named["W_s"])), graph.constant(named["b_s"]))
    names = _states(a.decoder)
    sizes = graph.integers(*(width for _, width in names))
    parts = graph.outputs_of(len(names), "Split", states, sizes, axis=1)
    for value, (name, width) in zip(parts, names, strict=True):
        graph.output(value, name, np.float32, "rows", width)
    return graph


def _whole(graph: Graph, a: Architecture, named: Named) -> str:
    """What the last layer gives after the whole of each sequence: (N, state_size)."""
    return _read_in_full(graph, a, named).whole


def _read_in_full(graph: Graph, a: Architecture, named: Named) -> Read:
    """The layers of a network over whole sequences."""
    if a.channels:
        x = graph.input("vectors", np.float32, "steps", "rows", len(named["mean"]))
    else:
        tokens = graph.input("tokens", np.int64, "steps", "rows")
        x = graph.node("Gather", graph.constant(named["E"]), tokens) if a.embedding else tokens
    lengths = graph.input("lengths", np.int64, "rows")
    if a.channels:
        x = _standardized(graph, named, x)
    return recurrent(graph, a, named, x, one_hot=not (a.embedding or a.channels), lengths=lengths)


def _standardized(graph: Graph, named: Named, x: str) -> str:
    """What the network reads of vectors; see ``Channels.standardized``."""
    x = _scaled(graph, graph.node("Sub", x, graph.constant(named["mean"])), named["deviation"])
    if "slopes" not in named:
        return x
    last = graph.node("Unsqueeze", graph.node("Sub", "lengths", graph.scalar(np.int64(1))), graph.integers(0))

    def change(steps: int) -> str:
        """x⟨t + steps⟩ - x⟨t - steps⟩, where the step beyond an end is that of the end."""
        later, earlier = (_moved(graph, x, last, moved) for moved in (steps, -steps))
        return graph.node("Sub", later, earlier)

    slopes = graph.node("Add", graph.node("Mul", change(2), graph.scalar(np.float32(2))), change(1))
    return graph.node("Concat", x, _scaled(graph, slopes, 10 * named["slopes"]), axis=2)


def _scaled(graph: Graph, x: str, by: np.ndarray) -> str:
    """x / by, at most FARTHEST from 0."""
    x = graph.node("Div", x, graph.constant(by))
    return graph.node("Clip", x, graph.scalar(np.float32(-FARTHEST)), graph.scalar(np.float32(FARTHEST)))


def _moved(graph: Graph, x: str, last: str, steps: int) -> str:
    """x⟨t + steps⟩ at each step t of each row. last: the index of the last step of each, (1, rows)."""
    at = graph.node("Add", _steps_of(graph, x), graph.scalar(np.int64(steps)))
    at = graph.node("Max", graph.node("Min", at, last), graph.scalar(np.int64(0)))
    at = graph.node("Expand", graph.node("Unsqueeze", at, graph.integers(2)), graph.node("Shape", x))
    return graph.node("GatherElements", x, at, axis=0)


def _steps_of(graph: Graph, x: str) -> str:
    """The number of each step of x (steps, …): (steps, 1)."""
    number = graph.node("Squeeze", graph.node("Slice", graph.node("Shape", x), *map(graph.integers, (0, 1))))
    zero, one = (graph.scalar(np.int64(value)) for value in (0, 1))
    return graph.node("Unsqueeze", graph.node("Range", zero, number, one), graph.integers(1))


def vector_classifier(a: Architecture, named: Named) -> Graph:
    """Vectors and lengths → the logits of the labels of each sequence: the means of the logarithms at its steps."""
    graph = Graph()
    steps = _read_in_full(graph, a, named).steps
    logs = graph.node("LogSoftmax", logits(graph, named, steps), axis=-1)
    inside = graph.node("Cast", graph.node("Less", _steps_of(graph, logs), "lengths"), to=FLOAT)
    total = graph.node("Mul", logs, graph.node("Unsqueeze", inside, graph.integers(2)))
    total = graph.node("ReduceSum", total, graph.integers(0), keepdims=0)
    length = graph.node("Unsqueeze", graph.node("Cast", "lengths", to=FLOAT), graph.integers(1))
    graph.output(graph.node("Div", total, length), "logits", np.float32, "rows", a.output_size)
    return graph


def step_tagger(a: Architecture, named: Named) -> Graph:
    """Vectors and lengths → the logits of the tags of each step."""
    graph = Graph()
    steps = _read_in_full(graph, a, named).steps
    graph.output(logits(graph, named, steps), "logits", np.float32, "steps", "rows", a.output_size)
    return graph


def tagger(a: Tagging, named: Named) -> Graph:
    """Words by their characters, and sentences of these words → the logits of the tags of each word."""
    graph, of_reader, of_sentence = Graph(), _part(named, "reader."), _part(named, "sentence.")
    words = graph.input("words", np.int64, "characters", "words")
    word_lengths = graph.input("word_lengths", np.int64, "words")
    known = graph.input("known", np.int64, "words")
    tokens = graph.input("tokens", np.int64, "steps", "rows")
    lengths = graph.input("lengths", np.int64, "rows")
    x = graph.node("Gather", graph.constant(of_reader["E"]), words) if a.embedding else words
    read = recurrent(graph, a.reader, of_reader, x, one_hot=not a.embedding, lengths=word_lengths).whole
    table = graph.node("Concat", read, graph.node("Gather", graph.constant(named["words.E"]), known), axis=1)
    x = graph.node("Gather", table, tokens)
    x = recurrent(graph, a.sentence, of_sentence, x, one_hot=False, lengths=lengths).steps
    graph.output(logits(graph, of_sentence, x), "logits", np.float32, "steps", "rows", a.output_size)
    return graph


def _part(named: Named, prefix: str) -> Named:
    """The parameters of one part of a network, by their names in it."""
    return {name.removeprefix(prefix): values for name, values in named.items() if name.startswith(prefix)}
