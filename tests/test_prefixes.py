"""Rows that begin alike: they get the bits that they would get alone, and the network reads a beginning once."""

import numpy as np
import pytest
from test_sampling import random_model

from charlm.network import prefixes as module
from charlm.network.architecture import Architecture, initial_parameters
from charlm.network.prefixes import SharedPrefixes
from charlm.network.stepper import Stepper
from charlm.sampling.sampler import Sampler
from charlm.sampling.settings import SamplingOptions
from charlm.text.vocabulary import EOS

V, TOKENS = 7, 6  # the random lines have the tokens 2 … V - 1 and end with <EOS>


class Counting(Stepper):
    """Counts the rows that the network reads."""

    read = 0

    def step_rows(self, state, tokens, rows=None):
        self.read += len(tokens)
        super().step_rows(state, tokens, rows)


def stepper(cell="lstm", hidden=20, context=None):
    architecture = Architecture(V, cell, hidden, 2, context=context)
    parameters = initial_parameters(architecture, np.zeros(V), 1)
    return Counting(architecture, parameters + np.random.default_rng(2).normal(0, 0.3, parameters.size).astype("f4"))


def started(predictor, rows, prime=()):
    state, _ = predictor.begin(prime)
    return [array.repeat(rows, 0) for array in state]


@pytest.mark.parametrize("rows", [8, 300])
@pytest.mark.parametrize("cell", ["lstm", "gru", "feedforward"])
def test_each_row_has_the_bits_that_it_would_have_without_the_others(cell, rows):
    context = 3 if cell == "feedforward" else None
    shared, alone = SharedPrefixes(stepper(cell, context=context)), stepper(cell, context=context)
    random = np.random.default_rng(3)
    for _ in range(3):  # what was kept of one round serves the next one
        states, expected = started(shared, rows), started(alone, rows)
        for _ in range(TOKENS):
            tokens = random.integers(2, V, rows)
            states, expected = shared.step(states, tokens), alone.step(expected, tokens)
            for found, wanted in zip(states[1:], expected, strict=True):
                assert np.array_equal(found, wanted)


def test_the_network_reads_a_beginning_once():
    counted = stepper()
    shared = SharedPrefixes(counted)
    states = started(shared, 8)
    for token in (2, 3):
        states = shared.step(states, np.full(8, token))
    assert counted.read == 2 * counted.rows_for(1)
    again = started(shared, 8)
    for token in (2, 3):
        again = shared.step(again, np.full(8, token))
    assert counted.read == 2 * counted.rows_for(1)  # both states were kept
    for found, wanted in zip(again, states, strict=True):
        assert np.array_equal(found, wanted)


def test_a_beginning_that_came_up_once_is_kept_when_it_comes_up_again():
    counted = stepper()
    shared = SharedPrefixes(counted)
    reads = []
    for _ in range(3):
        shared.step(started(shared, 4), np.array([2, EOS, EOS, EOS]))
        reads.append(counted.read // counted.rows_for(1))
    assert reads == [1, 2, 2]


def test_beginnings_after_different_primes_are_different():
    shared, alone = SharedPrefixes(stepper()), stepper()
    for prime in ((), (3,), (4,), ()):
        for _ in range(3):
            states = shared.step(started(shared, 4, prime), np.full(4, 2))
            expected = alone.step(started(alone, 4, prime), np.full(4, 2))
            assert np.array_equal(states[-1], expected[-1])


def test_no_more_states_are_kept_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(module, "MEMORY", 2000)
    shared, alone, random = SharedPrefixes(stepper()), stepper(), np.random.default_rng(4)
    for _ in range(4):
        states, expected = started(shared, 64), started(alone, 64)
        for _ in range(TOKENS):
            tokens = random.integers(2, V, 64)
            states, expected = shared.step(states, tokens), alone.step(expected, tokens)
        assert np.array_equal(states[-1], expected[-1])
    assert sum(array.nbytes for array in shared._kept) <= 2000 and shared._number == shared._most


def test_lines_are_the_same_with_and_without_it():
    model, options = random_model(True), SamplingOptions(seed=5, temperature=0.8)
    shared = list(Sampler(model, 300, options=options).samples())
    alone = Stepper(model.architecture, model.parameters, False, model.mixture)
    assert shared == list(Sampler(model, 300, options=options, predictor=alone).samples())
