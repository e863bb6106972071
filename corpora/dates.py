"""Print dates, one per line, written in five ways.

The day is uniform over the 36,525 days of the years 1950 to 2049; the way to write it is independent of the day:

    1/2     3 May 1987
    1/4     1987-05-03
    1/8     May 3, 1987
    1/16    3.5.1987
    1/16    Sunday, 3 May 1987

No two ways ever give the same line, so a line has the entropy ln 36525 + (15/8) ln 2 nats. Where the weekday comes
first, a model that knows the calendar can use it to predict the rest of the date.
"""

import random
from collections.abc import Iterator
from datetime import date, timedelta

from corpus_command import entropy_of_lines, run

FIRST, LAST = date(1950, 1, 1), date(2049, 12, 31)
DAYS = (LAST - FIRST).days + 1
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
WAYS = (1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 16)


def spellings(day: date) -> tuple[str, ...]:
    """Write a day in each of the ways."""
    month = MONTHS[day.month - 1]
    return (
        f"{day.day} {month} {day.year}",
        day.isoformat(),
        f"{month} {day.day}, {day.year}",
        f"{day.day}.{day.month}.{day.year}",
        f"{WEEKDAYS[day.weekday()]}, {day.day} {month} {day.year}",
    )


def probabilities() -> dict[str, float]:
    """Return the probability of every possible line."""
    days = (FIRST + timedelta(number) for number in range(DAYS))
    return {line: way / DAYS for day in days for way, line in zip(WAYS, spellings(day), strict=True)}


def entropy() -> float:
    """Return the entropy rate in nats per character."""
    return entropy_of_lines(probabilities())


def lines(source: random.Random) -> Iterator[str]:
    """Yield lines without end."""
    while True:
        day = FIRST + timedelta(source.randrange(DAYS))
        yield source.choices(spellings(day), WAYS)[0] + "\n"


if __name__ == "__main__":
    run(__doc__, lines, entropy)
