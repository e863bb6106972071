"""Model + examples → its predictions, as the examples arrive, and how often they are right."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, compress
from typing import Any

from .errors import CorpusError, UsageError
from .model import Model
from .network.dealing import dealt_groups, tell_alone
from .network.threads import ThreadPool
from .options import BEAM, ENCODING, THREADS, TOP, by_name, checked
from .ranks import ALONE, Ranks
from .scoring.blocks import blocks, read_ahead
from .scoring.perplexity import perplexity_of_files
from .scoring.pipeline import ScoringOptions
from .scoring.steps import steps_of_files
from .tasks import PREDICTING, Task
from .tasks.examples import ROWS, lines_in, lines_of
from .text.memory import MemoryText
from .text.reading import name_of, names_of, path_list, read_text

TOGETHER = 8 * ROWS  # items of a job that is dealt to a rank


class Predictor:
    """A model ready to predict; this imports the compiler.

    threads: the number of threads, None for one per CPU core. Raises UsageError for a language model.

    Two options change a prediction, each for models of some tasks. top: how many of the most likely labels a classifier
    gives (1). beam: the width of a translator's beam search (1 for greedy). None is the default. Methods raise
    UsageError for an option that the model's task does not have.
    """

    def __init__(self, model: Model, threads: int | None = None):
        model.check_task(*PREDICTING)
        self.model, self.threads, self.task, self.vocabulary = model, threads, model.task, model.vocabulary
        network = self.task.network(model.architecture, model.parameters, ThreadPool(THREADS.check(threads)))
        network.pack(for_training=False)
        self.window = self.task.window(network, 1, ROWS)

    def predict(self, items: list, *, top: int | None = None, beam: int | None = None) -> list[dict]:
        """The prediction for each item; the task tells what an item and a prediction are."""
        normalized = self.vocabulary.form.normalized
        if self.task.input == "text":
            items = [
                type(item)(map(normalized, item)) if isinstance(item, list) else normalized(item) for item in items
            ]
        return self.task.predict(self.window, self.vocabulary, items, **self._options(top=top, beam=beam))

    def rows(
        self,
        paths,
        encoding: str = "utf-8",
        *,
        top: int | None = None,
        beam: int | None = None,
        ranks: Ranks = ALONE,
    ) -> Iterator[list[tuple]]:
        """(item, prediction) for each item of some files, in order and as soon as they are ready, many at a time.

        An item that cannot be read has a CorpusError in place of its prediction, which names the line; lines are
        numbered on from file to file. ranks: those that share the work; this is rank 0.
        """
        work = _Predicting(self, self._options(top=top, beam=beam))
        found_in = self._items if self.task.input == "text" else self._vectors
        groups = (_group(*items, None if ranks.number == 1 else TOGETHER) for items in found_in(paths, encoding))
        for (items, errors), found in dealt_groups(ranks, work, groups):
            predictions = chain.from_iterable(found)
            yield [(item, error or next(predictions)) for item, error in zip(items, errors, strict=True)]

    def _items(self, paths, encoding) -> Iterator[tuple[list, list[int], list[CorpusError | None]]]:
        """The items of some files, many at a time; the numbers of their first lines; why an item cannot be read, None
        where it can."""
        rest, items_in = [], self.task.item_reader()
        level, form = self.vocabulary.level, self.vocabulary.form
        quotes = self._has_quotes()
        pieces = read_text(path_list(paths), level, encoding, form=form, errors="surrogateescape", quotes=quotes)
        parts = ((lines_in(block), False) for block in blocks(read_ahead(pieces), True))
        for lines, last in chain(parts, [([], True)]):
            items, rest = items_in(rest + lines, last=last)
            starts, errors = items_in.starts, items_in.errors
            if level != "byte":
                found = zip(errors, items, starts, strict=True)
                errors = [error or _undecoded(item, start, encoding) for error, item, start in found]
            yield items, starts, errors

    def _vectors(self, paths, encoding) -> Iterator[tuple[list, list[int], list[CorpusError | None]]]:
        """As ``_items``, of sequences of vectors: each file has its own lines and columns."""
        for path in path_list(paths):
            reader = self.task.item_reader(name_of(path))
            if (items := self.task.items_without_lines(path)) is not None:
                yield items, list(range(1, len(items) + 1)), [reader.error_of(item) for item in items]
                continue
            pieces = read_text([path], "char", encoding, errors="surrogateescape")
            for block in blocks(read_ahead(pieces), True):
                yield reader(lines_in(block))[0], reader.starts, reader.errors
            yield reader([], last=True)[0], reader.starts, reader.errors

    def _apart(self, items: list, starts: list[int], options: dict) -> list:
        """A prediction for each item, or its error. starts: the numbers of their first lines. Where an item cannot be
        read, it is found by halves: the predictions do not depend on what is predicted together."""
        try:
            return self.task.predict(self.window, self.vocabulary, items, **options)
        except CorpusError as error:
            if len(items) == 1:
                return [CorpusError(f"line {starts[0]:,}: {error}")]
        half = len(items) // 2
        return self._apart(items[:half], starts[:half], options) + self._apart(items[half:], starts[half:], options)

    def row(self, item: Any, prediction: Any) -> str:
        """The line or lines that ``charlm predict`` prints for an item: as many of them if there is no prediction."""
        if isinstance(prediction, CorpusError):
            return "\n".join("" for _ in self.task.lines_of(item))
        return self.task.row(item, prediction)

    def record(self, item: Any, prediction: Any) -> dict | None:
        """The JSON record that ``charlm predict --json`` prints for an item, None to print none."""
        if isinstance(prediction, CorpusError):
            return {"error": str(prediction), "text": "\n".join(self.task.lines_of(item))}
        return self.task.record(item, prediction)

    def evaluate(self, paths, encoding: str = "utf-8", *, beam: int | None = None):
        """How often the predictions for some files, which hold the answers, are right: an object with ``as_dict()`` and
        ``lines()``. Raises CorpusError if the files hold no text, or if a line does not make sense to the task."""
        options, paths, task = self._options(beam=beam), path_list(paths), self.task
        if task.input == "vectors":
            return task.evaluate_files(self.window, self.vocabulary, paths, ENCODING.check(encoding), **options)
        if isinstance(paths[0], MemoryText) and paths[0].pairs:  # they have not the columns of the training file
            task = replace(task, columns=None)
        level, form, quotes = self.vocabulary.level, self.vocabulary.form, self._has_quotes()
        lines = lines_of(paths, level, ENCODING.check(encoding), form=form, quotes=quotes)
        start = []  # the lines up to the first one that is not blank
        for where, line in lines:
            start.append((where, line))
            if line.strip():
                return task.evaluate(self.window, self.vocabulary, chain(start, lines), **options)
        raise no_text_in(paths)

    def _has_quotes(self) -> bool:
        """Whether the model learnt from a table with quotes, in which line ends may stand."""
        columns = self.task.columns
        return columns is not None and columns.quotes

    def _options(self, **options) -> dict:
        """The options that are not None, if the task has them."""
        given = checked(options, by_name((TOP, BEAM)), "predict")
        for name in given:
            if name not in self.task.options:
                raise UsageError(f"--{name} does not go with a model of --task {self.task.name}")
        return given


class _Predicting:
    """Predicts for items with a predictor and its options: work that ranks share.

    A job is some items and the numbers of their first lines.
    """

    def __init__(self, predictor: Predictor, options: dict):
        self.predictor, self.options = predictor, options

    def __call__(self, job: tuple[list, list[int]]) -> list:
        return self.predictor._apart(*job, self.options)

    def __reduce__(self):
        return _on_another_rank, (self.predictor.model, self.predictor.threads, self.options)


def _on_another_rank(model, threads, options):
    return _Predicting(Predictor(model, threads), options)


def _group(items: list, starts: list[int], errors: list, together: int | None) -> tuple[tuple[list, list], list[tuple]]:
    """The items and their errors, and jobs with those that can be read. together: how many make a job; None for
    all."""
    readable = [error is None for error in errors]
    items_, starts_ = list(compress(items, readable)), list(compress(starts, readable))
    together = together or max(1, len(items_))
    edges = range(0, max(1, len(items_)), together)
    jobs = [(items_[start : start + together], starts_[start : start + together]) for start in edges]
    return (items, errors), jobs


def evaluation_of(
    model: Model,
    paths: Any,
    encoding: str = "utf-8",
    *,
    threads: int | None = None,
    beam: int | None = None,
    ranks: Ranks = ALONE,
) -> Any:
    """How good any model is on some files: see ``Predictor.evaluate``. For a language model it is the ``Score``, for a
    model of sets the ``StepScore``. ranks: those that share the work; this is rank 0."""
    if model.task.name in PREDICTING:
        tell_alone(ranks, f"a model of --task {model.task.name} is evaluated on all answers at once")
        return Predictor(model, threads).evaluate(paths, encoding, beam=beam)
    if beam is not None:
        what = "language model" if model.task.name == "text" else f"model of --task {model.task.name}"
        raise UsageError(f"--beam does not go with a {what}")
    if model.task.name == "chords":
        tell_alone(ranks, "a model of --task chords is measured on all sequences at once")
        return steps_of_files(model, paths, encoding, threads)
    return perplexity_of_files(model, path_list(paths), ScoringOptions(encoding=encoding, threads=threads), ranks)


def checked_items(task: Task, items: Iterable[Any]) -> list:
    """The items of a call from Python, as a list. Raises UsageError where the task cannot predict for them."""
    if task.input == "vectors":
        return task.checked_items(items)  # type: ignore[attr-defined]  # of VectorTask
    of_words = task.name == "tag"
    wanted = "a list of sentences, each a list of words" if of_words else "a list of texts"
    example = "[text.split()]" if of_words else "[text]"
    if isinstance(items, (str, bytes)):
        raise UsageError(f"predict takes {wanted}, not one string: charlm.predict(model, {example})")
    try:
        items = iter(items)
    except TypeError:
        message = f"predict takes {wanted}, not {type(items).__name__}: charlm.predict(model, {example})"
        raise UsageError(message) from None
    found = [
        list(item) if of_words and isinstance(item, Iterable) and not isinstance(item, str) else item for item in items
    ]
    for number, item in enumerate(found):
        words = item if isinstance(item, list) else [item]
        if isinstance(item, list) != of_words or not all(isinstance(word, str) for word in words):
            raise UsageError(f"predict takes {wanted}; items[{number}] is {type(item).__name__}: {item!r:.40}")
        if of_words and not all(map(str.strip, words)):
            raise UsageError(
                f"predict gives a tag to each word; items[{number}] has one of white space only: leave it out"
            )
    return found


_UNDECODED = re.compile("[\udc80-\udcff]")  # bytes that are not of the encoding (PEP 383)


def _undecoded(item: str | list[str], start: int, encoding: str) -> CorpusError | None:
    """The error of an item that has a byte which its encoding cannot decode. start: the number of its first line."""
    for number, line in enumerate([item] if isinstance(item, str) else item, start):
        if not line.isascii() and (found := _UNDECODED.search(line)):
            byte = ord(found[0]) - 0xDC00
            return CorpusError(
                f"line {number:,}: the byte 0x{byte:02x} is not {encoding.upper()}; name the encoding with --encoding"
            )
    return None


def no_text_in(paths: list) -> CorpusError:
    """The error for files without text."""
    return CorpusError(f"there is no text in {names_of(paths)}")
