"""Step Jacobians, and singular values of their products from 1 to far below the range of floats."""

from __future__ import annotations

import dataclasses
import functools
import math
from decimal import Decimal, localcontext
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.networks import Traced, linear, network, orthogonal
from catalog import CELLS, FLOAT64, REGISTERED, each_in_full
from sequences import BATCH, HALF, LENGTHS, RESETS, TIME, example, run

import rnnjax
from rnnjax import GRU, LSTM, Elman, InputError, UnitCell
from rnnjax.analysis import graded, jacobi, jacobian_spectrum, step_jacobians

x64 = pytest.mark.usefixtures("x64")


multiply = jax.jit(graded.multiply)
log_singular_values = jax.jit(graded.log_singular_values)
jacobians_of = jax.jit(step_jacobians, static_argnames="cell")


def spectrum_of(cell, params, xs, lags, carry=None, **given):
    """The logarithms, compiled as a whole, and once for all initialisations of a cell."""
    return _spectrum_of(cell.dynamics, params, xs, lags, carry, **given)


@functools.partial(jax.jit, static_argnames=("cell", "lags"))
def _spectrum_of(cell, params, xs, lags, carry, **given):
    return jacobian_spectrum(cell, params, xs, lags, carry, **given).log_singular_values


# --- one step ----------------------------------------------------------------------------------------------------


def numbers_in_the_state(entry):
    carry = entry.cell(rnnjax.Precision()).initial_carry((1, *entry.places))
    return sum(leaf.size for leaf in jax.tree.leaves(carry))


# The Jacobians of every step of a state of hundreds of numbers, or of thousands, take too long, and gigabytes.
NARROW = [entry for entry in REGISTERED if numbers_in_the_state(entry) < 200]


def flat(leaves):
    """The state of each row as one vector."""
    return jnp.concatenate([leaf.reshape(BATCH, -1) for leaf in leaves], axis=-1)


@x64
@each_in_full(NARROW + [entry for entry in CELLS if entry.name == "stack_of_wrapped"])
def test_step_jacobians_equal_forward_differentiation(entry):
    """Row by row, with padding (identity) and resets (zero), in the order of the carry's leaves."""
    cell, params, xs, carry, key = example(entry)
    options = dict(lengths=LENGTHS, resets=RESETS, key=key)
    found = jacobians_of(cell, params, xs, carry, **options)
    _, _, states = run(cell, params, xs, carry, return_carries=True, **options)
    weights = cell.prepare(params, key=key, batch_shape=(BATCH, *entry.places))
    leaves, structure = jax.tree.flatten(carry)
    widths = np.cumsum([leaf[0].size for leaf in leaves])[:-1]

    @jax.jit
    @jax.jacfwd
    def forward(vector, x):
        parts = jnp.split(vector, widths, axis=-1)
        state = structure.unflatten([part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)])
        after, _ = cell.advance(weights, state, cell.project(weights, x))
        return flat(jax.tree.leaves(after))

    n = found.shape[-1]
    assert found.shape == (BATCH, TIME, n, n)
    for t in (1, 3, 6):
        whole = forward(flat([leaf[:, t - 1] for leaf in jax.tree.leaves(states)]), xs[:, t])
        for row in range(BATCH):
            expected = np.eye(n) if t >= LENGTHS[row] else (0 if RESETS[row, t] else whole[row, :, row])
            np.testing.assert_allclose(found[row, t], np.broadcast_to(expected, (n, n)), rtol=1e-12, atol=1e-14)


class Complex(NamedTuple):
    h: jax.Array
    count: jax.Array


@dataclasses.dataclass(frozen=True, repr=False)
class Turning(UnitCell):
    """h' = a h + x with a complex, and a count of the steps."""

    def init(self, key, in_features):
        del key
        return {"kernel": jnp.ones((in_features, self.features)), "bias": jnp.zeros(self.features)}

    def initial_carry(self, batch_shape=()):
        return Complex(jnp.zeros((*batch_shape, self.features), complex), jnp.zeros((*batch_shape, 1), int))

    def recur(self, weights, carry, drive):
        h = (0.3 + 0.4j) * carry.h + drive
        return Complex(h, carry.count + 1), h.real


@x64
def test_a_complex_state_is_real_parts_then_imaginary_parts():
    cell, params, xs = network(Turning(3, precision=FLOAT64), 4)
    eye = np.eye(3)
    expected = np.block([[0.3 * eye, -0.4 * eye], [0.4 * eye, 0.3 * eye]])
    np.testing.assert_allclose(jacobians_of(cell, params, xs), np.broadcast_to(expected, (2, 4, 6, 6)), atol=1e-15)


# --- products with known singular values -------------------------------------------------------------------------


@x64
@pytest.mark.parametrize("gain", [0.9, 1.1])
def test_linear_orthogonal_network(gain):
    """All singular values at lag k are gain^k."""
    lags = (1, 7, 200)
    logs = spectrum_of(*linear(gain * orthogonal(6), 200), lags)
    expected = np.array(lags)[:, None] * math.log(gain) * np.ones((1, 6))
    np.testing.assert_allclose(logs, [expected] * 2, rtol=0, atol=1e-10)


@x64
def test_far_below_the_range_of_floats():
    """0.5^5000, 1e-1505, in all directions."""
    logs = spectrum_of(*linear(0.5 * orthogonal(3), 5000, ()), (5000,))
    np.testing.assert_allclose(logs, 5000 * math.log(0.5) * np.ones((1, 3)), rtol=1e-12)


@x64
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_diagonal_network_with_rates_far_apart(precision):
    """sigma_i = |d_i|^k, from 1.5^200 to 1e-30^200, next to each other."""
    rates = np.array([1.5, 1.0, -0.9, 0.1, 1e-5, -1e-30])
    cell, params, xs = linear(np.diag(rates[[3, 0, 5, 2, 1, 4]]), 200, precision=precision)
    lags = (1, 7, 200)
    logs = spectrum_of(cell, params, xs * 0, lags)
    expected = np.array(lags)[:, None] * np.log(np.abs(rates.astype(precision).astype(float)))
    np.testing.assert_allclose(logs, [expected] * 2, rtol=4 * float(jnp.finfo(precision).eps), atol=1e-13)


@x64
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-11), ("float32", 2e-3)])
def test_telescoping_product(dtype, tolerance):
    """A_k = Q_k D Q_k-1^T, with D from 1 down to 1e-3: the product over k steps is Q_k D^k Q_0^T."""
    rng = np.random.default_rng(0)
    n, steps, scales = 8, 150, np.logspace(0, -3, 8)
    q = [np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(steps + 1)]
    product = graded.identity(1, n, jnp.dtype(dtype))
    for after, before in zip(q[1:], q[:-1], strict=True):
        product = multiply(jnp.asarray((after * scales) @ before.T, dtype)[None], product)
    found = log_singular_values(product)[0]
    np.testing.assert_allclose(found, steps * np.log(scales), rtol=tolerance, atol=tolerance)


@x64
def test_integer_matrices_exactly():
    """Two by two, in exact integers: sigma_1^2 + sigma_2^2 is the sum of squares, sigma_1 sigma_2 the determinant."""
    rng = np.random.default_rng(1)
    factors = rng.integers(-9, 10, (400, 2, 2))
    exact, product = np.array([[1, 0], [0, 1]], dtype=object), graded.identity(1, 2, jnp.dtype("float64"))
    for count, factor in enumerate(factors, 1):
        if factor[0, 0] * factor[1, 1] == factor[0, 1] * factor[1, 0]:
            continue
        exact = factor.astype(object) @ exact
        product = multiply(jnp.asarray(factor, float)[None], product)
        if count in (1, 10, 400):
            with localcontext() as context:
                context.prec = 3000
                squares = Decimal(sum(int(entry) ** 2 for entry in exact.flat))
                determinant = abs(Decimal(int(exact[0, 0] * exact[1, 1] - exact[0, 1] * exact[1, 0])))
                largest = ((squares + (squares**2 - 4 * determinant**2).sqrt()) / 2).sqrt()
                context.prec = 30
                expected = [float((+largest).ln()), float((+determinant).ln() - (+largest).ln())]
            np.testing.assert_allclose(log_singular_values(product)[0], expected, rtol=1e-13, atol=1e-13)


# Logarithms of the singular values of J_1, of J_10 ... J_1 and of J_60 ... J_1 for the matrices below, from products
# and a singular value decomposition in 1500 decimal digits.
GOLDEN = {
    "plain": [
        [0.5319091078020848, 0.39456175323850656, 0.20624239832968516, -0.9809031713895661, -3.98296657457063],
        [1.7101975866395696, 0.24576104164978096, -2.3324014686834094, -6.774562787481927, -15.324747386796082],
        [5.35814067590826, -0.8281240127792728, -9.591870286265948, -27.935556194289383, -66.14945416822579],
    ],
    "gated": [
        [-0.146020742613427, -3.518110528933533, -7.610852887555063, -11.57340870395687, -15.640122651528293],
        [-14.59998396146694, -34.143117452141006, -74.55091288978218, -101.65273207473821, -144.10259691651638],
        [-70.11255848553161, -237.9146775170723, -423.0992009835292, -616.720434137756, -830.7415345415989],
    ],
}


def golden_factors(kind):
    """Dyadic numbers, the same on every machine: no random generator and no rounding is involved."""
    t, i, j = np.ogrid[1:61, 1:6, 1:6]
    plain = ((t * 79 + i * 104729 + j * 1299 + t * i * 31 + j * j * i * 17) ** 3 % 2003 - 1001) / 1024.0
    return plain * (2.0 ** -(5 * ((t + 2 * i) % 5)) if kind == "gated" else 1.0)


@x64
@pytest.mark.parametrize("kind", ["plain", "gated"])
def test_products_computed_in_1500_digits(kind):
    """Without and with rows that are switched nearly off, by up to 2^-20, each in turn."""
    found = []
    product = graded.identity(1, 5, jnp.dtype("float64"))
    for t, factor in enumerate(golden_factors(kind), 1):
        product = multiply(jnp.asarray(factor)[None], product)
        if t in (1, 10, 60):
            found.append(log_singular_values(product)[0])
    np.testing.assert_allclose(found, GOLDEN[kind], rtol=0, atol=1e-12)


@x64
@pytest.mark.parametrize("n", [1, 2, 3, 8, 9])
def test_jacobi_equals_lapack_where_lapack_is_accurate(n):
    rows = np.random.default_rng(n).standard_normal((4, n, n))
    found = jax.jit(jacobi.log_singular_values)(jnp.asarray(rows), jnp.zeros((4, n), jnp.int32))
    np.testing.assert_allclose(found, np.log(np.linalg.svd(rows, compute_uv=False)), rtol=1e-12, atol=1e-12)


# --- cells -------------------------------------------------------------------------------------------------------


@x64
@each_in_full(NARROW)
def test_spectra_of_cells(entry):
    """Lag 1 agrees with LAPACK; at any lag the logarithms sum to those of |det J|; padded rows end at their length.

    Where a step is singular to LAPACK's rounding its determinants and least singular values are no oracle.
    """
    cell, params, xs, carry, key = example(entry)
    lags = (1, 3, HALF, TIME)
    found = spectrum_of(cell, params, xs, lags, carry, lengths=LENGTHS, key=key)
    whole = dict(lengths=np.full_like(LENGTHS, TIME), resets=np.zeros_like(RESETS), key=key)
    jacobians = np.asarray(jacobians_of(cell, params, xs, carry, **whole))
    logs = np.asarray(found)
    assert logs.shape == (BATCH, 4, jacobians.shape[-1])
    determinants, regular = np.linalg.slogdet(jacobians)[1], np.linalg.cond(jacobians) < 1e8
    for row, length in enumerate(LENGTHS):
        for index, lag in enumerate(lags):
            if lag > length:
                assert np.all(np.isnan(logs[row, index]))
                continue
            assert np.all(logs[row, index, 1:] <= logs[row, index, :-1])
            if regular[row, length - lag : length].all():
                expected = determinants[row, length - lag : length].sum()
                np.testing.assert_allclose(logs[row, index].sum(), expected, rtol=1e-9, atol=1e-12)  # log 1, as below
        if length and regular[row, length - 1]:
            lapack = np.log(np.linalg.svd(jacobians[row, length - 1], compute_uv=False))
            np.testing.assert_allclose(logs[row, 0], lapack, rtol=1e-9, atol=1e-12)  # log 1 is rounding alone


@x64
def test_float32_agrees_with_float64():
    """The small singular values of an LSTM over 100 steps have the error that float32 steps have."""
    lags = (1, 10, 100)
    cell, params, xs = network(LSTM(4), 100, (1,))
    narrow = spectrum_of(cell, params, xs, lags)
    factors = np.asarray(jacobians_of(cell, params, xs), float)
    product, wide = graded.identity(1, 8, jnp.dtype("float64")), []
    for lag in range(1, 101):
        product = multiply(factors[:, -lag].mT, product)
        if lag in lags:
            wide.append(log_singular_values(product))
    assert narrow.dtype == jnp.float32 and wide[-1].min() < -150
    np.testing.assert_allclose(narrow, np.stack(wide, 1), rtol=0, atol=1e-2)


def test_units_that_are_off_give_zeros_and_nothing_else():
    """J = diag(on) (here U is the identity): as many ones as units that stay on, the rest exactly zero."""
    cell, params, xs = network(Elman.irnn(8), 6, (5,))
    params["recurrent_kernel"] = jnp.eye(8)
    lags = (1, 2, 6)
    logs = np.asarray(spectrum_of(cell, params, xs, lags))
    _, ys = run(cell, params, xs)
    for index, lag in enumerate(lags):
        stay = np.all(np.asarray(ys[:, 6 - lag :]) > 0, axis=1).sum(-1)
        np.testing.assert_array_equal(np.isneginf(logs[:, index]), np.arange(8) >= stay[:, None])
        np.testing.assert_allclose(logs[:, index][np.isfinite(logs[:, index])], 0, atol=1e-6)


def test_products_across_a_reset_are_zero():
    cell, params, xs = network(GRU(4), 6)
    resets = jnp.zeros((2, 6), bool).at[0, 3].set(True)
    logs = spectrum_of(cell, params, xs, (2, 3, 4), resets=resets)
    np.testing.assert_array_equal(np.isneginf(logs).all(-1), [[False, True, True], [False] * 3])
    assert np.all(np.isfinite(logs[1]))


def test_nan_stays_in_its_row():
    cell, params, xs = network(GRU(4), 6)
    broken = np.array(xs)
    broken[0, 2] = np.nan
    logs = spectrum_of(cell, params, broken, (1, 6))
    assert np.all(np.isnan(logs[0])) and np.all(np.isfinite(logs[1]))


# --- use ---------------------------------------------------------------------------------------------------------


def test_lags_in_any_order_and_any_batch_shape():
    cell, params, xs = network(GRU(4), 6)
    straight = spectrum_of(cell, params, xs, (1, 6))
    found = spectrum_of(cell, params, xs[None], (6, 1, 6))
    assert found.shape == (1, 2, 3, 4)
    np.testing.assert_allclose(found[0], straight[:, jnp.asarray([1, 0, 1])], rtol=1e-4, atol=1e-5)


def test_compiles_once_for_other_lags_of_the_same_range():
    cell = Traced(4)
    _, params, xs = network(cell, 6)
    jacobian_spectrum(cell, params, xs, [1, 6])
    before = cell.count[0]
    found = jacobian_spectrum(Traced(4, bias_init={"update": 1.0}), params, xs, [2, 6, 3])
    assert cell.count[0] == before > 0
    assert found.lags.tolist() == [2, 6, 3]


@pytest.mark.parametrize("lags", [[0], [7], [], [1.5], 3, [[1, 2]], ["a"], [1, [2]], [True]])
def test_lags_are_checked(lags):
    with pytest.raises(InputError, match=r"lags: .* ints in 1\.\.6"):
        jacobian_spectrum(*network(GRU(4), 6), lags)
