"""Subwords: the pieces of words into which byte-pair merges join characters (Sennrich, Haddow and Birch, "Neural
machine translation of rare words with subword units", 2016).

A text is cut into pieces first: a run of letters, of digits or of symbols, with the space before it, or the rest of a
run of white space, each of at most LONGEST characters. Then, inside each piece, the merges join neighbouring tokens in
the order in which they were learnt, each from left to right. No token crosses the end of a piece. On tiny Shakespeare,
War and Peace and Python source, tokens that did cross it made n-grams of order 5 worse by 0.01 to 0.1 nats per
character.

A model depends on this cut, and its file does not hold it: whoever changes it needs a new format of the model file.
"""

import re
from collections.abc import Callable, Iterator
from itertools import count

import numpy as np

LONGEST = 32  # characters of a piece after its space, so that no text takes long
AT_ONCE = 1 << 19  # characters that are segmented together: more take more memory and hardly less time
_NEVER = np.iinfo(np.int32).max  # the rank of a pair that no merge joins

# Symbols and punctuation; all that is no symbol, digit or white space is a letter, so that combining marks are letters.
# The ranges stand here, because those that Python's \w knows change with its version.
_SYMBOLS = (
    r"!-/:-@\[-`{-~\xa1-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf\xd7\xf7\u060c\u061b\u061f\u066a-\u066d\u06d4\u0964\u0965"
    r"\u2010-\u2027\u2030-\u205e\u20a0-\u20cf\u2100-\u214f\u2190-\u2bff\u3001-\u3004\u3008-\u3020\u3030\u30fb"
    r"\ufe30-\ufe6f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\U0001f000-\U0001faff"
)
_PIECE = re.compile(
    rf" ?[^\s0-9{_SYMBOLS}]{{1,{LONGEST}}}| ?[0-9]{{1,{LONGEST}}}| ?[{_SYMBOLS}]{{1,{LONGEST}}}"
    rf"|\n|[^\S\n]{{1,{LONGEST}}}(?= \S)|[^\S\n]{{1,{LONGEST}}}"
)


def pieces_of(text: str) -> Iterator[list[str]]:
    """The pieces of a text, in lists of those that stand in about AT_ONCE characters."""
    start = 0
    while start < len(text):
        pieces = _PIECE.findall(text, start, start + AT_ONCE)
        if start + AT_ONCE < len(text):
            start -= len(pieces.pop())  # it may go on
        start += AT_ONCE
        yield pieces


def distinct(pieces: list[str]) -> tuple[list[str], np.ndarray]:
    """The different ones of some pieces, and the index among them of each piece, (pieces)."""
    numbers = dict(zip(dict.fromkeys(pieces), count(), strict=False))
    return list(numbers), np.fromiter(map(numbers.__getitem__, pieces), np.intp, len(pieces))


class Merges:
    """Joins the characters of a text into subwords.

    pairs: the ids that each merge joins, in the order in which they were learnt, (M, 2). first: the id of the token
    that the first merge makes; the next ones have the ids after it.
    """

    def __init__(self, pairs: np.ndarray, first: int):
        self._size, self._first = first + len(pairs), first
        codes = pairs[:, 0].astype(np.int64) * self._size + pairs[:, 1]
        self._ranks = np.append(np.argsort(codes), _NEVER).astype(np.int32)
        self._codes = np.append(np.sort(codes), np.iinfo(np.int64).max)  # of a pair that does not occur

    def encode(self, text: str, ids_of: Callable[[str], np.ndarray]) -> np.ndarray:
        """The ids of the subwords of a text, (n). ids_of: a text → the ids of its characters, in the type that all ids
        fit."""
        return np.concatenate([ids_of(""), *(self._encoded(pieces, ids_of) for pieces in pieces_of(text))])

    def _encoded(self, pieces: list[str], ids_of) -> np.ndarray:
        """The ids of the subwords of some pieces. Each different piece is segmented once."""
        pieces, numbers = distinct(pieces)
        lengths = np.fromiter(map(len, pieces), np.intp, len(pieces))
        ids = ids_of("".join(pieces))
        merged = self._merged(ids.astype(np.int32), lengths)
        is_token = merged >= 0
        tokens = merged[is_token].astype(ids.dtype)
        lengths = np.add.reduceat(is_token, np.cumsum(lengths) - lengths, dtype=np.intp)  # of each, in tokens
        starts, lengths = (np.cumsum(lengths) - lengths)[numbers], lengths[numbers]
        return tokens[np.arange(lengths.sum()) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)]

    def _merged(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """The id of each token where its first character stands, and -1 where its other characters stand: (n).

        ids: of the characters of some pieces, (n); it is overwritten. lengths: of each piece, (pieces). In each round
        the merge that was learnt first, of those that a piece has left, joins all its pairs in that piece.
        """
        at = np.arange(len(ids))  # where the tokens stand, in the pieces that may change
        piece = np.repeat(np.arange(len(lengths)), lengths)
        while len(at):
            ranks = self._ranks_of(ids[at])
            starts = np.flatnonzero(np.concatenate(([True], piece[1:] != piece[:-1])))
            ranks[starts - 1] = _NEVER  # the last token of each piece; that of the last piece too
            lowest = np.repeat(np.minimum.reduceat(ranks, starts), np.diff(starts, append=len(at)))
            changes = lowest < _NEVER
            left = _apart(np.flatnonzero((ranks == lowest) & changes))
            ids[at[left]], ids[at[left + 1]] = self._first + ranks[left], -1
            changes[left + 1] = False
            at, piece = at[changes], piece[changes]
        return ids

    def _ranks_of(self, tokens: np.ndarray) -> np.ndarray:
        """The rank of the merge that joins each token with the next one: int32 (n), anything for the last one."""
        codes = tokens.astype(np.int64) * self._size + np.roll(tokens, -1)
        found = np.searchsorted(self._codes, codes)
        return np.where(self._codes[found] == codes, self._ranks[found], _NEVER)


def _apart(found: np.ndarray) -> np.ndarray:
    """Every second one of neighbouring indices, so that no two pairs of "aaa" share a token. found: rising, (n)."""
    follows = np.diff(found, prepend=-2) == 1
    if not follows.any():
        return found
    numbers = np.arange(len(found))
    first = np.maximum.accumulate(np.where(follows, 0, numbers))  # of its run of neighbours
    return found[(numbers - first) % 2 == 0]
