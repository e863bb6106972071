"""An LSTM that scores in bfloat16: its steps against the equations with rounded factors, its scores against softmax."""

import numpy as np
import pytest
from uncompiled import rounded

from charlm.kernels.compiling import HAS_BFLOAT16
from charlm.network.architecture import Architecture, initial_parameters, views
from charlm.network.lstm_reader import LSTMReader, LSTMWeights, can_read
from charlm.network.stack import Stack, StackWindow
from charlm.network.threads import ThreadPool

pytestmark = pytest.mark.skipif(not HAS_BFLOAT16, reason="this processor has no AVX512-BF16")
V, STEPS, ROWS = 21, 5, 53  # more rows than the kernels take at a time
ARCHITECTURES = [
    Architecture(V, "lstm", 16, 1),
    Architecture(V, "lstm", 37, 2),
    Architecture(V, "lstm", 150, 3, embedding=9),
    Architecture(64, "lstm", 20, 1, embedding=20, tied=True),
]
named = pytest.mark.parametrize("architecture", ARCHITECTURES, ids=["one-hot", "two layers", "embedding", "tied"])


def parameters_of(architecture, scale=3.0):
    parameters = initial_parameters(architecture, np.zeros(architecture.vocabulary_size), 1)
    random = np.random.default_rng(2)
    return (scale * parameters + 0.1 * random.standard_normal(parameters.size)).astype(np.float32)


def text_of(architecture, steps=STEPS, rows=ROWS):
    """Tokens and targets, some of which are none."""
    random = np.random.default_rng(3)
    tokens, targets = random.integers(0, architecture.vocabulary_size, (2, steps, rows)).astype(np.int32)
    targets[random.random(targets.shape) < 0.1] = -1
    targets[1] = -1  # a step without any
    return tokens, targets


def reader_of(architecture, threads=2, rows=ROWS, steps=STEPS):
    reader = LSTMReader(LSTMWeights(architecture, parameters_of(architecture), ThreadPool(threads)), steps, rows)
    reader.reset()
    return reader


def numbers(pairs, width):
    """The first ``width`` bfloat16 of pairs, as float32; the others are 0."""
    halves = np.ascontiguousarray(pairs).view(np.uint16)
    assert not halves[..., width:].any()
    return (halves[..., :width].astype(np.uint32) << 16).view(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@named
def test_each_step_follows_the_equations_with_rounded_factors(architecture):
    tokens, targets = text_of(architecture)
    reader, H = reader_of(architecture), architecture.hidden
    parameters = views(architecture, parameters_of(architecture))
    reader.forward(tokens, targets)
    layers = reader.weights.layers
    for number, layer in enumerate(layers):
        W_x, W_a, b = (parameters[f"layer{number + 1}.{kind}"].astype(float) for kind in ("W_x", "W_a", "b"))
        c, rows = np.zeros((ROWS, H)), reader.inputs[number]
        below = numbers(rows[..., : layer.before], len(W_x)) if layer.before else None
        a = numbers(rows[..., layer.before : layer.before + layer.units // 2], H)
        out = numbers(reader.inputs[number + 1][:STEPS, :, : layer.units // 2], H)
        for t in range(STEPS):
            before = a[t] if t else np.zeros_like(a[0])  # slot 0 has gone on to the next window
            z = W_x[tokens[t]] if layer.one_hot else below[t].astype(float) @ rounded(W_x.astype(np.float32))
            z = z + before.astype(float) @ rounded(W_a.astype(np.float32)) + b
            u, f, o = (sigmoid(part) for part in np.split(z[:, : 3 * H], 3, axis=1))
            c = u * np.tanh(z[:, 3 * H :]) + f * c
            exact = o * np.tanh(c)
            now = a[t + 1]
            assert np.abs(now - exact).max() < 2.0**-8 * np.abs(exact).max()
            assert (now == rounded(exact.astype(np.float32))).mean() > 0.97  # the others lie between two bfloat16
            assert np.array_equal(out[t], now)
        assert np.abs(reader.c[number][:, :H] - c).max() < 2e-5 * max(1, np.abs(c).max())
        assert not reader.c[number][:, H:].any()
        if number + 1 < len(layers):
            assert np.array_equal(numbers(reader.inputs[number + 1][:STEPS, :, : layers[number + 1].before], H), out)


@named
def test_nats_ranks_and_probabilities_are_those_of_softmax(architecture):
    tokens, targets = text_of(architecture)
    reader, parameters = reader_of(architecture), views(architecture, parameters_of(architecture))
    ranks = np.empty(targets.shape, np.int32)
    nats = reader.forward(tokens, targets, ranks=ranks)
    a = numbers(reader.inputs[-1][:, :, : reader.weights.layers[-1].units // 2], architecture.hidden).astype(float)
    logits = a @ rounded(parameters["E"].T if architecture.tied else parameters["W_ya"]) + parameters["b_y"]
    exact = np.exp(logits) / np.exp(logits).sum(2, keepdims=True)
    assert np.allclose(reader.probabilities, exact, rtol=1e-5, atol=1e-8)
    of_target = np.take_along_axis(exact, np.maximum(targets, 0)[..., None], 2)
    wanted = targets >= 0
    assert np.allclose(nats[wanted], -np.log(of_target[..., 0])[wanted], rtol=1e-5, atol=1e-5)
    near = np.abs(exact / of_target - 1) < 1e-4  # the target itself among them
    higher = (exact > of_target) & ~near
    assert (ranks[wanted] >= 1 + higher.sum(2)[wanted]).all()
    assert (ranks[wanted] <= (higher | near).sum(2)[wanted]).all()
    assert not nats[~wanted].any() and not ranks[~wanted].any()


@named
def test_neither_threads_nor_pieces_nor_other_rows_change_a_bit(architecture):
    tokens, targets = text_of(architecture, 4 * STEPS + 2)
    whole_ranks, ranks = np.empty(targets.shape, np.int32), np.empty(targets.shape, np.int32)
    whole = reader_of(architecture).forward(tokens, targets, ranks=whole_ranks)
    for threads, step in ((1, 1), (2, STEPS), (3, STEPS + 2)):
        reader = reader_of(architecture, threads)
        pieces = [slice(start, start + step) for start in range(0, len(tokens), step)]
        parts = [reader.forward(tokens[piece], targets[piece], ranks=ranks[piece]) for piece in pieces]
        assert np.array_equal(np.concatenate(parts), whole) and np.array_equal(ranks, whole_ranks)
    alone = reader_of(architecture, rows=1).forward(tokens[:, 7:8].copy(), targets[:, 7:8].copy())
    assert np.array_equal(alone, whole[:, 7:8])


@named
def test_it_scores_as_the_kernels_of_training_do_in_the_same_precision(architecture):
    tokens, targets = text_of(architecture)
    parameters, nats = parameters_of(architecture), {}
    for precision in ("float32", "bf16"):
        stack = Stack(architecture, parameters, ThreadPool(1))
        stack.pack(for_training=False, precision=precision)
        nats[precision] = StackWindow(stack, STEPS, ROWS).forward(tokens, targets)
    found = reader_of(architecture).forward(tokens, targets)
    rounding = np.abs(nats["bf16"] - nats["float32"]).mean()
    assert 0 < np.abs(found - nats["float32"]).mean() < 1.3 * rounding


def test_a_nan_is_seen_and_large_weights_are_none():
    architecture = ARCHITECTURES[1]
    tokens, targets = text_of(architecture)
    parameters = parameters_of(architecture, scale=1e4)
    reader = LSTMReader(LSTMWeights(architecture, parameters, ThreadPool(1)), STEPS, ROWS)
    assert np.isfinite(reader.forward(tokens, targets)).all()
    views(architecture, parameters)["layer1.b"][3] = np.nan
    reader = LSTMReader(LSTMWeights(architecture, parameters, ThreadPool(1)), STEPS, ROWS)
    assert np.isnan(reader.forward(tokens, targets)[targets >= 0]).all()


def test_other_networks_keep_the_kernels_of_training():
    assert not can_read(Architecture(V, "gru", 16, 1)) and not can_read(Architecture(V, "peephole", 16, 1))
    assert can_read(ARCHITECTURES[0])
