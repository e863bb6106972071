"""Many to many of the same length: a tag for each word of a sentence."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from ..errors import CorpusError, UsageError
from ..network.architecture import Tagging
from ..text.batches import Sequences, WordBatch, groups
from ..text.corpus import DEFAULT_MIN_COUNT, CorpusOptions
from ..text.reading import names_of
from ..text.vocabulary import EOS
from .entities import TaggingResult, are_entity_tags, entities_begin_with_b, most_likely_tags, spans
from .examples import (
    EVALUATED,
    ROWS,
    ExampleEvaluation,
    Examples,
    ExampleTask,
    build_vocabulary,
    by_length,
    check_names,
    distinct_labels,
    encode_texts,
    label_numbers,
    log_frequencies,
    read_examples,
)

DOCUMENT = "-DOCSTART-"  # begins the line that CoNLL files put before each document
MOST_WORDS = 4096  # in a sentence, and in a batch for evaluation and prediction
KNOWN_FROM = DEFAULT_MIN_COUNT["word"]  # a known word occurs at least so many times in the training part
LONGEST_WORD = 32  # characters; of a longer word the network reads the first 16 and the last 16


@dataclass
class Sentences:
    """Sentences as numbers.

    words: the characters of each distinct word, as ids. known: for each distinct word its number among the task's known
    words, from 1 on, and 0 for an unknown word, int32 (distinct words). numbers: for each sentence the indices of its
    words among the distinct ones. tags: for each sentence the indices of its tags, None without tags.
    """

    words: Sequences
    known: np.ndarray
    numbers: Sequences
    tags: Sequences | None

    def __len__(self):
        return len(self.numbers.ids)


def columns(line: str) -> list[str]:
    """The columns of a line. Tabs separate them or, in a line without tabs, spaces."""
    return line.split("\t") if "\t" in line else [column for column in line.split(" ") if column]


def ends_a_sentence(line: str) -> bool:
    """Whether a line belongs to no sentence: it is blank, or it is the line before a document."""
    return not line.strip() or line.startswith(DOCUMENT)


def split_sentences(lines: Iterable[tuple[str, str]]) -> Iterator[tuple[str, list]]:
    """Cut lines (where, text) into sentences: for each, where it begins, and its lines (where, text)."""
    sentence = []
    for where, line in chain(lines, [("", "")]):
        if not ends_a_sentence(line):
            sentence.append((where, line))
            check_length(sentence, sentence[0][0])
        elif sentence:
            yield sentence[0][0], sentence
            sentence = []


def check_length(words, where: str) -> None:
    """Raise CorpusError for a sentence with more than MOST_WORDS words."""
    if len(words) > MOST_WORDS:
        raise CorpusError(
            f"the sentence at {where} has more than {MOST_WORDS:,} words; put a blank line after each sentence"
        )


def parse_sentence(where: str, lines: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """The words and the tags of a sentence: the first and the last columns of its lines (where, text).

    Raises CorpusError for a line without a word or without a tag.
    """
    words, tags = [], []
    for line_where, line in lines:
        word, *more = columns(line)
        tag = more[-1].strip() if more else ""
        if not tag or not word.strip():
            raise CorpusError(f"{line_where} has no {'word' if tag else 'tag'}; write word<TAB>tag")
        words.append(word)
        tags.append(tag)
    return words, tags


@dataclass(frozen=True)
class Tag(ExampleTask):
    """A ``PredictionTask``.

    tags: all tags of the training part. words: the known words, which occur at least KNOWN_FROM times in the training
    part; the network has a vector for each, besides its characters. bio: predict I-x only after B-x or I-x.
    """

    tags: tuple[str, ...]
    words: tuple[str, ...]
    bio: bool

    name = "tag"
    commands = "predict or charlm evaluate"
    architecture = Tagging
    why_not_bidirectional = None
    reads_whole_line = True
    options = ()
    defaults = {"layers": 1, "batch": 32, "steps": 64, "lr": 0.02, "dropout": 0.2}
    most_epochs = 30

    @classmethod
    def load(cls, paths, options: CorpusOptions) -> "tuple[Tag, Examples]":
        """Lines ``word<TAB>tag``, a blank line after each sentence. Whole sentences are held out; the training part
        gives the tags, the known words and the vocabulary of characters."""
        if options.level in ("word", "token", "subword"):
            raise UsageError(
                f"--level {options.level} does not go with --task tag, which reads each word by its characters; leave "
                "it out"
            )
        found = read_examples(parse_sentence, lambda example: example[1], paths, options, split_sentences)
        names = names_of(found.names)
        if len(found.train) < 2:
            raise CorpusError(f"{names} is one sentence; put a blank line after each sentence, and give more of them")
        tags = distinct_labels(tag for _, tags in found.train for tag in tags)
        if len(tags) < 2:
            raise CorpusError(f"{names} has one tag only, {tags[0]!r}; a tagger needs two or more")
        counts = Counter(word for words, _ in found.train for word in words)
        known = tuple(sorted(word for word, count in counts.items() if count >= KNOWN_FROM))
        bio = are_entity_tags(tags) and entities_begin_with_b(tags for _, tags in found.train)
        task = cls(tags, known, bio)
        vocabulary = build_vocabulary((word for words, _ in found.train for word in words), options, at_least=2)
        train, held_out = (
            task.part(vocabulary, [words for words, _ in examples], [tags for _, tags in examples])
            for examples in (found.train, found.held_out)
        )
        return task, Examples(
            vocabulary=vocabulary,
            train=train,
            held_out=held_out,
            log_frequencies=log_frequencies(train.tags.ids, len(tags)),
            names=found.names,
            digest=found.digest,
            size=found.size,
        )

    def part(self, vocabulary, sentences: list[list[str]], tags: list[list[str]] | None = None) -> Sentences:
        """Sentences of words, and their tags, as numbers. Raises CorpusError for an unknown tag."""
        index = {}  # of each distinct word
        numbers = [np.array([index.setdefault(word, len(index)) for word in words], np.int32) for words in sentences]
        half = LONGEST_WORD // 2
        words = encode_texts(
            vocabulary, (word if len(word) <= LONGEST_WORD else word[:half] + word[-half:] for word in index)
        )
        if tags is not None:  # the training part has no unknown tag: its tags are the known ones
            tags = Sequences([label_numbers(some, self.tags, "the held-out part", "tag") for some in tags])
        known_number = {word: number for number, word in enumerate(self.words, 1)}
        known = np.array([known_number.get(word, 0) for word in index], np.int32)
        return Sentences(words, known, Sequences(numbers), tags)

    @classmethod
    def from_fields(cls, fields):
        tags, words, bio = check_names(fields["tags"], "tag"), fields["words"], fields["bio"]
        if type(bio) is not bool or bio and not are_entity_tags(tags):
            raise ValueError("it does not say whether its tags mark entities")
        return cls(tags, check_names(words, "word") if words != [] else (), bio)

    def fields(self):
        return {"tags": list(self.tags), "words": list(self.words), "bio": self.bio}

    def description(self, level):
        known = f"{len(self.words):,} word{'s' if len(self.words) != 1 else ''} known"
        return (
            f"{self.name}: a tag for each word of a sentence; {len(self.tags):,} tags: {', '.join(self.tags)}; {known}"
        )

    def architecture_fields(self, vocabulary):
        return {"vocabulary_size": len(vocabulary), "outputs": len(self.tags), "words_size": len(self.words) + 1}

    def unit(self, level):
        return "word"

    def batch_description(self, corpus, rows, steps):
        return f"up to {rows} sentences with {rows * steps:,} words in all"

    def network(self, architecture, parameters, pool, unknown=0.0):
        from ..network.tagger import Tagger

        return Tagger(architecture, parameters, pool)

    def window(self, network, steps, rows, training=False):
        from ..network.tagger import TaggerWindows

        return TaggerWindows(network, rows, training)

    def batch(self, part: Sentences, chosen: np.ndarray) -> WordBatch:
        """Some sentences, by their indices. Each of their distinct words is in the batch once."""
        numbers = part.numbers.padded(chosen, -1)
        inside = numbers >= 0
        distinct, indices = np.unique(numbers[inside], return_inverse=True)
        inputs = np.zeros_like(numbers)
        inputs[inside] = indices
        return WordBatch(
            inputs=inputs,
            targets=np.full_like(numbers, -1) if part.tags is None else part.tags.padded(chosen, -1),
            fresh=True,
            lengths=part.numbers.lengths[chosen],
            words=part.words.padded(distinct, EOS),
            word_lengths=part.words.lengths[distinct],
            known=part.known[distinct],
        )

    def batches(self, corpus, rows, steps, random):
        for chosen in groups(corpus.train.numbers.starts, rows, random, rows * steps):
            yield self.batch(corpus.train, chosen)

    def small_batch(self):
        zeros, ones = np.zeros((1, 1), np.int32), np.ones(1, np.int64)
        return WordBatch(zeros, zeros, fresh=True, lengths=ones, words=zeros, word_lengths=ones, known=zeros[0])

    def evaluation(self, network, corpus, ngrams=None):
        part = corpus.held_out
        if not len(part):
            return None
        chosen = by_length(part.numbers.lengths[:EVALUATED], MOST_WORDS)
        return ExampleEvaluation(network, self.window(network, 1, ROWS), [self.batch(part, some) for some in chosen])

    def items(self, lines, last=False):
        """Each item is the lines of a sentence and the line that ends it."""
        items, item = [], []
        for line in lines:
            item.append(line)
            if ends_a_sentence(line):
                items.append(item)
                item = []
        for some in [*items, item]:
            check_length(some, repr(some[0]) if some else "")
        return (items + [item], []) if last and item else (items, item)

    def predict(self, window, vocabulary, items) -> list[dict]:
        """For each item its tags and the probability of each. An item is a list of words, or of lines whose first
        columns are the words."""
        return self.tags_for(window, vocabulary, list(map(words_of, items)))

    def tags_for(self, window, vocabulary, sentences: list[list[str]]) -> list[dict]:
        """The tags of the words of some sentences, and the probability of each."""
        found = [{"tags": [], "probabilities": []} for _ in sentences]
        with_words = np.array([number for number, words in enumerate(sentences) if words], np.int64)
        part = self.part(vocabulary, [sentences[number] for number in with_words])
        for chosen in by_length(part.numbers.lengths, MOST_WORDS):
            batch = self.batch(part, chosen)
            probabilities = window.forward(batch)[1]
            best = most_likely_tags(probabilities, batch.lengths, self.tags) if self.bio else probabilities.argmax(2)
            own = np.take_along_axis(probabilities, best[:, :, None], 2)[:, :, 0]
            numbers = with_words[chosen].tolist()
            for column, (number, length) in enumerate(zip(numbers, batch.lengths.tolist(), strict=True)):
                found[number] = {
                    "tags": [self.tags[tag] for tag in best[:length, column].tolist()],
                    "probabilities": own[:length, column].tolist(),
                }
        return found

    def row(self, item, prediction):
        tags = iter(prediction["tags"])
        return "\n".join(line if ends_a_sentence(line) else with_column(line, next(tags)) for line in item)

    def record(self, item, prediction):
        words = words_of(item)
        marked = spans(prediction["tags"]) if are_entity_tags(self.tags) else None
        entities = marked and [
            {"type": kind, "first": start, "last": stop - 1, "words": words[start:stop]} for kind, start, stop in marked
        ]
        return {"words": words} | prediction | {"entities": entities} if words else None

    def evaluate(self, window, vocabulary, lines) -> TaggingResult:
        """Compare the tags and the entities of sentences with the predicted ones."""
        words, tags = [], []
        for where, sentence in split_sentences(lines):
            some_words, some_tags = parse_sentence(where, sentence)
            if not set(some_tags) <= set(self.tags):
                for (line_where, _), tag in zip(sentence, some_tags, strict=True):
                    label_numbers([tag], self.tags, line_where, "tag")
            words.append(some_words)
            tags.append(some_tags)
        if not words:
            raise CorpusError("there is no sentence to evaluate: all lines are blank")
        predicted = [prediction["tags"] for prediction in self.tags_for(window, vocabulary, words)]
        return TaggingResult.of(tags, predicted, are_entity_tags(self.tags))


def words_of(lines: list[str]) -> list[str]:
    """The words of a sentence: the first columns of its lines."""
    return [columns(line)[0] for line in lines if not ends_a_sentence(line)]


def with_column(line: str, column: str) -> str:
    """A line with one more column, separated like the others."""
    return line + ("\t" if "\t" in line or " " not in line.strip() else " ") + column


TASK = Tag
