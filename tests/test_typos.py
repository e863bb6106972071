"""benchmarks/typos.py: typos are at the reported positions, and a model that knows the text finds them."""

import importlib.util
import random
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "typos.py"


@pytest.fixture(scope="module")
def typos():
    spec = importlib.util.spec_from_file_location("typos", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_typo_changes_the_line_at_the_reported_position(typos):
    line, generator = "The quick brown Fox jumps over it", random.Random(1)
    for kind in typos.KINDS * 30:
        changed, positions = typos.with_typo(line, kind, generator)
        changed_at = next(
            (i for i, pair in enumerate(zip(line, changed, strict=False)) if pair[0] != pair[1]), len(changed)
        )
        assert changed != line and len(changed) - len(line) == {"inserted": 1, "dropped": -1}.get(kind, 0)
        assert positions[0] <= changed_at <= positions[-1] or kind in ("inserted", "dropped")
        if kind == "replaced":
            assert sum(a != b for a, b in zip(line, changed, strict=True)) == 1 == len(positions)
        elif kind == "swapped":
            assert sorted(line) == sorted(changed) and len(positions) == 2
        elif kind == "inserted":
            assert changed[: positions[0]] + changed[positions[0] + 1 :] == line
        else:
            assert line[: positions[0]] + line[positions[0] + 1 :] == changed
    assert typos.with_typo("too short", "replaced", generator) is None
    assert typos.with_typo("1234567890 1234567890 a 1", "swapped", generator) is None


def test_the_script_runs(tiny_model, tmp_path):
    (tmp_path / "text.txt").write_text("cab egg cab egg cab egg\n" * 20)
    command = [sys.executable, SCRIPT, tiny_model, tmp_path / "text.txt", "--lines", "8"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [line.split()[-1] for line in done.stdout.splitlines()[:4]] == ["2"] * 4
    assert " of    8 " in done.stdout.splitlines()[4]
