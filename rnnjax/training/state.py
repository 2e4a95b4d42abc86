"""All that changes while a run trains, in one pytree."""

from __future__ import annotations

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from rnnjax.applications import Application
from rnnjax.models import RecurrentReadout
from rnnjax.training.config import Config
from rnnjax.training.optimizer import Rates, make_optimizer

Array = jax.Array
PyTree = Any


class TrainState(NamedTuple):
    """The state of a run: what a checkpoint holds.

    Attributes:
      step: updates made, skipped ones included.
      key: the run's key; all its data, noise and masks follow from this and `step`.
      params: parameters of the model.
      opt_state: state of the Optax chain.
      rates: the optimiser's numbers, which runs that share a program may differ in.
      carry: the recurrent state handed on between windows of truncated back-propagation, else `None`.
      nonfinite: updates skipped in a row because the gradient was not finite.
      best: best value of the task's metric on the validation split.
      since_best: evaluations since then.
      solved_at: the update at which an evaluation first met the task's criterion, or -1.
      diverged: whether the run was stopped because its gradients stayed non-finite.
      stopped: whether the run is over; further updates leave the state as it is.
    """

    step: Array
    key: Array
    params: PyTree
    opt_state: PyTree
    rates: Rates
    carry: PyTree
    nonfinite: Array
    best: Array
    since_best: Array
    solved_at: Array
    diverged: Array
    stopped: Array


def make_model(config: Config) -> nn.Module:
    """The model of a run: the application's own, or the cell with a linear readout."""
    if isinstance(config.task, Application):
        return config.task.model(config.cell)
    return RecurrentReadout(config.cell, config.task.outputs, config.task.many_to_one, config.readout_init)


def initial_state(key: Array, config: Config) -> TrainState:
    """The state before the first update: a pure function of the key and the configuration."""
    params_key, noise_key, run_key = jax.random.split(key, 3)
    if isinstance(config.task, Application):
        template = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), config.task.template())
    else:
        template = (jax.ShapeDtypeStruct((1, 1, config.task.in_features), jnp.float32),)
    params = make_model(config).lazy_init(params_key, *template)["params"]  # without a run over the template
    optimizer = make_optimizer(config.optimizer, config.steps, noise_key)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        key=run_key,
        params=params,
        opt_state=optimizer.init(params),
        rates=config.optimizer.rates,
        carry=config.cell.initial_carry((config.batch_size,)) if config.hands_on else None,
        nonfinite=jnp.zeros((), jnp.int32),
        best=jnp.asarray(jnp.inf if config.task.mode == "min" else -jnp.inf, jnp.float32),
        since_best=jnp.zeros((), jnp.int32),
        solved_at=-jnp.ones((), jnp.int32),
        diverged=jnp.zeros((), bool),
        stopped=jnp.zeros((), bool),
    )


def initial_states(keys: Array, config: Config) -> TrainState:
    """`initial_state` of many runs, with a leading axis over keys `[runs]`.

    Computed operation by operation rather than as one program: what differs in the numbers of its initialisers alone,
    such as gate biases and scales, then has nothing to compile.
    """
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *(initial_state(key, config) for key in keys))
