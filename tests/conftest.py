"""Shared by the test files: a small text, a model trained on it, and a profile for property tests without deadlines."""

import gc
import os
import signal
import warnings

import pytest
from hypothesis import settings

import charlm

if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
    from uncompiled import stand_in

    stand_in()

gc.disable()  # while pytest collects the tests
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell starts with SIGINT ignored

# Files whose tests call no kernels, or compile them into an empty cache of their own.
WITHOUT_KERNELS = "preparation ahead structure corpora corpus reading columns options vocabulary payload page".split()

settings.register_profile("charlm", deadline=None, max_examples=80)
settings.load_profile("charlm")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):
    """Of two processes, the second one imports the test files from the last to the first: the one that comes to a file
    first rewrites its assertions and compiles it for both."""
    report = yield
    if isinstance(collector, pytest.Dir) and os.environ.get("PYTEST_XDIST_WORKER") == "gw1":
        report.result.reverse()
    return report


def pytest_collection_modifyitems(items: list) -> None:
    """Of two processes, the second one takes the second half. It begins with tests that call no kernel, while the first
    one compiles kernels for both."""
    items.sort(key=lambda item: item.path)  # in whichever order they were imported
    late = [item.path.stem.removeprefix("test_") in WITHOUT_KERNELS for item in items]
    others = [item for item, is_late in zip(items, late, strict=True) if not is_late]
    half = len(items) // 2
    items[:] = others[:half] + [item for item, is_late in zip(items, late, strict=True) if is_late] + others[half:]


def pytest_collection_finish() -> None:
    """From here on the garbage collector works, and leaves alone what stays until the end: all tests."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def tiny_text() -> str:
    """Sixty short lines of seven letters."""
    words = ("abba", "cab", "dada", "egg", "fee", "bead", "cage", "gaff", "deaf", "face")
    return "".join(f"{words[number % 10]} {words[number * 7 % 9]}\n" for number in range(60))


@pytest.fixture(scope="session")
def tiny_model(tiny_text, tmp_path_factory):
    """The path of a stream model of characters, trained on ``tiny_text``, which looks like a list."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "text.txt").write_text(tiny_text, encoding="utf-8")
    sizes = {"hidden": 6, "layers": 1, "batch": 4, "steps": 8}
    model = charlm.train(folder / "text.txt", **sizes, lines=False, epochs=6, lr=0.02, threads=1)
    model.save(folder / "tiny.npz")
    return folder / "tiny.npz"


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A fork server, which starts charlm as a process of its own without the second that its imports take."""
    from torture.runs import ForkServer

    with ForkServer(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture(scope="session")
def starter():
    """Starts processes that have numba, but have never seen charlm's kernels."""
    from fresh import Starter

    with Starter(compiles=False) as started:
        yield started


@pytest.fixture(scope="session")
def compiling_starter():
    """Starts such processes that compile half a second sooner."""
    from fresh import Starter

    with Starter(compiles=True) as started:
        yield started


@pytest.fixture
def file(tmp_path):
    """A function that writes a file and returns its path."""

    def write(content, name="text.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def as_it_was(monkeypatch):
    """Give back what the program sets for a process of its own."""
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGPIPE]
    handlers = [signal.getsignal(number) for number in numbers]
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)
