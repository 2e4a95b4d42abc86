"""How long a grid will take: from runs that are there already, or from a few updates of each kind of cell."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

import jax

from rnnjax.ablation.grid import Planned, programs
from rnnjax.ablation.store import Store
from rnnjax.applications import Application
from rnnjax.training.batches import next_batch
from rnnjax.training.config import Config
from rnnjax.training.processes import workers
from rnnjax.training.state import initial_state
from rnnjax.training.update import make_update

_UPDATES = 5
_EVALUATION = 1 / 3
"""What a row costs in an evaluation, which has no backward pass, as a share of what it costs in an update."""


class Cost(NamedTuple):
    """What a program costs.

    Attributes:
      compile_seconds: once for each process that runs it.
      run_seconds: a run, if it is not stopped before its last update.
      known: whether that comes from finished runs of this cell; else from a few updates.
    """

    compile_seconds: float
    run_seconds: float
    known: bool


def estimate(planned: Sequence[Planned], store: Store | None = None) -> list[Cost | None]:
    """The cost of each program of `rnnjax.ablation.programs`, in its order.

    The time of a kind of cell grows with updates, rows, steps and width: it is measured once for each kind, in finished
    runs if a folder has some, else by compiling and running a few updates of its least costly program. Width counts
    once here, and up to twice on a machine with nothing else to do: take it as a rough guide. `None` for real data.
    """
    groups = programs(planned)
    measured: dict[str, tuple[float, float, bool]] = {}
    for group in reversed(groups):  # the least costly first
        config = group[0].config
        kind = _kind(config)
        if kind not in measured and not isinstance(config.task, Application):
            found = None if store is None or not store.is_one() else _from_rows(store, kind)
            measured[kind] = _tried(config) if found is None else found
    costs: list[Cost | None] = []
    for group in groups:
        found = measured.get(_kind(group[0].config))
        config = group[0].config
        costs.append(None if found is None else Cost(found[0], found[1] * _work(config), found[2]))
    return costs


def seconds_in_all(groups: Sequence[Sequence[Planned]], costs: Sequence[Cost | None], processes: int | None) -> float:
    """The time that a grid takes in so many processes, each of which compiles what it runs."""
    known = [(group, cost) for group, cost in zip(groups, costs, strict=True) if cost is not None]
    count = min(workers(processes), sum(len(group) for group, _ in known)) or 1
    running = sum(len(group) * cost.run_seconds for group, cost in known)
    compiling = sum(cost.compile_seconds for _, cost in known)
    longest = max((cost.run_seconds + cost.compile_seconds for _, cost in known), default=0.0)
    once = max(compiling / count, max((cost.compile_seconds for _, cost in known), default=0.0))
    return max(running / count + once, longest)


def _kind(config: Config) -> str:
    return config.title


def _work(config: Config) -> float:
    """Updates times rows times steps times width, evaluations included."""
    rows = config.batch_size + _EVALUATION * config.evaluation_size / config.evaluate_every
    return config.steps * rows * config.sampled_task.time * config.cell.output_features


def _from_rows(store: Store, kind: str) -> tuple[float, float, bool] | None:
    compiling, rates = [], []
    for run in store.planned():
        row = store.finished(run) if _kind(run.config) == kind else None
        if row is not None and row["updates"] > 0:
            rates.append(row["run_seconds"] * run.config.steps / row["updates"] / _work(run.config))
            compiling.append(row["compile_seconds"])
    return (max(compiling), statistics.median(rates), True) if rates else None


def _tried(config: Config) -> tuple[float, float, bool]:
    """Seconds to compile, and for each unit of work."""
    update = make_update(config.dynamics)
    step = jax.jit(lambda state: update(state, next_batch(state, config.dynamics))[0])
    state = initial_state(jax.random.key(0), config)
    began = time.monotonic()
    state = jax.block_until_ready(step(state))
    compiled = time.monotonic()
    for _ in range(_UPDATES):
        state = step(state)
    jax.block_until_ready(state)
    seconds = (time.monotonic() - compiled) / _UPDATES
    return compiled - began, seconds * config.steps / _work(config), False
