"""The state of a cell as one real vector, and the states that a run visits."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.analysis.trajectory import Trajectory, extent, moving, record
from rnnjax.cell import Cell

Array = jax.Array
PyTree = Any


def visited_states(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    carry: PyTree | None = None,
    *,
    lengths: Any = None,
    resets: Any = None,
    key: Array | None = None,
) -> Array:
    """The state after each step of a run, flattened to n numbers.

    The order is that of `step_jacobians`: the leaves of the carry one after the other, each row by row; a complex leaf
    as its real parts, then its imaginary parts; integer leaves left out.

    Args:
      cell: the cell.
      params: from `cell.init`.
      xs: inputs `[*batch, time, in_features]`, or a pytree of such arrays.
      carry: the state before the first step; `None` is the initial carry.
      lengths: `[*batch]` ints; past a row's length the state stays.
      resets: `[*batch, time]` bools.
      key: draws dropout masks, one a sequence; without one the cell is deterministic.

    Returns:
      `[*batch, time, n]`.

    Raises:
      InputError: an argument that does not fit the cell, as in `rnnjax.unroll`.
    """
    return states_of(cell, record(cell, params, xs, carry, lengths, resets, key))


def states_of(cell: Cell, run: Trajectory) -> Array:
    """The state after each step of a recorded run, `[*batch, time, n]`."""
    batch_shape, time = extent(cell, run.ys)
    before, final = moving(run.moments.carry), moving(run.final)
    after = [jnp.concatenate([leaf[1:], last[None]]) for leaf, last in zip(before, final, strict=True)]
    return jnp.moveaxis(vector(after, (time, *batch_shape)), 0, -2)


def vector(leaves: list[Array], batch_shape: tuple[int, ...]) -> Array:
    """The state of each row as one real vector `[*batch, n]`."""
    dtype = functools.reduce(jnp.promote_types, (jnp.finfo(leaf.dtype).dtype for leaf in leaves), jnp.float32)
    parts = []
    for leaf in leaves:
        flat = leaf.reshape(*batch_shape, -1)
        parts += [flat.real, flat.imag] if jnp.iscomplexobj(flat) else [flat]
    return jnp.concatenate([part.astype(dtype) for part in parts], axis=-1)


def leaves_of(vector: Array, like: list[Array]) -> list[Array]:
    """The leaves of the state, from the vector."""
    batch_shape = vector.shape[:-1]
    leaves, position = [], 0

    def take(shape):
        nonlocal position
        size = math.prod(shape[len(batch_shape) :])
        position += size
        return vector[..., position - size : position].reshape(shape)

    for leaf in like:
        if jnp.iscomplexobj(leaf):
            leaves.append(jax.lax.complex(take(leaf.shape), take(leaf.shape)).astype(leaf.dtype))
        else:
            leaves.append(take(leaf.shape).astype(leaf.dtype))
    return leaves
