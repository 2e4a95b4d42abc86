"""Runs that share a program, trained together: in a loop, side by side, or spread over devices."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from rnnjax.ablation.grid import Planned
from rnnjax.errors import check
from rnnjax.training.fit import make_chunk
from rnnjax.training.seeds import over_runs
from rnnjax.training.state import TrainState, initial_state
from rnnjax.training.train import records_of, summary_of

TOGETHER = ("map", "vmap", "shard")


def train_group(runs: Sequence[Planned], strategy: str) -> list[tuple[list[dict[str, Any]], dict[str, Any]]]:
    """Trains runs that share one compiled program in one call of it a chunk.

    A run that has diverged or is done is passed over where the strategy allows it (`map`), and computed to no effect
    where not; it changes nothing in the others.

    Args:
      runs: of equal `config.dynamics`.
      strategy: "map" loops inside the program, "vmap" computes all runs side by side, "shard" does that with the runs
        spread over all local devices.

    Returns:
      For each run its records and its summary, as `rnnjax.training.train` has them.

    Raises:
      InputError: an unknown strategy, or runs of several programs.
    """
    check(strategy in TOGETHER, "strategy", strategy, "one of " + ", ".join(TOGETHER))
    config = runs[0].config
    check(len({run.config.dynamics for run in runs}) == 1, "runs", len(runs), "runs of one program")
    states = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(_start, runs))
    padding = 0
    if strategy == "shard":
        devices = jax.local_devices()
        padding = -len(runs) % len(devices)
        states = jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf[:1].repeat(padding, 0)]), states)
        states = jax.device_put(states, NamedSharding(Mesh(np.array(devices), "runs"), PartitionSpec("runs")))
    chunk = _chunk(config.dynamics, "vmap" if strategy == "shard" else strategy)
    records: list[dict[str, Any]] = []
    places = tuple(range(len(runs)))
    step = 0
    while step < config.steps and not bool(states.stopped[: len(runs)].all()):
        began = time.monotonic()
        running = ~np.asarray(states.stopped)
        states, history = chunk(states)
        jax.block_until_ready(states.step)
        step += config.evaluate_every
        records += records_of(history, places, running, step, time.monotonic() - began)
    summary = summary_of(states, places, records)
    found = []
    for place, run in enumerate(runs):
        own = [{**record, "seed": run.seed} for record in records if record["seed"] == place]
        found.append((own, {**summary[place], "seed": run.seed}))
    return found


def _start(run: Planned) -> TrainState:
    return initial_state(jax.random.key(run.seed), run.config)


@functools.lru_cache(maxsize=64)
def _chunk(config: Any, strategy: str) -> Any:
    return over_runs(make_chunk(config), strategy)
