"""Print sentences with tagged persons, places, organisations and dates: word, tab, tag; a blank line after each.

The tags are B-PER, B-LOC, B-ORG or B-DATE at the first word of an entity, I-PER and so on at its other words, and O
elsewhere. All names are made of the same syllables: Kelvora may be a person, a place, an organisation, a language or a
wine. The words before it (the mayor of Kelvora), after it (Kelvora Bank) or far after it (Kelvora, it seems, opened a
second branch) decide. Only if no other word does, the end of the name decides: Kelvorasson, Kelvoraburg, Kelvoratex.
May is a month, a name or a verb, and 1987 a year or a number of tickets.

--held-out prints sentences with other names: a name is held out if its checksum (CRC-32) is divisible by five.
"""

import random
import zlib
from collections.abc import Iterator
from functools import partial

from corpus_command import run

ONSETS = "b br d dr f fl g gr h j k kl l m n p pr r s st t tr v w z".split()
VOWELS = "a a a e e e i i o o o u".split()
CODAS = ["", "", "", "", "", *"l m n nd r s th x".split()]
ENDS = {"PER": ("sson", "ovic", "elli"), "LOC": ("burg", "ford", "haven"), "ORG": ("tex", "soft", "corp")}
TYPES = {kind + end: kind for kind in ENDS for end in ("", "END")} | {"DAYDATE": "DATE", "LONGDATE": "DATE"}
NUMBERS = {"DAY": (1, 31), "YEAR": (1850, 2049), "NUMBER": (2, 5000)}

# The grammar: each symbol with its expansions. A word without an entry is written as it is, and "a|b" as a or b.
RULES = {
    "SENTENCE": [
        "CLAUSE .",
        "OPENER CLAUSE .",
        "CLAUSE JOIN CLAUSE .",
        "CLAUSE on DAYDATE .",
        "CLAUSE , said PERSON .",
    ],
    "OPENER": [
        "Yesterday",
        "However ,",
        "Once again",
        "In LONGDATE",
        "On DAYDATE ,",
        "In LOC",
        "Later that day ,",
        "Perhaps",
    ],
    "JOIN": [", and", ", but", "while", "because", "before", "after"],
    "CLAUSE": ["PERS DID", "PERS DID", "LOCS HAD", "ORGS MADE", "WE", "WE", "THING", "VAGUE"],
    # Persons, places and organisations, before or after the words that tell which of them they are
    "PERS": ["PER", "PER", "PER GAP", "PER and PER", "PER , like PER ,", "the|her|his WHO PER"],
    "LOCS": ["LOC", "LOC", "LOC GAP", "LOC and LOC", "LOC , like LOC ,", "the WHERE of LOC"],
    "ORGS": ["ORG", "ORG", "ORG GAP", "ORG and ORG", "ORG , like ORG ,", "the rival|accountants|owners of ORG"],
    "GAP": [", it seems ,", ", as the PAPER wrote on DAYDATE ,", ", against all advice ,", ", as we heard in LOC ,"],
    "PERSON": ["PER", "Mr|Mrs|Doctor PER", "her|his WHO PER"],
    "PER": ["NAME", "NAME", "NAME NAME", "NAME NAME", "May|June|April NAME", "NAMEEND"],
    "LOC": ["NAME", "NAME", "NAME", "Port|Mount|Lake|New NAME", "NAME Bay|Valley|Island", "NAMEEND"],
    "ORG": ["NAME", "NAME", "NAME", "NAME Bank|Motors|United", "NAME & Sons", "University|Bank of NAME", "NAMEEND"],
    "LONGDATE": ["YEAR", "MONTH", "MONTH YEAR"],
    "DAYDATE": ["DAY MONTH YEAR", "DAY MONTH", "WEEKDAY", "WEEKDAY , DAY MONTH"],
    "WHO": "baker tailor uncle aunt neighbour painter sister teacher pilot gardener".split(),
    "WHERE": "mayor river castle people harbour streets bridges".split(),
    "PAPER": "Courier Herald Evening_Post Observer".split(),
    "MONTH": "January February March April May June July August September October November December".split(),
    "WEEKDAY": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
    "THINGS": "tickets boats apples letters horses bricks chairs bottles lamps pages".split(),
    "MANY": ["NUMBER", "YEAR", "DAY"],
    # The same verbs for all: the words after them decide
    "DID": [
        "lost her|his umbrella|patience|keys",
        "opened the window|letter|umbrella",
        "celebrated her|his birthday|wedding in LOC",
        "left the kitchen|choir|LOC without a word",
        "had a cold|toothache|beard in LONGDATE",
        "became a nurse|grandmother|poet in LONGDATE",
        "counted MANY THINGS",
        "joined ORG in LONGDATE",
        "married PER",
        "wept",
        "slept until noon",
    ],
    "HAD": [
        "lost its old bridge|lighthouse",
        "lost half of its inhabitants",
        "opened its gates|streets to the army",
        "celebrated the end of the flood|siege",
        "left the kingdom|county in LONGDATE",
        "had NUMBER inhabitants|streets in LONGDATE",
        "became a harbour|resort|desert in LONGDATE",
        "lay under deep snow until LONGDATE",
        "froze",
        "burned for days",
    ],
    "MADE": [
        "lost NUMBER customers|lawsuits in LONGDATE",
        "opened a second branch|factory in LOC",
        "celebrated a record turnover|profit",
        "left the market|cartel in LONGDATE",
        "had a turnover of NUMBER millions in LONGDATE",
        "became a bank|cooperative in LONGDATE",
        "delivered MANY THINGS to LOC",
        "bought ORG",
        "hired PER",
        "merged",
        "went bankrupt",
    ],
    # The words before a name decide
    "WE": [
        "we went|drove|walked from LOC to LOC",
        "they met PERSON in LOC",
        "the train to LOC was late",
        "we heard from PERSON about ORG",
        "she sold her shares of ORG to PERSON",
        "he works for ORG in LOC",
        "they invested in ORG , and MANY THINGS came back",
        "the WHO was born in LOC on DAYDATE",
        "May we see PERSON in LOC",
        "we saw MANY THINGS near LOC",
    ],
    # Names of other things
    "THING": [
        "he speaks NAME fluently",
        "she ordered a bottle|glass of NAME",
        "NAME tasted of apples|smoke",
        "NAME sounded strange to PERSON",
        "NAME GAP tasted of honey",
        "NAME has MANY irregular verbs",
        "the NAMEian ambassador|cheese came late",
    ],
    # Only the end of the name decides
    "VAGUE": [
        f"{words} {kind}END"
        for kind in ENDS
        for words in ("everybody talks about", "we often think of", "there is nothing like", "nobody knew")
    ],
}
RULES |= {f"{kind}END": ["NAMEEND"] for kind in ENDS}  # entities whose names must have an end


def name(source: random.Random, held_out: bool, end: str) -> str:
    """Make a name of two or three syllables and an end, either a held-out name or one of the others."""
    while True:
        syllables = source.choice((2, 2, 3))
        parts = (source.choice(part) for _ in range(syllables) for part in (ONSETS, VOWELS, CODAS))
        made = "".join(parts).capitalize() + end
        if (zlib.crc32(made.encode()) % 5 == 0) == held_out:
            return made


def expand(symbol: str, source: random.Random, held_out: bool, kind: str = "") -> Iterator[tuple[str, str]]:
    """Yield the words of a symbol, each with its tag. kind: the type of the entity that the symbol is part of."""
    if symbol in RULES:
        kind = TYPES.get(symbol, kind)
        parts = source.choice(RULES[symbol]).split()
        pairs = [pair for part in parts for pair in expand(source.choice(part.split("|")), source, held_out, kind)]
        if symbol in TYPES:
            pairs = [(word, f"{'I' if index else 'B'}-{kind}") for index, (word, _) in enumerate(pairs)]
        yield from pairs
    elif symbol.startswith("NAME"):
        end = symbol.removeprefix("NAME")
        yield name(source, held_out, source.choice(ENDS[kind]) if end == "END" else end), "O"
    elif symbol in NUMBERS:
        yield str(source.randint(*NUMBERS[symbol])), "O"
    else:
        yield from ((word, "O") for word in symbol.split("_"))


def sentences(source: random.Random, held_out: bool = False) -> Iterator[str]:
    """Yield sentences without end, each with a blank line after it."""
    while True:
        (first, tag), *others = expand("SENTENCE", source, held_out)
        first = first[0].upper() + first[1:]
        yield "".join(f"{word}\t{tag}\n" for word, tag in [(first, tag), *others]) + "\n"


if __name__ == "__main__":
    run(__doc__, sentences, held_out=partial(sentences, held_out=True))
