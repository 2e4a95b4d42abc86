"""Independent jobs on all cores: one process a core, since a CPU gains nothing from mapping runs in one program."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any


def in_processes(
    function: Callable[..., Any], jobs: Sequence[tuple], processes: int | None = None
) -> Iterator[tuple[tuple, Any]]:
    """Calls `function(*job)` for each job in worker processes, and yields `(job, outcome)` as they finish.

    Each worker has a core to itself. With one process, and on an accelerator, which processes cannot share, everything
    runs in this process.

    Args:
      function: at the top level of a module, so that a worker can import it.
      jobs: arguments, in the order in which they start: the longest first.
      processes: how many workers; `None` means one a core.
    """
    import jax

    processes = min(workers(processes), max(len(jobs), 1))
    if processes == 1 or jax.default_backend() != "cpu":
        for job in jobs:
            yield job, function(*job)
        return
    context = multiprocessing.get_context("spawn")
    cores = context.Queue()
    for core in range(processes):
        cores.put(core)
    with concurrent.futures.ProcessPoolExecutor(processes, context, _settle, (cores,)) as pool:
        pending = {pool.submit(function, *job): job for job in jobs}
        try:
            for done in concurrent.futures.as_completed(pending):
                yield pending[done], done.result()
        finally:
            for future in pending:
                future.cancel()


def workers(processes: int | None) -> int:
    """How many workers these are: `None` means one a core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return processes or cores or 1


def _settle(cores) -> None:
    """Gives a worker a core of its own, before JAX counts the cores and starts a thread on each."""
    own = cores.get()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threads that share a core spin against each other
    if hasattr(os, "sched_setaffinity"):
        available = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {available[own % len(available)]})
