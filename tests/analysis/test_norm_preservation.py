"""What steps do to the norm of a gradient: against the flow of gradients, closed forms, and Euler's theorem."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.networks import linear, network, orthogonal
from catalog import CELLS, FLOAT64
from sequences import LENGTHS, example

from rnnjax import GRU, LRU, LSTM, Dropout, Elman, InputError, MinGRU, Stack, WeightNorm
from rnnjax.analysis import gradient_flow, norm_preservation

x64 = pytest.mark.usefixtures("x64")
IN_FULL = [pytest.mark.exhaustive, pytest.mark.slow]

_ratios = jax.jit(norm_preservation, static_argnums=0, static_argnames="loss")


def assert_of_the_flow(cell, params, xs, key=None, lengths=None):
    """With a loss of the last output, a gradient that passed a step is the one found a step earlier, norm for norm."""
    found = _ratios(cell.dynamics, params, xs, lengths=lengths, key=key, bound=0.0)
    logs = np.asarray(gradient_flow(cell, params, xs, lengths=lengths, key=key).log_norms)
    counted = np.asarray(found.counted)[:, 1:]
    with np.errstate(divide="ignore"):
        ours = 0.5 * np.log(np.asarray(found.squared_ratios)[:, 1:])
    reached = counted & np.isfinite(logs[:, 1:])
    time = xs.shape[1]
    last = np.full(xs.shape[0], time - 1) if lengths is None else np.asarray(lengths) - 1
    reached &= np.arange(1, time) < last[:, None]  # the last output may read the state before it too
    assert reached.any()
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(ours[reached], (logs[:, :-1] - logs[:, 1:])[reached], rtol=1e-7, atol=1e-7)


PLAIN = {
    "elman": Elman(4, precision=FLOAT64),
    "lstm": LSTM(4, precision=FLOAT64),
    "stack": Stack((GRU(4, precision=FLOAT64), Elman(3, precision=FLOAT64))),
    "weight_norm": WeightNorm(LSTM(4, precision=FLOAT64)),
}


@x64
@pytest.mark.parametrize("name", ["elman", "lstm", *(pytest.param(n, marks=IN_FULL) for n in ("stack", "weight_norm"))])
def test_a_ratio_is_that_of_neighbouring_gradients(name):
    assert_of_the_flow(*network(PLAIN[name], 6))


@x64
def test_with_dropout_and_lengths():
    """Under one key the masks are those of `gradient_flow`; padding does not count."""
    cell, params, xs = network(Dropout(GRU(4, precision=FLOAT64), input=0.3, recurrent=0.4), 6)
    lengths = jnp.asarray([6, 3])
    assert_of_the_flow(cell, params, xs, jax.random.key(0), lengths)
    found = _ratios(cell.dynamics, params, xs, lengths=lengths)
    np.testing.assert_array_equal(found.counted, np.arange(6) < np.asarray(lengths)[:, None])
    assert np.all(np.asarray(found.squared_ratios)[~np.asarray(found.counted)] == 1)


@pytest.mark.exhaustive
@pytest.mark.slow
@x64
@pytest.mark.parametrize("entry", [entry for entry in CELLS if not entry.places], ids=str)
def test_every_cell(entry):
    """The law above for every cell with a recurrent kernel that is a matrix; the others are refused by name."""
    given = example(entry)
    try:
        assert_of_the_flow(given.cell, given.params, given.xs, lengths=jnp.maximum(LENGTHS, 2))
    except InputError as error:
        assert "recurrent kernel" in str(error)


@x64
@pytest.mark.parametrize("gain", [1.0, 0.7])
def test_a_linear_orthogonal_network_keeps_all_norms_alike(gain):
    """Ratios are gain^2 at every step, the first one too, and without a gain there is nothing left to change."""
    cell, params, xs = linear(gain * orthogonal(8), 12)
    found = _ratios(cell.dynamics, params, xs)
    np.testing.assert_allclose(found.squared_ratios, gain**2, rtol=1e-12)
    assert np.all(found.counted)
    omega = lambda params: jnp.sum(jnp.square(norm_preservation(cell, params, xs).squared_ratios - 1))  # noqa: E731
    gradient = jax.jit(jax.grad(omega))(params)
    largest = np.abs(gradient["recurrent_kernel"]).max()
    assert largest < 1e-10 if gain == 1 else largest > 0.1


HOMOGENEOUS = {"elman": PLAIN["elman"], "dropout": Dropout(PLAIN["elman"], recurrent=0.4)}


@x64
@pytest.mark.parametrize("name", ["elman", "dropout"])
def test_the_derivative_is_the_immediate_one(name):
    """Where every way back leads through U once, s_t is of degree 2 in U at given states: <ds/dU, U> = 2 s (Euler).

    Whatever else s_t depends on by way of the states would break this. No other parameter gets a derivative.
    """
    cell, params, xs = network(HOMOGENEOUS[name], 6)
    key, weights = jax.random.key(1), np.random.default_rng(0).standard_normal((2, 6))

    def weighed(params):
        found = norm_preservation(cell, params, xs, key=key)
        return jnp.sum(weights * found.squared_ratios)

    value, gradient = jax.jit(jax.value_and_grad(weighed))(params)
    np.testing.assert_allclose(jnp.vdot(gradient["recurrent_kernel"], params["recurrent_kernel"]), 2 * value, rtol=1e-8)
    assert not np.any(gradient["kernel"]) and not np.any(gradient["bias"])


@x64
def test_a_gated_cell_by_hand():
    """For a GRU whose gates are held: delta U^T, block by block, written out in NumPy."""
    cell, params, xs = network(GRU(4, precision=FLOAT64), 2)
    weights = np.random.default_rng(3).standard_normal(2)

    def last(params):
        return jnp.sum(weights * norm_preservation(cell, params, xs).squared_ratios[:, -1])

    value, gradient = jax.jit(jax.value_and_grad(last))(params)
    p = {name: np.asarray(leaf) for name, leaf in params.items()}
    sigmoid = lambda a: 1 / (1 + np.exp(-a))  # noqa: E731

    def step(h, x):
        fed, back = (np.split(part, 3, -1) for part in (x @ p["kernel"] + p["bias"], h @ p["recurrent_kernel"]))
        r, z = sigmoid(fed[0] + back[0]), sigmoid(fed[1] + back[1])
        inner = back[2] + p["recurrent_bias"]
        n = np.tanh(fed[2] + r * inner)
        return r, z, n, inner, (1 - z) * n + z * h

    h = step(np.zeros((2, 4)), np.asarray(xs[:, 0]))[-1]
    r, z, n, inner, delta = step(h, np.asarray(xs[:, 1]))  # the loss is half the squared norm of the last state
    to_n = delta * (1 - z) * (1 - n**2)
    to_gates = np.concatenate([to_n * inner * r * (1 - r), delta * (h - n) * z * (1 - z), to_n * r], -1)
    passed_on = delta * z + to_gates @ p["recurrent_kernel"].T
    size = np.sum(delta**2, -1)
    np.testing.assert_allclose(value, np.sum(weights * np.sum(passed_on**2, -1) / size), rtol=1e-8)
    by_row = 2 * weights[:, None, None] * passed_on[:, :, None] * to_gates[:, None, :] / size[:, None, None]
    np.testing.assert_allclose(gradient["recurrent_kernel"], by_row.sum(0), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("cell", [LRU(4), MinGRU(4)], ids=lambda cell: type(cell).__name__)
def test_a_cell_without_a_recurrent_kernel_is_refused(cell):
    with pytest.raises(InputError, match=r"cell: got .* expected a cell with a recurrent kernel that is a matrix"):
        norm_preservation(*network(cell, 3))
