"""The command line of the generators in this folder, and the entropy of lines."""

import argparse
import math
import os
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping


def entropy_of_lines(probabilities: Mapping[str, float]) -> float:
    """Return the entropy rate, in nats per character, of independent lines with these probabilities.

    The line end counts as a character. It makes the lines a prefix-free code, so the rate is the entropy of
    a line over its mean length.
    """
    entropy = -math.fsum(p * math.log(p) for p in probabilities.values())
    return entropy / math.fsum(p * (len(line) + 1) for line, p in probabilities.items())


def write(texts: Iterable[str]) -> None:
    """Write the texts to standard output as UTF-8, with LF as the line end on every system."""
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    try:
        for text in texts:
            sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, say) has closed the pipe. The interpreter flushes the rest of the buffer at exit, and would
        # report an error if it could not.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def up_to(count: int, texts: Iterable[str]) -> Iterator[str]:
    """Yield texts until they hold at least that many lines."""
    lines = 0
    for text in texts:
        if lines >= count:
            return
        yield text
        lines += text.count("\n")


def run(
    documentation: str,
    texts: Callable[[random.Random], Iterator[str]],
    entropy: Callable[[], float] | None = None,
    held_out: Callable[[random.Random], Iterator[str]] | None = None,
) -> None:
    """Read the arguments, then print a sample of the source or its entropy rate.

    texts: a random generator → an endless stream of texts, each of whole lines. entropy: returns the entropy rate in
    nats per character. held_out: as ``texts``, for texts to evaluate on: their names or people do not occur in
    the others.
    """
    parser = argparse.ArgumentParser(description=documentation.partition("\n")[0])
    parser.add_argument("--lines", type=int, default=10000, metavar="N", help="lines to print (default: 10000)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="seed of the random numbers (default: 1)")
    if entropy:
        parser.add_argument("--entropy", action="store_true", help="print the true entropy rate instead")
    if held_out:
        parser.add_argument(
            "--held-out", action="store_true", help="print texts with other names, or of other people, to evaluate on"
        )
    arguments = parser.parse_args()
    if entropy and arguments.entropy:
        nats = entropy()
        write([f"{nats:.4f} nats or {nats / math.log(2):.4f} bits per character\n"])
    else:
        chosen = held_out if held_out and arguments.held_out else texts
        write(up_to(arguments.lines, chosen(random.Random(arguments.seed))))
