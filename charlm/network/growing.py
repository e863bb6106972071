"""The parameters of a network that gets more inputs and outputs: new symbols, labels or words, where a training goes on
with a model."""

from typing import NamedTuple

import numpy as np

from ..text.vocabulary import UNKNOWN
from .architecture import Architecture, initial_parameters, views


class Places(NamedTuple):
    """Where the inputs and outputs of a network stand in a larger one: indices, rising, (inputs) and (outputs).

    has_symbols: the outputs are symbols, <UNK> among them; otherwise they are labels.
    """

    inputs: np.ndarray
    outputs: np.ndarray
    has_symbols: bool = True


def grown_parameters(
    parameters: np.ndarray,
    before: Architecture,
    after: Architecture,
    places: Places,
    log_frequencies: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Parameters for the sizes ``after``, float32 (P): those of a network of the sizes ``before``, not a bit changed,
    and first values for what is new.

    A new input begins as the mean of the others, but where it is tied to the output as <UNK>. A new output symbol
    begins with the weights of <UNK>; the new ones share its probability by their frequency. A new label begins with
    weights of 0, and by its frequency; a new word of a tagger begins as the unknown word.

    log_frequencies: the natural logarithm of each output's frequency, (outputs). seed: of what is random.
    """
    vector, (inputs, outputs, has_symbols) = initial_parameters(after, log_frequencies, seed), places
    new = views(after, vector)
    for name, values in views(before, parameters).items():
        place, kind = new[name], name.split(".")[-1]
        if place.shape == values.shape:
            place[:] = values
        elif kind == "W_ya":
            place[:] = values[:, [UNKNOWN]] if has_symbols else 0
            place[:, outputs] = values
        elif kind == "b_y":
            if has_symbols:
                is_new = np.isin(np.arange(len(place)), outputs, invert=True)
                place[:] = values[UNKNOWN] + log_frequencies - np.log(np.exp(log_frequencies[is_new]).sum())
            place[outputs] = values
        elif name == "words.E":
            place[:] = values[0]
            place[: len(values)] = values
        else:  # E, or W_x of one-hot input, of which a feed-forward network has a block for each position
            blocks = values.reshape(-1, len(inputs), values.shape[1])
            rows = place.reshape(len(blocks), -1, values.shape[1])
            rows[:] = blocks[:, [UNKNOWN]] if after.tied else blocks.mean(1, keepdims=True)
            rows[:, inputs] = blocks
    return vector
