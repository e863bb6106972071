"""Many to one: a label for each line. The network gives it at the last step, when it has read the whole line."""

from dataclasses import dataclass

import numpy as np

from ..errors import CorpusError
from ..text.batches import Batch, Sequences, groups
from ..text.corpus import CorpusOptions
from ..text.vocabulary import UNITS
from .confusion import ConfusionMatrix
from .examples import (
    EVALUATED,
    ROWS,
    ExampleEvaluation,
    Examples,
    build_vocabulary,
    by_length,
    distinct_labels,
    encode_texts,
    label_numbers,
    log_frequencies,
    read_examples,
    tokens_for,
)
from .labels import LabelTask


@dataclass
class LabelledLines:
    """texts: the ids of each line. labels: the index of its label, (lines)."""

    texts: Sequences
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)


class Classify(LabelTask):
    """A ``PredictionTask``."""

    name = "classify"
    learns = "a label for each line"
    commands = "predict or charlm evaluate"
    why_not_bidirectional = None
    reads_whole_line = True
    defaults = {"cell": "gru", "layers": 1, "batch": 32, "steps": 64, "lr": 0.008, "dropout": 0.4}

    @classmethod
    def load(cls, paths, options: CorpusOptions) -> "tuple[Classify, Examples]":
        """Labels and texts (see ``labels``). The training part gives the labels and the vocabulary."""
        found = read_examples(cls.form(), paths, options)
        task = cls(distinct_labels(label for label, _ in found.train), found.columns if options.columns else None)
        if len(task.labels) < 2:
            raise CorpusError(
                f"{', '.join(found.names)} has one label only, {task.labels[0]!r}; a classifier needs two or more"
            )
        vocabulary = build_vocabulary((text for _, text in found.train), options, at_least=2)
        train = task.part(vocabulary, found.train, "the training part")
        return task, Examples(
            vocabulary=vocabulary,
            train=train,
            held_out=task.part(vocabulary, found.held_out, "the held-out part"),
            log_frequencies=log_frequencies(train.labels, len(task.labels)),
            **found.facts(),
        )

    def part(self, vocabulary, examples, where: str) -> LabelledLines:
        """The ids of examples (label, text). Raises CorpusError, which names ``where``, for an unknown label."""
        labels = label_numbers((label for label, _ in examples), self.labels, where)
        return LabelledLines(encode_texts(vocabulary, (text for _, text in examples)), labels)

    def architecture_fields(self, vocabulary):
        return {"vocabulary_size": len(vocabulary), "outputs": len(self.labels)}

    def unit(self, level):
        return "line"

    def network(self, architecture, parameters, pool, unknown=0.0):
        from ..network.stack import Stack

        return Stack(architecture, parameters, pool, at_end=True)

    def batch(self, texts: Sequences, chosen: np.ndarray, labels: np.ndarray | None = None) -> Batch:
        """Some texts, by their indices; the only target of each is at its last token. labels: of all texts."""
        inputs, lengths = texts.padded(chosen, 0), texts.lengths[chosen]
        targets = np.full_like(inputs, -1)
        if labels is not None:
            targets[lengths - 1, np.arange(len(chosen))] = labels[chosen]
        return Batch(inputs, targets, fresh=True, lengths=lengths)

    def batches(self, corpus, rows, steps, random):
        part = corpus.train
        for chosen in groups(part.texts.starts, rows, random, rows * steps):
            yield self.batch(part.texts, chosen, part.labels)

    def batch_description(self, corpus, rows, steps):
        return f"up to {rows} lines with {rows * steps:,} {UNITS[corpus.vocabulary.level]}s in all"

    def small_batch(self):
        zeros = np.zeros((1, 1), np.int32)
        return Batch(zeros, zeros, fresh=True, lengths=np.ones(1, np.int64))

    def evaluation(self, network, corpus, ngrams=None):
        part = corpus.held_out
        if not len(part):
            return None
        chosen = by_length(part.texts.lengths[:EVALUATED], tokens_for(len(self.labels)))
        batches = [self.batch(part.texts, some, part.labels) for some in chosen]
        return ExampleEvaluation(network, self.window(network, 1, ROWS), batches)

    def probabilities(self, window, vocabulary, texts):
        """The probability of each label for each text, float32 (texts, labels)."""
        sequences = encode_texts(vocabulary, texts)
        found = np.empty((len(texts), len(self.labels)), np.float32)
        for chosen in by_length(sequences.lengths, tokens_for(len(self.labels))):
            batch = self.batch(sequences, chosen)
            found[chosen] = window.forward(batch)[1][batch.lengths - 1, np.arange(len(chosen))]
        return found

    def evaluate(self, window, vocabulary, lines) -> ConfusionMatrix:
        """Compare the labels of lines with the most likely ones."""
        labels, texts = self.labelled_texts(lines)
        return ConfusionMatrix.of(labels, [next(iter(found)) for found in self.predict(window, vocabulary, texts)])


TASK = Classify
