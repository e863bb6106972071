"""Control characters written to a terminal, its width, locales, and extreme values of the sampling options."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import tty
import unicodedata
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

from charlm.model import Model, load_model
from charlm.modelfile import save_model
from charlm.network.architecture import Architecture
from charlm.text.layout import width_of
from charlm.text.vocabulary import SPECIAL, Vocabulary

from .runs import CHARLM, SMALL, TASKS, ForkServer, complaint, digest, new_folder, run

HARMFUL = [*range(0xA0), 0xAD, 0x061C, 0x200B, *range(0x200E, 0x2010), *range(0x2028, 0x202F), *range(0x2066, 0x206A)]
WRITES_EVERYTHING = """
import sys
from charlm.display import write_text
for start in range(0, 0x110000, 4096):
    write_text("".join(map(chr, range(start, start + 4096))))
"""


def through_a_terminal(command, cwd: Path, columns: int = 0, rows: int = 24, env: dict | None = None) -> str:
    """The output of a command on a terminal, stdout and stderr together. columns: of the terminal, 0 if it does not
    tell; env: variables of the environment besides those of this process."""
    above, below = pty.openpty()
    if columns:
        fcntl.ioctl(below, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    tty.setraw(below, termios.TCSANOW)  # the terminal must not translate line feeds
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=os.environ | (env or {}),
        stdin=subprocess.DEVNULL,
        stdout=below,
        stderr=below,
        close_fds=True,
    )
    os.close(below)
    pieces = []
    while True:
        try:
            piece = os.read(above, 1 << 16)
        except OSError:  # the last writer has closed it
            break
        if not piece:
            break
        pieces.append(piece)
    process.wait()
    os.close(above)
    return b"".join(pieces).decode("utf-8", "surrogateescape")


def harmful_in(text: str) -> set[str]:
    """The characters of a text that could control a terminal: control characters except line feed and tab, format
    characters, surrogates, line separators."""
    kinds = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return {character for character in set(text) - {"\n", "\t"} if unicodedata.category(character) in kinds}


def each_code_point(folder: Path) -> Iterator[str]:
    """Write every code point as samples are written: none that could control the terminal may reach it."""
    command = [sys.executable, "-c", WRITES_EVERYTHING]
    harmful = harmful_in(through_a_terminal(command, folder))
    for code in range(0x110000):
        yield f"U+{code:04X} reached the terminal" if chr(code) in harmful else ""


def hostile_model(folder: Path) -> Path:
    """A model that samples every harmful character equally often, with a harmful file name in its header."""
    symbols = [chr(code) for code in HARMFUL if code != 10]
    vocabulary = Vocabulary("char", symbols)
    architecture = Architecture(len(vocabulary), "rnn", 2, 1)
    parameters = np.zeros(architecture.number_of_parameters, np.float32)
    parameters[-len(vocabulary) + SPECIAL.index("<UNK>")] = -30  # b_y: it is not sampled
    corpus = {"names": ["\x1b[2J.txt"], "sha256": "\x9b", "bytes": 1, "train_tokens": 1, "held_out_tokens": 1}
    training = {"corpus": corpus, "settings": {"\x1b": 1, "seed": 1}}
    model = Model(
        architecture=architecture, vocabulary=vocabulary, parameters=parameters, lines=False, training=training
    )
    save_model(model, folder / "hostile.npz")
    return folder / "hostile.npz"


def by_commands(folder: Path, length: int = 4000) -> Iterator[str]:
    """Run each command that shows parts of a model or a text on a terminal; then check that a pipe gets exact text."""
    hostile_model(folder)
    text = "".join(map(chr, HARMFUL)) + "\n"
    (folder / "text.txt").write_bytes(text.encode() * 3)
    (folder / "\x1b[2J.txt").write_bytes(b"\xff")
    model = ["--model", "hostile.npz"]
    sample = ["sample", *model, "--length", length, "--seed", "1"]
    commands = [
        sample,
        [*sample, "--json"],
        ["info", "hostile.npz"],
        ["info", "hostile.npz", "--json"],
        ["info", "\x1b[2J.txt"],
        ["info", "no\x1b[2J\u202e.npz"],
        ["perplexity", *model, "\x1b[2J.txt"],
        ["perplexity", *model, "text.txt"],
        ["perplexity", *model, "--per-line", "text.txt"],
        ["perplexity", *model, "--per-token", "text.txt"],
        ["perplexity", *model, "--per-word", "text.txt"],
        ["states", *model, "text.txt"],
        ["states", *model, "--per-line", "text.txt"],
        ["train", "\x1b[2J.txt", "-o", "m.npz"],
        ["train", "text.txt", "-o", "m\x1b[31m.npz", *SMALL, "--epochs", "1", "--quiet"],
        ["sample", *model, "--start-with", "é\x1b[2J"],
        ["\x1b[2J"],
    ]
    for command in commands:
        shown = through_a_terminal([*CHARLM, *map(str, command)], folder)
        harmful = harmful_in(shown)
        yield f"{command}: {harmful}" if harmful or not shown and "--quiet" not in command else ""
    exact = run(*sample, cwd=folder).stdout
    texts = [json.loads(line)["text"] for line in run(*sample, "--json", cwd=folder).stdout.splitlines()]
    symbols = load_model(folder / "hostile.npz").vocabulary.symbols
    yield "" if exact.startswith(texts[0]) and set(symbols) - set(texts[0]) == set() else "a pipe is not exact"


WIDTHS = (120, 80, 60, 40)
TERMINALS = ({"TERM": "xterm"}, {"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb"}, {"PYTHONIOENCODING": "ascii"})
WATCHED = {
    "stream": ["--stream"],
    "lines": ["--lines"],
    "words": ["--stream", "--level", "word"],
    "subwords": ["--stream", "--level", "subword"],
    "bytes": ["--stream", "--level", "byte"],
    **{task: ["--task", task] for task in TASKS},
}


def pictures(output: str) -> list[str]:
    """The lines that a terminal has shown, each time that they were drawn."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.replace("\r", "\n")).split("\n")


def misfits(shown: str, columns: int) -> str:
    """What a terminal of so many columns could not show of a training, "" for nothing: each line must fit, a text may
    be broken at spaces only, and a person must see how far it is, and how it ended."""
    lines = pictures(shown)
    wide = [line for line in lines if width_of(line) > columns]
    if wide:
        return f"too wide: {wide[0]!r}"
    if not any(re.search(r"\d %(  |$)", line) for line in lines):
        return "nobody sees how far it is"
    return (
        "" if "next, type" in shown.replace("\r\n", " ") and "wrote m.npz" in shown else "it does not say how it ended"
    )


def trainings_watched(folder: Path, widths=WIDTHS, terminals=TERMINALS, kinds=tuple(WATCHED)) -> Iterator[str]:
    """Train each kind of model on terminals of several widths and kinds: every line must fit."""
    for number, (kind, columns, variables) in enumerate(product(kinds, widths, terminals)):
        workdir = new_folder(folder, number, WATCHED[kind])
        command = ["train", "text.txt", "-o", "m.npz", *WATCHED[kind], *SMALL[:-2], "--minutes", "0.05"]
        shown = through_a_terminal([*CHARLM, *command], workdir, columns, env=variables)
        problem = misfits(shown, columns) or (harmful_in("".join(pictures(shown))) and "control characters")
        yield f"{kind}, {columns} columns, {variables}: {problem}" if problem else ""


LOCALES = (
    {"LC_ALL": "C"},
    {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"LC_ALL": "C.UTF-8"},
    {"LC_ALL": "tr_TR.UTF-8"},
    {"LC_ALL": "en_US.ISO-8859-1", "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"},
    {"LC_ALL": "nowhere", "PYTHONIOENCODING": "ascii:strict"},
)


RUNS_EACH = """
import sys
from charlm.cli import program
commands = [[]]
for word in sys.argv[1:]:
    commands.append([]) if word == "then" else commands[-1].append(word)
for command in commands:
    try:
        program.main(command, prog_name="charlm")
    except SystemExit as ended:
        if ended.code:
            raise
"""


def in_locales(folder: Path, locales=LOCALES) -> Iterator[str]:
    """Train on a text that is not ASCII, then sample, score and show the model in one process, in each locale: the
    bytes must be the same in all."""
    wanted = None
    for number, locale in enumerate(locales):
        workdir = new_folder(folder, number)
        (workdir / "texté.txt").write_text("köṣe ağaç ☃ 😀 İıIi\n" * 40, encoding="utf-8")
        settings = {"cwd": workdir, "env": {k: v for k, v in os.environ.items() if not k.startswith("LC_")} | locale}
        first = run("train", "texté.txt", "-o", "é.npz", *SMALL, "--stream", "--epochs", "2", **settings)
        sample = ["sample", "--model", "é.npz", "--length", "30", "--seed", "1", "--allow-copies"]
        score = ["perplexity", "--model", "é.npz", "--per-token", "texté.txt"]
        use = [*sample, "then", *score, "then", "info", "é.npz"]
        second = run(*use, program=[sys.executable, "-c", RUNS_EACH], **settings)
        problem = "".join(complaint(done.returncode, done.stderr, (0,)) for done in (first, second))
        found = digest(workdir / "é.npz"), second.stdout
        wanted = wanted or found
        yield f"{locale}: {problem or 'other results'}" if problem or found != wanted else ""


EDGES = (
    *(["--temperature", value] for value in ("0", "1e-300", "1e-9", "1", "1e9", "1e300", "inf", "nan", "-1")),
    *(["--top-k", value] for value in ("0", "1", "2", "1000000", "-1", "1.5")),
    *(["--top-p", value] for value in ("0", "1e-300", "0.5", "1", "1.0000001", "nan")),
    *(["--min-p", value] for value in ("0", "1e-300", "1", "2")),
    *(["--length", value] for value in ("0", "1", "2", "-1", "99999999999999999999")),
    *(["--count", value] for value in ("0", "1", "1000", "-1")),
    *(["--start-with", value] for value in ("", "a", "\n", "unknown ☃", "\x1b", "a" * 3000)),
    *(["--prime", value] for value in ("", "a", "unknown ☃", "\n" * 3000)),
    *(["--seed", value] for value in ("0", str(2**64), str(10**40), "-1")),
    *(["--max-tries", value] for value in ("0", "1")),
    *(["--stop", value] for value in ("", "a", "\n", "☃")),
    *(["--threads", value] for value in ("0", "1", "1024")),
    ["--temperature", "0", "--top-k", "1", "--top-p", "1e-300", "--min-p", "1"],
    ["--temperature", "1e-300", "--unique", "--count", "3"],
    ["--fill", "a____b"],
    ["--fill", ""],
    ["--best-of", "0"],
    ["--best-of", "50"],
    *(["--most-likely", value] for value in ("0", "1", "-1")),
    ["--most-likely", "1000", "--length", "3", "--allow-copies"],
    ["--most-likely", "3", "--stop", "a", "--min-length", "3"],
)


def options_at_edges(folder: Path, longest: int = 1_000_000) -> Iterator[str]:
    """Extreme values of each sampling option, for a model of a stream and one of lines; then one long stream."""
    with ForkServer(folder) as server:
        workdir = new_folder(folder, "workdir")
        for lines in (False, True):
            train = ["train", "text.txt", "-o", "m.npz", *SMALL, "--lines" if lines else "--stream"]
            code, errors = server.run([*train, "--epochs", "2"], workdir)
            for options in EDGES:
                given = [] if {"--length", "--fill"} & set(options) or lines else ["--length", "20"]
                found = complaint(*server.run(["sample", "--model", "m.npz", *given, *options], workdir))
                yield f"{options}, lines {lines}: {found}" if found or code else ""
            if not lines:
                command = ["sample", "--model", "m.npz", "--length", str(longest), "--allow-copies"]
                yield complaint(*server.run(command, workdir), (0,))
