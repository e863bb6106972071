"""Sequences of sets of pitches → a MIDI file of format 0 (the Standard MIDI Files 1.0 of 1996), which any player opens.

A step lasts a quarter note. A pitch that stands in several steps in a row is one long note: the sets do not say whether
it sounds again.
"""

import os
import re
from collections.abc import Iterable, Sequence

from ..errors import CharlmError, UsageError
from ..files import atomic_file, check_outputs

TICKS = 480  # of a quarter note
MICROSECONDS = 500_000  # of a quarter note: 120 a minute
VELOCITY = 80
PAUSE = 2  # steps between two sequences
HALF_TONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SIGNS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
_NAME = re.compile(r"([A-G])([#♯b♭]?)(-?[0-9])")


def pitch_of(symbol: str) -> int | None:
    """The MIDI number of a symbol: of a number 0…127, or of a name like C4 (60), F#3 or Bb5; None if it is none."""
    if symbol.isascii() and symbol.isdigit() and str(int(symbol[:4])) == symbol:
        number = int(symbol)
    elif found := _NAME.fullmatch(symbol):
        number = HALF_TONES[found[1]] + SIGNS[found[2]] + 12 * (int(found[3]) + 1)
    else:
        return None
    return number if 0 <= number < 128 else None


def pitches_of(symbols: Iterable[str]) -> dict[str, int]:
    """The MIDI number of each symbol. Raises UsageError for one that has none."""
    found = {symbol: pitch_of(symbol) for symbol in symbols}
    for symbol, pitch in found.items():
        if pitch is None:
            raise UsageError(
                f"--midi writes pitches, and the model's symbol {symbol!r} is none: it takes MIDI numbers (60) and "
                "names (C4, F#3, Bb5)"
            )
    return found


def midi_file(sequences: Iterable[Sequence[Iterable[int]]]) -> bytes:
    """The bytes of a file that plays some sequences one after the other. sequences: the pitches of each step."""
    events = []  # (step, note on, pitch); a note ends before another one begins
    start = 0
    for steps in sequences:
        sounding: set[int] = set()
        for step, pitches in enumerate([*map(set, steps), set()], start):
            events += [(step, False, pitch) for pitch in sorted(sounding - pitches)]
            events += [(step, True, pitch) for pitch in sorted(pitches - sounding)]
            sounding = pitches
        start += len(steps) + PAUSE
    track, now = b"\0\xff\x51\3" + MICROSECONDS.to_bytes(3), 0
    for step, is_on, pitch in events:
        track += _delta(TICKS * (step - now)) + bytes([0x90, pitch, VELOCITY if is_on else 0])
        now = step
    track += b"\0\xff\x2f\0"
    return b"MThd" + _words(6, 4) + _words(0) + _words(1) + _words(TICKS) + b"MTrk" + _words(len(track), 4) + track


def _words(number: int, size: int = 2) -> bytes:
    return number.to_bytes(size)


def _delta(ticks: int) -> bytes:
    """A number of ticks, seven bits in each byte, the highest first; all bytes but the last have their top bit set."""
    found = bytes([ticks & 127])
    while ticks := ticks >> 7:
        found = bytes([128 | ticks & 127]) + found
    return found


def is_midi(path) -> bool:
    """Whether a file is one of MIDI."""
    with open(path, "rb") as file:
        return file.read(4) == b"MThd"


def check_midi_path(path, used: Iterable) -> None:
    """Raise CharlmError where no MIDI file can be written at a path. used: files that this run reads."""
    check_outputs([path], used, is_midi, "a MIDI file", "--midi")


def write_midi(path, sequences: Iterable[Sequence[Iterable[int]]]) -> None:
    """Write ``midi_file``, whole or not at all. Raises CharlmError where that fails."""
    try:
        with atomic_file(path) as file:
            file.write(midi_file(sequences))
    except OSError as error:
        raise CharlmError(f"cannot write {os.fspath(path)}: {error.strerror}") from None
