"""Files of examples, one per line: the corpus of the tasks with answers, and the code that these tasks share."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, chain, islice
from typing import Any, NamedTuple

import numpy as np

from ..errors import CorpusError, UsageError
from ..network.growing import Places
from ..portable.functions import log
from ..ranks import Ranks
from ..text.batches import Batch, Sequences, fitting
from ..text.columns import LOOKED_AT, ColumnReader, Columns, Line, beginnings, begins_an_object
from ..text.corpus import CorpusOptions, check_vocabulary, held_out_lines, warn_of_unknown
from ..text.forms import PLAIN, Form
from ..text.merges import learnt_vocabulary
from ..text.reading import Digest, name_of, names_of, path_list, read_text
from ..text.vocabulary import EOS, UNITS, Known, Vocabulary, code_points, symbols_in

ROWS, TOKENS = 64, 1 << 14  # in a batch, at most, for evaluation and prediction
PROBABILITIES = 1 << 24  # in the outputs of a batch, at most
TABBED = Columns(names=("1", "2"), delimiter="\t", positions=(0, 1), width=2)  # of files of pairs, if nobody says
MOST_LABELS = 1 << 16
LONGEST_TEXT = 1 << 16  # tokens of an example: the network keeps all its steps in memory
EVALUATED = 1 << 14  # held-out examples, from the first one, that training evaluates the model on


class ExampleTask:
    """The methods that are the same for all tasks with answers: batches carry no state on, and there are
    no n-grams."""

    input = "text"
    both_directions = False

    def state_widths(self, architecture):
        return []

    def lines_of(self, item):
        return [item] if isinstance(item, str) else item

    def item_reader(self):
        return ItemReader(self.items)

    def places(self, before, vocabulary, old):
        ids = vocabulary.ids_of(old)
        return Places(ids, ids)

    def ngrams(self, corpus, settings, parameters, earlier=None):
        return None

    def baselines(self, corpus, minutes, ngrams):
        return [], 0


class ItemReader:
    """The items in the lines of some files, which a ``Predictor`` hands out block by block. items: those of the task.

    starts: the number of the first line of each of the last items. errors: why one of them cannot be read, None where
    it can.
    """

    def __init__(self, items: Callable[..., tuple[list, list[str]]]):
        self._items, self._next = items, 1
        self.starts: list[int] = []
        self.errors: list[CorpusError | None] = []

    def __call__(self, lines: list[str], last: bool = False) -> tuple[list, list[str]]:
        """As ``PredictionTask.items``."""
        items, rest = self._items(lines, last=last)
        sizes = (1 if isinstance(item, str) else len(item) for item in items)
        *self.starts, self._next = accumulate(sizes, initial=self._next)
        self.errors = [None] * len(items)
        return items, rest


class TextItems(ItemReader):
    """The texts to predict for, which may be a column of a table.

    columns: those that the model was trained on, if it was. The files may have them too; otherwise each line is a text.
    index: which of the columns is the text.
    """

    def __init__(self, columns: Columns | None, index: int):
        super().__init__(lambda lines, last: (lines, []))
        self.columns, self.index = columns, index
        self.reader: ColumnReader | None = None
        self.is_decided = columns is None

    def __call__(self, lines: list[str], last: bool = False) -> tuple[list[str], list[str]]:
        first = next(filter(str.strip, lines), None)
        if not self.is_decided and first is not None:
            self._decide(first)
        if self.reader is None:
            return super().__call__(lines, last)
        places = {f"line {number:,}": number for number in range(self._next, self._next + len(lines))}
        rows, rest = self.reader.rows_or_errors(list(zip(places, lines, strict=True)), last)
        self._next += len(lines) - len(rest)
        texts, self.starts, self.errors = [], [places[row.where] for row in rows], []
        for where, (text,), error in rows:
            if isinstance(text, list):
                text, error = str(text), CorpusError(f"{where} has a list in place of a text; give a text")
            texts.append(text)
            self.errors.append(error)
        return texts, [line for _, line in rest]

    def _decide(self, first: str) -> None:
        """Read the columns, if the first line has them; else say that each line is a text."""
        self.is_decided = True
        name = self.columns.names[self.index]
        if self.columns.begins_so(first, name):
            self.reader = ColumnReader(self.columns, (name,))
        else:
            warnings.warn(self.columns.missing_in("the input"), stacklevel=2)


@dataclass(kw_only=True)
class Examples:
    """The corpus of a task with answers. It has the fields of a ``Corpus`` that training needs.

    train, held_out: the examples in the form in which the task batches them; ``len`` is their number of units.
    notes: what charlm has found in the files and guessed by them, one line each. why_no_held_out: why nothing is held
    out, "" where something is, or where nobody asked for it.
    log_frequencies: the natural logarithm of the relative frequency of each output in the training part, (outputs); of
    its odds where several outputs may be true at once. log_of_targets: the logarithm of the probability of each target
    at these frequencies; ``log_frequencies`` if it is None.
    names, digest, size, unknown_rate, novelty: as in ``Corpus``. noise: that vectors get in training.
    """

    vocabulary: Vocabulary
    train: object
    held_out: object
    log_frequencies: np.ndarray
    names: tuple[str, ...]
    digest: str
    size: int
    unknown_rate: float = 0.0
    noise: float = 0.0
    novelty: object = None
    notes: tuple[str, ...] = ()
    why_no_held_out: str = ""
    log_of_targets: Any = None
    lines = True
    lines_chosen = False

    def __post_init__(self):
        if self.log_of_targets is None:
            self.log_of_targets = self.log_frequencies


def lines_of(
    paths: Iterable,
    level: str,
    encoding: str,
    digest=None,
    *,
    form: Form = PLAIN,
    has_level: bool = False,
    quotes: bool = False,
) -> Iterator[tuple[str, str]]:
    """(where the line is, its text) for each line of some files, blank lines included.

    Bytes that are not UTF-8 are lone surrogates. The other arguments are those of ``read_text``.
    """
    for path in paths:
        rest = b"" if level == "byte" else ""
        number = 0
        for piece in read_text([path], level, encoding, digest, form=form, has_level=has_level, quotes=quotes):
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


def not_blank(lines: Iterator[Line]) -> Iterator[Line]:
    """The lines (where, text) that are not blank."""
    return (line for line in lines if line[1].strip())


def check_two_columns(where: str, first: str, names: str) -> None:
    """Raise CorpusError where the first line of a file without --columns is JSON, or has more columns than two. names:
    of both, for the message."""
    if begins_an_object(first):
        raise CorpusError(f"{where} is an object in JSON; name two of its keys for charlm train: --columns {names}")
    fields = first.split("\t")
    while len(fields) > 2 and not fields[-1].strip():
        fields.pop()
    if len(fields) > 2:
        raise CorpusError(
            f"{where} has {len(fields)} columns ({beginnings(fields)}) and not two with one tab between them; name two "
            f"of them for charlm train, in the order {names}, by a heading's names or by their numbers: --columns "
            f"{len(fields) - 1},{len(fields)}, for example"
        )


class ExampleForm(NamedTuple):
    """How the files of a task hold its examples.

    find: (the first lines of a file, the option columns) → the columns that are read. read: (the lines of a file, its
    columns) → (where it is, the example) for each example. labels_in: the labels of an example. notes: (the examples of
    all files, the columns of the first one) → what a person should know of them, one line each. Lines are (where,
    text). ``find`` and ``read`` raise CorpusError, and ``find`` raises UsageError for the option.
    """

    find: Callable[[list[Line], Any], Columns]
    read: Callable[[Iterator[Line], Columns], Iterator[tuple[Any, tuple]]]
    labels_in: Callable[[tuple], Iterable[str]]
    notes: Callable[[list, Columns], list[str]]

    def examples(self, lines: Iterable[Line], columns: Columns | None = None) -> Iterator[tuple[Any, tuple]]:
        """(where it is, the example) for each example of some lines. columns: of a model; found if it has none."""
        lines = iter(lines)
        start = list(islice(lines, LOOKED_AT))
        return self.read(chain(start, lines), columns or self.find(start, None))


@dataclass(kw_only=True)
class SplitExamples:
    """The examples of some files. names, digest, size: of the files with the training part, as in ``Corpus``. columns:
    of the first file. notes, why_no_held_out: as in ``Examples``."""

    train: list
    held_out: list
    names: tuple[str, ...]
    digest: str
    size: int
    columns: Columns | None
    notes: list[str]
    why_no_held_out: str

    def facts(self) -> dict[str, Any]:
        """Those fields of ``Examples`` that do not depend on the task."""
        return {
            "names": self.names,
            "digest": self.digest,
            "size": self.size,
            "notes": tuple(self.notes),
            "why_no_held_out": self.why_no_held_out,
        }


def read_examples(form: ExampleForm, paths, options: CorpusOptions) -> SplitExamples:
    """Read the examples of some files and hold a part out, as ``load_corpus`` does with lines. An example with a label
    that no other training example has goes to the training part. Raises CorpusError if there is no example, or if the
    form raises it.
    """
    if options.separator is not None:
        raise UsageError("--separator is for --task text: the other tasks have an example in each line")
    paths, valid, digest = path_list(paths), path_list(options.valid or []), Digest()

    def examples(paths, digest=None) -> tuple[list, Columns]:
        found, columns = [], []
        for path in paths:  # each has a delimiter and columns of its own
            lines = lines_of(
                [path],
                options.level,
                options.encoding,
                digest,
                form=options.form,
                has_level=True,
                quotes=options.columns is not None,
            )
            start = list(islice(lines, LOOKED_AT))
            columns.append(form.find(start, options.columns))
            found += (example for _, example in form.read(chain(start, lines), columns[-1]))
        if not found:
            raise CorpusError(f"there is no text in {names_of(paths)}")
        return found, columns[0]

    train, columns = examples(paths, digest)
    notes = [*([f"charlm reads {columns.describe()}"] if options.columns else []), *form.notes(train, columns)]
    held_out = examples(valid)[0] if valid else None
    return split_examples(train, held_out, form.labels_in, options, paths, digest, columns=columns, notes=notes)


def split_examples(
    train: list,
    held_out: list | None,
    labels_in: Callable[[Any], Iterable[str]],
    options: CorpusOptions,
    paths: list,
    digest: Digest,
    *,
    columns: Columns | None = None,
    notes: list[str],
) -> SplitExamples:
    """The examples of some files as a training part and a held-out one. held_out: those of the files of --valid; None
    where a part of the others is held out. labels_in: the labels of an example."""
    why = ""
    if held_out is None:
        train, held_out, why = _split(train, labels_in, options)
    return SplitExamples(
        train=train,
        held_out=held_out,
        names=tuple(map(name_of, paths)),
        digest=digest.hexdigest(),
        size=digest.size,
        columns=columns,
        notes=notes,
        why_no_held_out=why,
    )


def _split(examples: list, labels_in: Callable[[Any], Iterable[str]], options: CorpusOptions) -> tuple[list, list, str]:
    """The training examples and the held-out ones, whose labels all occur in the training part; and why none is held
    out, "" where some are."""
    chosen: tuple[list, list] = [], []
    is_held_out = held_out_lines(len(examples), options.held_out, options.seed)
    for example, held_out in zip(examples, is_held_out.tolist(), strict=True):
        chosen[held_out].append(example)
    train, held_out = chosen
    known = {label for example in train for label in labels_in(example)}
    kept = [example for example in held_out if known.issuperset(labels_in(example))]
    why = ""
    if held_out and not kept:
        why = f"each of the {len(held_out):,} examples that chance chose has a label or tag that no other has"
    elif options.held_out and not held_out:
        why = f"{options.held_out:g} of {len(examples):,} examples is less than one"
    return train + [example for example in held_out if not known.issuperset(labels_in(example))], kept, why


def rarity_note(labels: Iterable[str], what: str = "label") -> list[str]:
    """A line where most of the distinct labels occur once. what: they are."""
    counts = Counter(labels)
    once = [label for label, count in counts.items() if count == 1]
    if 2 * len(once) <= len(counts):
        return []
    return [
        f"{len(once):,} of {len(counts):,} different {what}s occur once ({beginnings(once, 3)}): no model can learn "
        f"those; check that the {what}s stand where charlm looks for them (--columns)"
    ]


def build_vocabulary(
    texts: Iterable[str], options: CorpusOptions, at_least: int = 1, known: Known | None = None
) -> Vocabulary:
    """The vocabulary of the texts of the training part. at_least: as for ``CorpusOptions.least_count``. known: a
    model's vocabulary, to which the new symbols of these texts are added."""
    texts = list(texts)
    counts = Counter(symbol for text in texts for symbol in symbols_in(text, options.level))
    level = "char" if options.level == "subword" else options.level
    numbers = np.array([*counts.values()], np.int64)
    least = options.least_count(numbers, at_least, known and known.vocabulary.knows(counts))
    if known:
        vocabulary = known.with_counted(counts, least, options.max_vocabulary)
    else:
        vocabulary = Vocabulary.build(level, counts, least, options.max_vocabulary, form=options.form)
    if counts:
        check_vocabulary(vocabulary, least)
        found = sum(
            counts[symbol] for symbol, is_known in zip(counts, vocabulary.knows(counts), strict=True) if is_known
        )
        warn_of_unknown(1 - found / counts.total())
    if known or options.level != "subword":
        return vocabulary
    points = code_points("\n".join(texts))
    return learnt_vocabulary(vocabulary, [points], len(points), options.max_vocabulary)


def distinct_labels(labels: Iterable[str], known: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The distinct labels, the most frequent first; before them the ``known`` ones, in their order. Raises CorpusError
    if there are more than MOST_LABELS."""
    counts = Counter(labels)
    new = sorted(counts.keys() - set(known), key=lambda label: (-counts[label], label))
    if len(known) + len(new) > MOST_LABELS:
        raise CorpusError(
            f"there are {len(known) + len(new):,} different labels, and charlm can tell {MOST_LABELS:,} apart at most; "
            "check that each line has its label first and its text last"
        )
    return (*known, *new)


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
    return log(counts / counts.sum())


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
    """Scores batches of the held-out part. size: their number of units. window: computes them with ``losses``. ranks:
    those that share the batches."""

    ranks = Ranks()

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
        nats = np.zeros(len(batches))
        for number in range(self.ranks.rank, len(batches), self.ranks.number):
            nats[number] = self.window.losses(batches[number]).sum(dtype=np.float64)
        self.ranks.sum_tree(nats)
        return sum(nats.tolist()) / sum(map(_units, batches))


def _units(batch: Batch) -> int:
    """How many targets a batch has."""
    return int(np.count_nonzero(batch.targets >= 0))
