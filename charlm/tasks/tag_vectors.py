"""Many to many of the same length, from vectors: a tag for each step."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ..errors import CorpusError
from ..network.architecture import Architecture
from ..network.growing import Places
from ..text.batches import Batch, Sequences, groups
from ..text.corpus import CorpusOptions
from ..text.reading import listed
from ..text.vocabulary import Known
from ..vectors.channels import Channels
from ..vectors.sequences import VectorPart, VectorSequences, noisy
from .entities import TaggingResult, follow_their_scheme, most_likely_tags, scheme_of, spans
from .examples import (
    EVALUATED,
    ROWS,
    ExampleEvaluation,
    Examples,
    ExampleTask,
    check_names,
    distinct_labels,
    label_numbers,
    log_frequencies,
    rarity_note,
    tokens_for,
)
from .labels import clean_label
from .summary import number_of
from .vectors import DEFAULTS, VectorTask, no_vocabulary, read_vector_examples


@dataclass
class TaggedVectors(VectorPart):
    """vectors: the sequences. tags: the indices of the tags of each."""

    vectors: VectorSequences
    tags: Sequences

    def __len__(self):
        return len(self.tags.ids)


@dataclass(frozen=True)
class TagVectors(VectorTask, ExampleTask):
    """A ``PredictionTask``. tags: all tags of the training part. bio: predict only what the scheme of the tags
    allows."""

    tags: tuple[str, ...]
    bio: bool
    channels: Channels

    name = "tag"
    commands = "predict or charlm evaluate"
    architecture = Architecture
    why_not_bidirectional = None
    reads_whole_line = True
    options = ()
    of_steps = True
    writes_text = False
    columns = None
    defaults: ClassVar[dict] = DEFAULTS | {"hidden": 64, "lr": 0.01, "dropout": 0.2}
    most_epochs = 60

    @classmethod
    def load(cls, paths, options: CorpusOptions, known: Known | None = None) -> "tuple[TagVectors, Examples]":
        """Sequences with a tag for each step. Whole sequences are held out; the training part gives the tags and the
        channels."""
        before: TagVectors | None = known and known.task
        found, channels = read_vector_examples(paths, options, cls, known)
        tags = distinct_labels((tag for one in found.train for tag in _tags(one)), before.tags if before else ())
        if len(tags) < 2:
            raise CorpusError(f"{listed(found.names)} has one tag only, {tags[0]!r}; a tagger needs two or more")
        scheme = scheme_of(tags)
        bio = scheme != "" and follow_their_scheme(map(_tags, found.train), scheme)
        task = cls(tags, bio and (before is None or before.bio), channels)
        train = task.tagged(found.train)
        train.vectors = task.training_part(found.train, options.noise)
        notes = (*found.notes, *rarity_note((tag for one in found.train for tag in _tags(one)), "tag"))
        return task, Examples(
            vocabulary=no_vocabulary(),
            train=train,
            noise=train.vectors.noise,
            held_out=task.tagged(found.held_out),
            log_frequencies=log_frequencies(train.tags.ids, len(tags)),
            **found.facts() | {"notes": notes},
        )

    @classmethod
    def from_fields(cls, fields):
        tags, bio = check_names(fields["tags"], "tag"), fields["bio"]
        if type(bio) is not bool or bio and not scheme_of(tags):
            raise ValueError("it does not say whether its tags mark events")
        return cls(tags, bio, Channels.from_fields(fields["vectors"]))

    def fields(self):
        return {"tags": list(self.tags), "bio": self.bio, "vectors": self.channels.fields()}

    def tagged(self, examples) -> TaggedVectors:
        """Examples as numbers. Raises CorpusError for an unknown tag."""
        tags = [label_numbers(_tags(one), self.tags, "the held-out part", "tag") for one in examples]
        return TaggedVectors(self.numbers_of(examples), Sequences(tags))

    def description(self, level):
        tags = f"{number_of(len(self.tags), 'tag')}: {', '.join(self.tags)}"
        return f"{self.name}: a tag for each step of a sequence; {tags}; from vectors of {self.channels.description()}"

    def architecture_fields(self, vocabulary):
        return {"vocabulary_size": len(vocabulary), "outputs": len(self.tags)} | self.width()

    def places(self, before, vocabulary, old):
        return Places(np.arange(self.channels.width), np.arange(len(before.tags)), has_symbols=False)

    def unit(self, level):
        return "step"

    def batch_description(self, corpus, rows, steps):
        return f"up to {number_of(rows, 'sequence')} with {number_of(rows * steps, 'step')} in all"

    def network(self, architecture, parameters, pool, unknown=0.0):
        from ..network.stack import Stack

        return Stack(architecture, parameters, pool)

    def window(self, network, steps, rows, training=False):
        from ..network.sequences import Windows

        return Windows(network, rows, training)

    def batch(self, vectors: VectorSequences, chosen: np.ndarray, tags: Sequences | None = None) -> Batch:
        """Some sequences, by their indices. tags: of all sequences."""
        inputs, lengths = vectors.padded(chosen), vectors.lengths[chosen]
        targets = np.full(inputs.shape[:2], -1, np.int32) if tags is None else tags.padded(chosen, -1)
        return Batch(inputs, targets, fresh=True, lengths=lengths)

    def batches(self, corpus, rows, steps, random):
        for chosen in groups(corpus.train.vectors.starts, rows, random, rows * steps):
            batch = self.batch(corpus.train.vectors, chosen, corpus.train.tags)
            yield replace(batch, inputs=noisy(batch.inputs, corpus.train.vectors, random))

    def small_batch(self):
        return Batch(self.small_input(), np.zeros((1, 1), np.int32), fresh=True, lengths=np.ones(1, np.int64))

    def evaluation(self, network, corpus, ngrams=None):
        part = corpus.held_out
        if not len(part):
            return None
        chosen = self.groups_of(part.vectors.lengths[:EVALUATED], tokens_for(len(self.tags)))
        batches = [self.batch(part.vectors, some, part.tags) for some in chosen]
        return ExampleEvaluation(network, self.window(network, 1, ROWS), batches)

    def predict(self, window, vocabulary, items) -> list[dict]:
        """For each item its tags and the probability of each."""
        vectors, found = self.numbers_of(items), [{}] * len(items)
        for chosen in self.groups_of(vectors.lengths, tokens_for(len(self.tags))):
            batch = self.batch(vectors, chosen)
            probabilities = window.forward(batch)[1]
            best = most_likely_tags(probabilities, batch.lengths, self.tags) if self.bio else probabilities.argmax(2)
            own = np.take_along_axis(probabilities, best[:, :, None], 2)[:, :, 0]
            for column, (number, length) in enumerate(zip(chosen.tolist(), batch.lengths.tolist(), strict=True)):
                found[number] = {
                    "tags": [self.tags[tag] for tag in best[:length, column].tolist()],
                    "probabilities": own[:length, column].tolist(),
                }
        return found

    def lines_of(self, item):
        return ["" for _ in item.lines or item.values] + [""]

    def row(self, item, prediction):
        """A line for each step, with its tag as the last column, and a blank line; of files without such lines the tag
        alone."""
        lines = item.lines or [""] * len(item.values)
        return "".join(f"{_with_tag(line, tag)}\n" for line, tag in zip(lines, prediction["tags"], strict=True))

    def record(self, item, prediction):
        marked = spans(prediction["tags"]) if scheme_of(self.tags) else None
        events = marked and [{"type": kind, "first": start, "last": stop - 1} for kind, start, stop in marked]
        return {"sequence": item.where} | prediction | ({"entities": events} if events is not None else {})

    def evaluate_files(self, window, vocabulary, paths, encoding: str) -> TaggingResult:
        """Compare the tags of the sequences in some files with the predicted ones."""
        examples = self.examples_in(paths, encoding)
        for one in examples:
            for tag, place in zip(_tags(one), one.places, strict=True):
                if tag not in self.tags:
                    label_numbers([tag], self.tags, place, "tag")
        predicted = [prediction["tags"] for prediction in self.predict(window, vocabulary, examples)]
        marks = scheme_of(self.tags) != ""
        return TaggingResult.of(list(map(_tags, examples)), predicted, marks, ("step", "sequence"))


def _tags(example) -> list[str]:
    return list(map(clean_label, example.answers))


def _with_tag(line: str, tag: str) -> str:
    """A line with one more column, separated like the others."""
    delimiter = next((mark for mark in "\t,;" if mark in line), "\t" if not line.strip() else " ")
    return f"{line.rstrip()}{delimiter}{tag}" if line.strip() else tag


TASK = TagVectors
