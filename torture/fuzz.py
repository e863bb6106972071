"""atheris against the readers of model files and texts: ``python -m torture.fuzz model`` or ``text``.

atheris changes bytes and watches which branches they reach. Any exception but CharlmError is a finding: the fuzzer
stops and leaves the bytes in a file crash-….
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["charlm", "zipfile", "json", "codecs"]):
    from charlm.errors import CharlmError
    from charlm.model import load_model
    from charlm.text.forms import Form
    from charlm.text.reading import read_text
    from charlm.text.vocabulary import SymbolCounter

from .modelfiles import put

FORM = Form(separator="%")
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))
GOLDEN = Path(__file__).parent.parent / "tests" / "golden"


def model(data: bytes) -> None:
    """charlm loads a model file of these bytes, or rejects it."""
    put(FOLDER / "m.npz", data)
    try:
        load_model(FOLDER / "m.npz")
    except CharlmError:
        pass


def text(data: bytes) -> None:
    """charlm reads a text of these bytes at each level in several encodings, or rejects it."""
    put(FOLDER / "text.txt", data)
    for level in ("char", "subword", "word", "token", "byte"):
        for encoding in ("utf-8", "utf-16", "latin-1") if level != "byte" else ("utf-8",):
            counter = SymbolCounter(level)
            try:
                for piece in read_text([FOLDER / "text.txt"], level, encoding, form=FORM):
                    counter.number(piece)
            except CharlmError:
                pass


if __name__ == "__main__":
    seeds = FOLDER / "seeds"
    seeds.mkdir()
    for path in GOLDEN.glob("format-*.npz"):
        (seeds / path.name).write_bytes(path.read_bytes())
    target = {"model": model, "text": text}[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:], str(seeds)], target)
    atheris.Fuzz()
