"""Print sums with their result, one a line: 123+45, tab, 168.

Both numbers have one to three digits, every length as likely as the others, and are drawn uniformly among those of
their length, without leading zeros. What stands before the tab decides what comes after.
"""

import random
from collections.abc import Iterator

from corpus_command import run


def number(source: random.Random) -> int:
    """Draw a number of one to three digits."""
    digits = source.randint(1, 3)
    return source.randrange(10 ** (digits - 1) if digits > 1 else 0, 10**digits)


def lines(source: random.Random) -> Iterator[str]:
    """Yield lines without end."""
    while True:
        a, b = number(source), number(source)
        yield f"{a}+{b}\t{a + b}\n"


if __name__ == "__main__":
    run(__doc__, lines)
