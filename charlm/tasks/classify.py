"""Many to one: a label for each line. The label is read off the last state, where the whole line has been read."""

from dataclasses import dataclass

import numpy as np

from ..errors import CorpusError
from ..text.batches import Batch, Sequences, groups
from ..text.corpus import CorpusOptions
from ..text.vocabulary import UNITS
from .confusion import Confusion
from .examples import (
    EVALUATED,
    ROWS,
    ExampleEvaluation,
    Examples,
    encoded,
    in_order,
    labelled,
    labels_of,
    log_shares,
    numbers_of,
    read_examples,
    tokens_for,
    vocabulary_of,
)
from .labels import Labels


@dataclass
class LabelledLines:
    """Texts as ids, and the number of each one's label, (lines)."""

    texts: Sequences
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)


class Classify(Labels):
    """A ``Task``."""

    name = "classify"
    commands = "predict or charlm evaluate"
    why_not_bidirectional = None
    defaults = {"cell": "gru", "layers": 1, "batch": 32, "steps": 64, "lr": 0.008, "dropout": 0.4}

    @classmethod
    def load(cls, paths, **reading) -> "tuple[Classify, Examples]":
        """Lines ``label<TAB>text`` or ``__label__x text``; the labels and symbols are those of the training part."""
        reading = CorpusOptions(**reading)
        train, held_out, source = read_examples(labelled, lambda pair: pair[:1], paths, reading)
        task = cls(labels_of(label for label, _ in train))
        if len(task.labels) < 2:
            raise CorpusError(
                f"{', '.join(source[0])} has one label only, {task.labels[0]!r}: nothing is to be told apart"
            )
        vocabulary = vocabulary_of((text for _, text in train), reading, least=2)
        parts = [task.part(vocabulary, examples, "the held-out part") for examples in (train, held_out)]
        shares = log_shares(parts[0].labels, len(task.labels))
        return task, Examples(vocabulary, *parts, shares, *source)

    def part(self, vocabulary, examples, where: str) -> LabelledLines:
        """Pairs (label, text) as numbers. Raises CorpusError where a label is unknown."""
        labels = numbers_of((label for label, _ in examples), self.labels, where)
        return LabelledLines(encoded(vocabulary, (text for _, text in examples)), labels)

    def sizes(self, vocabulary):
        return {"vocabulary_size": len(vocabulary), "outputs": len(self.labels)}

    def unit(self, level):
        return "line"

    def network(self, architecture, parameters, pool, unknown=0.0):
        from ..network.stack import Stack

        return Stack(architecture, parameters, pool, at_end=True)

    def batch(self, texts: Sequences, chosen: np.ndarray, labels: np.ndarray | None = None) -> Batch:
        """Some texts side by side, by their numbers; the one target of each is at its last symbol."""
        inputs, lengths = texts.side_by_side(chosen, 0), texts.lengths[chosen]
        targets = np.full_like(inputs, -1)
        if labels is not None:
            targets[lengths - 1, np.arange(len(chosen))] = labels[chosen]
        return Batch(inputs, targets, True, lengths)

    def batches(self, corpus, rows, steps, random):
        part = corpus.train
        for chosen in groups(part.texts.starts, rows, random, rows * steps):
            yield self.batch(part.texts, chosen, part.labels)

    def size_in_words(self, level, rows, steps):
        return f"up to {rows} lines and {rows * steps:,} {UNITS[level]}s together"

    def small_batch(self):
        zeros = np.zeros((1, 1), np.int32)
        return Batch(zeros, zeros, True, np.ones(1, np.int64))

    def evaluation(self, network, corpus):
        part = corpus.held_out
        if not len(part):
            return None
        chosen = in_order(part.texts.lengths[:EVALUATED], tokens_for(len(self.labels)))
        batches = [self.batch(part.texts, some, part.labels) for some in chosen]
        return ExampleEvaluation(network, self.window(network, 1, ROWS), batches)

    def probabilities(self, window, vocabulary, texts):
        """Of each label for each text, (texts, labels)."""
        sequences = encoded(vocabulary, texts)
        found = np.empty((len(texts), len(self.labels)), np.float32)
        for chosen in in_order(sequences.lengths, tokens_for(len(self.labels))):
            batch = self.batch(sequences, chosen)
            found[chosen] = window.forward(batch)[1][batch.lengths - 1, np.arange(len(chosen))]
        return found

    def evaluate(self, window, vocabulary, lines) -> Confusion:
        """What the labels of lines are taken for."""
        labels, texts = self.answered(lines)
        return Confusion.of(labels, [next(iter(found)) for found in self.predict(window, vocabulary, texts)])


TASK = Classify
