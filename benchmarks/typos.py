"""How often a model finds a typo: the script puts one into some lines of a text that the model has not seen; the most
surprising token of such a line should be at the typo.

    python benchmarks/typos.py m.npz held-out.txt

A typo is a letter that is replaced, inserted, dropped or swapped with the next one, each in a quarter of the lines, at
a random position. The whole text is scored as by ``charlm perplexity --per-token``. A typo is found if the most
surprising token is at most ``--within`` characters away from it.
"""

import argparse
import random
import string

import charlm
from charlm.scoring.blocks import blocks, clean
from charlm.scoring.pipeline import scored_blocks

KINDS = ("replaced", "inserted", "dropped", "swapped")


def with_typo(line: str, kind: str, generator: random.Random) -> tuple[str, range] | None:
    """(the line with a typo, the positions of the changed characters); None if the line is too short for a typo."""
    letters = [i for i, c in enumerate(line) if c.isalpha()]
    if kind == "swapped":
        letters = [i for i in letters if line[i + 1 : i + 2].isalpha() and line[i] != line[i + 1]]
    if len(line) < 20 or not letters:
        return None
    i = generator.choice(letters)
    other = generator.choice([c for c in string.ascii_lowercase if c != line[i].lower()])
    if kind == "replaced":
        return line[:i] + (other.upper() if line[i].isupper() else other) + line[i + 1 :], range(i, i + 1)
    if kind == "inserted":
        return line[:i] + other + line[i:], range(i, i + 1)
    if kind == "dropped":
        return line[:i] + line[i + 1 :], range(i, i + 1)
    return line[:i] + line[i + 1] + line[i] + line[i + 2 :], range(i, i + 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument(
        "--lines", type=int, default=200, metavar="N", help="number of lines with a typo (default: 200)"
    )
    parser.add_argument(
        "--within",
        type=int,
        default=2,
        metavar="N",
        help="characters between the token and the typo, at most (default: 2)",
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    generator = random.Random(options.seed)
    with open(options.text, encoding="utf-8") as file:
        lines = file.read().splitlines()
    typos = {}
    for number in generator.sample(range(len(lines)), len(lines)):
        kind = KINDS[len(typos) % len(KINDS)]
        changed = with_typo(lines[number], kind, generator)
        if changed and len(typos) < options.lines:
            lines[number], positions = changed
            typos[number] = kind, positions

    model = charlm.load(options.model)
    text = "\n".join(lines) + "\n"
    found, total, before = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0), 0
    for (block,) in scored_blocks([model], blocks(clean(text, model.vocabulary), True)):
        symbols, nats = iter(block.symbols()), iter(block.scores.nats.tolist())
        for number, length in enumerate(block.lengths.tolist(), before):
            position, most, worst = 0, -1.0, range(0)
            for _ in range(length):
                symbol, surprise = next(symbols), next(nats)
                if surprise > most:
                    most, worst = surprise, range(position, position + len(symbol))
                position += len(symbol)
            if number in typos:
                kind, positions = typos[number]
                distance = max(0, worst.start - positions[-1], positions[0] - (worst.stop - 1))
                total[kind] += 1
                found[kind] += distance <= options.within
        before += len(block.lengths)
    for kind in KINDS:
        print(f"{kind:<10} {found[kind]:4} of {total[kind]:4}")
    fraction = sum(found.values()) / max(1, sum(total.values()))
    print(f"{'all':<10} {sum(found.values()):4} of {sum(total.values()):4}   {100 * fraction:.1f} %")


if __name__ == "__main__":
    main()
