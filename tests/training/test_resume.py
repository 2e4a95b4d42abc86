"""A run that was killed at any moment, any number of times, and taken up again is the run that was not."""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

from rnnjax.training import restore_run, train

SCRIPT = pathlib.Path(__file__).with_name("killed_run.py")


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("killed_run", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def start():
    """`start(folder, *arguments)`: a process that goes on with the run in the folder; none but the first compiles."""

    def process(folder, *arguments):
        resume = ["--resume"] if (folder / "config.json").exists() else []
        command = [sys.executable, SCRIPT, folder, *resume, *map(str, arguments)]
        environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2])}
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)

    return process


def records(folder):
    """How many records there are so far."""
    path = folder / "metrics.jsonl"
    return path.read_text().count("\n") if path.exists() else 0


def half_written(folder):
    """What a killed process left of a checkpoint that it was writing."""
    return [*folder.glob("checkpoints/*.orbax-checkpoint-tmp*")]


def killed(running, folder, moment):
    """Waits for the moment, `(when, seconds)`, and kills the process, which must not be done before."""
    when, seconds = moment
    before, began = records(folder), time.monotonic()
    reached = {
        "starting": lambda: True,
        "training": lambda: records(folder) > before,
        "saving": lambda: records(folder) > before and half_written(folder),
    }[when]
    while not reached():
        assert running.poll() is None, "the run was over before it was killed"
        assert time.monotonic() < began + 300, "the run does not go on"
        time.sleep(0.001)
    time.sleep(seconds)
    running.kill()
    assert running.wait() == -signal.SIGKILL, "the run was over before it was killed"


def untimed(folder):
    """The lines of metrics.jsonl, which all are whole, without what the clock says."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def listing(folder):
    """All names in a run's folder, down to the checkpoints'."""
    return sorted(str(path.relative_to(folder)) for pattern in ("*", "checkpoints/*") for path in folder.glob(pattern))


def assert_same_run(one, other, assert_identical):
    """Two folders hold the same run to the last bit: states, keys, records, events, summary."""
    assert listing(one) == listing(other)
    ends = [restore_run(folder, "latest") for folder in (one, other)]
    assert ends[0][3] == ends[1][3]
    assert_identical(ends[0][2], ends[1][2])
    assert ends[0][2].carry is not None
    assert untimed(one) == untimed(other)
    for name in ("events.jsonl", "summary.json"):
        assert (one / name).read_text() == (other / name).read_text()


@pytest.mark.slow
def test_killed_twice(script, start, tmp_path, assert_identical):
    """SIGKILL as it trains, and as it writes a checkpoint; then the rest in a third process."""
    out, whole = tmp_path / "killed", tmp_path / "whole"
    train(script.config(40, 2), script.SEEDS, whole, checkpoint_every=2, quiet=True)
    assert (whole / "events.jsonl").exists(), "no event that could get lost"
    for moment in (("training", 0.2), ("saving", 0.0)):
        killed(start(out), out, moment)
        assert not (out / "summary.json").exists()
    text = (out / "metrics.jsonl").read_text()
    (out / "metrics.jsonl").write_text(text[:-40])  # as if the kill had come in the middle of a line
    assert start(out).wait(300) == 0
    assert_same_run(out, whole, assert_identical)


@pytest.mark.slow
@pytest.mark.exhaustive
def test_killed_25_times(script, start, tmp_path, assert_identical):
    """SIGKILL at 25 moments, drawn over the whole life of a process: the run is the one that was left alone."""
    out, whole = tmp_path / "killed", tmp_path / "whole"
    train(script.config(300, 1), script.SEEDS, whole, checkpoint_every=1, quiet=True)
    chance = random.Random(0)
    phases = {"starting": 3.0, "training": 0.4, "saving": 0.02}
    when = [chance.choice(list(phases)) for _ in range(25)]
    left = 0
    for phase in when:
        killed(start(out, "--updates", 300, "--every", 1), out, (phase, chance.uniform(0, phases[phase])))
        left += bool(half_written(out))
    assert set(when) == set(phases) and left >= 5, f"{left} of the kills came while a checkpoint was written"
    assert start(out, "--updates", 300, "--every", 1).wait(600) == 0
    assert_same_run(out, whole, assert_identical)
