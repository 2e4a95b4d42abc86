"""Independent jobs on all cores: one process a core, since a CPU gains nothing from mapping runs in one program."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import pathlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from experiments.harness.ledger import Ledger


def run_jobs(
    function: Callable[..., Any],
    jobs: Sequence[tuple],
    processes: int | None = None,
    ledger: str | os.PathLike | None = None,
) -> Iterator[Any]:
    """Calls `function(*job)` for each job in worker processes, and yields `(job, outcome)` as they finish.

    Args:
      function: at the top level of a module, so that a worker can import it.
      jobs: arguments, in the order in which they start: the longest first. A ledger tells them apart by their `repr`.
      processes: how many workers; `None` means one a core. On an accelerator, which processes cannot share, everything
        runs in this process.
      ledger: a folder that keeps the outcome of each job as it finishes, so that a run that was cut off goes on with
        the jobs that are missing; those on file are yielded first. Outcomes are then plain values and numpy arrays.
    """
    import jax

    book = Ledger(pathlib.Path(ledger)) if ledger is not None else None
    missing = []
    for job in jobs:
        if book is not None and (entry := book.read(job)) is not None:
            yield job, entry["outcome"]
        else:
            missing.append(job)
    processes = workers(processes)
    if processes == 1 or jax.default_backend() != "cpu":
        for job in missing:
            yield job, _noted(book, job, *_timed(function, job))
        return
    context = multiprocessing.get_context("spawn")
    cores = context.Queue()
    for core in range(processes):
        cores.put(core)
    with concurrent.futures.ProcessPoolExecutor(processes, context, _settle, (cores,)) as pool:
        pending = {pool.submit(_timed, function, job): job for job in missing}
        for done in concurrent.futures.as_completed(pending):
            yield pending[done], _noted(book, pending[done], *done.result())


def workers(processes: int | None) -> int:
    """How many workers these are: `None` means one a core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return processes or cores or 1


def _timed(function: Callable[..., Any], job: tuple) -> tuple[Any, float]:
    began = time.monotonic()
    outcome = function(*job)
    return outcome, time.monotonic() - began


def _noted(book: Ledger | None, job: tuple, outcome: Any, seconds: float) -> Any:
    if book is not None:
        book.write(job, outcome, seconds)
    return outcome


def _settle(cores) -> None:
    """Gives a worker a core of its own, before JAX counts the cores and starts a thread on each."""
    own = cores.get()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threads that share a core spin against each other
    if hasattr(os, "sched_setaffinity"):
        available = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {available[own % len(available)]})
