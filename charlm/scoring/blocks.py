"""Files or memory → blocks of text.

A thread reads the text ahead of need, and each block is scored as soon as it is there. A text of any size takes the
memory of a few blocks (or of its longest line, if an output or a model needs whole lines), and text that arrives slowly
is passed on as it arrives.
"""

import queue
import threading
import time
from collections.abc import Iterable, Iterator, Sequence

from ..errors import CorpusError, UsageError
from ..model import Model
from ..network.measuring import CHUNK, ROWS
from ..text.columns import text_with_columns
from ..text.forms import Form
from ..text.reading import WHOLE_LINES, names_of, read_text
from ..text.vocabulary import Vocabulary, as_bytes

BLOCK = (ROWS - 2) * CHUNK  # tokens that are scored together: at most ROWS chunks
SAMPLE = BLOCK // 4  # characters of a block that tell how many tokens a character is
MARGIN = 0.97  # of a block, because the rest of it may have more tokens than its beginning
AHEAD = 4  # pieces that are read before anyone needs them
PATIENCE = 0.2  # seconds that text waits for more text


def read_ahead(pieces: Iterable) -> Iterator:
    """The pieces, read ahead by a thread, with a None after text that has waited PATIENCE seconds for more. An error of
    the thread is raised here."""
    ahead: queue.Queue = queue.Queue(AHEAD)

    def read():
        try:
            for piece in pieces:
                ahead.put(piece)
            ahead.put(StopIteration())
        except BaseException as error:  # raised below, in the thread that waits
            ahead.put(error)

    threading.Thread(target=read, name="charlm reads", daemon=True).start()
    deadline = None
    while True:
        try:
            piece = ahead.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            deadline = None
            yield None
            continue
        if isinstance(piece, StopIteration):
            return
        if isinstance(piece, BaseException):
            raise piece
        yield piece
        if deadline is None:
            deadline = time.monotonic() + PATIENCE


def blocks(
    pieces: Iterable[str | bytes | None], whole_lines: bool, vocabularies: Sequence[Vocabulary] = ()
) -> Iterator[str | bytes]:
    """The text of some pieces in blocks of BLOCK characters or a few more, or of about BLOCK tokens where a token of
    the ``vocabularies`` has several characters. The last block may be smaller, and so may a block before a None, which
    asks for the text so far. With ``whole_lines`` each block ends at the end of a line."""
    longer = [vocabulary for vocabulary in vocabularies if vocabulary.level in WHOLE_LINES]
    estimates = len(longer) == len(vocabularies) > 0  # else a token of some vocabulary is a character
    ready, rest, size, full = [], [], 0, 0
    for piece in _cut(pieces):
        if piece:
            newline = b"\n" if isinstance(piece, bytes) else "\n"
            end = piece.rfind(newline) + 1 if whole_lines else len(piece)
            if end:
                ready += [*rest, piece[:end]]
                size += sum(map(len, rest)) + end
                rest = []
            if end < len(piece):
                rest.append(piece[end:])
        if not full and size >= SAMPLE:
            full = _full("".join(ready), longer) if estimates else BLOCK
        if ready and (piece is None or size >= full > 0):
            yield ready[0][:0].join(ready)
            ready, size, full = [], 0, 0
    if ready or rest:
        yield (ready or rest)[0][:0].join(ready + rest)


def _full(beginning, vocabularies):
    """How many characters a block with this beginning has when it has enough tokens."""
    tokens = max(len(vocabulary.encode(beginning)) for vocabulary in vocabularies)
    return max(BLOCK, int(MARGIN * BLOCK * len(beginning) / max(1, tokens)))


def _cut(pieces):
    """The pieces in parts of at most CHUNK characters, so that no block has more chunks than ROWS."""
    for piece in pieces:
        if piece is None:
            yield None
        else:
            yield from (piece[start : start + CHUNK] for start in range(0, len(piece), CHUNK))


def clean(text: str | bytes, vocabulary: Vocabulary) -> Iterator[str | bytes]:
    """A text from memory as ``reading.read_text`` gives a file's text for a vocabulary: without a byte order mark, with
    a line feed at every line end and at the end, in the vocabulary's form."""
    end: str | bytes = "\n"
    if vocabulary.level == "byte":
        text, end = as_bytes(text), b"\n"
    else:
        text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    whole = text if text.endswith(end) or not text else text + end
    return vocabulary.form.read(iter([whole] if whole else []), "the text")


def form_of(models: list[Model]) -> Form:
    """The form in which these models read a text. Raises UsageError where they do not read the same text."""
    forms = {model.vocabulary.form for model in models}
    if len(forms) > 1:
        raise UsageError(
            "the models read other texts, because the --normalize or --separator of their trainings differ: measure "
            "each of them alone"
        )
    return forms.pop()


def reading_level(models: list[Model]) -> str:
    """The level at which ``read_text`` reads a text for these models: "byte" if all of them read bytes, else the level
    of one that reads text, if possible of one that needs whole lines."""
    levels = {model.vocabulary.level for model in models}
    return next(level for level in (*WHOLE_LINES, "char", "byte") if level in levels)


def needs_whole_lines(models: list[Model]) -> bool:
    """Whether these models can read a text only line by line."""
    return reading_level(models) in WHOLE_LINES or any(model.lines for model in models)


def text_blocks(models: list[Model], paths, whole_lines: bool, encoding: str = "utf-8") -> Iterator[str | bytes]:
    """The blocks of some files, one file after the other, for these models; "-" is standard input.

    whole_lines: each block ends at the end of a line; some models need this anyway. Where the models were trained on a
    column of tables, it is read in the files too. Raises CorpusError if the files hold no text.
    """
    empty = True
    level, form = reading_level(models), form_of(models)
    columns = getattr(models[0].task, "columns", None)
    if columns and all(model.task == models[0].task for model in models):
        paths = [text_with_columns(path, columns, encoding) for path in paths]
    pieces, vocabularies = read_text(paths, level, encoding, form=form), [model.vocabulary for model in models]
    for block in blocks(read_ahead(pieces), whole_lines or needs_whole_lines(models), vocabularies):
        empty = False
        yield block
    if empty:
        raise CorpusError(f"there is no text in {names_of(paths)}")
