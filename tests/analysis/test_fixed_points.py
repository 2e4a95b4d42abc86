"""Fixed points: scalar maps solved by hand, stored patterns, linear networks, slow points, and principal components."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from analysis.networks import linear, network, orthogonal
from catalog import FLOAT64

from rnnjax import GRU, LRU, LSTM, ConvGRU1D, Elman, InputError
from rnnjax.analysis import fixed_points, fixed_points_figure, principal_components, style, visited_states

x64 = pytest.mark.usefixtures("x64")


def tanh_network(recurrent, time=40, bias=0.0, in_features=1):
    """h' = tanh(U h + W x + b)."""
    cell, params, xs = network(Elman(len(recurrent), precision=FLOAT64), time, (2,), in_features)
    bias = jnp.full(len(recurrent), bias)
    return cell, {**params, "recurrent_kernel": jnp.asarray(recurrent).T, "bias": bias}, xs


def by_state(points):
    """The points in the order of their first number."""
    order = np.argsort(points.states[:, 0])
    return points._replace(**{name: getattr(points, name)[order] for name in points._fields})


@x64
def test_a_bistable_unit():
    """h = tanh(2 h) at 0, an unstable point of slope 2, and at +-h*, stable points of slope 2 (1 - h*^2)."""
    cell, params, xs = tanh_network([[2.0]])
    found = by_state(fixed_points(cell, params, 3 * xs, noise=0.5, tolerance=1e-24))
    h = 0.9575040240772687  # the root of h = tanh(2 h)
    np.testing.assert_allclose(found.states[:, 0], [-h, 0, h], atol=1e-12)
    slopes = np.array([2 * (1 - h * h), 2, 2 * (1 - h * h)])
    np.testing.assert_allclose(found.eigenvalues[:, 0], slopes, rtol=1e-6)
    np.testing.assert_allclose(found.time_constants[:, 0], 1 / np.abs(np.log(slopes)), rtol=1e-6)
    assert found.stable.tolist() == [True, False, True]
    assert found.hits.sum() == 80 and np.all(found.speeds <= 1e-24)


@x64
def test_a_constant_input_moves_the_points():
    """With an input that the bistable unit cannot resist one point is left, the root of h = tanh(2 h + 1)."""
    cell, params, xs = tanh_network([[2.0]])
    params["kernel"] = jnp.ones((1, 1))
    found = fixed_points(cell, params, xs, jnp.ones(1), noise=0.5, tolerance=1e-24)
    assert found.states.shape == (1, 1)
    np.testing.assert_allclose(found.states[0], np.tanh(2 * found.states[0] + 1), rtol=1e-12)
    biased = {**params, "bias": jnp.ones(1)}
    np.testing.assert_allclose(fixed_points(cell, biased, xs, tolerance=1e-24).states, found.states, rtol=1e-9)


@x64
def test_a_linear_network_has_one_point():
    """h = (I - U)^-1 (W x + b), with the eigenvalues of U."""
    cell, params, xs = linear(0.8 * orthogonal(4), 20)
    x = jnp.array([1.0, -2.0, 0.5])
    found = fixed_points(cell, params, xs, x, tolerance=1e-20)
    expected = np.linalg.solve(np.eye(4) - params["recurrent_kernel"].T, x @ params["kernel"] + params["bias"])
    np.testing.assert_allclose(found.states, expected[None], rtol=1e-9)
    np.testing.assert_allclose(np.abs(found.eigenvalues), 0.8, rtol=1e-9)
    assert found.stable.all() and found.hits.tolist() == [40]


@x64
def test_stored_patterns_are_stable_points():
    """A symmetric network with two orthogonal patterns: both and their negatives attract, 0 repels."""
    first, second = np.ones(8), np.tile([1.0, -1.0], 4)
    recurrent = 1.6 * (np.outer(first, first) + np.outer(second, second)) / 8
    cell, params, xs = tanh_network(recurrent, 60)
    found = fixed_points(cell, params, xs, noise=1.0, tolerance=1e-24)
    h = next(root for root in found.states if np.all(root > 0.5))[0]
    assert h == pytest.approx(np.tanh(1.6 * h), rel=1e-9)
    stable = {tuple(np.sign(np.round(state, 6))) for state in found.states[found.stable]}
    patterns = {tuple(sign * pattern) for pattern in (first, second) for sign in (1, -1)}
    assert patterns <= stable
    origin = np.abs(found.states).max(axis=1) < 1e-9
    assert not found.stable[origin].any()


@x64
def test_slow_points_need_a_larger_tolerance():
    """h' = tanh(h) + 0.01 hardly moves near 0, but stands still far from there only."""
    cell, params, xs = tanh_network([[1.0]], bias=0.0)
    still = fixed_points(cell, params, 0.01 * xs, jnp.zeros(1), tolerance=1e-20)
    assert np.all(np.abs(still.states) < 1e-3)  # the derivative of tanh(h) - h vanishes at 0, too
    cell, params, xs = tanh_network([[1.2]], bias=0.1)
    all_points = fixed_points(cell, params, xs - 1, tolerance=1e-3, noise=0.3)
    strict = fixed_points(cell, params, xs - 1, tolerance=1e-20, noise=0.3)
    assert len(strict.states) == 1 and len(all_points.states) == 2
    slow = all_points.states[np.argmax(all_points.speeds), 0]
    assert 1.2 * (1 - np.tanh(1.2 * slow + 0.1) ** 2) == pytest.approx(1, rel=1e-4)  # least where the slope is 1


@x64
@pytest.mark.parametrize("cell", [LSTM, GRU, LRU])
def test_a_network_without_input_settles_there(cell):
    """Where there is one point, and it is stable; the state in all its parts, complex ones too."""
    cell, params, xs = network(cell(3, precision=FLOAT64), 15)
    found = fixed_points(cell, params, xs, tolerance=1e-24, starts=8)
    assert found.stable.tolist() == [True] and found.hits.tolist() == [8]
    settled = visited_states(cell, params, jnp.zeros((600, 3)))[-1]
    np.testing.assert_allclose(found.states[0], settled, rtol=1e-6, atol=1e-9)


@x64
def test_places_and_padding():
    """A convolutional state is flattened with its places; starts come from valid steps only."""
    cell, params, _ = network(ConvGRU1D(2, precision=FLOAT64), 4)
    xs = jnp.ones((2, 4, 5, 3)).at[0, 2:].set(jnp.nan)
    found = fixed_points(cell, params, xs, jnp.ones((5, 3)), lengths=jnp.array([2, 0]), tolerance=1e-20)
    assert found.states.shape == (1, 10) and found.hits.tolist() == [2]


def test_no_points():
    """A state that runs away has none; results are empty, not missing."""
    cell, params, xs = linear(np.eye(2), 5, precision="float32")
    params = {**params, "bias": jnp.ones(2)}
    found = fixed_points(cell, params, xs)
    assert found.states.shape == (0, 2) and found.eigenvalues.shape == (0, 2) and found.stable.shape == (0,)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (dict(starts=0), "starts: got 0, expected a positive int"),
        (dict(iterations=1.5), r"iterations: got 1\.5, expected a positive int"),
        (dict(tolerance=-1.0), r"tolerance: got -1\.0, expected a number"),
        (dict(x=jnp.zeros((2, 3))), r"x: got shape \(2, 3\), expected shape \(3,\)"),
        (dict(x=(jnp.zeros(3),)), "x: got"),
    ],
)
def test_arguments_are_checked(given, expected):
    with pytest.raises(InputError, match=expected):
        fixed_points(*network(GRU(3), 6), **given)


# --- the plane ---------------------------------------------------------------------------------------------------


def test_principal_components():
    """Of points with known spread along known directions; the projection has that spread, and no correlation."""
    rng = np.random.default_rng(0)
    turned = orthogonal(4)
    points = rng.standard_normal((3, 2000, 4)) * [5, 2, 0.1, 0.1] @ turned.T + 7
    found = principal_components(points)
    np.testing.assert_allclose(np.abs(found.directions @ turned[:, :2]), np.eye(2), atol=0.05)
    np.testing.assert_allclose(found.shares, np.array([25, 4]) / 29.02, rtol=0.05)
    covariance = np.cov(found.project(points).reshape(-1, 2), rowvar=False)
    assert abs(covariance[0, 1]) < 1e-9 * covariance[0, 0]
    whole = principal_components(points, 4)
    np.testing.assert_allclose(whole.project(points) @ whole.directions + whole.mean, points, rtol=1e-9)
    with pytest.raises(InputError, match=r"states: got shape \(4,\)"):
        principal_components(points[0, 0])
    with pytest.raises(InputError, match=r"count: got 5, expected an int in 1\.\.4"):
        principal_components(points, 5)


def test_figure():
    cell, params, xs = network(GRU(3), 20)
    found = fixed_points(cell, params, xs)
    states = visited_states(cell, params, xs)
    figure = fixed_points_figure(found, states, title="Title")
    assert len(figure.axes[0].lines) == 2 + 2  # two trajectories, stable and unstable points
    style.svg(figure)
    style.svg(fixed_points_figure(found._replace(states=found.states[:, :1]), states[..., :1]))
    with pytest.raises(InputError, match="states: got shape"):
        fixed_points_figure(found, states[..., :2])
