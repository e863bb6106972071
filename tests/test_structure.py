"""The house keeps its shape: imports run one way, and numba, rich, click and print stay in their rooms.

All imports count, those inside functions too: an import stands inside a function only so that a command starts without
what it does not need, never to run against the order.
"""

import ast
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

import charlm

PACKAGE = Path(charlm.__file__).parent
# Rooms of the package: each may import from those before it, and inside a room any module from any other.
ORDER = (
    *("_version", "errors", "files", "figures", "text", "kernels", "network", "tasks", "modelfile", "model"),
    *("training", "scoring", "predicting", "sampling", "reports", "display", "cli", "__init__", "__main__"),
)
ONLY_IN = {"numba": "kernels", "llvmlite": "kernels", "rich": "display", "click": "cli"}
AT_THE_ROOT = 10  # modules, at most
# What a command needs only if it trains, measures much or runs several threads is imported where it is needed, so that
# --help, info, sample and short texts start without the compiler.
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def room(module):
    return module.split(".")[0]


def imports(module):
    """(module of the package, or name of another package, line) of each import of a module, inside functions too."""
    folder = module.split(".") if MODULES[module].name == "__init__.py" else module.split(".")[:-1]
    folder = [] if module == "__init__" else folder
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module, node.lineno
        elif isinstance(node, ast.ImportFrom):
            above = folder[: len(folder) - node.level + 1] + (node.module.split(".") if node.module else [])
            for alias in node.names:
                inside = ".".join([*above, alias.name])
                yield (inside if inside in MODULES else ".".join(above) or "__init__"), node.lineno


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module):
    for target, line in imports(module):
        if target in MODULES:
            assert ORDER.index(room(target)) <= ORDER.index(room(module)), f"line {line}: {module} imports {target}"
        else:
            package = room(target)
            assert package != "charlm", f"line {line}: imports inside the package are relative"
            assert ONLY_IN.get(package, room(module)) == room(module), f"line {line}: {package} in {module}"


def test_no_module_imports_itself_by_way_of_others():
    targets = {name: {target for target, _ in imports(name) if target in MODULES} - {name} for name in MODULES}
    done = set()
    while ready := {name for name in targets if name not in done and targets[name] <= done}:
        done |= ready
    assert not set(targets) - done, "these import each other in a circle, or import what does"


def test_every_module_has_its_place():
    assert {room(name) for name in MODULES} == set(ORDER)
    assert len([name for name in MODULES if MODULES[name].parent == PACKAGE]) <= AT_THE_ROOT


@pytest.mark.parametrize("module", MODULES)
def test_nothing_prints(module):
    calls = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.Call)]
    assert not [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


def test_no_class_has_the_name_of_another():
    found = defaultdict(list)
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(module)
    assert not {name: where for name, where in found.items() if len(where) > 1}


def test_every_folder_is_installed():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {".".join(path.parent.relative_to(PACKAGE.parent).parts) for path in PACKAGE.rglob("__init__.py")}
    assert folders == set(project["tool"]["setuptools"]["packages"])
