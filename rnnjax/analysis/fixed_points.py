"""Fixed and slow points of a cell under a constant input, their stability, and the plane to look at them in."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.analysis.states import leaves_of, states_of, vector
from rnnjax.analysis.trajectory import extent, moved, moving, record
from rnnjax.cell import Cell
from rnnjax.errors import InputError, check

Array = jax.Array
PyTree = Any


class FixedPoints(NamedTuple):
    """Points where the state stands still, or nearly so; the slowest first. NumPy arrays.

    Attributes:
      states: `[points, n]`, the state flattened as in `visited_states`.
      speeds: `[points]`, q = |F(h) - h|^2 / 2.
      eigenvalues: `[points, n]`, of the Jacobian dF/dh, those of largest modulus first.
      stable: `[points]`, whether all eigenvalues lie inside the unit circle.
      time_constants: `[points, n]`, 1 / |log |eigenvalue|| steps, in which a perturbation along that direction shrinks
        or grows by e; infinite on the unit circle, zero for an eigenvalue of zero.
      hits: `[points]`, how many of the starts led here.
    """

    states: np.ndarray
    speeds: np.ndarray
    eigenvalues: np.ndarray
    stable: np.ndarray
    time_constants: np.ndarray
    hits: np.ndarray


class PrincipalComponents(NamedTuple):
    """The directions in which points spread most. NumPy arrays.

    Attributes:
      mean: `[n]`.
      directions: `[count, n]`, orthonormal; the largest entry of each is positive.
      shares: `[count]`, of the variance.
    """

    mean: np.ndarray
    directions: np.ndarray
    shares: np.ndarray

    def project(self, states: Any) -> np.ndarray:
        """Coordinates `[..., count]` of states `[..., n]`."""
        return (np.asarray(states) - self.mean) @ self.directions.T


def fixed_points(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    x: PyTree | None = None,
    carry: PyTree | None = None,
    *,
    starts: int = 128,
    noise: float = 0.0,
    tolerance: float = 1e-10,
    distance: float = 1e-3,
    iterations: int = 200,
    lengths: Any = None,
    resets: Any = None,
    seed: int = 0,
) -> FixedPoints:
    """Fixed and slow points of `h' = F(h)`, the step under a constant input, near the states of a run.

        minimise  q(h) = |F(h) - h|^2 / 2    from states that the network visits

    Sussillo & Barak 2013, doi:10.1162/NECO_a_00409. A fixed point has q = 0; where q has a small minimum the state
    moves slowly, and the linear map dF/dh around it describes what the network does there just as well. Here q is
    minimised by the Levenberg-Marquardt method (Marquardt 1963, doi:10.1137/0111030), which squares the error in each
    step near a fixed point, stable or not. All starts are solved at once, each with n by n matrices.

    Points that differ by less than `distance` are one point. A state that counts steps or keeps a clock has no fixed
    point. Dropout is off.

    Args:
      cell: the cell.
      params: from `cell.init`.
      xs: inputs `[*batch, time, in_features]`, or a pytree of such arrays, of the run whose states are the starts.
      x: the constant input `[in_features]` (`[*places, in_features]` for a cell with spatial axes), or a pytree of such
        arrays; `None` is zero.
      carry: the state before the first step of the run; `None` is the initial carry.
      starts: how many of the visited states to start from, drawn without replacement; all, if there are not so many.
      noise: standard deviation of Gaussian noise on the starts, to find points beside the run.
      tolerance: the largest q of a point that is returned. 1e-10 for fixed points in float32; more, 1e-4 say, for slow
        points as well, and much less in float64, in which points far from zero, as of cell states that count, are found
        where float32 is too coarse for them.
      distance: root mean square over units of the difference below which two points are one.
      iterations: the most steps of the minimiser.
      lengths: `[*batch]` ints, the valid steps of each row of the run.
      resets: `[*batch, time]` bools.
      seed: draws the starts and the noise.

    Returns:
      The points, as many as were found: none, perhaps.

    Raises:
      InputError: `starts` or `iterations` that are no positive ints, `noise`, `tolerance` or `distance` that are
        negative, an `x` that does not fit `xs`, or an argument that does not fit the cell, as in `rnnjax.unroll`.
    """
    for name, given in (("starts", starts), ("iterations", iterations)):
        check(isinstance(given, int) and not isinstance(given, bool) and given > 0, name, given, "a positive int")
    for name, given in (("noise", noise), ("tolerance", tolerance), ("distance", distance)):
        check(given >= 0, name, given, "a number that is not negative")
    run = record(cell, params, xs, carry, lengths, resets, None)
    places = jax.tree.leaves(xs)[0].shape[:-1][len(extent(cell, run.ys)[0]) + 1 :]
    like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((*places, leaf.shape[-1]), leaf.dtype), xs)
    x = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like) if x is None else x
    _check_input(x, like)
    visited = np.asarray(states_of(cell, run))
    if run.moments.valid is not None:
        visited = visited[np.moveaxis(np.asarray(run.moments.valid), 0, -1)]
    visited = visited.reshape(-1, visited.shape[-1])
    rng = np.random.default_rng(seed)
    chosen = visited[rng.choice(len(visited), min(starts, len(visited)), replace=False)]
    chosen = chosen + (noise * rng.standard_normal(chosen.shape)).astype(chosen.dtype)
    states, speeds, jacobians = jax.device_get(_minimised(cell.dynamics, params, x, chosen, iterations))
    return _collected(states, speeds, jacobians, tolerance, distance)


def principal_components(states: Any, count: int = 2) -> PrincipalComponents:
    """The principal components of points: of trajectories and fixed points, to draw them in a plane.

    Pearson 1901, doi:10.1080/14786440109462720.

    Args:
      states: `[..., n]`, all leading axes pooled.
      count: how many directions, at most n.

    Returns:
      Mean, directions, and the share of the variance along each.

    Raises:
      InputError: fewer than two points, or a count that is no int in 1..n.
    """
    states = np.asarray(states)
    check(
        states.ndim >= 2 and math.prod(states.shape[:-1]) > 1, "states", f"shape {states.shape}", "two points [.., n]"
    )
    points = states.reshape(-1, states.shape[-1]).astype(float)
    n = points.shape[-1]
    fits = isinstance(count, int) and not isinstance(count, bool) and 1 <= count <= n
    check(fits, "count", count, f"an int in 1..{n}, the size of the state")
    mean = points.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(points, rowvar=False).reshape(n, n))
    variances, directions = np.maximum(variances[::-1], 0), directions.T[::-1]
    largest = np.take_along_axis(directions, np.argmax(np.abs(directions), axis=1)[:, None], axis=1)
    total = variances.sum()
    shares = variances / total if total > 0 else variances
    return PrincipalComponents(mean, (directions * np.sign(largest))[:count], shares[:count])


def _check_input(x: PyTree, like: PyTree) -> None:
    if jax.tree.structure(x) != jax.tree.structure(like):
        raise InputError("x", jax.tree.structure(x), f"{jax.tree.structure(like)}, as xs")
    for leaf, wanted in zip(jax.tree.leaves(x), jax.tree.leaves(like), strict=True):
        if jnp.shape(leaf) != wanted.shape:
            raise InputError("x", f"shape {jnp.shape(leaf)}", f"shape {wanted.shape}, one step of one row of xs")


@functools.partial(jax.jit, static_argnums=(0, 4))
def _minimised(cell: Cell, params: PyTree, x: PyTree, starts: Array, iterations: int) -> tuple[Array, Array, Array]:
    """Where the minimiser ends from each start: states `[starts, n]`, q there, and dF/dh."""
    places = jax.tree.leaves(x)[0].shape[:-1]
    weights = cell.prepare(params, batch_shape=places)
    template = cell.initial_carry(places)
    drive = cell.project(weights, jax.tree.map(jnp.asarray, x))

    def step(state):
        carry = moved(template, leaves_of(state, moving(template)))
        return vector(moving(cell.advance(weights, carry, drive)[0]), ())

    smallest = float(jnp.finfo(starts.dtype).tiny) ** 0.5
    eye = jnp.eye(starts.shape[-1], dtype=starts.dtype)

    def residual(state):
        return step(state) - state

    def speed(residual):
        return 0.5 * jnp.sum(jnp.square(residual))

    def improved(current):
        """A step of the method: damping falls when the step helped, and rises until one does."""
        state, error, damping, count = current
        slope = jax.jacrev(step)(state) - eye
        normal = slope.T @ slope
        change = jnp.linalg.solve(normal + damping * eye, slope.T @ error)
        there = state - change
        new = residual(there)
        better = speed(new) < speed(error)
        state, error = jnp.where(better, there, state), jnp.where(better, new, error)
        return state, error, jnp.clip(jnp.where(better, damping / 5, damping * 4), smallest, 1e12), count + 1

    def going(current):
        _, error, damping, count = current
        return (count < iterations) & (speed(error) > 0) & (damping < 1e10)

    def solved(state):
        first = state, residual(state), jnp.asarray(1e-2, state.dtype), 0
        state, error, _, _ = jax.lax.while_loop(going, improved, first)
        return state, speed(error), jax.jacrev(step)(state)

    with jax.default_matmul_precision("highest"):
        return jax.vmap(solved)(starts)


def _collected(
    states: np.ndarray, speeds: np.ndarray, jacobians: np.ndarray, tolerance: float, distance: float
) -> FixedPoints:
    """The points that are slow enough, each once."""
    kept: list[int] = []
    hits: list[int] = []
    for index in np.argsort(speeds, kind="stable"):
        if not speeds[index] <= tolerance:  # NaN too
            continue
        gaps = [np.sqrt(np.mean(np.square(states[index] - states[other]))) for other in kept]
        if gaps and min(gaps) <= distance:
            hits[int(np.argmin(gaps))] += 1
        else:
            kept.append(int(index))
            hits.append(1)
    eigenvalues = np.linalg.eigvals(jacobians[kept].astype(float)).astype(complex)
    order = np.argsort(-np.abs(eigenvalues), axis=-1, kind="stable")
    eigenvalues = np.take_along_axis(eigenvalues, order, axis=-1)
    moduli = np.abs(eigenvalues)
    with np.errstate(divide="ignore"):
        time_constants = 1 / np.abs(np.log(moduli))
    stable = np.all(moduli < 1, axis=-1)
    return FixedPoints(states[kept], speeds[kept], eigenvalues, stable, time_constants, np.asarray(hits, int))
