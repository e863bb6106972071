"""Many to many of another length: a target for each source, by an encoder and a decoder."""

from dataclasses import dataclass

import numpy as np

from ..errors import CorpusError
from ..network.architecture import Translation
from ..text.batches import PairBatch, Sequences, groups
from ..text.corpus import CorpusOptions
from ..text.vocabulary import EOS, UNITS, UNKNOWN, Vocabulary, unknown_share
from .examples import (
    EVALUATED,
    ROWS,
    ExampleEvaluation,
    Examples,
    OnExamples,
    encoded,
    ended,
    in_order,
    log_shares,
    read_examples,
    tokens_for,
    vocabulary_of,
)


@dataclass
class Pairs:
    """Sources and targets as ids, each target with its <EOS>."""

    sources: Sequences
    targets: Sequences

    def __len__(self):
        return len(self.targets.ids)

    @property
    def starts(self) -> np.ndarray:
        """Of source and target together, as ``Sequences`` has them."""
        return self.sources.starts + self.targets.starts


def pair(where: str, line: str) -> tuple[str, str]:
    """The source and the target of a line ``source<TAB>target``. Raises CorpusError."""
    source, tab, target = line.partition("\t")
    if not tab or "\t" in target:
        raise CorpusError(f"{where} does not have one tab, between source and target")
    return source, target


@dataclass(frozen=True)
class Translate(OnExamples):
    """A ``Task``. longest: tokens of the longest target of the training part, twice as many of which are written at
    most."""

    longest: int

    name = "translate"
    commands = "predict or charlm evaluate"
    architecture = Translation
    why_not_bidirectional = None
    options = ("beam",)
    defaults = {"layers": 1, "batch": 32, "steps": 64, "lr": 0.003, "dropout": 0.0}
    most_epochs = 40

    @classmethod
    def load(cls, paths, **reading) -> "tuple[Translate, Examples]":
        """Lines ``source<TAB>target``; sources and targets have one vocabulary, that of the training part."""
        reading = CorpusOptions(**reading)
        train, held_out, source = read_examples(pair, lambda _: (), paths, reading)
        texts = (text for example in train for text in example)
        vocabulary = vocabulary_of(texts, reading)
        parts = [
            Pairs(encoded(vocabulary, [a for a, _ in examples]), ended(vocabulary, [b for _, b in examples]))
            for examples in (train, held_out)
        ]
        ids = parts[0].targets.ids
        counts = np.bincount(ids, minlength=len(vocabulary))
        unknown = unknown_share(counts[counts > 0], bool(counts[UNKNOWN]))
        task = cls(int(parts[0].targets.lengths.max()))
        return task, Examples(vocabulary, *parts, log_shares(ids, len(vocabulary)), *source, unknown)

    @classmethod
    def from_fields(cls, fields):
        if type(fields["longest"]) is not int or not 0 < fields["longest"] < 2**31:
            raise ValueError("it does not say how long its targets were")
        return cls(fields["longest"])

    def fields(self):
        return {"longest": self.longest}

    def in_words(self):
        return f"{self.name}: targets of up to {self.longest:,} tokens"

    def sizes(self, vocabulary):
        return {"vocabulary_size": len(vocabulary), "outputs": None}

    def unit(self, level):
        return UNITS[level]

    def size_in_words(self, level, rows, steps):
        return f"up to {rows} pairs and {rows * steps:,} {UNITS[level]}s together"

    def network(self, architecture, parameters, pool, unknown=0.0):
        from ..network.translator import Translator

        return Translator(architecture, parameters, pool, unknown)

    def window(self, network, steps, rows, training=False):
        from ..network.translator import TranslatorWindows

        return TranslatorWindows(network, rows, training)

    def batch(self, part: Pairs, chosen: np.ndarray) -> PairBatch:
        """Some pairs side by side, by their numbers."""
        targets = part.targets.side_by_side(chosen, -1)
        inputs = np.concatenate((np.full((1, len(chosen)), EOS, np.int32), np.maximum(targets[:-1], EOS)))
        sources = part.sources.side_by_side(chosen, EOS)
        return PairBatch(inputs, targets, True, part.targets.lengths[chosen], sources, part.sources.lengths[chosen])

    def batches(self, corpus, rows, steps, random):
        for chosen in groups(corpus.train.starts, rows, random, rows * steps):
            yield self.batch(corpus.train, chosen)

    def small_batch(self):
        zeros, ones = np.zeros((1, 1), np.int32), np.ones(1, np.int64)
        return PairBatch(zeros, zeros, True, ones, zeros, ones)

    def evaluation(self, network, corpus):
        part = corpus.held_out
        if not len(part):
            return None
        chosen = in_order(np.diff(part.starts)[:EVALUATED], tokens_for(len(corpus.vocabulary)))
        return ExampleEvaluation(network, self.window(network, 1, ROWS), [self.batch(part, some) for some in chosen])

    def items(self, lines, last=False):
        return lines, []

    def predict(self, window, vocabulary: Vocabulary, texts: list[str], beam=1) -> list[dict]:
        """The likeliest target of each source by a search of ``beam`` width (1: greedy), and its log-probability."""
        sources, found = encoded(vocabulary, texts), [{}] * len(texts)
        for chosen in in_order(sources.lengths):
            columns = sources.side_by_side(chosen, EOS)
            written = window.write(columns, sources.lengths[chosen], beam, 2 * self.longest)
            for number, (ids, score) in zip(chosen.tolist(), written, strict=True):
                found[number] = {"target": vocabulary.decode(ids), "log_probability": score}
        return found

    def row(self, text, prediction):
        return prediction["target"]

    def record(self, text, prediction):
        return prediction | {"source": text}

    def evaluate(self, window, vocabulary, lines, beam=1) -> "Compared":
        """How near the targets of lines what is written for their sources comes."""
        examples = [pair(*line) for line in lines if line[1].strip()]
        if not examples:
            raise CorpusError("there is no line that is not blank to evaluate")
        found = self.predict(window, vocabulary, [source for source, _ in examples], beam)
        return Compared.of([target for _, target in examples], [prediction["target"] for prediction in found])


@dataclass(frozen=True)
class Compared:
    """Targets and what was written: pairs, those that are the same, the characters of the targets, and how many must be
    changed, left out or put in (Levenshtein, 1966)."""

    pairs: int
    same: int
    characters: int
    wrong: int

    @classmethod
    def of(cls, wanted: list[str], written: list[str]) -> "Compared":
        pairs = list(zip(wanted, written, strict=True))
        wrong = sum(distance(*pair) for pair in pairs)
        return cls(len(pairs), sum(a == b for a, b in pairs), sum(map(len, wanted)), wrong)

    def as_dict(self) -> dict:
        return {
            "pairs": self.pairs,
            "exact_match": self.same / self.pairs,
            "character_error_rate": self.wrong / max(1, self.characters),
        }

    def lines(self) -> list[str]:
        """For people."""
        match, errors = (100 * self.as_dict()[name] for name in ("exact_match", "character_error_rate"))
        return [
            f"exact match            {match:.2f} %   ({self.same:,} of {self.pairs:,})",
            f"character error rate   {errors:.2f} %   ({self.wrong:,} of {self.characters:,} characters)",
        ]


def distance(a: str, b: str) -> int:
    """How many characters must be changed, left out or put in to make b of a.

    A column of the table of distances between beginnings is two numbers, whose bits say where it rises and where it
    falls by 1 from one row to the next (Myers, A fast bit-vector algorithm for approximate string matching, 1999).
    """
    if not a:
        return len(b)
    places = dict.fromkeys(b, 0)
    for i, x in enumerate(a):
        places[x] = places.get(x, 0) | 1 << i
    whole, last = (1 << len(a)) - 1, 1 << len(a) - 1
    rises, falls, found = whole, 0, len(a)
    for y in b:
        same = places[y]
        diagonal = (((same & rises) + rises) ^ rises) | same | falls
        to_right_rises, to_right_falls = falls | (whole & ~(diagonal | rises)), rises & diagonal
        found += bool(to_right_rises & last) - bool(to_right_falls & last)
        to_right_rises = to_right_rises << 1 | 1
        falls = to_right_rises & diagonal & whole
        rises = whole & (to_right_falls << 1 | ~(diagonal | to_right_rises))
    return found


TASK = Translate
