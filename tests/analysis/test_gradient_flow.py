"""dL/dh_t: closed forms, autodiff through probes, finite differences, and the ends of the range of floats."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.networks import Traced, linear, network, orthogonal
from catalog import FLOAT64, REGISTERED, WRAPPED, Entry, each_in_full
from sequences import BATCH, LENGTHS, RESETS, TIME, example, padded, run, weighed, with_nan_padding

from rnnjax import GRU, LSTM, Dropout, InputError, Residual, Stack, UnitCell, unroll
from rnnjax.analysis import gradient_flow

x64 = pytest.mark.usefixtures("x64")
_flow_of = jax.jit(gradient_flow, static_argnames=("cell", "loss"))


def flow_of(cell, *args, **given):
    """`gradient_flow`, compiled as a whole, and once for all initialisations of a cell."""
    return _flow_of(cell.dynamics, *args, **given)


# --- closed forms ------------------------------------------------------------------------------------------------


@x64
@pytest.mark.parametrize("gain", [0.9, 1.1])
def test_linear_orthogonal_network(gain):
    """|dL/dh_t| is gain^(T - t) times |dL/dh_T|."""
    flow = flow_of(*linear(gain * orthogonal(16), 201))
    np.testing.assert_allclose(flow.norms / flow.norms[:, -1:], [gain ** np.arange(200.0, -1, -1)] * 2, rtol=1e-12)
    np.testing.assert_allclose(np.exp(flow.log_norms), flow.norms, rtol=1e-12)


@x64
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_far_below_the_range_of_floats(precision):
    """0.5^5000 is 1e-1505; the error is that of the steps, not of an underflow."""
    flow = flow_of(*linear(0.5 * orthogonal(16), 5001, precision=precision))
    fall = np.asarray(flow.log_norms[:, 0] - flow.log_norms[:, -1], float)
    np.testing.assert_allclose(fall, 5000 * math.log(0.5), rtol=4 * float(jnp.finfo(precision).eps))
    assert not np.any(flow.norms[:, 0])


@pytest.mark.parametrize("gain", [1e-3, 1e3])
def test_far_above_and_below_in_one_sequence(gain):
    """A gradient that leaves the range of float32 at either end comes back from there."""
    cell, params, xs = linear(gain * np.eye(16), 60, precision="float32")
    flow = flow_of(cell, params, 0 * xs, lambda ys, carry: jnp.sum(ys[:, -1]))
    steps = np.arange(59, -1, -1)
    np.testing.assert_allclose(flow.log_norms, [0.5 * np.log(16) + np.log(gain) * steps] * 2, rtol=1e-5)
    assert np.all(flow.norms[:, 0] == (0 if gain < 1 else np.inf))


@x64
def test_tiny_direct_gradients_are_not_squared_away():
    """A loss of 1e-200 in float64 and 1e-30 in float32 has the norms of a loss of 1, times that."""
    for precision, factor in (("float64", 1e-200), ("float32", 1e-30)):
        cell, params, xs = linear(0.9 * orthogonal(16), 5, precision=precision)

        @jax.jit
        def log_norms(factor, cell=cell, params=params, xs=xs):
            return gradient_flow(cell, params, xs, lambda ys, carry: factor * jnp.sum(ys)).log_norms

        np.testing.assert_allclose(log_norms(factor) - log_norms(1.0), np.log(factor), rtol=1e-5)


# --- autodiff ----------------------------------------------------------------------------------------------------


def output_of(cell, weights, state, drive):
    """The output of a step, read from the state after it; `None` where the cell does something else."""
    if isinstance(cell, Stack):
        y = output_of(cell.cells[0], weights[0], state[0], drive)
        for index, layer in enumerate(cell.cells[1:], 1):
            y = output_of(layer, weights[index], state[index], layer.project(weights[index], y))
        return y
    if isinstance(cell, Residual):
        return drive[1] + output_of(cell.cell, weights, state, drive[0])
    if isinstance(cell, Dropout):
        return output_of(cell.cell, weights["cell"], state, drive) * weights.get("output", 1.0)
    first = jax.tree.leaves(state)[0]
    shape = (*first.shape[: 1 + cell.spatial_axes], cell.output_features)
    return first if first.shape == shape else jnp.zeros(shape, first.dtype)


@functools.partial(jax.jit, static_argnames="cell")
def through_probes(cell, params, xs, carry, key, over_outputs, over_final):
    """The gradient of zeros that are added to the state after each step, `[time, batch, ...]`, and two outputs."""
    rows = (BATCH, *jax.tree.leaves(xs)[0].shape[2:-1])  # places, too
    weights = cell.prepare(params, key=key, batch_shape=rows)
    initial = cell.initial_carry(rows)
    valid = jnp.arange(TIME) < LENGTHS[:, None]

    def by_row(where, leaf):
        return where.reshape(BATCH, *(1,) * (leaf.ndim - 1))

    def pick(where, one, other):
        return jax.tree.map(lambda x, y: jnp.where(by_row(where, x), x, y), one, other)

    def step(state, given):
        x, valid, reset, probe = given
        drive = cell.project(weights, jnp.where(by_row(valid, x), x, 0))
        after, y = cell.advance(weights, pick(reset, initial, state), drive)
        after = jax.tree.map(jnp.add, after, probe)
        return pick(valid, after, state), pick(valid, (y, output_of(cell, weights, after, drive)), (0.0, 0.0))

    def loss(probes):
        given = (jnp.moveaxis(xs, 1, 0), valid.T, jnp.asarray(RESETS).T, probes)
        final, outputs = jax.lax.scan(step, carry, given)
        plain, ys = (jnp.moveaxis(output, 0, 1) for output in outputs)
        total = over_outputs * weighed(ys, jnp.ones(BATCH)) + over_final * weighed(final, jnp.ones(BATCH))
        return total, (plain, ys)

    probes = jax.tree.map(lambda leaf: jnp.zeros((TIME, *leaf.shape), leaf.dtype), carry)
    return jax.grad(loss, has_aux=True)(probes)


@x64
@each_in_full(REGISTERED + [entry for entry in WRAPPED if "stack" in entry.name])
def test_equals_autodiff_through_probes(entry: Entry):
    """For losses of all outputs, of the final carry, and of both; with padding, resets and dropout."""
    cell, params, xs, carry, key = example(entry)

    @jax.jit
    def flow_for(over_outputs, over_final):
        def loss(ys, carry):
            return over_outputs * weighed(ys, jnp.ones(BATCH)) + over_final * weighed(carry, jnp.ones(BATCH))

        return gradient_flow(cell, params, with_nan_padding(xs), loss, carry, lengths=LENGTHS, resets=RESETS, key=key)

    for over_outputs, over_final in ((0.0, 1.0), (1.0, 0.0), (0.7, 0.3)):
        gradients, (ys, read) = through_probes(cell, params, xs, carry, key, over_outputs, over_final)
        if over_outputs and not np.allclose(ys, read):
            pytest.skip("no oracle: the output of this cell is no leaf of its carry")
        flow = flow_for(over_outputs, over_final)
        square = jax.tree.map(lambda leaf: jnp.sum(leaf**2, axis=tuple(range(2, leaf.ndim))).T, gradients)
        assert jax.tree.structure(flow.log_leaf_norms) == jax.tree.structure(carry)
        for found, expected in zip(jax.tree.leaves(flow.log_leaf_norms), jax.tree.leaves(square), strict=True):
            np.testing.assert_allclose(np.exp(2 * found), expected, rtol=1e-11, atol=1e-25)
        total = np.sum(jax.tree.leaves(square), axis=0)
        np.testing.assert_allclose(flow.norms**2, total, rtol=1e-11, atol=1e-25)
        np.testing.assert_allclose(np.exp(flow.log_norms), flow.norms, rtol=1e-12)
        assert np.all(np.isneginf(flow.log_norms[padded()])), "no gradient at padded steps"
        assert np.all(total[0, -1] > 0), "the oracle says something"


@x64
def test_finite_differences():
    """dL/dh_t by starting from h_t and moving it: no probes, no chain rule."""
    cell, params, xs, carry, _ = example(Entry("gru", lambda p: GRU(4, precision=p)))
    _, _, states = run(cell, params, xs, carry, return_carries=True)
    flow = flow_of(cell, params, xs, lambda ys, carry: weighed((ys, carry), jnp.ones(BATCH)), carry)
    for t in (1, 5):
        state = jax.tree.map(lambda leaf, t=t: leaf[:, t], states)

        @jax.jit
        @jax.vmap
        def rest(h, t=t):
            final, ys = unroll(cell, params, xs[:, t + 1 :], type(carry)(h))
            ys = jnp.concatenate([jnp.zeros((BATCH, t, 4)), h[:, None], ys], axis=1)
            return weighed((ys, final), jnp.ones(BATCH))

        moves = 1e-6 * np.eye(state.h.size).reshape(-1, *state.h.shape)
        slopes = (rest(state.h + moves) - rest(state.h - moves)) / 2e-6
        norms = np.linalg.norm(np.reshape(slopes, state.h.shape), axis=-1)
        np.testing.assert_allclose(flow.norms[:, t], norms, rtol=1e-8)


# --- sequences ---------------------------------------------------------------------------------------------------


def test_default_loss_starts_from_the_last_valid_output():
    """dL/dh_T is y_T where y_T is h_T, and a row of length 0 has no gradient."""
    cell, params, xs = network(LSTM(8), 6, (4,))
    _, ys = run(cell, params, xs)
    whole = flow_of(cell, params, xs)
    np.testing.assert_allclose(whole.norms[:, -1], np.linalg.norm(ys[:, -1], axis=-1), rtol=1e-6)
    np.testing.assert_allclose(np.exp(whole.log_leaf_norms.h[:, -1]), whole.norms[:, -1], rtol=1e-6)
    assert np.all(np.isneginf(whole.log_leaf_norms.c[:, -1])), "the last cell state is not read any more"
    cut = flow_of(cell, params, xs, lengths=jnp.asarray([6, 3, 1, 0]))
    np.testing.assert_allclose(cut.norms[1, 2], np.linalg.norm(ys[1, 2]), rtol=1e-6)
    assert np.all(np.isneginf(cut.log_norms) == (np.arange(6) >= np.array([[6], [3], [1], [0]])))


def test_no_gradient_crosses_a_reset():
    cell, params, xs = network(GRU(4), 6)
    resets = jnp.zeros((2, 6), bool).at[0, 4].set(True)
    flow = flow_of(cell, params, xs, resets=resets)
    np.testing.assert_array_equal(np.isneginf(flow.log_norms), [[True] * 4 + [False] * 2, [False] * 6])
    after = flow_of(cell, params, xs[0, 4:])
    np.testing.assert_allclose(flow.norms[0, 4:], after.norms, rtol=1e-5)


def test_any_batch_shape():
    cell, params, xs = network(GRU(4), 6)
    flat = flow_of(cell, params, xs).log_norms
    flow = flow_of(cell, params, xs[:, None])
    assert flow.log_norms.shape == flow.norms.shape == flow.log_leaf_norms.h.shape == (2, 1, 6)
    np.testing.assert_allclose(flow.log_norms[:, 0], flat, rtol=1e-5)
    np.testing.assert_allclose(flow_of(cell, params, xs[0]).log_norms, flat[0], rtol=1e-5)


def test_nan_stays_in_its_row():
    cell, params, xs = network(GRU(4), 6)
    broken = np.array(xs)
    broken[0, 2] = np.nan
    flow = flow_of(cell, params, broken)
    assert np.all(np.isnan(flow.log_norms[0])) and np.all(np.isfinite(flow.log_norms[1]))


class Counting(NamedTuple):
    h: jax.Array
    count: jax.Array


@dataclasses.dataclass(frozen=True, repr=False)
class Turning(UnitCell):
    """h' = rate e^(i angle) h + x, complex, and a count of the steps: leaves of all kinds of dtypes."""

    def init(self, key, in_features):
        del key
        return {"kernel": jnp.ones((in_features, self.features)), "bias": jnp.zeros(self.features)}

    def initial_carry(self, batch_shape=()):
        return Counting(jnp.zeros((*batch_shape, self.features), complex), jnp.zeros((*batch_shape, 1), int))

    def recur(self, weights, carry, drive):
        h = 0.5 * jnp.exp(2j) * carry.h + drive
        return Counting(h, carry.count + 1), h.real


@x64
def test_complex_states_and_counters():
    cell, params, xs = network(Turning(4, precision=FLOAT64), 6)
    flow = flow_of(cell, params, xs, lambda ys, carry: jnp.sum(ys[:, -1]))
    np.testing.assert_allclose(flow.norms, [2 * 0.5 ** np.arange(5.0, -1, -1)] * 2, rtol=1e-12)
    assert np.all(np.isneginf(flow.log_leaf_norms.count))


# --- use ---------------------------------------------------------------------------------------------------------


def test_compiles_once_for_other_losses_parameters_and_initialisers():
    cell = Traced(4)
    _, params, xs = network(cell, 6)
    gradient_flow(cell, params, xs, lambda ys, carry: jnp.sum(ys))
    before = cell.count[0]
    gradient_flow(Traced(4, bias_init={"update": 2.0}), params, 2 * xs, lambda ys, carry: jnp.sum(carry.h**2))
    assert cell.count[0] == before > 0


def test_errors_name_the_argument():
    cell, params, xs = network(GRU(4), 6)
    with pytest.raises(InputError, match=r"loss: got shape \(2,\), expected a function that returns a scalar"):
        gradient_flow(cell, params, xs, lambda ys, carry: ys[:, -1, 0])
    with pytest.raises(InputError, match=r"lengths: got 7, expected ints in 0..6"):
        gradient_flow(cell, params, xs, lengths=[6, 7])
    with pytest.raises(InputError, match=r"resets: got shape \(2, 5\), expected shape \(2, 6\)"):
        gradient_flow(cell, params, xs, resets=jnp.zeros((2, 5), bool))
    with pytest.raises(InputError, match="params"):
        gradient_flow(GRU(5), params, xs)
    with pytest.raises(InputError, match=r"xs: got shape \(2, 0, 3\), expected at least one step"):
        gradient_flow(cell, params, xs[:, :0])
