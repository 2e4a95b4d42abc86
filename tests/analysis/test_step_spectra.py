"""Single steps: linear networks, a tanh network's determinant in closed form, NumPy, and Lyapunov exponents."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.networks import linear, network, orthogonal
from analysis.test_jacobian import NARROW
from catalog import FLOAT64, Entry
from sequences import LENGTHS, RESETS, example, padded

from rnnjax import GRU, Elman, InputError, unroll
from rnnjax.analysis import lyapunov_spectrum, step_jacobians, step_spectra

x64 = pytest.mark.usefixtures("x64")
_spectra_of = jax.jit(step_spectra, static_argnames="cell")
_jacobians_of = jax.jit(step_jacobians, static_argnames="cell")


@x64
def test_linear_networks():
    """Radius, norm and determinant are those of the recurrent matrix in each step: here (g Q) and a shear."""
    found = _spectra_of(*linear(0.7 * orthogonal(4), 5))
    for logs, expected in zip(found, (np.log(0.7), np.log(0.7), 4 * np.log(0.7)), strict=True):
        np.testing.assert_allclose(logs, np.full((2, 5), expected), rtol=1e-12)
    shear = np.array([[0.5, 3.0], [0.0, -0.8]])
    found = _spectra_of(*linear(shear, 5))
    np.testing.assert_allclose(np.exp(found.log_radius), 0.8, rtol=1e-12)
    np.testing.assert_allclose(np.exp(found.log_norm), np.linalg.norm(shear, 2), rtol=1e-12)
    np.testing.assert_allclose(np.exp(found.log_det), 0.4, rtol=1e-12)


@x64
def test_a_tanh_network():
    """log |det J_t| = log |det U| + sum log(1 - h_t^2), and its mean is the sum of the Lyapunov exponents."""
    cell, params, xs = network(Elman(4, precision=FLOAT64), 30)
    found = _spectra_of(cell, params, xs)
    _, ys = unroll(cell, params, xs)
    _, log_det = np.linalg.slogdet(params["recurrent_kernel"])
    np.testing.assert_allclose(found.log_det, log_det + np.log1p(-(np.asarray(ys) ** 2)).sum(-1), rtol=1e-10)
    exponents = lyapunov_spectrum(cell, params, xs).exponents
    np.testing.assert_allclose(found.log_det.mean(-1), exponents.sum(-1), rtol=1e-9)


BRIEF = ("gru", "lru")


def cases():
    marks = [pytest.mark.exhaustive, pytest.mark.slow]
    return [pytest.param(entry, id=str(entry), marks=[] if entry.name in BRIEF else marks) for entry in NARROW]


@x64
@pytest.mark.parametrize("entry", cases())
def test_equals_numpy(entry: Entry):
    """On the Jacobians of each step; padding is the identity, and a fresh start forgets everything."""
    cell, params, xs, carry, _ = example(entry)
    given = dict(lengths=LENGTHS, resets=RESETS)
    found = jax.device_get(_spectra_of(cell, params, xs, carry, **given))
    jacobians = np.asarray(_jacobians_of(cell, params, xs, carry, **given))
    size = np.linalg.norm(jacobians, axis=(-1, -2))
    radius = np.abs(np.linalg.eigvals(jacobians)).max(-1)
    # An eigenvalue of a matrix far from normal is known to a root of the rounding error; see the docstring.
    np.testing.assert_allclose(np.exp(found.log_radius), radius, rtol=1e-8, atol=1e-3 * size.max())
    np.testing.assert_allclose(np.exp(found.log_norm), np.linalg.norm(jacobians, 2, axis=(-1, -2)), rtol=1e-9)
    _, log_det = np.linalg.slogdet(jacobians)
    known = np.linalg.cond(jacobians) < 1e8
    np.testing.assert_allclose(found.log_det[known], log_det[known], rtol=1e-6, atol=1e-9)
    for logs in found:
        np.testing.assert_array_equal(logs[padded()], 0)
        assert np.all(np.isneginf(logs[RESETS & ~padded()]))
    assert np.all(found.log_radius <= found.log_norm + 1e-6)


def test_any_batch_shape_and_nan():
    cell, params, xs = network(GRU(3), 4)
    flat = _spectra_of(cell, params, xs)
    found = _spectra_of(cell, params, xs[:, None])
    for logs, expected in zip(found, flat, strict=True):
        assert logs.shape == (2, 1, 4)
        np.testing.assert_allclose(logs[:, 0], expected, rtol=1e-4, atol=1e-5)
    broken = _spectra_of(cell, params, jnp.asarray(xs).at[0, 2].set(jnp.nan))
    for logs in broken:
        assert np.all(np.isnan(logs[0, 2:])) and np.all(np.isfinite(logs[1]))


def test_errors_name_the_argument():
    cell, params, xs = network(GRU(3), 4)
    with pytest.raises(InputError, match="params"):
        step_spectra(GRU(5), params, xs)
