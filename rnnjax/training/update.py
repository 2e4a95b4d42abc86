"""One optimiser step: `(state, batch) -> (state, metrics)`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from rnnjax.cell import Cell
from rnnjax.models.readout import read_steps
from rnnjax.tasks import Batch, Task
from rnnjax.training.accumulation import in_parts
from rnnjax.training.batches import windows
from rnnjax.training.config import Config
from rnnjax.training.optimizer import clipped, make_optimizer
from rnnjax.training.regularizers import Pass, add_penalty
from rnnjax.training.state import TrainState, make_model

Array = jax.Array
PyTree = Any


def make_update(config: Config, axis: str | None = None) -> Callable[[TrainState, Batch], tuple[TrainState, dict]]:
    """The update of a run.

    Args:
      config: the run.
      axis: name of a mapped axis over which the batch is split (`jax.pmap`); gradients and metrics are those of the
        whole batch on each device.

    Returns:
      A pure function `(state, batch) -> (state, metrics)`. Metrics, all scalars: "loss", "grad_norm" (global, before
      clipping), "update_norm", "clipped" (0 or 1), "nonfinite" (1 where the update was skipped for its gradient),
      "exploded" (1 where the norm exceeded the threshold, or was not finite) and "counted" (0 where no target counted:
      loss and norms are then zero and say nothing). With a regulariser also its value, without the weight, as
      "regularizer"; the norms are then those of the gradient of both. Unless such updates are skipped, the state after
      one that is not finite is the state before it, but for the flags: all later updates leave it as it is, with NaN
      for their metrics.
    """
    model = make_model(config)
    full_rows = not config.task.variable_length and not config.truncation

    def trained(tree):
        """Zero for the parameters that a cell fixes: in gradients, and in updates, for what weight decay adds."""
        if not isinstance(tree, dict):
            return tree
        return {name: _kept(config.cell, part) if name == "cell" else trained(part) for name, part in tree.items()}

    def loss(params, carry, batch, key, counted):
        lengths = None if full_rows else batch.lengths
        outcome: Any = model.apply({"params": params}, batch.inputs, lengths, carry, rngs={"dropout": key})
        carry, outputs = outcome
        return config.task.loss(outputs, batch) * share(batch, counted), carry

    def counted_by(batch):
        """The number of targets that count in a batch, a mean over devices; `None` for a batch in one piece."""
        if axis is None and config.micro_batches == 1:
            return None
        count = batch.mask.sum()
        return jnp.maximum(count if axis is None else jax.lax.pmean(count, axis), 1e-9)

    def share(batch, counted):
        """The weight of a part of a batch: parts may hold different numbers of targets that count."""
        return 1.0 if counted is None else batch.mask.sum() / counted

    def regularized(regularizer, state, batch, key, gradients):
        assert isinstance(config.task, Task)
        lengths = None if full_rows else batch.lengths
        devices = 1 if axis is None else jax.lax.axis_size(axis)
        part = share(batch, counted_by(batch)) / devices  # of the loss over the whole batch
        readout, task = nn.Dense(config.task.outputs), config.task

        def own_loss(ys, _):
            ys = read_steps(ys, lengths) if task.many_to_one else ys
            outputs: Any = readout.apply({"params": state.params["readout"]}, ys)
            return config.task.loss(outputs, batch) * part

        # The key that the model draws from `key`, so that the masks are those of the loss.
        drawn = nn.apply(lambda module: module.make_rng("dropout"), model)({}, rngs={"dropout": key})
        given = Pass(batch.inputs, own_loss, state.carry, lengths, drawn, axis)
        return add_penalty(regularizer, config.cell, state.params, gradients, state.step, given)

    def update(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, Array]]:
        sequence = state.step // windows(config) if config.truncation else state.step
        key = jax.random.fold_in(jax.random.fold_in(state.key, 1), sequence)  # a mask a sequence
        if axis is not None:
            key = jax.random.fold_in(key, jax.lax.axis_index(axis))
        measure = jax.value_and_grad(functools.partial(loss, counted=counted_by(batch)), has_aux=True)
        measure = measure if config.micro_batches == 1 else in_parts(measure, config.micro_batches)
        (value, carry), gradients = measure(state.params, state.carry, batch, key)
        counts = batch.mask.sum() > 0
        penalty = None
        if config.regularizer is not None:
            penalty, gradients = regularized(config.regularizer, state, batch, key, gradients)
        gradients = trained(gradients)
        if axis is not None:
            value, gradients, penalty = jax.lax.pmean((value, gradients, penalty), axis)
            counts = jax.lax.psum(counts, axis) > 0
        norm = optax.tree.norm(gradients)
        finite = jnp.isfinite(norm) & jnp.isfinite(value)
        optimizer = make_optimizer(config.optimizer.dynamics, config.steps, rates=state.rates)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        updates = trained(updates)
        halted = jnp.zeros((), bool) if config.on_nonfinite == "skip" else state.diverged
        apply = finite & counts & ~halted
        params, opt_state = _choose(
            apply, (optax.apply_updates(state.params, updates), opt_state), (state.params, state.opt_state)
        )
        nonfinite = jnp.where(finite, 0, state.nonfinite + 1)
        metrics = {
            "loss": value,
            "grad_norm": norm,
            "update_norm": jnp.where(apply, optax.tree.norm(updates), 0.0),
            "clipped": clipped(opt_state) & apply,
            "nonfinite": ~finite,
            "exploded": ~(norm <= config.explosion_threshold),
            "counted": counts,
        }
        metrics |= {} if penalty is None else {"regularizer": penalty}
        if config.on_nonfinite == "skip":
            diverged = state.diverged | (nonfinite >= config.nonfinite_limit)
            made = jnp.ones((), bool)
        else:
            nonfinite = jnp.where(halted, state.nonfinite, nonfinite)
            diverged = halted | ~finite
            made = ~diverged  # the update that was not finite can be repeated from the state that it leaves
            metrics = {name: jnp.where(halted, jnp.nan, metric) for name, metric in metrics.items()}
        carry = jax.lax.stop_gradient(carry) if config.hands_on else None
        state = state._replace(
            step=state.step + made,
            params=params,
            opt_state=opt_state,
            carry=_choose(made, carry, state.carry) if config.hands_on else None,
            nonfinite=nonfinite,
            diverged=diverged,
            stopped=state.stopped | diverged,
        )
        return state, {name: jnp.asarray(metric, jnp.float32) for name, metric in metrics.items()}

    return update


def _kept(cell: Cell, tree: PyTree) -> PyTree:
    return jax.tree.map(lambda a, kept: a if kept else jnp.zeros_like(a), tree, cell.trainable(tree))


def _choose(condition: Array, one: PyTree, other: PyTree) -> PyTree:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), one, other)
