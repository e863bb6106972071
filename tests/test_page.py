"""The page that a model becomes, without a browser: one file, that asks for nothing and in which nothing of a model is
markup. tests/export/test_page.py opens it in Chromium."""

import base64
import hashlib
import html.parser
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_scoring import model_of

import charlm
from charlm.cli import program
from charlm.export.page import INTERFACE, interface, playground, worker_script
from charlm.export.page.frame import part, policy
from charlm.tasks.classify import Classify

HOSTILE = [
    "</script>",
    "<img/src=x/onerror=alert(1)>",
    "<!--",
    "]]>",
    "@DATA@",
    "\u2028",
    "\u202e",
    "\0",
    "&amp;",
    "'\"`",
]
NAMES = ["</title>.txt", "<img src=x onerror=alert(1)>.txt", "\udcff\u202e.txt"]


class Elements(html.parser.HTMLParser):
    """The elements of a page. found: (tag, attributes) of each; texts: what stands in elements, by tag."""

    def __init__(self, text):
        super().__init__()
        self.found, self.texts, self.open = [], {}, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in ("meta", "link", "input"):
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.texts[self.open[-1]][-1] += data


def hostile_model():
    model = model_of(symbols=HOSTILE, level="word")
    return replace(model, training={"corpus": {"names": NAMES, "sha256": "<b>", "bytes": 1, "train_tokens": 1}})


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "m.html"
    (note,) = charlm.export_model(hostile_model(), path)
    text = path.read_bytes().decode()
    assert f"{len(text.encode()):,} bytes" in note
    return text


def test_a_page_is_one_file_that_asks_for_nothing(page):
    assert not re.search("https?://|@import|url\\(", page)
    for tag, attributes in Elements(page).found:
        assert not {"src", "srcset", "action", "formaction", "data", "poster"} & set(attributes), tag
        assert attributes.get("href", "data:,") == "data:,"


def test_what_stands_in_a_model_is_no_markup(page):
    harmless = Elements(page.replace("\0", ""))
    own = "".join(part("charlm.export.page", name) for name in ("page.html", "playground.html"))
    ours = set(re.findall(r"<([a-z0-9]+)", own)) | set("html head meta link title style body dt dd".split())
    assert {tag for tag, _ in harmless.found} <= ours
    assert not [name for _, attributes in harmless.found for name in attributes if name.startswith("on")]
    assert [tag for tag, _ in harmless.found].count("script") == 4
    assert "title>.txt, <img src=x" in harmless.texts["title"][0] and "\\udcff\\u202e.txt" in harmless.texts["h1"][0]
    settings, worker, payload, script = harmless.texts["script"]
    assert json.loads(settings)["unit"] == "word"
    assert base64.b64decode(payload, validate=True) and script == interface()
    assert not re.search("[\0\u2028\u202e\ud800-\udfff]", page)


def test_only_its_own_scripts_and_style_may_run(page):
    elements = Elements(page)
    (allowed,) = [a["content"] for tag, a in elements.found if a.get("http-equiv") == "Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256(elements.texts["script"][-1].encode()).digest()).decode()
    assert allowed.startswith("default-src 'none'; ") and f"script-src 'sha256-{digest}'; " in allowed
    assert allowed == policy(interface())


def test_javascript_writes_text_and_never_markup():
    for text in (worker_script(), *(part("charlm.export.page", f"interface/{name}.js") for name in INTERFACE)):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(|importScripts", text
        )
        assert not re.search(r"</script|<!--|fetch\(|XMLHttpRequest|WebSocket|sendBeacon|\bimport\(", text)


def test_the_labels_of_a_page_are_no_markup():
    task = Classify(tuple(HOSTILE))
    model = model_of(outputs=len(HOSTILE))
    made = playground(replace(model, task=task))
    assert [tag for tag, _ in Elements(made.html).found].count("script") == 3
    assert not json.loads(Elements(made.html).texts["script"][0])["writes"]


def test_a_page_is_written_over_pages_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model_of().save("m.npz")

    def run(*arguments):
        return CliRunner().invoke(program, ["export", "m.npz", *arguments])

    assert run("page.html").exit_code == 0
    assert run("page.html", "--weights", "float32").exit_code == 0
    Path("notes.html").write_text("<!doctype html>my notes")
    for place, words in (("notes.html", "not a page of a model"), ("missing/page.html", "no folder missing")):
        done = run(place)
        assert done.exit_code == 1 and words in done.stderr and done.stderr.count("\n") == 1
    assert Path("notes.html").read_text() == "<!doctype html>my notes"
    os.mkfifo("pipe.html")
    done = run("pipe.html")  # and does not wait for what it may hold
    assert done.exit_code == 1 and "will not overwrite pipe.html" in done.stderr
    done = run("m.safetensors", "--weights", "int8")
    assert done.exit_code == 2 and "--weights is for html" in done.stderr


BROKEN = {"settings": {"epochs": 1, "seed": [None]}, "corpus": {"names": [3]}}


@pytest.mark.parametrize(
    "training", [{}, [], {"corpus": 3}, {"corpus": {"names": [3]}}, {"settings": {"seed": "<b>"}}, BROKEN]
)
def test_a_model_of_another_program_becomes_a_page_too(tmp_path, training):
    charlm.export_model(replace(model_of(), training=training), tmp_path / "m.html")
    assert "<h1>A model of charlm</h1>" in (tmp_path / "m.html").read_text(encoding="utf-8")
