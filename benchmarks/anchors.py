"""What compressors make of the held-out part of a text, given its training part: how far the loss of a model can fall.

    python benchmarks/anchors.py TEXT... [--lines] [--json FILE]

The loss of a compressor is the size of the training part and the held-out part, compressed together, minus the size of
the training part alone. The parts are those of ``charlm train TEXT`` (with --lines: of ``charlm train TEXT --lines``),
with the lines of a list in the order of the file. A compressor goes on learning while it reads: compare it with
``charlm perplexity --adapt``.

- zpaq -m5 mixes the predictions of many contexts. It is a program (on Debian: ``apt install zpaq``).
- PPMd mixes the counts of all contexts up to some length, its order. It is a package of Python (``pip install pyppmd``)
  and not the program 7-Zip, which gives a shorter text less memory, and so forgets another part of the text.
- xz repeats what it has seen before. It is measured as for the table that ``charlm train`` prints.

Compressors that are not installed are left out. A character that the training part does not have is written as <UNK>,
as in charlm's own table.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from interleaved import Failed
from report import machine, table_head, table_row, write_json

from charlm.score import LN2
from charlm.text.baselines import xz_bytes
from charlm.text.corpus import CorpusOptions, load_corpus
from charlm.text.vocabulary import as_bytes

ORDERS = 6, 8, 10, 16  # of PPMd
MEMORY = 1 << 30  # bytes for its contexts
NAMES = ("zpaq -m5", *(f"PPMd, order {order}" for order in ORDERS), "xz")
COLUMNS = ("text", "training, held out", *NAMES)


def zpaq_size(data: bytes) -> int:
    """Bytes of the archive that zpaq makes. Raises Failed if the program fails."""
    with tempfile.TemporaryDirectory() as folder:
        text, archive = Path(folder, "text"), Path(folder, "text.zpaq")
        text.write_bytes(data)
        command = ["zpaq", "a", archive.name, text.name, "-m5", "-noattributes"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
        if done.returncode or not archive.exists():
            *_, last = ["it wrote no archive", *done.stderr.strip().splitlines()]
            raise Failed(f"zpaq failed: {last}")
        return archive.stat().st_size


def ppmd_size(order: int, data: bytes) -> int:
    """Bytes that PPMd (variant H, as in 7-Zip) makes of some data."""
    from pyppmd import Ppmd7Encoder

    encoder = Ppmd7Encoder(order, MEMORY)
    return len(encoder.encode(data)) + len(encoder.flush())


def compressors() -> dict[str, Callable[[bytes, bytes], int | None]]:
    """For each compressor that is installed, the function that gives how many more bytes it needs for a text than for
    what comes before it alone."""

    def difference(size):
        return lambda before, text: size(before + text) - size(before)

    sizes = {"zpaq -m5": zpaq_size} if shutil.which("zpaq") else {}
    if find_spec("pyppmd"):
        sizes |= {f"PPMd, order {order}": partial(ppmd_size, order) for order in ORDERS}
    return {name: difference(size) for name, size in sizes.items()} | {"xz": xz_bytes}


def rows(paths, lines: bool = False):
    """A dictionary for each text, with the figures of each compressor that is installed. Raises CorpusError for a text
    that charlm cannot read, Failed where a compressor fails."""
    for path in paths:
        corpus = load_corpus(path, CorpusOptions(lines=lines or None, novelty=False))
        before, text = (as_bytes(corpus.vocabulary.decode(part)) for part in (corpus.train, corpus.held_out))
        characters = len(corpus.held_out)
        row = {"text": str(path), "train": len(corpus.train), "held_out": characters}
        for name, extra_bytes in compressors().items():
            extra = extra_bytes(before, text)
            if extra is not None:  # a Python without xz
                bits = 8 * extra
                row[name] = {
                    "nats_per_character": bits * LN2 / characters,
                    "bits_per_character": bits / characters,
                    "bits_per_byte": bits / len(text),
                }
        yield row


def cells(row: dict) -> tuple:
    """The texts of a row: nats per character, and in brackets bits per character."""
    figures = (
        f"{row[name]['nats_per_character']:.4f} ({row[name]['bits_per_character']:.3f})" if name in row else "–"
        for name in NAMES
    )
    return (Path(row["text"]).name, f"{row['train']:,}, {row['held_out']:,}", *figures)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", nargs="+", metavar="TEXT")
    parser.add_argument("--lines", action="store_true", help="each line is a text of its own, as in charlm train")
    parser.add_argument("--json", metavar="FILE", help="write all figures to this file")
    options = parser.parse_args()
    for name in NAMES:
        if name not in compressors():
            print(f"{name}: left out, because it is not installed")
    print(f"\nNats per character (bits per character)\n\n{table_head(COLUMNS)}")
    found = []
    try:
        for row in rows(options.texts, options.lines):
            found.append(row)
            print(table_row(cells(row)), flush=True)
    except Failed as error:
        sys.exit(f"{parser.prog}: {error}")
    if options.json:
        write_json(options.json, {"machine": machine(), "anchors": found})


if __name__ == "__main__":
    main()
