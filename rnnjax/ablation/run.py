"""Running a grid: each program compiled once, runs spread over processes or trained together, none computed twice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from rnnjax.ablation.grid import Planned, expand, programs
from rnnjax.ablation.group import TOGETHER, train_group
from rnnjax.ablation.store import Store
from rnnjax.applications import Application
from rnnjax.errors import check, check_choice
from rnnjax.training import Config
from rnnjax.training.compiling import CompileTime
from rnnjax.training.processes import in_processes
from rnnjax.training.train import train

STRATEGIES = ("auto", "processes", "serial", *TOGETHER)


def ablate(
    base: Config,
    choices: Mapping[str, Sequence[Any]],
    seeds: Sequence[int],
    out: str | os.PathLike,
    *,
    strategy: str = "auto",
    processes: int | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> list[dict[str, Any]]:
    """Trains every combination of choices with every seed, and returns a row a run.

    Args:
      base: the configuration in which the choices are put.
      choices: values by the path of a field, see `rnnjax.ablation.expand`.
      seeds: of each combination.
      out: the folder. What it holds already is not computed again.
      strategy: see `run_planned`.
      processes: how many, with "processes"; `None` is one a core.
      tell: called with a line for each run that is finished.

    Raises:
      InputError: see `expand` and `run_planned`.
    """
    return run_planned(expand(base, choices, seeds), out, strategy=strategy, processes=processes, tell=tell)


def run_planned(
    planned: Sequence[Planned],
    out: str | os.PathLike,
    *,
    strategy: str = "auto",
    processes: int | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> list[dict[str, Any]]:
    """Trains the runs that are missing in a folder, and returns a row for each of all.

    Runs that differ in seeds, rates, thresholds and initial values share one compiled program; what changes shapes is
    looped over, the costliest first. How runs of one program are mapped is the strategy:

    - "processes": one process a core, each of which trains one run at a time. A CPU gains nothing from computing runs
      side by side in one program, and has its cores to itself this way. Runs go on from their checkpoints.
    - "serial": one after the other in this process, with checkpoints too.
    - "map", "vmap", "shard": see `rnnjax.ablation.group.train_group`.
    - "auto": "processes" on a CPU, else "vmap", or "shard" with several devices.

    A run alone and as a part of a grid are the same to the last bit with "processes" and "serial".

    Args:
      planned: the runs.
      out: the folder.
      strategy: how runs of one program are mapped.
      processes: how many, with "processes"; `None` is one a core.
      tell: called with a line for each run that is finished.

    Raises:
      InputError: an unknown strategy, applications with a strategy that trains runs together, or a folder that holds
        something else.
    """
    check_choice("strategy", strategy, STRATEGIES)
    check(processes is None or processes > 0, "processes", processes, "a positive int, or None")
    chosen = _auto() if strategy == "auto" else strategy
    streamed = any(isinstance(run.config.task, Application) for run in planned)
    if streamed and strategy == "auto":
        chosen = "processes" if chosen == "processes" else "serial"
    check(not (streamed and chosen in TOGETHER), "strategy", strategy, '"processes" or "serial" for real data')
    store = Store(out)
    store.open()
    missing = [run for run in planned if store.finished(run) is None]
    tell(f"{len(planned)} runs, {len(planned) - len(missing)} of them there already; strategy {chosen}")
    done = len(planned) - len(missing)
    if chosen in TOGETHER:
        for group in programs(missing):
            _train_together(store, group, chosen)
            done += len(group)
            tell(f"{done} of {len(planned)}: {len(group)} runs of {type(group[0].config.cell).__name__}")
    else:
        ordered = [run for group in programs(missing) for run in group]
        jobs = [(run.config, run.seed, str(store.folder(run))) for run in ordered]
        named = {str(store.folder(run)): run for run in ordered}
        count = 1 if chosen == "serial" else processes
        for job, spent in in_processes(_train_alone, jobs, count):
            run = named[job[2]]
            store.note_time(run, spent)
            done += 1
            tell(f"{done} of {len(planned)}: {_settings(run)}, {spent['run_seconds']:.0f} s")
    store.write_table(planned)
    return store.rows(planned)


def _auto() -> str:
    if jax.default_backend() == "cpu":
        return "processes"
    return "shard" if jax.local_device_count() > 1 else "vmap"


def _settings(run: Planned) -> str:
    return ", ".join([*(f"{name}={value}" for name, value in run.settings.items()), f"seed {run.seed}"])


def _train_together(store: Store, group: Sequence[Planned], strategy: str) -> None:
    began = time.monotonic()
    with CompileTime() as compiling:
        found = train_group(group, strategy)
    share = (time.monotonic() - began - compiling.seconds) / len(group)
    for run, (records, summary) in zip(group, found, strict=True):
        store.write(run, records, summary)
        times = {"compile_seconds": round(compiling.seconds / len(group), 3), "run_seconds": round(share, 3)}
        store.note_time(run, {**times, "strategy": strategy})


def _train_alone(config: Config, seed: int, folder: str) -> dict[str, Any]:
    """One run in a process of its own or in this one; goes on from its newest checkpoint."""
    began = time.monotonic()
    resume = os.path.exists(os.path.join(folder, "config.json"))
    with CompileTime() as compiling:
        train(config, (seed,), folder, resume=resume, quiet=True)
    seconds = time.monotonic() - began - compiling.seconds
    return {
        "compile_seconds": round(compiling.seconds, 3),
        "run_seconds": round(seconds, 3),
        "strategy": "alone",
    }
