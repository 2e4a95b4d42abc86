"""A disk that is full and a folder that is gone: one error that names the folder, and what was saved stays usable."""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

from rnnjax.commands.parsing import guarded
from rnnjax.errors import StorageError
from rnnjax.training import train

# Threads of a writer that failed have nowhere to report to.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SCRIPT = pathlib.Path(__file__).with_name("full_disk.py")


@pytest.fixture(scope="module")
def config(small):
    return small(stop_when_solved=False)


@pytest.fixture(scope="module")
def whole(config):
    """The run that nothing happened to."""
    return train(config, (0,), quiet=True)


def records(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def untimed(run):
    return [{name: value for name, value in record.items() if name != "seconds"} for record in run.records]


def fails(config, out, at, happens):
    """Trains in the folder; once the record of an update is written, something happens to it."""

    def watch(record):
        if record["step"] == at:
            happens()

    with pytest.raises(StorageError) as raised:
        train(config, (0,), out, checkpoint_every=10, quiet=True, watch=watch)
    return str(raised.value)


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="the system has no disk that is always full")
def test_a_full_disk_while_records_are_written(config, whole, tmp_path, assert_identical):
    """The error names the folder and the reason; with space again the run goes on to the same end."""
    out = tmp_path / "run"

    def fill():
        (out / "metrics.jsonl").rename(tmp_path / "kept")
        (out / "metrics.jsonl").symlink_to("/dev/full")

    said = fails(config, out, 20, fill)
    assert said == f"{out} could not be written (No space left on device); what was saved before is whole"
    (tmp_path / "kept").replace(out / "metrics.jsonl")
    again = train(config, (0,), out, checkpoint_every=10, resume=True, quiet=True)
    assert_identical(again.state, whole.state)
    assert records(out) == untimed(whole) and not (out / ".lock").exists()


def test_a_folder_that_goes_away(config, whole, tmp_path, assert_identical):
    """In the place of the folder stands a file: the error is one line and exit code 1, the run is whole elsewhere."""
    out, away = tmp_path / "run", tmp_path / "away"

    def replace():
        while not (out / "checkpoints" / "10").exists():  # it is written in the background
            time.sleep(0.01)
        out.rename(away)
        out.write_text("of someone else")

    said = fails(config, out, 20, replace)
    assert said == f"{out} could not be written (Not a directory); what was saved before is whole"
    assert out.read_text() == "of someone else"
    again = train(config, (0,), away, checkpoint_every=10, resume=True, quiet=True)
    assert_identical(again.state, whole.state)
    assert records(away) == untimed(whole)


def test_the_command_says_it_in_one_line(capsys):
    def fail():
        raise StorageError("runs/a", "No space left on device")

    assert guarded("rnnjax", fail) == 1
    line = "rnnjax: runs/a could not be written (No space left on device); what was saved before is whole\n"
    assert capsys.readouterr().err == line


def may_mount():
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", "/mnt"]
    return shutil.which("unshare") is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.slow
@pytest.mark.exhaustive
def test_a_full_disk_while_a_checkpoint_is_written(tmp_path, assert_identical):
    """On a real file system without space: exit code 1 and one line; the checkpoints before can be gone on from."""
    if not may_mount():
        pytest.skip("no file system can be mounted here")
    spec = importlib.util.spec_from_file_location("full_disk", SCRIPT)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    command = ["unshare", "-rm", sys.executable, SCRIPT, disk, copy]
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2])}
    ended = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=300)
    assert ended.returncode == 1, ended.stderr
    [line] = ended.stderr.splitlines()
    words = "could not be written (No space left on device); what was saved before is whole"
    assert line in [f"rnnjax: {disk}/run{place} {words}" for place in ("/checkpoints", "")]
    saved = [path.name for path in (copy / "checkpoints").iterdir() if path.name.isdecimal()]
    assert 1 <= len(saved) < 12
    again, whole = script.run(copy, resume=True), script.run(tmp_path / "whole")
    assert_identical(again.state, whole.state)
    assert records(copy) == records(tmp_path / "whole")
    assert sorted(path.name for path in (copy / "checkpoints").iterdir()) == sorted(map(str, range(1, 13)), key=str)
