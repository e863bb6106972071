"""A network and n-grams that predict together."""

from dataclasses import dataclass

import numpy as np

from ..text.ngrams import NGrams


@dataclass(frozen=True, eq=False)
class Mixture:
    """ngrams: counted on the training text. weights: of the network and of the n-grams, by the length of the longest
    history that they have, float64 (order, 2)."""

    ngrams: NGrams
    weights: np.ndarray
