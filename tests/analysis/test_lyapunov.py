"""Lyapunov exponents: networks whose exponents are known, determinants, finite differences, and the dimension."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.networks import linear, network, orthogonal
from catalog import FLOAT64, every_registered_computation
from sequences import HALF, LENGTHS, drawn_like, example, inner, plus

from rnnjax import GRU, LRU, LSTM, Elman, InputError
from rnnjax.analysis import (
    entropy_rate,
    flossing_loss,
    kaplan_yorke_dimension,
    lyapunov_figure,
    lyapunov_spectrum,
    step_jacobians,
    style,
)

x64 = pytest.mark.usefixtures("x64")


def with_eigenvalues(moduli):
    """A matrix with these real eigenvalues, far from normal."""
    vectors = np.random.default_rng(0).standard_normal((len(moduli), len(moduli)))
    return vectors @ np.diag(moduli) @ np.linalg.inv(vectors)


# --- closed forms ------------------------------------------------------------------------------------------------


@x64
@pytest.mark.parametrize(("gain", "every"), [(0.9, 1), (1.1, 7)])
def test_linear_orthogonal_network(gain, every):
    """All exponents are log(gain), at all times, and there is no doubt about them."""
    found = lyapunov_spectrum(*linear(gain * orthogonal(6), 71), every=every)
    np.testing.assert_allclose(found.exponents, np.full((2, 6), np.log(gain)), atol=1e-14)
    np.testing.assert_allclose(found.running, np.full((2, len(found.steps), 6), np.log(gain)), atol=1e-14)
    np.testing.assert_allclose(found.standard_errors, 0, atol=1e-14)
    assert found.steps.tolist() == [*range(every, 71, every), 71]


@x64
@pytest.mark.parametrize("count", [4, 2])
def test_linear_network_has_the_logarithms_of_its_eigenvalues(count):
    """Of those of largest modulus if not all are asked for, whether rows are padded or not."""
    moduli = [1.5, -1.0, 0.6, 0.3]
    cell, params, xs = linear(with_eigenvalues(moduli), 200, (3,))
    found = lyapunov_spectrum(cell, params, xs, count, burn_in=90, every=7, lengths=jnp.array([200, 150, 90]))
    expected = np.log(np.abs(moduli))[:count]
    np.testing.assert_allclose(found.exponents[:2], [expected] * 2, rtol=0, atol=1e-9)
    assert np.all(np.isnan(found.exponents[2]))


@x64
def test_tanh_network_at_rest():
    """At the fixed point 0 a network without input has the exponents of its matrix."""
    moduli = 0.9 * np.array([1.0, 0.8, 0.6, 0.4, 0.2])
    cell, params, xs = network(Elman(5, precision=FLOAT64), 300, ())
    params = {**params, "bias": jnp.zeros(5), "recurrent_kernel": jnp.asarray(with_eigenvalues(moduli)).T}
    found = lyapunov_spectrum(cell, params, 0 * xs, burn_in=150)
    np.testing.assert_allclose(found.exponents, np.log(moduli), rtol=1e-6)
    assert kaplan_yorke_dimension(found.exponents) == entropy_rate(found.exponents) == 0


@x64
def test_chaos_needs_a_gain_above_one():
    """Sompolinsky, Crisanti & Sommers 1988: h' = tanh(J h) with J of variance g^2 / N rests below g = 1."""
    draw = np.random.default_rng(3).standard_normal((60, 60)) / np.sqrt(60)
    largest = []
    for gain in (0.5, 2.0):
        cell, params, xs = network(Elman(60, precision=FLOAT64), 600, ())
        params = {**params, "bias": jnp.zeros(60), "recurrent_kernel": jnp.asarray(gain * draw)}
        start = cell.initial_carry()._replace(h=jnp.asarray(np.random.default_rng(4).uniform(-1, 1, 60)))
        found = lyapunov_spectrum(cell, params, 0 * xs, 8, start, burn_in=200, every=4)
        largest.append(float(found.exponents[0]))
        assert found.standard_errors[0] < 0.05
    assert largest[0] == pytest.approx(np.log(0.5 * np.max(np.abs(np.linalg.eigvals(draw)))), abs=0.02)
    assert largest[1] > 0.05


@x64
def test_diagonal_networks_have_their_largest_exponents_found():
    """Where no perturbation mixes units, the largest exponents are those of the slowest units."""
    cell, params, xs = network(LRU(4, state_features=6, precision=FLOAT64), 400, ())
    found = lyapunov_spectrum(cell, params, xs, 2, burn_in=300)
    moduli = np.abs(np.linalg.eigvals(step_jacobians(cell, params, xs[:1])[0]))
    np.testing.assert_allclose(found.exponents, np.log(np.sort(moduli)[::-1][:2]), rtol=1e-3)


# --- laws --------------------------------------------------------------------------------------------------------


@x64
@every_registered_computation
def test_all_exponents_sum_to_the_mean_determinant(entry):
    """sum of lambda_i = mean of log |det J_t| over the valid steps, where no step is singular to rounding.

    Of a state of thousands of numbers the first exponents are computed only.
    """
    cell, params, xs, carry, key = example(entry)
    n = sum(leaf[0].size for leaf in jax.tree.leaves(carry))
    count = n if n < 500 else 3
    found = lyapunov_spectrum(cell, params, xs, count, carry, burn_in=1, lengths=LENGTHS, key=key)
    exponents = np.asarray(found.exponents)
    assert exponents.shape == (len(LENGTHS), count)
    jacobians = np.asarray(step_jacobians(cell, params, xs, carry, key=key)) if count == n else None
    assert np.all(np.isnan(exponents[1]))  # a row without steps
    for row, length in ((0, LENGTHS[0]), (2, HALF)):
        assert np.all(exponents[row, 1:] <= exponents[row, :-1])  # nor is any of them NaN
        if jacobians is None:
            continue
        steps = jacobians[row, 1:length]
        if np.max(np.linalg.cond(steps)) < 1e8:
            expected = np.linalg.slogdet(steps)[1].mean()
            np.testing.assert_allclose(exponents[row].sum(), expected, rtol=1e-7, atol=1e-6)


@x64
@pytest.mark.parametrize("cell", [Elman(4, precision=FLOAT64), LSTM(3, precision=FLOAT64)], ids=["elman", "lstm"])
def test_flossing_loss_agrees_with_finite_differences(cell):
    cell, params, xs = network(cell, 12)
    loss = jax.jit(lambda params: flossing_loss(cell, params, xs, 3, every=2, burn_in=2, lengths=jnp.array([12, 9])))
    gradient = jax.jit(jax.grad(loss))(params)
    along = drawn_like(params, 5)
    moved = [float(loss(plus(params, step, along))) for step in (1e-5, -1e-5)]
    assert inner(gradient, along) == pytest.approx((moved[0] - moved[1]) / 2e-5, rel=1e-6)


def test_flossing_pushes_exponents_to_zero():
    cell, params, xs = network(GRU(6), 30)
    step = jax.jit(jax.value_and_grad(lambda params: flossing_loss(cell, params, xs, 3)))
    first, _ = step(params)
    for _ in range(40):
        _, gradient = step(params)
        params = jax.tree.map(lambda leaf, slope: leaf - 0.1 * slope, params, gradient)
    assert step(params)[0] < 0.2 * first


def test_rows_are_their_own():
    """A row has the exponents that it has alone, whatever its batch axes."""
    cell, params, xs = network(GRU(4), 20, (2, 1))
    found = lyapunov_spectrum(cell, params, xs, 2)
    assert found.exponents.shape == (2, 1, 2) and found.running.shape == (2, 1, 20, 2)
    alone = lyapunov_spectrum(cell, params, xs[1, 0], 2)
    np.testing.assert_allclose(found.exponents[1, 0], alone.exponents, rtol=1e-4)
    np.testing.assert_allclose(found.standard_errors[1, 0], alone.standard_errors, rtol=1e-3)


@x64
def test_standard_errors_cover_the_truth():
    """Of estimates from short runs the spread is what their standard errors say."""
    cell, params, xs = network(Elman(3, precision=FLOAT64), 300, (60,))
    found = lyapunov_spectrum(cell, params, xs, 1, burn_in=20)
    spread, stated = np.std(found.exponents), np.sqrt(np.mean(np.square(found.standard_errors)))
    assert 0.7 < stated / spread < 1.4


# --- dimension and entropy ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exponents", "dimension", "entropy"),
    [
        ([0.9, 0.0, -14.57], 2 + 0.9 / 14.57, 0.9),  # the Lorenz attractor
        ([-0.1, -0.2], 0.0, 0.0),
        ([0.0, -1.0], 1.0, 0.0),
        ([0.5, 0.25], 2.0, 0.75),
        ([0.2, -np.inf], 1.0, 0.2),
        ([0.3, 0.1, -0.2, -0.4], 3 + 0.2 / 0.4, 0.4),
    ],
)
def test_dimension_and_entropy(exponents, dimension, entropy):
    rows = np.array([exponents, exponents])
    np.testing.assert_allclose(kaplan_yorke_dimension(rows), [dimension] * 2, rtol=1e-6)
    np.testing.assert_allclose(entropy_rate(rows), [entropy] * 2, rtol=1e-6)


# --- use ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (dict(count=0), r"count: got 0, expected an int in 1\.\.4"),
        (dict(count=5), r"count: got 5, expected an int in 1\.\.4"),
        (dict(every=0), r"every: got 0, expected an int in 1\.\.6"),
        (dict(burn_in=6), r"burn_in: got 6, expected an int in 0\.\.5"),
        (dict(burn_in=True), r"burn_in: got True"),
    ],
)
def test_arguments_are_checked(given, expected):
    with pytest.raises(InputError, match=expected):
        lyapunov_spectrum(*network(GRU(4), 6), **given)
    with pytest.raises(InputError, match="exponents: "):
        kaplan_yorke_dimension(1.0)


def test_figure_of_any_values():
    spectra = {
        "plain": np.linspace(0.1, -3, 20) * np.ones((3, 1)),
        "zeros": np.array([[0.1, -1, -np.inf], [-np.inf] * 3]),
        "nan": np.full((2, 3), np.nan),
        "one": np.array([0.5]),
    }
    style.svg(lyapunov_figure(spectra, title="Title"))
    drawn = lyapunov_figure({"plain": spectra["plain"]})
    line = next(line for line in drawn.axes[0].lines if np.size(line.get_xdata()) == 20)
    np.testing.assert_allclose(
        np.asarray(line.get_xydata()), np.stack([np.arange(1, 21) / 20, np.linspace(0.1, -3, 20)], 1)
    )
    for wrong in ({}, {"a": np.zeros((2, 0))}):
        with pytest.raises(InputError, match="spectra"):
            lyapunov_figure(wrong)
