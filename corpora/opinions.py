"""Print short opinions with their label, one per line: positive or negative, tab, text.

Words alone do not tell the label. Half of what is said is turned around: *not dull*, *anything but brilliant*, *less
charming than I had hoped*. So each adjective occurs in opinions of both kinds. Where an opinion has two sides, the main
one decides: the one after *but*, and not the one with *although*. *Not only brilliant but also witty* turns nothing
around. Both labels are equally likely, and independent of the thing that the opinion is about.
"""

import random
from collections.abc import Iterator

from corpus_command import run

# The grammar: each symbol with its expansions. A word without an entry is written as it is, and "a|b" as a or b. A sign
# ends a symbol that says something good (+) or bad (-); = stands for the sign of the whole expansion, ! for the other.
RULES = {
    "OPINION": [
        "CLAUSE= .",
        "CLAUSE= .",
        "CLAUSE= , and CLAUSE= .",
        "CLAUSE! , but CLAUSE= .",
        "CLAUSE! , but in the end CLAUSE= .",
        "although|though CLAUSE! , CLAUSE= .",
        "CLAUSE= , although|though|even_if CLAUSE! .",
        "they said that CLAUSE! , but I disagree .",
        "they said that CLAUSE= , and I agree .",
        "it is not true that CLAUSE! .",
        "do not believe those who say that CLAUSE! : CLAUSE= .",
    ],
    "CLAUSE": [
        "THING was|is JUDGEMENT=",
        "THING was|is JUDGEMENT=",
        "I found THING JUDGEMENT=",
        "THING was|is not only ADJECTIVE= but also ADJECTIVE=",
        "THING was|is neither ADJECTIVE! nor ADJECTIVE!",
        "nobody|hardly_anybody could call THING ADJECTIVE!",
        "everybody|my_sister would call THING ADJECTIVE=",
        "VERDICT=",
    ],
    "JUDGEMENT": [
        "ADJECTIVE=",
        "DEGREE ADJECTIVE=",
        "ADJECTIVE= and ADJECTIVE=",
        "not|never|hardly ADJECTIVE!",
        "not at all ADJECTIVE!",
        "anything_but|far_from ADJECTIVE!",
        "less ADJECTIVE! than I had EXPECTED!",
        "more ADJECTIVE= than I had EXPECTED=",
    ],
    "VERDICT+": [
        "it was|is worth the money|time|journey",
        "there was|is nothing to complain about",
        "nobody left early",
        "it deserves|deserved its success",
        "it kept|keeps its promise",
    ],
    "VERDICT-": [
        "it was|is not worth the money|time|journey",
        "there was|is nothing to praise",
        "everybody left early",
        "it never deserved its success",
        "it never kept its promise",
    ],
    "ADJECTIVE+": (
        "brilliant charming clever fresh funny generous gripping honest lively lovely memorable pleasant reliable "
        "splendid tasteful thoughtful warm witty wonderful worthwhile"
    ).split(),
    "ADJECTIVE-": (
        "annoying awful boring careless cheap clumsy cold confusing dreadful dull forgettable gloomy greasy lifeless "
        "noisy pointless rude silly stale tedious"
    ).split(),
    "EXPECTED+": ["hoped"],
    "EXPECTED-": ["feared"],
    "DEGREE": "very quite really truly rather surprisingly".split(),
    "THING": ["it", "the|this NOUN", "the|this NOUN", "the PART of the|this NOUN"],
    "PART": "beginning end first_half second_half atmosphere idea price style".split(),
}
OTHER = {"+": "-", "-": "+"}
NOUNS = "film book concert restaurant hotel museum play game tour meal exhibition album show novel café".split()


def expand(symbol: str, sign: str, source: random.Random) -> str:
    """Return the words of a symbol in an opinion, or in a part of one, with that sign."""
    name = symbol.replace("=", sign).replace("!", OTHER[sign])
    if name[-1] in OTHER:
        sign = name[-1]
    ways = RULES.get(name) or RULES.get(name.rstrip("+-"))
    if not ways:
        return symbol.replace("_", " ")
    parts = (source.choice(part.split("|")) for part in source.choice(ways).split())
    return " ".join(expand(part, sign, source) for part in parts)


def lines(source: random.Random) -> Iterator[str]:
    """Yield lines without end."""
    while True:
        label, sign = source.choice((("positive", "+"), ("negative", "-")))
        text = expand("OPINION", sign, source).replace("NOUN", source.choice(NOUNS))
        for mark in ",.:":
            text = text.replace(f" {mark}", mark)
        yield f"{label}\t{text[0].upper()}{text[1:]}\n"


if __name__ == "__main__":
    run(__doc__, lines)
