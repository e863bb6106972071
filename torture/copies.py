"""Texts that repeat themselves: a model of them must give new text at any temperature, and in the time of prose."""

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import charlm
from charlm.errors import SamplingError
from charlm.sampling.sampler import new_sampler
from charlm.sampling.settings import SamplingOptions
from charlm.text.novelty import ExactNovelty
from charlm.text.visible import visible

CORPORA = Path(__file__).parent.parent / "corpora"
TEMPERATURES = 0.5, 0.7, 1.0
SLOWEST = 2.0  # times the seconds of prose, at most
WORDS = (CORPORA / "english.txt").read_text(encoding="utf-8").split()


def printed_by(*command: str) -> str:
    """What a script of corpora/ prints."""
    name, *options = command
    done = subprocess.run([sys.executable, CORPORA / name, *options], capture_output=True, text=True, check=True)
    return done.stdout


def prose(size: int) -> str:
    """Sentences of words, in paragraphs."""
    chance, sentences, written = random.Random(1), [], 0
    while written < size:
        sentence = " ".join(chance.choices(WORDS, k=chance.randint(4, 14))).capitalize()
        sentences.append(sentence + chance.choice((". ", ".\n", ", and so on. ", "?\n\n")))
        written += len(sentences[-1])
    return "".join(sentences)


def tables(size: int) -> str:
    """Tables with rulers, aligned columns and the same heads."""
    chance, lines = random.Random(2), []
    ruler = "+" + "-" * 22 + "+" + "-" * 12 + "+" + "-" * 12 + "+\n"
    while sum(map(len, lines)) < size:
        lines += [ruler, f"| {'name':<20} | {'amount':>10} | {'in percent':>10} |\n", ruler]
        for _ in range(chance.randint(3, 9)):
            amount = chance.randrange(100_000)
            lines.append(f"| {chance.choice(WORDS):<20} | {amount:>10,} | {amount / 1000:>10.2f} |\n")
        lines += [ruler, "\n"]
    return "".join(lines)


def logs(size: int) -> str:
    """The log of a server: long lines that differ in a few digits."""
    chance, lines, seconds = random.Random(3), [], 0
    while sum(map(len, lines[-1:])) * len(lines) < size:
        seconds += chance.randrange(90)
        clock = f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        address = f"10.0.{chance.randrange(4)}.{chance.randrange(256)}"
        path = chance.choice(("index.html", "login", "static/style.css", "api/v1/items"))
        result = f"{chance.choice((200, 304))} {chance.randrange(9000)}"
        lines.append(
            f'2024-03-{1 + seconds // 86400:02} {clock} INFO server.access: {address} - "GET /{path} HTTP/1.1" '
            f'{result} "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"\n'
        )
    return "".join(lines)


def ascii_art(size: int) -> str:
    """Houses and trees of different sizes, side by side."""
    chance, pictures = random.Random(4), []
    while sum(map(len, pictures)) < size:
        width, height, indent = chance.randint(4, 20), chance.randint(2, 6), " " * chance.randint(0, 24)
        roof = [
            indent + " " * (height - row) + "/" + " " * (width - 2 * (height - row)) + "\\" for row in range(height)
        ]
        wall = [indent + "|" + chance.choice((" ", "#", ".")) * width + "|" for _ in range(height)]
        tree = [" " * (height - row) + "*" * (2 * row + 1) for row in range(height)]
        floor = indent + "+" + "=" * width + "+"
        pictures.append("\n".join([*roof, *map("   ".join, zip(wall, tree, strict=True)), floor, "\n"]))
    return "".join(pictures)


KINDS: dict[str, Callable[[int], str]] = {
    "prose": prose,
    "code": lambda size: printed_by("standard_library.py", "--limit", str(size)),
    "tables": tables,
    "DNA": lambda size: printed_by("dna.py")[:size],
    "ASCII art": ascii_art,
    "logs": logs,
    "music": lambda size: printed_by("tunes.py")[:size],
}


def repetitive(
    folder: Path, kinds=tuple(KINDS), size: int = 200_000, epochs: float = 8, count: int = 100, length: int = 500
) -> Iterator[str]:
    """Train a model on each kind of text, and sample ``count`` texts of ``length`` characters at each temperature.

    None may fail or copy more than the limit, and ``count`` of 100 or more must take at most SLOWEST times as long as
    of prose, the first kind.
    """
    seconds_of_prose: dict[float, float] = {}
    for kind in kinds:
        path = folder / f"{kind}.txt"
        path.write_text(KINDS[kind](size), encoding="utf-8")
        model = charlm.train(path, lines=False, hidden=128, layers=1, epochs=epochs, threads=1, seed=1)
        for temperature in TEMPERATURES:
            sampler = new_sampler(model, count, length, SamplingOptions(temperature=temperature, seed=1))
            begun = time.monotonic()
            try:
                texts = [sample.text for sample in sampler.samples()]
            except SamplingError as error:
                yield f"{kind} at {temperature}: {error}"
                continue
            seconds = time.monotonic() - begun
            allowed = seconds_of_prose.setdefault(temperature, seconds) * SLOWEST
            if count >= 100 and seconds > allowed:
                yield f"{kind} at {temperature}: {seconds:.1f} s, and prose {allowed / SLOWEST:.1f} s"
                continue
            yield _copies_in(texts, path, sampler.max_copied)


def _copies_in(texts, path, most):
    """The first text that copies more than ``most`` characters of the file, looked up in the file itself; "" if none
    does."""
    longest = ExactNovelty([path.read_text(encoding="utf-8")]).longest_copied_runs(texts)
    return next((f"{run} copied: {visible(text)}" for text, run in zip(texts, longest, strict=True) if run > most), "")
