"""Many to many of another length, from vectors: a text for each sequence, by an encoder and a decoder."""

from dataclasses import dataclass, field, replace

import numpy as np

from ..network.growing import Places
from ..text.batches import PairBatch, Sequences
from ..text.corpus import CorpusOptions
from ..text.vocabulary import EOS, Known, Vocabulary
from ..vectors.channels import Channels
from ..vectors.sequences import VectorPart, VectorSequences, noisy
from .examples import (
    EVALUATED,
    ROWS,
    ExampleEvaluation,
    Examples,
    build_vocabulary,
    encode_with_end,
    log_frequencies,
    tokens_for,
)
from .summary import number_of
from .translate import Translate, TranslationResult
from .vectors import DEFAULTS, VectorTask, read_vector_examples


@dataclass
class VectorPairs(VectorPart):
    """vectors: the sources. targets: as ids, each with its <EOS>."""

    vectors: VectorSequences
    targets: Sequences

    def __len__(self):
        return len(self.targets.ids)

    @property
    def starts(self) -> np.ndarray:
        """As ``Sequences.starts``, of source and target together: (pairs + 1)."""
        return self.vectors.starts + self.targets.starts


@dataclass(frozen=True)
class TranslateVectors(VectorTask, Translate):
    """A ``PredictionTask``. Its vocabulary is that of the targets."""

    channels: Channels = field(kw_only=True)

    writes_text = True
    defaults = DEFAULTS | {"hidden": 128, "lr": 0.003, "dropout": 0.2}
    most_epochs = 60

    @classmethod
    def load(cls, paths, options: CorpusOptions, known: Known | None = None) -> "tuple[TranslateVectors, Examples]":
        """Sequences with a target each. The training part gives the vocabulary and the channels."""
        found, channels = read_vector_examples(paths, options, cls, known)
        vocabulary = build_vocabulary((one.answers[0] for one in found.train), options, known=known)
        ends = [encode_with_end(vocabulary, [one.answers[0] for one in part]) for part in (found.train, found.held_out)]
        longest = max(int(ends[0].lengths.max()), known.task.longest if known else 0)
        task = cls(longest, channels=channels)
        train = VectorPairs(task.training_part(found.train, options.noise), ends[0])
        held_out = VectorPairs(task.numbers_of(found.held_out), ends[1])
        ids = train.targets.ids
        return task, Examples(
            vocabulary=vocabulary,
            train=train,
            noise=train.vectors.noise,
            held_out=held_out,
            log_frequencies=log_frequencies(ids, len(vocabulary)),
            **found.facts(),
            unknown_rate=vocabulary.unknown_rate(np.bincount(ids, minlength=len(vocabulary))),
        )

    @classmethod
    def from_fields(cls, fields):
        channels = Channels.from_fields(fields["vectors"])
        return cls(Translate.from_fields({"longest": fields["longest"]}).longest, channels=channels)

    def fields(self):
        return {"longest": self.longest, "vectors": self.channels.fields()}

    def description(self, level):
        return f"{super().description(level)}; from vectors of {self.channels.description()}"

    def architecture_fields(self, vocabulary):
        return super().architecture_fields(vocabulary) | self.width()

    def places(self, before, vocabulary, old):
        ids = vocabulary.ids_of(old)
        return Places(ids, ids)

    def batch_description(self, corpus, rows, steps):
        return f"up to {number_of(rows, 'sequence')} with {number_of(rows * steps, 'step')} in all"

    def batch(self, part: VectorPairs, chosen: np.ndarray) -> PairBatch:
        """Some pairs, by their indices."""
        targets = part.targets.padded(chosen, -1)
        return PairBatch(
            inputs=np.concatenate((np.full((1, len(chosen)), EOS, np.int32), np.maximum(targets[:-1], EOS))),
            targets=targets,
            fresh=True,
            lengths=part.targets.lengths[chosen],
            sources=part.vectors.padded(chosen),
            source_lengths=part.vectors.lengths[chosen],
        )

    def batches(self, corpus, rows, steps, random):
        for batch in super().batches(corpus, rows, steps, random):
            yield replace(batch, sources=noisy(batch.sources, corpus.train.vectors, random))

    def small_batch(self):
        zeros, ones = np.zeros((1, 1), np.int32), np.ones(1, np.int64)
        return PairBatch(zeros, zeros, fresh=True, lengths=ones, sources=self.small_input(), source_lengths=ones)

    def evaluation(self, network, corpus, ngrams=None):
        part = corpus.held_out
        if not len(part):
            return None
        chosen = self.groups_of(np.diff(part.starts)[:EVALUATED], tokens_for(len(corpus.vocabulary)))
        return ExampleEvaluation(network, self.window(network, 1, ROWS), [self.batch(part, some) for some in chosen])

    def predict(self, window, vocabulary: Vocabulary, items, beam=1) -> list[dict]:
        """The most likely target of each item that a beam search finds, and its log-probability. beam: the width of the
        search; 1 is greedy."""
        sources, found = self.numbers_of(items), [{}] * len(items)
        for chosen in self.groups_of(sources.lengths):
            written = window.write(sources.padded(chosen), sources.lengths[chosen], beam, 2 * self.longest)
            for number, (ids, score) in zip(chosen.tolist(), written, strict=True):
                found[number] = {"target": vocabulary.decode(ids), "log_probability": score}
        return found

    def record(self, item, prediction):
        return prediction | {"sequence": item.where}

    def evaluate_files(self, window, vocabulary, paths, encoding: str, beam=1) -> TranslationResult:
        """Compare the targets of the sequences in some files with those that the model writes."""
        examples = self.examples_in(paths, encoding)
        found = self.predict(window, vocabulary, examples, beam)
        return TranslationResult.of([one.answers[0] for one in examples], [one["target"] for one in found])


TASK = TranslateVectors
