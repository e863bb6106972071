"""The one decorator that every kernel wears, and the cache that spares the second run its compiling.

``compiled`` is ``numba.njit`` with

- ``_nrt=False``: no counting of references. Arrays are the caller's, a kernel makes none; else each ``A[t]`` would
  raise and lower a counter in memory that all threads share;
- ``nogil``: workers run side by side in ordinary threads (see ``network/pool.py``);
- ``error_model="numpy"``: a division by zero gives infinity, as in NumPy, instead of a branch in every loop;
- ``no_cfunc_wrapper``: nobody calls a kernel from C, and each such way in takes its time to compile;
- no ``fastmath``: sums keep the order in which they are written and NaN stays visible, so that a run gives the
  same bits for any number of threads and a diverging loss is noticed;
- the cache below.

numba keys a cached function by the content of its own file, so an edit in ``activations.py`` would leave stale
machine code in ``lstm.py``. The cache therefore lives in a folder of the user's own (the files are pickles: nobody
else may write there) that is named by everything the machine code depends on: all of ``kernels/*.py``, numba's
version, the processor, the lanes. A cache that cannot be used is no reason to stop: charlm says so once and compiles
again.
"""

import hashlib
import os
import warnings
from pathlib import Path

import llvmlite.binding
import numba
from platformdirs import user_cache_path


def host_lanes() -> int:
    """float32 numbers in one vector register: 16 with AVX-512, 8 with AVX, 4 elsewhere; CHARLM_LANES overrides."""
    asked = os.environ.get("CHARLM_LANES")
    if asked in ("4", "8", "16"):
        return int(asked)
    features = llvmlite.binding.get_host_cpu_features()
    return 16 if features.get("avx512f") else 8 if features.get("avx") else 4


LANES = host_lanes()
HAS_BFLOAT16 = LANES == 16 and bool(llvmlite.binding.get_host_cpu_features().get("avx512bf16"))


def _cache_folder() -> Path | None:
    """The folder for this code on this processor, made if need be; None where none can be had."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    processor = llvmlite.binding.get_host_cpu_name(), llvmlite.binding.get_host_cpu_features().flatten()
    digest.update(repr((numba.__version__, processor, LANES)).encode())
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


def is_cold() -> bool:
    """Whether nothing has been compiled and kept yet, so that a first call takes seconds."""
    return _folder is None or next(_folder.rglob("*.nbi"), None) is None


def _warn_once(reason: object) -> None:
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(f"the cache of compiled kernels cannot be used ({reason}); compiling anew", stacklevel=2)


class _AsItStands:
    """numba's context of a target, which is not brought up to date before machine code is loaded into it: that takes
    the declarations of all that Python code may call, 80 modules, and only compiling needs them (and sees to it)."""

    def __init__(self, context):
        self._context = context

    def __getattr__(self, name):
        return getattr(self._context, name)

    def refresh(self):
        pass


class _HealingCache:
    """numba's cache of one function, except that a file it cannot read or write is a miss and not the end."""

    def __init__(self, cache):
        self._cache = cache

    def __getattr__(self, name):
        return getattr(self._cache, name)

    def load_overload(self, signature, target_context):
        try:
            return self._cache.load_overload(signature, _AsItStands(target_context))
        except Exception as error:  # a damaged pickle can raise anything
            _warn_once(f"{type(error).__name__}: {error}")
            try:
                self._cache.flush()
            except OSError:
                pass
            return None

    def save_overload(self, signature, data):
        try:
            self._cache.save_overload(signature, data)
        except Exception as error:
            _warn_once(f"{type(error).__name__}: {error}")


def _dispatcher(function):
    """numba's compiler of a function, which a kernel's literal arguments do not make compile it once more."""
    dispatcher = numba.njit(nogil=True, error_model="numpy", _nrt=False, no_cfunc_wrapper=True)(function)
    if hasattr(dispatcher, "compile"):
        compile_for = dispatcher.compile
        dispatcher.compile = lambda signature: compile_for(tuple(map(numba.types.unliteral, signature)))
    return dispatcher


def inlined(function):
    """Make a kernel a part of those that call it: it is compiled with them, and not for itself as well."""
    return numba.njit(inline="always", error_model="numpy", _nrt=False)(function)


def compiled(function):
    """Compile ``function`` with numba on its first call with each combination of types."""
    kernel = _dispatcher(function)
    if _folder is None:
        _warn_once("no folder to write to")
        return kernel
    if not hasattr(kernel, "enable_caching"):
        return kernel  # NUMBA_DISABLE_JIT: the function itself
    configured, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(_folder)
    try:
        cached = _dispatcher(function)
        cached.enable_caching()
        if _folder not in Path(cached._cache.cache_path).parents:
            raise OSError("its folder cannot be written")  # numba would turn to one where stale code can stay
        cached._cache = _HealingCache(cached._cache)
        return cached
    except (OSError, RuntimeError) as error:
        _warn_once(error)
        return kernel
    finally:
        numba.config.CACHE_DIR = configured
