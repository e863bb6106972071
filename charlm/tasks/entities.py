"""Entities by tags of their words: B-x where one of type x begins, I-x inside of it, O outside of all."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

TINY = 1e-45  # a probability that float32 rounded to 0 counts as this


def mark_entities(tags: Iterable[str]) -> bool:
    """Whether these are all B-x, I-x and O, and not O only."""
    tags = set(tags)
    return tags != {"O"} and all(re.fullmatch(r"O|[BI]-.+", tag) for tag in tags)


def spans(tags: list[str]) -> list[tuple[str, int, int]]:
    """(type, first word, word behind the last) of each entity. One begins at each B-x, and at an I-x that does not go
    on what stands before it, as in the CoNLL-2003 task (Tjong Kim Sang and De Meulder, 2003)."""
    found, begun, before = [], 0, ""
    for place, tag in enumerate([*tags, "O"]):
        kind = tag[2:]
        if before and (tag[0] != "I" or kind != before):
            found.append((before, begun, place))
        if tag[0] == "B" or kind != before:
            begun = place
        before = kind
    return found


def begin_with_b(sentences: Iterable[list[str]]) -> bool:
    """Whether entities begin with B-x by rule (in the older form with I-x, unless one of their type stands before)."""
    begins = Counter(tags[first][0] for tags in sentences for _, first, _ in spans(tags))
    return begins["B"] > begins["I"]


def likeliest(probabilities: np.ndarray, lengths: np.ndarray, tags: tuple[str, ...]) -> np.ndarray:
    """The likeliest sequences of tags in which each I-x stands behind B-x or I-x: their numbers, (T, N).

    Viterbi's algorithm (1967). probabilities: of each tag at each word of some sentences, (T, N, tags); lengths: (N).
    """
    number = {tag: place for place, tag in enumerate(tags)}
    inside = [place for place, tag in enumerate(tags) if tag.startswith("I-")]
    begin = [number.get("B-" + tags[place][2:], place) for place in inside]
    scores = np.log(np.maximum(probabilities.astype(np.float64), TINY))
    scores[0][:, inside] = -np.inf
    origins = np.zeros(scores.shape, np.int64)
    for t in range(1, len(scores)):
        before = scores[t - 1]
        origins[t] = before.argmax(1)[:, None]
        origins[t][:, inside] = np.where(before[:, begin] >= before[:, inside], begin, inside)
        scores[t] += np.take_along_axis(before, origins[t], 1)
    found, row = np.zeros(scores.shape[:2], np.int64), np.arange(len(lengths))
    for t in reversed(range(len(scores))):
        found[t] = scores[t].argmax(1)
        if t + 1 < len(scores):
            found[t] = np.where(t + 1 < lengths, origins[t + 1][row, found[t + 1]], found[t])
    return found


@dataclass(frozen=True)
class Tagged:
    """How often tags are right, and whole entities. true, found, right: entities by type, those of the answers, those
    that were predicted, and those that are the same in place and type; None where the tags mark none."""

    sentences: int
    tokens: int
    right_tokens: int
    true: Counter | None
    found: Counter | None
    right: Counter | None

    @classmethod
    def of(cls, true: list[list[str]], found: list[list[str]], with_entities: bool) -> "Tagged":
        pairs = list(zip(true, found, strict=True))
        right = sum(a == b for pair in pairs for a, b in zip(*pair, strict=True))
        counts = [None] * 3
        if with_entities:
            each = [(set(spans(a)), set(spans(b))) for a, b in pairs]
            sets = zip(*((a, b, a & b) for a, b in each), strict=True)
            counts = [Counter(kind for some in part for kind, *_ in some) for part in sets]
        return cls(len(pairs), sum(map(len, true)), right, *counts)

    def figures(self, kinds: Iterable[str]) -> dict:
        """Precision, recall and F1 of the entities of some types."""
        true, found, right = (sum(counts[kind] for kind in kinds) for counts in (self.true, self.found, self.right))
        return {
            "entities": true,
            "precision": right / max(1, found),
            "recall": right / max(1, true),
            "f1": 2 * right / max(1, true + found),
        }

    @property
    def kinds(self) -> list[str]:
        """The types of entities, the most frequent first."""
        return sorted({*self.true, *self.found}, key=lambda kind: (-self.true[kind], kind))

    def as_dict(self) -> dict:
        names = ("entities", "precision", "recall", "f1")
        total = dict.fromkeys(names) if self.true is None else self.figures(self.kinds)
        types = {} if self.true is None else {"types": {kind: self.figures([kind]) for kind in self.kinds}}
        counts = {"sentences": self.sentences, "tokens": self.tokens}
        return (
            counts
            | {"token_accuracy": self.right_tokens / self.tokens}
            | {name if name == "entities" else f"entity_{name}": total[name] for name in names}
            | types
        )

    def lines(self) -> list[str]:
        """The figures and a table of the types, for people."""
        share = f"({self.right_tokens:,} of {self.tokens:,} tokens, {self.sentences:,} sentences)"
        rows = [f"token accuracy   {100 * self.right_tokens / self.tokens:.2f} %   {share}"]
        if self.true is None:
            return rows
        total = self.figures(self.kinds)
        rows.append(f"entity F1        {100 * total['f1']:.2f} %   (whole entities, of the right type)")
        width = max(map(len, ("all", *self.kinds)))
        rows += ["", f"{'type':<{width}}   entities   precision %   recall %    F1 %"]
        for kind, figures in {"all": total, **{kind: self.figures([kind]) for kind in self.kinds}}.items():
            precision, recall, f1 = (100 * figures[name] for name in ("precision", "recall", "f1"))
            rows.append(f"{kind:<{width}}  {figures['entities']:>9,}   {precision:>11.2f}   {recall:>8.2f}  {f1:>6.2f}")
        return rows
