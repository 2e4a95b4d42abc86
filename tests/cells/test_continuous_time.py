"""Facts of networks in continuous time that the laws for all cells do not cover."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import FLOAT64
from references import stable as references
from references.functions import sigmoid
from sequences import assert_identical, assert_same, drawn_like, run

from rnnjax import unroll
from rnnjax.cell import abstract_params
from rnnjax.cells.cfc import CfC
from rnnjax.cells.ct_rnn import CTRNN
from rnnjax.cells.ltc import LTC
from rnnjax.inputs import Timed

x64 = pytest.mark.usefixtures("x64")
BATCH, TIME, INPUTS, FEATURES = 3, 8, 5, 4
KEY = jax.random.key(0)


def drawn(cell, in_features=INPUTS, seed=0):
    """Parameters, inputs and a carry, all drawn at random."""
    params = drawn_like(abstract_params(cell, in_features), seed)
    xs = drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, INPUTS), jnp.float64), seed + 1, scale=1.0)
    carry = drawn_like(jax.eval_shape(lambda: cell.initial_carry((BATCH,))), seed + 2)
    return params, xs, carry


CLOCKS = [CTRNN, LTC, CfC]
WIDTHS = Timed(INPUTS, 1)


def at_times(cell, elapsed=None, seed=0):
    """A cell's parameters and carry, and inputs at random times."""
    params, xs, carry = drawn(cell, WIDTHS, seed)
    elapsed = np.random.default_rng(9).uniform(0.1, 3, (BATCH, TIME, 1)) if elapsed is None else elapsed
    return params, Timed(xs, np.broadcast_to(elapsed, (BATCH, TIME, 1)).astype(np.float64)), carry


@x64
@pytest.mark.parametrize("cls", CLOCKS, ids=lambda cls: cls.__name__)
def test_uneven_times_follow_the_equations(cls):
    """Inputs with elapsed times give what the equations give, step by step; they all matter."""
    cell = cls(FEATURES, precision=FLOAT64)
    params, xs, carry = at_times(cell)
    _, ys = run(cell, params, xs, carry)
    name = {"CTRNN": "ct_rnn", "LTC": "ltc", "CfC": "cfc"}[cls.__name__]
    state = (carry.h[0],)
    for t in range(TIME):
        state, y = references.EQUATIONS[name](params, state, xs.x[0, t], elapsed=xs.elapsed[0, t])
        assert_same(ys[0, t], y, 1e-11)
    _, even = run(cell, params, xs.x, carry)
    assert np.abs(ys - even).max() > 1e-3


@x64
@pytest.mark.parametrize("cls", CLOCKS, ids=lambda cls: cls.__name__)
def test_a_plain_array_is_one_unit_of_time_a_step(cls):
    """Without times, each step takes one unit."""
    cell = cls(FEATURES, precision=FLOAT64)
    params, xs, carry = at_times(cell, elapsed=1.0)
    assert_identical(run(cell, params, xs.x, carry), run(cell, params, xs, carry))


@x64
@pytest.mark.parametrize("cls", [CTRNN, LTC], ids=lambda cls: cls.__name__)
def test_a_step_is_two_of_half_the_time(cls):
    """While the input stands still, a step of six unfolds is two steps of three, each of half the time."""
    whole, half = (cls(FEATURES, unfolds=unfolds, precision=FLOAT64) for unfolds in (6, 3))
    params, xs, carry = at_times(whole)
    twice = jax.tree.map(lambda leaf: np.repeat(leaf, 2, axis=1), Timed(xs.x, xs.elapsed / 2))
    assert_same(run(half, params, twice, carry)[1][:, 1::2], run(whole, params, xs, carry)[1])


@x64
@pytest.mark.parametrize("cls", [CTRNN, LTC], ids=lambda cls: cls.__name__)
def test_no_time_is_no_change(cls):
    """A step of no time leaves the state as it is, with finite gradients."""
    cell = cls(FEATURES, precision=FLOAT64)
    params, xs, carry = at_times(cell, elapsed=0.0)
    final, _ = run(cell, params, xs, carry)
    assert_same(final, carry)
    gradients = jax.grad(lambda xs: jnp.sum(unroll(cell, params, xs, carry)[1]))(xs)
    assert all(np.isfinite(leaf).all() for leaf in gradients)


@x64
def test_euler_steps_come_to_the_solution():
    """With U = 0 the state relaxes exponentially, and the error of Euler's method is of first order."""
    errors = []
    for unfolds in (40, 80):
        cell = CTRNN(FEATURES, unfolds=unfolds, precision=FLOAT64)
        params, xs, carry = at_times(cell)
        params["recurrent_kernel"] = np.zeros((FEATURES, FEATURES))
        x, elapsed = xs.x[:, 0], xs.elapsed[:, 0]
        after, _ = cell.step(params, carry, Timed(x, elapsed))
        target = np.tanh(x @ params["kernel"] + params["bias"])
        expected = target + (carry.h - target) * np.exp(-elapsed / np.exp(params["log_tau"]))
        errors.append(np.abs(after.h - expected).max())
    assert errors[0] < 0.05 and 1.8 < errors[0] / errors[1] < 2.2


@x64
def test_time_constant_starts_where_asked():
    """tau = 5 is five times slower than tau = 1, for small steps."""
    slow = CTRNN(FEATURES, tau=5.0, precision=FLOAT64).init(KEY, INPUTS)
    np.testing.assert_allclose(np.exp(slow["log_tau"]), 5.0)


@x64
def test_liquid_neurons_stay_between_their_potentials():
    """Each solver step is a mean of the state, the leak and the reversal potentials, with positive weights."""
    cell = LTC(FEATURES, precision=FLOAT64)
    params = cell.init(KEY, WIDTHS)
    xs = 100 * np.random.default_rng(0).standard_normal((BATCH, 300, INPUTS))
    elapsed = 10.0 ** np.random.default_rng(1).uniform(-3, 3, (BATCH, 300, 1))
    _, ys = run(cell, params, Timed(xs, elapsed))
    assert 0.3 < np.abs(ys).max() <= 1


@x64
def test_closed_form_goes_from_one_candidate_to_the_other():
    """Long ago, for rates above zero, the state is the late candidate; the gate is the sigmoid of time."""
    cell = CfC(FEATURES, precision=FLOAT64)
    params, xs, carry = at_times(cell)
    heads = params["head_kernel"].copy()
    heads[:, 2 * FEATURES :] = 0.0
    bias = np.concatenate([params["head_bias"][: 2 * FEATURES], np.full(FEATURES, 2.0), np.full(FEATURES, -3.0)])
    params |= {"head_kernel": heads, "head_bias": bias}
    weights = cell.prepare(params)
    for time in (0.0, 1.5, 100.0):
        x = Timed(xs.x[:, 0], np.full((BATCH, 1), time))
        gates = cell.gate_values(weights, carry, cell.project(weights, x))
        np.testing.assert_allclose(gates["time"], sigmoid(2.0 * time - 3.0), rtol=1e-12)
        after = np.asarray(cell.step(params, carry, x)[0].h)
        if time == 100.0:
            np.testing.assert_allclose(after, gates["late_candidate"], rtol=1e-12)
