"""A grid over several processes, of one machine or many: each trains its share, the first keeps the tables."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax

from rnnjax.ablation.grid import Planned, programs
from rnnjax.ablation.run import train_each
from rnnjax.ablation.store import Store
from rnnjax.ablation.tables import write_tables
from rnnjax.errors import check
from rnnjax.training.hosts import from_first, in_step, is_first


def run_on_hosts(
    planned: Sequence[Planned],
    out: str | os.PathLike,
    *,
    strategy: str,
    processes: int | None,
    tell: Callable[[str], None],
) -> list[dict[str, Any]]:
    """`run_planned` in each of several processes that `rnnjax.training.connect` has joined.

    The runs that are missing are dealt out in their order, so that all processes begin with the costliest program. Each
    process trains its share in workers of its own, one a core. All have to see the folder; the first holds its lock.

    Args:
      planned: the runs.
      out: the folder.
      strategy: "processes", on a CPU.
      processes: how many workers of each; `None` is one a core.
      tell: called with a line for each run that is finished, by the process that trained it.

    Raises:
      InputError: see `run_planned`; in all processes.
      OtherFailed: another process could not go on.
    """
    valid = strategy == "processes" and jax.default_backend() == "cpu"
    check(valid, "strategy", strategy, '"processes" on CPUs, where several processes are joined')
    store = Store(out)
    with contextlib.ExitStack() as opened:

        def begin() -> tuple[list[str], None]:
            opened.enter_context(store.opened(planned))
            return [run.name for run in planned if store.finished(run) is None], None

        names = set(from_first(begin, None)[0])
        missing = [run for group in programs([run for run in planned if run.name in names]) for run in group]
        share = missing[jax.process_index() :: jax.process_count()]
        with in_step():
            tell(f"{len(planned)} runs, {len(planned) - len(missing)} there already; {len(share)} of them are mine")
            for done, (_, line) in enumerate(train_each(store, share, "processes", processes) if share else (), 1):
                tell(f"{done} of {len(share)}: {line}")
        with in_step():
            if is_first():
                write_tables(store)
    return store.rows(planned)
