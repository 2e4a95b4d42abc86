"""Independent jobs on all cores: one process a core, since a CPU gains nothing from mapping runs in one program."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor
from typing import Any

Kind = Callable[[tuple], Hashable]


def in_processes(
    function: Callable[..., Any], jobs: Sequence[tuple], processes: int | None = None, *, kind: Kind | None = None
) -> Iterator[tuple[tuple, Any]]:
    """Calls `function(*job)` for each job in worker processes, and yields `(job, outcome)` as they finish.

    Each worker has a core to itself, and ends with this process, however that ends. A `KeyboardInterrupt` here becomes
    a SIGTERM there, and is raised again when all workers have ended. With one process, and on an accelerator, which
    processes cannot share, everything runs in this process.

    Args:
      function: at the top level of a module, so that a worker can import it.
      jobs: arguments, in the order in which they start: the longest first.
      processes: how many workers; `None` means one a core.
      kind: what a job shares with others, such as a compiled program: a worker that has prepared itself for a kind goes
        on with it, then takes up one that nobody has begun, and helps with another's only when there is none. Within a
        kind the order of the jobs is kept.
    """
    import jax

    processes = min(workers(processes), max(len(jobs), 1))
    alone = processes == 1 and jax.process_count() == 1  # one that is joined with others does not write runs itself
    if alone or jax.default_backend() != "cpu":
        for job in jobs:
            yield job, function(*job)
        return
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    pools = [ProcessPoolExecutor(1, context, _settle, (core,)) for core in range(processes)]
    queue = _Queue(jobs, kind)
    running: dict[Future, tuple[int, tuple]] = {}
    try:
        for worker in range(processes):
            _start_next(worker, pools, queue, function, running)
        while running:
            for done in concurrent.futures.wait(running, return_when=FIRST_COMPLETED).done:
                worker, job = running.pop(done)
                outcome = done.result()
                _start_next(worker, pools, queue, function, running)
                yield job, outcome
    except KeyboardInterrupt:
        for worker in set(multiprocessing.active_children()) - others:
            worker.terminate()  # which a training run takes as a request to save
        raise
    finally:
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in pools:
            pool.shutdown(wait=True)


def workers(processes: int | None) -> int:
    """How many workers these are: `None` means one a core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return processes or cores or 1


class _Queue:
    """The jobs that wait, by kind, and who has begun which kind."""

    def __init__(self, jobs: Sequence[tuple], kind: Kind | None):
        self._waiting: dict[Hashable, list[tuple]] = {}
        for job in jobs:
            self._waiting.setdefault(kind(job) if kind else None, []).append(job)
        self._begun: dict[Hashable, set[int]] = {name: set() for name in self._waiting}

    def take(self, worker: int) -> tuple | None:
        """The next job of a worker, or `None`."""
        left = [name for name, jobs in self._waiting.items() if jobs]
        if not left:
            return None
        own = [name for name in left if worker in self._begun[name]]
        fresh = [name for name in left if not self._begun[name]]
        name = (own or fresh or [max(left, key=lambda name: len(self._waiting[name]))])[0]
        self._begun[name].add(worker)
        return self._waiting[name].pop(0)


def _start_next(worker: int, pools, queue: _Queue, function, running: dict[Future, tuple[int, tuple]]) -> None:
    job = queue.take(worker)
    if job is not None:
        running[pools[worker].submit(function, *job)] = worker, job


def _settle(place: int) -> None:
    """Gives a worker a core of its own, before JAX counts the cores and starts a thread on each."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threads that share a core spin against each other
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # so that Ctrl-C in a terminal comes to the process that has started this one, and once
    if hasattr(os, "sched_setaffinity"):
        available = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {available[place % len(available)]})
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process when the one that has started it is gone, killed say: nobody would take its results, and it
    would hold on to the folder that it writes to.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)
