"""One process at a time in a run's folder."""

from __future__ import annotations

import os
import pathlib
from typing import IO

from rnnjax.errors import InputError

try:
    import fcntl
except ImportError:  # where there are no such locks, nothing is refused
    fcntl = None


class Lock:
    """Held as long as a process writes to a folder; the system lets go of it when the process ends, however it ends.

    Args:
      folder: the folder.

    Raises:
      InputError: from `__enter__`, another process holds it.
    """

    def __init__(self, folder: str | os.PathLike):
        self._path = pathlib.Path(folder) / ".lock"
        self._file: IO[str] | None = None

    def __enter__(self) -> Lock:
        self._file = self._path.open("a")
        if fcntl is not None:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self._file.close()
                expected = "a folder that no other process is training in"
                raise InputError("out", str(self._path.parent), expected) from None
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._file is not None
        self._file.close()
