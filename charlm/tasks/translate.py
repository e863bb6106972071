"""Many to many of another length: a target for each source, by an encoder and a decoder."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CorpusError
from ..network.architecture import Translation
from ..text.batches import PairBatch, Sequences, groups
from ..text.columns import ColumnReader, Columns, Line, find_columns, parse_names, read_rows
from ..text.corpus import CorpusOptions
from ..text.layout import named_values
from ..text.vocabulary import EOS, UNITS, Known, Vocabulary
from .examples import (
    EVALUATED,
    ROWS,
    TABBED,
    ExampleEvaluation,
    ExampleForm,
    Examples,
    ExampleTask,
    TextItems,
    build_vocabulary,
    by_length,
    check_two_columns,
    encode_texts,
    encode_with_end,
    log_frequencies,
    not_blank,
    read_examples,
    tokens_for,
)
from .summary import number_of


@dataclass
class Pairs:
    """Sources and targets as ids, each target with its <EOS>."""

    sources: Sequences
    targets: Sequences

    def __len__(self):
        return len(self.targets.ids)

    @property
    def starts(self) -> np.ndarray:
        """As ``Sequences.starts``, of source and target together: (pairs + 1)."""
        return self.sources.starts + self.targets.starts


def find_pairs(lines: list[Line], given: Any) -> Columns:
    """The columns of a file of sources and targets; TABBED where nobody named them."""
    if given is not None:
        return find_columns(parse_names(given, ("source", "target"), "translate"), lines)
    check_two_columns(*next(not_blank(iter(lines)), ("", "")), "source,target")
    return TABBED


def read_pairs(lines: Iterator[Line], columns: Columns) -> Iterator[tuple[str, tuple[str, str]]]:
    """(where it is, (source, target)) for each example. Raises CorpusError for a line that is none."""
    if columns != TABBED:
        for where, (source, target) in read_rows(ColumnReader(columns), lines):
            if isinstance(source, list) or isinstance(target, list):
                raise CorpusError(f"{where} has a list in place of a source or a target; give one of each")
            yield where, (source, target)
        return
    for where, line in not_blank(lines):
        fields = line.split("\t")
        while len(fields) > 2 and not fields[-1].strip():
            fields.pop()
        if len(fields) != 2:
            raise CorpusError(
                f"{where} must have exactly one tab; write source<TAB>target, or name two columns of another file for "
                "charlm train: --columns source,target"
            )
        yield where, (fields[0], fields[1])


FORM = ExampleForm(find=find_pairs, read=read_pairs, labels_in=lambda _: (), notes=lambda *_: [])


@dataclass(frozen=True)
class Translate(ExampleTask):
    """A ``PredictionTask``. longest: tokens of the longest target of the training part; the decoder writes twice as
    many at most. columns: of the files, where somebody has named them."""

    longest: int
    columns: Columns | None = None

    name = "translate"
    commands = "predict or charlm evaluate"
    architecture = Translation
    why_not_bidirectional = None
    reads_whole_line = True
    options = ("beam",)
    defaults = {"layers": 1, "batch": 32, "steps": 64, "lr": 0.003, "dropout": 0.0}
    most_epochs = 40

    @classmethod
    def load(cls, paths, options: CorpusOptions, known: Known | None = None) -> "tuple[Translate, Examples]":
        """Lines ``source<TAB>target``, or two columns. Sources and targets share one vocabulary, that of the training
        part."""
        found = read_examples(FORM, paths, options)
        vocabulary = build_vocabulary((text for example in found.train for text in example), options, known=known)
        train, held_out = (
            Pairs(
                encode_texts(vocabulary, [source for source, _ in examples]),
                encode_with_end(vocabulary, [target for _, target in examples]),
            )
            for examples in (found.train, found.held_out)
        )
        ids = train.targets.ids
        counts = np.bincount(ids, minlength=len(vocabulary))
        columns = found.columns if options.columns else None
        longest = max(int(train.targets.lengths.max()), known.task.longest if known else 0)
        return cls(longest, columns), Examples(
            vocabulary=vocabulary,
            train=train,
            held_out=held_out,
            log_frequencies=log_frequencies(ids, len(vocabulary)),
            **found.facts(),
            unknown_rate=vocabulary.unknown_rate(counts),
        )

    @classmethod
    def from_fields(cls, fields):
        if type(fields["longest"]) is not int or not 0 < fields["longest"] < 2**31:
            raise ValueError("it does not say how long its targets were")
        return cls(fields["longest"], Columns.from_fields(fields["columns"]) if "columns" in fields else None)

    def fields(self):
        return {"longest": self.longest} | ({"columns": self.columns.fields()} if self.columns else {})

    def description(self, level):
        longest = number_of(self.longest - 1, UNITS[level])  # without the <EOS>
        return f"{self.name}: a target for each source; targets of up to {longest}"

    def architecture_fields(self, vocabulary):
        return {"vocabulary_size": len(vocabulary), "outputs": None}

    def unit(self, level):
        return UNITS[level]

    def batch_description(self, corpus, rows, steps):
        return f"up to {number_of(rows, 'pair')} with {number_of(rows * steps, UNITS[corpus.vocabulary.level])} in all"

    def network(self, architecture, parameters, pool, unknown=0.0):
        from ..network.translator import Translator

        return Translator(architecture, parameters, pool, unknown)

    def window(self, network, steps, rows, training=False):
        from ..network.translator import TranslatorWindows

        return TranslatorWindows(network, rows, training)

    def batch(self, part: Pairs, chosen: np.ndarray) -> PairBatch:
        """Some pairs, by their indices."""
        targets = part.targets.padded(chosen, -1)
        return PairBatch(
            inputs=np.concatenate((np.full((1, len(chosen)), EOS, np.int32), np.maximum(targets[:-1], EOS))),
            targets=targets,
            fresh=True,
            lengths=part.targets.lengths[chosen],
            sources=part.sources.padded(chosen, EOS),
            source_lengths=part.sources.lengths[chosen],
        )

    def batches(self, corpus, rows, steps, random):
        for chosen in groups(corpus.train.starts, rows, random, rows * steps):
            yield self.batch(corpus.train, chosen)

    def small_batch(self):
        zeros, ones = np.zeros((1, 1), np.int32), np.ones(1, np.int64)
        return PairBatch(zeros, zeros, fresh=True, lengths=ones, sources=zeros, source_lengths=ones)

    def evaluation(self, network, corpus, ngrams=None):
        part = corpus.held_out
        if not len(part):
            return None
        chosen = by_length(np.diff(part.starts)[:EVALUATED], tokens_for(len(corpus.vocabulary)))
        return ExampleEvaluation(network, self.window(network, 1, ROWS), [self.batch(part, some) for some in chosen])

    def items(self, lines, last=False):
        return lines, []

    def item_reader(self):
        return TextItems(self.columns, 0)

    def predict(self, window, vocabulary: Vocabulary, texts: list[str], beam=1) -> list[dict]:
        """The most likely target of each source that a beam search finds, and its log-probability. beam: the width of
        the search; 1 is greedy."""
        sources, found = encode_texts(vocabulary, texts), [{}] * len(texts)
        for chosen in by_length(sources.lengths):
            columns = sources.padded(chosen, EOS)
            written = window.write(columns, sources.lengths[chosen], beam, 2 * self.longest)
            for number, (ids, score) in zip(chosen.tolist(), written, strict=True):
                found[number] = {"target": vocabulary.decode(ids), "log_probability": score}
        return found

    def row(self, text, prediction):
        return prediction["target"]

    def record(self, text, prediction):
        return prediction | {"source": text}

    def evaluate(self, window, vocabulary, lines, beam=1) -> "TranslationResult":
        """Compare the targets of lines with those that the model writes for their sources."""
        examples = [example for _, example in FORM.examples(lines, self.columns)]
        if not examples:
            raise CorpusError("there is no example to evaluate: all lines are blank, or name columns")
        found = self.predict(window, vocabulary, [source for source, _ in examples], beam)
        targets = [target for _, target in examples]
        return TranslationResult.of(targets, [prediction["target"] for prediction in found])


@dataclass(frozen=True)
class TranslationResult:
    """How close the written targets are to the true ones. pairs: their number. same: how many are equal. characters: of
    the true targets. errors: the characters to change, delete or insert in the written ones (Levenshtein, 1966)."""

    pairs: int
    same: int
    characters: int
    errors: int

    @classmethod
    def of(cls, true: list[str], written: list[str]) -> "TranslationResult":
        pairs = list(zip(true, written, strict=True))
        return cls(
            pairs=len(pairs),
            same=sum(a == b for a, b in pairs),
            characters=sum(map(len, true)),
            errors=sum(distance(a, b) for a, b in pairs),
        )

    def as_dict(self) -> dict:
        return {
            "pairs": self.pairs,
            "exact_match": self.same / self.pairs,
            "character_error_rate": self.errors / max(1, self.characters),
        }

    def lines(self, width: int | None = None) -> list[str]:
        """The figures for people. width: of the terminal, None for a pipe."""
        match, errors = (100 * self.as_dict()[name] for name in ("exact_match", "character_error_rate"))
        rows = [
            ("exact match", f"{match:.2f} %   ({self.same:,} of {self.pairs:,})"),
            (
                "character error rate",
                f"{errors:.2f} %   ({self.errors:,} of {number_of(self.characters, 'character')})",
            ),
        ]
        return named_values(rows, 22, width)


def distance(a: str, b: str) -> int:
    """The number of characters to change, delete or insert to turn a into b.

    Each column of the table of distances between beginnings of a and of b is two integers. Their bits say where the
    distance rises and where it falls by 1 from one row to the next (Myers, "A fast bit-vector algorithm for approximate
    string matching", 1999).
    """
    if not a:
        return len(b)
    positions = dict.fromkeys(b, 0)
    for i, x in enumerate(a):
        positions[x] = positions.get(x, 0) | 1 << i
    all_rows, last_row = (1 << len(a)) - 1, 1 << len(a) - 1
    rises, falls, found = all_rows, 0, len(a)
    for y in b:
        same = positions[y]
        diagonal = (((same & rises) + rises) ^ rises) | same | falls
        to_right_rises, to_right_falls = falls | (all_rows & ~(diagonal | rises)), rises & diagonal
        found += bool(to_right_rises & last_row) - bool(to_right_falls & last_row)
        to_right_rises = to_right_rises << 1 | 1
        falls = to_right_rises & diagonal & all_rows
        rises = all_rows & (to_right_falls << 1 | ~(diagonal | to_right_rises))
    return found


TASK = Translate
