"""Landscapes: quadratics in closed form, the wall of Pascanu 2013, values that are no numbers, and directions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import references
from analysis.networks import network, orthogonal
from catalog import FLOAT64, REGISTERED
from sequences import LENGTHS, example

from rnnjax import LRU, LSTM, Elman, InputError, unroll
from rnnjax.analysis import (
    Landscape,
    entry_direction,
    gradient_direction,
    landscape,
    landscape_figure,
    random_direction,
    slice_figure,
    style,
    surface_figure,
    trajectory_plane,
)

x64 = pytest.mark.usefixtures("x64")

PARAMS = {"a": np.array([1.0, -2.0]), "b": np.array([[0.5]])}
ALONG = {"a": np.array([0.0, 1.0]), "b": np.array([[2.0]])}
ACROSS = {"a": np.array([3.0, 0.0]), "b": np.array([[0.0]])}
SCALES = np.array([1.0, 4.0, 9.0])


def bowl(params):
    """Half the squares, weighed by 1, 4 and 9."""
    return (params["a"][0] ** 2 + 4 * params["a"][1] ** 2 + 9 * params["b"][0, 0] ** 2) / 2


# --- closed forms ------------------------------------------------------------------------------------------------


@x64
def test_a_quadratic():
    """Loss, norm of the gradient and curvature along it, along a line and over a plane."""
    steps, others = np.linspace(-1, 1, 5), np.array([0.0, 0.5, 2.0])
    found = landscape(bowl, PARAMS, [ALONG, ACROSS], [steps, others], curvature=True)
    points = np.array([1.0, -2.0, 0.5]) + steps[:, None, None] * [0, 1, 2] + others[:, None] * [3, 0, 0]
    slopes = SCALES * points
    np.testing.assert_allclose(found.loss, np.sum(SCALES * points**2, -1) / 2, rtol=1e-12)
    np.testing.assert_allclose(found.gradient_norm, np.linalg.norm(slopes, axis=-1), rtol=1e-12)
    np.testing.assert_allclose(found.curvature, np.sum(SCALES * slopes**2, -1) / np.sum(slopes**2, -1), rtol=1e-12)
    line = landscape(bowl, PARAMS, [ALONG], [steps], gradient=False, batch_size=4)
    np.testing.assert_allclose(line.loss, found.loss[:, 0], rtol=1e-12)
    assert line.gradient_norm is None and line.curvature is None and line.loss.shape == (5,)


def recursion(weights, biases, steps, target):
    """The error of one unit x' = w s(x) + b from x = 0.5, and its gradient in (w, b), by forward sensitivities."""
    w, b = np.meshgrid(weights, biases, indexing="ij")
    x, by_w, by_b = np.full(w.shape, 0.5), np.zeros(w.shape), np.zeros(w.shape)
    for _ in range(steps):
        s = 1 / (1 + np.exp(-x))
        slope = w * s * (1 - s)
        x, by_w, by_b = w * s + b, s + slope * by_w, 1 + slope * by_b
    y = 1 / (1 + np.exp(-x))
    outer = 2 * (y - target) * y * (1 - y)
    return (y - target) ** 2, np.hypot(outer * by_w, outer * by_b)


@x64
def test_the_wall():
    """Pascanu 2013, Fig. 6: (s(x_50) - 0.7)^2. With h = s(x) it is an Elman network, h' = s(w h + b)."""
    cell = Elman(1, activation="sigmoid", precision=FLOAT64)
    zeros = {"kernel": jnp.zeros((1, 1)), "recurrent_kernel": jnp.zeros((1, 1)), "bias": jnp.zeros(1)}
    carry = type(cell.initial_carry())(jax.nn.sigmoid(jnp.full(1, 0.5)))

    def loss(params):
        _, ys = unroll(cell, params, jnp.zeros((50, 1)), carry)
        return jnp.square(ys[-1, 0] - 0.7)

    plane = [entry_direction(zeros, "recurrent_kernel", (0, 0)), entry_direction(zeros, "bias", (0,))]
    grid = [np.linspace(0, 8, 161), np.linspace(-5, 0, 101)]
    found = landscape(loss, zeros, plane, grid, batch_size=1017)
    errors, norms = recursion(*grid, 50, 0.7)
    np.testing.assert_allclose(found.loss, errors, rtol=1e-6, atol=1e-15)
    np.testing.assert_allclose(found.gradient_norm, norms, rtol=1e-6, atol=1e-15)
    assert np.median(norms) == pytest.approx(0.0332, abs=5e-5)
    assert np.quantile(norms, 0.99) == pytest.approx(0.448, abs=5e-4)
    steepest = np.unravel_index(np.argmax(found.gradient_norm), errors.shape)
    assert found.gradient_norm.max() == pytest.approx(26.04, abs=5e-3)
    assert (grid[0][steepest[0]], grid[1][steepest[1]]) == pytest.approx((4.9, -2.55))


# --- values ------------------------------------------------------------------------------------------------------


def test_what_is_no_number_stays():
    """Infinite and NaN losses and gradients are there where they are, and nowhere else."""
    found = landscape(lambda x: jnp.log(x) + jnp.exp(100 * x), jnp.zeros(()), [jnp.ones(())], [[-1.0, 0.0, 0.5, 1.0]])
    assert np.isnan(found.loss[0]) and np.isneginf(found.loss[1]) and np.isposinf(found.loss[3])
    assert np.isfinite(found.loss[2]) and np.isposinf(found.gradient_norm[1]) and np.isfinite(found.gradient_norm[2])


def test_norms_whose_squares_are_no_floats():
    """A gradient of 1e30 in float32 has that norm, and so has one of 1e-30."""
    for size in (1e30, 1e-30):
        found = landscape(lambda x, size=size: size * jnp.sum(x), jnp.zeros(4), [jnp.ones(4)], [[0.0]])
        np.testing.assert_allclose(found.gradient_norm, [2 * size], rtol=1e-6)


# --- directions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vectors", ["zero", "norm"])
def test_random_directions_have_the_norms_of_the_filters(vectors):
    _, params, _ = network(LSTM(4), 2)
    drawn, again, other = (random_direction(params, jax.random.key(seed), vectors=vectors) for seed in (0, 0, 1))
    for name in ("kernel", "recurrent_kernel"):
        norms = [np.linalg.norm(tree[name], axis=0) for tree in (params, drawn)]
        np.testing.assert_allclose(*norms, rtol=1e-5)
        cosine = np.sum(params[name] * drawn[name]) / np.sum(np.square(params[name]))
        assert abs(cosine) < 0.9 and not np.allclose(drawn[name], other[name])
    length = np.linalg.norm(params["bias"]) if vectors == "norm" else 0
    np.testing.assert_allclose(np.linalg.norm(drawn["bias"]), length, rtol=1e-5)
    jax.tree.map(np.testing.assert_array_equal, drawn, again)


def test_what_is_zero_stays_zero_and_integers_too():
    params = {"zero": jnp.zeros((3, 2)), "steps": jnp.arange(3), "complex": jnp.full((2, 1), 3 + 4j)}
    drawn = random_direction(params, jax.random.key(0))
    assert not np.any(drawn["zero"]) and not np.any(drawn["steps"]) and drawn["steps"].dtype == params["steps"].dtype
    assert np.linalg.norm(drawn["complex"]) == pytest.approx(np.sqrt(50), rel=1e-5)


@x64
def test_gradient_direction():
    """The gradient, of unit norm."""
    direction = gradient_direction(bowl, PARAMS)
    np.testing.assert_allclose(direction["a"], SCALES[:2] * [1, -2] / np.linalg.norm(SCALES * [1, -2, 0.5]), rtol=1e-12)


def test_entry_direction():
    params = ({"kernel": jnp.zeros((2, 3))}, {"w": jnp.zeros(())})
    assert entry_direction(params, 0, "kernel", (1, 2))[0]["kernel"].tolist() == [[0, 0, 0], [0, 0, 1]]
    assert entry_direction(params, 1, "w")[1]["w"] == 1
    for path in ((0, "kernel"), (0, "kernel", (1,)), (0, "bias", (0,)), (1,), (), (0, "kernel", (5, 0))):
        with pytest.raises(InputError, match=r"path: got .*, expected keys that lead to an array"):
            entry_direction(params, *path)


@x64
def test_trajectory_plane():
    """Snapshots in a plane are found in it, at their distances from each other; a third direction has no share."""
    way = np.array([[3.0, 0.0], [2.0, 1.0], [0.5, 0.5], [0.0, 0.0]])
    basis = orthogonal(6)[:2]
    snapshots = [{"a": jnp.asarray(flat[:2]), "b": jnp.asarray(flat[2:].reshape(2, 2))} for flat in way @ basis + 7]
    found = trajectory_plane(snapshots)
    assert found.shares.sum() == pytest.approx(1) and found.coordinates[-1].tolist() == [0, 0]
    gaps = [np.linalg.norm(points[:, None] - points, axis=-1) for points in (way, found.coordinates)]
    np.testing.assert_allclose(*gaps, atol=1e-12)
    for snapshot, (x, y) in zip(snapshots, found.coordinates, strict=True):
        there = jax.tree.map(lambda last, d, e, x=x, y=y: last + x * d + y * e, snapshots[-1], *found.directions)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), there, snapshot)
    assert trajectory_plane(snapshots, 3).shares[2] < 1e-20
    with pytest.raises(InputError, match="snapshots: got 2, expected more than 2"):
        trajectory_plane(snapshots[:2])
    with pytest.raises(InputError, match=r"snapshots\[0\]: got shape"):
        trajectory_plane([{**snapshots[0], "a": jnp.zeros(3)}, *snapshots])


# --- cells -------------------------------------------------------------------------------------------------------


def check_along_the_gradient(cell, params, xs, **given):
    """At the centre are the loss and the norm of its gradient; around it the slope is that norm."""

    def loss(params):
        _, ys = unroll(cell, params, xs, **given)
        return jnp.mean(jnp.square(ys - 0.3))

    value, gradient = jax.jit(jax.value_and_grad(loss))(params)
    norm = np.sqrt(sum(np.sum(np.square(np.abs(leaf))) for leaf in jax.tree.leaves(gradient)))
    steps = np.array([-1e-5, 0.0, 1e-5])
    found = landscape(loss, params, [jax.tree.map(lambda leaf: leaf / norm, gradient)], [steps], curvature=True)
    np.testing.assert_allclose([found.loss[1], found.gradient_norm[1]], [value, norm], rtol=1e-9)
    np.testing.assert_allclose((found.loss[2] - found.loss[0]) / 2e-5, norm, rtol=1e-6)
    bent = (found.gradient_norm[2] - found.gradient_norm[0]) / 2e-5  # d|g| along g / |g| is the curvature along it
    np.testing.assert_allclose(found.curvature[1], bent, rtol=1e-5, atol=1e-6 * norm)


@x64
@pytest.mark.exhaustive
@pytest.mark.slow
def test_along_the_gradient():
    """Of a cell whose engine has a backward pass of its own."""
    check_along_the_gradient(*network(LRU(3, precision=FLOAT64), 6))


@x64
@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize("entry", REGISTERED, ids=str)
def test_every_cell(entry):
    if "1" in references.FLAT.get(entry.name, ()):
        pytest.skip("the state changes in jumps, and has no derivative but zero")
    cell, params, xs, _, _ = example(entry)
    check_along_the_gradient(cell, params, xs, lengths=LENGTHS)


# --- arguments and figures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("directions", "coordinates", "expected"),
    [
        ([], [], "directions: got 0, expected one or two"),
        ([ALONG], [], "coordinates: got 0, expected 1, one array a direction"),
        ([ALONG], [[]], r"coordinates\[0\]: got shape \(0,\)"),
        ([{"a": ALONG["a"]}], [[0.0]], r"directions\[0\]: got PyTreeDef"),
        ([{**ALONG, "a": jnp.ones(3)}], [[0.0]], r"directions\[0\]: got shape \(3,\), expected shape \(2,\)"),
    ],
)
def test_arguments_are_checked(directions, coordinates, expected):
    with pytest.raises(InputError, match=expected):
        landscape(bowl, PARAMS, directions, coordinates)
    with pytest.raises(InputError, match="batch_size: got 0"):
        landscape(bowl, PARAMS, [ALONG], [[0.0]], batch_size=0)
    with pytest.raises(InputError, match="loss: got"):
        landscape(lambda params: params["a"], PARAMS, [ALONG], [[0.0]])
    with pytest.raises(InputError, match="vectors: got 'none'"):
        random_direction(PARAMS, jax.random.key(0), vectors="none")


def test_figures_of_any_values():
    """Maps, surfaces and slices of what is positive, zero, negative, constant or no number at all."""
    grid = np.linspace(-1, 1, 7), np.linspace(0, 2, 5)
    wall = np.exp(8 * np.add.outer(grid[0], grid[1]))
    holes = np.where(np.add.outer(grid[0], grid[1]) > 1.5, np.nan, wall)
    plane = Landscape(grid, holes, np.full_like(wall, np.inf), wall)
    paths = {"a": [[0.5, 0.5], [0, 1]], "b": [[9, 9], [0, 2]]}
    figure = landscape_figure(plane, labels=("w", "b"), paths=paths, title="Title")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[:3] == ["loss", "gradient norm", "|curvature along the gradient|"]
    style.svg(figure)
    landscape_figure(Landscape(grid, -wall, 0 * wall, None))
    style.svg(surface_figure(plane))
    line = Landscape(grid[:1], holes[:, -1], 0 * wall[:, 0], None)
    style.svg(slice_figure({"one": line, "other": line}, title="Title"))
    with pytest.raises(InputError, match="found: got '1 direction'"):
        landscape_figure(line)
    with pytest.raises(InputError, match=r"slices\['plane'\]: got 'a plane'"):
        slice_figure({"plane": plane})
    with pytest.raises(InputError, match=r"paths\['a'\]: got shape \(3,\)"):
        landscape_figure(plane, paths={"a": [0, 1, 2]})
