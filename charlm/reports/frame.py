"""The frame of all pages: one file that loads nothing, light and dark, with the colours of surprise.

The policy in its head forbids a browser every request, so that no page can tell anyone that it was opened.
"""

import html
import json
import re
from importlib.resources import files

from .._version import __version__
from ..text.visible import visible
from .palette import LESS_ON_DARK, LESS_ON_LIGHT, MORE_ON_DARK, MORE_ON_LIGHT, ON_DARK, ON_LIGHT

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
SCRIPTS = "; script-src 'unsafe-inline'; worker-src blob:"
SURPRISE, REPORT = "surprise page", "report"  # the kinds of pages
_GENERATOR = re.compile(r'<meta name="generator" content="charlm ([^" ]+)(?: ([^"]+))?">')


def page(title: str, body: str, kind: str, *, styles: str = "", scripts: bool = False, seconds: int = 0) -> str:
    """A whole page. title, kind: text. body, styles: HTML and CSS as they are. scripts: the body has some.
    seconds: from one time that the browser reads the page again to the next; 0 for never."""
    again = f'<meta http-equiv="refresh" content="{seconds}">\n' if seconds else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="generator" content="charlm {html.escape(__version__)} {kind}">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}{SCRIPTS if scripts else ""}">\n{again}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{as_text(title)}</title>\n<style>\n{_styles()}{styles}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )


def is_page(path, kind: str) -> bool:
    """Whether a file is a page of charlm of this kind."""
    with open(path, "rb") as file:
        found = _GENERATOR.search(file.read(1000).decode("utf-8", "replace"))
    return bool(found) and (found[2] or SURPRISE) == kind  # older surprise pages do not name their kind


def part(name: str) -> str:
    """A file next to this module."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def as_text(text: str) -> str:
    """Text as HTML that shows it, with control characters made visible."""
    return html.escape(visible(text))


def as_json(value) -> str:
    """JSON that is safe inside a script element."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _styles() -> str:
    light = _colours("s", ON_LIGHT) + _colours("l", LESS_ON_LIGHT) + _colours("m", MORE_ON_LIGHT)
    dark = _colours("s", ON_DARK) + _colours("l", LESS_ON_DARK) + _colours("m", MORE_ON_DARK)
    return part("frame.css").replace("@LIGHT@", light).replace("@DARK@", dark)


def _colours(kind: str, pairs) -> str:
    """The variables of the bands of a kind, which has the letter of their classes."""
    names = {"s": ("g", "i")}.get(kind, (f"{kind}g", f"{kind}i"))
    return "".join(
        f"--{names[0]}{band}:{ground};--{names[1]}{band}:{ink};" for band, (ground, ink) in enumerate(pairs, 1)
    )
