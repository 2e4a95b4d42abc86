"""What a run needs at the least, against what there is."""

from __future__ import annotations

import functools
import math
import os
from typing import Any

import jax

from rnnjax.applications import Application
from rnnjax.errors import InputError
from rnnjax.training.config import Config
from rnnjax.training.state import initial_state


@functools.lru_cache(maxsize=64)
def check_memory(config: Config) -> None:
    """Raises `InputError` where the parameters, a batch or the evaluation's rows alone exceed the device's memory.

    A run needs more than these, so that one which passes may still not fit. The sizes come from shapes; nothing is
    allocated. An application's batches are its own.
    """
    available = _available()
    if available is None or _roughly(config) < available:
        return
    needed = {"cell": lambda: initial_state(jax.random.key(0), config).params}
    if not isinstance(config.task, Application):
        task = config.task
        needed["batch_size"] = lambda: task.sample(jax.random.key(0), config.batch_size)
        needed["evaluation_size"] = lambda: task.evaluation("validation", config.evaluation_size)
    for field, make in needed.items():
        size = _bytes(jax.eval_shape(make))
        if size > available:
            expected = f"one that fits into {available / 1e9:,.0f} GB of memory: it makes {size / 1e9:,.0f} GB"
            raise InputError(f"Config.{field}", getattr(config, field), expected)


def _roughly(config: Config) -> float:
    """More bytes than most runs need, without tracing anything: small runs start at once."""
    state = config.cell.output_features**2
    if isinstance(config.task, Application):
        return 1e3 * state
    rows = max(config.batch_size, config.evaluation_size)
    return 1e3 * state + 1e2 * rows * config.task.time * max(config.task.in_features, config.task.outputs)


def _bytes(tree: Any) -> int:
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def _available() -> int | None:
    """The bytes of a device's memory, on a CPU those of the machine; `None` where that cannot be told."""
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        try:
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        except (AttributeError, OSError, ValueError):
            return None
    return (device.memory_stats() or {}).get("bytes_limit")
