"""Devices as a grid: runs side by side along one axis, the rows of each batch along the other."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from rnnjax.applications import Application
from rnnjax.errors import InputError, check
from rnnjax.tasks import Batch
from rnnjax.training.config import Config
from rnnjax.training.fit import History, make_chunk
from rnnjax.training.hosts import held_here, laid_out, spans_hosts
from rnnjax.training.state import TrainState

RUNS, DATA = AXES = ("runs", "data")

Devices = int | str | tuple[int, int]
"""A number of devices, "all", or `(runs, data)`: so many of them side by side along each axis of the mesh."""


def mesh_of(devices: Devices, config: Config, runs: int) -> Mesh | None:
    """The mesh on which runs train, with the axes "runs" and "data"; `None` for one device.

    From a number of devices as many runs are put side by side as divide both it and the number of runs, since runs need
    not talk to each other; what is left splits the batch. Several processes (`jax.distributed`) train together on all
    devices of all of them, or each by itself on one.

    Args:
      devices: see `Devices`.
      config: the run.
      runs: how many.

    Raises:
      InputError: devices that are not there or that a run cannot use, or rows of a batch that they do not divide.
    """
    available = jax.device_count()
    streamed = isinstance(config.task, Application)
    if isinstance(devices, tuple):
        valid = len(devices) == 2 and all(_is_count(size) for size in devices) and math.prod(devices) <= available
        check(valid, "devices", devices, f"two positive ints (runs, data), of {available} devices in all")
        side, rows = devices
        check(side <= runs, "devices", devices, f"at most {runs} devices side by side for {runs} runs")
        check(side == 1 or not streamed, "devices", devices, "(1, data) with an application")
    else:
        count = available if devices == "all" else devices
        valid = isinstance(count, int) and _is_count(count) and count <= available
        check(valid, "devices", devices, f'a number of devices in 1..{available}, "all", or (runs, data)')
        assert isinstance(count, int)
        side = 1 if streamed else math.gcd(count, runs)
        rows = count // side
    if side * rows == 1:
        return None
    shared = jax.process_count() == 1 or side * rows == available
    check(shared, "devices", devices, f"1, or all {available} of the {jax.process_count()} processes")
    parts, divisor = config.micro_batches, f"{rows} devices"
    divisor += f" and {parts} micro-batches" if parts > 1 else ""
    if config.batch_size % (rows * parts):
        given = f"{devices} ({side} x {rows}: runs x data)"
        raise InputError("devices", given, f"batch_size={config.batch_size} to be divided by {divisor}")
    return Mesh(np.array(jax.devices()[: side * rows]).reshape(side, rows), AXES)


def over_mesh(config: Config, mesh: Mesh, strategy: str) -> Callable[[TrainState], tuple[TrainState, History]]:
    """`make_chunk` of many runs on a mesh: states with a leading axis over runs in, states and histories out.

    One program under `jit`, with shardings. Along "runs" each device has runs of its own, and what it computes is what
    a run by itself computes. Along "data" the compiler splits the program by the rows of the batch: the numbers are
    those of one device up to the order of summation, the masks of dropout included. Where the runs do not divide, the
    last devices are given runs that have stopped.

    Args:
      config: the runs.
      mesh: of `mesh_of`.
      strategy: how the runs of one device are mapped: "vmap", or one after the other.
    """
    compiled = _compiled(config, mesh, strategy)

    def chunk(states: TrainState) -> tuple[TrainState, History]:
        count = states.step.shape[0]
        padding = -count % mesh.shape[RUNS]
        if padding:
            spare = jax.tree.map(lambda leaf: leaf[:1], states)._replace(stopped=jnp.ones(1, bool))
            states = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), states, *[spare] * padding)
        outcome = held_here(compiled(laid_out(states, _shardings(mesh))))
        return jax.tree.map(lambda leaf: leaf[:count], outcome) if padding else outcome

    return chunk


@functools.lru_cache(maxsize=64)
def _compiled(config: Config, mesh: Mesh, strategy: str) -> Callable[[TrainState], tuple[TrainState, History]]:
    rows = mesh.shape[DATA]
    chunk = make_chunk(config, place=functools.partial(_split_rows, rows))
    mapped = jax.vmap(chunk) if strategy == "vmap" else functools.partial(jax.lax.map, chunk)
    runs = PartitionSpec(RUNS)
    by_hand = {RUNS} if rows > 1 else set(AXES)  # without rows to split, nothing is left to the compiler
    split = jax.shard_map(mapped, mesh=mesh, in_specs=runs, out_specs=runs, axis_names=by_hand, check_vma=False)
    # Between hosts, what comes back is whole on each, so that each can read all of it.
    out: Any = NamedSharding(mesh, PartitionSpec()) if spans_hosts(mesh) else None
    after = (out, out) if out is not None else (_shardings(mesh), NamedSharding(mesh, runs))
    return jax.jit(split, in_shardings=(_shardings(mesh),), out_shardings=after)


def _split_rows(devices: int, batch: Batch) -> Batch:
    """The batch with its rows laid over the devices, where these divide them."""
    if devices == 1 or batch.lengths.shape[0] % devices:
        return batch
    return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, PartitionSpec(DATA)), batch)


def _shardings(mesh: Mesh) -> Any:
    """Of a state with a leading axis over runs."""
    runs, rows = NamedSharding(mesh, PartitionSpec(RUNS)), NamedSharding(mesh, PartitionSpec(RUNS, DATA))
    return TrainState._make(rows if field == "carry" else runs for field in TrainState._fields)


def _is_count(given: Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and given > 0
