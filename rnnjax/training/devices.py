"""Devices by `jax.pmap`, for those who ask for it: each batch split over them, or the runs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from rnnjax.errors import check
from rnnjax.training.config import Config
from rnnjax.training.fit import History, make_chunk
from rnnjax.training.hosts import held_here
from rnnjax.training.mesh import DATA, RUNS
from rnnjax.training.state import TrainState

Chunk = Callable[[TrainState], tuple[TrainState, History]]


def pmapped(config: Config, mesh: Mesh | None) -> Chunk:
    """What `over_mesh` gives, with `jax.pmap`: states with a leading axis over runs in, states and histories out.

    Args:
      config: the runs.
      mesh: of `mesh_of`, with one axis longer than 1; `None` is one device.

    Raises:
      InputError: a mesh with two such axes, or devices of other processes.
    """
    side, rows = (1, 1) if mesh is None else (mesh.shape[RUNS], mesh.shape[DATA])
    expected = 'devices along one axis, such as (1, n), of one process, with strategy "pmap"'
    own = side * rows <= jax.local_device_count() and (mesh is None or jax.process_count() == 1)
    check((side == 1 or rows == 1) and own, "devices", (side, rows), expected)
    return _runs_over_devices(config, side) if side > 1 else _in_turn(split_over_devices(config, rows))


def split_over_devices(config: Config, devices: int) -> Chunk:
    """`make_chunk` with the rows of each batch split over devices: the same state in, the same state out.

    Every device draws the whole batch, which costs little for a task that makes its sequences, and keeps its own rows:
    so the run is that of one device, up to the order of summation. (Dropout masks are drawn by each device for its own
    rows, and differ from those that one device draws.)

    Args:
      config: the run.
      devices: how many devices of this host; a divisor of the batch size.

    Raises:
      InputError: more devices than there are, or a number that does not divide the batch size.
    """
    available = jax.local_device_count()
    check(1 <= devices <= available, "devices", devices, f"a number of devices in 1..{available}")
    divides = config.batch_size % (devices * config.micro_batches) == 0
    parts = f" and micro_batches={config.micro_batches}" if config.micro_batches > 1 else ""
    check(divides, "devices", devices, f"a divisor of batch_size={config.batch_size}{parts}")
    axes: Any = TrainState._make([0 if field == "carry" else None for field in TrainState._fields])
    on_each = make_chunk(config, "batch")
    own = NamedSharding(Mesh(np.array(jax.local_devices()[:devices]), "batch"), PartitionSpec("batch"))
    mapped = jax.pmap(lambda state, _: on_each(state), "batch", in_axes=(axes, 0), out_axes=(axes, None))

    def chunk(state: TrainState) -> tuple[TrainState, History]:
        rows = config.batch_size // devices
        split = jax.tree.map(lambda leaf: leaf.reshape(devices, rows, *leaf.shape[1:]), state.carry)
        # Where an array lay elsewhere than the time before, the same program would be compiled again.
        state, history = held_here(mapped(state._replace(carry=jax.device_put(split, own)), jnp.arange(devices)))
        carry = jax.tree.map(lambda leaf: leaf.reshape(config.batch_size, *leaf.shape[2:]), state.carry)
        return state._replace(carry=carry), history

    return chunk


def _in_turn(chunk: Chunk) -> Chunk:
    def over_runs(states: TrainState) -> tuple[TrainState, History]:
        outcomes = [chunk(jax.tree.map(lambda leaf, i=i: leaf[i], states)) for i in range(states.step.shape[0])]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *outcomes)

    return over_runs


def _runs_over_devices(config: Config, devices: int) -> Chunk:
    """Each device has so many runs, one after the other; `devices` divides their number."""
    mapped = jax.pmap(functools.partial(jax.lax.map, make_chunk(config)))

    def chunk(states: TrainState) -> tuple[TrainState, History]:
        count = states.step.shape[0]
        check(count % devices == 0, "devices", devices, f'a divisor of the {count} runs, with strategy "pmap"')
        dealt = jax.tree.map(lambda leaf: leaf.reshape(devices, -1, *leaf.shape[1:]), states)
        return jax.tree.map(lambda leaf: leaf.reshape(count, *leaf.shape[2:]), mapped(dealt))

    return chunk
