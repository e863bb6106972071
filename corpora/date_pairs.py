"""Print dates and their ISO 8601 form, one pair per line: 3 May 1987, tab, 1987-05-03.

The days and the ways to write them are those of dates.py, except the ISO form, which is the answer. All other ways are
equally likely.
"""

import random
from collections.abc import Iterator
from datetime import timedelta

from corpus_command import run
from dates import DAYS, FIRST, spellings


def lines(source: random.Random) -> Iterator[str]:
    """Yield lines without end."""
    while True:
        day = FIRST + timedelta(source.randrange(DAYS))
        ways = [way for way in spellings(day) if way != day.isoformat()]
        yield f"{source.choice(ways)}\t{day.isoformat()}\n"


if __name__ == "__main__":
    run(__doc__, lines)
