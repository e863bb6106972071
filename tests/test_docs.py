"""The README and the manual are true: their sessions run, page by page, and so does their Python.

A block marked ``sh`` or ``python`` runs. A block marked ``bash`` needs a text that is not here, or changes the machine:
of its commands only the options are checked.
"""

import importlib.util
import io
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from click.testing import CliRunner

from charlm.cli import program

ROOT = Path(__file__).parent.parent
MANUAL = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(path for path in MANUAL.rglob("*.md") if "_build" not in path.parts)]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
OTHERS = ["benchmarks/README.md", "benchmarks/recipe.md", "corpora/README.md"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.S | re.M)


def blocks(page, *languages):
    """(language, text) of the blocks of a page that are of these languages, in order; a command that a backslash breaks
    is one line."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [
        (language, re.sub(r" \\\n\s*", " ", text) if language in ("sh", "bash") else text)
        for language, text in found
        if language in languages
    ]


def parts(line):
    """The words of a line between its pipes and redirections."""
    words = shlex.shlex(line, posix=True, punctuation_chars="|>")
    words.whitespace_split = True
    return [list(part) for piped, part in itertools.groupby(words, lambda word: word in ("|", ">")) if not piped]


def calls(*languages):
    """The words behind ``charlm`` in each call of it in the blocks of all pages."""
    lines = (line for page in PAGES for _, text in blocks(page, *languages) for line in text.splitlines())
    called = (part for line in lines for part in parts(line) if "charlm" in part[:2])
    return [part[part.index("charlm") + 1 :] for part in called]


def page_with(*parts):
    return (MANUAL.joinpath(*parts)).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The models that pages train, by command: what several pages train is trained once."""
    return {}, tmp_path_factory.mktemp("trained")


def shell(command, folder, text=None):
    """stdout of a line of a session, as bytes: as it stands, but with this Python. text: its standard input."""
    here = re.sub(
        r"(?:^|(?<=\| )|(?<=_source ))(charlm|python)",
        lambda word: f'"{sys.executable}"' + (" -m charlm" if word[1] == "charlm" else ""),
        command,
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(here, shell=True, cwd=folder, env=environment, input=text, capture_output=True, timeout=120)
    assert done.returncode == 0, f"{command}\n{done.stderr.decode()}"
    return done.stdout


def run(command, folder):
    """Run a line of a session, from pipe to pipe. What charlm does is done in this process, which has loaded the
    kernels."""
    printed = None
    for part in command.split(" | "):
        words, *file = parts(part)
        if words[0] == "charlm":
            done = CliRunner().invoke(program, words[1:], input=printed, prog_name="charlm")
            assert done.exit_code == 0, f"{command}\n{done.output}\n{done.exception!r}"
            printed = done.stdout_bytes
            if file:
                (folder / file[0][0]).write_bytes(printed)
        else:
            printed = shell(part, folder, printed)
    assert printed or re.search(r" (>|train|export|--html|-o) ", command), command


def train(command, folder, trained):
    """Run a training: a fifth of an epoch, or by the clock for a moment; what was trained before is copied."""
    models, store = trained
    command, by_clock = re.subn(r"--minutes \S+", "--minutes 0.002", command)
    command += "" if by_clock else " --epochs 0.2"
    output = re.search(r"-o (\S+)", command)[1]
    if command not in models:
        run(command, folder)
        models[command] = shutil.copy(folder / output, store / f"{len(models)}.npz")
    shutil.copy(models[command], folder / output)


def shorter(script):
    lines = int(script[2]) // (40 if script[1] == "spoken_digits" else 10)
    return f"{script[1]}.py --lines {lines}"


@pytest.mark.filterwarnings("ignore::charlm.errors.Note")  # which a reader sees on standard error
@pytest.mark.parametrize(
    "name", [name for name, page in zip(NAMES, PAGES, strict=True) if blocks(page, "sh", "python")]
)
def test_sessions_run(name, tmp_path, trained, as_it_was, monkeypatch):
    """Each page by itself, in an empty folder with the corpora: a reader may begin on any of them. Corpora that are
    made have a tenth of their lines, those of speech a fortieth."""
    os.symlink(ROOT / "corpora", tmp_path / "corpora")
    monkeypatch.chdir(tmp_path)
    for language, text in blocks(ROOT / name, "sh", "python"):
        if language == "python":
            with redirect_stdout(io.StringIO()) as printed:
                exec(text, {"__name__": "__main__"})
            assert len(printed.getvalue().splitlines()) >= text.count("print("), text
            continue
        for command in re.sub(r"(\w+)\.py --lines (\d+)", shorter, text).splitlines():
            if command.startswith("charlm train"):
                train(command, tmp_path, trained)
            else:
                run(command, tmp_path)


def test_sessions_show_every_command():
    assert {call[0] for call in calls("sh") if call} == set(program.commands)


def test_options_in_sessions_exist():
    """In blocks that do not run, too."""
    checked = 0
    for name, *words in filter(None, calls("sh", "bash")):
        if name in program.commands:
            program.commands[name].make_context(
                name, words, help_option_names=["-h", "--help"]
            )  # the command keeps them
            checked += 1
    assert checked > 40


def options_of(command):
    return {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]}


def test_options_named_in_the_guide_exist():
    known = {option for command in program.commands.values() for option in options_of(command)}
    for page in PAGES:
        if page.parent.name in ("guide", "cookbook", "docs") or page.name == "README.md":
            named = set(re.findall(r"`(--[a-z-]+)", page.read_text(encoding="utf-8")))
            assert named <= known | {"--help"}, page


def test_settings_in_the_table_are_those_of_train():
    known = options_of(program.commands["train"])
    table = page_with("guide", "train.md").split("## The settings")[1].split("\n## ")[0]
    named = set(re.findall(r"^\| ([^|]+) \|", table, re.M))
    options = {option for cell in named for option in re.findall(r"`(--[a-z-]+)`", cell)}
    assert options <= known and len(options) > 8


def test_readme_is_short():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 180
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("name", [*NAMES, *OTHERS, "CONTRIBUTING.md", "CHANGELOG.md"])
def test_pages_are_readable_as_text(name):
    """Lines have 120 columns at most, but for the rows of tables."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if len(line) > 120 and not line.startswith("|")]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_to_files_and_headings(page):
    """On the pages as they stand in the repository, where they are read without being built."""
    for link in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", page.read_text(encoding="utf-8"))):
        if link.startswith("http"):
            continue
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if heading:
            assert heading in headings(target), link


@pytest.mark.parametrize("name", [*NAMES, *OTHERS])
def test_files_named_on_pages_exist(name):
    named = re.findall(
        r"\b((?:charlm|benchmarks|corpora|docs|tests|torture)/[\w/.-]+\.\w+)", (ROOT / name).read_text("utf-8")
    )
    made = {"benchmarks/figures.json", "docs/_build/html/index.html"}
    assert [path for path in named if path not in made and not (ROOT / path).exists()] == []


def headings(page):
    """The anchors that GitHub and the manual make of a page's headings."""
    titles = re.findall(r"^#+ (.*)$", BLOCK.sub("", page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_page_is_in_the_table_of_contents():
    listed = {
        line
        for _, text in re.findall(r"^```\{(toctree)\}\n(.*?)^```$", page_with("index.md"), re.S | re.M)
        for line in text.splitlines()
        if re.fullmatch(r"[\w/-]+", line)
    }
    pages = {str(page.relative_to(MANUAL).with_suffix("")) for page in PAGES[1:]}
    assert listed == pages - {"index"}


def test_readme_links_every_page():
    linked = set(re.findall(r"\]\(docs/([\w/-]+)\.md", (ROOT / "README.md").read_text(encoding="utf-8")))
    pages = {str(page.relative_to(MANUAL).with_suffix("")) for page in PAGES[1:]}
    assert linked >= pages - {"index", "benchmarks", "recipe", "corpora", "changelog"}


def module_of(name):
    """A script of docs/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, MANUAL / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_shows_the_sessions_of_the_readme():
    recording = module_of("recording")
    shown = "\n".join(text for _, text in blocks(ROOT / "README.md", "sh"))
    assert all(command in shown.splitlines() for command in recording.COMMANDS)
    picture = ET.parse(recording.PICTURE).getroot()
    texts = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert [text[2:] for text in texts if text.startswith("$ ")] == list(recording.COMMANDS)


def test_the_readme_shows_what_the_picture_shows():
    recording = module_of("recording")
    session = recording.README.read_text(encoding="utf-8").partition("\n## One minute")[2].partition("\n## ")[0]
    shown = [line for language, text in BLOCK.findall(session) if language == "text" for line in text.splitlines()]
    picture = ET.parse(recording.PICTURE).getroot()
    texts = {element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert len(shown) > recording.NAMES and set(shown) <= texts


def test_the_page_about_training_shows_what_the_picture_shows():
    recording = module_of("recording")
    section = recording.TRAIN.read_text(encoding="utf-8").partition("\n## What you see")[2].partition("\n## ")[0]
    middle, end = (text.splitlines() for language, text in BLOCK.findall(section) if language == "text")
    picture = ET.parse(recording.PICTURE).getroot()
    texts = [element.text.strip() for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    shown = [line.strip() for line in [*middle, "…", *end[1:]]]
    assert texts[1 : 1 + len(shown)] == shown and end[0] == "ended after …"


def test_the_recording_writes_the_training_into_its_page():
    recording = module_of("recording")
    shown = [("stderr", r"charlm learns \1"), ("gap", "…"), ("stderr", "best held-out loss 1.5"), ("stderr", "wrote")]
    before = recording.TRAIN.read_text(encoding="utf-8")
    after = recording.with_training(before, [("charlm train a.txt", shown), ("charlm sample", [])])
    texts = [text for language, text in BLOCK.findall(after.partition("\n## What you see")[2]) if language == "text"]
    assert texts[:2] == ["charlm learns \\1\n", "ended after …\nbest held-out loss 1.5\nwrote\n"]
    assert BLOCK.sub("", after) == BLOCK.sub("", before)


def test_the_recording_writes_what_it_saw_into_the_readme():
    recording = module_of("recording")
    names = [f"Name{i}" for i in range(8)]
    sessions = [
        ("charlm train a.txt", [("stderr", "trained")]),
        ("charlm sample --count 8", [*(("stdout", name) for name in names), ("stderr", "asked 8")]),
        ("charlm perplexity a.txt", [("stdout", r"tokens \1"), ("stdout", "perplexity 5")]),
    ]
    before = recording.README.read_text(encoding="utf-8")
    after = recording.with_output(before, sessions)
    texts = [text for language, text in BLOCK.findall(after) if language == "text"]
    assert texts[1:3] == ["Name0\nName1\nName2\nName3\n", "tokens \\1\nperplexity 5\n"]
    assert BLOCK.sub("", after) == BLOCK.sub("", before) and recording.with_output(after, sessions) == after


def test_the_picture_is_drawn_from_what_commands_print():
    recording = module_of("recording")
    printed = [("stderr", "a < b"), ("stdout", "x" * 150), ("gap", "…"), ("stdout", "  39")]
    lines = recording.joined([("charlm info m.npz", printed), ("charlm info n.npz", [])])
    texts = [element.text for element in ET.fromstring(recording.svg(lines)).iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["$ charlm info m.npz", "a < b", "x" * 80, "x" * 70, "…", "39", "$ charlm info n.npz"]


def test_the_picture_shows_a_training_in_the_middle_and_at_its_end():
    recording = module_of("recording")
    block = "\x1b[1m{} %   9 s left\x1b[0m\r\nthe model writes now:\r\n  {}"
    erased = "\r\x1b[2K" + "\x1b[1A\x1b[2K" * 2
    written = "compiled charlm\r\ncharlm learns\r\n" + "".join(
        block.format(percent, name) + erased for percent, name in ((9, "Aaa"), (60, "Bb"), (70, "Cccc"))
    )
    written += "ended\r\nbest held-out loss 1.5\r\nwrote m.npz\r\n"
    middle = ["charlm learns", "60 %   9 s left", "the model writes now:", "  Bb"]
    assert recording.stages(written) == [*middle, "…", "best held-out loss 1.5", "wrote m.npz"]
    assert recording.stages("one\r\ntwo\rT\r\n") == ["one", "Two"] and recording.stages("") == []


def test_the_commands_of_the_reference_are_made_from_the_program():
    page = page_with("reference", "commands.md")
    assert ".. click:: charlm.cli:program" in page and ":nested: full" in page
    assert f":commands: {', '.join(program.commands)}" in page


def test_the_manual_is_built_without_a_warning(tmp_path):
    """All of it, with every command and option, and no link that leads nowhere."""
    pytest.importorskip("sphinx", reason="make docs builds the manual in an environment of its own")
    pytest.importorskip("furo")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-n", "-W", "--keep-going", "-b", "html", MANUAL, tmp_path],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert module_of("check").problems(tmp_path) == []


def test_the_check_of_the_manual_finds_what_is_wrong(tmp_path):
    check = module_of("check")
    (tmp_path / "reference").mkdir()
    (tmp_path / "index.html").write_text('<a href="reference/commands.html#charlm-none">a</a> <a href="b.html">b</a>')
    (tmp_path / "reference" / "commands.html").write_text(
        '<p id="charlm-train">--hidden</p> <a href="../index.html">c</a>'
    )
    assert check.broken_links(tmp_path) == [
        "index.html links to reference/commands.html#charlm-none, which is not there",
        "index.html links to b.html, which is not there",
    ]
    missing = check.missing_options(tmp_path)
    assert "reference/commands.html lacks the command sample" in missing
    assert "reference/commands.html lacks train --lines" in missing
    assert "reference/commands.html lacks train --hidden" not in missing
