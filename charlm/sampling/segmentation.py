"""The tokens of a text that may go on: which of them stay, and which others its end may become part of.

At level "subword" several sequences of tokens have the same text. One of them is its standard segmentation: the model
has learnt from it, and ``Vocabulary.encode`` gives it. What follows a text can change the tokens of its last piece only
(``text/subwords.py`` explains pieces): after "the hou" come the tokens " h", "ou", but in "the house" stands " house".
And the first tokens of a standard segmentation are the standard segmentation of their own text, so that a text can be
checked before it is whole. There is one exception: of several spaces before a word, the last one belongs to the word.
At the other levels, all tokens of a text stay.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..text.subwords import pieces_of
from ..text.vocabulary import EOS, UNKNOWN, Vocabulary


def are_standard(vocabulary: Vocabulary, parts: Iterable[Sequence[int]], goes_on: bool = True) -> list[bool]:
    """Whether each of some parts of lines is the standard segmentation of its text, or, where the text goes on, the
    beginning of one. parts: ids, without <UNK> and with <EOS> only at the end; each begins with a piece."""
    parts = [list(part) for part in parts]
    texts = (vocabulary.decode(part).removesuffix("\n") + "\n" for part in parts)
    ids = vocabulary.encode("".join(texts)).tolist()
    found, start = [], 0
    for part in parts:
        stop = ids.index(EOS, start) + 1
        found.append(ids[start : stop - (part[-1:] != [EOS])] == part)
        start = stop
    if goes_on:  # a space at the end may belong to a word that follows
        spaces = [n for n, part in enumerate(parts) if not found[n] and vocabulary.decode(part[-1:]) == " "]
        before = are_standard(vocabulary, (parts[n][:-1] for n in spaces), goes_on=False) if spaces else []
        for number, is_standard in zip(spaces, before, strict=True):
            found[number] = is_standard
    return found


def reads_back(vocabulary: Vocabulary, line: Sequence[int]) -> bool:
    """Whether the text of a line, or of its beginning, is read as the same words; not so where two words have run
    together. line: ids, without <UNK>."""
    if line[-1] != EOS:  # spaces at the end are part of what would follow
        while line and vocabulary.decode(line[-1:]).isspace():
            line = line[:-1]
    return vocabulary.encode(vocabulary.decode(line)).tolist() == list(line)


def divided(vocabulary: Vocabulary, text: str) -> tuple[list[int], int, str]:
    """The ids of a text, how many of them stay whatever follows, and the text of the others: those of its last piece,
    after its last <UNK>."""
    ids = vocabulary.encode(text).tolist()
    if vocabulary.level != "subword" or not text:
        return ids, len(ids), ""
    (pieces,) = deque(pieces_of(text), maxlen=1)
    widths, stay, start = vocabulary.widths.tolist(), len(ids), len(text)
    while start > len(text) - len(pieces[-1]) and ids[stay - 1] not in (EOS, UNKNOWN):
        stay -= 1
        start -= widths[ids[stay]]
    return ids, stay, text[start:]


def last_piece(vocabulary: Vocabulary, ids: Sequence[int]) -> list[int]:
    """The tokens at the end of a standard segmentation that what follows may change. ids: without <UNK>."""
    texts = [vocabulary.decode([token]) for token in ids]
    if not texts or texts[-1] == "\n":
        return []
    (pieces,) = deque(pieces_of("".join(texts)), maxlen=1)
    characters, start = len(pieces[-1]), len(ids)
    while characters > 0:
        start -= 1
        characters -= len(texts[start])
    return list(ids[start:])


def tokens_after(widths: Sequence[int], ids: Sequence[int], characters: int) -> tuple[list[int], int]:
    """The ids that end after the first ``characters`` of their text, and how many of these the first one of them has.
    widths: the characters of each id, see ``Vocabulary``."""
    start = 0
    while start < len(ids) and characters >= widths[ids[start]]:
        characters -= int(widths[ids[start]])
        start += 1
    return list(ids[start:]), characters


@dataclass(frozen=True)
class Cover:
    """The tokens that may stand where a text ends: those ``before`` its last one, and the last one, if it also has
    characters of what follows; None where the text ends with the tokens before."""

    before: tuple[int, ...]
    token: int | None = None


def covers(vocabulary: Vocabulary, rest: str) -> list[Cover]:
    """All ways in which tokens may stand at the end of a text. rest: its last characters, from ``divided``.

    The cover of a text that goes on is the shortest beginning of the whole text's standard segmentation that holds the
    given text (Vieira et al., "From language models over tokens to language models over characters", 2024). Each text
    that begins with the given one has one of these covers, and no two of them.
    """
    whole = tuple(vocabulary.encode(rest).tolist())
    split = tuple(ids for part in (rest[:-1], rest[-1:]) for ids in vocabulary.encode(part).tolist())
    certain = [Cover(whole)] + [Cover(split)] * (rest.endswith(" ") and split != whole)
    found = []
    for stop in range(len(rest)):
        before = tuple(vocabulary.encode(rest[:stop]).tolist())
        for token, symbol in enumerate(vocabulary.symbols, UNKNOWN + 1):
            if len(symbol) > len(rest) - stop and symbol.startswith(rest[stop:]):
                found.append(Cover(before, token))
    standard = are_standard(vocabulary, ([*c.before, c.token] for c in found))
    return certain + [cover for cover, is_standard in zip(found, standard, strict=True) if is_standard]
