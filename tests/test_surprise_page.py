"""Surprise as colour: in the terminal, and on a page that is whole, safe and in order."""

import html.parser
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from test_scoring import model_of, random_text

import charlm
from charlm.cli import program
from charlm.reports import surprise_page as page
from charlm.reports.surprise_page import COLUMNS, Page
from charlm.scoring.blocks import blocks
from charlm.scoring.palette import BANDS, ON_DARK, ON_LIGHT, bands_of, legend
from charlm.scoring.pipeline import scored_blocks

EVIL = "<b>&amp;</script><script>alert(1)</script> @DATA@ \x1b[31m \u202e é\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model_of(symbols="abcdefg <>/").save("m.npz")
    Path("text.txt").write_text("abc\n\nefgefg\n" + EVIL, encoding="utf-8")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(program, ["perplexity", "--model", "m.npz", *arguments])


# Bands and colours


def luminance(colour):
    """Of sRGB, 0…1 (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_lightness_tells_the_bands_apart_without_hue():
    for colours, bare, direction in ((ON_DARK, "#000000", 1), (ON_LIGHT, "#ffffff", -1)):
        grounds = [luminance(ground) for ground, _ in colours]
        steps = [direction * (b - a) for a, b in zip(grounds, grounds[1:], strict=False)]
        assert min(steps) > 0.05
        assert contrast(colours[0][0], bare) > 1.3
        assert min(contrast(ground, ink) for ground, ink in colours) >= 4.5


def test_bands():
    for level, edges in BANDS.items():
        bits = np.array([0.0, *np.repeat(edges, 2)]) + [0, *np.tile([-0.01, 0.01], len(edges))]
        assert bands_of(bits * np.log(2), level).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5]
        assert len(legend(level)) == len(ON_DARK) + 1 == 6


def test_the_colours_are_among_the_256_of_a_terminal():
    steps = {"00", "5f", "87", "af", "d7", "ff"}
    for colour in (colour for pair in ON_DARK + ON_LIGHT for colour in pair):
        assert {colour[i : i + 2] for i in (1, 3, 5)} <= steps


# The terminal


def painted(folder, *arguments, **env):
    command = [sys.executable, "-m", "charlm", "perplexity", "--model", "m.npz", "--color", *arguments]
    env = os.environ | {"COLUMNS": "40", "TERM": "xterm", "COLORTERM": "", "COLORFGBG": ""} | env
    return subprocess.run(command, env=env, stdout=subprocess.PIPE, timeout=120, check=True).stdout.decode()


def plain(text):
    return re.sub("\x1b\\[[0-9;]*m", "", text)


@pytest.mark.parametrize(("terminal", "code"), [("truecolor", "48;2;"), ("", "48;5;")])
def test_colours_of_the_terminal(folder, terminal, code):
    found = painted(folder, "text.txt", COLORTERM=terminal)
    assert code in found and ("48;2;" in found) != ("48;5;" in found)
    assert "\x1b[31m" not in found and "\u202e" not in found
    assert "␛[31m" in plain(found).replace("\n", "") and "\\u202e" in plain(found).replace("\n", "")
    assert plain(found).startswith("bits per character:  0–2 ")


def test_painted_text_is_the_text_wrapped_at_the_width(folder):
    Path("long.txt").write_text("abc de " * 20 + "\n" + "a" * 100 + "\nfe\n")
    _, _, text = plain(painted(folder, "long.txt")).partition("unknown\n\n")
    assert max(map(len, text.splitlines())) <= 40
    wanted = Path("long.txt").read_text()
    assert re.sub(r"[\s↵]", "", text) == re.sub(r"\s", "", wanted)
    wide = plain(painted(folder, "long.txt", COLUMNS="200")).partition("unknown\n\n")[2]
    assert [line.rstrip("↵ ") for line in wide.splitlines()] == [line.rstrip() for line in wanted.splitlines()]


def ground(colour):
    """Of some text, as true colour."""
    return "48;2;" + ";".join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5)) + "m"


@pytest.mark.parametrize(
    ("arguments", "says", "colours"),
    [
        ([], "", ON_DARK),
        ([], "15;0", ON_DARK),
        ([], "15;8", ON_DARK),
        ([], "0;15", ON_LIGHT),
        ([], "0;default;7", ON_LIGHT),
        ([], "default;default", ON_DARK),
        (["--background", "light"], "15;0", ON_LIGHT),
        (["--background", "dark"], "0;15", ON_DARK),
    ],
)
def test_light_terminals_have_colours_of_their_own(folder, monkeypatch, arguments, says, colours):
    monkeypatch.setenv("COLORFGBG", says)
    monkeypatch.setenv("COLORTERM", "truecolor")
    legend_line = run("text.txt", "--color", *arguments).stdout.splitlines()[0]
    assert re.findall(r"48;2;[\d;]+m", legend_line) == [ground(colour) for colour, _ in colours]


def test_each_token_has_the_colour_of_its_band(folder):
    model = charlm.load("m.npz")
    ((block,),) = scored_blocks([model], blocks(["abcdefg/\n"], True))
    bands = bands_of(block.scores.nats, "char").tolist()
    Path("one.txt").write_text("abcdefg/\n")
    body = painted(folder, "one.txt", COLORTERM="truecolor").splitlines()[-1]
    for symbol, band in zip("abcdefg/", bands[:-1], strict=True):
        if band:
            assert re.search(f"{ground(ON_DARK[band - 1][0])}[^\x1b]*{symbol}", body)
    assert len(set(bands)) > 1


# The page


class Parsed(html.parser.HTMLParser):
    """What a browser would see: the lines as (number, text, classes of the tokens), the data, what is loaded."""

    def __init__(self, text):
        super().__init__()
        self.lines, self.scripts, self.loaded, self.inside = [], [], [], []
        self.feed(text)
        (self.data,) = (json.loads(script) for kind, script in self.scripts if kind == "application/json")

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.loaded += [value for name, value in attributes.items() if name in ("src", "href")]
        if tag == "li":
            self.lines.append((int(attributes["data-line"]), [], []))
        elif tag == "b":
            self.lines[-1][2].append(attributes["class"])
        elif tag == "script":
            self.scripts.append((attributes.get("type"), ""))
        self.inside.append(tag)

    def handle_endtag(self, tag):
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, text):
        if self.inside and self.inside[-1] == "b":
            self.lines[-1][1].append(text)
        elif self.inside and self.inside[-1] == "script":
            kind, script = self.scripts[-1]
            self.scripts[-1] = kind, script + text


def test_the_page(folder):
    done = run("text.txt", "--html", "page.html", "--json")
    wrote, warning = done.stderr.splitlines()
    assert done.exit_code == 0 and wrote == "wrote page.html" and "52.8 % of the tokens (38 of 72) are <UNK>" in warning
    assert json.loads(done.stdout) == charlm.perplexity(charlm.load("m.npz"), Path("text.txt").read_text()).as_dict()
    text = Path("page.html").read_text(encoding="utf-8")
    assert f"spelled</dt><dd>{json.loads(done.stdout)['bits_per_character_spelled']:.3f}</dd>" in text
    found = Parsed(text)
    assert found.loaded == ["data:,"] and "://" not in text and "url(" not in text
    assert len(found.scripts) == 2 and "alert" not in found.scripts[1][1]
    assert not re.search("@[A-Z]+@", text.replace("@DATA@", "", 1)) and "\x1b" not in text and "\u202e" not in text
    shown = {number: "".join(tokens) for number, tokens, _ in found.lines}
    assert shown[1] == "abc↵" and shown[3] == "efgefg↵" and 2 not in shown
    assert shown[4].startswith("<b>&amp;</script><script>alert(1)</script> @DATA@ ␛[31m \\u202e é")
    assert all(re.fullmatch("s[0-5]( u)?", kind) for *_, kinds in found.lines for kind in kinds)


def test_the_page_tells_probability_and_alternatives_of_each_token(folder):
    run("text.txt", "--html", "page.html")
    found = Parsed(Path("page.html").read_text(encoding="utf-8"))
    model = charlm.load("m.npz")
    text = Path("text.txt").read_text(encoding="utf-8")
    ((block,),) = scored_blocks([model], blocks([text], True), columns=COLUMNS)
    starts = np.cumsum(block.lengths) - block.lengths
    bits = block.sums(block.scores.nats) / block.lengths
    order = [number for number, *_ in found.lines]
    assert order == sorted(order, key=lambda number: -bits[number - 1]) and len(order) == 3
    for (number, tokens, _), figures in zip(found.lines, found.data["lines"], strict=True):
        assert len(tokens) == len(figures) == block.lengths[number - 1]
        for place, (probability, *others) in enumerate(figures, starts[number - 1]):
            assert probability == pytest.approx(np.exp(-block.scores.nats[place]), rel=1e-3)
            names = [found.data["names"][name] for name in others[0::2]]
            decoded = [model.vocabulary.decode([symbol]) for symbol in block.scores.most_likely[place].tolist()]
            renamed = {"\n": "end of the line", "<UNK>": "an unknown character", " ": "␣"}
            assert names == [renamed.get(name, name) for name in decoded]
            assert others[1::2] == pytest.approx(block.scores.probabilities[place].tolist(), rel=1e-3)
            assert others[1::2] == sorted(others[1::2], reverse=True)


@pytest.mark.parametrize("size", [37, 10**6])
def test_the_page_keeps_the_most_surprising_lines(monkeypatch, size):
    monkeypatch.setattr(page, "MOST_LINES", 5)
    monkeypatch.setattr(page, "LONGEST", 8)
    monkeypatch.setattr("charlm.scoring.blocks.BLOCK", size)
    model = model_of()
    text = random_text(600)
    found, bits = Page(model.vocabulary), []
    for (block,) in scored_blocks([model], blocks([text], True), columns=COLUMNS):
        found.add(block)
        bits += (block.sums(block.scores.nats) / block.lengths).tolist()
    lines = text.split("\n")
    wanted = sorted((i for i in range(len(bits)) if lines[i]), key=lambda i: -bits[i])[:5]
    kept = sorted((line for *_, line in found._worst), key=lambda line: -line.bits)
    assert [line.number - 1 for line in kept] == wanted
    assert all(len(line.symbols) + line.not_shown == len(lines[line.number - 1]) + 1 for line in kept)
    assert max(len(line.symbols) for line in kept) <= 8


def test_many_files_are_counted_and_not_named(folder):
    names = [f"a file with a long name {number}.txt" for number in range(300)]
    for name in names:
        Path(name).write_text("abc\n", encoding="utf-8")
    assert run("--html", "page.html", *names).exit_code == 0
    heading = re.search("<h1>(.*)</h1>", Path("page.html").read_text(encoding="utf-8"))[1]
    assert heading == "How surprising is a file with a long name 0.txt and 299 more files to m.npz?"
    assert run("--html", "page.html", *names[:3]).exit_code == 0
    assert ", ".join(names[:3]) in Path("page.html").read_text(encoding="utf-8")


def test_a_page_is_written_over_pages_only(folder):
    assert run("text.txt", "--html", "page.html").exit_code == 0
    assert run("text.txt", "--html", "page.html").exit_code == 0
    Path("notes.html").write_text("<!doctype html>my notes")
    for place, words in (
        ("notes.html", "not a surprise page of charlm"),
        ("text.txt", "reads or writes"),
        ("m.npz", "reads or writes"),
        (".", "folder"),
        ("missing/page.html", "no folder missing"),
        ("n" * 300, "too long"),
    ):
        before = sorted(Path().iterdir())
        done = run("text.txt", "--html", place)
        assert done.exit_code == 1 and words in done.stderr and done.stderr.count("\n") == 1
        assert sorted(Path().iterdir()) == before
    assert Path("notes.html").read_text() == "<!doctype html>my notes"


# Options that do not go together


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--per-line", "--per-token"], "--per-line and --per-token"),
        (["--per-word", "--per-token"], "--per-token and --per-word"),
        (["--header"], "--header goes with --per-line, --per-token or --per-word"),
        (["--per-word", "--header", "--json"], "leave --header out"),
        (["--color", "--unit", "bits"], "--color paints by bits"),
        (["--per-word", "--unit", "bans"], "--unit must be nats, bits or log10, not 'bans'"),
        (["--per-line", "--color"], "--per-line and --color"),
        (["--html", "p.html", "--baselines", "text.txt"], "--html and --baselines"),
        (["--color", "--json"], "--json"),
        (["--background", "light"], "--color only"),
        (["--per-line", "--model", "m.npz"], "one --model"),
        (["-", "--baselines", "-"], "only once"),
        (["-", "-"], "only once"),
    ],
)
def test_options_that_do_not_go_together(folder, arguments, words):
    done = run("text.txt", *arguments)
    assert done.exit_code == 2 and words in done.stderr and done.stderr.count("\n") == 1
