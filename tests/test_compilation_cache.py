"""The command keeps what it has compiled; the library keeps nothing."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
from compiler import FLAGS

from rnnjax.commands.compilation_cache import VARIABLE, _prune, keep_programs

COUNTING = """
import collections, sys
import jax.monitoring
seen = collections.Counter()
jax.monitoring.register_event_listener(lambda event, **_: seen.update([event]))
from rnnjax.cli import main
code = main(sys.argv[1:])
name = "/jax/compilation_cache/"
print(code, seen[name + "compile_requests_use_cache"], seen[name + "cache_misses"])
"""
WORDS = "train latch --length 6 --cell elman --hidden 4 --steps 2 --batch-size 4 --evaluate-every 2 --quiet".split()


def started(folder, *words, **more):
    """The last line and the errors of a process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    environment |= {VARIABLE: str(folder), "XLA_FLAGS": FLAGS, **more}
    command = [sys.executable, "-c", COUNTING, *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=600)
    return done.stdout.splitlines()[-1].split(), done.stderr


@pytest.mark.slow
@pytest.mark.exhaustive
def test_a_second_start_compiles_nothing(tmp_path):
    """The same run in another process finds every program, and says nothing about it."""
    (code, asked, missed), _ = started(tmp_path, *WORDS)
    assert code == "0" and int(missed) > 0
    (code, again, missed), errors = started(tmp_path, *WORDS)
    assert (code, missed) == ("0", "0") and int(again) > 0
    assert not errors, errors


@pytest.fixture
def kept():
    """Says which folder JAX was told of: none, unless the test names one."""
    import jax

    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    yield lambda: jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", before)


def test_the_variable_switches_it_off(monkeypatch, kept):
    monkeypatch.setenv(VARIABLE, "off")
    assert keep_programs() is None and kept() is None


def test_a_folder_that_jax_was_told_of_is_kept(tmp_path, monkeypatch, kept):
    import jax

    monkeypatch.setenv(VARIABLE, str(tmp_path / "ours"))
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "own"))
    assert keep_programs() is None and kept() == str(tmp_path / "own")
    assert not (tmp_path / "ours").exists()


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path, monkeypatch, kept):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "below"))
    assert keep_programs() is None and kept() is None


def test_what_was_not_read_for_longest_goes(tmp_path):
    """Of ten files with ten bytes, thirty bytes are the three that were read last."""
    for age in range(10):
        path = pathlib.Path(tmp_path / f"{age}")
        path.write_bytes(bytes(10))
        os.utime(path, (1000 - age, 500))
    _prune(tmp_path, 30)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2"]
