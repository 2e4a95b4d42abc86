"""Which inputs an output comes from: gradients, their integrals, and the dependence of each step on those before it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from rnnjax.analysis import scaled
from rnnjax.analysis.trajectory import extent
from rnnjax.cell import Cell
from rnnjax.errors import InputError, check
from rnnjax.unroll import unroll

Array = jax.Array
PyTree = Any
Output = Callable[[Array, PyTree], Array]
Readout = Callable[[Array], Array]


class Saliency(NamedTuple):
    """The gradient of an output with respect to the inputs.

    Attributes:
      gradient: like `xs`.
      times_input: like `xs`, the gradient times the input; complex inputs count with the real part of the product.
      norms: `[*batch, time]`, of the gradient at each step, over its features.
    """

    gradient: PyTree
    times_input: PyTree
    norms: Array


class IntegratedGradients(NamedTuple):
    """Shares of the inputs in an output.

    Attributes:
      attributions: like `xs`.
      by_step: `[*batch, time]`, summed over the features of each step.
      difference: f(x) - f(x'), what is shared out: a number a row if the output is one, else for all rows together.
      gap: the sum of the attributions less `difference`: zero but for the error of the quadrature.
    """

    attributions: PyTree
    by_step: Array
    difference: Array
    gap: Array


def saliency(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    output: Output | None = None,
    carry: PyTree | None = None,
    *,
    lengths: Any = None,
    resets: Any = None,
    key: Array | None = None,
    noise: float = 0.0,
    samples: int = 1,
    seed: int = 0,
) -> Saliency:
    """How an output would change with each input: df / dx_t.

    Simonyan, Vedaldi & Zisserman 2014, arXiv:1312.6034. Gradient times input is an attribution in the units of the
    output, exact for a function that is linear. With noise it is the mean gradient over noisy copies of the inputs:
    SmoothGrad, Smilkov et al. 2017, arXiv:1706.03825.

    Args:
      cell: the cell.
      params: from `cell.init`.
      xs: inputs `[*batch, time, in_features]`, or a pytree of such arrays.
      output: `(ys, carry) -> f`, of the outputs `[*batch, time, output_features]` and the final carry: one number a row
        `[*batch]`, or a scalar. A head goes in here, as the logit of a class. `None` is half the squared norm of each
        row's last valid output.
      carry: the state before the first step; `None` is the initial carry.
      lengths: `[*batch]` ints; past a row's length the gradient is zero.
      resets: `[*batch, time]` bools; what came before a reset has no gradient from what comes after it.
      key: draws dropout masks, one a sequence; without one the cell is deterministic.
      noise: standard deviation of Gaussian noise on the inputs.
      samples: how many noisy copies.
      seed: draws the noise.

    Returns:
      The gradient, its product with the inputs, and its norm at each step.

    Raises:
      InputError: an output of another shape, noise or samples out of range, or an argument that does not fit the cell,
        as in `rnnjax.unroll`.
    """
    _check_positive("samples", samples)
    check(noise >= 0, "noise", noise, "a number that is not negative")
    xs = jax.tree.map(jnp.asarray, xs)
    rest = _arguments(cell, xs, params, carry, lengths, resets, key)
    gradient = _mean_gradient(cell.dynamics, output, samples, xs, jnp.asarray(noise), jax.random.key(seed), *rest)
    times_input = jax.tree.map(lambda slope, x: jnp.real(slope * x), gradient, xs)
    batch_axes = jax.tree.leaves(xs)[0].ndim - 2 - cell.spatial_axes
    return Saliency(gradient, times_input, _norms(gradient, batch_axes + 1))


def integrated_gradients(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    output: Output | None = None,
    carry: PyTree | None = None,
    *,
    baseline: PyTree | None = None,
    steps: int = 64,
    lengths: Any = None,
    resets: Any = None,
    key: Array | None = None,
) -> IntegratedGradients:
    """What each input contributed to an output, compared with the output for other inputs.

        a_i  =  (x_i - x'_i)  integral over s in 0..1 of  df(x' + s (x - x')) / dx_i,        sum_i a_i = f(x) - f(x')

    Sundararajan, Taly & Yan 2017, arXiv:1703.01365; that the attributions add up is their axiom of completeness, and
    `gap` tells how well they do. The integral is taken by Gauss-Legendre quadrature, whose error falls exponentially
    with the number of points for a smooth function, where the sum of the paper's section 5 falls with its inverse.
    Rectified units have kinks on the way, and need more points.

    Args:
      cell: the cell.
      params: from `cell.init`.
      xs: x, inputs `[*batch, time, in_features]`, or a pytree of such arrays.
      output: f, as in `saliency`.
      carry: the state before the first step; `None` is the initial carry.
      baseline: x', like `xs`; `None` is zero. What it stands for is part of the question that is asked.
      steps: points of the quadrature.
      lengths: `[*batch]` ints; what lies past a row's length has no share.
      resets: `[*batch, time]` bools.
      key: draws dropout masks, one a sequence; without one the cell is deterministic.

    Returns:
      The attributions, their sums by step, and how well they add up.

    Raises:
      InputError: an output of another shape, a baseline that is not like the inputs, steps that are no positive int, or
        an argument that does not fit the cell, as in `rnnjax.unroll`.
    """
    _check_positive("steps", steps)
    xs = jax.tree.map(jnp.asarray, xs)
    baseline = jax.tree.map(jnp.zeros_like, xs) if baseline is None else jax.tree.map(jnp.asarray, baseline)
    given, expected = jax.tree.structure(baseline), jax.tree.structure(xs)
    check(given == expected, "baseline", given, f"{expected}, as xs")
    for own, leaf in zip(jax.tree.leaves(baseline), jax.tree.leaves(xs), strict=True):
        check(own.shape == leaf.shape, "baseline", f"shape {own.shape}", f"shape {leaf.shape}, as xs")
    places, weights = np.polynomial.legendre.leggauss(steps)
    rest = _arguments(cell, xs, params, carry, lengths, resets, key)
    quadrature = jnp.asarray((places + 1) / 2), jnp.asarray(weights / 2)
    attributions, difference = _path_integral(cell.dynamics, output, xs, baseline, quadrature, *rest)
    batch_axes = jax.tree.leaves(xs)[0].ndim - 2 - cell.spatial_axes
    by_step = sum(jnp.sum(leaf, axis=tuple(range(batch_axes + 1, leaf.ndim))) for leaf in jax.tree.leaves(attributions))
    by_step = jnp.asarray(by_step)
    total = jnp.sum(by_step, axis=-1 if difference.ndim == batch_axes else None)
    return IntegratedGradients(attributions, by_step, difference, total - difference)


def connectivity(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    readout: Readout | None = None,
    carry: PyTree | None = None,
    *,
    lengths: Any = None,
    resets: Any = None,
    key: Array | None = None,
) -> Array:
    """How strongly each output of a run depends on each input before it.

        C[s, t]  =  |dy_s / dx_t|,        the Frobenius norm of the Jacobian

    Madsen 2019, doi:10.23915/distill.00016, where y_s is the logit of the right answer at step s: see `readout`. The
    matrix is zero above the diagonal. Its cost is one backward pass for each step and each output feature.

    Args:
      cell: the cell.
      params: from `cell.init`.
      xs: inputs `[*batch, time, in_features]`, or a pytree of such arrays.
      readout: `ys -> [*batch, time, ...]`, what is asked about at each step, from the outputs `[*batch, time,
        output_features]` of that step; `None` is the outputs. With a single number a step this is a gradient's norm.
      carry: the state before the first step; `None` is the initial carry.
      lengths: `[*batch]` ints; rows and columns of the padding are zero.
      resets: `[*batch, time]` bools; nothing connects across a reset.
      key: draws dropout masks, one a sequence; without one the cell is deterministic.

    Returns:
      `[*batch, time, time]`, outputs by inputs.

    Raises:
      InputError: a readout without an axis of time, or an argument that does not fit the cell, as in `rnnjax.unroll`.
    """
    xs = jax.tree.map(jnp.asarray, xs)
    rest = _arguments(cell, xs, params, carry, lengths, resets, key)
    return _connectivity(cell.dynamics, readout, xs, *rest)


def _check_positive(name: str, given: Any) -> None:
    check(isinstance(given, int) and not isinstance(given, bool) and given > 0, name, given, "a positive int")


def _arguments(cell, xs, params, carry, lengths, resets, key):
    """What `unroll` is given beside the inputs; lengths are checked here, where they are known."""
    lengths, resets = (None if rows is None else jnp.asarray(rows) for rows in (lengths, resets))
    check(bool(jax.tree.leaves(xs)), "xs", xs, "at least one array")
    for leaf in jax.tree.leaves(xs):
        floats = jnp.issubdtype(leaf.dtype, jnp.inexact)
        check(floats, "xs", f"dtype {leaf.dtype}", "a floating dtype (embed or one-hot encode integers first)")
    leaf = jax.tree.leaves(xs)[0]
    if leaf.ndim >= 2 + cell.spatial_axes:  # else `unroll` says what is wrong
        time = leaf.shape[-2 - cell.spatial_axes]
        check(time > 0, "xs", f"shape {leaf.shape}", "at least one step")
        if lengths is not None and lengths.size and not isinstance(lengths, jax.core.Tracer):
            low, high = int(jnp.min(lengths)), int(jnp.max(lengths))
            expected = f"ints in 0..{time}, the time axis"
            check(low >= 0 and high <= time, "lengths", high if high > time else low, expected)
    return params, carry, lengths, resets, key


def _asked(cell: Cell, output: Output | None, xs, params, carry, lengths, resets, key) -> Array:
    """The output of a run that is to be explained, `[*batch]` or a scalar."""
    with jax.default_matmul_precision("highest"):
        final, ys = unroll(cell, params, xs, carry, lengths=lengths, resets=resets, key=key)
        batch_shape, time = extent(cell, ys)
        if output is not None:
            value = jnp.asarray(output(ys, final))
            fits = value.shape in ((), batch_shape) and jnp.issubdtype(value.dtype, jnp.floating)
            expected = f"a function that returns real numbers of shape {batch_shape}, or a scalar"
            check(fits, "output", f"shape {value.shape} and dtype {value.dtype}", expected)
            return value
        places = ys.shape[len(batch_shape) + 1 :]
        index = jnp.broadcast_to(time - 1 if lengths is None else jnp.maximum(lengths - 1, 0), batch_shape)
        index = index.reshape(*batch_shape, *(1,) * (1 + len(places)))
        last = jnp.take_along_axis(ys, index, axis=len(batch_shape))  # zero for a row without steps
        return 0.5 * jnp.sum(jnp.square(jnp.abs(last)), axis=tuple(range(len(batch_shape), ys.ndim)))


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _mean_gradient(cell, output, samples, xs, noise, seed, *rest):
    leaves, structure = jax.tree.flatten(xs)

    def at(total, key):
        keys = structure.unflatten(list(jax.random.split(key, len(leaves))))
        drawn = jax.tree.map(lambda x, key: x + noise.astype(x.real.dtype) * _normal(key, x), xs, keys)
        slope = jax.grad(lambda xs: jnp.sum(_asked(cell, output, xs, *rest)))(drawn)
        return jax.tree.map(lambda total, part: total + part / samples, total, slope), None

    return jax.lax.scan(at, jax.tree.map(jnp.zeros_like, xs), jax.random.split(seed, samples))[0]


def _normal(key, x):
    return jax.random.normal(key, x.shape, x.dtype)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _path_integral(cell, output, xs, baseline, quadrature, *rest):
    change = jax.tree.map(jnp.subtract, xs, baseline)
    asked = functools.partial(_asked, cell, output)

    def at(total, point):
        place, weight = point
        here = jax.tree.map(lambda x, change: x + place.astype(x.real.dtype) * change, baseline, change)
        slope = jax.grad(lambda xs: jnp.sum(asked(xs, *rest)))(here)
        return jax.tree.map(lambda total, part: total + weight.astype(part.real.dtype) * part, total, slope), None

    mean, _ = jax.lax.scan(at, jax.tree.map(jnp.zeros_like, xs), quadrature)
    attributions = jax.tree.map(lambda change, mean: jnp.real(change * mean), change, mean)
    return attributions, asked(xs, *rest) - asked(baseline, *rest)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _connectivity(cell, readout, xs, params, carry, lengths, resets, key):
    with jax.default_matmul_precision("highest"):

        def values(xs):
            _, ys = unroll(cell, params, xs, carry, lengths=lengths, resets=resets, key=key)
            batch_shape, time = extent(cell, ys)
            read = ys if readout is None else jnp.asarray(readout(ys))
            if read.shape[: len(batch_shape) + 1] != (*batch_shape, time):
                raise InputError(
                    "readout", f"shape {read.shape}", f"a function that returns [{batch_shape}, {time}, ...]"
                )
            if lengths is not None:  # a readout of the zeros in the padding says nothing
                valid = jnp.arange(time) < jnp.asarray(lengths)[..., None]
                read = jnp.where(valid.reshape(*valid.shape, *(1,) * (read.ndim - valid.ndim)), read, 0)
            return jnp.concatenate(_parts(read.reshape(*batch_shape, time, -1)), axis=-1)

        read, pull = jax.vjp(values, xs)
        batch_axes = read.ndim - 2

        def row(step):
            def along(feature):
                return pull(jnp.zeros_like(read).at[..., step, feature].set(1))[0]

            slopes = jax.vmap(along)(jnp.arange(read.shape[-1]))
            slopes = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, batch_axes + 1), slopes)
            return _norms(slopes, batch_axes + 1)

        found = jax.lax.map(row, jnp.arange(read.shape[-2]))
        return jnp.moveaxis(found, 0, -2)


def _norms(tree: PyTree, kept: int) -> Array:
    """The norm over all axes but the first `kept`, of all leaves together, without leaving the range of floats."""
    wide = [leaf.reshape(*leaf.shape[:kept], -1) for leaf in jax.tree.leaves(tree)]
    together = jnp.concatenate([part for leaf in wide for part in _parts(leaf)], axis=-1)
    return scaled.scale(*scaled.norm(together, jnp.zeros(together.shape[:kept], int), -1))


def _parts(leaf: Array) -> list[Array]:
    return [leaf.real, leaf.imag] if jnp.iscomplexobj(leaf) else [leaf]
