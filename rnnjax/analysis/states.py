"""The state of a cell as one real vector, and the states that a run visits."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.analysis.trajectory import Trajectory, extent, moving, record
from rnnjax.cell import Cell
from rnnjax.engines.carry_layout import CarryLayout

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
    """The state of each row as one real vector `[*batch, n]`, in float32 at least."""
    vectors = CarryLayout.of(leaves, len(batch_shape)).vector(leaves)
    return vectors.astype(jnp.promote_types(vectors.dtype, jnp.float32))


def leaves_of(vector: Array, like: list[Array]) -> list[Array]:
    """The leaves of the state, from the vector `[*batch, n]`."""
    return CarryLayout.of(like, vector.ndim - 1).carry(vector)
