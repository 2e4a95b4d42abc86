"""Checkpoints of the whole state with Orbax: written in the background, newest and best kept."""

from __future__ import annotations

import logging
import os
import pathlib
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
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

    Raises:
      InputError: the folder holds checkpoints that cannot be read.
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
        self._worst = -1e30 * sign
        try:
            self._manager = ocp.CheckpointManager(self.path, options=options)
        except Exception as error:  # such as that of a damaged metrics file
            raise InputError("checkpoints", f"{self.path}", f"whole checkpoints ({_reason(error)})") from None

    def save(self, step: int, state: PyTree, value: float) -> None:
        """Starts writing a checkpoint, with the metric by which the best is chosen; NaN is the worst."""
        state = _without_keys(state)
        metrics = {"value": self._worst if value != value else value, "checksum": _checksum(state)}
        self._manager.save(step, args=ocp.args.StandardSave(state), metrics=metrics)

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
        here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])  # whatever devices it was saved from
        template = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=here),
            jax.eval_shape(_without_keys, like),
        )
        found, expected = f"{self.path / str(step)}", "a whole checkpoint of this run's state"
        try:
            restored = self._manager.restore(step, args=ocp.args.StandardRestore(template))
            restored = jax.tree.map(jnp.asarray, jax.device_get(restored))  # bound to no device, as at the start
            checksum = (self._manager.metrics(step) or {}).get("checksum")
        except Exception as error:  # Orbax raises many kinds for a damaged or foreign checkpoint
            raise InputError("checkpoint", found, f"{expected} ({_reason(error)})") from None
        for (path, leaf), wanted in zip(jax.tree.leaves_with_path(restored), jax.tree.leaves(template), strict=True):
            if leaf.shape != wanted.shape or leaf.dtype != wanted.dtype:
                name = f"checkpoint {step} {jax.tree_util.keystr(path)}"
                raise InputError(name, f"shape {leaf.shape} of {leaf.dtype}", f"shape {wanted.shape} of {wanted.dtype}")
        if checksum != _checksum(restored):
            raise InputError("checkpoint", found, f"{expected} (its checksum is another)")
        return _with_keys(restored, like)

    def close(self) -> None:
        """Waits until everything is written."""
        self._manager.wait_until_finished()
        self._manager.close()


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__


def _checksum(state: PyTree) -> int:
    """Of all the bytes of a state: what Orbax stores is not checked against damage everywhere."""
    checksum = 0
    for leaf in jax.tree.leaves(state):
        checksum = zlib.crc32(np.ascontiguousarray(leaf).tobytes(), checksum)
    return checksum


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _without_keys(state: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if _is_key(leaf) else leaf, state)


def _with_keys(state: PyTree, like: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf, key: jax.random.wrap_key_data(leaf) if _is_key(key) else leaf, state, like)
