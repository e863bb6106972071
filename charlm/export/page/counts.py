"""N-grams → the bytes that a page holds. ``kernels/coding.py`` says how; ``engine/counts.js`` reads them."""

from typing import Any

import numpy as np

from ...errors import ModelFileError
from ...kernels.coding import BACKOFFS, DEPTH, OF_BACKOFF, OF_OWN, encode_ngrams
from ...text.ngrams import NGrams


def coded(ngrams: NGrams) -> tuple[dict[str, Any], np.ndarray]:
    """What a page must know to read some n-grams, and their bytes, uint8 (bytes).

    The fields: order; sizes, see ``NGrams.fields``; has_unknown; own and backoff, the codes that occur, rising. Raises
    ModelFileError if an n-gram has no node without its oldest token, as none of charlm's lacks.
    """
    _check_suffixes(ngrams)
    fields, arrays = ngrams.fields(), ngrams.arrays()
    children = np.diff(ngrams.first)
    places = np.append(False, children[ngrams.parents[1:]] > 1), children > 0
    symbols, levels = np.zeros((2, len(ngrams)), np.uint8), []
    for row, (name, has) in enumerate(zip(("ngrams_own", "ngrams_backoff"), places, strict=True)):
        codes, symbols[row, has] = np.unique(arrays[name], return_inverse=True)
        levels.append(codes.tolist())
    bits = np.array([max(len(codes) - 1, 0).bit_length() for codes in levels])
    contexts = BACKOFFS + (OF_BACKOFF << int(bits[1])) + (OF_OWN << int(bits[0]))
    size = 1 << 16
    while True:
        coder, out = np.array([0, 0xFFFFFF, 0]), np.empty(size, np.uint8)
        encode_ngrams(
            *(ngrams.first, ngrams.suffixes, ngrams.own, ngrams.backoff, symbols, bits, ngrams.orders),
            *(np.empty((3, len(ngrams)), np.float32), np.empty((DEPTH, 3), np.int64)),
            *(np.full(contexts, 0.5), np.zeros(contexts, np.uint8), coder, out),
        )
        size = int(coder[2])
        if size <= len(out):
            break
    kept = {name: fields[name] for name in ("order", "sizes", "has_unknown")}
    return kept | {"own": levels[0], "backoff": levels[1]}, out[:size]


def _check_suffixes(ngrams):
    suffixes, parents = ngrams.suffixes, ngrams.parents
    known = suffixes < len(ngrams)
    longer = slice(1 + ngrams.vocabulary_size, None)
    same = known.all() and np.array_equal(ngrams.tokens[suffixes[longer]], ngrams.tokens[longer])
    if not same or not np.array_equal(parents[suffixes[longer]], suffixes[parents[longer]]):
        raise ModelFileError("the model has n-grams without the shorter ones that they end with; train it again")
