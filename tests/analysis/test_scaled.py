"""Mantissas and exponents: nothing is rounded, and nothing is lost outside the range of floats."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.analysis import scaled

x64 = pytest.mark.usefixtures("x64")
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


@x64
@DTYPES
def test_powers_of_two_are_exact(dtype):
    exponents = np.arange(jnp.finfo(dtype).minexp, jnp.finfo(dtype).maxexp)
    np.testing.assert_array_equal(
        scaled.power_of_two(jnp.asarray(exponents), jnp.dtype(dtype)), np.exp2(exponents).astype(dtype)
    )


@x64
@DTYPES
def test_scaling_forth_and_back_is_the_identity(dtype):
    values = jnp.asarray(np.random.default_rng(0).standard_normal(100), dtype)
    for exponent in (-90, -1, 0, 1, 90):
        np.testing.assert_array_equal(scaled.scale(scaled.scale(values, exponent), -exponent), values)
    assert not np.any(scaled.scale(values, -(10**6)))
    assert np.all(np.isinf(scaled.scale(values, 10**6)))


@x64
@DTYPES
def test_exponents_bound_values(dtype):
    values = jnp.asarray([[1.0, 0.5], [1e-30, -3.0], [0.0, 0.0]], dtype)
    np.testing.assert_array_equal(scaled.exponent(values, -1), [1, 2, scaled.NEVER])


@x64
@DTYPES
def test_norms_and_logarithms_beyond_the_range_of_floats(dtype):
    values = jnp.asarray([[3e-30, 4e-30], [3e30, 4e30], [0.0, 0.0]], dtype)
    exponents = jnp.asarray([-5000, 5000, 7])
    logs = scaled.log(*scaled.norm(values, exponents, -1))
    expected = np.array([np.log(5e-30) - 5000 * np.log(2), np.log(5e30) + 5000 * np.log(2), -np.inf])
    np.testing.assert_allclose(logs, expected, rtol=2 * float(jnp.finfo(dtype).eps))


def test_complex_values():
    values = jnp.asarray([3e30 + 4e30j, 0j])
    np.testing.assert_allclose(scaled.log(*scaled.norm(values, jnp.asarray(0), 0)), np.log(5e30), rtol=1e-6)
    assert scaled.exponent(values) == scaled.exponent(jnp.asarray(4e30))
