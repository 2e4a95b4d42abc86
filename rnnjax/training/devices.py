"""Data parallelism: one run, each batch split over devices with `jax.pmap`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.errors import check
from rnnjax.training.config import Config
from rnnjax.training.fit import History, make_chunk
from rnnjax.training.state import TrainState


def split_over_devices(config: Config, devices: int) -> Callable[[TrainState], tuple[TrainState, History]]:
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
    check(config.batch_size % devices == 0, "devices", devices, f"a divisor of batch_size={config.batch_size}")
    axes: Any = TrainState._make([0 if field == "carry" else None for field in TrainState._fields])
    on_each = make_chunk(config, "batch")
    mapped = jax.pmap(lambda state, _: on_each(state), "batch", in_axes=(axes, 0), out_axes=(axes, None))

    def chunk(state: TrainState) -> tuple[TrainState, History]:
        rows = config.batch_size // devices
        split = jax.tree.map(lambda leaf: leaf.reshape(devices, rows, *leaf.shape[1:]), state.carry)
        state, history = mapped(state._replace(carry=split), jnp.arange(devices))
        carry = jax.tree.map(lambda leaf: leaf.reshape(config.batch_size, *leaf.shape[2:]), state.carry)
        return state._replace(carry=carry), history

    return chunk
