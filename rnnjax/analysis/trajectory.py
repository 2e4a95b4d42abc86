"""A run of a cell, recorded step by step so that each step can be taken again and differentiated on its own."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from rnnjax.cell import Cell
from rnnjax.errors import check
from rnnjax.rows import select
from rnnjax.unroll import unroll

Array = jax.Array
PyTree = Any


class Moment(NamedTuple):
    """One step of a run, or all of them with a leading time axis.

    Attributes:
      carry: the state handed to the step, before a reset acts on it.
      drive: the projected input.
      valid: `[*batch]`, false where the step is padding and the state stays; `None` if there is no padding.
      reset: `[*batch]`, true where the initial carry takes the place of the state; `None` if there are no resets.
    """

    carry: PyTree
    drive: PyTree
    valid: Array | None
    reset: Array | None


class Trajectory(NamedTuple):
    """A run of a cell.

    Attributes:
      weights: from `cell.prepare`.
      initial: the initial carry, which a reset puts in place.
      moments: the steps, `[time, *batch, ...]`.
      final: the carry after the last valid step.
      ys: the outputs `[*batch, time, output_features]`, zero in the padding.
    """

    weights: PyTree
    initial: PyTree
    moments: Moment
    final: PyTree
    ys: Array


def record(
    cell: Cell, params: PyTree, xs: PyTree, carry: PyTree | None, lengths: Any, resets: Any, key: Array | None
) -> Trajectory:
    """Runs a cell over inputs `[*batch, time, in_features]` as `rnnjax.unroll` does, and records the run.

    Matrix products are computed at the full precision of their dtype, also on accelerators that round by default.

    Raises:
      InputError: as `rnnjax.unroll`, and for inputs without steps.
    """
    given = [None if rows is None else jnp.asarray(rows) for rows in (lengths, resets)]
    run = _record(cell.dynamics, params, xs, carry, *given, key)
    _, time = extent(cell, run.ys)
    check(time > 0, "xs", f"shape {jax.tree.leaves(xs)[0].shape}", "at least one step")
    if lengths is not None and not isinstance(lengths, jax.core.Tracer) and np.size(lengths):
        known = np.asarray(lengths)  # inside `jit` operations of JAX are traced even on a known array
        low, high = int(known.min()), int(known.max())
        check(low >= 0 and high <= time, "lengths", high if high > time else low, f"ints in 0..{time}, the time axis")
    return run


@functools.partial(jax.jit, static_argnums=0)
def _record(cell, params, xs, carry, lengths, resets, key):
    with jax.default_matmul_precision("highest"):
        final, ys, carries = unroll(
            cell, params, xs, carry, lengths=lengths, resets=resets, return_carries=True, key=key
        )
        batch_shape, time = extent(cell, ys)
        places = (*batch_shape, *ys.shape[len(batch_shape) + 1 : -1])
        initial = cell.initial_carry(places)
        first = initial if carry is None else carry
        valid = None
        if lengths is not None:
            valid = jnp.arange(time).reshape(-1, *(1,) * len(batch_shape)) < lengths
        xs = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, len(batch_shape), 0), xs)
        if valid is not None:
            xs = select(valid, xs, jax.tree.map(jnp.zeros_like, xs))
        after = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, len(batch_shape), 0), carries)
        before = jax.tree.map(lambda start, leaf: jnp.concatenate([start[None], leaf[:-1]]), first, after)
        weights = cell.prepare(params, key=key, batch_shape=places)
        reset = None if resets is None else jnp.moveaxis(resets, -1, 0)
        return Trajectory(weights, initial, Moment(before, cell.project(weights, xs), valid, reset), final, ys)


def extent(cell: Cell, ys: Array) -> tuple[tuple[int, ...], int]:
    """The batch axes and the number of steps of outputs `[*batch, time, *places, features]`."""
    axis = ys.ndim - 2 - cell.spatial_axes
    return ys.shape[:axis], ys.shape[axis]


def transition(cell: Cell, weights: PyTree, initial: PyTree, moment: Moment, carry: PyTree) -> PyTree:
    """The step of a moment, taken from another state: the carry after it."""
    after, _ = cell.advance(weights, start(initial, moment, carry), moment.drive)
    return after if moment.valid is None else select(moment.valid, after, carry)


def start(initial: PyTree, moment: Moment, carry: PyTree) -> PyTree:
    """The state that a step is computed from: the carry, or the initial one where the moment is a reset."""
    return carry if moment.reset is None else select(moment.reset, initial, carry)


def is_moving(leaf: Array) -> bool:
    """Whether a leaf of the carry has a derivative: a counter of steps, say, has none."""
    return bool(jnp.issubdtype(leaf.dtype, jnp.inexact))


def moving(carry: PyTree) -> list[Array]:
    """The leaves of a carry that have a derivative, in the order of the leaves."""
    return [leaf for leaf in jax.tree.leaves(carry) if is_moving(leaf)]


def moved(carry: PyTree, leaves: list[Array]) -> PyTree:
    """The carry with other arrays in the place of `moving(carry)`."""
    given = iter(leaves)
    return jax.tree.map(lambda leaf: next(given) if is_moving(leaf) else leaf, carry)
