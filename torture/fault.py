"""A file operation that fails, or that kills its process.

``Fault`` stands between charlm and the operating system. It counts every open, read, write, fsync, replace, link,
unlink and stat, and makes the one with a given number fail.
"""

import builtins
import errno
import io
import os
import signal
from functools import partial
from pathlib import Path

CALLS = ("open", "fsync", "replace", "link", "unlink", "chmod", "stat", "fstat", "mkdir", "scandir")
FILE_CALLS = ("read", "readinto", "readall", "write", "close")


class Fault:
    """Makes one file operation fail.

    at: the number of the operation, from 1; how: the name of the error ("EIO"), or "before" or "after" to kill the
    process before or after the operation (a write is then half done); marker: a file that is written when the
    operation is reached, with the name of the operation.
    """

    def __init__(self, at: int, how: str, marker: str):
        self.at, self.how, self.marker, self.count = at, how, marker, 0
        self._open, self._write, self._close = os.open, os.write, os.close

    def plant(self) -> None:
        """Replace the system's calls in this process."""
        for name in CALLS:
            setattr(os, name, partial(self._call, name, getattr(os, name)))
        fault = self

        class File(io.FileIO):
            def __init__(self, *arguments, **more):
                fault._call("open", super().__init__, *arguments, **more)

        for name in FILE_CALLS:
            setattr(File, name, self._method(name, getattr(io.FileIO, name)))
        io.FileIO = File
        builtins.open = io.open = partial(_open, File)

    def _method(self, name, original):
        def method(file, *arguments):
            if name == "close" and file.closed:
                return None
            return self._call(name, partial(original, file), *arguments)

        return method

    def _call(self, name, original, *arguments, **more):
        self.count += 1
        if self.count != self.at:
            return original(*arguments, **more)
        descriptor = self._open(self.marker, os.O_WRONLY | os.O_CREAT, 0o600)
        self._write(descriptor, name.encode())
        self._close(descriptor)
        if self.how in ("before", "after"):
            try:
                if self.how == "after":
                    original(arguments[0][: len(arguments[0]) // 2]) if name == "write" else original(
                        *arguments, **more
                    )
            finally:
                os.kill(os.getpid(), signal.SIGKILL)
        if name == "close":
            original()  # a failed close closes the file too
        number = getattr(errno, self.how)
        raise OSError(number, os.strerror(number), *[a for a in arguments[:1] if isinstance(a, (str, Path))])


def _open(kind, file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
    raw = kind(file, mode.replace("b", "").replace("t", ""), closefd, opener)
    if buffering == 0:
        return raw
    buffered = io.BufferedReader(raw) if mode[0] == "r" else io.BufferedWriter(raw)
    return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding or "utf-8", errors, newline)
