"""Jacobians of single steps along a run, and the singular values of their products over many."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.analysis import graded
from rnnjax.analysis.states import leaves_of, vector
from rnnjax.analysis.trajectory import Moment, Trajectory, extent, moved, moving, record, transition
from rnnjax.cell import Cell
from rnnjax.errors import InputError

Array = jax.Array
PyTree = Any


class JacobianSpectrum(NamedTuple):
    """Singular values of products of step Jacobians.

    Attributes:
      lags: `[lags]`, the number of steps in each product.
      log_singular_values: `[*batch, lags, n]`, natural logarithms in descending order; -inf for zero, NaN for a lag
        that is longer than the row.
    """

    lags: np.ndarray
    log_singular_values: Array


def step_jacobians(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    carry: PyTree | None = None,
    *,
    lengths: Any = None,
    resets: Any = None,
    key: Array | None = None,
) -> Array:
    """The Jacobian of each step of a run with respect to the state before it.

        J_t = dh_t / dh_t-1,        J_t[i, j] = dh_t[i] / dh_t-1[j]

    The state is flattened to n numbers: the leaves of the carry in order, each row by row (an LSTM's h, then its c; a
    stack's layers, lowest first). A complex leaf counts as its real parts, then its imaginary parts; an integer leaf
    does not count.

    Args:
      cell: the cell.
      params: from `cell.init`.
      xs: inputs `[*batch, time, in_features]`, or a pytree of such arrays.
      carry: the state before the first step; `None` is the initial carry.
      lengths: `[*batch]` ints; past a row's length the state stays, and the Jacobian is the identity.
      resets: `[*batch, time]` bools; the Jacobian of a step that starts afresh is zero.
      key: draws dropout masks, one a sequence; without one the cell is deterministic.

    Returns:
      `[*batch, time, n, n]`.

    Raises:
      InputError: an argument that does not fit the cell, as in `rnnjax.unroll`.
    """
    run = record(cell, params, xs, carry, lengths, resets, key)
    return _step_jacobians(cell.dynamics, run)


def jacobian_spectrum(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    lags: Sequence[int],
    carry: PyTree | None = None,
    *,
    lengths: Any = None,
    resets: Any = None,
    key: Array | None = None,
) -> JacobianSpectrum:
    """How far perturbations of the state, in all its directions, are from dying out or exploding after k steps.

        sigma_1 >= ... >= sigma_n,  the singular values of  dh_T/dh_T-k = J_T J_T-1 ... J_T-k+1

    for each lag k, T being the last valid step of a row. A gradient that arrives at step T is multiplied by at most
    sigma_1 and at least sigma_n on its way to step T - k: sigma_1 -> 0 is the vanishing gradient of Pascanu, Mikolov &
    Bengio 2013 (arXiv:1211.5063), and log(sigma) / k tends to the Lyapunov exponents as k grows.

    The product is never formed. It is kept in a graded form (`rnnjax.analysis.graded`), from which one-sided Jacobi
    rotations take the singular values: each has a small error relative to itself, be it 1e-300 or 1e-3000, in float32
    as in float64. The error of a logarithm is about the rounding error of the dtype times lag, n and the condition
    number of a Jacobian with its rows scaled to equal norms. Zero comes out as zero where rows of a Jacobian are zero,
    as from rectified units that are off, and at a reset; a Jacobian that is singular in another way gives values at
    the level of the rounding error.

    The cost is that of two QR decompositions of n by n matrices a step, and of a few sweeps of Jacobi rotations a lag;
    memory grows with rows of the batch times n^2.

    Args:
      cell: the cell.
      params: from `cell.init`.
      xs: inputs `[*batch, time, in_features]`, or a pytree of such arrays.
      lags: numbers of steps, each in 1..time.
      carry: the state before the first step; `None` is the initial carry.
      lengths: `[*batch]` ints, the valid steps of each row; lags are counted from a row's last one.
      resets: `[*batch, time]` bools; products that span a reset are zero.
      key: draws dropout masks, one a sequence; without one the cell is deterministic.

    Returns:
      The lags as given, and the logarithms of the singular values.

    Raises:
      InputError: lags that are no ints in 1..time, or an argument that does not fit the cell, as in `rnnjax.unroll`.
    """
    run = record(cell, params, xs, carry, lengths, resets, key)
    asked = _checked_lags(lags, extent(cell, run.ys)[1])
    requested = np.isin(np.arange(1, asked.max() + 1), asked)
    logs = _spectrum(cell.dynamics, run, None if lengths is None else jnp.asarray(lengths), jnp.asarray(requested))
    return JacobianSpectrum(asked, logs[..., asked - 1, :])


def _checked_lags(lags: Sequence[int], time: int) -> np.ndarray:
    try:
        given = np.asarray(lags)
    except ValueError:
        raise InputError("lags", lags, f"ints in 1..{time}") from None
    whole = given.ndim == 1 and given.size and np.issubdtype(given.dtype, np.integer)
    if not whole or given.min() < 1 or given.max() > time:
        raise InputError("lags", lags, f"a non-empty sequence of ints in 1..{time}, the time axis of xs")
    return given


def jacobian_at(cell: Cell, run: Trajectory, moment: Moment) -> Array:
    """`[*batch, n, n]` of one step, row by row of the matrix in reverse mode, for all rows of the batch at once."""
    batch_shape, _ = extent(cell, run.ys)

    def step(state):
        carry = moved(moment.carry, leaves_of(state, moving(moment.carry)))
        return vector(moving(transition(cell, run.weights, run.initial, moment, carry)), batch_shape)

    before = vector(moving(moment.carry), batch_shape)
    _, pull = jax.vjp(step, before)
    along = lambda direction: pull(jnp.broadcast_to(direction, before.shape))[0]  # noqa: E731
    return jax.vmap(along, out_axes=-2)(jnp.eye(before.shape[-1], dtype=before.dtype))


@functools.partial(jax.jit, static_argnums=0)
def _step_jacobians(cell: Cell, run: Trajectory) -> Array:
    with jax.default_matmul_precision("highest"):
        jacobians = jax.lax.map(lambda moment: jacobian_at(cell, run, moment), run.moments)
    return jnp.moveaxis(jacobians, 0, -3)


@functools.partial(jax.jit, static_argnums=0)
def _spectrum(cell: Cell, run: Trajectory, lengths: Array | None, requested: Array) -> Array:
    """`[*batch, steps, n]` for `requested [steps]`, where lags 1..steps that are not requested are left at zero."""
    (batch_shape, time), steps = extent(cell, run.ys), requested.shape[0]
    back = jnp.arange(steps).reshape(-1, *(1,) * len(batch_shape))
    place = (time if lengths is None else lengths) - 1 - back  # of the step that a lag adds to the product
    moments = run.moments._replace(valid=None)
    moments = jax.tree.map(lambda leaf: _steps_at(jnp.maximum(place, 0), leaf), moments)

    def lengthen(product, step):
        moment, wanted = step
        jacobians = jacobian_at(cell, run, moment)
        jacobians = jacobians.reshape(-1, *jacobians.shape[-2:])
        product = graded.multiply(jnp.swapaxes(jacobians, -1, -2), product)  # the transpose of the product
        nothing = lambda product: jnp.zeros_like(product.t[..., 0])  # noqa: E731
        return product, jax.lax.cond(wanted, graded.log_singular_values, nothing, product)

    shape = jax.eval_shape(lambda: vector(moving(run.final), batch_shape))
    with jax.default_matmul_precision("highest"):
        start = graded.identity(math.prod(batch_shape), shape.shape[-1], shape.dtype)
        _, logs = jax.lax.scan(lengthen, start, (moments, requested))
    logs = logs.reshape(steps, *shape.shape)
    return jnp.moveaxis(jnp.where(place[..., None] < 0, jnp.nan, logs), 0, -2)


def _steps_at(place: Array, leaf: Array) -> Array:
    """Steps of each row, `[steps, *batch, ...]`, from `leaf [time, *batch, ...]` and `place [steps, *batch]`."""
    place = place.reshape(*place.shape, *(1,) * (leaf.ndim - place.ndim))
    return jnp.take_along_axis(leaf, place, axis=0)
