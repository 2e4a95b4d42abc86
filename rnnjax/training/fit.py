"""A whole training run as a pure function: a scan over updates, with evaluations in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.tasks import Batch
from rnnjax.training.batches import hand_on, next_batch
from rnnjax.training.config import Config
from rnnjax.training.state import TrainState, initial_state, make_model
from rnnjax.training.update import make_update

Array = jax.Array


class History(NamedTuple):
    """What a run reports.

    Attributes:
      updates: each metric of `make_update`, `[updates]`; NaN for updates after the run had stopped.
      evaluations: each metric of the task on the validation split, `[evaluations]`; likewise.
    """

    updates: dict[str, Array]
    evaluations: dict[str, Array]


def fit(key: Array, config: Config) -> tuple[TrainState, History]:
    """Trains a model: a pure function, to be jitted (`static_argnames="config"`) or mapped over keys.

    A scan over `config.steps` updates in chunks of `config.evaluate_every`, each followed by an evaluation on the
    validation split. A run that has stopped (solved, out of patience, diverged) skips the rest.

    Args:
      key: from `jax.random.key`; the same key gives the same run.
      config: the run, of a task: what an application reads cannot go into a compiled program.

    Returns:
      The final state and the history.

    Raises:
      InputError: a run of an application.
    """
    state = initial_state(key, config)
    chunk = make_chunk(config)
    state, history = jax.lax.scan(lambda state, _: chunk(state), state, length=config.steps // config.evaluate_every)
    return state, History({name: metric.reshape(-1) for name, metric in history.updates.items()}, history.evaluations)


def make_chunk(
    config: Config, axis: str | None = None, place: Callable[[Batch], Batch] = lambda batch: batch
) -> Callable[[TrainState], tuple[TrainState, History]]:
    """`config.evaluate_every` updates and one evaluation, or nothing where the run has stopped.

    Args:
      config: the run.
      axis: name of a mapped axis over which each batch is split, or `None`.
      place: where the rows of a batch are to lie, for a compiler that splits the program over devices by itself; the
        batch is given through it and is otherwise the same.
    """
    update = make_update(config, axis)

    def step(state, _):
        batch = place(next_batch(state, config))
        return update(hand_on(state, config), batch if axis is None else own_rows(batch, axis))

    def run(state):
        state, updates = jax.lax.scan(step, state, length=config.evaluate_every)
        evaluations = evaluate(state.params, config, place=place)
        return judge(state, evaluations, config), History(updates, evaluations)

    def chunk(state):
        shapes = jax.eval_shape(run, state)[1]
        skip = lambda state: (state, jax.tree.map(lambda s: jnp.full(s.shape, jnp.nan, s.dtype), shapes))  # noqa: E731
        return jax.lax.cond(state.stopped, skip, run, state)

    return chunk


def judge(state: TrainState, evaluations: dict[str, Array], config: Config) -> TrainState:
    """The state after an evaluation: the best value so far, and whether to stop."""
    value = evaluations[config.task.metric]
    better = (value < state.best) if config.task.mode == "min" else (value > state.best)
    since_best = jnp.where(better, 0, state.since_best + 1)
    solved = config.task.solved(evaluations)
    stop = state.stopped | (solved if config.stop_when_solved else False)
    if config.patience is not None:
        stop = stop | (since_best >= config.patience)
    return state._replace(
        best=jnp.where(better, value, state.best).astype(state.best.dtype),
        since_best=since_best,
        solved_at=jnp.where(solved & (state.solved_at < 0), state.step, state.solved_at),
        stopped=stop,
    )


def evaluate(
    params, config: Config, split: str = "validation", place: Callable[[Batch], Batch] = lambda batch: batch
) -> dict[str, Array]:
    """The task's metrics on its evaluation batch of a split: scalars by name. Pure; `place` as in `make_chunk`.

    Raises:
      InputError: a split that is no evaluation split.
    """
    task = config.sampled_task
    batch = place(task.evaluation(split, config.evaluation_size))
    lengths = batch.lengths if task.variable_length else None
    outcome: Any = make_model(config).apply({"params": params}, batch.inputs, lengths)
    _, outputs = outcome
    return {name: jnp.asarray(value, jnp.float32) for name, value in task.metrics(outputs, batch).items()}


def own_rows(batch: Batch, axis: str) -> Batch:
    """This device's rows of a batch that is split over a mapped axis."""
    rows = batch.lengths.shape[0] // jax.lax.axis_size(axis)
    start = jax.lax.axis_index(axis) * rows
    return jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, rows), batch)
