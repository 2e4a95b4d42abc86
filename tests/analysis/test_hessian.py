"""Curvature: quadratics with known spectra, a dense Hessian of a small LSTM, finite differences, and every cell."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import references
from analysis.networks import network, orthogonal
from catalog import FLOAT64, REGISTERED
from jax.flatten_util import ravel_pytree
from sequences import LENGTHS, example

from rnnjax import LRU, LSTM, InputError, unroll
from rnnjax.analysis import (
    SpectralDensity,
    hessian_spectrum,
    hessian_vector_product,
    spectral_density,
    spectral_density_figure,
    style,
)

x64 = pytest.mark.usefixtures("x64")


def quadratic(values):
    """L = theta^T A theta / 2 with these eigenvalues of A, over two arrays; and A."""
    n = len(values)
    turned = orthogonal(n)
    matrix = turned * np.asarray(values) @ turned.T
    params = {"a": jnp.ones(2), "b": jnp.arange(float(n - 2)).reshape(-1, 1)}

    def loss(params):
        flat = ravel_pytree(params)[0]
        return flat @ jnp.asarray(matrix) @ flat / 2

    return loss, params, matrix


@x64
def test_known_spectrum():
    """Of a quadratic, all of it: multiple eigenvalues come as often as they are, with orthogonal eigenvectors.

    A Krylov space holds one vector of an eigenspace: the method has to go on from there by itself.
    """
    values = [5.0, 4.0, 4.0, 4.0, 1.0, 1.0, 0.0, -2.0, -2.0]
    loss, params, matrix = quadratic(values)
    found = hessian_spectrum(loss, params, 9, which="largest")
    np.testing.assert_allclose(found.eigenvalues, values, atol=1e-12)
    vectors = jax.vmap(lambda tree: ravel_pytree(tree)[0])(found.eigenvectors)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(9), atol=1e-10)
    np.testing.assert_allclose(vectors @ matrix, np.asarray(values)[:, None] * vectors, atol=1e-10)
    assert found.eigenvectors["b"].shape == (9, 7, 1) and np.all(found.residuals < 1e-10)


@x64
def test_residuals_tell_whether_it_has_converged():
    """Eigenvalues close to each other need more iterations; the error is below the residual, |H v - l v|."""
    loss, params, matrix = quadratic(np.concatenate([np.linspace(0, -1, 60), [-1.02]]))
    found = hessian_spectrum(loss, params, iterations=8)
    assert abs(found.eigenvalues[0] + 1.02) <= found.residuals[0] and found.residuals[0] > 1e-3
    v = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], found.eigenvectors))[0]
    np.testing.assert_allclose(np.linalg.norm(matrix @ v - found.eigenvalues[0] * v), found.residuals[0], rtol=1e-9)


def loss_of(cell, xs, **given):
    """A loss of all outputs of a run."""
    targets = jnp.asarray(np.random.default_rng(5).standard_normal(cell.output_features))

    def loss(params):
        _, ys = unroll(cell, params, xs, **given)
        return jnp.mean(jnp.square(ys - targets.astype(ys.dtype)))

    return loss


@x64
def test_a_dense_hessian():
    """All eigenvalues of the loss of a small LSTM are those of `jax.hessian`."""
    cell, params, xs = network(LSTM(2, precision=FLOAT64), 6, (3,), 1)
    loss = loss_of(cell, xs)
    flat, restore = ravel_pytree(params)
    dense = jax.jit(jax.hessian(lambda flat: loss_of(cell, xs, hoist=False)(restore(flat))))(flat)
    expected = np.linalg.eigvalsh(dense)
    found = hessian_spectrum(loss, params, len(flat), which="smallest")
    np.testing.assert_allclose(found.eigenvalues, expected, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(found.eigenvalues[0], expected[0], rtol=1e-9)


def check_against_differences(cell, params, xs, **given):
    """H v is the change of the gradient along v."""
    loss = loss_of(cell, xs, **given)
    rng = np.random.default_rng(7)
    direction = jax.tree.map(lambda leaf: jnp.asarray(rng.standard_normal(np.shape(leaf)), leaf.dtype), params)
    product = jax.jit(lambda params: hessian_vector_product(loss, params, direction))(params)
    gradient = jax.jit(jax.grad(loss))
    ends = (gradient(jax.tree.map(lambda leaf, d, e=e: leaf + e * d, params, direction)) for e in (1e-6, -1e-6))
    slope, found = (ravel_pytree(tree)[0] for tree in (jax.tree.map(lambda a, b: (a - b) / 2e-6, *ends), product))
    assert np.linalg.norm(found) > 0
    np.testing.assert_allclose(found, slope, atol=1e-6 * np.linalg.norm(slope))


@x64
def test_differences_of_gradients():
    """Of a cell whose engine has a backward pass of its own."""
    check_against_differences(*network(LRU(3, precision=FLOAT64), 7))


@x64
@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize("entry", REGISTERED, ids=str)
def test_every_cell(entry):
    if "1" in references.FLAT.get(entry.name, ()):
        pytest.skip("the state changes in jumps, and has no derivative but zero")
    cell, params, xs, _, _ = example(entry)
    check_against_differences(cell, params, xs, lengths=LENGTHS)


# --- density -----------------------------------------------------------------------------------------------------


@x64
def test_moments_of_a_diagonal_are_exact():
    """v^T A^k v of a probe of signs is the mean of lambda^k if A is diagonal, whatever the signs, up to k = 2 m - 1."""
    values = jnp.asarray([3.0, 2.5, 1.0, 0.3, 0.2, 0.1, -0.5, -2.0])
    found = spectral_density(lambda params: jnp.sum(values * params**2) / 2, jnp.ones(8), probes=3, iterations=4)
    assert found.nodes.shape == found.weights.shape == (3, 4) and found.size == 8
    for power in range(8):
        moments = np.sum(found.weights * found.nodes**power, axis=1)
        np.testing.assert_allclose(moments, [np.mean(values**power)] * 3, rtol=1e-9)


@x64
def test_moments_of_a_matrix_within_their_error():
    """Mean and mean square of the eigenvalues, against four standard errors of the mean over probes."""
    values = np.random.default_rng(3).standard_normal(40) * 2 + 1
    loss, params, _ = quadratic(values)
    found = spectral_density(loss, params, probes=60, iterations=10)
    for power in (1, 2):
        moments = np.sum(found.weights * found.nodes**power, axis=1)
        assert abs(moments.mean() - np.mean(values**power)) < 4 * moments.std() / np.sqrt(60)
    points = np.linspace(-15, 15, 3001)
    density = found.at(points, 0.2)
    assert np.sum(density) * 0.01 == pytest.approx(1, rel=1e-6)
    assert np.sum(density * points) * 0.01 == pytest.approx(float(np.mean(found.weights * found.nodes)) * 10, rel=1e-6)


# --- the rest ----------------------------------------------------------------------------------------------------


def test_nan():
    """A loss that is not a number has no spectrum, and says so."""
    loss, params, _ = quadratic([5.0, 1.0, 0.0, -3.0])
    assert np.all(np.isnan(hessian_spectrum(lambda params: jnp.sqrt(-1 - loss(params)), params).eigenvalues))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (dict(count=5), r"count: got 5, expected an int in 1\.\.4"),
        (dict(which="all"), "which: got 'all', expected one of magnitude, largest, smallest"),
        (dict(count=3, iterations=2), "iterations: got 2, expected an int of at least 3"),
    ],
)
def test_arguments_are_checked(given, expected):
    loss, params, _ = quadratic([1.0, 2.0, 3.0, 4.0])
    with pytest.raises(InputError, match=expected):
        hessian_spectrum(loss, params, **given)
    with pytest.raises(InputError, match=r"loss: got shape \(2,\) and dtype float32, expected a function"):
        hessian_spectrum(lambda params: params["a"], params)
    with pytest.raises(InputError, match=r"params: got .*, expected at least one array of floats"):
        hessian_spectrum(lambda params: jnp.zeros(()), {"steps": jnp.arange(3)})
    with pytest.raises(InputError, match=r"direction: got shape \(3,\), expected shape \(2,\)"):
        hessian_vector_product(loss, params, {**params, "a": jnp.ones(3)})
    with pytest.raises(InputError, match="probes: got 0"):
        spectral_density(loss, params, probes=0)


def test_figure():
    found = SpectralDensity(np.array([[-3.0, 0.0, 5.0]]), np.array([[0.25, 0.5, 0.25]]), 4)
    figure = spectral_density_figure({"one": found, "other": found}, title="Title")
    assert figure.axes[0].get_yscale() == "log"
    style.svg(figure)
    style.svg(spectral_density_figure({"nan": found._replace(nodes=found.nodes * np.nan)}))
    with pytest.raises(InputError, match="width"):
        found.at([0.0], 0.0)
