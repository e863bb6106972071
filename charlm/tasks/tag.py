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
from ..text.vocabulary import EOS
from .entities import Tagged, begin_with_b, likeliest, mark_entities, spans
from .examples import (
    EVALUATED,
    ROWS,
    ExampleEvaluation,
    Examples,
    OnExamples,
    check_names,
    encoded,
    in_order,
    labels_of,
    log_shares,
    numbers_of,
    read_examples,
    vocabulary_of,
)

DOCUMENT = "-DOCSTART-"  # what begins a line that is no word, where files of CoNLL begin a document
MOST_WORDS = 4096  # of a sentence, and of those that are tagged side by side
SEEN = DEFAULT_MIN_COUNT["word"]
LONGEST = 32  # characters of a word that are read; of a longer one the first and the last half of them


@dataclass
class Sentences:
    """words: distinct ones, as ids of their characters; known: what each of them is among those that the task knows,
    from 1 on, else 0; numbers: the words of each sentence; tags: theirs, or None."""

    words: Sequences
    known: np.ndarray
    numbers: Sequences
    tags: Sequences | None

    def __len__(self):
        return len(self.numbers.ids)


def columns(line: str) -> list[str]:
    """What stands in a line, between tabs or, where there is none, spaces."""
    return line.split("\t") if "\t" in line else [column for column in line.split(" ") if column]


def stands_apart(line: str) -> bool:
    """Whether a line is no word of a sentence: a blank one, or the head of a document."""
    return not line.strip() or line.startswith(DOCUMENT)


def sentences_in(lines: Iterable[tuple[str, str]]) -> Iterator[tuple[str, list]]:
    """Where each sentence begins, and its lines (where, line)."""
    found = []
    for where, line in chain(lines, [("", "")]):
        if not stands_apart(line):
            found.append((where, line))
            check_length(found, found[0][0])
        elif found:
            yield found[0][0], found
            found = []


def check_length(words, where: str) -> None:
    """Raise CorpusError for a sentence that cannot be one."""
    if len(words) > MOST_WORDS:
        raise CorpusError(
            f"the sentence at {where} has more than {MOST_WORDS:,} words; put a blank line behind each sentence"
        )


def tagged(where: str, lines: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """The words of a sentence and their tags, the first and the last columns of its lines. Raises CorpusError."""
    words, tags = [], []
    for place, line in lines:
        word, *more = columns(line)
        tag = more[-1].strip() if more else ""
        if not tag or not word.strip():
            raise CorpusError(f"{place} has no {'word' if tag else 'tag'}: a word, a tab and its tag are wanted")
        words.append(word)
        tags.append(tag)
    return words, tags


@dataclass(frozen=True)
class Tag(OnExamples):
    """A ``Task``. words: those of which more is known than their characters, which are those that the training part has
    at least SEEN times; bio: whether I-x is predicted behind B-x or I-x only."""

    tags: tuple[str, ...]
    words: tuple[str, ...]
    bio: bool

    name = "tag"
    commands = "predict or charlm evaluate"
    architecture = Tagging
    why_not_bidirectional = None
    options = ()
    defaults = {"layers": 1, "batch": 32, "steps": 64, "lr": 0.02, "dropout": 0.2}
    most_epochs = 30

    @classmethod
    def load(cls, paths, **reading) -> "tuple[Tag, Examples]":
        """Lines ``word<TAB>tag``, a blank one behind each sentence; tags and characters are those of the training
        part, of which whole sentences are held out."""
        reading = CorpusOptions(**reading)
        if reading.level == "word":
            raise UsageError("--level word does not go with --task tag, which reads each word by its characters")
        train, held_out, source = read_examples(tagged, lambda pair: pair[1], paths, reading, sentences_in)
        if len(train) < 2:
            raise CorpusError(f"{', '.join(source[0])} is one sentence; put a blank line behind each, and give more")
        tags = labels_of(tag for _, tags in train for tag in tags)
        if len(tags) < 2:
            raise CorpusError(f"{', '.join(source[0])} has one tag only, {tags[0]!r}: nothing is to be told apart")
        counts = Counter(word for words, _ in train for word in words)
        known = tuple(sorted(word for word, count in counts.items() if count >= SEEN))
        task = cls(tags, known, mark_entities(tags) and begin_with_b(tags for _, tags in train))
        vocabulary = vocabulary_of((word for words, _ in train for word in words), reading, least=2)
        parts = [
            task.part(vocabulary, [words for words, _ in examples], [tags for _, tags in examples])
            for examples in (train, held_out)
        ]
        return task, Examples(vocabulary, *parts, log_shares(parts[0].tags.ids, len(tags)), *source)

    def part(self, vocabulary, sentences, tags=None) -> Sentences:
        """Sentences of words as numbers. Raises CorpusError where a tag is unknown."""
        number = {}
        numbers = [np.array([number.setdefault(word, len(number)) for word in words], np.int32) for words in sentences]
        half = LONGEST // 2
        words = encoded(vocabulary, (word if len(word) <= LONGEST else word[:half] + word[-half:] for word in number))
        if tags is not None:
            tags = Sequences([numbers_of(some, self.tags, "the held-out part", "tag") for some in tags])
        place = {word: number for number, word in enumerate(self.words, 1)}
        known = np.array([place.get(word, 0) for word in number], np.int32)
        return Sentences(words, known, Sequences(numbers), tags)

    @classmethod
    def from_fields(cls, fields):
        tags, words, bio = check_names(fields["tags"], "tag"), fields["words"], fields["bio"]
        if type(bio) is not bool or bio and not mark_entities(tags):
            raise ValueError("it does not say whether its tags mark entities")
        return cls(tags, check_names(words, "word") if words != [] else (), bio)

    def fields(self):
        return {"tags": list(self.tags), "words": list(self.words), "bio": self.bio}

    def in_words(self):
        return f"{self.name}, {len(self.words):,} words known, {len(self.tags):,} tags: {', '.join(self.tags)}"

    def sizes(self, vocabulary):
        return {"vocabulary_size": len(vocabulary), "outputs": len(self.tags), "words_size": len(self.words) + 1}

    def unit(self, level):
        return "word"

    def size_in_words(self, level, rows, steps):
        return f"up to {rows} sentences and {rows * steps:,} words together"

    def network(self, architecture, parameters, pool, unknown=0.0):
        from ..network.tagger import Tagger

        return Tagger(architecture, parameters, pool)

    def window(self, network, steps, rows, training=False):
        from ..network.tagger import TaggerWindows

        return TaggerWindows(network, rows, training)

    def batch(self, part: Sentences, chosen: np.ndarray) -> WordBatch:
        """Some sentences side by side, by their numbers, and each word of theirs once."""
        numbers = part.numbers.side_by_side(chosen, -1)
        inside = numbers >= 0
        distinct, places = np.unique(numbers[inside], return_inverse=True)
        inputs = np.zeros_like(numbers)
        inputs[inside] = places
        targets = np.full_like(numbers, -1) if part.tags is None else part.tags.side_by_side(chosen, -1)
        words = part.words.side_by_side(distinct, EOS)
        lengths = part.numbers.lengths[chosen], part.words.lengths[distinct]
        return WordBatch(inputs, targets, True, lengths[0], words, lengths[1], part.known[distinct])

    def batches(self, corpus, rows, steps, random):
        for chosen in groups(corpus.train.numbers.starts, rows, random, rows * steps):
            yield self.batch(corpus.train, chosen)

    def small_batch(self):
        zeros, ones = np.zeros((1, 1), np.int32), np.ones(1, np.int64)
        return WordBatch(zeros, zeros, True, ones, zeros, ones, zeros[0])

    def evaluation(self, network, corpus):
        part = corpus.held_out
        if not len(part):
            return None
        chosen = in_order(part.numbers.lengths[:EVALUATED], MOST_WORDS)
        return ExampleEvaluation(network, self.window(network, 1, ROWS), [self.batch(part, some) for some in chosen])

    def items(self, lines, last=False):
        """Runs of lines, each up to one that stands apart, and the lines of a sentence that may go on."""
        items, item = [], []
        for line in lines:
            item.append(line)
            if stands_apart(line):
                items.append(item)
                item = []
        for some in [*items, item]:
            check_length(some, repr(some[0]) if some else "")
        return (items + [item], []) if last and item else (items, item)

    def predict(self, window, vocabulary, items) -> list[dict]:
        """For each list of words (or of lines, whose first columns they are) its tags, and the probability of each."""
        return self.tags_for(window, vocabulary, list(map(words_of, items)))

    def tags_for(self, window, vocabulary, sentences: list[list[str]]) -> list[dict]:
        """The tags of the words of some sentences, and the probability of each."""
        found = [{"tags": [], "probabilities": []} for _ in sentences]
        held = np.array([number for number, words in enumerate(sentences) if words], np.int64)
        part = self.part(vocabulary, [sentences[number] for number in held])
        for chosen in in_order(part.numbers.lengths, MOST_WORDS):
            batch = self.batch(part, chosen)
            probabilities = window.forward(batch)[1]
            best = likeliest(probabilities, batch.lengths, self.tags) if self.bio else probabilities.argmax(2)
            chances = np.take_along_axis(probabilities, best[:, :, None], 2)[:, :, 0]
            for column, (number, length) in enumerate(zip(held[chosen].tolist(), batch.lengths.tolist(), strict=True)):
                found[number] = {
                    "tags": [self.tags[tag] for tag in best[:length, column].tolist()],
                    "probabilities": chances[:length, column].tolist(),
                }
        return found

    def row(self, item, prediction):
        tags = iter(prediction["tags"])
        return "\n".join(line if stands_apart(line) else with_column(line, next(tags)) for line in item)

    def record(self, item, prediction):
        words = words_of(item)
        marked = spans(prediction["tags"]) if mark_entities(self.tags) else None
        entities = marked and [
            {"type": kind, "first": first, "last": behind - 1, "words": words[first:behind]}
            for kind, first, behind in marked
        ]
        return words and {"words": words} | prediction | {"entities": entities}

    def evaluate(self, window, vocabulary, lines) -> Tagged:
        """How often the words of sentences get their tags, and entities theirs."""
        words, tags = [], []
        for where, sentence in sentences_in(lines):
            found = tagged(where, sentence)
            if not set(found[1]) <= set(self.tags):
                for (place, _), tag in zip(sentence, found[1], strict=True):
                    numbers_of([tag], self.tags, place, "tag")
            words.append(found[0])
            tags.append(found[1])
        if not words:
            raise CorpusError("there is no sentence to evaluate")
        found = [prediction["tags"] for prediction in self.tags_for(window, vocabulary, words)]
        return Tagged.of(tags, found, mark_entities(self.tags))


def words_of(lines: list[str]) -> list[str]:
    """The first columns of lines."""
    return [columns(line)[0] for line in lines if not stands_apart(line)]


def with_column(line: str, column: str) -> str:
    """A line with one column more, set off as the others are."""
    return line + ("\t" if "\t" in line or " " not in line.strip() else " ") + column


TASK = Tag
