"""Which texts are lists, whose lines are trained on one by one, and that training does what was found.

All samples are made here, by rules and from a few words, or are lists that the project has in corpora/.
"""

import contextlib
import io
import json
import random
import runpy
import sys
import textwrap
import time
from datetime import date, timedelta
from functools import cache, partial
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

import charlm
from charlm.errors import CharlmError
from charlm.learning.checkpoint import last_checkpoint
from charlm.text import reading
from charlm.text.corpus import CorpusOptions, load_corpus
from charlm.text.lists import BEGINNING, FEWEST, is_list

CORPORA = Path(__file__).parent.parent / "corpora"
SMALL = {"hidden": 4, "layers": 1, "batch": 4, "steps": 8, "epochs": 1, "threads": 1}
NOUNS = "river lamp garden winter baker letter window mountain song ferry clock orchard bridge copper valley".split()
VERBS = "keeps finds carries follows leaves paints remembers watches opens mends".split()
ADJECTIVES = "old quiet small golden broken early distant green hollow patient".split()
SYLLABLES = "ka lo mi ren tas vel dor an shi bru pol ett ga nis ber".split()


def made(count, line, seed=1):
    """So many lines, each by ``line(random)``."""
    chance = random.Random(seed)
    return "".join(f"{line(chance)}\n" for _ in range(count))


def word(r, syllables=(1, 2, 3, 4)):
    return "".join(r.choices(SYLLABLES, k=r.choice(syllables)))


def name(r):
    return word(r, (2, 3)).capitalize()


def sentence(r):
    """A sentence of one to three clauses, between 25 and 120 characters."""
    clauses = [
        f"the {r.choice(ADJECTIVES)} {r.choice(NOUNS)} {r.choice(VERBS)} {r.choice(['a', 'the', 'every'])} "
        f"{r.choice(NOUNS)} near the {r.choice(NOUNS)}"
        for _ in range(r.choice([1, 1, 2, 2, 3]))
    ]
    text = r.choice([", and ", ", but ", "; ", " while "]).join(clauses) + r.choice("...?!")
    return text[0].upper() + text[1:]


def paragraph(r, sentences=7):
    return " ".join(sentence(r) for _ in range(sentences))


def prose(width, between="\n", paragraphs=30):
    chance = random.Random(2)
    wrapped = (textwrap.fill(paragraph(chance), width) for _ in range(paragraphs))
    return f"\n{between}".join(wrapped) + "\n"


def verse_line(r, end):
    return f"{r.choice(['The', 'A', 'And', 'No'])} {r.choice(ADJECTIVES)} {r.choice(NOUNS)} {r.choice(VERBS)} the " + (
        f"{r.choice(NOUNS)}{end}"
    )


def verse(ends=(",", ";", "", "."), blank=False, stanzas=30):
    r = random.Random(3)
    found = ["".join(verse_line(r, end) + "\n" for end in ends) for _ in range(stanzas)]
    return ("\n" if blank else "").join(found)


@cache
def corpus_script(script, lines=2000):
    """What a script of corpora/ prints."""
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with mock.patch.object(sys, "argv", [script, "--lines", str(lines)]), contextlib.redirect_stdout(printed):
        with mock.patch.object(sys, "path", [str(CORPORA), *sys.path]):
            runpy.run_path(str(CORPORA / f"{script}.py"), run_name="__main__")
    return printed.buffer.getvalue().decode()


def day(r):
    return date(1990, 1, 1) + timedelta(r.randrange(12000))


def chess_opening(r):
    squares = [f"{r.choice(['', 'N', 'B', 'Q'])}{r.choice('abcdefgh')}{r.randint(3, 6)}" for _ in range(6)]
    moves = r.choice([2, 4, 6])
    return " ".join(f"{i // 2 + 1}. {square}" if i % 2 == 0 else square for i, square in enumerate(squares[:moves]))


def ingredient(r):
    what = f"{r.choice(ADJECTIVES)} {r.choice(NOUNS)}s"
    return r.choice(
        [
            f"{r.randint(1, 9) * 50} g {what}",
            f"{r.randint(1, 4)} tablespoons {what}, finely chopped",
            f"1/2 teaspoon {what}",
            f"{what}, to taste",
        ]
    )


def title(r):
    kind = r.choice(["The {a} {n}", "{n} in the {n2}", "{a} {n}, {a} {n2}", "Where Is the {n}?", "{n}"])
    return kind.format(a=r.choice(ADJECTIVES).title(), n=r.choice(NOUNS).title(), n2=r.choice(NOUNS).title())


def short_sentence(r):
    return f"The {r.choice(ADJECTIVES)} {r.choice(NOUNS)} {r.choice(VERBS)} the {r.choice(NOUNS)}{r.choice('...?!')}"


def chinese_name(r):
    return r.choice("王李张刘陈杨黄赵") + "".join(r.choices("伟芳娜敏静强磊洋艳勇杰娟", k=r.choice([1, 2, 2])))


LISTS = {
    "names": made(300, name),
    "names of people": made(300, lambda r: f"{name(r)} {name(r)}{r.choice(['', ', Jr.', ' III'])}"),
    "names in capitals": made(300, lambda r: f"{name(r)} {name(r)}".upper()),
    "words": made(300, word),
    "a sorted dictionary": "".join(sorted(made(2000, lambda r: r.choice([word(r), name(r)])).splitlines(True))),
    "cities with countries": made(300, lambda r: f"{name(r)}{r.choice(['', ' ' + name(r)])}, {name(r)}"),
    "companies": made(300, lambda r: f"{name(r)} {r.choice(['Inc.', 'Ltd.', '& Sons', 'GmbH', 'Group'])}"),
    "dates in digits": made(300, lambda r: f"{day(r):%Y-%m-%d}"),
    "dates and times": made(300, lambda r: f"{day(r):%Y-%m-%d} {r.randrange(24):02}:{r.randrange(60):02}"),
    "dates in words": made(300, lambda r: f"{day(r).day} {name(r)} {day(r).year}"),
    "e-mail addresses": made(300, lambda r: f"{word(r)}.{word(r)}@{word(r)}.example"),
    "addresses of pages": made(
        300, lambda r: f"https://{word(r)}.example/{word(r)}/{r.choice(['', word(r) + '.html'])}"
    ),
    "paths": made(300, lambda r: "/" + "/".join(word(r) for _ in range(r.randint(2, 6)))),
    "product codes": made(300, lambda r: f"{word(r, (1,)).upper()}-{r.randrange(10**4):04}-{r.choice('ABC')}"),
    "telephone numbers": made(
        300, lambda r: f"0{r.randrange(10, 99)} {r.randrange(100, 999)} {r.randrange(10, 99)} 42"
    ),
    "molecules": made(300, lambda r: "".join(r.choices(["C", "CC", "C(=O)", "O", "N", "c1ccccc1", "[O-]"], k=9))),
    "passwords": made(300, lambda r: "".join(r.choices("abcdefgh12345!?_", k=r.randint(6, 12)))),
    "ingredients": made(300, ingredient),
    "titles": made(300, title),
    "short sentences": made(300, short_sentence),
    "numbers": made(300, lambda r: f"{r.gauss(0, 100):.{r.randint(0, 4)}f}"),
    "sums": partial(corpus_script, "arithmetic"),
    "dates in five ways": partial(corpus_script, "dates"),
    "labels and numerals": partial(corpus_script, "numerals"),
    "pairs of words": made(300, lambda r: f"{word(r)}\t{word(r)}"),
    "chess openings by their moves": made(300, chess_opening),
    "chess openings by their names": made(300, lambda r: f"{name(r)} Defence: {name(r)} Variation, {name(r)} Line"),
    "bullets": made(300, lambda r: f"- {name(r)} {name(r)}"),
    "dinosaurs": (CORPORA / "dinosaurs.txt").read_text(encoding="utf-8"),
    "sentences in German": (CORPORA / "german.txt").read_text(encoding="utf-8"),
    "Chinese names": made(300, chinese_name),
    "Russian names": made(300, lambda r: " ".join(r.choices(["Иванов", "Петр", "Анна", "Ильич", "Волкова"], k=5))),
    "Arabic names": made(300, lambda r: " ".join(r.choices(["محمد", "علي", "فاطمة", "حسن", "زينب"], k=2))),
    "blank lines at the end": made(300, name) + "\n\n \n",
    "one blank line inside": made(150, name) + "\n" + made(150, name, 2),
    "sixty lines": made(60, name),
    "one long line among many": made(300, name) + "x" * 2000 + "\n",
    "spaces at the ends": made(300, lambda r: f"{name(r)} {name(r)}  "),
}


def python_code(r):
    a, b = word(r), word(r)
    return f"def {a}({b}, {word(r)}=0):\n    if {b} > 3:\n        return {word(r)}({b})\n    return {b}"


def script_line(r):
    return f"{r.choice(['ANNA', 'BERT', 'CARL'])}: {sentence(r)[:60]}"


def subtitle(r):
    return f"{r.randrange(900)}\n00:0{r.randrange(9)}:12,000 --> 00:09:15,500\n{short_sentence(r)}\n"


def tabular(r):
    return " ".join(f"{r.gauss(0, 9):.2f}" for _ in range(4))


TEXTS = {
    "prose wrapped at 72": prose(72, "\n"),
    "prose wrapped at 72, without blank lines": prose(72, ""),
    "prose wrapped at 40": prose(40, "\n"),
    "prose wrapped at 40, without blank lines": prose(40, ""),
    "prose without any punctuation": "".join(c for c in prose(50, "") if c not in ",.;?!"),
    "prose in capitals": prose(60, "").upper(),
    "a paragraph in each line": made(80, paragraph),
    "a long sentence in each line": made(80, lambda r: paragraph(r, 2)),
    "Chinese prose": textwrap.fill("山高水长月明风清花开鸟鸣，" * 200, 30) + "\n",
    "verse": verse(),
    "verse in stanzas": verse(blank=True),
    "verse without punctuation": verse(ends=("", "", "", "")),
    "verse that ends each line with a comma or a full stop": verse(ends=(",", ".", ",", ".")),
    "code": made(60, python_code),
    "code in C": made(60, lambda r: f"int {word(r)}(int x)\n{{\n\treturn x + {r.randrange(9)};\n}}"),
    "code without indents": made(90, lambda r: f"{word(r)} = {word(r)}({word(r)});"),
    "HTML": made(90, lambda r: f"<li>{word(r)}</li>"),
    "JSON": json.dumps({str(i): [i, i + 1] for i in range(60)}, indent=1) + "\n",
    "JSON in lines": made(90, lambda r: json.dumps({"name": word(r), "age": r.randrange(90)})),
    "Markdown": made(40, lambda r: f"## {name(r)}\n\n{paragraph(r, 1)}\n\n- {word(r)}\n- {word(r)}\n"),
    "definitions": made(90, lambda r: f"#define {word(r).upper()} {r.randrange(999)}"),
    "DNA": partial(corpus_script, "dna"),
    "DNA with headings": made(60, lambda r: f">{word(r)} {r.randrange(99)}\n" + "".join(r.choices("ACGT", k=45))),
    "hexadecimal numbers": made(90, lambda r: f"{r.getrandbits(128):032x}"),
    "tunes": partial(corpus_script, "tunes"),
    "tunes without blank lines": lambda: corpus_script("tunes").replace("\n\n", "\n"),
    "a table": made(90, lambda r: f"{word(r)},{r.randrange(99)},{name(r)}"),
    "a table with spaces": made(90, lambda r: f"{word(r):12}{r.randrange(99):5}"),
    "a table of numbers": made(90, tabular),
    "a log": made(90, lambda r: f"{day(r):%Y-%m-%d} 12:0{r.randrange(9)}:44 INFO {word(r)} opened"),
    "subtitles": made(60, subtitle),
    "a chat": made(90, lambda r: f"[12:{r.randrange(10, 60)}] {r.choice(['ann', 'bob'])}: {word(r)} {word(r)}"),
    "a chat without times": made(90, lambda r: f"<{r.choice(['ann', 'bob'])}> {word(r)} {word(r)}"),
    "a play": made(90, script_line),
    "words and tags": partial(corpus_script, "entities"),
    "a picture": made(60, lambda r: "".join(r.choices("*#~o", k=r.randint(5, 30)))),
    "a picture in Braille": made(60, lambda r: "".join(r.choices("⠁⠃⠇⡇⣇⣧⣷⣿", k=r.randint(5, 30)))),
    "an outline": made(60, lambda r: "\n".join("\t" * depth + name(r) for depth in (0, 1, 2, 1))),
    "three lines": "one\ntwo\nthree\n",
    "too few names": made(FEWEST - 1, name),
    "one line": "abc" * 1000 + "\n",
    "only blank lines": "\n" * 100,
    "blank lines between names": made(90, name).replace("\n", "\n\n"),
    "nothing": "",
}


def text_of(what):
    """A few texts are made by scripts, when a test asks for one."""
    text = (LISTS | TEXTS)[what]
    return text() if callable(text) else text


def test_a_list_is_a_list():
    assert [what for what in LISTS if not is_list(text_of(what))] == []


def test_a_text_is_not_a_list():
    assert [what for what in TEXTS if is_list(text_of(what))] == []


@pytest.mark.parametrize("level", ["char", "word", "byte"])
def test_training_takes_the_mode_of_the_text_at_each_level(tmp_path, level):
    """With Windows' line ends too, which the byte level keeps."""
    path, found = tmp_path / "text.txt", {}
    texts = {what: text_of(what) for what in LISTS | TEXTS if text_of(what).strip()}
    for what, text in texts.items():
        path.write_bytes(text.replace("\n", "\r\n").encode())
        for lines in (None, True, False):
            options = CorpusOptions(level=level, min_count=1, holdout=0, novelty=False, lines=lines)
            corpus = load_corpus(path, options)
            found[what, lines] = corpus.lines, corpus.lines_chosen
    expected = {(what, lines): (lines, False) for what in texts for lines in (True, False)}
    assert found == expected | {(what, None): (what in LISTS, True) for what in texts}


def test_the_mode_that_was_chosen_is_the_same_as_if_it_had_been_given(tmp_path):
    for text in LISTS["names"], TEXTS["verse"]:
        path = tmp_path / "text.txt"
        path.write_text(text, encoding="utf-8")
        chosen = load_corpus(path)
        given = load_corpus(path, CorpusOptions(lines=text == LISTS["names"]))
        for part in ("train", "held_out", "frequencies"):
            assert getattr(chosen, part).tobytes() == getattr(given, part).tobytes()


@pytest.mark.parametrize("size", [1, 100, 1000, reading.PIECE])
def test_standard_input_is_read_once_and_whole(monkeypatch, size):
    text = LISTS["names"] * 60  # longer than what is looked at
    assert len(text) > BEGINNING or size == 1
    text = text[:1500] if size == 1 else text
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    with mock.patch.object(reading, "PIECE", size):
        found = load_corpus("-", CorpusOptions(holdout=0))
    assert found.lines and found.vocabulary.decode(found.train) == text + "\n" * (not text.endswith("\n"))


def test_only_the_beginning_of_a_text_is_looked_at():
    """A line that is cut there does not count, and what comes later changes nothing."""
    names = LISTS["names"] * 60
    assert len(names) > BEGINNING
    assert is_list(names[:BEGINNING] + "," * 10_000)
    assert not is_list(TEXTS["prose wrapped at 72"] * 10 + names)


def test_binary_data_are_no_list():
    assert not is_list(random.Random(1).randbytes(50_000))
    assert not is_list(b"\xff\xfe\n" * 100)


@given(st.text(), st.integers(0, 100))
def test_no_text_is_too_strange(text, times):
    assert isinstance(is_list((text + "\n") * times), bool)
    assert isinstance(is_list((text + "\n").encode("utf-8", "surrogatepass") * times), bool)


def test_looking_takes_a_moment():
    begun, times = time.process_time(), 3
    for _ in range(times):
        for text in (LISTS["names"] * 60, LISTS["molecules"] * 60, TEXTS["prose wrapped at 72"] * 10, "\n" * 10**6):
            is_list(text)
    assert time.process_time() - begun < 4 * times * 0.1


@pytest.mark.parametrize(("option", "lines"), [({}, True), ({"lines": False}, False), ({"lines": True}, True)])
def test_a_resumed_training_keeps_its_mode(tmp_path, option, lines):
    """Even if a later charlm would choose another one."""
    path, output = tmp_path / "names.txt", tmp_path / "m.npz"
    path.write_text(LISTS["names"], encoding="utf-8")
    whole = charlm.train(path, **option, **SMALL)
    charlm.train(path, output=output, stop=lambda: True, **option, **SMALL)
    assert last_checkpoint(output).options["lines"] is lines
    with mock.patch("charlm.text.corpus.is_list", lambda text: not lines):
        resumed = charlm.train(path, output=output, resume=True)
    assert whole.lines is resumed.lines is lines
    assert whole.parameters.tobytes() == resumed.parameters.tobytes()


def test_a_resumed_training_cannot_change_its_mode(tmp_path):
    path, output = tmp_path / "names.txt", tmp_path / "m.npz"
    path.write_text(LISTS["names"], encoding="utf-8")
    charlm.train(path, output=output, stop=lambda: True, **SMALL)
    with pytest.raises(CharlmError, match="--lines or --stream"):
        charlm.train(path, output=output, resume=True, lines=False)
