"""N-grams → the bytes that a page holds. ``kernels/coding.py`` says how; ``engine/counts.js`` reads them."""

from typing import Any

import numpy as np

from ...errors import ModelFileError
from ...kernels.coding import BACKOFFS, DEPTH, OF_BACKOFF, OF_OWN, encode_ngrams
from ...text.ngrams import NGrams


def coded(ngrams: NGrams) -> tuple[dict[str, Any], np.ndarray]:
    """What a page must know to read some n-grams, and their bytes, uint8 (bytes).

    The fields: order, sizes and has_unknown, see ``NGrams.fields``; own and backoff, the codes that occur, the most
    frequent first. Raises ModelFileError if an n-gram has no node without its oldest token, which charlm always keeps.
    """
    _check_suffixes(ngrams)
    fields, arrays = ngrams.fields(), ngrams.arrays()
    children = np.diff(ngrams.first)
    places = np.append(False, children[ngrams.parents[1:]] > 1), children > 0
    codes, ranks, levels = np.zeros((2, len(ngrams)), np.uint8), np.zeros((2, 256), np.int64), []
    for row, (name, has) in enumerate(zip(("ngrams_own", "ngrams_backoff"), places, strict=True)):
        codes[row, has] = arrays[name]
        numbers = np.bincount(arrays[name], minlength=1)
        levels.append(np.argsort(-numbers, kind="stable")[: np.count_nonzero(numbers)])
        ranks[row, levels[row]] = np.arange(len(levels[row]))
    longest = np.array([max(len(some).bit_length() - 1, 0) for some in levels])
    contexts = BACKOFFS + (2 * OF_BACKOFF << int(longest[1])) + (2 * OF_OWN << int(longest[0]))
    size, out = 1 << 16, np.empty(0, np.uint8)
    while len(out) < size:
        coder, out = np.array([0, 0xFFFFFF, 0]), np.empty(size, np.uint8)
        encode_ngrams(
            *(ngrams.first, ngrams.suffixes, ngrams.own, ngrams.backoff, codes, ranks, longest, ngrams.orders),
            *(np.empty((3, len(ngrams)), np.float32), np.empty((DEPTH, 3), np.int64)),
            *(np.full(contexts, 0.5), np.zeros(contexts, np.uint8), coder, out),
        )
        size = int(coder[2])
    kept = {name: fields[name] for name in ("order", "sizes", "has_unknown")}
    return kept | {"own": levels[0].tolist(), "backoff": levels[1].tolist()}, out[:size]


def _check_suffixes(ngrams):
    """Raise ModelFileError if the shorter n-grams are not there that the decoder finds the longer ones by."""
    suffixes, parents = ngrams.suffixes, ngrams.parents
    known = suffixes < len(ngrams)
    longer = slice(1 + ngrams.vocabulary_size, None)
    same = known.all() and np.array_equal(ngrams.tokens[suffixes[longer]], ngrams.tokens[longer])
    if not same or not np.array_equal(parents[suffixes[longer]], suffixes[parents[longer]]):
        raise ModelFileError("the model has n-grams without the shorter ones that they end with; train it again")
