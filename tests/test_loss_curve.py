"""The curve of the losses shows every evaluation at the right place, in characters and in the picture."""

import re
import xml.etree.ElementTree as ElementTree
from itertools import combinations, pairwise

import pytest

from charlm.errors import CharlmError
from charlm.files import write_text_file
from charlm.reports.chart import Chart, ticks
from charlm.reports.loss_curve import LossCurve, as_svg, check_picture, in_characters

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
    assert "a < b & c" in texts and "6-grams 2.1000" in texts and "best 2.2000" in texts
    assert not any("unigrams" in text for text in texts)  # far above all that is drawn
    curves = [element.get("d") for element in root.iter(f"{SVG}path") if element.get("stroke-linejoin")]
    assert [len(re.findall("[ML]", path)) for path in curves] == [3, 3]
    heights = [float(point.split()[1]) for point in curves[1][1:].split("L")]
    assert heights == sorted(heights)  # a loss that falls goes down


def boxes_and_points(picture):
    """The boxes (left, top, right, bottom) of all texts, with room to spare, and points along the curves."""
    root, boxes, points = ElementTree.fromstring(picture), [], []
    for text in root.iter(f"{SVG}text"):
        size, x, y = (float(text.get(name)) for name in ("font-size", "x", "y"))
        wide = 0.62 * size * len(text.text)
        left = x - {"start": 0, "middle": wide / 2, "end": wide}[text.get("text-anchor")]
        boxes.append((left, y - 0.8 * size, left + wide, y + 0.25 * size))
    for path in root.iter(f"{SVG}path"):
        if path.get("stroke-linejoin"):
            corners = [tuple(map(float, point.split())) for point in path.get("d")[1:].split("L")]
            points += corners
            for (x0, y0), (x1, y1) in pairwise(corners):
                points += [(x0 + (x1 - x0) * i / 50, y0 + (y1 - y0) * i / 50) for i in range(50)]
    return boxes, points


FALLS = [(step, 1 + 2 / step, None) for step in range(1, 200)]
CURVES = {
    "many evaluations": [(step, 1 + 2 / step, 1.2 + 2 / step) for step in range(1, 41)],
    "one evaluation": [*FALLS, (200, None, 1.1)],
    "one point": [(1, 1.0, 1.0)],
    "flat": [(step, 1.5, 1.5) for step in (1, 2, 3)],
    "it rises": [(step, 1 + step, 2 + step) for step in (1, 2, 3)],
    "zigzag": [(step, 1.0 + step % 2, 1.0 + (step + 1) % 2) for step in range(1, 90)],
}


@pytest.mark.parametrize("history", CURVES.values(), ids=CURVES)
@pytest.mark.parametrize("gap", [0.0, 0.001, -0.02, 0.05])
def test_no_label_covers_the_curve_or_another_label(history, gap):
    curve = LossCurve(history, "character")
    best = curve.best[1]
    picture = as_svg(curve, "the loss", {"unigrams": best + gap, "6-grams": best - gap, "3-grams": best + 2 * gap})
    boxes, points = boxes_and_points(picture)
    assert points and len(boxes) > 8
    for left, top, right, bottom in boxes:
        assert not [(x, y) for x, y in points if left < x < right and top < y < bottom]
        assert 0 <= left and right <= Chart.width and 0 <= top and bottom <= Chart.height
    for one, other in combinations(boxes, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_the_best_model_is_marked_where_a_sample_was_lower():
    history = [(1, 3.0, None), (2, None, 2.0), (3, None, 2.4)]
    assert LossCurve(history, "byte").best == (2, 2.0)
    texts = as_svg(LossCurve(history, "byte", (3, 2.4)), "", {})
    assert "best 2.4000" in texts and "best 2.0000" not in texts


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
