"""Model + examples → its predictions, as the examples arrive, and how often they are right."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, compress
from typing import Any

from .errors import CorpusError, UsageError
from .model import Model
from .network.threads import ThreadPool
from .options import BEAM, ENCODING, THREADS, TOP, by_name, checked
from .scoring.blocks import blocks, read_ahead
from .scoring.perplexity import perplexity_of_files
from .scoring.pipeline import ScoringOptions
from .tasks import MODULES, Task
from .tasks.examples import ROWS, lines_in, lines_of
from .text.memory import MemoryText
from .text.reading import names_of, path_list, read_text


class Predictor:
    """A model ready to predict; this imports the compiler.

    threads: the number of threads, None for one per CPU core. Raises UsageError for a language model.

    Two options change a prediction, each for models of some tasks. top: how many of the most likely labels a classifier
    gives (1). beam: the width of a translator's beam search (1 for greedy). None is the default. Methods raise
    UsageError for an option that the model's task does not have.
    """

    def __init__(self, model: Model, threads: int | None = None):
        model.check_task(*(name for name in MODULES if name != "text"))
        self.task, self.vocabulary = model.task, model.vocabulary
        network = self.task.network(model.architecture, model.parameters, ThreadPool(THREADS.check(threads)))
        network.pack(for_training=False)
        self.window = self.task.window(network, 1, ROWS)

    def predict(self, items: list, *, top: int | None = None, beam: int | None = None) -> list[dict]:
        """The prediction for each item; the task tells what an item and a prediction are."""
        normalized = self.vocabulary.form.normalized
        items = [type(item)(map(normalized, item)) if isinstance(item, list) else normalized(item) for item in items]
        return self.task.predict(self.window, self.vocabulary, items, **self._options(top=top, beam=beam))

    def rows(
        self, paths, encoding: str = "utf-8", *, top: int | None = None, beam: int | None = None
    ) -> Iterator[list[tuple]]:
        """(item, prediction) for each item of some files, in order and as soon as they are ready, many at a time.

        An item that cannot be read has a CorpusError in place of its prediction, which names the line; lines are
        numbered on from file to file.
        """
        options, rest, items_in = self._options(top=top, beam=beam), [], self.task.item_reader()
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
            yield list(zip(items, self._predictions(items, starts, errors, options), strict=True))

    def _predictions(self, items: list, starts: list[int], errors: list[CorpusError | None], options: dict) -> list:
        """A prediction for each item, or its error. starts: the numbers of their first lines."""
        readable = [error is None for error in errors]
        found = iter(self._apart(list(compress(items, readable)), list(compress(starts, readable)), options))
        return [next(found) if error is None else error for error in errors]

    def _apart(self, items: list, starts: list[int], options: dict) -> list:
        """The same for items that could be decoded. Where one of them cannot be read, it is found by halves: the
        predictions do not depend on what is predicted together."""
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
            return "\n".join("" for _ in _lines(item))
        return self.task.row(item, prediction)

    def record(self, item: Any, prediction: Any) -> dict | None:
        """The JSON record that ``charlm predict --json`` prints for an item, None to print none."""
        if isinstance(prediction, CorpusError):
            return {"error": str(prediction), "text": "\n".join(_lines(item))}
        return self.task.record(item, prediction)

    def evaluate(self, paths, encoding: str = "utf-8", *, beam: int | None = None):
        """How often the predictions for some files, which hold the answers, are right: an object with ``as_dict()`` and
        ``lines()``. Raises CorpusError if the files hold no text, or if a line does not make sense to the task."""
        options, paths, task = self._options(beam=beam), path_list(paths), self.task
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


def evaluation_of(
    model: Model, paths: Any, encoding: str = "utf-8", *, threads: int | None = None, beam: int | None = None
) -> Any:
    """How good any model is on some files: see ``Predictor.evaluate``. For a language model it is the ``Score``."""
    if model.task.name != "text":
        return Predictor(model, threads).evaluate(paths, encoding, beam=beam)
    if beam is not None:
        raise UsageError("--beam does not go with a language model")
    return perplexity_of_files(model, path_list(paths), ScoringOptions(encoding=encoding, threads=threads))


def checked_items(task: Task, items: Iterable[Any]) -> list:
    """The items of a call from Python, as a list. Raises UsageError where the task cannot predict for them."""
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


def _lines(item: str | list[str]) -> list[str]:
    """The lines of an item: of tagging it has several."""
    return [item] if isinstance(item, str) else item


def _undecoded(item: str | list[str], start: int, encoding: str) -> CorpusError | None:
    """The error of an item that has a byte which its encoding cannot decode. start: the number of its first line."""
    for number, line in enumerate(_lines(item), start):
        if not line.isascii() and (found := _UNDECODED.search(line)):
            byte = ord(found[0]) - 0xDC00
            return CorpusError(
                f"line {number:,}: the byte 0x{byte:02x} is not {encoding.upper()}; name the encoding with --encoding"
            )
    return None


def no_text_in(paths: list) -> CorpusError:
    """The error for files without text."""
    return CorpusError(f"there is no text in {names_of(paths)}")
