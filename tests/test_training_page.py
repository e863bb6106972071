"""The page of a training: whole at any moment, true, resumed with what it knew, and never markup from a text."""

import html.parser
import json
import re
from pathlib import Path

import pytest
from test_session import SMALL, after

import charlm
from charlm.errors import CharlmError
from charlm.learning import page as writer
from charlm.learning.description import command
from charlm.learning.session import TrainingFiles, TrainingSession
from charlm.reports import machine
from charlm.reports.training_page import PageMemory, check_report_path, memory_of

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)> & \u202e ‮ \u2028 \x1b[31m é"
VOID = {"meta", "link", "br", "input", "img"}


class Page(html.parser.HTMLParser):
    """What a browser would see. elements: (name, attributes), in order. text: outside of scripts and styles. open: what
    was not closed, or closed in another order."""

    def __init__(self, path):
        super().__init__()
        self.source = Path(path).read_text(encoding="utf-8")
        self.elements, self.text, self.open, self.scripts = [], "", [], []
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID and not self.get_starttag_text().endswith("/>"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> in {self.open}"
        self.open.pop()

    def handle_data(self, text):
        if self.open[-1:] == ["script"]:
            self.scripts.append((self.elements[-1][1], text))
        elif self.open[-1:] != ["style"]:
            self.text += text

    def named(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def refreshes(self):
        return any(one.get("http-equiv") == "refresh" for one in self.named("meta"))

    @property
    def memory(self):
        (text,) = [text for attributes, text in self.scripts if attributes.get("id") == "memory"]
        return json.loads(text)


def check(path):
    """The page at this path, which is whole, valid, described for people who hear it, and loads nothing."""
    page = Page(path)
    assert not page.open and page.source.endswith("</html>\n")
    assert "://" not in re.sub("http://www.w3.org/2000/svg", "", page.source)
    assert not [one for _, attributes in page.elements for one in attributes if one.startswith("on")]
    assert {one.get(name) for _, one in page.elements for name in ("src", "href")} <= {None, "data:,"}
    assert all(one.get("role") == "img" for one in page.named("svg") if "charlm" in one.get("class", ""))
    assert page.source.count("<caption>") == len(page.named("table"))
    ids = [one["id"] for _, one in page.elements if "id" in one]
    assert len(ids) == len(set(ids))
    return page


@pytest.fixture
def text(tmp_path, tiny_text, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(writer, "EVERY", 0.0)
    monkeypatch.setattr(writer, "PART", 1.0)
    Path("text.txt").write_text(tiny_text, encoding="utf-8")
    return "text.txt"


@pytest.fixture
def frequent(monkeypatch):
    """Makes a report of every update."""
    monkeypatch.setattr("charlm.learning.session.REPORT_SECONDS", 0.0)


def test_the_page_is_whole_at_each_moment_and_at_the_end(text, frequent):
    seen = 0
    for report in charlm.training(text, output="m.npz", report="run.html", **SMALL):
        if report.step % 9 == 1 and Path("run.html").exists():
            page, seen = check("run.html"), seen + 1
            assert page.refreshes and page.memory["times"]
            assert "The training of m.npz" in page.text and "How the loss fell" in page.text
            assert [one.get("type") for one in page.named("script")] == ["application/json", None]
    page = check("run.html")
    assert seen > 3 and not page.refreshes and not page.named("progress")
    model = charlm.load("m.npz")
    assert f"best held-out loss {model.training['valid_loss']:.4f} nats per character" in page.text
    for words in ("unigrams", "10-grams", "xz", "the model", "network alone"):
        assert words in page.text
    for heading in ("What it wrote as it learnt", "Try it", "Where it does best", "The settings, and why"):
        assert heading in page.text
    assert "charlm train text.txt" in page.text and "--hidden 5" in page.text and "--report run.html" in page.text
    samples = page.memory["samples"]
    assert samples[0]["step"] < samples[-1]["step"] == model.training["step"]
    assert all(sample["text"] in page.text for sample in samples)
    assert check_report_path("run.html", []) is None


@pytest.mark.parametrize(
    ("output", "command"),
    [
        ("a m.npz", "charlm export 'a m.npz' 'a m-page.html'"),
        (None, "charlm.export_model(model, &quot;model-page.html&quot;)"),
    ],
)
def test_a_model_too_large_for_the_page_gets_one_of_its_own(text, output, command, monkeypatch):
    monkeypatch.setattr(writer, "MOST_PLAYGROUND", 100)
    charlm.train(text, output=output, report="run.html", **SMALL)
    page = check("run.html")
    assert "Try it" in page.text and "a page of its own" in page.text and not page.named("textarea")
    assert command.replace("&quot;", '"') in page.text


def test_it_knows_after_a_resume_what_it_knew_before(text, frequent):
    options = {"report": "run.html", "output": "m.npz"}
    charlm.train(text, stop=after(20), **options, **SMALL)
    stopped = check("run.html")
    assert "stopped after 20 updates" in stopped.text and not stopped.refreshes
    charlm.train(text, resume=True, **options)
    page = check("run.html")
    before, now = stopped.memory, page.memory
    assert before["identity"] == now["identity"] and before["samples"]
    assert now["samples"][: len(before["samples"])] == before["samples"]
    assert len(now["samples"]) > len(before["samples"]) and now["times"][0] == before["times"][0]
    alone = charlm.train(text, output="alone.npz", **SMALL)
    assert Path("alone.npz").read_bytes() == Path("m.npz").read_bytes() and alone.training["step"]


def test_what_it_forgets_is_what_the_training_has_undone(text):
    with TrainingSession(text, TrainingFiles(report="run.html"), {**SMALL, "lines": False}) as session:
        page = writer.RunningPage(session, "run.html")
        for step in range(1, 2000):
            page.memory.times.append((step, step / 9))
            page.memory.times = page.memory.times
        page._forget_after(7)
        assert page.memory.times == [(step, step / 9) for step in range(1, 8)]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text.replace('"identity":"me"', '"identity":"you"'),
        lambda text: text.replace("[[3,1.5]]", "[[3,-1.5]]"),
        lambda text: text.replace("[[3,1.5]]", "[[true,1.5]]"),
        lambda text: text.replace("[[3,1.5]]", "7"),
        lambda text: text.replace("[[3,1.5]]", "[" * 100_000),
        lambda text: text.replace("[[3,1.5]]", "[[3,1e400]]"),
        lambda text: text.replace('"samples":[]', '"samples":[{"step":1,"seconds":1,"loss":null,"text":5}]'),
        lambda text: text.replace("</script>", ""),
    ],
)
def test_a_damaged_page_knows_nothing(tmp_path, damage):
    path = tmp_path / "run.html"
    text = '<script type="application/json" id="memory">{"identity":"me","times":[[3,1.5]],"samples":[]}</script>'
    path.write_text(text)
    assert memory_of(path, "me") == PageMemory(identity="me", times=[(3, 1.5)])
    path.write_text(damage(text))
    assert memory_of(path, "me") == PageMemory(identity="me")
    assert memory_of(tmp_path / "none.html", "me") == PageMemory(identity="me")


@pytest.mark.parametrize("lines", [True, False])
def test_text_from_a_corpus_is_never_markup(text, lines):
    Path("a<b>&.txt").write_text((EVIL + "\n") * 40, encoding="utf-8")
    options = {**SMALL, "epochs": 1, "hidden": 3}
    charlm.train("a<b>&.txt", output="<m>&.npz", report="run.html", lines=lines, **options)
    page = check("run.html")
    assert not page.named("img") and "\u202e" not in page.source and "\x1b" not in page.source
    assert len(page.named("script")) == page.source.count("</script>") and "The training of <m>&.npz" in page.text
    kinds = [attributes.get("type") for attributes, _ in page.scripts]
    assert kinds.count(None) == 1 and "alert(1)" not in next(text for one, text in page.scripts if not one)
    assert "charlm train 'a<b>&.txt'" in page.text


@pytest.mark.parametrize("task", ["classify", "generate", "tag", "translate"])
def test_each_task_has_a_page(text, task):
    words = Path(text).read_text().replace(" ", "\t").splitlines(keepends=True)
    Path("pairs.txt").write_text("".join(line + "\n" * (number % 5 == 4) for number, line in enumerate(words)))
    charlm.train("pairs.txt", task=task, report="run.html", hidden=3, epochs=1, threads=1)
    page = check("run.html")
    assert "Try it" in page.text and ("What it wrote" in page.text) == (task == "generate")


def test_a_page_that_cannot_be_written_does_not_stop_the_training(text, monkeypatch):
    def fail(path, content):
        raise CharlmError(f"cannot write {path}: no space left")

    monkeypatch.setattr(writer, "write_text_file", fail)
    with (
        pytest.warns(UserWarning, match="cannot write run.html: no space left; the training goes on") as told,
        pytest.raises(CharlmError, match="^cannot write run.html: no space left$"),
    ):
        charlm.train(text, output="m.npz", report="run.html", **SMALL)
    assert len(told) == 1
    assert charlm.load("m.npz").training["step"] and not Path("m.checkpoint.npz").exists()


def test_only_a_report_of_charlm_is_replaced(text):
    for name, content in (("notes.html", "<h1>mine</h1>"), ("page.html", '<meta name="generator" content="charlm 1">')):
        Path(name).write_text(content)
        with pytest.raises(CharlmError, match=f"will not overwrite {name}, which is not a report of charlm"):
            charlm.train(text, report=name, **SMALL)
        assert Path(name).read_text() == content


def test_the_command_is_what_one_types(text):
    files = TrainingFiles(output="m n.npz", report="run.html", backup=False)
    options = {"hidden": 3, "lines": False, "valid": ["a b.txt", "-c.txt"], "minutes": 0.5}
    assert command(TrainingSession([text, "-x.txt"], files, options)) == (
        "charlm train text.txt ./-x.txt --stream --valid 'a b.txt' --valid ./-c.txt --minutes 0.5 --hidden 3 "
        "-o 'm n.npz' --no-backup --report run.html"
    )


def test_the_machine_without_names(monkeypatch, tmp_path):
    found = dict(machine.machine(2))
    assert found["processor"].endswith(", 2 threads") and charlm.__version__ in found["versions"]
    monkeypatch.setattr(machine, "CPU_INFO", tmp_path / "none")
    assert dict(machine.machine(1))["processor"].endswith(", 1 thread")
