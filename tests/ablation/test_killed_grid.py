"""A grid that is killed goes on with what is missing, and ends as the grid that was not."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pandas
import pytest

from rnnjax.ablation import Store, expand, run_planned
from rnnjax.errors import InputError
from rnnjax.training import restore_run, train

SCRIPT = pathlib.Path(__file__).with_name("killed_grid.py")


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("killed_grid", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def process(folder):
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2])}
    return subprocess.Popen([sys.executable, SCRIPT, folder], env=environment, stderr=subprocess.PIPE, text=True)


def wait_for(condition, running, seconds=300):
    deadline = time.monotonic() + seconds
    while not condition():
        assert running.poll() is None, running.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def finished(store, planned):
    return [run for run in planned if store.finished(run) is not None]


def checked(store, planned):
    """Each run is there, and is the run alone in this process, to the last bit."""
    assert len(pandas.read_csv(store.path / "table.csv")) == len(planned)
    for run in planned:
        alone = train(run.config, (run.seed,), quiet=True)
        _, _, state, _ = restore_run(store.folder(run), "latest")
        for a, b in zip(jax.tree.leaves(state.params), jax.tree.leaves(alone.state.params), strict=True):
            assert np.asarray(a).tobytes() == np.asarray(b).tobytes(), run
        assert store.finished(run)["diverged"] == alone.summary[0]["diverged"]


@pytest.mark.slow
@pytest.mark.exhaustive
def test_a_grid_that_was_killed_goes_on(script, tmp_path):
    """kill -9 in the middle of runs in two workers; meanwhile another process was refused; the rest is trained here."""
    planned, store = expand(script.GRID, script.SEEDS), Store(tmp_path / "grid")
    with process(store.path) as running:
        wait_for(lambda: store.is_one(), running)
        with pytest.raises(InputError, match="no other process trains in"):
            run_planned(planned, store.path, strategy="serial")
        wait_for(lambda: finished(store, planned), running)
        running.send_signal(signal.SIGKILL)
    there = finished(store, planned)
    assert 0 < len(there) < len(planned)
    stamps = {run.name: (store.folder(run) / "spent.json").stat().st_mtime_ns for run in there}
    time.sleep(1)  # for the workers to notice
    rows = run_planned(planned, store.path, strategy="serial")
    assert len(rows) == len(planned)
    assert stamps == {run.name: (store.folder(run) / "spent.json").stat().st_mtime_ns for run in there}
    checked(store, planned)


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_grid_that_is_asked_to_end_saves_first(number, script, tmp_path):
    """The workers save and end, the process ends with an `Interrupted`, and the same call goes on from there."""
    planned, store = expand(script.GRID, script.SEEDS), Store(tmp_path / "grid")
    with process(store.path) as running:
        wait_for(lambda: len(list(store.path.glob("runs/*/metrics.jsonl"))) >= 2, running)
        running.send_signal(number)
        errors = running.communicate(timeout=300)[1]
    assert running.returncode != 0 and "Interrupted" in errors and "the same again goes on" in errors
    saved = [path.name for path in store.path.glob("runs/*/checkpoints/*") if path.name.isdecimal()]
    assert saved and any(int(name) % 1500 for name in saved), "saved at no other update than those of every checkpoint"
    run_planned(planned, store.path, strategy="processes", processes=2)
    checked(store, planned)
