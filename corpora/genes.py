"""Print DNA with the protein that its genes stand for: letter, tab, tag; a blank line after each sequence.

The tags are B-M, I-M, I-M at the three letters of a triplet that stands for the amino acid M, and so on for all twenty
(the standard genetic code, with the one-letter names of IUPAC); B-*, I-*, I-* at a triplet that ends a gene; and O
outside of genes. A simple form of what bacteria do is the rule:

    AGGAGG, then 5 to 9 letters, then ATG    a gene begins with this ATG (the ribosome binds to AGGAGG)
    triplets, counted from ATG               the gene ends with the first triplet that is TAA, TAG or TGA

All letters are equally likely outside of genes, and all other triplets inside. So no triplet tells whether it counts:
ATG is everywhere, and so are TAA, TAG and TGA across the triplets of a gene. A reader must remember that a gene has
begun, and count by threes. Some AGGAGG have no ATG at the right place.
"""

import random
from collections.abc import Iterator
from itertools import product

from corpus_command import run

SITE, START = "AGGAGG", "ATG"
DISTANCES = range(5, 10)  # letters between the site and the start
AMINO_ACIDS = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"
CODE = dict(zip(map("".join, product("TCAG", repeat=3)), AMINO_ACIDS, strict=True))  # triplet → amino acid; *: the end
INSIDE, STOPS = ([triplet for triplet, acid in CODE.items() if (acid == "*") == ends] for ends in (False, True))


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
            triplets = source.choices(INSIDE, k=source.randint(3, 15))
            text += SITE + noise(source, DISTANCES[0], DISTANCES[-1])
            text += START + "".join(triplets) + source.choice(STOPS) + noise(source, 0, 25)
    return text


def tags_of(text: str) -> list[str]:
    """Return the tag of each letter, by the rule."""
    tags = ["O"] * len(text)
    position = text.find(SITE)
    while position >= 0:
        starts = (position + len(SITE) + distance for distance in DISTANCES)
        start = next((start for start in starts if text.startswith(START, start)), len(text))
        position += 1
        for triplet in range(start, len(text) - 2, 3):
            acid = CODE[text[triplet : triplet + 3]]
            tags[triplet : triplet + 3] = [f"B-{acid}", f"I-{acid}", f"I-{acid}"]
            position = triplet + 3
            if acid == "*":
                break
        position = text.find(SITE, position)
    return tags


def sequences(source: random.Random) -> Iterator[str]:
    """Yield sequences without end, each with a blank line after it."""
    while True:
        text = sequence(source)
        yield "".join(f"{letter}\t{tag}\n" for letter, tag in zip(text, tags_of(text), strict=True)) + "\n"


if __name__ == "__main__":
    run(__doc__, sequences)
