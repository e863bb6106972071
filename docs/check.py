"""Looks at the built manual: every link to a page or a heading leads somewhere, every command and option is in it.

    python docs/check.py docs/_build/html

prints what is wrong, one line each, and ends with exit code 1 if there is anything. `make docs` runs it.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent


class Page(HTMLParser):
    """What a page of the manual holds: the ids of its parts, its links, its text."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        fields = dict(attributes)
        if fields.get("id"):
            self.ids.add(fields["id"])
        self.links += [fields[name] for name in ("href", "src") if fields.get(name)]

    def handle_data(self, data):
        self.words.append(data)


def broken_links(folder: Path) -> list[str]:
    """The links between pages that lead nowhere. Links to other sites are not followed."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            found = target in pages if target.suffix == ".html" else target.exists()
            heading = unquote(parts.fragment)
            if not found or heading and target in pages and heading not in pages[target].ids:
                broken.append(f"{path.relative_to(folder.resolve())} links to {link}, which is not there")
    return broken


def missing_options(folder: Path) -> list[str]:
    """The commands and options of charlm that the page of the commands does not name."""
    sys.path.insert(0, str(ROOT))
    from charlm.cli import program

    page = Page((folder / "reference" / "commands.html").read_text(encoding="utf-8"))
    words = set(" ".join(page.words).replace(",", " ").split())
    missing = [f"the command {name}" for name in program.commands if f"charlm-{name}" not in page.ids]
    for name, command in program.commands.items():
        options = {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]}
        missing += [f"{name} {option}" for option in sorted(options) if option[0] == "-" and option not in words]
    return [f"reference/commands.html lacks {what}" for what in missing]


def problems(folder: Path) -> list[str]:
    return broken_links(folder) + missing_options(folder)


if __name__ == "__main__":
    found = problems(Path(sys.argv[1]))
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(bool(found))
