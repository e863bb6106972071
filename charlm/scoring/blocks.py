"""Text → its figures as a whole, by line, and by token.

A text is read in blocks, by a thread of its own ahead of need, and each block is measured when it is there: a text of
any size takes the memory of a few blocks (of its longest line, where lines are asked for or the model is one of
lines), and what comes slowly is let out as it comes.

A line's tokens are those of its text and its <EOS>. A model of lines reads each line from the zero state; a blank one
is no item to it and has no tokens. A stream model reads on: what it makes of a line depends on all lines before it.
Either way the sums over the lines are the figures of the text.
"""

import queue
import threading
import time
from collections.abc import Iterable, Iterator

from ..errors import CorpusError
from ..model import Model
from ..network.measuring import CHUNK, ROWS
from ..text.reading import name_of, read_text
from ..text.vocabulary import as_bytes

BLOCK = (ROWS - 2) * CHUNK  # characters (or bytes) that are measured together: at most ROWS tracks
AHEAD = 4  # pieces read before they are wanted
PATIENCE = 0.2  # seconds that text waits for more of it


def as_they_come(pieces: Iterable) -> Iterator:
    """The pieces, read ahead by a thread, and None where text has waited PATIENCE seconds for more of it."""
    ahead: queue.Queue = queue.Queue(AHEAD)

    def read():
        try:
            for piece in pieces:
                ahead.put(piece)
            ahead.put(StopIteration())
        except BaseException as error:  # it is for the reader to raise
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


def blocks(pieces: Iterable[str | bytes | None], whole_lines: bool) -> Iterator[str | bytes]:
    """The text of some pieces in blocks of at least BLOCK characters, the last one excepted; None lets out what there
    is. With ``whole_lines`` each block ends where a line does."""
    ready, rest, size = [], [], 0
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
        if ready and (piece is None or size >= BLOCK):
            yield ready[0][:0].join(ready)
            ready, size = [], 0
    if ready or rest:
        yield (ready or rest)[0][:0].join(ready + rest)


def _cut(pieces):
    """The pieces in parts of at most a track, so that no block has more tracks than there are rows."""
    for piece in pieces:
        if piece is None:
            yield None
        else:
            yield from (piece[start : start + CHUNK] for start in range(0, len(piece), CHUNK))


def clean(text: str | bytes, level: str) -> Iterator[str | bytes]:
    """A text from memory as ``corpus.read_text`` gives one from a file."""
    if level == "byte":
        text = as_bytes(text)
        yield text if text.endswith(b"\n") or not text else text + b"\n"
    else:
        text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        yield text if text.endswith("\n") or not text else text + "\n"


def reading_level(models: list[Model]) -> str:
    """How a text must be read for all of them: as bytes where all are of bytes, else as text."""
    levels = {model.vocabulary.level for model in models}
    return "word" if "word" in levels else "char" if "char" in levels else "byte"


def text_blocks(models: list[Model], paths, whole_lines: bool, encoding: str = "utf-8") -> Iterator[str | bytes]:
    """The blocks of some files, one after the other, for these models; "-" is standard input.

    Raises CorpusError where there is no text.
    """
    empty = True
    level = reading_level(models)
    whole_lines = whole_lines or level == "word" or any(model.lines for model in models)
    for block in blocks(as_they_come(read_text(paths, level, encoding)), whole_lines):
        empty = False
        yield block
    if empty:
        raise CorpusError(f"there is no text in {', '.join(map(name_of, paths))}")
