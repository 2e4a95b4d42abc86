"""Long products of matrices, with singular values that differ by hundreds of decades, none of them lost.

A product formed entry by entry has no small singular values: they drown in the rounding error of the largest one. Here
a product is kept as

    A_k ... A_2 A_1 = Q diag(2^e) T,        Q orthogonal, e integers, rows of T of order one,

so that the decades are in e alone, and a further factor is multiplied onto Q, never onto the decades (Bai, Lee, Li & Xu
2011, doi:10.1016/j.laa.2010.06.023, who sort columns once instead of pivoting at each step of the QR decomposition).

Two things are added for Jacobians. A factor that is graded itself, by saturated or closed gates, is decomposed first
and its rows are sorted, which keeps what Householder's method knows of the small rows. And exponents are integers with
one value for zero, so that a unit that is switched off gives singular values that are exactly zero.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.analysis import jacobi, scaled
from rnnjax.analysis.scaled import NEVER, Array


class Graded(NamedTuple):
    """The matrices `q diag(2^exponents) t`.

    Attributes:
      q: `[rows, n, n]`, orthogonal.
      exponents: `[rows, n]`, integers; `NEVER` stands for a zero.
      t: `[rows, n, n]`, well conditioned, its rows of order one, or zero where the exponent is `NEVER`.
    """

    q: Array
    exponents: Array
    t: Array


def identity(rows: int, n: int, dtype: jnp.dtype) -> Graded:
    """The empty product of `n` by `n` matrices, for each row of a batch."""
    eye = jnp.broadcast_to(jnp.eye(n, dtype=dtype), (rows, n, n))
    return Graded(eye, jnp.zeros((rows, n), jnp.int32), eye)


def decompose(matrix: Array, exponents: Array) -> Graded:
    """`matrix diag(2^exponents)` in graded form, for `matrix [rows, n, n]` and `exponents [rows, n]`.

    The columns are sorted by their norms and decomposed by Householder's method without their exponents, which would
    only be carried along. The rows are sorted for the decomposition as well: the small ones then keep errors that are
    small relative to themselves (Higham 2000, Linear Algebra and its Applications 309:153).
    """
    return jax.vmap(_decompose)(matrix, exponents)


def _decompose(matrix: Array, exponents: Array) -> Graded:
    columns = jnp.argsort(-(scaled.exponent(matrix, 0) + exponents))
    rows = jnp.argsort(-scaled.exponent(matrix, 1))
    q, r = jnp.linalg.qr(matrix[rows][:, columns])
    exponents = exponents[columns]
    r = jnp.where(exponents == NEVER, 0, r)
    own = jnp.max(jnp.where(r == 0, NEVER, jnp.frexp(r)[1] + exponents), axis=1)
    t = scaled.scale(r, exponents - own[:, None])
    return Graded(q[_inverse(rows)], own, t[:, _inverse(columns)])


def _inverse(permutation: Array) -> Array:
    return jnp.zeros_like(permutation).at[permutation].set(jnp.arange(permutation.size, dtype=permutation.dtype))


def multiply(matrix: Array, product: Graded) -> Graded:
    """`matrix @ product`, for `matrix [rows, n, n]`."""
    outer = decompose(matrix, jnp.zeros(matrix.shape[:-1], jnp.int32))
    largest = jnp.max(outer.exponents, axis=-1, keepdims=True)
    middle = scaled.scale(outer.t @ product.q, (outer.exponents - largest)[:, :, None])
    inner = decompose(middle, product.exponents)
    t = inner.t @ product.t
    growth = scaled.exponent(t, -1)
    exponents = jnp.where(growth == NEVER, NEVER, inner.exponents + growth + largest)
    return Graded(outer.q @ inner.q, exponents, scaled.scale(t, -growth[:, :, None]))


def log_singular_values(product: Graded) -> Array:
    """The natural logarithms of the singular values, `[rows, n]` in descending order; that of zero is -inf.

    All of them have a small error relative to themselves, if only `t` is well conditioned (Demmel & Veselic 1992,
    doi:10.1137/0613074). Two QR decompositions come before the rotations and bring most pairs close to orthogonal
    (Drmac & Veselic 2008, doi:10.1137/050639193).
    """

    def transposed(_, state):
        exponents, t = state
        _, exponents, t = decompose(jnp.swapaxes(t, -1, -2), exponents)
        return exponents, t

    exponents, t = jax.lax.fori_loop(0, 2, transposed, (product.exponents, product.t))
    return jacobi.log_singular_values(t, exponents)
