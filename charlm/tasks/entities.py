"""Entities from the tags of their words: B-x at the beginning of an entity of type x, I-x inside it, O outside all."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..text.layout import fits, named_values, stacked

TINY = 1e-45  # in place of a probability that float32 has rounded to 0


def are_entity_tags(tags: Iterable[str]) -> bool:
    """Whether all tags are B-x, I-x or O, and some are not O."""
    tags = set(tags)
    return tags != {"O"} and all(re.fullmatch(r"O|[BI]-.+", tag) for tag in tags)


def spans(tags: list[str]) -> list[tuple[str, int, int]]:
    """(type, start, stop) of each entity, the indices of its first word and of the word after its last one.

    An entity starts at each B-x, and at each I-x that does not continue an entity of its type, as in the CoNLL-2003
    task (Tjong Kim Sang and De Meulder, 2003).
    """
    found, start, previous = [], 0, ""
    for index, tag in enumerate([*tags, "O"]):
        kind = tag[2:]
        if previous and (tag[0] != "I" or kind != previous):
            found.append((previous, start, index))
        if tag[0] == "B" or kind != previous:
            start = index
        previous = kind
    return found


def entities_begin_with_b(sentences: Iterable[list[str]]) -> bool:
    """Whether most entities begin with B-x. (In an older form they begin with I-x, unless the entity before is of the
    same type.)"""
    begins = Counter(tags[start][0] for tags in sentences for _, start, _ in spans(tags))
    return begins["B"] > begins["I"]


def most_likely_tags(probabilities: np.ndarray, lengths: np.ndarray, tags: tuple[str, ...]) -> np.ndarray:
    """The most likely sequences of tags in which each I-x follows B-x or I-x, by Viterbi's algorithm (1967).

    probabilities: of each tag at each word of N sentences, (T, N, tags). lengths: (N). Returns the indices of the tags,
    int64 (T, N).
    """
    number = {tag: index for index, tag in enumerate(tags)}
    inside = [index for index, tag in enumerate(tags) if tag.startswith("I-")]
    begin = [number.get("B-" + tags[index][2:], index) for index in inside]
    scores = np.log(np.maximum(probabilities.astype(np.float64), TINY))
    scores[0][:, inside] = -np.inf
    origins = np.zeros(scores.shape, np.int64)
    for t in range(1, len(scores)):
        previous = scores[t - 1]
        origins[t] = previous.argmax(1)[:, None]
        origins[t][:, inside] = np.where(previous[:, begin] >= previous[:, inside], begin, inside)
        scores[t] += np.take_along_axis(previous, origins[t], 1)
    found, row = np.zeros(scores.shape[:2], np.int64), np.arange(len(lengths))
    for t in reversed(range(len(scores))):
        found[t] = scores[t].argmax(1)
        if t + 1 < len(scores):
            found[t] = np.where(t + 1 < lengths, origins[t + 1][row, found[t + 1]], found[t])
    return found


@dataclass(frozen=True, kw_only=True)
class TaggingResult:
    """How many tags and how many whole entities are right.

    true, predicted, correct: the number of entities of each type in the answers, in the predictions, and in both with
    the same words and type; None if the tags do not mark entities.
    """

    sentences: int
    tokens: int
    correct_tokens: int
    true: Counter | None
    predicted: Counter | None
    correct: Counter | None

    @classmethod
    def of(cls, true: list[list[str]], predicted: list[list[str]], with_entities: bool) -> "TaggingResult":
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
        counts = {"sentences": self.sentences, "tokens": self.tokens}
        return (
            counts
            | {"token_accuracy": self.correct_tokens / self.tokens}
            | {name if name == "entities" else f"entity_{name}": total[name] for name in names}
            | types
        )

    def lines(self, width: int | None = None) -> list[str]:
        """The figures and a table of the types, for people. width: of the terminal, None for a pipe."""
        counts = f"({self.correct_tokens:,} of {self.tokens:,} tokens, {self.sentences:,} sentences)"
        rows = [("token accuracy", f"{100 * self.correct_tokens / self.tokens:.2f} %   {counts}")]
        if self.true is None:
            return named_values(rows, 16, width)
        total = self.figures(self.kinds)
        rows.append(("entity F1", f"{100 * total['f1']:.2f} %   (whole entities with the right type)"))
        longest, cells = max(map(len, ("all", *self.kinds))), []
        for kind, figures in {"all": total, **{kind: self.figures([kind]) for kind in self.kinds}}.items():
            percents = (f"{100 * figures[name]:.2f}" for name in ("precision", "recall", "f1"))
            cells.append((kind, f"{figures['entities']:,}", *percents))
        table = [f"{'type':<{longest}}   entities   precision %   recall %    F1 %"]
        for kind, entities, precision, recall, f1 in cells:
            table.append(f"{kind:<{longest}}  {entities:>9}   {precision:>11}   {recall:>8}  {f1:>6}")
        if not fits(table, width):
            table = stacked(("type", "entities", "precision %", "recall %", "F1 %"), cells, width)
        return [*named_values(rows, 16, width), "", *table]
