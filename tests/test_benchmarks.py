"""The parts of the benchmarks: interleaved runs, tables, sizes, text, picture; PyTorch only if it is installed."""

import functools
import json
import sys
import xml.etree.ElementTree as ElementTree
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"
PARTS = ["training", "sampling", "novelty", "scoring", "start", "memory", "growth", "shards", "vocabulary", "cluster"]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))


def module(name):
    return import_module(name)


def options_of(part, *words):
    parser = module("report").parser_for("")
    part.add_options(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize("name", PARTS)
def test_each_part_has_what_the_main_script_calls(name):
    part = module(name)
    options = options_of(part, "--quick", "--rounds", "2", "--threads", "1")
    assert (options.rounds, options.threads, options.quick, options.only) == (2, 1, True, "")
    assert part.TITLE and len(set(part.COLUMNS)) == len(part.COLUMNS) and callable(part.rows) and callable(part.cells)
    with pytest.raises(SystemExit):
        options_of(part, "--rounds", "0")


def test_the_parts_options_do_not_collide():
    parser = module("report").parser_for("")
    for name in PARTS:
        module(name).add_options(parser)


def test_figures_say_whether_they_reach_their_targets():
    Figure = module("report").Figure
    assert str(Figure(3.1, 3.0)) == "3.10 ≥ 3" and str(Figure(2.256, 3.0)) == "**2.26** < 3"
    assert (
        str(Figure(0.1, 0.15, at_most=True)) == "0.10 ≤ 0.15"
        and str(Figure(0.2, 0.15, at_most=True)) == "**0.20** > 0.15"
    )
    assert str(Figure(1.5)) == "1.50" and Figure(1.5).reached


def test_summary_and_json(tmp_path):
    report = module("report")
    results = {
        "training": [
            {"name": "small", "× any": report.Figure(2.0, 1.5)},
            {"name": "large", "× any": report.Figure(1.0, 1.5)},
        ],
        "start": [{"name": "help", "seconds": report.Figure(0.1, 0.15, at_most=True), "other": report.Figure(1)}],
    }
    assert report.summary(results) == ("2 of 3 figures reach their targets.\n- training, large, × any: **1.00** < 1.5")
    report.write_json(tmp_path / "figures.json", results)
    read = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert read["training"][1]["× any"] == {"measured": 1.0, "target": 1.5, "at_most": False, "reached": False}
    assert report.table_head(("a", "b")) == "| a | b |\n|---|---|" and report.table_row([1, "x"]) == "| 1 | x |"


class Scripted:
    """A contender whose measurements are known."""

    def __init__(self, log, label, values):
        self.log, self.label, self.values = log, label, iter(values)

    def measure(self):
        self.log.append(self.label)
        return next(self.values)

    def close(self):
        self.log.append("closed " + self.label)


def test_contenders_run_interleaved():
    interleaved, log = module("interleaved"), []
    contenders = {"a": Scripted(log, "a", [9, 1, 2, 6]), "b": Scripted(log, "b", [9, 2, 1, 2])}
    measured = interleaved.run_interleaved(contenders, rounds=3)
    assert log == ["a", "b"] * 4 + ["closed a", "closed b"]
    assert measured == {"a": [1, 2, 6], "b": [2, 1, 2]}
    assert interleaved.medians(measured) == {"a": 2, "b": 2}
    assert (
        interleaved.ratio(measured["a"], measured["b"]) == 2
    )  # the median of ½, 2 and 3, not the ratio of the medians, 1


def test_contenders_are_processes_and_report_their_failures():
    interleaved = module("interleaved")
    contender = interleaved.Contender(functools.partial(functools.partial, int, "7"))
    assert contender.measure() == contender.measure() == 7
    contender.close()
    assert contender.process.exitcode == 0
    with pytest.raises(interleaved.Failed, match="invalid literal"):
        interleaved.Contender(functools.partial(int, "seven"))
    with pytest.raises(interleaved.Failed, match="no such thing"):
        interleaved.Command([sys.executable, "-c", "raise SystemExit('no such thing')"]).measure()


def test_multiply_adds_count_the_weights_that_multiply():
    from charlm.network.architecture import Architecture

    Workload = module("workloads").Workload
    for cell, layers in (("lstm", 1), ("lstm", 3), ("rnn", 2)):
        shapes = Architecture(11, cell, 5, layers).shapes()
        weights = sum(np.prod(shape) for name, shape in shapes.items() if "W" in name and name != "layer1.W_x")
        assert Workload(cell, layers, 5, vocabulary=11).multiply_adds == 3 * weights


def test_text_is_the_same_each_time_and_has_the_requested_size(tmp_path, monkeypatch):
    workloads = module("workloads")
    text = workloads.text(200_000)
    assert text == workloads.text(200_000) and len(text) == 200_000
    assert set(text) == set(workloads.SYMBOLS) | {"\n"}
    monkeypatch.setattr(workloads, "BLOCK", 1000)
    path = workloads.write_text(tmp_path / "text.txt", 2500)
    block = workloads.text(1000)
    assert path.read_text() == block * 2 + block[:500] == workloads.text(2500)


def test_rows_are_chosen_by_name_and_a_missing_pytorch_is_reported(monkeypatch):
    report, training = module("report"), module("training")
    Failed = module("interleaved").Failed
    assert report.wanted(training.WORKLOADS, options_of(training, "--only", "gru")) == ["GRU 1×256, N 64, T 64"]
    with pytest.raises(Failed, match="no row contains 'transformer'"):
        report.wanted(training.WORKLOADS, options_of(training, "--only", "transformer"))
    monkeypatch.setattr(report, "installed", lambda package: False)
    with pytest.raises(Failed, match="make bench"):
        next(training.rows(options_of(training)))


def test_a_quick_run(capsys):
    start = module("start")
    rows = []
    module("report").run_and_print(start, options_of(start, "--quick", "--only", "charlm --help"), rows)
    assert [row["name"] for row in rows] == ["charlm --help"] and 0 < rows[0]["seconds"].measured < 30
    assert capsys.readouterr().out.splitlines()[1:5] == ["## Start", ""] + ["| what | seconds |", "|---|---|"]


def test_peak_of_memory():
    memory = module("memory")
    before = memory.peak()
    array = np.ones(20_000_000, np.uint8)
    assert before <= memory.peak() and memory.peak() > array.size


def test_growth_and_its_picture():
    growth = module("growth")
    assert growth.threads_up_to(1) == (1,) and growth.threads_up_to(6) == (1, 2, 4, 6)
    points = [
        {
            "name": "",
            "with": name,
            "value": value,
            "seconds": 1e-6 * value,
            "least": 5e-7 * value,
            "grown": 2,
            "work": 1,
        }
        for name in growth.AXES
        for value in growth.AXES[name].values or (1, 2)
    ]
    points += [
        {"name": "", "with": name, "value": size, "seconds": 2e-6, "grown": 1.0, "work": 1.0}
        for name in growth.TEXTS
        for size in growth.SIZES
    ]
    assert growth.cells(points[0]) == ("hidden width H", "64", "64", "2.00", "1.00", "2.00", "–")
    svg = ElementTree.fromstring(growth.picture_of(points))
    panels = svg.findall(f"{SVG}g")
    assert len(panels) == len(growth.AXES) + len(growth.TEXTS)
    assert len(svg.findall(f"{SVG}g/{SVG}circle")) == len(points)
    places = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in panels[0].findall(f"{SVG}circle")]
    assert places == sorted(places) and [y for _, y in places] == sorted((y for _, y in places), reverse=True)
    assert {"64", "1024", "H"} <= {word for text in panels[0].itertext() for word in text.split()}


def test_axes_of_the_picture():
    picture = module("picture")
    low, high = picture.span(3.0, 4.0)
    assert low < 3 < 4 < high and high / low == pytest.approx(10)
    assert picture.ticks(low, high) == [2, 5, 10]
    assert picture.ticks(0.5, 2000) == [1, 10, 100, 1000]
    assert [picture.short(value) for value in (0.5, 64, 50_000)] == ["0.5", "64", "50k"]


def test_the_pytorch_networks_equal_charlms():
    torch = pytest.importorskip("torch")
    baselines, workloads = module("baselines"), module("workloads")
    from charlm.network.reference import Reference

    workload = workloads.Workload("lstm", 2, 5, vocabulary=9)
    model = workloads.untrained_model(workload)
    reference, tokens = Reference(model.architecture, model.parameters, 3), np.array([[1, 2, 3], [4, 0, 8]])
    expected = np.stack([reference.step(step) for step in tokens])
    network, cells = (
        baselines.load(baselines.Network(workload), model),
        baselines.load(baselines.Cells(workload), model),
    )
    with torch.inference_mode():
        logits, _ = network(torch.tensor(tokens))
        state, stepped = cells.start(3), []
        for step in torch.tensor(tokens):
            now, state = cells(step, state)
            stepped.append(now.numpy())
    np.testing.assert_allclose(logits.numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(np.stack(stepped), expected, atol=1e-5)


# --- The anchors


@pytest.fixture
def zpaq(tmp_path, monkeypatch):
    """Makes a shell script the only program of the name zpaq."""

    def script(text):
        program = tmp_path / "programs" / "zpaq"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    return script


def test_an_anchor_is_what_the_held_out_part_adds(tmp_path, zpaq, monkeypatch):
    """With compressors that only copy, these are the bytes of the held-out part of a training."""
    anchors = module("anchors")
    zpaq('[ "$1 $4 $5" = "a -m5 -noattributes" ] && cat "$3" > "$2"')
    monkeypatch.setattr(anchors, "find_spec", lambda name: True)
    encoder = SimpleNamespace(encode=lambda data: data[1:], flush=lambda: b"1")
    asked = []
    package = SimpleNamespace(Ppmd7Encoder=lambda *arguments: asked.append(arguments) or encoder)
    monkeypatch.setitem(sys.modules, "pyppmd", package)
    lines, stream = tmp_path / "lines.txt", tmp_path / "stream.txt"
    lines.write_text("".join(f"naïve {number % 7}\n" for number in range(100)), encoding="utf-8")
    stream.write_text("a bé cd. " * 111, encoding="utf-8")
    of_lines, of_stream = *anchors.rows([lines], lines=True), *anchors.rows([stream])
    assert [of_lines[name] for name in ("train", "held_out")] == [90 * 8, 10 * 8]  # ten of the hundred lines
    assert [of_stream[name] for name in ("train", "held_out")] == [900, 100]
    for name in ("zpaq -m5", "PPMd, order 6", "PPMd, order 8", "PPMd, order 10", "PPMd, order 16"):
        figures = {"nats_per_character": pytest.approx(9 * np.log(2)), "bits_per_character": 9, "bits_per_byte": 8}
        assert of_lines[name] == figures and of_stream[name]["bits_per_byte"] == 8
    assert of_lines["xz"]["bits_per_character"] < 4  # it has seen the lines before
    assert {order for order, _ in asked} == {6, 8, 10, 16}
    assert anchors.cells(of_lines)[:3] == ("lines.txt", "720, 80", "6.2383 (9.000)")


def test_a_compressor_that_is_missing_or_fails_is_named(tmp_path, zpaq, monkeypatch, capsys):
    anchors, text = module("anchors"), tmp_path / "text.txt"
    text.write_text("an anchor\n" * 99)
    monkeypatch.setattr(anchors, "find_spec", lambda name: None)
    monkeypatch.setattr(anchors.shutil, "which", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["anchors.py", str(text), "--json", str(tmp_path / "a.json")])
    anchors.main()
    printed = capsys.readouterr().out
    assert "zpaq -m5: left out, because it is not installed\nPPMd, order 6: left out" in printed
    assert "| text.txt | 900, 90 | – | – | – | – | – | " in printed
    assert "xz" in json.loads((tmp_path / "a.json").read_text())["anchors"][0]
    monkeypatch.setattr(anchors.shutil, "which", lambda name: name)
    for script, told in ("echo no room >&2; exit 2", "no room"), ("exit 0", "it wrote no archive"):
        zpaq(script)
        with pytest.raises(SystemExit, match=f"zpaq failed: {told}"):
            anchors.main()
