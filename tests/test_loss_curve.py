"""The curve of the losses shows every evaluation at the right place, in characters and in the picture."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from charlm.errors import CharlmError
from charlm.files import write_text_file
from charlm.reports.loss_curve import LossCurve, as_svg, check_picture, in_characters, ticks

CURVE = LossCurve([(10, 3.0, 3.2), (20, 2.0, 2.5), (40, 1.0, 2.2)], "character")
SVG = "{http://www.w3.org/2000/svg}"


def test_in_characters():
    lines = in_characters(CURVE, 48, 12)
    assert all(len(line) <= 48 for line in lines) and len(lines) == 14
    marks = [(row, column) for row, line in enumerate(lines[:12]) for column, mark in enumerate(line) if mark == "●"]
    assert [column - 8 for _, column in marks] == [10, 20, 39]  # of 40 columns
    assert [row for row, _ in marks] == [0, 4, 5]  # of 3.2 … 1.0 in 12 rows
    assert lines[0].startswith(" 3.200 │") and lines[11].startswith(" 1.000 │")
    assert lines[11].endswith("·")
    assert lines[-2].endswith("─ 40 updates") and len(lines[-2]) == 48
    assert "".join(in_characters(CURVE, 48, 12, ascii_only=True)).isascii()


def test_a_curve_without_points_is_not_drawn():
    assert in_characters(LossCurve(CURVE.history[:1], "word"), 60, 12) == []
    assert in_characters(LossCurve([], "word"), 60, 12) == []
    assert in_characters(CURVE, 20, 12) == []
    ElementTree.fromstring(as_svg(LossCurve([], "word"), "nothing", {}))


@pytest.mark.parametrize("held_out", [None, 1.5])
def test_constant_losses_are_a_line(held_out):
    curve = LossCurve([(1, 1.5, held_out), (2, 1.5, held_out)], "byte")
    assert len(in_characters(curve, 60, 8)) == 10
    ElementTree.fromstring(as_svg(curve, "level", {}))


def test_the_picture_shows_each_evaluation_and_the_other_models():
    root = ElementTree.fromstring(as_svg(CURVE, "a < b & c", {"unigrams": 9.0, "6-grams": 2.1}))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert "a < b & c" in texts and "6-grams 2.1000" in texts and "2.2000" in texts
    assert not any("unigrams" in text for text in texts)  # far above all that is drawn
    curves = [element.get("d") for element in root.iter(f"{SVG}path") if element.get("stroke-linejoin")]
    assert [len(re.findall("[ML]", path)) for path in curves] == [3, 3]
    heights = [float(point.split()[1]) for point in curves[1][1:].split("L")]
    assert heights == sorted(heights)  # a loss that falls goes down


def test_a_file_that_is_not_a_picture_of_charlm_is_not_overwritten(tmp_path):
    path = tmp_path / "loss.svg"
    check_picture(path, [])
    write_text_file(path, as_svg(CURVE, "first", {}))
    check_picture(path, [])
    path.write_text("<svg>somebody's</svg>")
    with pytest.raises(CharlmError, match="not a picture of charlm.*--plot"):
        check_picture(path, [])
    with pytest.raises(CharlmError, match="which this run reads or writes"):
        check_picture(tmp_path / "other.svg", [tmp_path / "other.svg"])


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 10, [0, 2, 4, 6, 8, 10]), (1.21, 1.49, [1.25, 1.3, 1.35, 1.4, 1.45]), (3, 3, [3])],
)
def test_ticks_are_round(low, high, expected):
    assert ticks(low, high) == expected
