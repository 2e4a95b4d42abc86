"""Distributions of initial parameters: many draws of a cell's, and the moments and tests by which they are held."""

from __future__ import annotations

import functools

import jax
import numpy as np
from scipy import stats

INPUTS, FEATURES, DRAWS = 24, 16, 40
KEY = jax.random.key(0)
# The keys are fixed, so a test that passes goes on passing; a right distribution fails one of these at odds of 1e-4.
SIGNIFICANCE = 1e-4


@functools.cache
def drawn(cell):
    """Many draws of a cell's parameters, by gate: `{name: {gate: [draws, ...]}}`."""
    # Not under `jit`: the same few operations serve all cells, and are compiled once.
    params = jax.device_get(jax.vmap(lambda key: cell.init(key, INPUTS))(jax.random.split(KEY, DRAWS)))
    return {
        name: dict(zip(cell.gates, np.split(leaf, len(cell.gates), axis=-1), strict=True))
        for name, leaf in params.items()
        if leaf.shape[-1] == len(cell.gates) * FEATURES
    } | {"plain": params}


def uniform(bound):
    return stats.uniform(-bound, 2 * bound)


def sum_of_two_uniforms(bound):
    return stats.triang(0.5, -2 * bound, 4 * bound)


def truncated_normal(std):
    """Normal, cut at two of its own standard deviations, then scaled so that `std` is that of the result."""
    cut = stats.truncnorm(-2, 2)
    return stats.truncnorm(-2, 2, scale=std / cut.std())


def glorot(fan_in, fan_out):
    return uniform(np.sqrt(6 / (fan_in + fan_out)))


def assert_distributed(values, expected):
    """Values are equal to a number, or drawn from a distribution: shape by KS test, mean, variance and support."""
    values = np.ravel(values).astype(np.float64)
    if isinstance(expected, float):
        assert np.all(values == expected)
        return
    low, high = expected.support()
    margin = 1e-6 * max(1.0, abs(expected.std()))
    assert values.min() >= low - margin and values.max() <= high + margin
    assert stats.kstest(values, expected.cdf).pvalue > SIGNIFICANCE
    assert abs(values.mean() - expected.mean()) < 5 * expected.std() / np.sqrt(values.size)
    kurtosis = 3 + float(expected.stats(moments="k"))
    assert abs(values.var() / expected.var() - 1) < 5 * np.sqrt((kurtosis - 1) / values.size)


def assert_orthogonal(matrices, scale=1.0):
    """W^T W = scale^2 I for each matrix, to the rounding of float32."""
    gram = np.swapaxes(matrices, -1, -2) @ matrices
    np.testing.assert_allclose(gram, np.broadcast_to(scale**2 * np.eye(gram.shape[-1]), gram.shape), atol=5e-6)


def assert_independent(by_gate):
    """No two gates' blocks are correlated beyond chance."""
    flat = [np.ravel(block) for block in by_gate.values()]
    for index, one in enumerate(flat):
        for other in flat[:index]:
            assert abs(np.corrcoef(one, other)[0, 1]) < 5 / np.sqrt(one.size)
