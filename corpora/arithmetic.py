"""Print sums and differences, one per line, such as 17+5=22 and 40-8=32.

    line -> a + b = c            with probability 1/2, c = a + b
    line -> max - min = c        with probability 1/2, c = max - min

a and b are independent and uniform from 0 to 99, max is the larger and min the smaller of them, and all numbers are
written without leading zeros. The text before the = decides the text after it, so a model that can calculate predicts
the result with certainty.

The sum a + b has 10,000 equally likely forms; of the 5,050 differences the 4,950 with max > min are twice as
likely as the others. Hence a line has the entropy ln 2 + ln 10000 - (1/2) (99/100) ln 2 nats.
"""

import random
from collections import Counter
from collections.abc import Iterator

from corpus_command import entropy_of_lines, run

LIMIT = 100


def sum_line(a: int, b: int) -> str:
    """Write the sum of two numbers."""
    return f"{a}+{b}={a + b}"


def difference_line(a: int, b: int) -> str:
    """Write the difference of two numbers, the larger first."""
    return f"{max(a, b)}-{min(a, b)}={abs(a - b)}"


def probabilities() -> Counter[str]:
    """Return the probability of every possible line."""
    result: Counter[str] = Counter()
    for a in range(LIMIT):
        for b in range(LIMIT):
            for write in (sum_line, difference_line):
                result[write(a, b)] += 0.5 / LIMIT**2
    return result


def entropy() -> float:
    """Return the entropy rate in nats per character."""
    return entropy_of_lines(probabilities())


def lines(source: random.Random) -> Iterator[str]:
    """Yield lines without end."""
    while True:
        write = source.choice((sum_line, difference_line))
        yield write(source.randrange(LIMIT), source.randrange(LIMIT)) + "\n"


if __name__ == "__main__":
    run(__doc__, lines, entropy)
