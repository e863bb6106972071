"""Draws docs/first-names.svg: a terminal in which the commands of the README run.

    python docs/recording.py

runs the commands and draws what they print as an SVG. charlm trains by the clock, so each run of this script gives
other figures and other names. So the script also writes the names and the figures of this run into the README: text
and picture agree.
"""

import html
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURE = Path(__file__).with_name("first-names.svg")
README = ROOT / "README.md"
COMMANDS = (
    "charlm train corpora/dinosaurs.txt --minutes 1 -o dinosaurs.npz",
    "charlm sample --model dinosaurs.npz --count 8 --temperature 0.8 --seed 1",
    "charlm perplexity --model dinosaurs.npz corpora/dinosaurs-held-out.txt",
)
COLUMNS = 80
TALLEST, HEAD = 16, 6  # lines of one command's output; of more, the first HEAD and the last ones are shown
NAMES = 4  # of the samples, shown in the README's text
WIDTH, HEIGHT, MARGIN = 8.4, 19, 20  # pixels: of a character, of a line, around the text
COLOURS = {"command": "#f0f3f6", "stdout": "#f0f3f6", "stderr": "#9aa7b4", "gap": "#6b7783"}


def run(command: str, folder: Path) -> list[tuple[str, str]]:
    """Run a command: ("stdout" or "stderr", line) for each line that it prints."""
    arguments = [sys.executable, "-m", *command.split()]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": str(COLUMNS), "PYTHONUNBUFFERED": "1"}
    lines = []

    def gather(pipe, name):
        for line in pipe:
            lines.append((name, line.rstrip("\n")))

    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(arguments, cwd=folder, env=environment, text=True, encoding="utf-8", **pipes) as process:
        others = threading.Thread(target=gather, args=(process.stderr, "stderr"))
        others.start()
        gather(process.stdout, "stdout")
        others.join()
    if process.returncode:
        raise SystemExit(f"{command} ended with exit code {process.returncode}: {lines[-1][1] if lines else ''}")
    return lines


def shortened(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The lines, wrapped at COLUMNS; of too many, the first and the last with one line that stands for the others."""
    wrapped = [(name, part) for name, line in lines for part in textwrap.wrap(line, COLUMNS) or [""]]
    if len(wrapped) <= TALLEST:
        return wrapped
    tail = wrapped[-(TALLEST - HEAD - 1) :]
    return [*wrapped[:HEAD], ("gap", "…"), *tail]


def joined(sessions: list[tuple[str, list[tuple[str, str]]]]) -> list[tuple[str, str]]:
    """The lines of all sessions: each command, what it prints, and a blank line before the next one."""
    shown = []
    for command, lines in sessions:
        shown += [*([("gap", "")] if shown else []), ("command", command), *shortened(lines)]
    return shown


def svg(lines: list[tuple[str, str]]) -> str:
    """The picture of (kind, text) lines."""
    width, height = COLUMNS * WIDTH + 2 * MARGIN, len(lines) * HEIGHT + 2 * MARGIN + 24
    drawn = []
    for row, (kind, text) in enumerate(lines):
        text = f"$ {text}" if kind == "command" else text
        if not text.strip():
            continue
        indent = len(text) - len(text.lstrip())
        words = text.strip()
        left, top = MARGIN + indent * WIDTH, MARGIN + 24 + (row + 0.75) * HEIGHT
        look = f'fill="{COLOURS[kind]}"' + (' font-weight="bold"' if kind == "command" else "")
        drawn.append(
            f'<text x="{left:.1f}" y="{top:.1f}" textLength="{len(words) * WIDTH:.1f}" {look}>'
            f"{html.escape(words)}</text>"
        )
    lights = "".join(
        f'<circle cx="{MARGIN + 18 * i}" cy="18" r="6" fill="{colour}"/>'
        for i, colour in enumerate(("#ff6159", "#ffbd2e", "#28c941"))
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img">
<title>charlm trains on names of dinosaurs, samples new names, and measures held-out names</title>
<style>
text {{ font: 14px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace; white-space: pre; }}
</style>
<rect width="100%" height="100%" rx="10" fill="#1b2128"/>
{lights}
<g xml:space="preserve">
{chr(10).join(drawn)}
</g>
</svg>
"""


def with_output(page: str, sessions: list[tuple[str, list[tuple[str, str]]]]) -> str:
    """The README with what this run printed, in the two text blocks of its first session: names, then figures."""
    printed = {command.split()[1]: [line for name, line in lines if name == "stdout"] for command, lines in sessions}
    texts = iter(("\n".join(printed["sample"][:NAMES]), "\n".join(printed["perplexity"])))
    before, heading, session = page.partition("\n## One minute")
    session = re.sub(r"(?<=^```text\n).*?(?=\n```$)", lambda _: next(texts), session, count=2, flags=re.S | re.M)
    return before + heading + session


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(ROOT / "corpora", Path(folder) / "corpora")
        sessions = [(command, run(command, Path(folder))) for command in COMMANDS]
    PICTURE.write_text(svg(joined(sessions)), encoding="utf-8")
    README.write_text(with_output(README.read_text(encoding="utf-8"), sessions), encoding="utf-8")


if __name__ == "__main__":
    main()
