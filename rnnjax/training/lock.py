"""One process at a time in a run's folder."""

from __future__ import annotations

import contextlib
import os
import pathlib
from typing import IO

from rnnjax.errors import InputError

try:
    import fcntl
except ImportError:  # where there are no such locks, nothing is refused
    fcntl = None

NAME = ".lock"


class Lock:
    """Held as long as a process writes to a folder; the system lets go of it when the process ends, however it ends.

    A file in the folder, which has the number of the process in it, and which is deleted when the lock is let go.

    Args:
      folder: the folder.
    """

    def __init__(self, folder: str | os.PathLike):
        self._path = pathlib.Path(folder) / NAME
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Takes the lock; where the file system has none, nothing happens. A second call does nothing.

        Raises:
          InputError: another process holds it, or the folder cannot be written.
        """
        while self._file is None and fcntl is not None:
            try:
                file = self._path.open("a+")
            except OSError as error:
                expected = f"a folder that can be written ({error.strerror})"
                raise InputError("out", str(self._path.parent), expected) from None
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read(20).strip() or "unknown"
                file.close()
                expected = f"a folder that no other process trains in (process {holder} does)"
                raise InputError("out", str(self._path.parent), expected) from None
            except OSError:
                pass
            if not _is(file, self._path):  # whoever held it has just deleted it: it keeps nobody out any more
                file.close()
                continue
            self._file = file
            try:
                file.truncate(0)
                print(os.getpid(), file=file, flush=True)
            except OSError:  # on a full disk the lock holds all the same
                pass

    def release(self) -> None:
        """Lets go, if the lock is held."""
        if self._file is not None:
            for step in (
                self._path.unlink,
                self._file.close,
            ):  # in this order, so that nobody locks what will be deleted
                with contextlib.suppress(OSError):
                    step()
            self._file = None


def _is(file: IO[str], path: pathlib.Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
