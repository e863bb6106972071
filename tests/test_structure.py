"""The house keeps its shape: imports run one way, and compiler, rich, click and print stay in their rooms."""

import ast
import tomllib
from pathlib import Path

import pytest

import charlm

PACKAGE = Path(charlm.__file__).parent
ORDER = [
    "errors",
    "places",
    "kernels",
    "vocabulary",
    "bloom",
    "novelty",
    "loss",
    "store",
    "corpus",
    "batches",
    "baselines",
    "network",
    "reference",
    "tasks",
    "model",
    "optimizers",
    "modelfile",
    "scoring",
    "adapting",
    "levels",
    "predicting",
    "comparing",
    "painting",
    "plotting",
    "settings",
    "pace",
    "training",
    "reporting",
    "planning",
    "acceptance",
    "beginning",
    "chance",
    "drawing",
    "units",
    "chains",
    "filling",
    "sampling",
    "checkpoint",
    "display",
    "page",
    "cli",
]
ROOMS = {"numba": "kernels", "llvmlite": "kernels", "rich": "display", "click": "cli"}
FILES = sorted(PACKAGE.rglob("*.py"))


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(tree):
    """(level, module, names, at the top of the file) of each import."""
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield 0, alias.name, [], id(node) in top
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or "", [alias.name for alias in node.names], id(node) in top


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    here, depth = room(path), len(path.relative_to(PACKAGE).parts)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for level, module, names, at_top in imports(tree):
        if level == 0:
            assert ROOMS.get(module.split(".")[0], here) == here, f"{module} belongs to {ROOMS[module.split('.')[0]]}"
        elif level == depth and here in ORDER and at_top:  # of this package, from its root
            for target in [module.split(".")[0]] if module else names:
                assert target == "__version__" or ORDER.index(target) <= ORDER.index(here), (
                    f"{here} must not import {target}"
                )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_prints(path):
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert not [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


def test_every_module_has_its_place():
    assert {room(path) for path in FILES} == {*ORDER, "__init__", "__main__"}


def test_every_folder_is_installed():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {".".join(path.parent.relative_to(PACKAGE.parent).parts) for path in PACKAGE.rglob("__init__.py")}
    assert folders == set(project["tool"]["setuptools"]["packages"])
