"""Signals to real processes: the first saves and ends, the second ends at once; one process at a time in a folder."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

from rnnjax.training import restore_run
from rnnjax.training.interruption import Interrupted, Interruption

SCRIPT = pathlib.Path(__file__).with_name("interrupted_run.py")
MANY = 20_000_000


@pytest.fixture(scope="module")
def start():
    """`start(folder, updates, every, *options)`: a training in a process; none but the first compiles."""

    def process(folder, updates, every, *options):
        command = [sys.executable, SCRIPT, folder, str(updates), str(every), *options]
        environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2])}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, env=environment, text=True, **pipes)

    return process


def lines(folder):
    path = folder / "metrics.jsonl"
    return path.read_text().count("\n") if path.exists() else 0


def wait_for(condition, process):
    began = time.monotonic()
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < began + 300, "nothing happens"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.exhaustive)])
def test_a_signal_saves_and_ends(number, start, tmp_path):
    """SIGTERM is exit code 143, Ctrl-C 130; the run is saved at its last evaluation, and says how to go on.

    Meanwhile another process is refused in the same folder, in one line, and disturbs nothing.
    """
    out = tmp_path / "run"
    with start(out, MANY, 100) as running:
        wait_for(lambda: lines(out) > 1, running)
        with start(out, MANY, 100, "--resume") as second:
            printed, refused = second.communicate(timeout=300)
        assert (second.returncode, printed) == (2, "")
        words = f"a folder that no other process trains in (process {running.pid} does)"
        assert refused == f"rnnjax: out: got {str(out)!r}, expected {words}\n"
        assert running.poll() is None
        running.send_signal(number)
        printed, said = running.communicate(timeout=300)
    assert (running.returncode, printed) == (128 + number, "")
    last = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])["step"]
    assert said.strip().splitlines() == [
        "saving after the next evaluation; a second signal ends at once",
        f"rnnjax: stopped after update {last} of {MANY}; --resume goes on",
    ]
    _, _, state, step = restore_run(out, "latest")
    assert (step, state.step.tolist()) == (last, [last])
    assert not (out / "summary.json").exists() and not (out / ".lock").exists()


def hears(process, number):
    """Whether the process has a handler for a signal, as the system says."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"SigCgt:\s*(\w+)", status).group(1), 16) >> (number - 1) & 1


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.skipif(not pathlib.Path("/proc/self/status").exists(), reason="the system does not tell of handlers")
def test_a_second_signal_ends_at_once(start, tmp_path):
    """While a chunk without end is computed the first signal is heard, and the second ends the process."""
    out = tmp_path / "run"
    with start(out, MANY, MANY) as running:
        wait_for(lambda: hears(running, signal.SIGTERM), running)
        running.send_signal(signal.SIGINT)
        assert running.stderr is not None
        assert running.stderr.readline() == "\n"
        assert running.stderr.readline().startswith("saving after the next evaluation")
        running.send_signal(signal.SIGTERM)
        _, said = running.communicate(timeout=30)
    assert running.returncode == 143
    assert said.strip() == "ended at once: nothing is saved since the last checkpoint"


def test_signals_are_as_they_were_afterwards():
    """After the context each signal has its handler again, and one that came in it is not acted on later."""
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGTERM)
            deadline = time.monotonic() + 10
            while interruption.number is None and time.monotonic() < deadline:
                time.sleep(0.01)
        assert interruption.number == signal.SIGTERM and heard == []
        os.kill(os.getpid(), signal.SIGTERM)
        assert heard == [signal.SIGTERM]
        with Interruption(active=False) as interruption:
            os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.number is None and len(heard) == 2
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_interactive_session_is_not_ended(monkeypatch):
    """In a notebook the second signal raises, for there the process holds more than the run."""
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    with pytest.raises(Interrupted, match="ended at once"), Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.number == signal.SIGINT
        os.kill(os.getpid(), signal.SIGINT)


def test_an_interruption_comes_back_from_another_process():
    """Its message and number survive the way from a worker."""
    made, given, *_ = Interrupted("stopped after update 3", 15).__reduce__()
    again = made(*given)
    assert (str(again), again.number, type(again)) == ("stopped after update 3", 15, Interrupted)
