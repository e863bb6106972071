"""Print numbers in words with their language, one per line: label, tab, text.

The language is uniform over English, German, French, Spanish and Italian. Independent of it is the number, from 0 to
9,999; lengths of 1 to 4 digits are equally likely. The spelling is that of a dictionary. A few words belong to two
languages (six to English and French, zero to English and Italian), so that no classifier is right every time.
"""

import random
from collections.abc import Iterator

from corpus_command import run

GERMAN = "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf".split()
ENGLISH = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
FRENCH = (
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit "
    "dix-neuf"
).split()
SPANISH = (
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete "
    "dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete "
    "veintiocho veintinueve"
).split()
ITALIAN = (
    "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici "
    "diciassette diciotto diciannove"
).split()
TENS = {
    "English": "twenty thirty forty fifty sixty seventy eighty ninety".split(),
    "German": "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split(),
    "French": "vingt trente quarante cinquante soixante".split(),
    "Spanish": "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa".split(),
    "Italian": "venti trenta quaranta cinquanta sessanta settanta ottanta novanta".split(),
}


def english(n: int) -> str:
    """Write a number below 10,000 in British English."""
    if n < 20:
        return ENGLISH[n]
    if n < 100:
        return TENS["English"][n // 10 - 2] + (f"-{ENGLISH[n % 10]}" if n % 10 else "")
    if n < 1000:
        return f"{ENGLISH[n // 100]} hundred" + (f" and {english(n % 100)}" if n % 100 else "")
    rest = n % 1000
    return f"{ENGLISH[n // 1000]} thousand" + (f"{' and' if rest < 100 else ''} {english(rest)}" if rest else "")


def german(n: int, last: bool = True) -> str:
    """Write a number below 10,000 in German. last: no other part follows it, so that 1 is eins."""
    if n == 1:
        return "eins" if last else "ein"
    if n < 13:
        return GERMAN[n]
    if n < 20:
        return {16: "sech", 17: "sieb"}.get(n, GERMAN[n - 10]) + "zehn"
    if n < 100:
        return (f"{GERMAN[n % 10]}und" if n % 10 else "") + TENS["German"][n // 10 - 2]
    step, name = (100, "hundert") if n < 1000 else (1000, "tausend")
    return GERMAN[n // step] + name + (german(n % step) if n % step else "")


def french(n: int) -> str:
    """Write a number below 10,000 in the French of France, with the spelling before 1990."""
    if n < 20:
        return FRENCH[n]
    if n < 100:
        ten, one = divmod(n, 10)
        if ten in (7, 9):
            ten, one = ten - 1, one + 10
        if ten == 8:
            return "quatre-vingts" if not one else f"quatre-vingt-{FRENCH[one]}"
        joint = " et " if one in (1, 11) else "-"
        return TENS["French"][ten - 2] + (f"{joint}{FRENCH[one]}" if one else "")
    step, name = (100, "cent") if n < 1000 else (1000, "mille")
    times, rest = divmod(n, step)
    plural = "s" if step == 100 and times > 1 and not rest else ""
    return (f"{FRENCH[times]} " if times > 1 else "") + name + plural + (f" {french(rest)}" if rest else "")


def spanish(n: int) -> str:
    """Write a number below 10,000 in Spanish."""
    if n < 30:
        return SPANISH[n]
    if n < 100:
        return TENS["Spanish"][n // 10 - 2] + (f" y {SPANISH[n % 10]}" if n % 10 else "")
    if n < 1000:
        hundreds = {1: "ciento" if n > 100 else "cien", 5: "quinientos", 7: "setecientos", 9: "novecientos"}
        name = hundreds.get(n // 100, f"{SPANISH[n // 100]}cientos")
        return name + (f" {spanish(n % 100)}" if n % 100 else "")
    return (f"{SPANISH[n // 1000]} " if n >= 2000 else "") + "mil" + (f" {spanish(n % 1000)}" if n % 1000 else "")


def italian(n: int) -> str:
    """Write a number below 10,000 in Italian."""
    if n < 20:
        return ITALIAN[n]
    if n < 100:
        ten, one = TENS["Italian"][n // 10 - 2], n % 10
        if one in (1, 8):
            ten = ten[:-1]
        return ten + ("" if not one else "tré" if one == 3 else ITALIAN[one])
    if n < 1000:
        times, rest = divmod(n, 100)
        return (ITALIAN[times] if times > 1 else "") + "cento" + (accented(rest) if rest else "")
    times, rest = divmod(n, 1000)
    return (f"{ITALIAN[times]}mila" if times > 1 else "mille") + (accented(rest) if rest else "")


def accented(n: int) -> str:
    """Write the end of an Italian number, in which three has an accent."""
    return "tré" if n == 3 else italian(n)


LANGUAGES = {"English": english, "German": german, "French": french, "Spanish": spanish, "Italian": italian}


def lines(source: random.Random) -> Iterator[str]:
    """Yield lines without end."""
    while True:
        language = source.choice(list(LANGUAGES))
        number = source.randrange(10 ** source.randint(1, 4))
        yield f"{language}\t{LANGUAGES[language](number)}\n"


if __name__ == "__main__":
    run(__doc__, lines)
