"""Print lines of DNA-like letters from a Markov chain that remembers three letters.

Number the letters A, C, G, T as 0, 1, 2, 3. A line has 60 letters. The first three are uniform and
independent; after that, if the last three letters are x, y, z (z the latest),

    P(b | x, y, z) = 4^(3 - r) / 85    with    r = (b + z + x y) mod 4.

So the four letters always have the probabilities 64/85, 16/85, 4/85 and 1/85, and the past decides which letter has
which. Because of the product x y, the third letter back matters: a model with less memory predicts less well.

Every letter after the third has the same entropy h = -sum_r p_r ln p_r, and the line end after 60 letters is
certain, so the entropy rate is (3 ln 4 + 57 h) / 61 nats per character.
"""

import math
import random
from collections import Counter
from collections.abc import Iterator
from itertools import product

from corpus_command import run

LETTERS = "ACGT"
LENGTH = 60
MEMORY = 3
WEIGHTS = [64, 16, 4, 1]


def probability(letter: str, past: str) -> float:
    """Return the probability of a letter after the last three."""
    x, y, z = map(LETTERS.index, past)
    rank = (LETTERS.index(letter) + z + x * y) % 4
    return WEIGHTS[rank] / sum(WEIGHTS)


PASTS = ["".join(letters) for letters in product(LETTERS, repeat=MEMORY)]
TABLE = {past: {letter: probability(letter, past) for letter in LETTERS} for past in PASTS}


def line_probability(line: str) -> float:
    """Return the probability of a line."""
    result = len(LETTERS) ** -MEMORY
    for position in range(MEMORY, LENGTH):
        result *= TABLE[line[position - MEMORY : position]][line[position]]
    return result


def entropy(memory: int = MEMORY) -> float:
    """Return the loss of the best model of that memory in nats per character; with memory 3, it is the entropy rate.

    A model of a shorter memory sees only the last letters, and predicts in the same way at every position of a line.
    """
    pasts = dict.fromkeys(PASTS, 1 / len(PASTS))
    seen: Counter[tuple[str, str]] = Counter()
    for _ in range(MEMORY, LENGTH):
        following = dict.fromkeys(PASTS, 0.0)
        for past, weight in pasts.items():
            for letter, p in TABLE[past].items():
                following[past[1:] + letter] += weight * p
                seen[past[MEMORY - memory :], letter] += weight * p
        pasts = following
    totals: Counter[str] = Counter()
    for (past, _), count in seen.items():
        totals[past] += count
    nats = -math.fsum(count * math.log(count / totals[past]) for (past, _), count in seen.items())
    return (MEMORY * math.log(len(LETTERS)) + nats) / (LENGTH + 1)


def lines(source: random.Random) -> Iterator[str]:
    """Yield lines without end."""
    while True:
        line = source.choices(range(4), k=MEMORY)
        # Sample the rank, and solve r = (b + z + x y) mod 4 for the letter b.
        for rank in source.choices(range(4), WEIGHTS, k=LENGTH - MEMORY):
            x, y, z = line[-MEMORY:]
            line.append((rank - z - x * y) % 4)
        yield "".join(LETTERS[number] for number in line) + "\n"


if __name__ == "__main__":
    run(__doc__, lines, entropy)
