"""This machine and what charlm runs on, for a page that others read: no names of people, machines or folders."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .._version import __version__
from ..tasks.summary import number_of

CPU_INFO = Path("/proc/cpuinfo")


def machine(threads: int) -> list[tuple[str, str]]:
    """(what, in words) of the processor, the system and the versions. threads: that the training uses."""
    found = [f"{name} {_version_of(name)}" for name in ("numpy", "numba")]
    return [
        ("processor", f"{_processor()}, {number_of(threads, 'thread')}"),
        ("system", f"{platform.system()} {platform.machine()}"),
        ("versions", f"charlm {__version__}, Python {platform.python_version()}, {', '.join(found)}"),
    ]


def _processor() -> str:
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration, IndexError):
        return platform.processor() or platform.machine() or "unknown"


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "of an unknown version"
