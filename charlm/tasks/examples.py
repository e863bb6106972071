"""Files of examples, one a line: what the tasks with answers of their own are trained on and judged by."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ..errors import CorpusError
from ..text.batches import Batch, Sequences, fitting
from ..text.corpus import CorpusOptions, held_out_lines
from ..text.reading import Digest, listed, name_of, read_text
from ..text.vocabulary import EOS, UNITS, Vocabulary, symbols_in

FASTTEXT = "__label__"
ROWS, TOKENS = 64, 1 << 14  # side by side, at most, where nothing is trained
PROBABILITIES = 1 << 24  # of all these tokens together
MOST_LABELS = 1 << 16
LONGEST = 1 << 16  # tokens of a text, since all its steps are in memory at once
EVALUATED = 1 << 14  # examples of the held-out part, from its beginning, that are scored in the course of training


class OnExamples:
    """What the tasks with answers have in common: no state is carried on, and counting says nothing of them."""

    def states(self, architecture):
        return []

    def baselines(self, corpus, minutes):
        return [], 0


@dataclass
class Examples:
    """What a task with answers is trained on and judged by; it has what ``corpus.Corpus`` has.

    train, held_out: what the task makes of its examples, of a length in units; log_frequencies: natural logarithm of
    the share of each output in the training part, (outputs).
    """

    vocabulary: Vocabulary
    train: object
    held_out: object
    log_frequencies: np.ndarray
    names: tuple[str, ...]
    digest: str
    size: int
    unknown: float = 0.0
    novelty: object = None
    lines = True


def lines_of(paths: Iterable, level: str, encoding: str, digest=None) -> Iterator[tuple[str, str]]:
    """(where it stands, text) of each line of some files, blank ones included. Bytes that are no UTF-8 are lone
    surrogates."""
    for path in paths:
        rest = b"" if level == "byte" else ""
        number = 0
        for piece in read_text([path], level, encoding, digest):
            piece = rest + piece
            end = piece.rfind(b"\n" if level == "byte" else "\n") + 1
            rest = piece[end:]
            for line in lines_in(piece[:end]):
                number += 1
                yield f"{name_of(path)}, line {number:,}", line


def lines_in(block: str | bytes) -> list[str]:
    """The lines of a text of whole lines, without their ends."""
    if isinstance(block, bytes):
        block = block.decode("utf-8", "surrogateescape")
    return block.split("\n")[:-1]


def not_blank(lines: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Those of the lines (where, line) that are not blank."""
    return (line for line in lines if line[1].strip())


def labelled(where: str, line: str) -> tuple[str, str]:
    """The label and the text of a line ``label<TAB>text`` or ``__label__x text``. Raises CorpusError."""
    if line.startswith(FASTTEXT):
        label, _, text = line.removeprefix(FASTTEXT).partition(" ")
        if text.startswith(FASTTEXT):
            raise CorpusError(f"{where} has two labels; give each line one")
    else:
        label, tab, text = line.partition("\t")
        if not tab:
            raise CorpusError(f"{where} has no tab between label and text (nor does it begin with {FASTTEXT})")
    if not label.strip():
        raise CorpusError(f"{where} has no label before the text")
    return label, text


def read_examples(
    parse: Callable[[str, str], tuple],
    names_in: Callable[[tuple], Iterable[str]],
    paths,
    reading: CorpusOptions,
    units: Callable[[Iterator], Iterator] = not_blank,
) -> tuple[list, list, tuple]:
    """The examples for training and those held out, as ``parse`` makes them of where one begins and its text, and the
    files' names, digest and size.

    units: what ``parse`` gets, of the lines (where, line), where it is not each that is not blank. names_in: the labels
    of an example; one that has a label which no other example for training has is for training. They are divided as
    ``corpus.load_corpus`` divides lines. Raises CorpusError where there are none.
    """
    paths, valid, digest = listed(paths), listed(reading.valid or []), Digest()

    def examples(paths, digest=None):
        found = [parse(*unit) for unit in units(lines_of(paths, reading.level, reading.encoding, digest))]
        if not found:
            raise CorpusError(f"there is no line to learn from in {', '.join(map(name_of, paths))}, blank ones at most")
        return found

    found = examples(paths, digest)
    source = tuple(map(name_of, paths)), digest.hexdigest(), digest.size
    if valid:
        return found, examples(valid), source
    train, held_out, known = [], [], set()
    for example, is_out in zip(found, held_out_lines(len(found), reading.holdout, reading.seed).tolist(), strict=True):
        (held_out if is_out else train).append(example)
    known.update(name for example in train for name in names_in(example))
    train += [example for example in held_out if not known.issuperset(names_in(example))]
    return train, [example for example in held_out if known.issuperset(names_in(example))], source


def vocabulary_of(texts: Iterable[str], reading: CorpusOptions, least: int = 1) -> Vocabulary:
    """The symbols of the training part. least: as for ``CorpusOptions.least_count``."""
    counts = Counter(symbol for text in texts for symbol in symbols_in(text, reading.level))
    return Vocabulary.build(reading.level, counts, reading.least_count(least), reading.max_vocabulary)


def labels_of(labels: Iterable[str]) -> tuple[str, ...]:
    """The distinct labels, the most frequent first. Raises CorpusError where they are too many."""
    counts = Counter(labels)
    if len(counts) > MOST_LABELS:
        raise CorpusError(
            f"there are {len(counts):,} different labels, and {MOST_LABELS:,} are the most that can be told apart: do "
            "labels and texts stand the wrong way round?"
        )
    return tuple(sorted(counts, key=lambda label: (-counts[label], label)))


def numbers_of(labels: Iterable[str], known: tuple[str, ...], where: str, what: str = "label") -> np.ndarray:
    """The number of each label among the known ones. Raises CorpusError that names an unknown one."""
    number = {label: place for place, label in enumerate(known)}
    labels = list(labels)
    for label in labels:
        if label not in number:
            raise CorpusError(
                f"the {what} {label!r} in {where} does not occur in the training part, so that nothing could be learnt "
                f"of it; leave it out, or train with it"
            )
    return np.array([number[label] for label in labels], np.int32)


def log_shares(numbers: np.ndarray, size: int) -> np.ndarray:
    """Natural logarithm of each number's share, (size); what does not occur counts as one."""
    counts = np.maximum(np.bincount(numbers, minlength=size), 1)
    return np.log(counts / counts.sum())


def ids_of(vocabulary: Vocabulary, text: str) -> np.ndarray:
    """The ids of a text. Raises CorpusError where they are too many."""
    ids = vocabulary.encode(text)
    if len(ids) > LONGEST:
        raise CorpusError(
            f"the text that begins {text[:20]!r} has {len(ids):,} {UNITS[vocabulary.level]}s; one that is read as a "
            f"whole can have {LONGEST:,}: cut it"
        )
    return ids


def encoded(vocabulary: Vocabulary, texts: Iterable[str]) -> Sequences:
    """The ids of some texts; an empty one is a single <EOS>. Raises CorpusError where one is too long."""
    end = np.array([EOS], vocabulary.dtype)
    return Sequences([ids_of(vocabulary, text) if text else end for text in texts])


def ended(vocabulary, texts: list[str]) -> Sequences:
    """The ids of some texts, each with its <EOS>. Raises CorpusError where one is too long."""
    end = np.array([EOS], vocabulary.dtype)
    return Sequences([np.concatenate((ids_of(vocabulary, text), end)) for text in texts])


def check_names(names, what: str) -> tuple[str, ...]:
    """Names that a model file gives. Raises ValueError."""
    if not isinstance(names, list) or not names or len(set(names)) < len(names):
        raise ValueError(f"its {what}s are no list of distinct names")
    for name in names:
        if type(name) is not str or not name or "\n" in name or "\t" in name:
            raise ValueError(f"its {what}s hold what is no name")
    return tuple(names)


def tokens_for(outputs: int) -> int:
    """How many may stand side by side, each with so many probabilities."""
    return min(TOKENS, PROBABILITIES // outputs)


def in_order(lengths: np.ndarray, most_tokens: int = TOKENS) -> list[np.ndarray]:
    """The numbers of sequences in groups of about one length, the shortest first."""
    order = np.argsort(lengths, kind="stable")
    return np.split(order, fitting(lengths[order], ROWS, most_tokens)[1:]) if len(order) else []


class ExampleEvaluation:
    """Scores batches of the held-out part under the parameters as they are. window: for ``forward``."""

    def __init__(self, network, window, batches: list[Batch]):
        self.network, self.window, self.held = network, window, batches
        self.size = sum(int(np.count_nonzero(batch.targets >= 0)) for batch in batches)

    def loss(self) -> float:
        """Nats a unit."""
        self.network.pack(for_training=False)
        nats = sum(float(self.window.forward(batch)[0].sum(dtype=np.float64)) for batch in self.held)
        return nats / self.size
