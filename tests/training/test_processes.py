"""Jobs in worker processes: each done once, in order within a kind, and no worker outlives the one it works for."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from rnnjax.errors import InputError, check
from rnnjax.training import processes
from rnnjax.training.processes import _Queue, in_processes

ROOT = pathlib.Path(__file__).parents[2]
SCRIPT = """
import os, pathlib, sys, time
sys.path.insert(0, {root!r})
from rnnjax.training.processes import in_processes

def job(folder, name):
    (pathlib.Path(folder) / f"{{name}}-{{os.getpid()}}").touch()
    time.sleep(600)

if __name__ == "__main__":
    for _ in in_processes(job, [({folder!r}, "a"), ({folder!r}, "b")], 2):
        pass
"""


def drained(queue, workers):
    """What a queue gives to workers that ask for jobs in this order."""
    return [queue.take(worker) for worker in workers]


def test_a_worker_stays_with_its_kind_and_helps_others_at_the_end():
    jobs = [("a", i) for i in range(5)] + [("b", i) for i in range(2)] + [("c", 0)]
    given = drained(_Queue(jobs, kind=lambda job: job[0]), [0, 1, 0, 1, 1, 1, 0, 0, 0])
    assert given == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("c", 0), ("a", 2), ("a", 3), ("a", 4), None]
    assert drained(_Queue(jobs, None), [0, 1] * 4 + [0]) == [*jobs, None]


def test_every_job_is_done_once_with_one_process():
    jobs = [(2, i) for i in range(7)]
    assert list(in_processes(pow, jobs, 1)) == [(job, 2 ** job[1]) for job in jobs]
    assert list(in_processes(pow, [], None)) == []


@pytest.mark.slow
def test_every_job_is_done_once_by_two_workers_and_errors_come_back():
    """Outcomes stand beside their jobs; a worker has one core; the library's error keeps its argument."""
    found = []
    with pytest.raises(InputError, match="value: got -1") as caught:
        for job, outcome in in_processes(cores_for, [(1,), (2,), (3,), (-1,)], 2):
            found.append((job[0], outcome))
    assert caught.value.argument == "value"
    assert found and all(outcome == (value, 1) for value, outcome in found)


def cores_for(value):
    check(value > 0, "value", value, "more than 0")
    return value, len(os.sched_getaffinity(0))


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
def test_workers_end_with_the_process_that_they_work_for(tmp_path):
    script, folder = tmp_path / "script.py", tmp_path / "at_work"
    folder.mkdir()
    script.write_text(SCRIPT.format(root=str(ROOT), folder=str(folder)))
    with subprocess.Popen([sys.executable, str(script)]) as parent:
        deadline = time.monotonic() + 300
        while len(list(folder.iterdir())) < 2:
            assert parent.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        parent.kill()
    workers = [int(path.name.split("-")[1]) for path in folder.iterdir()]
    assert len(set(workers)) == 2
    while any(alive(worker) for worker in workers):
        assert time.monotonic() < deadline, "a worker lives on"
        time.sleep(0.05)


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_workers_are_as_many_as_cores_unless_told(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5}, raising=False)
    assert processes.workers(None) == 3 and processes.workers(7) == 7
