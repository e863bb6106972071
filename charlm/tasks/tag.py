"""Many to many of the same length: a tag for each word of a sentence."""

import warnings
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from ..errors import CorpusError, UsageError
from ..network.architecture import Tagging
from ..network.growing import Places
from ..text.batches import Sequences, WordBatch, groups
from ..text.columns import JSON, SPACES, WHITE, ColumnReader, Columns, begins_an_object, positions_in, split_fields
from ..text.corpus import DEFAULT_MIN_COUNT, CorpusOptions
from ..text.reading import listed
from ..text.vocabulary import EOS, Known
from .entities import TaggingResult, follow_their_scheme, most_likely_tags, scheme_of, spans
from .examples import (
    EVALUATED,
    ROWS,
    ExampleEvaluation,
    Examples,
    ExampleTask,
    ItemReader,
    build_vocabulary,
    by_length,
    check_names,
    distinct_labels,
    encode_texts,
    label_numbers,
    log_frequencies,
    read_examples,
)
from .sentences import (
    MOST_WORDS,
    SENTENCES,
    SentenceLines,
    are_comments,
    check_length,
    ends_a_sentence,
    first_column,
    is_part_of_words,
)
from .summary import number_of

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


@dataclass(frozen=True)
class Tag(ExampleTask):
    """A ``PredictionTask``.

    tags: all tags of the training part. words: the known words, which occur at least KNOWN_FROM times in the training
    part; the network has a vector for each, besides its characters. bio: predict only what the scheme of the tags
    allows (of BIO: I-x only after B-x or I-x). columns: of the files, where somebody has named them, or where they are
    not what charlm takes in any file of words.
    """

    tags: tuple[str, ...]
    words: tuple[str, ...]
    bio: bool
    columns: Columns | None = None

    name = "tag"
    commands = "predict or charlm evaluate"
    architecture = Tagging
    why_not_bidirectional = None
    reads_whole_line = True
    options = ()
    defaults = {"layers": 1, "batch": 32, "steps": 64, "lr": 0.02, "dropout": 0.2}
    most_epochs = 30

    @classmethod
    def load(cls, paths, options: CorpusOptions, known: Known | None = None) -> "tuple[Tag, Examples]":
        """Sentences with tags (see ``sentences``). Whole sentences are held out; the training part gives the tags, the
        known words and the vocabulary of characters."""
        before: Tag | None = known and known.task
        if options.level in ("word", "token", "subword"):
            raise UsageError(
                f"--level {options.level} does not go with --task tag, which reads each word by its characters; leave "
                "it out"
            )
        found = read_examples(SENTENCES, paths, options)
        names = listed(found.names)
        if len(found.train) < 2:
            raise CorpusError(f"{names} is one sentence; put a blank line after each sentence, and give more of them")
        tags = distinct_labels((tag for _, tags in found.train for tag in tags), before.tags if before else ())
        if len(tags) < 2:
            raise CorpusError(f"{names} has one tag only, {tags[0]!r}; a tagger needs two or more")
        scheme, columns = scheme_of(tags), found.columns
        bio = scheme != "" and follow_their_scheme((tags for _, tags in found.train), scheme)
        bio = bio and (before is None or before.bio)
        is_usual = columns.delimiter == SPACES or not any(" " in word for words, _ in found.train for word in words)
        keeps = options.columns or columns.conllu or columns.comments or not is_usual
        task = cls(tags, _known_words(found.train, known), bio, columns if keeps else None)
        vocabulary = build_vocabulary((word for words, _ in found.train for word in words), options, 2, known)
        train, held_out = (
            task.part(vocabulary, [words for words, _ in examples], [tags for _, tags in examples])
            for examples in (found.train, found.held_out)
        )
        return task, Examples(
            vocabulary=vocabulary,
            train=train,
            held_out=held_out,
            log_frequencies=log_frequencies(train.tags.ids, len(tags)),
            **found.facts(),
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
        if type(bio) is not bool or bio and not scheme_of(tags):
            raise ValueError("it does not say whether its tags mark entities")
        columns = Columns.from_fields(fields["columns"]) if "columns" in fields else None
        return cls(tags, check_names(words, "word") if words != [] else (), bio, columns)

    @property
    def scheme(self) -> str:
        """The scheme by which the tags mark entities, "" where they mark none."""
        return scheme_of(self.tags)

    def fields(self):
        columns = {"columns": self.columns.fields()} if self.columns else {}
        scheme = {"scheme": self.scheme} if self.bio and self.scheme != "BIO" else {}  # which an older charlm knows not
        return {"tags": list(self.tags), "words": list(self.words), "bio": self.bio} | scheme | columns

    def description(self, level):
        tags, words = number_of(len(self.tags), "tag"), number_of(len(self.words), "word")
        return f"{self.name}: a tag for each word of a sentence; {tags}: {', '.join(self.tags)}; {words} known"

    def architecture_fields(self, vocabulary):
        return {"vocabulary_size": len(vocabulary), "outputs": len(self.tags), "words_size": len(self.words) + 1}

    def places(self, before, vocabulary, old):
        return Places(vocabulary.ids_of(old), np.arange(len(before.tags)), has_symbols=False)

    def unit(self, level):
        return "word"

    def batch_description(self, corpus, rows, steps):
        return f"up to {number_of(rows, 'sentence')} with {number_of(rows * steps, 'word')} in all"

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

    def item_reader(self):
        is_told = False

        def items(lines, last=False):
            nonlocal is_told
            first = next((line for line in lines if not ends_a_sentence(line) and not line.startswith("#")), None)
            if first is not None and not is_told:
                is_told = True
                self._tell_of_a_sentence(first)
            return self.items(lines, last)

        return ItemReader(items)

    def _tell_of_a_sentence(self, first: str) -> None:
        """Warn where the first line may be a sentence: spaces separate several columns, and the last one is no tag."""
        fields = split_fields(first, SPACES)
        by_spaces = self.columns is None or self.columns.delimiter in (SPACES, WHITE)
        if by_spaces and "\t" not in first and len(fields) > 2 and fields[-1] not in self.tags:
            warnings.warn(
                f"the first line, {first.strip()!r:.40}, is one word with {len(fields) - 1} more columns, and only the "
                "word gets a tag; if it is a sentence, write one word on each line, and an empty line after the "
                "sentence",
                stacklevel=2,
            )

    def items(self, lines, last=False):
        """Each item is the lines of a sentence and the line that ends it; of JSON Lines, one line."""
        if self.columns and self.columns.delimiter == JSON:
            return [SentenceLines([line]) for line in lines], []
        items, item = [], SentenceLines()
        for line in lines:
            item.append(line)
            if ends_a_sentence(line):
                items.append(item)
                item = SentenceLines()
        for some in [*items, item]:
            check_length(some, repr(some[0]) if some else "")
        return (items + [item], []) if last and item else (items, item)

    def words_in(self, item: list[str]) -> list[str | None]:
        """For each line of an item the word in it; None where it has none."""
        columns = self.columns
        if columns is None:
            return [None if ends_a_sentence(line) else first_column(line) for line in item]
        rows = [[] if ends_a_sentence(line) else columns.split(f"the line {line!r:.40}", line) for line in item]
        widths = [len(row) for row, line in zip(rows, item, strict=True) if row and not line.startswith("#")]
        seen = replace(columns, width=widths[0], positions=(0, widths[0] - 1)) if widths else columns
        found: list[str | None] = []
        comments = are_comments([("", line) for line in item], seen, set(self.tags))
        for row, line, is_comment in zip(rows, item, comments, strict=True):
            positions = positions_in(columns.names, row) if columns.heading else None
            if positions not in (None, columns.positions):
                raise CorpusError(f"the heading {line!r:.60} names its columns in another order than the training file")
            is_part = columns.conllu and len(row) > 1 and is_part_of_words(line)
            none = not row or positions or is_part or columns.comments and is_comment
            found.append(None if none else row[columns.positions[0] if columns.positions[0] < len(row) else 0])
        return found

    def words_of(self, item: list[str]) -> list[str]:
        """The words of an item; of one from Python, which is a list of words, the words themselves."""
        if not isinstance(item, SentenceLines):
            return [word for word in item if word.strip()]
        if self.columns and self.columns.delimiter == JSON and item and begins_an_object(item[0]):
            (words,) = ColumnReader(self.columns, self.columns.names[:1]).rows([("the input", item[0])])[0][0].values
            return words if isinstance(words, list) else words.split()
        return [word for word in self.words_in(item) if word is not None]

    def predict(self, window, vocabulary, items) -> list[dict]:
        """For each item its tags and the probability of each. An item is a list of words, or ``SentenceLines``."""
        return self.tags_for(window, vocabulary, list(map(self.words_of, items)))

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
        if self.columns and self.columns.delimiter == JSON:
            pairs = zip(self.words_of(item), prediction["tags"], strict=True)
            return "".join(f"{word}\t{tag}\n" for word, tag in pairs)
        tags = iter(prediction["tags"])
        words = self.words_in(item)
        return "\n".join(
            line if word is None else self._with_tag(line, next(tags)) for line, word in zip(item, words, strict=True)
        )

    def _with_tag(self, line: str, tag: str) -> str:
        """A line with one more column, separated like the others."""
        if self.columns and self.columns.delimiter not in (SPACES, WHITE):
            return line + self.columns.delimiter + tag
        return line + ("\t" if "\t" in line or " " not in line.strip() else " ") + tag

    def record(self, item, prediction):
        words = self.words_of(item)
        marked = spans(prediction["tags"]) if self.scheme else None
        entities = marked and [
            {"type": kind, "first": start, "last": stop - 1, "words": words[start:stop]} for kind, start, stop in marked
        ]
        return {"words": words} | prediction | {"entities": entities} if words else None

    def evaluate(self, window, vocabulary, lines) -> TaggingResult:
        """Compare the tags and the entities of sentences with the predicted ones."""
        words, tags = [], []
        for places, (some_words, some_tags) in SENTENCES.examples(lines, self.columns):
            if not set(some_tags) <= set(self.tags):
                for where, tag in zip(places, some_tags, strict=True):
                    label_numbers([tag], self.tags, where, "tag")
            words.append(some_words)
            tags.append(some_tags)
        if not words:
            raise CorpusError("there is no sentence to evaluate: all lines are blank")
        predicted = [prediction["tags"] for prediction in self.tags_for(window, vocabulary, words)]
        return TaggingResult.of(tags, predicted, self.scheme != "")


def _known_words(examples: list, known: Known | None) -> tuple[str, ...]:
    """The words that occur KNOWN_FROM times or more in the examples (words, tags); before them those that a model knows
    already, in their order."""
    before: tuple[str, ...] = known.task.words if known else ()
    if known and not known.grows:
        return before
    counts = Counter(word for words, _ in examples for word in words)
    frequent = {word for word, count in counts.items() if count >= KNOWN_FROM}
    return (*before, *sorted(frequent.difference(before)))


TASK = Tag
