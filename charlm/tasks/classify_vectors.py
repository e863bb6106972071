"""Many to one, from vectors: a label for each sequence.

The network learns to name the label at each step. The probabilities of a sequence are the geometric means of those at
its steps:

    log ŷ = (Σ_t log ŷ⟨t⟩) / T - log Σ_labels exp((Σ_t log ŷ⟨t⟩) / T)
"""

from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import CorpusError
from ..network.growing import Places
from ..network.probabilities import softmax
from ..portable.functions import log
from ..text.batches import Batch, groups
from ..text.corpus import CorpusOptions
from ..text.reading import listed
from ..text.vocabulary import Known
from ..vectors.channels import Channels
from ..vectors.sequences import VectorPart, VectorSequences, noisy
from .classify import Classify
from .confusion import ConfusionMatrix
from .examples import (
    EVALUATED,
    ROWS,
    ExampleEvaluation,
    Examples,
    check_names,
    distinct_labels,
    label_numbers,
    log_frequencies,
    rarity_note,
)
from .labels import clean_label
from .summary import number_of
from .vectors import DEFAULTS, VectorTask, no_vocabulary, read_vector_examples


@dataclass
class LabelledVectors(VectorPart):
    """vectors: the sequences. labels: the index of the label of each, (sequences). Its length is its number of
    steps."""

    vectors: VectorSequences
    labels: np.ndarray

    def __len__(self):
        return len(self.vectors.values)


@dataclass(frozen=True)
class ClassifyVectors(VectorTask, Classify):
    """A ``PredictionTask``."""

    channels: Channels = field(kw_only=True)

    learns = "a label for each sequence"
    writes_text = False
    with_slopes = True
    noise = 0.6
    defaults = DEFAULTS | {"cell": "gru", "hidden": 48, "layers": 2, "lr": 0.01, "dropout": 0.4}
    most_epochs = 100

    @classmethod
    def load(cls, paths, options: CorpusOptions, known: Known | None = None) -> "tuple[ClassifyVectors, Examples]":
        """Sequences with a label each. The training part gives the labels and the channels."""
        found, channels = read_vector_examples(paths, options, cls, known)
        labels = distinct_labels(map(_label, found.train), known.task.labels if known else ())
        task = cls(labels, channels=channels)
        if len(labels) < 2:
            raise CorpusError(
                f"{listed(found.names)} has one label only, {labels[0]!r}; a classifier needs two or more"
            )
        train = task.labelled(found.train, "the training part")
        train.vectors = task.training_part(found.train, options.noise)
        notes = (*found.notes, *rarity_note(map(_label, found.train)))
        return task, Examples(
            vocabulary=no_vocabulary(),
            train=train,
            noise=train.vectors.noise,
            held_out=task.labelled(found.held_out, "the held-out part"),
            log_frequencies=log_frequencies(np.repeat(train.labels, train.vectors.lengths), len(labels)),
            **found.facts() | {"notes": notes},
        )

    @classmethod
    def from_fields(cls, fields):
        return cls(check_names(fields["labels"], "label"), channels=Channels.from_fields(fields["vectors"]))

    def fields(self):
        return {"labels": list(self.labels), "vectors": self.channels.fields()}

    def labelled(self, examples, where: str) -> LabelledVectors:
        """Examples as numbers. Raises CorpusError, which names ``where``, for an unknown label."""
        return LabelledVectors(self.numbers_of(examples), label_numbers(map(_label, examples), self.labels, where))

    def description(self, level):
        return f"{super().description(level)}; from vectors of {self.channels.description()}"

    def architecture_fields(self, vocabulary):
        return super().architecture_fields(vocabulary) | self.width()

    def places(self, before, vocabulary, old):
        labels = np.arange(len(before.labels))
        return Places(np.arange(self.channels.width), labels, has_symbols=False)

    def unit(self, level):
        return "step"

    def network(self, architecture, parameters, pool, unknown=0.0):
        from ..network.stack import Stack

        return Stack(architecture, parameters, pool)

    def batch(self, vectors: VectorSequences, chosen: np.ndarray, labels: np.ndarray | None = None) -> Batch:
        """Some sequences, by their indices; at each step of one its label is the target. labels: of all sequences."""
        inputs, lengths = vectors.padded(chosen), vectors.lengths[chosen]
        targets = np.full(inputs.shape[:2], -1, np.int32)
        if labels is not None:
            targets = np.where(np.arange(len(inputs))[:, None] < lengths, labels[chosen], targets)
        return Batch(inputs, targets, fresh=True, lengths=lengths)

    def batches(self, corpus, rows, steps, random):
        part = corpus.train
        for chosen in groups(part.vectors.starts, rows, random, rows * steps):
            batch = self.batch(part.vectors, chosen, part.labels)
            yield replace(batch, inputs=noisy(batch.inputs, part.vectors, random))

    def batch_description(self, corpus, rows, steps):
        return f"up to {number_of(rows, 'sequence')} with {number_of(rows * steps, 'step')} in all"

    def small_batch(self):
        return Batch(self.small_input(), np.zeros((1, 1), np.int32), fresh=True, lengths=np.ones(1, np.int64))

    def evaluation(self, network, corpus, ngrams=None):
        part = corpus.held_out
        if not len(part):
            return None
        batches = [
            self.batch(part.vectors, some, part.labels) for some in self.groups_of(part.vectors.lengths[:EVALUATED])
        ]
        return ExampleEvaluation(network, self.window(network, 1, ROWS), batches)

    def probabilities(self, window, vocabulary, items):
        """The probability of each label for each item, float32 (items, labels)."""
        vectors = self.numbers_of(items)
        found = np.empty((len(items), len(self.labels)), np.float32)
        for chosen in self.groups_of(vectors.lengths):
            batch = self.batch(vectors, chosen)
            found[chosen] = over_steps(window.forward(batch)[1], batch.lengths)
        return found

    def record(self, item, prediction):
        label, probability = next(iter(prediction.items()))
        return {"label": label, "probability": probability, "labels": prediction, "sequence": item.where}

    def evaluate_files(self, window, vocabulary, paths, encoding: str) -> ConfusionMatrix:
        """Compare the labels of the sequences in some files with the most likely ones."""
        examples = self.examples_in(paths, encoding)
        labels = [_label(one) for one in examples]
        for label, one in zip(labels, examples, strict=True):
            label_numbers([label], self.labels, one.where)
        found = [next(iter(one)) for one in self.predict(window, vocabulary, examples)]
        return ConfusionMatrix.of(labels, found, "sequence")


def over_steps(probabilities: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The probabilities of whole sequences, float64 (N, labels), from those at their steps, (T, N, labels)."""
    logs = log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    inside = np.arange(len(logs))[:, None] < lengths
    return softmax((logs * inside[:, :, None]).sum(0) / lengths[:, None])


def _label(example) -> str:
    return clean_label(example.answers[0])


TASK = ClassifyVectors
