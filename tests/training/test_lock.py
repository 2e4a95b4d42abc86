"""The lock of a folder: one holder, let go of by the system, gone when it is let go."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rnnjax import InputError
from rnnjax.training import lock as lock_file
from rnnjax.training.lock import Lock


def test_one_holder_at_a_time(tmp_path):
    """A second lock is refused with the number of the first's process until it is let go, and no file is left."""
    one, other = Lock(tmp_path), Lock(tmp_path)
    for first, second in ((one, other), (other, one)):
        first.acquire()
        first.acquire()
        with pytest.raises(InputError, match=r"out: got .* no other process trains in \(process \d+ does\)"):
            second.acquire()
        second.release()
        first.release()
        assert list(tmp_path.iterdir()) == []


def test_a_killed_process_holds_nothing(tmp_path):
    """The file that it leaves keeps nobody out."""
    text = "import os, runpy, sys; runpy.run_path(sys.argv[1])['Lock'](sys.argv[2]).acquire(); os._exit(1)"
    assert subprocess.run([sys.executable, "-c", text, lock_file.__file__, tmp_path]).returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    lock = Lock(tmp_path)
    lock.acquire()
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_deleted_is_not_held(tmp_path, monkeypatch):
    """Who opened the file just before its holder deleted it takes the new one, and not one that nobody sees."""
    holder, late = Lock(tmp_path), Lock(tmp_path)
    holder.acquire()
    lock = lock_file.fcntl.flock
    calls = []

    def slow(file, how):
        if not calls:
            calls.append(file)
            holder.release()
        return lock(file, how)

    monkeypatch.setattr(lock_file.fcntl, "flock", slow)
    late.acquire()
    assert calls and (tmp_path / ".lock").exists()
    with pytest.raises(InputError):
        Lock(tmp_path).acquire()
    late.release()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(InputError, match=r"out: got .*nothing.*, expected a folder that can be written"):
        Lock(tmp_path / "nothing").acquire()
