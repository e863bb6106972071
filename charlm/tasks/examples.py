"""Files of examples, one per line: the corpus of the tasks with answers, and the code that these tasks share."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CorpusError, UsageError
from ..text.batches import Batch, Sequences, fitting
from ..text.corpus import CorpusOptions, check_vocabulary, held_out_lines, warn_of_unknown
from ..text.forms import PLAIN, Form
from ..text.merges import learnt_vocabulary
from ..text.reading import Digest, name_of, names_of, path_list, read_text
from ..text.vocabulary import EOS, UNITS, Vocabulary, code_points, symbols_in

FASTTEXT = "__label__"
ROWS, TOKENS = 64, 1 << 14  # in a batch, at most, for evaluation and prediction
PROBABILITIES = 1 << 24  # in the outputs of a batch, at most
MOST_LABELS = 1 << 16
LONGEST_TEXT = 1 << 16  # tokens of an example: the network keeps all its steps in memory
EVALUATED = 1 << 14  # held-out examples, from the first one, that training evaluates the model on


class ExampleTask:
    """The methods that are the same for all tasks with answers: batches carry no state on, and there are
    no n-grams."""

    def state_widths(self, architecture):
        return []

    def ngrams(self, corpus, settings, parameters):
        return None

    def baselines(self, corpus, minutes, ngrams):
        return [], 0


@dataclass(kw_only=True)
class Examples:
    """The corpus of a task with answers. It has the fields of a ``Corpus`` that training needs.

    train, held_out: the examples in the form in which the task batches them; ``len`` is their number of units.
    log_frequencies: the natural logarithm of the relative frequency of each output in the training part, (outputs).
    names, digest, size, unknown_rate, novelty: as in ``Corpus``.
    """

    vocabulary: Vocabulary
    train: object
    held_out: object
    log_frequencies: np.ndarray
    names: tuple[str, ...]
    digest: str
    size: int
    unknown_rate: float = 0.0
    novelty: object = None
    lines = True
    lines_chosen = False


def lines_of(
    paths: Iterable, level: str, encoding: str, digest=None, *, form: Form = PLAIN, has_level: bool = False
) -> Iterator[tuple[str, str]]:
    """(where the line is, its text) for each line of some files, blank lines included.

    Bytes that are not UTF-8 are lone surrogates. The other arguments are those of ``read_text``.
    """
    for path in paths:
        rest = b"" if level == "byte" else ""
        number = 0
        for piece in read_text([path], level, encoding, digest, form=form, has_level=has_level):
            piece = rest + piece
            stop = piece.rfind(b"\n" if level == "byte" else "\n") + 1
            rest = piece[stop:]
            for line in lines_in(piece[:stop]):
                number += 1
                yield f"{name_of(path)}, line {number:,}", line


def lines_in(block: str | bytes) -> list[str]:
    """The lines of a text, without their ends. The text ends with a line's end."""
    if isinstance(block, bytes):
        block = block.decode("utf-8", "surrogateescape")
    return block.split("\n")[:-1]


def not_blank(lines: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The lines (where, text) that are not blank."""
    return (line for line in lines if line[1].strip())


def parse_labelled(where: str, line: str) -> tuple[str, str]:
    """The label and the text of a line ``label<TAB>text`` or ``__label__x text``. Raises CorpusError."""
    if line.startswith(FASTTEXT):
        label, _, text = line.removeprefix(FASTTEXT).partition(" ")
        if text.startswith(FASTTEXT):
            raise CorpusError(f"{where} has two labels; give each line one")
    else:
        label, tab, text = line.partition("\t")
        if not tab:
            raise CorpusError(
                f"{where} has no tab between its label and its text; write label<TAB>text or {FASTTEXT}x text"
            )
    if not label.strip():
        raise CorpusError(f"{where} has no label before its text; write label<TAB>text or {FASTTEXT}x text")
    return label, text


@dataclass
class SplitExamples:
    """The examples of some files. names, digest, size: of the files with the training part, as in ``Corpus``."""

    train: list
    held_out: list
    names: tuple[str, ...]
    digest: str
    size: int


def read_examples(
    parse: Callable[[str, Any], tuple],
    labels_in: Callable[[tuple], Iterable[str]],
    paths,
    options: CorpusOptions,
    split_into_examples: Callable[[Iterator], Iterator] = not_blank,
) -> SplitExamples:
    """Read the examples of some files and hold a part out, as ``load_corpus`` does with lines.

    parse: (where an example is, its line or lines) → the example. labels_in: the labels of an example; an example with
    a label that no other training example has goes to the training part. split_into_examples: turns the lines (where,
    text) into the arguments of ``parse``. Raises CorpusError if there is no example, or if ``parse`` raises it.
    """
    if options.separator is not None:
        raise UsageError("--separator is for --task text: the other tasks have an example in each line")
    paths, valid, digest = path_list(paths), path_list(options.valid or []), Digest()

    def examples(paths, digest=None):
        lines = lines_of(paths, options.level, options.encoding, digest, form=options.form, has_level=True)
        found = [parse(where, example) for where, example in split_into_examples(lines)]
        if not found:
            raise CorpusError(f"there is no text in {names_of(paths)}")
        return found

    train, held_out = examples(paths, digest), []
    if valid:
        held_out = examples(valid)
    else:
        train, held_out = _split(train, labels_in, options)
    names = tuple(map(name_of, paths))
    return SplitExamples(train, held_out, names, digest.hexdigest(), digest.size)


def _split(examples: list, labels_in: Callable[[tuple], Iterable[str]], options: CorpusOptions) -> tuple[list, list]:
    """The training examples and the held-out ones, whose labels all occur in the training part."""
    chosen: tuple[list, list] = [], []
    is_held_out = held_out_lines(len(examples), options.holdout, options.seed)
    for example, held_out in zip(examples, is_held_out.tolist(), strict=True):
        chosen[held_out].append(example)
    train, held_out = chosen
    known = {label for example in train for label in labels_in(example)}
    train += [example for example in held_out if not known.issuperset(labels_in(example))]
    return train, [example for example in held_out if known.issuperset(labels_in(example))]


def build_vocabulary(texts: Iterable[str], options: CorpusOptions, at_least: int = 1) -> Vocabulary:
    """The vocabulary of the texts of the training part. at_least: as for ``CorpusOptions.least_count``."""
    texts = list(texts)
    counts = Counter(symbol for text in texts for symbol in symbols_in(text, options.level))
    level = "char" if options.level == "subword" else options.level
    least = options.least_count(np.array([*counts.values()], np.int64), at_least)
    vocabulary = Vocabulary.build(level, counts, least, options.max_vocabulary, form=options.form)
    if counts:
        check_vocabulary(vocabulary, least)
        known = sum(map(counts.__getitem__, vocabulary.symbols))
        warn_of_unknown(1 - known / counts.total())
    if options.level != "subword":
        return vocabulary
    points = code_points("\n".join(texts))
    return learnt_vocabulary(vocabulary, [points], len(points), options.max_vocabulary)


def distinct_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """The distinct labels, the most frequent first. Raises CorpusError if there are more than MOST_LABELS."""
    counts = Counter(labels)
    if len(counts) > MOST_LABELS:
        raise CorpusError(
            f"there are {len(counts):,} different labels, and charlm can tell {MOST_LABELS:,} apart at most; check "
            "that each line has its label first and its text last"
        )
    return tuple(sorted(counts, key=lambda label: (-counts[label], label)))


def label_numbers(labels: Iterable[str], known: tuple[str, ...], where: str, what: str = "label") -> np.ndarray:
    """The index of each label among the known ones: int32 (labels).

    where, what: for the message of the CorpusError that names an unknown label.
    """
    number = {label: index for index, label in enumerate(known)}
    labels = list(labels)
    for label in labels:
        if label not in number:
            raise CorpusError(
                f"the {what} {label!r} in {where} does not occur in the training part, so the model cannot learn it; "
                f"remove it, or train with it"
            )
    return np.array([number[label] for label in labels], np.int32)


def log_frequencies(numbers: np.ndarray, size: int) -> np.ndarray:
    """The natural logarithm of the relative frequency of each number below ``size``: (size). A number that does not
    occur counts as if it occurred once."""
    counts = np.maximum(np.bincount(numbers, minlength=size), 1)
    return np.log(counts / counts.sum())


def encode_text(vocabulary: Vocabulary, text: str) -> np.ndarray:
    """The ids of a text. Raises CorpusError if there are more than LONGEST_TEXT."""
    ids = vocabulary.encode(text)
    if len(ids) > LONGEST_TEXT:
        raise CorpusError(
            f"the text that begins {text[:20]!r} has {len(ids):,} {UNITS[vocabulary.level]}s, and charlm can read "
            f"{LONGEST_TEXT:,} at most as one example; cut it"
        )
    return ids


def encode_texts(vocabulary: Vocabulary, texts: Iterable[str]) -> Sequences:
    """The ids of some texts; those of an empty text are a single <EOS>. Raises CorpusError if a text is too long."""
    end = np.array([EOS], vocabulary.dtype)
    return Sequences([encode_text(vocabulary, text) if text else end for text in texts])


def encode_with_end(vocabulary: Vocabulary, texts: list[str]) -> Sequences:
    """The ids of some texts, each with its <EOS>. Raises CorpusError if a text is too long."""
    end = np.array([EOS], vocabulary.dtype)
    return Sequences([np.concatenate((encode_text(vocabulary, text), end)) for text in texts])


def check_names(names, what: str) -> tuple[str, ...]:
    """The labels or words of a model file. what: they are, for the message. Raises ValueError if they are not valid."""
    if not isinstance(names, list) or not names or len(set(names)) < len(names):
        raise ValueError(f"its {what}s are not a list of distinct strings")
    for name in names:
        if type(name) is not str or not name or "\n" in name or "\t" in name:
            raise ValueError(f"one of its {what}s is empty, is not a string, or has a tab or line feed")
    return tuple(names)


def tokens_for(outputs: int) -> int:
    """The most tokens that a batch may have if the network gives ``outputs`` probabilities for each of them."""
    return min(TOKENS, PROBABILITIES // outputs)


def by_length(lengths: np.ndarray, most_tokens: int = TOKENS) -> list[np.ndarray]:
    """The indices of sequences in groups of similar length, the shortest first. lengths: (sequences)."""
    order = np.argsort(lengths, kind="stable")
    return np.split(order, fitting(lengths[order], ROWS, most_tokens)[1:]) if len(order) else []


class ExampleEvaluation:
    """Scores batches of the held-out part. size: their number of units. window: computes them with ``losses``."""

    def __init__(self, network, window, batches: list[Batch]):
        self.network, self.window, self.batches = network, window, batches
        self.size = sum(map(_units, batches))

    def loss(self) -> float:
        return self._mean_loss(self.batches)

    def sample_loss(self, number: int) -> float:
        # a batch has examples of about the same length, so that every third batch has examples of all lengths
        return self._mean_loss(self.batches[:: max(1, self.size // max(1, number))])

    def _mean_loss(self, batches: list[Batch]) -> float:
        """Nats per unit of some batches, under the current parameters."""
        self.network.pack(for_training=False)
        nats = sum(float(self.window.losses(batch).sum(dtype=np.float64)) for batch in batches)
        return nats / sum(map(_units, batches))


def _units(batch: Batch) -> int:
    """How many targets a batch has."""
    return int(np.count_nonzero(batch.targets >= 0))
