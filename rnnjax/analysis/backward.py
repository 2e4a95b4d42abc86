"""The way of a gradient back through a recorded run, for whatever is to be measured on it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.analysis import scaled
from rnnjax.analysis.trajectory import Moment, Trajectory, extent, moved, moving, start
from rnnjax.cell import Cell
from rnnjax.errors import check
from rnnjax.rows import select

Array = jax.Array
PyTree = Any
Loss = Callable[[Array, PyTree], Array]
Step = Callable[[list[Array], PyTree], tuple[list[Array], Array]]


class Cotangents(NamedTuple):
    """What a loss says about the outcome of one step: floats times a power of two, one exponent a row.

    Attributes:
      state: of the leaves of the carry after the step, through all later steps, but not through the output of this one.
      output: of the output of the step.
      exponents: `[*batch]`, of both.
    """

    state: list[Array]
    output: Array
    exponents: Array


def from_loss(cell: Cell, run: Trajectory, loss: Loss | None, lengths: Any) -> tuple[Array, list[Array]]:
    """The derivatives of a loss of outputs and final carry: those of the outputs, and those of the carry's leaves.

    Args:
      cell: the cell.
      run: what it did.
      loss: `(ys, carry) -> scalar`; `None` is half the squared norm of each row's last valid output.
      lengths: `[*batch]` ints or `None`: the valid steps.

    Raises:
      InputError: a loss that is no scalar.
    """
    loss = functools.partial(last_output, lengths, cell.spatial_axes) if loss is None else loss
    value, pull = jax.vjp(lambda ys, leaves: loss(ys, moved(run.final, leaves)), run.ys, moving(run.final))
    check(jnp.shape(value) == (), "loss", f"shape {jnp.shape(value)}", "a function that returns a scalar")
    return pull(jnp.ones_like(value))


def last_output(lengths: Any, spatial_axes: int, ys: Array, carry: PyTree) -> Array:
    """Half the squared norm of each row's last valid output, summed over the batch."""
    del carry
    axis = -2 - spatial_axes
    if lengths is None:
        last = jnp.take(ys, -1, axis=axis)
    else:
        index = jnp.maximum(jnp.asarray(lengths) - 1, 0)  # outputs of a row of length 0 are zero
        last = jnp.take_along_axis(ys, index.reshape(*index.shape, *(1,) * -axis), axis=axis)
    return 0.5 * jnp.sum(jnp.square(jnp.abs(last)))


def backward(
    cell: Cell,
    run: Trajectory,
    to_outputs: Array,
    to_final: list[Array],
    local: Callable[[Moment], tuple[Step, PyTree]],
    measure: Callable[[Cotangents, PyTree], PyTree],
) -> PyTree:
    """Takes a gradient from the last step to the first, and measures it at each.

    It is carried as floats times a power of two, so that it neither underflows nor overflows; see
    `rnnjax.analysis.scaled`.

    Args:
      cell: the cell.
      run: what it did, `time` steps.
      to_outputs: dL/dy, `[*batch, time, ...]`, from `from_loss`.
      to_final: dL/dh_T, the leaves that move.
      local: from a moment, the step `(leaves before, extra) -> (leaves after, y)` as a function of the state and of
        something else that it depends on, and that other thing.
      measure: from the cotangents of a step, and those of its extra, scaled by the same powers of two: what is kept.

    Returns:
      What was measured, with a leading axis of time.
    """
    batch_axes = len(extent(cell, run.ys)[0])

    def back(later, step):
        delta, exponents = later  # J_t+1^T delta_t+1, as floats times a power of two
        moment, to_output = step
        forward, extra = local(moment)
        _, pull = jax.vjp(forward, moving(moment.carry), extra)
        common = jnp.maximum(exponents, exponent_of([to_output], batch_axes))
        state = [by_row(leaf, exponents - common) for leaf in delta]
        found = Cotangents(state, by_row(to_output, -common), common)
        passed_on, here = pull((found.state, found.output))
        own = exponent_of(passed_on, batch_axes)
        passed_on = [by_row(leaf, -own) for leaf in passed_on]
        return (passed_on, jnp.where(own == scaled.NEVER, scaled.NEVER, own + common)), measure(found, here)

    with jax.default_matmul_precision("highest"):
        own = exponent_of(to_final, batch_axes)
        last = [by_row(leaf, -own) for leaf in to_final], own
        steps = run.moments, jnp.moveaxis(to_outputs, batch_axes, 0)
        _, measured = jax.lax.scan(back, last, steps, reverse=True)
    return measured


def plain_step(cell: Cell, weights: PyTree, initial: PyTree, moment: Moment, before: list[Array], drive: PyTree):
    """A recorded step, taken again with other weights, another state or another drive: `(leaves after, y)`."""
    carry = moved(moment.carry, before)
    after, y = cell.advance(weights, start(initial, moment, carry), drive)
    if moment.valid is not None:
        after, y = select(moment.valid, after, carry), select(moment.valid, y, jnp.zeros_like(y))
    return moving(after), y


def exponent_of(leaves: list[Array], batch_axes: int) -> Array:
    """`[*batch]`, the common exponent of two of all leaves `[*batch, ...]` of each row."""
    exponents = (scaled.exponent(leaf, tuple(range(batch_axes, leaf.ndim))) for leaf in leaves)
    return functools.reduce(jnp.maximum, exponents)


def by_row(leaf: Array, exponents: Array) -> Array:
    """A leaf `[*batch, ...]` times two to the `exponents [*batch]`."""
    return scaled.scale(leaf, jnp.expand_dims(exponents, tuple(range(exponents.ndim, leaf.ndim))))
