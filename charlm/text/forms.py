"""The form that a text has for a model: normalised or not, and what an item of it is.

A model of lines may have items of several lines (poems, recipes, tunes). An item is then a line of the text that the
model reads: LINE_FEED stands for the line feeds inside it, and a line feed ends it. So all that charlm does with lines
it does with such items, and the line feed inside has an id of its own beside <EOS>. Only ``Form.read`` and
``Form.inside`` (what goes in) and ``Form.outside`` (what comes out) know about it.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from ..errors import CorpusError

NORMAL_FORMS = ("none", "NFC", "NFKC")
LINE_FEED = "\v"  # the vertical tab, of which a text has none
LONGEST_ITEM = 1 << 22  # characters: a longer one has no separator where it should

Text = TypeVar("Text", str, bytes)


class Form(NamedTuple):
    """normalize: a name of NORMAL_FORMS, for texts and not for bytes. separator: the line between two items of several
    lines, "" for blank lines; None where each line is an item, or the text is one stream."""

    normalize: str = "none"
    separator: str | None = None

    def fields(self) -> dict:
        """The values that are not the usual ones, for JSON: the arguments that make it again."""
        return {name: value for name, value in self._asdict().items() if value != self._field_defaults[name]}

    def read(self, pieces: Iterator[Text], name: str) -> Iterator[Text]:
        """The pieces of a file in this form; they end at line ends, unless the form is the usual one. name: of the
        file, for messages. Raises CorpusError for a text that has no items."""
        if self == PLAIN:
            return pieces
        lines = whole_lines(pieces)
        if self.normalize != "none":
            lines = map(self.normalized, lines)
        return lines if self.separator is None else _items(lines, self.separator, name)

    def normalized(self, text: Text) -> Text:
        """A text from memory, normalised; bytes stay as they are."""
        if self.normalize == "none" or isinstance(text, bytes):
            return text
        return unicodedata.normalize(self.normalize, text)

    def inside(self, text: str) -> str:
        """A part of one item, as the model reads it."""
        text = self.normalized(text)
        return text if self.separator is None else text.replace("\n", LINE_FEED)

    def outside(self, text: str) -> str:
        """What a model has written, for a person."""
        return text if self.separator is None else text.replace(LINE_FEED, "\n")


PLAIN = Form()


def is_separator(text: str) -> bool:
    """Whether a text can be the separator of a form: one line, or nothing, that a model file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return text.splitlines() in ([], [text])


def known_form(text: str, unknown_in: Callable[[str], list]) -> str | None:
    """The normal form, NFC or NFD, in which a model knows more of a text; None if it knows the text as well as it is.

    unknown_in: the distinct symbols of a text that the model does not know.
    """
    forms = [form for form in ("NFC", "NFD") if not unicodedata.is_normalized(form, text)]
    unknown = len(unknown_in(text)) if forms else 0
    better = (form for form in forms if len(unknown_in(unicodedata.normalize(form, text))) < unknown)
    return next((form for form in better if _gains_in(form, text, unknown_in)), None) if unknown else None


def _gains_in(form: str, text: str, unknown_in: Callable[[str], list]) -> bool:
    """Whether a model knows more of one of the words in a normal form, and nothing less. (The same accent on many
    letters is fewer unknown symbols than the letters, and helps nobody.)"""
    words = (word for word in set(re.findall(r" ?\S+", text)) if not unicodedata.is_normalized(form, word))
    return any(set(unknown_in(unicodedata.normalize(form, word))) < set(unknown_in(word)) for word in words)


def whole_lines(pieces: Iterable[Text]) -> Iterator[Text]:
    """The same text in pieces that end at line ends, the last one excepted."""
    rest: list[Text] = []
    for piece in pieces:
        end = piece.rfind(b"\n" if isinstance(piece, bytes) else "\n") + 1
        if end:
            yield piece[:0].join([*rest, piece[:end]])
            rest = []
        if end < len(piece):
            rest.append(piece[end:])
    if rest:
        yield rest[0][:0].join(rest)


def _items(pieces: Iterable[Text], separator: str, name: str) -> Iterator[Text]:
    """The items in whole lines, each of them a line with its end. Blank lines around an item are left out; an item
    without any other line is none."""
    item: list[Text] = []  # without blank lines before it
    size = 0
    for piece in pieces:
        found, (feed, inner, wanted) = [], _marks(piece, separator)
        if inner in piece:
            raise CorpusError(
                f"{name} has a vertical tab, which stands for the line feeds inside items; remove it (tr -d '\\v')"
            )
        for line in piece.removesuffix(feed).split(feed):
            if line.rstrip() == wanted:
                found += _joined(item, inner, feed)
                item, size = [], 0
            elif item or line.strip():
                item.append(line)
                size += len(line) + 1
                if size > LONGEST_ITEM:
                    raise CorpusError(
                        f"{name} has an item of more than {LONGEST_ITEM:,} characters: no line of it is the separator "
                        f"{separator!r}; check --separator"
                    )
        if found:
            yield piece[:0].join(found)
    yield from _joined(item, *_marks(item[0], separator)[1::-1]) if item else ()


def _marks(like: Text, separator: str) -> tuple[Text, Text, Text]:
    """The line feed, what stands for it inside an item, and the separator, as a text or as bytes."""
    marks = "\n", LINE_FEED, separator.rstrip()
    return tuple(mark.encode() for mark in marks) if isinstance(like, bytes) else marks  # type: ignore[return-value]


def _joined(lines: list[Text], inner: Text, feed: Text) -> list[Text]:
    """An item as one line with its end, in a list; nothing for an item without lines."""
    while lines and not lines[-1].strip():
        lines.pop()
    return [inner.join(lines) + feed] if lines else []
