"""Entities from the tags of their words, by several schemes. O is outside all entities.

    BIO     B-x begins an entity of type x, I-x continues it (IOB1: I-x begins it too, and B-x only after another x)
    IOBES   as BIO, but E-x ends an entity of several words, and S-x is an entity of one word
    BILOU   the same with L-x and U-x
    BMES    the same with M-x inside; BMEWO: and with W-x for one word

Where all entities are of one type, the tags may be the letters alone.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..text.layout import named_values
from .confusion import f1_table
from .summary import number_of

TINY = 1e-45  # in place of a probability that float32 has rounded to 0
UNENDED = 1e9  # nats against an entity that does not end with its sentence
ROLES = {"O": "O", "B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S", "W": "S"}
SCHEMES = {"BIO": "BI", "IOBES": "BIES", "BILOU": "BILU", "BMES": "BMES", "BMEWO": "BMEW"}  # and their letters


def scheme_of(tags: Iterable[str]) -> str:
    """The scheme, a key of SCHEMES, by which all tags mark entities; "" where they mark none."""
    others = set(tags) - {"O"}
    letters = {tag[:1] for tag in others}
    typed = all(re.fullmatch(".-.+", tag) for tag in others)
    untyped = others == letters and ({"B", "I"} <= letters or {"B", "E"} <= letters)
    if not others or not typed and not untyped:
        return ""
    return next((name for name, known in SCHEMES.items() if letters <= set(known)), "")


def role_and_type(tag: str) -> tuple[str, str]:
    """The role of a tag's word, O, B, I, E or S whatever the scheme's letters are; and the type of its entity."""
    return ROLES[tag[0]], tag[2:]


def spans(tags: list[str]) -> list[tuple[str, int, int]]:
    """(type, start, stop) of each entity, the indices of its first word and of the word after its last one.

    An entity continues through tags of its type with the roles I and E, and ends after E and S. So it also starts at an
    I or E that continues none, as in the CoNLL-2003 task (Tjong Kim Sang and De Meulder, 2003).
    """
    found, start, of_type, is_open = [], 0, "", False
    for index, (role, kind) in enumerate(map(role_and_type, [*tags, "O"])):
        continues = is_open and role in "IE" and kind == of_type
        if is_open and not continues:
            found.append((of_type, start, index))
        if not continues:
            start, of_type = index, kind
        is_open = role in "BI"
        if role in "ES":
            found.append((of_type, start, index + 1))
    return found


def follow_their_scheme(sentences: Iterable[list[str]], scheme: str) -> bool:
    """Whether tags follow their scheme, so that predicted tags shall follow it too. Of BIO, most entities must begin
    with B-x; of a scheme that marks the ends too, nearly all."""
    begun = broken = 0
    for tags in sentences:
        marks = list(map(role_and_type, ["O", *tags, "O"]))
        for (before, kind_before), (role, kind) in pairwise(marks):
            continues, is_open = role in "IE", before in "BI"
            begun += role in "BS"
            broken += continues and not (is_open and kind == kind_before)
            broken += scheme != "BIO" and is_open and not continues
    return begun > (broken if scheme == "BIO" else 10 * broken)


def most_likely_tags(probabilities: np.ndarray, lengths: np.ndarray, tags: tuple[str, ...]) -> np.ndarray:
    """The most likely sequences of tags that follow their scheme, by Viterbi's algorithm (1967): each I or E follows a
    B or I of its type and, where the scheme marks the ends of entities, each entity ends.

    probabilities: of each tag at each word of N sentences, (T, N, tags). lengths: (N). Returns the indices of the tags,
    int64 (T, N).
    """
    marks = list(map(role_and_type, tags))
    number = {mark: index for index, mark in enumerate(marks)}
    inside = [index for index, (role, _) in enumerate(marks) if role in "IE"]
    middle = [number.get(("I", marks[index][1]), number.get(("B", marks[index][1]), index)) for index in inside]
    begin = [number.get(("B", marks[index][1]), before) for index, before in zip(inside, middle, strict=True)]
    has_ends = any(role in "ES" for role, _ in marks)
    is_open = np.array([has_ends and role in "BI" for role, _ in marks])
    scores = np.log(np.maximum(probabilities.astype(np.float64), TINY))
    scores[0][:, inside] = -np.inf
    origins, row = np.zeros(scores.shape, np.int64), np.arange(len(lengths))
    for t in range(1, len(scores)):
        previous = scores[t - 1]
        ended = np.where(is_open, -np.inf, previous)
        best = ended.argmax(1)
        origins[t] = best[:, None]
        origins[t][:, inside] = np.where(previous[:, begin] >= previous[:, middle], begin, middle)
        gains = np.repeat(ended[row, best][:, None], len(tags), 1)
        gains[:, inside] = np.take_along_axis(previous, origins[t], 1)[:, inside]
        scores[t] += gains
    found = np.zeros(scores.shape[:2], np.int64)
    for t in reversed(range(len(scores))):
        found[t] = (scores[t] - UNENDED * is_open).argmax(1)
        if t + 1 < len(scores):
            found[t] = np.where(t + 1 < lengths, origins[t + 1][row, found[t + 1]], found[t])
    return found


@dataclass(frozen=True, kw_only=True)
class TaggingResult:
    """How many tags and how many whole entities are right.

    true, predicted, correct: the number of entities of each type in the answers, in the predictions, and in both with
    the same words and type; None if the tags do not mark entities. units: what has a tag, and what it is a part of.
    """

    sentences: int
    tokens: int
    correct_tokens: int
    true: Counter | None
    predicted: Counter | None
    correct: Counter | None
    units: tuple[str, str] = ("token", "sentence")

    @classmethod
    def of(
        cls, true: list[list[str]], predicted: list[list[str]], with_entities: bool, units=("token", "sentence")
    ) -> "TaggingResult":
        """Compare the tags of some sentences with the predicted ones."""
        pairs = list(zip(true, predicted, strict=True))
        sets = [(set(spans(a)), set(spans(b))) for a, b in pairs] if with_entities else []

        def count(entities):
            return Counter(kind for some in entities for kind, *_ in some) if with_entities else None

        return cls(
            sentences=len(pairs),
            tokens=sum(map(len, true)),
            correct_tokens=sum(a == b for tags, others in pairs for a, b in zip(tags, others, strict=True)),
            true=count(a for a, _ in sets),
            predicted=count(b for _, b in sets),
            correct=count(a & b for a, b in sets),
            units=units,
        )

    def figures(self, kinds: Iterable[str]) -> dict:
        """Precision, recall and F1 of the entities of some types."""
        true, predicted, correct = (
            sum(counts[kind] for kind in kinds) for counts in (self.true, self.predicted, self.correct)
        )
        return {
            "entities": true,
            "precision": correct / max(1, predicted),
            "recall": correct / max(1, true),
            "f1": 2 * correct / max(1, true + predicted),
        }

    @property
    def kinds(self) -> list[str]:
        """The types of entities, the most frequent first."""
        return sorted({*self.true, *self.predicted}, key=lambda kind: (-self.true[kind], kind))

    def as_dict(self) -> dict:
        names = ("entities", "precision", "recall", "f1")
        total = dict.fromkeys(names) if self.true is None else self.figures(self.kinds)
        types = {} if self.true is None else {"types": {kind: self.figures([kind]) for kind in self.kinds}}
        unit, whole = self.units
        counts = {f"{whole}s": self.sentences, f"{unit}s": self.tokens}
        return (
            counts
            | {f"{unit}_accuracy": self.correct_tokens / self.tokens}
            | {name if name == "entities" else f"entity_{name}": total[name] for name in names}
            | types
        )

    def lines(self, width: int | None = None) -> list[str]:
        """The figures and a table of the types, for people. width: of the terminal, None for a pipe."""
        unit, whole = self.units
        of = f"{number_of(self.tokens, unit)}, {number_of(self.sentences, whole)}"
        counts = f"({self.correct_tokens:,} of {of})"
        rows = [(f"{unit} accuracy", f"{100 * self.correct_tokens / self.tokens:.2f} %   {counts}")]
        if self.true is None:
            rows.append(("entity F1", "none: the tags do not mark entities (B-x, I-x and O, IOBES or BILOU)"))
            return named_values(rows, 16, width)
        total = self.figures(self.kinds)
        words = "whole entities with the right type" if self.kinds != [""] else "whole entities"
        rows.append(("entity F1", f"{100 * total['f1']:.2f} %   ({words})"))
        if self.kinds == [""]:
            return named_values(rows, 16, width)
        figures = {"all": total, **{kind: self.figures([kind]) for kind in self.kinds}}
        return [*named_values(rows, 16, width), "", *f1_table(("type", "entities"), figures, width)]
