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


# The nodes that the rules ask for, and those without children, which none asks for.
ASKED = (ast.Import, ast.ImportFrom, ast.Call, ast.Attribute, ast.MatMult)
ASKED += (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
LEAVES = (ast.Name, ast.Constant, ast.Load, ast.Store)


@cache
def nodes(module):
    """(node, whether it is inside a function, whether inside a class and nothing else) of each node of a module, by
    the type of the node."""
    found = {kind: [] for kind in ASKED}
    rest = [(ast.parse(MODULES[module].read_text(encoding="utf-8")), False, False)]
    while rest:
        node, is_late, is_method = entry = rest.pop()
        if type(node) in found:
            found[type(node)].append(entry)
        is_late, is_class = is_late or isinstance(node, ast.FunctionDef), isinstance(node, ast.ClassDef)
        for name in node._fields:
            children = getattr(node, name)
            for child in children if isinstance(children, list) else [children]:
                if isinstance(child, ast.AST) and not isinstance(child, LEAVES):
                    rest.append((child, is_late, is_class))
    return found


def of(kind):
    """(module, node) of each node of a type."""
    return [(module, node) for module in MODULES for node, *_ in nodes(module)[kind]]


@pytest.fixture(scope="module", autouse=True)
def forgets():
    """The trees of all modules are large."""
    yield
    nodes.cache_clear()


def room(module):
    return module.split(".")[0]


@cache
def imports(module):
    """(module of the package, or name of another package, line, whether it waits inside a function) of each import of
    a module."""
    folder = module.split(".") if MODULES[module].name == "__init__.py" else module.split(".")[:-1]
    folder = [] if module == "__init__" else folder
    found = []
    for node, is_late, _ in nodes(module)[ast.Import]:
        found += [(alias.name, node.lineno, is_late) for alias in node.names]
    for node, is_late, _ in nodes(module)[ast.ImportFrom]:
        above = folder[: len(folder) - node.level + 1] + (node.module.split(".") if node.module else [])
        for alias in node.names if node.level else []:
            inside = ".".join([*above, alias.name])
            found.append((inside if inside in MODULES else ".".join(above) or "__init__", node.lineno, is_late))
        if not node.level:
            found.append((node.module, node.lineno, is_late))
    return found


def is_in(module, place):
    """Whether a module is the one named, or in that folder; every module is in ""."""
    return not place or f"{module}.".startswith(f"{place}.")


def test_imports_run_one_way():
    for module in MODULES:
        for target, line, is_late in imports(module):
            where = f"{module}, line {line}: {target}"
            allowed = any(is_in(module, who) and is_in(target, what) for who, what, _ in LATE)
            assert allowed or not is_late, f"{where} is imported inside a function"
            if target in MODULES:
                assert ORDER.index(room(target)) <= ORDER.index(room(module)), f"{where} comes later"
            else:
                package = room(target)
                assert package != "charlm", f"{where}: imports inside the package are relative"
                assert ONLY_IN.get(package, room(module)) == room(module), f"{where} is of another room"


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
    callers = {module for module, _ in of(ast.MatMult)}
    for module, node in of(ast.Attribute):
        if node.attr in NOT_PORTABLE and getattr(node.value, "id", "") in ("np", "math"):
            callers.add(module)
    rooms = "kernels", "text", "network", "tasks", "learning", "modelfile", "model"
    assert {module for module in callers if room(module) in rooms} == {module for module, _ in NOT_KEPT}


def test_nothing_prints():
    calls = [(module, call) for module, call in of(ast.Call) if isinstance(call.func, ast.Name)]
    assert not [f"{module}, line {call.lineno}" for module, call in calls if call.func.id == "print"]


def test_functions_fit_on_a_screen_and_many_arguments_have_names():
    for module in [module for module in MODULES if room(module) != "kernels"]:
        for node, _, is_method in nodes(module)[ast.FunctionDef] + nodes(module)[ast.AsyncFunctionDef]:
            # what a person calls names every option, and explains each: its signature and docstring may be long
            name, start = f"{module}.{node.name}", node.body[0].end_lineno if module == "__init__" else node.lineno
            assert node.end_lineno - start < LONGEST_FUNCTION, f"{name} is too long"
            positional = len(node.args.posonlyargs) + len(node.args.args) - is_method
            most = MOST_OF_A_CONSTRUCTOR if node.name == "__init__" else MOST_POSITIONAL
            assert positional <= most, f"{name} takes {positional} arguments without names"


def test_dataclasses_with_many_fields_are_made_by_name():
    for module, node in of(ast.ClassDef):
        decorators = " ".join(map(ast.unparse, node.decorator_list))
        fields = [item for item in node.body if isinstance(item, ast.AnnAssign) and "ClassVar" not in ast.unparse(item)]
        if "dataclass" in decorators and len(fields) > MOST_OF_A_CONSTRUCTOR:
            assert "kw_only=True" in decorators, f"{module}.{node.name} has {len(fields)} fields: kw_only=True"


def test_no_class_has_the_name_of_another():
    found = defaultdict(list)
    for module, node in of(ast.ClassDef):
        found[node.name].append(module)
    assert not {name: where for name, where in found.items() if len(where) > 1}


def test_every_folder_is_installed():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {".".join(path.parent.relative_to(PACKAGE.parent).parts) for path in PACKAGE.rglob("__init__.py")}
    assert folders == set(project["tool"]["setuptools"]["packages"])
    assert project["tool"]["setuptools"]["package-dir"] == {"": "."}  # see the comment there
