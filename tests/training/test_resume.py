"""A run that was interrupted and taken up again is the run that was not."""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import jax
import pytest

from rnnjax.training import initial_state, train
from rnnjax.training.checkpoints import Checkpoints
from rnnjax.training.seeds import keys_of

SCRIPT = pathlib.Path(__file__).with_name("killed_run.py")


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("killed_run", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def checkpoint(folder, config, seeds, step):
    """The whole state in a checkpoint."""
    like = jax.eval_shape(lambda keys: jax.vmap(lambda key: initial_state(key, config))(keys), keys_of(seeds))
    checkpoints = Checkpoints(folder / "checkpoints")
    state = checkpoints.restore(step, like)
    checkpoints.close()
    return state


def recorded(folder):
    """The lines of metrics.jsonl, which all are whole."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def lines(folder):
    """How many records there are so far."""
    metrics = folder / "metrics.jsonl"
    return metrics.read_text().count("\n") if metrics.exists() else 0


def untimed(records):
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


def process(*arguments):
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2])}
    return subprocess.Popen([sys.executable, SCRIPT, *arguments], env=environment, stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted(script, tmp_path, assert_identical):
    """50 updates, SIGKILL, and the rest in another process: state, keys and records are the same to the last bit."""
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    with process(killed, "--stall", "80") as running:
        try:
            train(script.CONFIG, script.SEEDS, whole, checkpoint_every=50, quiet=True)
            deadline = time.monotonic() + 300
            while not ((killed / "checkpoints" / "50").is_dir() and lines(killed) >= 12):  # two a chunk
                assert running.poll() is None and time.monotonic() < deadline, "no checkpoint appeared"
                time.sleep(0.05)
        finally:
            running.kill()
    assert running.returncode == -signal.SIGKILL
    assert not (killed / "summary.json").exists()
    text = (killed / "metrics.jsonl").read_text()
    assert 12 <= lines(killed) <= 16
    (killed / "metrics.jsonl").write_text(text[:-40])  # as if the kill had come in the middle of a line

    with process(killed, "--resume") as resumed:
        assert resumed.wait(300) == 0
    ends = [checkpoint(folder, script.CONFIG, script.SEEDS, 100) for folder in (killed, whole)]
    assert_identical(*ends)
    assert ends[0].step.tolist() == [100, 100] and ends[0].carry is not None
    assert untimed(recorded(killed)) == untimed(recorded(whole))
    assert (killed / "metrics.jsonl").read_text().splitlines()[:10] == text.splitlines()[:10]
    assert (killed / "summary.json").read_text() == (whole / "summary.json").read_text()
    assert sorted(path.name for path in killed.iterdir()) == sorted(path.name for path in whole.iterdir())
