"""The form .html: a page that writes. One file, which needs no network, no library and no server.

    page.html        the frame: what the model is, in words
    playground.html  the part with the model in it, which other pages can hold too
    page.css         the style of all pages of charlm
    interface/       what a person touches
    worker.js        what the model does when the interface asks; the messages between the two
    engine.js        tokens, network, n-grams, sampling and novelty, as ``text``, ``network`` and ``sampling`` have them
    payload          model → the bytes that engine.js reads

Nothing that comes from a model or a text is ever markup: Python escapes it, JavaScript writes it as text, and the
policy of the page (``policy``) lets run only the scripts that charlm wrote, and forbids every request.
"""

import base64
import datetime
import hashlib
import html
import json
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any, NamedTuple

from ..._version import __version__
from ...files import check_outputs, write_text_file
from ...model import Model
from ...scoring.palette import BANDS, ON_DARK, ON_LIGHT, legend
from ...tasks.summary import facts, number_of
from ...text.reading import listed
from ...text.visible import visible
from ...text.vocabulary import UNITS
from .payload import Payload, payload_of

MARK = '<meta name="generator" content="charlm'
INTERFACE = ("text", "model", "controls", "samples", "writing", "reading", "predicting", "start")
ENTITY = re.compile("^[A-Z]-")  # before the type of an entity in a tag


class Playground(NamedTuple):
    """What a page needs to let people play with a model. A page can hold one.

    html: the element. script: goes into a script element at the end of the body. payload: what of the model is in it.
    The style is ``style()``, and ``policy`` allows what runs.
    """

    html: str
    script: str
    payload: Payload


def write(model: Model, path, used: Iterable, weights: str | None = None) -> list[str]:
    """Write a page that holds a model; see ``charlm.export_model``. weights: see ``payload.payload_of``."""
    check_outputs((path,), used, is_page, "a page of charlm", "OUT")
    play = playground(model, weights)
    css, title = style(), title_of(model)
    parts = {
        "VERSION": html.escape(__version__),
        "POLICY": policy([play.script], [css]),
        "TITLE": html.escape(visible(title)),
        "SUBTITLE": html.escape(_subtitle(model)),
        "STYLE": css,
        "PLAYGROUND": play.html,
        "FACTS": "\n".join(f"<dt>{name}</dt><dd>{html.escape(value)}</dd>" for name, value in _rows(model, play)),
        "SCRIPT": play.script,
    }
    text = filled("page.html", parts)
    write_text_file(path, text)
    return [f"{play.payload.rounding}; the page has {len(text.encode()):,} bytes"]


def is_page(path) -> bool:
    """Whether a file is a page that charlm wrote."""
    with open(path, "rb") as file:
        return MARK.encode() in file.read(1000)


def playground(model: Model, weights: str | None = None) -> Playground:
    """The part of a page that holds a model: one writes with it, types texts into it, and so on, by its task."""
    payload = payload_of(model, weights)
    level = model.vocabulary.level
    parts = {
        "UNIT": UNITS[level],
        "LEGEND": " ".join(f'<span class="s{band}">{words}</span>' for band, words in enumerate(legend(level)))
        + ' <span class="u">unknown</span>',
        "SETTINGS": _json(_settings(model)),
        "WORKER": source("engine.js") + source("worker.js"),
        "PAYLOAD": base64.b64encode(payload.data).decode(),
    }
    return Playground(filled("playground.html", parts), interface(), payload)


def interface() -> str:
    """The script of a page with a playground: the files of interface/, which share one scope of their own."""
    parts = "\n".join(source(f"interface/{name}.js") for name in INTERFACE)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def style() -> str:
    """The style of a page of charlm, for a style element: fonts, colours (also those of surprise), the playground."""
    return filled("page.css", {"LIGHT": _colours(ON_LIGHT), "DARK": _colours(ON_DARK)})


def policy(scripts: Iterable[str], styles: Iterable[str]) -> str:
    """The Content-Security-Policy of a page: only these scripts run and only these styles apply, given as the contents
    of their elements; the page asks no computer for anything."""

    def allowed(contents):
        digests = (hashlib.sha256(content.encode()).digest() for content in contents)
        return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)

    return (
        f"default-src 'none'; script-src {allowed(scripts)}; style-src {allowed(styles)}; worker-src blob:; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def source(name: str) -> str:
    """A file of this folder."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def filled(name: str, parts: Mapping[str, str]) -> str:
    """A file of this folder with the parts that its @NAMES@ stand for."""
    return re.sub("@([A-Z]+)@", lambda match: parts[match[1]], source(name))


def title_of(model: Model) -> str:
    """What a page about a model is called."""
    corpus = model.training.get("corpus") if isinstance(model.training, dict) else None
    names = corpus.get("names") if isinstance(corpus, dict) else None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return "A model of charlm"
    return f"A model of {listed([os.path.basename(name) for name in names])}"


def _subtitle(model: Model) -> str:
    unit = UNITS[model.vocabulary.level]
    writes = f"It writes one {unit} after the other, and says how surprising a text is."
    return {
        "classify": "It gives a label to each line.",
        "tag": "It gives a tag to each word of a sentence.",
        "translate": "It turns one line into another.",
    }.get(model.task.name, writes)


QUESTIONS = {
    "classify": "Which label does a line have?",
    "tag": "Which tag does each word have? White space separates the words.",
    "translate": "What does a line become?",
}


def _settings(model: Model) -> dict[str, Any]:
    """What interface.js must know of a model besides the answers of the worker."""
    task, level = model.task, model.vocabulary.level
    fields = task.fields()
    kinds = dict.fromkeys(ENTITY.sub("", tag) for tag in fields.get("tags", ()) if tag != "O")
    return {
        "writes": task.name in ("text", "generate"),
        "items": model.lines or task.name == "generate",
        "unit": UNITS[level],
        "bands": BANDS[level],
        "labels": fields["labels"] if task.name == "generate" else [],
        "several": bool(fields.get("multi_label")),
        "tags": list(kinds),
        "question": QUESTIONS.get(task.name, ""),
    }


def _rows(model: Model, play: Playground) -> list[tuple[str, str]]:
    """(what it is, what it is in words) of each fact about a model and its page."""
    packed = len(play.payload.data)
    return [
        *facts(model),
        ("weights here", f"{play.payload.rounding}; {number_of(packed, 'byte')} packed"),
        *([("command", visible(command))] if (command := _command(model)) else []),
        ("page", f"written by charlm {__version__} on {datetime.date.today().isoformat()}"),
    ]


def _command(model: Model) -> str:
    """The command that trains such a model, as far as the model file knows; empty if it knows nothing."""
    try:
        settings, names = model.training["settings"], model.training["corpus"]["names"]
        limit = "minutes" if settings.get("minutes") else "epochs"
        given = {"task": model.task.name, "level": model.vocabulary.level}
        options = {name: value for name, value in given.items() if value not in ("text", "char")}
        options |= {name: getattr(model.architecture, name) for name in ("cell", "layers", "hidden")}
        options |= {limit: f"{settings[limit]:g}", "seed": settings["seed"]}
    except (TypeError, KeyError, ValueError, AttributeError):  # another program wrote the file
        return ""
    words = [f"--{name} {value}" for name, value in options.items()]
    return " ".join(["charlm train", *map(shlex.quote, map(os.fspath, names)), *words])


def _colours(pairs) -> str:
    return "".join(f"--g{band}:{ground};--i{band}:{ink};" for band, (ground, ink) in enumerate(pairs, 1))


def _json(value) -> str:
    """JSON that is safe inside a script element."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
