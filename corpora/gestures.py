"""Print gestures as rows of numbers: where both hands are in a film, and the gesture; a blank line after each gesture.

A row is a picture of a film that has twelve a second: x and y of the right hand, then of the left hand, as a program
finds them that follows hands. The unit is the height of the picture; x grows to the left hand's side, y upwards. The
places are never exact. Where the program loses a hand for a moment, the hand stays where it was last seen.

There are eight gestures. One picture does not tell which one it is: *circle-out* and *circle-in* differ in the
direction, *drum* and *shake* in whether the hands move in turn or together, *throw* and *pull* in which way is the fast
one.

Thirty people make the gestures. They differ in size and place, in the speed, width and slant of their movements, in how
they rest their hands, and in which hand they prefer. --held-out prints the gestures of five other people.
"""

import math
import random
from collections.abc import Callable, Iterator
from functools import partial

from corpus_command import run

RATE = 12  # pictures per second
RAISING = 5  # pictures from rest to the gesture, and back
COLUMNS = "right_x,right_y,left_x,left_y,gesture"

# x of a hand away from the middle of the body, y above the shoulders, in lengths of an arm
Place = tuple[float, float]


def swing(turns: float) -> float:
    """Return a number that goes from 0 up to 1, down to -1 and back in each turn."""
    return math.sin(2 * math.pi * turns)


def forth(turns: float, fast: float) -> float:
    """Return how far a hand has gone, from 0 to 1, that goes forth in this part of each turn and back in the rest."""
    turns %= 1
    share = turns / fast if turns < fast else (1 - turns) / (1 - fast)
    return share * share * (3 - 2 * share)


# Gesture → turns → the places of the preferred hand and of the other one; None is at rest.
GESTURES: dict[str, Callable[[float], tuple[Place, Place | None]]] = {
    "wave": lambda turns: ((0.45 + 0.2 * swing(turns), 0.5), None),
    "circle-out": lambda turns: ((0.4 + 0.3 * swing(turns), 0.3 * swing(turns + 0.25)), None),
    "circle-in": lambda turns: ((0.4 - 0.3 * swing(turns), 0.3 * swing(turns + 0.25)), None),
    "clap": lambda turns: ((0.2 + 0.17 * swing(turns), 0.0), (0.2 + 0.17 * swing(turns), 0.0)),
    "drum": lambda turns: ((0.3, 0.15 * swing(turns) - 0.3), (0.3, -0.15 * swing(turns) - 0.3)),
    "shake": lambda turns: ((0.3, 0.15 * swing(turns) - 0.3), (0.3, 0.15 * swing(turns) - 0.3)),
    "throw": lambda turns: ((0.1 + 0.7 * forth(turns, 0.2), 0.4 - 0.4 * forth(turns, 0.2)), None),
    "pull": lambda turns: ((0.1 + 0.7 * forth(turns, 0.8), 0.4 - 0.4 * forth(turns, 0.8)), None),
}


class Person:
    """Somebody with a body and a manner. The number alone decides both."""

    def __init__(self, number: int):
        source = random.Random(f"person {number}")
        self.arm = source.uniform(0.25, 0.4)  # its length, in heights of the picture
        self.shoulders = (source.uniform(0.4, 0.9), source.uniform(0.45, 0.65))  # their middle in the picture
        self.speed = source.uniform(0.6, 1.1)  # turns per second
        self.width = source.uniform(0.7, 1.2)
        self.slant = source.uniform(-0.25, 0.25)  # in radians
        self.rest = (source.uniform(0.15, 0.35), source.uniform(-0.9, -0.6))
        self.left_handed = source.random() < 0.25
        self.tremor = source.uniform(0.01, 0.02)  # in lengths of the arm


PEOPLE = {False: range(30), True: range(30, 35)}  # held out or not → numbers of people


def reached(person: Person, place: Place | None, raised: float) -> Place:
    """Return where a hand is on its way from rest (raised = 0) to a place of a gesture (1)."""
    if place is None:
        return person.rest
    x, y = (person.width * coordinate for coordinate in place)
    x, y = x - person.slant * y, y + person.slant * x
    return tuple(rest + raised * (there - rest) for rest, there in zip(person.rest, (x, y), strict=True))


def gesture(source: random.Random, person: Person, name: str) -> Iterator[list[float]]:
    """Yield the rows of a gesture: x and y of the right hand, x and y of the left hand."""
    speed = person.speed * source.uniform(0.85, 1.15)
    pictures = round(source.uniform(2, 3) / speed * RATE) + 2 * RAISING
    start = source.random()
    sway = [source.gauss(0, 0.02) for _ in range(2)]
    seen: list[Place] = []
    for picture in range(pictures):
        raised = min(1.0, picture / RAISING, (pictures - 1 - picture) / RAISING)
        preferred, other = (reached(person, place, raised) for place in GESTURES[name](start + picture * speed / RATE))
        hands = (other, preferred) if person.left_handed else (preferred, other)
        found = [
            tuple(
                middle + moved + person.arm * (direction * coordinate + source.gauss(0, person.tremor))
                for middle, moved, direction, coordinate in zip(person.shoulders, sway, (side, 1), hand, strict=True)
            )
            for side, hand in zip((-1, 1), hands, strict=True)
        ]
        seen = [before if source.random() < 0.05 else now for before, now in zip(seen or found, found, strict=True)]
        yield [coordinate for hand in seen for coordinate in hand]


def gestures(source: random.Random, held_out: bool = False) -> Iterator[str]:
    """Yield gestures without end, each with a blank line after it; the first has the names of the columns."""
    yield COLUMNS + "\n"
    people = [Person(number) for number in PEOPLE[held_out]]
    while True:
        name = source.choice(list(GESTURES))
        rows = gesture(source, source.choice(people), name)
        yield "".join(",".join(f"{number:.3f}" for number in row) + f",{name}\n" for row in rows) + "\n"


if __name__ == "__main__":
    run(__doc__, gestures, held_out=partial(gestures, held_out=True))
