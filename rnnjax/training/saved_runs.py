"""What a finished or interrupted run has left in its folder, for whoever comes after it."""

from __future__ import annotations

import dataclasses
import functools
import os
import warnings
from typing import Any

import jax
import numpy as np

from rnnjax.applications import Application
from rnnjax.errors import InputError, check_choice
from rnnjax.training.checkpoints import Checkpoints, CheckpointWarning
from rnnjax.training.config import Config
from rnnjax.training.fit import evaluate
from rnnjax.training.run_folder import RunFolder
from rnnjax.training.seeds import check_seeds, keys_of, over_runs
from rnnjax.training.state import TrainState, initial_state, make_model


def evaluate_run(out: str | os.PathLike, split: str = "test", which: str = "best") -> tuple[list[dict[str, Any]], int]:
    """The task's metrics of a finished or interrupted run on a split, and the update of the checkpoint they belong to.

    Args:
      out: the run's folder.
      split: "test" or "validation".
      which: the "best" checkpoint on the validation split, or the "latest".

    Returns:
      A dict a seed, with "seed" and the task's metrics, and the number of updates.

    Raises:
      InputError: no run's folder, no checkpoint that is whole, or an unknown split or choice.
    """
    check_choice("split", split, ("validation", "test"))
    config, seeds, state, step = restore_run(out, which)
    if isinstance(config.task, Application):
        model = make_model(config)
        rows = [jax.tree.map(lambda leaf, i=i: leaf[i], state.params) for i in range(len(seeds))]
        found = [config.task.evaluate(model, params, split).metrics for params in rows]
        return [{"seed": seed, **metrics} for seed, metrics in zip(seeds, found, strict=True)], step
    metrics = over_runs(functools.partial(evaluate, config=config.dynamics, split=split), "serial")(state.params)
    named = {name: np.asarray(value, float) for name, value in metrics.items()}
    return [{"seed": seed, **{name: float(of[i]) for name, of in named.items()}} for i, seed in enumerate(seeds)], step


def restore_run(out: str | os.PathLike, which: str = "best") -> tuple[Config, tuple[int, ...], TrainState, int]:
    """What a finished or interrupted run has left: its configuration, its seeds, its states and their update number.

    Args:
      out: the run's folder.
      which: the "best" checkpoint on the validation split, or the "latest".

    Returns:
      The configuration, the seeds, the state with a leading axis over seeds, and the number of updates.

    Raises:
      InputError: no run's folder, no checkpoint that is whole, or an unknown choice.
    """
    check_choice("which", which, ("best", "latest"))
    folder = RunFolder(out)
    saved, seeds = read_run(folder)
    if not folder.checkpoints.is_dir():
        raise InputError("run folder", str(folder.path), "a folder with checkpoints")
    config, seeds = restore_config(out)
    about = {"config": saved, "seeds": seeds}
    checkpoints = Checkpoints(folder.checkpoints, mode=config.task.mode, about=about)
    found = checkpoints.whole(abstract_state(config, seeds), which)
    if found is None:
        raise InputError("run folder", str(folder.path), "a folder with a checkpoint")
    step, state, damaged = found
    warn_of(damaged, step)
    return config, seeds, state, step


def restore_config(out: str | os.PathLike) -> tuple[Config, tuple[int, ...]]:
    """The configuration and the seeds of a run; an application knows from there what was fitted to its training data.

    Raises:
      InputError: no run's folder.
    """
    folder = RunFolder(out)
    config, seeds = read_run(folder)
    if isinstance(config.task, Application):
        config = dataclasses.replace(config, task=dataclasses.replace(config.task, prepared=str(folder.path)))
    return config, seeds


def read_run(folder: RunFolder) -> tuple[Config, tuple[int, ...]]:
    """The configuration and the seeds as they stand in config.json.

    Raises:
      InputError: no run's folder, or that of something else.
    """
    saved = folder.read_config()
    if not (isinstance(saved, dict) and isinstance(saved.get("config"), Config) and "seeds" in saved):
        raise InputError("config.json", str(folder.config), "the configuration of a training run")
    check_seeds(saved["seeds"], "config.json: seeds")
    return saved["config"], tuple(saved["seeds"])


def warn_of(damaged: dict[int, str], step: int) -> None:
    """Warns of checkpoints that were passed over, by number with the reason, in favour of another."""
    if damaged:
        listed = ", ".join(f"{number} ({reason})" for number, reason in damaged.items())
        warnings.warn(f"checkpoint {listed} is damaged, checkpoint {step} is used", CheckpointWarning, stacklevel=3)


def abstract_state(config: Config, seeds: tuple[int, ...]) -> TrainState:
    """The shapes and dtypes of the state of runs, with a leading axis over seeds."""
    return jax.eval_shape(lambda: jax.vmap(lambda key: initial_state(key, config))(keys_of(seeds)))
