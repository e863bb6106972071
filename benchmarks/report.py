"""Shared by the benchmarks: figures with their targets, tables, options, JSON.

A benchmark is a module with TITLE, COLUMNS and three functions: ``add_options(parser)``; ``rows(options)`` yields one
dictionary per row of the table as soon as the row is measured; ``cells(row)`` gives the texts of a row.
"""

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from interleaved import Failed

ROOT = Path(__file__).resolve().parent.parent


class NoSuchRow(Failed):
    """No row of the benchmark contains the text of --only."""


@dataclass(frozen=True)
class Figure:
    """A measured number and its target: at least ``target``, or at most with ``at_most``; None: no target."""

    measured: float
    target: float | None = None
    at_most: bool = False

    @property
    def reached(self) -> bool:
        if self.target is None:
            return True
        return self.measured <= self.target if self.at_most else self.measured >= self.target

    def __str__(self):
        """For example "3.10 ≥ 3", or "**2.26** < 3" if the target is missed."""
        measured = f"{self.measured:.2f}"
        if self.target is None:
            return measured
        if self.reached:
            return f"{measured} {'≤' if self.at_most else '≥'} {self.target:g}"
        return f"**{measured}** {'>' if self.at_most else '<'} {self.target:g}"


def table_head(columns: tuple[str, ...]) -> str:
    """The first two lines of a Markdown table."""
    return table_row(columns) + "\n" + "|---" * len(columns) + "|"


def table_row(cells) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def parser_for(description: str) -> argparse.ArgumentParser:
    """A parser with the options of every benchmark."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rounds", type=at_least_1, default=5, help="measurements of each contender")
    parser.add_argument("--threads", type=at_least_1, default=cores(), help="cores to use")
    parser.add_argument("--only", metavar="TEXT", default="", help="only the rows whose name contains this text")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, few rounds: checks that it works, not how fast it is"
    )
    parser.add_argument("--corpus", type=at_least_1, default=1000, metavar="MB", help="size of the largest text")
    parser.add_argument("--json", metavar="FILE", help="write all figures to this file")
    return parser


def at_least_1(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def cores() -> int:
    """How many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def machine() -> dict:
    """The machine and the versions that the figures were measured with."""
    versions = {}
    for package in ("numba", "numpy", "torch"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            pass
    return {
        "processor": _processor(),
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **versions,
        "charlm": _commit(),
        "date": time.strftime("%Y-%m-%d"),
    }


def _processor():
    """The name of the processor and its relevant instruction sets."""
    name, has = platform.processor() or platform.machine(), []
    try:
        facts = dict(
            (key.strip(), value.strip())
            for key, _, value in (
                line.partition(":") for line in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
            )
        )
    except OSError:
        return name
    flags = facts.get("flags", "").split()
    has = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    family = f"family {facts['cpu family']}, model {facts['model']}" if {"cpu family", "model"} <= set(facts) else ""
    return ", ".join(filter(None, (facts.get("model name", name), family, " ".join(has))))


def _commit():
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def wanted(names, options) -> list[str]:
    """The names that contain the text of --only. Raises NoSuchRow if no name does."""
    chosen = [name for name in names if options.only.lower() in name.lower()]
    if not chosen:
        raise NoSuchRow(f"no row contains {options.only!r}; the rows: {'; '.join(names)}")
    return chosen


def installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def need_pytorch() -> None:
    """Raise Failed if PyTorch is not installed."""
    if not installed("torch"):
        raise Failed(
            "PyTorch is not installed here; `make bench` installs it into .venv-bench and runs the benchmarks there"
        )


def run_and_print(module, options, rows: list[dict]) -> None:
    """Run one benchmark and print its table row by row. Rows are appended to ``rows``, so that an error loses none."""
    for row in module.rows(options):
        if not rows:
            print(f"\n## {module.TITLE}\n\n{table_head(module.COLUMNS)}")
        rows.append(row)
        print(table_row(module.cells(row)), flush=True)


def figures_in(value, path=()):
    """(where, Figure) for each figure in nested dictionaries and lists; a row is named by its "name"."""
    if isinstance(value, Figure):
        yield ", ".join(path), value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from figures_in(inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            yield from figures_in(
                inner, (*path, inner["name"]) if isinstance(inner, dict) and "name" in inner else path
            )


def summary(results: dict) -> str:
    """How many targets were reached, and the list of those missed."""
    targeted = [(where, figure) for where, figure in figures_in(results) if figure.target is not None]
    missed = [f"- {where}: {figure}" for where, figure in targeted if not figure.reached]
    return "\n".join([f"{len(targeted) - len(missed)} of {len(targeted)} figures reach their targets."] + missed)


def write_json(path, results: dict) -> None:
    def plain(value):
        return asdict(value) | {"reached": value.reached} if isinstance(value, Figure) else str(value)

    with open(path, "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1, ensure_ascii=False, default=plain)
        file.write("\n")


def run_alone(module) -> None:
    """The main function of a benchmark that runs as a script."""
    parser = parser_for(module.__doc__.splitlines()[0])
    module.add_options(parser)
    options = parser.parse_args()
    rows = []
    try:
        print(", ".join(map(str, machine().values())))
        run_and_print(module, options, rows)
    except Failed as error:
        sys.exit(f"{parser.prog}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        if options.json and rows:
            write_json(options.json, {"machine": machine(), Path(module.__file__).stem: rows})
