"""Selection row by row: padding and resets concern some rows of a batch and not others."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

Array = jax.Array
PyTree = Any


def select(condition: Array, chosen: PyTree, other: PyTree) -> PyTree:
    """Row by row, `chosen` where the condition `[*batch]` holds and `other` elsewhere, in leaves `[*batch, ...]`."""

    def choose(a, b):
        return jnp.where(condition.reshape(condition.shape + (1,) * (a.ndim - condition.ndim)), a, b)

    return jax.tree.map(choose, chosen, other)
