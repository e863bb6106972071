"""Writing files: checked before the work begins, whole or not at all, by one run at a time.

A run locks the files that it has open (``flock``). The system releases the lock when the process ends, however it ends.
Some systems and file systems have no such locks: there, two runs must not write the same output.
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


def check_outputs(paths: Iterable, used: Iterable, is_ours: Callable[[Path], bool], kind: str, option: str) -> None:
    """Raise CharlmError now if a run could not write to ``paths`` later, or would overwrite a file that it must not.

    paths: all in one folder. used: other files that the run reads or writes. is_ours: whether an existing file may be
    replaced. kind, option: what such a file is called, and the option that names the first path.
    """
    paths = list(map(Path, paths))
    first = paths[0]
    try:
        if why := no_place_for(first):
            raise CharlmError(f"cannot write {first}: {why}")
        for path in paths:
            if is_one_of(path, used):
                raise CharlmError(
                    f"will not overwrite {path}, which this run reads or writes; choose another name for {option}"
                )
            if path.exists() and not (path.is_file() and is_ours(path)):  # a pipe would make is_ours wait
                raise CharlmError(f"will not overwrite {path}, which is not {kind}; choose another name for {option}")
        descriptor, temporary = _temporary_file(paths[-1])
        os.close(descriptor)
        os.unlink(temporary)
    except OSError as error:
        remedy = f"; choose another folder for {option}" if isinstance(error, PermissionError) else ""
        raise CharlmError(f"cannot write {first}: {error.strerror}{remedy}") from None


def no_place_for(path) -> str:
    """Why there can be no file at this path, and what to do; empty if there can be one."""
    path = Path(path)
    if not path.name or os.path.isdir(path):  # Path.is_dir raises OSError for a name that is too long
        return "it is a folder; name a file in it"
    return "" if os.path.isdir(path.parent) else f"there is no folder {path.parent}; make it first"


def is_one_of(path, others: Iterable) -> bool:
    """Whether a path leads to the same file as one of the others. "-" is not a file."""
    return any(other != "-" and os.path.realpath(path) == os.path.realpath(other) for other in others)


@contextmanager
def exclusive_output(paths: Iterable) -> Iterator[None]:
    """Lock ``paths``, all in one folder, against other runs, and delete half-written files that a killed run has left.

    Raises CharlmError where another run has the lock.
    """
    paths = list(map(Path, paths))
    first = paths[0]
    if fcntl is None:
        yield
        return
    name = first.with_name(f".{first.name.removesuffix('.npz')}.npz.lock")  # m and m.npz share their checkpoints
    try:
        descriptor = _locked(name)
    except OSError as error:
        raise CharlmError(f"cannot write {first}: {error.strerror}") from None
    if descriptor is None:
        raise CharlmError(f"another charlm is writing {first}; wait until it ends, or choose another name")
    try:
        for path in paths:
            remove_parts(path)
        yield
    finally:
        with suppress(OSError):
            os.unlink(name)
        os.close(descriptor)


def _locked(name):
    """The descriptor of the lock file, locked; None where another process has it locked."""
    while True:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT, 0o666)
        if not _is_free(descriptor):
            os.close(descriptor)
            return None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(name)):
                return descriptor
        os.close(descriptor)  # its owner has just ended and deleted it


def _is_free(descriptor):
    """Lock an open file; False where another process has it locked."""
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # a file system without locks
    return True


def remove_parts(path) -> None:
    """Delete the temporary files of ``path`` that a killed run has left, and no process is writing."""
    if fcntl is None:
        return
    path = Path(path)
    for entry in list(os.scandir(path.parent)):
        if entry.name.startswith(f".{path.name}.") and entry.name.endswith(PART):
            with suppress(OSError):
                descriptor = os.open(entry.path, os.O_RDWR)
                if _is_free(descriptor):
                    os.unlink(entry.path)
                os.close(descriptor)


@contextmanager
def atomic_file(path, check: Callable[[str], None] = lambda name: None, previous=None) -> Iterator[BinaryIO]:
    """A file to write, which appears at ``path`` when the block ends without an error, and not at all otherwise.

    check: is called with the name of the complete file before it is moved, and raises an error if it is wrong.
    previous: where an existing file at ``path`` is kept. It has at least one of the two names at every moment. Raises
    OSError.
    """
    path, temporary, moved = Path(path), None, False
    try:
        descriptor, temporary = _temporary_file(path)
        with open(descriptor, "wb") as file:
            _is_free(file.fileno())  # locks it until this process ends
            yield file
            file.flush()
            os.fsync(file.fileno())
        check(temporary)
        os.chmod(temporary, 0o666 & ~_umask())
        if previous is not None:
            moved = _keep(path, Path(previous))
        os.replace(temporary, path)
        temporary = None
        _sync_folder(path.parent)
    finally:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)
            if moved:
                with suppress(OSError):
                    os.replace(previous, path)


def write_text_file(path, text: str) -> None:
    """Write a text in UTF-8, whole or not at all. Raises CharlmError where the file cannot be written."""
    try:
        with atomic_file(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise CharlmError(f"cannot write {path}: {error.strerror}") from None


PART = ".part"


def _temporary_file(path):
    """A new file in the folder of ``path``: (descriptor, name)."""
    return tempfile.mkstemp(prefix=f".{path.name}.", suffix=PART, dir=path.parent)


def _keep(path, previous) -> bool:
    """Give the file at ``path``, if there is one, the name ``previous`` too. Whether it has only that name now: on a
    file system without links."""
    if not path.exists():
        return False
    descriptor, link = _temporary_file(previous)
    os.close(descriptor)
    try:
        os.unlink(link)
        os.link(path, link)
        os.replace(link, previous)  # so that there is a file of that name at every moment
        return False
    except OSError:
        os.replace(path, previous)
        return True
    finally:
        with suppress(OSError):
            os.unlink(link)  # it is still there if both names led to the same file already


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
