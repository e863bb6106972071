"""The manual's settings. `make docs` builds it into docs/_build/html."""

import inspect
import itertools
import os
import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the charlm of this folder, whatever else is installed
os.environ["COLUMNS"] = "100"

from charlm import __version__  # noqa: E402

project = "charlm"
author = "the charlm authors"
copyright = f"2026, {author}"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_click"]
exclude_patterns = ["_build"]
root_doc = "index"

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
nitpick_ignore_regex = [("py:.*", ".*")]  # types in signatures: the manual has no pages for NumPy's or for inner ones

html_theme = "furo"
html_title = f"charlm {release}"
html_static_path = ["_static"]
html_css_files = ["manual.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
smartquotes = False  # two hyphens begin an option
pygments_style = "tango"
pygments_dark_style = "monokai"


def show_examples(app, context, lines):
    """Turn the lines that stand behind \\b in a help text (sphinx-click puts a bar before them) into blocks of code."""
    shown = []
    for is_block, part in itertools.groupby(lines, lambda line: line.startswith("|")):
        part = [line[2:] for line in part] if is_block else [as_code(line) for line in part]
        if is_block and part[0] == "Examples:":
            shown += ["**Examples**", ""]
            part = part[1:]
        if is_block:
            language = "sh" if "charlm " in part[0] else "text"
            part = [
                f".. code-block:: {language}",
                "",
                *textwrap.indent(textwrap.dedent("\n".join(part)), "   ").split("\n"),
                "",
            ]
        shown += part
    lines[:] = shown


def list_explanation(app, context, lines):
    """Add the rows that the help of a command has below its text."""
    heading, rows = getattr(context.command, "explanation", None) or ("", ())
    lines += ["", f"**{heading}**", ""] if rows else []
    lines += [f"* {as_code(name)}: {as_code(meaning)}" for name, meaning in rows] + [""]


def mark_options(app, context, lines):
    """Mark the options that a text names. sphinx-click says itself which option is required."""
    lines[:] = [line.replace("  [required]", "") for line in lines]
    lines[:] = [line if line.lstrip().startswith((".. ", ":")) else as_code(line) for line in lines]


def as_code(line):
    return re.sub(r"(?<![\w`'-])--?[a-z][a-z-]*(?![\w`'])", r"``\g<0>``", line)


def drop_arguments(app, context, lines):
    """The usage line shows them already."""
    lines.clear()


def list_arguments(app, what, name, documented, options, lines):
    """Turn the parts of a docstring that read "name: what it means" into a list, one item for each argument. A part may
    have a heading, and be indented below it."""
    names = arguments_of(documented)
    if not names:
        return
    begins = rf"(?:^|\n|; |(?<=\.) )({names}(?:(?:,\s| and ){names})*):\s"
    shown = []
    for paragraph in "\n".join(lines).split("\n\n"):
        if all(line.startswith("    ") for line in paragraph.split("\n")):
            shown += [".. code-block:: python", "", *paragraph.split("\n"), ""]
            continue
        heading, _, below = paragraph.partition("\n")
        if re.match(begins, textwrap.dedent(below)) and below.startswith(" "):
            shown += [f"**{heading}**", ""]
            paragraph = textwrap.dedent(below)
        if re.match(begins, paragraph):
            paragraph = re.sub(r"\n +", " ", paragraph)
        lead, *parts = re.split(begins, paragraph)
        shown += [*lead.split("\n"), ""]
        for named, meaning in zip(parts[::2], parts[1::2], strict=True):
            marked = re.sub(names, lambda word: f"``{word[0]}``", named.replace("\n", " "))
            shown.append(f"* {marked}: " + meaning.replace("\n", " ").rstrip(";"))
        shown.append("")
    lines[:] = shown


def arguments_of(documented):
    """A pattern of the names of arguments and fields, or None where there are none, as of an exception: a subclass of
    UserWarning has no signature."""
    if isinstance(documented, type) and issubclass(documented, BaseException):
        return None
    names = set(getattr(documented, "__annotations__", ()))
    if not names and callable(documented):
        names = set(inspect.signature(documented).parameters)
    names -= {"self", "return"}
    return "(?:" + "|".join(sorted(names, key=len, reverse=True)) + ")" if names else None


def setup(app):
    app.connect("autodoc-process-docstring", list_arguments)
    app.connect("sphinx-click-process-description", show_examples)
    app.connect("sphinx-click-process-description", list_explanation)
    app.connect("sphinx-click-process-epilog", show_examples)
    app.connect("sphinx-click-process-options", mark_options)
    app.connect("sphinx-click-process-arguments", drop_arguments)
