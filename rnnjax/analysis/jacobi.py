"""Singular values by one-sided Jacobi rotations, of a matrix whose rows differ by any number of decades."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from rnnjax.analysis import scaled
from rnnjax.analysis.scaled import NEVER, Array

MAX_SWEEPS = 30


def log_singular_values(rows: Array, exponents: Array) -> Array:
    """The logarithms of the singular values of `diag(2^exponents) rows`, for each matrix of a batch.

    Pairs of rows are rotated until all are orthogonal; their norms are the singular values. A rotation needs the ratio
    of the two scales only, 2^(e_j - e_i) <= 1, and it does no harm if that underflows: what is left then takes the
    part that is parallel to the large row out of the small one. n/2 disjoint pairs are rotated at once, and n - 1 such
    turns, in which each row meets each other once, are a sweep (Brent & Luk 1985, doi:10.1137/0906007).

    Args:
      rows: `[batch, n, n]`, entries of order one.
      exponents: `[batch, n]`; `NEVER` stands for a zero row.

    Returns:
      `[batch, n]`, natural logarithms in descending order; -inf for zero.
    """
    n = rows.shape[-1]
    half = max((n + 1) // 2, 2)
    missing = 2 * half - n
    rows = jnp.pad(rows, ((0, 0), (0, missing), (0, 0)))
    exponents = jnp.pad(exponents, ((0, 0), (0, missing)), constant_values=NEVER)
    # Rotations converge quadratically: what a sweep leaves of a cosine this small is below the rounding error.
    tolerance = jnp.sqrt(jnp.finfo(rows.dtype).eps) / 10

    def turn(_, state):
        top, bottom, cosine = state
        top, bottom, largest = _rotate(top, bottom)
        pairs = [_circulate(*both) for both in zip(top, bottom, strict=True)]
        top, bottom = zip(*pairs, strict=True)
        return top, bottom, jnp.maximum(cosine, largest)

    def sweep(state):
        top, bottom, _, count = state
        start = _normalised(*top), _normalised(*bottom), jnp.zeros_like(tolerance)
        return *jax.lax.fori_loop(0, 2 * half - 1, turn, start), count + 1

    def unfinished(state):
        *_, cosine, count = state
        return (cosine > tolerance) & (count < MAX_SWEEPS)

    start = (rows[:, :half], exponents[:, :half]), (rows[:, half:], exponents[:, half:])
    top, bottom, _, _ = jax.lax.while_loop(unfinished, sweep, (*start, jnp.full_like(tolerance, jnp.inf), 0))
    rows, exponents = (jnp.concatenate(parts, axis=1) for parts in zip(top, bottom, strict=True))
    logs = scaled.log(*scaled.norm(rows, exponents, -1))
    return jnp.sort(logs, axis=-1, descending=True)[:, :n]


def _rotate(top, bottom):
    """Makes row i of `top` orthogonal to row i of `bottom`, for all i; also the largest cosine there was."""
    (top_rows, top_exponents), (bottom_rows, bottom_exponents) = top, bottom
    swapped = (bottom_exponents > top_exponents)[..., None]
    large = jnp.where(swapped, bottom_rows, top_rows)
    small = jnp.where(swapped, top_rows, bottom_rows)
    ratio = scaled.power_of_two(-jnp.abs(top_exponents - bottom_exponents), large.dtype)
    a, b, c = (jnp.sum(x * y, axis=-1) for x, y in ((large, large), (small, small), (large, small)))
    cosine = jnp.abs(c) / jnp.sqrt(jnp.where(a * b == 0, 1, a * b))

    # The rotation by the smaller angle that solves t^2 - 2 z t - 1 = 0, z = (a - b ratio^2) / (2 c ratio); all that
    # has to be finite, t and t / ratio, is formed without a division by the ratio.
    difference = b * ratio**2 - a
    root = jnp.abs(difference) + jnp.sqrt(difference**2 + 4 * (c * ratio) ** 2)
    sign = jnp.where(difference < 0, -1, 1).astype(root.dtype)
    tangent_by_ratio = jnp.where(c == 0, 0, 2 * sign * c / jnp.where(root == 0, 1, root))
    tangent = tangent_by_ratio * ratio
    cos = jax.lax.rsqrt(1 + tangent**2)[..., None]
    new_large = cos * (large - (tangent * ratio)[..., None] * small)
    new_small = cos * (small + tangent_by_ratio[..., None] * large)

    top_rows = jnp.where(swapped, new_small, new_large)
    bottom_rows = jnp.where(swapped, new_large, new_small)
    return (top_rows, top_exponents), (bottom_rows, bottom_exponents), jnp.max(cosine)


def _circulate(top, bottom):
    """The next pairing: all places but the first of `top` move on by one, around the two lists."""
    moved_top = jnp.concatenate([top[:, :1], bottom[:, :1], top[:, 1:-1]], axis=1)
    moved_bottom = jnp.concatenate([bottom[:, 1:], top[:, -1:]], axis=1)
    return moved_top, moved_bottom


def _normalised(rows, exponents):
    own = scaled.exponent(rows, -1)
    return scaled.scale(rows, -own[..., None]), jnp.where(own == NEVER, NEVER, exponents + own)
