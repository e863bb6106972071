"""Print DNA in which genes are tagged: letter, tab, tag; a blank line after each sequence.

The tags are B-GENE at the first letter of a gene, I-GENE at its other letters, and O elsewhere. The rule is a simple
form of what bacteria do:

    AGGAGG, then 5 to 9 letters, then ATG    a gene begins with this ATG (the ribosome binds to AGGAGG)
    triplets, counted from ATG               the gene ends with the first triplet that is TAA, TAG or TGA

So no letter, and no triplet, tells where it stands: ATG is everywhere, and so are TAA, TAG and TGA across the triplets
of a gene. A reader must remember that a gene has begun, and count by threes. Some AGGAGG have no ATG at the right
place. A gene that does not end goes to the end of the sequence.

All letters are equally likely outside of genes. Inside, triplets of the form RNY (A or G, any letter, C or T) are four
times as frequent as the others: J. C. W. Shepherd found that genes prefer them (Proceedings of the National Academy of
Sciences 78, 1981).
"""

import random
from collections.abc import Iterator
from itertools import product

from corpus_command import run

SITE, START, STOPS = "AGGAGG", "ATG", ("TAA", "TAG", "TGA")
DISTANCES = range(5, 10)  # letters between the site and the start
TRIPLETS = ["".join(letters) for letters in product("ACGT", repeat=3)]
INSIDE = {triplet: 1 + 3 * (triplet[0] in "AG" and triplet[2] in "CT") for triplet in TRIPLETS if triplet not in STOPS}


def noise(source: random.Random, fewest: int, most: int) -> str:
    """Return so many random letters."""
    return "".join(source.choices("ACGT", k=source.randint(fewest, most)))


def sequence(source: random.Random) -> str:
    """Return a sequence that has up to two genes, and sites without genes."""
    text = noise(source, 0, 25)
    for _ in range(source.randint(1, 2)):
        if source.random() < 0.25:
            text += SITE + noise(source, 10, 25)
        else:
            triplets = source.choices(list(INSIDE), list(INSIDE.values()), k=source.randint(3, 15))
            text += SITE + noise(source, DISTANCES[0], DISTANCES[-1])
            text += START + "".join(triplets) + source.choice(STOPS) + noise(source, 0, 25)
    return text


def genes(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the genes of a sequence start and stop (half open), by the rule."""
    position = text.find(SITE)
    while position >= 0:
        starts = (position + len(SITE) + distance for distance in DISTANCES)
        start = next((start for start in starts if text.startswith(START, start)), None)
        stop = position + 1
        if start is not None:
            ends = (end for end in range(start + 3, len(text), 3) if text.startswith(STOPS, end))
            stop = min(next(ends, len(text)) + 3, len(text))
            yield start, stop
        position = text.find(SITE, stop)


def sequences(source: random.Random) -> Iterator[str]:
    """Yield sequences without end, each with a blank line after it."""
    while True:
        text = sequence(source)
        tags = ["O"] * len(text)
        for start, stop in genes(text):
            tags[start:stop] = ["B-GENE", *["I-GENE"] * (stop - start - 1)]
        yield "".join(f"{letter}\t{tag}\n" for letter, tag in zip(text, tags, strict=True)) + "\n"


if __name__ == "__main__":
    run(__doc__, sequences)
