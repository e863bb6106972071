"""The form .html: a page that writes. One file, which needs no network, no library and no server.

    frame            the frame of all pages of charlm
    page.html        what the model is, in words
    playground.html  the part with the model in it, which other pages can hold too
    interface/       what a person touches
    engine/          what the model does when the interface asks; worker.js has the messages between the two
    payload          model → the bytes that the page holds, and the worker's script

Nothing that comes from a model or a text is ever markup: Python escapes it, and JavaScript writes it as text.
"""

import base64
import datetime
import os
import re
import shlex
from collections.abc import Iterable
from typing import Any, NamedTuple

from ..._version import __version__
from ...errors import UsageError
from ...files import write_text_file
from ...model import Model
from ...scoring.palette import BANDS, legend
from ...tasks.summary import facts, number_of
from ...text.reading import listed
from ...text.visible import visible
from ...text.vocabulary import UNITS
from .. import check_places
from .frame import MODEL, as_json, as_text, filled, is_page, page, part
from .payload import Payload, payload_of, worker_script

INTERFACE = ("text", "model", "controls", "samples", "writing", "reading", "predicting", "start")
ENTITY = re.compile("^[A-Z]-")  # before the type of an entity in a tag


class Playground(NamedTuple):
    """What a page needs to let people play with a model; a page can hold one. html: the element. styles, script: for
    ``frame.page``. payload: what of the model is in it."""

    html: str
    styles: str
    script: str
    payload: Payload


def write(model: Model, path, used: Iterable, weights: str | None = None) -> list[str]:
    """Write a page that holds a model; see ``charlm.export_model``. weights: see ``payload.payload_of``."""
    if model.task.name == "chords":
        raise UsageError("charlm cannot write a model of --task chords to a page; write .safetensors")
    check_places((path,), used, _is_ours, "a page of a model")
    play = playground(model, weights)
    parts = {
        "TITLE": as_text(title_of(model)),
        "SUBTITLE": as_text(_subtitle(model)),
        "PLAYGROUND": play.html,
        "FACTS": "\n".join(f"<dt>{name}</dt><dd>{as_text(value)}</dd>" for name, value in _rows(model, play.payload)),
    }
    body, styles = filled(part(__package__, "page.html"), parts), play.styles + part(__package__, "page.css")
    text = page(title_of(model), body, MODEL, styles=styles, script=play.script)
    write_text_file(path, text)
    return [f"{play.payload.rounding}; the page has {len(text.encode()):,} bytes"]


def _is_ours(path) -> bool:
    return is_page(path, MODEL)


def playground(model: Model, weights: str | None = None) -> Playground:
    """The part of a page that holds a model: one lets it write, types texts into it, and so on, by its task. weights:
    see ``payload.payload_of``."""
    model.check_reads_text("a page lets a person type texts, and ")
    payload = payload_of(model, weights)
    level = model.vocabulary.level
    bands = [f'<span class="s{band}">{words}</span>' for band, words in enumerate(legend(level))]
    parts = {
        "UNIT": UNITS[level],
        "LEGEND": " ".join([*bands, '<span class="u">unknown</span>']),
        "SETTINGS": as_json(_settings(model)),
        "WORKER": worker_script(),
        "PAYLOAD": base64.b64encode(payload.data).decode(),
    }
    html = filled(part(__package__, "playground.html"), parts)
    return Playground(html, part(__package__, "playground.css"), interface(), payload)


def interface() -> str:
    """The script of a page with a playground: the files of interface/, in a scope of their own."""
    parts = "\n".join(part(__package__, f"interface/{name}.js") for name in INTERFACE)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


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
    """What the interface must know of a model besides the answers of the worker."""
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


def _rows(model: Model, payload: Payload) -> list[tuple[str, str]]:
    """(what it is, what it is in words) of each fact about a model and its page."""
    return [
        *facts(model),
        ("in this page", f"{payload.rounding}; {number_of(len(payload.data), 'byte')} packed"),
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
        files = list(map(shlex.quote, map(os.fspath, names)))
    except (TypeError, KeyError, ValueError, AttributeError):  # another program wrote the file
        return ""
    words = [f"--{name} {value}" for name, value in options.items()]
    return " ".join(["charlm train", *files, *words])
