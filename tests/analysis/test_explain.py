"""Explanations: linear networks in closed form, completeness, dense Jacobians, units with a known meaning, figures."""

from __future__ import annotations

import html
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import references
from analysis.networks import linear, network, orthogonal
from catalog import FLOAT64, REGISTERED
from sequences import LENGTHS, RESETS, example

from rnnjax import GRU, LSTM, ConvGRU1D, InputError, unroll
from rnnjax.analysis import (
    attribution_figure,
    connectivity,
    connectivity_figure,
    figures_explain,
    integrated_gradients,
    match_units,
    nesting_depth,
    saliency,
    steps_since,
    style,
    text_figure,
    text_html,
)

x64 = pytest.mark.usefixtures("x64")
WEIGHTS = jnp.array([1.0, -2.0, 0.5, 3.0])


def last_of(ys, carry):
    """A number a row: a weighed sum of its last output."""
    return ys[..., -1, :] @ WEIGHTS.astype(ys.dtype)


def powers(params, time):
    """W U^(T - 1 - t) of a linear network, `[time, in_features, n]`."""
    factors = [np.linalg.matrix_power(params["recurrent_kernel"], time - 1 - t) for t in range(time)]
    return np.stack([np.asarray(params["kernel"]) @ factor for factor in factors])


# --- linear networks ---------------------------------------------------------------------------------------------


@x64
def test_saliency_of_a_linear_network():
    """df/dx_t = W U^(T - 1 - t) c in each row; noise on the inputs changes nothing."""
    cell, params, xs = linear(0.9 * orthogonal(4), 6)
    expected = powers(params, 6) @ WEIGHTS
    for found in (saliency(cell, params, xs, last_of), saliency(cell, params, xs, last_of, noise=0.7, samples=3)):
        np.testing.assert_allclose(found.gradient, [expected] * 2, rtol=1e-12)
        np.testing.assert_allclose(found.times_input, expected * xs, rtol=1e-12)
        np.testing.assert_allclose(found.norms, [np.linalg.norm(expected, axis=-1)] * 2, rtol=1e-12)


@x64
def test_integrated_gradients_of_a_linear_network():
    """Gradient times the change of the input, with a single point."""
    cell, params, xs = linear(0.9 * orthogonal(4), 6)
    found = integrated_gradients(cell, params, xs, last_of, baseline=jnp.ones_like(xs), steps=1)
    expected = powers(params, 6) @ WEIGHTS * (xs - 1)
    np.testing.assert_allclose(found.attributions, expected, rtol=1e-12)
    np.testing.assert_allclose(found.by_step, expected.sum(-1), rtol=1e-12)
    np.testing.assert_allclose(found.difference, expected.sum((1, 2)), rtol=1e-12)


@x64
def test_default_output_is_half_a_square():
    """f = |h_T|^2 / 2 of a linear network without bias is shared out by halves of gradient times input."""
    cell, params, xs = linear(0.9 * orthogonal(4), 6)
    params = {**params, "bias": jnp.zeros(4)}
    lengths = jnp.array([6, 4])
    found = integrated_gradients(cell, params, xs, steps=2, lengths=lengths)
    slopes = saliency(cell, params, xs, lengths=lengths)
    np.testing.assert_allclose(found.attributions, slopes.times_input / 2, rtol=1e-12)
    for row, length in enumerate((6, 4)):
        h = np.einsum("tf,tfn->n", xs[row, :length], powers(params, length))
        np.testing.assert_allclose(found.difference[row], h @ h / 2, rtol=1e-12)
        np.testing.assert_allclose(slopes.gradient[row, :length], powers(params, length) @ h, rtol=1e-12)
        assert not np.any(slopes.gradient[row, length:])


@x64
def test_connectivity_of_a_linear_network():
    """|W U^(s - t)| below the diagonal and on it, zero above, in each row of the batch."""
    cell, params, xs = linear(0.8 * np.diag([1.0, 0.5, 0.25, 2.0]), 7)
    norms = np.linalg.norm(powers(params, 7)[::-1], axis=(1, 2))
    expected = [[norms[s - t] if s >= t else 0 for t in range(7)] for s in range(7)]
    np.testing.assert_allclose(connectivity(cell, params, xs), [expected] * 2, rtol=1e-12)
    one = connectivity(cell, params, xs[0], lambda ys: ys @ WEIGHTS)
    np.testing.assert_allclose(one[6], np.linalg.norm(powers(params, 7) @ WEIGHTS, axis=-1), rtol=1e-12)


def test_connectivity_far_back():
    """1e-30 in float32, whose square is no float; beyond the range of floats it is zero."""
    cell, params, xs = linear(0.5 * np.eye(4), 101, (), "float32")
    found = connectivity(cell, params, xs)
    np.testing.assert_allclose(found[100, 0], np.linalg.norm(params["kernel"]) * 0.5**100, rtol=1e-5)


# --- any network -------------------------------------------------------------------------------------------------


def check_explanations(cell, params, xs, key=None, **given):
    """Attributions add up, row by row; connectivity is the norm of the dense Jacobian; both keep to the valid steps.

    The way from the baseline is short: few kinks of rectifiers are upon it, and it does not start from zero, where
    norms have no gradient.
    """
    options = dict(**given, key=key)
    found = integrated_gradients(cell, params, xs, **options, baseline=0.9 * xs, steps=384)
    size = np.maximum(np.abs(found.difference), np.sum(np.abs(found.by_step), -1))
    assert np.all(np.abs(found.gap) <= 1e-6 * size + 1e-13)
    matrix = connectivity(cell, params, xs, **options)
    time = xs.shape[1]

    @jax.jit
    @jax.jacrev
    def dense(x):
        row = {name: rows[:1] for name, rows in given.items()}
        return unroll(cell, params, x[None], **row, key=key)[1][0]

    squares = np.square(dense(jnp.asarray(xs[0])))
    axes = tuple(range(1, 1 + cell.spatial_axes + 1))
    squares = np.moveaxis(squares, len(axes) + 1, 1)  # the time of the input next to that of the output
    expected = np.sqrt(np.sum(squares.reshape(time, time, -1), axis=-1))
    np.testing.assert_allclose(matrix[0], expected, rtol=1e-7, atol=1e-12)
    assert np.any(matrix[0]) and not np.any(np.triu(matrix[0], 1))
    if "lengths" in given:
        for row, length in enumerate(given["lengths"]):
            assert not np.any(matrix[row, length:]) and not np.any(matrix[row, :, length:])
            assert not np.any(found.by_step[row, length:])


@x64
def test_completeness_and_jacobians():
    check_explanations(*network(LSTM(3, precision=FLOAT64), 6, (2,)), lengths=np.array([6, 3]))


@x64
@pytest.mark.exhaustive
@pytest.mark.slow
def test_places():
    """A convolutional cell: norms and sums are over places and features, and nothing crosses a reset."""
    cell, params, _ = network(ConvGRU1D(2, precision=FLOAT64), 4)
    xs = jnp.asarray(np.random.default_rng(4).standard_normal((1, 4, 5, 3)))
    check_explanations(cell, params, xs)
    cut = connectivity(cell, params, xs, resets=jnp.zeros((1, 4), bool).at[0, 2].set(True))
    assert not np.any(cut[0, 2:, :2]) and np.all(cut[0][np.tril_indices(2)] > 0)
    assert saliency(cell, params, xs).norms.shape == (1, 4)


@x64
@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize("entry", REGISTERED, ids=str)
def test_every_cell(entry):
    if "1" in references.FLAT.get(entry.name, ()):
        pytest.skip("the state changes in jumps, and has no derivative but zero")
    cell, params, xs, _, key = example(entry)
    check_explanations(cell, params, xs, key, lengths=LENGTHS, resets=RESETS)


@x64
def test_a_scalar_output_is_shared_out_among_all_rows():
    """And a head is part of the output: the logit of a class, say."""
    cell, params, xs = network(GRU(3, precision=FLOAT64), 5)
    found = integrated_gradients(cell, params, xs, lambda ys, carry: jnp.sum(ys[:, -1] ** 3) + jnp.sum(carry.h))
    assert found.difference.shape == found.gap.shape == () and abs(found.gap) < 1e-9


@x64
@pytest.mark.exhaustive
@pytest.mark.slow
def test_noise_averages_gradients():
    """SmoothGrad of half a square |A x|^2 / 2: off the gradient by A^T A times the mean of the noise."""
    cell, params, xs = linear(0.9 * orthogonal(4), 3)
    params = {**params, "bias": jnp.zeros(4)}
    exact = powers(params, 3) @ np.einsum("tf,tfn->n", xs[0], powers(params, 3))
    error = saliency(cell, params, xs[0], noise=0.1, samples=400, seed=1).gradient - exact
    flat = powers(params, 3).reshape(9, 4)
    expected = 0.1 / 20 * np.sqrt(np.mean(np.sum(np.square(flat @ flat.T), axis=1)))
    assert expected / 3 < np.sqrt(np.mean(np.square(error))) < 3 * expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (dict(output=lambda ys, carry: ys), r"output: got shape \(2, 6, 3\) and dtype float32, expected a function"),
        (dict(samples=0), "samples: got 0, expected a positive int"),
        (dict(noise=-1.0), r"noise: got -1\.0, expected a number that is not negative"),
        (dict(lengths=[7, 2]), r"lengths: got 7, expected ints in 0\.\.6, the time axis"),
    ],
)
def test_arguments_are_checked(given, expected):
    cell, params, xs = network(GRU(3), 6)
    with pytest.raises(InputError, match=expected):
        saliency(cell, params, xs, **given)
    with pytest.raises(InputError, match=r"baseline: got shape \(6, 3\), expected shape \(2, 6, 3\)"):
        integrated_gradients(cell, params, xs, baseline=xs[0])
    with pytest.raises(InputError, match="steps: got 0"):
        integrated_gradients(cell, params, xs, steps=0)
    with pytest.raises(InputError, match=r"readout: got shape \(2,\)"):
        connectivity(cell, params, xs, lambda ys: ys[:, 0, 0])
    with pytest.raises(InputError, match="xs: got dtype int32, expected a floating dtype"):
        saliency(cell, params, jnp.zeros((2, 6, 3), int))
    with pytest.raises(InputError, match="params"):
        connectivity(GRU(4), params, xs)


# --- units -------------------------------------------------------------------------------------------------------


TEXT = 'He said "yes (or no)" and\nleft. "So?"\n'


def test_signals_of_a_text():
    inside = nesting_depth(TEXT)
    assert "".join(c for c, depth in zip(TEXT, inside, strict=True) if depth) == '"yes (or no)"So?'
    assert "".join(c for c, d in zip(TEXT, nesting_depth(TEXT, "(", ")"), strict=True) if d) == "(or no"
    assert nesting_depth("((a)))(", "(", ")").tolist() == [1, 2, 2, 1, 0, 0, 1]
    assert steps_since("ab\nc\n").tolist() == [1, 2, 0, 1, 0]
    with pytest.raises(InputError, match="opening: got '', expected one character"):
        nesting_depth(TEXT, "")
    with pytest.raises(InputError, match="mark: got 'ab', expected one character"):
        steps_since(TEXT, "ab")


def test_units_are_ranked_by_correlation():
    """A unit that is the signal comes first, its negative next; noise is found at its correlation, a constant last."""
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((2, 300))
    noise = rng.standard_normal((2, 300))
    units = np.stack([np.ones((2, 300)), signal + noise, 5 - signal, 3 * signal, noise], axis=-1)
    found = match_units(units, signal)
    assert found.units.tolist() == [3, 2, 1, 4, 0] or found.units.tolist() == [2, 3, 1, 4, 0]
    expected = [np.corrcoef(units[..., unit].ravel(), signal.ravel())[0, 1] for unit in found.units[:-1]]
    np.testing.assert_allclose(found.correlations, [*expected, 0], atol=1e-12)
    assert expected[2] == pytest.approx(np.sqrt(0.5), abs=0.1)
    partial = match_units(units, np.where(np.arange(300) < 100, signal, np.nan))
    np.testing.assert_allclose(partial.correlations, match_units(units[:, :100], signal[:, :100]).correlations)
    with pytest.raises(InputError, match=r"signal: got shape \(300,\), expected shape \(2, 300\)"):
        match_units(units, signal[0])
    with pytest.raises(InputError, match="signal: got '0 steps that count'"):
        match_units(units, signal * np.nan)


# --- figures -----------------------------------------------------------------------------------------------------


def test_figures_of_any_values():
    """Bars and maps, short and long, zero and not a number."""
    values = np.random.default_rng(0).standard_normal((8, 5))
    letters = list("ab c\n\tde")
    kinds = {"sum": values.sum(1), "features": values, "zero": 0 * values, "nan": values[:, 0] * np.nan}
    style.svg(attribution_figure(kinds, steps=letters, title="Title"))
    matrix = np.tril(10.0 ** -np.subtract.outer(np.arange(8), np.arange(8)).clip(0))
    kinds = {"falling": matrix, "zero": 0 * matrix, "nan": np.nan * matrix, "fourth": matrix}
    style.svg(connectivity_figure(kinds, steps=letters, title="Title"))
    with pytest.raises(InputError, match=r"attributions\['b'\]: got shape \(3,\)"):
        attribution_figure({"a": values, "b": values[:3, 0]})
    with pytest.raises(InputError, match=r"matrices\['a'\]: got shape \(8, 5\)"):
        connectivity_figure({"a": values})
    with pytest.raises(InputError, match="steps"):
        connectivity_figure({"a": matrix}, steps="abc")


def test_text_in_colour():
    """Every character has its box, in its line; in the browser every character is there, escaped, with its colour."""
    text = 'if a<b & "c":\n\treturn 1\x07' + "x" * 30
    levels = np.linspace(-1, 1, len(text))
    figure = text_figure(text, {"unit 3": levels, "unit 4": np.where(levels > 0, np.nan, 0)}, columns=20, title="Title")
    first = figure.axes[0]
    assert len(first.texts) == len(text) == len(first.collections[0].get_facecolor())
    assert {round(label.get_position()[1]) for label in first.texts} <= set(range(5))
    style.svg(figure)
    page = text_html(text, {"unit <3>": levels}, title="A & B")
    assert "<script" not in page and "http" not in page and "unit &lt;3&gt;" in page and "<title>A &amp; B" in page
    shown = "".join(
        re.findall(r'<span style="background:#[0-9A-F]{6}" title="[-0-9.e]+">(.*?)</span>', page, re.DOTALL)
    )
    assert html.unescape(shown).replace("↵", "").replace("→", "") == text
    assert figures_explain.NEGATIVE in page and figures_explain.POSITIVE in page  # the ends of the scale
    with pytest.raises(InputError, match=r"activations\['a'\]: got shape \(2,\)"):
        text_html(text, {"a": [1, 2]})
    with pytest.raises(InputError, match="text: got ''"):
        text_figure("", {"a": []})


@pytest.mark.parametrize("colour", [figures_explain.NEGATIVE, figures_explain.POSITIVE])
def test_letters_are_legible_on_every_colour(colour):
    """WCAG 2.1, SC 1.4.3: a contrast of 4.5; the figures promise 6."""

    def luminance(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return np.dot([0.2126, 0.7152, 0.0722], linear)

    assert (luminance(colour) + 0.05) / (luminance(style.INK) + 0.05) >= 6
