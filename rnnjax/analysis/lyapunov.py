"""Lyapunov exponents of a run: at what rates perturbations of the state grow or die out, differentiable."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.analysis.states import leaves_of, vector
from rnnjax.analysis.trajectory import Trajectory, extent, moved, moving, record, transition
from rnnjax.cell import Cell
from rnnjax.errors import InputError, check

Array = jax.Array
PyTree = Any

GROUPS = 10
"""How many stretches of a run a standard error is taken from."""


class LyapunovSpectrum(NamedTuple):
    """Lyapunov exponents, in nats a step.

    Attributes:
      exponents: `[*batch, count]`, in descending order; -inf for directions that a step wipes out, NaN for a row that
        ends within the burn-in.
      standard_errors: `[*batch, count]`, from the means over ten stretches of the run; NaN for a row with fewer than
        ten re-orthonormalisations. No gradient passes here.
      running: `[*batch, points, count]`, the estimates from the first `steps` steps after the burn-in.
      steps: `[points]`.
    """

    exponents: Array
    standard_errors: Array
    running: Array
    steps: np.ndarray


def lyapunov_spectrum(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    count: int | None = None,
    carry: PyTree | None = None,
    *,
    every: int = 1,
    burn_in: int = 0,
    lengths: Any = None,
    key: Array | None = None,
) -> LyapunovSpectrum:
    """The rates at which infinitesimal perturbations of the state grow or shrink along a run.

        Q_t R_t = J_t Q_t-1,        lambda_i = (1 / T) sum over t of log |(R_t)_ii|,        J_t = dh_t/dh_t-1

    Q has orthonormal columns, R is upper triangular: the method of Benettin et al. 1980 (doi:10.1007/BF02128236), for
    driven recurrent networks in Vogt et al. 2020 (arXiv:2006.14123) and Engelken, Wolf & Abbott 2020
    (arXiv:2006.02427). J_t is never formed: the columns of Q are pushed through the step by
    Jacobian-vector products. Zeros for `xs` give the exponents of the autonomous network. All exponents together sum
    to the mean of log |det J_t|; a gradient that runs back over k steps changes by about exp(lambda_1 k).

    Q starts from random directions, the same each time. What they have to turn until they are those of the largest
    exponents, and what the state has to go until it is on its attractor, is left out with a `burn_in`. The exponents
    and running estimates are differentiable in reverse mode, except where exponents are -inf.

    Args:
      cell: the cell.
      params: from `cell.init`.
      xs: inputs `[*batch, time, in_features]`, or a pytree of such arrays.
      count: how many exponents, the largest first; `None` is all n, the size of the state.
      carry: the state before the first step; `None` is the initial carry.
      every: steps between re-orthonormalisations. More are cheaper, and lose exponents that lie so far below the first
        that over these steps rounding errors overtake them.
      burn_in: steps at the beginning that do not count.
      lengths: `[*batch]` ints, the valid steps of each row.
      key: draws dropout masks, one a sequence; without one the cell is deterministic.

    Returns:
      The exponents, how well they are known, and how the estimates converged.

    Raises:
      InputError: a count that is no int in 1..n, an `every` or `burn_in` that leaves no step, or an argument that does
        not fit the cell, as in `rnnjax.unroll`.
    """
    run = record(cell, params, xs, carry, lengths, None, key)
    batch_shape, time = extent(cell, run.ys)
    n = jax.eval_shape(lambda: vector(moving(run.final), batch_shape)).shape[-1]
    count = n if count is None else count
    limits = {"count": (count, 1, n), "every": (every, 1, time), "burn_in": (burn_in, 0, time - 1)}
    for name, (given, low, high) in limits.items():
        if not isinstance(given, int) or isinstance(given, bool) or not low <= given <= high:
            raise InputError(name, given, f"an int in {low}..{high}")
    lengths = None if lengths is None else jnp.asarray(lengths)
    exponents, errors, running = _spectrum(cell.dynamics, run, lengths, count, every, burn_in)
    return LyapunovSpectrum(exponents, errors, running, _steps(time, every, burn_in) - burn_in)


def flossing_loss(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    count: int | None = None,
    carry: PyTree | None = None,
    *,
    every: int = 1,
    burn_in: int = 0,
    lengths: Any = None,
    key: Array | None = None,
) -> Array:
    """What gradient flossing minimises: Lyapunov exponents are pushed to zero, where gradients neither die nor explode.

        L = mean over rows of  sum over i = 1..count of lambda_i^2

    Engelken 2023, arXiv:2312.17306: before training, or in between, or added to the loss. The state must not be pushed
    through a step that is singular: keep `count` below the number of directions that such a cell wipes out.

    Args:
      cell: the cell.
      params: from `cell.init`; differentiate with respect to them.
      xs: inputs `[*batch, time, in_features]`, or a pytree of such arrays.
      count: how many exponents, the largest first; `None` is all.
      carry: the state before the first step; `None` is the initial carry.
      every: steps between re-orthonormalisations.
      burn_in: steps at the beginning that do not count.
      lengths: `[*batch]` ints, the valid steps of each row.
      key: draws dropout masks, one a sequence; without one the cell is deterministic.

    Returns:
      A scalar.

    Raises:
      InputError: as `lyapunov_spectrum`.
    """
    options: dict[str, Any] = dict(every=every, burn_in=burn_in, lengths=lengths, key=key)
    spectrum = lyapunov_spectrum(cell, params, xs, count, carry, **options)
    return jnp.mean(jnp.sum(jnp.square(spectrum.exponents), axis=-1))


def kaplan_yorke_dimension(exponents: Any) -> Array:
    """The dimension of the attractor that Lyapunov exponents suggest.

        D = j + (lambda_1 + ... + lambda_j) / |lambda_j+1|

    with the largest j for which the sum is not negative. Kaplan & Yorke 1979, doi:10.1007/BFb0064319. Zero for a fixed
    point. The number of exponents, as a lower bound, where all sums are positive: more of them are needed then.

    Args:
      exponents: `[..., count]`, in descending order.

    Returns:
      `[...]`.

    Raises:
      InputError: an array without axes, or of no exponents.
    """
    exponents = _checked_exponents(exponents)
    sums = jnp.cumsum(exponents, axis=-1)
    count = exponents.shape[-1]
    j = jnp.sum(sums >= 0, axis=-1)  # sums rise, then fall: those that are not negative come first
    padded = jnp.concatenate([jnp.zeros_like(sums[..., :1]), sums], axis=-1)
    total = jnp.take_along_axis(padded, j[..., None], axis=-1)[..., 0]
    following = jnp.take_along_axis(exponents, jnp.minimum(j, count - 1)[..., None], axis=-1)[..., 0]
    dimension = jnp.where(j == count, count, j + total / jnp.where(j == count, 1.0, jnp.abs(following)))
    return jnp.where(jnp.any(jnp.isnan(exponents), axis=-1), jnp.nan, dimension)


def entropy_rate(exponents: Any) -> Array:
    """The sum of the positive Lyapunov exponents, in nats a step.

    At most so much about its initial state does a chaotic network reveal in each step. Pesin 1977,
    doi:10.1070/RM1977v032n04ABEH001639.

    Args:
      exponents: `[..., count]`, all that are positive among them.

    Returns:
      `[...]`.

    Raises:
      InputError: an array without axes, or of no exponents.
    """
    return jnp.sum(jnp.maximum(_checked_exponents(exponents), 0), axis=-1)


def _checked_exponents(exponents: Any) -> Array:
    exponents = jnp.asarray(exponents)
    check(exponents.ndim >= 1 and exponents.size > 0, "exponents", f"shape {exponents.shape}", "[..., count]")
    return exponents


def _steps(time: int, every: int, burn_in: int) -> np.ndarray:
    """How many steps have been done at the re-orthonormalisations that count."""
    done = np.arange(1, time + 1)
    return done[((done - burn_in) % every == 0) & (done > burn_in) | (done == time)]


@functools.partial(jax.jit, static_argnums=(0, 3, 4, 5))
def _spectrum(
    cell: Cell, run: Trajectory, lengths: Array | None, count: int, every: int, burn_in: int
) -> tuple[Array, Array, Array]:
    batch_shape, time = extent(cell, run.ys)
    state = jax.eval_shape(lambda: vector(moving(run.final), batch_shape))
    done = np.arange(1, time + 1)
    due = ((done - burn_in) % every == 0) | (done == time)

    def orthonormalised(vectors):
        vectors, triangle = jnp.linalg.qr(vectors)
        return vectors, jnp.log(jnp.abs(jnp.diagonal(triangle, axis1=-2, axis2=-1)))

    def push(vectors, step):
        moment, now = step

        def transitioned(state):
            carry = moved(moment.carry, leaves_of(state, moving(moment.carry)))
            return vector(moving(transition(cell, run.weights, run.initial, moment, carry)), batch_shape)

        at = vector(moving(moment.carry), batch_shape)
        along = lambda direction: jax.jvp(transitioned, (at,), (direction,))[1]  # noqa: E731
        vectors = jax.vmap(along, in_axes=-1, out_axes=-1)(vectors)
        kept = lambda vectors: (vectors, jnp.zeros_like(vectors[..., 0, :]))  # noqa: E731
        return jax.lax.cond(now, orthonormalised, kept, vectors)

    with jax.default_matmul_precision("highest"):
        drawn = jax.random.normal(jax.random.key(0), (state.shape[-1], count), state.dtype)
        start = jnp.broadcast_to(jnp.linalg.qr(drawn)[0], (*batch_shape, *drawn.shape))
        _, growths = jax.lax.scan(push, start, (run.moments, jnp.asarray(due)))
    steps = _steps(time, every, burn_in)
    summed = jnp.cumsum(growths[steps - 1], axis=0)  # [points, *batch, count]
    ends = jnp.full(batch_shape, time) if lengths is None else lengths
    counted = jnp.clip(ends - burn_in, 0, (steps - burn_in).reshape(-1, *(1,) * len(batch_shape)))[..., None]
    running = jnp.where(counted > 0, summed / jnp.maximum(counted, 1), jnp.nan)
    order = jnp.argsort(-running[-1], axis=-1)
    errors = _standard_errors(*jax.lax.stop_gradient((summed, counted)), every)
    ordered = lambda values: jnp.take_along_axis(values, order, axis=-1)  # noqa: E731
    running = jnp.take_along_axis(running, order[None], axis=-1)
    return running[-1], ordered(errors), jnp.moveaxis(running, 0, -2)


def _standard_errors(summed: Array, counted: Array, every: int) -> Array:
    """Of the means, from those of ten stretches, for sums `[points, *batch, count]` over the counted steps."""
    points = -(-counted[-1:] // every)  # of each row
    groups = jnp.arange(GROUPS + 1).reshape(-1, *(1,) * (counted.ndim - 1))
    edges = groups * points // GROUPS
    with_start = lambda values: jnp.concatenate([jnp.zeros_like(values[:1]), values])  # noqa: E731
    sums = jnp.diff(jnp.take_along_axis(with_start(summed), edges, axis=0), axis=0)
    sizes = jnp.diff(jnp.take_along_axis(with_start(counted), edges, axis=0), axis=0)
    total = jnp.maximum(counted[-1], 1)
    deviations = (sums - sizes * (summed[-1] / total)) / total
    errors = jnp.sqrt(jnp.sum(jnp.square(deviations), axis=0) * GROUPS / (GROUPS - 1))
    return jnp.where(points[0] >= GROUPS, errors, jnp.nan)
