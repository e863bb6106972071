"""The page that a model becomes, in Chromium: it writes, reads and predicts, it is quiet, and everybody can use it."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from chromium import Chromium

import charlm
from charlm.model import Model
from charlm.network.architecture import Architecture
from charlm.tasks.classify import Classify
from charlm.tasks.language import LanguageModel
from charlm.text.visible import visible
from charlm.text.vocabulary import Vocabulary

STREAMS = ["lstm", "n-grams", "words", "tokens", "subwords", "bytes", "tied", "feedforward"]
LISTS = ["list", "list-with-n-grams", "generate"]
OTHERS = ["classify-in-both-directions", "several-labels", "tag-in-both-directions", "translate"]
TOKENS = ["</script>", "<img/src=x/onerror=alert(1)>", "<!--", "]]>", "\u202eevil", "\0", "\ud800", "&lt;", "@DATA@"]
CHARACTERS = ["<", ">", "/", "&", "\u2028", "\u2029", "\u202e", "\u200f", "\0", "\x1b", "\ud800", "\U0001f600"]
NAMES = ["<img src=x onerror=document.title='hacked'>", "\u202etxt.harmless"]
FIRST = "performance.getEntriesByName('charlm: first sample')[0]?.startTime"
ITEMS = "[...document.querySelectorAll('.items bdi')].map((item) => item.textContent)"
DONE = "document.querySelector('[data-do=stop]').getAttribute('aria-disabled') === 'true'"
STATE = "document.querySelector('[data-part=write] .status').textContent"


# A worker that never pauses, and when it wrote how many characters.
UNPACED = """window.pieces = [];
window.Worker = class extends Worker {
    constructor(address) {
        super(address);
        this.addEventListener('message', ({ data }) => {
            if (data.kind === 'piece') pieces.push([performance.now(), data.text.length]);
        });
    }
    postMessage(message, transfer) { if (message.do !== 'pause') super.postMessage(message, transfer); }
};"""


@pytest.fixture(scope="module")
def browser(chromium):
    with Chromium(chromium) as browser:
        yield browser


@pytest.fixture(scope="module")
def page_of(trained, tmp_path_factory):
    """A function that exports a model, or that of a name in conftest, and returns the path of its page."""
    folder, made = tmp_path_factory.mktemp("pages"), {}

    def page_of(model, **options):
        name = model if isinstance(model, str) else f"{id(model)}"
        if name not in made:
            made[name] = folder / f"{name}.html"
            charlm.export_model(trained(model) if isinstance(model, str) else model, made[name], **options)
        return made[name]

    return page_of


@pytest.fixture(scope="module")
def axe():
    """The source of axe-core, which `make test-export` installs where there is npm."""
    path = Path(sys.prefix, "node_modules", "axe-core", "axe.min.js")
    if not path.exists():
        pytest.skip(f"there is no axe-core in {sys.prefix}: npm install --prefix {sys.prefix} axe-core")
    return path.read_text(encoding="utf-8")


def write_into(page, field, text):
    page.wait_for(f"document.querySelector('{field}').checkVisibility()")
    page.evaluate(f"document.querySelector('{field}').focus(), document.querySelector('{field}').select()")
    page.type(text)


def is_quiet(page):
    return page.console == [] and page.requests == []


# What it does


@pytest.mark.parametrize("name", STREAMS + LISTS)
def test_it_writes_when_it_opens_and_paints_what_one_types(browser, page_of, name):
    page = browser.page()
    page.open(page_of(name))
    page.wait_for(FIRST)
    page.wait_for("document.querySelector('.written').textContent.trim().length > 20")
    write_into(page, "#typed", "Ada saw the egg")
    painted = "document.querySelector('.paint.shown') ?? document.querySelector('.reading:not([hidden])')"
    page.wait_for(f"({painted})?.textContent.startsWith('Ada saw the egg')")
    assert page.evaluate(f"({painted}).querySelectorAll('b').length") >= (1 if name == "subwords" else 4)
    offered = page.evaluate(
        "[...document.querySelectorAll('.next button:not([hidden]) span')].map((s) => s.textContent)"
    )
    assert len(offered) == 5 and all(words.endswith(" %") for words in offered)
    page.wait_for("/bits per .*, perplexity /.test(document.querySelector('[data-part=read] .status').textContent)")
    before = page.evaluate("document.querySelector('#typed').value")
    page.evaluate("document.querySelector('.next button:not([aria-disabled=true])').click()")
    after = page.evaluate("document.querySelector('#typed').value")
    assert after.startswith(before) and len(after) > len(before)
    assert is_quiet(page)


def test_the_caret_says_what_stands_there_and_what_was_expected(browser, page_of):
    page = browser.page()
    page.open(page_of("lstm"))
    write_into(page, "#typed", "Ada saw")
    page.wait_for("document.querySelectorAll('.paint b').length === 7")
    page.press("Home")
    page.press("ArrowRight")
    page.wait_for("document.querySelector('.paint b.at')?.textContent === 'd'")
    words = page.evaluate("document.querySelector('.here').textContent")
    assert words.startswith("d: ") and " bits, number " in words
    page.press("End")
    page.wait_for("document.querySelector('.here').textContent === 'Next may come:'")


@pytest.mark.parametrize("name", OTHERS)
def test_it_predicts_what_charlm_predicts(browser, page_of, trained, name):
    page, model = browser.page(), trained(name)
    page.open(page_of(name, weights="float32"))
    text = {"translate": "a14x"}.get(name, "Ann sees old Elm2 Street")
    page.wait_for("!document.querySelector('[data-part=predict]').hidden")
    write_into(page, "#item", text)
    page.wait_for("document.querySelector('.answer').textContent")
    found = page.evaluate("document.querySelector('.answer').textContent")
    (wanted,) = charlm.predict(model, [text.split() if model.task.name == "tag" else text])
    if model.task.name == "tag":
        tags = page.evaluate("[...document.querySelectorAll('.words small')].map((tag) => tag.textContent)")
        assert [tag.split()[0] for tag in tags] == wanted["tags"]
    elif model.task.name == "translate":
        assert found == wanted["target"]
    else:
        rows = page.evaluate("[...document.querySelectorAll('.answer tr th')].map((row) => row.textContent)")
        assert set(rows) == set(model.task.labels)
    assert is_quiet(page)


def test_a_link_repeats_a_sample(browser, page_of):
    page = browser.page()
    page.open(page_of("list"))
    page.wait_for(DONE)
    first, address = page.evaluate(ITEMS), page.evaluate("location.hash")
    assert len(first) == 20 and "seed=" in address
    page.evaluate("document.querySelector('button.main').click()")
    page.wait_for(f"location.hash !== {json.dumps(address)} && {DONE}")
    assert page.evaluate(ITEMS) != first
    again = browser.page()
    again.open(page_of("list"), address)
    again.wait_for(f"{DONE} && document.querySelectorAll('.items li').length === 20")
    assert again.evaluate(ITEMS) == first
    assert again.evaluate("location.hash") == address
    again.open(page_of("list"), "#seed=7&count=3&temperature=0.5&topP=0.9&beginning=B")
    again.wait_for(f"{DONE} && document.querySelectorAll('.items li').length === 3")
    assert all(item.startswith("B") for item in again.evaluate(ITEMS))


@pytest.mark.parametrize(
    "fragment",
    [
        "#seed=-1&count=1e9&temperature=NaN&topP=Infinity",
        "#seed=99999999999&count=0&temperature=1e-3&topP=0",
        "#seed=0x10&count=20.5&temperature=+1&given=%00",
        "#<img src=x onerror=alert(1)>&__proto__=1&constructor=2",
        "#" + "beginning=" + "A" * 5000 + "&seed=%ff%fe",
        "#%E0%A4%A&==&&&=seed",
    ],
)
def test_a_hostile_address_does_nothing(browser, page_of, fragment):
    page = browser.page()
    page.open(page_of("list"), fragment)
    page.wait_for(f"{DONE} && document.querySelectorAll('.items li').length === 20")
    form = "Object.fromEntries(new FormData(document.querySelector('form')))"
    values = page.evaluate(form)
    assert 0 <= int(values.pop("seed")) < 1_000_000
    values.pop("given", None)
    assert values == {"beginning": "", "temperature": "1", "topP": "1", "count": "20"}
    assert is_quiet(page)


def test_a_stream_stops_and_goes_on(browser, page_of):
    page, length = browser.page(), "document.querySelector('.stream').textContent.length"
    page.open(page_of("lstm"), "#seed=5")
    page.wait_for(f"{length} > 700")
    page.press("Escape")
    page.wait_for(f"{STATE}.startsWith('Paused after ')")
    stopped = page.evaluate("document.querySelector('.stream').textContent")
    assert page.evaluate("new Promise((done) => setTimeout(done, 300))") is None
    assert page.evaluate("document.querySelector('.stream').textContent") == stopped
    page.evaluate("document.querySelector('[data-do=stop]').click()")
    page.wait_for(f"{length} > {len(stopped) + 300}")
    assert page.evaluate("document.querySelector('.stream').textContent").startswith(stopped)
    again = browser.page()
    again.open(page_of("lstm"), "#seed=5")
    again.wait_for(f"{length} > {len(stopped) + 50}")
    assert again.evaluate("document.querySelector('.stream').textContent").startswith(stopped)


def test_less_motion_for_who_wants_less(browser, page_of):
    page = browser.page(calm=True)
    page.open(page_of("lstm"))
    page.wait_for(f"{STATE}.startsWith('Paused after ')")
    assert page.evaluate("document.querySelector('.stream').textContent.length") <= 700


# What it never does


def hostile_model(level, labels=()):
    """A model that nobody trained, with hostile symbols, file names and labels."""
    vocabulary = Vocabulary(level, {"token": TOKENS, "char": CHARACTERS}[level])
    architecture = Architecture(len(vocabulary), "lstm", 4, 1, outputs=len(labels) or None)
    parameters = np.random.default_rng(1).normal(0, 0.1, architecture.number_of_parameters).astype(np.float32)
    fields = {"architecture": architecture, "vocabulary": vocabulary, "parameters": parameters, "lines": True}
    task = Classify(tuple(labels)) if labels else LanguageModel()
    return Model(**fields, task=task, training={"corpus": {"names": NAMES}})


def is_harmless(page):
    return is_quiet(page) and page.evaluate(
        "document.querySelectorAll('img, iframe, [onerror], script[src]').length === 0 && document.scripts.length === 3"
    )


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("level", "symbols"), [("token", TOKENS), ("char", CHARACTERS)])
def test_hostile_symbols_and_names_are_text(browser, page_of, level, symbols, dark):
    page = browser.page(dark=dark)
    page.open(page_of(hostile_model(level)), "#count=100")
    page.wait_for(DONE)
    found = " ".join(page.evaluate(ITEMS))
    for symbol in symbols:
        assert visible(symbol) in found, symbol
    assert not set("\u2028\u2029\u202e\u200f\0\x1b\ud800") & set(page.evaluate("document.body.innerText"))
    write_into(page, "#typed", "</script><img src=x onerror=alert(1)>\u202e\u2028")
    page.wait_for("document.querySelector('.reading').textContent.includes('\\\\u202e')")
    page.wait_for("document.querySelectorAll('.next button:not([hidden])').length === 5")
    assert page.evaluate("document.title") == f"A model of {NAMES[0]}, \\u202etxt.harmless"
    assert is_harmless(page)


def test_hostile_labels_are_text(browser, page_of):
    page, labels = browser.page(), TOKENS + CHARACTERS
    page.open(page_of(hostile_model("char", labels)))
    write_into(page, "#item", "</script><img src=x onerror=alert(1)>")
    page.wait_for("!!document.querySelector('.answer table')")
    rows = page.evaluate("[...document.querySelectorAll('.answer th')].map((row) => row.textContent)")
    assert len(rows) == 10 and set(rows) <= set(map(visible, labels))
    assert is_harmless(page)


def test_a_wrong_number_is_said_and_the_sample_stays(browser, page_of):
    page = browser.page()
    page.open(page_of("list"))
    page.wait_for(DONE)
    before = page.evaluate("document.querySelector('.written').textContent")
    write_into(page, "[name=count]", "0")
    page.wait_for(
        "document.querySelector('.status').textContent === document.querySelector('[name=count]').validationMessage"
    )
    assert page.evaluate("document.querySelector('.written').textContent") == before and is_quiet(page)


def test_nothing_else_runs_and_nothing_is_asked_for(browser, page_of):
    page = browser.page()
    page.open(page_of("list"))
    page.wait_for(DONE)
    add = "document.body.append(Object.assign(document.createElement('{}'), {{{}}}))"
    page.evaluate(add.format("img", "src: 'https://example.org/x.png'"))
    page.evaluate(add.format("script", "textContent: 'window.hacked = 1'"))
    page.evaluate(add.format("p", "innerHTML: '<b onclick=\"window.hacked = 1\">b</b>'"))
    page.evaluate("document.querySelector('[onclick]').click()")
    assert page.evaluate("fetch('https://example.org/').then(() => 'came', () => 'failed')") == "failed"
    assert page.evaluate("window.hacked ?? null") is None
    assert len(page.console) >= 4 and all(
        "Content Security Policy" in words or "fetch" in words for words in page.console
    )


@pytest.mark.parametrize("without", ["scripts", "DecompressionStream", "Worker"])
def test_what_the_browser_lacks_is_said(browser, page_of, without):
    page = browser.page(scripts=without != "scripts")
    if without != "scripts":
        page.call("Page.addScriptToEvaluateOnNewDocument", source=f"delete window.{without}")
    page.open(page_of("list"))
    words = page.visible_text()
    assert "needs JavaScript, and a browser of 2023 or later" in words
    assert "New sample" not in words and "What this model is" in words


# Who can use it


def test_everything_is_reached_by_the_keyboard(browser, page_of):
    page = browser.page()
    page.open(page_of("generate"))
    page.wait_for(DONE)
    page.wait_for("document.querySelectorAll('.next button:not([hidden])').length === 5")
    reached, focus = (
        [],
        """(() => {
        const { activeElement: e } = document, { outlineStyle, outlineWidth } = getComputedStyle(e);
        const name = e.name || e.dataset.do || e.className || e.parentNode.className || e.localName;
        return [name, outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2];
    })()""",
    )
    for _ in range(20):
        page.press("Tab")
        reached.append(page.evaluate(focus))
    names = [name for name, _ in reached]
    first = [*"main stop link written given beginning temperature topP count seed typed".split(), *["next"] * 5, "card"]
    assert names[: len(first)] == first
    assert all(is_visible for _, is_visible in reached[: len(first)])
    page.evaluate("document.querySelector('#typed').focus()")
    page.press("Tab")
    page.press("Enter")
    page.press(" ")
    page.wait_for("document.querySelector('#typed').value.length >= 2")
    assert page.evaluate("document.activeElement.parentNode.className") == "next"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 800, 1400])
@pytest.mark.parametrize("name", ["n-grams", "generate", "classify-in-both-directions", "tag", "translate"])
def test_axe_finds_nothing_serious(browser, page_of, axe, name, width, dark):
    page = browser.page(width, 800, dark=dark)
    page.open(page_of(name))
    page.wait_for("!!document.querySelector('.parts > :not([hidden])')")
    for field in ("#typed", "#item"):
        if page.evaluate(f"document.querySelector('{field}').checkVisibility()"):
            write_into(page, field, "Ada saw <the> egg, zq!")
    page.evaluate("document.querySelector('details').open = true")
    page.wait_for("!!document.querySelector('.paint b, .reading b, .answer > *')")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.evaluate(axe + "; 0")
    found = page.evaluate(
        "axe.run().then((r) => r.violations.map((v) => [v.id, v.impact, v.nodes.map((n) => n.html)]))"
    )
    assert [rule for rule in found if rule[1] in ("serious", "critical")] == []


# How fast it is


def test_speed(browser, page_of, capsys):
    """Prints the time from opening to the first sample, and the characters a second, of an LSTM 1×256 with counts."""
    random = np.random.default_rng(1)
    words = ["".join(random.choice(list("abcdefghijklmnopqrstuvwxyz"), random.integers(2, 8))) for _ in range(500)]
    text = " ".join(random.choice(words, 30_000).tolist())
    model = charlm.train(text=text, lines=False, cell="lstm", hidden=256, layers=1, epochs=0.05, ngrams=10, threads=2)
    page = browser.page()
    page.call("Page.addScriptToEvaluateOnNewDocument", source=UNPACED)
    page.open(page_of(model))
    page.wait_for("pieces.length > 1 && performance.now() - pieces[0][0] > 3000")
    first, pieces = page.evaluate(FIRST), page.evaluate("pieces")
    characters, seconds = sum(length for _, length in pieces[1:]), (pieces[-1][0] - pieces[0][0]) / 1000
    with capsys.disabled():
        size = page_of(model).stat().st_size
        print(f"\nfirst sample {first:.0f} ms after opening; {characters / seconds:,.0f} characters a second; ", end="")
        print(f"a page of {size:,} bytes")
    assert first < 3000 and characters / seconds > 100
    assert is_quiet(page)
