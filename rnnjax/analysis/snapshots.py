"""A measure of a network, taken at many moments of its training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.errors import check

PyTree = Any


def over_training(measure: Callable[[PyTree], PyTree], snapshots: PyTree) -> PyTree:
    """Any measure of parameters, for a stack of them: how it changes in the course of training.

        flows = over_training(lambda params: gradient_flow(cell, params, xs), snapshots)      [snapshots, *batch, time]

    One program is compiled, whatever the number of snapshots, and run on one after the other: in no more memory than
    one measurement takes, besides the results.

    Args:
      measure: a function of parameters that `jax.jit` can take: all functions of this package but `fixed_points`.
      snapshots: parameters with a leading axis `[snapshots, ...]` in each leaf, or a sequence of parameters: of one
        run in the order of training, or of several seeds.

    Returns:
      What `measure` returns, with that leading axis in each leaf.

    Raises:
      InputError: no snapshots, or leaves that do not agree in how many there are.
    """
    if isinstance(snapshots, list | tuple):
        check(len(snapshots) > 0, "snapshots", snapshots, "at least one")
        snapshots = jax.tree.map(lambda *leaves: jnp.stack(leaves), *snapshots)
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(snapshots)]
    counts = {shape[:1] for shape in shapes}
    fits = len(counts) == 1 and counts not in ({()}, {(0,)})
    check(fits, "snapshots", f"shape {', '.join(map(str, shapes))}", "leaves [snapshots, ...], at least one")
    names: list[Any] = []

    def one(params):
        found = measure(params)
        names[:] = found if isinstance(found, dict) else ()
        return found

    found = jax.jit(lambda stack: jax.lax.map(one, stack))(snapshots)
    return {name: found[name] for name in names} if isinstance(found, dict) else found  # in the order of `measure`
