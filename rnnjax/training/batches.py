"""The batch of an update: a pure function of the run's key and the update's number."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from rnnjax.applications import Application
from rnnjax.tasks import Batch
from rnnjax.training.config import Config
from rnnjax.training.state import TrainState

Array = jax.Array


def windows(config: Config) -> int:
    """How many updates follow each other before the state starts anew: the windows of a batch of sequences."""
    if isinstance(config.task, Application):
        return config.task.windows(config.batch_size)
    return 1 if config.truncation is None else -(-config.task.time // config.truncation)


def next_batch(state: TrainState, config: Config) -> Batch:
    """The batch of the next update. With truncation a batch serves `windows(config)` updates, a window each."""
    task, count = config.sampled_task, windows(config)
    key = jax.random.fold_in(jax.random.fold_in(state.key, 0), state.step // count)
    batch = task.sample(key, config.batch_size)
    if config.truncation is None:
        return batch
    return window(batch, state.step % count, config.truncation, task.many_to_one)


def hand_on(state: TrainState, config: Config) -> TrainState:
    """The state with the carry that the next update starts from: the last one, or the initial one at a new batch."""
    if not config.hands_on:
        return state
    initial = config.cell.initial_carry(jax.tree.leaves(state.carry)[0].shape[:1])
    fresh = state.step % windows(config) == 0
    return state._replace(carry=jax.tree.map(lambda a, b: jnp.where(fresh, a, b), initial, state.carry))


def window(batch: Batch, index: Array, size: int, many_to_one: bool) -> Batch:
    """The steps `index * size .. (index + 1) * size` of a batch, padded at the end of the sequence.

    The one target of a row counts in the window that holds the row's last valid step.
    """
    start = index * size
    lengths = jnp.clip(batch.lengths - start, 0, size)

    def cut(values):
        padding = [(0, 0)] * values.ndim
        padding[1] = (0, size)
        return jax.lax.dynamic_slice_in_dim(jnp.pad(values, padding), start, size, axis=1)

    if many_to_one:
        last = batch.lengths - 1
        mask = batch.mask * ((last >= start) & (last < start + size))
        return Batch(cut(batch.inputs), batch.targets, mask, lengths)
    return Batch(cut(batch.inputs), cut(batch.targets), cut(batch.mask), lengths)
