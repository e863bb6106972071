"""Print spoken digits as rows of numbers: 12 band energies and the word in each row, a blank line after each word.

A formant synthesizer of this project speaks the words *zero* to *nine*. A word is a sequence of sounds. Each sound has
the frequencies of three formants, a strength of voice and of hiss, and a duration. Pulses at the pitch of the speaker,
and noise, pass through one resonator per formant (Klatt, 1980); between two sounds, everything glides. A row describes
16 ms: the energy in 12 bands from 100 to 5,000 Hz, spaced on the mel scale (O'Shaughnessy, 1987), in decibels.

Twelve people speak. They differ in the length of the vocal tract (which scales all formants), in pitch, speed,
accent, microphone and noise. No word is spoken twice in the same way. --held-out prints the words of three other
people.

The formants of the vowels are the averages of men in G. E. Peterson and H. L. Barney, "Control methods used in a study
of the vowels", Journal of the Acoustical Society of America 24 (1952), table II; those of the consonants follow
D. H. Klatt, "Software for a cascade/parallel formant synthesizer", the same journal 67 (1980), table III. The other
figures are our own.
"""

import math
import random
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from corpus_command import run

RATE = 10_000  # samples per second
STEP = 50  # samples for which the resonators stay as they are
WINDOW, HOP = 256, 160  # samples in a window of the analysis, and from one window to the next
BANDS = 12
BANDWIDTHS = (60.0, 100.0, 150.0, 250.0)  # of the resonators, in Hz


class Sound(NamedTuple):
    """A target of the synthesizer: formants in Hz, strength of voice and hiss, place of the hiss in Hz, duration."""

    formants: tuple[float, float, float]
    voice: float
    hiss: float = 0.0
    place: float = 3000.0
    milliseconds: float = 90.0


SOUNDS = {
    "iy": Sound((270, 2290, 3010), 1.0, milliseconds=150),
    "ih": Sound((390, 1990, 2550), 1.0),
    "eh": Sound((530, 1840, 2480), 1.0),
    "aa": Sound((730, 1090, 2440), 1.0, milliseconds=120),
    "ao": Sound((570, 840, 2410), 1.0, milliseconds=120),
    "uh": Sound((440, 1020, 2240), 1.0),
    "uw": Sound((300, 870, 2240), 1.0, milliseconds=160),
    "ah": Sound((640, 1190, 2390), 1.0),
    "w": Sound((290, 610, 2150), 0.5, milliseconds=70),
    "r": Sound((310, 1060, 1380), 0.6, milliseconds=80),
    "n": Sound((480, 1340, 2470), 0.25, milliseconds=80),
    "f": Sound((340, 1100, 2080), 0.0, 0.04, 3600, 100),
    "v": Sound((220, 1100, 2080), 0.25, 0.03, 3600, 60),
    "th": Sound((320, 1290, 2540), 0.0, 0.03, 4200, 100),
    "s": Sound((320, 1390, 2530), 0.0, 0.25, 4500, 120),
    "z": Sound((240, 1390, 2530), 0.25, 0.12, 4500, 90),
    "t": Sound((400, 1600, 2600), 0.0, 0.3, 3900, 35),
    "k": Sound((300, 1990, 2850), 0.0, 0.3, 2000, 35),
    "-": Sound((300, 1600, 2600), 0.0, milliseconds=50),  # the closed mouth before t and k
}
WORDS = {
    "zero": "z ih r ao uh",
    "one": "w ah n",
    "two": "- t uw",
    "three": "th r iy",
    "four": "f ao r",
    "five": "f aa ih v",
    "six": "s ih - k s",
    "seven": "s eh v ah n",
    "eight": "eh ih - t",
    "nine": "n aa ih n",
}


class Speaker:
    """A person with a voice, a manner and a microphone. The number alone decides all of them."""

    def __init__(self, number: int):
        source = random.Random(f"speaker {number}")
        self.scale = source.uniform(0.9, 1.25)  # of all formants: the shorter the vocal tract, the higher they are
        self.pitch = 115 * self.scale**3.3 * source.uniform(0.85, 1.15)
        self.speed = source.uniform(0.8, 1.3)
        self.tilt = source.uniform(-4, 4)  # of the microphone, from the lowest to the highest band, in decibels
        self.noise = source.uniform(-25, -5)  # in decibels below the loudest sound
        self.accent = {name: [source.gauss(1, 0.07) for _ in range(3)] for name in SOUNDS}


SPEAKERS = {False: range(12), True: range(12, 15)}  # held out or not → numbers of speakers


def noise(source: random.Random, count: int) -> np.ndarray:
    """Return that many independent numbers, uniform from -1 to 1."""
    return np.frombuffer(source.randbytes(2 * count), "<i2") / 32768


def glide(values: np.ndarray, width: int) -> np.ndarray:
    """Return the values, (steps, channels), smoothed over that many steps."""
    bell = np.hanning(width + 2)
    padded = np.pad(values, ((width // 2, width - 1 - width // 2), (0, 0)), "edge")
    return np.stack([np.convolve(channel, bell[1:-1] / bell.sum(), "valid") for channel in padded.T], 1)


def targets(source: random.Random, speaker: Speaker, word: str) -> np.ndarray:
    """Return what the synthesizer does in each step of 5 ms: three formants, voice, hiss and its place."""
    rows: list[list[float]] = []
    hurry = speaker.speed * source.uniform(0.85, 1.15)
    for name in WORDS[word].split():
        sound = SOUNDS[name]
        steps = round(sound.milliseconds * source.uniform(0.8, 1.25) / hurry / 1000 * RATE / STEP)
        scales = [speaker.scale * accent * source.gauss(1, 0.05) for accent in speaker.accent[name]]
        formants = [formant * scale for formant, scale in zip(sound.formants, scales, strict=True)]
        rows += [[*formants, sound.voice, sound.hiss, sound.place]] * max(2, steps)
    silence = [*rows[-1][:3], 0.0, 0.0, rows[-1][5]]
    before, after = ([silence] * source.randint(2, 14) for _ in range(2))
    steps_of = np.array([*before, *rows, *after])
    return np.hstack([glide(steps_of[:, :3], 9), glide(steps_of[:, 3:], 3)])


def resonate(signal: Sequence[float], frequencies: Sequence[float], bandwidth: float) -> list[float]:
    """Return the signal after a resonator whose frequency, in Hz, changes every ``STEP`` samples (Klatt, 1980)."""
    radius = math.exp(-math.pi * bandwidth / RATE)
    output, last, before = [], 0.0, 0.0
    for step, frequency in enumerate(frequencies):
        b = 2 * radius * math.cos(2 * math.pi * frequency / RATE)
        c = -radius * radius
        a = 1 - b - c
        for sample in signal[step * STEP : (step + 1) * STEP]:
            last, before = a * sample + b * last + c * before, last
            output.append(last)
    return output


def speak(source: random.Random, speaker: Speaker, word: str) -> np.ndarray:
    """Return a word as samples, ``RATE`` per second."""
    track = targets(source, speaker, word)
    steps, samples = len(track), len(track) * STEP
    voice, hiss = (np.repeat(track[:, channel], STEP) for channel in (3, 4))
    melody = speaker.pitch * source.uniform(0.9, 1.1) * np.linspace(1.1, 0.85, samples)
    cycles = np.cumsum(melody) / RATE
    pulses = np.diff(np.floor(cycles), prepend=0.0) * 15 * RATE / melody
    breath = 0.02 * noise(source, samples)
    sound: Sequence[float] = resonate(list(voice * (pulses + breath)), [0.0] * steps, 100.0)
    for number, bandwidth in enumerate(BANDWIDTHS):
        formant = track[:, number] if number < 3 else np.full(steps, 3500 * speaker.scale)
        sound = resonate(sound, np.minimum(formant, 0.48 * RATE).tolist(), bandwidth * speaker.scale)
    rush = resonate(list(hiss * noise(source, samples)), np.minimum(track[:, 5], 0.48 * RATE).tolist(), 800.0)
    return np.diff(np.array(sound), prepend=0.0) + 0.3 * np.array(rush)


def triangles() -> np.ndarray:
    """Return the weights of the bands, (frequencies, bands): triangles that are equally wide on the mel scale."""
    lowest, highest = (2595 * math.log10(1 + frequency / 700) for frequency in (100, RATE / 2))
    mel = 2595 * np.log10(1 + np.fft.rfftfreq(WINDOW, 1 / RATE) / 700)
    position = (mel - lowest) / (highest - lowest) * (BANDS + 1)
    return np.maximum(0, 1 - abs(position[:, None] - np.arange(1, BANDS + 1)))


TRIANGLES = triangles()


def energies(source: random.Random, speaker: Speaker, word: str) -> np.ndarray:
    """Return a word as a microphone hears it: (rows, bands), in decibels."""
    sound = speak(source, speaker, word)
    background = 10 ** ((speaker.noise + source.uniform(-5, 5)) / 20) * max(abs(sound))
    sound = (sound + background * noise(source, len(sound))) * 10 ** (source.uniform(-5, 5) / 20)
    windows = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::HOP]
    power = abs(np.fft.rfft(windows * np.hanning(WINDOW))) ** 2
    return 60 + 10 * np.log10(power @ TRIANGLES + 1e-9) + speaker.tilt * np.linspace(-0.5, 0.5, BANDS)


def words(source: random.Random, held_out: bool = False) -> Iterator[str]:
    """Yield spoken words without end, each with a blank line after it; the first has the names of the columns."""
    yield ",".join([*(f"band{number}" for number in range(1, BANDS + 1)), "word"]) + "\n"
    speakers = [Speaker(number) for number in SPEAKERS[held_out]]
    while True:
        word = source.choice(list(WORDS))
        rows = energies(source, source.choice(speakers), word)
        yield "".join(",".join(f"{number:.1f}" for number in row) + f",{word}\n" for row in rows) + "\n"


if __name__ == "__main__":
    run(__doc__, words, held_out=partial(words, held_out=True))
