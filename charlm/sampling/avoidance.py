"""Away from copies: the next token of a stream where sampling again and again only finds copies.

At a low temperature a stream can reach a text after which nearly every continuation is a copy. ``acceptance`` then
samples the segment away from the copy: as long as the copied run may grow, nothing changes; where the next token would
make it longer than a sample may copy, this token is excluded, and the next one is sampled from the others. If top-k,
top-p and min-p leave no other, every token but <UNK> may come. So the segment is accepted for certain, except where
each symbol that the model knows would continue a copy.
"""

import numpy as np

from ..text.vocabulary import UNKNOWN, Vocabulary
from .decoding import Decoding
from .rules import Rules


class Avoidance:
    """Samples tokens that do not lengthen a copied run beyond what ``rules`` allow."""

    def __init__(self, decoding: Decoding, rules: Rules, vocabulary: Vocabulary):
        self._decoding, self._rules, self._vocabulary = decoding, rules, vocabulary
        self._unrestricted = Decoding(decoding.temperature)

    def sample(self, logits: np.ndarray, numbers: np.ndarray, before: list[tuple[str, list[int]]]) -> np.ndarray:
        """One token for each row, ids (N).

        logits: (N, V); numbers: random numbers, 0 ≤ number < 1, (N); before: for each row, a text and the tokens after
        it, which together are not a copy. Where a token is excluded, the rest of its random number chooses the next
        one: the position within the token's part of the interval is as random as the number was.
        """
        rates, numbers = self._decoding.probabilities(logits), numbers.copy()
        rates[:, UNKNOWN] = 0
        tokens, excluded, wide = np.zeros(len(logits), np.intp), [set() for _ in logits], set()
        pending = list(range(len(logits)))
        while pending:
            for row in pending:
                if not rates[row].any() and row not in wide:
                    wide.add(row)
                    rates[row] = self._unrestricted.probabilities(logits[row : row + 1])[0]
                    rates[row, [UNKNOWN, *excluded[row]]] = 0
            pending = [row for row in pending if rates[row].any()]  # the others keep a token that will be rejected
            for row in pending:
                tokens[row], numbers[row] = _choose(rates[row], numbers[row])
            texts = [
                text + self._vocabulary.decode([*ids, int(tokens[row])])
                for row in pending
                for text, ids in [before[row]]
            ]
            pending = [row for row, copy in zip(pending, self._rules.are_copies(texts), strict=True) if copy]
            for row in pending:
                excluded[row].add(int(tokens[row]))
                rates[row, tokens[row]] = 0
        return tokens


def _choose(rates: np.ndarray, number: float) -> tuple[int, float]:
    """A token, chosen by a random number, and a new random number: its position in the token's part."""
    sums = rates.cumsum()
    point = number * sums[-1]
    token = min(int(sums.searchsorted(point, "right")), int(rates.nonzero()[0][-1]))
    return token, min(max((point - (sums[token] - rates[token])) / rates[token], 0.0), 1 - 2**-53)
