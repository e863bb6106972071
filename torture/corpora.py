"""Hostile texts: charlm must train on each, score it and sample from the model, or reject it with one line."""

import bz2
import gzip
import lzma
import os
import random
import shutil
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from charlm.tasks import PREDICTING

from .runs import OF_VECTORS, SMALL, TASKS, ForkServer, complaint

LINE = "a cab, a dada and an egg\n"


def _file(data: bytes | str) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))


def _pipe(path):
    """A named pipe and a thread that writes into it for each reader."""
    os.mkfifo(path)

    def write():
        while path.exists():
            try:
                with open(path, "wb") as pipe:
                    pipe.write(LINE.encode() * 40)
            except BrokenPipeError:
                pass
            time.sleep(1)  # the reader must reach the end before the next writer opens the pipe

    threading.Thread(target=write, daemon=True).start()


def _unreadable(path):
    path.write_text(LINE * 40)
    path.chmod(0)


def _shrinking(path):
    """A file that a thread truncates and restores, again and again."""
    path.write_text(LINE * 200_000)

    def shrink():
        while path.exists():
            try:
                with open(path, "r+b") as file:
                    file.truncate(len(LINE) * 100_000)
                    file.truncate(len(LINE) * 200_000)
            except FileNotFoundError:
                pass

    threading.Thread(target=shrink, daemon=True).start()


def _many_symbols(number):
    """The first ``number`` code points from U+0100 on that are characters, each once."""

    def make(path):
        points = [code for code in range(0x100, 0x110000) if not 0xD800 <= code < 0xE000][:number]
        path.write_text("\n".join("".join(map(chr, points[start : start + 60])) for start in range(0, number, 60)))

    return make


def _many_words(number):
    return lambda path: path.write_text("\n".join(f"word{n} other{n} " for n in range(number // 2)))


def with_large_window(xz: bytes) -> bytes:
    """A file of xz that asks for a window of 3 GB."""
    header = bytearray(xz[12 : 12 + 4 * (xz[12] + 1) - 4])  # of its first block, without the checksum
    header[4] = 39
    return xz[:12] + header + zlib.crc32(header).to_bytes(4, "little") + xz[12 + len(header) + 4 :]


def _zipped(path):
    """A zip archive of many files with the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            archive.writestr(f"{number}.txt", LINE * 1000)


CORPORA = {
    "empty": _file(""),
    "one byte": _file("a"),
    "one line feed": _file("\n"),
    "shorter than a window": _file("a cab\n"),
    "one distinct symbol": _file("a" * 900),
    "one distinct symbol in lines": _file("a\n" * 400),
    "only line feeds": _file("\n" * 900),
    "only spaces": _file(" " * 900),
    "only tabs and spaces": _file(" \t\n" * 300),
    "NULs": _file(b"\0" * 900),
    "text with NULs": _file((LINE + "\0\0") * 40),
    "random bytes": _file(random.Random(1).randbytes(3000)),
    "UTF-8 cut off": _file((LINE * 40).encode() + b"\xe2\x82"),
    "UTF-8 that only continues": _file(b"\x80\x81\n" * 300),
    "UTF-8 too long": _file((LINE * 20).encode() + b"\xc0\xaf"),
    "UTF-8 far too long": _file((LINE * 20).encode() + b"\xf0\x80\x80\x80"),
    "UTF-8 of half a character": _file((LINE * 20) + "\ud800\n"),
    "UTF-8 of two halves": _file((LINE * 20) + "\ud83d\ude00\n"),
    "UTF-8 beyond the last": _file((LINE * 20).encode() + b"\xf4\x90\x80\x80"),
    "UTF-8 of five bytes": _file((LINE * 20).encode() + b"\xf8\x88\x80\x80\x80"),
    "UTF-8 with FE": _file((LINE * 20).encode() + b"\xfe"),
    "UTF-8 with FF": _file((LINE * 20).encode() + b"\xff\n"),
    "a byte order mark": _file("\ufeff" + LINE * 40),
    "byte order marks everywhere": _file(("\ufeff" + LINE) * 40),
    "a byte order mark alone": _file("\ufeff"),
    "UTF-16": _file((LINE * 40).encode("utf-16")),
    "UTF-16 without a mark": _file((LINE * 40).encode("utf-16-le")),
    "a mark of UTF-16 alone": _file(b"\xff\xfe"),
    "half of a character of UTF-16": _file((LINE * 40).encode("utf-16") + b"a"),
    "gzip": _file(gzip.compress(LINE.encode() * 40)),
    "gzip, several files": _file(gzip.compress(LINE.encode() * 20) * 3 + bytes(9)),
    "gzip cut off": _file(gzip.compress(LINE.encode() * 40)[:-9]),
    "gzip damaged": _file(gzip.compress(random.Random(1).randbytes(900).hex().encode()).replace(b"\0\0", b"ab", 1)),
    "gzip of gzip": _file(gzip.compress(gzip.compress(LINE.encode() * 40))),
    "gzip and other bytes": _file(gzip.compress(LINE.encode() * 40) + b"more"),
    "a bomb of gzip": lambda path: path.write_bytes(gzip.compress(bytes(1 << 27))),
    "a bomb of bzip2": lambda path: path.write_bytes(bz2.compress(bytes(1 << 27))),
    "xz": _file(lzma.compress(LINE.encode() * 40)),
    "xz with a large window": _file(with_large_window(lzma.compress(LINE.encode()))),
    "zstd": _file(b"\x28\xb5\x2f\xfd" + bytes(40)),
    "a zip archive": _zipped,
    "a PDF document": _file(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" * 40),
    "separators": _file((LINE * 3 + "\n%\n") * 12 + "%\n%\n"),
    "vertical tabs": _file(LINE.replace(" ", "\v") * 40),
    "UTF-32": _file((LINE * 40).encode("utf-32")),
    "Latin-1": _file("Käse für alle\n".encode("latin-1") * 60),
    "CRLF": _file(LINE.replace("\n", "\r\n") * 40),
    "CR": _file(LINE.replace("\n", "\r") * 40),
    "mixed line ends": _file((LINE + "b\r\nc\rd\n\re\r\r\n") * 30),
    "NEL, LS, PS": _file("a\u0085b\u2028c\u2029d\v\f\x1c\x1d\x1e\n" * 60),
    "combining marks": _file(("a" + "\u0301" * 30 + "\n") * 30),
    "both directions": _file("\u202eabc\u202c \u2067def\u2069 \u05d0\u0628\n" * 40),
    "control characters": _file("".join(map(chr, range(0xA0))) * 10),
    "sequences for a terminal": _file("\x1b[2J\x1b]0;title\x07\x9b31m\n" * 40),
    "beyond the first plane": _file("😀👩‍👩‍👧‍👧🏳️‍🌈\n" * 60),
    "not characters": _file("\ufffe\uffff\U0010ffff\n" * 100),
    "<EOS> and <UNK> as text": _file("<EOS><UNK>\n" * 60),
    "a very long word": _file("a" * 100_000 + " b\n" * 30),
    "a table": _file("id,label,text\n" + '1,x,"a, ""b"""\n2,y,"c\nd"\n' * 30),
    "a table with an open quote": _file("label,text\n" + 'x,a\ny,"b\n' * 30 + "x,c\n" * 9000),
    "a table with ragged lines": _file("x\ta\ty\nx\ta\n\ty\n\t\t\t\n" * 30),
    "objects in JSON": _file('{"1": "x", "2": "a"}\n{"1": ["x"], "2": null}\n' * 30),
    "broken JSON": _file("{\n" * 30 + '{"a":' * 1200 + "\n"),
    "CoNLL-U": _file(("# text = a b\n1\ta" + "\t_" * 4 + "\t0" + "\t_" * 3 + "\n1.1" + "\t_" * 9 + "\n\n") * 30),
    "comments": _file("# 1\na x\n# b x\n#\n\n#c y\n" * 30),
    "labels of fastText": _file("__label__x\ta\n__label__ b\n__label__\n__label__y __label__z c\n" * 30),
    "no line end at all": _file("abc def " * 4000),
    "every line its own": _file("".join(f"{n:x}\n" for n in range(2000))),
    "ten thousand distinct symbols": _many_symbols(10_000),
    "ten thousand distinct words": _many_words(10_000),
    "a file that shrinks": _shrinking,
    "a pipe": _pipe,
    "a folder": lambda path: path.mkdir(),
    "no file": lambda path: None,
    "no reading allowed": _unreadable,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a device without anything": lambda path: path.symlink_to(os.devnull),
}
LARGE = {
    "a line of 64 MB": lambda path: path.write_text("abcdefgh" * (8 << 20)),
    "a million distinct symbols": _many_symbols(1_000_000),
    "a million distinct words": _many_words(1_000_000),
}
OPTIONS = {
    "char": ["--stream"],
    "lines": ["--lines"],
    "word": ["--level", "word", "--stream"],
    "subword": ["--level", "subword", "--stream"],
    "subword lines": ["--level", "subword", "--lines"],
    "byte": ["--level", "byte", "--stream"],
    "tokens": ["--level", "token", "--stream"],
    "items": ["--separator", ""],
    "normalised": ["--normalize", "NFKC", "--lines"],
    "byte lines": ["--level", "byte", "--lines"],
    **{task: ["--task", task] for task in TASKS},
    "a column": ["--lines", "--columns", "1"],
    **{f"vectors, {task}": ["--input", "vectors", "--task", task] for task in OF_VECTORS},
    **{f"columns, {task}": ["--task", task, "--columns", "1,2"] for task in PREDICTING},
}
EXAMPLES = "examples.txt"
ANSWERED = {
    "classify": b"%l\t%a\n",
    "generate": b"%a\t%l\n",
    "tag": b"%l\t%a\n",
    "translate": b"%l\t%l\n",
    "chords": b"%l\n",
}


def answered(text: Path, task: str) -> Path:
    """Make a file of examples for a task from the lines of a text, next to it; if the text is no readable file, return
    it as it is."""
    path = text.with_name(EXAMPLES)
    if not text.is_file() or not os.access(text, os.R_OK):
        return text
    with open(text, "rb") as lines, open(path, "wb") as examples:
        for number, line in enumerate(lines):
            answer = b"yes" if number % 2 else b"no"
            examples.write(ANSWERED[task].replace(b"%a", answer).replace(b"%l", line.rstrip(b"\n")))
    return path


def with_vectors(text: Path) -> Path:
    """Make a table of vectors of the lines of a text, next to it: some begin with numbers, some lines separate two
    sequences, and the text itself comes at the end. If it is no readable file, return it as it is."""
    path = text.with_name(EXAMPLES)
    if not text.is_file() or not os.access(text, os.R_OK):
        return text
    with open(text, "rb") as lines, open(path, "wb") as table:
        for number, line in enumerate(lines):
            table.write(b"%d %d x\n\n" % (number % 7, number % 5) if number < 8 else b"")
            table.write(b"1 2 " + line.rstrip(b"\n") + b"\n\n")
    return path


def hostile(folder: Path, corpora=(*CORPORA, *LARGE), kinds=tuple(OPTIONS)) -> Iterator[str]:
    """Train about twenty updates on each text as each kind of model, score the text, and sample from the model."""
    with ForkServer(folder) as server:
        for name in corpora:
            workdir = folder / "workdir"
            workdir.mkdir()
            (CORPORA | LARGE)[name](workdir / "text.txt")
            for kind in kinds:
                found = _use(server, workdir, OPTIONS[kind], name in LARGE)
                yield f"{name}, {kind}: {found}" if found else ""
            if (workdir / "text.txt").is_fifo():
                (workdir / "text.txt").rename(folder / "pipe")  # its writer waits for a reader
                os.close(os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK))
                (folder / "pipe").unlink()
            shutil.rmtree(workdir)


def _use(server, workdir, options, is_large):
    for name in ("m.npz", EXAMPLES):  # of the kinds before this one
        (workdir / name).unlink(missing_ok=True)
    has_lines = "--lines" in options or "--separator" in options
    model, length = ["--model", "m.npz"], ["--max-length" if has_lines else "--length", "60"]
    if "--task" in options:
        path = workdir / "text.txt"
        if "vectors" in options:
            text = with_vectors(path).name
        else:
            text = path.name if "--columns" in options else answered(path, options[-1]).name
        sampling, scoring = [], [["evaluate"], ["predict"]]
        if options[-1] == "chords":
            sampling, scoring = [["sample", *model, *length]], [["evaluate"], ["perplexity"]]
    else:
        text = "text.txt"
        sampling = [["sample", *model, "--max-tries", "20", *length]]
        scoring = [["perplexity", *rows] for rows in ([], ["--per-line"], ["--per-token"], ["--per-word"])]
    size = ["--batch", "256", "--steps", "64"] if is_large else []
    epochs = "0.001" if is_large else "1"
    code, errors = server.run(["train", text, "-o", "m.npz", *SMALL, *size, *options, "--epochs", epochs], workdir)
    found = complaint(code, errors, (0, 1))
    left = sorted(path.name for path in workdir.iterdir() if path.name not in ("text.txt", text, "m.npz"))
    if found or left:
        return f"train: {found or left}"
    if code and (workdir / "m.npz").exists():
        return "a failed training left a model"
    if code == 0:
        scoring = [] if is_large else [[*command, *model, text] for command in scoring]
        for command in [["info", "m.npz"], *sampling, *scoring]:
            code, errors = server.run(command, workdir)
            if complaint(code, errors, (0, 1)):
                return f"{' '.join(command)}: {complaint(code, errors, (0, 1))}"
    return ""
