"""The loss around a point in the space of parameters, along a line or over a plane, and directions to look along."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.analysis import scaled
from rnnjax.analysis.hessian import Loss, flat_direction, flattened, product
from rnnjax.analysis.states import leaves_of
from rnnjax.analysis.trajectory import is_moving, moved, moving
from rnnjax.errors import check, check_choice

Array = jax.Array
PyTree = Any


class Landscape(NamedTuple):
    """A loss on a grid of points along one or two directions.

    Attributes:
      coordinates: one or two arrays, how far each point lies along each direction.
      loss: `[*points]`, an axis a direction; infinite or NaN where the loss is.
      gradient_norm: `[*points]`, of the gradient with respect to all parameters; `None` if it was not asked for.
      curvature: `[*points]`, the second derivative of the loss along its gradient, g^T H g / |g|^2; NaN where the
        gradient is zero; `None` if it was not asked for.
    """

    coordinates: tuple[np.ndarray, ...]
    loss: Array
    gradient_norm: Array | None
    curvature: Array | None


class TrajectoryPlane(NamedTuple):
    """The plane, or the line, in which a sequence of parameters spreads most.

    Attributes:
      directions: like the parameters, of unit norm and orthogonal to each other.
      coordinates: `[snapshots, directions]`, of the snapshots, relative to the last one.
      shares: `[directions]`, of the variance.
    """

    directions: tuple[PyTree, ...]
    coordinates: np.ndarray
    shares: np.ndarray


def landscape(
    loss: Loss,
    params: PyTree,
    directions: Sequence[PyTree],
    coordinates: Sequence[Any],
    *,
    gradient: bool = True,
    curvature: bool = False,
    batch_size: int | None = None,
) -> Landscape:
    """The loss along a line or over a plane of parameters, with the norm of its gradient.

        L(theta + a d)        or        L(theta + a d + b e)        for each a, and each b

    after Goodfellow, Vinyals & Saxe 2015 (arXiv:1412.6544) and Li et al. 2018 (arXiv:1712.09913). All points are
    computed by one compiled program. Values that are infinite or NaN stay what they are.

    Args:
      loss: of the parameters, a scalar.
      params: theta, any pytree.
      directions: one or two, like the parameters: from `random_direction`, `gradient_direction`, `entry_direction`,
        `trajectory_plane`, `hessian_spectrum`, or a difference of two sets of parameters.
      coordinates: for each direction the values of a (or b), `[points]`.
      gradient: whether to compute the norm of the gradient.
      curvature: whether to compute the second derivative along the gradient.
      batch_size: how many points to compute at once; `None` is one after the other, which needs least memory. Small
        networks are much faster with many.

    Returns:
      The loss on the grid, and what was asked for beside it.

    Raises:
      InputError: no or more than two directions, directions that are not like the parameters, coordinates that do not
        fit them, or a loss that is no real scalar.
    """
    check(1 <= len(directions) <= 2, "directions", len(directions), "one or two, in a list or tuple")
    flat = flattened(loss, params)
    given = [flat_direction(f"directions[{i}]", direction, params) for i, direction in enumerate(directions)]
    check(len(coordinates) == len(given), "coordinates", len(coordinates), f"{len(given)}, one array a direction")
    axes = tuple(np.asarray(axis, float) for axis in coordinates)
    for index, axis in enumerate(axes):
        fits = axis.ndim == 1 and axis.size > 0
        check(fits, f"coordinates[{index}]", f"shape {axis.shape}", "[points], not empty")
    fits = batch_size is None or (isinstance(batch_size, int) and not isinstance(batch_size, bool) and batch_size > 0)
    check(fits, "batch_size", batch_size, "a positive int, or None")
    stacked = jnp.stack(given)
    points = jnp.asarray(list(itertools.product(*axes)), stacked.dtype)

    def at(point, start, stacked):
        where = start + point @ stacked
        if not (gradient or curvature):
            return flat.loss(where), None, None
        value, slope = jax.value_and_grad(flat.loss)(where)
        norm = scaled.scale(*scaled.norm(slope, jnp.zeros((), int), 0))  # squares would leave the range of floats
        if not curvature:
            return value, norm, None
        unit = slope / norm
        return value, norm, unit @ product(flat.loss, where, unit)

    @jax.jit
    def everywhere(points, start, stacked):
        return jax.lax.map(lambda point: at(point, start, stacked), points, batch_size=batch_size)

    with jax.default_matmul_precision("highest"):
        found = everywhere(points, flat.start, stacked)
    shape = tuple(len(axis) for axis in axes)
    value, norm, bent = jax.tree.map(lambda part: part.reshape(shape), found)
    return Landscape(axes, value, norm if gradient else None, bent)


def random_direction(params: PyTree, key: Array, *, vectors: str = "zero") -> PyTree:
    """A random direction, as large in each filter as the parameters are: Li et al. 2018, arXiv:1712.09913.

        d_j  <-  d_j  |theta_j| / |d_j|,        d ~ N(0, 1)

    for each filter j, the weights that lead to one unit: in this library the last axis of a kernel counts units, gate
    by gate, so that a filter is a column. Two networks that differ by the scale of their weights can so be compared.
    What has one axis or none is no filter: biases, and the recurrence of a diagonal cell.

    Args:
      params: any pytree; integers get zeros.
      key: draws the direction.
      vectors: what has one axis or none is left as it is ("zero", as in the authors' code), or counts as one filter
        ("norm"), which a diagonal recurrence asks for.

    Returns:
      Like the parameters.

    Raises:
      InputError: an unknown choice for `vectors`.
    """
    check_choice("vectors", vectors, ("zero", "norm"))
    leaves, structure = jax.tree.flatten(jax.tree.map(jnp.asarray, params))
    keys = jax.random.split(key, len(leaves))
    return structure.unflatten([_filtered(leaf, one, vectors) for leaf, one in zip(leaves, keys, strict=True)])


def _filtered(leaf: Array, key: Array, vectors: str) -> Array:
    if not is_moving(leaf) or (leaf.ndim < 2 and vectors == "zero"):
        return jnp.zeros_like(leaf)
    drawn = jax.random.normal(key, leaf.shape, leaf.dtype)
    axes = tuple(range(leaf.ndim - 1)) if leaf.ndim > 1 else None
    wanted, own = (jnp.sqrt(jnp.sum(jnp.square(jnp.abs(part)), axis=axes)) for part in (leaf, drawn))
    return drawn * (wanted / jnp.where(own > 0, own, 1)).astype(drawn.dtype)


def gradient_direction(loss: Loss, params: PyTree) -> PyTree:
    """The gradient of a loss, of unit norm: the direction in which the loss rises most steeply.

    Args:
      loss: of the parameters, a scalar.
      params: where, any pytree.

    Returns:
      Like the parameters.

    Raises:
      InputError: a loss that is no real scalar.
    """
    flat = flattened(loss, params)
    with jax.default_matmul_precision("highest"):
        slope = jax.jit(jax.grad(flat.loss))(flat.start)
    norm = scaled.scale(*scaled.norm(slope, jnp.zeros((), int), 0))
    return flat.restore(slope / norm)


def entry_direction(params: PyTree, *path: Any) -> PyTree:
    """The direction in which a single number among the parameters grows by one.

    Two of them span the plane of two named weights, as (w, b) in Fig. 6 of Pascanu, Mikolov & Bengio 2013.

    Args:
      params: dicts, tuples or lists of arrays.
      *path: the way to the array, and then the place in it if it has axes: `"recurrent_kernel", (0, 0)`.

    Returns:
      Like the parameters: zero but for a one.

    Raises:
      InputError: a path that leads to no number.
    """
    keys, place = (path[:-1], path[-1]) if path and isinstance(path[-1], tuple) else (path, ())
    zeros = jax.tree.map(lambda leaf: np.zeros(jnp.shape(leaf), jnp.asarray(leaf).dtype), params)
    found: Any = zeros
    try:
        for key in keys:
            found = found[key]
        fits = isinstance(found, np.ndarray) and np.shape(found[place]) == ()
    except (KeyError, IndexError, TypeError):
        fits = False
    check(fits, "path", path, "keys that lead to an array of the parameters, and an index of one number in it")
    found[place] = 1
    return jax.tree.map(jnp.asarray, zeros)


def trajectory_plane(snapshots: Sequence[PyTree], count: int = 2) -> TrajectoryPlane:
    """The plane in which training moved most: principal components of parameters seen on the way.

    Li et al. 2018, arXiv:1712.09913, section 7. In many dimensions even a random walk lies mostly in few principal
    components, so that a large share says less than it seems to.

    Args:
      snapshots: parameters in order, the last one the centre of the landscape.
      count: how many directions, fewer than snapshots.

    Returns:
      Directions, the way of the snapshots along them, and the shares of the variance.

    Raises:
      InputError: snapshots that are not alike, or too few of them.
    """
    fits = isinstance(count, int) and not isinstance(count, bool) and count >= 1
    check(fits, "count", count, "a positive int")
    check(len(snapshots) > count, "snapshots", len(snapshots), f"more than {count}, one for each direction and the end")
    last = snapshots[-1]
    points = np.stack([np.asarray(flat_direction(f"snapshots[{i}]", p, last), float) for i, p in enumerate(snapshots)])
    _, values, rows = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    check(count <= len(rows), "count", count, f"an int in 1..{len(rows)}, the number of parameters")
    rows = rows[:count]
    rows = rows * np.sign(np.take_along_axis(rows, np.argmax(np.abs(rows), axis=1)[:, None], axis=1))
    total = np.sum(values**2)
    shares = values[:count] ** 2 / (total if total > 0 else 1)
    last = jax.tree.map(jnp.asarray, last)
    directions = tuple(moved(last, leaves_of(jnp.asarray(row), moving(last))) for row in rows)
    return TrajectoryPlane(directions, (points - points[-1]) @ rows.T, shares)
