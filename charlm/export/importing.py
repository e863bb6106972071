"""The weights of another program → a model.

A file that ``charlm export`` wrote comes back whole. In any other file charlm looks for a language model of PyTorch, by
the shapes of its tensors: one nn.LSTM, nn.GRU or nn.RNN, a linear map of its output, and perhaps an embedding. The
names before ``weight_ih_l0`` and those of the other tensors do not matter.
"""

import hashlib
import os
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from ..errors import ModelFileError, UsageError
from ..model import Model, load_model
from ..modelfile import is_model
from ..network.architecture import MOST_LAYERS, Architecture
from ..options import Path, check_file_name
from ..tasks.summary import number_of
from ..text.reading import listed
from ..text.vocabulary import UNITS, Vocabulary
from . import PICKLES, WEIGHTS
from .state_dict import GATES, from_tensors
from .symbols import BEGINNING, END_OF_LINE, UNKNOWN_NAMES, first_of, is_name, level_of, read_symbols
from .tensors import FLOATS, Tensors, opened_tensors
from .weights import PREFIX, in_words, read_model

NEGLIGIBLE = 16.0  # nats: a symbol that the network does not have gets a probability of at most e^-16
_LAYER = re.compile(r"(?P<before>.*?)(?P<kind>(weight|bias)_[a-z]+)_l(?P<layer>\d{1,9})(?P<back>_reverse)?", re.S)
_EMBEDDING = re.compile("emb|encoder|wte|lookup|input", re.I)  # in the names that people give to an embedding
_DECODER = re.compile("decoder|out|head|linear|fc|proj|logit", re.I)  # … and to a linear map of the output
CELLS_BY_GATES = {4: "lstm", 3: "gru", 1: "rnn"}
BIASES = ("bias_ih", "bias_hh")
KINDS = ("weight_ih", "weight_hh", *BIASES)  # of the tensors of a layer
MODULES = "nn.LSTM, nn.GRU or nn.RNN"


def import_model(
    path: Path, symbols: Path | None = None, level: str | None = None, lines: bool | None = None
) -> tuple[Model, list[str]]:
    """The model in a file of weights, and what charlm inferred, as lines; see ``charlm.import_model``."""
    check_file_name(path)
    if os.path.isdir(path):
        path = os.path.join(path, WEIGHTS)
    if os.fspath(path).lower().endswith(PICKLES):
        raise UsageError(
            f"charlm reads no pickles, which can run any code, as {path} may be; save the weights as .safetensors: "
            "safetensors.torch.save_file(model.state_dict(), NAME)"
        )
    if is_model(path):
        raise UsageError(f"{path} is a model of charlm already; use it as it is")
    with opened_tensors(path) as file:
        if symbols is None and level != "byte":
            if "charlm" in file.metadata:
                _check_not_given(path, level, lines)
                return read_model(file), []
            raise UsageError(
                f"{path} does not say which symbols its numbers stand for: add --symbols FILE, with one per line (or "
                "--level byte)"
            )
        return _foreign_model(file, _source(symbols, level, lines))


def _check_not_given(path, level, lines):
    for name, value in (("--level", level), ("--lines", lines)):
        if value is not None:
            raise UsageError(f"{name} is for weights of other programs, and {path} is a model of charlm; leave it out")


@dataclass(kw_only=True)
class Source:
    """What a person says of foreign weights, and what charlm inferred.

    name: of the file of symbols. vocabulary: of the model. ids: the foreign id of each symbol, in the order of the
    vocabulary, -1 where the network does not have it. size: how many symbols the network has. first: the foreign id of
    the symbol that the network reads before each text, None where it is that of <EOS>. lines: of the model. notes: what
    charlm inferred.
    """

    name: str
    vocabulary: Vocabulary
    ids: list[int]
    size: int
    first: int | None
    lines: bool
    notes: list[str]


def _source(path: Path | None, level: str | None, lines: bool | None) -> Source:
    if path is not None and is_model(path):
        return _source_of_model(path, level, lines)
    if path is not None and level == "byte":
        raise UsageError("--level byte and --symbols do not go together: the ids of bytes are their values")
    if path is None:
        symbols: Sequence[Any] = range(256)
        end, unknown, kept = ord("\n"), None, [number for number in symbols if number != ord("\n")]
        notes = []
    else:
        symbols = read_symbols(path)
        notes = [] if level else [f"the symbols of {path} are {UNITS[level_of(symbols)]}s (--level says otherwise)"]
        level = level or level_of(symbols)
        end, unknown = first_of(END_OF_LINE, symbols), first_of(UNKNOWN_NAMES, symbols)
        kept = [number for number in range(len(symbols)) if number not in (end, unknown)]
        kept = _possible(symbols, kept, level, path, notes)
    if lines is None:
        notes.append("a text is one stream; where each line is a text of its own, add --lines")
    first = first_of(BEGINNING, symbols) if lines and path is not None else None
    if end is None:
        notes.append("no symbol is the end of a line (\\n or <EOS>): the model never writes one")
    if unknown is None and path is not None:
        notes.append("no symbol is <UNK>: to the model, other symbols are next to impossible")
    ids = [-1 if number is None else number for number in (end, unknown)] + kept
    vocabulary = Vocabulary(level, [symbols[number] for number in kept])
    name = f"{path}" if path is not None else "the 256 bytes"
    return Source(
        name=name, vocabulary=vocabulary, ids=ids, size=len(symbols), first=first, lines=bool(lines), notes=notes
    )


def _possible(symbols, kept, level, path, notes) -> list[int]:
    """The ids of the symbols that a vocabulary of a level can have. Names such as <pad> are no characters, and are left
    out; raises UsageError for other symbols that cannot be."""
    possible = []
    for number in kept:
        symbol = symbols[number]
        if level == "char" and len(symbol) == 1 or level == "word" or level == "token" and symbol.split() == [symbol]:
            possible.append(number)
        elif not is_name(symbol):
            raise UsageError(
                f"{path}: symbol {number:,} is {symbol!r:.40}, and no {UNITS[level]}; check the file, or --level"
            )
    left_out = [symbols[number] for number in sorted({*kept} - {*possible})]
    if left_out:
        notes.append(f"left out what no text has: {listed(left_out)}")
    return possible


def _source_of_model(path: Path, level: str | None, lines: bool | None) -> Source:
    """The symbols of a model of charlm, in its own order."""
    model = load_model(path)
    model.check_task("text")
    _check_not_given(path, level, lines)
    size = len(model.vocabulary)
    return Source(
        name=f"{path}",
        vocabulary=model.vocabulary,
        ids=list(range(size)),
        size=size,
        first=None,
        lines=model.lines,
        notes=[],
    )


class FoundNetwork(NamedTuple):
    """A language model of PyTorch in a file. before: what stands before weight_ih_l0. cell, layers, hidden: of its
    layers. embedding, decoder, bias: the names of the other tensors, None where it has no such tensor."""

    before: str
    cell: str
    layers: int
    hidden: int
    embedding: str | None
    decoder: str
    bias: str | None


def _foreign_model(file: Tensors, source: Source) -> tuple[Model, list[str]]:
    """The model of weights that another program wrote."""
    network = _network(file, source)
    tied = network.decoder == network.embedding and source.first is None
    tensors = _layer_tensors(file, network)
    into = _finite(file, network.embedding) if network.embedding else tensors["rnn.weight_ih_l0"].T
    outof = _finite(file, network.decoder)
    offsets = _finite(file, network.bias) if network.bias else np.zeros(source.size, np.float32)
    read = _rows(into, source.ids if source.first is None else [source.first, *source.ids[1:]])
    tensors |= {"embedding.weight": read} if network.embedding else {"rnn.weight_ih_l0": read.T}
    tensors |= {} if tied else {"decoder.weight": _rows(outof, source.ids)}
    tensors["decoder.bias"] = _rows(offsets, source.ids, absent=_least(outof, offsets))
    architecture = Architecture(
        len(source.vocabulary),
        network.cell,
        network.hidden,
        network.layers,
        embedding=into.shape[1] if network.embedding else 0,
        tied=tied,
    )
    model = Model(
        architecture=architecture,
        vocabulary=source.vocabulary,
        parameters=from_tensors(architecture, tensors),
        lines=source.lines,
        training={"imported": {"name": os.path.basename(file.path), "sha256": _digest(file.path)}},
    )
    return model, [*source.notes, *_notes(file, network)]


def _rows(array: np.ndarray, ids: list[int], absent: float = 0.0) -> np.ndarray:
    """The rows of the symbols in another order. ids: of each row, -1 for a row of ``absent``."""
    rows = array[ids]
    rows[np.array(ids) < 0] = absent
    return rows


def _least(outof: np.ndarray, offsets: np.ndarray) -> float:
    """A logit so low that its symbol is next to impossible in any state: no output of a layer is beyond ±1."""
    return float((offsets - np.abs(outof).sum(1)).max()) - NEGLIGIBLE


def _finite(file: Tensors, name: str) -> np.ndarray:
    """A tensor, float32. Raises ModelFileError where a number is not finite."""
    with np.errstate(over="ignore"):
        array = file[name]
    if not np.isfinite(array).all():
        raise ModelFileError(f"{file.path}: the tensor {name} has numbers that are not finite as float32")
    return array


def _layer_tensors(file: Tensors, network: FoundNetwork) -> dict[str, np.ndarray]:
    """The tensors of the layers by the names that charlm gives them; biases of 0 where the network has none."""
    rows, tensors = GATES[network.cell].x, {}
    for layer in range(network.layers):
        for kind in KINDS:
            name = f"{network.before}{kind}_l{layer}"
            zeros = np.zeros(len(rows) * network.hidden, np.float32)
            tensors[f"rnn.{kind}_l{layer}"] = _finite(file, name) if name in file else zeros
    return tensors


def _network(file: Tensors, source: Source) -> FoundNetwork:
    """Find the language model in a file by the shapes of its tensors. Raises ModelFileError, which names the tensor
    that does not fit."""
    names = [name for name in file if not name.startswith(PREFIX)]
    of_layers = {name: found for name in names if (found := _LAYER.fullmatch(name))}
    prefixes = sorted({found["before"] for found in of_layers.values()})
    if len(prefixes) != 1:
        has = f"several networks, {' and '.join(prefixes)}" if prefixes else f"no weight_ih_l0, but {', '.join(names)}"
        has = textwrap.shorten(has, 200, placeholder=" …")
        raise ModelFileError(f"{file.path} has {has}; charlm imports one {MODULES} and a linear map of its output")
    for name, found in of_layers.items():
        if found["back"] or found["kind"] not in KINDS or int(found["layer"]) >= MOST_LAYERS:
            raise ModelFileError(
                f"{file.path}: a language model of charlm has no tensor {name!r:.100}: charlm imports {MODULES} of up "
                f"to {MOST_LAYERS} layers that read forward, without projections"
            )
    before, layers = prefixes[0], 1 + max(int(found["layer"]) for found in of_layers.values())
    cell, hidden = _cell(file, before)
    rows, entry = len(GATES[cell].x) * hidden, f"{before}weight_ih_l0"
    if len(_shape(file, entry)) != 2:
        raise _no_fit(file, entry, f"({rows}, the width of the input)")
    inputs = _shape(file, entry)[1]
    for layer in range(layers):
        shapes = (rows, hidden if layer else inputs), (rows, hidden), (rows,), (rows,)
        for kind, shape in zip(KINDS, shapes, strict=True):
            name = f"{before}{kind}_l{layer}"
            if _shape(file, name, kind in BIASES) not in (shape, None):
                raise _no_fit(file, name, f"{shape}")
    others = [name for name in names if name not in of_layers]
    return FoundNetwork(
        before, cell, layers, hidden, *_others(file, others, (source.size, inputs), hidden, source.name)
    )


def _cell(file: Tensors, before: str) -> tuple[str, int]:
    """The cell of a network, and the width of its layers, by the shape of weight_hh_l0."""
    name = f"{before}weight_hh_l0"
    shape = _shape(file, name)
    for gates, cell in CELLS_BY_GATES.items():
        if len(shape) == 2 and shape[0] == gates * shape[1] > 0:
            return cell, shape[1]
    raise _no_fit(file, name, "(4 H, H) for nn.LSTM, (3 H, H) for nn.GRU, or (H, H) for nn.RNN")


def _others(file: Tensors, names: list[str], into: tuple[int, int], hidden: int, of: str) -> tuple:
    """The names of the embedding, of the linear map and of its bias, among the tensors that belong to no layer; None
    for those that are not there. into: the shape of an embedding. of: what names the symbols."""
    size, inputs = into
    matrices = [name for name in names if len(_shape(file, name)) == 2]
    vectors = [name for name in names if name not in matrices]
    pairs = [
        (first, second)
        for first, second in product([None, *matrices] if inputs == size else matrices, matrices)
        if {first, second} - {None} == set(matrices)
        and _shape(file, second) == (size, hidden)
        and (first is None or _shape(file, first) == into)
    ]
    if not pairs:
        for name in matrices or ["decoder.weight"]:
            shape = _shape(file, name, True)
            if shape not in ((size, hidden), into):
                one_hot = "" if inputs in (size, *(shape or ())[:1]) else f", and an embedding of {into}"
                raise _no_fit(file, name, f"a linear map of {(size, hidden)} to the {size:,} symbols of {of}{one_hot}")
        raise ModelFileError(
            f"{file.path} has {', '.join(matrices)}; charlm needs a linear map of {(size, hidden)} to the {size:,} "
            f"symbols of {of}" + ("" if inputs == size else f" and an embedding of {into}") + ", and nothing else"
        )
    if len(vectors) > 1:
        more = ", ".join([name for name in vectors if _shape(file, name) != (size,)] or vectors)
        raise ModelFileError(
            f"{file.path} has more than one {MODULES} and a linear map of its output: "
            f"{textwrap.shorten(more, 200, placeholder=' …')}; without that it would be another model"
        )
    if vectors and _shape(file, vectors[0]) != (size,):
        raise _no_fit(file, vectors[0], f"({size},), the bias of a linear map to the {size:,} symbols of {of}")
    scores = sorted(map(_likeness, pairs))
    if len(matrices) == 2 and len(scores) == 2 and scores[0] == scores[1]:
        raise ModelFileError(
            f"{file.path}: which of {matrices[0]} and {matrices[1]} is the embedding? call it embedding.weight, and "
            "the other one decoder.weight"
        )
    return *max(pairs, key=_likeness), *(vectors or [None])


def _likeness(pair: tuple[str | None, str]) -> int:
    """How well two names suit an embedding and a linear map."""
    first, second = pair
    if first == second:
        return 1 if _EMBEDDING.search(second) else -1
    suits = bool(_EMBEDDING.search(first or "")) + bool(_DECODER.search(second))
    return suits - bool(_EMBEDDING.search(second)) - bool(_DECODER.search(first or ""))


def _shape(file: Tensors, name: str, optional: bool = False) -> tuple | None:
    """The shape of a tensor of floating-point numbers. optional: None where there is none."""
    if name not in file.kinds and optional:
        return None
    if name not in file.kinds:
        raise ModelFileError(f"{file.path} has no tensor {name}, which {MODULES} have")
    dtype, shape = file.kinds[name]
    if dtype not in FLOATS:
        raise _no_fit(file, name, f"of floating-point numbers ({', '.join(FLOATS)})")
    return shape


def _no_fit(file: Tensors, name: str, wanted: str) -> ModelFileError:
    """The error about a tensor that is not as it should be, or not there. wanted: what it should be."""
    has = f"the tensor {name!r:.100} is {in_words(file.kinds[name])}" if name in file.kinds else f"there is no {name}"
    return ModelFileError(f"{file.path}: {has}; it should be {wanted}")


def _digest(path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _notes(file: Tensors, network: FoundNetwork) -> list[str]:
    """What charlm found, and what it took for granted."""
    module = {"lstm": "nn.LSTM", "gru": "nn.GRU", "rnn": "nn.RNN"}[network.cell]
    entry = f"the embedding {network.embedding}" if network.embedding else "one-hot input"
    tied = ", which is also the linear map" if network.embedding == network.decoder else ""
    layers = f"{number_of(network.layers, 'layer')} of {network.hidden}"
    notes = [f"found an {module}, {layers}, with {entry}{tied}"]
    if network.cell == "rnn":
        notes.append("charlm takes tanh for its nonlinearity; the file does not say whether it is relu")
    if file.kinds[network.decoder][0] == "F64":
        notes.append("its numbers are rounded from float64 to float32")
    return notes
