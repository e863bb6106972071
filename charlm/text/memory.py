"""Texts from memory: a string, lines or pairs → the bytes of a file with the same text, piece by piece.

Wherever charlm reads a file, it takes a ``MemoryText`` in place of the file's name, so that all that is true of files
is true of it; its SHA-256 is that of the file. A generator is read once, and only a piece of it is in memory at a time.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from os import PathLike
from os.path import exists
from typing import Any

from ..errors import CorpusError, UsageError
from ..options import is_file_name

CHARACTERS = 1 << 16  # of a piece, about
NOTHING = object()  # of an iterable without values
LINE_ENDS = (("\n", "line feed"), ("\r", "carriage return"))
MARK = "__label__"  # of a label in a file of fastText
NO_STRINGS = "leave such rows out (of a pandas column: column.dropna()), or turn the values into strings"
JOIN = "join its strings to one (several labels of a text: '|'.join(labels))"


class MemoryText:
    """A text from memory, in place of the name of a file.

    name: in messages, and in the record of a model. pairs: the text was written from pairs, with a tab in each line.
    sentences: these are of words and tags.
    """

    def __init__(self, name: str, pieces: Iterable[str], *, pairs: bool = False, sentences: bool = False):
        self.name, self.pairs, self.sentences, self._pieces = name, pairs, sentences, pieces

    def pieces(self) -> Iterator[bytes]:
        """The bytes of the text in UTF-8. Raises CorpusError for what cannot be a text."""
        for piece in self._pieces:
            try:
                yield piece.encode()
            except UnicodeEncodeError as error:
                around = piece[max(0, error.start - 10) : error.start + 10]
                raise CorpusError(
                    f"{self.name} has half of a character (a lone surrogate) in {around!r}; decode the text with its "
                    "own encoding"
                ) from None


def training_text(
    given: dict[str, Any],
    measured: Mapping[str, Any],
    task: str | None,
    goes_on: bool,
    multi_label: bool | None = None,
) -> tuple[Any, dict[str, Any]]:
    """The text to train on, and the options that follow from it: lines, valid, also_valid, and the task of sentences
    with tags.

    given: see ``one_text``. measured: texts of the same kind, valid and also_valid, None where there is none. task: the
    option, None if nobody said. goes_on: a checkpoint or a model says what the task is, and whether it is multi_label
    (see ``one_text``). Raises as ``one_text`` does, and UsageError for pairs without a task.
    """
    several = bool(multi_label or goes_on)
    source, kind = one_text(given, task, several), kind_given(given)
    options: dict[str, Any] = {"lines": given["lines"] if is_switch(given["lines"]) else True}
    if kind == "pairs" and source.sentences:
        options["task"] = "tag"
    elif kind == "pairs" and task is None and not goes_on:
        raise UsageError(
            "pairs need a task: task='classify' or 'generate' for (label, text), task='translate' for (source, target)"
        )
    for name, value in measured.items():
        if value is not None:
            options[name] = text_of_kind(kind, value, name, options.get("task", task), several)
    return source, options


def one_text(given: dict[str, Any], task: str | None, multi_label: bool = False) -> Any:
    """The one text that was given, None for the others: a list of paths, or a ``MemoryText``.

    given: paths, text, lines, pairs. Where lines is True or False, it is no text, but an option. task: to which
    pairs must fit, None if nobody said. multi_label: the text of a pair may have no label. Raises UsageError if no text
    or several were given, and UsageError or CorpusError for one of the wrong form.
    """
    kind = kind_given(given)
    return text_of_kind(kind, given[kind], kind, task, multi_label)


def kind_given(given: dict[str, Any]) -> str:
    """Which of the texts was given."""
    names = [name for name, value in given.items() if value is not None and not (name == "lines" and is_switch(value))]
    if len(names) > 1 and isinstance(given["lines"], str):
        raise UsageError(f"lines must be True or False, not {_short(given['lines'])}")
    if len(names) != 1:
        what = f"{' and '.join(names)} are several texts" if names else "there is no text"
        raise UsageError(
            f"{what}; give one: the path of a file (or a list of paths), or text=, lines=, pairs= or arrays="
        )
    return names[0]


def text_of_kind(kind: str, value: Any, name: str, task: str | None = None, multi_label: bool = False) -> Any:
    """A list of paths or a ``MemoryText``. kind: "paths", "text", "lines" or "pairs". name: in messages.

    Raises UsageError or CorpusError for a value that is not of this kind.
    """
    if kind == "paths":
        return checked_paths(value, name)
    if kind == "text":
        return MemoryText(name, _pieces_of_text(value, name))
    items = _iterator(value, name)
    first = next(items, NOTHING)
    if first is NOTHING:
        raise CorpusError(f"{name} is empty; give something to read (a generator can be read only once)")
    items = chain([first], items)
    if kind == "lines":
        return MemoryText(name, _joined(_lines(items, name)))
    sentences = _is_sentence(first)
    _check_task_of_pairs(sentences, name, task)
    rows = _sentences(items, name) if sentences else _pairs(items, name, task != "translate", multi_label)
    return MemoryText(name, _joined(rows), pairs=True, sentences=sentences)


def is_switch(lines: Any) -> bool:
    """Whether a value of the argument ``lines`` is the option and not a text."""
    return not isinstance(lines, Iterable)


def checked_paths(paths: Any, name: str = "paths") -> list:
    """The names of files as a list. Raises UsageError where they are not names."""
    if hasattr(paths, "columns") or hasattr(paths, "to_frame"):  # of pandas, say
        raise UsageError(f"{name} is a {type(paths).__name__}; give its texts as lines=frame['text']")
    found = [paths] if isinstance(paths, (str, bytes, PathLike)) else _list_of(paths, name)
    if not found:
        raise UsageError(f"{name} names no file; give the path of a text file")
    for path in found:
        if isinstance(path, str) and "\n" in path:
            raise UsageError(f"{path[:20]!r}… is a text, not the path of a file; give a text as text=")
        if not is_file_name(path):
            remedy = "; give lines as lines=, pairs as pairs="
            raise UsageError(f"{name} must be the path of a file or a list of paths, not {_shown(path)}{remedy}")
    if len(found) > 1 and "-" not in found and not any(map(exists, found)):
        raise UsageError(
            f"{name} names {len(found)} files, and none is there, as {_short(found[0])}; give lines as lines="
        )
    return found


def check_string(value: Any, name: str) -> None:
    """Raise UsageError where a value is not a string."""
    if not isinstance(value, str):
        raise UsageError(f"{name} must be a string, not {_shown(value)}")


def _list_of(paths: Any, name: str) -> list:
    try:
        return list(paths)
    except TypeError:
        raise UsageError(f"{name} must be the path of a file or a list of paths, not {_shown(paths)}") from None


def _iterator(values: Any, name: str) -> Iterator:
    """The values one by one. Raises UsageError where they are not what a person may take for an iterable of texts."""
    if isinstance(values, str):
        raise UsageError(f"{name} is one string; give a list of strings, or the whole text as text=")
    if isinstance(values, Mapping) or hasattr(
        values, "columns"
    ):  # iterating would give its keys, or its columns' names
        raise UsageError(
            f"{name} is a {type(values).__name__}; give the texts in it: frame['text'] for lines, "
            "zip(frame['label'], frame['text']) for pairs"
        )
    try:
        return iter(values)
    except TypeError:
        raise UsageError(f"{name} must be a list or another iterable, not {_shown(values)}") from None


def _pieces_of_text(text: Any, name: str) -> Iterator[str]:
    if not isinstance(text, str):
        remedy = "give a list of strings as lines=" if name == "text" else "it is a text as text= is"
        raise UsageError(f"{name} must be a string, not {_shown(text)}; {remedy}")
    if not text.strip():
        raise CorpusError(f"{name} is empty; give something to read")
    return (text[start : start + CHARACTERS] for start in range(0, len(text), CHARACTERS))


def _joined(rows: Iterable[str]) -> Iterator[str]:
    """The rows joined into pieces of about CHARACTERS."""
    some, size = [], 0
    for row in rows:
        some.append(row)
        size += len(row)
        if size >= CHARACTERS:
            yield "".join(some)
            some, size = [], 0
    yield "".join(some)


def _lines(items: Iterable, name: str) -> Iterator[str]:
    """Each line with its end. A line may bring its end along, as the lines of an open file do."""
    for number, line in enumerate(items):
        where = f"{name}[{number}]"
        _check_is_string(line, where)
        line = line[:-1] if line.endswith("\n") else line
        inside = next((what for character, what in LINE_ENDS if character in line.removesuffix("\r")), None)
        if inside:
            raise CorpusError(
                f"{where} has a {inside} inside: {_short(line)}; give its lines one by one (splitlines()), or all in "
                'one string as text= (and with separator="", items of several lines with a blank line between them)'
            )
        yield line + "\n"


def _pairs(items: Iterable, name: str, has_label: bool, may_lack_it: bool) -> Iterator[str]:
    """Each pair of strings as a line with a tab. has_label: the first string of each is a label, which may be empty if
    may_lack_it."""
    for number, item in enumerate(items):
        where = f"{name}[{number}]"
        first, second = _values(item, where)
        if has_label and first.startswith(MARK):
            raise CorpusError(f"{where} has a label that begins with {MARK}; leave that out")
        if has_label and not may_lack_it and not first.strip():
            raise CorpusError(f"{where} has no label; leave it out")
        yield f"{first}\t{second}\n"


def _sentences(items: Iterable, name: str) -> Iterator[str]:
    """Each sentence as a line for each word with its tag, and a blank line."""
    for number, sentence in enumerate(items):
        where = f"{name}[{number}]"
        if not _is_sentence(sentence):
            raise CorpusError(
                f"{where} is not a list of pairs (word, tag), as the first sentence is: {_short(sentence)}"
            )
        rows = []
        for position, item in enumerate(sentence):
            word, tag = _values(item, f"{where}[{position}]")
            if not word.strip() or not tag.strip():
                raise CorpusError(f"{where}[{position}] has no {'word' if tag.strip() else 'tag'}; leave it out")
            rows.append(f"{word}\t{tag}\n")
        yield "".join(rows) + "\n"


def _values(item: Any, where: str) -> tuple[str, str]:
    """The two strings of a pair. Raises CorpusError where the item is none."""
    if isinstance(item, str) or not hasattr(item, "__iter__"):
        raise CorpusError(
            f"{where} is not a pair but {_shown(item)}; give pairs of strings, as zip(labels, texts) does"
        )
    values = tuple(item)
    if len(values) != 2:
        raise CorpusError(f"{where} has {len(values)} values and not two: {_short(item)}; give pairs of strings")
    for position, value in enumerate(values):
        _check_is_string(value, f"{where}[{position}]")
        for character, what in (("\t", "tab"), *LINE_ENDS):
            if character in value:
                raise CorpusError(
                    f"{where}[{position}] has a {what} inside: {_short(value)}; put a space in its place (replace)"
                )
    return values[0], values[1]


def _is_sentence(item: Any) -> bool:
    """Whether an item is a sequence of pairs, and not a pair of strings."""
    return isinstance(item, (list, tuple)) and all(isinstance(one, (list, tuple)) for one in item)


def _check_task_of_pairs(sentences: bool, name: str, task: str | None) -> None:
    if task in ("text", "chords"):
        raise UsageError(f"{name} goes with a task that has answers: classify, generate, tag or translate")
    if task is not None and sentences != (task == "tag"):
        wanted = {"tag": "sentences, each a list of (word, tag)", "translate": "pairs (source, target)"}
        raise UsageError(
            f"{name} must be {wanted.get(task, 'pairs (label, text)')} for the task {task!r}, and not "
            f"{'sentences of words and tags' if sentences else 'pairs of strings'}"
        )


def _check_is_string(value: Any, where: str) -> None:
    if not isinstance(value, str):
        remedy = JOIN if isinstance(value, (list, tuple, set)) else NO_STRINGS
        raise CorpusError(f"{where} is not a string but {_shown(value)}; {remedy}")


def _shown(value: Any) -> str:
    """A value and its type, for a message."""
    return "None" if value is None else f"{_short(value)} ({type(value).__name__})"


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else shown[:37] + "…"
