"""Commands whose work several processes share write the same bytes as one process, whatever form of output is asked
for, and end with the same error."""

import random
from pathlib import Path

import pytest
from conftest import WORDS, said

GOLDEN = Path(__file__).parents[1] / "golden"
STREAM, LINES, SUBWORDS = (GOLDEN / f"format-{name}.npz" for name in ("8-earlier", "6", "6-subword"))
CLASSIFIER, TRANSLATOR, TAGGER = (GOLDEN / f"format-3-{name}.npz" for name in ("classify", "translate", "tag"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Texts that make several jobs."""
    folder, choice = tmp_path_factory.mktemp("texts"), random.Random(3)
    stream = "".join(" ".join(choice.choices(WORDS, k=9)) + "\n" for _ in range(4000))
    (folder / "text.txt").write_text(stream, encoding="utf-8")
    lines = "".join("".join(choice.choices("abcdefg ", k=choice.randint(0, 9))) + "\n" for _ in range(20_000))
    (folder / "lines.txt").write_text(lines, encoding="utf-8")
    (folder / "words.txt").write_text(lines[:20_000].replace(" ", ""), encoding="utf-8")
    (folder / "latin.txt").write_bytes(b"abc\n" * 900 + b"a\xffb\n" + b"cab\n" * 900)
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ("perplexity", "-m", STREAM, "text.txt"),
        ("perplexity", "-m", STREAM, "--json", "text.txt", "lines.txt"),
        ("perplexity", "-m", STREAM, "--per-token", "text.txt"),
        ("perplexity", "-m", STREAM, "-m", LINES, "--json", "lines.txt"),
        ("perplexity", "-m", LINES, "--per-line", "lines.txt"),
        ("perplexity", "-m", SUBWORDS, "--per-word", "--json", "lines.txt"),
        ("perplexity", "-m", LINES, "--adapt", "--json", "words.txt"),
        ("perplexity", "-m", STREAM, "text.txt", "missing.txt"),
        ("evaluate", "-m", STREAM, "text.txt"),
        ("sample", "-m", LINES, "--count", "300", "--seed", "4"),
        ("sample", "-m", LINES, "--count", "80", "--seed", "4", "--unique", "--json"),
        ("sample", "-m", LINES, "--count", "2000", "--seed", "4", "--unique", "--max-length", "2"),
        ("sample", "-m", STREAM, "--count", "20", "--length", "60", "--seed", "4", "--allow-copies"),
        ("predict", "-m", CLASSIFIER, "words.txt"),
        ("predict", "-m", TRANSLATOR, "--json", "words.txt"),
        ("predict", "-m", TAGGER, "words.txt"),
        ("predict", "-m", CLASSIFIER, "latin.txt"),
        ("info", LINES),
        ("--help",),
    ],
    ids=lambda arguments: "-".join(getattr(argument, "stem", argument).strip("-") for argument in arguments),
)
def test_the_bytes_of_one_process(arguments, launcher, folder):
    code, out, errors = launcher.charlm(1, *arguments, folder=folder)
    for number in (2, 4):
        found = launcher.charlm(number, *arguments, folder=folder)
        assert found[:2] == (code, out), found[2]
        told = [line for line in said(found[2]) if "of the" not in line or "processes does the work" not in line]
        assert told == said(errors)


def test_a_page_is_written_once(launcher, folder):
    pages = []
    for number in (1, 3):
        page = launcher.folder / f"{number}.html"
        code, _, errors = launcher.charlm(number, "perplexity", "-m", STREAM, "--html", page, "text.txt", folder=folder)
        assert not code, errors
        pages.append(page.read_text(encoding="utf-8").replace(page.name, "page"))
    assert pages[0] == pages[1]


def test_standard_input_is_refused(launcher, folder):
    code, out, errors = launcher.charlm(2, "perplexity", "-m", STREAM, folder=folder)
    assert code and not out
    assert said(errors) == [
        "charlm: error: standard input does not reach the processes of an MPI job completely: name a file"
    ]
