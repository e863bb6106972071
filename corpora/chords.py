"""Print chorales of four voices, a chord in each line: the MIDI numbers of its notes. A blank line ends a chorale.

    chorale -> half full half full rest      four phrases; the third repeats the first one
    half    -> I chord ... V rest            eight chords
    full    -> I chord ... V I rest          eight chords
    chord   -> soprano alto tenor bass       notes of a triad in one of ten keys
    rest    -> -                             no note

A random walk leads from each triad to the next. The bass has the root that is nearest to its last note. The soprano
moves to a note of the triad near its last one. Alto and tenor take the notes of the triad that are nearest to their
last ones, between bass and soprano; the tenor first takes one that no other voice has. A chord may last for two lines:
then the soprano may move on to another note of the triad. So a model must learn the key, the triads, and what each
voice did before, and the third phrase asks it to remember the first.
"""

import random
from collections.abc import Iterator

from corpus_command import run

SCALE = (0, 2, 4, 5, 7, 9, 11)
KEYS = range(-4, 6)  # half-tones from C
CHORDS = 8  # of a phrase, the first one included
# The triads by their degree, and what may follow each of them.
FOLLOWING = {
    0: {3: 4, 4: 3, 5: 3, 1: 2},  # I
    1: {4: 4, 0: 1},  # ii
    3: {4: 3, 0: 2, 1: 2},  # IV
    4: {0: 4, 5: 2},  # V
    5: {3: 3, 1: 3},  # vi
}
LOWEST, HIGHEST = (40, 48, 55, 60), (55, 67, 72, 81)  # of bass, tenor, alto and soprano
FIRST = (48, 60, 64, 72)  # of which the first chord is near, in C

Chord = tuple[int, int, int, int]  # bass, tenor, alto, soprano


def triad(key: int, degree: int) -> list[int]:
    """Return the root, the third and the fifth of a triad: half-tones above some C, below 12."""
    return [(key + SCALE[(degree + step) % 7]) % 12 for step in (0, 2, 4)]


def notes(voice: int, tones: list[int], low: int = 0, high: int = 127) -> list[int]:
    """Return the notes of a voice with these tones, above ``low`` and below ``high``."""
    return [note for note in range(LOWEST[voice], HIGHEST[voice] + 1) if note % 12 in tones and low < note < high]


def voiced(source: random.Random, tones: list[int], before: Chord) -> Chord:
    """Set a triad for four voices that come from another chord."""

    def nearest(voice: int, choices: list[int]) -> int:
        return min(choices, key=lambda note: (abs(note - before[voice]), note))

    bass = nearest(0, notes(0, tones[:1]))
    near = [note for note in notes(3, tones) if abs(note - before[3]) <= 5]
    soprano = source.choices(near, [1 / (1 + abs(note - before[3])) for note in near])[0]
    alto = nearest(2, notes(2, [tone for tone in tones if tone != soprano % 12], bass, soprano))
    missing = [tone for tone in tones if tone not in {soprano % 12, alto % 12, bass % 12}] or tones
    tenor = nearest(1, notes(1, missing, bass, alto) or notes(1, tones, bass, alto) or [bass])
    return bass, tenor, alto, soprano


def degrees(source: random.Random, end: str) -> list[int]:
    """Return the triads of a phrase; ``end`` is "half" or "full"."""
    last = [4] if end == "half" else [4, 0]
    found = [0]
    while len(found) < CHORDS - len(last):
        following = FOLLOWING[found[-1]]
        found.append(source.choices(list(following), list(following.values()))[0])
    return found + last


def phrase(source: random.Random, key: int, before: Chord, end: str) -> list[Chord]:
    """Return the chords of a phrase, line by line."""
    lines: list[Chord] = []
    for number, degree in enumerate(degrees(source, end), start=1):
        tones = triad(key, degree)
        before = voiced(source, tones, before)
        lines.append(before)
        if number == CHORDS:
            lines.append(before)  # the last chord is long
        elif source.random() < 0.3:
            bass, tenor, alto, soprano = before
            near = [note for note in notes(3, tones, alto) if 0 < abs(note - soprano) <= 5]
            before = (bass, tenor, alto, source.choice([soprano, *near]))
            lines.append(before)
    return lines


def chorales(source: random.Random) -> Iterator[str]:
    """Yield chorales without end, a blank line after each."""
    while True:
        key = source.choice(KEYS)
        start = tuple(note + key for note in FIRST)
        first = phrase(source, key, start, "half")
        second = phrase(source, key, first[-1], "full")
        last = phrase(source, key, first[-1], "full")
        text = ""
        for part in (first, second, first, last):
            text += "".join(" ".join(map(str, sorted(set(chord)))) + "\n" for chord in part) + "-\n"
        yield text + "\n"


if __name__ == "__main__":
    run(__doc__, chorales)
