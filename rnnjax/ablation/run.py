"""Running a grid: each program compiled once, runs spread over processes or trained together, none computed twice."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax

from rnnjax.ablation.grid import Planned, check_grid, expand, programs
from rnnjax.ablation.group import TOGETHER, forget_group, group_name, train_group
from rnnjax.ablation.store import Store
from rnnjax.ablation.tables import write_tables
from rnnjax.ablation.vary import Varied
from rnnjax.applications import Application
from rnnjax.errors import check, check_choice
from rnnjax.training import Config
from rnnjax.training.compiling import CompileTime
from rnnjax.training.interruption import Interrupted
from rnnjax.training.processes import in_processes
from rnnjax.training.run_folder import RunFolder
from rnnjax.training.train import train

STRATEGIES = ("auto", "processes", "serial", *TOGETHER)

Tell = Callable[[str], None]


def ablate(
    grid: Config | Varied,
    seeds: Sequence[int],
    out: str | os.PathLike,
    *,
    strategy: str = "auto",
    processes: int | None = None,
    tell: Tell = lambda line: None,
) -> list[dict[str, Any]]:
    """Trains every combination of values with every seed, and returns a row a run.

    Args:
      grid: a configuration in which any field may be a tuple, see `rnnjax.ablation.vary`.
      seeds: of each combination.
      out: the folder. What it holds already is not computed again.
      strategy: see `run_planned`.
      processes: how many, with "processes"; `None` is one a core.
      tell: called with a line for each run that is finished.

    Raises:
      InputError: see `expand` and `run_planned`.
    """
    return run_planned(expand(grid, seeds), out, strategy=strategy, processes=processes, tell=tell)


def run_planned(
    planned: Sequence[Planned],
    out: str | os.PathLike,
    *,
    strategy: str = "auto",
    processes: int | None = None,
    tell: Tell = lambda line: None,
) -> list[dict[str, Any]]:
    """Trains the runs that are missing in a folder, and returns a row for each of all.

    Runs that differ in seeds, rates, thresholds and initial values share one compiled program; what changes shapes is
    looped over, the costliest first. How runs of one program are mapped is the strategy:

    - "processes": one process a core, each of which trains one run at a time, and takes up another program when it has
      none left of its own. A CPU gains nothing from computing runs side by side in one program, and has its cores to
      itself this way. A script that asks for it guards its top level by `if __name__ == "__main__":`.
    - "serial": one after the other in this process.
    - "map", "vmap", "shard": see `rnnjax.ablation.train_group`.
    - "auto": "processes" on a CPU, else "vmap", or "shard" with several devices.

    Where `rnnjax.training.connect` has joined several processes, all of them call this alike, and each trains its share
    with "processes".

    All of them go on from checkpoints when the same call is made again. A run in a grid is the run alone: to the last
    bit, with "processes" the run alone on one core, and with "vmap" to rounding. (On a CPU, XLA shares large products
    out between its threads, and their number then decides the order of the sums.)

    Args:
      planned: the runs.
      out: the folder.
      strategy: how runs of one program are mapped.
      processes: how many, with "processes"; `None` is one a core.
      tell: called with a line for each run that is finished.

    Raises:
      InputError: an unknown strategy, applications with a strategy that trains runs together, a folder that holds
        something else, or one in which another process is at work. All before anything is compiled.
      Interrupted: a signal has asked the process to end; what was computed is saved.
    """
    chosen = chosen_strategy(planned, strategy)
    check(processes is None or processes > 0, "processes", processes, "a positive int, or None")
    check_grid(planned)
    if jax.process_count() > 1:
        from rnnjax.ablation.hosts import run_on_hosts  # which stands on this module

        return run_on_hosts(planned, out, strategy=chosen, processes=processes, tell=tell)
    store = Store(out)
    with store.opened(planned):
        missing = [run for run in planned if store.finished(run) is None]
        there = len(planned) - len(missing)
        tell(f"{len(planned)} runs in {len(programs(planned))} programs, {there} there already; strategy {chosen}")
        done = there
        try:
            with _asked_to_end():
                runner = _together if chosen in TOGETHER else train_each
                for runs, line in runner(store, missing, chosen, processes):
                    done += len(runs)
                    tell(f"{done} of {len(planned)}: {line}")
        except KeyboardInterrupt as error:
            number = error.number if isinstance(error, Interrupted) else signal.SIGINT
            raise Interrupted(f"stopped after {done} of {len(planned)} runs; the same again goes on", number) from None
        write_tables(store)
    return store.rows(planned)


def chosen_strategy(planned: Sequence[Planned], strategy: str) -> str:
    """The strategy by its name, "auto" replaced by what suits the device.

    Raises:
      InputError: an unknown strategy, or applications with one that trains runs together.
    """
    check_choice("strategy", strategy, STRATEGIES)
    streamed = any(isinstance(run.config.task, Application) for run in planned)
    expected = '"processes" or "serial" for real data, whose batches come from outside of the program'
    check(not (streamed and strategy in TOGETHER), "strategy", strategy, expected)
    if strategy != "auto":
        return strategy
    if jax.default_backend() == "cpu":
        return "processes"
    return "serial" if streamed else "shard" if jax.local_device_count() > 1 else "vmap"


Finished = Iterator[tuple[Sequence[Planned], str]]


def train_each(store: Store, missing: Sequence[Planned], strategy: str, processes: int | None) -> Finished:
    """Trains runs one by one, here or in workers, each in its own folder."""
    ordered = {str(store.folder(run)): run for group in programs(missing) for run in group}
    jobs = [(run.config, run.seed, folder) for folder, run in ordered.items()]
    count = 1 if strategy == "serial" else processes
    names = dict.fromkeys(name for run in missing for name in run.settings)
    varied = [name for name in names if len({repr(run.settings.get(name)) for run in missing}) > 1]
    for job, spent in in_processes(_train_alone, jobs, count, kind=_program):
        run = ordered[job[2]]
        store.note_time(run, {**spent, "strategy": strategy})
        yield (run,), f"{_settings(run, varied)}, {spent['run_seconds']:.0f} s"


def _program(job: tuple) -> Config:
    return job[0].dynamics


def _train_alone(config: Config, seed: int, folder: str) -> dict[str, float]:
    """One run in its folder; goes on from its newest checkpoint."""
    began = time.monotonic()
    resume = os.path.exists(os.path.join(folder, "config.json"))
    before = sum(record["seconds"] for record in RunFolder(folder).records())
    with CompileTime() as compiling:
        train(config, (seed,), folder, resume=resume, quiet=True, keep=2)
    seconds = time.monotonic() - began - compiling.seconds
    return {"compile_seconds": round(compiling.seconds, 3), "run_seconds": round(before + seconds, 3)}


def _together(store: Store, missing: Sequence[Planned], strategy: str, processes: int | None) -> Finished:
    """Trains runs of one program in one call, first those of groups that were interrupted."""
    del processes
    wanted = {run.name: run for run in missing}
    known = {run.name: run for run in store.planned()}
    for name, members in store.groups().items():
        runs = [known[member] for member in members if member in known]
        if len(runs) == len(members) and not wanted.keys().isdisjoint(members):
            yield _trained(store, runs, name, strategy)
            for member in members:
                wanted.pop(member, None)
        elif all(store.finished(run) is not None for run in runs):
            forget_group(store.group_folder(name))
    for runs in programs(list(wanted.values())):
        yield _trained(store, runs, group_name(runs), strategy)


def _trained(store: Store, runs: Sequence[Planned], name: str, strategy: str) -> tuple[Sequence[Planned], str]:
    began = time.monotonic()
    folder = store.group_folder(name)
    with CompileTime() as compiling:
        found = train_group(runs, strategy, folder)
    whole = time.monotonic() - began - compiling.seconds
    shares = {"compile_seconds": compiling.seconds / len(runs), "run_seconds": whole / len(runs)}
    spent = {**{name: round(seconds, 3) for name, seconds in shares.items()}, "strategy": strategy}
    written = []
    for run, (records, summary, state) in zip(runs, found, strict=True):
        if store.finished(run) is None:
            store.write(run, records, summary, state, spent)
            written.append(run)
    forget_group(folder)
    return written, f"{len(runs)} runs of {runs[0].config.cell}, {whole:.0f} s"


def _settings(run: Planned, names: Sequence[str]) -> str:
    return ", ".join([*(f"{name} {run.settings.get(name)}" for name in names), f"seed {run.seed}"])


@contextlib.contextmanager
def _asked_to_end() -> Iterator[None]:
    """SIGTERM as what Ctrl-C is: an exception, on which workers are asked to save."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise Interrupted("asked to end", number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
