"""Draws docs/first-names.svg: a terminal in which the commands of the README run.

    python docs/recording.py

runs the commands, on a terminal of 80 columns, and draws what they show as an SVG: of the training, how it looks in the
middle and how it ends. charlm trains by the clock, so each run of this script gives other figures and other names. So
the script also writes the names and the figures of this run into the README, and the training into the page Train:
texts and picture agree.
"""

import html
import os
import pty
import re
import subprocess
import sys
import tempfile
import termios
import textwrap
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURE = Path(__file__).with_name("first-names.svg")
README = ROOT / "README.md"
TRAIN = Path(__file__).with_name("guide") / "train.md"
COMMANDS = (
    "charlm train corpora/dinosaurs.txt --minutes 1 -o dinosaurs.npz",
    "charlm sample --model dinosaurs.npz --count 8 --temperature 0.8 --seed 1",
    "charlm perplexity --model dinosaurs.npz corpora/dinosaurs-held-out.txt",
)
COLUMNS, ROWS = 80, 40  # of the terminal
ERASED = "\r\x1b[2K"  # begins what erases a block before it is drawn again
MIDDLE = re.compile(r"\b[5-9]\d %.*left.*the model writes now:", re.S)  # the first such picture of a training is shown
BEGINNING, END = "charlm learns", "best held-out loss"  # the first lines that are shown: of the middle, of the end
NAMES = 4  # of the samples, shown in the README's text
WIDTH, HEIGHT, MARGIN = 8.4, 19, 20  # pixels: of a character, of a line, around the text
COLOURS = {"command": "#f0f3f6", "stdout": "#f0f3f6", "stderr": "#9aa7b4", "gap": "#6b7783"}


def run(command: str, folder: Path) -> list[tuple[str, str]]:
    """Run a command whose stderr is a terminal: ("stdout", "stderr" or "gap", line) for each line that it shows, first
    those of stdout."""
    arguments = [sys.executable, "-m", *command.split()]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": str(COLUMNS), "TERM": "xterm", "NO_COLOR": "1"}
    above, below = pty.openpty()
    termios.tcsetwinsize(below, (ROWS, COLUMNS))
    written: list[bytes] = []

    def gather():
        try:
            while piece := os.read(above, 1 << 16):
                written.append(piece)
        except OSError:  # on Linux, this is the end
            pass

    places = {"cwd": folder, "env": environment, "stdin": subprocess.DEVNULL}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=below, **places) as process:
        os.close(below)
        gathering = threading.Thread(target=gather)
        gathering.start()
        printed = process.stdout.read().decode().splitlines()
        gathering.join()
    os.close(above)
    shown = stages(b"".join(written).decode())
    if process.returncode:
        raise SystemExit(f"{command} ended with exit code {process.returncode}: {shown[-1] if shown else ''}")
    return [*(("stdout", line) for line in printed), *(("gap" if line == "…" else "stderr", line) for line in shown)]


def stages(written: str) -> list[str]:
    """The lines that a command shows: its last picture; or of a training in the middle, a line "…", and its end."""
    last = picture(written)
    ends = (match.start() for match in re.finditer(re.escape(ERASED), written))
    pictures = (picture(written[:end]) for end in ends)
    middle = next((lines for lines in pictures if MIDDLE.search("\n".join(lines))), None)
    if middle is None:
        return last
    return [*_from(BEGINNING, middle), "…", *_from(END, last)]


def _from(beginning: str, lines: list[str]) -> list[str]:
    """The lines from the one on that has this beginning."""
    return lines[next(row for row, line in enumerate(lines) if line.startswith(beginning)) :]


def picture(written: str) -> list[str]:
    """The lines on a terminal, where a program has written this. It knows what charlm uses: to go up, to erase a
    line, to begin it again."""
    lines, row, column = [""], 0, 0
    for number, letter, other in re.findall(r"\x1b\[\??(\d*)[\d;]*([A-Za-z])|([^\x1b])", written):
        if letter == "A":
            row = max(0, row - int(number or 1))
        elif letter == "K":
            lines[row] = "" if number == "2" else lines[row][:column]
        elif other == "\r":
            column = 0
        elif other == "\n":
            row, column = row + 1, 0
            lines += [""] * (row == len(lines))
        elif other:
            lines[row] = lines[row][:column].ljust(column) + other + lines[row][column + 1 :]
            column += 1
    return "\n".join(line.rstrip() for line in lines).rstrip("\n").split("\n") if any(lines) else []


def joined(sessions: list[tuple[str, list[tuple[str, str]]]]) -> list[tuple[str, str]]:
    """The lines of all sessions: each command, what it prints, and a blank line before the next one."""
    shown = []
    for command, lines in sessions:
        shown += [*([("gap", "")] if shown else []), ("command", command)]
        shown += [(name, part) for name, line in lines for part in textwrap.wrap(line, COLUMNS) or [""]]
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
    return _with_texts(page, "\n## One minute", printed["sample"][:NAMES], printed["perplexity"])


def with_training(page: str, sessions: list[tuple[str, list[tuple[str, str]]]]) -> str:
    """The page Train with what the training of this run showed: the middle, then the end."""
    shown = [line for _, line in sessions[0][1]]
    gap = shown.index("…")
    return _with_texts(page, "\n## What you see", shown[:gap], ["ended after …", *shown[gap + 1 :]])


def _with_texts(page: str, heading: str, *texts: list[str]) -> str:
    """A page whose first text blocks after a heading have these lines."""
    new = iter(map("\n".join, texts))
    before, heading, session = page.partition(heading)
    pattern = r"(?<=^```text\n).*?(?=\n```$)"
    return before + heading + re.sub(pattern, lambda _: next(new), session, count=len(texts), flags=re.S | re.M)


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(ROOT / "corpora", Path(folder) / "corpora")
        sessions = [(command, run(command, Path(folder))) for command in COMMANDS]
    PICTURE.write_text(svg(joined(sessions)), encoding="utf-8")
    for page, written in ((README, with_output), (TRAIN, with_training)):
        page.write_text(written(page.read_text(encoding="utf-8"), sessions), encoding="utf-8")


if __name__ == "__main__":
    main()
