"""A trained application: its model and the parameters of one of its seeds."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import flax.linen as nn
import jax

from rnnjax.applications import Application
from rnnjax.errors import InputError, check
from rnnjax.training.config import Config
from rnnjax.training.saved_runs import restore_run
from rnnjax.training.state import make_model

PyTree = Any


class Trained(NamedTuple):
    """What a run of an application has learned.

    Attributes:
      application: with what was fitted to its training data.
      model: the module.
      params: its parameters.
      config: the run's configuration.
      seed: the run's seed.
      step: the number of updates.
    """

    application: Application
    model: nn.Module
    params: PyTree
    config: Config
    seed: int
    step: int


def load_trained(out: str | os.PathLike, *, which: str = "best", seed: int | None = None) -> Trained:
    """The model of a run of an application, from its folder alone.

    Args:
      out: the run's folder.
      which: the "best" checkpoint on the validation split, or the "latest".
      seed: which of the run's seeds; `None` is the first.

    Raises:
      InputError: no such run, a run of a task, no checkpoint, a damaged one, or a seed that was not run.
    """
    config, seeds, state, step = restore_run(out, which)
    if not isinstance(config.task, Application):
        expected = "a run of a task on real data (`rnnjax evaluate` and `rnnjax probe` take every run)"
        raise InputError("run folder", str(out), expected)
    seed = seeds[0] if seed is None else seed
    check(seed in seeds, "seed", seed, f"a seed of the run, one of {', '.join(map(str, seeds))}")
    params = jax.tree.map(lambda leaf: leaf[seeds.index(seed)], state.params)
    return Trained(config.task, make_model(config), params, config, seed, step)
