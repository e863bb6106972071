"""Files of vectors → examples: a table, a .ts file, or an .npz archive, whatever it is."""

from collections.abc import Iterator
from itertools import islice

from ..errors import CorpusError
from ..text.columns import Line
from ..text.reading import Digest, name_of, read_text
from .archives import MemoryVectors, is_archive, read_archive
from .channels import Channels
from .examples import VectorExample
from .tables import TableReader
from .ts import TsReader, begins_ts

AT_ONCE = 4096  # lines


class LineReader:
    """Cuts the lines of a table or of a .ts file into examples; its first line says which it is. The arguments are
    those of ``tables.TableReader``."""

    def __init__(self, channels: Channels | None = None, *, needs_answers: bool, of_steps: bool):
        self._given = {"channels": channels, "needs_answers": needs_answers, "of_steps": of_steps}
        self._reader: TableReader | TsReader | None = None

    def read(self, lines: list[Line], last: bool = False) -> list[VectorExample]:
        """As ``TableReader.read``."""
        if self._reader is None:
            first = next((text for _, text in lines if text.strip()), None)
            if first is None:
                return []
            self._reader = (TsReader if begins_ts(first) else TableReader)(**self._given)
        return self._reader.read(lines, last)


def read_vectors(
    path, encoding: str, digest: Digest | None = None, *, channels: Channels | None = None, of_steps: bool
) -> Iterator[VectorExample]:
    """The examples in a file, each with its answers. path: as for ``read_text``. channels: those of a model, None where
    the first sequence says how many there are. Raises CorpusError for the first one that cannot be read."""
    for example in _examples(path, encoding, digest, channels, of_steps):
        if example.error:
            raise example.error
        if not example.answers:
            raise CorpusError(f"{example.where} has no answer; give a label, tags or a target")
        for answer, place in zip(example.answers, example.places, strict=True):
            if not answer:
                raise CorpusError(f"{place} has no label, tag or target; give one")
        yield example


def _examples(path, encoding, digest, channels, of_steps) -> Iterator[VectorExample]:
    if isinstance(path, MemoryVectors):
        for piece in path.pieces():
            if digest is not None:
                digest.update(piece)
        yield from path.examples
        return
    if is_archive(path):
        yield from read_archive(path, digest, of_steps)
        return
    reader = LineReader(channels, needs_answers=True, of_steps=of_steps)
    lines = lines_of_text(path, encoding, digest)
    while some := list(islice(lines, AT_ONCE)):
        yield from reader.read(some)
    yield from reader.read([], last=True)


def lines_of_text(path, encoding: str, digest: Digest | None = None) -> Iterator[Line]:
    """(where the line is, its text) for each line of a text file."""
    number, rest = 0, ""
    for piece in read_text([path], "char", encoding, digest, has_level=False):
        *lines, rest = (rest + piece).split("\n")
        for line in lines:
            number += 1
            yield f"{name_of(path)}, line {number:,}", line
