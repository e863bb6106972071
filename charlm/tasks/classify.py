"""Many to one: a label for each line, or several. The network gives them at the last step, when it has read the whole
line."""

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise

import numpy as np

from ..errors import CorpusError
from ..network.growing import Places
from ..portable.functions import log
from ..text.batches import Batch, Sequences, groups
from ..text.corpus import CorpusOptions
from ..text.reading import listed
from ..text.vocabulary import UNITS, Known
from .confusion import ConfusionMatrix, LabelSetsResult
from .examples import (
    EVALUATED,
    ROWS,
    ExampleEvaluation,
    ExampleForm,
    Examples,
    build_vocabulary,
    by_length,
    distinct_labels,
    encode_texts,
    label_numbers,
    log_frequencies,
    rarity_note,
    read_examples,
    tokens_for,
)
from .labels import WRITE, LabelTask, read_several
from .summary import number_of

THRESHOLD = 0.5  # of the probability from which on a label is predicted, where a line may have several


@dataclass
class LabelledLines:
    """texts: the ids of each line. labels: the index of its label, (lines); with several labels that of its set in
    ``sets``."""

    texts: Sequences
    labels: np.ndarray
    sets: Sequences | None = None

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
    def load(cls, paths, options: CorpusOptions, known: Known | None = None) -> "tuple[Classify, Examples]":
        """Labels and texts (see ``labels``). The training part gives the labels and the vocabulary."""
        if options.multi_label:
            return SeveralLabels.load_several(paths, options, known)
        found = read_examples(cls.form(), paths, options)
        labels = distinct_labels((label for label, _ in found.train), known.task.labels if known else ())
        task = cls(labels, found.columns if options.columns else None)
        if len(task.labels) < 2:
            raise CorpusError(
                f"{listed(found.names)} has one label only, {task.labels[0]!r}; a classifier needs two or more"
            )
        vocabulary = build_vocabulary((text for _, text in found.train), options, 2, known)
        train = task.part(vocabulary, found.train, "the training part")
        return task, Examples(
            vocabulary=vocabulary,
            train=train,
            held_out=task.part(vocabulary, found.held_out, "the held-out part"),
            log_frequencies=log_frequencies(train.labels, len(task.labels)),
            **found.facts(),
        )

    @classmethod
    def from_fields(cls, fields):
        if fields.get("multi_label", True) is not True:
            raise ValueError("it does not say whether a line may have several labels")
        return super(Classify, SeveralLabels if "multi_label" in fields else cls).from_fields(fields)

    def part(self, vocabulary, examples, where: str) -> LabelledLines:
        """The ids of examples (label, text). Raises CorpusError, which names ``where``, for an unknown label."""
        labels = label_numbers((label for label, _ in examples), self.labels, where)
        return LabelledLines(encode_texts(vocabulary, (text for _, text in examples)), labels)

    def architecture_fields(self, vocabulary):
        return {"vocabulary_size": len(vocabulary), "outputs": len(self.labels)}

    def places(self, before, vocabulary, old):
        return Places(vocabulary.ids_of(old), np.arange(len(before.labels)), has_symbols=False)

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
        tokens = number_of(rows * steps, UNITS[corpus.vocabulary.level])
        return f"up to {number_of(rows, 'line')} with {tokens} in all"

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


@dataclass(frozen=True)
class SeveralLabels(Classify):
    """Any number of labels for each line. sets: the distinct sets of labels in the files that it is trained and
    evaluated on, the empty set first; a model does not keep them."""

    sets: Sequences | None = field(default=None, compare=False, repr=False)

    learns = "any number of labels for each line"

    @classmethod
    def load_several(
        cls, paths, options: CorpusOptions, known: Known | None = None
    ) -> "tuple[SeveralLabels, Examples]":
        """As ``load``."""
        found = read_examples(cls.several_form(), paths, options)
        counts = Counter(label for labels, _ in found.train for label in labels)
        if not counts:
            raise CorpusError(f"no line of {', '.join(found.names)} has a label; {WRITE}")
        labels = distinct_labels(counts.elements(), known.task.labels if known else ())
        numbers = {(): 0}  # of the sets
        for some, _ in [*found.train, *found.held_out]:
            label_numbers(some, labels, "the held-out part")  # raises an error for an unknown one
            numbers.setdefault(tuple(sorted(some)), len(numbers))
        sets = Sequences([label_numbers(some, labels, "") for some in numbers])
        task = cls(labels, found.columns if options.columns else None, sets)
        vocabulary = build_vocabulary((text for _, text in found.train), options, 2, known)
        train, held_out = (
            LabelledLines(
                encode_texts(vocabulary, (text for _, text in examples)),
                np.array([numbers[tuple(sorted(some))] for some, _ in examples], np.int32),
                sets,
            )
            for examples in (found.train, found.held_out)
        )
        rates = np.array([counts[label] for label in labels]) + 0.5  # as if one more line had half of each label
        rates /= len(found.train) + 1
        odds = log(rates) - log(1 - rates)
        of_sets = np.array([odds[sets.ids[start:stop]].sum() for start, stop in pairwise(sets.starts)])
        return task, Examples(
            vocabulary=vocabulary,
            train=train,
            held_out=held_out,
            log_frequencies=odds,
            log_of_targets=of_sets + log(1 - rates).sum(),
            **found.facts(),
        )

    @classmethod
    def several_form(cls) -> ExampleForm:
        """How its files hold labels and texts."""
        return cls.form()._replace(
            read=read_several,
            labels_in=lambda example: example[0],
            notes=lambda examples, _: rarity_note(label for labels, _ in examples for label in labels),
        )

    def fields(self):
        return super().fields() | {"multi_label": True}

    def network(self, architecture, parameters, pool, unknown=0.0):
        from ..network.head import logistic_head
        from ..network.stack import Stack

        sets = self.sets or Sequences([np.zeros(0, np.int32)])
        return Stack(architecture, parameters, pool, at_end=True, head=partial(logistic_head, sets=sets))

    def evaluation(self, network, corpus, ngrams=None):
        sets = corpus.held_out.sets
        if sets is not self.sets:  # of another text (--also-valid)
            network = replace(self, sets=sets).network(network.architecture, network.parameters, network.pool)
        return super().evaluation(network, corpus, ngrams)

    def predict(self, window, vocabulary, texts, top=None):
        """For each text the labels with a probability of at least THRESHOLD, or its ``top`` most likely labels: label →
        probability, falling."""
        found = super().predict(window, vocabulary, texts, len(self.labels) if top is None else top)
        if top is not None:
            return found
        return [{label: value for label, value in one.items() if value >= THRESHOLD} for one in found]

    def record(self, text, prediction):
        return {"labels": prediction, "text": text}

    def evaluate(self, window, vocabulary, lines) -> LabelSetsResult:
        """Compare the labels of lines with the predicted ones."""
        examples = []
        for where, (labels, text) in self.several_form().examples(lines, self.columns):
            examples.append((label_numbers(labels, self.labels, where), text))
        if not examples:
            raise CorpusError("there is no example to evaluate: all lines are blank, or name columns")
        true = np.zeros((len(examples), len(self.labels)), bool)
        for row, (numbers, _) in enumerate(examples):
            true[row, numbers] = True
        groups = self.text_groups([text for _, text in examples])
        probabilities = np.concatenate([self.probabilities(window, vocabulary, group) for group in groups])
        return LabelSetsResult.of(self.labels, true, probabilities, THRESHOLD)


TASK = Classify
