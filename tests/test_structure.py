"""The house keeps its shape: imports run one way, and numba, rich, click and print stay in their rooms.

All imports count, those inside functions too: an import stands inside a function only so that a command starts without
what it does not need, never to run against the order.
"""

import ast
import tomllib
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

import charlm

PACKAGE = Path(charlm.__file__).parent
# Rooms of the package: each may import from those before it, and inside a room any module from any other.
ORDER = (
    *(
        "_version",
        "errors",
        "options",
        "files",
        "ranks",
        "score",
        "portable",
        "kernels",
        "text",
        "vectors",
        "network",
        "tasks",
        "modelfile",
    ),
    *("model", "scoring", "predicting", "export", "reports", "sampling", "learning", "display", "cli", "__init__"),
    "__main__",
)
ONLY_IN = {"numba": "kernels", "llvmlite": "kernels", "rich": "display", "click": "cli", "mpi4py": "ranks"}
AT_THE_ROOT = 10  # modules, at most
LONGEST_FUNCTION = 60  # lines, outside kernels
MOST_POSITIONAL = 8  # parameters that can be given without their names, outside kernels
MOST_OF_A_CONSTRUCTOR = 5  # the same for constructors
# Who may import inside a function, and what: an import there runs when it is needed, and the reason says why it waits.
LATE = (
    ("__init__", "", "import charlm takes no time"),
    ("cli", "", "--help, completion and errors start without NumPy, and without what only one of them needs"),
    ("display", "", "an error is shown without NumPy, and a line without rich"),
    ("sampling.sampler", "sampling.chords", "a text is sampled without the files of sets and vectors"),
    ("tasks", "network", "a model is read, sampled from and scored without numba"),
    ("scoring", "network", "a short text is scored without numba"),
    ("export", "export", "only the form that is asked for is loaded"),
    ("export.tensors", "safetensors", "only a file that is read needs it"),
    ("text.merges", "kernels", "a text becomes subwords without numba; only the merges are learnt with it"),
    ("kernels.numba_private", "numba", "an untried numba may lack private parts"),
    ("text.baselines", "lzma", "a Python may be built without it"),
    ("export.onnx_graph", "onnx", "only who writes an .onnx file needs that package"),
    ("ranks", "mpi4py", "only the processes of an MPI job need it, and elsewhere its import can end the process"),
    ("ranks", "ranks.mpi", "the same"),
    ("errors", "difflib", "only an error about a name needs it"),
)
# Functions whose last bit the processor or a library decides, and who may call them on the way from a text to a model:
# modules of which the model keeps nothing of that.
NOT_PORTABLE = {"exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "logaddexp", "sin", "cos", "tanh", "power"}
NOT_PORTABLE |= {"pow", "interp", "dot", "matmul", "einsum"}
NOT_KEPT = (
    ("kernels.activations", "in float64, for checks"),
    ("network.reference", "the oracle"),
    *((f"network.{name}", "samples and scores") for name in ("stepper", "mixture", "probabilities", "measuring")),
    *((name, "predicts") for name in ("network.translator", "tasks.entities")),
    ("text.baselines", "shown beside the model"),
    ("text.ngrams", "for a page"),
)
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


@cache
def tree_of(module):
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def room(module):
    return module.split(".")[0]


def imports(module):
    """(module of the package, or name of another package, line, whether it waits inside a function) of each import of
    a module."""
    folder = module.split(".") if MODULES[module].name == "__init__.py" else module.split(".")[:-1]
    folder = [] if module == "__init__" else folder
    late = {
        inner for outer in ast.walk(tree_of(module)) if isinstance(outer, ast.FunctionDef) for inner in ast.walk(outer)
    }
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, node in late
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module, node.lineno, node in late
        elif isinstance(node, ast.ImportFrom):
            above = folder[: len(folder) - node.level + 1] + (node.module.split(".") if node.module else [])
            for alias in node.names:
                inside = ".".join([*above, alias.name])
                yield (inside if inside in MODULES else ".".join(above) or "__init__"), node.lineno, node in late


def is_in(module, place):
    """Whether a module is the one named, or in that folder; every module is in ""."""
    return not place or f"{module}.".startswith(f"{place}.")


def modules(*without):
    return [name for name in MODULES if room(name) not in without]


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module):
    for target, line, is_late in imports(module):
        allowed = any(is_in(module, who) and is_in(target, what) for who, what, _ in LATE)
        assert allowed or not is_late, f"line {line}: {target} is imported inside a function"
        if target in MODULES:
            assert ORDER.index(room(target)) <= ORDER.index(room(module)), f"line {line}: {module} imports {target}"
        else:
            package = room(target)
            assert package != "charlm", f"line {line}: imports inside the package are relative"
            assert ONLY_IN.get(package, room(module)) == room(module), f"line {line}: {package} in {module}"


def test_no_module_imports_itself_by_way_of_others():
    targets = {name: {target for target, *_ in imports(name) if target in MODULES} - {name} for name in MODULES}
    done = set()
    while ready := {name for name in targets if name not in done and targets[name] <= done}:
        done |= ready
    assert not set(targets) - done, "these import each other in a circle, or import what does"


def test_every_module_has_its_place():
    assert {room(name) for name in MODULES} == set(ORDER)
    assert len([name for name in MODULES if MODULES[name].parent == PACKAGE]) <= AT_THE_ROOT


def test_training_leaves_no_last_bit_to_a_library():
    """What a model keeps comes from ``portable`` and from the kernels."""
    callers = set()
    for module in MODULES:
        for node in ast.walk(tree_of(module)):
            of_library = isinstance(node, ast.Attribute) and getattr(node.value, "id", "") in ("np", "math")
            if (of_library and node.attr in NOT_PORTABLE) or isinstance(node, ast.MatMult):
                callers.add(module)
    rooms = "kernels", "text", "network", "tasks", "learning", "modelfile", "model"
    assert {module for module in callers if room(module) in rooms} == {module for module, _ in NOT_KEPT}


@pytest.mark.parametrize("module", MODULES)
def test_nothing_prints(module):
    calls = [node for node in ast.walk(tree_of(module)) if isinstance(node, ast.Call)]
    assert not [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


def functions(module):
    """(name, node, whether it is a method of a class) of each function."""
    for node in ast.walk(tree_of(module)):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield f"{module}.{child.name}", child, isinstance(node, ast.ClassDef)


@pytest.mark.parametrize("module", modules("kernels"))
def test_functions_fit_on_a_screen_and_many_arguments_have_names(module):
    for name, node, is_method in functions(module):
        # what a person calls names every option, and explains each: its signature and docstring may be long
        start = node.body[0].end_lineno if module == "__init__" else node.lineno
        assert node.end_lineno - start < LONGEST_FUNCTION, f"{name} is too long"
        positional = len(node.args.posonlyargs) + len(node.args.args) - is_method
        most = MOST_OF_A_CONSTRUCTOR if node.name == "__init__" else MOST_POSITIONAL
        assert positional <= most, f"{name} takes {positional} arguments without names"


@pytest.mark.parametrize("module", MODULES)
def test_dataclasses_with_many_fields_are_made_by_name(module):
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ClassDef):
            decorators = " ".join(map(ast.unparse, node.decorator_list))
            fields = [
                item for item in node.body if isinstance(item, ast.AnnAssign) and "ClassVar" not in ast.unparse(item)
            ]
            if "dataclass" in decorators and len(fields) > MOST_OF_A_CONSTRUCTOR:
                assert "kw_only=True" in decorators, f"{module}.{node.name} has {len(fields)} fields: kw_only=True"


def test_no_class_has_the_name_of_another():
    found = defaultdict(list)
    for module in MODULES:
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(module)
    assert not {name: where for name, where in found.items() if len(where) > 1}


def test_every_folder_is_installed():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {".".join(path.parent.relative_to(PACKAGE.parent).parts) for path in PACKAGE.rglob("__init__.py")}
    assert folders == set(project["tool"]["setuptools"]["packages"])
    assert project["tool"]["setuptools"]["package-dir"] == {"": "."}  # see the comment there
