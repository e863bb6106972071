"""What of a model goes into a page: its weights and counts in few bits, and what tells copies, if that is small.

The page computes with rounded weights, and with the counts that matter most; ``page_model`` is the model that it
computes with. How much that costs is measured without any text of others: the model writes a text of its own. The
Kullback–Leibler divergence of its predictions there to those of the rounded model, in nats per token, is how much more
the text surprises the rounded model.

The bytes of a payload, in gzip:

    length    uint32, little-endian: the bytes of the header
    header    JSON; ``header_of`` gives the keys that a page may show. arrays: [{name, type, size}, …] in their order,
              type: i1, u1, u2, u4, f2 or f4, size: numbers. Of weights of type i1 also scales: "rows" or "columns",
              each of which has a number to multiply by in the array ``<name>.scales``, which stands before
    arrays    one after the other, little-endian

The arrays are the weights by the names of ``Architecture.shapes``; ``children``, ``ranks``, ``own`` and ``backoff`` of
the counts (see ``count_arrays``); ``lines0``, ``runs0``, ``lines1`` … of the records of copies.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ...errors import ModelFileError
from ...model import Model
from ...network.mixture import MOST_WEIGHT, RIDGE, Mixture
from ...network.probabilities import log_softmax, softmax
from ...network.stepper import NumPyNetwork, numpy_network, take_rows
from ...tasks.entities import role_and_type
from ...text.bloom import Bloom
from ...text.ngrams import NGrams
from ...text.novelty import Novelty
from ...text.vocabulary import EOS, UNITS, UNKNOWN, smallest_type
from .frame import part

ENGINE = (
    *("numbers", "vocabulary", "network", "ngrams", "novelty", "segmentation", "sampling", "scoring", "predicting"),
    *("model", "worker"),
)
# Precisions of the weights, and the most that each may cost where charlm chooses it, in nats per token. int5 and int6
# are int8 with fewer levels, and pack into two and three quarters of its bytes. LEVELS: on each side of 0.
PRECISIONS = {"int5": 0.002, "int6": 0.002, "int8": 0.01, "float16": 0.002, "float32": 0.0}
LEVELS = {"int5": 15, "int6": 31, "int8": 127}
ROOM = 800_000  # bytes that a payload fills with counts; as base64, with the rest of the page, 1.2 MB
NEARLY, TRIES = 0.01, 4  # how close the bytes of the counts come to those that they have room for
COARSENESS = 8  # so many codes of the counts become one: +0.0004 nats on tiny Shakespeare, a sixth of their bytes less
NUMBERS, MOST_TOKENS, LEAST_TOKENS = 1 << 21, 1 << 13, 512  # of the text that a model writes for itself
FEWEST_ROWS, MOST_ROWS = 8, 64  # of that text; each has about as many tokens as there are rows, or more
LEAST_FOR_COPIES = 200_000  # bytes that a page may always have for the records of copies
MOST_MISTAKES = 1e-6  # runs that a folded filter may take for copies


class Payload(NamedTuple):
    """What of a model a page holds. data: bytes; header: see the module; rounding: what was rounded and left out, and
    what that costs, in words."""

    data: bytes
    header: dict[str, Any]
    rounding: str


def worker_script() -> str:
    """The program of a page's worker: the files of engine/, of which worker.js tells what it does."""
    return "".join(part(__package__, f"engine/{name}.js") for name in ENGINE)


def payload_of(model: Model, weights: str | None = None) -> Payload:
    """What of a model goes into a page.

    weights: the precision of the weights, a name of PRECISIONS; None for the smallest that costs little enough. With
    float32 the counts are whole too.
    """
    page = page_model(model, weights)
    arrays = [*page.weights, *page.filters]
    header = header_of(model) | {
        "weights": {"precision": page.precision, "cost": page.costs.get(page.precision), "costs": page.costs},
        "counts": None,
        "copies": page.copies,
    }
    if page.model.mixture:
        ngrams = page.model.mixture.ngrams
        header["counts"] = ngrams.fields() | {
            "weights": page.model.mixture.weights.tolist(),
            "ngrams": len(ngrams) - 1,
            "of": len(model.mixture.ngrams) - 1,  # type: ignore[union-attr]  # the page has some of it
            "cost": page.cost_of_counts,
        }
        arrays += count_arrays(ngrams)
    header["arrays"] = [array.description() for array in arrays]
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    parts = [len(text).to_bytes(4, "little"), text, *(array.values.tobytes() for array in arrays)]
    level = 9 if page.precision != "float32" else 6  # which takes an eighth of the time, and 2 % more room
    return Payload(gzip.compress(b"".join(parts), level, mtime=0), header, _in_words(model, header))


def header_of(model: Model) -> dict[str, Any]:
    """What the worker must know of a model: task, lines, level, separator, vocabulary, architecture; of the task,
    labels and several, or tags, words and what else a tagger needs, or longest."""
    task, architecture = model.task, model.architecture
    header = {
        "task": task.name,
        "lines": writes_lines(model),
        "level": model.vocabulary.level,
        "separator": model.vocabulary.form.separator,
        "vocabulary": model.vocabulary.fields(),
        "architecture": architecture.as_dict(),
    }
    fields = task.fields()
    header |= {name: fields[name] for name in ("labels", "tags", "words", "longest") if name in fields}
    if "labels" in fields:
        header["several"] = fields.get("multi_label", False)
    if task.name == "tag":
        header |= {name: getattr(architecture, name).as_dict() for name in ("reader", "sentence")}
        header["embedding_of_words"] = architecture.reader.hidden  # type: ignore[attr-defined]  # of Tagging
        header["marks"] = list(map(role_and_type, fields["tags"])) if fields["bio"] else None
    if task.name == "translate":
        header |= {name: getattr(architecture, name).as_dict() for name in ("encoder", "decoder")}
    return header


def writes_lines(model: Model) -> bool:
    """Whether each line, or item of several lines, is a text of its own."""
    return model.lines or model.task.name == "generate"


def _in_words(model: Model, header: dict[str, Any]) -> str:
    """What was rounded and left out, and what that costs."""
    weights, counts, copies = header["weights"], header["counts"], header["copies"]
    unit = UNITS[model.vocabulary.level]
    cost = "" if weights["cost"] is None else f" (loss +{weights['cost']:.4f} nats per {unit})"
    words = f"weights in {weights['precision']}{cost}"
    if counts and counts["ngrams"] < counts["of"]:
        words += f"; {counts['ngrams']:,} of {counts['of']:,} n-grams (loss +{counts['cost']:.4f})"
    return words if not copies or copies.get("records") else f"{words}; {copies['why']}"


# Arrays


@dataclass(frozen=True)
class PageArray:
    """An array of a payload. scales: "rows" or "columns" of weights in 8 bits."""

    name: str
    values: np.ndarray
    scales: str = ""

    def description(self) -> dict[str, Any]:
        """Its entry in the header."""
        entry = {"name": self.name, "type": self.values.dtype.str[1:], "size": self.values.size}
        return entry | ({"scales": self.scales} if self.scales else {})


def rounded(name: str, values: np.ndarray, precision: str) -> tuple[list[PageArray], np.ndarray]:
    """A weight in few bits: the arrays of a payload, and the float32 numbers that they mean. What is no matrix stays in
    float32, and so does a matrix that float16 does not reach."""
    kind = name.split(".")[-1]
    if precision == "float32" or values.ndim != 2 or kind == "p":
        return [PageArray(name, values.astype("<f4"))], values
    if precision == "float16":
        with np.errstate(over="ignore"):
            halves = values.astype("<f2")
        if not np.isfinite(halves).all():
            return [PageArray(name, values.astype("<f4"))], values
        return [PageArray(name, halves)], halves.astype(np.float32)
    found = []
    for axis, scales_of in ((1, "rows"), (0, "columns")):
        scales = (np.abs(values).max(axis, keepdims=True, initial=0) / LEVELS[precision]).astype("<f4")
        codes = np.rint(values / np.where(scales > 0, scales, 1)).astype(np.int8)
        means = codes * scales
        arrays = [PageArray(f"{name}.scales", scales.ravel()), PageArray(name, codes, scales_of)]
        found.append((float(np.square(means - values, dtype=np.float64).sum()), arrays, means))
    _, arrays, means = min(found, key=lambda one: one[0])
    return arrays, means


def count_arrays(ngrams: NGrams) -> list[PageArray]:
    """The counts as arrays: those of a model file, but in place of the last token of each n-gram its rank among the
    children of the history without its oldest token, which has this child too: a smaller number, that packs well.

    Raises ModelFileError if there is an n-gram that misses the shorter one that it ends with; charlm never makes any.
    """
    arrays, parents, suffixes = ngrams.arrays(), ngrams.parents, ngrams.suffixes
    longer = slice(1 + ngrams.vocabulary_size, None)
    known = suffixes.max() < len(ngrams) and np.array_equal(ngrams.tokens[suffixes[longer]], ngrams.tokens[longer])
    if not known or not np.array_equal(parents[suffixes[longer]], suffixes[parents[longer]]):
        raise ModelFileError("the model has n-grams without the shorter ones that they end with; train it again")
    ranks = (suffixes - ngrams.first[suffixes[parents]])[longer]
    ranks = ranks.astype(smallest_type(int(ranks.max(initial=0)) + 1))
    named = {"children": arrays["ngrams_children"], "ranks": ranks, "own": arrays["ngrams_own"]}
    return [PageArray(name, array) for name, array in (named | {"backoff": arrays["ngrams_backoff"]}).items()]


def copies_of(novelty: Novelty, lines: bool, room: int) -> tuple[dict[str, Any], list[PageArray]]:
    """What a page must know to mark copies, and the filters: those of the texts that the model was trained on, of a
    stream only those of their runs; of a list also those of what was held out.

    The filter of runs is folded, several of its bits to one, as long as a copy of the length that counts is still told
    from new text. room: bytes that they may take, packed.
    """
    most = novelty.default_limit(lines)
    records = [(record, "training") for record in novelty.records]
    records += [(record, "held-out") for record in novelty.held_outs] if lines else []
    fields, arrays = [], []
    for number, (record, source) in enumerate(records):
        fold = _fold(record, most)
        fields.append(
            {
                "source": source,
                "run": record.run,
                "window": record.window,
                "squeezed": record.squeezed,
                "line_hashes": record.lines.hashes,
                "run_hashes": record.runs.hashes,
                "run_bits": 8 * len(record.runs.bits),
                "fold": fold,
            }
        )
        arrays += [PageArray(f"lines{number}", record.lines.bits)] if lines else []
        arrays += [PageArray(f"runs{number}", _folded(record.runs.bits, fold))]
    size = packed_size(arrays)
    if size > room:
        return {"why": f"copies are not marked: the record of the training text has {size:,} bytes"}, []
    return {"records": fields, "most_copied": most, "in_bytes": novelty.in_bytes}, arrays


def _fold(record: Novelty, most: int) -> int:
    """How many bits of the filter of runs may become one. most: characters of the longest run that is no copy."""
    apart = (most - record.shortest_run + 2) * 2 / (record.window + 1)  # runs that a copy has and that differ
    for fold in (8, 4, 2):
        folded = Bloom(_folded(record.runs.bits, fold), record.runs.hashes)
        if folded.false_positive_rate**apart <= MOST_MISTAKES:
            return fold
    return 1


def _folded(bits: np.ndarray, fold: int) -> np.ndarray:
    """A filter with one bit for each ``fold`` bits of another, uint8 (bytes)."""
    single = np.unpackbits(bits, bitorder="little")
    single = np.pad(single, (0, -len(single) % fold)).reshape(-1, fold)
    return np.packbits(single.any(1), bitorder="little")


# The model that the page computes with


@dataclass(frozen=True, kw_only=True)
class PageModel:
    """A model with rounded weights and fewer counts. weights, filters: the arrays of a payload for its weights, and for
    telling copies; copies: the entry of the header for these. costs: in nats per token of the model's own text, by the
    precision of the weights; cost_of_counts: the same of what the counts lost."""

    model: Model
    precision: str
    weights: list[PageArray]
    filters: list[PageArray]
    copies: dict[str, Any] | None
    costs: dict[str, float]
    cost_of_counts: float | None = None


def page_model(model: Model, weights: str | None = None) -> PageModel:
    """The model that a page computes with; see ``payload_of``."""
    writes = model.task.name in ("text", "generate")
    if weights is None and not writes:
        weights = "float16"  # there is no text of its own to measure on, and this costs next to nothing
    own = OwnText(model) if writes and weights != "float32" else None  # there all is exact
    costs: dict[str, float] = {}
    for precision, most in PRECISIONS.items():
        if weights not in (None, precision):
            continue
        arrays, rounded_model = _with_weights(model, precision)
        if own and precision != "float32":
            costs[precision] = own.cost_of(rounded_model)
        if weights or costs.get(precision, 0.0) <= most:
            break
    size, (copies, filters) = packed_size(arrays), (None, [])
    if model.novelty:
        copies, filters = copies_of(model.novelty, writes_lines(model), max(LEAST_FOR_COPIES, size))
    page = PageModel(
        model=rounded_model, precision=precision, weights=arrays, filters=filters, copies=copies, costs=costs
    )
    if own is None or model.mixture is None or precision == "float32":
        return page
    ngrams = _fitting(model.mixture.ngrams, max(ROOM - size - packed_size(filters), size // 2))
    mixed = replace(rounded_model, mixture=Mixture(ngrams, model.mixture.weights))
    mixed = replace(mixed, mixture=Mixture(ngrams, own.weights_for(mixed)))
    return replace(page, model=mixed, cost_of_counts=own.cost_of(mixed) - costs[precision])


def _fitting(ngrams: NGrams, room: int) -> NGrams:
    """All n-grams, rounded, or the best of them, as many as take about so many bytes."""
    found, most = ngrams.rounded(COARSENESS), len(ngrams) - 1
    size = packed_size(count_arrays(found))
    if size <= room:
        return found
    for _ in range(TRIES):
        most = int(most * (room / size) ** 1.25)
        found = ngrams.pruned(most).rounded(COARSENESS)
        size = packed_size(count_arrays(found))
        if abs(size - room) <= NEARLY * room:
            break
    return found


def packed_size(arrays: list[PageArray]) -> int:
    """About how many bytes some arrays take in a payload."""
    return sum(len(zlib.compress(array.values.tobytes())) for array in arrays)


def _with_weights(model: Model, precision: str) -> tuple[list[PageArray], Model]:
    """The weights in a precision, as arrays and as a model."""
    arrays, values = [], []
    for name, weight in model.named_parameters.items():
        some, means = rounded(name, weight, precision)
        arrays += some
        values.append(means.ravel())
    return arrays, replace(model, parameters=np.concatenate(values).astype(np.float32))


class OwnText:
    """A text that a model writes, many rows side by side, with what the model predicts at each token.

    rows: N, a multiple of 8. inputs: the tokens that it has read, (T, N); predicted: log p of each next token, float32
    (T, N, V). In a model of lines, a row begins anew after each <EOS>.
    """

    def __init__(self, model: Model, seed: int = 1):
        outputs = model.architecture.output_size
        tokens = min(MOST_TOKENS, max(LEAST_TOKENS, NUMBERS // outputs))
        self.rows = rows = min(MOST_ROWS, max(FEWEST_ROWS, tokens // MOST_ROWS))
        self.lines = writes_lines(model)
        self.first = np.full(rows, EOS)
        if model.task.name == "generate":
            self.first = outputs + np.arange(rows) % (model.architecture.vocabulary_size - outputs)
        random = np.random.default_rng(seed)
        self.inputs = np.zeros((tokens // rows, rows), np.int64)
        self.predicted = np.empty((*self.inputs.shape, outputs), np.float32)
        reading = self._read(model)
        next(reading)
        latest = self.first
        for step in range(len(self.inputs)):
            self.inputs[step] = latest
            logs = log_softmax(reading.send(latest)[1].astype(np.float64))
            self.predicted[step] = logs
            sums = np.exp(logs).cumsum(1)
            latest = (sums > random.random(rows)[:, None] * sums[:, -1:]).argmax(1)
            if self.lines:
                latest = np.where(latest == EOS, self.first, latest)

    def _read(self, model: Model) -> Iterator[Any]:
        """A coroutine: is sent the next tokens, (N), and yields (the network's state, logits of the model, (N, V))."""
        network = numpy_network(model.architecture, model.parameters, False)
        assert isinstance(network, NumPyNetwork)
        ngrams = model.mixture.ngrams if model.mixture else None
        zero, none = network.zero_state(self.rows), ngrams.no_history(self.rows) if ngrams else None
        state, nodes, found = take_rows(zero, slice(None)), none, None
        while True:
            tokens = yield found
            if self.lines:
                begins = tokens == self.first
                for array, at_first in zip(state, zero, strict=False):
                    array[begins] = at_first[begins]
                nodes = nodes if ngrams is None else np.where(begins[:, None], none, nodes)
            state = network.step(state, tokens)
            logits, state = state[-1], state[:-1]
            nodes = nodes if ngrams is None else ngrams.step(nodes, tokens)
            found = nodes, logits if ngrams is None else model.mixture.log_mixed(logits, nodes), logits

    def _readings(self, model: Model) -> Iterator[tuple]:
        """(step, nodes, logits of the model, logits of its network) for each step of the text."""
        reading = self._read(model)
        next(reading)
        for step, tokens in enumerate(self.inputs):
            yield step, *reading.send(tokens)

    def cost_of(self, model: Model) -> float:
        """The Kullback–Leibler divergence of the predictions of the writer to those of another model, in nats per
        token."""
        total = 0.0
        for step, _, logits, _ in self._readings(model):
            logs = self.predicted[step].astype(np.float64)
            total += float((np.exp(logs) * (logs - log_softmax(logits.astype(np.float64)))).sum())
        return total / self.inputs.size

    def weights_for(self, model: Model, steps: int = 4) -> np.ndarray:
        """The weights with which the network and the n-grams of a model predict most like the writer: Newton steps from
        those that it has, near which they stay where a length of history is rare."""
        assert model.mixture is not None
        mixture, weights = model.mixture, model.mixture.weights.copy()
        y, q, lengths = [], [], []
        for _, nodes, _, logits in self._readings(model):
            of_ngrams, of_length = mixture.log_ngrams(nodes)
            y.append(logits.astype(np.float32))
            q.append(of_ngrams.astype(np.float32))
            lengths.append(of_length)
        x, length = np.stack((np.concatenate(y), np.concatenate(q))), np.concatenate(lengths)
        target = self._targets(mixture)
        if mixture.unknown >= 0:
            x[:, :, UNKNOWN] = [[-1e9], [0]]
        for number in np.unique(length):
            here, before = length == number, weights[number].copy()
            some, of_target = x[:, here].astype(np.float64), target[here]
            for _ in range(steps):
                mixed = softmax(np.tensordot(weights[number], some, 1))
                mean = (mixed * some).sum(2)
                gradient = (mean - (of_target * some).sum(2)).sum(1) + RIDGE * (weights[number] - before)
                centred = some - mean[:, :, None]
                curvature = np.einsum("nv,inv,jnv->ij", mixed, centred, centred) + RIDGE * np.eye(2)
                weights[number] = np.clip(weights[number] - np.linalg.solve(curvature, gradient), 0, MOST_WEIGHT)
        return weights

    def _targets(self, mixture: Mixture) -> np.ndarray:
        """The writer's probabilities of each next token, (T · N, V); where the counts know nothing about <UNK>, of all
        others."""
        found = np.exp(self.predicted.reshape(-1, self.predicted.shape[2]).astype(np.float64))
        if mixture.unknown >= 0:
            found[:, UNKNOWN] = 0
            found /= found.sum(1, keepdims=True)
        return found
