"""Runs that share a program, trained together: in a loop, side by side, or spread over devices."""

from __future__ import annotations

import functools
import hashlib
import os
import pathlib
import shutil
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from rnnjax.ablation.grid import Planned
from rnnjax.errors import check
from rnnjax.training.config import Config
from rnnjax.training.fit import History, make_chunk
from rnnjax.training.interruption import Interrupted, Interruption
from rnnjax.training.journal import Journal
from rnnjax.training.records import records_of, summary_of
from rnnjax.training.run_folder import write_json
from rnnjax.training.saved_runs import abstract_state
from rnnjax.training.seeds import over_runs
from rnnjax.training.state import TrainState, initial_state

TOGETHER = ("map", "vmap", "shard")
MEMBERS = "members.json"
"""The file that says whose states the checkpoints of a group are."""

CHECKPOINT_EVERY = 5
"""Evaluations between checkpoints of a group."""


class Trained(NamedTuple):
    """What became of a run.

    Attributes:
      records: as in metrics.jsonl.
      summary: as in summary.json.
      state: at the end, with a leading axis of one run.
    """

    records: list[dict[str, Any]]
    summary: dict[str, Any]
    state: TrainState


def group_name(runs: Sequence[Planned]) -> str:
    """A name that is the same for the same runs."""
    return hashlib.sha256(" ".join(sorted(run.name for run in runs)).encode()).hexdigest()[:16]


def train_group(runs: Sequence[Planned], strategy: str, out: str | os.PathLike | None = None) -> list[Trained]:
    """Trains runs that share one compiled program in one call of it a chunk.

    A run that has diverged or is done is passed over where the strategy allows it (`map`), and computed to no effect
    where not; it changes nothing in the others.

    Args:
      runs: of equal `config.dynamics`.
      strategy: "map" loops inside the program, "vmap" computes all runs side by side, "shard" gives each local device
        its share of them: on a CPU to be looped over, elsewhere to be computed side by side.
      out: a folder for checkpoints of all runs together, from which the same call goes on after it was stopped; `None`
        keeps nothing.

    Returns:
      What became of each run.

    Raises:
      InputError: an unknown strategy, or runs of several programs.
      Interrupted: a signal has asked the process to end; with `out`, the states are saved.
    """
    check(strategy in TOGETHER, "strategy", strategy, "one of " + ", ".join(TOGETHER))
    config = runs[0].config
    check(len({run.config.dynamics for run in runs}) == 1, "runs", len(runs), "runs of one program")
    places = tuple(range(len(runs)))
    padding = -len(runs) % jax.local_device_count() if strategy == "shard" else 0
    members = [*runs, *[runs[0]] * padding]  # as many on each device
    resume = out is not None and os.path.exists(os.path.join(out, "config.json"))
    with Journal(out, config, places, keep=2) as journal, Interruption(out is not None) as interruption:
        like = abstract_state(config, tuple(range(len(members))))
        step, states = journal.begin(like, resume=resume, overwrite=False)
        if out is not None:
            write_json(pathlib.Path(out) / MEMBERS, {"runs": [run.name for run in runs]})
        states = _started(members) if states is None else states
        chunk, states = chunk_of_runs(config.dynamics, strategy), _placed(states, strategy)
        while step < config.steps and not bool(states.stopped.all()):
            began = time.monotonic()
            running = ~np.asarray(states.stopped)
            states, history = chunk(states)
            jax.block_until_ready(states.step)
            step += config.evaluate_every
            journal.note(records_of(history, places, running, step, time.monotonic() - began))
            done = step >= config.steps or bool(states.stopped.all())
            asked = interruption.number
            if asked is not None or (not done and step // config.evaluate_every % CHECKPOINT_EVERY == 0):
                journal.save(step, states)
            if asked is not None and not done:
                journal.settle()
                raise Interrupted(f"stopped after update {step} of {config.steps}", asked)
        summary = summary_of(states, places, journal.records)
    found = []
    for place, run in enumerate(runs):
        own = [{**record, "seed": run.seed} for record in journal.records if record["seed"] == place]
        state = jax.tree.map(lambda leaf, place=place: leaf[place : place + 1], states)
        found.append(Trained(own, {**summary[place], "seed": run.seed}, state))
    return found


def forget_group(out: str | os.PathLike) -> None:
    """Deletes what a group has left in its folder: first the file without which it is no group's."""
    (pathlib.Path(out) / MEMBERS).unlink(missing_ok=True)
    shutil.rmtree(out, ignore_errors=True)


@functools.lru_cache(maxsize=64)
def chunk_of_runs(config: Config, strategy: str) -> Callable[[TrainState], tuple[TrainState, History]]:
    """What computes a chunk of many runs, from states with a leading axis."""
    chunk = make_chunk(config)
    if strategy != "shard":
        return over_runs(chunk, strategy)
    on_cpu = jax.local_devices()[0].platform == "cpu"  # which gains nothing from runs side by side
    each = functools.partial(jax.lax.map, chunk) if on_cpu else jax.vmap(chunk)
    return jax.jit(jax.shard_map(each, mesh=_mesh(), in_specs=_RUNS, out_specs=_RUNS, check_vma=False))


_RUNS = PartitionSpec("runs")


def _mesh() -> Mesh:
    return Mesh(np.array(jax.local_devices()), ("runs",))


def _placed(states: TrainState, strategy: str) -> TrainState:
    return jax.device_put(states, NamedSharding(_mesh(), _RUNS)) if strategy == "shard" else states


def _started(runs: Sequence[Planned]) -> TrainState:
    states = [initial_state(jax.random.key(run.seed), run.config) for run in runs]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
