"""How often a model finds a typo: one is put into each of some lines of a text that the model has not seen, and the
line's most surprising token should be at it.

    python benchmarks/typos.py m.npz held-out.txt

A typo is a letter replaced, inserted, left out, or changed with the one after it, a quarter of the lines each, at a
place of chance. The whole text is scored, as ``charlm perplexity --per-token`` does. Found means that the most
surprising token stands at most ``--within`` characters from the typo.
"""

import argparse
import random
import string

import charlm
from charlm.scoring.blocks import blocks, clean
from charlm.scoring.pipeline import scored_blocks

KINDS = ("replaced", "inserted", "left out", "swapped")


def with_typo(line: str, kind: str, chance: random.Random) -> tuple[str, range] | None:
    """The line with a typo, and the places of the changed characters; None where it has no room for one."""
    letters = [i for i, c in enumerate(line) if c.isalpha()]
    if kind == "swapped":
        letters = [i for i in letters if line[i + 1 : i + 2].isalpha() and line[i] != line[i + 1]]
    if len(line) < 20 or not letters:
        return None
    i = chance.choice(letters)
    other = chance.choice([c for c in string.ascii_lowercase if c != line[i].lower()])
    if kind == "replaced":
        return line[:i] + (other.upper() if line[i].isupper() else other) + line[i + 1 :], range(i, i + 1)
    if kind == "inserted":
        return line[:i] + other + line[i:], range(i, i + 1)
    if kind == "left out":
        return line[:i] + line[i + 1 :], range(i, i + 1)
    return line[:i] + line[i + 1] + line[i] + line[i + 2 :], range(i, i + 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--lines", type=int, default=200, metavar="N", help="lines with a typo (default: 200)")
    parser.add_argument("--within", type=int, default=2, metavar="N", help="characters (default: 2)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    chance = random.Random(options.seed)
    with open(options.text, encoding="utf-8") as file:
        lines = file.read().splitlines()
    typos = {}
    for number in chance.sample(range(len(lines)), len(lines)):
        kind = KINDS[len(typos) % len(KINDS)]
        changed = with_typo(lines[number], kind, chance)
        if changed and len(typos) < options.lines:
            lines[number], places = changed
            typos[number] = kind, places

    model = charlm.load(options.model)
    text = "\n".join(lines) + "\n"
    found, asked, before = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0), 0
    for (block,) in scored_blocks([model], blocks(clean(text, model.vocabulary.level), True)):
        symbols, nats = iter(block.symbols()), iter(block.scores.nats.tolist())
        for number, length in enumerate(block.lengths.tolist(), before):
            place, most, worst = 0, -1.0, range(0)
            for _ in range(length):
                symbol, surprise = next(symbols), next(nats)
                if surprise > most:
                    most, worst = surprise, range(place, place + len(symbol))
                place += len(symbol)
            if number in typos:
                kind, places = typos[number]
                distance = max(0, worst.start - places[-1], places[0] - (worst.stop - 1))
                asked[kind] += 1
                found[kind] += distance <= options.within
        before += len(block.lengths)
    for kind in KINDS:
        print(f"{kind:<10} {found[kind]:4} of {asked[kind]:4}")
    share = sum(found.values()) / max(1, sum(asked.values()))
    print(f"{'all':<10} {sum(found.values()):4} of {sum(asked.values()):4}   {100 * share:.1f} %")


if __name__ == "__main__":
    main()
