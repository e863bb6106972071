"""What of a model a page holds: rounded weights, fewer counts, folded filters, and what that costs."""

import gzip
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from test_scoring import model_of

from charlm.errors import ModelFileError
from charlm.export.page import payload
from charlm.export.page.frame import part
from charlm.export.page.payload import (
    OwnText,
    _fitting,
    _folded,
    count_arrays,
    packed_size,
    page_model,
    payload_of,
    rounded,
)
from charlm.network.cells import CELLS
from charlm.network.mixture import Mixture
from charlm.network.probabilities import log_softmax
from charlm.text.bloom import Bloom
from charlm.text.ngrams import NGrams
from charlm.text.novelty import Novelty
from charlm.text.vocabulary import code_points

TEXT = "the cat sat on the mat and the dog sat on the cat; " * 40


@pytest.fixture(autouse=True)
def short_texts(monkeypatch):
    monkeypatch.setattr(payload, "MOST_TOKENS", 1024)


@pytest.fixture(scope="module")
def model():
    model = model_of(symbols=sorted(set(TEXT)), hidden=24)
    ids = model.vocabulary.encode(TEXT)
    ngrams = NGrams.count(ids, len(model.vocabulary), 5, False, singletons=3)
    novelty = Novelty.of_text(lambda: iter([code_points(TEXT)]), False, False)
    return replace(model, mixture=Mixture(ngrams, np.full((5, 2), 0.55)), novelty=novelty)


def contents(data):
    """The header and the arrays, by name, of a payload."""
    data = gzip.decompress(data)
    start = 4 + int.from_bytes(data[:4], "little")
    header, arrays = json.loads(data[4:start]), {}
    for entry in header["arrays"]:
        dtype = np.dtype("<" + entry["type"])
        arrays[entry["name"]] = np.frombuffer(data, dtype, entry["size"], start)
        start += entry["size"] * dtype.itemsize
    assert start == len(data)
    return header, arrays


@pytest.mark.parametrize("precision", payload.PRECISIONS)
def test_weights_are_what_their_arrays_mean(precision):
    error = {"int5": 1 / 29, "int6": 1 / 61, "int8": 1 / 250, "float16": 1 / 2000, "float32": 0}[precision]
    weights = np.random.default_rng(1).normal(0, 1, (7, 5)).astype(np.float32)
    weights[3] *= 100
    arrays, means = rounded("layer1.W_x", weights, precision)
    assert np.abs(means - weights).max() <= error * np.abs(weights).max() and means.dtype == np.float32
    if precision in payload.LEVELS:
        scales, codes = arrays
        assert codes.scales == "rows" and codes.values.dtype == np.int8
        assert np.array_equal(codes.values * scales.values[:, None], means)
    bias = weights[0]
    assert rounded("b_y", bias, precision)[1] is bias


def test_a_weight_that_float16_does_not_reach_stays_as_it_is():
    weights = np.array([[1e5, 1]], np.float32)
    (array,), means = rounded("W_ya", weights, "float16")
    assert means is weights and array.values.dtype == np.float32


def test_a_payload_holds_what_its_header_says_and_is_the_same_each_time(model):
    found = payload_of(model)
    header, arrays = contents(found.data)
    assert header == json.loads(json.dumps(found.header)) and payload_of(model).data == found.data
    assert set(arrays) >= {"layer1.W_x", "W_ya", "b_y", "children", "ranks", "own", "backoff", "runs0"}
    precision, cost = header["weights"]["precision"], header["weights"]["cost"]
    assert precision in payload.LEVELS and 0 <= cost <= payload.PRECISIONS[precision]
    assert header["copies"]["most_copied"] == model.novelty.default_limit(False)
    assert found.rounding.startswith(f"weights in {precision} (loss +0.")


def test_float32_is_the_model_itself(model):
    page = page_model(model, "float32")
    assert np.array_equal(page.model.parameters, model.parameters) and page.model.mixture is model.mixture


def test_weights_that_cost_too_much_get_more_bits(model, monkeypatch):
    monkeypatch.setitem(payload.PRECISIONS, "int5", -1.0)
    assert page_model(model).precision == "int6"
    monkeypatch.setitem(payload.PRECISIONS, "int6", -1.0)
    assert page_model(model).precision == "int8"
    monkeypatch.setitem(payload.PRECISIONS, "int8", -1.0)
    assert page_model(model).precision == "float16"
    monkeypatch.setitem(payload.PRECISIONS, "float16", -1.0)
    page = page_model(model)
    assert page.precision == "float32" and set(page.costs) == {"int5", "int6", "int8", "float16"}


def test_the_cost_is_the_divergence_of_the_predictions(model):
    own = OwnText(model)
    assert own.cost_of(model) == pytest.approx(0, abs=1e-6)
    other = replace(model, mixture=None)
    logs = own.predicted[:3].astype(float)
    expected = []
    for step, _, logits, _ in own._readings(other):
        if step < 3:
            expected.append((np.exp(logs[step]) * (logs[step] - log_softmax(logits.astype(float)))).sum(1))
    assert own.cost_of(other) > 0.05 and np.min(expected) >= -1e-6
    # the weights that are fitted predict more like the writer than others
    wrong = replace(model, mixture=Mixture(model.mixture.ngrams, np.full((5, 2), 1.5)))
    fitted = replace(wrong, mixture=Mixture(model.mixture.ngrams, own.weights_for(wrong)))
    assert own.cost_of(fitted) < 0.5 * own.cost_of(wrong)


def test_pruned_counts_keep_what_their_n_grams_need(model):
    whole = model.mixture.ngrams
    most = len(whole) // 2
    ngrams = whole.pruned(most)
    assert len(ngrams) - 1 <= most and ngrams.order == whole.order
    assert ngrams.fields()["sizes"][0] == len(model.vocabulary)
    assert whole.pruned(len(whole)) is whole
    again = NGrams.from_arrays(ngrams.fields(), ngrams.arrays(), len(model.vocabulary), False)
    ids = model.vocabulary.encode(TEXT[:500])
    nats = [-np.log(some.probabilities(ids)).sum() for some in (again, whole, whole.pruned(len(model.vocabulary)))]
    assert nats[1] < nats[0] < nats[2]
    for node in range(1 + len(model.vocabulary), len(ngrams)):
        assert ngrams.tokens[ngrams.suffixes[node]] == ngrams.tokens[node]
        assert ngrams.parents[ngrams.suffixes[node]] == ngrams.suffixes[ngrams.parents[node]]


def test_rounded_counts_are_close_and_still_sum_to_one(model):
    whole = model.mixture.ngrams
    ngrams = whole.rounded(8)
    assert np.array_equal(ngrams.tokens, whole.tokens)
    (own, backoff) = ngrams.arrays()["ngrams_own"], ngrams.arrays()["ngrams_backoff"]
    assert len(np.unique(own)) <= 33 and len(np.unique(backoff)) <= 32
    q, _ = Mixture(ngrams, model.mixture.weights).log_ngrams(ngrams.step(ngrams.no_history(4), np.array([0, 3, 5, 7])))
    np.testing.assert_allclose(np.exp(q).sum(1), 1)
    ids = model.vocabulary.encode(TEXT[:500])
    assert np.abs(np.log(ngrams.probabilities(ids) / whole.probabilities(ids))).mean() < 0.1


def test_the_ranks_of_the_counts_name_their_tokens(model):
    ngrams = model.mixture.ngrams
    (ranks,) = (array.values for array in count_arrays(ngrams) if array.name == "ranks")
    tokens, suffixes = ngrams.tokens.copy(), np.zeros(len(ngrams), np.int64)
    tokens[1 + len(model.vocabulary) :] = 0
    for node in range(1 + len(model.vocabulary), len(ngrams)):
        suffixes[node] = ngrams.first[suffixes[ngrams.parents[node]]] + ranks[node - 1 - len(model.vocabulary)]
        tokens[node] = tokens[suffixes[node]]
    assert np.array_equal(tokens, ngrams.tokens)


def test_n_grams_without_the_shorter_ones_that_they_end_with_are_refused():
    tree = {
        "tokens": np.array([0, 0, 1, 2, 2, 0], np.uint8),  # of three tokens, 1 2, and 1 2 0 but not 2 0
        "children": np.array([3, 0, 1, 0, 1, 0]),
        "own": np.full(6, 0.2, np.float32),
        "backoff": np.full(6, 0.4, np.float32),
        "own_codes": np.zeros(3, np.uint8),
        "backoff_codes": np.zeros(3, np.uint8),
    }
    with pytest.raises(ModelFileError, match="n-grams without the shorter ones"):
        count_arrays(NGrams(3, 3, False, True, tree))


def test_the_counts_fill_the_bytes_that_they_have():
    tokens = np.random.default_rng(1).zipf(1.3, 6000) % 38 + 2
    whole = NGrams.count(tokens, 40, 4, False, singletons=4)
    size = packed_size(count_arrays(whole.rounded(payload.COARSENESS)))
    assert np.array_equal(_fitting(whole, size).tokens, whole.tokens)
    for room in (size * 7 // 8, size // 2):
        some = _fitting(whole, room)
        assert abs(packed_size(count_arrays(some)) - room) <= 0.03 * size and len(some) < len(whole)


@pytest.mark.parametrize("fold", [2, 4, 8])
def test_a_folded_filter_has_one_bit_for_several(fold):
    members = np.random.default_rng(1).integers(0, 1 << 63, 300).astype(np.uint64)
    bloom = Bloom.of_size(1001, 300)
    bloom.add(members)
    folded = np.unpackbits(_folded(bloom.bits, fold), bitorder="little")
    for byte, mask in bloom._positions(members):
        bit = 8 * byte + np.log2(mask).astype(int)
        assert folded[bit // fold].all()
    assert folded.sum() <= np.bitwise_count(bloom.bits).sum()


def test_a_record_that_is_too_large_is_left_out_and_that_is_said(model, monkeypatch):
    monkeypatch.setattr(payload, "LEAST_FOR_COPIES", 0)
    bits = np.random.default_rng(1).integers(0, 256, 1 << 16).astype(np.uint8)
    large = replace(model, novelty=Novelty(False, Bloom(bits[:10], 2), Bloom(bits, 2)))
    found = payload_of(large, "int8")
    assert "records" not in found.header["copies"]
    assert "copies are not marked: the record of the training text has" in found.rounding


def test_the_engine_has_every_cell():
    cells = part("charlm.export.page", "engine/network.js")
    for name, cell in CELLS.items():
        assert re.search(rf"^  {name}\(|^CELLS\.{name} = ", cells, re.M), name
        assert f"{name}: {cell.input_columns}" in cells and (f"{name}: true" in cells) == cell.has_c
