"""Text ⇄ ids, at five levels: a symbol is a character, a subword, a word, a token or a byte. A token is whatever stands
between white space; a model writes a space after each.

Id 0 is <EOS>, the end of a line: every line feed in a text is one. Id 1 is <UNK>, which replaces every symbol that the
vocabulary does not contain. Both are ids and not strings, so that "<EOS>" or "<UNK>" in a text is ordinary text.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import compress, repeat
from typing import Any

import numpy as np

from ..errors import UsageError
from ..options import LEVELS
from .forms import PLAIN, Form
from .subwords import Merges

EOS, UNKNOWN = 0, 1
SPECIAL = ("<EOS>", "<UNK>")
# The name of a token at each level.
UNITS = {"char": "character", "subword": "subword", "word": "word", "token": "token", "byte": "byte"}

# A word with the space before it, a punctuation mark with the space before it, the rest of a run of spaces, or any
# other white space. A space belongs to the symbol after it, so that the symbols joined give the text again.
_WORD = re.compile(r" ?\w++(?:['’]\w++)*+| ?[^\w\s]|\n| +(?= )|\s")
# A token or a line feed, also one inside an item (see ``forms``); and the same with the white space before it.
_TOKEN = re.compile(r"\S+|[\n\v]")
_TOKEN_AND_SPACE = re.compile(r"[^\S\n\v]*(?:\S+|[\n\v])")
_SPACE_AT_END = re.compile(r" (?=[\n\v]|\Z)")
FOUND_BY = {"word": _WORD, "token": _TOKEN}  # the levels whose symbols an expression finds


def symbols_in(text: str, level: str) -> list:
    """The symbols of a text, line feeds included: characters, words or byte values. At level "subword" they are the
    characters, of which a vocabulary makes its subwords."""
    if level in FOUND_BY:
        return FOUND_BY[level].findall(text)
    return list(as_bytes(text)) if level == "byte" else list(text)


def text_of_symbol(symbol: str, level: str) -> str:
    """How a model writes a symbol; not of bytes."""
    return f"{symbol} " if level == "token" and symbol.strip() else symbol


def as_bytes(text: str | bytes) -> bytes:
    """The bytes of a text. In a string, bytes that are not UTF-8 are lone surrogates (PEP 383).

    A surrogate that represents no byte becomes the three bytes that UTF-8 would give it.
    """
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        pieces = (c.encode("utf-8", "surrogateescape" if "\udc80" <= c <= "\udcff" else "surrogatepass") for c in text)
        return b"".join(pieces)


def bytes_of_unknown(ids: np.ndarray, level: str, symbols: Callable[[], Iterable[str | int]]) -> np.ndarray:
    """How many bytes (UTF-8) spell each symbol whose id is <UNK>, with one more for the end of a word, and 0 for each
    other one: int32 (n).

    ids: of the symbols, (n). symbols: a function that gives the symbols; it is called only if one of them is <UNK>.
    """
    unknown, found, end = ids == UNKNOWN, np.zeros(len(ids), np.int32), level in ("word", "token")
    if unknown.any():
        found[unknown] = [
            1 if isinstance(symbol, int) else len(as_bytes(symbol)) + end
            for symbol in compress(symbols(), unknown.tolist())
        ]
    return found


def smallest_type(number: int) -> type:
    """The smallest unsigned integer type for the ids 0…number-1."""
    return np.uint8 if number <= 2**8 else np.uint16 if number <= 2**16 else np.uint32


def code_points(text: str) -> np.ndarray:
    """The code points of a text: uint32 (characters)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def text_of(points: np.ndarray) -> str:
    """The text of some code points, (characters)."""
    return points.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


class Vocabulary:
    """The symbols that a model knows, by id: <EOS>, <UNK>, then ``symbols`` from id 2 on.

    level: one of LEVELS. symbols: distinct characters, words, tokens, or byte values 0…255, without the
    line feed; at level "subword" the characters come first, then the string that each merge makes. merges: the ids that
    each merge joins, in the order in which they were learnt, (M, 2): see ``subwords``. form: that a text has when it is
    encoded. Raises UsageError for an unknown level, ValueError for symbols that are not distinct and for merges that do
    not make these symbols.
    """

    def __init__(self, level: str, symbols: Iterable, merges: Iterable = (), form: Form = PLAIN):
        if level not in LEVELS:
            raise UsageError(f"there is no level {level!r}; choose one of {', '.join(LEVELS)}")
        self.level, self.symbols, self.form = level, tuple(symbols), form
        self.merges = tuple(map(tuple, merges))
        self._ids = {symbol: number for number, symbol in enumerate(self.symbols, len(SPECIAL))}
        if len(self._ids) < len(self.symbols):
            raise ValueError("the symbols of a vocabulary must be distinct")
        self._ids[ord("\n") if level == "byte" else "\n"] = EOS
        names = ("\n", SPECIAL[UNKNOWN])
        if level == "byte":
            self._texts = [*(name.encode() for name in names), *(bytes([symbol]) for symbol in self.symbols)]
        else:
            self._texts = [text_of_symbol(symbol, level) for symbol in (*names, *self.symbols)]
        self._merges = self._checked_merges()
        if level not in FOUND_BY:
            made = set(self.symbols[len(self.symbols) - len(self.merges) :])
            ids = {symbol: number for symbol, number in self._ids.items() if symbol not in made}
            points = [symbol if level == "byte" else ord(symbol) for symbol in ids]
            # the last entry is for all characters above
            self._table = np.full(256 if level == "byte" else max(points) + 2, UNKNOWN, self.dtype)
            self._table[points] = list(ids.values())

    def _checked_merges(self) -> Merges:
        """What applies the merges. Raises ValueError if they do not make the last symbols."""
        texts, first = self._texts, len(self) - len(self.merges)
        if first < len(SPECIAL) or self.merges and self.level != "subword":
            raise ValueError("a vocabulary has fewer symbols than merges, or merges of no subwords")
        for made, (left, right) in enumerate(self.merges, first):
            if not (UNKNOWN < left < made and UNKNOWN < right < made):
                raise ValueError("a merge joins symbols that do not stand before it")
            if len(texts[made]) != len(texts[left]) + len(texts[right]) or texts[made] != texts[left] + texts[right]:
                raise ValueError("a merge does not make its symbol")
        return Merges(np.array(self.merges, np.int64).reshape(-1, 2), first)

    def __len__(self):
        return len(self.symbols) + len(SPECIAL)

    def __eq__(self, other):
        return isinstance(other, Vocabulary) and self.fields() == other.fields()

    def __hash__(self):
        return hash((self.level, self.symbols, self.merges, self.form))

    def fields(self) -> dict:
        """The vocabulary as JSON values, by name, with those of its form."""
        merges = {"merges": list(map(list, self.merges))} if self.level == "subword" else {}
        return {"level": self.level, "symbols": list(self.symbols)} | merges | self.form.fields()

    @property
    def dtype(self) -> type:
        return smallest_type(len(self.symbols) + len(SPECIAL))

    @classmethod
    def build(
        cls, level: str, counts: dict, min_count: int = 1, max_vocabulary: int | None = None, *, form: Form = PLAIN
    ) -> "Vocabulary":
        """A vocabulary of the symbols that occur at least ``min_count`` times, sorted by frequency, then by symbol.

        counts: how often each symbol occurs in the training part. max_vocabulary: the size of the vocabulary at most,
        <EOS> and <UNK> included; the most frequent symbols are kept.
        """
        kept = [(-count, symbol) for symbol, count in counts.items() if count >= min_count and symbol not in ("\n", 10)]
        room = None if max_vocabulary is None else max(0, max_vocabulary - len(SPECIAL))
        return cls(level, [symbol for _, symbol in sorted(kept)[:room]], form=form)

    def with_symbols(self, symbols: Iterable) -> "Vocabulary":
        """This vocabulary with more symbols, which it does not have yet; of subwords these are characters. The ids of
        all other symbols stay in their order: only what merges make stands after the new ones."""
        new, first = tuple(symbols), len(self.symbols) - len(self.merges)
        made = first + len(SPECIAL)
        merges = [tuple(part + len(new) if part >= made else part for part in pair) for pair in self.merges]
        return Vocabulary(self.level, (*self.symbols[:first], *new, *self.symbols[first:]), merges, self.form)

    @property
    def of_characters(self) -> "Vocabulary":
        """The vocabulary of the characters that subwords are made of; of any other level, the vocabulary itself."""
        if self.level != "subword":
            return self
        return Vocabulary("char", self.symbols[: len(self.symbols) - len(self.merges)], form=self.form)

    def ids_of(self, other: "Vocabulary") -> np.ndarray:
        """The id that each id of another vocabulary has here, int64 (V of the other). All its symbols are here too."""
        return np.array([EOS, UNKNOWN, *map(self._ids.__getitem__, other.symbols)], np.int64)

    def new_since(self, other: "Vocabulary") -> tuple:
        """The symbols that another vocabulary does not have, in their order."""
        return tuple(symbol for symbol in self.symbols if symbol not in other._ids)

    def knows(self, symbols: Iterable) -> np.ndarray:
        """Whether each symbol is in the vocabulary, the line feed included: bool (symbols)."""
        return np.array([symbol in self._ids for symbol in symbols], bool)

    def encode(self, text: str | bytes) -> np.ndarray:
        """The ids of a text, (n) in the smallest unsigned type. A symbol outside the vocabulary becomes <UNK>.

        A text that is cut at a line end gives the same ids as its two parts do; at the levels of characters and bytes
        that is true of any cut. A text can be written in several ways with the same subwords: this is the standard one.
        """
        if self.level in FOUND_BY:
            words = FOUND_BY[self.level].findall(text)
            return np.fromiter(map(self._ids.get, words, repeat(UNKNOWN)), self.dtype, len(words))
        if self.level == "byte":
            return self._table[np.frombuffer(as_bytes(text), np.uint8)]
        if self.level == "subword":
            return self._merges.encode(text, self._characters)
        return self._characters(text)

    def _characters(self, text: str) -> np.ndarray:
        """The id of each character of a text, (characters)."""
        return self._table.take(code_points(text), mode="clip")

    def split(self, text: str | bytes) -> list:
        """The part of a text that each token stands for, as a string, or as the value of a byte. A symbol outside the
        vocabulary stays as it is."""
        if self.level == "token":
            return _TOKEN_AND_SPACE.findall(text)
        if self.level != "subword":
            return symbols_in(text, self.level)
        stops = np.cumsum(self.widths[self.encode(text)]).tolist()
        return [text[start:stop] for start, stop in zip([0, *stops], stops, strict=False)]

    @property
    def widths(self) -> np.ndarray:
        """How many characters of a text each id stands for, or bytes at byte level: int32 (V)."""
        return np.array([1, 1, *map(len, self._texts[len(SPECIAL) :])], np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of some ids: "\\n" for <EOS>, "<UNK>" for <UNK>. Bytes that are not UTF-8 become lone surrogates."""
        pieces = map(self._texts.__getitem__, ids)
        return b"".join(pieces).decode("utf-8", "surrogateescape") if self.level == "byte" else "".join(pieces)

    def inside(self, text: str) -> str:
        """A part of one line or item, as a model reads and writes it: in its form, with a space after each token."""
        text = self.form.inside(text)
        if self.level != "token":
            return text
        return "".join(text_of_symbol(token, "token") for token in _TOKEN.findall(text))

    def outside(self, text: str, is_end: bool = True) -> str:
        """What a model has written, for a person. is_end: no token follows."""
        if self.level == "token":
            text = _SPACE_AT_END.sub("", text if is_end else text + "|").removesuffix("" if is_end else "|")
        return self.form.outside(text)

    def unknown_rate(self, frequencies: np.ndarray) -> float:
        """The function ``unknown_rate`` for a training part with so many of each id, (V). Of subwords, it is the
        characters in them that were seen once or more often."""
        counts = frequencies.copy()
        for made, pair in reversed(list(enumerate(self.merges, len(self) - len(self.merges)))):
            for part in pair:
                counts[part] += counts[made]
            counts[made] = 0
        return unknown_rate(counts[counts > 0], bool(counts[UNKNOWN]), int(frequencies.sum()))

    def unknown_in(self, text: str) -> list:
        """The distinct symbols of a text that are not in the vocabulary, in order of appearance."""
        return list(dict.fromkeys(symbol for symbol in symbols_in(text, self.level) if symbol not in self._ids))

    def one_hot(self, ids: np.ndarray) -> np.ndarray:
        """float32 (…, V): 1 at the id and 0 elsewhere. The kernels take row ``id`` of W_x instead of using it."""
        return np.eye(len(self), dtype=np.float32)[ids]


@dataclass(frozen=True)
class Known:
    """What a model knows before a training goes on with it. vocabulary: its symbols. task: its task. grows: symbols and
    words that it does not know are added; otherwise they are <UNK>."""

    vocabulary: Vocabulary
    task: Any
    grows: bool = True

    def with_counted(self, counts: dict, min_count: int, max_vocabulary: int | None) -> Vocabulary:
        """The vocabulary with the new symbols that are frequent enough: see ``Vocabulary.build``. counts: how often
        each symbol occurs in the training part; of subwords, each character."""
        old = self.vocabulary
        if not self.grows:
            return old
        new = {symbol: count for symbol, count in counts.items() if symbol not in old._ids}
        room = None if max_vocabulary is None else max(0, max_vocabulary - len(old)) + len(SPECIAL)
        return old.with_symbols(Vocabulary.build(old.of_characters.level, new, min_count, room).symbols)


class _Numbers(dict):
    """Numbers its keys in the order in which they are first looked up."""

    def __missing__(self, symbol):
        number = self[symbol] = len(self)
        return number


class SymbolCounter:
    """Gives symbols provisional numbers in the order in which they first appear, before the vocabulary is known.

    The line feed is number 0.
    """

    def __init__(self, level: str):
        self.level = level
        self._numbers = _Numbers({10 if level == "byte" else "\n": 0})
        if level not in FOUND_BY:
            self._table = np.full(256 if level == "byte" else 0x110000, -1, np.int32)
            self._table[10] = 0

    def __len__(self):
        return len(self._numbers)

    @property
    def symbols(self) -> list:
        """The symbols in the order of their numbers."""
        return list(self._numbers)

    def number(self, text: str | bytes) -> np.ndarray:
        """The provisional numbers of a piece of text: (n), in the smallest unsigned type that holds all numbers."""
        if self.level in FOUND_BY:
            words = FOUND_BY[self.level].findall(text)
            numbers = np.fromiter(map(self._numbers.__getitem__, words), np.uint32, len(words))
        else:
            points = np.frombuffer(as_bytes(text), np.uint8) if self.level == "byte" else code_points(text)
            numbers = self._table.take(points, mode="clip")
            if (numbers < 0).any():
                for point in sorted(set(points[numbers < 0].tolist())):
                    self._table[point] = self._numbers[point if self.level == "byte" else chr(point)]
                numbers = self._table.take(points, mode="clip")
        return numbers.astype(smallest_type(len(self._numbers)))

    def counted(self, counts: np.ndarray, least: int) -> dict:
        """How often each symbol occurs, for the symbols that occur at least ``least`` times. counts: by number, (n)."""
        pairs = zip(self._numbers, counts.tolist(), strict=True)
        return {symbol: count for symbol, count in pairs if count >= max(1, least)}

    def points(self, numbers: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The text of provisional numbers as code points or bytes, piece by piece."""
        symbols = self.symbols
        if self.level in FOUND_BY:
            texts = [text_of_symbol(symbol, self.level) for symbol in symbols]
            for piece in numbers:
                yield code_points("".join(map(texts.__getitem__, piece.tolist())))
        else:
            table = np.array(symbols, np.uint8) if self.level == "byte" else code_points("".join(symbols))
            for piece in numbers:
                yield table[piece]

    def lengths(self) -> np.ndarray:
        """The number of characters of each symbol, or of bytes at byte level: (symbols)."""
        if self.level == "token":  # the end of a line stands in the place of a space
            return np.array([len(symbol) + 1 if symbol.strip() else 0 for symbol in self._numbers], np.int32)
        lengths = map(len, self._numbers) if self.level == "word" else repeat(1)
        return np.fromiter(lengths, np.int32, len(self._numbers))

    def ids(self, vocabulary: Vocabulary) -> np.ndarray:
        """The id in the vocabulary of each provisional number: (symbols)."""
        ids = map(vocabulary._ids.get, self._numbers, repeat(UNKNOWN))
        return np.fromiter(ids, vocabulary.dtype, len(self._numbers))


def unknown_rate(counts: np.ndarray, has_unknown: bool, targets: int | None = None) -> float:
    """The probability that training gives to <UNK> at each target, so that the model's estimate for it is honest.

    If the vocabulary does not contain all symbols of the training part, then <UNK> occurs in it, and the network learns
    its probability: the rate is 0. If it contains all of them, the training part shows no <UNK>, and maximum likelihood
    would drive its probability towards 0. The rate is then the estimate of Good and Turing (Good, 1953) that the next
    symbol was never seen, from the number n₁ of symbols that occur once among n tokens, with one added so that it is
    never 0: (n₁ + 1) / (n + 2). counts: how often each symbol occurs in the training part. has_unknown: whether <UNK>
    occurs there. targets: the number of tokens if they are fewer than the symbols: a symbol that was never seen is a
    token of its own, also where the others are joined to subwords.
    """
    if has_unknown:
        return 0.0
    return float((np.count_nonzero(counts == 1) + 1) / ((counts.sum() if targets is None else targets) + 2))
