"""Where files are written: whether they may be, and then whole or not at all."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import CharlmError


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
def whole_file(path, check: Callable[[str], None] = lambda name: None) -> Iterator[BinaryIO]:
    """A file to write that takes its place at ``path`` when the block ends well, and leaves nothing behind otherwise.

    check: looks at the file, by its name, before it is moved. Raises OSError.
    """
    path, temporary = Path(path), None
    try:
        descriptor, temporary = _temporary_beside(path)
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        check(temporary)
        os.chmod(temporary, 0o666 & ~_umask())
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


def _temporary_beside(path):
    """A new file in the folder of ``path``: (descriptor, name)."""
    return tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)


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
