"""The storage of a search: Optuna's journal in a file, which processes share, and which of them has which trial."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import IO, Any, cast

from rnnjax.errors import InputError, check

try:
    import fcntl
except ImportError:  # where there are no such locks, one process at a time has to do
    fcntl = None

STUDY = "rnnjax"
_CLAIMING, _WRITING, _FIRST_TRIAL = 0, 1, 2
"""What the bytes of the file of locks stand for."""


class Storage:
    """A journal of trials, and locks beside it that the system lets go of when their process ends, however it ends.

    A journal is a file that lines are only ever added to: what is in it stays readable when a process is killed while
    it writes, and there is nothing in it but JSON. The locks are on single bytes of the file `NAME.locks`: one is held
    while a trial is being chosen, so that processes choose in turn, and one for each trial that is being computed, so
    that a trial whose process has died is known from one that is still going on.

    Args:
      path: the file.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = pathlib.Path(path).absolute()
        self._locks: IO[bytes] | None = None

    def __enter__(self) -> Storage:
        """Makes the file if there is none.

        Raises:
          InputError: a file that holds something else, or that cannot be written.
        """
        try:
            check(not self.path.is_dir(), "storage", str(self.path), "a file")
            if self.path.exists():
                self.check_journal()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.open("ab").close()
            self._locks = self.path.with_name(self.path.name + ".locks").open("ab")
        except OSError as error:
            raise InputError("storage", str(self.path), f"a file that can be written ({error.strerror})") from None
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._locks is not None
        self._locks.close()
        self._locks = None

    def check_journal(self) -> None:
        """Raises `InputError` where there is no such file, or one whose lines are no journal."""
        import json

        expected = "the storage of a search"
        try:
            lines = self.path.read_bytes().split(b"\n")[:-1]  # what follows the last end of a line was cut off
            known = all(isinstance(found := json.loads(line), dict) and "op_code" in found for line in lines)
            check(known and (bool(lines) or not self.path.stat().st_size), "storage", str(self.path), expected)
        except OSError as error:
            raise InputError("storage", str(self.path), f"{expected} ({error.strerror})") from None
        except (ValueError, RecursionError) as error:
            raise error if isinstance(error, InputError) else InputError("storage", str(self.path), expected) from None

    def journal(self) -> Any:
        """The storage for Optuna."""
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        if self._locks is None or fcntl is None:
            return JournalStorage(JournalFileBackend(str(self.path)))
        return JournalStorage(JournalFileBackend(str(self.path), lock_obj=cast(Any, _Writing(self))))

    @contextlib.contextmanager
    def claiming(self) -> Iterator[None]:
        """One process at a time."""
        self._lock(_CLAIMING)
        try:
            yield
        finally:
            self._unlock(_CLAIMING)

    def take(self, number: int) -> bool:
        """Takes a trial for this process; whether no other has it."""
        return self._lock(_FIRST_TRIAL + number, wait=False)

    def give_back(self, number: int) -> None:
        """Lets go of a trial."""
        self._unlock(_FIRST_TRIAL + number)

    def _lock(self, byte: int, *, wait: bool = True) -> bool:
        if fcntl is not None:
            assert self._locks is not None
            try:
                fcntl.lockf(self._locks, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, byte)
            except OSError:
                if wait:
                    raise
                return False
        return True

    def _unlock(self, byte: int) -> None:
        if fcntl is not None:
            assert self._locks is not None
            fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, byte)

    def _drop_cut_off_line(self) -> None:
        """What a killed process has written of a line; the next line would be added to it."""
        with self.path.open("r+b") as file:
            end = file.seek(0, os.SEEK_END)
            if not end:
                return
            file.seek(end - 1)
            if file.read(1) != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)


class _Writing:
    """What Optuna holds while it adds lines. Its own locks are files that stay behind a killed process."""

    def __init__(self, storage: Storage):
        self._storage = storage

    def acquire(self) -> bool:
        self._storage._lock(_WRITING)
        self._storage._drop_cut_off_line()
        return True

    def release(self) -> None:
        self._storage._unlock(_WRITING)
