"""Checkpoints of the whole state with Orbax: written in the background, newest and best kept."""

from __future__ import annotations

import logging
import os
import pathlib
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from rnnjax.errors import InputError

PyTree = Any

logging.getLogger("absl").setLevel(logging.ERROR)


class Checkpoints:
    """The checkpoints of a run, by update number.

    A checkpoint is complete or absent, also after a kill: Orbax writes to a temporary folder and renames it.

    Args:
      path: the folder.
      keep: how many of the newest to keep.
      mode: whether the metric given to `save` is better when small ("min") or large ("max"); the best is kept as well.
    """

    def __init__(self, path: str | os.PathLike, *, keep: int = 3, mode: str = "min"):
        self.path = pathlib.Path(path)
        sign = 1.0 if mode == "max" else -1.0
        best = checkpoint_managers.BestN(get_metric_fn=lambda metrics: sign * metrics["value"], n=1)
        policy = checkpoint_managers.AnyPreservationPolicy([checkpoint_managers.LatestN(keep), best])
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policy,
            best_fn=lambda metrics: sign * metrics["value"],
            best_mode="max",
            enable_async_checkpointing=True,
        )
        self._manager = ocp.CheckpointManager(self.path, options=options)

    def save(self, step: int, state: PyTree, value: float) -> None:
        """Starts writing a checkpoint, with the metric by which the best is chosen."""
        worst = -1e30 if value != value else value
        self._manager.save(step, args=ocp.args.StandardSave(_without_keys(state)), metrics={"value": worst})

    def latest(self) -> int | None:
        """The newest checkpoint's update number, or `None`."""
        return self._manager.latest_step()

    def best(self) -> int | None:
        """The best checkpoint's update number, or `None`."""
        return self._manager.best_step()

    def restore(self, step: int, like: PyTree) -> PyTree:
        """The state of a checkpoint.

        Args:
          step: an update number for which there is a checkpoint.
          like: a state of the same structure, shapes and dtypes, or abstract.

        Raises:
          InputError: there is none, it is corrupt, or it holds another state.
        """
        template = jax.eval_shape(_without_keys, like)
        try:
            restored = self._manager.restore(step, args=ocp.args.StandardRestore(template))
        except Exception as error:  # Orbax raises many kinds for a damaged or foreign checkpoint
            reason = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
            found = f"{self.path / str(step)}"
            raise InputError("checkpoint", found, f"a whole checkpoint of this run's state ({reason})") from None
        for (path, leaf), wanted in zip(jax.tree.leaves_with_path(restored), jax.tree.leaves(template), strict=True):
            if leaf.shape != wanted.shape or leaf.dtype != wanted.dtype:
                name = f"checkpoint {step} {jax.tree_util.keystr(path)}"
                raise InputError(name, f"shape {leaf.shape} of {leaf.dtype}", f"shape {wanted.shape} of {wanted.dtype}")
        return _with_keys(restored, like)

    def close(self) -> None:
        """Waits until everything is written."""
        self._manager.wait_until_finished()
        self._manager.close()


def _is_key(leaf: Any) -> bool:
    return jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _without_keys(state: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if _is_key(leaf) else leaf, state)


def _with_keys(state: PyTree, like: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf, key: jax.random.wrap_key_data(leaf) if _is_key(key) else leaf, state, like)
