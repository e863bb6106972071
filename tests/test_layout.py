"""Lines for people keep to the width of a terminal, and neither lose nor break a word."""

import numpy as np
import pytest

from charlm.tasks.confusion import ConfusionMatrix
from charlm.tasks.entities import TaggingResult
from charlm.tasks.generate import GenerationResult
from charlm.tasks.translate import TranslationResult
from charlm.text import layout
from charlm.text.layout import named_values, stacked, terminal_width, wrapped, wrapped_text

LABELS = ("english", "français", "deutsch", "español", "italiano", "português")
TRUE = [LABELS[number % 6] for number in range(120)]
PREDICTED = [LABELS[number % 6 if number % 7 else number % 5] for number in range(120)]
TAGS = [["B-PERSON", "I-PERSON", "O", "B-ORGANISATION"], ["O", "B-PERSON", "O", "O"]]
RESULTS = {
    "labels": ConfusionMatrix.of(TRUE, PREDICTED),
    "lines": GenerationResult(
        labels=LABELS,
        numbers=np.arange(120) % 6,
        nats=np.linspace(1, 90, 120),
        best=np.arange(120) % 3 > 0,
        tokens=np.full(120, 20),
    ),
    "tags": TaggingResult.of(TAGS, [TAGS[0], ["O", "O", "O", "B-PERSON"]], True),
    "plain tags": TaggingResult.of([["x", "y"]], [["x", "x"]], False),
    "pairs": TranslationResult(pairs=1_000, same=900, characters=20_000, errors=1_234),
}


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
@pytest.mark.parametrize("width", [60, 40])
def test_the_figures_of_an_evaluation_fit_a_narrow_terminal(result, width):
    plain, narrow = result.lines(), result.lines(width)
    assert result.lines(200) == plain
    assert max(map(len, narrow)) <= width
    shown = " ".join(narrow).split()
    figures = {word for word in " ".join(plain).split() if any(map(str.isalpha, word)) or "." in word.strip(".")}
    if "predicted" in figures and width == 40:  # the matrix is told in other words
        figures -= {"label", "label,", "by", "its", "number", *LABELS}
        figures = {word for word in figures if word in "accuracy macro F1".split() or "." in word}
    assert not figures - set(shown)


def test_a_confusion_matrix_in_words_has_all_its_numbers():
    matrix = RESULTS["labels"]
    text = " ".join(matrix.lines(40))
    for row, label in enumerate(matrix.labels):
        assert f"{label}: F1" in text
        for column, count in enumerate(matrix.counts[row]):
            assert row == column or not count or f"{count} as {matrix.labels[column]}" in text


def test_named_values():
    rows = [("name", "a value of several words"), ("other name", "short")]
    assert named_values(rows, 12) == ["name         a value of several words", "other name   short"]
    assert named_values(rows, 12, 80) == named_values(rows, 12)
    assert named_values([("name", "a value of several words " * 3)], 12, 60)[1].startswith(" " * 13 + "words a")
    assert named_values(rows, 12, 26) == ["name", "  a value of several words", "other name   short"]


def test_a_long_word_is_cut_only_where_it_has_to_be():
    assert wrapped("a-hyphen stays-whole here", 14, 2) == ["a-hyphen", "  stays-whole", "  here"]
    assert "".join(wrapped("0123456789" * 5, 20)) == "0123456789" * 5
    assert wrapped("x" * 100, None) == ["x" * 100] and wrapped("", 20) == [""]
    assert wrapped_text("one two three\n\nx\n", 8) == "one two\n  three\n\nx\n"
    assert wrapped_text("one two three\n", None) == "one two three\n"


def test_a_stacked_table_names_each_cell():
    table = stacked(("model", "level", "tokens"), [("m.npz", "char", "  12"), ("n.npz", "", "7")], 40)
    assert table == ["model m.npz", "  level char", "  tokens 12", "model n.npz", "  tokens 7"]


def test_only_a_terminal_has_a_width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(layout.sys, "stdout", None)
    assert terminal_width() is None

    class Stdout:
        is_terminal = False

        def isatty(self):
            return self.is_terminal

    monkeypatch.setattr(layout.sys, "stdout", Stdout())
    assert terminal_width() is None
    monkeypatch.setattr(Stdout, "is_terminal", True)
    assert terminal_width() == 60
    monkeypatch.setenv("COLUMNS", "3")
    assert terminal_width() == 20
