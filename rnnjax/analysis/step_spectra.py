"""How much a single step stretches, along a run: spectral radius, norm and determinant of its Jacobian."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.analysis.jacobian import jacobian_at
from rnnjax.analysis.trajectory import Trajectory, record
from rnnjax.cell import Cell

Array = jax.Array
PyTree = Any


class StepSpectra(NamedTuple):
    """Three numbers for the Jacobian `J_t` of each step, as natural logarithms `[*batch, time]`; -inf for zero.

    Attributes:
      log_radius: of the spectral radius, the largest modulus of an eigenvalue.
      log_norm: of the spectral norm, the largest singular value.
      log_det: of |det J_t|, by which a step changes volumes.
    """

    log_radius: Array
    log_norm: Array
    log_det: Array


def step_spectra(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    carry: PyTree | None = None,
    *,
    lengths: Any = None,
    resets: Any = None,
    key: Array | None = None,
) -> StepSpectra:
    """Whether single steps of a run shrink or stretch perturbations of the state.

        rho(J_t) <= |J_t|,      |det J_t| <= |J_t|^n,      J_t = dh_t/dh_t-1

    A norm below 1 in every step is enough for gradients to vanish, and one above 1 is necessary for them to explode
    (Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063, section 2.1). The radius says what many steps with this Jacobian
    would come to; where it lies far below the norm, the Jacobian is far from normal, and perturbations grow before they
    shrink. The mean over time of the logarithm of the determinant is the sum of all Lyapunov exponents.

    Eigenvalues of a matrix far from normal are known to less than its rounding error: those of an n-step delay line,
    all zero, come out as large as eps^(1/n).

    Args:
      cell: the cell.
      params: from `cell.init`.
      xs: inputs `[*batch, time, in_features]`, or a pytree of such arrays.
      carry: the state before the first step; `None` is the initial carry.
      lengths: `[*batch]` ints; past a row's length the state stays, and all three logarithms are 0.
      resets: `[*batch, time]` bools; the Jacobian of a step that starts afresh is zero.
      key: draws dropout masks, one a sequence; without one the cell is deterministic.

    Returns:
      The logarithms, step by step.

    Raises:
      InputError: an argument that does not fit the cell, as in `rnnjax.unroll`.
    """
    return _step_spectra(cell.dynamics, record(cell, params, xs, carry, lengths, resets, key))


@functools.partial(jax.jit, static_argnums=0)
def _step_spectra(cell: Cell, run: Trajectory) -> StepSpectra:
    def at(moment):
        jacobian = jacobian_at(cell, run, moment)
        radius = jnp.max(jnp.abs(_eigenvalues(jacobian)), axis=-1)
        norm = jnp.linalg.svd(jacobian, compute_uv=False)[..., 0]
        return jnp.log(radius), jnp.log(norm), jnp.linalg.slogdet(jacobian)[1]

    with jax.default_matmul_precision("highest"):
        return StepSpectra(*(jnp.moveaxis(logs, 0, -1) for logs in jax.lax.map(at, run.moments)))


def _eigenvalues(matrices: Array) -> Array:
    """Of matrices `[..., n, n]`: NaN for one that is not finite. Accelerators leave them to the host."""
    if jax.default_backend() == "cpu":
        return jnp.linalg.eigvals(matrices)
    dtype = jnp.result_type(matrices.dtype, jnp.complex64)
    shape = jax.ShapeDtypeStruct(matrices.shape[:-1], dtype)
    return jax.pure_callback(functools.partial(_on_the_host, dtype), shape, matrices, vmap_method="broadcast_all")


def _on_the_host(dtype: Any, matrices: Any) -> np.ndarray:
    matrices = np.asarray(matrices)
    finite = np.isfinite(matrices).all(axis=(-1, -2))[..., None]
    found = np.linalg.eigvals(np.where(finite[..., None], matrices, 0)).astype(dtype)
    return np.where(finite, found, np.nan).astype(dtype)
