"""The frame of all pages: one file that loads nothing, light and dark, with the colours of surprise.

The policy in its head forbids a browser every request, so that no page can tell anyone that it was opened, and every
script but the one that charlm wrote.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from importlib.resources import files

from ..._version import __version__
from ...scoring.palette import ON_DARK, ON_LIGHT
from ...text.visible import visible

POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; img-src data:"
SURPRISE, REPORT, MODEL = "surprise page", "report", "model page"  # the kinds of pages
_GENERATOR = re.compile(r'<meta name="generator" content="charlm ([^" ]+)(?: ([^"]+))?">')


def page(title: str, body: str, kind: str, *, styles: str = "", script: str = "", seconds: int = 0) -> str:
    """A whole page. title, kind: text. body, styles: HTML and CSS as they are. script: JavaScript, which runs when the
    body is there; no other script does. seconds: from one time that a browser without scripts reads the page again
    to the next; 0 for never."""
    again = f'<noscript><meta http-equiv="refresh" content="{seconds}"></noscript>\n' if seconds else ""
    scripts = f"<script>{script}</script>\n" if script else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="generator" content="charlm {html.escape(__version__)} {kind}">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy(script)}">\n{again}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{as_text(title)}</title>\n<style>\n{_styles()}{styles}</style>\n</head>\n<body>\n{body}{scripts}"
        "</body>\n</html>\n"
    )


def policy(script: str) -> str:
    """The Content-Security-Policy of a page with this script, "" for none; the script may make workers."""
    if not script:
        return POLICY
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"{POLICY}; script-src 'sha256-{digest}'; worker-src blob:"


def is_page(path, kind: str) -> bool:
    """Whether a file is a page of charlm of this kind."""
    with open(path, "rb") as file:
        found = _GENERATOR.search(file.read(1000).decode("utf-8", "replace"))
    return bool(found) and (found[2] or SURPRISE) == kind  # older surprise pages do not name their kind


def part(package: str, name: str) -> str:
    """A file of a package."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def filled(template: str, parts: Mapping[str, str]) -> str:
    """A template with the parts that its @NAMES@ stand for, as they are."""
    return re.sub("@([A-Z]+)@", lambda match: parts[match[1]], template)


def as_text(text: str) -> str:
    """Text as HTML that shows it, with control characters made visible."""
    return html.escape(visible(text))


def as_json(value) -> str:
    """JSON that is safe inside a script element, and that UTF-8 can hold."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return re.sub("[<\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", text)


def _styles() -> str:
    return filled(part(__package__, "frame.css"), {"LIGHT": _colours(ON_LIGHT), "DARK": _colours(ON_DARK)})


def _colours(pairs) -> str:
    return "".join(f"--g{band}:{ground};--i{band}:{ink};" for band, (ground, ink) in enumerate(pairs, 1))
