"""The decorators of kernels, and the cache that lets later runs start without compiling.

``compiled``, ``internal`` and ``apart`` are ``numba.njit`` with

- ``nogil``: workers run in parallel in ordinary threads (see ``network/threads.py``);
- ``error_model="numpy"``: a division by zero gives infinity, as in NumPy, instead of a branch in every loop;
- no ``fastmath``: sums keep the order in which they are written and NaN stays visible. So a run gives the same bits
  for any number of threads, and charlm notices a loss that diverges;
- the private options of ``numba_private.py``, where numba's version is one that was tried;
- the cache below.

numba keys a cached function by the content of its own file, so an edit in ``activations.py`` would leave stale
machine code in ``lstm.py``. So charlm has a cache folder of its own; it is private, because the files are pickles. The
name of the folder is a hash of everything that the machine code depends on: all of
``kernels/*.py``, numba's version, the processor, the lanes. A cache that cannot be used does not stop charlm: it warns
once and compiles again.
"""

import hashlib
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
from numba.core import event
from platformdirs import user_cache_path

from . import numba_private


def host_lanes() -> int:
    """The float32 numbers in one vector register: 16 with AVX-512, 8 with AVX, else 4; CHARLM_LANES overrides it."""
    asked = os.environ.get("CHARLM_LANES")
    if asked in ("4", "8", "16"):
        return int(asked)
    features = llvmlite.binding.get_host_cpu_features()
    return 16 if features.get("avx512f") else 8 if features.get("avx") else 4


LANES = host_lanes()
HAS_BFLOAT16 = LANES == 16 and bool(llvmlite.binding.get_host_cpu_features().get("avx512bf16"))


def _cache_folder() -> Path | None:
    """The folder for this code on this processor, made if it does not exist; None where that fails."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    processor = llvmlite.binding.get_host_cpu_name(), llvmlite.binding.get_host_cpu_features().flatten()
    digest.update(repr((numba.__version__, numba_private.AVAILABLE, processor, LANES)).encode())
    folder = user_cache_path("charlm") / f"kernels-{digest.hexdigest()[:20]}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name == "posix" and folder.stat().st_uid != os.getuid():
            return None
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except (OSError, RuntimeError):
        return None
    return folder


_folder = _cache_folder()
_warned = False


OnCompile = Callable[[], AbstractContextManager[Any] | None]


class CompileTimer(event.Listener):
    """Measures for how long numba compiles kernels while this context manager is open.

    on_compile: called when the first kernel begins to compile, and not at all where the cache has every kernel. It may
    return a context manager, which is open until this one ends: something that tells a person why charlm waits.
    seconds: spent in compiling so far. Loading a kernel from the cache is not compiling.
    """

    def __init__(self, on_compile: OnCompile | None = None):
        self.seconds = 0.0
        self._on_compile, self._shown = on_compile, ExitStack()
        self._depth, self._start = 0, 0.0  # a kernel that calls others compiles them inside its own compiling

    def on_start(self, event):
        if self._on_compile:
            on_compile, self._on_compile = self._on_compile, None
            shown = on_compile()
            if shown is not None:
                self._shown.enter_context(shown)
        if not self._depth:
            self._start = time.perf_counter()
        self._depth += 1

    def on_end(self, event):
        self._depth -= 1
        if not self._depth:
            self.seconds += time.perf_counter() - self._start

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """Count all of a block as compiling."""
        self.on_start(None)
        try:
            yield
        finally:
            self.on_end(None)

    def __enter__(self) -> "CompileTimer":
        event.register("numba:compile", self)
        return self

    def __exit__(self, *error) -> None:
        event.unregister("numba:compile", self)
        self._shown.close()


def _warn_once(reason: object) -> None:
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(f"the cache of compiled kernels cannot be used ({reason}); compiling again", stacklevel=2)


def inlined(function):
    """Make a kernel a part of the kernels that call it: numba compiles it with them, not separately."""
    return numba_private.inlined(function)


def compiled(function):
    """Compile ``function`` with numba on its first call with each combination of types."""
    return _dispatcher(function)


def internal(function):
    """The same for a kernel that only other kernels call: there is no entry point for Python to compile."""
    return _dispatcher(function, internal=True)


def apart(function):
    """The same for a large kernel that many others call: they call it where it is, and get no copy of its code."""
    return _dispatcher(function, apart=True)


def _dispatcher(function, **how):
    if _folder is None:
        _warn_once("no folder to write to")
        return numba_private.dispatcher(function)
    if numba.config.DISABLE_JIT:
        return function
    try:
        return numba_private.cached_dispatcher(function, _folder, _warn_once, **how)
    except (OSError, RuntimeError) as error:
        _warn_once(error)
        return numba_private.dispatcher(function)
