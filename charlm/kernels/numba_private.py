"""The one place that uses private parts of numba; every other module uses what numba documents.

The private parts make kernels smaller, faster to load and safe from a damaged cache:

- ``_nrt=False``: kernels do not count references. The caller owns all arrays; else each ``A[t]`` would change a counter
  in memory that all threads share;
- ``no_cfunc_wrapper``: nobody calls a kernel from C, and each such entry point takes time to compile; neither does an
  internal kernel need the entry point for Python (``no_cpython_wrapper``);
- arguments that are literal numbers do not make numba compile a kernel once more;
- a cached file that numba cannot read or write counts as a miss, with a warning, instead of an exception;
- each combination of types has a cached file of its own, named after it; numba numbers its files, and two processes
  that compile the same kernel at the same time can give the same number to two of them;
- a rehearsal finds out what a program is going to compile, so that two processes can share it (``ahead.py``);
- numba compiles a copy of a kernel into each kernel that calls it. Of one that is ``apart`` there is no copy: its name
  in LLVM is the same in every process, and whoever loads a kernel that calls it loads it before;
- numba loads machine code without the declarations of everything that Python code may call (80 modules); only
  compiling needs those, and numba loads them when it compiles.

They are used only with versions of numba with which charlm was tried (``TRIED``) and where all of them are present
(``_are_present``). With any other version ``dispatcher`` and ``cached_dispatcher`` are plain ``numba.njit`` and numba's
own cache: the same bits, somewhat slower to start.
"""

import hashlib
import os
import platform
import re
import sys
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numba
import numpy as np
from llvmlite.binding import parse_assembly

TRIED = (0, 61), (0, 68)  # the lowest and the highest version, both included


def _version(text: str) -> tuple[int, ...]:
    """The first two numbers of a version, (0, 0) where there are none."""
    found = re.match(r"(\d+)\.(\d+)", text)
    return tuple(map(int, found.groups())) if found else (0, 0)


def _are_present() -> bool:
    """Whether numba has every private part that this module uses."""
    try:
        from numba.core.caching import FunctionCache, IndexDataCacheFile
        from numba.core.registry import CPUDispatcher, cpu_target

        options = cpu_target.options
        wanted = (
            (options, ("_nrt", "no_cfunc_wrapper", "no_cpython_wrapper")),
            (FunctionCache, ("cache_path", "load_overload", "save_overload", "_index_key")),
            (IndexDataCacheFile, ("_data_name", "_data_path", "_load_data", "_save_data")),
            (CPUDispatcher, ("compile", "enable_caching")),
            (numba.types, ("unliteral",)),
        )
        return all(hasattr(part, name) for part, names in wanted for name in names)
    except (ImportError, AttributeError):
        return False


AVAILABLE = TRIED[0] <= _version(numba.__version__) <= TRIED[1] and _are_present()
OPTIONS = {"nogil": True, "error_model": "numpy"}
_PRIVATE = {"_nrt": False, "no_cfunc_wrapper": True} if AVAILABLE else {}
_INLINED = {"_nrt": False} if AVAILABLE else {}
_INTERNAL = {"no_cpython_wrapper": True} if AVAILABLE else {}
# Machine code must find what is apart, or LLVM ends the process: only where that was tried.
CALLS_APART = AVAILABLE and sys.platform == "linux" and platform.machine() == "x86_64"


def inlined(function: Callable) -> Callable:
    """``function`` as a part of the kernels that call it."""
    return numba.njit(inline="always", error_model="numpy", **_INLINED)(function)


def dispatcher(function: Callable, *, internal: bool = False, apart: bool = False) -> Callable:
    """numba's compiler of ``function``, without a cache. internal: only other kernels call it. apart: as above."""
    options = OPTIONS | _PRIVATE | (_INTERNAL if internal else {})
    made = numba.njit(**options, **({"pipeline_class": _named_compiler()} if apart else {}))(function)
    if AVAILABLE and hasattr(made, "compile"):  # with NUMBA_DISABLE_JIT it is the function itself
        compile_for = made.compile

        def compile_or_note(signature):
            signature = tuple(map(numba.types.unliteral, signature))
            if _rehearsal.noted is None:
                _begun.add(function.__module__)
                return compile_for(signature)
            _rehearsal.noted[made, signature] = None
            return _do_nothing

        made.compile = compile_or_note
    return made


class _Rehearsal(threading.local):
    noted: dict | None = None  # the kernels that this thread would have called, with their types


_rehearsal = _Rehearsal()
_begun: set[str] = set()  # modules with kernels that are in memory, or that somebody tried to get there


@cache
def _named_compiler():
    """numba's compiler; but it gives a function the same name in each process, without a number that counts them."""
    from numba.core.compiler import Compiler

    class NamedCompiler(Compiler):
        def _compile_bytecode(self):
            self.state.func_id.unique_id = 0
            return super()._compile_bytecode()

    return NamedCompiler


def _do_nothing(*arguments):
    pass


def rehearse(work: Callable[[], object], elsewhere: Collection[str]) -> list[tuple[Any, tuple]]:
    """Call ``work``, which calls kernels, but let the kernels do nothing. Returns those that are not in the cache, with
    their types, in the order of their first calls.

    A kernel that is in memory would really run, with what the others left undone. So if there are such kernels,
    nothing is called and the list is empty. elsewhere: modules whose kernels ``work`` certainly does not call.
    """
    if not AVAILABLE or _begun - set(elsewhere):
        return []
    _rehearsal.noted = noted = {}
    try:
        with np.errstate(all="ignore"), suppress(Exception):  # arrays that no kernel fills can hold anything
            work()
    finally:
        _rehearsal.noted = None
    return [(kernel, types) for kernel, types in noted if not _is_cached(kernel, types)]


def _is_cached(kernel, signature) -> bool:
    kept = getattr(kernel, "_cache", None)
    return not isinstance(kept, _TolerantCache) or kept.has(signature, kernel.targetctx)


def cached_dispatcher(
    function: Callable, folder: Path, warn: Callable[[object], None], *, internal: bool = False, apart: bool = False
) -> Callable:
    """The same with a cache in ``folder``. warn: called with the reason where a cached file cannot be used.

    Raises OSError or RuntimeError where numba cannot write there.
    """
    configured, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
    try:
        if not AVAILABLE:
            return numba.njit(cache=True, **OPTIONS)(function)
        apart = apart and CALLS_APART
        made = dispatcher(function, internal=internal, apart=apart)
        made.enable_caching()
        if folder not in Path(made._cache.cache_path).parents:
            raise OSError("its folder cannot be written")  # numba would use one where stale code can stay
        made._cache._cache_file = _Files(made._cache._cache_file)
        made._cache = _TolerantCache(made._cache, warn, made if apart else None)
        return made
    finally:
        numba.config.CACHE_DIR = configured


class _UnrefreshedContext:
    """numba's target context, which does not load new declarations before it loads machine code."""

    def __init__(self, context):
        self._context = context

    def __getattr__(self, name):
        return getattr(self._context, name)

    def refresh(self):
        pass


class _Files:
    """The cached files of one function: in place of numba's index of them, their names say for which types each is."""

    def __init__(self, files):
        self._files = files

    def _name(self, key):
        return self._files._data_name(int(hashlib.sha256(repr(key).encode()).hexdigest()[:20], 16))

    def has(self, key):
        return os.path.exists(self._files._data_path(self._name(key)))

    def load(self, key):
        try:
            return self._files._load_data(self._name(key))
        except FileNotFoundError:
            return None

    def save(self, key, data):
        self._files._save_data(self._name(key), data)


class _TolerantCache:
    """numba's cache of one function; a file that it cannot read or write is a miss and not an error. apart: the
    function, where it is apart."""

    def __init__(self, cache, warn, apart):
        self._cache, self._warn, self._apart = cache, warn, apart

    def __getattr__(self, name):
        return getattr(self._cache, name)

    def has(self, signature, target_context):
        return self._cache._cache_file.has(self._cache._index_key(signature, target_context.codegen()))

    def load_overload(self, signature, target_context):
        try:
            loaded = self._cache.load_overload(signature, _UnrefreshedContext(target_context))
        except Exception as error:  # a damaged pickle can raise anything
            self._warn(f"{type(error).__name__}: {error}")
            return None
        if loaded is not None:
            self._keep_apart(signature, loaded)
        return loaded

    def save_overload(self, signature, data):
        for function in data.library._final_module.functions:
            if function.is_declaration and function.name in _apart:
                data.reload_init.append(partial(_load, *_apart[function.name]))  # numba calls it before it loads this
        try:
            self._cache.save_overload(signature, data)
        except Exception as error:
            self._warn(f"{type(error).__name__}: {error}")
        self._keep_apart(signature, data)

    def _keep_apart(self, signature, compiled):
        if self._apart is not None:
            _apart[compiled.fndesc.llvm_func_name] = self._apart.__module__, self._apart.__name__, signature
            compiled.library._shared_module = parse_assembly("")  # what others get of it: nothing but its name


_apart: dict[str, tuple[str, str, tuple]] = {}  # kernels that are apart and in memory, by their names in LLVM


def _load(module: str, name: str, signature: tuple) -> None:
    getattr(import_module(module), name).compile(signature)
