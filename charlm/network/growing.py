"""The parameters of a network that gets more inputs and outputs: new symbols, labels or words, where a training goes on
with a model."""

from typing import NamedTuple

import numpy as np

from ..portable.functions import exp, log
from ..text.vocabulary import UNKNOWN
from .architecture import Architecture, views


class Places(NamedTuple):
    """Where the inputs and outputs of a network stand in a larger one: indices, rising, (inputs) and (outputs).

    has_symbols: the outputs are symbols, <UNK> among them; otherwise they are labels. reads_symbols: the same of the
    inputs.
    """

    inputs: np.ndarray
    outputs: np.ndarray
    has_symbols: bool = True
    reads_symbols: bool = True


def grown_parameters(
    parameters: np.ndarray,
    before: Architecture,
    after: Architecture,
    places: Places,
    log_frequencies: np.ndarray,
    *,
    knows_unknown: bool,
) -> np.ndarray:
    """Parameters for the sizes ``after``, float32 (P): those of a network of the sizes ``before``, not a bit changed,
    and first values for what is new.

    Where the network has learnt what <UNK> is, a new symbol begins as <UNK>, and the new ones share its probability by
    their frequency. Otherwise a new symbol or label begins as the mean of the others, and by its frequency. A new word
    of a tagger begins as the unknown word. benchmarks/recipe.md has what else was tried.

    log_frequencies: the natural logarithm of each output's frequency in the new text, (outputs). knows_unknown: <UNK>
    occurred in the text that the network was trained on.
    """
    vector, (inputs, outputs, *_) = np.zeros(after.number_of_parameters, np.float32), places
    new, frequencies = views(after, vector), exp(log_frequencies)
    as_unknown, from_unknown = knows_unknown and places.has_symbols, knows_unknown and places.reads_symbols
    weights = frequencies[outputs] / frequencies[outputs].sum()  # no matrix product: its bits depend on the processor
    for name, values in views(before, parameters).items():
        place, kind = new[name], name.split(".")[-1]
        if place.shape == values.shape:
            place[:] = values
        elif kind == "W_ya":
            place[:] = values[:, [UNKNOWN]] if as_unknown else (values * weights).sum(1, keepdims=True)
            place[:, outputs] = values
        elif kind == "b_y":
            more = np.delete(frequencies, outputs).sum()  # of what is new
            bias = values[UNKNOWN] - log(more) if as_unknown else ((values - log_frequencies[outputs]) * weights).sum()
            place[:] = bias + log_frequencies
            place[outputs] = values
        elif name == "words.E":
            place[:] = values[0]
            place[: len(values)] = values
        else:  # E, or W_x of one-hot input, of which a feed-forward network has a block for each position
            blocks = values.reshape(-1, len(inputs), values.shape[1])
            rows = place.reshape(len(blocks), -1, values.shape[1])
            rows[:] = blocks[:, [UNKNOWN]] if from_unknown else blocks.mean(1, keepdims=True)
            rows[:, inputs] = blocks
    return vector
