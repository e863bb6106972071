"""Print the source of the Python standard library that runs this script.

It goes folder by folder, in the order of the names, and skips tests, packages that were installed later, and files that
are not UTF-8. The text depends on the version of Python, and hardly on the machine.
"""

import argparse
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from corpus_command import write

SKIPPED = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "__pycache__"}


def sources(library: Path) -> Iterator[str]:
    """Yield the text of each source file under a folder."""
    for folder, subfolders, files in os.walk(library):
        subfolders[:] = sorted(set(subfolders) - SKIPPED)
        for name in sorted(files):
            # The _sysconfigdata modules record how this one interpreter was built.
            if not name.endswith(".py") or name.startswith("_sysconfigdata"):
                continue
            try:
                text = Path(folder, name).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
            yield text if text.endswith("\n") or not text else text + "\n"


def within(limit: int, texts: Iterable[str]) -> Iterator[str]:
    """Yield the texts up to the last line that ends within ``limit`` bytes."""
    for text in texts:
        data = text.encode()
        if len(data) > limit:
            yield data[: data.rfind(b"\n", 0, limit) + 1].decode()
            return
        yield text
        limit -= len(data)


def main() -> None:
    """Read the arguments and print the source."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--limit", type=int, metavar="BYTES", help="print this many bytes at most, in whole lines")
    arguments = parser.parse_args()
    library = Path(sysconfig.get_path("stdlib"))
    if not library.is_dir():
        sys.exit(f"this Python has no source of its standard library in {library}")
    texts = sources(library)
    write(texts if arguments.limit is None else within(max(arguments.limit, 0), texts))


if __name__ == "__main__":
    main()
