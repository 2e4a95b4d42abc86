"""Memory: shift registers, the bound on capacity, leaky units in closed form, and half-lives of known decays."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from analysis.networks import linear, network, orthogonal

from rnnjax import GRU, InputError
from rnnjax.analysis import gradient_flow, gradient_half_life, memory_capacity, memory_figure, style

x64 = pytest.mark.usefixtures("x64")


def reservoir(recurrent, time, rows=1, inputs=1, seed=0):
    """h' = U h + x in the first units, without a bias."""
    cell, params, _ = linear(recurrent, 2)
    xs = np.random.default_rng(seed).standard_normal((rows, time, inputs))
    kernel = jnp.eye(inputs, len(recurrent))
    return cell, {**params, "kernel": kernel, "bias": jnp.zeros(len(recurrent))}, jnp.asarray(xs)


def delay_line(features):
    """Each unit takes over what the one before it held."""
    return np.eye(features, k=-1)


# --- capacity ----------------------------------------------------------------------------------------------------


@x64
def test_a_delay_line_remembers_as_many_inputs_as_it_has_units():
    """R^2 is 1 up to lag n - 1, and nothing beyond."""
    found = memory_capacity(*reservoir(delay_line(6), 2000, rows=3), max_lag=12)
    assert found.lags.tolist() == list(range(13)) and found.r_squared.shape == (13, 1)
    np.testing.assert_allclose(found.r_squared[:6, 0], 1, rtol=1e-6)
    assert np.all(np.abs(found.r_squared[6:]) < 0.02)
    assert found.capacity == pytest.approx(6, abs=0.05)


@x64
def test_two_inputs_share_the_units():
    found = memory_capacity(*reservoir(np.eye(6, k=-2), 1500, inputs=2), max_lag=5)
    np.testing.assert_allclose(found.r_squared[:3], np.ones((3, 2)), rtol=1e-6)
    assert np.all(np.abs(found.r_squared[3:]) < 0.03)


@x64
@pytest.mark.parametrize("gain", [0.8, 0.95])
def test_capacity_of_a_linear_network_is_its_size(gain):
    """Jaeger 2001: n in all, however it is spread over lags. R^2_k is v^T C^-1 v, v = U^k w, C the covariance."""
    recurrent = gain * orthogonal(4)
    cell, params, xs = reservoir(recurrent, 10_000)
    found = memory_capacity(cell, params, xs, max_lag=60, burn_in=200)
    traces = [np.linalg.matrix_power(recurrent, lag) @ np.eye(4)[0] for lag in range(400)]
    covariance = sum(np.outer(trace, trace) for trace in traces)
    expected = [trace @ np.linalg.solve(covariance, trace) for trace in traces[:61]]
    np.testing.assert_allclose(found.r_squared[:, 0], expected, atol=0.03)
    assert found.capacity == pytest.approx(4, abs=0.3)


@x64
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_ring_of_delays(noise):
    """A gain a on a cyclic shift of n units keeps x_t-k in unit k mod n, under what it has kept since and under noise.

    The orthogonal shift register of White, Lee & Sompolinsky 2004 (doi:10.1103/PhysRevLett.92.148102), with noise of
    variance e in each unit and step: R^2_k = a^2k / (a^2j / (1 - a^2n) + e / (1 - a^2)), j = k mod n. Without noise the
    sum is n.
    """
    n, square = 4, 0.8
    ring = np.sqrt(square) * np.roll(np.eye(n), 1, axis=0)
    cell, params, xs = reservoir(ring, 20_000, inputs=n + 1)  # the last n are the noise
    params["kernel"] = jnp.concatenate([jnp.eye(1, n), noise**0.5 * jnp.eye(n)])
    found = memory_capacity(cell, params, xs, max_lag=20, burn_in=100)
    lags = np.arange(21)
    kept = square ** (lags % n) / (1 - square**n) + noise / (1 - square)
    np.testing.assert_allclose(found.r_squared[:, 0], square**lags / kept, atol=0.02)
    if not noise:
        assert np.maximum(found.r_squared[:, 0], 0).sum() == pytest.approx(n * (1 - square**21), abs=0.3)


@x64
def test_a_leaky_unit():
    """h' = l h + x has variance 1 / (1 - l^2), so that R^2_k = (1 - l^2) l^(2k): one unit holds one input in all."""
    cell, params, xs = reservoir(np.array([[0.9]]), 20_000)
    found = memory_capacity(cell, params, xs, max_lag=30, burn_in=100)
    np.testing.assert_allclose(found.r_squared[:, 0], 0.19 * 0.81 ** np.arange(31), atol=0.02)


@x64
def test_a_readout_is_not_measured_on_what_it_was_fitted_to():
    """Of noise nothing is found, although there are nearly as many units as steps; a strong ridge helps."""
    cell, params, xs = network(GRU(20), 100, (1,))
    params = {**params, "kernel": 0 * params["kernel"]}  # the state does not see the inputs
    found = memory_capacity(cell, params, xs, max_lag=3)
    assert np.all(found.r_squared < 0.05)


def test_single_precision_and_constants():
    """In float32 an input is read as well; one that is constant has nothing to remember."""
    cell, params, xs = linear(np.zeros((4, 4)), 40, precision="float32")
    params = {**params, "kernel": jnp.eye(3, 4), "bias": jnp.ones(4)}
    xs = xs.at[..., 1].set(0.5)
    found = memory_capacity(cell, params, xs, max_lag=1)
    np.testing.assert_allclose(found.r_squared[0], [1, 0, 1], atol=1e-4)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (dict(max_lag=-1), r"max_lag: got -1, expected an int in 0\.\.7"),
        (dict(max_lag=3, burn_in=8), r"burn_in: got 8, expected an int in 0\.\.7"),
        (dict(max_lag=3, held_out=1.0), r"held_out: got 1\.0, expected a share in \(0, 1\)"),
        (dict(max_lag=3, ridge=-1.0), r"ridge: got -1\.0"),
        (dict(max_lag=6), r"xs: got '8 steps', expected more, 6 of them do not count"),
    ],
)
def test_arguments_are_checked(given, expected):
    with pytest.raises(InputError, match=expected):
        memory_capacity(*network(GRU(3), 8), **given)


# --- half-life ---------------------------------------------------------------------------------------------------


@x64
def test_half_life_of_a_linear_network():
    """g^k has halved after log 2 / -log g steps, whatever the length of the row; a gradient that grows never does."""
    lengths = jnp.array([100, 40])
    found = gradient_half_life(gradient_flow(*linear(0.9 * orthogonal(6), 100), lengths=lengths))
    expected = [np.log(2) / -np.log(0.9)] * 2
    np.testing.assert_allclose(found.crossing, expected, rtol=1e-9)
    np.testing.assert_allclose(found.slope, expected, rtol=1e-9)
    grown = gradient_half_life(gradient_flow(*linear(1.1 * orthogonal(6), 10)))
    assert np.all(np.isposinf(grown.crossing)) and np.all(np.isposinf(grown.slope))


@x64
def test_half_life_of_any_values():
    """By hand: first crossing from the loss backwards, a fall to zero, no gradient at all, one step, and NaN."""
    inf, nan, half = np.inf, np.nan, np.log(2)
    logs = np.array(
        [
            [0, -3, -1, -0.2, 0, -inf],
            [-inf, -inf, -inf, -inf, 0, 0],
            [-inf] * 6,
            [-inf, -inf, 0, -inf, -inf, -inf],
            [0, 0, nan, 0, 0, 0],
            [-5 * half, -4 * half, -3 * half, -2 * half, -half, 0],
        ]
    )
    found = gradient_half_life(logs)
    np.testing.assert_allclose(found.crossing, [1 + (half - 0.2) / 0.8, 2, nan, 1, nan, 1], rtol=1e-12)
    np.testing.assert_allclose(found.slope[1:], [inf, nan, inf, nan, 1], rtol=1e-12)
    rate = -np.polyfit([4, 3, 2, 1, 0], logs[0, :5], 1)[0]
    assert found.slope[0] == pytest.approx(half / rate, rel=1e-12)
    with pytest.raises(InputError, match="flow: got shape"):
        gradient_half_life(1.0)


def test_figure():
    found = memory_capacity(*network(GRU(3), 40), max_lag=5)
    figure = memory_figure({"GRU": found}, title="Title")
    shown = np.asarray(figure.axes[0].lines[0].get_xydata())
    np.testing.assert_allclose(shown[:, 1], np.mean(np.maximum(found.r_squared, 0), -1), rtol=1e-6)
    style.svg(figure)
    style.svg(memory_figure({"none": found._replace(r_squared=np.full((6, 3), np.nan)), "GRU": found}))
    with pytest.raises(InputError, match="capacities"):
        memory_figure({})
