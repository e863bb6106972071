"""Where files are written: whether they may be, and then whole or not at all, by one run at a time.

What a run holds open it holds locked (``flock``), and the system takes the lock back from a process that died, however
it died. On a system or a file system without such locks there are none: two runs must not have one output there.
"""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .errors import CharlmError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def check_places(paths: Iterable, read: Iterable, is_ours: Callable[[Path], bool], kind: str, option: str) -> None:
    """Raise CharlmError now if files cannot be written to ``paths``, all in one folder, later, or would overwrite what
    is to be read or what is not of the same kind.

    read: names of files; is_ours: whether a file is one that may be replaced; kind, option: what such a file is called,
    and the option that names the first of the paths.
    """
    paths = list(map(Path, paths))
    first = paths[0]
    try:
        if not first.name or first.is_dir():
            raise CharlmError(f"cannot write {first}: it is a folder; name a file in it")
        if not first.parent.is_dir():
            raise CharlmError(f"cannot write {first}: there is no folder {first.parent}; make it first")
        for path in paths:
            if is_one_of(path, read):
                raise CharlmError(f"will not overwrite {path}, which is to be read; choose another name for {option}")
            if path.exists() and not is_ours(path):
                raise CharlmError(f"will not overwrite {path}, which is not {kind}; choose another name for {option}")
        descriptor, temporary = _temporary_beside(paths[-1])
        os.close(descriptor)
        os.unlink(temporary)
    except OSError as error:
        raise CharlmError(f"cannot write {first}: {error.strerror}") from None


def is_one_of(path, others: Iterable) -> bool:
    """Whether the path is that of one of the others, by another name perhaps; "-" is no file."""
    return any(other != "-" and os.path.realpath(path) == os.path.realpath(other) for other in others)


@contextmanager
def only_run_at(paths: Iterable) -> Iterator[None]:
    """Let no other run that asks for the same be at these paths, all in one folder; what a run that was killed left of
    files half written is removed.

    Raises CharlmError where another run is there.
    """
    paths = list(map(Path, paths))
    first = paths[0]
    if fcntl is None:
        yield
        return
    name = first.with_name(f".{first.name}.lock")
    try:
        descriptor = _locked(name)
    except OSError as error:
        raise CharlmError(f"cannot write {first}: {error.strerror}") from None
    if descriptor is None:
        raise CharlmError(f"another charlm is writing {first}; wait for its end, or choose another name")
    try:
        for path in paths:
            _remove_parts(path)
        yield
    finally:
        with suppress(OSError):
            os.unlink(name)
        os.close(descriptor)


def _locked(name):
    """The descriptor of the lock file, held; None where another process holds it."""
    while True:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT, 0o666)
        if not _is_free(descriptor):
            os.close(descriptor)
            return None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(name)):
                return descriptor
        os.close(descriptor)  # who held it has just ended and removed it


def _is_free(descriptor):
    """Lock an open file, unless another process has it locked."""
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # a file system without locks
    return True


def _remove_parts(path):
    """Remove the temporary files of ``path`` that nobody writes any more."""
    for entry in list(os.scandir(path.parent)):
        if entry.name.startswith(f".{path.name}.") and entry.name.endswith(PART):
            with suppress(OSError):
                descriptor = os.open(entry.path, os.O_RDWR)
                if _is_free(descriptor):
                    os.unlink(entry.path)
                os.close(descriptor)


@contextmanager
def whole_file(path, check: Callable[[str], None] = lambda name: None, before=None) -> Iterator[BinaryIO]:
    """A file to write that takes its place at ``path`` when the block ends well, and leaves nothing behind otherwise.

    check: looks at the file, by its name, before it is moved; before: where the file that stood at ``path`` goes on to
    stand. Raises OSError.
    """
    path, temporary = Path(path), None
    try:
        descriptor, temporary = _temporary_beside(path)
        with open(descriptor, "wb") as file:
            _is_free(file.fileno())  # it is, until this process ends
            yield file
            file.flush()
            os.fsync(file.fileno())
        check(temporary)
        os.chmod(temporary, 0o666 & ~_umask())
        if before is not None:
            _keep(path, before)
        os.replace(temporary, path)
        temporary = None
        _sync_folder(path.parent)
    finally:
        if temporary is not None:
            try:
                os.unlink(temporary)
            except OSError:
                pass


def write_text_file(path, text: str) -> None:
    """Write a text in UTF-8, whole or not at all. Raises CharlmError where that is not possible."""
    try:
        with whole_file(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise CharlmError(f"cannot write {path}: {error.strerror}") from None


PART = ".part"


def _temporary_beside(path):
    """A new file in the folder of ``path``: (descriptor, name)."""
    return tempfile.mkstemp(prefix=f".{path.name}.", suffix=PART, dir=path.parent)


def _keep(path, before):
    """Give the file at ``path``, if there is one, the name ``before`` too. At every moment one of the two is there."""
    if path.exists():
        with suppress(FileNotFoundError):
            os.unlink(before)
        try:
            os.link(path, before)
        except OSError:  # a file system without links
            os.replace(path, before)


def _umask():
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _sync_folder(folder):
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # a system on which a folder cannot be opened
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
