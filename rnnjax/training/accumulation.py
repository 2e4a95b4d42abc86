"""A batch in parts: gradients of micro-batches, one after the other, that add up to that of the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.tasks import Batch

Array = jax.Array
PyTree = Any


def in_parts(measure: Callable, parts: int) -> Callable:
    """A function of a batch that is a sum over its rows, computed for some rows at a time, in a scan.

    What a backward pass keeps is that of one part: memory falls by about their number, and time rises by what a smaller
    batch computes less efficiently.

    Part j holds the rows j, j + parts, j + 2 parts, ..., so that a batch whose rows are laid over devices in blocks is
    cut within each device.

    Args:
      measure: `(params, carry, batch, key) -> ((value, carry), gradients)`, where value and gradients of a batch are
        the sums of those of its parts.
      parts: how many; a divisor of the number of rows.

    Returns:
      A function of the same arguments and results. Each part has a key of its own, so that masks differ from those of
      the whole batch.
    """

    def cut(leaf: Array) -> Array:
        return jnp.moveaxis(leaf.reshape(-1, parts, *leaf.shape[1:]), 1, 0)

    def joined(leaf: Array) -> Array:
        return jnp.moveaxis(leaf, 0, 1).reshape(-1, *leaf.shape[2:])

    def whole(params: PyTree, carry: PyTree, batch: Batch, key: Array) -> tuple[tuple[Array, PyTree], PyTree]:
        carries, batches = jax.tree.map(cut, (carry, batch))
        first = jax.tree.map(lambda leaf: leaf[0], (carries, batches))
        (value, _), gradients = jax.eval_shape(measure, params, *first, key)
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, _wide(leaf.dtype)), (value, gradients))

        def add(sums, part):
            number, carry, batch = part
            (value, carry), gradients = measure(params, carry, batch, jax.random.fold_in(key, number))
            return jax.tree.map(lambda total, new: total + new, sums, (value, gradients)), carry

        sums, carries = jax.lax.scan(add, zeros, (jnp.arange(parts), carries, batches))
        value, gradients = jax.tree.map(lambda total, like: total.astype(like.dtype), sums, (value, gradients))
        return (value, jax.tree.map(joined, carries)), gradients

    return whole


def _wide(dtype: Any) -> Any:
    """Sums of many parts of narrow numbers would lose the small ones."""
    return jnp.promote_types(dtype, jnp.float32)
