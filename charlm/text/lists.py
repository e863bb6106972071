"""Lists of items and running texts: whether each line of a text is a text of its own.

``is_list`` reads the beginning of a text and looks for signs that its lines belong together. A text with none of them,
and with enough lines to judge by, is a list. A wrong "list" costs more than a wrong "text": a model of lines forgets
everything at the end of a line. So each sign counts against the list, and what no sign is made for stays a text.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise

BEGINNING = 100_000  # characters, or bytes, of a text that are looked at
FEWEST = 30  # lines of a list: with fewer, a poem and a list look alike
MOST = 1500  # lines that are looked at, because more cost time and change nothing
LONG = 80  # characters: the lines of a list are shorter
WIDE = 25  # characters: items of one width, such as codes and dates, are shorter
PLAIN_WORDS = 4.2  # in a line, on average: names and titles have fewer of them

_OPEN_END = re.compile(r"[,;:\-–—([{=|&\\，、；：،]$")
_SENTENCE_END = re.compile(r"[.!?…。！？؟।][\"'”’»)\]」』）]*$")
# A word in lower case, or in a script without cases; two characters of Chinese or Japanese, which have no spaces.
_PLAIN_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]{2}|(?<![\w@./-])(?![A-ZÀ-ÖØ-ÞΑ-ΩЀ-Я])[^\W\d_]+(?![\w@/-])")
_SYMBOL = re.compile(r"[!-/:-@\[-`{-~\u2500-\u259f\u2800-\u28ff]")  # punctuation of ASCII, boxes, blocks, Braille
_CONTROL = re.compile(r"[\0-\x08\x0e-\x1f\x7f\udc80-\udcff]")  # a surrogate is a byte that is not UTF-8
_SEPARATOR = re.compile(r"[\t,;|](?! )")
_NUMBER = re.compile(r"[-+]?[\d.,]*\d%?$")
_TIME = re.compile(r".{0,20}?\b\d{1,2}:\d\d(?::\d\d)?\b.{0,12}[^\W\d_]{2}")
_SPEAKER = re.compile(r"<?([^\W\d_][\w .'’-]{0,24})(?:: |> )\S")
_MARKUP = re.compile(r"<.*>$|\{.*\}$|>|#(?:include|define) |//|/\*")


def is_list(text: str | bytes) -> bool:
    """Whether each line of a text is a text of its own: a name, a word, a date, a short sentence. Only its first
    BEGINNING characters are looked at."""
    beginning = text[:BEGINNING]
    if isinstance(beginning, bytes):
        beginning = beginning.decode("utf-8", "surrogateescape")
    rows = beginning.split("\n")
    if len(text) > BEGINNING:
        rows.pop()  # it may be cut
    while rows and not rows[-1].strip():
        rows.pop()
    rows = [row.rstrip() for row in rows[:MOST]]
    lines = [row for row in rows if row]
    if len(lines) < FEWEST or len(rows) - len(lines) > max(1, 0.02 * len(rows)):
        return False
    return not any(sign(lines) for sign in SIGNS_OF_A_TEXT)


def _share(of: Iterable[object]) -> float:
    """The fraction that is true."""
    found = list(map(bool, of))
    return sum(found) / len(found)


def _has_long_lines(lines: list[str]) -> bool:
    return _share(len(line) > LONG for line in lines) > 0.05


def _is_not_writing(lines: list[str]) -> bool:
    """Pictures made of symbols, and bytes that are no text."""
    text = "".join(lines)
    return _CONTROL.search(text) is not None or len(_SYMBOL.findall(text)) > 0.5 * len("".join(text.split()))


def _is_indented(lines: list[str]) -> bool:
    """Code, mostly. A list whose lines are all indented alike is still a list."""
    indents = Counter(len(line) - len(line.lstrip()) for line in lines)
    return 1 - indents.most_common(1)[0][1] / len(lines) > 0.03


def _is_markup(lines: list[str]) -> bool:
    """HTML, JSON, FASTA, and the like."""
    return _share(map(_MARKUP.match, lines)) > 0.03 or _share(line in ("{", "}") for line in lines) > 0


def _ends_open(lines: list[str]) -> bool:
    """Lines that go on in the next line: after a comma, a hyphen, an open bracket, a bar."""
    return _share(map(_OPEN_END.search, lines)) > 0.04


def _has_one_width(lines: list[str]) -> bool:
    """Sequences that are cut into lines of one width: DNA, hexadecimal numbers."""
    width, count = Counter(map(len, lines)).most_common(1)[0]
    return width >= WIDE and count > 0.4 * len(lines)


def _is_prose_or_verse(lines: list[str]) -> bool:
    """Many plain words in a line, and not a whole sentence in each. A sorted list may have such lines."""
    text = "\n".join(lines)
    if sum(map(str.isupper, text)) > 0.6 * sum(map(str.isalpha, text)):
        text = text.lower()
    if len(_PLAIN_WORD.findall(text)) < PLAIN_WORDS * len(lines):
        return False
    return _share(map(_SENTENCE_END.search, lines)) < 0.9 and not _is_sorted(lines)


def _is_sorted(lines: list[str]) -> bool:
    return _share(line.casefold() <= after.casefold() for line, after in pairwise(lines)) > 0.95


def _is_table(lines: list[str]) -> bool:
    """Three columns or more, or columns that are filled up with spaces. Pairs (a name and its language) are a list."""
    columns = _share(len(_SEPARATOR.findall(line)) >= 2 for line in lines)
    aligned = _share("  " in line.lstrip() for line in lines)
    return columns > 0.6 or aligned > 0.5 or _is_table_of_numbers(lines)


def _is_table_of_numbers(lines: list[str]) -> bool:
    """Rows of numbers. The number of a telephone has groups too, but few of them, and mostly one width."""
    rows = [line.split() for line in lines]
    few = 4 if Counter(map(len, lines)).most_common(1)[0][1] > 0.8 * len(lines) else 2
    return _share(len(row) > few and all(map(_NUMBER.match, row)) for row in rows) > 0.8


def _is_conversation(lines: list[str]) -> bool:
    """Few speakers who take turns, or the time at the beginning of each line, as in logs."""
    if _share(map(_TIME.match, lines)) > 0.5:
        return True
    found = [match and match[1] for match in map(_SPEAKER.match, lines)]
    speakers = list(filter(None, found))
    if len(speakers) < 0.6 * len(lines) or len(set(speakers)) > 0.2 * len(speakers):
        return False
    return _share(speaker != after for speaker, after in pairwise(speakers)) > 0.4


SIGNS_OF_A_TEXT: tuple[Callable[[list[str]], bool], ...] = (
    _has_long_lines,
    _is_not_writing,
    _is_indented,
    _is_markup,
    _ends_open,
    _has_one_width,
    _is_prose_or_verse,
    _is_table,
    _is_conversation,
)
