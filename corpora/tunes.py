"""Print folk-like tunes in ABC notation, ten lines each, with a blank line after each.

    tune   -> X: T: M: L: K: part part
    part   -> |: b1 | b2 | b3 | half | b1 | b2 | b7 | full :|
    chords    I    c    d    away   I    c    away I         with random c, d for each part
    bar    -> group ...              the groups of the metre
    half   -> group ... long note    a note of the chord away from home
    full   -> group ... long note    the home note

Each group has one of a few rhythms. A random step from the note before leads to a note of the scale; the group begins
on the note of the bar's chord that is nearest to it, moves by steps of one or two along the scale, and turns around at
the ends of the scale. In the major keys the chord away from home is the fifth, in the others the seventh. The first two
bars of a part return as its fifth and sixth bars, so a model that remembers enough can predict them.
"""

import random
from collections.abc import Iterator
from itertools import count

from corpus_command import run

SCALE = "CDEFGABcdefgab"
LOWEST, HIGHEST = SCALE.index("D"), SCALE.index("b")

# The metre: its dance, and its groups in eighths.
METRES = {
    "4/4": ("Reel", [4, 4]),
    "2/4": ("Polka", [2, 2]),
    "3/4": ("Waltz", [2, 2, 2]),
    "6/8": ("Jig", [3, 3]),
    "9/8": ("Slip Jig", [3, 3, 3]),
}
# The rhythms of a group by its length, each with its weight.
RHYTHMS = {
    2: {(1, 1): 8, (2,): 4},
    3: {(1, 1, 1): 8, (2, 1): 4, (3,): 2},
    4: {(1, 1, 1, 1): 8, (2, 1, 1): 4, (2, 2): 2, (3, 1): 1},
}
# The key: its home note, the chord away from home, and the chords to choose from.
KEYS = {
    "G": ("G", 4, [0, 3, 5]),
    "D": ("D", 4, [0, 3, 5]),
    "A": ("A", 4, [0, 3, 5]),
    "Em": ("E", 6, [0, 3, 6]),
    "Am": ("A", 6, [0, 3, 6]),
    "Ador": ("A", 6, [0, 2, 6]),
    "Amix": ("A", 6, [0, 3, 6]),
}
PEOPLE = "Alma Bertil Clara Dorit Edgar Frieda Gustav Hanne Ivo Jorun Kaspar Lena Marten Nelly"
QUALITIES = "Crooked Early Empty Green Leaking Little Lost Quiet Rusty Salted Tall Windy"
THINGS = "Bucket Candle Ferry Gate Heron Kettle Ladder Lantern Meadow Orchard Stove Umbrella"

Bar = list[list[tuple[int, int]]]  # the groups of a bar; each is a list of notes: position in the scale, and length


def nearest(position: int, home: int, degrees: list[int]) -> int:
    """Return the position nearest to the given one that is one of these degrees of the key."""
    fitting = [p for p in range(LOWEST, HIGHEST + 1) if (p - home) % 7 in degrees]
    return min(fitting, key=lambda p: abs(p - position))


def make_bar(source: random.Random, position: int, home: int, chord: int, groups: list[int], end: str) -> Bar:
    """Make a bar that follows a note at that position of the scale; ``end`` is "", "half" or "full"."""
    triad = [chord % 7, (chord + 2) % 7, (chord + 4) % 7]
    bar: Bar = []
    for number, length in enumerate(groups, start=1):
        last = bool(end) and number == len(groups)
        rhythms = {(length,): 1} if last else RHYTHMS[length]
        rhythm = source.choices(list(rhythms), list(rhythms.values()))[0]
        group = []
        for eighths in rhythm:
            step = source.choices([-2, -1, 1, 2], [1, 4, 4, 1])[0]
            position += step if LOWEST <= position + step <= HIGHEST else -step
            if not group:
                position = nearest(position, home, [0] if last and end == "full" else triad)
            group.append((position, eighths))
        bar.append(group)
    return bar


def make_part(source: random.Random, position: int, home: int, key: str, groups: list[int]) -> list[Bar]:
    """Make the eight bars of a part that starts near that position of the scale."""
    _, away, choices = KEYS[key]
    c, d = source.choices(choices, k=2)
    plan = [(0, ""), (c, ""), (d, ""), (away, "half"), None, None, (away, ""), (0, "full")]
    bars: list[Bar] = []
    for step in plan:
        bars.append(make_bar(source, position, home, step[0], groups, step[1]) if step else bars[len(bars) - 4])
        position = bars[-1][-1][-1][0]
    return bars


def abc(bar: Bar) -> str:
    """Write a bar in ABC notation."""
    return " ".join(
        "".join(SCALE[position] + (str(eighths) if eighths > 1 else "") for position, eighths in group) for group in bar
    )


def title(source: random.Random, dance: str) -> str:
    """Make a title."""
    person, quality, thing = (source.choice(words.split()) for words in (PEOPLE, QUALITIES, THINGS))
    return source.choice([f"The {quality} {thing}", f"{person}'s {thing}", f"{person}'s {dance}"])


def tunes(source: random.Random) -> Iterator[str]:
    """Yield tunes without end, a blank line after each."""
    for number in count(1):
        metre, (dance, groups) = source.choice(list(METRES.items()))
        key = source.choice(list(KEYS))
        home = SCALE.index(KEYS[key][0])
        text = f"X:{number}\nT:{title(source, dance)}\nM:{metre}\nL:1/8\nK:{key}\n"
        for start in (home, home + 6):
            bars = [abc(bar) for bar in make_part(source, start, home, key, groups)]
            text += "|:" + "|".join(bars[:4]) + "|\n" + "|".join(bars[4:]) + ":|\n"
        yield text + "\n"


if __name__ == "__main__":
    run(__doc__, tunes)
