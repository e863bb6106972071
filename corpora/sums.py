"""Print sums and their results, one pair per line: 123+45, tab, 168.

Both numbers have one to three digits, without leading zeros. All lengths are equally likely, and so are all numbers of
a length. The text before the tab decides the text after it.
"""

import random
from collections.abc import Iterator

from corpus_command import run


def number(source: random.Random) -> int:
    """Return a random number of one to three digits."""
    digits = source.randint(1, 3)
    return source.randrange(10 ** (digits - 1) if digits > 1 else 0, 10**digits)


def lines(source: random.Random) -> Iterator[str]:
    """Yield lines without end."""
    while True:
        a, b = number(source), number(source)
        yield f"{a}+{b}\t{a + b}\n"


if __name__ == "__main__":
    run(__doc__, lines)
