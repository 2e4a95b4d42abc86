"""Independent jobs on all cores, with a ledger of those that are finished."""

from __future__ import annotations

import functools
import os
import pathlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from experiments.harness.ledger import Ledger
from rnnjax.training.processes import in_processes


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
    book = Ledger(pathlib.Path(ledger)) if ledger is not None else None
    missing = []
    for job in jobs:
        if book is not None and (entry := book.read(job)) is not None:
            yield job, entry["outcome"]
        else:
            missing.append(job)
    for job, (outcome, seconds) in in_processes(functools.partial(_timed, function), missing, processes):
        if book is not None:
            book.write(job, outcome, seconds)
        yield job, outcome


def _timed(function: Callable[..., Any], *job: Any) -> tuple[Any, float]:
    """The outcome, and the seconds of a core that it took, which other work on the machine does not change."""
    began = time.process_time()
    outcome = function(*job)
    return outcome, time.process_time() - began
