"""The README is true: each of its commands runs, in order, and so does its Python."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def test_commands_run(tmp_path):
    """As they stand, except that training ends after one epoch, or by the clock after a moment."""
    os.symlink(ROOT / "corpora", tmp_path / "corpora")
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert {name for command in commands for name in re.findall(r"\bcharlm (\w+) ", command)} == {
        "train",
        "sample",
        "perplexity",
        "predict",
        "evaluate",
        "info",
    }
    for command in commands:
        if command.startswith("charlm train"):
            command, by_clock = re.subn(r"--minutes \S+", "--minutes 0.03", command)
            command += "" if by_clock else " --epochs 1"
        shell = re.sub(
            r"(?:^|(?<=\| ))(charlm|python)",
            lambda word: f'"{sys.executable}"' + (" -m charlm" if word[1] == "charlm" else ""),
            command,
        )
        done = subprocess.run(shell, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        assert done.stdout or " > " in command or " train " in command, command


def test_python_runs(tmp_path):
    os.symlink(ROOT / "corpora", tmp_path / "corpora")
    (code,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 7


def test_options_in_the_table_exist():
    from charlm.cli import program

    known = {option for parameter in program.commands["train"].params for option in parameter.opts}
    named = set(re.findall(r"`(--[a-z-]+)`", README.split("## Settings")[1].split("## What")[0]))
    assert named <= known | {"--resume"} and len(named) > 8
